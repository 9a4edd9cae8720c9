"""Finish forecasts and the reasons for having none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurper_tui.monitor.estimate.estimator import Estimate, Sample, advance
from slurper_tui.monitor.estimate.forecast import Guess, forecast, guessed, if_resumed, reason
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Counts, Forecast, Phase

EPOCH = 1_767_225_600.0
"""UTC seconds at monotonic zero."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def moment(at: float) -> Moment:
    """Return the moment on both clocks, which run alike."""
    return Moment(at, EPOCH + at)


def samples(
    rate: float,
    seconds: float,
    objects: int | None = 10**9,
    *,
    every: float = 5.0,
    begin: float = 0.0,
    done: float = 0,
    status: str = "running",
) -> list[Sample]:
    """Evenly spaced polls of a job of one speed."""
    times = [n * every for n in range(int(seconds / every) + 1)]
    return [Sample(begin + t, Counts(objects, int(done + rate * t), 0, 0), status) for t in times]


def after(history: list[Sample], start: Estimate | None = None) -> Estimate:
    """Return the estimate after a series of polls."""
    estimate = start or Estimate()
    for sample in history:
        estimate = advance(estimate, sample)
    return estimate


def shown(
    history: list[Sample], created_at: float | None = None
) -> Iterator[tuple[Sample, Estimate, Forecast | None]]:
    """Return the displayed forecast after every poll."""
    estimate, state = Estimate(), None
    for sample in history:
        estimate = advance(estimate, sample)
        state = forecast(estimate, moment(sample.at), created_at, state)
        yield sample, estimate, state


def guess(estimate: Estimate, created_at: float | None = None) -> Guess:
    """The forecast before rounding, as of the last poll; there must be one."""
    assert estimate.last is not None
    made = guessed(estimate, moment(estimate.last.at), created_at)
    assert made is not None
    return made


@given(
    rate=st.integers(1, 10**5),
    every=st.sampled_from([2.0, 5.0, 15.0, 60.0]),
    hours=st.floats(0.5, 400),
)
@settings(max_examples=60)
def test_a_constant_rate_gives_a_constant_finish(rate: int, every: float, hours: float) -> None:
    objects = int(rate * hours * HOUR)
    finish = EPOCH + objects / rate
    history = samples(rate, min(20 * every + 120, hours * HOUR / 2), objects, every=every)
    ends = [guess(e).point for _, e, displayed in shown(history) if displayed is not None]
    assert ends
    assert ends == pytest.approx([finish] * len(ends), abs=1.0)


def test_the_displayed_finish_of_a_constant_rate_rarely_moves() -> None:
    history = samples(100, 4 * HOUR, 100 * 5 * 3600)
    ranges = [
        (displayed.low, displayed.high)
        for _, _, displayed in shown(history)
        if displayed is not None
    ]
    moves = sum(a != b for a, b in itertools.pairwise(ranges))
    assert moves <= 15
    assert all(low <= EPOCH + 5 * HOUR <= high for low, high in ranges)


WALKS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from([5, 5, 5, 10])), min_size=40)


@given(WALKS, st.integers(2, 1000))
@settings(max_examples=50)
def test_scaling_all_counts_keeps_the_forecast(walk: list[tuple[int, int]], by: int) -> None:
    def history(factor: int) -> list[Sample]:
        at = done = 0
        series = [Sample(0.0, Counts(10**6 * factor, 0, 0, 0), "running")]
        for moved, span in walk:
            at, done = at + span, done + moved
            series.append(Sample(float(at), Counts(10**6 * factor, done * factor, 0, 0), "running"))
        return series

    at = moment(history(1)[-1].at)
    one, many = (guessed(after(history(factor)), at, None) for factor in (1, by))
    assert (one is None) is (many is None)
    if one is not None and many is not None:
        assert many.point == pytest.approx(one.point)
        assert many.high - many.low == pytest.approx(one.high - one.low, rel=1e-6, abs=1e-3)


@given(st.lists(st.integers(1, 50), min_size=100, max_size=150), st.sampled_from([2, 4, 16]))
@settings(max_examples=30)
def test_scaling_time_scales_the_forecast(moves: list[int], by: int) -> None:
    def history(factor: int) -> list[Sample]:
        done, series = 0, list[Sample]()
        for place, moved in enumerate(moves):
            done += moved
            at = 60.0 * place * factor
            series.append(Sample(at, Counts(10**5, done, 0, 0), "running"))
        return series

    seconds = [
        guess(after(history(factor))).point - EPOCH - history(factor)[-1].at for factor in (1, by)
    ]
    assert seconds[1] == pytest.approx(seconds[0] * by, rel=0.02)


NUMBERS = st.none() | st.integers(0, 5) | st.integers(0, 2**63 - 1)
STEPS = st.tuples(
    st.floats(-1e4, 1e7) | st.sampled_from([0.0, 5e-324, 1e-9, 5.0, 5.0, 30.0, 60.0]),
    st.builds(Counts, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
    | st.integers(0, 10**6).map(lambda done: Counts(10**6, done, 0, 0)),
    st.sampled_from(["running"] * 9 + ["paused", "completed", "odd", None]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(STEPS, max_size=30), st.none() | st.floats(0, 1e12), st.floats(-1e4, 1e4))
def test_a_forecast_is_always_a_finite_range_from_now(
    steps: list[tuple[float, Counts, str | None, bool, bool, bool]],
    created_at: float | None,
    skew: float,
) -> None:
    at, estimate, state = 0.0, Estimate(), None
    for span, history, status, *flags in steps:
        at += span
        estimate = advance(estimate, Sample(at, history, status, *flags))
        now = Moment(at, EPOCH + at + skew)
        state = forecast(estimate, now, created_at, state)
        if state is not None:
            assert math.isfinite(state.low)
            assert math.isfinite(state.high)
            assert now.wall <= state.low < state.high
            assert state.made_at == now.wall
            assert estimate.phase in {Phase.RUNNING, Phase.LISTING, Phase.SETTLED}


def is_needed(before: Forecast, after: Forecast, made: Guess, at: float) -> bool:
    """Return whether a displayed range is invalid: off at an end, past, or of another kind."""
    now = EPOCH + at
    kind = (before.at_least, before.seeded) != (after.at_least, after.seeded)
    slack = min(16, max(made.high - now, 1.0) / max(made.low - now, 1.0)) ** 0.15 * 0.999
    ends = ((before.low - now, made.low - now), (before.high - now, made.high - now))
    off = any(not new / slack <= old <= new * slack for old, new in ends)
    return kind or off or before.high <= now


@given(st.lists(st.integers(0, 500), min_size=60, max_size=200), st.integers(0, 10**6))
@settings(max_examples=50)
def test_the_displayed_finish_moves_only_when_it_is_invalid(moves: list[int], more: int) -> None:
    objects, done, history = sum(moves) + more, 0, list[Sample]()
    for place, moved in enumerate(moves):
        done += moved
        history.append(Sample(place * 5.0, Counts(objects, done, 0, 0), "running"))
    before: Forecast | None = None
    for sample, estimate, displayed in shown(history):
        if before is not None and displayed is not None:
            same = (displayed.low, displayed.high) == (before.low, before.high)
            assert same or is_needed(before, displayed, guess(estimate), sample.at)
        before = displayed


def test_there_is_no_forecast_before_three_changes_and_a_minute() -> None:
    first = next(s for s, _, displayed in shown(samples(10, 300)) if displayed is not None)
    assert first.at == 60.0
    slow = samples(0.02, 600, 10**4)
    assert next(e.changes for _, e, displayed in shown(slow) if displayed is not None) == 3


def test_a_job_first_seen_late_has_a_forecast_at_once() -> None:
    created = EPOCH - 10 * HOUR
    first, *_, last = list(shown(samples(100, 600, 100 * 3600 * 20, done=3_600_000), created))
    assert first[2] is not None
    assert first[2].seeded
    assert first[2].low <= EPOCH + 10 * HOUR <= first[2].high
    assert last[2] is not None
    assert not last[2].seeded
    assert guess(last[1], created).point == pytest.approx(EPOCH + 10 * HOUR, rel=1e-6)


def test_a_mean_since_creation_that_the_polls_contradict_loses_weight() -> None:
    estimate = after(samples(10, 1200, 10**7 + 36_000, done=9_990_000))
    alone = guess(estimate).point
    assert guess(estimate, EPOCH - 10 * HOUR).point == pytest.approx(alone, abs=60)


def test_a_mean_since_creation_that_the_polls_confirm_counts_as_observed() -> None:
    """A job of 20 hours, first seen after ten and watched for ten minutes."""
    estimate = after(samples(100, 600, 100 * 3600 * 20, done=3_600_000))
    ratios = []
    for created in (EPOCH - 10 * HOUR, EPOCH - 20 * HOUR, None):
        made = guess(estimate, created)
        ratios.append((made.high - EPOCH - 600) / (made.low - EPOCH - 600))
    assert ratios[0] < 2.5 < ratios[1] == ratios[2]


def test_a_creation_time_before_falling_counters_is_not_used() -> None:
    estimate = after(
        [*samples(100, 600, done=10**6), Sample(605.0, Counts(10**9, 9, 0, 0), "running")]
    )
    assert forecast(estimate, moment(605.0), EPOCH - DAY, None) is None


@pytest.mark.parametrize(
    "created", [EPOCH + DAY, EPOCH - 1, 0.0, -1e300, 1e300, math.inf, math.nan]
)
def test_an_implausible_creation_time_is_ignored(created: float) -> None:
    for _, _, displayed in shown(samples(100, 600, 10**6, done=1000), created):
        assert displayed is None or EPOCH <= displayed.low < displayed.high < math.inf


@pytest.mark.parametrize("status", ["paused", "completed", "aborted", "odd", None])
def test_a_job_that_does_not_run_has_no_forecast(status: str | None) -> None:
    running = after(samples(100, 600))
    stopped = Sample(605.0, Counts(10**9, 60_500, 0, 0), status)
    assert forecast(advance(running, stopped), moment(605.0), EPOCH - DAY, None) is None


def test_a_stalled_job_has_no_forecast_until_it_moves() -> None:
    history = [*samples(100, 600), *samples(0, 300, begin=605, done=60_000)]
    estimate = after(history)
    assert estimate.phase is Phase.STALLED
    assert forecast(estimate, moment(905.0), EPOCH - DAY, None) is None
    moved = advance(estimate, Sample(910.0, Counts(10**9, 60_500, 0, 0), "running"))
    assert forecast(moved, moment(910.0), None, None) is not None


@pytest.mark.parametrize("status", ["paused", "running"])
def test_a_job_at_rest_would_need_its_remaining_objects_over_its_earlier_rate(status: str) -> None:
    objects = 36 * 3600 * 100
    running = after(samples(100, 7200, objects))
    assert if_resumed(running, moment(7200.0), None) is None
    rest = samples(0, 40 * HOUR, objects, every=300, begin=7205, done=720_000, status=status)
    for polls in (80, len(rest)):
        need = if_resumed(after(rest[:polls], running), moment(7205.0), None)
        assert need is not None
        assert need.rate == pytest.approx(100)
        assert need.low < 34 * HOUR < need.high < 110 * HOUR
        assert need.low % 900 == need.high % 1800 == 0
        assert not need.at_least
    listing = [Sample(5.0 * n, Counts(1000 + n, 10 * n, 0, 0), "running") for n in range(60)]
    stopped = [Sample(300.0 + 60 * n, Counts(1059, 590, 0, 0), status) for n in range(20)]
    need = if_resumed(after([*listing, *stopped]), moment(1440.0), None)
    assert need is not None
    assert need.at_least


@pytest.mark.parametrize("status", ["paused", "completed", "odd"])
def test_a_job_that_was_not_seen_to_run_has_no_earlier_rate(status: str) -> None:
    at_rest = after(samples(0, 600, done=1000, status=status))
    assert if_resumed(at_rest, moment(600.0), None) is None
    if status != "paused":
        assert if_resumed(at_rest, moment(600.0), EPOCH - HOUR) is None


def test_a_paused_job_that_was_not_seen_to_run_would_need_its_average_since_creation() -> None:
    objects = 20 * 3600 * 10
    paused = after(samples(0, 600, objects, done=36_000, status="paused"))
    need = if_resumed(paused, moment(600.0), EPOCH - HOUR)
    assert need is not None
    assert need.seeded
    assert need.rate == pytest.approx(10)
    assert need.low < 19 * HOUR < need.high
    nothing_done = after(samples(0, 600, objects, status="paused"))
    assert if_resumed(nothing_done, moment(600.0), EPOCH - HOUR) is None


def test_an_unknown_or_empty_total_has_no_forecast() -> None:
    for objects in (None, 0):
        estimate = after(samples(1, 600, objects))
        assert forecast(estimate, moment(600.0), EPOCH - DAY, None) is None


def test_during_listing_the_forecast_is_a_lower_bound() -> None:
    history = [
        Sample(5.0 * n, Counts(10_000 + 5000 * n, 500 * n, 0, 0), "running") for n in range(1000)
    ]
    finish = EPOCH + history[-1].at * 10
    bounds = [displayed for s, _, displayed in shown(history) if displayed is not None]
    assert all(displayed.at_least and displayed.low <= finish for displayed in bounds)
    assert bounds[-1].low_seconds > 0.4 * (finish - EPOCH - history[-1].at)
    lows = [displayed.low for displayed in bounds]
    assert len(set(lows)) < 40


def test_the_end_of_the_listing_gives_a_whole_range() -> None:
    history = [
        Sample(5.0 * n, Counts(10**6 + 99 * n, 500 * n, 0, 0), "running") for n in range(100)
    ]
    still = samples(100, 400, history[-1].counts.objects, begin=500, done=50_000)
    displayed = [s for _, _, s in shown([*history, *still])][-1]
    assert displayed is not None
    assert not displayed.at_least


@pytest.mark.parametrize("every", [10.0, 60.0, 240.0, 600.0, 1800.0])
def test_a_total_that_is_published_seldom_never_gets_a_two_sided_range(every: float) -> None:
    history = [
        Sample(5.0 * n, Counts(10**5 * (1 + int(5.0 * n // every)), 30 * n, 0, 0), "running")
        for n in range(3600)
    ]
    grown = [
        displayed
        for sample, _, displayed in shown(history)
        if sample.at >= every and displayed is not None
    ]
    assert grown
    assert all(displayed.at_least for displayed in grown)


@pytest.mark.parametrize(
    ("objects", "done", "has_forecast"), [(100, 250, False), (100, 101, False), (100, 100, True)]
)
def test_counts_above_the_total_give_no_forecast(
    objects: int, done: int, has_forecast: bool
) -> None:
    polls = [Sample(5.0 * n, Counts(objects, done - 40 + n, 0, 0), "running") for n in range(41)]
    assert ([*shown(polls)][-1][2] is not None) is has_forecast
    assert (
        forecast(after(polls[-1:]), moment(200.0), EPOCH - HOUR, None) is not None
    ) is has_forecast


def test_a_billion_objects_over_thirty_two_days() -> None:
    rate = 10**9 / (32 * DAY)
    estimate = Estimate()
    for sample in samples(rate, 3 * DAY, 10**9, every=300.0):
        estimate = advance(estimate, sample)
    displayed = forecast(estimate, moment(3 * DAY), EPOCH, None)
    assert displayed is not None
    assert displayed.low_seconds > 9 * DAY
    assert displayed.low <= EPOCH + 32 * DAY <= displayed.high < EPOCH + 80 * DAY


def test_a_shrinking_total_restarts_the_forecast() -> None:
    history = [*samples(100, 600, 10**6), *samples(100, 600, 10**5 * 5, begin=605, done=60_500)]
    displayed = [s for _, _, s in shown(history)]
    assert displayed[120] is not None
    assert displayed[121] is None
    assert displayed[-1] is not None


def test_a_gap_keeps_the_finish_of_a_constant_rate() -> None:
    history = samples(100, HOUR, 100 * 36_000)
    gap = Sample(3 * HOUR, Counts(100 * 36_000, 1_080_000, 0, 0), "running", after_gap=True)
    assert guess(after([*history, gap])).point == pytest.approx(EPOCH + 10 * HOUR, abs=60)


def test_the_range_is_rounded_outwards_on_the_clock() -> None:
    for hours, low, high in ((0.5, 60, 60), (4, 60, 300), (20, 300, 1800), (90, 900, 1800)):
        objects = int(100 * hours * HOUR)
        done = forecast(after(samples(100, 600, objects)), moment(600.0), None, None)
        assert done is not None
        assert (done.low % low, done.high % high) == (0, 0)
        assert done.low <= EPOCH + hours * HOUR <= done.high


def test_regular_pauses_between_bursts_do_not_move_the_finish() -> None:
    history = [
        Sample(5.0 * n, Counts(10**6, n // 24 * 2400, 0, 0), "running") for n in range(24 * 40)
    ]
    ends = {round(guess(e).point) for s, e, displayed in shown(history) if displayed is not None}
    assert max(ends) - min(ends) <= 10


def polls(dones: list[int], total: int | None = 10**6, grows: int = 0) -> list[Sample]:
    """Return polls of a running job, five seconds apart; the total grows by `grows` in each."""
    return [
        Sample(5.0 * n, Counts(None if total is None else total + n * grows, done, 0, 0), "running")
        for n, done in enumerate(dones)
    ]


def reason_after(
    samples: list[Sample], *, stale: bool = False, created: float | None = None
) -> str:
    """Return the reason for a missing number after these polls."""
    estimate = Estimate()
    for sample in samples:
        estimate = advance(estimate, sample)
    at = samples[-1].at if samples else 0.0
    displayed = forecast(estimate, Moment(at, EPOCH + at), created, None)
    return reason(estimate, displayed, stale=stale)


STEADY = list(range(0, 2000, 10))


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([], ""),
        (polls(STEADY), ""),
        (polls(STEADY[:1]), "no ETA: none of three changes seen"),
        (polls(STEADY[:3]), "no ETA: two of three changes seen"),
        (polls(STEADY[:10]), "no ETA: watched for 45 s of 1 min"),
        (polls(STEADY, grows=45_500), "at least: total still growing by 9.1k/s"),
        (polls(STEADY[:2], grows=45_500), "no ETA: total still growing by 9.1k/s"),
        (polls(STEADY, None), "no percentage: the total is not known yet"),
        (polls([0] * 20, 0), "no percentage: no objects"),
        (polls([*STEADY, *[1990] * 144]), "no ETA: nothing has moved for 12 min, 144 polls"),
        (
            [*polls(STEADY), Sample(1000.0, Counts(10**6, 2000, 0, 0), "paused")],
            "no ETA: paused",
        ),
        ([*polls(STEADY), Sample(1000.0, Counts(10**6, 2000, 0, 0), "odd")], "no ETA: not running"),
        ([*polls(STEADY), Sample(1000.0, Counts(10**6, 2000, 0, 0), "completed")], ""),
    ],
)
def test_each_missing_number_has_a_reason(samples: list[Sample], words: str) -> None:
    assert reason_after(samples) == words


def test_a_stale_job_has_a_reason_and_an_ended_one_has_none() -> None:
    assert reason_after(polls(STEADY), stale=True) == "no ETA: no answer for three polls"
    assert reason_after(polls([*STEADY, *[1990] * 144]), stale=True).startswith("no ETA: no answer")
    ended = Sample(1000.0, Counts(10**6, 2000, 0, 0), "completed")
    assert reason_after([*polls(STEADY), ended], stale=True) == ""


def test_unknown_counts_are_the_reason() -> None:
    half = [Sample(5.0 * n, Counts(10**6, n, None, 0), "running") for n in range(20)]
    assert reason_after(half) == "no ETA: not all counts are known"


def test_a_mean_since_the_creation_needs_no_reason() -> None:
    late = [Sample(5.0 * n, Counts(10**6, 500_000 + n, 0, 0), "running") for n in range(2)]
    assert reason_after(late, created=EPOCH - 3600) == ""
