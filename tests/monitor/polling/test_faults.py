"""Faults while polling, and how the snapshots show them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from slurper_tui.api.errors import BadAddress, BadAnswer, Rejected, Unreachable
from slurper_tui.simulated.account import Fault, Kind
from tests.monitor.bench import bench, make_accounts, now
from tests.monitor.polling.test_poller import running
from tests.virtual_time import timeless

PASSING = [
    Fault(Kind.CONNECT_ERROR),
    Fault(Kind.READ_TIMEOUT),
    Fault(Kind.RESET),
    Fault(Kind.CUT_OFF),
    Fault(Kind.HTML, status=502),
    Fault(Kind.HTML, status=403),
    Fault(Kind.HTML, status=200),
    Fault(Kind.REFUSAL, status=500),
    Fault(Kind.GARBAGE),
    Fault(Kind.TRUNCATED),
    Fault(Kind.EMPTY),
    Fault(Kind.NULL),
    Fault(Kind.FOREIGN),
]


def for_job(fault: Fault, job_id: str) -> Fault:
    """The same fault, for one job alone."""
    return replace(fault, job=job_id)


@pytest.mark.parametrize(
    "fault",
    [fault for fault in PASSING if fault.kind is not Kind.NULL],  # a null list is an empty one
    ids=lambda f: f"{f.kind}-{f.status}",
)
@timeless
async def test_an_outage_keeps_the_values_and_its_end_is_reported(fault: Fault) -> None:
    async with bench() as b:
        await b.rounds(5)
        before = {view.key: view for view in b.last.jobs}
        moving = running(b.account)
        b.account.faults.add(fault)
        broken = await b.until(lambda s: s.accounts[0].problem is not None, within=6)
        problem = broken.accounts[0].problem
        assert problem is not None
        assert isinstance(problem.error, (Unreachable, BadAnswer))
        assert problem.last_good == pytest.approx(b.last.taken_at, abs=11)
        await b.until(lambda s: all(b.job(j).stale for j in moving), within=60)
        for job_id in moving:
            view = b.job(job_id)
            assert (view.counts, view.as_of) == (before[view.key].counts, before[view.key].as_of)
        await b.seconds(1800)
        b.account.faults.clear()
        snapshot = await b.until(lambda s: s.accounts[0].past_outage is not None, within=70)
        outage = snapshot.accounts[0].past_outage
        assert snapshot.accounts[0].problem is None
        assert outage is not None
        assert outage.until - outage.since == pytest.approx(1800, abs=150)
        assert outage.moved is not None
        assert outage.moved > 1000
        assert not any(view.stale for view in snapshot.jobs)


@timeless
async def test_a_hanging_request_counts_as_a_missed_poll_each_round() -> None:
    hanging = 0.0
    async with bench(make_accounts(1, jobs=3, running=3), latency=lambda r: hanging) as b:
        await b.rounds(3)
        moving = running(b.account)
        hanging, begun = 19.0, now()
        await b.until(lambda s: all(b.job(j).missed == 1 for j in moving), within=11)
        await b.until(lambda s: all(b.job(j).stale for j in moving), within=11)
        assert now() <= begun + 22
        await b.until(lambda s: all(b.job(j).missed == 0 for j in moving), within=11)


@timeless
async def test_slow_answers_within_the_interval_are_no_missed_polls() -> None:
    async with bench(make_accounts(1, jobs=3, running=3), latency=lambda r: 4.9) as b:
        await b.rounds(2)
        for _ in range(10):
            assert not any(view.missed for view in (await b.rounds(1)).jobs)


@timeless
async def test_a_failing_account_is_probed_by_one_request_at_a_time_up_to_a_minute_apart() -> None:
    async with bench(make_accounts(1, jobs=30, running=10), latency=lambda r: 3.0) as b:
        await b.seconds(30)
        b.account.faults.add(Fault(Kind.REFUSAL, status=503))
        await b.until(lambda s: s.accounts[0].problem is not None)
        await b.seconds(10)
        begun = now()
        await b.seconds(3600)
        probes = [r.at for r in b.requests if r.at > begun]
        gaps = [y - x for x, y in itertools.pairwise(probes)]
        assert 60 < len(probes) < 200
        assert min(gaps) >= 3.0
        assert max(gaps) <= 63.1


@timeless
async def test_only_the_failing_job_becomes_stale() -> None:
    async with bench() as b:
        await b.rounds(3)
        broken, *others = running(b.account)
        b.account.faults.add(for_job(Fault(Kind.HTML, status=500), broken))
        await b.until(lambda s: b.job(broken).missed == 2, within=60)
        assert not b.job(broken).stale
        await b.until(lambda s: b.job(broken).stale, within=120)
        snapshot = await b.rounds(10)
        assert snapshot.accounts[0].problem is None
        assert [view.job.id for view in snapshot.jobs if view.stale] == [broken]
        assert all(b.job(j).missed == 0 for j in others)
        b.account.faults.clear()
        await b.until(lambda s: not b.job(broken).stale, within=70)


@timeless
async def test_a_successful_log_request_makes_failing_accounts_probe_soon() -> None:
    async with bench() as b:
        await b.rounds(3)
        key = b.last.jobs[0].key
        b.account.faults.add(Fault(Kind.CONNECT_ERROR))
        await b.until(lambda s: s.accounts[0].problem is not None)
        await b.seconds(1800)
        b.account.faults.clear()
        problem = b.last.accounts[0].problem
        assert problem is not None
        assert problem.retry_at is not None
        assert problem.retry_at > b.last.taken_at + 5  # left alone, it would wait for longer
        services = await b.session.services()
        async for _ in services.logs.rows((key,)):
            break
        await b.until(lambda s: s.accounts[0].problem is None, within=2)


@timeless
async def test_a_failing_account_does_not_affect_the_others() -> None:
    accounts = make_accounts(3)
    async with bench(accounts) as b:
        await b.rounds(4)
        accounts[1].faults.add(Fault(Kind.REFUSAL, status=403, code=10000, message="No."))
        snapshot = await b.seconds(60)
        troubled = [account.problem is not None for account in snapshot.accounts]
        assert troubled == [False, True, False]
        stale = {view.account_id for view in snapshot.jobs if view.stale}
        assert stale == {accounts[1].account_id}
        assert not snapshot.rejected


@timeless
async def test_a_revoked_token_shows_the_api_message_and_is_retried_rarely() -> None:
    async with bench(make_accounts(1, jobs=30, running=10)) as b:
        await b.rounds(4)
        b.account.faults.add(Fault(Kind.REFUSAL, status=401, code=10000, message="Token revoked"))
        begun = now()
        snapshot = await b.until(lambda s: s.accounts[0].problem is not None)
        problem = snapshot.accounts[0].problem
        assert problem is not None
        assert isinstance(problem.error, Rejected)
        assert "10000: Token revoked" in str(problem.error)
        await b.seconds(600)
        assert len([r for r in b.requests if r.at > begun]) < 60
        assert len(b.last.jobs) == 30
        assert not b.last.rejected
        b.account.faults.clear()
        await b.until(lambda s: s.accounts[0].problem is None, within=61)


@timeless
async def test_a_snapshot_is_rejected_when_every_account_rejects_its_first_request() -> None:
    accounts = make_accounts(2)
    for account in accounts:
        account.faults.add(Fault(Kind.REFUSAL, status=403, code=9109, message="Unauthorized"))
    async with bench(accounts) as b:
        snapshot = await b.until(lambda s: s.rejected, within=1)
        assert all(account.problem for account in snapshot.accounts)
    accounts[0].faults.clear()
    async with bench(accounts) as b:
        await b.seconds(60)
        assert not b.last.rejected


@timeless
async def test_a_failing_list_is_reported_while_its_jobs_are_polled() -> None:
    async with bench() as b:
        await b.rounds(4)
        b.account.faults.add(Fault(Kind.HTML, status=502, operation="list"))
        await b.seconds(300)
        problem = b.last.accounts[0].problem
        assert problem is not None
        assert problem.last_good == pytest.approx(b.last.taken_at, abs=6)
        assert not any(view.stale for view in b.last.jobs)
        b.account.faults.clear()
        await b.until(lambda s: s.accounts[0].problem is None, within=70)


@timeless
async def test_an_api_that_is_down_at_the_start_is_retried() -> None:
    accounts = make_accounts(1)
    accounts[0].faults.add(Fault(Kind.CONNECT_ERROR))
    async with bench(accounts) as b:
        await b.seconds(120)
        assert b.last.jobs == ()
        assert b.last.accounts[0].problem is not None
        accounts[0].faults.clear()
        await b.until(lambda s: bool(s.jobs), within=61)


@timeless
async def test_a_day_of_outage_does_not_end_the_loop() -> None:
    async with bench(make_accounts(1, jobs=3, running=1), interval=30.0) as b:
        await b.rounds(2)
        b.account.faults.add(Fault(Kind.CONNECT_ERROR))
        await b.seconds(86400)
        assert all(view.stale for view in b.last.jobs if view.live)
        b.account.faults.clear()
        back = await b.until(lambda s: s.accounts[0].past_outage is not None, within=70)
        outage = back.accounts[0].past_outage
        assert outage is not None
        assert outage.until - outage.since == pytest.approx(86400, abs=120)
        assert not any(view.stale for view in back.jobs)


@timeless
async def test_counts_of_a_wrong_type_are_unknown_and_no_failure() -> None:
    async with bench() as b:
        await b.rounds(3)
        job_id = running(b.account)[0]
        b.account.faults.add(Fault(Kind.WRONG_TYPES, job=job_id))
        await b.rounds(3)
        view = b.job(job_id)
        assert (view.counts.objects, view.counts.done, view.percent) == (None, None, None)
        assert (view.missed, view.stale) == (0, False)


@timeless
async def test_an_eager_monitor_does_not_retry() -> None:
    accounts = make_accounts(1)
    async with bench(accounts, eager=True) as b:
        broken = running(accounts[0])[0]
        accounts[0].faults.add(Fault(Kind.HTML, status=500, job=broken))
        snapshot = await b.until(lambda s: s.complete)
        assert len(b.polls(broken)) == 1
        assert [v.job.id for v in snapshot.jobs if v.problem] == [broken]
    accounts[0].faults.add(Fault(Kind.CONNECT_ERROR))
    async with bench(accounts, eager=True) as b:
        snapshot = await b.until(lambda s: s.complete)
        assert snapshot.accounts[0].problem is not None
        assert len(b.requests) == 1


@timeless
async def test_an_id_that_fits_no_url_affects_only_its_job() -> None:
    def longer(envelope: Any) -> object:
        return {**envelope, "result": [{"id": "x" * 70_000, "status": "running"}]}

    async with bench(make_accounts(1, jobs=1)) as b:
        b.account.faults.add(Fault(Kind.EDITED, operation="list", edit=longer))
        snapshot = await b.rounds(5)
        assert [account.problem for account in snapshot.accounts] == [None]
        [job] = [view for view in snapshot.jobs if view.job.id and len(view.job.id) == 70_000]
        assert isinstance(job.problem, BadAddress)
