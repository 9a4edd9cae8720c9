"""The `create` and `precheck` commands.

`create` starts a job from options or a file, or a plan with one job for each prefix of a list;
`--go-on` and `--cancel` act on a plan of an earlier run. `precheck` tests both buckets.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from slurper_tui import format as fmt
from slurper_tui.cli.commands.plans import cancel, go_on, planned
from slurper_tui.cli.context import CommandContext
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.job_start import (
    FLAGS,
    check,
    check_code,
    listed,
    open_services,
    outcome,
    read_draft,
    read_text,
    ready,
    require_answers,
    the_account,
)
from slurper_tui.cli.prompts import read_secrets
from slurper_tui.monitor.jobs.create import Check
from slurper_tui.monitor.jobs.prefixes import UNLISTED, few, read_prefixes, split
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft
from slurper_tui.monitor.reports.wording import check_words
from slurper_tui.monitor.session import Services


async def split_drafts(
    options: argparse.Namespace, context: CommandContext, draft: Draft, jobs: Sequence[JobView]
) -> list[Draft]:
    """Return one draft for each prefix of the list; warn about prefixes that seem to be missing.

    jobs: the jobs of the account. Raises CliError for an empty list and for overlapping prefixes.
    """
    name = options.prefixes
    place = "standard input" if name == "-" else name
    prefixes = read_prefixes(await read_text(name))
    if not prefixes:
        raise CliError(f"{place}: no prefix stands there")
    if draft.path_prefix or draft.keys is not None:
        raise CliError("a list of prefixes goes with neither a prefix nor keys")
    found = split(draft, prefixes, jobs)
    if found.overlaps:
        raise CliError(f"{place}: {'; '.join(few(found.overlaps))}")
    check(found.drafts, context.out)
    for doubt in found.doubts:
        context.out.note(f"is that meant? {doubt}")
    context.out.note(UNLISTED)
    return list(found.drafts)


_OF_NEW_JOBS = (*FLAGS.values(), "file", "prefixes", "no_overwrite")
"""Options (attribute names) that describe new jobs; invalid with --go-on and --cancel."""


async def create(options: argparse.Namespace, context: CommandContext) -> ExitCode:
    """Start the jobs, or go on with a plan, or cancel it. Raises CliError."""
    _refuse_contradictions(options)
    async with open_services(context) as services:
        if options.cancel is not None:
            return await cancel(options, context, services)
        if options.go_on is not None:
            return await go_on(options, context, services)
        return await _create(options, context, services)


def _refuse_contradictions(options: argparse.Namespace) -> None:
    """Raise CliError for options that cannot be combined."""
    if options.send_again and options.go_on is None:
        raise CliError("--send-again goes with --go-on")
    if options.go_on is not None and options.cancel is not None:
        raise CliError("--go-on and --cancel do not go together")
    plan_option = "--go-on" if options.go_on is not None else "--cancel"
    given = [name for name in _OF_NEW_JOBS if getattr(options, name)]
    if given and (options.go_on is not None or options.cancel is not None):
        raise CliError(
            f"--{given[0].replace('_', '-')} is for new jobs: {plan_option} takes a plan as it is"
        )
    if options.prefixes is not None and (options.prefix is not None or options.keys_file):
        raise CliError("--prefixes goes with neither --prefix nor --keys-file")


async def _create(
    options: argparse.Namespace, context: CommandContext, services: Services
) -> ExitCode:
    account_id, draft = the_account(context), await read_draft(options)
    if options.prefixes is None:
        check([draft], context.out)
    require_answers(options)
    jobs = await listed(context)
    if options.prefixes is not None:
        drafts = await split_drafts(options, context, draft, jobs)
        secrets = await ready(options, context, services, account_id, drafts)
        return await planned(options, context, account_id, drafts, secrets)
    secrets = await ready(options, context, services, account_id, [draft])
    made = await services.creation.create(account_id, draft, secrets)
    return outcome(options, context, account_id, draft, made)


async def precheck(options: argparse.Namespace, context: CommandContext) -> ExitCode:
    """Try whether both buckets can be reached with their keys, and print the answers."""
    account_id, draft = the_account(context), await read_draft(options)
    check([draft], context.out)
    secrets = await read_secrets(
        draft.vendor, options.secrets, context.environ, context.out, context.scrubber
    )
    async with open_services(context) as services:
        services.control.unlock()
        checks = await services.creation.precheck(account_id, draft, secrets)
    ends = {"source": checks.source, "target": checks.target}
    if options.json:
        record = {name: _record(answer) for name, answer in ends.items()}
        context.out.line(fmt.as_json(record))
    else:
        for name, answer in ends.items():
            context.out.line(f"{name}  {check_words(answer)}")
    return check_code(checks)


def _record(check: Check) -> dict[str, str | None]:
    error = None if check.error is None else str(check.error)
    return {"connectivityStatus": check.status, "error": error}
