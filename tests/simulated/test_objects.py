"""The objects of the simulated buckets, as a client lists them."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from msgspec.structs import replace as with_fields

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import ApiError, RateLimited, Refused
from slurper_tui.api.models import Source, Target
from slurper_tui.api.objects import R2Object
from slurper_tui.simulated.account import SimulatedAccount, SimulatedBudget
from slurper_tui.simulated.jobs import Course, Plan, log_rows

NOW = 1_790_000_000.0
SOURCE = Source("s3", "photos", "2024/", "https://s3.example.com")
PLAN = Plan(
    "a" * 64,
    NOW - 90_000,
    3000,
    600.0,
    SOURCE,
    Target("r2", "media", "default"),
    failed=9,
    not_copied=4,
    lost=37,
    resized=5,
    emptied=2,
    changed=11,
)
RETRY = with_fields(SOURCE, path_prefix=None)


def account_of(*plans: Plan, now: float = NOW) -> SimulatedAccount:
    budget = SimulatedBudget(lambda: now, quota=10**6)
    return SimulatedAccount(clock=lambda: now, plans=plans, budget=budget)


async def listed(
    account: SimulatedAccount, bucket: str, prefix: str = "", per_page: int = 1000
) -> list[R2Object]:
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    found: list[R2Object] = []
    cursor = None
    while True:
        page = await client.r2_objects(
            account.account_id, bucket, prefix=prefix, cursor=cursor, per_page=per_page
        )
        found += page.value.objects
        cursor = page.value.cursor
        assert page.value.truncated is (cursor is not None)
        if cursor is None:
            return found


def keys(objects: list[R2Object]) -> list[str]:
    return [found.key or "" for found in objects]


async def test_the_event_loop_goes_on_while_many_keys_are_sorted() -> None:
    many = replace(PLAN, objects=40_000, failed=20_000)
    client_of = account_of(many)
    client = SlurperClient(token_credentials(client_of.token), transport=client_of.transport())
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    page = await client.r2_objects(client_of.account_id, "photos")
    first, turns = turns, 0
    await client.r2_objects(client_of.account_id, "photos", cursor=page.value.cursor)
    counting.cancel()
    assert first > 100 + turns  # the keys are sorted once


async def test_source_and_target_differ_as_the_plan_and_the_log_say() -> None:
    account = account_of(PLAN)
    source = {found.key: found for found in await listed(account, "photos")}
    target = {found.key: found for found in await listed(account, "media")}
    assert (len(source), len(target)) == (3000, 3000 - 13 - 37)
    assert target.keys() < source.keys()
    rows = log_rows(Course(PLAN), NOW, 10**6, 0)
    incidents = {row.object_key for row in rows if row.object_key}
    assert incidents < source.keys() - target.keys()
    assert len(source.keys() - target.keys() - incidents) == 37
    both = [(source[key], target[key]) for key in target]
    sizes = [(one, other) for one, other in both if one.size != other.size]
    assert Counter(other.size == 0 for _, other in sizes) == {False: 5, True: 2}
    assert all(one.size for one, _ in both)
    created = PLAN.created
    changed = [(one, other) for one, other in both if (one.listed.modified or 0) > created]
    assert len(changed) == 11
    assert all(one.size == other.size and one.etag != other.etag for one, other in changed)
    alike = [
        one.etag == other.etag for one, other in both if (one, other) not in [*sizes, *changed]
    ]
    assert all(alike)


@pytest.mark.parametrize("per_page", [1, 7, 999, 1000])
async def test_pages_of_any_size_are_the_same_sorted_listing(per_page: int) -> None:
    small = Plan("b" * 64, NOW - 9000, 150, 60.0, SOURCE, PLAN.target, failed=20)
    other = Source("s3", "photos", "2023/")
    account = account_of(small, Plan("c" * 64, NOW - 9000, 50, 60.0, other, PLAN.target))
    found = keys(await listed(account, "photos", per_page=per_page))
    assert found == sorted(set(found)) == keys(await listed(account, "photos"))
    assert len(found) == 200


async def test_a_running_job_has_copied_what_its_counters_say() -> None:
    now = PLAN.created + 250.0
    account = account_of(PLAN, now=now)
    counters = Course(PLAN).counters(now)
    expected = counters.transferred + counters.skipped + counters.failed - counters.incidents
    assert 0 < len(await listed(account, "media")) <= expected
    assert len(await listed(account, "photos")) == 3000


async def test_a_job_of_the_failed_and_changed_keys_makes_the_target_equal() -> None:
    first = account_of(PLAN)
    source = await listed(first, "photos")
    target = {found.key: found for found in await listed(first, "media")}
    wrong = [
        found.key or ""
        for found in source
        if found.key not in target
        or (found.size, found.etag) != (target[found.key].size, target[found.key].etag)
    ]
    assert len(wrong) == 13 + 37 + 5 + 2 + 11
    retry = Plan(
        *("d" * 64, NOW - 5000, len(wrong), 60.0),
        with_fields(RETRY, keys=tuple(wrong)),
        PLAN.target,
    )
    after = account_of(PLAN, retry)
    mended = await listed(after, "media")
    assert [(f.key, f.size, f.etag) for f in mended] == [(f.key, f.size, f.etag) for f in source]
    assert keys(await listed(after, "photos")) == keys(source)


async def test_a_delimiter_sums_up_one_level() -> None:
    account = account_of(PLAN)
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    ask = account.account_id, "media"
    top = (await client.r2_objects(*ask, delimiter="/")).value
    assert (top.prefixes, list(top.objects)) == (("2024/",), [])
    months = (await client.r2_objects(*ask, prefix="2024/", delimiter="/", per_page=5)).value
    assert months.prefixes == tuple(f"2024/{month:02d}/" for month in range(1, 6))
    cursor = months.cursor
    rest = (await client.r2_objects(*ask, prefix="2024/", delimiter="/", cursor=cursor)).value
    assert rest.prefixes == tuple(f"2024/{month:02d}/" for month in range(6, 13))
    assert rest.cursor is None
    day = await client.r2_objects(*ask, prefix="2024/03/07/", delimiter="/")
    assert keys(list(day.value.objects)) == keys(await listed(account, "media", "2024/03/07/"))


async def test_what_is_listed_begins_after_a_key_and_ends_with_the_prefix() -> None:
    account = account_of(PLAN)
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    every = keys(await listed(account, "media"))
    after = every[every.index(next(key for key in every if key > "2024/05")) + 3]
    page = await client.r2_objects(
        account.account_id, "media", prefix="2024/05/", start_after=after
    )
    found = keys(list(page.value.objects))
    assert found == [key for key in every if key.startswith("2024/05/") and key > after]


async def test_an_invalid_query_is_refused_and_the_default_page_is_short() -> None:
    account = account_of(PLAN)
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    for query in ({"per_page": 1001}, {"per_page": 0}, {"delimiter": "//"}, {"cursor": "zz"}):
        with pytest.raises(Refused):
            await client.r2_objects(account.account_id, "media", **query)
    with pytest.raises(ApiError, match="10006"):
        await client.r2_objects(account.account_id, "missing")


async def test_the_usage_is_some_minutes_old_and_grows_while_a_job_runs() -> None:
    client_of = [
        (a, SlurperClient(token_credentials(a.token), transport=a.transport()))
        for a in (account_of(PLAN, now=PLAN.created + at) for at in (350.0, 410.0, 90_000.0))
    ]
    early, later, end = [
        (await client.r2_usage(account.account_id, "media")).value for account, client in client_of
    ]
    assert 0 < (early.payload_size or 0) < (later.payload_size or 0)
    assert (early.upload_count, end.upload_count) == (1, 0)
    assert end.object_count == 3000 - 13
    assert end.end == "2026-09-21T14:08:20.000Z"


@pytest.mark.parametrize("free", [True, False])
async def test_a_listing_of_the_demo_takes_nothing_from_the_request_budget(free: bool) -> None:
    """It stands for S3; its requests would stop the polls for minutes."""
    budget = SimulatedBudget(lambda: NOW, quota=3)
    account = SimulatedAccount(clock=lambda: NOW, plans=(PLAN,), budget=budget, free_listing=free)
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    for _ in range(3):
        await client.r2_objects(account.account_id, "media", prefix="")
    for _ in range(3 if free else 0):
        await client.list_jobs(account.account_id)
    with pytest.raises(RateLimited):
        await client.list_jobs(account.account_id)
