from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.estimate.estimator import Estimate, Sample, advance
from slurper_tui.monitor.model.job import Counts, Phase


def poll(at: float, done: int, objects: int = 10**6, status: str = "running") -> Sample:
    """One poll of a job that only transfers."""
    return Sample(at, Counts(objects, done, 0, 0), status)


def every(seconds: float, dones: list[int], begin: float = 0.0) -> list[Sample]:
    """Evenly spaced polls."""
    return [poll(begin + place * seconds, done) for place, done in enumerate(dones)]


def after(*samples: Sample, start: Estimate | None = None) -> Estimate:
    """What a series of polls adds up to."""
    estimate = start or Estimate()
    for sample in samples:
        estimate = advance(estimate, sample)
    return estimate


MOVING = every(5.0, list(range(100)))


@pytest.mark.parametrize(
    ("still", "stalled", "badly"),
    [(295, False, False), (300, True, False), (895, True, False), (900, True, True)],
)
def test_a_brisk_job_is_stalled_after_five_minutes(still: int, stalled: bool, badly: bool) -> None:
    silent = every(5.0, [99] * (still // 5), begin=500.0)
    estimate = after(*MOVING, *silent)
    assert (estimate.phase is Phase.STALLED) is stalled
    assert estimate.stalled_since == (495.0 if stalled else None)
    assert estimate.stalled_badly is badly


@given(st.integers(5, 120))
def test_a_slow_job_is_stalled_after_ten_of_its_gaps(polls_a_change: int) -> None:
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


def test_equal_counts_across_a_gap_were_still_in_it() -> None:
    opened = Sample(5000.0, Counts(10**6, 99, 0, 0), "running", after_gap=True)
    assert after(*MOVING, opened).stalled_since == 495.0


def test_movement_across_a_gap_is_no_gap_between_changes() -> None:
    opened = Sample(50_000.0, Counts(10**6, 500, 0, 0), "running", after_gap=True)
    silent = every(5.0, [500] * 61, begin=50_005.0)
    estimate = after(*MOVING, opened, *silent)
    assert estimate.pulse.typical == 5.0
    assert estimate.stalled_since == 50_000.0


def test_a_span_of_unknown_length_is_no_stillness() -> None:
    jumped = Sample(50_000.0, Counts(10**6, 99, 0, 0), "running", clock_jumped=True)
    assert after(*MOVING, jumped).stalled_since is None
    silent = every(5.0, [99] * 60, begin=50_005.0)
    assert after(*MOVING, jumped, *silent[:-1]).stalled_since is None
    assert after(*MOVING, jumped, *silent).phase is Phase.STALLED


def test_a_paused_job_is_not_stalled_nor_is_it_at_once_when_resumed() -> None:
    paused = [poll(500.0 + 15 * n, 99, status="paused") for n in range(100)]
    assert after(*MOVING, *paused).stalled_since is None
    resumed = every(5.0, [99] * 60, begin=2000.0)
    assert after(*MOVING, *paused, *resumed).stalled_since is None
    assert after(*MOVING, *paused, *resumed, poll(2300.0, 99)).stalled_since == 2000.0


def test_thinned_samples_say_nothing_about_the_gap() -> None:
    coarse = [
        Sample(3600.0 * n, Counts(10**6, 1000 * n, 0, 0), "running", coarse=True) for n in range(50)
    ]
    estimate = after(*coarse)
    assert estimate.pulse.typical == 0
    silent = every(5.0, [49_000] * 61, begin=coarse[-1].at + 5)
    assert after(*silent, start=estimate).phase is Phase.STALLED


def test_only_the_recent_gaps_count() -> None:
    slow = every(5.0, [n // 60 for n in range(60 * 20)])
    brisk = every(5.0, list(range(20, 80)), begin=slow[-1].at + 5)
    assert after(*slow).pulse.typical == 300.0
    assert after(*slow, *brisk).pulse.typical == 5.0
    assert len(after(*slow, *brisk).pulse.gaps) <= 31
