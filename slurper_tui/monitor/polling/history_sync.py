"""The connection between the poll loop and the history.

`HistorySync` stores new samples, jobs and events, loads at the start what earlier runs stored, and
reads the chart data and events of the highlighted job or migration.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.model.base import JobKey, Moment, Window
from slurper_tui.monitor.model.job import has_ended, job_time
from slurper_tui.monitor.model.timeline import (
    Trace,
    extended,
    moved,
    step_of,
    summed,
    trace_of,
)
from slurper_tui.monitor.polling.account_tracker import Buckets, buckets_of

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Recorder
    from slurper_tui.monitor.model.events import Event
    from slurper_tui.monitor.model.samples import Recorded, StoredJob
    from slurper_tui.monitor.polling.job_store import JobStore, Unsaved


SEED_STEPS = ((86_400.0, math.inf, 21_600.0), (7200.0, 86_400.0, 1800.0), (300.0, 7200.0, 120.0))
"""Samples that seed an estimate: (seconds ago to, from, seconds between samples); the last five
minutes in full. These two hundred samples give as good an estimate as all of them."""

REST_SECONDS = 0.12
"""Debounce: wait this many seconds after the highlight moves before reading the job's history."""

SEEDED_WELL = 20
"""Up to this many jobs are seeded with all of `SEED_STEPS`, which takes no noticeable time."""

RECALL_SECONDS = 2.0
"""How long the first poll waits for each of stored samples and stored notes, in seconds."""

PLAN_SECONDS = 30.0
"""Seconds between two readings of the plans and verifications, which other programs may have added
or changed."""


LEARN_SECONDS = 86_400.0
LEARN_STEP = 300.0
MOST_LEARNED = 5
"""The last part of an ended job whose forecasts are made again, and the time between its samples,
in seconds; and the most migrations for which that is done, because it takes time at the start."""


class StoredHistory(NamedTuple):
    """The history, and what earlier runs left in it.

    jobs: the last state of every job.
    shown: show those states until the API confirms them.
    away_since: time of the newest sample of earlier runs, UTC seconds; None if that was recent.
    clock_was_set: samples dated in the future were moved back, so the age of the newest is unknown.
    """

    recorder: Recorder
    jobs: Sequence[StoredJob] = ()
    shown: bool = True
    away_since: float | None = None
    clock_was_set: bool = False


class HistorySync:
    """Writes to and reads from the history without blocking the event loop.

    on_change: called when requested chart data or events have been read.
    """

    def __init__(
        self, recorder: Recorder, job_store: JobStore, on_change: Callable[[], None]
    ) -> None:
        self._recorder = recorder
        self._job_store = job_store
        self._on_change = on_change
        self._keys: tuple[JobKey, ...] = ()
        self._window = Window.HOUR
        self._traces: dict[JobKey, Trace] = {}
        self._shown: Trace | None = None
        self._events: tuple[Event, ...] = ()
        self._events_basis: tuple[object, ...] | None = None
        self._reads: dict[str, asyncio.Task[None]] = {}
        self._plans_read_at = -math.inf
        self._plans_read_for = 0

    def trace(self, now: float) -> Trace | None:
        """Return the chart data of the highlighted jobs; if one is live, extended to `now`.

        now: UTC seconds. None until the data has been read.
        """
        if self._shown is None and self._traces:
            self._shown = self._sum()
        if self._shown is not None:
            self._shown = moved(self._shown, now)
        return self._shown

    def _sum(self) -> Trace:
        """Return the trace of the only job, or the sum of all."""
        if len(self._keys) == 1:
            return self._traces[self._keys[0]]
        traces = [self._traces[key] for key in self._keys if key in self._traces]
        unsampled = (self._job_store.view(trace.key) for trace in traces if not trace.points)
        return summed(traces, self._keys, [view.counts for view in unsampled if view])

    def store(self, new: Unsaved) -> None:
        """Store new data in the history and clear the lists."""
        if new.events:
            self._recorder.notes.note(tuple(new.events))
        if any(event.key in self._keys for event in new.events):
            self._start("events", self._read_events())
        if new.jobs or new.samples:
            self._recorder.record(tuple(new.jobs), tuple(new.samples))
        for key, sample in new.samples:
            if key in self._traces:
                self._traces[key] = extended(self._traces[key], sample)
                self._shown = None
        for data in new:
            data.clear()

    async def load(
        self,
        jobs: Sequence[StoredJob],
        unlisted: dict[JobKey, tuple[Recorded, ...]],
        now: Callable[[], Moment],
    ) -> None:
        """Seed the estimates of live jobs with stored samples; load the notes of all jobs.

        The forecasts of the last ended job of each migration are made again to learn from them.

        unlisted: receives the samples of jobs that have no track yet.

        Gives up after `RECALL_SECONDS`, so that a hung disk does not delay the first poll for long.
        """
        store, notes = self._job_store, self._recorder.notes
        sampled = [(job, job.last) for job in jobs if job.last]
        live = [job for job, last in sampled if not has_ended(job.job, last.status)]
        for job, last in sampled:
            # An ended job needs no estimate, only the time of its last sample.
            if has_ended(job.job, last.status) and store.track(job.key) is None:
                unlisted[job.key] = (last,)
        with suppress(TimeoutError):
            async with asyncio.timeout(RECALL_SECONDS):
                for job in live:
                    samples = await self.seed_samples(job.key, now().wall, jobs=len(live))
                    track = store.track(job.key)
                    if track is None:
                        unlisted[job.key] = samples
                    else:
                        track.seed(samples, now())
                await self._learn(sampled)
        with suppress(TimeoutError):
            async with asyncio.timeout(RECALL_SECONDS):
                store.links = (*await notes.links(store.ids), *store.links)
                store.log_counts = {**await notes.counts(store.ids), **store.log_counts}
                plans = {plan.id: plan for plan in await notes.plans(store.ids)}
                store.plans = {**store.plans, **plans}
                store.set_verifications(await notes.verifications(store.ids))

    async def _learn(self, sampled: Sequence[tuple[StoredJob, Recorded]]) -> None:
        """Forecast the last ended job of each migration that has a live one, as when it ran."""
        store = self._job_store
        accounts = {account.account_id: account for account in store.accounts}
        live: set[tuple[str, Buckets]] = set()
        ended: dict[tuple[str, Buckets], StoredJob] = {}
        for job, last in sorted(sampled, key=lambda one: one[1].at):
            migration = job.account_id, buckets_of(job.job)
            if has_ended(job.job, last.status):
                ended[migration] = job
            else:
                live.add(migration)
        for migration in [one for one in ended if one in live][-MOST_LEARNED:]:
            job = ended[migration]
            at = job.last.at if job.last else 0.0
            samples = await self._recorder.last_of_each(
                job.key, max(0.0, at - LEARN_SECONDS), LEARN_STEP
            )
            series = Series()
            series.seed(samples, Moment(at, at), job_time(job.job.created_at))
            accounts[job.account_id].learn_from(job.job, series.estimate.progress.record)

    async def seed_samples(self, key: JobKey, now: float, *, jobs: int = 1) -> tuple[Recorded, ...]:
        """Return the samples that seed a job's estimate, oldest first.

        The last change of status is among them, because it tells since when the status lasts.

        now: UTC seconds.
        jobs: number of jobs to seed; the more there are, the fewer samples each gets.
        """
        fewer = max(1.0, jobs / SEEDED_WELL)
        found: list[Recorded] = []
        for until, since, step in SEED_STEPS:
            samples = await self._recorder.last_of_each(key, max(0.0, now - since), step * fewer)
            found.extend(r for r in samples if now - since <= r.at < now - until)
        newest = SEED_STEPS[-1][0] / fewer
        found.extend(await self._recorder.samples(key, now - newest))
        found.extend(await self._recorder.last_change(key))
        return tuple({sample.at: sample for sample in sorted(found, key=attrgetter("at"))}.values())

    def look_at(self, keys: tuple[JobKey, ...], now: float) -> None:
        """Read the chart data and events of newly highlighted jobs. now: UTC seconds."""
        if keys != self._keys:
            self._keys, self._traces, self._shown = keys, {}, None
            self._events, self._events_basis = (), None
            self._start("trace", self._read_trace(now, REST_SECONDS))
            self._start("events", self._read_events(REST_SECONDS))

    def set_window(self, window: Window, now: float) -> None:
        """Set the period of the chart data and read it. now: UTC seconds."""
        self._window = window
        self._start("trace", self._read_trace(now))

    def events(self) -> tuple[Event, ...]:
        """Return the events of the highlighted jobs, oldest first; empty until they have been read.

        They are read again when an action request changes or a retry is made, because either adds
        an event.
        """
        tracks = map(self._job_store.track, self._keys)
        basis = (*(track and track.view.request for track in tracks), len(self._job_store.links))
        if self._events_basis is not None and basis != self._events_basis:
            self._start("events", self._read_events())
        self._events_basis = basis
        return self._events

    def read_plans(self, now: float) -> None:
        """Read plans and verifications if the number of jobs changed or `PLAN_SECONDS` have passed.

        Another program may have added or changed one. now: monotonic seconds.
        """
        jobs = len(self._job_store.tracks())
        reading = self._reads.get("plans")
        if reading is not None and not reading.done():
            return
        if jobs != self._plans_read_for or now >= self._plans_read_at + PLAN_SECONDS:
            self._plans_read_for, self._plans_read_at = jobs, now
            self._start("plans", self._load_plans())

    async def _load_plans(self) -> None:
        """Load plans and verifications; discard them if ours changed meanwhile and are newer."""
        store = self._job_store
        before = store.plans
        plans = {plan.id: plan for plan in await self._recorder.notes.plans(store.ids)}
        if store.plans is before and plans != before:
            store.plans = {**before, **plans}
            store.wake()
        known = store.verifications
        results = await self._recorder.notes.verifications(store.ids)
        if store.verifications is known:  # none was made here meanwhile
            store.set_verifications(results)

    async def _read_trace(self, now: float, rest: float = 0.0) -> None:
        await asyncio.sleep(rest)
        views = [view for view in map(self._job_store.view, self._keys) if view is not None]
        if not views:
            return
        times = (job_time(view.job.created_at) for view in views)
        begun = min((at for at in times if at is not None), default=None)
        ends = [job_time(view.job.finished_at) if view.ended else None for view in views]
        known = [at for at in ends if at is not None]
        ended = max(known) if len(known) == len(ends) else None
        now = now if ended is None else ended
        step = step_of(self._window, begun, now)
        since = 0.0 if math.isinf(self._window.value) else now - self._window.value - step
        traces = {}
        for view in views:
            points = await self._recorder.last_of_each(view.key, max(0.0, since), step)
            trace = trace_of(view.key, self._window, now, begun, points)
            traces[view.key] = replace(trace, ended=ended)
        self._traces, self._shown = traces, None
        self._on_change()

    async def _read_events(self, rest: float = 0.0) -> None:
        await asyncio.sleep(rest)
        found = [await self._recorder.notes.events(key) for key in self._keys]
        events = tuple(sorted(chain.from_iterable(found), key=attrgetter("at")))
        if events != self._events:
            self._events = events
            self._on_change()

    def _start(self, name: str, read: Coroutine[Any, Any, None]) -> None:
        """Cancel the read of this name that is under way, if any, and start another."""
        if task := self._reads.get(name):
            task.cancel()
        self._reads[name] = asyncio.create_task(read)

    async def close(self) -> None:
        """Cancel the reads under way."""
        for task in self._reads.values():
            task.cancel()
        await asyncio.gather(*self._reads.values(), return_exceptions=True)
