"""The bases of widgets with focus: `LineList`, a list of rows, and `TextLines`, a block of text.

A list has a cursor, a scroll bar, pages, and clicks on rows. The state of a subclass owns the
cursor; the list shows it and posts `RowClicked` for a click.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.events import Click
from textual.message import Message

from slurper_tui.tui.render.lines import Line, Piece, fill
from slurper_tui.tui.render.painted import PaintedLines

if TYPE_CHECKING:
    from slurper_tui.tui.render.glyphs import Look

FOCUS_SIGN = "»"
"""The sign before the heading of the pane that has the focus."""

MARGIN = 2
"""Cells left of a row: the cursor's sign, and a blank or another sign."""


class FocusedLines(PaintedLines, can_focus=True):
    """Lines whose background shows whether they have the focus."""

    def row_style(self, y: int) -> str:
        """Return the style of the row: that of a cursor."""
        return "cursor" if self.has_focus else "cursor-blurred"

    def watch_has_focus(self, focused: bool) -> None:
        """Repaint when the focus changes."""
        super().watch_has_focus(focused)
        self.repaint_changes()


class LineList(FocusedLines):
    """A list of rows, each of one or more lines."""

    HEADER: ClassVar[int] = 0
    """How many lines at the top do not scroll."""

    @dataclass
    class RowClicked(Message):
        """Posted when a row was clicked. row: its index."""

        row: int

    @property
    def cursor(self) -> int | None:
        """The index of the highlighted row; None if there is none."""
        return None

    @property
    def lines(self) -> int:
        """How many lines all rows take."""
        return 0

    @property
    def page(self) -> int:
        """How many lines are visible at once."""
        return max(1, self.size.height - self.HEADER)

    def row_of(self, line: int) -> int | None:
        """Return the index of the row at a line, counted from the first one; None for none."""
        return line if 0 <= line < self.lines else None

    def row_at(self, y: int) -> int | None:
        """Return the index of the row at visible line `y`; None for the header and empty lines."""
        return self.row_of(y - self.HEADER + self.first) if y >= self.HEADER else None

    def lines_of(self, row: int) -> range:
        """Return the lines to show while the cursor is on a row: those that the row takes."""
        return range(row, row + 1)

    def redraw(self) -> None:
        """Fit the rows to the size, scroll to the cursor, and repaint the differences."""
        if self.size:
            self.fit()
            self.show_cursor()
            self.repaint_changes()

    def row_style(self, y: int) -> str:
        """Return the style of the cursor's row."""
        row = self.row_at(y)
        return super().row_style(y) if row is not None and row == self.cursor else ""

    def cursor_sign(self, row: int) -> Piece:
        """Return the first cell of a row: a sign for the cursor's row."""
        return Piece(self._look.to_ascii("▌") if row == self.cursor else " ", "accent")

    def thumb(self, y: int) -> Piece:
        """Draw one cell of the scroll bar, if the list is longer than the screen."""
        lines, page = self.lines, max(1, self.room.height - self.HEADER)
        if lines <= page:
            return Piece(" ")
        length = max(1, page * page // lines)
        start = self.first * (page - length) // max(1, lines - page)
        inside = start <= y - self.HEADER < start + length
        return Piece(self._look.to_ascii("▐") if inside else " ", "faint")

    def page_rows(self) -> int:
        """Return how many rows a page moves by."""
        return max(1, self.size.height - 2)

    def show_cursor(self, top: int | None = None) -> bool:
        """Scroll as little as needed to show the cursor's row. Return whether the list scrolled.

        top: the first line to show if the cursor's row is then visible; None for the present one.
        """
        shown = self.lines_of(self.cursor or 0) if self.lines else range(1)
        present = self.scroll_offset.y
        top = present if top is None else top
        top = min(max(shown.stop - self.page, min(top, shown.start)), shown.start)
        top = max(0, min(top, self.lines - self.page))
        if top != present:
            self.scroll_to(y=top, animate=False, force=True)
        return top != present

    def on_resize(self) -> None:
        """Fit everything to the new size."""
        self.drop_repaints()
        self.redraw()

    def on_click(self, event: Click) -> None:
        """Post the clicked row."""
        row = self.row_at(event.y)
        if row is not None:
            self.post_message(self.RowClicked(row))


class TextLines(PaintedLines, can_focus=True):
    """A scrollable block of prepared lines, with arrows at the edges where more lines follow."""

    MARK = 2
    """Cells at the right for the arrow and a blank."""

    LEFT: ClassVar[int] = 0
    """Cells left of a line; the first line has a sign there while the block has the focus."""

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(look, id=id)
        self._lines: Sequence[Line] = ()

    def lines_for(self, width: int) -> Sequence[Line]:
        """Return the lines for a pane `width` cells wide; subclasses override it."""
        return ()

    def line_at(self, y: int) -> Line:
        """Draw a line and the arrow at its right edge."""
        place = y + self.first
        line = self._lines[place] if place < len(self._lines) else ()
        arrow = " "
        if y == self.room.height - 1 and place + 1 < len(self._lines):
            arrow = self._look.to_ascii("↓")
        elif y == 0 and self.first > 0:
            arrow = self._look.to_ascii("↑")
        marked = y == 0 and self.has_focus
        sign = self._look.to_ascii(FOCUS_SIGN) if marked else " "
        left = (Piece(sign * self.LEFT, "accent"),) if self.LEFT else ()
        line = fill(line, self.room.width - 1 - self.LEFT)
        return (*left, *line, Piece(arrow, "faint"))

    def watch_has_focus(self, focused: bool) -> None:
        """Repaint when the focus changes."""
        super().watch_has_focus(focused)
        if self.LEFT:
            self.repaint_changes()

    def fit(self) -> None:
        """Make the lines for the current width."""
        self._lines = self.lines_for(max(1, self.size.width - self.MARK - self.LEFT))
        self.set_lines(len(self._lines))

    def remake(self) -> None:
        """Make the lines again and repaint the differences, unless the widget has no size yet."""
        if self.size:
            self.fit()
            self.repaint_changes()

    def scroll_lines(self, lines: int) -> None:
        """Scroll by this many lines, stopping at the first and the last."""
        last = max(0, len(self._lines) - self.size.height)
        y = max(0, min(self.scroll_offset.y + lines, last))
        self.scroll_to(y=y, animate=False, force=True)

    def on_resize(self) -> None:
        """Make the lines for the new size."""
        self.drop_repaints()
        self.remake()
        self.scroll_lines(0)
