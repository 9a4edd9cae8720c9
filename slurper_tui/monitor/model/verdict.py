"""Percentages and verdicts, computed from the four counters of a job."""

from __future__ import annotations

from collections.abc import Iterator

from slurper_tui.monitor.model.job import Counts, Verdict
from slurper_tui.monitor.model.logs import BROKE_TYPE, Cause, LogCounts, cause_of, reason_of


def percent_of(done: int | None, objects: int | None, *, finished: bool) -> int | None:
    """Return done / objects in whole percent, rounded down; None when unknown.

    At most 99 unless finished. finished: the API reports every counted job as `completed`.
    """
    if done is None or not objects:
        return None
    return min(100 if finished else 99, done * 100 // objects)


def percent(counts: Counts, status: str | None) -> int | None:
    """Return a job's percentage, see `percent_of`."""
    return percent_of(counts.done, counts.objects, finished=status == "completed")


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
    if log is not None:
        words.extend(_skips(counts, log))
    if counts.remaining is not None:
        left = "unaccounted" if status == "completed" else "not done"
        words.append(f"{counts.remaining:,} {left}")
    if counts.objects is not None and counts.done is not None and counts.exceeded:
        words.append(f"counts exceed the total by {counts.done - counts.objects:,}")
    if counts.failed is None or counts.remaining is None:
        words.append("counts unknown")
    broke = log is not None and log.listing_broke
    if broke:
        words.append(reason_of(BROKE_TYPE))
    number = not_copied(counts, log)
    return Verdict(" · ".join(words), counts.failed, number, counts.remaining, broke)


def not_copied(counts: Counts, log: LogCounts | None) -> int | None:
    """Return how many skipped objects are not in the target; None unless the log proves it."""
    if log is None or not log.whole:
        return None
    all_named = counts.skipped is not None and log.not_copied >= counts.skipped
    proved = all_named or log.accounts_for(counts.failed)
    return log.not_copied if proved else None


def _skips(counts: Counts, log: LogCounts) -> Iterator[str]:
    """Yield how many objects were not copied with the reasons, the most frequent first.

    If a completely read log lacks rows for some failures, skipped objects without a row are
    reported as "reasons unknown".
    """
    number = not_copied(counts, log)
    if number is not None or log.not_copied:
        kinds = [
            (-number, reason_of(log_type))
            for log_type, number in log.by_type.items()
            if number and cause_of(log_type) is Cause.NOT_COPIED
        ]
        reasons = ", ".join(f"{-negative:,} {why}" for negative, why in sorted(kinds))
        least = "at least " if number is None else ""
        yield f"{least}{log.not_copied:,} not copied" + (f" ({reasons})" if reasons else "")
    unknown = max(0, (counts.skipped or 0) - log.not_copied)
    if number is None and log.whole and unknown:
        yield f"{unknown:,} skipped, reasons unknown"
