"""From a file that cannot be written to into memory, and from there into one that can be."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence

from slurper_tui.monitor.history.notes import Notes
from slurper_tui.monitor.history.rows import LATEST_MS, to_ms
from slurper_tui.monitor.history.schema import transaction, version_of
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.history.thin import STEP_SECONDS
from slurper_tui.monitor.history.waiting import BATCH
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.samples import Remembered

WHOLE_SECONDS = 3 * 86_400.0
"""So much of the past is copied sample by sample; what is older is thinned."""

COPY_SECONDS = 0.3
"""After so long no further job's samples are copied: the first picture waits for it."""

_COPIED = "at, objects, transferred, skipped, failed, status, after_gap, stalled"
_JOBS = "SELECT * FROM jobs WHERE base_url = ? ORDER BY last_at DESC"
_WHOLE = f"SELECT job, {_COPIED} FROM samples WHERE job = ? AND at >= ?"
_THINNED = f"""
    SELECT job, max(at), {_COPIED.removeprefix("at, ")} FROM samples WHERE job = ? AND at < ?
    GROUP BY at / {to_ms(STEP_SECONDS)}, status, after_gap, stalled
"""


def copy(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    place: str,
    seconds: float = COPY_SECONDS,
) -> None:
    """Copy what is noted of one base URL, its jobs and their samples, those seen last first.

    source: may be older. target: prepared, and empty. Raises sqlite3.Error.
    """
    deadline = time.monotonic() + seconds
    if version_of(source) > 1:
        Notes(source, place).copy_to(Notes(target, place), lent=True)
    jobs = source.execute(_JOBS, (place,))
    names = [name for name, *_ in jobs.description]
    rows = jobs.fetchall()
    number, last_at = names.index("number"), names.index("last_at")
    known = (row[last_at] for row in rows if type(row[last_at]) is int)
    newest = max((at for at in known if at <= LATEST_MS), default=0)
    since = newest - to_ms(WHOLE_SECONDS)
    with transaction(target):
        _insert(target, "jobs", len(names), rows)
        for row in rows:
            if time.monotonic() > deadline:
                return
            for told in (_WHOLE, _THINNED):
                _insert(target, "samples", 9, source.execute(told, (row[number], since)))


def write_over(
    memory: Store, file: Store, jobs: Sequence[Remembered], since: Mapping[JobKey, float]
) -> None:
    """Write to a file what a store in memory has gathered: jobs, samples from a UTC second, notes.

    Doing it again changes nothing. The notes are the last, and all or none: from then on others may
    go on with the plans in the file. Raises sqlite3.Error.
    """
    file.write(jobs, ())
    for key, begun in since.items():
        told = memory.samples(key, begun)
        for first in range(0, len(told), BATCH):
            file.write((), [(key, sample) for sample in told[first : first + BATCH]])
    memory.notes.copy_to(file.notes)


def _insert(
    target: sqlite3.Connection, table: str, width: int, rows: sqlite3.Cursor | list[tuple[object]]
) -> None:
    target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)
