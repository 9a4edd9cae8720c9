"""When the program itself is at fault: a report to send, without secrets."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.exit_codes import ExitCode
from slurper_tui.cli.output import say
from slurper_tui.monitor.history.files import make_folder
from slurper_tui.version import version

if TYPE_CHECKING:
    from slurper_tui.cli.dispatch import Surroundings

_PACKAGES = ("slurper-tui", "textual", "httpx", "msgspec")


def crashed(error: BaseException, around: Surroundings | None) -> ExitCode:
    """Say in one line that there was a bug, and where its report is."""
    from slurper_tui.cli.dispatch import here  # which imports much; this may be early
    from slurper_tui.cli.session import secrets_in

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
