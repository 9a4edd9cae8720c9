"""When the monitor sends which request, and how answers change the snapshots."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Phase, State
from slurper_tui.monitor.model.selection import Selection
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.monitor.bench import EPOCH, Bench, bench, make_accounts, now, wall
from tests.virtual_time import timeless


def running(account: SimulatedAccount) -> list[str]:
    """Return the ids of the running jobs."""
    return [job.plan.id for job in account.jobs() if job.status(wall()) == "running"]


def with_status(account: SimulatedAccount, status: str) -> list[str]:
    """Return the ids of the jobs in a status."""
    return [job.plan.id for job in account.jobs() if job.status(wall()) == status]


async def control(b: Bench, action: str, job_id: str) -> None:
    """Change a job as another client."""
    client = SlurperClient(token_credentials(b.account.token), transport=b.account.transport())
    client.unlock()
    await getattr(client, f"{action}_job")(b.account.account_id, job_id)
    await client.close()


@timeless
async def test_the_first_snapshot_comes_at_once_and_the_jobs_with_the_first_page() -> None:
    async with bench(latency=lambda r: 0.5) as b:
        first = await b.until(lambda s: True)
        assert (now(), first.jobs, first.accounts[0].pages) == (0.0, (), 0)
        listed = await b.until(lambda s: bool(s.jobs))
        assert now() == pytest.approx(0.5, abs=0.05)
        assert len(listed.jobs) == len(b.account.jobs())
        assert all(view.as_of is None for view in listed.jobs)


@timeless
async def test_running_jobs_are_polled_every_round_and_paused_ones_every_third() -> None:
    async with bench() as b:
        await b.seconds(60)
        for job_id in running(b.account):
            gaps = {round(y - x, 2) for x, y in itertools.pairwise(b.polls(job_id))}
            assert gaps == {5.0}
        for job_id in with_status(b.account, "paused"):
            gaps = {round(y - x, 2) for x, y in itertools.pairwise(b.polls(job_id))}
            assert gaps == {15.0}


@timeless
async def test_the_highlighted_job_is_polled_first() -> None:
    async with bench(make_accounts(1, jobs=8, running=8)) as b:
        await b.seconds(7)
        chosen = running(b.account)[-1]
        b.monitor.look_at(JobKey(b.account.account_id, chosen), frozenset())
        before = len(b.requests)
        await b.rounds(3)
        asked = [r.job_id for r in b.requests[before:] if r.job_id]
        assert asked[0] == asked[8] == chosen


@timeless
async def test_a_highlighted_paused_job_is_polled_every_round() -> None:
    async with bench() as b:
        await b.seconds(20)
        chosen = with_status(b.account, "paused")[0]
        b.monitor.look_at(JobKey(b.account.account_id, chosen), frozenset())
        await b.seconds(30)
        assert len([at for at in b.polls(chosen) if at > 20]) >= 6


@timeless
async def test_a_job_has_one_request_at_a_time() -> None:
    slow = 12.0
    async with bench(latency=lambda r: slow if r.job_id else 0.1) as b:
        await b.seconds(120)
        for job_id in running(b.account):
            assert all(y - x >= slow for x, y in itertools.pairwise(b.polls(job_id)))


@timeless
async def test_a_hanging_request_does_not_delay_the_others() -> None:
    async with bench() as b:
        await b.rounds(2)
        hanging, *others = running(b.account)
        b.account.faults.add(Fault(Kind.READ_TIMEOUT, job=hanging))
        await b.seconds(60)
        assert all(b.job(job_id).missed == 0 for job_id in others)
        assert all(len(b.polls(job_id)) > 12 for job_id in others)


@timeless
async def test_a_slow_round_yields_a_snapshot_before_its_end() -> None:
    slow: set[str | None] = set()
    async with bench(latency=lambda r: 30.0 if r.job_id in slow else 0.0) as b:
        await b.rounds(2)
        slow.add(running(b.account)[0])
        begun = now()
        other = running(b.account)[1]
        seen = b.job(other).as_of or 0.0
        await b.until(lambda s: (b.job(other).as_of or 0.0) > seen)
        assert now() - begun <= 6.1


@timeless
async def test_a_completed_job_is_polled_no_more() -> None:
    async with bench(interval=60.0) as b:
        await b.rounds(2)
        watched = running(b.account)
        await b.until(
            lambda s: any(b.job(j).status == "completed" for j in watched), within=40 * 3600
        )
        done = next(j for j in watched if b.job(j).status == "completed")
        count = len(b.polls(done))
        assert b.job(done).verdict is not None
        await b.seconds(1800)
        assert len(b.polls(done)) == count


@timeless
async def test_an_aborted_job_is_polled_until_two_answers_a_minute_apart_agree() -> None:
    async with bench() as b:
        await b.rounds(3)
        job_id = running(b.account)[0]
        await control(b, "abort", job_id)
        aborted = await b.until(lambda s: b.job(job_id).status == "aborted", within=10)
        assert b.job(job_id).state is State.ABORTED
        begun = aborted.taken_at - EPOCH
        await b.seconds(600)
        polls = [at for at in b.polls(job_id) if at >= begun]
        assert 60 <= polls[-1] - begun <= 130


@timeless
async def test_a_job_aborted_before_the_start_is_polled_twice() -> None:
    async with bench() as b:
        await b.seconds(400)
        for job_id in with_status(b.account, "aborted"):
            first, second = b.polls(job_id)
            assert second - first >= 60


@timeless
async def test_the_list_is_read_every_ten_seconds_or_every_second_round() -> None:
    for interval, period in ((5.0, 10.0), (2.0, 10.0), (30.0, 60.0)):
        async with bench(interval=interval) as b:
            await b.seconds(300)
            gaps = [y.at - x.at for x, y in itertools.pairwise(b.lists())]
            assert max(gaps) <= period + 0.01
            assert min(gaps[1:]) >= period - interval


@timeless
async def test_the_list_is_read_after_a_change_of_status_and_on_request() -> None:
    async with bench() as b:
        await b.rounds(4)
        job_id = running(b.account)[0]
        await control(b, "pause", job_id)
        await b.until(lambda s: b.job(job_id).status == "paused", within=6)
        changed = now()
        await b.until(lambda s: b.job(job_id).job.status == "paused", within=0.5)
        assert b.lists()[-1].at == pytest.approx(changed, abs=0.1)
        reads = len(b.lists())
        b.monitor.refresh_all()
        await b.until(lambda s: len(b.lists()) > reads, within=0.1)


@timeless
async def test_a_long_list_is_read_whole_at_the_start_and_then_page_by_page() -> None:
    async with bench(make_accounts(1, jobs=170, running=1)) as b:
        snapshot = await b.until(lambda s: s.accounts[0].listed)
        assert len(snapshot.jobs) == 170
        assert [r.offset for r in b.lists()] == [0, 50, 100, 150, 170]
        assert now() == 0.0
        await b.seconds(90)
        assert [r.offset for r in b.lists()[5:]][:8] == [0, 50, 100, 150] * 2


@timeless
async def test_refresh_polls_one_job_now_even_an_ended_one() -> None:
    async with bench() as b:
        await b.seconds(62)
        job_id = with_status(b.account, "completed")[0]
        count, at = len(b.polls(job_id)), now()
        b.monitor.refresh(JobKey(b.account.account_id, job_id))
        await b.until(lambda s: len(b.polls(job_id)) > count, within=0.5)
        assert b.polls(job_id)[-1] - at < 0.1


@timeless
async def test_the_interval_can_be_changed_while_running_but_not_below_two() -> None:
    async with bench() as b:
        await b.rounds(3)
        b.monitor.set_interval(30)
        await b.seconds(120)
        job_id = running(b.account)[0]
        assert b.polls(job_id)[-1] - b.polls(job_id)[-2] == pytest.approx(30, abs=0.01)
        b.monitor.set_interval(0.1)
        snapshot = await b.seconds(20)
        assert snapshot.interval == 2.0
        assert b.polls(job_id)[-1] - b.polls(job_id)[-2] == pytest.approx(2, abs=0.01)


@timeless
async def test_a_new_job_appears_and_a_vanished_one_stays_as_gone() -> None:
    async with bench() as b:
        await b.rounds(3)
        job_id = with_status(b.account, "completed")[0]
        await b.until(lambda s: b.job(job_id).as_of is not None)
        counts = b.job(job_id).counts
        await control(b, "delete", job_id)
        await b.until(lambda s: b.job(job_id).gone, within=35)
        assert b.job(job_id).counts == counts
        assert b.job(job_id).state is State.GONE


@timeless
@pytest.mark.parametrize("status", [404, 500])
async def test_a_listed_job_that_always_fails_is_not_gone(status: int) -> None:
    async with bench() as b:
        await b.rounds(3)
        job_id = running(b.account)[0]
        b.account.faults.add(Fault(Kind.REFUSAL, job=job_id, status=status, code=10007))
        snapshot = await b.seconds(120)
        assert (b.job(job_id).stale, b.job(job_id).gone) == (True, False)
        assert snapshot.accounts[0].problem is None
        b.account.faults.clear()
        await b.until(lambda s: not b.job(job_id).stale, within=70)


NOTHING = msgspec.json.encode({"success": True, "result": []})
NULL = msgspec.json.encode({"success": True, "result": None})


@timeless
@pytest.mark.parametrize("body", [NOTHING, NULL])
async def test_a_job_that_answers_is_not_gone_although_lists_are_empty(body: bytes) -> None:
    async with bench() as b:
        await b.rounds(3)
        b.account.faults.add(Fault(Kind.BODY, operation="list", status=200, body=body))
        await b.seconds(120)
        assert len(b.last.jobs) == len(b.account.jobs())
        assert not any(view.gone or view.stale for view in b.last.jobs)


@timeless
@pytest.mark.parametrize("status", [404, 500])
async def test_a_job_missing_from_two_lists_that_does_not_answer_is_gone(status: int) -> None:
    async with bench() as b:
        await b.rounds(3)
        lost, *others = running(b.account)
        b.account.faults.add(Fault(Kind.REFUSAL, job=lost, status=status, code=10007))
        lacking = Fault(Kind.BODY, operation="list", status=200, body=NOTHING, times=1)
        b.account.faults.add(lacking)
        await b.seconds(40)
        assert not b.job(lost).gone
        b.account.faults.add(replace(lacking, times=2))
        await b.until(lambda s: b.job(lost).gone, within=40)
        assert b.last.accounts[0].problem is None
        assert not any(b.job(job_id).gone for job_id in others)
        b.account.faults.clear()
        await b.until(lambda s: b.job(lost).live and b.job(lost).missed == 0, within=20)


@timeless
async def test_a_failing_page_delays_no_job_and_no_other_page() -> None:
    async with bench(make_accounts(1, jobs=170, running=3)) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs", status=500, after=1, times=3))
        await b.until(lambda s: len(s.jobs) >= 120, within=60)
        assert not b.last.accounts[0].listed
        assert len({r.offset for r in b.lists()}) == 5
        assert all(b.job(j).as_of for j in running(b.account) if b.polls(j))
        await b.until(lambda s: s.accounts[0].listed, within=90)
        assert len(b.last.jobs) == 170
        assert b.last.accounts[0].problem is None


@timeless
async def test_an_eager_monitor_skips_a_failing_page() -> None:
    async with bench(make_accounts(1, jobs=170, running=3), eager=True) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs", status=500, after=1, times=1))
        snapshot = await b.until(lambda s: s.complete, within=200)
        assert len(snapshot.jobs) == 120
        assert all(view.as_of is not None for view in snapshot.jobs)
        assert snapshot.accounts[0].problem is not None
        assert [r.offset for r in b.lists()] == [0, 50, 100, 150, 170]


@timeless
@pytest.mark.parametrize("has_total", [True, False])
@pytest.mark.parametrize(("cap", "jobs"), [(20, 120), (49, 120), (1, 7), (20, 20), (50, 50)])
async def test_pages_shorter_than_requested_do_not_end_the_list(
    cap: int, jobs: int, has_total: bool
) -> None:
    def capped(envelope: Any) -> object:
        page = envelope["result"][:cap]
        return {
            **envelope,
            "result": page,
            **({"result_info": {"total_count": jobs}} if has_total else {}),
        }

    async with bench(make_accounts(1, jobs=jobs, running=1)) as b:
        capped_list = Fault(Kind.EDITED, path="jobs", edit=capped)
        b.account.faults.add(capped_list)
        snapshot = await b.until(lambda s: s.accounts[0].listed)
        assert len(snapshot.jobs) == jobs
        assert now() == 0.0
        assert len(b.lists()) <= -(-jobs // cap) + 1


@timeless
async def test_a_job_that_answers_404_does_not_stop_the_pages_of_a_long_list() -> None:
    async with bench(make_accounts(1, jobs=340, running=2)) as b:
        await b.until(lambda s: s.accounts[0].listed)
        lost = running(b.account)[0]
        b.account.faults.add(Fault(Kind.REFUSAL, job=lost, status=404, code=10007))
        await b.seconds(150)
        before = len(b.lists())
        await b.seconds(300)
        read = [r.offset for r in b.lists()[before:]]
        assert min(map(read.count, range(0, 350, 50))) >= 300 // 10 // 7 - 1


@timeless
async def test_only_jobs_with_a_requested_prefix_are_followed() -> None:
    async with bench() as b:
        await b.rounds(1)
        chosen = running(b.account)[0]
    async with bench(selection=Selection((chosen[:10],))) as b:
        snapshot = await b.seconds(60)
        assert [view.job.id for view in snapshot.jobs] == [chosen]
        assert {r.job_id for r in b.requests} == {None, chosen}
    async with bench() as b:
        await b.rounds(1)
        b.monitor.narrow(frozenset({JobKey(b.account.account_id, chosen)}))
        before = len(b.requests)
        snapshot = await b.seconds(60)
        assert [view.job.id for view in snapshot.jobs] == [chosen]
        assert {r.job_id for r in b.requests[before:]} == {None, chosen}


@timeless
async def test_an_eager_monitor_polls_every_job_once() -> None:
    async with bench(eager=True) as b:
        snapshot = await b.until(lambda s: s.complete)
        assert now() == 0.0
        assert [r.offset for r in b.lists()] == [0, 24]
        assert len(b.polls()) == len(b.account.jobs())
        assert {v.phase for v in snapshot.jobs if v.status == "running"} == {Phase.RUNNING}
        assert all(v.rate is None for v in snapshot.jobs)


@timeless
async def test_a_clock_jump_causes_no_spike_in_the_rate() -> None:
    jumps = [0.0]
    async with bench(clock=lambda: wall() + sum(jumps)) as b:
        await b.rounds(30)
        job_id = running(b.account)[-1]
        before = b.job(job_id).rate
        assert before is not None
        jumps.append(8 * 3600.0)
        await b.rounds(1)
        after = b.job(job_id).rate
        assert after is not None
        assert after < before * 2


@timeless
async def test_a_bug_in_the_client_is_raised() -> None:
    async with bench() as b:
        await b.rounds(1)

        async def broken(*args: object, **kwargs: object) -> None:
            raise ZeroDivisionError

        b.monitor.metered.api.progress = broken  # type: ignore[method-assign, assignment]  # the bug
        with pytest.raises(ZeroDivisionError):
            await b.rounds(3)
