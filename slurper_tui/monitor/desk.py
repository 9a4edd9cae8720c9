"""What a face may ask for beyond snapshots: logs, changes, new jobs and receipts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import Job, LogRow
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Action, ActionRequest, Tie
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FailuresView, LogCounts, LogView
from slurper_tui.monitor.model.plans import Draft, Plan, PlanView, Secrets

if TYPE_CHECKING:
    from slurper_tui.monitor.reports.receipt import Receipt


class Roster(Protocol):
    """The jobs that the monitor follows, and what it is told about them by others."""

    def view(self, key: JobKey) -> JobView | None:
        """A job as it stands; None for one that is not followed."""
        ...

    def views(self) -> tuple[JobView, ...]:
        """Every job that is followed."""
        ...

    def requested(self, key: JobKey, request: ActionRequest) -> None:
        """Let a job bear a request, and ask it soon when a poll is to show what came of it."""
        ...

    def counted(self, key: JobKey, counts: LogCounts) -> None:
        """Let a job know what its log holds."""
        ...

    def tied(self, tie: Tie) -> None:
        """Know that one job retries another."""
        ...

    def planned(self, plan: Plan) -> None:
        """Know what a plan still has to start, as it now stands."""
        ...

    def ask(self, key: JobKey) -> None:
        """Ask one job now."""
        ...

    def list_again(self) -> None:
        """Read every list now."""
        ...


class FailureReading(Protocol):
    """A log being read for what failed."""

    def views(self) -> AsyncIterator[FailuresView]:
        """Yield what is known after every page; ends when the log was read to its end."""
        ...

    def keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """The exact keys of the rows of these types, each once, in the order of the log."""
        ...

    def inexact_keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """The keys that are left out of `keys`: the API sent bytes in them that are not UTF-8."""
        ...


class Logs(Protocol):
    """Reads logs within the request budget. A passing fault is told, and asked about again."""

    def follow(self, key: JobKey) -> AsyncIterator[LogView]:
        """Yield the log after every page, then whenever rows have come; without end.

        A view whose problem does not pass is the last.
        """
        ...

    def rows(
        self, key: JobKey, *, follow: bool = False, told: Callable[[LogView], None] = ...
    ) -> AsyncIterator[LogRow]:
        """Yield every row once: newest first; oldest first, and without end, when following.

        told: called after every page, or instead of one, with how the log stands, without rows.
        Raises ApiError for what is not a passing fault, or, unless following, one that lasts.
        """
        ...

    def failures(self, key: JobKey) -> FailureReading:
        """Begin to read what failed and what was not copied."""
        ...


class AllAborted(NamedTuple):
    """What came of the request to abort every job of an account.

    newcomers: jobs that the person was not asked about. Nothing was sent if the request is MOOT;
    otherwise they were created while it was sent.
    """

    request: ActionRequest
    newcomers: tuple[JobView, ...] = ()


class Control(Protocol):
    """Changes jobs. Nothing is ever sent twice; before `unlock`, nothing is sent at all."""

    @property
    def unlocked(self) -> bool:
        """Requests that change something may be sent."""
        ...

    def unlock(self) -> None:
        """The person wants to change jobs."""
        ...

    def lock(self) -> None:
        """Only read from now on."""
        ...

    async def request(self, act: Action, keys: Sequence[JobKey]) -> tuple[ActionRequest, ...]:
        """Read each job's state again, then send; one request for each key, in order.

        Each also stands at its job (`JobView.request`), until polls show what came of it.
        """
        ...

    async def abort_all(self, account_id: str, asked: Collection[JobKey]) -> AllAborted:
        """Abort every job of an account, if no live job is missing in `asked`.

        asked: the jobs that the person was asked about.
        """
        ...


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


class Creation(Protocol):
    """Makes jobs: one at once, or several as slots become free. Secrets are never kept."""

    async def details(self, key: JobKey) -> Job:
        """Read what a job is, all that a retry of it repeats. Raises ApiError."""
        ...

    async def earlier_retries(
        self, key: JobKey, keys: Collection[str], log_types: Collection[str]
    ) -> tuple[str, ...]:
        """Name what copies these keys of a job again already, or may do so; one clause each."""
        ...

    async def precheck(self, account_id: str, draft: Draft, secrets: Secrets) -> Prechecks:
        """Ask whether both buckets can be reached. Needs writing unlocked: both are PUT."""
        ...

    async def create(
        self,
        account_id: str,
        draft: Draft,
        secrets: Secrets,
        *,
        retry_of: JobKey | None = None,
        log_types: tuple[str, ...] = (),
    ) -> Made:
        """Send one create request, once. retry_of: the job whose failed objects these are."""
        ...

    async def plan(
        self,
        account_id: str,
        drafts: Sequence[Draft],
        secrets: Secrets,
        *,
        retry_of: JobKey | None = None,
        log_types: tuple[str, ...] = (),
    ) -> PlanView:
        """Keep a plan and begin to start its steps, in order, as slots become free."""
        ...

    async def plans(self) -> tuple[PlanView, ...]:
        """Every plan that is not over, and those that ended in this run; oldest first."""
        ...

    def follow(self, plan_id: int) -> AsyncIterator[PlanView]:
        """Yield a plan as it stands, then at every change, until nothing more will happen."""
        ...

    def supply(self, plan_id: int, secrets: Secrets) -> None:
        """Go on with a plan of an earlier run, with these keys to its buckets."""
        ...

    async def cancel(self, plan_id: int) -> None:
        """Cancel every step that made no job for certain; without any, the undecided ones."""
        ...

    async def send_again(self, plan_id: int, number: int) -> None:
        """The person's word that an undecided or refused step is to be sent again."""
        ...

    async def close(self) -> None:
        """Start nothing more, and forget every secret."""
        ...


class Receipts(Protocol):
    """Tells how jobs ended."""

    async def receipt(
        self, keys: Sequence[JobKey], told: Callable[[FailuresView], None] = ...
    ) -> Receipt:
        """The receipt of one job, or of several that are one migration; retries come with them.

        told: called after every page of a log that must be read first. Raises NotEnded for what may
        still move, ApiError where something could not be read.
        """
        ...


class Desk(NamedTuple):
    """All of it, for one user. Over one request budget with the polls."""

    logs: Logs
    control: Control
    creation: Creation
    receipts: Receipts

    async def close(self) -> None:
        """Let nothing go on in the background."""
        await self.creation.close()
