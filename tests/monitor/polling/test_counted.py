"""A total that a listing of the source has counted before the job was started."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from slurper_tui.api.models import Job, Progress
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Counted, Phase, Total
from slurper_tui.monitor.model.plans import Draft, Plan, Step, StepState
from slurper_tui.monitor.polling.job_store import JobStore
from slurper_tui.monitor.polling.job_tracker import JobTrack
from slurper_tui.monitor.reports.records import job_record
from slurper_tui.monitor.reports.wording import counted_words

BEGUN = 1_790_000_000.0
COUNTED = Counted(10_000, BEGUN - 60.0, "R2 bucket photos")
CREATED = "2026-09-21T14:13:20.000Z"


def track() -> JobTrack:
    one = JobTrack("acc", Job(id="a", status="running", created_at=CREATED))
    one.set_counted(COUNTED)
    return one


def poll(one: JobTrack, at: float, objects: int | None, done: int, status: str = "running") -> None:
    progress = Progress(
        id="a",
        created_at=CREATED,
        status=status,
        objects=objects,
        transferred_objects=done,
        skipped_objects=0,
        failed_objects=0,
    )
    one.update(progress, Moment(at, BEGUN + at), interval=5.0)


def grow(one: JobTrack, polls: int, first: int = 1) -> None:
    for number in range(first, first + polls):
        poll(one, 5.0 * number, 100 * number, 20 * number)


def test_from_the_first_poll_the_total_is_exact_and_the_job_never_lists() -> None:
    one = track()
    for number in range(1, 60):
        poll(one, 5.0 * number, 100 * number, 20 * number)
        view = one.view
        assert (view.counts.objects, view.total) == (10_000, Total.FINAL)
        assert view.percent == 20 * number // 100
        assert view.phase is Phase.SETTLED
        assert view.found == 100 * number
        assert not view.forecast or not view.forecast.at_least
    assert view.forecast is not None


def test_what_is_recorded_is_what_the_api_said() -> None:
    one = track()
    grow(one, 3)
    assert one.series.last is not None
    assert one.series.last.counts.objects == 300
    assert job_record(one.view)["objects"] == 300
    assert job_record(one.view)["countedObjects"] == 10_000


@pytest.mark.parametrize(("objects", "done"), [(10_001, 80), (500, 10_001)])
def test_counters_that_pass_it_make_the_total_the_jobs_own_again(objects: int, done: int) -> None:
    one = track()
    grow(one, 3)
    poll(one, 20.0, objects, done)
    view = one.view
    assert (view.counts.objects, view.found) == (objects, None)
    assert view.total is not Total.FINAL
    assert view.restarts == 0
    if objects > COUNTED.objects:
        assert view.phase is Phase.LISTING
        words = counted_words(view, BEGUN, UTC)
        assert words.endswith("fewer than the job has found: the total is the job's")


def test_at_the_end_the_jobs_own_total_counts_and_the_difference_is_told() -> None:
    one = track()
    grow(one, 3)
    poll(one, 20.0, 9_998, 9_998, "completed")
    view = one.view
    assert (view.counts.objects, view.percent, view.restarts) == (9_998, 100, 0)
    assert view.verdict is not None
    assert view.verdict.unaccounted == 0
    words = "10,000 counted at 14:12 in R2 bucket photos; the job found 2 fewer"
    assert counted_words(view, BEGUN, UTC) == words


def test_a_count_that_is_read_late_replaces_a_growing_total() -> None:
    one = JobTrack("acc", Job(id="a", status="running", created_at=CREATED))
    grow(one, 10)
    assert one.view.phase is Phase.LISTING
    one.set_counted(COUNTED)
    assert (one.view.counts.objects, one.view.found) == (10_000, 1000)
    grow(one, 1, first=11)
    view = one.view
    assert (view.total, view.phase, view.restarts) == (Total.FINAL, Phase.SETTLED, 0)
    words = "counted at 14:12 in R2 bucket photos; the job has found 1,100 so far"
    assert counted_words(view, BEGUN, UTC) == words


def test_movement_is_seen_in_the_apis_own_counters() -> None:
    one = track()
    grow(one, 3)
    moved = one.view.moved_at
    for number in range(4, 9):
        poll(one, 5.0 * number, 300, 60)
    assert one.view.moved_at == moved


def test_a_plan_tells_what_was_counted_for_the_jobs_that_it_started() -> None:
    store = JobStore(["acc"], lambda: Moment(0.0, BEGUN), lambda: None)
    store.accounts[0].jobs["a"] = one = JobTrack("acc", Job(id="a", status="running"))
    steps: list[Any] = [
        Step(1, Draft("r2", "photos", "media", "a/", counted=COUNTED), StepState.STARTED, 0.0, "a"),
        Step(2, Draft("r2", "photos", "media", "b/", counted=COUNTED)),
    ]
    store.set_plan(Plan(1, "acc", BEGUN, tuple(steps)))
    assert [view.counted for view in store.views()] == [COUNTED]
    assert one.key == JobKey("acc", "a")
