"""Verifies a target: lists both sides in shards, compares them, and keeps how far it is.

`Verifier.plan` tells what the listings cost before the first request, `run` compares and yields the
progress, `result` and `differences` tell what was found. A run goes on where an earlier one of the
same jobs and sides was stopped or killed.
"""

from __future__ import annotations

import asyncio
import json  # which encodes a lone surrogate too
import random
import time
from collections import Counter, deque
from collections.abc import (
    AsyncGenerator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, BadAnswer
from slurper_tui.api.objects import ListingCost
from slurper_tui.monitor.history.recorder import OneThread
from slurper_tui.monitor.history.sorted_objects import Contradiction, SortedObjects
from slurper_tui.monitor.history.workfile import (
    WORK_FILE_ERRORS,
    Checkpoint,
    StoredDifference,
    StoredShard,
    WorkFile,
    cannot_use,
)
from slurper_tui.monitor.model.verification import (
    CLASS_A_USD,
    CLASS_B_USD,
    DIFFERS,
    FAULTS,
    WORKERS,
    CannotVerify,
    HeaderSample,
    Outcome,
    Tally,
    Verification,
)
from slurper_tui.monitor.verify.compare import (
    ETAGS,
    NO_MD5S,
    NOT_COMPARED,
    Difference,
    Judge,
    Merge,
    OrderBroken,
    Parts,
    tally_of,
)
from slurper_tui.monitor.verify.headers import (
    LARGE,
    HeaderDifference,
    HeaderSampler,
    Sampled,
    compare_headers,
)
from slurper_tui.monitor.verify.lookup import single_objects
from slurper_tui.monitor.verify.scope import Range, Scope, cut, middle

if TYPE_CHECKING:
    from slurper_tui.api.objects import FoundPrefix, ListedObject, ObjectHeaders
    from slurper_tui.monitor.verify.buckets import ObjectListing

T = TypeVar("T")


PROGRESS_SECONDS = 0.25

CHECKPOINT_SECONDS = 0.5
_MANY = 10_000
"""Differences after which a shard stores a checkpoint earlier."""

PACE_SECONDS = 20.0
"""Seconds over which the pace of the progress is averaged."""

_SHARDS_OF_WORKER = 8
_FEWEST_KEYS = 100
"""Single keys of a shard, if there are so many."""

_LEVEL = 1000
_DEEPEST = 8

DIVIDE_AFTER = 3
"""Pages of a shard that are compared before another worker takes a part of it."""

_MANY_ETAGS = 10
"""So many objects of equal sizes do not all differ: rather, ETags that look like MD5s are none."""

_MORE = 9
"""Dividing ranges costs one more request for so many; measured on eight kinds of keys."""

MOST_PARTS = 200
"""Parts of the bucket that the result tells."""

_LARGE = "large"
"""What a count is of: objects over 100 MiB that both sides have."""

_IN_BOTH = (Outcome.SAME, *DIFFERS)

_FAULTS = frozenset(map(str, FAULTS))
_DIFFERENT = tuple(outcome for outcome in Outcome if outcome is not Outcome.SAME)


class SideCost(msgspec.Struct, frozen=True):
    """What listing one side costs, approximately.

    requests: None if the number of objects is not known. in_r2: they are Class A operations of R2.
    lists_headers: a request for headers is one too, not a Class B operation.
    """

    name: str
    requests: int | None
    in_r2: bool
    lists_headers: bool = False

    @property
    def usd(self) -> float | None:
        """R2's price in US dollars beyond the free operations; None if unknown, 0 elsewhere."""
        if not self.in_r2:
            return 0.0
        return None if self.requests is None else self.requests * CLASS_A_USD

    @property
    def header_usd(self) -> float:
        """R2's price of one request for headers in US dollars; 0 elsewhere."""
        if not self.in_r2:
            return 0.0
        return CLASS_A_USD if self.lists_headers else CLASS_B_USD


class VerifyPlan(msgspec.Struct, frozen=True):
    """What a verification costs, before its first request.

    objects: of the jobs, by their counters; None if not known. seconds: None if not known.
    headers: requests for headers on each side.
    measured: `seconds` follows from the pace of an earlier verification.
    resumes: expected objects that an earlier run has compared already. begun_at: of that run, UTC
        seconds; None if it begins anew.
    """

    objects: int | None
    expected: SideCost
    actual: SideCost
    seconds: float | None = None
    measured: bool = False
    headers: int = 0
    resumes: int = 0
    begun_at: float | None = None

    @property
    def usd(self) -> float | None:
        """R2's price in US dollars beyond the free operations; None if not known."""
        sides = (self.expected.usd, self.actual.usd)
        if None in sides:
            return None
        heads = self.headers * (self.expected.header_usd + self.actual.header_usd)
        return sum(side or 0.0 for side in sides) + heads


class VerifyProgress(msgspec.Struct, frozen=True):
    """How far a verification is.

    compared: expected objects so far, those of an earlier run included. per_second: the same in a
        second, lately; None at first.
    position: the last key of the shard that moved last. share: 0 to 1; None if not known.
    eta: seconds that are left; None if not known. requests: sent by each side in this run.
    heads: objects whose headers were compared, and all of the sample; None before.
    """

    compared: int = 0
    per_second: float | None = None
    position: str | None = None
    share: float | None = None
    eta: float | None = None
    tally: Tally = Tally()
    requests: tuple[int, int] = (0, 0)
    shards: int = 0
    shards_done: int = 0
    paused: bool = False
    heads: tuple[int, int] | None = None
    sorting: str | None = None
    done: bool = False


class _Begun(msgspec.Struct, frozen=True):
    """What the work file tells of the run.

    sorted: the sides, 0 and 1, whose listing is not in order. headers, seed: of the sample.
    """

    fingerprint: str
    sides: tuple[str, str]
    jobs: tuple[str, ...]
    started_at: float
    live: bool
    sorted: tuple[int, ...] = ()
    headers: int = 0
    seed: int = 0


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
        """At its end, tell the shard that was divided what came of it."""
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


class Verifier:
    """Compares what some jobs were to copy with what the target holds.

    expected, actual: the two sides. work: where the progress and the differences are kept; None for
    memory. workers: shards that are compared at the same time. explained: log types by key of the
    objects that, as the log says, were not copied. objects: of the jobs, by their counters.
    pace: keys a second of an earlier verification. anew: do not go on with an earlier run.
    headers: objects in the sample whose headers are compared. seed: of this sample; None for any.
    """

    def __init__(
        self,
        expected: ObjectListing,
        actual: ObjectListing,
        scope: Scope,
        *,
        work: WorkFile | None = None,
        workers: int = WORKERS,
        explained: Mapping[str, str] | None = None,
        objects: int | None = None,
        pace: float | None = None,
        headers: int = 0,
        seed: int | None = None,
        anew: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.scope = scope
        self.problem: ApiError | None = None
        self._sides: list[ObjectListing] = [expected, actual]
        self._names = (expected.name, actual.name)
        self._listings = (expected, actual)
        self._work = work or WorkFile()
        self._workers = max(1, workers)
        self._explained = {} if explained is None else explained  # may be filled until `run`
        self._objects = objects
        self._pace = pace
        self._headers = headers
        self._seed = seed
        self._sampler: HeaderSampler | None = None
        self._heads: tuple[int, int] | None = None
        self._compared_headers: HeaderSample | None = None
        self._anew = anew
        self._clock = clock
        self._thread = OneThread("verify")
        self._go = asyncio.Event()
        self._go.set()
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()
        self._stopping = False
        self._running: asyncio.Task[None] | None = None
        self._begun: _Begun | None = None
        self._result: Verification | None = None
        self._shards: list[_Shard] = []
        self._totals: Counter[str] = Counter()
        self._position: str | None = None
        self._sorting: str | None = None
        self._sorted: list[SortedObjects] = []
        self._ended_at: float | None = None
        self._active = 0.0
        self._resumed = 0
        self._paces: deque[tuple[float, int]] = deque(maxlen=1000)

    # Before

    async def plan(self) -> VerifyPlan:
        """Return what the verification costs; sends no request."""
        found = None if self._anew else await self._stored(self._unfinished)
        pace = self._pace or await self._stored(self._earlier_pace)
        resumes = (
            0 if found is None else sum(s.compared for s in await self._stored(self._work.shards))
        )
        left = None if self._objects is None else max(0, self._objects - resumes)
        costs = [self._cost_of(side, left) for side in self._listings]
        seconds = None
        if left is not None:
            seconds = left / pace if pace else self._assumed_seconds(left)
        return VerifyPlan(
            self._objects,
            costs[0],
            costs[1],
            seconds,
            measured=pace is not None,
            headers=self._headers,
            resumes=resumes,
            begun_at=None if found is None else found.started_at,
        )

    def _cost_of(self, side: ObjectListing, objects: int | None) -> SideCost:
        cost = side.cost
        if not cost.page:
            return SideCost(side.name, 0, in_r2=False)
        if objects is None:
            return SideCost(side.name, None, cost.in_r2, cost.lists_headers)
        requests = -(-objects // cost.page) + len(self.scope.ranges())
        if self._workers > 1:
            # The last page of a part is not full, and some parts are empty.
            requests += self._workers + (requests // _MORE if self._divides else 0)
        return SideCost(side.name, requests, cost.in_r2, cost.lists_headers)

    def _assumed_seconds(self, objects: int) -> float:
        """Return the seconds of the slower side at the usual time of its requests.

        Sides with a fixed pace share it: they are listed through the same API.
        """
        longest = shared = 0.0
        for cost in (side.cost for side in self._listings if side.cost.page):
            requests = objects / cost.page + 1
            longest = max(longest, requests * cost.seconds / self._workers)
            shared += requests / cost.per_second if cost.per_second else 0.0
        return max(longest, shared)

    # While it runs

    async def run(self) -> AsyncGenerator[VerifyProgress, None]:
        """Compare; yield the progress a few times a second and at the end.

        An ApiError of a side ends the run; it is kept in `problem`, and another run goes on from
        there. Raises CannotVerify for the work file.
        """
        self.problem, self._result, self._stopping = None, None, False
        running = self._running = asyncio.create_task(self._run())
        try:
            while not running.done():
                moment = time.monotonic()
                self._changed.clear()
                yield self._progress()
                waited = asyncio.create_task(self._changed.wait())
                await asyncio.wait(
                    {running, waited},
                    timeout=PROGRESS_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                waited.cancel()
                if not self.paused:
                    self._active += time.monotonic() - moment
            if not running.cancelled():
                running.result()  # raises the error of the work file
        finally:
            if not self._stopping:
                running.cancel()
            await asyncio.wait({running})
        self._ended_at = self._clock()
        if self._begun is not None:
            self._result = await self._stored(self._finished)
        yield self._progress(done=True)

    def pause(self) -> None:
        """Send no further request until `resume`."""
        self._go.clear()
        self._changed.set()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._go.set()
        self._changed.set()

    def stop(self) -> None:
        """End the run; a later one can go on."""
        if self._running is not None and not self._stopping:
            self._stopping = True
            self._running.cancel()  # once: what it has found is stored meanwhile
        self.resume()

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return not self._go.is_set()

    async def _run(self) -> None:
        try:
            await self._begin()
            while True:
                try:
                    await self._compare_shards()
                    break
                except OrderBroken as broken:
                    await self._start_sorting(broken.side)
            await self._stored(self._doubt_etags)
            await self._compare_headers()
        except ApiError as error:
            self.problem = error

    async def _begin(self) -> None:
        found = None if self._anew else await self._stored(self._unfinished)
        self._anew = False
        if found is None:
            await self._begin_anew(())
        else:
            self._begun = found
            self._shards = [_Shard(each) for each in await self._stored(self._work.shards)]
            self._resumed = sum(shard.compared for shard in self._shards)
            self._paces.clear()
            self._totals = Counter(await self._stored(self._work.totals))
            self._make_sampler(await self._stored(self._work.sampled))
            for side in found.sorted:
                await self._sort(side)

    async def _begin_anew(self, sides: tuple[int, ...], started_at: float | None = None) -> None:
        begun = _Begun(
            self.scope.fingerprint(),
            self._names,
            self.scope.job_ids,
            self._clock() if started_at is None else started_at,
            self.scope.live,
            sides,
            self._headers,
            random.SystemRandom().randrange(2**31) if self._seed is None else self._seed,
        )
        ranges = [part for each in self.scope.ranges() for part in await self._divided(each)]
        stored = [
            StoredShard(
                number,
                each.prefix,
                each.after,
                each.until,
                None if each.keys is None else json.dumps(each.keys).encode(),
            )
            for number, each in enumerate(ranges)
        ]
        await self._stored(lambda: self._work.begin(msgspec.json.encode(begun), stored))
        self._begun, self._shards = begun, [_Shard(each) for each in stored]
        self._totals = Counter()
        self._make_sampler(())

    def _make_sampler(self, kept: Iterable[tuple[int, str, bool]]) -> None:
        assert self._begun is not None
        if self._headers:
            earlier = (Sampled(*each) for each in kept)
            self._sampler = HeaderSampler(self._headers, self._begun.seed, earlier)

    async def _compare_headers(self) -> None:
        """Ask both sides for the headers of the sample, once all keys have been compared."""
        if self._sampler is None:
            return

        def show(done: int, whole: int) -> None:
            self._heads = (done, whole)

        pairs = sum(self._totals[outcome] for outcome in _IN_BOTH)
        large = self._totals[_LARGE]
        compared = await compare_headers(
            *self._listings,
            self._sampler,
            large=large,
            others=max(0, pairs - large),
            go=self._go,
            progress=show,
        )
        rows = [(each.key, msgspec.json.encode(each.headers)) for each in compared.differing]
        await self._stored(lambda: self._work.keep_headers(rows))
        self._compared_headers = compared.sample

    async def _divided(self, whole: Range) -> list[Range]:
        """Divide a range into shards, by the folders below it."""
        if self._workers == 1:
            return [whole]
        if (keys := whole.keys) is not None:
            step = max(_FEWEST_KEYS, -(-len(keys) // (self._workers * _SHARDS_OF_WORKER)))
            return [Range(keys=keys[at : at + step]) for at in range(0, len(keys), step)]
        side = next((side for side in self._sides if side.cost.page), None)
        if side is None:
            return [whole]
        prefix = whole.prefix
        for _ in range(_DEEPEST):
            with _naming(side):
                found = await side.level(prefix, _LEVEL)
            if len(found) != 1 or found[0].is_object:
                break
            prefix = found[0].name
        folders = sorted(each.name for each in found if not each.is_object)
        step = max(1, -(-len(folders) // (self._workers * _SHARDS_OF_WORKER)))
        return [*cut(whole, folders[step::step])]

    async def _compare_shards(self) -> None:
        """Compare the shards that are not done, several at the same time."""
        assert self._begun is not None
        judge = Judge(
            self._begun.started_at,
            self.scope.created_at(),
            self._explained,
            self.scope.first_created_at,
        )
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
        workers = self._workers if self._divides else min(self._workers, len(waiting))
        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()  # raises the first error

    @property
    def _divides(self) -> bool:
        """Whether it is faster to list a range in several parts at the same time."""
        costs = [side.cost for side in self._sides]
        return any(cost.page for cost in costs) and all(cost.per_second is None for cost in costs)

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
            (shard for shard in self._shards if self._divides and shard.may_divide),
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
        await self._stored(lambda: self._work.split(whole.number, point, stored))
        return part

    async def _compare(self, shard: _Shard, judge: Judge) -> None:
        parts = Parts(self.scope.common)
        pairs: list[ListedObject] | None = [] if self._sampler is not None else None
        after = shard.last if shard.last is not None else shard.range.after
        merge = shard.merge = Merge(judge, parts, after, pairs, shard.range.until)
        before, stored_at = shard.compared, time.monotonic()
        found = _Found([], [])
        readers = [_Reader(self._pages(side, shard)) for side in self._sides]
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
                    parts.counter[_LARGE] += sum((one.size or 0) > LARGE for one in pairs)
                    pairs.clear()
                shard.compared = before + merge.compared
                self._position = merge.last
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
            self._work.checkpoint(made, _FAULTS)
            # With the transaction or not at all, so that a cancelled task stores nothing twice.
            self._totals = sum(parts.counts.values(), self._totals)
            parts.clear()
            found.differences.clear()
            found.sampled.clear()

        await self._stored(keep)

    async def _pages(
        self, side: ObjectListing, shard: _Shard
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        """Yield the objects of a side that are in a shard and not yet compared."""
        whole = shard.range
        after = whole.after if shard.last is None else shard.last
        if whole.keys is not None:
            wanted = [key for key in whole.keys if after is None or key > after]
            with _naming(side):
                async for page in single_objects(side, wanted):
                    yield page
            return
        async with aclosing(side.pages(whole.prefix, after)) as pages:
            with _naming(side):
                async for page in pages:
                    yield _below(whole.prefix, page)

    # A listing without order

    async def _start_sorting(self, side: int) -> None:
        """Begin again, with one side sorted."""
        assert self._begun is not None
        sides = (*self._begun.sorted, side)
        # First, so that a later run does not trust what was compared in the wrong order.
        await self._begin_anew(sides, self._begun.started_at)
        await self._sort(side)

    async def _sort(self, side: int) -> None:
        """Replace a side by its objects, sorted in a temporary file."""
        objects = await self._stored(SortedObjects)
        self._sorted.append(objects)
        source = self._listings[side]
        self._sorting = source.name
        for each in self.scope.ranges():
            wanted = None if each.keys is None else frozenset(each.keys)
            # Without an order, a single key is found by its prefix only.
            by_key = wanted is not None and source.cost.page
            with _naming(source):
                for prefix in each.keys or () if by_key else [each.prefix]:
                    await self._sort_below(source, prefix, wanted, objects)
        try:
            await self._stored(objects.sort)
        except Contradiction as twice:
            raise BadAnswer(f"{source.name} lists {twice.key!r} twice, differently") from None
        self._sorting = None
        self._sides[side] = _Sorted(source, objects)

    async def _sort_below(
        self,
        source: ObjectListing,
        prefix: str,
        wanted: frozenset[str] | None,
        objects: SortedObjects,
    ) -> None:
        """Add the wanted objects below a prefix. wanted: None for all."""
        async with aclosing(source.pages(prefix)) as pages:
            async for page in pages:
                await self._go.wait()
                found = [one for one in page if wanted is None or one.key in wanted]
                await self._stored(partial(objects.add, found))

    # What it tells

    def _progress(self, *, done: bool = False) -> VerifyProgress:
        compared = sum(shard.compared for shard in self._shards)
        now = time.monotonic()
        if self.paused:
            self._paces.clear()
        self._paces.append((now, compared))
        while len(self._paces) > 2 and now - self._paces[0][0] > PACE_SECONDS:
            self._paces.popleft()
        (since, first), (until, last) = self._paces[0], self._paces[-1]
        pace = (last - first) / (until - since) if until > since and last > first else None
        share = eta = None
        if done and self.problem is None and not self._stopping:
            share = 1.0
        elif self._objects:
            share = min(0.99, compared / self._objects)
        if pace and self._objects and compared < self._objects:
            eta = (self._objects - compared) / pace
        return VerifyProgress(
            compared=compared,
            per_second=pace,
            position=self._position,
            share=share,
            eta=None if done else eta,
            tally=tally_of(self._totals),
            requests=(self._listings[0].requests, self._listings[1].requests),
            shards=len(self._shards),
            shards_done=sum(shard.done for shard in self._shards),
            paused=self.paused,
            heads=self._heads,
            sorting=self._sorting,
            done=done,
        )

    def result(self) -> Verification:
        """Return what was found so far, as a verification; whole only after a whole run."""
        if self._result is not None:
            return self._result
        if self._begun is None:
            raise ValueError("the verification has not begun")
        complete = bool(self._shards) and all(shard.done for shard in self._shards)
        problem = None
        if self.problem is not None:
            problem = str(self.problem)
        elif not complete or (self._headers and self._compared_headers is None):
            problem = "it was stopped before its end"
        return Verification(
            account_id=self.scope.account_id,
            jobs=self.scope.job_ids,
            bucket=self.scope.bucket,
            expected=self._names[0],
            actual=self._names[1],
            started_at=self._begun.started_at,
            ended_at=self._clock() if self._ended_at is None else self._ended_at,
            tally=tally_of(self._work.totals()),
            prefixes=self.scope.prefixes,
            by_prefix=tuple(
                (part, tally_of(counts)) for part, counts in self._work.parts(MOST_PARTS, _FAULTS)
            ),
            headers=self._compared_headers,
            live=self._begun.live,
            problem=problem,
            pace=self._mean_pace(),
            manifest=not self._listings[0].cost.page,
        )

    def _mean_pace(self) -> float | None:
        compared = sum(shard.compared for shard in self._shards) - self._resumed
        return compared / self._active if compared and self._active else None

    def differences(self, outcomes: Sequence[Outcome] = _DIFFERENT) -> Iterator[Difference]:
        """Yield the differences of some outcomes in the order of their keys."""
        return differences(self._work, outcomes)

    def differing_headers(self) -> list[HeaderDifference]:
        """Return the objects of the sample whose headers differ, in the order of their keys."""
        return differing_headers_in(self._work)

    async def close(self) -> None:
        """Stop, if it runs, and close the work file."""
        if self._running is not None and not self._running.done():
            self.stop()
            await asyncio.wait({self._running})
        for objects in self._sorted:
            await self._stored(objects.close)
        await self._stored(self._work.close)
        self._thread.end()

    # The work file, in its own thread

    async def _stored(self, work: Callable[[], T]) -> T:
        """Run a task in the thread of the work file; a cancelled caller waits for its end too.

        Raises CannotVerify.
        """
        future = asyncio.wrap_future(self._thread.submit(work))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            raise
        except WORK_FILE_ERRORS as error:
            raise CannotVerify(cannot_use(error)) from None

    def _unfinished(self) -> _Begun | None:
        """Return the earlier run of the same jobs and sides that has not ended."""
        raw = self._work.begun()
        if raw is None or self._work.result() is not None:
            return None
        with suppress(msgspec.MsgspecError):
            begun = msgspec.json.decode(raw, type=_Begun)
            same = (begun.fingerprint, begun.sides) == (self.scope.fingerprint(), self._names)
            sample = begun.headers == self._headers and self._seed in (None, begun.seed)
            if same and sample:
                return begun
        return None

    def _earlier_pace(self) -> float | None:
        """Return the pace of the last verification of the same jobs and sides; None without one."""
        raw = self._work.result()
        with suppress(msgspec.MsgspecError):
            last = None if raw is None else msgspec.json.decode(raw, type=Verification)
            if last is not None and (last.expected, last.actual) == self._names:
                return last.pace
        return None

    def _doubt_etags(self) -> None:
        """Take back that MD5s differ, if of many that were compared not one agrees."""
        if not self._totals[ETAGS] and self._totals[Outcome.ETAG] >= _MANY_ETAGS:
            self._work.take_back(Outcome.ETAG, Outcome.SAME, NOT_COMPARED + NO_MD5S)
            self._totals = Counter(self._work.totals())

    def _finished(self) -> Verification:
        """Return the result, and store it if both sides were compared to their end."""
        result = self.result()
        if result.problem is None:
            self._work.finish(msgspec.json.encode(result))
        return result


def differences(work: WorkFile, outcomes: Sequence[Outcome] = _DIFFERENT) -> Iterator[Difference]:
    """Yield the differences that a work file holds in the order of their keys."""
    for one in work.differences(outcomes):
        known = (one.size, one.actual_size, one.modified, one.log_type)
        yield Difference(Outcome(one.outcome), one.key, *known)


def differing_headers_in(work: WorkFile) -> list[HeaderDifference]:
    """Return the objects of the sample whose headers differ, in the order of their keys."""
    rows = tuple[tuple[str, str | None, str | None], ...]
    return [
        HeaderDifference(key, msgspec.json.decode(found, type=rows))
        for key, found in work.headers()
    ]


class _Reader:
    """Reads the pages of one side of one shard."""

    def __init__(self, pages: AsyncGenerator[Sequence[ListedObject], None]) -> None:
        self._pages = pages
        self._next: asyncio.Future[Sequence[ListedObject] | None] | None = None

    def ask(self) -> None:
        """Begin to read the next page."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._read())

    async def _read(self) -> Sequence[ListedObject] | None:
        return await anext(self._pages, None)

    async def page(self) -> Sequence[ListedObject] | None:
        """Return the next page; None at the end."""
        self.ask()
        assert self._next is not None
        page = await self._next
        self._next = None
        return page

    async def close(self) -> None:
        """Stop reading."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait({self._next})
            if not self._next.cancelled():
                self._next.exception()  # retrieve it, or asyncio logs it as never retrieved
        await self._pages.aclose()


@contextmanager
def _naming(side: ObjectListing) -> Iterator[None]:
    """Begin the message of an ApiError with the name of the side, if it does not do so."""
    try:
        yield
    except ApiError as error:
        if not error.message.startswith(side.name):
            error.message = f"{side.name}: {error.message}"
        raise


def _below(prefix: str, page: Sequence[ListedObject]) -> Sequence[ListedObject]:
    """Return a page without keys that were not asked for, where a server ignores the prefix."""
    if not page or (page[0].key.startswith(prefix) and page[-1].key.startswith(prefix)):
        return page  # all of them, or the merge finds the fault of a page without order
    return [each for each in page if each.key.startswith(prefix)]


class _Sorted:
    """The objects of a side whose listing has no order, sorted."""

    cost = ListingCost(page=0)

    def __init__(self, source: ObjectListing, objects: SortedObjects) -> None:
        self._source = source
        self._objects = objects

    @property
    def name(self) -> str:
        """The name of the side."""
        return self._source.name

    @property
    def requests(self) -> int:
        """The requests of the side."""
        return self._source.requests

    async def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        """Yield the objects in order."""
        while page := await asyncio.to_thread(self._objects.page, prefix, after):
            yield page
            after = page[-1].key

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        """Return what the side returns."""
        return await self._source.level(prefix, most)

    async def headers(self, key: str) -> ObjectHeaders | None:
        """Return what the side returns."""
        return await self._source.headers(key)
