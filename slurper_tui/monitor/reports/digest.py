"""Digest: what happened to every job between two times, and what the user should do.

`make_digest` compares each job's samples at both ends, lists the changes in between, and adds
advice. Times are UTC seconds, samples are oldest first. Differences are computed from recorded
counters only, so they are correct even if the program did not run in between. Only `read_digest`,
which reads the samples, is not pure. The texts, which the screen and the command line share, are
not sanitised.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.eta_format import TOO_FAR, finish
from slurper_tui.format import parse_time
from slurper_tui.monitor.estimate.rates import FailureWindow
from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Counts, Forecast, JobView, State, Verdict
from slurper_tui.monitor.model.samples import (
    ABSENCE,
    Recorded,
    Span,
    SpanKind,
    default_since,
    observed_seconds,
    spans,
    unobserved,
)
from slurper_tui.monitor.reports.verification_text import proof_words, verdict_words

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Recorder

LOOK_BACK = 3 * 86_400.0
"""Seconds before the beginning of a digest that its first forecast is based on."""

FURTHEST_ABSENCE = 7 * 86_400.0
"""How far back the user's last absence is searched, in seconds."""

MOST_SAMPLES = 1000
"""Approximate number of samples of a job read for a digest."""

_EARLIER_STEP = 600.0
"""Seconds between the samples read from before a digest."""

DASH = "\N{EN DASH}"
_FAR = "> 2 weeks"
"""Text for a finish that is further ahead than `TOO_FAR`."""

_NEAR = 6 * 86400
"""Seconds; a time nearer than this is written with its day of the week, others with the date."""


class ChangeKind(StrEnum):
    """The kind of a change."""

    STATUS = "status"
    RESTARTED = "restarted"
    STALLED = "stalled"
    FAILING = "failing"
    PAUSED = "paused"
    UNOBSERVED = "unobserved"
    FINISH = "finish"
    VERIFIED = "verified"


class Change(msgspec.Struct, frozen=True):
    """One change and its text.

    since, until: UTC seconds; until is None for a change at one moment. A status change seen only
    after a gap has the times of the two samples around it. when: the time clause at the end of a
    status change's `text`.
    """

    kind: ChangeKind
    since: float
    until: float | None
    text: str
    when: str = ""


class Calendar(msgspec.Struct, frozen=True):
    """Formats times relative to `now` (UTC seconds) in a time zone, None for local time."""

    now: float
    zone: tzinfo | None = None

    def moment(self, at: float) -> str:
        """Format a time with as much of its date as is needed: `Fri 18:00`."""
        today = self._local(at).date() == self._local(self.now).date()
        return self._clock(at) if today else self.full(at)

    def full(self, at: float) -> str:
        """Format a time, always with its day: `Tue 08:20`."""
        return self._local(at).strftime("%a %H:%M") if self._near(at) else self._dated(at)

    def range(self, since: float, until: float) -> str:
        """Format a range with an en dash; the second day only if it differs from the first."""
        if self._local(since).date() == self._local(until).date():
            begin, end = self.moment(since), self._clock(until)
            return begin if begin.endswith(end) else f"{begin}{DASH}{end}"
        if self._near(since) and self._near(until):
            return f"{self.full(since)}{DASH}{self.full(until)}"
        return f"{self._dated(since)}{DASH}{self._dated(until)}"

    def is_far(self, at: float) -> bool:
        """Whether a time is so far ahead that a finish is not shown as a number."""
        return at - self.now > TOO_FAR

    def _clock(self, at: float) -> str:
        return self._local(at).strftime("%H:%M")

    def _dated(self, at: float) -> str:
        return self._local(at).strftime("%Y-%m-%d %H:%M")

    def _near(self, at: float) -> bool:
        return abs(at - self.now) < _NEAR

    def _local(self, at: float) -> datetime:
        """Convert to local time, clamped to `fmt.END_OF_CALENDAR`: forecasts may exceed it."""
        within = max(0.0, min(fmt.END_OF_CALENDAR, at))
        return datetime.fromtimestamp(within, UTC).astimezone(self.zone)


def status_changes(
    samples: Sequence[Recorded], ended_at: float | None, calendar: Calendar
) -> Iterator[Change]:
    """Yield each status change, at its sample or, after a gap, between two samples.

    ended_at: the job's end by the API, UTC seconds; it dates the final change if it lies between
    the two samples.
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
        yield Change(ChangeKind.STATUS, since, until, f"{words} {when}", when)


def restarts(samples: Sequence[Recorded], calendar: Calendar) -> Iterator[Change]:
    """Yield a change for each fallen counter; counts before and after it are not comparable."""
    last: dict[str, int] = {}
    for sample in samples:
        counters = {"done": sample.counts.done, "total": sample.counts.objects}
        counts = {name: number for name, number in counters.items() if number is not None}
        fallen = next((name for name in counts if counts[name] < last.get(name, 0)), None)
        if fallen is not None:
            words = f"{fallen} fell from {last[fallen]:,} to {counts[fallen]:,}"
            at = calendar.moment(sample.at)
            yield Change(
                ChangeKind.RESTARTED, sample.at, None, f"{words} at {at}: counters restarted"
            )
            last.clear()
        last.update(counts)


def span_changes(seen: Iterable[Span], calendar: Calendar) -> Iterator[Change]:
    """Yield a change for each span in which a job was paused, stalled or unobserved."""
    for span in seen:
        if span.kind is SpanKind.WATCHED:
            continue
        words = f"{span.kind}: {calendar.range(span.since, span.until)}"
        long = f"{words} ({fmt.duration(span.seconds)})"
        yield Change(ChangeKind(span.kind.value), span.since, span.until, long)


def failing_changes(
    samples: Sequence[Recorded], since: float, calendar: Calendar
) -> Iterator[Change]:
    """Yield a change for each time in which a job was failing and that ended after `since`.

    The last one has no end if it has not ended.
    """
    window, begun = FailureWindow(), None
    for sample in samples:
        running = sample.status == "running"
        window = window.update(sample.counts, sample.at, running=running)
        if window.failing:
            begun = sample.at if begun is None else begun
        elif begun is not None:
            if sample.at > since:
                span = calendar.range(begun, sample.at)
                long = f"failing: {span} ({fmt.duration(sample.at - begun)})"
                yield Change(ChangeKind.FAILING, begun, sample.at, long)
            begun = None
    if begun is not None:
        earlier = " or earlier" if window.since is None else ""
        text = f"failing since {calendar.moment(begun)}{earlier}"
        yield Change(ChangeKind.FAILING, begun, None, text)


def verified_changes(view: JobView, since: float, calendar: Calendar) -> Iterator[Change]:
    """Yield what a verification that ended after `since` has found."""
    result = view.verification
    if result is None or not since < result.ended_at <= calendar.now:
        return
    more = len(result.jobs) - 1
    beside = f" with {fmt.counted(more, 'other job')}" if more else ""
    text = f"compared{beside} at {calendar.moment(result.ended_at)}: {proof_words(view)}"
    yield Change(ChangeKind.VERIFIED, result.ended_at, None, text)


def finish_moved(
    before: Forecast | None, after: Forecast | None, calendar: Calendar
) -> Iterator[Change]:
    """Yield a change if the new forecast contradicts the old one.

    None is yielded if both finishes are more than two weeks ahead.
    """
    if before is None or after is None or _consistent(before, after):
        return
    if calendar.is_far(before.low) and calendar.is_far(after.low):
        return
    is_now = _FAR
    if not calendar.is_far(after.low):
        low, high, least = after.low, after.high, after.at_least
        text = finish(low, high, calendar.now, calendar.zone, at_least=least)
        is_now = text or "not known"
    if calendar.is_far(before.low):
        was = _FAR
    elif before.at_least or calendar.is_far(before.high):
        was = f"not before {calendar.full(before.low)}"
    else:
        was = calendar.range(before.low, before.high)
    words = f"finish {_shift(before, after)}: {is_now}, was {was}"
    yield Change(ChangeKind.FINISH, after.made_at, None, words)


def _shift(before: Forecast, after: Forecast) -> str:
    """Describe how far the middle of the forecast moved; "now" if the old one was a lower bound."""
    if before.at_least:
        return "now"
    moved = after.low - before.high if after.at_least else _middle(after) - _middle(before)
    near = abs(moved) <= TOO_FAR
    span = fmt.duration(abs(moved)) if near else "more than 2 weeks"
    return f"{span} {'later' if moved > 0 else 'sooner'}"


def _middle(forecast: Forecast) -> float:
    return (forecast.low + forecast.high) / 2


def _consistent(before: Forecast, after: Forecast) -> bool:
    """Whether the new forecast is consistent with the old one."""
    if before.at_least:
        return after.at_least and after.low <= before.low
    if after.at_least:
        return after.low <= before.high
    return before.low <= _middle(after) <= before.high


NOTHING = "nothing to do"
_RANKS = {
    State.GONE: 0,
    State.ABORTED: 1,
    State.COMPLETED_WITH_LOSS: 2,
    State.OTHER: 3,
    State.STALLED: 4,
    State.FAILING: 5,
    State.PAUSED: 6,
    # 7: _FAILED
    State.COMPLETED_UNREAD: 8,
    State.RUNNING: 9,
    State.LISTING: 9,
    State.COMPLETED: 10,
    State.VERIFIED: 11,
}
_FAILED = 7
"""Rank of a job of which objects have failed, unless its state is worse."""


def rank(view: JobView) -> int:
    """Return a sort key, the worst jobs first; a job gone after its end has the rank of its end."""
    state = _state(view)
    if state is State.VERIFIED:
        return _RANKS[state]
    if view.ended and view.lacks:
        return _RANKS[State.COMPLETED_WITH_LOSS]
    verdict = view.verdict
    if state in (State.COMPLETED, State.COMPLETED_UNREAD):
        unproven = state is State.COMPLETED and not (verdict and verdict.clean)
        if unproven or verdict is None or verdict.counts_unknown:
            return _RANKS[State.COMPLETED_WITH_LOSS]
    if view.live and view.stale:
        return min(_RANKS[state], _RANKS[State.STALLED])
    return min(_RANKS[state], _FAILED) if view.counts.failed else _RANKS[state]


def _state(view: JobView) -> State:
    """Return a job's state, ignoring whether an ended job is gone."""
    return replace(view, gone=False).state if view.ended else view.state


def advice(view: JobView, samples: Sequence[Recorded], calendar: Calendar) -> str:
    """Return a short clause of advice; `NOTHING` if no action is needed.

    samples: the job's, oldest first. The text is not sanitised yet.
    """
    state = _state(view)
    if state is State.GONE:
        return "the API no longer knows it: look for it in the dashboard"
    if state is State.OTHER:
        return f"{view.word}: look up its meaning in the dashboard"
    if view.live and view.stale:
        since = "" if view.as_of is None else f" since {calendar.moment(view.as_of)}"
        return f"no answer{since}: check the connection and the token"
    if state is State.STALLED:
        begun = view.stalled_since
        span = "" if begun is None else f" for {fmt.duration(calendar.now - begun)}"
        return f"stalled{span}: watch it, or pause and resume it"
    if state is State.FAILING and view.failing:
        failing = view.failing
        of = f"{failing.failed:,} of {failing.done:,} objects in {failing.span}"
        return f"failing, {of}: see what failed"
    if state is State.PAUSED:
        return f"paused{_paused_since(samples, calendar)}: resume it when ready"
    if view.live:
        failed = view.counts.failed
        return f"{failed:,} failed so far: read its log" if failed else NOTHING
    return _after_end(view)


def _after_end(view: JobView) -> str:
    """Return the advice for an ended job: a verification knows more than the counters."""
    verdict, result = view.verdict, view.verification
    if view.verified:
        return NOTHING
    if result is not None and view.lacks:
        return f"{verdict_words(result)}: copy what is missing or differs"
    if verdict is None or verdict.failed is None or verdict.unaccounted is None:
        return f"{view.status}, counts unknown: look in the dashboard"
    if _state(view) is State.ABORTED:
        return f"aborted, {verdict.unaccounted:,} not done: start it again if needed"
    # Completed. A log that is not read yet needs no advice.
    lost = {
        "failed": verdict.failed,
        "not copied": verdict.at_least,
        "unaccounted": verdict.unaccounted,
    }
    losses = ", ".join(f"{number:,} {name}" for name, number in lost.items() if number)
    if not losses and verdict.unexplained:
        return f"completed: {verdict.unexplained:,} skipped, reasons unknown: compare both buckets"
    return f"completed: {losses}: see what failed" if losses else NOTHING


def _paused_since(samples: Sequence[Recorded], calendar: Calendar) -> str:
    """Return since when the job has been paused, as far as uninterrupted samples show."""
    first = None
    for sample in reversed(samples):
        if sample.status != "paused":
            return "" if first is None else f" since {calendar.moment(first)}"
        first = sample.at
        if sample.after_gap:
            break
    return "" if first is None else f" since {calendar.moment(first)} or earlier"


REPLAYED = 500
"""Samples before `since` that are replayed to compute the forecast of that time."""

LEAST_UNOBSERVED = 120.0
"""Seconds; unobserved spans shorter than this are not reported."""

_JUST_BEFORE = 600.0
"""Seconds; a gone job counts as news if it was last seen within this time before `since`."""


class JobDigest(msgspec.Struct, frozen=True):
    """One job's part of a digest.

    before: the last sample at or before `since`, else the first one after it; None for a job
    created after `since`. after: the newest sample. moved, newly_failed: objects done and failed
    between the two samples, or since `created`; None if unknown or a counter fell. per_second: mean
    rate of the moved objects, objects per second. verdict: None unless the job has ended. created:
    UTC seconds, None for a job created before `since`. changes: oldest first. advice: a short
    clause.
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
    changes: tuple[Change, ...] = ()
    advice: str = ""


class Digest(msgspec.Struct, frozen=True):
    """What happened to all jobs from `since` to `until` (UTC seconds), the worst job first.

    unobserved: spans in which no job was observed though one could have moved. quiet: number of
    jobs that had ended before and are not listed; quiet_loss: how many of those lost objects, or
    have unknown counts; quiet_unread: how many others skipped objects for unknown reasons. zone:
    time zone of the texts, None for local time.
    """

    since: float
    until: float
    jobs: tuple[JobDigest, ...] = ()
    unobserved: tuple[Span, ...] = ()
    quiet: int = 0
    quiet_loss: int = 0
    quiet_unread: int = 0
    zone: tzinfo | None = None

    @property
    def calendar(self) -> Calendar:
        """The formatter of the digest's times."""
        return Calendar(self.until, self.zone)


async def read_digest(
    history: Recorder,
    views: Sequence[JobView],
    since: float | None,
    until: float,
    zone: tzinfo | None,
    *,
    away_since: float | None = None,
) -> Digest:
    """Return a digest between two UTC seconds, based on the samples that exist.

    since: None for the start of the user's last absence: `away_since` or the last long gap in the
        history, if that is later.
    away_since: when the user last watched before this run, in UTC seconds; None if unknown or
        recent.
    """
    live = any(view.live for view in views)
    if since is None and away_since is not None and not live:
        since = away_since  # gaps in the samples of ended jobs prove nothing
    elif since is None:
        furthest = until - FURTHEST_ABSENCE
        lately = [view.key for view in views if view.live or (view.as_of or 0.0) > furthest]
        thinned = [await history.last_of_each(key, furthest, 60.0) for key in lately]
        since = max(default_since(thinned, until), away_since or 0.0)
    jobs = [(view, await _read_samples(history, view.key, since, until)) for view in views]
    return make_digest(jobs, since, until, zone)


async def _read_samples(
    history: Recorder, key: JobKey, since: float, until: float
) -> tuple[Recorded, ...]:
    """Return a job's samples: few long before `since`, all just before, some after."""
    near = since - _EARLIER_STEP
    earlier = await history.last_of_each(key, max(0.0, since - LOOK_BACK), _EARLIER_STEP)
    before = await history.samples(key, near, since)
    step = max(1.0, (until - since) / MOST_SAMPLES)
    after = await history.last_of_each(key, since, step)
    later = tuple(sample for sample in after if since < sample.at <= until)
    return (*(sample for sample in earlier if sample.at < near), *before, *later)


def make_digest(
    jobs: Sequence[tuple[JobView, tuple[Recorded, ...]]],
    since: float,
    until: float,
    zone: tzinfo | None = None,
) -> Digest:
    """Make the digest of jobs, each given with its samples, oldest first.

    Samples before `since` show the job's state at that time; a few hours of them are enough.
    """
    news = [(view, samples) for view, samples in jobs if not _quiet(view, samples, since)]
    quiet = [view for view, samples in jobs if _quiet(view, samples, since)]
    digests = [_job_digest(view, samples, since, Calendar(until, zone)) for view, samples in news]
    # Ids make the order total and stable.
    digests.sort(key=lambda job: (rank(job.view), -(job.moved or 0), job.view.key))
    observable_until = until
    if not any(view.live for view, _ in news):
        last = max((samples[-1].at for _, samples in news if samples), default=since)
        observable_until = min(until, last)
    holes = unobserved([samples for _, samples in news], since, observable_until)
    return Digest(
        since,
        until,
        tuple(digests),
        tuple(Span(SpanKind.UNOBSERVED, a, b) for a, b in holes if b - a >= LEAST_UNOBSERVED),
        quiet=len(quiet),
        quiet_loss=sum(map(_has_loss, quiet)),
        quiet_unread=sum(_state(view) is State.COMPLETED_UNREAD for view in quiet),
        zone=zone,
    )


def _has_loss(view: JobView) -> bool:
    """Whether objects of an ended job are lost, or its counts are unknown."""
    verdict = view.verdict
    if view.verified or view.lacks:
        return view.lacks
    if verdict is None or verdict.clean:
        return False
    return verdict.counts_unknown or _state(view) is not State.COMPLETED_UNREAD


def _quiet(view: JobView, samples: tuple[Recorded, ...], since: float) -> bool:
    """Whether a job is no news: it had ended or was gone well before `since`."""
    last = samples[-1] if samples else None
    if view.verification is not None and view.verification.ended_at > since:
        return False
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
    samples = samples[: bisect_right(samples, calendar.now, key=attrgetter("at"))]
    after, created = samples[-1] if samples else None, _created(view, since)
    before = _before(samples, since)
    compared = before if created is None else Recorded(created, Counts(0, 0, 0, 0), None)
    begun = since if created is None else created
    until = calendar.now if view.live or after is None else max(begun, after.at)
    changes, divided = _changes(view, samples, since, calendar), spans(samples, begun, until)
    final_since = until if view.live else _final_since(samples, until)
    reported = (
        span
        for span in divided
        if span.kind is not SpanKind.UNOBSERVED
        or (span.seconds >= LEAST_UNOBSERVED and span.since < final_since)
    )
    every = (*changes, *span_changes(reported, calendar))
    moved, failed, seconds = _difference(compared, after, changes)
    return JobDigest(
        view,
        before=before if created is None else None,
        after=after,
        moved=moved,
        per_second=moved / seconds if moved is not None and seconds > 0 else None,
        verdict=view.verdict if view.ended else None,
        observed_seconds=observed_seconds(divided),
        created=created,
        newly_failed=failed,
        changes=tuple(sorted(every, key=attrgetter("since"))),
        advice=advice(view, samples, calendar),
    )


def _final_since(samples: Sequence[Recorded], until: float) -> float:
    """Return when the job's final state was first seen; later spans do not matter."""
    final = until
    for sample in reversed(samples):
        if (sample.status, sample.counts) != (samples[-1].status, samples[-1].counts):
            break
        final = sample.at
    return final


def _before(samples: Sequence[Recorded], since: float) -> Recorded | None:
    """Return the last sample at or before `since`, else the first one after it."""
    place = max(0, bisect_right(samples, since, key=attrgetter("at")) - 1)
    return samples[place] if samples else None


def _created(view: JobView, since: float) -> float | None:
    """Return when the job was created (UTC seconds); None unless that was after `since`."""
    at = parse_time(view.job.created_at)
    return at if at is not None and at > since else None


def _difference(
    before: Recorded | None, after: Recorded | None, changes: Sequence[Change]
) -> tuple[int | None, int | None, float]:
    """Return objects done, objects failed and seconds between two samples.

    The numbers are None if the samples are not comparable.
    """
    fell = any(change.kind is ChangeKind.RESTARTED for change in changes)
    if before is None or after is None or before.at >= after.at or fell:
        return None, None, 0.0
    old, new = before.counts, after.counts
    return _less(new.done, old.done), _less(new.failed, old.failed), after.at - before.at


def _less(new: int | None, old: int | None) -> int | None:
    return None if new is None or old is None or new < old else new - old


def _changes(
    view: JobView, samples: tuple[Recorded, ...], since: float, calendar: Calendar
) -> tuple[Change, ...]:
    """Return the status changes, fallen counters, failing times, shift of the finish and proof."""
    place = max(0, bisect_right(samples, since, key=attrgetter("at")) - 1)
    compared = samples[place:]
    ended_at = parse_time(view.job.finished_at) if view.ended else None
    then = None
    if view.live and view.forecast is not None:
        # The forecast that was shown at `since`, replayed from the samples before it.
        earlier = [s for s in samples[: place + 1][-REPLAYED:] if s.at <= since]
        if earlier and earlier[-1].status == "running":
            series, at = Series(), earlier[-1].at
            series.seed(earlier, Moment(at, at), parse_time(view.job.created_at))
            then = series.forecast
    return (
        *status_changes(compared, ended_at, calendar),
        *restarts(compared, calendar),
        *failing_changes(samples, since, calendar),
        *finish_moved(then, view.forecast, calendar),
        *verified_changes(view, since, calendar),
    )


_MOST_SPANS = 2
"""Spans of one kind that are listed individually, at most; more are summed up in one line."""

_SHORTEST_SPAN = 60.0
"""Seconds; pauses and stalls shorter than this have no line of their own."""


def head_words(digest: Digest) -> str:
    """Return the digest's duration and start: `Away 14 h 20 min, since Mon 18:00`."""
    if digest.until <= digest.since:
        return "There is no earlier look to compare with"
    long = fmt.duration(digest.until - digest.since)
    since = f"since {digest.calendar.full(digest.since)}"
    unobserved_until = digest.since  # moments of observation are ignored
    for span in digest.unobserved:
        if span.since - unobserved_until < LEAST_UNOBSERVED:
            unobserved_until = span.until
    away = unobserved_until > digest.since and digest.until - unobserved_until < ABSENCE
    return f"Away {long}, {since}" if away else f"The last {long}, {since}"


def unobserved_words(digest: Digest) -> list[str]:
    """Return the unobserved times: `unobserved: Mon 18:00`, an en dash, `Tue 08:20`."""
    ranges = [digest.calendar.range(span.since, span.until) for span in digest.unobserved]
    if len(ranges) <= _MOST_SPANS:
        return [f"unobserved: {', '.join(ranges)}"] if ranges else []
    total = fmt.duration(sum(span.seconds for span in digest.unobserved))
    return [f"unobserved {len(ranges)} times, {total} in all, last {ranges[-1]}"]


def moved_words(job: JobDigest) -> str:
    """Return the moved objects and their mean rate: `+812,004 at 61/s`, or why they are unknown."""
    if job.moved:
        return f"+{job.moved:,} at {fmt.rate(job.per_second)}/s"
    if job.moved == 0:
        return "nothing moved"
    if job.after is None:
        return "never observed"
    if any(change.kind is ChangeKind.RESTARTED for change in job.changes):
        return "counters restarted"
    if job.before is not None and job.before.at >= job.after.at:
        absent = job.view.gone or job.view.stale or job.view.from_history
        return "not seen since" if absent else "first seen"
    return "moved: unknown"


def job_words(job: JobDigest, digest: Digest) -> Iterator[str]:
    """Yield one line per change of a job that neither the digest's head nor the status shows."""
    if job.created is not None:
        yield f"created at {digest.calendar.moment(job.created)}"
    if job.verdict is not None:
        last = _last_status_change(job)
        yield f"{job.verdict.text} · {last.when}" if last else job.verdict.text
    elif job.newly_failed:
        yield f"{job.newly_failed:,} more failed, {job.view.counts.failed or 0:,} in all"
    changes = [change for change in job.changes if not _is_shown(change, job, digest)]
    for change in changes:
        same = [other for other in changes if other.kind is change.kind]
        if change.until is None or change.kind is ChangeKind.STATUS or len(same) <= _MOST_SPANS:
            yield change.text
        elif change is same[-1]:
            total = fmt.duration(sum((e.until or e.since) - e.since for e in same))
            range = digest.calendar.range(change.since, change.until)
            yield f"{change.kind} {len(same)} times, {total} in all, last {range}"


def _last_status_change(job: JobDigest) -> Change | None:
    changes = (change for change in reversed(job.changes) if change.kind is ChangeKind.STATUS)
    return next(changes, None)


def _is_shown(change: Change, job: JobDigest, digest: Digest) -> bool:
    """Whether a change needs no line: shown in the head, verdict or a pause, or too short."""
    until = change.since if change.until is None else change.until
    if change.kind is ChangeKind.UNOBSERVED:
        return any(
            span.since - LEAST_UNOBSERVED < change.since and until < span.until + LEAST_UNOBSERVED
            for span in digest.unobserved
        )
    if change.kind in {ChangeKind.PAUSED, ChangeKind.STALLED}:
        return until - change.since < _SHORTEST_SPAN
    if change.kind is not ChangeKind.STATUS:
        return False
    if job.verdict is not None and change is _last_status_change(job):
        return True
    pauses = (c for c in job.changes if c.kind is ChangeKind.PAUSED)
    return change.until is None and any(
        change.since in (pause.since, pause.until) and not _is_shown(pause, job, digest)
        for pause in pauses
    )


def quiet_words(digest: Digest) -> str:
    """Return one line about the jobs that are not listed; "" if there are none."""
    if not digest.quiet:
        return ""
    jobs = fmt.counted(digest.quiet, "other job")
    loss = f", {digest.quiet_loss:,} with losses" if digest.quiet_loss else ""
    unread = f", {digest.quiet_unread:,} skipped objects for unknown reasons"
    return f"{jobs} ended before{loss}{unread if digest.quiet_unread else ''}: nothing new"


def jobs_with_advice(digest: Digest) -> list[JobDigest]:
    """Return the jobs that need an action, the worst first."""
    return [job for job in digest.jobs if job.advice and job.advice != NOTHING]
