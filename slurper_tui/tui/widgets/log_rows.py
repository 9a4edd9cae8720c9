"""The rows of a log as lines, and the list of them on the log page.

A row is one line (`row_line`) or wrapped in full (`row_lines`), with search matches marked.
`LogLines` draws rows only when they are visible and repaints only where they changed; new rows at
the top move the others down with `move_down`, so that the cursor's row stays where it is on the
screen.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace
from rich.cells import cell_len
from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.format import MOST_SHOWN
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import FAILED_TYPE, Cause, LogView, cause_of, reason_of
from slurper_tui.tui.log_state import LogState, pattern_of
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import MARKS, Line, Piece, cut, fill, pad, shorten, width_of, wrap
from slurper_tui.tui.widgets.line_list import MARGIN, LineList

if TYPE_CHECKING:
    from slurper_tui.api.models import LogRow

GAP = 2
NARROW = 56
"""Narrower rows (cells) have no column for the reason."""

BROAD = 96
SPACIOUS = 130
"""Narrower rows (cells) say `failed` alone: the message, which tells more, needs the room."""

LEAST_MESSAGE = 14
"""The least cells for a message beside a long key."""

LEAST_KEY = 26
"""The cells that a long key keeps beside a long message, if that leaves `LEAST_MESSAGE`."""

LEAST_WITH_NAME = 40
"""The least cells for a key and a message in a row that names its job; with less, the key alone."""

_REASON, _BROAD_REASON = 14, 26
_NAMES = ((BROAD, 24), (NARROW, 14), (0, 8))
"""The width of a row in cells from which a job's name has so many cells at most."""

_AGE = 4
_FALLBACK_TIME = 8

_SIGNS: Mapping[Cause, tuple[str, str, str]] = {
    Cause.FAILED: ("✖", "x", "error"),
    Cause.LISTING_BROKE: ("✖", "x", "error"),
    Cause.NOT_COPIED: ("▲", "!", "warning"),
    Cause.JOB: ("·", "-", "accent"),
    Cause.OTHER: ("?", "?", "neutral"),
}

cached_time = lru_cache(maxsize=16_384)(fmt.parse_time)
"""Parse one of the API's times to UTC seconds; cached, because rows are drawn often."""


class Times(NamedTuple):
    """How times are shown.

    form: a strftime format; "" for ages.
    now: UTC seconds, for ages.
    width: the cells of every time.
    """

    form: str
    now: float
    width: int


class RowLayout(msgspec.Struct, frozen=True, eq=False):
    """How rows are drawn.

    width: cells of a row.
    longest: cells of the longest key in a shown row.
    sought: the pattern whose matches are marked; None for none.
    names: of several jobs, the name of each by its id; empty for the log of one job.
    name: cells for the job's name and the gap behind it; 0 for the log of one job.
    widest: cells of the widest reason in a shown row with a key.
    message: cells of the longest message in such a row.
    """

    look: Look
    width: int
    times: Times
    longest: int = 1
    sought: re.Pattern[str] | None = None
    names: Mapping[str, str] = {}
    name: int = 0
    widest: int = _REASON
    message: int = 0

    @property
    def narrow(self) -> bool:
        """Whether there is no column for the reason."""
        return self.width - self.name < NARROW

    @property
    def body(self) -> int:
        """The first cell after the time, the sign and the job's name."""
        return self.times.width + GAP + 2 + self.name

    @property
    def reason(self) -> int:
        """Cells for the reason; 0 if it has no column."""
        return 0 if self.narrow else min(self.widest, _BROAD_REASON)

    def key(self, room: int) -> int:
        """Return the cells for a key beside a message, of the room for both.

        A key is cut before a message, but not to less than `LEAST_KEY` or two fifths.
        """
        least = max(min(LEAST_KEY, room - LEAST_MESSAGE), room * 2 // 5)
        return max(1, min(self.longest, max(least, room - self.message)))


def sign_of(log_type: str | None, look: Look) -> Piece:
    """Return the one-cell sign of a log type, in its colour."""
    sign, plain, style = _SIGNS[cause_of(log_type)]
    return Piece(plain if look.ascii_only else sign, log_style(log_type, style))


def log_style(log_type: str | None, otherwise: str = "") -> str:
    """Return the style of a log type; `otherwise` for events of the job that are not errors."""
    if log_type == "migrationError":
        return "error"
    cause = cause_of(log_type)
    return _SIGNS[cause][2] if cause is not Cause.JOB else otherwise


def times_for(rows: Sequence[LogRow], now: float, look: Look, *, short: bool, ages: bool) -> Times:
    """Choose a time format with as much of the date as these rows need, or ages.

    now: UTC seconds.
    short: without seconds.
    """
    if ages:
        return Times("", now, _AGE)
    times = {at for row in rows if (at := cached_time(row.created_at)) is not None}
    clock = "%H:%M" if short else "%H:%M:%S"
    if not times:
        return Times(clock, now, _FALLBACK_TIME)
    first, last, today = (_local(at, look) for at in (min(times), max(times), now or max(times)))
    if first.date() == last.date() == today.date():
        form = clock
    else:
        form = f"%m-%d {clock}" if first.year == today.year else f"%Y-%m-%d {clock}"
    return Times(form, now, len(first.strftime(form)))


def _local(at: float, look: Look) -> datetime:
    return datetime.fromtimestamp(at, look.zone)


def time_text(row: LogRow, times: Times, look: Look) -> str:
    """Return a row's time, or the API's text if it cannot be parsed."""
    at = cached_time(row.created_at)
    if at is None:
        text = shorten(look.sanitise(row.created_at), times.width, look.ellipsis)
    else:
        text = _local(at, look).strftime(times.form) if times.form else fmt.age(times.now - at)
    return pad(text, times.width, right=not times.form)


def row_line(row: LogRow, layout: RowLayout) -> Line:
    """Return a row in one line: time, sign, job, reason, key and message.

    If it is too long, the key is cut in its middle, then a reason or message at its end.
    """
    room = max(1, layout.width - layout.body)
    head = _head(row, layout)
    if row.object_key is None:
        most = MARKS * layout.width
        line = (
            *head,
            *_found(_reason_text(row, layout)[:most], log_style(row.log_type, "accent"), layout),
        )
        if row.message is not None:
            text = layout.look.sanitise(row.message)[:most]
            line = (*line, Piece(" " * GAP), *_found(text, "muted", layout))
        return _fitted(line, layout)
    if layout.narrow:
        return _fitted((*head, *_found(_short(row.object_key, layout, room), "", layout)), layout)
    name = _cut(_reason(row.log_type, layout), layout, layout.reason)
    reason = _cell(name, layout.reason, log_style(row.log_type, "muted"), layout)
    room -= layout.reason + 2 * GAP
    crowded = layout.name > 0 and room < LEAST_WITH_NAME
    for_key = room if row.message is None or crowded else layout.key(room)
    key = _cell(_short(row.object_key, layout, for_key), for_key, "", layout)
    message = _found(_cut(row.message or "", layout, room - for_key), "muted", layout)
    gap = Piece(" " * GAP)
    return _fitted((*head, *reason, gap, *key, gap, *message), layout)


def _head(row: LogRow, layout: RowLayout) -> Line:
    time = time_text(row, layout.times, layout.look)
    sign = sign_of(row.log_type, layout.look)
    head = (Piece(time, "muted"), Piece(" " * GAP), sign, Piece(" "))
    if not layout.name:
        return head
    name = _short(layout.names.get(row.job or "", row.job or ""), layout, layout.name - GAP)
    return (*head, *_cell(name, layout.name, "accent", layout))


def _fitted(line: Line, layout: RowLayout) -> Line:
    """Cut a line that is too long and end it with an ellipsis."""
    if width_of(line) <= layout.width:
        return line
    dots = layout.look.ellipsis
    cut = (*fill(line, max(0, layout.width - len(dots))), Piece(dots, "faint"))
    return fill(cut, layout.width)


def _reason(log_type: str | None, layout: RowLayout) -> str:
    short = log_type == FAILED_TYPE and layout.width - layout.name < SPACIOUS
    return str(Cause.FAILED) if short else reason_of(log_type)


def _short(text: str, layout: RowLayout, width: int) -> str:
    return shorten(layout.look.sanitise(text), width, layout.look.ellipsis)


def _cut(text: str, layout: RowLayout, width: int) -> str:
    """Cut the end of a text that is longer than `width` cells."""
    return cut(layout.look.sanitise(text), width, layout.look.ellipsis)


def _cell(text: str, width: int, style: str, layout: RowLayout) -> Line:
    return fill(tuple(_found(text, style, layout)), width)


def _found(text: str, style: str, layout: RowLayout) -> Iterator[Piece]:
    """Yield text with the search matches marked."""
    place = 0
    for match in layout.sought.finditer(text) if layout.sought else ():
        yield Piece(text[place : match.start()], style)
        yield Piece(match[0], "match")
        place = match.end()
    yield Piece(text[place:], style)


def row_height(row: LogRow, layout: RowLayout) -> int:
    """Return how many lines a wrapped row takes."""
    return max(1, sum(1 for _ in _body(row, layout)) + _below(row, layout))


def row_lines(row: LogRow, layout: RowLayout) -> list[Line]:
    """Return a row in full on as many lines as it takes; key and message each begin a new line."""
    head = _head(row, layout)
    if row.object_key is not None:
        room = layout.reason or max(1, layout.width - layout.body)
        name = _cut(_reason(row.log_type, layout), layout, room)
        cell = _cell(name, room, log_style(row.log_type, "muted"), layout)
        head = (*head, *cell, *([] if layout.narrow else [Piece(" " * GAP)]))
    blank = " " * _indent(row, layout)
    lines: list[Line] = [head] if _below(row, layout) else []
    for text, style in _body(row, layout):
        start = (Piece(blank),) if lines else head
        lines.append((*start, *_found(text, style, layout)))
    return lines or [head]


def _below(row: LogRow, layout: RowLayout) -> bool:
    """Return whether the text begins on the second line, as in a narrow row with a key."""
    return layout.narrow and row.object_key is not None


def _indent(row: LogRow, layout: RowLayout) -> int:
    if row.object_key is None:
        return layout.body
    return GAP if layout.narrow else layout.body + layout.reason + GAP


def _body(row: LogRow, layout: RowLayout) -> Iterator[tuple[str, str]]:
    room = layout.width - _indent(row, layout)
    if row.object_key is None:
        style = log_style(row.log_type, "accent")
        yield from ((part, style) for part in wrap(_reason_text(row, layout), room))
    else:
        yield from ((part, "") for part in wrap(layout.look.sanitise(row.object_key), room))
    if row.message is not None:
        yield from ((part, "muted") for part in wrap(layout.look.sanitise(row.message), room))


def _reason_text(row: LogRow, layout: RowLayout) -> str:
    """Return our wording of a row's type, or the type itself, sanitised."""
    return layout.look.sanitise(reason_of(row.log_type))


def layout_for(
    rows: Sequence[LogRow], names: Mapping[str, str], look: Look, width: int, now: float
) -> RowLayout:
    """Return how some rows are drawn in a width in cells. names: of several jobs, by id."""
    shown = {job_id: look.sanitise(name) for job_id, name in names.items()}
    times = times_for(rows, now, look, short=width < NARROW, ages=False)
    return _fitted_to(rows, _layout(shown, look, width, times))


def _layout(
    names: Mapping[str, str],
    look: Look,
    width: int,
    times: Times,
    sought: re.Pattern[str] | None = None,
) -> RowLayout:
    """Return a layout whose columns are not fitted to rows yet."""
    most = next(room for least, room in _NAMES if width >= least)
    longest_name = max(map(cell_len, names.values()), default=0)
    name = min(most, longest_name) + GAP if names else 0
    return RowLayout(look, width, times, sought=sought, names=names, name=name)


def _fitted_to(rows: Iterable[LogRow], layout: RowLayout) -> RowLayout:
    """Give the columns the width that these rows need."""
    rows = [row for row in rows if row.object_key is not None]
    return replace(
        layout,
        longest=max((_cells(row.object_key or "", layout.look) for row in rows), default=1),
        widest=_widest(rows, layout),
        message=max((_cells(row.message or "", layout.look) for row in rows), default=0),
    )


def _widest(rows: Iterable[LogRow], layout: RowLayout) -> int:
    """Return the cells of the widest reason of the rows with a key."""
    types = {row.log_type for row in rows if row.object_key is not None}
    return max((_cells(_reason(type, layout), layout.look) for type in types), default=0)


def _cells(text: str, look: Look) -> int:
    """Return the width of a text; a very long one counts as at least the widest screen."""
    return cell_len(look.sanitise(text[:MOST_SHOWN]))


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
            self._row_layout = replace(layout, widest=_widest(rows, layout))
        else:
            self._row_layout = _fitted_to(rows[top : top + self.size.height], layout)

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
        return _layout(self._names, self._look, width, times, sought)

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
