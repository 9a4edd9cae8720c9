"""Retried keys and overlapping prefixes are counted once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.objects import ListedObject
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.job import Counts, JobView, State
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.monitor.reports.retries import found_after_all
from tests.monitor.reports.family_jobs import (
    ARCHIVED,
    FAILED,
    PARENT,
    job,
    keys_of,
    retry,
    tied,
    when,
)


def test_retry_adds_no_objects_and_reduces_the_failed_ones() -> None:
    child = retry(2, Counts(10, 7, 0, 3))
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.view.counts == Counts(1000, 997, 0, 3)
    assert found.view.verdict is not None
    assert found.view.verdict.text == "completed · 3 failed after retries · 0 unaccounted"
    assert not found.view.verdict.clean
    assert found.view.state is State.COMPLETED_WITH_LOSS


def test_a_retry_of_a_retry_makes_the_family_whole() -> None:
    first, second = retry(2, Counts(10, 7, 0, 3)), retry(3, Counts(3, 3, 0, 0))
    links = (tied(first, PARENT), tied(second, first))
    found = family([PARENT, first, second], links)
    assert found.view.counts == Counts(1000, 1000, 0, 0)
    assert (found.view.percent, found.view.state) == (100, State.COMPLETED)
    assert found.view.verdict is not None
    assert found.view.verdict.clean
    assert found.view.verdict.text == "completed · 0 failed after retries · 0 unaccounted"


def test_objects_skipped_by_a_retry_are_not_failed() -> None:
    child = retry(2, Counts(10, 6, 3, 1))
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.view.counts == Counts(1000, 996, 3, 1)


def test_retry_of_skipped_objects_reduces_not_copied() -> None:
    parent = job(1, "completed", counts=Counts(1000, 900, 90, 10), not_copied=37)
    child = retry(2, Counts(30, 20, 6, 4))
    found = family([parent, child], (tied(child, parent, ARCHIVED),))
    assert found.view.counts == Counts(1000, 920, 66, 14)
    assert found.view.verdict is not None
    assert found.view.verdict.not_copied == 37 - 20 - 4


def test_a_retry_of_both_kinds_copies_the_failed_first() -> None:
    parent = job(1, "completed", counts=Counts(1000, 900, 90, 10), not_copied=37)
    child = retry(2, Counts(47, 15, 32, 0))
    found = family([parent, child], (tied(child, parent, FAILED, ARCHIVED),))
    assert found.view.counts == Counts(1000, 915, 85, 0)
    assert found.view.verdict is not None
    assert found.view.verdict.not_copied == 32


def test_a_retry_under_way_keeps_its_family_from_being_over() -> None:
    child = retry(2, Counts(10, 4, 0, 0), "running")
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.view.counts == Counts(1000, 994, 0, 6)
    assert (found.view.percent, found.view.verdict, found.view.state) == (99, None, State.RUNNING)


def test_retry_without_counts_changes_nothing() -> None:
    child = keys_of(job(2, counts=Counts(), percent=None), 10)
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.view.counts == PARENT.counts


def test_a_retry_that_was_aborted_is_named_and_leaves_its_failures() -> None:
    child = retry(2, Counts(10, 4, 0, 0), "aborted")
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.view.verdict is not None
    assert found.view.verdict.text == (
        "completed · 6 failed after retries · 0 unaccounted · 1 retry aborted"
    )


def test_list_of_keys_without_a_parent_is_its_own_job() -> None:
    other = retry(2, Counts(10, 10, 0, 0))
    assert family([PARENT, other]).view.counts.objects == 1010
    gone = RetryLink(other.key, job(9).key, 10)
    assert family([PARENT, other], (gone,)).view.counts.objects == 1010


def test_duplicate_and_cyclic_links_are_ignored() -> None:
    child = retry(2, Counts(10, 7, 0, 3))
    link, back = tied(child, PARENT), tied(PARENT, child)
    self_made = RetryLink(PARENT.key, PARENT.key, 1)
    found = family([PARENT, child], (self_made, link, link, back))
    assert found.view.counts == Counts(1000, 997, 0, 3)
    assert found.retries == {child.key: PARENT.key}


FIRST = retry(2, Counts(10, 9, 0, 1))


def over(one: JobView, *, overwrite: bool) -> JobView:
    return replace(one, job=replace(one.job, overwrite=overwrite))


@pytest.mark.parametrize(
    ("first", "second", "failed"),
    [
        (FIRST, over(retry(3, Counts(10, 1, 9, 0)), overwrite=False), 0),
        (FIRST, over(retry(3, Counts(10, 0, 9, 1)), overwrite=False), 1),
        (FIRST, over(retry(3, Counts(10, 10, 0, 0)), overwrite=True), 0),
        (FIRST, over(retry(3, Counts(10, 9, 0, 1)), overwrite=True), 1),
        (FIRST, over(retry(3, Counts(10, 3, 0, 7)), overwrite=True), 1),
        (
            retry(2, Counts(10, 4, 0, 0), "aborted"),
            over(retry(3, Counts(10, 6, 4, 0)), overwrite=False),
            0,
        ),
        (
            retry(2, Counts(10, 4, 0, 0), "aborted"),
            over(retry(3, Counts(10, 5, 4, 1)), overwrite=False),
            1,
        ),
    ],
)
def test_the_same_failures_tried_twice_are_no_more_than_once_made_good(
    first: JobView, second: JobView, failed: int
) -> None:
    found = family([PARENT, first, second], (tied(first, PARENT), tied(second, PARENT)))
    assert found.view.counts.failed == failed
    assert found.view.counts.done == 1000
    assert found.view.verdict is not None
    assert found.view.verdict.clean is (failed == 0)


def test_failures_divided_among_several_retries_and_all_of_them_tried_once_more() -> None:
    halves = [retry(2, Counts(5, 4, 0, 1)), retry(3, Counts(5, 4, 0, 1))]
    links = [tied(half, PARENT) for half in halves]
    assert family([PARENT, *halves], links).view.counts.failed == 2
    again = [over(retry(n, Counts(5, 0, 4, 1)), overwrite=False) for n in (4, 5)]
    more = [tied(half, PARENT) for half in again]
    assert family([PARENT, *halves, *again], [*links, *more]).view.counts.failed == 2
    good = [over(retry(n, Counts(5, 5, 0, 0)), overwrite=True) for n in (4, 5)]
    assert family([PARENT, *halves, *good], [*links, *more]).view.counts.failed == 0


def test_retry_does_not_reduce_failures_of_another_job() -> None:
    other = job(7, "completed", counts=Counts(100, 90, 0, 10), not_copied=0)
    twice = [over(retry(n, Counts(10, 10, 0, 0)), overwrite=True) for n in (2, 3)]
    links = [tied(one, PARENT) for one in twice]
    assert family([PARENT, other, *twice], links).view.counts == Counts(1100, 1090, 0, 10)


def test_skipped_objects_retried_twice_count_once() -> None:
    parent = job(1, "completed", counts=Counts(100, 50, 50, 0), not_copied=5)
    first = retry(2, Counts(5, 3, 0, 2))
    second = over(retry(3, Counts(5, 1, 3, 1)), overwrite=False)
    links = [tied(one, parent, ARCHIVED) for one in (first, second)]
    found = family([parent, first, second], links)
    assert found.view.counts == Counts(100, 54, 45, 1)
    assert found.view.not_copied == 0


numbers = st.integers(0, 50)


@given(
    st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=4),
    st.lists(
        st.tuples(numbers, numbers, numbers, st.sampled_from([(FAILED,), (ARCHIVED,), ()])),
        max_size=4,
    ),
)
def test_each_object_is_counted_once_whatever_was_retried(
    roots: list[tuple[int, int, int]], retries: list[tuple[int, int, int, tuple[str, ...]]]
) -> None:
    jobs = [job(n, "completed", counts=Counts(sum(c) or 1, *c)) for n, c in enumerate(roots)]
    children = [
        retry(100 + n, Counts(a + b + c, a, b, c)) for n, (a, b, c, _) in enumerate(retries)
    ]
    links = tuple(
        RetryLink(child.key, jobs[0].key, 1, kinds)
        for child, (*_, kinds) in zip(children, retries, strict=True)
    )
    counts = family([*jobs, *children], links).view.counts
    assert counts.objects == sum(sum(c) or 1 for c in roots)
    assert counts.done == sum(map(sum, roots))
    assert min(counts.transferred or 0, counts.skipped or 0, counts.failed or 0) >= 0


def pairs(*jobs: JobView, links: tuple[RetryLink, ...] = ()) -> list[tuple[str, str]]:
    found = family(jobs, links).overlaps
    return sorted((pair.inner.job_id, pair.outer.job_id) for pair in found)


def test_nested_prefixes_overlap() -> None:
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
    assert pairs(job(1, prefix="2024/"), again, links=(tied(again, job(1, prefix="2024/")),)) == []


def test_consecutive_jobs_do_not_overlap() -> None:
    first = when(job(1, "aborted", prefix="a/"), -9, -5)
    later = when(job(2, "aborted", prefix="a/b/"), -4, -3)
    assert pairs(first, later) == []
    assert len(pairs(first, when(later, -6, -3))) == 1


def test_pairs_of_ended_jobs_are_omitted_while_a_job_is_live() -> None:
    first = when(job(1, "aborted", prefix="a/"), -9, -5)
    later = when(job(2, "aborted", prefix="a/b/"), -6, -3)
    assert len(pairs(first, later)) == 1
    assert pairs(first, later, job(3, prefix="c/")) == []
    assert len(pairs(first, later, when(job(3, prefix="a/b/c/"), -6))) == 2


@given(st.lists(st.text("ab/", max_size=4), min_size=1, max_size=7))
def test_overlaps_are_exactly_the_nested_pairs(prefixes: list[str]) -> None:
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
    assert found.view.counts == Counts(1100, 600, 500, 0)
    assert (found.view.percent, found.view.state) == (100, State.COMPLETED_UNREAD)
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
def test_job_counts_unless_a_later_job_repeats_all_of_it(later: JobView) -> None:
    first = when(job(1, "completed", prefix="a/"), -9, -5)
    assert family([first, later]).superseded == frozenset()


def test_with_a_job_its_retries_are_superseded() -> None:
    first = when(job(1, "completed", prefix="a/", counts=Counts(1000, 990, 0, 10)), -9, -5)
    child = when(retry(2, Counts(10, 5, 0, 5)), -4.9, -4.8)
    second = when(retry(3, Counts(5, 5, 0, 0)), -4.7, -4.6)
    again = when(job(4, "completed", prefix="a/", counts=Counts(1001, 1, 1000, 0)), -4, -1)
    links = (tied(second, child), tied(child, first))
    found = family([first, child, second, again], links)
    assert found.superseded == {first.key, child.key, second.key}
    assert found.view.counts == Counts(1001, 1, 1000, 0)
    assert found.view.verdict is not None
    assert "after retries" not in found.view.verdict.text


def test_objects_older_than_the_job_do_not_count_as_copied() -> None:
    found = {
        "new": ListedObject("new", 10, modified=1000.0),
        "old": ListedObject("old", 10, modified=999.0),
        "undated": ListedObject("undated", 10),
    }
    keys = [(key, 1000.9) for key in ("new", "old", "undated", "none")]
    known = found_after_all(keys, found)
    assert [each.key for each in known.there] == ["new", "undated"]
    assert [each.key for each in known.older] == ["old"]
    assert known.absent == ("none",)
    assert not found_after_all([("old", None)], found).older
