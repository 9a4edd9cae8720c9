"""The `report` command: print the receipt of an ended job or of a whole migration."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from slurper_tui import format as fmt
from slurper_tui import version
from slurper_tui.api.errors import ApiError
from slurper_tui.cli.commands.jobs import found, whole
from slurper_tui.cli.commands.logs import LogProgress
from slurper_tui.cli.context import CommandContext
from slurper_tui.cli.errors import CliError, ExitCode, exit_code
from slurper_tui.cli.output import Output, to_ascii
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.monitor.model.logs import FailuresView
from slurper_tui.monitor.reports.migrations import MigrationKey, jobs_to_come, migration_of
from slurper_tui.monitor.reports.receipt import NotEnded, Receipt
from slurper_tui.monitor.reports.receipt_markdown import markdown
from slurper_tui.monitor.reports.records import record

_NAMED = 5
"""The most migrations named in an error about an ambiguous name."""


async def report(options: argparse.Namespace, context: CommandContext) -> ExitCode:
    """Print the receipt. Raises CliError when a job has not ended, or its name is ambiguous."""
    if (options.job is None) == (options.migration is None):
        raise CliError("report takes a JOB, or --migration SOURCE")
    snapshot = await whole(context)
    if options.migration is None:
        keys = [found(options.job, snapshot).key]
    else:
        keys = jobs_of(options.migration, snapshot)
    receipt = await _receipt(keys, context)
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
        raise CliError(_several(migration, list(groups)))
    [(key, views)] = groups.items()
    if more := jobs_to_come(key, snapshot.unstarted):
        jobs = "1 job of its plan is" if more == 1 else f"{more} jobs of its plan are"
        raise CliError(f"{migration!r}: {jobs} still to be started, so it has not ended")
    return [view.key for view in views]


def _several(migration: str, keys: Sequence[MigrationKey]) -> str:
    """Return the error for an ambiguous name: the candidates, unless their names are equal too."""
    names = sorted(f"{key.source}:{key.target}" for key in keys)
    if len(set(names)) < len(names):
        return f"{migration!r} is a bucket in several places; name a job of the migration instead"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{migration!r} went to several targets: {', '.join(names[:_NAMED])}{more}"


async def _receipt(keys: Sequence[JobKey], context: CommandContext) -> Receipt:
    services = await context.session.services()
    progress = ReceiptProgress(context.out, context.progress_output.patience)
    try:
        return await services.receipts.receipt(keys, progress.update)
    except NotEnded as error:
        raise CliError(f"{error}; there is a receipt when it has ended") from None
    except ApiError as error:
        raise CliError(f"no receipt: {error}", exit_code(error.exit_code)) from None


class ReceiptProgress:
    """Reports on stderr which log is being read and why it waits.

    patience: the most seconds to wait under a rate limit; None for no limit.
    """

    def __init__(self, out: Output, patience: float | None = None) -> None:
        self._out = out
        self._key: JobKey | None = None
        self._log_progress = LogProgress(out, patience)

    def update(self, view: FailuresView) -> None:
        """Report the state of a reading, if it changed. Raises CliError, see LogProgress."""
        if view.key != self._key:
            self._key = view.key
            self._out.note(f"reading the log of job {view.key.job_id}")
        self._log_progress.update_failures(view)


def verdict(receipt: Receipt) -> ExitCode:
    """Return the exit code of a receipt; a lost job takes precedence over lost objects."""
    if receipt.lost_job:
        return ExitCode.JOB_LOST
    clean = receipt.completed and receipt.verdict.clean
    return ExitCode.OK if clean else ExitCode.OBJECTS_LOST
