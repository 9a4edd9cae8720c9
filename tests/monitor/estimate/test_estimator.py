"""The rate estimator and the stall detector."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.estimate.estimator import (
    SETTLED_POLLS,
    SETTLED_SECONDS,
    TAU,
    Estimate,
    Sample,
    advance,
)
from slurper_tui.monitor.model.job import Counts, Phase


def counts(done: int | None, objects: int | None = 10**6) -> Counts:
    """Return counters with `done` objects done, all of them transferred."""
    return Counts(objects, done, 0, 0)


def after(*samples: Sample, start: Estimate | None = None) -> Estimate:
    """Return the estimate after a series of polls."""
    estimate = start or Estimate()
    for sample in samples:
        estimate = advance(estimate, sample)
    return estimate


def polls(
    done: Iterable[int | None],
    *,
    objects: int | None = 10**6,
    every: float = 5.0,
    begin: float = 0.0,
    status: str | None = "running",
) -> list[Sample]:
    """Evenly spaced polls of a job."""
    return [
        Sample(begin + place * every, counts(number, objects), status)
        for place, number in enumerate(done)
    ]


def totals(
    *objects: int | None, every: float = 5.0, status: str = "running", moves: int = 0
) -> list[Sample]:
    """Return evenly spaced polls; the total changes, and each adds the same number done."""
    return [Sample(n * every, counts(n * moves, o), status) for n, o in enumerate(objects)]


@pytest.mark.parametrize("rate", [0, 1, 7, 366, 10**6])
@pytest.mark.parametrize("every", [2.0, 5.0, 60.0])
@pytest.mark.parametrize("number", [2, 3, 50])
def test_a_constant_rate_is_that_rate_from_the_second_poll_on(
    rate: int, every: float, number: int
) -> None:
    moved = [int(rate * every * n) for n in range(number)]
    assert after(*polls(moved, objects=10**12, every=every)).rate == pytest.approx(rate)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=30))
def test_uneven_spacing_keeps_a_constant_rate(spans: list[int]) -> None:
    at, samples = 0, [Sample(0.0, counts(0), "running")]
    for span in spans:
        at += span
        samples.append(Sample(float(at), counts(at * 10), "running"))
    assert after(*samples).rate == pytest.approx(10)


def test_polls_without_movement_count() -> None:
    moving = after(*polls(range(0, 5000, 50)))
    assert moving.rate == pytest.approx(10)
    still = after(*polls([4950] * 24, begin=500.0), start=moving)
    assert still.rate == pytest.approx(10 * math.exp(-TAU / TAU), rel=0.05)


def test_bursts_average_out() -> None:
    bursts = [n // 4 * 200 for n in range(200)]
    assert after(*polls(bursts)).rate == pytest.approx(10, rel=0.1)


def test_there_is_no_rate_before_the_second_poll() -> None:
    assert Estimate().rate is None
    assert Estimate().phase is None
    assert not Estimate().settled
    assert after(*polls([7])).rate is None
    assert after(*polls([7])).phase is Phase.RUNNING


def test_a_gap_causes_no_spike_in_the_rate() -> None:
    steady = after(*polls(range(0, 5000, 50)))
    gap = Sample(500.0, counts(500_000), "running", clock_jumped=True)
    assert after(gap, start=steady).rate == pytest.approx(10)
    then = polls(range(500_050, 502_000, 50), begin=505.0)
    assert after(gap, *then, start=steady).rate == pytest.approx(10)
    unknown = Sample(500.0, counts(None), "running", clock_jumped=True)
    assert after(unknown, *then, start=steady).rate == pytest.approx(10)


@pytest.mark.parametrize(
    "before", [polls([0, 50, 100]), [Sample(10.0, counts(100), "running")]], ids=["some", "one"]
)
@pytest.mark.parametrize(
    "fallen",
    [
        counts(99),
        counts(0),
        counts(200, objects=10**6 - 1),
        Counts(None, 99, 0, None),
        Counts(10**6, 50, None, None),
    ],
)
def test_falling_counters_restart_the_estimate_and_are_counted(
    before: list[Sample], fallen: Counts
) -> None:
    estimate = after(*before, Sample(15.0, fallen, "running"))
    assert (estimate.restarts, estimate.rate) == (1, None)
    assert estimate.last is not None
    assert estimate.last.counts == fallen
    base = fallen.done or 0
    more = [Sample(20.0 + 5 * n, counts(base + 10 * n), "running") for n in range(3)]
    assert after(*more, start=estimate).rate == pytest.approx(2, abs=2)


def test_unknown_counters_do_not_change_the_estimate() -> None:
    steady = after(*polls(range(0, 5000, 50)))
    gaps = [Sample(500.0 + 5 * n, Counts(), "running") for n in range(40)]
    left = after(*gaps, start=steady)
    assert left.rate == steady.rate
    assert left.still_polls == steady.still_polls
    assert left.last is not None
    assert left.last.counts == counts(4950)
    back = after(Sample(700.0, counts(7000), "running"), start=left)
    assert back.rate == pytest.approx(10)
    assert back.restarts == 0


def test_a_counter_that_appears_late_is_no_movement() -> None:
    late = [Sample(0.0, Counts(10**6, 500_000), "running"), *polls([600_000, 600_050], begin=5.0)]
    assert after(*late).rate == pytest.approx(10)


def test_a_pause_resets_the_rate() -> None:
    moving = polls(range(0, 500, 50))
    paused = polls([450] * 10, begin=50.0, status="paused")
    assert after(*moving, *paused[:1]).rate is None
    assert after(*moving, *paused).phase is Phase.PAUSED
    resumed = polls([450, 455], begin=100.0)
    assert after(*moving, *paused, *resumed[:1]).rate is None
    assert after(*moving, *paused, *resumed).rate == pytest.approx(1)


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("running", Phase.RUNNING),
        ("paused", Phase.PAUSED),
        ("completed", Phase.ENDED),
        ("aborted", Phase.ENDED),
        ("errored", None),
        ("", None),
        (None, None),
    ],
)
def test_the_phase_after_one_poll(status: str | None, phase: Phase | None) -> None:
    assert after(*polls([5], status=status)).phase is phase


def test_a_total_that_rose_within_three_polls_means_listing() -> None:
    rising = totals(10, 20, 20, 20, 20)
    phases = [after(*rising[: n + 1]).phase for n in range(5)]
    assert phases == [Phase.RUNNING, *[Phase.LISTING] * 3, Phase.RUNNING]


def test_a_total_that_appears_has_not_risen() -> None:
    assert after(*totals(None, 20)).phase is Phase.RUNNING
    assert after(*totals(0, 20)).phase is Phase.LISTING


@pytest.mark.parametrize(
    ("every", "number", "settled"),
    [(5.0, 11, False), (5.0, 60, False), (5.0, 61, True), (60.0, 10, False), (60.0, 11, True)],
)
def test_settled_takes_ten_polls_and_five_minutes(every: float, number: int, settled: bool) -> None:
    estimate = after(*totals(*[100] * number, every=every, moves=1))
    assert estimate.settled is settled
    assert estimate.phase is (Phase.SETTLED if settled else Phase.RUNNING)


def test_a_total_that_rises_late_unsettles() -> None:
    rising = after(*totals(*[10] * 100, 11))
    assert (rising.phase, rising.settled) == (Phase.LISTING, False)


@given(st.sampled_from([2.0, 5.0, 30.0]), st.lists(st.integers(1, 200), min_size=2, max_size=5))
def test_settled_takes_three_times_the_longest_standstill(every: float, still: list[int]) -> None:
    observed = [10 + number for number, polls in enumerate(still) for _ in range(polls)]
    spans = still[-1] - 1
    wanted = max(SETTLED_SECONDS, 3 * max(still[:-1]) * every)
    settled = spans >= SETTLED_POLLS and spans * every >= wanted
    estimate = after(*totals(*observed, every=every, moves=1))
    assert (estimate.settled, estimate.growing) == (settled, not settled)


def test_growth_during_a_gap_counts_only_the_observed_standstill() -> None:
    watched = totals(*[10] * 20, every=5.0, moves=1)
    later = [
        Sample(9 * 3600.0 + 5.0 * n, counts(20 + n, 11), "running", after_gap=n == 0)
        for n in range(62)
    ]
    assert after(*watched, *later[:30]).growing
    assert after(*watched, *later).settled


@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_grown_total_is_a_lower_bound_while_paused_or_stalled(status: str) -> None:
    listing = totals(*range(100, 120), moves=1)
    still = [Sample(100.0 + 60 * n, counts(19, 119), status) for n in range(600)]
    at_rest = after(*listing, *still)
    assert at_rest.phase is (Phase.STALLED if status == "running" else Phase.PAUSED)
    assert (at_rest.growing, at_rest.settled) == (True, False)
    moving = [Sample(36_100.0 + 60 * n, counts(20 + n, 119), "running") for n in range(12)]
    assert after(*moving[:9], start=at_rest).growing
    assert after(*moving, start=at_rest).settled


def test_a_pause_after_a_standstill_does_not_settle_a_total() -> None:
    slow = [Sample(60.0 * n, counts(n, 10 + n), "running") for n in range(10)]
    still = [Sample(545.0 + 5 * n, counts(9, 19), "running") for n in range(100)]
    paused = [Sample(1050.0 + 60 * n, counts(9, 19), "paused") for n in range(20)]
    assert after(*slow, *still, *paused).growing


def test_a_stall_does_not_unsettle_a_total() -> None:
    settled = totals(*[1000] * 100, moves=1)
    stalled = [Sample(500.0 + 60 * n, counts(99, 1000), "running") for n in range(60)]
    moving = Sample(4100.0, counts(100, 1000), "running")
    for more in (stalled, [*stalled, moving]):
        assert after(*settled, *more).settled


def test_a_shrinking_total_restarts_the_estimate() -> None:
    shrunk = after(*totals(*[10] * 100, 9))
    assert (shrunk.restarts, shrunk.settled, shrunk.phase) == (1, False, Phase.RUNNING)


def test_a_pause_does_not_settle_a_total() -> None:
    running = totals(*[1000] * 20, moves=1)
    paused = [Sample(100.0 + 60 * n, counts(19, 1000), "paused") for n in range(60)]
    resumed = [Sample(4000.0 + 5 * n, counts(20 + n, 1000), "running") for n in range(60)]
    assert not after(*running, *paused, *resumed[:5]).settled
    assert after(*running, *paused, *resumed).settled
    grown = [Sample(4000.0, counts(19, 1001), "running")]
    assert after(*running, *paused, *grown).phase is Phase.LISTING


NUMBERS = st.none() | st.integers(0, 5) | st.integers(0, 2**63 - 1)
STEPS = st.tuples(
    st.floats(-1e4, 1e7) | st.sampled_from([0.0, 5e-324, 1e-9, 5.0, 5.0, 60.0]),
    st.builds(Counts, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.sampled_from(["running"] * 5 + ["paused", "completed", "odd", None]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(STEPS, max_size=30))
def test_every_rate_is_finite_and_not_negative(
    steps: list[tuple[float, Counts, str | None, bool, bool, bool]],
) -> None:
    at, estimate, restarts = 0.0, Estimate(), 0
    for span, observed, status, *flags in steps:
        at += span
        estimate = advance(estimate, Sample(at, observed, status, *flags))
        for rate in all_rates(estimate):
            assert rate is None or (math.isfinite(rate) and rate >= 0)
        assert estimate.restarts in {restarts, restarts + 1}
        assert estimate.still_since <= at or math.isclose(estimate.still_since, at, abs_tol=1e-3)
        since = estimate.stalled_since
        assert since is None or math.isfinite(since)
        assert (estimate.phase is Phase.STALLED) is (since is not None)
        restarts = estimate.restarts


def all_rates(estimate: Estimate) -> list[float | None]:
    """Every rate that an estimate gives."""
    e = estimate
    return [e.rate, e.plan_rate, e.transferred_rate, e.skipped_rate, e.growth]


@given(st.lists(st.tuples(st.floats(1, 100), st.integers(0, 500)), min_size=1, max_size=30))
def test_the_rate_lies_between_the_slowest_and_the_fastest_poll(
    steps: list[tuple[float, int]],
) -> None:
    at, done, samples = 0.0, 0, [Sample(0.0, counts(0), "running")]
    for span, moved in steps:
        at, done = at + span, done + moved
        samples.append(Sample(at, counts(done), "running"))
    rate = after(*samples).rate
    speeds = [moved / span for span, moved in steps]
    assert rate is not None
    assert min(speeds) * 0.999 <= rate <= max(speeds) * 1.001


def test_a_known_gap_restarts_the_rate_but_enters_the_plan_rate() -> None:
    steady = after(*polls(range(0, 50_000, 50), objects=10**7))
    gap = Sample(8600.0, counts(86_000, 10**7), "running", after_gap=True)
    opened = after(gap, start=steady)
    assert opened.rate is None
    assert opened.plan_rate == pytest.approx(10, rel=0.01)
    then = polls(range(86_050, 87_000, 50), objects=10**7, begin=8605.0)
    assert after(gap, *then, start=steady).rate == pytest.approx(10)


@given(st.integers(0, 10**6), st.floats(600, 10**6))
def test_a_gap_causes_no_spike_in_the_plan_rate(moved: int, length: float) -> None:
    steady = after(*polls(range(0, 5000, 50), objects=10**9))
    gap = Sample(495 + length, counts(4950 + moved, 10**9), "running", after_gap=True)
    mean = moved / length
    planned = after(gap, start=steady).plan_rate
    assert planned is not None
    assert min(mean, 10) * 0.99 <= planned <= max(mean, 10) * 1.01


def test_transferred_and_skipped_have_their_own_rates() -> None:
    samples = [Sample(5.0 * n, Counts(10**6, 50 * n, 100 * n, n), "running") for n in range(100)]
    estimate = after(*samples)
    assert estimate.transferred_rate == pytest.approx(10)
    assert estimate.skipped_rate == pytest.approx(20)
    assert estimate.rate == pytest.approx(30.2)


def test_growth_is_known_only_during_listing() -> None:
    listing = after(*totals(*range(1000, 3000, 100), moves=1))
    assert listing.phase is Phase.LISTING
    assert listing.growth == pytest.approx(20)
    more = [Sample(100.0 + 5 * n, counts(20 + n, 2900), "running") for n in range(4)]
    assert after(*more, start=listing).growth is None


def test_a_pause_does_not_change_the_plan_rate() -> None:
    moving = after(*polls(range(0, 50_000, 50), objects=10**6))
    paused = polls([49_950] * 500, begin=5000.0, status="paused")
    assert after(*paused, start=moving).plan_rate is None
    resumed = polls(range(49_950, 50_200, 50), begin=8000.0)
    assert after(*paused, *resumed, start=moving).plan_rate == pytest.approx(10)


def test_coarse_samples_give_the_same_plan_rate_as_fine_ones() -> None:
    fine = after(*polls(range(0, 100_000, 50)))
    coarse = [Sample(600.0 * n, counts(6000 * n), "running", coarse=True) for n in range(17)]
    planned, thinned = fine.plan_rate, after(*coarse).plan_rate
    assert planned == pytest.approx(10)
    assert thinned == pytest.approx(10)
    assert after(*coarse).stall.typical == 0


def test_bursts_do_not_change_the_plan_rate() -> None:
    rates = [after(*polls([n // 24 * 1200 for n in range(m)])).plan_rate for m in range(200, 400)]
    assert [r for r in rates if r != pytest.approx(10)] == []


def test_copying_after_skipping_is_planned_at_the_copying_rate() -> None:
    skipped = [Sample(5.0 * n, Counts(10**7, n, 10_000 * n, 0), "running") for n in range(120)]
    copied = [
        Sample(600.0 + 5 * n, Counts(10**7, 120 + 200 * n, 1_190_000, 0), "running")
        for n in range(60)
    ]
    estimate = after(*skipped, *copied)
    assert estimate.plan_rate == pytest.approx(40, rel=0.05)


def test_a_lasting_drop_in_speed_determines_the_plan_rate() -> None:
    small = polls(range(0, 500_000, 500), objects=555_500)
    large = polls(range(499_500, 519_500, 25), begin=5000.0, objects=555_500)
    assert after(*small, *large[:200]).plan_rate == pytest.approx(25, rel=0.2)
    assert after(*small, *large).plan_rate == pytest.approx(5, rel=0.25)


def test_a_clock_that_runs_backwards_counts_as_a_jump() -> None:
    steady = after(*polls(range(0, 5000, 50)))
    back = polls(range(9000, 14_000, 50), begin=-1000.0)
    estimate = after(*back, start=steady)
    assert estimate.rate == pytest.approx(10)
    assert estimate.plan_rate == pytest.approx(10)
    assert estimate.restarts == 0


def poll(at: float, done: int, objects: int = 10**6, status: str = "running") -> Sample:
    """One poll of a job that only transfers."""
    return Sample(at, Counts(objects, done, 0, 0), status)


def every(seconds: float, dones: list[int], begin: float = 0.0) -> list[Sample]:
    """Evenly spaced polls."""
    return [poll(begin + place * seconds, done) for place, done in enumerate(dones)]


MOVING = every(5.0, list(range(100)))


@pytest.mark.parametrize(
    ("still", "stalled", "badly"),
    [(295, False, False), (300, True, False), (895, True, False), (900, True, True)],
)
def test_a_fast_job_is_stalled_after_five_minutes(still: int, stalled: bool, badly: bool) -> None:
    silent = every(5.0, [99] * (still // 5), begin=500.0)
    estimate = after(*MOVING, *silent)
    assert (estimate.phase is Phase.STALLED) is stalled
    assert estimate.stalled_since == (495.0 if stalled else None)
    assert estimate.stalled_badly is badly


@given(st.integers(5, 120))
def test_a_slow_job_is_stalled_after_ten_median_gaps(polls_a_change: int) -> None:
    gap = polls_a_change * 5.0
    moving = every(5.0, [n // polls_a_change for n in range(8 * polls_a_change + 1)])
    begin = moving[-1].at + 5
    patience = max(300.0, 10 * gap)
    still = int(patience / 5)
    silent = every(5.0, [8] * still, begin=begin)
    assert after(*moving, *silent[:-1]).stalled_since is None
    assert after(*moving, *silent).stalled_since == begin - 5


def test_a_total_that_grows_is_movement() -> None:
    growing = [poll(5.0 * n, 7, objects=1000 + n) for n in range(200)]
    assert after(*growing).phase is Phase.LISTING


def test_one_movement_ends_a_stall() -> None:
    silent = every(5.0, [99] * 100, begin=500.0)
    assert after(*MOVING, *silent).stalled_since == 495.0
    assert after(*MOVING, *silent, poll(1000.0, 100)).stalled_since is None


def test_equal_counts_across_a_gap_count_as_no_movement() -> None:
    opened = Sample(5000.0, Counts(10**6, 99, 0, 0), "running", after_gap=True)
    assert after(*MOVING, opened).stalled_since == 495.0


def test_movement_across_a_gap_is_not_measured() -> None:
    opened = Sample(50_000.0, Counts(10**6, 500, 0, 0), "running", after_gap=True)
    silent = every(5.0, [500] * 61, begin=50_005.0)
    estimate = after(*MOVING, opened, *silent)
    assert estimate.stall.typical == 5.0
    assert estimate.stalled_since == 50_000.0


def test_a_span_of_unknown_length_does_not_count_as_a_stall() -> None:
    jumped = Sample(50_000.0, Counts(10**6, 99, 0, 0), "running", clock_jumped=True)
    assert after(*MOVING, jumped).stalled_since is None
    silent = every(5.0, [99] * 60, begin=50_005.0)
    assert after(*MOVING, jumped, *silent[:-1]).stalled_since is None
    assert after(*MOVING, jumped, *silent).phase is Phase.STALLED


def test_a_paused_or_just_resumed_job_is_not_stalled() -> None:
    paused = [poll(500.0 + 15 * n, 99, status="paused") for n in range(100)]
    assert after(*MOVING, *paused).stalled_since is None
    resumed = every(5.0, [99] * 60, begin=2000.0)
    assert after(*MOVING, *paused, *resumed).stalled_since is None
    assert after(*MOVING, *paused, *resumed, poll(2300.0, 99)).stalled_since == 2000.0


def test_thinned_samples_do_not_measure_gaps() -> None:
    coarse = [
        Sample(3600.0 * n, Counts(10**6, 1000 * n, 0, 0), "running", coarse=True) for n in range(50)
    ]
    estimate = after(*coarse)
    assert estimate.stall.typical == 0
    silent = every(5.0, [49_000] * 360, begin=coarse[-1].at + 5)
    assert after(*silent[:-1], start=estimate).phase is not Phase.STALLED
    assert after(*silent, start=estimate).phase is Phase.STALLED


def test_thinned_samples_show_that_a_job_moves_every_few_minutes() -> None:
    coarse = [
        Sample(60.0 * n, Counts(10**6, 1000 * n, 0, 0), "running", coarse=True) for n in range(5)
    ]
    silent = every(5.0, [4000] * 61, begin=coarse[-1].at + 5)
    for known, stalled in ((coarse[:4], False), (coarse, True)):
        last = [replace(one, at=one.at - coarse[-1].at + known[-1].at) for one in silent]
        still = [replace(one, counts=known[-1].counts) for one in last]
        assert (after(*known, *still).phase is Phase.STALLED) is stalled


@pytest.mark.parametrize(("gaps", "patience"), [(0, 1800), (1, 1800), (2, 1800), (3, 300)])
def test_a_stall_takes_half_an_hour_before_three_gaps_are_known(gaps: int, patience: int) -> None:
    moving = every(5.0, list(range(gaps + 2)))
    last = moving[-1].at
    silent = every(5.0, [gaps + 1] * (patience // 5), begin=last + 5)
    estimate = after(*moving, *silent[:-1])
    assert len(estimate.stall.gaps) == gaps
    assert estimate.phase is not Phase.STALLED
    assert after(*moving, *silent).stalled_since == last


def test_only_the_recent_gaps_count() -> None:
    slow = every(5.0, [n // 60 for n in range(60 * 20)])
    brisk = every(5.0, list(range(20, 80)), begin=slow[-1].at + 5)
    assert after(*slow).stall.typical == 300.0
    assert after(*slow, *brisk).stall.typical == 5.0
    assert len(after(*slow, *brisk).stall.gaps) <= 31
