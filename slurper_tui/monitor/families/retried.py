"""The counts of several jobs together, each object once, whatever was tried again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from slurper_tui.monitor.families.repeated import Retry, each_once, of_failures, of_skips
from slurper_tui.monitor.model.events import Tie
from slurper_tui.monitor.model.job import Counts, JobView


class Together(NamedTuple):
    """Counts of several jobs. not_copied: skipped objects that are not in the target.

    What one of the jobs does not tell is None; so is `not_copied` while a log was not read that
    may name some.
    """

    counts: Counts
    not_copied: int | None


class _Moved(NamedTuple):
    """What became of objects that were tried again: from one counter to another."""

    failed_to_transferred: int = 0
    failed_to_skipped: int = 0
    skipped_to_transferred: int = 0
    skipped_to_failed: int = 0


def together(roots: Sequence[JobView], retries: Iterable[Retry]) -> Together:
    """Add the counts of jobs up, and let what retries did take the place of what they retried.

    roots: jobs that retry no other of them. A retry adds no objects; what it has not told yet is
    still to come.
    """
    counts = Counts(
        total(view.counts.objects for view in roots),
        total(view.counts.transferred for view in roots),
        total(view.counts.skipped for view in roots),
        total(view.counts.failed for view in roots),
    )
    news = each_once(roots, tuple(retries))
    return reduce(_after, news, Together(counts, total(map(_not_copied, roots))))


def total(numbers: Iterable[int | None]) -> int | None:
    """The sum, or None where one of them is unknown."""
    known = tuple(numbers)
    some = [number for number in known if number is not None]
    return sum(some) if len(some) == len(known) else None


def _not_copied(view: JobView) -> int | None:
    """A job that has skipped nothing needs no log for it."""
    return 0 if view.counts.skipped == 0 else view.not_copied


def _after(before: Together, retry: Retry) -> Together:
    tie, child = retry
    moved = _moved(before.counts, tie, child.counts)
    if moved is None:
        return before
    counts = before.counts
    left = before.not_copied
    if left is not None:
        left -= min(left, moved.skipped_to_transferred + moved.skipped_to_failed)
        left = total([left, _not_copied(child) if moved.failed_to_skipped else 0])
    return Together(_with(counts, moved), left)


def _with(counts: Counts, moved: _Moved) -> Counts:
    to_transferred = moved.failed_to_transferred + moved.skipped_to_transferred
    from_failed = moved.failed_to_transferred + moved.failed_to_skipped
    from_skipped = moved.skipped_to_transferred + moved.skipped_to_failed
    return Counts(
        counts.objects,
        (counts.transferred or 0) + to_transferred,
        (counts.skipped or 0) + moved.failed_to_skipped - from_skipped,
        (counts.failed or 0) + moved.skipped_to_failed - from_failed,
    )


def _moved(counts: Counts, tie: Tie, child: Counts) -> _Moved | None:
    """Which objects a retry moved, as far as the two told; None where that cannot be said.

    Of a retry of both kinds, what was copied is taken off the failed first, and what failed or was
    skipped again stays where it was.
    """
    if counts.transferred is None or counts.skipped is None or counts.failed is None:
        return None
    copied = child.transferred or 0
    failures, skips = of_failures(tie), of_skips(tie)
    one = min(counts.failed, copied) if failures else 0
    other = min(counts.skipped, copied - one) if skips else 0
    if failures and skips:
        return _Moved(one, 0, other, 0)
    return _Moved(
        one,
        min(counts.failed - one, child.skipped or 0) if failures else 0,
        other,
        min(counts.skipped - other, child.failed or 0) if skips else 0,
    )
