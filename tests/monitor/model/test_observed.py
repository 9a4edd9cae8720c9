from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import (
    Recorded,
    Span,
    SpanKind,
    default_since,
    last_absence,
    observed_seconds,
    spans,
    unobserved,
)

WATCHED, UNOBSERVED, PAUSED, STALLED = (
    SpanKind.WATCHED,
    SpanKind.UNOBSERVED,
    SpanKind.PAUSED,
    SpanKind.STALLED,
)


def sample(
    at: float, done: int = 0, status: str = "running", *, gap: bool = False, stalled: bool = False
) -> Recorded:
    return Recorded(at, Counts(1000, done, 0, 0), status, gap, stalled)


def kinds(found: tuple[Span, ...]) -> list[tuple[str, float, float]]:
    return [(span.kind.value, span.since, span.until) for span in found]


def test_time_outside_the_samples_is_unobserved() -> None:
    seen = spans((sample(10), sample(15), sample(20)), 0, 30)
    assert kinds(seen) == [("unobserved", 0, 10), ("watched", 10, 20), ("unobserved", 20, 30)]


def test_without_samples_nothing_was_seen() -> None:
    assert kinds(spans((), 0, 30)) == [("unobserved", 0, 30)]
    assert observed_seconds(spans((), 0, 30)) == 0
    assert spans((), 30, 30) == ()


def test_single_sample_has_no_length() -> None:
    assert kinds(spans((sample(10),), 0, 30)) == [("unobserved", 0, 30)]


def test_samples_far_apart_were_watched_unless_they_say_otherwise() -> None:
    assert observed_seconds(spans((sample(0), sample(600), sample(1200)), 0, 1200)) == 1200
    assert observed_seconds(spans((sample(0), sample(600), sample(1200, gap=True)), 0, 1200)) == 600


def test_pause_lasts_to_the_next_sample_with_another_status() -> None:
    samples = (
        sample(0),
        sample(5, status="paused"),
        sample(10, status="paused"),
        sample(15),
        sample(20),
    )
    assert kinds(spans(samples, 0, 20)) == [
        ("watched", 0, 5),
        ("paused", 5, 15),
        ("watched", 15, 20),
    ]


def test_a_pause_before_and_after_a_gap_is_not_claimed_within_it() -> None:
    samples = tuple(sample(at, status="paused", gap=at == 900) for at in (0, 5, 900, 905))
    expected = [("paused", 0, 5), ("unobserved", 5, 900), ("paused", 900, 905)]
    assert kinds(spans(samples, 0, 905)) == expected


def test_a_stall_begins_with_the_last_move_of_the_counters() -> None:
    samples = (
        *(sample(0, 1), sample(5, 2), sample(100, 2), sample(305, 2, stalled=True)),
        *(sample(310, 2, stalled=True), sample(315, 3), sample(320, 4)),
    )
    expected = [("watched", 0, 5), ("stalled", 5, 315), ("watched", 315, 320)]
    assert kinds(spans(samples, 0, 320)) == expected


def test_a_stall_is_not_followed_back_over_a_gap_or_a_pause() -> None:
    over_gap = (sample(0, 2), sample(500, 2, gap=True, stalled=True), sample(505, 2, stalled=True))
    assert kinds(spans(over_gap, 0, 505)) == [("unobserved", 0, 500), ("stalled", 500, 505)]
    paused = (sample(0, 2, "paused"), sample(100, 2), sample(400, 2, stalled=True), sample(405, 3))
    assert kinds(spans(paused, 0, 405)) == [("paused", 0, 100), ("stalled", 100, 405)]


def test_spans_are_cut_at_both_ends() -> None:
    samples = (sample(0), sample(100), sample(200, gap=True), sample(300))
    expected = [("watched", 50, 100), ("unobserved", 100, 200), ("watched", 200, 250)]
    assert kinds(spans(samples, 50, 250)) == expected
    assert kinds(spans(samples, 400, 500)) == [("unobserved", 400, 500)]
    assert kinds(spans((sample(900),), 400, 500)) == [("unobserved", 400, 500)]


def test_unobserved_where_no_job_has_samples() -> None:
    one = (sample(0), sample(100), sample(500, gap=True), sample(600))
    two = (sample(90), sample(120), sample(490, gap=True), sample(560))
    assert unobserved((one, two), 0, 700) == ((120, 490), (600, 700))
    assert unobserved((one,), 0, 600) == ((100, 500),)
    assert unobserved((), 0, 600) == ((0, 600),)
    assert unobserved(((sample(700),),), 0, 600) == ((0, 600),)


def test_last_absence_is_the_latest_long_gap() -> None:
    night = (sample(0), sample(100), sample(40_000, gap=True), sample(40_100))
    short = (*night, sample(40_400, gap=True), sample(40_500))
    assert last_absence((night,), 40_100) == 100
    assert last_absence((short,), 40_500) == 100
    assert last_absence((short,), 42_000) == 40_500


def test_a_job_that_was_not_asked_is_no_absence_while_another_was() -> None:
    watched = tuple(sample(at) for at in range(0, 10_001, 600))
    failing = (sample(0), sample(9000, gap=True), sample(10_000))
    assert last_absence((watched, failing), 10_000) is None


def test_a_job_first_seen_on_return_does_not_hide_the_absence() -> None:
    known = (sample(0), sample(100), sample(5000, gap=True))
    assert last_absence((known, (sample(4999),)), 5000) == 100


def test_thinned_samples_are_no_absence() -> None:
    assert last_absence((tuple(sample(at * 1100) for at in range(9)),), 8800) is None
    assert last_absence((), 100) is None
    assert last_absence(((),), 100) is None


def test_an_account_begins_with_the_last_absence_else_with_the_first_sample() -> None:
    watched = (sample(50), sample(100), sample(700))
    assert default_since((watched, (sample(20),)), 750) == 20
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
        sample(at, done, status, gap=gap, stalled=stalled)
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
def test_unobserved_times_of_one_job_match_its_spans(
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
