"""Writes the screen in a thread of its own, so that a slow terminal holds nothing up."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

_MOST_PENDING = 131_072
"""Characters that may wait for the terminal; what comes on top of them is dropped."""

_MOST_AT_ONCE = 16_384
"""Bytes of one system call, which waits until the terminal has taken all of them."""


class ScreenWriter:
    """Writes strings to a descriptor in order. `write` never waits.

    Once more than `_MOST_PENDING` characters wait, whole strings are dropped until the terminal has
    taken all that waits; then `drained` is called in the writer's thread, to have everything
    painted again. What cannot be written at all (the terminal is gone) is dropped as well.
    """

    def __init__(self, descriptor: int, encoding: str, drained: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._drained = drained
        self._news = threading.Condition()
        self._queue: list[str] = []
        self._pending = 0
        self._taken = 0  # system calls that the terminal has taken
        self._dropping = False
        self._finishing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write, or go on after `finish`."""
        self._finishing = False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="screen-writer", daemon=True)
            self._thread.start()

    def write(self, text: str) -> None:
        """Queue a string, or drop it while the terminal takes nothing."""
        with self._news:
            full = self._pending > 0 and self._pending + len(text) > _MOST_PENDING
            self._dropping = self._dropping or full
            if not self._dropping or self._finishing:
                self._queue.append(text)
                self._pending += len(text)
                self._news.notify_all()

    def finish(self) -> None:
        """Drop nothing from now on: what follows gives the terminal back."""
        with self._news:
            self._finishing = True
            if self._dropping:
                self._pending -= sum(map(len, self._queue))
                self._queue.clear()

    def wait(self, seconds: float) -> bool:
        """Wait until all is written, as long as the terminal takes something within `seconds`.

        Returns whether all is written.
        """
        with self._news:
            while self._pending:
                taken = self._taken
                if not self._news.wait_for(partial(self._moved, taken), seconds):
                    return False
        return True

    def _moved(self, taken: int) -> bool:
        return not self._pending or self._taken > taken

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._queue)
                batch, self._queue = self._queue, []
            self._write_out("".join(batch))
            self._count_written(sum(map(len, batch)))

    def _count_written(self, characters: int) -> None:
        with self._news:
            self._pending -= characters
            dropped = self._dropping and not self._pending
            if dropped:
                self._dropping = False
            self._news.notify_all()
            finishing = self._finishing
        if dropped and not finishing:
            self._drained()

    def _write_out(self, text: str) -> None:
        """Write all of a text, waiting for the terminal as long as it takes."""
        data = memoryview(text.encode(self._encoding, errors="replace"))
        with suppress(OSError):
            while data:
                try:
                    data = data[os.write(self._descriptor, data[:_MOST_AT_ONCE]) :]
                    with self._news:
                        self._taken += 1
                        self._news.notify_all()
                except BlockingIOError:  # another program has made the terminal non-blocking
                    select.select([], [self._descriptor], [])
