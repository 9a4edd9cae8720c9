"""A manifest: the expected objects as a file lists them, which is read once and sorted on disk.

The formats are in `formats`; each may be compressed with gzip. `Manifest` is an `ObjectListing`.
"""

from __future__ import annotations

import asyncio
import os
import select
import sqlite3
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

from slurper_tui.api.errors import ApiError
from slurper_tui.api.objects import ListingCost
from slurper_tui.monitor.history.files import reason_of
from slurper_tui.monitor.history.sorted_objects import PAGE, Contradiction, SortedObjects
from slurper_tui.monitor.verify.formats import Mistake, parser_of

if TYPE_CHECKING:
    from slurper_tui.api.objects import FoundPrefix, ListedObject, ObjectHeaders

STDIN = "-"
_CHUNK = 2**18
_BATCH = 10_000
_STOP_SECONDS = 0.2
"""How long a pipe without data delays the end of a reading that is no longer wanted."""

_IN_VAIN = 10
"""Times of `_STOP_SECONDS` without data after which it is told that the reading waits for them."""

_GZIP = b"\x1f\x8b"


class BadManifest(ApiError):
    """A manifest that cannot be read; the message names the file and the place in it."""

    exit_code = 2


class Manifest:
    """The objects that a file lists.

    file: its path, or `-` for standard input. format: in words; "" before it is read. buckets:
    those that an inventory names.
    """

    requests = 0
    cost = ListingCost(page=0)

    def __init__(self, file: str) -> None:
        self.format = ""
        self.buckets: set[str] = set()
        self._file = file
        self._place = "standard input" if file == STDIN else file
        self._objects: SortedObjects | None = None
        self._loading = asyncio.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        """What is listed, for people."""
        return f"manifest {self._place}"

    async def load(self, progress: Callable[[int], None] = lambda _: None) -> SortedObjects:
        """Read the file to its end, if that is not done; return its objects. Raises BadManifest.

        progress: called in another thread with the number of entries that were read so far; with 0
        after two seconds in which there was nothing to read, as in a pipe without a writer.
        """
        async with self._loading:
            if self._objects is None:
                try:
                    self._objects = await asyncio.to_thread(self._read, progress)
                except BaseException:
                    self._closed = True  # ends the thread of a task that was cancelled
                    raise
            return self._objects

    async def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        """Yield the objects below a prefix, page by page. Raises BadManifest.

        after: only keys greater than this one.
        """
        objects = await self.load()
        while page := await asyncio.to_thread(objects.page, prefix, after):
            yield page
            after = page[-1].key

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        """Return the first 5,000 common prefixes and objects one level below a prefix."""
        return await asyncio.to_thread((await self.load()).level, prefix, most or PAGE)

    async def headers(self, key: str) -> ObjectHeaders | None:
        """Raise BadManifest: a manifest tells no headers."""
        raise BadManifest(f"{self.name} tells no headers")

    def close(self) -> None:
        """Delete the sorted copy."""
        self._closed = True
        if self._objects is not None:
            self._objects.close()

    def _read(self, progress: Callable[[int], None]) -> SortedObjects:
        objects: SortedObjects | None = None
        try:
            objects = SortedObjects()
            self._fill(objects, progress)
            objects.sort()
            if not objects.count:
                raise Mistake("it names no object")
        except BaseException as error:
            if objects is not None:
                objects.close()
            if (words := _words(error)) is None:
                raise
            raise BadManifest(f"{self._place}: {words}") from None
        return objects

    def _fill(self, objects: SortedObjects, progress: Callable[[int], None]) -> None:
        parser = parser_of(_unpacked(self._chunks(lambda: progress(0))))
        entries, number = parser.entries(), 0
        while batch := list(islice(entries, _BATCH)):
            objects.add(batch)
            number += len(batch)
            progress(number)
        self.format, self.buckets = parser.format, parser.buckets

    def _chunks(self, waits: Callable[[], None]) -> Iterator[bytes]:
        """Yield the file's bytes. Raises OSError, and Mistake when it is closed meanwhile.

        waits: called if there is nothing to read at first.
        """
        try:
            # Without O_NONBLOCK, a pipe that nobody writes to would hold the thread.
            file = 0 if self._file == STDIN else os.open(self._file, os.O_RDONLY | os.O_NONBLOCK)
        except ValueError:
            raise Mistake("no such file") from None
        try:
            waiting = select.poll()
            waiting.register(file, select.POLLIN)
            in_vain = 0
            while not self._closed:
                if waiting.poll(_STOP_SECONDS * 1_000):
                    if not (chunk := os.read(file, _CHUNK)):
                        return
                    in_vain = _IN_VAIN
                    yield chunk
                else:
                    in_vain += 1
                    if in_vain == _IN_VAIN:
                        waits()
        finally:
            if self._file != STDIN:
                os.close(file)
        raise Mistake("it was not read to its end")


def _words(error: BaseException) -> str | None:
    """Return what is wrong with a manifest, as a clause; None for a bug or an interruption."""
    if isinstance(error, Mistake):
        return str(error)
    if isinstance(error, Contradiction):
        one, other = ("unknown" if size is None else f"{size:,}" for size in error.sizes)
        what = "two ETags" if one == other else f"the sizes {one} and {other}"
        return f"{error.key!r} is there twice, with {what}"
    if isinstance(error, sqlite3.Error):
        return f"it cannot be sorted: {reason_of(error)}"
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    return None


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the bytes, unpacked if they are gzip. Raises Mistake for damage."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_GZIP):
            break
    every = chain([head], chunks)
    return _gunzip(every) if head.startswith(_GZIP) else every


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack one or several gzip files, one after the other, in pieces of a limited size."""
    member, begun = zlib.decompressobj(wbits=31), False
    for packed in chunks:
        more = True
        while more:
            begun = begun or bool(packed)
            try:
                unpacked = member.decompress(packed, _CHUNK)
            except zlib.error:
                raise Mistake("its gzip data is damaged") from None
            yield unpacked
            packed = member.unconsumed_tail
            more = bool(packed) or len(unpacked) == _CHUNK
            if member.eof:
                packed = member.unused_data
                member, begun = zlib.decompressobj(wbits=31), False
                more = bool(packed)
    if begun:
        raise Mistake("its gzip data is cut off")
