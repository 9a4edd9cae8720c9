"""The rows of a log as lines: in one line (`row_line`) or wrapped in full (`row_lines`).

A `RowLayout` gives the columns their widths, and the matches of a search are marked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace
from rich.cells import cell_len

from slurper_tui import format as fmt
from slurper_tui.format import MOST_SHOWN
from slurper_tui.monitor.model.logs import FAILED_TYPE, Cause, cause_of, reason_of
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import MARKS, Line, Piece, cut, fill, pad, shorten, width_of, wrap

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
    return fitted_to(rows, unfitted_layout(shown, look, width, times))


def unfitted_layout(
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


def fitted_to(rows: Iterable[LogRow], layout: RowLayout) -> RowLayout:
    """Give the columns the width that these rows need."""
    rows = [row for row in rows if row.object_key is not None]
    return replace(
        layout,
        longest=max((_cells(row.object_key or "", layout.look) for row in rows), default=1),
        widest=widest_reason(rows, layout),
        message=max((_cells(row.message or "", layout.look) for row in rows), default=0),
    )


def widest_reason(rows: Iterable[LogRow], layout: RowLayout) -> int:
    """Return the cells of the widest reason of the rows with a key."""
    types = {row.log_type for row in rows if row.object_key is not None}
    return max((_cells(_reason(type, layout), layout.look) for type in types), default=0)


def _cells(text: str, look: Look) -> int:
    """Return the width of a text; a very long one counts as at least the widest screen."""
    return cell_len(look.sanitise(text[:MOST_SHOWN]))
