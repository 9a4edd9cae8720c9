"""A bench whose jobs the program under test and other clients can change."""

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


class ControlBench(NamedTuple):
    """A bench, the control under test, and its history."""

    b: Bench
    control: JobControl
    history: InlineHistory

    def key(self, job_id: str) -> JobKey:
        """Return the key of a job of the first account."""
        return JobKey(self.b.account.account_id, job_id)

    async def ask(self, action: Action, job_id: str) -> ActionRequest:
        """Request one action on one job."""
        [request] = await self.control.request(action, [self.key(job_id)])
        return request

    def state(self, job_id: str) -> ActionRequest | None:
        """Return the job's action request in the last snapshot."""
        return self.b.job(job_id).request

    async def events(self, job_id: str) -> list[tuple[What, str]]:
        """Return (what, detail) of a job's events, oldest first."""
        return [(event.what, event.detail) for event in await self.event_records(job_id)]

    async def event_records(self, job_id: str) -> tuple[Event, ...]:
        """Return a job's events, oldest first."""
        return await self.history.notes.events(self.key(job_id))

    def changing(self) -> list[tuple[str, str]]:
        """Return (method, path) of every request that was not a GET."""
        return [(r.method, r.path) for r in self.b.requests if r.method != "GET"]


@asynccontextmanager
async def control_bench(
    accounts: list[SimulatedAccount] | None = None,
    *,
    history: InlineHistory | None = None,
    unlocked: bool = True,
    **options: Any,
) -> AsyncGenerator[ControlBench, None]:
    """Yield a bench after its first complete poll, and its control."""
    accounts = accounts or make_accounts(1, jobs=8)
    history = history or InlineHistory()
    past = history.stored(accounts[0].account_id)
    async with bench(accounts, history=past, **options) as b:
        control = (await b.session.services()).control
        if unlocked:
            control.unlock()
        await b.until(lambda s: s.complete)
        yield ControlBench(b, control, history)
