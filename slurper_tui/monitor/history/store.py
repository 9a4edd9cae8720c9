"""The stored jobs and samples of a history: reading and writing, thinning, correcting times.

Tables are in `schema`; `notes` has events, retry links, log counts and plans.

Every call is synchronous and may raise sqlite3.Error. A write is one transaction. A store may be
used from any thread, but only from one at a time. Times are UTC seconds, stored as whole
milliseconds.

`copy` copies a file that cannot be written to into memory.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.monitor.history.codecs import (
    LATEST_MS,
    SAMPLE_COLUMNS,
    UNREADABLE,
    BaseUrls,
    Places,
    Row,
    checked_texts,
    job_of,
    job_text,
    last_text,
    readable,
    sample_of,
    sample_row,
    stored_job_of,
    text,
)
from slurper_tui.monitor.history.files import Ownership, identity_of
from slurper_tui.monitor.history.notes import Notes
from slurper_tui.monitor.history.schema import transaction, version_of
from slurper_tui.monitor.model.base import AHEAD_SECONDS, CREATED_SLACK, EARLIEST, JobKey
from slurper_tui.monitor.model.job import Counts, job_time
from slurper_tui.monitor.model.samples import (
    STEP_SECONDS,
    WHOLE_SECONDS,
    Recorded,
    StoredJob,
    step_start,
    superfluous,
    to_ms,
)
from slurper_tui.monitor.model.verification import by_job

_ALWAYS = 2**62
"""Milliseconds; later than any sample."""

_KEEP_JOB = """
    INSERT INTO jobs (base_url, account_id, job_id, job, closed, gone) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET job = excluded.job, closed = excluded.closed, gone = excluded.gone
"""
_KEEP_SAMPLE = "INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP_LAST = """
    UPDATE jobs SET last = ?, last_at = ?, thinned_to = min(thinned_to, ?) WHERE number = ?
"""

# Go from the newest sample to the newest one of the previous non-empty step, and so on: one index
# lookup for each step, however many samples it holds. Gaps have an index of their own.
_LAST_OF_EACH = f"""
    WITH RECURSIVE newest (at) AS (
        SELECT max(at) FROM samples WHERE job = :job AND at BETWEEN :since AND :latest
        UNION ALL
        SELECT (
            SELECT max(at) FROM samples
            WHERE job = :job AND at >= :since AND at < newest.at / :step * :step
        ) FROM newest WHERE newest.at IS NOT NULL
    ), gap (at) AS (
        SELECT at FROM samples INDEXED BY gaps
        WHERE job = :job AND after_gap = 1 AND at >= :since
    )
    SELECT {SAMPLE_COLUMNS} FROM samples WHERE job = :job AND at IN (
        SELECT at FROM newest UNION SELECT at FROM gap
        UNION SELECT min(at) FROM samples WHERE job = :job AND at >= :since
        UNION SELECT (
            SELECT max(at) FROM samples
            WHERE job = :job AND at >= :since AND at < gap.at
        ) FROM gap
    ) ORDER BY at
"""

_LAST_OTHER_STATUS = """
    SELECT at FROM samples WHERE job = :job AND at BETWEEN 0 AND :latest AND status IS NOT (
        SELECT status FROM samples WHERE job = :job AND at BETWEEN 0 AND :latest
        ORDER BY at DESC LIMIT 1
    ) ORDER BY at DESC LIMIT 1
"""

_FIRST = "SELECT min(at) FROM samples WHERE job = ? AND at BETWEEN max(?, 0) AND ?"
_LAST_BEFORE = "SELECT max(at) FROM samples WHERE job = ? AND at BETWEEN 0 AND ? - 1"
_GAP_BEFORE = """
    SELECT max(at) FROM samples INDEXED BY gaps
    WHERE job = ? AND after_gap = 1 AND at BETWEEN 0 AND ?
"""
_JOBS_IN_FUTURE = f"""
    SELECT number, CAST(job AS BLOB) FROM jobs
    WHERE (SELECT max(at) FROM samples WHERE job = number AND at <= {LATEST_MS}) > :limit
    OR last_at BETWEEN :limit + 1 AND {LATEST_MS}
"""

WINDOW_SECONDS = 6 * 3600.0
"""Length of the part of a job's samples that is thinned at once; a whole number of steps."""

SOME = 20_000
"""Samples examined in one transaction; then other writers get a turn."""

_SPARE = 4
"""Free pages beyond a quarter of the file are returned to the disk; the others are reused."""

LONGEST_WATCHED_MS = 4 * 86_400_000
"""A longer span between two samples is a gap, even if not marked: no poll is that slow."""

MOST_BEHIND_MS = 90 * 86_400_000
"""Samples further ahead than this were dated wrongly: a present clock that far behind would show a
time before the job was created."""


class Dated(NamedTuple):
    """A sample's stored time, and whether a gap precedes it."""

    at: int
    after_gap: bool


class _Move(NamedTuple):
    """Samples of one job, oldest first, and their new times."""

    job: int
    block: Sequence[Dated]
    times: Sequence[int]


def fitted(block: Sequence[Dated], floor: int, end: int) -> list[int] | None:
    """Return times for samples that end at `end` and begin after `floor`.

    The spans stay as they are; if that is too long, each gap is shortened to 1 ms. None if even
    that does not fit: the samples cannot have been taken in that time.
    """
    spans = [after.at - before.at for before, after in pairwise(block)]
    watched = [
        1 if after.after_gap or span > LONGEST_WATCHED_MS else span
        for span, after in zip(spans, block[1:], strict=True)
    ]
    for each in (spans, watched):
        begin = end - sum(each)
        if begin > floor:
            return list(accumulate(each, initial=begin))
    return None


class Store:
    """The jobs and samples of one base URL.

    path: the file; None for a store in memory.
    notes: what else is stored of the jobs.
    is_copy: in memory, with the data of a file that cannot be written to.

    Where a call takes accounts, none means all accounts.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        base_url: BaseUrls,
        path: Path | None = None,
        ownership: Ownership | None = None,
        *,
        is_copy: bool = False,
    ) -> None:
        self.path = path
        self.base_url = base_url
        self._places = Places(base_url)
        self._connection = connection
        self.notes = Notes(connection, self._places, is_copy=is_copy)
        self._ownership = ownership
        self._identity = None if path is None else identity_of(path)

    def jobs(self, accounts: Sequence[str]) -> tuple[StoredJob, ...]:
        """Return the last state of every job of these accounts that is not gone."""
        which, values = self._places.where(accounts)
        rows = self._connection.execute(
            "SELECT account_id, job_id, CAST(job AS BLOB), CAST(last AS BLOB), closed FROM jobs"
            f" WHERE gone = 0 AND {which} ORDER BY number",
            values,
        )
        logs = self.notes.counts(accounts)
        proofs = by_job(self.notes.verifications(accounts))
        return tuple(
            replace(job, log=logs.get(job.key), verification=proofs.get(job.key))
            if job.key in logs or job.key in proofs
            else job
            for job in readable(rows, stored_job_of)
        )

    def keys(self, accounts: Sequence[str] = ()) -> tuple[JobKey, ...]:
        """Return the keys of all stored jobs, in the order they were first seen."""
        which, values = self._places.where(accounts)
        rows = self._connection.execute(
            f"SELECT account_id, job_id FROM jobs WHERE {which} ORDER BY number", values
        )
        return tuple(JobKey(*ids) for ids in readable(rows, checked_texts))

    def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        """Return a job's samples between two UTC seconds, both included, oldest first."""
        end = _ALWAYS if until is None else to_ms(until)
        where = "at BETWEEN ? AND ? ORDER BY at"
        return self._select(where, self._number(key), to_ms(since), end)

    def last_of_each(self, key: JobKey, since: float, step: float) -> tuple[Recorded, ...]:
        """Return a job's samples thinned to one per step, oldest first.

        Kept are the first sample since `since` (UTC seconds), the newest of each step and both
        sides of each gap. step: seconds, rounded to milliseconds; steps start at multiples of it.
        """
        asked = {
            "job": self._number(key),
            "since": to_ms(since),
            "step": max(1, to_ms(step)),
            "latest": LATEST_MS,
        }
        return tuple(readable(self._connection.execute(_LAST_OF_EACH, asked), sample_of))

    def last_change(self, key: JobKey) -> tuple[Recorded, ...]:
        """Return the samples on both sides of a job's last change of status, or ()."""
        job = self._number(key)
        found = self._connection.execute(_LAST_OTHER_STATUS, {"job": job, "latest": LATEST_MS})
        at = found.fetchone()
        return self._select("at >= ? ORDER BY at LIMIT 2", job, at[0]) if at else ()

    def every(
        self, accounts: Sequence[str] = (), key: JobKey | None = None
    ) -> Iterator[tuple[JobKey, Recorded]]:
        """Yield all samples of one job, or of these accounts, oldest first, one row at a time."""
        which, values = self._which(accounts, key)
        rows = self._connection.execute(
            f"SELECT account_id, job_id, {SAMPLE_COLUMNS} FROM samples"
            " JOIN jobs ON number = samples.job"
            f" WHERE {which} ORDER BY at, number",
            values,
        )
        yield from readable(rows, lambda row: (JobKey(*checked_texts(row[:2])), sample_of(row[2:])))

    def widest(self, accounts: Sequence[str] = (), key: JobKey | None = None) -> tuple[int, ...]:
        """Return the width of the longest status and of the largest value of each counter."""
        counters = ", ".join(
            f"max(CASE typeof({name}) WHEN 'integer' THEN length({name}) END)"
            for name in Counts.__struct_fields__
        )
        which, values = self._which(accounts, key)
        [row] = self._connection.execute(
            "SELECT max(CASE typeof(samples.status) WHEN 'text' THEN length(samples.status) END),"
            f" {counters}"
            f" FROM samples JOIN jobs ON number = samples.job WHERE {which}",
            values,
        )
        return tuple(width or 0 for width in row)

    def _which(self, accounts: Sequence[str], key: JobKey | None) -> tuple[str, Row]:
        """Return a WHERE condition, and its values, for one job or these accounts."""
        if key is None:
            return self._places.where(accounts)
        return "samples.job = ? AND number = ?", (self._number(key),) * 2

    def _number(self, key: JobKey) -> int | None:
        row = self._connection.execute(
            "SELECT number FROM jobs WHERE base_url = ? AND account_id = ? AND job_id = ?",
            (self._places.of(key.account_id), text(key.account_id), text(key.job_id)),
        ).fetchone()
        return None if row is None else int(row[0])

    def write(self, jobs: Sequence[StoredJob], samples: Sequence[tuple[JobKey, Recorded]]) -> None:
        """Write jobs and new samples in one transaction.

        A sample that is already stored changes nothing. A job without an id is skipped.
        """
        of_each: dict[JobKey, list[Recorded]] = {}
        for key, sample in samples:
            of_each.setdefault(key, []).append(sample)
        with transaction(self._connection):
            self._connection.executemany(
                _KEEP_JOB, map(self._job_row, (j for j in jobs if j.job.id))
            )
            for key, of_job in of_each.items():
                if key.job_id:
                    self._write_samples(key, of_job)

    def _write_samples(self, key: JobKey, samples: Sequence[Recorded]) -> None:
        number = self._number(key)
        if number is None:
            unseen = StoredJob(key.account_id, Job(id=key.job_id))
            number = self._connection.execute(_KEEP_JOB, self._job_row(unseen)).lastrowid or 0
        rows = [sample_row(sample) for sample in samples]
        begin = 0
        for place, sample in enumerate(samples):
            if sample.set_back:
                self._insert(number, rows[begin:place])
                self._set_back(number, rows[place][0])
                begin = place
        self._insert(number, rows[begin:])
        oldest = min(row[0] for row in rows)
        self._connection.execute(_KEEP_LAST, (last_text(samples[-1]), rows[-1][0], oldest, number))

    def _insert(self, number: int, rows: Sequence[Row]) -> None:
        self._connection.executemany(_KEEP_SAMPLE, ((number, *row) for row in rows))

    def _job_row(self, stored: StoredJob) -> Row:
        job_id = text(stored.job.id or "")
        account_id = stored.account_id
        place = (self._places.of(account_id), text(account_id), job_id)
        return (*place, job_text(stored.job), int(stored.closed), int(stored.gone))

    def thin(self, now: float) -> bool:
        """Thin samples older than a day, a limited number per call; return whether more are left.

        Includes other base URLs. Each job's `thinned_to` records how far it has been thinned.
        now: UTC seconds.
        """
        with transaction(self._connection):
            more = self._thin_until(to_ms(step_start(now - WHOLE_SECONDS)))
        [[free]] = self._connection.execute("PRAGMA freelist_count")
        [[pages]] = self._connection.execute("PRAGMA page_count")
        if free > pages // _SPARE:
            # `execute` would stop after the first page, `executescript` does not.
            spare = free - pages // _SPARE
            self._connection.executescript(f"PRAGMA incremental_vacuum({spare})")
        return more

    def _thin_until(self, end: int) -> bool:
        """Thin the samples before `end`, window by window; return whether more are left."""
        examined = 0
        jobs = self._connection.execute("SELECT number, thinned_to FROM jobs").fetchall()
        for job, thinned_to in jobs:
            first = self._first(job, thinned_to)
            while first is not None and first < end:
                if examined >= SOME:
                    return True
                begin = to_ms(step_start(first / 1000))
                thinned_to = min(end, begin + to_ms(WINDOW_SECONDS))
                examined += self._thin_window(job, begin, thinned_to)
                first = self._first(job, thinned_to)
        return False

    def _first(self, job: int, since: int) -> int | None:
        """Return the time of a job's first sample at or after `since`; None if there is none."""
        first: int | None
        [[first]] = self._connection.execute(_FIRST, (job, since, LATEST_MS)).fetchall()
        return first

    def _thin_window(self, job: int, begin: int, end: int) -> int:
        """Thin a job's samples from `begin` up to but excluding `end`; return their number."""
        samples = self._select("at >= ? AND at < ? ORDER BY at", job, begin, end)
        before = self._select("at < ? ORDER BY at DESC LIMIT 1", job, begin)
        after = self._select("at >= ? ORDER BY at LIMIT 1", job, end)
        gone = superfluous(samples, before[0] if before else None, after[0] if after else None)
        self._connection.executemany(
            "DELETE FROM samples WHERE job = ? AND at = ?", ((job, to_ms(s.at)) for s in gone)
        )
        self._connection.execute("UPDATE jobs SET thinned_to = ? WHERE number = ?", (end, job))
        return len(samples)

    def heal(self, now: float) -> bool:
        """Move samples and notes dated in the future by a clock that was ahead to before `now`.

        Their order, their values and, if possible, the time between them stay. Includes other base
        URLs. Return whether anything was moved. Nothing is moved if one job's samples show that
        `now` (UTC seconds) is behind instead.
        """
        limit, now_ms = to_ms(now + AHEAD_SECONDS), to_ms(now)
        if now < EARLIEST or not (self._jobs_in_future(limit) or self.notes.later(limit)):
            return False
        with transaction(self._connection):
            moves = []
            for job, job_json in self._jobs_in_future(limit):
                move = self._moved_back(job, job_json, limit, now_ms)
                if move is None:
                    return False
                moves.append(move)
            for move in moves:
                self._apply(move)
            self.notes.set_back(limit, now_ms)
        return True

    def _jobs_in_future(self, limit: int) -> list[Row]:
        """Return number and JSON of the jobs with a sample after `limit`, or a copy of one."""
        return self._connection.execute(_JOBS_IN_FUTURE, {"limit": limit}).fetchall()

    def _moved_back(self, job: int, job_json: bytes, limit: int, now: int) -> _Move | None:
        """Return the move of a job's samples after `limit`; None if `now` must be behind."""
        first = self._time(_FIRST, job, limit, LATEST_MS)
        if first is None:  # only the copy of its newest sample is in the future
            return _Move(job, (), ())
        block = self._block(job, first)
        last, floor = block[-1].at, to_ms(EARLIEST)
        try:
            created = job_time(job_of(job_json).created_at)
        except UNREADABLE:
            created = None
        # A creation time after the last sample is wrong and ignored.
        if created is not None and to_ms(created - CREATED_SLACK) <= last:
            floor = to_ms(created - CREATED_SLACK)
        times = fitted(block, max(floor, self._previous(job, block)), now - 1)
        if times is not None:
            return _Move(job, block, times)
        if floor >= now or last - now <= MOST_BEHIND_MS:
            return None
        return self._crowded(job, first, now)

    def _set_back(self, job: int, now: int) -> None:
        """Move a job's samples dated `now` or later to before it, because the clock was set back.

        Call it inside a transaction. All samples since the last gap are moved by the same time if
        that fits; otherwise only the later samples are squeezed into the time before `now`.
        """
        first = self._time(_FIRST, job, now, LATEST_MS)
        if first is None:
            return
        block = self._block(job, first)
        times = fitted(block, self._previous(job, block), now - 1)
        self._apply(self._crowded(job, first, now) if times is None else _Move(job, block, times))

    def _crowded(self, job: int, first: int, now: int) -> _Move:
        """Spread the samples since `first` over the time before `now`.

        Earlier samples are included until there is a millisecond for each.
        """
        rows = self._dated(job, first)
        before = self._time(_LAST_BEFORE, job, rows[0].at)
        while before is not None and now - before <= len(rows):
            rows.insert(0, Dated(before, False))
            before = self._time(_LAST_BEFORE, job, before)
        begin = now - len(rows) - 1 if before is None else before
        times = [begin + n * (now - begin) // (len(rows) + 1) for n in range(1, len(rows) + 1)]
        return _Move(job, [row._replace(after_gap=True) for row in rows], times)

    def _time(self, statement: str, *values: int) -> int | None:
        """Return a single time; None if there is none, or if it is damaged."""
        [[at]] = self._connection.execute(statement, values).fetchall()
        return at if type(at) is int else None

    def _block(self, job: int, first: int) -> list[Dated]:
        """Return the samples from the last gap at or before `first` on."""
        return self._dated(job, self._time(_GAP_BEFORE, job, first) or 0)

    def _dated(self, job: int, since: int) -> list[Dated]:
        rows = self._connection.execute(
            "SELECT at, after_gap FROM samples WHERE job = ? AND at BETWEEN ? AND ? ORDER BY at",
            (job, since, LATEST_MS),
        )
        return [Dated(at, gap == 1) for at, gap in rows if type(at) is int]

    def _previous(self, job: int, block: Sequence[Dated]) -> int:
        return self._time(_LAST_BEFORE, job, block[0].at) or 0

    def _apply(self, move: _Move) -> None:
        """Write the new times, oldest first, so that no two samples collide.

        A sample whose distance from the one before it changed is marked as the first after a gap.
        """
        moved = list(zip(move.block, move.times, strict=True))
        as_before = [b.at - a.at == t - s for (a, s), (b, t) in pairwise(moved)]
        self._connection.executemany(
            "UPDATE samples SET at = ?, after_gap = ? WHERE job = ? AND at = ?",
            (
                (at, int(row.after_gap or not same), move.job, row.at)
                for (row, at), same in zip(moved, [True, *as_before], strict=False)
            ),
        )
        newest = self._select("at BETWEEN 0 AND ? ORDER BY at DESC LIMIT 1", move.job, LATEST_MS)
        last = (last_text(newest[0]), to_ms(newest[0].at)) if newest else (None, None)
        begun = min(move.times, default=LATEST_MS)
        self._connection.execute(_KEEP_LAST, (*last, begun, move.job))

    def _select(self, where: str, job: int | None, *values: int) -> tuple[Recorded, ...]:
        rows = self._connection.execute(
            f"SELECT {SAMPLE_COLUMNS} FROM samples WHERE job = ? AND {where}", (job, *values)
        )
        return tuple(readable(rows, sample_of))

    def make_room(self) -> None:
        """Checkpoint the write-ahead log, so that its space can be reused."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def copy_to(self, connection: sqlite3.Connection) -> None:
        """Copy the data of this base URL to a prepared, empty database, within a time limit."""
        copy(self._connection, connection, self._places)

    @property
    def is_in_place(self) -> bool:
        """Whether `path` still names the file that was opened; True in memory."""
        return self.path is None or identity_of(self.path) == self._identity

    @property
    def is_shared(self) -> bool:
        """Whether another instance opened the file first and writes to it too."""
        return self._ownership is not None and not self._ownership.claim()

    def close(self) -> None:
        """Close the connection and release the lock."""
        self._connection.close()
        if self._ownership is not None:
            self._ownership.release()


COPIED_WHOLE_SECONDS = 3 * 86_400.0
"""Seconds before the newest sample that are copied in full; older samples are thinned."""

COPY_SECONDS = 0.3
"""Time limit for copying samples: the first picture waits for the copy."""

_WHOLE = f"SELECT job, {SAMPLE_COLUMNS} FROM samples WHERE job = ? AND at >= ?"
_THINNED = f"""
    SELECT job, max(at), {SAMPLE_COLUMNS.removeprefix("at, ")} FROM samples WHERE job = ? AND at < ?
    GROUP BY at / {to_ms(STEP_SECONDS)}, status, after_gap, stalled
"""


def copy(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    places: Places,
    seconds: float = COPY_SECONDS,
) -> None:
    """Copy the notes, jobs and samples of these base URLs, the most recently sampled jobs first.

    All jobs are copied; after `seconds` no further job's samples are.

    source: may have an older schema.
    target: prepared and empty.

    Raises sqlite3.Error.
    """
    deadline = time.monotonic() + seconds
    if version_of(source) > 1:
        Notes(source, places).copy_to(target)
    which, values = places.where()
    jobs = source.execute(f"SELECT * FROM jobs WHERE {which} ORDER BY last_at DESC", values)
    names = [name for name, *_ in jobs.description]
    rows = jobs.fetchall()
    number, last_at = names.index("number"), names.index("last_at")
    times = (row[last_at] for row in rows if type(row[last_at]) is int)
    newest = max((at for at in times if at <= LATEST_MS), default=0)
    since = newest - to_ms(COPIED_WHOLE_SECONDS)
    with transaction(target):
        _insert(target, "jobs", len(names), rows)
        for row in rows:
            if time.monotonic() > deadline:
                return
            for select in (_WHOLE, _THINNED):
                _insert(target, "samples", 9, source.execute(select, (row[number], since)))


def _insert(
    target: sqlite3.Connection, table: str, width: int, rows: sqlite3.Cursor | list[tuple[object]]
) -> None:
    target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)


BATCH = 2_000
"""Samples written in one transaction; limits how long other programs wait for the file."""
