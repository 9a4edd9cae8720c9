"""The budget of the forecast's accuracy."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.estimators.contest import OURS, Contest, held, losses
from tests.benchmarks.figure import Figure, absolute

MEDIAN_ERROR = 1.25
NINETIETH_ERROR = 1.9
MOVED = 2.0
OUTSIDE = 20.0
WIDTH = 2.5
BROKEN = 10.0
LOST = 1
"""Upper bounds: factors, percent and kinds of traces."""


def forecast() -> Iterator[Figure]:
    """Run the contest once and yield its budgeted figures."""
    yield from bounded(held())


def bounded(contest: Contest) -> Iterator[Figure]:
    """Yield the budgeted figures of a contest."""
    mine, best = contest.figures(OURS), contest.best_peer()
    beside = f"{best} {contest.figures(best).median:.2f}"
    times = "\N{MULTIPLICATION SIGN}"
    what = f"error of the remaining time, median (best other: {beside})"
    yield absolute("forecast-median", what, times, mine.median, MEDIAN_ERROR)
    what = "error of the remaining time, 90th percentile"
    yield absolute("forecast-p90", what, times, mine.ninetieth, NINETIETH_ERROR)
    what = "the finish moves per poll, 95th percentile"
    yield absolute("forecast-moved", what, "%", 100 * mine.moved, MOVED)
    what = "the truth is outside the range"
    yield absolute("forecast-outside", what, "%", 100 * (1 - mine.held), OUTSIDE)
    what = "width of the range, end over beginning, median"
    yield absolute("forecast-width", what, times, mine.width, WIDTH)
    what = "a lower bound while listing was none"
    yield absolute("forecast-bound", what, "%", 100 * (1 - mine.bounded), BROKEN)
    yield _lost(contest)


def _lost(contest: Contest) -> Figure:
    """Return the number of kinds of traces on which the best peer is clearly better than ours."""
    lost = losses(contest)
    worst = max(lost, key=lambda name: len(lost[name]))
    named = f" ({worst}: {', '.join(lost[worst])})" if lost[worst] else ""
    what = f"kinds of traces on which another program is clearly better{named}"
    return absolute("forecast-lost", what, "kinds", len(lost[worst]), LOST)
