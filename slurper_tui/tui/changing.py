"""What changes jobs: only once unlocked, and each with its own confirmation."""

from __future__ import annotations

from slurper_tui.tui.reading import ReadingScreen


class ChangingScreen(ReadingScreen):
    """A screen from which jobs can be changed."""

    async def action_unlock(self) -> None:
        """Allow changing jobs, after a confirmation; or no longer allow it."""

    async def action_change(self, act: str) -> None:
        """Ask whether to do it to the highlighted job, or to those marked."""

    def action_mark(self) -> None:
        """Mark the highlighted job, or no longer."""
