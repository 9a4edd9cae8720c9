"""Formats numbers, times and foreign text for display, in the TUI and on the command line.

Counts are objects, rates objects per second, durations and ages seconds, times UTC seconds. An
unknown value (None) is shown as a dash.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime, tzinfo
from typing import Any

DASH = "—"
END_OF_CALENDAR = datetime(9999, 12, 1, tzinfo=UTC).timestamp()
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def count(value: int | None) -> str:
    """Format a count in full, grouped by thousands: `1,172,004`."""
    return DASH if value is None else f"{value:,}"


def counted(number: int, one: str, several: str = "") -> str:
    """Format a count with what it counts: `1 key`, `1,204 keys`.

    several: the words for every number but one; by default `one` with an s.
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def short_count(value: int | None) -> str:
    """Format a count in at most five cells, rounded down: `999`, `88.0k`, `1.23M`, `402k`."""
    if value is None:
        return DASH
    for size, unit in _UNITS:
        if value >= size:
            whole = value // size  # integer arithmetic rounds down
            if whole >= 1000:
                return ">999T"
            decimals = 3 - len(str(whole))
            if not decimals:
                return f"{whole}{unit}"
            scaled = value * 10**decimals // size
            return f"{whole}.{scaled % 10**decimals:0{decimals}d}{unit}"
    return str(value)


def size(value: int | None) -> str:
    """Format bytes in decimal units, rounded down: `999 B`, `12.0 GB`, `3.25 TB`."""
    text = short_count(value)
    return f"{text[:-1]} {text[-1]}B" if text[-1].isalpha() else f"{text} B"


def rate(value: float | None) -> str:
    """Format objects per second with two significant digits: `0`, `0.4`, `6.1`, `61`, `1.2k`."""
    if value is None or not 0 <= value < math.inf:
        return DASH
    if value < 0.05:
        return "0" if value == 0 else "<0.1"
    if value < 9.95:
        return f"{value:.1f}"
    if value < 999.5:
        return str(round(value))
    if value >= 1000 * 10**12:
        return ">999T"
    rounded = round(value, 2 - len(str(int(value))))
    size, unit = next((u for u in _UNITS if rounded >= u[0]), (10**3, "k"))
    scaled = rounded / size
    return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:.0f}{unit}"


def percent(value: int | None, *, provisional: bool = False) -> str:
    """Format a whole percentage, with a tilde if the total may still grow: `~36`."""
    if value is None:
        return DASH
    return f"~{value}" if provisional else str(value)


def share(part: int | None, whole: int | None) -> str:
    """Format a part of a whole in tenths of a percent, rounded down: `34.1 %`."""
    if part is None or not whole:
        return DASH
    tenths = min(1000, part * 1000 // whole)
    return f"{tenths // 10}.{tenths % 10} %"


def duration(seconds: float) -> str:
    """Format a span in its two largest units: `45 s`, `12 min`, `2 h 10 min`, `3 d 4 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return _two(whole // 3600, "h", whole % 3600 // 60, "min")
    return _two(whole // 86400, "d", whole % 86400 // 3600, "h")


def _two(major: int, unit: str, minor: int, minor_unit: str) -> str:
    return f"{major} {unit} {minor} {minor_unit}" if minor else f"{major} {unit}"


def age(seconds: float) -> str:
    """Format a span in one unit and at most four cells: `45s`, `12m`, `2h`, `3d`."""
    whole = max(0, int(seconds))
    if whole >= 1000 * 86400:
        return ">2y"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def clock(at: float, zone: tzinfo | None = None) -> str:
    """Format hours and minutes in the zone, local time by default: `14:02`."""
    return datetime.fromtimestamp(at, zone).strftime("%H:%M")


def zone_name(at: float, zone: tzinfo | None = None) -> str:
    """Return the zone's short name at that time: `CET`, `UTC`; `local` if it has none."""
    return datetime.fromtimestamp(at, zone).astimezone(zone).strftime("%Z") or "local"


def iso(at: float, zone: tzinfo | None = None) -> str:
    """Format ISO 8601 to the second with the zone's offset: `2026-03-19T15:46:20+01:00`."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone).isoformat(timespec="seconds")


def utc(at: float | None) -> str:
    """Format UTC seconds as `2026-03-19T15:46:20Z`; a dash for None."""
    return DASH if at is None else iso(at, UTC).replace("+00:00", "Z")


def lines_of(text: str) -> list[str]:
    """Split a text into lines, whose ends are all LF or all CRLF; blank lines do not count.

    Raises ValueError for a mix: it cannot be told apart from keys that end with CR.
    """
    lines = text.split("\n")
    crlf: bool | None = None
    for number, line in enumerate(lines[:-1], 1):
        if line not in ("", "\r"):
            crlf = line.endswith("\r") if crlf is None else crlf
            if line.endswith("\r") != crlf:
                raise ValueError(mixed_ends(number, crlf=crlf))
    return [line.removesuffix("\r") if crlf or line == "\r" else line for line in lines]


def mixed_ends(number: int, *, crlf: bool) -> str:
    """Return what is wrong with a line that ends otherwise than the first one. crlf: of that."""
    this, first = ("LF", "CRLF") if crlf else ("CRLF", "LF")
    cure = "keys that end with CR need NUL between them"
    return f"line {number:,} ends with {this}, the first one with {first}: {cure}"


def parse_time(text: str | None) -> float | None:
    """Parse one of the API's times as UTC seconds; return None for an unknown format.

    A zero time means that there is no time: it gives None too, as does a time past
    `END_OF_CALENDAR`, which not every zone can show.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return at if 0 < at < END_OF_CALENDAR else None


def moment(at: float, now: float, zone: tzinfo | None = None, *, seconds: bool = False) -> str:
    """Format a time with only the date parts needed: `09:12`, `Mon 09:12`, `2026-03-19 15:46`.

    seconds: include the seconds, as in `09:12:31`.
    """
    clock = "%H:%M:%S" if seconds else "%H:%M"
    then, today = (datetime.fromtimestamp(t, UTC).astimezone(zone) for t in (at, now))
    if then.date() == today.date():
        return then.strftime(clock)
    if 0 <= now - at < 6 * 86400:
        return then.strftime(f"%a {clock}")
    return then.strftime(f"%Y-%m-%d {clock}")


# Control, format (bidi marks, zero width joiners), surrogate, private and unassigned characters,
# line and paragraph separators, and variation selectors: none of them may reach a terminal.
_VARIATION = "[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

MOST_SHOWN = 4096
"""The most characters of one text that are displayed. The longest object key has 1,024 bytes."""


def bounded(text: str) -> str:
    """Cut a text above `MOST_SHOWN` characters in the middle, and insert how many were cut."""
    if len(text) <= MOST_SHOWN:
        return text
    half = MOST_SHOWN // 2
    return f"{text[:half]} [{len(text) - 2 * half:,} characters left out] {text[-half:]}"


def safe(text: str, *, ascii_only: bool = False) -> str:
    """Sanitise foreign text: replace every character that could control a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_PLAIN_TABLE if ascii_only else _SAFE_TABLE)


class _Table(dict[int, int]):
    """A translation table for `str.translate`; each character is classified on first use."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self._ascii_only = ascii_only
        self._stand_in = ord("?" if ascii_only else "\N{REPLACEMENT CHARACTER}")

    def __missing__(self, code: int) -> int:
        char = chr(code)
        if self._ascii_only:
            is_safe = " " <= char <= "~"
        else:
            category = unicodedata.category(char)
            is_safe = category not in _UNSAFE_CATEGORIES and not re.match(_VARIATION, char)
        shown = code if is_safe else self._stand_in
        if len(self) < MOST_SHOWN:
            self[code] = shown
        return shown


_SAFE_TABLE, _PLAIN_TABLE = _Table(ascii_only=False), _Table(ascii_only=True)


def is_utf8(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8; a key may contain lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_json(value: object, *, indent: int | None = None, default: Any = None) -> str:
    """Return JSON in ASCII only; NaN and infinite numbers become null.

    default: converts a value that JSON cannot represent.
    """
    import json  # 2 ms, only where JSON is written

    try:
        return json.dumps(value, indent=indent, default=default, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, default=default)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
