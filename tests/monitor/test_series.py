"""What a job's samples are taken for: gaps, jumps, and what a history remembers."""

from __future__ import annotations

import pytest

from slurper_tui.monitor.moment import Moment
from slurper_tui.monitor.recorded import Recorded
from slurper_tui.monitor.series import Series
from slurper_tui.monitor.view import Counts, Phase

EPOCH = 1_790_000_000.0


def add(
    series: Series, at: float, done: int, *, mono: float | None = None, jumped: bool = False
) -> Recorded:
    """One poll of a running job of a million objects."""
    now = Moment(at if mono is None else mono, EPOCH + at)
    counts = Counts(10**6, done, 0, 0)
    return series.add(counts, "running", now, period=5.0, created_at=None, clock_jumped=jumped)


def kept(at: float, done: int, *, after_gap: bool = False) -> Recorded:
    return Recorded(EPOCH + at, Counts(10**6, done, 0, 0), "running", after_gap)


def test_a_sample_is_kept_as_it_was_told() -> None:
    series = Series()
    told = add(series, 5.0, 10)
    assert told == Recorded(EPOCH + 5.0, Counts(10**6, 10, 0, 0), "running")
    assert series.last is told


@pytest.mark.parametrize(("span", "gap"), [(5.0, False), (30.0, False), (31.0, True), (-1.0, True)])
def test_a_span_in_which_nobody_looked_is_a_gap(span: float, gap: bool) -> None:
    series = Series()
    for at in (0.0, 5.0, 10.0):
        add(series, at, int(at))
    assert add(series, 10.0 + span, 20, mono=10.0 + abs(span)).after_gap is gap


def test_what_is_rarely_asked_has_no_gaps_for_that() -> None:
    series = Series()
    for number in range(4):
        assert not add(series, number * 29.0, number).after_gap
    assert not add(series, 87.0 + 80.0, 9).after_gap
    assert add(series, 167.0 + 3 * 80.0 + 1.0, 10).after_gap


def test_a_jump_of_the_clock_is_a_gap_of_unknown_length() -> None:
    series = Series()
    for number in range(20):
        add(series, number * 5.0, number * 50)
    before = series.estimate.rate
    told = add(series, 8 * 3600.0, 500_000, mono=100.0, jumped=True)
    assert told.after_gap
    after = series.estimate.rate
    assert after is None or after == pytest.approx(before)


def test_a_remembered_past_gives_a_pace_at_the_first_poll() -> None:
    series = Series()
    past = [kept(number * 5.0, number * 50) for number in range(200)]
    series.seed(past, Moment(0.0, EPOCH + 1000.0), None)
    assert series.estimate.plan_rate == pytest.approx(10, rel=0.05)
    add(series, 1000.0, 10_000, mono=1.0)
    assert series.forecast is not None
    seconds = (10**6 - 10_000) / 10
    assert series.forecast.low_seconds <= seconds <= series.forecast.high_seconds


def test_what_nobody_saw_since_the_last_run_is_a_gap_and_no_spike() -> None:
    series = Series()
    past = [kept(number * 5.0, number * 50) for number in range(200)]
    series.seed(past, Moment(0.0, EPOCH + 40_000.0), None)
    told = add(series, 40_000.0, 400_000, mono=1.0)
    assert told.after_gap
    add(series, 40_005.0, 400_050, mono=6.0)
    assert series.estimate.rate == pytest.approx(10, rel=0.01)


def test_samples_of_a_clock_that_ran_ahead_are_left_out() -> None:
    series = Series()
    series.seed([kept(0.0, 5), kept(9000.0, 900)], Moment(0.0, EPOCH + 10.0), None)
    assert series.last == kept(0.0, 5)


def test_a_past_that_comes_too_late_changes_nothing() -> None:
    series = Series()
    told = add(series, 5.0, 10)
    series.seed([kept(0.0, 5)], Moment(5.0, EPOCH + 5.0), None)
    assert series.last is told


def test_a_standstill_is_kept_with_the_sample() -> None:
    series = Series()
    for number in range(10):
        add(series, number * 5.0, number)
    told = [add(series, 50.0 + number * 5.0, 9) for number in range(100)]
    assert not told[0].stalled
    assert told[-1].stalled
    assert series.estimate.phase is Phase.STALLED
    assert not add(series, 600.0, 10).stalled


def test_another_job_under_the_same_id_begins_anew() -> None:
    series = Series()
    for number in range(20):
        add(series, number * 5.0, number * 50)
    series.restart()
    assert (series.estimate.restarts, series.estimate.rate, series.forecast) == (1, None, None)
