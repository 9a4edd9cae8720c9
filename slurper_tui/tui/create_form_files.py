"""Key lists and lists of prefixes, read from the files that a form names."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 64 * 2**20
"""10,000 keys of the longest kind, and much air."""


class NoList(ValueError):
    """Why a file is no list, in one clause that does not repeat its name."""


def read_text(name: str) -> str:
    """A file's text. Raises NoList."""
    try:
        return _bytes(Path(name).expanduser()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoList("not a text in UTF-8") from None
    except OSError as error:
        raise NoList((error.strerror or "cannot be read").lower()) from None
    except RuntimeError:
        raise NoList("nobody knows that home folder") from None


def _bytes(path: Path) -> bytes:
    """What an ordinary file holds: a pipe might never end. Raises NoList and OSError."""
    if "\0" in str(path) or not path.exists():
        raise NoList("no such file")
    if not path.is_file():
        raise NoList("this is not an ordinary file")
    if path.stat().st_size > MOST_BYTES:
        raise NoList(f"larger than {MOST_BYTES // 2**20} MB")
    return path.read_bytes()
