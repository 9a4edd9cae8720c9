"""The size of a stalled job's target, measured again to tell a stall from a large object."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.monitor.jobs.target import AGAIN_SECONDS, UNKNOWN_SECONDS
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import BucketSize, JobView, Phase, State, TargetGrowth
from slurper_tui.monitor.reports.wording import target_growth_words
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.faults import Fault
from slurper_tui.simulated.jobs import Plan, iso
from tests.monitor.bench import EPOCH, Bench, bench, now, wall
from tests.monitor.reports.ended import plan
from tests.virtual_time import timeless

SIZE = 10 * 10**9
MOVES = {"stall_every": 90_000.0, "stall_for": 89_000.0}
"""The job moves for a thousand seconds, then stands still."""


def stalling(name: str = "a") -> Plan:
    """A job that stands still from 100 s of virtual time on."""
    return plan(name, created=EPOCH - 960.0, seconds=200_000.0, objects=500_000, **MOVES)


def accounts(*plans: Plan) -> list[SimulatedAccount]:
    return [SimulatedAccount(clock=wall, token="t0ken", plans=plans or (stalling(),))]


def measured(b: Bench, size: int, age: float = 0.0, uploads: int = 0) -> None:
    """Set what R2 tells about the target from now on."""
    numbers: dict[str, Any] = {"payloadSize": str(size), "objectCount": "7"}
    usage = {**numbers, "end": iso(wall() - age), "uploadCount": str(uploads)}
    b.account.buckets["media"] = {"usage": usage}


def asked(b: Bench) -> list[float]:
    return [request.at for request in b.requests if request.path.endswith("/usage")]


def look_at(b: Bench, name: str = "a") -> None:
    key = JobKey(b.account.account_id, name)
    b.session.look_at(key, frozenset({key}))


async def stalled(b: Bench, size: int | None = SIZE, age: float = 0.0) -> None:
    """Wait until the job is stalled, then look at it until its target was asked for."""
    await b.until(lambda s: any(one.state is State.STALLED for one in s.jobs))
    if size is not None:
        measured(b, size, age)
    look_at(b)
    await b.until(lambda s: any(one.target_growth for one in s.jobs))


@timeless
async def test_a_target_that_grows_is_told_from_one_that_stands_still_too() -> None:
    async with bench(accounts()) as b:
        await stalled(b)
        first = b.job("a").target_growth
        assert first is not None
        assert first.bytes is None
        measured(b, SIZE + 12 * 10**9)
        await b.seconds(AGAIN_SECONDS + 10)
        grown = b.job("a").target_growth
        assert grown is not None
        assert (grown.first, grown.bytes) == (first.first, 12 * 10**9)


@timeless
async def test_it_is_asked_for_once_in_five_minutes_and_only_in_a_stall() -> None:
    async with bench(accounts(stalling(), plan("moving", created=EPOCH - 960.0))) as b:
        measured(b, SIZE)
        look_at(b, "moving")
        await b.seconds(600)
        assert b.job("a").state is State.STALLED
        assert asked(b) == []  # nobody looks at it
        look_at(b)
        since = now()
        await b.seconds(3 * AGAIN_SECONDS)
        assert 2 <= len(asked(b)) <= 4
        assert asked(b)[0] <= since + 10
        assert all(b - a >= AGAIN_SECONDS for a, b in zip(asked(b), asked(b)[1:], strict=False))


@timeless
async def test_a_size_from_before_the_stall_is_no_beginning() -> None:
    async with bench(accounts()) as b:
        await stalled(b, age=900.0)
        measured(b, 2 * SIZE)
        await b.seconds(AGAIN_SECONDS + 10)
        growth = b.job("a").target_growth
        assert growth is not None
        assert growth.bytes is None
        assert growth.first is not None
        assert growth.first.bytes == 2 * SIZE


@timeless
@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Fault(operation="usage", status=404, code=7003), UNKNOWN_SECONDS),
        (Fault(operation="usage", status=403, code=10000), UNKNOWN_SECONDS),
        (Fault(operation="usage", status=500), AGAIN_SECONDS),
    ],
)
async def test_what_the_api_does_not_tell_is_unknown_and_no_problem(
    fault: Fault, wait: float
) -> None:
    async with bench(accounts()) as b:
        b.account.faults.add(fault)
        await stalled(b, None)
        assert b.job("a").target_growth == TargetGrowth()
        assert b.last.accounts[0].problem is None
        assert b.job("a").problem is None
        await b.seconds(wait - 30)
        assert len(asked(b)) == 1
        b.account.faults.clear()
        measured(b, SIZE)
        await b.seconds(60)
        growth = b.job("a").target_growth
        assert growth is not None
        assert growth.last is not None


@timeless
async def test_a_job_that_moves_again_has_no_growth() -> None:
    moves = {"stall_every": 3000.0, "stall_for": 2000.0}
    moving = plan("a", created=EPOCH - 960.0, seconds=200_000.0, objects=500_000, **moves)
    async with bench(accounts(moving)) as b:
        await stalled(b)
        await b.until(lambda s: s.jobs[0].state is not State.STALLED, 3000)
        assert b.job("a").target_growth is None


@timeless
async def test_other_jobs_that_copy_into_the_bucket_are_told() -> None:
    async with bench(accounts(stalling(), plan("moving", created=EPOCH, seconds=9000.0))) as b:
        await stalled(b)
        growth = b.job("a").target_growth
        assert growth is not None
        assert growth.shared


AT, GB = EPOCH + 900.0, 10**9
FIRST = BucketSize(EPOCH, SIZE)


@pytest.mark.parametrize(
    ("growth", "words"),
    [
        (None, ""),
        (TargetGrowth(), "whether the target grows meanwhile is not known"),
        (
            TargetGrowth(FIRST, FIRST),
            "target held 10.0 GB at 14:13; whether it grows is known after R2 has measured it "
            "again",
        ),
        (
            TargetGrowth(FIRST, BucketSize(EPOCH + 600, SIZE + 12 * GB)),
            "target grew by 12.0 GB since 14:13 (as of 14:23): large objects are being copied",
        ),
        (
            TargetGrowth(FIRST, BucketSize(EPOCH + 600, SIZE + 12 * GB), shared=True),
            "target grew by 12.0 GB since 14:13 (as of 14:23), but other jobs copy into it too",
        ),
        (
            TargetGrowth(FIRST, BucketSize(EPOCH + 600, SIZE)),
            "target stands still too since 14:13 (as of 14:23)",
        ),
        (
            TargetGrowth(FIRST, BucketSize(EPOCH + 600, SIZE, 2)),
            "target stands still too since 14:13 (as of 14:23), 2 multipart uploads are open",
        ),
        (
            TargetGrowth(FIRST, BucketSize(EPOCH + 600, SIZE - GB)),
            "target shrank by 1.00 GB since 14:13 (as of 14:23)",
        ),
    ],
)
def test_the_growth_in_words(growth: TargetGrowth | None, words: str) -> None:
    one = JobView("acc", Job(id="a"), status="running", phase=Phase.STALLED, target_growth=growth)
    assert target_growth_words(one, AT, UTC) == words
    moving = replace(one, phase=Phase.RUNNING)
    assert target_growth_words(moving, AT, UTC) == ""
