"""What became of earlier forecasts, and the range that follows from it."""

from __future__ import annotations

import math
import random
import sys
from array import array
from collections.abc import Callable, Iterable

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from slurper_tui.monitor.estimate.estimator import Estimate, Sample, advance
from slurper_tui.monitor.estimate.rates import NOTHING, Bank, banked
from slurper_tui.monitor.estimate.record import SPANS, Record, TimeLeft, recorded, time_left
from slurper_tui.monitor.model.job import Counts

HOUR = 3600.0


def course(
    speed: Callable[[float], float], seconds: float, every: float = 15.0
) -> tuple[Record, Bank]:
    """Return record and averages of a job with this speed in objects per second at each time."""
    record, bank, done, at = Record(), NOTHING, 0, 0.0
    while at < seconds:
        at += every
        moved = max(1, round(speed(at) * every))
        done += moved
        bank = banked(bank, every, moved)
        record = recorded(record, bank, at, done)
    return record, bank


def ahead(job: tuple[Record, Bank], remaining: int = 360_000) -> TimeLeft:
    made = time_left(*job, remaining)
    assert made is not None
    return made


def width(made: TimeLeft) -> float:
    return made.high / made.low


def wild(strength: float, seed: int = 1, lasting: float = 600.0) -> Callable[[float], float]:
    """Return a speed around 100/s whose levels last `lasting` seconds."""
    rng = random.Random(seed)
    levels = [100 * math.exp(rng.gauss(0, strength)) for _ in range(10_000)]
    return lambda at: levels[int(at / lasting)]


def test_a_job_whose_forecasts_were_right_for_an_hour_gets_a_narrower_range() -> None:
    right, wrong = (ahead(course(wild(strength), HOUR)) for strength in (0.05, 0.8))
    assert width(right) < 0.75 * width(wrong)


def test_a_job_that_was_right_for_longer_gets_a_narrower_range() -> None:
    widths = [width(ahead(course(wild(0.05), hours * HOUR))) for hours in (0.25, 1, 4, 16)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 1.5


@pytest.mark.parametrize(("trend", "sign"), [(1.0, 1), (-1.0, -1)])
def test_a_range_leans_to_the_side_on_which_forecasts_were_wrong(trend: float, sign: int) -> None:
    """The speed falls, or rises, by a factor of e an hour."""
    drifting = ahead(course(lambda at: 3000 * math.exp(-trend * at / HOUR), 4 * HOUR))
    steady = ahead(course(lambda at: 3000.0, 4 * HOUR))
    leaning, upright = (
        math.log(made.low * made.high) / 2 - math.log(made.seconds) for made in (drifting, steady)
    )
    assert sign * (leaning - upright) > 0.05


def with_errors(*errors: float) -> array[float]:
    """Return sums after these errors at every span."""
    sums = array("d", bytes(8 * 5 * len(SPANS)))
    for error in errors:
        for place in range(len(SPANS)):
            new = (1.0, error, *[error * error] * 3)
            for number, value in enumerate(new, 5 * place):
                sums[number] += value
    return sums


STEADY = course(lambda at: 100.0, 4 * HOUR)[1]


@given(st.lists(st.floats(-1, 1), max_size=5), st.floats(0.4, 2.5), st.booleans())
@settings(max_examples=200)
def test_a_range_never_narrows_by_being_wrong(
    errors: list[float], wrong: float, both: bool
) -> None:
    """One more error beyond the farther end of the range, or one on each side, widens it."""
    more = [wrong, -wrong] if both else [wrong]
    before = ahead((Record(sums=with_errors(*errors)), STEADY))
    low, high = math.log(before.low / before.seconds), math.log(before.high / before.seconds)
    assume(wrong > max(-low, high))
    after = ahead((Record(sums=with_errors(*errors, *more)), STEADY))
    assert width(after) >= width(before) * 0.999


def test_the_average_that_was_better_counts_more() -> None:
    """After a job doubled its speed for good, the short average is the better one, and so on."""
    sums = with_errors(0.0)
    rates = []
    for long, short in ((0.0, 1.0), (0.0, 0.0), (1.0, 0.0)):
        for place in range(len(SPANS)):
            sums[5 * place + 3], sums[5 * place + 4] = long, short
        doubled = course(lambda at: 100.0 if at < 3 * HOUR else 200.0, 4 * HOUR)[1]
        rates.append(ahead((Record(sums=sums), doubled), 1_000_000).rate)
    assert rates == sorted(rates)
    assert rates[0] < 150 < 180 < rates[-1]


def test_a_finish_far_beyond_what_was_observed_has_a_wide_range() -> None:
    job = course(lambda at: 100.0, HOUR)
    widths = [width(ahead(job, hours * 360_000)) for hours in (1, 4, 16, 64)]
    assert widths == pytest.approx(sorted(widths))
    assert widths[0] < 3 < widths[-1]


STEPS = st.lists(st.tuples(st.floats(0.01, 1e6), st.integers(1, 2**50)), min_size=1, max_size=60)


@given(STEPS, st.integers(0, 2**62), st.floats(0, 1e9))
def test_a_range_is_finite_and_holds_its_parts_in_order(
    steps: list[tuple[float, int]], remaining: int, idle: float
) -> None:
    record, bank, ran, done = Record(), NOTHING, 0.0, 0
    for span, moved in steps:
        ran, done = ran + span, done + moved
        bank = banked(bank, span, moved)
        record = recorded(record, bank, ran, done)
        made = time_left(record, bank, remaining, idle)
        if made is not None:
            parts = (made.seconds, made.low, made.high, made.least, made.rate)
            assert all(part >= 0 for part in parts)
            assert made.low <= made.high
            assert made.least <= made.seconds or made.seconds == 0
        assert all(map(math.isfinite, (*record.marks, *record.sums)))
    assert len(record.marks) <= 6 * 3 * len(SPANS)


def sizes(value: object, seen: set[int]) -> int:
    """Return the bytes of a value and all that it holds."""
    if id(value) in seen or value is None or isinstance(value, (bool, str)):
        return 0
    seen.add(id(value))
    inside: Iterable[object] = ()
    if isinstance(value, msgspec.Struct):
        inside = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, tuple):
        inside = value
    return sys.getsizeof(value) + sum(sizes(one, seen) for one in inside)


def test_the_state_of_an_estimate_is_small() -> None:
    estimate, rng, done, skipped = Estimate(), random.Random(1), 0, 0
    for place in range(20_000):
        done += rng.randint(0, 1000)
        skipped += rng.randint(0, 1000) * (place % 900 < 100)
        counts = Counts(10**9, done, skipped, place)
        estimate = advance(estimate, Sample(5.0 * place, counts, "running", age=5.0 * place))
    assert sizes(estimate, set()) < 6000
