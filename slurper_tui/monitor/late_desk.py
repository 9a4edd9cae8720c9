"""Services that are created on first use, because the first screen does not need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from slurper_tui.monitor.polling.budgeted_client import Metered
from slurper_tui.monitor.polling.job_store import FollowedJobs

if TYPE_CHECKING:
    from slurper_tui.monitor.polling.history_sync import Past
    from slurper_tui.monitor.services import Services


class LateDesk:
    """Creates the services on the first call of `desk`.

    metered: the API client within the request budget. past: the history.
    interval: seconds between two poll rounds.
    """

    def __init__(
        self, metered: Metered, roster: FollowedJobs, past: Past, interval: Callable[[], float]
    ) -> None:
        self._metered = metered
        self._roster = roster
        self._past = past
        self._interval = interval
        self._desk: Services | None = None

    async def desk(self) -> Services:
        """Return the services, which share the poller's request budget."""
        if self._desk is None:
            from slurper_tui.monitor.services import make_services

            ids = self._roster.ids
            self._desk = make_services(self._metered, self._roster, self._past, ids, self._interval)
        return self._desk

    async def close(self) -> None:
        """Stop the background work."""
        if self._desk is not None:
            await self._desk.close()
