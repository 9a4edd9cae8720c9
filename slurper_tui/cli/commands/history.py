"""The `history` command: print the recorded samples, oldest first, without using the API."""

from __future__ import annotations

import argparse
import csv
import io
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slurper_tui import format as fmt
from slurper_tui.api.models import DEFAULT_BASE_URL, Job
from slurper_tui.cli.connect import base_urls, fill_for_demo
from slurper_tui.cli.context import resolve, selection_of
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import Output, distinct_width
from slurper_tui.monitor.history.files import FILE, reason_of
from slurper_tui.monitor.history.opening import memory_store, read_store
from slurper_tui.monitor.history.recording import recording_lines
from slurper_tui.monitor.history.schema import HistoryError
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.samples import Recorded

if TYPE_CHECKING:
    from slurper_tui.cli.context import Process
    from slurper_tui.config import Config
    from slurper_tui.monitor.history.store import Store
    from slurper_tui.monitor.model.selection import Selection


Sample = tuple[JobKey, Recorded]

_NOBODYS: Sample = (JobKey("", ""), Recorded(0.0, Counts(), None))
"""A sample with every field, for the CSV header."""


def history(options: argparse.Namespace, config: Config, process: Process, out: Output) -> ExitCode:
    """Print the samples, or with --path the file's path.

    Raises CliError when the history cannot be read, or the job prefix matches none or several.
    """
    if process.state is None and not options.demo:
        raise CliError("there is no home folder, so there is no history")
    path = None if options.demo or process.state is None else process.state / FILE
    if options.path and path is None:
        raise CliError("the demo keeps its history in memory, so it has no path")
    if options.path:
        out.line(str(path))
        return ExitCode.OK
    try:
        with closing(open_recorded(path, config)) as store:
            if options.export is not None:
                return _export(store, options, config, out)
            for line in _lines(store, options, config, out):
                out.line(line)
    except (HistoryError, OSError, sqlite3.Error) as error:
        raise CliError(f"the history cannot be read: {reason_of(error)}") from None
    return ExitCode.OK


def open_recorded(path: Path | None, config: Config) -> Store:
    """Open the history file read-only; an empty store if there is no file.

    path: None for the demo. Raises HistoryError, OSError and sqlite3.Error.
    """
    if path is None:
        from slurper_tui.simulated.account import SimulatedAccount

        store = memory_store(DEFAULT_BASE_URL)
        fill_for_demo(store, SimulatedAccount(), time.time())
        return store
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
    key = key_of(store, selection_of(options), accounts, config.names)
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


def key_of(
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
    key = key_of(store, selection_of(options), accounts, config.names)
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
        file = path.open("x", encoding="utf-8")
        try:
            with file:
                file.writelines(line + "\n" for line in lines)
        except BaseException:  # an interruption too: a part would look like all of it
            path.unlink(missing_ok=True)
            raise
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

    yield written(_record(*_NOBODYS, one=one))
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
