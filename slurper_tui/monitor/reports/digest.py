"""What happened while nobody looked: every job's account between two times. Pure.

Times are UTC seconds. Only counters that somebody read are compared, so what moved is true also
where nobody looked in between.

What happened to a job between two times, as far as its samples show.

Times are UTC seconds, samples oldest first. Words tell times in a zone, None for local time.

How bad a job stands, and what a person is to do about it now.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.eta import TOO_FAR, finish
from slurper_tui.format import parse_time
from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Counts, Forecast, JobView, State, Verdict
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.reports.observed import Seen, Span, seen_seconds, spans, unobserved

DASH = "\N{EN DASH}"
_FAR = "> 2 weeks"
"""What is said of a finish that lies further ahead than `TOO_FAR`."""

_NEAR = 6 * 86400
"""Seconds; a day of the week names a time that is nearer than this."""


class Kind(StrEnum):
    """What sort of thing happened."""

    STATUS = "status"
    RESTARTED = "restarted"
    STALLED = "stalled"
    PAUSED = "paused"
    UNOBSERVED = "unobserved"
    FINISH = "finish"


class Event(msgspec.Struct, frozen=True):
    """One thing that happened, in words that stand alone; foreign text in them is not yet clean.

    until: None for what happened at one moment. Of a change of status, both times say between
    which two looks it came. when: the end of the words of such a change.
    """

    kind: Kind
    since: float
    until: float | None
    words: str
    when: str = ""


class Calendar(msgspec.Struct, frozen=True):
    """How times are told: seen from `now`, in a zone (None: local)."""

    now: float
    zone: tzinfo | None = None

    def moment(self, at: float) -> str:
        """A time, past or to come, with as much of its date as is needed: `Fri 18:00`."""
        today = self._local(at).date() == self._local(self.now).date()
        return self._clock(at) if today else self.full(at)

    def full(self, at: float) -> str:
        """A time with its day in any case: `Tue 08:20`."""
        return self._local(at).strftime("%a %H:%M") if self._near(at) else self._dated(at)

    def range(self, since: float, until: float) -> str:
        """From one time to another, a dash between them; the second day only where it differs."""
        if self._local(since).date() == self._local(until).date():
            begin, end = self.moment(since), self._clock(until)
            return begin if begin.endswith(end) else f"{begin}{DASH}{end}"
        if self._near(since) and self._near(until):
            return f"{self.full(since)}{DASH}{self.full(until)}"
        return f"{self._dated(since)}{DASH}{self._dated(until)}"

    def is_far(self, at: float) -> bool:
        """It lies so far ahead that a finish then is not worth a number."""
        return at - self.now > TOO_FAR

    def _clock(self, at: float) -> str:
        return self._local(at).strftime("%H:%M")

    def _dated(self, at: float) -> str:
        return self._local(at).strftime("%Y-%m-%d %H:%M")

    def _near(self, at: float) -> bool:
        return abs(at - self.now) < _NEAR

    def _local(self, at: float) -> datetime:
        """A time on the zone's clocks, clamped to the calendar: forecasts reach beyond it."""
        within = max(0.0, min(fmt.END_OF_CALENDAR, at))
        return datetime.fromtimestamp(within, UTC).astimezone(self.zone)


def status_changes(
    samples: Sequence[Recorded], ended_at: float | None, calendar: Calendar
) -> Iterator[Event]:
    """Each change of status, at the look that showed it, or between two looks far apart.

    ended_at: when the API says that the job ended.
    """
    for before, after in pairwise(samples):
        if before.status == after.status:
            continue
        words = f"from {before.status or 'unknown'} to {after.status or 'unknown'}"
        final = after.status == samples[-1].status
        if final and ended_at is not None and before.at <= ended_at <= after.at:
            since, until, when = ended_at, None, f"at {calendar.moment(ended_at)}"
        elif after.after_gap:
            between = f"between {calendar.full(before.at)} and {calendar.full(after.at)}"
            since, until, when = before.at, after.at, between
        else:
            since, until, when = after.at, None, f"at {calendar.moment(after.at)}"
        yield Event(Kind.STATUS, since, until, f"{words} {when}", when)


def restarts(samples: Sequence[Recorded], calendar: Calendar) -> Iterator[Event]:
    """Each time that a counter fell: what was done before it is not to be compared."""
    known: dict[str, int] = {}
    for sample in samples:
        told = _known({"done": sample.counts.done, "total": sample.counts.objects})
        fallen = next((name for name in told if told[name] < known.get(name, 0)), None)
        if fallen is not None:
            words = f"{fallen} fell from {known[fallen]:,} to {told[fallen]:,}"
            at = calendar.moment(sample.at)
            yield Event(Kind.RESTARTED, sample.at, None, f"{words} at {at}: counted anew")
            known.clear()
        known.update(told)


def _known(counts: dict[str, int | None]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number is not None}


def span_events(seen: Sequence[Span], calendar: Calendar) -> Iterator[Event]:
    """The spans in which a job was paused or stalled, or nobody looked."""
    for span in seen:
        if span.kind is Seen.WATCHED:
            continue
        words = f"{span.kind}: {calendar.range(span.since, span.until)}"
        long = f"{words} ({fmt.duration(span.seconds)})"
        yield Event(Kind(span.kind.value), span.since, span.until, long)


def finish_moved(
    before: Forecast | None, after: Forecast | None, calendar: Calendar
) -> Iterator[Event]:
    """That the finish is no longer where it was forecast, and where it is now.

    One that was and is more than two weeks ahead is not said to have moved.
    """
    if before is None or after is None or _as_forecast(before, after):
        return
    if calendar.is_far(before.low) and calendar.is_far(after.low):
        return
    where = f"{_is(after, calendar)}, was {_was(before, calendar)}"
    words = f"finish {_shift(before, after)}: {where}"
    yield Event(Kind.FINISH, after.made_at, None, words)


def _shift(before: Forecast, after: Forecast) -> str:
    """By how much the middle moved; a lower bound has none."""
    if before.at_least:
        return "now"
    moved = after.low - before.high if after.at_least else _middle(after) - _middle(before)
    near = abs(moved) <= TOO_FAR
    span = fmt.duration(abs(moved)) if near else "more than 2 weeks"
    return f"{span} {'later' if moved > 0 else 'sooner'}"


def _middle(forecast: Forecast) -> float:
    return (forecast.low + forecast.high) / 2


def _as_forecast(before: Forecast, after: Forecast) -> bool:
    """What was said before is still not wrong."""
    if before.at_least:
        return after.at_least and after.low <= before.low
    if after.at_least:
        return after.low <= before.high
    return before.low <= _middle(after) <= before.high


def _is(forecast: Forecast, calendar: Calendar) -> str:
    if calendar.is_far(forecast.low):
        return _FAR
    low, high, least = forecast.low, forecast.high, forecast.at_least
    return finish(low, high, calendar.now, calendar.zone, at_least=least) or "not known"


def _was(forecast: Forecast, calendar: Calendar) -> str:
    if calendar.is_far(forecast.low):
        return _FAR
    if forecast.at_least or calendar.is_far(forecast.high):
        return f"not before {calendar.full(forecast.low)}"
    return calendar.range(forecast.low, forecast.high)


NOTHING = "nothing to do"
_RANKS = {
    State.GONE: 0,
    State.ABORTED: 1,
    State.COMPLETED_WITH_LOSS: 2,
    State.OTHER: 3,
    State.STALLED: 4,
    State.PAUSED: 5,
    State.RUNNING: 7,
    State.LISTING: 7,
    State.COMPLETED: 8,
}
_UNCLEAN = _RANKS[State.COMPLETED_WITH_LOSS]
_STALE = _RANKS[State.STALLED]
_FAILING = _RANKS[State.RUNNING] - 1


def rank(view: JobView) -> int:
    """Sorts ascending from the worst; a job that ended before it was gone is as bad as its end."""
    state = _state(view)
    if state is State.COMPLETED and not _clean(view):
        return _UNCLEAN
    if view.live and view.stale:
        return min(_RANKS[state], _STALE)
    return _FAILING if _RANKS[state] > _FAILING and view.counts.failed else _RANKS[state]


def _state(view: JobView) -> State:
    return replace(view, gone=False).state if view.ended else view.state


def _clean(view: JobView) -> bool:
    return view.verdict is not None and view.verdict.clean


def todo(view: JobView, samples: Sequence[Recorded], calendar: Calendar) -> str:
    """Say what is to be done, in a short clause; `nothing to do` where nothing is.

    samples: of this job, oldest first. Foreign text in it is not yet clean.
    """
    state = _state(view)
    if state is State.GONE:
        return "the API no longer knows it: look for it in the dashboard"
    if state is State.OTHER:
        return f"{view.word}: look in the dashboard what that means"
    if view.live and view.stale:
        since = "" if view.as_of is None else f" since {calendar.moment(view.as_of)}"
        return f"no answer{since}: look what stands in the way"
    if state is State.STALLED:
        return f"{_stalled(view, calendar)}: watch it, or pause and resume it"
    if state is State.PAUSED:
        return f"paused{_paused_since(samples, calendar)}: resume it when ready"
    return _failed(view) if view.live else _ended_todo(view, state)


def _failed(view: JobView) -> str:
    failed = view.counts.failed
    return f"{failed:,} failed so far: read its log" if failed else NOTHING


def _ended_todo(view: JobView, state: State) -> str:
    """What the end asks for, by its verdict."""
    verdict = view.verdict
    if verdict is None or verdict.failed is None or verdict.unaccounted is None:
        return f"{view.status}, counts unknown: look in the dashboard"
    if state is State.ABORTED:
        return f"aborted, {verdict.unaccounted:,} not done: start it again if need be"
    lost = {"failed": verdict.failed, "unaccounted": verdict.unaccounted}
    said = ", ".join(f"{number:,} {name}" for name, number in lost.items() if number)
    return f"completed: {said}: see what failed" if said else NOTHING


def _stalled(view: JobView, calendar: Calendar) -> str:
    if view.stalled_since is None:
        return "stalled"
    return f"stalled for {fmt.duration(calendar.now - view.stalled_since)}"


def _paused_since(samples: Sequence[Recorded], calendar: Calendar) -> str:
    """Since when it has been seen paused without a break; earlier, nobody knows."""
    first = None
    for sample in reversed(samples):
        if sample.status != "paused":
            return "" if first is None else f" since {calendar.moment(first)}"
        first = sample.at
        if sample.after_gap:
            break
    return "" if first is None else f" since {calendar.moment(first)} or earlier"


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
