"""How a partial repaint is written to the terminal: each run from its own first cell.

Textual writes a run from the left edge of the widget it lies in, and all colours of every piece.
Here a run begins where it begins, and only what changes of a colour is written. Rows that only move
down are moved by the terminal itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

_UNSEEN_ON_BLANKS = frozenset({"", "1", "2"})
"""Plain, bold and dim: with these, nobody sees the colour of a blank."""


class Shift(NamedTuple):
    """Whole rows of the terminal that move down. top, bottom: the first row, and the one below the
    last, from 0. lines: by how many; so many at the top are empty then.
    """

    top: int
    bottom: int
    lines: int

    def __str__(self) -> str:
        """Insert lines within a region of the terminal that scrolls; everything knows this."""
        return f"\x1b[{self.top + 1};{self.bottom}r\x1b[{self.top + 1}H\x1b[{self.lines}L\x1b[r"


class RunsUpdate(ChopsUpdate):
    """A repaint of runs of cells, written in as few bytes as their changes need.

    shifts: what is moved before.
    """

    shifts: tuple[Shift, ...] = ()

    @classmethod
    def of(cls, update: ChopsUpdate, shifts: Iterable[Shift] = ()) -> RunsUpdate:
        """Take over what Textual has composed."""
        made = cls(update.chops, update.spans, update.chop_ends)
        made.shifts = tuple(shifts)
        return made

    def render_segments(self, console: Console) -> str:
        """Give the characters and escape codes for the terminal."""
        colours = console._color_system or ColorSystem.TRUECOLOR
        out = [str(shift) for shift in self.shifts]
        current = _Codes()
        for y, start, end in self.spans:
            out.append(Control.move_to(start, y).segment.text)
            for text, style, _control in filter(None, self._run(y, start, end)):
                codes = _codes(style, colours) if style else _Codes()
                if text.isspace() and any(current) and codes.attributes in _UNSEEN_ON_BLANKS:
                    codes = codes._replace(front=current.front or codes.front)
                if codes != current:
                    out.append(f"\x1b[{_change(current, codes)}m")
                    current = codes
                out.append(text)
        return "".join(out) + ("\x1b[m" if any(current) else "")

    def _run(self, y: int, start: int, end: int) -> Iterator[Segment]:
        for x, chop_end, strip in self._chops(y):
            if strip is None or chop_end <= start or x >= end:
                continue
            yield from strip.crop(max(0, start - x), min(end, chop_end) - x)

    def _chops(self, y: int) -> Iterable[tuple[int, int, Strip | None]]:
        pairs = zip(self.chop_ends[y], self.chops[y].items(), strict=True)
        return ((x, end, strip) for end, (x, strip) in pairs)


class _Codes(NamedTuple):
    """The codes of a style: what is bold and so on, the colour, and the background's."""

    attributes: str = ""
    front: str = ""
    back: str = ""


@lru_cache(maxsize=1024)
def _codes(style: Style, colours: ColorSystem) -> _Codes:
    return _Codes(
        Strip.render_ansi(style.without_color, colours),
        ";".join(style.color.downgrade(colours).get_ansi_codes()) if style.color else "",
        ";".join(style.bgcolor.downgrade(colours).get_ansi_codes(False)) if style.bgcolor else "",
    )


@lru_cache(maxsize=1024)
def _change(before: _Codes, after: _Codes) -> str:
    """The shortest codes that lead from one style to another."""
    keeps = before.attributes == after.attributes
    if keeps and bool(before.front) <= bool(after.front) and bool(before.back) <= bool(after.back):
        return ";".join(new for old, new in zip(before, after, strict=True) if new != old)
    return ";".join(filter(None, ("0" if any(before) else "", *after)))
