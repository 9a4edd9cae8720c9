"""Percentages and verdicts: what the four counters of a job amount to."""

from __future__ import annotations

from slurper_tui.monitor.view import Counts, Verdict


def percent(counts: Counts, status: str | None) -> int | None:
    """done / objects in whole percent, rounded down; below 100 until the API says `completed`."""
    if counts.done is None or not counts.objects:
        return None
    most = 100 if status == "completed" else 99
    return min(most, counts.done * 100 // counts.objects)


def verdict(counts: Counts, status: str | None, not_copied: int | None = None) -> Verdict | None:
    """How an ended job reconciles; None while it has not ended.

    unaccounted is objects - done: for a completed job what nobody can explain, for an aborted one
    what was never done. not_copied: skipped objects that the log shows as not being in the target;
    None while the log has not been asked.
    """
    if status not in {"completed", "aborted"}:
        return None
    words = [status]
    if counts.failed is not None:
        words.append(f"{counts.failed:,} failed")
    if not_copied is not None:
        words.append(f"{not_copied:,} not copied")
    if counts.remaining is not None:
        left = "unaccounted" if status == "completed" else "not done"
        words.append(f"{counts.remaining:,} {left}")
    if surplus := _surplus(counts):
        words.append(f"counts exceed the total by {surplus:,}")
    if counts.failed is None or counts.remaining is None:
        words.append("counts unknown")
    return Verdict(" · ".join(words), counts.failed, not_copied, counts.remaining)


def _surplus(counts: Counts) -> int:
    if counts.objects is None or counts.done is None:
        return 0
    return max(0, counts.done - counts.objects)
