"""Drafts of jobs that copy again exactly what another job did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slurper_tui.api.models import Job
from slurper_tui.monitor.creation.checks import VENDORS
from slurper_tui.monitor.draft import MOST_KEYS, Draft


class NoRetry(ValueError):
    """Why no draft can be made, in one clause."""


def retry_drafts(job: Job, keys: Iterable[str], region: str | None = None) -> tuple[Draft, ...]:
    """Drafts of exactly these keys, each once, with the job's source, target and overwrite.

    job: its details, as `get_job` tells them. region: of an s3 source, which the API never tells
    back. At most 10,000 keys are in one draft, in their order. Raises NoRetry when there are no
    keys, or when the API does not say what would have to be repeated.
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
            endpoint=source.endpoint if source.vendor == "s3" else None,
            region=region if region is not None else source.region,
            source_jurisdiction=source.jurisdiction if source.vendor == "r2" else None,
            target_jurisdiction=target.jurisdiction,
            overwrite=bool(job.overwrite),
        )
