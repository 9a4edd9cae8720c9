"""The texts of a digest, used by the screen and the command line; they are not sanitised yet."""

from __future__ import annotations

from collections.abc import Iterator

from slurper_tui import format as fmt
from slurper_tui.monitor.reports.digest import (
    NOTHING,
    WORTH_TELLING,
    Calendar,
    Digest,
    Event,
    JobDigest,
    Kind,
)
from slurper_tui.monitor.reports.observed import ABSENCE, Span

_TOLD_SINGLY = 2
"""Spans of one kind that are listed individually, at most; more are summed up in one line."""

_HARDLY = 60.0
"""Seconds; pauses and stalls shorter than this have no line of their own."""


def head_words(digest: Digest) -> str:
    """Return the digest's duration and start: `Away 14 h 20 min, since Mon 18:00`."""
    if digest.until <= digest.since:
        return "There is no earlier look to compare with"
    long = fmt.duration(digest.until - digest.since)
    since = f"since {digest.calendar.full(digest.since)}"
    return f"Away {long}, {since}" if _away(digest) else f"The last {long}, {since}"


def _away(digest: Digest) -> bool:
    """Whether nearly all of the time is unobserved, ignoring moments of observation."""
    until = digest.since
    for span in digest.unobserved:
        if span.since - until < WORTH_TELLING:
            until = span.until
    return until > digest.since and digest.until - until < ABSENCE


def unobserved_words(digest: Digest) -> list[str]:
    """Return the unobserved times: `unobserved: Mon 18:00`, an en dash, `Tue 08:20`."""
    ranges = [digest.calendar.range(span.since, span.until) for span in digest.unobserved]
    if len(ranges) <= _TOLD_SINGLY:
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
        return "never seen"
    if any(event.kind is Kind.RESTARTED for event in job.events):
        return "counted anew"
    if job.before is not None and job.before.at >= job.after.at:
        absent = job.view.gone or job.view.stale or job.view.remembered
        return "not seen since" if absent else "first seen"
    return "moved: unknown"


def job_words(job: JobDigest, digest: Digest) -> list[str]:
    """Return one line per event of a job that neither the digest's head nor the status shows."""
    created = []
    if job.created is not None:
        created = [f"created at {digest.calendar.moment(job.created)}"]
    failed = []
    if job.newly_failed and job.verdict is None:
        failed = [f"{job.newly_failed:,} more failed, {job.view.counts.failed or 0:,} in all"]
    told = [event for event in job.events if not _known(event, job, digest)]
    return [*created, *_end(job), *failed, *_summed(told, digest.calendar)]


def _end(job: JobDigest) -> Iterator[str]:
    """Yield the verdict with the time of the final status change."""
    if job.verdict is not None:
        change = _last_change(job)
        yield f"{job.verdict.text} · {change.when}" if change else job.verdict.text


def _last_change(job: JobDigest) -> Event | None:
    changes = (event for event in reversed(job.events) if event.kind is Kind.STATUS)
    return next(changes, None)


def _known(event: Event, job: JobDigest, digest: Digest) -> bool:
    """Whether an event needs no line: shown in the head, verdict or a pause, or too short."""
    until = event.since if event.until is None else event.until
    if event.kind is Kind.UNOBSERVED:
        return any(_within(span, event.since, until) for span in digest.unobserved)
    if event.kind in {Kind.PAUSED, Kind.STALLED}:
        return until - event.since < _HARDLY
    if event.kind is not Kind.STATUS:
        return False
    pauses = [e for e in job.events if e.kind is Kind.PAUSED and not _known(e, job, digest)]
    in_pause = any(event.since in (pause.since, pause.until) for pause in pauses)
    return (job.verdict is not None and event is _last_change(job)) or (
        event.until is None and in_pause
    )


def _within(span: Span, since: float, until: float) -> bool:
    return span.since - WORTH_TELLING < since and until < span.until + WORTH_TELLING


def _summed(events: list[Event], calendar: Calendar) -> Iterator[str]:
    """Yield every event's text; more than `_TOLD_SINGLY` spans of a kind become one line."""
    for event in events:
        same = [other for other in events if other.kind is event.kind]
        if event.until is None or event.kind is Kind.STATUS or len(same) <= _TOLD_SINGLY:
            yield event.words
        elif event is same[-1]:
            total = fmt.duration(sum((e.until or e.since) - e.since for e in same))
            last = calendar.range(event.since, event.until)
            yield f"{event.kind} {len(same)} times, {total} in all, last {last}"


def quiet_words(digest: Digest) -> str:
    """Return one line about the jobs that are not listed; "" if there are none."""
    if not digest.quiet:
        return ""
    jobs = "1 other job" if digest.quiet == 1 else f"{digest.quiet:,} other jobs"
    loss = f", {digest.quiet_loss:,} with losses" if digest.quiet_loss else ""
    return f"{jobs} ended before{loss}: nothing new"


def todo_list(digest: Digest) -> list[JobDigest]:
    """Return the jobs that need an action, the worst first."""
    return [job for job in digest.jobs if job.todo and job.todo != NOTHING]
