"""Notices of a polled account: once each, across an outage, and none for what the history knows."""

from __future__ import annotations

import asyncio
from typing import Any

from slurper_tui.monitor.model.job import State
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.reports.notices import Known, compare
from slurper_tui.simulated.account import Fault, Kind
from tests.monitor.bench import Bench, bench, make_accounts, now
from tests.monitor.inline_history import InlineHistory
from tests.virtual_time import timeless


async def told(b: Bench, seconds: float, known: Known | None = None) -> tuple[Known, list[str]]:
    """Return what is known after some seconds, and the kinds that were told."""
    until, kinds = now() + seconds, list[str]()
    async for snapshot in b.snapshots:
        b.last = snapshot
        known, notices = compare(known, snapshot)
        kinds += [f"{notice.kind} {' '.join(notice.jobs)}".strip() for notice in notices]
        if now() >= until:
            return known, kinds
    raise AssertionError("the monitor ended")


@timeless
async def test_a_stall_is_told_once_and_the_history_is_no_news() -> None:
    accounts, history = make_accounts(1, jobs=4, running=3), InlineHistory()
    async with bench(accounts, history=StoredHistory(history)) as b:
        known, kinds = await told(b, 1900)
        [stalled] = [v.key.job_id for v in b.last.jobs if v.state is State.STALLED]
        assert kinds == [f"stall {stalled}"]
        faults: Any = b.account.faults
        faults.add(Fault(Kind.RESET))
        known, kinds = await told(b, 300, known)
        assert kinds == ["outage"]
        faults.clear()
        known, kinds = await told(b, 400, known)
        assert kinds in ([], ["back"]), "the stall was told before the outage"
        assert b.job(stalled).state is State.STALLED
    for pause in (5.0, 1800.0):
        await asyncio.sleep(pause)
        earlier = InlineHistory(history.store).stored(accounts[0].account_id)
        async with bench(accounts, history=earlier) as b:
            _, kinds = await told(b, 400)
            assert kinds == []
            assert b.job(stalled).state is State.STALLED
