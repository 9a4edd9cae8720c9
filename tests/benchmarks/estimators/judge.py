"""Scores of an estimator on one trace, and their summary over many."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from slurper_tui.monitor.estimate.estimator import Estimate, Sample, advance
from slurper_tui.monitor.estimate.forecast import Guess, forecast, guessed
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Forecast
from tests.benchmarks.estimators.peers import Peer
from tests.benchmarks.estimators.traces import Trace

CREATED = 1_767_225_600.0
"""Creation of every job, UTC seconds."""

LAST_SECONDS = 60.0
"""Seconds before the finish in which forecasts are not scored."""

WORST = 100.0
"""Upper bound of an error factor."""


@dataclass(frozen=True, slots=True)
class Point:
    """The forecast at a poll. Times are seconds since the job was created.

    finish: the scored point; for our estimator the middle of the displayed range.
    raw: the point before rounding and smoothing.
    low, high: the displayed range.
    at_least: whether `low` is a lower bound alone.
    """

    at: float
    finish: float
    raw: float
    low: float = math.nan
    high: float = math.nan
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of one estimator on one trace.

    errors: factors of the remaining time.
    moves: change of the raw finish per poll, as a share of the remaining time.
    held: whether the true finish is in the range.
    widths: the range's end divided by its beginning, as remaining times.
    bounds: whether the true finish is at least the lower bound.
    answered: whether there was a forecast at a scored poll.
    """

    errors: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    bounds: list[bool] = field(default_factory=list)
    answered: list[bool] = field(default_factory=list)


def ours(trace: Trace) -> list[Point | None]:
    """Return the monitor's forecast at each poll."""
    estimate, shown, points = Estimate(), None, list[Point | None]()
    for poll in trace.polls:
        sample = Sample(poll.at, poll.counts, poll.status, after_gap=poll.after_gap)
        estimate = advance(estimate, sample)
        now = Moment(poll.at, CREATED + poll.at)
        shown, guess = forecast(estimate, now, CREATED, shown), guessed(estimate, now, CREATED)
        points.append(_point(poll.at, shown, guess) if shown and guess else None)
    return points


def _point(at: float, shown: Forecast, guess: Guess) -> Point:
    low, high = shown.low - CREATED, shown.high - CREATED
    return Point(at, (low + high) / 2, guess.point - CREATED, low, high, shown.at_least)


def theirs(peer: Peer, trace: Trace) -> list[Point | None]:
    """Return another program's forecast at each poll."""
    points = list[Point | None]()
    for poll in trace.polls:
        done, total = poll.counts.done, poll.counts.objects
        left = peer(poll.at, done or 0, total or 1)
        points.append(None if left is None else Point(poll.at, poll.at + left, poll.at + left))
    return points


def score(trace: Trace, points: Sequence[Point | None], asked: Sequence[bool]) -> Score:
    """Score the forecasts at the `asked` polls, up to the last minute."""
    result, before = Score(), None
    for point, ask in zip(points, asked, strict=True):
        if ask:
            result.answered.append(point is not None)
        if point is None or not ask or trace.finish - point.at < LAST_SECONDS:
            before = None
        elif point.at_least:
            result.bounds.append(point.low <= trace.finish)
            before = None
        else:
            _judge(result, trace, point, before)
            before = point
    return result


def _judge(result: Score, trace: Trace, point: Point, before: Point | None) -> None:
    left = trace.finish - point.at
    result.errors.append(factor(point.finish - point.at, left))
    if before is not None:
        result.moves.append(abs(point.raw - before.raw) / left)
    if not math.isnan(point.low):
        result.held.append(point.low <= trace.finish <= point.high)
        result.widths.append((point.high - point.at) / max(point.low - point.at, 1.0))


def factor(forecast: float, true: float) -> float:
    """Return the error factor of a remaining time, at least 1."""
    forecast, true = max(forecast, 1.0), max(true, 1.0)
    return min(WORST, max(forecast / true, true / forecast))


def pooled(scores: Sequence[Score], of: Callable[[Score], Sequence[float]], part: float) -> float:
    """Return a quantile over several traces of equal weight."""
    weighted = sorted(
        (value, 1 / len(values)) for one in scores if (values := of(one)) for value in values
    )
    limit, so_far = part * sum(weight for _, weight in weighted), 0.0
    for value, weight in weighted:
        so_far += weight
        if so_far >= limit:
            return value
    return math.nan


def share(scores: Sequence[Score], of: Callable[[Score], Sequence[bool]]) -> float:
    """Return the share of true values, each trace with equal weight."""
    parts = [statistics.fmean(values) for one in scores if (values := of(one))]
    return statistics.fmean(parts) if parts else math.nan
