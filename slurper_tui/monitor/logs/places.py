"""Which rows of a log are known, by what makes a row itself."""

from __future__ import annotations

from slurper_tui.api.models import LogRow

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
