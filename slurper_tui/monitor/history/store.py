"""A history on disk, or in memory: what is kept, asked for in plain calls.

Every call is synchronous and may raise sqlite3.Error. A store may be used from any one thread at a
time. Times are UTC seconds, kept to the millisecond.

The plans in a history, and their steps, which are moved on one at a time.

What a history keeps besides samples, asked for in plain calls like a store's.

Every call is synchronous and may raise sqlite3.Error. Each that writes does all of it or nothing.
Times are UTC seconds, kept to the millisecond.

From a file that cannot be written to into memory, and from there into one that can be.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.monitor.history.codecs import (
    LATEST_MS,
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
    tie_of,
    tie_row,
    to_ms,
)
from slurper_tui.monitor.history.files import Ownership, identity_of
from slurper_tui.monitor.history.schema import transaction, version_of
from slurper_tui.monitor.history.thinning import STEP_SECONDS
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState
from slurper_tui.monitor.model.samples import Recorded, Remembered

if TYPE_CHECKING:
    pass


_OF_FILES = 2**32
"""Ids of plans that were kept in a file at once are lower: they count from 1."""

_OF_MEMORY = 2**53
"""Ids of plans that were kept in memory at first are random, and lower than this: such a plan keeps
its id in whatever file it comes into."""

_PLAN = "id, account_id, made_at, retry_account_id, retry_job_id, log_types"
_STEP = "number, state, at, job_id, said, CAST(draft AS BLOB)"
_KEEP_PLAN = f"INSERT INTO plans (base_url, {_PLAN}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_KEEP_STEP = """
    INSERT INTO steps (plan, number, state, at, job_id, said, draft) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_STANDS = """
    SELECT state FROM steps JOIN plans ON id = plan
    WHERE base_url = ? AND lent = 0 AND plan = ? AND number = ?
"""
_MOVE = """
    UPDATE steps SET state = ?, at = ?, job_id = ?, said = ?, draft = ?
    WHERE plan = ? AND number = ?
"""


class Plans:
    """The plans of one base URL. Calls are synchronous, and may raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection, place: str) -> None:
        self._connection = connection
        self._place = place

    def keep(self, plan: Plan, *, counted: bool) -> Plan:
        """Keep a new plan, and give it with its id: the next one, or one that no file has."""
        with transaction(self._connection):
            kept = replace(plan, id=self._next_id() if counted else memory_id())
            self._connection.execute(_KEEP_PLAN, (self._place, kept.id, *plan_row(kept)))
            self._connection.executemany(
                _KEEP_STEP, ((kept.id, step.number, *step_row(step)) for step in kept.steps)
            )
        return kept

    def _next_id(self) -> int:
        [[newest]] = self._connection.execute(
            "SELECT max(id) FROM plans WHERE id < ?", (_OF_FILES,)
        ).fetchall()
        return 1 + (newest or 0)

    def all(self, accounts: Sequence[str] = ()) -> tuple[Plan, ...]:
        """Give the plans of these accounts, or of all without any, oldest first."""
        rows = self._connection.execute(
            f"SELECT {_PLAN} FROM plans WHERE {of_accounts(accounts)} ORDER BY made_at, id",
            (self._place, *accounts),
        ).fetchall()
        return tuple(self._read(rows))

    def _read(self, rows: Sequence[Row]) -> Iterator[Plan]:
        for row in rows:
            steps = self._connection.execute(
                f"SELECT {_STEP} FROM steps WHERE plan = ? ORDER BY number", (row[0],)
            ).fetchall()
            # One that is not to be read holds up no other.
            with suppress(*UNREADABLE):
                yield plan_of(row, [step_of(step) for step in steps])

    def has(self, plan_id: int) -> bool:
        """Whether such a plan is kept here."""
        found = self._connection.execute(
            "SELECT 1 FROM plans WHERE base_url = ? AND id = ?", (self._place, plan_id)
        )
        return found.fetchone() is not None

    def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Change a step if it still stands as `before`: on the disk when this returns True."""
        with transaction(self._connection):
            stands = self._connection.execute(_STANDS, (self._place, plan_id, number)).fetchone()
            if stands != (str(before),):
                return False
            self._connection.execute(_MOVE, (*step_row(after), plan_id, number))
        return True

    def copy_to(self, other: Plans, *, lent: bool) -> None:
        """Within a transaction: copy those that are not lent and that the other has not."""
        rows = self._connection.execute(
            f"SELECT {_PLAN} FROM plans WHERE base_url = ? AND lent = 0", (self._place,)
        ).fetchall()
        for row in rows:
            if not other.has(row[0]):
                self._copy(other._connection, row, lent=lent)

    def _copy(self, target: sqlite3.Connection, row: Row, *, lent: bool) -> None:
        target.execute(_KEEP_PLAN, (self._place, *row))
        target.execute("UPDATE plans SET lent = ? WHERE id = ?", (int(lent), row[0]))
        steps = self._connection.execute(
            "SELECT plan, number, state, at, job_id, said, draft FROM steps WHERE plan = ?",
            (row[0],),
        )
        target.executemany(_KEEP_STEP, steps)


def memory_id() -> int:
    """An id for a plan that no file has."""
    return random.SystemRandom().randrange(_OF_FILES, _OF_MEMORY)


def of_accounts(accounts: Sequence[str]) -> str:
    """A condition for our base URL, and for these accounts, or for all without any."""
    listed = f" AND account_id IN ({', '.join('?' * len(accounts))})" if accounts else ""
    return f"base_url = ?{listed}"


MOST_EVENTS = 500
"""So many events of a job are kept, the newest."""

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
_KEEP_OLD_TIE = f"INSERT OR IGNORE INTO ties (base_url, {_TIE}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_COUNTS = "base_url, account_id, job_id, read_at, counts"
_KEEP_COUNTS = f"INSERT OR REPLACE INTO log_counts ({_COUNTS}) VALUES (?, ?, ?, ?, ?)"
_KEEP_NEWER_COUNTS = f"""
    INSERT INTO log_counts ({_COUNTS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET read_at = excluded.read_at, counts = excluded.counts WHERE excluded.read_at > read_at
"""


class Notes:
    """What is noted for one base URL. Where accounts are named, none means all of them."""

    def __init__(self, connection: sqlite3.Connection, place: str) -> None:
        self.plans = Plans(connection, place)
        self._connection = connection
        self._place = place

    # Events ------------------------------------------------------------------------------------

    def keep(self, events: Sequence[Event], counts: Mapping[JobKey, LogCounts]) -> None:
        """Keep events, each once, and what logs hold, in place of what was kept before."""
        with transaction(self._connection):
            self._connection.executemany(
                _KEEP_EVENT, ((self._place, *event_row(event)) for event in events)
            )
            for key in {event.key for event in events}:
                job = (self._place, *key_row(key))
                self._connection.execute(_THIN_EVENTS, (*job, *job, MOST_EVENTS))
            self._connection.executemany(
                _KEEP_COUNTS,
                ((self._place, *counts_row(key, told)) for key, told in counts.items()),
            )

    def events(self, key: JobKey, most: int) -> tuple[Event, ...]:
        """Give a job's newest events, oldest first."""
        rows = self._connection.execute(
            f"SELECT at, what, detail, said FROM events WHERE {_OF_JOB}"
            " ORDER BY at DESC, number DESC LIMIT ?",
            (self._place, *key_row(key), most),
        ).fetchall()
        return tuple(readable(reversed(rows), partial(event_of, key)))

    # Ties and counts -----------------------------------------------------------------------------

    def tie(self, tie: Tie) -> None:
        """Keep that one job retries another."""
        with transaction(self._connection):
            self._connection.execute(_KEEP_TIE, (self._place, *tie_row(tie)))

    def ties(self, accounts: Sequence[str] = ()) -> tuple[Tie, ...]:
        """Give every retry of these accounts, in the order in which they were made."""
        rows = self._connection.execute(
            f"SELECT {_TIE} FROM ties WHERE {of_accounts(accounts)} ORDER BY number",
            (self._place, *accounts),
        )
        return tuple(readable(rows, tie_of))

    def counts(self, accounts: Sequence[str] = ()) -> dict[JobKey, LogCounts]:
        """Give what is kept of the logs of these accounts' jobs."""
        rows = self._connection.execute(
            "SELECT account_id, job_id, CAST(counts AS BLOB) FROM log_counts"
            f" WHERE {of_accounts(accounts)}",
            (self._place, *accounts),
        )
        return dict(readable(rows, counts_of))

    # As a whole ----------------------------------------------------------------------------------

    @property
    def any(self) -> bool:
        """Whether anything was noted."""
        tables = ("events", "ties", "log_counts", "plans")
        return any(self._select(table, "1", "account_id LIMIT 1").fetchone() for table in tables)

    def copy_to(self, other: Notes, *, lent: bool = False) -> None:
        """Add all of it to another's, which keeps its own plans; doing it again changes nothing.

        lent: the plans are only to be looked at there: they are not copied on, and never moved.
        """
        target = other._connection
        with transaction(target):
            target.executemany(_KEEP_EVENT, self._select("events", _EVENT, "number"))
            target.executemany(_KEEP_OLD_TIE, self._select("ties", f"base_url, {_TIE}", "number"))
            target.executemany(_KEEP_NEWER_COUNTS, self._select("log_counts", _COUNTS, "job_id"))
            self.plans.copy_to(other.plans, lent=lent)

    def _select(self, table: str, columns: str, order: str) -> sqlite3.Cursor:
        return self._connection.execute(
            f"SELECT {columns} FROM {table} WHERE base_url = ? ORDER BY {order}", (self._place,)
        )


_COLUMNS = "at, objects, transferred, skipped, failed, status, after_gap, stalled"
_ALWAYS = 2**62
"""Milliseconds; later than everything."""

_KEEP_JOB = """
    INSERT INTO jobs (base_url, account_id, job_id, job, closed, gone) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET job = excluded.job, closed = excluded.closed, gone = excluded.gone
"""
_KEEP_SAMPLE = "INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP_LAST = """
    UPDATE jobs SET last = ?, last_at = ?, thinned_to = min(thinned_to, ?) WHERE number = ?
"""

# From the newest sample to the newest of the step before it, and so on: one look into the index for
# every step that is not empty, however many samples it has. Gaps have an index of their own.
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

    path: where its file is, None in memory. wanted_path: where it is to be, as soon as that can be
    had; None where it is, or where none is wanted. Some calls name accounts; without any, all are
    meant.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        base_url: str,
        path: Path | None = None,
        ownership: Ownership | None = None,
    ) -> None:
        self.path = path
        self.wanted_path: Path | None = None
        self.base_url = base_url
        self._place = place_text(base_url)
        self._connection = connection
        self._ownership = ownership
        self._identity = None if path is None else identity_of(path)

    # What is kept ----------------------------------------------------------------------------

    def remembered(self, accounts: Sequence[str]) -> tuple[Remembered, ...]:
        """Give every job of these accounts as it last stood, those apart that are gone."""
        rows = self._connection.execute(
            "SELECT account_id, job_id, CAST(job AS BLOB), CAST(last AS BLOB), closed FROM jobs"
            f" WHERE gone = 0 AND {_of(accounts)} ORDER BY number",
            (self._place, *accounts),
        )
        return tuple(readable(rows, remembered_of))

    def keys(self, accounts: Sequence[str] = ()) -> tuple[JobKey, ...]:
        """Give the jobs of which anything is kept, in the order in which they were first seen."""
        rows = self._connection.execute(
            f"SELECT account_id, job_id FROM jobs WHERE {_of(accounts)} ORDER BY number",
            (self._place, *accounts),
        )
        return tuple(JobKey(*ids) for ids in readable(rows, checked_texts))

    def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        """Give a job's samples, oldest first, between two UTC seconds, both included."""
        end = _ALWAYS if until is None else to_ms(until)
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM samples WHERE job = ? AND at BETWEEN ? AND ? ORDER BY at",
            (self._number(key), to_ms(since), end),
        )
        return tuple(readable(rows, sample_of))

    def last_of_each(self, key: JobKey, since: float, step: float) -> tuple[Recorded, ...]:
        """Give the first from `since` on, the newest of every `step` seconds, both sides of gaps.

        Oldest first. Steps are aligned to whole multiples of `step`, to the millisecond.
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
        """Yield all samples, of one job or of all, oldest first, without holding them all."""
        which, values = self._which(accounts, key)
        rows = self._connection.execute(
            f"SELECT account_id, job_id, {_COLUMNS} FROM samples JOIN jobs ON number = samples.job"
            f" WHERE {which} ORDER BY at, number",
            values,
        )
        yield from readable(rows, _whose)

    def widest(self, accounts: Sequence[str] = (), key: JobKey | None = None) -> tuple[int, ...]:
        """Give the most characters of a status, and of each of the four counters."""
        counters = ", ".join(map(_widest_number, Counts.__struct_fields__))
        which, values = self._which(accounts, key)
        [row] = self._connection.execute(
            "SELECT max(CASE typeof(samples.status) WHEN 'text' THEN length(samples.status) END),"
            f" {counters}"
            f" FROM samples JOIN jobs ON number = samples.job WHERE {which}",
            values,
        )
        return tuple(width or 0 for width in row)

    def _which(self, accounts: Sequence[str], key: JobKey | None) -> tuple[str, Row]:
        """Give a condition for the samples of one job, or of all, and its values."""
        if key is None:
            return _of(accounts), (self._place, *accounts)
        return "samples.job = ? AND number = ?", (self._number(key),) * 2

    def _number(self, key: JobKey) -> int | None:
        row = self._connection.execute(
            "SELECT number FROM jobs WHERE base_url = ? AND account_id = ? AND job_id = ?",
            (self._place, text(key.account_id), text(key.job_id)),
        ).fetchone()
        return None if row is None else int(row[0])

    @property
    def notes(self) -> Notes:
        """What is kept besides samples."""

        return Notes(self._connection, self._place)

    # Keeping ---------------------------------------------------------------------------------

    def write(self, jobs: Sequence[Remembered], samples: Sequence[tuple[JobKey, Recorded]]) -> None:
        """Keep jobs as they now stand, and new samples: all of it, or nothing.

        A sample that is kept already changes nothing. A job without an id cannot be kept.
        """
        with transaction(self._connection):
            self._connection.executemany(_KEEP_JOB, map(self._job_row, _with_ids(jobs)))
            of_each: dict[JobKey, list[Recorded]] = {}
            for key, sample in samples:
                of_each.setdefault(key, []).append(sample)
            for key, told in of_each.items():
                if key.job_id:
                    self._write_samples(key, told)

    def _write_samples(self, key: JobKey, samples: Sequence[Recorded]) -> None:
        number = self._number(key)
        if number is None:
            unseen = Remembered(key.account_id, Job(id=key.job_id))
            number = self._connection.execute(_KEEP_JOB, self._job_row(unseen)).lastrowid
        rows = [sample_row(sample) for sample in samples]
        begin = 0
        for place, sample in enumerate(samples):
            if sample.set_back:
                from slurper_tui.monitor.history.clock import set_back  # seldom

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
        """Date what a clock that was ahead put into the future before `now`, UTC seconds.

        True when there was any.
        """
        from slurper_tui.monitor.history.clock import heal

        return heal(self._connection, now)

    def thin(self, now: float) -> bool:
        """Let old samples go that say nothing new, some at a time; True when more are left."""
        from slurper_tui.monitor.history.thinning import thin_some  # no first picture needs it

        return thin_some(self._connection, now)

    def make_room(self) -> None:
        """Take the log into the file, so that the log's own room can be written to again."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    # Its file --------------------------------------------------------------------------------

    def copy_to(self, connection: sqlite3.Connection) -> None:
        """Copy what is kept of our base URL to a database that was prepared; not more than fits."""

        copy(self._connection, connection, self._place)

    @property
    def is_in_place(self) -> bool:
        """Whether its file still stands under its name."""
        return self.path is None or identity_of(self.path) == self._identity

    @property
    def is_shared(self) -> bool:
        """Whether another instance, which came first, writes to the file too."""
        return self._ownership is not None and not self._ownership.claim()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        if self._ownership is not None:
            self._ownership.release()


def _whose(row: Row) -> tuple[JobKey, Recorded]:
    """Whose sample such a row holds, and the sample. Raises ValueError."""
    return JobKey(*checked_texts(row[:2])), sample_of(row[2:])


def _widest_number(name: str) -> str:
    return f"max(CASE typeof({name}) WHEN 'integer' THEN length({name}) END)"


def _of(accounts: Sequence[str]) -> str:
    """A condition for jobs of our base URL, and of these accounts, or of all without any."""
    listed = f" AND account_id IN ({', '.join('?' * len(accounts))})" if accounts else ""
    return f"base_url = ?{listed}"


def _with_ids(jobs: Sequence[Remembered]) -> list[Remembered]:
    return [known for known in jobs if known.job.id]


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


BATCH = 2_000
"""So many samples are written at a time: no longer than that anybody else waits for the file."""
