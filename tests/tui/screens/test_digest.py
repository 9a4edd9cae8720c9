from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC

import pytest
from msgspec.structs import replace
from textual.app import App
from textual.pilot import Pilot

from slurper_tui.monitor.reports.digest import Digest, make_digest
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import text_of, width_of
from slurper_tui.tui.render.painted import STYLES
from slurper_tui.tui.screens.base import Page
from slurper_tui.tui.screens.reports import HOW_TO_CLOSE, HOW_TO_SCROLL, DigestDialog, digest_lines
from slurper_tui.tui.state import ScreenOptions
from tests.fake_feed import FakeFeed
from tests.monitor.reports.digests import SINCE, a_quiet_night, an_eventful_night, job, sample
from tests.monitor.verifications import BAD, SAME, verified
from tests.tui.jobs import NOW, harmless, snapshot, view

LOOK = Look(zone=UTC)
PLAIN = Look(ascii_only=True, zone=UTC)


def lines(digest: Digest, width: int, look: Look = LOOK) -> list[str]:
    texts = (text_of(line).rstrip() for line in digest_lines(digest, look, width))
    return [text.replace("\N{EN DASH}", "-") for text in texts]


@asynccontextmanager
async def opened(digest: Digest, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[int]]:
    """The program with the panel open over its jobs."""
    feed = FakeFeed(snapshot(view(1), view(2)))
    app = SlurperApp(feed, ScreenOptions(zone=UTC), lambda _: None)
    async with app.run_test(size=size) as pilot:
        await feed.taken()
        await app.push_screen(DigestDialog(LOOK, digest))
        await pilot.pause()
        yield pilot


def is_open(app: App[int]) -> bool:
    return isinstance(app.screen, DigestDialog)


def test_it_shows_the_period_the_changes_and_the_advice() -> None:
    said = lines(an_eventful_night(), 75)
    assert said[:4] == [
        "Away 14 h 20 min, since Thu 19:26                            any key closes",
        "unobserved: Thu 19:26-Fri 09:46",
        "",
        "✖ aborted     import → media                                 +100 at <0.1/s",
    ]
    assert said[said.index("To do now") :] == [
        "To do now",
        "✖ import → media",
        "  aborted, 400 not done: start it again if needed",
        "✔ thumbs → media",
        "  completed: 10 failed, 10 unaccounted: see what failed",
        "▲ logs → media",
        "  stalled for 12 min: watch it, or pause and resume it",
        "‖ backups → cold",
        "  paused since 09:46 or earlier: resume it when ready",
        "▶ videos → media",
        "  904 failed so far: read its log",
    ]


def test_a_quiet_night_is_short() -> None:
    assert lines(a_quiet_night(), 75) == [
        "The last 14 h 20 min, since Thu 19:26                        any key closes",
        "",
        "2 other jobs ended before: nothing new",
        "",
        "Nothing to do now.",
    ]


def test_in_a_narrow_dialog_the_progress_has_its_own_line() -> None:
    said = lines(an_eventful_night(), 35)
    assert said[0] == "Away 14 h 20 min, since Thu 19:26"
    place = said.index("‖ backups → cold")
    assert said[place + 1 : place + 4] == [
        "  +10,000 at 0.2/s",
        "  from running to paused between",
        "  Thu 19:26 and Fri 09:46",
    ]


@pytest.mark.parametrize("look", [LOOK, PLAIN])
@pytest.mark.parametrize("width", [20, 35, 59, 60, 75, 79])
def test_every_line_fits_and_has_a_known_style(width: int, look: Look) -> None:
    last = (sample(NOW - 50, 1000, 1000, "completed"),)
    ended, samples = job(1, last, finished=NOW - 50)
    results = [verified("job0001", counts=counts, at=-40) for counts in (SAME, BAD)]
    compared = [(replace(ended, verification=result), samples) for result in results]
    digests = (an_eventful_night(), make_digest(compared, SINCE, NOW + 700, UTC))
    assert len(digests[1].jobs) == 2
    for line in (line for digest in digests for line in digest_lines(digest, look, width)):
        assert width_of(line) <= width
        assert {piece.style for piece in line} <= {"", *STYLES}


def test_ascii_output_has_the_same_text() -> None:
    assert all(line.isascii() for line in lines(an_eventful_night(), 75, PLAIN))


def test_foreign_text_is_harmless() -> None:
    evil = "[red]a\x1b[31m\u202eb"
    samples = (sample(SINCE, 9, 1, "running"), sample(NOW, 9, 2, evil, after_gap=True))
    digest = make_digest([job(1, samples, source=evil, target=evil)], SINCE, NOW, UTC)
    said = lines(digest, 75)
    assert all(harmless(line) for line in said)
    assert any("[red]a" in line for line in said)


@pytest.mark.parametrize("key", ["d", "q", "escape", "enter", "space", "x", "down", "j", "z", "P"])
async def test_any_key_closes_a_panel_that_fits(key: str) -> None:
    async with opened(a_quiet_night()) as pilot:
        assert is_open(pilot.app)
        await pilot.press(key)
        await pilot.pause()
        assert not is_open(pilot.app)


async def test_the_key_that_closes_it_does_nothing_else() -> None:
    async with opened(a_quiet_night()) as pilot:
        await pilot.press("slash")
        await pilot.pause()
        assert pilot.app.return_code is None
        assert not pilot.app.screen.has_class("-filtering")


async def test_a_panel_that_does_not_fit_is_scrolled_and_any_other_key_closes_it() -> None:
    async with opened(an_eventful_night(), (80, 18)) as pilot:
        page = pilot.app.screen.query_one(Page)
        for key, at in (
            ("down", 1),
            ("j", 2),
            ("k", 1),
            ("pagedown", 11),
            ("pageup", 1),
            ("up", 0),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert page.scroll_offset.y == at
        await pilot.press("q")
        await pilot.pause()
        assert not is_open(pilot.app)
        assert pilot.app.return_code is None


async def test_the_head_names_the_keys() -> None:
    for digest, hint in ((a_quiet_night(), HOW_TO_CLOSE), (an_eventful_night(), HOW_TO_SCROLL)):
        async with opened(digest) as pilot:
            strips = pilot.app.screen._compositor.render_strips()
            assert any(hint in strip.text for strip in strips)


async def test_two_keys_at_once_close_it_once() -> None:
    async with opened(a_quiet_night()) as pilot:
        await pilot.press("x", "x")
        await pilot.pause()
        assert not is_open(pilot.app)


async def test_ctrl_c_quits() -> None:
    async with opened(an_eventful_night()) as pilot:
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert pilot.app.return_value == 0


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (200, 50), (20, 5)])
async def test_its_first_words_are_seen_at_every_size(size: tuple[int, int]) -> None:
    async with opened(an_eventful_night(), size) as pilot:
        strips = pilot.app.screen._compositor.render_strips()
        assert any("Away 14 h" in strip.text for strip in strips)
