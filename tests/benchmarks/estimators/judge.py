"""How good an estimator was on a trace, and what that comes to over many."""

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
"""When every job was created, UTC seconds."""

LAST_SECONDS = 60.0
"""In the last minute nobody asks how long it takes."""

WORST = 100.0
"""An error factor that stands for every worse one."""


@dataclass(frozen=True, slots=True)
class Point:
    """What was said at a poll. All in seconds since the job was created.

    finish: the point that is judged; of ours the middle of the range on the screen. raw: the point
    before it was rounded and held, which moves more. low, high: the range on the screen.
    """

    at: float
    finish: float
    raw: float
    low: float = math.nan
    high: float = math.nan
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """One estimator on one trace.

    errors: factors of the remaining time. moves: of the raw finish, per poll, as a part of the
    remaining time. held: whether the true finish lay in the range. widths: the range's end over
    its beginning, as remaining times. bounds: whether the truth was at least the bound, while only
    that was claimed. answered: whether it said anything when it was asked.
    """

    errors: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    bounds: list[bool] = field(default_factory=list)
    answered: list[bool] = field(default_factory=list)


def ours(trace: Trace) -> list[Point | None]:
    """What the monitor would have said at each poll."""
    estimate, shown, said = Estimate(), None, list[Point | None]()
    for poll in trace.polls:
        sample = Sample(poll.at, poll.counts, poll.status, after_gap=poll.after_gap)
        estimate = advance(estimate, sample)
        now = Moment(poll.at, CREATED + poll.at)
        shown, guess = forecast(estimate, now, CREATED, shown), guessed(estimate, now, CREATED)
        said.append(_point(poll.at, shown, guess) if shown and guess else None)
    return said


def _point(at: float, shown: Forecast, guess: Guess) -> Point:
    low, high = shown.low - CREATED, shown.high - CREATED
    return Point(at, (low + high) / 2, guess.point - CREATED, low, high, shown.at_least)


def theirs(peer: Peer, trace: Trace) -> list[Point | None]:
    """What another program would have said at each poll."""
    said = list[Point | None]()
    for poll in trace.polls:
        done, total = poll.counts.done, poll.counts.objects
        left = peer(poll.at, done or 0, total or 1)
        said.append(None if left is None else Point(poll.at, poll.at + left, poll.at + left))
    return said


def score(trace: Trace, said: Sequence[Point | None], asked: Sequence[bool]) -> Score:
    """Judge what was said, at the polls at which it was asked and up to the last minute."""
    result, before = Score(), None
    for point, ask in zip(said, asked, strict=True):
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


def factor(said: float, true: float) -> float:
    """By how much a remaining time is wrong, either way."""
    said, true = max(said, 1.0), max(true, 1.0)
    return min(WORST, max(said / true, true / said))


def pooled(scores: Sequence[Score], of: Callable[[Score], Sequence[float]], part: float) -> float:
    """A quantile over several traces, in which each weighs the same, however long it is."""
    weighted = sorted(
        (value, 1 / len(values)) for one in scores if (values := of(one)) for value in values
    )
    wanted, so_far = part * sum(weight for _, weight in weighted), 0.0
    for value, weight in weighted:
        so_far += weight
        if so_far >= wanted:
            return value
    return math.nan


def share(scores: Sequence[Score], of: Callable[[Score], Sequence[bool]]) -> float:
    """The part of the polls for which it is so, each trace weighing the same."""
    parts = [statistics.fmean(values) for one in scores if (values := of(one))]
    return statistics.fmean(parts) if parts else math.nan
