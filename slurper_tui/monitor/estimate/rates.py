"""Averages of a rate, weighted by time: one over two minutes, or many over several horizons.

A span of `dt` seconds in which `moved` objects were done weighs `1 - exp(-dt / tau)`; dividing by
the sum of the weights makes the first spans count in full (the bias correction of Kingma and Ba,
Adam, 2014, applied to unevenly spaced samples). How long the spans are does not matter: one of an
hour counts as many short ones of the same mean.

How often a job's counters change, and since when they have not.
"""

from __future__ import annotations

import math
from statistics import median

import msgspec

HORIZONS = (*(120.0 * 2**k for k in range(12)), 1e12)
"""Seconds: from two minutes to three days in steps of two, and the whole life."""

SHORTEST = 0.001
"""Seconds; two counts closer together say nothing about a rate, and the next one covers both."""

_MEMORY = 8.0
"""The spread at a horizon is remembered for so many of its lengths."""

_NONE = (0.0,) * len(HORIZONS)


class Meter(msgspec.Struct, frozen=True):
    """One counter's average at one horizon.

    count, at: what the next count is compared with, and when it was told; None for none.
    total: weighted sum of objects per second, to be divided by `weight`.
    """

    count: int | None = None
    at: float = 0.0
    total: float = 0.0
    weight: float = 0.0

    @property
    def rate(self) -> float | None:
        """Objects per second, or None before two counts."""
        return self.total / self.weight if self.weight > 0 else None


def metered(meter: Meter, count: int | None, at: float, tau: float) -> Meter:
    """Add a count; one that is not known, or comes too soon, leaves the meter as it is."""
    if count is None:
        return meter
    if meter.count is None:
        return Meter(count, at, meter.total, meter.weight)
    span = at - meter.at
    if span < SHORTEST:
        return meter
    weight = -math.expm1(-span / tau)
    rate = max(0, count - meter.count) / span
    return Meter(
        count, at, meter.total * (1 - weight) + rate * weight, meter.weight * (1 - weight) + weight
    )


class Bank(msgspec.Struct, frozen=True):
    """One counter's averages at all horizons.

    totals: weighted sums, to be divided by `weights`. spreads: weighted sums of the squared
    logarithm of each average over the next longer one, to be divided by `seen`. seconds, spans:
    how much time was added, and in how many pieces.
    """

    totals: tuple[float, ...] = _NONE
    weights: tuple[float, ...] = _NONE
    spreads: tuple[float, ...] = _NONE
    seen: tuple[float, ...] = _NONE
    seconds: float = 0.0
    spans: int = 0


NOTHING = Bank()
"""What nothing adds up to: one value, so that banks may be told to be the very same."""


def banked(bank: Bank, span: float, moved: float) -> Bank:
    """Add a span of seconds in which so many objects, more than none, moved."""
    rate = moved / span
    gains = [-math.expm1(-span / tau) for tau in HORIZONS]
    totals = tuple(t + (rate - t) * g for t, g in zip(bank.totals, gains, strict=True))
    weights = tuple(w + (1 - w) * g for w, g in zip(bank.weights, gains, strict=True))
    logs = [math.log(t / w) for t, w in zip(totals, weights, strict=True)]
    spreads, seen = list(_NONE), list(_NONE)
    for place in range(len(HORIZONS) - 1):
        fade = math.exp(-span / (_MEMORY * HORIZONS[place]))
        ripe = (1 - fade) * weights[place + 1]
        off = logs[place] - logs[place + 1]
        spreads[place] = bank.spreads[place] * fade + off * off * ripe
        seen[place] = bank.seen[place] * fade + ripe
    return Bank(totals, weights, tuple(spreads), tuple(seen), bank.seconds + span, bank.spans + 1)


def rate_over(bank: Bank, tau: float, idle: float = 0.0, prior: Prior | None = None) -> float:
    """Give the average over about `tau` seconds, objects per second; 0 when nothing is known.

    idle: seconds without movement that were not added. prior: what is believed of the time before.
    """
    place, part = _place(tau)
    near = _one(bank, place, idle, prior)
    return near + (_one(bank, place + 1, idle, prior) - near) * part if part else near


class Prior(msgspec.Struct, frozen=True):
    """The mean of a time that nobody watched. rate: objects per second. seconds: how long.

    trust: how much one of its seconds counts beside one that was watched.
    """

    rate: float
    seconds: float
    trust: float


def _one(bank: Bank, place: int, idle: float, prior: Prior | None) -> float:
    faded = -math.expm1(-idle / HORIZONS[place])
    total = bank.totals[place] * (1 - faded)
    weight = bank.weights[place] * (1 - faded) + faded
    if prior is not None:
        older = (1 - weight) * -math.expm1(-prior.seconds / HORIZONS[place]) * prior.trust
        total, weight = total + older * prior.rate, weight + older
    return total / weight if weight > 0 else 0.0


def spread_over(bank: Bank, tau: float) -> float:
    """Give the mean squared logarithm by which the average over `tau` left the next longer one."""
    place, part = _place(tau)
    there = min(place + (part > 0.5), len(HORIZONS) - 2)
    return bank.spreads[there] / bank.seen[there] if bank.seen[there] > 0 else 0.0


def _place(tau: float) -> tuple[int, float]:
    """Between which two horizons a time lies, and how far from the first."""
    last = len(HORIZONS) - 1
    exact = min(max(math.log2(tau / HORIZONS[0]), 0.0), float(last))
    place = min(int(exact), last - 1)
    return place, exact - place


RECENT_GAPS = 31
"""Of how many gaps between changes the median is taken."""

STALL_SECONDS = 300.0
STALL_GAPS = 10
"""A job is stalled when nothing moved for so long, and for so many of its median gaps."""

BADLY = 3
"""So many times as long is alarming."""


class Pulse(msgspec.Struct, frozen=True):
    """When a running job's counters change.

    still, looks: seconds and polls since the last change. gaps: seconds between the last changes,
    oldest first. typical: their median, 0 before the first. exact: every poll since the last
    change was close to the one before, so that the next gap is one.
    """

    still: float = 0.0
    looks: int = 0
    gaps: tuple[float, ...] = ()
    typical: float = 0.0
    exact: bool = False

    @property
    def patience(self) -> float:
        """Seconds of stillness that make a stall."""
        return max(STALL_GAPS * self.typical, STALL_SECONDS)

    @property
    def stalled(self) -> bool:
        """Nothing has moved for longer than it ever takes."""
        return self.still >= self.patience

    @property
    def stalled_badly(self) -> bool:
        """Nothing has moved for three times as long."""
        return self.still >= BADLY * self.patience


def beat(pulse: Pulse, span: float, *, moved: bool, close: bool) -> Pulse:
    """Add one poll of a running job, `span` seconds after the last.

    moved: a counter changed in it. close: it came so soon after the one before that the time of
    a change is known.
    """
    if not moved:
        return Pulse(
            pulse.still + span, pulse.looks + 1, pulse.gaps, pulse.typical, pulse.exact and close
        )
    if not (pulse.exact and close):
        return Pulse(gaps=pulse.gaps, typical=pulse.typical, exact=close)
    gaps = (*pulse.gaps[1 - RECENT_GAPS :], pulse.still + span)
    return Pulse(gaps=gaps, typical=median(gaps), exact=True)


def roused(pulse: Pulse) -> Pulse:
    """Forget the stillness: the job did not run, or for how long it was still is not known."""
    return Pulse(gaps=pulse.gaps, typical=pulse.typical)
