from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slurper_tui.eta_format import (
    DAY,
    HOUR,
    MINUTE,
    TOO_FAR,
    eta_long,
    eta_short,
    eta_spoken,
    finish,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 19, 14, 2, 31, tzinfo=BERLIN).timestamp()
SECONDS = st.floats(0, 20 * DAY) | st.floats(0, 3 * HOUR) | st.integers(0, 20 * DAY)
ANYTHING = st.floats() | SECONDS
ZONES = st.sampled_from([UTC, BERLIN, ZoneInfo("America/New_York"), timezone(timedelta(hours=14))])


def dashed(text: str) -> str:
    """Return a text with hyphens instead of dashes."""
    return text.replace("\N{EN DASH}", "-")


@pytest.mark.parametrize(
    ("low", "high", "short", "long"),
    [
        (6 * HOUR, 9 * HOUR, "6-9h", "6-9 h"),
        (6.2 * HOUR, 8.6 * HOUR, "6-9h", "6-9 h"),
        (3 * HOUR, 5 * HOUR, "3-5h", "3-5 h"),
        (95 * MINUTE, 130 * MINUTE, "1.5-2.5h", "1 h 35 - 2 h 10 min"),
        (55 * MINUTE, 100 * MINUTE, "55m-2h", "55 min - 1 h 40 min"),
        (37 * MINUTE, 48 * MINUTE, "35-50m", "35-50 min"),
        (91 * MINUTE, 95 * MINUTE, "90-95m", "1 h 30 - 1 h 35 min"),
        (2 * MINUTE + 59, 9 * MINUTE + 1, "2-10m", "2-10 min"),
        (0, 260, "<5m", "< 5 min"),
        (0, 10 * HOUR, "<10h", "< 10 h"),
        (10, 60, "<1m", "< 1 min"),
        (0, 0, "<1m", "< 1 min"),
        (-50, -20, "<1m", "< 1 min"),
        (50 * MINUTE, 10 * DAY, "<10d", "50 min - 10 d"),
        (5 * HOUR, 5 * HOUR, "5h", "5 h"),
        (5 * HOUR, 4 * HOUR, "5h", "5 h"),
        (18 * HOUR, 26 * HOUR, "18-26h", "18-26 h"),
        (18.4 * HOUR, 26.2 * HOUR, "18-27h", "18 h - 26 h 30 min"),
        (2 * DAY, 5 * DAY, "2-5d", "2-5 d"),
        (55 * MINUTE, 9.2 * HOUR, "55m-9.5h", "55 min - 9 h 30 min"),
        (90.2 * MINUTE, 185.2 * MINUTE, "1.5-3.5h", "1 h 30 - 3 h 10 min"),
        (9.2 * HOUR, 9.8 * HOUR, "9-10h", "9-10 h"),
        (23.7 * HOUR, 9.4 * DAY, "23h-9.5d", "23 h 30 min - 10 d"),
        (23 * HOUR, 13.5 * DAY, "23h-14d", "23 h - 14 d"),
        (60 * HOUR, 80 * HOUR, "2.5-3.5d", "2 d 12 - 3 d 12 h"),
        (10 * DAY, 20 * DAY, "≥10d", "≥ 10 d"),
        (10 * DAY, math.inf, "≥10d", "≥ 10 d"),
        (10 * DAY, math.nan, "≥10d", "≥ 10 d"),
        (14 * DAY + 1, 20 * DAY, ">2w", "> 2 weeks"),
        (math.inf, math.inf, ">2w", "> 2 weeks"),
        (math.nan, 5, "—", "—"),
    ],
)
def test_time_left(low: float, high: float, short: str, long: str) -> None:
    assert dashed(eta_short(low, high)) == short
    assert dashed(eta_long(low, high)) == long


@pytest.mark.parametrize(
    ("low", "short", "long"),
    [
        (4 * HOUR, "≥4h", "≥ 4 h"),
        (4.9 * HOUR, "≥4.5h", "≥ 4 h 50 min"),
        (119 * MINUTE, "≥1.5h", "≥ 1 h 55 min"),
        (89 * MINUTE, "≥85m", "≥ 1 h 25 min"),
        (71.9 * HOUR, "≥71h", "≥ 2 d 18 h"),
        (3 * DAY, "≥3d", "≥ 3 d"),
        (60, "≥1m", "≥ 1 min"),
        (59, "—", "—"),
        (-1, "—", "—"),
        (15 * DAY, ">2w", "> 2 weeks"),
    ],
)
def test_a_lower_bound(low: float, short: str, long: str) -> None:
    assert eta_short(low, low, at_least=True) == short
    assert eta_long(low, 2 * low, at_least=True) == long


@given(ANYTHING, ANYTHING, st.booleans())
def test_time_left_is_positive_and_fits_its_width(low: float, high: float, at_least: bool) -> None:
    short, long = (f(low, high, at_least=at_least) for f in (eta_short, eta_long))
    assert 1 <= len(short) <= 8
    assert 1 <= len(long) <= 22
    assert not re.search(r"-|\b0|nan|inf", short + long)


def ends(text: str) -> tuple[float, float]:
    """Parse a short text to seconds; an open end is infinite."""
    units = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
    if text == "—":
        return (0, math.inf)
    found = re.fullmatch(r"([<>≥]?)(?:([\d.]+)([mhd]?)-)?([\d.]+)([mhdw])", dashed(text))
    assert found, text
    sign, low, low_unit, high, unit = found.groups()
    top = float(high) * units[unit]
    if sign:
        return (0, top) if sign == "<" else (top, math.inf)
    return (float(low) * units[low_unit or unit] if low else top), top


@given(SECONDS, SECONDS)
def test_a_range_is_rounded_outwards(one: float, other: float) -> None:
    low, high = sorted((one, other))
    said = ends(eta_short(low, high))
    assert said[0] <= low
    assert high <= said[1]


@given(SECONDS, SECONDS, SECONDS)
def test_time_left_is_monotone(low: float, high: float, more: float) -> None:
    low, high = sorted((low, high))
    before, after = ends(eta_short(low, high)), ends(eta_short(low, high + more))
    assert after[1] >= before[1]
    if low >= MINUTE and low + more <= TOO_FAR:
        bounds = [ends(eta_short(x, x, at_least=True))[0] for x in (low, low + more)]
        assert bounds == sorted(bounds)


def at(days: float, clock: str) -> float:
    """Return the UTC seconds of a time in Berlin, `days` after Thursday, 19 March."""
    hour, minute = map(int, clock.split(":"))
    day = datetime(2026, 3, 19, hour, minute, tzinfo=BERLIN) + timedelta(days=days)
    return day.timestamp()


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        ((0, "20:00"), (0, "23:00"), "today 20:00-23:00 CET"),
        ((0, "20:00"), (0, "20:00"), "today 20:00 CET"),
        ((0, "22:00"), (1, "03:00"), "today 22:00 - Fri 03:00 CET"),
        ((1, "14:10"), (1, "16:00"), "Fri 14:10-16:00 CET"),
        ((1, "22:00"), (2, "03:00"), "Fri 22:00 - Sat 03:00 CET"),
        ((6, "09:00"), (6, "11:00"), "Wed 09:00-11:00 CET"),
        ((6, "09:00"), (7, "11:00"), "Wed 09:00 CET - 2026-03-26"),
        ((8, "09:00"), (8, "11:00"), "2026-03-27"),
        ((8, "09:00"), (11, "11:00"), "2026-03-27 - 2026-03-30"),
        ((8, "09:00"), (30, "11:00"), "not before 2026-03-27"),
        ((1, "09:00"), (30, "11:00"), "not before Fri 09:00 CET"),
        ((0, "14:00"), (0, "14:05"), "by 14:05 CET"),
        ((0, "14:00"), (1, "14:05"), "by Fri 14:05 CET"),
        ((0, "13:00"), (0, "14:00"), "any moment"),
    ],
)
def test_finish_by_the_clock(low: tuple[int, str], high: tuple[int, str], text: str) -> None:
    assert dashed(finish(at(*low), at(*high), NOW, BERLIN)) == text


def test_a_lower_bound_by_the_clock() -> None:
    def told(low: float) -> str:
        return finish(low, low, NOW, BERLIN, at_least=True)

    assert told(at(0, "18:00")) == "not before 18:00 CET"
    assert told(at(7, "18:00") - 2 * DAY) == "not before Tue 18:00 CET"
    assert told(at(30, "18:00")) == "not before 2026-04-18"
    assert told(NOW - 1) == ""
    assert finish(math.nan, NOW, NOW) == ""


def test_both_time_zones_are_named_across_a_clock_change() -> None:
    eve = datetime(2026, 3, 28, 12, 0, tzinfo=BERLIN).timestamp()
    spring = datetime(2026, 3, 29, 1, 30, tzinfo=BERLIN).timestamp()
    text = dashed(finish(spring, spring + HOUR, eve, BERLIN))
    assert text == "Sun 01:30 CET - Sun 03:30 CEST"
    autumn = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN).timestamp()
    text = dashed(finish(autumn, autumn + HOUR - 900, autumn - HOUR, BERLIN))
    assert text == "today 02:30 CEST - today 02:15 CET"


def test_the_end_is_rounded_to_the_next_minute() -> None:
    assert finish(NOW + 60.5, NOW + 61, NOW, UTC) == "today 13:03\N{EN DASH}13:04 UTC"


@given(ANYTHING, ANYTHING, st.floats(0, 4e9), ZONES | st.none(), st.booleans())
@example(math.inf, 0.0, 0.0, None, False)
def test_any_finish_is_formatted(
    low: float, high: float, now: float, zone: tzinfo | None, at_least: bool
) -> None:
    text = finish(now + low, now + high, now, zone, at_least=at_least)
    assert text.isprintable()
    assert len(text) <= 45


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (6 * HOUR, 9 * HOUR, "6 to 9 hours"),
        (95 * MINUTE, 130 * MINUTE, "1.5 to 2.5 hours"),
        (55 * MINUTE, 100 * MINUTE, "55 minutes to 2 hours"),
        (0, 260, "less than 5 minutes"),
        (0, 0, "less than 1 minute"),
        (HOUR * 30, HOUR * 90, "1 to 4 days"),
        (15 * DAY, 16 * DAY, "more than 2 weeks"),
        (4 * HOUR, float("inf"), "at least 4 hours"),
        (60, float("inf"), "at least 1 minute"),
        (0, float("inf"), ""),
        (float("nan"), 0, ""),
    ],
)
def test_a_remaining_time_for_the_ear(low: float, high: float, text: str) -> None:
    assert eta_spoken(low, high) == text


@given(st.floats(0, 1e7), st.floats(0, 1e7), st.booleans())
def test_every_remaining_time_can_be_spoken(low: float, high: float, at_least: bool) -> None:
    text = eta_spoken(low, low + high, at_least=at_least)
    assert re.fullmatch(r"((less than |more than |at least )?[a-z0-9. ]+)?", text)
