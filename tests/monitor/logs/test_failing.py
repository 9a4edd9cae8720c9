"""What failed, over a simulated account."""

from __future__ import annotations

from typing import Any

import pytest

from slurper_tui.api.errors import NotFound
from slurper_tui.monitor.model.logs import FAILED_TYPE, Cause, FailuresView
from slurper_tui.simulated.account import Fault, Kind
from slurper_tui.simulated.logs import log_rows
from tests.monitor.bench import EPOCH, bench, now
from tests.monitor.logs.reader import KeptCounts, account, asked, key_of, plan, reader, take
from tests.virtual_time import timeless

both_orders = pytest.mark.parametrize("oldest_first", [False, True])


def never(view: FailuresView) -> bool:
    return False


@both_orders
@timeless
async def test_failures_are_held_against_the_counters_of_the_job(oldest_first: bool) -> None:
    ended = account(plan(failed=131, not_copied=40, harmless=500), oldest_rows_first=oldest_first)
    async with bench(ended) as b:
        await b.rounds(2)
        reading = reader(b).failures(key_of(b))
        views = await take(reading.views(), never)
        rows = log_rows(b.account.jobs()[0], EPOCH, 1000, 0)
    last = views[-1]
    assert last.counts.whole
    assert (last.failed_objects, last.named) == (131, 131)
    assert (last.skipped_objects, last.not_copied, last.harmless) == (540, 40, 500)
    assert last.rows_read == len(rows)
    assert last.groups[0].cause is Cause.FAILED
    assert {group.cause for group in last.groups[1:]} == {Cause.NOT_COPIED}
    failed = [row.object_key for row in rows if row.log_type == FAILED_TYPE]
    assert sorted(reading.keys([FAILED_TYPE])) == sorted(filter(None, failed))
    assert [key for key in failed if key] == list(reading.keys([FAILED_TYPE]))


@timeless
async def test_what_is_known_so_far_is_told_after_every_page() -> None:
    async with bench(account(plan(failed=200))) as b:
        await b.rounds(2)
        views = await take(reader(b).failures(key_of(b)).views(), never)
    named = [view.named for view in views]
    assert named == sorted(named)
    assert len(set(named)) >= 4
    assert [view.harmless for view in views[:-1]] == [None] * (len(views) - 1)
    assert not any(view.counts.whole for view in views[:-1])


@timeless
async def test_what_came_while_a_long_log_was_read_is_read_too() -> None:
    running = plan(created=EPOCH - 3600.0, seconds=7200.0, objects=100_000, failed=8000)
    async with bench(account(running)) as b:
        reading = reader(b).failures(key_of(b))
        last = (await take(reading.views(), never))[-1]
        then = b.account.jobs()[0].counters(EPOCH + now())
    assert last.counts.whole
    assert 0 <= then.failed - last.named <= 30
    assert last.failed_objects is None


@timeless
async def test_what_the_log_holds_is_kept() -> None:
    async with bench(account(plan(failed=60, listing_broke=True))) as b:
        await b.rounds(2)
        notebook = KeptCounts()
        await take(reader(b, notebook).failures(key_of(b)).views(), never)
        [(key, counts)] = notebook.kept
        assert (key, counts.failed, counts.listing_broke) == (key_of(b), 60, True)
        await b.rounds(1)
        assert b.job("j1").listing_broke


@timeless
async def test_a_passing_fault_is_told_and_the_rest_is_read() -> None:
    async with bench(account(plan(failed=200))) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs/j1/logs", times=2, after=2))
        views = await take(reader(b).failures(key_of(b)).views(), never)
    assert any(view.problem is not None for view in views)
    assert (views[-1].problem, views[-1].named) == (None, 200)


@timeless
async def test_a_fault_that_does_not_pass_is_the_end_and_nothing_is_kept() -> None:
    async with bench(account(plan(failed=200))) as b:
        notebook = KeptCounts()
        refusal: dict[str, Any] = {"status": 404, "code": 10007}
        b.account.faults.add(Fault(Kind.REFUSAL, path="jobs/j1/logs", after=2, **refusal))
        views = await take(reader(b, notebook).failures(key_of(b)).views(), never)
        assert len(asked(b)) == 3
    assert isinstance(views[-1].problem, NotFound)
    assert not views[-1].counts.whole
    assert notebook.kept == []
