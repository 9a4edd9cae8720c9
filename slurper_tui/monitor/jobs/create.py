"""Looks into the list for a job whose making was not answered, and for what holds the slots.

Sends what makes a job, once, and what asks whether one can be made. No secret stays behind.

One create request and what came of it, with the list asked where no answer told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import NamedTuple

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, Conflict
from slurper_tui.api.models import PAGE_SIZE, Answer, Connectivity, Job
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie, What
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft, Plan, Secrets, new_job, new_source, new_target
from slurper_tui.monitor.model.samples import Notebook
from slurper_tui.monitor.polling.account_tracker import MOST_PAGES
from slurper_tui.monitor.polling.budgeted_client import Metered
from slurper_tui.monitor.polling.job_store import FollowedJobs
from slurper_tui.monitor.polling.job_tracker import has_ended

CLOCK_SLACK = 120.0
"""Seconds by which the API's clock may be behind ours."""

SLOTS = 3
"""Jobs that an account may run at the same time."""

Page = tuple[Job, ...]
Reading = Callable[[Callable[[], Awaitable[Answer[Page]]]], Awaitable[Page]]
"""`Metered.at_once` or `Metered.in_turn`."""


class Wanted(NamedTuple):
    """A job that a create request may have made.

    since: when that was sent, UTC seconds. known: ids of jobs that are others for certain.
    all_known: they are all that there were before it was sent.
    """

    draft: Draft
    since: float
    known: Collection[str]
    all_known: bool = False

    def is_made_as(self, job: Job) -> bool:
        """This job may be it: it is new, and it copies the same from the same to the same."""
        if not job.id or job.id in self.known or not self._is_new(job):
            return False
        source, target = job.source, job.target
        if source is None or target is None:
            return False
        draft = self.draft
        return (
            (source.bucket, source.path_prefix or "") == (draft.bucket, draft.path_prefix or "")
            and source.vendor in (None, draft.vendor)
            and set(source.keys or ()) == set(draft.keys or ())
            and target.bucket == draft.target
        )

    def _is_new(self, job: Job) -> bool:
        created = parse_time(job.created_at)
        return self.all_known if created is None else created >= self.since - CLOCK_SLACK


class Known(NamedTuple):
    """Ids of jobs. whole: of all that there are."""

    ids: frozenset[str]
    whole: bool


class Lists:
    """Reads an account's list afresh."""

    def __init__(self, metered: Metered, roster: FollowedJobs) -> None:
        self._metered = metered
        self._roster = roster

    async def find(self, account_id: str, wanted: Wanted, reading: Reading) -> str | None:
        """The id of the job that was made; None when the list shows none. Raises ApiError."""
        async for page in self._pages(account_id, reading):
            made = [job.id for job in page if wanted.is_made_as(job)]
            if made:
                return made[0]
        return None

    async def running(self, account_id: str, reading: Reading) -> tuple[JobView, ...]:
        """Whatever holds a slot: nobody has documented whether paused jobs do, so they are told
        where too few run to explain it. Raises ApiError.
        """
        jobs = [job async for page in self._pages(account_id, reading) for job in page if job.id]
        held = [job for job in jobs if job.status == "running"]
        if len(held) < SLOTS:
            held += [job for job in jobs if job.status == "paused"]
        return tuple(self._view(account_id, job) for job in held)

    async def listed(self, account_id: str, reading: Reading) -> tuple[JobView, ...]:
        """Every job of the list, with the status that the list tells now. Raises ApiError."""
        jobs = [job async for page in self._pages(account_id, reading) for job in page if job.id]
        return tuple(
            replace(self._view(account_id, job), job=job, status=job.status, ended=has_ended(job))
            for job in jobs
        )

    async def known(self, account_id: str, reading: Reading) -> Known:
        """The jobs that there are: those that are followed, or else those that are listed."""
        views = self._roster.views()
        followed = frozenset(v.key.job_id for v in views if v.key.account_id == account_id)
        if followed:
            return Known(followed, whole=True)
        try:
            pages = [page async for page in self._pages(account_id, reading)]
        except ApiError:
            return Known(frozenset(), whole=False)
        return Known(frozenset(job.id for page in pages for job in page if job.id), whole=True)

    async def _pages(self, account_id: str, reading: Reading) -> AsyncIterator[Page]:
        """Yield the list page by page, each job once, until a page brings none.

        Pages may be shorter than asked for, so the next one begins behind the rows that came.
        """
        seen: set[str | None] = set()
        offset = 0
        while offset < MOST_PAGES * PAGE_SIZE:
            page = await reading(self._ask(account_id, offset))
            fresh = tuple(job for job in page if job.id not in seen)
            if not fresh:
                return
            yield fresh
            seen |= {job.id for job in fresh}
            offset += len(page)

    def _ask(self, account_id: str, offset: int) -> Callable[[], Awaitable[Answer[Page]]]:
        return lambda: self._metered.api.list_jobs(account_id, limit=PAGE_SIZE, offset=offset)

    def _view(self, account_id: str, job: Job) -> JobView:
        """A job as it is followed, or else as it was just listed."""
        followed = self._roster.view(JobKey(account_id, job.id or ""))
        return followed or JobView(account_id, job, status=job.status)


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


LOOKS = (0.0, 2.0, 5.0)
"""Seconds before each look into the list: a job may be made after its answer was given up."""


class Maker:
    """Makes jobs, and notes that they were made."""

    def __init__(self, metered: Metered, roster: FollowedJobs, notebook: Notebook) -> None:
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


class Check(NamedTuple):
    """A precheck's answer. status: `success`, `error` or another word; None with an error."""

    status: str | None
    error: ApiError | None = None


class Prechecks(NamedTuple):
    """Whether both buckets can be reached with their keys."""

    source: Check
    target: Check

    @property
    def passed(self) -> bool:
        """Both can be."""
        return self.source.status == self.target.status == "success"


class Made(NamedTuple):
    """What came of a create request. job_id: None where it was not made, or its id is not known.

    error: why not; where it is `undecided`, a job may have been made all the same. running: what
    holds the slots, when there was no free one.
    """

    job_id: str | None = None
    error: ApiError | None = None
    running: tuple[JobView, ...] = ()
