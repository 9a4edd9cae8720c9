"""The `jobs`, `progress` and `watch` commands.

`jobs` and `progress` poll once and print. `watch` prints a line for each change; the monitor
without a terminal does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

from slurper_tui import format as fmt
from slurper_tui.cli.context import CommandContext, job_prefixes, resolve
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import (
    Output,
    amount,
    distinct_width,
    failed,
    migration,
    percent,
    record_line,
    remains,
    source_name,
    target_name,
    to_ascii,
)
from slurper_tui.eta import finish
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import (
    JobView,
    Snapshot,
    State,
    default_order,
    shown_forecast,
    shown_rate,
)
from slurper_tui.monitor.reports.records import job_record
from slurper_tui.monitor.reports.wording import failing_words


async def jobs(context: CommandContext) -> ExitCode:
    """Print the jobs with one of the statuses of --status; all jobs without it.

    As JSON, print nothing if no job list could be read: an empty array would mean "no jobs".
    """
    options = context.options
    out, statuses = context.out, options.status
    snapshot = await whole(context)
    words = {_word(status) for status in statuses}
    views = sorted(
        (
            view
            for view in snapshot.jobs
            if not words
            or words & {_word(text) for text in (view.status, view.job.status, view.word) if text}
        ),
        key=default_order,
    )
    has_answer = bool(snapshot.jobs) or any(account.listed for account in snapshot.accounts)
    if statuses and has_answer and not views:
        out.note(f"no job's status is {' or '.join(statuses)}")
    if options.json and has_answer:
        out.line(fmt.as_json([job_record(view) for view in views]))
    elif not options.json:
        _print_table(views, out)
    return ExitCode.API if failed(snapshot, snapshot.jobs) else ExitCode.OK


async def whole(context: CommandContext) -> Snapshot:
    """Return the first complete snapshot: every request was answered or has failed."""
    async with aclosing(context.session.snapshots()) as snapshots:  # type: ignore[type-var]  # a generator
        async for snapshot in snapshots:
            context.progress_output.update(snapshot)
            if snapshot.complete:
                return snapshot
    raise AssertionError("the monitor ended by itself")


def needed(statuses: Sequence[str]) -> Callable[[JobView], bool]:
    """Return a predicate: whether a listed job must be polled to find jobs of these statuses.

    An ended job keeps its listed status, so it is polled only if one of the statuses can be a
    display word that depends on its counts, such as `completed !` or `verified`.
    """
    words = [_word(status) for status in statuses]

    def is_needed(view: JobView) -> bool:
        if not words or not view.ended:
            return True
        listed = _word(view.status or "")
        return any(word.startswith(listed) or (word, listed) == _VERIFIED for word in words)

    return is_needed


_VERIFIED = ("verified", "completed")


def _word(text: str) -> str:
    """Normalise a status for comparison: `Completed !` becomes `completed!`."""
    return "".join(text.casefold().split())


def _print_table(views: Sequence[JobView], out: Output) -> None:
    """Print aligned rows; names come last, since they have any length. A header on a terminal."""
    several = len({view.account_id for view in views}) > 1
    rows: list[Sequence[str]] = []
    for view in views:
        cells = (
            view.job.id or fmt.DASH,
            "".join(view.word.split()) or fmt.DASH,
            amount(view),
            percent(view),
            fmt.DASH if view.counts.failed is None else str(view.counts.failed),
            fmt.rate(shown_rate(view)),
            remains(view, out, short=True),
            *((view.account_id,) if several else ()),
            migration(view, out),
        )
        rows.append([out.sanitise(cell) for cell in cells])
    if out.on_terminal and rows:
        width = distinct_width([view.key.job_id for view in views])
        rows = [(row[0][:width], *row[1:]) for row in rows]
        head = ("id", "status", "done/objects", "%", "failed", "per s", "eta")
        rows.insert(0, (*head, *(("account",) if several else ()), "migration"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = tuple(
            cell.ljust(width) if column in _LEFT_ALIGNED else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row[:-1], widths, strict=False))
        )
        out.line("  ".join((*cells, row[-1])))


_LEFT_ALIGNED = (0, 1, 7)
"""The columns with words: id, status and account."""


async def progress(context: CommandContext) -> ExitCode:
    """Print one job. Raises CliError when the prefix is not unique."""
    options = context.options
    snapshot = await whole(context)
    view = found(options.job, snapshot)
    if options.json:
        context.out.line(record_line(view))
    else:
        _print_sheet(view, context)
    return ExitCode.API if failed(snapshot, (view,)) else ExitCode.OK


async def chosen(context: CommandContext) -> JobView:
    """Return the job on the command line. Raises CliError when its prefix is not unique."""
    return found(context.options.job, await whole(context))


def found(job: str, snapshot: Snapshot) -> JobView:
    """Return the job with this id prefix. Raises CliError when none or several match.

    While a list is missing only a full id is accepted, since a prefix might be ambiguous.
    """
    unlisted = any(not account.listed for account in snapshot.accounts)
    if unlisted and not any(view.key.job_id == job for view in snapshot.jobs):
        raise CliError(
            f"the list of jobs could not be read, so {job!r} was not found", ExitCode.API
        )
    [key] = resolve([job], snapshot.jobs)
    return next(view for view in snapshot.jobs if view.key == key)


_COUNTS = ("transferred", "skipped", "failed", "remaining")


def _print_sheet(view: JobView, context: CommandContext) -> None:
    """Print one job as `name  value` lines."""
    out, stalled, forecast = context.out, view.stalled_since, shown_forecast(view)
    ends = ""
    if forecast is not None:
        low, high, now = forecast.low, forecast.high, forecast.made_at
        ends = to_ascii(finish(low, high, now, context.zone, at_least=forecast.at_least), out)
    counts = {}
    for name in _COUNTS:
        count = getattr(view.counts, name)
        share = fmt.share(count, view.counts.objects)
        counts[name] = fmt.count(count) if share == fmt.DASH else f"{fmt.count(count)}  {share}"
    rows = {
        "id": view.job.id or fmt.DASH,
        "account": view.account_id,
        "status": view.word,
        "phase": view.phase or fmt.DASH,
        "source": source_name(view),
        "target": target_name(view),
        "created": view.job.created_at or fmt.DASH,
        "finished": view.job.finished_at or fmt.DASH,
        "done": amount(view),
        "percent": percent(view),
        **counts,
        "rate": fmt.rate(shown_rate(view)),
        "eta": remains(view, out),
        "finish": ends or fmt.DASH,
        **({"reason": to_ascii(view.reason, out)} if view.reason else {}),
        **({} if stalled is None else {"stalled": f"since {fmt.iso(stalled, context.zone)}"}),
        **({"failing": failing_words(view)} if view.failing else {}),
        "verdict": to_ascii(view.verdict.text, out) if view.verdict else fmt.DASH,
    }
    for name, value in rows.items():
        out.line(f"{name:<12} {out.sanitise(value)}")


DEMO_ROUNDS = 3
"""Polling rounds after which `watch` ends in the demo without a terminal."""

END_SECONDS = 600.0
"""A job in an undocumented status without an end time is treated as ended after this many seconds
without a change."""

_END_WORDS = f"{END_SECONDS / 60:.0f} min"

Printed = tuple[str | None, str | None, int | None, int | None, bool]
"""Status, phase, whole percent, failed count, treated as ended: a change prints a line."""


async def watch(context: CommandContext) -> ExitCode:
    """Print each change; with jobs on the command line, until all of them have ended.

    Raises CliError when a prefix is not unique.
    """
    options = context.options
    out, prefixes = context.out, job_prefixes(options)
    rounds = DEMO_ROUNDS if options.demo and not out.on_terminal else None
    printed: dict[JobKey, Printed] = {}
    undocumented: set[JobKey] = set()
    async with aclosing(context.session.snapshots()) as snapshots:  # type: ignore[type-var]  # a generator
        async for snapshot in snapshots:
            context.progress_output.update(snapshot)
            if not context.session.resolved:
                continue
            for view in sorted(snapshot.jobs, key=default_order):
                ended = _is_taken_as_ended(view)
                new = (view.word, view.phase, view.percent, view.counts.failed, ended)
                if printed.get(view.key) != new and _is_current(view):
                    printed[view.key] = new
                    out.line(record_line(view) if options.json else _line(view, snapshot, context))
            if prefixes:
                _note_undocumented(undocumented, snapshot, out)
                if all(
                    (not view.live or _is_taken_as_ended(view)) and _is_current(view)
                    for view in snapshot.jobs
                ):
                    return verdict(snapshot.jobs)
            if rounds is not None and snapshot.rounds >= rounds:
                return ExitCode.OK
    raise AssertionError("the monitor ended by itself")


def _line(view: JobView, snapshot: Snapshot, context: CommandContext) -> str:
    time, names = fmt.iso(snapshot.taken_at, context.zone), migration(view, context.out)
    line = f"{time} {names} {view.word} {amount(view)} {percent(view)}"
    if not _is_taken_as_ended(view):
        return line
    return f"{line} ({view.word}, no change for {_END_WORDS}: taken as its end)"


def _note_undocumented(noted: set[JobKey], snapshot: Snapshot, out: Output) -> None:
    """Report once per job that its undocumented status will be treated as its end."""
    for view in snapshot.jobs:
        if view.unchanged_since is not None and view.key not in noted:
            noted.add(view.key)
            out.note(
                f"job {view.job.id}: {view.word!r} is not a documented status and no end is told:"
                f" taken as its end after {_END_WORDS} without a change"
            )


def _is_taken_as_ended(view: JobView) -> bool:
    if view.unchanged_since is None or view.as_of is None:
        return False
    return view.as_of - view.unchanged_since >= END_SECONDS


def _is_current(view: JobView) -> bool:
    """Whether the job's state is known: its counts were read in this run, or it is gone."""
    return (view.as_of is not None and not view.from_history) or view.gone


def verdict(views: Sequence[JobView]) -> ExitCode:
    """Return the exit code of ended jobs; a lost job takes precedence over lost objects.

    A job that ended in an undocumented status counts as lost, like an aborted job.
    """
    if any(view.gone or view.state in {State.ABORTED, State.OTHER} for view in views):
        return ExitCode.JOB_LOST
    clean = all(view.verdict is not None and view.verdict.clean for view in views)
    return ExitCode.OK if clean else ExitCode.OBJECTS_LOST
