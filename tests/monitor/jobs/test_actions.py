"""Actions on jobs: what is allowed, what is sent, how often, and its outcome."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.errors import BadAnswer, Conflict, Locked, NotSent, RateLimited, Unreachable
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import (
    NO_JOB_LEFT,
    Action,
    Event,
    RequestState,
    RetryLink,
    What,
    expected,
)
from slurper_tui.monitor.model.job import Counts, JobView, Phase, Total, why_not
from slurper_tui.monitor.polling.job_tracker import NOTHING_YET
from slurper_tui.monitor.reports.wording import consequence
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Course, Plan
from tests.monitor.bench import EPOCH, bench, create_elsewhere, make_accounts, now, wall
from tests.monitor.bench import Request as Asked
from tests.monitor.inline_history import InlineHistory
from tests.monitor.jobs.control_bench import ControlBench, control_bench
from tests.monitor.polling.test_poller import control as by_another
from tests.monitor.polling.test_poller import running, with_status
from tests.tui.jobs import view
from tests.virtual_time import timeless

Choose = Callable[[ControlBench], str]

SILENT = [
    Fault(Kind.READ_TIMEOUT),
    Fault(Kind.RESET),
    Fault(Kind.CUT_OFF),
    Fault(Kind.HTML, status=502),
    Fault(Kind.HTML, status=200),
    Fault(Kind.EMPTY),
    Fault(Kind.GARBAGE),
]
"""Faults that leave unknown whether the action was performed."""


def one_running(h: ControlBench) -> str:
    return running(h.b.account)[0]


def one_paused(h: ControlBench) -> str:
    return with_status(h.b.account, "paused")[0]


def an_ended(h: ControlBench) -> str:
    return with_status(h.b.account, "completed")[0]


def all_live(h: ControlBench) -> set[JobKey]:
    return {view.key for view in h.b.last.jobs if view.live}


def ending_at(second: float, objects: int = 600) -> SimulatedAccount:
    """An account with one job that completes this many virtual seconds after the start."""
    plan = Plan("soon", EPOCH - 1000, objects, 1000 + second, listing=5.0)
    return SimulatedAccount(clock=wall, plans=[plan], token="t0ken")


CASES = [
    (Action.PAUSE, one_running, ("PUT", "pause"), "paused"),
    (Action.RESUME, one_paused, ("PUT", "resume"), "running"),
    (Action.ABORT, one_running, ("PUT", "abort"), "aborted"),
    (Action.ABORT, one_paused, ("PUT", "abort"), "aborted"),
]


@pytest.mark.parametrize(("action", "choose", "sent", "status"), CASES)
@timeless
async def test_action_is_sent_once_and_done_when_a_poll_shows_it(
    action: Action, choose: Choose, sent: tuple[str, str], status: str
) -> None:
    async with control_bench(make_accounts(1, jobs=8, running=2)) as h:
        job_id = choose(h)
        request = await h.ask(action, job_id)
        assert (request.action, request.state, request.error) == (action, RequestState.SENT, None)
        method, word = sent
        assert h.changing() == [(method, f"jobs/{job_id}/{word}")]
        await h.b.until(lambda s: h.b.job(job_id).status == status, within=5)
        shown = h.state(job_id)
        assert shown is not None
        assert (shown.action, shown.state, shown.at) == (action, RequestState.DONE, request.at)
        await h.b.seconds(60)
        assert h.changing() == [(method, f"jobs/{job_id}/{word}")]
        assert await h.events(job_id) == [(What.ASKED, action), (What.HERE, status)]


@timeless
async def test_deletion_is_done_when_the_api_answers_404() -> None:
    async with control_bench() as h:
        job_id = an_ended(h)
        await h.b.seconds(90)
        request = await h.ask(Action.DELETE, job_id)
        assert request.state is RequestState.SENT
        await h.b.until(lambda s: h.b.job(job_id).gone, within=5)
        shown = h.state(job_id)
        assert shown is not None
        assert (shown.action, shown.state) == (Action.DELETE, RequestState.DONE)
        assert h.changing() == [("DELETE", f"jobs/{job_id}")]
        assert await h.events(job_id) == [(What.ASKED, "delete"), (What.HERE, "deleted")]


@timeless
async def test_deletion_is_done_when_the_job_is_no_longer_listed() -> None:
    async with control_bench() as h:
        job_id = an_ended(h)
        h.b.account.faults.add(Fault(Kind.RESET, operation="progress", job=job_id, after=1))
        await h.ask(Action.DELETE, job_id)
        await h.b.until(lambda s: h.b.job(job_id).gone, within=30)
        assert (await h.events(job_id))[-1] == (What.HERE, "deleted")


@timeless
async def test_state_is_read_again_before_sending() -> None:
    async with control_bench() as h:
        job_id = one_running(h)
        before = len(h.b.requests)
        await h.ask(Action.PAUSE, job_id)
        first, *_ = h.b.requests[before:]
        assert (first.method, first.path) == ("GET", f"jobs/{job_id}/progress")


@timeless
async def test_action_on_a_job_that_completed_meanwhile_is_not_sent() -> None:
    async with control_bench([ending_at(12.0)]) as h:
        await h.b.until(lambda s: now() >= 10)
        assert h.b.job("soon").status == "running"
        await asyncio.sleep(3)  # no poll
        request = await h.ask(Action.ABORT, "soon")
        assert (request.state, request.detail) == (RequestState.POINTLESS, "it completed meanwhile")
        assert h.changing() == []
        await h.b.until(lambda s: h.b.job("soon").status == "completed", within=6)
        assert h.state("soon") == request
        await h.b.rounds(4)
        assert h.state("soon") is None
        assert await h.events("soon") == [(What.ITSELF, "completed")]


@pytest.mark.parametrize(
    ("action", "other", "choose", "news"),
    [
        (Action.PAUSE, "pause", one_running, "it was paused meanwhile"),
        (Action.PAUSE, "abort", one_running, "it was aborted meanwhile"),
        (Action.ABORT, "abort", one_running, "it was aborted meanwhile"),
        (Action.RESUME, "resume", one_paused, "it was resumed meanwhile"),
        (Action.DELETE, "delete", an_ended, "the API no longer knows it"),
        (Action.ABORT, "gone", one_running, "the API no longer knows it"),
    ],
)
@timeless
async def test_action_that_another_client_performed_is_not_sent(
    action: Action, other: str, choose: Choose, news: str
) -> None:
    async with control_bench(make_accounts(1, jobs=8, running=2)) as h:
        job_id = choose(h)
        for step in ("abort", "delete") if other == "gone" else (other,):
            await by_another(h.b, step, job_id)
        request = await h.ask(action, job_id)
        assert (request.state, request.detail) == (RequestState.POINTLESS, news)
        assert h.changing() == []


@timeless
async def test_refusal_is_shown_at_the_job_and_recorded_as_event() -> None:
    async with control_bench() as h:
        job_id = one_paused(h)
        request = await h.ask(Action.RESUME, job_id)
        assert request.state is RequestState.REFUSED
        assert isinstance(request.error, Conflict)
        assert "10009: Maximum number of concurrent jobs reached" in str(request.error)
        await h.b.rounds(2)
        assert h.state(job_id) == request
        await h.b.rounds(15)
        assert h.state(job_id) is None
        assert await h.events(job_id) == [(What.ASKED, "resume"), (What.REFUSED, "resume")]
        assert "10009: Maximum" in (await h.event_records(job_id))[-1].message
        assert len(h.changing()) == 1


@timeless
async def test_job_that_completes_after_the_last_read_refuses_the_action() -> None:
    slow = {"abort": 5.0}
    async with control_bench(
        [ending_at(12.0)], latency=lambda r: slow.get(r.path.split("/")[-1], 0.0)
    ) as h:
        await h.b.until(lambda s: now() >= 10)
        request = await h.ask(Action.ABORT, "soon")
        assert request.state is RequestState.REFUSED
        assert "10010: Job has already ended" in str(request.error)
        assert len(h.changing()) == 1


@pytest.mark.parametrize("fault", SILENT, ids=lambda f: f"{f.kind}-{f.status}")
@timeless
async def test_unanswered_action_that_was_performed_is_confirmed_by_a_poll(
    fault: Fault,
) -> None:
    async with control_bench() as h:
        job_id = one_running(h)
        h.b.account.faults.add(replace(fault, operation="abort", happens=True))
        request = await h.ask(Action.ABORT, job_id)
        assert request.state is RequestState.UNDECIDED
        assert isinstance(request.error, (Unreachable, BadAnswer))
        await h.b.until(lambda s: h.b.job(job_id).status == "aborted", within=6)
        shown = h.state(job_id)
        assert shown is not None
        assert (shown.state, shown.error) == (RequestState.DONE, None)
        await h.b.seconds(120)
        assert len(h.changing()) == 1
        events = await h.events(job_id)
        assert set(events) == {
            (What.ASKED, "abort"),
            (What.UNDECIDED, "abort"),
            (What.HERE, "aborted"),
        }


@pytest.mark.parametrize("fault", SILENT, ids=lambda f: f"{f.kind}-{f.status}")
@timeless
async def test_unanswered_action_that_was_not_performed_stays_undecided(
    fault: Fault,
) -> None:
    async with control_bench() as h:
        job_id = one_running(h)
        h.b.account.faults.add(replace(fault, operation="pause", happens=False))
        request = await h.ask(Action.PAUSE, job_id)
        assert request.state is RequestState.UNDECIDED
        await h.b.seconds(4)
        state = h.state(job_id)
        assert state is not None
        assert (state.state, state.detail) == (RequestState.UNDECIDED, "")
        await h.b.seconds(12)
        state = h.state(job_id)
        assert state is not None
        assert (state.state, state.detail) == (RequestState.UNDECIDED, NOTHING_YET)
        await h.b.seconds(60)
        assert h.state(job_id) is None
        assert h.b.job(job_id).status == "running"
        assert len(h.changing()) == 1


@timeless
async def test_change_by_another_client_while_a_request_is_open_is_attributed_to_it() -> None:
    async with control_bench() as h:
        job_id = one_running(h)
        h.b.account.faults.add(Fault(Kind.READ_TIMEOUT, operation="abort", happens=False))
        await h.ask(Action.ABORT, job_id)
        await by_another(h.b, "pause", job_id)
        await h.b.rounds(2)
        assert (What.ELSEWHERE, "paused") in await h.events(job_id)
        state = h.state(job_id)
        assert state is not None
        assert state.state is RequestState.UNDECIDED


@timeless
async def test_change_seen_before_the_answer_is_attributed_to_this_program() -> None:
    async with control_bench(latency=lambda r: 20.0 if r.method == "PUT" else 0.0) as h:
        job_id = one_running(h)
        lost = Fault(Kind.READ_TIMEOUT, operation="pause", happens=False, after=1)
        h.b.account.faults.add(lost)
        asking = asyncio.create_task(h.ask(Action.PAUSE, job_id))
        await h.b.seconds(1)
        await by_another(h.b, "pause", job_id)  # the API performs it long before it answers
        await h.b.seconds(25)
        assert (await asking).state is RequestState.UNDECIDED
        state = h.state(job_id)
        assert state is None or state.state is RequestState.DONE
        assert await h.events(job_id) == [
            (What.ASKED, "pause"),
            (What.HERE, "paused"),
            (What.UNDECIDED, "pause"),
        ]


@pytest.mark.parametrize(
    "fault",
    [Fault(Kind.READ_TIMEOUT), Fault(Kind.HTML, status=502), Fault(Kind.CONNECT_ERROR)],
    ids=lambda f: str(f.kind),
)
@timeless
async def test_nothing_is_sent_if_the_state_cannot_be_read(fault: Fault) -> None:
    async with control_bench() as h:
        job_id = one_running(h)
        h.b.account.faults.add(replace(fault, operation="progress", times=1))
        request = await h.ask(Action.ABORT, job_id)
        assert request.state is RequestState.REFUSED
        assert isinstance(request.error, NotSent)
        assert not request.error.undecided
        assert request.error.message.startswith("nothing was sent: ")
        assert h.changing() == []


@timeless
async def test_failed_connection_is_refused_and_not_undecided() -> None:
    async with control_bench() as h:
        job_id = one_running(h)
        h.b.account.faults.add(Fault(Kind.CONNECT_ERROR, operation="abort"))
        request = await h.ask(Action.ABORT, job_id)
        assert request.state is RequestState.REFUSED
        assert isinstance(request.error, NotSent)


@timeless
async def test_nothing_is_sent_under_a_rate_limit() -> None:
    async with control_bench() as h:
        job_id = one_running(h)
        h.b.account.faults.add(
            Fault(status=429, code=971, message="Please wait", retry_after=60, times=1)
        )
        first = await h.ask(Action.ABORT, job_id)
        before = len(h.b.requests)
        second = await h.ask(Action.ABORT, job_id)
        assert [first.state, second.state] == [RequestState.REFUSED] * 2
        assert isinstance(second.error, RateLimited)
        assert "the request budget is spent for 60 s" in second.error.message
        assert len(h.b.requests) == before
        assert h.changing() == []


@timeless
async def test_nothing_is_sent_while_locked() -> None:
    async with control_bench(unlocked=False) as h:
        assert not h.control.unlocked
        before = len(h.b.requests)
        for action in (Action.PAUSE, Action.RESUME, Action.ABORT, Action.DELETE):
            request = await h.ask(action, one_running(h))
            assert request.state is RequestState.REFUSED
            assert isinstance(request.error, Locked)
        refused = (await h.control.abort_all(h.b.account.account_id, ())).request
        assert isinstance(refused.error, Locked)
        assert len(h.b.requests) == before
        h.control.unlock()
        assert h.control.unlocked
        assert (await h.ask(Action.PAUSE, one_running(h))).state is RequestState.SENT
        h.control.lock()
        assert not h.control.unlocked
        assert isinstance((await h.ask(Action.PAUSE, one_running(h))).error, Locked)
        assert len(h.changing()) == 1


@timeless
async def test_repeated_request_is_sent_once() -> None:
    async with control_bench(latency=lambda r: 0.3) as h:
        job_id = one_running(h)
        both = await h.control.request(Action.PAUSE, [h.key(job_id), h.key(job_id)])
        again = await h.ask(Action.PAUSE, job_id)
        assert len(h.changing()) == 1
        assert {request.at for request in (*both, again)} == {both[0].at}


@timeless
async def test_unconfirmed_action_may_be_requested_again() -> None:
    async with control_bench() as h:
        job_id = one_running(h)
        h.b.account.faults.add(Fault(Kind.READ_TIMEOUT, operation="pause", happens=False, times=1))
        assert (await h.ask(Action.PAUSE, job_id)).state is RequestState.UNDECIDED
        await h.b.rounds(1)
        assert (await h.ask(Action.PAUSE, job_id)).state is RequestState.UNDECIDED
        assert len(h.changing()) == 1
        await h.b.rounds(3)
        assert (await h.ask(Action.PAUSE, job_id)).state is RequestState.SENT
        assert len(h.changing()) == 2


@timeless
async def test_several_jobs_get_one_request_each_in_order() -> None:
    async with control_bench() as h:
        jobs = running(h.b.account)
        await by_another(h.b, "pause", jobs[1])
        requests = await h.control.request(Action.PAUSE, [h.key(job_id) for job_id in jobs])
        assert [r.state for r in requests] == [
            RequestState.SENT,
            RequestState.POINTLESS,
            RequestState.SENT,
        ]
        assert sorted(h.changing()) == sorted(
            ("PUT", f"jobs/{job_id}/pause") for job_id in (jobs[0], jobs[2])
        )


@timeless
async def test_several_jobs_are_aborted_in_turn_until_it_is_locked() -> None:
    async with control_bench(latency=lambda r: 0.3) as h:
        keys = [h.key(job_id) for job_id in running(h.b.account)]
        asking = asyncio.create_task(h.control.request(Action.ABORT, keys))
        while not h.changing():
            await h.b.seconds(0.1)
        assert h.changing() == [("PUT", f"jobs/{keys[0].job_id}/abort")]
        h.control.lock()
        requests = await asking
        assert [request.state for request in requests[1:]] == [RequestState.REFUSED] * (
            len(keys) - 1
        )
        assert len(h.changing()) == 1


@timeless
async def test_first_of_several_resumed_jobs_gets_the_slot() -> None:
    async with control_bench(make_accounts(1, jobs=8, running=2)) as h:
        first, second = with_status(h.b.account, "paused")
        requests = await h.control.request(Action.RESUME, [h.key(second), h.key(first)])
        assert [r.state for r in requests] == [RequestState.SENT, RequestState.REFUSED]


@timeless
async def test_cancelled_request_is_undecided() -> None:
    async with control_bench(latency=lambda r: 10.0 if r.method == "PUT" else 0.0) as h:
        job_id = one_running(h)
        asking = asyncio.create_task(h.ask(Action.PAUSE, job_id))
        await h.b.seconds(5)
        asking.cancel()
        await asyncio.wait([asking])
        await h.b.rounds(1)
        state = h.state(job_id)
        assert state is not None
        assert state.state is RequestState.UNDECIDED
        assert (await h.events(job_id))[:2] == [(What.ASKED, "pause"), (What.UNDECIDED, "pause")]


@timeless
async def test_pause_after_the_job_ended_is_not_awaited() -> None:
    async with control_bench([ending_at(20.0)]) as h:
        h.b.account.faults.add(Fault(Kind.READ_TIMEOUT, operation="pause", happens=False))
        await h.b.until(lambda s: now() >= 15)
        assert (await h.ask(Action.PAUSE, "soon")).state is RequestState.UNDECIDED
        await h.b.until(lambda s: h.b.job("soon").status == "completed", within=11)
        assert h.state("soon") is None
        assert (await h.events("soon"))[-1] == (What.ITSELF, "completed")


@timeless
async def test_paused_job_is_polled_every_round_while_a_request_is_open() -> None:
    async with control_bench() as h:
        job_id = one_paused(h)
        h.b.account.faults.add(Fault(Kind.READ_TIMEOUT, operation="abort", happens=False))
        await h.b.seconds(20)
        await h.ask(Action.ABORT, job_id)
        begun = now()
        await h.b.seconds(40)
        polls = [at for at in h.b.polls(job_id) if at > begun + 5]
        assert {round(y - x, 1) for x, y in itertools.pairwise(polls)} == {5.0}


@given(
    st.sampled_from([Action.PAUSE, Action.ABORT]),
    st.sampled_from([None, *SILENT, Fault(status=409), Fault(Kind.CONNECT_ERROR)]),
    st.booleans(),
    st.sampled_from([None, *SILENT, Fault(status=404), Fault(status=429, retry_after=5)]),
    st.integers(0, 4),
)
def test_no_fault_makes_an_action_be_sent_twice(
    action: Action, on_sending: Fault | None, happens: bool, on_reading: Fault | None, after: int
) -> None:
    async def main() -> None:
        async with control_bench(make_accounts(1, jobs=2, running=1)) as h:
            job_id = one_running(h)
            if on_sending is not None:
                fault = replace(on_sending, operation=str(action), happens=happens)
                h.b.account.faults.add(fault)
            if on_reading is not None:
                h.b.account.faults.add(
                    replace(on_reading, operation="progress", times=3, after=after)
                )
            request = await h.ask(action, job_id)
            await h.b.seconds(180)
            assert len(h.changing()) <= 1
            sent = request.state in (RequestState.SENT, RequestState.UNDECIDED)
            assert not sent or len(h.changing()) == 1
            assert h.state(job_id) is None

    timeless(main)()


# Abort all ----------------------------------------------------------------------------------------


@timeless
async def test_abort_all_is_one_request_attached_to_every_live_job() -> None:
    async with control_bench() as h:
        account = h.b.account
        live = [*running(account), *with_status(account, "paused")]
        request, newcomers = await h.control.abort_all(account.account_id, all_live(h))
        assert newcomers == ()
        assert request.state is RequestState.SENT
        assert h.changing() == [("PUT", "jobs/abortAll")]
        await h.b.until(lambda s: all(h.b.job(j).status == "aborted" for j in live), within=6)
        for job_id in live:
            state = h.state(job_id)
            assert state is not None
            assert (state.action, state.state) == (Action.ABORT_ALL, RequestState.DONE)
            assert await h.events(job_id) == [(What.ASKED, "abort all"), (What.HERE, "aborted")]
        ended = [v for v in h.b.last.jobs if v.job.id not in live]
        assert ended
        assert all(view.request is None for view in ended)


@timeless
async def test_abort_all_sends_nothing_if_no_job_is_live() -> None:
    async with control_bench([ending_at(12.0)]) as h:
        await h.b.until(lambda s: now() >= 10)
        await asyncio.sleep(3)  # no poll
        request, _ = await h.control.abort_all(h.b.account.account_id, all_live(h))
        assert (request.state, request.detail) == (RequestState.POINTLESS, NO_JOB_LEFT)
        assert h.changing() == []


@timeless
async def test_abort_all_sends_nothing_if_a_live_job_was_not_confirmed() -> None:
    async with control_bench(make_accounts(1, jobs=60, running=2)) as h:
        account, asked = h.b.account, all_live(h)
        job_id = create_elsewhere(account)
        request, [newcomer] = await h.control.abort_all(account.account_id, asked)
        assert request.state is RequestState.POINTLESS
        assert newcomer.key == h.key(job_id)
        assert job_id in request.detail
        assert h.changing() == []
        request, newcomers = await h.control.abort_all(account.account_id, {*asked, newcomer.key})
        assert (request.state, newcomers) == (RequestState.SENT, ())
        assert h.changing() == [("PUT", "jobs/abortAll")]


@timeless
async def test_abort_all_names_jobs_created_while_it_was_sent() -> None:
    [account] = accounts = make_accounts(1, jobs=8, running=2)
    created: list[str] = []

    def just_before(request: Asked) -> float:
        if request.path == "jobs/abortAll":
            created.append(create_elsewhere(account))
        return 0.0

    async with control_bench(accounts, latency=just_before) as h:
        request, [newcomer] = await h.control.abort_all(account.account_id, all_live(h))
        assert request.state is RequestState.SENT
        assert ([newcomer.key.job_id], newcomer.status) == (created, "aborted")


@timeless
async def test_unanswered_abort_all_is_undecided_at_every_job() -> None:
    async with control_bench() as h:
        h.b.account.faults.add(Fault(Kind.READ_TIMEOUT, operation="abortAll", happens=False))
        first, _ = await h.control.abort_all(h.b.account.account_id, all_live(h))
        again, _ = await h.control.abort_all(h.b.account.account_id, all_live(h))
        assert first.state is RequestState.UNDECIDED
        assert again == first
        assert len(h.changing()) == 1


@timeless
async def test_abort_all_sends_nothing_if_the_list_cannot_be_read() -> None:
    async with control_bench() as h:
        h.b.account.faults.add(Fault(Kind.RESET, operation="list"))
        request, _ = await h.control.abort_all(h.b.account.account_id, all_live(h))
        assert isinstance(request.error, NotSent)
        assert h.changing() == []


@timeless
async def test_abort_all_concerns_one_account_only() -> None:
    accounts = make_accounts(2, jobs=8)
    async with control_bench(accounts) as h:
        await h.control.abort_all(accounts[1].account_id, all_live(h))
        await h.b.rounds(3)
        assert running(accounts[0])
        assert not running(accounts[1])
        others = [v for v in h.b.last.jobs if v.account_id == accounts[0].account_id]
        assert all(view.request is None for view in others)


# Changes by other clients -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "choose", "status"),
    [
        ("pause", one_running, "paused"),
        ("resume", one_paused, "running"),
        ("abort", one_running, "aborted"),
    ],
)
@timeless
async def test_change_by_another_client_is_an_event_with_the_poll_time(
    step: str, choose: Choose, status: str
) -> None:
    async with control_bench(make_accounts(1, jobs=8, running=2)) as h:
        job_id = choose(h)
        await by_another(h.b, step, job_id)
        await h.b.until(lambda s: h.b.job(job_id).status == status, within=20)
        await h.b.rounds(1)
        [event] = await h.event_records(job_id)
        assert (event.what, event.detail) == (What.ELSEWHERE, status)
        assert event.at == pytest.approx(h.b.job(job_id).as_of, abs=6)
        assert h.state(job_id) is None


@timeless
async def test_deletion_by_another_client_is_an_event() -> None:
    async with control_bench() as h:
        job_id = an_ended(h)
        await by_another(h.b, "delete", job_id)
        await h.b.until(lambda s: h.b.job(job_id).gone, within=30)
        await h.b.rounds(4)
        assert await h.events(job_id) == [(What.ELSEWHERE, "gone")]


@timeless
async def test_first_poll_is_an_event_only_if_the_history_differs() -> None:
    account = make_accounts(1, jobs=8)[0]
    history = InlineHistory()
    async with control_bench([account], history=history) as h:
        jobs = [view.key.job_id for view in h.b.last.jobs]
        paused, aborted = running(account)[:2]
        for job_id in jobs:
            assert await h.events(job_id) == []
    account._jobs._courses[paused] = Course(account._jobs._courses[paused].plan).changed(
        wall(), "paused"
    )
    account._jobs._courses[aborted] = Course(account._jobs._courses[aborted].plan).changed(
        wall(), "aborted"
    )
    async with control_bench([account], history=history) as h:
        await h.b.rounds(2)
        assert await h.events(paused) == [(What.ELSEWHERE, "paused")]
        assert await h.events(aborted) == [(What.ELSEWHERE, "aborted")]
        others = [job_id for job_id in jobs if job_id not in (paused, aborted)]
        for job_id in others:
            assert await h.events(job_id) == []


@timeless
async def test_events_of_the_highlighted_job_are_in_the_snapshots() -> None:
    async with control_bench() as h:
        first, second = running(h.b.account)[:2]
        await by_another(h.b, "pause", first)
        await h.b.rounds(2)
        assert list(h.b.last.events) == []
        h.b.monitor.look_at(h.key(first), frozenset())
        await h.b.until(lambda s: bool(s.events), within=6)
        assert [event.detail for event in h.b.last.events] == ["paused"]
        await h.ask(Action.ABORT, first)
        await h.b.until(lambda s: len(s.events) == 3, within=6)
        assert [event.what for event in h.b.last.events] == [
            What.ELSEWHERE,
            What.ASKED,
            What.HERE,
        ]
        h.b.monitor.look_at(h.key(second), frozenset())
        await h.b.until(lambda s: not s.events, within=6)
        assert await h.event_records(first)


@timeless
async def test_events_and_retry_links_of_other_programs_are_in_the_snapshots() -> None:
    async with control_bench() as h:
        job_id = an_ended(h)
        h.b.monitor.look_at(h.key(job_id), frozenset())
        await h.b.rounds(2)
        assert list(h.b.last.events) == []
        retried = Event(h.key(job_id), wall(), What.RETRIED, "child")
        h.history.notes.note([retried])
        h.b.monitor.job_store.add_link(RetryLink(h.key("child"), h.key(job_id), 10))
        await h.b.until(lambda s: bool(s.events), within=1)
        [event] = h.b.last.events
        assert (event.what, event.detail) == (What.RETRIED, "child")


@timeless
async def test_actions_work_with_a_history_in_memory() -> None:
    async with bench(make_accounts(1, jobs=8)) as b:
        control = (await b.session.services()).control
        control.unlock()
        await b.until(lambda s: s.complete)
        key = JobKey(b.account.account_id, running(b.account)[0])
        b.monitor.look_at(key, frozenset())
        [request] = await control.request(Action.PAUSE, [key])
        assert request.state is RequestState.SENT
        await b.until(lambda s: b.job(key.job_id).status == "paused", within=6)
        assert list(b.last.events) == []


RUNNING, PAUSED = view(), view(status="paused", phase=Phase.PAUSED)
LISTING, STALLED = view(phase=Phase.LISTING), view(phase=Phase.STALLED)
COMPLETED, ABORTED = view(status="completed"), view(status="aborted")
UNKNOWN, ODD = view(status=None), view(status="queued")
FAILED = view(status="errored", ended=True)
GONE = view(status="completed", gone=True)
ALL = (RUNNING, PAUSED, LISTING, STALLED, COMPLETED, ABORTED, UNKNOWN, ODD, FAILED, GONE)

BIG = Counts(2_000_000, 500_000, 80_000, 7_887)


@pytest.mark.parametrize(
    ("action", "able"),
    [
        (Action.PAUSE, (RUNNING, LISTING, STALLED)),
        (Action.RESUME, (PAUSED,)),
        (Action.ABORT, (RUNNING, PAUSED, LISTING, STALLED, ODD)),
        (Action.ABORT_ALL, (RUNNING, PAUSED, LISTING, STALLED, ODD)),
        (Action.DELETE, (COMPLETED, ABORTED, FAILED)),
    ],
)
def test_actions_that_are_possible_by_job_state(action: Action, able: tuple[JobView, ...]) -> None:
    assert tuple(job for job in ALL if not why_not(job, action)) == able


@pytest.mark.parametrize(
    ("job", "action", "why"),
    [
        (PAUSED, Action.PAUSE, "it is paused already"),
        (RUNNING, Action.RESUME, "it is running already"),
        (ABORTED, Action.ABORT, "it is aborted already"),
        (COMPLETED, Action.PAUSE, "it has ended"),
        (COMPLETED, Action.ABORT, "it has ended"),
        (FAILED, Action.RESUME, "it has ended"),
        (ODD, Action.PAUSE, "it is queued"),
        (RUNNING, Action.DELETE, "it has not ended"),
        (UNKNOWN, Action.ABORT, "its state is not known"),
        (GONE, Action.DELETE, "the API no longer knows it"),
    ],
)
def test_reason_of_an_impossible_action_is_a_clause(job: JobView, action: Action, why: str) -> None:
    assert why_not(job, action) == why


@pytest.mark.parametrize(
    ("action", "job", "text"),
    [
        (
            Action.ABORT,
            view(counts=BIG),
            "1,412,113 objects have not started and will not be copied; "
            "copies in progress finish; it cannot be resumed",
        ),
        (
            Action.PAUSE,
            view(counts=BIG),
            "1,412,113 objects have not started and will wait; copies in progress finish; "
            "it can be resumed later",
        ),
        (
            Action.ABORT,
            view(counts=Counts(10, 9, 0, 0), phase=Phase.LISTING),
            "1 object and all that are not listed yet have not started and will not be copied; "
            "copies in progress finish; it cannot be resumed",
        ),
        (
            Action.PAUSE,
            view(counts=Counts()),
            "all objects that have not started will wait; copies in progress finish; "
            "it can be resumed later",
        ),
        (
            Action.RESUME,
            view(status="paused", counts=BIG),
            "resumes the 1,412,113 remaining objects; the API may refuse it while three jobs run",
        ),
        (
            Action.RESUME,
            view(status="paused", counts=Counts(10, 8, 0, 0), total=Total.GROWING),
            "resumes the 2 remaining objects and all that are not listed yet; "
            "the API may refuse it while three jobs run",
        ),
        (
            Action.RESUME,
            view(status="paused", counts=Counts()),
            "resumes all remaining objects; the API may refuse it while three jobs run",
        ),
        (
            Action.DELETE,
            view(status="completed", counts=BIG),
            "the API forgets it; nothing in the target is deleted: 500,000 objects stay there; "
            "the log with 7,887 failures is lost; its history here stays",
        ),
        (
            Action.DELETE,
            view(status="completed", counts=Counts()),
            "the API forgets it; nothing in the target is deleted; its history here stays",
        ),
    ],
)
def test_consequence_contains_the_counts_of_the_job(
    action: Action, job: JobView, text: str
) -> None:
    assert consequence([job], action) == text


def test_consequence_sums_the_counts_of_several_jobs() -> None:
    jobs = [view(1, counts=BIG), view(2, counts=Counts(100, 40, 0, 0)), view(3)]
    assert consequence(jobs, Action.PAUSE) == (
        "1,412,823 objects have not started and will wait; copies in progress finish; "
        "they can be resumed later"
    )
    assert consequence(jobs, Action.ABORT_ALL) == (
        "aborts all 3 jobs; 1,412,823 objects have not started and will not be copied; "
        "copies in progress finish; they cannot be resumed"
    )
    assert "aborts 1 job;" in consequence(jobs[:1], Action.ABORT_ALL)


def test_consequence_marks_a_sum_with_an_unknown_count() -> None:
    text = consequence([view(1), view(2, counts=Counts())], Action.PAUSE)
    assert "at least 650 objects" in text


def test_each_action_but_delete_has_an_expected_status() -> None:
    shown = {action: expected(action) for action in Action}
    assert shown == {
        Action.PAUSE: "paused",
        Action.RESUME: "running",
        Action.ABORT: "aborted",
        Action.ABORT_ALL: "aborted",
        Action.DELETE: None,
    }


def test_every_consequence_is_one_line_of_clauses_without_a_full_stop() -> None:
    for action, job in itertools.product(Action, ALL):
        text = consequence([job, job], action)
        assert text == text.strip(" .;\n")
        assert "it " not in text.replace("refuse it ", "")
