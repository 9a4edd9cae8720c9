"""From a parsed command line to a command that runs, with all it needs."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec

from slurper_tui.cli.exit_codes import ExitCode, Stop
from slurper_tui.cli.guard import Guard
from slurper_tui.cli.output import Output
from slurper_tui.cli.parser import MONITOR
from slurper_tui.cli.session import Session, open_session
from slurper_tui.config import Config, ConfigError, Flags, load

if TYPE_CHECKING:
    import httpx

DEMO_ROUNDS = 3
_NO_SCREEN = frozenset({"dumb", "unknown"})


class Surroundings(msgspec.Struct, frozen=True):
    """What the program finds around itself; a test puts other things there.

    transport: None for the network. state: the folder for what is kept between runs.
    """

    environ: Mapping[str, str] = msgspec.field(default_factory=lambda: os.environ)
    out: TextIO | None = msgspec.field(default_factory=lambda: sys.stdout)
    err: TextIO | None = msgspec.field(default_factory=lambda: sys.stderr)
    transport: httpx.AsyncBaseTransport | None = None
    config_file: Path = msgspec.field(default_factory=lambda: _folder("config") / "config.toml")
    state: Path = msgspec.field(default_factory=lambda: _folder("state"))


def _folder(kind: str) -> Path:
    import platformdirs  # 7 ms, which --help does not pay

    user = platformdirs.PlatformDirs("slurper-tui", appauthor=False)
    return user.user_config_path if kind == "config" else user.user_state_path


def perform(options: argparse.Namespace, around: Surroundings) -> ExitCode:
    """Run the command. Raises Stop for whatever keeps it from starting."""
    config = _config(options, around)
    if options.command == MONITOR and _has_screen(around):
        from slurper_tui.cli.terminal import take_keyboard  # no other command needs a terminal

        try:
            take_keyboard()
        except Stop as stop:
            Output(around.out, around.err, ascii_only=config.ascii_only).say(
                f"{stop.line}, so here are plain lines"
            )
        else:
            return _screen(options, config, around)
    return _lines(options, config, around)


def _config(options: argparse.Namespace, around: Surroundings) -> Config:
    flags = Flags(
        theme=getattr(options, "theme", None),
        interval=options.interval,
        ascii_only=options.ascii,
        mouse=getattr(options, "mouse", None),
        utc=options.utc,
        accounts=options.account,
        file=options.config,
    )
    try:
        return load(flags, around.environ, around.config_file)
    except ConfigError as error:
        raise Stop(str(error)) from None


def _has_screen(around: Surroundings) -> bool:
    terminal = around.out is not None and around.out.isatty()
    return terminal and around.environ.get("TERM") not in _NO_SCREEN


def _session(options: argparse.Namespace, config: Config, around: Surroundings) -> Session:
    """Open the log, if one is asked for, and the client."""
    if options.log is not None:
        from slurper_tui.cli.crash import secrets_in
        from slurper_tui.cli.log import open_log

        open_log(options.log, secrets_in(around.environ))
    return open_session(config, around.environ, demo=options.demo, transport=around.transport)


def _screen(options: argparse.Namespace, config: Config, around: Surroundings) -> ExitCode:
    session = _session(options, config, around)
    from slurper_tui.cli.screen import show  # Textual: 190 ms

    return show(session, config, around, options)


def _lines(options: argparse.Namespace, config: Config, around: Surroundings) -> ExitCode:
    session = _session(options, config, around)
    out = Output(around.out, around.err, ascii_only=config.ascii_only)
    command = _command(options, config, session, out)
    with Guard() as guard:
        try:
            return asyncio.run(_guarded(command, session, guard))
        except asyncio.CancelledError:
            if guard.ending is None:
                raise
            return guard.ending


def _command(
    options: argparse.Namespace, config: Config, session: Session, out: Output
) -> Callable[[], Awaitable[ExitCode]]:
    """The command as something to await, with a monitor of its own."""
    from slurper_tui.cli import choice, look
    from slurper_tui.cli.narration import Narration
    from slurper_tui.cli.watch import WatchOptions, watch
    from slurper_tui.monitor.loop import Monitor

    zone = zone_of(config)
    once = options.command in ("jobs", "progress")
    narration = Narration(out, zone, once=once)
    wanted = wanted_jobs(options)
    monitor = Monitor(
        session.client, session.accounts, interval=config.interval, eager=once, prefixes=wanted
    )
    as_json = getattr(options, "json", False)
    if options.command == "jobs":
        return lambda: look.jobs(monitor, out, narration, options.status, as_json=as_json)
    if options.command == "progress":
        return lambda: look.progress(monitor, out, narration, options.job, as_json=as_json)
    rounds = DEMO_ROUNDS if options.demo and not out.on_terminal else None
    chosen = choice.ChosenJobs(monitor, wanted)
    watched = WatchOptions(as_json, zone, until_ended=bool(wanted), rounds=rounds)
    return lambda: watch(chosen, out, narration, watched)


def wanted_jobs(options: argparse.Namespace) -> list[str]:
    """The beginnings of ids on the command line. Raises Stop for one that every id has."""
    jobs = [options.job] if "job" in options else getattr(options, "jobs", [])
    if any(not job.strip() for job in jobs):
        raise Stop("a job's id may be shortened, but not to nothing")
    return list(jobs)


def zone_of(config: Config) -> tzinfo | None:
    """The zone to show times in; None is local time."""
    return UTC if config.utc else None


async def _guarded(
    command: Callable[[], Awaitable[ExitCode]], session: Session, guard: Guard
) -> ExitCode:
    """Run the command as a task that a signal cancels."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.set_exception_handler(note)
    guard.when_ending(lambda _: loop.call_soon_threadsafe(task.cancel))
    try:
        code = await command()
    finally:
        await session.client.close()
    # A name look-up that hangs in a thread would hold up the loop's end.
    guard.enforce(code)
    return code


def note(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What asyncio would print as a traceback is for the log alone."""
    logging.getLogger("slurper_tui.cli").error("%(message)s", context)
