"""What an earlier run has left to be shown before anything is asked.

Imports nothing of the poll loop, which is made while the first picture stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import AccountView, JobView, Phase, Snapshot
from slurper_tui.monitor.model.samples import Remembered
from slurper_tui.monitor.model.verdict import percent, verdict

STEADY_SECONDS = 60.0
"""An aborted job whose counters agree for so long has nothing in flight any more."""

_ENDED = frozenset({"completed", "aborted"})
_AT_REST = {"paused": Phase.PAUSED, "completed": Phase.ENDED, "aborted": Phase.ENDED}


def known_snapshot(
    remembered: Sequence[Remembered],
    accounts: Sequence[str],
    prefixes: Sequence[str],
    interval: float,
    now: float,
) -> Snapshot | None:
    """Give the last known state of every job whose id begins so; None when there is none.

    prefixes: empty for all jobs. interval: seconds between rounds. now: UTC seconds.
    """
    wanted = tuple(prefixes) or ("",)
    jobs = [remembered_view(k) for k in remembered if k.key.job_id.startswith(wanted)]
    if not jobs:
        return None
    return Snapshot(now, interval, tuple(map(AccountView, accounts)), tuple(jobs))


def remembered_view(known: Remembered) -> JobView:
    """Give the view that an earlier run left, to stand until it is confirmed."""
    job, last = known.job, known.last
    status = last.status if last else job.status
    ended = has_ended(job, status)
    view = JobView(known.account_id, job, status=status, ended=ended)
    if last is None:
        return view
    stalled = Phase.STALLED if last.stalled and status == "running" else None
    return replace(
        view,
        phase=Phase.ENDED if ended else _AT_REST.get(status or "", stalled),
        counts=last.counts,
        percent=percent(last.counts, status),
        provisional=not ended,
        verdict=verdict(last.counts, status),
        as_of=last.at,
        remembered=True,
    )


def final(known: Remembered) -> Remembered | None:
    """Give the job as one that is closed, if its last sample tells its final counts, else None.

    A completed job is closed by its last answer. After any other end objects in flight still
    finish, so the last sample must be from well after it.
    """
    if known.last is None or known.last.counts.done is None:
        return None
    finished = parse_time(known.job.finished_at)
    steady = finished is not None and known.last.at >= finished + STEADY_SECONDS
    over = known.closed or (steady and has_ended(known.job, known.last.status))
    return replace(known, closed=True) if over else None


def has_ended(job: Job, status: str | None = None) -> bool:
    """Completed or aborted; or, for a status nobody foresaw, finished by the list's own word."""
    word = status or job.status
    known = word in {"running", "paused"}
    return word in _ENDED or (not known and job.finished_at is not None)
