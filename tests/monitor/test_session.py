"""The session queues calls until its monitor is made; it makes services and digest on first use."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC
from typing import Any, cast

from slurper_tui.cli.context import resolve
from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import Snapshot
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.monitor.session import Session
from tests.fake_feed import FakeFeed
from tests.monitor.bench import EPOCH, bench
from tests.tui.jobs import snapshot, view
from tests.virtual_time import timeless

KEY = JobKey("account", "job")


async def test_calls_before_the_monitor_is_made_are_queued_and_later_ones_made_at_once() -> None:
    earlier, made = snapshot(view(1)), list[FakeFeed]()
    session = Session(lambda: make(made, snapshot(view(2))), ALL_JOBS, resolve, earlier)
    assert session.from_history is earlier
    session.look_at(KEY, frozenset({KEY}))
    session.refresh(KEY)
    session.set_window(Window.DAY)
    assert made == []
    first = await anext(session.snapshots())
    assert [v.job.id for v in first.jobs] == ["job0002"]
    assert made[0].looked_at == (KEY, frozenset({KEY}))
    session.refresh_all()
    session.set_interval(9.0)
    queued = [("refresh", KEY), ("set_window", Window.DAY)]
    assert made[0].asked == [*queued, ("refresh_all",), ("set_interval", 9.0)]


@timeless
async def test_services_and_digest_wait_for_the_monitor_and_are_made_on_first_use() -> None:
    async with bench() as b:
        session = Session(lambda: b.monitor, ALL_JOBS, resolve)
        digest = asyncio.create_task(session.digest(EPOCH - 3600.0, UTC))
        services = asyncio.create_task(session.services())
        await asyncio.sleep(1)
        assert not digest.done()
        assert not services.done()
        async with aclosing(session.snapshots()) as snapshots:
            await anext(snapshots)
            assert (await digest).since == EPOCH - 3600.0
            assert await session.services() is await services


def make(made: list[FakeFeed], first: Snapshot) -> Monitor:
    made.append(FakeFeed(first))
    return cast("Monitor", cast("Any", made[0]))
