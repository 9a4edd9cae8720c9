"""A line of the screen as a value: pieces of text, each with a style, and functions to fit them.

Widths are cells of the terminal, not characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size, split_graphemes

MARKS = 4
"""The most characters per cell on average: a letter and its combining marks.

Marks cannot pile up, and only the part of a long text that can be shown is measured.
"""


class Piece(NamedTuple):
    """A text and its style: the name of a component class without its prefix; "" is plain."""

    text: str
    style: str = ""


Line = tuple[Piece, ...]
"""Pieces from left to right."""


def text_of(line: Iterable[Piece]) -> str:
    """Return the line's characters without styles."""
    return "".join(piece.text for piece in line)


def width_of(line: Iterable[Piece]) -> int:
    """Return the line's width in cells; ASCII, by far the most common, needs no table."""
    return sum([len(text) if text.isascii() else cell_len(text) for text, _ in line])


def cut(text: str, width: int, ellipsis: str) -> str:
    """Cut the end of a text that is longer than `width` cells."""
    text = text[: MARKS * max(1, width) + 1]
    if cell_len(text) <= width:
        return text
    dots = ellipsis[: max(0, width)]
    return set_cell_size(text, max(0, width - len(dots))) + dots


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """Fit text into `width` cells by cutting its middle."""
    if len(text) <= MARKS * width and cell_len(text) <= width:
        return text
    room = width - cell_len(ellipsis)
    if room < 2:
        return _head(text, max(0, width))
    return _head(text, room - room // 2) + ellipsis + _tail(text, room // 2)


def _head(text: str, width: int) -> str:
    """Return the longest beginning that fits, never separating a character from its marks."""
    text = text[: MARKS * width]
    if text.isascii():
        return text[:width]
    spans, _ = split_graphemes(text)
    end = 0
    for _, after, cells in spans:
        width -= cells
        if width < 0:
            break
        end = after
    return text[:end]


def _tail(text: str, width: int) -> str:
    """Return the longest end that fits, never separating a character from its marks."""
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


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Pad text with blanks to `width` cells. right: align it to the right."""
    blanks = " " * max(0, width - cell_len(text))
    return blanks + text if right else text + blanks


def fill(line: Line, width: int, *, right: bool = False) -> Line:
    """Make the line exactly `width` cells wide; cut its end if it is too long."""
    missing = width - width_of(line)
    if missing >= 0:
        blanks = (Piece(" " * missing),)
        return blanks + line if right else line + blanks
    cut: list[Piece] = []
    for piece in line:
        length = cell_len(piece.text)
        if length > width:
            text = set_cell_size(piece.text[: MARKS * width], width)
            return (*cut, Piece(text, piece.style))
        cut.append(piece)
        width -= length
    return tuple(cut)


def spread(left: Line, right: Line, width: int) -> Line:
    """Put one line at the left edge and one at the right; omit the right one if both do not fit."""
    gap = width - width_of(left) - width_of(right)
    return (*left, Piece(" " * gap), *right) if gap >= 1 and right else fill(left, width)


_BREAK = re.compile(r"(?<!\d) (?!·)(?!(?<=\d [dh] )\d)")
"""A blank at which a line may end: not after a number, before a dot, nor within `3 h 5 min`."""


def wrap(text: str, width: int) -> list[str]:
    """Split text into parts of at most `width` cells without losing a character; at least one part.

    A part ends after a blank if that shortens it by less than half, so that words stay whole, and a
    number stays with its unit if that is possible too.
    """
    width = max(2, width)
    parts = []
    start = 0
    while start < len(text):
        part = _head(text[start : start + MARKS * width], width)
        if start + len(part) < len(text):
            breaks = [found.end() for found in _BREAK.finditer(text, start, start + len(part))]
            ends = (breaks[-1] - start if breaks else 0, part.rfind(" ") + 1)
            part = part[: next((end for end in ends if end > len(part) // 2), None)]
        parts.append(part)
        start += len(part)
    return parts or [""]


def join(parts: Iterable[Line], gap: str = "  ", style: str = "faint") -> Line:
    """Join lines with `gap` between them; skip empty ones."""
    line: list[Piece] = []
    for part in parts:
        if not part:
            continue
        if line:
            line.append(Piece(gap, style))
        line.extend(part)
    return tuple(line)


def hint_line(hints: Iterable[tuple[str, str]]) -> Line:
    """Return keys, each with the word for what it does."""
    return join([(Piece(key, "key"), Piece(f" {word}", "muted")) for key, word in hints])


def text_lines(text: str, width: int, style: str = "") -> Iterator[Line]:
    """Yield text as lines in one style, broken at blanks to fit `width` cells."""
    for part in wrap_words(text, width):
        yield (Piece(part, style),)


def wrap_words(text: str, width: int) -> list[str]:
    """Break text at blanks to fit `width` cells; break a word only if it is longer than a line.

    A number stays with its unit unless that leaves half of the line before it empty.
    """
    lines = [""]
    for word in _BREAK.split(text):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
        elif " " in word and 2 * cell_len(lines[-1]) <= width:
            lines[-1:] = [part.strip() for part in wrap(joined, width)]
        else:
            lines.extend(wrap(word, width))
    return [line for line in lines if line] or [""]
