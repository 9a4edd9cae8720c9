"""How a job stands after an answer, or as an earlier run left it, as a view."""

from __future__ import annotations

from msgspec.structs import replace

from slurper_tui.api.models import Job, Progress
from slurper_tui.format import parse_time
from slurper_tui.monitor.moment import Moment
from slurper_tui.monitor.reasons import reason
from slurper_tui.monitor.recorded import Remembered
from slurper_tui.monitor.series import Series
from slurper_tui.monitor.verdict import percent, verdict
from slurper_tui.monitor.view import Counts, JobView, Phase

_ENDED = frozenset({"completed", "aborted"})
_AT_REST = {"paused": Phase.PAUSED, "completed": Phase.ENDED, "aborted": Phase.ENDED}


def told_view(
    before: JobView, series: Series, status: str | None, created_at: str | None, now: Moment
) -> JobView:
    """Give the view after an answer that the series has taken in."""
    assert series.last is not None
    counts, estimate = series.last.counts, series.estimate
    ended = has_ended(before.job, status)
    forecast = None if ended else series.forecast
    stalled = estimate.stalled_since
    return replace(
        before,
        status=status,
        phase=Phase.ENDED if ended else estimate.phase,
        counts=counts,
        percent=percent(counts, status),
        provisional=not (ended or estimate.settled),
        rate=estimate.rate,
        lifetime_rate=lifetime_rate(before.job, created_at, counts, status, now.wall),
        plan_rate=estimate.plan_rate,
        transferred_rate=estimate.transferred_rate,
        skipped_rate=estimate.skipped_rate,
        growth=estimate.growth,
        forecast=forecast,
        reason="" if ended else reason(estimate, forecast, stale=False),
        stalled_since=None if stalled is None else now.wall - (now.mono - stalled),
        stalled_badly=estimate.stalled_badly,
        verdict=verdict(counts, status),
        restarts=estimate.restarts,
        as_of=now.wall,
        missed=0,
        stale=False,
        gone=False,
        ended=ended,
        problem=None,
        remembered=False,
    )


def stale_view(before: JobView, series: Series) -> JobView:
    """Give the view of a job that has not answered for too long: what it last said, no forecast."""
    said = "" if before.ended else reason(series.estimate, None, stale=True)
    return replace(before, stale=True, forecast=None, reason=said)


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


def another_time(before: str | None, after: str | None) -> bool:
    """Two times that differ, and not merely in how they are written."""
    if before is None or after is None:
        return False
    return (parse_time(before) or before) != (parse_time(after) or after)


def counts_of(progress: Progress) -> Counts:
    """The four counters of an answer."""
    return Counts(
        progress.objects,
        progress.transferred_objects,
        progress.skipped_objects,
        progress.failed_objects,
    )


def lifetime_rate(
    job: Job, created_at: str | None, counts: Counts, status: str | None, now: float
) -> float | None:
    """Objects per second from `createdAt` to the end, or to now while it has not ended."""
    begun = parse_time(created_at)
    ended = parse_time(job.finished_at) if has_ended(job, status) else now
    if begun is None or ended is None or counts.done is None or ended <= begun:
        return None
    return counts.done / (ended - begun)
