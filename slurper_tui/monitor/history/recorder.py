"""A history that is kept off the event loop, whatever the disk does. Implements `History`.

One thread that does one thing after another, and keeps no process alive.

What is to be written and is not yet: bounded, and safe between two threads.

Notes that are kept off the event loop, whatever the disk does. Implements `Notebook`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from operator import itemgetter
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from slurper_tui.monitor.history.codecs import last_of_each, to_ms
from slurper_tui.monitor.history.files import is_damage, is_full, reason_of, set_aside
from slurper_tui.monitor.history.opening import Clock, notice_of, open_file, open_store, standing
from slurper_tui.monitor.history.schema import HistoryError
from slurper_tui.monitor.history.store import BATCH, Notes, Store, memory_id, write_over
from slurper_tui.monitor.history.thinning import superfluous
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState
from slurper_tui.monitor.model.samples import HistoryView, Keeping, Recorded, Remembered

_Task = tuple["Future[Any]", Callable[[], Any]]


class OneThread:
    """Does what it is given in the order in which it was given. The thread begins with the first.

    Unlike an executor's, it is not waited for when the program ends: a disk that hangs must not
    hang the program.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do it after all that was given before; its result, or what it raised, is the future's."""
        future: Future[T] = Future()
        self._tasks.put((future, work))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return future

    def end(self) -> None:
        """Let the thread end after all that was given."""
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            _do(*task)


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)


MOST_WAITING = 50_000
"""So many samples wait at most: three days of one job polled every 5 s, about 15 MB."""


Kept = tuple[JobKey, Recorded]


class Batch(NamedTuple):
    """What is written in one go."""

    jobs: tuple[Remembered, ...]
    samples: tuple[Kept, ...]


class Waiting:
    """Jobs as they now stand, and samples, oldest first.

    When there are too many, the older half is thinned like what is older than a day; whatever is
    too much even then is lost, oldest first.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._jobs: dict[JobKey, Remembered] = {}
        self._samples: list[Kept] = []

    def add(self, jobs: Sequence[Remembered], samples: Sequence[Kept]) -> None:
        """Let more wait."""
        with self._lock:
            self._jobs |= {known.key: known for known in jobs}
            self._samples.extend(samples)
            self._fit()

    def take(self) -> Batch | None:
        """Take what is to be written next; None when nothing waits."""
        with self._lock:
            if not self._jobs and not self._samples:
                return None
            batch = Batch(tuple(self._jobs.values()), tuple(self._samples[:BATCH]))
            self._jobs, self._samples = {}, self._samples[BATCH:]
            return batch

    def put_back(self, batch: Batch) -> None:
        """Let what could not be written wait again, before what came since."""
        with self._lock:
            self._jobs = {known.key: known for known in batch.jobs} | self._jobs
            self._samples = [*batch.samples, *self._samples]
            self._fit()

    def of(self, key: JobKey) -> list[Recorded]:
        """Give the samples of one job that wait, oldest first."""
        with self._lock:
            return [sample for whose, sample in self._samples if whose == key]

    def _fit(self) -> None:
        if len(self._samples) > self._most:
            half = len(self._samples) // 2
            thinned = _thinned(self._samples[:half]) + self._samples[half:]
            self._samples = thinned[-self._most :]


def _thinned(samples: Sequence[Kept]) -> list[Kept]:
    of_each: dict[JobKey, list[Recorded]] = {}
    for key, sample in samples:
        of_each.setdefault(key, []).append(sample)
    gone = {(key, s.at) for key, told in of_each.items() for s in superfluous(told)}
    return [(key, sample) for key, sample in samples if (key, sample.at) not in gone]


def merged(kept: tuple[Recorded, ...], waiting: Sequence[Recorded]) -> tuple[Recorded, ...]:
    """Put together what is written and what is not yet, oldest first, each once."""
    if not waiting:
        return kept
    by_time = {to_ms(sample.at): sample for sample in (*waiting, *kept)}
    return tuple(sample for _, sample in sorted(by_time.items(), key=itemgetter(0)))


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


T = TypeVar("T")

MOST = 5_000
"""So many events wait at most; of more, the oldest are lost."""


class _Batch(NamedTuple):
    events: list[Event]
    counts: dict[JobKey, LogCounts]


class Noting:
    """Writes and reads in a recorder's thread. Nothing here raises.

    What cannot be written waits in memory: events and counts as they are, ties and plans in a
    store of their own, where they can be read and moved on until the disk takes them.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = threading.Lock()
        self._waiting = _Batch([], {})
        self._spare: Store | None = None
        recorder.also(self._settle)

    @property
    def durable(self) -> bool:
        """What is noted survives this program."""
        behind = self._spare is not None or self._waiting.events or self._waiting.counts
        return self._recorder.on_disk and not behind

    def note(self, events: Sequence[Event]) -> None:
        """Keep events. Returns at once."""
        self._wait(events, {})

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        """Keep what a log holds, in place of what was kept before. Returns at once."""
        self._wait((), {key: counts})

    def _wait(self, events: Sequence[Event], counts: Mapping[JobKey, LogCounts]) -> None:
        with self._lock:
            self._waiting = _Batch(
                [*self._waiting.events, *events][-MOST:], {**self._waiting.counts, **counts}
            )
        self._recorder.write_soon()

    # What is noted -----------------------------------------------------------------------------

    async def events(self, key: JobKey, most: int = 200) -> tuple[Event, ...]:
        """Give a job's newest events, oldest first."""
        kept = await self._read(lambda notes: notes.events(key, most))
        waiting = [event for event in self._waiting.events if event.key == key]
        found = dict.fromkeys(event for told in (*kept, waiting) for event in told)
        return tuple(sorted(found, key=lambda event: event.at)[-most:])

    async def ties(self, accounts: Sequence[str]) -> tuple[Tie, ...]:
        """Give every retry of these accounts, in the order in which they were made."""
        kept = await self._read(lambda notes: notes.ties(accounts))
        return tuple(dict.fromkeys(tie for told in kept for tie in told))

    async def counts(self, accounts: Sequence[str]) -> Mapping[JobKey, LogCounts]:
        """Give what is kept of the logs of these accounts' jobs."""
        kept = await self._read(lambda notes: notes.counts(accounts))
        found = {key: counts for told in kept for key, counts in told.items()}
        return {**found, **_of(self._waiting.counts, accounts)}

    async def plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        """Give the plans of these accounts, oldest first; a step that is over has no keys left."""
        kept = await self._read(lambda notes: notes.plans.all(accounts))
        return tuple(sorted((plan for told in kept for plan in told), key=lambda p: p.made_at))

    async def _read(self, read: Callable[[Notes], T]) -> list[T]:
        """What the file tells, then what waits for it; of what cannot be read, nothing."""
        found = [await self._try(lambda: self._on_disk(read))]
        found.append(await self._try(lambda: read(self._spare.notes) if self._spare else None))
        return [told for told in found if told is not None]

    async def _try(self, work: Callable[[], T | None]) -> T | None:
        try:
            return await self._recorder.run(work)
        except Exception:
            return None

    # What is awaited ---------------------------------------------------------------------------

    async def tie(self, tie: Tie) -> None:
        """Keep that one job retries another; written when this returns, if it can be."""
        if not await self._try(lambda: self._on_disk(lambda notes: _tied(notes, tie))):
            await self._try(lambda: _tied(self._spare_notes(), tie))

    async def keep_plan(self, plan: Plan) -> Plan:
        """Keep a new plan, and give it with its id; written when this returns, if it can be."""
        kept = await self._try(lambda: self._recorder.on_store(lambda store: _planned(store, plan)))
        if kept is None:
            kept = await self._try(lambda: self._spare_notes().plans.keep(plan, counted=False))
        return kept or replace(plan, id=memory_id())

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Change a step if it still stands as `before`; False where it does not, or cannot be.

        One transaction, synced to the disk before this returns, so that of several programs, and
        of one that is killed at any moment, only one ever sends a step.
        """
        moved = await self._try(lambda: self._move(plan_id, number, before, after))
        return moved is True

    # In the thread -----------------------------------------------------------------------------

    def _on_disk(self, work: Callable[[Notes], T]) -> T:
        return self._recorder.on_store(lambda store: work(store.notes))

    def _move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Move a step where its plan is kept."""
        spare = self._spare
        if spare is not None and spare.notes.plans.has(plan_id):
            return spare.notes.plans.move(plan_id, number, before, after)
        return self._on_disk(lambda notes: notes.plans.move(plan_id, number, before, after))

    def _spare_notes(self) -> Notes:
        self._spare = self._spare or open_store(None, self._recorder.base_url)
        return self._spare.notes

    def _settle(self, store: Store) -> None:
        """Write what waits. Raises sqlite3.Error, and then all of it waits on."""
        if self._spare is not None:
            self._spare.notes.copy_to(store.notes)
            self._spare.close()
            self._spare = None
        with self._lock:
            batch, self._waiting = self._waiting, _Batch([], {})
        if not batch.events and not batch.counts:
            return
        try:
            store.notes.keep(batch.events, batch.counts)
        except BaseException:
            self._put_back(batch)
            raise

    def _put_back(self, batch: _Batch) -> None:
        with self._lock:
            later = self._waiting
            self._waiting = _Batch(
                [*batch.events, *later.events][-MOST:], {**batch.counts, **later.counts}
            )


def _of(counts: Mapping[JobKey, LogCounts], accounts: Sequence[str]) -> dict[JobKey, LogCounts]:
    return {key: told for key, told in counts.items() if not accounts or key.account_id in accounts}


def _tied(notes: Notes, tie: Tie) -> bool:
    notes.tie(tie)
    return True


def _planned(store: Store, plan: Plan) -> Plan:
    """Keep a plan: with a number that counts on, unless the store may come into a file later."""
    counted = store.path is not None or store.wanted_path is None
    return store.notes.plans.keep(plan, counted=counted)
