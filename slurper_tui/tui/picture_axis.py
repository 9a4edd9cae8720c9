"""The words under a picture: times along its columns, as many as have room."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from slurper_tui.format import END_OF_CALENDAR
from slurper_tui.tui.lines import Line, Piece
from slurper_tui.tui.picture_columns import Columns

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
