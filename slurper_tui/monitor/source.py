"""What the monitor needs of an API client."""

from __future__ import annotations

from typing import Protocol

from slurper_tui.api.models import Answer, Job, Progress


class SlurperApi(Protocol):
    """The two reading operations that the loop lives on. Both raise ApiError."""

    async def list_jobs(
        self, account_id: str, *, limit: int = ..., offset: int = ...
    ) -> Answer[tuple[Job, ...]]:
        """Read one page of an account's jobs."""
        ...

    async def progress(self, account_id: str, job_id: str) -> Answer[Progress]:
        """Read how one job is doing."""
        ...
