from __future__ import annotations

import math
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import Counts, Forecast
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.timeline import (
    Trace,
    extended,
    moved,
    spans_of,
    trace_of,
)
from slurper_tui.tui.render.chart_grid import (
    Columns,
    Label,
    axis,
    clock_labels,
    columns_for,
    gutter_of,
    moment,
    room_of,
    seen_in,
)
from slurper_tui.tui.render.charts import progress_chart, rate_chart, scale_top, unit_for
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, text_of, width_of
from slurper_tui.tui.render.painted import STYLES

KEY = JobKey("account", "job")
NOW = 1_774_000_000.0
"""Friday, 2026-03-20 09:46:40 UTC."""

LOOK = Look(zone=UTC)
PLAIN = Look(ascii_only=True, zone=UTC)


def an_hour() -> list[Recorded]:
    """An hour at 60/s: away for six minutes, slower, paused for nine, faster, stalled for six."""
    done, samples, away = 100_000, [], False
    for seconds in range(0, 3601, 25):
        minute = seconds / 60
        paused, stalled = 33 < minute <= 42, 48 < minute <= 54
        done += 0 if paused or stalled else 25 * (60 if minute < 20 else 45 + seconds // 120)
        if 15 < minute <= 21:
            away = True
            continue
        status, counts = "paused" if paused else "running", Counts(400_000, done, 0, 0)
        samples.append(Recorded(NOW - 3600 + seconds, counts, status, away, stalled))
        away = False
    return samples


def the_hour(window: Window = Window.HOUR) -> Trace:
    return trace_of(KEY, window, NOW, NOW - 4000, an_hour())


def text(chart: tuple[Line, ...]) -> list[str]:
    return [text_of(line).rstrip() for line in chart]


def styles(line: Line) -> dict[str, str]:
    """Return the text in each style, without blanks."""
    found: dict[str, str] = {}
    for piece in line:
        if piece.text.strip():
            found[piece.style] = found.get(piece.style, "") + piece.text.strip()
    return found


def test_the_rate_of_an_hour() -> None:
    assert text(rate_chart(the_hour(), LOOK, 34, 3, key="t")) == [
        "rate · 1 h t    peak 74 · mean 45",
        "  80/s ▂▂▂▂▂▂  ▁▁▂▂▂     ▄▄   ▆▆▆",
        "       ██████  █████▇    ██▁  ███",
        "     0 ██████··█████‖‖‖‖‖██▲▲▲███",
        "       1 h ago   30 min       now",
    ]


def test_the_rate_of_an_hour_without_unicode() -> None:
    assert text(rate_chart(the_hour(), PLAIN, 34, 3, key="t")) == [
        "rate - 1 h t    peak 74 - mean 45",
        "  80/s ______  _____     ..   :::",
        "       ||||||  ||||||    ||_  |||",
        "     0 ||||||  |||||=====||!!!|||",
        "       1 h ago   30 min       now",
    ]


def test_a_day_and_all_time_have_clock_labels() -> None:
    assert text(rate_chart(the_hour(Window.DAY), LOOK, 60, 2)) == [
        "rate · 24 h                       peak 60/s · mean 45/s",
        "  60/s                                              █▂▅",
        "     0                                              █‖▲",
        "         12:00       18:00        Fri        06:00  now",
    ]
    assert text(rate_chart(the_hour(Window.ALL), LOOK, 60, 2)) == [
        "rate · all                           peak 74/s · mean 46/s",
        "  80/s      ▄▄▄▄▄▄▄▄▄▄▄▄    ▃▃▄▄▄▄▄▄▄      ▂▅▆▆▆    ▂▇▇▇▇",
        "     0 ·····████████████····█████████‖‖‖‖‖‖‖████▲▲▲▲▲████·",
        "        08:45       09:00      09:15      09:30        now",
    ]


def test_columns_before_the_job_began_are_empty() -> None:
    trace = replace(the_hour(Window.SIX_HOURS), begun=NOW - 7000)
    assert text(rate_chart(trace, LOOK, 60, 1))[1] == (
        "  80/s                                ········▆▆▆▆‖‖▲▲▇"
    )
    unseen = replace(trace, points=())
    assert text(progress_chart(unseen, None, NOW, LOOK, 34, 1))[1] == " " * 23 + "·" * 10


def test_time_without_samples_has_no_rate() -> None:
    assert text(rate_chart(replace(the_hour(), points=(), begun=None), LOOK, 34, 2)) == [
        "rate · 1 h           no rate seen",
        "",
        "       ··························",
        "       1 h ago   30 min       now",
    ]


def test_each_part_has_its_style() -> None:
    bottom = rate_chart(the_hour(), LOOK, 34, 3)[3]
    assert styles(bottom) == {
        "faint": "0··",
        "primary": "████████████" + "████",
        "secondary": "‖‖‖‖‖",
        "warning": "▲▲▲",
    }


def test_a_rate_of_zero_is_drawn_as_a_floor() -> None:
    still = [Recorded(NOW - at, Counts(10, 5, 0, 0), "running") for at in range(600, -1, -5)]
    chart = rate_chart(trace_of(KEY, Window.TEN_MINUTES, NOW, None, still), LOOK, 34, 2)
    assert text(chart) == [
        "rate · 10 min       nothing moved",
        "",
        "     0 ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
        "       10 min ago             now",
    ]
    assert styles(chart[2])["faint"].endswith("▁" * 26)


def test_a_slow_rate_is_shown_per_hour() -> None:
    slow = [
        Recorded(NOW - 60 * at, Counts(99, 60 - at, 0, 0), "running") for at in range(60, -1, -1)
    ]
    chart = rate_chart(trace_of(KEY, Window.HOUR, NOW, None, slow), LOOK, 60, 1)
    assert text(chart)[0].endswith("peak 60/h · mean 60/h")
    assert "60/h" in text(chart)[1]


def test_the_end_of_a_job_is_labelled() -> None:
    ended = [replace(p, status="completed") if p.at > NOW - 900 else p for p in an_hour()]
    trace = trace_of(KEY, Window.HOUR, NOW, None, ended)
    assert text(rate_chart(trace, LOOK, 60, 1))[-1] == (
        "       1 h ago            30 min ago     end        now"
    )
    times = text(progress_chart(trace, None, NOW + 9999, LOOK, 60, 1))[-1]
    assert "end 09:32" in times
    assert "now" not in times


def test_a_rate_fills_the_columns_between_rare_samples() -> None:
    rare = [
        Recorded(NOW - 120 * at, Counts(9999, 6000 - 120 * at, 0, 0), "running") for at in range(31)
    ]
    chart = text(rate_chart(trace_of(KEY, Window.HOUR, NOW, None, rare), LOOK, 250, 1))
    assert set(chart[1][7:].strip("·")) == {"█"}


AHEAD = Forecast(NOW + 2 * 3600, NOW + 3.5 * 3600, NOW)


def test_the_progress_and_its_forecast() -> None:
    chart = progress_chart(the_hour(), AHEAD, NOW, LOOK, 60, 3)
    assert text(chart) == [
        "progress                              270k of 400k objects",
        " 100 %           ▁░░░░░░░░░░░░░░░░░░░░░▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒",
        "       ▁▂▄▅▆▆▆▇▇██",
        "     0 ███████████",
        "       08:54   now 09:46                       11:46\N{EN DASH}13:16",
    ]
    assert styles(chart[1])["primary"] == "▁"
    assert styles(chart[1])["secondary"] == "░" * 21 + "▒" * 19
    assert styles(chart[4]) == {
        "faint": "08:54",
        "muted": "now 09:46",
        "secondary": "11:46\N{EN DASH}13:16",
    }


def test_the_forecast_range_widens_over_time() -> None:
    early = [replace(p, counts=Counts(4_000_000, p.counts.transferred, 0, 0)) for p in an_hour()]
    trace = trace_of(KEY, Window.HOUR, NOW, None, early)
    assert text(progress_chart(trace, AHEAD, NOW, LOOK, 60, 4)) == [
        "progress                             270k of 4.00M objects",
        " 100 %                           ░░░░░░▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒",
        "                           ░░░░░░░░░░░░░░░░░░░░",
        "                     ░░░░░░░░░░░░░░░",
        "     0 ▂▂▂▃▃▃▃▃▃▃▃░░░░░░░",
        "       08:54   now 09:46                       11:46\N{EN DASH}13:16",
    ]


def test_the_progress_in_a_narrow_pane_and_without_unicode() -> None:
    assert text(progress_chart(the_hour(), AHEAD, NOW, LOOK, 34, 2)) == [
        "progress      270k of 400k objects",
        " 100 %  ▁▁▂▃░░░░░░░░░░░▒▒▒▒▒▒▒▒▒▒▒",
        "     0 █████",
        "          now 09:46    11:46\N{EN DASH}13:16",
    ]
    assert text(progress_chart(the_hour(), AHEAD, NOW, PLAIN, 60, 3)) == [
        "progress                              270k of 400k objects",
        " 100 %            ---------------------===================",
        "       __.::::||||",
        "     0 |||||||||||",
        "       08:54   now 09:46                       11:46-13:16",
    ]


def test_a_lower_bound_has_no_upper_end() -> None:
    ahead = replace(AHEAD, at_least=True)
    assert text(progress_chart(the_hour(), ahead, NOW, LOOK, 60, 3, growing=True)) == [
        "progress                             270k of 400k+ objects",
        " 100 %                 ▁░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░→",
        "        ▁▂▂▃▄▅▅▆▆▆▆▇▇███",
        "     0 █████████████████",
        "       08:50        now 09:46             not before 11:46",
    ]


def test_a_growing_total_is_marked_without_a_forecast() -> None:
    [title, *_] = text(progress_chart(the_hour(), None, NOW, LOOK, 60, 3, growing=True))
    assert title.endswith("270k of 400k+ objects")


def test_without_a_forecast_only_measurements_are_drawn() -> None:
    assert text(progress_chart(the_hour(), None, NOW, LOOK, 60, 3)) == [
        "progress                           270k of 400k objects",
        " 100 %                                                ▁",
        "             ▁▁▁▂▂▂    ▃▄▄▄▄▅▅▅▅▆▆▆▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇▇████",
        "     0 ▇▇██████████····████████████████████████████████",
        "       08:47   09:00       09:15       09:30  now 09:46",
    ]


def test_a_forecast_that_has_passed_is_not_drawn() -> None:
    after_end = progress_chart(the_hour(), AHEAD, AHEAD.high + 1, LOOK, 60, 3)
    assert not {"░", "▒"} & set("".join(text(after_end)))


def test_without_counts_no_progress_is_drawn() -> None:
    assert text(
        progress_chart(replace(the_hour(), points=(), begun=None), None, NOW, LOOK, 34, 2)
    ) == [
        "progress            no count seen",
        "",
        "       ··························",
        "       08:48            now 09:46",
    ]


@pytest.mark.parametrize(
    ("low", "high", "finish"),
    [
        (1, 2, "10:46\N{EN DASH}11:46"),
        (40, 60, "Sun 01:46\N{EN DASH}21:46"),
        (10, 20, "19:46 \N{EN DASH} Sat 05:46"),
        (30, 50, "Sat 15:46 \N{EN DASH} Sun 11:46"),
        (48, 48, "Sun 09:46"),
        (240, 241, "30 Mar"),
        (240, 984, "30 Mar \N{EN DASH} 30 Apr"),
    ],
)
def test_the_finish_is_labelled_with_day_and_time(low: int, high: int, finish: str) -> None:
    ahead = Forecast(NOW + low * 3600, NOW + high * 3600, NOW)
    times = text(progress_chart(the_hour(), ahead, NOW, LOOK, 60, 2))[-1]
    assert times.split("now 09:46")[1].strip() == finish


COUNT = st.one_of(st.none(), st.integers(0, 10**6), st.integers(0, 10**400))
STATUS = st.sampled_from(["running", "paused", "completed", "", None])


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    window = draw(st.sampled_from(Window))
    reach = draw(st.sampled_from([1.0, 700.0, 90_000.0, 3e6, 1.7e9]))
    times = draw(st.lists(st.floats(0, reach), max_size=40))
    points = [
        Recorded(
            NOW - ago,
            Counts(draw(COUNT), draw(COUNT), 0, 0),
            draw(STATUS),
            draw(st.booleans()),
            draw(st.booleans()),
        )
        for ago in times
    ]
    created_at = draw(st.one_of(st.none(), st.floats(0, 4e9)))
    return trace_of(KEY, window, NOW, created_at, points)


FORECASTS = st.one_of(
    st.none(),
    st.builds(
        Forecast,
        st.floats(0, 1e12),
        st.floats(0, 1e12),
        st.just(NOW),
        at_least=st.booleans(),
    ),
)
LOOKS = st.builds(
    Look,
    st.booleans(),
    st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=-9.5)), None]),
)


@given(traces(), FORECASTS, LOOKS, st.integers(1, 200), st.integers(1, 12))
@example(trace_of(KEY, Window.ALL, 1e15, 0.0, ()), None, LOOK, 40, 3)
@example(trace_of(KEY, Window.ALL, 0.0, None, ()), None, LOOK, 40, 3)
def test_a_chart_fits_its_width_and_is_ascii_if_needed(
    trace: Trace, forecast: Forecast | None, look: Look, width: int, height: int
) -> None:
    for chart in (
        rate_chart(trace, look, width, height, key="t"),
        progress_chart(trace, forecast, trace.until, look, width, height),
    ):
        assert len(chart) == height + 2
        assert all(width_of(line) <= width for line in chart)
        assert {piece.style for line in chart for piece in line} <= {"", *STYLES}
        if look.ascii_only:
            assert all(" " <= char <= "~" for line in chart for char in text_of(line))


@given(traces(), st.integers(8, 200), st.integers(2, 12))
def test_only_columns_without_samples_are_blank(trace: Trace, width: int, height: int) -> None:
    rows = rate_chart(trace, LOOK, width, height)[1:-1]
    columns = columns_for(trace, trace.until, room_of(width))
    seen = set()
    for span in spans_of(trace.points):
        end = columns.of(span.until)
        passed = range(max(0, columns.of(span.since) + 1), min(end, columns.count))
        arrived = [end] if span.until > columns.begins(end) else []
        seen.update([*passed, *arrived] if span.rate is not None else [])
    for column in range(columns.count):
        drawn = {text_of(row)[gutter_of(width) + column] for row in rows} - {"‖", "▲"}
        assert bool(drawn & set("▁▂▃▄▅▆▇█")) <= (column in seen)
        assert ("·" in drawn) <= (column not in seen)
        marked = text_of(rows[-1])[gutter_of(width) + column] in "‖▲"
        assert marked or bool(drawn & set("▁▂▃▄▅▆▇█")) == (column in seen)


@given(traces(), st.floats(0, 5000), st.integers(8, 200))
def test_a_past_column_never_changes(trace: Trace, later: float, width: int) -> None:
    after = extended(trace, Recorded(NOW + later, Counts(99, 99, 0, 0), "running"))
    before_columns, after_columns = (
        columns_for(t, t.until, room_of(width)) for t in (trace, after)
    )
    newest = trace.points[-1].at if trace.points else NOW
    settled = [p.at for p in trace.points if p.at // trace.step < newest // trace.step]
    counted = [p.at for p in trace.points if p.at in settled and p.counts.done is not None]
    if before_columns.seconds != after_columns.seconds or not counted:
        return
    moved_by = after_columns.first - before_columns.first
    old, new = seen_in(before_columns, trace.points), seen_in(after_columns, after.points)
    over = min(before_columns.of(counted[-1]) + 1, before_columns.of(newest))
    for column in range(max(0, moved_by), over):
        assert old[column] == new[column - moved_by]


@given(st.sampled_from(Window), st.integers(8, 200), st.floats(0, 1))
def test_a_chart_does_not_change_within_a_column(window: Window, width: int, share: float) -> None:
    trace = the_hour(window)
    columns = columns_for(trace, NOW, room_of(width))
    rest = columns.begins(columns.count) - NOW
    later = moved(trace, NOW + rest * share * 0.999)
    if columns_for(later, later.until, room_of(width)).seconds == columns.seconds:
        assert rate_chart(later, LOOK, width, 3) == rate_chart(trace, LOOK, width, 3)


@given(traces(), st.integers(1, 200))
def test_columns_are_aligned_and_fill_most_of_their_room(trace: Trace, width: int) -> None:
    columns = columns_for(trace, trace.until, width)
    assert 1 <= columns.count <= width
    many = columns.seconds / trace.step
    assert many == pytest.approx(round(many))
    assert columns.of(trace.until) == columns.count - 1
    if trace.window is not Window.ALL:
        assert columns.begins(0) >= trace.since - 1e-3
        assert columns.count >= min(width, 240) / 2


@given(st.floats(0, 1e15))
def test_the_top_of_the_scale_is_round_and_not_below_the_peak(peak: float) -> None:
    top = scale_top(peak)
    assert top >= peak * (1 - 1e-6)
    unit = unit_for(peak).seconds
    assert top * unit <= 1.0 + 1e-9 or top <= peak * 1.34
    assert math.isfinite(top)


def test_the_scale_changes_rarely() -> None:
    assert len({scale_top(peak) for peak in range(61, 81)}) == 1
    assert [scale_top(peak) for peak in (0.0, 0.9, 1.1, 82, 101, 2600)] == [
        1,
        1,
        1.2,
        100,
        120,
        3000,
    ]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.text("x", max_size=9), st.floats(0, 1))),
    st.integers(1, 60),
)
def test_labels_never_overlap(given_labels: list[tuple[int, str, float]], width: int) -> None:
    line = axis([Label(x, (t,), lean=lean) for x, t, lean in given_labels], width)
    assert width_of(line) <= width
    words = text_of(line).split()
    assert sorted(words, key=len) == sorted((p.text for p in line if p.text.strip()), key=len)
    assert all(len(piece.text) >= 2 for piece in line[1:] if not piece.text.strip())


def test_clock_labels_across_the_change_to_summer_time() -> None:
    zone = ZoneInfo("Europe/Berlin")
    midnight = 1_774_738_800  # Sunday, 2026-03-29 00:00 in Berlin; at two the clocks go to three
    columns = Columns(600.0, midnight // 600, 48)
    labels = [(label.column, label.texts[0]) for label in clock_labels(columns, zone)]
    assert labels == [(0, "Sun"), (12, "03:00"), (18, "04:00"), (30, "06:00"), (42, "08:00")]


def test_a_time_is_as_short_as_is_clear() -> None:
    assert moment(NOW + 60, NOW, UTC) == "09:47"
    assert moment(NOW - 86_400, NOW, UTC) == "Thu 09:46"
    assert moment(NOW + 9 * 86_400, NOW, UTC) == "29 Mar"
    assert moment(NOW + 400 * 86_400, NOW, UTC) == "2027-04-24"


def test_the_axis_of_an_ended_job_shows_its_end_and_not_now() -> None:
    finished = NOW - 3 * 86_400
    points = [replace(point, at=point.at - 3 * 86_400) for point in an_hour()]
    trace = trace_of(KEY, Window.HOUR, finished, None, points)
    over = replace(trace, ended=finished)
    for width in (34, 60, 100):
        rate = text_of(rate_chart(over, LOOK, width, 3)[-1])
        progress = text_of(progress_chart(over, None, NOW, LOOK, width, 3)[-1])
        for times in (rate, progress):
            assert "end" in times
            assert "ago" not in times
            assert "now" not in times
    assert "end 2026-03-17 09:46" in text_of(rate_chart(over, LOOK, 100, 3)[-1])
