"""The first pages of a log: which way it is sorted, and where its newest row is."""

from __future__ import annotations

from collections.abc import Sequence

from slurper_tui.api.models import PAGE_SIZE, LogRow
from slurper_tui.monitor.logs.order import Order, order_of
from slurper_tui.monitor.logs.page import OVERLAP, Found, PageAsk

PATIENCE = 20
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
        self.over = whole or self.order is not None or len(self.pages) >= PATIENCE
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
