"""`digest`: what happened since somebody last looked, in lines or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Any

from slurper_tui import format as fmt
from slurper_tui.cli.commands.jobs import whole
from slurper_tui.cli.errors import ExitCode
from slurper_tui.cli.output import Narration, Output, failed, migration
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.monitor.reports import digest_text as words
from slurper_tui.monitor.reports.digest import Digest, Event, JobDigest
from slurper_tui.monitor.reports.records import job_record

_PLAIN_SIGNS = str.maketrans({"\N{EN DASH}": "-", "·": "-"})


async def digest(
    monitor: Monitor,
    out: Output,
    narration: Narration,
    since: float | None,
    zone: tzinfo | None,
    *,
    as_json: bool,
) -> ExitCode:
    """Ask once how everything stands, and tell what happened since a UTC second.

    since: None for the last absence. Where the API does not answer, what was recorded is told.
    """
    snapshot = await whole(monitor, narration)
    print_digest(await monitor.digest(since, zone), out, as_json=as_json)
    return ExitCode.API if failed(snapshot, snapshot.jobs) else ExitCode.OK


def print_digest(digest: Digest, out: Output, *, as_json: bool) -> None:
    """Print what happened. Raises Stop when it cannot be written."""
    for line in [digest_json(digest)] if as_json else digest_lines(digest, out):
        out.line(line)


def digest_lines(digest: Digest, out: Output) -> Iterator[str]:
    """Say for how long, then of each job what it did, and last what is to be done now."""
    for line in _lines(digest, out):
        yield line.translate(_PLAIN_SIGNS) if out.ascii_only else line


def _lines(digest: Digest, out: Output) -> Iterator[str]:
    yield words.head_words(digest)
    yield from words.unobserved_words(digest)
    for job in digest.jobs:
        yield f"{job.view.word}  {migration(job.view, out)}: {words.moved_words(job)}"
        yield from (f"  {line}" for line in words.job_words(job, digest))
    quiet = words.quiet_words(digest)
    yield from [quiet] if quiet else []
    todo = words.todo_list(digest)
    yield "to do now:" if todo else "nothing to do now"
    yield from (f"  {migration(job.view, out)}: {job.todo}" for job in todo)


def digest_json(digest: Digest) -> str:
    """The digest as JSON in ASCII alone. Times are ISO 8601 in UTC, rates objects per second."""
    record = {
        "since": _time(digest.since),
        "until": _time(digest.until),
        "jobs": [_job(job) for job in digest.jobs],
    }
    return fmt.as_json(record)


def _job(job: JobDigest) -> dict[str, Any]:
    return {
        "id": job.view.job.id,
        "accountId": job.view.account_id,
        "before": _sample(job.before),
        "after": _sample(job.after),
        "moved": job.moved,
        "perSecond": job.per_second,
        "verdict": job_record(job.view)["verdict"] if job.verdict else None,
        "observedSeconds": job.observed_seconds,
        "events": [_event(event) for event in job.events],
    }


def _sample(sample: Recorded | None) -> dict[str, Any] | None:
    if sample is None:
        return None
    counts = sample.counts
    return {
        "at": _time(sample.at),
        "status": sample.status,
        "objects": counts.objects,
        "transferredObjects": counts.transferred,
        "skippedObjects": counts.skipped,
        "failedObjects": counts.failed,
    }


def _event(event: Event) -> dict[str, Any]:
    """What lasted has two times, what came at one moment has one."""
    if event.until is None:
        times = {"at": _time(event.since)}
    else:
        times = {"since": _time(event.since), "until": _time(event.until)}
    return {"kind": str(event.kind), **times, "words": event.words}


def _time(at: float) -> str:
    return fmt.iso(at, UTC)
