"""What commands depend on: the process (`Process`) and the monitor (`CommandContext`).

Also: the jobs that a command line names, times and durations in options, and the settings of the
garbage collector.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import logging
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO, TypeVar

import msgspec

from slurper_tui.api.models import Job
from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import Output, source_name, target_name
from slurper_tui.monitor.model.job import JobView, default_order
from slurper_tui.monitor.model.selection import Selection, fits, is_part, is_whole_name
from slurper_tui.monitor.reports.migrations import MigrationKey, migration_of

if TYPE_CHECKING:
    import httpx

    from slurper_tui.cli.notify import Notifier
    from slurper_tui.cli.output import ProgressOutput
    from slurper_tui.config import Config
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.job import Snapshot, Unstarted
    from slurper_tui.monitor.session import Session

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a one-shot command waits under a rate limit, without --timeout."""


class CommandContext(NamedTuple):
    """What a command works with: its options, the session and the output.

    zone: time zone of printed times, None for local time. accounts: account ids.
    scrubber: receives the bucket secrets, to remove them from logs and reports. notifier: tells
    about events; None for a command that ends after one look.
    names: account id to name, of the named accounts.
    end: UTC seconds at which a replay ends; infinite without one.
    """

    options: argparse.Namespace
    session: Session
    out: Output
    progress_output: ProgressOutput
    zone: tzinfo | None
    accounts: Sequence[str]
    environ: Mapping[str, str]
    scrubber: Scrubber | None = None
    notifier: Notifier | None = None
    names: Mapping[str, str] = {}
    end: float = math.inf

    async def until(self, take: Callable[[Snapshot], T | None]) -> T:
        """Poll and report problems until `take` returns a value for a snapshot, and return it.

        Raises CliError when every account rejects the credentials, and what `take` raises.
        """
        async with aclosing(self.session.snapshots()) as snapshots:
            async for snapshot in snapshots:
                self.progress_output.update(snapshot)
                if (found := take(snapshot)) is not None:
                    return found
        raise AssertionError("the monitor ended by itself")


def deadline_of(options: argparse.Namespace, config: Config) -> float | None:
    """Return --deadline in UTC seconds; None if absent. Raises CliError unless in the future."""
    text = getattr(options, "deadline", None)
    return time_option("--deadline", text, zone_of(config), future=True)


def time_option(flag: str, text: str | None, zone: tzinfo | None, *, future: bool) -> float | None:
    """Parse an option's time as UTC seconds; None if not given. Raises CliError."""
    if text is None:
        return None
    from slurper_tui.timeparse import parse_when  # most commands do not need it

    try:
        return parse_when(text, time.time(), zone, future=future)
    except ValueError as error:
        raise CliError(f"{flag}: {error}") from None


def patience_of(options: argparse.Namespace) -> float | None:
    """Return the most seconds to wait under a rate limit; None for no limit. Raises CliError."""
    if "timeout" not in options:
        return None
    return PATIENCE if options.timeout is None else seconds_option("--timeout", options.timeout)


def seconds_option(flag: str, text: str) -> float:
    """Parse an option's number of seconds. Raises CliError unless it is above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise CliError(f"{flag} must be a number of seconds above 0, not {text!r}")
    return seconds


def selection_of(options: argparse.Namespace) -> Selection:
    """Return the jobs that the command line names. Raises CliError for a blank name."""
    jobs, migrations = getattr(options, "jobs", ()), getattr(options, "migration", ())
    if not all(job.strip() for job in jobs):
        raise CliError("the name of a job must not be empty")
    if not all(name.strip() for name in migrations):
        raise CliError("--migration needs the name of a source bucket")
    return Selection(tuple(jobs), tuple(migrations))


_MOST_CANDIDATES = 10


def resolve(
    selection: Selection,
    jobs: Sequence[JobView],
    *,
    names: Mapping[str, str] = {},
    has_migration: bool = True,
) -> frozenset[JobKey]:
    """Return one job for each JOB, and all jobs of each migration.

    names: account id to name, of the named accounts. has_migration: whether the command takes
    --migration, so that a message may advise it. Raises CliError, with a line for each candidate,
    for a name without a job or with several.
    """
    named = [_job_named(name, jobs, names, has_migration=has_migration) for name in selection.jobs]
    members = [view for name in selection.migrations for view in _members(name, jobs, names)]
    return frozenset(view.key for view in (*named, *members))


def _job_named(
    name: str, jobs: Sequence[JobView], names: Mapping[str, str], *, has_migration: bool
) -> JobView:
    """Return the job that a name means; of several, the only one that is not gone."""
    fitting = [view for view in jobs if fits(name, view.job)]
    meant = [view for view in fitting if is_whole_name(name, view.job)] or fitting
    there = [view for view in meant if not view.gone]
    found = there if len(there) == 1 else meant
    if not found:
        raise CliError(f"no job's id and no job's BUCKET/PREFIX begins with {name!r}")
    if len(found) > 1:
        several = len({view.account_id for view in found}) > 1
        ordered = sorted(found, key=default_order)
        accounts = [names.get(v.account_id, v.account_id) if several else "" for v in ordered]
        lines = [_candidate(view, of) for view, of in zip(ordered, accounts, strict=True)]
        one = len({migration_of(view) for view in found}) == 1
        every = has_migration and one and all(is_part(view.job, name) for view in found)
        more = f" (all of them: --migration {shlex.quote(name)})" if every else ""
        raise CliError(f"{len(found)} jobs begin with {name!r}{more}:", more=_few(lines))
    return found[0]


def _candidate(view: JobView, account: str) -> str:
    """Return the line of a job. account: "" where all are of one."""
    account = f"{account}/" if account else ""
    ends = f"{source_name(view)} to {target_name(view)}, " if view.job.source else ""
    return f"  {account}{view.key.job_id}  {ends}{view.word}".rstrip()


def _members(name: str, jobs: Sequence[JobView], names: Mapping[str, str]) -> Sequence[JobView]:
    """Return the jobs of the one migration that a name means."""
    groups: dict[MigrationKey, list[JobView]] = {}
    for view in jobs:
        key = migration_of(view)
        if key is not None and is_part(view.job, name):
            groups.setdefault(key, []).append(view)
    if not groups:
        raise CliError(f"no job copies from {name!r}")
    if len(groups) == 1:
        return next(iter(groups.values()))
    titles = {key: f"{key.source}:{key.target}" for key in groups}
    if len(set(titles.values())) == len(titles):
        lines = [f"  {title}" for title in sorted(titles.values())]
        raise CliError(f"{name!r} goes to several targets:", more=_few(lines))
    account = {key: names.get(key.account_id, key.account_id) for key in groups}
    lines = [
        f"  {title}  {key.vendor} {key.endpoint} account {account[key]}"
        for key, title in sorted(titles.items(), key=lambda item: item[1])
    ]
    raise CliError(
        f"{name!r} is the source of several migrations; name their jobs instead:", more=lines
    )


def _few(lines: Sequence[str]) -> Sequence[str]:
    more = len(lines) - _MOST_CANDIDATES
    return [*lines[:_MOST_CANDIDATES], *([f"  and {more} more"] if more > 0 else [])]


async def whole(context: CommandContext) -> Snapshot:
    """Return the first complete snapshot: every request was answered or has failed."""
    return await context.until(lambda snapshot: snapshot if snapshot.complete else None)


def is_one_job(options: argparse.Namespace) -> bool:
    """Whether the command line names one job, so that JSON is one object and not an array."""
    return len(options.jobs) == 1 and not options.migration


async def chosen(context: CommandContext) -> Sequence[JobView]:
    """Return the jobs on the command line. Raises CliError when a name is not unique."""
    return found(selection_of(context.options), await whole(context), context.names)


def found(selection: Selection, snapshot: Snapshot, names: Mapping[str, str]) -> Sequence[JobView]:
    """Return the selected jobs in the default order. Raises CliError, see `resolve`.

    names: account id to name. While a list is missing only full ids are accepted, since other
    names might be ambiguous.
    """
    ids = {view.key.job_id for view in snapshot.jobs}
    if any(not account.listed for account in snapshot.accounts):
        for name in (*selection.migrations, *selection.jobs):
            if name in selection.migrations or name not in ids:
                raise CliError(
                    f"the list of jobs could not be read, so {name!r} was not found", ExitCode.API
                )
    views: Sequence[JobView] = snapshot.jobs
    if not selection.everything:
        keys = resolve(selection, snapshot.jobs, names=names)
        views = [view for view in snapshot.jobs if view.key in keys]
    return sorted(views, key=default_order)


def unstarted_jobs(selection: Selection, snapshot: Snapshot) -> int:
    """Return the number of jobs that plans have yet to start, of a selected migration or of all."""
    return sum(one.jobs for one in unstarted(selection, snapshot))


def unstarted(selection: Selection, snapshot: Snapshot) -> tuple[Unstarted, ...]:
    """Return the jobs that plans have yet to start, of a selected migration or of all.

    A migration that is named with a prefix has none: which objects they copy is not known here.
    """
    return tuple(
        one
        for one in snapshot.unstarted
        if selection.everything
        or selection.takes_migration(Job(source=one.source, target=one.target))
    )


def zone_of(config: Config) -> tzinfo | None:
    """Return the time zone for printed times; None for local time."""
    return UTC if config.utc else None


def zone_works() -> bool:
    """Whether local time works in each quarter of the year; Python has no offset of 24 h."""
    try:
        for quarter in range(4):
            datetime.fromtimestamp(time.time() + quarter * 91 * 86_400, UTC).astimezone()
    except ValueError:
        return False
    return True


class Process(msgspec.Struct, frozen=True):
    """The process environment; tests replace parts of it.

    transport: None for the network. state: the folder for data kept between runs. config_file,
    state: None without a home folder. scrubber: removes the secrets of this run from logs and
    reports.
    """

    environ: Mapping[str, str] = msgspec.field(default_factory=lambda: os.environ)
    out: TextIO | None = msgspec.field(default_factory=lambda: sys.stdout)
    err: TextIO | None = msgspec.field(default_factory=lambda: sys.stderr)
    transport: httpx.AsyncBaseTransport | None = None
    config_file: Path | None = msgspec.field(
        default_factory=lambda: _folder("config", "config.toml")
    )
    state: Path | None = msgspec.field(default_factory=lambda: _folder("state"))
    scrubber: Scrubber = msgspec.field(default_factory=Scrubber)


def _folder(kind: str, file: str = "") -> Path | None:
    """Return the user's folder for config or state, or a file in it.

    None without an absolute home folder.
    """
    import platformdirs  # 7 ms, which --help does not pay

    user = platformdirs.PlatformDirs("slurper-tui", appauthor=False)
    try:
        path = user.user_config_path if kind == "config" else user.user_state_path
    except (RuntimeError, LookupError, OSError, ValueError):
        return None
    return path / file if path.is_absolute() else None


@functools.cache
def this_process() -> Process:
    """Return this process, one instance for the command and its crash report."""
    return Process()


LATER_SECONDS = 5.0
"""Seconds after the start when work that is not urgent is done."""


def enable_garbage_collection() -> None:
    """Turn the garbage collector on, except for the objects that exist already."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Write an asyncio error to the log instead of stderr (a loop exception handler)."""
    logging.getLogger("slurper_tui.cli").error("%(message)s", context)
