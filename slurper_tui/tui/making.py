"""New jobs: the form, the draft of a retry, and the plans that wait for free slots."""

from __future__ import annotations

from collections.abc import Sequence

from slurper_tui.monitor.view import JobView
from slurper_tui.tui.pages import PagesScreen


class MakingScreen(PagesScreen):
    """A screen from which jobs are made."""

    async def action_create(self) -> None:
        """Open the form for a new migration."""

    async def action_plans(self) -> None:
        """Show what is still to be started, and let it be gone on with or cancelled."""

    async def draft_retry(
        self, job: JobView, keys: Sequence[str], log_types: tuple[str, ...]
    ) -> None:
        """Show the draft of a job of exactly these keys, to be sent or not."""
