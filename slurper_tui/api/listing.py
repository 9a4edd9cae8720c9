"""Reads the listing of a bucket page by page: repeats what fails, and refuses to go in circles."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from slurper_tui.api.errors import (
    BadAddress,
    BadAnswer,
    RateLimited,
    Refused,
    TooLarge,
    Unreachable,
)
from slurper_tui.api.objects import FoundPrefix, ListedObject, ObjectPage

T = TypeVar("T")

Fetch = Callable[[str | None, str | None], Awaitable[ObjectPage]]
"""Requests one page. First argument: the cursor of the page before, None for the first page.
Second: only keys greater than this one; None for all, and where there is a cursor.
Raises ApiError."""

TRIES = 9
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""A request is sent up to `TRIES` times; the longest wait before the second one, and before any."""

MOST_WAIT = 300.0
"""The longest wait that a server may ask for, in seconds."""

MOST_EMPTY = 1000
"""Pages without an object in a row; more are no listing."""

MOST_AT_LEVEL = 20_000
"""Prefixes and objects of one level; a level with more is not read to its end."""


async def repeated(send: Callable[[], Awaitable[T]], rng: random.Random | None = None) -> T:
    """Send a reading request until it is answered. Raises the ApiError of the last try.

    Only what may succeed a moment later is repeated. The waits have "full jitter" (Brooker,
    Exponential Backoff and Jitter, 2015).
    """
    draw = rng or random
    for tried in range(1, TRIES):
        try:
            return await send()
        except (Unreachable, BadAnswer, RateLimited) as error:
            if isinstance(error, TooLarge | BadAddress):
                raise
            wait = draw.uniform(0.0, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (tried - 1)))
            asked = error.retry_after or 0.0
            if asked > MOST_WAIT:
                raise
        await asyncio.sleep(max(wait, asked))
    return await send()


async def read_pages(
    fetch: Fetch, after: str | None = None, rng: random.Random | None = None
) -> AsyncIterator[ObjectPage]:
    """Yield the pages of a listing to its end. after: only keys greater than this one.

    A cursor that the server no longer knows, such as after a pause of a day, is replaced by the
    last key, as long as the keys came in their order. Raises ApiError, BadAnswer for a listing that
    does not go on.
    """
    cursor, last, ascends, circle = None, after, True, _Circle()
    while True:
        try:
            page = await repeated(partial(fetch, cursor, None if cursor else after), rng)
        except Refused as error:
            if type(error) is not Refused or cursor is None or not ascends or last == after:
                raise
            cursor, after = None, last
            continue
        circle.check(page)
        for found in page.objects:
            ascends = ascends and (last is None or found.key > last)
            last = found.key
        yield page
        if page.cursor is None:
            return
        cursor = page.cursor


async def read_level(
    fetch: Fetch, most: int | None = None, rng: random.Random | None = None
) -> Sequence[FoundPrefix]:
    """Return what a listing with a delimiter finds, by name.

    most: stop after the page that has brought so many; None for all. Raises TooLarge for more than
    `MOST_AT_LEVEL` prefixes and objects.
    """
    found: list[FoundPrefix] = []
    async for page in read_pages(fetch, rng=rng):
        found += [FoundPrefix(name) for name in page.prefixes]
        found += [FoundPrefix(object.key, is_object=True) for object in page.objects]
        if most is not None and len(found) >= most:
            break
        if len(found) > MOST_AT_LEVEL:
            raise TooLarge(f"more than {MOST_AT_LEVEL:,} prefixes and objects at one level")
    return sorted(found, key=lambda one: one.name)


class _Circle:
    """Raises BadAnswer for a listing without an end.

    A page with the cursor or the first key of an earlier one shows a circle. It is compared with
    one earlier page, which is replaced after 1, 2, 4, 8… pages (Brent, An Improved Monte Carlo
    Factorization Algorithm, 1980), so that a circle of any length is found.
    """

    def __init__(self) -> None:
        self._cursor: str | None = None
        self._first: str | None = None
        self._left, self._period, self._empty = 1, 1, 0

    def check(self, page: ObjectPage) -> None:
        first = page.objects[0].key if page.objects else None
        self._empty = 0 if page.objects or page.prefixes else self._empty + 1
        again = page.cursor is not None and page.cursor == self._cursor
        if again or (first is not None and first == self._first) or self._empty > MOST_EMPTY:
            raise BadAnswer("the listing does not go on: the server sends the same page again")
        self._left -= 1
        if self._left == 0:
            self._period *= 2
            self._left = self._period
            self._cursor, self._first = page.cursor, first


def objects_of(pages: AsyncIterator[ObjectPage]) -> AsyncIterator[Sequence[ListedObject]]:
    """Yield the objects of each page that has any."""
    return (page.objects async for page in pages if page.objects)
