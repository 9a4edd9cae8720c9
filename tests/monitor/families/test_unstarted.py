"""A migration of which plans are still to start jobs: it has neither an end nor a verdict."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft, Plan, Step, StepState, unstarted
from slurper_tui.monitor.reports.migrations import migrations
from tests.monitor.families.jobs import job
from tests.tui.jobs import ACCOUNT, forecast

DRAFT = Draft("s3", "photos", "media", endpoint="https://s3.example.com/", path_prefix="2031/")


def plan(*states: StepState, draft: Draft = DRAFT) -> Plan:
    steps = tuple(Step(number, draft, state) for number, state in enumerate(states, 1))
    return Plan(1, ACCOUNT, 0.0, steps)


def test_what_is_not_over_is_still_to_be_started() -> None:
    [one] = unstarted([plan(*StepState)])
    assert (one.account_id, one.source.bucket, one.target.bucket) == (ACCOUNT, "photos", "media")
    assert one.jobs == sum(not state.over for state in StepState) == 4
    assert unstarted([plan(StepState.STARTED, StepState.CANCELLED)]) == ()


def test_a_forecast_claims_only_its_beginning_while_jobs_are_to_be_started() -> None:
    running = [job(n, forecast=forecast(2 + n, 4 + n)) for n in (1, 2)]
    [alone] = migrations(running)
    coming = unstarted([plan(StepState.WAITING, StepState.WAITING)])
    [more] = migrations(running, unstarted=coming)
    assert alone.forecast is not None
    assert more.forecast is not None
    assert (alone.forecast.at_least, more.forecast.at_least) == (False, True)
    assert more.forecast.low == alone.forecast.low
    assert (alone.unstarted, more.unstarted) == (0, 2)


def test_nothing_is_whole_before_the_last_job_was_started() -> None:
    ended = [job(n, "completed", done=1000) for n in (1, 2)]
    coming = unstarted([plan(StepState.WAITING)])
    [over], [more] = migrations(ended), migrations(ended, unstarted=coming)
    assert (over.percent, over.verdict is None) == (100, False)
    assert (more.percent, more.view.provisional, more.verdict) == (99, True, None)


@pytest.mark.parametrize("of_plan", [None, "", "https://s3.example.com", "s3.example.org/"])
@pytest.mark.parametrize("told", [None, "", "https://s3.amazonaws.com", "s3.example.org"])
@pytest.mark.parametrize("vendor", ["s3", "S3", None])
def test_a_plan_belongs_to_its_buckets_whatever_endpoint_is_told(
    of_plan: str | None, told: str | None, vendor: str | None
) -> None:
    coming = unstarted([plan(StepState.WAITING, draft=replace(DRAFT, endpoint=of_plan))])
    jobs = [elsewhere(job(n, "completed", done=1000), told, vendor) for n in (1, 2)]
    [more] = migrations(jobs, unstarted=coming)
    assert (more.unstarted, more.view.lower_bound, more.verdict) == (1, True, None)


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
    assert (one.percent, one.view.lower_bound, one.verdict) == (99, True, None)


@pytest.mark.parametrize("status", ["completed", "aborted"])
def test_a_migration_whose_jobs_have_ended_waits_for_the_others(status: str) -> None:
    ended = [job(n, status, done=1000) for n in (1, 2)]
    [waiting] = migrations(ended, unstarted=unstarted([plan(StepState.WAITING)]))
    assert (waiting.view.word, waiting.view.live, waiting.view.phase) == ("waiting", True, None)
    running = [*ended, job(3)]
    [moving] = migrations(running, unstarted=unstarted([plan(StepState.WAITING)]))
    assert moving.view.word == "running"


def test_plans_of_other_buckets_change_nothing() -> None:
    running = [job(n, forecast=forecast(2, 4)) for n in (1, 2)]
    elsewhere = Draft("s3", "other", "media", endpoint="https://s3.example.com")
    found = migrations(running, unstarted=unstarted([plan(StepState.WAITING, draft=elsewhere)]))
    assert found == migrations(running)


def test_a_migration_is_made_anew_only_where_its_plans_have_moved() -> None:
    running = [job(n) for n in (1, 2)]
    coming = unstarted([plan(StepState.WAITING)])
    before = {one.key: one for one in migrations(running, unstarted=coming)}
    [same] = migrations(running, before=before, unstarted=coming)
    [other] = migrations(running, before=before)
    assert same is before[same.key]
    assert other.unstarted == 0
