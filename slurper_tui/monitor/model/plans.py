"""Several jobs that are to be started one after another, as slots become free.

A migration that is to be made: all of the create request but its secrets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import NewJob, NewSource, NewTarget, Secret, Source, Target
from slurper_tui.monitor.model.base import JobKey

MOST_KEYS = 10_000
"""Object keys that one job takes."""


class Draft(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be copied from where to where. keys: exactly these objects, at most 10,000."""

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


class FieldFault(NamedTuple):
    """What is wrong with one field of a draft. field: its name in the create request."""

    field: str
    text: str


class Secrets(NamedTuple):
    """The keys to both buckets; they are printed as stars."""

    source: Secret
    target: Secret


def new_source(draft: Draft, secret: Secret) -> NewSource:
    """The source of the create request, and the body of its precheck."""
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
    """The target of the create request, and the body of its precheck."""
    return NewTarget(draft.target, secret, jurisdiction=draft.target_jurisdiction)


def new_job(draft: Draft, secrets: Secrets) -> NewJob:
    """The whole create request."""
    return NewJob(
        new_source(draft, secrets.source), new_target(draft, secrets.target), draft.overwrite
    )


class StepState(StrEnum):
    """How a step stands.

    SENDING: it is being sent, or was when the program ended. UNDECIDED: no answer came, and the
    list shows no such job; only the person's word sends it again. WAITING: for a free slot.
    """

    WAITING = "waiting"
    SENDING = "sending"
    STARTED = "started"
    UNDECIDED = "undecided"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Nothing more is to be done about it."""
        return self in (StepState.STARTED, StepState.CANCELLED)


class Step(msgspec.Struct, frozen=True):
    """One job of a plan. number: its place, from 1. at: when its state changed, UTC seconds; of an
    undecided one, when it was sent.

    job_id: the job that it has become. said: why it was refused or is undecided.
    """

    number: int
    draft: Draft
    state: StepState = StepState.WAITING
    at: float = 0.0
    job_id: str | None = None
    said: str = ""


class Plan(msgspec.Struct, frozen=True):
    """Steps in their order. id: as it is kept, 0 before. retry_of: the job whose failures they are.

    made_at: UTC seconds.
    """

    id: int
    account_id: str
    made_at: float
    steps: tuple[Step, ...]
    retry_of: JobKey | None = None
    log_types: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Every step was started or cancelled."""
        return all(step.state.over for step in self.steps)

    @property
    def given_up(self) -> tuple[Step, ...]:
        """What cancelling gives up: all that made no job for certain, else what is undecided."""
        unmade = (StepState.WAITING, StepState.REFUSED)
        for states in (unmade, (StepState.UNDECIDED,)):
            if found := tuple(step for step in self.steps if step.state in states):
                return found
        return ()


class Unstarted(msgspec.Struct, frozen=True):
    """Jobs of one account, source and target that plans are still to start."""

    account_id: str
    source: Source
    target: Target
    jobs: int


def unstarted(plans: Iterable[Plan]) -> tuple[Unstarted, ...]:
    """What plans are still to start, each source and target once."""
    left = (
        (plan.account_id, step.draft)
        for plan in plans
        for step in plan.steps
        if not step.state.over
    )
    counted = Counter((account_id, _place(draft)) for account_id, draft in left)
    return tuple(_unstarted(account_id, of, number) for (account_id, of), number in counted.items())


def _place(draft: Draft) -> Draft:
    """From where to where: what several steps of one migration have in common."""
    return replace(draft, path_prefix=None, keys=None, region=None, overwrite=True)


def _unstarted(account_id: str, of: Draft, jobs: int) -> Unstarted:
    place = of.source_jurisdiction
    source = Source(of.vendor, of.bucket, endpoint=of.endpoint, jurisdiction=place)
    return Unstarted(account_id, source, Target("r2", of.target, of.target_jurisdiction), jobs)


class PlanView(msgspec.Struct, frozen=True):
    """A plan and whether this program can go on with it.

    has_secrets: the keys to its buckets are known here, until the program ends. note: in words,
    what it waits for; "" when it is over. durable: it is kept on disk, so that a restart goes on.
    stopped_by: the refusal that holds for every further step too, None where there was none.
    """

    plan: Plan
    has_secrets: bool = False
    note: str = ""
    durable: bool = True
    stopped_by: ApiError | None = None
