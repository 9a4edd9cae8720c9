from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any

import pytest
from msgspec.structs import replace
from textual.command import CommandList
from textual.events import Key
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Input
from textual.worker import WorkerFailed

from slurper_tui.api.errors import Fault, Rejected, Unreachable
from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import AccountView, BudgetView, PastOutage, Problem, Snapshot
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.keys import MAIN_KEYS, PALETTE_ONLY
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.screens.base import Dialog
from slurper_tui.tui.screens.dialogs import CopyDialog, HelpDialog, ProblemDialog
from slurper_tui.tui.screens.palette import Palette, likeness
from slurper_tui.tui.state import ScreenOptions, ViewState
from slurper_tui.tui.themes import LIGHT, is_light
from tests.fake_feed import FakeFeed
from tests.patience import PATIENCE, until
from tests.tui.jobs import ACCOUNT, NOW, snapshot, view

XTERM = {"TERM": "xterm-256color"}
THREE = (view(1), view(2, failed=5), view(3, "completed", 1000))


class Stage:
    """An app under Pilot with the feed that feeds it."""

    def __init__(self, app: SlurperApp, feed: FakeFeed, saved: list[ViewState]) -> None:
        self.app, self.feed, self.saved = app, feed, saved
        self.pilot: Pilot[int]

    async def show(self, *snapshots: Snapshot) -> None:
        for each in snapshots:
            self.feed.push(each)
        await self.feed.taken()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    @property
    def text(self) -> str:
        """The text on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)

    @property
    def status(self) -> str:
        return self.text.splitlines()[-1]

    @property
    def job(self) -> str | None:
        """The id of the highlighted job."""
        highlighted = self.app.main.state.highlighted
        return highlighted.job_id if highlighted else None


@asynccontextmanager
async def staged(
    *snapshots: Snapshot,
    size: tuple[int, int] = (120, 40),
    feed: FakeFeed | None = None,
    **options: Any,
) -> AsyncIterator[Stage]:
    feed, saved = feed or FakeFeed(*snapshots), list[ViewState]()
    given = {"zone": UTC, "environ": XTERM, **options}
    stage = Stage(SlurperApp(feed, ScreenOptions(**given), saved.append), feed, saved)
    async with stage.app.run_test(size=size) as stage.pilot:
        await feed.taken()
        await stage.pilot.pause()
        yield stage


def many(count: int) -> list[Any]:
    return [view(n) for n in range(count)]


# What is seen ---------------------------------------------------------------------------------


async def test_it_shows_every_job_the_totals_and_the_highlighted_one() -> None:
    async with staged(snapshot(*THREE, budget=BudgetView(used=143))) as stage:
        for part in ("photos-1 → media", "photos-2 → media", "✔ completed", "2 running · 1 ended"):
            assert part in stage.text
        assert "1.70k of 3.00k" in stage.text
        assert "as of 09:46 UTC · API 143/1200 · read-only" in stage.status
        assert "endpoint     https://s3" in stage.text
        assert stage.job == "job0002"


async def test_before_the_first_snapshot_the_progress_is_shown() -> None:
    async with staged() as stage:
        assert "Asking for the job list" in stage.text
        account = AccountView(ACCOUNT, pages=1)
        await stage.show(snapshot(accounts=(account,)))
        assert "Reading the job list of account 3fa8b6…34455: page 2" in stage.text


async def test_reading_more_pages_of_the_list_is_shown() -> None:
    account = AccountView(ACCOUNT, answered=True, pages=2)
    async with staged(snapshot(*THREE, accounts=(account,)), demo=True) as stage:
        assert "reading the job list: page 3" in stage.status
        assert stage.text.startswith(" demo  3fa8b6…34455")


async def test_a_snapshot_that_arrives_while_the_screen_is_removed_is_harmless() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.app.main.remove_children()
        await stage.show(snapshot(view(4)))
        assert stage.app.main.state.total == 1


async def test_an_empty_account_has_instructions() -> None:
    async with staged(snapshot(), size=(80, 24)) as stage:
        assert "There are no Super Slurper jobs here yet." in stage.text
        assert "It will appear here by itself." in stage.text
        await stage.show(snapshot(*THREE))
        assert "photos-1 → media" in stage.text


async def test_a_bucket_named_like_markup_is_only_a_name() -> None:
    job = view(1, source="[/foo]", target="a[prod]", prefix="\x1b[31m\u202e")
    async with staged(snapshot(job)) as stage:
        assert "[/foo]" in stage.text
        assert "a[prod]" in stage.text
        assert "\x1b" not in stage.text
        await stage.press("colon", *"prod")
        assert "a[prod]" in stage.text


@pytest.mark.parametrize("keys", [[], ["question_mark"], ["colon"], ["slash"], ["Y", "Y"], ["!"]])
async def test_every_character_is_ascii_when_asked(keys: list[str]) -> None:
    jobs = [view(n, source="日本" * 20) for n in range(50)]
    stale = view(60, stale=True, missed=3, status="odd·word")
    async with staged(snapshot(*jobs, stale), size=(80, 24), ascii_only=True) as stage:
        await stage.press("G", "greater_than_sign", *keys)
        await stage.pilot.pause()
        assert stage.text.isascii(), [
            line for line in stage.text.splitlines() if not line.isascii()
        ]


# Nothing moved, nothing drawn -----------------------------------------------------------------


class Repaints(list[tuple[str, Region]]):
    """What was asked to be repainted, and by whom."""


@pytest.fixture
def repaints(monkeypatch: pytest.MonkeyPatch) -> Repaints:
    seen, refresh = Repaints(), PaintedLines.refresh

    def noting(self: PaintedLines, *regions: Region, **given: Any) -> PaintedLines:
        seen.extend((self.id or "", region) for region in regions or (self.size.region,))
        return refresh(self, *regions, **given)

    monkeypatch.setattr(PaintedLines, "refresh", noting)
    return seen


async def test_when_nothing_moved_nothing_is_repainted(repaints: Repaints) -> None:
    async with staged(snapshot(*many(30))) as stage:
        repaints.clear()
        later = snapshot(*many(30), taken_at=NOW + 5, budget=BudgetView(used=4), rounds=2)
        await stage.show(later, later)
        assert repaints == []


async def test_only_the_cells_that_moved_are_repainted(repaints: Repaints) -> None:
    async with staged(snapshot(*many(30))) as stage:
        await stage.press("j", "j")
        repaints.clear()
        jobs = many(30)
        jobs[20] = replace(jobs[20], rate=77.0)
        await stage.show(snapshot(*jobs))
        table = [region for who, region in repaints if who == "jobs"]
        assert [(region.y, region.height) for region in table] == [(21, 1)]
        assert table[0].width <= 4
        assert {who for who, _ in repaints} == {"jobs", "totals"}


async def test_moving_the_cursor_repaints_two_rows(repaints: Repaints) -> None:
    async with staged(snapshot(*many(1000))) as stage:
        repaints.clear()
        await stage.press("j")
        assert {region.y for who, region in repaints if who == "jobs"} == {1, 2}


async def test_partial_repaints_equal_a_full_paint() -> None:
    async with staged(snapshot(*many(60)), size=(80, 24)) as stage:
        for key in ("j", "G", "k", "ctrl+u", "I", "greater_than_sign", "tab", "j", "escape", "g"):
            await stage.press(key)
            jobs = [replace(v, rate=float(hash((key, n)) % 900)) for n, v in enumerate(many(60))]
            await stage.show(snapshot(*jobs))
            partly = stage.text
            stage.app.refresh(layout=True)
            for lines in stage.app.main.query(PaintedLines):
                lines.refresh()
            await stage.pilot.pause()
            assert partly == stage.text


# Selection ------------------------------------------------------------------------------------


async def test_the_highlight_stays_on_its_job_whatever_happens_around_it() -> None:
    async with staged(snapshot(*many(10))) as stage:
        await stage.press("j", "j", "j")
        held = stage.job
        worse = [view(90 + n, failed=3) for n in range(5)]
        for jobs in ([*worse, *many(10)], many(10)[1:], list(reversed(many(10)))):
            await stage.show(snapshot(*jobs))
            assert stage.job == held
        await stage.press("greater_than_sign", "I", "less_than_sign", "a")
        assert stage.job == held
        assert f"{held}" in stage.text


async def test_when_the_highlighted_job_goes_the_nearest_row_takes_over() -> None:
    async with staged(snapshot(*many(10))) as stage:
        await stage.press("j", "j")
        assert stage.job == "job0002"
        await stage.show(snapshot(*(v for v in many(10) if v.job.id != "job0002")))
        assert stage.job == "job0003"
        await stage.press("slash", *"id:job0001")
        assert stage.job == "job0001"


async def test_a_job_far_down_stays_in_sight() -> None:
    async with staged(snapshot(*many(500)), size=(80, 24)) as stage:
        await stage.press("G")
        assert stage.job == "job0499"
        assert "photos-499" in stage.text
        await stage.press("pageup", "pageup")
        assert str(stage.job).removeprefix("job0") in stage.text
        await stage.press("home")
        assert stage.job == "job0000"


async def test_the_session_receives_highlighted_and_visible_jobs() -> None:
    async with staged(snapshot(*many(100)), size=(80, 24)) as stage:
        await stage.press("G")
        highlighted, visible = stage.feed.looked_at
        assert highlighted == JobKey(ACCOUNT, "job0099")
        assert highlighted in visible
        assert JobKey(ACCOUNT, "job0000") not in visible
        assert 5 < len(visible) < 24


# Keys -----------------------------------------------------------------------------------------


async def test_a_filter_is_applied_kept_and_cleared() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("slash", *"status:failed")
        assert "photos-1 →" not in stage.text
        assert "1/3 shown" in stage.text
        await stage.press("enter")
        assert "/status:failed" in stage.status
        assert stage.app.main.table.has_focus
        await stage.press("escape")
        assert "photos-1 →" in stage.text
        await stage.press("slash", *"nothing like it")
        assert "No job matches" in stage.text
        await stage.press("escape")
        assert "photos-1 →" in stage.text
        assert not stage.app.main.has_class("-filtering")


async def test_hiding_ended_jobs_is_saved() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("a")
        assert "photos-3" not in stage.text
        assert stage.saved[-1].hide_ended
        await stage.press("a", "I", "greater_than_sign")
        assert "photos-3" in stage.text
        assert stage.saved[-1] == ViewState(sort="status", inverted=True)


async def test_a_saved_view_is_restored() -> None:
    kept = ViewState(theme="slurper-light", sort="percent", hide_ended=True)
    async with staged(snapshot(*THREE), view=kept) as stage:
        assert stage.app.theme == "slurper-light"
        assert "photos-3" not in stage.text
        assert "%▾" in stage.text


async def test_an_unknown_theme_is_ignored() -> None:
    async with staged(snapshot(), view=ViewState(theme="no such theme")) as stage:
        assert stage.app.theme == "auto"
        assert stage.app.current_theme.dark


async def test_freezing_stops_the_screen_but_not_the_polling() -> None:
    async with staged(snapshot(view(1, done=350))) as stage:
        await stage.press("z")
        assert "frozen since 09:46" in stage.status
        await stage.show(snapshot(view(1, done=360), taken_at=NOW + 60))
        assert "350/1.00k" in stage.text
        await stage.press("z")
        assert "360/1.00k" in stage.text
        assert "frozen" not in stage.status


async def test_refresh_and_interval_reach_the_feed() -> None:
    async with staged(snapshot(view(1))) as stage:
        await stage.press("r", "R", "plus", "plus", "minus", "minus", "minus", "minus", "minus")
        key = JobKey(ACCOUNT, "job0001")
        intervals = [("set_interval", s) for s in (10, 15, 10, 5, 3, 2, 2)]
        assert stage.feed.asked == [("refresh", key), ("refresh_all",), *intervals]


async def test_a_note_gives_way_to_the_facts_after_two_rounds() -> None:
    async with staged(snapshot(view(1), rounds=7)) as stage:
        await stage.press("R")
        await stage.show(snapshot(view(1), rounds=8))
        assert "refreshing everything" in stage.status
        await stage.show(snapshot(view(1), rounds=9))
        assert "refreshing everything" not in stage.status


async def test_copying_shows_a_note_and_a_second_copy_the_text() -> None:
    async with staged(snapshot(view(1))) as stage:
        await stage.press("y")
        assert stage.app.clipboard == "job0001"
        assert "id copied" in stage.status
        await stage.press("y")
        assert isinstance(stage.app.screen, CopyDialog)
        assert "job0001" in stage.text
        assert "set -g set-clipboard on" in stage.text
        await stage.press("escape", "j", "y")
        assert "id copied" in stage.status
        await stage.press("Y")
        assert '"perSecond": 61.2' in stage.app.clipboard


@pytest.mark.parametrize(
    "environ",
    [
        {"TERM": "linux"},
        {"TERM": "screen-256color"},
        {"TERM": "xterm", "TMUX": "/tmp/tmux"},
        {"TERM": "xterm", "TERM_PROGRAM": "Apple_Terminal"},
    ],
)
async def test_a_terminal_that_refuses_shows_the_text_at_once(environ: dict[str, str]) -> None:
    async with staged(snapshot(view(1)), environ=environ) as stage:
        await stage.press("y")
        assert isinstance(stage.app.screen, CopyDialog)


IN_TMUX = {"TERM": "tmux-256color", "TMUX": "/tmp/tmux"}


async def test_in_tmux_the_note_says_no_more_than_what_tmux_has_taken() -> None:
    taken = list[str]()

    async def take(text: str) -> bool:
        taken.append(text)
        return True

    async with staged(snapshot(view(1)), environ=IN_TMUX) as stage:
        stage.app.copy_beside = take
        await stage.press("y")
        assert "id copied to tmux; again to see it in full" in stage.status
        assert taken == [stage.app.clipboard] == ["job0001"]
        await stage.press("y")
        assert isinstance(stage.app.screen, CopyDialog)
        assert "its prefix, then ], pastes it" in stage.text
        assert "set-clipboard" not in stage.text


async def test_a_tmux_that_takes_nothing_leaves_osc_52_alone() -> None:
    async def refuse(text: str) -> bool:
        return False

    async with staged(snapshot(view(1)), environ=IN_TMUX) as stage:
        stage.app.copy_beside = refuse
        await stage.press("y")
        assert isinstance(stage.app.screen, CopyDialog)
        assert stage.app.clipboard == "job0001"
        assert "set -g set-clipboard on" in stage.text
        await stage.press("escape")
        assert "copied" not in stage.status


async def test_a_newer_copy_replaces_one_that_tmux_has_not_taken_yet() -> None:
    held = asyncio.Event()

    async def take(text: str) -> bool:
        if not text.startswith("{"):
            await held.wait()
        return True

    async with staged(snapshot(view(1)), environ=IN_TMUX) as stage:
        stage.app.copy_beside = take
        await stage.press("y", "Y")
        assert "JSON copied to tmux" in stage.status


@pytest.mark.parametrize("opens", ["question_mark", "f1"])
async def test_help_names_every_key_and_goes_away(opens: str) -> None:
    async with staged(snapshot(*THREE), size=(75, 140)) as stage:
        await stage.press(opens)
        assert isinstance(stage.app.screen, HelpDialog)
        assert all(key.tooltip in stage.text for key in MAIN_KEYS)
        assert all(f"{word}  " in stage.text for word in PALETTE_ONLY)
        await stage.press(opens)
        assert not isinstance(stage.app.screen, Dialog)


async def test_help_is_grouped_and_explains_the_signs() -> None:
    async with staged(snapshot(*THREE), size=(75, 140)) as stage:
        await stage.press("question_mark")
        lines = [line.strip() for line in stage.text.splitlines()]
        titles = ["Move", "Look", "Act", "Change jobs", "Only in the palette: : and a word"]
        places = [lines.index(title) for title in [*titles, "Filter", "Signs of a status"]]
        assert places == sorted(places)
        signs = lines[lines.index("Other signs") :]
        for sign in ("~", "1.2M+", "≥", "completed !", "▲", "●", "▸ ▾", "↻"):
            assert any(line.startswith(sign) for line in signs), sign


@pytest.mark.parametrize(("width", "columns"), [(60, 1), (80, 2), (120, 2), (200, 3)])
async def test_help_has_several_columns_where_there_is_room(width: int, columns: int) -> None:
    async with staged(snapshot(*THREE), size=(width, 60)) as stage:
        await stage.press("question_mark")
        [row] = [line for line in stage.text.splitlines() if " Move " in f"{line} "]
        titles = ("Move", "Act", "Only in the palette", "Filter", "Signs of a status")
        assert sum(title in row for title in titles) == columns


async def test_a_key_without_a_meaning_says_so() -> None:
    async with staged(snapshot(*THREE), size=(80, 24)) as stage:
        await stage.press("n")
        assert "n does nothing here: ? shows all keys" in stage.status
        await stage.press("j")
        assert "no meaning" not in stage.status
        await stage.press("slash", "n")
        assert "no meaning" not in stage.text


@pytest.mark.parametrize(
    ("size", "keys", "shown"),
    [
        ((80, 24), ["I"], "order reversed"),
        ((80, 24), ["I", "I"], "order no longer reversed"),
        ((80, 24), ["a"], "ended jobs hidden"),
        ((80, 24), ["a", "a"], "ended jobs shown"),
        ((80, 24), ["y"], "id copied"),
        ((80, 24), ["t"], "charts over 6 h"),
        ((80, 24), ["r"], "refreshing this job"),
        ((80, 24), ["right"], "no migration is highlighted"),
        ((80, 24), ["left"], "no migration is highlighted"),
        ((80, 24), ["escape"], "this is the list: q quits"),
        ((80, 24), ["M", "tab"], "one pane is maximised: M shares the screen"),
        ((50, 12), ["tab"], "one pane fits: Enter opens the details"),
        ((50, 12), ["M"], "one pane fits: Enter opens the details"),
    ],
)
async def test_the_status_line_answers_a_key(
    size: tuple[int, int], keys: list[str], shown: str
) -> None:
    async with staged(snapshot(*THREE), size=size) as stage:
        await stage.press(*keys)
        assert shown in stage.status


@pytest.mark.parametrize("key", ["enter", "r", "y", "Y", "space", "l", "e", "E", "right", "left"])
async def test_without_a_job_a_key_says_why_it_does_nothing(key: str) -> None:
    async with staged(snapshot(), size=(80, 24)) as stage:
        await stage.press(key)
        assert re.search("no (job|migration) is highlighted", stage.status)


async def test_the_keys_about_a_job_are_hinted_at_80_columns() -> None:
    job = view(2, "completed", 1000, failed=5)
    async with staged(snapshot(view(1), job), size=(80, 24)) as stage:
        await stage.press("G")
        hints = "v receipt  E export  e failures  l log  ? help  q quit"
        assert stage.status == f" as of 09:46 UTC{hints:>63} "
        await stage.press("g")
        assert "l log  ? help  q quit" in stage.status
        assert "failures" not in stage.status


async def test_a_long_page_scrolls() -> None:
    async with staged(snapshot(*THREE), size=(60, 12)) as stage:
        await stage.press("question_mark", "G")
        assert "A job that copies again what failed." in stage.text
        await stage.press("g")
        assert "Keys" in stage.text
        await stage.pilot.resize_terminal(90, 30)
        await stage.pilot.pause()
        assert "Keys" in stage.text


async def test_the_palette_goes_to_a_job_even_a_hidden_one() -> None:
    async with staged(snapshot(*many(30))) as stage:
        await stage.press("slash", *"photos-1", "enter", "ctrl+p")
        assert isinstance(stage.app.screen, Palette)
        await stage.press(*"photos-27")
        await wait_for(stage, lambda: "photos-27 →" in stage.text)
        await stage.press("enter")
        await wait_for(stage, lambda: stage.job == "job0027")
        assert stage.app.main.state.filter_text == ""


async def test_texts_of_any_length_from_the_api_hold_up_no_key() -> None:
    long = "x" * 1_000_000
    job = view(1, id=long, source=long, prefix="/" + "पा" * 300_000, target=long)
    async with staged(snapshot(job, view(2, status=long))) as stage:
        for keys in (("question_mark", "escape"), ("Y", "escape"), ("m", "m"), ("j", "M", "M")):
            await stage.press(*keys)
        await stage.press("colon", *"xxxxxxxx go")
        await stage.press("escape", "slash", *"xxx", "enter")
        assert "xxxx" in stage.text


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("photos", "go to photos", "go to p-h-o-t-o-s"),
        ("ph", "photos", "epoch"),
        ("gtp", "go to photos", "log at photos xgxtp"),
        ("a" * 30 + "b", "a" * 60 + "b", "a" * 60),
    ],
)
def test_the_palette_ranks_closer_matches_higher(query: str, better: str, worse: str) -> None:
    assert likeness(query, better) > likeness(query, worse) >= 0


async def test_the_palette_wears_a_theme_and_keeps_it() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("colon", *"slurper-light")
        await wait_for(stage, lambda: "theme         slurper-light" in stage.text)
        await stage.press("enter")
        await wait_for(stage, lambda: stage.app.theme == "slurper-light")
        assert stage.saved[-1].theme == "slurper-light"


async def test_the_theme_auto_follows_the_background_also_when_chosen_later() -> None:
    async with staged(snapshot(*THREE)) as stage:
        stage.app.follow_background(True)
        await stage.pilot.pause()
        light = stage.app.theme_variables["background"]
        assert light.casefold() == LIGHT.background
        stage.app.main.choose_theme("slurper-dark")
        stage.app.follow_background(True)
        await stage.pilot.pause()
        assert stage.app.theme_variables["background"] != light
        stage.app.main.choose_theme("auto")
        await stage.pilot.pause()
        assert stage.app.theme_variables["background"] == light
        assert stage.saved[-1].theme == "auto"


@pytest.mark.parametrize(
    ("colour", "light"),
    [
        ((0, 0, 0), False),
        ((1, 1, 1), True),
        ((0, 0.17, 0.21), False),  # Solarized
        ((0.99, 0.96, 0.89), True),
        ((0, 0, 1), False),
        ((1, 1, 0), True),
        ((0.46, 0.46, 0.46), False),
        ((0.48, 0.48, 0.48), True),
    ],
)
def test_a_background_is_light_by_its_luminance(
    colour: tuple[float, float, float], light: bool
) -> None:
    assert is_light(*colour) is light


async def test_a_theme_that_is_changed_looks_like_one_from_the_start() -> None:
    drawn = []
    for begun in ("slurper-dark", "slurper-light"):
        async with staged(snapshot(*THREE), view=ViewState(theme=begun)) as stage:
            await stage.press("tab", "tab")
            stage.app.main.choose_theme("slurper-light")
            await stage.pilot.pause()
            # What was written to the terminal, not what a fresh drawing would give.
            widgets = stage.app.screen.query(PaintedLines)
            drawn.append([dict(sorted(widget._painted.items())) for widget in widgets])
    assert drawn[0] == drawn[1]


async def test_the_palette_runs_an_action() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("colon", *"Hide or show the ended")
        await wait_for(stage, lambda: "Highlight" not in stage.text)
        await stage.press("enter")
        await wait_for(stage, lambda: stage.app.main.state.view.hide_ended)
        assert "photos-3" not in stage.text
        assert stage.saved[-1].hide_ended


async def test_the_palette_takes_every_key_at_every_size() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("colon", *"go to")
        await wait_for(stage, lambda: "photos-3" in stage.text)
        for size in ((1, 1), (2, 3), (20, 5), (100, 30)):
            await stage.pilot.resize_terminal(*size)
            await stage.press("pagedown", "pageup", "down", "up", "home", "end")
        await wait_for(stage, lambda: "photos-3" in stage.text)


async def test_the_palette_runs_an_action_once_if_enter_is_pressed_several_times() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("colon", *"Hide or show the ended")
        await wait_for(stage, lambda: "Highlight" not in stage.text)
        for _ in range(3):
            stage.app.post_message(Key("enter", None))
        await wait_for(stage, lambda: stage.saved)
        await stage.pilot.pause()
        assert [view.hide_ended for view in stage.saved] == [True]


async def test_an_enter_that_waits_for_its_search_is_not_lost_to_the_next_keys() -> None:
    async with staged(snapshot(*many(300))) as stage:
        await stage.press("colon")
        for char in "go to photos-127":
            stage.app.post_message(Key(char, char))
        for key in (Key("enter", None), Key("q", "q"), Key("m", "m")):
            stage.app.post_message(key)
        await wait_for(stage, lambda: stage.app.screen is stage.app.main)
        await wait_for(stage, lambda: stage.job == "job0127")
        assert stage.app.is_running
        assert stage.app.main.state.view.migrations


async def test_enter_chooses_from_a_list_without_a_size() -> None:
    """As just after a search, before the list is laid out."""
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("colon")
        await stage.pilot.resize_terminal(1, 1)
        entries = stage.app.screen.query_one(CommandList)
        await wait_for(stage, lambda: not entries.scrollable_content_region.area)
        await stage.press(*"go to photos-3", "enter")
        await wait_for(stage, lambda: stage.app.screen is stage.app.main)
        await wait_for(stage, lambda: stage.job == "job0003")


async def test_the_palette_searches_again_when_the_job_list_arrives() -> None:
    async with staged(snapshot()) as stage:
        await stage.press("colon", *"photos-27")
        await wait_for(stage, lambda: "photos-27 →" not in stage.text)
        await stage.show(snapshot(*many(30)))
        await wait_for(stage, lambda: "photos-27 →" in stage.text)
        await stage.press("enter")
        await wait_for(stage, lambda: stage.job == "job0027")


@pytest.mark.parametrize("how", ["enter", "escape"])
async def test_keys_typed_before_the_palette_has_closed_are_no_keys_of_the_list(how: str) -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("colon", *"Hide or show the ended")
        await wait_for(stage, lambda: "Highlight" not in stage.text)
        typed = [Key(char, char) for char in "zmq"]  # as in one burst with the key before
        await stage.press(how)
        await wait_for(stage, lambda: stage.app.screen is stage.app.main)
        for key in typed:
            stage.app.post_message(key)
        await stage.pilot.pause()
        assert stage.app.is_running
        assert (stage.app.main.state.frozen, stage.app.main.state.view.migrations) == (False, True)
        await stage.press("z")
        assert stage.app.main.state.frozen


async def wait_for(stage: Stage, condition: Any) -> None:
    """Wait until a condition is true."""
    await until(condition, stage.pilot.pause, lambda: stage.text)


@pytest.mark.parametrize("page", ["question_mark", "exclamation_mark", "colon", "slash"])
async def test_it_suspends_from_every_page(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    suspended: list[str] = []
    monkeypatch.setattr(SlurperApp, "action_suspend_process", lambda _: suspended.append(page))
    async with staged(snapshot(*THREE)) as stage:
        await stage.press(page, "ctrl+z")
        assert suspended == [page]


async def test_a_theme_option_is_not_saved() -> None:
    async with staged(snapshot(*THREE), theme="slurper-light") as stage:
        assert stage.app.theme == "slurper-light"
        await stage.press("a")
        assert stage.saved[-1].theme is None


async def test_the_status_line_is_visible_while_a_filter_is_typed() -> None:
    async with staged(snapshot(*THREE), size=(80, 24)) as stage:
        await stage.press("slash", "p")
        await stage.show(snapshot(*THREE, accounts=(replace(FAILING, problem=problem()),)))
        assert "/ p" in stage.text
        assert "next try 09:47:11" in stage.status


async def test_a_key_is_rebound_by_its_id() -> None:
    async with staged(snapshot(*THREE), keymap={"list.ended": "h", "show.help": "f1"}) as stage:
        assert "F1 help" in stage.status
        await stage.press("a")
        assert "photos-3" in stage.text
        await stage.press("h")
        assert "photos-3" not in stage.text
        await stage.press("f1")
        assert isinstance(stage.app.screen, HelpDialog)


def test_every_key_has_an_id_a_word_and_a_sentence_and_none_is_a_multiplexers() -> None:
    assert len({key.id for key in MAIN_KEYS}) == len(MAIN_KEYS)
    assert all(key.id and key.description and key.tooltip for key in MAIN_KEYS)
    keys = [part for key in MAIN_KEYS for part in key.key.split(",")]
    assert len(set(keys)) == len(keys)
    assert not {"ctrl+a", "ctrl+b"} & set(keys)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_it_leaves_with_zero(key: str) -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press(key)
    assert stage.app.return_code == 0


async def test_interrupting_works_while_a_filter_is_typed() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("slash", "p", "ctrl+c")
    assert stage.app.return_code == 0


async def test_at_most_seven_keys_are_offered_and_only_those_that_do_something() -> None:
    async with staged(snapshot()) as stage:
        assert [word for _, word in stage.app.main.hints] == ["help", "quit"]
        trouble = AccountView(ACCOUNT, listed=True, problem=problem())
        await stage.show(snapshot(*THREE, accounts=(trouble,)))
        words = [word for _, word in stage.app.main.hints]
        assert len(words) == 7
        assert words[-3:] == ["help", "quit", "problem"]


# Panes ----------------------------------------------------------------------------------------


async def test_open_back_and_maximise() -> None:
    async with staged(snapshot(*THREE), size=(40, 12)) as stage:
        main = stage.app.main
        assert not main.detail.display
        await stage.press("enter")
        assert main.detail.has_focus
        assert "transferred" in stage.text
        await stage.press("escape")
        assert main.table.has_focus
        assert not main.detail.display
        await stage.pilot.resize_terminal(120, 40)
        await stage.pilot.pause()
        assert main.detail.display
        await stage.press("tab")
        assert main.detail.has_focus
        await stage.press("M")
        assert not main.table.display
        await stage.press("M", "tab", "M")
        assert not main.detail.display
        await stage.press("escape")
        assert main.detail.display


async def test_the_details_scroll_when_they_have_the_focus() -> None:
    async with staged(snapshot(*THREE), size=(80, 24)) as stage:
        assert "jurisdiction" not in stage.text
        await stage.press("tab", "G")
        assert "target       media" in stage.text
        held = stage.job
        await stage.press("k", "pageup", "g")
        assert "transferred" in stage.text
        assert stage.job == held


@pytest.mark.parametrize("size", [(29, 24), (80, 5), (20, 5), (1, 1)])
async def test_a_tiny_terminal_gets_one_line(size: tuple[int, int]) -> None:
    async with staged(snapshot(*THREE), size=size) as stage:
        assert stage.text.splitlines()[0].startswith("2 run 56 %"[: size[0]])
        await stage.press("j", "slash", "question_mark", "escape", "colon", "escape", "M", "enter")
        trouble = AccountView(ACCOUNT, listed=True, problem=problem())
        await stage.press("escape")
        await stage.show(snapshot(*THREE, accounts=(trouble,)))


async def test_a_tiny_terminal_cuts_no_words_without_a_sign() -> None:
    trouble = replace(FAILING, problem=problem(Unreachable("cannot connect: Connection refused")))
    async with staged(snapshot(*THREE, accounts=(trouble,)), size=(20, 5)) as stage:
        assert stage.text.splitlines()[0] == "cannot con…n refused"


async def test_a_tiny_terminal_shows_the_current_problem() -> None:
    trouble = AccountView(ACCOUNT, listed=True, problem=problem())
    async with staged(snapshot(*THREE, accounts=(trouble,)), size=(29, 5)) as stage:
        assert stage.text.startswith("connection refused")


async def test_a_storm_of_sizes_breaks_nothing() -> None:
    async with staged(snapshot(*many(40))) as stage:
        for size in [(20, 5), (200, 50), (80, 24), (1, 1), (40, 12), (29, 30), (100, 6), (120, 40)]:
            await stage.pilot.resize_terminal(*size)
            await stage.press("j")
        assert "photos-8 → media" in stage.text


@pytest.mark.parametrize("size", [(200, 50), (120, 40), (80, 24)])
async def test_list_and_details_are_side_by_side_where_there_is_room(size: tuple[int, int]) -> None:
    async with staged(snapshot(*THREE), size=size) as stage:
        assert "transferred" in stage.text
        assert "photos-1 → media" in stage.text
        assert "56 %" in stage.text


# Trouble --------------------------------------------------------------------------------------


FAILING = AccountView(ACCOUNT, listed=True, answered=True)


def problem(error: Any = None) -> Problem:
    return Problem(error or Unreachable("connection refused"), NOW - 600, NOW + 31, NOW - 605)


REFUSED = Rejected("refused", status=403, faults=(Fault(10000, "Authentication error"),), ray="8f")


async def test_an_outage_shows_its_age_and_the_next_attempt() -> None:
    trouble = AccountView(ACCOUNT, listed=True, answered=True, problem=problem())
    stale = replace(view(1), missed=3, stale=True, as_of=NOW - 605)
    async with staged(snapshot(stale, accounts=(trouble,))) as stage:
        assert "connection refused · since 09:36 · next try 09:47:11" in stage.status
        assert "10m" in stage.text
        await stage.press("exclamation_mark")
        assert isinstance(stage.app.screen, ProblemDialog)
        assert "2026-03-20T09:36:35+00:00" in stage.text


OTHER = "9c11" * 8
NAMES = {ACCOUNT: "prod", OTHER: "backup"}


def of_two_accounts(**of_other: Any) -> Snapshot:
    """Jobs of the accounts `prod` and `backup`."""
    accounts = (
        AccountView(ACCOUNT, listed=True, answered=True),
        AccountView(OTHER, listed=True, answered=True, **of_other),
    )
    return snapshot(*THREE, replace(view(7), account_id=OTHER), accounts=accounts)


async def test_named_accounts_are_shown_by_their_names() -> None:
    rejected = problem(Rejected("no", status=403, faults=(Fault(10000, "Authentication error"),)))
    async with staged(of_two_accounts(problem=rejected), size=(140, 40), names=NAMES) as stage:
        assert "backup  403 · 10000: Authentication error" in stage.text
        assert re.search(r"✔ completed .*  prod  +photos-3", stage.text)
        assert "account      prod" in stage.text
        await stage.press("exclamation_mark")
        assert f"Account backup ({OTHER})" in stage.text
    async with staged(snapshot(*THREE), names=NAMES) as stage:
        assert stage.text.lstrip().startswith("prod")


@pytest.mark.parametrize(
    ("days", "shown"),
    [
        (2.5, "prod  the API token expires 2026-03-22 21:46 UTC"),
        (-1.0, "prod  the API token has expired"),
        (3.5, ""),
        (None, ""),
    ],
)
async def test_a_token_that_expires_soon_has_a_banner(days: float | None, shown: str) -> None:
    expires = None if days is None else NOW + days * 86_400
    account = AccountView(ACCOUNT, listed=True, answered=True, token_expires=expires)
    async with staged(snapshot(*THREE, accounts=(account,)), names=NAMES) as stage:
        assert ("the API token" in stage.text) == bool(shown)
        assert shown in stage.text


async def test_accounts_of_one_token_have_one_banner() -> None:
    accounts = tuple(
        AccountView(id, listed=True, answered=True, token_expires=NOW + 3600) for id in NAMES
    )
    async with staged(snapshot(*THREE, accounts=accounts), names=NAMES) as stage:
        assert "prod, backup  the API token expires 10:46 UTC" in stage.text


async def test_the_palette_switches_between_all_accounts_and_one() -> None:
    async with staged(of_two_accounts(), names=NAMES) as stage:
        main = stage.app.main
        await stage.press("colon", *"jobs of backup")
        await wait_for(stage, lambda: "Show the jobs of backup alone." in stage.text)
        await stage.press("enter")
        await wait_for(stage, lambda: [job.account_id for job in main.state.jobs] == [OTHER])
        assert main.state.filter_text == "account:backup"
        await stage.press("colon", *"jobs of all acc")
        await wait_for(stage, lambda: "backup alone" not in stage.text)
        await stage.press("enter")
        await wait_for(stage, lambda: len(main.state.jobs) == 4)
        main.show_account(OTHER)
        await wait_for(stage, lambda: len(main.state.jobs) == 1)
        await stage.press("escape")
        await wait_for(stage, lambda: len(main.state.jobs) == 4)


async def test_columns_order_and_window_of_the_configuration() -> None:
    view = ViewState(sort="percent", inverted=True, migrations=False)
    options: dict[str, Any] = {"columns": ("eta", "percent"), "window": Window.DAY, "view": view}
    async with staged(snapshot(*THREE), **options) as stage:
        header = next(line for line in stage.text.splitlines() if "Status" in line)
        assert re.findall(r"[A-Z%][\w%]*", header.partition("│")[0]) == [
            *("Status", "Migration", "%", "ETA")
        ]
        assert ("set_window", Window.DAY) in stage.feed.asked
        percents = [job.percent for job in stage.app.main.state.jobs]
        rows = [line.view.percent for line in stage.app.main.state.lines]
        assert rows == sorted(percents, key=lambda percent: percent or 0)


async def test_the_palette_has_no_switch_for_one_account() -> None:
    async with staged(snapshot(*THREE), names=NAMES) as stage:
        await stage.press("colon", *"jobs of all acc")
        await stage.pilot.pause()
        assert "Show the jobs of all accounts" not in stage.text


async def test_the_end_of_an_outage_is_shown_until_a_key() -> None:
    async with staged(snapshot(*THREE)) as stage:
        outage = PastOutage(NOW - 7800, NOW, 41_233)
        back = AccountView(ACCOUNT, listed=True, answered=True, past_outage=outage)
        await stage.show(snapshot(*THREE, accounts=(back,)))
        news = "back after 2 h 10 min without an answer: 41,233 objects moved meanwhile"
        assert news in stage.status
        await stage.show(snapshot(*THREE, accounts=(back,)))
        assert news in stage.status
        await stage.press("j")
        assert news not in stage.status
        await stage.show(snapshot(*THREE, accounts=(back,)))
        assert news not in stage.status


async def test_the_end_of_an_outage_gives_the_status_line_back_after_two_minutes() -> None:
    async with staged(snapshot(*THREE)) as stage:
        back = AccountView(
            ACCOUNT, listed=True, answered=True, past_outage=PastOutage(NOW - 7800, NOW, 1)
        )
        for seconds, shown in ((5, True), (115, True), (125, False)):
            await stage.show(snapshot(*THREE, accounts=(back,), taken_at=NOW + seconds))
            assert ("back after 2 h 10 min" in stage.status) is shown


async def test_one_refused_account_gets_a_banner_and_the_rest_goes_on() -> None:
    other = AccountView("9c11" * 8, listed=True, answered=True, problem=problem(REFUSED))
    good = AccountView(ACCOUNT, listed=True, answered=True)
    async with staged(snapshot(*THREE, accounts=(good, other))) as stage:
        assert "403 · 10000: Authentication error" in stage.text
        assert "1 of 2 accounts" in stage.status
        assert "Account" in stage.text
        await stage.show(snapshot(*THREE, accounts=(good, replace(other, problem=None))))
        assert "Authentication" not in stage.text


async def test_a_rate_limit_names_the_shared_budget() -> None:
    budget = BudgetView(used=1200, blocked_until=NOW + 300)
    async with staged(snapshot(*THREE, budget=budget)) as stage:
        limited = "rate limited (429): next request at 09:51; all tools of this user share it"
        assert limited in stage.status
        a_day = BudgetView(used=1200, blocked_until=NOW + 86_400)
        await stage.show(snapshot(*THREE, budget=a_day))
        assert "rate limited (429): next request at 2026-03-21 09:46" in stage.status
        slowed = BudgetView(used=880, stretch=2.34)
        await stage.show(snapshot(*THREE, budget=slowed))
        assert "slowed \N{MULTIPLICATION SIGN}2.3: request budget" in stage.status


async def test_when_everyone_is_refused_from_the_start_it_leaves() -> None:
    refused = AccountView(ACCOUNT, problem=problem(REFUSED))
    async with staged() as stage:
        stage.feed.push(snapshot(accounts=(refused,)))
        await stage.feed.taken()
    assert stage.app.return_code == 3
    assert stage.app.fatal is REFUSED


async def test_a_refusal_later_does_not_end_it() -> None:
    refused = AccountView(ACCOUNT, listed=True, answered=True, problem=problem(REFUSED))
    async with staged(snapshot(*THREE)) as stage:
        await stage.show(snapshot(*THREE, accounts=(refused,)))
        assert "10000: Authentication error" in stage.text
        assert "photos-1 → media" in stage.text


async def test_an_exception_is_kept_and_not_printed(capsys: Any) -> None:
    bug, feed = ValueError("a bug"), FakeFeed(snapshot(*THREE))
    app = SlurperApp(feed, ScreenOptions(), lambda _: None)
    feed.push(bug)
    with pytest.raises(WorkerFailed):
        await run_until_it_ends(app)
    assert app.crash is bug
    assert app.return_code == 70
    assert "".join(capsys.readouterr()) == ""


async def run_until_it_ends(app: SlurperApp) -> None:
    async with app.run_test(), asyncio.timeout(PATIENCE):
        await app._exception_event.wait()


async def test_a_signal_leaves_with_its_own_code() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("question_mark")
        stage.app.exit_for_signal(143)
    assert stage.app.return_code == 143


async def test_repaint_writes_everything_again() -> None:
    async with staged(snapshot(*THREE)) as stage:
        before = stage.text
        await stage.press("ctrl+l")
        assert stage.text == before


async def test_nothing_typed_into_the_filter_is_taken_as_a_key() -> None:
    async with staged(snapshot(*THREE)) as stage:
        await stage.press("slash", *"qRrazY?!<>:")
        assert stage.app.main.query_one(Input).value == "qRrazY?!<>:"
        assert stage.feed.asked == []
