"""Looks up single keys in a bucket.

There is no request for one object's existence in R2's own API, so `KeyLookup` lists the bucket from
just before each wanted key. A page may hold several of them, so there are at most as many requests
as keys.
"""

from __future__ import annotations

import bisect
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.errors import BadAnswer

if TYPE_CHECKING:
    from slurper_tui.api.objects import ListedObject
    from slurper_tui.monitor.verify.buckets import ObjectListing


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
