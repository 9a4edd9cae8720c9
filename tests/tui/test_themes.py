"""The colours of every own theme: readable, told apart by colour-blind people, 16 of 16."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from rich.color import ColorType
from rich.segment import Segment

from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.render.glyphs import STATUS, Look
from slurper_tui.tui.render.lines import Line, Piece
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.state import ScreenOptions
from slurper_tui.tui.themes import AUTO, SIXTEEN, THEMES, luminance
from tests.fake_feed import FakeFeed
from tests.tui.jobs import snapshot, view

TRUE = [theme.name for theme in THEMES if not theme.ansi]
ROWS = ("", "cursor", "cursor-blurred")
PIECES = [(status.style, row) for status in STATUS.values() for row in ROWS]
Colour = Sequence[float]


class Sample(PaintedLines):
    """Every status in its style, on every kind of row."""

    def line_at(self, y: int) -> Line:
        return (Piece("status", PIECES[y][0]),) if y < len(PIECES) else ()

    def row_style(self, y: int) -> str:
        return PIECES[y][1] if y < len(PIECES) else ""


async def drawn(theme: str, *, sixteen: bool = False) -> list[Segment]:
    """Return the text of each of PIECES as it is drawn with a theme."""
    feed = FakeFeed(snapshot(view(1)))
    app = SlurperApp(feed, ScreenOptions(theme=theme, sixteen=sixteen), lambda _: None)
    async with app.run_test(size=(80, 24)) as pilot:
        await feed.taken()
        sample = Sample(Look(), id="sample")
        sample.styles.height = len(PIECES)
        await app.main.mount(sample)
        await pilot.pause()
        return [next(iter(sample.render_line(y))) for y in range(len(PIECES))]


def ratio(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours by WCAG 2."""
    dark, light = sorted((luminance(*one), luminance(*other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", TRUE)
async def test_every_status_is_readable_on_every_row(theme: str) -> None:
    for (style, row), (text, look, _) in zip(PIECES, await drawn(theme), strict=True):
        least = 7.0 if "contrast" in theme and style != "muted" else 4.5
        assert text.strip() == "status"
        assert look is not None
        assert look.color is not None
        assert look.bgcolor is not None
        front, back = (
            [part / 255 for part in c.get_truecolor()] for c in (look.color, look.bgcolor)
        )
        assert ratio(front, back) >= least, (style, row)


@pytest.mark.parametrize("theme", [SIXTEEN.name, AUTO])
async def test_with_16_colours_the_terminals_own_are_used(theme: str) -> None:
    segments = await drawn(theme, sixteen=True)
    for (style, row), (_, look, _) in zip(PIECES, segments, strict=True):
        assert look is not None
        for colour in (look.color, look.bgcolor):
            assert colour is None or colour.type in (ColorType.STANDARD, ColorType.DEFAULT), style
        assert bool(look.reverse) is (row == "cursor")


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
@pytest.mark.parametrize("ascii_only", [False, True], ids=["", "ascii"])
async def test_no_status_is_a_colour_alone(size: tuple[int, int], ascii_only: bool) -> None:
    statuses = ("running", "paused", "completed", "aborted")
    views = [view(number, status) for number, status in enumerate(statuses)]
    feed = FakeFeed(snapshot(*views))
    app = SlurperApp(feed, ScreenOptions(ascii_only=ascii_only), lambda _: None)
    async with app.run_test(size=size) as pilot:
        await feed.taken()
        await pilot.pause()
        text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
    for each in views:
        status = STATUS[each.state]
        assert f" {status.plain if ascii_only else status.sign} {each.word}" in text


# Machado, Oliveira and Fernandes, 2009: complete protanopia, deuteranopia and tritanopia.
SEEN_BY = {
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
XYZ = [[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8729]]
"""Linear RGB to XYZ, relative to the white point."""

TOLD_APART = 15.0
"""Least distance in CIELAB; about 2 is the least that can be seen."""


def times(matrix: Sequence[Colour], vector: Colour) -> list[float]:
    sums = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return [min(1.0, max(0.0, number)) for number in sums]


def lab(colour: str, seen_by: Sequence[Colour]) -> tuple[float, float, float]:
    """Return a colour in CIELAB as somebody sees it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [luminance(part, part, part) for part in parts]
    x, y, z = (
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
        for t in times(XYZ, times(seen_by, linear))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("people", SEEN_BY)
@pytest.mark.parametrize(
    "theme", [t for t in THEMES if "colour-blind" in t.name], ids=lambda t: t.name
)
def test_colour_blind_people_tell_the_status_colours_apart(theme: object, people: str) -> None:
    names = ("primary", "secondary", "success", "warning", "error")
    colours = {name: lab(getattr(theme, name), SEEN_BY[people]) for name in names}
    for one, other in combinations(names, 2):
        pairs = zip(colours[one], colours[other], strict=True)
        assert sum((a - b) ** 2 for a, b in pairs) ** 0.5 >= TOLD_APART, (one, other)
