"""The `jobs`, `progress`, `watch` and `wait` commands.

`jobs` and `progress` poll once and print. `watch` prints a line for each change; the monitor
without a terminal does the same. `wait` prints only how the jobs ended.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import Conflict, NotFound, Refused
from slurper_tui.cli.context import (
    CommandContext,
    found,
    is_one_job,
    seconds_option,
    selection_of,
    unstarted,
    unstarted_jobs,
    whole,
)
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
    shorten,
    source_name,
    status_word,
    target_name,
    to_ascii,
)
from slurper_tui.config import nearest
from slurper_tui.eta_format import finish
from slurper_tui.monitor.model.job import (
    JobView,
    Snapshot,
    State,
    default_order,
    shown_forecast,
    shown_rate,
)
from slurper_tui.monitor.model.verdict import doubt_words, remaining_word
from slurper_tui.monitor.reports.migrations import MOST_NAMES, Migration, folded
from slurper_tui.monitor.reports.records import job_record, migration_record
from slurper_tui.monitor.reports.wording import (
    NO_JOBS,
    counted_words,
    failing_words,
    if_resumed_words,
    spoken,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.events import RetryLink


class Row(NamedTuple):
    """A line of `jobs`: a job, or a migration with the sums of its jobs as its view."""

    view: JobView
    migration: Migration | None = None


async def jobs(context: CommandContext) -> ExitCode:
    """Print the jobs, or with --migrations the migrations, that have one of the statuses.

    As JSON, print nothing if no job list could be read: an empty array would mean "no jobs".
    """
    options, out = context.options, context.out
    columns = _columns(options)
    snapshot = await whole(context)
    rows = [Row(view) for view in snapshot.jobs]
    if options.migrations:
        migrations = folded(snapshot.jobs, snapshot.links, snapshot.unstarted)
        rows = [Row(migration.view, migration) for migration in migrations]
    words = {_word(status) for status in options.status}
    if words:
        rows = [row for row in rows if words & _words(row.view)]
    rows.sort(key=lambda row: default_order(row.view))
    has_answer = bool(snapshot.jobs) or any(account.listed for account in snapshot.accounts)
    if words and has_answer and not rows:
        what = "migration" if options.migrations else "job"
        out.note(f"no {what}'s status is {' or '.join(options.status)}")
    elif has_answer and not rows and not options.json:
        out.note(NO_JOBS)
    if options.json and has_answer:
        out.line(
            fmt.as_json(
                [
                    migration_record(row.migration) if row.migration else job_record(row.view)
                    for row in rows
                ]
            )
        )
    elif not options.json and rows:
        _print_table(rows, columns, out, options)
    return ExitCode.API if failed(snapshot, snapshot.jobs) else ExitCode.OK


def needed(options: argparse.Namespace) -> Callable[[JobView], bool]:
    """Return a predicate: whether a listed job must be polled to find jobs of the statuses.

    An ended job keeps its listed status, so it is polled only if one of the statuses can be a
    display word that depends on its counts, such as `completed !`. The sums of migrations need
    every job. Raises CliError for an unknown status.
    """
    words = [_word(status) for status in options.status]
    known = {_FAILED: _FAILED, **{_word(state): str(state) for state in State}}
    for status, word in zip(options.status, words, strict=True):
        if word not in known:
            raise CliError(
                f"--status: there is no status {status!r}{nearest(word, known)}; "
                f"the statuses are: {', '.join(known.values())}"
            )

    def is_needed(view: JobView) -> bool:
        if not words or options.migrations or not view.ended or _FAILED in words:
            return True
        listed = _word(view.status or "")
        return any(word.startswith(listed) for word in words)

    return is_needed


def _word(text: str) -> str:
    """Normalise a status for comparison: `Completed !` becomes `completed!`."""
    return "".join(text.casefold().split())


def _words(view: JobView) -> set[str]:
    """Return the words for a job's status: the API's, and those on the screen."""
    failed = _FAILED if view.counts.failed else None
    texts = (view.status, view.job.status, view.word, view.state, failed)
    return {_word(text) for text in texts if text}


_FAILED = "failed"
"""Selects the jobs with failed objects, as `status:failed` does on the screen."""


class Look(NamedTuple):
    """How cells are written.

    full: numbers in full digits. id, account: their characters. room: characters for the last
    column; None if it is not limited.
    """

    out: Output
    full: bool
    id: int
    account: int
    room: int | None = None

    def number(self, count: int | None, *, at_least: bool = False) -> str:
        """Return a count, in full or with three digits, with a plus for a lower bound."""
        text = str(count) if self.full and count is not None else fmt.short_count(count)
        return f"{text}+" if at_least and count is not None else text


class Column(NamedTuple):
    """A column of `jobs`. text: returns its cell. left: aligned to the left."""

    head: str
    text: Callable[[Row, Look], str]
    left: bool = False


def _jobs_in(row: Row) -> str:
    if row.migration is None:
        return "1"
    more = row.migration.unstarted
    return f"{len(row.migration.jobs)}+{more}" if more else str(len(row.migration.jobs))


def _migration(row: Row, look: Look) -> str:
    """Return `source → target`; where both do not fit, the middle of the longer one is cut."""
    whole = migration(row.view, look.out)
    if look.room is None or len(whole) <= look.room:
        return whole
    arrow = f" {look.out.arrow} "
    source, target = source_name(row.view), target_name(row.view)
    half = (look.room - len(arrow)) // 2
    target = shorten(target, max(half, look.room - len(arrow) - len(source)), look.out)
    source = shorten(source, look.room - len(arrow) - len(target), look.out)
    return f"{source}{arrow}{target}"


def _done(row: Row, look: Look) -> str:
    """Return `done/objects`; a dash if neither is known."""
    view = row.view
    if view.counts.done is None and view.counts.objects is None:
        return fmt.DASH
    objects = look.number(view.counts.objects, at_least=view.total_at_least)
    return f"{look.number(view.counts.done)}/{objects}"


COLUMNS: Mapping[str, Column] = {
    "id": Column("id", lambda row, look: (row.view.job.id or fmt.DASH)[: look.id], left=True),
    "jobs": Column("jobs", lambda row, look: _jobs_in(row)),
    "account": Column(
        "account",
        lambda row, look: look.out.account(row.view.account_id)[: look.account],
        left=True,
    ),
    "status": Column("status", lambda row, look: status_word(row.view), left=True),
    "phase": Column("phase", lambda row, look: row.view.phase or fmt.DASH, left=True),
    "done/objects": Column("done/objects", _done),
    "done": Column("done", lambda row, look: look.number(row.view.counts.done)),
    "objects": Column(
        "objects",
        lambda row, look: look.number(row.view.counts.objects, at_least=row.view.total_at_least),
    ),
    "percent": Column("%", lambda row, look: percent(row.view)),
    "transferred": Column(
        "transferred", lambda row, look: look.number(row.view.counts.transferred)
    ),
    "skipped": Column("skipped", lambda row, look: look.number(row.view.counts.skipped)),
    "failed": Column("failed", lambda row, look: look.number(row.view.counts.failed)),
    "remaining": Column("remaining", lambda row, look: look.number(row.view.counts.remaining)),
    "rate": Column("/s", lambda row, look: fmt.rate(shown_rate(row.view))),
    "eta": Column("eta", lambda row, look: remains(row.view, look.out, short=True)),
    "created": Column("created", lambda row, look: row.view.job.created_at or fmt.DASH, left=True),
    "finished": Column(
        "finished", lambda row, look: row.view.job.finished_at or fmt.DASH, left=True
    ),
    "source": Column("source", lambda row, look: source_name(row.view), left=True),
    "target": Column("target", lambda row, look: target_name(row.view), left=True),
    "migration": Column("migration", _migration, left=True),
    "verdict": Column(
        "verdict",
        lambda row, look: (
            to_ascii(row.view.verdict.text, look.out) if row.view.verdict else fmt.DASH
        ),
        left=True,
    ),
}
"""The columns of `jobs`, by the names that --columns takes."""

_USUAL = ("status", "done/objects", "percent", "failed", "rate", "eta", "migration")

_LEAST_WIDTH = {"rate": 100, "eta": 72, "id": 64, "jobs": 64, "done/objects": 54}
"""Columns that a narrower terminal leaves out, unless --columns or --wide asks for them."""

_LEAST_NAME = 12
"""Characters of the last column that are left in a narrow terminal."""


def _columns(options: argparse.Namespace) -> Sequence[str]:
    """Return the names of the columns. Raises CliError for an unknown name."""
    if options.columns is None:
        return ("jobs" if options.migrations else "id", *_USUAL)
    if options.json:
        raise CliError("--columns is for lines: --json has every field")
    names = [name.strip().casefold() for name in options.columns.split(",")]
    for name in names:
        if name not in COLUMNS:
            raise CliError(
                f"--columns: there is no column {name!r}{nearest(name, COLUMNS)}; "
                f"the columns are: {', '.join(COLUMNS)}"
            )
    return names


def _print_table(
    rows: Sequence[Row], names: Sequence[str], out: Output, options: argparse.Namespace
) -> None:
    """Print aligned rows, on a terminal below a header and cut to its width.

    There the numbers have full digits if no name has to be cut for them. In a pipe nothing is cut.
    """
    whole = {row.view.account_id for row in rows}
    accounts = {out.account(id) for id in whole}
    account = distinct_width([*accounts], whole=options.wide or accounts != whole)
    if len(accounts) == 1 or "account" in names:
        account = 0
    width = None if options.wide else out.width
    if width is not None and options.columns is None:
        left = width - account
        names = [name for name in names if left >= _LEAST_WIDTH.get(name, 0)]
    if account:
        names = (*names[:-1], "account", names[-1])
    ids = distinct_width([row.view.key.job_id for row in rows], whole=options.wide)
    look = Look(out, True, ids, account)
    table = _Table(rows, [COLUMNS[name] for name in names], look)
    if width is not None and table.width > width:
        table = _Table(rows, table.columns, look._replace(full=False))
        room = max(_LEAST_NAME, width - table.width + table.widths[-1])
        if table.width > width and table.columns[-1].left:
            table = _Table(rows, table.columns, look._replace(full=False, room=room))
    for line in table.lines():
        out.line(line)


class _Table:
    """The cells of rows, below a header on a terminal. widths: characters of each column."""

    def __init__(self, rows: Sequence[Row], columns: Sequence[Column], look: Look) -> None:
        self.columns = columns
        head = [[column.head for column in columns]] if look.out.on_terminal else []
        self._cells = head + [
            [look.out.sanitise(column.text(row, look)) for column in columns] for row in rows
        ]
        if look.room is not None:
            for cells in self._cells:
                cells[-1] = shorten(cells[-1], look.room, look.out)
        self.widths = [max(map(len, cells)) for cells in zip(*self._cells, strict=True)]
        # One blank is enough between two numbers, which are aligned to the right.
        pairs = pairwise(columns)
        self._gaps = ["", *("  " if one.left or other.left else " " for one, other in pairs)]

    @property
    def width(self) -> int:
        """The characters of the longest line."""
        return sum(self.widths) + sum(map(len, self._gaps))

    def lines(self) -> Iterator[str]:
        """Yield the aligned lines."""
        for cells in self._cells:
            aligned = [
                cell.ljust(width) if column.left else cell.rjust(width)
                for column, cell, width in zip(self.columns, cells, self.widths, strict=True)
            ]
            yield "".join(map(add, self._gaps, aligned)).rstrip()


async def progress(context: CommandContext) -> ExitCode:
    """Print everything about each job. Raises CliError when a name is not unique."""
    options = context.options
    snapshot = await whole(context)
    views = found(selection_of(options), snapshot, context.names)
    if options.json:
        records = [job_record(view) for view in views]
        context.out.line(fmt.as_json(records[0] if is_one_job(options) else records))
    else:
        for place, view in enumerate(views):
            if place:
                context.out.line("")
            _print_sheet(view, context)
    return ExitCode.API if failed(snapshot, views) else ExitCode.OK


_COUNTS = ("transferred", "skipped", "failed", "remaining")


def _print_sheet(view: JobView, context: CommandContext) -> None:
    """Print one job as `name  value` lines."""
    out, since, forecast = context.out, view.since, shown_forecast(view)
    if_resumed = if_resumed_words(view).partition(": ")[2]
    counted = counted_words(view, view.as_of or 0.0, context.zone)
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
        "account": context.out.account(view.account_id),
        "status": view.word,
        "phase": view.phase or fmt.DASH,
        "source": source_name(view),
        "target": target_name(view),
        "created": view.job.created_at or fmt.DASH,
        "finished": view.job.finished_at or fmt.DASH,
        "done": amount(view),
        **({"total": counted} if counted else {}),
        "percent": percent(view),
        **counts,
        "rate": fmt.rate(shown_rate(view)),
        "eta": remains(view, out),
        "finish": ends or fmt.DASH,
        **({"reason": to_ascii(view.reason, out)} if view.reason else {}),
        **({"if resumed": to_ascii(if_resumed, out)} if if_resumed else {}),
        **({} if since is None else {view.word: f"since {fmt.iso(since, context.zone)}"}),
        **({"failures": failing_words(view)} if view.failing else {}),
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

    It waits for the log of a job that skipped objects, because its exit code depends on it.
    Raises CliError when a name is not unique.
    """
    options = context.options
    out, named = context.out, not selection_of(options).everything
    is_brief = options.demo and not out.on_terminal and math.isinf(context.end)
    rounds = DEMO_ROUNDS if is_brief else None
    printed: dict[JobKey, Printed] = {}
    undocumented: set[JobKey] = set()

    def take(snapshot: Snapshot) -> ExitCode | None:
        if not context.session.resolved:
            return None
        for view in _changed(snapshot, printed):
            out.line(_change_line(view, snapshot, context))
        _notify(context, snapshot)
        if named:
            _note_undocumented(undocumented, snapshot, out)
            if _all_ended(snapshot, context):
                _note_unread(snapshot.jobs, out)
                return verdict(snapshot.jobs, snapshot.links)
        over = snapshot.taken_at >= context.end or (rounds and snapshot.rounds >= rounds)
        return ExitCode.OK if over else None

    return await context.until(take)


def _change_line(view: JobView, snapshot: Snapshot, context: CommandContext) -> str:
    """Return what `watch` prints of a change: JSON, a sentence for a screen reader, or a line."""
    if context.options.json:
        return record_line(view)
    if context.options.plain:
        return spoken(view)
    return _line(view, snapshot, context)


def _notify(context: CommandContext, snapshot: Snapshot) -> None:
    """Notify of what changed in the ways that the user has configured.

    The end of a selected job is not one of many because of planned jobs that were not selected.
    """
    if context.notifier is not None:
        selected = unstarted(selection_of(context.options), snapshot)
        context.notifier.follow(replace(snapshot, unstarted=selected))


def _changed(snapshot: Snapshot, printed: dict[JobKey, Printed]) -> Iterator[JobView]:
    """Yield the jobs that changed since they were printed, in the default order.

    printed: what was last printed of each job; updated.
    """
    for view in sorted(snapshot.jobs, key=default_order):
        ended = _is_taken_as_ended(view)
        new = (view.word, view.phase, view.percent, view.counts.failed, ended)
        if printed.get(view.key) != new and _is_current(view):
            printed[view.key] = new
            yield view


async def wait(context: CommandContext) -> ExitCode:
    """Print nothing until every named job has ended, then a line for each; see `verdict`.

    An aborted job and one that is gone have ended. With --progress, print each change to stderr.
    Without a name, wait for every job that is live or planned. Raises CliError when a name is not
    unique, when the time of --timeout is over, or when the API refuses from the start.
    """
    options = context.options
    limit = None if options.limit is None else seconds_option("--timeout", options.limit)
    most_failed = _most_failed(options.max_failed)
    last: list[Snapshot] = []
    try:
        async with asyncio.timeout(limit):
            snapshot = await _ended(context, last, most_failed)
    except TimeoutError:
        state = _left_words(last[-1], context) if last else "the state of the jobs is not known"
        raise CliError(f"waited for {limit:g} s; {state}", ExitCode.TIMED_OUT) from None
    for view in sorted(snapshot.jobs, key=default_order):
        line = record_line(view) if options.json else _line(view, snapshot, context)
        context.out.line(line)
    return verdict(snapshot.jobs, snapshot.links, most_failed)


def _most_failed(text: str | None) -> int:
    """Return the value of --max-failed; 0 if not given. Raises CliError."""
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise CliError(f"--max-failed must be a whole number of objects, not {text!r}")
    return int(text)


def _left_words(snapshot: Snapshot, context: CommandContext) -> str:
    """Return what was waited for in vain: `not ended: photos → media; 2 planned jobs not started`.

    snapshot: of the selected jobs alone.
    """
    left = [view for view in snapshot.jobs if view.live]
    names = ", ".join(migration(view, context.out) for view in left[:MOST_NAMES])
    more = f" and {len(left) - MOST_NAMES} more" if len(left) > MOST_NAMES else ""
    words = [f"not ended: {names}{more}"] if left else []
    if number := unstarted_jobs(selection_of(context.options), snapshot):
        words.append(f"{fmt.count(number)} planned {_jobs(number)} not started")
    return "; ".join(words) or "the jobs have ended, but not every log was read"


def _jobs(number: int) -> str:
    return "job" if number == 1 else "jobs"


def _note_waiting(snapshot: Snapshot, context: CommandContext) -> None:
    """Report planned jobs, which another program starts, or that no job is waited for."""
    if number := unstarted_jobs(selection_of(context.options), snapshot):
        context.out.note(
            f"waiting for {fmt.count(number)} planned {_jobs(number)} too: the monitor or "
            "create --go-on starts them"
        )
    elif not snapshot.jobs:
        context.out.note("no job is running, paused or planned: nothing to wait for")


async def _ended(context: CommandContext, last: list[Snapshot], most_failed: int) -> Snapshot:
    """Poll until the jobs have ended; return a snapshot of these jobs alone.

    last: receives the latest of these snapshots, from the first complete one on. most_failed:
    number of failed objects that is tolerated.
    """
    selection = selection_of(context.options)
    waited_for: set[JobKey] = set()
    undocumented: set[JobKey] = set()
    printed: dict[JobKey, Printed] = {}

    def take(snapshot: Snapshot) -> Snapshot | None:
        _check_refusal(snapshot)
        if not context.session.resolved:
            return None
        if selection.everything:
            if not snapshot.caught_up:
                return None
            waited_for.update(view.key for view in snapshot.jobs if view.live)
            views = tuple(view for view in snapshot.jobs if view.key in waited_for)
            snapshot = replace(snapshot, jobs=views)
        if not last:
            _note_waiting(snapshot, context)
        last[:] = [snapshot]
        _notify(context, snapshot)
        context.session.look_at(None, frozenset(view.key for view in snapshot.jobs))
        _note_undocumented(undocumented, snapshot, context.out)
        if context.options.progress:
            for view in _changed(snapshot, printed):
                context.out.narrate(_line(view, snapshot, context))
        if not _all_ended(snapshot, context, most_failed):
            return None
        _note_unread(snapshot.jobs, context.out)
        return snapshot

    return await context.until(take)


def _check_refusal(snapshot: Snapshot) -> None:
    """Raise CliError if every account's first answer is a refusal, as for a wrong account id.

    Waiting would not end it; an outage or a limit is waited for.
    """
    errors = [
        account.problem.error
        for account in snapshot.accounts
        if account.problem is not None and not account.answered
    ]
    refusals = [error for error in errors if isinstance(error, NotFound | Conflict | Refused)]
    if refusals and len(refusals) == len(snapshot.accounts):
        words = "; ".join(dict.fromkeys(map(str, refusals)))
        raise CliError(f"the API refuses: {words}", ExitCode.API)


def _all_ended(snapshot: Snapshot, context: CommandContext, most_failed: int = 0) -> bool:
    """Whether no job is live, no log is to be read, and no plan has a selected job to start."""
    for view in snapshot.jobs:
        if (view.live and not _is_taken_as_ended(view)) or not _is_current(view):
            return False
    if unstarted_jobs(selection_of(context.options), snapshot):
        return False
    return not any(context.session.awaits_log(view, most_failed) for view in snapshot.jobs)


def _note_unread(views: Sequence[JobView], out: Output) -> None:
    """Report the jobs of which it is not known whether their skipped objects are lost."""
    for view in views:
        if view.state is State.COMPLETED_UNREAD and view.verdict is not None:
            out.note(f"job {view.job.id}: {to_ascii(view.verdict.text, out)}")


def _line(view: JobView, snapshot: Snapshot, context: CommandContext) -> str:
    """Return `TIME source → target status done/objects percent`, and what else is known.

    While it runs: the failed objects, the rate and the ETA. Afterwards: what is missing.
    """
    out = context.out
    words = [
        fmt.iso(snapshot.taken_at, context.zone),
        migration(view, out),
        status_word(view),
        amount(view),
        percent(view),
    ]
    lost = view.verdict
    missing = (
        (view.counts.failed, "failed"),
        (lost and lost.not_copied, "not copied"),
        (lost and lost.unaccounted, remaining_word(view.status)),
    )
    words += [f"{number} {what}" for number, what in missing if number]
    words += doubt_words(lost.unread, lost.unexplained) if lost else ()
    if (rate := shown_rate(view)) is not None:
        words.append(f"{fmt.rate(rate)}/s")
    if shown_forecast(view) is not None:
        words.append(f"ETA {remains(view, out)}")
    if _is_taken_as_ended(view):
        words.append(f"({view.word}, no change for {_END_WORDS}: treated as its end)")
    return " ".join(words)


def _note_undocumented(noted: set[JobKey], snapshot: Snapshot, out: Output) -> None:
    """Report once per job that its undocumented status will be treated as its end."""
    for view in snapshot.jobs:
        if view.unchanged_since is not None and view.key not in noted:
            noted.add(view.key)
            out.note(
                f"job {view.job.id}: {view.word!r} is not a documented status, and there is no end "
                f"time: treated as its end after {_END_WORDS} without a change"
            )


def _is_taken_as_ended(view: JobView) -> bool:
    if view.unchanged_since is None or view.as_of is None:
        return False
    return view.as_of - view.unchanged_since >= END_SECONDS


def _is_current(view: JobView) -> bool:
    """Whether the job's state is known: its counts were read in this run, or it is gone."""
    return (view.as_of is not None and not view.from_history) or view.gone


def verdict(
    views: Sequence[JobView], links: Sequence[RetryLink] = (), most_failed: int = 0
) -> ExitCode:
    """Return the exit code of ended jobs; a lost job takes precedence over lost objects.

    The jobs of a migration are judged together, so that objects that a retry has copied count as
    copied. Skipped objects count as lost unless a log proves that they are in the target. A job
    that ended in an undocumented status counts as lost, like an aborted job. most_failed: number of
    failed objects, over all jobs, that is tolerated.
    """
    ends = [group.view if len(group.jobs) > 1 else group.jobs[0] for group in folded(views, links)]
    if any(view.gone or view.state in {State.ABORTED, State.OTHER} for view in ends):
        return ExitCode.JOB_LOST
    verdicts = [view.verdict for view in ends]
    clean = all(
        one is not None and one.failed is not None and replace(one, failed=0).clean
        for one in verdicts
    )
    failures = sum(one.failed or 0 for one in verdicts if one is not None)
    return ExitCode.OK if clean and failures <= most_failed else ExitCode.OBJECTS_LOST
