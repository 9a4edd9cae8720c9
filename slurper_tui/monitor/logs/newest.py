"""Reads the newest log rows of the jobs that the user looks at, and of failing jobs.

`NewestRows` sends only requests that neither the polls nor a reading user needs, one at a time. The
rows go to the jobs (see `JobStore.note_rows`), whose views show them and their reasons.
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

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore

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
        yield from sorted(looked_at, key=_urgency)[:MOST_JOBS]
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


def _urgency(view: JobView) -> tuple[bool, tuple[object, ...]]:
    return view.state is not State.FAILING, default_order(view)
