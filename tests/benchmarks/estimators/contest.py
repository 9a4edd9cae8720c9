"""Our estimator and those of other programs on all kinds of traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.estimators.judge import Score, ours, pooled, score, share, theirs
from tests.benchmarks.estimators.peers import PEERS, REFERENCES
from tests.benchmarks.estimators.traces import KINDS

SEEDS = (201, 202, 203, 204, 205, 206)
"""None of them was used when the constants of the estimator were chosen."""

CLEARLY = 1.05
"""A median error smaller by this factor is clearly better."""

OURS = "slurper-tui"

HEAD = ("trace", "estimator", "median", "p90", "moved", "in range", "width", "bound", "answered")


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one estimator on one kind of trace or on all, as factors and shares of 1.

    median, ninetieth: percentiles of the error factor of the remaining time.
    moved: 95th percentile of the change of the finish per poll, as a share of the remaining time.
    held: share of the ranges that contain the true finish.
    width: median of the range's end divided by its beginning.
    bounded: share of the lower bounds that were correct.
    answered: share of the polls with a forecast.
    """

    median: float
    ninetieth: float
    moved: float
    held: float
    width: float
    bounded: float
    answered: float


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
            pooled(scores, lambda s: s.widths, 0.5),
            share(scores, lambda s: s.bounds),
            share(scores, lambda s: s.answered),
        )

    def beaten(self, peer: str) -> list[str]:
        """Return the kinds of traces on which a peer's median error is clearly better than ours."""
        return [
            kind
            for kind in self.scores[OURS]
            if self.figures(peer, [kind]).median * CLEARLY < self.figures(OURS, [kind]).median
        ]

    def best_peer(self) -> str:
        """Return the program with the smallest pooled median error."""
        return min(PEERS, key=lambda name: self.figures(name).median)


def held(seeds: Sequence[int] = SEEDS, kinds: Sequence[str] = tuple(KINDS)) -> Contest:
    """Run every estimator on every trace; all are scored at the polls where ours has a range."""
    contest = Contest({name: {kind: [] for kind in kinds} for name in (OURS, *REFERENCES)})
    for kind in kinds:
        for seed in seeds:
            trace = KINDS[kind](seed)
            forecasts = ours(trace)
            asked = [point is not None for point in forecasts]
            contest.scores[OURS][kind].append(score(trace, forecasts, asked))
            for name, make in REFERENCES.items():
                scored = score(trace, theirs(make(), trace), asked)
                contest.scores[name][kind].append(scored)
    return contest


def table(contest: Contest) -> Iterator[str]:
    """Yield a Markdown table of every estimator on every kind of trace."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    for kind in (*contest.scores[OURS], ""):
        kinds = [kind] if kind else list(contest.scores[OURS])
        for name in (OURS, *REFERENCES):
            yield _row(kind or "all", name, contest.figures(name, kinds))


def _row(kind: str, name: str, figures: Figures) -> str:
    cells = (
        kind,
        name,
        _factor(figures.median),
        _factor(figures.ninetieth),
        _percent(figures.moved),
        _percent(figures.held),
        _factor(figures.width),
        _percent(figures.bounded),
        _percent(figures.answered),
    )
    return f"| {' | '.join(cells)} |"


def _factor(value: float) -> str:
    return "" if value != value else f"{value:.2f}\N{MULTIPLICATION SIGN}"


def _percent(value: float) -> str:
    if value != value:
        return ""
    return f"{value:.1%}" if value < 10 else "over 1,000%"


def losses(contest: Contest) -> Mapping[str, list[str]]:
    """Return for each program the kinds of traces on which it is clearly better than ours."""
    return {name: contest.beaten(name) for name in PEERS}
