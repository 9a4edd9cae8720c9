"""`logs`: every row of a job's log, as a line each."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import tzinfo

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError, RateLimited
from slurper_tui.api.models import LogRow, is_exact, surrogate_invalid_bytes
from slurper_tui.cli import look
from slurper_tui.cli.commands import Faces
from slurper_tui.cli.exit_codes import ExitCode, Stop, exit_code
from slurper_tui.cli.output import Output
from slurper_tui.monitor.logs.fetch import is_passing
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import LogView
from slurper_tui.monitor.polling.budget import BLOCK_SECONDS


async def command(options: argparse.Namespace, faces: Faces) -> ExitCode:
    """Print every row: newest first, or oldest first and then whatever comes."""
    view = await chosen(options, faces)
    patience = None if options.follow else faces.narration.patience
    rows = LogRows(faces.out, faces.zone, options.type, as_json=options.json, patience=patience)
    if options.follow:
        faces.out.say("the log is read to its end first, to be told from its oldest row on")
    desk = await faces.monitor.desk()
    source = desk.logs.rows(view.key, follow=options.follow, told=rows.hear)
    with log_faults(view):
        async with aclosing(source) as every:  # type: ignore[type-var]  # a generator
            async for row in every:
                rows.tell(row)
    rows.tell_what_was_not_there()
    return ExitCode.OK if rows.whole else ExitCode.API


async def chosen(options: argparse.Namespace, faces: Faces) -> JobView:
    """The job on the command line, as it stands. Raises Stop when it is unclear which."""
    snapshot = await look.whole(faces.monitor, faces.narration)
    return look.found(options.job, snapshot)


@contextmanager
def log_faults(view: JobView) -> Iterator[None]:
    """Turn what keeps a log from being read into one line and its exit code."""
    try:
        yield
    except ApiError as error:
        line = f"the log of job {view.key.job_id} could not be read: {error}"
        raise Stop(line, exit_code(error.exit_code)) from None


TOLD_ROWS = 1_000
"""After so many rows it is told how far a log is read: eight seconds or more."""


class Holdups:
    """Says how far a log is read, once what holds it up, and once that it goes on.

    What ends it others say. patience: seconds that it may wait where the API limits the rate of
    requests, until a page comes; None for ever.
    """

    def __init__(self, out: Output, patience: float | None = None) -> None:
        self._out = out
        self._patience = patience
        self._limited: ApiError | None = None
        self._waits = 0.0
        self._said = ""
        self._rows = 0

    def tell(self, problem: ApiError | None, *, waiting: bool, rows: int = 0) -> None:
        """Take in how the log stands. rows: read so far, where nothing else tells it.

        Raises Stop when the API makes it wait for too long.
        """
        self._bound_waiting(problem)
        self._rows = min(self._rows, rows)  # another log begins anew
        if rows >= self._rows + TOLD_ROWS:
            self._rows = rows
            self._out.say(f"the log: {rows:,} rows so far")
        line = "the request budget has no room for it now; waiting" if waiting else ""
        line = f"{problem}; it is asked again" if is_passing(problem) else line
        if line and line != self._said:
            self._out.say(f"the log: {line}")
        elif self._said and not line and problem is None:
            self._out.say("the log: goes on")
        self._said = line

    def _bound_waiting(self, problem: ApiError | None) -> None:
        if not isinstance(problem, RateLimited):
            self._waits = self._waits if problem else 0.0
        elif problem is not self._limited and self._patience is not None:
            self._limited = problem
            told = problem.retry_after
            self._waits += BLOCK_SECONDS if told is None else max(1.0, told)
            if self._waits > self._patience:
                raise Stop(
                    f"the log: the API limits the rate of requests ({problem}): it wants a wait "
                    f"of more than --timeout {self._patience:g} s",
                    ExitCode.API,
                )


class LogRows:
    """Prints the rows whose type is wanted, all without any. whole: none can be missing."""

    def __init__(
        self,
        out: Output,
        zone: tzinfo | None,
        types: Sequence[str],
        *,
        as_json: bool,
        patience: float | None = None,
    ) -> None:
        self.whole = False
        self._out = out
        self._zone = zone
        self._as_json = as_json
        self._types = tuple(dict.fromkeys(types))
        self._found: set[str | None] = set()
        self._inexact = 0
        self._holdups = Holdups(out, patience)

    def hear(self, view: LogView) -> None:
        """Take in how the reading stands."""
        self._holdups.tell(view.problem, waiting=view.waiting)
        if self.whole and not view.whole:
            self._out.say("the log: rows come faster than they can be read; some may be missing")
        self.whole = view.whole

    def tell(self, row: LogRow) -> None:
        """Print a row if it is wanted."""
        if self._types and row.log_type not in self._types:
            return
        self._found.add(row.log_type)
        self._inexact += not is_exact(row.object_key or "")
        self._out.line(row_record(row) if self._as_json else row_line(row, self._out, self._zone))

    def tell_what_was_not_there(self) -> None:
        """Say which of the types no row had, and whether rows may be missing."""
        for log_type in (name for name in self._types if name not in self._found):
            self._out.say(f"no row's type is {log_type}")
        if self._inexact:
            rows = "1 row's key has" if self._inexact == 1 else f"{self._inexact:,} rows' keys have"
            form = r"\udce9" if self._as_json else r"\xe9"
            self._out.say(f"{rows} bytes that are not UTF-8, written as {form} for 0xe9")
        if not self.whole:
            self._out.say("the log: rows came faster than they can be read; some may be missing")


def row_record(row: LogRow) -> str:
    r"""A row as the API told it, as JSON in ASCII alone.

    A byte of the key that is not UTF-8 is an escaped half surrogate pair, `\udce9` for 0xe9.
    """
    told = {
        "createdAt": row.created_at,
        "job": row.job,
        "logType": row.log_type,
        "message": row.message,
        "objectKey": row.object_key and surrogate_invalid_bytes(row.object_key),
    }
    return fmt.as_json({**told, **{n: v for n, v in row.extra.items() if n not in told}})


def row_line(row: LogRow, out: Output, zone: tzinfo | None) -> str:
    """`TIME  type  key  message`; a time that nobody can read is the API's own word."""
    at = fmt.parse_time(row.created_at)
    time = row.created_at if at is None else fmt.iso(at, zone)
    cells = (time, row.log_type, row.object_key, row.message)
    return "  ".join(out.plain(cell if cell else fmt.DASH) for cell in cells)
