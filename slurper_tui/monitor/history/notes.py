"""The stored notes of a history: events, retry links, log counts, verifications and plans.

Every call is synchronous and may raise sqlite3.Error. A write is one transaction. Tables are in
`schema`; `store` has the jobs and samples.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.monitor.history.codecs import (
    LATEST_MS,
    Places,
    Row,
    counts_of,
    counts_row,
    event_of,
    event_row,
    key_row,
    link_of,
    link_row,
    plan_of,
    plan_row,
    readable,
    step_of,
    step_row,
    verification_of,
    verification_row,
)
from slurper_tui.monitor.history.schema import transaction, version_of
from slurper_tui.monitor.model.events import MOST_EVENTS, Event, RetryLink

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.logs import LogCounts
    from slurper_tui.monitor.model.plans import Plan, Step, StepState
    from slurper_tui.monitor.model.verification import Verification

_PLAN = "id, account_id, made_at, retry_account_id, retry_job_id, log_types"
_STEP = "number, state, at, job_id, said, CAST(draft AS BLOB)"
_KEEP_PLAN = f"INSERT INTO plans (base_url, {_PLAN}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_KEEP_STEP = """
    INSERT INTO steps (plan, number, state, at, job_id, said, draft) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_STATE = """
    SELECT state FROM steps JOIN plans ON id = plan
    WHERE plan = ? AND number = ? AND
"""
_MOVE = """
    UPDATE steps SET state = ?, at = ?, job_id = ?, said = ?, draft = ?
    WHERE plan = ? AND number = ?
"""


class Plans:
    """The plans of some base URLs and their steps. Calls may raise sqlite3.Error.

    is_copy: the plans that exist now are copies; the file, where other programs may continue them,
        has the true states. The copies are never changed.
    """

    def __init__(self, connection: sqlite3.Connection, places: Places, *, is_copy: bool) -> None:
        self._connection = connection
        self._places = places
        self._last_copy = self._last_id() if is_copy else 0

    def keep(self, plan: Plan) -> Plan:
        """Insert a new plan and return it with its id, the next free one."""
        with transaction(self._connection):
            stored = replace(plan, id=1 + self._last_id())
            place = self._places.of(stored.account_id)
            self._connection.execute(_KEEP_PLAN, (place, stored.id, *plan_row(stored)))
            self._connection.executemany(
                _KEEP_STEP, ((stored.id, step.number, *step_row(step)) for step in stored.steps)
            )
        return stored

    def _last_id(self) -> int:
        [[last]] = self._connection.execute("SELECT max(id) FROM plans").fetchall()
        return last or 0

    def all(self, accounts: Sequence[str] = (), *, strict: bool = False) -> tuple[Plan, ...]:
        """Return the plans of these accounts (all if none are given), oldest first.

        A plan with a damaged row is left out; if `strict`, it raises one of `UNREADABLE`.
        """
        which, values = self._places.where(accounts)
        rows = self._connection.execute(
            f"SELECT {_PLAN} FROM plans WHERE {which} ORDER BY made_at, id", values
        ).fetchall()
        return tuple(map(self._plan_of, rows) if strict else readable(rows, self._plan_of))

    def _plan_of(self, row: Row) -> Plan:
        steps = self._connection.execute(
            f"SELECT {_STEP} FROM steps WHERE plan = ? ORDER BY number", (row[0],)
        ).fetchall()
        plan = plan_of(row, [step_of(step) for step in steps])
        return replace(plan, is_copy=plan.id <= self._last_copy)

    def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Replace a step if its state is still `before`; return whether it was replaced.

        The change is on disk when this returns True.
        """
        if plan_id <= self._last_copy:
            return False
        with transaction(self._connection):
            which, values = self._places.where()
            asked = (plan_id, number, *values)
            found = self._connection.execute(f"{_STATE} {which}", asked).fetchone()
            if found != (str(before),):
                return False
            self._connection.execute(_MOVE, (*step_row(after), plan_id, number))
        return True

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Copy the plans to a prepared, empty database, inside a transaction."""
        which, values = self._places.where()
        plans = self._connection.execute(
            f"SELECT base_url, {_PLAN} FROM plans WHERE {which}", values
        )
        target.executemany(_KEEP_PLAN, plans)
        steps = self._connection.execute(
            "SELECT plan, number, state, at, job_id, said, draft FROM steps JOIN plans ON id = plan"
            f" WHERE {which}",
            values,
        )
        target.executemany(_KEEP_STEP, steps)


_OF_JOB = "base_url = ? AND account_id = ? AND job_id = ?"
_EVENT = "base_url, account_id, job_id, at, what, detail, said"
_LINK = "account_id, job_id, parent_account_id, parent_job_id, keys, log_types"
_KEEP_EVENT = f"INSERT OR IGNORE INTO events ({_EVENT}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_THIN_EVENTS = f"""
    DELETE FROM events WHERE {_OF_JOB} AND number NOT IN (
        SELECT number FROM events WHERE {_OF_JOB} ORDER BY at DESC, number DESC LIMIT ?
    )
"""
_KEEP_LINK = f"""
    INSERT INTO ties (base_url, {_LINK}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    parent_account_id = excluded.parent_account_id, parent_job_id = excluded.parent_job_id,
    keys = excluded.keys, log_types = excluded.log_types
"""
_DATED = {
    "events": ("number", "at"),
    "plans": ("id", "made_at"),
    "verifications": ("number", "at"),
}
"""Tables with times that `set_back` corrects, and their columns of a row's id and time."""

_COUNTS = "base_url, account_id, job_id, read_at, counts"
_KEEP_COUNTS = f"INSERT OR REPLACE INTO log_counts ({_COUNTS}) VALUES (?, ?, ?, ?, ?)"

MOST_VERIFICATIONS = 10
"""Verifications kept of the same jobs; older ones are deleted."""

_VERIFICATION = "base_url, account_id, jobs, at, took, result"
_KEEP_VERIFICATION = (
    f"INSERT OR IGNORE INTO verifications ({_VERIFICATION}) VALUES (?, ?, ?, ?, ?, ?)"
)
_OF_JOBS = "base_url = ? AND account_id = ? AND jobs = ?"
_THIN_VERIFICATIONS = f"""
    DELETE FROM verifications WHERE {_OF_JOBS} AND number NOT IN (
        SELECT number FROM verifications WHERE {_OF_JOBS} ORDER BY at DESC, number DESC LIMIT ?
    )
"""


class Notes:
    """Events, retry links, log counts, verifications and plans. No accounts means all accounts.

    is_copy: the notes that exist now are copies.
    """

    def __init__(
        self, connection: sqlite3.Connection, places: Places, *, is_copy: bool = False
    ) -> None:
        self.plans = Plans(connection, places, is_copy=is_copy)
        self._connection = connection
        self._places = places
        self._verifications: tuple[object, tuple[Verification, ...]] = (None, ())

    def keep(
        self,
        events: Sequence[Event],
        counts: Mapping[JobKey, LogCounts],
        links: Sequence[RetryLink] = (),
        verifications: Sequence[Verification] = (),
    ) -> None:
        """Write events and verifications; replace log counts and retry links of their jobs.

        Duplicates are ignored.
        """

        def place(key: JobKey) -> str:
            return self._places.of(key.account_id)

        with transaction(self._connection):
            self._connection.executemany(
                _KEEP_LINK, ((place(link.child), *link_row(link)) for link in links)
            )
            self._connection.executemany(
                _KEEP_EVENT, ((place(event.key), *event_row(event)) for event in events)
            )
            for key in {event.key for event in events}:
                job = (place(key), *key_row(key))
                self._connection.execute(_THIN_EVENTS, (*job, *job, MOST_EVENTS))
            self._connection.executemany(
                _KEEP_COUNTS,
                ((place(key), *counts_row(key, of_job)) for key, of_job in counts.items()),
            )
            for result in verifications:
                row = (self._places.of(result.account_id), *verification_row(result))
                self._connection.execute(_KEEP_VERIFICATION, row)
                of_jobs = row[:3]
                self._connection.execute(
                    _THIN_VERIFICATIONS, (*of_jobs, *of_jobs, MOST_VERIFICATIONS)
                )

    def events(self, key: JobKey, most: int) -> tuple[Event, ...]:
        """Return a job's newest events, at most `most`, oldest first."""
        rows = self._connection.execute(
            f"SELECT at, what, detail, said FROM events WHERE {_OF_JOB}"
            " ORDER BY at DESC, number DESC LIMIT ?",
            (self._places.of(key.account_id), *key_row(key), most),
        ).fetchall()
        return tuple(readable(reversed(rows), partial(event_of, key)))

    def links(self, accounts: Sequence[str] = ()) -> tuple[RetryLink, ...]:
        """Return the retries made in these accounts, in the order they were recorded."""
        which, values = self._places.where(accounts)
        rows = self._connection.execute(
            f"SELECT {_LINK} FROM ties WHERE {which} ORDER BY number", values
        )
        return tuple(readable(rows, link_of))

    def counts(self, accounts: Sequence[str] = ()) -> dict[JobKey, LogCounts]:
        """Return the stored log counts of these accounts' jobs."""
        which, values = self._places.where(accounts)
        rows = self._connection.execute(
            f"SELECT account_id, job_id, CAST(counts AS BLOB) FROM log_counts WHERE {which}", values
        )
        return dict(readable(rows, counts_of))

    def verifications(self, accounts: Sequence[str] = ()) -> tuple[Verification, ...]:
        """Return the verifications of these accounts' jobs, oldest first.

        They are decoded again only if there are others than at the call before.
        """
        which, values = self._places.where(accounts)
        stamp: object = self._connection.execute(
            f"SELECT count(*), max(number), max(at) FROM verifications WHERE {which}", values
        ).fetchone()
        if self._verifications[0] != (stamp, *accounts):
            rows = self._connection.execute(
                "SELECT account_id, jobs, at, took, CAST(result AS BLOB) FROM verifications"
                f" WHERE {which} ORDER BY at, number",
                values,
            )
            self._verifications = ((stamp, *accounts), tuple(readable(rows, verification_of)))
        return self._verifications[1]

    def later(self, limit: int) -> Mapping[str, Sequence[int]]:
        """Return the ids of events and plans after `limit`, for each table that has some.

        They are ordered by time. Includes other base URLs. limit: milliseconds since 1970.
        """
        found = {}
        for table, (number, at) in _DATED.items():
            rows = self._connection.execute(
                f"SELECT {number} FROM {table} WHERE {at} BETWEEN ? AND ? ORDER BY {at}, {number}",
                (limit + 1, LATEST_MS),
            ).fetchall()
            if rows:
                found[table] = [row[0] for row in rows]
        return found

    def set_back(self, limit: int, now: int) -> None:
        """Move events and plans after `limit` to just before `now`, in their order.

        Call it inside a transaction. limit, now: milliseconds since 1970.
        """
        for table, later in self.later(limit).items():
            number, at = _DATED[table]
            self._connection.executemany(
                f"UPDATE OR IGNORE {table} SET {at} = ? WHERE {number} = ?",
                ((now - len(later) + place, row) for place, row in enumerate(later)),
            )

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Copy all notes to a prepared, empty database."""
        with transaction(target):
            target.executemany(_KEEP_EVENT, self._select("events", _EVENT, "number"))
            target.executemany(_KEEP_LINK, self._select("ties", f"base_url, {_LINK}", "number"))
            target.executemany(_KEEP_COUNTS, self._select("log_counts", _COUNTS, "job_id"))
            self.plans.copy_to(target)
            if version_of(self._connection) > 2:
                results = self._select("verifications", _VERIFICATION, "number")
                target.executemany(_KEEP_VERIFICATION, results)

    def _select(self, table: str, columns: str, order: str) -> sqlite3.Cursor:
        which, values = self._places.where()
        return self._connection.execute(
            f"SELECT {columns} FROM {table} WHERE {which} ORDER BY {order}", values
        )
