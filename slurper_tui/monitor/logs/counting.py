"""How many rows of each type a log holds, and from when to when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from slurper_tui import format as fmt
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.log_view import LogCounts


class Span:
    """The first and the last of some times, in the API's own text.

    Of texts that are no times the first counts, and only as long as there is no time.
    """

    def __init__(self) -> None:
        self.first: str | None = None
        self.last: str | None = None
        self._first_at: float | None = None
        self._last_at: float | None = None

    def add(self, text: str | None) -> None:
        """Take in one more."""
        at = fmt.parse_time(text)
        if at is None:
            self.first, self.last = self.first or text, self.last or text
            return
        if self._first_at is None or at < self._first_at:
            self.first, self._first_at = text, at
        if self._last_at is None or at > self._last_at:
            self.last, self._last_at = text, at


class RowCounts:
    """Counts rows, each of which it is told once."""

    def __init__(self) -> None:
        self.rows = 0
        self._by_type: Counter[str] = Counter()
        self._spans: dict[str, Span] = {}

    def add(self, rows: Iterable[LogRow]) -> None:
        """Take in more rows."""
        for row in rows:
            log_type = row.log_type or ""
            self.rows += 1
            self._by_type[log_type] += 1
            self._spans.setdefault(log_type, Span()).add(row.created_at)

    def counts(self, read_at: float, *, whole: bool) -> LogCounts:
        """All of it as one value. read_at: UTC seconds. A row without a type is of the type ""."""
        return LogCounts(
            by_type=dict(self._by_type),
            whole=whole,
            read_at=read_at,
            first_seen={kind: s.first for kind, s in self._spans.items() if s.first},
            last_seen={kind: s.last for kind, s in self._spans.items() if s.last},
        )
