"""A history on disk, or in memory: what is kept, asked for in plain calls.

Every call is synchronous and may raise sqlite3.Error. A store may be used from any one thread at a
time. Times are UTC seconds, kept to the millisecond.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui.api.models import Job
from slurper_tui.monitor.history.place import Ownership, identity_of
from slurper_tui.monitor.history.rows import (
    LATEST_MS,
    Row,
    checked_texts,
    job_text,
    last_text,
    place_text,
    readable,
    remembered_of,
    sample_of,
    sample_row,
    text,
    to_ms,
)
from slurper_tui.monitor.history.schema import transaction
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, Remembered

if TYPE_CHECKING:
    from slurper_tui.monitor.history.notes import Notes

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
        from slurper_tui.monitor.history.notes import Notes  # no first picture needs it

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
        from slurper_tui.monitor.history.copying import copy  # only where a file is out of reach

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
