"""What can be read about a job beyond its row: its log, its failures, its receipt."""

from __future__ import annotations

from slurper_tui.tui.making import MakingScreen


class ReadingScreen(MakingScreen):
    """A screen from which pages about the highlighted job open."""

    async def action_log(self) -> None:
        """Open the job's log."""

    async def action_failures(self) -> None:
        """Open the failure view."""

    async def action_export(self) -> None:
        """Save the exact keys of what failed."""

    async def action_receipt(self) -> None:
        """Open the receipt of an ended job or migration."""
