"""Run the Textual app: options, terminal, signals, exit code, and the saved view.

The theme and the view (order, filters) are kept between runs in `state.json`, those of the demo
in `demo.json`. Modules that the first frame does not need are imported `LATER_SECONDS` after the
start.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.api.errors import BadSetting
from slurper_tui.cli.connect import Connection, OpenHistory, setting_error
from slurper_tui.cli.context import (
    LATER_SECONDS,
    Process,
    deadline_of,
    enable_garbage_collection,
    log_loop_error,
    resolve,
    selection_of,
    zone_of,
)
from slurper_tui.cli.driver import MISSING, driver_for
from slurper_tui.cli.errors import CliError, ExitCode, exit_code, rejected
from slurper_tui.cli.notify import Notifier, tmux_copy
from slurper_tui.cli.settings import mistakes_of_screen, window_of
from slurper_tui.cli.signals import Guard
from slurper_tui.cli.terminal import Marks, Terminal, answers, colours_of, wait_for_foreground
from slurper_tui.config import Config, read_bytes
from slurper_tui.monitor.history.files import make_folder
from slurper_tui.monitor.session import Session, snapshot_from_history
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.screens.main import MainScreen
from slurper_tui.tui.state import ScreenOptions, ScreenState, ViewState
from slurper_tui.tui.widgets.totals import title_of

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import Snapshot
    from slurper_tui.monitor.polling.poller import Monitor


FILE, DEMO_FILE = "state.json", "demo.json"
_KINDS = {"theme": str, "sort": str, "inverted": bool, "hide_ended": bool, "migrations": bool}


_DEFAULT = ViewState()


def view_file(state: Path | None, *, demo: bool) -> Path | None:
    """Return the file of the saved view; None where there is no home folder. state: a folder."""
    return None if state is None else state / (DEMO_FILE if demo else FILE)


def load_view(file: Path | None, default: ViewState = _DEFAULT) -> ViewState:
    """Read the saved view; the default for all that is missing or invalid in the file."""
    if file is None:
        return default
    try:
        saved = msgspec.json.decode(read_bytes(file))
    except (OSError, ValueError, RecursionError):
        return default
    if not isinstance(saved, dict):
        return default
    valid = {
        name: saved[name] for name, kind in _KINDS.items() if isinstance(saved.get(name), kind)
    }
    if default.sort is not None and "sort" not in valid:
        valid.pop("inverted", None)  # it belongs to the order of the configuration file
    view = msgspec.structs.replace(default, **valid)
    return msgspec.structs.replace(view, sort=view.sort or None)


def save_view(file: Path | None, view: ViewState, default: ViewState = _DEFAULT) -> None:
    """Replace the saved view atomically. Ignore a folder that cannot be written.

    file: None where there is no home folder.
    default: its order is not saved, so that the configuration file can change it; "" is saved for
        the program's own order.
    """
    import tempfile  # 1 ms, needed only when the view is saved

    if file is None:
        return
    saved = msgspec.structs.asdict(view)
    if (view.sort, view.inverted) == (default.sort, default.inverted):
        del saved["sort"], saved["inverted"]
    elif default.sort is not None:
        saved["sort"] = view.sort or ""
    with suppress(OSError):
        make_folder(file.parent)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        try:
            with open(descriptor, "wb") as new:
                new.write(msgspec.json.encode(saved))
            os.replace(name, file)
        except OSError:
            with suppress(OSError):
                os.unlink(name)


_log = logging.getLogger("slurper_tui.cli")


def show(
    connection: Connection,
    history: OpenHistory,
    config: Config,
    process: Process,
    options: argparse.Namespace,
) -> ExitCode:
    """Run the app until it ends. Raises CliError for an unknown setting."""
    selection, replay = selection_of(options), connection.replay
    is_simulated = options.demo or replay is not None
    if mistake := next(mistakes_of_screen(config), None):
        raise CliError(mistake)
    from_history = snapshot_from_history(
        history.jobs, connection.accounts, selection, config.interval, time.time()
    )

    def make_monitor() -> Monitor:
        from slurper_tui.monitor.polling.poller import Monitor  # not before the first frame

        return Monitor(
            connection.clients,
            history.stored(),
            interval=config.interval,
            selection=selection,
            watch_tokens=replay is None,
            timer=replay and replay.clock,
        )

    marks = Marks(process.environ, ascii_only=config.ascii_only)
    notifier = Notifier(
        config,
        marks,
        environ=process.environ,
        scrubber=process.scrubber,
        report=lambda text: app.show_note(text),
        on_screen=True,
        demo=options.demo,
    )
    saved, default = view_file(process.state, demo=is_simulated), _default_view(config)
    main_screen = MainScreen
    if replay is not None:
        from slurper_tui.tui.screens.replay import ReplayScreen as main_screen  # only for a replay
    app = SlurperApp(
        Session(make_monitor, selection, partial(resolve, names=connection.names), from_history),
        _options(config, load_view(saved, default), options, process, connection),
        partial(save_view, saved, default=default),
        _notify_function(notifier, ascii_only=config.ascii_only),
        main_screen,
    )
    app.copy_beside = tmux_copy(process.environ)
    wait_for_foreground()
    terminal = Terminal(marks)
    if answers(process.environ):
        terminal.tell_background = app.follow_background
    with Guard(terminal.restore) as guard:
        app.driver_class = driver_for(terminal, guard)
        try:
            asyncio.run(_drive(app, connection, history, notifier, guard, mouse=config.mouse))
        finally:
            terminal.restore()
    return _outcome(app, guard, process)


def _notify_function(
    notifier: Notifier, *, ascii_only: bool
) -> Callable[[Snapshot, ScreenState], None]:
    """Return a function that notifies of changes and keeps the terminal's title up to date."""
    titled = ScreenState()

    def notify(snapshot: Snapshot, state: ScreenState) -> None:
        nonlocal titled
        notifier.update(snapshot, state.deadline)
        if notifier.shows_summary and not state.same_jobs(titled):
            titled = state
            notifier.show(title_of(state, ascii_only=ascii_only))

    return notify


def _default_view(config: Config) -> ViewState:
    """Return the view of the configuration file."""
    sort = config.sort or ""
    return ViewState(sort=sort.removeprefix("-") or None, inverted=sort.startswith("-"))


def _options(
    config: Config,
    view: ViewState,
    options: argparse.Namespace,
    process: Process,
    connection: Connection,
) -> ScreenOptions:
    """Return the app's options; --theme wins over the saved theme, which wins over the file."""
    replay = connection.replay
    return ScreenOptions(
        ascii_only=config.ascii_only,
        zone=zone_of(config),
        demo=options.demo,
        keymap=config.keys,
        view=view,
        theme=options.theme or view.theme or config.theme,
        environ=process.environ,
        sixteen=colours_of(process.environ) == "16",
        deadline=deadline_of(options, config),
        names={} if options.demo else config.names,
        columns=config.columns,
        window=window_of(config),
        write=replay is None and options.write and not MISSING,
        read_only=replay is not None or bool(MISSING),
        replay=replay and replay.clock,
    )


LATER = (
    "slurper_tui.cli.diagnostics",
    "slurper_tui.timeparse",
    "slurper_tui.tui.availability",
    "slurper_tui.tui.render.charts",
    "slurper_tui.tui.screens.confirm",
    "slurper_tui.tui.screens.create_form",
    "slurper_tui.tui.screens.dialogs",
    "slurper_tui.tui.screens.failures",
    "slurper_tui.tui.screens.log",
    "slurper_tui.tui.screens.palette",
    "slurper_tui.tui.screens.plans",
    "slurper_tui.tui.screens.reports",
    "slurper_tui.tui.screens.retry_draft",
    "slurper_tui.tui.widgets.form_fields",
)


def load_the_rest() -> None:
    """Import the modules that the first frame did not need.

    They are imported before first use, because an upgrade of the program may remove the files.
    """
    enable_garbage_collection()
    for name in LATER:
        import_module(name)


async def _drive(
    app: SlurperApp,
    connection: Connection,
    history: OpenHistory,
    notifier: Notifier,
    guard: Guard,
    *,
    mouse: bool,
) -> None:
    """Run the app; the guard enforces the end if the shutdown of the loop hangs."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loop_error)
    guard.when_ending(lambda code: loop.call_soon_threadsafe(app.exit_for_signal, code))
    try:
        loop.call_later(LATER_SECONDS, load_the_rest)
        await app.run_async(mouse=mouse)
    finally:
        guard.enforce(exit_code(app.return_code))
        await history.close()
        await notifier.close(patient=False)
        await connection.close()


def _outcome(app: SlurperApp, guard: Guard, process: Process) -> ExitCode:
    """Return the app's exit code.

    Raises CliError when every account rejects the credentials, a job prefix is not unique, or the
    client could not be opened.
    """
    if guard.ending is not None:
        # An error during the shutdown after a signal goes only to the log.
        _log.info("ended by %s; crash: %r", guard.ending.name, app.crash)
        return guard.ending
    if isinstance(app.crash, CliError):
        raise app.crash
    if isinstance(app.crash, BadSetting):
        raise setting_error(app.crash)
    if app.crash is not None:
        from slurper_tui.cli.diagnostics import crashed  # only after an error

        return crashed(app.crash, process)
    if app.fatal is not None:
        raise rejected([app.fatal])
    return exit_code(app.return_code)
