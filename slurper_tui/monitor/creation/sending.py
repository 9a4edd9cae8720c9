"""Sends what makes a job, once, and what asks whether one can be made. No secret stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import Answer, Connectivity
from slurper_tui.monitor.desk import Check, Prechecks
from slurper_tui.monitor.model.plans import Draft, Secrets, new_job, new_source, new_target
from slurper_tui.monitor.polling.budgeted_client import Metered


class Sender:
    """Sends each request as soon as the budget allows, and never a second time."""

    def __init__(self, metered: Metered) -> None:
        self._metered = metered

    async def create(self, account_id: str, draft: Draft, secrets: Secrets) -> str | None:
        """Make a job, and give its id, where it was told. Raises ApiError."""
        job, api = new_job(draft, secrets), self._metered.api
        created = await self._metered.at_once(lambda: api.create_job(account_id, job))
        return created.id or None

    async def precheck(self, account_id: str, draft: Draft, secrets: Secrets) -> Prechecks:
        """Ask whether both buckets can be reached, at the same time."""
        api = self._metered.api
        source, target = new_source(draft, secrets.source), new_target(draft, secrets.target)
        checks = await asyncio.gather(
            self._check(lambda: api.check_source(account_id, source)),
            self._check(lambda: api.check_target(account_id, target)),
        )
        return Prechecks(*checks)

    async def _check(self, send: Callable[[], Awaitable[Answer[Connectivity]]]) -> Check:
        try:
            answer = await self._metered.at_once(send)
        except ApiError as error:
            return Check(None, error)
        return Check(answer.connectivity_status or "no answer")
