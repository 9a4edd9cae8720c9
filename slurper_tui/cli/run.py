"""From a parsed command line to a command that runs, with all it needs."""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec

from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.connect import Session, open_session, secrets_in
from slurper_tui.cli.context import command_for, deadline_of
from slurper_tui.cli.errors import ExitCode, Stop
from slurper_tui.cli.output import Output
from slurper_tui.cli.parser import MONITOR
from slurper_tui.cli.signals import Guard
from slurper_tui.config import Config, ConfigError, Flags, load

if TYPE_CHECKING:
    import httpx

    from slurper_tui.cli.past import Opened


_NO_SCREEN = frozenset({"dumb", "unknown"})


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


def perform(options: argparse.Namespace, around: Surroundings) -> ExitCode:
    """Run the command. Raises Stop for whatever keeps it from starting."""
    config = _config(options, around)
    if config.notice:
        Output(around.out, around.err, ascii_only=config.ascii_only).say(config.notice)
    around.scrubber.add(*secrets_in(around.environ))
    deadline_of(options, config)  # also where nothing is measured against it
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


def _open_log(options: argparse.Namespace, around: Surroundings) -> None:
    """Open the log, if one is asked for."""
    if options.log is not None:
        from slurper_tui.cli.diagnostics import open_log

        open_log(options.log, around.scrubber)


def _open_session(
    options: argparse.Namespace, config: Config, around: Surroundings, *, late: bool = False
) -> Session:
    """Make the client and name the settings that are skipped. Raises Stop."""
    session = open_session(
        config,
        around.environ,
        demo=options.demo,
        late=late,
        transport=around.transport,
        scrubber=around.scrubber,
    )
    for note in session.notes:
        Output(around.out, around.err, ascii_only=config.ascii_only).say(note)
    return session


def _screen(options: argparse.Namespace, config: Config, around: Surroundings) -> ExitCode:
    _open_log(options, around)
    session = _open_session(options, config, around, late=True)
    from slurper_tui.cli.past import open_past  # sqlite3

    opened = open_past(session, options, around.state, time.time())
    if not opened.remembered:
        session.make()  # there is no picture for it to be made behind
    from slurper_tui.cli.terminal import clean_environment

    clean_environment()
    from slurper_tui.cli.screen import show  # Textual: 190 ms

    return show(session, opened, config, around, options)


def _lines(options: argparse.Namespace, config: Config, around: Surroundings) -> ExitCode:
    _open_log(options, around)
    out = Output(around.out, around.err, ascii_only=config.ascii_only)
    if options.command == "history":
        from slurper_tui.cli.commands.history import history

        return history(options, config, around, out)
    session = _open_session(options, config, around)
    from slurper_tui.cli.past import open_past  # sqlite3

    opened = open_past(session, options, around.state, time.time())
    command = command_for(options, config, session, opened, out, around)
    with Guard() as guard:
        try:
            return asyncio.run(_guarded(command, session, opened, guard))
        except asyncio.CancelledError:
            if guard.ending is None:
                raise
            return guard.ending


async def _guarded(
    command: Callable[[], Awaitable[ExitCode]], session: Session, opened: Opened, guard: Guard
) -> ExitCode:
    """Run the command as a task that a signal cancels."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.set_exception_handler(note)
    loop.call_later(LATER_SECONDS, collect_again)
    guard.when_ending(lambda _: loop.call_soon_threadsafe(task.cancel))
    try:
        code = await command()
    finally:
        await opened.close()
        await session.client.close()
    # A name look-up that hangs in a thread would hold up the loop's end.
    guard.enforce(code)
    return code


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
