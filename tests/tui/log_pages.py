"""The program with a page about one job open, over logs that a test writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any, NamedTuple

from textual.pilot import Pilot

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE, LogView
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.state import ScreenOptions
from tests.fake_feed import FakeFeed
from tests.fake_services import FakeLogs, FakeServices
from tests.patience import until
from tests.tui.jobs import NOW, iso, snapshot, view

ARCHIVED = "importSkippedStorageClass"
JOB = view(1, "completed", done=1000, failed=10, source="photos", target="media")


def row(
    number: int,
    log_type: str | None = FAILED_TYPE,
    key: str | None = "",
    message: str | None = "source answered 503",
    at: float | None = None,
) -> LogRow:
    """A row that is that many minutes old, of a failed object by default."""
    key = f"2024/IMG_{number:04}.jpg" if key == "" else key
    return LogRow(iso(NOW - 60 * number if at is None else at), JOB.job.id, log_type, message, key)


def log_view(*rows: LogRow, **given: Any) -> LogView:
    """A log read to its end by default."""
    return LogView(**{"key": JOB.key, "rows": rows, "read": len(rows), "whole": True, **given})


class Opened(NamedTuple):
    """What a test holds of the running program."""

    pilot: Pilot[int]
    app: SlurperApp
    feed: FakeFeed
    services: FakeServices
    logs: FakeLogs

    @property
    def page(self) -> Any:
        """The top screen."""
        return self.app.screen

    @property
    def lines(self) -> list[str]:
        """The text on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Press the keys of a text; `\\r` is Enter."""
        await self.press(*("enter" if char == "\r" else char for char in text))

    async def show(self, *views: LogView) -> None:
        """Set the log, and wait until the screen shows it."""
        self.logs.pushed.push(*views)
        await self.logs.pushed.taken()
        await self.pilot.pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true."""
        await until(condition, self.pilot.pause, lambda: self.text)

    async def see(self, text: str) -> None:
        await self.until(lambda: text in self.text)


@asynccontextmanager
async def opened(
    *keys: str,
    size: tuple[int, int] = (100, 24),
    jobs: Sequence[JobView] = (JOB,),
    **options: Any,
) -> AsyncIterator[Opened]:
    """The program at its list, after these keys."""
    feed, services, logs = FakeFeed(snapshot(*jobs)), FakeServices(), FakeLogs()
    services.logs = logs
    feed.at_hand = services.services
    app = SlurperApp(feed, ScreenOptions(zone=UTC, **options), lambda _: None)
    async with app.run_test(size=size) as pilot:
        await feed.taken()
        await pilot.pause()
        opened = Opened(pilot, app, feed, services, logs)
        await opened.press(*keys)
        yield opened
