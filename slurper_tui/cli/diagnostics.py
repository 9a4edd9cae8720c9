"""When the program itself is at fault: a report to send, without secrets.

`--log`: what was asked, answered and decided, in lines for a bug report.
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
from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.errors import ExitCode, Stop
from slurper_tui.cli.output import say
from slurper_tui.format import safe
from slurper_tui.monitor.history.files import make_folder

if TYPE_CHECKING:
    from slurper_tui.cli.context import Surroundings


_PACKAGES = ("slurper-tui", "textual", "httpx", "msgspec")


def crashed(error: BaseException, around: Surroundings | None) -> ExitCode:
    """Say in one line that there was a bug, and where its report is."""
    from slurper_tui.cli.connect import secrets_in
    from slurper_tui.cli.context import here  # which imports much; this may be early

    place = around or here()
    place.scrubber.add(*secrets_in(place.environ))  # it may have crashed before that was done
    path = write_report(error, place.scrubber, place.state)
    where = f"a report without secrets is in {path}" if path else "no report could be written"
    what = place.scrubber.clean(f"{type(error).__name__}: {error}")
    say(place.err, f"this is a bug: {what}; {where}")
    return ExitCode.BUG


def write_report(error: BaseException, scrubber: Scrubber, folder: Path | None) -> Path | None:
    """Write a report into the folder, or else where temporary files go; None where neither goes.

    folder: None where there is no home folder.
    """
    text = scrubber.clean(report(error))
    name = f"crash-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.txt"
    for place in (folder, None):
        with suppress(OSError, ValueError):
            there = place or Path(tempfile.gettempdir())
            make_folder(there)
            return _write(there / name, text)
    return None


def _write(path: Path, text: str) -> Path:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return path


def report(error: BaseException) -> str:
    """What happened, where, and with which versions; never the value of a variable."""
    trace = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=False).format()
    )
    time = datetime.now(UTC).isoformat(timespec="seconds")
    head = "\n".join(("slurper-tui crash report", f"time: {time}", *versions()))
    return f"{head}\n\n{trace}"


def versions() -> tuple[str, ...]:
    """`name: version` of everything that may be at fault."""
    ours = (f"{name}: {version(name) or 'unknown'}" for name in _PACKAGES)
    return (*ours, f"python: {sys.version.split()[0]}", f"platform: {platform.platform()}")


class _Lines(logging.Formatter):
    """One line a record, UTC, without secrets and without control characters."""

    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._scrubber = scrubber

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """When it happened, UTC, to the millisecond."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        return safe(self._scrubber.clean(super().format(record)))


class _LogFile(logging.StreamHandler[io.TextIOWrapper]):
    """Writes lines; a full disk costs lines, never the program or the screen."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Go on without this line."""


def open_log(path: str, scrubber: Scrubber) -> None:
    """Append everything that the program's parts log to a file of mode 0600.

    A pipe that nobody reads is not waited for. scrubber: also knows secrets that are added to it
    later. Raises Stop when it cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
    try:
        file = io.FileIO(os.open(path, flags, 0o600), "w")
        text = io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", errors="replace")
        handler = _LogFile(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Stop(f"cannot write the log {path}: {reason}") from None
    handler.setFormatter(_Lines(scrubber))
    logger = logging.getLogger("slurper_tui")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    logging.getLogger("slurper_tui.cli").info("started: %s", ", ".join(versions()))
