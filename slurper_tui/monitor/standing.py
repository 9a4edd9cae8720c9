"""How a job stands after an answer, or without one, as a view."""

from __future__ import annotations

from msgspec.structs import replace

from slurper_tui.api.models import Job, Progress
from slurper_tui.format import parse_time
from slurper_tui.monitor.estimate.forecast import reason
from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.known import has_ended
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Counts, JobView, Phase
from slurper_tui.monitor.model.verdict import percent, verdict


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
        grew=estimate.growing and not ended,
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
    """Give the view of a job that has not answered for too long: what it last said, no forecast.

    Nobody knows whether it still stands still.
    """
    said = "" if before.ended else reason(series.estimate, None, stale=True)
    phase = None if before.phase is Phase.STALLED else before.phase
    return replace(
        before,
        stale=True,
        forecast=None,
        reason=said,
        phase=phase,
        stalled_since=None,
        stalled_badly=False,
    )


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
