"""What a history keeps besides samples, asked for in plain calls like a store's.

Every call is synchronous and may raise sqlite3.Error. Each that writes does all of it or nothing.
Times are UTC seconds, kept to the millisecond.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial

from slurper_tui.monitor.history.note_rows import (
    counts_of,
    counts_row,
    event_of,
    event_row,
    key_row,
    tie_of,
    tie_row,
)
from slurper_tui.monitor.history.plans import Plans, of_accounts
from slurper_tui.monitor.history.rows import readable
from slurper_tui.monitor.history.schema import transaction
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.logs import LogCounts

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
