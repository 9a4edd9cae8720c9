"""What a series of polls says about a job: its phase and its rate. Pure: time is an argument.

The rate is a time-weighted exponential average: a poll `dt` seconds after the one before, in
which `moved` objects were done, weighs `1 - exp(-dt / TAU)`; dividing by the sum of the weights
makes the first polls count in full (the bias correction of Kingma and Ba, Adam, 2014, applied to
unevenly spaced samples). Polls without movement count like any other.
"""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.view import Counts, Phase

TAU = 120.0
"""Seconds after which a poll weighs 1/e of what it did."""

LISTING_POLLS = 3
"""A total that rose within so many polls is still growing."""

_SHORTEST = 0.001
"""Seconds; two counts closer together say nothing about a rate, and the next one covers both."""

SETTLED_POLLS = 10
SETTLED_SECONDS = 300.0
"""A total unchanged for both so many polls and so many seconds is taken as final."""


class Sample(msgspec.Struct, frozen=True):
    """One good poll. at: monotonic seconds.

    after_gap: nobody looked in the span before it, whose length is known. clock_jumped: the length
    of the span before it is not known. coarse: from a thinned history, so that the spacing of
    changes says nothing about how often the counters change.
    """

    at: float
    counts: Counts
    status: str | None
    after_gap: bool = False
    clock_jumped: bool = False
    coarse: bool = False


class Estimate(msgspec.Struct, frozen=True):
    """What the samples so far add up to; `Estimate()` is what no sample says.

    last: the newest poll, its unknown counts filled with the last known ones.
    counted, counted_at: the done that the next one is compared with, None for none, and its time.
    moved_average: weighted sum of objects per second, to be divided by `weight`.
    still_polls, still_since: polls, and the monotonic time, for which the total stood still while
    the job ran.
    grew: the total rose at least once. restarts: how often counters fell.
    """

    last: Sample | None = None
    counted: int | None = None
    counted_at: float = 0.0
    moved_average: float = 0.0
    weight: float = 0.0
    grew: bool = False
    still_polls: int = 0
    still_since: float = 0.0
    restarts: int = 0

    @property
    def rate(self) -> float | None:
        """Objects per second now; None before two polls, and for a job that does not run."""
        if self.last is None or self.last.status != "running" or self.weight <= 0:
            return None
        return self.moved_average / self.weight

    @property
    def plan_rate(self) -> float | None:
        """Objects per second that a forecast rests on."""
        return self.rate

    @property
    def transferred_rate(self) -> float | None:
        """Objects transferred per second now."""
        return None

    @property
    def skipped_rate(self) -> float | None:
        """Objects skipped per second now."""
        return None

    @property
    def growth(self) -> float | None:
        """Objects per second by which the total grows; None when it does not."""
        return None

    @property
    def changes(self) -> int:
        """How often the counters were seen to change."""
        return 0

    @property
    def stalled_since(self) -> float | None:
        """Since when no counter has moved, monotonic seconds; None while it is not stalled."""
        return None

    @property
    def stalled_badly(self) -> bool:
        """It has been stalled for three times as long as is alarming."""
        return False

    @property
    def settled(self) -> bool:
        """The total has stood still for long enough to be believed."""
        if self.last is None:
            return False
        still = self.last.at - self.still_since
        return self.still_polls >= SETTLED_POLLS and still >= SETTLED_SECONDS

    @property
    def phase(self) -> Phase | None:
        """What the job is doing; None for a status that nobody foresaw, or before any poll."""
        if self.last is None:
            return None
        if self.last.status != "running":
            known = {"paused": Phase.PAUSED, "completed": Phase.ENDED, "aborted": Phase.ENDED}
            return known.get(self.last.status or "")
        if self.grew and self.still_polls < LISTING_POLLS:
            return Phase.LISTING
        return Phase.SETTLED if self.settled else Phase.RUNNING


def advance(estimate: Estimate, sample: Sample) -> Estimate:
    """Add one poll. Counters that fell start the estimate anew; unknown ones leave it as it is."""
    last = estimate.last
    if last is None or _fell(last.counts, filled := _filled(sample.counts, last.counts)):
        return Estimate(
            last=sample,
            counted=sample.counts.done,
            counted_at=sample.at,
            still_since=sample.at,
            restarts=estimate.restarts + (last is not None),
        )
    running = last.status == sample.status == "running"
    rated = _with_rate(estimate, sample) if running else _without_rate(estimate, sample)
    totalled = _with_total(rated, last, sample, running=running)
    return replace(totalled, last=replace(sample, counts=filled))


def _without_rate(estimate: Estimate, sample: Sample) -> Estimate:
    """Begin the rate anew: the job did not run, so nothing is to be averaged."""
    return replace(
        estimate,
        counted=sample.counts.done,
        counted_at=sample.at,
        moved_average=0.0,
        weight=0.0,
    )


def _with_rate(estimate: Estimate, sample: Sample) -> Estimate:
    """Weigh in what was done since the last known count; across a gap nothing is known."""
    done, since = sample.counts.done, estimate.counted
    if sample.after_gap or since is None:
        return replace(estimate, counted=done, counted_at=sample.at)
    span = sample.at - estimate.counted_at
    if done is None or span < _SHORTEST:
        return estimate
    weight = -math.expm1(-span / TAU)
    return replace(
        estimate,
        counted=done,
        counted_at=sample.at,
        moved_average=estimate.moved_average * (1 - weight) + (done - since) / span * weight,
        weight=estimate.weight * (1 - weight) + weight,
    )


def _with_total(estimate: Estimate, last: Sample, now: Sample, *, running: bool) -> Estimate:
    """Note whether the total rose, or for how long it has stood still while the job ran."""
    if not running:
        estimate = replace(estimate, still_since=estimate.still_since + now.at - last.at)
    before, objects = last.counts.objects, now.counts.objects
    if objects is None:
        return estimate
    if before is None or objects > before:
        grew = estimate.grew or before is not None
        return replace(estimate, grew=grew, still_polls=0, still_since=now.at)
    return replace(estimate, still_polls=estimate.still_polls + running)


def _fell(before: Counts, after: Counts) -> bool:
    pairs = ((before.objects, after.objects), (before.done, after.done))
    return any(a is not None and b is not None and b < a for a, b in pairs)


def _filled(now: Counts, last: Counts) -> Counts:
    """This poll's counts, each unknown one filled with the last that was known."""
    return Counts(
        _first(now.objects, last.objects),
        _first(now.transferred, last.transferred),
        _first(now.skipped, last.skipped),
        _first(now.failed, last.failed),
    )


def _first(value: int | None, otherwise: int | None) -> int | None:
    return otherwise if value is None else value
