"""The stored data of a history: the SQL that reads and writes it every day.

`Store` holds jobs and samples, `Notes` events, links between a retry and its original job
(`RetryLink`) and log counts, `Plans` plans and their steps. Tables are in `schema`, corrections of
times in `clock`, deletion of old samples in `thinning`.

Every call is synchronous and may raise sqlite3.Error. A write is one transaction. A store may be
used from any thread, but only from one at a time. Times are UTC seconds, stored as whole
milliseconds.

`copy` copies a file that cannot be written to into memory.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.monitor.history.codecs import (
    LATEST_MS,
    SAMPLE_COLUMNS,
    UNREADABLE,
    Row,
    checked_texts,
    counts_of,
    counts_row,
    event_of,
    event_row,
    job_text,
    key_row,
    last_text,
    link_of,
    place_text,
    plan_of,
    plan_row,
    readable,
    remembered_of,
    sample_of,
    sample_row,
    step_of,
    step_row,
    text,
    tie_row,
    to_ms,
)
from slurper_tui.monitor.history.files import Ownership, identity_of
from slurper_tui.monitor.history.schema import transaction, version_of
from slurper_tui.monitor.history.thinning import STEP_SECONDS
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, RetryLink
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState
from slurper_tui.monitor.model.samples import Recorded, Remembered

_PLAN = "id, account_id, made_at, retry_account_id, retry_job_id, log_types"
_STEP = "number, state, at, job_id, said, CAST(draft AS BLOB)"
_KEEP_PLAN = f"INSERT INTO plans (base_url, {_PLAN}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_KEEP_STEP = """
    INSERT INTO steps (plan, number, state, at, job_id, said, draft) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_STATE = """
    SELECT state FROM steps JOIN plans ON id = plan
    WHERE base_url = ? AND plan = ? AND number = ?
"""
_MOVE = """
    UPDATE steps SET state = ?, at = ?, job_id = ?, said = ?, draft = ?
    WHERE plan = ? AND number = ?
"""


class Plans:
    """The plans of one base URL and their steps. Calls may raise sqlite3.Error.

    is_copy: the plans that exist now are copies; the file, where other programs may continue them,
        has the true states. The copies are never changed.
    """

    def __init__(self, connection: sqlite3.Connection, place: str, *, is_copy: bool) -> None:
        self._connection = connection
        self._place = place
        self._last_copy = self._last_id() if is_copy else 0

    def keep(self, plan: Plan) -> Plan:
        """Insert a new plan and return it with its id, the next free one."""
        with transaction(self._connection):
            kept = replace(plan, id=1 + self._last_id())
            self._connection.execute(_KEEP_PLAN, (self._place, kept.id, *plan_row(kept)))
            self._connection.executemany(
                _KEEP_STEP, ((kept.id, step.number, *step_row(step)) for step in kept.steps)
            )
        return kept

    def _last_id(self) -> int:
        [[last]] = self._connection.execute("SELECT max(id) FROM plans").fetchall()
        return last or 0

    def all(self, accounts: Sequence[str] = ()) -> tuple[Plan, ...]:
        """Return the plans of these accounts (all if none are given), oldest first."""
        rows = self._connection.execute(
            f"SELECT {_PLAN} FROM plans WHERE {_of_accounts(accounts)} ORDER BY made_at, id",
            (self._place, *accounts),
        ).fetchall()
        return tuple(self._read(rows))

    def _read(self, rows: Sequence[Row]) -> Iterator[Plan]:
        for row in rows:
            steps = self._connection.execute(
                f"SELECT {_STEP} FROM steps WHERE plan = ? ORDER BY number", (row[0],)
            ).fetchall()
            # Skip an invalid plan; the others stay readable.
            with suppress(*UNREADABLE):
                plan = plan_of(row, [step_of(step) for step in steps])
                yield replace(plan, is_copy=plan.id <= self._last_copy)

    def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Replace a step if its state is still `before`; return whether it was replaced.

        The change is on disk when this returns True.
        """
        if plan_id <= self._last_copy:
            return False
        with transaction(self._connection):
            found = self._connection.execute(_STATE, (self._place, plan_id, number)).fetchone()
            if found != (str(before),):
                return False
            self._connection.execute(_MOVE, (*step_row(after), plan_id, number))
        return True

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Copy the plans to a prepared, empty database, inside a transaction."""
        plans = self._connection.execute(
            f"SELECT base_url, {_PLAN} FROM plans WHERE base_url = ?", (self._place,)
        )
        target.executemany(_KEEP_PLAN, plans)
        steps = self._connection.execute(
            "SELECT plan, number, state, at, job_id, said, draft FROM steps JOIN plans ON id = plan"
            " WHERE base_url = ?",
            (self._place,),
        )
        target.executemany(_KEEP_STEP, steps)


def _of_accounts(accounts: Sequence[str]) -> str:
    """Return a WHERE condition for the base URL and these accounts (all if none are given)."""
    listed = f" AND account_id IN ({', '.join('?' * len(accounts))})" if accounts else ""
    return f"base_url = ?{listed}"


MOST_EVENTS = 500
"""Events kept for each job; older ones are deleted."""

_OF_JOB = "base_url = ? AND account_id = ? AND job_id = ?"
_EVENT = "base_url, account_id, job_id, at, what, detail, said"
_TIE = "account_id, job_id, parent_account_id, parent_job_id, keys, log_types"
_KEEP_EVENT = f"INSERT OR IGNORE INTO events ({_EVENT}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_THIN_EVENTS = f"""
    DELETE FROM events WHERE {_OF_JOB} AND number NOT IN (
        SELECT number FROM events WHERE {_OF_JOB} ORDER BY at DESC, number DESC LIMIT ?
    )
"""
_KEEP_TIE = f"""
    INSERT INTO ties (base_url, {_TIE}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    parent_account_id = excluded.parent_account_id, parent_job_id = excluded.parent_job_id,
    keys = excluded.keys, log_types = excluded.log_types
"""
_COUNTS = "base_url, account_id, job_id, read_at, counts"
_KEEP_COUNTS = f"INSERT OR REPLACE INTO log_counts ({_COUNTS}) VALUES (?, ?, ?, ?, ?)"


class Notes:
    """Events, retry links, log counts and plans of one base URL. No accounts means all accounts.

    is_copy: the notes that exist now are copies.
    """

    def __init__(
        self, connection: sqlite3.Connection, place: str, *, is_copy: bool = False
    ) -> None:
        self.plans = Plans(connection, place, is_copy=is_copy)
        self._connection = connection
        self._place = place

    def keep(
        self,
        events: Sequence[Event],
        counts: Mapping[JobKey, LogCounts],
        links: Sequence[RetryLink] = (),
    ) -> None:
        """Write events (ignoring duplicates); replace log counts and retry links of their jobs."""
        with transaction(self._connection):
            self._connection.executemany(
                _KEEP_TIE, ((self._place, *tie_row(link)) for link in links)
            )
            self._connection.executemany(
                _KEEP_EVENT, ((self._place, *event_row(event)) for event in events)
            )
            for key in {event.key for event in events}:
                job = (self._place, *key_row(key))
                self._connection.execute(_THIN_EVENTS, (*job, *job, MOST_EVENTS))
            self._connection.executemany(
                _KEEP_COUNTS,
                ((self._place, *counts_row(key, of_job)) for key, of_job in counts.items()),
            )

    def events(self, key: JobKey, most: int) -> tuple[Event, ...]:
        """Return a job's newest events, at most `most`, oldest first."""
        rows = self._connection.execute(
            f"SELECT at, what, detail, said FROM events WHERE {_OF_JOB}"
            " ORDER BY at DESC, number DESC LIMIT ?",
            (self._place, *key_row(key), most),
        ).fetchall()
        return tuple(readable(reversed(rows), partial(event_of, key)))

    def links(self, accounts: Sequence[str] = ()) -> tuple[RetryLink, ...]:
        """Return the retries made in these accounts, in the order they were recorded."""
        rows = self._connection.execute(
            f"SELECT {_TIE} FROM ties WHERE {_of_accounts(accounts)} ORDER BY number",
            (self._place, *accounts),
        )
        return tuple(readable(rows, link_of))

    def counts(self, accounts: Sequence[str] = ()) -> dict[JobKey, LogCounts]:
        """Return the stored log counts of these accounts' jobs."""
        rows = self._connection.execute(
            "SELECT account_id, job_id, CAST(counts AS BLOB) FROM log_counts"
            f" WHERE {_of_accounts(accounts)}",
            (self._place, *accounts),
        )
        return dict(readable(rows, counts_of))

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Copy all notes to a prepared, empty database."""
        with transaction(target):
            target.executemany(_KEEP_EVENT, self._select("events", _EVENT, "number"))
            target.executemany(_KEEP_TIE, self._select("ties", f"base_url, {_TIE}", "number"))
            target.executemany(_KEEP_COUNTS, self._select("log_counts", _COUNTS, "job_id"))
            self.plans.copy_to(target)

    def _select(self, table: str, columns: str, order: str) -> sqlite3.Cursor:
        return self._connection.execute(
            f"SELECT {columns} FROM {table} WHERE base_url = ? ORDER BY {order}", (self._place,)
        )


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
_LAST_OF_EACH = """
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
    SELECT at, objects, transferred, skipped, failed, status, after_gap, stalled
    FROM samples WHERE job = :job AND at IN (
        SELECT at FROM newest UNION SELECT at FROM gap
        UNION SELECT min(at) FROM samples WHERE job = :job AND at >= :since
        UNION SELECT (
            SELECT max(at) FROM samples
            WHERE job = :job AND at >= :since AND at < gap.at
        ) FROM gap
    ) ORDER BY at
"""


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
        base_url: str,
        path: Path | None = None,
        ownership: Ownership | None = None,
        *,
        is_copy: bool = False,
    ) -> None:
        self.path = path
        self.base_url = base_url
        self._place = place_text(base_url)
        self._connection = connection
        self.notes = Notes(connection, self._place, is_copy=is_copy)
        self._ownership = ownership
        self._identity = None if path is None else identity_of(path)

    def remembered(self, accounts: Sequence[str]) -> tuple[Remembered, ...]:
        """Return the last known state of every job of these accounts that is not gone."""
        rows = self._connection.execute(
            "SELECT account_id, job_id, CAST(job AS BLOB), CAST(last AS BLOB), closed FROM jobs"
            f" WHERE gone = 0 AND {_of_accounts(accounts)} ORDER BY number",
            (self._place, *accounts),
        )
        return tuple(readable(rows, remembered_of))

    def keys(self, accounts: Sequence[str] = ()) -> tuple[JobKey, ...]:
        """Return the keys of all stored jobs, in the order they were first seen."""
        rows = self._connection.execute(
            f"SELECT account_id, job_id FROM jobs WHERE {_of_accounts(accounts)} ORDER BY number",
            (self._place, *accounts),
        )
        return tuple(JobKey(*ids) for ids in readable(rows, checked_texts))

    def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        """Return a job's samples between two UTC seconds, both included, oldest first."""
        end = _ALWAYS if until is None else to_ms(until)
        rows = self._connection.execute(
            f"SELECT {SAMPLE_COLUMNS} FROM samples"
            " WHERE job = ? AND at BETWEEN ? AND ? ORDER BY at",
            (self._number(key), to_ms(since), end),
        )
        return tuple(readable(rows, sample_of))

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
            return _of_accounts(accounts), (self._place, *accounts)
        return "samples.job = ? AND number = ?", (self._number(key),) * 2

    def _number(self, key: JobKey) -> int | None:
        row = self._connection.execute(
            "SELECT number FROM jobs WHERE base_url = ? AND account_id = ? AND job_id = ?",
            (self._place, text(key.account_id), text(key.job_id)),
        ).fetchone()
        return None if row is None else int(row[0])

    def write(self, jobs: Sequence[Remembered], samples: Sequence[tuple[JobKey, Recorded]]) -> None:
        """Write jobs and new samples in one transaction.

        A sample that is already stored changes nothing. A job without an id is skipped.
        """
        with transaction(self._connection):
            self._connection.executemany(
                _KEEP_JOB, map(self._job_row, (j for j in jobs if j.job.id))
            )
            of_each: dict[JobKey, list[Recorded]] = {}
            for key, sample in samples:
                of_each.setdefault(key, []).append(sample)
            for key, of_job in of_each.items():
                if key.job_id:
                    self._write_samples(key, of_job)

    def _write_samples(self, key: JobKey, samples: Sequence[Recorded]) -> None:
        number = self._number(key)
        if number is None:
            unseen = Remembered(key.account_id, Job(id=key.job_id))
            number = self._connection.execute(_KEEP_JOB, self._job_row(unseen)).lastrowid
        rows = [sample_row(sample) for sample in samples]
        begin = 0
        for place, sample in enumerate(samples):
            if sample.set_back:
                from slurper_tui.monitor.history.clock import set_back  # rarely needed

                self._insert(number, rows[begin:place])
                set_back(self._connection, number or 0, rows[place][0])
                begin = place
        self._insert(number, rows[begin:])
        oldest = min(row[0] for row in rows)
        self._connection.execute(_KEEP_LAST, (last_text(samples[-1]), rows[-1][0], oldest, number))

    def _insert(self, number: int | None, rows: Sequence[Row]) -> None:
        self._connection.executemany(_KEEP_SAMPLE, ((number, *row) for row in rows))

    def _job_row(self, known: Remembered) -> Row:
        job_id = text(known.job.id or "")
        place = (self._place, text(known.account_id), job_id)
        return (*place, job_text(known.job), int(known.closed), int(known.gone))

    def heal(self, now: float) -> bool:
        """Move samples and notes dated in the future to before `now` (UTC seconds).

        They come from a clock that was ahead. Return whether anything was moved.
        """
        from slurper_tui.monitor.history.clock import heal

        return heal(self._connection, now)

    def thin(self, now: float) -> bool:
        """Thin old samples, a limited number per call; return whether more are left.

        now: UTC seconds.
        """
        from slurper_tui.monitor.history.thinning import thin_some  # not for the first picture

        return thin_some(self._connection, now)

    def make_room(self) -> None:
        """Checkpoint the write-ahead log, so that its space can be reused."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def copy_to(self, connection: sqlite3.Connection) -> None:
        """Copy the data of this base URL to a prepared, empty database, within a time limit."""
        copy(self._connection, connection, self._place)

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


WHOLE_SECONDS = 3 * 86_400.0
"""Seconds before the newest sample that are copied in full; older samples are thinned."""

COPY_SECONDS = 0.3
"""Time limit for copying samples: the first picture waits for the copy."""

_JOBS = "SELECT * FROM jobs WHERE base_url = ? ORDER BY last_at DESC"
_WHOLE = f"SELECT job, {SAMPLE_COLUMNS} FROM samples WHERE job = ? AND at >= ?"
_THINNED = f"""
    SELECT job, max(at), {SAMPLE_COLUMNS.removeprefix("at, ")} FROM samples WHERE job = ? AND at < ?
    GROUP BY at / {to_ms(STEP_SECONDS)}, status, after_gap, stalled
"""


def copy(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    place: str,
    seconds: float = COPY_SECONDS,
) -> None:
    """Copy the notes, jobs and samples of one base URL, the most recently sampled jobs first.

    All jobs are copied; after `seconds` no further job's samples are.

    source: may have an older schema.
    target: prepared and empty.

    Raises sqlite3.Error.
    """
    deadline = time.monotonic() + seconds
    if version_of(source) > 1:
        Notes(source, place).copy_to(target)
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
            for select in (_WHOLE, _THINNED):
                _insert(target, "samples", 9, source.execute(select, (row[number], since)))


def _insert(
    target: sqlite3.Connection, table: str, width: int, rows: sqlite3.Cursor | list[tuple[object]]
) -> None:
    target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)


BATCH = 2_000
"""Samples written in one transaction; limits how long other programs wait for the file."""
