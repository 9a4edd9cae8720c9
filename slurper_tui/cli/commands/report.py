"""The `report` and `digest` commands.

`report` prints the receipt of a job or of a whole migration, `digest` the changes since a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any

from slurper_tui import format as fmt
from slurper_tui import version
from slurper_tui.api.errors import ApiError
from slurper_tui.cli.context import (
    CommandContext,
    found,
    selection_of,
    time_option,
    unstarted_jobs,
    whole,
)
from slurper_tui.cli.errors import ExitCode, api_failed
from slurper_tui.cli.output import Output, failed, migration, to_ascii
from slurper_tui.monitor.model.selection import Selection
from slurper_tui.monitor.reports.records import counts_record, job_record, record
from slurper_tui.monitor.reports.wording import job_names

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.job import Snapshot
    from slurper_tui.monitor.model.logs import FailuresView
    from slurper_tui.monitor.model.samples import Recorded
    from slurper_tui.monitor.reports.digest import Change, Digest
    from slurper_tui.monitor.reports.receipt import Receipt


async def report(context: CommandContext) -> ExitCode:
    """Print a receipt for each JOB and each migration; return the worst exit code.

    The receipt of what has not ended is interim: it is marked, and has no verdict and the exit code
    0. Raises CliError when a name is ambiguous.
    """
    options = context.options
    snapshot, names = await whole(context), selection_of(options)
    selections = [Selection(jobs=(job,)) for job in names.jobs]
    selections += [Selection(migrations=(name,)) for name in names.migrations]
    receipts = [await _receipt(context, one, snapshot) for one in selections]
    if options.json:
        records = [record(receipt, version()) for receipt in receipts]
        context.out.line(fmt.as_json(records[0] if len(records) == 1 else records))
    else:
        from slurper_tui.monitor.reports.receipt_markdown import markdown  # not for a digest

        text = "\n".join(markdown(receipt, version()) for receipt in receipts)
        for line in text.removesuffix("\n").split("\n"):
            context.out.line(to_ascii(line, context.out))
    return max(map(verdict, receipts))


async def _receipt(context: CommandContext, selection: Selection, snapshot: Snapshot) -> Receipt:
    """Make the receipt of a job or of a migration. Raises CliError."""
    from slurper_tui.cli.commands.logs import LogProgress  # not for a digest

    log_progress = LogProgress(context.out, context.progress_output.patience)
    key_read: JobKey | None = None

    def on_progress(view: FailuresView) -> None:
        nonlocal key_read
        if view.key != key_read:
            key_read = view.key
            name = names.get(view.key, f"job {view.key.job_id}")
            context.out.note(f"reading the log of {name}")
        log_progress.update_failures(view)

    views = found(selection, snapshot, context.names)
    keys = [view.key for view in views]
    names = job_names(views) if len(views) > 1 else {}
    unstarted = unstarted_jobs(selection, snapshot)
    services = await context.session.services()
    try:
        receipt = await services.receipts.receipt(keys, on_progress, unstarted)
    except ApiError as error:
        raise api_failed(error, "no receipt") from None
    if receipt.interim:
        name = (*selection.migrations, *selection.jobs)[0]
        context.out.note(f"{name}: the receipt is interim: not every job has ended")
    return receipt


def verdict(receipt: Receipt) -> ExitCode:
    """Return the exit code of a receipt; a lost job takes precedence over lost objects."""
    if receipt.interim:
        return ExitCode.OK
    if receipt.lost_job:
        return ExitCode.JOB_LOST
    clean = receipt.completed and receipt.verdict.clean
    if receipt.verified or receipt.lacks:
        clean = receipt.all_copied
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
