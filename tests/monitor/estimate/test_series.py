"""How a job's samples are classified: gaps, clock jumps and stored samples."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.models import Job
from slurper_tui.monitor.estimate.series import CREATION_SLACK, Series
from slurper_tui.monitor.history.opening import memory_store
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Counts, JobView, Phase
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.reports.digest import make_digest

EPOCH = 1_790_000_000.0


def add(
    series: Series, at: float, done: int, *, mono: float | None = None, jumped: bool = False
) -> Recorded:
    """One poll of a running job of a million objects."""
    now = Moment(at if mono is None else mono, EPOCH + at)
    counts = Counts(10**6, done, 0, 0)
    return series.add(counts, "running", now, period=5.0, created_at=None, clock_jumped=jumped)


def stored(at: float, done: int, *, after_gap: bool = False) -> Recorded:
    return Recorded(EPOCH + at, Counts(10**6, done, 0, 0), "running", after_gap)


def test_a_sample_is_stored_unchanged() -> None:
    series = Series()
    added = add(series, 5.0, 10)
    assert added == Recorded(EPOCH + 5.0, Counts(10**6, 10, 0, 0), "running")
    assert series.last is added


@pytest.mark.parametrize(("span", "gap"), [(5.0, False), (30.0, False), (31.0, True), (-1.0, True)])
def test_a_long_time_without_polls_is_a_gap(span: float, gap: bool) -> None:
    series = Series()
    for at in (0.0, 5.0, 10.0):
        add(series, at, int(at))
    assert add(series, 10.0 + span, 20, mono=10.0 + abs(span)).after_gap is gap


@given(st.lists(st.floats(-30 * 86_400.0, 600.0), min_size=1, max_size=6))
def test_samples_before_the_creation_do_not_change_the_estimate(times: list[float]) -> None:
    history = [stored(at, int(at) + 30 * 86_400) for at in sorted(times) if at < -CREATION_SLACK]
    history += [stored(at, max(0, int(at) * 10)) for at in sorted(times) if at >= 0]
    added, alone = Series(), Series()
    added.seed(history, Moment(900.0, EPOCH + 900.0), EPOCH)
    alone.seed([s for s in history if s.at >= EPOCH], Moment(900.0, EPOCH + 900.0), EPOCH)
    assert (added.estimate, added.forecast) == (alone.estimate, alone.forecast)


def test_a_rarely_polled_job_has_no_gaps() -> None:
    series = Series()
    for number in range(4):
        assert not add(series, number * 29.0, number).after_gap
    assert not add(series, 87.0 + 80.0, 9).after_gap
    assert add(series, 167.0 + 3 * 80.0 + 1.0, 10).after_gap


def test_regular_but_slower_polls_are_no_gaps() -> None:
    series = Series()
    added = [add(series, number * 40.0, number * 400) for number in range(10)]
    assert [s.after_gap for s in added] == [False, True] + [False] * 8
    assert series.estimate.rate == pytest.approx(10)
    assert add(series, 360.0 + 200.0, 6000).after_gap


def test_two_equal_absences_are_gaps() -> None:
    series = Series()
    added = [add(series, number * 3600.0, number * 400) for number in range(5)]
    assert [s.after_gap for s in added] == [False] + [True] * 4


def test_a_clock_jump_is_a_gap_of_unknown_length() -> None:
    series = Series()
    for number in range(20):
        add(series, number * 5.0, number * 50)
    before = series.estimate.rate
    added = add(series, 8 * 3600.0, 500_000, mono=100.0, jumped=True)
    assert added.after_gap
    after = series.estimate.rate
    assert after is None or after == pytest.approx(before)


def test_stored_samples_give_a_rate_at_the_first_poll() -> None:
    series = Series()
    history = [stored(number * 5.0, number * 50) for number in range(200)]
    series.seed(history, Moment(0.0, EPOCH + 1000.0), None)
    assert series.estimate.plan_rate == pytest.approx(10, rel=0.05)
    add(series, 1000.0, 10_000, mono=1.0)
    assert series.forecast is not None
    seconds = (10**6 - 10_000) / 10
    assert series.forecast.low_seconds <= seconds <= series.forecast.high_seconds


def test_the_time_since_the_last_run_is_a_gap_and_no_spike() -> None:
    series = Series()
    history = [stored(number * 5.0, number * 50) for number in range(200)]
    series.seed(history, Moment(0.0, EPOCH + 40_000.0), None)
    added = add(series, 40_000.0, 400_000, mono=1.0)
    assert added.after_gap
    add(series, 40_005.0, 400_050, mono=6.0)
    assert series.estimate.rate == pytest.approx(10, rel=0.01)


def test_stored_samples_from_the_future_are_shifted_to_end_now() -> None:
    series = Series()
    history = [stored(9000.0 + number * 5.0, number * 50) for number in range(200)]
    series.seed(history, Moment(0.0, EPOCH + 10.0), None)
    assert series.last == history[-1]
    assert series.estimate.plan_rate == pytest.approx(10, rel=0.05)
    added = [add(series, 12.0 + n * 5.0, 20_000 + n * 50, mono=2.0 + n * 5.0) for n in range(20)]
    assert [s.at - history[-1].at for s in added] == pytest.approx(
        [2.0 + n * 5.0 for n in range(20)]
    )
    assert [s.after_gap for s in added] == [True] + [False] * 19
    assert series.estimate.rate == pytest.approx(10, rel=0.05)
    caught_up = add(series, 20_000.0, 30_000, mono=200.0, jumped=True)
    assert caught_up.at == EPOCH + 20_000.0


def as_stored(samples: list[Recorded]) -> list[Recorded]:
    """Return the samples as the history returns them."""
    store, whose = memory_store("https://api.example"), JobKey("acc0", "job0")
    for sample in samples:
        store.write((), [(whose, sample)])
    added = list(store.samples(whose))
    store.close()
    return added


def an_hour_and_a_half(back: float) -> list[Recorded]:
    """Return the samples of a run whose clock is set back after an hour. back: seconds."""
    series, history = Series(), list[Recorded]()
    for number in range(1080):
        mono = number * 5.0
        late = number >= 720
        history.append(
            add(
                series,
                mono - back * late,
                number * 50,
                mono=mono,
                jumped=number == 720 and back > 5.0,
            )
        )
    assert series.estimate.restarts == 0
    assert series.estimate.rate == pytest.approx(10, rel=0.05)
    return as_stored(history)


@pytest.mark.parametrize("back", [4.0, 5.0, 7.0, 1800.0, 86_400.0 * 365])
@pytest.mark.parametrize("away", [2.0, 600.0, 7200.0])
def test_a_clock_that_was_set_back_does_not_spoil_a_later_run(back: float, away: float) -> None:
    history = an_hour_and_a_half(back)
    assert [sample.counts.done for sample in history] == [50 * number for number in range(1080)]
    assert history[-1].at == EPOCH + 1079 * 5.0 - back
    assert all(0.0 < b.at - a.at <= 6.0 for a, b in pairwise(history))
    assert sum(sample.after_gap for sample in history) == (back >= 5.0)
    series = Series()
    begun = 1079 * 5.0 + away
    series.seed(history, Moment(0.0, EPOCH + begun - back), None)
    assert (series.estimate.restarts, series.forecast is None) == (0, False)
    assert series.estimate.rate == pytest.approx(10, rel=0.05)
    for number in range(20):
        at = begun + 1.0 + number * 5.0
        add(series, at - back, int(at * 10), mono=1.0 + number * 5.0)
    assert series.estimate.restarts == 0
    assert series.estimate.rate == pytest.approx(10, rel=0.05)
    # The unobserved time is as long as the clock shows: half an hour too short.
    assert series.estimate.plan_rate == pytest.approx(10, rel=0.2)


def test_a_clock_that_was_never_set_counts_on_from_the_last_sample() -> None:
    series = Series()
    history = [stored(number * 5.0, number * 50) for number in range(100)]
    series.seed(history, Moment(0.0, 5.0), EPOCH)
    added = [add(series, 10.0 - EPOCH + n * 5.0, 5000 + n, mono=5.0 + n * 5.0) for n in range(9)]
    assert [s.at - history[-1].at for s in added] == pytest.approx(
        [5.0 + n * 5.0 for n in range(9)]
    )
    assert [s.after_gap for s in added] == [True] + [False] * 8
    set_right = add(series, 9000.0, 6000, mono=50.0, jumped=True)
    assert (set_right.at, set_right.after_gap, set_right.set_back) == (EPOCH + 9000.0, True, False)


def test_the_first_sample_of_an_unset_clock_has_the_creation_time() -> None:
    counts, now = Counts(10, 1, 0, 0), Moment(5.0, 5.0)
    added = Series().add(counts, "running", now, period=5.0, created_at=EPOCH, clock_jumped=False)
    assert added.at == EPOCH


def test_a_digest_across_a_clock_set_back_has_correct_counts() -> None:
    history = an_hour_and_a_half(1800.0)
    view = JobView("acc0", Job("job0", "running"), status="running")
    digest = make_digest([(view, tuple(history))], history[0].at, history[-1].at)
    [added] = digest.jobs
    assert added.moved == 1079 * 50
    assert not [change for change in added.changes if "fell" in change.text]


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(-1e5, 1e5)), max_size=30))
def test_samples_carry_the_time_of_the_clock(steps: list[tuple[float, float]]) -> None:
    series, mono, off, history = Series(), 0.0, 0.0, list[Recorded]()
    for number, (span, set_by) in enumerate(steps):
        mono, off = mono + span, off + set_by
        history.append(add(series, mono + off, number, mono=mono, jumped=abs(set_by) > 5.0))
        assert history[-1].at == pytest.approx(EPOCH + mono + off, abs=0.002 * number + 1e-6)
    assert all(b.set_back == (b.at < a.at) for a, b in pairwise(history))
    from_store = as_stored(history)
    assert [sample.counts.done for sample in from_store] == list(range(len(steps)))


def test_stored_samples_that_arrive_late_are_ignored() -> None:
    series = Series()
    added = add(series, 5.0, 10)
    series.seed([stored(0.0, 5)], Moment(5.0, EPOCH + 5.0), None)
    assert series.last is added


def test_a_stall_is_stored_with_the_sample() -> None:
    series = Series()
    for number in range(10):
        add(series, number * 5.0, number)
    added = [add(series, 50.0 + number * 5.0, 9) for number in range(100)]
    assert not added[0].stalled
    assert added[-1].stalled
    assert series.estimate.phase is Phase.STALLED
    assert not add(series, 600.0, 10).stalled


def test_restart_begins_a_new_estimate() -> None:
    series = Series()
    for number in range(20):
        add(series, number * 5.0, number * 50)
    series.restart()
    assert (series.estimate.restarts, series.estimate.rate, series.forecast) == (1, None, None)


Course = tuple[tuple[float, int, str, bool], ...]
"""Samples as seconds, objects done, status and whether a gap precedes."""

PAUSED: Course = tuple((1000.0 + 60 * n, 500, "paused", False) for n in range(10))
RUNNING: Course = tuple((60.0 * n, 10 * n, "running", False) for n in range(16))


@pytest.mark.parametrize(
    ("course", "created", "since"),
    [
        (RUNNING, None, None),
        (RUNNING, -60.0, -60.0),
        (RUNNING, -3600.0, None),
        (PAUSED, 990.0, None),
        ((*RUNNING, *PAUSED), None, 1000.0),
        ((*RUNNING, (1500.0, 500, "paused", True), (1560.0, 500, "paused", False)), None, None),
        ((*RUNNING, *PAUSED, (9000.0, 500, "paused", True)), None, 1000.0),
        ((*RUNNING, *PAUSED, (9000.0, 505, "paused", True)), None, 1000.0),  # in flight
        ((*RUNNING, *PAUSED, (9000.0, 600, "paused", True)), None, None),
        ((*PAUSED, (1600.0, 500, "running", False), (1660.0, 510, "running", False)), None, 1600.0),
        ((*RUNNING, (5000.0, 500, "paused", False)), None, None),
        (
            (
                *RUNNING,
                *((900 + 60.0 * n, 150, "running", False) for n in range(1, 35)),
                (3000.0, 200, "running", False),
            ),
            -60.0,
            3000.0,
        ),
    ],
)
@pytest.mark.parametrize("remembered", [False, True])
def test_a_status_is_known_to_last_since_its_observed_beginning(
    course: Course, created: float | None, since: float | None, remembered: bool
) -> None:
    recorded = [
        Recorded(EPOCH + at, Counts(10**6, done, 0, 0), status, gap)
        for at, done, status, gap in course
    ]
    series, created_at = Series(), None if created is None else EPOCH + created
    if remembered:
        end = course[-1][0] + 5
        series.seed(recorded, Moment(end, EPOCH + end), created_at)
    else:
        for sample in recorded:
            now = Moment(sample.at - EPOCH, sample.at)
            series.add(
                sample.counts,
                sample.status,
                now,
                period=3000.0 if not sample.after_gap else 5.0,
                created_at=created_at,
                clock_jumped=False,
            )
    assert series.since == (since if since is None else pytest.approx(since))
