"""Several jobs as one migration, folded and unfolded."""

from __future__ import annotations

from slurper_tui.tui.changing import ChangingScreen


class FoldingScreen(ChangingScreen):
    """A screen whose list can show migrations."""

    def action_unfold(self) -> None:
        """Show the jobs of the highlighted migration."""

    def action_fold(self) -> None:
        """Show the migration of the highlighted job as one row."""

    def action_migrations(self) -> None:
        """Show jobs folded into migrations, or one by one."""
