"""What commands depend on: the process (`Process`) and the monitor (`CommandContext`).

Also: the parsing of option values (times, durations, job ids) and the settings of the garbage
collector.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import msgspec

from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.errors import CliError
from slurper_tui.cli.output import Output
from slurper_tui.config import Config
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView

if TYPE_CHECKING:
    import httpx

    from slurper_tui.cli.output import ProgressOutput
    from slurper_tui.monitor.session import Session


PATIENCE = 60.0
"""Seconds that a one-shot command waits under a rate limit, without --timeout."""


class CommandContext(NamedTuple):
    """What a command works with: its options, the session and the output.

    zone: time zone of printed times, None for local time. accounts: account ids.
    scrubber: receives the bucket secrets, to remove them from logs and reports.
    """

    options: argparse.Namespace
    session: Session
    out: Output
    progress_output: ProgressOutput
    zone: tzinfo | None
    accounts: Sequence[str]
    environ: Mapping[str, str]
    scrubber: Scrubber | None = None


def deadline_of(options: argparse.Namespace, config: Config) -> float | None:
    """Return --deadline in UTC seconds; None if absent. Raises CliError unless in the future."""
    text = getattr(options, "deadline", None)
    return time_option("--deadline", text, zone_of(config), future=True)


def time_option(flag: str, text: str | None, zone: tzinfo | None, *, future: bool) -> float | None:
    """Parse an option's time as UTC seconds; None if not given. Raises CliError."""
    if text is None:
        return None
    from slurper_tui.timeparse import parse_when  # most commands do not need it

    try:
        return parse_when(text, time.time(), zone, future=future)
    except ValueError as error:
        raise CliError(f"{flag}: {error}") from None


def patience_of(options: argparse.Namespace) -> float | None:
    """Return the most seconds to wait under a rate limit; None for no limit. Raises CliError."""
    if "timeout" not in options:
        return None
    text = PATIENCE if options.timeout is None else options.timeout
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise CliError(f"--timeout must be a number of seconds above 0, not {text!r}")
    return seconds


def job_prefixes(options: argparse.Namespace) -> list[str]:
    """Return the job id prefixes on the command line. Raises CliError for a blank one."""
    jobs: list[str] = getattr(options, "jobs", [])
    if getattr(options, "job", None) is not None:
        jobs = [options.job]
    if not all(job.strip() for job in jobs):
        raise CliError("a job's id may be shortened, but not to nothing")
    return jobs


_MOST_NAMED = 5


def resolve(prefixes: Iterable[str], jobs: Sequence[JobView]) -> frozenset[JobKey]:
    """Return one job for each prefix; of several matches, the only job not gone.

    Raises CliError when there is none or more than one.
    """
    resolved = set()
    for prefix in prefixes:
        fitting = [view for view in jobs if view.key.job_id.startswith(prefix)]
        meant = [view for view in fitting if view.key.job_id == prefix] or fitting
        there = [view.key for view in meant if not view.gone]
        found = there if len(there) == 1 else [view.key for view in meant]
        if not found:
            raise CliError(f"no job's id begins with {prefix!r}")
        if len(found) > 1:
            raise CliError(f"{len(found)} jobs' ids begin with {prefix!r}: {_names(found)}")
        resolved.add(found[0])
    return frozenset(resolved)


def _names(keys: Sequence[JobKey]) -> str:
    several = len({key.account_id for key in keys}) > 1
    names = [f"{k.account_id}/{k.job_id}" if several else k.job_id for k in keys[:_MOST_NAMED]]
    more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
    return ", ".join(names) + more


def zone_of(config: Config) -> tzinfo | None:
    """Return the time zone for printed times; None for local time."""
    return UTC if config.utc else None


class Process(msgspec.Struct, frozen=True):
    """The process environment; tests replace parts of it.

    transport: None for the network. state: the folder for data kept between runs. config_file,
    state: None without a home folder. scrubber: removes the secrets of this run from logs and
    reports.
    """

    environ: Mapping[str, str] = msgspec.field(default_factory=lambda: os.environ)
    out: TextIO | None = msgspec.field(default_factory=lambda: sys.stdout)
    err: TextIO | None = msgspec.field(default_factory=lambda: sys.stderr)
    transport: httpx.AsyncBaseTransport | None = None
    config_file: Path | None = msgspec.field(
        default_factory=lambda: _folder("config", "config.toml")
    )
    state: Path | None = msgspec.field(default_factory=lambda: _folder("state"))
    scrubber: Scrubber = msgspec.field(default_factory=Scrubber)


def _folder(kind: str, file: str = "") -> Path | None:
    """Return the user's folder for config or state, or a file in it.

    None without an absolute home folder.
    """
    import platformdirs  # 7 ms, which --help does not pay

    user = platformdirs.PlatformDirs("slurper-tui", appauthor=False)
    try:
        path = user.user_config_path if kind == "config" else user.user_state_path
    except (RuntimeError, LookupError, OSError, ValueError):
        return None
    return path / file if path.is_absolute() else None


@functools.cache
def this_process() -> Process:
    """Return this process, one instance for the command and its crash report."""
    return Process()


LATER_SECONDS = 5.0
"""Seconds after the start when work that is not urgent is done."""


def enable_garbage_collection() -> None:
    """Turn the garbage collector on, except for the objects that exist already."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Write an asyncio error to the log instead of stderr (a loop exception handler)."""
    logging.getLogger("slurper_tui.cli").error("%(message)s", context)
