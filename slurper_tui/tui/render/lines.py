"""A line of the screen as a value: pieces of text, each with the role that gives its colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import CellSpan, cell_len, set_cell_size, split_graphemes

MARKS = 4
"""Characters that one cell may hold on average: a letter and its marks. Marks cannot pile up, and
no more of a long text is looked at than can be shown.
"""


class Piece(NamedTuple):
    """Some text and its role: the name of a component class without its prefix; "" is plain."""

    text: str
    role: str = ""


Line = tuple[Piece, ...]
"""Pieces from left to right."""


def text_of(line: Iterable[Piece]) -> str:
    """The line's characters without their roles."""
    return "".join(piece.text for piece in line)


def width_of(line: Iterable[Piece]) -> int:
    """The line's width in cells."""
    return sum(map(_width, line))


def _width(piece: Piece) -> int:
    """A piece's cells; ASCII, which nearly all is, needs no table."""
    text = piece.text
    return len(text) if text.isascii() else cell_len(text)


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """Make text fit `width` cells; what is too long loses its middle and keeps both ends."""
    if len(text) <= MARKS * width and cell_len(text) <= width:
        return text
    room = width - cell_len(ellipsis)
    if room < 2:
        return _head(text, max(0, width))
    return _head(text, room - room // 2) + ellipsis + _tail(text, room // 2)


def _head(text: str, width: int) -> str:
    """As many first characters as fit, each with its marks."""
    text = text[: MARKS * width]
    if text.isascii():
        return text[:width]
    spans, _ = split_graphemes(text)
    return text[: _ends(spans, width)[-1]]


def _tail(text: str, width: int) -> str:
    """As many last characters as fit, each with its marks."""
    text = text[max(0, len(text) - MARKS * width) :]
    if text.isascii():
        return text[max(0, len(text) - width) :]
    spans, _ = split_graphemes(text)
    start, left = len(text), width
    for first, _, cells in reversed(spans):
        left -= cells
        if left < 0:
            break
        start = first if cells else start
    return text[start:]


def _ends(spans: Sequence[CellSpan], width: int) -> list[int]:
    """Where each of the first characters that fit ends, beginning with 0 for none of them."""
    ends = [0]
    for _, end, cells in spans:
        width -= cells
        if width < 0:
            break
        ends.append(end)
    return ends


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill text with blanks to `width` cells, at its left when it stands `right`."""
    blanks = " " * max(0, width - cell_len(text))
    return blanks + text if right else text + blanks


def fill(line: Line, width: int, *, right: bool = False) -> Line:
    """Make the line exactly `width` cells wide; what does not fit is cut at its end."""
    missing = width - width_of(line)
    if missing >= 0:
        blanks = (Piece(" " * missing),)
        return blanks + line if right else line + blanks
    return tuple(_cut_pieces(line, width))


def _cut_pieces(line: Line, width: int) -> Iterable[Piece]:
    for piece in line:
        length = cell_len(piece.text)
        if length > width:
            yield Piece(set_cell_size(piece.text[: MARKS * width], width), piece.role)
            return
        yield piece
        width -= length


def spread(left: Line, right: Line, width: int) -> Line:
    """Put one line at the left edge and one at the right, the right one only if both fit."""
    gap = width - width_of(left) - width_of(right)
    return (*left, Piece(" " * gap), *right) if gap >= 1 and right else fill(left, width)


def wrap(text: str, width: int) -> list[str]:
    """Cut text into parts of at most `width` cells, losing nothing; at least one part.

    A part ends behind a blank where that costs less than half of it, so that words stay whole.
    """
    width = max(2, width)
    parts = []
    start = 0
    while start < len(text):
        part = _head(text[start : start + MARKS * width], width)
        blank = part.rfind(" ") + 1
        if blank > len(part) // 2 and start + len(part) < len(text):
            part = part[:blank]
        parts.append(part)
        start += len(part)
    return parts or [""]


def join(parts: Iterable[Line], gap: str = "  ", role: str = "faint") -> Line:
    """Set parts in a row with `gap` between them; empty ones are left out."""
    line: list[Piece] = []
    for part in parts:
        if not part:
            continue
        if line:
            line.append(Piece(gap, role))
        line.extend(part)
    return tuple(line)


def wrap_words(text: str, width: int) -> list[str]:
    """Break text at blanks so that it fits `width` cells, and a word that does not fit anywhere."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.extend(wrap(word, width))
    return [line for line in lines if line] or [""]
