"""Reading a listing to its end: what is repeated, what is refused, and what never ends."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from slurper_tui.api.errors import (
    ApiError,
    BadAddress,
    BadAnswer,
    BucketKeysRefused,
    NotFound,
    RateLimited,
    Refused,
    TooLarge,
    Unreachable,
)
from slurper_tui.api.objects import (
    LONGEST_WAIT,
    MOST_AT_LEVEL,
    MOST_EMPTY,
    MOST_REPEATED,
    TRIES,
    Fetch,
    FoundPrefix,
    ListedObject,
    ObjectPage,
    objects_of,
    read_level,
    read_pages,
    repeated,
)
from tests.monitor.bench import now
from tests.virtual_time import timeless


def page(*keys: str, cursor: str | None = None, prefixes: Sequence[str] = ()) -> ObjectPage:
    return ObjectPage([ListedObject(key) for key in keys], prefixes, cursor)


class Server:
    """Answers a listing with pages or errors, one after the other, and keeps what was asked."""

    def __init__(self, *answers: ObjectPage | ApiError) -> None:
        self.asked: list[tuple[str | None, str | None]] = []
        self._answers = iter(answers)

    async def fetch(self, cursor: str | None, after: str | None) -> ObjectPage:
        self.asked.append((cursor, after))
        answer = next(self._answers)
        if isinstance(answer, ApiError):
            raise answer
        return answer


async def keys(fetch: Fetch, after: str | None = None) -> list[str]:
    pages = objects_of(read_pages(fetch, after, random.Random(1)))
    return [found.key async for objects in pages for found in objects]


@timeless
async def test_pages_are_read_to_the_last_one_also_past_empty_ones() -> None:
    server = Server(page("a", cursor="1"), page(cursor="2"), page("b", "c"))
    assert await keys(server.fetch, "0") == ["a", "b", "c"]
    assert server.asked == [(None, "0"), ("1", None), ("2", None)]


TRANSIENT = [
    Unreachable("cut off"),
    BadAnswer("503", status=503),
    RateLimited("slow down"),
]


@pytest.mark.parametrize("error", TRANSIENT)
def test_a_transient_fault_is_repeated_within_bounds(error: ApiError) -> None:
    @timeless
    async def heals() -> None:
        server = Server(page("a", cursor="1"), *[error] * (TRIES - 1), page("b"))
        assert await keys(server.fetch) == ["a", "b"]
        assert now() < (TRIES - 1) * LONGEST_WAIT

    @timeless
    async def remains() -> None:
        server = Server(page("a", cursor="1"), *[error] * TRIES)
        with pytest.raises(type(error)):
            await keys(server.fetch)
        assert server.asked[1:] == [("1", None)] * TRIES

    heals()
    remains()


@timeless
async def test_a_wait_that_the_server_asks_for_is_kept_unless_it_is_long() -> None:
    server = Server(RateLimited("slow down", retry_after=40.0), page("a"))
    assert await keys(server.fetch) == ["a"]
    assert now() >= 40.0
    with pytest.raises(RateLimited):
        await keys(Server(RateLimited("tomorrow", retry_after=9000.0)).fetch)


@pytest.mark.parametrize(
    "error",
    [TooLarge("large"), BadAddress("long"), NotFound("bucket"), BucketKeysRefused("keys")],
)
@timeless
async def test_what_cannot_succeed_is_asked_once(error: ApiError) -> None:
    server = Server(page("a", cursor="1"), error)
    with pytest.raises(type(error)):
        await keys(server.fetch)
    assert len(server.asked) == 2


@timeless
async def test_a_forgotten_cursor_is_replaced_by_the_last_key() -> None:
    refused = Refused("the cursor is not valid")
    server = Server(page("a", "b", cursor="1"), refused, page("c", cursor="2"), page("d"))
    assert await keys(server.fetch) == ["a", "b", "c", "d"]
    assert server.asked == [(None, None), ("1", None), (None, "b"), ("2", None)]
    for answers in (
        [page("b", "a", cursor="1"), refused],  # "only keys after a" would list b twice
        [page("a", cursor="1"), refused, refused],
        [page(cursor="1"), refused],
        [refused],
    ):
        with pytest.raises(Refused, match="not valid"):
            await keys(Server(*answers).fetch)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 50])
@timeless
async def test_a_listing_that_goes_in_circles_ends_with_an_error(length: int) -> None:
    circle = itertools.cycle(page(f"k{n}", cursor=f"c{n}") for n in range(length))
    start = [page(f"a{n}", cursor=f"b{n}") for n in range(5)]
    server = Server(*start, *itertools.islice(circle, 1000))
    with pytest.raises(BadAnswer, match="does not go on"):
        await keys(server.fetch)
    assert len(server.asked) < 5 + 4 * length + 8


@timeless
async def test_keys_that_do_not_advance_and_pages_without_any_are_endless() -> None:
    same = (page("a", "b", cursor=f"new {n}") for n in itertools.count())
    with pytest.raises(BadAnswer, match="does not go on"):
        await keys(Server(*itertools.islice(same, 50)).fetch)
    empty = (page(cursor=f"new {n}") for n in range(2 * MOST_EMPTY))
    server = Server(*empty)
    with pytest.raises(BadAnswer, match="does not go on"):
        await keys(server.fetch)
    assert len(server.asked) == MOST_EMPTY + 1


@timeless
async def test_a_level_has_its_prefixes_and_objects_by_name() -> None:
    server = Server(
        page("b", cursor="1", prefixes=["a/", "c/"]), page("é", "\U0001f600", prefixes=["d/"])
    )
    assert await read_level(server.fetch) == [
        *(FoundPrefix("a/"), FoundPrefix("b", True), FoundPrefix("c/"), FoundPrefix("d/")),
        *(FoundPrefix("é", True), FoundPrefix("\U0001f600", True)),
    ]


@timeless
async def test_a_level_is_read_to_the_page_that_has_enough() -> None:
    server = Server(page("a", "b", cursor="1"), page("c", cursor="2"))
    assert [found.name for found in await read_level(server.fetch, "", 2)] == ["a", "b"]
    assert len(server.asked) == 1


@timeless
async def test_a_level_has_each_name_once_and_none_that_was_not_asked_for() -> None:
    server = Server(
        page("b/x", "b/c/", "a", cursor="1", prefixes=["b/", "b/c/", "d/"]),
        page("b/", cursor="2", prefixes=["b/c/"]),
        page(prefixes=["b/e/"]),
    )
    assert await read_level(server.fetch, "b/") == [
        *(FoundPrefix("b/", True), FoundPrefix("b/c/"), FoundPrefix("b/e/")),
        FoundPrefix("b/x", True),
    ]


@timeless
async def test_a_level_that_repeats_itself_is_an_error() -> None:
    server = Server(*(page(cursor=str(n), prefixes=["a/", "b/"]) for n in range(100)))
    with pytest.raises(BadAnswer, match="does not go on"):
        await read_level(server.fetch)
    assert len(server.asked) == MOST_REPEATED + 2


@timeless
async def test_a_level_with_too_much_is_given_up() -> None:
    pages = (
        page(*(f"{n:03d}{key:03d}" for key in range(1000)), cursor=str(n))
        for n in itertools.count()
    )
    server = Server(*itertools.islice(pages, 100))
    with pytest.raises(TooLarge, match="20,000"):
        await read_level(server.fetch)
    assert len(server.asked) == MOST_AT_LEVEL // 1000 + 1


@timeless
async def test_other_exceptions_are_not_caught() -> None:
    async def broken() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await repeated(broken)
