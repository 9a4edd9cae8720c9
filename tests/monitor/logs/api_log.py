"""A log that is paged like the API's, without requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.paging import Found, Paging

START = 1_790_000_000.0


def row(number: int, at: float | None = None, **other: str) -> LogRow:
    """Return the row of object `number`, one second after the previous one."""
    when = START + number if at is None else at
    text = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
    return LogRow(
        other.get("created_at", text.replace("+00:00", "Z")),
        "job",
        other.get("log_type", "importErrorRetryExhaustion"),
        other.get("message", "gave up"),
        f"k{number}",
    )


class ApiLog:
    """Rows in the order in which they were added. oldest_first: the order of the pages."""

    def __init__(self, rows: list[LogRow], *, oldest_first: bool = False) -> None:
        self.rows = rows
        self.oldest_first = oldest_first
        self.asked: list[tuple[int, int]] = []

    def page(self, offset: int, limit: int) -> list[LogRow]:
        """Return the rows of a page."""
        self.asked.append((offset, limit))
        rows = self.rows if self.oldest_first else self.rows[::-1]
        return rows[offset : offset + limit]


def founds(
    log: ApiLog, paging: Paging, between: Callable[[], None] = lambda: None, most: int = 5000
) -> Iterator[Found]:
    """Yield the results until nothing is left to read. between: called after every page."""
    for _ in range(most):
        ask = paging.next_page
        if ask is None:
            return
        yield paging.take(log.page(*ask))
        between()
    raise AssertionError(f"not read after {most} pages: {log.asked[-5:]}")


def read(log: ApiLog, paging: Paging, between: Callable[[], None] = lambda: None) -> list[LogRow]:
    """Return the rows that are left to read, newest first."""
    rows: list[LogRow] = []
    for found in founds(log, paging, between):
        rows = [*found.newer, *rows, *found.older]
    return rows
