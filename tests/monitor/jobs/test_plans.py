"""Plans: steps start in order as slots become free; undecided steps wait for the user."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from slurper_tui.api.errors import BucketKeysRefused
from slurper_tui.api.models import Secret
from slurper_tui.monitor.history.schema import prepare
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.jobs.create import FRESH_KEYS
from slurper_tui.monitor.jobs.plan_runner import (
    COPIED,
    DOUBT_SECONDS,
    REFUSED,
    SLOT_SECONDS,
    STALE_SECONDS,
)
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.plans import Draft, PlanView, Secrets, StepState
from slurper_tui.simulated.account import Fault, Kind
from tests.monitor.bench import EPOCH, bench, make_accounts, now
from tests.monitor.inline_history import InlineHistory
from tests.monitor.jobs.scenario import DRAFT, SECRETS, Scenario, states
from tests.virtual_time import timeless

THREE = ("2022/", "2023/", "2024/")
UNANSWERED = Fault(Kind.HTML, operation="create", status=502, times=1)
EMPTY_LIST = Fault(Kind.EDITED, operation="list", edit=lambda body: {**body, "result": []})
WITHOUT_ID = Fault(
    Kind.EDITED, operation="create", times=1, edit=lambda body: {**body, "result": {}}
)


def waits(view: PlanView) -> bool:
    return states(view)[-1] == "waiting"


def waits_for_a_slot(view: PlanView) -> bool:
    return "free slot" in view.note


@timeless
async def test_steps_start_in_order_until_the_plan_is_over() -> None:
    scenario = Scenario()
    program = scenario.program()
    view = await program.until_idle(await program.begin(THREE))
    assert states(view) == ["started"] * 3
    assert view.plan.over
    assert view.note == ""
    assert [body["source"]["pathPrefix"] for body in scenario.posts] == list(THREE)
    ids = {
        course.plan.source.path_prefix: course.plan.id
        for course in scenario.account.jobs()
        if course.plan.source is not None
    }
    assert [step.job_id for step in view.plan.steps] == [ids[prefix] for prefix in THREE]


@timeless
async def test_a_step_waits_for_a_free_slot_and_tries_twice_a_minute() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program()
    plan_id = await program.begin(["a/", "b/"])
    view = await program.until(plan_id, waits_for_a_slot)
    assert view.note.startswith("waits for a free slot (photos/a/ running); tries every 30 s")
    assert states(view) == ["started", "waiting"]
    view = await program.until_idle(plan_id)
    tries = [at for at, method, _ in scenario.requests if method == "POST"][1:]
    gaps = {later - earlier for earlier, later in pairwise(tries)}
    assert gaps == {SLOT_SECONDS}
    assert len(tries) > 2
    assert scenario.made() == {"a/": 1, "b/": 1}


@timeless
@pytest.mark.parametrize("running", [0, 3])
async def test_conflict_without_three_running_jobs_has_the_message_of_the_api(
    running: int,
) -> None:
    scenario = Scenario()
    program = scenario.program()
    await program.until_idle(await program.begin(THREE[:running]))
    conflict = Fault(operation="create", status=409, code=10055, message="not in this state")
    scenario.account.faults.add(conflict)
    view = await program.until(await program.begin(["a/"]), waits_for_a_slot)
    assert ("10055: not in this state" in view.note) == (running < 3)


@timeless
async def test_step_starts_within_30_seconds_of_a_free_slot() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program()
    plan_id = await program.begin(["a/", "b/"])
    view = await program.until(plan_id, waits_for_a_slot)
    began, job_id = now(), view.plan.steps[0].job_id
    await program.client.abort_job(scenario.account.account_id, job_id or "")
    await program.until_idle(plan_id)
    assert now() - began <= SLOT_SECONDS


@timeless
async def test_failed_connections_are_retried_with_back_off() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.CONNECT_ERROR, operation="create", times=6))
    program = scenario.program()
    view = await program.until_idle(await program.begin(THREE))
    assert states(view) == ["started"] * 3
    assert scenario.made() == dict.fromkeys(THREE, 1)
    assert now() < 6 * 60


@timeless
async def test_rate_limit_is_waited_for() -> None:
    scenario = Scenario()
    fault = Fault(operation="create", status=429, code=971, retry_after=100, times=1)
    scenario.account.faults.add(fault)
    program = scenario.program()
    view = await program.until_idle(await program.begin(["a/"]))
    assert states(view) == ["started"]
    tries = [at for at, method, _ in scenario.requests if method == "POST"]
    assert tries[1] - tries[0] == 100


@timeless
async def test_unanswered_step_is_never_sent_again() -> None:
    scenario = Scenario()
    scenario.account.faults.add(UNANSWERED)
    program = scenario.program()
    plan_id = await program.begin(THREE)
    view = await program.until_idle(plan_id)
    assert states(view) == ["undecided", "started", "started"]
    assert scenario.sent() == dict.fromkeys(THREE, 1)
    assert "no such job" in view.plan.steps[0].message
    assert "step 1 is undecided" in view.note
    assert not view.plan.over


@timeless
async def test_list_is_searched_for_a_minute_before_a_step_is_undecided() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.RESET, operation="create", times=1))
    scenario.account.faults.add(dataclasses.replace(EMPTY_LIST, times=5))
    program = scenario.program()
    view = await program.until_idle(await program.begin(["a/"]))
    assert states(view) == ["started"]
    assert scenario.sent() == {"a/": 1}
    assert now() < DOUBT_SECONDS


@timeless
async def test_user_can_send_an_undecided_step_again() -> None:
    scenario = Scenario()
    scenario.account.faults.add(UNANSWERED)
    program = scenario.program()
    plan_id = await program.begin(["a/"])
    await program.until_idle(plan_id)
    await program.creation.send_again(plan_id, 1)
    assert states(await program.until_idle(plan_id)) == ["started"]
    assert scenario.sent() == {"a/": 2}
    assert scenario.made() == {"a/": 1}


@timeless
async def test_job_that_is_listed_late_is_used_instead_of_sending_again() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.RESET, operation="create", times=1), EMPTY_LIST)
    program = scenario.program()
    plan_id = await program.begin(["a/"])
    assert states(await program.until_idle(plan_id)) == ["undecided"]
    scenario.account.faults.clear()
    await program.creation.send_again(plan_id, 1)
    assert states(await program.until_idle(plan_id)) == ["started"]
    assert scenario.sent() == {"a/": 1}


@timeless
async def test_undecided_step_is_not_sent_again_if_the_list_is_unreadable() -> None:
    scenario = Scenario()
    scenario.account.faults.add(UNANSWERED)
    program = scenario.program()
    plan_id = await program.begin(["a/"])
    await program.until_idle(plan_id)
    scenario.account.faults.add(Fault(Kind.HTML, operation="list"))
    await program.creation.send_again(plan_id, 1)
    view = await program.until_idle(plan_id)
    assert states(view) == ["undecided"]
    assert "the list cannot be read" in view.plan.steps[0].message
    assert scenario.sent() == {"a/": 1}


@timeless
async def test_next_run_searches_an_undecided_step_once_more() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.RESET, operation="create", times=1), EMPTY_LIST)
    program = scenario.program()
    await program.until_idle(await program.begin(["a/"]))
    await program.end()
    scenario.account.faults.clear()
    view = await scenario.program().resume()
    assert view is not None
    assert states(view) == ["started"]
    assert scenario.sent() == {"a/": 1}


@timeless
async def test_unsettled_step_blocks_the_others_while_the_list_is_unreadable() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.RESET, operation="create", times=1))
    scenario.account.faults.add(Fault(Kind.HTML, operation="list", times=8))
    program = scenario.program()
    plan_id = await program.begin(["a/", "b/"])
    view = await program.until(plan_id, lambda view: "cannot be read" in view.note)
    assert states(view) == ["sending", "waiting"]
    assert states(await program.until_idle(plan_id)) == ["started", "started"]
    assert scenario.made() == {"a/": 1, "b/": 1}


@timeless
async def test_refused_step_has_the_reason_and_the_others_continue() -> None:
    scenario = Scenario()
    fault = Fault(operation="create", status=400, code=10001, message="bad prefix", times=1)
    scenario.account.faults.add(fault)
    program = scenario.program()
    plan_id = await program.begin(THREE)
    view = await program.until_idle(plan_id)
    assert states(view) == ["refused", "started", "started"]
    assert "10001: bad prefix" in view.plan.steps[0].message
    await program.creation.send_again(plan_id, 1)
    assert (await program.until_idle(plan_id)).plan.over


@timeless
async def test_rejected_credentials_stop_the_plan() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(operation="create", status=403, code=10000))
    program = scenario.program()
    view = await program.until_idle(await program.begin(THREE))
    assert states(view) == ["refused", "waiting", "waiting"]
    assert "stopped" in view.note
    assert len(scenario.posts) == 1


@timeless
async def test_new_bucket_keys_are_given_half_a_minute_to_work() -> None:
    scenario = Scenario()
    message = "Preconnectivity failed, please verify tokens and try again"
    scenario.account.faults.add(
        Fault(operation="create", status=403, code=1, message=message, times=3)
    )
    program = scenario.program()
    plan_id = await program.begin(THREE)
    await program.until(plan_id, lambda view: view.note == FRESH_KEYS)
    view = await program.until_idle(plan_id)
    assert states(view) == ["started"] * 3
    assert set(scenario.made().values()) == {1}
    assert len(scenario.posts) == 6


@timeless
async def test_refused_bucket_keys_stop_the_plan_until_new_keys_are_supplied() -> None:
    scenario = Scenario()
    message = "Preconnectivity failed, please verify tokens and try again"
    scenario.account.faults.add(
        Fault(operation="create", status=403, code=1, message=message, after=1, times=6)
    )
    program = scenario.program()
    plan_id = await program.begin(THREE)
    view = await program.until_idle(plan_id)
    assert states(view) == ["started", "waiting", "waiting"]
    assert (view.has_secrets, len(scenario.posts)) == (False, 7)
    assert "stopped: the API answered 403: the bucket keys give no access to a bucket" in view.note
    assert isinstance(view.stopped_by, BucketKeysRefused)
    program.creation.supply(plan_id, SECRETS)
    view = await program.until_idle(plan_id)
    assert (view.plan.over, view.stopped_by) == (True, None)


@timeless
async def test_cancelling_keeps_started_jobs_and_sends_nothing_more() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program()
    plan_id = await program.begin(THREE)
    await program.until(plan_id, waits_for_a_slot)
    await program.creation.cancel(plan_id)
    sent = len(scenario.posts)
    view = await program.until_idle(plan_id)
    assert states(view) == ["started", "cancelled", "cancelled"]
    assert view.plan.over
    assert len(scenario.posts) == sent
    assert await scenario.program().creation.plans() == ()


@timeless
@pytest.mark.parametrize("elsewhere", [False, True])
async def test_request_in_flight_during_cancel_is_not_sent_again(*, elsewhere: bool) -> None:
    scenario = Scenario(slots=1)
    program = scenario.program(latency=5.0)
    plan_id = await program.begin(THREE)
    await program.until(plan_id, lambda view: states(view) == ["started", "sending", "waiting"])
    other = scenario.program() if elsewhere else program
    await other.creation.plans()
    await other.creation.cancel(plan_id)
    cancelled_at = now()
    view = await program.until_idle(plan_id)
    assert states(view) == ["started", "cancelled", "cancelled"]
    assert now() - cancelled_at < SLOT_SECONDS
    assert scenario.sent() == {"2022/": 1, "2023/": 1}


@timeless
async def test_only_step_in_flight_during_cancel_keeps_its_outcome() -> None:
    for slots, state in ((0, "cancelled"), (1, "started")):
        scenario = Scenario(slots=slots)
        program = scenario.program(latency=5.0)
        plan_id = await program.begin(["a/"])
        await program.until(plan_id, lambda view: states(view) == ["sending"])
        await program.creation.cancel(plan_id)
        assert states(await program.until_idle(plan_id)) == [state]
        assert len(scenario.posts) == 1


@timeless
async def test_cancelled_step_without_an_answer_can_be_sent_again() -> None:
    scenario = Scenario()
    scenario.account.faults.add(UNANSWERED)
    program = scenario.program(latency=5.0)
    plan_id = await program.begin(["a/"])
    await program.until(plan_id, lambda view: states(view) == ["sending"])
    await program.creation.cancel(plan_id)
    assert states(await program.until_idle(plan_id)) == ["undecided"]
    await program.creation.send_again(plan_id, 1)
    assert states(await program.until_idle(plan_id)) == ["started"]


@timeless
async def test_cancelling_while_the_list_is_read_takes_effect_at_once() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program(latency=5.0)
    plan_id = await program.begin(["a/", "b/"])
    await program.until(plan_id, lambda view: len(scenario.posts) == 2 and waits(view))
    cancelled_at = now()
    await program.creation.cancel(plan_id)
    assert states(await program.until_idle(plan_id)) == ["started", "cancelled"]
    assert now() - cancelled_at < SLOT_SECONDS


@timeless
async def test_cancelling_an_earlier_run_s_plan_needs_no_secrets() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program()
    await program.until(await program.begin(THREE), waits_for_a_slot)
    await program.end()
    again = scenario.program()
    [view] = await again.creation.plans()
    await again.creation.cancel(view.plan.id)
    assert (await again.until_idle(view.plan.id)).plan.over


@timeless
async def test_second_cancel_drops_undecided_steps() -> None:
    scenario = Scenario(slots=1)
    scenario.account.faults.add(UNANSWERED)
    program = scenario.program()
    plan_id = await program.begin(THREE)
    await program.until(plan_id, waits_for_a_slot)
    await program.creation.cancel(plan_id)
    view = await program.until_idle(plan_id)
    assert states(view) == ["undecided", "started", "cancelled"]
    await program.creation.cancel(plan_id)
    [view] = await program.creation.plans()
    assert states(view) == ["cancelled", "started", "cancelled"]
    assert "without an answer" in view.plan.steps[0].message


@timeless
async def test_restarted_plan_sends_nothing_before_secrets_are_supplied() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program()
    await program.until(await program.begin(["a/", "b/"]), waits_for_a_slot)
    await program.end()
    sent = len(scenario.posts)
    again = scenario.program()
    [view] = await again.creation.plans()
    assert not view.has_secrets
    view = await again.until(view.plan.id, lambda view: "needs the keys" in view.note)
    assert len(scenario.posts) == sent
    again.creation.supply(view.plan.id, SECRETS)
    view = await again.until(view.plan.id, lambda view: view.has_secrets)
    assert (await again.until_idle(view.plan.id)).plan.over
    assert scenario.made() == {"a/": 1, "b/": 1}


@timeless
async def test_close_drops_secrets_and_sends_nothing_more() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program()
    plan_id = await program.begin(["a/", "b/"])
    await program.until(plan_id, waits_for_a_slot)
    await program.end()
    sent = len(scenario.posts)
    program.creation.supply(plan_id, SECRETS)
    [view] = await program.creation.plans()
    assert not view.has_secrets
    assert states(view) == ["started", "waiting"]
    assert len(scenario.posts) == sent


@timeless
async def test_close_waits_briefly_for_an_answer() -> None:
    scenario = Scenario()
    program = scenario.program(latency=0.2)
    await program.until(await program.begin(["a/"]), lambda view: states(view) == ["sending"])
    await program.end()
    plans = await program.notes.plans([])
    assert plans[0].steps[0].state is StepState.STARTED


@timeless
async def test_plan_of_a_locked_program_waits_and_sends_nothing() -> None:
    scenario = Scenario()
    program = scenario.program()
    program.client.lock()
    plan_id = await program.begin(["a/"])
    view = await program.until(plan_id, lambda view: "read-only" in view.note)
    assert states(view) == ["waiting"]
    assert scenario.posts == []
    program.client.unlock()
    assert states(await program.until_idle(plan_id)) == ["started"]


@timeless
async def test_each_job_of_a_retry_plan_is_linked_to_the_parent() -> None:
    scenario = Scenario()
    program = scenario.program()
    parent = JobKey(scenario.account.account_id, "parent")
    drafts = [Draft("s3", "photos", "media", keys=keys) for keys in (("a", "b"), ("c",))]
    view = await program.creation.plan(
        scenario.account.account_id, drafts, SECRETS, retry_of=parent, log_types=("T",)
    )
    view = await program.until_idle(view.plan.id)
    links = await program.notes.links([])
    assert [(link.child.job_id, link.parent, link.keys, link.log_types) for link in links] == [
        (step.job_id, parent, keys, ("T",))
        for step, keys in zip(view.plan.steps, (2, 1), strict=True)
    ]


@timeless
async def test_steps_of_the_same_source_are_matched_by_their_keys() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.RESET, operation="create", times=2))
    program = scenario.program()
    drafts = [Draft("s3", "photos", "media", keys=keys) for keys in (("a", "b"), ("c",))]
    view = await program.creation.plan(scenario.account.account_id, drafts, SECRETS)
    view = await program.until_idle(view.plan.id)
    keys = {c.plan.id: c.plan.source.keys for c in scenario.account.jobs() if c.plan.source}
    assert [keys[step.job_id or ""] for step in view.plan.steps] == [("a", "b"), ("c",)]
    assert len(scenario.posts) == 2


@timeless
async def test_job_created_without_an_id_is_found_in_the_list() -> None:
    scenario = Scenario()
    scenario.account.faults.add(WITHOUT_ID)
    program = scenario.program()
    view = await program.until_idle(await program.begin(["a/"]))
    assert view.plan.steps[0].job_id == scenario.account.jobs()[0].plan.id


@timeless
async def test_step_without_any_known_id_is_started() -> None:
    scenario = Scenario()
    scenario.account.faults.add(WITHOUT_ID, EMPTY_LIST)
    program = scenario.program()
    view = await program.until_idle(await program.begin(["a/"]))
    assert states(view) == ["started"]
    assert view.plan.steps[0].job_id is None
    assert "no id" in view.plan.steps[0].message


@timeless
async def test_slow_request_of_another_program_is_not_settled_early() -> None:
    scenario = Scenario()
    slow = scenario.program(latency=20.0)
    plan_id = await slow.begin(["a/"])
    await slow.until(plan_id, lambda view: states(view) == ["sending"])
    other = scenario.program()
    await other.creation.plans()
    other.creation.supply(plan_id, SECRETS)
    assert states(await other.until_idle(plan_id)) == ["started"]
    assert states(await slow.until_idle(plan_id)) == ["started"]
    assert scenario.sent() == {"a/": 1}


@timeless
async def test_newly_supplied_keys_are_used() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program()
    plan_id = await program.begin(["a/", "b/"])
    await program.until(plan_id, waits_for_a_slot)
    newer = Secret(access_key_id="NEW", secret_access_key="newer")
    program.creation.supply(plan_id, Secrets(newer, newer))
    await program.until_idle(plan_id)
    assert scenario.posts[-1]["source"]["secret"]["accessKeyId"] == "NEW"


@timeless
async def test_plans_are_listed_oldest_first_with_those_that_ended_in_this_run() -> None:
    scenario = Scenario()
    program = scenario.program()
    first = await program.begin(["a/"])
    await program.until_idle(first)
    second = await program.begin(["b/"], DRAFT)
    assert [view.plan.id for view in await program.creation.plans()] == [first, second]


@timeless
async def test_job_of_another_plan_is_not_matched() -> None:
    scenario = Scenario()
    program = scenario.program()
    await program.until_idle(await program.begin(["a/"]))
    second = await program.begin(["a/"])
    step = (await program.notes.plans([]))[1].steps[0]
    sending = msgspec.structs.replace(step, state=StepState.SENDING)
    assert await program.notes.move(second, 1, StepState.WAITING, sending)
    await program.end()
    view = await scenario.program().resume()
    assert view is not None
    assert states(view) == ["undecided"]
    assert len(scenario.posts) == 1


@timeless
async def test_slowly_written_sending_state_is_reset_and_written_again() -> None:
    scenario = Scenario()
    program = scenario.program()
    program.notes.slow = [30.0]
    view = await program.until_idle(await program.begin(["a/"]))
    assert states(view) == ["started"]
    assert [str(mark.state) for mark in program.notes.marks] == [
        *("sending", "waiting", "sending", "started")
    ]
    [sent_at] = [at for at, method, _ in scenario.requests if method == "POST"]
    assert EPOCH + sent_at - program.notes.marks[2].at < STALE_SECONDS


@timeless
async def test_snapshots_count_unstarted_jobs_of_plans_after_a_restart_too() -> None:
    [account] = make_accounts(1, jobs=0, slots=1)
    history = InlineHistory()
    async with bench([account], history=history.stored(account.account_id)) as b:
        services = await b.session.services()
        services.control.unlock()
        drafts = [replace(DRAFT, path_prefix=prefix) for prefix in ("a/", "b/", "c/")]
        await services.creation.plan(account.account_id, drafts, SECRETS)
        seen = await b.until(lambda s: len(s.jobs) == 1 and s.unstarted[0].jobs < 3)
        [left] = seen.unstarted
        assert (left.source.bucket, left.target.bucket, left.jobs) == ("photos", "media", 2)
    again = history.stored(account.account_id)
    async with bench([account], history=again) as b:
        seen = await b.until(lambda s: s.complete)
        assert [one.jobs for one in seen.unstarted] == [2]


async def scenario_with_a_step_being_sent() -> Scenario:
    """Return the scenario of a program that was killed between marking and sending a step."""
    scenario = Scenario()
    program = scenario.program(die_at=6)
    await program.begin(["a/", "b/"])
    await program.dead.wait()
    await asyncio.sleep(DOUBT_SECONDS)
    return scenario


@timeless
async def test_plan_in_a_copied_history_ends_at_once_with_a_note() -> None:
    scenario = await scenario_with_a_step_being_sent()
    memory = sqlite3.connect(":memory:", isolation_level=None)
    prepare(memory)
    scenario.store.copy_to(memory)
    scenario.store = Store(memory, scenario.store.base_url, is_copy=True)
    program, before = scenario.program(), len(scenario.requests)
    view = await program.resume()
    assert view is not None
    assert (states(view), view.note) == (["sending", "waiting"], COPIED)
    await program.creation.cancel(view.plan.id)
    [view] = await program.creation.plans()
    assert (states(view), view.note) == (["sending", "waiting"], COPIED)
    assert len(scenario.requests) == before


@timeless
async def test_change_that_the_disk_refuses_is_repeated_after_a_pause() -> None:
    scenario = await scenario_with_a_step_being_sent()
    program, before = scenario.program(), len(scenario.requests)
    program.notes.full = True
    [view] = await program.creation.plans()
    await program.until(view.plan.id, lambda view: view.note == REFUSED)
    await asyncio.sleep(600)
    assert len(scenario.requests) - before <= 600 / 5 + 1
    program.notes.full = False
    view = await program.until(view.plan.id, lambda view: states(view)[0] == "undecided")
    assert scenario.posts == []
    await program.end()
