"""Several jobs as one migration, folded and unfolded."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from slurper_tui.tui import scene as scenes
from slurper_tui.tui.changing import ChangingScreen
from slurper_tui.tui.options import ViewState


class FoldingScreen(ChangingScreen):
    """A screen whose list can show migrations."""

    _save_view: Callable[[ViewState], None]

    def action_unfold(self) -> None:
        """Show the jobs of the highlighted migration."""
        self.scene = scenes.unfold(self.scene)

    def action_fold(self) -> None:
        """Go from a job to its migration, and show a migration as one row."""
        self.scene = scenes.fold(self.scene)

    def action_migrations(self) -> None:
        """Show jobs folded into migrations, or one by one, and keep that."""
        view = replace(self.scene.view, migrations=not self.scene.view.migrations)
        self._save_view(view)
        self.scene = scenes.with_migrations(self.scene, view)
        folded = "jobs of the same buckets are one migration"
        self._note(folded if view.migrations else "jobs one by one")
