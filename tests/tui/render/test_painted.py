from __future__ import annotations

from unittest.mock import patch

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip

from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill
from slurper_tui.tui.render.painted import (
    PaintedLines,
    PlacedUpdate,
    RunsUpdate,
    differing_runs,
    in_doubt,
)
from tests.tui.names import DOUBTFUL

NO_WRAP = 7
"""The private mode that Textual switches off when it starts."""

RED = Style(color="red")


def strip(*pieces: tuple[str, Style | None]) -> Strip:
    return Strip([Segment(text, style) for text, style in pieces])


def test_equal_strips_do_not_differ() -> None:
    assert differing_runs(strip(("ab", None)), strip(("a", None), ("b", None))) == []


def test_only_near_runs_are_merged() -> None:
    plain = strip(("." * 40, None))
    assert differing_runs(plain, strip(("x" + "." * 39, None))) == [(0, 1)]
    assert differing_runs(plain, strip(("x..x" + "." * 30 + "xxxxxx", None))) == [(0, 4), (34, 40)]


def test_another_colour_is_a_difference() -> None:
    assert differing_runs(strip(("abc", None)), strip(("ab", None), ("c", RED))) == [(2, 3)]


def test_a_wide_character_is_never_halved() -> None:
    assert differing_runs(strip((".日.", None)), strip((".本.", None))) == [(1, 3)]
    assert differing_runs(strip(("日..", None)), strip((".日.", None))) == [(0, 3)]


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_row_of_doubtful_width_is_one_run(name: str) -> None:
    assert in_doubt(name)
    plain, doubtful = (strip((text + "." * 40, None)) for text in ("xy", name))
    for before, after in ((plain, doubtful), (doubtful, plain)):
        assert differing_runs(before, after) == [(0, after.cell_length)]


@pytest.mark.parametrize("name", ["photos", "Привет", "日本", "한국", "שלום", "مرحبا", "é→✔▶█"])
def test_most_scripts_and_our_own_signs_are_not_in_doubt(name: str) -> None:
    assert not in_doubt(name)


def test_strips_of_different_lengths_differ_everywhere() -> None:
    assert differing_runs(strip(("abc", None)), strip(("abcd", None))) == [(0, 4)]


WORDS = st.text(st.characters(categories=["L", "N", "S"]), max_size=12)


@given(WORDS, WORDS)
@example("", "\U0001f3fb")
@example("a", "\U0001f3fb")
def test_outside_the_runs_nothing_differs(before: str, after: str) -> None:
    lines = [fill((Piece(text),), 20) for text in (before, after)]
    old, new = (strip(*((p.text, None) for p in line)) for line in lines)
    runs = differing_runs(old, new)
    edges = [0, *(edge for run in runs for edge in run), 20]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        assert old.crop(start, end).text == new.crop(start, end).text


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12) | st.builds(
    "".join, st.lists(st.sampled_from(DOUBTFUL), max_size=3)
)


class Row:
    """A terminal of one row with two widgets side by side, 20 and 10 cells wide.

    width: cells of every character of doubtful width.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._console = Console(color_system="truecolor")
        self._screen = pyte.Screen(30, 1)
        self._screen.reset_mode(NO_WRAP, private=True)
        self._stream = pyte.Stream(self._screen)

    def whole(self, *strips: Strip) -> None:
        self._write(PlacedUpdate([strips], Region(0, 0, 30, 1)))

    def partial(self, before: Strip, *strips: Strip) -> None:
        spans = [(0, start, end) for start, end in differing_runs(before, strips[0])]
        chops = [{0: strips[0], 20: strips[1]}]
        self._write(RunsUpdate.of(ChopsUpdate(chops, spans, [[20, 30]])))

    def _write(self, update: PlacedUpdate | RunsUpdate) -> None:
        def wcwidth(char: str) -> int:
            return self._width if in_doubt(char) else cell_len(char)

        with patch("pyte.screens.wcwidth", wcwidth):
            self._stream.feed(update.render_segments(self._console))

    @property
    def cells(self) -> list[str]:
        return [self._screen.buffer[0][x].data for x in range(30)]


@given(NAMES, NAMES, st.sampled_from([0, 1, 2]))
@example("\U0001f3fb", "", 2)
@example("👍🏽" * 10, "x", 2)
def test_a_name_is_overwritten_at_any_width_that_the_terminal_assigns(
    before: str, after: str, width: int
) -> None:
    old, new = (
        strip(*((p.text, RED) for p in fill((Piece(t), Piece("/")), 20))) for t in (before, after)
    )
    right = strip(("│ neighbour"[:10], None))
    written, anew = Row(width), Row(width)
    written.whole(old, right)
    written.partial(old, new, right)
    anew.whole(new, right)
    assert written.cells == anew.cells
    assert "".join(written.cells[20:]) == "│ neighbou"


class Numbers(PaintedLines):
    """One line with a number."""

    number = 1

    def line_at(self, y: int) -> Line:
        return (Piece(f"number {self.number}"),)


class OneWidget(App[None]):
    def compose(self) -> ComposeResult:
        yield Numbers(Look(), id="numbers")


async def test_a_change_between_a_layout_and_the_news_of_its_size_is_repainted() -> None:
    app = OneWidget()
    async with app.run_test() as pilot:
        numbers = app.query_one(Numbers)
        for asked_after in (True, False):
            numbers.number += 1
            numbers.repaint_changes()
            if not asked_after:
                numbers.render_line(0)  # as a layout does
            numbers.drop_repaints()
            assert bool(numbers._repaint_regions) is asked_after
            await pilot.pause()
