"""A log as the API would page it, for tests that need no requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.paging import Found, Paging

START = 1_790_000_000.0


def row(number: int, at: float | None = None, **other: str) -> LogRow:
    """The row of the object `number`, a second after the one before."""
    when = START + number if at is None else at
    told = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
    return LogRow(
        other.get("created_at", told.replace("+00:00", "Z")),
        "job",
        other.get("log_type", "importErrorRetryExhaustion"),
        other.get("message", "gave up"),
        f"k{number}",
    )


class ApiLog:
    """Rows in the order in which they came. oldest_first: how they are told."""

    def __init__(self, rows: list[LogRow], *, oldest_first: bool = False) -> None:
        self.rows = rows
        self.oldest_first = oldest_first
        self.asked: list[tuple[int, int]] = []

    def page(self, offset: int, limit: int) -> list[LogRow]:
        """What the API answers."""
        self.asked.append((offset, limit))
        told = self.rows if self.oldest_first else self.rows[::-1]
        return told[offset : offset + limit]


def founds(
    log: ApiLog, paging: Paging, between: Callable[[], None] = lambda: None, most: int = 5000
) -> Iterator[Found]:
    """Read until there is nothing to be read just now. between: what happens between two pages."""
    for _ in range(most):
        ask = paging.next_page
        if ask is None:
            return
        yield paging.take(log.page(*ask))
        between()
    raise AssertionError(f"not read after {most} pages: {log.asked[-5:]}")


def read(log: ApiLog, paging: Paging, between: Callable[[], None] = lambda: None) -> list[LogRow]:
    """Read what there is; newest first."""
    rows: list[LogRow] = []
    for found in founds(log, paging, between):
        rows = [*found.newer, *rows, *found.older]
    return rows
