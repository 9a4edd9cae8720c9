"""A list of object keys in any form that `failures` writes: both faces read it alike."""

from __future__ import annotations

import json
import re

_LIKE_JSON = re.compile(r'\s*\[\s*["\]]')


class NoKeys(ValueError):
    """Why a text is no list of keys, in one clause."""


def keys_of(text: str) -> tuple[str, ...]:
    """Keys from a JSON array, with NUL between them, or one a line; blanks are part of a key.

    Lines may end as Windows ends them, where all do. Raises NoKeys.
    """
    if "\0" in text:
        return tuple(key for key in text.split("\0") if key)
    if text.lstrip().startswith("[") and (keys := _array(text)) is not None:
        return keys
    lines = [line for line in text.split("\n") if line.strip("\r")]
    from_windows = all(line.endswith("\r") for line in lines)
    return tuple(line[:-1] if from_windows else line for line in lines)


def _array(text: str) -> tuple[str, ...] | None:
    """The keys of an array; None for lines whose first key begins like one. Raises NoKeys."""
    try:
        keys = json.loads(text)
    except (ValueError, RecursionError):
        if _LIKE_JSON.match(text) or "\n" not in text.strip():
            raise NoKeys("it begins like a JSON array, and is none") from None
        return None
    if not all(isinstance(key, str) for key in keys):
        raise NoKeys("not every item of the array is a text")
    return tuple(keys)
