"""Traces of jobs as Super Slurper runs them: the counters of each poll and the true finish.

A job's true speed has a fast noise of minutes and a slow one of hours, as on shared backends.
Objects are whole, counters may be published in bursts, and polls are slightly irregular.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

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
    """One job. finish: seconds since it was created."""

    kind: str
    seed: int
    polls: tuple[Poll, ...]
    finish: float


@dataclass(slots=True)
class JobBuilder:
    """A job under construction. states: its counters at each step, seconds since creation."""

    rng: random.Random
    step: float = POLL
    at: float = 0.0
    transferred: float = 0.0
    skipped: float = 0.0
    quick: float = 0.0
    slow: float = 0.0
    states: list[tuple[float, int, int, str]] = field(default_factory=list)

    def speed_factor(self, quick: float = 0.25, slow: float = 0.2) -> float:
        """Return the next factor of the speed: fast noise times slow noise."""
        self.quick += -self.quick * self.step / 120 + quick * self._kick(120)
        self.slow += -self.slow * self.step / 7200 + slow * self._kick(7200)
        return math.exp(self.quick + self.slow)

    def _kick(self, tau: float) -> float:
        return self.rng.gauss(0, math.sqrt(2 * self.step / tau))

    def run(self, speed: float, skipping: float = 0.0, status: str = "running") -> None:
        """Advance by one step at this rate in objects per second."""
        self.at += self.step
        self.transferred += self._objects(speed * self.step)
        self.skipped += self._objects(skipping * self.step)
        self.states.append((self.at, int(self.transferred), int(self.skipped), status))

    def _objects(self, mean: float) -> float:
        """Return a random number of finished objects with this mean."""
        return max(0.0, self.rng.gauss(mean, math.sqrt(mean))) if mean > 0 else 0.0

    @property
    def done(self) -> float:
        return self.transferred + self.skipped


def steady(seed: int) -> Trace:
    """About five hours at one speed."""
    job = JobBuilder(random.Random(seed))
    total = 120 * 5 * HOUR
    while job.done < total:
        job.run(120 * job.speed_factor())
    return trace_of("steady", seed, job)


def diurnal(seed: int) -> Trace:
    """Three days, slow by day and fast by night, from a random hour."""
    job = JobBuilder(random.Random(seed), step=15.0)
    begun, depth = job.rng.uniform(0, 24), job.rng.uniform(0.3, 0.55)
    total = 80 * 72 * HOUR
    while job.done < total:
        hour = begun + job.at / HOUR
        job.run(80 * (1 + depth * math.sin(hour * math.tau / 24)) * job.speed_factor())
    return trace_of("diurnal", seed, job)


def bursts(seed: int) -> Trace:
    """Counters published every one to four minutes."""
    job = JobBuilder(random.Random(seed))
    total, longest = 60 * 4 * HOUR, job.rng.uniform(120, 240)
    while job.done < total:
        job.run(60 * job.speed_factor())
    return trace_of("bursts", seed, job, publish=lambda: job.rng.uniform(60, longest))


def stall(seed: int) -> Trace:
    """A ten-minute standstill in the middle of three hours."""
    job = JobBuilder(random.Random(seed))
    total, stalled_at = 90 * 3 * HOUR, job.rng.uniform(0.2, 0.8) * 3 * HOUR
    while job.done < total:
        job.run(0.0 if stalled_at < job.at < stalled_at + 600 else 90 * job.speed_factor())
    return trace_of("stall", seed, job)


def listing(seed: int) -> Trace:
    """A total that grows during the first third, while the source is listed."""
    job = JobBuilder(random.Random(seed))
    total, share = 100 * 5 * HOUR, job.rng.uniform(0.2, 0.45)
    lists = total / (share * 5 * HOUR)
    totals, known = [], 1000.0
    while job.done < total:
        job.run(min(100, lists) * job.speed_factor())
        known += lists * job.step * math.exp(job.rng.gauss(0, 0.5))
        totals.append(int(max(min(total, known), job.done)))
    return trace_of("listing", seed, job, totals=totals)


def skipping(seed: int) -> Trace:
    """A second run: many objects exist already and are skipped fast, the rest is copied."""
    job = JobBuilder(random.Random(seed))
    share, speed = job.rng.uniform(0.6, 0.9), job.rng.uniform(25, 60)
    copied = speed * 2.5 * HOUR
    skipped = copied * share / (1 - share)
    blocks = job.rng.randint(1, 4)
    for block in range(1, blocks + 1):
        while job.skipped < skipped * block / blocks:
            job.run(0.2 * speed, 1800 * job.speed_factor())
        while job.transferred < copied * (0.1 * block if block < blocks else 1):
            job.run(speed * job.speed_factor(), 0.1)
    return trace_of("skipping", seed, job)


def large_tail(seed: int) -> Trace:
    """Large objects last: the same bytes per second, far fewer objects."""
    job = JobBuilder(random.Random(seed))
    total, large = 70 * 4 * HOUR, job.rng.uniform(0.02, 0.06)
    slower = job.rng.uniform(4, 10)
    while job.done < total:
        ahead = 1 - job.done / total
        job.run(70 * job.speed_factor() / (slower if ahead < large else 1))
    return trace_of("large tail", seed, job)


def pauses(seed: int) -> Trace:
    """Two or three pauses of minutes to half an hour."""
    job = JobBuilder(random.Random(seed))
    total = 110 * 5 * HOUR
    stops = sorted(job.rng.uniform(0.1, 0.9) * total for _ in range(job.rng.randint(2, 3)))
    while job.done < total:
        if stops and job.done > stops[0]:
            stops.pop(0)
            for _ in range(round(job.rng.uniform(300, 1800) / job.step)):
                job.run(0.0, status="paused")
        job.run(110 * job.speed_factor())
    return trace_of("pauses", seed, job)


def large_objects(seed: int) -> Trace:
    """Few large objects: one in half a minute, at random times."""
    job = JobBuilder(random.Random(seed))
    while job.done < 900:
        job.run(0.0)
        job.transferred += job.rng.random() < 0.033 * job.step * job.speed_factor()
    return trace_of("large objects", seed, job)


def outage(seed: int) -> Trace:
    """Eight hours with a gap in the polls of an hour or two, as of a closed laptop."""
    job = JobBuilder(random.Random(seed))
    total = 100 * 8 * HOUR
    while job.done < total:
        job.run(100 * job.speed_factor())
    closed = job.rng.uniform(0.1, 0.6) * job.at
    opened = closed + job.rng.uniform(1, 2) * HOUR
    return trace_of("outage", seed, job, unseen=(closed, opened))


def late(seed: int) -> Trace:
    """A job that is first polled after hours."""
    job = JobBuilder(random.Random(seed))
    total = 100 * 8 * HOUR
    while job.done < total:
        job.run(100 * job.speed_factor())
    return trace_of("late", seed, job, unseen=(-1.0, job.rng.uniform(0.3, 0.7) * job.at))


def polled_every(trace: Trace, seconds: float) -> Trace:
    """Return the trace with fewer polls, at least about `seconds` apart."""
    polls, gap = list[Poll](), False
    for poll in trace.polls:
        gap = gap or poll.after_gap
        if not polls or poll.at - polls[-1].at >= seconds - 1.0:
            polls.append(replace(poll, after_gap=gap))
            gap = False
    return replace(trace, polls=tuple(polls))


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


def trace_of(
    kind: str,
    seed: int,
    job: JobBuilder,
    *,
    totals: list[int] | None = None,
    publish: Callable[[], float] | None = None,
    unseen: tuple[float, float] = (-2.0, -1.0),
) -> Trace:
    """Return the polls of a job. publish: seconds to the next change of the counters."""
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


def _published(job: JobBuilder, publish: Callable[[], float] | None) -> list[tuple[int, int]]:
    """Return for each step the step of the newest published counters."""
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
