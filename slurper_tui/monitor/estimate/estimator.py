"""What a series of polls says about a job: its phase and its rates. Pure: time is an argument.

What a forecast rests on: how fast a job gets on over many horizons, in the time that it ran.

Counters may move in bursts. A rate is therefore taken from one change to the next, not from poll
to poll, so that a forecast stands still while the next burst is awaited.

Sometimes a job becomes another one: after the objects that were skipped by the thousand come
those to be copied, after small ones large ones. What was before then misleads for hours, so a run
that differs, and lasts, becomes all that counts.
"""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.estimate.rates import (
    HORIZONS,
    NOTHING,
    SHORTEST,
    Bank,
    Meter,
    Prior,
    Pulse,
    banked,
    beat,
    metered,
    rate_over,
    roused,
)
from slurper_tui.monitor.model.job import Counts, Phase

SKIP_SECONDS = 180.0
"""A turn from skipping to copying, or back, must last so long to be believed."""

LEVEL_SECONDS = 400.0
LEVEL_FACTOR = 3.0
"""A speed must differ by such a factor, and for so long, to be another level."""

LEVEL_HORIZON = 120.0
LEVEL_SPANS = 20
"""Over so many seconds and typical spans a speed is compared with the whole."""

RUN_SPANS = 10
"""A run has at least so many changes."""

RUN_LENGTHS = 3
RUN_PART = 0.03
"""It lasts so many times as long as any of its kind before, and such a part of the whole."""

NEAREST = 300.0
NEAREST_SPANS = 6
FARTHEST = 1e9
"""Bounds of the horizon: seconds, and mean spans between changes."""

STANDSTILL = 10
"""A span of so many typical ones is a standstill, and no level of its own."""


class Run(msgspec.Struct, frozen=True):
    """A stretch in which a job does one kind of thing. Times are seconds that it ran.

    kind: which, by whoever keeps it. since: when it began. bank: what was done in it. longest:
    the longest run of each kind that is over.
    """

    kind: int = 0
    since: float = 0.0
    bank: Bank = NOTHING
    longest: tuple[float, ...] = (0.0, 0.0, 0.0)


class Pace(msgspec.Struct, frozen=True):
    """How a job gets on. counts: at the last change; None before anything is known.

    at: when that was, in seconds that the job ran. measured: `at` is the time of a change, so that
    the span up to the next one may be measured. changes: how many there were. skipping: runs of
    mostly skipping (1) or mostly copying (0). level: runs slower (1) or faster (2) than before.
    """

    counts: Counts | None = None
    at: float = 0.0
    measured: bool = False
    bank: Bank = NOTHING
    skipping: Run = Run()
    level: Run = Run()
    changes: int = 0


def paced(pace: Pace, counts: Counts, ran: float, *, close: bool, typical: float = 0.0) -> Pace:
    """Add a poll.

    ran: seconds that the job ran until then. close: it came soon after the one before. typical:
    seconds between two changes, 0 when unknown.
    """
    if counts.done is None:
        return pace
    if pace.counts is None or pace.counts.done is None:
        return replace(pace, counts=counts, at=ran, measured=not close)
    moved, span = counts.done - pace.counts.done, ran - pace.at
    if moved <= 0 or span < SHORTEST:
        return pace
    if not pace.measured:
        return replace(pace, counts=counts, at=ran, measured=True, changes=pace.changes + 1)
    return _spanned(pace, counts, ran, moved, typical)


def planned(
    pace: Pace, remaining: int, idle: float, prior: Prior | None = None
) -> tuple[float, float]:
    """Give the horizon that a forecast looks back over, seconds, and the rate there.

    The horizon is as long as the time that remains, which the rate over it decides: from the
    longest on it is brought nearer, four times. idle: seconds without movement beyond the usual.
    The rate is in objects per second, 0 when nothing is known.
    """
    typical = pace.bank.seconds / pace.bank.spans if pace.bank.spans else 0.0
    nearest = max(NEAREST, NEAREST_SPANS * typical)
    horizon = FARTHEST
    for _ in range(4):
        rate = rate_over(pace.bank, horizon, idle, prior)
        ahead = remaining / rate if rate > 0 else FARTHEST
        horizon = min(FARTHEST, max(nearest, math.sqrt(ahead * min(horizon, 4 * ahead))))
    return horizon, rate_over(pace.bank, horizon, idle, prior)


def rebased(pace: Pace, counts: Counts, ran: float) -> Pace:
    """Begin a new span: what moved before is not to be measured."""
    known = counts if counts.done is not None else None
    return replace(pace, counts=known, at=ran, measured=False)


def _spanned(pace: Pace, counts: Counts, ran: float, moved: int, typical: float) -> Pace:
    """Add a whole span to the bank and to the runs, and believe a run that has lasted."""
    span, before = ran - pace.at, pace.counts or Counts()
    bank = banked(pace.bank, span, moved)
    skipped = (counts.skipped or 0) - (before.skipped or 0)
    skipping = _continued(pace, pace.skipping, int(skipped > moved / 2), span, moved, bank)
    level = pace.level
    if not typical or span < STANDSTILL * typical:
        level = _continued(pace, level, _level(bank, typical), span, moved, bank)
    for run, seconds in ((skipping, SKIP_SECONDS), (level, LEVEL_SECONDS)):
        if run.bank is not bank and _believed(run, ran, seconds, bank):
            bank = run.bank
            skipping, level = replace(skipping, bank=bank), Run(bank=bank)
            break
    return Pace(counts, ran, True, bank, skipping, level, pace.changes + 1)


def _continued(pace: Pace, run: Run, kind: int, span: float, moved: int, whole: Bank) -> Run:
    """Add a span to the run that it belongs to, or let it begin a new one."""
    if kind == run.kind:
        same = run.bank is pace.bank
        return replace(run, bank=whole if same else banked(run.bank, span, moved))
    longest = list(run.longest)
    longest[run.kind] = max(longest[run.kind], pace.at - run.since)
    return Run(kind, pace.at, banked(NOTHING, span, moved), tuple(longest))


def _level(bank: Bank, typical: float) -> int:
    """Whether the last minutes were as fast as the whole (0), much slower (1) or faster (2)."""
    lately, ever = (
        rate_over(bank, max(LEVEL_HORIZON, LEVEL_SPANS * typical)),
        rate_over(bank, HORIZONS[-1]),
    )
    return 1 if lately * LEVEL_FACTOR < ever else 2 if lately > ever * LEVEL_FACTOR else 0


def _believed(run: Run, ran: float, seconds: float, whole: Bank) -> bool:
    """The run has lasted long enough to be what will last, and is unlike the rest."""
    lasted = ran - run.since
    wanted = max(seconds, RUN_LENGTHS * run.longest[run.kind], RUN_PART * whole.seconds)
    if run.bank.spans < RUN_SPANS or lasted < wanted:
        return False
    alone, ever = rate_over(run.bank, HORIZONS[-1]), rate_over(whole, HORIZONS[-1])
    return not ever / 2 < alone < ever * 2


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
