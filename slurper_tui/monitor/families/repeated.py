"""Retries that try the same objects once more: what each brings that no earlier one has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Tie
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE, Cause, cause_of

Retry = tuple[Tie, JobView]
"""How a job is tied to the one whose failures it copies again, and the job itself."""


def each_once(roots: Sequence[JobView], retries: Sequence[Retry]) -> Iterator[Retry]:
    """The retries in their order, each with the counts of what it alone has brought.

    roots: jobs that retry no other of them.
    """
    by_key = {view.key: view for view in (*roots, *(child for _, child in retries))}
    tried = dict[tuple[JobKey, frozenset[str]], _Tried]()
    for tie, child in retries:
        whose = (tie.parent, frozenset(tie.log_types))
        if whose not in tried:
            tried[whose] = _Tried(_left(tie, by_key.get(tie.parent)))
        yield tried[whose].news(tie, child)


def of_failures(tie: Tie) -> bool:
    """It retries what failed."""
    return not tie.log_types or FAILED_TYPE in tie.log_types


def of_skips(tie: Tie) -> bool:
    """It retries what was not copied."""
    return any(cause_of(log_type) is Cause.NOT_COPIED for log_type in tie.log_types)


def _left(tie: Tie, parent: JobView | None) -> int | None:
    """How many objects of the kinds that are tried again a job left; None where unknown."""
    if parent is None:
        return None
    skips = parent.counts.skipped if parent.not_copied is None else parent.not_copied
    kinds = [parent.counts.failed] * of_failures(tie) + [skips] * of_skips(tie)
    return None if None in kinds else sum(kind or 0 for kind in kinds)


class _Tried:
    """What retries of one job have brought so far. left: how many objects there are to try.

    Lists of keys that find room beside each other in what was left hold different keys. With the
    first that does not, a new turn begins: it may hold any of the keys that were tried before, and
    is believed to bring what the earlier turns cannot have brought, and no more.
    """

    def __init__(self, left: int | None) -> None:
        self._left = left
        self._keys = 0
        self._brought_in_turn = 0
        self._brought = 0
        self._repeats = False

    def news(self, tie: Tie, child: JobView) -> Retry:
        """Take a retry in; give it with what it alone has brought."""
        counts, left = child.counts, self._left
        copied, skipped = counts.transferred or 0, counts.skipped or 0
        if left is None:
            return tie, child
        if self._keys and self._keys + tie.keys > left:
            self._keys = self._brought_in_turn = 0
            self._repeats = True
        self._keys += tie.keys
        self._brought_in_turn += copied + skipped
        # Where nothing is overwritten, what is copied was not in the target before.
        surely = copied if child.job.overwrite is False else 0
        brought = min(left, max(self._brought + surely, self._brought_in_turn))
        new, self._brought = max(0, brought - self._brought), max(brought, self._brought)
        copied, failed = min(copied, new), counts.failed
        if self._repeats:
            # What failed in an earlier retry counts as failed, whatever it was before.
            tie, failed = replace(tie, log_types=(FAILED_TYPE, *tie.log_types)), 0
        return tie, replace(child, counts=Counts(counts.objects, copied, new - copied, failed))
