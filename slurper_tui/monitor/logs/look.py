"""A look for rows that have come since the newest known one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slurper_tui.api.models import PAGE_SIZE, LogRow
from slurper_tui.monitor.logs.page import OVERLAP, Found, PageAsk
from slurper_tui.monitor.logs.places import Places

MOST_PAGES = 400
"""One look reads no more: whatever comes faster than that cannot be read without a gap."""

Known = Callable[[LogRow], bool]


class TopLook:
    """Where the newest row stands first: down to the first known one.

    torn: there was none, or rows came so fast that not even the pages overlap.
    """

    def __init__(self, known: Known) -> None:
        self.over = False
        self.torn = False
        self.ask = PageAsk(0)
        self.page: Sequence[LogRow] = ()
        self._known = known
        self._own = Places()
        self._rows: list[LogRow] = []
        self._pages = 0

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Take in a page; what is new is found when it is known to be all."""
        self.page = rows
        self._pages += 1
        met = any(self._known(row) for row in rows)
        overlaps = self._pages == 1 or any(row in self._own for row in rows)
        fresh = [row for row in rows if not self._known(row) and self._own.add(row)]
        # What neither overlaps nor is known has come since this look began.
        self._rows = [*self._rows, *fresh] if overlaps or met else [*fresh, *self._rows]
        arrived = met or len(rows) < PAGE_SIZE
        self.torn = not arrived and (not overlaps or self._pages >= MOST_PAGES)
        self.over = arrived or self.torn
        self.ask = PageAsk(self.ask.offset + PAGE_SIZE - OVERLAP)
        return Found(newer=tuple(self._rows)) if self.over else Found()


class EndLook:
    """Where the newest row stands last: on from the end, which is at `end`, to the new one."""

    torn = False

    def __init__(self, known: Known, end: int) -> None:
        self.over = False
        self.end = end
        self.ask = PageAsk(max(0, end - OVERLAP))
        self.page: Sequence[LogRow] = ()
        self._known = known
        self._back = 0

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Take in a page; one without a known row is behind the end of a log that has shrunk."""
        self.page = rows
        if self.ask.offset > 0 and not any(self._known(row) for row in rows):
            self._back = self._back * 2 or PAGE_SIZE - OVERLAP
            self.ask = PageAsk(max(0, self.ask.offset - self._back))
            return Found()
        own = Places()
        fresh = [row for row in rows if not self._known(row) and own.add(row)]
        self.end = self.ask.offset + len(rows)
        self.over = len(rows) < PAGE_SIZE or not (fresh or self._back)
        self.ask = PageAsk(max(0, self.end - OVERLAP))
        return Found(newer=tuple(reversed(fresh)))
