"""The `logs` and `failures` commands.

`logs` prints every row of a job's log. `failures` reads the whole log and prints the failed and
uncopied objects by reason and prefix, or their exact keys.
"""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError, RateLimited
from slurper_tui.api.models import LogRow, is_exact
from slurper_tui.cli import prompts
from slurper_tui.cli.context import chosen, is_one_job
from slurper_tui.cli.errors import CliError, ExitCode, api_failed
from slurper_tui.cli.output import Output, distinct_width
from slurper_tui.monitor.logs.reader import FailingObjects, is_transient
from slurper_tui.monitor.model.logs import (
    BROKE_TYPE,
    FAILED_TYPE,
    Cause,
    FailureGroup,
    FailuresView,
    LogView,
    reason_of,
)
from slurper_tui.monitor.model.plans import MOST_KEYS
from slurper_tui.monitor.polling.budget import BLOCK_SECONDS
from slurper_tui.monitor.reports.migrations import migration_of
from slurper_tui.monitor.reports.retries import (
    FoundAfterAll,
    keys_left,
    less_those_there,
    looked_up,
    number_retried,
)
from slurper_tui.monitor.reports.wording import (
    LOG_GAPS,
    WAITING,
    after_all_words,
    failed_words,
    group_words,
    inexact_words,
    job_names,
    keys_contain,
    left_out_words,
    missing_keys,
    next_step,
    price_words,
    rclone_line,
    retried_words,
    row_count_words,
    skipped_words,
    unread_words,
)

if TYPE_CHECKING:
    from slurper_tui.api.objects import ListedObject
    from slurper_tui.cli.context import CommandContext
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.job import JobView


async def logs(context: CommandContext) -> ExitCode:
    """Print every row of the logs, newest first; with --follow oldest first, then new rows."""
    options = context.options
    views = await chosen(context)
    patience = None if options.follow else context.progress_output.patience
    rows = LogRows(
        context.out,
        context.zone,
        options.type,
        as_json=options.json,
        patience=patience,
        ids=[view.key.job_id for view in views],
    )
    if options.follow:
        context.out.note("the log is read to its end first: rows are printed oldest first")
    services = await context.session.services()
    keys = [view.key for view in views]
    source = services.logs.rows(keys, follow=options.follow, on_progress=rows.update)
    with log_faults(views):
        async with aclosing(source) as every:
            async for row in every:
                rows.print(row)
    rows.report_missing()
    return ExitCode.OK if rows.whole else ExitCode.API


@contextmanager
def log_faults(views: Sequence[JobView]) -> Iterator[None]:
    """Convert an ApiError while reading the logs of jobs to a CliError."""
    try:
        yield
    except ApiError as error:
        of = f"of job {views[0].key.job_id}" if len(views) == 1 else f"of one of {len(views)} jobs"
        raise api_failed(error, f"the log {of} could not be read") from None


REPORTED_ROWS = 1_000
"""Report progress each time this many rows were read, which takes eight seconds or more."""


class LogProgress:
    """Reports on stderr the progress of reading a log, and the begin and end of each wait.

    The caller reports an error that ends the reading. patience: the most seconds to wait under a
    rate limit until the next page arrives; None for no limit.
    """

    def __init__(self, out: Output, patience: float | None = None) -> None:
        self._out = out
        self._patience = patience
        self._limited: ApiError | None = None
        self._waits = 0.0
        self._line = ""
        self._rows = 0

    def update(self, problem: ApiError | None, *, waiting: bool, rows: int = 0) -> None:
        """Update the state of the reading. rows: number of rows read; 0 for no progress lines.

        Raises CliError when the rate limit demands more waiting than `patience`.
        """
        if not isinstance(problem, RateLimited):
            self._waits = self._waits if problem else 0.0
        elif problem is not self._limited and self._patience is not None:
            self._limited = problem
            wait = problem.retry_after
            self._waits += BLOCK_SECONDS if wait is None else max(1.0, wait)
            if self._waits > self._patience:
                raise CliError(
                    f"the log: the API limits the rate of requests ({problem}): it demands a "
                    f"wait of more than --timeout {self._patience:g} s",
                    ExitCode.API,
                )
        self._rows = min(self._rows, rows)  # fewer rows: another log has begun
        if rows >= self._rows + REPORTED_ROWS:
            self._rows = rows
            self._out.note(f"the log: {row_count_words(rows, whole=False)}")
        line = WAITING if waiting else ""
        if problem is not None and is_transient(problem):
            line = f"{problem}; {next_step(problem)}"
        if line and line != self._line:
            self._out.note(f"the log: {line}")
        elif self._line and not line and problem is None:
            self._out.note("the log: reading continues")
        self._line = line

    def update_failures(self, view: FailuresView) -> None:
        """Update the state of a reading of failures. Raises CliError like `update`."""
        self.update(view.problem, waiting=view.waiting, rows=view.rows_read)


class LogRows:
    """Prints log rows of the given types; of all types if there are none.

    zone: None for local time. patience: see LogProgress. ids: of the jobs; of several, each line
    names its job.
    """

    def __init__(
        self,
        out: Output,
        zone: tzinfo | None,
        types: Sequence[str],
        *,
        as_json: bool,
        patience: float | None = None,
        ids: Sequence[str] = ("",),
    ) -> None:
        self._out = out
        self._ids = distinct_width(ids) if len(ids) > 1 else 0
        self._views: dict[JobKey, LogView] = {}
        self._number = len(ids)
        self._zone = zone
        self._as_json = as_json
        self._types = tuple(dict.fromkeys(types))
        self._found: set[str | None] = set()
        self._inexact = 0
        self._log_progress = LogProgress(out, patience)

    @property
    def whole(self) -> bool:
        """Whether no row can be missing."""
        views = self._views.values()
        return len(views) == self._number and all(view.whole for view in views)

    def update(self, view: LogView) -> None:
        """Report a change in the reading of one log. Raises CliError, see LogProgress."""
        was_whole = self.whole
        self._views[view.key] = view
        views = self._views.values()
        problem = next((view.problem for view in views if view.problem), None)
        self._log_progress.update(problem, waiting=any(view.waiting for view in views))
        if was_whole and not view.whole:
            self._out.note(LOG_GAPS)

    def print(self, row: LogRow) -> None:
        """Print a row if its type is requested."""
        if self._types and row.log_type not in self._types:
            return
        self._found.add(row.log_type)
        self._inexact += not is_exact(row.object_key or "")
        if self._as_json:
            from slurper_tui.monitor.reports.records import row_record  # not needed for lines

            self._out.line(fmt.as_json(row_record(row)))
        else:
            self._out.line(row_line(row, self._out, self._zone, self._ids))

    def report_missing(self) -> None:
        """Report types without a row, keys that are not UTF-8, and possibly missing rows."""
        for log_type in (name for name in self._types if name not in self._found):
            self._out.note(f"no row's type is {log_type}")
        if self._inexact:
            rows = "1 row's key has" if self._inexact == 1 else f"{self._inexact:,} rows' keys have"
            form = r"\udce9" if self._as_json else r"\xe9"
            self._out.note(f"{rows} bytes that are not UTF-8, written as {form} for 0xe9")
        if not self.whole:
            self._out.note(LOG_GAPS)


def row_line(row: LogRow, out: Output, zone: tzinfo | None, id_width: int = 0) -> str:
    """Return `TIME  type  key  message`; an invalid time is printed unchanged.

    id_width: characters of the job's id after the time; 0 for no id.
    """
    at = fmt.parse_time(row.created_at)
    time = row.created_at if at is None else fmt.iso(at, zone)
    id = (row.job and row.job[:id_width],) if id_width else ()
    cells = (time, *id, row.log_type, row.object_key, row.message)
    return "  ".join(out.sanitise(cell if cell else fmt.DASH) for cell in cells)


_NAMED = 20
"""The most inexact keys to list; the others are counted."""

_ABSENT = 10
"""The most keys to list that a lookup did not find in the target."""

_MESSAGES = 3
"""The number of most frequent messages to print for each reason."""


async def failures(context: CommandContext) -> ExitCode:
    """Print the failed and uncopied objects, or with --keys the exact keys. Raises CliError."""
    options = context.options
    _refuse_contradictions(options)
    jobs = await chosen(context)
    for flag, given in (("--keys", options.keys), ("--check-target", options.check_target)):
        if given and len({migration_of(job) for job in jobs}) > 1:
            raise CliError(f"{flag} takes jobs of one source and one target")
    reading, view = await _read(jobs, context)
    for log_type in options.type:
        if log_type not in view.counts.by_type:
            context.out.note(f"no row's type is {log_type}")
    named = [group.log_type for group in _groups_of(view, options.type)]
    types = (options.type or [FAILED_TYPE]) if options.keys else named
    found = await look_up(context, jobs, reading, types) if options.check_target else None
    if options.keys:
        return _print_left(context, jobs, reading, view, found)
    for unread in view.unread:
        context.out.note(LOG_GAPS if unread.problem is None else unread_words(unread))
    if options.json:
        views = {job.key: job for job in jobs}
        records = [
            _record(views[one.key], one, reading, options.type, found)
            for one in view.jobs or (view,)
        ]
        context.out.line(fmt.as_json(records[0] if is_one_job(options) else records))
        _note_inexact(reading.inexact_keys(options.type or list(view.counts.by_type)), context.out)
    else:
        shown = replace(view, groups=reading.groups())
        after_all = {} if found is None else looked_up(jobs, reading, types, found)
        for line in _sheet(shown, jobs, options, context, after_all):
            context.out.line(line)
    return ExitCode.OK if view.counts.whole else ExitCode.API


def _refuse_contradictions(options: argparse.Namespace) -> None:
    """Raise CliError for options that cannot be combined, and if there is nobody to ask."""
    if options.null and not options.keys:
        raise CliError("--null needs --keys")
    if options.null and options.json:
        raise CliError("--null and --json cannot be combined")
    if options.check_target and not (options.yes or prompts.can_ask()):
        raise CliError(f"--check-target: {prompts.NOBODY_TO_ASK}")


def _print_left(
    context: CommandContext,
    jobs: Sequence[JobView],
    reading: FailingObjects,
    view: FailuresView,
    found: Mapping[str, ListedObject] | None,
) -> ExitCode:
    """Print the exact keys that are still to be copied.

    found: objects of the target by key; None if they were not looked up.
    """
    options, out = context.options, context.out
    types = options.type or [FAILED_TYPE]
    left = keys_left(jobs, reading, view, types)
    retried = number_retried(jobs, reading, left, types)
    if found is not None:
        left = leave_out(left, looked_up(jobs, reading, types, found), out)
    keys = [key for keys in left.values() for key in keys]
    out.notes(_doubts_about(keys, options))
    if options.json:
        out.line(fmt.as_json(keys))
    elif options.null or not out.on_terminal:
        end = "\0" if options.null else "\n"
        out.exact("".join(f"{key}{end}" for key in keys))
    else:
        for key in keys:
            out.line(key)
    if not options.json:
        out.notes(_advice_about(keys, jobs[0], options, out))
    out.notes(retried_words(retried))
    whole = note_missing(view, reading, types, out)
    return ExitCode.OK if whole else ExitCode.OBJECTS_LOST


def _doubts_about(keys: Sequence[str], options: argparse.Namespace) -> list[str]:
    """Return why another program may not take keys as they are printed.

    They are a JSON array, have NUL after each key, or stand one a line.
    """
    if options.json:
        number, most = fmt.count(len(keys)), fmt.count(MOST_KEYS)
        return [f"{number} keys; one job takes at most {most}"] if len(keys) > MOST_KEYS else []
    doubts = []
    broken = 0 if options.null else sum("\n" in key for key in keys)
    if broken:
        doubts.append(
            f"{keys_contain(broken)} a newline, so one key a line is ambiguous: use --null"
        )
    if keys and keys[0].startswith("\ufeff"):
        doubts.append(
            "the first key begins with U+FEFF, which programs drop from a file: use --json"
        )
    return doubts


def _advice_about(
    keys: Sequence[str], job: JobView, options: argparse.Namespace, out: Output
) -> Iterator[str]:
    """Yield what to do with keys that were printed as lines; to a terminal, sanitised ones."""
    if options.null:
        return
    changed = sum(out.sanitise(key) != key for key in keys) if out.on_terminal else 0
    if changed:
        yield f"{keys_contain(changed)} characters that no terminal shows: write them to a file"
    if keys:
        yield f"with these lines in FILE, {rclone_line('FILE', job)} fetches them"


async def _read(
    jobs: Sequence[JobView], context: CommandContext
) -> tuple[FailingObjects, FailuresView]:
    """Read the logs of jobs to their ends. Raises CliError if none can be read."""
    services = await context.session.services()
    reading = services.logs.failures([job.key for job in jobs], preview=False)
    log_progress = LogProgress(context.out, context.progress_output.patience)
    with log_faults(jobs):
        view = await reading.read(log_progress.update_failures)
        problems = [job.problem for job in view.jobs or (view,)]
        if None not in problems and problems[0] is not None:
            raise problems[0]
    return reading, view


LOOKUP_STEP = 100
"""Report progress each time this many requests were sent, which takes 40 seconds or more."""


async def look_up(
    context: CommandContext,
    jobs: Sequence[JobView],
    reading: FailingObjects,
    log_types: Collection[str],
) -> Mapping[str, ListedObject]:
    """Look up the keys of rows of these types in the target; return the objects by key.

    Say what it costs, and ask unless --yes is given. Raises CliError, also for a no.
    """
    services, out = await context.session.services(), context.out
    keys = [key for job in jobs for key in reading.keys(log_types, job.key)]
    lookup = services.buckets.lookup(jobs[0], keys)
    if lookup is None:
        raise CliError("the API does not name the target bucket", ExitCode.API)
    if not keys:
        return {}
    words = f"looking up {price_words(lookup.price)}"
    await prompts.agree_to_cost(words, "nothing was looked up", out, yes=context.options.yes)
    reported = 0
    try:
        async with aclosing(lookup.run()) as steps:
            async for checked in steps:
                if lookup.requests >= reported + LOOKUP_STEP:
                    reported = lookup.requests
                    out.note(f"{checked:,} of {lookup.price.keys:,} keys looked up")
    except ApiError as error:
        raise api_failed(error, "the target could not be listed") from None
    return lookup.found


def leave_out(
    left: Mapping[JobKey, Sequence[str]], found: Mapping[str, FoundAfterAll], out: Output
) -> dict[JobKey, tuple[str, ...]]:
    """Return the keys to copy without those that are in the target after all, and say how many."""
    needed = less_those_there(left, found.values())
    out.notes(left_out_words(sum(map(len, left.values())) - sum(map(len, needed.values()))))
    return needed


def note_missing(
    view: FailuresView, reading: FailingObjects, types: Collection[str], out: Output
) -> bool:
    """Report failed objects that the keys do not include; return True if none is known."""
    inexact = reading.inexact_keys(types)
    missing = missing_keys(view, inexact=len(inexact), keyless=reading.without_key(types))
    for text in missing:
        if text != inexact_words(len(inexact)):
            out.note(text)
    if view.failed_objects is None:
        out.note(failed_words(view)[0])
    _note_inexact(inexact, out)
    return not missing


def _note_inexact(keys: Sequence[str], out: Output) -> None:
    """List the keys that were left out because they are not UTF-8."""
    if not keys:
        return
    out.note(inexact_words(len(keys)))
    for key in keys[:_NAMED]:
        out.note(f"  {key}")
    if len(keys) > _NAMED:
        out.note(f"  and {len(keys) - _NAMED:,} more")


def _record(
    job: JobView,
    view: FailuresView,
    reading: FailingObjects,
    log_types: Collection[str],
    found: Mapping[str, ListedObject] | None,
) -> dict[str, Any]:
    """Return the JSON record of a job: every reason with its keys.

    found: objects of the target by key; None if they were not looked up.
    """
    groups = _groups_of(view, log_types)
    after_all: Mapping[str, FoundAfterAll] = {}
    if found is not None:
        after_all = looked_up([job], reading, [group.log_type for group in groups], found)
    return {
        "id": view.key.job_id,
        "failedObjects": view.failed_objects,
        "named": view.named,
        "reasons": [
            {
                "logType": group.log_type,
                "copied": False,
                "count": group.count,
                "firstSeen": view.counts.first_seen.get(group.log_type),
                "lastSeen": view.counts.last_seen.get(group.log_type),
                "keys": reading.keys([group.log_type], view.key),
                **_after_all_record(after_all.get(group.log_type)),
            }
            for group in groups
        ],
    }


def _after_all_record(found: FoundAfterAll | None) -> dict[str, Any]:
    """Return what a lookup tells about the keys of a reason; nothing if there was none."""
    if found is None:
        return {}

    def records(objects: Sequence[ListedObject]) -> list[dict[str, Any]]:
        return [
            {
                "key": each.key,
                "size": each.size,
                "lastModified": None if each.modified is None else fmt.utc(each.modified),
            }
            for each in objects
        ]

    return {
        "inTarget": records(found.there),
        "olderInTarget": records(found.older),
        "notInTarget": found.absent,
    }


def _groups_of(view: FailuresView, log_types: Collection[str]) -> list[FailureGroup]:
    return [group for group in view.groups if not log_types or group.log_type in log_types]


def _sheet(
    view: FailuresView,
    jobs: Sequence[JobView],
    options: argparse.Namespace,
    context: CommandContext,
    after_all: Mapping[str, FoundAfterAll],
) -> Iterator[str]:
    """Yield the counters compared with the log, in all and by job, then every reason.

    after_all: by log type, what a lookup in the target tells.
    """
    log_types, names = options.type, job_names(jobs)
    yield failed_words(view)[0]
    yield from filter(None, skipped_words(view))
    if view.counts.listing_broke:
        yield reason_of(BROKE_TYPE)
    for job in view.jobs:
        lines = (failed_words(job)[-1], *skipped_words(job))
        yield f"  {names[job.key]}: {'; '.join(filter(None, lines))}"
    groups = _groups_of(view, log_types)
    width = len(fmt.count(max((group.count for group in groups), default=0)))
    for group in groups:
        yield ""
        yield from _group(group, width, context.zone, names)
        if (known := after_all.get(group.log_type)) is not None:
            words = after_all_words(known, time.time(), context.zone)
            yield from (f"{'':>{width}}    {line}" for line in words)
            yield from (f"{'':>{width}}      {key}" for key in known.absent[:_ABSENT])
            if len(known.absent) > _ABSENT:
                more = f"and {len(known.absent) - _ABSENT:,} more: --keys --check-target has all"
                yield f"{'':>{width}}      {more}"
    if groups and (log_types or any(group.cause is Cause.FAILED for group in groups)):
        if len({migration_of(job) for job in jobs}) > 1:
            return
        yield ""
        yield "to fetch them:"
        yield f"  {_keys_command(view, options)}"
        yield f"  {rclone_line('FILE', jobs[0])}"


def _keys_command(view: FailuresView, options: argparse.Namespace) -> str:
    """Return the command that prints the keys of the same jobs."""
    jobs = options.jobs if view.jobs or options.migration else [view.key.job_id]
    words = [f"--migration {shlex.quote(name)}" for name in options.migration]
    words += [f"--type {shlex.quote(log_type)}" for log_type in options.type]
    names = [shlex.quote(job) for job in jobs]
    if any(job.startswith("-") for job in jobs):
        return " ".join(["slurper-tui failures --keys", *words, ">FILE --", *names])
    return " ".join(["slurper-tui failures", *names, "--keys", *words, ">FILE"])


def _group(
    group: FailureGroup, width: int, zone: tzinfo | None, names: Mapping[JobKey, str]
) -> Iterator[str]:
    """Yield one reason: count, name, times, most frequent messages, prefixes and jobs."""
    times: list[str] = []
    for text in (group.first_seen, group.last_seen):
        if text is not None:
            at = fmt.parse_time(text)
            times.append(text if at is None else fmt.iso(at, zone))
    seen = " to ".join(dict.fromkeys(times))
    yield f"{fmt.count(group.count):>{width}}  {group_words(group)} ({group.log_type})"
    if seen:
        yield f"{'':>{width}}    {seen}"
    for message, number in group.messages[:_MESSAGES]:
        yield f'{fmt.count(number):>{width}}    message "{message}"'
    for prefix in group.prefixes:
        name = prefix.prefix or "no folder in common"
        yield f"{fmt.count(prefix.count):>{width}}    {name}  such as {prefix.examples[0]}"
        if len(names) > 1 and len(prefix.jobs) > 1:
            for job in prefix.jobs:
                yield f"{fmt.count(job.count):>{width}}      of job {names[job.key]}"
