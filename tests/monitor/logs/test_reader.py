"""Logs as they are shown, followed and collected, over a simulated account."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import BadAnswer, NotFound, RateLimited, Refused, Rejected, Unreachable
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs import reader as shown
from slurper_tui.monitor.logs.paging import Found
from slurper_tui.monitor.logs.reader import ReversedRows, in_time
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import (
    FAILED_TYPE,
    NEWEST_REASONS,
    NEWEST_ROWS,
    LogCounts,
    LogView,
    NewestFailures,
)
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.simulated.account import Fault, Kind
from slurper_tui.simulated.jobs import Plan, log_rows
from tests.monitor.bench import EPOCH, Bench, bench, now, wall
from tests.monitor.inline_history import InlineHistory
from tests.monitor.logs.reader import (
    KeptCounts,
    account,
    asked,
    key_of,
    plan,
    reader,
    reader_of,
    take,
)
from tests.virtual_time import timeless

both_orders = pytest.mark.parametrize("oldest_first", [False, True])
RUNNING: dict[str, Any] = {
    "created": EPOCH - 600.0,
    "seconds": 7200.0,
    "objects": 100_000,
    "failed": 3000,
}
LONG: dict[str, Any] = {**RUNNING, "created": EPOCH - 3600.0, "failed": 20_000}


def whole(view: LogView) -> bool:
    return view.whole


def times(rows: tuple[LogRow, ...]) -> list[str]:
    return [row.created_at or "" for row in rows]


@both_orders
@timeless
async def test_log_is_yielded_page_by_page_newest_first(oldest_first: bool) -> None:
    ended = account(plan(failed=200, not_copied=30), oldest_rows_first=oldest_first)
    async with bench(ended) as b:
        views = await take(reader(b).follow((key_of(b),)), whole)
    last = views[-1]
    assert last.read == len(last.rows) == 232
    assert times(last.rows) == sorted(times(last.rows), reverse=True)
    assert last.rows[0].log_type == "migrationComplete"
    assert last.rows[-1].log_type == "migrationStart"
    assert all(before.read < after.read for before, after in itertools.pairwise(views))
    assert len(views) >= 5
    assert not any(view.whole for view in views[:-1])


@both_orders
@timeless
async def test_only_the_newest_rows_are_kept_and_all_are_counted(
    oldest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "MOST_ROWS", 120)
    ended = account(plan(failed=498), oldest_rows_first=oldest_first)
    async with bench(ended) as b:
        views = await take(reader(b).follow((key_of(b),)), whole)
    assert views[-1].read == 500
    assert [len(view.rows) for view in views[-3:]] == [120, 120, 120]
    assert views[-1].rows[0].log_type == "migrationComplete"


@both_orders
@timeless
async def test_reasons_of_the_newest_failures_are_noted_while_a_log_is_read(
    oldest_first: bool,
) -> None:
    running = account(plan(**RUNNING), oldest_rows_first=oldest_first)
    async with bench(running) as b:
        await b.until(lambda snapshot: snapshot.complete)
        key = key_of(b)
        assert b.job(key.job_id).newest_reasons == ()
        [view] = (await take(reader(b).follow((key,)), whole))[-1:]
        [noted] = b.monitor.job_store.views()
        assert noted.newest_reasons == reasons(view.rows)
        assert len(noted.newest_reasons) == NEWEST_REASONS
        await take(reader(b).follow((key,)), whole)  # the same rows once more
        [again] = b.monitor.job_store.views()
        assert sum(rows for _, rows in again.newest_reasons) <= NEWEST_ROWS


def reasons(rows: Iterable[LogRow]) -> tuple[tuple[str, int], ...]:
    """Return the reasons of the newest of these rows."""
    newest = NewestFailures()
    newest.add(rows)
    return newest.reasons()


def test_equal_reasons_with_different_keys_count_together() -> None:
    def failed(at: int, key: str, message: str | None, log_type: str = FAILED_TYPE) -> LogRow:
        return LogRow(f"2026-03-20T{at:02}:00:00Z", "j", log_type, message, key)

    rows = [
        *(failed(9, f"a/{n}.jpg", f"a/{n}.jpg: access denied") for n in range(60)),
        *(failed(8, f"b/{n}", None) for n in range(30)),
        failed(7, "c", "not counted", "importSkippedStorageClass"),
        failed(7, "d", "slow down"),
        failed(7, "e", "slow down"),
        *(failed(6, f"g/{n}", "too old") for n in range(100)),
    ]
    expected = (("…: access denied", 60), ("failed after several tries", 30), ("too old", 8))
    assert reasons(rows) == reasons(rows[::-1]) == reasons([*rows, *rows]) == expected


def test_five_thousand_rows_are_kept() -> None:
    assert shown.MOST_ROWS == 5000


@both_orders
@timeless
async def test_later_rows_are_added_at_the_newest_end(oldest_first: bool) -> None:
    running = account(plan(**RUNNING), oldest_rows_first=oldest_first)
    async with bench(running) as b, aclosing(reader(b).follow((key_of(b),))) as views:
        before = (await take(views, whole))[-1]
        begun, so_far = now(), len(asked(b))
        later = await take(views, lambda view: view.read >= before.read + 60)
        assert all(view.whole for view in later)
        after = later[-1]
        assert after.rows[-len(before.rows) :] == before.rows
        assert times(after.rows) == sorted(times(after.rows), reverse=True)
        assert len(after.rows) == after.read
        # At most two requests for every refresh, and a refresh every five seconds.
        assert len(asked(b)) - so_far <= 2 * ((now() - begun) / 5 + 1)


@both_orders
@timeless
async def test_refresh_every_five_seconds_is_one_request(oldest_first: bool) -> None:
    running = account(plan(**RUNNING), oldest_rows_first=oldest_first)
    async with bench(running) as b, aclosing(reader(b).follow((key_of(b),))) as views:
        await take(views, whole)
        await take(views, lambda view: now() > 200)
        looks = [request.at for request in asked(b) if request.at > 60]
        gaps = [after - before for before, after in itertools.pairwise(looks)]
        assert min(gaps) >= 5
        assert max(gaps) < 6


@timeless
async def test_log_is_not_refreshed_more_often_than_jobs_are_polled() -> None:
    async with bench(account(plan(**RUNNING))) as b:
        async with aclosing(reader(b, interval=lambda: 30.0).follow((key_of(b),))) as views:
            await take(views, whole)
            await take(views, lambda view: now() > 200)
        looks = [request.at for request in asked(b) if request.at > 60]
        assert min(y - x for x, y in itertools.pairwise(looks)) >= 30


@timeless
async def test_newer_rows_are_shown_while_older_ones_are_read() -> None:
    async with bench(account(plan(**LONG))) as b, aclosing(reader(b).follow((key_of(b),))) as views:
        first = await anext(views)
        later = await take(views, lambda view: now() > 60)
        assert not later[-1].whole
        assert times(later[-1].rows)[0] > times(first.rows)[0]
        assert times(later[-1].rows) == sorted(times(later[-1].rows), reverse=True)


@both_orders
@pytest.mark.parametrize("cap", [3, 20])
@pytest.mark.parametrize("number", [0, 20, 60, 230])
@timeless
async def test_capped_pages_hide_no_row(number: int, cap: int, oldest_first: bool) -> None:
    def capped(envelope: Any) -> object:
        return {**envelope, "result": envelope["result"][:cap]}

    ended = account(plan(failed=number), oldest_rows_first=oldest_first)
    async with bench(ended) as b:
        b.account.faults.add(Fault(Kind.EDITED, path="jobs/*/logs", edit=capped))
        view = (await take(reader(b).follow((key_of(b),)), whole))[-1]
        assert sum(row.log_type == "importErrorRetryExhaustion" for row in view.rows) == number
        reported = times(view.rows)
        assert reported == sorted(reported, reverse=True)


@timeless
async def test_capped_pages_hide_no_later_row() -> None:
    def capped(envelope: Any) -> object:
        return {**envelope, "result": envelope["result"][:20]}

    async with bench(account(plan(**RUNNING))) as b:
        b.account.faults.add(Fault(Kind.EDITED, path="jobs/*/logs", edit=capped))
        slow = reader(b, interval=lambda: 120.0)  # about 50 rows are added between two refreshes
        async with aclosing(slow.follow((key_of(b),))) as views:
            await take(views, whole)
            followed = (await take(views, lambda view: now() > 600))[-1].rows
        anew = (await take(reader(b).follow((key_of(b),)), whole))[-1].rows
        newest = next(i for i, row in enumerate(anew) if row == followed[0])
        assert list(followed) == list(anew[newest:])


@timeless
async def test_log_of_an_ended_job_is_refreshed_once_a_minute() -> None:
    async with bench(account(plan(failed=5))) as b:
        await b.rounds(2)
        views = reader(b).follow((key_of(b),))
        await take(views, whole)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await anext(views)
        looks = [request.at for request in asked(b)][2:]  # the first reading takes two
        assert 8 <= len(looks) <= 11
        assert min(y - x for x, y in itertools.pairwise(looks)) >= 60


@both_orders
@timeless
async def test_closed_log_sends_no_request(oldest_first: bool) -> None:
    running = account(plan(**RUNNING), oldest_rows_first=oldest_first)
    async with bench(running) as b:
        views = reader(b).follow((key_of(b),))
        await anext(views)
        await views.aclose()
        so_far = len(asked(b))
        await b.seconds(120)
        assert len(asked(b)) == so_far
        views = reader(b).follow((key_of(b),))
        await take(views, whole)
        await views.aclose()
        so_far = len(asked(b))
        await b.seconds(120)
        assert len(asked(b)) == so_far


@timeless
async def test_waiting_request_is_not_sent_after_the_close() -> None:
    async with bench(account(plan(**LONG))) as b:
        views = reader(b).follow((key_of(b),))
        await take(views, lambda view: len(asked(b)) >= 21)
        waiting = asyncio.ensure_future(anext(views))
        await asyncio.sleep(0.2)
        so_far = len(asked(b))
        waiting.cancel()
        await asyncio.sleep(60)
        assert len(asked(b)) == so_far


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Kind.HTML, BadAnswer), (Kind.RESET, Unreachable), (Kind.TRUNCATED, BadAnswer)],
)
@timeless
async def test_transient_error_is_in_a_view_and_retried(
    kind: Kind, expected: type[Exception]
) -> None:
    async with bench(account(plan(failed=200))) as b:
        b.account.faults.add(Fault(kind, path="jobs/j1/logs", times=3, after=2))
        views = await take(reader(b).follow((key_of(b),)), whole)
    reported = [view for view in views if view.problem is not None]
    assert len(reported) >= 1
    assert all(isinstance(view.problem, expected) for view in reported)
    assert reported[0].read > 0
    assert views[-1].problem is None
    assert views[-1].read == 202


@timeless
async def test_waits_after_errors_grow() -> None:
    async with bench(account(plan(failed=200))) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs/j1/logs"))
        async with aclosing(reader(b).follow((key_of(b),))) as views:
            await anext(views)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(900):
                    await take(views, whole)
        assert 12 < len(asked(b)) < 80


@timeless
async def test_rate_limit_is_in_a_view_and_waited_for() -> None:
    async with bench(account(plan(failed=200))) as b:
        refusal = Fault(Kind.REFUSAL, status=429, code=971, times=1, retry_after=100, after=1)
        b.account.faults.add(refusal)
        views = await take(reader(b).follow((key_of(b),)), whole)
        assert any(isinstance(view.problem, RateLimited) for view in views)
        assert any(view.waiting for view in views)
        assert not views[-1].waiting
        at = [request.at for request in asked(b)]
        assert max(y - x for x, y in itertools.pairwise(at)) >= 100


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(403, 9109, Rejected), (404, 10007, NotFound), (400, 10001, Refused)],
)
@timeless
async def test_permanent_error_is_the_last_view(
    status: int, code: int, expected: type[Exception]
) -> None:
    async with bench(account(plan(failed=200))) as b:
        fault = Fault(Kind.REFUSAL, status=status, code=code, path="jobs/j1/logs", after=2)
        b.account.faults.add(fault)
        views = await take(reader(b).follow((key_of(b),)), whole)
        assert isinstance(views[-1].problem, expected)
        assert views[-1].read == 95
        await b.seconds(60)  # the reading in the background finds the error too, once
        so_far = len(asked(b))
        await b.seconds(300)
        assert len(asked(b)) == so_far


@timeless
async def test_row_counts_of_a_complete_log_are_stored() -> None:
    async with bench(account(plan(failed=70, not_copied=30, listing_broke=True))) as b:
        await b.rounds(2)
        notes = KeptCounts()
        await take(reader(b, notes).follow((key_of(b),)), whole)
        [(key, counts)] = notes.kept
        assert key == key_of(b)
        assert counts.whole
        assert (counts.failed, counts.not_copied, counts.listing_broke) == (70, 30, True)
        assert counts.read_at == EPOCH + now()
        assert counts.first_seen["migrationStart"] == counts.last_seen["migrationStart"]
        first, last = (m["importErrorRetryExhaustion"] for m in counts_seen(counts))
        assert first < last
        await b.rounds(1)
        view = b.job("j1")
        assert (view.not_copied, view.listing_broke) == (30, True)


def counts_seen(counts: LogCounts) -> tuple[Any, Any]:
    return counts.first_seen, counts.last_seen


@timeless
async def test_later_rows_are_counted_and_stored_too() -> None:
    async with bench(account(plan(**RUNNING))) as b:
        notes = KeptCounts()
        async with aclosing(reader(b, notes).follow((key_of(b),))) as views:
            before = (await take(views, whole))[-1]
            after = (await take(views, lambda view: view.read > before.read))[-1]
        assert sum(notes.kept[0][1].by_type.values()) == before.read
        assert sum(notes.kept[-1][1].by_type.values()) == after.read


def odd_log(*pages: list[dict[str, Any]]) -> httpx.MockTransport:
    """Return an API that answers with these pages in order, then always with the last."""
    left = list(pages)

    def answer(request: httpx.Request) -> httpx.Response:
        result = left.pop(0) if len(left) > 1 else left[0]
        envelope = {"success": True, "errors": [], "result": result}
        kind = {"content-type": "application/json"}
        return httpx.Response(200, headers=kind, content=json.dumps(envelope).encode())

    return httpx.MockTransport(answer)


async def read_odd(*pages: list[dict[str, Any]], until: int) -> LogView:
    """Follow the log of these pages until `until` rows were read."""
    client = SlurperClient(token_credentials("t"), transport=odd_log(*pages))
    monitor = Monitor({"a": client}, StoredHistory(InlineHistory()), clock=wall)
    async with aclosing(reader_of(monitor).follow((JobKey("a", "j"),))) as views:
        views_taken = await take(views, lambda view: view.read >= until and view.whole)
    await client.close()
    return views_taken[-1]


@timeless
async def test_malformed_rows_are_shown_unchanged() -> None:
    odd: list[Any] = [
        {"createdAt": "yesterday", "logType": "importNobodyForesaw", "message": 7},
        {},
        "no row at all",
        {
            "createdAt": None,
            "objectKey": "a\x1b[31m\ud800",
            "logType": "importErrorRetryExhaustion",
        },
    ]
    view = await read_odd(odd, until=3)
    assert [row.log_type for row in view.rows] == [
        "importNobodyForesaw",
        None,
        "importErrorRetryExhaustion",
    ]
    assert view.rows[0].created_at == "yesterday"
    assert view.rows[0].message is None
    assert view.rows[2].object_key == "a\x1b[31m\ud800"


@timeless
async def test_log_with_the_other_order_is_read_again() -> None:
    start = {"createdAt": "2026-03-19T15:46:20.000Z", "logType": "migrationStart"}
    later = {"createdAt": "2026-03-19T15:47:20.000Z", "logType": "migrationPause"}
    view = await read_odd([start], [start], [start, later], until=2)
    assert [row.log_type for row in view.rows] == ["migrationPause", "migrationStart"]


def in_api(b: Bench, at: float = EPOCH) -> list[LogRow]:
    """Return the whole log at a time, newest first."""
    return log_rows(b.account.jobs()[0], at, 10**6, 0)


async def into(rows: list[LogRow], stream: AsyncIterator[LogRow]) -> None:
    """Append every row to `rows`, up to an exception."""
    async for row in stream:
        rows.append(row)


@both_orders
@timeless
async def test_rows_are_yielded_newest_first_to_the_end(oldest_first: bool) -> None:
    ended = account(plan(failed=300, not_copied=60), oldest_rows_first=oldest_first)
    async with bench(ended) as b:
        rows = await take(reader(b).rows((key_of(b),)), lambda row: False)
        assert rows == in_api(b)
        assert len(rows) == 362


@both_orders
@timeless
async def test_rows_added_while_reading_cause_no_duplicate_and_no_gap(
    oldest_first: bool,
) -> None:
    running = plan(created=EPOCH - 3600.0, seconds=7200.0, objects=100_000, failed=8000)
    async with bench(account(running, oldest_rows_first=oldest_first)) as b:
        begun = in_api(b)
        rows = await take(reader(b).rows((key_of(b),)), lambda row: False)
        assert now() > 30
        assert rows[-len(begun) :] == begun


@both_orders
@timeless
async def test_rows_added_while_a_log_is_collected_are_in_order(
    oldest_first: bool,
) -> None:
    long = plan(created=EPOCH - 3600.0, seconds=7200.0, objects=100_000, failed=12_000)
    async with bench(account(long, oldest_rows_first=oldest_first)) as b:
        begun = len(in_api(b))
        stream = reader(b).rows((key_of(b),), follow=True)
        async with aclosing(stream):
            rows = [await anext(stream)]
            collected = len(in_api(b, EPOCH + now())) - begun
            while len(rows) < begun + collected:
                rows.append(await anext(stream))
        assert collected > 50
        assert rows == in_api(b, EPOCH + now())[::-1][: len(rows)]


@both_orders
@timeless
async def test_following_yields_the_oldest_row_first_and_then_new_rows(oldest_first: bool) -> None:
    running = plan(created=EPOCH - 600.0, seconds=7200.0, objects=100_000, failed=3000)
    async with bench(account(running, oldest_rows_first=oldest_first)) as b:
        so_far = len(in_api(b))
        stream = reader(b).rows((key_of(b),), follow=True)
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
async def test_lasting_error_is_raised_unless_following() -> None:
    async with bench(account(plan(failed=300))) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs/j1/logs", after=3))
        reported: list[LogView] = []
        rows: list[LogRow] = []
        stream = reader(b).rows((key_of(b),), on_progress=reported.append)
        with pytest.raises(BadAnswer):
            await into(rows, stream)
        assert len(rows) == 50 + 45 + 45
        assert len(asked(b)) == 3 + 6
        assert [view.problem is not None for view in reported] == [False] * 3 + [True] * 6
        assert all(view.rows == () for view in reported)
        assert reported[2].read == 140


@timeless
async def test_following_survives_transient_errors() -> None:
    async with bench(account(plan(failed=300))) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs/j1/logs", after=3, times=12))
        stream = reader(b).rows((key_of(b),), follow=True)
        async with aclosing(stream):
            rows = await take(stream, lambda row: row.log_type == "migrationComplete")
        assert len(rows) == 302
        assert now() > 60


@timeless
async def test_permanent_error_is_raised_at_once() -> None:
    async with bench(account(plan(failed=300))) as b:
        fault = Fault(Kind.REFUSAL, status=400, code=10001, path="jobs/j1/logs", after=1)
        b.account.faults.add(fault)
        for follow in (False, True):
            with pytest.raises(Refused):
                await take(reader(b).rows((key_of(b),), follow=follow), lambda row: False)
        assert now() < 5


def test_reversed_rows_are_returned_unchanged_oldest_first() -> None:
    rows = [
        LogRow(f"t{n}", "j", None, "\ud800\n", f"ü\ud800\udce9{n}", {"more": [n]})
        for n in range(2500)
    ]
    stored = ReversedRows()
    for start in range(0, 2500, 45):
        stored.add(Found(older=tuple(rows[start : start + 45])))
    assert sum(map(len, stored._chunks)) < 100_000
    assert list(stored.take()) == rows[::-1]
    assert list(stored.take()) == []


# Several jobs -------------------------------------------------------------------------------------


def merged(b: Bench, at: float = EPOCH, *, number: int = 3) -> list[LogRow]:
    """Return the logs of the account's first jobs, newest first."""
    jobs = b.account.jobs()[:number]
    rows = [replace(row, job=job.plan.id) for job in jobs for row in log_rows(job, at, 10**6, 0)]
    return sorted(rows, key=lambda row: row.created_at or "", reverse=True)


def keys_of(b: Bench, number: int = 3) -> list[JobKey]:
    return [key_of(b, place) for place in range(number)]


def ended_at(*hours: float) -> list[Plan]:
    """Return jobs that overlap in time."""
    return [
        plan(f"j{number}", created=EPOCH - 3600 * h, seconds=5400.0, failed=40 * number)
        for number, h in enumerate(hours, 1)
    ]


@both_orders
@timeless
async def test_rows_of_several_jobs_are_merged_by_time_and_name_their_job(
    oldest_first: bool,
) -> None:
    async with bench(account(*ended_at(3, 4, 4.5), oldest_rows_first=oldest_first)) as b:
        rows = await take(reader(b).rows(keys_of(b)), lambda row: False)
        assert times((*rows,)) == sorted(times((*rows,)), reverse=True)
        assert sorted(rows, key=repr) == sorted(merged(b), key=repr)
        stream = reader(b).rows(keys_of(b), follow=True)
        async with aclosing(stream):
            oldest = [await anext(stream) for _ in rows]
        assert times((*oldest,)) == sorted(times((*oldest,)))
        assert sorted(oldest, key=repr) == sorted(rows, key=repr)


@timeless
async def test_long_logs_of_ended_jobs_are_not_read_again_from_their_tops() -> None:
    logs = 40
    plans = [
        plan(f"j{number}", created=EPOCH - 90_000 - number, seconds=5400.0, failed=3000)
        for number in range(logs)
    ]
    async with bench(account(*plans)) as b:
        await b.seconds(30)
        begun, read = now(), len(asked(b))
        await take(reader(b).follow(keys_of(b, logs)), lambda _: now() >= begun + 240)
        tops = sum(request.offset == 0 for request in asked(b)[read:])
        assert logs <= tops <= 0.3 * (len(asked(b)) - read)


@timeless
async def test_a_log_that_cannot_be_read_ends_no_other() -> None:
    async with bench(account(*ended_at(3, 4, 4.5))) as b:
        refusal: dict[str, Any] = {"status": 404, "code": 10007}
        b.account.faults.add(Fault(Kind.REFUSAL, path="jobs/j2/logs", after=1, **refusal))
        views: dict[JobKey, LogView] = {}
        rows: list[LogRow] = []
        stream = reader(b).rows(keys_of(b), on_progress=lambda view: views.update({view.key: view}))
        with pytest.raises(NotFound):
            await into(rows, stream)
        [begun] = [view.read for key, view in views.items() if key.job_id == "j2"]
        whole_logs = [row for row in merged(b) if row.job != "j2"]
        assert [row for row in rows if row.job != "j2"] == whole_logs
        assert sum(row.job == "j2" for row in rows) == begun > 0
        assert {key.job_id: view.whole for key, view in views.items()} == {
            "j1": True,
            "j2": False,
            "j3": True,
        }


@both_orders
@timeless
async def test_a_shown_log_of_several_jobs_is_merged_and_keeps_each_problem(
    oldest_first: bool,
) -> None:
    async with bench(account(*ended_at(3, 4, 4.5), oldest_rows_first=oldest_first)) as b:
        async with aclosing(reader(b).follow(keys_of(b))) as views:
            last = (await take(views, whole))[-1]
        assert sorted(last.rows, key=repr) == sorted(merged(b), key=repr)
        assert times(last.rows) == sorted(times(last.rows), reverse=True)
        assert last.read == len(last.rows) == sum(job.read for job in last.jobs)
        assert last.key.job_id == ""
        b.account.faults.add(Fault(Kind.REFUSAL, status=403, code=9109, path="jobs/j3/logs"))
        async with aclosing(reader(b).follow(keys_of(b))) as views:
            read = await take(views, lambda view: sum(job.whole for job in view.jobs) == 2)
        last = read[-1]
        assert not last.whole
        assert isinstance(last.problem, Rejected)
        problems = {job.key.job_id: type(job.problem) for job in last.jobs}
        assert problems == {"j1": type(None), "j2": type(None), "j3": Rejected}


@timeless
async def test_no_row_is_missing_between_two_rows_that_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shown, "MOST_ROWS", 90)
    monkeypatch.setattr(shown, "LEAST_ROWS", 40)
    async with bench(account(*ended_at(3, 4, 4.5))) as b:
        async with aclosing(reader(b).follow(keys_of(b))) as views:
            last = (await take(views, whole))[-1]
        every = merged(b)
        assert 40 <= len(last.rows) < last.read == len(every)
        assert times(last.rows) == times((*every,))[: len(last.rows)]


@timeless
async def test_rows_without_a_time_stay_behind_the_row_before_them() -> None:
    def rows(*times: str | None) -> list[LogRow]:
        return [LogRow(time and f"2026-03-19T15:{time}:00Z", "j", time) for time in times]

    newest = in_time([rows("30", None, "10"), rows(None, "20", "05")], newest_first=True)
    assert [row.log_type for _, row in newest] == [None, "30", None, "20", "10", "05"]
    oldest = in_time([rows("10", None, "30"), rows("05", "20", None)], newest_first=False)
    assert [row.log_type for _, row in oldest] == ["05", "10", None, "20", None, "30"]


@timeless
async def test_several_live_logs_together_take_one_request_in_five_seconds() -> None:
    three = [plan(f"j{number}", **RUNNING) for number in range(3)]
    async with bench(account(*three)) as b, aclosing(reader(b).follow(keys_of(b))) as views:
        await take(views, whole)
        begun, so_far = now(), len(asked(b))
        await take(views, lambda view: now() > begun + 600)
        assert len(asked(b)) - so_far <= 2 * (600 / 5 + 3)
