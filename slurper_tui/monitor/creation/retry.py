"""Drafts of jobs that copy again exactly what another job did not, and what did so before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from slurper_tui.api.models import Job
from slurper_tui.format import parse_time
from slurper_tui.monitor.creation.checks import VENDORS
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Tie
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.monitor.model.plans import MOST_KEYS, Draft, Plan, StepState

_STANDS = {
    StepState.WAITING: "is still to be started",
    StepState.SENDING: "may have been sent",
    StepState.STARTED: "was started",
    StepState.UNDECIDED: "may have been sent: no answer came",
    StepState.REFUSED: "was refused and may be sent again",
}


class NoRetry(ValueError):
    """Why no draft can be made, in one clause."""


def retry_drafts(job: Job, keys: Iterable[str], region: str | None = None) -> tuple[Draft, ...]:
    """Drafts of exactly these keys, each once, with the job's source, target and overwrite.

    job: its details, as `get_job` tells them; an empty text counts as not told. region: of an s3
    source, which the API never tells back. At most 10,000 keys are in one draft, in their order.
    Raises NoRetry when there are no keys, or when the API does not say what would have to be
    repeated.
    """
    wanted = tuple(dict.fromkeys(key for key in keys if key))
    if not wanted:
        raise NoRetry("there are no keys to copy again")
    if unknown := _unknown(job):
        raise NoRetry(f"the API does not say {unknown} of this job, so nothing can be repeated")
    if region is not None and job.source and job.source.vendor != "s3":
        raise NoRetry(f"only an s3 source has a region, and this one is {job.source.vendor}")
    return tuple(_drafts(job, wanted, region))


def _unknown(job: Job) -> str:
    """What a draft needs and the job does not tell; "" when it tells all."""
    source, target = job.source, job.target
    if source is None or not source.bucket:
        return "the source bucket"
    if source.vendor not in VENDORS:
        return "a vendor that can be copied from" if source.vendor else "the source's vendor"
    if target is None or not target.bucket:
        return "the target bucket"
    return "whether it overwrites" if job.overwrite is None else ""


def _drafts(job: Job, keys: tuple[str, ...], region: str | None) -> Iterator[Draft]:
    source, target = job.source, job.target
    assert source is not None
    assert target is not None
    for start in range(0, len(keys), MOST_KEYS):
        yield Draft(
            vendor=source.vendor or "",
            bucket=source.bucket or "",
            target=target.bucket or "",
            keys=keys[start : start + MOST_KEYS],
            endpoint=(source.endpoint or None) if source.vendor == "s3" else None,
            region=region if region is not None else source.region or None,
            source_jurisdiction=(source.jurisdiction or None) if source.vendor == "r2" else None,
            target_jurisdiction=target.jurisdiction or None,
            overwrite=bool(job.overwrite),
        )


def earlier_retries(
    key: JobKey,
    keys: Collection[str],
    log_types: Collection[str],
    ties: Iterable[Tie],
    plans: Iterable[Plan],
    views: Sequence[JobView],
) -> tuple[str, ...]:
    """Name what copies these keys of a job again already, or may do so; one clause each.

    ties, plans: everything that the history knows of the account. views: the jobs of the list,
    which may show a retry that the history does not know.
    """
    by_key = {view.key: view for view in views}
    children = [t for t in ties if t.parent == key and _share_types(t.log_types, log_types)]
    found = [_tied(tie, by_key.get(tie.child)) for tie in children]
    for plan in plans:
        if plan.retry_of == key and _share_types(plan.log_types, log_types):
            found += _of_plan(plan)
    known = {key, *(tie.child for tie in children)}
    others = [view for view in views if view.key not in known]
    return (*found, *_alike(by_key.get(key), others, frozenset(keys)))


def _share_types(known: Collection[str], wanted: Collection[str]) -> bool:
    return not set(known or (FAILED_TYPE,)).isdisjoint(wanted)


def _tied(tie: Tie, child: JobView | None) -> str:
    word = "no longer listed" if child is None else child.word
    return f"job {tie.child.job_id} ({word}) is a retry of {tie.keys:,} of these objects"


def _of_plan(plan: Plan) -> Iterator[str]:
    """The steps that may still become a retry, or became one whose id is not known."""
    for step in plan.steps:
        if step.state is StepState.CANCELLED or step.job_id is not None:
            continue
        number = len(step.draft.keys or ())
        keys = f" of {number:,} of these objects" if number else ""
        yield f"step {step.number} of plan {plan.id}, a retry{keys}, {_STANDS[step.state]}"


def _alike(job: JobView | None, others: Iterable[JobView], keys: frozenset[str]) -> Iterator[str]:
    """Jobs of the same buckets, created after this one, that were given some of the keys."""
    source, target = (job.job.source, job.job.target) if job else (None, None)
    if job is None or source is None or target is None:
        return
    begun = parse_time(job.job.created_at)
    for other in others:
        its, to = other.job.source, other.job.target
        if its is None or to is None or not its.keys or other.account_id != job.account_id:
            continue
        created = parse_time(other.job.created_at)
        before = begun is not None and created is not None and created < begun
        same = (its.vendor, its.bucket, to.bucket) == (source.vendor, source.bucket, target.bucket)
        if same and not before and (number := len(keys.intersection(its.keys))):
            yield f"job {other.key.job_id} ({other.word}) was given {number:,} of these keys"
