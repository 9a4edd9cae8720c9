"""What a face may ask of the monitor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from slurper_tui.monitor.view import JobKey, Snapshot


class Feed(Protocol):
    """A source of snapshots that can be told what the person looks at.

    Everything but `snapshots` returns at once; its effect shows in a later snapshot.
    """

    def snapshots(self) -> AsyncIterator[Snapshot]:
        """Yield snapshots without end: after each round, and while the first listing comes in."""
        ...

    def look_at(self, highlighted: JobKey | None, visible: frozenset[JobKey]) -> None:
        """Say which job is highlighted and which rows are on the screen: they are asked first."""
        ...

    def refresh(self, key: JobKey) -> None:
        """Ask one job now."""
        ...

    def refresh_all(self) -> None:
        """Read every list and ask every job that may move, now."""
        ...

    def set_interval(self, seconds: float) -> None:
        """Change the seconds between rounds, at least 2."""
        ...
