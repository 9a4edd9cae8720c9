"""Looks into the list for a job whose making was not answered, and for what holds the slots."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import NamedTuple

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import PAGE_SIZE, Answer, Job
from slurper_tui.format import parse_time
from slurper_tui.monitor.desk import Roster
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft
from slurper_tui.monitor.polling.account_tracker import MOST_PAGES
from slurper_tui.monitor.polling.budgeted_client import Metered
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

    def __init__(self, metered: Metered, roster: Roster) -> None:
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
