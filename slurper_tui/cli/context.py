"""Which command line runs which command, with a monitor of its own."""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import msgspec

from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.connect import Session
from slurper_tui.cli.errors import ExitCode, Stop
from slurper_tui.cli.output import Output
from slurper_tui.config import Config

if TYPE_CHECKING:
    import httpx

if TYPE_CHECKING:
    from slurper_tui.api.scrub import Scrubber
    from slurper_tui.cli.output import Narration
    from slurper_tui.cli.past import Opened
    from slurper_tui.monitor.polling.poller import Monitor


DEMO_ROUNDS = 3
PATIENCE = 60.0
"""Seconds that a command which looks once waits under a rate limit, without --timeout."""

_ONCE = frozenset({"jobs", "progress", "digest"})
"""Commands that look at everything once."""

_CHANGES = ("pause", "resume", "abort", "delete")
"""Commands that look until polls show what they were to change."""

_DESK = {
    "logs": ("logs", "command"),
    "failures": ("logs", "failures_command"),
    "report": ("report", "command"),
    **dict.fromkeys(_CHANGES, ("control", "command")),
    "retry": ("retry", "command"),
    "create": ("create", "command"),
    "precheck": ("create", "command"),
}
"""Commands that ask for more than snapshots, their modules and functions."""

_NOTHING_OLD = frozenset({"jobs", "progress", *_DESK})
"""Commands that tell nothing but what the API says now."""


class Faces(NamedTuple):
    """Who follows the jobs, and how what it says is told. zone: None for local time.

    scrubber: is to be told the keys to buckets that are read.
    """

    monitor: Monitor
    out: Output
    narration: Narration
    zone: tzinfo | None
    accounts: Sequence[str]
    environ: Mapping[str, str]
    scrubber: Scrubber | None = None


def command_for(
    options: argparse.Namespace,
    config: Config,
    session: Session,
    opened: Opened,
    out: Output,
    around: Surroundings,
) -> Callable[[], Awaitable[ExitCode]]:
    """Give the command as something to await."""
    from slurper_tui.cli.commands.jobs import needed
    from slurper_tui.cli.output import Narration
    from slurper_tui.monitor.polling.poller import Monitor

    zone = zone_of(config)
    once = options.command in _ONCE or options.command in _DESK
    narration = Narration(out, zone, once=once, patience=patience_of(options))
    opened.when_closed(narration.tell_history)
    wanted = wanted_jobs(options)
    monitor = Monitor(
        session.client,
        session.accounts,
        interval=config.interval,
        eager=once and options.command not in _CHANGES,
        prefixes=wanted,
        past=opened.past(shown=options.command not in _NOTHING_OLD),
        needs=needed(options.status if options.command == "jobs" else ()),
        known_ends=options.command == "jobs",
    )
    faces = Faces(monitor, out, narration, zone, session.accounts, around.environ, around.scrubber)
    if options.command in _DESK:
        module, function = _DESK[options.command]
        command = getattr(import_module(f"slurper_tui.cli.commands.{module}"), function)
        return partial(command, options, faces)
    if options.command == "digest":
        return _digest(options, faces)
    if not once:
        return _watch(options, faces)
    from slurper_tui.cli.commands import jobs as look

    as_json = options.json
    if options.command == "jobs":
        return lambda: look.jobs(monitor, out, narration, options.status, as_json=as_json)
    return lambda: look.progress(monitor, out, narration, options.job, as_json=as_json, zone=zone)


def _watch(options: argparse.Namespace, faces: Faces) -> Callable[[], Awaitable[ExitCode]]:
    from slurper_tui.cli.choice import ChosenJobs
    from slurper_tui.cli.commands.jobs import WatchOptions, watch

    wanted = wanted_jobs(options)
    rounds = DEMO_ROUNDS if options.demo and not faces.out.on_terminal else None
    as_json = getattr(options, "json", False)
    watched = WatchOptions(as_json, faces.zone, until_ended=bool(wanted), rounds=rounds)
    chosen = ChosenJobs(faces.monitor, wanted)
    return lambda: watch(chosen, faces.out, faces.narration, watched)


def _digest(options: argparse.Namespace, faces: Faces) -> Callable[[], Awaitable[ExitCode]]:
    from slurper_tui.cli.commands.digest import digest

    since = when("--since", options.since, faces.zone, future=False)
    return lambda: digest(*faces[:3], since, faces.zone, as_json=options.json)


def deadline_of(options: argparse.Namespace, config: Config) -> float | None:
    """The deadline on the command line, UTC seconds. Raises Stop for one that is no time ahead."""
    text = getattr(options, "deadline", None)
    return when("--deadline", text, zone_of(config), future=True)


def when(flag: str, text: str | None, zone: tzinfo | None, *, future: bool) -> float | None:
    """Read a flag's time, UTC seconds; None where it has none. Raises Stop for what is none."""
    if text is None:
        return None
    from slurper_tui.timeparse import parse_when  # only where it is asked for

    try:
        return parse_when(text, time.time(), zone, future=future)
    except ValueError as error:
        raise Stop(f"{flag}: {error}") from None


def patience_of(options: argparse.Namespace) -> float | None:
    """Seconds for which a command may wait under a rate limit, None for ever. Raises Stop."""
    if "timeout" not in options:
        return None
    text = PATIENCE if options.timeout is None else options.timeout
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise Stop(f"--timeout must be a number of seconds above 0, not {text!r}")
    return seconds


def wanted_jobs(options: argparse.Namespace) -> list[str]:
    """The beginnings of ids on the command line. Raises Stop for one that every id has."""
    named = options.job if "job" in options else getattr(options, "jobs", [])
    jobs = [named] if isinstance(named, str) else named or []
    if any(not job.strip() for job in jobs):
        raise Stop("a job's id may be shortened, but not to nothing")
    return list(jobs)


def zone_of(config: Config) -> tzinfo | None:
    """The zone to show times in; None is local time."""
    return UTC if config.utc else None


class Surroundings(msgspec.Struct, frozen=True):
    """What the program finds around itself; a test puts other things there.

    transport: None for the network. state: the folder for what is kept between runs. config_file,
    state: None where there is no home folder. scrubber: takes out of logs and reports every secret
    that this run has been given.
    """

    environ: Mapping[str, str] = msgspec.field(default_factory=lambda: os.environ)
    out: TextIO | None = msgspec.field(default_factory=lambda: sys.stdout)
    err: TextIO | None = msgspec.field(default_factory=lambda: sys.stderr)
    transport: httpx.AsyncBaseTransport | None = None
    config_file: Path | None = msgspec.field(default_factory=lambda: _config_file())
    state: Path | None = msgspec.field(default_factory=lambda: _folder("state"))
    scrubber: Scrubber = msgspec.field(default_factory=Scrubber)


def _config_file() -> Path | None:
    folder = _folder("config")
    return None if folder is None else folder / "config.toml"


def _folder(kind: str) -> Path | None:
    """A folder of this user's; None without a home, or where that is no absolute path."""
    import platformdirs  # 7 ms, which --help does not pay

    user = platformdirs.PlatformDirs("slurper-tui", appauthor=False)
    try:
        path = user.user_config_path if kind == "config" else user.user_state_path
    except (RuntimeError, LookupError, OSError, ValueError):
        return None
    return path if path.is_absolute() else None


@functools.cache
def here() -> Surroundings:
    """What this process finds, the same for the command and for a report of its crash."""
    return Surroundings()


LATER_SECONDS = 5.0
"""After so long whatever is not urgent may be done."""


def collect_again() -> None:
    """Look for garbage from now on, but not in what was imported."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def note(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What asyncio would print as a traceback is for the log alone."""
    logging.getLogger("slurper_tui.cli").error("%(message)s", context)
