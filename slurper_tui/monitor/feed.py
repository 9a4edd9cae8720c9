"""Interface between the monitor and its faces: a source of snapshots."""

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
    """A source of snapshots that polls first the jobs that the user is viewing.

    Methods that are not `async` return at once; their effect shows in a later snapshot.
    """

    def known(self) -> Snapshot | None:
        """Return a snapshot from the history, before the first request; None if there is none."""
        ...

    def snapshots(self) -> AsyncIterator[Snapshot]:
        """Yield snapshots endlessly: after each round, and during the first listing."""
        ...

    def look_at(self, highlighted: JobKey | None, visible: frozenset[JobKey]) -> None:
        """Set the highlighted job and the visible rows; these jobs are polled first."""
        ...

    def refresh(self, key: JobKey) -> None:
        """Poll one job now."""
        ...

    def refresh_all(self) -> None:
        """Read every list and poll every live job now."""
        ...

    def set_interval(self, seconds: float) -> None:
        """Set the seconds between rounds, at least 2."""
        ...

    def set_window(self, window: Window) -> None:
        """Set the period of the highlighted job's `trace` in later snapshots."""
        ...

    async def digest(self, since: float | None = None, zone: tzinfo | None = None) -> Digest:
        """Return the events since a UTC second; by default since the last absence of the user.

        zone: time zone for the times in its text; None for local time.
        """
        ...

    async def desk(self) -> Services:
        """Return the services beyond snapshots; waits until they are ready."""
        ...
