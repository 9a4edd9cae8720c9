"""Every row of a log, told once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from slurper_tui.api.errors import BadAnswer, Refused
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.reader import Packed
from slurper_tui.monitor.model.logs import LogView
from slurper_tui.simulated.account import Fault, Kind
from slurper_tui.simulated.logs import log_rows
from tests.monitor.bench import EPOCH, Bench, bench, now
from tests.monitor.logs.reader import account, asked, key_of, plan, reader, take
from tests.virtual_time import timeless

both_orders = pytest.mark.parametrize("oldest_first", [False, True])


def in_api(b: Bench, at: float = EPOCH) -> list[LogRow]:
    """The whole log as it was, newest first."""
    return log_rows(b.account.jobs()[0], at, 10**6, 0)


async def into(rows: list[LogRow], stream: AsyncIterator[LogRow]) -> None:
    """Take every row, and keep those that came before an exception."""
    async for row in stream:
        rows.append(row)


@both_orders
@timeless
async def test_newest_first_and_then_the_end(oldest_first: bool) -> None:
    ended = account(plan(failed=300, not_copied=60), oldest_rows_first=oldest_first)
    async with bench(ended) as b:
        rows = await take(reader(b).rows(key_of(b)), lambda row: False)
        assert rows == in_api(b)
        assert len(rows) == 362


@both_orders
@timeless
async def test_rows_that_come_meanwhile_neither_double_others_nor_hide_them(
    oldest_first: bool,
) -> None:
    running = plan(created=EPOCH - 3600.0, seconds=7200.0, objects=100_000, failed=8000)
    async with bench(account(running, oldest_rows_first=oldest_first)) as b:
        begun = in_api(b)
        rows = await take(reader(b).rows(key_of(b)), lambda row: False)
        assert now() > 30
        assert rows[-len(begun) :] == begun


@both_orders
@timeless
async def test_what_comes_while_a_long_log_is_collected_stands_in_its_place(
    oldest_first: bool,
) -> None:
    long = plan(created=EPOCH - 3600.0, seconds=7200.0, objects=100_000, failed=12_000)
    async with bench(account(long, oldest_rows_first=oldest_first)) as b:
        begun = len(in_api(b))
        stream = reader(b).rows(key_of(b), follow=True)
        async with aclosing(stream):
            rows = [await anext(stream)]
            collected = len(in_api(b, EPOCH + now())) - begun
            while len(rows) < begun + collected:
                rows.append(await anext(stream))
        assert collected > 50
        assert rows == in_api(b, EPOCH + now())[::-1][: len(rows)]


@both_orders
@timeless
async def test_following_tells_the_oldest_first_and_then_what_comes(oldest_first: bool) -> None:
    running = plan(created=EPOCH - 600.0, seconds=7200.0, objects=100_000, failed=3000)
    async with bench(account(running, oldest_rows_first=oldest_first)) as b:
        so_far = len(in_api(b))
        stream = reader(b).rows(key_of(b), follow=True)
        async with aclosing(stream):
            rows: list[LogRow] = []
            async for row in stream:
                rows.append(row)
                if len(rows) >= so_far + 100:
                    break
        assert now() > 30
        assert rows == in_api(b, EPOCH + now())[::-1][: len(rows)]
        asked_so_far = len(asked(b))
        await b.seconds(60)
        assert len(asked(b)) == asked_so_far


@timeless
async def test_a_fault_that_lasts_is_raised_unless_following() -> None:
    async with bench(account(plan(failed=300))) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs/j1/logs", after=3))
        told: list[LogView] = []
        rows: list[LogRow] = []
        stream = reader(b).rows(key_of(b), told=told.append)
        with pytest.raises(BadAnswer):
            await into(rows, stream)
        assert len(rows) == 50 + 45 + 45
        assert len(asked(b)) == 3 + 6
        assert [view.problem is not None for view in told] == [False] * 3 + [True] * 6
        assert all(view.rows == () for view in told)
        assert told[2].read == 140


@timeless
async def test_following_outlasts_any_passing_fault() -> None:
    async with bench(account(plan(failed=300))) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs/j1/logs", after=3, times=12))
        stream = reader(b).rows(key_of(b), follow=True)
        async with aclosing(stream):
            rows = await take(stream, lambda row: row.log_type == "migrationComplete")
        assert len(rows) == 302
        assert now() > 60


@timeless
async def test_a_refusal_is_raised_at_once() -> None:
    async with bench(account(plan(failed=300))) as b:
        fault = Fault(Kind.REFUSAL, status=400, code=10001, path="jobs/j1/logs", after=1)
        b.account.faults.add(fault)
        for follow in (False, True):
            with pytest.raises(Refused):
                await take(reader(b).rows(key_of(b), follow=follow), lambda row: False)
        assert now() < 5


def test_packed_rows_come_back_exactly_and_the_other_way_round() -> None:
    rows = [
        LogRow(f"t{n}", "j", None, "\ud800\n", f"ü\ud800\udce9{n}", {"more": [n]})
        for n in range(2500)
    ]
    packed = Packed()
    for start in range(0, 2500, 45):
        packed.add(rows[start : start + 45])
    assert sum(map(len, packed._chunks)) < 100_000
    assert list(packed.oldest_first()) == rows[::-1]
    assert list(packed.oldest_first()) == []
