"""`watch`: a line whenever something changes, and what a pipe gets instead of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import tzinfo

import msgspec

from slurper_tui import format as fmt
from slurper_tui.cli.choice import ChosenJobs
from slurper_tui.cli.exit_codes import ExitCode
from slurper_tui.cli.lines import amount, migration, percent, record_line
from slurper_tui.cli.narration import Narration
from slurper_tui.cli.output import Output
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView, Snapshot, State, default_order

Told = tuple[str | None, str | None, int | None, int | None, bool]
"""Status, phase, whole percent, failed count, taken as ended: a change of one is a line."""

END_SECONDS = 600.0
"""A status that is not documented, without an end, is taken as one when for so long nothing of the
job has changed."""


class WatchOptions(msgspec.Struct, frozen=True):
    """How to say it, and for how long.

    zone: None for local time. until_ended: end when every job has. rounds: end with 0 after so
    many, None for never.
    """

    as_json: bool = False
    zone: tzinfo | None = None
    until_ended: bool = False
    rounds: int | None = None


async def watch(
    chosen: ChosenJobs, out: Output, narration: Narration, options: WatchOptions
) -> ExitCode:
    """Print changes until every chosen job has ended. Raises Stop when a job is not clear."""
    told: dict[JobKey, Told] = {}
    odd: set[JobKey] = set()
    async with aclosing(chosen.snapshots()) as snapshots:  # type: ignore[type-var]  # a generator
        async for snapshot in snapshots:
            narration.tell(snapshot)
            if not chosen.resolved:
                continue
            _print_changes(told, snapshot, out, options)
            if options.until_ended:
                _tell_odd(odd, snapshot, out)
            if options.until_ended and all(map(_is_over, snapshot.jobs)):
                return verdict(snapshot.jobs)
            if options.rounds is not None and snapshot.rounds >= options.rounds:
                return ExitCode.OK
    raise AssertionError("the monitor ended by itself")


def _print_changes(
    told: dict[JobKey, Told], snapshot: Snapshot, out: Output, options: WatchOptions
) -> None:
    for view in sorted(snapshot.jobs, key=default_order):
        now = (view.word, view.phase, view.percent, view.counts.failed, _is_taken_as_ended(view))
        if told.get(view.key) == now or not _is_known(view):
            continue
        told[view.key] = now
        out.line(record_line(view) if options.as_json else _line(view, snapshot, out, options.zone))


def _line(view: JobView, snapshot: Snapshot, out: Output, zone: tzinfo | None) -> str:
    time = fmt.iso(snapshot.taken_at, zone)
    line = f"{time} {migration(view, out)} {view.word} {amount(view)} {percent(view)}"
    return f"{line} ({_end(view)})" if _is_taken_as_ended(view) else line


def _tell_odd(told: set[JobKey], snapshot: Snapshot, out: Output) -> None:
    """Say once of a status that is not documented when it is taken as an end."""
    for view in snapshot.jobs:
        if view.unchanged_since is not None and view.key not in told:
            told.add(view.key)
            minutes = f"{END_SECONDS / 60:.0f} min"
            out.say(
                f"job {view.job.id}: {view.word!r} is not a documented status and no end is told:"
                f" taken as its end after {minutes} without a change"
            )


def _end(view: JobView) -> str:
    return f"{view.word}, no change for {END_SECONDS / 60:.0f} min: taken as its end"


def _is_taken_as_ended(view: JobView) -> bool:
    if view.unchanged_since is None or view.as_of is None:
        return False
    return view.as_of - view.unchanged_since >= END_SECONDS


def _is_known(view: JobView) -> bool:
    """There is something true to say: its counts were told in this run, or it has vanished."""
    return (view.as_of is not None and not view.remembered) or view.gone


def _is_over(view: JobView) -> bool:
    return (not view.live or _is_taken_as_ended(view)) and _is_known(view)


def verdict(views: Sequence[JobView]) -> ExitCode:
    """How ended jobs went, as an exit code: lost jobs before lost objects.

    A job that ended in a status that is not documented is lost as an aborted one is.
    """
    if any(view.gone or view.state in {State.ABORTED, State.OTHER} for view in views):
        return ExitCode.JOB_LOST
    clean = all(view.verdict is not None and view.verdict.clean for view in views)
    return ExitCode.OK if clean else ExitCode.OBJECTS_LOST
