"""What is missing in a list of prefixes that is a sequence in all but a few places."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import NamedTuple

_DATE = re.compile(r"(?<!\d)(\d{4})([-/_.]?)(\d{2})(?:\2(\d{2}))?(?!\d)")
_NUMBER = re.compile(r"\d{1,9}")
_WORD = re.compile(r"[0-9A-Za-z]+")
_HEX = re.compile(r"[0-9a-f]{1,3}")
_YEARS = range(1900, 2200)


class _Place(NamedTuple):
    """Where in a prefix the member of a sequence stands, and how it is written.

    kind: which sequence. before, after: what all members have around it. form: its separator, or
    its width.
    """

    kind: str
    before: str
    after: str
    form: str


_Members = dict[_Place, set[int]]


def missing_of(prefixes: Sequence[str]) -> tuple[str, ...]:
    """Prefixes that a sequence would hold and the list does not, sorted.

    A sequence is at least two members that differ in one place alone, and lacks no more than it
    has: years, months and days across their years, numbers, and single letters; of digits to the
    base of 16, up to three wide, all are expected once half of them are there.
    """
    members: _Members = defaultdict(set)
    for prefix in set(prefixes):
        for place, value in _places(prefix):
            members[place].add(value)
    found = {text for place, values in members.items() for text in _missing(place, values)}
    return tuple(sorted(found - set(prefixes)))


def _places(prefix: str) -> Iterator[tuple[_Place, int]]:
    """Every place of a prefix at which a sequence might run, with the value there."""
    for found in _DATE.finditer(prefix):
        with suppress(ValueError):
            yield _dated(prefix, found)
    for found in _NUMBER.finditer(prefix):
        width = str(len(found[0])) if found[0].startswith("0") or len(found[0]) == 4 else ""
        yield _Place("number", *_around(prefix, found), width), int(found[0])
    for found in _WORD.finditer(prefix):
        if _HEX.fullmatch(found[0]):
            yield _Place("hex", *_around(prefix, found), str(len(found[0]))), int(found[0], 16)
        if len(found[0]) == 1 and found[0].isalpha():
            case = "A" if found[0].isupper() else "a"
            yield _Place("letter", *_around(prefix, found), case), ord(found[0])


def _around(prefix: str, found: re.Match[str]) -> tuple[str, str]:
    return prefix[: found.start()], prefix[found.end() :]


def _dated(prefix: str, found: re.Match[str]) -> tuple[_Place, int]:
    """A day as its ordinal, a month as its number since year 0. Raises ValueError for none."""
    year, separator, month, day = found.groups()
    whole = date(int(year), int(month), int(day or 1))
    if whole.year not in _YEARS or (not day and not separator):
        raise ValueError(prefix)
    kind = "day" if day else "month"
    value = whole.toordinal() if day else whole.year * 12 + whole.month - 1
    return _Place(kind, *_around(prefix, found), separator), value


def _missing(place: _Place, values: set[int]) -> Iterator[str]:
    """The missing members of one sequence, as prefixes."""
    expected = _expected(place, values)
    absent = [value for value in expected if value not in values] if expected else []
    if len(values) < 2 or not 0 < len(absent) <= len(values):
        return
    write = _WRITTEN[place.kind]
    yield from (place.before + write(value, place.form) + place.after for value in absent)


def _expected(place: _Place, values: set[int]) -> Iterable[int]:
    low, high = min(values), max(values)
    if high - low > 2 * len(values) + 4096:
        return ()
    if place.kind != "hex":
        return range(low, high + 1)
    written = "".join(_hex(value, place.form) for value in values)
    is_hex = not written.isdigit() and not written.isalpha()
    return range(16 ** int(place.form)) if is_hex else ()


def _hex(value: int, width: str) -> str:
    return f"{value:0{width}x}"


def _number(value: int, width: str) -> str:
    return f"{value:0{width}d}" if width else str(value)


def _letter(value: int, _: str) -> str:
    return chr(value)


def _month(value: int, separator: str) -> str:
    return f"{value // 12:04d}{separator}{value % 12 + 1:02d}"


def _day(value: int, separator: str) -> str:
    whole = date.fromordinal(value)
    return f"{whole:%Y}{separator}{whole:%m}{separator}{whole:%d}"


_WRITTEN: dict[str, Callable[[int, str], str]] = {
    "number": _number,
    "hex": _hex,
    "letter": _letter,
    "month": _month,
    "day": _day,
}
