"""The request budget, as the whole poll loop observes it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Action
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests import virtual_time
from tests.monitor.bench import bench, delete_elsewhere, make_accounts, most_in_window, now, wall
from tests.virtual_time import timeless

pytestmark = pytest.mark.no_cover  # long spans of virtual time, which measuring would double

SPAN = 400.0
"""Seconds: a window of the budget and a third of the next."""


async def _requests(jobs: int, accounts: int, interval: float, running: int) -> list[float]:
    each = max(1, jobs // accounts)
    users = make_accounts(accounts, jobs=each, running=min(each, running))
    async with bench(users, interval=interval) as b:
        await b.seconds(SPAN)
        return [request.at for request in b.requests]


@settings(max_examples=4)
@given(
    jobs=st.integers(1, 200),
    accounts=st.integers(1, 20),
    interval=st.sampled_from([2.0, 5.0, 30.0]),
    running=st.integers(0, 100),
)
@example(jobs=200, accounts=1, interval=2.0, running=200)
@example(jobs=400, accounts=20, interval=2.0, running=20)
@example(jobs=1, accounts=1, interval=2.0, running=1)
def test_no_window_has_more_than_900_requests(
    jobs: int, accounts: int, interval: float, running: int
) -> None:
    times = virtual_time.run(_requests(jobs, accounts, interval, running))
    assert 0 < most_in_window(times, 300.0) <= 900


@timeless
async def test_13_jobs_keep_their_interval_and_40_are_stretched() -> None:
    async with bench(make_accounts(1, jobs=12, running=12)) as few:
        snapshot = await few.seconds(350)
        assert snapshot.budget.stretch == 1.0
        assert all(len(few.polls(job.plan.id)) >= 69 for job in few.account.jobs())
    async with bench(make_accounts(1, jobs=40, running=40)) as many:
        snapshot = await many.seconds(350)
        assert snapshot.budget.stretch == pytest.approx(40 / 5 / 2.47, rel=0.05)
        polls = [len(many.polls(job.plan.id)) for job in many.account.jobs()]
        assert max(polls) - min(polls) <= 2


@timeless
async def test_the_highlighted_job_is_polled_every_round_under_any_demand() -> None:
    async with bench(make_accounts(4, jobs=20, running=20)) as b:
        await b.seconds(10)
        chosen = b.account.jobs()[-1].plan.id
        b.monitor.look_at(JobKey(b.account.account_id, chosen), frozenset())
        begun = now()
        await b.seconds(350)
        polls = [at for at in b.polls(chosen) if at > begun]
        assert len(polls) >= 350 / 5 - 1
        assert max(y - x for x, y in itertools.pairwise(polls)) <= 5.1


@timeless
async def test_invisible_ended_jobs_use_at_most_a_quarter_of_the_budget() -> None:
    async with bench(make_accounts(1, jobs=400, running=0)) as b:
        await b.seconds(700)
        ended = {view.job.id for view in b.last.jobs if view.ended}
        lazy = [r.at for r in b.requests if r.job_id in ended]
        assert 150 < most_in_window(lazy, 300.0) <= 225


@timeless
async def test_visible_ended_jobs_come_before_the_others() -> None:
    async with bench(make_accounts(1, jobs=300, running=0)) as b:
        await b.until(lambda s: s.accounts[0].listed)
        seen = [job.plan.id for job in b.account.jobs()[-20:]]
        account_id = b.account.account_id
        b.monitor.look_at(
            JobKey(account_id, seen[-1]), frozenset(JobKey(account_id, j) for j in seen)
        )
        await b.seconds(1)
        assert {j for j in seen if b.job(j).as_of is not None} == set(seen)


@timeless
async def test_a_header_with_few_requests_left_slows_the_polls() -> None:
    async with bench(make_accounts(1, jobs=10, running=10)) as b:
        await b.seconds(20)
        before = len(b.requests)
        # Another tool of the same user has left 40 requests for the coming minutes.
        spent = b.account.budget.spend
        while '"default";r=40;' not in spent()[1]["ratelimit"]:
            pass
        await b.until(lambda s: s.budget.short)
        await b.seconds(60)
        assert len(b.requests) - before < 45
        assert b.last.budget.stretch > 1
        assert b.last.budget.blocked_until is None


@pytest.mark.parametrize(("retry_after", "expected"), [(30, 30.0), (None, 300.0)])
@timeless
async def test_429_stops_everything_until_retry_after(
    retry_after: int | None, expected: float
) -> None:
    async with bench() as b:
        await b.rounds(3)
        b.account.faults.add(
            Fault(Kind.REFUSAL, status=429, code=971, times=1, retry_after=retry_after)
        )
        snapshot = await b.until(lambda s: s.budget.blocked_until is not None)
        assert snapshot.budget.blocked_by is not None
        hit = b.requests[-1].at
        await b.until(lambda s: b.requests[-1].at > hit + 1, within=400)
        later = [r.at for r in b.requests if r.at > hit]
        assert later[0] - hit >= expected
        snapshot = await b.rounds(2)
        assert snapshot.budget.blocked_until is None


@timeless
async def test_an_eager_monitor_waits_longer_after_each_429() -> None:
    async with bench(eager=True) as b:
        b.account.faults.add(Fault(Kind.REFUSAL, status=429, code=971, times=4, retry_after=1))
        await b.until(lambda s: s.complete, within=60)
    waits = [
        round(after - before)
        for before, after in itertools.pairwise(sorted({round(r.at) for r in b.requests}))
    ]
    assert waits[:4] == [1, 2, 4, 8]


@timeless
async def test_values_become_stale_during_a_429_block_and_stay() -> None:
    async with bench() as b:
        await b.rounds(3)
        before = {v.key: v.counts for v in b.last.jobs}
        b.account.faults.add(Fault(Kind.REFUSAL, status=429, code=971, times=1, retry_after=60))
        await b.until(lambda s: s.budget.blocked_until is not None)
        snapshot = await b.seconds(20)
        running = [v for v in snapshot.jobs if v.status == "running"]
        assert running
        assert all(v.stale and v.counts.objects == before[v.key].objects for v in running[:1])


@timeless
async def test_an_eager_monitor_waits_for_the_budget() -> None:
    async with bench(make_accounts(1, jobs=950, running=3), eager=True) as b:
        waiting = await b.until(lambda s: s.budget.waiting > 0 and s.accounts[0].listed)
        assert not waiting.complete
        done = await b.until(lambda s: s.complete, within=700)
        assert all(v.as_of is not None for v in done.jobs)
        assert len(done.jobs) == 950
        assert most_in_window([r.at for r in b.requests], 300.0) <= 900


@timeless
async def test_ended_jobs_that_vanish_do_not_slow_the_polls() -> None:
    [user] = make_accounts(1, jobs=130, running=1)
    async with bench([user]) as b:
        await b.seconds(200)
        for ended in _ended(user):
            delete_elsewhere(user, ended)
        stretches = []
        async for snapshot in b.snapshots:
            stretches.append(snapshot.budget.stretch)
            if now() > 500:
                break
    assert max(stretches) == 1


@timeless
async def test_ended_jobs_with_an_open_request_do_not_slow_the_polls() -> None:
    [user] = make_accounts(1, jobs=130, running=3)
    async with bench([user]) as b:
        await b.seconds(400)
        user.faults.add(Fault(Kind.REFUSAL, operation="delete", status=500, times=None))
        control = (await b.session.services()).control
        control.unlock()
        await control.request(Action.DELETE, [JobKey(user.account_id, id) for id in _ended(user)])
        start, running = now(), [c.plan.id for c in user.jobs() if c.status(wall()) == "running"]
        await b.seconds(300)
        polls = [sum(start < at < start + 300 for at in b.polls(id)) for id in running]
        assert b.last.budget.stretch == 1
    assert min(polls) >= 50


def _ended(user: SimulatedAccount) -> list[str]:
    return [course.plan.id for course in user.jobs() if course.finished(wall()) is not None]
