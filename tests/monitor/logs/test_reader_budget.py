"""Reading and following a log beside the polls, within the request budget."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing

import pytest

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogView
from slurper_tui.simulated.account import SimulatedBudget
from tests.monitor.bench import EPOCH, Bench, bench, most_in_window, now, wall
from tests.monitor.logs.reader import account, asked, plan, reader, take
from tests.virtual_time import timeless

pytestmark = pytest.mark.no_cover  # long spans of virtual time, which measuring would double

both_orders = pytest.mark.parametrize("oldest_first", [False, True])

LONG = plan("long", created=EPOCH - 7200.0, seconds=9 * 3600.0, objects=10**6, failed=100_000)


async def followed(b: Bench, seconds: float) -> list[LogView]:
    """Follow the long log for this many seconds; return the views."""
    views = []
    key = JobKey(b.account.account_id, "long")
    async with aclosing(reader(b).follow((key,))) as log:
        async for view in log:
            views.append(view)
            if now() >= seconds:
                break
    return views


@both_orders
@timeless
async def test_polls_keep_their_period_while_a_long_log_is_read(oldest_first: bool) -> None:
    others = [plan(f"j{n}", created=EPOCH - 60.0, seconds=10 * 3600.0) for n in range(9)]
    ten = account(LONG, *others, oldest_rows_first=oldest_first)
    async with bench(ten) as b:
        reading = asyncio.ensure_future(followed(b, 400))
        await b.seconds(400)
        views = await reading
        assert most_in_window([request.at for request in b.requests], 300.0) <= 900
        for job in b.account.jobs():
            polls = [at for at in b.polls(job.plan.id) if at > 10]
            assert len(polls) >= 390 / 5 - 3
            assert max(y - x for x, y in itertools.pairwise(polls)) <= 5.5
        # What the polls leave is used.
        assert len(asked(b)) > 160
        assert views[-1].read > 7_000


@both_orders
@timeless
async def test_following_takes_one_request_in_five_seconds(oldest_first: bool) -> None:
    short = plan("long", created=EPOCH - 60.0, seconds=9 * 3600.0, objects=10**6, failed=900)
    others = [plan(f"j{n}", created=EPOCH - 60.0, seconds=10 * 3600.0) for n in range(9)]
    async with bench(account(short, *others, oldest_rows_first=oldest_first)) as b:
        reading = asyncio.ensure_future(followed(b, 400))
        await b.seconds(450)
        await reading
        assert most_in_window([request.at for request in asked(b)], 300.0) <= 62
        assert most_in_window([request.at for request in b.requests], 300.0) <= 900


@timeless
async def test_three_readers_share_the_budget_of_one() -> None:
    async with bench(account(LONG)) as b:
        readings = [asyncio.ensure_future(followed(b, 310)) for _ in range(3)]
        await b.seconds(320)
        await asyncio.gather(*readings)
        assert most_in_window([request.at for request in b.requests], 300.0) <= 900


@pytest.mark.parametrize(("quota", "window"), [(100, 60.0), (30, 10.0)])
@timeless
async def test_budget_with_small_windows_is_used(quota: int, window: float) -> None:
    budget = SimulatedBudget(wall, quota, window)
    async with bench(account(plan(failed=900), budget=budget)) as b:
        reading = asyncio.ensure_future(whole(b))
        await b.seconds(300)
        view = await asyncio.wait_for(reading, 1)
        assert view.whole
        assert most_in_window([request.at for request in b.requests], window) <= quota * 0.75


async def whole(b: Bench) -> LogView:
    """Read the only log to its end."""
    views = reader(b).follow((JobKey(b.account.account_id, "j1"),))
    return (await take(views, lambda view: view.whole))[-1]
