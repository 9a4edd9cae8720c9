"""27 further kinds of traces, in three families: one mean speed, changing speed, and listing.

All are generated; none is a recording of a real job. Length, size and strength of each effect are
drawn anew for each seed. Long jobs have polls of a minute alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from tests.benchmarks.estimators.traces import HOUR, KINDS, JobBuilder, Trace, trace_of

LONG_POLL = 60.0


class Noise:
    """Random factors of a speed: a sum of independent noises, each of its own memory.

    parts: pairs of memory in seconds and standard deviation of the logarithm.
    """

    def __init__(self, rng: random.Random, *parts: tuple[float, float]) -> None:
        self._rng, self._parts = rng, parts
        self._now = [rng.gauss(0, deviation) for _, deviation in parts]

    def after(self, step: float) -> float:
        """Return the factor `step` seconds later."""
        for place, (memory, deviation) in enumerate(self._parts):
            kept = math.exp(-step / memory)
            kick = deviation * math.sqrt(1 - kept * kept)
            self._now[place] = self._now[place] * kept + self._rng.gauss(0, kick)
        return math.exp(sum(self._now))


def started(seed: int, low: float, high: float, step: float = 5.0) -> tuple[JobBuilder, float]:
    """Return a new job, and its length in seconds if it kept its speed: `low` to `high` hours."""
    job = JobBuilder(random.Random(seed), step=step)
    return job, drawn(job.rng, low, high) * HOUR


def drawn(rng: random.Random, low: float, high: float) -> float:
    """Return a number between `low` and `high`; its logarithm is evenly distributed."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def finish(job: JobBuilder, total: float, speed: Callable[[float], float]) -> None:
    """Run a job to its end; `speed` gets the part that is done, and returns objects per second."""
    while job.done < total:
        job.run(speed(job.done / total))


# One mean speed ---------------------------------------------------------------------------------


def network(seed: int) -> Trace:
    """A shared network: noise of minutes to hours, the slower the stronger."""
    job, length = started(seed, 3, 8)
    noise = Noise(job.rng, (60, 0.2), (300, 0.2), (1500, 0.25), (7500, 0.25))
    finish(job, 150 * length, lambda _: 150 * noise.after(5))
    return trace_of("network", seed, job)


def requests(seed: int) -> Trace:
    """A source that serves other requests too: two to five days, with a daily cycle and bursts."""
    job, length = started(seed, 48, 120, LONG_POLL)
    begun, depth = job.rng.uniform(0, 24), job.rng.uniform(0.2, 0.5)
    noise = Noise(job.rng, (120, 0.3), (1800, 0.2))

    def speed(_: float) -> float:
        day = math.sin((begun + job.at / HOUR) * math.tau / 24)
        return 90 * (1 + depth * day) * noise.after(LONG_POLL)

    finish(job, 90 * length, speed)
    return trace_of("requests", seed, job)


def noisy(seed: int) -> Trace:
    """Strong noise of half a minute to five minutes: objects of very different sizes."""
    job, length = started(seed, 2, 6)
    noise = Noise(job.rng, (drawn(job.rng, 30, 300), job.rng.uniform(0.6, 1.0)))
    finish(job, 40 * length, lambda _: 40 * noise.after(5))
    return trace_of("noisy", seed, job)


def minute_counters(seed: int) -> Trace:
    """Counters published once a minute."""
    job, length = started(seed, 2, 6)
    finish(job, 70 * length, lambda _: 70 * job.speed_factor())
    return trace_of("minute counters", seed, job, publish=lambda: 60.0)


def ten_minute_counters(seed: int) -> Trace:
    """Counters published every ten minutes."""
    job, length = started(seed, 3, 10)
    finish(job, 70 * length, lambda _: 70 * job.speed_factor())
    return trace_of("ten-minute counters", seed, job, publish=lambda: 600.0)


def user_pauses(seed: int) -> Trace:
    """Two to four pauses by the user, of five minutes to an hour and a half."""
    job, length = started(seed, 3, 7)
    total = 110 * length
    stops = sorted(job.rng.uniform(0.02, 0.95) * total for _ in range(job.rng.randint(2, 4)))
    while job.done < total:
        if stops and job.done > stops[0]:
            stops.pop(0)
            for _ in range(round(drawn(job.rng, 300, 1.5 * HOUR) / job.step)):
                job.run(0.0, status="paused")
        job.run(110 * job.speed_factor())
    return trace_of("user pauses", seed, job)


def alternating(seed: int) -> Trace:
    """Two speeds that take turns every few minutes to half an hour."""
    job, length = started(seed, 4, 8)
    ratio, dwell, fast, until = job.rng.uniform(2, 5), drawn(job.rng, 300, 1800), True, 0.0
    mean = (1 + 1 / ratio) / 2
    while job.done < 80 * length * mean:
        if job.at >= until:
            fast, until = not fast, job.at + dwell * job.rng.uniform(0.5, 1.5)
        job.run(80 * job.speed_factor(0.15, 0.1) / (1 if fast else ratio))
    return trace_of("alternating", seed, job)


def hourly_quota(seed: int) -> Trace:
    """A source that gives a fixed number of objects an hour: it runs, and waits for the next."""
    job, length = started(seed, 5, 10)
    part = job.rng.uniform(0.5, 0.9)
    begun, given = job.rng.uniform(0, HOUR), 0.0
    while job.done < 100 * length * part:
        hour = (job.at + begun) % HOUR
        given = job.done if hour < job.step else given
        open_now = job.done - given < 100 * part * HOUR
        job.run(100 * job.speed_factor(0.15, 0.1) if open_now else 0.0)
    return trace_of("hourly quota", seed, job)


def fifty_objects(seed: int) -> Trace:
    """Fifty large objects, one to six minutes each on average; a few are very large."""
    job, length = started(seed, 1, 5)
    ends = [job.rng.lognormvariate(0, 0.8) for _ in range(50)]
    scale, left = length / sum(ends), 0.0
    for size in ends:
        left += size * scale
        while left > 0:
            left -= job.step * job.speed_factor(0.15, 0.1)
            job.run(0.0)
        job.transferred += 1
    job.run(0.0)
    return trace_of("fifty objects", seed, job)


def two_billion_objects(seed: int) -> Trace:
    """Two billion objects in one to three weeks."""
    job, length = started(seed, 170, 480, 120.0)
    noise = Noise(job.rng, (600, 0.2), (6 * HOUR, 0.2), (36 * HOUR, 0.15))
    mean = 2e9 / length
    finish(job, 2e9, lambda _: mean * noise.after(120.0))
    return trace_of("two billion objects", seed, job)


# Changing speed ---------------------------------------------------------------------------------


def _sized(kind: str, seed: int, sign: int) -> Trace:
    job, length = started(seed, 3, 7)
    depth, bend = sign * math.log(job.rng.uniform(3, 10)), job.rng.uniform(0.6, 2.0)
    finish(job, 60 * length, lambda part: 60 * job.speed_factor() * math.exp(-depth * part**bend))
    return trace_of(kind, seed, job)


def growing_objects(seed: int) -> Trace:
    """Keys ordered by size, the small objects first: ever fewer objects a second."""
    return _sized("growing objects", seed, 1)


def shrinking_objects(seed: int) -> Trace:
    """Keys ordered by size, the large objects first."""
    return _sized("shrinking objects", seed, -1)


def folders(seed: int) -> Trace:
    """Folders one after another, each with objects of another size."""
    job, length = started(seed, 3, 7)
    cuts = sorted(job.rng.random() for _ in range(job.rng.randint(3, 12)))
    speeds = [80 * math.exp(job.rng.gauss(0, 0.8)) for _ in range(len(cuts) + 1)]

    def speed(part: float) -> float:
        return speeds[sum(part > cut for cut in cuts)] * job.speed_factor(0.2, 0.1)

    finish(job, 80 * length, speed)
    return trace_of("folders", seed, job)


def _shared(kind: str, seed: int, changes: Callable[[random.Random], tuple[int, int]]) -> Trace:
    """Jobs that share a bandwidth; it is divided anew each time that one ends or begins."""
    job, length = started(seed, 3, 6)
    before, after = changes(job.rng)
    steps = abs(after - before)
    times = sorted(job.rng.uniform(0.05, 0.9) for _ in range(steps))

    def speed(part: float) -> float:
        passed = sum(part > time for time in times)
        jobs = before + passed * (1 if after > before else -1)
        return 200 / jobs * job.speed_factor(0.2, 0.1)

    finish(job, 200 / max(before, after) * length, speed)
    return trace_of(kind, seed, job)


def others_end(seed: int) -> Trace:
    """Two other jobs share the bandwidth and end before this one."""
    return _shared("others end", seed, lambda rng: (3, 1))


def others_begin(seed: int) -> Trace:
    """One to three other jobs begin to share the bandwidth."""
    return _shared("others begin", seed, lambda rng: (1, rng.randint(2, 4)))


def throttled(seed: int) -> Trace:
    """A source that throttles after a while: the speed drops, recovers slowly, and drops again."""
    job, length = started(seed, 3, 6)
    total, begins = 100 * length, job.rng.uniform(0.05, 0.5)
    deep, recovery = job.rng.uniform(0.15, 0.4), drawn(job.rng, 600, 3600)
    limit = 1.0
    while job.done < total:
        if job.done > begins * total:
            limit = min(1.0, limit + (1 - deep) * job.step / recovery)
            if limit > 0.6 and job.rng.random() < job.step / 400:
                limit = deep
        job.run(100 * limit * job.speed_factor(0.2, 0.1))
    return trace_of("throttled", seed, job)


def retries_at_the_tail(seed: int) -> Trace:
    """The last part is retried in rounds that wait twice as long each time."""
    job, length = started(seed, 2, 6)
    total = 90 * length
    tail = drawn(job.rng, 0.003, 0.03)
    finish(job, total * (1 - tail), lambda _: 90 * job.speed_factor())
    left, wait = total - job.done, drawn(job.rng, 30, 120)
    rounds = job.rng.randint(4, 7)
    for number in range(rounds):
        for _ in range(round(wait * 2**number / job.step)):
            job.run(0.02 * 90 * job.rng.random())
        goal = total - left * (0.5 ** (number + 1) if number < rounds - 1 else 0)
        while job.done < goal:
            job.run(45 * job.speed_factor())
    return trace_of("retries at the tail", seed, job)


def _drift(kind: str, seed: int, sign: int) -> Trace:
    job, length = started(seed, 4, 10)
    depth = sign * math.log(job.rng.uniform(2, 5)) / length
    noise = Noise(job.rng, (120, 0.2), (3600, 0.15))
    lowest = math.exp(-1.8)
    total = 75 * length * 0.6

    def speed(_: float) -> float:
        return 75 * max(lowest, math.exp(depth * job.at)) * noise.after(5)

    finish(job, total, speed)
    return trace_of(kind, seed, job)


def drift_up(seed: int) -> Trace:
    """The speed rises steadily, two- to fivefold."""
    return _drift("drift up", seed, 1)


def drift_down(seed: int) -> Trace:
    """The speed falls steadily, to a half or a fifth."""
    return _drift("drift down", seed, -1)


def levels(seed: int) -> Trace:
    """Speeds that last for twenty minutes to two hours, each independent of the last."""
    job, length = started(seed, 5, 10)
    level, until = 1.0, 0.0
    spread = job.rng.uniform(0.4, 0.9)
    while job.done < 70 * length:
        if job.at >= until:
            level = math.exp(job.rng.gauss(0, spread))
            until = job.at + drawn(job.rng, 1200, 2 * HOUR)
        job.run(70 * level * job.speed_factor(0.2, 0.05))
    return trace_of("levels", seed, job)


def walk(seed: int) -> Trace:
    """A speed that wanders without a mean, within a twentieth and twenty times."""
    job, length = started(seed, 4, 9)
    place, pace = 0.0, job.rng.uniform(0.25, 0.6) / 60
    while job.done < 70 * length:
        place += job.rng.gauss(0, pace * math.sqrt(job.step))
        place = max(-3.0, min(3.0, place))
        job.run(70 * math.exp(place) * job.speed_factor(0.2, 0.05))
    return trace_of("walk", seed, job)


def office_hours(seed: int) -> Trace:
    """One or two days; slow while people work, fast at night."""
    job, length = started(seed, 18, 50, 15.0)
    begun, slow = job.rng.uniform(0, 24), job.rng.uniform(0.2, 0.5)

    def speed(_: float) -> float:
        hour = (begun + job.at / HOUR) % 24
        return 60 * (slow if 8 <= hour < 18 else 1.0) * job.speed_factor()

    finish(job, 60 * length * (slow * 10 + 14) / 24, speed)
    return trace_of("office hours", seed, job)


def skipped_first(seed: int) -> Trace:
    """The first keys exist already and are skipped; from some key on, everything is copied."""
    job, length = started(seed, 2, 6)
    speed = drawn(job.rng, 10, 80)
    copied, quick = speed * length, speed * job.rng.uniform(5, 40)
    skipped = copied * job.rng.uniform(0.3, 5)
    while job.skipped < skipped:
        job.run(0.02 * speed, quick * job.speed_factor())
    while job.transferred < copied:
        job.run(speed * job.speed_factor(), 0.02 * speed)
    return trace_of("skipped first", seed, job)


def collapses(seed: int) -> Trace:
    """A source that almost stops several times, for five minutes to an hour."""
    job, length = started(seed, 3, 8)
    pace, until = drawn(job.rng, 1.0, 3.0) * HOUR, 0.0
    while job.done < 90 * length:
        if job.at >= until and job.rng.random() < job.step / pace:
            until = job.at + drawn(job.rng, 300, HOUR)
        job.run(90 * job.speed_factor() * (0.04 if job.at < until else 1.0))
    return trace_of("collapses", seed, job)


# Listing ----------------------------------------------------------------------------------------


def late_listing(seed: int) -> Trace:
    """A total that stands still for a long time, and then grows once more."""
    job, length = started(seed, 3, 7)
    total, first = 100 * length, job.rng.uniform(0.3, 0.7)
    begins, lasts = job.rng.uniform(0.3, 0.9) * first, job.rng.uniform(0.02, 0.2)
    totals, known = list[int](), min(first, 0.05)
    while job.done < total:
        job.run(100 * job.speed_factor())
        part = job.done / total
        if part < begins:
            known = min(first, known + first * job.step / 900)
        else:
            known = max(known, min(1.0, first + (1 - first) * (part - begins) / lasts))
        totals.append(int(max(total * known, job.done)))
    totals[-1] = int(job.transferred) + int(job.skipped)
    return trace_of("late listing", seed, job, totals=totals)


def stepped_listing(seed: int) -> Trace:
    """A total that grows in steps, some minutes to half an hour apart."""
    job, length = started(seed, 3, 7)
    total, share = 100 * length, job.rng.uniform(0.3, 0.8)
    wait, at, known = drawn(job.rng, 120, 1800), 0.0, 0.0
    totals = list[int]()
    while job.done < total:
        job.run(100 * job.speed_factor())
        if job.at >= at:
            at = job.at + wait * job.rng.uniform(0.6, 1.4)
            known = max(known, min(1.0, 0.1 + job.at / (share * length)))
        totals.append(int(max(total * known, job.done)))
    totals[-1] = int(job.transferred) + int(job.skipped)
    return trace_of("stepped listing", seed, job, totals=totals)


def backlogged_listing(seed: int) -> Trace:
    """A listing that stays a fixed number of objects ahead, and is not faster than the copying."""
    job, length = started(seed, 3, 7)
    total = 100 * length
    ahead = drawn(job.rng, 0.01, 0.2) * total
    totals, known = list[int](), ahead
    while job.done < total:
        job.run(100 * job.speed_factor())
        known = max(known, min(total, (job.done + ahead) // 1000 * 1000))
        totals.append(int(max(known, job.done)))
    totals[-1] = int(job.transferred) + int(job.skipped)
    return trace_of("backlogged listing", seed, job, totals=totals)


Kinds = Mapping[str, Callable[[int], Trace]]


def _named(*kinds: Callable[[int], Trace]) -> Kinds:
    return {kind.__name__.replace("_", " "): kind for kind in kinds}


ONE_MEAN = _named(
    network,
    requests,
    noisy,
    minute_counters,
    ten_minute_counters,
    user_pauses,
    alternating,
    hourly_quota,
    fifty_objects,
    two_billion_objects,
)

CHANGING = _named(
    growing_objects,
    shrinking_objects,
    folders,
    others_end,
    others_begin,
    throttled,
    retries_at_the_tail,
    drift_up,
    drift_down,
    levels,
    walk,
    office_hours,
    skipped_first,
    collapses,
)

LISTING = _named(late_listing, stepped_listing, backlogged_listing)

FURTHER: Kinds = {**ONE_MEAN, **CHANGING, **LISTING}

FAMILIES: Mapping[str, Kinds] = {
    "the first 11 kinds": KINDS,
    "one mean speed": ONE_MEAN,
    "changing speed": CHANGING,
    "all 27 further kinds": FURTHER,
}

EVERY: Kinds = {**KINDS, **FURTHER}
