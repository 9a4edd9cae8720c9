"""What both pictures are made of: a title, rows of cells with a scale at their left, and words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from slurper_tui.tui.glyphs import Look
from slurper_tui.tui.lines import Line, Piece, fill, pad, spread, text_of

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
