"""The monitor on a screen: the app, the terminal around it, and what is kept between runs.

The chosen theme and view, kept between runs in a small JSON file.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from slurper_tui.cli.connect import PERMISSION, Session
from slurper_tui.cli.context import (
    LATER_SECONDS,
    Surroundings,
    collect_again,
    note,
    wanted_jobs,
    when,
    zone_of,
)
from slurper_tui.cli.errors import ExitCode, Stop, exit_code
from slurper_tui.cli.late_feed import LateFeed
from slurper_tui.cli.past import Opened
from slurper_tui.cli.signals import Guard
from slurper_tui.cli.terminal import Terminal, driver_for, wait_for_foreground
from slurper_tui.config import Config, locate, nearest, read_bytes
from slurper_tui.monitor.history.files import make_folder
from slurper_tui.monitor.polling.job_tracker import known_snapshot
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.keys import KEYS
from slurper_tui.tui.state import ScreenOptions, ViewState

if TYPE_CHECKING:
    from textual.binding import Binding

    from slurper_tui.cli.choice import ChosenJobs


FILE = "state.json"
_KINDS = {"theme": str, "sort": str, "inverted": bool, "hide_ended": bool, "migrations": bool}


def load_view(folder: Path | None) -> ViewState:
    """Read the view that was left last; the default where nothing readable is kept."""
    if folder is None:
        return ViewState()
    try:
        kept = msgspec.json.decode(read_bytes(folder / FILE))
    except (OSError, ValueError, RecursionError):
        return ViewState()
    if not isinstance(kept, dict):
        return ViewState()
    known = {name: kept[name] for name, kind in _KINDS.items() if isinstance(kept.get(name), kind)}
    return ViewState(**known)


def save_view(folder: Path | None, view: ViewState) -> None:
    """Replace the file in one step. A folder that cannot be written is no fault."""
    import tempfile  # 1 ms, when something is kept

    if folder is None:
        return
    with suppress(OSError):
        make_folder(folder)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=FILE)
        try:
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.encode(view))
            os.replace(name, folder / FILE)
        except OSError:
            with suppress(OSError):
                os.unlink(name)


_log = logging.getLogger("slurper_tui.cli")


def show(
    session: Session,
    opened: Opened,
    config: Config,
    around: Surroundings,
    options: argparse.Namespace,
) -> ExitCode:
    """Run the app until it is left. Raises Stop for a setting that it does not know."""
    wanted, now = wanted_jobs(options), time.time()
    known = known_snapshot(opened.remembered, session.accounts, wanted, config.interval, now)
    kept = load_view(around.state)
    app = SlurperApp(
        LateFeed(known, partial(_feed, session, opened, config, wanted)),
        _options(config, kept, options, around),
        partial(save_view, around.state),
    )
    _check(config, app.available_themes)
    wait_for_foreground()
    terminal = Terminal()
    with Guard(terminal.restore) as guard:
        app.driver_class = driver_for(terminal, guard)
        try:
            asyncio.run(_drive(app, session, opened, guard, mouse=config.mouse))
        finally:
            terminal.restore()
    return _outcome(app, guard, around)


def _feed(session: Session, opened: Opened, config: Config, wanted: Sequence[str]) -> ChosenJobs:
    """Make the monitor, and let it follow the jobs that are wanted."""
    from slurper_tui.cli.choice import ChosenJobs  # the first picture does not wait for the loop
    from slurper_tui.monitor.polling.poller import Monitor

    monitor = Monitor(
        session.client,
        session.accounts,
        interval=config.interval,
        prefixes=wanted,
        past=opened.past(),
    )
    return ChosenJobs(monitor, wanted)


def _options(
    config: Config, kept: ViewState, options: argparse.Namespace, around: Surroundings
) -> ScreenOptions:
    """What the app is told; the theme of this run before the chosen one before the file's."""
    return ScreenOptions(
        ascii_only=config.ascii_only,
        zone=zone_of(config),
        demo=options.demo,
        keymap=config.keys,
        view=kept,
        theme=options.theme or kept.theme or config.theme,
        environ=around.environ,
        deadline=when("--deadline", options.deadline, zone_of(config), future=True),
        write=options.write,
    )


def _check(config: Config, themes: Collection[str]) -> None:
    """Raises Stop for a theme or a binding that does not exist, saying where it is named."""
    if config.theme is not None and config.theme not in themes:
        _refuse(config, "theme", config.theme, themes, ("theme",))
    if config.keys:
        _check_keys(config)


def _check_keys(config: Config) -> None:
    """Raises Stop for an id that no screen has, or that is bound wrongly on one that has it."""
    from slurper_tui.tui.keys import FAILURE_KEYS, LOG_KEYS  # only when it is needed

    screens = (KEYS, LOG_KEYS, FAILURE_KEYS)
    ids = list(dict.fromkeys(b.id for keys in screens for b in keys if b.id))
    for id in config.keys:
        if id not in ids:
            _refuse(config, "key id", id, ids, ("keys", id))
    for keys in screens:
        _check_clashes(config, keys)


def _check_clashes(config: Config, bindings: Sequence[Binding]) -> None:
    """Raises Stop for a key that would do two things on one screen, or an id without any."""
    owners: dict[str, str] = {}
    bound = sorted(bindings, key=lambda binding: binding.id in config.keys)
    for id, keys in ((b.id or "", config.keys.get(b.id or "", b.key)) for b in bound):
        for key in (part.strip() for part in keys.split(",")):
            other = owners.setdefault(key, id)
            if key and other == id:
                continue
            place = locate(config.file, ("keys", id)) if config.file else None
            what = f"key {key!r} is {other}'s already" if key else "an empty key"
            raise Stop(f"{f'{place}: ' if place else ''}{id}: {what}")


def _refuse(
    config: Config, what: str, name: str, known: Collection[str], path: tuple[str, ...]
) -> NoReturn:
    place = locate(config.file, path) if config.file else None
    raise Stop(f"{f'{place}: ' if place else ''}unknown {what} {name!r}{nearest(name, known)}")


_LATER = (
    "slurper_tui.cli.crash",
    "slurper_tui.timeparse",
    "slurper_tui.tui.export",
    "slurper_tui.tui.render.job_text",
    "slurper_tui.tui.screens.dialogs",
    "slurper_tui.tui.screens.digest",
    "slurper_tui.tui.widgets.form_fields",
    "slurper_tui.tui.screens.palette",
    "slurper_tui.tui.render.charts",
    "slurper_tui.tui.availability",
    "slurper_tui.tui.screens.confirm",
    "slurper_tui.tui.render.job_text",
    "slurper_tui.tui.render.job_text",
    "slurper_tui.tui.export",
    "slurper_tui.tui.screens.log",
    "slurper_tui.tui.screens.dialogs",
    "slurper_tui.tui.screens.failures",
    "slurper_tui.tui.render.detail",
    "slurper_tui.tui.screens.create_form",
    "slurper_tui.tui.screens.retry_draft",
    "slurper_tui.tui.screens.plans",
)


def load_the_rest() -> None:
    """Import what the first picture did not need, before an upgrade can take it away."""
    collect_again()
    for name in _LATER:
        import_module(name)


async def _drive(
    app: SlurperApp, session: Session, opened: Opened, guard: Guard, *, mouse: bool
) -> None:
    """Run the app in a loop whose end nothing can hold up."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(note)
    guard.when_ending(lambda code: loop.call_soon_threadsafe(app.exit_for_signal, code))
    try:
        loop.call_later(LATER_SECONDS, load_the_rest)
        await app.run_async(mouse=mouse)
    finally:
        guard.enforce(exit_code(app.return_code))
        await opened.close()
        await session.client.close()


def _outcome(app: SlurperApp, guard: Guard, around: Surroundings) -> ExitCode:
    """How the app ended. Raises Stop when no account let us in, or a job is not clear."""
    if guard.ending is not None:
        # What breaks while everything is being torn down is for the log alone.
        _log.info("ended by %s; crash: %r", guard.ending.name, app.crash)
        return guard.ending
    if isinstance(app.crash, Stop):
        raise app.crash
    if app.crash is not None:
        from slurper_tui.cli.diagnostics import crashed  # only when something is wrong

        return crashed(app.crash, around)
    if app.fatal is not None:
        said = f"the API rejects these credentials: {app.fatal}; {PERMISSION}"
        raise Stop(said, ExitCode.CREDENTIALS)
    return exit_code(app.return_code)
