"""The plans in a history, and their steps, which are moved on one at a time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress

from msgspec.structs import replace

from slurper_tui.monitor.history.note_rows import plan_of, plan_row, step_of, step_row
from slurper_tui.monitor.history.rows import UNREADABLE, Row
from slurper_tui.monitor.history.schema import transaction
from slurper_tui.monitor.model.plans import Plan, Step, StepState

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
