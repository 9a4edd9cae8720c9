"""The `pause`, `resume`, `abort` and `delete` commands: confirm, send requests, poll the effect.

Several jobs are one question. Each request is sent once, each job is reported, and the exit code is
the worst. A no, or a plain Enter, ends with exit code 0 and nothing is sent. No answer, a wrong
word, or a job state that does not allow the action ends with 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui.api.errors import NotSent
from slurper_tui.cli import prompts
from slurper_tui.cli.context import CommandContext, found, selection_of
from slurper_tui.cli.errors import CliError, ExitCode, exit_code
from slurper_tui.cli.output import Output, amount, migration, percent, to_ascii
from slurper_tui.monitor.model.events import (
    NO_JOB_LEFT,
    Action,
    ActionRequest,
    RequestState,
    expected,
)
from slurper_tui.monitor.model.job import JobView, Snapshot, why_not
from slurper_tui.monitor.reports.wording import (
    consequence,
    request_words,
    state_tally,
    word_to_type,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey

POLL_SECONDS = 2.0
SHOWN_SECONDS = 60.0
"""Seconds to poll for the requested change."""


class Change(NamedTuple):
    """An action and its jobs. account_id: the account of ABORT_ALL, else ""."""

    action: Action
    views: Sequence[JobView]
    account_id: str = ""

    @property
    def parts(self) -> Sequence[Sequence[JobView]]:
        """The jobs of each request: one job, or all for ABORT_ALL."""
        return [self.views] if self.action is Action.ABORT_ALL else [[view] for view in self.views]


Problem = tuple[JobView, CliError]
"""A job for which the action has failed, and why."""


async def control(context: CommandContext) -> ExitCode:
    """Run the command; return the worst exit code of the jobs.

    Raises CliError when the action is not possible for any job. For a single job it also raises
    when the request is refused, or its effect is not seen in time.
    """
    options = context.options
    action = _action(context)
    if not options.yes and not prompts.can_ask():
        raise CliError(f"{options.command}: {prompts.NOBODY_TO_ASK}")
    async with aclosing(context.session.snapshots()) as snapshots:
        change, problems = await _find(action, snapshots, context)
        single = len(change.views) + len(problems) == 1
        if not await _agreed(change, context):
            context.out.note("nothing was sent")
            return ExitCode.OK
        try:
            requests, newcomers = await _send(change, context)
            while newcomers and requests[0].state is RequestState.POINTLESS:
                change = change._replace(views=(*change.views, *newcomers))
                context.out.note(
                    f"nothing was sent: jobs are live that the list above lacks: {len(newcomers)}"
                )
                if not await _agreed(change, context, newcomers):
                    context.out.note("nothing was sent")
                    return ExitCode.OK
                requests, newcomers = await _send(change, context)
            sent, refused = _sorted(change, requests, context.out, single=single)
            done, late = await _shown(snapshots, change._replace(views=sent), context)
        except asyncio.CancelledError:
            context.out.note(
                f"{action} may have been sent: look at the job before you send it again"
            )
            raise
        # Jobs that were created during an abort of all may have been aborted too.
        for view in newcomers:
            if view.status != "aborted":
                names = f"{view.key.job_id} {migration(view, context.out)}"
                context.out.note(f"created meanwhile, {view.word}: {names}")
        for view in (*done, *(v for v in newcomers if v.status == "aborted")):
            context.out.line(f"{view.key.job_id} {action.done} {migration(view, context.out)}")
    return _reported([*problems, *refused, *late], context.out, single=single)


def _reported(problems: Sequence[Problem], out: Output, *, single: bool) -> ExitCode:
    """Report the problems and return the worst exit code. Raises the problem of a single job."""
    if single and problems:
        raise problems[0][1]
    for view, error in problems:
        out.note(f"{view.key.job_id}: {error.line}")
    return max((error.code for _, error in problems), default=ExitCode.OK)


def _action(context: CommandContext) -> Action:
    """Return the action. Raises CliError for --all of several accounts."""
    options = context.options
    if not getattr(options, "all", False):
        return Action(options.command)
    if len(context.accounts) > 1:
        raise CliError(
            f"{options.command} --all: {len(context.accounts)} accounts; choose one with"
            " --account NAME"
        )
    return Action.ABORT_ALL if options.command == "abort" else Action(options.command)


async def _find(
    action: Action,
    snapshots: AsyncIterator[Snapshot],
    context: CommandContext,
) -> tuple[Change, Sequence[Problem]]:
    """Poll until the state of the jobs is known; return those for which the action is possible.

    The others are problems if each was named. Raises CliError when the action is possible for none.
    """
    selection, every = selection_of(context.options), getattr(context.options, "all", False)
    async for snapshot in snapshots:
        context.progress_output.update(snapshot)
        # The list tells enough of an ended job, unless it is to be deleted.
        if snapshot.complete or (snapshot.caught_up and action is not Action.DELETE):
            break
        if action is Action.DELETE:  # otherwise an ended job would be polled a round later
            context.session.look_at(None, frozenset(view.key for view in snapshot.jobs))
    if every and any(not account.listed for account in snapshot.accounts):
        raise CliError("the list of jobs could not be read", ExitCode.API)
    views = found(selection, snapshot, context.names)
    if every:
        views = [view for view in views if view.live]
    if not views:
        raise CliError(f"{context.options.command} --all: {NO_JOB_LEFT}")
    reasons = {view.key: why_not(view, action) for view in views}
    possible = [view for view in views if not reasons[view.key]]
    others = [view for view in views if reasons[view.key]]
    if not possible and len(views) == 1:
        reason = reasons[views[0].key]
        raise CliError(f"cannot {action}: {reason} ({views[0].key.job_id})")
    if not possible:
        raise CliError(f"cannot {action} any of {_tally(views)}")
    problems = list[Problem]()
    if others and (every or selection.migrations):
        context.out.note(f"left as they are: {_tally(others)}")
    else:
        problems = [(view, CliError(f"cannot {action}: {reasons[view.key]}")) for view in others]
    account_id = context.accounts[0] if action is Action.ABORT_ALL else ""
    return Change(action, possible, account_id), problems


def _tally(views: Sequence[JobView]) -> str:
    """Return the number of jobs in all and by state: `3 jobs (2 running, 1 paused)`."""
    jobs = "1 job" if len(views) == 1 else f"{len(views)} jobs"
    return f"{jobs} ({state_tally(views)})"


async def _agreed(
    change: Change, context: CommandContext, new: Sequence[JobView] | None = None
) -> bool:
    """Print the jobs and the consequence of the action on stderr; ask, unless --yes is given.

    new: the jobs that the last question did not include; then only they are listed. Raises CliError
    without an answer, or when the word to type is wrong.
    """
    out, number = context.out, len(change.views)
    for view in change.views if new is None else new:
        state = f"{view.word}, {amount(view)} {percent(view)}"
        out.note(f"{view.key.job_id} {migration(view, out)}: {state}")
    jobs = f" {_tally(change.views)}" if number > 1 else ""
    out.note(f"{change.action}{jobs}: {to_ascii(consequence(change.views, change.action), out)}")
    if context.options.yes:
        return True
    if change.action not in (Action.ABORT, Action.ABORT_ALL):
        them = "it" if number == 1 else f"these {number} jobs"
        return await prompts.confirmed(f"{change.action} {them}?", out)
    word = _word_to_type(change, out)
    them = "it" if number == 1 else f"these {number} jobs"
    if change.action is Action.ABORT_ALL:
        them = f"all {number}"
    typed = await prompts.typed(f"to abort {them}, type {word}:", out)
    if typed not in (word, "", "n", "no"):
        raise CliError(f"that is not {word}: nothing was sent")
    return typed == word


def _word_to_type(change: Change, out: Output) -> str:
    """Return what confirms an abort: the source bucket, or the account for several buckets."""
    words = {word_to_type(view, out.sanitise)[0] for view in change.views}
    if change.action is Action.ABORT and len(words) == 1:
        return words.pop()
    accounts = {view.account_id for view in change.views}
    if change.account_id:
        return out.account(change.account_id)
    return accounts.pop() if len(accounts) == 1 else "abort"


async def _send(
    change: Change, context: CommandContext
) -> tuple[Sequence[ActionRequest], Sequence[JobView]]:
    """Send a request for each part of the change; return their states, and unconfirmed jobs.

    With unconfirmed jobs, a request of ABORT_ALL that is POINTLESS has not been sent.
    """
    control = (await context.session.services()).control
    control.unlock()
    keys = [view.key for view in change.views]
    if change.action is Action.ABORT_ALL:
        outcome = await control.abort_all(change.account_id, keys)
        return [outcome.request], outcome.newcomers
    return await control.request(change.action, keys), ()


def _sorted(
    change: Change, requests: Sequence[ActionRequest], out: Output, *, single: bool
) -> tuple[Sequence[JobView], Sequence[Problem]]:
    """Report the requests that were sent; return their jobs, and the jobs of the others."""
    sent, problems = list[JobView](), list[Problem]()
    for part, request in zip(change.parts, requests, strict=True):
        error = request.error
        if request.state.open:
            no_answer = f" (no answer to it: {error})" if error else ""
            name = "" if single or len(part) > 1 else f"{part[0].key.job_id}: "
            out.note(f"{name}{request_words(request)}{no_answer}")
            sent += part
        elif request.state is RequestState.REFUSED:
            reached = error is not None and error.status is not None
            answered = reached and not isinstance(error, NotSent)
            code = exit_code(error.exit_code) if error is not None and answered else ExitCode.API
            problems.append((part[0], CliError(request_words(request), code)))
        else:
            problems.append((part[0], CliError(request_words(request))))
    return sent, problems


async def _shown(
    snapshots: AsyncIterator[Snapshot], change: Change, context: CommandContext
) -> tuple[Sequence[JobView], Sequence[Problem]]:
    """Poll until the action has ended for every job; return the changed jobs, and the others.

    A job whose change no poll has shown within `SHOWN_SECONDS` is one of the others.
    """
    action, views = change.action, change.views
    ends = {expected(action), "completed"} if action is Action.RESUME else {expected(action)}
    until = asyncio.get_running_loop().time() + SHOWN_SECONDS
    context.session.set_interval(POLL_SECONDS)
    over: dict[JobKey, bool] = {}
    if views:
        async for snapshot in snapshots:
            context.progress_output.update(snapshot)
            now = {view.key: view for view in snapshot.jobs}
            views = [now.get(view.key, replace(view, gone=True)) for view in views]
            over = {view.key: _is_over(view, action) for view in views}
            if all(over.values()) or asyncio.get_running_loop().time() >= until:
                break
    done = [v for v in views if over[v.key] and (action is Action.DELETE or v.status in ends)]
    late = [view for view in views if view not in done]
    if done and action is Action.ABORT_ALL:
        late = [view for view in late if not over[view.key]]
    unseen = f"{action} was sent, but no poll has shown it within {SHOWN_SECONDS:.0f} s"
    return done, [
        (
            view,
            CliError(f"{action} came too late: {view.word} meanwhile")
            if over[view.key]
            else CliError(unseen, ExitCode.API),
        )
        for view in late
    ]


def _is_over(view: JobView, action: Action) -> bool:
    """Return whether a job has the state that the action leads to, or can no longer have it."""
    if action is Action.DELETE:
        return view.gone
    return not view.live or view.status == expected(action)
