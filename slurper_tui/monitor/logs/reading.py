"""Reads logs: to be shown and followed, told row by row, or searched for what failed."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.desk import Roster
from slurper_tui.monitor.logs.failing import FailingObjects
from slurper_tui.monitor.logs.packed import Story
from slurper_tui.monitor.logs.paging import Paging
from slurper_tui.monitor.logs.shown import ShownLog
from slurper_tui.monitor.logs.turns import LASTING, Asking, PageSizes, Turn
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogCounts, LogView
from slurper_tui.monitor.model.samples import Notebook
from slurper_tui.monitor.polling.budgeted_client import Metered

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
        roster: Roster,
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
