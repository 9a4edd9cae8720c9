"""The `retry` command: copy the failed keys of a job again, or write the requests to files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.cli import prompts
from slurper_tui.cli.commands.create import planned
from slurper_tui.cli.commands.jobs import chosen_job
from slurper_tui.cli.commands.logs import LogProgress, note_missing
from slurper_tui.cli.context import CommandContext
from slurper_tui.cli.errors import CliError, ExitCode, exit_code
from slurper_tui.cli.job_start import Origin, check, open_services, outcome, ready, require_answers
from slurper_tui.cli.output import Output
from slurper_tui.monitor.jobs.draft import NoRetry, body, retry_drafts
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.monitor.model.plans import Draft
from slurper_tui.monitor.session import Services


async def retry(context: CommandContext) -> ExitCode:
    """Copy the failed keys again, in one job or in a plan of several. Raises CliError."""
    options = context.options
    if options.draft is None:
        require_answers(options)
    async with open_services(context) as services:
        view = await chosen_job(context)
        types = tuple(options.type) or (FAILED_TYPE,)
        keys = await _keys(context, services, view, types)
        try:
            details = await services.creation.details(view.key)
            drafts = retry_drafts(details, keys, options.region)
        except ApiError as error:
            raise CliError(f"job {view.key.job_id}: {error}", exit_code(error.exit_code)) from None
        except NoRetry as error:
            raise CliError(f"job {view.key.job_id}: {error}") from None
        check(drafts, context.out)
        earlier = await services.creation.earlier_retries(view.key, keys, types)
        for clause in earlier:
            context.out.note(clause)
        if options.draft is not None:
            return _write_drafts(options.draft, context.out, view.key, drafts)
        if earlier:
            await _allowed_again(context, overwrite=drafts[0].overwrite)
        origin, account_id = Origin(view.key, types), view.key.account_id
        secrets = await ready(context, services, account_id, drafts)
        if len(drafts) > 1:
            return await planned(context, account_id, drafts, secrets, origin)
        made = await services.creation.create(
            account_id, drafts[0], secrets, retry_of=view.key, log_types=types
        )
        return outcome(context, account_id, drafts[0], made)


async def _allowed_again(context: CommandContext, *, overwrite: bool) -> None:
    """Confirm a retry although an earlier retry of the same keys is known. Raises CliError on a no.

    overwrite: whether the new job replaces objects in the target.
    """
    options = context.options
    if options.again:
        return
    loss = "; it overwrites, so newer objects in the target are lost" if overwrite else ""
    if options.yes:
        raise CliError(
            f"an earlier retry is known, see above{loss}: give --again to retry once more"
        )
    if not await prompts.confirmed(f"retry once more{loss}?", context.out):
        raise CliError("nothing was started", ExitCode.OK)


async def _keys(
    context: CommandContext, services: Services, view: JobView, types: tuple[str, ...]
) -> tuple[str, ...]:
    """Read the whole log and return the exact keys of rows of these types. Raises CliError."""
    reading = services.logs.failures((view.key,))
    last = await reading.read(LogProgress(context.out).update_failures)
    if not last.counts.whole:
        code = exit_code(last.problem.exit_code) if last.problem else ExitCode.API
        raise CliError("the log was not read to its end, so what failed is not known", code)
    if view.live:
        context.out.note("the job has not ended: more objects may fail yet")
    keys = reading.keys(types)
    note_missing(last, reading, types, context.out)
    if not keys:
        raise CliError(f"the log names no object in rows of {' or '.join(types)}")
    return keys


def _write_drafts(name: str, out: Output, key: JobKey, drafts: Sequence[Draft]) -> ExitCode:
    """Write each draft to a new file, or all to stdout (`-`), as ASCII-only JSON.

    The files have mode 0600. Raises CliError if one exists already or cannot be written.
    """
    paths = [Path(name), *(Path(f"{name}.{n}") for n in range(2, len(drafts) + 1))]
    for path in paths:
        if name != "-" and os.path.lexists(path):
            raise CliError(f"{path}: it is there already, and stays as it is")
    for path, draft in zip(paths, drafts, strict=True):
        text = fmt.as_json(body(draft), indent=2) + "\n"
        if name == "-":
            out.exact(text)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            try:
                with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
                    file.write(text)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise CliError(f"{path}: cannot write it: {reason}") from None
        place = "standard output" if name == "-" else path
        out.note(f"{place}: {len(draft.keys or ()):,} keys of job {key.job_id}")
    return ExitCode.OK
