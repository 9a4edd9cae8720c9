from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Counters, Course, Plan

START = 1_790_000_000.0
HOUR = 3600.0

plans = st.builds(
    Plan,
    id=st.just("j" * 64),
    created=st.just(START),
    objects=st.integers(0, 10**10),
    seconds=st.floats(0, 10**6),
    listing=st.floats(0, 10**6),
    delay=st.floats(0, 60),
    stall_every=st.sampled_from((float("inf"), 900.0, HOUR)),
    stall_for=st.sampled_from((0.0, 600.0)),
    step=st.floats(1, 5),
)
losses = st.tuples(*[st.integers(0, 10**4)] * 4)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Draw a plan of any size with any sequence of status changes that the API allows."""
    plan, (failed, not_copied, harmless, lost) = draw(plans), draw(losses)
    course = Course(_within(plan, failed, not_copied, harmless, lost))
    now = START
    for pause, aborted in draw(st.lists(st.tuples(st.floats(0, 10**5), st.booleans()), max_size=6)):
        now += pause
        if course.status(now) in ("completed", "aborted"):
            break
        other = "paused" if course.status(now) == "running" else "running"
        course = course.changed(now, "aborted" if aborted else other)
    return course


def _within(plan: Plan, failed: int, not_copied: int, harmless: int, lost: int) -> Plan:
    """Return the plan with these losses, each at most the number of objects left."""
    left, parts = plan.objects, []
    for part in (lost, failed, not_copied, harmless):
        parts.append(min(part, left))
        left -= parts[-1]
    lost, failed, not_copied, harmless = parts
    names = Plan.__slots__
    values = {name: getattr(plan, name) for name in names}
    return Plan(
        **values | {"lost": lost, "failed": failed, "not_copied": not_copied, "harmless": harmless}
    )


def _done(counters: Counters) -> int:
    return counters.transferred + counters.skipped + counters.failed


@given(courses(), st.lists(st.floats(-10, 10**7), min_size=2, max_size=30))
def test_counters_are_monotone_and_consistent(course: Course, seconds: list[float]) -> None:
    readings = [course.counters(START + after) for after in sorted(seconds)]
    for before, after in itertools.pairwise(readings):
        assert all(a <= b for a, b in zip(before, after, strict=True))
    for counters in readings:
        assert min(counters) >= 0
        assert _done(counters) <= counters.objects <= course.plan.objects


@given(courses())
def test_a_completed_job_has_the_planned_counters(course: Course) -> None:
    late = START + 10**9
    if course.status(late) == "completed":
        plan, counters = course.plan, course.counters(late)
        assert (counters.objects, counters.failed) == (plan.objects, plan.failed)
        assert counters.objects - _done(counters) == plan.lost
        assert course.finished(late) == course.completed(late)


def test_objects_in_flight_finish_within_half_a_minute_of_an_abort() -> None:
    steady = _running("2024/")
    aborted = steady.changed(START + 100, "aborted")
    at, soon, later = (_done(aborted.counters(START + 100 + s)) for s in (0, 30, HOUR))
    assert at < soon == later
    assert aborted.status(START + 100) == "aborted"


@pytest.mark.parametrize("prefix", ["2023/", "2024/"])
def test_counters_move_within_five_seconds(prefix: str) -> None:
    course = _running(prefix)
    readings = [_done(course.counters(START + 5 * n)) for n in range(200)]
    assert all(a < b for a, b in itertools.pairwise(readings))


def test_the_total_of_a_listing_job_grows_until_the_end() -> None:
    course = _running("2023/")
    listed = [course.counters(START + 60 * n).objects for n in range(240)]
    assert listed[0] < listed[3] < listed[-1] == course.plan.objects
    settled = {_running("2024/").counters(START + 60 * n).objects for n in range(240)}
    assert len(settled) == 1


def test_one_job_has_stalled_for_twenty_minutes_and_goes_on_after_two_hours() -> None:
    course = _running("edge/")
    readings = [_done(course.counters(START + 60 * n)) for n in (-23, -22, 0, 97, 99)]
    assert readings[0] < readings[1] == readings[2] == readings[3] < readings[4]


def test_one_job_began_to_fail_half_an_hour_ago() -> None:
    course = _running("2024/")
    before, now, later = (course.counters(START + 60 * n) for n in (-25, 0, 60))
    assert before.failed == before.incidents == 0 < before.transferred
    assert now.failed > 100
    for begun, ended in ((before, now), (now, later)):
        failed, done = ended.failed - begun.failed, _done(ended) - _done(begun)
        assert 0.03 < failed / done < 0.05


def test_running_jobs_complete_within_about_a_day() -> None:
    account = SimulatedAccount(clock=lambda: START)
    assert {course.status(START + 30 * HOUR) for course in account.jobs()} == {
        "completed",
        "aborted",
        "paused",
    }


def test_a_pause_delays_the_end_by_its_duration() -> None:
    course = _running("2024/")
    paused = course.changed(START + 10, "paused").changed(START + 10 + HOUR, "running")
    late = START + 100 * HOUR
    delay = (paused.completed(late) or 0) - (course.completed(late) or 0)
    assert HOUR - 30 < delay <= HOUR


def _running(prefix: str) -> Course:
    """Return the running job of the ordinary account with this prefix."""
    return next(
        course
        for course in SimulatedAccount(clock=lambda: START).jobs()
        if course.plan.source is not None
        and course.plan.source.path_prefix == prefix
        and course.status(START) == "running"
    )


@given(
    seconds=st.floats(5, 2e5),
    listing=st.floats(1, 2e5),
    stalls=st.tuples(st.floats(100, 9000), st.floats(0.1, 0.6)) | st.none(),
    pause=st.tuples(st.floats(0.05, 0.9), st.floats(1, 1e4)) | st.none(),
    share=st.floats(0, 1),
)
def test_an_incident_happens_when_the_counter_reaches_it(
    seconds: float,
    listing: float,
    stalls: tuple[float, float] | None,
    pause: tuple[float, float] | None,
    share: float,
) -> None:
    plan = Plan("a", 1_790_000_000.0, 900_000, seconds, listing=listing, failed=8_000, clean=1_000)
    if stalls is not None:
        plan = replace(plan, stall_every=stalls[0], stall_for=stalls[0] * stalls[1])
    course = Course(plan)
    if pause is not None:
        at = plan.created + seconds * pause[0]
        course = course.changed(at, "paused").changed(at + pause[1], "running")
    incidents = 1 + round(share * 7_998)  # the last one may be counted only when the job ends
    moment = course.moment(incidents)
    assert course.incidents(moment - 0.001) < incidents <= course.incidents(moment + 0.001)
