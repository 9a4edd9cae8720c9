"""The rows of the log page: their state, and the list that shows them.

`LogState` is one frozen value, and functions return a changed one; each that changes rows or search
text recomputes `matches`. `LogLines` draws rows only when they are visible and repaints only where
they changed; new rows at the top move the others down with `move_down`, so that the cursor's row
stays where it is on the screen.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogView, reason_of
from slurper_tui.tui.render.lines import Line, Piece, fill
from slurper_tui.tui.render.log_text import (
    NARROW,
    RowLayout,
    fitted_to,
    row_height,
    row_line,
    row_lines,
    times_for,
    unfitted_layout,
    widest_reason,
)
from slurper_tui.tui.state import fold_text
from slurper_tui.tui.widgets.line_list import MARGIN, LineList

if TYPE_CHECKING:
    from slurper_tui.tui.render.glyphs import Look

Kind = tuple[str | None, ...]
"""The log type that is shown alone; empty for all types. (None,) shows rows without a type."""


class LogState(msgspec.Struct, frozen=True, eq=False):
    """A log and how it is displayed.

    rows: the filtered rows, newest first.
    cursor: index of the highlighted row.
    following: if the cursor is on the newest row, it stays on the newest.
    fresh: how many rows have arrived since the cursor was last on the newest row.
    wrapped: show rows in full instead of one line each.
    ages: show times as ages.
    only, filter_text: which rows are shown.
    sought: the search text.
    matches: indices of the rows that contain it.
    names: of several jobs, the name of each by its id; filter and search find it.
    """

    view: LogView
    rows: tuple[LogRow, ...] = ()
    cursor: int = 0
    following: bool = True
    fresh: int = 0
    wrapped: bool = False
    ages: bool = False
    only: Kind = ()
    filter_text: str = ""
    sought: str = ""
    matches: tuple[int, ...] = ()
    names: Mapping[str, str] = {}

    @property
    def row(self) -> LogRow | None:
        """The highlighted row; None if there are no rows."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    @property
    def sticks(self) -> bool:
        """Whether the cursor is on the newest row and stays on the newest."""
        return self.following and self.cursor == 0

    @property
    def place(self) -> int | None:
        """The number of the highlighted match, from 1; None if the cursor is not on a match."""
        place = bisect_left(self.matches, self.cursor)
        return place + 1 if self.cursor in self.matches[place : place + 1] else None


def see(state: LogState, view: LogView) -> LogState:
    """Return the state with a newer view; the cursor keeps its row, or stays on the newest."""
    rows = _filtered(view.rows, state)
    cursor, fresh = 0, 0
    if state.row is not None and not state.sticks:
        cursor = _index(rows, state.row, max(0, min(state.cursor, len(rows) - 1)))
        fresh = state.fresh + _index(rows, state.rows[0], len(rows))
    return _matched(replace(state, view=view, rows=rows, cursor=cursor, fresh=fresh))


def _index(rows: tuple[LogRow, ...], row: LogRow, otherwise: int) -> int:
    """Return the index of a row; `otherwise` if it is gone."""
    try:
        return rows.index(row)
    except ValueError:
        return otherwise


def show(state: LogState, *, only: Kind | None = None, filter_text: str | None = None) -> LogState:
    """Change the type or the text filter.

    The cursor keeps its row or goes to the next older one.
    """
    changed = replace(
        state,
        only=state.only if only is None else only,
        filter_text=state.filter_text if filter_text is None else filter_text,
    )
    rows = _filtered(state.view.rows, changed)
    cursor = 0
    if state.row is not None and not state.sticks:
        newer = state.view.rows[: _index(state.view.rows, state.row, 0)]
        ids = set(map(id, newer))
        cursor = max(0, min(sum(id(row) in ids for row in rows), len(rows) - 1))
    return _matched(replace(changed, rows=rows, cursor=cursor, fresh=0))


def seek(state: LogState, text: str) -> LogState:
    """Set the search text; the cursor does not move."""
    return _matched(replace(state, sought=text))


def move_to(state: LogState, row: int) -> LogState:
    """Move the cursor to a row, clamped to the rows; on the newest row `fresh` becomes 0."""
    cursor = max(0, min(row, len(state.rows) - 1))
    return replace(state, cursor=cursor, fresh=state.fresh if cursor else 0)


def to_match(state: LogState, step: int) -> LogState:
    """Move the cursor to the next older (1) or newer (-1) match, wrapping around at the end."""
    if not state.matches:
        return state
    find = bisect_right if step > 0 else bisect_left
    place = find(state.matches, state.cursor) - (step < 0)
    return move_to(state, state.matches[place % len(state.matches)])


def to_first_match(state: LogState) -> LogState:
    """Keep the cursor if it is on a match, else move it to the next older match."""
    return state if state.place else to_match(state, 1)


def follow(state: LogState) -> LogState:
    """Toggle following; switching it on moves the cursor to the newest row."""
    if state.sticks:
        return replace(state, following=False)
    return replace(state, following=True, cursor=0, fresh=0)


def kinds(state: LogState) -> list[tuple[str | None, int]]:
    """Return the log types among the loaded rows with their counts, the most frequent first."""
    counted = Counter(row.log_type for row in state.view.rows)
    return sorted(counted.items(), key=lambda kind: (-kind[1], kind[0] or ""))


def next_kind(state: LogState) -> LogState:
    """Show the next type alone, or all types after the last one."""
    choices: list[Kind] = [(), *((type,) for type, _ in kinds(state))]
    place = choices.index(state.only) if state.only in choices else 0
    return show(state, only=choices[(place + 1) % len(choices)])


def _filtered(rows: tuple[LogRow, ...], state: LogState) -> tuple[LogRow, ...]:
    """Return the rows of the shown type that contain every word, and no word after a `!`."""
    if state.only:
        rows = tuple(row for row in rows if row.log_type in state.only)
    terms = fold_text(state.filter_text).split()
    excluded = [term[1:] for term in terms if term.startswith("!") and term != "!"]
    needed = [term for term in terms if term == "!" or not term.startswith("!")]

    def shown(row: LogRow) -> bool:
        text = fold_text(text_of_row(row, state.names))
        return all(term in text for term in needed) and not any(term in text for term in excluded)

    return tuple(filter(shown, rows)) if terms else rows


def _matched(state: LogState) -> LogState:
    pattern = pattern_of(state.sought)
    if pattern is None:
        return replace(state, matches=())
    texts = (text_of_row(row, state.names) for row in state.rows)
    return replace(state, matches=tuple(n for n, text in enumerate(texts) if pattern.search(text)))


def pattern_of(text: str) -> re.Pattern[str] | None:
    """Return a pattern that matches the text in any case and Unicode normal form; None for ""."""
    pattern = ""
    for char in unicodedata.normalize("NFC", text):
        decomposed = unicodedata.normalize("NFD", char)
        pattern += re.escape(char) if decomposed == char else f"(?:{char}|{decomposed})"
    return re.compile(pattern, re.IGNORECASE) if text else None


def text_of_row(row: LogRow, names: Mapping[str, str] = {}) -> str:
    """Return the searchable text of a row: the API's fields, our wording of its reason, its job.

    Very long texts are bounded to the part that can be displayed. names: of the jobs, by id.
    """
    name = names.get(row.job or "")
    texts = (row.log_type, reason_of(row.log_type), row.object_key, row.message, name)
    return "\n".join(fmt.bounded(text) for text in texts if text)


NOTHING = LogState(LogView(JobKey("", "")))


class LogLines(LineList):
    """The shown rows of a log.

    names: of several jobs, the name of each by its id; empty for the log of one job.
    now: the time of the newest data, UTC seconds.
    """

    state: var[LogState] = var(NOTHING, init=False)

    def __init__(self, look: Look, names: Mapping[str, str], *, id: str) -> None:
        super().__init__(look, id=id)
        self.now = 0.0
        self._names = {job_id: look.sanitise(name) for job_id, name in names.items()}
        self._fitted_at = -1.0
        self._row_layout = self._in_this_width()
        self._starts: Sequence[int] = ()
        self._heights: dict[int, tuple[LogRow, int]] = {}
        self._height_of_cursor = 0
        self._shape: tuple[int, int] = (0, 0)

    def line_at(self, y: int) -> Line:
        """Draw a row or a line of a wrapped one; the notice if no row is shown."""
        state, line = self.state, y + self.first
        if not state.rows:
            text = "The log is empty" if state.view.whole else ""
            if state.view.rows:
                text = "No row is of this type and holds these words"
            return (Piece(" " * MARGIN), Piece(text, "muted")) if y == 0 else ()
        row = self.row_of(line)
        if row is None:
            return ()
        if state.wrapped:
            parts, part = row_lines(state.rows[row], self._row_layout), line - self._start(row)
            drawn = parts[part] if part < len(parts) else ()
        else:
            drawn = row_line(state.rows[row], self._row_layout)
        margin = (self.cursor_sign(row), Piece(" " * (MARGIN - 1)))
        return (*fill((*margin, *drawn), self.room.width - 1), self.thumb(y))

    def row_of(self, line: int) -> int | None:
        """Return the index of the row at a line, counted from the top of the log; None for none."""
        if not self.state.wrapped:
            return super().row_of(line)
        if not self._starts or line >= self._starts[-1]:
            return None
        return bisect_right(self._starts, line) - 1

    def _start(self, row: int) -> int:
        return self._starts[row] if self.state.wrapped else row

    def lines_of(self, row: int) -> range:
        """Return the lines that a row takes."""
        return range(self._start(row), self._start(row + 1))

    @property
    def cursor(self) -> int | None:
        """The index of the highlighted row."""
        return self.state.cursor

    @property
    def lines(self) -> int:
        """How many lines all rows take."""
        if self.state.wrapped:
            return self._starts[-1] if self._starts else 0
        return len(self.state.rows)

    def watch_state(self, before: LogState, after: LogState) -> None:
        """Show a new state; the cursor's row keeps its place on the screen when the rows change."""
        same_rows = before.rows is after.rows and before.view.rows is after.view.rows
        ways = [(state.wrapped, state.ages, state.sought) for state in (before, after)]
        if after.rows and same_rows and ways[0] == ways[1] and self._fitted_at == self.now:
            # only the cursor moved: without scrolling, only two rows are drawn again
            top = self.scroll_offset.y
            self.show_cursor()
            self._height_of_cursor = self._start(after.cursor) - self.scroll_offset.y
            if top != self.scroll_offset.y:
                self.repaint_changes()
                return
            for row in (before.cursor, after.cursor):
                first, end = (self._start(number) - top for number in (row, row + 1))
                self.repaint_changes(range(max(0, first), min(end, self.size.height)))
            return
        keep_height = before.rows is not after.rows or before.wrapped != after.wrapped
        self.redraw(
            keep_height=keep_height, added=rows_added_above(before, after, self.size.height)
        )

    def redraw(self, *, keep_height: bool = False, added: int = 0) -> None:
        """Fit the rows, scroll to the cursor, and repaint the differences.

        keep_height: keep the cursor's row at its height on the screen.
        added: how many new rows are above all others.
        """
        if not self.size:
            return
        self.fit()
        start = self._start(self.state.cursor) if self.state.rows else 0
        top = self.scroll_offset.y
        self.show_cursor(start - self._height_of_cursor if keep_height else None)
        self._height_of_cursor = start - self.scroll_offset.y
        if top == self.scroll_offset.y:
            self.move_down(self._start(added))
        self.repaint_changes()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Fit the columns to the rows that are visible now."""
        if not self.state.wrapped:
            self._fit_columns()
        super().watch_scroll_y(old_value, new_value)

    def _fit_columns(self) -> None:
        """Give the columns the width that the visible rows need.

        A wrapped row's height depends on the column of the reasons, which is then that of all rows.
        """
        rows, layout, top = self.state.rows, self._row_layout, self.scroll_offset.y
        if self.state.wrapped:
            self._row_layout = replace(layout, widest=widest_reason(rows, layout))
        else:
            self._row_layout = fitted_to(rows[top : top + self.size.height], layout)

    def fit(self) -> None:
        """Compute how rows are drawn in this width and, if wrapped, where each begins."""
        self._fitted_at = self.now
        self._row_layout = self._in_this_width()
        self._fit_columns()
        if self.state.wrapped:
            self._starts = [*accumulate(map(self._height, self.state.rows), initial=0)]
        self.set_lines(self.lines)

    def _in_this_width(self) -> RowLayout:
        width, state = max(1, self.size.width - MARGIN - 2), self.state
        times = times_for(
            state.view.rows, self.now, self._look, short=width < NARROW, ages=state.ages
        )
        sought = pattern_of(state.sought)
        return unfitted_layout(self._names, self._look, width, times, sought)

    def _height(self, row: LogRow) -> int:
        """Return the lines of a wrapped row; cached while the width for its text is the same."""
        shape = (self._row_layout.width, self._row_layout.body)
        if shape != self._shape or len(self._heights) > 2 * len(self.state.rows) + 100:
            self._shape = shape
            self._heights.clear()
        cached = self._heights.get(id(row))
        if cached is None or cached[0] is not row:
            cached = self._heights[id(row)] = (row, row_height(row, self._row_layout))
        return cached[1]


def rows_added_above(before: LogState, after: LogState, most: int) -> int:
    """Return how many of the first `most` rows are new above the previous newest.

    0 if not near the top.
    """
    if not before.rows or before.rows is after.rows or before.wrapped != after.wrapped:
        return 0
    newest = before.rows[0]
    return next((n for n, row in enumerate(after.rows[:most]) if row is newest), 0)
