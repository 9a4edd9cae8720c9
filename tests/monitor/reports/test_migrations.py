"""Grouping of jobs into migrations, and their sums and verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.base import SLOTS
from slurper_tui.monitor.model.job import (
    Counts,
    Failing,
    JobView,
    Phase,
    Prospect,
    State,
    Total,
)
from slurper_tui.monitor.model.plans import Draft, Plan, Step, StepState, unstarted
from slurper_tui.monitor.model.verification import Outcome, Verification
from slurper_tui.monitor.reports.migrations import family, migration_of, migrations
from slurper_tui.monitor.reports.wording import if_resumed_words
from tests.monitor.reports.family_jobs import PARENT, job, retry, tied, when
from tests.monitor.verifications import BAD, verified
from tests.tui.jobs import ACCOUNT, NOW, forecast, view


def test_counts_and_rates_are_sums_and_the_percent_is_rounded_down() -> None:
    one = job(1, counts=Counts(1000, 500, 100, 59), rate=10.0)
    two = job(2, counts=Counts(2000, 1000, 0, 0), rate=20.5, total=Total.PROVISIONAL)
    found = family([one, two])
    assert found.view.counts == Counts(3000, 1500, 100, 59)
    assert (found.view.percent, found.view.provisional) == (55, True)
    assert found.view.rate == 30.5


@pytest.mark.parametrize("unknown", [Counts(), Counts(None, 1, 1, 1), Counts(10, None, 1, 1)])
def test_no_percentage_before_all_counts_are_known(unknown: Counts) -> None:
    found = family([job(1), job(2, counts=unknown, percent=None)])
    assert found.view.percent is None
    assert found.view.partial
    assert (found.view.counts.objects, found.view.counts.done) == (1000, 350)
    assert found.view.verdict is None or found.view.verdict.failed is None


def test_no_counts_before_the_first_answer() -> None:
    found = family([job(n, counts=Counts(), percent=None) for n in (1, 2)])
    assert (found.view.partial, found.view.counts.objects, found.view.counts.done) == (
        False,
        None,
        None,
    )


def test_verdict_omits_numbers_that_one_job_lacks() -> None:
    untold = job(2, "completed", done=1000, counts=Counts(), percent=None)
    found = family([job(1, "completed", done=1000), untold])
    assert found.view.partial
    assert found.view.verdict is not None
    assert (found.view.verdict.failed, found.view.verdict.unaccounted) == (None, None)
    assert "counts unknown" in found.view.verdict.text


def test_a_hundred_percent_are_completed_jobs_alone() -> None:
    whole = Counts(1000, 1000, 0, 0)
    done = job(1, "completed", counts=whole)
    assert family([done, job(2, "completed", counts=whole)]).view.percent == 100
    assert family([done, job(2, counts=whole)]).view.percent == 99
    assert family([done, job(2, "aborted", counts=whole)]).view.percent == 99


def test_surplus_of_one_job_does_not_offset_missing_objects() -> None:
    over, under = Counts(100, 150, 0, 0), Counts(100, 50, 0, 0)
    found = family([job(1, "completed", counts=over), job(2, "completed", counts=under)])
    assert found.view.percent == 75
    assert found.view.verdict is not None
    assert found.view.verdict.unaccounted == 50
    assert "counts exceed the total by 50" in found.view.verdict.text


FAILING = Failing(300, 3000, 3600.0, NOW - 1800)


@pytest.mark.parametrize(
    ("others", "state"),
    [
        ([{"status": "paused"}], State.RUNNING),
        ([{"phase": Phase.LISTING}], State.LISTING),
        ([{"phase": Phase.LISTING}, {"phase": Phase.STALLED, "rate": 0.0}], State.STALLED),
        ([{"status": "completed"}, {"status": "aborted"}], State.RUNNING),
        ([{"status": "odd"}], State.OTHER),
        ([{"failing": FAILING}, {"status": "odd"}], State.FAILING),
        ([{"failing": FAILING}, {"phase": Phase.STALLED}], State.STALLED),
        ([{"failing": FAILING, "phase": Phase.STALLED}], State.STALLED),
        ([{"failing": FAILING, "status": "paused"}], State.RUNNING),
    ],
)
def test_the_worst_live_job_gives_the_state(others: list[dict[str, Any]], state: State) -> None:
    jobs = [job(1), *(job(2 + n, **given) for n, given in enumerate(others))]
    assert family(jobs).view.state is state


def test_failures_of_failing_jobs_are_summed() -> None:
    other = Failing(100, 2000, 3700.0, NOW - 900)
    parts = [job(1, failing=FAILING), job(2, failing=other), job(3)]
    assert family(parts).view.failing == Failing(400, 5000, 3700.0, NOW - 1800)
    unknown = job(4, failing=replace(other, since=None))
    summed = family([*parts, unknown]).view.failing
    assert summed is not None
    assert summed.since is None
    assert family(parts[2:]).view.failing is None


def test_a_stalled_job_does_not_hide_that_others_move() -> None:
    found = family([job(1, rate=50.0), job(2, phase=Phase.STALLED, rate=0.0, stalled_badly=True)])
    assert (found.view.state, found.view.rate, found.view.stalled_badly) == (
        State.STALLED,
        50.0,
        True,
    )


@pytest.mark.parametrize(
    "growing",
    [
        {"phase": Phase.LISTING},
        *(
            {"total": Total.GROWING, **given}
            for given in ({}, {"phase": Phase.STALLED}, {"status": "paused"})
        ),
    ],
)
def test_one_lower_bound_makes_the_sum_a_lower_bound(growing: dict[str, Any]) -> None:
    stalled = job(1, phase=Phase.STALLED)
    assert family([stalled, job(2, **growing)]).view.growing
    assert not family([stalled, job(2), job(3, "completed", total=Total.GROWING)]).view.growing


def test_the_forecast_is_the_end_of_the_last() -> None:
    one, two = job(1, forecast=forecast(6, 9)), job(2, forecast=forecast(5, 12))
    assert family([one, two]).view.forecast == forecast(6, 12)
    growing = job(3, forecast=forecast(7, 8, at_least=True))
    assert family([one, two, growing]).view.forecast == forecast(7, 12, at_least=True)
    ended = job(4, "completed", done=1000)
    assert family([one, ended]).view.forecast == forecast(6, 9)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"status": "paused"}, "no ETA: 1 of 2 jobs paused"),
        ({"phase": Phase.STALLED, "forecast": forecast(1, 2)}, "no ETA: 1 of 2 jobs stalled"),
        ({"stale": True, "forecast": forecast(1, 2)}, "no ETA: 1 of 2 jobs not answering"),
        ({}, "no ETA: 1 of 2 jobs without an ETA"),
    ],
)
def test_where_a_live_job_has_no_end_there_is_none(given: dict[str, Any], reason: str) -> None:
    found = family([job(1, forecast=forecast(6, 9)), job(2, **given)])
    assert found.view.forecast is None
    assert found.view.reason == reason


SLOW, FAST = Prospect(3600.0, 7200.0, 5.0), Prospect(1800.0, 9000.0, 70.0)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            [{"status": "paused", "if_resumed": SLOW}, {"status": "paused", "if_resumed": FAST}],
            "if resumed: 1 h - 2 h 30 min at 75/s",
        ),
        (
            [
                {"status": "paused", "if_resumed": SLOW},
                {"forecast": forecast(2, 3), "plan_rate": 8},
            ],
            "if resumed: 2-3 h at 13/s",
        ),
        (
            [{"phase": Phase.STALLED, "if_resumed": SLOW}, {"status": "completed"}],
            "if it moves again: 1-2 h at 5.0/s",
        ),
        (
            [
                {"status": "paused", "if_resumed": replace(SLOW, at_least=True)},
                {"status": "aborted"},
            ],
            "if resumed: ≥ 1 h at 5.0/s",
        ),
        ([{"status": "paused", "if_resumed": SLOW}] * 4, "if resumed: ≥ 1 h at 20/s"),
        (
            [{"status": "paused", "if_resumed": replace(SLOW, seeded=True)}, {"status": "aborted"}],
            "if resumed: 1-2 h at 5.0/s, in part by averages since start",
        ),
        (
            [{"status": "paused", "if_resumed": SLOW}, {"status": "paused"}],
            "if resumed: unknown, 1 job has not been seen running for long",
        ),
        (
            [{"status": "paused"}, {"phase": Phase.STALLED}],
            "if it moves again: unknown, 2 jobs have not been seen running for long",
        ),
        (
            [{"forecast": forecast(2, 3)}, {"status": "paused", "counts": Counts(None, 5, 0, 0)}],
            "if resumed: unknown, the remaining objects of 1 job are not known",
        ),
        ([{"forecast": forecast(2, 3)}] * 2, ""),
    ],
)
def test_what_a_migration_would_need_if_resumed(parts: list[dict[str, Any]], words: str) -> None:
    one = family([job(n, **given) for n, given in enumerate(parts, 1)])
    assert if_resumed_words(one.view).replace("\N{EN DASH}", "-") == words
    if one.view.if_resumed:
        coming = unstarted([plan(StepState.WAITING)])
        [more] = migrations(one.jobs, unstarted=coming)
        assert "≥ " in if_resumed_words(more.view)


@pytest.mark.parametrize(
    ("parts", "since"),
    [
        ([{"status": "paused", "status_since": 5.0}, {"status": "paused", "status_since": 9.0}], 9),
        ([{"status": "paused", "status_since": 5.0}, {"status": "paused"}], None),
        ([{"status": "paused", "status_since": 5.0}, {"status": "completed"}], NOW - 2),
        ([{"phase": Phase.STALLED, "stalled_since": 5.0}, {"status_since": 1.0}], 5),
        ([{"phase": Phase.STALLED, "stalled_since": n} for n in (7.0, 6.0)], 6),
        ([{"status_since": 1.0}, {"status": "paused", "status_since": 5.0}], None),
    ],
)
def test_since_when_a_migration_is_in_its_state(
    parts: list[dict[str, Any]], since: float | None
) -> None:
    assert family([job(n, **given) for n, given in enumerate(parts, 1)]).view.since == since


def test_sum_is_as_old_as_its_oldest_live_job() -> None:
    fresh, old = job(1), job(2, missed=3, stale=True, as_of=NOW - 60)
    found = family([fresh, old])
    assert (found.view.missed, found.view.as_of, found.view.stale) == (3, NOW - 60, False)
    assert found.view.rate == fresh.rate
    assert family([old, replace(old)]).view.stale


def test_sum_lasts_from_the_first_creation_to_the_last_end() -> None:
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
    assert found.view.counts == PARENT.counts
    assert found.key.account_id == ACCOUNT
    assert PARENT.verdict is not None
    assert found.view.verdict is not None
    assert found.view.verdict.failed == PARENT.verdict.failed


def test_jobs_and_retries_have_one_verdict() -> None:
    whole = Counts(1000, 900, 100, 0)
    one = job(1, "completed", counts=whole, not_copied=30)
    two = job(2, "completed", counts=whole, not_copied=7)
    again = retry(3, Counts(5, 5, 0, 0))
    failed = job(4, "completed", counts=Counts(100, 95, 0, 5))
    found = family([one, two, failed, again], (tied(again, failed),))
    assert found.view.verdict is not None
    assert found.view.verdict.text == (
        "completed · 0 failed after retries · 37 not copied · 0 unaccounted"
    )
    assert (
        found.view.verdict.failed,
        found.view.verdict.not_copied,
        found.view.verdict.unaccounted,
    ) == (0, 37, 0)
    assert found.view.state is State.COMPLETED_WITH_LOSS


def test_not_copied_is_unknown_while_a_relevant_log_is_unread() -> None:
    one = job(1, "completed", counts=Counts(1000, 900, 100, 0), not_copied=30)
    two = job(2, "completed", counts=Counts(1000, 900, 100, 0))
    found = family([one, two])
    assert found.view.verdict is not None
    assert found.view.verdict.not_copied is None
    assert found.view.verdict.text == (
        "completed · 0 failed · at least 30 not copied · 100 skipped, reasons not read yet"
        " · 0 unaccounted"
    )
    assert found.view.state is State.COMPLETED_WITH_LOSS
    alone = family([two, job(3, "completed", counts=Counts(1000, 1000, 0, 0))])
    assert alone.view.state is State.COMPLETED_UNREAD


def test_known_failures_count_although_another_job_has_no_counter() -> None:
    failed = [job(n, "completed", counts=Counts(1000, 960, 0, 40)) for n in (1, 2)]
    unknown = job(3, "completed", counts=Counts(1000, 1000, 0, None), percent=None)
    found = family([*failed, unknown])
    assert found.view.verdict is not None
    assert found.view.verdict.text == "completed · at least 80 failed · counts unknown"
    assert found.view.verdict.failed is None
    assert found.view.state is State.COMPLETED_WITH_LOSS


def test_a_completed_job_without_a_counter_is_not_green() -> None:
    unknown = job(3, "completed", counts=Counts(1000, None, None, None), percent=None)
    assert unknown.state is State.COMPLETED_UNREAD
    assert family([unknown]).view.state is State.COMPLETED_UNREAD
    before_any_answer = replace(unknown, as_of=None)
    assert before_any_answer.state is State.COMPLETED


def test_aborted_jobs_are_named_with_their_remaining_objects() -> None:
    whole = Counts(1000, 1000, 0, 0)
    jobs = [job(n, "completed", counts=whole) for n in range(2)]
    jobs += [job(n, "aborted", counts=Counts(1000, 400, 0, 1)) for n in (7, 8)]
    found = family(jobs)
    assert found.view.verdict is not None
    assert found.view.verdict.text == (
        "2 of 4 aborted (7/, 8/) · 2 failed · 1,198 not done · 0 unaccounted"
    )
    assert found.view.verdict.unaccounted == 1198
    assert found.view.state is State.ABORTED
    many = [job(n, "aborted", None, counts=whole) for n in range(5)]
    verdict = family(many).view.verdict
    assert verdict is not None
    assert verdict.text.startswith("5 of 5 aborted (job0000, job0001, job0002 and 2 more)")


def test_jobs_with_unknown_status_or_gone_are_named() -> None:
    whole = Counts(1000, 1000, 0, 0)
    odd = job(2, "errored", counts=whole, ended=True)
    lost = job(3, gone=True, counts=Counts(1000, 10, 0, 0))
    found = family([job(1, "completed", counts=whole), odd, lost])
    assert found.view.verdict is not None
    assert found.view.verdict.text.startswith("1 of 3 errored (2/) · 1 of 3 gone (3/)")
    assert (found.view.state, found.view.word) == (State.OTHER, "errored")
    assert family([job(1, "completed", counts=whole), lost]).view.state is State.GONE


def test_listing_error_is_in_the_verdict() -> None:
    whole = Counts(1000, 1000, 0, 0)
    one = job(1, "completed", counts=whole, listing_broke=True)
    found = family([one, job(2, "completed", counts=whole)])
    assert found.view.verdict is not None
    assert found.view.verdict.text.endswith("source listing broke: the total is incomplete")
    assert not found.view.verdict.clean
    assert found.view.state is State.COMPLETED_WITH_LOSS


def test_unknown_counts_are_not_clean() -> None:
    jobs = [
        job(1, "completed", counts=Counts(1000, 1000, 0, 0)),
        job(2, "completed", counts=Counts()),
    ]
    found = family(jobs)
    assert found.view.verdict is not None
    assert "counts unknown" in found.view.verdict.text
    assert not found.view.verdict.clean


def test_nothing_has_a_verdict_while_a_job_may_move() -> None:
    assert family([job(1), job(2, "completed", done=1000)]).view.verdict is None
    assert family([job(1, "paused"), job(2, "completed", done=1000)]).view.verdict is None


def test_two_jobs_of_the_same_buckets_are_a_migration() -> None:
    jobs = [job(1), view(2), job(3), view(4)]
    [found] = migrations(jobs)
    assert found.jobs == (jobs[0], jobs[2])
    assert found.key == migration_of(jobs[0])
    assert (found.key.source, found.key.target) == ("photos", "media")
    assert found.view.job.id is None
    assert migrations([job(1)]) == ()
    assert migrations([]) == ()


@pytest.mark.parametrize(
    "other",
    [
        {"account": "another"},
        {"target": "archive"},
        {"vendor": "gcs"},
        {"endpoint": "https://other.example.com"},
        {"jurisdiction": "eu"},
        {"target_jurisdiction": "eu"},
    ],
)
def test_another_account_vendor_endpoint_place_or_target_is_another_migration(
    other: dict[str, str],
) -> None:
    given = {key: value for key, value in other.items() if key in ("account", "target")}
    two = job(2, **given)
    source, target = two.job.source, two.job.target
    assert source is not None
    assert target is not None
    place = other.get("target_jurisdiction")
    of_source = {k: v for k, v in other.items() if k in ("vendor", "endpoint", "jurisdiction")}
    changed = replace(
        two.job, source=replace(source, **of_source), target=replace(target, jurisdiction=place)
    )
    assert migrations([job(1), replace(two, job=changed)]) == ()
    assert len(migrations([job(1), job(2)])) == 1


def test_explicit_default_values_do_not_matter() -> None:
    one, two = job(1), job(2)
    explicit = replace(two.job, target=Target("r2", "media", "default"))
    assert len(migrations([one, replace(two, job=explicit)])) == 1


@pytest.mark.parametrize("source", [None, Source("s3"), Source("s3", "")])
def test_jobs_with_an_unknown_bucket_are_no_migration(source: Source | None) -> None:
    jobs = [replace(one, job=replace(one.job, source=source)) for one in (job(1), job(2))]
    assert migrations(jobs) == ()


def test_the_slots_are_those_of_the_account() -> None:
    jobs = [job(1), job(2, "paused"), view(3), view(4, account="another"), job(5, "completed")]
    [found] = migrations(jobs)
    assert (found.running, SLOTS) == (2, 3)


def test_a_migration_that_has_not_changed_is_the_same_value() -> None:
    jobs = [job(1), job(2), view(3, source="logs"), view(4, source="logs")]
    first, second = migrations(jobs)
    before = {one.key: one for one in (first, second)}
    again = migrations(list(jobs), (), before)
    assert (again[0], again[1]) == (first, second)
    assert again[0] is first
    changed = [*jobs[:3], replace(jobs[3], rate=7.0)]
    third, fourth = migrations(changed, (), before)
    assert third is first
    assert fourth is not second
    assert fourth.view.rate == pytest.approx(68.2)
    link = tied(jobs[1], jobs[0])
    assert migrations(jobs, (link,), before)[0].retries == {jobs[1].key: jobs[0].key}


DRAFT = Draft("s3", "photos", "media", endpoint="https://s3.example.com/", path_prefix="2031/")


def plan(*states: StepState, draft: Draft = DRAFT) -> Plan:
    steps = tuple(Step(number, draft, state) for number, state in enumerate(states, 1))
    return Plan(1, ACCOUNT, 0.0, steps)


def test_unfinished_steps_are_unstarted_jobs() -> None:
    [one] = unstarted([plan(*StepState)])
    assert (one.account_id, one.source.bucket, one.target.bucket) == (ACCOUNT, "photos", "media")
    assert one.jobs == sum(not state.over for state in StepState) == 4
    assert unstarted([plan(StepState.STARTED, StepState.CANCELLED)]) == ()


def test_a_forecast_claims_only_its_beginning_while_jobs_are_to_be_started() -> None:
    running = [job(n, forecast=forecast(2 + n, 4 + n)) for n in (1, 2)]
    [alone] = migrations(running)
    coming = unstarted([plan(StepState.WAITING, StepState.WAITING)])
    [more] = migrations(running, unstarted=coming)
    assert alone.view.forecast is not None
    assert more.view.forecast is not None
    assert (alone.view.forecast.at_least, more.view.forecast.at_least) == (False, True)
    assert more.view.forecast.low == alone.view.forecast.low
    assert (alone.unstarted, more.unstarted) == (0, 2)


def test_nothing_is_whole_before_the_last_job_was_started() -> None:
    ended = [job(n, "completed", done=1000) for n in (1, 2)]
    coming = unstarted([plan(StepState.WAITING)])
    [over], [more] = migrations(ended), migrations(ended, unstarted=coming)
    assert (over.view.percent, over.view.verdict is None) == (100, False)
    assert (more.view.percent, more.view.provisional, more.view.verdict) == (None, True, None)


@pytest.mark.parametrize("of_plan", [None, "", "https://s3.example.com", "s3.example.org/"])
@pytest.mark.parametrize("endpoint", [None, "", "https://s3.amazonaws.com", "s3.example.org"])
@pytest.mark.parametrize("vendor", ["s3", "S3", None])
def test_plan_matches_its_buckets_with_any_endpoint(
    of_plan: str | None, endpoint: str | None, vendor: str | None
) -> None:
    coming = unstarted([plan(StepState.WAITING, draft=replace(DRAFT, endpoint=of_plan))])
    jobs = [elsewhere(job(n, "completed", done=1000), endpoint, vendor) for n in (1, 2)]
    [more] = migrations(jobs, unstarted=coming)
    assert (more.unstarted, more.view.total, more.view.verdict) == (1, Total.INCOMPLETE, None)


def elsewhere(view: JobView, endpoint: str | None, vendor: str | None) -> JobView:
    """The same job with another endpoint and vendor of its source."""
    source = view.job.source
    assert source is not None
    changed = replace(source, endpoint=endpoint, vendor=vendor)
    return replace(view, job=replace(view.job, source=changed))


def test_a_single_job_is_a_migration_while_others_are_to_be_started() -> None:
    coming = unstarted([plan(StepState.WAITING)])
    assert migrations([job(1, "completed", done=1000)]) == ()
    [one] = migrations([job(1, "completed", done=1000)], unstarted=coming)
    assert (one.view.percent, one.view.total, one.view.verdict) == (None, Total.INCOMPLETE, None)


@pytest.mark.parametrize("status", ["completed", "aborted"])
def test_migration_with_unstarted_jobs_is_waiting(status: str) -> None:
    ended = [job(n, status, done=1000) for n in (1, 2)]
    [waiting] = migrations(ended, unstarted=unstarted([plan(StepState.WAITING)]))
    assert (waiting.view.word, waiting.view.live, waiting.view.phase) == ("waiting", True, None)
    running = [*ended, job(3)]
    [moving] = migrations(running, unstarted=unstarted([plan(StepState.WAITING)]))
    assert moving.view.word == "running"


def test_a_plan_of_other_buckets_is_a_migration_without_jobs() -> None:
    running = [job(n, forecast=forecast(2, 4)) for n in (1, 2)]
    elsewhere = Draft("s3", "other", "media", endpoint="https://s3.example.com")
    coming = unstarted([plan(StepState.WAITING, StepState.WAITING, draft=elsewhere)])
    found, planned = migrations(running, unstarted=coming)
    assert (found,) == migrations(running)
    assert (planned.jobs, planned.keys, planned.unstarted) == ((), frozenset(), 2)
    assert (planned.key.source, planned.key.target) == ("other", "media")
    view = planned.view
    assert (view.word, view.live, view.percent, view.growing) == ("waiting", True, None, True)
    _, again = migrations(running, before={planned.key: planned}, unstarted=coming)
    assert again is planned


def test_plans_for_the_same_buckets_are_one_migration() -> None:
    drafts = (DRAFT, replace(DRAFT, endpoint="https://s3.example.org"), replace(DRAFT, target="x"))
    coming = unstarted([plan(StepState.WAITING, draft=draft) for draft in drafts])
    assert [one.unstarted for one in migrations([], unstarted=coming)] == [2, 1]


def test_a_migration_is_made_anew_only_where_its_plans_have_moved() -> None:
    running = [job(n) for n in (1, 2)]
    coming = unstarted([plan(StepState.WAITING)])
    before = {one.key: one for one in migrations(running, unstarted=coming)}
    [same] = migrations(running, before=before, unstarted=coming)
    [other] = migrations(running, before=before)
    assert same is before[same.key]
    assert other.unstarted == 0


ONE, TWO = job(1, "completed"), job(2, "completed")
"""They ended one and two seconds before NOW."""

OF_ONE, OF_TWO, OF_BOTH = verified(ONE, at=1), verified(TWO, at=2), verified(ONE, TWO)
MENDED = when(retry(3, Counts(10, 10, 0, 0)), created=0.1, finished=0.2)


def proven(*pairs: tuple[JobView, Verification | None], links: Any = ()) -> JobView:
    return family([replace(one, verification=result) for one, result in pairs], links).view


def test_a_migration_is_verified_by_one_verification_of_all_jobs() -> None:
    found = proven((ONE, OF_BOTH), (TWO, OF_BOTH))
    assert (found.state, found.verification) == (State.VERIFIED, OF_BOTH)


def test_a_migration_is_verified_by_one_verification_of_each_job() -> None:
    found = proven((ONE, OF_ONE), (TWO, OF_TWO))
    assert found.state is State.VERIFIED
    assert found.verification is not None
    assert found.verification.tally.of(Outcome.SAME) == 2_000
    assert found.verification.jobs == (ONE.key.job_id, TWO.key.job_id)


def test_a_later_verification_of_one_job_leaves_the_proof_of_all() -> None:
    found = proven((ONE, OF_BOTH), (TWO, OF_TWO))
    assert (found.state, found.verification) == (State.VERIFIED, OF_BOTH)


@pytest.mark.parametrize(
    ("one", "two", "shown"),
    [
        (None, None, None),
        (OF_ONE, None, OF_ONE),
        (verified(ONE, TWO, counts=BAD), verified(ONE, TWO, counts=BAD), None),
        (OF_BOTH, verified(TWO, at=5, counts=BAD), verified(TWO, at=5, counts=BAD)),
        (verified(ONE, TWO, live=True, at=-50), verified(ONE, TWO, live=True, at=-50), None),
    ],
)
def test_a_migration_is_not_verified_unless_every_job_is(
    one: Verification | None, two: Verification | None, shown: Verification | None
) -> None:
    found = proven((ONE, one), (TWO, two))
    assert found.state is not State.VERIFIED
    assert found.verification == (shown or one)


def test_faults_of_jobs_that_were_verified_one_by_one_are_added_up() -> None:
    found = proven((ONE, verified(ONE, counts=BAD)), (TWO, OF_TWO))
    assert found.verification is not None
    assert found.verification.tally.expected == 1_001_000
    assert found.state is not State.VERIFIED


@pytest.mark.parametrize(
    ("of_parent", "of_retry", "state"),
    [
        (verified(ONE), None, State.COMPLETED_WITH_LOSS),  # the retry ended later
        (verified(ONE, at=3600), None, State.VERIFIED),
        (verified(ONE), verified(MENDED, at=3600), State.VERIFIED),
        (verified(ONE, counts=BAD), verified(MENDED, at=3600), State.COMPLETED_WITH_LOSS),
    ],
)
def test_a_retry_is_proven_with_the_job_that_it_retries(
    of_parent: Verification, of_retry: Verification | None, state: State
) -> None:
    link = tied(MENDED, ONE)
    assert proven((ONE, of_parent), (MENDED, of_retry), links=[link]).state is state


def test_a_new_job_makes_the_proof_of_a_migration_outdated() -> None:
    later = job(3)
    found = proven((ONE, OF_BOTH), (TWO, OF_BOTH), (later, None))
    assert (found.state, found.verified) == (State.RUNNING, False)
    ended = proven((ONE, OF_BOTH), (TWO, OF_BOTH), (job(3, "completed"), None))
    assert (ended.state, ended.verification) == (State.COMPLETED_WITH_LOSS, OF_BOTH)


def test_a_superseded_job_needs_no_proof() -> None:
    old = when(job(1, "completed", None), created=-9, finished=-8)
    new = when(job(2, "completed", None), created=-5, finished=-4)
    found = proven((old, None), (new, verified(new)))
    assert found.state is State.VERIFIED


def test_a_migration_with_jobs_to_start_is_not_verified() -> None:
    key = migration_of(ONE)
    assert key is not None
    plan = Plan(1, ACCOUNT, NOW, (Step(1, Draft("s3", "photos", "media", "9/")),))
    [found] = migrations([replace(ONE, verification=OF_ONE)], unstarted=unstarted([plan]))
    assert (found.view.state, found.view.verified) == (State.WAITING, False)
