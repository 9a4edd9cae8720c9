"""Plans: several jobs that are started one after another as slots become free.

Used by `create --prefixes`, `create --go-on`, `create --cancel` and `retry`.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from slurper_tui.cli.context import CommandContext
from slurper_tui.cli.errors import CliError, ExitCode, exit_code
from slurper_tui.cli.job_start import NO_ORIGIN, Origin, print_job, ready
from slurper_tui.cli.output import Output
from slurper_tui.monitor.model.plans import Draft, PlanView, Secrets, Step, StepState
from slurper_tui.monitor.reports.wording import NOT_DURABLE, draft_name, plan_tally
from slurper_tui.monitor.session import Services

_GO_ON = "slurper-tui create --go-on"
_CANCEL = "slurper-tui create --cancel"
_NOT_CANCELLED = (StepState.UNDECIDED, StepState.SENDING)
_NOTED = (StepState.UNDECIDED, StepState.REFUSED, StepState.CANCELLED)
_MAY_BE_SENT = (StepState.UNDECIDED, StepState.REFUSED)


async def planned(
    options: argparse.Namespace,
    context: CommandContext,
    account_id: str,
    drafts: Sequence[Draft],
    secrets: Secrets,
    origin: Origin = NO_ORIGIN,
) -> ExitCode:
    """Save a plan and follow it until nothing more happens by itself. Raises CliError."""
    services = await context.session.services()
    view = await services.creation.plan(
        account_id, drafts, secrets, retry_of=origin.retry_of, log_types=origin.log_types
    )
    note = (
        f"it is kept: what an interruption leaves is started by `{_GO_ON} {view.number}`"
        if view.durable
        else NOT_DURABLE
    )
    context.out.note(f"{_name(view)}: {len(drafts)} jobs; {note}")
    return await _followed(options, context, services, view)


async def go_on(
    options: argparse.Namespace, context: CommandContext, services: Services
) -> ExitCode:
    """Continue a plan of an earlier run. Raises CliError."""
    view = _chosen(options.go_on, await _open_plans(context, services))
    if view is None:
        context.out.note("no plan is left to go on with")
        return ExitCode.OK
    plan = view.plan
    again = _steps_to_send(options.send_again, view)
    for step in plan.steps:
        context.out.note(_step_words(step, context.out))
    waiting = [s.draft for s in plan.steps if s.state is StepState.WAITING or s.number in again]
    if waiting:
        secrets = await ready(options, context, services, plan.account_id, waiting)
        services.creation.supply(plan.id, secrets)
    for number in again:
        await services.creation.send_again(plan.id, number)
    return await _followed(options, context, services, view)


async def cancel(
    options: argparse.Namespace, context: CommandContext, services: Services
) -> ExitCode:
    """Cancel the rest of a plan. Raises CliError if there is no such open plan."""
    view = _chosen(options.cancel, await _open_plans(context, services))
    if view is None:
        raise CliError(f"there is no open plan {options.cancel}")
    await services.creation.cancel(view.plan.id)
    view = await _as_it_stands(services, view)
    left = [state for state in _NOT_CANCELLED if any(s.state is state for s in view.plan.steps)]
    more = f"; `{_CANCEL} {view.number}` once more lets go of what is {left[0]}" if left else ""
    context.out.note(f"{_name(view)}: {plan_tally(view.plan)}{more}")
    return ExitCode.OK


def _name(view: PlanView) -> str:
    return "plan without a number" if view.number is None else f"plan {view.number}"


async def _open_plans(context: CommandContext, services: Services) -> list[PlanView]:
    views = await services.creation.plans()
    return [v for v in views if not v.plan.over and v.plan.account_id in context.accounts]


async def _as_it_stands(services: Services, view: PlanView) -> PlanView:
    views = await services.creation.plans()
    return next((now for now in views if now.plan.id == view.plan.id), view)


def _chosen(text: str, views: Sequence[PlanView]) -> PlanView | None:
    """Return the plan with this number; without a number the only one, None if there is none.

    Raises CliError for an unknown number, or if the number is missing and several plans are open.
    """
    numbers = ", ".join(f"{view.number} ({plan_tally(view.plan)})" for view in views)
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


def _steps_to_send(texts: Sequence[str], view: PlanView) -> list[int]:
    """Return the steps to send again. Raises CliError unless each is refused or undecided."""
    steps = view.plan.steps
    may_be = {str(step.number): step.number for step in steps if step.state in _MAY_BE_SENT}
    for text in texts:
        if text.strip() not in may_be:
            raise CliError(f"step {text!r} of {_name(view)} is neither refused nor undecided")
    return [may_be[text.strip()] for text in texts]


async def _followed(
    options: argparse.Namespace, context: CommandContext, services: Services, view: PlanView
) -> ExitCode:
    """Print each change of a plan until nothing more happens by itself. Raises CliError."""
    printer = _PlanPrinter(options, context, view)
    try:
        async for now in services.creation.follow(view.plan.id):
            printer.update(now)
    except asyncio.CancelledError:
        await services.close()  # waits briefly for the answer to a request in flight
        now = await _as_it_stands(services, view)
        left = f"go on with `{_GO_ON} {now.number}`" if printer.view.durable else NOT_DURABLE
        context.out.note(f"{_name(now)}: {plan_tally(now.plan)}; {left}")
        raise
    return _ended(printer.view)


class _PlanPrinter:
    """Prints the changes of a plan since its last view.

    view: the last view.
    """

    def __init__(
        self, options: argparse.Namespace, context: CommandContext, view: PlanView
    ) -> None:
        self.view = view
        self._options = options
        self._context = context
        # Kept here because a finished step no longer has its keys.
        self._drafts = {step.number: step.draft for step in view.plan.steps}
        self._states = {step.number: step.state for step in view.plan.steps}
        self._note = ""

    def update(self, view: PlanView) -> None:
        """Print created jobs on stdout; report other changes on stderr."""
        self.view = view
        for step in view.plan.steps:
            if step.state is not self._states[step.number]:
                self._states[step.number] = step.state
                self._print_step(step)
        if view.note and view.note != self._note:
            self._context.out.note(view.note)
        self._note = view.note or self._note

    def _print_step(self, step: Step) -> None:
        if step.state is StepState.STARTED:
            draft, account_id = self._drafts[step.number], self.view.plan.account_id
            print_job(self._options, self._context, account_id, draft, step.job_id)
        if step.state is StepState.STARTED or step.state in _NOTED:
            self._context.out.note(_step_words(step, self._context.out))


def _step_words(step: Step, out: Output) -> str:
    """Return a line such as `step 3  2024/ → media  started as 12ab`."""
    draft = step.draft
    job = f" as {step.job_id}" if step.job_id else ""
    message = f": {step.said}" if step.said else ""
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
        else f"`{_GO_ON} {view.number}{again}` {'sends again' if again else 'goes on'}, "
        f"`{_CANCEL} {view.number}` gives up"
    )
    raise CliError(
        f"{_name(view)}: {plan_tally(plan)}; {advice}",
        exit_code(stopped_by.exit_code) if stopped_by and waiting else ExitCode.API,
    )
