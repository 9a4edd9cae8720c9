"""Damage in any column of a history: an unreadable row is skipped, the others are read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from slurper_tui.monitor.history.opening import memory_store, open_history, read_store
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, RetryLink, What
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Draft, Plan, Step, StepState
from slurper_tui.monitor.model.samples import HistoryView
from tests.monitor.history.samples import ACCOUNT, BEGUN, DAY, URL, job, key, of, run_of

DAMAGE = {
    "NULL": "NULL",
    "text": "'nonsense'",
    "empty text": "''",
    "number": "7",
    "negative": "-1",
    "huge": "9223372036854775807",
    "real": "0.5",
    "infinite": "9e999",
    "bytes": "x'00ff00'",
    "not UTF-8": "CAST(x'72ff6e' AS TEXT)",
    "a NUL": "CAST(x'720061' AS TEXT)",
    "long": "CAST(zeroblob(20000) AS TEXT)",
    "nested": "replace(CAST(zeroblob(5000) AS TEXT), CAST(x'00' AS TEXT), '[')",
    "one byte": "CAST(replace(CAST({column} AS BLOB), x'61', x'd9') AS TEXT)",
    "cut": "substr({column}, 1, length({column}) - 1)",
}
"""SQL expressions; {column} is the present value."""

GOOD = key("good")
BAD = {name: key(f"bad{number}") for number, name in enumerate(DAMAGE)}
"""A job for every kind of damage."""


def tables() -> list[tuple[str, str]]:
    """Every table of a new history with every one of its columns."""
    connection = memory_store(URL)._connection
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [
        (table, row[1])
        for [table] in names
        for row in connection.execute(f"PRAGMA table_info({table})").fetchall()
    ]


def fill(store: Store, whose: JobKey) -> None:
    """Store a row of a job in every table."""
    store.write([job(whose.job_id)], of(whose, run_of(3)))
    store.notes.keep(
        [Event(whose, BEGUN, What.ELSEWHERE, "paused", "said")],
        {whose: LogCounts({"importError": 1}, True, BEGUN)},
    )
    store.notes.keep((), {}, [RetryLink(whose, key("parent"), 5, ("importError",))])
    draft = Draft("s3", "from", "to", endpoint="https://s3.example", path_prefix="a/")
    steps = tuple(Step(n, draft, StepState.WAITING, BEGUN) for n in (1, 2))
    store.notes.plans.keep(Plan(0, ACCOUNT, BEGUN, steps, whose, ("a",)))


ROW = {
    "samples": "job = (SELECT number FROM jobs WHERE job_id = ?) AND at % 10000 = 5000",
    "plans": "retry_job_id = ?",
    "steps": "plan = (SELECT id FROM plans WHERE retry_job_id = ?) AND number = 2",
}
"""Which row of a table to damage for a job; in other tables the only one."""


def damage(
    connection: sqlite3.Connection, table: str, column: str, whose: JobKey, sql: str
) -> None:
    """Damage one column of one row of a job, unless SQLite does not take such a value."""
    which = ROW.get(table, "job_id = ?")
    with suppress(sqlite3.Error):
        connection.execute(
            f"UPDATE {table} SET {column} = {sql.format(column=column)} WHERE {which}",
            (whose.job_id,),
        )


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A file with the same data of an intact job and of jobs to damage."""
    store = memory_store(URL)
    for whose in (GOOD, *BAD.values()):
        fill(store, whose)
    return store._connection.serialize()


READS: list[Callable[[Store], Any]] = [
    lambda store: store.jobs([]),
    lambda store: store.jobs([ACCOUNT]),
    lambda store: store.keys(),
    lambda store: [store.samples(whose) for whose in BAD.values()],
    lambda store: [store.last_of_each(whose, 0.0, 1.0) for whose in BAD.values()],
    lambda store: [list(store.every((), whose)) for whose in BAD.values()],
    lambda store: [store.notes.events(whose, 100) for whose in BAD.values()],
    lambda store: list(store.every()),
    lambda store: store.widest(),
    lambda store: store.notes.links(),
    lambda store: list(store.notes.counts().items()),
    lambda store: store.notes.plans.all(),
]


def assert_sound(value: Any) -> None:
    """Check that every field has a value of its declared type."""
    if isinstance(value, msgspec.Struct):
        msgspec.convert(msgspec.to_builtins(value), type(value))
    elif isinstance(value, (tuple, list)):
        for each in value:
            assert_sound(each)


def assert_good_is_whole(store: Store) -> None:
    assert GOOD in [stored.key for stored in store.jobs([])]
    assert store.samples(GOOD) == store.last_of_each(GOOD, 0.0, 1.0) == tuple(run_of(3))
    assert len(store.notes.events(GOOD, 9)) == 1
    assert GOOD in [link.child for link in store.notes.links()]
    assert GOOD in store.notes.counts()
    assert GOOD in [plan.retry_of for plan in store.notes.plans.all()]


@pytest.mark.parametrize(("table", "column"), tables())
def test_unreadable_row_is_skipped_and_others_are_read(
    tmp_path: Path, whole: bytes, table: str, column: str
) -> None:
    path = tmp_path / "history.sqlite3"
    path.write_bytes(whole)
    connection = sqlite3.connect(path)
    for name, expression in DAMAGE.items():
        damage(connection, table, column, BAD[name], expression)
    connection.commit()
    connection.close()
    reader, (writer, view) = read_store(path, URL), open_history(path, URL)
    assert view == HistoryView()
    for store in (reader, writer):
        for read in READS:
            assert_sound(read(store))
        assert_good_is_whole(store)
    writer.heal(BEGUN + DAY)
    memory = memory_store(URL)
    writer.copy_to(memory._connection)
    assert_good_is_whole(memory)
    while writer.thin(BEGUN + 40 * DAY):
        pass
    later = run_of(2, begin=DAY)
    writer.write([], [(whose, one) for whose in (GOOD, *BAD.values()) for one in later])
    assert writer.samples(GOOD)[-2:] == tuple(later)
    for store in (reader, writer, memory):
        store.close()
