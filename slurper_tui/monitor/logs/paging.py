"""Decides which page of a log to request next and which of its rows are new; no I/O, no clock.

`Paging` runs one phase after the other. A phase reads pages until it is `over`: `next_page` is the
page to request, `take` processes its rows and returns the new ones; `gap` is true if rows may have
been missed.

* `OrderProbe` finds from the rows' times how the API sorts the log, which is undocumented, and
  `EndSearch` finds the end of a log that is sorted oldest first.
* `Walk` reads from the newest row to the oldest, without a gap.
* `TopRefresh` or `EndRefresh` finds rows newer than the newest known row, on request.

A row is yielded once: of rows with the same `identity`, on one page or several, the first counts.

Depths are counted from the newest row, whichever way the API sorts. New rows shift the others to
higher offsets if the log is sorted newest first; expired rows shift them to lower offsets if it is
sorted oldest first. So each page is located by the known rows on it; a page without a known row
only shows that the rows have shifted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui import format as fmt
from slurper_tui.api.models import PAGE_SIZE, LogRow
from slurper_tui.monitor.model.verification import with_losses

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import JobView


class Order(Enum):
    """The sort order of a log: which rows are at offset 0."""

    NEWEST_FIRST = 1
    OLDEST_FIRST = 2


def order_of(rows: Iterable[LogRow]) -> Order | None:
    """Return the order of consecutive rows; None if their times are missing or equal."""
    times = [at for row in rows if (at := fmt.parse_time(row.created_at)) is not None]
    if not times or times[0] == times[-1]:
        return None
    return Order.NEWEST_FIRST if times[0] > times[-1] else Order.OLDEST_FIRST


OVERLAP = 5
"""Rows that a page shares with the one before it, so that new or expired rows leave no gap."""


class PageRequest(NamedTuple):
    """A page to request, in rows."""

    offset: int
    limit: int = PAGE_SIZE


class Found(NamedTuple):
    """New rows, newest first.

    older: rows that are older than all known rows. newer: rows that are newer than them.
    """

    older: tuple[LogRow, ...] = ()
    newer: tuple[LogRow, ...] = ()


MOST_REMEMBERED = 100_000
"""Rows remembered: at least this many of the last ones, at most twice as many (about 30 MB)."""


def identity(row: LogRow) -> int:
    """Return a 64-bit hash of a row's fields; rows with the same hash count as the same row."""
    return hash((row.created_at, row.log_type, row.object_key, row.message))


class RowIndex:
    """Remembers each row's identity with its place: the number of rows added before it.

    The identities are kept in two generations: a full young generation replaces the old one, which
    is dropped. This suffices because rows repeat only on neighbouring pages.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self.count = 0
        self._most = most
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __contains__(self, row: LogRow) -> bool:
        return self.place(row) is not None

    def place(self, row: LogRow) -> int | None:
        """Return the number of rows added before this one; None if it is not remembered."""
        name = identity(row)
        return self._young.get(name, self._old.get(name))

    def add(self, row: LogRow) -> bool:
        """Remember a row; return False if it was known."""
        if row in self:
            return False
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[identity(row)] = self.count
        self.count += 1
        return True


MOST_PAGES = 400
"""Pages that one `TopRefresh` reads at most; if rows arrive faster, a gap remains."""

IsKnown = Callable[[LogRow], bool]


class TopRefresh:
    """Reads newer rows of a log sorted newest first, from offset 0 to the first known row.

    gap: no known row was found, or rows arrived so fast that consecutive pages do not overlap.
    """

    def __init__(self, known: IsKnown) -> None:
        self.over = False
        self.gap = False
        self.next_page = PageRequest(0)
        self.page: Sequence[LogRow] = ()
        self._known = known
        self._own = RowIndex()
        self._rows: list[LogRow] = []
        self._pages = 0

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Process a page; return the new rows with the last page, else nothing."""
        self.page = rows
        self._pages += 1
        met = any(self._known(row) for row in rows)
        overlaps = self._pages == 1 or any(row in self._own for row in rows)
        fresh = [row for row in rows if not self._known(row) and self._own.add(row)]
        # A page that neither overlaps nor has known rows consists of rows that are newer still.
        self._rows = [*self._rows, *fresh] if overlaps or met else [*fresh, *self._rows]
        arrived = met or len(rows) < PAGE_SIZE
        self.gap = not arrived and (not overlaps or self._pages >= MOST_PAGES)
        self.over = arrived or self.gap
        self.next_page = PageRequest(self.next_page.offset + PAGE_SIZE - OVERLAP)
        return Found(newer=tuple(self._rows)) if self.over else Found()


class EndRefresh:
    """Reads newer rows of a log sorted oldest first, from the old end at offset `end` on."""

    gap = False

    def __init__(self, known: IsKnown, end: int) -> None:
        self.over = False
        self.end = end
        self.next_page = PageRequest(max(0, end - OVERLAP))
        self.page: Sequence[LogRow] = ()
        self._known = known
        self._back = 0

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Process a page; a page without a known row means that the log has shrunk: step back."""
        self.page = rows
        if self.next_page.offset > 0 and not any(self._known(row) for row in rows):
            self._back = self._back * 2 or PAGE_SIZE - OVERLAP
            self.next_page = PageRequest(max(0, self.next_page.offset - self._back))
            return Found()
        own = RowIndex()
        fresh = [row for row in rows if not self._known(row) and own.add(row)]
        self.end = self.next_page.offset + len(rows)
        self.over = len(rows) < PAGE_SIZE or not (fresh or self._back)
        self.next_page = PageRequest(max(0, self.end - OVERLAP))
        return Found(newer=tuple(reversed(fresh)))


PROBE_PAGES = 20
"""Pages after which a log whose times do not differ counts as newest first."""


class OrderProbe:
    """Reads from offset 0 until the sort order is known.

    order: None if it cannot be determined. pages: the pages read, with their offsets.
    """

    gap = False

    def __init__(self, order: Order | None = None) -> None:
        self.order = order
        self.pages: list[tuple[int, Sequence[LogRow]]] = []
        self.over = False
        self._offset = 0

    @property
    def next_page(self) -> PageRequest:
        """The next page from offset 0 on."""
        return PageRequest(self._offset)

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Store a page and derive the order; return no rows before their place is known."""
        self.pages.append((self._offset, rows))
        self.order = self.order or order_of([*self.pages[0][1], *rows])
        whole = len(rows) < PAGE_SIZE
        self.over = whole or self.order is not None or len(self.pages) >= PROBE_PAGES
        self._offset += max(1, len(rows) - OVERLAP)
        return Found()


LONGEST = 10**9
"""Upper limit of a log's rows: a server that returns rows beyond it ignores the offset."""


class EndSearch:
    """Finds a log's length by doubling, then by bisection.

    beyond: a lower bound of the length, in rows. end: the best known bound; the length once `over`.
    """

    gap = False

    def __init__(self, beyond: int) -> None:
        self.over = False
        self.end = beyond
        self._low = beyond
        self._high: int | None = None
        self._step = beyond

    @property
    def next_page(self) -> PageRequest:
        """The page that halves, or doubles, the searched range."""
        if self._high is None:
            return PageRequest(self._low + self._step - PAGE_SIZE)
        return PageRequest((self._low + self._high) // 2)

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Narrow the bounds: a page with rows is before the end, an empty one is behind it."""
        asked = self.next_page.offset
        if rows:
            self._low = asked + len(rows)
            self._step *= 2
        else:
            self._high = asked
        within = self._high is not None and self._low >= self._high
        self.over = 0 < len(rows) < PAGE_SIZE or within or self._low > LONGEST
        self.end = self._low
        return Found()


MOST_LOST_PAGES = 16
"""Pages without a known row after which the next one is accepted: the log shifts too fast."""

MOST_IDLE_PAGES = 100
"""Consecutive pages without a new row after which the walk ends."""


class Walk:
    """Reads towards the oldest row.

    size: number of rows of a log that is sorted oldest first; None for the other order. over: the
    oldest row was read, or the walk was given up. gap: rows may be missing.
    """

    def __init__(self, size: int | None = None, most: int = MOST_REMEMBERED) -> None:
        self.known = RowIndex(most)
        self.over = False
        self.gap = False
        self.depth = 0
        self._size = size
        self._oldest_at: float | None = None
        self._lost_pages = 0
        self._idle_pages = 0
        self._step = 0

    @property
    def next_page(self) -> PageRequest:
        """The page that continues from the oldest known row and overlaps the last page."""
        if self._size is None:
            return PageRequest(self.depth)
        limit = max(1, min(PAGE_SIZE, self._size - self.depth))
        return PageRequest(max(0, self._size - self.depth - limit), limit)

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Process a page; return its new rows, which are older than the known ones."""
        asked = self.next_page
        newest_first = rows if self._size is None else rows[::-1]
        connects = not self.known.count or any(row in self.known for row in newest_first)
        if not connects and self._may_search(newest_first):
            return Found()
        fresh = tuple(row for row in newest_first if self.known.add(row))
        if fresh:
            self._lost_pages, self._step = (0 if connects else self._lost_pages), 0
            self._oldest_at = fmt.parse_time(fresh[-1].created_at) or self._oldest_at
        self._idle_pages = 0 if fresh else self._idle_pages + 1
        at_end = asked.offset == 0 if self._size is not None else len(rows) < asked.limit
        self.over = at_end or self._idle_pages >= MOST_IDLE_PAGES
        self.gap = self.gap or not connects or (self.over and not at_end)
        # Set the depth to the oldest known row, located by the last known row on the page.
        places = [self.known.place(row) for row in newest_first]
        located = [(place, index) for index, place in enumerate(places) if place is not None]
        least = 0 if fresh else self.depth + max(1, len(newest_first) - OVERLAP)
        if located:
            place, index = max(located)
            self.depth += index + (self.known.count - 1 - place) + 1 - OVERLAP
        self.depth = max(least, self.depth)
        return Found(older=fresh)

    def _may_search(self, rows: Sequence[LogRow]) -> bool:
        """Step towards the known rows: double the step each time, halve it after a turn.

        Return False if searching is pointless.
        """
        if rows:
            times = (fmt.parse_time(row.created_at) for row in rows)
            at = next((time for time in times if time is not None), None)
            forward = at is not None and self._oldest_at is not None and at > self._oldest_at
        else:
            # The page is behind the oldest row or, if a log sorted oldest first has shrunk, behind
            # the newest.
            forward = self._size is not None
        if self._lost_pages >= MOST_LOST_PAGES or (self.depth == 0 and not forward):
            return False
        self._lost_pages += 1
        turned = self._step != 0 and forward != (self._step > 0)
        size = abs(self._step) // 2 if turned else abs(self._step) * 2
        size = max(size, PAGE_SIZE - OVERLAP if not self._step else 1)
        self._step = size if forward else -size
        self.depth = max(0, self.depth + self._step)
        return True


Phase = TopRefresh | EndRefresh | OrderProbe | EndSearch | Walk

_FRONT = 10_000
"""Newest rows that stay remembered however long the walk becomes."""


class Paging:
    """One reading of one log. order: the sort order if it is known.

    reversed_order: the log was read as newest first, but newer rows at its end show that it is
    sorted oldest first. gap: rows may be missing.
    """

    def __init__(self, order: Order | None = None, most: int = MOST_REMEMBERED) -> None:
        self.order: Order | None = order
        self.reversed_order = False
        self.gap = False
        self._probe: OrderProbe | None = OrderProbe(order)
        self._search: EndSearch | None = None
        self._most = most
        self._walk = Walk(most=most)
        self._refresh: TopRefresh | EndRefresh | None = None
        self._front = RowIndex(_FRONT)
        self._end = 0
        self._other_end = False

    @property
    def next_page(self) -> PageRequest | None:
        """The page to request next; None if nothing is left to read until the next `refresh`."""
        phase = self._phase
        return None if phase.over else phase.next_page

    @property
    def read(self) -> bool:
        """Whether the walk has ended."""
        return self._probe is None and self._search is None and self._walk.over

    @property
    def whole(self) -> bool:
        """Whether the log was read to its oldest row and no row is missing."""
        return self.read and not self.gap

    @property
    def _phase(self) -> Phase:
        return self._refresh or self._probe or self._search or self._walk

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Process the requested page; return its new rows."""
        phase = self._phase
        end = phase.next_page.offset + len(rows)
        found = phase.take(rows)
        if phase is self._walk:
            if self.order is not Order.OLDEST_FIRST:
                self._end = end  # rows may be added there: the order may still be unknown
            found = Found(tuple(row for row in found.older if row not in self._front))
        elif phase is self._refresh:
            found = self._take_refresh(self._refresh, found)
        elif phase.over:
            found = self._start_next()
        self.gap = self.gap or phase.gap
        newest = found.newer or (() if self._front.count else found.older)
        for row in reversed(newest):
            self._front.add(row)
        return found

    def needs_rest(self, rows: Sequence[LogRow]) -> bool:
        """Whether to request the rows that may follow a short page now.

        A `TopRefresh` that has reached known rows needs no more; an `EndRefresh` continues there
        later.
        """
        if isinstance(self._refresh, EndRefresh):
            return False
        return self._refresh is None or not any(self._is_known(row) for row in rows)

    def refresh(self) -> None:
        """Read newer rows next, before the walk continues."""
        begun = self._walk.over or self._walk.known.count  # a refresh ends at known rows
        if self._refresh or self._probe or self._search or not begun:
            return
        at_end = self.order is Order.OLDEST_FIRST
        if self.order is None and self._end >= PAGE_SIZE:
            # The order is unknown: read at both ends in turn.
            at_end, self._other_end = self._other_end, not self._other_end
        self._refresh = (
            EndRefresh(self._is_known, self._end) if at_end else TopRefresh(self._is_known)
        )

    def _start_next(self) -> Found:
        """Start the end search, or the walk if its starting point is known."""
        probe, search = self._probe, self._search
        if probe is not None:
            self._probe, self.order = None, probe.order
            self._end = probe.pages[-1][0] + len(probe.pages[-1][1])
            if self.order is not Order.OLDEST_FIRST:
                older: tuple[LogRow, ...] = ()
                for self._walk.depth, rows in probe.pages:
                    older += self._walk.take(rows).older
                return Found(older)
            if len(probe.pages) == 1 and self._end < PAGE_SIZE:
                self._walk = Walk(self._end, self._most)
                return self._walk.take(probe.pages[0][1])
            self._search = EndSearch(self._end)
        elif search is not None:
            self._search, self._end = None, search.end
            self._walk = Walk(search.end, self._most)
        return Found()

    def _take_refresh(self, refresh: TopRefresh | EndRefresh, found: Found) -> Found:
        """Process a refresh's result: derive an unknown order, update the end.

        The order is derived from the end that has the new rows, or else from the rows' times.
        """
        if found.newer and self.order is None:
            known = [self._is_known(row) for row in refresh.page]
            if isinstance(refresh, EndRefresh):
                self.order = Order.OLDEST_FIRST
            elif any(known) and not all(known):
                self.order = Order.OLDEST_FIRST if known[0] else Order.NEWEST_FIRST
            else:
                self.order = order_of(refresh.page)
            self.reversed_order = self.order is Order.OLDEST_FIRST
            if self.reversed_order and isinstance(refresh, TopRefresh):
                self._end = len(refresh.page)
                found = Found(newer=found.newer[::-1])
        if isinstance(refresh, EndRefresh):
            self._end = refresh.end
        self._refresh = None if refresh.over else refresh
        return found

    def _is_known(self, row: LogRow) -> bool:
        return row in self._walk.known or row in self._front


def log_requests(views: Sequence[JobView]) -> int | None:
    """Return about how many requests the logs of jobs `with_losses` take; None if not known.

    A log has a row for each object that failed, or was skipped and not copied.
    """
    keys, requests = with_losses(views), 0
    for view in (view for view in views if view.key in keys):
        if view.counts.failed is None:
            return None
        rows = view.counts.failed + view.not_copied_at_least
        requests += max(1, -(-rows // (PAGE_SIZE - OVERLAP)))
    return requests
