"""The `idle` command: whether a bucket is in use, as the gate before a clean-up.

Only a proof ends with 0: the plans of the history, two whole readings of every job list, and the
buckets of every job that has not ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import Job, Source, Target
from slurper_tui.cli.context import whole
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import migration, status_word
from slurper_tui.monitor.model.base import MOST_PAGES
from slurper_tui.monitor.model.job import JobView, Snapshot, default_order, has_ended
from slurper_tui.monitor.model.samples import Keeping
from slurper_tui.monitor.reports.records import job_record

if TYPE_CHECKING:
    from slurper_tui.cli.context import CommandContext
    from slurper_tui.cli.output import Output
    from slurper_tui.monitor.model.plans import Plan
    from slurper_tui.monitor.polling.budget import Metered

PLANS_SECONDS = 10.0
"""How long the plans of the history are waited for, in seconds."""

_FIELDS = ("accountId", "id", "status", "source", "target")


class Use(NamedTuple):
    """A job that uses the bucket; one that is planned has no id. role: source, target or both."""

    view: JobView
    role: str


async def idle(context: CommandContext) -> ExitCode:
    """Print the jobs that use the bucket; return IN_USE, or OK if it is certain that none does.

    Raises CliError if that is not certain.
    """
    bucket, out = context.options.bucket, context.out
    if not bucket.strip() or "/" in bucket:  # no job could be found for an address or a prefix
        raise CliError("--bucket needs the name of a bucket, without a prefix")
    # The plans come first: a job that one starts meanwhile is in the list, which is read later.
    plans, doubt = await _plans(context)
    snapshot = await whole(context)
    uses = [*_uses(bucket, snapshot.jobs), *_uses(bucket, _planned(plans))]
    doubt = doubt or _unread(snapshot, out) or _unclear(snapshot.jobs)
    if not uses and not doubt:
        again = await _second_reading(context)
        uses, doubt = [*_uses(bucket, again)], _unclear(again)
    if context.options.json and (uses or not doubt):
        records = [(job_record(use.view), use.role) for use in uses]
        chosen = [{**{n: record[n] for n in _FIELDS}, "role": role} for record, role in records]
        out.line(fmt.as_json(chosen))
    elif not context.options.json:
        for view, role in uses:
            job_id = view.job.id or fmt.DASH
            out.line(f"{job_id} {status_word(view)} {migration(view, out)} ({role})")
    if uses:
        return ExitCode.IN_USE
    if doubt:
        raise CliError(f"whether {bucket!r} is idle is not known: {doubt}", ExitCode.API)
    return ExitCode.OK


def _uses(bucket: str, views: Iterable[JobView]) -> Iterator[Use]:
    """Yield the jobs that have not ended and have the bucket as source or target."""
    for view in sorted(views, key=default_order):
        ends = {"source": view.job.source, "target": view.job.target}
        roles = [name for name, end in ends.items() if end is not None and end.bucket == bucket]
        if view.live and roles:
            yield Use(view, " and ".join(roles))


def _unread(snapshot: Snapshot, out: Output) -> str:
    """Return a clause about lists that may lack a job; "" if none does."""
    unread = [out.account(a.account_id) for a in snapshot.accounts if not (a.listed and a.proven)]
    return f"the list of jobs was not read whole (account {', '.join(unread)})" if unread else ""


def _unclear(views: Sequence[JobView]) -> str:
    """Return a clause about a job that has not ended and may use any bucket; "" without one."""
    for view in views:
        ends = (view.job.source, view.job.target)
        if view.live and not all(end is not None and end.bucket for end in ends):
            return f"the API does not tell both buckets of job {view.job.id}"
    return ""


async def _plans(context: CommandContext) -> tuple[Sequence[Plan], str]:
    """Return the plans of the history, and a clause if they are not known, else ""."""
    recorder = context.session.start().history.recorder
    view = recorder.view
    if view.keeping is Keeping.ASKED_OFF:
        context.out.note("with --no-history the plans of the history are not looked at")
        return (), ""
    plans: Sequence[Plan] | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(PLANS_SECONDS):
            plans = await recorder.notes.written_plans(context.accounts)
    note = "" if view.keeping is Keeping.SHARED else view.note
    if plans is None or note:
        return plans or (), f"the plans cannot be read ({note or 'damaged or locked'})"
    return plans, ""


def _planned(plans: Sequence[Plan]) -> Iterator[JobView]:
    """Yield the jobs that the plans have yet to start, as views."""
    for plan in plans:
        for draft in (step.draft for step in plan.to_start):
            source = Source(draft.vendor, draft.bucket, draft.path_prefix, draft.endpoint)
            job = Job(status="planned", source=source, target=Target("r2", draft.target))
            yield JobView(plan.account_id, job, status=job.status)


async def _second_reading(context: CommandContext) -> Sequence[JobView]:
    """Read every list again, because one reading is no proof that a job is absent.

    A list may be empty once by mistake, and a job that is deleted meanwhile shifts the pages.
    Raises CliError.
    """
    metered = context.session.start().metered
    views = []
    for account_id in context.accounts:
        try:
            jobs = await _all_jobs(metered, account_id)
        except ApiError as error:
            what = f"the list of jobs was not read twice: {error}"
            raise CliError(what, ExitCode.API) from None
        views += [JobView(account_id, job, job.status, ended=has_ended(job)) for job in jobs]
    return views


async def _all_jobs(metered: Metered, account_id: str) -> Sequence[Job]:
    """Return every row of an account's list. Raises ApiError, and CliError without an end."""
    rows: list[Job] = []
    seen: set[str | None] = set()
    for _ in range(MOST_PAGES):
        own = metered.of(account_id)
        page = await own.at_once(partial(own.api.list_jobs, account_id, offset=len(rows)))
        ids = {job.id for job in page}
        if ids <= seen:
            return rows
        rows += page
        seen |= ids
    raise CliError("the list of jobs has no end", ExitCode.API)
