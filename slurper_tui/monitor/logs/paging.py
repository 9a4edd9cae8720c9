"""Which page of a log to ask for next, and what is new on it: no requests, no clock.

First the scout sees how the API sorts. Then the walk goes from the newest row to the oldest.
Whenever somebody wants, a look finds the rows that have come since. A row counts once, by
`identity`: of rows that agree in all of it, on one page or on several, the first is told.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurper_tui.api.models import PAGE_SIZE, LogRow
from slurper_tui.monitor.logs.look import EndLook, TopLook
from slurper_tui.monitor.logs.order import Order, order_of
from slurper_tui.monitor.logs.page import Errand, Found, PageAsk
from slurper_tui.monitor.logs.places import Places
from slurper_tui.monitor.logs.scout import EndSearch, Scout
from slurper_tui.monitor.logs.walk import Walk

_FRONT = 10_000
"""So many of the newest rows are known for certain, however long the walk has become."""


class Paging:
    """One reading of one log. order: where it is known.

    turned: newer rows came where only a log that is sorted oldest first gets them, after it had
    been read as one that is not. torn: rows may be missing.
    """

    def __init__(self, order: Order | None = None) -> None:
        self.order: Order | None = order
        self.turned = False
        self.torn = False
        self._scout: Scout | None = Scout(order)
        self._search: EndSearch | None = None
        self._walk = Walk()
        self._look: TopLook | EndLook | None = None
        self._front = Places(_FRONT)
        self._end = 0
        self._other_end = False

    @property
    def ask(self) -> PageAsk | None:
        """The page that is wanted next; None when there is nothing to be read just now."""
        errand = self._errand
        return None if errand.over else errand.ask

    @property
    def read(self) -> bool:
        """The oldest row was read."""
        return self._scout is None and self._search is None and self._walk.over

    @property
    def whole(self) -> bool:
        """It was read to the end, and nothing is missing."""
        return self.read and not self.torn

    @property
    def _errand(self) -> Errand:
        return self._look or self._scout or self._search or self._walk

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Take in the page that was asked for."""
        errand = self._errand
        asked = errand.ask
        found = errand.take(rows)
        if errand is self._walk:
            self._note_end(asked.offset + len(rows))
            found = Found(tuple(row for row in found.older if row not in self._front))
        elif errand is self._look:
            found = self._looked(self._look, found)
        elif errand.over:
            found = self._set_out()
        self.torn = self.torn or errand.torn
        self._know(found)
        return found

    def needs_rest(self, rows: Sequence[LogRow]) -> bool:
        """Whether rows that may follow a short page are wanted now.

        A look that has met known rows needs no more; one at the end goes on there the next time.
        """
        if isinstance(self._look, EndLook):
            return False
        return self._look is None or not any(self._knows(row) for row in rows)

    def look(self) -> None:
        """Look for newer rows before anything else is read."""
        begun = self._walk.over or self._walk.known.count  # what a look is to meet is known
        if self._look or self._scout or self._search or not begun:
            return
        at_end = self.order is Order.OLDEST_FIRST
        if self.order is None and self._end >= PAGE_SIZE:
            # Nothing has told yet at which end they come.
            at_end, self._other_end = self._other_end, not self._other_end
        self._look = EndLook(self._knows, self._end) if at_end else TopLook(self._knows)

    def _set_out(self) -> Found:
        """Begin the walk, as soon as it is clear where."""
        scout, search = self._scout, self._search
        if scout is not None:
            self._scout, self.order = None, scout.order
            self._end = scout.pages[-1][0] + len(scout.pages[-1][1])
            if self.order is not Order.OLDEST_FIRST:
                return self._walked(scout)
            if len(scout.pages) == 1 and self._end < PAGE_SIZE:
                self._walk = Walk(self._end)
                return self._walk.take(scout.pages[0][1])
            self._search = EndSearch(self._end)
        elif search is not None:
            self._search, self._end = None, search.end
            self._walk = Walk(search.end)
        return Found()

    def _walked(self, scout: Scout) -> Found:
        """Begin with the pages that the scout has read."""
        older: tuple[LogRow, ...] = ()
        for self._walk.depth, rows in scout.pages:
            older += self._walk.take(rows).older
        return Found(older)

    def _looked(self, look: TopLook | EndLook, found: Found) -> Found:
        """Learn from a look how the log is sorted, if that was not known."""
        if found.newer and self.order is None:
            self.order = self._told_by(look)
            self.turned = self.order is Order.OLDEST_FIRST
            if self.turned and isinstance(look, TopLook):
                self._end = len(look.page)
                found = Found(newer=found.newer[::-1])
        if isinstance(look, EndLook):
            self._end = look.end
        self._look = None if look.over else look
        return found

    def _told_by(self, look: TopLook | EndLook) -> Order | None:
        """The order, from the end at which rows came, or their times."""
        if isinstance(look, EndLook):
            return Order.OLDEST_FIRST
        known = [self._knows(row) for row in look.page]
        if not any(known) or all(known):
            return order_of(look.page)
        return Order.NEWEST_FIRST if not known[0] else Order.OLDEST_FIRST

    def _note_end(self, end: int) -> None:
        """Where nothing tells the order, rows may come behind the last one."""
        if self.order is not Order.OLDEST_FIRST:
            self._end = end

    def _knows(self, row: LogRow) -> bool:
        return row in self._walk.known or row in self._front

    def _know(self, found: Found) -> None:
        newest = found.newer or (() if self._front.count else found.older)
        for row in reversed(newest):
            self._front.add(row)
