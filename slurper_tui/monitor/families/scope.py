"""What part of a bucket each job copies: which do the same twice, and which are done again."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from slurper_tui.format import parse_time
from slurper_tui.monitor.families.migration import Overlap
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView

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
