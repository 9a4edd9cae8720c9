"""The job list: one row per job or migration, drawn when visible, repainted where it changed.

The module also holds the notice of an empty list and the names of migrations and their jobs.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from textual.message import Message
from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.monitor.model.base import SLOTS, JobKey
from slurper_tui.monitor.reports.wording import NO_JOBS
from slurper_tui.tui.render import columns
from slurper_tui.tui.render.columns import (
    DrawContext,
    Fitted,
    account_name,
    migration,
    short_id,
    source_text,
)
from slurper_tui.tui.render.lines import Line, Piece, fill, shorten, width_of, wrap_words
from slurper_tui.tui.state import Row, RowKey, ScreenState
from slurper_tui.tui.widgets.line_list import FOCUS_SIGN, MARGIN, LineList

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.reports.migrations import Migration
    from slurper_tui.tui.render.glyphs import Look

_HOW_TO_START = (
    f"There are {NO_JOBS}.",
    "",
    "Make one here: press : and choose “new”,",
    "or in the Cloudflare dashboard:",
    "R2 Object Storage → Data Migration → Migrate files.",
    "",
    "It will appear here by itself.",
)


def notice_lines(state: ScreenState, look: Look, width: int) -> tuple[Line, ...]:
    """Return the notice that is shown instead of jobs."""
    snapshot = state.snapshot
    unlisted = [account for account in snapshot.accounts if not account.listed] if snapshot else []
    texts = [*_HOW_TO_START]
    if snapshot is None:
        texts = ["Asking for the job list …"]
    elif state.total and state.filter_text:
        texts = [f"No job matches “{look.sanitise(state.filter_text)}”.", "", "Esc clears it."]
    elif state.total:
        texts = ["All jobs have ended.", "", "They are hidden: press a to show them."]
    elif unlisted:
        texts = []
        for account in unlisted:
            name = account_name(account.account_id, look)
            if account.problem:
                texts.append(f"The job list of account {name} cannot be read; trying again.")
            else:
                page = account.pages + 1
                texts.append(f"Reading the job list of account {name}: page {page}")
    wrapped = (part for text in texts for part in wrap_words(look.to_ascii(text), width))
    return tuple(
        (Piece(text, "strong" if number == 0 else "muted"),) for number, text in enumerate(wrapped)
    )


LEAST_NAME = 16
"""Cells for a name that a verification leaves, at least."""

INDENT = 2
"""Cells before a name: for the sign of a migration, or to indent a job below it."""


def row_name(row: Row, context: DrawContext, width: int, verifying: str = "") -> Line:
    """Return the migration cell of a row. verifying: how far its verification is; "" for none.

    It is left out where it would leave too little room for the name.
    """
    if not verifying:
        return _row_name(row, context, width)
    name = _row_name(row, context, 10**4)
    tail: Line = (Piece(f"  {verifying}", "accent"),)
    if width_of(name) + width_of(tail) <= width:
        return (*name, *tail)
    room = max(1, width - width_of(tail))
    if room >= LEAST_NAME:
        return (*_row_name(row, context, room), *tail)
    return _row_name(row, context, width)


def _row_name(row: Row, context: DrawContext, width: int) -> Line:
    """Return the migration cell of a row without its verification.

    A migration has its fold sign, a job below it the name that distinguishes it there, a retry
    outside of a migration its sign and its buckets.
    """
    if row.migration is None:
        again: Line = (Piece(context.look.to_ascii("↻ "), "accent"),) if row.retry else ()
        return (*again, *migration(row.view, context, max(1, width - width_of(again))))
    room = max(1, width - INDENT)
    if row.is_migration:
        sign = context.look.to_ascii("▾ " if row.unfolded else "▸ ")
        return (Piece(sign, "accent"), *_migration(row.migration, context, room))
    name = shorten(job_name(row.view, row.migration, context), room, context.look.ellipsis)
    if row.view.key not in row.migration.superseded:
        return (Piece(" " * INDENT), Piece(name))
    notes = ("  superseded by a later job", "  superseded", "")
    lines = ((Piece(name, "muted"), Piece(note, "faint")) for note in notes)
    return (Piece(" " * INDENT), *next(line for line in lines if width_of(line) <= room))


def job_name(view: JobView, one: Migration, context: DrawContext) -> str:
    """Return a job's name within its migration: the job it retries, its prefix, or its keys."""
    source = view.job.source
    parent = one.retries.get(view.key)
    if parent is not None:
        sign = context.look.to_ascii("↻")
        return f"{sign} retry of {short_id(parent.job_id, context.look)}"
    if source and source.keys is not None:
        return f"{fmt.count(len(source.keys))} keys"
    if source and source.path_prefix:
        return context.look.sanitise(source.path_prefix)
    return "the whole bucket"


def _migration(one: Migration, context: DrawContext, room: int) -> Line:
    """Return the buckets of a migration, then the other facts that fit beside their names."""
    name = migration(one.view, context, 10**4)
    if one.unstarted:
        return _planned(one, name, context, room)
    number = len(one.jobs)
    jobs = Piece(f"  {fmt.counted(number, 'job')}", "muted")
    slots = (Piece(f"  {one.running}/{SLOTS} slots", "muted"),) if one.view.live else ()
    overlap = (Piece(" !", "warning"),) if one.overlaps else ()
    for tail in ((jobs, *slots, *overlap), (*slots, *overlap)):
        if width_of(tail) + width_of(name) <= room:
            break
    else:
        tail = overlap
    return (*migration(one.view, context, max(1, room - width_of(tail))), *tail)


def _planned(one: Migration, name: Line, context: DrawContext, room: int) -> Line:
    """Return the buckets of a migration, at least the source, and how many jobs are to start."""
    look, number = context.look, fmt.count(one.unstarted)
    overlap = (Piece(" !", "warning"),) if one.overlaps else ()
    slots = (Piece(f"  {one.running}/{SLOTS} slots", "muted"),) if one.view.live else ()
    of_all = Piece(f"  {number} of {fmt.count(len(one.jobs) + one.unstarted)} to start", "accent")
    short = Piece(f" {number} to start", "accent")
    for tail in ((of_all, *slots, *overlap), (of_all, *overlap), (short, *overlap)):
        if width_of(name) + width_of(tail) <= room:
            return (*name, *tail)
    source = source_text(one.view, look)
    return (Piece(shorten(source, max(1, room - width_of(tail)), look.ellipsis)), *tail)


def mark_of(row: Row, state: ScreenState) -> str:
    """Return the mark of a row: of a job, or of some or all live jobs of a migration."""
    if not state.marked:
        return " "
    if row.migration is None or not row.is_migration:
        return "●" if row.key in state.marked else " "
    if not state.marked & row.migration.keys:
        return " "
    live = (view.key for view in row.migration.jobs if view.live)
    return "●" if state.marked.issuperset(live) else "○"


def width_of_numbers(state: ScreenState) -> int:
    """Return the least width in cells of a list with every number; only the bar is missing."""
    dated = state.deadline is not None
    return columns.numbers_width(accounts=state.many_accounts, deadline=dated) + MARGIN + 1


MOST_SUMMED = 500
"""The most jobs of visible migrations that are polled before others."""


class JobTable(LineList):
    """The lines of a state as a list; the state owns the cursor."""

    HEADER = 1
    state: var[ScreenState] = var(ScreenState, init=False)

    class Scrolled(Message):
        """Posted when other rows became visible."""

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(look, id=id)
        self._columns: Fitted = ()
        self._shape: tuple[int, bool, float | None] | None = None
        self._drawn: dict[RowKey, tuple[Row, tuple[object, ...], Line]] = {}

    def line_at(self, y: int) -> Line:
        """Draw the header, a job or migration, or the notice of an empty list.

        A row is drawn again when its view or its age has changed.
        """
        state = self.state
        if not state.lines:
            return self._notice(y)
        if y < self.HEADER:
            return self._header()
        number = self.row_at(y)
        if number is None:
            return (*fill((), self.room.width - 1), self.thumb(y))
        row = state.lines[number]
        now = state.now if columns.is_dated(row.view) else 0.0
        age = columns.state_age(row.view, state.now)
        verifying = state.verifying_in(row)
        words = verifying.words if verifying else ""
        content = (id(row.view), id(row.migration), row.unfolded, row.retry, now, age, words)
        drawn = self._drawn.get(row.key)
        if drawn is None or drawn[1] != content:
            context = DrawContext(self._look, state.now, state.deadline)
            name = partial(row_name, row, context, verifying=words)
            cells = columns.cells(row.view, self._columns, context, name)
            # the row keeps its view and migration alive, so that their ids stay unique
            drawn = self._drawn[row.key] = (row, content, cells)
        mark = Piece(self._look.to_ascii(mark_of(row, state)), "accent")
        line = (self.cursor_sign(number), mark, *drawn[2])
        return (*fill(line, self.room.width - 1), self.thumb(y))

    def _notice(self, y: int) -> Line:
        lines = notice_lines(self.state, self._look, self.size.width - 2 * MARGIN)
        place = y - max(0, (self.size.height - len(lines)) // 3)
        return (Piece(" " * MARGIN), *lines[place]) if 0 <= place < len(lines) else ()

    def _header(self) -> Line:
        view = self.state.view
        titles = columns.header(self._columns, self._look, view.sort, view.inverted)
        if not self.has_focus:
            return (Piece(" " * MARGIN), *titles)
        focused = (
            Piece(text, "heading-focused" if style == "heading" else style)
            for text, style in titles
        )
        sign = self._look.to_ascii(FOCUS_SIGN)
        return (Piece(sign, "accent"), Piece(" " * (MARGIN - 1)), *focused)

    def row_style(self, y: int) -> str:
        """Return the style of the cursor's row, and of rows that are stale or not yet confirmed."""
        row, style = self.row_at(y), super().row_style(y)
        if style or row is None:
            return style
        view = self.state.lines[row].view
        return "stale" if view.stale or view.from_history else ""

    @property
    def cursor(self) -> int | None:
        """The index of the highlighted line; None if there is none."""
        return self.state.cursor

    @property
    def lines(self) -> int:
        """The number of lines."""
        return len(self.state.lines)

    @property
    def top(self) -> int:
        """The index of the first visible line."""
        return self.scroll_offset.y

    @property
    def visible_keys(self) -> frozenset[JobKey]:
        """The visible jobs and the jobs of visible migrations, which are polled first.

        If those migrations have more than `MOST_SUMMED` jobs, at most that many are included, all
        of them jobs with counts that are not known yet.
        """
        lines = self.state.lines[self.top : self.top + self.page]
        sums = [line.migration for line in lines if line.migration and line.is_migration]
        jobs = frozenset(line.view.key for line in lines if not line.is_migration)
        if sum(len(one.keys) for one in sums) <= MOST_SUMMED:
            return jobs.union(*(one.keys for one in sums))
        unknown = (view.key for one in sums for view in one.jobs if view.as_of is None)
        return jobs.union(islice(unknown, MOST_SUMMED))

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Show a new state; if only the cursor moved, compare just the two rows."""
        if not self.size:
            return
        shown = (before.lines is after.lines, before.view is after.view)
        if not all(shown) or before.deadline != after.deadline:
            self.fit()
        scrolled = self.show_cursor()
        if after.same_jobs(before) and not scrolled:
            cursors = [row for row in (before.cursor, after.cursor) if row is not None]
            ys = {row - self.top + self.HEADER for row in cursors}
            self.repaint_changes(sorted(ys.intersection(range(self.HEADER, self.size.height))))
        else:
            self.repaint_changes()

    def fit(self) -> None:
        """Choose the columns for the width, and set the height to scroll."""
        state = self.state
        shape = (self.size.width, state.many_accounts, state.deadline)
        if shape != self._shape:
            self._shape = shape
            self._columns = columns.fit(
                max(1, self.size.width - MARGIN - 1),
                accounts=state.many_accounts,
                deadline=state.deadline is not None,
                only=state.columns,
            )
            self._drawn.clear()
        if len(self._drawn) > 2 * len(state.lines) + 100:
            self._drawn.clear()
        self.set_lines(len(state.lines) + self.HEADER)

    def show_cursor(self, top: int | None = None) -> bool:
        """Scroll to the cursor's row, and report that other rows became visible."""
        scrolled = super().show_cursor(top)
        if scrolled:
            self.post_message(self.Scrolled())
        return scrolled

    def redraw(self) -> None:
        """Fit everything to the new size, which changes the visible rows."""
        super().redraw()
        self.post_message(self.Scrolled())
