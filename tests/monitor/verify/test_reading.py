"""Keys looked up in a bucket: which exist, at how many requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest

from slurper_tui.api.errors import ApiError, BadAnswer
from slurper_tui.api.objects import ListedObject, ListingCost
from slurper_tui.monitor.verify.reading import KeyLookup
from tests.monitor.verify.buckets import MemoryBucket, fails_at, objects

HOSTILE = ["", "./x", "a//b", "a\nb", "%2F", "\x00", "\U0001f600", "e\u0301", "\xe9", "z" * 1024]


def bucket_of(keys: Sequence[str], page: int = 1000, *failing: int) -> MemoryBucket:
    cost = ListingCost(per_second=2.5)
    return MemoryBucket(objects(*keys), page=page, before_page=fails_at(*failing), cost=cost)


async def look_up(lookup: KeyLookup) -> list[int]:
    return [checked async for checked in lookup.run()]


async def test_each_key_is_found_or_not_exactly() -> None:
    keys = [f"2024/{n:04d}.jpg" for n in range(3000)]
    wanted = [*keys[::500], "2024/0500.jp", "2024/0500.jpgx", "0", "zzz"]
    lookup = KeyLookup(bucket_of(keys, page=100), wanted)
    await look_up(lookup)
    assert sorted(lookup.found) == keys[::500]
    assert lookup.checked == len(wanted)


@pytest.mark.parametrize("key", [key for key in HOSTILE if key])
async def test_hostile_keys_are_told_apart(key: str) -> None:
    others = [other for other in HOSTILE if other and other != key]
    there = KeyLookup(bucket_of([*others, key], page=1), [key])
    await look_up(there)
    assert [*there.found] == [key]
    absent = KeyLookup(bucket_of(others, page=1), [key])
    await look_up(absent)
    assert not absent.found


async def test_keys_of_one_page_take_one_request() -> None:
    bucket = bucket_of([f"k{n:04d}" for n in range(5000)], page=1000)
    lookup = KeyLookup(bucket, [f"k{n:04d}" for n in range(100, 200)])
    assert lookup.price == (100, 100, 40.0)
    await look_up(lookup)
    assert len(lookup.found) == 100
    assert bucket.requests == 1


async def test_far_keys_are_jumped_to_at_one_request_each() -> None:
    bucket = bucket_of([f"k{n:06d}" for n in range(50_000)], page=1000)
    lookup = KeyLookup(bucket, ["k000007", "k024000", "k049999"])
    assert await look_up(lookup) == [1, 2, 3]
    assert bucket.requests == 3


async def test_after_the_last_object_nothing_more_is_asked() -> None:
    bucket = bucket_of(["a"])
    lookup = KeyLookup(bucket, [f"z{n}" for n in range(50)])
    assert await look_up(lookup) == [50]
    assert bucket.requests == 1


async def test_many_keys_just_before_the_wanted_one_are_passed_page_by_page() -> None:
    near = [f"a\U0010ffff{n:03d}" for n in range(20)]
    lookup = KeyLookup(bucket_of([*near, "b"], page=5), ["b"])
    await look_up(lookup)
    assert [*lookup.found] == ["b"]


async def test_an_error_leaves_what_was_found() -> None:
    lookup = KeyLookup(bucket_of(["a", "m", "z"], 1, 3), ["a", "m", "z"])
    with pytest.raises(ApiError, match="cut off"):
        await look_up(lookup)
    assert (lookup.checked, [*lookup.found]) == (2, ["a", "m"])


async def test_a_listing_out_of_order_is_no_proof() -> None:
    class Unsorted(MemoryBucket):
        async def pages(
            self, prefix: str = "", after: str | None = None
        ) -> AsyncGenerator[Sequence[ListedObject], None]:
            yield [ListedObject("c"), ListedObject("b")]

    with pytest.raises(BadAnswer, match="order"):
        await look_up(KeyLookup(Unsorted([]), ["c"]))
