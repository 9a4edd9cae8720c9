"""Sends one create request, and finds its job in the list if the answer is missing.

`JobLists` reads an account's job list; `JobMaker` sends requests and records created jobs in the
history notes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, BucketKeysRefused, Conflict
from slurper_tui.api.models import PAGE_SIZE, Answer, Connectivity, Job
from slurper_tui.monitor.jobs.target import TargetBucket, inspect
from slurper_tui.monitor.model.base import MOST_PAGES, SLOTS, JobKey
from slurper_tui.monitor.model.events import Event, RetryLink, What
from slurper_tui.monitor.model.job import JobView, has_ended, job_time
from slurper_tui.monitor.model.plans import Draft, Secrets, new_job, new_source, new_target

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import HistoryNotes
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore

T = TypeVar("T")

NO_ID = "the job was created, but the API returned no id, and the list does not show it"

CLOCK_SLACK = 120.0
"""Seconds by which the API's clock may be behind the local clock."""

Page = tuple[Job, ...]
Reading = Callable[[Callable[[], Awaitable[Answer[Page]]]], Awaitable[Page]]
"""How a list is requested: `Metered.at_once` or `Metered.in_turn`."""


class ExistingJobs(NamedTuple):
    """Ids of jobs that exist before a request. complete: False if the set may lack some."""

    ids: frozenset[str]
    complete: bool


class WantedJob(NamedTuple):
    """Description of the job that a create request may have made.

    since: when the request was sent, UTC seconds. existing: jobs that certainly are other jobs.
    """

    draft: Draft
    since: float
    existing: ExistingJobs

    def matches(self, job: Job) -> bool:
        """Whether a job is new and has the draft's source, prefix, keys and target."""
        created = job_time(job.created_at)
        is_new = self.existing.complete if created is None else created >= self.since - CLOCK_SLACK
        if not is_new or not job.id or job.id in self.existing.ids:
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


class JobLists:
    """Reads an account's job list from the API, independently of the polls."""

    def __init__(self, metered: Metered, job_store: JobStore) -> None:
        self._metered = metered
        self._job_store = job_store

    async def find(self, account_id: str, wanted: WantedJob, reading: Reading) -> str | None:
        """Return the id of the wanted job; None if the list lacks it. Raises ApiError."""
        async for page in self._pages(account_id, reading):
            found = [job.id for job in page if wanted.matches(job)]
            if found:
                return found[0]
        return None

    async def running(self, account_id: str, reading: Reading) -> tuple[JobView, ...]:
        """Return the jobs that hold slots. Raises ApiError.

        It is undocumented whether paused jobs hold one, so they are included if fewer than `SLOTS`
        jobs run.
        """
        jobs = [job async for page in self._pages(account_id, reading) for job in page if job.id]
        held = [job for job in jobs if job.status == "running"]
        if len(held) < SLOTS:
            held += [job for job in jobs if job.status == "paused"]
        return tuple(self._view(account_id, job) for job in held)

    async def listed(self, account_id: str, reading: Reading) -> tuple[JobView, ...]:
        """Return every listed job with its status in the list. Raises ApiError."""
        jobs = [job async for page in self._pages(account_id, reading) for job in page if job.id]
        return tuple(
            replace(self._view(account_id, job), job=job, status=job.status, ended=has_ended(job))
            for job in jobs
        )

    async def existing(self, account_id: str, reading: Reading) -> ExistingJobs:
        """Return the ids of the followed jobs, or of the listed jobs if none is followed."""
        views = self._job_store.views()
        followed = frozenset(v.key.job_id for v in views if v.key.account_id == account_id)
        if followed:
            return ExistingJobs(followed, complete=True)
        try:
            pages = [page async for page in self._pages(account_id, reading)]
        except ApiError:
            return ExistingJobs(frozenset(), complete=False)
        listed = frozenset(job.id for page in pages for job in page if job.id)
        return ExistingJobs(listed, complete=True)

    async def _pages(self, account_id: str, reading: Reading) -> AsyncIterator[Page]:
        """Yield the list page by page, each job once, until a page has no new job.

        Pages may be shorter than requested, so the next offset is the number of rows received.
        """
        seen: set[str | None] = set()
        offset = 0
        while offset < MOST_PAGES * PAGE_SIZE:
            api = self._metered.of(account_id).api
            list_jobs = partial(api.list_jobs, account_id, limit=PAGE_SIZE)
            page = await reading(partial(list_jobs, offset=offset))
            fresh = tuple(job for job in page if job.id not in seen)
            if not fresh:
                return
            yield fresh
            seen |= {job.id for job in fresh}
            offset += len(page)

    def _view(self, account_id: str, job: Job) -> JobView:
        """Return the followed view of a job, or else a view of the listed job."""
        followed = self._job_store.view(JobKey(account_id, job.id or ""))
        return followed or JobView(account_id, job, status=job.status)


SEARCH_WAITS = (0.0, 2.0, 5.0)
"""Seconds before each search in the list: the API may create a job after the request timed out."""


FRESH_KEY_WAITS = (2.0, 4.0, 8.0, 8.0, 8.0)
"""Seconds before each further attempt with refused bucket keys, 30 s in all: that long may new R2
keys take to work."""

FRESH_KEYS = "the bucket keys are refused; new ones take up to half a minute, so it tries for 30 s"


async def with_fresh_keys(send: Callable[[], Awaitable[T]], waiting: Callable[[], None]) -> T:
    """Send a request; send it again while the bucket keys are refused. Raises ApiError.

    A refusal means that nothing was created; after any other error nothing is sent again.
    waiting: called before each wait.
    """
    for seconds in FRESH_KEY_WAITS:
        try:
            return await send()
        except BucketKeysRefused:
            waiting()
            await asyncio.sleep(seconds)
    return await send()


async def _check(
    metered: Metered,
    send: Callable[[], Awaitable[Answer[Connectivity]]],
    waiting: Callable[[], None],
) -> Check:
    try:
        answer = await with_fresh_keys(lambda: metered.at_once(send), waiting)
    except ApiError as error:
        return Check(None, error)
    return Check(answer.connectivity_status or "no answer")


class JobMaker:
    """Sends each request at most once, without waiting, and records created jobs.

    Requests raise RateLimited if the budget is spent. Secrets are not stored.
    """

    def __init__(self, metered: Metered, job_store: JobStore, notes: HistoryNotes) -> None:
        self.metered = metered
        self.job_store = job_store
        self.notes = notes
        self.lists = JobLists(metered, job_store)

    @property
    def wall(self) -> float:
        """The current time in UTC seconds."""
        return self.metered.now().wall

    async def precheck(
        self, account_id: str, draft: Draft, secrets: Secrets, waiting: Callable[[], None]
    ) -> Prechecks:
        """Check concurrently that both buckets can be reached; the draft's keys are not sent.

        waiting: called when new keys are given time to work, see `with_fresh_keys`.
        """
        metered = self.metered.of(account_id)
        api = metered.api
        source = new_source(replace(draft, keys=None), secrets.source)
        target = new_target(draft, secrets.target)
        return Prechecks(
            *await asyncio.gather(
                _check(metered, lambda: api.check_source(account_id, source), waiting),
                _check(metered, lambda: api.check_target(account_id, target), waiting),
                inspect(metered, account_id, draft),
            )
        )

    async def send(self, account_id: str, draft: Draft, secrets: Secrets) -> str | None:
        """Create a job; return its id, None if the answer lacks one. Raises ApiError."""
        job = new_job(draft, secrets)
        metered = self.metered.of(account_id)
        created = await metered.at_once(lambda: metered.api.create_job(account_id, job))
        return created.id or None

    async def make(
        self,
        account_id: str,
        draft: Draft,
        secrets: Secrets,
        before_sending: Callable[[], Awaitable[None]] | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> CreateResult:
        """Send one create request, once unless its bucket keys are refused.

        before_sending: awaited each time to record that the request may have been sent; an ApiError
        that it raises becomes the result's error. waiting: see `with_fresh_keys`.
        """
        existing = await self.lists.existing(account_id, self.metered.of(account_id).at_once)
        wanted = WantedJob(draft, self.wall, existing)

        async def send() -> str | None:
            if before_sending is not None:
                await before_sending()
            return await self.send(account_id, draft, secrets)

        try:
            job_id = await with_fresh_keys(send, waiting)
        except ApiError as error:
            if error.undecided:
                found = await self._search(account_id, wanted)
                return CreateResult(found, None if found else error)
            running = await self.running(account_id) if isinstance(error, Conflict) else ()
            return CreateResult(None, error, running)
        return CreateResult(job_id or await self._search(account_id, wanted))

    async def _search(self, account_id: str, wanted: WantedJob) -> str | None:
        """Search the list several times; return None if it lacks the job or cannot be read."""
        for wait in SEARCH_WAITS:
            await asyncio.sleep(wait)
            try:
                at_once = self.metered.of(account_id).at_once
                found = await self.lists.find(account_id, wanted, at_once)
            except ApiError:
                continue
            if found:
                return found
        return None

    async def running(self, account_id: str) -> tuple[JobView, ...]:
        """Return the jobs that hold slots; the followed running jobs if the list is unreadable."""
        try:
            return await self.lists.running(account_id, self.metered.of(account_id).at_once)
        except ApiError:
            views = (v for v in self.job_store.views() if v.account_id == account_id)
            return tuple(view for view in views if view.live and view.status == "running")

    async def record(
        self,
        child: JobKey,
        keys: int = 0,
        retry_of: JobKey | None = None,
        log_types: tuple[str, ...] = (),
    ) -> None:
        """Record that a job was created here and which job it retries; idempotent.

        keys: number of keys in the request, of a retry. retry_of: None if the job is no retry.
        """
        events = [Event(child, self.wall, What.CREATED)]
        if retry_of is not None:
            link = RetryLink(child, retry_of, keys, log_types)
            await self.notes.link(link)
            self.job_store.add_link(link)
            events.append(Event(retry_of, self.wall, What.RETRIED, detail=child.job_id))
        new = []
        for event in events:
            recorded = await self.notes.events(event.key)
            if not any((e.what, e.detail) == (event.what, event.detail) for e in recorded):
                new.append(event)
        self.notes.note(new)
        self.job_store.read_lists()


class Check(NamedTuple):
    """A precheck's result. status: `success`, `error` or another word; None with an error."""

    status: str | None
    error: ApiError | None = None

    @property
    def passed(self) -> bool:
        """Whether the bucket can be reached."""
        return self.status == "success"

    @property
    def refused(self) -> bool:
        """Whether the API reports that the bucket cannot be reached with these keys."""
        return self.status == "error" or isinstance(self.error, BucketKeysRefused)


class Prechecks(NamedTuple):
    """Results of the prechecks of both buckets with their keys. bucket: the target's properties."""

    source: Check
    target: Check
    bucket: TargetBucket = TargetBucket()

    @property
    def passed(self) -> bool:
        """Whether both buckets can be reached."""
        return self.source.passed and self.target.passed

    @property
    def refused(self) -> bool:
        """Whether a bucket cannot be reached with its keys."""
        return self.source.refused or self.target.refused


class CreateResult(NamedTuple):
    """Result of a create request. job_id: None if no job was made or its id is not known.

    error: the failure; if it is `undecided`, a job may have been made nevertheless. running: the
    jobs that hold the slots if no slot was free.
    """

    job_id: str | None = None
    error: ApiError | None = None
    running: tuple[JobView, ...] = ()
