"""A desk that is put together when it is first asked for: no first picture needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from slurper_tui.monitor.model.samples import Past
from slurper_tui.monitor.polling.budgeted_client import Metered
from slurper_tui.monitor.polling.job_store import FollowedJobs

if TYPE_CHECKING:
    from slurper_tui.monitor.services import Services


class LateDesk:
    """metered: the API within the budget. past: where it is noted what was done, if it is.

    interval: seconds between two rounds of polls.
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
        """Give what can be asked beyond snapshots, within the same budget."""
        if self._desk is None:
            from slurper_tui.monitor.services import make_services

            ids = self._roster.ids
            self._desk = make_services(self._metered, self._roster, self._past, ids, self._interval)
        return self._desk

    async def close(self) -> None:
        """Let nothing go on in the background."""
        if self._desk is not None:
            await self._desk.close()
