from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.errors import BadAnswer, Unreachable
from slurper_tui.api.models import PAGE_SIZE, Job
from slurper_tui.monitor.listing import MOST_PAGES, Listing
from slurper_tui.monitor.moment import Moment


def page(first: int, number: int = PAGE_SIZE) -> list[Job]:
    return [Job(id=f"j{n}") for n in range(first, first + number)]


def ids(number: int) -> frozenset[str]:
    return frozenset(f"j{n}" for n in range(number))


def read_all(listing: Listing, jobs: list[Job], most: int = 1000) -> frozenset[str]:
    """Read page after page of a list until its end."""
    for _ in range(most):
        whole = listing.landed(jobs[listing.offset : listing.offset + PAGE_SIZE])
        if whole is not None:
            return whole
    raise AssertionError("the list has no end")


@given(st.integers(0, 320))
def test_pages_follow_one_another_until_a_short_one(number: int) -> None:
    listing, jobs = Listing(), page(0, number)
    assert read_all(listing, jobs) == {job.id for job in jobs}
    assert listing.pages == number // PAGE_SIZE + 1
    assert (listing.offset, listing.hurried, listing.complete) == (0, False, True)


def test_a_server_that_ignores_the_offset_has_an_end() -> None:
    listing = Listing()
    assert listing.landed(page(0)) is None
    assert listing.landed(page(0)) == ids(PAGE_SIZE)


def test_a_list_without_end_has_an_end() -> None:
    listing = Listing()
    pages = 0
    while listing.landed(page(pages * PAGE_SIZE)) is None:
        pages += 1
        assert pages < MOST_PAGES
    assert pages == MOST_PAGES - 1
    assert listing.complete


def test_rows_without_an_id_do_not_shorten_a_page() -> None:
    listing = Listing()
    assert listing.landed([Job(), *page(0, PAGE_SIZE - 1)]) is None
    assert listing.landed([Job(id="last")]) == ids(PAGE_SIZE - 1) | {"last"}


def test_a_page_of_nothing_known_ends_the_list() -> None:
    assert Listing().landed([Job()] * PAGE_SIZE) == frozenset()


def test_what_was_seen_twice_is_named_once() -> None:
    listing = Listing()
    listing.landed(page(0))
    assert listing.landed(page(40, 20)) == ids(60)


def test_a_list_that_is_wanted_soon_is_read_from_its_first_page_beside_the_turn() -> None:
    listing, jobs = Listing(), page(0, 120)
    assert read_all(listing, jobs) == ids(120)
    listing.landed(jobs[:PAGE_SIZE])
    listing.asked_at, listing.wanted = 7.0, True
    listing.begin(9.0)
    assert (listing.asking, listing.offset, listing.asked_at, listing.wanted) == (0, 50, 7.0, False)
    assert listing.landed([Job(id="new"), *jobs[:49]]) is None
    listing.begin(10.0)
    assert (listing.asking, listing.asked_at) == (50, 10.0)
    assert listing.landed(jobs[50:100]) is None
    assert listing.landed(jobs[100:]) == ids(120) | {"new"}


def test_a_hurried_reading_and_a_first_page_need_nothing_beside_the_turn() -> None:
    listing = Listing()
    listing.landed(page(0))
    listing.wanted = True
    listing.begin(1.0)
    assert listing.asking == PAGE_SIZE
    listing.landed(page(PAGE_SIZE, 3))
    listing.wanted = True
    listing.begin(2.0)
    assert (listing.asking, listing.asked_at) == (0, 2.0)


def test_an_extra_reading_that_fails_is_wanted_still() -> None:
    listing = Listing()
    read_all(listing, page(0, 60))
    listing.landed(page(0))
    listing.wanted = True
    listing.begin(1.0)
    listing.failed(Unreachable("x"), Moment(2.0, 2.0), 5.0)
    assert (listing.wanted, listing.offset) == (True, PAGE_SIZE)


def test_starting_again_forgets_what_was_seen() -> None:
    listing = Listing()
    listing.landed(page(0))
    listing.restart()
    assert (listing.offset, listing.hurried) == (0, True)
    assert listing.landed([Job(id="only")]) == frozenset({"only"})


@pytest.mark.parametrize("wait", [7.0, math.inf])
def test_a_failure_keeps_the_place_and_is_forgotten_by_the_next_answer(wait: float) -> None:
    listing = Listing()
    listing.landed(page(0))
    listing.failed(Unreachable("no answer"), Moment(10.0, 1000.0), wait)
    listing.failed(BadAnswer("HTML"), Moment(20.0, 1010.0), wait)
    assert listing.offset == PAGE_SIZE
    assert (listing.failures, listing.failing_since, listing.retry_at) == (2, 10.0, 20.0 + wait)
    assert listing.problem is not None
    assert str(listing.problem.error) == "HTML"
    assert listing.problem.since == 1000.0
    assert listing.problem.retry_at == (None if math.isinf(wait) else 1010.0 + wait)
    assert listing.landed(page(PAGE_SIZE, 1)) == ids(PAGE_SIZE + 1)
    fresh = Listing()
    for name in ("failures", "failing_since", "problem", "retry_at", "offset"):
        assert getattr(listing, name) == getattr(fresh, name)
