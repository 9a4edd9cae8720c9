"""The estimators of other programs, each by its published formula, and simple formulas.

Each gets the counters of every poll and returns the remaining time. Times are in seconds, rates in
objects per second; None means no forecast. The start of a formula is the first poll.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Peer(Protocol):
    """Takes the counters of a poll; returns the remaining seconds or None."""

    def __call__(self, at: float, done: int, total: int) -> float | None: ...


class Tqdm:
    """tqdm 4.67, `std.py`: exponential averages, smoothing 0.3, of the step and of its time.

    Only a poll with movement is a step; its time counts from the previous step. The averages are
    corrected for their start. Before the first step, the mean since the start.
    """

    def __init__(self) -> None:
        self.steps = self.times = 0.0
        self.calls = 0
        self.last: tuple[float, int] | None = None
        self.start: tuple[float, int] = (0.0, 0)

    def __call__(self, at: float, done: int, total: int) -> float | None:
        if self.last is None:
            self.last = self.start = (at, done)
            return None
        moved, span = done - self.last[1], at - self.last[0]
        if moved > 0 and span >= 0.1:
            self.steps = 0.3 * moved + 0.7 * self.steps
            self.times = 0.3 * span + 0.7 * self.times
            self.calls += 1
            self.last = (at, done)
        if self.calls:
            return (total - done) * self.times / self.steps
        elapsed = at - self.start[0]
        return (total - done) * elapsed / (done - self.start[1]) if done > self.start[1] else None


class Rich:
    """rich 15, `progress.py`: the mean over the last 30 s, and over at most 1,000 samples.

    `speed_estimate_period` is 30 s. The step of the oldest sample is left out of the sum.
    """

    def __init__(self) -> None:
        self.samples: deque[tuple[float, int]] = deque(maxlen=1000)
        self.done: int | None = None

    def __call__(self, at: float, done: int, total: int) -> float | None:
        step, self.done = (0 if self.done is None else done - self.done), done
        while self.samples and self.samples[0][0] < at - 30.0:
            self.samples.popleft()
        if step > 0:
            self.samples.append((at, step))
        if len(self.samples) < 2:
            return None
        span = self.samples[-1][0] - self.samples[0][0]
        speed = sum(moved for _, moved in list(self.samples)[1:]) / span
        return (total - done) / speed


class Textual:
    """Textual 8.2.8, `eta.py`: the progress of the last 60 s, interpolated at its beginning.

    A changed total resets it, as in its progress bar. The result is at least one second.
    """

    def __init__(self) -> None:
        self.samples: deque[tuple[float, float]] = deque()
        self.total: int | None = None

    def __call__(self, at: float, done: int, total: int) -> float | None:
        ratio = done / total
        if total != self.total or (self.samples and self.samples[-1][1] > ratio):
            self.samples.clear()
            self.total = total
        self.samples.append((at, ratio))
        while len(self.samples) > 2 and self.samples[1][0] <= at - 60.0:
            self.samples.popleft()
        begun, before = self._beginning(at - 60.0)
        if at - begun < 1 or ratio <= before:
            return None
        return max(1.0, (1 - ratio) * (at - begun) / (ratio - before))

    def _beginning(self, at: float) -> tuple[float, float]:
        (time, ratio), *others = list(self.samples)[:2]
        if not others or at <= time:
            return time, ratio
        later, higher = others[0]
        return at, ratio + (higher - ratio) * (at - time) / (later - time)


class Rclone:
    """rclone 1.7x, `fs/accounting/stats.go`: a moving average over 16 periods of a second.

    Each second the speed becomes `(average + speed * (period - 1)) / period`, where the period
    grows to 16. The objects of a poll are spread evenly over the seconds since the last one.
    """

    def __init__(self) -> None:
        self.speed = self.period = 0.0
        self.last: tuple[float, int] | None = None

    def __call__(self, at: float, done: int, total: int) -> float | None:
        if self.last is not None:
            average = (done - self.last[1]) / (at - self.last[0])
            for _ in range(min(400, round(at - self.last[0]))):
                self.period = min(self.period + 1, 16.0)
                self.speed = (average + self.speed * (self.period - 1)) / self.period
        self.last = (at, done)
        return (total - done) / self.speed if self.speed > 1e-9 else None


class Indicatif:
    """indicatif 0.17.9, `state.rs`: double smoothing; the weight at an age of 15 s is a tenth.

    The weight at an age of `t` seconds is 0.1 ** (t / 15), corrected for the start; a standstill
    counts as an update with no steps.
    """

    def __init__(self) -> None:
        self.once = self.twice = 0.0
        self.start = 0.0
        self.last: tuple[float, int] | None = None

    def __call__(self, at: float, done: int, total: int) -> float | None:
        if self.last is None:
            self.last, self.start = (at, done), at
            return None
        if done > self.last[1]:
            fade = _weight(at - self.last[0])
            speed = (done - self.last[1]) / (at - self.last[0])
            self.once = self.once * fade + speed * (1 - fade)
            whole = 1 - _weight(at - self.start)
            self.twice = self.twice * fade + self.once / whole * (1 - fade)
            self.last = (at, done)
        fade, whole = _weight(at - self.last[0]), 1 - _weight(at - self.start)
        once = self.once * fade / whole
        speed = (self.twice * fade + once * (1 - fade)) / whole
        return (total - done) / speed if speed > 1e-9 else None


def _weight(age: float) -> float:
    return float(0.1 ** (age / 15.0))


class ProductFormula:
    """The first formula of this program: the mean of a 30-minute average and the lifetime rate.

    The lifetime is the time observed.
    """

    def __init__(self) -> None:
        self.total = self.weight = 0.0
        self.start: tuple[float, int] | None = None
        self.last: tuple[float, int] = (0.0, 0)

    def __call__(self, at: float, done: int, total: int) -> float | None:
        if self.start is None:
            self.start = self.last = (at, done)
            return None
        gain = 1 - 2.718281828 ** (-(at - self.last[0]) / 1800.0)
        self.total += ((done - self.last[1]) / (at - self.last[0]) - self.total) * gain
        self.weight += (1 - self.weight) * gain
        self.last = (at, done)
        lifetime = (done - self.start[1]) / (at - self.start[0])
        rate = (self.total / self.weight + lifetime) / 2
        return (total - done) / rate if rate > 1e-9 else None


class Lifetime:
    """The mean rate since the job was created."""

    def __call__(self, at: float, done: int, total: int) -> float | None:
        return (total - done) * at / done if done > 0 and at > 0 else None


class Line:
    """The mean rate over the last part of the polls, which `span` gives in seconds.

    Polls are kept a minute apart, because the time that remains may be days.
    """

    def __init__(self) -> None:
        self.polls = list[tuple[float, int]]()

    def __call__(self, at: float, done: int, total: int) -> float | None:
        if not self.polls or at - self.polls[-1][0] >= 60.0:
            self.polls.append((at, done))
        speed = self.speed(at, done, total)
        return (total - done) / speed if speed > 0 else None

    def speed(self, at: float, done: int, total: int) -> float:
        """Return objects per second; 0 when unknown."""
        raise NotImplementedError

    def since(self, at: float, done: int, span: float) -> float:
        """Return the mean rate over about `span` seconds, or the time polled if that is shorter."""
        place = bisect_right(self.polls, at - span, key=lambda poll: poll[0])
        time, count = self.polls[max(0, place - 1)]
        return (done - count) / (at - time) if at > time else 0.0


class LastHour(Line):
    """The mean rate of the last hour."""

    def speed(self, at: float, done: int, total: int) -> float:
        return self.since(at, done, 3600.0)


class LastThird(Line):
    """The mean rate of the last third of the time polled."""

    def speed(self, at: float, done: int, total: int) -> float:
        return self.since(at, done, (at - self.polls[0][0]) / 3)


class AsLongAsRemains(Line):
    """The mean rate over as long a time as remains, at least five minutes.

    Solved from the whole time polled downwards: the horizon is halved until it is not longer than
    what would remain at its rate.
    """

    def speed(self, at: float, done: int, total: int) -> float:
        span = max(300.0, at - self.polls[0][0])
        while True:
            speed = self.since(at, done, span)
            if span <= 300.0 or speed <= 0 or span <= (total - done) / speed:
                return speed
            span = max(300.0, span / 2)


class Holt:
    """Holt's linear trend of the rate per minute: level 0.1, trend 0.02; at most doubled or halved.

    The forecast is the remaining time at the rate half way to the finish.
    """

    def __init__(self) -> None:
        self.last: tuple[float, int] | None = None
        self.level: float | None = None
        self.trend = 0.0

    def __call__(self, at: float, done: int, total: int) -> float | None:
        self.last = self.last or (at, done)
        span = (at - self.last[0]) / 60.0
        if span >= 1:
            rate = (done - self.last[1]) / span
            before = rate if self.level is None else self.level
            kept = 0.9**span
            self.level = kept * (before + self.trend * span) + (1 - kept) * rate
            smooth = 0.98**span
            self.trend = smooth * self.trend + (1 - smooth) * (self.level - before) / span
            self.last = (at, done)
        if not self.level or self.level <= 0:
            return None
        left = (total - done) / self.level
        ahead = min(max(self.level + self.trend * left / 2, self.level / 2), self.level * 2)
        return 60.0 * (total - done) / ahead


PEERS: dict[str, Callable[[], Peer]] = {
    "tqdm": Tqdm,
    "rich": Rich,
    "Textual": Textual,
    "rclone": Rclone,
    "indicatif": Indicatif,
}
"""The programs that ours is compared with."""

SIMPLE: dict[str, Callable[[], Peer]] = {
    "lifetime": Lifetime,
    "last hour": LastHour,
    "30 min + lifetime": ProductFormula,
    "Holt": Holt,
    "last third": LastThird,
    "as long as remains": AsLongAsRemains,
}
"""Formulas that anybody would try first."""

REFERENCES: dict[str, Callable[[], Peer]] = {**PEERS, **SIMPLE}
"""Everything that our estimator is judged beside."""
