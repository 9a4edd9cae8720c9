"""Exit codes, and the exception that ends a command early with one line and an exit code."""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slurper_tui.api.errors import ApiError


class ExitCode(IntEnum):
    """The exit codes; a signal ends the program with 128 + number and is not re-raised."""

    OK = 0
    IN_USE = 1
    USAGE = 2
    CREDENTIALS = 3
    OBJECTS_LOST = 4
    JOB_LOST = 5
    TIMED_OUT = 6
    API = 7
    BUG = 70
    HANGUP = 129
    INTERRUPTED = 130
    QUIT = 131
    TERMINATED = 143


def exit_code(code: int | None) -> ExitCode:
    """Convert a number to an ExitCode; None is OK, an unknown number is BUG."""
    try:
        return ExitCode(code or 0)
    except ValueError:
        return ExitCode.BUG


class CliError(Exception):
    """End the program. line: the message, "" for none. code: the exit code.

    more: further lines of the message, such as the jobs that a name may mean.
    """

    def __init__(
        self, line: str, code: ExitCode = ExitCode.USAGE, more: Sequence[str] = ()
    ) -> None:
        super().__init__(line)
        self.line = line
        self.code = code
        self.more = more


def api_failed(error: ApiError, what: str = "") -> CliError:
    """Return the error for a request that failed. what: a clause before its message."""
    return CliError(f"{what}: {error}" if what else str(error), exit_code(error.exit_code))


PERMISSION = "a token needs the permission Workers R2 Storage Read"


def rejected(errors: Iterable[ApiError]) -> CliError:
    """Return the error for credentials that the API rejects, or that could not be read."""
    from slurper_tui.api.errors import NoCredential

    several = [*errors]
    reason = "; ".join(dict.fromkeys(map(str, several)))
    if all(isinstance(error, NoCredential) for error in several):
        return CliError(f"no credentials: {reason}", ExitCode.CREDENTIALS)
    line = f"the API rejects these credentials: {reason}; {PERMISSION}"
    return CliError(line, ExitCode.CREDENTIALS)
