"""The `pause`, `resume`, `abort` and `delete` commands: confirm, send one request, poll the effect.

A no, or a plain Enter, ends with exit code 0 and nothing is sent. No answer, a wrong word, or a job
state that does not allow the action ends with 2. No request is ever sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from slurper_tui.api.errors import NotSent
from slurper_tui.cli import prompts
from slurper_tui.cli.commands.jobs import found
from slurper_tui.cli.context import CommandContext
from slurper_tui.cli.errors import CliError, ExitCode, exit_code
from slurper_tui.cli.output import amount, migration, percent, to_ascii
from slurper_tui.monitor.jobs.actions import AllAborted
from slurper_tui.monitor.model.events import NO_JOB_LEFT, Action, RequestState, expected
from slurper_tui.monitor.model.job import JobView, Snapshot, default_order, why_not
from slurper_tui.monitor.reports.wording import consequence, request_words, word_to_type

POLL_SECONDS = 2.0
SHOWN_SECONDS = 60.0
"""Seconds to poll for the requested change."""


class Change(NamedTuple):
    """An action and its jobs. account_id: the account of ABORT_ALL, else ""."""

    action: Action
    views: Sequence[JobView]
    account_id: str = ""


async def control(context: CommandContext) -> ExitCode:
    """Run the command.

    Raises CliError when the action is not possible, is refused, or its effect is not seen in time.
    """
    options = context.options
    action = _action(context)
    if not options.yes and not prompts.can_ask():
        raise CliError(f"{options.command}: {prompts.NOBODY_TO_ASK}")
    async with aclosing(context.session.snapshots()) as snapshots:  # type: ignore[type-var]  # a generator
        change = await _find(action, snapshots, context)
        if not await _agreed(change, context):
            context.out.note("nothing was done")
            return ExitCode.OK
        try:
            while (outcome := await _send(change, context)).request.state is RequestState.MOOT:
                new = outcome.newcomers
                change = change._replace(views=(*change.views, *new))
                context.out.note(
                    f"nothing was sent: {len(new)} more not ended since the jobs above were listed"
                )
                if not await _agreed(change, context, new):
                    context.out.note("nothing was done")
                    return ExitCode.OK
            done = await _shown(snapshots, change, context)
        except asyncio.CancelledError:
            context.out.note(
                f"{action} may have been sent: look at the job before you send it again"
            )
            raise
        # Jobs that were created during an abort of all may have been aborted too.
        for view in outcome.newcomers:
            if view.status != "aborted":
                names = f"{view.key.job_id} {migration(view, context.out)}"
                context.out.note(f"created meanwhile, {view.word}: {names}")
        for view in (*done, *(v for v in outcome.newcomers if v.status == "aborted")):
            context.out.line(f"{view.key.job_id} {action.done} {migration(view, context.out)}")
    return ExitCode.OK


def _action(context: CommandContext) -> Action:
    """Return the action. Raises CliError unless a job or --all (with one account) is given."""
    options = context.options
    if not getattr(options, "all", False):
        if options.job is None:
            raise CliError("which job is to be aborted? give its id, or --all")
        return Action(options.command)
    if options.job is not None:
        raise CliError("abort takes a job's id or --all, not both")
    if len(context.accounts) > 1:
        raise CliError(
            f"abort --all: {len(context.accounts)} accounts; say which with --account ID"
        )
    return Action.ABORT_ALL


async def _find(
    action: Action,
    snapshots: AsyncIterator[Snapshot],
    context: CommandContext,
) -> Change:
    """Poll until the jobs are known: a complete snapshot, or for ABORT_ALL one that is caught up.

    Raises CliError when the action is not possible now.
    """
    async for snapshot in snapshots:
        context.progress_output.update(snapshot)
        if snapshot.complete or (action is Action.ABORT_ALL and snapshot.caught_up):
            break
        if action is not Action.ABORT_ALL:  # otherwise an ended job would be polled a round later
            context.session.look_at(None, frozenset(view.key for view in snapshot.jobs))
    if action is not Action.ABORT_ALL:
        view = found(context.options.job, snapshot)
        if why := why_not(view, action):
            raise CliError(f"{action} cannot work now: {why} ({view.key.job_id})")
        return Change(action, [view])
    if any(not account.listed for account in snapshot.accounts):
        raise CliError("the list of jobs could not be read", ExitCode.API)
    views = sorted((v for v in snapshot.jobs if v.live), key=default_order)
    if not views:
        raise CliError(f"abort --all: {NO_JOB_LEFT}")
    return Change(action, views, context.accounts[0])


async def _agreed(
    change: Change, context: CommandContext, new: Sequence[JobView] | None = None
) -> bool:
    """Print the jobs and the consequence of the action on stderr; ask, unless --yes is given.

    new: the jobs that the last question did not include; then only they are listed. Raises CliError
    without an answer, or when the word to type is wrong.
    """
    out = context.out
    for view in change.views if new is None else new:
        state = f"{view.word}, {amount(view)} {percent(view)}"
        out.note(f"{view.key.job_id} {migration(view, out)}: {state}")
    out.note(f"{change.action}: {to_ascii(consequence(change.views, change.action), out)}")
    if context.options.yes:
        return True
    if change.action is Action.ABORT_ALL:
        what, word = f"all {len(change.views)}", change.account_id
    elif change.action is Action.ABORT:
        what, word = "it", word_to_type(change.views[0], out.sanitise)[0]
    else:
        return await prompts.confirmed(f"{change.action} it?", out)
    typed = await prompts.typed(f"to abort {what}, type {word}:", out)
    if typed not in (word, "", "n", "no"):
        raise CliError(f"that is not {word}: nothing was done")
    return typed == word


async def _send(change: Change, context: CommandContext) -> AllAborted:
    """Send one request. If new jobs need a confirmation first, send nothing and return MOOT.

    Raises CliError when it was not sent for another reason, or was refused.
    """
    control = (await context.session.services()).control
    control.unlock()
    keys = [view.key for view in change.views]
    if change.action is Action.ABORT_ALL:
        outcome = await control.abort_all(change.account_id, keys)
    else:
        [one] = await control.request(change.action, keys)
        outcome = AllAborted(one)
    request = outcome.request
    if request.state is RequestState.MOOT and outcome.newcomers:
        return outcome
    if request.state is RequestState.MOOT:
        raise CliError(request_words(request))
    if request.state is RequestState.REFUSED:
        error = request.error
        sent = error is not None and error.status is not None and not isinstance(error, NotSent)
        code = exit_code(error.exit_code) if error is not None and sent else ExitCode.API
        raise CliError(request_words(request), code)
    no_answer = f" (no answer to it: {request.error})" if request.error else ""
    context.out.note(f"{request_words(request)}{no_answer}")
    return outcome


async def _shown(
    snapshots: AsyncIterator[Snapshot], change: Change, context: CommandContext
) -> Sequence[JobView]:
    """Poll until the action has ended for every job; return the changed jobs.

    Raises CliError after `SHOWN_SECONDS`, or when every job ended in another way.
    """
    action, keys = change.action, {view.key for view in change.views}
    ends = {expected(action), "completed"} if action is Action.RESUME else {expected(action)}
    until = asyncio.get_running_loop().time() + SHOWN_SECONDS
    context.session.set_interval(POLL_SECONDS)
    async for snapshot in snapshots:
        context.progress_output.update(snapshot)
        views = [view for view in snapshot.jobs if view.key in keys]
        if all(
            view.gone
            if action is Action.DELETE
            else not view.live or view.status == expected(action)
            for view in views
        ):
            done = [view for view in views if action is Action.DELETE or view.status in ends]
            if done:
                return done
            word = views[0].word if views else "gone"
            raise CliError(f"{action} came too late: {word} meanwhile")
        if asyncio.get_running_loop().time() >= until:
            break
    line = f"{action} was sent, but no poll has shown it within {SHOWN_SECONDS:.0f} s"
    raise CliError(line, ExitCode.API)
