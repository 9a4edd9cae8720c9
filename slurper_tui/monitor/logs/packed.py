"""Many rows in little room, for a log that is read from its newest row and told from its oldest."""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Iterable, Iterator

import msgspec

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.page import Found

_CHUNK = 1000
"""Rows that are packed together: some 20 bytes each where they are much alike."""


class Packed:
    """Rows are added newest first, and given back oldest first, once."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._rows: list[LogRow] = []

    def add(self, rows: Iterable[LogRow]) -> None:
        """Take in rows that are older than all before."""
        self._rows += rows
        if len(self._rows) >= _CHUNK:
            self._chunks.append(zlib.compress(_encode(self._rows), level=1))
            self._rows = []

    def oldest_first(self) -> Iterator[LogRow]:
        """Give every row, and keep none."""
        while self._rows or self._chunks:
            yield from reversed(self._rows)
            self._rows = _decode(zlib.decompress(self._chunks.pop())) if self._chunks else []


class Story:
    """A log in the order of time, which nobody can tell before its oldest row was read."""

    def __init__(self) -> None:
        self._older = Packed()
        self._newer: list[LogRow] = []

    def add(self, found: Found) -> None:
        """Take in what was found."""
        self._older.add(found.older)
        self._newer += reversed(found.newer)

    def told(self) -> Iterator[LogRow]:
        """Give all that was not given before, the oldest first."""
        yield from self._older.oldest_first()
        newer, self._newer = self._newer, []
        yield from newer


def _encode(rows: list[LogRow]) -> bytes:
    # JSON would join half surrogate pairs that stand beside each other.
    return marshal.dumps([msgspec.structs.astuple(row) for row in rows])


def _decode(data: bytes) -> list[LogRow]:
    return [LogRow(*values) for values in marshal.loads(data)]
