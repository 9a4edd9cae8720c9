"""A session with snapshots from the test that records its calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import tzinfo

from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import Snapshot
from slurper_tui.monitor.model.plans import Plan
from slurper_tui.monitor.reports.digest import Digest
from slurper_tui.monitor.session import Services, Session
from tests.patience import PATIENCE


class FakeFeed(Session):
    """A session whose snapshots the test pushes."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self._queue: asyncio.Queue[Snapshot | Exception] = asyncio.Queue()
        self.asked: list[tuple[object, ...]] = []
        self.happened = Digest(0.0, 0.0)
        self.at_hand: Services | None = None
        self.from_history = None
        self.looked_at: tuple[JobKey | None, frozenset[JobKey]] = (None, frozenset())
        for snapshot in snapshots:
            self._queue.put_nowait(snapshot)

    def push(self, snapshot: Snapshot | Exception) -> None:
        self._queue.put_nowait(snapshot)

    async def taken(self) -> None:
        """Wait until every pushed snapshot is processed."""
        await asyncio.wait_for(self._queue.join(), PATIENCE)

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        while True:
            item = await self._queue.get()
            if isinstance(item, Exception):
                self._queue.task_done()
                raise item
            yield item
            self._queue.task_done()

    def set_window(self, window: Window) -> None:
        self.asked.append(("set_window", window))

    async def digest(self, since: float | None = None, zone: tzinfo | None = None) -> Digest:
        self.asked.append(("digest", since))
        return self.happened

    @property
    def waiting_plans(self) -> tuple[Plan, ...]:
        return self.at_hand.creation.waiting if self.at_hand else ()

    async def services(self) -> Services:
        while self.at_hand is None:  # without services from the test, they never become ready
            await asyncio.Event().wait()
        return self.at_hand

    def look_at(
        self,
        highlighted: JobKey | None,
        visible: frozenset[JobKey],
        charted: tuple[JobKey, ...] = (),
    ) -> None:
        self.looked_at = (highlighted, visible)
        self.charted = charted

    def refresh(self, key: JobKey) -> None:
        self.asked.append(("refresh", key))

    def refresh_all(self) -> None:
        self.asked.append(("refresh_all",))

    def set_interval(self, seconds: float) -> None:
        self.asked.append(("set_interval", seconds))
