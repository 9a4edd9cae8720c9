"""The rows of the log page: drawn only when visible, repainted only where they changed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from rich.cells import cell_len
from textual.events import Click
from textual.message import Message
from textual.reactive import var

from slurper_tui.api.models import LogRow
from slurper_tui.format import MOST_SHOWN
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogView
from slurper_tui.tui.log_page_scene import LogScene
from slurper_tui.tui.log_rows import (
    NARROW,
    RowStyle,
    pattern_of,
    row_height,
    row_line,
    row_lines,
    times_for,
)
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill
from slurper_tui.tui.render.painted import PaintedLines

MARGIN = 2
"""Cells left of the time: the cursor's mark and a blank."""

NOTHING = LogScene(LogView(JobKey("", "")))


class LogLines(PaintedLines, can_focus=True):
    """The shown rows of a log's scene. now: UTC seconds, of the newest data."""

    scene: var[LogScene] = var(NOTHING, init=False)

    @dataclass
    class Pointed(Message):
        """A row was clicked."""

        row: int

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(id=id)
        self._look = look
        self.now = 0.0
        self._row_style = self._in_this_width()
        self._starts: Sequence[int] = ()
        self._heights: dict[int, tuple[LogRow, int]] = {}
        self._height_of_cursor = 0
        self._shape: tuple[int, int] = (0, 0)

    # What stands where ----------------------------------------------------------------------------

    def line_at(self, y: int) -> Line:
        """Draw a row or a part of one, or say that there is none."""
        if not self.scene.rows:
            return self._notice() if y == 0 else ()
        line = y + self.first
        row = self._row_of(line)
        if row is None:
            return ()
        mark = self._look.glyphs.say("▌") if row == self.scene.cursor else " "
        drawn = (Piece(mark, "accent"), Piece(" " * (MARGIN - 1)), *self._drawn(row, line))
        return (*fill(drawn, self.room.width - 1), self._thumb(y))

    def _drawn(self, row: int, line: int) -> Line:
        if not self.scene.wrapped:
            return row_line(self.scene.rows[row], self._row_style)
        parts = row_lines(self.scene.rows[row], self._row_style)
        part = line - self._start(row)
        return parts[part] if part < len(parts) else ()

    def row_role(self, y: int) -> str:
        """Mark the cursor's row."""
        row = self._row_of(y + self.first)
        if row is None or row != self.scene.cursor:
            return ""
        return "cursor" if self.has_focus else "cursor-blurred"

    def _row_of(self, line: int) -> int | None:
        """Which row stands on a line, counted from the top of them all."""
        if not self.scene.wrapped:
            return line if line < len(self.scene.rows) else None
        if not self._starts or line >= self._starts[-1]:
            return None
        return bisect_right(self._starts, line) - 1

    def _start(self, row: int) -> int:
        return self._starts[row] if self.scene.wrapped else row

    @property
    def _lines(self) -> int:
        """How many lines all rows take."""
        if self.scene.wrapped:
            return self._starts[-1] if self._starts else 0
        return len(self.scene.rows)

    def _notice(self) -> Line:
        scene = self.scene
        if scene.view.rows:
            said = "No row is of this type and holds these words"
        elif scene.view.whole:
            said = "The log is empty"
        else:
            said = ""
        return (Piece(" " * MARGIN), Piece(said, "muted"))

    def _thumb(self, y: int) -> Piece:
        """Draw the place in a log that is longer than the screen."""
        lines, page = self._lines, max(1, self.room.height)
        if lines <= page:
            return Piece(" ")
        length = max(1, page * page // lines)
        start = self.first * (page - length) // max(1, lines - page)
        return Piece(self._look.glyphs.say("▐") if start <= y < start + length else " ", "faint")

    # What happens ---------------------------------------------------------------------------------

    def watch_scene(self, before: LogScene, after: LogScene) -> None:
        """Show what has changed; what one looks at stays where it stands when other rows come."""
        held = before.rows is not after.rows or before.wrapped != after.wrapped
        self.redraw(held=held, came=came_above(before, after, self.size.height))

    def redraw(self, *, held: bool = False, came: int = 0) -> None:
        """Fit, scroll so far that the cursor is visible, and repaint what differs.

        held: the cursor's row stays at its height on the screen. came: new rows above all others.
        """
        if not self.size:
            return
        self.fit()
        start = self._start(self.scene.cursor) if self.scene.rows else 0
        top = self.scroll_offset.y
        self._follow_cursor(start, start - self._height_of_cursor if held else top)
        self._height_of_cursor = start - self.scroll_offset.y
        if top == self.scroll_offset.y:
            self.move_down(self._start(came))
        self.repaint_changes()

    def fit(self) -> None:
        """Settle how rows are drawn in this width, and where each of them begins."""
        self._row_style = self._in_this_width()
        if self.scene.wrapped:
            self._starts = [*accumulate(map(self._height, self.scene.rows), initial=0)]
        self.set_lines(self._lines)

    def _in_this_width(self) -> RowStyle:
        width, scene = max(1, self.size.width - MARGIN - 2), self.scene
        times = times_for(
            scene.view.rows, self.now, self._look, short=width < NARROW, ages=scene.ages
        )
        longest = max(map(_key_width, scene.view.rows), default=1)
        return RowStyle(self._look, width, times, longest, pattern_of(scene.sought))

    def _height(self, row: LogRow) -> int:
        """A wrapped row's lines; known as long as the room for them is the same."""
        shape = (self._row_style.width, self._row_style.body)
        if shape != self._shape or len(self._heights) > 2 * len(self.scene.rows) + 100:
            self._shape = shape
            self._heights.clear()
        known = self._heights.get(id(row))
        if known is None or known[0] is not row:
            known = self._heights[id(row)] = (row, row_height(row, self._row_style))
        return known[1]

    def _follow_cursor(self, start: int, top: int) -> None:
        """Scroll to `top`, or just so far from it that the cursor's row is visible.

        start: the first line of that row, which matters most.
        """
        page, scene = max(1, self.size.height), self.scene
        end = self._start(scene.cursor + 1) if scene.rows else 1
        wanted = min(max(end - page, min(top, start)), start)
        wanted = max(0, min(wanted, self._lines - page))
        if wanted != self.scroll_offset.y:
            self.scroll_to(y=wanted, animate=False, force=True)

    def page_rows(self) -> int:
        """How many rows a page moves by."""
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
        """Point at the clicked row."""
        row = self._row_of(event.y + self.scroll_offset.y)
        if row is not None:
            self.post_message(self.Pointed(row))


def _key_width(row: LogRow) -> int:
    """Cells of a row's key; of a very long one, at least as many as any screen has."""
    key = row.object_key or ""
    return len(key) if key.isascii() else cell_len(key[:MOST_SHOWN])


def came_above(before: LogScene, after: LogScene, most: int) -> int:
    """How many rows came above those that stood there; 0 where those are not near the top."""
    if not before.rows or before.rows is after.rows or before.wrapped != after.wrapped:
        return 0
    newest = before.rows[0]
    return next((n for n, row in enumerate(after.rows[:most]) if row is newest), 0)
