"""When a running job counts as failing, and since when."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job, Progress
from slurper_tui.monitor.estimate.estimator import Estimate, Sample, advance
from slurper_tui.monitor.estimate.rates import MARK_SECONDS, WINDOW_SECONDS, FailureWindow
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Counts, Failing, State
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.polling.account_tracker import AccountTrack
from slurper_tui.monitor.polling.job_store import AnswerApplier
from slurper_tui.monitor.polling.job_tracker import JobTrack
from slurper_tui.monitor.reports.wording import failing_words
from tests.tui.jobs import NOW, iso

OLD = NOW - 86_400.0


def counts(done: int, failed: int) -> Counts:
    return Counts(10**6, done - failed, 0, failed)


def window(
    *spans: tuple[float, float, float],
    start: FailureWindow | None = None,
    every: float = 60.0,
    begin: float = 0.0,
    base: tuple[float, float] = (0, 0),
) -> FailureWindow:
    """Poll through spans of (hours, done per second, failed per second)."""
    one, at, (done, failed) = start or FailureWindow(), begin, base
    one = one.update(counts(int(done), int(failed)), at, running=True)
    for hours, rate, failing in spans:
        for _ in range(round(hours * 3600 / every)):
            at, done, failed = at + every, done + rate * every, failed + failing * every
            one = one.update(counts(int(done), int(failed)), at, running=True)
    return one


@pytest.mark.parametrize(
    ("rate", "failed", "failing"),
    [
        (10, 0, False),
        (10, 0.05, False),  # 180 an hour, but half a percent
        (4, 0.05, True),
        (10, 0.2, True),
        (1000, 5, False),  # 18,000 an hour, but half a percent
        (1000, 20, True),
        (0.1, 0.02, False),  # a fifth, but 72 an hour
        (0.1, 0.05, True),
    ],
)
def test_a_job_is_failing_above_a_share_and_a_number_of_objects(
    rate: float, failed: float, failing: bool
) -> None:
    assert window((2, rate, failed)).failing is failing


def test_failures_of_earlier_hours_do_not_count() -> None:
    failing = window((3, 10, 1))
    assert failing.failing
    assert WINDOW_SECONDS <= failing.seconds <= WINDOW_SECONDS + MARK_SECONDS
    assert not window((3, 10, 1), (2, 10, 0)).failing
    assert len(window((20, 10, 1)).marks) <= 3 * 14


def test_the_state_does_not_flicker_around_a_limit() -> None:
    at, done, failed, changes, one = 0.0, 0, 0, 0, FailureWindow()
    rng = random.Random(1)
    for _ in range(5000):
        at, done = at + 10, done + 100
        failed += rng.choice([0, 1, 2])
        before, one = one, one.update(counts(done, failed), at, running=True)
        changes += one.failing != before.failing
    assert changes == 1


def test_since_is_the_time_at_which_the_limit_was_passed_or_unknown() -> None:
    calm = window((2, 10, 0))
    failing = window((1, 10, 1), start=calm, begin=7200.0, base=(72_000, 0))
    assert failing.failing
    assert failing.since is not None
    assert 7200 < failing.since < 9000
    late = FailureWindow().update(counts(10, 0), 0.0, running=True)
    after_a_gap = late.update(counts(5000, 1000), 3000.0, running=True)
    assert (after_a_gap.failed, after_a_gap.done, after_a_gap.seconds) == (1000, 4990, 3000.0)
    assert (after_a_gap.failing, after_a_gap.since) == (True, None)


@pytest.mark.parametrize("how", ["paused", "jumped"])
def test_a_job_that_does_not_run_or_ran_for_an_unknown_time_is_not_failing(how: str) -> None:
    failing = window((1, 10, 1))
    later = counts(10**5, 9000)
    one = failing.update(later, 3700.0, running=how != "paused", clock_jumped=how == "jumped")
    assert (one.failing, one.since) == (False, None)


@pytest.mark.parametrize(("failed", "failing"), [(9000, True), (3700, False)])
def test_after_a_long_gap_the_share_since_the_last_poll_counts(failed: int, failing: bool) -> None:
    before = window((1, 10, 1))
    one = before.update(counts(10**5, failed), 20_000.0, running=True)
    assert (one.failed, one.done) == (failed - 3600, 64_000)
    assert one.seconds == 20_000 - 3600
    assert one.failing is failing
    calm = window((1.5, 10, 0), start=one, begin=20_000.0, base=(10**5, failed))
    assert not calm.failing


@pytest.mark.parametrize("age", [1800.0, 7200.0, 20 * 86_400.0])
def test_a_job_first_seen_late_is_judged_by_its_share_since_creation(age: float) -> None:
    first = advance(Estimate(), Sample(0.0, counts(5000, 400), "running", age=age))
    assert first.failures.failing
    assert first.failures.since is None
    assert first.failures.seconds == age
    later, done = first, 5000
    for minute in range(1, 70):
        done += 100
        later = advance(later, Sample(60.0 * minute, counts(done, 400), "running", age=age))
    assert not later.failures.failing


@pytest.mark.parametrize(
    ("age", "done", "failed"),
    [
        (None, 5000, 400),
        (-5.0, 5000, 400),
        (math.nan, 5000, 400),
        (7200.0, 500, 100),
        (7200.0, 50_000, 500),
    ],
)
def test_a_job_first_seen_late_is_not_failing_by_few_failures_or_an_unknown_age(
    age: float | None, done: int, failed: int
) -> None:
    sample = Sample(0.0, counts(done, failed), "running", age=age)
    assert not advance(Estimate(), sample).failures.failing


def test_counters_that_fell_are_not_counted_since_creation() -> None:
    first = advance(Estimate(), Sample(0.0, counts(9000, 800), "running", age=7200.0))
    again = advance(first, Sample(60.0, counts(5000, 400), "running", age=7260.0))
    assert not again.failures.failing
    later = Sample(120.0, counts(5100, 401), "running", age=7320.0, clock_jumped=True)
    assert not advance(again, later).failures.failing


numbers = st.none() | st.integers(0, 10**30)


@given(st.lists(st.tuples(st.floats(0, 1e5), numbers, numbers, st.booleans()), max_size=30))
def test_any_polls_give_numbers_that_fit(polls: list[tuple[float, int, int, bool]]) -> None:
    one, at = FailureWindow(), 0.0
    for span, done, failed, jumped in polls:
        at += span
        one = one.update(Counts(None, done, 0, failed), at, running=True, clock_jumped=jumped)
        assert 0 <= one.failed <= 2**53
        assert one.seconds >= 0
        assert len(one.marks) % 3 == 0


def poll(track: JobTrack, applier: AnswerApplier, minute: float, done: int, failed: int) -> None:
    progress = Progress("j", "running", iso(OLD), 10**6, done - failed, 0, failed)
    now = Moment(60 * minute, NOW + 60 * minute)
    applier.apply_progress(AccountTrack("acc"), track, progress, now, 60.0)


def test_a_job_that_begins_and_ceases_to_fail_says_so() -> None:
    track = JobTrack("acc", Job(id="j", status="running", created_at=iso(OLD)))
    applier = AnswerApplier(ALL_JOBS, random.Random(1), eager=False)
    for minute in range(240):
        failed = 20 * min(max(0, minute - 60), 60)
        poll(track, applier, minute, 1000 * minute, failed)
        if minute == 100:
            assert track.view.state is State.FAILING
            assert track.view.failing is not None
            begun = track.view.failing.since
            assert begun is not None
            assert 60 * 61 < begun - NOW < 60 * 100
            assert "per minute now" in failing_words(track.view)
    assert track.view.state is State.RUNNING
    details = [event.detail for event in applier.unsaved.events]
    assert len(details) == 2
    assert details[0].startswith("failing: ")
    assert details[0].endswith(" objects in the last hour")
    assert details[1] == "no longer failing"


def test_a_restarted_program_knows_that_a_job_was_failing() -> None:
    samples = [
        Recorded(NOW - 7200 + 60 * n, counts(1000 * n, 40 * max(0, n - 30)), "running")
        for n in range(120)
    ]
    job = Job(id="j", status="running", created_at=iso(OLD))
    track = JobTrack.from_history(StoredJob("acc", job, samples[-1]))
    track.seed(samples, Moment(0.0, NOW))
    assert track.view.failing is not None
    since = track.view.failing.since
    assert since is not None
    assert NOW - 5400 < since < NOW - 4000
    applier = AnswerApplier(ALL_JOBS, random.Random(1), eager=False)
    poll(track, applier, 0.0, 120_000, 3600)
    assert track.view.state is State.FAILING
    assert track.view.failing.since == since
    assert applier.unsaved.events == []


@pytest.mark.parametrize(
    ("failing", "rate", "words"),
    [
        (Failing(412, 5000, 3700.0), None, "412 of 5,000 objects failed in the last hour (8.2 %)"),
        (Failing(412, 5000, 21_600.0), None, "412 of 5,000 objects failed in the last 6 h (8.2 %)"),
        (
            Failing(412, 5000, 730.0),
            0.5,
            "412 of 5,000 objects failed in the last 12 min (8.2 %), 30 per minute now",
        ),
    ],
)
def test_the_words_name_the_time_the_share_and_the_rate(
    failing: Failing, rate: float | None, words: str
) -> None:
    track = JobTrack("acc", Job(id="j", status="running"))
    assert failing_words(replace(track.view, failing=failing, failed_rate=rate)) == words
    assert failing_words(track.view) == ""
