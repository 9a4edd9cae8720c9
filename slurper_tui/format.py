"""Numbers, times and foreign text as a person reads them, for both faces.

Counts are objects, rates objects per second, durations and ages seconds, times UTC seconds.
What is unknown is a dash.
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
    """A count in full, grouped by thousands: `1,172,004`."""
    return DASH if value is None else f"{value:,}"


def short_count(value: int | None) -> str:
    """A count in at most five cells, rounded down: `999`, `88.0k`, `1.23M`, `402k`."""
    if value is None:
        return DASH
    for size, unit in _UNITS:
        if value >= size:
            return _three_digits(value, size) + unit if value < 1000 * 10**12 else ">999T"
    return str(value)


def _three_digits(value: int, size: int) -> str:
    """value / size with three digits and never more than the truth, in whole arithmetic."""
    whole = value // size
    decimals = 3 - len(str(whole))
    if decimals <= 0:
        return str(whole)
    scaled = value * 10**decimals // size
    return f"{whole}.{scaled % 10**decimals:0{decimals}d}"


def rate(value: float | None) -> str:
    """Objects per second with two digits that matter: `0.4`, `6.1`, `61`, `1.2k`; `0` is none."""
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
    return _rate_unit(round(value, 2 - len(str(int(value)))))


def _rate_unit(value: float) -> str:
    size, unit = next((u for u in _UNITS if value >= u[0]), (10**3, "k"))
    scaled = value / size
    return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:.0f}{unit}"


def percent(value: int | None, *, provisional: bool = False) -> str:
    """A whole percentage, with a tilde where the total may still grow: `~36`."""
    if value is None:
        return DASH
    return f"~{value}" if provisional else str(value)


def share(part: int | None, whole: int | None) -> str:
    """A part of a whole in tenths of a percent, rounded down: `34.1 %`."""
    if part is None or not whole:
        return DASH
    tenths = min(1000, part * 1000 // whole)
    return f"{tenths // 10}.{tenths % 10} %"


def duration(seconds: float) -> str:
    """A span in its two largest units: `45 s`, `12 min`, `2 h 10 min`, `3 d 4 h`."""
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
    """A span in one unit and at most four cells: `45s`, `12m`, `2h`, `3d`."""
    whole = max(0, int(seconds))
    if whole >= 1000 * 86400:
        return ">2y"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def clock(at: float, zone: tzinfo | None = None) -> str:
    """Hours and minutes in the zone, local time by default: `14:02`."""
    return datetime.fromtimestamp(at, zone).strftime("%H:%M")


def zone_name(at: float, zone: tzinfo | None = None) -> str:
    """The zone's short name at that time: `CET`, `UTC`."""
    return datetime.fromtimestamp(at, zone).astimezone(zone).strftime("%Z") or "local"


def iso(at: float, zone: tzinfo | None = None) -> str:
    """ISO 8601 to the second with its offset: `2026-03-19T15:46:20+01:00`."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone).isoformat(timespec="seconds")


def parse_time(text: str | None) -> float | None:
    """Read one of the API's times as UTC seconds; None when it is no time that we know.

    A zero time stands for none, and what no calendar of every zone can show is no time either.
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
    """A time with as much of its date as is needed: `09:12`, `Mon 09:12`, `2026-03-19 15:46`.

    seconds: tell them too, as in `09:12:31`.
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
"""Characters of one text that a screen looks at; the longest key of an object has 1,024 bytes."""


def bounded(text: str) -> str:
    """A text that is longer than any screen without its middle, and how much that was."""
    if len(text) <= MOST_SHOWN:
        return text
    half = MOST_SHOWN // 2
    return f"{text[:half]} [{len(text) - 2 * half:,} characters left out] {text[-half:]}"


def safe(text: str, *, ascii_only: bool = False) -> str:
    """Foreign text made harmless: whatever could steer a terminal becomes a visible stand-in."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_PLAIN_TABLE if ascii_only else _SAFE_TABLE)


class _Table(dict[int, int]):
    """What stands for each character, decided when it is first met."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self._ascii_only = ascii_only
        self._stand_in = ord("?" if ascii_only else "\N{REPLACEMENT CHARACTER}")

    def __missing__(self, code: int) -> int:
        shown = code if _is_safe(chr(code), self._ascii_only) else self._stand_in
        if len(self) < MOST_SHOWN:
            self[code] = shown
        return shown


def _is_safe(char: str, ascii_only: bool) -> bool:
    if ascii_only:
        return " " <= char <= "~"
    return unicodedata.category(char) not in _UNSAFE_CATEGORIES and not re.match(_VARIATION, char)


_SAFE_TABLE, _PLAIN_TABLE = _Table(ascii_only=False), _Table(ascii_only=True)


def as_json(value: object, *, indent: int | None = None, default: Any = None) -> str:
    """JSON in ASCII alone, as every face writes it. NaN and infinite numbers become null.

    default: makes something that JSON has of anything else.
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
