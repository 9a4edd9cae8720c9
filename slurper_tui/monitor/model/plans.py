"""Values for creating jobs: drafts, and plans that start several jobs as slots become free.

A draft holds everything of the create request except the secrets, which are never stored. `faults`
and `doubts` check it against the contract of the create request before anything is sent.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import (
    NewJob,
    NewSource,
    NewTarget,
    Secret,
    Source,
    Target,
    escape_invalid_bytes,
    is_exact,
)
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
    """A mistake in one field of a draft.

    field: its name in the create request, such as `source.pathPrefix` or `target.bucket`.
    """

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


VENDORS = ("s3", "gcs", "r2")
JURISDICTIONS = ("default", "eu", "us", "fedramp")

SECRET_NAMES: Mapping[str, str] = {
    "access_key_id": "accessKeyId",
    "secret_access_key": "secretAccessKey",
    "client_email": "clientEmail",
    "private_key": "privateKey",
}
"""Attribute names of a secret's parts, mapped to their names in the request."""

_S3_PAIR = ("access_key_id", "secret_access_key")
_GCS_PAIR = ("client_email", "private_key")


def faults(draft: Draft) -> tuple[FieldFault, ...]:
    """Return everything that the API would refuse, and every contradiction."""
    found = [*_source(draft), *_objects(draft), *_bucket("target.bucket", draft.target)]
    if draft.target_jurisdiction is not None and (text := _jurisdiction(draft.target_jurisdiction)):
        found.append(FieldFault("target.jurisdiction", text))
    return tuple(found)


def doubts(draft: Draft) -> tuple[FieldFault, ...]:
    """Return values that the API accepts but that are probably mistakes."""
    source = (draft.bucket, draft.source_jurisdiction or "default")
    target = (draft.target, draft.target_jurisdiction or "default")
    is_source = draft.vendor == "r2" and bool(draft.bucket) and source == target
    return tuple(
        FieldFault(field, text)
        for field, text, doubtful in (
            ("source.bucket", "a bucket's name has no slash", "/" in draft.bucket),
            ("target.bucket", "a bucket's name has no slash", "/" in draft.target),
            ("target.bucket", "this is the source bucket", is_source),
            (
                "source.pathPrefix",
                "keys rarely begin with a slash",
                (draft.path_prefix or "").startswith("/"),
            ),
        )
        if doubtful
    )


def doubt_words(drafts: Iterable[Draft]) -> tuple[str, ...]:
    """Return the doubts about some drafts as `FIELD: clause`, each once."""
    found = (doubt for draft in drafts for doubt in doubts(draft))
    return tuple(dict.fromkeys(f"{doubt.field}: {doubt.text}" for doubt in found))


def control_character(text: str) -> str:
    """Return a text's first control character or lone surrogate as `U+0000`; "" if none."""
    found = (char for char in text if unicodedata.category(char) in ("Cc", "Cs"))
    return next((f"U+{ord(char):04X}" for char in found), "")


def secret_parts(vendor: str) -> tuple[str, ...]:
    """Return the parts of a source vendor's secret; a target has those of `r2`."""
    return _GCS_PAIR if vendor == "gcs" else _S3_PAIR


def secret_faults(draft: Draft, secrets: Secrets) -> tuple[FieldFault, ...]:
    """Return the missing parts of the keys to the buckets; values are never repeated."""
    return (
        *_missing("source", secret_parts(draft.vendor), secrets.source),
        *_missing("target", secret_parts("r2"), secrets.target),
    )


def _missing(end: str, parts: tuple[str, ...], secret: Secret) -> Iterator[FieldFault]:
    for part in parts:
        if not (getattr(secret, part) or "").strip():
            yield FieldFault(f"{end}.secret.{SECRET_NAMES[part]}", "missing")


def _bucket(field: str, name: str) -> Iterator[FieldFault]:
    if not name.strip():
        yield FieldFault(field, "missing")
    elif name != name.strip():
        yield FieldFault(field, "it begins or ends with a space")
    elif sign := control_character(name):
        yield FieldFault(field, f"it contains the control character {sign}")


def _source(draft: Draft) -> Iterator[FieldFault]:
    if not draft.vendor:
        yield FieldFault("source.vendor", "missing: s3, gcs or r2")
    elif draft.vendor not in VENDORS:
        yield FieldFault("source.vendor", f"{draft.vendor!r} is not one of s3, gcs, r2")
    yield from _bucket("source.bucket", draft.bucket)
    for field, value, vendor, check in (
        ("source.endpoint", draft.endpoint, "s3", _endpoint),
        ("source.region", draft.region, "s3", _region),
        ("source.jurisdiction", draft.source_jurisdiction, "r2", _jurisdiction),
    ):
        if value is None:
            continue
        if draft.vendor in VENDORS and draft.vendor != vendor:
            yield FieldFault(field, f"only {vendor} has one, {draft.vendor} has none")
        elif text := check(value):
            yield FieldFault(field, text)


def _endpoint(text: str) -> str:
    """Return why an address is invalid, "" if it is valid.

    The address is not repeated: it may contain a password.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "not a valid address"
    if parts.scheme != "https":
        return "it must begin with https://"
    if not host or port == 0 or not (text.isascii() and text.isprintable()) or " " in text:
        return "not a valid address"
    if parts.username is not None or parts.query or parts.fragment:
        return "it must hold no user, password, query or fragment"
    return ""


def _region(text: str) -> str:
    if not text.strip() or text != text.strip():
        return "it is empty, or begins or ends with a space"
    sign = control_character(text)
    return f"it contains the control character {sign}" if sign else ""


def _jurisdiction(text: str) -> str:
    return "" if text in JURISDICTIONS else f"{text!r} is not one of {', '.join(JURISDICTIONS)}"


def _objects(draft: Draft) -> Iterator[FieldFault]:
    """Check the prefix and the list of keys."""
    keys = draft.keys
    if draft.path_prefix and keys is not None:
        yield FieldFault("source.pathPrefix", "a list of keys cannot be combined with a prefix")
    if sign := control_character(draft.path_prefix or ""):
        yield FieldFault("source.pathPrefix", f"it contains the control character {sign}")
    if keys is None:
        return
    if not keys:
        yield FieldFault("source.keys", "the list is empty: nothing would be copied")
    if len(keys) > MOST_KEYS:
        yield FieldFault("source.keys", f"{len(keys):,} keys; one job takes at most {MOST_KEYS:,}")
    if "" in keys:
        yield FieldFault("source.keys", f"key {keys.index('') + 1} is empty")
    if inexact := [key for key in keys if not is_exact(key)]:
        name = escape_invalid_bytes(inexact[0])
        yield FieldFault("source.keys", f"key {keys.index(inexact[0]) + 1} is not UTF-8: {name}")
    key, times = Counter(keys).most_common(1)[0] if keys else ("", 0)
    if times > 1 and key:
        yield FieldFault("source.keys", f"{key!r} is listed {times} times")


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
