"""Crash safety: a program killed at any checkpoint starts no job twice and loses no step."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import What
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.monitor.model.plans import Draft, StepState
from slurper_tui.simulated.account import Fault, Kind
from tests.monitor.jobs.scenario import SECRETS, Program, Scenario, states
from tests.virtual_time import timeless

pytestmark = pytest.mark.no_cover  # many lives of one program; test_plans measures each step

PREFIXES = ("2022/", "2023/", "2024/")
SHORT = (2_000, 9_000)
"""Objects of jobs that hold a slot for at most 95 s: three or four refusals of the next step."""


async def run_until_killed(program: Program, work: Coroutine[Any, Any, object]) -> None:
    """Run until the program is done or killed; a killed program cleans up nothing."""
    task = asyncio.create_task(work)
    killed = asyncio.ensure_future(program.dead.wait())
    await asyncio.wait({task, killed}, return_when=asyncio.FIRST_COMPLETED)
    killed.cancel()
    task.cancel()
    await asyncio.wait({task, killed})


async def start(program: Program) -> None:
    plan_id = await program.begin(PREFIXES)
    await program.until_idle(plan_id)


async def finish(scenario: Scenario) -> None:
    """Finish the plan with a last program; send undecided steps again."""
    program = scenario.program()
    view = await program.resume()
    for step in view.plan.steps if view else ():
        if step.state is StepState.UNDECIDED:
            assert scenario.made()[step.draft.path_prefix or ""] == 0
            await program.creation.send_again(view.plan.id, step.number) if view else None
    if view is not None:
        view = await program.until_idle(view.plan.id)
        assert states(view) == ["started"] * 3
    await program.end()


def assert_once(scenario: Scenario, created: bool) -> None:
    assert scenario.made() == (dict.fromkeys(PREFIXES, 1) if created else {})


def assert_noted_once(scenario: Scenario) -> None:
    for course in scenario.account.jobs():
        key = JobKey(scenario.account.account_id, course.plan.id)
        assert [event.what for event in scenario.store.notes.events(key, 9)] == [What.CREATED]


async def count_checkpoints(scenario: Scenario) -> int:
    program = scenario.program()
    await start(program)
    await program.end()
    return program.passed


@timeless
async def test_killed_at_every_checkpoint_each_job_is_made_once() -> None:
    number = await count_checkpoints(Scenario())
    assert number >= 2 + 3 * 6
    for place in range(number):
        scenario = Scenario()
        program = scenario.program(die_at=place)
        await run_until_killed(program, start(program))
        assert program.dead.is_set()
        await finish(scenario)
        assert_once(scenario, created=place > 0)
        assert scenario.sent() == scenario.made()
        assert_noted_once(scenario)


@timeless
async def test_killed_twice_each_job_is_made_once() -> None:
    number = await count_checkpoints(Scenario())
    for first in range(1, number, 2):
        for second in range(0, 24, 3):
            scenario = Scenario()
            program = scenario.program(die_at=first)
            await run_until_killed(program, start(program))
            again = scenario.program(die_at=second)
            await run_until_killed(again, again.resume())
            await finish(scenario)
            assert_once(scenario, created=True)


@pytest.mark.parametrize("first", range(1, 60, 15))
@timeless
async def test_killed_while_slots_are_scarce_each_job_is_made_once(first: int) -> None:
    for place in range(first, first + 15, 3):
        scenario = Scenario(slots=1, new_objects=SHORT)
        program = scenario.program(die_at=place)
        await run_until_killed(program, start(program))
        await finish(scenario)
        assert_once(scenario, created=True)


UNANSWERED = (
    Fault(Kind.READ_TIMEOUT, operation="create", times=1),
    Fault(Kind.RESET, operation="create", times=1),
    Fault(Kind.NULL, operation="create", times=1),
    Fault(Kind.TRUNCATED, operation="create", times=1),
    Fault(Kind.HTML, operation="create", times=1, status=502),
    Fault(Kind.REFUSAL, operation="create", times=1, status=500),
)


@pytest.mark.parametrize("fault", UNANSWERED, ids=lambda fault: str(fault.kind))
def test_killed_after_an_unanswered_request_each_job_is_made_once(
    fault: Fault,
) -> None:
    @timeless
    async def run() -> None:
        for place in range(1, 32, 2):
            scenario = Scenario()
            scenario.account.faults.add(fault)
            program = scenario.program(die_at=place)
            await run_until_killed(program, start(program))
            await finish(scenario)
            assert_once(scenario, created=True)

    run()


@timeless
async def test_two_programs_at_once_start_no_step_twice() -> None:
    for latency in (0.0, 0.3, 2.0, 20.0):
        scenario = Scenario(slots=2, new_objects=SHORT)
        first = scenario.program(latency=latency)
        second = scenario.program(latency=latency / 3)
        plan_id = await first.begin(PREFIXES)
        await second.creation.plans()
        second.creation.supply(plan_id, SECRETS)
        views = await asyncio.gather(first.until_idle(plan_id), second.until_idle(plan_id))
        assert [states(view) for view in views] == [["started"] * 3] * 2
        assert_once(scenario, created=True)
        await first.end()
        await second.end()


FAULTS = st.lists(
    st.builds(
        Fault,
        kind=st.sampled_from(
            [
                *(Kind.READ_TIMEOUT, Kind.RESET, Kind.CONNECT_ERROR, Kind.HTML, Kind.NULL),
                *(Kind.TRUNCATED, Kind.REFUSAL),
            ]
        ),
        operation=st.sampled_from(["create", "create", "list"]),
        times=st.integers(1, 3),
        after=st.integers(0, 4),
        status=st.sampled_from([400, 409, 429, 500, 502]),
        retry_after=st.just(7),
    ),
    max_size=5,
)


@given(
    faults=FAULTS,
    slots=st.integers(1, 3),
    deaths=st.lists(st.integers(0, 40), max_size=3),
    latencies=st.tuples(st.floats(0, 20), st.floats(0, 20)),
)
@settings(max_examples=40)
def test_no_combination_of_faults_makes_two_jobs_of_a_prefix(
    faults: list[Fault], slots: int, deaths: list[int], latencies: tuple[float, float]
) -> None:
    @timeless
    async def run() -> None:
        scenario = Scenario(slots=slots, new_objects=SHORT)
        scenario.account.faults.add(*faults)
        beginning = scenario.program(latency=latencies[0])
        await beginning.begin(PREFIXES)
        programs = [beginning, *(scenario.program(die_at=d, latency=latencies[1]) for d in deaths)]
        await asyncio.gather(*(run_until_killed(program, program.resume()) for program in programs))
        assert all(number == 1 for number in scenario.made().values())
        scenario.account.faults.clear()
        await send_all_again(scenario)
        assert scenario.made() == dict.fromkeys(PREFIXES, 1)

    run()


@timeless
async def test_killed_retry_is_known_to_the_next_run_and_never_sent_again() -> None:
    draft = Draft("s3", "photos", "media", keys=("a", "b"))

    async def retried(program: Program) -> None:
        account_id = program.scenario.account.account_id
        parent = JobKey(account_id, "parent")
        await program.creation.create(
            account_id, draft, SECRETS, retry_of=parent, log_types=(FAILED_TYPE,)
        )

    for place in itertools.count():
        scenario = Scenario()
        program = scenario.program(die_at=place)
        await run_until_killed(program, retried(program))
        parent = JobKey(scenario.account.account_id, "parent")
        later = scenario.program()
        earlier = await later.creation.earlier_retries(parent, ("b",), (FAILED_TYPE,))
        assert earlier or not scenario.posts
        assert not await later.creation.earlier_retries(parent, ("b",), ("importSkippedOversized",))
        posts = len(scenario.posts)
        view = await later.resume()
        assert len(scenario.posts) == posts <= 1
        assert view is None or states(view) == ["started" if posts else "undecided"]
        await later.end()
        if not program.dead.is_set():
            assert (posts, view) == (1, None)
            assert place > 8
            break


async def send_all_again(scenario: Scenario) -> None:
    """Finish the plan with a last program; send every open step again."""
    program = scenario.program()
    view = await program.resume()
    while view is not None and not view.plan.over:
        for step in view.plan.steps:
            await program.creation.send_again(view.plan.id, step.number)
        view = await program.until_idle(view.plan.id)
    await program.end()
