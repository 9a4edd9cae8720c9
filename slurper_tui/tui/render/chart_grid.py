"""How a span of time is divided into the columns of a picture, and what was seen in each.

Columns begin at whole multiples of their width in UTC seconds, and their width is a whole multiple
of the trace's step. A column that is over therefore never changes: the picture only moves on.

The words under a picture: times along its columns, as many as have room.

What both pictures are made of: a title, rows of cells with a scale at their left, and words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec

from slurper_tui.format import END_OF_CALENDAR
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.timeline import Span, Trace, Window, spans_of
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill, pad, spread, text_of

_ENDED = ("completed", "aborted")

_TINY = 1e-6
"""Of a column; so exact are times as floating numbers."""


class Columns(msgspec.Struct, frozen=True):
    """Columns of time. seconds: of each. first: the place of the first one, counted from 1970."""

    seconds: float
    first: int
    count: int

    def of(self, at: float) -> int:
        """Give the column of a time, UTC seconds; it may lie outside."""
        return math.floor(at / self.seconds) - self.first

    def begins(self, column: int) -> float:
        """When a column begins, UTC seconds."""
        return (self.first + column) * self.seconds


def columns_for(trace: Trace, until: float, room: int) -> Columns:
    """Divide the time of a trace, up to a time that may lie ahead, into at most `room` columns.

    All of a past is shown from its first step on; of a window that moves, what lies in it whole.
    """
    steps = max(1.0, (until - trace.since) / trace.step)
    many = max(1, math.floor(steps / (room + 1)))
    while (columns := _columns(trace, until, many)).count > max(1, room):
        many += max(1, many // 100)
    return columns


def _columns(trace: Trace, until: float, many: int) -> Columns:
    seconds = trace.step * many
    last = math.floor(until / seconds)
    if trace.window is Window.ALL:
        first = math.floor(trace.since / seconds)
    else:
        first = last - math.floor((until - trace.since) / seconds + _TINY) + 1
    first = min(first, last)
    return Columns(seconds, first, last - first + 1)


def first_of(trace: Trace, columns: Columns) -> int:
    """Give the first column in which there was a job; it may lie outside."""
    return columns.of(trace.begun) if trace.begun is not None else 0


def ended_at(points: Sequence[Recorded]) -> float | None:
    """When the job was first seen to have ended, UTC seconds; None while it has not."""
    ended = None
    for point in reversed(points):
        if point.status not in _ENDED:
            break
        ended = point.at
    return ended


class Seen(msgspec.Struct):
    """What was seen in one column.

    rate: objects per second, None where nobody looked. seconds: what the rate was seen for.
    paused, stalled: at any time in it.
    """

    rate: float | None = None
    seconds: float = 0.0
    paused: bool = False
    stalled: bool = False


def seen_in(columns: Columns, points: Sequence[Recorded]) -> list[Seen]:
    """Tell what each column saw; between two samples further apart than a column a rate holds."""
    moved, spent = [0.0] * columns.count, [0.0] * columns.count
    for span in spans_of(points):
        if span.rate is None:
            continue
        for column, seconds in _shares(columns, span):
            moved[column] += span.rate * seconds
            spent[column] += seconds
    seen = [Seen(m / s, s) if s > 0 else Seen() for m, s in zip(moved, spent, strict=True)]
    _mark(columns, points, seen)
    return seen


def _shares(columns: Columns, span: Span) -> Sequence[tuple[int, float]]:
    """Give the columns that a span counts for, and with how many seconds.

    It counts for the one that it ends in and those that it passes over, not for the one that it
    begins in: that one is over, and stays as it was drawn.
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


def _mark(columns: Columns, points: Iterable[Recorded], seen: Sequence[Seen]) -> None:
    """Mark pauses and stalls, also in the columns between two samples that both told of one."""
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


def _add_marks(seen: Seen, one: Recorded, other: Recorded) -> None:
    seen.paused |= one.status == other.status == "paused"
    seen.stalled |= one.stalled and other.stalled


AIR = 2
"""Cells between two labels, at least."""

_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
_DAYS = (2, 7, 14, 28, 56, 91, 182, 365, 3650)
_CELLS = 9
"""Cells from one label to the next, at least."""


class Label(NamedTuple):
    """Words at a column. lean: which part of them stands there: 0 the first, 1 the last cell.

    Of several texts the first one that fits is taken; where none does, nothing is said.
    """

    column: int
    texts: tuple[str, ...]
    role: str = "faint"
    lean: float = 0.5


def axis(labels: Iterable[Label], width: int) -> Line:
    """Set labels in a row, the most important first; one that meets another is left out."""
    placed: list[tuple[int, str, str]] = []
    for label in labels:
        placed.extend(_placed(label, placed, width))
    line: list[Piece] = []
    x = 0
    for start, text, role in sorted(placed):
        line.extend((Piece(" " * (start - x)), Piece(text, role)))
        x = start + len(text)
    return tuple(piece for piece in line if piece.text)


def _placed(
    label: Label, others: list[tuple[int, str, str]], width: int
) -> Iterator[tuple[int, str, str]]:
    for text in label.texts:
        start = label.column - round((len(text) - 1) * label.lean)
        start = max(0, min(start, width - len(text)))
        free = all(
            start >= x + len(other) + AIR or start + len(text) + AIR <= x for x, other, _ in others
        )
        if text and len(text) <= width and free:
            yield start, text, label.role
            return


# By the clock ----------------------------------------------------------------------------------


def end_words(at: float, zone: tzinfo | None) -> tuple[str, ...]:
    """Name the end of a job, UTC seconds, with its day where there is room for it."""
    then = local(at, zone)
    return f"end {then:%Y-%m-%d %H:%M}", f"end {then:%H:%M}", "end"


def clock_labels(columns: Columns, zone: tzinfo | None) -> Iterator[Label]:
    """Name round times of the zone: `09:00`, a midnight by its weekday, far ones by their date."""
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
    """Give times that are round on the zone's clocks, at least `apart` seconds from each other."""
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
    """A reading of the zone's clocks as a moment; a reading that does not exist moves on."""
    return naive.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


def local(at: float, zone: tzinfo | None) -> datetime:
    """A time, UTC seconds, on the zone's clocks (None: the system's); clamped to the calendar."""
    return datetime.fromtimestamp(max(0.0, min(at, END_OF_CALENDAR)), UTC).astimezone(zone)


def _name(at: datetime, span: float) -> str:
    if span > 6 * 86_400:
        return f"{at.day} {at:%b}" if span < 300 * 86_400 else f"{at:%Y-%m}"
    return f"{at:%a}" if at.hour == at.minute == 0 else f"{at:%H:%M}"


def moment(at: float, now: float, zone: tzinfo | None) -> str:
    """A time ahead or past, as short as it is clear: `14:02`, `Thu 14:02`, `24 Nov`."""
    then, today = local(at, zone), local(now, zone)
    if then.date() == today.date():
        return f"{then:%H:%M}"
    if abs((then.date() - today.date()).days) <= 6:
        return f"{then:%a %H:%M}"
    return f"{then.day} {then:%b}" if then.year == today.year else then.date().isoformat()


GUTTER = 7
"""Cells for the scale: `1.2k/s` and a blank."""

SCALED = 22
"""Cells; a narrower picture has no scale."""

Cell = tuple[str, str]
"""A character and its role."""

NOTHING: Cell = (" ", "")


class Ink(NamedTuple):
    """What a picture is drawn with. fills: how full a cell is, from its bottom, from empty on.

    nobody: stands at the bottom where nobody looked. ahead: where the curve may pass. finish: when
    it may arrive. open: it may go on beyond.
    """

    fills: str
    nobody: str
    ahead: str
    finish: str
    open: str
    pause: str
    stall: str


_INK = Ink(" ▁▂▃▄▅▆▇█", "·", "░", "▒", "→", "‖", "▲")
_PLAIN_INK = Ink(" _.:|", " ", "-", "=", ">", "=", "!")


def ink_of(look: Look) -> Ink:
    """Give what a terminal can show."""
    return _PLAIN_INK if look.glyphs.ascii_only else _INK


def gutter_of(width: int) -> int:
    """Give the cells that are kept for the scale."""
    return GUTTER if width >= SCALED else 0


def room_of(width: int) -> int:
    """Give the cells that are left for the columns."""
    return max(1, width - gutter_of(width))


def breadth(columns: int, width: int) -> int:
    """Give the cells that a title spans: the picture's own, unless that is a small part of it."""
    drawn = gutter_of(width) + columns
    return drawn if drawn * 4 >= width * 3 else width


def filled_column(level: float, height: int, ink: Ink, role: str) -> tuple[Cell, ...]:
    """Draw a column of cells from the bottom up. level: 0 to 1.

    The lowest part of a cell is the floor: it stands wherever somebody looked, and alone for none.
    """
    parts = height * (len(ink.fills) - 1) - 1
    drawn = min(parts, round(level * parts))
    if drawn == 0 and level > 0:
        drawn = min(1, parts)
    return _column(1 + drawn, height, ink.fills, role if drawn else "faint")


@lru_cache(maxsize=1024)
def _column(drawn: int, height: int, fills: str, role: str) -> tuple[Cell, ...]:
    """Fill cells with so many parts; a picture has many columns that are the same."""
    full = len(fills) - 1
    parts = (max(0, min(full, drawn - row * full)) for row in range(height))
    return tuple((fills[part], role) if part else NOTHING for part in parts)


def empty_column(height: int, ink: Ink, *, existed: bool = True) -> tuple[Cell, ...]:
    """Draw a column in which nobody looked, or in which there was nothing yet to look at."""
    floor = (ink.nobody, "faint") if existed else NOTHING
    return (floor, *(NOTHING,) * (height - 1))


def rows_of(columns: Sequence[Sequence[Cell]], scale: tuple[str, str], width: int) -> list[Line]:
    """Turn columns into lines, the top one first, with the scale's top and bottom beside them."""
    gutter = gutter_of(width)
    rows = list(zip(*columns, strict=True))[::-1]
    names = [""] * len(rows)
    names[-1] = scale[1]
    names[0] = scale[0]
    return [
        (Piece(pad(name, gutter - 1, right=True)[: gutter - 1] + " ", "faint"), *_pieces(row))
        if gutter
        else _pieces(row)
        for name, row in zip(names, rows, strict=True)
    ]


def _pieces(row: Sequence[Cell]) -> Line:
    runs = groupby(row, key=itemgetter(1))
    return tuple(Piece("".join([char for char, _ in run]), role) for role, run in runs)


def beside_scale(line: Line, width: int) -> Line:
    """Move a line of words under the columns."""
    gutter = gutter_of(width)
    return (Piece(" " * gutter), *line) if gutter else line


def title_of(lefts: Sequence[Line], rights: Sequence[Line], width: int) -> Line:
    """Set the longest left side that fits, and beside it the longest right side."""
    left = next((one for one in lefts if len(text_of(one)) <= width), fill(lefts[-1], width))
    room = width - len(text_of(left)) - 1
    right = next((one for one in rights if len(text_of(one)) <= room), ())
    return spread(left, right, width) if right else left
