"""The two charts of the detail pane: objects per second over time, and share done over time.

`chart_lines` draws both. Each chart is a title, rows of cells with a scale at the left, and time
labels below; chart_grid.py holds these parts. The progress chart also shows the forecast as a
range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui import format as fmt
from slurper_tui.monitor.model.base import Window
from slurper_tui.monitor.model.job import Forecast, JobView, shown_forecast
from slurper_tui.monitor.model.timeline import Trace, spans_of
from slurper_tui.tui.render.chart_grid import (
    NOTHING,
    Cell,
    Columns,
    ColumnStats,
    Ink,
    Label,
    breadth,
    chart_of,
    clock_labels,
    columns_for,
    empty_column,
    end_words,
    ended_at,
    filled_column,
    first_of,
    ink_of,
    local,
    moment,
    room_of,
    seen_in,
    title_of,
)
from slurper_tui.tui.render.lines import Line, Piece, fill

if TYPE_CHECKING:
    from slurper_tui.monitor.model.samples import Recorded
    from slurper_tui.tui.render.columns import DrawContext
    from slurper_tui.tui.render.glyphs import Look

HOURLY = 0.1
"""Objects per second; slower rates are shown per hour."""

_ROUND = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def rate_chart(
    trace: Trace, look: Look, width: int, height: int, *, key: str = ""
) -> tuple[Line, ...]:
    """Draw the rate over time in `height` rows, with a title above and time labels below.

    width: cells.
    key: the keys that change the time window, as they are shown; "" shows none.
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
    scale = (unit.format(top) + unit.name if peak else "", "0" if rates and height > 1 else "")
    name: Line = (Piece(look.to_ascii(f"rate · {trace.window.words}"), "muted"),)
    hint: Line = (Piece(" "), Piece(key, "key")) if key else ()
    title = title_of(
        ((*name, *hint), name, (Piece("rate", "muted"),)),
        [(Piece(look.to_ascii(text), "muted"),) for text in _peak_and_mean(seen, rates)],
        breadth(columns.count, width),
    )
    return chart_of(title, cells, scale, _rate_labels(trace, columns, look), width)


class Unit(NamedTuple):
    """The unit of a rate. seconds: its length. name: its suffix."""

    seconds: int
    name: str

    def format(self, rate: float) -> str:
        """Format a rate, given in objects per second, in this unit without the suffix."""
        return fmt.rate(rate * self.seconds)


def unit_for(peak: float) -> Unit:
    """Return per second, or per hour if even the peak (objects per second) is below `HOURLY`."""
    return Unit(3600, "/h") if 0 < peak < HOURLY else Unit(1, "/s")


def scale_top(peak: float) -> float:
    """Return the top of the scale in objects per second: a round rate not below the peak.

    Round values keep the scale from changing often.
    """
    unit = unit_for(peak).seconds
    least = max(peak * unit, 1.0)
    size = 10.0 ** math.floor(math.log10(least))
    return next((n * size for n in _ROUND if least <= n * size * (1 + 1e-9)), 10 * size) / unit


def _column(seen: ColumnStats, top: float, height: int, ink: Ink) -> tuple[Cell, ...]:
    if seen.rate is None:
        cells = empty_column(height, ink)
    else:
        cells = filled_column(seen.rate / top, height, ink, "primary")
    if seen.stalled:
        return ((ink.stall, "warning"), *cells[1:])
    return ((ink.pause, "secondary"), *cells[1:]) if seen.paused else cells


def _peak_and_mean(seen: Sequence[ColumnStats], rates: Sequence[float]) -> tuple[str, ...]:
    """Return texts with the peak and the mean of the measured rates, the longest first."""
    if not rates:
        return ("no rate seen",)
    peak = max(rates)
    if not peak:
        return ("nothing moved",)
    moved = math.fsum(one.rate * one.seconds for one in seen if one.rate is not None)
    mean = moved / math.fsum(one.seconds for one in seen)
    unit = unit_for(peak)
    fast, slow = f"peak {unit.format(peak)}", f"mean {unit.format(mean)}"
    return (f"{fast}{unit.name} · {slow}{unit.name}", f"{fast} · {slow}", slow + unit.name)


def _rate_labels(trace: Trace, columns: Columns, look: Look) -> list[Label]:
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
    ago = fmt.duration(trace.window.value)
    half = fmt.duration(trace.window.value / 2)
    far = Label(0, (f"{ago} ago",), lean=0.0)
    return [*labels, far, Label(last // 2, (f"{half} ago", half))]


TO = "\N{EN DASH}"

ROOMY = 36
"""Columns; a chart with fewer shows a lower bound as a sign, to leave room for the label of now."""


def progress_chart(
    trace: Trace,
    forecast: Forecast | None,
    now: float,
    look: Look,
    width: int,
    height: int,
    *,
    growing: bool = False,
) -> tuple[Line, ...]:
    """Draw the share done over time in `height` rows, with a title above and time labels below.

    Measured columns are solid. After now, light cells show where the curve may pass and dense ones
    when it may finish.
    forecast: None if there is none.
    now: UTC seconds; the chart of a job that has ended shows its end instead.
    width: cells.
    growing: the total still grows.
    """
    width, height = max(1, width), max(1, height)
    over = trace.ended is not None or ended_at(trace.points) is not None
    now = trace.until if over else max(now, trace.until)
    ahead = _ahead(forecast, now)
    columns = columns_for(trace, ahead.high if ahead else now, room_of(width))
    newest = [point.counts for point in reversed(trace.points)]
    done = next((counts.done for counts in newest if counts.done is not None), None)
    whole = next((counts.objects for counts in newest if counts.objects is not None), None)
    ink = ink_of(look)
    first, done_at = first_of(trace, columns), dict(_done_by_column(trace.points, columns))
    cells = [
        filled_column(min(done_at[place], whole) / whole, height, ink, "primary")
        if place in done_at and whole
        else empty_column(height, ink, existed=place >= first)
        for place in range(columns.count)
    ]
    scale = ("100 %", "0" if height > 1 else "") if done is not None and whole else ("", "")
    if ahead and done is not None and whole:
        _draw_ahead(cells, columns, ahead, now, min(done, whole) / whole, ink)
    title = _progress_title(done, whole, look, breadth(columns.count, width), growing=growing)
    labels = _progress_labels(trace, columns, ahead, now, look)
    return chart_of(title, cells, scale, labels, width)


def _ahead(forecast: Forecast | None, now: float) -> Forecast | None:
    """Return the part of the forecast after now, or None; a lower bound is one point in time."""
    if forecast is None:
        return None
    low = max(now, forecast.low)
    high = low if forecast.at_least else max(low, forecast.high)
    return Forecast(low, high, forecast.made_at, forecast.at_least) if high > now else None


def _done_by_column(points: Sequence[Recorded], columns: Columns) -> Iterator[tuple[int, int]]:
    """Yield (column, done) pairs; a count holds until the next sample, except across a gap."""
    counted = [p for p in points if p.counts.done is not None]
    held = {span.since for span in spans_of(points) if span.rate is not None}
    for place, point in enumerate(counted):
        column = columns.of(point.at)
        until = columns.of(counted[place + 1].at) if point.at in held else column + 1
        for passed in range(max(0, column), min(until, columns.count)):
            yield passed, point.counts.done or 0


def _draw_ahead(
    cells: list[tuple[Cell, ...]],
    columns: Columns,
    ahead: Forecast,
    now: float,
    done: float,
    ink: Ink,
) -> None:
    """Draw the columns after now: where the curve may pass, and when it may finish."""
    height = len(cells[0])
    rows = [
        (
            _reached(row / height, done, now, ahead.low),
            _reached((row + 1) / height, done, now, ahead.high),
        )
        for row in range(height)
    ]
    for column in range(max(0, columns.of(now) + 1), columns.count):
        begin, end = columns.begins(column), columns.begins(column + 1)
        drawn = [
            (ink.ahead, "secondary") if end > first and begin < last else NOTHING
            for first, last in rows
        ]
        if end > ahead.low:
            drawn[-1] = (ink.open if ahead.at_least else ink.finish, "secondary")
        cells[column] = tuple(drawn)


def _reached(share: float, done: float, now: float, end: float) -> float:
    """Return when a share is done, UTC seconds, if the rate stays constant until `end`."""
    return now + (end - now) * max(0.0, share - done) / (1 - done) if done < 1 else now


def _progress_title(
    done: int | None, whole: int | None, look: Look, width: int, *, growing: bool
) -> Line:
    name = ((Piece("progress", "muted"),),)
    if done is None:
        return title_of(name, ((Piece("no count seen", "faint"),),), width)
    total = fmt.short_count(whole) + ("+" if growing else "")
    progress = f"{fmt.short_count(done)} of {total}"
    texts = (f"{progress} objects", progress, f"of {total}")
    return title_of(name, [(Piece(look.to_ascii(text), "muted"),) for text in texts], width)


def _progress_labels(
    trace: Trace, columns: Columns, ahead: Forecast | None, now: float, look: Look
) -> list[Label]:
    zone = look.zone
    ended = ended_at(trace.points) if trace.ended is None else trace.ended
    at = now if ended is None else ended
    place = max(0, min(columns.of(at), columns.count - 1))
    texts: tuple[str, ...] = (f"now {local(at, zone):%H:%M}", "now")
    if ended is not None:
        texts = end_words(ended, zone)[trace.ended is None :]
    labels = [Label(place, texts, "muted", lean=place / max(1, columns.count - 1))]
    if ahead:
        finish = tuple(map(look.to_ascii, _finish(ahead, now, look, columns.count)))
        labels.insert(0, Label(columns.count - 1, finish, "secondary", lean=1.0))
    begun = moment(max(trace.since, columns.begins(0)), now, zone)
    labels.append(Label(0, (begun,), lean=0.0))
    return labels if ahead else [*labels, *clock_labels(columns, zone)]


def _finish(ahead: Forecast, now: float, look: Look, columns: int) -> tuple[str, ...]:
    low, high = (moment(at, now, look.zone) for at in (ahead.low, ahead.high))
    if ahead.at_least:
        return (f"not before {low}", f"≥ {low}")[columns < ROOMY :]
    if low == high:
        return (high,)
    same_day = ":" in high and low.split(":")[0][:-2] == high.split(":")[0][:-2]
    return (f"{low}{TO}{high.split()[-1]}" if same_day else f"{low} {TO} {high}", high)


ROOMY_PANE = 50
"""The width in cells from which the charts are higher."""

GAP = 4


def chart_lines(
    view: JobView, trace: Trace, context: DrawContext, width: int, *, key: str, beside: bool
) -> tuple[Line, ...]:
    """Draw both charts, side by side (`beside`) or one below the other.

    key: the keys that change the time window, as they are shown.
    """
    high, low = (5, 4) if width >= ROOMY_PANE else (3, 2)
    room = (width - GAP) // 2 if beside else width
    rate = rate_chart(trace, context.look, room, high, key=key)
    progress = progress_chart(
        trace,
        shown_forecast(view),
        context.now,
        context.look,
        room,
        high if beside else low,
        growing=view.growing,
    )
    if not beside:
        return (*rate, (), *progress)
    both = zip(rate, progress, strict=True)
    return tuple((*fill(one, room), Piece(" " * GAP), *other) for one, other in both)
