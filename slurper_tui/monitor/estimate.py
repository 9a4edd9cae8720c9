"""What a series of polls says about a job: its phase and its rates. Pure: time is an argument."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Counts, Phase
from slurper_tui.monitor.pace import Pace, paced, planned, rebased
from slurper_tui.monitor.rates import Meter, metered
from slurper_tui.monitor.stall import Pulse, beat, roused

TAU = 120.0
"""Seconds after which a poll weighs 1/e of what it did in the rates that are shown."""


LISTING_POLLS = 3
"""A total that rose within so many polls is still growing."""

SETTLED_POLLS = 10
SETTLED_SECONDS = 300.0
SETTLED_STANDSTILLS = 3
"""A total is taken as final when it was unchanged for so many polls, for so many seconds, and for
so many times the longest standstill that was followed by growth."""


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


class Meters(msgspec.Struct, frozen=True):
    """The rates of the last two minutes: of all that is done, of two kinds of it, of the total."""

    done: Meter = Meter()
    transferred: Meter = Meter()
    skipped: Meter = Meter()
    objects: Meter = Meter()


class Estimate(msgspec.Struct, frozen=True):
    """What the samples so far add up to; `Estimate()` is what no sample says.

    last: the newest poll, its unknown counts filled with the last known ones. first: the oldest.
    ran: seconds that the job was seen to run, or must have run between two polls.
    pulse: since when nothing has moved; beats: the same of what is done alone.
    grew: the total rose at least once. still_polls, still_since: polls, and the monotonic time, for
    which the total stood still while the job ran. longest_still: the longest time in seconds for
    which it stood still before it grew. restarts: how often counters fell, or
    `createdAt` changed. fell: they fell at the last restart, so `createdAt` is not its beginning.
    """

    last: Sample | None = None
    first: Sample | None = None
    ran: float = 0.0
    meters: Meters = Meters()
    pace: Pace = Pace()
    pulse: Pulse = Pulse()
    beats: Pulse = Pulse()
    grew: bool = False
    still_polls: int = 0
    still_since: float = 0.0
    longest_still: float = 0.0
    restarts: int = 0
    fell: bool = False

    @property
    def running(self) -> bool:
        """The last poll said so."""
        return self.last is not None and self.last.status == "running"

    @property
    def weight(self) -> float:
        """How much the rate rests on: 0 before two polls, 1 in the end."""
        return self.meters.done.weight

    @property
    def rate(self) -> float | None:
        """Objects per second now; None before two polls, and for a job that does not run."""
        return self.meters.done.rate if self.running else None

    @property
    def plan_rate(self) -> float | None:
        """Objects per second over as long a time as remains; None like `rate`."""
        remaining = self.last.counts.remaining if self.last is not None else None
        if not self.running or remaining is None:
            return None
        _, planning = planned(self.pace, remaining, self.idle)
        return planning if planning > 0 else self.rate

    @property
    def idle(self) -> float:
        """Seconds that the job has run without movement beyond the usual gap between changes."""
        return max(0.0, self.ran - self.pace.at - self.beats.typical)

    @property
    def transferred_rate(self) -> float | None:
        """Objects transferred per second now; None like `rate`."""
        return self.meters.transferred.rate if self.running else None

    @property
    def skipped_rate(self) -> float | None:
        """Objects skipped per second now; None like `rate`."""
        return self.meters.skipped.rate if self.running else None

    @property
    def growth(self) -> float | None:
        """Objects per second by which the total grows while it is listed, else None."""
        return self.meters.objects.rate if self.phase is Phase.LISTING else None

    @property
    def changes(self) -> int:
        """How often what is done was seen to change."""
        return self.pace.changes

    @property
    def stalled_since(self) -> float | None:
        """Since when no counter has moved, monotonic seconds; None while it is not stalled."""
        if self.last is None or not self.running or not self.pulse.stalled:
            return None
        return self.last.at - self.pulse.still

    @property
    def stalled_badly(self) -> bool:
        """It has been stalled for three times as long as is alarming."""
        return self.running and self.pulse.stalled_badly

    @property
    def settled(self) -> bool:
        """The total has stood still for long enough to be believed."""
        if self.last is None:
            return False
        still = self.last.at - self.still_since
        wanted = max(SETTLED_SECONDS, SETTLED_STANDSTILLS * self.longest_still)
        return self.still_polls >= SETTLED_POLLS and still >= wanted

    @property
    def growing(self) -> bool:
        """The total was seen to grow and has not settled: all that rests on it is a bound."""
        return self.grew and not self.settled

    @property
    def phase(self) -> Phase | None:
        """What the job is doing; None for a status that nobody foresaw, or before any poll."""
        if self.last is None:
            return None
        if not self.running:
            known = {"paused": Phase.PAUSED, "completed": Phase.ENDED, "aborted": Phase.ENDED}
            return known.get(self.last.status or "")
        if self.pulse.stalled:
            return Phase.STALLED
        if self.grew and self.still_polls < LISTING_POLLS:
            return Phase.LISTING
        return Phase.SETTLED if self.settled else Phase.RUNNING


def advance(estimate: Estimate, sample: Sample) -> Estimate:
    """Add one poll. Counters that fell start the estimate anew; unknown ones leave it as it is."""
    last = estimate.last
    if last is None or _fell(last.counts, sample.counts):
        return _begun(estimate, sample)
    if sample.at < last.at:
        sample = replace(sample, clock_jumped=True)
    now = replace(sample, counts=_filled(sample.counts, last.counts))
    if not last.status == sample.status == "running":
        moved = _stopped(estimate, sample)
    elif sample.clock_jumped:
        moved = _jumped(estimate, sample)
    else:
        moved = _ran(estimate, last, sample, now.counts)
    counted = last.status == sample.status == "running" and not sample.clock_jumped
    return replace(_with_total(moved, last, sample, counted=counted), last=now)


def _begun(estimate: Estimate, sample: Sample) -> Estimate:
    """Let a first sample, or one whose counters fell, begin everything."""
    fell = estimate.last is not None
    return Estimate(
        last=sample,
        first=sample,
        meters=_metered(Meters(), sample.counts, 0.0),
        pace=paced(Pace(), sample.counts, 0.0, close=not sample.coarse),
        still_since=sample.at,
        restarts=estimate.restarts + fell,
        fell=fell,
    )


def _stopped(estimate: Estimate, sample: Sample) -> Estimate:
    """Begin all spans anew: the job did not run, so nothing is to be averaged."""
    return replace(
        estimate,
        meters=_metered(Meters(), sample.counts, estimate.ran),
        pace=rebased(estimate.pace, sample.counts, estimate.ran),
        pulse=roused(estimate.pulse),
        beats=roused(estimate.beats),
    )


def _jumped(estimate: Estimate, sample: Sample) -> Estimate:
    """Leave out a span of unknown length: the averages stay, what they compare with is new."""
    meters = estimate.meters
    bare = Meters(
        *(
            replace(meter, count=None)
            for meter in (meters.done, meters.transferred, meters.skipped, meters.objects)
        )
    )
    moved = _moved(estimate, sample.counts)
    return replace(
        estimate,
        meters=_metered(bare, sample.counts, estimate.ran),
        pace=rebased(estimate.pace, sample.counts, estimate.ran),
        pulse=beat(estimate.pulse, 0.0, moved=moved, close=False),
        beats=beat(estimate.beats, 0.0, moved=moved, close=False),
    )


def _ran(estimate: Estimate, last: Sample, sample: Sample, filled: Counts) -> Estimate:
    """Add a span in which the job ran."""
    span = sample.at - last.at
    ran = estimate.ran + span
    close = not (sample.after_gap or sample.coarse)
    done = _rose(last.counts.done, sample.counts.done)
    moved = done or _rose(last.counts.objects, sample.counts.objects)
    begun = Meters() if sample.after_gap else estimate.meters
    return replace(
        estimate,
        ran=ran,
        meters=_metered(begun, sample.counts, ran),
        pace=paced(estimate.pace, filled, ran, close=close, typical=estimate.beats.typical),
        pulse=beat(estimate.pulse, span, moved=moved, close=close),
        beats=beat(estimate.beats, span, moved=done, close=close),
    )


def _metered(meters: Meters, counts: Counts, at: float) -> Meters:
    return Meters(
        metered(meters.done, counts.done, at, TAU),
        metered(meters.transferred, counts.transferred, at, TAU),
        metered(meters.skipped, counts.skipped, at, TAU),
        metered(meters.objects, counts.objects, at, TAU),
    )


def _with_total(estimate: Estimate, last: Sample, now: Sample, *, counted: bool) -> Estimate:
    """Note whether the total rose, or for how long it has stood still while the job ran."""
    if not counted:
        estimate = replace(estimate, still_since=estimate.still_since + now.at - last.at)
    before, objects = last.counts.objects, now.counts.objects
    if objects is None:
        return estimate
    if before is None or objects > before:
        # In a span that nobody watched the total may have grown at once.
        until = last.at if now.after_gap or now.coarse else now.at
        still = until - estimate.still_since if before is not None else 0.0
        return replace(
            estimate,
            grew=estimate.grew or before is not None,
            still_polls=0,
            still_since=now.at,
            longest_still=max(estimate.longest_still, still),
        )
    return replace(estimate, still_polls=estimate.still_polls + counted)


def _moved(estimate: Estimate, counts: Counts) -> bool:
    last = estimate.last
    return last is not None and (
        _rose(last.counts.done, counts.done) or _rose(last.counts.objects, counts.objects)
    )


def _rose(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _fell(before: Counts, after: Counts) -> bool:
    after = _filled(after, before)
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
