"""A feed that is made while the first picture stands: what is known comes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import tzinfo
from typing import TYPE_CHECKING

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Snapshot
from slurper_tui.monitor.model.timeline import Window

if TYPE_CHECKING:
    from slurper_tui.cli.choice import ChosenJobs
    from slurper_tui.monitor.reports.digest import Digest
    from slurper_tui.monitor.services import Services


class LateFeed:
    """Implements `Feed`. known: what earlier runs have left. make: imports and makes the feed.

    What it is told before that, the feed hears as soon as it is there.
    """

    def __init__(self, known: Snapshot | None, make: Callable[[], ChosenJobs]) -> None:
        self._known = known
        self._make = make
        self._feed: ChosenJobs | None = None
        self._made = asyncio.Event()
        self._waiting: list[Callable[[ChosenJobs], None]] = []

    def known(self) -> Snapshot | None:
        """Give what earlier runs have left; None when that is nothing."""
        return self._known

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """Make the feed, and yield what it says. Raises Stop when it is not clear which job."""
        feed = self._feed = self._make()
        self._made.set()
        for tell in self._waiting:
            tell(feed)
        async with aclosing(feed.snapshots()) as snapshots:  # type: ignore[type-var]  # a generator
            async for snapshot in snapshots:
                yield snapshot

    def look_at(self, highlighted: JobKey | None, visible: frozenset[JobKey]) -> None:
        """Say which job is highlighted and which rows are on the screen."""
        self._tell(lambda feed: feed.look_at(highlighted, visible))

    def refresh(self, key: JobKey) -> None:
        """Ask one job now."""
        self._tell(lambda feed: feed.refresh(key))

    def refresh_all(self) -> None:
        """Read every list and ask every job that may move, now."""
        self._tell(lambda feed: feed.refresh_all())

    def set_interval(self, seconds: float) -> None:
        """Change the seconds between rounds, at least 2."""
        self._tell(lambda feed: feed.set_interval(seconds))

    def set_window(self, window: Window) -> None:
        """Show more or less of the highlighted job's past."""
        self._tell(lambda feed: feed.set_window(window))

    async def digest(self, since: float | None = None, zone: tzinfo | None = None) -> Digest:
        """Tell what happened since a UTC second, by default since somebody last looked."""
        await self._made.wait()
        assert self._feed is not None
        return await self._feed.digest(since, zone)

    async def desk(self) -> Services:
        """Give what can be asked beyond snapshots, as soon as the feed is there."""
        await self._made.wait()
        assert self._feed is not None
        return await self._feed.desk()

    def _tell(self, what: Callable[[ChosenJobs], None]) -> None:
        if self._feed is not None:
            what(self._feed)
        else:
            self._waiting.append(what)
