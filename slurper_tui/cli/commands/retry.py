"""The `retry` command: copy keys of jobs again, or write the requests to files.

The keys are those that failed, or with --keys-from those that `verify` found missing or different.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.cli import prompts
from slurper_tui.cli.commands.create import planned
from slurper_tui.cli.commands.logs import LogProgress, leave_out, look_up, note_missing
from slurper_tui.cli.context import chosen
from slurper_tui.cli.errors import CliError, ExitCode, api_failed, exit_code
from slurper_tui.cli.job_start import (
    Origin,
    check,
    on_fresh_keys,
    open_services,
    outcome,
    place_words,
    read_text,
    ready,
    require_answers,
)
from slurper_tui.monitor.jobs.draft import (
    KeysToRepair,
    NoRetry,
    body,
    keys_by_job,
    keys_of,
    repair_drafts,
)
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.monitor.model.verification import BY_VERIFICATION, Outcome
from slurper_tui.monitor.reports.migrations import migration_of
from slurper_tui.monitor.reports.retries import keys_left, looked_up, number_retried
from slurper_tui.monitor.reports.wording import (
    NO_FAILED_KEY,
    live_words,
    overwrite_words,
    retried_words,
)
from slurper_tui.monitor.verify.diff import DiffKeys, read_diff
from slurper_tui.new_file import new_file

if TYPE_CHECKING:
    from slurper_tui.cli.context import CommandContext
    from slurper_tui.cli.output import Output
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.plans import Draft
    from slurper_tui.monitor.session import Services


async def retry(context: CommandContext) -> ExitCode:
    """Copy the failed keys of jobs again, in one job or in a plan for each of them.

    Raises CliError.
    """
    options = context.options
    if options.draft is None or options.check_target:
        require_answers(options)
    async with open_services(context) as services:
        views = await chosen(context)
        if len({migration_of(view) for view in views}) > 1:
            raise CliError(
                "retry takes jobs of one source and one target, which share their bucket keys"
            )
        if options.keys_from is None:
            types = tuple(options.type) or (FAILED_TYPE,)
            keys = await _keys(context, services, views, types)
        else:
            types = (BY_VERIFICATION,)
            keys = await _keys_from(context, views)
        drafts = {key: await _drafts(context, services, key, keys[key]) for key in keys}
        every = [draft for its in drafts.values() for draft in its]
        check(every, context.out)
        earlier = [
            clause
            for key in keys
            for clause in await services.creation.earlier_retries(key, keys[key].every, types)
        ]
        for clause in earlier:
            context.out.note(clause)
        if options.draft is not None:
            return _write_drafts(options.draft, context.out, drafts)
        if earlier:
            await _allowed_again(context, overwrite=any(draft.overwrite for draft in every))
        account_id = views[0].account_id
        secrets = await ready(context, services, account_id, every)
        if len(every) > 1:
            parts = {Origin(key, types): its for key, its in drafts.items()}
            return await planned(context, account_id, parts, secrets)
        [parent] = drafts
        made = await services.creation.create(
            account_id,
            every[0],
            secrets,
            retry_of=parent,
            log_types=types,
            waiting=on_fresh_keys(context.out),
        )
        return outcome(context, account_id, every[0], made)


async def _drafts(
    context: CommandContext, services: Services, key: JobKey, keys: KeysToRepair
) -> Sequence[Draft]:
    """Return drafts of jobs that copy keys of a job again. Raises CliError."""
    try:
        details = await services.creation.details(key)
        return repair_drafts(details, keys, context.options.region)
    except ApiError as error:
        raise api_failed(error, f"job {key.job_id}") from None
    except NoRetry as error:
        raise CliError(f"job {key.job_id}: {error}") from None


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
    context: CommandContext, services: Services, views: Sequence[JobView], types: tuple[str, ...]
) -> Mapping[JobKey, KeysToRepair]:
    """Read the whole logs and return, by job, the exact keys of rows of these types.

    Keys that a completed retry has copied are left out. Raises CliError if a log was not read to
    its end, or names no key.
    """
    reading = services.logs.failures([view.key for view in views], preview=False)
    last = await reading.read(LogProgress(context.out).update_failures)
    if not last.counts.whole:
        code = exit_code(last.problem.exit_code) if last.problem else ExitCode.API
        raise CliError("the log was not read to its end, so what failed is not known", code)
    context.out.notes(live_words(sum(view.live for view in views), len(views)))
    keys = keys_left(views, reading, last, types)
    if keys:
        context.out.notes(retried_words(number_retried(views, reading, keys, types)))
    note_missing(last, reading, types, context.out)
    if keys and context.options.check_target:
        found = await look_up(context, views, reading, types)
        keys = leave_out(keys, looked_up(views, reading, types, found), context.out)
        if not keys:
            raise CliError("every object is in the target after all", ExitCode.OK)
    if not keys and reading.keys(types):
        raise CliError("completed retries have copied every object that the logs list")
    if not keys:
        rows = f"the log has no object in rows of {' or '.join(types)}"
        raise CliError(NO_FAILED_KEY if types == (FAILED_TYPE,) else rows)
    return {key: KeysToRepair(its) for key, its in keys.items()}


async def _keys_from(
    context: CommandContext, views: Sequence[JobView]
) -> Mapping[JobKey, KeysToRepair]:
    """Read the list that `verify --diff` wrote, or a list of keys. Raises CliError."""
    name, out = context.options.keys_from, context.out
    place = place_words(name)
    text = await read_text(name)
    try:
        found = read_diff(text) or DiffKeys(keys_of(text))
    except ValueError as error:
        raise CliError(f"{place}: {error}") from None
    if left := sum(found.left_out.values()):
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(found.left_out.items()))
        number = fmt.counted(left, "key is", "keys are")
        out.note(f"{place}: {number} left out: {kinds}")
    if found.left_out.get(Outcome.EXPECTED):
        out.note("those that are missing as the log says are copied without --keys-from")
    keys, alien = keys_by_job(views, found.missing, found.differing)
    if alien:
        raise CliError(f"{place}: {len(alien):,} keys are of none of the jobs, such as {alien[0]}")
    if not keys:
        raise CliError(f"{place} has no key that is missing or different")
    out.notes(overwrite_words(len(found.differing)))
    return keys


def _write_drafts(name: str, out: Output, drafts_of: Mapping[JobKey, Sequence[Draft]]) -> ExitCode:
    """Write each draft to a new file, or all to stdout (`-`), as ASCII-only JSON.

    The files have mode 0600. Raises CliError if one exists already or cannot be written.
    """
    drafts = [(key, draft) for key, its in drafts_of.items() for draft in its]
    paths = [Path(name), *(Path(f"{name}.{n}") for n in range(2, len(drafts) + 1))]
    for path in paths:
        if name != "-" and os.path.lexists(path):
            raise CliError(f"{path}: it exists already and is not overwritten")
    for path, (key, draft) in zip(paths, drafts, strict=True):
        text = fmt.as_json(body(draft), indent=2) + "\n"
        if name == "-":
            out.exact(text)
        else:
            try:
                with new_file(path) as file:
                    file.write(text.encode())
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise CliError(f"{path}: cannot write it: {reason}") from None
        place = "standard output" if name == "-" else path
        out.note(f"{place}: {len(draft.keys or ()):,} keys of job {key.job_id}")
    return ExitCode.OK
