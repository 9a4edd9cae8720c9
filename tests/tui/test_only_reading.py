"""While it only reads, no request other than GET leaves: every key, every entry of the palette."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

import httpx
import pytest
from textual.binding import Binding
from textual.pilot import Pilot
from textual.widgets import Input

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.cli.context import resolve
from slurper_tui.monitor.model.events import RequestState
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.monitor.session import Session
from slurper_tui.simulated.account import SimulatedAccount, together
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.keys import FAILURE_KEYS, LOG_KEYS, MAIN_KEYS
from slurper_tui.tui.screens.confirm import ConfirmDialog
from slurper_tui.tui.screens.failures import FailuresPage
from slurper_tui.tui.screens.job_page import JobPage
from slurper_tui.tui.screens.log import LogPage
from slurper_tui.tui.screens.palette import Everything
from slurper_tui.tui.state import ScreenOptions, ViewState
from tests.monitor.inline_history import InlineHistory
from tests.patience import until

pytestmark = pytest.mark.no_cover  # presses every key; the tests of each screen measure it

LEAVING = frozenset({"app.quit", "app.suspend"})
"""Bindings that end or stop the program."""

PRESSED = [
    name.strip() for key in MAIN_KEYS if key.id not in LEAVING for name in key.key.split(",")
]


class Watched:
    """The real app over a real monitor and a simulated account; `methods` is all that left it."""

    def __init__(self, *, write: bool) -> None:
        self.account = SimulatedAccount(jobs=8)
        self.methods: list[str] = []
        self.paths: list[str] = []
        self._answers = together(self.account)
        transport = httpx.MockTransport(self._answer)
        self.client = SlurperClient(token_credentials(self.account.token), transport=transport)
        monitor = Monitor(
            {self.account.account_id: self.client}, StoredHistory(InlineHistory()), interval=2.0
        )
        options = ScreenOptions(zone=UTC, write=write, view=ViewState(migrations=False))
        feed = Session(lambda: monitor, ALL_JOBS, resolve)
        self.app = SlurperApp(feed, options, lambda _: None)
        self.pilot: Pilot[int]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.methods.append(request.method)
        self.paths.append(request.url.path)
        return self._answers.handle_request(request)

    @property
    def job(self) -> JobView | None:
        line = self.app.main.state.line
        return None if line is None or line.is_migration else line.view

    @property
    def complete(self) -> bool:
        """Every job was asked once."""
        snapshot = self.app.main.state.snapshot
        return snapshot is not None and snapshot.complete

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition, self.pilot.pause)

    async def leave_pages(self) -> None:
        """Go back to the main screen, however many pages stand over it."""
        for _ in range(6):
            await self.pilot.press("escape")
            if self.app.screen is self.app.main:
                return
        self.app.pop_screen()
        await self.pilot.pause()
        assert self.app.screen is self.app.main

    async def page_about_a_job(self, opens: str) -> JobPage:
        """Stand on the page that this key opens, with all there is to read."""
        if self.app.screen is self.app.main:
            await self.go_to(lambda view: view.status == "completed" and bool(view.counts.failed))
            await self.pilot.press(opens)
        page = self.app.screen
        assert isinstance(page, JobPage)
        await self.until(lambda: is_read(page))
        return page

    async def go_to(self, wanted: Callable[[JobView], bool]) -> None:
        snapshot = self.app.main.state.snapshot
        assert snapshot is not None
        self.app.main.go_to(next(view.key for view in snapshot.jobs if wanted(view)))
        await self.pilot.pause()


@asynccontextmanager
async def watched(*, write: bool) -> AsyncIterator[Watched]:
    watch = Watched(write=write)
    try:
        async with watch.app.run_test(size=(120, 40)) as watch.pilot:
            await watch.until(lambda: watch.complete)
            yield watch
    finally:
        await watch.client.close()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a key saves is saved in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("write", [False, True], ids=["locked", "unlocked, then Esc"])
@pytest.mark.parametrize("state", ["running", "completed"])
async def test_every_key(state: str, write: bool) -> None:
    async with watched(write=write) as watch:
        for key in PRESSED:
            await watch.go_to(lambda view: view.status == state)
            await watch.pilot.press(key)
            # While it only reads, nothing but `W` asks anything that could be answered with yes.
            assert write or key == "W" or not isinstance(watch.app.screen, ConfirmDialog)
            await watch.leave_pages()
        assert not watch.app.main.state.writing or write
        assert set(watch.methods) == {"GET"}


@pytest.mark.parametrize(("opens", "keys"), [("l", LOG_KEYS), ("e", FAILURE_KEYS)])
async def test_every_key_of_the_pages_about_a_job(opens: str, keys: tuple[Binding, ...]) -> None:
    async with watched(write=False) as watch:
        for key in (name.strip() for binding in keys for name in binding.key.split(",")):
            page = await watch.page_about_a_job(opens)
            await watch.pilot.press(key)
            for _ in range(6):
                at_rest = watch.app.screen in (page, watch.app.main)
                if at_rest and not isinstance(watch.app.focused, Input):
                    break
                await watch.pilot.press("escape")
        assert any(path.endswith("/logs") for path in watch.paths)
        assert set(watch.methods) == {"GET"}


def is_read(page: JobPage) -> bool:
    """Every key of it has something to work on."""
    if isinstance(page, FailuresPage):
        return page._finished
    assert isinstance(page, LogPage)
    return page.state.view.whole


@pytest.mark.parametrize("write", [False, True], ids=["locked", "unlocked, then Esc"])
async def test_every_entry_of_the_palette(write: bool) -> None:
    async with watched(write=write) as watch:
        texts = [hit.text async for hit in Everything(watch.app.main).discover()]
        assert len(texts) > 50
        themes = [text for text in texts if (text or "").startswith("theme ")]
        assert len(themes) > 5
        # One theme for all: each draws the whole screen anew.
        for text in [text for text in texts if text not in themes[1:]]:
            await watch.go_to(lambda view: view.status == "running")
            hits = [hit async for hit in Everything(watch.app.main).discover()]
            chosen = [hit for hit in hits if hit.text == text and not leaves(text or "")]
            for hit in chosen[:1]:
                hit.command()
                await watch.pilot.pause()
                await watch.leave_pages()
        assert set(watch.methods) == {"GET"}


def leaves(text: str) -> bool:
    return text.startswith(("quit", "suspend"))


async def test_a_pause_that_is_confirmed_is_one_put_and_a_poll_shows_it() -> None:
    async with watched(write=True) as watch:
        await watch.go_to(lambda view: view.status == "running")
        await watch.pilot.press("P")
        dialog = watch.app.screen
        assert isinstance(dialog, ConfirmDialog)
        await watch.until(lambda: dialog.is_painted)
        await watch.pilot.press("y")
        await watch.until(lambda: watch.job and watch.job.status == "paused")
        job = watch.job
        assert job is not None
        assert job.request is not None
        assert job.request.state is RequestState.DONE
        assert watch.methods.count("PUT") == 1
        assert set(watch.methods) == {"GET", "PUT"}
