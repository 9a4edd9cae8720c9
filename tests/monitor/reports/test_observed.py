from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.reports.observed import (
    Seen,
    Span,
    default_since,
    last_absence,
    observed_seconds,
    spans,
    unobserved,
)

WATCHED, UNOBSERVED, PAUSED, STALLED = Seen.WATCHED, Seen.UNOBSERVED, Seen.PAUSED, Seen.STALLED


def told(
    at: float, done: int = 0, status: str = "running", *, gap: bool = False, stalled: bool = False
) -> Recorded:
    return Recorded(at, Counts(1000, done, 0, 0), status, gap, stalled)


def kinds(found: tuple[Span, ...]) -> list[tuple[str, float, float]]:
    return [(span.kind.value, span.since, span.until) for span in found]


def test_what_lies_outside_the_samples_was_not_seen() -> None:
    seen = spans((told(10), told(15), told(20)), 0, 30)
    assert kinds(seen) == [("unobserved", 0, 10), ("watched", 10, 20), ("unobserved", 20, 30)]


def test_without_samples_nothing_was_seen() -> None:
    assert kinds(spans((), 0, 30)) == [("unobserved", 0, 30)]
    assert observed_seconds(spans((), 0, 30)) == 0
    assert spans((), 30, 30) == ()


def test_one_sample_takes_no_time() -> None:
    assert kinds(spans((told(10),), 0, 30)) == [("unobserved", 0, 30)]


def test_samples_far_apart_were_watched_unless_they_say_otherwise() -> None:
    assert observed_seconds(spans((told(0), told(600), told(1200)), 0, 1200)) == 1200
    assert observed_seconds(spans((told(0), told(600), told(1200, gap=True)), 0, 1200)) == 600


def test_a_pause_holds_from_the_sample_that_told_it_to_the_next_that_does_not() -> None:
    samples = (told(0), told(5, status="paused"), told(10, status="paused"), told(15), told(20))
    assert kinds(spans(samples, 0, 20)) == [
        ("watched", 0, 5),
        ("paused", 5, 15),
        ("watched", 15, 20),
    ]


def test_a_pause_before_and_after_a_gap_is_not_claimed_within_it() -> None:
    samples = tuple(told(at, status="paused", gap=at == 900) for at in (0, 5, 900, 905))
    expected = [("paused", 0, 5), ("unobserved", 5, 900), ("paused", 900, 905)]
    assert kinds(spans(samples, 0, 905)) == expected


def test_a_stall_begins_with_the_last_move_of_the_counters() -> None:
    samples = (
        *(told(0, 1), told(5, 2), told(100, 2), told(305, 2, stalled=True)),
        *(told(310, 2, stalled=True), told(315, 3), told(320, 4)),
    )
    expected = [("watched", 0, 5), ("stalled", 5, 315), ("watched", 315, 320)]
    assert kinds(spans(samples, 0, 320)) == expected


def test_a_stall_is_not_followed_back_over_a_gap_or_a_pause() -> None:
    over_gap = (told(0, 2), told(500, 2, gap=True, stalled=True), told(505, 2, stalled=True))
    assert kinds(spans(over_gap, 0, 505)) == [("unobserved", 0, 500), ("stalled", 500, 505)]
    paused = (told(0, 2, "paused"), told(100, 2), told(400, 2, stalled=True), told(405, 3))
    assert kinds(spans(paused, 0, 405)) == [("paused", 0, 100), ("stalled", 100, 405)]


def test_spans_are_cut_at_both_ends() -> None:
    samples = (told(0), told(100), told(200, gap=True), told(300))
    expected = [("watched", 50, 100), ("unobserved", 100, 200), ("watched", 200, 250)]
    assert kinds(spans(samples, 50, 250)) == expected
    assert kinds(spans(samples, 400, 500)) == [("unobserved", 400, 500)]
    assert kinds(spans((told(900),), 400, 500)) == [("unobserved", 400, 500)]


def test_nobody_looked_where_no_job_was_looked_at() -> None:
    one = (told(0), told(100), told(500, gap=True), told(600))
    two = (told(90), told(120), told(490, gap=True), told(560))
    assert unobserved((one, two), 0, 700) == ((120, 490), (600, 700))
    assert unobserved((one,), 0, 600) == ((100, 500),)
    assert unobserved((), 0, 600) == ((0, 600),)
    assert unobserved(((told(700),),), 0, 600) == ((0, 600),)


def test_the_last_absence_is_the_latest_long_time_in_which_nobody_looked() -> None:
    night = (told(0), told(100), told(40_000, gap=True), told(40_100))
    short = (*night, told(40_400, gap=True), told(40_500))
    assert last_absence((night,), 40_100) == 100
    assert last_absence((short,), 40_500) == 100
    assert last_absence((short,), 42_000) == 40_500


def test_a_job_that_was_not_asked_is_no_absence_while_another_was() -> None:
    watched = tuple(told(at) for at in range(0, 10_001, 600))
    failing = (told(0), told(9000, gap=True), told(10_000))
    assert last_absence((watched, failing), 10_000) is None


def test_a_job_first_seen_on_return_does_not_hide_the_absence() -> None:
    known = (told(0), told(100), told(5000, gap=True))
    assert last_absence((known, (told(4999),)), 5000) == 100


def test_thinned_samples_are_no_absence() -> None:
    assert last_absence((tuple(told(at * 1100) for at in range(9)),), 8800) is None
    assert last_absence((), 100) is None
    assert last_absence(((),), 100) is None


def test_an_account_begins_with_the_last_absence_else_with_the_first_sample() -> None:
    watched = (told(50), told(100), told(700))
    assert default_since((watched, (told(20),)), 750) == 20
    assert default_since((watched,), 5000) == 700
    assert default_since((), 100) == 100


some_samples = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.integers(0, 3),
        st.sampled_from(["running", "paused", "completed", "odd"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
).map(
    lambda rows: tuple(
        told(at, done, status, gap=gap, stalled=stalled)
        for at, done, status, gap, stalled in sorted(rows)
    )
)


@given(some_samples, st.integers(0, 1000), st.integers(0, 1000))
def test_spans_cover_all_of_the_time_once_and_neighbours_differ(
    samples: tuple[Recorded, ...], one: int, two: int
) -> None:
    since, until = min(one, two), max(one, two)
    seen = spans(samples, since, until)
    assert sum(span.seconds for span in seen) == until - since
    for before, after in itertools.pairwise(seen):
        assert before.until == after.since
        assert before.kind is not after.kind
    assert 0 <= observed_seconds(spans(samples, since, until)) <= until - since


@given(some_samples, st.integers(0, 1000), st.integers(0, 1000))
def test_one_job_was_unobserved_just_where_its_spans_say_so(
    samples: tuple[Recorded, ...], one: int, two: int
) -> None:
    since, until = min(one, two), max(one, two)
    holes = sum(b - a for a, b in unobserved((samples,), since, until))
    assert holes == (until - since) - observed_seconds(spans(samples, since, until))


@given(some_samples)
def test_across_a_gap_nothing_but_a_gap_is_claimed(samples: tuple[Recorded, ...]) -> None:
    for before, after in itertools.pairwise(samples):
        if after.after_gap and before.at < after.at:
            assert kinds(spans(samples, before.at, after.at)) == [
                ("unobserved", before.at, after.at)
            ]
