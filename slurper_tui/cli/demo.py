"""A history for the demo, as if its account had been watched now and then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from slurper_tui.api.models import Job, parse
from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, Remembered
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.api import job_json
from slurper_tui.simulated.jobs import Course

if TYPE_CHECKING:
    from slurper_tui.simulated.account import SimulatedAccount


HOUR = 3600.0


LOOKS = ((30 * HOUR, 16 * HOUR, 600.0), (3 * HOUR, 600.0, 60.0), (600.0, 5.0, 5.0))
"""Simulated earlier runs in the demo's history: (start in seconds ago, end, sample interval)."""


def fill_for_demo(store: Store, account: SimulatedAccount, now: float) -> None:
    """Write samples of the `LOOKS` for each job that had not ended by then. now: UTC seconds."""
    jobs: list[Remembered] = []
    samples: list[tuple[JobKey, Recorded]] = []
    for course in account.jobs():
        if course.finished(now - LOOKS[0][0]) is None:
            key = JobKey(account.account_id, course.plan.id)
            jobs.append(Remembered(account.account_id, parse(Job, job_json(course, now))))
            samples.extend((key, sample) for sample in _looks(course, now))
    store.write(jobs, samples)


def _looks(course: Course, now: float) -> Iterator[Recorded]:
    """Yield the samples of a simulated job during the `LOOKS`, until its end."""
    series = Series()
    for begun, until, every in LOOKS:
        for number in range(int((begun - until) / every)):
            at = now - begun + number * every
            if at <= max(0.0, course.plan.created):  # the history keeps no time before 1970
                continue
            yield _look(course, series, at, every)
            if course.finished(at) is not None:
                return


def _look(course: Course, series: Series, at: float, every: float) -> Recorded:
    counters = course.counters(at)
    counts = Counts(counters.objects, counters.transferred, counters.skipped, counters.failed)
    moment = Moment(at, at)
    return series.add(
        counts, course.status(at), moment, period=every, created_at=None, clock_jumped=False
    )
