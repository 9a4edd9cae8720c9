"""A bucket in memory, listed as a server lists it, with faults that a test asks for."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any

from slurper_tui.api.errors import ApiError
from slurper_tui.api.objects import FoundPrefix, ListedObject, ListingCost, ObjectHeaders
from slurper_tui.monitor.verify.compare import Difference
from slurper_tui.monitor.verify.scope import JobScope, Scope

CREATED = 1_900_000_000.0
STARTED = CREATED + 10_000.0


def an_object(key: str, size: int | None = 5, **fields: Any) -> ListedObject:
    """Return an object as a listing tells it, older than the job; its MD5 follows from the size."""
    digest = hashlib.md5(str(size).encode(), usedforsecurity=False).hexdigest()
    told: dict[str, Any] = {"etag": digest, "modified": CREATED - 100.0, **fields}
    return ListedObject(key, size, **told)


def objects(*keys: str) -> list[ListedObject]:
    return [an_object(key) for key in keys]


def scope(*jobs: JobScope, prefixes: tuple[str, ...] = ()) -> Scope:
    everything = (JobScope("job", created_at=CREATED),)
    return Scope("account", "bucket", jobs or everything, prefixes)


class MemoryBucket:
    """A listing in memory. in_order: sort its objects.

    before_page: called with the number of the request before each page; its exception is raised.
    told: the headers of some objects, None for one that has gone. before_head: like before_page.
    """

    def __init__(
        self,
        listed: Iterable[ListedObject],
        name: str = "bucket",
        *,
        page: int = 3,
        in_order: bool = True,
        before_page: Callable[[int], None] = lambda number: None,
        cost: ListingCost | None = None,
        told: Mapping[str, ObjectHeaders | None] | None = None,
        before_head: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.name = name
        self.requests = 0
        self.cost = cost or ListingCost(page=page)
        self.asked: list[tuple[str, str | None]] = []
        self.heads: list[str] = []
        self._told = told or {}
        self._before_head = before_head
        self._page = page
        self._objects = sorted(listed, key=lambda o: o.key) if in_order else list(listed)
        self._keys = [one.key for one in self._objects] if in_order else None
        self._before_page = before_page

    async def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        self.asked.append((prefix, after))
        found = self._below(prefix, after)
        for start in range(0, max(1, len(found)), self._page):
            self.requests += 1
            self._before_page(self.requests)
            yield found[start : start + self._page]

    def _below(self, prefix: str, after: str | None) -> list[ListedObject]:
        if self._keys is None:
            return [
                one
                for one in self._objects
                if one.key.startswith(prefix) and (after is None or one.key > after)
            ]
        first = bisect.bisect_left(self._keys, prefix)
        if after is not None:
            first = max(first, bisect.bisect_right(self._keys, after))
        beyond = bisect.bisect_left(self._keys, prefix + "\U0010ffff") if prefix else None
        return [one for one in self._objects[first:beyond] if one.key.startswith(prefix)]

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        self.requests += 1
        names: dict[str, bool] = {}
        for one in self._below(prefix, None):
            head, slash, _ = one.key[len(prefix) :].partition("/")
            names[prefix + head + slash] = not slash
        return [FoundPrefix(name, is_object) for name, is_object in names.items()]

    async def headers(self, key: str) -> ObjectHeaders | None:
        self.heads.append(key)
        self._before_head(len(self.heads))
        return self._told.get(key, ObjectHeaders("text/html"))


def fails_at(*numbers: int) -> Callable[[int], None]:
    """Return a `before_page` that raises at some requests."""

    def fail(number: int) -> None:
        if number in numbers:
            raise ApiError("the listing was cut off")

    return fail


def by_key(differences: Iterable[Difference]) -> Mapping[str, str]:
    return {d.key: str(d.outcome) for d in differences}
