"""`--log`: what was asked, answered and decided, in lines for a bug report."""

from __future__ import annotations

import io
import logging
import os
from datetime import UTC, datetime

from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.crash import versions
from slurper_tui.cli.exit_codes import Stop
from slurper_tui.format import safe


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
