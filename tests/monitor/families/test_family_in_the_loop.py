"""A migration from its first poll to its verdict, over the simulated account."""

from __future__ import annotations

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.event import Tie
from slurper_tui.monitor.families.family import migrations
from slurper_tui.monitor.families.migration import Migration
from slurper_tui.monitor.view import Counts, Snapshot, State
from slurper_tui.simulated.jobs import Plan
from tests.monitor.bench import Bench, bench, make_accounts, wall
from tests.virtual_time import timeless


def plan(id: str, prefix: str | None, objects: int, seconds: float, failed: int = 0) -> Plan:
    keys = None if prefix else tuple(f"key-{n}" for n in range(objects))
    source = Source("s3", "photos", prefix, "https://s3.example.com", keys=keys)
    return Plan(
        id=id,
        created=wall(),
        objects=objects,
        seconds=seconds,
        source=source,
        target=Target("r2", "media"),
        failed=failed,
    )


def together(stage: Bench, *ties: Tie) -> Migration:
    [one] = migrations(stage.last.jobs, ties)
    return one


def all_ended(snapshot: Snapshot) -> bool:
    return bool(snapshot.jobs) and not any(view.live for view in snapshot.jobs)


@timeless
async def test_three_jobs_and_a_retry_end_as_one_whole_migration() -> None:
    plans = [
        plan("a", "2024/", 20_000, 1200.0, failed=310),
        plan("b", "2023/", 10_000, 600.0),
        plan("again", None, 310, 300.0),
    ]
    async with bench(make_accounts(1, plans=plans)) as stage:
        await stage.until(lambda snapshot: snapshot.complete)
        a, again = stage.job("a").key, stage.job("again").key
        tie = Tie(again, a, 310, ("importErrorRetryExhaustion",))
        begun = together(stage, tie)
        assert (begun.running, begun.verdict) == (3, None)
        await stage.until(lambda snapshot: stage_percent(stage, tie) is not None)
        await stage.seconds(240)
        moving = together(stage, tie)
        assert moving.state in (State.RUNNING, State.LISTING)
        assert moving.rate is not None
        assert moving.rate > 0
        assert moving.percent is not None
        assert 0 < moving.percent < 100
        await stage.until(all_ended, within=4000)
        ended = together(stage, tie)
        assert ended.counts == Counts(30_000, 30_000, 0, 0)
        assert (ended.percent, ended.state, ended.running) == (100, State.COMPLETED, 0)
        assert ended.verdict is not None
        assert ended.verdict.text == "completed · 0 failed after retries · 0 unaccounted"
        assert together(stage).counts.objects == 30_310


def stage_percent(stage: Bench, tie: Tie) -> int | None:
    return together(stage, tie).percent
