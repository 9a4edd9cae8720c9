"""Run a parsed command line: load the configuration, open client and history, run the command.

The monitor on a terminal runs the Textual app (`_screen`); every other command prints lines
(`_lines`). Heavy modules (sqlite3, Textual) are imported only on the path that needs them.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.cli.connect import Session, has_network_settings, open_session, secrets_in
from slurper_tui.cli.context import (
    LATER_SECONDS,
    Surroundings,
    collect_again,
    command_for,
    deadline_of,
    note,
)
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import Output
from slurper_tui.cli.parser import MONITOR
from slurper_tui.cli.signals import Guard
from slurper_tui.config import Config, ConfigError, Flags, load

if TYPE_CHECKING:
    from slurper_tui.cli.past import Opened


_NO_SCREEN = frozenset({"dumb", "unknown"})


def perform(options: argparse.Namespace, around: Surroundings) -> ExitCode:
    """Run the command. Raises CliError when it cannot start."""
    config = _config(options, around)
    if config.notice:
        Output(around.out, around.err, ascii_only=config.ascii_only).note(config.notice)
    if not _zone_works():
        said = "TZ is no time zone of less than a day, so times are in UTC"
        Output(around.out, around.err, ascii_only=config.ascii_only).note(said)
        config = msgspec.structs.replace(config, utc=True)
    around.scrubber.add(*secrets_in(around.environ))
    deadline_of(options, config)  # reject an invalid --deadline even where it is not used
    if options.command == MONITOR and _has_screen(around):
        from slurper_tui.cli.terminal import take_keyboard  # only the screen needs a terminal

        try:
            take_keyboard()
        except CliError as error:
            Output(around.out, around.err, ascii_only=config.ascii_only).note(
                f"{error.line}, so here are plain lines"
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
        raise CliError(str(error)) from None


def _zone_works() -> bool:
    """Whether local time can be told all the year round; Python knows no offset of 24 h."""
    try:
        for quarter in range(4):
            datetime.fromtimestamp(time.time() + quarter * 91 * 86_400, UTC).astimezone()
    except ValueError:
        return False
    return True


def _has_screen(around: Surroundings) -> bool:
    terminal = around.out is not None and around.out.isatty()
    return terminal and around.environ.get("TERM") not in _NO_SCREEN


def _open_log(options: argparse.Namespace, around: Surroundings) -> None:
    """Open the `--log` file, if given."""
    if options.log is not None:
        from slurper_tui.cli.diagnostics import open_log

        open_log(options.log, around.scrubber)


def _make_session(options: argparse.Namespace, config: Config, around: Surroundings) -> Session:
    return open_session(
        config,
        around.environ,
        demo=options.demo,
        transport=around.transport,
        scrubber=around.scrubber,
    )


def _open_client(session: Session, config: Config, around: Surroundings) -> None:
    """Open the client and report ignored settings on stderr. Raises CliError."""
    session.open()
    for skipped in session.client.notes:
        Output(around.out, around.err, ascii_only=config.ascii_only).note(skipped)


def _screen(options: argparse.Namespace, config: Config, around: Surroundings) -> ExitCode:
    _open_log(options, around)
    session = _make_session(options, config, around)
    from slurper_tui.cli.past import open_past  # sqlite3

    opened = open_past(session, options, around.state, time.time())
    # Without remembered jobs no first picture can be shown while httpx is imported.
    if not opened.remembered or has_network_settings(around.environ):
        _open_client(session, config, around)
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
    session = _make_session(options, config, around)
    _open_client(session, config, around)
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
    # A DNS lookup that hangs in a thread would block the shutdown of the event loop.
    guard.enforce(code)
    return code
