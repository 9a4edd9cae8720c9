"""The monitor that is made while the first picture stands."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from slurper_tui.cli.choice import resolve
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Snapshot
from slurper_tui.monitor.model.timeline import Window
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.monitor.session import Session
from tests.fake_feed import FakeFeed
from tests.tui.jobs import snapshot, view

KEY = JobKey("account", "job")


async def test_what_is_known_comes_before_the_feed_is_made() -> None:
    known, made = snapshot(view(1)), list[FakeFeed]()
    session = Session(lambda: make(made, snapshot(view(2))), (), resolve, known)
    assert session.known() is known
    session.look_at(KEY, frozenset({KEY}))
    session.refresh(KEY)
    session.set_window(Window.DAY)
    assert made == []
    first = await anext(session.snapshots())
    assert [v.job.id for v in first.jobs] == ["job0002"]
    assert made[0].looked_at == (KEY, frozenset({KEY}))
    assert made[0].asked == [("refresh", KEY), ("set_window", Window.DAY)]


async def test_what_is_said_later_is_passed_on_at_once() -> None:
    made = list[FakeFeed]()
    session = Session(lambda: make(made, snapshot()), (), resolve)
    asked = asyncio.create_task(session.digest(5.0))
    await anext(session.snapshots())
    session.refresh_all()
    session.set_interval(9.0)
    assert await asked == made[0].happened
    assert sorted(made[0].asked, key=str) == [
        ("digest", 5.0),
        ("refresh_all",),
        ("set_interval", 9.0),
    ]


def make(made: list[FakeFeed], first: Snapshot) -> Monitor:
    made.append(FakeFeed(first))
    return cast("Monitor", cast("Any", made[0]))
