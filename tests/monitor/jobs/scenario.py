"""Programs that create jobs at one simulated account, over one history, in virtual time.

A program can be killed at any of its checkpoints: before and after every request reaches the
account, and before and after every write to the history. What is killed does nothing any more.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Secret
from slurper_tui.monitor.history.opening import memory_store
from slurper_tui.monitor.history.recorder import HistoryNotes
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.jobs.plan_runner import JobCreation
from slurper_tui.monitor.jobs.prefixes import split
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.plans import Draft, Plan, PlanView, Secrets, Step, StepState
from slurper_tui.monitor.polling.budget import Budget, Metered
from slurper_tui.monitor.polling.job_store import JobStore
from slurper_tui.simulated.account import SimulatedAccount
from tests.monitor.bench import now, wall
from tests.monitor.inline_history import InlineHistory

PAIR = Secret(access_key_id="AKIA-NOBODY", secret_access_key="s3cret-that-nobody-may-see")
SECRETS = Secrets(PAIR, PAIR)
DRAFT = Draft("s3", "photos", "media", endpoint="https://s3.example.com", region="eu-1")


class Scenario:
    """One account and one history, and the programs that use them.

    posts: bodies of the create requests that arrived.
    """

    def __init__(self, slots: int = 100, **options: Any) -> None:
        self.account = SimulatedAccount(clock=wall, jobs=0, slots=slots, **options)
        self.store = memory_store("https://example.com")
        self.posts: list[dict[str, Any]] = []
        self.requests: list[tuple[float, str, str]] = []

    def made(self) -> Counter[str]:
        """Return the account's number of jobs by prefix."""
        sources = (course.plan.source for course in self.account.jobs())
        return Counter(source.path_prefix or "" for source in sources if source)

    def sent(self) -> Counter[str]:
        """Return the number of create requests that arrived, by prefix."""
        return Counter(body["source"].get("pathPrefix", "") for body in self.posts)

    def program(self, die_at: int | None = None, latency: float = 0.0) -> Program:
        """Return a new program. die_at: the checkpoint, from 0, at which it is killed."""
        return Program(self, die_at, latency)


class Program:
    """One run of a program."""

    def __init__(self, scenario: Scenario, die_at: int | None, latency: float) -> None:
        self.scenario = scenario
        self.passed = 0
        self._die_at = die_at
        self._latency = latency
        self.dead = asyncio.Event()
        transport = httpx.MockTransport(self._answer)
        self.client = SlurperClient(token_credentials(scenario.account.token), transport=transport)
        self.client.unlock()
        self.job_store = JobStore([scenario.account.account_id], _moment, lambda: None)
        self.notes = CheckpointNotes(scenario.store, self.checkpoint)
        self.metered = Metered(self.client, Budget(), _moment, lambda error, at: None)
        self.creation = JobCreation(self.metered, self.job_store, self.notes)

    async def checkpoint(self) -> None:
        """Stop here for ever if the program is to be killed at this checkpoint."""
        if self.dead.is_set():
            raise asyncio.CancelledError
        if self.passed == self._die_at:
            self.dead.set()
            await asyncio.Event().wait()
        self.passed += 1

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._latency)
        await self.checkpoint()
        self.scenario.requests.append((now(), request.method, request.url.path))
        if request.method == "POST":
            self.scenario.posts.append(json.loads(request.content))
        try:
            return self.scenario.account.answer(request)
        finally:
            await asyncio.sleep(self._latency)
            await self.checkpoint()

    async def begin(self, prefixes: Sequence[str], draft: Draft = DRAFT) -> int:
        """Start a plan with a step for each prefix; return its id."""
        drafts = split(draft, prefixes).drafts
        view = await self.creation.plan(self.scenario.account.account_id, drafts, SECRETS)
        return view.plan.id

    async def resume(self) -> PlanView | None:
        """Supply the last plan with secrets; return its last view, None if there is no plan."""
        plans = await self.creation.plans()
        if not plans:
            return None
        self.creation.supply(plans[-1].plan.id, SECRETS)
        return await self.until_idle(plans[-1].plan.id)

    async def until_idle(self, plan_id: int) -> PlanView:
        """Return the plan's last view before it is idle."""
        views = [view async for view in self.creation.follow(plan_id)]
        return views[-1]

    async def until(self, plan_id: int, condition: Callable[[PlanView], bool]) -> PlanView:
        """Return the plan's first view that satisfies the condition."""
        async for view in self.creation.follow(plan_id):
            if condition(view):
                return view
        raise AssertionError("the plan became idle before")

    async def end(self) -> None:
        """Close the program."""
        await self.creation.close()
        await self.client.close()


class CheckpointNotes(HistoryNotes):
    """History notes with a checkpoint before and after every write.

    slow: virtual seconds that the next writes of steps take. full: whether writes of steps fail.
    marks: every step that was written.
    """

    def __init__(self, store: Store, checkpoint: Callable[[], Any]) -> None:
        recorder = InlineHistory(store)
        super().__init__(recorder)
        recorder.notes = self
        self._checkpoint = checkpoint
        self.slow: list[float] = []
        self.full = False
        self.marks: list[Step] = []

    async def keep_plan(self, plan: Plan) -> Plan:
        await self._checkpoint()
        stored = await super().keep_plan(plan)
        await self._checkpoint()
        return stored

    async def link(self, link: RetryLink) -> None:
        await self._checkpoint()
        await super().link(link)
        await self._checkpoint()

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        await self._checkpoint()
        await asyncio.sleep(self.slow.pop() if self.slow else 0)
        moved = not self.full and await super().move(plan_id, number, before, after)
        self.marks.append(after)
        await self._checkpoint()
        return moved


def _moment() -> Moment:
    return Moment(now(), wall())


def states(view: PlanView) -> list[str]:
    """Return the state of each step."""
    return [str(step.state) for step in view.plan.steps]
