"""A bench whose jobs can be changed, from here and behind its back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from slurper_tui.monitor.jobs.actions import JobControl
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Action, ActionRequest, Event, What
from slurper_tui.simulated.account import SimulatedAccount
from tests.monitor.bench import Bench, bench, make_accounts
from tests.monitor.inline_history import InlineHistory


class Hands(NamedTuple):
    """What a test works with."""

    b: Bench
    control: JobControl
    history: InlineHistory

    def key(self, job_id: str) -> JobKey:
        """The key of a job of the first account."""
        return JobKey(self.b.account.account_id, job_id)

    async def ask(self, action: Action, job_id: str) -> ActionRequest:
        """Ask for one act on one job."""
        [request] = await self.control.request(action, [self.key(job_id)])
        return request

    def state(self, job_id: str) -> ActionRequest | None:
        """What the job bears, as the last snapshot told it."""
        return self.b.job(job_id).request

    async def events(self, job_id: str) -> list[tuple[What, str]]:
        """What was noted of a job, oldest first."""
        return [(event.what, event.detail) for event in await self.told(job_id)]

    async def told(self, job_id: str) -> tuple[Event, ...]:
        """The same as whole events."""
        return await self.history.notes.events(self.key(job_id))

    def changing(self) -> list[tuple[str, str]]:
        """Every request that was not a GET: its method and path."""
        return [(r.method, r.path) for r in self.b.requests if r.method != "GET"]


@asynccontextmanager
async def hands(
    accounts: list[SimulatedAccount] | None = None,
    *,
    history: InlineHistory | None = None,
    unlocked: bool = True,
    **options: Any,
) -> AsyncGenerator[Hands, None]:
    """A monitor that has looked once, and what changes its jobs."""
    accounts = accounts or make_accounts(1, jobs=8)
    history = history or InlineHistory()
    past = history.past(accounts[0].account_id)
    async with bench(accounts, history=past, **options) as b:
        control = (await b.session.services()).control
        if unlocked:
            control.unlock()
        await b.until(lambda s: s.complete)
        yield Hands(b, control, history)
