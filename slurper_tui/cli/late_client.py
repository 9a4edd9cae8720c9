"""An API client that is made on first use, so that httpx is imported after the first frame."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from slurper_tui.api.models import (
    PAGE_SIZE,
    Answer,
    Connectivity,
    Created,
    Job,
    LogRow,
    NewJob,
    NewSource,
    NewTarget,
    Progress,
)

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient


class LateClient:
    """Implements `WholeApi`. make: imports and makes the client; runs in its own thread.

    An exception of `make` is raised by every request.
    """

    def __init__(self, make: Callable[[], SlurperClient]) -> None:
        self._make = make
        self._made: Future[SlurperClient] | None = None
        self._locked = True

    def make(self) -> None:
        """Make the client now, in the calling thread."""
        made: Future[SlurperClient] = Future()
        made.set_result(self._make())
        self._made = made

    async def list_jobs(
        self, account_id: str, *, limit: int = PAGE_SIZE, offset: int = 0
    ) -> Answer[tuple[Job, ...]]:
        """Read one page of an account's jobs. Raises ApiError."""
        client = await self._client()
        return await client.list_jobs(account_id, limit=limit, offset=offset)

    async def progress(self, account_id: str, job_id: str) -> Answer[Progress]:
        """Read the progress of a job. Raises ApiError."""
        client = await self._client()
        return await client.progress(account_id, job_id)

    async def logs(
        self, account_id: str, job_id: str, *, limit: int = PAGE_SIZE, offset: int = 0
    ) -> Answer[tuple[LogRow, ...]]:
        """Read one page of a job's log. Raises ApiError."""
        client = await self._client()
        return await client.logs(account_id, job_id, limit=limit, offset=offset)

    async def get_job(self, account_id: str, job_id: str) -> Answer[Job]:
        """Read the details of a job. Raises ApiError."""
        return await (await self._client()).get_job(account_id, job_id)

    async def pause_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Pause a running job. Raises ApiError."""
        return await (await self._client()).pause_job(account_id, job_id)

    async def resume_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Resume a paused job. Raises ApiError."""
        return await (await self._client()).resume_job(account_id, job_id)

    async def abort_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Abort a job. Raises ApiError."""
        return await (await self._client()).abort_job(account_id, job_id)

    async def abort_all_jobs(self, account_id: str) -> Answer[str | None]:
        """Abort every job of the whole account. Raises ApiError."""
        return await (await self._client()).abort_all_jobs(account_id)

    async def delete_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Delete an ended job from the API's list. Raises ApiError."""
        return await (await self._client()).delete_job(account_id, job_id)

    async def create_job(self, account_id: str, job: NewJob) -> Answer[Created]:
        """Create a job. Raises ApiError."""
        return await (await self._client()).create_job(account_id, job)

    async def check_source(self, account_id: str, source: NewSource) -> Answer[Connectivity]:
        """Check access to the source bucket. Raises ApiError."""
        return await (await self._client()).check_source(account_id, source)

    async def check_target(self, account_id: str, target: NewTarget) -> Answer[Connectivity]:
        """Check access to the target bucket. Raises ApiError."""
        return await (await self._client()).check_target(account_id, target)

    def unlock(self) -> None:
        """Allow requests that change something."""
        self._set_locked(False)

    def lock(self) -> None:
        """Refuse requests that change something."""
        self._set_locked(True)

    def _set_locked(self, locked: bool) -> None:
        self._locked = locked
        made = self._made
        if made is not None and made.done() and not made.exception():
            _lock(made.result(), locked)

    def notes(self) -> tuple[str, ...]:
        """Return one line per ignored setting of the environment; none before the client exists."""
        made = self._made
        there = made is not None and made.done() and not made.exception()
        return made.result().notes() if made is not None and there else ()

    async def close(self) -> None:
        """Close every connection, if the client was made."""
        made = self._made
        if made is not None and made.done() and not made.exception():
            await made.result().close()

    async def _client(self) -> SlurperClient:
        self._made = self._made or _begun(self._make)
        client = await asyncio.shield(asyncio.wrap_future(self._made))
        _lock(client, self._locked)
        return client


def _lock(client: SlurperClient, locked: bool) -> None:
    if locked:
        client.lock()
    else:
        client.unlock()


def _begun(make: Callable[[], SlurperClient]) -> Future[SlurperClient]:
    """Make the client in a daemon thread, which does not delay the program's exit."""
    made: Future[SlurperClient] = Future()
    made.set_running_or_notify_cancel()
    threading.Thread(target=_run, args=(make, made), daemon=True).start()
    return made


def _run(make: Callable[[], SlurperClient], made: Future[SlurperClient]) -> None:
    try:
        made.set_result(make())
    except BaseException as error:  # raised again in each waiting request
        made.set_exception(error)
