"""The rows of a log as lines: cut to one line each or wrapped, with what is sought marked.

The rows of the log page: drawn only when visible, repainted only where they changed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import msgspec
from rich.cells import cell_len
from textual.events import Click
from textual.message import Message
from textual.reactive import var

from slurper_tui import format as words
from slurper_tui.api.models import LogRow
from slurper_tui.format import MOST_SHOWN
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import FAILED_TYPE, Cause, LogView, cause_of, reason_of
from slurper_tui.tui.log_state import LogScene, pattern_of
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import MARKS, Line, Piece, fill, pad, shorten, width_of, wrap
from slurper_tui.tui.render.painted import PaintedLines

GAP = 2
NARROW = 56
"""Cells below which a row has no column for its reason."""

BROAD = 96
LEAST_MESSAGE = 14
"""Cells that a message keeps beside a long key."""

_REASON, _BROAD_REASON = 14, 26
_AGE = 4
_FALLBACK_TIME = 8

_SIGNS: Mapping[Cause, tuple[str, str, str]] = {
    Cause.FAILED: ("✖", "x", "error"),
    Cause.LISTING_BROKE: ("✖", "x", "error"),
    Cause.NOT_COPIED: ("▲", "!", "warning"),
    Cause.JOB: ("·", "-", "accent"),
    Cause.OTHER: ("?", "?", "neutral"),
}

known_time = lru_cache(maxsize=16_384)(words.parse_time)
"""One of the API's times as UTC seconds; read once for all the times that it is drawn."""


class Times(NamedTuple):
    """How times are told. form: for strftime, "" for ages. now: UTC seconds, for ages. width: cells
    that every one of them takes.
    """

    form: str
    now: float
    width: int


class RowStyle(msgspec.Struct, frozen=True, eq=False):
    """How rows are drawn, in so many cells. longest: cells of the longest key. sought: what is
    marked in them.
    """

    look: Look
    width: int
    times: Times
    longest: int = 1
    sought: re.Pattern[str] | None = None

    @property
    def narrow(self) -> bool:
        """There is no column for the reason."""
        return self.width < NARROW

    @property
    def body(self) -> int:
        """The cell at which a row goes on behind its time and its sign."""
        return self.times.width + GAP + 2

    @property
    def reason(self) -> int:
        """Cells for the reason."""
        return 0 if self.narrow else _BROAD_REASON if self.width >= BROAD else _REASON


def sign_of(log_type: str | None, look: Look) -> Piece:
    """One cell that tells what a row is about, in its colour."""
    sign, plain, role = _SIGNS[cause_of(log_type)]
    return Piece(plain if look.glyphs.ascii_only else sign, role_of(log_type, role))


def role_of(log_type: str | None, otherwise: str = "") -> str:
    """The colour of a reason; an error of the whole job is one too."""
    if log_type == "migrationError":
        return "error"
    cause = cause_of(log_type)
    return _SIGNS[cause][2] if cause is not Cause.JOB else otherwise


def times_for(rows: Sequence[LogRow], now: float, look: Look, *, short: bool, ages: bool) -> Times:
    """Tell times with as much of their date as all of these rows need, or as ages.

    now: UTC seconds. short: without seconds.
    """
    if ages:
        return Times("", now, _AGE)
    known = {at for row in rows if (at := known_time(row.created_at)) is not None}
    clock = "%H:%M" if short else "%H:%M:%S"
    if not known:
        return Times(clock, now, _FALLBACK_TIME)
    first, last, today = (_local(at, look) for at in (min(known), max(known), now or max(known)))
    if first.date() == last.date() == today.date():
        form = clock
    else:
        form = f"%m-%d {clock}" if first.year == today.year else f"%Y-%m-%d {clock}"
    return Times(form, now, len(first.strftime(form)))


def _local(at: float, look: Look) -> datetime:
    return datetime.fromtimestamp(at, look.zone)


def time_text(row: LogRow, times: Times, look: Look) -> str:
    """A row's time; the API's own word where that is no time that we know."""
    at = known_time(row.created_at)
    if at is None:
        said = shorten(look.glyphs.clean(row.created_at), times.width, look.glyphs.ellipsis)
    else:
        said = _local(at, look).strftime(times.form) if times.form else words.age(times.now - at)
    return pad(said, times.width, right=not times.form)


def row_line(row: LogRow, style: RowStyle) -> Line:
    """A row in one line: time, sign, reason, key and message; keys lose their middle."""
    room = max(1, style.width - style.body)
    head = _head(row, style)
    if row.object_key is None:
        return _fitted((*head, *_event(row, style)), style)
    if style.narrow:
        return _fitted((*head, *_found(_short(row.object_key, style, room), "", style)), style)
    reason = _cell(_reason(row, style.reason), style.reason, role_of(row.log_type, "muted"), style)
    room -= style.reason + 2 * GAP
    for_key = max(1, min(style.longest, max(room * 3 // 5, room - LEAST_MESSAGE)))
    for_key = room if row.message is None else for_key
    key = _cell(_short(row.object_key, style, for_key), for_key, "", style)
    message = _found(_short(row.message or "", style, room - for_key), "muted", style)
    gap = Piece(" " * GAP)
    return _fitted((*head, *reason, gap, *key, gap, *message), style)


def _event(row: LogRow, style: RowStyle) -> Iterator[Piece]:
    """What a row without a key says: its reason, then the API's words."""
    most = MARKS * style.width
    reason = style.look.glyphs.clean(reason_of(row.log_type))
    yield from _found(reason[:most], _event_role(row), style)
    if row.message is not None:
        yield Piece(" " * GAP)
        yield from _found(style.look.glyphs.clean(row.message)[:most], "muted", style)


def _event_role(row: LogRow) -> str:
    return role_of(row.log_type, "accent")


def _head(row: LogRow, style: RowStyle) -> Line:
    time = time_text(row, style.times, style.look)
    return (Piece(time, "muted"), Piece(" " * GAP), sign_of(row.log_type, style.look), Piece(" "))


def _fitted(line: Line, style: RowStyle) -> Line:
    """Cut what is too long, and say so."""
    if width_of(line) <= style.width:
        return line
    dots = style.look.glyphs.ellipsis
    cut = (*fill(line, max(0, style.width - len(dots))), Piece(dots, "faint"))
    return fill(cut, style.width)


def _reason(row: LogRow, room: int) -> str:
    short = row.log_type == FAILED_TYPE and room < _BROAD_REASON
    return str(Cause.FAILED) if short else reason_of(row.log_type)


def _short(text: str, style: RowStyle, width: int) -> str:
    return shorten(style.look.glyphs.clean(text), width, style.look.glyphs.ellipsis)


def _cell(text: str, width: int, role: str, style: RowStyle) -> Line:
    return fill(tuple(_found(_short(text, style, width), role, style)), width)


def _found(text: str, role: str, style: RowStyle) -> Iterator[Piece]:
    """Text with what is sought marked in it."""
    place = 0
    for match in style.sought.finditer(text) if style.sought else ():
        yield Piece(text[place : match.start()], role)
        yield Piece(match[0], "match")
        place = match.end()
    yield Piece(text[place:], role)


# Wrapped ------------------------------------------------------------------------------------------


def row_height(row: LogRow, style: RowStyle) -> int:
    """How many lines a wrapped row takes."""
    return max(1, sum(1 for _ in _body(row, style)) + _below(row, style))


def row_lines(row: LogRow, style: RowStyle) -> list[Line]:
    """A row in full, on as many lines as it takes; key and message each begin their own."""
    head = _head(row, style)
    if row.object_key is not None:
        room = style.reason or max(1, style.width - style.body)
        cell = _cell(_reason(row, room), room, role_of(row.log_type, "muted"), style)
        head = (*head, *cell, *([] if style.narrow else [Piece(" " * GAP)]))
    blank = " " * _indent(row, style)
    lines: list[Line] = [head] if _below(row, style) else []
    for text, role in _body(row, style):
        start = (Piece(blank),) if lines else head
        lines.append((*start, *_found(text, role, style)))
    return lines or [head]


def _below(row: LogRow, style: RowStyle) -> bool:
    """The row goes on below its first line, for want of room behind it."""
    return style.narrow and row.object_key is not None


def _indent(row: LogRow, style: RowStyle) -> int:
    if row.object_key is None:
        return style.body
    return GAP if style.narrow else style.body + style.reason + GAP


def _body(row: LogRow, style: RowStyle) -> Iterator[tuple[str, str]]:
    room = style.width - _indent(row, style)
    clean = style.look.glyphs.clean
    if row.object_key is None:
        yield from ((part, _event_role(row)) for part in wrap(reason_of_row(row, style), room))
    else:
        yield from ((part, "") for part in wrap(clean(row.object_key), room))
    if row.message is not None:
        yield from ((part, "muted") for part in wrap(clean(row.message), room))


def reason_of_row(row: LogRow, style: RowStyle) -> str:
    """A row's type in our words, or its own, made harmless."""
    return style.look.glyphs.clean(reason_of(row.log_type))


MARGIN = 2
"""Cells left of the time: the cursor's mark and a blank."""

NOTHING = LogScene(LogView(JobKey("", "")))


class LogLines(PaintedLines, can_focus=True):
    """The shown rows of a log's scene. now: UTC seconds, of the newest data."""

    scene: var[LogScene] = var(NOTHING, init=False)

    @dataclass
    class Pointed(Message):
        """A row was clicked."""

        row: int

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(id=id)
        self._look = look
        self.now = 0.0
        self._row_style = self._in_this_width()
        self._starts: Sequence[int] = ()
        self._heights: dict[int, tuple[LogRow, int]] = {}
        self._height_of_cursor = 0
        self._shape: tuple[int, int] = (0, 0)

    # What stands where ----------------------------------------------------------------------------

    def line_at(self, y: int) -> Line:
        """Draw a row or a part of one, or say that there is none."""
        if not self.scene.rows:
            return self._notice() if y == 0 else ()
        line = y + self.first
        row = self._row_of(line)
        if row is None:
            return ()
        mark = self._look.glyphs.say("▌") if row == self.scene.cursor else " "
        drawn = (Piece(mark, "accent"), Piece(" " * (MARGIN - 1)), *self._drawn(row, line))
        return (*fill(drawn, self.room.width - 1), self._thumb(y))

    def _drawn(self, row: int, line: int) -> Line:
        if not self.scene.wrapped:
            return row_line(self.scene.rows[row], self._row_style)
        parts = row_lines(self.scene.rows[row], self._row_style)
        part = line - self._start(row)
        return parts[part] if part < len(parts) else ()

    def row_role(self, y: int) -> str:
        """Mark the cursor's row."""
        row = self._row_of(y + self.first)
        if row is None or row != self.scene.cursor:
            return ""
        return "cursor" if self.has_focus else "cursor-blurred"

    def _row_of(self, line: int) -> int | None:
        """Which row stands on a line, counted from the top of them all."""
        if not self.scene.wrapped:
            return line if line < len(self.scene.rows) else None
        if not self._starts or line >= self._starts[-1]:
            return None
        return bisect_right(self._starts, line) - 1

    def _start(self, row: int) -> int:
        return self._starts[row] if self.scene.wrapped else row

    @property
    def _lines(self) -> int:
        """How many lines all rows take."""
        if self.scene.wrapped:
            return self._starts[-1] if self._starts else 0
        return len(self.scene.rows)

    def _notice(self) -> Line:
        scene = self.scene
        if scene.view.rows:
            said = "No row is of this type and holds these words"
        elif scene.view.whole:
            said = "The log is empty"
        else:
            said = ""
        return (Piece(" " * MARGIN), Piece(said, "muted"))

    def _thumb(self, y: int) -> Piece:
        """Draw the place in a log that is longer than the screen."""
        lines, page = self._lines, max(1, self.room.height)
        if lines <= page:
            return Piece(" ")
        length = max(1, page * page // lines)
        start = self.first * (page - length) // max(1, lines - page)
        return Piece(self._look.glyphs.say("▐") if start <= y < start + length else " ", "faint")

    # What happens ---------------------------------------------------------------------------------

    def watch_scene(self, before: LogScene, after: LogScene) -> None:
        """Show what has changed; what one looks at stays where it stands when other rows come."""
        held = before.rows is not after.rows or before.wrapped != after.wrapped
        self.redraw(held=held, came=came_above(before, after, self.size.height))

    def redraw(self, *, held: bool = False, came: int = 0) -> None:
        """Fit, scroll so far that the cursor is visible, and repaint what differs.

        held: the cursor's row stays at its height on the screen. came: new rows above all others.
        """
        if not self.size:
            return
        self.fit()
        start = self._start(self.scene.cursor) if self.scene.rows else 0
        top = self.scroll_offset.y
        self._follow_cursor(start, start - self._height_of_cursor if held else top)
        self._height_of_cursor = start - self.scroll_offset.y
        if top == self.scroll_offset.y:
            self.move_down(self._start(came))
        self.repaint_changes()

    def fit(self) -> None:
        """Settle how rows are drawn in this width, and where each of them begins."""
        self._row_style = self._in_this_width()
        if self.scene.wrapped:
            self._starts = [*accumulate(map(self._height, self.scene.rows), initial=0)]
        self.set_lines(self._lines)

    def _in_this_width(self) -> RowStyle:
        width, scene = max(1, self.size.width - MARGIN - 2), self.scene
        times = times_for(
            scene.view.rows, self.now, self._look, short=width < NARROW, ages=scene.ages
        )
        longest = max(map(_key_width, scene.view.rows), default=1)
        return RowStyle(self._look, width, times, longest, pattern_of(scene.sought))

    def _height(self, row: LogRow) -> int:
        """A wrapped row's lines; known as long as the room for them is the same."""
        shape = (self._row_style.width, self._row_style.body)
        if shape != self._shape or len(self._heights) > 2 * len(self.scene.rows) + 100:
            self._shape = shape
            self._heights.clear()
        known = self._heights.get(id(row))
        if known is None or known[0] is not row:
            known = self._heights[id(row)] = (row, row_height(row, self._row_style))
        return known[1]

    def _follow_cursor(self, start: int, top: int) -> None:
        """Scroll to `top`, or just so far from it that the cursor's row is visible.

        start: the first line of that row, which matters most.
        """
        page, scene = max(1, self.size.height), self.scene
        end = self._start(scene.cursor + 1) if scene.rows else 1
        wanted = min(max(end - page, min(top, start)), start)
        wanted = max(0, min(wanted, self._lines - page))
        if wanted != self.scroll_offset.y:
            self.scroll_to(y=wanted, animate=False, force=True)

    def page_rows(self) -> int:
        """How many rows a page moves by."""
        return max(1, self.size.height - 2)

    def on_resize(self) -> None:
        """Fit everything to the new size."""
        self.forget_marks()
        self.redraw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Repaint what differs after scrolling, instead of everything."""
        self.repaint_changes()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show by the cursor whether keys go here."""
        super().watch_has_focus(has_focus)
        self.repaint_changes()

    def on_click(self, event: Click) -> None:
        """Point at the clicked row."""
        row = self._row_of(event.y + self.scroll_offset.y)
        if row is not None:
            self.post_message(self.Pointed(row))


def _key_width(row: LogRow) -> int:
    """Cells of a row's key; of a very long one, at least as many as any screen has."""
    key = row.object_key or ""
    return len(key) if key.isascii() else cell_len(key[:MOST_SHOWN])


def came_above(before: LogScene, after: LogScene, most: int) -> int:
    """How many rows came above those that stood there; 0 where those are not near the top."""
    if not before.rows or before.rows is after.rows or before.wrapped != after.wrapped:
        return 0
    newest = before.rows[0]
    return next((n for n, row in enumerate(after.rows[:most]) if row is newest), 0)
