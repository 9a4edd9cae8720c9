from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.polling.budget import LONGEST, SHORTEST, backoff


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


def test_the_same_seed_waits_the_same() -> None:
    one, other = random.Random(3), random.Random(3)
    assert [backoff(n, 5.0, one) for n in range(1, 9)] == [
        backoff(n, 5.0, other) for n in range(1, 9)
    ]
