"""Nothing is started twice, wherever a program is killed, and nothing is forgotten."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import What
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.monitor.model.plans import Draft, StepState
from slurper_tui.simulated.account import Fault, Kind
from tests.monitor.jobs.workshop import SECRETS, Program, Workshop, states
from tests.virtual_time import timeless

PREFIXES = ("2022/", "2023/", "2024/")


async def lived(program: Program, work: object) -> None:
    """Let a program work until it is done or killed; what is killed leaves nothing tidy."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]  # a coroutine
    killed = asyncio.ensure_future(program.dead.wait())
    await asyncio.wait({task, killed}, return_when=asyncio.FIRST_COMPLETED)
    killed.cancel()
    task.cancel()
    await asyncio.wait({task, killed})


async def started(program: Program) -> None:
    plan_id = await program.begin(PREFIXES)
    await program.until_rest(plan_id)


async def finished(shop: Workshop) -> None:
    """A last program that brings everything to its end, with the person's word where needed."""
    program = shop.program()
    view = await program.go_on()
    for step in view.plan.steps if view else ():
        if step.state is StepState.UNDECIDED:
            assert shop.made()[step.draft.path_prefix or ""] == 0
            await program.creation.send_again(view.plan.id, step.number) if view else None
    if view is not None:
        view = await program.until_rest(view.plan.id)
        assert states(view) == ["started"] * 3
    await program.end()


def assert_once(shop: Workshop, kept: bool) -> None:
    assert shop.made() == (dict.fromkeys(PREFIXES, 1) if kept else {})


def assert_noted_once(shop: Workshop) -> None:
    for course in shop.account.jobs():
        key = JobKey(shop.account.account_id, course.plan.id)
        assert [event.what for event in shop.store.notes.events(key, 9)] == [What.CREATED]


async def checkpoints_of_a_whole_life(shop: Workshop) -> int:
    program = shop.program()
    await started(program)
    await program.end()
    return program.passed


@timeless
async def test_killed_at_every_checkpoint_each_job_is_made_once() -> None:
    number = await checkpoints_of_a_whole_life(Workshop())
    assert number >= 2 + 3 * 6
    for place in range(number):
        shop = Workshop()
        program = shop.program(die_at=place)
        await lived(program, started(program))
        assert program.dead.is_set()
        await finished(shop)
        assert_once(shop, kept=place > 0)
        assert shop.sent() == shop.made()
        assert_noted_once(shop)


@timeless
async def test_killed_twice_each_job_is_made_once() -> None:
    number = await checkpoints_of_a_whole_life(Workshop())
    for first in range(1, number, 2):
        for second in range(0, 24, 3):
            shop = Workshop()
            program = shop.program(die_at=first)
            await lived(program, started(program))
            again = shop.program(die_at=second)
            await lived(again, again.go_on())
            await finished(shop)
            assert_once(shop, kept=True)


@timeless
async def test_killed_while_slots_are_scarce_each_job_is_made_once() -> None:
    for place in range(1, 60, 3):
        shop = Workshop(slots=1)
        program = shop.program(die_at=place)
        await lived(program, started(program))
        await finished(shop)
        assert_once(shop, kept=True)


UNANSWERED = (
    Fault(Kind.READ_TIMEOUT, operation="create", times=1),
    Fault(Kind.RESET, operation="create", times=1),
    Fault(Kind.NULL, operation="create", times=1),
    Fault(Kind.TRUNCATED, operation="create", times=1),
    Fault(Kind.HTML, operation="create", times=1, status=502),
    Fault(Kind.REFUSAL, operation="create", times=1, status=500),
)


@pytest.mark.parametrize("fault", UNANSWERED, ids=lambda fault: str(fault.kind))
def test_killed_at_every_checkpoint_after_an_unanswered_request_each_job_is_made_once(fault: Fault) -> None:
    @timeless
    async def run() -> None:
        for place in range(1, 32, 2):
            shop = Workshop()
            shop.account.faults.add(fault)
            program = shop.program(die_at=place)
            await lived(program, started(program))
            await finished(shop)
            assert_once(shop, kept=True)

    run()


@timeless
async def test_two_programs_at_once_start_no_step_twice() -> None:
    for latency in (0.0, 0.3, 2.0, 20.0):
        shop = Workshop(slots=2)
        first = shop.program(latency=latency)
        second = shop.program(latency=latency / 3)
        plan_id = await first.begin(PREFIXES)
        await second.creation.plans()
        second.creation.supply(plan_id, SECRETS)
        views = await asyncio.gather(first.until_rest(plan_id), second.until_rest(plan_id))
        assert [states(view) for view in views] == [["started"] * 3] * 2
        assert_once(shop, kept=True)
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
        shop = Workshop(slots=slots)
        shop.account.faults.add(*faults)
        beginning = shop.program(latency=latencies[0])
        await beginning.begin(PREFIXES)
        programs = [beginning, *(shop.program(die_at=d, latency=latencies[1]) for d in deaths)]
        await asyncio.gather(*(lived(program, program.go_on()) for program in programs))
        assert all(number == 1 for number in shop.made().values())
        shop.account.faults.clear()
        await sent_again(shop)
        assert shop.made() == dict.fromkeys(PREFIXES, 1)

    run()


@timeless
async def test_killed_retry_is_known_to_the_next_run_and_never_sent_again() -> None:
    draft = Draft("s3", "photos", "media", keys=("a", "b"))

    async def retried(program: Program) -> None:
        account_id = program.shop.account.account_id
        parent = JobKey(account_id, "parent")
        await program.creation.create(
            account_id, draft, SECRETS, retry_of=parent, log_types=(FAILED_TYPE,)
        )

    for place in itertools.count():
        shop = Workshop()
        program = shop.program(die_at=place)
        await lived(program, retried(program))
        parent = JobKey(shop.account.account_id, "parent")
        later = shop.program()
        told = await later.creation.earlier_retries(parent, ("b",), (FAILED_TYPE,))
        assert told or not shop.posts
        assert not await later.creation.earlier_retries(parent, ("b",), ("importSkippedOversized",))
        posts = len(shop.posts)
        view = await later.go_on()
        assert len(shop.posts) == posts <= 1
        assert view is None or states(view) == ["started" if posts else "undecided"]
        await later.end()
        if not program.dead.is_set():
            assert (posts, view) == (1, None)
            assert place > 8
            break


async def sent_again(shop: Workshop) -> None:
    """A last program, and the person's word for every step that was refused or not answered."""
    program = shop.program()
    view = await program.go_on()
    while view is not None and not view.plan.over:
        for step in view.plan.steps:
            await program.creation.send_again(view.plan.id, step.number)
        view = await program.until_rest(view.plan.id)
    await program.end()
