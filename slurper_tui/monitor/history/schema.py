"""The tables of a history, and the upgrade of older files.

`user_version` is the number of upgrades applied to a file. Each upgrade is one transaction, so
an interrupted one leaves no trace. Times are whole milliseconds since 1970, UTC; flags are 0 or 1.

Errors:

HistoryError
├── NewerHistory    written by a newer version of this program
└── ForeignFile     not a history of this program
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

Upgrade = Sequence[str]
"""SQL statements that lead from one version to the next."""

UPGRADES: Sequence[Upgrade] = (
    (
        # job: as listed, in JSON. last: its newest sample, in JSON. thinned_to: samples before this
        # time have been thinned.
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
        # An event's job may be missing in `jobs`: a job created here is not listed yet.
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
        # keys: number of objects. log_types: in JSON.
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
        # counts: rows of the job's log at read_at, in JSON.
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
        # lent: always 0; no longer used.
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
        # draft: in JSON, without secrets; the last column, because it may be long.
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
    (
        # jobs: their ids, sorted, in JSON. took: milliseconds. result: the rest in JSON, no keys.
        """
        CREATE TABLE verifications (
            number INTEGER PRIMARY KEY,
            base_url TEXT NOT NULL,
            account_id TEXT NOT NULL,
            jobs TEXT NOT NULL,
            at INTEGER NOT NULL,
            took INTEGER NOT NULL,
            result TEXT NOT NULL,
            UNIQUE (base_url, account_id, jobs, at, took)
        )
        """,
    ),
)

APPLICATION_ID = 0x534C5552
"""SQLite's `application_id` of our files, the letters SLUR; earlier versions left it 0."""

_WAL_PAGES = 250
"""Pages of the write-ahead log (1 MB) after which it is checkpointed into the file."""

_WAL_BYTES = 2**20
"""Size to which a larger write-ahead log is truncated."""


def prepare(connection: sqlite3.Connection) -> None:
    """Migrate a new or older file, mark it as ours, and set the pragmas for safety over speed.

    The write-ahead log is synced at every commit: a power cut loses only what is being written.
    Raises HistoryError for a file that must not be written to, and sqlite3.Error.
    """
    refuse_foreign(connection)
    if version_of(connection) == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}").fetchall()
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}").fetchall()
    version = version_of(connection)
    if version > newest_version():
        raise NewerHistory
    for number in range(version, newest_version()):
        with transaction(connection):
            if version_of(connection) != number:
                continue  # another instance has just applied it
            for statement in UPGRADES[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    if version < newest_version():
        # Write the version into the file itself, where its first bytes are checked.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if application_id_of(connection) != APPLICATION_ID:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def application_id_of(connection: sqlite3.Connection) -> int:
    """Return the file's `application_id`; 0 if it has none. Raises sqlite3.Error."""
    [[application_id]] = connection.execute("PRAGMA application_id").fetchall()
    return int(application_id)


def version_of(connection: sqlite3.Connection) -> int:
    """Return how many upgrades have been applied to a file. Raises sqlite3.Error."""
    [[version]] = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def newest_version() -> int:
    """Return the schema version of this program."""
    return len(UPGRADES)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the body in a transaction; roll back on any exception. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def refuse_foreign(connection: sqlite3.Connection) -> None:
    """Raise ForeignFile for a file that is not ours; write nothing. Raises sqlite3.Error.

    A file of ours has our application id. A file of an earlier version has none, but exactly our
    schema; a new one is empty, unless another instance is just creating it.
    """
    application_id = application_id_of(connection)
    if application_id == APPLICATION_ID:
        return
    version, found = version_of(connection), _schema_of(connection)
    if application_id == 0 and 0 < version <= newest_version():
        if found == _schema_after(UPGRADES[:version]):
            return
    elif application_id == version == 0 and not found:
        return
    if application_id_of(connection) != APPLICATION_ID:
        raise ForeignFile


def _schema_of(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return the names and SQL of all tables and indexes, with normalised spaces."""
    rows = connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_schema").fetchall()
    found = {str(name): " ".join(str(sql).split()) for name, sql in rows}
    return {(name, sql) for name, sql in found.items() if not name.startswith("sqlite_stat")}


def _schema_after(upgrades: Sequence[Upgrade]) -> set[tuple[str, str]]:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for upgrade in upgrades:
            for statement in upgrade:
                memory.execute(statement)
        return _schema_of(memory)
    finally:
        memory.close()


class HistoryError(Exception):
    """The file must not be written to; the text is one clause without a full stop."""


class NewerHistory(HistoryError):
    """A newer version of this program wrote the file."""

    def __init__(self) -> None:
        super().__init__("its file was written by a newer slurper-tui")


class ForeignFile(HistoryError):
    """The file is not a history of this program."""

    def __init__(self) -> None:
        super().__init__("its file is not from slurper-tui")
