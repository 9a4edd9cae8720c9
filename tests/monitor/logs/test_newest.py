"""The newest log rows of the jobs that are looked at, and of failing jobs, read in idle time."""

from __future__ import annotations

import pytest

from slurper_tui.monitor.logs import idle
from slurper_tui.monitor.logs.idle import LOOK_SECONDS, MOST_JOBS, REFRESH_SECONDS, RETRY_SECONDS
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import State
from slurper_tui.monitor.model.logs import MOST_SHOWN
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.faults import Fault
from slurper_tui.simulated.jobs import Plan
from tests.monitor.bench import EPOCH, Bench, bench, most_in_window, wall
from tests.monitor.reports.ended import plan
from tests.virtual_time import timeless

SINCE = EPOCH - 9000.0


def running(name: str, failed: int = 0) -> Plan:
    """Return a job that runs for two and a half hours already, and will for as long again."""
    return plan(name, created=SINCE, seconds=18_000.0, failed=failed)


def ended(name: str) -> Plan:
    return plan(name, created=SINCE, seconds=600.0, failed=3)


def accounts(*plans: Plan, oldest_first: bool = False) -> list[SimulatedAccount]:
    return [
        SimulatedAccount(oldest_rows_first=oldest_first, clock=wall, token="t0ken", plans=plans)
    ]


def read(b: Bench) -> list[str]:
    """Return the ids of the jobs whose logs were requested, in order."""
    return [r.path.split("/")[1] for r in b.requests if r.path.endswith("/logs")]


def look_at(b: Bench, *names: str) -> None:
    keys = tuple(JobKey(b.account.account_id, name) for name in names)
    one = keys[0] if len(keys) == 1 else None
    b.session.look_at(one, frozenset(keys), () if one else keys)


@timeless
@pytest.mark.parametrize("oldest_first", [False, True])
async def test_the_newest_rows_of_the_highlighted_job_are_read_and_then_once_a_minute(
    oldest_first: bool,
) -> None:
    async with bench(accounts(running("a", 3000), oldest_first=oldest_first)) as b:
        await b.rounds(1)
        look_at(b, "a")
        await b.until(lambda s: bool(s.jobs[0].newest_rows), 30)
        first = b.job("a").newest_rows
        times = [row.created_at or "" for row in first]
        assert len(first) == MOST_SHOWN
        assert times == sorted(times, reverse=True)
        requests = len(read(b))
        await b.seconds(REFRESH_SECONDS / 2)
        assert len(read(b)) == requests
        await b.seconds(REFRESH_SECONDS)
        newest = b.job("a").newest_rows[0].created_at
        assert newest is not None
        assert newest > times[0]
        assert requests < len(read(b)) <= 3 * requests


@timeless
async def test_a_failing_job_has_a_preview_of_its_reasons_before_its_log_was_opened() -> None:
    async with bench(accounts(running("other"), running("failing", 3000), running("calm"))) as b:
        await b.rounds(1)
        assert b.job("failing").state is State.FAILING
        assert b.job("failing").newest_reasons == ()
        look_at(b, "other")
        await b.until(lambda s: any(view.newest_reasons for view in s.jobs), 60)
        assert b.job("failing").newest_reasons
        pages = read(b).count("failing")
        await b.seconds(300)
        assert read(b).count("failing") == pages == 1
        assert "calm" not in read(b)


@timeless
async def test_without_a_highlight_no_log_of_a_live_job_is_read() -> None:
    async with bench(accounts(running("failing", 3000))) as b:
        await b.seconds(120)
        assert b.job("failing").state is State.FAILING
        assert read(b) == []


@timeless
async def test_of_a_migration_failing_jobs_are_read_first_and_ended_ones_last() -> None:
    live = [running(f"live-{n}") for n in range(2)]
    done = [ended(f"done-{n}") for n in range(MOST_JOBS)]
    async with bench(accounts(*done, *live, running("failing", 3000))) as b:
        look_at(b, *(one.id for one in (*done, *live)), "failing")
        await b.until(lambda s: len({*read(b)}) >= 3, 60)
        firsts = [*dict.fromkeys(name for name in read(b) if not name.startswith("done"))]
        assert firsts[0] == "failing"
        await b.seconds(40)
        assert {"live-0", "live-1", "failing"} <= {*read(b)}
        assert most_in_window([r.at for r in b.requests], 300.0) <= 900


@timeless
async def test_a_cursor_that_moves_on_reads_few_logs() -> None:
    plans = [running(f"job-{n}") for n in range(40)]
    async with bench(accounts(*plans)) as b:
        await b.rounds(1)
        for one in plans:
            look_at(b, one.id)
        await b.seconds(LOOK_SECONDS + 1)
        assert {*read(b)} <= {plans[-1].id}


@timeless
async def test_a_log_that_cannot_be_read_is_tried_again_after_ten_minutes() -> None:
    served = accounts(running("a", 3000))
    served[0].faults.add(Fault(operation="logs", status=404))
    async with bench(served) as b:
        await b.rounds(1)
        look_at(b, "a")
        await b.seconds(RETRY_SECONDS - 60)
        assert len(read(b)) == 1
        served[0].faults.clear()
        await b.until(lambda s: bool(s.jobs[0].newest_rows), 120)


@timeless
async def test_the_end_of_a_long_log_is_sought_on_few_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idle, "MOST_PAGES", 3)
    async with bench(accounts(running("a", 30_000), oldest_first=True)) as b:
        await b.rounds(1)
        look_at(b, "a")
        await b.seconds(RETRY_SECONDS - 60)
        assert len(read(b)) == 3
