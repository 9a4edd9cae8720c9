"""The budget of the forecast's accuracy."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.estimators.contest import OURS, RECORD, Contest, held, losses
from tests.benchmarks.estimators.families import EVERY
from tests.benchmarks.figure import Figure, absolute

PROCESSES = 2

BUDGETS = {
    "the first 11 kinds": (1.25, 1.8, 15.0, 2.6),
    "one mean speed": (1.25, 1.8, 12.0, 2.9),
    "changing speed": (1.45, 2.7, 27.0, 3.4),
    "all 27 further kinds": (1.35, 2.5, 22.0, 3.0),
}
"""Upper bounds for each family: median and 90th percentile of the error, percent of the ranges
without the truth, and median width."""

BROKEN = 5.0
LATE = 10.0
WRONG = 5.0
"""Upper bounds in percent: lower bounds that were none, `on track` that was late, and `will miss`
that made it."""

PUBLISHED = {
    "the first 11 kinds": 0.89,
    "one mean speed": 0.91,
    "changing speed": 0.77,
    "all 27 further kinds": 0.81,
}
"""Share of the ranges that contain the truth, as `slurper-tui help forecast` has it."""

CALIBRATION = 3.0
"""Most points by which the share may differ from the published one, on each of two seed sets."""

LOST = 15
"""Upper bound of the kinds of traces on which another program is clearly better."""


def forecast() -> Iterator[Figure]:
    """Run the contest once and yield its budgeted figures."""
    judged = held(processes=PROCESSES)
    yield from bounded(judged)
    yield from calibrated(judged, held(RECORD, tuple(EVERY), (), processes=PROCESSES))


def calibrated(*contests: Contest) -> Iterator[Figure]:
    """Yield how far the share of ranges with the truth is from the published one, at most."""
    for place, (family, kinds) in enumerate(contests[0].families()):
        shares = [contest.figures(OURS, kinds).held for contest in contests]
        off = max(abs(share - PUBLISHED[family]) for share in shares)
        what = f"{family}: share in range, from the published one, on each of two seed sets"
        yield absolute(f"calibration-{place}", what, "points", 100 * off, CALIBRATION)


def bounded(contest: Contest) -> Iterator[Figure]:
    """Yield the budgeted figures of a contest."""
    times = "\N{MULTIPLICATION SIGN}"
    for place, (family, kinds) in enumerate(contest.families()):
        mine, name = contest.figures(OURS, kinds), f"forecast-{place}"
        median, ninetieth, outside, width = BUDGETS[family]
        what = f"{family}: error of the remaining time"
        yield absolute(f"{name}-median", f"{what}, median", times, mine.median, median)
        yield absolute(f"{name}-p90", f"{what}, 90th percentile", times, mine.ninetieth, ninetieth)
        what = f"{family}: the truth is outside the shown range"
        yield absolute(f"{name}-outside", what, "%", 100 * (1 - mine.held), outside)
        what = f"{family}: width of the shown range, end over beginning, median"
        yield absolute(f"{name}-width", what, times, mine.width, width)
    mine = contest.figures(OURS)
    what = "a lower bound above zero was none"
    yield absolute("forecast-bound", what, "%", 100 * (1 - mine.bounded), BROKEN)
    what = "a job called on track was late"
    yield absolute("forecast-late", what, "%", 100 * (1 - mine.kept), LATE)
    what = "a job that would miss made it"
    yield absolute("forecast-wrong", what, "%", 100 * (1 - mine.missed), WRONG)
    yield _lost(contest)


def _lost(contest: Contest) -> Figure:
    """Return the number of kinds of traces on which the best peer is clearly better than ours."""
    lost = losses(contest)
    worst = max(lost, key=lambda name: len(lost[name]))
    named = f" ({worst}: {', '.join(lost[worst])})" if lost[worst] else ""
    what = f"kinds of traces on which another program is clearly better{named}"
    return absolute("forecast-lost", what, "kinds", len(lost[worst]), LOST)
