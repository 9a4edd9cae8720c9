"""How the program ends: the exit codes, and the one way to ask for an early end."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What an exit code means; the signals' are codes like the others, never re-raised."""

    OK = 0
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
    """The exit code of that number, OK where nothing was said; an unknown one means a bug."""
    try:
        return ExitCode(code or 0)
    except ValueError:
        return ExitCode.BUG


class Stop(Exception):
    """The program cannot go on: one line for the person, and the exit code."""

    def __init__(self, line: str, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(line)
        self.line = line
        self.code = code
