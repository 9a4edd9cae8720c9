"""Digests for tests, made from samples of jobs in every state."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from msgspec.structs import replace

from slurper_tui.monitor.model.job import Counts, Forecast, JobView, Phase
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.verdict import verdict
from slurper_tui.monitor.reports.digest import Digest, make_digest
from tests.tui.jobs import NOW, iso, view

HOUR = 3600.0
SINCE = NOW - 14 * HOUR - 20 * 60

Samples = tuple[Recorded, ...]


def sample(
    at: float, total: int, done: int, status: str, failed: int = 0, **given: Any
) -> Recorded:
    return Recorded(at, Counts(total, done - failed, 0, failed), status, **given)


def night(total: int, before: int, after: int, now: str = "running", failed: int = 0) -> Samples:
    """Samples of two hours until the evening, and again for the last 20 seconds."""
    evening = (
        sample(SINCE - 60 * n, total, max(0, before - n * before // 600), "running")
        for n in range(120, -1, -1)
    )
    morning = (
        sample(NOW - 20 + 5 * n, total, after, now, failed, after_gap=n == 0) for n in range(5)
    )
    return (*evening, *morning)


def job(number: int, samples: Samples, **given: Any) -> tuple[JobView, Samples]:
    """A job in the state of its last sample; created three days ago by default."""
    finished, created = given.pop("finished", None), given.pop("created", NOW - 72 * HOUR)
    last = samples[-1]
    made = view(number, last.status, counts=last.counts, as_of=last.at, **given)
    times = {"created_at": iso(created), "finished_at": iso(finished) if finished else None}
    listed = replace(made.job, **times)
    return replace(made, job=listed, verdict=verdict(last.counts, last.status)), samples


def an_old_one(number: int, failed: int) -> tuple[JobView, Samples]:
    """A job that ended a week before."""
    ended = NOW - 168 * HOUR
    return job(number, (sample(ended, 1000, 1000, "completed", failed),), finished=ended)


def an_eventful_night() -> Digest:
    """Seven listed jobs, worst first: 7 5 3 4 2 1 6, and forty old ones."""
    stalled = tuple(replace(s, stalled=s.at > NOW - 20) for s in night(90_000, 50_000, 88_000))
    finish = Forecast(NOW + 60 * HOUR, NOW + 80 * HOUR, NOW)
    jobs = [
        job(1, night(3_400_000, 1_200_000, 2_012_004), source="photos", forecast=finish),
        job(2, night(1_400_000, 402_000, 1_100_904, failed=904), source="videos"),
        job(3, stalled, source="logs", phase=Phase.STALLED, stalled_since=NOW - 720),
        job(4, night(100_000, 20_000, 30_000, "paused"), source="backups", target="cold"),
        job(5, night(1000, 500, 990, "completed", 10), source="thumbs", finished=NOW - 9 * HOUR),
        job(6, night(1000, 500, 1000, "completed"), source="avatars", finished=NOW - 5 * HOUR),
        job(7, night(1000, 500, 600, "aborted"), source="import", finished=NOW - 5 * HOUR),
    ]
    old = [an_old_one(n, failed=5 if n % 7 == 0 else 0) for n in range(100, 140)]
    return make_digest([*jobs, *old], SINCE, NOW, UTC)


def a_quiet_night() -> Digest:
    """A digest of two old jobs."""
    return make_digest([an_old_one(1, 0), an_old_one(2, 0)], SINCE, NOW, UTC)
