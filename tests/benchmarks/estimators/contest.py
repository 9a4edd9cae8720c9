"""Our estimator, those of other programs and simple formulas on all kinds of traces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product

from tests.benchmarks.estimators.families import EVERY, FAMILIES, LONG_POLL
from tests.benchmarks.estimators.judge import (
    Score,
    ours,
    pooled,
    score,
    share,
    theirs,
    with_range,
)
from tests.benchmarks.estimators.peers import PEERS, REFERENCES
from tests.benchmarks.estimators.traces import polled_every

TUNING = (11, 12, 13, 14)
"""Seeds that constants of the estimator may be chosen with."""

JUDGING = (201, 202, 203, 204, 205, 206)
"""Seeds of the published figures. No constant was chosen with them."""

RECORD = (901, 902, 903, 904)
"""Seeds that are only run to see whether the published figures hold for others."""

SEED_SETS = {"tuning": TUNING, "judging": JUDGING, "record": RECORD}

CLEARLY = 1.05
"""A median, or a 90th percentile, smaller by this factor is clearly better."""

OURS = "slurper-tui"

RANGED = "as long as remains"
RANGE_FACTOR = 1.5
"""A simple formula that gets a range too: its remaining time divided and multiplied by this."""

STALLING = "stall"
"""The kind of trace with a real stall."""

HEAD = (
    *("traces", "estimator", "median", "p90", "moved", "in range", "before it", "width"),
    *("bound", "close", "answered"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one estimator on some kinds of traces, as factors and shares of 1.

    median, ninetieth: percentiles of the error factor of the remaining time.
    moved: 95th percentile of the change of the shown finish per poll, as a share of the remaining
        time.
    held: share of the ranges that contain the true finish. early: of those it comes before.
    width: median of the range's end divided by its beginning.
    bounded: share of the lower bounds above zero that were correct.
    close: median of all lower bounds as a share of the true remaining time.
    far: share of the beginnings of ranges beyond two weeks that were correct.
    answered: share of the polls with a forecast.
    kept: share of the verdicts `on track` that made it. missed: of `will miss` that did miss.
    """

    median: float
    ninetieth: float
    moved: float
    held: float
    early: float
    width: float
    bounded: float
    close: float
    far: float
    answered: float
    kept: float
    missed: float


@dataclass(frozen=True, slots=True)
class Contest:
    """The scores of each estimator on each kind of trace."""

    scores: dict[str, dict[str, list[Score]]] = field(default_factory=dict)

    def figures(self, name: str, kinds: Sequence[str] = ()) -> Figures:
        """Return the figures of an estimator on some kinds of traces, or all, equally weighted."""
        scores = [one for kind in kinds or self.scores[name] for one in self.scores[name][kind]]
        return Figures(
            pooled(scores, lambda s: s.errors, 0.5),
            pooled(scores, lambda s: s.errors, 0.9),
            pooled(scores, lambda s: s.moves, 0.95),
            share(scores, lambda s: s.held),
            share(scores, lambda s: s.early),
            pooled(scores, lambda s: s.widths, 0.5),
            share(scores, lambda s: s.bounds),
            pooled(scores, lambda s: s.close, 0.5),
            share(scores, lambda s: s.far),
            share(scores, lambda s: s.answered),
            share(scores, lambda s: s.kept),
            share(scores, lambda s: s.missed),
        )

    def families(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the families of kinds that were run, each with its kinds."""
        for family, kinds in FAMILIES.items():
            run = [kind for kind in kinds if kind in self.scores[OURS]]
            if run:
                yield family, run

    def beaten(self, peer: str) -> list[str]:
        """Return the kinds on which a peer's median or 90th percentile is clearly better."""
        return [kind for kind in self.scores[OURS] if self._is_beaten(peer, kind)]

    def _is_beaten(self, peer: str, kind: str) -> bool:
        other, mine = self.figures(peer, [kind]), self.figures(OURS, [kind])
        return other.median * CLEARLY < mine.median or other.ninetieth * CLEARLY < mine.ninetieth

    def best(self, names: Sequence[str] = tuple(PEERS)) -> str:
        """Return the estimator with the smallest pooled median error."""
        return min(names, key=lambda name: self.figures(name).median)

    def false_stalls(self) -> int:
        """Return how often a job without a real stall was called stalled."""
        mine = self.scores[OURS]
        return sum(one.stalls for kind in mine if kind != STALLING for one in mine[kind])


def held(
    seeds: Sequence[int] = JUDGING,
    kinds: Sequence[str] = tuple(EVERY),
    references: Sequence[str] = tuple(REFERENCES),
    *,
    processes: int = 1,
) -> Contest:
    """Run our estimator and some references on every trace, at polls of 5 s and of 60 s.

    The references are scored at the polls where ours has a range.
    """
    contest = Contest({name: {kind: [] for kind in kinds} for name in (OURS, *references)})
    tasks = [(kind, seed, tuple(references)) for kind, seed in product(kinds, seeds)]
    if processes == 1:
        results = list(map(_run, tasks))
    else:
        with ProcessPoolExecutor(processes) as pool:
            results = list(pool.map(_run, tasks))
    for (kind, _, _), scores in zip(tasks, results, strict=True):
        for name, one in scores:
            contest.scores[name][kind].append(one)
    return contest


def _run(task: tuple[str, int, tuple[str, ...]]) -> list[tuple[str, Score]]:
    """Score one trace at both intervals."""
    kind, seed, references = task
    whole, scores = EVERY[kind](seed), list[tuple[str, Score]]()
    few = polled_every(whole, LONG_POLL)
    for trace in [few] if len(few.polls) == len(whole.polls) else [whole, few]:
        forecasts, words = ours(trace)
        scores.append((OURS, score(trace, forecasts, [True] * len(forecasts), words)))
        asked = [point is not None and not point.at_least for point in forecasts]
        for name in references:
            said = theirs(REFERENCES[name](), trace)
            said = with_range(said, RANGE_FACTOR) if name == RANGED else said
            scores.append((name, score(trace, said, asked)))
    return scores


def table(contest: Contest, *, each_kind: bool = False) -> Iterator[str]:
    """Yield a Markdown table of every estimator on every family, or on each kind of trace."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    kinds = [(kind, [kind]) for kind in contest.scores[OURS]] if each_kind else []
    for title, some in [*kinds, *contest.families()]:
        for name in contest.scores:
            yield _row(title, name, contest.figures(name, some))


def words(contest: Contest) -> Iterator[str]:
    """Yield what the verdicts and the word `stalled` were worth."""
    for family, kinds in contest.families():
        figures = contest.figures(OURS, kinds)
        yield (
            f"{family}: on track made it {_percent(figures.kept)}, "
            f"will miss was wrong {_percent(1 - figures.missed)}"
        )
    far = contest.figures(OURS).far
    yield f"beginnings of ranges beyond two weeks that were correct: {_percent(far)}"
    yield f"stalled without a stall: {contest.false_stalls()}"


def summary(contest: Contest) -> Iterator[str]:
    """Yield the lines of our figures as `slurper-tui help forecast` has them."""
    for family, kinds in contest.families():
        mine = contest.figures(OURS, kinds)
        yield (
            f"    {family:<32}{mine.median:.2f}      {mine.ninetieth:.2f}"
            f"{mine.held:>11.0%}     {mine.width:.2f}"
        )


def _row(title: str, name: str, figures: Figures) -> str:
    cells = (
        title,
        name,
        _factor(figures.median),
        _factor(figures.ninetieth),
        _percent(figures.moved),
        _percent(figures.held),
        _percent(figures.early),
        _factor(figures.width),
        _percent(figures.bounded),
        _percent(figures.close),
        _percent(figures.answered),
    )
    return f"| {' | '.join(cells)} |"


def _factor(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}\N{MULTIPLICATION SIGN}"


def _percent(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.1%}" if value < 10 else "over 1,000%"


def losses(contest: Contest) -> Mapping[str, list[str]]:
    """Return for each program the kinds of traces on which it is clearly better than ours."""
    return {name: contest.beaten(name) for name in contest.scores if name in PEERS}
