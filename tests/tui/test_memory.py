"""What the screen makes of a past: jobs of earlier runs, pictures, the digest and a deadline."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from slurper_tui.monitor.model.base import Window
from slurper_tui.monitor.model.job import AccountView, Counts, JobView, Phase
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.timeline import Trace, trace_of
from slurper_tui.monitor.reports.digest import Digest, JobDigest
from slurper_tui.tui.render.glyphs import style_of
from slurper_tui.tui.screens.dialogs import HelpDialog
from slurper_tui.tui.screens.palette import HOW_TO_TYPE, Palette
from slurper_tui.tui.screens.reports import DigestDialog
from tests.fake_feed import FakeFeed
from tests.patience import until
from tests.tui.jobs import ACCOUNT, NOW, forecast, snapshot, view
from tests.tui.test_app import Stage, staged

DAY = 86_400.0
HOUR = 3600.0


def past_of(job: JobView, step: float = 30.0, number: int = 120) -> Trace:
    """An hour in which a job moved steadily."""
    points = [
        Recorded(NOW - (number - n) * step, Counts(1000, n * 3, 0, 0), "running")
        for n in range(number)
    ]
    return trace_of(job.key, Window.HOUR, NOW, NOW - 2 * HOUR, points)


def happened(job: JobView) -> Digest:
    return Digest(NOW - 5 * HOUR, NOW, (JobDigest(job, moved=1234, advice="look at it"),))


def moving(number: int = 1, hours: float = 6.0) -> JobView:
    ahead = forecast(hours, 1.5 * hours)
    return view(number, forecast=ahead, phase=Phase.SETTLED)


async def test_jobs_from_the_history_are_shown_at_once_dimmed_and_dated() -> None:
    feed = FakeFeed()
    feed.from_history = snapshot(
        view(1, from_history=True, as_of=NOW - 720, rate=None), view(2, as_of=NOW)
    )
    async with staged(feed=feed) as stage:
        assert "photos-1" in stage.text
        assert " 12m old" in stage.text
        await stage.show(snapshot(view(1), view(2)))
        assert " 12m old" not in stage.text


async def test_the_charts_are_beside_the_numbers() -> None:
    job = moving()
    async with staged(snapshot(job, view(2), trace=past_of(job))) as stage:
        assert "rate · 1 h" in stage.text
        assert "progress" in stage.text
        assert "1 h ago" in stage.text
        await stage.press("down")
        assert "rate · 1 h" not in stage.text


async def test_another_window_is_asked_for_in_turn() -> None:
    async with staged(snapshot(moving())) as stage:
        await stage.press("t", "t", "T", "T", "T")
        asked = [what[1] for what in stage.feed.asked if what[0] == "set_window"]
        assert asked == [
            Window.SIX_HOURS,
            Window.DAY,
            Window.SIX_HOURS,
            Window.HOUR,
            Window.TEN_MINUTES,
        ]


async def test_a_long_absence_opens_one_panel_once() -> None:
    job = moving()
    async with staged() as stage:
        stage.feed.happened = happened(job)
        away = snapshot(job, away_since=NOW - 5 * HOUR, complete=False)
        await stage.show(replace(away, jobs=(replace(job, from_history=True),)))
        assert not isinstance(stage.app.screen, DigestDialog)
        await stage.press("question_mark")
        await stage.show(away)
        assert isinstance(stage.app.screen, HelpDialog)
        await stage.press("escape")
        await stage.show(away)
        assert isinstance(stage.app.screen, DigestDialog)
        assert "1,234" in stage.text
        await stage.press("x")
        assert not isinstance(stage.app.screen, DigestDialog)
        await stage.show(away)
        assert not isinstance(stage.app.screen, DigestDialog)


async def test_nothing_that_is_being_typed_is_taken_by_the_panel() -> None:
    job = moving()
    async with staged() as stage:
        stage.feed.happened = happened(job)
        await stage.show(snapshot(job))
        await stage.press("slash", "p")
        away = snapshot(job, away_since=NOW - 5 * HOUR)
        await stage.show(away)
        assert not isinstance(stage.app.screen, DigestDialog)
        await stage.press("enter")
        await stage.show(away)
        assert isinstance(stage.app.screen, DigestDialog)


async def test_a_digest_that_was_asked_for_comes_no_second_time() -> None:
    job = moving()
    async with staged() as stage:
        stage.feed.happened = happened(job)
        await stage.show(snapshot(replace(job, from_history=True), away_since=NOW - 5 * HOUR))
        await stage.press("d", "x")
        await stage.show(snapshot(job, away_since=NOW - 5 * HOUR))
        assert not isinstance(stage.app.screen, DigestDialog)


async def test_data_from_the_history_shows_its_age() -> None:
    then = NOW - 3 * DAY
    account = AccountView(ACCOUNT)
    known = snapshot(view(1, from_history=True, as_of=then), accounts=(account,))
    async with staged(known) as stage:
        assert "as of Tue 09:46 UTC" in stage.status


async def test_an_ended_job_without_counts_is_not_shown_as_success() -> None:
    half = view(1, "completed", 500, from_history=True, verdict=None)
    assert style_of(half) == "muted"


async def test_an_empty_digest_opens_only_on_its_key() -> None:
    async with staged() as stage:
        stage.feed.happened = Digest(NOW - HOUR, NOW)
        await stage.show(snapshot(view(1, "completed", 1000), away_since=NOW - HOUR))
        assert not isinstance(stage.app.screen, DigestDialog)
        await stage.press("d")
        assert isinstance(stage.app.screen, DigestDialog)


async def test_ctrl_c_works_while_the_digest_is_open() -> None:
    async with staged(snapshot(moving())) as stage:
        await stage.press("d")
        assert isinstance(stage.app.screen, DigestDialog)
        await stage.press("ctrl+c")
        assert stage.app.return_code == 0


# A deadline -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "word", "said"),
    [(12.0, "on track", "on track"), (7.0, "at risk", "at risk"), (2.0, "late 4h", "will miss by")],
)
async def test_a_deadline_is_shown_in_list_details_and_totals(
    hours: float, word: str, said: str
) -> None:
    deadline = NOW + hours * HOUR
    async with staged(snapshot(moving()), deadline=deadline, size=(140, 40)) as stage:
        lines = stage.text.splitlines()
        assert said in lines[0]
        assert "needs " in lines[0]
        assert word in next(line for line in lines if "▌" in line)
        assert "due " in stage.text
        assert "needs " in stage.text


async def test_without_a_deadline_none_is_shown() -> None:
    async with staged(snapshot(moving()), size=(140, 40)) as stage:
        assert "due " not in stage.text
        assert "Due" not in stage.text


async def test_narrow_totals_show_the_deadline_in_a_word() -> None:
    deadline = NOW + 2 * HOUR
    async with staged(snapshot(moving()), deadline=deadline, size=(80, 24)) as stage:
        assert "late 4h" in stage.text.splitlines()[0]


async def see(stage: Stage, text: str) -> None:
    """Wait until the screen shows a text."""
    await until(lambda: text in stage.text, stage.pilot.pause, lambda: stage.text)


async def type_in_palette(stage: Stage, text: str) -> None:
    await stage.press("colon")
    assert isinstance(stage.app.screen, Palette)
    await stage.press(*("space" if char == " " else char for char in text))


async def test_the_palette_sets_and_clears_a_deadline() -> None:
    async with staged(snapshot(moving()), size=(140, 40)) as stage:
        await type_in_palette(stage, "deadline tomorrow 9am")
        await see(stage, "09:00 UTC")
        await stage.press("enter")
        await see(stage, "Due")
        assert stage.app.main.state.deadline is not None
        await type_in_palette(stage, "deadline off")
        await see(stage, "compare with no deadline")
        await stage.press("enter")
        await stage.press()
        assert stage.app.main.state.deadline is None


async def test_deadline_and_enter_fill_the_line_in_and_wait_for_the_time() -> None:
    async with staged(snapshot(moving()), size=(140, 40)) as stage:
        await type_in_palette(stage, "deadline")
        await see(stage, HOW_TO_TYPE)
        await stage.press("enter")
        palette = stage.app.screen
        assert isinstance(palette, Palette)
        assert palette.query_one(Input).value == "deadline "
        await stage.press(*"18:00")
        await see(stage, "today 18:00 UTC")
        await stage.press("enter")
        await see(stage, "Due")
        assert stage.app.main.state.deadline is not None


@pytest.mark.parametrize(
    ("typed", "shown", "hours"),
    [
        ("deadline Fri 18:00", "deadline      today 18:00 UTC", 18),
        ("deadline 18:00", "deadline      today 18:00 UTC", 18),
        ("Deadline Fri 18:00", "deadline      today 18:00 UTC", 18),
        ("DEADLINE  fri 6pm", "deadline      today 18:00 UTC", 18),
        ("deadline Sat 18:00:30", "deadline      Sat 18:00 UTC", 42 + 30 / 3600),
        ("deadline Fri", "deadline      today 23:59 UTC", 24 - 1 / 3600),
        ("deadline tomorrow 9:00", "deadline      Sat 09:00 UTC", 33),
    ],
)
async def test_enter_sets_the_deadline_that_was_typed(typed: str, shown: str, hours: float) -> None:
    midnight = NOW // DAY * DAY
    async with staged(snapshot(moving()), size=(140, 40)) as stage:
        await type_in_palette(stage, typed)
        await see(stage, f"{shown}  ")
        assert HOW_TO_TYPE not in stage.text
        await stage.press("enter")
        await see(stage, "Due")
        assert stage.app.main.state.deadline == pytest.approx(midnight + hours * HOUR)


async def test_the_palette_explains_once_how_to_type_a_deadline() -> None:
    async with staged(snapshot(moving()), size=(140, 40)) as stage:
        await type_in_palette(stage, "deadline")
        await see(stage, HOW_TO_TYPE)
        assert stage.text.count(HOW_TO_TYPE) == 1


@pytest.mark.parametrize(
    "typed", ["deadline Fri 18:00", "deadline 18:00", "Deadline Fri 18:00", "deadline Fri"]
)
async def test_a_deadline_is_set_however_it_is_typed(typed: str) -> None:
    async with staged(snapshot(moving()), size=(140, 40)) as stage:
        await type_in_palette(stage, typed)
        await see(stage, "UTC")
        await stage.press("enter")
        await see(stage, "Due")
        assert stage.app.main.state.deadline is not None


async def test_the_palette_shows_what_is_wrong_with_a_deadline() -> None:
    async with staged(snapshot(moving()), size=(140, 40)) as stage:
        await type_in_palette(stage, "deadline yesterday")
        await see(stage, "past")
        await stage.press("enter")
        assert stage.app.main.state.deadline is None
