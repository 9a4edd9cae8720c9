from __future__ import annotations

import json
import math
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui import format as fmt

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 19, 12, 0, tzinfo=UTC).timestamp()
ZONES = st.sampled_from(
    [UTC, BERLIN, ZoneInfo("America/New_York"), timezone(timedelta(hours=14)), None]
)
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def value_of(text: str) -> float:
    """Parse a short count or rate."""
    found = re.fullmatch(r"([0-9.]+)([kMGT]?)", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "—"), (0, "0"), (999, "999"), (1172004, "1,172,004")]
)
def test_count(value: int | None, text: str) -> None:
    assert fmt.count(value) == text


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("job",), "0 jobs"),
        (1, ("job",), "1 job"),
        (1204, ("remaining object",), "1,204 remaining objects"),
        (1, ("retry", "retries"), "1 retry"),
        (2, ("retry", "retries"), "2 retries"),
    ],
)
def test_counted(number: int, words: tuple[str, ...], text: str) -> None:
    assert fmt.counted(number, *words) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (1999, "1.99k"),
        (88_000, "88.0k"),
        (99_999, "99.9k"),
        (402_999, "402k"),
        (999_999, "999k"),
        (1_000_000, "1.00M"),
        (1_239_999, "1.23M"),
        (10**9, "1.00G"),
        (999 * 10**12, "999T"),
        (10**15, ">999T"),
        (2**63 * 3, ">999T"),
    ],
)
def test_short_count(value: int | None, text: str) -> None:
    assert fmt.short_count(value) == text


@given(st.integers(0, 10**15 - 1) | st.integers(0, 10**5))
def test_a_short_count_is_short_and_rounded_down(value: int) -> None:
    text = fmt.short_count(value)
    assert len(text) <= 5
    assert value * 0.99 - 1 <= value_of(text) <= value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (0.0, "0"),
        (0.001, "<0.1"),
        (0.05, "0.1"),
        (0.44, "0.4"),
        (6.13, "6.1"),
        (9.94, "9.9"),
        (9.96, "10"),
        (61.4, "61"),
        (582.0, "582"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (1234.0, "1.2k"),
        (1760.0, "1.8k"),
        (9949.0, "9.9k"),
        (9999.0, "10k"),
        (12_345.0, "12k"),
        (123_456.0, "120k"),
        (999_999.0, "1.0M"),
        (2.5e12, "2.5T"),
        (1e15, ">999T"),
        (1e300, ">999T"),
        (math.nan, "—"),
        (math.inf, "—"),
        (-1.0, "—"),
    ],
)
def test_rate(value: float | None, text: str) -> None:
    assert fmt.rate(value) == text


@given(st.floats())
def test_any_rate_is_at_most_five_cells(value: float) -> None:
    text = fmt.rate(value)
    assert 1 <= len(text) <= (4 if value < 9e14 else 5)


@given(st.floats(1, 9e14))
def test_a_rate_has_two_significant_digits(value: float) -> None:
    assert value_of(fmt.rate(value)) == pytest.approx(value, rel=0.051)


@pytest.mark.parametrize(
    ("value", "provisional", "text"),
    [
        (None, True, "—"),
        (None, False, "—"),
        (36, True, "~36"),
        (0, False, "0"),
        (100, False, "100"),
    ],
)
def test_percent(value: int | None, provisional: bool, text: str) -> None:
    assert fmt.percent(value, provisional=provisional) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (None, 10, "—"),
        (1, None, "—"),
        (1, 0, "—"),
        (0, 0, "—"),
        (0, 3, "0.0 %"),
        (341, 1000, "34.1 %"),
        (9999, 10000, "99.9 %"),
        (3, 3, "100.0 %"),
        (4, 3, "100.0 %"),
        (1, 2**63, "0.0 %"),
    ],
)
def test_share(part: int | None, whole: int | None, text: str) -> None:
    assert fmt.share(part, whole) == text


@pytest.mark.parametrize(
    ("seconds", "duration", "age"),
    [
        (-5, "0 s", "0s"),
        (0, "0 s", "0s"),
        (59.9, "59 s", "59s"),
        (60, "1 min", "1m"),
        (3599, "59 min", "59m"),
        (3600, "1 h", "1h"),
        (7800, "2 h 10 min", "2h"),
        (86399, "23 h 59 min", "23h"),
        (86400, "1 d", "1d"),
        (86400 + 59 * 60, "1 d", "1d"),
        (3 * 86400 + 4 * 3600, "3 d 4 h", "3d"),
        (999 * 86400, "999 d", "999d"),
        (1000 * 86400, "1000 d", ">2y"),
    ],
)
def test_spans(seconds: float, duration: str, age: str) -> None:
    assert fmt.duration(seconds) == duration
    assert fmt.age(seconds) == age


@given(st.floats(-1e9, 1e12))
def test_an_age_is_at_most_four_cells(seconds: float) -> None:
    assert 2 <= len(fmt.age(seconds)) <= 4


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-19T12:00:00.000Z", NOON),
        ("2026-03-19T12:00:00Z", NOON),
        ("2026-03-19T12:00:00", NOON),
        ("2026-03-19 12:00:00", NOON),
        ("2026-03-19T13:00:00+01:00", NOON),
        ("2026-03-19T12:00:00.123456789Z", NOON + 0.123456),
        ("2026-03-19", NOON - 12 * 3600),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("1773921600", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("\ud800", None),
        ("2026-03-19T12:00:00Z\n", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59-14:00", None),
    ],
)
def test_parse_time(text: str | None, at: float | None) -> None:
    assert fmt.parse_time(text) == (None if at is None else pytest.approx(at))


@given(st.text() | st.datetimes(timezones=ZONES).map(datetime.isoformat), ZONES, st.floats(0, 4e9))
def test_any_parsed_time_can_be_formatted(text: str, zone: ZoneInfo | None, now: float) -> None:
    at = fmt.parse_time(text)
    if at is not None:
        assert fmt.moment(at, now, zone)
        assert fmt.parse_time(fmt.iso(at, zone)) == pytest.approx(at, abs=1)
        assert re.fullmatch(r"\d\d:\d\d", fmt.clock(at, zone))
        assert fmt.zone_name(at, zone)


def test_times_in_a_zone() -> None:
    assert fmt.clock(NOON, UTC) == "12:00"
    assert fmt.clock(NOON, BERLIN) == "13:00"
    assert (fmt.zone_name(NOON, UTC), fmt.zone_name(NOON, BERLIN)) == ("UTC", "CET")
    assert fmt.zone_name(NOON + 90 * 86400, BERLIN) == "CEST"
    assert fmt.iso(NOON + 0.9, BERLIN) == "2026-03-19T13:00:00+01:00"


def test_local_time_is_the_default() -> None:
    local = datetime.fromtimestamp(NOON).astimezone()
    assert fmt.clock(NOON) == local.strftime("%H:%M")
    assert fmt.iso(NOON) == local.isoformat()
    assert fmt.zone_name(NOON) == (local.tzname() or "local")


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (0, "12:00"),
        (11 * 3600, "01:00"),
        (13 * 3600, "Wed 23:00"),
        (5 * 86400, "Sat 12:00"),
        (6 * 86400, "2026-03-13 12:00"),
        (400 * 86400, "2025-02-12 12:00"),
        (-3600, "13:00"),
        (-86400, "2026-03-20 12:00"),
    ],
)
def test_a_moment_has_the_date_where_it_is_needed(ago: float, text: str) -> None:
    assert fmt.moment(NOON - ago, NOON, UTC) == text


@pytest.mark.parametrize(
    ("text", "shown", "ascii_shown"),
    [
        ("photos-prod/2024/ [b]%s{}", "photos-prod/2024/ [b]%s{}", "photos-prod/2024/ [b]%s{}"),
        ("", "", ""),
        ("a\x1b[31mb", "a�[31mb", "a?[31mb"),
        ("a\nb\tc\rd\0", "a�b�c�d�", "a?b?c?d?"),
        ("\x9b31m\x85", "�31m�", "?31m?"),
        ("a\u202eb\u2066\u200f", "a�b��", "a?b??"),
        ("a\u200db\ufeff\u00ad", "a�b��", "a?b??"),
        ("\u2028\u2029", "��", "??"),
        ("\ud800\ue000\U0010ffff", "���", "???"),
        ("❤\ufe0f\U000e0100\u180b", "❤���", "????"),
        ("日本 é", "日本 é", "?? ?"),
        ("\U000e0041", "�", "?"),
    ],
)
def test_safe(text: str, shown: str, ascii_shown: str) -> None:
    assert fmt.safe(text) == shown
    assert fmt.safe(text, ascii_only=True) == ascii_shown


@given(st.text(st.characters()))
def test_no_text_contains_terminal_controls(text: str) -> None:
    shown, plain = fmt.safe(text), fmt.safe(text, ascii_only=True)
    assert len(shown) == len(plain) == len(text)
    unsafe = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not unsafe & {unicodedata.category(c) for c in shown}
    assert all(" " <= c <= "~" for c in plain)
    assert fmt.safe(shown) == shown
    shown.encode()


def test_a_very_long_text_keeps_both_ends() -> None:
    assert fmt.bounded("x" * fmt.MOST_SHOWN) == "x" * fmt.MOST_SHOWN
    shown = fmt.bounded("a" * 3_000_000 + "b" * 2_000_000)
    assert re.fullmatch(r"a{2048} \[4,995,904 characters left out\] b{2048}", shown)


def test_every_character_is_safe_or_replaced() -> None:
    odd = [chr(n) for n in range(0x110000) if fmt.safe(chr(n)) == chr(n)]
    assert all(c.isprintable() or unicodedata.category(c) == "Zs" for c in odd)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(ANY, st.sampled_from([None, 2]))
def test_json_is_strict_ascii_for_any_value(value: object, indent: int | None) -> None:
    text = fmt.as_json({"a": value, "b": [math.nan, math.inf, -math.inf, 1.5]}, indent=indent)
    assert text.isascii()
    decoded = json.loads(text, parse_constant=pytest.fail)
    assert decoded["b"] == [None, None, None, 1.5]
    assert isinstance(decoded["a"], dict) == isinstance(value, dict)
