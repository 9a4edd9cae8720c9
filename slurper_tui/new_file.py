"""A new file that has its name once it is whole, and that replaces no other."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


@contextmanager
def new_file(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Open a file that has its name once it is whole, so that none is cut short by a kill.

    What a killed program has left of a file with this name is deleted before.

    mode: less the umask. Raises FileExistsError where there is one with this name, OSError.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    begin = f".slurper-tui-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}-"
    for left in path.parent.glob(f"{begin}*.part"):
        _delete_unused(left)
    part = path.with_name(f"{begin}{os.urandom(4).hex()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    lock = os.dup(descriptor)  # held until the file has its name, when it is closed already
    try:
        with open(descriptor, "wb") as file:
            _lock(lock)
            yield file
        try:
            os.link(part, path)  # a rename would replace a file that came meanwhile
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            os.replace(part, path)
    finally:
        os.close(lock)
        part.unlink(missing_ok=True)


def _delete_unused(part: Path) -> None:
    """Delete a part of a file unless a program that runs still writes it."""
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if _lock(descriptor):
                part.unlink()
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file; return False if it is locked already, or cannot be locked here."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
