"""The tables of a history, and how an older file becomes one of today's.

The version is SQLite's `user_version`: how many of the migrations a file has seen. Each is applied
in a transaction of its own, so that an interrupted one has not happened. Times are whole
milliseconds since 1970, UTC; flags are 0 or 1.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

Migration = Sequence[str]
"""Statements that lead from one version to the next."""

MIGRATIONS: Sequence[Migration] = (
    (
        # job: as listed, in JSON. last: its newest sample, in JSON. thinned_to: what is older has
        # been thinned already.
        """
        CREATE TABLE jobs (
            number INTEGER PRIMARY KEY,
            base_url TEXT NOT NULL,
            account_id TEXT NOT NULL,
            job_id TEXT NOT NULL,
            job TEXT NOT NULL,
            last TEXT,
            last_at INTEGER,
            closed INTEGER NOT NULL DEFAULT 0,
            gone INTEGER NOT NULL DEFAULT 0,
            thinned_to INTEGER NOT NULL DEFAULT 0,
            UNIQUE (base_url, account_id, job_id)
        )
        """,
        """
        CREATE TABLE samples (
            job INTEGER NOT NULL,
            at INTEGER NOT NULL,
            objects INTEGER,
            transferred INTEGER,
            skipped INTEGER,
            failed INTEGER,
            status TEXT,
            after_gap INTEGER NOT NULL,
            stalled INTEGER NOT NULL,
            PRIMARY KEY (job, at)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX gaps ON samples (job, at) WHERE after_gap = 1",
    ),
    (
        # An event's job need not be among the jobs: one that was made here is not listed yet.
        """
        CREATE TABLE events (
            number INTEGER PRIMARY KEY,
            base_url TEXT NOT NULL,
            account_id TEXT NOT NULL,
            job_id TEXT NOT NULL,
            at INTEGER NOT NULL,
            what TEXT NOT NULL,
            detail TEXT NOT NULL,
            said TEXT NOT NULL,
            UNIQUE (base_url, account_id, job_id, at, what, detail, said)
        )
        """,
        # keys: how many objects. log_types: in JSON.
        """
        CREATE TABLE ties (
            number INTEGER PRIMARY KEY,
            base_url TEXT NOT NULL,
            account_id TEXT NOT NULL,
            job_id TEXT NOT NULL,
            parent_account_id TEXT NOT NULL,
            parent_job_id TEXT NOT NULL,
            keys INTEGER NOT NULL,
            log_types TEXT NOT NULL,
            UNIQUE (base_url, account_id, job_id)
        )
        """,
        # counts: what a log held at read_at, in JSON.
        """
        CREATE TABLE log_counts (
            base_url TEXT NOT NULL,
            account_id TEXT NOT NULL,
            job_id TEXT NOT NULL,
            read_at INTEGER NOT NULL,
            counts TEXT NOT NULL,
            PRIMARY KEY (base_url, account_id, job_id)
        ) WITHOUT ROWID
        """,
        # lent: 1 in a copy, where nothing is to be sent: the file itself tells what was.
        """
        CREATE TABLE plans (
            id INTEGER PRIMARY KEY,
            base_url TEXT NOT NULL,
            account_id TEXT NOT NULL,
            made_at INTEGER NOT NULL,
            retry_account_id TEXT,
            retry_job_id TEXT,
            log_types TEXT NOT NULL,
            lent INTEGER NOT NULL DEFAULT 0
        )
        """,
        # draft: in JSON, without secrets; last, for it may be long.
        """
        CREATE TABLE steps (
            plan INTEGER NOT NULL,
            number INTEGER NOT NULL,
            state TEXT NOT NULL,
            at INTEGER NOT NULL,
            job_id TEXT,
            said TEXT NOT NULL,
            draft TEXT NOT NULL,
            UNIQUE (plan, number)
        )
        """,
    ),
)

APPLICATION_ID = 0x534C5552
"""SQLite's `application_id` of our files, the letters SLUR; earlier versions left it 0."""

_WAL_PAGES = 250
"""Pages of the write-ahead log, a megabyte, after which it is written into the file."""

_WAL_BYTES = 2**20
"""To how much the write-ahead log is cut back after it grew beyond."""


def prepare(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Make a fresh or older file one of today's, stamp it as ours, and choose safety over speed.

    A write-ahead log that is synced at every commit: a power cut loses what is being written, and
    nothing else. Raises HistoryError for a file that is not ours to write to, sqlite3.Error.
    """
    refuse_foreign(connection, migrations)
    if version_of(connection) == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}").fetchall()
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}").fetchall()
    migrate(connection, migrations)
    if application_id_of(connection) != APPLICATION_ID:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def application_id_of(connection: sqlite3.Connection) -> int:
    """Whose file it says it is; 0 where it does not say. Raises sqlite3.Error."""
    [[application_id]] = connection.execute("PRAGMA application_id").fetchall()
    return int(application_id)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations a file has seen. Raises sqlite3.Error."""
    [[version]] = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Apply what a file has not seen yet. Raises NewerHistory, sqlite3.Error."""
    seen = version_of(connection)
    if seen > len(migrations):
        raise NewerHistory
    for number in range(seen, len(migrations)):
        _apply(connection, number, migrations[number])
    if seen < len(migrations):
        # So that the version stands in the file itself, for whoever looks at its first bytes.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _apply(connection: sqlite3.Connection, number: int, migration: Migration) -> None:
    """Apply one migration, unless another instance just did."""
    with transaction(connection):
        if version_of(connection) != number:
            return
        for statement in migration:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all of it or nothing. Raises sqlite3.Error, and whatever is raised inside."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def refuse_foreign(
    connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Raise ForeignFile for a file that is not ours, sqlite3.Error; nothing is written.

    Ours has our application id. One of an earlier version has none, but exactly our schema; a new
    one has nothing at all, unless another instance is just making it.
    """
    application_id = application_id_of(connection)
    if application_id == APPLICATION_ID:
        return
    version, found = version_of(connection), _schema_of(connection)
    if application_id == 0 and 0 < version <= len(migrations):
        if found == _schema_after(migrations[:version]):
            return
    elif application_id == version == 0 and not found:
        return
    if application_id_of(connection) != APPLICATION_ID:
        raise ForeignFile


def _schema_of(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """The names and statements of all tables and indexes, spaces apart."""
    rows = connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_schema").fetchall()
    told = {str(name): " ".join(str(sql).split()) for name, sql in rows}
    return {(name, sql) for name, sql in told.items() if not name.startswith("sqlite_stat")}


def _schema_after(migrations: Sequence[Migration]) -> set[tuple[str, str]]:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for migration in migrations:
            for statement in migration:
                memory.execute(statement)
        return _schema_of(memory)
    finally:
        memory.close()


class HistoryError(Exception):
    """A file that is not to be written to; its text is one clause without a full stop."""


class NewerHistory(HistoryError):
    """A newer version of this program wrote it."""

    def __init__(self) -> None:
        super().__init__("its file was written by a newer slurper-tui")


class ForeignFile(HistoryError):
    """It is no history of this program."""

    def __init__(self) -> None:
        super().__init__("its file is not one of slurper-tui")
