"""Opens a history: in its file if possible, else in memory.

`open_history` never fails; the other functions raise. A file is checked before it is opened for
writing: it must be ours, not damaged and not newer than this program.
"""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from slurper_tui.monitor.history.codecs import BaseUrls, decoded
from slurper_tui.monitor.history.files import (
    Ownership,
    check_beside,
    is_busy,
    is_damage,
    is_damaged,
    is_stamped,
    make_file,
    make_private,
    reason_at_start,
    set_aside,
)
from slurper_tui.monitor.history.schema import (
    APPLICATION_ID,
    ForeignFile,
    HistoryError,
    NewerHistory,
    application_id_of,
    newest_version,
    prepare,
    refuse_foreign,
    version_of,
)
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.samples import HistoryView, Keeping

BUSY_SECONDS = 1.0
"""How long a write waits for another program's lock, in seconds."""

OPENING_SECONDS = 0.5
"""How long opening waits for another program's lock; the first picture waits too."""

CREATING_SECONDS = 5.0
"""The same for a file without our application id: another instance may be just creating it."""

_RETRY_SECONDS = 0.02

Clock = Callable[[], float]
"""Returns UTC seconds."""

_READ_JOBS = (
    "SELECT sum(length(job)), sum(length(last)), max(gone)"
    " FROM jobs INDEXED BY sqlite_autoindex_jobs_1 WHERE base_url >= ''",
    "SELECT max(at) FROM samples WHERE job = 0",
)

_READ_NOTES = (
    "SELECT sum(length(said)) FROM events NOT INDEXED",
    "SELECT count(*) FROM events INDEXED BY sqlite_autoindex_events_1 WHERE base_url >= ''",
    "SELECT sum(length(log_types)) FROM ties INDEXED BY sqlite_autoindex_ties_1"
    " WHERE base_url >= ''",
    "SELECT sum(length(counts)) FROM log_counts",
    "SELECT sum(length(log_types)), max(lent) FROM plans",
    "SELECT max(state), sum(length(said)) FROM steps INDEXED BY sqlite_autoindex_steps_1"
    " WHERE plan >= 0",
)

_READ_VERIFICATIONS = (
    "SELECT sum(length(result)) FROM verifications NOT INDEXED",
    "SELECT count(*) FROM verifications INDEXED BY sqlite_autoindex_verifications_1"
    " WHERE base_url >= ''",
)

_READ = (_READ_JOBS, _READ_NOTES, _READ_VERIFICATIONS)
"""The reads that each schema version adds to those of the one before."""


def open_history(
    path: Path | None, base_url: BaseUrls, *, enabled: bool = True, clock: Clock = time.time
) -> tuple[Store, HistoryView]:
    """Open the history at `path` and return it with its state; raise nothing.

    If the file cannot be used, the store is in memory for the whole run, with a copy of what can be
    read from the file. It is also in memory, and empty, without a path or if it is disabled.
    """
    if not enabled:
        return memory_store(base_url), HistoryView(Keeping.ASKED_OFF)
    if path is None:
        return memory_store(base_url), HistoryView()
    try:
        store, notice = open_file(path, base_url, clock=clock)
    except (HistoryError, OSError, ValueError, sqlite3.Error) as error:
        return _copy_in_memory(path, base_url), HistoryView(Keeping.OFF, reason_at_start(error))
    return store, history_view(store, notice)


def history_view(store: Store, notice: str) -> HistoryView:
    """Return the state of a store that can be written to."""
    if store.is_shared:
        return HistoryView(Keeping.SHARED, notice or "another slurper-tui writes it too")
    return HistoryView(Keeping.ON, notice)


def memory_store(base_url: BaseUrls) -> Store:
    """Open an empty store in memory."""
    connection = _connect(":memory:")
    prepare(connection)
    return Store(connection, base_url)


def open_file(path: Path, base_url: BaseUrls, *, clock: Clock = time.time) -> tuple[Store, str]:
    """Open or create the file; set a damaged one aside and create a new one.

    Returns the store, and one clause about a damaged file that was replaced, "" if none. Raises
    HistoryError, OSError and sqlite3.Error.
    """
    make_file(path)
    try:
        if not is_damaged(path):
            return _open(path, base_url), ""
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    notice = notice_of(set_aside(path, clock()))
    make_file(path)
    return _open(path, base_url), notice


def notice_of(aside: Path) -> str:
    """Return a clause for the user about a damaged file that was set aside."""
    return f"the history was damaged: it is kept as {aside.name}, a new one was started"


def _open(path: Path, base_url: BaseUrls) -> Store:
    """Open a file for writing; try again while it is busy, until a deadline.

    SQLite's own timeout does not cover the switch to the write-ahead log: it reports at once that
    the file is busy while another instance writes to it. Raises HistoryError, OSError and
    sqlite3.Error.
    """
    deadline = time.monotonic() + (OPENING_SECONDS if is_stamped(path) else CREATING_SECONDS)
    while True:
        try:
            if not is_stamped(path):
                _refuse_foreign(path)
            return _open_once(path, base_url)
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(_RETRY_SECONDS)


def _open_once(path: Path, base_url: BaseUrls) -> Store:
    ownership = Ownership(path)
    ownership.claim()
    connection = _connect(path, OPENING_SECONDS)
    try:
        prepare(connection)
        make_private(path)
        _check_readable(connection, version_of(connection))
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}").fetchall()
    except BaseException:
        connection.close()
        ownership.release()
        raise
    return Store(connection, base_url, path, ownership)


def _refuse_foreign(path: Path) -> None:
    """Raise ForeignFile for a database that is not ours, before it is opened for writing.

    Opening it for writing may already change it: its log may be checkpointed. Without a log it is
    read without locks, so any error is void if another instance has stamped the file meanwhile.
    Raises sqlite3.Error.
    """
    alone = "" if _has_log(path) else "&immutable=1"
    connection = _connect(f"{path.resolve().as_uri()}?mode=ro{alone}", OPENING_SECONDS)
    try:
        refuse_foreign(connection)
    except (ForeignFile, sqlite3.DatabaseError):
        if not is_stamped(path):
            raise
    finally:
        connection.close()


def _has_log(path: Path) -> bool:
    """Whether a file has a write-ahead log, without which it can be read without locks."""
    file = path.resolve()
    return file.with_name(f"{file.name}-wal").exists()


def read_store(path: Path, base_url: BaseUrls, *, unlocked: bool = False) -> Store:
    """Open a file read-only.

    unlocked: read without locks, because with them SQLite may leave empty files next to it. That is
    for a brief look: a file that another instance begins to write to meanwhile may seem damaged.

    Raises HistoryError, OSError (FileNotFoundError if there is no file) and sqlite3.Error.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ForeignFile
    check_beside(path)
    if is_damaged(path):
        raise sqlite3.DatabaseError("its file is damaged")
    if not is_stamped(path):
        _refuse_foreign(path)
    address = path.absolute().as_uri()
    if unlocked and not _has_log(path):
        return _reading(f"{address}?mode=ro&immutable=1", base_url)
    try:
        return _reading(f"{address}?mode=ro", base_url)
    except sqlite3.OperationalError as error:
        if is_busy(error):
            raise
        # On a read-only medium, where no other program writes either.
        return _reading(f"{address}?mode=ro&immutable=1", base_url)


def _reading(address: str, base_url: BaseUrls) -> Store:
    connection = _connect(address, OPENING_SECONDS)
    try:
        version = version_of(connection)
        if version > newest_version() and application_id_of(connection) == APPLICATION_ID:
            raise NewerHistory
        if version == 0:
            raise ForeignFile
        _check_readable(connection, version)
    except BaseException:
        connection.close()
        raise
    return Store(connection, base_url)


def _connect(name: str | Path, timeout: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Connect in autocommit mode, without Python's implicit transactions."""
    connection = sqlite3.connect(
        name,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
        uri=isinstance(name, str) and name.startswith("file:"),
    )
    connection.text_factory = decoded
    return connection


def _check_readable(connection: sqlite3.Connection, version: int) -> None:
    """Read every job, so that damage shows now; read little of the columns that may be long.

    version: the file's schema version; a file opened read-only may be older.

    Raises ForeignFile and sqlite3.Error.
    """
    try:
        for statement in chain.from_iterable(_READ[:version]):
            connection.execute(statement).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise ForeignFile from None
        raise


def _copy_in_memory(path: Path, base_url: BaseUrls) -> Store:
    """Copy the data of a file that cannot be written to into memory; empty if it cannot be read."""
    memory = _connect(":memory:")
    try:
        prepare(memory)
        source = read_store(path, base_url)
        try:
            source.copy_to(memory)
        finally:
            source.close()
    except (HistoryError, OSError, ValueError, sqlite3.Error):
        memory.close()
        return memory_store(base_url)
    return Store(memory, base_url, is_copy=True)
