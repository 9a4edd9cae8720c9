"""From the newest row of a log to its oldest, page by page, without a gap.

Places are counted from the newest row, whichever way the API sorts. Rows that come meanwhile move
the others away from an offset 0 that is the newest, rows that are forgotten move them towards one
that is the oldest. So each page is placed by the known rows on it, and one on which none is known
is only a sign of how far they have moved.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurper_tui import format as fmt
from slurper_tui.api.models import PAGE_SIZE, LogRow
from slurper_tui.monitor.logs.page import OVERLAP, Found, PageAsk
from slurper_tui.monitor.logs.places import Places

PATIENCE = 16
"""Pages without a known row after which one is taken as it is: this log does not hold still."""

MOST_IDLE = 100
"""Pages on end without a new row after which there is no use in others."""


class Walk:
    """Reads towards the oldest row. size: of a log that is sorted oldest first, None otherwise.

    over: the oldest row was read. torn: rows may be missing in between.
    """

    def __init__(self, size: int | None = None) -> None:
        self.known = Places()
        self.over = False
        self.torn = False
        self.depth = 0
        self._size = size
        self._oldest_at: float | None = None
        self._astray = 0
        self._idle = 0
        self._step = 0

    @property
    def ask(self) -> PageAsk:
        """The page that goes on from the oldest known row, and overlaps with it."""
        if self._size is None:
            return PageAsk(self.depth)
        limit = max(1, min(PAGE_SIZE, self._size - self.depth))
        return PageAsk(max(0, self._size - self.depth - limit), limit)

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Take in a page; what is new on it follows on what is known."""
        asked = self.ask
        newest_first = rows if self._size is None else rows[::-1]
        goes_on = not self.known.count or any(row in self.known for row in newest_first)
        if not goes_on and self._may_search(newest_first):
            return Found()
        fresh = tuple(row for row in newest_first if self.known.add(row))
        if fresh:
            self._astray, self._step = (0 if goes_on else self._astray), 0
            self._oldest_at = fmt.parse_time(fresh[-1].created_at) or self._oldest_at
        self._idle = 0 if fresh else self._idle + 1
        at_end = asked.offset == 0 if self._size is not None else len(rows) < asked.limit
        self.over = at_end or self._idle >= MOST_IDLE
        self.torn = self.torn or not goes_on or (self.over and not at_end)
        self._advance(newest_first, anything_new=bool(fresh))
        return Found(older=fresh)

    def _advance(self, rows: Sequence[LogRow], *, anything_new: bool) -> None:
        """Go to where, seen from the known row that is nearest to it, the oldest one stands."""
        places = [self.known.place(row) for row in rows]
        places_on_page = [(place, index) for index, place in enumerate(places) if place is not None]
        before = self.depth
        if places_on_page:
            place, index = max(places_on_page)
            self.depth += index + (self.known.count - 1 - place) + 1 - OVERLAP
        if not anything_new:
            self.depth = max(self.depth, before + max(1, len(rows) - OVERLAP))
        self.depth = max(0, self.depth)

    def _may_search(self, rows: Sequence[LogRow]) -> bool:
        """Step towards the known rows, twice as far every time, half as far after a turn.

        False where that leads nowhere.
        """
        forward = self._is_too_new(rows)
        if self._astray >= PATIENCE or (self.depth == 0 and not forward):
            return False
        self._astray += 1
        turned = self._step != 0 and forward != (self._step > 0)
        size = abs(self._step) // 2 if turned else abs(self._step) * 2
        size = max(size, PAGE_SIZE - OVERLAP if not self._step else 1)
        self._step = size if forward else -size
        self.depth = max(0, self.depth + self._step)
        return True

    def _is_too_new(self, rows: Sequence[LogRow]) -> bool:
        """Whether the known rows are further on than this page; where nothing tells, they are not.

        Nothing at all stands behind the oldest row, and, of a log that became shorter, behind the
        newest.
        """
        if not rows:
            return self._size is not None
        at = next((t for row in rows if (t := fmt.parse_time(row.created_at)) is not None), None)
        return at is not None and self._oldest_at is not None and at > self._oldest_at
