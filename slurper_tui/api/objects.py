"""Objects of a bucket, as its listing and its answer to HEAD describe them, and S3 endpoints.

`read_pages` and `read_level` read a listing page by page: they repeat what fails, and refuse to go
in circles.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from slurper_tui.api.errors import (
    BadAddress,
    BadAnswer,
    RateLimited,
    Refused,
    TooLarge,
    Unreachable,
)
from slurper_tui.api.models import Count

MOST_LISTED = 1000
"""The most objects that one page of a listing holds, in R2's own API and with S3."""

AWS = "https://s3.amazonaws.com"
GCS = "https://storage.googleapis.com"
R2_HOST = ".r2.cloudflarestorage.com"


def r2_endpoint(account_id: str, jurisdiction: str | None = None) -> str:
    """Return R2's S3 endpoint of an account. jurisdiction: None or `default` for the default one.

    Raises BadAddress for an id that is no part of a host name.
    """
    place = "" if jurisdiction in (None, "", "default") else f".{jurisdiction}"
    if not re.fullmatch("[A-Za-z0-9-]{1,63}", account_id) or not re.fullmatch(
        r"(\.[a-z]{1,20})?", place
    ):
        raise BadAddress("R2 has no S3 endpoint for this account or jurisdiction")
    return f"https://{account_id}{place}{R2_HOST}"


class ListedObject(msgspec.Struct, frozen=True, gc=False):
    """One object of a listing.

    key: exact, without any normalisation. Keys of a listing are in UTF-8 byte order, which is
        Python's order of strings.
    size: bytes; None where a manifest does not tell it.
    etag: without quotes; None if not told.
    modified: UTC seconds; None if not told.
    """

    key: str
    size: int | None = None
    etag: str | None = None
    modified: float | None = None


class ObjectHeaders(msgspec.Struct, frozen=True):
    """The headers of an object that a copy should keep; None for one that it lacks.

    metadata: custom metadata by lower-case name, without the `x-amz-meta-` prefix.
    """

    content_type: str | None = None
    cache_control: str | None = None
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    metadata: Mapping[str, str] = {}


class ObjectPage(msgspec.Struct, frozen=True):
    """One answer of a listing, in the order of the answer.

    prefixes: the common prefixes of a listing with a delimiter.
    cursor: the next page begins there; None after the last page.
    """

    objects: Sequence[ListedObject]
    prefixes: Sequence[str] = ()
    cursor: str | None = None


class ListingCost(NamedTuple):
    """What a listing costs.

    page: objects that one request lists; 0 where no request is sent, as for a manifest.
    per_second: the most requests a second that it sends; None where only the network limits it.
    seconds: of one request, as far as is known.
    in_r2: it lists an R2 bucket, so that every request is a Class A operation of R2.
    lists_headers: the headers of an object are read with a listing too, not with HEAD.
    """

    page: int = 1000
    per_second: float | None = None
    seconds: float = 0.3
    in_r2: bool = False
    lists_headers: bool = False


class R2Headers(msgspec.Struct, frozen=True, rename="camel"):
    """The headers that R2 keeps of an object."""

    content_type: str | None = None
    cache_control: str | None = None
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    cache_expiry: str | None = None
    extra: Mapping[str, object] = {}


class R2Object(msgspec.Struct, frozen=True):
    """An object as R2's own API lists it. ssec: it is encrypted with a key of the customer."""

    key: str | None = None
    size: Count | None = None
    etag: str | None = None
    last_modified: str | None = None
    storage_class: str | None = None
    ssec: bool | None = None
    http_metadata: R2Headers | None = None
    custom_metadata: Mapping[str, str] | None = None
    extra: Mapping[str, object] = {}

    @property
    def listed(self) -> ListedObject:
        """The object as in a listing. The ETag of one that is encrypted is no MD5 and left out."""
        etag = None if self.ssec or self.etag is None else self.etag.strip('"')
        return ListedObject(self.key or "", self.size, etag, utc_seconds(self.last_modified))

    @property
    def headers(self) -> ObjectHeaders:
        """The headers that a copy should keep."""
        kept = self.http_metadata or R2Headers()
        custom = self.custom_metadata or {}
        return ObjectHeaders(
            kept.content_type,
            kept.cache_control,
            kept.content_encoding,
            kept.content_disposition,
            kept.content_language,
            {name.lower(): value for name, value in custom.items()},
        )


class R2Page(msgspec.Struct, frozen=True):
    """One page of R2's own API.

    prefixes: the common prefixes of a listing with a delimiter.
    cursor: the next page begins there; None if not told.
    truncated: whether there is a next page; None if not told.
    """

    objects: Sequence[R2Object]
    prefixes: Sequence[str] = ()
    cursor: str | None = None
    truncated: bool | None = None

    @classmethod
    def of(cls, objects: Sequence[R2Object], info: Mapping[str, object]) -> R2Page:
        """Return the page of an answer. info: its `result_info`."""
        cursor, truncated = info.get("cursor"), info.get("is_truncated")
        prefixes = info.get("delimited")
        return cls(
            objects,
            tuple(p for p in prefixes if isinstance(p, str)) if isinstance(prefixes, list) else (),
            cursor if isinstance(cursor, str) and cursor else None,
            None if truncated is None else truncated is not False,
        )


END_OF_TIMES = 253_402_128_000.0
"""Two days before the year 10000, which no zone can show, in UTC seconds."""


def utc_seconds(text: str | None) -> float | None:
    """Parse the time of an object, in ISO 8601; None for anything else, and before 1970."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return seconds if 0 < seconds < END_OF_TIMES else None


class FoundPrefix(msgspec.Struct, frozen=True):
    """What a listing with a delimiter found at one level: a common prefix or a single object."""

    name: str
    is_object: bool = False


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

MOST_REPEATED = 10
"""Pages of a level in a row that repeat names of earlier ones; some servers send a few."""

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
    fetch: Fetch, prefix: str = "", most: int | None = None, rng: random.Random | None = None
) -> Sequence[FoundPrefix]:
    """Return what a listing with a delimiter finds below a prefix, by name and each once.

    Names that were not asked for, of a server that ignores the prefix, are left out. most: stop
    after the page that has brought so many; None for all. Raises TooLarge for more than
    `MOST_AT_LEVEL` prefixes and objects, BadAnswer for a listing that repeats itself.
    """
    found: dict[str, FoundPrefix] = {}
    pages_without_new = 0
    async for page in read_pages(fetch, rng=rng):
        before = len(found)
        found.update((name, FoundPrefix(name)) for name in page.prefixes if name != prefix)
        for each in page.objects:
            found.setdefault(each.key, FoundPrefix(each.key, is_object=True))
        pages_without_new = pages_without_new + 1 if len(found) == before else 0
        if pages_without_new > MOST_REPEATED and (page.prefixes or page.objects):
            raise BadAnswer("the listing does not go on: the server sends the same names again")
        if most is not None and len(found) >= most:
            break
        if len(found) > MOST_AT_LEVEL:
            raise TooLarge(f"more than {MOST_AT_LEVEL:,} prefixes and objects at one level")
    return sorted(
        (one for one in found.values() if one.name.startswith(prefix)), key=lambda one: one.name
    )


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


class PagedBucket:
    """The pages and the levels of a bucket; a subclass requests them, see `_fetch`."""

    def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        """Yield the objects below a prefix, page by page, in the order of the answers.

        after: only keys greater than this one. Raises ApiError.
        """
        return objects_of(read_pages(self._fetch(prefix), after))

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        """Return what is one level below a prefix, see `read_level`. Raises ApiError."""
        return await read_level(self._fetch(prefix, "/"), prefix, most)

    def _fetch(self, prefix: str, delimiter: str = "") -> Fetch:
        """Return a function that requests a page of the objects below a prefix."""
        raise NotImplementedError


async def objects_of(
    pages: AsyncIterator[ObjectPage],
) -> AsyncGenerator[Sequence[ListedObject], None]:
    """Yield the objects of each page that has any.

    Raises BadAnswer for folders, for which nobody asked: the objects in them are not listed.
    """
    async for page in pages:
        if any(page.prefixes):
            raise BadAnswer("the listing has folders instead of the objects in them")
        if page.objects:
            yield page.objects
