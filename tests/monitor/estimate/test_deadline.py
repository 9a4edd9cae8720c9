from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.estimate.deadline import (
    Outlook,
    OutlookState,
    needed_words,
    outlook_of,
    outlook_of_all,
    outlook_words,
)
from slurper_tui.monitor.model.job import Counts, Forecast, JobView, Phase
from tests.tui.jobs import NOW, iso, view

H = 3600.0
DEADLINE = NOW + 10 * H


def plain(outlook: Outlook) -> str:
    return outlook_words(outlook).replace("\N{EN DASH}", "-")


def due(low: float, high: float, number: int = 1, **given: Any) -> JobView:
    """Return a running job whose finish is forecast between `low` and `high` hours from now."""
    forecast = Forecast(NOW + low * H, NOW + high * H, NOW, at_least=given.pop("at_least", False))
    return view(number, forecast=forecast, **given)


def done_at(at: float) -> JobView:
    made = view(1, "completed", 1000)
    return replace(made, job=replace(made.job, finished_at=iso(at)))


@pytest.mark.parametrize(
    ("job", "state", "words"),
    [
        (due(6, 8), OutlookState.ON_TRACK, "on track"),
        (due(6, 9), OutlookState.ON_TRACK, "likely on track"),
        (due(6, 10), OutlookState.ON_TRACK, "likely on track"),
        (due(9, 12), OutlookState.AT_RISK, "at risk, up to 2 h late"),
        (due(12, 15), OutlookState.WILL_MISS, "will miss by 2-5 h"),
        (due(11, 15), OutlookState.WILL_MISS, "will likely miss by 1-5 h"),
        (due(12, 0, at_least=True), OutlookState.WILL_MISS, "will miss by 2 h or more"),
        (due(3, 0, at_least=True), OutlookState.UNKNOWN, "unknown: total still growing"),
        (view(1), OutlookState.UNKNOWN, "unknown: no forecast"),
        (view(1, reason="too few changes"), OutlookState.UNKNOWN, "unknown: too few changes"),
        (due(6, 9, stale=True), OutlookState.UNKNOWN, "unknown: no forecast"),
        (view(1, "paused"), OutlookState.AT_RISK, "at risk: paused"),
        (due(6, 9, status="paused"), OutlookState.AT_RISK, "at risk: paused"),
        (due(6, 9, phase=Phase.STALLED), OutlookState.AT_RISK, "at risk: stalled"),
        (done_at(DEADLINE - 1), OutlookState.DONE, "done"),
        (done_at(DEADLINE + 2 * H), OutlookState.DONE, "done, 2 h late"),
        (view(1, "completed", 1000, gone=True), OutlookState.DONE, "done"),
        (view(1, "aborted"), OutlookState.UNKNOWN, "unknown: aborted"),
        (view(1, gone=True), OutlookState.UNKNOWN, "unknown: gone"),
    ],
)
def test_the_outcome_of_a_job_follows_its_forecast(
    job: JobView, state: OutlookState, words: str
) -> None:
    outlook = outlook_of(job, DEADLINE, NOW)
    assert outlook.state is state
    assert plain(outlook) == words


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (due(1, 3), "deadline passed, late by 2-4 h"),
        (due(1, 0, at_least=True), "deadline passed, late by 2 h or more"),
        (view(1, "paused"), "deadline passed, late by 1 h or more"),
        (view(1), "deadline passed, late by 1 h or more"),
    ],
)
def test_a_passed_deadline_is_reported(job: JobView, words: str) -> None:
    outlook = outlook_of(job, NOW - H, NOW)
    assert outlook.state is OutlookState.WILL_MISS
    assert outlook.passed
    assert plain(outlook) == words
    assert needed_words(outlook) == ""


def test_the_required_rate_is_the_remaining_count_over_the_remaining_time() -> None:
    outlook = outlook_of(view(1, counts=Counts(100_000, 28_000, 0, 0)), DEADLINE, NOW)
    assert outlook.needed == 2.0
    assert needed_words(outlook) == "needs 2.0/s"
    listing = outlook_of(view(1, phase=Phase.LISTING), DEADLINE, NOW)
    assert needed_words(listing) == "needs <0.1/s or more"
    assert outlook_of(view(1, counts=Counts(None, 1, 0, 0)), DEADLINE, NOW).needed is None
    assert needed_words(outlook_of(done_at(NOW), DEADLINE, NOW)) == ""


@pytest.mark.parametrize(
    ("jobs", "state", "words"),
    [
        ((due(6, 8), due(4, 5, 2)), OutlookState.ON_TRACK, "on track"),
        ((due(6, 9), due(4, 5, 2)), OutlookState.ON_TRACK, "likely on track"),
        ((due(6, 9), due(9, 12, 2)), OutlookState.AT_RISK, "at risk, up to 2 h late"),
        ((due(12, 15), due(11, 20, 2)), OutlookState.WILL_MISS, "will miss by 2-10 h"),
        ((due(11, 15), due(9, 20, 2)), OutlookState.WILL_MISS, "will likely miss by 1-10 h"),
        ((due(12, 15), due(9, 20, 2)), OutlookState.WILL_MISS, "will miss by 2-10 h"),
        ((due(12, 15), view(2, "paused")), OutlookState.WILL_MISS, "will miss by 2 h or more"),
        ((due(12, 15), view(2)), OutlookState.WILL_MISS, "will miss by 2 h or more"),
        (
            (due(6, 9), view(2, "paused"), view(3, "paused")),
            OutlookState.AT_RISK,
            "at risk: 2 paused",
        ),
        ((due(6, 9), due(9, 12, 2), view(3, "paused")), OutlookState.AT_RISK, "at risk: 1 paused"),
        ((due(6, 9), view(2)), OutlookState.UNKNOWN, "unknown: no forecast"),
        ((due(6, 8), view(2, "completed", 1000)), OutlookState.ON_TRACK, "on track"),
        ((due(6, 8), view(2, "aborted"), view(3, gone=True)), OutlookState.ON_TRACK, "on track"),
        ((done_at(NOW - H), view(2, "aborted")), OutlookState.DONE, "done"),
        ((done_at(NOW - H), done_at(DEADLINE + H)), OutlookState.DONE, "done, 1 h late"),
        ((view(2, "aborted"),), OutlookState.UNKNOWN, "unknown: aborted"),
        ((), OutlookState.UNKNOWN, "unknown: no job"),
    ],
)
def test_all_jobs_are_as_late_as_the_last_one(
    jobs: tuple[JobView, ...], state: OutlookState, words: str
) -> None:
    outlook = outlook_of_all(jobs, DEADLINE, NOW)
    assert outlook.state is state
    assert plain(outlook) == words


def test_all_jobs_need_the_sum_of_their_rates() -> None:
    half = Counts(72_000, 36_000, 0, 0)
    jobs = (view(1, counts=half), view(2, "paused", counts=half, phase=Phase.PAUSED))
    assert outlook_of_all(jobs, DEADLINE, NOW).needed == 2.0
    assert outlook_of_all((*jobs, view(3, counts=Counts())), DEADLINE, NOW).needed is None
    assert outlook_of_all((*jobs, view(3, phase=Phase.LISTING)), DEADLINE, NOW).at_least


numbers = st.floats(0, 1e6, allow_nan=False)
views = st.builds(
    lambda low, width, at_least, status, phase, number: view(
        number,
        status,
        phase=phase,
        forecast=Forecast(NOW + low, NOW + low + width, NOW, at_least=at_least),
    ),
    numbers,
    numbers,
    st.booleans(),
    st.sampled_from(["running", "paused", "completed", "aborted"]),
    st.sampled_from([Phase.RUNNING, Phase.LISTING, Phase.STALLED]),
    st.integers(1, 9),
)


@given(st.lists(views, max_size=5), st.floats(-1e6, 1e6))
def test_the_outcome_of_all_is_no_better_than_that_of_a_live_job(
    jobs: list[JobView], away: float
) -> None:
    deadline = NOW + away
    whole = outlook_of_all(jobs, deadline, NOW)
    for job in (job for job in jobs if job.live):
        assert whole.state >= outlook_of(job, deadline, NOW).state
    for number in (whole.low, whole.high, whole.needed):
        assert number is None or (number >= 0 and math.isfinite(number))
    if whole.low is not None and whole.high is not None:
        assert whole.low <= whole.high
    assert outlook_words(whole)


@given(views, st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_later_deadline_never_worsens_the_outcome(job: JobView, one: float, two: float) -> None:
    early, late = NOW + min(one, two), NOW + max(one, two)
    assert outlook_of(job, late, NOW).state <= outlook_of(job, early, NOW).state
