"""The history that an earlier run keeps of a simulated account."""

from __future__ import annotations

from typing import NamedTuple

from slurper_tui.api.models import Job, parse
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.api import job_json
from slurper_tui.simulated.jobs import Course


class Look(NamedTuple):
    """The jobs and one sample of each, the arguments of `Store.write`."""

    jobs: list[StoredJob]
    samples: list[tuple[JobKey, Recorded]]


def look_at(account: SimulatedAccount, at: float) -> Look:
    """Poll every job once. at: UTC seconds."""
    courses = account.jobs()
    jobs = [_remembered(account, course, at) for course in courses]
    return Look(jobs, [(job.key, _sample(c, at)) for job, c in zip(jobs, courses, strict=True)])


def _remembered(account: SimulatedAccount, course: Course, at: float) -> StoredJob:
    job = parse(Job, job_json(course, at))
    return StoredJob(account.account_id, job, closed=course.finished(at) is not None)


def _sample(course: Course, at: float) -> Recorded:
    counters = course.counters(at)
    counts = Counts(counters.objects, counters.transferred, counters.skipped, counters.failed)
    return Recorded(at, counts, course.status(at))
