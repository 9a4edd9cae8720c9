"""The shards of a verification: parts of its scope, compared by several workers.

A worker that has nothing left to do takes over a part of another's shard. What a shard has found
and how far it is go into the work file together.
"""

from __future__ import annotations

import asyncio
import json  # which encodes a lone surrogate too
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui.monitor.history.workfile import Checkpoint, StoredDifference, StoredShard
from slurper_tui.monitor.model.verification import FAULTS, Outcome
from slurper_tui.monitor.verify.compare import Difference, Judge, Merge, Parts, explain
from slurper_tui.monitor.verify.headers import LARGE, HeaderSampler, Sampled
from slurper_tui.monitor.verify.reading import Reader, naming, pages_of
from slurper_tui.monitor.verify.scope import Range, cut, middle

if TYPE_CHECKING:
    from slurper_tui.api.objects import ListedObject
    from slurper_tui.monitor.history.workfile import WorkFile, WorkThread
    from slurper_tui.monitor.verify.buckets import ObjectListing

CHECKPOINT_SECONDS = 0.5
"""Seconds between two checkpoints of a shard."""

_MANY = 10_000
"""Differences after which a shard stores a checkpoint earlier."""

_SHARDS_OF_WORKER = 8
"""Shards at the start for each worker, at most."""

_FEWEST_KEYS = 100
"""Least number of single keys in a shard, except in the last one."""

_LEVEL = 1000
_DEEPEST = 8
"""Names that are listed to divide a range by folders, and the most levels of which each has one
folder only."""

DIVIDE_AFTER = 3
"""Pages of a shard that are compared before another worker takes a part of it."""

LARGE_PAIRS = "large"
"""Name of a count in the totals: the objects over 100 MiB that both sides have."""


class _Found(NamedTuple):
    """What a shard has found since its last checkpoint."""

    differences: list[Difference]
    sampled: list[Sampled]


class _Shard:
    """A shard while it is compared, and what is known of where to divide it.

    first: its first key. depth: the position of a character in its keys at which a division has
    succeeded; None before. settled: no keys beyond it differ at an earlier position.
    near: try the next character there. pages: compared since the last try. division: the shard of
    which it is the second part, then as `point` returned it.
    """

    def __init__(self, stored: StoredShard) -> None:
        self.merge: Merge | None = None
        self.first: str | None = None
        self.depth: int | None = None
        self.settled = len(stored.prefix)
        self.near = False
        self.pages = 0
        self.division: tuple[_Shard, int, int] | None = None
        keys = None if stored.wanted is None else tuple(json.loads(stored.wanted))
        self.range = Range(stored.prefix, stored.after, stored.until, keys)
        self.number = stored.number
        self.last = stored.last
        self.done = stored.done
        self.compared = stored.compared

    @property
    def may_divide(self) -> bool:
        """Whether enough of it has been compared since the last try."""
        return self.range.keys is None and self.merge is not None and self.pages >= DIVIDE_AFTER

    def learn(self) -> None:
        """At its end, note in the shard that was divided whether this part held any key."""
        if self.division is None:
            return
        whole, position, step = self.division
        found = self.last != self.range.after
        if found:
            whole.depth = None
        elif step == 1:
            whole.settled = max(whole.settled, position + 1)
        else:
            whole.depth = position + 1  # the same position again
        whole.near = not found and step > 1

    def point(self) -> tuple[str, int, int] | None:
        """Return a key that no page has reached yet, to divide there.

        Then the position that was chosen for it, and how far its character there is from that of
        the keys so far. None if the keys do not tell where to divide.
        """
        low = None if self.merge is None else self.merge.newest
        first = self.first
        if low is None or first is None:
            return None
        position = next((i for i, c in enumerate(first) if low[i : i + 1] != c), len(first))
        if self.depth is not None:
            position = min(position, self.depth - 1)
        for each in range(max(position, self.settled), len(low)):
            if found := middle(low, self.range.until, each, near=self.near):
                return found, each, ord(found[-1]) - ord(low[each])
        return None


def divides(sides: Sequence[ObjectListing]) -> bool:
    """Return whether it is faster to list a range in several parts at the same time."""
    costs = [side.cost for side in sides]
    return any(cost.page for cost in costs) and all(cost.per_second is None for cost in costs)


async def new_shards(
    ranges: Sequence[Range], sides: Sequence[ObjectListing], workers: int
) -> list[StoredShard]:
    """Divide the ranges of a scope into shards. Raises ApiError."""
    divided = [part for each in ranges for part in await _divided(each, sides, workers)]
    return [
        StoredShard(
            number,
            each.prefix,
            each.after,
            each.until,
            None if each.keys is None else json.dumps(each.keys).encode(),
        )
        for number, each in enumerate(divided)
    ]


async def _divided(whole: Range, sides: Sequence[ObjectListing], workers: int) -> list[Range]:
    """Divide a range into shards, by the folders below it."""
    if workers == 1:
        return [whole]
    if (keys := whole.keys) is not None:
        step = max(_FEWEST_KEYS, -(-len(keys) // (workers * _SHARDS_OF_WORKER)))
        return [Range(keys=keys[at : at + step]) for at in range(0, len(keys), step)]
    side = next((side for side in sides if side.cost.page), None)
    if side is None:
        return [whole]
    prefix = whole.prefix
    for _ in range(_DEEPEST):
        with naming(side):
            found = await side.level(prefix, _LEVEL)
        if len(found) != 1 or found[0].is_object:
            break
        prefix = found[0].name
    folders = sorted(each.name for each in found if not each.is_object)
    step = max(1, -(-len(folders) // (workers * _SHARDS_OF_WORKER)))
    return [*cut(whole, folders[step::step])]


class Shards:
    """The shards of one run, which several workers compare.

    sides: the expected and the actual one. totals: of what an earlier run has compared.
    common: the folder that every key is in. sampler: None without a sample of headers.
    go: nothing is requested while it is not set.
    position: the last key of the shard that moved last; None before.
    """

    def __init__(
        self,
        stored: Iterable[StoredShard],
        sides: Sequence[ObjectListing],
        work: WorkFile,
        thread: WorkThread,
        *,
        workers: int,
        common: str,
        sampler: HeaderSampler | None,
        go: asyncio.Event,
        totals: Mapping[str, int] = {},
    ) -> None:
        self.totals = Counter(totals)
        self.position: str | None = None
        self._shards = [_Shard(each) for each in stored]
        self._sides = sides
        self._work = work
        self._thread = thread
        self._workers = workers
        self._common = common
        self._sampler = sampler
        self._go = go
        self._moved = asyncio.Event()

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def done(self) -> int:
        """The number of shards that were compared to their end."""
        return sum(shard.done for shard in self._shards)

    @property
    def compared(self) -> int:
        """The number of expected objects so far, those of an earlier run included."""
        return sum(shard.compared for shard in self._shards)

    async def compare(self, judge: Judge) -> None:
        """Compare the shards that are not done, several at the same time.

        Raises ApiError, OrderBroken for a side that is not in order, CannotVerify.
        """
        waiting = deque(shard for shard in self._shards if not shard.done)
        at_work = 0

        async def work() -> None:
            nonlocal at_work
            while waiting or at_work:
                shard = waiting.popleft() if waiting else await self._divide()
                if shard is None:
                    await self._moved.wait()
                    continue
                at_work += 1
                try:
                    await self._compare(shard, judge)
                finally:
                    at_work -= 1
                    self._has_moved()

        if not waiting:
            return
        workers = self._workers if divides(self._sides) else min(self._workers, len(waiting))
        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()  # raises the first error

    def _has_moved(self) -> None:
        """Wake the workers that wait for a shard to divide."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def _divide(self) -> _Shard | None:
        """Divide the shard that has been compared longest; return the second part.

        None if there is none to divide now. The part may turn out to be empty, which costs one
        request on each side: then the next try is elsewhere.
        """
        whole = max(
            (shard for shard in self._shards if divides(self._sides) and shard.may_divide),
            key=lambda shard: shard.pages,
            default=None,
        )
        if whole is None or whole.merge is None:
            return None
        whole.pages = 0
        if (found := whole.point()) is None:
            return None
        point, position, step = found
        stored = StoredShard(len(self._shards), whole.range.prefix, point, whole.range.until)
        # Both without a pause, so that no page beyond the point is compared before.
        whole.range = replace(whole.range, until=point)
        whole.merge.until = point
        part = _Shard(stored)
        part.depth, part.settled = position, whole.settled
        part.division = (whole, position, step)
        self._shards.append(part)
        await self._thread.do(lambda: self._work.split(whole.number, point, stored))
        return part

    async def _compare(self, shard: _Shard, judge: Judge) -> None:
        parts = Parts(self._common)
        pairs: list[ListedObject] | None = [] if self._sampler is not None else None
        after = shard.last if shard.last is not None else shard.range.after
        merge = shard.merge = Merge(judge, parts, after, pairs, shard.range.until)
        before, stored_at = shard.compared, time.monotonic()
        found = _Found([], [])
        readers = [Reader(pages_of(side, shard.range, shard.last)) for side in self._sides]
        try:
            while not merge.done:
                await self._go.wait()
                needed = [side for side in (0, 1) if merge.needs(side)]
                for side in needed:
                    readers[side].ask()
                for side in needed:
                    page = await readers[side].page()
                    merge.end(side) if page is None else merge.add(side, page)
                    shard.first = shard.first or (page[0].key if page else None)
                merge.advance()
                shard.pages += 1
                self._has_moved()
                found.differences.extend(merge.take())
                if pairs and self._sampler is not None:
                    found.sampled.extend(self._sampler.offer(pairs))
                    parts.counter[LARGE_PAIRS] += sum((one.size or 0) > LARGE for one in pairs)
                    pairs.clear()
                shard.compared = before + merge.compared
                self.position = merge.last
                due = time.monotonic() - stored_at >= CHECKPOINT_SECONDS
                due = due or len(found.differences) >= _MANY
                if due and not merge.done:
                    await self._keep(shard, merge, parts, found)
                    stored_at = time.monotonic()
                await asyncio.sleep(0)
        finally:
            shard.merge = None
            for reader in readers:
                await reader.close()
            await self._keep(shard, merge, parts, found)
        shard.learn()

    async def _keep(self, shard: _Shard, merge: Merge, parts: Parts, found: _Found) -> None:
        """Store a checkpoint of a shard, and forget what it holds."""
        shard.last, shard.done = merge.last, merge.done

        def keep() -> None:
            missing = (d.key for d in found.differences if d.outcome is Outcome.MISSING)
            explain(found.differences, parts, self._work.explanations(missing))
            made = Checkpoint(
                shard.number,
                shard.last,
                shard.done,
                shard.compared,
                parts.counts,
                [
                    StoredDifference(
                        d.key, d.outcome, d.size, d.actual_size, d.modified, d.log_type
                    )
                    for d in found.differences
                ],
                found.sampled,
            )
            self._work.checkpoint(made, FAULTS)
            # With the transaction or not at all, so that a cancelled task stores nothing twice.
            self.totals = sum(parts.counts.values(), self.totals)
            parts.clear()
            found.differences.clear()
            found.sampled.clear()

        await self._thread.do(keep)
