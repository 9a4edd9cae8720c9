"""What part of a bucket each job copies: which do the same twice, and which are done again.

Retries that try the same objects once more: what each brings that no earlier one has.

The counts of several jobs together, each object once, whatever was tried again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, reduce
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.format import parse_time
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


MOST_OVERLAPS = 100
"""So many pairs say enough."""

# The times of a job never change, and are looked at with every answer.
_time = lru_cache(maxsize=2**16)(parse_time)


class Scope(msgspec.Struct, frozen=True):
    """The objects that a job copies, and when. prefix: None for a list of keys.

    begun, ended: UTC seconds; infinite where unknown, or while it has not ended.
    """

    key: JobKey
    prefix: str | None
    begun: float
    ended: float
    counts: bool

    def beside(self, other: Scope) -> bool:
        """Both ran at the same time."""
        return self.begun < other.ended and other.begun < self.ended


def scope_of(view: JobView) -> Scope:
    """What a job copies, and when. counts: it does all of it, as far as anybody knows."""
    known: Scope | None = vars(view).get("scope")
    if known is None:
        known = vars(view)["scope"] = _scope(view)
    return known


def _scope(view: JobView) -> Scope:
    source = view.job.source
    listed = source is None or source.keys is None
    prefix = (source.path_prefix if source else None) or ""
    begun, finished = _time(view.job.created_at), _time(view.job.finished_at)
    over = view.ended and finished is not None
    return Scope(
        view.key,
        prefix if listed else None,
        -math.inf if begun is None else begun,
        finished if over and finished is not None else math.inf,
        view.live or view.status == "completed",
    )


def superseded(views: Sequence[JobView], retries: Mapping[JobKey, JobKey]) -> frozenset[JobKey]:
    """Jobs that ended before another began that copies all of theirs again, and their retries.

    One that was aborted, or is gone, has done nothing again.
    """
    scopes = [scope_of(view) for view in views]
    latest: dict[str, float] = {}
    for scope in scopes:
        if scope.counts and scope.prefix is not None and scope.key not in retries:
            latest[scope.prefix] = max(scope.begun, latest.get(scope.prefix, -math.inf))
    lengths = sorted({len(prefix) for prefix in latest})
    over = {scope.key for scope in scopes if _done_again(scope, latest, lengths)}
    for _ in retries:
        more = {child for child, parent in retries.items() if parent in over} - over
        if not more:
            break
        over |= more
    return frozenset(over)


def _done_again(scope: Scope, latest: Mapping[str, float], lengths: Sequence[int]) -> bool:
    if math.isinf(scope.ended):
        return False
    begun = max((latest[p] for p in _outer(scope.prefix or "", latest, lengths)), default=-math.inf)
    return begun >= scope.ended and begun > scope.begun


def overlaps(views: Sequence[JobView], aside: Collection[JobKey]) -> tuple[Overlap, ...]:
    """Pairs of jobs of which one's prefix begins the other's, and that ran at the same time.

    A job without a prefix copies everything. While one of the jobs is live, pairs of which both
    have ended are past. aside: jobs that do not count; nor do lists of keys.
    """
    by_prefix: dict[str, list[Scope]] = {}
    scopes = [scope_of(view) for view in views if view.key not in aside]
    for scope in scopes:
        if scope.prefix is not None:
            by_prefix.setdefault(scope.prefix, []).append(scope)
    live = {view.key for view in views if view.live}
    pairs = (pair for pair in _pairs(by_prefix) if not live or not live.isdisjoint(pair))
    return tuple(pair for pair, _ in zip(pairs, range(MOST_OVERLAPS), strict=False))


def _pairs(by_prefix: Mapping[str, Sequence[Scope]]) -> Iterator[Overlap]:
    lengths = sorted({len(prefix) for prefix in by_prefix})
    for prefix, scopes in by_prefix.items():
        outer = [one for p in _outer(prefix, by_prefix, lengths) for one in by_prefix[p]]
        for number, scope in enumerate(scopes, len(outer) - len(scopes)):
            # Those of the very same prefix stand last; each pair of them is told once.
            yield from (Overlap(scope.key, one.key) for one in outer[:number] if scope.beside(one))


def _outer(prefix: str, known: Collection[str], lengths: Sequence[int]) -> Iterator[str]:
    """The known prefixes that this one begins with, the shortest first and itself last."""
    for length in lengths:
        if length > len(prefix):
            return
        if prefix[:length] in known:
            yield prefix[:length]


class Overlap(NamedTuple):
    """Two jobs that may copy the same objects: what one copies begins as what the other does."""

    inner: JobKey
    outer: JobKey
