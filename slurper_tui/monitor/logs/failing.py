"""A log being read for what failed and what was not copied."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing

from slurper_tui.api.models import is_exact
from slurper_tui.monitor.desk import Roster
from slurper_tui.monitor.logs.grouping import Reasons
from slurper_tui.monitor.logs.paging import Paging
from slurper_tui.monitor.logs.turns import Asking, Turn
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import FailuresView, LogCounts, RowCounts

LOOK_PAGES = 50
"""Pages after which it is looked what has come since a long log began to be read."""


class FailingObjects:
    """Reads a log once, to its end, and then what has come meanwhile.

    keep: called with what the log holds, when it is known to be all.
    """

    def __init__(
        self,
        key: JobKey,
        asking: Asking,
        roster: Roster,
        now: Callable[[], Moment],
        keep: Callable[[LogCounts], None],
    ) -> None:
        self._key = key
        self._asking = asking
        self._roster = roster
        self._now = now
        self._keep = keep
        self._paging = Paging()
        self._rows = RowCounts()
        self._reasons = Reasons()

    async def views(self) -> AsyncGenerator[FailuresView, None]:
        """Yield what is known after every page; ends when the log was read to its end.

        A passing fault is told and asked about again; one that does not pass stands in the last
        view.
        """
        async with aclosing(self._turns()) as turns:
            async for turn in turns:
                yield self._taken(turn)
                if turn.final:
                    return
        counts = self._rows.counts(self._now().wall, whole=self._paging.whole)
        if counts.whole:
            self._keep(counts)
        yield self._view(Turn(), counts)

    def keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """The exact keys of the rows of these types, each once, in the order of the log."""
        return tuple(filter(is_exact, self._reasons.keys(log_types)))

    def inexact_keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """The keys that are left out of `keys`: the API sent bytes in them that are not UTF-8."""
        return tuple(key for key in self._reasons.keys(log_types) if not is_exact(key))

    async def _turns(self) -> AsyncGenerator[Turn, None]:
        """Read to the end, and what has come meanwhile: at the end, and now and then before it."""
        pages = itertools.count(1)
        for last in (False, True):
            if last:
                self._paging.look()
            async with aclosing(self._asking.turns(self._paging)) as turns:
                async for turn in turns:
                    yield turn
                    if not last and next(pages) % LOOK_PAGES == 0:
                        self._paging.look()

    def _taken(self, turn: Turn) -> FailuresView:
        for rows in turn.found:
            self._rows.add(rows)
            self._reasons.add(rows)
        return self._view(turn, self._rows.counts(self._now().wall, whole=False))

    def _view(self, turn: Turn, counts: LogCounts) -> FailuresView:
        view = self._roster.view(self._key)
        told = Counts() if view is None else view.counts
        return FailuresView(
            key=self._key,
            groups=self._reasons.groups(),
            counts=counts,
            failed_objects=told.failed,
            skipped_objects=told.skipped,
            rows_read=self._rows.rows,
            problem=turn.problem,
            waiting=turn.waiting,
        )
