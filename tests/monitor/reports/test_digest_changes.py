from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.model.job import Counts, Forecast
from slurper_tui.monitor.model.samples import Recorded, Span, SpanKind
from slurper_tui.monitor.reports.digest import (
    Calendar,
    ChangeKind,
    failing_changes,
    finish_moved,
    restarts,
    span_changes,
    status_changes,
)

H = 3600.0
DAY = 86_400.0
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()
"""A Tuesday."""

CALENDAR = Calendar(NOW, UTC)


def plain(words: str) -> str:
    """The words with a hyphen for every dash between two ends."""
    return words.replace("\N{EN DASH}", "-")


def sample(
    at: float, done: int | None = 0, status: str | None = "running", *, gap: bool = False
) -> Recorded:
    return Recorded(NOW + at, Counts(1000, done, 0, 0), status, gap)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (-4 * H, -2 * H, "08:00-10:00"),
        (-4 * H, -4 * H + 20, "08:00"),
        (-18 * H, -17 * H, "Mon 18:00-19:00"),
        (-18 * H, -18 * H, "Mon 18:00"),
        (-18 * H, -4 * H, "Mon 18:00-Tue 08:00"),
        (48 * H, 50 * H, "Thu 12:00-14:00"),
        (20 * H, 30 * H, "Wed 08:00-18:00"),
        (20 * H, 40 * H, "Wed 08:00-Thu 04:00"),
        (20 * H, 8 * DAY, "2026-11-25 08:00-2026-12-02 12:00"),
        (-9 * DAY, -9 * DAY + H, "2026-11-15 12:00-13:00"),
    ],
)
def test_a_range_has_as_much_of_its_dates_as_is_needed(
    since: float, until: float, expected: str
) -> None:
    assert plain(CALENDAR.range(NOW + since, NOW + until)) == expected


def test_times_are_in_the_zone() -> None:
    tokyo = Calendar(NOW, ZoneInfo("Asia/Tokyo"))
    assert tokyo.moment(NOW) == "21:00"
    assert tokyo.moment(NOW - 22 * H) == "Mon 23:00"
    assert tokyo.full(NOW) == "Tue 21:00"


def test_observed_change_has_one_time() -> None:
    samples = (sample(-20), sample(-15, status="paused"), sample(-10, status="paused"))
    [change] = status_changes(samples, None, CALENDAR)
    assert (change.kind, change.since, change.until) == (ChangeKind.STATUS, NOW - 15, None)
    assert change.text == "from running to paused at 11:59"


def test_unobserved_change_lies_between_two_samples() -> None:
    samples = (sample(-18 * H), sample(-4 * H, status="paused", gap=True))
    [change] = status_changes(samples, None, CALENDAR)
    assert (change.since, change.until) == (NOW - 18 * H, NOW - 4 * H)
    assert change.text == "from running to paused between Mon 18:00 and Tue 08:00"


def test_unobserved_end_has_the_time_of_the_api() -> None:
    samples = (sample(-18 * H), sample(-4 * H, 1000, "completed", gap=True))
    [change] = status_changes(samples, NOW - 6 * H, CALENDAR)
    assert (change.since, change.until) == (NOW - 6 * H, None)
    assert change.text == "from running to completed at 06:00"
    [change] = status_changes(samples, NOW - 20 * H, CALENDAR)
    assert change.until == NOW - 4 * H


def test_missing_status_is_called_unknown() -> None:
    [change] = status_changes((sample(-20, status=None), sample(-10)), None, CALENDAR)
    assert change.text.startswith("from unknown to running")


def test_fallen_counters_are_named_with_both_numbers() -> None:
    samples = (sample(-30, 500), sample(-20, None), sample(-10, 20), sample(-5, 40))
    [fall] = restarts(samples, CALENDAR)
    assert (fall.kind, fall.since, fall.until) == (ChangeKind.RESTARTED, NOW - 10, None)
    assert fall.text == "done fell from 500 to 20 at 11:59: counters restarted"
    total = (sample(-20), Recorded(NOW - 10, Counts(10, 0, 0, 0), "running"))
    assert [fall.text for fall in restarts(total, CALENDAR)] == [
        "total fell from 1,000 to 10 at 11:59: counters restarted"
    ]
    assert [*restarts((sample(-20, 5), sample(-10, 5)), CALENDAR)] == []


def test_spans_have_their_length() -> None:
    spans = (
        Span(SpanKind.UNOBSERVED, NOW - 18 * H, NOW - 4 * H),
        Span(SpanKind.WATCHED, NOW - 4 * H, NOW - 3 * H),
        Span(SpanKind.STALLED, NOW - 3 * H, NOW - 2 * H),
        Span(SpanKind.PAUSED, NOW - 2 * H, NOW),
    )
    assert [(change.kind, plain(change.text)) for change in span_changes(spans, CALENDAR)] == [
        (ChangeKind.UNOBSERVED, "unobserved: Mon 18:00-Tue 08:00 (14 h)"),
        (ChangeKind.STALLED, "stalled: 09:00-10:00 (1 h)"),
        (ChangeKind.PAUSED, "paused: 10:00-12:00 (2 h)"),
    ]


def ahead(low: float, high: float, *, at_least: bool = False) -> Forecast:
    return Forecast(NOW + low, NOW + high, NOW, at_least=at_least)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            ahead(20 * H, 22 * H),
            ahead(25 * H, 27 * H),
            "finish 5 h later: Wed 13:00-15:00 UTC, was Wed 08:00-10:00",
        ),
        (
            ahead(20 * H, 22 * H),
            ahead(2 * H, 4 * H),
            "finish 18 h sooner: today 14:00-16:00 UTC, was Wed 08:00-10:00",
        ),
        (
            ahead(20 * H, 22 * H),
            ahead(23 * H, 0, at_least=True),
            "finish 1 h later: not before Wed 11:00 UTC, was Wed 08:00-10:00",
        ),
        (
            ahead(20 * H, 0, at_least=True),
            ahead(23 * H, 0, at_least=True),
            "finish now: not before Wed 11:00 UTC, was not before Wed 08:00",
        ),
        (
            ahead(20 * H, 0, at_least=True),
            ahead(23 * H, 24 * H),
            "finish now: Wed 11:00-12:00 UTC, was not before Wed 08:00",
        ),
    ],
)
def test_moved_finish_has_both_ranges(before: Forecast, after: Forecast, expected: str) -> None:
    [change] = finish_moved(before, after, CALENDAR)
    assert (change.kind, change.since, plain(change.text)) == (ChangeKind.FINISH, NOW, expected)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ahead(H, 2 * H)),
        (ahead(H, 2 * H), None),
        (ahead(H, 3 * H), ahead(1.5 * H, 2 * H)),
        (ahead(H, 3 * H), ahead(2 * H, 0, at_least=True)),
        (ahead(3 * H, 0, at_least=True), ahead(3 * H, 0, at_least=True)),
    ],
)
def test_a_forecast_that_still_holds_has_not_moved(
    before: Forecast | None, after: Forecast | None
) -> None:
    assert [*finish_moved(before, after, CALENDAR)] == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            ahead(20 * H, 22 * H),
            ahead(1e12, 2e12),
            "finish more than 2 weeks later: > 2 weeks, was Wed 08:00-10:00",
        ),
        (
            ahead(20 * H, 22 * H),
            ahead(1e12, 1e12, at_least=True),
            "finish more than 2 weeks later: > 2 weeks, was Wed 08:00-10:00",
        ),
        (
            ahead(1e12, 2e12),
            ahead(20 * H, 22 * H),
            "finish more than 2 weeks sooner: Wed 08:00-10:00 UTC, was > 2 weeks",
        ),
        (
            ahead(20 * H, 1e12),
            ahead(2 * H, 4 * H),
            "finish more than 2 weeks sooner: today 14:00-16:00 UTC, was not before Wed 08:00",
        ),
        (
            ahead(1e12, 0, at_least=True),
            ahead(20 * H, 22 * H),
            "finish now: Wed 08:00-10:00 UTC, was > 2 weeks",
        ),
        (
            ahead(13 * DAY, 13.5 * DAY),
            ahead(15 * DAY, 15.5 * DAY),
            "finish 2 d later: > 2 weeks, was 2026-12-07 12:00-2026-12-08 00:00",
        ),
    ],
)
def test_a_finish_beyond_two_weeks_is_no_number(
    before: Forecast, after: Forecast, expected: str
) -> None:
    [change] = finish_moved(before, after, CALENDAR)
    assert plain(change.text) == expected


def test_a_finish_that_stays_beyond_two_weeks_has_not_moved() -> None:
    before, after = ahead(30 * DAY, 40 * DAY), ahead(1e12, 2e12)
    assert [*finish_moved(before, after, CALENDAR)] == []
    assert [*finish_moved(after, before, CALENDAR)] == []


forecasts = st.builds(Forecast, st.floats(), st.floats(), st.just(NOW), at_least=st.booleans())
"""Any forecasts, including ranges that the estimator never makes."""

zones = st.sampled_from([None, UTC, ZoneInfo("Asia/Tokyo"), ZoneInfo("America/Los_Angeles")])


@given(forecasts, forecasts, zones)
def test_any_two_forecasts_give_at_most_one_line(
    before: Forecast, after: Forecast, zone: tzinfo | None
) -> None:
    calendar = Calendar(NOW, zone)
    words = [change.text for change in finish_moved(before, after, calendar)]
    assert len(words) <= 1
    assert all(len(text) < 120 and text.startswith("finish ") for text in words)


@given(st.floats(), st.floats(), zones)
def test_any_times_can_be_formatted(since: float, until: float, zone: tzinfo | None) -> None:
    calendar = Calendar(NOW, zone)
    assert calendar.moment(since)
    assert calendar.full(since)[-3] == ":"
    assert calendar.range(since, until)


@pytest.mark.parametrize(
    ("failures", "texts"),
    [
        ((0, 0), []),
        ((6, 9), ["failing: 06:20-10:00 (3 h 40 min)"]),
        ((8, 12), ["failing since 08:20"]),
        ((1, 4), []),  # over before the digest begins
    ],
)
def test_times_in_which_a_job_was_failing(failures: tuple[int, int], texts: list[str]) -> None:
    samples = []
    for minute in range(0, 12 * 60, 10):
        failed = 10 * max(0, min(minute, failures[1] * 60) - failures[0] * 60)
        counts = Counts(10**6, 100 * minute, 0, failed)
        samples.append(Recorded(NOW - 10 * H + 60 * (minute - 120), counts, "running"))
    found = [*failing_changes(samples, NOW - 6 * H, CALENDAR)]
    assert [plain(change.text) for change in found] == texts
    assert {change.kind for change in found} <= {ChangeKind.FAILING}
