"""Compares the headers of a random sample of the objects that both sides have.

`HeaderSampler` chooses the sample while the listings are compared: the objects with the smallest
keyed hashes. So the same seed chooses the same objects, in whatever order they are offered, and a
sample that was interrupted goes on as if it had not been. `compare_headers` asks both sides.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.verification import HeaderSample

if TYPE_CHECKING:
    from slurper_tui.api.objects import ListedObject, ObjectHeaders
    from slurper_tui.monitor.verify.buckets import ObjectListing

LARGE = 100 * 2**20
"""Bytes above which an object is copied in parts, which is where headers get lost."""

MOST_SAMPLED = 100_000
"""The largest sample."""

WORKERS = 8
"""Objects that are asked for at the same time."""

METADATA = "custom metadata"
_FIELDS = {
    "Content-Type": "content_type",
    "Cache-Control": "cache_control",
    "Content-Encoding": "content_encoding",
    "Content-Disposition": "content_disposition",
    "Content-Language": "content_language",
}

_Z = 1.959964
"""The quantile of the normal distribution for an interval of 95 %."""


class Sampled(NamedTuple):
    """An object of a sample. priority: the hash of its key; the smallest are taken."""

    priority: int
    key: str
    large: bool


class HeaderSampler:
    """Chooses a sample of `number` objects; memory does not depend on how many are offered.

    Objects over 100 MiB are taken first, up to half of the sample, and more if there are fewer
    others. kept: what an earlier run had chosen so far.
    """

    def __init__(self, number: int, seed: int, kept: Iterable[Sampled] = ()) -> None:
        self.seed = seed
        self._number = number
        self._salt = blake2b(str(seed).encode()).digest()
        # Largest priority first, so that it is the one that is replaced.
        self._heaps: tuple[list[tuple[int, str]], ...] = ([], [])
        self._keys: set[str] = set()
        for each in kept:
            self._keep(each)

    def offer(self, objects: Iterable[ListedObject]) -> list[Sampled]:
        """Offer objects; return those that belong to the sample for now."""
        found = []
        for each in objects:
            key = each.key
            raw = key.encode("utf-8", "surrogatepass")
            digest = blake2b(raw, digest_size=8, key=self._salt).digest()
            # SQLite's integers have a sign.
            sampled = Sampled(
                int.from_bytes(digest) >> 1, key, each.size is not None and each.size > LARGE
            )
            if self._keep(sampled):
                found.append(sampled)
        return found

    def _keep(self, sampled: Sampled) -> bool:
        heap, entry = self._heaps[sampled.large], (-sampled.priority, sampled.key)
        full = len(heap) >= self._number
        if not self._number or (full and entry <= heap[0]) or sampled.key in self._keys:
            return False
        if full:
            self._keys.discard(heapq.heapreplace(heap, entry)[1])
        else:
            heapq.heappush(heap, entry)
        self._keys.add(sampled.key)
        return True

    def chosen(self) -> list[Sampled]:
        """Return the sample, large objects first."""
        others, large = (sorted(heap, reverse=True) for heap in self._heaps)
        most_large = max(self._number // 2, self._number - len(others))
        chosen = [Sampled(-priority, key, True) for priority, key in large[:most_large]]
        left = self._number - len(chosen)
        return chosen + [Sampled(-priority, key, False) for priority, key in others[:left]]


class HeaderDifference(NamedTuple):
    """An object whose headers differ. headers: name, value in the source, value in the target.

    A value is None for a header that is not there.
    """

    key: str
    headers: tuple[tuple[str, str | None, str | None], ...]


class ComparedHeaders(NamedTuple):
    """The result of a comparison. differing: in the order of their keys."""

    sample: HeaderSample
    differing: tuple[HeaderDifference, ...]


def differing_headers(
    expected: ObjectHeaders, actual: ObjectHeaders
) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return the headers whose values are not equal, custom metadata by its name."""
    pairs = [(n, getattr(expected, f), getattr(actual, f)) for n, f in _FIELDS.items()]
    names = sorted({*expected.metadata, *actual.metadata})
    pairs += [
        (f"x-amz-meta-{name}", expected.metadata.get(name), actual.metadata.get(name))
        for name in names
    ]
    return tuple(pair for pair in pairs if pair[1] != pair[2])


async def compare_headers(
    expected: ObjectListing,
    actual: ObjectListing,
    sampler: HeaderSampler,
    *,
    large: int,
    others: int,
    workers: int = WORKERS,
    go: asyncio.Event | None = None,
    progress: Callable[[int, int], None] = lambda done, whole: None,
) -> ComparedHeaders:
    """Ask both sides for the headers of the sample, and compare them.

    large, others: numbers of objects that both sides have, over 100 MiB and up to it. go: no
    request is sent while it is not set. progress: called with the number of objects that were
    asked for, and that of the sample. An object that has gone meanwhile is left out; an ApiError
    ends the comparison and is its `problem`.
    """
    chosen = sampler.chosen()
    waiting = iter(chosen)
    compared: Counter[bool] = Counter()
    found: list[tuple[Sampled, HeaderDifference]] = []
    problems: list[str] = []
    done = 0

    async def work() -> None:
        nonlocal done
        for each in waiting:
            if go is not None:
                await go.wait()
            if problems:
                return
            try:
                one, other = await _both(expected, actual, each.key)
            except ApiError as error:
                problems.append(str(error))
                return
            if one is not None and other is not None:
                compared[each.large] += 1
                if differing := differing_headers(one, other):
                    found.append((each, HeaderDifference(each.key, differing)))
            done += 1
            progress(done, len(chosen))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(workers, len(chosen))):
            tasks.create_task(work())
    differing = Counter(each.large for each, _ in found)
    low, high = interval(
        [
            Stratum(large, compared[True], differing[True]),
            Stratum(others, compared[False], differing[False]),
        ]
    )
    sample = HeaderSample(
        seed=sampler.seed,
        compared=compared.total(),
        differing=len(found),
        low=low,
        high=high,
        by_header=dict(sorted(Counter(n for _, d in found for n in _names(d)).items())),
        large=compared[True],
        problem=problems[0] if problems else None,
    )
    return ComparedHeaders(sample, tuple(sorted(difference for _, difference in found)))


async def _both(
    expected: ObjectListing, actual: ObjectListing, key: str
) -> tuple[ObjectHeaders | None, ObjectHeaders | None]:
    """Ask both sides at the same time, and wait for both also where one fails."""
    one, other = (asyncio.create_task(_asked(side, key)) for side in (expected, actual))
    try:
        await asyncio.wait({one, other})
    finally:
        one.cancel()
        other.cancel()
    return one.result(), other.result()


async def _asked(side: ObjectListing, key: str) -> ObjectHeaders | None:
    return await side.headers(key)


def _names(difference: HeaderDifference) -> set[str]:
    return {name if name in _FIELDS else METADATA for name, _, _ in difference.headers}


class Stratum(NamedTuple):
    """Objects of one kind, and what was found in a sample of them."""

    objects: int
    compared: int
    differing: int


def interval(strata: Sequence[Stratum]) -> tuple[float, float]:
    """Return the 95 % confidence interval of the share of all objects that differ.

    Each stratum has its own interval (Wilson, 1927), which is exact where every object was
    compared, and 0 to 1 where none was. They are weighted by their numbers of objects.
    """
    total = sum(each.objects for each in strata)
    if not total:
        return 0.0, 1.0
    low = high = 0.0
    for each in strata:
        if each.compared >= each.objects:
            ends = (each.differing / each.compared,) * 2 if each.compared else (0.0, 0.0)
        else:
            ends = wilson(each.differing, each.compared)
        low += ends[0] * each.objects / total
        high += ends[1] * each.objects / total
    return max(0.0, low), min(1.0, high)


def wilson(differing: int, compared: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson, 1927); 0 to 1 of nothing."""
    if not compared:
        return 0.0, 1.0
    share, square = differing / compared, _Z * _Z
    middle = share + square / (2 * compared)
    half = _Z * math.sqrt(share * (1 - share) / compared + square / (4 * compared**2))
    scale = 1 + square / compared
    # Rounding must not leave 0 or 1 outside where nothing or everything differs.
    low = 0.0 if differing == 0 else (middle - half) / scale
    high = 1.0 if differing == compared else (middle + half) / scale
    return low, high
