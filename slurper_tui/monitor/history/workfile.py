"""The work file of a verification: how far each shard is, and the differences found so far.

It is a SQLite file of its own, beside the history, which only its owner can read: it holds object
keys, the history holds none. A checkpoint and the differences up to it are one transaction, so that
a process that is killed at any moment loses no difference and finds none twice.

Every call is synchronous and may raise sqlite3.Error. Keys are stored as UTF-8, whose order is that
of the keys.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from operator import attrgetter
from pathlib import Path
from types import NoneType
from typing import NamedTuple, TypeVar

from slurper_tui.monitor.history.files import (
    BESIDE,
    OneThread,
    Ownership,
    is_damage,
    make_file,
    make_private,
    reason_of,
)
from slurper_tui.monitor.history.schema import (
    ForeignFile,
    HistoryError,
    application_id_of,
    transaction,
    version_of,
)
from slurper_tui.monitor.model.verification import CannotVerify

T = TypeVar("T")

APPLICATION_ID = 0x534C5556
"""SQLite's `application_id` of work files, the letters SLUV."""

VERSION = 1
"""The `user_version` of work files. One with another version is begun anew, not converted."""

_TABLES = (
    # What was begun, and its result; both in JSON.
    "CREATE TABLE run (begun BLOB NOT NULL, result BLOB)",
    # last: the last key that was compared. wanted: the keys of a shard of single keys, in JSON.
    """
    CREATE TABLE shards (
        number INTEGER PRIMARY KEY,
        prefix BLOB NOT NULL,
        after BLOB,
        until BLOB,
        wanted BLOB,
        last BLOB,
        done INTEGER NOT NULL DEFAULT 0,
        compared INTEGER NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE differences (
        outcome TEXT NOT NULL,
        key BLOB NOT NULL,
        size INTEGER,
        actual_size INTEGER,
        modified REAL,
        log_type TEXT,
        PRIMARY KEY (outcome, key)
    ) WITHOUT ROWID
    """,
    # The objects whose headers are to be compared, so far.
    "CREATE TABLE sampled (key BLOB PRIMARY KEY, priority INTEGER, large INTEGER) WITHOUT ROWID",
    # found: the headers that differ, in JSON.
    "CREATE TABLE headers (key BLOB PRIMARY KEY, found BLOB NOT NULL) WITHOUT ROWID",
    # what: an outcome, or a count of something else.
    "CREATE TABLE totals (what TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE parts (
        part BLOB NOT NULL,
        what TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (part, what)
    ) WITHOUT ROWID
    """,
)
_EXPLAINED = """
    CREATE TEMP TABLE explained (key BLOB PRIMARY KEY, log_type TEXT NOT NULL) WITHOUT ROWID
"""
_WRONG = {
    "run": "typeof(begun) != 'blob' OR typeof(result) NOT IN ('blob', 'null')",
    "shards": "typeof(compared) != 'integer'",
    "sampled": "typeof(priority) != 'integer'",
    "headers": "typeof(key) != 'blob' OR typeof(found) != 'blob'",
    "totals": "typeof(what) != 'text' OR typeof(number) != 'integer'",
    "parts": "typeof(what) != 'text' OR typeof(number) != 'integer'",
}
"""Which rows of a table hold a value of a wrong type, which SQLite allows.

Differences, of which there may be millions, are checked when they are read.
"""

_INT, _FLOAT, _STR = (int, NoneType), (float, NoneType), (str, NoneType)

_NAMES = ("run", "shards", "differences", "totals", "parts", "sampled", "headers")

_BLOCK = """
    SELECT key, size, actual_size, modified, log_type FROM differences
    WHERE outcome = ? AND key > ? ORDER BY key LIMIT 1000
"""
_NO_KEY = "SELECT 1 FROM differences WHERE outcome = ? AND key <= x'' LIMIT 1"
"""Finds values that are no BLOB, which are ordered before all BLOBs, and an empty key."""

_ADD_TOTAL = """
    INSERT INTO totals VALUES (?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number
"""
_ADD_PART = """
    INSERT INTO parts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number
"""

MOST_CLEAN = 200
"""Parts without a fault that one checkpoint stores, besides its first and its last part."""


class StoredShard(NamedTuple):
    """A shard and how far it is.

    wanted: the keys of a shard of single keys, in JSON; None for a range.
    """

    number: int
    prefix: str
    after: str | None
    until: str | None
    wanted: bytes | None = None
    last: str | None = None
    done: bool = False
    compared: int = 0


class StoredDifference(NamedTuple):
    """One difference; fields as in `verify.compare.Difference`."""

    key: str
    outcome: str
    size: int | None
    actual_size: int | None
    modified: float | None
    log_type: str | None


class Checkpoint(NamedTuple):
    """What a shard has found since its last checkpoint.

    last: the last key that was compared. compared: all expected objects of the shard so far.
    parts: counts by part of the bucket. sampled: priority, key, and whether it is large, of objects
        that joined the sample whose headers are to be compared.
    """

    number: int
    last: str | None
    done: bool
    compared: int
    parts: Mapping[str, Mapping[str, int]]
    differences: Sequence[StoredDifference]
    sampled: Sequence[tuple[int, str, bool]] = ()


WORK_FILE_ERRORS = (HistoryError, OSError, sqlite3.Error)
"""What every use of a work file may raise."""


def cannot_use(error: Exception) -> str:
    """Return why a work file cannot be used, as one clause with the file where that is known."""
    if isinstance(error, Busy):
        return str(error)
    if isinstance(error, OSError):
        name = f" {error.filename}" if error.filename else ""
        return f"the work file{name} cannot be used: {error.strerror or error}"
    return f"the work file cannot be used: {reason_of(error)}"


@contextmanager
def named_errors() -> Iterator[None]:
    """Raise CannotVerify, with one clause, instead of any error of a work file."""
    try:
        yield
    except WORK_FILE_ERRORS as error:
        raise CannotVerify(cannot_use(error)) from None


class WorkThread(OneThread):
    """The thread that uses the files of a verification."""

    async def do(self, work: Callable[[], T]) -> T:
        """Run a task in the thread; a cancelled caller waits for its end too.

        Raises CannotVerify.
        """
        future = asyncio.wrap_future(self.submit(work))
        with named_errors():
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                await asyncio.wait({future})
                raise


class Damaged(HistoryError):
    """A work file holds something that is never written into it."""

    def __init__(self) -> None:
        super().__init__("its file is damaged")


class Busy(HistoryError):
    """Another program uses the file."""

    def __init__(self) -> None:
        super().__init__("another slurper-tui is verifying these jobs")


def work_path(history: Path, account_id: str, job_ids: Iterable[str]) -> Path:
    """Return the path of the work file of some jobs. history: the path of the history."""
    jobs = "\n".join([account_id, *sorted(job_ids)])
    name = hashlib.sha256(jobs.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return history.with_name(f"verify-{name}.sqlite3")


def remove_ended(history: Path, before: float) -> None:
    """Delete the work files beside a history whose verification ended before a time, UTC seconds.

    Left are those that another program has open, that were interrupted, and that are not ours.
    """
    for path in history.parent.glob("verify-*.sqlite3"):
        with suppress(*WORK_FILE_ERRORS):
            if path.stat().st_mtime >= before:
                continue
            ownership = Ownership(path)
            try:
                if ownership.claim() and _has_ended(path):
                    _remove(path)
            finally:
                ownership.release()


def _has_ended(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=1.0)) as connection:
        if application_id_of(connection) != APPLICATION_ID:
            return False
        row = connection.execute("SELECT result FROM run").fetchone()
        return row is not None and row[0] is not None


def _remove(path: Path) -> None:
    for name in (path, *(path.with_name(path.name + end) for end in BESIDE)):
        with suppress(FileNotFoundError):
            name.unlink()


class WorkFile:
    """An open work file. path: None for one in memory.

    replaced: there was one that was damaged, which is deleted: what it held can be compared again.
    Raises Busy if another program has it open, OSError, HistoryError and sqlite3.Error.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._ownership = None if path is None else Ownership(path)
        if path is not None:
            make_file(path)
        if self._ownership is not None and not self._ownership.claim():
            raise Busy
        try:
            self._connection, self.replaced = _opened(path)
        except BaseException:
            if self._ownership is not None:
                self._ownership.release()
            raise

    def begun(self) -> bytes | None:
        """Return what was begun, in JSON; None if nothing was."""
        row = self._connection.execute("SELECT begun FROM run").fetchone()
        return None if row is None else bytes(row[0])

    def result(self) -> bytes | None:
        """Return the result, in JSON; None before the end."""
        row = self._connection.execute("SELECT result FROM run").fetchone()
        return None if row is None or row[0] is None else bytes(row[0])

    def begin(self, begun: bytes, shards: Iterable[StoredShard]) -> None:
        """Forget everything and begin anew."""
        with transaction(self._connection):
            for name in _NAMES:
                self._connection.execute(f"DELETE FROM {name}")
            self._connection.execute("INSERT INTO run (begun) VALUES (?)", (begun,))
            self._insert_shards(shards)

    def _insert_shards(self, shards: Iterable[StoredShard]) -> None:
        self._connection.executemany(
            "INSERT INTO shards (number, prefix, after, until, wanted) VALUES (?, ?, ?, ?, ?)",
            (
                (
                    each.number,
                    _raw(each.prefix),
                    _bound(each.after),
                    _bound(each.until),
                    each.wanted,
                )
                for each in shards
            ),
        )

    def shards(self) -> list[StoredShard]:
        """Return the shards in the order of their numbers."""
        rows = self._connection.execute(
            "SELECT number, prefix, after, until, wanted, last, done, compared FROM shards"
            " ORDER BY number"
        )
        return [
            StoredShard(
                number, _text(prefix), _opt(after), _opt(until), wanted, _opt(last), bool(done), n
            )
            for number, prefix, after, until, wanted, last, done, n in rows
        ]

    def split(self, number: int, until: str, new: StoredShard) -> None:
        """End a shard at a key, and add a shard with the rest."""
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE shards SET until = ? WHERE number = ?", (_raw(until), number)
            )
            self._insert_shards([new])

    def checkpoint(self, made: Checkpoint, faults: frozenset[str]) -> None:
        """Store what a shard has found, and how far it is. faults: the counts that are faults."""
        totals: Counter[str] = Counter()
        for counts in made.parts.values():
            totals.update(counts)
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE shards SET last = ?, done = ?, compared = ? WHERE number = ?",
                (_bound(made.last), made.done, made.compared, made.number),
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO differences VALUES (?, ?, ?, ?, ?, ?)",
                ((each.outcome, _raw(each.key), *each[2:]) for each in made.differences),
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO sampled (priority, key, large) VALUES (?, ?, ?)",
                ((priority, _raw(key), large) for priority, key, large in made.sampled),
            )
            self._connection.executemany(_ADD_TOTAL, totals.items())
            self._connection.executemany(
                _ADD_PART,
                (
                    (_raw(part), what, number)
                    for part in _kept(made.parts, faults)
                    for what, number in made.parts[part].items()
                ),
            )

    def explain(self, log_types: Iterable[tuple[str, str]]) -> None:
        """Add keys that a log explains, each with the type of its row, until the file is closed."""
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO temp.explained VALUES (?, ?)",
                ((_raw(key), log_type) for key, log_type in log_types),
            )

    def forget_explanations(self) -> None:
        """Forget what `explain` added."""
        self._connection.execute("DELETE FROM temp.explained")

    def explanations(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the log types by key of those keys that a log explains."""
        statement = "SELECT log_type FROM temp.explained WHERE key = ?"
        rows = ((key, self._connection.execute(statement, (_raw(key),)).fetchone()) for key in keys)
        return {key: row[0] for key, row in rows if row is not None}

    def take_back(self, outcome: str, instead: str, reason: str) -> None:
        """Forget the differences of an outcome: count them as another, and for a reason."""
        with transaction(self._connection):
            for table in ("totals", "parts"):
                part = "part, " if table == "parts" else ""
                for what in (instead, reason):
                    self._connection.execute(
                        f"INSERT INTO {table} SELECT {part}?, number FROM {table} WHERE what = ?"
                        " ON CONFLICT DO UPDATE SET number = number + excluded.number",
                        (what, outcome),
                    )
                self._connection.execute(f"DELETE FROM {table} WHERE what = ?", (outcome,))
            self._connection.execute("DELETE FROM differences WHERE outcome = ?", (outcome,))

    def sampled(self) -> list[tuple[int, str, bool]]:
        """Return every object that joined the sample, also those that others have replaced."""
        rows = self._connection.execute("SELECT priority, key, large FROM sampled").fetchall()
        return [(priority, _text(key), bool(large)) for priority, key, large in rows]

    def keep_headers(self, found: Iterable[tuple[str, bytes]]) -> None:
        """Store the keys whose headers differ, with those headers in JSON."""
        with transaction(self._connection):
            self._connection.execute("DELETE FROM headers")
            rows = ((_raw(key), headers) for key, headers in found)
            self._connection.executemany("INSERT INTO headers VALUES (?, ?)", rows)

    def headers(self) -> list[tuple[str, bytes]]:
        """Return what `keep_headers` stored, in the order of the keys."""
        rows = self._connection.execute("SELECT key, found FROM headers ORDER BY key").fetchall()
        return [(_text(key), bytes(found)) for key, found in rows]

    def finish(self, result: bytes) -> None:
        """Store the result."""
        with transaction(self._connection):
            self._connection.execute("UPDATE run SET result = ?", (result,))

    def totals(self) -> dict[str, int]:
        """Return all counts."""
        return dict(self._connection.execute("SELECT what, number FROM totals").fetchall())

    def parts(self, most: int, faults: Iterable[str]) -> list[tuple[str, dict[str, int]]]:
        """Return the counts by part: those with the most faults first, then in order."""
        names = [*faults]
        marks = ", ".join("?" * len(names))
        found = self._connection.execute(
            f"SELECT part FROM parts GROUP BY part ORDER BY"
            f" sum(CASE WHEN what IN ({marks}) THEN number ELSE 0 END) DESC, part LIMIT ?",
            (*names, most),
        ).fetchall()
        counts = "SELECT what, number FROM parts WHERE part = ?"
        return [
            (_text(part), dict(self._connection.execute(counts, (part,)).fetchall()))
            for (part,) in found
        ]

    def differences(self, outcomes: Iterable[str]) -> Iterator[StoredDifference]:
        """Yield the differences of some outcomes in the order of their keys."""
        return heapq.merge(*map(self._of_outcome, outcomes), key=attrgetter("key"))

    def _of_outcome(self, outcome: str) -> Iterator[StoredDifference]:
        if self._connection.execute(_NO_KEY, (outcome,)).fetchone():
            raise Damaged
        last = b""
        # In blocks, so that a consumer that pauses holds no lock.
        while rows := self._connection.execute(_BLOCK, (outcome, last)).fetchall():
            for key, size, actual_size, modified, log_type in rows:
                if not (
                    isinstance(size, _INT)
                    and isinstance(actual_size, _INT)
                    and isinstance(modified, _FLOAT)
                    and isinstance(log_type, _STR)
                ):
                    raise Damaged
                known = (size, actual_size, modified, log_type)
                yield StoredDifference(_text(key), outcome, *known)
            last = rows[-1][0]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
        if self._ownership is not None:
            self._ownership.release()


def _opened(path: Path | None) -> tuple[sqlite3.Connection, bool]:
    """Open a work file, and return whether one that was damaged was replaced."""
    if path is None:
        # In memory as long as it is small; more goes into a file without a name.
        return _prepared(""), False
    try:
        return _prepared(path), False
    except (Damaged, sqlite3.DatabaseError) as error:
        if not isinstance(error, Damaged) and not is_damage(error):
            raise
    _remove(path)
    make_file(path)
    return _prepared(path), True


def _prepared(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        found = (application_id_of(connection), version_of(connection))
        if found[0] != APPLICATION_ID and _tables_of(connection):
            raise ForeignFile
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        # A kill loses nothing; after a power cut, the last pages are compared again.
        connection.execute("PRAGMA synchronous = NORMAL")
        if found != (APPLICATION_ID, VERSION):
            with transaction(connection):
                for name in _tables_of(connection):
                    connection.execute(f"DROP TABLE {name}")
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        if isinstance(path, Path):
            make_private(path)
        _check(connection)
        # On disk and without a name, like every temporary table; it ends with the connection.
        connection.execute("PRAGMA temp_store = FILE").fetchall()
        connection.execute(_EXPLAINED)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    """Raise Damaged for values that are never written; the keys are decoded when they are read."""
    for table, wrong in _WRONG.items():
        if connection.execute(f"SELECT 1 FROM {table} WHERE {wrong} LIMIT 1").fetchone():
            raise Damaged
    for (wanted,) in connection.execute("SELECT wanted FROM shards WHERE wanted IS NOT NULL"):
        try:
            keys = json.loads(wanted)
        except (TypeError, ValueError, RecursionError):
            raise Damaged from None
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise Damaged
    for prefix, *bounds in connection.execute("SELECT prefix, after, until, last FROM shards"):
        _text(prefix)
        [_opt(bound) for bound in bounds]
    for table, column in (("sampled", "key"), ("parts", "part")):
        for (raw,) in connection.execute(f"SELECT {column} FROM {table}"):
            _text(raw)


def _tables_of(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [str(name) for (name,) in rows]


def _kept(parts: Mapping[str, Mapping[str, int]], faults: frozenset[str]) -> Iterator[str]:
    """Choose the parts of a checkpoint that are stored; the first and the last go on elsewhere."""
    names, clean = [*parts], 0
    for place, name in enumerate(names):
        clean += faults.isdisjoint(parts[name])
        if place in (0, len(names) - 1) or clean <= MOST_CLEAN or faults & parts[name].keys():
            yield name


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _bound(text: str | None) -> bytes | None:
    return None if text is None else _raw(text)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except (AttributeError, UnicodeDecodeError):  # AttributeError: it is no BLOB
        raise Damaged from None


def _opt(raw: bytes | None) -> str | None:
    return None if raw is None else _text(raw)
