"""Scores of an estimator on one trace, and their summary over many."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from slurper_tui.api.models import Job, Progress
from slurper_tui.eta_format import TOO_FAR
from slurper_tui.monitor.estimate.deadline import OutlookState, outlook_of
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Forecast, JobView, Phase, shown_forecast
from slurper_tui.monitor.polling.job_tracker import JobTrack
from tests.benchmarks.estimators.peers import Peer
from tests.benchmarks.estimators.traces import Trace

CREATED = 1_767_225_600.0
"""Creation of every job, UTC seconds."""

CREATED_AT = "2026-01-01T00:00:00Z"

LAST_SECONDS = 60.0
"""Seconds before the finish in which forecasts are not scored."""

WORST = 100.0
"""Upper bound of an error factor."""

DEADLINES = (0.75, 0.85, 0.95, 1.05, 1.15, 1.3)
"""Deadlines of the verdicts, as parts of the time from the creation to the finish."""

WORD_POLLS = 12
"""Verdicts are judged at each poll of this number."""


@dataclass(frozen=True, slots=True)
class Point:
    """The forecast at a poll. Times are seconds since the job was created.

    finish: the scored point; for our estimator the middle of the displayed range.
    low, high: the displayed range.
    at_least: whether `low` is a lower bound alone.
    """

    at: float
    finish: float
    low: float = math.nan
    high: float = math.nan
    at_least: bool = False


@dataclass(slots=True)
class Score:
    """The scores of one estimator on one trace.

    errors: factors of the remaining time.
    moves: change of the scored finish per poll, as a share of the remaining time.
    held: whether the true finish is in the range.
    early, late: whether the true finish lies before the range, and behind it.
    widths: the range's end divided by its beginning, as remaining times.
    bounds: whether the true finish is at least the lower bound; without bounds of zero.
    close: lower bounds as a share of the true remaining time, bounds of zero included.
    far: the same of ranges that end so late that only their beginning is shown (`> 2 weeks`).
    answered: whether there was a forecast at a scored poll.
    kept, missed: whether `on track` made it, and whether `will miss` did miss.
    stalls: how often the job was called stalled.
    """

    errors: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    early: list[bool] = field(default_factory=list)
    late: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    bounds: list[bool] = field(default_factory=list)
    close: list[float] = field(default_factory=list)
    far: list[bool] = field(default_factory=list)
    answered: list[bool] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    missed: list[bool] = field(default_factory=list)
    stalls: int = 0


def seen(trace: Trace) -> list[JobView]:
    """Return what the monitor shows of the job after each poll."""
    track, views = JobTrack("account", Job(id="job", status="running")), list[JobView]()
    spans = [b.at - a.at for a, b in zip(trace.polls, trace.polls[1:], strict=False)]
    interval = statistics.median(spans) if spans else 5.0
    for poll in trace.polls:
        progress = Progress(
            status=poll.status,
            created_at=CREATED_AT,
            objects=poll.counts.objects,
            transferred_objects=poll.counts.transferred,
            skipped_objects=poll.counts.skipped,
            failed_objects=poll.counts.failed,
        )
        track.update(progress, Moment(poll.at, CREATED + poll.at), interval=interval)
        views.append(track.view)
    return views


def ours(trace: Trace) -> tuple[list[Point | None], Score]:
    """Return the monitor's forecast at each poll, and the score of its words."""
    points, words, stalled = list[Point | None](), Score(), False
    for place, (poll, view) in enumerate(zip(trace.polls, seen(trace), strict=True)):
        shown = shown_forecast(view)
        points.append(None if shown is None else _point(poll.at, shown))
        if place % WORD_POLLS == 0 and view.status == "running":
            _judge_words(words, trace, view, poll.at)
        words.stalls += view.phase is Phase.STALLED and not stalled
        stalled = view.phase is Phase.STALLED
    return points, words


def _judge_words(words: Score, trace: Trace, view: JobView, at: float) -> None:
    for part in DEADLINES:
        deadline = part * trace.finish
        if deadline <= at or trace.finish - at < LAST_SECONDS:
            continue
        state = outlook_of(view, CREATED + deadline, CREATED + at).state
        if state is OutlookState.ON_TRACK:
            words.kept.append(trace.finish <= deadline)
        elif state is OutlookState.WILL_MISS:
            words.missed.append(trace.finish > deadline)


def _point(at: float, shown: Forecast) -> Point:
    low, high = shown.low - CREATED, shown.high - CREATED
    finish = at + shown.seconds
    return Point(at, finish, low, high, shown.at_least)


def theirs(peer: Peer, trace: Trace) -> list[Point | None]:
    """Return another estimator's forecast at each poll."""
    points = list[Point | None]()
    for poll in trace.polls:
        done, total = poll.counts.done, poll.counts.objects
        left = peer(poll.at, done or 0, total or 1)
        points.append(None if left is None else Point(poll.at, poll.at + left))
    return points


def with_range(points: Sequence[Point | None], by: float) -> list[Point | None]:
    """Return the points with a range from the remaining time divided by `by` to its multiple."""
    return [
        None
        if point is None
        else replace(
            point,
            low=point.at + (point.finish - point.at) / by,
            high=point.at + (point.finish - point.at) * by,
        )
        for point in points
    ]


def score(
    trace: Trace, points: Sequence[Point | None], asked: Sequence[bool], words: Score | None = None
) -> Score:
    """Score the forecasts at the `asked` polls, up to the last minute, and add them to `words`."""
    result, before = words or Score(), None
    for point, ask in zip(points, asked, strict=True):
        if ask:
            result.answered.append(point is not None)
        if point is None or not ask or trace.finish - point.at < LAST_SECONDS:
            before = None
        elif point.at_least:
            left = trace.finish - point.at
            if point.low > point.at:
                result.bounds.append(point.low <= trace.finish)
            result.close.append(max(0.0, point.low - point.at) / left)
            before = None
        else:
            _judge(result, trace, point, before)
            before = point
    return result


def _judge(result: Score, trace: Trace, point: Point, before: Point | None) -> None:
    left = trace.finish - point.at
    result.errors.append(factor(point.finish - point.at, left))
    if before is not None:
        result.moves.append(abs(point.finish - before.finish) / left)
    if not math.isnan(point.low):
        result.held.append(point.low <= trace.finish <= point.high)
        result.early.append(trace.finish < point.low)
        result.late.append(trace.finish > point.high)
        if point.high - point.at > TOO_FAR and point.low > point.at:
            result.far.append(point.low <= trace.finish)
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
