"""Values for creating jobs: drafts, and plans that start several jobs as slots become free.

A draft holds everything of the create request except the secrets, which are never stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import NewJob, NewSource, NewTarget, Secret, Source, Target
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counted, Unstarted

MOST_KEYS = 10_000
"""Maximum number of object keys in one job."""


MOST_LIST_BYTES = 64 * 2**20
"""Maximum size of a file of keys or prefixes: `MOST_KEYS` of maximum length, with a wide margin."""


class Draft(msgspec.Struct, frozen=True, omit_defaults=True):
    """Source, target and options of a migration, without secrets.

    keys: copy exactly these objects, at most 10,000; None copies everything under `path_prefix`.
    counted: what a listing of the source counted; None if it was not counted.
    """

    vendor: str
    bucket: str
    target: str
    path_prefix: str | None = None
    keys: tuple[str, ...] | None = None
    endpoint: str | None = None
    region: str | None = None
    source_jurisdiction: str | None = None
    target_jurisdiction: str | None = None
    overwrite: bool = True
    counted: Counted | None = None


class FieldFault(NamedTuple):
    """A mistake in one field of a draft. field: its name in the create request."""

    field: str
    text: str


class Secrets(NamedTuple):
    """Credentials of both buckets; their repr hides the values."""

    source: Secret
    target: Secret


def new_source(draft: Draft, secret: Secret) -> NewSource:
    """Return the source of the create request; it is also the body of the source precheck."""
    return NewSource(
        vendor=draft.vendor,
        bucket=draft.bucket,
        secret=secret,
        path_prefix=draft.path_prefix,
        keys=draft.keys,
        endpoint=draft.endpoint,
        region=draft.region,
        jurisdiction=draft.source_jurisdiction,
    )


def new_target(draft: Draft, secret: Secret) -> NewTarget:
    """Return the target of the create request; it is also the body of the target precheck."""
    return NewTarget(draft.target, secret, jurisdiction=draft.target_jurisdiction)


def new_job(draft: Draft, secrets: Secrets) -> NewJob:
    """Return the complete create request."""
    return NewJob(
        new_source(draft, secrets.source), new_target(draft, secrets.target), draft.overwrite
    )


class StepState(StrEnum):
    """State of a plan's step.

    WAITING: waits for a free slot.
    SENDING: the request is in flight, or was when the program ended.
    UNDECIDED: no answer arrived and the job list shows no such job; it is sent again only on the
        user's request.
    """

    WAITING = "waiting"
    SENDING = "sending"
    STARTED = "started"
    UNDECIDED = "undecided"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """True if the step needs no further work."""
        return self in (StepState.STARTED, StepState.CANCELLED)


class Step(msgspec.Struct, frozen=True):
    """One job of a plan.

    number: its position, from 1.
    at: when its state changed, UTC seconds; for an undecided step, when it was sent.
    job_id: the job that it created; None before. message: why it was refused or is undecided.
    """

    number: int
    draft: Draft
    state: StepState = StepState.WAITING
    at: float = 0.0
    job_id: str | None = None
    message: str = ""


class Plan(msgspec.Struct, frozen=True):
    """Steps in starting order.

    id: its id in this run; 0 before it is stored. made_at: UTC seconds.
    retry_of: the job with the failed objects that the plan retries; None for other plans.
    is_copy: it was read from a file that cannot be written to, so no step can be changed.
    """

    id: int
    account_id: str
    made_at: float
    steps: tuple[Step, ...]
    retry_of: JobKey | None = None
    log_types: tuple[str, ...] = ()
    is_copy: bool = False

    @property
    def over(self) -> bool:
        """True if every step was started or cancelled."""
        return not self.to_start

    @property
    def to_start(self) -> tuple[Step, ...]:
        """Steps that were neither started nor cancelled."""
        return tuple(step for step in self.steps if not step.state.over)

    @property
    def tally(self) -> str:
        """The number of steps in each state: `2 started, 3 waiting`."""
        counts = Counter(step.state for step in self.steps)
        order = (StepState.STARTED, *(s for s in StepState if s is not StepState.STARTED))
        return ", ".join(f"{counts[state]} {state}" for state in order if counts[state])

    @property
    def given_up(self) -> tuple[Step, ...]:
        """Steps that cancelling drops: those that certainly made no job, else undecided ones."""
        unmade = (StepState.WAITING, StepState.REFUSED)
        for states in (unmade, (StepState.UNDECIDED,)):
            if found := tuple(step for step in self.steps if step.state in states):
                return found
        return ()


def unstarted(plans: Iterable[Plan]) -> tuple[Unstarted, ...]:
    """Return the jobs that plans have yet to start, grouped by account, source and target."""
    jobs = Counter(
        # only the source and target, which all steps of one migration share
        (
            plan.account_id,
            replace(
                step.draft, path_prefix=None, keys=None, region=None, overwrite=True, counted=None
            ),
        )
        for plan in plans
        for step in plan.to_start
    )
    return tuple(
        Unstarted(
            account_id,
            Source(of.vendor, of.bucket, endpoint=of.endpoint, jurisdiction=of.source_jurisdiction),
            Target("r2", of.target, of.target_jurisdiction),
            number,
        )
        for (account_id, of), number in jobs.items()
    )


def with_counts(
    drafts: Sequence[Draft], numbers: Sequence[int], at: float, source: str
) -> tuple[Draft, ...]:
    """Return drafts with the numbers of objects that a listing has counted for those of prefixes.

    at: UTC seconds. source: what was listed.
    """
    found = iter(numbers)
    return tuple(
        draft
        if draft.keys is not None
        else replace(draft, counted=Counted(next(found), at, source))
        for draft in drafts
    )


def counted_jobs(plans: Iterable[Plan]) -> dict[JobKey, Counted]:
    """Return what listings counted for the jobs that plans have started."""
    return {
        JobKey(plan.account_id, step.job_id): step.draft.counted
        for plan in plans
        for step in plan.steps
        if step.job_id is not None and step.draft.counted is not None
    }


class PlanView(msgspec.Struct, frozen=True):
    """A plan and whether this program can continue it.

    has_secrets: the bucket credentials are in memory; they are lost when the program ends.
    note: the condition that the plan waits for; "" when it is over.
    durable: it is stored on disk, so a restarted program continues it.
    stopped_by: a refusal that applies to every further step too; None if there was none.
    number: names it in later runs, where it has another id; None while it is not written.
    """

    plan: Plan
    has_secrets: bool = False
    note: str = ""
    durable: bool = True
    stopped_by: ApiError | None = None
    number: int | None = None
