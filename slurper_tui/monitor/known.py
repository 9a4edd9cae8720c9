"""What an earlier run has left to be shown before anything is asked.

Imports nothing of the poll loop, which is made while the first picture stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.monitor.account_view import AccountView
from slurper_tui.monitor.recorded import Remembered
from slurper_tui.monitor.verdict import percent, verdict
from slurper_tui.monitor.view import JobView, Phase, Snapshot

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


def has_ended(job: Job, status: str | None = None) -> bool:
    """Completed or aborted; or, for a status nobody foresaw, finished by the list's own word."""
    word = status or job.status
    known = word in {"running", "paused"}
    return word in _ENDED or (not known and job.finished_at is not None)
