"""Formats remaining times and finish times as ranges, for the TUI and the command line.

Spans are in seconds, times in UTC seconds. Ranges are rounded outwards, so that a displayed range
is never narrower than the computed one; a longer time never reads as a shorter one. The two ends of
a range are joined by an en dash; the examples in these docstrings have a hyphen instead.

`at_least` means that only the low end is known.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, tzinfo
from typing import NamedTuple

from slurper_tui.format import DASH, END_OF_CALENDAR

MINUTE, HOUR, DAY = 60, 3600, 86400
_TO = "\N{EN DASH}"
TOO_FAR = 14 * DAY
"""Seconds. A finish further away is shown as `> 2 weeks`, because a number would mean little."""


# Remaining time in a table cell ----------------------------------------------------------------


def eta_short(low_seconds: float, high_seconds: float, *, at_least: bool = False) -> str:
    """Format a remaining time in 8 cells at most: `6-9h`, `1.5-3h`, `<5m`, `≥4h`, `>2w`."""
    if math.isnan(low_seconds):
        return DASH
    if low_seconds > TOO_FAR:
        return ">2w"
    if at_least or not high_seconds <= TOO_FAR:
        for start, size, unit in _LEAST:
            if low_seconds >= start:
                return f"≥{_down(low_seconds, size):g}{unit}"
        return DASH
    return _range_short(max(0.0, low_seconds), max(0.0, low_seconds, high_seconds))


_LEAST = ((3 * DAY, DAY, "d"), (1.5 * HOUR, HOUR, "h"), (MINUTE, MINUTE, "m"))
"""(lower limit in seconds, size of the unit, unit) of a time of which only the low end is known."""


def _range_short(low: float, high: float) -> str:
    """Format both ends in the high end's unit; a low end below one unit gets the smaller unit."""
    if high <= MINUTE:
        return "<1m"
    if high <= 95 * MINUTE:
        size, unit, smaller, smaller_unit = MINUTE, "m", MINUTE, "m"
    elif high <= 3 * DAY:
        size, unit, smaller, smaller_unit = HOUR, "h", MINUTE, "m"
    else:
        size, unit, smaller, smaller_unit = DAY, "d", HOUR, "h"
    top, bottom = _up(high, size), _down(low, size)
    if bottom:
        return f"{bottom:g}{_TO}{top:g}{unit}" if bottom < top else f"{top:g}{unit}"
    part = int(_down(low, smaller))
    return f"{part}{smaller_unit}{_TO}{top:g}{unit}" if part else f"<{top:g}{unit}"


# Below ten, hours and days are rounded to halves, because a whole unit would be a large part of
# the number. From ten on, minutes are rounded to fives.


def _down(seconds: float, size: int) -> float:
    number = math.floor(seconds / size)
    if size == MINUTE:
        return number - number % 5 if number >= 10 else number
    return math.floor(seconds / size * 2) / 2 if 1 <= number < 10 else number


def _up(seconds: float, size: int) -> float:
    number = math.ceil(seconds / size)
    if size == MINUTE:
        return number + -number % 5 if number > 10 else number
    return math.ceil(seconds / size * 2) / 2 if number <= 10 else number


def eta_spoken(low_seconds: float, high_seconds: float, *, at_least: bool = False) -> str:
    """Return the same remaining time for the ear: `6 to 9 hours`; "" if it is not known."""
    text = eta_short(low_seconds, high_seconds, at_least=at_least)
    if text == DASH:
        return ""
    found = re.fullmatch(rf"([<>≥]?)([\d.]+)([mhdw]?)(?:{_TO}([\d.]+)([mhd]))?", text)
    assert found is not None
    sign, low, low_unit, high, unit = found.groups()
    about = {"": "", "<": "less than ", ">": "more than ", "≥": "at least "}[sign]
    if high is None:
        return f"{about}{_spoken(low, low_unit)}"
    return f"{_spoken(low, low_unit) if low_unit else low} to {_spoken(high, unit)}"


def _spoken(number: str, unit: str) -> str:
    word = {"m": "minute", "h": "hour", "d": "day", "w": "week"}[unit]
    return f"{number} {word}" if number == "1" else f"{number} {word}s"


# Remaining time in words -----------------------------------------------------------------------

# (limit, step) in seconds: a span up to the limit is rounded to the step. Every limit is a
# multiple of its own step and of the next one.
_STEPS = (
    (10 * MINUTE, MINUTE),
    (6 * HOUR, 5 * MINUTE),
    (2 * DAY, 30 * MINUTE),
    (5 * DAY, 6 * HOUR),
    (TOO_FAR, DAY),
)


class _Span(NamedTuple):
    """A span in one or two units; the smaller one is 0 where it is not needed."""

    major: int
    unit: str
    minor: int = 0
    minor_unit: str = ""

    def __str__(self) -> str:
        return f"{self.bare} {self.minor_unit}" if self.minor else self.bare

    @property
    def bare(self) -> str:
        """The text without its last unit if it has two units, otherwise the whole text."""
        whole = f"{self.major} {self.unit}"
        return f"{whole} {self.minor}" if self.minor else whole


def eta_long(low_seconds: float, high_seconds: float, *, at_least: bool = False) -> str:
    """Format a remaining time: `3-5 h`, `1 h 35 - 2 h 10 min`, `< 5 min`, `≥ 4 h`, `> 2 weeks`."""
    if math.isnan(low_seconds):
        return DASH
    if low_seconds > TOO_FAR:
        return "> 2 weeks"
    earliest = max(0.0, low_seconds)
    low = math.floor(earliest / _step(earliest)) * _step(earliest)
    if at_least or not high_seconds <= TOO_FAR:
        return f"≥ {_span(low)}" if low else DASH
    latest = max(1.0, earliest, high_seconds)
    high = _span(math.ceil(latest / _step(latest)) * _step(latest))
    return _range_long(_span(low), high) if low else f"< {high}"


def _step(seconds: float) -> int:
    return next(step for limit, step in _STEPS if seconds <= limit)


def _span(seconds: int) -> _Span:
    if seconds < HOUR:
        return _Span(seconds // MINUTE, "min")
    if seconds < 2 * DAY:
        return _Span(seconds // HOUR, "h", seconds % HOUR // MINUTE, "min")
    return _Span(seconds // DAY, "d", seconds % DAY // HOUR, "h")


def _range_long(low: _Span, high: _Span) -> str:
    """Join two spans; a unit that both end with appears once."""
    if low == high:
        return str(low)
    if low.unit == high.unit and not low.minor and not high.minor:
        return f"{low.major}{_TO}{high}"
    same = low.minor and high.minor and low.minor_unit == high.minor_unit
    return f"{low.bare if same else low} {_TO} {high}"


# Finish time by the clock ----------------------------------------------------------------------


def finish(
    low: float, high: float, now: float, zone: tzinfo | None = None, *, at_least: bool = False
) -> str:
    """Format a finish time: `today 20:00-23:00 CET`, `Thu 22:00 - Fri 03:00 CET`, `by 14:05 CET`.

    A lower bound alone is `not before Thu 14:10 CET`. Beyond six days only the date is shown.
    Return "" when nothing is known.
    """
    if math.isnan(low):
        return ""
    today = _local(now, zone).date()
    if at_least or not high - now <= TOO_FAR:
        return f"not before {_one(_local(low, zone), today)}" if low > now else ""
    end = min(max(low, high, now), END_OF_CALENDAR)
    last = _local(math.ceil(end / MINUTE) * MINUTE, zone)
    if low > now:
        return _between(_local(low, zone), last, today)
    return f"by {_one(last, today)}" if high > now else "any moment"


def _local(at: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(min(at, END_OF_CALENDAR), UTC).astimezone(zone)


def _one(at: datetime, today: date) -> str:
    """Format a single time: `14:05 CET`, `Thu 14:05 CET`, `2026-03-28`."""
    day = _day(at, today)
    if _is_far(at, today):
        return day
    return f"{at:%H:%M %Z}" if at.date() == today else f"{day} {at:%H:%M %Z}"


def _between(first: datetime, last: datetime, today: date) -> str:
    days, zones = [_day(at, today) for at in (first, last)], {first.tzname(), last.tzname()}
    if _is_far(last, today) or len(zones) > 1:
        ends = [_day(at, today) + _clock(at, today) for at in (first, last)]
        return ends[0] if ends[0] == ends[1] else f" {_TO} ".join(ends)
    if days[0] != days[1]:
        return f"{days[0]} {first:%H:%M} {_TO} {days[1]} {last:%H:%M %Z}"
    if f"{first:%H:%M}" == f"{last:%H:%M}":
        return f"{days[0]} {last:%H:%M %Z}"
    return f"{days[0]} {first:%H:%M}{_TO}{last:%H:%M %Z}"


def _clock(at: datetime, today: date) -> str:
    return "" if _is_far(at, today) else f" {at:%H:%M %Z}"


def _day(at: datetime, today: date) -> str:
    if at.date() == today:
        return "today"
    return at.date().isoformat() if _is_far(at, today) else f"{at:%a}"


def _is_far(at: datetime, today: date) -> bool:
    """Return whether a weekday would be ambiguous."""
    return abs((at.date() - today).days) > 6
