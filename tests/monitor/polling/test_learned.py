"""A job begins with what the forecasts of the last ended job of its migration were worth."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC

import pytest

from slurper_tui.api.models import Job, Progress, Source, Target
from slurper_tui.format import iso
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.polling.history_sync import HistorySync
from slurper_tui.monitor.polling.job_store import AnswerApplier, JobStore
from slurper_tui.monitor.polling.job_tracker import JobTrack
from tests.monitor.inline_history import InlineHistory

EPOCH = 1_767_225_600.0
HOUR = 3600.0
TOTAL = 10_000_000


def job(job_id: str, at: float, status: str = "running", bucket: str = "photos") -> Job:
    """Return a job created `at` seconds after the epoch."""
    source, target = Source(bucket=bucket), Target(bucket="media")
    created = iso(EPOCH + at, UTC)
    return Job(id=job_id, status=status, created_at=created, source=source, target=target)


def steady(_: float) -> float:
    return 100.0


def wild(seed: int = 1) -> Callable[[float], float]:
    """Return a speed whose levels last twenty minutes."""
    rng = random.Random(seed)
    levels = [100 * math.exp(rng.gauss(0, 0.8)) for _ in range(100)]
    return lambda at: levels[int(at / 1200)]


def ran(speed: Callable[[float], float]) -> list[Recorded]:
    """Return the samples of a job of twelve hours that has ended."""
    samples, done = list[Recorded](), 0.0
    for minute in range(720):
        done += 60 * speed(60.0 * minute)
        samples.append(Recorded(EPOCH + 60.0 * minute, Counts(TOTAL, int(done), 0, 0), "running"))
    counts = samples[-1].counts
    return [*samples, Recorded(EPOCH + 12 * HOUR, counts, "completed")]


def watched(store: JobStore, new: Job, speed: Callable[[float], float] = steady) -> JobView:
    """Return a new job's view after half an hour, from thirteen hours on."""
    [account], applier = store.accounts, AnswerApplier(ALL_JOBS, random.Random(1), eager=False)
    track = account.jobs[new.id or ""] = JobTrack("account", new)
    done = 0.0
    for minute in range(31):
        at = 13 * HOUR + 60 * minute
        status = "completed" if minute == 30 and speed is not steady else "running"
        progress = Progress(
            status=status,
            created_at=new.created_at,
            objects=540_000 if speed is steady else TOTAL,
            transferred_objects=int(done),
            skipped_objects=0,
            failed_objects=0,
        )
        applier.apply_progress(account, track, progress, Moment(at, EPOCH + at), 60.0)
        done += 60 * speed(60.0 * minute)
    return track.view


def a_store() -> JobStore:
    return JobStore(["account"], lambda: Moment(13 * HOUR, EPOCH + 13 * HOUR), lambda: None)


def width(view: JobView) -> float:
    assert view.forecast is not None
    return view.forecast.high_seconds / view.forecast.low_seconds


async def after_history(speed: Callable[[float], float], bucket: str = "photos") -> float:
    """Return the width of a new job's range, when one of the bucket has ended in the history."""
    history, store, samples = InlineHistory(), a_store(), ran(speed)
    old = StoredJob("account", job("old", 0.0, "completed", bucket), samples[-1])
    live = StoredJob("account", job("new", 13 * HOUR), Recorded(EPOCH, Counts(), "running"))
    history.record((old,), [(old.key, sample) for sample in samples])
    sync = HistorySync(history, store, lambda: None)
    await sync.load((old, live), {}, lambda: Moment(13 * HOUR, EPOCH + 13 * HOUR))
    return width(watched(store, job("new", 13 * HOUR)))


async def test_the_ended_job_of_the_migration_in_the_history_sets_the_width() -> None:
    alone = width(watched(a_store(), job("new", 13 * HOUR)))
    assert await after_history(steady) < 0.9 * alone
    assert await after_history(wild()) > 1.1 * alone


async def test_a_job_of_another_migration_says_nothing() -> None:
    alone = width(watched(a_store(), job("new", 13 * HOUR)))
    assert await after_history(wild(), bucket="other") == pytest.approx(alone)


def test_a_job_that_ends_meanwhile_is_learned_from() -> None:
    store = a_store()
    [account] = store.accounts
    assert watched(store, job("old", 13 * HOUR), wild()).ended
    assert list(account.errors) == [("photos", "media")]
    alone = width(watched(a_store(), job("new", 13 * HOUR)))
    assert width(watched(store, job("new", 13 * HOUR))) != pytest.approx(alone, rel=0.02)
    assert width(watched(store, job("b", 13 * HOUR, bucket="other"))) == pytest.approx(alone)
