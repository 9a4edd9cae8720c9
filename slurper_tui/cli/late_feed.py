"""A feed that is made after the first frame; until then it offers the recorded state."""

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
    """Implements `Feed` with a feed made by the first `snapshots`.

    known: the snapshot recorded by earlier runs, or None. make: imports and makes the feed. Calls
    that arrive before the feed exists are queued and replayed on it.
    """

    def __init__(self, known: Snapshot | None, make: Callable[[], ChosenJobs]) -> None:
        self._known = known
        self._make = make
        self._feed: ChosenJobs | None = None
        self._made = asyncio.Event()
        self._waiting: list[Callable[[ChosenJobs], None]] = []

    def known(self) -> Snapshot | None:
        """Return the snapshot recorded by earlier runs; None without one."""
        return self._known

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """Make the feed and yield its snapshots. Raises CliError unless each prefix is unique."""
        feed = self._feed = self._make()
        self._made.set()
        for tell in self._waiting:
            tell(feed)
        async with aclosing(feed.snapshots()) as snapshots:  # type: ignore[type-var]  # a generator
            async for snapshot in snapshots:
                yield snapshot

    def look_at(self, highlighted: JobKey | None, visible: frozenset[JobKey]) -> None:
        """Set the highlighted job (None for none) and the jobs visible on the screen."""
        self._tell(lambda feed: feed.look_at(highlighted, visible))

    def refresh(self, key: JobKey) -> None:
        """Poll one job now."""
        self._tell(lambda feed: feed.refresh(key))

    def refresh_all(self) -> None:
        """Read every job list and poll every job that may still change, now."""
        self._tell(lambda feed: feed.refresh_all())

    def set_interval(self, seconds: float) -> None:
        """Set the seconds between polling rounds, at least 2."""
        self._tell(lambda feed: feed.set_interval(seconds))

    def set_window(self, window: Window) -> None:
        """Set the time window of the highlighted job's history."""
        self._tell(lambda feed: feed.set_window(window))

    async def digest(self, since: float | None = None, zone: tzinfo | None = None) -> Digest:
        """Return the digest since a time in UTC seconds; None for the last absence."""
        await self._made.wait()
        assert self._feed is not None
        return await self._feed.digest(since, zone)

    async def desk(self) -> Services:
        """Return the services (logs, actions, creation, receipts), once the feed exists."""
        await self._made.wait()
        assert self._feed is not None
        return await self._feed.desk()

    def _tell(self, what: Callable[[ChosenJobs], None]) -> None:
        if self._feed is not None:
            what(self._feed)
        else:
            self._waiting.append(what)
