"""A bucket listed through Cloudflare's API, within the request budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import ApiError, BadAnswer, NotFound
from slurper_tui.api.models import Source, Target
from slurper_tui.api.objects import FoundPrefix, ListedObject, ObjectHeaders
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.polling.budget import (
    GRANTED,
    LEAST_READS,
    READ_BURST,
    SHARE,
    WINDOW,
    Budget,
    Metered,
)
from slurper_tui.monitor.verify.buckets import R2Listing
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.api.odd import envelope
from tests.monitor.bench import now
from tests.virtual_time import timeless

HOSTILE = [
    *("./x", "//", "a\nb", "a%2Fb", "a+b c", "a//b", "a\x01b", "[/b]", "e\u0301", "k" * 1024),
    *("\u00e9", "\uffff", "\U0001f600"),
]
"""Keys that are easily changed on their way, in the order of their bytes."""


def listing_of(
    answer: Callable[[httpx.Request], httpx.Response],
    token: str = "t0ken-of-a-user",
    account_id: str = "acc",
    jurisdiction: str | None = None,
    *,
    polls: float = 0.0,
    demo: bool = False,
) -> R2Listing:
    client = SlurperClient(token_credentials(token), transport=httpx.MockTransport(answer))

    def moment() -> Moment:
        return Moment(now(), now())

    budget = Budget()
    metered = Metered(
        client,
        budget,
        moment,
        lambda error, at: budget.block(at.mono, error.retry_after),
        lambda: polls,
    )
    return R2Listing(metered, account_id, "media", jurisdiction, demo=demo)


def simulated(objects: int, **numbers: Any) -> SimulatedAccount:
    plan = Plan(
        *("a" * 64, 1000.0, objects, 60.0),
        Source("s3", "photos", "2024/"),
        Target("r2", "media", "default"),
    )
    return SimulatedAccount(clock=lambda: now() + 90_000.0, plans=[plan], **numbers)


class Bucket:
    """Answers the listing of some keys, two a page."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = sorted(keys)
        self.queries: list[dict[str, str]] = []
        self.jurisdictions: list[str | None] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        self.queries.append(query)
        self.jurisdictions.append(request.headers.get("cf-r2-jurisdiction"))
        after = query.get("cursor", query.get("start_after", ""))
        left = [k for k in self.keys if k > after and k.startswith(query.get("prefix", ""))]
        page = left[:2]
        info = {"is_truncated": len(left) > 2, "cursor": page[-1] if len(left) > 2 else ""}
        return httpx.Response(200, json=envelope([{"key": k} for k in page], result_info=info))


async def keys(listing: R2Listing, prefix: str = "", after: str | None = None) -> list[str]:
    return [found.key async for page in listing.pages(prefix, after) for found in page]


@timeless
async def test_keys_arrive_exactly_and_in_the_order_of_their_bytes() -> None:
    assert sorted(HOSTILE) != HOSTILE
    bucket = Bucket(HOSTILE)
    listing = listing_of(bucket.answer, jurisdiction="eu")
    assert await keys(listing) == sorted(HOSTILE, key=str.encode)
    assert listing.requests == len(bucket.queries) == (len(HOSTILE) + 1) // 2
    assert set(bucket.jurisdictions) == {"eu"}
    assert {query["per_page"] for query in bucket.queries} == {"1000"}
    for key in HOSTILE:
        assert await keys(listing, prefix=key) == [k for k in bucket.keys if k.startswith(key)]
        assert await keys(listing, after=key) == [k for k in bucket.keys if k > key]


@timeless
async def test_objects_have_sizes_etags_and_times() -> None:
    row: dict[str, Any] = {
        "key": "a",
        "size": 5,
        "etag": '"d41d8cd98f00b204e9800998ecf8427e"',
        "last_modified": "2026-11-28T12:00:00.500Z",
        "http_metadata": {"contentType": "text/plain", "cacheExpiry": "2026-12-01T00:00:00Z"},
        "custom_metadata": {"Camera": "x"},
        "storage_class": "Standard",
    }
    rows = [row, {**row, "key": "b", "ssec": True}, {"key": "c"}]

    def answer(request: httpx.Request) -> httpx.Response:
        below = [r for r in rows if str(r["key"]).startswith(request.url.params.get("prefix", ""))]
        return httpx.Response(200, json=envelope(below, result_info={"is_truncated": False}))

    listing = listing_of(answer)
    [page] = [page async for page in listing.pages()]
    assert page == [
        ListedObject("a", 5, "d41d8cd98f00b204e9800998ecf8427e", 1795867200.5),
        ListedObject("b", 5, None, 1795867200.5),  # its ETag is no MD5
        ListedObject("c"),
    ]
    assert await listing.headers("a") == ObjectHeaders("text/plain", metadata={"camera": "x"})
    assert await listing.headers("c") == ObjectHeaders()
    assert await listing.headers("") is None
    assert await listing.headers("no") is None


ODD = {
    "truncated without a cursor": ([{"key": "a"}], {"is_truncated": True}),
    "an empty cursor": ([{"key": "a"}], {"is_truncated": True, "cursor": ""}),
    "an object without a key": ([{"size": 1}], {"is_truncated": False}),
    "a full page and no word": ([{"key": str(n)} for n in range(1000, 2000)], {}),
    "no list of objects": (None, {}),
    "a word that is no boolean": ([{"key": "a"}], {"is_truncated": "true"}),
    "the same page for ever": ([{"key": "a"}], {"is_truncated": True, "cursor": "c"}),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_listing_without_a_sure_end_is_an_error(odd: str) -> None:
    rows, info = ODD[odd]

    @timeless
    async def raises() -> None:
        body = json.dumps(envelope(rows, result_info=info))
        head = {"content-type": "application/json"}
        listing = listing_of(lambda _: httpx.Response(200, content=body, headers=head))
        with pytest.raises(BadAnswer):
            await keys(listing)

    raises()


@timeless
async def test_a_short_page_without_result_info_is_the_end() -> None:
    listing = listing_of(lambda _: httpx.Response(200, json=envelope([{"key": "a"}])))
    assert await keys(listing) == ["a"]


@timeless
async def test_requests_leave_half_of_the_budget_to_the_polls() -> None:
    bucket = Bucket([f"{n:04d}" for n in range(1600)])
    listing = listing_of(bucket.answer)
    assert len(await keys(listing)) == 1600
    most = GRANTED * SHARE / WINDOW / 2
    assert (listing.requests - READ_BURST) / now() <= most
    began, busy = now(), listing_of(bucket.answer, polls=2.4)
    assert len(await keys(busy)) == 1600
    assert (busy.requests - READ_BURST) / (now() - began) <= LEAST_READS


@timeless
async def test_in_the_demo_nothing_waits_for_a_budget() -> None:
    account = simulated(30_000)
    listing = listing_of(account.answer, account.token, account.account_id, demo=True)
    assert len(await keys(listing)) == 30_000
    assert (listing.requests, now() < 1.0) == (30, True)


@timeless
async def test_faults_in_the_middle_lose_no_key() -> None:
    account = simulated(12_000)
    whole = await keys(listing_of(account.answer, account.token, account.account_id))
    busy = Fault(status=429, retry_after=9)
    for fault in (Fault(Kind.HTML), Fault(Kind.RESET), Fault(Kind.CUT_OFF), busy):
        account.faults.add(replace(fault, operation="objects", after=5, times=2))
        assert await keys(listing_of(account.answer, account.token, account.account_id)) == whole


@timeless
async def test_a_missing_bucket_is_told_at_once() -> None:
    account = simulated(10)
    account.buckets["media"] = {"jurisdiction": "eu"}
    wrong = listing_of(account.answer, account.token, account.account_id)
    with pytest.raises(NotFound, match="10006"):
        await keys(wrong)
    assert wrong.requests == 1
    right = listing_of(account.answer, account.token, account.account_id, "eu")
    assert len(await keys(right)) == 10


@timeless
async def test_a_level_has_the_prefixes_and_objects_below() -> None:
    account = simulated(3000)
    listing = listing_of(account.answer, account.token, account.account_id)
    assert await listing.level() == [FoundPrefix("2024/")]
    months = [FoundPrefix(f"2024/{month:02d}/") for month in range(1, 13)]
    assert await listing.level("2024/") == months
    day = await listing.level("2024/02/03/")
    assert day
    assert all(found.is_object for found in day)


@timeless
async def test_a_key_that_is_no_unicode_is_not_sent() -> None:
    bucket = Bucket(["a"])
    with pytest.raises(ApiError, match="not valid Unicode"):
        await keys(listing_of(bucket.answer), after="\ud800")
    assert bucket.queries == []
