"""What several jobs amount to together."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Counts, Phase, State
from slurper_tui.monitor.reports.migrations import family
from tests.monitor.families.jobs import PARENT, job, when
from tests.tui.jobs import ACCOUNT, NOW, forecast


def test_counts_and_rates_are_sums_and_the_percent_is_rounded_down() -> None:
    one = job(1, counts=Counts(1000, 500, 100, 59), rate=10.0)
    two = job(2, counts=Counts(2000, 1000, 0, 0), rate=20.5, provisional=True)
    found = family([one, two])
    assert found.counts == Counts(3000, 1500, 100, 59)
    assert (found.percent, found.view.provisional) == (55, True)
    assert found.rate == 30.5


@pytest.mark.parametrize("unknown", [Counts(), Counts(None, 1, 1, 1), Counts(10, None, 1, 1)])
def test_there_is_no_percent_before_all_counts_are_known(unknown: Counts) -> None:
    found = family([job(1), job(2, counts=unknown, percent=None)])
    assert found.percent is None
    assert found.view.partial
    assert (found.counts.objects, found.counts.done) == (1000, 350)
    assert found.view.verdict is None or found.view.verdict.failed is None


def test_nothing_is_known_before_one_job_has_told_its_counts() -> None:
    found = family([job(n, counts=Counts(), percent=None) for n in (1, 2)])
    assert (found.view.partial, found.counts.objects, found.counts.done) == (False, None, None)


def test_the_verdict_claims_no_number_that_one_job_has_not_told() -> None:
    untold = job(2, "completed", done=1000, counts=Counts(), percent=None)
    found = family([job(1, "completed", done=1000), untold])
    assert found.view.partial
    assert found.view.verdict is not None
    assert (found.view.verdict.failed, found.view.verdict.unaccounted) == (None, None)
    assert "counts unknown" in found.view.verdict.text


def test_a_hundred_percent_are_completed_jobs_alone() -> None:
    whole = Counts(1000, 1000, 0, 0)
    done = job(1, "completed", counts=whole)
    assert family([done, job(2, "completed", counts=whole)]).percent == 100
    assert family([done, job(2, counts=whole)]).percent == 99
    assert family([done, job(2, "aborted", counts=whole)]).percent == 99


def test_more_done_than_there_is_does_not_make_up_for_what_is_missing() -> None:
    over, under = Counts(100, 150, 0, 0), Counts(100, 50, 0, 0)
    found = family([job(1, "completed", counts=over), job(2, "completed", counts=under)])
    assert found.percent == 75
    assert found.verdict is not None
    assert found.verdict.unaccounted == 50
    assert "counts exceed the total by 50" in found.verdict.text


@pytest.mark.parametrize(
    ("others", "state"),
    [
        ([{"status": "paused"}], State.RUNNING),
        ([{"phase": Phase.LISTING}], State.LISTING),
        ([{"phase": Phase.LISTING}, {"phase": Phase.STALLED, "rate": 0.0}], State.STALLED),
        ([{"status": "completed"}, {"status": "aborted"}], State.RUNNING),
        ([{"status": "odd"}], State.OTHER),
    ],
)
def test_the_worst_live_job_gives_the_state(others: list[dict[str, Any]], state: State) -> None:
    jobs = [job(1), *(job(2 + n, **given) for n, given in enumerate(others))]
    assert family(jobs).state is state


def test_a_stalled_job_does_not_hide_that_others_move() -> None:
    found = family([job(1, rate=50.0), job(2, phase=Phase.STALLED, rate=0.0, stalled_badly=True)])
    assert (found.state, found.rate, found.view.stalled_badly) == (State.STALLED, 50.0, True)


@pytest.mark.parametrize(
    "growing",
    [
        {"phase": Phase.LISTING},
        *(
            {"grew": True, **given}
            for given in ({}, {"phase": Phase.STALLED}, {"status": "paused"})
        ),
    ],
)
def test_one_total_that_is_a_bound_makes_the_sum_a_bound(growing: dict[str, Any]) -> None:
    stalled = job(1, phase=Phase.STALLED)
    assert family([stalled, job(2, **growing)]).view.growing
    assert not family([stalled, job(2), job(3, "completed", grew=True)]).view.growing


def test_the_forecast_is_the_end_of_the_last() -> None:
    one, two = job(1, forecast=forecast(6, 9)), job(2, forecast=forecast(5, 12))
    assert family([one, two]).forecast == forecast(6, 12)
    growing = job(3, forecast=forecast(7, 8, at_least=True))
    assert family([one, two, growing]).forecast == forecast(7, 12, at_least=True)
    ended = job(4, "completed", done=1000)
    assert family([one, ended]).forecast == forecast(6, 9)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"status": "paused"}, "no ETA: 1 of 2 jobs paused"),
        ({"phase": Phase.STALLED, "forecast": forecast(1, 2)}, "no ETA: 1 of 2 jobs stalled"),
        ({"stale": True, "forecast": forecast(1, 2)}, "no ETA: 1 of 2 jobs not answering"),
        ({}, "no ETA: 1 of 2 jobs without one"),
    ],
)
def test_where_a_live_job_has_no_end_there_is_none(given: dict[str, Any], reason: str) -> None:
    found = family([job(1, forecast=forecast(6, 9)), job(2, **given)])
    assert found.forecast is None
    assert found.view.reason == reason


def test_a_job_that_does_not_answer_is_told_by_the_age_of_the_whole() -> None:
    fresh, old = job(1), job(2, missed=3, stale=True, as_of=NOW - 60)
    found = family([fresh, old])
    assert (found.view.missed, found.view.as_of, found.view.stale) == (3, NOW - 60, False)
    assert found.rate == fresh.rate
    assert family([old, replace(old)]).view.stale


def test_it_lasts_from_the_first_jobs_creation_to_the_last_ones_end() -> None:
    counts = Counts(3600, 3600, 0, 0)
    one = when(job(1, "completed", counts=counts), -4, -2)
    two = when(job(2, "completed", counts=counts), -3, -2)
    found = family([one, two])
    assert found.view.job.created_at == one.job.created_at
    assert found.view.job.finished_at == two.job.finished_at
    assert found.view.lifetime_rate == pytest.approx(1.0)
    untold = when(job(2, "completed", done=10, counts=Counts(), percent=None), -3, -2)
    assert family([one, untold]).view.lifetime_rate is None


def test_no_jobs_are_no_family() -> None:
    with pytest.raises(ValueError, match="no jobs"):
        family([])


def test_a_job_alone_is_a_family_too() -> None:
    found = family([PARENT])
    assert found.counts == PARENT.counts
    assert found.key.account_id == ACCOUNT
    assert PARENT.verdict is not None
    assert found.verdict is not None
    assert found.verdict.failed == PARENT.verdict.failed
