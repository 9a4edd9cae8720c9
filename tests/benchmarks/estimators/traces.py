"""Traces of jobs as Super Slurper runs them: what each poll would be told, and when it ended.

A job's true speed wanders: a quick noise of minutes on a slow one of hours, as shared backends
have. Objects are whole, counters may be published in bursts, and polls come a little unevenly.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from slurper_tui.monitor.model.job import Counts

HOUR = 3600.0
POLL = 5.0


@dataclass(frozen=True, slots=True)
class Poll:
    """One good answer. at: seconds since the job was created."""

    at: float
    counts: Counts
    status: str = "running"
    after_gap: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """One job. finish: seconds since it was created. lists: its total grew for a while."""

    kind: str
    seed: int
    polls: tuple[Poll, ...]
    finish: float


@dataclass(slots=True)
class Making:
    """A job in the making: what it had done at each step of its time, seconds since creation."""

    rng: random.Random
    step: float = POLL
    at: float = 0.0
    transferred: float = 0.0
    skipped: float = 0.0
    quick: float = 0.0
    slow: float = 0.0
    states: list[tuple[float, int, int, str]] = field(default_factory=list)

    def weather(self, quick: float = 0.25, slow: float = 0.2) -> float:
        """By what the speed is multiplied now: minutes of noise on hours of it."""
        self.quick += -self.quick * self.step / 120 + quick * self._kick(120)
        self.slow += -self.slow * self.step / 7200 + slow * self._kick(7200)
        return math.exp(self.quick + self.slow)

    def _kick(self, tau: float) -> float:
        return self.rng.gauss(0, math.sqrt(2 * self.step / tau))

    def run(self, speed: float, skipping: float = 0.0, status: str = "running") -> None:
        """Let one step pass at so many objects per second."""
        self.at += self.step
        self.transferred += self._objects(speed * self.step)
        self.skipped += self._objects(skipping * self.step)
        self.states.append((self.at, int(self.transferred), int(self.skipped), status))

    def _objects(self, mean: float) -> float:
        """How many were finished: they come as they come."""
        return max(0.0, self.rng.gauss(mean, math.sqrt(mean))) if mean > 0 else 0.0

    @property
    def done(self) -> float:
        return self.transferred + self.skipped


def steady(seed: int) -> Trace:
    """Five hours or so at one speed."""
    job = Making(random.Random(seed))
    total = 120 * 5 * HOUR
    while job.done < total:
        job.run(120 * job.weather())
    return told("steady", seed, job)


def diurnal(seed: int) -> Trace:
    """Three days, slow by day and fast by night, begun at any hour."""
    job = Making(random.Random(seed), step=15.0)
    begun, depth = job.rng.uniform(0, 24), job.rng.uniform(0.3, 0.55)
    total = 80 * 72 * HOUR
    while job.done < total:
        hour = begun + job.at / HOUR
        job.run(80 * (1 + depth * math.sin(hour * math.tau / 24)) * job.weather())
    return told("diurnal", seed, job)


def bursts(seed: int) -> Trace:
    """Counters that are published every one to four minutes."""
    job = Making(random.Random(seed))
    total, longest = 60 * 4 * HOUR, job.rng.uniform(120, 240)
    while job.done < total:
        job.run(60 * job.weather())
    return told("bursts", seed, job, publish=lambda: job.rng.uniform(60, longest))


def stall(seed: int) -> Trace:
    """A ten-minute standstill in the middle of three hours."""
    job = Making(random.Random(seed))
    total, stands = 90 * 3 * HOUR, job.rng.uniform(0.2, 0.8) * 3 * HOUR
    while job.done < total:
        job.run(0.0 if stands < job.at < stands + 600 else 90 * job.weather())
    return told("stall", seed, job)


def listing(seed: int) -> Trace:
    """A total that is listed while objects are copied, for a third of the time."""
    job = Making(random.Random(seed))
    total, share = 100 * 5 * HOUR, job.rng.uniform(0.2, 0.45)
    lists = total / (share * 5 * HOUR)
    totals, known = [], 1000.0
    while job.done < total:
        job.run(min(100, lists) * job.weather())
        known += lists * job.step * math.exp(job.rng.gauss(0, 0.5))
        totals.append(int(max(min(total, known), job.done)))
    return told("listing", seed, job, totals=totals)


def skipping(seed: int) -> Trace:
    """A second run: much is there already and skipped by the thousand, the rest is copied."""
    job = Making(random.Random(seed))
    share, speed = job.rng.uniform(0.6, 0.9), job.rng.uniform(25, 60)
    copied = speed * 2.5 * HOUR
    skipped = copied * share / (1 - share)
    blocks = job.rng.randint(1, 4)
    for block in range(1, blocks + 1):
        while job.skipped < skipped * block / blocks:
            job.run(0.2 * speed, 1800 * job.weather())
        while job.transferred < copied * (0.1 * block if block < blocks else 1):
            job.run(speed * job.weather(), 0.1)
    return told("skipping", seed, job)


def large_tail(seed: int) -> Trace:
    """The large objects come last: the same bytes per second, many fewer objects."""
    job = Making(random.Random(seed))
    total, large = 70 * 4 * HOUR, job.rng.uniform(0.02, 0.06)
    slower = job.rng.uniform(4, 10)
    while job.done < total:
        ahead = 1 - job.done / total
        job.run(70 * job.weather() / (slower if ahead < large else 1))
    return told("large tail", seed, job)


def pauses(seed: int) -> Trace:
    """Somebody pauses it two or three times, for minutes or half an hour."""
    job = Making(random.Random(seed))
    total = 110 * 5 * HOUR
    stops = sorted(job.rng.uniform(0.1, 0.9) * total for _ in range(job.rng.randint(2, 3)))
    while job.done < total:
        if stops and job.done > stops[0]:
            stops.pop(0)
            for _ in range(round(job.rng.uniform(300, 1800) / job.step)):
                job.run(0.0, status="paused")
        job.run(110 * job.weather())
    return told("pauses", seed, job)


def large_objects(seed: int) -> Trace:
    """Few and large: one object in half a minute, each as it comes."""
    job = Making(random.Random(seed))
    while job.done < 900:
        job.run(0.0)
        job.transferred += job.rng.random() < 0.033 * job.step * job.weather()
    return told("large objects", seed, job)


def outage(seed: int) -> Trace:
    """A laptop that is closed for an hour or two in the middle of eight."""
    job = Making(random.Random(seed))
    total = 100 * 8 * HOUR
    while job.done < total:
        job.run(100 * job.weather())
    closed = job.rng.uniform(0.1, 0.6) * job.at
    opened = closed + job.rng.uniform(1, 2) * HOUR
    return told("outage", seed, job, unseen=(closed, opened))


def late(seed: int) -> Trace:
    """First seen when it has run for hours."""
    job = Making(random.Random(seed))
    total = 100 * 8 * HOUR
    while job.done < total:
        job.run(100 * job.weather())
    return told("late", seed, job, unseen=(-1.0, job.rng.uniform(0.3, 0.7) * job.at))


KINDS: Mapping[str, Callable[[int], Trace]] = {
    "steady": steady,
    "diurnal": diurnal,
    "bursts": bursts,
    "stall": stall,
    "listing": listing,
    "skipping": skipping,
    "large tail": large_tail,
    "pauses": pauses,
    "large objects": large_objects,
    "outage": outage,
    "late": late,
}


def told(
    kind: str,
    seed: int,
    job: Making,
    *,
    totals: list[int] | None = None,
    publish: Callable[[], float] | None = None,
    unseen: tuple[float, float] = (-2.0, -1.0),
) -> Trace:
    """What polls of a job say. publish: seconds to the next change of the counters."""
    last = job.states[-1]
    total, polls, gap = last[1] + last[2], list[Poll](), False
    for place in _published(job, publish):
        at = job.states[place[0]][0]
        if unseen[0] <= at <= unseen[1]:
            gap = bool(polls)
            continue
        _, transferred, skipped, status = job.states[place[1]]
        counts = Counts(totals[place[0]] if totals else total, transferred, skipped, 0)
        when = at + job.rng.uniform(-0.3, 0.3)
        status = job.states[place[0]][3]
        polls.append(Poll(when, counts, status, after_gap=gap))
        gap = False
    return Trace(kind, seed, tuple(polls), last[0])


def _published(job: Making, publish: Callable[[], float] | None) -> list[tuple[int, int]]:
    """For each step, the step whose counters were the newest published."""
    places = list(range(len(job.states)))
    if publish is None:
        return list(zip(places, places, strict=True))
    times, at = [], 0.0
    while at < job.at:
        at += publish()
        times.append(at)
    seen = []
    for place in places:
        known = bisect_right(times, job.states[place][0])
        newest = times[known - 1] if known else job.step
        seen.append((place, max(0, min(place, int(newest / job.step) - 1))))
    return seen
