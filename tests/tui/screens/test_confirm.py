"""What is asked before anything is changed, and what counts as a yes."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.events import Key
from textual.pilot import Pilot

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.events import Action
from slurper_tui.monitor.model.job import Counts, JobView, Unstarted, Verdict
from slurper_tui.monitor.reports.migrations import migration_of
from slurper_tui.tui.availability import Change
from slurper_tui.tui.keys import set_context
from slurper_tui.tui.render.columns import DrawContext
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import text_of, width_of
from slurper_tui.tui.screens.confirm import (
    Answer,
    ConfirmDialog,
    Question,
    answer_lines,
    question_for,
    question_lines,
    unlock_question,
)
from tests.patience import until
from tests.tui.jobs import ACCOUNT, NOW, harmless, snapshot, view

LOOK = Look(zone=UTC)
PLAIN = Look(ascii_only=True, zone=UTC)
BIG = view(1, source="photos", prefix="2024/", counts=Counts(2_000_000, 587_000, 0, 887))
SMALL = view(2, source="logs", counts=Counts(1_000, 250, 0, 0))
PAUSED = view(3, "paused", source="backups")
ENDED = view(4, "completed", 1000, source="avatars", failed=10)
LOSSY = view(4, "completed", 1000, source="avatars", verdict=Verdict("10 failed", failed=10))
NOTHING_YET = Answer()
ALL = snapshot(BIG, SMALL, PAUSED, ENDED)


def asked(action: Action, *jobs: JobView, look: Look = LOOK) -> Question:
    """The question about jobs, which there must be."""
    question = question_for(Change(action, tuple(v.key for v in jobs)), snapshot(*jobs), look)
    assert isinstance(question, Question), question
    return question


def text(question: Question, width: int = 68, look: Look = LOOK, *, airy: bool = True) -> str:
    lines = question_lines(question, DrawContext(look, NOW), width, airy=airy)
    return "\n".join(text_of(line) for line in lines)


def foot(question: Question, answer: Answer = NOTHING_YET) -> list[str]:
    return [text_of(line).rstrip() for line in answer_lines(question, answer, LOOK, 68)]


# What is asked --------------------------------------------------------------------------------


def test_the_consequence_names_the_numbers_of_the_job() -> None:
    said = " ".join(text(asked(Action.ABORT, BIG)).split())
    assert "Abort this job?" in said
    assert "photos/2024/ → media" in said
    assert "587,887 of 2,000,000 objects done" in said
    assert "1,412,113 objects have not started and will not be copied" in said
    assert "copies in progress finish; it cannot be resumed" in said


def test_an_abort_is_typed_and_a_pause_is_not() -> None:
    assert asked(Action.ABORT, BIG).word == "photos"
    assert asked(Action.PAUSE, BIG).word == ""
    assert asked(Action.RESUME, PAUSED).word == ""
    assert asked(Action.DELETE, ENDED).word == ""


@pytest.mark.parametrize(
    ("bucket", "look", "word"),
    [
        ("zürich-fotos", LOOK, "zürich-fotos"),
        ("zürich-fotos", PLAIN, "job0001"),
        ("\x1b[31mred", LOOK, "job0001"),
        ("pho\u202etos", LOOK, "job0001"),
        ("ends with a blank ", LOOK, "job0001"),
        ("x" * 1000, LOOK, "job0001"),
        ("", LOOK, "job0001"),
    ],
)
def test_a_word_that_cannot_be_typed_is_not_asked_for(bucket: str, look: Look, word: str) -> None:
    assert asked(Action.ABORT, view(1, source=bucket), look=look).word == word


def test_a_job_without_any_name_still_takes_a_word() -> None:
    assert asked(Action.ABORT, view(1, source="\n", id="\n")).word == "abort"


def test_several_jobs_are_one_summary_with_those_that_cannot_and_why() -> None:
    question = asked(Action.PAUSE, BIG, SMALL, PAUSED, ENDED)
    said = text(question)
    assert [job.key for job in question.jobs] == [BIG.key, SMALL.key]
    assert "Pause 2 of 4 jobs?" in said
    assert said.index("photos/2024/") < said.index("Left out") < said.index("backups")
    assert "it is paused already" in said
    assert "it has ended" in said
    assert "1,412,863 objects have not started" in " ".join(said.split())


def test_many_jobs_are_listed_up_to_a_limit_with_their_number() -> None:
    said = text(asked(Action.PAUSE, *(view(n) for n in range(40))))
    assert "Pause 40 jobs?" in said
    assert "and 28 more" in said


PARTS = tuple(
    view(n, "paused" if n > 3 else "running", source="films", prefix=f"{n}/", target="media")
    for n in range(6)
)


@pytest.mark.parametrize("action", [Action.PAUSE, Action.ABORT])
def test_planned_jobs_of_the_migration_are_said_to_be_unaffected(action: Action) -> None:
    plan = Unstarted(ACCOUNT, Source("s3", "films"), Target("r2", "media"), 2)
    shown = snapshot(*PARTS, unstarted=(plan,))
    keys = tuple(part.key for part in PARTS)
    question = question_for(Change(action, keys, migration=migration_of(PARTS[0])), shown, LOOK)
    assert isinstance(question, Question)
    assert "2 planned jobs are not part of this: press : and type plans" in " ".join(
        text(question).split()
    )


def test_an_abort_of_several_jobs_takes_one_word() -> None:
    assert asked(Action.ABORT, *PARTS).word == "films"
    hidden = [view(n, source="\x1b[31mred", prefix=f"{n}/") for n in (1, 2)]
    assert asked(Action.ABORT, *hidden).word == "abort"


def test_several_jobs_are_counted_by_state_above_a_list_that_has_room() -> None:
    question = asked(Action.ABORT, *PARTS)
    context = DrawContext(LOOK, NOW)
    roomy = [text_of(line) for line in question_lines(question, context, 68, room=40)]
    low = [text_of(line) for line in question_lines(question, context, 68, room=8)]
    for lines in (roomy, low):
        assert lines[0] == "Abort 6 jobs?"
        assert "4 running, 2 paused" in lines
        assert sum("films/" in line for line in lines) == 6
    assert "films/5/" in roomy[roomy.index("4 running, 2 paused") + 7]
    assert "cannot be resumed" in " ".join(low[:8])
    assert not any("films/" in line for line in low[:6])


def test_abort_all_asks_for_the_account_id_and_lists_its_jobs() -> None:
    question = question_for(Change(Action.ABORT_ALL, account_id=ACCOUNT), ALL, LOOK)
    assert isinstance(question, Question)
    assert question.word == ACCOUNT
    said = " ".join(text(question).split())
    assert "Aborts all 3 jobs" in said
    assert "jobs of this account that are not shown here end too" in said
    assert "avatars" not in said


def test_the_unlock_question_names_the_keys_and_the_confirmations() -> None:
    said = text(unlock_question(["p", "u", "x", "w"]))
    assert "Then p pauses, u resumes and x aborts" in said
    assert "Each asks again" in said


@pytest.mark.parametrize(
    ("job", "news"),
    [
        (LOSSY, "avatars completed !: nothing was sent"),
        (view(5, gone=True), "photos-5 gone: nothing was sent"),
        (PAUSED, "backups: it is paused already"),
    ],
)
def test_where_there_is_nothing_to_ask_there_is_news(job: JobView, news: str) -> None:
    assert question_for(Change(Action.PAUSE, (job.key,)), snapshot(job), LOOK) == news


def test_in_a_low_terminal_the_consequence_has_priority() -> None:
    lines = text(asked(Action.ABORT, BIG), 34, airy=False).splitlines()
    assert len(lines) <= 7
    assert "it cannot be resumed" in " ".join(" ".join(lines).split())


@given(st.text(min_size=1), st.text(), st.integers(1, 100), st.booleans())
def test_every_line_fits_and_nothing_foreign_steers_the_terminal(
    bucket: str, typed: str, width: int, ascii_only: bool
) -> None:
    look = Look(ascii_only, UTC)
    question = asked(Action.ABORT, view(1, source=bucket, prefix=bucket), look=look)
    lines = [*question_lines(question, DrawContext(look, NOW), width)]
    lines += answer_lines(question, Answer(typed), look, width)
    assert all(harmless(text_of(line)) for line in lines)
    assert not ascii_only or all(text_of(line).isascii() for line in lines)
    if width >= 16:
        named = [*question_lines(question, DrawContext(look, NOW), width)]
        assert all(width_of(line) <= max(width, 8) for line in named)


def test_the_cursor_is_on_cancel_until_the_word_matches() -> None:
    question = asked(Action.ABORT, BIG)
    assert foot(question)[-1].startswith("▌ Esc cancel")
    assert foot(question, Answer("photo"))[-1].startswith("▌ Esc cancel")
    assert "▌ Enter abort" in foot(question, Answer("photos"))[-1]
    assert "▌ Enter abort" not in foot(question, Answer("photos2"))[-1]
    assert "not the same" in foot(question, Answer("photo", wrong=True))[1]


# What counts ----------------------------------------------------------------------------------


class Asking(App[None]):
    """An app that asks one question at once."""

    CSS_PATH = "../../../slurper_tui/tui/slurper.tcss"

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.said_yes = 0
        self.dialog = ConfirmDialog(LOOK, question, self.confirmed)

    def confirmed(self) -> None:
        self.said_yes += 1

    def on_mount(self) -> None:
        self.push_screen(self.dialog)


async def answered(question: Question, *keys: str) -> tuple[int, bool]:
    """How often these keys confirmed it, and whether the dialog is still open."""
    app = Asking(question)
    async with app.run_test(size=(80, 24)) as pilot:
        await drawn(app, pilot)
        await pilot.press(*keys)
        await pilot.pause()
        return app.said_yes, app.screen is app.dialog


async def drawn(app: Asking, pilot: Pilot[None]) -> None:
    """Wait until the dialog is drawn and takes keys."""
    await until(lambda: app.dialog.is_painted, pilot.pause)
    await pilot.pause()


@pytest.mark.parametrize(
    ("keys", "outcome"),
    [
        (["y"], (1, False)),
        (["y", "y"], (1, False)),
        (["n"], (0, False)),
        (["escape"], (0, False)),
        (["enter"], (0, False)),
        (["q"], (0, False)),
        (["tab", "enter"], (1, False)),
        (["right", "left", "enter"], (0, False)),
        (["P", "x", "space", "Y", "down"], (0, True)),
    ],
)
async def test_a_plain_question(keys: list[str], outcome: tuple[int, bool]) -> None:
    assert await answered(asked(Action.PAUSE, BIG), *keys) == outcome


@pytest.mark.parametrize(
    ("keys", "outcome"),
    [
        ([*"photos", "enter"], (1, False)),
        ([*"photos"], (0, True)),
        ([*"photo", "enter"], (0, True)),
        ([*"Photos", "enter"], (0, True)),
        ([*"photoss", "enter"], (0, True)),
        ([*"photoss", "backspace", "enter"], (1, False)),
        ([*"old", "ctrl+u", *"photos", "enter"], (1, False)),
        ([*"photo", "enter", "s", "enter"], (1, False)),
        (["enter"], (0, False)),
        (["n"], (0, False)),
        ([*"photos", "escape"], (0, False)),
        (["y"], (0, True)),
        (["tab", "enter"], (0, False)),
    ],
)
async def test_a_word_is_typed_exactly(keys: list[str], outcome: tuple[int, bool]) -> None:
    assert await answered(asked(Action.ABORT, BIG), *keys) == outcome


async def test_a_name_that_begins_with_n_can_be_typed() -> None:
    question = asked(Action.ABORT, view(1, source="nights"))
    assert await answered(question, *"nights", "enter") == (1, False)


async def test_keys_from_before_it_was_drawn_confirm_nothing() -> None:
    early = Key("y", "y")
    app = Asking(asked(Action.PAUSE, BIG))
    async with app.run_test(size=(80, 24)) as pilot:
        await drawn(app, pilot)
        app.dialog.post_message(early)
        await pilot.pause()
        assert app.said_yes == 0
        assert app.screen is app.dialog
        app.dialog.post_message(Key("y", "y"))
        await pilot.pause()
        assert app.said_yes == 1


@pytest.mark.parametrize("context", [(True, False), (False, True), (True, True)])
async def test_a_yes_near_noise_or_in_a_burst_confirms_nothing(context: tuple[bool, bool]) -> None:
    after_noise, in_burst = context
    app = Asking(asked(Action.PAUSE, BIG))
    async with app.run_test(size=(80, 24)) as pilot:
        await drawn(app, pilot)
        for name in ("y", "tab", "enter"):
            set_context(key := Key(name, None), after_noise=after_noise, in_burst=in_burst)
            app.dialog.post_message(key)
        await pilot.pause()
        assert app.said_yes == 0
        assert app.screen is app.dialog
        await pilot.press("y")
        assert app.said_yes == 1


async def test_a_word_may_be_typed_in_a_burst_but_its_enter_not_near_noise() -> None:
    app = Asking(asked(Action.ABORT, BIG))
    async with app.run_test(size=(80, 24)) as pilot:
        await drawn(app, pilot)
        await pilot.press(*"photos")
        set_context(noisy := Key("enter", "\r"), after_noise=True, in_burst=False)
        set_context(fast := Key("enter", "\r"), after_noise=False, in_burst=True)
        for key, said_yes in ((noisy, 0), (fast, 1)):
            app.dialog.post_message(key)
            await pilot.pause()
            assert app.said_yes == said_yes


@pytest.mark.parametrize("size", [(40, 12), (20, 5), (1, 1), (80, 24), (200, 50)])
async def test_it_is_usable_at_every_size(size: tuple[int, int]) -> None:
    app = Asking(asked(Action.ABORT, BIG))
    async with app.run_test(size=size) as pilot:
        await drawn(app, pilot)
        strips = app.screen._compositor.render_strips()
        shown = [strip.text for strip in strips]
        if size[0] >= 40:
            flat = " ".join(" ".join(shown).split())
            assert "it cannot be resumed" in flat
            assert "Type the source bucket's name: photos" in flat
        if size[0] >= 20:
            assert any("▌ Esc cancel" in line for line in shown)
        await pilot.press(*"photos", "enter")
        await pilot.pause()
        assert app.said_yes == 1


async def test_new_numbers_update_the_open_dialog_and_keep_the_input() -> None:
    app = Asking(asked(Action.ABORT, BIG))
    async with app.run_test(size=(80, 24)) as pilot:
        await drawn(app, pilot)
        await pilot.press(*"pho")
        moved = view(1, source="photos", counts=Counts(2_000_000, 1_999_000, 0, 0))
        app.dialog.show(asked(Action.ABORT, moved))
        await pilot.pause()
        shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "1,000 objects have not started" in shown
        assert "> pho_" in shown
