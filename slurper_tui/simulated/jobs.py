"""How a simulated job moves: its counters as a pure function of time and of what was asked of it.

A plan says what a job would do undisturbed; a course is a plan and the changes of status that
people made. Two clocks run over a course: one counts the seconds in which the source was being
listed, one the seconds in which objects were copied. The second runs on for a little while after
a pause or an abort, because objects in flight still finish.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from slurper_tui.api.models import Source, Target

DRAIN_SECONDS = 24.0
"""How long objects in flight go on finishing after a pause or an abort."""

_DRAIN_PACE = 0.5
_LISTING_PAGE = 1000
_WAVES = ((0.3, 900.0), (0.2, 97.0))  # (share of the rate, seconds): together below 1, so monotone


class Change(NamedTuple):
    """A status that somebody asked for. at: UTC seconds."""

    at: float
    status: str


class Counters(NamedTuple):
    """What a job has done, in objects.

    incidents: objects with a log row of their own, failed or not copied; part of the others.
    """

    objects: int
    transferred: int
    skipped: int
    failed: int
    incidents: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job does when nobody interferes.

    created: UTC seconds. seconds, listing, delay: of running, until all is done, until the total
    is known, until the first object moves. failed, not_copied, harmless, lost: objects by the end;
    not copied ones have a log row, harmless ones are there already, lost ones are in no counter.
    stall_every, stall_for: the counters freeze for the last `stall_for` of every so many seconds.
    step: seconds between two movements of the counters.
    """

    id: str
    created: float
    objects: int
    seconds: float
    source: Source | None = None
    target: Target | None = None
    overwrite: bool = True
    listing: float = 60.0
    delay: float = 4.0
    failed: int = 0
    not_copied: int = 0
    harmless: int = 0
    lost: int = 0
    stall_every: float = math.inf
    stall_for: float = 0.0
    step: float = 3.0
    listing_broke: bool = False

    @property
    def incidents(self) -> int:
        """Objects that get a log row of their own by the end."""
        return self.failed + self.not_copied

    @property
    def reachable(self) -> int:
        """Objects that some counter will have counted by the end."""
        return self.objects - self.lost

    def copied(self, seconds: float) -> int:
        """Objects done after so many seconds of copying, whatever was listed by then."""
        if seconds >= self.seconds:
            return self.reachable
        whole = _wavy(self._moving(self.seconds))
        share = _wavy(self._moving(seconds)) / whole if whole else 0.0
        return math.floor(min(1.0, share) * self.reachable)

    def listed(self, seconds: float) -> int:
        """Objects found after so many seconds of listing, in whole pages until the end."""
        if seconds >= self.listing:
            return self.objects
        share = max(0.0, seconds - self.delay / 2) / self.listing
        return math.floor(share * self.objects) // _LISTING_PAGE * _LISTING_PAGE

    def incidents_among(self, done: int) -> int:
        """How many of the first `done` objects have a log row of their own."""
        return done * self.incidents // self.reachable if self.reachable else 0

    def failed_among(self, incidents: int) -> int:
        """How many of the first so many incidents are failures."""
        return incidents * self.failed // self.incidents if self.incidents else 0

    def _moving(self, seconds: float) -> float:
        """Seconds of movement within so many seconds of copying."""
        after = max(0.0, seconds - self.delay)
        if math.isinf(self.stall_every):
            return after
        moving = self.stall_every - self.stall_for
        return after // self.stall_every * moving + min(after % self.stall_every, moving)


@dataclass(frozen=True, slots=True)
class Course:
    """A plan and the changes of status asked for since, in order of time.

    moments: when it had met so many incidents, UTC seconds, as far as that was asked for.
    """

    plan: Plan
    changes: tuple[Change, ...] = ()
    moments: dict[int, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def changed(self, at: float, status: str) -> Course:
        """The course after one more change."""
        return replace(self, changes=(*self.changes, Change(at, status)))

    def status(self, now: float) -> str:
        """The API's word for what the job is doing."""
        asked = self.changes[-1].status if self.changes else "running"
        return "completed" if asked != "aborted" and self.completed(now) is not None else asked

    def finished(self, now: float) -> float | None:
        """When it was completed or aborted, UTC seconds; None while it is neither."""
        if self.changes and self.changes[-1].status == "aborted":
            return self.changes[-1].at
        return self.completed(now)

    def completed(self, now: float) -> float | None:
        """When the last object was done while running, UTC seconds; None when not by `now`."""
        copying = 0.0
        for status, start, end in self._spans(now):
            if status == "running" and copying + (end - start) >= self.plan.seconds:
                return start + max(0.0, self.plan.seconds - copying)
            copying += _copying(status, end - start)
        return None

    def counters(self, now: float) -> Counters:
        """What the API tells: the counters as of the last step."""
        listing, copying = self._clocks(now)
        step = self.plan.step
        if self.completed(now) is not None:
            return self._split(self.plan.objects, self.plan.reachable)
        listed = self.plan.listed(listing // step * step)
        return self._split(listed, min(listed, self.plan.copied(copying // step * step)))

    def incidents(self, now: float) -> int:
        """Objects with a log row of their own at the very moment, between two steps too."""
        listing, copying = self._clocks(now)
        done = min(self.plan.listed(listing), self.plan.copied(copying))
        return self.plan.incidents_among(done)

    def _split(self, listed: int, done: int) -> Counters:
        """Part what is done such that every part only ever grows and the end is exact."""
        plan = self.plan
        incidents = plan.incidents_among(done)
        failed = plan.failed_among(incidents)
        smooth = plan.reachable - plan.incidents
        harmless = (done - incidents) * plan.harmless // smooth if smooth else 0
        transferred = done - incidents - harmless
        return Counters(listed, transferred, incidents - failed + harmless, failed, incidents)

    def _clocks(self, now: float) -> tuple[float, float]:
        """Seconds of listing and of copying so far."""
        spans = [(status, end - start) for status, start, end in self._spans(now)]
        listing = sum(length for status, length in spans if status == "running")
        return listing, sum(_copying(status, length) for status, length in spans)

    def _spans(self, now: float) -> Iterator[tuple[str, float, float]]:
        """Every stretch of one status until now, as (status, start, end) in UTC seconds."""
        marks = (Change(self.plan.created, "running"), *self.changes)
        ends = (*(change.at for change in self.changes), now)
        for mark, end in zip(marks, ends, strict=True):
            if mark.at < now:
                yield mark.status, mark.at, min(end, now)


def _copying(status: str, seconds: float) -> float:
    return seconds if status == "running" else min(seconds, DRAIN_SECONDS) * _DRAIN_PACE


def _wavy(seconds: float) -> float:
    """Seconds bent so that the rate swings, without ever running backwards."""
    swings = (
        share * period / math.tau * (1 - math.cos(math.tau * seconds / period))
        for share, period in _WAVES
    )
    return seconds + sum(swings)
