"""One create request and what came of it, with the list asked where no answer told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from slurper_tui.api.errors import ApiError, Conflict
from slurper_tui.api.models import Job
from slurper_tui.monitor.creation.looking import Lists, Reading, Wanted
from slurper_tui.monitor.creation.sending import Sender
from slurper_tui.monitor.desk import Made, Roster
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie, What
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft, Plan, Secrets
from slurper_tui.monitor.model.samples import Notebook
from slurper_tui.monitor.polling.budgeted_client import Metered

LOOKS = (0.0, 2.0, 5.0)
"""Seconds before each look into the list: a job may be made after its answer was given up."""


class Maker:
    """Makes jobs, and notes that they were made."""

    def __init__(self, metered: Metered, roster: Roster, notebook: Notebook) -> None:
        self.sender = Sender(metered)
        self.lists = Lists(metered, roster)
        self.notebook = notebook
        self._metered = metered
        self._roster = roster

    @property
    def wall(self) -> float:
        """UTC seconds."""
        return self._metered.now().wall

    @property
    def at_once(self) -> Reading:
        """How a list is read that the person waits for."""
        return self._metered.at_once

    @property
    def in_turn(self) -> Reading:
        """How a list is read behind the polls."""
        return self._metered.in_turn

    async def make(
        self,
        account_id: str,
        draft: Draft,
        secrets: Secrets,
        keep: Callable[[], Awaitable[None]] | None = None,
    ) -> Made:
        """Send one request, once.

        keep: called just before, to note that it may have been sent; what it raises is the error.
        """
        before = await self.lists.known(account_id, self.at_once)
        wanted = Wanted(draft, self.wall, before.ids, all_known=before.whole)
        try:
            if keep is not None:
                await keep()
            job_id = await self.sender.create(account_id, draft, secrets)
        except ApiError as error:
            if error.undecided:
                found = await self.look(account_id, wanted)
                return Made(found, None if found else error)
            running = await self.running(account_id) if isinstance(error, Conflict) else ()
            return Made(None, error, running)
        return Made(job_id or await self.look(account_id, wanted))

    async def details(self, key: JobKey) -> Job:
        """Read what a job is. Raises ApiError."""
        return await self._metered.at_once(lambda: self._metered.api.get_job(*key))

    async def look(self, account_id: str, wanted: Wanted) -> str | None:
        """Look for a job several times; None where the list does not show it or cannot be read."""
        for wait in LOOKS:
            await asyncio.sleep(wait)
            try:
                found = await self.lists.find(account_id, wanted, self.at_once)
            except ApiError:
                continue
            if found:
                return found
        return None

    async def running(self, account_id: str) -> tuple[JobView, ...]:
        """What holds the slots, as far as can be known."""
        try:
            return await self.lists.running(account_id, self.at_once)
        except ApiError:
            views = (v for v in self._roster.views() if v.account_id == account_id)
            return tuple(view for view in views if view.live and view.status == "running")

    async def note(
        self, child: JobKey, keys: int, retry_of: JobKey | None, log_types: tuple[str, ...]
    ) -> None:
        """Note that a job was made here, and what it retries; doing it again changes nothing."""
        events = [Event(child, self.wall, What.CREATED)]
        if retry_of is not None:
            tie = Tie(child, retry_of, keys, log_types)
            await self.notebook.tie(tie)
            self._roster.tied(tie)
            events.append(Event(retry_of, self.wall, What.RETRIED, detail=child.job_id))
        self.notebook.note([event for event in events if not await self._is_noted(event)])
        self._roster.list_again()

    def planned(self, plan: Plan) -> None:
        """Let the migration know what is still to come."""
        self._roster.planned(plan)

    async def _is_noted(self, event: Event) -> bool:
        """Whether the same stands in the job's events, of whatever time."""
        noted = await self.notebook.events(event.key)
        return any((e.what, e.detail) == (event.what, event.detail) for e in noted)
