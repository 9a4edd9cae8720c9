from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.envelope import parse_limit, parse_retry_after
from slurper_tui.api.errors import RateLimit


@pytest.mark.parametrize(
    ("left", "policy", "limit"),
    [
        ('"default";r=50;t=30', None, RateLimit(50, 30.0, None, None)),
        (None, '"burst";q=100;w=60', RateLimit(None, None, 100, 60.0)),
        ('"default";r=50;t=30', '"burst";q=100;w=60', RateLimit(50, 30.0, 100, 60.0)),
        ('"a";r=50;t=10, "b";r=30;t=300', None, RateLimit(30, 300.0, None, None)),
        ('"b";r=30;t=300,"a";r=50;t=10', None, RateLimit(30, 300.0, None, None)),
        (None, '"a";q=200;w=1, "b";q=1200;w=300', RateLimit(None, None, 1200, 300.0)),
        ('"a,b";r=7;t=9', None, RateLimit(7, 9.0, None, None)),
        ("default; R=7 ; T = 9", None, RateLimit(7, 9.0, None, None)),
        ('"default";t=9;r=7', None, RateLimit(7, 9.0, None, None)),
        ('"default";r=0;t=9', None, RateLimit(0, 9.0, None, None)),
        ('"a";r=0;t=9, "b";r=0;t=300, "c";r=0;t=60', None, RateLimit(0, 300.0, None, None)),
        ('"default";r=7;t=0', None, None),
        ('"default";r=7', None, None),
        ('"default";t=7', None, None),
        ('"default";r=-7;t=9', None, None),
        ('"default";r=7.5;t=9', None, None),
        ('"default";r=7;t=1e9', '"default";q=5;w=0', None),
        ('"default";r=12345678901234567890;t=9', None, None),
        ('"zero";r=1;t=0, "b";r=30;t=300', None, RateLimit(30, 300.0, None, None)),
        ("nonsense", "more nonsense", None),
        ("", "", None),
        (None, None, None),
    ],
)
def test_headers(left: str | None, policy: str | None, limit: RateLimit | None) -> None:
    told = {"Ratelimit": left, "Ratelimit-Policy": policy}
    headers = httpx.Headers({name: text for name, text in told.items() if text is not None})
    assert parse_limit(headers) == limit


def test_a_header_sent_twice_is_one_list() -> None:
    headers = httpx.Headers([("Ratelimit", '"a";r=50;t=10'), ("ratelimit", '"b";r=3;t=300')])
    assert parse_limit(headers) == RateLimit(3, 300.0, None, None)


PIECES = st.lists(st.sampled_from([*'",;=rtqw .-', "12", "0", "٣", "99999999999999"])).map("".join)


@given(st.text() | PIECES, st.text() | PIECES)
def test_any_text_is_a_believable_limit_or_none(left: str, policy: str) -> None:
    limit = parse_limit({"ratelimit": left, "ratelimit-policy": policy})
    if limit is None:
        return
    assert (limit.remaining is None) == (limit.reset is None)
    assert (limit.quota is None) == (limit.window is None)
    assert (limit.remaining or 0) >= 0
    assert (limit.quota or 0) >= 0
    assert 0 < (limit.reset or 1) < 10**12
    assert 0 < (limit.window or 1) < 10**12


NOW = 1_770_000_000.25
"""The clock of whoever asks: Mon, 02 Feb 2026 02:40:00 GMT and a quarter."""

SAME, LATER = "Mon, 02 Feb 2026 02:40:00 GMT", "Mon, 02 Feb 2026 02:40:30 GMT"


@pytest.mark.parametrize(
    ("told", "date", "seconds"),
    [
        (LATER, None, 29.75),
        (LATER, SAME, 30.0),
        (LATER, "nonsense", 29.75),
        ("Monday, 02-Feb-26 02:40:30 GMT", SAME, 30.0),
        ("Mon Feb  2 02:40:30 2026", SAME, 30.0),
        ("Mon, 02 Feb 2026 02:41:30 GMT", "Mon, 02 Feb 2026 02:41:00 GMT", 30.0),
        (SAME, LATER, 0.0),
        ("Mon, 02 Feb 2099 02:40:30 GMT", SAME, 86400.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None, 0.0),
        (f"{LATER}, {LATER}", SAME, 30.0),
        (f"5, {LATER}", SAME, 30.0),
        (f"{LATER}, 45", SAME, 45.0),
        ("5, 5", None, 5.0),
        ("5,nonsense", None, 5.0),
        ("-5, 2.5", None, 2.5),
        ("2.", None, 2.0),
        (".5", None, None),
        ("1e9", None, None),
        ("0x10", None, None),
        ("infinity", None, None),
        ("-1", None, None),
        ("Mon, 99 Feb 2026 02:40:30 GMT", None, None),
        ("Mon,", None, None),
        (",,", None, None),
    ],
)
def test_when_to_come_back(told: str, date: str | None, seconds: float | None) -> None:
    assert parse_retry_after(told, date, lambda: NOW) == seconds


DATES = st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
WAITS = st.text() | st.floats().map(str) | st.integers().map(str) | DATES


@given(st.lists(WAITS, max_size=3).map(", ".join), st.none() | WAITS)
def test_any_text_is_a_believable_wait_or_none(text: str, date: str | None) -> None:
    wait = parse_retry_after(text, date)
    assert wait is None or 0 <= wait <= 86400
