"""The `report` and `digest` commands.

`report` prints the receipt of an ended job or of a whole migration, `digest` the changes since a
time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any

from slurper_tui import format as fmt
from slurper_tui import version
from slurper_tui.api.errors import ApiError
from slurper_tui.cli.commands.jobs import found, whole
from slurper_tui.cli.context import CommandContext, time_option
from slurper_tui.cli.errors import CliError, ExitCode, exit_code
from slurper_tui.cli.output import Output, failed, migration, to_ascii
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.monitor.model.logs import FailuresView
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.reports.migrations import MigrationKey, jobs_to_come, migration_of
from slurper_tui.monitor.reports.receipt import NotEnded, Receipt
from slurper_tui.monitor.reports.records import counts_record, job_record, record

if TYPE_CHECKING:
    from slurper_tui.monitor.reports.digest import Change, Digest


_NAMED = 5
"""The most migrations named in an error about an ambiguous name."""


async def report(context: CommandContext) -> ExitCode:
    """Print the receipt. Raises CliError when a job has not ended, or its name is ambiguous."""
    options = context.options
    if (options.job is None) == (options.migration is None):
        raise CliError("report takes a JOB, or --migration SOURCE")
    snapshot = await whole(context)
    if options.migration is None:
        keys = [found(options.job, snapshot).key]
    else:
        keys = jobs_of(options.migration, snapshot)
    from slurper_tui.cli.commands.logs import LogProgress  # not for a digest
    from slurper_tui.monitor.reports.receipt_markdown import markdown  # not for a digest

    log_progress = LogProgress(context.out, context.progress_output.patience)
    key_read: JobKey | None = None

    def on_progress(view: FailuresView) -> None:
        nonlocal key_read
        if view.key != key_read:
            key_read = view.key
            context.out.note(f"reading the log of job {view.key.job_id}")
        log_progress.update_failures(view)

    services = await context.session.services()
    try:
        receipt = await services.receipts.receipt(keys, on_progress)
    except NotEnded as error:
        raise CliError(f"{error}; there is a receipt when it has ended") from None
    except ApiError as error:
        raise CliError(f"no receipt: {error}", exit_code(error.exit_code)) from None
    if options.json:
        context.out.line(fmt.as_json(record(receipt, version())))
    else:
        for line in markdown(receipt, version()).removesuffix("\n").split("\n"):
            context.out.line(to_ascii(line, context.out))
    return verdict(receipt)


def jobs_of(migration: str, snapshot: Snapshot) -> list[JobKey]:
    """Return the jobs of the migration named `SOURCE` or `SOURCE:TARGET`.

    Raises CliError when the lists could not be read, no migration or several match, or its plan has
    jobs still to be started.
    """
    if any(not account.listed for account in snapshot.accounts):
        raise CliError(
            f"the list of jobs could not be read, so {migration!r} was not found", ExitCode.API
        )
    groups: dict[MigrationKey, list[JobView]] = {}
    for view in snapshot.jobs:
        key = migration_of(view)
        if key is not None and migration in (key.source, f"{key.source}:{key.target}"):
            groups.setdefault(key, []).append(view)
    if not groups:
        raise CliError(f"no job copies from the bucket {migration!r}")
    if len(groups) > 1:
        names = sorted(f"{key.source}:{key.target}" for key in groups)
        if len(set(names)) < len(names):
            raise CliError(
                f"{migration!r} is a bucket in several places; name a job of the migration instead"
            )
        targets = ", ".join(names[:_NAMED])
        if len(names) > _NAMED:
            targets += f" and {len(names) - _NAMED} more"
        raise CliError(f"{migration!r} went to several targets: {targets}")
    [(key, views)] = groups.items()
    if more := jobs_to_come(key, snapshot.unstarted):
        jobs = "1 job of its plan is" if more == 1 else f"{more} jobs of its plan are"
        raise CliError(f"{migration!r}: {jobs} still to be started, so it has not ended")
    return [view.key for view in views]


def verdict(receipt: Receipt) -> ExitCode:
    """Return the exit code of a receipt; a lost job takes precedence over lost objects."""
    if receipt.lost_job:
        return ExitCode.JOB_LOST
    clean = receipt.completed and receipt.verdict.clean
    return ExitCode.OK if clean else ExitCode.OBJECTS_LOST


async def digest(context: CommandContext) -> ExitCode:
    """Poll once and print the changes since --since; without it, since the last absence.

    Jobs that the API does not answer for are reported from recorded samples.
    """
    options = context.options
    since = time_option("--since", options.since, context.zone, future=False)
    snapshot = await whole(context)
    made = await context.session.digest(since, context.zone)
    print_digest(made, context.out, as_json=options.json)
    return ExitCode.API if failed(snapshot, snapshot.jobs) else ExitCode.OK


def print_digest(digest: Digest, out: Output, *, as_json: bool) -> None:
    """Print a digest. Raises CliError when stdout cannot be written."""
    for line in [digest_json(digest)] if as_json else digest_lines(digest, out):
        out.line(to_ascii(line, out))


def digest_lines(digest: Digest, out: Output) -> Iterator[str]:
    """Yield the period, the changes of each job, and the advice."""
    from slurper_tui.monitor.reports.digest import (  # not for a receipt
        head_words,
        job_words,
        jobs_with_advice,
        moved_words,
        quiet_words,
        unobserved_words,
    )

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
        "since": fmt.iso(digest.since, UTC),
        "until": fmt.iso(digest.until, UTC),
        "jobs": [
            {
                "id": job.view.job.id,
                "accountId": job.view.account_id,
                "before": _sample_record(job.before),
                "after": _sample_record(job.after),
                "moved": job.moved,
                "perSecond": job.per_second,
                "verdict": job_record(job.view)["verdict"] if job.verdict else None,
                "observedSeconds": job.observed_seconds,
                "events": [_change_record(change) for change in job.changes],
            }
            for job in digest.jobs
        ],
    }
    return fmt.as_json(record)


def _sample_record(sample: Recorded | None) -> dict[str, Any] | None:
    if sample is None:
        return None
    at, status = fmt.iso(sample.at, UTC), sample.status
    return {"at": at, "status": status, **counts_record(sample.counts)}


def _change_record(change: Change) -> dict[str, Any]:
    """Return a change; one with a duration has `since` and `until`, others have `at`."""
    since = fmt.iso(change.since, UTC)
    if change.until is None:
        times = {"at": since}
    else:
        times = {"since": since, "until": fmt.iso(change.until, UTC)}
    return {"kind": str(change.kind), **times, "words": change.text}
