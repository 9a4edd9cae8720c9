"""Reads logs with requests that neither the polls nor a reading user needs, one at a time.

`EndedLogs` reads each log of an ended job with failed or skipped objects once, so that its verdict
is complete. Only the number of rows per type is kept; the history remembers it, so the next run
does not read the log again.

`NewestRows` reads the newest rows of the jobs that the user looks at, and of failing jobs. The rows
go to the jobs (see `JobStore.note_rows`), whose views show them and their reasons.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from slurper_tui.monitor.logs.paging import Order, Paging
from slurper_tui.monitor.logs.reader import LogFetcher, PageSizes
from slurper_tui.monitor.model.job import JobView, State, default_order
from slurper_tui.monitor.model.logs import RowCounts

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import HistoryNotes
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore
    from slurper_tui.monitor.polling.job_tracker import JobTrack

SEARCH_SECONDS = 5.0
"""Seconds between two searches for an ended log to read, if the last one found none."""

SEEK_SECONDS = 30.0
"""Seconds after which the logs to read are sought again, because newer jobs may have ended."""

MOST_FAILURES = 3
"""Consecutive transient errors after which a log is left for later."""

FIRST_RETRY, LONGEST_RETRY = 600.0, 6 * 3600.0
"""Seconds until a log that could not be read is tried again; doubled after each failure."""

MOST_REMEMBERED = 5_000
"""Rows of a log that are remembered while it is read, at least; ended logs hardly shift."""


class EndedLogs:
    """Reads the logs of ended jobs, one after the other.

    Jobs whose verdict depends on the log come first, then the newest.
    """

    def __init__(
        self,
        metered: Metered,
        job_store: JobStore,
        notes: HistoryNotes,
        rng: random.Random | None = None,
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._notes = notes
        self._rng = rng or random.Random()
        self._sizes = PageSizes()
        self._queue: list[JobTrack] = []
        self._sought_at = -math.inf
        self._failures: dict[JobKey, int] = {}
        self._retry_at: dict[JobKey, float] = {}

    async def run(self) -> None:
        """Read every log that is due, without end."""
        while True:
            track = self._next()
            if track is None:
                await asyncio.sleep(SEARCH_SECONDS)
            elif not await self._read(track.key):
                failures = self._failures[track.key] = self._failures.get(track.key, 0) + 1
                wait = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** (failures - 1))
                self._retry_at[track.key] = self._metered.now().mono + wait
                self._job_store.wake()

    def has_failed(self, key: JobKey) -> bool:
        """Return whether the last attempt to read a log has failed."""
        return key in self._retry_at

    def _next(self) -> JobTrack | None:
        """Return the job whose log is to be read next; None if none is due."""
        now = self._metered.now()
        if not self._queue or now.mono >= self._sought_at + SEEK_SECONDS:
            self._sought_at = now.mono
            due = (
                track
                for account in self._job_store.accounts
                if account.problem is None and account.listing.settled
                for track in account.jobs.values()
                if track.needs_log(now.wall) and self._retry_at.get(track.key, 0.0) <= now.mono
            )
            self._queue = sorted(
                due,
                key=lambda t: (t.view.state is not State.COMPLETED_UNREAD, default_order(t.view)),
                reverse=True,
            )
        while self._queue:
            track = self._queue.pop()
            if track.needs_log(now.wall):  # the user may have read it meanwhile
                return track
        return None

    async def _read(self, key: JobKey) -> bool:
        """Read a log, and keep its row counts; return False if it could not be read to its end."""
        paging, rows = Paging(most=MOST_REMEMBERED), RowCounts()
        fetcher = LogFetcher(self._metered, key, self._rng, self._sizes, idle=True)
        async with aclosing(fetcher.steps(paging)) as steps:
            async for step in steps:
                rows.add(step.found.older)
                rows.add(step.found.newer)
                if step.final or step.failures >= MOST_FAILURES:
                    return False
                if step.problem is not None:
                    await self._account_answers(key.account_id)
        counts = rows.counts(self._metered.now().wall, whole=paging.whole)
        if counts.whole:
            self._retry_at.pop(key, None)
            self._job_store.set_log_counts(key, counts)
            self._notes.keep_counts(key, counts)
        return counts.whole

    async def _account_answers(self, account_id: str) -> None:
        """Wait until polls of an account succeed; they alone find out when it answers again."""
        [account] = [a for a in self._job_store.accounts if a.account_id == account_id]
        while True:
            await asyncio.sleep(SEARCH_SECONDS)
            if account.problem is None and not account.misses:
                return


LOOK_SECONDS = 2.0
"""Seconds between two searches for a log to read: a cursor that moves on causes few requests."""

REFRESH_SECONDS = 60.0
"""Seconds until the log of a live job is read again."""

RETRY_SECONDS = 600.0
"""Seconds until a log that could not be read is tried again."""

MOST_JOBS = 12
"""Logs of one migration that are read, at most."""

MOST_PAGES = 20
"""Pages of one log that are requested, at most: the end of a log sorted oldest first is sought."""


class NewestRows:
    """Reads the newest rows of some logs.

    looked_at: returns the highlighted job, or those of the highlighted migration.
    """

    def __init__(
        self,
        metered: Metered,
        job_store: JobStore,
        looked_at: Callable[[], Sequence[JobKey]],
        rng: random.Random | None = None,
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._looked_at = looked_at
        self._rng = rng or random.Random()
        self._sizes = PageSizes()
        self._order: Order | None = None
        self._again_at: dict[JobKey, float] = {}

    async def run(self) -> None:
        """Read every log that is due, without end."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (view := self._next()) is not None:
                now = self._metered.now().mono
                read = await self._read(view.key)
                wait = (REFRESH_SECONDS if view.live else math.inf) if read else RETRY_SECONDS
                self._again_at[view.key] = now + wait

    def _next(self) -> JobView | None:
        """Return the job whose log is to be read next; None if none is due."""
        now = self._metered.now().mono
        due = (view for view in self._wanted() if self._again_at.get(view.key, now) <= now)
        return next(due, None)

    def _wanted(self) -> Iterator[JobView]:
        """Yield the jobs that are looked at, then those that are failing; none if nobody looks.

        Of a migration, the failing jobs come first and ended ones last.
        """
        healthy = [account for account in self._job_store.accounts if account.problem is None]
        known = {track.key: track.view for account in healthy for track in account.jobs.values()}
        looked_at = [known[key] for key in self._looked_at() if key in known]
        if not looked_at:
            return
        looked_at = [view for view in looked_at if not (view.gone or view.from_history)]
        by_urgency = sorted(
            looked_at, key=lambda view: (view.state is not State.FAILING, default_order(view))
        )
        yield from by_urgency[:MOST_JOBS]
        for view in known.values():
            if view.state is State.FAILING and not view.newest_reasons:
                yield view

    async def _read(self, key: JobKey) -> bool:
        """Read the newest rows of a log; return whether they were found."""
        paging = Paging(self._order)
        fetcher = LogFetcher(self._metered, key, self._rng, self._sizes, self._job_store, idle=True)
        pages = 0
        async with aclosing(fetcher.steps(paging)) as steps:
            async for step in steps:
                if step.waiting:
                    continue
                pages += 1
                if step.found.older or step.found.newer:
                    break
                if step.problem is not None or pages == MOST_PAGES:
                    return False
        self._order = paging.order or self._order
        return True
