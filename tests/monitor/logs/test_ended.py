"""The logs of ended jobs are read in the background, once, and after everything else."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.idle import FIRST_RETRY
from slurper_tui.monitor.logs.paging import Paging
from slurper_tui.monitor.model.base import STEADY_SECONDS
from slurper_tui.monitor.model.job import JobView, State
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.faults import Fault, Kind
from slurper_tui.simulated.jobs import Plan
from tests.monitor.bench import EPOCH, Bench, bench, most_in_window, now, wall
from tests.monitor.inline_history import InlineHistory
from tests.monitor.reports.ended import account, plan
from tests.virtual_time import timeless

LONG_AGO = EPOCH - 90_000.0


def logs(b: Bench, job_id: str = "") -> list[float]:
    """Return the times of the requests for logs, of one job or of all."""
    ends = f"jobs/{job_id}/logs" if job_id else "/logs"
    return [r.at for r in b.requests if r.path.endswith(ends)]


def is_read(view: JobView) -> bool:
    return view.verdict is not None and not view.verdict.unread


def old(name: str = "job-1", **numbers: Any) -> Plan:
    return plan(name, **{"created": LONG_AGO, **numbers})


@timeless
@pytest.mark.parametrize(
    ("numbers", "state", "words"),
    [
        ({"harmless": 340}, State.COMPLETED, "0 not copied"),
        ({"harmless": 310, "not_copied": 30}, State.COMPLETED_WITH_LOSS, "30 not copied ("),
    ],
)
async def test_skipped_objects_are_unexplained_until_the_log_was_read(
    numbers: dict[str, Any], state: State, words: str
) -> None:
    async with bench(account(old(**numbers))) as b:
        first = (await b.until(lambda s: any(v.as_of for v in s.jobs))).jobs[0]
        assert first.state is State.COMPLETED_UNREAD
        assert first.verdict is not None
        assert "340 skipped, reasons not read yet" in first.verdict.text
        await b.until(lambda s: is_read(s.jobs[0]), 30)
        read = b.job("job-1")
        assert read.state is state
        assert read.verdict is not None
        assert words in read.verdict.text


@timeless
async def test_a_log_is_read_once_and_not_again_in_the_next_run() -> None:
    history = InlineHistory()
    accounts = account(old(harmless=340), old("job-2", failed=3), old("clean"))
    async with bench(accounts, history=StoredHistory(history)) as b:
        await b.seconds(60)
        read = logs(b)
        await b.seconds(600)
        assert logs(b) == read
        assert (logs(b, "job-1") != [], logs(b, "job-2") != [], logs(b, "clean")) == (
            True,
            True,
            [],
        )
    stored = StoredHistory(history, history.store.jobs([b.account.account_id]))
    assert {job.key.job_id for job in stored.jobs if job.log} == {"job-1", "job-2"}
    async with bench(accounts, history=stored) as again:
        shown = (await again.rounds(1)).jobs
        assert all(map(is_read, shown))
        await again.seconds(600)
        assert logs(again) == []


@timeless
async def test_a_log_is_not_read_before_its_last_row_can_have_been_written() -> None:
    async with bench(account(plan(seconds=600.0, harmless=340))) as b:
        await b.until(lambda s: s.jobs != () and s.jobs[0].ended, 1200)
        ended = now()
        await b.until(lambda s: is_read(s.jobs[0]), 120)
        assert logs(b)[0] >= ended + STEADY_SECONDS - 10


@timeless
@pytest.mark.parametrize(
    "fault", [Fault(operation="logs", status=404), Fault(Kind.HTML, "logs", status=502)]
)
async def test_a_log_that_cannot_be_read_is_tried_again_later_and_later(fault: Fault) -> None:
    accounts = account(old(harmless=340), old("job-2", harmless=7))
    accounts[0].faults.add(fault)
    async with bench(accounts, interval=60.0) as b:
        await b.seconds(FIRST_RETRY - 100)
        few = len(logs(b))
        assert 2 <= few <= 6
        await b.seconds(4 * 3600)
        assert few < len(logs(b)) <= 5 * few
        accounts[0].faults.clear()
        await b.until(lambda s: all(map(is_read, s.jobs)), 7 * 3600)


@timeless
async def test_the_newest_undecided_jobs_come_first() -> None:
    ages = {"older": 5, "newer": 2, "newest": 1}
    plans = [old(name, created=LONG_AGO - 9000 * age, harmless=9) for name, age in ages.items()]
    lost = old("lost", failed=3, harmless=9)
    async with bench(account(lost, *plans)) as b:
        await b.seconds(120)
        order = [r.path.split("/")[1] for r in b.requests if r.path.endswith("/logs")]
        assert [*dict.fromkeys(order)] == ["newest", "newer", "older", "lost"]


@timeless
async def test_polls_and_the_budget_come_before_the_logs_of_many_ended_jobs() -> None:
    ended = [old(f"job-{n}", created=LONG_AGO - n, harmless=9) for n in range(150)]
    running = [
        plan(f"live-{n}", created=EPOCH - 60, seconds=90_000.0, harmless=9) for n in range(3)
    ]
    accounts = [SimulatedAccount(clock=wall, token="t0ken", plans=[*running, *ended])]
    async with bench(accounts) as b:
        await b.seconds(600)
        begun = 60.0
        for n in range(3):
            polls = [at for at in b.polls(f"live-{n}") if at > begun]
            assert max(later - at for at, later in pairwise(polls)) < 7.0
        assert most_in_window([r.at for r in b.requests], 300.0) <= 900
        assert len({r.path for r in b.requests if r.path.endswith("/logs")}) >= 100


def test_a_reading_remembers_a_bounded_number_of_rows() -> None:
    rows = [LogRow(None, "j", "importErrorRetryExhaustion", None, str(n)) for n in range(5000)]
    paging, found = Paging(most=100), 0
    while (page := paging.next_page) is not None:
        older, newer = paging.take(tuple(rows[page.offset : page.offset + page.limit]))
        found += len(older) + len(newer)
    assert found == 5000
    assert paging.whole
    assert len(paging._walk.known) <= 200
