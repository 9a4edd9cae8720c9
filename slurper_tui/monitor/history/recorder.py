"""Writes and reads a history in its own thread, so that a slow disk never blocks the loop.

`Recorder` writes jobs and samples, `HistoryNotes` events, retry links, log counts, verifications
and plans. Both run in one `OneThread` and keep in memory what could not be written:
`PendingSamples` holds samples, bounded and safe between two threads.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec.structs import replace

from slurper_tui.monitor.history.files import OneThread, is_damage, is_full, reason_of, set_aside
from slurper_tui.monitor.history.opening import Clock, history_view, notice_of, open_file
from slurper_tui.monitor.history.schema import HistoryError
from slurper_tui.monitor.history.store import BATCH, Store
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.samples import (
    HistoryView,
    Keeping,
    Recorded,
    StoredJob,
    last_of_each,
    superfluous,
    to_ms,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.history.notes import Notes
    from slurper_tui.monitor.model.events import Event, RetryLink
    from slurper_tui.monitor.model.logs import LogCounts
    from slurper_tui.monitor.model.plans import Plan, Step, StepState
    from slurper_tui.monitor.model.verification import Verification

MOST_WAITING = 50_000
"""Limit of samples in memory: three days of one job polled every 5 s, about 15 MB."""


KeyedSample = tuple[JobKey, Recorded]


class Batch(NamedTuple):
    """Jobs and samples written together."""

    jobs: tuple[StoredJob, ...]
    samples: tuple[KeyedSample, ...]


class PendingSamples:
    """Jobs and samples that are not written yet, oldest first.

    Over the limit, the older half is thinned like samples older than a day; if that is not enough,
    the oldest samples are dropped.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._jobs: dict[JobKey, StoredJob] = {}
        self._samples: list[KeyedSample] = []

    def add(self, jobs: Sequence[StoredJob], samples: Sequence[KeyedSample]) -> None:
        """Queue jobs and samples."""
        with self._lock:
            self._jobs |= {job.key: job for job in jobs}
            self._samples.extend(samples)
            self._fit()

    def take(self) -> Batch | None:
        """Remove and return the next batch to write; None when nothing is queued."""
        with self._lock:
            if not self._jobs and not self._samples:
                return None
            batch = Batch(tuple(self._jobs.values()), tuple(self._samples[:BATCH]))
            self._jobs, self._samples = {}, self._samples[BATCH:]
            return batch

    def put_back(self, batch: Batch) -> None:
        """Queue a batch that could not be written again, before newer samples."""
        with self._lock:
            self._jobs = {job.key: job for job in batch.jobs} | self._jobs
            self._samples = [*batch.samples, *self._samples]
            self._fit()

    def of(self, key: JobKey) -> list[Recorded]:
        """Return the queued samples of one job, oldest first."""
        with self._lock:
            return [sample for of_job, sample in self._samples if of_job == key]

    def _fit(self) -> None:
        if len(self._samples) <= self._most:
            return
        half = len(self._samples) // 2
        older, newer = self._samples[:half], self._samples[half:]
        of_each: dict[JobKey, list[Recorded]] = {}
        for key, sample in older:
            of_each.setdefault(key, []).append(sample)
        gone = {(key, s.at) for key, of_job in of_each.items() for s in superfluous(of_job)}
        older = [(key, sample) for key, sample in older if (key, sample.at) not in gone]
        self._samples = [*older, *newer][-self._most :]


def merged(written: tuple[Recorded, ...], waiting: Sequence[Recorded]) -> tuple[Recorded, ...]:
    """Merge written and queued samples by time, oldest first, without duplicates."""
    if not waiting:
        return written
    by_time = {to_ms(sample.at): sample for sample in (*waiting, *written)}
    return tuple(sample for _, sample in sorted(by_time.items(), key=itemgetter(0)))


CLOSE_SECONDS = 2.0
"""How long `close` waits for the disk, in seconds."""

THIN_SECONDS = 3600.0
"""Seconds between two thinning runs, measured by the times of the samples."""

_ON = HistoryView()

_log = logging.getLogger("slurper_tui.monitor.history")
# Without a handler, logging would write warnings to stderr, which is the screen.
_log.addHandler(logging.NullHandler())


class Recorder:
    """Writes and reads jobs and samples in its own thread; retries failed writes.

    Only `run` and `on_store` raise: a failed read returns an empty result, a failed write shows in
    `view`.

    clock: UTC seconds, used to name a damaged file that is set aside.
    thread: runs the tasks; None for a thread of its own.
    notes: events, retry links, log counts, verifications and plans, in the same thread.
    """

    def __init__(
        self,
        store: Store,
        view: HistoryView = _ON,
        *,
        clock: Clock = time.time,
        thread: OneThread | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._view = view
        self._notice = view.reason if view.keeping is Keeping.ON else ""
        self._waiting = PendingSamples()
        self._written: dict[JobKey, StoredJob] = {}
        self._thread = thread or OneThread("history")
        self._thinned_at = -math.inf
        self._closed = False
        self._replaced = False
        self.notes = HistoryNotes(self)

    @property
    def view(self) -> HistoryView:
        """Whether the history is kept, and the reason if it is not."""
        return self._view

    @property
    def on_disk(self) -> bool:
        """Whether writes go into a file, as far as is known."""
        written = self._view.keeping in {Keeping.ON, Keeping.SHARED}
        return written and self._store.path is not None and not self._closed

    @property
    def path(self) -> Path | None:
        """The file that is written to; None if the history is in memory."""
        return self._store.path if self.on_disk else None

    def record(self, jobs: Sequence[StoredJob], samples: Sequence[tuple[JobKey, Recorded]]) -> None:
        """Queue jobs (their `last` is ignored) and new samples for writing. Returns at once."""
        if self._closed or not (jobs or samples):
            return
        self._waiting.add(jobs, samples)
        self._thread.submit(self._write)

    async def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        """Return a job's samples between two UTC seconds, both included, oldest first."""
        end = math.inf if until is None else until

        def read() -> tuple[Recorded, ...]:
            waiting = [s for s in self._waiting.of(key) if since <= s.at <= end]
            return merged(self._store.samples(key, since, until), waiting)

        return await self._read(read)

    async def last_of_each(self, key: JobKey, since: float, step: float) -> tuple[Recorded, ...]:
        """Return the newest sample of every `step` seconds since `since`, oldest first."""

        def read() -> tuple[Recorded, ...]:
            written = self._store.last_of_each(key, since, step)
            waiting = [s for s in self._waiting.of(key) if since <= s.at]
            return last_of_each(merged(written, waiting), step) if waiting else written

        return await self._read(read)

    async def last_change(self, key: JobKey) -> tuple[Recorded, ...]:
        """Return the written samples on both sides of a job's last change of status, or ()."""
        return await self._read(lambda: self._store.last_change(key))

    async def _read(self, read: Callable[[], tuple[Recorded, ...]]) -> tuple[Recorded, ...]:
        if self._closed:
            return ()
        return await asyncio.wrap_future(self._thread.submit(lambda: self._try_to(read) or ()))

    async def run(self, work: Callable[[], T]) -> T:
        """Run a task in the thread, after those queued before.

        Raises what the task raises, and HistoryError after `close`.
        """
        if self._closed:
            raise HistoryError("the history is closed")
        return await asyncio.wrap_future(self._thread.submit(partial(self._do, work)))

    def write_soon(self) -> None:
        """Queue a write of everything that waits. Returns at once."""
        if not self._closed:
            self._thread.submit(self._write)

    async def close(self) -> None:
        """Write what waits and close the file; give up after `CLOSE_SECONDS`."""
        if self._closed:
            return
        self._closed = True
        self._thread.submit(self._write)
        ended = asyncio.wrap_future(self._thread.submit(lambda: self._try_to(self._store.close)))
        self._thread.end()
        try:
            _, late = await asyncio.wait([ended], timeout=CLOSE_SECONDS)
            if late and self._store.path is not None and self._view.keeping is not Keeping.OFF:
                self._view = HistoryView(Keeping.OFF, "its disk does not answer")
        finally:
            ended.cancel()  # the callback must not reach a closed event loop

    # The methods below run in the history's thread.

    def on_store(self, work: Callable[[Store], T]) -> T:
        """Run a task on the store, in a new file if the old one was removed.

        If the disk is full, checkpoint the log and try once more. Raises what the task raises.
        """
        if self._store.path is not None and not self._store.is_in_place:
            _log.warning("the history file is gone: a new one was started")
            self._begin(self._store.path)
        try:
            return work(self._store)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            self._store.make_room()
            return work(self._store)

    def _try_to(self, work: Callable[[], T]) -> T | None:
        """Run a task; return None if it fails."""
        try:
            return self._do(work)
        except Exception:
            return None

    def _do(self, work: Callable[[], T]) -> T:
        """Run a task; if the file turns out to be damaged, set it aside and raise the error."""
        try:
            return work()
        except Exception as error:
            _log.warning("history: %s", error)
            if is_damage(error) and self._store.path is not None:
                self._set_aside(self._store.path)
            raise

    def _write(self) -> None:
        """Write all queued samples and notes; after a failure the rest stays queued."""
        while (batch := self._waiting.take()) is not None:
            try:
                self._write_batch(batch)
            except Exception as error:
                self._waiting.put_back(batch)
                _log.warning("history: %s", error)
                if self._store.path is not None:
                    self._view = HistoryView(Keeping.OFF, reason_of(error))
                    if is_damage(error):
                        self._set_aside(self._store.path)
                break
        self._try_to(lambda: self.on_store(self.notes.write))

    def _write_batch(self, batch: Batch) -> None:
        self.on_store(lambda store: store.write(batch.jobs, batch.samples))
        self._written |= {job.key: job for job in batch.jobs}
        if self._store.path is not None:
            self._view = history_view(self._store, self._notice)
        newest = max((sample.at for _, sample in batch.samples), default=None)
        if newest is not None and not 0 <= newest - self._thinned_at < THIN_SECONDS:
            self._thinned_at = newest
            self._thread.submit(lambda: self._thin(newest))

    def _set_aside(self, path: Path) -> None:
        """Rename the damaged file and begin a new one, once per session.

        Otherwise a faulty disk would fill up with damaged files.
        """
        if self._replaced:
            return
        self._replaced = True
        try:
            if self._store.is_in_place:
                self._notice = notice_of(set_aside(path, self._clock()))
            self._begin(path)
            self._view = history_view(self._store, self._notice)
        except Exception as error:
            self._view = HistoryView(Keeping.OFF, reason_of(error))

    def _begin(self, path: Path) -> None:
        """Open the file at `path`, creating it if missing, and queue all jobs again."""
        self._store.close()
        self._store, notice = open_file(path, self._store.base_url, clock=self._clock)
        self._notice = notice or self._notice
        self.notes.forget_file()
        self._waiting.put_back(Batch(tuple(self._written.values()), ()))

    def _thin(self, now: float) -> None:
        """Thin a limited number of samples; queue the rest after the tasks that came meanwhile."""
        if self._try_to(lambda: self._store.thin(now)) and not self._closed:
            self._thread.submit(lambda: self._thin(now))


T = TypeVar("T")

MOST = 5_000
"""Limit of events in memory; the oldest are dropped."""


class _PendingNotes(NamedTuple):
    events: Sequence[Event] = ()
    counts: Mapping[JobKey, LogCounts] = {}
    links: Sequence[RetryLink] = ()
    verifications: Sequence[Verification] = ()

    def then(self, later: _PendingNotes) -> _PendingNotes:
        """Return both batches as one; of events, the newest `MOST`."""
        return _PendingNotes(
            (*self.events, *later.events)[-MOST:],
            {**self.counts, **later.counts},
            (*self.links, *later.links),
            (*self.verifications, *later.verifications),
        )


class HistoryNotes:
    """Writes and reads events, links, log counts, verifications and plans in a recorder's thread.

    Nothing here raises. What cannot be written waits in memory until the disk works again: it can
    be read, and plans can be changed.

    A plan's id is valid in this run only. It is the plan's number in the file that was opened
    first; a plan that had to wait, and one of a file that replaced the first, has a negative id.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = threading.Lock()
        self._waiting = _PendingNotes()
        self._waiting_plans: dict[int, Plan] = {}
        self._numbers: dict[int, int] = {}
        self._is_first_file = True
        self._last_id = 0

    @property
    def durable(self) -> bool:
        """Whether all notes so far are on disk."""
        return self._recorder.on_disk and not any(self._waiting) and not self._waiting_plans

    def note(self, events: Sequence[Event]) -> None:
        """Queue events for writing. Returns at once."""
        self._wait(_PendingNotes(events))

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        """Queue a job's log counts, which replace earlier ones. Returns at once."""
        self._wait(_PendingNotes(counts={key: counts}))

    async def link(self, link: RetryLink) -> None:
        """Record that one job retries another; written when this returns, if the disk works."""
        self._wait(_PendingNotes(links=[link]))
        await self._try(lambda: None)

    async def keep_verification(self, result: Verification) -> None:
        """Record a verification; written when this returns, if the disk works."""
        self._wait(_PendingNotes(verifications=[result]))
        await self._try(lambda: None)

    async def verifications(self, accounts: Sequence[str]) -> tuple[Verification, ...]:
        """Return the verifications of these accounts' jobs, those of other programs included."""
        written = await self._read(lambda notes: notes.verifications(accounts)) or ()
        waiting = [
            v for v in self._waiting.verifications if not accounts or v.account_id in accounts
        ]
        return (*written, *waiting) if waiting else written

    def _wait(self, batch: _PendingNotes) -> None:
        with self._lock:
            self._waiting = self._waiting.then(batch)
        self._recorder.write_soon()

    async def events(self, key: JobKey, most: int = 200) -> tuple[Event, ...]:
        """Return a job's newest events, written or queued, oldest first."""
        written = await self._read(lambda notes: notes.events(key, most)) or ()
        waiting = [event for event in self._waiting.events if event.key == key]
        found = dict.fromkeys((*written, *waiting))
        return tuple(sorted(found, key=lambda event: event.at)[-most:])

    async def links(self, accounts: Sequence[str]) -> tuple[RetryLink, ...]:
        """Return the retries made in these accounts, in the order they were recorded."""
        written = await self._read(lambda notes: notes.links(accounts)) or ()
        waiting = (link for link in self._waiting.links if _is_of(link.child, accounts))
        return tuple(dict.fromkeys((*written, *waiting)))

    async def counts(self, accounts: Sequence[str]) -> Mapping[JobKey, LogCounts]:
        """Return the log counts of these accounts' jobs, written or queued."""
        written = await self._read(lambda notes: notes.counts(accounts)) or {}
        waiting = self._waiting.counts.items()
        return {**written, **{key: counts for key, counts in waiting if _is_of(key, accounts)}}

    async def plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        """Return the plans of these accounts, oldest first; a finished step has no keys left."""
        return await self._try(lambda: self._plans(accounts)) or ()

    async def written_plans(self, accounts: Sequence[str]) -> tuple[Plan, ...] | None:
        """Return the plans of these accounts in the history; None if one cannot be read."""
        return await self._read(lambda notes: notes.plans.all(accounts, strict=True))

    async def keep_plan(self, plan: Plan) -> Plan:
        """Store a new plan and return it with its id; on disk when this returns, if possible."""
        written = await self._try(
            lambda: self._with_id(self._on_disk(lambda notes: notes.plans.keep(plan)))
        )
        if written is not None:
            return written
        with self._lock:
            waiting = replace(plan, id=self._next_id())
            self._waiting_plans[waiting.id] = waiting
        return waiting

    def number_of(self, plan_id: int) -> int | None:
        """Return a plan's number in the history, for later runs; None while it is not written."""
        return self._numbers.get(plan_id)

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Replace a step if its state is still `before`; return False if it is not, or on failure.

        One transaction, synced to the disk before this returns: of several programs, even if one is
        killed at any moment, only one ever sends a step.
        """
        moved = await self._try(lambda: self._move(plan_id, number, before, after))
        return moved is True

    async def _read(self, read: Callable[[Notes], T]) -> T | None:
        return await self._try(lambda: self._on_disk(read))

    async def _try(self, work: Callable[[], T]) -> T | None:
        """Run a task in the history's thread; return None if it fails."""
        try:
            return await self._recorder.run(work)
        except Exception:
            return None

    # The methods below run in the history's thread.

    def _on_disk(self, work: Callable[[Notes], T]) -> T:
        return self._recorder.on_store(lambda store: work(store.notes))

    def forget_file(self) -> None:
        """Call when another file replaces the present one: plans of that file cannot be moved."""
        self._numbers.clear()
        self._is_first_file = False

    def _next_id(self) -> int:
        self._last_id -= 1
        return self._last_id

    def _with_id(self, plan: Plan) -> Plan:
        """Return a plan of the file with its id in this run."""
        for plan_id, number in self._numbers.items():
            if number == plan.id:
                return replace(plan, id=plan_id)
        with self._lock:
            plan_id = plan.id if self._is_first_file else self._next_id()
        self._numbers[plan_id] = plan.id
        return replace(plan, id=plan_id)

    def _plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        """Return the plans on disk, if they can be read, and those that wait."""
        written: Sequence[Plan] = ()
        with suppress(Exception):
            written = self._on_disk(lambda notes: notes.plans.all(accounts))
        found = [self._with_id(plan) for plan in written]
        with self._lock:
            waiting = list(self._waiting_plans.values())
        found += [p for p in waiting if not accounts or p.account_id in accounts]
        return tuple(sorted(found, key=lambda plan: plan.made_at))

    def _move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        def move(notes: Notes) -> bool:
            written = self._numbers.get(plan_id)  # None if another file has just been begun
            return written is not None and notes.plans.move(written, number, before, after)

        plan = self._waiting_plans.get(plan_id)
        if plan is None:
            return self._on_disk(move)
        if plan.steps[number - 1].state is not before:
            return False
        steps = (after if step.number == number else step for step in plan.steps)
        self._waiting_plans[plan_id] = replace(plan, steps=tuple(steps))
        return True

    def write(self, store: Store) -> None:
        """Write all queued notes. Raises sqlite3.Error; they then stay queued."""
        with self._lock:
            plans = list(self._waiting_plans.values())
        for plan in plans:
            self._numbers[plan.id] = store.notes.plans.keep(plan).id
            del self._waiting_plans[plan.id]
        with self._lock:
            batch, self._waiting = self._waiting, _PendingNotes()
        if not any(batch):
            return
        try:
            store.notes.keep(*batch)
        except BaseException:
            with self._lock:
                self._waiting = batch.then(self._waiting)
            raise


def _is_of(key: JobKey, accounts: Sequence[str]) -> bool:
    return not accounts or key.account_id in accounts
