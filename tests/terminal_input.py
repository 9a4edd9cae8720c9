"""Random terminal input: keys with their names, and sequences that are not keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from textual.events import Key
from textual.message import Message

from slurper_tui.cli.keyboard import Keyboard

SHORT, PAUSE, LONG = 0.02, 2.5, 30.0
"""Seconds: below every time-out, within an unfinished string, and beyond every time-out."""

KEYS: dict[bytes, list[str]] = {
    **{bytes([code]): [chr(code)] for code in (*range(0x30, 0x3A), *range(0x61, 0x7B))},
    **{letter: [letter.decode()] for letter in (b"P", b"X", b"O", b"W", b"U", b"R")},
    b"[": ["left_square_bracket"],
    b"]": ["right_square_bracket"],
    b"_": ["underscore"],
    b"\\": ["backslash"],
    b"\r": ["enter"],
    b"\t": ["tab"],
    b"\x03": ["ctrl+c"],
    b"\x1a": ["ctrl+z"],
    b"\x7f": ["backspace"],
    "é".encode(): ["é"],
    "日".encode(): ["日"],
    b"\x1bq": ["alt+q"],
    b"\x1b[A": ["up"],
    b"\x1bOB": ["down"],
    b"\x1b[H": ["home"],
    b"\x1b[3~": ["delete"],
    b"\x1b[1;2A": ["shift+up"],
    b"\x1b[1;5C": ["ctrl+right"],
    b"\x1b[3$": ["shift+delete"],
    b"\x1bOP": ["f1"],
    b"\x1b[[A": ["f1"],
    b"\x1b[Z": ["shift+tab"],
    b"\x1b[121u": ["y"],
    b"\x1b[121;;121u": ["y"],
    b"\x1b[121;129u": ["y"],
    b"\x1b[97;2;65u": ["A"],
    b"\x1b[0;;229u": ["å"],
    b"\x1b[97:65;2u": ["shift+a"],
    b"\x1b[97::99;1:1u": ["a"],
    b"\x1b[27u": ["escape"],
    b"\x1b[27;129u": ["escape"],
    b"\x1b[99;5u": ["ctrl+c"],
    b"\x1b[99;133u": ["ctrl+c"],
    b"\x1b[27;5;99~": ["ctrl+c"],
    b"\x1b[13;1:1u": ["enter"],
    b"\x1b[13;1;13u": ["enter"],
    b"\x1b[1;1:2B": ["down"],
    b"\x1b[57414u": ["enter"],
}

REPLIES = [
    b"\x1b]11;rgb:1d1d/1f1f/2121\x1b\\",
    b"\x1b]10;rgb:cccc/cccc/cccc\x07",
    b"\x1b]4;1;rgb:cdcd/0000/0000\x1b\\",
    b"\x1b]52;c;UHlRIFkgWA==\x1b\\",
    b"\x1bP>|XTerm(380)\x1b\\",
    b"\x1bP>|kitty(0.35.2)\x1b\\",
    b"\x1bP!|7E565445\x1b\\",
    b"\x1bP1$r0m\x1b\\",
    b"\x1bP1+r544e=787465726d\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b[?1;2c",
    b"\x1b[>0;276;0c",
    b"\x1b[12;40R",
    b"\x1b[1;2R",
    b"\x1b[?2027;2$y",
    b"\x1b[?1u",
    b"\x1b[?997;1n",
    b"\x1b[0n",
    b"\x1b[4;600;800t",
    b"\x1b[8;24;80t",
]
"""Replies of real terminals, which may arrive late."""

NOISE = [
    *REPLIES,
    b"\x1bXPy\x1b\\",
    b"\x1b^Py\x07",
    b"\x1b\\",
    b"\x1b[MPXy",
    b"\x1b[M y ",
    b"\x1b[32;10;20M",
    b"\x1b[99999999u",
    b"\x1b[1114112u",
    b"\x1b[55296;1u",
    b"\x1b[57599u",
    b"\x1b[121~",
    b"\x1b[121A",
    b"\x1b[121;999u",
    b"\x1b[121;1:7u",
    b"\x1b[121\xc3\xa9;1u",
    b"\x1b[201~",
    b"\x1b[1 2q",
    b"\x1b[48;0;0;0;0t",
    b"\xc2\x9b?1;2c",
    b"\x9b12;40R",
    b"\xc2\x9d11;rgb:yyyy\xc2\x9c",
    b"\x90>|Py\x9c",
    b"\xc2\x85",
    b"\xff",
    b"\xef\xbf\xbd",
]

RELEASES = [b"\x1b[13;1:3u", b"\x1b[121;1:3u", b"\x1b[3;1:3~", b"\x1b[1;1:3A", b"\x1b[121;129:3u"]

_LATE = b"[]P_^XO\\"
"""Bytes that continue an ESC of an earlier read on a slow connection."""


class Piece(NamedTuple):
    """Bytes of one read. gap: seconds since the previous read."""

    gap: float
    data: bytes


def typed(pieces: Iterable[Piece]) -> list[Message]:
    """Return all messages of a keyboard for these reads and a long pause after them."""
    return [message for _, messages in reads(pieces) for message in messages]


def reads(pieces: Iterable[Piece]) -> Iterable[tuple[float, list[Message]]]:
    """Yield the time and the messages of each read or time-out."""
    keyboard, now = Keyboard(), 1000.0
    for gap, data in (*pieces, Piece(LONG, b"")):
        now += gap
        while keyboard.deadline is not None and keyboard.deadline <= now:
            due = keyboard.deadline
            yield due, keyboard.tick(due)
        if data:
            yield now, keyboard.feed(data, now)
    assert keyboard.deadline is None


def names(messages: Iterable[Message]) -> list[str]:
    """Return the names of the keys among messages."""
    return [message.key for message in messages if isinstance(message, Key)]


def scenario(random: Random) -> tuple[list[Piece], list[str]]:
    """Return keys and noise in random order, cut anywhere, and the expected keys."""
    pieces: list[Piece] = []
    expected: list[str] = []
    gap = 0.0
    for _ in range(random.randint(1, 12)):
        data, keys, patience = _token(random)
        pieces += _cut(random, data, patience, gap)
        expected += keys
        gap = random.choice([0.0, SHORT, PAUSE])
        if random.random() < 0.1:
            pieces.append(Piece(gap, b"\x1b"))
            expected.append("escape")
            gap = LONG
    return pieces, expected


def _token(random: Random) -> tuple[bytes, Sequence[str], float]:
    """Return bytes, the keys that they encode, and the longest allowed pause within."""
    kind = random.randrange(5)
    if kind == 0:
        return random.choice(NOISE), (), PAUSE
    if kind == 1:
        return random.choice(RELEASES), (), PAUSE
    if kind == 2:
        return _string(random), (), PAUSE
    data = random.choice(list(KEYS))
    return data, KEYS[data], SHORT


def _string(random: Random) -> bytes:
    """Return a control string with random content."""
    content = bytes(random.choice(b"Py;:/?rgb \r\n0159") for _ in range(random.randint(0, 40)))
    begin = random.choice([b"\x1b]", b"\x1bP", b"\x1b_", b"\x1bX", b"\x1b^", b"\xc2\x9d", b"\x90"])
    return begin + content + random.choice([b"\x1b\\", b"\x07", b"\xc2\x9c", b"\x9c"])


def _cut(random: Random, data: bytes, patience: float, gap: float) -> list[Piece]:
    """Cut one token with at most one long pause, which is not right after its ESC."""
    places = sorted(random.sample(range(1, len(data)), random.randint(0, len(data) - 1)))
    parts = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    pieces = [Piece(SHORT if number else gap, part) for number, part in enumerate(parts)]
    long = random.randrange(len(parts))
    if long and places[long - 1] > 1:
        pieces[long] = pieces[long]._replace(gap=patience)
    return pieces
