"""A history that is kept off the event loop, whatever the disk does. Implements `History`."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from slurper_tui.monitor.history.copying import write_over
from slurper_tui.monitor.history.opening import Clock, notice_of, open_file, standing
from slurper_tui.monitor.history.place import set_aside
from slurper_tui.monitor.history.steps import last_of_each
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.history.thread import OneThread
from slurper_tui.monitor.history.trouble import HistoryError, is_damage, is_full, reason_of
from slurper_tui.monitor.history.waiting import Batch, Waiting, merged
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.samples import HistoryView, Keeping, Recorded, Remembered

T = TypeVar("T")

Work = Callable[[Store], object]
"""Something to be done with the store, in its thread."""

CLOSE_SECONDS = 2.0
"""For so long the end waits for the disk."""

THIN_SECONDS = 3600.0
"""Seconds between two thinnings, by the samples' own time."""

RETRY_SECONDS = 60.0
"""Seconds between two tries to have a file that could not be opened, by the samples' own time."""

_ON = HistoryView()

_log = logging.getLogger("slurper_tui.monitor.history")
# Without a handler, logging would write warnings to stderr: on the screen, that is.
_log.addHandler(logging.NullHandler())


class Recorder:
    """Writes and reads in one thread of its own; what cannot be written waits for the next round.

    Nothing here raises. What a read cannot get is an empty answer. clock: UTC seconds, for the name
    of a file that is set aside.
    """

    def __init__(self, store: Store, view: HistoryView = _ON, *, clock: Clock = time.time) -> None:
        self._store = store
        self._clock = clock
        self._view = view
        self._notice = view.reason if view.keeping is Keeping.ON else ""
        self._waiting = Waiting()
        self._known: dict[JobKey, Remembered] = {}
        self._thread = OneThread("history")
        self._thinned_at = -math.inf
        self._tried_at: float | None = None
        self._begun: dict[JobKey, float] = {}
        self._closed = False
        self._replaced = False
        self._others: list[Work] = []

    @property
    def view(self) -> HistoryView:
        """How it stands now."""
        return self._view

    @property
    def on_disk(self) -> bool:
        """What is written goes into a file, as far as is known."""
        kept = self._view.keeping in {Keeping.ON, Keeping.SHARED}
        return kept and self._store.path is not None and not self._closed

    @property
    def base_url(self) -> str:
        """Whose jobs it keeps."""
        return self._store.base_url

    def record(
        self, jobs: Sequence[Remembered], samples: Sequence[tuple[JobKey, Recorded]]
    ) -> None:
        """Keep jobs as they now stand (their `last` apart), and new samples. Returns at once."""
        if self._closed or not (jobs or samples):
            return
        self._waiting.add(jobs, samples)
        self._thread.submit(self._write)

    async def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        """Give a job's samples, oldest first, between two UTC seconds, both included."""
        return await self._read(lambda: self._samples(key, since, until))

    async def last_of_each(self, key: JobKey, since: float, step: float) -> tuple[Recorded, ...]:
        """Give the newest sample of every `step` seconds from `since` on, oldest first."""
        return await self._read(lambda: self._last_of_each(key, since, step))

    async def _read(self, read: Callable[[], tuple[Recorded, ...]]) -> tuple[Recorded, ...]:
        if self._closed:
            return ()
        return await asyncio.wrap_future(self._thread.submit(lambda: self._try_to(read) or ()))

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in the thread, after all that was given before.

        Raises what the work raises, and HistoryError after the end.
        """
        if self._closed:
            raise HistoryError("the history is closed")
        return await asyncio.wrap_future(self._thread.submit(partial(self._do, work)))

    def also(self, work: Work) -> None:
        """Do this too whenever something is written, and at the end."""
        self._others.append(work)

    def write_soon(self) -> None:
        """Write what waits, here and elsewhere. Returns at once."""
        if not self._closed:
            self._thread.submit(self._write)

    async def close(self) -> None:
        """Write what waits, and let go of the file; a disk that hangs is not waited for long."""
        if self._closed:
            return
        self._closed = True
        ended = asyncio.wrap_future(self._thread.submit(self._end))
        self._thread.end()
        try:
            _, late = await asyncio.wait([ended], timeout=CLOSE_SECONDS)
            if late and self._store.path is not None and self._view.keeping is not Keeping.OFF:
                self._view = HistoryView(Keeping.OFF, "its disk does not answer")
        finally:
            ended.cancel()  # so that nobody calls into a loop that is no more

    # In the thread -----------------------------------------------------------------------------

    def on_store(self, work: Callable[[Store], T]) -> T:
        """Do something with the store as it now stands, in a new file where the old one is gone.

        On a disk that is full, once more where there is room after all. Raises what it raises.
        """
        if self._store.path is not None and not self._store.is_in_place:
            _log.warning("the history's file is gone: another is begun")
            self._begin(self._store.path)
        try:
            return work(self._store)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            self._store.make_room()
            return work(self._store)

    def _try_to(self, work: Callable[[], T]) -> T | None:
        """Do it; None when that fails."""
        try:
            return self._do(work)
        except Exception:
            return None

    def _do(self, work: Callable[[], T]) -> T:
        """Do it, or raise why not, after a file that turns out to be damaged was set aside."""
        try:
            return work()
        except Exception as error:
            _log.warning("history: %s", error)
            if is_damage(error) and self._store.path is not None:
                self._set_aside(self._store.path)
            raise

    def _samples(self, key: JobKey, since: float, until: float | None) -> tuple[Recorded, ...]:
        end = math.inf if until is None else until
        waiting = [s for s in self._waiting.of(key) if since <= s.at <= end]
        return merged(self._store.samples(key, since, until), waiting)

    def _last_of_each(self, key: JobKey, since: float, step: float) -> tuple[Recorded, ...]:
        kept = self._store.last_of_each(key, since, step)
        waiting = [s for s in self._waiting.of(key) if since <= s.at]
        return last_of_each(merged(kept, waiting), step) if waiting else kept

    def _write(self) -> None:
        """Write all that waits."""
        self._write_samples()
        for work in self._others:
            self._try_to(partial(self.on_store, work))

    def _write_samples(self) -> None:
        """Write all samples that wait; at the first trouble the rest waits on."""
        while (batch := self._waiting.take()) is not None:
            try:
                self._keep(batch)
            except Exception as error:
                self._waiting.put_back(batch)
                self._failed(error)
                return
            self._thin_in_time(batch)

    def _keep(self, batch: Batch) -> None:
        self.on_store(lambda store: store.write(batch.jobs, batch.samples))
        self._known |= {known.key: known for known in batch.jobs}
        if self._store.wanted_path is not None:
            self._have_in_time(batch)
        if self._store.path is not None:
            self._view = standing(self._store, self._notice)

    def _have_in_time(self, batch: Batch) -> None:
        """Note what is in memory alone, and try for the file again when it is time."""
        for key, sample in batch.samples:
            begun = 0.0 if sample.set_back else sample.at  # what was before may have been moved
            self._begun[key] = min(begun, self._begun.get(key, begun))
        newest = max((sample.at for _, sample in batch.samples), default=None)
        if newest is None:
            return
        self._tried_at = newest if self._tried_at is None else self._tried_at
        if not 0 <= newest - self._tried_at < RETRY_SECONDS:
            self._tried_at = newest
            self._have_file()

    def _have_file(self) -> None:
        """Go on in the file that is wanted, if it can be had now, with all of this session."""
        path = self._store.wanted_path
        if path is None or not (self._known or self._begun or self._store.notes.any):
            return
        try:
            file, notice = open_file(path, self._store.base_url, clock=self._clock)
            try:
                write_over(self._store, file, tuple(self._known.values()), self._begun)
            except BaseException:
                file.close()
                raise
        except Exception as error:
            _log.warning("history: %s", error)
            self._view = HistoryView(Keeping.OFF, reason_of(error))
            if isinstance(error, HistoryError):
                self._store.wanted_path = None
            return
        self._store.close()
        self._store, self._notice, self._begun = file, notice, {}
        self._view = standing(file, notice)

    def _failed(self, error: Exception) -> None:
        """Say why nothing is written, and see whether a new file helps."""
        _log.warning("history: %s", error)
        if self._store.path is None:
            return
        self._view = HistoryView(Keeping.OFF, reason_of(error))
        if is_damage(error):
            self._set_aside(self._store.path)

    def _set_aside(self, path: Path) -> None:
        """Let the damaged file be kept under another name, and begin a new one, but only once.

        A disk that damages one file after another is not to be filled with them.
        """
        if self._replaced:
            return
        self._replaced = True
        try:
            if self._store.is_in_place:
                self._notice = notice_of(set_aside(path, self._clock()))
            self._begin(path)
            self._view = standing(self._store, self._notice)
        except Exception as error:
            self._view = HistoryView(Keeping.OFF, reason_of(error))

    def _begin(self, path: Path) -> None:
        """Go on in what stands, or is to stand, under that name; what we know is written again."""
        self._store.close()
        self._store, notice = open_file(path, self._store.base_url, clock=self._clock)
        self._notice = notice or self._notice
        self._waiting.put_back(Batch(tuple(self._known.values()), ()))

    def _thin_in_time(self, batch: Batch) -> None:
        if not batch.samples:
            return
        newest = max(sample.at for _, sample in batch.samples)
        if not 0 <= newest - self._thinned_at < THIN_SECONDS:
            self._thinned_at = newest
            self._thread.submit(lambda: self._thin(newest))

    def _thin(self, now: float) -> None:
        """Thin some; the rest after whatever else is to be done meanwhile."""
        if self._try_to(lambda: self._store.thin(now)) and not self._closed:
            self._thread.submit(lambda: self._thin(now))

    def _end(self) -> None:
        self._write()
        self._have_file()
        self._try_to(self._store.close)
