"""A client that is made when it is first needed: httpx is imported while a picture stands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from slurper_tui.api.models import PAGE_SIZE, Answer, Job, Progress

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient


class LateClient:
    """Implements `SlurperApi`. make: imports and makes the client, in a thread of its own.

    What `make` raises reaches everybody who asks.
    """

    def __init__(self, make: Callable[[], SlurperClient]) -> None:
        self._make = make
        self._made: Future[SlurperClient] | None = None

    def make(self) -> None:
        """Make it now, and here."""
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
        """Read how one job is doing. Raises ApiError."""
        client = await self._client()
        return await client.progress(account_id, job_id)

    async def close(self) -> None:
        """Close every connection, if any was ever opened."""
        made = self._made
        if made is not None and made.done() and not made.exception():
            await made.result().close()

    async def _client(self) -> SlurperClient:
        self._made = self._made or _begun(self._make)
        return await asyncio.shield(asyncio.wrap_future(self._made))


def _begun(make: Callable[[], SlurperClient]) -> Future[SlurperClient]:
    """Have it made in a thread that holds nothing up at the program's end."""
    made: Future[SlurperClient] = Future()
    made.set_running_or_notify_cancel()
    threading.Thread(target=_run, args=(make, made), daemon=True).start()
    return made


def _run(make: Callable[[], SlurperClient], made: Future[SlurperClient]) -> None:
    try:
        made.set_result(make())
    except BaseException as error:  # whoever asks is to be told of it
        made.set_exception(error)
