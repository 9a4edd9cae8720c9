"""Reads logs: as a view to show and follow, as a stream of rows, or for failures.

`LogReader` serves all jobs. `ShownLog` keeps the newest rows and the row counts of a log on
screen. `Story` yields a log oldest first although it is read newest first; it stores the rows
compressed (`Packed`) until the oldest one has been read.
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
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.failures import FailingObjects
from slurper_tui.monitor.logs.fetch import LASTING, Asking, PageSizes, Turn
from slurper_tui.monitor.logs.paging import Found, Paging
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogCounts, LogView, RowCounts
from slurper_tui.monitor.polling.budget import Metered
from slurper_tui.monitor.polling.job_store import JobStore

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import HistoryNotes

_CHUNK = 1000
"""Rows per compressed chunk; similar rows take about 20 bytes each."""


class Packed:
    """Stores rows compressed; they are added newest first and returned oldest first, once."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._rows: list[LogRow] = []

    def add(self, rows: Iterable[LogRow]) -> None:
        """Add rows that are older than all rows added before."""
        self._rows += rows
        if len(self._rows) >= _CHUNK:
            self._chunks.append(zlib.compress(_encode(self._rows), level=1))
            self._rows = []

    def oldest_first(self) -> Iterator[LogRow]:
        """Yield and remove every row."""
        while self._rows or self._chunks:
            yield from reversed(self._rows)
            self._rows = _decode(zlib.decompress(self._chunks.pop())) if self._chunks else []


class Story:
    """Yields a log's rows oldest first; call `told` once the oldest row has been read."""

    def __init__(self) -> None:
        self._older = Packed()
        self._newer: list[LogRow] = []

    def add(self, found: Found) -> None:
        """Add new rows."""
        self._older.add(found.older)
        self._newer += reversed(found.newer)

    def told(self) -> Iterator[LogRow]:
        """Yield the rows that have not been yielded before, oldest first."""
        yield from self._older.oldest_first()
        newer, self._newer = self._newer, []
        yield from newer


def _encode(rows: list[LogRow]) -> bytes:
    # Not JSON: it would join two adjacent lone surrogates into one character.
    return marshal.dumps([msgspec.structs.astuple(row) for row in rows])


def _decode(data: bytes) -> list[LogRow]:
    return [LogRow(*values) for values in marshal.loads(data)]


MOST_ROWS = 5_000
"""Newest rows of a shown log that are kept in memory."""


class ShownLog:
    """Collects turns of a log into the view that is shown."""

    def __init__(self, key: JobKey) -> None:
        self._key = key
        self._rows: deque[LogRow] = deque()
        self._told: tuple[LogRow, ...] = ()
        self._counts = RowCounts()
        self._problem: ApiError | None = None
        self._waiting = False

    def take(self, turn: Turn) -> bool:
        """Process a turn; return whether it has new rows."""
        if not turn.waiting:
            self._problem = turn.problem
        self._waiting = turn.waiting
        older, newer = turn.found
        self._counts.add(older)
        self._counts.add(newer)
        room = MOST_ROWS - len(self._rows)
        self._rows.extend(older[: max(0, room)])
        self._rows.extendleft(reversed(newer))
        while len(self._rows) > MOST_ROWS:
            self._rows.pop()
        if newer or (older and room > 0):
            self._told = tuple(self._rows)
        return bool(older or newer)

    def view(self, *, whole: bool) -> LogView:
        """Return the current view. whole: the log was read to its oldest row without a gap."""
        return LogView(
            self._key, self._told, self._counts.rows, whole, self._problem, self._waiting
        )

    def counts(self, read_at: float) -> LogCounts:
        """Return the row counts of a log that was read to its end. read_at: UTC seconds."""
        return self._counts.counts(read_at, whole=True)


LOOK_SECONDS = 5.0
"""Minimum seconds between two looks for new rows."""

STILL_SECONDS = 60.0
"""Seconds between two looks at an ended job's log if the last look found nothing."""

_MOST_READINGS = 4
"""Maximum readings of a log whose rows may be incomplete."""


def _unheard(view: LogView) -> None:
    """Ignore a view; the default of `told`."""


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
        interval: Callable[[], float] = lambda: LOOK_SECONDS,
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
        async with aclosing(self._followed(key, paging)) as turns:
            async for turn in turns:
                came = log.take(turn)
                view = log.view(whole=paging.whole)
                if paging.whole and (came or not last.whole):
                    self._keep(key, log.counts(self._metered.now().wall))
                if view != last and (paging.read or reading == 1 or turn.final):
                    yield view
                last = view
                stands_still = paging.read and turn == Turn()
                if paging.turned or (paging.torn and stands_still and reading < _MOST_READINGS):
                    return

    async def rows(
        self, key: JobKey, *, follow: bool = False, told: Callable[[LogView], None] = _unheard
    ) -> AsyncGenerator[LogRow, None]:
        """Yield every row once: newest first, or, when following, oldest first and without end.

        told: called for every turn with a view without rows. Raises ApiError for a permanent
        error, and, unless following, after `LASTING` consecutive transient errors.
        """
        paging, story, read = Paging(), Story(), 0
        asking = self._asking(key).turns(paging)
        async with aclosing(self._followed(key, paging) if follow else asking) as turns:
            async for turn in turns:
                read += len(turn.found.older) + len(turn.found.newer)
                told(LogView(key, (), read, paging.whole, turn.problem, turn.waiting))
                lasts = turn.failures >= LASTING and not follow
                if turn.problem is not None and (turn.final or lasts):
                    raise turn.problem
                rows: Iterable[LogRow] = turn.found.older
                if follow:
                    story.add(turn.found)
                    rows = story.told() if paging.read else ()
                for row in rows:
                    yield row

    def failures(self, key: JobKey) -> FailingObjects:
        """Return a reader of the failed and uncopied objects in a job's log."""
        return FailingObjects(
            key, self._asking(key), self._job_store, self._metered.now, lambda c: self._keep(key, c)
        )

    async def _followed(self, key: JobKey, paging: Paging) -> AsyncGenerator[Turn, None]:
        """Read to the end, looking for new rows meanwhile and afterwards without end."""
        looked = self._metered.now().mono
        came = False
        while True:
            async with aclosing(self._asking(key).turns(paging)) as turns:
                async for turn in turns:
                    came = came or turn.found != ((), ())
                    yield turn
                    if turn.final:
                        return
                    if self._metered.now().mono >= looked + self._pause(key, came=True):
                        looked = self._metered.now().mono
                        paging.look()
            wait = looked + self._pause(key, came=came) - self._metered.now().mono
            await asyncio.sleep(max(0.0, wait))
            looked, came = self._metered.now().mono, False
            paging.look()

    def _pause(self, key: JobKey, *, came: bool) -> float:
        """Return the seconds between two looks. came: the last look found rows."""
        view = self._job_store.view(key)
        if view is not None and not view.live and not came:
            return STILL_SECONDS
        return max(LOOK_SECONDS, self._interval())

    def _asking(self, key: JobKey) -> Asking:
        return Asking(self._metered, key, self._rng, self._sizes)

    def _keep(self, key: JobKey, counts: LogCounts) -> None:
        """Pass the log's row counts to the job and to the history."""
        self._job_store.set_log_counts(key, counts)
        self._notes.keep_counts(key, counts)
