"""When the program itself is at fault: a report to send, without secrets."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui.cli.exit_codes import ExitCode
from slurper_tui.cli.output import say
from slurper_tui.monitor.history.place import make_folder
from slurper_tui.version import version

if TYPE_CHECKING:
    from slurper_tui.cli.dispatch import Surroundings

SECRET_VARIABLES = (
    *("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL"),
    *("SLURPER_SOURCE_ACCESS_KEY_ID", "SLURPER_SOURCE_SECRET_ACCESS_KEY"),
    *("SLURPER_SOURCE_CLIENT_EMAIL", "SLURPER_SOURCE_PRIVATE_KEY"),
    *("SLURPER_TARGET_ACCESS_KEY_ID", "SLURPER_TARGET_SECRET_ACCESS_KEY"),
)

_PACKAGES = ("slurper-tui", "textual", "httpx", "msgspec")


def crashed(error: BaseException, around: Surroundings | None) -> ExitCode:
    """Say in one line that there was a bug, and where its report is."""
    from slurper_tui.cli.dispatch import Surroundings  # which imports much; this may be early

    place = around or Surroundings()
    secrets = secrets_in(place.environ)
    path = write_report(error, secrets, place.state)
    where = f"a report without secrets is in {path}" if path else "no report could be written"
    what = scrub(f"{type(error).__name__}: {error}", secrets)
    say(place.err, f"this is a bug: {what}; {where}")
    return ExitCode.BUG


def write_report(error: BaseException, secrets: Iterable[str], folder: Path | None) -> Path | None:
    """Write a report into the folder, or else where temporary files go; None where neither goes.

    folder: None where there is no home folder.
    """
    text = scrub(report(error), secrets)
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


def scrub(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced by `***`, the longest first."""
    for secret in sorted({s for s in secrets if s}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets of the environment as they stand there, and without space around them."""
    values = [environ.get(name, "") for name in SECRET_VARIABLES]
    return tuple(text for value in values for text in (value, value.strip()) if text)
