"""Time-weighted averages of a rate over one or several horizons, and the stall detector's input.

A span of `dt` seconds with `moved` objects done has the weight `1 - exp(-dt / tau)`. Dividing by
the sum of the weights makes the first spans count in full (the bias correction of Kingma and Ba,
Adam, 2014, applied to unevenly spaced samples). The length of the spans does not matter: one span
of an hour counts as much as many short ones with the same mean.

`StallDetector` records how often a job's counters change, and how long they have been unchanged.
`FailureWindow` counts the objects that failed during the last hour.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from statistics import median

import msgspec

from slurper_tui.monitor.model.job import Counts, Failing

HORIZONS = (*(120.0 * 4**k for k in range(6)), 1e12)
"""Seconds: from two minutes to a day and a half, fourfold, and finally the job's whole life."""

SHORTEST = 0.001
"""Seconds; a count that follows the previous one sooner than this is ignored for the rate.
The next count covers the time of both."""

_NONE = array("d", bytes(8 * len(HORIZONS)))


class Meter(msgspec.Struct, frozen=True):
    """Average rate of one counter at one horizon.

    count, at: the previous count and its time in seconds; count is None if there is none.
    total: weighted sum of objects per second; divide by `weight` for the average.
    """

    count: int | None = None
    at: float = 0.0
    total: float = 0.0
    weight: float = 0.0

    @property
    def rate(self) -> float | None:
        """Objects per second; None before two counts."""
        return self.total / self.weight if self.weight > 0 else None


def metered(meter: Meter, count: int | None, at: float, tau: float) -> Meter:
    """Add a count taken at `at` (seconds); tau: horizon in seconds.

    A count that is None, or that comes too soon, leaves the meter unchanged.
    """
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


class Bank(msgspec.Struct, frozen=True, gc=False):
    """Average rates of one counter at all horizons.

    totals: weighted sums; divide by the sum of the weights of all spans for the average. Nothing
        changes the array.
    seconds, spans: total time added, and the number of spans.
    """

    totals: array[float] = _NONE
    seconds: float = 0.0
    spans: int = 0


NOTHING = Bank()
"""The empty bank; a single object, because banks are compared by identity."""


def banked(bank: Bank, span: float, moved: float) -> Bank:
    """Add a span of `span` seconds with `moved` objects done; `moved` must be positive."""
    rate, totals = moved / span, array("d", bank.totals)
    for place, horizon in enumerate(HORIZONS):
        totals[place] += (rate - totals[place]) * -math.expm1(-span / horizon)
    return Bank(totals, bank.seconds + span, bank.spans + 1)


def rate_over(bank: Bank, tau: float) -> float:
    """Return the mean over about `tau` seconds in objects per second; 0 when nothing is known."""
    return between(rates_of(bank), tau)


def rates_of(bank: Bank, idle: float = 0.0) -> list[float]:
    """Return the averages at all horizons in objects per second; 0 when nothing is known.

    idle: seconds without movement that are not yet in the bank.
    """
    rates = list[float]()
    for horizon, total in zip(HORIZONS, bank.totals, strict=True):
        weight = -math.expm1(-bank.seconds / horizon)
        if idle > 0:
            kept = math.exp(-idle / horizon)
            total, weight = total * kept, weight * kept + 1 - kept
        rates.append(total / weight if weight > 0 else 0.0)
    return rates


def between(rates: Sequence[float], tau: float) -> float:
    """Return the average over about `tau` seconds, interpolated between two horizons."""
    place, part = _place(tau)
    return rates[place] + (rates[place + 1] - rates[place]) * part


def _place(tau: float) -> tuple[int, float]:
    """Return the index of the horizon below `tau` and the fraction of the way to the next one."""
    last = len(HORIZONS) - 1
    exact = min(max(math.log2(tau / HORIZONS[0]) / 2, 0.0), float(last))
    place = min(int(exact), last - 1)
    return place, exact - place


RECENT_GAPS = 31
"""Number of recent gaps between changes that the median covers."""

STALL_SECONDS = 300.0
STALL_GAPS = 10
"""A job is stalled if nothing moved for STALL_SECONDS and for STALL_GAPS of its median gaps."""

KNOWN_GAPS = 3
UNKNOWN_SECONDS = 1800.0
"""Before KNOWN_GAPS gaps are known, a stall takes UNKNOWN_SECONDS: counters may be published every
ten minutes, and the first objects may be large."""

BADLY = 3
"""A stall is bad after this many times the time that makes a stall."""


_NO_GAPS = array("d")


class StallDetector(msgspec.Struct, frozen=True, gc=False):
    """When a running job's counters change.

    still, polls: seconds and polls since the last change.
    gaps: seconds between recent changes, oldest first. typical: their median; 0 before the first.
    exact: every poll since the last change closely followed the one before, so that the time until
        the next change can be measured.
    brisk: changes that came at most STALL_SECONDS after the one before, even if not measured.
    """

    still: float = 0.0
    polls: int = 0
    gaps: array[float] = _NO_GAPS
    typical: float = 0.0
    exact: bool = False
    brisk: int = 0

    @property
    def patience(self) -> float:
        """Seconds without a change that make a stall."""
        known = len(self.gaps) >= KNOWN_GAPS or self.brisk > KNOWN_GAPS
        least = STALL_SECONDS if known else UNKNOWN_SECONDS
        return max(STALL_GAPS * self.typical, least)

    @property
    def stalled(self) -> bool:
        """True if nothing has moved for `patience` seconds."""
        return self.still >= self.patience

    @property
    def stalled_badly(self) -> bool:
        """True if nothing has moved for three times `patience`."""
        return self.still >= BADLY * self.patience

    def update(self, span: float, *, moved: bool, close: bool) -> StallDetector:
        """Add one poll of a running job, `span` seconds after the previous one.

        moved: a counter changed. close: it followed the previous poll closely, so that the time of
        a change is known.
        """
        still = self.still + span
        if not moved:
            exact = self.exact and close
            return StallDetector(still, self.polls + 1, self.gaps, self.typical, exact, self.brisk)
        brisk = self.brisk + (0 < still <= STALL_SECONDS)
        if not (self.exact and close):
            return StallDetector(gaps=self.gaps, typical=self.typical, exact=close, brisk=brisk)
        gaps = array("d", [*self.gaps[1 - RECENT_GAPS :], still])
        return StallDetector(gaps=gaps, typical=median(gaps), exact=True, brisk=brisk)

    def reset(self) -> StallDetector:
        """Forget the time without a change: the job did not run, or that time is unknown."""
        return StallDetector(gaps=self.gaps, typical=self.typical, brisk=self.brisk)


WINDOW_SECONDS = 3600.0
"""An hour evens out bursts of failures, such as one folder of archived objects, and is short enough
that a job whose cause was removed is soon shown as running again."""

MARK_SECONDS = 300.0
"""Seconds between two stored marks: the window is up to this much longer than an hour, and a job
needs thirteen marks."""

FAILING_OBJECTS = 100
FAILING_SHARE = 0.01
"""A job is failing if more objects than this, and more than this part of what was done, failed in
the window. Fewer objects are listed one by one in the log; a smaller part is usual for objects that
were deleted or locked since the source was listed."""

CALM = 0.5
"""A failing job is so until either number has fallen to this part of its limit, so that the state
does not change back and forth."""

CLOSE_SECONDS = 600.0
"""The time when a state began is known if the poll before was at most this long ago."""

_MOST = 2**53
"""Counts are compared up to this number, which a float holds exactly."""

_NO_MARKS = array("d")


class FailureWindow(msgspec.Struct, frozen=True, gc=False):
    """Objects failed and done in the last hour, or since the first mark until an hour was observed.

    The first mark is the job's creation, the last poll before a gap, or else the first poll.

    marks: time in seconds, objects done, objects failed; for each of the marks, oldest first.
    failed, done: objects in the window. at: time of the newest poll, in seconds.
    failing: so many failed that it is the job's state. since: the time when that began; None when
        it was so at the first poll, or began in a time without polls.
    """

    marks: array[float] = _NO_MARKS
    failed: int = 0
    done: int = 0
    at: float = 0.0
    failing: bool = False
    since: float | None = None

    def update(
        self,
        counts: Counts,
        at: float,
        *,
        running: bool,
        created: float | None = None,
        clock_jumped: bool = False,
    ) -> FailureWindow:
        """Add a poll.

        created: when the job was created with all counters at 0, in seconds; None when unknown.
        clock_jumped: the time since the previous poll is unknown.
        """
        if counts.done is None or counts.failed is None:
            return self
        done, failed = min(counts.done, _MOST), min(counts.failed, _MOST)
        marks, watched = self.marks, bool(self.marks)
        if marks and clock_jumped:
            marks, watched = _NO_MARKS, False
        elif marks and at - self.at > WINDOW_SECONDS:
            marks, watched = array("d", [self.at, *self._newest()]), False
        if not marks and created is not None and created < at:
            marks = array("d", [created, 0, 0])
        if not marks or at - marks[-3] >= MARK_SECONDS:
            old = sum(later <= at - WINDOW_SECONDS for later in marks[3::3])
            marks = array("d", [*marks[3 * old :], at, done, failed])
        done, failed = max(0, done - int(marks[1])), max(0, failed - int(marks[2]))
        limit = CALM if self.failing and watched else 1.0
        failing = failed > FAILING_OBJECTS * limit and failed > FAILING_SHARE * limit * done
        since = self.since
        if not failing or not running:
            since = None
        elif not self.failing:
            close = watched and at - self.at <= CLOSE_SECONDS
            since = at if close else None
        return FailureWindow(marks, failed, done, at, failing and running, since)

    def _newest(self) -> tuple[float, float]:
        """Return the objects done and failed at the newest poll."""
        return self.marks[1] + self.done, self.marks[2] + self.failed

    @property
    def seconds(self) -> float:
        """The length of the window."""
        return self.at - self.marks[0] if self.marks else 0.0

    def as_failing(self, behind: float) -> Failing | None:
        """Return the value for the job's view; None if it is not failing.

        behind: UTC seconds at time 0.
        """
        if not self.failing:
            return None
        since = None if self.since is None else self.since + behind
        return Failing(self.failed, self.done, self.seconds, since)
