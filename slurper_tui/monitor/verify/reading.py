"""Reads a listing: the objects of a range, single keys, or all of them, sorted in a file.

There is no request for one object's existence in R2's own API, so single keys are found by listing
the bucket from just before each of them. A page may hold several of them, so there are at most as
many requests as keys.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.errors import ApiError, BadAnswer
from slurper_tui.api.objects import ListingCost
from slurper_tui.monitor.history.sorted_objects import Contradiction, SortedObjects

if TYPE_CHECKING:
    from slurper_tui.api.objects import FoundPrefix, ListedObject, ObjectHeaders
    from slurper_tui.monitor.history.workfile import WorkThread
    from slurper_tui.monitor.verify.buckets import ObjectListing
    from slurper_tui.monitor.verify.scope import Range

_TOP = "\U0010ffff"

_LONGEST_KEY = 1024
"""Bytes of UTF-8 that a key may have."""


def just_before(key: str) -> str:
    """Return a text below a key, with few or no possible keys between the two."""
    head, last = key[:-1], ord(key[-1])
    if last == 0:
        return head
    below = 0xD7FF if last == 0xE000 else last - 1
    near = f"{head}{chr(below)}{_TOP}"
    return near if len(near.encode("utf-8", "surrogatepass")) <= _LONGEST_KEY else near[:-1]


async def single_objects(
    side: ObjectListing, keys: Sequence[str]
) -> AsyncGenerator[Sequence[ListedObject], None]:
    """Yield those of some objects that a side has. keys: in order.

    Each request begins just before the next key that is wanted. What costs no request is read once.
    """
    wanted, place = frozenset(keys), 0
    while place < len(keys):
        after = just_before(keys[place])
        place = len(keys)
        async with aclosing(side.pages("", after)) as pages:
            async for page in pages:
                in_order = all(one.key < other.key for one, other in pairwise(page))
                # The merge finds the fault of a page without order.
                yield [each for each in page if each.key in wanted] if in_order else page
                if page and side.cost.page:
                    place = bisect.bisect_right(keys, page[-1].key)
                    break


class Reader:
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
def naming(side: ObjectListing) -> Iterator[None]:
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


async def pages_of(
    side: ObjectListing, whole: Range, last: str | None
) -> AsyncGenerator[Sequence[ListedObject], None]:
    """Yield the objects of a side that are in a range. last: only those behind it; None for all."""
    after = whole.after if last is None else last
    if whole.keys is not None:
        wanted = [key for key in whole.keys if after is None or key > after]
        with naming(side):
            async for page in single_objects(side, wanted):
                yield page
        return
    async with aclosing(side.pages(whole.prefix, after)) as pages:
        with naming(side):
            async for page in pages:
                yield _below(whole.prefix, page)


class SortedListing:
    """A side whose listing has no order: its objects, sorted in a temporary file by `fill`."""

    cost = ListingCost(page=0)

    def __init__(self, source: ObjectListing, thread: WorkThread) -> None:
        self._source = source
        self._thread = thread
        self._objects: SortedObjects | None = None

    @property
    def name(self) -> str:
        """The name of the side."""
        return self._source.name

    @property
    def requests(self) -> int:
        """The requests of the side."""
        return self._source.requests

    async def fill(self, ranges: Iterable[Range], go: asyncio.Event) -> None:
        """List the objects of some ranges, and sort them. Raises ApiError, CannotVerify.

        go: nothing is requested while it is not set.
        """
        source = self._source
        objects = self._objects = await self._thread.do(SortedObjects)
        for each in ranges:
            wanted = None if each.keys is None else frozenset(each.keys)
            # Without an order, a single key is found by its prefix only.
            by_key = wanted is not None and source.cost.page
            with naming(source):
                for prefix in each.keys or () if by_key else [each.prefix]:
                    async with aclosing(source.pages(prefix)) as pages:
                        async for page in pages:
                            await go.wait()
                            found = [one for one in page if wanted is None or one.key in wanted]
                            await self._thread.do(partial(objects.add, found))
        try:
            await self._thread.do(objects.sort)
        except Contradiction as twice:
            raise BadAnswer(f"{source.name} lists {twice.key!r} twice, differently") from None

    async def close(self) -> None:
        """Delete the sorted copy."""
        if self._objects is not None:
            await self._thread.do(self._objects.close)

    async def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        """Yield the objects in order."""
        assert self._objects is not None
        while page := await asyncio.to_thread(self._objects.page, prefix, after):
            yield page
            after = page[-1].key

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        """Return what the side returns."""
        return await self._source.level(prefix, most)

    async def headers(self, key: str) -> ObjectHeaders | None:
        """Return what the side returns."""
        return await self._source.headers(key)


class LookupPrice(NamedTuple):
    """What a lookup costs at most. seconds: None if that is not known."""

    keys: int
    requests: int
    seconds: float | None


class KeyLookup:
    """Looks up keys in one bucket.

    found: the objects that exist, by key. checked: keys that are known to exist or not.
    """

    def __init__(self, side: ObjectListing, keys: Iterable[str]) -> None:
        self.found: dict[str, ListedObject] = {}
        self.checked = 0
        self._side = side
        self._wanted = sorted(set(keys))

    @property
    def price(self) -> LookupPrice:
        """The most that it costs."""
        number, cost = len(self._wanted), self._side.cost
        pace = cost.per_second or 1 / cost.seconds
        return LookupPrice(number, number, number / pace)

    @property
    def requests(self) -> int:
        """The requests that were sent so far."""
        return self._side.requests

    async def run(self) -> AsyncGenerator[int, None]:
        """Look up the keys; yield the number of checked ones after every jump. Raises ApiError."""
        while self.checked < len(self._wanted):
            after = just_before(self._wanted[self.checked])
            if not await self._read_on(after):
                self.checked = len(self._wanted)  # the listing has ended: none of them exists
            yield self.checked

    async def _read_on(self, after: str) -> bool:
        """Read from `after` on until the next wanted key is known; return False at the end."""
        next_key = self._wanted[self.checked]
        async with aclosing(self._side.pages("", after)) as pages:
            async for page in pages:
                for listed in page:
                    if listed.key <= after:
                        raise BadAnswer("the listing is not in the order of the keys")
                    after = listed.key
                self._compare(page)
                if after >= next_key:
                    return True
        return False

    def _compare(self, page: Sequence[ListedObject]) -> None:
        """Take over what a page tells about the wanted keys, up to its last key."""
        listed = {each.key: each for each in page}
        last = page[-1].key if page else ""
        while self.checked < len(self._wanted) and (key := self._wanted[self.checked]) <= last:
            self.checked += 1
            if key in listed:
                self.found[key] = listed[key]
