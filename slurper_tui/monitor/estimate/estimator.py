"""Estimates a job's phase and rates from a series of polls. Pure: time is an argument.

`advance` adds one poll (`Sample`) to an `Estimate`. The `ProgressModel` in it is the base of a
forecast: the job's rate over many horizons, measured in the time that the job ran, and what became
of earlier forecasts.

Counters may move in bursts. A rate is therefore measured from one change to the next, not from
poll to poll, so that a forecast does not move while the next burst is awaited.

A job may turn from skipping thousands of existing objects to copying, or back. Older rates would
then mislead for hours, so once a run with a different rate has lasted long enough, only that run
counts.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.estimate.rates import (
    HORIZONS,
    NOTHING,
    SHORTEST,
    Bank,
    FailureWindow,
    Meter,
    StallDetector,
    banked,
    metered,
    rate_over,
)
from slurper_tui.monitor.estimate.record import Record, recorded, time_left
from slurper_tui.monitor.model.job import PHASE_AT_REST, Counts, Phase

RUN_SECONDS = 180.0
"""Minimum length of a run that may replace the older rates."""

RUN_SPANS = 10
"""Minimum number of changes in such a run."""

RUN_LENGTHS = 3
RUN_PART = 0.03
"""Such a run must last RUN_LENGTHS times as long as any earlier run of its kind, and this part of
the whole time."""


class Run(msgspec.Struct, frozen=True):
    """A period of mostly skipping or mostly copying. Times are seconds of the job's running time.

    kind: skipping (1) or copying (0). since: start. bank: rates within the run.
    longest: longest finished run of each kind, seconds.
    """

    kind: int = 0
    since: float = 0.0
    bank: Bank = NOTHING
    longest: tuple[float, float] = (0.0, 0.0)


class ProgressModel(msgspec.Struct, frozen=True):
    """Progress of a job: the base of its forecast.

    counts: at the last change; None before anything is known.
    at: time of the last change, in seconds of running time.
    measured: `at` is the exact time of a change, so the span to the next one can be measured.
    bank: rates since the last believed run began. changes: number of changes seen.
    skipping: the current run. record: what became of earlier forecasts.
    """

    counts: Counts | None = None
    at: float = 0.0
    measured: bool = False
    bank: Bank = NOTHING
    skipping: Run = Run()
    changes: int = 0
    record: Record = Record()


def update_model(model: ProgressModel, counts: Counts, ran: float, *, close: bool) -> ProgressModel:
    """Add a poll.

    ran: the job's running time in seconds. close: the poll followed the previous one closely.
    """
    if counts.done is None:
        return model
    if model.counts is None or model.counts.done is None:
        return replace(model, counts=counts, at=ran, measured=not close)
    moved, span = counts.done - model.counts.done, ran - model.at
    if moved <= 0 or span < SHORTEST:
        return model
    if not model.measured:
        return replace(model, counts=counts, at=ran, measured=True, changes=model.changes + 1)
    # A complete span: add it to the bank and the run; switch to a run that lasted long enough.
    bank = banked(model.bank, span, moved)
    skipped = (counts.skipped or 0) - (model.counts.skipped or 0)
    run = _continued(model, int(skipped > moved / 2), span, moved, bank)
    if run.bank is not bank and _believed(run, ran, bank):
        bank = run.bank
    record = recorded(model.record, bank, ran, counts.done)
    return ProgressModel(counts, ran, True, bank, run, model.changes + 1, record)


def restart_span(model: ProgressModel, counts: Counts, ran: float) -> ProgressModel:
    """Start a new span, so that movement before it is not measured."""
    start = counts if counts.done is not None else None
    return replace(model, counts=start, at=ran, measured=False)


def forget_open(model: ProgressModel) -> ProgressModel:
    """Leave out the forecasts that are not judged yet: the time since then is unknown."""
    return replace(model, record=Record(sums=model.record.sums))


def _continued(model: ProgressModel, kind: int, span: float, moved: int, whole: Bank) -> Run:
    """Add a span to the current run, or start a new run if its kind differs."""
    run = model.skipping
    if kind == run.kind:
        same = run.bank is model.bank
        return replace(run, bank=whole if same else banked(run.bank, span, moved))
    longest = [*run.longest]
    longest[run.kind] = max(longest[run.kind], model.at - run.since)
    return Run(kind, model.at, banked(NOTHING, span, moved), (longest[0], longest[1]))


def _believed(run: Run, ran: float, whole: Bank) -> bool:
    """Return True if a run has lasted long enough to continue, and differs from the whole.

    The rates must differ by a factor of two.
    """
    lasted = ran - run.since
    least = max(RUN_SECONDS, RUN_LENGTHS * run.longest[run.kind], RUN_PART * whole.seconds)
    if run.bank.spans < RUN_SPANS or lasted < least:
        return False
    alone, ever = rate_over(run.bank, HORIZONS[-1]), rate_over(whole, HORIZONS[-1])
    return not ever / 2 < alone < ever * 2


TAU = 120.0
"""Seconds after which a poll's weight in the displayed rates has fallen to 1/e."""


LISTING_POLLS = 3
"""A total that rose within this number of polls is still growing."""

SETTLED_POLLS = 10
SETTLED_SECONDS = 300.0
SETTLED_STANDSTILLS = 3
"""A total is final after it was unchanged for SETTLED_POLLS polls, for SETTLED_SECONDS, and for
this many times the longest standstill that ended in growth. Only time in which the job moved
counts: a job that is paused or stalled may not have listed everything."""


class Sample(msgspec.Struct, frozen=True):
    """One successful poll. at: monotonic seconds.

    after_gap: the job was not polled for an unusually long, but known, time before it.
    clock_jumped: the time since the previous sample is unknown.
    coarse: from a thinned history, so its spacing does not show how often counters change.
    age: seconds since the job's creation; None when unknown.
    """

    at: float
    counts: Counts
    status: str | None
    after_gap: bool = False
    clock_jumped: bool = False
    coarse: bool = False
    age: float | None = None

    @property
    def created(self) -> float | None:
        """The job's creation in monotonic seconds; None when unknown."""
        return None if self.age is None or not self.age >= 0 else self.at - self.age


class Meters(msgspec.Struct, frozen=True):
    """Rates over the last two minutes: done and its three parts, and growth of the total."""

    done: Meter = Meter()
    transferred: Meter = Meter()
    skipped: Meter = Meter()
    failed: Meter = Meter()
    objects: Meter = Meter()


class Estimate(msgspec.Struct, frozen=True):
    """Everything derived from the samples; `Estimate()` is the state before the first one.

    last: the newest poll, with unknown counts filled from earlier ones. first: the oldest poll.
    ran: seconds that the job ran, observed or inferred between two polls.
    failures: objects that failed lately.
    stall: changes of any counter. done_stall: changes of the number of objects done alone.
    grew: the total rose at least once.
    still_polls, still_since: number of polls with an unchanged total while the job ran, and the
        monotonic time since when; times in which it did not run, and stalls that are over, are
        left out.
    longest_still: longest time in seconds without growth that ended in growth.
    restarts: how often counters fell or `createdAt` changed.
    fell: counters fell at the last restart, so `createdAt` is not the start of these counts.
    """

    last: Sample | None = None
    first: Sample | None = None
    ran: float = 0.0
    meters: Meters = Meters()
    progress: ProgressModel = ProgressModel()
    failures: FailureWindow = FailureWindow()
    stall: StallDetector = StallDetector()
    done_stall: StallDetector = StallDetector()
    grew: bool = False
    still_polls: int = 0
    still_since: float = 0.0
    longest_still: float = 0.0
    restarts: int = 0
    fell: bool = False

    @property
    def running(self) -> bool:
        """True if the last poll reported the status `running`."""
        return self.last is not None and self.last.status == "running"

    @property
    def weight(self) -> float:
        """Weight of the data behind `rate`: 0 before two polls, rising towards 1."""
        return self.meters.done.weight

    @property
    def rate(self) -> float | None:
        """Current objects per second; None before two polls, and if the job does not run."""
        return self.meters.done.rate if self.running else None

    @property
    def plan_rate(self) -> float | None:
        """Objects per second over a horizon as long as the remaining time; None like `rate`."""
        remaining = self.last.counts.remaining if self.last is not None else None
        if not self.running or remaining is None:
            return None
        ahead = time_left(self.progress.record, self.progress.bank, remaining, self.idle)
        return self.rate if ahead is None else ahead.rate

    @property
    def idle(self) -> float:
        """Seconds that the job has run without movement beyond the usual gap between changes."""
        return max(0.0, self.ran - self.progress.at - self.done_stall.typical)

    @property
    def transferred_rate(self) -> float | None:
        """Current objects transferred per second; None like `rate`."""
        return self.meters.transferred.rate if self.running else None

    @property
    def skipped_rate(self) -> float | None:
        """Current objects skipped per second; None like `rate`."""
        return self.meters.skipped.rate if self.running else None

    @property
    def failed_rate(self) -> float | None:
        """Current objects failed per second; None like `rate`."""
        return self.meters.failed.rate if self.running else None

    @property
    def growth(self) -> float | None:
        """Growth of the total in objects per second during listing, else None."""
        return self.meters.objects.rate if self.phase is Phase.LISTING else None

    @property
    def changes(self) -> int:
        """Number of observed changes of the objects done."""
        return self.progress.changes

    @property
    def stalled_since(self) -> float | None:
        """Time of the last change, monotonic seconds; None if the job is not stalled."""
        if self.last is None or not self.running or not self.stall.stalled:
            return None
        return self.last.at - self.stall.still

    @property
    def stalled_badly(self) -> bool:
        """True if the job has been unchanged for three times the time that makes a stall."""
        return self.running and self.stall.stalled_badly

    @property
    def settled(self) -> bool:
        """True if the total has been unchanged for long enough to count as final."""
        if self.last is None:
            return False
        still = self.last.at - self.still_since - self.stall.still
        least = max(SETTLED_SECONDS, SETTLED_STANDSTILLS * self.longest_still)
        return self.still_polls - self.stall.polls >= SETTLED_POLLS and still >= least

    @property
    def growing(self) -> bool:
        """True if the total was seen to grow and has not settled, so it is only a lower bound."""
        return self.grew and not self.settled

    @property
    def phase(self) -> Phase | None:
        """Activity of the job; None for an undocumented status, or before the first poll."""
        if self.last is None:
            return None
        if not self.running:
            return PHASE_AT_REST.get(self.last.status or "")
        if self.stall.stalled:
            return Phase.STALLED
        if self.grew and self.still_polls < LISTING_POLLS:
            return Phase.LISTING
        return Phase.SETTLED if self.settled else Phase.RUNNING


def advance(estimate: Estimate, sample: Sample) -> Estimate:
    """Return the estimate after one more poll.

    Counters that fell restart the estimate; unknown counters leave it unchanged.
    """
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
    running = sample.status == "running"
    failures = estimate.failures.update(
        sample.counts,
        sample.at,
        running=running,
        created=None if estimate.fell else sample.created,
        clock_jumped=sample.clock_jumped,
    )
    moved = replace(moved, failures=failures)
    return replace(_with_total(moved, estimate.stall, last, sample, counted=counted), last=now)


def _begun(estimate: Estimate, sample: Sample) -> Estimate:
    """Start an estimate with the first sample, or anew after counters fell."""
    fell = estimate.last is not None
    return Estimate(
        last=sample,
        first=sample,
        failures=FailureWindow().update(
            sample.counts,
            sample.at,
            running=sample.status == "running",
            created=None if fell else sample.created,
        ),
        meters=_metered(Meters(), sample.counts, 0.0),
        progress=update_model(ProgressModel(), sample.counts, 0.0, close=not sample.coarse),
        still_since=sample.at,
        restarts=estimate.restarts + fell,
        fell=fell,
    )


def _stopped(estimate: Estimate, sample: Sample) -> Estimate:
    """Restart all spans: the job did not run, so this span does not enter the averages."""
    return replace(
        estimate,
        meters=_metered(Meters(), sample.counts, estimate.ran),
        progress=restart_span(estimate.progress, sample.counts, estimate.ran),
        stall=estimate.stall.reset(),
        done_stall=estimate.done_stall.reset(),
    )


def _jumped(estimate: Estimate, sample: Sample) -> Estimate:
    """Skip a span of unknown length: keep the averages, compare later counts with this sample."""
    meters = estimate.meters
    bare = Meters(
        *(
            replace(meter, count=None)
            for meter in (
                meters.done,
                meters.transferred,
                meters.skipped,
                meters.failed,
                meters.objects,
            )
        )
    )
    last = estimate.last.counts if estimate.last else Counts()
    moved = _rose(last.done, sample.counts.done) or _rose(last.objects, sample.counts.objects)
    return replace(
        estimate,
        meters=_metered(bare, sample.counts, estimate.ran),
        progress=forget_open(restart_span(estimate.progress, sample.counts, estimate.ran)),
        stall=estimate.stall.update(0.0, moved=moved, close=False),
        done_stall=estimate.done_stall.update(0.0, moved=moved, close=False),
    )


def _ran(estimate: Estimate, last: Sample, sample: Sample, filled: Counts) -> Estimate:
    """Add a span during which the job ran."""
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
        progress=update_model(estimate.progress, filled, ran, close=close),
        stall=estimate.stall.update(span, moved=moved, close=close),
        done_stall=estimate.done_stall.update(span, moved=done, close=close),
    )


def _metered(meters: Meters, counts: Counts, at: float) -> Meters:
    return Meters(
        metered(meters.done, counts.done, at, TAU),
        metered(meters.transferred, counts.transferred, at, TAU),
        metered(meters.skipped, counts.skipped, at, TAU),
        metered(meters.failed, counts.failed, at, TAU),
        metered(meters.objects, counts.objects, at, TAU),
    )


def _with_total(
    estimate: Estimate, stall: StallDetector, last: Sample, now: Sample, *, counted: bool
) -> Estimate:
    """Update the growth of the total and the time that it has been unchanged while the job ran.

    stall: before this poll.
    """
    if not counted:
        estimate = replace(estimate, still_since=estimate.still_since + now.at - last.at)
    if estimate.stall.still < stall.still and (stall.stalled or not counted):
        # the job stood still and then stopped, or its stall has ended
        estimate = replace(
            estimate,
            still_since=estimate.still_since + stall.still,
            still_polls=max(0, estimate.still_polls - stall.polls),
        )
    before, objects = last.counts.objects, now.counts.objects
    if objects is None:
        return estimate
    if before is None or objects > before:
        # The total may have grown at the start of a span without polls.
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


def _rose(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _fell(before: Counts, after: Counts) -> bool:
    after = _filled(after, before)
    pairs = ((before.objects, after.objects), (before.done, after.done))
    return any(a is not None and b is not None and b < a for a, b in pairs)


def _filled(now: Counts, last: Counts) -> Counts:
    """Return this poll's counts, each unknown one replaced by the last known value."""
    return Counts(
        _first(now.objects, last.objects),
        _first(now.transferred, last.transferred),
        _first(now.skipped, last.skipped),
        _first(now.failed, last.failed),
    )


def _first(value: int | None, otherwise: int | None) -> int | None:
    return otherwise if value is None else value
