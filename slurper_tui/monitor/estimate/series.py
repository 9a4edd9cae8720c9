"""A job's series of samples: updates estimate and forecast, and marks gaps and clock changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.monitor.estimate.estimator import Estimate, Sample, advance
from slurper_tui.monitor.estimate.forecast import forecast
from slurper_tui.monitor.estimate.rates import CLOSE_SECONDS, rate_over
from slurper_tui.monitor.estimate.record import learned
from slurper_tui.monitor.model.base import AHEAD_SECONDS, EARLIEST, Moment, is_too_early
from slurper_tui.monitor.model.samples import Recorded

if TYPE_CHECKING:
    from array import array

    from slurper_tui.monitor.estimate.sharing import Share
    from slurper_tui.monitor.model.job import Counted, Counts, Forecast

GAP_ROUNDS = 3
"""A time between samples longer than this many usual intervals is a gap in polling."""

SHORTEST_GAP = 30.0
"""Seconds; a shorter time is never a gap, however often the job is usually polled."""

ALIKE = 1.5
"""Two consecutive intervals within this factor of each other are a regular polling interval."""

LONGEST_USUAL = 600.0
"""Seconds; a longer interval never counts as a regular polling interval."""

STEP = 0.001
"""Seconds; minimum distance between stored samples of one job."""

CREATION_SLACK = 60.0
"""Seconds by which the API's clock may be ahead of this machine's."""

NEW_SECONDS = 120.0
"""A job first seen at most this long after its creation has run since then."""

IN_FLIGHT_SECONDS = 60.0
"""After a pause, objects in flight still finish: at most about as many as in this time before."""

_COARSE = 30.0
"""Seconds; stored samples further apart do not show how often the counters change."""


class Series:
    """Samples, estimate and forecast of one job; mutable, owned by the job's tracker.

    forecast: the range to display, stabilised by hysteresis; None if there is none.
    since: since when the job has been in its status without a stall, in monotonic seconds; None
        when unknown.
    counted: the total that a listing of the source has found; None if there was none.

    A sample is stored with the wall-clock time, even if the clock was set back; it is then marked.
    If the clock must be wrong, because it shows an earlier time than is possible, times are counted
    from the last sample instead.
    """

    def __init__(self) -> None:
        self.estimate = Estimate()
        self.forecast: Forecast | None = None
        self.since: float | None = None
        self.last: Recorded | None = None
        self.counted: Counted | None = None
        self._mono = 0.0
        self._clock_behind = False
        self._counting = False
        self._span: float | None = None
        self._usual: float | None = None

    def restart(self) -> None:
        """Start a new estimate: earlier samples belong to another job."""
        self.estimate = Estimate(restarts=self.estimate.restarts + 1)
        self.forecast = self.since = None

    def set_counted(self, counted: Counted) -> None:
        """Use a counted total from now on, as if it had been known from the start."""
        self.counted, last = counted, self.estimate.last
        if last is not None and counted.holds(last.counts):
            last = replace(last, counts=replace(last.counts, objects=counted.objects))
            self.estimate = replace(self.estimate, last=last, grew=False)

    def learn(self, earlier: array[float]) -> None:
        """Use the errors of the forecasts of a similar job, where there are none of this one."""
        progress = self.estimate.progress
        progress = replace(progress, record=learned(progress.record, earlier))
        self.estimate = replace(self.estimate, progress=progress)

    def seed(self, history: Sequence[Recorded], now: Moment, created_at: float | None) -> None:
        """Add the samples of the history, oldest first, before the first sample of this run.

        The history keeps samples dated in the future only if this machine's clock must be behind;
        for the estimate they are shifted to end now. Samples from before the job's creation (UTC
        seconds) belong to another job and are left out of the estimate.
        """
        if self.last is not None or not history:
            return
        ahead = max(0.0, history[-1].at - now.wall)
        self._clock_behind = ahead > AHEAD_SECONDS
        for stored in history:
            at = stored.at - ahead
            then = Moment(now.mono - (now.wall - at), at)
            if created_at is None or stored.at >= created_at - CREATION_SLACK:
                spent = stored.at - self.last.at if self.last and self.estimate.last else 0.0
                sample = Sample(
                    then.mono,
                    stored.counts,
                    stored.status,
                    stored.after_gap,
                    # a gap mark on a short time means that the clock was set
                    clock_jumped=stored.after_gap and spent <= SHORTEST_GAP,
                    coarse=spent > _COARSE,
                    age=None if created_at is None else then.wall - created_at,
                )
                self._take(sample, then, created_at)
            self._note(stored, then.mono)  # also times of another job must not be given twice

    def add(
        self,
        counts: Counts,
        status: str | None,
        now: Moment,
        *,
        period: float,
        created_at: float | None,
        clock_jumped: bool,
        share: Share | None = None,
    ) -> Recorded:
        """Add a successful poll and return the sample to store.

        period: seconds between two polls of this job. created_at: UTC seconds; None when unknown.
        clock_jumped: the time since the previous poll is unknown. share: the job among those with
        which it shares a bandwidth; None if it shares none.
        """
        at = self._time_of(now, created_at)
        set_back = self.last is not None and at < self.last.at
        was_counting, self._counting = self._counting, self._clock_behind
        repeated = self.last is not None and not set_back and now.wall < self.last.at + STEP
        began_counting = self._counting and not was_counting
        clock_jumped = clock_jumped or set_back or began_counting
        clock_jumped = clock_jumped or (repeated and not self._counting)
        after_gap = clock_jumped or self._is_gap(at, period)
        age = None if created_at is None else now.wall - created_at
        sample = Sample(now.mono, counts, status, after_gap, clock_jumped=clock_jumped, age=age)
        self._take(sample, now, created_at, share)
        stalled = self.estimate.stalled_since is not None
        stored = Recorded(at, counts, status, after_gap, stalled, set_back)
        self._note(stored, now.mono)
        return stored

    def _take(
        self, sample: Sample, now: Moment, created_at: float | None, share: Share | None = None
    ) -> None:
        before = self.estimate
        if self.counted is not None:  # a total that fell would restart the estimate
            objects = max(sample.counts.objects or 0, self.counted.objects)
            sample = replace(sample, counts=replace(sample.counts, objects=objects))
        self.estimate = advance(before, sample)
        self.since = _since(self.since, before, self.estimate, sample)
        self.forecast = forecast(self.estimate, now, created_at, self.forecast, share)

    def _time_of(self, now: Moment, created_at: float | None) -> float:
        """Return the time to store a sample under, UTC seconds."""
        if self.last is None:
            return now.wall if now.wall >= EARLIEST else max(now.wall, created_at or 0.0)
        if now.wall >= self.last.at + STEP:
            self._clock_behind = False
            return now.wall
        created = None if (created_at or 0.0) > self.last.at else created_at
        never_set = is_too_early(now.wall, created) and not is_too_early(self.last.at, created)
        self._clock_behind = self._clock_behind or never_set
        if self._clock_behind:
            return self.last.at + max(STEP, now.mono - self._mono)
        return now.wall if now.wall <= self.last.at - STEP else self.last.at + STEP

    def _note(self, stored: Recorded, mono: float) -> None:
        if self.last is not None:
            span = stored.at - self.last.at
            if not stored.after_gap or self._is_alike(span):
                self._usual = span
            self._span = span
        self.last, self._mono = stored, mono

    def _is_gap(self, at: float, period: float) -> bool:
        """Return True if the time since the last sample is a gap in polling."""
        if self.last is None:
            return False
        span = at - self.last.at
        usual = max(period, self._usual or 0.0)
        return span > max(SHORTEST_GAP, GAP_ROUNDS * usual) and not self._is_alike(span)

    def _is_alike(self, span: float) -> bool:
        """Return True if the previous interval was about as long, so such intervals are regular."""
        if self._span is None or span > LONGEST_USUAL:
            return False
        return self._span / ALIKE <= span <= self._span * ALIKE


def _since(since: float | None, before: Estimate, after: Estimate, sample: Sample) -> float | None:
    """Return since when the job has been in its status without a stall; None when unknown.

    since: the same before the sample. A change that was not observed closely has no known time.
    """
    last = before.last
    if last is None:
        new = sample.age is not None and 0 <= sample.age <= NEW_SECONDS
        return sample.at - (sample.age or 0.0) if new and sample.status == "running" else None
    stalls = (before.stalled_since is None, after.stalled_since is None)
    if last.status == sample.status and stalls[0] == stalls[1]:
        # a paused job of which more was done in a gap than what was in flight has run meanwhile
        moved = (sample.counts.done or 0) - (last.counts.done or 0)
        in_flight = IN_FLIGHT_SECONDS * rate_over(before.progress.bank, IN_FLIGHT_SECONDS)
        ran = sample.status == "paused" and sample.after_gap and moved > in_flight
        return None if ran else since
    observed = sample.at - last.at <= CLOSE_SECONDS
    return sample.at if observed and not (sample.after_gap or sample.clock_jumped) else None
