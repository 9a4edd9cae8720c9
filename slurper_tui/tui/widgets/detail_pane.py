"""The detail pane of the highlighted job or migration, and a scrollable block of lines."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import var

from slurper_tui.monitor.model.events import Event
from slurper_tui.tui.render.columns import Facts
from slurper_tui.tui.render.detail import detail_lines
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.state import ScreenState


class TextLines(PaintedLines, can_focus=True):
    """A scrollable block of prepared lines, with arrows at the edges where more lines follow."""

    MARK = 2
    """Cells at the right for the arrow and a blank."""

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(id=id)
        self._look = look
        self._lines: Sequence[Line] = ()

    def lines_for(self, width: int) -> Sequence[Line]:
        """Return the lines for a pane `width` cells wide; subclasses override it."""
        return ()

    def line_at(self, y: int) -> Line:
        """Draw a line and the arrow at its right edge."""
        place = y + self.first
        line = self._lines[place] if place < len(self._lines) else ()
        return (*fill(line, self.room.width - 1), Piece(self._more(y), "faint"))

    def _more(self, y: int) -> str:
        top, height = self.first, self.room.height
        if y == height - 1 and top + height < len(self._lines):
            return self._look.to_ascii("↓")
        return self._look.to_ascii("↑") if y == 0 and top > 0 else " "

    def fit(self) -> None:
        """Make the lines for the current width."""
        self._lines = self.lines_for(max(1, self.size.width - self.MARK))
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
        self.forget_marks()
        self.remake()
        self.scroll_lines(0)


class DetailPane(TextLines):
    """The details of the highlighted job or migration.

    Has the class `-empty` if there are no jobs.
    """

    state: var[ScreenState] = var(ScreenState, init=False)

    def __init__(self, look: Look, *, id: str, window_key: str = "") -> None:
        super().__init__(look, id=id)
        self._window_key = window_key

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """Return the lines of the highlighted job or migration; none if nothing is highlighted."""
        state = self.state
        facts = Facts(self._look, state.now, state.deadline)
        if state.migration is not None:
            from slurper_tui.tui.render.detail import migration_lines  # only needed for a migration

            return migration_lines(state.migration, facts, width)
        if state.job is None:
            return ()
        trace, events = state.snapshot.trace if state.snapshot else None, _events(state)
        return detail_lines(state.job, facts, width, trace, key=self._window_key, events=events)

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Show the new data, scrolled to the top if another line was highlighted."""
        self.set_class(not after.total, "-empty")
        same = before.job is after.job and before.migration is after.migration
        same = same and before.deadline == after.deadline
        if same and before.now == after.now and _events(before) == _events(after):
            return
        if before.place != after.place:
            self.scroll_to(y=0, animate=False, force=True)
        self.remake()


def _events(state: ScreenState) -> tuple[Event, ...]:
    """Return the known events of the highlighted job."""
    return state.snapshot.events if state.snapshot else ()
