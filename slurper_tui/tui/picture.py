"""A job's rate over time, as a curve of blocks: what was seen, and where nobody looked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from slurper_tui import format as words
from slurper_tui.monitor.model.timeline import Trace, Window
from slurper_tui.tui.glyphs import Look
from slurper_tui.tui.lines import Line, Piece
from slurper_tui.tui.picture_axis import Label, axis, clock_labels, end_words
from slurper_tui.tui.picture_columns import Columns, Seen, columns_for, ended_at, first_of, seen_in
from slurper_tui.tui.picture_frame import (
    Cell,
    Ink,
    beside_scale,
    breadth,
    empty_column,
    filled_column,
    ink_of,
    room_of,
    rows_of,
    title_of,
)

HOURLY = 0.1
"""Objects per second; slower rates are told by the hour."""

_ROUND = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def rate_picture(
    trace: Trace, look: Look, width: int, height: int, *, key: str = ""
) -> tuple[Line, ...]:
    """Draw the rate over time in `height` rows, between a title and the times.

    width: cells. key: what switches the window, as a person reads it; "" says nothing about it.
    """
    width, height = max(1, width), max(1, height)
    columns = columns_for(trace, trace.until, room_of(width))
    seen, ink = seen_in(columns, trace.points), ink_of(look)
    rates = [column.rate for column in seen if column.rate is not None]
    peak = max(rates, default=0.0)
    top, unit = scale_top(peak), unit_for(peak)
    first = first_of(trace, columns)
    nothing = empty_column(height, ink, existed=False)
    cells = [
        _column(one, top, height, ink) if place >= first or one.rate is not None else nothing
        for place, one in enumerate(seen)
    ]
    scale = (unit.told(top) + unit.name if peak else "", "0" if rates and height > 1 else "")
    return (
        _title(trace, _told(seen, rates), look, breadth(columns.count, width), key),
        *rows_of(cells, scale, width),
        beside_scale(axis(_times(trace, columns, look), room_of(width)), width),
    )


class Unit(NamedTuple):
    """What a rate is told by. seconds: how long it is. name: how it is written."""

    seconds: int
    name: str

    def told(self, rate: float) -> str:
        """A rate, objects per second, in this unit, without its name."""
        return words.rate(rate * self.seconds)


def unit_for(peak: float) -> Unit:
    """Tell rates by the second, or by the hour where even the peak is slower than `HOURLY`."""
    return Unit(3600, "/h") if 0 < peak < HOURLY else Unit(1, "/s")


def scale_top(peak: float) -> float:
    """Give a round rate, objects per second, that is no less than the peak: it seldom moves."""
    unit = unit_for(peak).seconds
    wanted = max(peak * unit, 1.0)
    size = 10.0 ** math.floor(math.log10(wanted))
    return next((n * size for n in _ROUND if wanted <= n * size * (1 + 1e-9)), 10 * size) / unit


def _column(seen: Seen, top: float, height: int, ink: Ink) -> tuple[Cell, ...]:
    if seen.rate is None:
        cells = empty_column(height, ink)
    else:
        cells = filled_column(seen.rate / top, height, ink, "primary")
    if seen.stalled:
        return ((ink.stall, "warning"), *cells[1:])
    return ((ink.pause, "secondary"), *cells[1:]) if seen.paused else cells


def _told(seen: Sequence[Seen], rates: Sequence[float]) -> tuple[str, ...]:
    """Tell the fastest column and the mean of all that was seen, in full and shorter."""
    if not rates:
        return ("no rate seen",)
    peak = max(rates)
    if not peak:
        return ("nothing moved",)
    moved = math.fsum(one.rate * one.seconds for one in seen if one.rate is not None)
    mean = moved / math.fsum(one.seconds for one in seen)
    unit = unit_for(peak)
    fast, slow = f"peak {unit.told(peak)}", f"mean {unit.told(mean)}"
    return (f"{fast}{unit.name} · {slow}{unit.name}", f"{fast} · {slow}", slow + unit.name)


def _title(trace: Trace, told: Sequence[str], look: Look, width: int, key: str) -> Line:
    say = look.glyphs.say
    name: Line = (Piece(say(f"rate · {trace.window.words}"), "muted"),)
    hint: Line = (Piece(" "), Piece(key, "key")) if key else ()
    lefts = ((*name, *hint), name, (Piece("rate", "muted"),))
    return title_of(lefts, [(Piece(say(text), "muted"),) for text in told], width)


def _times(trace: Trace, columns: Columns, look: Look) -> list[Label]:
    if trace.ended is not None:
        place = max(0, min(columns.of(trace.ended), columns.count - 1))
        end = Label(place, end_words(trace.ended, look.zone), "muted", lean=1.0)
        return [end, *clock_labels(columns, look.zone)]
    last, ended = columns.count - 1, ended_at(trace.points)
    labels = [Label(last, ("now",), "muted", lean=1.0)]
    if ended is not None and columns.of(ended) >= 0:
        labels.insert(0, Label(columns.of(ended), ("end",), "muted"))
    if trace.window not in (Window.TEN_MINUTES, Window.HOUR):
        return [*labels, *clock_labels(columns, look.zone)]
    ago = words.duration(trace.window.value)
    half = words.duration(trace.window.value / 2)
    far = Label(0, (f"{ago} ago",), lean=0.0)
    return [*labels, far, Label(last // 2, (f"{half} ago", half))]
