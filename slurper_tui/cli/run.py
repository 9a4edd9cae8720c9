"""Run a parsed command line: load the configuration, open client and history, run the command.

The monitor on a terminal runs the Textual app (`_screen`); every other command prints lines
(`_lines`). Textual and httpx are imported only on the path that needs them.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.cli.connect import (
    Connection,
    OpenHistory,
    has_network_settings,
    history_of,
    make_connection,
)
from slurper_tui.cli.context import (
    LATER_SECONDS,
    CommandContext,
    Process,
    deadline_of,
    enable_garbage_collection,
    log_loop_error,
    patience_of,
    resolve,
    selection_of,
    zone_of,
    zone_works,
)
from slurper_tui.cli.credentials import secrets_in
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import Output, ProgressOutput
from slurper_tui.cli.parser import MONITOR
from slurper_tui.cli.settings import mistakes_of_notify
from slurper_tui.cli.signals import run_guarded
from slurper_tui.config import Config, ConfigError, Flags, load

if TYPE_CHECKING:
    from slurper_tui.cli.notify import Notifier
    from slurper_tui.monitor.model.job import JobView

_CHANGES = ("pause", "resume", "abort", "delete")
"""Commands that poll until the requested change is visible."""

_COMMAND_FUNCTIONS = {
    MONITOR: ("jobs", "watch"),
    "watch": ("jobs", "watch"),
    "replay": ("jobs", "watch"),
    "jobs": ("jobs", "jobs"),
    "wait": ("jobs", "wait"),
    "idle": ("idle", "idle"),
    "metrics": ("metrics", "metrics"),
    "progress": ("jobs", "progress"),
    "digest": ("report", "digest"),
    "logs": ("logs", "logs"),
    "failures": ("logs", "failures"),
    "report": ("report", "report"),
    **dict.fromkeys(_CHANGES, ("control", "control")),
    "retry": ("retry", "retry"),
    "verify": ("verify", "verify"),
    "create": ("create", "create"),
    "precheck": ("create", "precheck"),
}
"""Command → module of `cli.commands` and function.

Not here are the commands without a monitor: `history`, `config` and `doctor` (below), and
`completion` (`cli.main`).
"""

_UNTIL_STOPPED = (MONITOR, "watch", "wait", "replay")
"""Commands that go on polling; the others end after one complete snapshot, or by themselves."""

_SHOWS_HISTORY = (MONITOR, "watch", "wait", "digest")
"""Commands that also show data of earlier runs; the others show only current API data."""

_NO_SCREEN = frozenset({"dumb", "unknown"})


def perform(options: argparse.Namespace, process: Process) -> ExitCode:
    """Run the command. Raises CliError when it cannot start."""
    if options.command == "config":
        from slurper_tui.cli.commands.config import configure

        return configure(options, flags_of(options), process)
    if options.command == "doctor":
        from slurper_tui.cli.commands.doctor import doctor  # works with unusable settings too

        return doctor(options, flags_of(options), process)
    try:
        config = load(flags_of(options), process.environ, process.config_file)
    except ConfigError as error:
        raise CliError(str(error)) from None
    names = {} if options.demo else config.names
    out = Output(process.out, process.err, ascii_only=config.ascii_only, names=names)
    if config.notice:
        out.note(config.notice)
    if not zone_works():
        out.note("TZ is not a valid time zone, so times are in UTC")
        config = msgspec.structs.replace(config, utc=True)
    process.scrubber.add(*secrets_in(process.environ))
    if mistake := next(mistakes_of_notify(config), None):
        raise CliError(mistake)
    deadline_of(options, config)  # reject an invalid --deadline even where it is not used
    on_screen = options.command in (MONITOR, "replay") and _takes_screen(process, out)
    if options.log is not None:
        from slurper_tui.cli.diagnostics import open_log

        open_log(options.log, process.scrubber)
    if options.command == "history":
        from slurper_tui.cli.commands.history import history

        return history(options, config, process, out)
    if options.command == "replay":
        from slurper_tui.cli.commands.history import replay_of

        config, connection = replay_of(options, config, process, on_screen=on_screen)
        return (_screen if on_screen else _lines)(options, config, connection, process, out)
    connection = make_connection(
        config,
        process.environ,
        demo=options.demo,
        transport=process.transport,
        scrubber=process.scrubber,
    )
    run = _screen if on_screen else _lines
    return run(options, config, connection, process, out)


def flags_of(options: argparse.Namespace) -> Flags:
    """Return the options that are settings."""
    return Flags(
        theme=getattr(options, "theme", None),
        interval=options.interval,
        ascii_only=options.ascii,
        mouse=getattr(options, "mouse", None),
        utc=options.utc,
        accounts=options.account,
        file=options.config,
    )


def _takes_screen(process: Process, out: Output) -> bool:
    """Whether there is a terminal for the screen; a terminal without a keyboard is reported."""
    if not out.on_terminal or process.environ.get("TERM") in _NO_SCREEN:
        return False
    from slurper_tui.cli.terminal import take_keyboard  # only the screen needs a terminal

    try:
        take_keyboard()
    except CliError as error:
        out.note(f"{error.line}, so lines are printed instead")
        return False
    return True


def _screen(
    options: argparse.Namespace,
    config: Config,
    connection: Connection,
    process: Process,
    out: Output,
) -> ExitCode:
    """Run the Textual app."""
    history = history_of(connection, options, process.state, time.time())
    try:
        # Without stored jobs no first picture can be shown while httpx is imported.
        if not history.jobs or has_network_settings(process.environ):
            _open_client(connection, out)
        from slurper_tui.cli.terminal import clean_environment

        clean_environment()
        from slurper_tui.cli.screen import show  # Textual: 190 ms

        return show(connection, history, config, process, options)
    except CliError:
        asyncio.run(history.close())  # idempotent
        raise


def _open_client(connection: Connection, out: Output) -> None:
    """Open the client and report ignored settings on stderr. Raises CliError."""
    connection.open()
    for skipped in connection.notes:
        out.note(skipped)


def _lines(
    options: argparse.Namespace,
    config: Config,
    connection: Connection,
    process: Process,
    out: Output,
) -> ExitCode:
    """Run a command that prints lines, until it ends or a signal ends it."""
    selection = selection_of(options)
    needs = _needs(options)
    _open_client(connection, out)
    history = history_of(connection, options, process.state, time.time())
    from slurper_tui.monitor.model.selection import ALL_JOBS
    from slurper_tui.monitor.polling.poller import Monitor
    from slurper_tui.monitor.session import Session

    zone = zone_of(config)
    once = not _goes_on(options)
    progress_output = ProgressOutput(
        out, zone, once=once, patience=patience_of(options) if once else None
    )
    history.when_closed(progress_output.report_history)
    monitor = Monitor(
        connection.clients,
        history.stored(shown=not once or options.command in _SHOWS_HISTORY),
        interval=config.interval,
        eager=once and options.command not in _CHANGES,
        selection=selection,
        needs=needs,
        skip_ended=once and options.command in ("jobs", "metrics"),
        watch_tokens=not once and connection.replay is None,
        timer=connection.replay and connection.replay.clock,
    )
    find = partial(resolve, names=out.names)
    session = Session(lambda: monitor, ALL_JOBS if once else selection, find)
    session.start()
    notifier = None if once or connection.replay else _notifier(options, config, process, out)
    context = CommandContext(
        options,
        session,
        out,
        progress_output,
        zone,
        connection.accounts,
        process.environ,
        process.scrubber,
        notifier,
        config.names,
        connection.replay.clock.end if connection.replay else math.inf,
    )
    module, function = _COMMAND_FUNCTIONS[options.command]
    command = getattr(import_module(f"slurper_tui.cli.commands.{module}"), function)
    work = partial(_perform, partial(command, context), connection, history, notifier)
    return run_guarded(work, notifier.restore) if notifier else run_guarded(work)


def _notifier(
    options: argparse.Namespace, config: Config, process: Process, out: Output
) -> Notifier:
    """Return what tells about events; to a terminal that understands control sequences, if any."""
    from slurper_tui.cli.notify import Notifier  # commands that look once do not need it
    from slurper_tui.cli.terminal import Marks

    marks = Marks(process.environ, ascii_only=out.ascii_only)
    if out.terminal is not None and process.environ.get("TERM", "dumb") not in _NO_SCREEN:
        marks.write = out.control
    return Notifier(
        config,
        marks,
        environ=process.environ,
        scrubber=process.scrubber,
        report=out.note,
        on_screen=False,
        demo=options.demo,
        deadline=deadline_of(options, config),
    )


def _needs(options: argparse.Namespace) -> Callable[[JobView], bool]:
    """Return whether the command needs the counts of a listed job. Raises CliError."""
    if options.command == "jobs":
        from slurper_tui.cli.commands.jobs import needed  # not for the screen

        return needed(options)
    if options.command == "idle":  # the list tells who has ended
        return lambda view: not view.ended
    return lambda view: True


def _goes_on(options: argparse.Namespace) -> bool:
    """Whether the command goes on polling until it is stopped or what it waits for has come."""
    if options.command == "metrics":
        return options.follow or options.listen is not None
    return options.command in _UNTIL_STOPPED


async def _perform(
    command: Callable[[], Awaitable[ExitCode]],
    connection: Connection,
    history: OpenHistory,
    notifier: Notifier | None,
) -> ExitCode:
    """Run the command; then deliver what is still to be told, and close everything."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loop_error)
    loop.call_later(LATER_SECONDS, enable_garbage_collection)
    patient = False
    try:
        code = await command()
        patient = True
        return code
    finally:
        await history.close()
        if notifier is not None:
            await notifier.close(patient=patient)
        await connection.close()
