"""What a job has done so far against time, and when the rest will be done, as a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurper_tui import format as words
from slurper_tui.monitor.model.job import Forecast
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.timeline import Trace, spans_of
from slurper_tui.tui.glyphs import Look
from slurper_tui.tui.lines import Line, Piece
from slurper_tui.tui.picture_axis import Label, axis, clock_labels, end_words, local, moment
from slurper_tui.tui.picture_columns import Columns, columns_for, ended_at, first_of
from slurper_tui.tui.picture_frame import (
    NOTHING,
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

TO = "\N{EN DASH}"

ROOMY = 36
"""Columns; over fewer of them a lower bound is told by a sign, to leave room for now."""


def progress_picture(
    trace: Trace,
    forecast: Forecast | None,
    now: float,
    look: Look,
    width: int,
    height: int,
    *,
    growing: bool = False,
) -> tuple[Line, ...]:
    """Draw the share that is done against time in `height` rows, between a title and the times.

    Solid is what was seen. Ahead of now it is light where the curve may pass, and dense when it
    may arrive. now: UTC seconds; of a job that has ended, the end is told instead. width: cells.
    growing: the total still grows.
    """
    width, height = max(1, width), max(1, height)
    over = trace.ended is not None or ended_at(trace.points) is not None
    now = trace.until if over else max(now, trace.until)
    ahead = _ahead(forecast, now)
    columns = columns_for(trace, ahead.high if ahead else now, room_of(width))
    done, whole, ink = *_last_known(trace.points), ink_of(look)
    cells = _past(trace, columns, whole or 0, height, ink)
    scale = ("100 %", "0" if height > 1 else "") if done is not None and whole else ("", "")
    if ahead and done is not None and whole:
        _draw_ahead(cells, columns, ahead, now, min(done, whole) / whole, ink)
    return (
        _title(done, whole, look, breadth(columns.count, width), growing=growing),
        *rows_of(cells, scale, width),
        beside_scale(axis(_times(trace, columns, ahead, now, look), room_of(width)), width),
    )


def _ahead(forecast: Forecast | None, now: float) -> Forecast | None:
    """The forecast, as far as it still lies ahead; a lower bound ends where it begins."""
    if forecast is None:
        return None
    low = max(now, forecast.low)
    high = low if forecast.at_least else max(low, forecast.high)
    return Forecast(low, high, forecast.made_at, forecast.at_least) if high > now else None


def _last_known(points: Sequence[Recorded]) -> tuple[int | None, int | None]:
    """Give the newest done and the newest total that are known, in objects."""
    done = next((p.counts.done for p in reversed(points) if p.counts.done is not None), None)
    totals = (p.counts.objects for p in reversed(points) if p.counts.objects is not None)
    return done, next(totals, None)


# What was seen ---------------------------------------------------------------------------------


def _past(
    trace: Trace, columns: Columns, whole: int, height: int, ink: Ink
) -> list[tuple[Cell, ...]]:
    """Draw how much of today's total was done at the end of each column."""
    first, done = first_of(trace, columns), dict(_known(trace.points, columns))
    return [
        filled_column(min(done[place], whole) / whole, height, ink, "primary")
        if place in done and whole
        else empty_column(height, ink, existed=place >= first)
        for place in range(columns.count)
    ]


def _known(points: Sequence[Recorded], columns: Columns) -> Iterator[tuple[int, int]]:
    """Give columns and counts: a count holds until the next one, unless nobody looked."""
    counted = [p for p in points if p.counts.done is not None]
    held = {span.since for span in spans_of(points) if span.rate is not None}
    for place, point in enumerate(counted):
        column = columns.of(point.at)
        until = columns.of(counted[place + 1].at) if point.at in held else column + 1
        for passed in range(max(0, column), min(until, columns.count)):
            yield passed, point.counts.done or 0


# What lies ahead -------------------------------------------------------------------------------


def _draw_ahead(
    cells: list[tuple[Cell, ...]],
    columns: Columns,
    ahead: Forecast,
    now: float,
    done: float,
    ink: Ink,
) -> None:
    """Shade the columns after now where the curve may pass, and where it may arrive."""
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
    """When a share is done, UTC seconds, if all is done at the end and the pace holds."""
    return now + (end - now) * max(0.0, share - done) / (1 - done) if done < 1 else now


# Words -----------------------------------------------------------------------------------------


def _title(done: int | None, whole: int | None, look: Look, width: int, *, growing: bool) -> Line:
    say = look.glyphs.say
    name = ((Piece("progress", "muted"),),)
    if done is None:
        return title_of(name, ((Piece("no count seen", "faint"),),), width)
    total = words.short_count(whole) + ("+" if growing else "")
    said = f"{words.short_count(done)} of {total}"
    texts = (f"{said} objects", said, f"of {total}")
    return title_of(name, [(Piece(say(text), "muted"),) for text in texts], width)


def _times(
    trace: Trace, columns: Columns, ahead: Forecast | None, now: float, look: Look
) -> list[Label]:
    zone = look.zone
    ended = ended_at(trace.points) if trace.ended is None else trace.ended
    at = now if ended is None else ended
    place = max(0, min(columns.of(at), columns.count - 1))
    texts: tuple[str, ...] = (f"now {local(at, zone):%H:%M}", "now")
    if ended is not None:
        texts = end_words(ended, zone)[trace.ended is None :]
    labels = [Label(place, texts, "muted", lean=_lean(place, columns))]
    if ahead:
        finish = tuple(map(look.glyphs.say, _finish(ahead, now, look, columns.count)))
        labels.insert(0, Label(columns.count - 1, finish, "secondary", lean=1.0))
    begun = moment(max(trace.since, columns.begins(0)), now, zone)
    labels.append(Label(0, (begun,), lean=0.0))
    return labels if ahead else [*labels, *clock_labels(columns, zone)]


def _lean(place: int, columns: Columns) -> float:
    return place / max(1, columns.count - 1)


def _finish(ahead: Forecast, now: float, look: Look, columns: int) -> tuple[str, ...]:
    low, high = (moment(at, now, look.zone) for at in (ahead.low, ahead.high))
    if ahead.at_least:
        return (f"not before {low}", f"≥ {low}")[columns < ROOMY :]
    if low == high:
        return (high,)
    same_day = ":" in high and low.split(":")[0][:-2] == high.split(":")[0][:-2]
    return (f"{low}{TO}{high.split()[-1]}" if same_day else f"{low} {TO} {high}", high)
