"""What can be the matter with a history, in words.

Exception
├── OSError, sqlite3.Error      what the disk and SQLite say
└── HistoryError                what we say: nothing is to be written there
    ├── NewerHistory            a newer version of this program wrote it
    └── ForeignFile             it is no history of this program
"""

from __future__ import annotations

import sqlite3

_PRIMARY = 0xFF
"""An extended result code of SQLite holds the primary one in its lowest byte."""

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_WORDS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "its file is read-only",
    sqlite3.SQLITE_PERM: "its file is not accessible",
    sqlite3.SQLITE_BUSY: "another program keeps its file locked",
    sqlite3.SQLITE_LOCKED: "another program keeps its file locked",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is damaged",
    sqlite3.SQLITE_IOERR: "its file cannot be read or written",
}


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


def reason_of(error: Exception) -> str:
    """One clause about what keeps a history from being kept, without a full stop."""
    if isinstance(error, sqlite3.Error):
        return _WORDS.get(_code(error), str(error))
    if isinstance(error, OSError) and error.strerror:
        return f"its file cannot be opened: {error.strerror.lower()}"
    return str(error)


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, and not merely out of reach."""
    return isinstance(error, sqlite3.Error) and _code(error) in _DAMAGE


def is_busy(error: Exception) -> bool:
    """Whether another program holds a lock that it may soon let go."""
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_BUSY


def is_full(error: Exception) -> bool:
    """Whether there is no room left."""
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_FULL


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY
