from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.timeline import (
    STEPS,
    UNKNOWN_STEP,
    Span,
    Trace,
    extended,
    moved,
    spans_of,
    step_of,
    summed,
    trace_of,
)

KEY = JobKey("account", "job")
NOW = 1_774_000_000.0


def recorded(at: float, done: int | None, *, after_gap: bool = False) -> Recorded:
    counts = Counts(1000, done, 0, 0)
    return Recorded(at, counts, "running", after_gap)


def many(*samples: tuple[float, int | None]) -> tuple[Recorded, ...]:
    return tuple(recorded(at, done) for at, done in samples)


PAST = st.lists(
    st.builds(
        recorded,
        st.floats(NOW - 90_000, NOW).map(lambda at: round(at, 1)),
        st.one_of(st.none(), st.integers(0, 10**6)),
        after_gap=st.booleans(),
    ),
    max_size=60,
)


# Steps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "step"),
    [
        (Window.TEN_MINUTES, 2.5),
        (Window.HOUR, 15.0),
        (Window.SIX_HOURS, 90.0),
        (Window.DAY, 360.0),
    ],
)
def test_a_window_has_the_same_steps_whenever_it_ends(window: Window, step: float) -> None:
    assert step_of(window, None, NOW) == step == step_of(window, NOW - 5, NOW + 1234)


@given(st.floats(0, 4e9))
def test_the_window_all_has_a_bounded_number_of_steps(span: float) -> None:
    step = step_of(Window.ALL, NOW - span, NOW)
    assert span / step <= STEPS + 1e-6
    assert span / step >= STEPS / 2.1 or step in (5.0, 86_400.0, 172_800.0)


def test_the_window_all_has_a_step_without_a_known_beginning() -> None:
    assert step_of(Window.ALL, None, NOW) == UNKNOWN_STEP


# Traces ----------------------------------------------------------------------------------------


def test_a_trace_keeps_the_newest_sample_of_each_step() -> None:
    points = many((NOW - 60, 1), (NOW - 46, 2), (NOW - 44, 3), (NOW - 31, 4))
    trace = trace_of(KEY, Window.HOUR, NOW, None, points)
    assert [p.at for p in trace.points] == [
        max(p.at for p in points if p.at // 15 == step)
        for step in sorted({p.at // 15 for p in points})
    ]
    assert (trace.since, trace.until, trace.step) == (NOW - 3600, NOW, 15.0)


def test_a_trace_keeps_the_first_sample_after_a_gap() -> None:
    begin = NOW // 15 * 15
    back = recorded(begin + 3, 5, after_gap=True)
    points = (*many((begin - 400, 1), (begin + 1, 4)), back, *many((begin + 6, 6), (begin + 9, 9)))
    trace = trace_of(KEY, Window.HOUR, begin + 10, None, points)
    assert [p.counts.done for p in trace.points] == [1, 5, 9]
    assert list(spans_of(trace.points)) == [
        Span(begin - 400, begin + 3, None),
        Span(begin + 3, begin + 9, 4 / 6),
    ]


def test_a_trace_keeps_the_very_first_sample() -> None:
    begin = NOW // 15 * 15
    points = many((begin + 1, 1), (begin + 4, 2), (begin + 8, 5))
    trace = trace_of(KEY, Window.HOUR, begin + 10, None, points)
    assert [p.counts.done for p in trace.points] == [1, 5]
    assert extended(trace, recorded(begin + 9, 6)).points == (points[0], recorded(begin + 9, 6))


def test_a_trace_begins_with_the_newest_sample_before_its_window() -> None:
    points = many((NOW - 4000, 1), (NOW - 3700, 2), (NOW - 3500, 3))
    trace = trace_of(KEY, Window.HOUR, NOW, None, points)
    assert [p.counts.done for p in trace.points] == [2, 3]


def test_the_window_all_begins_with_the_job_or_its_first_sample() -> None:
    points = many((NOW - 500, 1), (NOW, 2))
    assert trace_of(KEY, Window.ALL, NOW, NOW - 9000, points).since == NOW - 9000
    assert trace_of(KEY, Window.ALL, NOW, None, points).since == NOW - 500
    assert trace_of(KEY, Window.ALL, NOW, NOW - 100, points).since == NOW - 500
    assert trace_of(KEY, Window.ALL, NOW, NOW + 100, ()).since == NOW
    assert trace_of(KEY, Window.ALL, NOW, None, ()).points == ()


def test_a_new_sample_moves_the_window_on() -> None:
    trace = trace_of(KEY, Window.TEN_MINUTES, NOW, None, many((NOW - 590, 1), (NOW, 2)))
    later = extended(trace, recorded(NOW + 400, 7))
    assert (later.since, later.until) == (NOW - 200, NOW + 400)
    assert [p.counts.done for p in later.points] == [1, 2, 7]
    assert [p.counts.done for p in moved(later, NOW + 650).points] == [2, 7]


def test_a_window_never_moves_back() -> None:
    trace = trace_of(KEY, Window.HOUR, NOW, None, many((NOW, 2)))
    assert extended(trace, recorded(NOW - 60, 1)).until == NOW
    assert moved(trace, NOW - 5) is trace


def test_the_window_all_takes_larger_steps_as_it_grows() -> None:
    trace = trace_of(KEY, Window.ALL, NOW, NOW - 600, many((NOW - 5, 1), (NOW, 2)))
    later = extended(trace, recorded(NOW + 7200, 3))
    assert (trace.step, later.step) == (5.0, 45.0)
    assert (later.since, later.begun) == (NOW - 600, NOW - 600)
    assert moved(later, NOW + 8000).since == NOW - 600


@given(PAST, st.sampled_from(Window), st.floats(0, 3000))
def test_a_trace_extended_sample_by_sample_equals_one_made_at_once(
    history: list[Recorded], window: Window, later: float
) -> None:
    history.sort(key=lambda p: p.at)
    history = [p for p, q in pairwise([*history, recorded(math.inf, 0)]) if p.at != q.at]
    new = recorded(NOW + later, 10**6)
    trace = trace_of(KEY, window, NOW, NOW - 90_000, history)
    whole = trace_of(KEY, window, NOW + later, NOW - 90_000, [*history, new])
    grown = extended(trace, new)
    assert (grown.since, grown.until, grown.step) == (whole.since, whole.until, whole.step)
    if grown.step == trace.step:
        assert _rates_within(grown) == _rates_within(whole)


def _rates_within(trace: Trace) -> list[Span]:
    return [span for span in spans_of(trace.points) if span.since >= trace.since]


@given(PAST, st.sampled_from(Window))
def test_a_trace_has_few_points_in_order(history: list[Recorded], window: Window) -> None:
    trace = trace_of(KEY, window, NOW, None, history)
    assert set(trace.points) <= set(history)
    places = [p.at // trace.step for p in trace.points]
    assert places == sorted(places)
    assert all(places.count(place) <= 2 for place in places)


# Spans -----------------------------------------------------------------------------------------


def test_a_span_rate_is_the_change_over_its_time() -> None:
    points = many((0, 0), (10, 20), (15, 20))
    assert list(spans_of(points)) == [Span(0, 10, 2.0), Span(10, 15, 0.0)]


def test_counters_that_fall_and_gaps_have_no_rate() -> None:
    fell = many((0, 50), (10, 20), (20, 30))
    assert [span.rate for span in spans_of(fell)] == [None, 1.0]
    gap = (*many((0, 0)), recorded(100, 100, after_gap=True), *many((110, 120)))
    assert [span.rate for span in spans_of(gap)] == [None, 2.0]


def test_unknown_counts_are_skipped_and_keep_a_gap_before_them() -> None:
    points = (*many((0, 0)), recorded(100, None, after_gap=True), *many((110, 110), (120, 120)))
    assert list(spans_of(points)) == [Span(0, 110, None), Span(110, 120, 1.0)]
    assert list(spans_of(many((0, 0), (5, None), (10, 10)))) == [Span(0, 10, 1.0)]


def test_two_samples_at_the_same_time_make_no_span() -> None:
    assert list(spans_of(many((0, 0), (0, 9), (10, 10)))) == [Span(0, 10, 1.0)]


@given(PAST)
def test_a_rate_is_finite_and_never_negative(history: list[Recorded]) -> None:
    for span in spans_of(history):
        assert span.until > span.since
        assert span.rate is None or 0 <= span.rate < math.inf


def test_a_huge_count_still_gives_a_finite_rate() -> None:
    (span,) = spans_of(many((0, 0), (1e-6, 10**400)))
    assert span.rate is not None
    assert math.isfinite(span.rate)


# Sums ------------------------------------------------------------------------------------------

OTHER = JobKey("account", "other")


def pair(
    one: tuple[Recorded, ...], other: tuple[Recorded, ...], others: tuple[Counts, ...] = ()
) -> Trace:
    traces = [
        trace_of(key, Window.HOUR, NOW, None, points)
        for key, points in ((KEY, one), (OTHER, other))
    ]
    return summed(traces, (KEY, OTHER), others)


def test_a_sum_holds_the_counts_of_a_job_until_its_next_sample() -> None:
    begin = NOW // 15 * 15 - 150
    one = many((begin, 10), (begin + 15, 20), (begin + 30, 30))
    other = many((begin + 1, 100), (begin + 31, 160))
    total = pair(one, other)
    assert [(point.at, point.counts.done) for point in total.points] == [
        (begin + 1, 110),
        (begin + 15, 120),
        (begin + 31, 190),
    ]
    assert {point.counts.objects for point in total.points} == {2000}
    assert (total.key, total.of) == (KEY, (KEY, OTHER))
    assert moved(total, NOW + 60).of == total.of


def test_a_job_that_is_first_seen_late_is_no_jump() -> None:
    begin = NOW // 15 * 15 - 150
    total = pair(many((begin, 10), (begin + 15, 20), (begin + 30, 30)), many((begin + 31, 900)))
    assert [point.counts.done for point in total.points] == [910, 920, 930]


def test_a_sum_has_no_rate_where_one_job_was_not_polled() -> None:
    begin = NOW // 15 * 15 - 150
    one = many((begin, 10), (begin + 15, 20), (begin + 30, 30))
    other = (*many((begin + 1, 100)), recorded(begin + 16, 700, after_gap=True))
    rates = [span.rate for span in spans_of(pair(one, other).points)]
    assert rates[0] is None
    assert rates[1] == pytest.approx(10 / 14)


def test_jobs_without_samples_count_with_their_last_counts() -> None:
    done = Counts(500, 500, 0, 0)
    total = pair(many((NOW - 30, 10)), (), (done, Counts()))
    assert [(point.counts.done, point.counts.objects) for point in total.points] == [(510, 1500)]


@pytest.mark.parametrize(
    ("statuses", "stalled", "status", "all_stalled"),
    [
        (("running", "paused"), (False, False), "running", False),
        (("running", "paused"), (True, False), "running", True),
        (("running", "running"), (True, False), "running", False),
        (("paused", "completed"), (False, False), "paused", False),
        (("completed", "aborted"), (False, False), "completed", False),
    ],
)
def test_a_sum_is_stalled_if_every_running_job_is(
    statuses: tuple[str, str], stalled: tuple[bool, bool], status: str, all_stalled: bool
) -> None:
    one, other = (
        (Recorded(NOW - 5, Counts(10, 1, 0, 0), word, stalled=still),)
        for word, still in zip(statuses, stalled, strict=True)
    )
    [point] = pair(one, other).points
    assert (point.status, point.stalled) == (status, all_stalled)
