"""The `create` and `precheck` commands, and plans.

`create` starts a job from options or a file, or a plan: one job for each prefix of a list, started
one after another as slots become free. `--go-on` and `--cancel` act on a plan of an earlier run.
`precheck` tests both buckets. `retry` uses plans too.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import Bucket
from slurper_tui.cli.errors import CliError, ExitCode, api_failed, exit_code
from slurper_tui.cli.job_start import (
    FLAGS,
    NO_ORIGIN,
    Origin,
    check,
    check_code,
    listed,
    on_fresh_keys,
    open_services,
    outcome,
    place_words,
    print_job,
    read_draft,
    read_text,
    ready,
    require_answers,
    secrets_for,
    the_account,
)
from slurper_tui.cli.prompts import agree_to_cost
from slurper_tui.monitor.jobs.prefixes import UNLISTED, few, overlaps, read_prefixes, split
from slurper_tui.monitor.model.plans import Draft, PlanView, Secrets, Step, StepState, with_counts
from slurper_tui.monitor.reports.wording import (
    NOT_DURABLE,
    bucket_words,
    check_words,
    count_price_words,
    draft_name,
    top_level_words,
)
from slurper_tui.monitor.verify.source import count, count_price, top_level, uncovered

if TYPE_CHECKING:
    from slurper_tui.cli.context import CommandContext
    from slurper_tui.cli.output import Output
    from slurper_tui.monitor.jobs.create import Check
    from slurper_tui.monitor.jobs.target import TargetBucket
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.session import Services
    from slurper_tui.monitor.verify.buckets import ObjectListing


async def split_drafts(
    context: CommandContext,
    source: SourceOfDraft,
    draft: Draft,
    jobs: Sequence[JobView],
) -> list[Draft]:
    """Return one draft for each prefix of the list, or of the source; warn about what they miss.

    jobs: the jobs of the account. Raises CliError for an empty list and for overlapping prefixes.
    """
    options = context.options
    if options.split:
        return await _split_source(context, source, draft, jobs)
    place = place_words(options.prefixes)
    prefixes = read_prefixes(await read_text(options.prefixes))
    if not prefixes:
        raise CliError(f"{place} contains no prefix")
    if draft.path_prefix or draft.keys is not None:
        raise CliError("a list of prefixes cannot be combined with a prefix or keys")
    overlapping = tuple(overlaps(prefixes))
    if overlapping:
        raise CliError(f"{place}: {'; '.join(few(overlapping))}")
    gaps: Sequence[str] | None = None
    if draft.vendor == "r2" or options.count:
        try:
            gaps = tuple((await uncovered(await source.side(), prefixes)).clauses())
        except ApiError as error:
            context.out.note(f"warning: gaps are guessed, for the source cannot be listed: {error}")
    found = split(draft, prefixes, jobs, gaps)
    check(found.drafts, context.out)
    for doubt in found.doubts:
        context.out.note(f"warning: {doubt}")
    if gaps is None:
        context.out.note(UNLISTED)
    return list(found.drafts)


async def _split_source(
    context: CommandContext,
    source: SourceOfDraft,
    draft: Draft,
    jobs: Sequence[JobView],
) -> list[Draft]:
    """Return one draft for each prefix at the top of the source. Raises CliError."""
    if draft.keys is not None:
        raise CliError("--split cannot be combined with keys")
    check([draft], context.out)
    try:
        side = await source.side()
        level = await top_level(side, draft.path_prefix or "")
    except ApiError as error:
        raise _unlisted(error) from None
    if level.why_not:
        raise CliError(f"{level.why_not}: give a list of prefixes with --prefixes")
    found = split(replace(draft, path_prefix=None), level.prefixes, jobs, (), level.objects)
    if found.overlaps:
        raise CliError(f"not split: {'; '.join(few(found.overlaps))}")
    context.out.note(top_level_words(level, side.name))
    check(found.drafts, context.out)
    for doubt in found.doubts:
        context.out.note(f"warning: {doubt}")
    return list(found.drafts)


class SourceOfDraft:
    """The source of the new jobs, listed with the keys to it, which are read when needed.

    secrets: None until they were read.
    """

    def __init__(
        self, context: CommandContext, services: Services, account_id: str, draft: Draft
    ) -> None:
        self.secrets: Secrets | None = None
        self.buckets = services.buckets
        self._given = (context, services, account_id, draft)
        self._side: ObjectListing | None = None

    async def side(self) -> ObjectListing:
        """Return its listing. Raises ApiError if it cannot be listed from here, CliError."""
        _, _, account_id, draft = self._given
        if self._side is None:
            if draft.vendor == "s3":
                self.secrets = await secrets_for(*self._given)
            keys = self.secrets.source if self.secrets else None
            self._side = self.buckets.source(account_id, draft, keys)
        return self._side


def _unlisted(error: ApiError) -> CliError:
    return api_failed(error, "the source cannot be listed")


COUNT_STEP = 100
"""Report progress each time this many requests were sent."""


async def counted(
    context: CommandContext, source: SourceOfDraft, account_id: str, drafts: Sequence[Draft]
) -> list[Draft]:
    """Return the drafts with the numbers of their objects; ask first, with the price.

    Raises CliError, also for a no.
    """
    out, listed = context.out, [draft for draft in drafts if draft.keys is None]
    try:
        side = await source.side()
    except ApiError as error:
        raise _unlisted(error) from None
    objects = await source.buckets.objects(account_id, drafts[0])
    words = (
        f"counting the objects takes {count_price_words(count_price(side, len(listed), objects))}"
    )
    refusal = "nothing was counted and nothing was started"
    await agree_to_cost(words, refusal, out, yes=context.options.yes)
    numbers: tuple[int, ...] = ()
    reported = 0
    try:
        async for numbers in count(side, [draft.path_prefix or "" for draft in listed]):
            if side.requests >= reported + COUNT_STEP:
                reported = side.requests
                out.note(f"{sum(numbers):,} objects counted")
    except ApiError as error:
        raise _unlisted(error) from None
    out.note(f"{sum(numbers):,} objects counted in {side.name}")
    return [*with_counts(drafts, numbers, source.buckets.wall, side.name)]


_OF_NEW_JOBS = (*FLAGS.values(), "file", "prefixes", "split", "count", "no_overwrite")
"""Options (attribute names) that describe new jobs; invalid with --go-on and --cancel."""


async def create(context: CommandContext) -> ExitCode:
    """Start the jobs, or continue a plan, or cancel it. Raises CliError."""
    options = context.options
    _refuse_contradictions(options)
    async with open_services(context) as services:
        if options.cancel is not None:
            return await cancel(context, services)
        if options.go_on is not None:
            return await go_on(context, services)
        account_id, draft = the_account(context), await read_draft(options)
        in_parts = options.prefixes is not None or options.split
        if not in_parts:
            check([draft], context.out)
        require_answers(options)
        jobs, drafts = await listed(context), [draft]
        source = SourceOfDraft(context, services, account_id, draft)
        if in_parts:
            drafts = await split_drafts(context, source, draft, jobs)
        if options.count:
            drafts = await counted(context, source, account_id, drafts)
        secrets = await ready(context, services, account_id, drafts, source.secrets)
        if in_parts:
            return await planned(context, account_id, {NO_ORIGIN: drafts}, secrets)
        waiting = on_fresh_keys(context.out)
        made = await services.creation.create(account_id, drafts[0], secrets, waiting=waiting)
        return outcome(context, account_id, drafts[0], made)


def _refuse_contradictions(options: argparse.Namespace) -> None:
    """Raise CliError for options that cannot be combined."""
    if options.send_again and options.go_on is None:
        raise CliError("--send-again needs --go-on")
    if options.go_on is not None and options.cancel is not None:
        raise CliError("--go-on and --cancel cannot be combined")
    plan_option = "--go-on" if options.go_on is not None else "--cancel"
    given = [name for name in _OF_NEW_JOBS if getattr(options, name)]
    if given and (options.go_on is not None or options.cancel is not None):
        raise CliError(
            f"--{given[0].replace('_', '-')} is for new jobs: {plan_option} takes a plan as it is"
        )
    if options.prefixes is not None and (options.prefix is not None or options.keys_file):
        raise CliError("--prefixes cannot be combined with --prefix or --keys-file")
    for flag in ("split", "count"):
        if getattr(options, flag) and options.keys_file:
            raise CliError(f"--{flag} cannot be combined with --keys-file")
    if options.split and options.prefixes is not None:
        raise CliError("--split and --prefixes cannot be combined")


async def precheck(context: CommandContext) -> ExitCode:
    """Try whether both buckets can be reached with their keys, and print the answers."""
    options = context.options
    account_id, draft = the_account(context), await read_draft(options)
    check([draft], context.out)
    async with open_services(context) as services:
        secrets = await secrets_for(context, services, account_id, draft)
        services.control.unlock()
        waiting = on_fresh_keys(context.out)
        checks = await services.creation.precheck(account_id, draft, secrets, waiting)
    if options.json:
        target = {**_check_record(checks.target), **_bucket_record(checks.bucket)}
        context.out.line(fmt.as_json({"source": _check_record(checks.source), "target": target}))
    else:
        for name, answer in (("source", checks.source), ("target", checks.target)):
            context.out.line(f"{name}  {check_words(answer)}")
        for line in bucket_words(checks.bucket, draft):
            context.out.line(f"target  {line.name}: {line.text}")
    return check_code(checks)


def _check_record(check: Check) -> dict[str, object]:
    error = None if check.error is None else str(check.error)
    return {"connectivityStatus": check.status, "error": error}


def _bucket_record(target: TargetBucket) -> dict[str, object]:
    """Return what is known about the target bucket; null where it is unknown."""
    bucket, sippy = target.bucket or Bucket(), target.sippy
    return {
        "exists": target.exists,
        "jurisdiction": bucket.jurisdiction,
        "storageClass": bucket.storage_class,
        "location": bucket.location,
        "locked": None if target.locks is None else bool(target.locks),
        "deletes": None if target.deletions is None else bool(target.deletions),
        "sippy": None if sippy is None else sippy.enabled,
    }


_GO_ON = "slurper-tui create --go-on"
_CANCEL = "slurper-tui create --cancel"
_NOT_CANCELLED = (StepState.UNDECIDED, StepState.SENDING)
_NOTED = (StepState.UNDECIDED, StepState.REFUSED, StepState.CANCELLED)
_MAY_BE_SENT = (StepState.UNDECIDED, StepState.REFUSED)


async def planned(
    context: CommandContext,
    account_id: str,
    drafts: Mapping[Origin, Sequence[Draft]],
    secrets: Secrets,
) -> ExitCode:
    """Save a plan for each origin and follow them until nothing more happens by itself.

    Returns the worst exit code. Raises CliError for a single plan that needs a decision.
    """
    services = await context.session.services()
    views = list[PlanView]()
    for origin, its in drafts.items():
        view = await services.creation.plan(
            account_id, its, secrets, retry_of=origin.retry_of, log_types=origin.log_types
        )
        note = (
            f"the plan is saved: after an interruption `{_GO_ON} {view.number}` starts the rest"
            if view.durable
            else NOT_DURABLE
        )
        jobs = "1 job" if len(its) == 1 else f"{len(its)} jobs"
        context.out.note(f"{_name(view)}: {jobs}; {note}")
        views.append(view)
    codes = list[ExitCode]()
    for view in views:
        try:
            codes.append(await _followed(context, services, view))
        except CliError as error:
            if len(views) == 1:
                raise
            context.out.note(error.line)
            codes.append(error.code)
    return max(codes)


async def go_on(context: CommandContext, services: Services) -> ExitCode:
    """Continue a plan of an earlier run. Raises CliError."""
    options = context.options
    view = _chosen(options.go_on, await _open_plans(context, services))
    if view is None:
        context.out.note("no plan has jobs left to start")
        return ExitCode.OK
    plan = view.plan
    may_be = {str(step.number): step.number for step in plan.steps if step.state in _MAY_BE_SENT}
    for text in options.send_again:
        if text.strip() not in may_be:
            raise CliError(f"step {text!r} of {_name(view)} is neither refused nor undecided")
    again = [may_be[text.strip()] for text in options.send_again]
    for step in plan.steps:
        context.out.note(_step_words(step, context.out))
    waiting = [s.draft for s in plan.steps if s.state is StepState.WAITING or s.number in again]
    if waiting:
        secrets = await ready(context, services, plan.account_id, waiting)
        services.creation.supply(plan.id, secrets)
    for number in again:
        await services.creation.send_again(plan.id, number)
    return await _followed(context, services, view)


async def cancel(context: CommandContext, services: Services) -> ExitCode:
    """Cancel the rest of a plan. Raises CliError if there is no such open plan."""
    options = context.options
    view = _chosen(options.cancel, await _open_plans(context, services))
    if view is None:
        raise CliError(f"there is no open plan {options.cancel}")
    await services.creation.cancel(view.plan.id)
    view = await _reread(services, view)
    left = [state for state in _NOT_CANCELLED if any(s.state is state for s in view.plan.steps)]
    more = f"; `{_CANCEL} {view.number}` again also drops what is {left[0]}" if left else ""
    context.out.note(f"{_name(view)}: {view.plan.tally}{more}")
    return ExitCode.OK


def _name(view: PlanView) -> str:
    return "plan without a number" if view.number is None else f"plan {view.number}"


async def _open_plans(context: CommandContext, services: Services) -> list[PlanView]:
    views = await services.creation.plans()
    return [v for v in views if not v.plan.over and v.plan.account_id in context.accounts]


async def _reread(services: Services, view: PlanView) -> PlanView:
    views = await services.creation.plans()
    return next((now for now in views if now.plan.id == view.plan.id), view)


def _chosen(text: str, views: Sequence[PlanView]) -> PlanView | None:
    """Return the plan with this number; without a number the only one, None if there is none.

    Raises CliError for an unknown number, or if the number is missing and several plans are open.
    """
    numbers = ", ".join(f"{view.number} ({view.plan.tally})" for view in views)
    if text:
        found = [view for view in views if str(view.number) == text.strip()]
        if not found:
            raise CliError(
                f"there is no open plan {text!r}" + (f"; there is {numbers}" if numbers else "")
            )
        return found[0]
    if len(views) > 1:
        raise CliError(f"{len(views)} plans are open, so give a number: {numbers}")
    return views[0] if views else None


async def _followed(context: CommandContext, services: Services, view: PlanView) -> ExitCode:
    """Print each change of a plan until nothing more happens by itself. Raises CliError."""
    printer = _PlanPrinter(context, view)
    try:
        async for now in services.creation.follow(view.plan.id):
            printer.update(now)
    except asyncio.CancelledError:
        await services.close()  # waits briefly for the answer to a request in flight
        now = await _reread(services, view)
        left = f"continue with `{_GO_ON} {now.number}`" if printer.view.durable else NOT_DURABLE
        context.out.note(f"{_name(now)}: {now.plan.tally}; {left}")
        raise
    return _ended(printer.view)


class _PlanPrinter:
    """Prints the changes of a plan since its last view.

    view: the last view.
    """

    def __init__(self, context: CommandContext, view: PlanView) -> None:
        self.view = view
        self._context = context
        # Kept here because a finished step no longer has its keys.
        self._drafts = {step.number: step.draft for step in view.plan.steps}
        self._states = {step.number: step.state for step in view.plan.steps}
        self._note = ""

    def update(self, view: PlanView) -> None:
        """Print created jobs on stdout; report other changes on stderr."""
        self.view = view
        for step in view.plan.steps:
            if step.state is self._states[step.number]:
                continue
            self._states[step.number] = step.state
            if step.state is StepState.STARTED:
                draft = self._drafts[step.number]
                print_job(self._context, view.plan.account_id, draft, step.job_id)
            if step.state is StepState.STARTED or step.state in _NOTED:
                self._context.out.note(_step_words(step, self._context.out))
        if view.note and view.note != self._note:
            self._context.out.note(view.note)
        self._note = view.note or self._note


def _step_words(step: Step, out: Output) -> str:
    """Return a line such as `step 3  2024/ → media  started as 12ab`."""
    draft = step.draft
    job = f" as {step.job_id}" if step.job_id else ""
    message = f": {step.message}" if step.message else ""
    what = f"{draft_name(draft)} {out.arrow} {draft.target}"
    return f"step {step.number}  {what}  {step.state}{job}{message}"


def _ended(view: PlanView) -> ExitCode:
    """Return the exit code of a finished plan. Raises CliError if steps need a decision."""
    plan, stopped_by = view.plan, view.stopped_by
    if plan.over:
        return ExitCode.OK
    left = [step for step in plan.steps if not step.state.over]
    waiting = any(step.state is StepState.WAITING for step in left)
    again = "".join(f" --send-again {s.number}" for s in left if s.state in _MAY_BE_SENT)
    advice = (
        NOT_DURABLE
        if view.number is None
        else f"`{_GO_ON} {view.number}{again}` {'sends again' if again else 'continues'}, "
        f"`{_CANCEL} {view.number}` cancels the rest"
    )
    raise CliError(
        f"{_name(view)}: {plan.tally}; {advice}",
        exit_code(stopped_by.exit_code) if stopped_by and waiting else ExitCode.API,
    )
