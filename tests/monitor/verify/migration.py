"""`python -m tests.monitor.verify.migration`: verify a migration of any size with known faults.

The objects follow from their numbers, so that a listing needs no memory. The process kills itself
where it is asked to, and prints the result with its differences otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from slurper_tui.api.objects import FoundPrefix, ListedObject, ListingCost, ObjectHeaders
from slurper_tui.monitor.history.workfile import WorkFile
from slurper_tui.monitor.model.verification import Outcome, VerifyOptions
from slurper_tui.monitor.verify import shards
from slurper_tui.monitor.verify.verifier import Verifier
from tests.monitor.verify.buckets import CREATED, STARTED, scope

PAGE = 1000
FOLDER = 5000
"""Objects of one folder."""

FAULTS = {Outcome.MISSING: 37, Outcome.SIZE: 5, Outcome.EMPTY: 2, Outcome.CHANGED: 11}

PLAIN, IN_PARTS = "0123456789abcdef" * 2, "0123456789abcdef" * 2 + "-7"


def key_of(number: int) -> str:
    return f"photos/{number // FOLDER:05}/caf\u00e9 \U0001f4f7\n{number:08}.jpg"


def faults_of(objects: int) -> dict[int, Outcome]:
    """Return the outcome of each object with a fault."""
    outcomes = [outcome for outcome, number in FAULTS.items() for _ in range(number)]
    numbers = random.Random(7).sample(range(objects), len(outcomes))
    return dict(zip(numbers, outcomes, strict=True))


def known_differences(objects: int) -> list[list[str]]:
    """Return what a verification must tell, in the order of the keys."""
    return [[str(outcome), key_of(n)] for n, outcome in sorted(faults_of(objects).items())]


class NumberedBucket:
    """One side. seconds: spent on making objects, which stands for the network."""

    name = "bucket"
    cost = ListingCost(PAGE)

    def __init__(
        self, objects: int, *, is_target: bool, before_page: Callable[[], None] = lambda: None
    ) -> None:
        self.requests = 0
        self.seconds = 0.0
        self._objects = objects
        self._is_target = is_target
        self._before_page = before_page
        self._faults = faults_of(objects)

    async def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        everything = range(self._objects)
        first = 0 if after is None else bisect.bisect_right(everything, after, key=key_of)
        for start in range(first, self._objects, PAGE):
            begun = time.perf_counter()
            self.requests += 1
            self._before_page()
            page = self._page(range(start, min(start + PAGE, self._objects)))
            self.seconds += time.perf_counter() - begun
            yield page

    def _page(self, numbers: range) -> list[ListedObject]:
        faults, etags = self._faults, (PLAIN, PLAIN, IN_PARTS)
        return [
            ListedObject(key_of(n), n % 4096 + 1, etags[n % 3], CREATED - 1)
            if n not in faults
            else self._with_fault(n, faults[n])
            for n in numbers
            if not (self._is_target and faults.get(n) is Outcome.MISSING)
        ]

    def _with_fault(self, number: int, outcome: Outcome) -> ListedObject:
        size, etag, modified = number % 4096 + 1, PLAIN, CREATED - 1
        if self._is_target:
            size = {Outcome.SIZE: size + 1, Outcome.EMPTY: 0}.get(outcome, size)
            etag = PLAIN[::-1]
        elif outcome is Outcome.CHANGED:
            modified = CREATED + 1
        return ListedObject(key_of(number), size, etag, modified)

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        if not prefix:
            return [FoundPrefix("photos/")]
        folders = -(-self._objects // FOLDER)
        return [FoundPrefix(f"photos/{number:05}/") for number in range(folders)][:most]

    async def headers(self, key: str) -> ObjectHeaders | None:
        raise NotImplementedError


async def verify(options: argparse.Namespace) -> dict[str, object]:
    """Run, or go on, to the end."""
    pages = 0

    def count() -> None:
        nonlocal pages
        pages += 1
        if pages == options.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    if options.keep_at_once:
        shards.CHECKPOINT_SECONDS = 0.0
    source, target = (
        NumberedBucket(options.objects, is_target=is_target, before_page=count)
        for is_target in (False, True)
    )
    verifier = Verifier(
        source,
        target,
        scope(),
        VerifyOptions(workers=options.workers),
        work=WorkFile(options.work),
        objects=options.objects,
        clock=lambda: STARTED,
    )
    begun = time.perf_counter()
    async for _ in verifier.run():
        pass
    seconds = time.perf_counter() - begun - source.seconds - target.seconds
    result = verifier.result()
    told: dict[str, object] = {
        "seconds": seconds,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "pages": pages,
        "problem": result.problem,
        "counts": result.tally.counts,
        "faults_by_prefix": sum(tally.faults for _, tally in result.by_prefix),
        "differences": [[str(one.outcome), one.key] for one in verifier.differences()],
    }
    await verifier.close()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("objects", type=int)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--die-at", type=int, default=0, metavar="PAGE")
    parser.add_argument("--keep-at-once", action="store_true", help="a checkpoint at every page")
    json.dump(asyncio.run(verify(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
