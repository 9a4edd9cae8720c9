"""The `digest` command: print the changes since a time, as lines or as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from slurper_tui import format as fmt
from slurper_tui.cli.commands.jobs import whole
from slurper_tui.cli.context import CommandContext, time_option
from slurper_tui.cli.errors import ExitCode
from slurper_tui.cli.output import Output, failed, migration
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.reports.digest import (
    Change,
    Digest,
    JobDigest,
    head_words,
    job_words,
    jobs_with_advice,
    moved_words,
    quiet_words,
    unobserved_words,
)
from slurper_tui.monitor.reports.records import counts_record, job_record

_PLAIN_SIGNS = str.maketrans({"\N{EN DASH}": "-", "·": "-"})


async def digest(options: argparse.Namespace, context: CommandContext) -> ExitCode:
    """Poll once and print the changes since --since; without it, since the last absence.

    Jobs that the API does not answer for are reported from recorded samples.
    """
    since = time_option("--since", options.since, context.zone, future=False)
    snapshot = await whole(context)
    made = await context.session.digest(since, context.zone)
    print_digest(made, context.out, as_json=options.json)
    return ExitCode.API if failed(snapshot, snapshot.jobs) else ExitCode.OK


def print_digest(digest: Digest, out: Output, *, as_json: bool) -> None:
    """Print a digest. Raises CliError when stdout cannot be written."""
    for line in [digest_json(digest)] if as_json else digest_lines(digest, out):
        out.line(line)


def digest_lines(digest: Digest, out: Output) -> Iterator[str]:
    """Yield the period, the changes of each job, and the advice."""
    for line in _lines(digest, out):
        yield line.translate(_PLAIN_SIGNS) if out.ascii_only else line


def _lines(digest: Digest, out: Output) -> Iterator[str]:
    yield head_words(digest)
    yield from unobserved_words(digest)
    for job in digest.jobs:
        yield f"{job.view.word}  {migration(job.view, out)}: {moved_words(job)}"
        yield from (f"  {line}" for line in job_words(job, digest))
    quiet = quiet_words(digest)
    yield from [quiet] if quiet else []
    urgent = jobs_with_advice(digest)
    yield "to do now:" if urgent else "nothing to do now"
    yield from (f"  {migration(job.view, out)}: {job.advice}" for job in urgent)


def digest_json(digest: Digest) -> str:
    """Return the digest as ASCII-only JSON. Times are ISO 8601 in UTC, rates objects per second."""
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
        "events": [_change(change) for change in job.changes],
    }


def _sample(sample: Recorded | None) -> dict[str, Any] | None:
    if sample is None:
        return None
    at, status = _time(sample.at), sample.status
    return {"at": at, "status": status, **counts_record(sample.counts)}


def _change(change: Change) -> dict[str, Any]:
    """Return a change; one with a duration has `since` and `until`, others have `at`."""
    if change.until is None:
        times = {"at": _time(change.since)}
    else:
        times = {"since": _time(change.since), "until": _time(change.until)}
    return {"kind": str(change.kind), **times, "words": change.text}


def _time(at: float) -> str:
    return fmt.iso(at, UTC)
