"""What the poll loop stores, and how it uses what earlier runs stored."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.format import parse_time
from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import JobView, Phase, Snapshot, State
from slurper_tui.monitor.model.samples import HistoryView, Keeping
from slurper_tui.monitor.model.selection import ALL_JOBS, Selection
from slurper_tui.monitor.model.verification import Outcome, Tally, Verification
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.session import snapshot_from_history
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.monitor.bench import EPOCH, Bench, Request, bench, make_accounts, now, wall
from tests.monitor.inline_history import InlineHistory
from tests.monitor.verifications import verified
from tests.virtual_time import timeless


def with_status(account: SimulatedAccount, status: str) -> list[str]:
    return [job.plan.id for job in account.jobs() if job.status(wall()) == status]


def key_of(b: Bench, job_id: str) -> JobKey:
    return JobKey(b.account.account_id, job_id)


async def first_run(accounts: list[SimulatedAccount], seconds: float = 300.0) -> InlineHistory:
    """Run a monitor over the account for some seconds; return its history."""
    history = InlineHistory()
    async with bench(accounts, history=StoredHistory(history)) as b:
        await b.seconds(seconds)
    return history


def live(snapshot: Snapshot) -> list[JobView]:
    return [view for view in snapshot.jobs if view.live]


@timeless
async def test_every_answer_is_stored_once() -> None:
    history = InlineHistory()
    async with bench(history=StoredHistory(history)) as b:
        await b.seconds(120)
        [job_id, *_] = with_status(b.account, "running")
        stored = history.store.samples(key_of(b, job_id))
        found = b.job(job_id)
        assert len(stored) == len(b.polls(job_id))
        assert [round(s.at - EPOCH, 2) for s in stored] == [round(t, 2) for t in b.polls(job_id)]
        assert (stored[-1].counts, stored[-1].at, stored[-1].status) == (
            found.counts,
            found.as_of,
            "running",
        )


@timeless
async def test_samples_are_stored_before_the_snapshot_is_yielded() -> None:
    history = InlineHistory()
    async with bench(history=StoredHistory(history)) as b:
        for _ in range(10):
            snapshot = await b.rounds(1)
            for view in live(snapshot):
                [*_, last] = history.store.samples(view.key)
                assert last.counts == view.counts


@timeless
async def test_an_unchanged_account_is_not_written_again() -> None:
    account = make_accounts(1, jobs=8, running=0)
    history = InlineHistory()
    async with bench(account, history=StoredHistory(history)) as b:
        await b.until(lambda s: s.complete)
        await b.seconds(200)
        ended = [v for v in b.last.jobs if v.ended]
        stored = [len(history.store.samples(view.key)) for view in ended]
        before = history.writes
        await b.seconds(300)
        assert [len(history.store.samples(view.key)) for view in ended] == stored
        assert history.writes - before <= 60


@timeless
async def test_stored_jobs_are_shown_with_their_age_until_confirmed() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts)
    then = wall()
    stored = history.stored(accounts[0].account_id)
    async with bench(accounts, latency=_one_after_another, history=stored) as b:
        first = await b.until(lambda s: bool(s.jobs))
        assert now() < then - EPOCH + 1.0
        assert len(first.jobs) == 8
        assert all(view.from_history and view.as_of for view in first.jobs)
        assert not first.complete
        ages = {view.key: view.as_of for view in first.jobs}
        moved = await b.until(lambda s: any(not v.from_history for v in live(s)))
        assert any(view.from_history for view in live(moved))
        done = await b.until(lambda s: s.complete)
        assert not any(view.from_history for view in done.jobs)
        assert all((v.as_of or 0) > (ages[v.key] or 0) for v in live(done))


def _one_after_another(request: Request) -> float:
    return 1.0 + int(request.job_id[:3], 16) % 300 / 100 if request.job_id else 0.5


@timeless
async def test_a_closed_job_is_confirmed_by_the_list_alone() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts)
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as b:
        await b.until(lambda s: s.complete)
        await b.seconds(60)
        completed = with_status(b.account, "completed")
        assert completed
        assert not {r.job_id for r in b.requests} & set(completed)
        for job_id in completed:
            view = b.job(job_id)
            assert (view.from_history, view.percent is None) == (False, False)
            assert view.verdict is not None


@timeless
async def test_a_job_that_ended_between_two_runs_is_polled() -> None:
    accounts = make_accounts(1, jobs=4, running=3)
    history = await first_run(accounts, 60.0)
    [job_id, *_] = with_status(accounts[0], "running")
    stored = history.stored(accounts[0].account_id)
    async with bench(accounts, history=stored, clock=lambda: wall()) as b:
        await _abort(b, job_id)
        await b.until(lambda s: s.complete)
        view = b.job(job_id)
        assert (view.state, view.from_history) == (State.ABORTED, False)


async def _abort(b: Bench, job_id: str) -> None:
    from slurper_tui.api.client import SlurperClient
    from slurper_tui.api.credentials import token_credentials

    client = SlurperClient(token_credentials(b.account.token), transport=b.account.transport())
    client.unlock()
    await client.abort_job(b.account.account_id, job_id)
    await client.close()


@timeless
async def test_a_job_deleted_between_two_runs_is_gone_and_no_longer_stored() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts)
    fewer = [SimulatedAccount(0, wall, jobs=7, running=3, token="t0ken")]
    fewer[0].account_id = accounts[0].account_id
    async with bench(fewer, history=history.stored(accounts[0].account_id)) as b:
        from_history = len(history.store.jobs([accounts[0].account_id]))
        await b.until(lambda s: s.complete)
        await b.seconds(30)
        gone = [view for view in b.last.jobs if view.gone]
        assert gone
        left = history.store.jobs([accounts[0].account_id])
        assert {k.key for k in left}.isdisjoint({view.key for view in gone})
        assert from_history > 0


@timeless
async def test_the_first_poll_of_a_next_run_already_has_a_forecast() -> None:
    accounts = make_accounts(1, jobs=4, running=3)
    history = await first_run(accounts, 600.0)
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as b:
        done = await b.until(lambda s: s.complete)
        running = [v for v in live(done) if v.status == "running" and v.moved_at is not None]
        assert running
        assert all(v.forecast is not None and not v.forecast.seeded for v in running)
        assert all(v.plan_rate for v in running)


@timeless
async def test_hidden_stored_jobs_still_seed_the_forecast() -> None:
    accounts = make_accounts(1, jobs=4, running=3)
    history = await first_run(accounts, 600.0)
    stored = history.stored(accounts[0].account_id)._replace(shown=False)
    async with bench(accounts, history=stored, eager=True) as b:
        first = await b.until(lambda s: True)
        assert first.jobs == ()
        done = await b.until(lambda s: s.complete)
        running = [v for v in live(done) if v.status == "running"]
        assert any(v.forecast is not None and not v.forecast.seeded for v in running)


@timeless
async def test_only_stored_jobs_that_match_a_prefix_are_shown() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts, 60.0)
    stored = history.stored(accounts[0].account_id)
    [job_id, *_] = with_status(accounts[0], "running")
    async with bench(accounts, history=stored, selection=Selection((job_id[:20],))) as b:
        first = await b.until(lambda s: True)
        assert [view.job.id for view in first.jobs] == [job_id]
    from_history = snapshot_from_history(
        stored.jobs, [accounts[0].account_id], Selection((job_id[:20],)), 5.0, wall()
    )
    assert from_history is not None
    assert [view.job.id for view in from_history.jobs] == [job_id]
    assert snapshot_from_history(stored.jobs, [], Selection(("no such job",)), 5.0, wall()) is None
    assert snapshot_from_history((), ["account"], ALL_JOBS, 5.0, wall()) is None


@timeless
async def test_the_trace_of_the_highlighted_job_is_read_and_extended() -> None:
    accounts = make_accounts(1, jobs=4, running=3)
    history = await first_run(accounts, 600.0)
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as b:
        await b.until(lambda s: s.complete)
        [job_id, other, *_] = with_status(b.account, "running")
        key = key_of(b, job_id)
        b.monitor.look_at(key, frozenset({key}))
        found = await b.until(lambda s: s.trace is not None)
        assert found.trace is not None
        assert (found.trace.key, found.trace.window) == (key, Window.HOUR)
        assert len(found.trace.points) > 10
        await b.seconds(120)
        assert b.last.trace is not None
        assert b.last.trace.points[-1].counts == b.job(job_id).counts
        b.monitor.set_window(Window.TEN_MINUTES)
        await b.until(lambda s: s.trace is not None and s.trace.window is Window.TEN_MINUTES)
        b.monitor.look_at(key_of(b, other), frozenset())
        await b.until(lambda s: s.trace is not None and s.trace.key.job_id == other)
        b.monitor.look_at(None, frozenset())
        assert (await b.rounds(1)).trace is None


@timeless
async def test_the_trace_and_the_events_of_a_migration_are_those_of_its_jobs() -> None:
    accounts = make_accounts(1, jobs=4, running=3)
    history = await first_run(accounts, 600.0)
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as b:
        await b.until(lambda s: s.complete)
        keys = tuple(key_of(b, job_id) for job_id in with_status(b.account, "running"))
        b.monitor.look_at(None, frozenset(keys), keys)
        found = await b.until(lambda s: s.trace is not None)
        assert found.trace is not None
        assert found.trace.of == keys
        assert len(found.trace.points) > 10
        await b.seconds(120)
        assert b.last.trace is not None
        done = [b.job(key.job_id).counts.done or 0 for key in keys]
        assert b.last.trace.points[-1].counts.done == sum(done)
        assert b.last.trace.points[-1].at > found.trace.points[-1].at


@timeless
async def test_a_digest_starts_at_the_last_run_and_shows_the_absence_as_unobserved() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts, 600.0)
    left = wall()
    stored = history.stored(accounts[0].account_id, away_since=left)
    async with bench(accounts, history=stored, clock=lambda: wall() + 7200.0) as b:
        snapshot = await b.until(lambda s: s.complete)
        assert snapshot.away_since == left
        digest = await b.session.digest()
        assert digest.since == left
        assert digest.until - left == pytest.approx(7200.0, abs=60.0)
        running = set(with_status(b.account, "running"))
        found = [job for job in digest.jobs if job.view.job.id in running]
        assert len(found) == len(running)
        assert all(job.observed_seconds < 60 for job in found)
        assert digest.unobserved


@pytest.mark.parametrize(
    ("view", "note"),
    [
        (HistoryView(), ""),
        (HistoryView(Keeping.ASKED_OFF), ""),
        (HistoryView(Keeping.OFF, "the disk is full"), "history off: the disk is full"),
        (HistoryView(Keeping.SHARED, "another one"), "history shared: another one"),
        (HistoryView(Keeping.ON, "it was damaged"), "history restarted: it was damaged"),
    ],
)
@timeless
async def test_the_snapshot_has_the_note_of_the_history(view: HistoryView, note: str) -> None:
    history = InlineHistory()
    history._view = view
    async with bench(history=StoredHistory(history)) as b:
        assert (await b.rounds(1)).history_note == note


@timeless
async def test_a_stale_job_has_no_forecast_but_a_reason() -> None:
    accounts = make_accounts(1, jobs=4, running=3)
    history = await first_run(accounts, 900.0)
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as b:
        await b.until(lambda s: s.complete)
        faults: Any = b.account.faults
        faults.add(Fault(Kind.RESET))
        await b.until(lambda s: all(v.stale for v in live(s)))
        assert all(view.forecast is None for view in live(b.last))
        assert all("no answer" in v.reason or v.reason for v in live(b.last))
        faults.clear()
        await b.until(lambda s: not any(v.stale for v in live(s)))
        assert any(view.forecast is not None for view in live(b.last))


@timeless
async def test_a_stalled_job_that_stops_answering_is_stale_and_not_stalled() -> None:
    accounts = make_accounts(1, jobs=4, running=3)
    async with bench(accounts) as b:
        await b.until(lambda s: any(v.state is State.STALLED for v in s.jobs), within=2000.0)
        [stalled] = [v.key.job_id for v in b.last.jobs if v.state is State.STALLED]
        faults: Any = b.account.faults
        faults.add(Fault(Kind.RESET))
        await b.until(lambda s: all(v.stale for v in live(s)))
        view = b.job(stalled)
        assert (view.state, view.stalled_since) == (State.RUNNING, None)
        assert "no answer" in view.reason


@timeless
async def test_a_slow_api_is_caught_up_although_requests_are_always_under_way() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts)
    stored = history.stored(accounts[0].account_id)
    async with bench(accounts, latency=lambda r: 7.0, history=stored) as b:
        assert not (await b.until(lambda s: bool(s.jobs))).caught_up
        begun = now()
        await b.until(lambda s: s.caught_up)
        assert now() - begun < 30


@timeless
async def test_many_ended_jobs_do_not_delay_caught_up() -> None:
    accounts = make_accounts(1, jobs=400, running=3)
    history = await first_run(accounts, 30.0)
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as b:
        begun = now()
        await b.until(lambda s: s.caught_up)
        assert now() - begun < 30


@timeless
async def test_a_silent_api_is_never_caught_up() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts)
    faults: Any = accounts[0].faults
    faults.add(Fault(Kind.RESET))
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as b:
        await b.seconds(120)
        assert not b.last.caught_up
        faults.clear()
        await b.until(lambda s: s.caught_up)


@timeless
async def test_a_digest_starts_at_the_last_long_gap_of_the_same_run() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts, 600.0)
    left, asleep = wall(), [0.0]
    stored = history.stored(accounts[0].account_id, away_since=left)
    async with bench(accounts, history=stored, clock=lambda: wall() + asleep[0]) as b:
        await b.seconds(900)
        slept = wall()
        asleep[0] = 8 * 3600.0
        await b.seconds(60)
        digest = await b.session.digest()
        assert digest.since == pytest.approx(slept, abs=10)


@timeless
async def test_a_clock_that_was_set_back_does_not_spoil_a_later_run() -> None:
    accounts = make_accounts(1, jobs=4, running=3)
    history, late = InlineHistory(), [0.0]
    async with bench(accounts, history=StoredHistory(history), clock=lambda: wall() - late[0]) as b:
        await b.seconds(3600)
        late[0] = 1800.0
        await b.seconds(1800)
        before = {v.key: v for v in live(b.last) if v.status == "running"}
    stored = history.stored(accounts[0].account_id)
    async with bench(accounts, history=stored, clock=lambda: wall() - late[0]) as b:
        done = await b.until(lambda s: s.complete)
        after = [v for v in live(done) if v.key in before and v.phase is not Phase.STALLED]
        assert after
        assert all(view.restarts == 0 and view.forecast is not None for view in after)
        for view in after:
            assert view.plan_rate == pytest.approx(before[view.key].plan_rate, rel=0.3)
        digest = await b.session.digest(EPOCH)
        assert not [e for job in digest.jobs for e in job.changes if "fell" in e.text]


@timeless
async def test_many_running_jobs_have_rates_although_each_is_polled_rarely() -> None:
    async with bench(make_accounts(1, jobs=120, running=120)) as b:
        await b.until(lambda s: s.complete, within=3000.0)
        await b.seconds(600)
        running = [view for view in live(b.last) if view.status == "running"]
        assert len(running) > 100
        assert sum(view.rate is not None for view in running) > 0.9 * len(running)


@pytest.mark.parametrize("shown", [True, False])
@timeless
async def test_the_time_between_two_runs_of_an_ended_job_is_a_gap(shown: bool) -> None:
    accounts = make_accounts(1, jobs=40, running=3)
    history = InlineHistory()
    async with bench(accounts, history=StoredHistory(history)) as b:
        await b.until(lambda s: any(v.state is State.ABORTED and v.as_of for v in s.jobs))
        [aborted, *_] = [v.key for v in b.last.jobs if v.state is State.ABORTED and v.as_of]
    stored = history.stored(accounts[0].account_id)._replace(shown=shown)
    later = {"clock": lambda: wall() + 7200.0}
    async with bench(accounts, history=stored, eager=not shown, clock=later["clock"]) as b:
        await b.until(lambda s: s.complete)
        b.monitor.refresh(aborted)
        await b.until(lambda s: len(history.store.samples(aborted)) > 1)
        assert [s.after_gap for s in history.store.samples(aborted)][:2] == [False, True]


@timeless
async def test_the_trace_of_an_ended_job_ends_with_the_job() -> None:
    accounts = make_accounts(1, jobs=8, running=3)
    history = await first_run(accounts, 60.0)
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as b:
        await b.until(lambda s: s.complete)
        ended = next(v for v in b.last.jobs if v.ended and v.job.finished_at)
        finished = parse_time(ended.job.finished_at)
        b.monitor.look_at(ended.key, frozenset())
        found = await b.until(lambda s: s.trace is not None)
        b.monitor.refresh(ended.key)
        await b.seconds(60)
        for trace in (found.trace, b.last.trace):
            assert trace is not None
            assert (trace.ended, trace.until) == (finished, finished)


def proof_of(b: Bench, job_id: str) -> Verification:
    """A verification of one job that begins now and finds no fault."""
    return verified(job_id, account_id=b.account.account_id, started_at=wall(), ended_at=wall() + 1)


@timeless
async def test_a_verification_is_shown_at_once_and_by_the_next_run() -> None:
    accounts, history = make_accounts(1), InlineHistory()
    async with bench(accounts, history=StoredHistory(history)) as b:
        await b.seconds(30)
        [job_id, *_] = with_status(b.account, "completed")
        assert b.job(job_id).verification is None
        result = proof_of(b, job_id)
        await b.session.keep_verification(result)
        await b.until(lambda snapshot: any(view.verified for view in snapshot.jobs), within=10)
        assert (b.job(job_id).verification, b.job(job_id).state) == (result, State.VERIFIED)
    async with bench(accounts, history=StoredHistory(history)) as b:
        await b.seconds(30)
        assert b.job(job_id).state is State.VERIFIED


@timeless
async def test_a_verification_of_another_program_is_shown_soon() -> None:
    history = InlineHistory()
    async with bench(history=StoredHistory(history)) as b:
        await b.seconds(30)
        [job_id, *_] = with_status(b.account, "completed")
        history.store.notes.keep((), {}, (), [proof_of(b, job_id)])
        await b.until(lambda snapshot: any(view.verified for view in snapshot.jobs), within=60)
        ours = replace(proof_of(b, job_id), tally=Tally({Outcome.MISSING: 1}))
        await b.session.keep_verification(ours)
        await b.seconds(60)
        assert b.job(job_id).verification == ours
        assert not b.job(job_id).verified
