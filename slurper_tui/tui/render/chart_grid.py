"""The parts of a chart: time columns and what was measured in each, time labels, cells and titles.

Columns begin at whole multiples of their width in UTC seconds, and the width is a whole multiple of
the trace's step. A column that is over therefore never changes; the chart only moves on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from slurper_tui.format import END_OF_CALENDAR
from slurper_tui.monitor.model.base import Window
from slurper_tui.monitor.model.timeline import Span, Trace, spans_of
from slurper_tui.tui.render.lines import Line, Piece, fill, pad, spread, text_of

if TYPE_CHECKING:
    from slurper_tui.monitor.model.samples import Recorded
    from slurper_tui.tui.render.glyphs import Look

_ENDED = ("completed", "aborted")

_TINY = 1e-6
"""Tolerance in columns for floating-point times."""


class Columns(msgspec.Struct, frozen=True):
    """Equal columns of time.

    seconds: the length of each.
    first: the index of the first column, counted from 1970.
    count: how many there are.
    """

    seconds: float
    first: int
    count: int

    def of(self, at: float) -> int:
        """Return the column of a time (UTC seconds); it may lie outside the chart."""
        return math.floor(at / self.seconds) - self.first

    def begins(self, column: int) -> float:
        """Return the beginning of a column, UTC seconds."""
        return (self.first + column) * self.seconds


def columns_for(trace: Trace, until: float, room: int) -> Columns:
    """Divide the trace's time up to `until` (UTC seconds, may be in the future) into columns.

    room: the most columns. A trace of all time is shown from its first step; a moving window shows
    only columns that lie in it completely.
    """
    steps = max(1.0, (until - trace.since) / trace.step)
    many = max(1, math.floor(steps / (room + 1)))
    while True:
        seconds = trace.step * many
        last = math.floor(until / seconds)
        if trace.window is Window.ALL:
            first = math.floor(trace.since / seconds)
        else:
            first = last - math.floor((until - trace.since) / seconds + _TINY) + 1
        first = min(first, last)
        if last - first < max(1, room):
            return Columns(seconds, first, last - first + 1)
        many += max(1, many // 100)


def first_of(trace: Trace, columns: Columns) -> int:
    """Return the first column where the job existed; it may lie outside the chart."""
    return columns.of(trace.begun) if trace.begun is not None else 0


def ended_at(points: Sequence[Recorded]) -> float | None:
    """Return when the job was first seen as ended, UTC seconds; None if it has not ended."""
    ended = None
    for point in reversed(points):
        if point.status not in _ENDED:
            break
        ended = point.at
    return ended


class ColumnStats(msgspec.Struct):
    """The measurements of one column.

    rate: objects per second; None if nothing was measured.
    seconds: how much of the column the rate covers.
    paused, stalled: at any time in the column.
    """

    rate: float | None = None
    seconds: float = 0.0
    paused: bool = False
    stalled: bool = False


def seen_in(columns: Columns, points: Sequence[Recorded]) -> list[ColumnStats]:
    """Return the measurements of each column; a rate holds for all columns between two samples.

    So does a pause or a stall if both samples have it.
    """
    moved, spent = [0.0] * columns.count, [0.0] * columns.count
    for span in spans_of(points):
        if span.rate is None:
            continue
        for column, seconds in _shares(columns, span):
            moved[column] += span.rate * seconds
            spent[column] += seconds
    seen = [
        ColumnStats(m / s, s) if s > 0 else ColumnStats() for m, s in zip(moved, spent, strict=True)
    ]
    before: Recorded | None = None
    for point in points:
        begun = before if before is not None and not point.after_gap else point
        before = point
        if point.status == "paused" or point.stalled:
            here = columns.of(point.at)
            if 0 <= here < columns.count:
                _add_marks(seen[here], point, point)
            for column in range(max(0, columns.of(begun.at) + 1), min(here, columns.count)):
                _add_marks(seen[column], begun, point)
    return seen


def _shares(columns: Columns, span: Span) -> Sequence[tuple[int, float]]:
    """Return the columns that a span counts for, with the seconds in each.

    It counts for the column where it ends and those it crosses, but not for the column where it
    begins: that one is over and must not change.
    """
    end = columns.of(span.until)
    if end < 0:
        return ()
    begins = columns.begins(end)
    own = ((end, span.until - max(span.since, begins)),) if end < columns.count else ()
    if span.since >= begins - columns.seconds:
        return own
    passed = range(max(0, columns.of(span.since) + 1), min(end, columns.count))
    return (*((column, columns.seconds) for column in passed), *own)


def _add_marks(seen: ColumnStats, one: Recorded, other: Recorded) -> None:
    seen.paused |= one.status == other.status == "paused"
    seen.stalled |= one.stalled and other.stalled


AIR = 2
"""The least cells between two labels."""

_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
_DAYS = (2, 7, 14, 28, 56, 91, 182, 365, 3650)
_CELLS = 9
"""The least cells from the start of one label to the next."""


class Label(NamedTuple):
    """A text at a column.

    texts: the first one that fits is shown, or none.
    lean: the part of the text that is at the column, from 0 (first cell) to 1 (last cell).
    """

    column: int
    texts: tuple[str, ...]
    style: str = "faint"
    lean: float = 0.5


def axis(labels: Iterable[Label], width: int) -> Line:
    """Place labels on a line, the most important first; skip those too close to another."""
    placed: list[tuple[int, str, str]] = []
    for label in labels:
        for text in label.texts:
            size = len(text)
            start = label.column - round((size - 1) * label.lean)
            start = max(0, min(start, width - size))
            free = all(
                start >= x + len(other) + AIR or start + size + AIR <= x for x, other, _ in placed
            )
            if text and size <= width and free:
                placed.append((start, text, label.style))
                break
    line: list[Piece] = []
    x = 0
    for start, text, style in sorted(placed):
        line.extend((Piece(" " * (start - x)), Piece(text, style)))
        x = start + len(text)
    return tuple(piece for piece in line if piece.text)


def end_words(at: float, zone: tzinfo | None) -> tuple[str, ...]:
    """Return label texts for a job's end (UTC seconds), the longest first."""
    then = local(at, zone)
    return f"end {then:%Y-%m-%d %H:%M}", f"end {then:%H:%M}", "end"


def clock_labels(columns: Columns, zone: tzinfo | None) -> Iterator[Label]:
    """Yield labels at round local times: `09:00`, a midnight as its weekday, or a date."""
    since, until = columns.begins(0), columns.begins(columns.count)
    if not 0 <= since < until < END_OF_CALENDAR - 400 * 86_400:
        return
    for at in _round_times(since, until, columns.seconds * _CELLS, zone):
        column = columns.of(at.timestamp())
        if 0 <= column < columns.count:
            yield Label(column, (_name(at, until - since),))


def _round_times(
    since: float, until: float, apart: float, zone: tzinfo | None
) -> Iterator[datetime]:
    """Yield round local times, at least `apart` seconds from each other."""
    midnight = local(since, zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    step = next((timedelta(minutes=m) for m in _MINUTES if m * 60 >= apart), None)
    if step is None:
        days = next((d for d in _DAYS if d * 86_400 >= apart), math.ceil(apart / 86_400))
        midnight -= timedelta(days=midnight.toordinal() % days)
        step = timedelta(days=days)
    ahead = math.floor((since - _utc(midnight, zone).timestamp()) / step.total_seconds())
    for number in range(max(0, ahead - 1), ahead + 2 + int((until - since) / apart)):
        yield _utc(midnight + number * step, zone)


def _utc(naive: datetime, zone: tzinfo | None) -> datetime:
    """Convert local time to an aware datetime; a time skipped by daylight saving moves forward."""
    return naive.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


def local(at: float, zone: tzinfo | None) -> datetime:
    """Convert UTC seconds to local time (zone None: the system's), clamped to the calendar."""
    return datetime.fromtimestamp(max(0.0, min(at, END_OF_CALENDAR)), UTC).astimezone(zone)


def _name(at: datetime, span: float) -> str:
    if span > 6 * 86_400:
        return f"{at.day} {at:%b}" if span < 300 * 86_400 else f"{at:%Y-%m}"
    return f"{at:%a}" if at.hour == at.minute == 0 else f"{at:%H:%M}"


def moment(at: float, now: float, zone: tzinfo | None) -> str:
    """Format a time as short as is clear: `14:02`, `Thu 14:02`, `24 Nov`. Both in UTC seconds."""
    then, today = local(at, zone), local(now, zone)
    if then.date() == today.date():
        return f"{then:%H:%M}"
    if abs((then.date() - today.date()).days) <= 6:
        return f"{then:%a %H:%M}"
    return f"{then.day} {then:%b}" if then.year == today.year else then.date().isoformat()


GUTTER = 7
"""Cells for the scale: `1.2k/s` and a blank."""

SCALED = 22
"""Cells; a narrower chart has no scale."""

Cell = tuple[str, str]
"""A character and its style."""

NOTHING: Cell = (" ", "")


class Ink(NamedTuple):
    """The characters of a chart.

    fills: a cell from empty to full, filled from the bottom.
    unmeasured: the floor where nothing was measured.
    ahead: where the forecast curve may pass.
    finish: when the job may finish.
    open: the job may finish later than shown.
    """

    fills: str
    unmeasured: str
    ahead: str
    finish: str
    open: str
    pause: str
    stall: str


_INK = Ink(" ▁▂▃▄▅▆▇█", "·", "░", "▒", "→", "‖", "▲")
_PLAIN_INK = Ink(" _.:|", " ", "-", "=", ">", "=", "!")


def ink_of(look: Look) -> Ink:
    """Return the characters that the terminal can show."""
    return _PLAIN_INK if look.ascii_only else _INK


def gutter_of(width: int) -> int:
    """Return the cells for the scale."""
    return GUTTER if width >= SCALED else 0


def room_of(width: int) -> int:
    """Return the cells for the columns."""
    return max(1, width - gutter_of(width))


def breadth(columns: int, width: int) -> int:
    """Return the cells for the title: the chart's, or all of `width` if that is much more."""
    drawn = gutter_of(width) + columns
    return drawn if drawn * 4 >= width * 3 else width


def filled_column(level: float, height: int, ink: Ink, style: str) -> tuple[Cell, ...]:
    """Draw a column of cells from the bottom up. level: 0 to 1.

    The lowest part of a cell is the floor: it is drawn wherever something was measured, and alone
    for a level of 0.
    """
    parts = height * (len(ink.fills) - 1) - 1
    drawn = min(parts, round(level * parts))
    if drawn == 0 and level > 0:
        drawn = min(1, parts)
    return _column(1 + drawn, height, ink.fills, style if drawn else "faint")


@lru_cache(maxsize=1024)
def _column(drawn: int, height: int, fills: str, style: str) -> tuple[Cell, ...]:
    """Fill cells from the bottom with `drawn` parts; cached, because many columns are equal."""
    full = len(fills) - 1
    parts = (max(0, min(full, drawn - row * full)) for row in range(height))
    return tuple((fills[part], style) if part else NOTHING for part in parts)


def empty_column(height: int, ink: Ink, *, existed: bool = True) -> tuple[Cell, ...]:
    """Draw a column without a measurement. existed: the job existed, so the floor is marked."""
    floor = (ink.unmeasured, "faint") if existed else NOTHING
    return (floor, *(NOTHING,) * (height - 1))


def chart_of(
    title: Line,
    columns: Sequence[Sequence[Cell]],
    scale: tuple[str, str],
    labels: Iterable[Label],
    width: int,
) -> tuple[Line, ...]:
    """Return a chart: its title, the rows of its columns beside the scale, and the labels below.

    scale: the texts at the top and the bottom of the scale.
    """
    gutter = gutter_of(width)
    rows = list(zip(*columns, strict=True))[::-1]
    names = [""] * len(rows)
    names[-1] = scale[1]
    names[0] = scale[0]
    times = axis(labels, room_of(width))
    if not gutter:
        return (title, *map(_pieces, rows), times)
    beside = [Piece(pad(n, gutter - 1, right=True)[: gutter - 1] + " ", "faint") for n in names]
    lines = [(name, *_pieces(row)) for name, row in zip(beside, rows, strict=True)]
    return (title, *lines, (Piece(" " * gutter), *times))


def _pieces(row: Sequence[Cell]) -> Line:
    runs = groupby(row, key=itemgetter(1))
    return tuple(Piece("".join([char for char, _ in run]), style) for style, run in runs)


def title_of(lefts: Sequence[Line], rights: Sequence[Line], width: int) -> Line:
    """Return a title of the longest left text that fits and the longest right text beside it."""
    left = next((one for one in lefts if len(text_of(one)) <= width), fill(lefts[-1], width))
    room = width - len(text_of(left)) - 1
    right = next((one for one in rights if len(text_of(one)) <= room), ())
    return spread(left, right, width) if right else left
