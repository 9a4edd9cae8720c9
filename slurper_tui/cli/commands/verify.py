"""The `verify` command: whether the target holds what jobs were to copy, key by key.

It tells what the listings cost and asks, reports the progress on stderr, and prints the result. It
only lists: no request changes a job or an object.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError, BucketKeysRefused
from slurper_tui.cli import prompts
from slurper_tui.cli.commands.logs import LogProgress
from slurper_tui.cli.context import chosen
from slurper_tui.cli.errors import CliError, ExitCode, exit_code
from slurper_tui.cli.job_start import open_services, require_answers
from slurper_tui.cli.output import OutputClosed, to_ascii
from slurper_tui.cli.prompts import listing_keys
from slurper_tui.monitor.logs.paging import log_requests
from slurper_tui.monitor.model.verification import (
    WORKERS,
    CannotVerify,
    Outcome,
    Through,
    VerifyOptions,
    with_losses,
)
from slurper_tui.monitor.reports.migrations import migration_of
from slurper_tui.monitor.reports.records import verification_record
from slurper_tui.monitor.reports.verification_text import (
    LISTS_ONLY,
    cost_rows,
    count_rows,
    detail_words,
    log_not_read,
    manifest_words,
    prefix_rows,
    running_words,
    sorting_words,
    verdict_words,
)
from slurper_tui.monitor.reports.wording import inexact_words
from slurper_tui.monitor.verify.diff import DiffForm, diff_entry, in_list_order, is_misread
from slurper_tui.monitor.verify.headers import MOST_SAMPLED, HeaderDifference
from slurper_tui.monitor.verify.manifest import STDIN
from slurper_tui.new_file import new_file

if TYPE_CHECKING:
    from slurper_tui.cli.context import CommandContext
    from slurper_tui.cli.output import Output
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.verification import Verification
    from slurper_tui.monitor.session import Services
    from slurper_tui.monitor.verify.plan import VerifyPlan, VerifyProgress
    from slurper_tui.monitor.verify.verifier import Verifier

PROGRESS_SECONDS = 10.0
"""Seconds between two lines about the progress."""

MOST_WORKERS = 64
MOST_PREFIXES = 20
"""Prefixes that are printed; --json has 200 of them."""

MOST_HEADERS = 5
"""Objects with differing headers that are printed; --diff has all of the sample."""


_EXACT, _BROKEN, _MISREAD, _INEXACT = "exact", "broken", "misread", "inexact"


async def verify(context: CommandContext) -> ExitCode:
    """Compare the target of the jobs with its expected objects. Raises CliError."""
    options, out = context.options, context.out
    _check(options)
    if options.manifest != STDIN:
        require_answers(options)
    async with open_services(context) as services:
        views = await chosen(context)
        if len({migration_of(view) for view in views}) > 1:
            raise CliError("verify takes jobs of one source and one target")
        verifier = await _prepared(context, services, views)
        try:
            if not verifier.scope.ranges():
                raise CliError("--prefix: the jobs copy nothing with such a prefix")
            plan = await verifier.plan()
            logs = log_requests(views)
            await _confirmed(context, plan, logs, durable=services.verifications.durable)
            await _read_logs(context, services, views, verifier)
            await _run(verifier, out, plan, durable=services.verifications.durable)
            result = _result(verifier)
            await context.session.keep_verification(result)
            headers = verifier.differing_headers()
            with suppress(OutputClosed):  # the exit code tells the result all the same
                _report(context, verifier, result, headers)
            return _code(verifier, result)
        except CannotVerify as error:
            raise CliError(f"{error}; what was compared before is kept") from None
        finally:
            await verifier.close()


def _check(options: argparse.Namespace) -> None:
    """Convert the numbers, and raise CliError for options that do not fit together."""
    options.headers = _number("--headers", options.headers, 0, 1, MOST_SAMPLED)
    options.workers = _number("--workers", options.workers, WORKERS, 1, MOST_WORKERS)
    options.seed = _number("--seed", options.seed, None, 0, 2**31 - 1)
    if options.seed is not None and not options.headers:
        raise CliError("--seed needs --headers")
    if options.headers and options.manifest is not None:
        raise CliError("--headers needs the source: a manifest tells no headers")
    if options.null and options.diff is None:
        raise CliError("--null needs --diff")
    if options.json and options.diff == "-":
        raise CliError("--json and --diff - cannot both be written to standard output")
    if options.manifest == STDIN and not options.yes:
        raise CliError("standard input is the manifest: add --yes to run without asking")
    if options.diff is not None and options.diff != "-":
        _check_new(options.diff)


def _check_new(path: str) -> None:
    """Raise CliError if a new file cannot be made there, before anything is listed."""
    if not path or "\0" in path:
        raise CliError("--diff needs the name of a file")
    if os.path.lexists(path):
        raise CliError(f"{path}: it exists already and is not overwritten")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise CliError(f"{path}: cannot write it: there is no folder {folder}")
    _write_new(Path(path), iter(()))
    os.unlink(path)


def _number(flag: str, text: str | None, default: Any, least: int, most: int) -> Any:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
        raise CliError(f"{flag} must be a whole number from {least:,} to {most:,}, not {text!r}")
    return int(text)


async def _prepared(
    context: CommandContext,
    services: Services,
    views: Sequence[JobView],
) -> Verifier:
    """Return a verifier that has listed nothing yet; a manifest is read. Raises CliError."""
    options = context.options
    source = views[0].job.source
    vendor = (source and source.vendor) or ""
    r2 = None
    try:
        if options.r2_keys_from_token:
            r2 = await services.creation.r2_keys(views[0].account_id)
        is_listed = options.manifest is None and not options.demo
        found = await listing_keys(
            vendor if is_listed else None,
            options.secrets,
            context.environ,
            context.out,
            context.scrubber,
            r2,
        )
        through = Through.KEYS if found.target.access_key_id else Through.API
        wanted = VerifyOptions(
            manifest=options.manifest,
            prefixes=tuple(options.prefix),
            region=options.region,
            r2=Through.TOKEN if options.r2_keys_from_token else through,
            secrets=found,
            headers=options.headers,
            seed=options.seed,
            workers=options.workers,
            anew=options.anew,
        )
        keys = [view.key for view in views]
        return await services.verifications.prepare(keys, wanted, _manifest_progress(context))
    except CannotVerify as error:
        raise CliError(str(error)) from None
    except ApiError as error:
        raise CliError(str(error), exit_code(error.exit_code)) from None


def _manifest_progress(context: CommandContext) -> Any:
    """Return a function that tells now and then how much of a manifest was read."""
    loop, last = asyncio.get_running_loop(), time.monotonic()

    def show(number: int) -> None:
        nonlocal last
        if not number or time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            loop.call_soon_threadsafe(context.out.note, manifest_words(number))

    return show


async def _confirmed(
    context: CommandContext, plan: VerifyPlan, logs: int | None, *, durable: bool
) -> None:
    """Tell what it costs, and ask. Raises CliError with exit code 0 when the answer is no.

    logs: requests for the logs; None if not known.
    """
    options, out = context.options, context.out
    for row in cost_rows(plan, logs):
        out.note(f"{row.label}: {row.text}")
    if plan.begun_at is not None:
        at = fmt.iso(plan.begun_at, context.zone)
        out.note(f"the earlier run began at {at}; --anew begins again instead")
    if not durable:
        out.note("there is no history, so that an interrupted run cannot be continued")
    out.note(LISTS_ONLY)
    if not options.yes and not await prompts.confirmed("compare now?", out):
        raise CliError("nothing was listed", ExitCode.OK)


async def _read_logs(
    context: CommandContext,
    services: Services,
    views: Sequence[JobView],
    verifier: Verifier,
) -> None:
    """Read which objects the logs explain, of the jobs that have failed or skipped some."""
    lossy = with_losses(views)
    if not lossy:
        return
    progress = LogProgress(context.out, context.progress_output.patience)
    try:
        await services.verifications.explain(verifier, lossy, progress.update_failures)
    except ApiError as error:
        context.out.note(log_not_read(error))


async def _run(verifier: Verifier, out: Output, plan: VerifyPlan, *, durable: bool) -> None:
    """Compare, and report the progress on stderr. durable: a later run can go on."""
    told = time.monotonic()
    progress: VerifyProgress | None = None
    try:
        async with aclosing(verifier.run()) as steps:
            async for progress in steps:
                if time.monotonic() - told >= PROGRESS_SECONDS and not progress.done:
                    told = time.monotonic()
                    out.note(_progress_words(progress, plan, live=verifier.scope.live))
    except asyncio.CancelledError:
        compared = 0 if progress is None else progress.compared
        on = "the same command goes on from there, with --anew it begins again"
        then = on if durable else "without a history, the next run begins again"
        out.note(f"stopped after {fmt.count(compared)} keys: {then}")
        raise


def _result(verifier: Verifier) -> Verification:
    """Return the result. Raises CliError if nothing was compared, as where keys are refused."""
    try:
        return verifier.result()
    except ValueError:
        problem = verifier.problem
        raise CliError(str(problem), _problem_code(problem)) from None


def _progress_words(progress: VerifyProgress, plan: VerifyPlan, *, live: bool) -> str:
    """Return `120,000 of 1,000,000 keys (12 %), 85,000/s, about 10 s left, at 2024/…: no fault`.

    live: a job has not ended.
    """
    if progress.heads is not None:
        done, whole = progress.heads
        return f"headers: {fmt.count(done)} of {fmt.count(whole)}"
    if progress.sorting is not None:
        return sorting_words(progress.sorting)
    words = [f"{fmt.count(progress.compared)} keys"]
    if plan.objects and progress.share is not None:
        share = f"{int(progress.share * 100)} %"
        words = [f"{fmt.count(progress.compared)} of {fmt.count(plan.objects)} keys ({share})"]
    if progress.per_second is not None:
        words.append(f"{fmt.count(round(progress.per_second))}/s")
    if progress.eta is not None:
        words.append(f"about {fmt.duration(max(1.0, progress.eta))} left")
    if progress.position:
        words.append(f"at {progress.position}")
    faults = running_words(progress.tally, live=live)
    return f"{', '.join(words)}: {faults or 'no fault so far'}"


def _report(
    context: CommandContext,
    verifier: Verifier,
    result: Verification,
    headers: Sequence[HeaderDifference],
) -> None:
    """Write the keys, and print the result even where they cannot be written. Raises CliError."""
    try:
        _write_diff(context.options, context.out, verifier, headers)
    except OutputClosed:
        raise
    except CliError as error:
        _print(context, result, headers, advise=False)
        raise error from None
    _print(context, result, headers)


def _write_diff(
    options: argparse.Namespace,
    out: Output,
    verifier: Verifier,
    headers: Sequence[HeaderDifference],
) -> None:
    """Write the keys by outcome to a new file with mode 0600, or to stdout. Raises CliError."""
    if options.diff is None:
        return
    form = DiffForm.NUL if options.null else DiffForm.JSON if options.json else DiffForm.TEXT
    numbers = Counter[str]()

    def entries() -> Iterator[str]:
        for each in in_list_order(verifier.differences):
            kind = _kind(each.key, form)
            numbers[kind] += 1
            if kind in (_EXACT, _BROKEN):
                yield diff_entry(each, form)
        for difference in headers:
            numbers[_EXACT] += 1
            yield diff_entry(difference, form)

    if options.diff == "-":
        for entry in entries():
            out.exact(entry)
    else:
        _write_new(Path(options.diff), entries())
    place = "standard output" if options.diff == "-" else options.diff
    written = fmt.count(numbers[_EXACT] + numbers[_BROKEN])
    out.note(f"{place}: {written} keys that are missing, differ or are only in the target")
    _note_odd_keys(out, numbers)


def _note_odd_keys(out: Output, numbers: Mapping[str, int]) -> None:
    """Tell which keys a list tells ambiguously or not at all. numbers: of keys by `_kind`."""
    if numbers[_BROKEN]:
        keys = f"{fmt.count(numbers[_BROKEN])} of the keys contain a newline or end with CR"
        out.note(f"{keys}: use --null or --json")
    if number := numbers[_MISREAD]:
        left = fmt.counted(number, "key is left out, which", "keys are left out, which")
        out.note(f"{left} would be read as other keys: use --null or --json")
    if numbers[_INEXACT]:
        out.note(f"{inexact_words(numbers[_INEXACT])}; --json has them")


def _kind(key: str, form: DiffForm) -> str:
    """Return how a list in this form tells a key.

    _EXACT: as it is. _BROKEN: so that reading the list fails. _MISREAD: as other keys. _INEXACT:
    not at all, because it is not UTF-8.
    """
    if form is not DiffForm.JSON and not fmt.is_utf8(key):
        return _INEXACT
    if form is not DiffForm.TEXT or not ("\n" in key or key.endswith("\r")):
        return _EXACT
    return _MISREAD if is_misread(key) else _BROKEN


def _write_new(path: Path, entries: Iterator[str]) -> None:
    """Write entries to a new file; none is left that is cut short. Raises CliError."""
    try:
        with new_file(path) as file:
            for entry in entries:
                file.write(entry.encode("utf-8", "surrogatepass"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CliError(f"{path}: cannot write it: {reason}") from None


def _print(
    context: CommandContext,
    result: Verification,
    headers: Sequence[HeaderDifference],
    *,
    advise: bool = True,
) -> None:
    """Print the result: as JSON, or as text, on stderr where stdout has the list of keys."""
    options, out = context.options, context.out
    if options.json:
        out.line(fmt.as_json(verification_record(result)))
        return
    write = out.note if options.diff == "-" else out.line
    for line in _lines(context, result, headers):
        if line or write == out.line:
            write(to_ascii(line, out))
    if advise and result.tally.faults and result.problem is None:
        _advise(context, result)


def _lines(
    context: CommandContext, result: Verification, headers: Sequence[HeaderDifference]
) -> Iterator[str]:
    yield verdict_words(result)
    began, ended = (fmt.iso(at, context.zone) for at in (result.started_at, result.ended_at))
    yield f"compared from {began} to {ended}"
    yield ""
    rows = [*count_rows(result.tally)]
    width = max(len(fmt.count(row.number)) for row in rows)
    yield from (f"{fmt.count(row.number):>{width}}  {row.label}" for row in rows)
    yield ""
    yield from detail_words(result)
    if headers:
        yield ""
        yield "headers in the source, and in the target:"
    for each in headers[:MOST_HEADERS]:
        values = ", ".join(f"{name} {_value(a)}, {_value(b)}" for name, a, b in each.headers)
        yield f"  {each.key}  {values}"
    if len(headers) > MOST_HEADERS:
        yield f"  and {len(headers) - MOST_HEADERS:,} more objects: --diff has them"
    prefixes = [*prefix_rows(result)]
    if len(prefixes) > 1:
        yield ""
        for prefix in prefixes[:MOST_PREFIXES]:
            numbers = f"{fmt.count(prefix.same)} of {fmt.count(prefix.expected)} are the same"
            yield f"{prefix.name}  {numbers}{f'; {prefix.faults}' if prefix.faults else ''}"
        if len(prefixes) > MOST_PREFIXES:
            yield f"and {len(prefixes) - MOST_PREFIXES:,} more prefixes: --json has them"


def _value(value: str | None) -> str:
    return "none" if value is None else repr(value)


def _advise(context: CommandContext, result: Verification) -> None:
    """Tell how the keys can be copied again."""
    options = context.options
    file = options.diff if options.diff not in (None, "-") else "FILE"
    jobs = " ".join(result.jobs) if len(result.jobs) < 3 else "JOB..."
    first = "" if file != "FILE" else "--diff FILE writes the keys; "
    context.out.note(f"{first}`slurper-tui retry {jobs} --keys-from {file}` copies them again")


def _code(verifier: Verifier, result: Verification) -> ExitCode:
    """Return the exit code of a result."""
    if verifier.problem is not None:
        return _problem_code(verifier.problem)
    if result.problem is not None or (result.headers and result.headers.problem):
        return ExitCode.API
    if not result.tally.judged:
        return ExitCode.API  # which proves nothing, as with a mistake in a prefix
    lost = result.tally.faults or result.tally.of(Outcome.EXPECTED)
    differs = result.headers is not None and result.headers.differing
    return ExitCode.OBJECTS_LOST if lost or differs else ExitCode.OK


def _problem_code(problem: ApiError | None) -> ExitCode:
    if isinstance(problem, BucketKeysRefused):
        return ExitCode.CREDENTIALS
    return exit_code(ExitCode.API if problem is None else problem.exit_code)
