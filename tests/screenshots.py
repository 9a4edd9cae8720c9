"""Draw the README's screenshots of the simulated account: `python -m tests.screenshots`.

The account and the monitor run in virtual time from a fixed date, and the real app shows their last
snapshot, so that the same code always draws the same screenshots.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import NamedTuple

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.cli.connect import fill_for_demo
from slurper_tui.cli.context import resolve
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Snapshot
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.monitor.reports.digest import Digest
from slurper_tui.monitor.session import Session
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.tui.state import ScreenOptions, ScreenState, ViewState, highlight_row, see
from tests import screenshot_retry as retried
from tests import screenshot_verify as samples
from tests import virtual_time
from tests.fake_feed import FakeFeed
from tests.monitor.inline_history import InlineHistory

FOLDER = Path(__file__).parent.parent / "screenshots"
BEGIN = 1_774_000_000.0
"""2026-03-20 09:46:40 UTC."""

RETRY_AFTER = 600.0
"""Seconds after the beginning at which the failed job of `Scene.with_retry` is retried."""

ENDLESS = frozenset({"feed", "reading"})
"""Groups of workers that run until the app ends."""

PINNED = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
FONTS = ("Fira Code, monospace", "Menlo, 'DejaVu Sans Mono', Consolas, monospace")
UNSET = ("NO_COLOR", "TMUX", "STY", "TERM_PROGRAM", "TEXTUAL_THEME", "COLUMNS", "LINES")


@dataclass(frozen=True)
class Scene:
    """One screenshot. minutes: time that the monitor runs. keys: pressed at its end.

    outage: minutes without an answer after `minutes`. deadline: hours from the beginning.
    with_retry: show a migration of several jobs, one of which is retried after RETRY_AFTER.
    prefix: of the job that the keys highlight, whose charts are shown.
    verified: the clean job of the migration is verified, and its receipt is shown.
    verify: open the page of a verification, "running" or "ended".
    """

    name: str
    size: tuple[int, int] = (120, 40)
    theme: str = "slurper-dark"
    minutes: float = 30.0
    jobs: int | None = None
    keys: tuple[str, ...] = ()
    outage: float = 0.0
    deadline: float | None = None
    with_retry: bool = False
    verified: bool = False
    prefix: str = ""
    verify: str = ""

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.svg"


FIND = ("slash", *"2024/", "enter", "down")
CREATE = ("colon", *"new migration", "enter")
UNFOLDED = ("down", "enter", "down")
SCENES = (
    Scene("main-120x40-dark", keys=UNFOLDED, prefix="2024/"),
    Scene("main-120x40-light", theme="slurper-light", keys=UNFOLDED, prefix="2024/"),
    Scene("main-80x24-dark", size=(80, 24)),
    Scene("main-80x24-light", size=(80, 24), theme="slurper-light"),
    Scene("help", keys=("question_mark",)),
    Scene("filtered", keys=("slash", *"video", "enter")),
    Scene("stalled", minutes=9.0),
    Scene("pictures", size=(110, 30), keys=(*UNFOLDED, "tab", "M"), prefix="2024/"),
    Scene("wide", size=(200, 50), keys=("down",)),
    Scene("digest", keys=("d",)),
    Scene("deadline", deadline=14.0),
    Scene("migration", with_retry=True, minutes=10.6, keys=("down", "enter")),
    Scene("log", with_retry=True, minutes=12.0, keys=(*FIND, "l")),
    Scene("failures", with_retry=True, minutes=12.0, keys=(*FIND, "e", "enter")),
    Scene("abort", with_retry=True, minutes=9.0, size=(100, 30), keys=("W", "y", "X", *"logs-e")),
    Scene("create", with_retry=True, minutes=9.0, size=(100, 30), keys=("W", "y", *CREATE)),
    Scene("receipt", with_retry=True, minutes=12.0, keys=(*FIND, "v")),
    Scene(
        "verified",
        size=(110, 66),
        with_retry=True,
        verified=True,
        minutes=9.0,
        keys=("slash", *"2022/", "enter", "down", "v"),
    ),
    Scene("verify", with_retry=True, minutes=12.0, size=(100, 30), verify="running"),
    Scene("differences", with_retry=True, minutes=12.0, size=(100, 40), verify="ended"),
    Scene("outage", outage=11.0),
    Scene("empty", jobs=0, minutes=1.0),
)


class Content(NamedTuple):
    """What a screenshot shows: the last snapshot, the digest, and the pages about one job.

    pages: None without a retry.
    """

    snapshot: Snapshot
    digest: Digest
    pages: retried.Pages | None = None


def content_of(scene: Scene) -> Content:
    """Run the monitor for the scene's minutes and its minutes of outage."""
    return _content_of(
        replace(scene, name="", size=(0, 0), theme="", deadline=None, keys=_downs(scene), verify="")
    )


@cache
def _content_of(scene: Scene) -> Content:
    """Run the monitor once for all scenes that differ only in what the app does with it."""
    return virtual_time.run(_watch(scene))


def _downs(scene: Scene) -> tuple[str, ...]:
    """The keys that move the highlight: the monitor reads more of the highlighted job."""
    return tuple(key for key in scene.keys if key == "down")


async def _watch(scene: Scene) -> Content:
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return BEGIN + loop.time()

    if scene.with_retry:
        account = retried.account(BEGIN, clock)
    else:
        account = SimulatedAccount(0, clock, jobs=scene.jobs)
    history = InlineHistory()
    fill_for_demo(history.store, account, BEGIN)
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    past = history.stored(account.account_id)
    ids = [account.account_id]
    monitor = Monitor(dict.fromkeys(ids, client), past, clock=clock, rng=random.Random(0))
    session = Session(lambda: monitor, ALL_JOBS, resolve)
    session.start()
    outage_at = scene.minutes * 60
    last, services, failed = None, await session.services(), retried.key(account, retried.FAILED)
    retries, shown = scene.with_retry, failed
    if scene.verified:
        shown = retried.key(account, retried.CLEAN)
        await session.keep_verification(retried.verification(shown, BEGIN))
    async for snapshot in session.snapshots():
        last = snapshot
        highlighted, charted = _looked_at(scene, snapshot)
        session.look_at(highlighted, frozenset(), charted)
        if scene.outage and loop.time() >= outage_at and not list(account.faults):
            account.faults.add(Fault(Kind.HTML, status=502))
        if retries and loop.time() >= RETRY_AFTER:
            retries = False
            await retried.retry(services, snapshot, failed)
        if loop.time() >= outage_at + scene.outage * 60:
            break
    assert last is not None
    pages = await retried.pages(services, shown) if scene.with_retry else None
    content = Content(last, await session.digest(zone=UTC), pages)
    await client.close()
    return content


def _looked_at(scene: Scene, snapshot: Snapshot) -> tuple[JobKey | None, tuple[JobKey, ...]]:
    """The job that the scene's keys highlight, or the jobs of the highlighted migration."""
    for view in snapshot.jobs if scene.prefix else ():
        if view.job.source and view.job.source.path_prefix == scene.prefix:
            return view.key, ()
    state = highlight_row(see(ScreenState(), snapshot), scene.keys.count("down"))
    return state.highlighted, state.migration.charted if state.migration else ()


async def draw(scene: Scene, content: Content) -> str:
    """Show the content in the real app and return the screenshot as SVG."""
    from slurper_tui.tui.app import SlurperApp
    from tests import pilot_wait

    pilot_wait.install()
    deadline = None if scene.deadline is None else BEGIN + scene.deadline * 3600
    view = ViewState(theme=scene.theme)
    options = ScreenOptions(zone=UTC, view=view, environ={}, deadline=deadline)
    feed = FakeFeed(content.snapshot)
    feed.happened, feed.at_hand = content.digest, retried.services_of(content.pages)
    app = SlurperApp(feed, options, lambda view: None)
    async with app.run_test(size=scene.size) as pilot:
        await feed.taken()
        for pressed in scene.keys:  # a dialog must be drawn before it takes keys
            await pilot.press(pressed)
            await pilot.pause()
        if scene.verify:
            ended_at = BEGIN + scene.minutes * 60
            samples.open_page(app, ended_at, ended=scene.verify == "ended")
            await pilot.pause()
        unfinished = [worker for worker in pilot.app.workers if worker.group not in ENDLESS]
        if unfinished:
            await pilot.app.workers.wait_for_complete(unfinished)
        await pilot.pause()
        return stable(app.export_screenshot(title="slurper-tui"))


def stable(svg: str) -> str:
    """Remove web fonts, and the ids that differ between two drawings of the same screen."""
    plain = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    named = re.sub(r"terminal-\d+-", "terminal-", plain).replace(*FONTS)
    return "\n".join(line.rstrip() for line in named.splitlines()) + "\n"


@contextmanager
def pinned_environment() -> Iterator[None]:
    """Set the variables that a screenshot depends on, and restore them."""
    names = (*PINNED, *UNSET)
    before = {name: os.environ.get(name) for name in names}
    _set_environment({**dict.fromkeys(UNSET), **PINNED})
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def render(scene: Scene) -> str:
    """Draw a scene as SVG."""
    content = content_of(scene)
    with pinned_environment():
        return asyncio.run(draw(scene, content))


def main(write: Callable[[str], object]) -> None:
    """Draw every screenshot again; write the name of each."""
    FOLDER.mkdir(exist_ok=True)
    for scene in SCENES:
        scene.path.write_text(render(scene), encoding="utf-8")
        write(f"{scene.path.name}\n")


if __name__ == "__main__":
    import sys

    main(sys.stdout.write)
