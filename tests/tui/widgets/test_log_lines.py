from __future__ import annotations

import unicodedata
from datetime import UTC
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.model.logs import FAILED_TYPE, LogView
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import text_of, width_of
from slurper_tui.tui.render.log_text import (
    RowLayout,
    layout_for,
    row_height,
    row_line,
    row_lines,
    times_for,
)
from slurper_tui.tui.render.painted import STYLES
from slurper_tui.tui.widgets import log_lines as states
from slurper_tui.tui.widgets.log_lines import LogState, pattern_of
from tests.tui.jobs import NOW, harmless
from tests.tui.log_pages import ARCHIVED, JOB, log_view, opened, row

LOOK = Look(zone=UTC)
PLAIN = Look(ascii_only=True, zone=UTC)

texts = st.none() | st.text(max_size=60)
types = st.sampled_from([None, "importErrorRetryExhaustion", ARCHIVED, "migrationStart", "odd\n"])
rows = st.builds(
    LogRow, created_at=texts, job=texts, log_type=types, message=texts, object_key=texts
)


def style(
    row: LogRow, width: int, look: Look = LOOK, sought: str = "", *, ages: bool = False
) -> RowLayout:
    times = times_for([row], NOW, look, short=width < 56, ages=ages)
    key, message = cell_len(row.object_key or ""), cell_len(row.message or "")
    return RowLayout(look, width, times, key, pattern_of(sought), widest=26, message=message)


@given(rows, st.integers(1, 150), st.sampled_from([LOOK, PLAIN]), st.text(max_size=2))
def test_a_row_fits_its_line_with_valid_styles_and_no_control_characters(
    row: LogRow, width: int, look: Look, sought: str
) -> None:
    line = row_line(row, style(row, width, look, sought))
    assert width_of(line) <= width
    assert {piece.style for piece in line} <= {"", *STYLES}
    assert harmless(text_of(line))


@given(rows, st.integers(24, 150), st.sampled_from([LOOK, PLAIN]))
def test_a_wrapped_row_has_its_computed_height_and_loses_nothing(
    row: LogRow, width: int, look: Look
) -> None:
    drawn = style(row, width, look)
    lines = row_lines(row, drawn)
    assert len(lines) == row_height(row, drawn)
    assert all(width_of(line) <= width for line in lines)
    shown = "".join(piece.text for line in lines for piece in line)
    for text in (row.object_key, row.message):
        assert look.sanitise(text or "").replace(" ", "") in shown.replace(" ", "")


@pytest.mark.parametrize("width", [30, 77, 120])
@pytest.mark.parametrize("wrapped", [False, True])
def test_every_visible_match_is_marked_in_any_case(width: int, wrapped: bool) -> None:
    line = row(7)
    drawn = style(line, width, sought="img_0007")
    lines = row_lines(line, drawn) if wrapped else [row_line(line, drawn)]
    marked = [piece.text for found in lines for piece in found if piece.style == "match"]
    assert marked == ["IMG_0007"]


def test_a_match_is_marked_in_any_normal_form() -> None:
    forms: list[Literal["NFC", "NFD"]] = ["NFC", "NFD"]
    for stored, typed in (forms, forms[::-1]):
        line = replace(row(7), object_key=unicodedata.normalize(stored, "été/한국.jpg"))
        sought = unicodedata.normalize(typed, "É/한")
        marked = [
            p.text for p in row_line(line, style(line, 90, sought=sought)) if p.style == "match"
        ]
        assert marked == [unicodedata.normalize(stored, "é/한")]
        state = states.see(LogState(LogView(JOB.key)), log_view(row(1), line))
        assert states.show(state, filter_text=sought).rows == (line,)
        assert states.seek(state, sought).matches == (1,)


def test_both_ends_of_a_very_long_message_are_shown_and_found() -> None:
    line = replace(row(7), message="first" + "x" * 5_000_000 + "last", object_key="k" * 100_000)
    drawn = style(line, 80, sought="last")
    lines = row_lines(line, drawn)
    assert len(lines) == row_height(line, drawn) < 300
    shown = "".join(text_of(one).strip() for one in lines)
    assert "4,995,913 characters left out".replace(" ", "") in shown.replace(" ", "")
    assert shown.endswith("last")
    assert width_of(row_line(line, drawn)) <= 80
    state = states.see(LogState(LogView(JOB.key)), log_view(row(1), line))
    assert states.seek(state, "last").matches == (1,)


def test_ages_count_from_the_newest_data() -> None:
    line = row_line(row(7), style(row(7), 80, ages=True))
    assert text_of(line).startswith("  7m")


def test_the_reason_of_a_failed_object_is_short_in_a_narrow_row() -> None:
    assert "failed  " in text_of(row_line(row(1), style(row(1), 77)))
    assert "failed after several tries" in text_of(row_line(row(1), style(row(1), 150)))


def test_the_reasons_take_only_as_much_room_as_those_of_the_shown_rows_need() -> None:
    failed = row(1, key="photos/" + "x" * 200 + ".jpg")
    odd = row(2, "importSkippedUnsupportedContentType", "photos/a.pdf")
    alone = layout_for([failed], {}, LOOK, 78, NOW)
    both = layout_for([failed, odd], {}, LOOK, 78, NOW)
    assert (alone.reason, both.reason) == (6, 26)
    assert "✖ failed  photos/xxx" in text_of(row_line(failed, alone))


@pytest.mark.parametrize("width", [100, 116])
def test_a_long_key_is_cut_before_the_message(width: int) -> None:
    message = "Gave up after 5 tries: source answered 503"
    failed = row(1, key="photos/" + "x" * 60 + "/IMG_0001.jpg", message=message)
    text = text_of(row_line(failed, layout_for([failed], {}, LOOK, width, NOW)))
    assert text.endswith(message)
    assert "photos/x" in text
    assert "_0001.jpg  " in text


async def test_the_columns_fit_the_rows_on_the_screen() -> None:
    failed = [row(n, message="the object changed meanwhile; " * 2) for n in range(60)]
    odd = row(60, "importSkippedUnsupportedContentType", "2024/" + "x" * 60)
    async with opened("l", size=(120, 20)) as stage:
        await stage.show(log_view(*failed, odd))
        assert "failed  2024/IMG_0001.jpg  the object" in stage.text
        await stage.press("G")
        assert f"failed{' ' * 22}2024/IMG_0059.jpg " in stage.text
        await stage.press("g")
        assert "failed  2024/IMG_0001.jpg  the object" in stage.text


@pytest.mark.parametrize("width", [57, 80, 120])
@pytest.mark.parametrize(
    ("log_type", "shown"),
    [
        ("importSkippedRequiresRetrieval", "to be restored first  "),
        ("importSkippedUnsupportedContentType", "content type not supported  "),
        ("importNobodyForesawSomethingLikeThis", "importNobodyForesawSometh…  "),
        (FAILED_TYPE, "failed"),
    ],
)
def test_a_long_key_is_cut_and_a_reason_never_in_its_middle(
    width: int, log_type: str, shown: str
) -> None:
    line = row(1, log_type, "photos/" + "x" * 200 + "/IMG_0001.jpg", "the source answered 503")
    text = text_of(row_line(line, style(line, width)))
    assert shown in text
    assert "…" in text.partition(shown)[2]
    assert width < 80 or "001.jpg" in text


def test_a_row_that_names_its_job_shows_more_of_the_key_where_there_is_little_room() -> None:
    line = row(1, key="photos/2024/07/" + "x" * 60 + "/IMG_0001.jpg")
    shown = {}
    for width in (76, 140):
        several = replace(style(line, width), names={"job0001": "2024/"}, name=7)
        shown[width] = text_of(row_line(line, several))
    assert all("2024/" in text and "failed" in text for text in shown.values())
    assert "IMG_0001.jpg" in shown[76]
    assert "source answered" not in shown[76]
    assert "source answer" in shown[140]


def test_a_message_is_cut_at_its_end() -> None:
    line = row(1, message="the source answered 503 " + "again " * 50 + "at last")
    text = text_of(row_line(line, style(line, 90)))
    assert "the source answered 503" in text
    assert text.endswith("…")


numbers = st.lists(st.integers(0, 30), max_size=12, unique=True)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(-3, 15), st.booleans())
def test_the_cursor_keeps_its_row_and_new_rows_are_counted(
    old: int, new: int, cursor: int, follows: bool
) -> None:
    every = tuple(row(number) for number in range(old + new))
    begun = LogState(LogView(JOB.key), following=follows)
    state = states.move_to(states.see(begun, log_view(*every[new:])), cursor)
    later = states.see(state, log_view(*every))
    if state.row is None or state.sticks:
        assert (later.cursor, later.fresh) == (0, 0)
    else:
        assert later.row == state.row
        assert later.fresh == new


@given(numbers, st.integers(-30, 30), st.sampled_from(["", "1", "!1", "IMG 2", "nothing", "!"]))
def test_a_filter_shows_matching_rows_and_clearing_it_shows_all(
    chosen: list[int], cursor: int, words: str
) -> None:
    every = tuple(row(number) for number in chosen)
    state = states.move_to(states.see(LogState(LogView(JOB.key)), log_view(*every)), cursor)
    shown = states.show(state, filter_text=words)
    assert list(shown.rows) == [r for r in every if r in shown.rows]
    assert shown.row is None or shown.row in every
    assert states.show(shown, filter_text="").rows == every


@given(numbers, st.integers(0, 30), st.integers(1, 20), st.sampled_from([1, -1]))
def test_stepping_through_matches_visits_each_once(
    chosen: list[int], cursor: int, steps: int, way: int
) -> None:
    every = tuple(row(number) for number in chosen)
    seen = states.see(LogState(LogView(JOB.key)), log_view(*every))
    state = states.move_to(states.seek(seen, "IMG_001"), cursor)
    visited = []
    for _ in state.matches:
        state = states.to_match(state, way)
        assert state.place == state.matches.index(state.cursor) + 1
        visited.append(state.cursor)
    assert sorted(visited) == list(state.matches)
