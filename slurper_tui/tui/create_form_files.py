"""Key lists and lists of prefixes, read off the event loop from the files that a form names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

MOST_BYTES = 64 * 2**20
"""10,000 keys of the longest kind, and much air."""


class NoList(ValueError):
    """Why a file is no list, in one clause that does not repeat its name."""


async def read_text(name: str) -> str:
    """A file's text. Raises NoList."""
    return await asyncio.to_thread(_read, name)


def _read(name: str) -> str:
    try:
        path = Path(name).expanduser()
        if not path.is_file():
            raise NoList("no such file" if not path.exists() else "this is not an ordinary file")
        if path.stat().st_size > MOST_BYTES:
            raise NoList(f"larger than {MOST_BYTES // 2**20} MB")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoList("not a text in UTF-8") from None
    except (OSError, RuntimeError) as error:
        raise NoList(getattr(error, "strerror", "") or "cannot be read") from None
    except ValueError as error:
        raise error if isinstance(error, NoList) else NoList("this is no file's name") from None


def keys_of(text: str) -> tuple[str, ...]:
    """Keys from a text: a JSON array, or one a line; blanks are part of a key. Raises NoList."""
    if text.lstrip().startswith("["):
        try:
            return tuple(msgspec.json.decode(text, type=list[str]))
        except msgspec.MsgspecError:
            if "\n" not in text.strip():
                raise NoList("this is no JSON array of texts") from None
    return tuple(line for line in text.replace("\r\n", "\n").split("\n") if line)
