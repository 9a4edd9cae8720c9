"""Reads logs: as a view to show and follow, as a stream of rows, or for failures.

`LogReader` serves all jobs. `ShownLog` keeps the newest rows and the row counts of a log on
screen. `ReversedRows` stores rows that are read newest first and returns them oldest first.
"""

from __future__ import annotations

import asyncio
import itertools
import marshal
import random
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.failures import FailingObjects
from slurper_tui.monitor.logs.fetch import MOST_FAILURES, FetchStep, LogFetcher, PageSizes
from slurper_tui.monitor.logs.paging import Found, Paging
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogCounts, LogView, RowCounts

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import HistoryNotes
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore

_CHUNK = 1000
"""Rows per compressed chunk; similar rows take about 20 bytes each."""


class ReversedRows:
    """Stores the rows of a log that is read newest first, and returns them oldest first, once.

    The older rows are stored compressed.
    """

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._rows: list[LogRow] = []
        self._newer: list[LogRow] = []

    def add(self, found: Found) -> None:
        """Add new rows."""
        self._newer += reversed(found.newer)
        self._rows += found.older
        if len(self._rows) >= _CHUNK:
            # Not JSON: it would join two adjacent lone surrogates into one character.
            chunk = marshal.dumps([msgspec.structs.astuple(row) for row in self._rows])
            self._chunks.append(zlib.compress(chunk, level=1))
            self._rows = []

    def take(self) -> Iterator[LogRow]:
        """Yield and remove every row, oldest first; call it once the oldest row has been added."""
        while self._rows or self._chunks:
            yield from reversed(self._rows)
            chunk = zlib.decompress(self._chunks.pop()) if self._chunks else marshal.dumps([])
            self._rows = [LogRow(*values) for values in marshal.loads(chunk)]
        newer, self._newer = self._newer, []
        yield from newer


MOST_ROWS = 5_000
"""Newest rows of a shown log that are kept in memory."""


class ShownLog:
    """Collects the newest rows and the row counts of a log into the view that is shown."""

    def __init__(self, key: JobKey) -> None:
        self._key = key
        self._rows: deque[LogRow] = deque()
        self._shown: tuple[LogRow, ...] = ()
        self.counts = RowCounts()
        self._problem: ApiError | None = None
        self._waiting = False

    def take(self, step: FetchStep) -> bool:
        """Process a step; return whether it has new rows."""
        if not step.waiting:
            self._problem = step.problem
        self._waiting = step.waiting
        older, newer = step.found
        self.counts.add(older)
        self.counts.add(newer)
        room = MOST_ROWS - len(self._rows)
        self._rows.extend(older[: max(0, room)])
        self._rows.extendleft(reversed(newer))
        while len(self._rows) > MOST_ROWS:
            self._rows.pop()
        if newer or (older and room > 0):
            self._shown = tuple(self._rows)
        return bool(older or newer)

    def view(self, *, whole: bool) -> LogView:
        """Return the current view. whole: the log was read to its oldest row without a gap."""
        return LogView(
            self._key, self._shown, self.counts.rows, whole, self._problem, self._waiting
        )


REFRESH_SECONDS = 5.0
"""Minimum seconds between two refreshes for new rows."""

ENDED_SECONDS = 60.0
"""Seconds between two refreshes of an ended job's log if the last one found nothing."""

_MOST_READINGS = 4
"""Maximum readings of a log whose rows may be incomplete."""


class LogReader:
    """Reads the logs of all jobs.

    notes: store the row counts. interval: returns the seconds between two rounds of polls; logs are
    not read more often than that.
    """

    def __init__(
        self,
        metered: Metered,
        job_store: JobStore,
        notes: HistoryNotes,
        *,
        interval: Callable[[], float] = lambda: REFRESH_SECONDS,
        rng: random.Random | None = None,
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._notes = notes
        self._interval = interval
        self._rng = rng or random.Random()
        self._sizes = PageSizes()

    async def follow(self, key: JobKey) -> AsyncGenerator[LogView, None]:
        """Yield the log after every page, then whenever there are new rows.

        Ends only with a view that has a permanent error. The log is read again from the start if
        it turns out to be sorted the other way, or if rows arrived too fast to be read without a
        gap.
        """
        order, view = None, LogView(key)
        for reading in itertools.count(1):
            paging = Paging(order)
            async with aclosing(self._shown(key, paging, reading)) as views:
                async for view in views:
                    yield view
            if view.problem is not None:
                return
            order = paging.order

    async def _shown(
        self, key: JobKey, paging: Paging, reading: int
    ) -> AsyncGenerator[LogView, None]:
        """Yield the views of one reading until another one is necessary.

        A second reading yields nothing before it has read the whole log, so that the view of the
        first one stays on screen.
        """
        log, last = ShownLog(key), LogView(key)
        async with aclosing(self._followed(key, paging)) as steps:
            async for step in steps:
                has_new_rows = log.take(step)
                view = log.view(whole=paging.whole)
                if paging.whole and (has_new_rows or not last.whole):
                    self._keep(key, log.counts.counts(self._metered.now().wall, whole=True))
                if view != last and (paging.read or reading == 1 or step.final):
                    yield view
                last = view
                idle = paging.read and step == FetchStep()
                if paging.reversed_order or (paging.gap and idle and reading < _MOST_READINGS):
                    return

    async def rows(
        self,
        key: JobKey,
        *,
        follow: bool = False,
        on_progress: Callable[[LogView], object] = lambda view: None,
    ) -> AsyncGenerator[LogRow, None]:
        """Yield every row once: newest first, or, when following, oldest first and without end.

        on_progress: called after every step with a view without rows. Raises ApiError for a
        permanent error, and, unless following, after `MOST_FAILURES` consecutive transient errors.
        """
        paging, stored, read = Paging(), ReversedRows(), 0
        once = self._fetcher(key).steps(paging)
        async with aclosing(self._followed(key, paging) if follow else once) as steps:
            async for step in steps:
                read += len(step.found.older) + len(step.found.newer)
                on_progress(LogView(key, (), read, paging.whole, step.problem, step.waiting))
                gives_up = step.failures >= MOST_FAILURES and not follow
                if step.problem is not None and (step.final or gives_up):
                    raise step.problem
                rows: Iterable[LogRow] = step.found.older
                if follow:
                    stored.add(step.found)
                    rows = stored.take() if paging.read else ()
                for row in rows:
                    yield row

    def failures(self, key: JobKey) -> FailingObjects:
        """Return a reader of the failed and uncopied objects in a job's log."""
        return FailingObjects(
            key, self._fetcher(key), self._job_store, self._metered.now, partial(self._keep, key)
        )

    async def _followed(self, key: JobKey, paging: Paging) -> AsyncGenerator[FetchStep, None]:
        """Read to the end, refreshing for new rows meanwhile and afterwards without end."""
        refreshed = self._metered.now().mono
        found_rows = False
        while True:
            async with aclosing(self._fetcher(key).steps(paging)) as steps:
                async for step in steps:
                    found_rows = found_rows or step.found != ((), ())
                    yield step
                    if step.final:
                        return
                    if self._metered.now().mono >= refreshed + self._pause(key, found_rows=True):
                        refreshed = self._metered.now().mono
                        paging.refresh()
            wait = refreshed + self._pause(key, found_rows=found_rows) - self._metered.now().mono
            await asyncio.sleep(max(0.0, wait))
            refreshed, found_rows = self._metered.now().mono, False
            paging.refresh()

    def _pause(self, key: JobKey, *, found_rows: bool) -> float:
        """Return the seconds between two refreshes. found_rows: the last refresh found rows."""
        view = self._job_store.view(key)
        if view is not None and not view.live and not found_rows:
            return ENDED_SECONDS
        return max(REFRESH_SECONDS, self._interval())

    def _fetcher(self, key: JobKey) -> LogFetcher:
        return LogFetcher(self._metered, key, self._rng, self._sizes)

    def _keep(self, key: JobKey, counts: LogCounts) -> None:
        """Pass the log's row counts to the job and to the history."""
        self._job_store.set_log_counts(key, counts)
        self._notes.keep_counts(key, counts)
