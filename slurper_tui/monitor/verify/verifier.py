"""Verifies a target: lists both sides in shards, compares them, and keeps how far it is.

`Verifier.plan` tells what the listings cost before the first request, `run` compares and yields the
progress, `result` and `differences` tell what was found. A run goes on where an earlier one of the
same jobs and sides was stopped or killed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.history.workfile import Damaged, WorkFile, WorkThread, named_errors
from slurper_tui.monitor.model.verification import (
    DIFFERS,
    FAULTS,
    HeaderSample,
    Outcome,
    Verification,
    VerifyOptions,
)
from slurper_tui.monitor.verify.compare import (
    ETAGS,
    NO_MD5S,
    NOT_COMPARED,
    Difference,
    Judge,
    OrderBroken,
    tally_of,
)
from slurper_tui.monitor.verify.headers import (
    HeaderDifference,
    HeaderSampler,
    Sampled,
    compare_headers,
)
from slurper_tui.monitor.verify.plan import (
    Pace,
    VerifyPlan,
    VerifyProgress,
    assumed_seconds,
    side_cost,
)
from slurper_tui.monitor.verify.reading import SortedListing
from slurper_tui.monitor.verify.shards import LARGE_PAIRS, Shards, divides, new_shards

if TYPE_CHECKING:
    from slurper_tui.monitor.history.workfile import StoredShard
    from slurper_tui.monitor.verify.buckets import ObjectListing
    from slurper_tui.monitor.verify.scope import Scope

PROGRESS_SECONDS = 0.25

_MANY_ETAGS = 10
"""So many objects of equal sizes do not all differ: rather, ETags that look like MD5s are none."""

MOST_PARTS = 200
"""Parts of the bucket that the result tells."""

_IN_BOTH = (Outcome.SAME, *DIFFERS)

_DIFFERENT = tuple(outcome for outcome in Outcome if outcome is not Outcome.SAME)


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


_LONGEST_STEP = 10.0
"""Seconds between two reports that count at most: the program may have been stopped for hours."""


class Verifier:
    """Compares what some jobs were to copy with what the target holds.

    expected, actual: the two sides. options: how they are compared. work: where the progress and
    the differences are kept; None for memory. objects: of the jobs, by their counters.
    """

    def __init__(
        self,
        expected: ObjectListing,
        actual: ObjectListing,
        scope: Scope,
        options: VerifyOptions | None = None,
        *,
        work: WorkFile | None = None,
        objects: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        options = options or VerifyOptions()
        self.scope = scope
        self.problem: ApiError | None = None
        self._sides: list[ObjectListing] = [expected, actual]
        self._names = (expected.name, actual.name)
        self._listings = (expected, actual)
        self._work = work or WorkFile()
        self._workers = max(1, options.workers)
        self._objects = objects
        self._headers = options.headers
        self._seed = options.seed
        self._sampler: HeaderSampler | None = None
        self._heads: tuple[int, int] | None = None
        self._compared_headers: HeaderSample | None = None
        self._anew = options.anew
        self._clock = clock
        self._thread = WorkThread("verify")
        self._go = asyncio.Event()
        self._go.set()
        self._changed = asyncio.Event()
        self._stopping = False
        self._running: asyncio.Task[None] | None = None
        self._begun: _Begun | None = None
        self._result: Verification | None = None
        self._sorting: str | None = None
        self._sorted: list[SortedListing] = []
        self._ended_at: float | None = None
        self._active = 0.0
        self._resumed = 0
        self._lately = Pace()
        self._shards = self._shards_of(())

    # Before

    async def plan(self) -> VerifyPlan:
        """Return what the verification costs; sends no request."""
        found = None if self._anew else await self._thread.do(self._unfinished)
        pace = await self._thread.do(self._earlier_pace)
        resumes = (
            0
            if found is None
            else sum(s.compared for s in await self._thread.do(self._work.shards))
        )
        left = None if self._objects is None else max(0, self._objects - resumes)
        ranges, divide = len(self.scope.ranges()), divides(self._listings)
        costs = [
            side_cost(side, left, ranges, self._workers, divide=divide) for side in self._listings
        ]
        seconds = None
        if left is not None:
            seconds = left / pace if pace else assumed_seconds(self._listings, left, self._workers)
        return VerifyPlan(
            self._objects,
            costs[0],
            costs[1],
            seconds,
            measured=pace is not None,
            headers=self._headers,
            resumes=resumes,
            begun_at=None if found is None else found.started_at,
            replaced=self._work.replaced,
        )

    async def explain(self, log_types: Mapping[str, str] | None) -> None:
        """Add objects that were not copied, as a log says, so that they are expected to be missing.

        log_types: by key; None to forget them all. Raises CannotVerify.
        """
        if log_types is None:
            await self._thread.do(self._work.forget_explanations)
        else:
            await self._thread.do(partial(self._work.explain, log_types.items()))

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
                    self._active += min(time.monotonic() - moment, _LONGEST_STEP)
            if not running.cancelled():
                running.result()  # raises the error of the work file
        finally:
            if not self._stopping:
                running.cancel()
            await asyncio.wait({running})
        self._ended_at = self._clock()
        if self._begun is not None:  # the clock may have been set back meanwhile
            self._ended_at = max(self._ended_at, self._begun.started_at)
            self._result = await self._thread.do(self._finished)
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
                    await self._shards.compare(self._judge())
                    break
                except OrderBroken as broken:
                    await self._start_sorting(broken.side)
            await self._thread.do(self._doubt_etags)
            await self._compare_headers()
        except ApiError as error:
            self.problem = error

    async def _begin(self) -> None:
        found = None if self._anew else await self._thread.do(self._unfinished)
        self._anew = False
        if found is None:
            await self._begin_anew(())
        else:
            self._begun = found
            self._make_sampler(await self._thread.do(self._work.sampled))
            stored = await self._thread.do(self._work.shards)
            self._shards = self._shards_of(stored, await self._thread.do(self._work.totals))
            self._resumed = self._shards.compared
            self._lately.clear()
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
        stored = await new_shards(self.scope.ranges(), self._sides, self._workers)
        await self._thread.do(lambda: self._work.begin(msgspec.json.encode(begun), stored))
        self._begun = begun
        self._make_sampler(())
        self._shards = self._shards_of(stored)

    def _shards_of(self, stored: Iterable[StoredShard], totals: Mapping[str, int] = {}) -> Shards:
        return Shards(
            stored,
            self._sides,
            self._work,
            self._thread,
            workers=self._workers,
            common=self.scope.common,
            sampler=self._sampler,
            go=self._go,
            totals=totals,
        )

    def _judge(self) -> Judge:
        assert self._begun is not None
        return Judge(
            self._begun.started_at,
            self.scope.created_at(),
            self.scope.first_created_at,
        )

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

        totals = self._shards.totals
        pairs = sum(totals[outcome] for outcome in _IN_BOTH)
        large = totals[LARGE_PAIRS]
        compared = await compare_headers(
            *self._listings,
            self._sampler,
            large=large,
            others=max(0, pairs - large),
            go=self._go,
            progress=show,
        )
        rows = [(each.key, msgspec.json.encode(each.headers)) for each in compared.differing]
        await self._thread.do(lambda: self._work.keep_headers(rows))
        self._compared_headers = compared.sample

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
        source = self._listings[side]
        self._sorting = source.name
        listing = SortedListing(source, self._thread)
        self._sorted.append(listing)
        await listing.fill(self.scope.ranges(), self._go)
        self._sorting = None
        self._sides[side] = listing

    # What it tells

    def _progress(self, *, done: bool = False) -> VerifyProgress:
        compared = self._shards.compared
        if self.paused:
            self._lately.clear()
        pace = self._lately.at(time.monotonic(), compared)
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
            position=self._shards.position,
            share=share,
            eta=None if done else eta,
            tally=tally_of(self._shards.totals),
            requests=(self._listings[0].requests, self._listings[1].requests),
            shards=len(self._shards),
            shards_done=self._shards.done,
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
        complete = 0 < len(self._shards) == self._shards.done
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
                (part, tally_of(counts)) for part, counts in self._work.parts(MOST_PARTS, FAULTS)
            ),
            headers=self._compared_headers,
            live=self._begun.live,
            problem=problem,
            pace=self._mean_pace(),
            manifest=not self._listings[0].cost.page,
        )

    def _mean_pace(self) -> float | None:
        compared = self._shards.compared - self._resumed
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
        for listing in self._sorted:
            await listing.close()
        await self._thread.do(self._work.close)
        self._thread.end()

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
        totals = self._shards.totals
        if not totals[ETAGS] and totals[Outcome.ETAG] >= _MANY_ETAGS:
            self._work.take_back(Outcome.ETAG, Outcome.SAME, NOT_COMPARED + NO_MD5S)
            self._shards.totals = Counter(self._work.totals())

    def _finished(self) -> Verification:
        """Return the result, and store it if both sides were compared to their end."""
        result = self.result()
        if result.problem is None:
            self._work.finish(msgspec.json.encode(result))
        return result


def differences(work: WorkFile, outcomes: Sequence[Outcome] = _DIFFERENT) -> Iterator[Difference]:
    """Yield the differences that a work file holds in the order of their keys.

    Raises CannotVerify.
    """
    with named_errors():
        for one in work.differences(outcomes):
            known = (one.size, one.actual_size, one.modified, one.log_type)
            yield Difference(Outcome(one.outcome), one.key, *known)


def differing_headers_in(work: WorkFile) -> list[HeaderDifference]:
    """Return the objects of the sample whose headers differ, in the order of their keys.

    Raises CannotVerify.
    """
    rows = tuple[tuple[str, str | None, str | None], ...]
    with named_errors():
        try:
            return [
                HeaderDifference(key, msgspec.json.decode(found, type=rows))
                for key, found in work.headers()
            ]
        except msgspec.MsgspecError:
            raise Damaged from None
