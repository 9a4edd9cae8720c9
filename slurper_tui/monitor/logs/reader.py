"""Reads logs: to be shown and followed, told row by row, or searched for what failed.

Many rows in little room, for a log that is read from its newest row and told from its oldest.

What is shown of a log that is being read: its newest rows, and how many there were.
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

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.failures import FailingObjects
from slurper_tui.monitor.logs.fetch import LASTING, Asking, PageSizes, Turn
from slurper_tui.monitor.logs.paging import Found, Paging
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogCounts, LogView, RowCounts
from slurper_tui.monitor.model.samples import Notebook
from slurper_tui.monitor.polling.budgeted_client import Metered
from slurper_tui.monitor.polling.job_store import FollowedJobs

_CHUNK = 1000
"""Rows that are packed together: some 20 bytes each where they are much alike."""


class Packed:
    """Rows are added newest first, and given back oldest first, once."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._rows: list[LogRow] = []

    def add(self, rows: Iterable[LogRow]) -> None:
        """Take in rows that are older than all before."""
        self._rows += rows
        if len(self._rows) >= _CHUNK:
            self._chunks.append(zlib.compress(_encode(self._rows), level=1))
            self._rows = []

    def oldest_first(self) -> Iterator[LogRow]:
        """Give every row, and keep none."""
        while self._rows or self._chunks:
            yield from reversed(self._rows)
            self._rows = _decode(zlib.decompress(self._chunks.pop())) if self._chunks else []


class Story:
    """A log in the order of time, which nobody can tell before its oldest row was read."""

    def __init__(self) -> None:
        self._older = Packed()
        self._newer: list[LogRow] = []

    def add(self, found: Found) -> None:
        """Take in what was found."""
        self._older.add(found.older)
        self._newer += reversed(found.newer)

    def told(self) -> Iterator[LogRow]:
        """Give all that was not given before, the oldest first."""
        yield from self._older.oldest_first()
        newer, self._newer = self._newer, []
        yield from newer


def _encode(rows: list[LogRow]) -> bytes:
    # JSON would join half surrogate pairs that stand beside each other.
    return marshal.dumps([msgspec.structs.astuple(row) for row in rows])


def _decode(data: bytes) -> list[LogRow]:
    return [LogRow(*values) for values in marshal.loads(data)]


MOST_ROWS = 5_000
"""The newest rows that stay in memory."""


class ShownLog:
    """Takes in turns, and gives views."""

    def __init__(self, key: JobKey) -> None:
        self._key = key
        self._rows: deque[LogRow] = deque()
        self._told: tuple[LogRow, ...] = ()
        self._counts = RowCounts()
        self._problem: ApiError | None = None
        self._waiting = False

    def take(self, turn: Turn) -> bool:
        """Take in a turn; whether it brought rows."""
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
        """As it stands now."""
        return LogView(
            self._key, self._told, self._counts.rows, whole, self._problem, self._waiting
        )

    def counts(self, read_at: float) -> LogCounts:
        """What a log that was read to its end holds."""
        return self._counts.counts(read_at, whole=True)


LOOK_SECONDS = 5.0
"""Between two looks for new rows, at least."""

STILL_SECONDS = 60.0
"""Between two looks at the log of an ended job that has brought nothing new."""

_MOST_READINGS = 4
"""How often a log is read anew because rows may be missing."""


def _unheard(view: LogView) -> None:
    """Nobody wants to know how the log stands."""


class LogReader:
    """The logs of all jobs. notebook: where their counts are kept, if anywhere.

    interval: seconds between two rounds of polls; a log is looked at no more often.
    """

    def __init__(
        self,
        metered: Metered,
        roster: FollowedJobs,
        notebook: Notebook | None = None,
        *,
        interval: Callable[[], float] = lambda: LOOK_SECONDS,
        rng: random.Random | None = None,
    ) -> None:
        self._metered = metered
        self._roster = roster
        self._notebook = notebook
        self._interval = interval
        self._rng = rng or random.Random()
        self._sizes = PageSizes()

    async def follow(self, key: JobKey) -> AsyncGenerator[LogView, None]:
        """Yield the log after every page, then whenever rows have come.

        Ends only after a view whose problem does not pass. A log that turns out to be sorted the
        other way, or whose rows came too fast to be read without a gap, is read anew.
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
        """One reading, until there must be another. What was seen stands until that is as far."""
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
        """Yield every row once: newest first; oldest first, and without end, when following.

        told: called after every page, or instead of one, with how the log stands, without rows.
        Raises ApiError for what is not a passing fault, or, unless following, one that lasts.
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
        """Begin to read what failed and what was not copied."""
        return FailingObjects(
            key, self._asking(key), self._roster, self._metered.now, lambda c: self._keep(key, c)
        )

    async def _followed(self, key: JobKey, paging: Paging) -> AsyncGenerator[Turn, None]:
        """Read to the end, and look for new rows meanwhile and then for ever."""
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
        """Seconds between two looks. came: the last one has brought rows."""
        view = self._roster.view(key)
        if view is not None and not view.live and not came:
            return STILL_SECONDS
        return max(LOOK_SECONDS, self._interval())

    def _asking(self, key: JobKey) -> Asking:
        return Asking(self._metered, key, self._rng, self._sizes)

    def _keep(self, key: JobKey, counts: LogCounts) -> None:
        """Let the job and the history know what its log holds."""
        self._roster.counted(key, counts)
        if self._notebook is not None:
            self._notebook.keep_counts(key, counts)
