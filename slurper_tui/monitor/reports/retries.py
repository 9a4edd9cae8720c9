"""Sums the counts of several jobs so that each object counts once.

`together` adds counts up and moves retried objects between counters; `each_once` limits each
retry's counts to objects that no earlier retry of the same objects has copied. `superseded` finds
jobs that a later job repeats completely, `overlaps` finds jobs that copied the same prefix at the
same time. `keys_left` lists each failed object once, without those that a retry has copied.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey, total
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.job import Counts, JobView, job_time
from slurper_tui.monitor.model.logs import FAILED_TYPE, Cause, cause_of

if TYPE_CHECKING:
    from slurper_tui.api.objects import ListedObject
    from slurper_tui.monitor.logs.reader import FailingObjects
    from slurper_tui.monitor.model.logs import FailuresView

Retry = tuple[RetryLink, JobView]
"""The link between a retry and the job that it retries, and the retry's view."""


def each_once(roots: Sequence[JobView], retries: Sequence[Retry]) -> Iterator[Retry]:
    """Yield the retries in order, each with the counts of objects that it alone has copied.

    roots: the jobs that retry no other of the jobs.
    """
    by_key = {view.key: view for view in (*roots, *(child for _, child in retries))}
    tried = dict[tuple[JobKey, frozenset[str]], _Tried]()
    for link, child in retries:
        group = (link.parent, frozenset(link.log_types))
        if group not in tried:
            tried[group] = _Tried(_left(link, by_key.get(link.parent)))
        yield tried[group].add(link, child)


def of_failures(link: RetryLink) -> bool:
    """Whether the retry copies failed objects; a link without log types does."""
    return not link.log_types or FAILED_TYPE in link.log_types


def of_skips(link: RetryLink) -> bool:
    """Whether the retry copies skipped objects that are not in the target."""
    return any(cause_of(log_type) is Cause.NOT_COPIED for log_type in link.log_types)


def _left(link: RetryLink, parent: JobView | None) -> int | None:
    """Return how many objects of the retried kinds a job left over; None if unknown."""
    if parent is None:
        return None
    skips = parent.counts.skipped if parent.not_copied is None else parent.not_copied
    kinds = [parent.counts.failed] * of_failures(link) + [skips] * of_skips(link)
    return total(kinds)


class _Tried:
    """The objects that retries of one job have copied; keys are unknown, so counts decide.

    left: number of objects to retry, None if unknown. As long as the retries' key lists together
    fit into `left`, they are taken to be disjoint. The first list that does not fit begins a new
    turn: it may repeat any earlier key, and counts only objects that the earlier turns cannot have
    copied.
    """

    def __init__(self, left: int | None) -> None:
        self._left = left
        self._keys = 0
        self._brought_in_turn = 0
        self._brought = 0
        self._repeats = False

    def add(self, link: RetryLink, child: JobView) -> Retry:
        """Add a retry; return it with the counts of objects that it alone has copied."""
        counts, left = child.counts, self._left
        copied, skipped = counts.transferred or 0, counts.skipped or 0
        if left is None:
            return link, child
        if self._keys and self._keys + link.keys > left:
            self._keys = self._brought_in_turn = 0
            self._repeats = True
        self._keys += link.keys
        self._brought_in_turn += copied + skipped
        # Without overwriting, every copied object was missing in the target before.
        surely = copied if child.job.overwrite is False else 0
        brought = min(left, max(self._brought + surely, self._brought_in_turn))
        new, self._brought = max(0, brought - self._brought), max(brought, self._brought)
        copied, failed = min(copied, new), counts.failed
        if self._repeats:
            # An object that failed in an earlier retry is in the failed counter by now.
            link, failed = replace(link, log_types=(FAILED_TYPE, *link.log_types)), 0
        return link, replace(child, counts=Counts(counts.objects, copied, new - copied, failed))


class Together(NamedTuple):
    """Summed counts of several jobs. not_copied: skipped objects that are not in the target.

    A counter is None if it is unknown for one of the jobs; `not_copied` is None if an unread log
    may name such objects. at_least: lower bound of `not_copied`.
    """

    counts: Counts
    not_copied: int | None
    at_least: int


class _Moved(NamedTuple):
    """Numbers of retried objects that a retry moves from one counter to another."""

    failed_to_transferred: int = 0
    failed_to_skipped: int = 0
    skipped_to_transferred: int = 0
    skipped_to_failed: int = 0

    def applied(self, counts: Counts) -> Counts:
        """Return the counters after the move."""
        to_transferred = self.failed_to_transferred + self.skipped_to_transferred
        from_failed = self.failed_to_transferred + self.failed_to_skipped
        from_skipped = self.skipped_to_transferred + self.skipped_to_failed
        return Counts(
            counts.objects,
            (counts.transferred or 0) + to_transferred,
            (counts.skipped or 0) + self.failed_to_skipped - from_skipped,
            (counts.failed or 0) + self.skipped_to_failed - from_failed,
        )


def together(roots: Sequence[JobView], retries: Iterable[Retry]) -> Together:
    """Add the counts of the roots up and apply the retries to them.

    roots: the jobs that retry no other of the jobs. A retry adds no objects; its unknown counters
    count as 0.
    """
    counts = Counts(
        total(view.counts.objects for view in roots),
        total(view.counts.transferred for view in roots),
        total(view.counts.skipped for view in roots),
        total(view.counts.failed for view in roots),
    )
    left, least = total(map(_not_copied, roots)), sum(map(_at_least, roots))
    for link, child in each_once(roots, tuple(retries)):
        moved = _moved(counts, link, child.counts)
        if moved is None:
            continue
        retried = moved.skipped_to_transferred + moved.skipped_to_failed
        again = moved.failed_to_skipped > 0
        least = max(0, least - retried) + (_at_least(child) if again else 0)
        if left is not None:
            left = total([max(0, left - retried), _not_copied(child) if again else 0])
        counts = moved.applied(counts)
    return Together(counts, left, least)


def _not_copied(view: JobView) -> int | None:
    """Return a job's uncopied objects; 0 without a log if the job skipped nothing."""
    return 0 if view.counts.skipped == 0 else view.not_copied


def _at_least(view: JobView) -> int:
    """Return how many skipped objects of a job are known not to be in the target."""
    return _not_copied(view) or view.not_copied_at_least


def _moved(counts: Counts, link: RetryLink, child: Counts) -> _Moved | None:
    """Return the numbers of objects that a retry moves; None if the sums are unknown.

    If a retry copies failed and skipped objects, its transferred objects are subtracted from the
    failed ones first; objects that fail or are skipped again keep their counter.
    """
    if counts.transferred is None or counts.skipped is None or counts.failed is None:
        return None
    copied = child.transferred or 0
    failures, skips = of_failures(link), of_skips(link)
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
"""Reported pairs of overlapping jobs, at most."""


def keys_left(
    views: Iterable[JobView],
    reading: FailingObjects,
    failures: FailuresView,
    log_types: Collection[str],
) -> dict[JobKey, tuple[str, ...]]:
    """Return, by job, the exact keys of rows of these types that are still to be copied.

    reading: has read the logs of these jobs. failures: its last view. A key that several jobs name
    is that of the newest one. A completed job with a list of keys has copied those that its log
    does not name, if its log names every failure.
    """
    proved = {job.key for job in failures.jobs or (failures,) if job.accounts_for_failures}
    newest_first = sorted(
        views, key=lambda v: (job_time(v.job.created_at) or 0.0, v.key.job_id), reverse=True
    )
    taken = set[str]()
    left: dict[JobKey, tuple[str, ...]] = {}
    for view in newest_first:
        keys = reading.keys(log_types, view.key)
        left[view.key] = tuple(key for key in keys if key not in taken)
        taken.update(keys)
        given = view.job.source.keys if view.job.source else None
        completed = view.status == "completed" and view.counts.remaining == 0
        if given and completed and view.key in proved:
            taken.update(given)
    return {key: keys for key, keys in left.items() if keys}


class FoundAfterAll(NamedTuple):
    """What a lookup tells about the keys of one reason.

    there: objects written since the job began. older: objects that were there before, which the
    job was to replace. absent: keys that do not exist.
    """

    there: tuple[ListedObject, ...] = ()
    older: tuple[ListedObject, ...] = ()
    absent: tuple[str, ...] = ()


def found_after_all(
    keys: Iterable[tuple[str, float | None]], found: Mapping[str, ListedObject]
) -> FoundAfterAll:
    """Divide keys by what a lookup has found.

    keys: each with the creation of its job, UTC seconds; None if that is unknown, so that any
    object counts. Times of listings may be cut to whole seconds.
    """
    there: list[ListedObject] = []
    older: list[ListedObject] = []
    absent: list[str] = []
    for key, since in keys:
        listed = found.get(key)
        if listed is None:
            absent.append(key)
        elif since is not None and listed.modified is not None and listed.modified < int(since):
            older.append(listed)
        else:
            there.append(listed)
    return FoundAfterAll(tuple(there), tuple(older), tuple(absent))


def looked_up(
    views: Sequence[JobView],
    reading: FailingObjects,
    log_types: Iterable[str],
    found: Mapping[str, ListedObject],
) -> dict[str, FoundAfterAll]:
    """Return, by log type, what a lookup of its keys in the target tells. found: by key."""
    return {
        log_type: found_after_all(
            (
                (key, job_time(view.job.created_at))
                for view in views
                for key in reading.keys([log_type], view.key)
            ),
            found,
        )
        for log_type in log_types
    }


def less_those_there(
    left: Mapping[JobKey, Sequence[str]], found: Iterable[FoundAfterAll]
) -> dict[JobKey, tuple[str, ...]]:
    """Return keys to copy, by job, without those that a lookup found in the target after all."""
    there = frozenset(each.key for one in found for each in one.there)
    needed = {job: tuple(key for key in keys if key not in there) for job, keys in left.items()}
    return {job: keys for job, keys in needed.items() if keys}


def number_retried(
    views: Iterable[JobView],
    reading: FailingObjects,
    left: Mapping[JobKey, Sequence[str]],
    log_types: Collection[str],
) -> int:
    """Return how many keys of rows of these types `keys_left` left out, as a retry copied them."""
    keys = {key for view in views for key in reading.keys(log_types, view.key)}
    return len(keys) - sum(map(len, left.values()))


class Scope(msgspec.Struct, frozen=True):
    """The objects that a job copies, and when. prefix: None for a list of keys.

    begun, ended: UTC seconds; infinite if unknown or not ended yet. counts: the job is live or
    completed, so it copies all of its objects as far as is known.
    """

    key: JobKey
    prefix: str | None
    begun: float
    ended: float
    counts: bool

    def beside(self, other: Scope) -> bool:
        """Whether both ran at the same time."""
        return self.begun < other.ended and other.begun < self.ended


def scope_of(view: JobView) -> Scope:
    """Return a job's scope, cached in the view."""
    scope: Scope | None = vars(view).get("scope")
    if scope is None:
        source = view.job.source
        listed = source is None or source.keys is None
        begun, finished = job_time(view.job.created_at), job_time(view.job.finished_at)
        scope = vars(view)["scope"] = Scope(
            view.key,
            view.job.prefix if listed else None,
            -math.inf if begun is None else begun,
            finished if view.ended and finished is not None else math.inf,
            view.live or view.status == "completed",
        )
    return scope


def superseded(views: Sequence[JobView], retries: Mapping[JobKey, JobKey]) -> frozenset[JobKey]:
    """Return the jobs that a later job repeats completely, and their retries.

    The later job must have begun no earlier than their end, copy their whole prefix, be no retry,
    and be live or completed: an aborted or gone job supersedes none.
    """
    scopes = [scope_of(view) for view in views]
    latest: dict[str, float] = {}
    for scope in scopes:
        if scope.counts and scope.prefix is not None and scope.key not in retries:
            latest[scope.prefix] = max(scope.begun, latest.get(scope.prefix, -math.inf))
    lengths = sorted({len(prefix) for prefix in latest})
    over = set[JobKey]()
    for scope in scopes:
        again = (latest[p] for p in _outer(scope.prefix or "", latest, lengths))
        begun = max(again, default=-math.inf)
        if not math.isinf(scope.ended) and begun >= scope.ended and begun > scope.begun:
            over.add(scope.key)
    for _ in retries:
        more = {child for child, parent in retries.items() if parent in over} - over
        if not more:
            break
        over |= more
    return frozenset(over)


def overlaps(views: Sequence[JobView], aside: Collection[JobKey]) -> tuple[Overlap, ...]:
    """Return pairs of jobs with nested prefixes that ran at the same time.

    A job without a prefix copies everything; jobs with a list of keys are ignored. While any job is
    live, pairs without a live job are left out. aside: jobs to ignore.
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
            # Jobs with the same prefix come last in `outer`; the slice yields each pair once.
            yield from (Overlap(scope.key, one.key) for one in outer[:number] if scope.beside(one))


def _outer(prefix: str, prefixes: Collection[str], lengths: Sequence[int]) -> Iterator[str]:
    """Yield those of `prefixes` that `prefix` begins with, the shortest first, itself last."""
    for length in lengths:
        if length > len(prefix):
            return
        if prefix[:length] in prefixes:
            yield prefix[:length]


class Overlap(NamedTuple):
    """Two jobs that may copy the same objects: the outer prefix begins the inner one."""

    inner: JobKey
    outer: JobKey
