from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.timeparse import parse_when

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=PARIS).timestamp()
"""A Tuesday."""


def ahead(text: str, now: float = NOW) -> str:
    return in_paris(parse_when(text, now, PARIS, future=True))


def past(text: str, now: float = NOW) -> str:
    return in_paris(parse_when(text, now, PARIS, future=False))


def in_paris(at: float) -> str:
    return datetime.fromtimestamp(at, PARIS).strftime("%Y-%m-%d %H:%M:%S")


def paris(*when: int) -> float:
    year, month, day, hour, minute = when
    return datetime(year, month, day, hour, minute, tzinfo=PARIS).timestamp()


@contextmanager
def system_zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-27 18:00", "2026-11-27 18:00:00"),
        ("2026-11-27T18:00:30", "2026-11-27 18:00:30"),
        ("2026-11-27T18:00Z", "2026-11-27 19:00:00"),
        ("2026-11-27T18:00-05:00", "2026-11-28 00:00:00"),
        ("2026-11-27 18:00 UTC", "2026-11-27 19:00:00"),
        ("20261127T1800", "2026-11-27 18:00:00"),
        ("2026-11-27T18:00:00.654321", "2026-11-27 18:00:00"),
        ("2026-11-27", "2026-11-27 23:59:59"),
        ("18:00", "2026-11-24 18:00:00"),
        ("9:00", "2026-11-25 09:00:00"),
        ("12:30", "2026-11-25 12:30:00"),
        ("6pm", "2026-11-24 18:00:00"),
        ("6:30 pm", "2026-11-24 18:30:00"),
        ("12am", "2026-11-25 00:00:00"),
        ("at 18:00", "2026-11-24 18:00:00"),
        ("18:00 UTC", "2026-11-24 19:00:00"),
        ("Fri 18:00", "2026-11-27 18:00:00"),
        ("friday, 18:00", "2026-11-27 18:00:00"),
        ("18:00 Fri", "2026-11-27 18:00:00"),
        ("Fri at 18:00", "2026-11-27 18:00:00"),
        ("Friday", "2026-11-27 23:59:59"),
        ("Thurs. 9:00", "2026-11-26 09:00:00"),
        ("Tue 18:00", "2026-11-24 18:00:00"),
        ("Tue 12:00", "2026-12-01 12:00:00"),
        ("Tuesday", "2026-11-24 23:59:59"),
        ("today 18:00", "2026-11-24 18:00:00"),
        ("today", "2026-11-24 23:59:59"),
        ("tomorrow 9:00", "2026-11-25 09:00:00"),
        ("Tomorrow", "2026-11-25 23:59:59"),
        ("2h", "2026-11-24 14:30:00"),
        ("90 min", "2026-11-24 14:00:00"),
        ("3d", "2026-11-27 12:30:00"),
        ("2 h 30 min", "2026-11-24 15:00:00"),
        ("2h30m", "2026-11-24 15:00:00"),
        ("1.5 hours", "2026-11-24 14:00:00"),
        ("in 2 weeks", "2026-12-08 12:30:00"),
        ("45 s", "2026-11-24 12:30:45"),
        ("Nov 27 18:00", "2026-11-27 18:00:00"),
        ("27 Nov 18:00", "2026-11-27 18:00:00"),
        ("27 November 2026 18:00", "2026-11-27 18:00:00"),
        ("Nov 27, 2026 18:00", "2026-11-27 18:00:00"),
        ("Nov 27th", "2026-11-27 23:59:59"),
        ("27. Nov. 18:00", "2026-11-27 18:00:00"),
        ("18:00 27 Nov", "2026-11-27 18:00:00"),
        ("5 Jan 9:00", "2027-01-05 09:00:00"),
        ("29 Feb 9:00", "2028-02-29 09:00:00"),
        ("  fri   18:00 ", "2026-11-27 18:00:00"),
    ],
)
def test_parse_a_future_time(text: str, expected: str) -> None:
    assert ahead(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18:00", "2026-11-23 18:00:00"),
        ("12:30", "2026-11-24 12:30:00"),
        ("9:00", "2026-11-24 09:00:00"),
        ("Fri 18:00", "2026-11-20 18:00:00"),
        ("Friday", "2026-11-20 00:00:00"),
        ("Tuesday", "2026-11-24 00:00:00"),
        ("Tue 18:00", "2026-11-17 18:00:00"),
        ("yesterday", "2026-11-23 00:00:00"),
        ("yesterday 18:00", "2026-11-23 18:00:00"),
        ("today", "2026-11-24 00:00:00"),
        ("2h", "2026-11-24 10:30:00"),
        ("2 h 30 min ago", "2026-11-24 10:00:00"),
        ("3d", "2026-11-21 12:30:00"),
        ("2026-11-20", "2026-11-20 00:00:00"),
        ("2026-11-20T09:00Z", "2026-11-20 10:00:00"),
        ("Nov 20", "2026-11-20 00:00:00"),
    ],
)
def test_parse_a_past_time(text: str, expected: str) -> None:
    assert past(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "18", "7", "fr 18:00", "next friday", "18:00 19:00", "1800", "Fri Sat"),
        *("Nov", "Nov 27 27", "27 27", "foo 27", "2026", "2026-13-01", "2026-11-27 18:00 CET"),
        *("-2h", "2 fortnights", "2h x", "2x", "h", "13pm", "0am", "Fri noon 18:00", "x" * 500),
        *("in 2h ago", "1:2", "Fri:18:00", "::", "utc", "0", "1e9h", "\x1b[31m", "٣"),
    ],
)
def test_an_invalid_time_is_refused_in_one_line(text: str) -> None:
    for future in (True, False):
        with pytest.raises(ValueError, match=r'^(cannot read )?"[ -~٣]*" ?.*write "18:00"') as told:
            parse_when(text, NOW, PARIS, future=future)
        assert str(told.value).isprintable()


@pytest.mark.parametrize("text", ["11/12", "11/12 18:00", "27.11. 18:00", "27-11-2026", "18.30"])
def test_ambiguous_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="can be read in two ways"):
        ahead(text)


@pytest.mark.parametrize("text", ["25:00", "18:61", "Fri 24:00"])
def test_an_impossible_clock_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no clock shows that time"):
        ahead(text)


@pytest.mark.parametrize("text", ["31 Nov", "30 Feb 2027", "Nov 0"])
def test_an_impossible_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no calendar has that day"):
        ahead(text)


@pytest.mark.parametrize("text", ["99999999 weeks", "9999-12-31", "1 Jan 9999", "0001-01-01"])
def test_a_time_too_far_away_is_refused(text: str) -> None:
    for future in (True, False):
        with pytest.raises(ValueError, match="is too far away"):
            parse_when(text, NOW, PARIS, future=future)


@pytest.mark.parametrize("text", ["2026-11-20 18:00", "Nov 20 18:00", "yesterday", "today 9:00"])
def test_a_past_deadline_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is past: it was (Fri|Mon|Tue) 2026-11-2\d \d\d:\d\d"):
        ahead(text)


def test_a_future_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="yet to come: it will be Fri 2026-11-27 18:00"):
        past("27 Nov 18:00")
    with pytest.raises(ValueError, match="no time that has been"):
        past("in 2h")
    with pytest.raises(ValueError, match="no time ahead"):
        ahead("2h ago")


def test_a_skipped_or_repeated_clock_time_is_refused() -> None:
    spring, autumn = paris(2027, 3, 27, 12, 0), paris(2027, 10, 30, 12, 0)
    for text in ("2:30", "Sun 2:30", "tomorrow 2:30", "2027-03-28 02:30", "28 Mar 2:30"):
        with pytest.raises(ValueError, match="02:30 does not exist on 2027-03-28"):
            ahead(text, spring)
    for text in ("2:30", "Sun 2:30", "tomorrow 2:30", "2027-10-31 02:30", "31 Oct 2:30"):
        with pytest.raises(ValueError, match="02:30 comes twice on 2027-10-31"):
            ahead(text, autumn)
    assert parse_when("2027-10-31 02:30+02:00", autumn, PARIS, future=True) < parse_when(
        "2027-10-31 02:30+01:00", autumn, PARIS, future=True
    )


def test_a_time_in_a_skipped_hour_means_the_next_day() -> None:
    assert ahead("2:30", paris(2027, 3, 28, 12, 0)) == "2027-03-29 02:30:00"


def test_a_night_with_a_clock_change_is_an_hour_shorter_or_longer() -> None:
    spring, autumn = paris(2027, 3, 27, 18, 0), paris(2027, 10, 30, 18, 0)
    night = 24 * 3600
    assert parse_when("tomorrow 18:00", spring, PARIS, future=True) - spring == night - 3600
    assert parse_when("tomorrow 18:00", autumn, PARIS, future=True) - autumn == night + 3600
    assert parse_when("24h", spring, PARIS, future=True) - spring == night


def test_a_day_without_midnight_begins_at_its_first_time() -> None:
    santiago = ZoneInfo("America/Santiago")
    noon = datetime(2026, 9, 6, 12, tzinfo=santiago).timestamp()
    begun = datetime.fromtimestamp(parse_when("today", noon, santiago, future=False), santiago)
    assert begun.strftime("%d %H:%M") == "06 01:00"


@pytest.mark.parametrize("name", ["Europe/Paris", "America/New_York", "UTC", "Asia/Kathmandu"])
def test_the_zone_of_the_system_equals_the_named_one(name: str) -> None:
    texts = ("18:00", "Fri 18:00", "Friday", "tomorrow 9:00", "2h", "27 Nov 18:00", "2027-04-01")
    zone = ZoneInfo(name)
    with system_zone(name):
        for text in texts:
            own = parse_when(text, NOW, None, future=True)
            assert own == parse_when(text, NOW, zone, future=True)


def test_the_zone_of_the_system_has_its_clock_changes() -> None:
    with system_zone("America/New_York"):
        now = datetime(2027, 3, 13, 12, tzinfo=NEW_YORK).timestamp()
        with pytest.raises(ValueError, match="does not exist on 2027-03-14"):
            parse_when("tomorrow 2:30", now, None, future=True)


@given(st.text(max_size=80), st.booleans())
def test_any_text_is_a_valid_time_or_a_one_line_error(text: str, future: bool) -> None:
    try:
        at, said = parse_when(text, NOW, PARIS, future=future), ""
    except ValueError as error:
        at, said = NOW + future, str(error)
    assert (at > NOW) == future
    assert said.isprintable()


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from([PARIS, NEW_YORK, UTC, ZoneInfo("Australia/Lord_Howe")]),
)
def test_the_next_clock_time_is_within_two_days(now: datetime, zone: ZoneInfo) -> None:
    at = now.replace(tzinfo=UTC).timestamp()
    for future in (True, False):
        found = parse_when("14:05", at, zone, future=future)
        assert abs(found - at) <= timedelta(hours=25).total_seconds()
        assert datetime.fromtimestamp(found, zone).strftime("%H:%M") == "14:05"


@given(st.integers(0, 10**6), st.sampled_from(["s", "min", "h", "d"]))
def test_a_duration_is_symmetric_ahead_and_ago(number: int, unit: str) -> None:
    seconds = number * {"s": 1, "min": 60, "h": 3600, "d": 86400}[unit]
    if not 0 < seconds < 10**9:
        return
    assert parse_when(f"{number}{unit}", NOW, PARIS, future=True) - NOW == seconds
    assert NOW - parse_when(f"{number} {unit}", NOW, PARIS, future=False) == seconds
