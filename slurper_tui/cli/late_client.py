"""A client that is made when it is first needed: httpx is imported while a picture stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
        self._making: asyncio.Task[SlurperClient] | None = None

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
        made = self._making
        if made is not None and made.done() and not made.cancelled() and not made.exception():
            await made.result().close()

    async def _client(self) -> SlurperClient:
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(self._make))
        return await asyncio.shield(self._making)
