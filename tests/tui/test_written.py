"""What reaches the terminal, byte for byte: little, and the same picture as a full repaint."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

import pyte
import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from textual._compositor import CompositorUpdate
from textual.app import App

from slurper_tui.monitor.model.job import BudgetView
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.render.painted import RunsUpdate, in_doubt
from slurper_tui.tui.state import ScreenOptions
from tests.fake_feed import FakeFeed
from tests.tui.jobs import NOW, forecast, snapshot, view
from tests.tui.names import DOUBTFUL


class Terminal:
    """A terminal that the app writes to, and what it was sent since `clear`."""

    def __init__(self, width: int, height: int) -> None:
        self._screen = pyte.Screen(width, height)
        self._screen.reset_mode(7, private=True)  # no wrapping, as Textual asks for at its start
        self._stream = pyte.Stream(self._screen)
        self.sent = ""
        self.kinds: list[type] = []

    def take(self, app: App[Any], update: CompositorUpdate) -> None:
        text = update.render_segments(app.console)
        self.kinds.append(type(update))
        self.sent += text
        self._stream.feed(text)

    def clear(self) -> None:
        self.sent, self.kinds = "", []

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]


Connect = Callable[[int, int], Terminal]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    def make(width: int, height: int) -> Terminal:
        terminal = Terminal(width, height)

        def display(app: App[Any], _screen: object, update: object) -> None:
            if isinstance(update, CompositorUpdate):
                terminal.take(app, update)

        monkeypatch.setattr(App, "_display", display)
        return terminal

    return make


def jobs(round: int) -> list[Any]:
    """Ten running jobs, each a little further than the round before."""
    moved = []
    for number in range(10):
        job = view(number, source=f"photos-prod-{number}")
        done = 123_456 * (number + 1) + round * (300 + 41 * number)
        counts = replace(job.counts, objects=3_440_785, transferred=done, skipped=38_110)
        rate = 60.0 + 7 * number + round
        percent = (counts.done or 0) * 100 // 3_440_785
        job = replace(job, counts=counts, rate=rate, percent=percent)
        kinds = {"transferred_rate": rate - 13, "skipped_rate": 13.0}
        ends = replace(forecast(5 + number, 9 + number), made_at=NOW + 5 * round)
        moved.append(replace(job, forecast=ends, **kinds))
    return moved


async def settle(feed: FakeFeed, pilot: Any, terminal: Terminal) -> None:
    """Wait until everything is taken in and the app has nothing more to write."""
    await feed.taken()
    written = -1
    while written != len(terminal.sent):
        written = len(terminal.sent)
        for _ in range(4):
            await pilot.pause()


def shown(app: SlurperApp) -> list[str]:
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (40, 12)])
async def test_the_terminal_shows_what_the_app_draws(
    connect: Connect, size: tuple[int, int]
) -> None:
    terminal, feed = connect(*size), FakeFeed(snapshot(*jobs(0)))
    app = SlurperApp(feed, ScreenOptions(zone=UTC), lambda _: None)
    async with app.run_test(size=size) as pilot:
        await settle(feed, pilot, terminal)
        for round, key in enumerate(["j", "G", "greater_than_sign", "tab", "j", "M", "escape"], 1):
            await pilot.press(key)
            feed.push(snapshot(*jobs(round), taken_at=NOW + 5 * round))
            await settle(feed, pilot, terminal)
            assert terminal.lines == shown(app)
    assert RunsUpdate in terminal.kinds


@pytest.mark.parametrize(("size", "most"), [((80, 24), 1500), ((200, 50), 2300)])
async def test_a_round_of_ten_moving_jobs_costs_little(
    connect: Connect, size: tuple[int, int], most: int
) -> None:
    terminal, feed = connect(*size), FakeFeed(snapshot(*jobs(0)))
    app = SlurperApp(feed, ScreenOptions(zone=UTC), lambda _: None)
    async with app.run_test(size=size) as pilot:
        await settle(feed, pilot, terminal)
        for round in range(6):
            terminal.clear()
            feed.push(snapshot(*jobs(round), budget=BudgetView(used=10 * round)))
            await settle(feed, pilot, terminal)
            # Textual repaints a widget once in full after it has been laid out.
            assert round < 2 or 0 < len(terminal.sent.encode()) < most


@pytest.mark.parametrize("width", [0, 2])
async def test_names_of_doubtful_width_leave_nothing_behind(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("pyte.screens.wcwidth", lambda c: width if in_doubt(c) else cell_len(c))
    named = [view(n, source=name, prefix=name * 9) for n, name in enumerate(DOUBTFUL)]
    terminal, feed = connect(120, 40), FakeFeed(snapshot(*named))
    app = SlurperApp(feed, ScreenOptions(zone=UTC), lambda _: None)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(feed, pilot, terminal)
        for round, key in enumerate(["j", "G", "m"], 1):
            await pilot.press(key)
            moved = [replace(job, rate=round + 0.1 * n) for n, job in enumerate(named)]
            feed.push(snapshot(*moved, taken_at=NOW + 5 * round))
            await settle(feed, pilot, terminal)
            before = terminal.lines[:-1]  # a key puts the last line's note away
            await pilot.press("ctrl+l")
            await settle(feed, pilot, terminal)
            assert terminal.lines[:-1] == before


async def test_a_round_in_which_nothing_moved_costs_nothing(connect: Connect) -> None:
    terminal, feed = connect(80, 24), FakeFeed(snapshot(*jobs(0)))
    app = SlurperApp(feed, ScreenOptions(zone=UTC), lambda _: None)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(feed, pilot, terminal)
        terminal.clear()
        feed.push(snapshot(*jobs(0), taken_at=NOW + 5, budget=BudgetView(used=4), rounds=2))
        await settle(feed, pilot, terminal)
        assert terminal.sent == ""
        old = [replace(job, missed=1, as_of=NOW) for job in jobs(0)]
        feed.push(snapshot(*old, taken_at=NOW + 30))
        await settle(feed, pilot, terminal)
        terminal.clear()
        one = [replace(old[0], as_of=NOW - 60), *old[1:]]
        feed.push(snapshot(*one, taken_at=NOW + 30))
        await settle(feed, pilot, terminal)
        assert len(terminal.sent.encode()) <= 200
