from __future__ import annotations

import math
from importlib.resources import files
from itertools import pairwise

import pytest

from slurper_tui.monitor.model.job import Counts
from tests.benchmarks.estimators.contest import (
    OURS,
    SEED_SETS,
    Contest,
    held,
    losses,
    summary,
    table,
    words,
)
from tests.benchmarks.estimators.families import EVERY, FAMILIES
from tests.benchmarks.estimators.figures import PUBLISHED, bounded, calibrated
from tests.benchmarks.estimators.judge import Point, Score, factor, ours, pooled, score, theirs
from tests.benchmarks.estimators.peers import PEERS, REFERENCES
from tests.benchmarks.estimators.together import BANDWIDTH, judged, trio
from tests.benchmarks.estimators.traces import HOUR, KINDS, Poll, Trace, polled_every

HELP = files("slurper_tui") / "help" / "forecast.txt"

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
    forecasts, _ = ours(trace)
    result = score(trace, forecasts, [True] * len(trace.polls))
    assert all(result.held)
    assert pooled([result], lambda s: s.errors, 0.9) < 1.4


@pytest.mark.parametrize("kind", EVERY)
def test_a_trace_is_a_possible_job(kind: str) -> None:
    trace = EVERY[kind](7)
    assert trace == EVERY[kind](7)
    assert trace.finish >= trace.polls[-1].at - 1
    last = trace.polls[0]
    for poll in trace.polls[1:]:
        assert poll.at > last.at
        assert (poll.counts.done or 0) >= (last.counts.done or 0)
        assert (poll.counts.objects or 0) >= (last.counts.objects or 0)
        assert (poll.counts.done or 0) <= (poll.counts.objects or 0)
        last = poll


def test_there_are_27_further_kinds_and_no_seed_is_in_two_sets() -> None:
    assert [len(kinds) for kinds in FAMILIES.values()] == [11, 10, 14, 27]
    assert len(EVERY) == 38
    seeds = [seed for some in SEED_SETS.values() for seed in some]
    assert len(set(seeds)) == len(seeds)


def test_fewer_polls_keep_the_last_of_a_gap() -> None:
    trace = polled_every(KINDS["outage"](7), 60.0)
    spans = [b.at - a.at for a, b in pairwise(trace.polls)]
    assert all(span >= 59.0 for span in spans)
    assert sum(poll.after_gap for poll in trace.polls) == 1
    assert max(spans) >= HOUR


def test_an_error_factor_is_symmetric() -> None:
    assert factor(200, 100) == factor(100, 200) == 2
    assert factor(0, 100) == factor(math.inf, 100) == 100


def test_a_missed_range_and_a_broken_bound_are_counted() -> None:
    trace = even()
    wrong = [Point(p.at, p.at + 9000, p.at + 8000, p.at + 10_000) for p in trace.polls]
    result = score(trace, wrong, [True] * len(wrong))
    assert not any(result.held)
    assert all(result.early)
    assert pooled([result], lambda s: s.errors, 0.5) > 3
    early = [Point(p.at, 0, p.at + 8000, math.inf, at_least=True) for p in trace.polls]
    assert not any(score(trace, early, [True] * len(early)).bounds)


def test_a_bound_of_zero_is_no_bound_but_not_close() -> None:
    trace = even()
    zero = [Point(p.at, p.at, p.at, math.inf, at_least=True) for p in trace.polls]
    result = score(trace, zero, [True] * len(zero))
    assert result.bounds == []
    assert set(result.close) == {0.0}


def test_the_beginning_of_a_range_beyond_two_weeks_is_judged_alone() -> None:
    trace = even()
    far = [Point(p.at, p.at + 9e5, p.at + at, p.at + 2e6) for at in (60, 9e5) for p in trace.polls]
    for points, right in ((far[: len(far) // 2], True), (far[len(far) // 2 :], False)):
        assert set(score(trace, points, [True] * len(points)).far) == {right}


def test_verdicts_and_stalls_are_judged_as_shown() -> None:
    trace = even()
    _, words = ours(trace)
    assert words.kept
    assert all(words.kept)
    assert words.missed
    assert all(words.missed)
    assert words.stalls == 0
    _, words = ours(KINDS["stall"](7))
    assert words.stalls == 1


def test_a_worse_estimator_loses_and_fails() -> None:
    bad, good = Score(errors=[6.0] * 9), Score(errors=[1.1] * 9)
    for one in (bad, good):
        one.moves.extend([0.5] * 9)
        one.widths.extend([9.0] * 9)
        one.answered.extend([True] * 9)
        for some in (one.held, one.bounds, one.kept, one.missed):
            some.extend([False] * 9)
    scores = {name: {kind: [good] for kind in EVERY} for name in PEERS}
    contest = Contest({OURS: {kind: [bad] for kind in EVERY}, **scores})
    assert losses(contest)["tqdm"] == list(EVERY)
    assert [figure.name for figure in bounded(contest) if figure.ok] == []


def test_a_share_far_from_the_published_one_fails() -> None:
    [figure] = calibrated(
        *(Contest({OURS: {"steady": [Score(held=[True] * n + [False])]}}) for n in (9, 1))
    )
    assert figure.measured == pytest.approx(100 * (PUBLISHED["the first 11 kinds"] - 0.5))
    assert not figure.ok


def test_the_help_has_the_published_shares() -> None:
    rows = [line.split() for line in HELP.read_text("utf-8").splitlines()]
    shares = {" ".join(row[:-4]): row[-2] for row in rows if len(row) > 4}
    assert {name: shares.get(name) for name in FAMILIES} == {
        name: f"{share:.0%}" for name, share in PUBLISHED.items()
    }


def test_a_smaller_90th_percentile_is_clearly_better() -> None:
    mine, other = Score(errors=[1.1] * 9 + [3.0] * 3), Score(errors=[1.1] * 9 + [2.0] * 3)
    contest = Contest({OURS: {"steady": [mine]}, "tqdm": {"steady": [other]}})
    assert contest.beaten("tqdm") == ["steady"]


def test_the_table_has_a_row_for_each_estimator_on_each_family() -> None:
    contest = held([7], ["stall", "noisy"])
    rows = list(table(contest))
    assert len(rows) == 2 + 3 * (1 + len(REFERENCES))
    assert len(list(table(contest, each_kind=True))) == len(rows) + 2 * (1 + len(REFERENCES))
    assert len(list(words(contest))) == 5
    assert [line.split()[0] for line in summary(contest)] == ["the", "one", "all"]


def test_three_jobs_at_a_time_are_judged_alone_and_together() -> None:
    for shared in (True, False):
        jobs = trio(7, shared=shared)
        total = sum(job.polls[-1].counts.objects or 0 for job in jobs)
        mean = total / max(job.finish for job in jobs)
        assert (mean == pytest.approx(BANDWIDTH, rel=0.25)) is shared
        few = [polled_every(job, 300.0) for job in jobs]
        for together in (True, False):
            assert all(any(one.held) for one in judged(few, together=together))
