"""The `history` and `replay` commands: what was recorded, without the API.

`history` prints the samples, the oldest first, or exports them. `replay` shows them in place of the
API, in their own time: the accounts answer from the samples through a transport, so that no request
leaves the program; what a replay itself records stays in memory, and nobody is notified.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.client import SlurperClient, without_click
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Job, Progress
from slurper_tui.cli.connect import Connection, Login, OpenHistory, base_urls, demo_store
from slurper_tui.cli.context import resolve, seconds_option, selection_of
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import Output, distinct_width
from slurper_tui.config import Notify
from slurper_tui.monitor.history.files import FILE, reason_of
from slurper_tui.monitor.history.opening import memory_store, read_store
from slurper_tui.monitor.history.recording import (
    BadRecording,
    Recording,
    read_recording,
    recording_lines,
    recording_of,
)
from slurper_tui.monitor.history.schema import HistoryError
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.samples import HistoryView, Recorded, StoredJob
from slurper_tui.monitor.model.selection import Selection
from slurper_tui.monitor.polling.clock import ReplayClock
from slurper_tui.new_file import new_file

if TYPE_CHECKING:
    from slurper_tui.cli.context import Process
    from slurper_tui.config import Config
    from slurper_tui.monitor.history.store import Store
    from slurper_tui.simulated.recorded import RecordedJob


Sample = tuple[JobKey, Recorded]

_EMPTY: Sample = (JobKey("", ""), Recorded(0.0, Counts(), None))
"""A sample with every field, for the CSV header."""


def history(options: argparse.Namespace, config: Config, process: Process, out: Output) -> ExitCode:
    """Print the samples, or with --path the file's path.

    Raises CliError when the history cannot be read, or the job prefix matches none or several.
    """
    path = _file_of(options, process)
    if options.path and path is None:
        raise CliError("the demo keeps its history in memory, so it has no path")
    if options.path:
        out.line(str(path))
        return ExitCode.OK
    try:
        with closing(_open_recorded(path, config)) as store:
            if options.export is not None:
                return _export(store, options, config, out)
            for line in _lines(store, options, config, out):
                out.line(line)
    except (HistoryError, OSError, sqlite3.Error) as error:
        raise CliError(f"the history cannot be read: {reason_of(error)}") from None
    return ExitCode.OK


def _file_of(options: argparse.Namespace, process: Process) -> Path | None:
    """Return the file of the history; None for the demo's. Raises CliError without a home."""
    if options.demo:
        return None
    if process.state is None:
        raise CliError("there is no home folder, so there is no history")
    return process.state / FILE


def _open_recorded(path: Path | None, config: Config) -> Store:
    """Open the history file read-only; an empty store if there is no file.

    path: None for the demo. Raises HistoryError, OSError and sqlite3.Error.
    """
    if path is None:
        return demo_store()
    urls = base_urls(config)
    try:
        return read_store(path, urls)
    except FileNotFoundError:
        return memory_store(urls)


def _lines(store: Store, options: argparse.Namespace, config: Config, out: Output) -> Iterator[str]:
    """Yield the output line by line, so that memory does not grow with the history.

    Raises CliError when the job prefix matches none or several.
    """
    accounts = config.accounts if options.account else ()
    one, zone = bool(options.jobs), UTC if config.utc else None
    key = _key_of(store, selection_of(options), accounts, config.names)
    if one and key is None:
        out.note(NOTHING)
    samples = store.every(accounts, key)
    if options.json:
        yield from _json(samples, one=one)
    elif options.csv:
        yield from _csv(samples, out, one=one)
    elif one or store.keys(accounts):
        yield from _table(samples, out, zone, _columns(store, out, accounts, key))
    else:
        out.note(NOTHING)


NOTHING = "nothing was recorded so far"


def _key_of(
    store: Store, selection: Selection, accounts: Sequence[str], names: Mapping[str, str]
) -> JobKey | None:
    """Return the named job; None if none is named or nothing was recorded. Raises CliError.

    names: account id to name.
    """
    if not selection.jobs:
        return None
    stored = {job.key: job.job for job in store.jobs(accounts)}
    views = [JobView(k.account_id, stored.get(k) or Job(id=k.job_id)) for k in store.keys(accounts)]
    if not views:
        return None
    key, *others = resolve(selection, views, names=names, has_migration=False)
    if others:
        raise CliError(f"{len(others) + 1} jobs match: name one JOB, or none for all")
    return key


def _export(store: Store, options: argparse.Namespace, config: Config, out: Output) -> ExitCode:
    """Write a recording to a file, or to stdout for `-`. Raises CliError."""
    accounts = config.accounts if options.account else ()
    key = _key_of(store, selection_of(options), accounts, config.names)
    if not store.keys(accounts):
        out.note(NOTHING)
    jobs = [job for job in store.jobs(accounts) if key in (None, job.key)]
    lines = recording_lines(jobs, store.every(accounts, key), names=options.names)
    if options.export == "-":
        for line in lines:
            out.exact(line + "\n")
        return ExitCode.OK
    path = Path(options.export)
    try:
        with new_file(path, 0o666) as file:
            file.writelines(f"{line}\n".encode() for line in lines)
    except OSError as error:
        reason = error.strerror or error
        raise CliError(f"--export: {options.export} cannot be written: {reason}") from None
    return ExitCode.OK


def _record(key: JobKey, sample: Recorded, *, one: bool) -> dict[str, Any]:
    """Return a sample under the API's field names; with account and job id unless `one`."""
    from slurper_tui.monitor.reports.records import counts_record  # not needed for lines

    whose = {} if one else {"accountId": key.account_id, "id": key.job_id}
    return {
        "at": datetime.fromtimestamp(sample.at, UTC).isoformat(timespec="milliseconds"),
        **whose,
        **counts_record(sample.counts),
        "status": sample.status,
    }


def _json(samples: Iterable[Sample], *, one: bool) -> Iterator[str]:
    """Yield the lines of one JSON array, an object on each line."""
    last = None
    for key, sample in samples:
        yield "[" if last is None else last + ","
        last = fmt.as_json(_record(key, sample, one=one))
    yield from ("[]",) if last is None else (last, "]")


def _csv(samples: Iterable[Sample], out: Output, *, one: bool) -> Iterator[str]:
    """Yield a header and a line per sample (RFC 4180); unknown values are empty."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="")

    def written(cells: Iterable[object]) -> str:
        line.seek(line.truncate(0))
        writer.writerow([out.sanitise(cell) if isinstance(cell, str) else cell for cell in cells])
        return line.getvalue()

    yield written(_record(*_EMPTY, one=one))
    for key, sample in samples:
        yield written(_record(key, sample, one=one).values())


class _Columns(NamedTuple):
    """Column widths in characters; 0 omits the account or id column."""

    account: int
    id: int
    status: int
    counts: Sequence[int]


_HEAD = ("objects", "transferred", "skipped", "failed")


def _columns(store: Store, out: Output, accounts: Sequence[str], key: JobKey | None) -> _Columns:
    """Measure the columns; with the account if there are several, the id unless for one job."""
    keys = store.keys(accounts) if key is None else ()
    several = len({k.account_id for k in keys}) > 1
    ids = [k.job_id for k in keys]
    status, *counts = store.widest(accounts, key)
    counts = [max(width, len(name)) for width, name in zip(counts, _HEAD, strict=True)]
    return _Columns(
        account=max(len("account"), *(len(k.account_id) for k in keys)) if several else 0,
        id=max(distinct_width(ids, whole=not out.on_terminal), len("id")) if ids else 0,
        status=max(status, len("status")),
        counts=counts,
    )


def _table(
    samples: Iterable[Sample], out: Output, zone: tzinfo | None, columns: _Columns
) -> Iterator[str]:
    """Yield a header and aligned rows, with a remark at the end where needed."""
    width = len(fmt.iso(0.0, zone))
    head = _aligned("time".ljust(width), JobKey("account", "id"), "status", _HEAD, columns)
    for number, (key, sample) in enumerate(samples):
        if number == 0:  # without a sample there is no header either
            yield head
        numbers = sample.counts
        counts = [
            fmt.DASH if number is None else str(number)
            for number in (numbers.objects, numbers.transferred, numbers.skipped, numbers.failed)
        ]
        status = "".join(out.sanitise(sample.status or "").split()) or fmt.DASH
        line = _aligned(fmt.iso(sample.at, zone), key, status, counts, columns)
        remarks = ["not observed before"] if sample.after_gap else []
        remarks += ["stalled"] if sample.stalled else []
        yield f"{line}  {', '.join(remarks)}" if remarks else line


def _aligned(time: str, key: JobKey, status: str, counts: Sequence[str], columns: _Columns) -> str:
    words = ((key.account_id, columns.account), (key.job_id, columns.id), (status, columns.status))
    cells = [time, *(word[:width].ljust(width) for word, width in words if width)]
    cells += [count.rjust(width) for count, width in zip(counts, columns.counts, strict=True)]
    return "  ".join(cells)


SHORTEST, LONGEST = 2.0, 60.0
"""The least and the most seconds between two rounds."""

AT_ONCE = float("inf")

NO_TOKEN = "0" * 40
"""It never leaves the program. Like every token it is removed from texts, so it is no word."""


class Replay(NamedTuple):
    """A recorded history that is shown. clock: its time. interval: seconds between rounds."""

    clock: ReplayClock
    interval: float

    def history(self) -> OpenHistory:
        """Return an empty history in memory."""
        return OpenHistory(memory_store("replay"), HistoryView(), (), self.clock.begin)


def replay_of(
    options: argparse.Namespace, config: Config, process: Process, *, on_screen: bool
) -> tuple[Config, Connection]:
    """Return the configuration and the connection of a replay. Raises CliError."""
    speed = 1.0 if on_screen else AT_ONCE
    if options.speed is not None:
        speed = seconds_option("--speed", options.speed)
    recording = _recording(options, config, process)
    connection = connect(recording, speed, {} if options.demo else config.names)
    assert connection.replay is not None
    interval, accounts = connection.replay.interval, connection.accounts
    config = replace(config, interval=interval, notify=Notify(), accounts=tuple(accounts))
    return config, connection


def connect(recording: Recording, speed: float, names: Mapping[str, str] = {}) -> Connection:
    """Return clients that answer from a recording. names: account id to name."""
    with without_click():
        from slurper_tui.simulated.recorded import RecordedAccounts  # httpx: 60 ms

    times = recording.times
    clock = ReplayClock(times, _marks(recording), speed)
    jobs = [_recorded(job, recording.samples.get(job.key, [])) for job in recording.jobs]
    transport = RecordedAccounts(jobs, clock.wall).transport()
    client = SlurperClient(token_credentials(NO_TOKEN), transport=transport)
    accounts = tuple(dict.fromkeys(key.account_id for key in recording.samples))
    login = Login(client, accounts, "replay", "none: a replay")
    spans = [b - a for a, b in pairwise(times) if b - a >= SHORTEST]
    interval = min(LONGEST, round(median(spans), 1)) if spans else SHORTEST
    return Connection([login], accounts, "replay", names, replay=Replay(clock, interval))


def _recording(options: argparse.Namespace, config: Config, process: Process) -> Recording:
    word = options.recording
    if word is not None and os.path.isfile(word):  # `Path` raises an error for an odd name
        try:
            with open(word, "rb") as file:
                return read_recording(file)
        except (OSError, BadRecording) as error:
            raise CliError(f"{word}: {getattr(error, 'strerror', None) or error}") from None
    accounts = config.accounts if options.account else ()
    try:
        with closing(_open_recorded(_file_of(options, process), config)) as store:
            selection = Selection((word,) if word else ())
            key = _key_of(store, selection, accounts, config.names)
            jobs = tuple(job for job in store.jobs(accounts) if key in (None, job.key))
            samples: dict[JobKey, list[Recorded]] = {}
            for of, sample in store.every(accounts, key):
                samples.setdefault(of, []).append(sample)
    except (HistoryError, OSError, sqlite3.Error) as error:
        raise CliError(f"the history cannot be read: {reason_of(error)}") from None
    if not samples:
        raise CliError(NOTHING)
    return recording_of(jobs, samples)


def _marks(recording: Recording) -> list[float]:
    """Return when a job's status was seen to change, or the job was first seen."""
    found = set()
    for samples in recording.samples.values():
        found |= {b.at for a, b in pairwise(samples) if a.status != b.status}
        found.add(samples[0].at)
    return sorted(found)


def _recorded(stored: StoredJob, samples: list[Recorded]) -> RecordedJob:
    from slurper_tui.simulated.recorded import RecordedJob  # httpx: 60 ms

    job = stored.job
    answers = [
        Progress(
            job.id,
            sample.status,
            job.created_at,
            sample.counts.objects,
            sample.counts.transferred,
            sample.counts.skipped,
            sample.counts.failed,
        )
        for sample in samples
    ]
    times = [sample.at for sample in samples]
    return RecordedJob(stored.account_id, job, times, answers, fmt.parse_time(job.finished_at))
