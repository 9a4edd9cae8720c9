from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.errors import BadAnswer, Unreachable
from slurper_tui.api.models import PAGE_SIZE, Job
from slurper_tui.monitor.model.base import MOST_PAGES, Moment
from slurper_tui.monitor.polling.account_tracker import CHECK_READINGS, Listing
from slurper_tui.monitor.polling.scheduler import list_period


def page(first: int, number: int = PAGE_SIZE) -> list[Job]:
    return [Job(id=f"j{n}") for n in range(first, first + number)]


def ids(number: int) -> frozenset[str]:
    return frozenset(f"j{n}" for n in range(number))


def read_all(listing: Listing, jobs: list[Job], cap: int = PAGE_SIZE) -> frozenset[str]:
    """Read a list to its end from a server that gives at most `cap` rows a page."""
    for _ in range(len(jobs) + 2):
        whole = listing.apply_page(jobs[listing.offset : listing.offset + cap])
        if whole is not None:
            return whole
    raise AssertionError("the list has no end")


@given(st.integers(0, 120), st.integers(1, PAGE_SIZE))
def test_pages_of_any_length_are_read_until_an_empty_one(number: int, cap: int) -> None:
    listing, jobs = Listing(), page(0, number)
    assert read_all(listing, jobs, cap) == {job.id for job in jobs}
    assert listing.pages == -(-number // cap) + 1
    assert (listing.offset, listing.hurried, listing.complete) == (0, False, True)


@given(st.integers(0, 120), st.integers(1, PAGE_SIZE))
def test_a_short_page_that_reaches_the_total_ends_the_list(number: int, cap: int) -> None:
    listing, jobs, whole = Listing(), page(0, number), None
    while whole is None:
        rows = jobs[listing.offset : listing.offset + cap]
        whole = listing.apply_page(rows, total=number)
        assert listing.pages <= number + 2
    assert whole == ids(number)
    after_last = cap == PAGE_SIZE and number % PAGE_SIZE == 0
    assert listing.pages == max(1, -(-number // cap) + after_last)


@given(st.lists(st.integers(0, 120), min_size=2, max_size=8), st.integers(1, PAGE_SIZE))
def test_each_reading_finds_all_jobs_although_the_list_changes(
    numbers: list[int], cap: int
) -> None:
    listing = Listing()
    for number in numbers:
        newest_first = page(0, number)[::-1]
        assert read_all(listing, newest_first, cap) == ids(number)


def test_a_verified_end_costs_no_request_until_the_list_changes() -> None:
    listing, jobs = Listing(), page(0, 12)
    read_all(listing, jobs)
    assert listing.pages == 2
    for _ in range(CHECK_READINGS):
        assert listing.apply_page(jobs) == ids(12)
    assert listing.apply_page(jobs) is None, "the end is verified again now and then"
    assert not listing.pressing
    assert listing.apply_page([]) == ids(12)
    assert listing.apply_page(page(0, 13)) is None
    assert listing.pressing
    assert listing.apply_page([]) == ids(13)
    assert listing.apply_page(page(0, 12)) is None, "a job less may be a page that is shorter"
    assert not listing.pressing


@given(st.integers(1, 120), st.integers(1, PAGE_SIZE - 1), st.integers(0, 200))
def test_a_total_below_the_rows_read_is_ignored(number: int, cap: int, total: int) -> None:
    listing, jobs = Listing(), page(0, number)
    for _ in range(number + 2):
        rows = jobs[listing.offset : listing.offset + cap]
        if not listing.complete:
            listing.apply_page(rows, total=min(total, number - 1, cap - 1))
    assert listing.complete
    assert listing.pages == -(-number // cap) + 1


@pytest.mark.parametrize("total", [1, 3])
def test_an_empty_page_that_contradicts_the_total_proves_nothing(total: int) -> None:
    listing = Listing()
    assert listing.apply_page([], total=total) is None
    assert listing.over


def test_a_server_that_ignores_the_offset_has_an_end() -> None:
    listing = Listing()
    assert listing.apply_page(page(0)) is None
    assert listing.apply_page(page(0)) == ids(PAGE_SIZE)


def test_an_endless_list_ends_after_the_most_pages_and_proves_nothing() -> None:
    listing = Listing()
    for number in range(MOST_PAGES):
        assert not listing.complete
        assert listing.apply_page(page(number * PAGE_SIZE)) is None
    assert listing.complete


def test_rows_without_an_id_do_not_shorten_a_page() -> None:
    listing = Listing()
    assert listing.apply_page([Job(), *page(0, PAGE_SIZE - 1)]) is None
    assert listing.apply_page([Job(id="last")]) is None
    assert listing.apply_page([]) is None, "a row without an id may be any job"
    assert listing.complete


def test_a_page_of_rows_without_ids_ends_the_list_and_proves_nothing() -> None:
    listing = Listing()
    assert listing.apply_page([Job()] * PAGE_SIZE) is None
    assert listing.complete


def test_a_job_on_two_pages_is_counted_once() -> None:
    listing = Listing()
    listing.apply_page(page(0))
    listing.apply_page(page(40, 20))
    assert listing.apply_page([]) == ids(60)


def test_a_wanted_list_reads_its_first_page_outside_the_turn() -> None:
    listing, jobs = Listing(), page(0, 120)
    assert read_all(listing, jobs) == ids(120)
    listing.apply_page(jobs[:PAGE_SIZE])
    listing.polled_at, listing.urgent = 7.0, True
    listing.begin(9.0)
    assert (listing.asking, listing.offset, listing.polled_at, listing.urgent) == (
        0,
        50,
        7.0,
        False,
    )
    assert listing.apply_page([Job(id="new"), *jobs[:49]]) is None
    listing.begin(10.0)
    assert (listing.asking, listing.polled_at) == (50, 10.0)
    assert listing.apply_page(jobs[50:100]) is None
    assert listing.apply_page(jobs[100:]) is None
    assert listing.apply_page([]) == ids(120) | {"new"}


def test_a_hurried_reading_or_a_first_page_needs_no_extra_request() -> None:
    listing = Listing()
    listing.apply_page(page(0))
    listing.urgent = True
    listing.begin(1.0)
    assert listing.asking == PAGE_SIZE
    listing.apply_page(page(PAGE_SIZE, 3))
    listing.apply_page([])
    listing.urgent = True
    listing.begin(2.0)
    assert (listing.asking, listing.polled_at) == (0, 2.0)


def test_an_extra_page_that_fails_stays_wanted() -> None:
    listing = Listing()
    read_all(listing, page(0, 60))
    listing.apply_page(page(0))
    listing.urgent = True
    listing.begin(1.0)
    listing.failed(Unreachable("x"), Moment(2.0, 2.0), 5.0)
    assert (listing.urgent, listing.offset) == (True, PAGE_SIZE)


def test_restart_forgets_the_jobs_seen() -> None:
    listing = Listing()
    listing.apply_page(page(0))
    listing.restart()
    assert (listing.offset, listing.hurried) == (0, True)
    assert read_all(listing, [Job(id="only")]) == frozenset({"only"})


def test_a_failure_keeps_the_offset_and_is_cleared_by_the_next_answer() -> None:
    listing = Listing()
    listing.apply_page(page(0))
    listing.failed(Unreachable("no answer"), Moment(10.0, 1000.0), 7.0)
    listing.failed(BadAnswer("HTML"), Moment(20.0, 1010.0), 7.0)
    assert listing.offset == PAGE_SIZE
    assert (listing.failures, listing.failing_since, listing.retry_at) == (2, 10.0, 27.0)
    assert listing.problem is not None
    assert str(listing.problem.error) == "HTML"
    assert listing.problem.since == 1000.0
    assert listing.problem.retry_at == 1017.0
    listing.apply_page(page(PAGE_SIZE, 1))
    assert listing.apply_page([]) == ids(PAGE_SIZE + 1)
    fresh = Listing()
    for name in ("failures", "failing_since", "problem", "retry_at", "offset"):
        assert getattr(listing, name) == getattr(fresh, name)


@given(st.sets(st.integers(0, 5)), st.sampled_from([7.0, math.inf]))
def test_pages_that_keep_failing_are_skipped_and_the_others_are_read(
    broken: set[int], wait: float
) -> None:
    listing, jobs, whole = Listing(), page(0, 270), None
    two_in_a_row = any({n, n + 1} <= broken for n in range(6))
    for step in range(40):
        if listing.over:
            break
        number = listing.offset // PAGE_SIZE
        if number in broken:
            listing.failed(BadAnswer("HTML"), Moment(float(step), float(step)), wait)
        else:
            whole = listing.apply_page(jobs[listing.offset : listing.offset + PAGE_SIZE])
    assert listing.over
    assert (whole == ids(270)) == listing.complete == (not broken)
    assert (listing.problem is None) == (not broken)
    assert two_in_a_row or listing.pages == 7 - len(broken)


@pytest.mark.parametrize(
    ("seconds", "size", "pause"),
    [(0.1, 50_000, 1.0), (3.0, 50_000, 30.0), (0.1, 15_000_000, 150.0), (45.0, 2**26, 671.1)],
)
def test_a_slow_or_large_page_is_read_less_often(seconds: float, size: int, pause: float) -> None:
    listing = Listing()
    listing.cost(seconds, size)
    assert listing.pause == pytest.approx(pause, rel=0.001)
    assert list_period(5.0, listing.pause) == max(10.0, listing.pause)
