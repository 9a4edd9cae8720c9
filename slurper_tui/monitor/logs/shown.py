"""What is shown of a log that is being read: its newest rows, and how many there were."""

from __future__ import annotations

from collections import deque

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.turns import Turn
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogCounts, LogView, RowCounts

MOST_ROWS = 5_000
"""The newest rows that stay in memory."""


class ShownLog:
    """Takes in turns, and gives views."""

    def __init__(self, key: JobKey) -> None:
        self._key = key
        self._rows: deque[LogRow] = deque()
        self._told: tuple[LogRow, ...] = ()
        self._counts = RowCounts()
        self._problem: ApiError | None = None
        self._waiting = False

    def take(self, turn: Turn) -> bool:
        """Take in a turn; whether it brought rows."""
        if not turn.waiting:
            self._problem = turn.problem
        self._waiting = turn.waiting
        older, newer = turn.found
        self._counts.add(older)
        self._counts.add(newer)
        room = MOST_ROWS - len(self._rows)
        self._rows.extend(older[: max(0, room)])
        self._rows.extendleft(reversed(newer))
        while len(self._rows) > MOST_ROWS:
            self._rows.pop()
        if newer or (older and room > 0):
            self._told = tuple(self._rows)
        return bool(older or newer)

    def view(self, *, whole: bool) -> LogView:
        """As it stands now."""
        return LogView(
            self._key, self._told, self._counts.rows, whole, self._problem, self._waiting
        )

    def counts(self, read_at: float) -> LogCounts:
        """What a log that was read to its end holds."""
        return self._counts.counts(read_at, whole=True)
