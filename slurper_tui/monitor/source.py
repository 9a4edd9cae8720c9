"""Interface of the API client that the monitor needs."""

from __future__ import annotations

from typing import Protocol

from slurper_tui.api.models import (
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


class SlurperApi(Protocol):
    """The two reading operations that polling needs. Both raise ApiError."""

    async def list_jobs(
        self, account_id: str, *, limit: int = ..., offset: int = ...
    ) -> Answer[tuple[Job, ...]]:
        """Read one page of an account's jobs."""
        ...

    async def progress(self, account_id: str, job_id: str) -> Answer[Progress]:
        """Read the progress of one job."""
        ...


class WholeApi(SlurperApi, Protocol):
    """All twelve operations. Each raises ApiError.

    Operations that change something raise Locked until `unlock` is called. If the error of such an
    operation is `undecided`, the change may have taken effect.
    """

    def unlock(self) -> None:
        """Allow requests that change something."""
        ...

    def lock(self) -> None:
        """Reject requests that change something."""
        ...

    async def get_job(self, account_id: str, job_id: str) -> Answer[Job]:
        """Read the description of one job."""
        ...

    async def logs(
        self, account_id: str, job_id: str, *, limit: int = ..., offset: int = ...
    ) -> Answer[tuple[LogRow, ...]]:
        """Read one page of a job's log, at most 50 rows."""
        ...

    async def pause_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Pause a running job."""
        ...

    async def resume_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Resume a paused job."""
        ...

    async def abort_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Abort a job: objects in flight finish, no others start."""
        ...

    async def abort_all_jobs(self, account_id: str) -> Answer[str | None]:
        """Abort every job of the account."""
        ...

    async def delete_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Delete an ended job from the list."""
        ...

    async def create_job(self, account_id: str, job: NewJob) -> Answer[Created]:
        """Start a migration. Raises Conflict if three jobs are running already."""
        ...

    async def check_source(self, account_id: str, source: NewSource) -> Answer[Connectivity]:
        """Check whether the source bucket can be reached with these keys."""
        ...

    async def check_target(self, account_id: str, target: NewTarget) -> Answer[Connectivity]:
        """Check whether the target bucket can be reached with these keys."""
        ...
