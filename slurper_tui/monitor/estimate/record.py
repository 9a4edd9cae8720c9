"""What became of a job's earlier forecasts, and the range of its next one that follows from it.

At several spans of time, from minutes to days, the job's rate is forecast again and again: from its
average over as long a time as is ahead, and from its average over a short part of that. Once the
span is over, the true rate is known. The logarithm of forecast by true rate is the forecast's
error: positive if the work took longer.

A `Record` holds the weighted means of these errors. The average that was better counts more in the
next forecast; the mean error shifts the range; the squared error sets its width. Where a record has
little to say, because the time that remains is long beside the time observed, a prior from
simulated jobs takes its place: the further ahead, the wider. A new job begins with the errors of
the last job of its migration that has ended.

Constants without another reason were chosen with the generated jobs of
`tests/benchmarks/estimators`. Logarithms are natural.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.estimate.rates import Bank, between, rates_of

SPANS = tuple(240.0 * 4**k for k in range(6))
"""Seconds ahead of the recorded forecasts: four minutes to almost three days."""

FIRST = 60.0
"""Seconds of running time before the first forecast that is recorded."""

MARKS = 3
"""Forecasts that are open at the same time, for each span; they begin a third of it apart."""

LEAST_CHANGES = 3
"""Forecasts are recorded for spans of at least this many mean times between changes."""

KEPT = math.exp(-1 / 10)
"""Part of the weight of the earlier errors that remains after one more."""

NEAREST = 300.0
NEAREST_CHANGES = 6
"""Averages cover at least NEAREST seconds and NEAREST_CHANGES mean times between changes."""

PART = 0.13
"""The short average covers this part of the time ahead."""

WORST = 2.5
"""Errors are limited to this logarithm."""

_WIDTH = 6
"""Numbers of an open forecast: index in SPANS, running time in seconds, objects done then, and the
logarithms of three rates: the forecast's, and those of the long and the short average."""

_SUMS = 5
"""Weighted sums of a span's errors: their number, the errors of the forecast and the squares of
these, the squared errors of the long and of the short average."""

_LAST = len(SPANS) - 1.0
_NO_MARKS = array("d")
_NO_SUMS = array("d", bytes(8 * _SUMS * len(SPANS)))


class Record(msgspec.Struct, frozen=True, gc=False):
    """Errors of a job's earlier forecasts, at each of SPANS.

    marks: open forecasts, oldest first. sums: weighted sums of errors. Nothing changes the arrays.
    due: when the next forecast is to be judged or made, in seconds of running time.
    """

    marks: array[float] = _NO_MARKS
    sums: array[float] = _NO_SUMS
    due: float = FIRST


def learned(record: Record, earlier: array[float]) -> Record:
    """Use the errors of a similar job at the spans at which there are none yet."""
    sums = array("d", record.sums)
    for start in range(0, len(sums), _SUMS):
        if not sums[start] > 0:
            sums[start : start + _SUMS] = earlier[start : start + _SUMS]
    return replace(record, sums=sums)


class TimeLeft(msgspec.Struct, frozen=True):
    """A forecast of the remaining time, in seconds.

    seconds: remaining objects by rate. low, high: the range. least: a lower bound if objects may be
    added. rate: objects per second.
    """

    seconds: float
    low: float
    high: float
    least: float
    rate: float


def recorded(record: Record, bank: Bank, ran: float, done: int) -> Record:
    """Judge the forecasts whose time is over, and make those that are due.

    ran: the job's running time at its last change, in seconds. done: objects done then.
    """
    if ran < record.due or not bank.spans:
        return record
    sums, marks = array("d", record.sums), array("d")
    newest, due = [-math.inf] * len(SPANS), math.inf
    for mark in _rows(record.marks):
        level, span = int(mark[0]), SPANS[int(mark[0])]
        newest[level] = mark[1]
        past = ran - mark[1]
        if past < span:
            marks.extend(mark)
            due = min(due, mark[1] + span)
        else:
            _add(sums, level, mark, past, done)
    usual, nearest, rates = bank.seconds / bank.spans, _nearest(bank), list[float]()
    for level, span in enumerate(SPANS):
        if span <= LEAST_CHANGES * usual:
            due = min(due, ran)
            continue
        if ran - newest[level] >= span / MARKS:
            rates = rates or rates_of(bank)
            long, short = (between(rates, max(nearest, s)) for s in (span, PART * span))
            blend = blended(sums, span, long, short)
            marks.extend((level, ran, done, *map(math.log, (blend, long, short))))
            newest[level] = ran
        due = min(due, newest[level] + span / MARKS)
    return Record(marks, sums, due)


def _rows(marks: array[float]) -> Iterator[array[float]]:
    return (marks[start : start + _WIDTH] for start in range(0, len(marks), _WIDTH))


def _add(sums: array[float], level: int, mark: array[float], past: float, done: int) -> None:
    """Add the errors of an open forecast whose time is over.

    A new error counts 1 / MARKS, because MARKS forecasts share each time; each older one counts
    KEPT times as much as before (exponential forgetting).

    past: seconds since it was made. done: objects done now.
    """
    true = math.log(max(done - mark[2], 1e-9) / past)
    blend, long, short = (min(max(one - true, -WORST), WORST) for one in mark[3:])
    new = (1.0, blend, blend * blend, long * long, short * short)
    for place, value in enumerate(new, level * _SUMS):
        sums[place] = sums[place] * KEPT + value / MARKS


def _nearest(bank: Bank) -> float:
    """Return the shortest time that an average may cover, in seconds."""
    usual = bank.seconds / bank.spans if bank.spans else 0.0
    return max(NEAREST, NEAREST_CHANGES * usual)


def _near(sums: array[float], ahead: float) -> list[tuple[float, float, int]]:
    """Return for each span with errors its weight, its distance in steps, and where its sums begin.

    The weight is the smaller, the less the span resembles `ahead` seconds.
    """
    place = min(max(math.log2(max(ahead, 1.0) / SPANS[0]) / 2, 0.0), _LAST)
    return [
        (math.exp(-FADING * abs(place - level)), place - level, level * _SUMS)
        for level in range(len(SPANS))
        if sums[level * _SUMS] > 0
    ]


FADING = 1.3
"""How fast the weight of a span falls for each step by which it is longer or shorter."""

CONTRAST = 6.0
EVEN = 0.005
"""How clearly the better average is preferred, and the squared error that counts as none."""

LONG, SHORT = 1.0, 1.75
"""Weights of the two averages while nothing is recorded."""


def blended(sums: array[float], ahead: float, long: float, short: float) -> float:
    """Return the geometric mean of two averages, in objects per second.

    The one with the smaller errors counts more: its weight is in inverse proportion to a power of
    its mean squared error (Bates and Granger, The Combination of Forecasts, 1969, where the power
    is 1). The power grows with the number of errors, so that without any LONG and SHORT hold.

    ahead: seconds of the forecast. long, short: the averages.
    """
    if long <= 0 or short <= 0:
        return max(long, short)
    weight = first = second = 0.0
    for near, _, start in _near(sums, ahead):
        weight += near * sums[start]
        first += near * sums[start + 3]
        second += near * sums[start + 4]
    share = LONG / (LONG + SHORT)
    if weight > 0:
        power = min(CONTRAST * weight, 500.0) / 2
        odds = power * math.log((first / weight + EVEN) / (second / weight + EVEN))
        share = 1 / (1 + SHORT / LONG * math.exp(min(max(odds, -50.0), 50.0)))
    return math.exp(share * math.log(long) + (1 - share) * math.log(short))


PRIOR_ERRORS = 1.6
PRIOR_VARIANCE = 0.077
PRIOR_LEAST = 0.01
PRIOR_MOST = 1.2
"""The prior: its weight in errors; its variance, if as much time remains as was observed, to which
it is proportional up to PRIOR_MOST; and what is added to it."""

BEYOND = 0.07
"""Squared errors at a shorter span count as this part for each step to a longer one."""

APART = 1.25
"""Weight of the squared logarithm of the two averages' ratio in the variance."""

SHIFT = 1.8
SHIFT_ERRORS = 7.0
LATE = 0.075
DRIFT = 2.5
MOST_SHIFT = 0.7
"""Part of a certain mean error that shifts the range; the weight in errors, and the value, of its
prior; the factor by which a mean error grows for each step to a longer span; the shift's bound."""

BELOW, ABOVE = 1.45, 1.15
"""Ends of the range in standard deviations."""

LEAST = 0.8
"""The same of a lower bound while the total grows, which makes the truth later still."""

CEILING = 0.9
"""Upper bound of the standard deviation."""

ROUNDS = 3
AGREED = 0.02
"""Most steps in which the time left and the time that averages cover are made to agree, and the
part of it by which they may differ."""


def time_left(
    record: Record, bank: Bank, remaining: int, idle: float = 0.0, before: float = 0.0
) -> TimeLeft | None:
    """Return the forecast of the time that the remaining objects need; None if no rate is known.

    The averages should cover a time that depends on what remains, which depends on their rate.
    Solved in up to ROUNDS steps from the average over the whole time.

    idle: seconds without movement beyond the usual gap. before: seconds before the first poll in
    which the job is known to have had the same mean rate.
    """
    rates, nearest = rates_of(bank, idle), _nearest(bank)
    if not rates[-1] > 0:
        return None
    ahead = remaining / rates[-1]
    for _ in range(ROUNDS):
        long = between(rates, max(nearest, ahead))
        short = between(rates, max(nearest, PART * ahead))
        rate = blended(record.sums, ahead, long, short)
        if not rate > 0:
            return None
        seconds = remaining / rate
        if abs(seconds - ahead) <= AGREED * ahead:
            break
        ahead = math.sqrt(seconds * ahead)
    mean, deviation = errors(record.sums, seconds, bank.seconds + before, long, short)
    low, high = mean - BELOW * deviation, mean + ABOVE * deviation
    least = seconds * math.exp(-LEAST * deviation)
    return TimeLeft(seconds, seconds * math.exp(low), seconds * math.exp(high), least, rate)


def errors(
    sums: array[float], ahead: float, seen: float, long: float, short: float
) -> tuple[float, float]:
    """Return mean and standard deviation of the error to be expected `ahead` seconds ahead.

    Both are weighted means of the recorded errors and of a prior that counts as some errors more
    (as the posterior mean with a conjugate prior). The variance grows with the difference of the
    two averages: where these differ, the rate is changing.

    seen: seconds observed. long, short: the averages of the forecast, in objects per second.
    """
    weight = total = plain = squares = drift = 0.0
    for near, away, start in _near(sums, ahead):
        beyond = max(0.0, away)
        weight += near * sums[start]
        total += near * sums[start + 1]
        plain += near * sums[start + 2]
        drift += near * sums[start + 1] * DRIFT**beyond
        squares += near * sums[start + 2] * BEYOND**beyond
    ratio = min(max(max(ahead, 60.0) / max(seen, 60.0), 1 / 16), 16.0)
    variance = min(PRIOR_MOST, PRIOR_VARIANCE * ratio) + PRIOR_LEAST
    variance = (PRIOR_ERRORS * variance + squares) / (PRIOR_ERRORS + weight)
    mean = (SHIFT_ERRORS * LATE + SHIFT * _certainty(weight, total, plain) * drift) / (
        SHIFT_ERRORS + weight
    )
    mean = min(max(mean, -MOST_SHIFT), MOST_SHIFT)
    apart = math.log(long / short) if long > 0 and short > 0 else 0.0
    variance += APART * min(apart * apart, 1.0)
    return mean, min(math.sqrt(variance), CEILING)


def _certainty(weight: float, total: float, squares: float) -> float:
    """Return how surely errors have one sign, from 0 to 1: t² / (t² + 1).

    t is about that of a t-test of their mean against 0; EVEN keeps it finite.
    weight, total, squares: the weighted number and sums of the errors.
    """
    if weight <= 0:
        return 0.0
    mean = total / weight
    evidence = weight * mean * mean / (max(0.0, squares / weight - mean * mean) + EVEN)
    return evidence / (evidence + 1)
