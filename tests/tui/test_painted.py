from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from slurper_tui.tui.lines import Piece, fill
from slurper_tui.tui.painted import differing_runs

RED = Style(color="red")


def strip(*pieces: tuple[str, Style | None]) -> Strip:
    return Strip([Segment(text, style) for text, style in pieces])


def test_equal_strips_do_not_differ() -> None:
    assert differing_runs(strip(("ab", None)), strip(("a", None), ("b", None))) == []


def test_far_runs_stay_apart_and_near_ones_merge() -> None:
    plain = strip(("." * 40, None))
    assert differing_runs(plain, strip(("x" + "." * 39, None))) == [(0, 1)]
    assert differing_runs(plain, strip(("x..x" + "." * 30 + "xxxxxx", None))) == [(0, 4), (34, 40)]


def test_another_colour_is_a_difference() -> None:
    assert differing_runs(strip(("abc", None)), strip(("ab", None), ("c", RED))) == [(2, 3)]


def test_a_wide_character_is_never_halved() -> None:
    assert differing_runs(strip((".日.", None)), strip((".本.", None))) == [(1, 3)]
    assert differing_runs(strip(("日..", None)), strip((".日.", None))) == [(0, 3)]


def test_a_mark_belongs_to_the_character_under_it() -> None:
    assert differing_runs(strip(("ae", None)), strip(("ae\u0301", None))) == [(1, 2)]


def test_another_length_means_everything() -> None:
    assert differing_runs(strip(("abc", None)), strip(("abcd", None))) == [(0, 4)]


WORDS = st.text(st.characters(categories=["L", "N", "S"]), max_size=12)


@given(WORDS, WORDS)
def test_outside_the_runs_nothing_differs(before: str, after: str) -> None:
    lines = [fill((Piece(text),), 20) for text in (before, after)]
    old, new = (strip(*((p.text, None) for p in line)) for line in lines)
    runs = differing_runs(old, new)
    edges = [0, *(edge for run in runs for edge in run), 20]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        assert old.crop(start, end).text == new.crop(start, end).text
