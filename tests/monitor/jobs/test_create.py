"""Creating one job: one request per call, and the meaning of its answer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace as replace_fault
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.errors import (
    BucketKeysRefused,
    Conflict,
    Locked,
    NotSent,
    Refused,
    Unreachable,
)
from slurper_tui.api.models import Job, NewSource, Source, Target
from slurper_tui.monitor.history.opening import memory_store
from slurper_tui.monitor.history.recorder import Recorder
from slurper_tui.monitor.jobs.create import CLOCK_SLACK, ExistingJobs, WantedJob
from slurper_tui.monitor.jobs.plan_runner import JobCreation
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import RetryLink, What
from slurper_tui.monitor.model.plans import Draft, StepState
from slurper_tui.monitor.polling.job_tracker import JobTrack
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import iso
from tests.monitor.bench import now, wall
from tests.monitor.inline_history import CallingThread
from tests.monitor.jobs.scenario import DRAFT, PAIR, SECRETS, Program, Scenario
from tests.virtual_time import timeless


async def create(program: Program, draft: Draft = DRAFT, **more: Any) -> Any:
    return await program.creation.create(
        program.scenario.account.account_id, draft, SECRETS, **more
    )


@timeless
async def test_create_sends_one_request_and_returns_the_id() -> None:
    scenario = Scenario()
    made = await create(scenario.program())
    [course] = scenario.account.jobs()
    assert (made.job_id, made.error, made.running) == (course.plan.id, None, ())
    assert len(scenario.posts) == 1
    assert scenario.posts[0]["source"]["secret"]["accessKeyId"] == PAIR.access_key_id


@timeless
async def test_retry_is_an_event_of_both_jobs_and_links_them() -> None:
    scenario = Scenario()
    program = scenario.program()
    parent = JobKey(scenario.account.account_id, "parent")
    draft = Draft("s3", "photos", "media", keys=("a", "b"))
    made = await create(program, draft, retry_of=parent, log_types=("importErrorRetryExhaustion",))
    child = JobKey(scenario.account.account_id, made.job_id)
    link = RetryLink(child, parent, 2, ("importErrorRetryExhaustion",))
    assert await program.notes.links([]) == (link,)
    assert program.job_store.links == (link,)
    [created], [retried] = [await program.notes.events(key) for key in (child, parent)]
    assert (created.what, created.at) == (What.CREATED, wall())
    assert (retried.what, retried.detail) == (What.RETRIED, made.job_id)


@timeless
async def test_job_that_is_no_retry_has_no_link() -> None:
    program = Scenario().program()
    await create(program)
    assert await program.notes.links([]) == ()


UNANSWERED = (Kind.READ_TIMEOUT, Kind.RESET, Kind.CUT_OFF, Kind.TRUNCATED, Kind.NULL, Kind.GARBAGE)


@pytest.mark.parametrize("kind", UNANSWERED)
def test_job_of_an_unanswered_request_is_found_in_the_list(kind: Kind) -> None:
    @timeless
    async def run() -> None:
        scenario = Scenario()
        scenario.account.faults.add(Fault(kind, operation="create", times=1))
        made = await create(scenario.program())
        [course] = scenario.account.jobs()
        assert (made.job_id, made.error) == (course.plan.id, None)
        assert len(scenario.posts) == 1

    run()


@timeless
async def test_unanswered_request_without_a_listed_job_is_undecided() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.HTML, operation="create", status=504, times=1))
    made = await create(scenario.program())
    assert made.job_id is None
    assert made.error.undecided
    assert len(scenario.posts) == 1
    assert len([path for _, method, path in scenario.requests if method == "GET"]) == 1 + 3


@timeless
async def test_job_that_is_listed_late_is_found() -> None:
    scenario = Scenario()
    hidden = Fault(Kind.EDITED, operation="list", times=3, edit=lambda body: {**body, "result": []})
    scenario.account.faults.add(Fault(Kind.RESET, operation="create", times=1), hidden)
    assert (await create(scenario.program())).job_id == scenario.account.jobs()[0].plan.id


@timeless
async def test_unanswered_request_with_an_unreadable_list_is_undecided() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.RESET, operation="create", times=1))
    scenario.account.faults.add(Fault(Kind.HTML, operation="list"))
    made = await create(scenario.program())
    assert made.job_id is None
    assert isinstance(made.error, Unreachable)


@timeless
async def test_equal_job_that_existed_before_is_not_matched() -> None:
    scenario = Scenario()
    program = scenario.program()
    first = await create(program)
    scenario.account.faults.add(Fault(Kind.HTML, operation="create", status=502, times=2))
    assert (await create(program)).job_id is None
    job = Job(first.job_id)
    program.job_store.accounts[0].jobs[first.job_id] = JobTrack(
        program.scenario.account.account_id, job
    )
    assert (await create(program)).job_id is None


EXISTING = ExistingJobs(frozenset({"known"}), complete=False)
WANTED = WantedJob(DRAFT, 1_800_000_000.0, EXISTING)


def listed(at: float | None = 1_800_000_001.0, **more: Any) -> Job:
    source = Source("s3", "photos", more.pop("prefix", None), keys=more.pop("keys", None))
    created = None if at is None else iso(at)
    given = {"id": "new", "source": source, "target": Target("r2", "media"), **more}
    return Job(created_at=created, **given)


@pytest.mark.parametrize(
    ("job", "is_it"),
    [
        (listed(), True),
        (listed(prefix=""), True),
        (listed(at=WANTED.since - CLOCK_SLACK + 1), True),
        (listed(at=WANTED.since - CLOCK_SLACK - 1), False),
        (listed(at=None), False),
        (listed(id="known"), False),
        (listed(id=None), False),
        (listed(prefix="2024/"), False),
        (listed(keys=("a",)), False),
        (listed(target=Target("r2", "other")), False),
        (listed(target=None), False),
        (listed(source=Source("s3", "other")), False),
        (listed(source=Source("gcs", "photos")), False),
        (listed(source=Source(None, "photos")), True),
        (listed(source=None), False),
    ],
)
def test_wanted_job_matches_by_source_target_keys_and_time(job: Job, is_it: bool) -> None:
    assert WANTED.matches(job) is is_it


def test_a_job_without_a_time_matches_only_if_all_others_are_known() -> None:
    complete = EXISTING._replace(complete=True)
    assert WANTED._replace(existing=complete).matches(listed(at=None))


@timeless
async def test_conflict_names_the_running_jobs() -> None:
    scenario = Scenario(slots=3)
    program = scenario.program()
    for prefix in ("a/", "b/", "c/"):
        await create(program, Draft("s3", "photos", "media", path_prefix=prefix))
    made = await create(program)
    assert isinstance(made.error, Conflict)
    running = [view.job.source.path_prefix for view in made.running]
    assert sorted(running) == ["a/", "b/", "c/"]
    assert all(view.status == "running" for view in made.running)


@timeless
async def test_conflict_with_few_running_jobs_names_paused_jobs_too() -> None:
    scenario = Scenario(slots=1)
    program = scenario.program()
    first = await create(program)
    account_id = scenario.account.account_id
    await program.client.pause_job(account_id, first.job_id)
    second = await create(program, Draft("s3", "photos", "media", path_prefix="b/"))
    made = await create(program)
    assert [view.key.job_id for view in made.running] == [second.job_id, first.job_id]


@timeless
async def test_refusal_has_the_message_of_the_api_and_reads_no_list() -> None:
    scenario = Scenario()
    fault = Fault(operation="create", status=400, code=10001, message="bad endpoint", times=1)
    scenario.account.faults.add(fault)
    made = await create(scenario.program())
    assert isinstance(made.error, Refused)
    assert "10001: bad endpoint" in str(made.error)
    assert [method for _, method, _ in scenario.requests] == ["GET", "POST"]


KEYS_REFUSED = Fault(
    operation="create",
    status=403,
    code=1,
    message="Preconnectivity failed, please verify tokens and try again",
)


@timeless
async def test_new_bucket_keys_get_half_a_minute() -> None:
    scenario, told = Scenario(), []
    scenario.account.faults.add(replace_fault(KEYS_REFUSED, times=5))
    made = await create(scenario.program(), waiting=lambda: told.append(now()))
    assert (made.error, len(scenario.posts)) == (None, 6)
    assert told == [0, 2, 6, 14, 22]
    assert now() == 30
    assert len(scenario.account.jobs()) == 1


@timeless
async def test_bucket_keys_that_never_work_are_refused_after_half_a_minute() -> None:
    scenario = Scenario()
    scenario.account.faults.add(KEYS_REFUSED)
    made = await create(scenario.program())
    assert isinstance(made.error, BucketKeysRefused)
    assert (len(scenario.posts), now(), scenario.account.jobs()) == (6, 30, [])


@timeless
async def test_a_retry_with_refused_keys_is_not_taken_for_undecided_meanwhile() -> None:
    scenario = Scenario()
    scenario.account.faults.add(replace_fault(KEYS_REFUSED, times=5))
    program, other = scenario.program(latency=15.0), scenario.program()

    async def go_on() -> list[StepState]:
        await asyncio.sleep(100.0)  # the list, the first refusal, and what is sent then
        [plan] = await other.creation.plans()
        number = plan.plan.id
        other.creation.supply(number, SECRETS)
        views = [view async for view in other.creation.follow(number)]
        await other.end()
        return [view.plan.steps[0].state for view in views]

    draft = Draft("s3", "photos", "media", keys=("a", "b"))
    parent = JobKey(scenario.account.account_id, "parent")
    made, states = await asyncio.gather(create(program, draft, retry_of=parent), go_on())
    assert (made.error, len(scenario.posts), len(scenario.account.jobs())) == (None, 6, 1)
    assert now() > 180
    assert set(states) == {StepState.SENDING, StepState.STARTED}


@timeless
async def test_a_retry_that_another_program_has_settled_is_not_sent_again() -> None:
    scenario = Scenario()
    scenario.account.faults.add(KEYS_REFUSED)
    program, other = scenario.program(), scenario.program()

    async def settle() -> None:
        await asyncio.sleep(3.0)
        [plan] = await other.notes.plans([])
        [step] = plan.steps
        assert await other.notes.move(
            plan.id, 1, StepState.SENDING, replace(step, state=StepState.UNDECIDED)
        )

    draft = Draft("s3", "photos", "media", keys=("a", "b"))
    parent = JobKey(scenario.account.account_id, "parent")
    made, _ = await asyncio.gather(create(program, draft, retry_of=parent), settle())
    assert str(made.error).startswith("nothing was sent again: another program")
    assert len(scenario.posts) == 2


@timeless
@pytest.mark.parametrize("happens", [False, True])
async def test_a_time_out_after_a_refusal_is_never_repeated(*, happens: bool) -> None:
    scenario = Scenario()
    scenario.account.faults.add(
        replace_fault(KEYS_REFUSED, times=1),
        Fault(Kind.READ_TIMEOUT, operation="create", happens=happens),
    )
    made = await create(scenario.program())
    assert len(scenario.posts) == 2
    assert len(scenario.account.jobs()) == happens
    assert (made.job_id is not None) is happens


@timeless
async def test_a_precheck_gives_new_keys_half_a_minute_too() -> None:
    scenario, told = Scenario(), []
    scenario.account.faults.add(
        replace_fault(KEYS_REFUSED, operation="targetPrecheck", times=2),
        replace_fault(KEYS_REFUSED, operation="sourcePrecheck"),
    )
    checks = await scenario.program().creation.precheck(
        scenario.account.account_id, DRAFT, SECRETS, lambda: told.append(now())
    )
    assert (checks.target.passed, checks.source.refused) == (True, True)
    assert (sorted(set(told)), now()) == ([0, 2, 6, 14, 22], 30)


@timeless
async def test_failed_connection_is_not_sent_and_reads_no_list() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.CONNECT_ERROR, operation="create", times=1))
    made = await create(scenario.program())
    assert isinstance(made.error, NotSent)
    assert [method for _, method, _ in scenario.requests] == ["GET", "POST"]


@timeless
async def test_locked_program_sends_only_get_requests() -> None:
    scenario = Scenario()
    program = scenario.program()
    program.client.lock()
    assert isinstance((await create(program)).error, Locked)
    checks = await program.creation.precheck(scenario.account.account_id, DRAFT, SECRETS)
    assert isinstance(checks.source.error, Locked)
    assert {method for _, method, _ in scenario.requests} == {"GET"}


@timeless
async def test_prechecks_return_the_answer_of_each_bucket() -> None:
    program = Scenario().program()
    account_id = program.scenario.account.account_id
    good = await program.creation.precheck(account_id, DRAFT, SECRETS)
    assert (good.source.status, good.target.status, good.passed) == ("success", "success", True)
    denied = Draft("s3", "denied", "media")
    bad = await program.creation.precheck(account_id, denied, SECRETS)
    assert (bad.source.status, bad.target.status, bad.passed) == ("error", "success", False)


@timeless
async def test_a_precheck_sends_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Scenario().program()
    check, sources = program.client.check_source, list[NewSource]()

    async def record(account_id: str, source: NewSource) -> Any:
        sources.append(source)
        return await check(account_id, source)

    monkeypatch.setattr(program.client, "check_source", record)
    draft = replace(DRAFT, path_prefix=None, keys=tuple(map(str, range(10_000))))
    assert (
        await program.creation.precheck(program.scenario.account.account_id, draft, SECRETS)
    ).passed
    assert [source.keys for source in sources] == [None]


@timeless
async def test_failed_precheck_keeps_the_other_answer() -> None:
    program = Scenario().program()
    program.scenario.account.faults.add(Fault(operation="targetPrecheck", status=500))
    checks = await program.creation.precheck(program.scenario.account.account_id, DRAFT, SECRETS)
    assert checks.source.status == "success"
    assert checks.target.error is not None
    assert not checks.passed


@timeless
async def test_secrets_repeated_by_the_api_are_masked() -> None:
    scenario = Scenario()
    program = scenario.program()
    echo = json.dumps(f"no: {PAIR.secret_access_key} and {PAIR.access_key_id}")
    body = b'{"success":false,"errors":[{"code":1,"message":' + echo.encode() + b"}]}"
    for operation in ("create", "sourcePrecheck"):
        scenario.account.faults.add(Fault(Kind.BODY, operation=operation, status=400, body=body))
    checks = await program.creation.precheck(scenario.account.account_id, DRAFT, SECRETS)
    for error in (checks.source.error, (await create(program)).error):
        assert str(error) == "the API answered 400 (1: no: *** and ***)"
        assert "s3cret" not in repr(error and (error.args, error.faults))


@timeless
async def test_secrets_are_neither_stored_nor_printed() -> None:
    scenario = Scenario()
    program = scenario.program()
    await program.begin(["a/"])
    await program.end()
    stored = "\n".join(scenario.store._connection.iterdump())
    printed = repr(program.creation.__dict__) + repr(SECRETS) + repr(await program.creation.plans())
    for secret in (PAIR.access_key_id, PAIR.secret_access_key):
        assert secret is not None
        assert secret not in stored
        assert secret not in printed


@timeless
async def test_plans_without_a_file_are_in_memory_and_not_durable() -> None:
    scenario = Scenario()
    program = scenario.program()
    memory = Recorder(memory_store("https://example.com"), thread=CallingThread())
    creation = JobCreation(program.metered, program.job_store, memory.notes)
    view = await creation.plan(scenario.account.account_id, [DRAFT], SECRETS)
    assert not view.durable
    views = [view async for view in creation.follow(view.plan.id)]
    assert views[-1].plan.over
    assert [view.plan.over for view in await creation.plans()] == [True]
    await creation.close()


@timeless
async def test_a_long_list_is_searched_to_its_end_and_each_page_once() -> None:
    scenario = Scenario()
    scenario.account = SimulatedAccount(clock=wall, jobs=120, running=0)
    program = scenario.program()
    scenario.account.faults.add(Fault(Kind.HTML, operation="create", status=502, times=1))
    began = now()
    await create(program)
    assert len([path for _, method, path in scenario.requests if method == "GET"]) == 4 * 4
    assert now() - began < 60


@timeless
async def test_list_of_a_server_that_ignores_the_offset_ends() -> None:
    scenario = Scenario()
    scenario.account.faults.add(Fault(Kind.HTML, operation="create", status=502, times=1))
    rows = [{"id": f"j{number}"} for number in range(50)]
    page = Fault(Kind.EDITED, operation="list", edit=lambda body: {**body, "result": rows})
    scenario.account.faults.add(page)
    made = await create(scenario.program())
    assert made.job_id is None
    assert len([path for _, method, path in scenario.requests if method == "GET"]) == 4 * 2
