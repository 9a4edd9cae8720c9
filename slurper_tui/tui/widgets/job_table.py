"""The job list: one row per job or migration, drawn when visible, repainted where it changed.

The module also holds the notice of an empty list and the names of migrations and their jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import ClassVar

from textual.message import Message
from textual.reactive import var

from slurper_tui import format as words
from slurper_tui.monitor.model.base import SLOTS, JobKey
from slurper_tui.monitor.model.job import AccountView, JobView, Snapshot, shown_forecast
from slurper_tui.monitor.reports.migrations import Migration
from slurper_tui.tui.render import columns
from slurper_tui.tui.render.columns import Facts, Fitted, migration, short_id
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill, shorten, width_of, wrap_words
from slurper_tui.tui.state import Row, RowKey, ScreenState
from slurper_tui.tui.widgets.line_list import MARGIN, LineList

_HOW_TO_START = (
    "There are no Super Slurper jobs here yet.",
    "",
    "Make one here: press : and choose “new”,",
    "or in the Cloudflare dashboard:",
    "R2 Object Storage → Data Migration → Migrate files.",
    "",
    "It will appear here by itself.",
)


def notice_lines(state: ScreenState, look: Look, width: int) -> tuple[Line, ...]:
    """Return the notice that is shown instead of jobs."""
    texts = _texts(state, look)
    wrapped = (part for text in texts for part in wrap_words(look.to_ascii(text), width))
    return tuple(
        (Piece(text, "strong" if number == 0 else "muted"),) for number, text in enumerate(wrapped)
    )


def _texts(state: ScreenState, look: Look) -> tuple[str, ...]:
    snapshot = state.snapshot
    if snapshot is None:
        return ("Asking for the job list …",)
    if state.total:
        return _nothing_matches(state, look)
    if all(account.listed for account in snapshot.accounts):
        return _HOW_TO_START
    return tuple(_reading(snapshot, look))


def _nothing_matches(state: ScreenState, look: Look) -> tuple[str, ...]:
    if state.filter_text:
        return (f"No job matches “{look.sanitise(state.filter_text)}”.", "", "Esc clears it.")
    return ("All jobs have ended.", "", "They are hidden: press a to show them.")


def _reading(snapshot: Snapshot, look: Look) -> Iterator[str]:
    for account in snapshot.accounts:
        if not account.listed:
            yield _account_reading(account, look)


def _account_reading(account: AccountView, look: Look) -> str:
    name = short_id(account.account_id, look, 12)
    if account.problem:
        return f"The job list of account {name} cannot be read; trying again."
    return f"Reading the job list of account {name}: page {account.pages + 1}"


INDENT = 2
"""Cells before a name: for the sign of a migration, or to indent a job below it."""


def row_name(row: Row, facts: Facts, width: int) -> Line:
    """Return the migration cell of a row.

    A migration has its fold sign, a job below it the name that distinguishes it there, a retry
    outside of a migration its sign and its buckets.
    """
    if row.migration is None:
        again: Line = (Piece(facts.look.to_ascii("↻ "), "accent"),) if row.retry else ()
        return (*again, *migration(row.view, facts, max(1, width - width_of(again))))
    room = max(1, width - INDENT)
    if not row.is_migration:
        return (Piece(" " * INDENT), *_job(row.view, row.migration, facts, room))
    sign = facts.look.to_ascii("▾ " if row.unfolded else "▸ ")
    return (Piece(sign, "accent"), *_migration(row.migration, facts, room))


def job_name(view: JobView, one: Migration, facts: Facts) -> str:
    """Return a job's name within its migration: the job it retries, its prefix, or its keys."""
    source, say = view.job.source, facts.look.to_ascii
    parent = one.retries.get(view.key)
    if parent is not None:
        return f"{say('↻')} retry of {short_id(parent.job_id, facts.look)}"
    if source and source.keys is not None:
        return f"{words.count(len(source.keys))} keys"
    if source and source.path_prefix:
        return facts.look.sanitise(source.path_prefix)
    return "the whole bucket"


def _job(view: JobView, one: Migration, facts: Facts, room: int) -> Line:
    name = Piece(shorten(job_name(view, one, facts), room, facts.look.ellipsis))
    if view.key not in one.superseded:
        return (name,)
    later = Piece("  done again", "faint")
    name = Piece(name.text, "muted")
    return (name, later) if width_of((name, later)) <= room else (name,)


def _migration(one: Migration, facts: Facts, room: int) -> Line:
    """Return the buckets of a migration, then the other facts that fit beside their names."""
    name = migration(one.view, facts, 10**4)
    number = len(one.jobs)
    jobs = Piece("  1 job" if number == 1 else f"  {words.count(number)} jobs", "muted")
    slots = (Piece(f"  {one.running}/{SLOTS} slots", "muted"),) if one.view.live else ()
    overlap = (Piece(" !", "warning"),) if one.overlaps else ()
    for tail in ((jobs, *slots, *overlap), (*slots, *overlap)):
        if width_of(tail) + width_of(name) <= room:
            break
    else:
        tail = overlap
    return (*migration(one.view, facts, max(1, room - width_of(tail))), *tail)


MOST_SUMMED = 500
"""The most jobs of visible migrations that are polled before others."""


class JobTable(LineList):
    """The lines of a state as a list; the state owns the cursor."""

    HEADER = 1
    state: var[ScreenState] = var(ScreenState, init=False)

    @dataclass
    class Scrolled(Message):
        """Posted when other rows became visible."""

    BORDER_TITLE: ClassVar[str] = ""

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(look, id=id)
        self._columns: Fitted = ()
        self._shape: tuple[int, bool, bool, bool, float | None] | None = None
        self._drawn: dict[RowKey, tuple[Row, float, Line]] = {}

    def line_at(self, y: int) -> Line:
        """Draw the header, a job or migration, or the notice of an empty list."""
        state = self.state
        if not state.lines:
            return self._notice(y)
        if y < self.HEADER:
            view = state.view
            titles = columns.header(self._columns, self._look, view.sort, view.inverted)
            return (Piece(" " * MARGIN), *titles)
        row = self.row_at(y)
        line = self._row(row) if row is not None else ()
        return (*fill(line, self.room.width - 1), self.thumb(y))

    def row_style(self, y: int) -> str:
        """Return the style of the cursor's row, and of rows that are stale or not yet confirmed."""
        row, style = self.row_at(y), super().row_style(y)
        if style or row is None:
            return style
        view = self.state.lines[row].view
        return "stale" if view.stale or view.remembered else ""

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

    def _row(self, number: int) -> Line:
        row = self.state.lines[number]
        mark = self._look.to_ascii("●") if row.key in self.state.marked else " "
        return (self.cursor_sign(number), Piece(mark, "accent"), *self._cells(row))

    def _cells(self, row: Row) -> Line:
        """Draw the cells of a line; cached while the view and its age are the same."""
        now = self.state.now if columns.is_dated(row.view) else 0.0
        drawn = self._drawn.get(row.key)
        if drawn is None or drawn[1] != now or not _same(drawn[0], row):
            facts = Facts(self._look, self.state.now, self.state.deadline)
            line = columns.cells(row.view, self._columns, facts, partial(row_name, row, facts))
            drawn = self._drawn[row.key] = (row, now, line)
        return drawn[2]

    def _notice(self, y: int) -> Line:
        lines = notice_lines(self.state, self._look, self.size.width - 2 * MARGIN)
        first = max(0, (self.size.height - len(lines)) // 3)
        inside = first <= y < first + len(lines)
        return (Piece(" " * MARGIN), *lines[y - first]) if inside else ()

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Show a new state; if only the cursor moved, compare just the two rows."""
        if not self.size:
            return
        shown = (before.lines is after.lines, before.view is after.view)
        if not all(shown) or before.deadline != after.deadline:
            self.fit()
        scrolled = self.show_cursor()
        if after.same_jobs(before) and not scrolled:
            self._repaint_rows(before.cursor, after.cursor)
        else:
            self.repaint_changes()

    def _repaint_rows(self, *rows: int | None) -> None:
        ys = {row - self.top + self.HEADER for row in rows if row is not None}
        self.repaint_changes(iter(sorted(y for y in ys if self.HEADER <= y < self.size.height)))

    def fit(self) -> None:
        """Choose the columns for the width and the jobs, and set the height to scroll."""
        ages = any(map(columns.is_dated, self.state.jobs))
        due = self.state.deadline
        shape = (self.size.width, self.state.many_accounts, ages, self._has_etas(), due)
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
        if len(self._drawn) > 2 * len(self.state.lines) + 100:
            self._drawn.clear()
        self.set_lines(len(self.state.lines) + self.HEADER)

    def _has_etas(self) -> bool:
        """Return whether to show the ETA column.

        It is shown once some job has an ETA, and stays while a job is running.
        """
        jobs = self.state.jobs
        had = self._shape is not None and self._shape[3]
        return any(shown_forecast(v) or (had and v.live and v.status == "running") for v in jobs)

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


def _same(before: Row, after: Row) -> bool:
    """Return whether two rows with one key draw the same cells."""
    views = before.view is after.view and before.migration is after.migration
    return views and (before.unfolded, before.retry) == (after.unfolded, after.retry)
