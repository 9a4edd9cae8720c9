"""The tree of what failed, under the lines that sum it up."""

from __future__ import annotations

from dataclasses import dataclass

from textual.events import Click
from textual.message import Message
from textual.reactive import var

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import FailuresView
from slurper_tui.tui.failures_page_scene import Entry, FailureScene, Path, entries
from slurper_tui.tui.failures_page_words import count_width, entry_line, summary
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill
from slurper_tui.tui.render.painted import PaintedLines

MARGIN = 2
"""Cells left of the tree: the cursor's mark and a blank."""

NOTHING = FailureScene(FailuresView(JobKey("", "")))


class FailureLines(PaintedLines, can_focus=True):
    """What failed, folded or unfolded. now: UTC seconds, of the newest data."""

    scene: var[FailureScene] = var(NOTHING, init=False)

    @dataclass
    class Pointed(Message):
        """An entry was clicked."""

        path: Path

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(id=id)
        self._look = look
        self.now = 0.0
        self._above: tuple[Line, ...] = ()
        self._entries: tuple[Entry, ...] = ()
        self._counts = 1

    def line_at(self, y: int) -> Line:
        """Draw a line of the summary, or an entry."""
        line = y + self.first
        if line < len(self._above):
            return (Piece(" " * (MARGIN - 1)), *self._above[line], Piece(" "))
        entry = self._entry_of(line)
        if entry is None:
            return ()
        drawn = entry_line(
            entry,
            self._look,
            max(1, self.room.width - MARGIN - 1),
            counts=self._counts,
            opened=entry.path in self.scene.opened,
            now=self.now,
        )
        mark = self._look.glyphs.say("▌") if entry.path == self.scene.cursor else " "
        return fill((Piece(mark, "accent"), Piece(" " * (MARGIN - 1)), *drawn), self.room.width)

    def row_role(self, y: int) -> str:
        """Mark the cursor's entry."""
        entry = self._entry_of(y + self.first)
        if entry is None or entry.path != self.scene.cursor:
            return ""
        return "cursor" if self.has_focus else "cursor-blurred"

    def _entry_of(self, line: int) -> Entry | None:
        place = line - len(self._above)
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def watch_scene(self) -> None:
        """Show what has changed."""
        self.redraw()

    def redraw(self) -> None:
        """Fit, scroll so far that the cursor is visible, and repaint what differs."""
        if self.size:
            self.fit()
            self._follow_cursor()
            self.repaint_changes()

    def fit(self) -> None:
        """Settle which lines there are in this width."""
        width = max(1, self.size.width - MARGIN - 1)
        above = [*summary(self.scene.view, self._look, width)]
        self._entries = entries(self.scene)
        air = [()] if above and self._entries and self.size.height > len(above) + 2 else []
        self._above = (*above, *air)
        self._counts = count_width(self._entries)
        self.set_lines(len(self._above) + len(self._entries))

    def _follow_cursor(self) -> None:
        """Scroll just so far that the cursor is visible; from the first entry, to the very top."""
        page, top = max(1, self.size.height), self.scroll_offset.y
        paths = [entry.path for entry in self._entries]
        place = paths.index(self.scene.cursor) if self.scene.cursor in paths else 0
        line = place + len(self._above)
        wanted = max(line - page + 1, min(top, line if place else 0))
        if wanted != top:
            self.scroll_to(y=max(0, wanted), animate=False, force=True)

    def page_rows(self) -> int:
        """How many entries a page moves by."""
        return max(1, self.size.height - 2)

    def on_resize(self) -> None:
        """Fit everything to the new size."""
        self.forget_marks()
        self.redraw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Repaint what differs after scrolling, instead of everything."""
        self.repaint_changes()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show by the cursor whether keys go here."""
        super().watch_has_focus(has_focus)
        self.repaint_changes()

    def on_click(self, event: Click) -> None:
        """Point at the clicked entry."""
        entry = self._entry_of(event.y + self.scroll_offset.y)
        if entry is not None:
            self.post_message(self.Pointed(entry.path))
