"""A snapshot as metrics: the numbers of the screen, and none that is not known or not current."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.model.job import (
    AccountView,
    BudgetView,
    Counts,
    JobView,
    Snapshot,
    Unstarted,
)
from slurper_tui.monitor.model.verdict import verdict
from slurper_tui.monitor.reports.metrics import DAY, KEPT_DAYS, METRICS, MOST_JOBS, samples
from slurper_tui.monitor.reports.records import job_record
from slurper_tui.simulated.account import Fault, Kind
from tests.monitor.bench import EPOCH, bench, make_accounts, wall
from tests.monitor.verifications import BAD, verified
from tests.virtual_time import timeless

Found = dict[str, dict[tuple[str, ...], float]]
SAME = {
    "objects": "objects",
    "transferred_objects": "transferredObjects",
    "skipped_objects": "skippedObjects",
    "failed_objects": "failedObjects",
    "objects_per_second": "perSecond",
    "eta_low_seconds": "etaLowSeconds",
    "eta_high_seconds": "etaHighSeconds",
}
"""Metrics of a job, and the fields of --json with the same numbers."""


def found(snapshot: Snapshot, now: float, **names: str) -> Found:
    return {name: dict(of) for name, of in samples(snapshot, now, names).items()}


def of_job(metrics: Found, name: str, job_id: str) -> float | None:
    """Return a metric's only value for a job; None if it has none."""
    values = [value for labels, value in metrics[name].items() if labels[1] == job_id]
    assert len(values) <= 1
    return values[0] if values else None


@timeless
async def test_the_numbers_are_those_of_json_and_what_is_null_is_absent() -> None:
    async with bench(make_accounts(1, jobs=12, running=3)) as b:
        snapshot = await b.seconds(600)
        metrics = found(snapshot, wall())
        nulls = 0
        for view in snapshot.jobs:
            record = job_record(view)
            for metric, field in SAME.items():
                value = of_job(metrics, f"slurper_job_{metric}", view.key.job_id)
                nulls += value is None
                assert value == pytest.approx(record[field], abs=0.5), metric
            done = of_job(metrics, "slurper_job_done_ratio", view.key.job_id)
            assert done == pytest.approx(record["percent"] / 100)
            status = metrics["slurper_job_status"]
            [word] = [labels[-1] for labels in status if labels[1] == view.key.job_id]
            assert word == view.word
        assert nulls > 0
        [account] = snapshot.accounts
        name: tuple[str, ...] = (account.account_id,)
        assert metrics["slurper_account_requests"][name] == len(b.requests)
        assert metrics["slurper_account_errors"][name] == 0
        assert metrics["slurper_account_up"][name] == 1
        assert metrics["slurper_account_budget_used_requests"][name] == snapshot.budget.used
        assert metrics["slurper_account_budget_limit_requests"][name] == 1200


@timeless
async def test_the_seconds_since_a_change_are_those_since_a_counter_moved() -> None:
    account = make_accounts(1, jobs=1, running=1)[0]
    [job] = account.jobs()
    async with bench([account]) as b:
        first = await b.rounds(1)
        assert found(first, wall())["slurper_job_unchanged_seconds"] == {}  # none was seen
        await b.until(lambda s: s.jobs[0].moved_at is not None)
        moved = wall()
        account.faults.add(
            Fault(Kind.EDITED, operation="progress", edit=frozen(b.last.jobs[0].counts))
        )
        snapshot = await b.seconds(200)
        since = of_job(found(snapshot, wall()), "slurper_job_unchanged_seconds", job.plan.id)
        assert since == pytest.approx(wall() - moved, abs=6)


def frozen(counts: Counts) -> Callable[[Any], Any]:
    """An edit of a JSON envelope: the counts stay these."""

    def edit(envelope: Any) -> Any:
        envelope["result"].update(
            objects=counts.objects,
            transferredObjects=counts.transferred,
            skippedObjects=counts.skipped,
            failedObjects=counts.failed,
        )
        return envelope

    return edit


@timeless
async def test_an_outage_takes_the_values_after_three_missed_polls_and_brings_them_back() -> None:
    account = make_accounts(1, jobs=12, running=1)[0]
    async with bench([account]) as b:
        snapshot = await b.seconds(120)
        live = running(snapshot)
        [ended, *_] = [view for view in snapshot.jobs if not view.live]
        account.faults.add(Fault(Kind.CONNECT_ERROR))
        snapshot = await b.until(lambda s: running(s).missed == 2)
        before = found(snapshot, wall())
        assert of_job(before, "slurper_job_objects", live.key.job_id)
        assert of_job(before, "slurper_job_up", live.key.job_id) == 1
        snapshot = await b.until(lambda s: running(s).missed == 3)
        await b.seconds(600)
        metrics = found(b.last, wall())
        kept = {name for name in METRICS if of_labels(metrics, name, live.key.job_id)}
        assert kept == {"slurper_job_up", "slurper_job_answer_age_seconds"}
        assert of_job(metrics, "slurper_job_up", live.key.job_id) == 0
        age = of_job(metrics, "slurper_job_answer_age_seconds", live.key.job_id)
        assert age is not None
        assert age > 600
        assert of_job(metrics, "slurper_job_objects", ended.key.job_id)  # final, not old
        name = (account.account_id,)
        assert metrics["slurper_account_up"][name] == 0
        assert metrics["slurper_account_answer_age_seconds"][name] > 600
        assert metrics["slurper_account_errors"][name] > 5
        assert metrics["slurper_migration_objects"].keys() & _migration_of(metrics, live) == set()
        account.faults.clear()
        snapshot = await b.until(lambda s: not running(s).stale)
        assert of_job(found(snapshot, wall()), "slurper_job_objects", live.key.job_id)


def running(snapshot: Snapshot) -> JobView:
    return next(view for view in snapshot.jobs if view.status == "running")


def of_labels(metrics: Found, name: str, job_id: str) -> list[float]:
    return [value for labels, value in metrics[name].items() if job_id in labels]


def _migration_of(metrics: Found, view: JobView) -> set[tuple[str, ...]]:
    [labels] = [labels for labels in metrics["slurper_job_up"] if labels[1] == view.key.job_id]
    return {(labels[0], labels[2], labels[3], labels[5])}


@timeless
async def test_a_monitor_that_hangs_has_no_live_values_either() -> None:
    async with bench(make_accounts(1, jobs=3, running=1)) as b:
        snapshot = await b.seconds(60)
        await asyncio.sleep(3 * 5 + 1)
        metrics = found(snapshot, wall())
        for view in snapshot.jobs:
            assert (of_job(metrics, "slurper_job_objects", view.key.job_id) is None) == view.live
        assert [*metrics["slurper_account_up"].values()] == [0]
        assert metrics["slurper_account_budget_used_requests"] == {}
        assert metrics["slurper_snapshot_timestamp_seconds"] == {(): snapshot.taken_at}


# Made by hand -------------------------------------------------------------------------------------


def job(name: str, status: str = "running", days: float = 0.0, **of: str) -> JobView:
    """Return a polled job. days: since its end."""
    finished = None if status in ("running", "paused") else utc(EPOCH - days * DAY)
    source = Source("s3", of.get("source", name), of.get("prefix"), of.get("endpoint"))
    ended, counts = finished is not None, Counts(100, 90, 7, 3)
    return JobView(
        "acc",
        Job(name, status, finished_at=finished, source=source, target=Target("r2", "media")),
        status=status,
        counts=counts,
        ended=ended,
        as_of=EPOCH,
        verdict=verdict(counts, status) if ended else None,
    )


def utc(at: float) -> str:
    from slurper_tui.format import utc

    return utc(at)


def shown(*jobs: JobView, **more: object) -> Found:
    accounts = (AccountView("acc", listed=True, answered=True),)
    snapshot = Snapshot(EPOCH, 5.0, accounts, jobs)
    return found(replace(snapshot, **more), EPOCH)


def ids(metrics: Found) -> set[str]:
    return {labels[1] for labels in metrics["slurper_job_up"]}


def test_ended_jobs_have_metrics_for_a_week_or_while_their_migration_goes_on() -> None:
    old = job("old", "completed", KEPT_DAYS + 1)
    new = job("new", "completed", KEPT_DAYS - 1)
    part = job("part", "completed", 90, source="live")
    live = job("live")
    metrics = shown(old, new, part, live)
    assert ids(metrics) == {"new", "part", "live"}
    assert metrics["slurper_omitted_jobs"] == {(): 1}
    planned = Unstarted("acc", Source("s3", "old"), Target("r2", "media"), 2)
    metrics = shown(old, unstarted=(planned,))
    assert ids(metrics) == {"old"}
    assert metrics["slurper_migration_planned_jobs"] == {("acc", "old", "media", "old:media"): 2}


def test_the_number_of_series_is_bounded_and_live_jobs_come_first() -> None:
    ended = [job(f"e{n}", "completed", n / 1000) for n in range(MOST_JOBS + 50)]
    metrics = shown(*ended, job("live"), job("rest", "paused"))
    assert len(ids(metrics)) == MOST_JOBS
    assert {"live", "rest", "e0"} <= ids(metrics)
    assert metrics["slurper_omitted_jobs"] == {(): 52}


def test_no_two_samples_have_the_same_labels() -> None:
    nowhere = [JobView("acc", Job(name, "running"), status="running", as_of=EPOCH) for name in "ab"]
    twins = [job(name, source="photos", endpoint=f"https://{name}") for name in ("x", "y")]
    metrics = shown(*nowhere, *twins)
    assert ids(metrics) == {"a", "b", "x", "y"}
    assert {labels[-1] for labels in metrics["slurper_migration_up"]} == {
        "photos:media (s3 https://x)",
        "photos:media (s3 https://y)",
    }
    assert {labels[-1] for labels in metrics["slurper_job_up"] if labels[1] in "ab"} == {""}


@pytest.mark.parametrize(
    ("status", "counts", "word"),
    [
        ("completed", Counts(100, 100, 0, 0), "complete"),
        ("completed", Counts(100, 97, 0, 3), "incomplete"),
        ("completed", Counts(100, 90, 10, 0), "unknown"),
        ("aborted", Counts(100, 90, 0, 0), "incomplete"),
    ],
)
def test_the_verdict_of_an_ended_job(status: str, counts: Counts, word: str) -> None:
    view = replace(job("j", status), counts=counts, verdict=verdict(counts, status))
    assert [labels[-1] for labels in shown(view)["slurper_job_verdict"]] == [word]
    assert shown(job("j"))["slurper_job_verdict"] == {}


def test_a_verification_decides_the_verdict() -> None:
    counts = Counts(100, 97, 0, 3)
    view = replace(job("j", "completed"), counts=counts, verdict=verdict(counts, "completed"))
    for result, word in (
        (verified("j", started_at=EPOCH), "verified"),
        (verified("j", counts=BAD), "incomplete"),
        (verified("j", problem="no answer"), "incomplete"),
    ):
        checked = replace(view, verification=result)
        assert [labels[-1] for labels in shown(checked)["slurper_job_verdict"]] == [word]
    clean = Counts(100, 100, 0, 0)
    found = replace(
        view, counts=clean, verdict=verdict(clean, "completed"), verification=verified(counts=BAD)
    )
    assert [labels[-1] for labels in shown(found)["slurper_job_verdict"]] == ["incomplete"]


def test_jobs_that_are_gone_or_not_confirmed_have_no_values() -> None:
    for view, status in (
        (replace(job("j"), gone=True), {"gone"}),
        (replace(job("j"), from_history=True), set()),
        (replace(job("j"), as_of=None), set()),
    ):
        metrics = shown(view)
        assert of_job(metrics, "slurper_job_up", "j") == 0
        assert metrics["slurper_job_objects"] == {}
        assert {labels[-1] for labels in metrics["slurper_job_status"]} == status


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("caf\ud800\udce9", r"caf\xe9"),  # a byte that is not UTF-8
        ("\ud800x", r"\ud800x"),  # a lone surrogate, escaped in the API's JSON
    ],
)
def test_an_account_has_its_name_and_its_labels_can_be_encoded(source: str, label: str) -> None:
    view = job("j", source=source)
    accounts = (AccountView("acc", listed=True, answered=True),)
    metrics = found(Snapshot(EPOCH, 5.0, accounts, (view,)), EPOCH, acc="prod")
    [labels] = metrics["slurper_job_up"]
    assert labels == ("prod", "j", label, "media", "", f"{label}:media")
    assert [*metrics["slurper_account_up"]] == [("prod",)]


def test_the_time_until_requests_are_allowed_is_absent_while_they_are() -> None:
    assert shown(job("j"))["slurper_account_blocked_seconds"] == {}
    account = AccountView("acc", budget=BudgetView(blocked_until=EPOCH + 60))
    assert shown(job("j"), accounts=(account,))["slurper_account_blocked_seconds"] == {("acc",): 60}
