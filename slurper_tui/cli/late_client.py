"""A client that is made when it is first needed: httpx is imported while a picture stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from slurper_tui.api.models import PAGE_SIZE, Answer, Job, Progress
from slurper_tui.cli.late import begun

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient


class LateClient:
    """Implements `SlurperApi`. make: imports and makes the client, in a thread of its own.

    What `make` raises reaches everybody who asks.
    """

    def __init__(self, make: Callable[[], SlurperClient]) -> None:
        self._make = make
        self._made: Future[SlurperClient] | None = None

    def begin(self) -> None:
        """Have it made now, though nobody asks yet."""
        if self._made is None:
            self._made = begun(self._make)

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
        self.begin()
        assert self._made is not None
        return await asyncio.shield(asyncio.wrap_future(self._made))
