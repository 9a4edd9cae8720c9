"""A migration from its first poll to its verdict, over the simulated account."""

from __future__ import annotations

from msgspec.structs import replace

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.job import Counts, Snapshot, State
from slurper_tui.monitor.model.plans import Draft, Step, StepState
from slurper_tui.monitor.model.plans import Plan as Planned
from slurper_tui.monitor.reports.migrations import Migration, migrations
from slurper_tui.simulated.jobs import Plan
from tests.monitor.bench import Bench, bench, make_accounts, wall
from tests.monitor.inline_history import InlineHistory
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


def together(stage: Bench, *links: RetryLink) -> Migration:
    [one] = migrations(stage.last.jobs, links)
    return one


def all_ended(snapshot: Snapshot) -> bool:
    return bool(snapshot.jobs) and not any(view.live for view in snapshot.jobs)


@timeless
async def test_three_jobs_and_a_retry_complete_one_migration() -> None:
    plans = [
        plan("a", "2024/", 20_000, 1200.0, failed=310),
        plan("b", "2023/", 10_000, 600.0),
        plan("again", None, 310, 300.0),
    ]
    async with bench(make_accounts(1, plans=plans)) as stage:
        await stage.until(lambda snapshot: snapshot.complete)
        a, again = stage.job("a").key, stage.job("again").key
        link = RetryLink(again, a, 310, ("importErrorRetryExhaustion",))
        begun = together(stage, link)
        assert (begun.running, begun.view.verdict) == (3, None)
        await stage.until(lambda snapshot: stage_percent(stage, link) is not None)
        await stage.seconds(240)
        moving = together(stage, link)
        assert moving.view.state in (State.RUNNING, State.LISTING)
        assert moving.view.rate is not None
        assert moving.view.rate > 0
        assert moving.view.percent is not None
        assert 0 < moving.view.percent < 100
        await stage.until(all_ended, within=4000)
        ended = together(stage, link)
        assert ended.view.counts == Counts(30_000, 30_000, 0, 0)
        assert (ended.view.percent, ended.view.state, ended.running) == (100, State.COMPLETED, 0)
        assert ended.view.verdict is not None
        assert ended.view.verdict.text == "completed · 0 failed after retries · 0 unaccounted"
        assert together(stage).view.counts.objects == 30_310


@timeless
async def test_plan_of_another_program_reaches_a_running_monitor() -> None:
    jobs = [plan(name, f"{name}/", 1000, 30.0) for name in ("a", "b")]
    accounts = make_accounts(1, plans=jobs)
    history = InlineHistory()
    async with bench(accounts, history=history.stored(accounts[0].account_id)) as stage:
        await stage.until(lambda snapshot: snapshot.complete)
        draft = Draft("s3", "photos", "media", path_prefix="c/")
        steps = (Step(1, draft, StepState.WAITING),)
        kept = await history.notes.keep_plan(Planned(0, accounts[0].account_id, wall(), steps))
        await stage.until(lambda snapshot: bool(snapshot.unstarted), within=40)
        await stage.until(all_ended)
        [one] = migrations(stage.last.jobs, (), None, stage.last.unstarted)
        assert (one.unstarted, one.view.word, one.view.verdict) == (1, "waiting", None)
        over = replace(steps[0], state=StepState.CANCELLED)
        await history.notes.move(kept.id, 1, StepState.WAITING, over)
        await stage.until(lambda snapshot: not snapshot.unstarted, within=40)
        [one] = migrations(stage.last.jobs, (), None, stage.last.unstarted)
        assert (one.view.word, one.view.verdict is None) == ("completed", False)


def stage_percent(stage: Bench, link: RetryLink) -> int | None:
    return together(stage, link).view.percent
