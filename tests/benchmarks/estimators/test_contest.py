from __future__ import annotations

import math

import pytest

from slurper_tui.monitor.model.job import Counts
from tests.benchmarks.estimators.contest import OURS, Contest, held, losses, table
from tests.benchmarks.estimators.figures import bounded
from tests.benchmarks.estimators.judge import Point, Score, factor, ours, pooled, score, theirs
from tests.benchmarks.estimators.peers import PEERS, REFERENCES
from tests.benchmarks.estimators.traces import KINDS, Poll, Trace

pytestmark = pytest.mark.no_cover  # long spans of virtual time, which coverage would double


def even(polls: int = 600, rate: int = 10) -> Trace:
    """Return a job of constant speed that ends at the last poll."""
    total = rate * 5 * polls
    polls_made = [Poll(5.0 * n, Counts(total, rate * 5 * n, 0, 0)) for n in range(polls)]
    return Trace("even", 0, tuple(polls_made), 5.0 * polls)


@pytest.mark.parametrize("name", REFERENCES)
def test_every_estimator_predicts_a_job_of_constant_speed(name: str) -> None:
    trace = even()
    said = theirs(REFERENCES[name](), trace)
    late = [point for point in said[20:-20] if point is not None]
    assert len(late) == len(said) - 40
    assert [p.finish for p in late] == pytest.approx([trace.finish] * len(late), rel=0.01)


def test_our_estimator_predicts_a_job_of_constant_speed() -> None:
    trace = even()
    result = score(trace, ours(trace), [True] * len(trace.polls))
    assert all(result.held)
    assert pooled([result], lambda s: s.errors, 0.9) < 1.25


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_is_a_possible_job(kind: str) -> None:
    trace = KINDS[kind](7)
    assert trace == KINDS[kind](7)
    assert trace.finish >= trace.polls[-1].at - 1
    last = trace.polls[0]
    for poll in trace.polls[1:]:
        assert poll.at > last.at
        assert (poll.counts.done or 0) >= (last.counts.done or 0)
        assert (poll.counts.objects or 0) >= (last.counts.objects or 0)
        assert (poll.counts.done or 0) <= (poll.counts.objects or 0)
        last = poll


def test_an_error_factor_is_symmetric() -> None:
    assert factor(200, 100) == factor(100, 200) == 2
    assert factor(0, 100) == factor(math.inf, 100) == 100


def test_a_missed_range_and_a_broken_bound_are_counted() -> None:
    trace = even()
    wrong = [Point(p.at, p.at + 9000, p.at + 9000, p.at + 8000, p.at + 10_000) for p in trace.polls]
    result = score(trace, wrong, [True] * len(wrong))
    assert not any(result.held)
    assert pooled([result], lambda s: s.errors, 0.5) > 3
    early = [Point(p.at, 0, 0, p.at + 8000, math.inf, at_least=True) for p in trace.polls]
    assert not any(score(trace, early, [True] * len(early)).bounds)


def test_a_worse_estimator_loses_and_fails() -> None:
    bad, good = Score(errors=[3.0] * 9), Score(errors=[1.1] * 9)
    for one in (bad, good):
        one.moves.extend([0.5] * 9)
        one.held.extend([False] * 9)
        one.widths.extend([9.0] * 9)
        one.bounds.extend([False] * 9)
        one.answered.extend([True] * 9)
    scores = {name: {kind: [good] for kind in KINDS} for name in PEERS}
    contest = Contest({OURS: {kind: [bad] for kind in KINDS}, **scores})
    assert losses(contest)["tqdm"] == list(KINDS)
    assert [figure.name for figure in bounded(contest) if figure.ok] == []


def test_the_table_has_a_row_for_each_estimator_on_each_trace() -> None:
    contest = held([7], ["stall"])
    assert len(list(table(contest))) == 2 + 2 * (1 + len(REFERENCES))
