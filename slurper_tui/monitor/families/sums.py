"""Several jobs as one: their counts, pace, end and verdict as a view that is nobody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.format import parse_time
from slurper_tui.monitor.families.retried import together, total
from slurper_tui.monitor.families.verdict import family_verdict
from slurper_tui.monitor.model.events import Tie
from slurper_tui.monitor.model.job import (
    Forecast,
    JobView,
    Phase,
    State,
    shown_forecast,
    shown_rate,
)

_LIVE = (State.STALLED, State.OTHER, State.LISTING, State.RUNNING, State.PAUSED)
_LOST = (State.ABORTED, State.OTHER, State.GONE)
"""The worst first."""


def family_view(views: Sequence[JobView], ties: Sequence[Tie]) -> JobView:
    """Add jobs up; ties: which of them retry others of them. The job of the view has no id.

    It stands like the live job that is worst off. Its numbers are those of a job: objects, objects
    per second, UTC seconds. Counts that some have not told yet are missing in the sum.
    """
    by_key = {view.key: view for view in views}
    retries = [(tie, by_key[tie.child]) for tie in ties if tie.child in by_key]
    again = {tie.child for tie, _ in retries}
    roots = [view for view in views if view.key not in again]
    told = [view for view in roots if _has_told(view)]
    sums, shown = together(roots, retries), together(told or roots, retries)
    live = [view for view in views if view.live]
    view = JobView(
        account_id=views[0].account_id,
        job=_job(views, ended=not live),
        counts=shown.counts,
        percent=_percent(roots, whole=all(view.status == "completed" for view in views)),
        provisional=any(view.provisional for view in roots if view.live),
        grew=any(view.growing for view in roots if view.live),
        verdict=family_verdict(roots, [child for _, child in retries], sums),
        not_copied=sums.not_copied,
        listing_broke=any(view.listing_broke for view in roots),
        partial=0 < len(told) < len(roots),
        ended=not live,
        as_of=_as_of(live, views),
        missed=max((view.missed for view in live), default=0),
        remembered=any(view.remembered for view in live or views),
    )
    return _moving(view, live) if live else _over(view, roots)


def _has_told(view: JobView) -> bool:
    return view.counts.objects is not None and view.counts.done is not None


def _moving(view: JobView, live: Sequence[JobView]) -> JobView:
    worst = min(live, key=partial(_place, _LIVE))
    forecast = _last_end(live)
    return replace(
        view,
        status=worst.status,
        phase=worst.phase,
        stale=all(v.stale for v in live),
        rate=_sum(live, shown_rate),
        lifetime_rate=_average(view),
        transferred_rate=_sum(live, lambda v: v.transferred_rate),
        skipped_rate=_sum(live, lambda v: v.skipped_rate),
        growth=_sum(live, lambda v: v.growth),
        forecast=forecast,
        reason="" if forecast else _reason(live),
        stalled_badly=any(v.stalled_badly for v in live),
    )


def _over(view: JobView, roots: Sequence[JobView]) -> JobView:
    """An end is as bad as that of the worst job; what retries have made good is good."""
    lost = [v for v in roots if v.status != "completed"]
    worst = min(lost, key=partial(_place, _LOST), default=None)
    return replace(
        view,
        status=worst.status if worst else "completed",
        phase=Phase.ENDED,
        gone=all(v.gone for v in roots) or (worst is not None and worst.state is State.GONE),
        lifetime_rate=_average(view),
    )


def _place(order: Sequence[State], view: JobView) -> int:
    return order.index(view.state) if view.state in order else len(order)


def _percent(roots: Sequence[JobView], *, whole: bool) -> int | None:
    """Whole and rounded down, below 100 unless `whole`; more done than there is counts for none."""
    known = [(v.counts.done, v.counts.objects) for v in roots]
    objects = total(objects for _, objects in known)
    if not objects or any(done is None for done, _ in known):
        return None
    done = sum(min(done or 0, objects or 0) for done, objects in known)
    return min(100 if whole else 99, done * 100 // objects)


def _last_end(live: Iterable[JobView]) -> Forecast | None:
    """The end of the job that is done last; None where one of them may never be."""
    forecasts = [shown_forecast(view) for view in live]
    known = [forecast for forecast in forecasts if forecast is not None]
    if not known or len(known) < len(forecasts):
        return None
    return Forecast(
        low=max(forecast.low for forecast in known),
        high=max(forecast.high for forecast in known),
        made_at=max(forecast.made_at for forecast in known),
        at_least=any(forecast.at_least for forecast in known),
        seeded=any(forecast.seeded for forecast in known),
    )


def _reason(live: Sequence[JobView]) -> str:
    """Say which jobs keep all of it from having an end."""
    for word, has in (
        ("paused", lambda v: v.state is State.PAUSED),
        ("stalled", lambda v: v.state is State.STALLED),
        ("not answering", lambda v: v.stale),
        ("without one", lambda v: shown_forecast(v) is None),
    ):
        if number := sum(map(has, live)):
            return f"no ETA: {number} of {len(live)} jobs {word}"
    return ""


def _as_of(live: Sequence[JobView], views: Sequence[JobView]) -> float | None:
    """Since when all of it is known: the oldest data of a live job."""
    known = [view.as_of for view in live or views if view.as_of is not None]
    if not known:
        return None
    return min(known) if live else max(known)


def _sum(live: Iterable[JobView], rate: Callable[[JobView], float | None]) -> float | None:
    known = [number for number in map(rate, live) if number is not None]
    return sum(known) if known else None


def _average(view: JobView) -> float | None:
    """Objects per second from the first job's creation to the last one's end, or to now.

    None while some have not told their counts: those that have did not need all that time.
    """
    if view.partial:
        return None
    begun = parse_time(view.job.created_at)
    until = view.as_of if view.live else parse_time(view.job.finished_at)
    if begun is None or until is None or view.counts.done is None or until <= begun:
        return None
    return view.counts.done / (until - begun)


def _job(views: Sequence[JobView], *, ended: bool) -> Job:
    """What the jobs have in common, from the first one's creation to the last one's end."""
    jobs = [view.job for view in views]
    ends = [job.finished_at for job in jobs]
    overwrites = {job.overwrite for job in jobs}
    source, target = jobs[0].source, jobs[0].target
    return Job(
        created_at=min((job.created_at for job in jobs), key=_time, default=None),
        finished_at=max(ends, key=_time) if ended and None not in ends else None,
        overwrite=overwrites.pop() if len(overwrites) == 1 else None,
        source=_bucket(source),
        target=target and Target(target.vendor, target.bucket, target.jurisdiction),
    )


def _bucket(source: Source | None) -> Source | None:
    """The source without what tells one job from another."""
    return source and replace(source, path_prefix=None, keys=None, extra={})


def _time(text: str | None) -> float:
    at = parse_time(text)
    return float("inf") if at is None else at
