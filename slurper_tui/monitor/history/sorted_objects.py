"""Objects sorted by key in a temporary SQLite file, for lists that are long and not sorted.

The file has no name: SQLite deletes it as soon as it is open, so that nothing of it remains however
the program ends. Only its owner can read it. Memory stays flat for any number of objects.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

from slurper_tui.api.objects import FoundPrefix, ListedObject

PAGE = 5_000
"""Objects of a page."""

_CACHE_KIB = 16_384
_NEXT = "0"
"""The character after `/`, the divider: keys below `a/` are less than `a0`."""

_SET_UP = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA temp_store = FILE",
    f"PRAGMA cache_size = -{_CACHE_KIB}",
    # Keys are bytes, so that any text of Python can be stored, and sorted as Python sorts it.
    "CREATE TABLE added (number INTEGER PRIMARY KEY, key BLOB NOT NULL, size, etag, modified)",
    """
    CREATE TABLE objects (key BLOB PRIMARY KEY, size INTEGER, etag TEXT, modified REAL)
    WITHOUT ROWID
    """,
)
_SORT = """
    INSERT OR IGNORE INTO objects SELECT key, size, etag, modified
    FROM added ORDER BY key, modified DESC, number
"""
_CONTRADICTION = """
    SELECT added.key, objects.size, added.size
    FROM added JOIN objects ON objects.key = added.key
    WHERE added.modified IS objects.modified
    AND (added.size IS NOT objects.size OR added.etag IS NOT objects.etag)
    ORDER BY added.number LIMIT 1
"""
_PAGE = """
    SELECT key, size, etag, modified FROM objects
    WHERE key > ? AND key >= ? AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?
"""


class Contradiction(Exception):
    """A key was added twice with different values, and no time tells which is the newer one."""

    def __init__(self, key: str, size: int | None, other: int | None) -> None:
        super().__init__(key)
        self.key = key
        self.sizes = (size, other)


class SortedObjects:
    """Collects objects with `add`, and gives them back in order after `sort`.

    Of objects with the same key the one with the latest `modified` is kept. Methods may be called
    in any thread, and raise sqlite3.Error, as where the disk is full.

    count: the number of distinct keys. repeated: how many more objects were added. bytes: the sum
    of the known sizes. They are known after `sort`.
    """

    def __init__(self) -> None:
        self.count = self.repeated = self.bytes = 0
        self._lock = Lock()
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in _SET_UP:
            self._file.execute(statement)

    def add(self, objects: Iterable[ListedObject]) -> None:
        """Add objects in any order."""
        rows = ((_bytes(o.key), o.size, o.etag, o.modified) for o in objects)
        with self._lock:
            self._file.execute("BEGIN")
            self._file.executemany(
                "INSERT INTO added (key, size, etag, modified) VALUES (?, ?, ?, ?)", rows
            )
            self._file.execute("COMMIT")

    def sort(self) -> None:
        """End the adding. Raises Contradiction."""
        with self._lock:
            total = self._execute("SELECT count(*) FROM added")[0][0]
            self._execute(_SORT)
            [(self.count, self.bytes)] = self._execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM objects"
            )
            self.repeated = total - self.count
            if self.repeated:
                for key, size, other in self._execute(_CONTRADICTION):
                    raise Contradiction(_text(key), size, other)
            self._execute("DROP TABLE added")

    def page(
        self, prefix: str = "", after: str | None = None, most: int = PAGE
    ) -> Sequence[ListedObject]:
        """Return the next objects below a prefix, in the order of their keys.

        after: only keys greater than this one; None for the first page.
        """
        start, end = _bytes(prefix), _end_of(prefix)
        after_bytes = b"" if after is None else _bytes(after)
        with self._lock:
            rows = self._execute(_PAGE, (after_bytes, start, end, end, most))
        return [ListedObject(_text(key), *values) for key, *values in rows]

    def level(self, prefix: str = "", most: int = PAGE) -> Sequence[FoundPrefix]:
        """Return the common prefixes and the objects one level below a prefix; `/` divides.

        most: more are not looked for.
        """
        found: list[FoundPrefix] = []
        end = _end_of(prefix)
        start = _bytes(prefix)
        while len(found) < most:
            with self._lock:
                rows = self._execute(
                    "SELECT key FROM objects WHERE key >= ? AND (? IS NULL OR key < ?)"
                    " ORDER BY key LIMIT 1",
                    (start, end, end),
                )
            if not rows:
                break
            key = _text(rows[0][0])
            name, divider, _ = key[len(prefix) :].partition("/")
            if divider:
                found.append(FoundPrefix(prefix + name + divider))
                start = _bytes(prefix + name + _NEXT)
            else:
                found.append(FoundPrefix(key, is_object=True))
                start = rows[0][0] + b"\0"
        return found

    def close(self) -> None:
        """Delete the file."""
        with self._lock:
            self._file.close()

    def _execute(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        return self._file.execute(statement, values).fetchall()


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")


def _end_of(prefix: str) -> bytes | None:
    """Return the least bytes above every key with this prefix; None without a prefix."""
    start = _bytes(prefix)
    return start[:-1] + bytes([start[-1] + 1]) if start else None
