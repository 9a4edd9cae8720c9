"""The texts of a digest, used by the screen and the command line; they are not sanitised yet."""

from __future__ import annotations

from collections.abc import Iterator

from slurper_tui import format as fmt
from slurper_tui.monitor.reports.digest import (
    LEAST_UNOBSERVED,
    NOTHING,
    Change,
    ChangeKind,
    Digest,
    JobDigest,
)
from slurper_tui.monitor.reports.observed import ABSENCE, Span

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
    return f"Away {long}, {since}" if _away(digest) else f"The last {long}, {since}"


def _away(digest: Digest) -> bool:
    """Whether nearly all of the time is unobserved, ignoring moments of observation."""
    until = digest.since
    for span in digest.unobserved:
        if span.since - until < LEAST_UNOBSERVED:
            until = span.until
    return until > digest.since and digest.until - until < ABSENCE


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
        return "never seen"
    if any(change.kind is ChangeKind.RESTARTED for change in job.changes):
        return "counted anew"
    if job.before is not None and job.before.at >= job.after.at:
        absent = job.view.gone or job.view.stale or job.view.remembered
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
        return any(_within(span, change.since, until) for span in digest.unobserved)
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


def _within(span: Span, since: float, until: float) -> bool:
    return span.since - LEAST_UNOBSERVED < since and until < span.until + LEAST_UNOBSERVED


def quiet_words(digest: Digest) -> str:
    """Return one line about the jobs that are not listed; "" if there are none."""
    if not digest.quiet:
        return ""
    jobs = "1 other job" if digest.quiet == 1 else f"{digest.quiet:,} other jobs"
    loss = f", {digest.quiet_loss:,} with losses" if digest.quiet_loss else ""
    return f"{jobs} ended before{loss}: nothing new"


def jobs_with_advice(digest: Digest) -> list[JobDigest]:
    """Return the jobs that need an action, the worst first."""
    return [job for job in digest.jobs if job.advice and job.advice != NOTHING]
