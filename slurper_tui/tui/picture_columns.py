"""How a span of time is divided into the columns of a picture, and what was seen in each.

Columns begin at whole multiples of their width in UTC seconds, and their width is a whole multiple
of the trace's step. A column that is over therefore never changes: the picture only moves on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.timeline import Span, Trace, Window, spans_of

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
