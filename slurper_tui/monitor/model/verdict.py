"""Verdicts of ended jobs from their four counters and their log, and the views of stored jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.monitor.model.base import STEADY_SECONDS
from slurper_tui.monitor.model.job import (
    PHASE_AT_REST,
    Counts,
    JobView,
    Phase,
    Total,
    Verdict,
    has_ended,
    job_time,
    percent_of,
)
from slurper_tui.monitor.model.logs import BROKE_TYPE, Cause, LogCounts, cause_of, reason_of

if TYPE_CHECKING:
    from slurper_tui.monitor.model.samples import StoredJob


def verdict(counts: Counts, status: str | None, log: LogCounts | None = None) -> Verdict | None:
    """Return how an ended job reconciles; None while it has not ended.

    `Verdict.unaccounted` is objects - done: unexplained for a completed job, never attempted for an
    aborted one.

    log: row counts of the job's log; None before it was read. Skipped objects with a row in the log
    are not in the target. If the log was read in part, or lacks rows for some failures, the number
    of objects not copied is a lower bound.
    """
    if status not in {"completed", "aborted"}:
        return None
    words = [status]
    if counts.failed is not None:
        words.append(f"{counts.failed:,} failed")
    number, least = not_copied(counts, log), log.not_copied if log else 0
    unread = unexplained = 0
    if number is None:
        others = max(0, (counts.skipped or 0) - least)
        unread, unexplained = (0, others) if log is not None and log.whole else (others, 0)
    if log is not None and (least or (number is not None and log.whole)):
        words.append(_not_copied_words(log, exact=number is not None))
    words += doubt_words(unread, unexplained)
    if counts.remaining is not None:
        words.append(f"{counts.remaining:,} {remaining_word(status)}")
    if counts.objects is not None and counts.done is not None and counts.exceeded:
        words.append(f"counts exceed the total by {counts.done - counts.objects:,}")
    if counts.failed is None or counts.remaining is None:
        words.append("counts unknown")
    broke = log is not None and log.listing_broke
    if broke:
        words.append(reason_of(BROKE_TYPE))
    return Verdict(
        " · ".join(words),
        counts.failed,
        number,
        counts.remaining,
        broke,
        at_least=least,
        unread=unread,
        unexplained=unexplained,
    )


def remaining_word(status: str | None) -> str:
    """Return what the objects are that an ended job did not finish."""
    return "unaccounted" if status == "completed" else "not done"


def with_log(view: JobView, log: LogCounts | None, *, as_is: bool = False) -> JobView:
    """Return a view whose verdict and uncopied objects are those of its counts and this log.

    log: row counts; None before it was read.
    as_is: more rows cannot follow. Otherwise the log counts as incomplete unless it was read long
        enough after the job ended.
    """
    if log is not None and view.ended and not (as_is or log.covers(end_of(view))):
        log = replace(log, whole=False)
    number = not_copied(view.counts, log)
    return replace(
        view,
        verdict=verdict(view.counts, view.status, log),
        not_copied=number,
        not_copied_at_least=number or (log.not_copied if log else 0),
        log=log,
        listing_broke=log is not None and log.listing_broke,
    )


def stored_view(stored: StoredJob) -> JobView:
    """Return the view of a stored job, shown until it is polled."""
    job, last = stored.job, stored.last
    status = last.status if last else job.status
    ended = has_ended(job, status)
    proof = stored.verification
    view = JobView(stored.account_id, job, status=status, ended=ended, verification=proof)
    if last is None:
        return view
    stalled = Phase.STALLED if last.stalled and status == "running" else None
    view = replace(
        view,
        phase=Phase.ENDED if ended else PHASE_AT_REST.get(status or "", stalled),
        counts=last.counts,
        percent=percent_of(last.counts.done, last.counts.objects, finished=status == "completed"),
        total=Total.FINAL if ended else Total.PROVISIONAL,
        as_of=last.at,
        from_history=True,
    )
    return with_log(view, stored.log)


def end_of(view: JobView) -> float:
    """Return when an ended job ended, in UTC seconds; without a valid time, before its counts."""
    ended = job_time(view.job.finished_at)
    return (view.as_of or 0.0) - STEADY_SECONDS if ended is None else ended


def not_copied(counts: Counts, log: LogCounts | None) -> int | None:
    """Return how many skipped objects are not in the target; None if that is not known.

    Nothing that was not skipped counts. Otherwise the log must prove the number: it was read to its
    end and has a row for each skipped object, or for each failure of the counter.
    """
    named = log.not_copied if log else 0
    if log is None or not log.whole:
        return 0 if counts.skipped == 0 == named else None
    all_named = counts.skipped is not None and named >= counts.skipped
    return named if all_named or log.accounts_for(counts.failed) else None


def doubt_words(unread: int, unexplained: int) -> Iterator[str]:
    """Yield how many skipped objects may not be in the target, see `Verdict`."""
    if unread:
        yield f"{unread:,} skipped, reasons not read yet"
    if unexplained:
        yield f"{unexplained:,} skipped, reasons unknown"


def _not_copied_words(log: LogCounts, *, exact: bool) -> str:
    """Return how many objects were not copied with the reasons, the most frequent first."""
    kinds = [
        (-number, reason_of(log_type))
        for log_type, number in log.by_type.items()
        if number and cause_of(log_type) is Cause.NOT_COPIED
    ]
    reasons = ", ".join(f"{-negative:,} {why}" for negative, why in sorted(kinds))
    least = "" if exact else "at least "
    return f"{least}{log.not_copied:,} not copied" + (f" ({reasons})" if reasons else "")
