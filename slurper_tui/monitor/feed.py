"""What a face may ask of the monitor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import tzinfo
from typing import TYPE_CHECKING, Protocol

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Snapshot
from slurper_tui.monitor.model.timeline import Window

if TYPE_CHECKING:
    from slurper_tui.monitor.reports.digest import Digest
    from slurper_tui.monitor.services import Services


class Feed(Protocol):
    """A source of snapshots that can be told what the person looks at.

    What is not awaited returns at once; its effect shows in a later snapshot.
    """

    def known(self) -> Snapshot | None:
        """Give what can be shown before anything is asked; None when that is nothing."""
        ...

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

    def set_window(self, window: Window) -> None:
        """Show more or less of the highlighted job's past: the `trace` of later snapshots."""
        ...

    async def digest(self, since: float | None = None, zone: tzinfo | None = None) -> Digest:
        """Tell what happened since a UTC second, by default since somebody last looked.

        zone: in which its words tell times, None for local time.
        """
        ...

    async def desk(self) -> Services:
        """Give what can be asked beyond snapshots, as soon as it is there."""
        ...
