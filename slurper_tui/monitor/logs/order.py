"""How the API sorts a log, which nothing documents: seen from the times of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from slurper_tui import format as fmt
from slurper_tui.api.models import LogRow


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
