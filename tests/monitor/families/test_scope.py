"""Prefixes that overlap, and jobs that were done all over again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.model.events import Tie
from slurper_tui.monitor.model.job import Counts, JobView, State
from slurper_tui.monitor.reports.migrations import family
from tests.monitor.families.jobs import job, keys_of, retry, tied, when


def pairs(*jobs: JobView, ties: tuple[Tie, ...] = ()) -> list[tuple[str, str]]:
    found = family(jobs, ties).overlaps
    return sorted((pair.inner.job_id, pair.outer.job_id) for pair in found)


def test_prefixes_of_which_one_begins_the_other_overlap() -> None:
    assert pairs(job(1, prefix="2024/"), job(2, prefix="2024/01/")) == [("job0002", "job0001")]
    assert pairs(job(1, prefix="2024/01/"), job(2, prefix="2024/")) == [("job0001", "job0002")]
    assert len(pairs(job(1, prefix="2024/"), job(2, prefix="2024/"))) == 1
    assert pairs(job(1, prefix="2024/"), job(2, prefix="2023/")) == []


def test_a_job_of_everything_overlaps_all() -> None:
    jobs = [job(1, prefix=None), job(2, prefix="a/"), job(3, prefix="b/")]
    assert pairs(*jobs) == [("job0002", "job0001"), ("job0003", "job0001")]


def test_retries_and_lists_of_keys_overlap_nothing() -> None:
    assert pairs(job(1, prefix=None), keys_of(job(2), 3)) == []
    again = job(2, prefix="2024/")
    assert pairs(job(1, prefix="2024/"), again, ties=(tied(again, job(1, prefix="2024/")),)) == []


def test_what_ran_one_after_the_other_is_no_overlap() -> None:
    first = when(job(1, "aborted", prefix="a/"), -9, -5)
    later = when(job(2, "aborted", prefix="a/b/"), -4, -3)
    assert pairs(first, later) == []
    assert len(pairs(first, when(later, -6, -3))) == 1


def test_while_a_job_is_live_those_that_ended_both_are_past() -> None:
    first = when(job(1, "aborted", prefix="a/"), -9, -5)
    later = when(job(2, "aborted", prefix="a/b/"), -6, -3)
    assert len(pairs(first, later)) == 1
    assert pairs(first, later, job(3, prefix="c/")) == []
    assert len(pairs(first, later, when(job(3, prefix="a/b/c/"), -6))) == 2


@given(st.lists(st.text("ab/", max_size=4), min_size=1, max_size=7))
def test_overlaps_are_just_the_pairs_of_which_one_begins_the_other(prefixes: list[str]) -> None:
    jobs = [job(n, prefix=prefix or None) for n, prefix in enumerate(prefixes)]
    found = {frozenset((p.inner, p.outer)) for p in family(jobs).overlaps}
    wanted = {
        frozenset((one.key, other.key))
        for n, one in enumerate(jobs)
        for m, other in enumerate(jobs)
        if n != m and prefixes[n].startswith(prefixes[m])
    }
    assert found == wanted
    assert len(family(jobs).overlaps) == len(wanted)


def test_a_job_that_was_done_all_over_again_is_not_counted() -> None:
    lost = when(job(1, "aborted", prefix="a/", counts=Counts(1000, 500, 0, 7)), -9, -5)
    again = when(job(2, "completed", prefix="a/", counts=Counts(1000, 500, 500, 0)), -4, -1)
    other = when(job(3, "completed", prefix="b/", counts=Counts(100, 100, 0, 0)), -9, -1)
    found = family([lost, again, other])
    assert found.superseded == {lost.key}
    assert found.counted == (again, other)
    assert found.counts == Counts(1100, 600, 500, 0)
    assert (found.percent, found.state) == (100, State.COMPLETED)
    wider = when(job(4, prefix=None), -4)
    assert family([lost, wider]).superseded == {lost.key}


@pytest.mark.parametrize(
    "later",
    [
        when(job(2, "aborted", prefix="a/"), -4, -1),
        when(job(2, "running", prefix="a/b/"), -4),
        when(job(2, "running", prefix="a/"), -6),
        when(keys_of(job(2), 10), -4),
        when(job(2, gone=True, prefix="a/"), -4),
    ],
)
def test_it_is_counted_while_nothing_does_all_of_it_again(later: JobView) -> None:
    first = when(job(1, "completed", prefix="a/"), -9, -5)
    assert family([first, later]).superseded == frozenset()


def test_with_a_job_its_retries_are_superseded() -> None:
    first = when(job(1, "completed", prefix="a/", counts=Counts(1000, 990, 0, 10)), -9, -5)
    child = when(retry(2, Counts(10, 5, 0, 5)), -4.9, -4.8)
    second = when(retry(3, Counts(5, 5, 0, 0)), -4.7, -4.6)
    again = when(job(4, "completed", prefix="a/", counts=Counts(1001, 1, 1000, 0)), -4, -1)
    ties = (tied(second, child), tied(child, first))
    found = family([first, child, second, again], ties)
    assert found.superseded == {first.key, child.key, second.key}
    assert found.counts == Counts(1001, 1, 1000, 0)
    assert found.verdict is not None
    assert "after retries" not in found.verdict.text
