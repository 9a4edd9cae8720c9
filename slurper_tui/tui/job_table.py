"""The job list: one row a job, drawn only when visible, repainted only where it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.message import Message
from textual.reactive import var

from slurper_tui.monitor.job_key import JobKey
from slurper_tui.monitor.shown import shown_forecast
from slurper_tui.monitor.view import JobView
from slurper_tui.tui import columns
from slurper_tui.tui.columns import Facts, Fitted
from slurper_tui.tui.glyphs import Look
from slurper_tui.tui.lines import Line, Piece, fill
from slurper_tui.tui.notices import notice_lines
from slurper_tui.tui.painted import PaintedLines
from slurper_tui.tui.scene import Scene

MARGIN = 2
"""Cells left of the first column: the cursor's sign and that of a marked job."""

HEADER = 1


class JobTable(PaintedLines, can_focus=True):
    """The shown jobs of a scene, with a cursor that belongs to the screen."""

    scene: var[Scene] = var(Scene, init=False)

    @dataclass
    class Scrolled(Message):
        """Other rows have become visible."""

    @dataclass
    class Pointed(Message):
        """A row was clicked."""

        row: int

    BORDER_TITLE: ClassVar[str] = ""

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(id=id)
        self._look = look
        self._columns: Fitted = ()
        self._shape: tuple[int, bool, bool, bool, float | None] | None = None
        self._drawn: dict[JobKey, tuple[JobView, float, Line]] = {}

    # What stands where -------------------------------------------------------------------------

    def line_at(self, y: int) -> Line:
        """Draw the header, a job, or the words of an empty list."""
        scene = self.scene
        if not scene.jobs:
            return self._notice(y)
        if y < HEADER:
            view = scene.view
            titles = columns.header(self._columns, self._look, view.sort, view.inverted)
            return (Piece(" " * MARGIN), *titles)
        row = self.row_at(y)
        line = self._row(row) if row is not None else ()
        return (*fill(line, self.room.width - 1), self._thumb(y))

    def row_role(self, y: int) -> str:
        """Mark the cursor's row, and dim those that are stale or not yet confirmed."""
        row = self.row_at(y)
        if row is None:
            return ""
        if row == self.scene.cursor:
            return "cursor" if self.has_focus else "cursor-blurred"
        view = self.scene.jobs[row]
        return "stale" if view.stale or view.remembered else ""

    def row_at(self, y: int) -> int | None:
        """Say which job stands on visible row `y`."""
        row = y - HEADER + self.first
        return row if y >= HEADER and row < len(self.scene.jobs) else None

    @property
    def top(self) -> int:
        """The first visible job's row."""
        return self.scroll_offset.y

    @property
    def page(self) -> int:
        """How many jobs have room."""
        return max(1, self.size.height - HEADER)

    @property
    def visible_keys(self) -> frozenset[JobKey]:
        """The jobs on the screen right now."""
        return frozenset(v.key for v in self.scene.jobs[self.top : self.top + self.page])

    def _row(self, row: int) -> Line:
        view = self.scene.jobs[row]
        say = self._look.glyphs.say
        cursor = say("▌") if row == self.scene.cursor else " "
        mark = say("●") if view.key in self.scene.marked else " "
        return (Piece(cursor, "accent"), Piece(mark, "accent"), *self._cells(view))

    def _cells(self, view: JobView) -> Line:
        """Draw a job once; the same view at the same age gives the same line."""
        now = self.scene.now if columns.is_dated(view) else 0.0
        drawn = self._drawn.get(view.key)
        if drawn is None or drawn[0] is not view or drawn[1] != now:
            facts = Facts(self._look, self.scene.now, self.scene.deadline)
            line = columns.cells(view, self._columns, facts)
            drawn = self._drawn[view.key] = (view, now, line)
        return drawn[2]

    def _thumb(self, y: int) -> Piece:
        """Draw the place in a list that is longer than the screen."""
        jobs, page = len(self.scene.jobs), max(1, self.room.height - HEADER)
        if jobs <= page:
            return Piece(" ")
        length = max(1, page * page // jobs)
        start = self.first * (page - length) // max(1, jobs - page)
        inside = start <= y - HEADER < start + length
        return Piece(self._look.glyphs.say("▐") if inside else " ", "faint")

    def _notice(self, y: int) -> Line:
        lines = notice_lines(self.scene, self._look, self.size.width - 2 * MARGIN)
        first = max(0, (self.size.height - len(lines)) // 3)
        inside = first <= y < first + len(lines)
        return (Piece(" " * MARGIN), *lines[y - first]) if inside else ()

    # What happens ------------------------------------------------------------------------------

    def watch_scene(self, before: Scene, after: Scene) -> None:
        """Show a new scene; when only the cursor moved, look at just the two rows."""
        if not self.size:
            return
        shown = (before.jobs is after.jobs, before.view is after.view)
        if not all(shown) or before.deadline != after.deadline:
            self.fit()
        scrolled = self._follow_cursor()
        if after.same_jobs(before) and not scrolled:
            self._repaint_rows(before.cursor, after.cursor)
        else:
            self.repaint_changes()

    def _repaint_rows(self, *rows: int | None) -> None:
        ys = {row - self.top + HEADER for row in rows if row is not None}
        self.repaint_changes(iter(sorted(y for y in ys if HEADER <= y < self.size.height)))

    def fit(self) -> None:
        """Fit the columns to the width and the jobs, and the scrollable height to their number."""
        ages = any(map(columns.is_dated, self.scene.jobs))
        due = self.scene.deadline
        shape = (self.size.width, self.scene.many_accounts, ages, self._has_etas(), due)
        if shape != self._shape:
            self._shape = shape
            width, accounts, ages, etas, _ = shape
            self._columns = columns.fit(
                max(1, width - MARGIN - 1),
                accounts=accounts,
                ages=ages,
                etas=etas,
                deadline=due is not None,
            )
            self._drawn.clear()
        if len(self._drawn) > 2 * len(self.scene.jobs) + 100:
            self._drawn.clear()
        self.set_lines(len(self.scene.jobs) + HEADER)

    def _has_etas(self) -> bool:
        """Some job has an ETA, or had one lately: the column stays for as long as a job runs."""
        jobs = self.scene.jobs
        had = self._shape is not None and self._shape[3]
        return any(shown_forecast(v) or (had and v.live and v.status == "running") for v in jobs)

    def _follow_cursor(self) -> bool:
        """Scroll just so far that the cursor is visible; say whether that moved anything."""
        cursor, top = self.scene.cursor or 0, self.top
        wanted = max(cursor - self.page + 1, min(top, cursor))
        wanted = max(0, min(wanted, len(self.scene.jobs) - self.page))
        if wanted == top:
            return False
        self.scroll_to(y=wanted, animate=False, force=True)
        self.post_message(self.Scrolled())
        return True

    def on_resize(self) -> None:
        """Fit everything to the new size."""
        self.forget_marks()
        self.fit()
        self._follow_cursor()
        self.repaint_changes()
        self.post_message(self.Scrolled())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Repaint what differs after scrolling, instead of everything."""
        self.repaint_changes()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show by the cursor whether keys go here."""
        super().watch_has_focus(has_focus)
        self.repaint_changes()

    def on_click(self, event: object) -> None:
        """Point at the clicked row."""
        y = getattr(event, "y", -1)
        row = self.row_at(y)
        if row is not None:
            self.post_message(self.Pointed(row))
