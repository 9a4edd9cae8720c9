"""Crash reports and the `--log` file.

Both pass through the scrubber, so they contain no secrets and can be sent with a bug report.
"""

from __future__ import annotations

import io
import logging
import os
import platform
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui import version
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import write_note
from slurper_tui.format import safe
from slurper_tui.monitor.history.files import make_folder

if TYPE_CHECKING:
    from slurper_tui.api.scrub import Scrubber
    from slurper_tui.cli.context import Process


_PACKAGES = ("slurper-tui", "textual", "httpx", "msgspec")


def crashed(error: BaseException, process: Process | None) -> ExitCode:
    """Write a crash report and print one line with its path; return BUG.

    process: None if the error came before it was known.
    """
    from slurper_tui.cli.context import this_process  # imports much, perhaps not loaded yet
    from slurper_tui.cli.credentials import secrets_in

    process = process or this_process()
    process.scrubber.add(*secrets_in(process.environ))  # the crash may have come before `perform`
    path = write_report(error, process.scrubber, process.state)
    where = f"a report without secrets is in {path}" if path else "no report could be written"
    what = process.scrubber.clean(f"{type(error).__name__}: {error}")
    write_note(process.err, f"this is a bug: {what}; {where}")
    return ExitCode.BUG


def write_report(error: BaseException, scrubber: Scrubber, folder: Path | None) -> Path | None:
    """Write a report into the folder, else into the temporary folder; return its path.

    folder: None without a home folder. Return None if neither folder can be written.
    """
    text = scrubber.clean(report(error))
    name = f"crash-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.txt"
    for place in (folder, None):
        with suppress(OSError, ValueError):
            there = place or Path(tempfile.gettempdir())
            make_folder(there)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            opened = os.open(there / name, flags, 0o600)
            with open(opened, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
            return there / name
    return None


def report(error: BaseException) -> str:
    """Return the traceback with time and versions, without the values of local variables."""
    trace = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=False).format()
    )
    time = datetime.now(UTC).isoformat(timespec="seconds")
    head = "\n".join(("slurper-tui crash report", f"time: {time}", *versions()))
    return f"{head}\n\n{trace}"


def versions() -> tuple[str, ...]:
    """Return `name: version` for the program, its main packages, Python and the platform."""
    ours = (f"{name}: {version(name) or 'unknown'}" for name in _PACKAGES)
    return (*ours, f"python: {sys.version.split()[0]}", f"platform: {platform.platform()}")


class _ScrubbedLines(logging.Formatter):
    """Format a log record as one line with a UTC time, no secrets and no control characters."""

    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._scrubber = scrubber

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the record's time in UTC, to the millisecond."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        return safe(self._scrubber.clean(super().format(record)))


class _LogFile(logging.StreamHandler[io.TextIOWrapper]):
    """A log handler that drops lines which cannot be written, for example on a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the line without a message."""


def open_log(path: str, scrubber: Scrubber) -> None:
    """Append the program's log records to a file, created with mode 0600.

    A named pipe is opened and written without blocking. scrubber: removes secrets, including those
    added to it later. Raises CliError when the file cannot be opened.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
    try:
        file = io.FileIO(os.open(path, flags, 0o600), "w")
        text = io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", errors="replace")
        handler = _LogFile(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CliError(f"cannot write the log {path}: {reason}") from None
    handler.setFormatter(_ScrubbedLines(scrubber))
    logger = logging.getLogger("slurper_tui")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    logging.getLogger("slurper_tui.cli").info("started: %s", ", ".join(versions()))
