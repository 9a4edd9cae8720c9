"""The files of a history: creating, checking, locking them and setting damaged ones aside.

Files and folders are private to their owner.

Also the text for each error that prevents a history from being kept (`reason_of`), and the thread
that uses a file (`OneThread`).

Exception
├── OSError, sqlite3.Error      from the disk and SQLite
└── HistoryError                the file must not be written to
    ├── NewerHistory            written by a newer version of this program
    └── ForeignFile             not a history of this program
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from slurper_tui.monitor.history.schema import (
    APPLICATION_ID,
    ForeignFile,
    NewerHistory,
    newest_version,
)

T = TypeVar("T")

_PRIMARY = 0xFF
"""Mask for SQLite's primary result code, the lowest byte of an extended one."""

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
    """Return why the history is not kept, as one clause without a full stop."""
    if isinstance(error, sqlite3.Error):
        return _WORDS.get(_code(error), str(error))
    if isinstance(error, OSError) and error.strerror:
        return f"its file cannot be opened: {error.strerror.lower()}"
    return str(error)


_PASSING = {
    sqlite3.SQLITE_FULL: "the disk was full",
    sqlite3.SQLITE_BUSY: "another program kept its file locked",
    sqlite3.SQLITE_LOCKED: "another program kept its file locked",
}


def reason_at_start(error: Exception) -> str:
    """Return why the history could not be opened at the start, as one clause.

    The run is kept in memory from then on, although the reason may be over when it is shown.
    """
    passing = _PASSING.get(_code(error)) if isinstance(error, sqlite3.Error) else None
    return (
        f"{passing} at the start: the history of this run is only in memory"
        if passing
        else reason_of(error)
    )


def is_damage(error: Exception) -> bool:
    """Return whether the file itself is damaged, not only inaccessible."""
    return isinstance(error, sqlite3.Error) and _code(error) in _DAMAGE


def is_busy(error: Exception) -> bool:
    """Return whether another program holds a lock, probably for a short time."""
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_BUSY


def is_full(error: Exception) -> bool:
    """Return whether the disk is full."""
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_FULL


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY


FILE = "history.sqlite3"
"""The file name of a history in the state folder."""

BESIDE = ("-wal", "-shm")
"""Suffixes of the files that SQLite keeps next to a database."""

_JOURNAL, _LOCK = "-journal", ".lock"
_MAGIC = b"SQLite format 3\x00"
_VERSION, _APPLICATION_ID = slice(60, 64), slice(68, 72)
"""Positions of the big-endian `user_version` and `application_id` in a database's header."""


class Identity(NamedTuple):
    """Identifies a file independently of its name."""

    device: int
    inode: int


def identity_of(path: Path) -> Identity | None:
    """Return the identity of the file at a path; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Identity(found.st_dev, found.st_ino)


def make_file(path: Path) -> None:
    """Create an empty file that only its owner can read, unless it exists.

    New folders are private too. Existing files and folders are not changed. Raises OSError, and
    ForeignFile if the path is not a regular file.
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
    """Raise ForeignFile if a file that SQLite uses next to the database is not a regular file.

    SQLite would block on a pipe.
    """
    file = path.resolve()
    for end in (*BESIDE, _JOURNAL):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(_beside(file, end).stat().st_mode):
                raise ForeignFile


def make_private(path: Path) -> None:
    """Remove the access of group and others to a file of ours and the files next to it."""
    file = path.resolve()  # SQLite puts its files next to the target of a link
    # SQLite gives new files next to a database the mode of the database; old ones may have another.
    for name in (file, *(_beside(file, end) for end in BESIDE)):
        with suppress(OSError):
            if os.stat(name).st_mode & 0o077:
                os.chmod(name, 0o600)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, private to their owner. Raises OSError.

    Existing folders are not changed.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)


def is_damaged(path: Path) -> bool:
    """Return whether a file does not begin like a database; an empty file is not damaged.

    Raises NewerHistory for a newer file of ours, and OSError.
    """
    head = _head_of(path)
    if not head:
        return False
    if not head.startswith(_MAGIC):
        return True
    if _is_ours(head) and int.from_bytes(head[_VERSION], "big") > newest_version():
        raise NewerHistory
    return False


def is_stamped(path: Path) -> bool:
    """Return whether a file's header has our application id. Raises OSError."""
    return _is_ours(_head_of(path))


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100)


def _is_ours(head: bytes) -> bool:
    return int.from_bytes(head[_APPLICATION_ID], "big") == APPLICATION_ID


def set_aside(path: Path, now: float) -> Path:
    """Rename a file and the files next to it; return the new path. Raises OSError.

    now: UTC seconds, for the name. SQLite notices in an open connection that its file was moved,
    and does not touch a new file at the old path.
    """
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside, number = path.with_name(f"{path.name}.corrupt-{moment}"), 1
    while any(os.path.lexists(each) for each in (aside, *(_beside(aside, e) for e in BESIDE))):
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{moment}-{number}")
    for end in BESIDE:
        with suppress(FileNotFoundError):
            _beside(path, end).rename(_beside(aside, end))
    path.rename(aside)
    return aside


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def is_kept(path: Path) -> bool:
    """Return whether an instance holds the lock of a file; create nothing."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(_beside(path, _LOCK), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # a file system without locks
    finally:
        os.close(descriptor)
    return False


class Ownership:
    """A lock next to the file that only the first of several instances holds.

    It is released when the process ends, however it ends. On a platform without such locks, every
    instance is treated as the first.
    """

    def __init__(self, path: Path) -> None:
        self._path = _beside(path, _LOCK)
        self._descriptor: int | None = None
        self._sole = False

    def claim(self) -> bool:
        """Return whether this instance holds the lock; try to get it if not."""
        if self._sole or sys.platform == "win32":
            return True
        import fcntl

        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a file system without locks: other instances cannot be detected
        self._sole = True
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._sole = None, False


_Task = tuple["Future[Any]", Callable[[], Any]]


class OneThread:
    """Runs tasks one after another in a daemon thread, which starts with the first task.

    Unlike an executor's, the thread is not joined at exit: a disk that hangs must not hang the
    program.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Queue a task; the future gets its result or its exception."""
        future: Future[T] = Future()
        self._tasks.put((future, work))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return future

    def end(self) -> None:
        """End the thread after the tasks queued so far."""
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, work = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)
