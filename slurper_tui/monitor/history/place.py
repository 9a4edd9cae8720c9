"""The files of a history: made for their owner alone, set aside when damaged, claimed by one."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from slurper_tui.monitor.history.trouble import ForeignFile, NewerHistory

FILE = "history.sqlite3"
"""What a history is called in the folder for what is kept between runs."""

BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a file, under its name and these."""

_LOCK = ".lock"
_MAGIC = b"SQLite format 3\x00"
_VERSION = slice(60, 64)
"""Where in a database's first bytes its `user_version` stands, big-endian."""


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


def make_private(path: Path) -> None:
    """See to it that a file is there which its owner alone can read. Raises OSError, ForeignFile.

    New folders are their owner's alone too; those that are there stay as they are.
    """
    _make_folder(path.parent)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        mode = os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(mode):
        raise ForeignFile
    for name in (path, *(_beside(path, end) for end in BESIDE)):
        _close_to_others(name)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)


def _close_to_others(path: Path) -> None:
    """SQLite gives what it makes beside a file the file's own mode; old ones may have another."""
    with suppress(OSError):
        if os.stat(path).st_mode & 0o077:
            os.chmod(path, 0o600)


def is_damaged(path: Path, newest: int) -> bool:
    """Whether a file's first bytes are those of no database; an empty one is merely new.

    newest: the highest version that we know. Raises NewerHistory, OSError.
    """
    with path.open("rb") as file:
        head = file.read(100)
    if not head:
        return False
    if not head.startswith(_MAGIC):
        return True
    if int.from_bytes(head[_VERSION], "big") > newest:
        raise NewerHistory
    return False


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
