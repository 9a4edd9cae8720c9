"""`failures`: what failed and what was not copied, by reason and prefix, or the exact keys."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing
from datetime import tzinfo
from typing import Any

from slurper_tui import format as fmt
from slurper_tui.cli.commands import Faces
from slurper_tui.cli.exit_codes import ExitCode, Stop
from slurper_tui.cli.logs import Holdups, chosen, log_faults
from slurper_tui.cli.output import Output
from slurper_tui.monitor.desk import FailureReading
from slurper_tui.monitor.logs.failures import rclone_line
from slurper_tui.monitor.logs.fetch import LASTING
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import (
    BROKE_TYPE,
    FAILED_TYPE,
    Cause,
    FailureGroup,
    FailuresView,
    reason_of,
)
from slurper_tui.monitor.model.plans import MOST_KEYS

_NAMED = 20
"""Keys that cannot be told exactly are named up to this number, and then counted."""

_MESSAGES = 3
"""What the API said most often is told for each reason."""


async def command(options: argparse.Namespace, faces: Faces) -> ExitCode:
    """Print what failed and what was not copied."""
    if options.null and not options.keys:
        raise Stop("--null goes with --keys alone")
    if options.null and options.json:
        raise Stop("--null and --json cannot both be")
    job = await chosen(options, faces)
    reading = (await faces.monitor.desk()).logs.failures(job.key)
    with log_faults(job):
        view = await read_to_end(reading, faces.out, faces.narration.patience)
    for log_type in options.type:
        if log_type not in view.counts.by_type:
            faces.out.say(f"no row's type is {log_type}")
    types = options.type or [FAILED_TYPE]
    if options.keys:
        _tell_keys(reading.keys(types), job, options, faces.out)
        whole = _tell_missing(view, reading, types, faces.out)
        return ExitCode.OK if whole else ExitCode.OBJECTS_LOST
    if options.json:
        faces.out.line(fmt.as_json(_record(view, reading, options.type)))
        tell_inexact(reading.inexact_keys(options.type or list(view.counts.by_type)), faces.out)
    else:
        for line in _sheet(view, job, options.type, faces):
            faces.out.line(line)
    return ExitCode.OK if view.counts.whole else ExitCode.API


async def read_to_end(reading: FailureReading, out: Output, patience: float | None) -> FailuresView:
    """Read a log to its end, saying what holds that up. Raises ApiError where it does not come.

    patience: see Holdups, which raises Stop.
    """
    holdups, faults, view = Holdups(out, patience), 0, None
    async with aclosing(reading.views()) as views:  # type: ignore[type-var]  # a generator
        async for view in views:
            holdups.tell(view.problem, waiting=view.waiting, rows=view.rows_read)
            faults = faults + (view.problem is not None) if view.waiting or view.problem else 0
            if faults >= LASTING:
                break
    assert view is not None
    if view.problem is not None:
        raise view.problem
    if not view.counts.whole:
        out.say("the log: rows came faster than they can be read; some may be missing")
    return view


def _tell_keys(keys: Sequence[str], job: JobView, options: argparse.Namespace, out: Output) -> None:
    """Print exact keys as they are wanted: an array, with NUL after each, or one a line."""
    if options.json:
        if len(keys) > MOST_KEYS:
            out.say(f"{fmt.count(len(keys))} keys, and one job takes {fmt.count(MOST_KEYS)}")
        out.line(fmt.as_json(keys))
    elif options.null:
        _tell_bom(keys, out)
        out.exact("".join(f"{key}\0" for key in keys))
    else:
        _tell_lines(keys, out)
        if keys:
            out.say(f"with these lines in FILE, {rclone_line('FILE', job)} fetches them")


def _tell_missing(
    view: FailuresView, reading: FailureReading, types: Collection[str], out: Output
) -> bool:
    """Say which objects the keys do not name; True where none is known to be missing."""
    failed = view.failed_objects
    named = sum(len(of([FAILED_TYPE])) for of in (reading.keys, reading.inexact_keys))
    rows = sum(group.count for group in view.groups if group.log_type in types)
    keyless = rows - sum(len(of(types)) for of in (reading.keys, reading.inexact_keys))
    missing = [
        (
            failed is not None and named < failed,
            f"the log names {named:,} of {fmt.count(failed)} failed objects: it is incomplete",
        ),
        (keyless > 0, f"{keyless:,} of the rows name no key"),
        (view.counts.listing_broke, f"{reason_of(BROKE_TYPE)}: what was not listed has no row"),
        (not view.counts.whole, "the log has gaps, so keys may be missing"),
    ]
    for text in (text for is_so, text in missing if is_so):
        out.say(text)
    if failed is None:
        out.say("how many objects failed is not known, so whether all are named is not either")
    inexact = reading.inexact_keys(types)
    tell_inexact(inexact, out)
    return not inexact and not any(is_so for is_so, _ in missing)


def tell_inexact(keys: Sequence[str], out: Output) -> None:
    """Name the keys that were left out because their bytes are not UTF-8."""
    if not keys:
        return
    out.say(f"{_keys(len(keys))} bytes that are not UTF-8: not exact, so left out:")
    for key in keys[:_NAMED]:
        out.say(f"  {key}")
    if len(keys) > _NAMED:
        out.say(f"  and {len(keys) - _NAMED:,} more")


def _tell_lines(keys: Sequence[str], out: Output) -> None:
    """One key a line: exact for a program, harmless for a person's terminal."""
    broken = sum("\n" in key for key in keys)
    if broken:
        out.say(f"{_keys(broken)} a newline: one a line they cannot be told apart; take --null")
    _tell_bom(keys, out)
    if not out.on_terminal:
        out.exact("".join(f"{key}\n" for key in keys))
        return
    changed = sum(out.plain(key) != key for key in keys)
    for key in keys:
        out.line(key)
    if changed:
        out.say(f"{_keys(changed)} signs not fit for a terminal: a file gets the exact ones")


def _tell_bom(keys: Sequence[str], out: Output) -> None:
    """Say that a reader may take the beginning of the first key for a byte order mark."""
    if keys and keys[0].startswith("\ufeff"):
        out.say("the first key begins with U+FEFF, which readers of a file leave out; take --json")


def _keys(number: int) -> str:
    return "1 key holds" if number == 1 else f"{fmt.count(number)} keys hold"


def _record(
    view: FailuresView, reading: FailureReading, log_types: Collection[str]
) -> dict[str, Any]:
    """Every reason with its keys, as JSON has it."""
    return {
        "id": view.key.job_id,
        "failedObjects": view.failed_objects,
        "named": view.named,
        "reasons": [
            {
                "logType": group.log_type,
                "copied": False,
                "count": group.count,
                "firstSeen": group.first_seen,
                "lastSeen": group.last_seen,
                "keys": reading.keys([group.log_type]),
            }
            for group in _wanted(view, log_types)
        ],
    }


def _wanted(view: FailuresView, log_types: Collection[str]) -> list[FailureGroup]:
    return [group for group in view.groups if not log_types or group.log_type in log_types]


def _sheet(
    view: FailuresView, job: JobView, log_types: Collection[str], faces: Faces
) -> Iterator[str]:
    """The counters held against the log, then every reason with its prefixes."""
    yield _failed(view)
    yield from _skipped(view)
    if view.counts.listing_broke:
        yield reason_of(BROKE_TYPE)
    groups = _wanted(view, log_types)
    width = len(fmt.count(max((group.count for group in groups), default=0)))
    for group in groups:
        yield ""
        yield from _group(group, width, faces.zone)
    if groups and (log_types or any(group.cause is Cause.FAILED for group in groups)):
        types = "".join(f" --type {log_type}" for log_type in log_types)
        yield ""
        yield "to fetch them:"
        job_id = view.key.job_id
        job_words = f" -- {job_id}" if job_id.startswith("-") else ""
        named = "" if job_words else f" {job_id}"
        yield f"  slurper-tui failures{named} --keys{types} >FILE{job_words}"
        yield f"  {rclone_line('FILE', job)}"


def _failed(view: FailuresView) -> str:
    named = fmt.count(view.named)
    if view.failed_objects is None:
        return f"log names {named} failed, and how many did is not known"
    return f"log names {named} of {fmt.count(view.failed_objects)} failed"


def _skipped(view: FailuresView) -> Iterator[str]:
    """Skips that mean not copied, told from those of what is there already."""
    not_copied = f"{fmt.count(view.not_copied)} not copied"
    if view.unexplained is not None and view.skipped_objects:
        word = "reasons unknown" if view.harmless is None else "already there (harmless)"
        rest = f"{fmt.count(view.unexplained)} {word}"
        yield f"{fmt.count(view.skipped_objects)} skipped: {not_copied}, {rest}"
    elif view.not_copied:
        yield not_copied


def _group(group: FailureGroup, width: int, zone: tzinfo | None) -> Iterator[str]:
    """One reason: what, how many, when, in whose words, and under which prefixes."""
    reason = reason_of(group.log_type)
    what = reason if group.cause is Cause.FAILED else f"{group.cause}: {reason}"
    seen = " to ".join(dict.fromkeys(_seen(group, zone)))
    yield f"{fmt.count(group.count):>{width}}  {what} ({group.log_type})"
    if seen:
        yield f"{'':>{width}}    {seen}"
    for message, number in group.messages[:_MESSAGES]:
        yield f'{fmt.count(number):>{width}}    said "{message}"'
    for prefix in group.prefixes:
        name = prefix.prefix or "no folder in common"
        yield f"{fmt.count(prefix.count):>{width}}    {name}  such as {prefix.examples[0]}"


def _seen(group: FailureGroup, zone: tzinfo | None) -> Iterator[str]:
    for text in (group.first_seen, group.last_seen):
        if text is not None:
            at = fmt.parse_time(text)
            yield text if at is None else fmt.iso(at, zone)
