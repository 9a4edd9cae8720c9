"""What happened while nobody looked: every job's account between two times. Pure.

Times are UTC seconds. Only counters that somebody read are compared, so what moved is true also
where nobody looked in between.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import tzinfo

import msgspec

from slurper_tui.format import parse_time
from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.happenings import (
    Calendar,
    Event,
    Kind,
    finish_moved,
    restarts,
    span_events,
    status_changes,
)
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Counts, Forecast, JobView, Verdict
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.spans import Seen, Span, seen_seconds, spans, unobserved
from slurper_tui.monitor.todo import rank, todo

REPLAYED = 500
"""So many samples before the beginning tell what the forecast was then."""

WORTH_TELLING = 120.0
"""Seconds; a shorter time in which nobody looked is not worth a line."""

_JUST_BEFORE = 600.0
"""Seconds; a job that is gone was there until the absence if it was seen so shortly before."""

_NOTHING = Counts(0, 0, 0, 0)


class JobDigest(msgspec.Struct, frozen=True):
    """One job's account.

    before: the last sample up to the beginning, else the first one behind it; None for a job that
    was created meanwhile. after: the newest sample. moved, newly_failed: objects done and failed
    between the two, or since `created`; None where that is unknown or the counters fell.
    per_second: the mean rate of what moved, in objects per second. verdict: of a job that has
    ended. created: UTC seconds, when that was meanwhile. events: oldest first. todo: what is to be
    done now, in a short clause.
    """

    view: JobView
    before: Recorded | None = None
    after: Recorded | None = None
    moved: int | None = None
    per_second: float | None = None
    verdict: Verdict | None = None
    observed_seconds: float = 0.0
    created: float | None = None
    newly_failed: int | None = None
    events: tuple[Event, ...] = ()
    todo: str = ""


class Digest(msgspec.Struct, frozen=True):
    """All jobs' account from `since` to `until`, the worst first.

    unobserved: the times in which nobody looked at any job that could have moved. quiet: how many
    jobs had ended before and are not listed; quiet_loss: how many of them lost objects or may have.
    zone: in which the words tell times, None for local time.
    """

    since: float
    until: float
    jobs: tuple[JobDigest, ...] = ()
    unobserved: tuple[Span, ...] = ()
    quiet: int = 0
    quiet_loss: int = 0
    zone: tzinfo | None = None

    @property
    def calendar(self) -> Calendar:
        """How its times are told."""
        return Calendar(self.until, self.zone)


def make_digest(
    jobs: Sequence[tuple[JobView, tuple[Recorded, ...]]],
    since: float,
    until: float,
    zone: tzinfo | None = None,
) -> Digest:
    """Tell what happened to jobs, each given with its samples, oldest first.

    Samples from before `since` tell how a job stood then; some hours of them are enough.
    """
    news = [(view, samples) for view, samples in jobs if not _quiet(view, samples, since)]
    quiet = [view for view, samples in jobs if _quiet(view, samples, since)]
    told = [_job_digest(view, samples, since, Calendar(until, zone)) for view, samples in news]
    return Digest(
        since,
        until,
        tuple(sorted(told, key=_worst_first)),
        _unobserved(news, since, until),
        quiet=len(quiet),
        quiet_loss=sum(view.verdict is not None and not view.verdict.clean for view in quiet),
        zone=zone,
    )


def _unobserved(
    jobs: Sequence[tuple[JobView, tuple[Recorded, ...]]], since: float, until: float
) -> tuple[Span, ...]:
    """The long times in which nobody looked; when all have ended, there is nothing to look at."""
    live = any(view.live for view, _ in jobs)
    last = max((samples[-1].at for _, samples in jobs if samples), default=since)
    holes = unobserved([s for _, s in jobs], since, until if live else min(until, last))
    spanned = (Span(Seen.UNOBSERVED, a, b) for a, b in holes)
    return tuple(span for span in spanned if span.seconds >= WORTH_TELLING)


def _worst_first(job: JobDigest) -> tuple[int, int, str, str]:
    """Sort by trouble, then by how much moved; total, so that equal jobs never change places."""
    return (rank(job.view), -(job.moved or 0), job.view.account_id, job.view.job.id or "")


def _quiet(view: JobView, samples: tuple[Recorded, ...], since: float) -> bool:
    """It had ended before, or is long gone: whatever it is, it is no news."""
    last = samples[-1] if samples else None
    if not view.ended:
        return view.gone and last is not None and last.at < since - _JUST_BEFORE
    if last is None or last.at <= since:
        return True
    before = _before(samples, since)
    if before is not None and before.at <= since:
        return before.counts == last.counts and before.status == last.status
    ended = parse_time(view.job.finished_at)
    return _created(view, since) is None and (ended is None or ended < since)


def _job_digest(
    view: JobView, samples: tuple[Recorded, ...], since: float, calendar: Calendar
) -> JobDigest:
    seen = samples[: bisect_right(samples, calendar.now, key=_at)]
    after, created = seen[-1] if seen else None, _created(view, since)
    before = _before(seen, since) if created is None else Recorded(created, _NOTHING, None)
    begun = since if created is None else created
    until = calendar.now if view.live or after is None else max(begun, after.at)
    events, divided = _events(view, seen, since, calendar), spans(seen, begun, until)
    ended = until if view.live else _ended(seen, until)
    moved, failed, seconds = _difference(before, after, events)
    return JobDigest(
        view,
        before if created is None else None,
        after,
        moved,
        moved / seconds if moved is not None and seconds > 0 else None,
        view.verdict if view.ended else None,
        seen_seconds(divided),
        created,
        failed,
        tuple(sorted((*events, *_worth_telling(divided, ended, calendar)), key=_since)),
        todo(view, seen, calendar),
    )


def _ended(samples: Sequence[Recorded], until: float) -> float:
    """When a job was first seen as it is in the end; from then on nobody need look."""
    ended = until
    for sample in reversed(samples):
        if (sample.status, sample.counts) != (samples[-1].status, samples[-1].counts):
            break
        ended = sample.at
    return ended


def _at(sample: Recorded) -> float:
    return sample.at


def _since(event: Event) -> float:
    return event.since


def _before(samples: Sequence[Recorded], since: float) -> Recorded | None:
    """The last sample up to the beginning, else the first one behind it."""
    place = max(0, bisect_right(samples, since, key=_at) - 1)
    return samples[place] if samples else None


def _created(view: JobView, since: float) -> float | None:
    """When the job was created, if that was behind the beginning."""
    at = parse_time(view.job.created_at)
    return at if at is not None and at > since else None


def _difference(
    before: Recorded | None, after: Recorded | None, events: Sequence[Event]
) -> tuple[int | None, int | None, float]:
    """Objects done and failed between two samples, where they can be compared, and the seconds."""
    fell = any(event.kind is Kind.RESTARTED for event in events)
    if before is None or after is None or before.at >= after.at or fell:
        return None, None, 0.0
    old, new = before.counts, after.counts
    return _less(new.done, old.done), _less(new.failed, old.failed), after.at - before.at


def _less(new: int | None, old: int | None) -> int | None:
    return None if new is None or old is None or new < old else new - old


def _events(
    view: JobView, samples: tuple[Recorded, ...], since: float, calendar: Calendar
) -> tuple[Event, ...]:
    """Changes of status, counters that fell, and how the finish moved."""
    place = max(0, bisect_right(samples, since, key=_at) - 1)
    compared = samples[place:]
    ended_at = parse_time(view.job.finished_at) if view.ended else None
    told = view.live and view.forecast is not None
    then = _forecast_then(view, samples[: place + 1], since) if told else None
    return (
        *status_changes(compared, ended_at, calendar),
        *restarts(compared, calendar),
        *finish_moved(then, view.forecast, calendar),
    )


def _worth_telling(divided: Sequence[Span], ended: float, calendar: Calendar) -> Iterator[Event]:
    """The spans that say something: whoever has ended need not be looked at."""
    told = (
        span
        for span in divided
        if span.kind is not Seen.UNOBSERVED
        or (span.seconds >= WORTH_TELLING and span.since < ended)
    )
    return span_events(tuple(told), calendar)


def _forecast_then(view: JobView, samples: tuple[Recorded, ...], since: float) -> Forecast | None:
    """The forecast that stood on the screen after the samples up to the beginning."""
    past = [sample for sample in samples[-REPLAYED:] if sample.at <= since]
    if not past or past[-1].status != "running":
        return None
    series, then = Series(), Moment(past[-1].at, past[-1].at)
    series.seed(past, then, parse_time(view.job.created_at))
    return series.forecast
