from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import (
    Piece,
    fill,
    shorten,
    spread,
    text_of,
    width_of,
    wrap,
    wrap_words,
)

TEXTS = st.text(st.characters(categories=["L", "N", "P", "S", "M"]))


def test_a_short_text_is_unchanged() -> None:
    assert shorten("photos", 6) == "photos"


def test_a_long_text_loses_its_middle() -> None:
    assert shorten("photos-prod-2024", 9) == "phot…2024"
    assert shorten("photos-prod-2024", 9, "..") == "phot..024"


@given(TEXTS, st.integers(0, 40))
def test_a_shortened_text_fits(text: str, width: int) -> None:
    assert cell_len(shorten(text, width)) <= max(width, cell_len(text) if width >= 40 else width)


@given(TEXTS, st.integers(0, 30), st.booleans())
def test_a_filled_line_has_exactly_its_width(text: str, width: int, right: bool) -> None:
    line = (Piece(text, "a"), Piece(text, "b"))
    assert width_of(fill(line, width, right=right)) == width


@given(TEXTS, st.integers(2, 30))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    parts = wrap(text, width)
    assert "".join(parts) == text
    assert all(cell_len(part) <= width for part in parts)


def test_a_text_is_cut_between_characters_and_never_before_a_mark() -> None:
    text = unicodedata.normalize("NFD", "äöü" * 4)
    assert unicodedata.normalize("NFC", shorten(text, 5)) == "äö…öü"
    assert [unicodedata.normalize("NFC", part) for part in wrap(text, 5)] == [
        "äöüäö",
        "üäöüä",
        "öü",
    ]


def test_marks_cannot_pile_up_in_a_cell() -> None:
    assert len(shorten("Z" + "\u0301" * 1000, 10)) <= 50
    assert max(map(len, wrap("Z" + "\u0301" * 1000, 10))) <= 40


@pytest.mark.parametrize("text", ["x" * 1_000_000, "a b" * 300_000, "बाल्टी" * 100_000])
def test_a_text_of_any_length_is_wrapped(text: str) -> None:
    assert "".join(wrap(text, 20)) == text
    assert cell_len(shorten(text, 20)) <= 20


def test_the_right_side_is_omitted_if_both_do_not_fit() -> None:
    left, right = (Piece("left"),), (Piece("right"),)
    assert text_of(spread(left, right, 12)) == "left   right"
    assert text_of(spread(left, right, 9)) == "left     "


@given(st.integers(-5, 10**12), st.integers(-5, 10**12), st.integers(1, 30), st.booleans())
def test_a_bar_is_rounded_down(part: int, whole: int, width: int, a: bool) -> None:
    bar = Look(ascii_only=a).bar(part, whole, width)
    assert len(bar) == width
    full = bar.count("#" if a else "█")
    if whole > 0:
        assert full * whole <= max(0, min(part, whole)) * width
    else:
        assert full == 0


def test_a_bar_grows_in_eighths_of_a_cell() -> None:
    assert [Look().bar(n, 8, 1) for n in range(9)] == list(" ▏▎▍▌▋▊▉█")


def test_wrapping_keeps_words_whole_if_possible() -> None:
    assert wrap("failed: the API answered 502 with an HTML page", 32) == [
        "failed: the API answered ",
        "502 with an HTML page",
    ]
    assert wrap("a " + "b" * 10, 6) == ["a bbbb", "bbbbbb"]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        (
            "if it moves again: 1 h 35 – 3 h 5 min at 47/s",
            36,
            ["if it moves again: 1 h 35 –", "3 h 5 min at 47/s"],
        ),
        (
            "if it moves again: 1 h 35 – 3 h 5 min at 47/s",
            24,
            ["if it moves again:", "1 h 35 – 3 h 5 min at", "47/s"],
        ),
        ("12: 3 paused · 2 running", 16, ["12: 3 paused ·", "2 running"]),
        (
            "in the last 6 h 1 min (7.9 %), 56 per minute",
            33,
            ["in the last 6 h 1 min (7.9 %),", "56 per minute"],
        ),
        ("objects 1,234,567,890 objects", 22, ["objects 1,234,567,890", "objects"]),
    ],
)
def test_a_number_stays_with_its_unit_if_possible(text: str, width: int, lines: list[str]) -> None:
    assert [part.rstrip() for part in wrap(text, width)] == lines
    assert wrap_words("Away 14 h 20 min", 13) == ["Away 14 h 20", "min"]
    assert wrap_words("in the last 3 h 5 min", 16) == ["in the last", "3 h 5 min"]
