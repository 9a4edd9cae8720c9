"""Jobs that share a bandwidth, and those that do not."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurper_tui.api.models import Job, Progress
from slurper_tui.monitor.estimate.sharing import MOST, Share, Sharing, marked
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.polling.account_tracker import AccountTrack
from slurper_tui.monitor.polling.job_tracker import JobTrack

HOUR = 3600.0
BANDWIDTH = 120.0
EPOCH = 1_767_225_600.0


def watched(*rates: Mapping[str, float], span: float = 300.0, spans: int = 6) -> Sharing:
    """Return what is known after `spans` spans of each of these rates of the running jobs."""
    sharing, at, done = Sharing(), 0.0, dict[str, float]()
    for some in rates:
        for _ in range(spans):
            at += span
            done = {job: done.get(job, 0.0) + rate * span for job, rate in some.items()}
            sharing = marked(sharing, {job: (at, int(n)) for job, n in done.items()}, at)
    return sharing


THREE = {"a": 50.0, "b": 40.0, "c": 30.0}
TWO = {"a": 200 / 3, "b": 160 / 3}


@pytest.mark.parametrize(
    ("rates", "shared"),
    [
        ([THREE], False),
        ([THREE, TWO], True),
        ([TWO, THREE], True),
        ([THREE, {"a": 50.0, "b": 40.0}], False),
        ([THREE, {"a": 54.0, "b": 43.0}], False),
        ([{"a": 50.0, "b": 40.0}, THREE], False),
        ([THREE, TWO, {"a": 67.0}, {"a": 67.0, "d": 50.0}], False),
        ([THREE, TWO, {"a": 120.0}], True),
        ([THREE, {"d": 120.0}], False),
    ],
)
def test_jobs_share_if_the_others_take_what_one_leaves(
    rates: list[Mapping[str, float]], shared: bool
) -> None:
    assert watched(*rates).shared is shared


def test_the_span_in_which_a_job_ends_is_not_compared() -> None:
    mixed = [THREE] * 6, [{"a": 30.0, "b": 90.0}], [TWO] * 3
    sharing = watched(*(one for some in mixed for one in some), spans=1)
    assert sharing.shared
    assert sharing.bank.seconds < 10 * 300


def test_a_change_within_the_usual_noise_says_nothing() -> None:
    noisy = [{job: rate * by for job, rate in THREE.items()} for by in (1.0, 2.0) * 6]
    assert watched(*noisy, {"a": 90.0, "b": 70.0}, spans=1).apart == 0


def test_many_jobs_and_gaps_are_not_compared() -> None:
    many = {str(n): 10.0 for n in range(MOST + 1)}
    assert watched(many).bank.spans == 0
    assert watched(THREE, span=4000).bank.spans == 0


def test_a_job_gets_the_bandwidth_of_those_that_end_before_it() -> None:
    """a has 20 minutes of the whole bandwidth to copy, b and c copy five minutes of it before."""
    sharing = watched({"a": 30.0, "b": 90.0}, THREE)
    others = {"b": int(BANDWIDTH * 200), "c": int(BANDWIDTH * 100)}
    ahead = Share(sharing, "a", others).time_left(int(BANDWIDTH * 1200))
    assert ahead is not None
    assert ahead.seconds == pytest.approx(1500, rel=0.01)
    assert ahead.low < 1500 < ahead.high


def test_a_job_that_ends_first_waits_for_its_part() -> None:
    ahead = Share(watched(THREE), "c", {"a": None, "b": 10**9}).time_left(30 * 600)
    assert ahead is not None
    assert ahead.seconds == pytest.approx(600, rel=0.01)


@pytest.mark.parametrize("others", [{"new": 10}, {"a": 1, "new": None}])
def test_a_job_whose_part_is_unknown_prevents_a_forecast(others: dict[str, int | None]) -> None:
    assert Share(watched(THREE), "b", others).time_left(100) is None
    assert Share(watched(THREE), "other", {}).time_left(100) is None


STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2**62), max_size=4),
        st.floats(0, 5000),
    ),
    max_size=30,
)


@given(STEPS, st.integers(0, 2**62))
@settings(max_examples=60)
def test_any_counts_give_a_finite_forecast_or_none(
    steps: list[tuple[dict[str, int], float]], remaining: int
) -> None:
    sharing, at = Sharing(), 0.0
    for counts, span in steps:
        at += span
        sharing = marked(sharing, {job: (at, n) for job, n in counts.items()}, at)
        for job in counts:
            others = {other: n for other, n in counts.items() if other != job}
            ahead = Share(sharing, job, others).time_left(remaining)
            assert ahead is None or 0 <= ahead.low <= ahead.high < math.inf


@pytest.mark.parametrize("shared", [True, False])
def test_the_screen_shows_the_forecast_of_jobs_that_share(shared: bool) -> None:
    """a ends after an hour. Then b copies for an hour beside c, which has two hours more alone."""
    account, done, at = AccountTrack("account"), dict.fromkeys("abc", 0.0), 0.0
    totals = {"a": 40 * HOUR, "b": 100 * HOUR, "c": 240 * HOUR}
    for job in totals:
        account.jobs[job] = JobTrack("account", Job(id=job, status="running"))
    while at < 1.9 * HOUR:
        at += 60
        live = [job for job in totals if done[job] < totals[job]]
        for job in live:
            done[job] += 60 * (BANDWIDTH / len(live) if shared else 40)
            status = "running" if done[job] < totals[job] else "completed"
            progress = Progress(
                status=status,
                objects=int(totals[job]),
                transferred_objects=int(done[job]),
                skipped_objects=0,
                failed_objects=0,
            )
            track = account.jobs[job]
            now = Moment(at, EPOCH + at)
            track.update(progress, now, interval=60, share=account.share_of(job))
        account.round_begins(at, 60, blocked=False)
    forecast = account.jobs["c"].view.forecast
    assert (account.share_of("c") is not None) is shared
    assert forecast is not None
    left = (totals["b"] + totals["c"] - done["b"] - done["c"]) / BANDWIDTH
    alone = (totals["c"] - done["c"]) / 40
    middle = (forecast.low_seconds * forecast.high_seconds) ** 0.5
    assert middle == pytest.approx(left if shared else alone, rel=0.25)
