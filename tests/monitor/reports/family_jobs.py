"""Jobs of one bucket, with prefixes, keys and retries, made in one line."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.verdict import verdict
from tests.tui.jobs import NOW, iso, view

ARCHIVED, FAILED = "importSkippedStorageClass", "importErrorRetryExhaustion"


def job(number: int, status: str = "running", prefix: str | None = "", **given: Any) -> JobView:
    """A job of one bucket, by default with its own prefix; None for the whole bucket."""
    counts = given.get("counts")
    if counts is not None and status in ("completed", "aborted"):
        given.setdefault("verdict", verdict(counts, status))
    named = f"{number}/" if prefix == "" else prefix
    return view(number, status, source="photos", prefix=named, **given)


def keys_of(one: JobView, number: int) -> JobView:
    """The same job with a list of keys instead of a prefix."""
    source = one.job.source
    assert source is not None
    keys = tuple(f"key-{n}" for n in range(number))
    return replace(one, job=replace(one.job, source=replace(source, path_prefix=None, keys=keys)))


def when(one: JobView, created: float, finished: float | None = None) -> JobView:
    """The same job at another time, in hours from now."""
    ended = None if finished is None else iso(NOW + finished * 3600)
    times = {"created_at": iso(NOW + created * 3600), "finished_at": ended}
    return replace(one, job=replace(one.job, **times))


def tied(child: JobView, parent: JobView, *log_types: str) -> RetryLink:
    return RetryLink(child.key, parent.key, child.counts.objects or 0, log_types or (FAILED,))


PARENT = job(1, "completed", counts=Counts(1000, 990, 0, 10), not_copied=0)


def retry(number: int, counts: Counts, status: str = "completed") -> JobView:
    return keys_of(job(number, status, counts=counts), counts.objects or 0)
