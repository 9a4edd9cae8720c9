"""The connection between the poll loop and the history.

`HistorySync` stores new samples, jobs and events, seeds estimates with stored samples at the start,
and reads the chart data and events of the highlighted job and the data of a digest.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui.format import parse_time
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.events import Event
from slurper_tui.monitor.model.job import JobView, has_ended
from slurper_tui.monitor.model.samples import Recorded, Remembered
from slurper_tui.monitor.model.timeline import Trace, Window, extended, moved, step_of, trace_of
from slurper_tui.monitor.polling.job_tracker import JobTrack

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Recorder
    from slurper_tui.monitor.polling.job_store import JobStore
    from slurper_tui.monitor.reports.digest import Digest


SEED_STEPS = ((86_400.0, math.inf, 21_600.0), (7200.0, 86_400.0, 1800.0), (300.0, 7200.0, 120.0))
"""Samples that seed an estimate: (seconds ago to, from, seconds between samples); the last five
minutes in full. These two hundred samples give as good an estimate as all of them."""

REST_SECONDS = 0.12
"""Debounce: wait this many seconds after the highlight moves before reading the job's history."""

SEEDED_WELL = 20
"""Up to this many jobs are seeded with all of `SEED_STEPS`, which takes no noticeable time."""

RECALL_SECONDS = 2.0
"""How long the first poll waits for stored samples, in seconds."""

LOOK_BACK = 3 * 86_400.0
"""Seconds before the beginning of a digest that its first forecast is based on."""

FURTHEST_ABSENCE = 7 * 86_400.0
"""How far back the user's last absence is searched, in seconds."""

MOST_TOLD = 1000
"""Approximate number of samples of a job read for a digest."""

_PAST_STEP = 600.0


class Past(NamedTuple):
    """The history, and what earlier runs left in it.

    remembered: the last known state of every job.
    shown: show those states until the API confirms them.
    away_since: time of the newest sample of earlier runs, UTC seconds; None if that was recent.
    clock_was_set: samples dated in the future were moved back, so the age of the newest is unknown.
    """

    history: Recorder
    remembered: Sequence[Remembered] = ()
    shown: bool = True
    away_since: float | None = None
    clock_was_set: bool = False


class HistorySync:
    """Writes to and reads from the history without blocking the event loop.

    came: called when requested chart data or events have been read.
    trace, events: of the highlighted job; None and empty until they have been read.
    """

    def __init__(self, history: Recorder, came: Callable[[], None]) -> None:
        self.trace: Trace | None = None
        self.events: tuple[Event, ...] = ()
        self._history = history
        self._came = came
        self._goes_on = True
        self._key: JobKey | None = None
        self._window = Window.HOUR
        self._reading: asyncio.Task[None] | None = None
        self._reading_events: asyncio.Task[None] | None = None
        self._noted: tuple[object, ...] | None = None

    def trace_at(self, now: float) -> Trace | None:
        """Return the chart data of the highlighted job; if it is live, extended to `now`.

        now: UTC seconds.
        """
        if self.trace is not None and self._goes_on:
            self.trace = moved(self.trace, now)
        return self.trace

    @property
    def note(self) -> str:
        """One clause about the history if it is not simply on."""
        return self._history.view.note

    def keep(
        self,
        jobs: list[Remembered],
        samples: list[tuple[JobKey, Recorded]],
        events: list[Event],
    ) -> None:
        """Store new data in the history and clear the lists."""
        self._note(events)
        if jobs or samples:
            self._history.record(tuple(jobs), tuple(samples))
        for key, told in samples:
            if self.trace is not None and key == self.trace.key:
                self.trace = extended(self.trace, told)
        jobs.clear()
        samples.clear()
        events.clear()

    def _note(self, events: Sequence[Event]) -> None:
        if events:
            self._history.notes.note(tuple(events))
        if any(event.key == self._key for event in events):
            self._read_events()

    async def recall(
        self,
        remembered: Sequence[Remembered],
        track_of: Callable[[JobKey], JobTrack | None],
        unlisted: dict[JobKey, tuple[Recorded, ...]],
        now: Callable[[], Moment],
    ) -> None:
        """Seed the estimates of live jobs with stored samples.

        unlisted: receives the samples of jobs that have no track yet.

        Gives up after `RECALL_SECONDS`, so that a hung disk does not delay the first poll for long.
        """
        known = [(k, k.last) for k in remembered if k.last]
        live = [k for k, last in known if not has_ended(k.job, last.status)]
        # An ended job needs no estimate, only the time of its last sample.
        over = ((k.key, last) for k, last in known if has_ended(k.job, last.status))
        unlisted.update({key: (last,) for key, last in over if track_of(key) is None})
        with suppress(TimeoutError):
            async with asyncio.timeout(RECALL_SECONDS):
                for one in live:
                    past = await self.past(one.key, now().wall, crowd=len(live))
                    track = track_of(one.key)
                    if track is None:
                        unlisted[one.key] = past
                    else:
                        track.seed(past, now())

    async def past(self, key: JobKey, now: float, *, crowd: int = 1) -> tuple[Recorded, ...]:
        """Return the samples that seed a job's estimate, oldest first.

        now: UTC seconds.
        crowd: number of jobs to seed; the more there are, the fewer samples each gets.
        """
        fewer = max(1.0, crowd / SEEDED_WELL)
        found: list[Recorded] = []
        for until, since, step in SEED_STEPS:
            told = await self._history.last_of_each(key, max(0.0, now - since), step * fewer)
            found.extend(r for r in told if now - since <= r.at < now - until)
        newest = SEED_STEPS[-1][0] / fewer
        return (*found, *await self._history.samples(key, now - newest))

    def look_at(self, key: JobKey | None, view: JobView | None, now: float) -> None:
        """Read the chart data and events of a newly highlighted job. now: UTC seconds."""
        if key != self._key:
            self._key, self.trace, self.events, self._noted = key, None, (), None
            self._read(view, now, REST_SECONDS)
            self._read_events(REST_SECONDS)

    def set_window(self, window: Window, view: JobView | None, now: float) -> None:
        """Set how much of the past is shown and read it. now: UTC seconds."""
        self._window = window
        self._read(view, now)

    def _read(self, view: JobView | None, now: float, rest: float = 0.0) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if view is not None:
            self._reading = asyncio.create_task(self._read_trace(view, now, rest))

    async def _read_trace(self, view: JobView, now: float, rest: float) -> None:
        await asyncio.sleep(rest)
        begun = parse_time(view.job.created_at)
        ended = parse_time(view.job.finished_at) if view.ended else None
        now = now if ended is None else ended
        step = step_of(self._window, begun, now)
        since = 0.0 if math.isinf(self._window.value) else now - self._window.value - step
        points = await self._history.last_of_each(view.key, max(0.0, since), step)
        trace = trace_of(view.key, self._window, now, begun, points)
        self.trace = replace(trace, ended=ended)
        self._goes_on = ended is None
        self._came()

    def events_of(self, job_store: JobStore) -> tuple[Event, ...]:
        """Return the events of the highlighted job, oldest first.

        They are read again when its action request changes or a retry is made, because either adds
        an event.
        """
        view = job_store.view(self._key)
        noted = (view and view.request, len(job_store.links))
        if self._noted is not None and noted != self._noted:
            self._read_events()
        self._noted = noted
        return self.events

    def _read_events(self, rest: float = 0.0) -> None:
        if self._reading_events is not None:
            self._reading_events.cancel()
            self._reading_events = None
        if self._key is not None:
            self._reading_events = asyncio.create_task(self._bring_events(self._key, rest))

    async def _bring_events(self, key: JobKey, rest: float) -> None:
        await asyncio.sleep(rest)
        events = await self._history.notes.events(key)
        if events != self.events:
            self.events = events
            self._came()

    async def digest(
        self,
        views: Sequence[JobView],
        since: float | None,
        until: float,
        zone: tzinfo | None,
        *,
        away_since: float | None = None,
    ) -> Digest:
        """Return a digest between two UTC seconds, based on the samples that exist.

        since: None for the start of the user's last absence: `away_since` or the last long gap in
            the history, if that is later.
        away_since: when the user last watched before this run, in UTC seconds; None if unknown or
            recent.
        """
        from slurper_tui.monitor.reports.digest import make_digest  # only for a digest

        begun = since
        if begun is None:
            begun = await self._last_absence(views, until, away_since)
        told = [(view, await self._story(view, begun, until)) for view in views]
        return make_digest(told, begun, until, zone)

    async def _last_absence(
        self, views: Sequence[JobView], until: float, away_since: float | None
    ) -> float:
        """Return when the last long absence began, in UTC seconds.

        If all jobs have ended, gaps in the samples prove nothing, so `away_since` is used if known.
        """
        from slurper_tui.monitor.reports.observed import default_since  # only for a digest

        if away_since is not None and not any(view.live for view in views):
            return away_since
        since = until - FURTHEST_ABSENCE
        lately = [view.key for view in views if view.live or (view.as_of or 0.0) > since]
        seen = [await self._history.last_of_each(key, since, 60.0) for key in lately]
        return max(default_since(seen, until), away_since or 0.0)

    async def _story(self, view: JobView, since: float, until: float) -> tuple[Recorded, ...]:
        """Return a job's samples: few long before `since`, all just before, some after."""
        near = since - _PAST_STEP
        past = await self._history.last_of_each(view.key, max(0.0, since - LOOK_BACK), _PAST_STEP)
        before = await self._history.samples(view.key, near, since)
        step = max(1.0, (until - since) / MOST_TOLD)
        told = await self._history.last_of_each(view.key, since, step)
        later = tuple(sample for sample in told if since < sample.at <= until)
        return (*(sample for sample in past if sample.at < near), *before, *later)

    async def close(self) -> None:
        """Cancel the reads under way."""
        reading = [task for task in (self._reading, self._reading_events) if task is not None]
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
