"""The files of a history: made for their owner alone, set aside when damaged, claimed by one.

What can be the matter with a history, in words.

Exception
├── OSError, sqlite3.Error      what the disk and SQLite say
└── HistoryError                what we say: nothing is to be written there
    ├── NewerHistory            a newer version of this program wrote it
    └── ForeignFile             it is no history of this program
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from slurper_tui.monitor.history.schema import APPLICATION_ID, ForeignFile, NewerHistory

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


FILE = "history.sqlite3"
"""What a history is called in the folder for what is kept between runs."""

BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a file, under its name and these."""

_JOURNAL, _LOCK = "-journal", ".lock"
_MAGIC = b"SQLite format 3\x00"
_VERSION, _APPLICATION_ID = slice(60, 64), slice(68, 72)
"""Where in a database's first bytes its `user_version` and `application_id` are, big-endian."""


class Identity(NamedTuple):
    """Which file it is, whatever it is called."""

    device: int
    inode: int


def identity_of(path: Path) -> Identity | None:
    """Which file stands under that name; None when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Identity(found.st_dev, found.st_ino)


def make_file(path: Path) -> None:
    """Make an empty file that its owner alone can read, unless a file is there.

    New folders are their owner's alone too. What is there stays as it is. Raises OSError,
    ForeignFile for what is no regular file.
    """
    make_folder(path.parent)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        mode = os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(mode):
        raise ForeignFile
    check_beside(path)


def check_beside(path: Path) -> None:
    """Raise ForeignFile where a name that SQLite uses beside a file is no regular file's.

    SQLite would wait for a pipe there.
    """
    file = path.resolve()
    for end in (*BESIDE, _JOURNAL):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(_beside(file, end).stat().st_mode):
                raise ForeignFile


def make_private(path: Path) -> None:
    """Close a file of ours, and what SQLite keeps beside it, to everyone but its owner."""
    file = path.resolve()  # SQLite keeps its own files beside what a link leads to
    for name in (file, *(_beside(file, end) for end in BESIDE)):
        _close_to_others(name)


def make_folder(folder: Path) -> None:
    """Make a folder that is its owner's alone, and those above it, where missing. Raises OSError.

    Folders that are there stay as they are.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)


def _close_to_others(path: Path) -> None:
    """SQLite gives what it makes beside a file the file's own mode; old ones may have another."""
    with suppress(OSError):
        if os.stat(path).st_mode & 0o077:
            os.chmod(path, 0o600)


def is_damaged(path: Path, newest: int) -> bool:
    """Whether a file's first bytes are those of no database; an empty one is merely new.

    newest: the highest version that we know. Raises NewerHistory for a file of ours, OSError.
    """
    head = _head_of(path)
    if not head:
        return False
    if not head.startswith(_MAGIC):
        return True
    if _is_ours(head) and int.from_bytes(head[_VERSION], "big") > newest:
        raise NewerHistory
    return False


def is_stamped(path: Path) -> bool:
    """Whether a file's first bytes say that it is ours. Raises OSError."""
    return _is_ours(_head_of(path))


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100)


def _is_ours(head: bytes) -> bool:
    return int.from_bytes(head[_APPLICATION_ID], "big") == APPLICATION_ID


def set_aside(path: Path, now: float) -> Path:
    """Rename a file, and what stands beside it, so that nothing is lost. Raises OSError.

    now: UTC seconds, for the name. A connection that is still open notices that its file was moved,
    and leaves alone what stands there then.
    """
    aside = next(name for name in _names_aside(path, now) if not _is_taken(name))
    for end in BESIDE:
        with suppress(FileNotFoundError):
            _beside(path, end).rename(_beside(aside, end))
    path.rename(aside)
    return aside


def _names_aside(path: Path, now: float) -> Iterator[Path]:
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{path.name}.corrupt-{moment}"
    yield path.with_name(name)
    number = 2
    while True:
        yield path.with_name(f"{name}-{number}")
        number += 1


def _is_taken(path: Path) -> bool:
    return any(os.path.lexists(name) for name in (path, *(_beside(path, e) for e in BESIDE)))


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


class Ownership:
    """Which of several instances came first: it alone holds the lock beside the file.

    It goes with the process, however that ends. Where a platform has no such lock, every instance
    takes itself for the first.
    """

    def __init__(self, path: Path) -> None:
        self._path = _beside(path, _LOCK)
        self._descriptor: int | None = None
        self._sole = False

    def claim(self) -> bool:
        """Whether we are the first, or have become it."""
        if not self._sole:
            self._sole = self._locked()
        return self._sole

    def release(self) -> None:
        """Let another be the first."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._sole = None, False

    def _locked(self) -> bool:
        if sys.platform == "win32":
            return True
        import fcntl

        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks: nobody else is seen
        return True
