"""The request budget and the back-off."""

from __future__ import annotations

import bisect
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurper_tui.api.errors import RateLimit
from slurper_tui.monitor.polling.budget import LONGEST, SHORTEST, Budget, TokenBucket, backoff


@given(st.integers(1, 10**6), st.floats(2, 3600), st.integers())
def test_a_wait_is_between_a_second_and_a_minute(failures: int, base: float, seed: int) -> None:
    wait = backoff(failures, base, random.Random(seed))
    assert SHORTEST <= wait <= min(LONGEST, base * 2.0 ** min(failures - 1, 10))


def test_the_span_doubles_up_to_a_minute() -> None:
    rng = random.Random(7)
    longest = [max(backoff(n, 5.0, rng) for _ in range(2000)) for n in range(1, 8)]
    for seen, span in zip(longest, [5, 10, 20, 40, 60, 60, 60], strict=True):
        assert span * 0.97 <= seen <= span


def test_waits_spread_over_the_whole_span() -> None:
    rng = random.Random(7)
    waits = [backoff(9, 5.0, rng) for _ in range(6000)]
    tenths = [sum(low <= wait < low + 6 for wait in waits) for low in range(0, 60, 6)]
    assert all(500 <= number <= 700 for number in tenths)


def test_the_same_seed_gives_the_same_waits() -> None:
    one, other = random.Random(3), random.Random(3)
    assert [backoff(n, 5.0, one) for n in range(1, 9)] == [
        backoff(n, 5.0, other) for n in range(1, 9)
    ]


EPOCH = 1e6
"""Monotonic seconds; a monotonic clock may start anywhere."""


def spend(budget: Budget, number: int, now: float) -> None:
    for _ in range(number):
        budget.record_request(now)


def most_in(times: list[float], seconds: float) -> int:
    """Return the most requests in any window of that length, edges included."""
    ends = (bisect.bisect_right(times, at + seconds) for at in times)
    return max((end - begin for begin, end in enumerate(ends)), default=0)


AMOUNTS = st.integers(0, 1500) | st.integers(0, 10**12)
SECONDS = st.floats(0.1, 600) | st.floats(0.1, 1e12)
LIMITS = st.builds(
    RateLimit,
    st.none() | AMOUNTS,
    st.none() | SECONDS,
    st.none() | AMOUNTS,
    st.none() | SECONDS,
)
STEPS = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 700) | st.sampled_from([0.0, 0.005, 299.99, 300.0])),
    st.tuples(st.just("spend"), st.integers(0, 1000)),
    st.tuples(st.just("hear"), LIMITS),
    st.tuples(st.just("block"), st.none() | st.floats(0, 86400)),
    st.tuples(st.just("wait"), st.none()),
)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_the_budget_holds_under_any_sequence_of_events(steps: list[tuple[str, Any]]) -> None:
    now, budget, sent, blocked = EPOCH, Budget(), [], -math.inf
    for step, value in steps:
        if step == "pass":
            now += float(value)
        elif step == "spend":
            number = min(int(value), budget.available(now))
            assert not number or now >= blocked
            spend(budget, number, now)
            sent += [now] * number
        elif step == "hear":
            budget.record_headers(value, now)
        elif step == "block":
            budget.block(now, value)
            blocked = max(blocked, now + 1)
        else:
            ready = budget.ready_at(now)
            assert ready >= now
            assert (ready == now) == (budget.available(now) > 0)
            now = ready
            assert budget.available(now) > 0
        assert 0 <= budget.available(now) <= 900
        assert budget.per_second(now) >= 0
        assert 0 <= budget.used(now) <= 900
    assert most_in(sent, 300.0) <= 900


def test_900_requests_at_once_then_none_for_five_minutes() -> None:
    budget = Budget()
    assert budget.available(EPOCH) == 900
    spend(budget, 900, EPOCH)
    assert budget.available(EPOCH) == 0
    assert budget.available(EPOCH + 300) == 0
    ready = budget.ready_at(EPOCH)
    assert ready == pytest.approx(EPOCH + 300, abs=0.1)
    assert budget.available(ready) == 900


def test_a_steady_rate_of_three_requests_per_second_is_allowed() -> None:
    budget, now, sent = Budget(), EPOCH, []
    while now < EPOCH + 3600:
        now = budget.ready_at(now)
        budget.record_request(now)
        sent.append(now)
    assert most_in(sent, 300.0) == 900
    assert len(sent) >= 900 * 12


def test_the_rate_limit_header_applies_until_its_reset() -> None:
    budget = Budget()
    budget.record_headers(RateLimit(remaining=100, reset=30.0), EPOCH)
    assert budget.available(EPOCH) == 75
    assert budget.per_second(EPOCH) == pytest.approx(2.5)
    assert budget.is_short(EPOCH)
    spend(budget, 75, EPOCH)
    assert budget.available(EPOCH + 29) == 0
    assert budget.ready_at(EPOCH) == pytest.approx(EPOCH + 30)
    assert budget.available(EPOCH + 30) == 825
    assert not budget.is_short(EPOCH + 30)


def test_an_older_header_does_not_raise_the_limit() -> None:
    budget = Budget()
    budget.record_headers(RateLimit(remaining=40, reset=30.0), EPOCH)
    spend(budget, 10, EPOCH)
    budget.record_headers(RateLimit(remaining=45, reset=31.0), EPOCH + 1)
    assert budget.available(EPOCH + 1) == 20
    budget.record_headers(RateLimit(remaining=4, reset=29.0), EPOCH + 2)
    assert budget.available(EPOCH + 2) == 3


def test_a_header_with_a_huge_reset_is_capped_at_an_hour() -> None:
    budget = Budget()
    budget.record_headers(RateLimit(0, 1e12, 1, 1e12), EPOCH)
    assert budget.ready_at(EPOCH) <= EPOCH + 3600
    budget.record_request(EPOCH)
    assert budget.ready_at(EPOCH) <= EPOCH + 3601


@pytest.mark.parametrize(
    "limit",
    [None, RateLimit(), RateLimit(remaining=0), RateLimit(quota=1), RateLimit(0, 0.0, 1, 0)],
)
def test_an_incomplete_header_is_ignored(limit: RateLimit | None) -> None:
    budget = Budget()
    budget.record_headers(limit, EPOCH)
    assert budget.available(EPOCH) == 900


def test_a_policy_header_adds_a_window() -> None:
    budget = Budget()
    budget.record_headers(RateLimit(quota=40, window=10.0), EPOCH)
    assert budget.available(EPOCH) == 30
    spend(budget, 30, EPOCH)
    assert budget.ready_at(EPOCH) == pytest.approx(EPOCH + 10, abs=0.1)
    assert budget.per_second(EPOCH) == pytest.approx(3.0)
    now, sent = EPOCH + 11, []
    while now < EPOCH + 700:
        now = budget.ready_at(now)
        budget.record_request(now)
        sent.append(now)
    assert most_in(sent, 10.0) == 30
    assert most_in(sent, 300.0) <= 900


def test_a_larger_policy_does_not_raise_our_share() -> None:
    budget = Budget()
    budget.record_headers(RateLimit(10**9, 300.0, 10**9, 300.0), EPOCH)
    assert budget.available(EPOCH) == 900
    assert budget.per_second(EPOCH) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(None, 300.0), (17.0, 17.0), (0.0, 1.0), (86400.0, 86400.0)]
)
def test_a_block_lasts_for_retry_after_or_the_default(
    retry_after: float | None, seconds: float
) -> None:
    budget = Budget()
    budget.block(EPOCH, retry_after)
    assert budget.blocked_until == EPOCH + seconds
    assert budget.available(EPOCH + seconds - 0.01) == 0
    assert budget.ready_at(EPOCH) == pytest.approx(EPOCH + seconds)
    assert budget.available(EPOCH + seconds) == 900


def test_a_later_shorter_block_does_not_end_an_earlier_longer_one() -> None:
    budget = Budget()
    budget.block(EPOCH, 300.0)
    budget.block(EPOCH + 1, 5.0)
    assert budget.blocked_until == EPOCH + 300


def test_old_requests_are_forgotten() -> None:
    budget = Budget()
    for n in range(50_000):
        budget.record_request(EPOCH + n)
    assert budget.used(EPOCH + 49_999) == 301
    assert budget.used(EPOCH + 49_999, 10.0) == 11
    assert len(budget._sent) < 400


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10), st.integers(0, 50)), max_size=30),
    st.integers(1, 100),
)
def test_a_token_bucket_grants_at_most_its_burst_plus_its_rate(
    steps: list[tuple[float, float, int]], burst: int
) -> None:
    now, granted, allowed = EPOCH, 0, float(burst)
    bucket = TokenBucket(burst)
    for span, rate, requested in steps:
        now += span
        allowed += span * rate
        tokens = min(requested, bucket.refill(now, rate))
        assert 0 <= tokens <= burst
        bucket.take(tokens)
        granted += tokens
        assert granted <= allowed * (1 + 1e-9) + 1e-6


def test_a_token_bucket_gains_nothing_without_time() -> None:
    bucket = TokenBucket(2)
    assert bucket.refill(EPOCH, 1.0) == 2
    bucket.take(2)
    assert bucket.refill(EPOCH, 1.0) == 0
    assert bucket.refill(EPOCH - 5, 1.0) == 0
