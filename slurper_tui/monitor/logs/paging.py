"""Which page of a log to ask for next, and what is new on it: no requests, no clock.

First the scout sees how the API sorts. Then the walk goes from the newest row to the oldest.
Whenever somebody wants, a look finds the rows that have come since. A row counts once, by
`identity`: of rows that agree in all of it, on one page or on several, the first is told.

How the API sorts a log, which nothing documents: seen from the times of its rows.

What is asked of a log, and what a page of it brings.

Which rows of a log are known, by what makes a row itself.

A look for rows that have come since the newest known one.

The first pages of a log: which way it is sorted, and where its newest row is.

From the newest row of a log to its oldest, page by page, without a gap.

Places are counted from the newest row, whichever way the API sorts. Rows that come meanwhile move
the others away from an offset 0 that is the newest, rows that are forgotten move them towards one
that is the oldest. So each page is placed by the known rows on it, and one on which none is known
is only a sign of how far they have moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from slurper_tui import format as fmt
from slurper_tui.api.models import PAGE_SIZE, LogRow


class Order(Enum):
    """Which rows stand at offset 0."""

    NEWEST_FIRST = 1
    OLDEST_FIRST = 2


def order_of(rows: Iterable[LogRow]) -> Order | None:
    """The order of consecutive rows; None where their times do not tell."""
    times = [at for row in rows if (at := fmt.parse_time(row.created_at)) is not None]
    if not times or times[0] == times[-1]:
        return None
    return Order.NEWEST_FIRST if times[0] > times[-1] else Order.OLDEST_FIRST


OVERLAP = 5
"""Rows that a page has in common with the one before it, so that rows which come meanwhile, or
go, leave no gap."""


class PageAsk(NamedTuple):
    """Which page."""

    offset: int
    limit: int = PAGE_SIZE


class Found(NamedTuple):
    """Rows that were not known, newest first.

    older: they follow on those that are known. newer: they go before them.
    """

    older: tuple[LogRow, ...] = ()
    newer: tuple[LogRow, ...] = ()


class Errand(Protocol):
    """Something that pages are read for, one after the other, until it is `over`.

    torn: rows may have been missed.
    """

    over: bool
    torn: bool

    @property
    def ask(self) -> PageAsk:
        """The page that is wanted next."""
        ...

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Make what can be made of that page."""
        ...


MOST = 100_000
"""So many rows at least are remembered, the last ones; twice as many at most (some 30 MB)."""


def identity(row: LogRow) -> int:
    """What tells a row from others, in 64 bits: two that agree in all of it are the same row."""
    return hash((row.created_at, row.log_type, row.object_key, row.message))


class Places:
    """Remembers rows by their identities, and how many were known before each.

    The identities stand in two generations: when the young one is full it becomes the old one,
    and the one that was old is forgotten. Rows are sent again only near those that they follow.
    """

    def __init__(self, most: int = MOST) -> None:
        self.count = 0
        self._most = most
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __contains__(self, row: LogRow) -> bool:
        return self.place(row) is not None

    def place(self, row: LogRow) -> int | None:
        """How many rows were known before this one; None for a row that is not remembered."""
        name = identity(row)
        found = self._young.get(name)
        return self._old.get(name) if found is None else found

    def add(self, row: LogRow) -> bool:
        """Remember a row; False when it was known."""
        if row in self:
            return False
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[identity(row)] = self.count
        self.count += 1
        return True


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


SCOUT_SECONDS = 20
"""Pages after which a log whose times tell nothing is taken to be sorted newest first."""


class Scout:
    """Reads from offset 0 until the order shows, unless it is known.

    order: None where nothing shows it. pages: what was read, with the offsets.
    """

    torn = False

    def __init__(self, order: Order | None = None) -> None:
        self.order = order
        self.pages: list[tuple[int, Sequence[LogRow]]] = []
        self.over = False
        self._offset = 0

    @property
    def ask(self) -> PageAsk:
        """The next page from the start."""
        return PageAsk(self._offset)

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Look at a page; nothing is found before it is clear where it belongs."""
        self.pages.append((self._offset, rows))
        self.order = self.order or order_of([*self.pages[0][1], *rows])
        whole = len(rows) < PAGE_SIZE
        self.over = whole or self.order is not None or len(self.pages) >= SCOUT_SECONDS
        self._offset += max(1, len(rows) - OVERLAP)
        return Found()


LONGEST = 10**9
"""No log has more rows: one that seems to does not listen to offsets."""


class EndSearch:
    """Finds how long a log is by doubling and halving. beyond: it is at least so long.

    end: how long, once that is known.
    """

    torn = False

    def __init__(self, beyond: int) -> None:
        self.over = False
        self.end = beyond
        self._low = beyond
        self._high: int | None = None
        self._step = beyond

    @property
    def ask(self) -> PageAsk:
        """A page somewhere in the unknown."""
        if self._high is None:
            return PageAsk(self._low + self._step - PAGE_SIZE)
        return PageAsk((self._low + self._high) // 2)

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Draw the bounds nearer: rows are before the end, none at all are behind it."""
        asked = self.ask.offset
        if rows:
            self._low = asked + len(rows)
            self._step *= 2
        else:
            self._high = asked
        within = self._high is not None and self._low >= self._high
        self.over = 0 < len(rows) < PAGE_SIZE or within or self._low > LONGEST
        self.end = self._low
        return Found()


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
