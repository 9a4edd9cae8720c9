"""The part of the main screen that opens dialogs and copies text.

Dialogs are imported when they are first opened, after the first picture.
"""

from __future__ import annotations

from msgspec.structs import replace
from textual.reactive import var
from textual.screen import Screen

from slurper_tui.monitor.feed import Feed
from slurper_tui.tui import state as scenes
from slurper_tui.tui.keys import KEYS, hint_sign
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.state import Scene, ScreenOptions


class PagesScreen(Screen[None]):
    """A screen with a scene that opens pages and dialogs over itself."""

    scene: var[Scene] = var(Scene, init=False)

    def __init__(self, feed: Feed, options: ScreenOptions, look: Look) -> None:
        super().__init__(id="main")
        self.look = look
        self._feed = feed
        self._options = options
        self._last_copy = ""
        self._welcomed = False
        scene = Scene(
            view=options.view,
            demo=options.demo,
            deadline=options.deadline,
            writing=options.write,
        )
        self.set_reactive(PagesScreen.scene, scene)

    def on_key(self) -> None:
        """Clear the outage news and the last note.

        Keep `_last_copy` only if its note was still visible: only then does copying again show
        the text in full.
        """
        self._last_copy = self._last_copy if self.scene.note else ""
        if self.scene.note or self.scene.news:
            self.scene = replace(self.scene, note="", news=None)

    def set_deadline(self, deadline: float | None) -> None:
        """Set the deadline of all jobs, in UTC seconds; None removes it."""
        self.scene = replace(self.scene, deadline=deadline)

    def _note(self, text: str) -> None:
        self.scene = scenes.noted(self.scene, text)

    def action_copy_id(self) -> None:
        """Copy the id of the highlighted job."""
        from slurper_tui.tui.export import id_text

        if self.scene.job:
            self._copy("id", id_text(self.scene.job))

    def action_copy_json(self) -> None:
        """Copy the highlighted job as JSON."""
        from slurper_tui.tui.export import json_text

        if self.scene.job:
            self._copy("JSON", json_text(self.scene.job))

    def _copy(self, what: str, text: str) -> None:
        """Copy a text; also show it if the terminal may have refused or if it is copied again."""
        from slurper_tui.tui.export import can_copy, terminal_copies
        from slurper_tui.tui.screens.dialogs import CopyDialog

        if not can_copy(text):
            self._note(f"not copied: the {what} is not UTF-8")
            return
        self.app.copy_to_clipboard(text)
        if self._last_copy == text or not terminal_copies(self._options.environ):
            self.app.push_screen(CopyDialog(self.look, text))
            return
        self._last_copy = text
        self._note(f"{what} copied; again to see it in full")

    def action_problem(self) -> None:
        """Show the current problem in full."""
        from slurper_tui.tui.screens.dialogs import ProblemDialog

        self.app.push_screen(ProblemDialog(self.look, self.scene.snapshot))

    async def action_digest(self) -> None:
        """Open the digest of changes during the last absence."""
        self._welcomed = True
        self.run_worker(self._tell_digest(), group="digest", exclusive=True)

    async def _tell_digest(self, *, unasked: bool = False) -> None:
        """Open the digest; if `unasked`, only when it lists a job."""
        from slurper_tui.tui.screens.digest import DigestDialog

        digest = await self._feed.digest(zone=self.look.zone)
        if digest.jobs or not unasked:
            self.app.push_screen(DigestDialog(self.look, digest))

    def action_help(self) -> None:
        """Show all keys."""
        from slurper_tui.tui.screens.dialogs import HelpDialog

        self.app.push_screen(HelpDialog(self.look, self._options.keymap, self.reasons()))

    def reasons(self) -> dict[str, str]:
        """Return why each unavailable key does not work now, by binding id."""
        from slurper_tui.tui.availability import reasons

        unlock = hint_sign("change.unlock", self._options.keymap, self.look)
        return reasons((key.id or "" for key in KEYS), self.scene, unlock)

    def action_palette(self) -> None:
        """Open the palette, which finds jobs, actions and themes by name."""
        self.on_key()
        from slurper_tui.tui.screens.palette import Palette

        self.app.push_screen(Palette(self.look))
