"""Changing jobs from the screen: lock, confirmation, request and outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from textual.events import Key

from slurper_tui.api.errors import Conflict, Fault, Unreachable
from slurper_tui.monitor.model.events import Action, ActionRequest, Event, RequestState, What
from slurper_tui.monitor.model.job import AccountView, Counts, JobView, Snapshot
from slurper_tui.tui.render.columns import DrawContext
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.job_text import event_lines, event_text, requests_words
from slurper_tui.tui.render.lines import text_of
from slurper_tui.tui.render.problem_text import problem_details
from slurper_tui.tui.screens.confirm import ConfirmDialog
from slurper_tui.tui.screens.palette import Everything
from slurper_tui.tui.state import ViewState
from slurper_tui.tui.widgets.detail_pane import detail_lines
from tests.fake_control import FakeControl
from tests.fake_feed import FakeFeed
from tests.fake_services import FakeServices
from tests.tui.jobs import ACCOUNT, NOW, harmless, snapshot, view
from tests.tui.test_app import Stage, staged

LOOK = Look(zone=UTC)
RUNNING, OTHER = view(1, source="photos"), view(2, source="logs")
PAUSED, ENDED = view(3, "paused", source="backups"), view(4, "completed", 1000, source="avatars")
JOBS = (RUNNING, OTHER, PAUSED, ENDED)
ONE_BY_ONE = ViewState(migrations=False)
WAITING = "pause sent, waiting for the API to confirm"
REFUSAL = Conflict(
    "conflict", status=409, faults=(Fault(10010, "Job is not running"),), ray="8c1f-AMS"
)


class ControlStage(Stage):
    """A stage with a control that remembers what it was asked."""

    control: FakeControl

    @property
    def dialog(self) -> ConfirmDialog | None:
        screen = self.app.screen
        return screen if isinstance(screen, ConfirmDialog) else None

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(300):
            await self.pilot.pause()
            if condition():
                return
        raise AssertionError(f"it never came to be:\n{self.text}")

    async def ask(self, *keys: str) -> ConfirmDialog:
        """Press keys that open a dialog, and wait until it is open."""
        await self.press(*keys)
        await self.until(lambda: self.dialog is not None and self.dialog.is_painted)
        assert self.dialog is not None
        return self.dialog

    async def go_to(self, job: JobView) -> None:
        self.app.main.go_to(job.key)
        await self.pilot.pause()

    async def choose(self, entry: str) -> None:
        """Run the palette's entry that begins so."""
        hits = [hit async for hit in Everything(self.app.main).discover()]
        [hit] = [hit for hit in hits if (hit.text or "").startswith(entry)]
        hit.command()
        await self.pilot.pause()


@asynccontextmanager
async def changing(
    *jobs: JobView, write: bool = True, answer: ActionRequest | None = None, **options: Any
) -> AsyncIterator[ControlStage]:
    feed, services, control = (
        FakeFeed(snapshot(*(jobs or JOBS))),
        FakeServices(),
        FakeControl(answer),
    )
    services.control = control
    feed.at_hand = services.services
    async with staged(feed=feed, write=write, **{"view": ONE_BY_ONE, **options}) as stage:
        page = ControlStage(stage.app, stage.feed, stage.saved)
        page.pilot, page.control = stage.pilot, control
        await page.until(lambda: control.unlocked is write)
        await page.go_to((jobs or JOBS)[0])
        yield page


# Locked and unlocked --------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["P", "U", "X"])
async def test_a_locked_key_names_the_unlock_key_and_sends_nothing(key: str) -> None:
    async with changing(write=False) as stage:
        assert "read-only" in stage.status
        await stage.press(key, "y", "enter")
        await stage.press(key)
        assert stage.dialog is None
        assert "read-only: W unlocks" in stage.status
        assert stage.control.asked == []
        assert not stage.control.unlocked


async def test_the_key_that_unlocks_is_named_as_it_is_bound() -> None:
    async with changing(write=False, keymap={"change.unlock": "ctrl+w"}) as stage:
        await stage.press("P")
        assert "read-only: ^w unlocks" in stage.status


async def test_unlocking_is_confirmed_and_the_same_key_locks_again() -> None:
    async with changing(write=False) as stage:
        await stage.ask("W")
        assert "Each asks again before anything is sent" in stage.text
        await stage.press("enter")
        assert not stage.app.main.state.writing
        await stage.ask("W")
        await stage.press("y")
        await stage.until(lambda: stage.control.unlocked)
        await stage.press("j")
        assert "unlocked" in stage.status
        assert "read-only" not in stage.status
        await stage.press("W")
        await stage.until(lambda: not stage.control.unlocked)
        assert stage.dialog is None
        await stage.press("k")
        assert "read-only" in stage.status
        assert "unlocked" not in stage.status


async def test_the_command_line_unlocks_from_the_start() -> None:
    async with changing(write=True) as stage:
        assert "unlocked" in stage.status
        assert stage.control.unlocked


# One job --------------------------------------------------------------------------------------


async def test_a_pause_is_asked_sent_once_and_waited_for() -> None:
    async with changing() as stage:
        await stage.ask("P")
        assert "Pause this job?" in stage.text
        assert "650 objects have not started" in stage.text
        await stage.press("y")
        await stage.until(lambda: WAITING in stage.status)
        assert stage.control.asked == [(Action.PAUSE, (RUNNING.key,))]
        sent = replace(RUNNING, request=ActionRequest(Action.PAUSE, NOW, RequestState.SENT))
        await stage.show(*(snapshot(sent, *JOBS[1:], rounds=n) for n in range(4)))
        assert WAITING in stage.status
        paused = view(
            1,
            "paused",
            source="photos",
            request=ActionRequest(Action.PAUSE, NOW, RequestState.DONE),
        )
        await stage.show(snapshot(paused, *JOBS[1:], rounds=4))
        assert "photos: paused" in stage.status
        assert len(stage.control.asked) == 1


async def test_a_question_is_in_view_after_the_terminal_has_become_smaller() -> None:
    async with changing(size=(120, 40)) as stage:
        await stage.ask("P")
        await stage.pilot.resize_terminal(40, 12)
        await stage.until(
            lambda: any("Pause this" in line for line in stage.text.splitlines()[:12])
        )
        await stage.until(lambda: len(stage.text.splitlines()) == 12)
        assert stage.control.asked == []


async def test_while_it_is_waited_for_it_is_not_sent_again() -> None:
    undecided = ActionRequest(
        Action.PAUSE, NOW, RequestState.UNDECIDED, Unreachable("no answer in time")
    )
    async with changing(replace(RUNNING, request=undecided)) as stage:
        assert WAITING in stage.status
        assert "no answer in time; it is not" in stage.text
        await stage.press("P")
        assert stage.dialog is None
        assert "pause was sent already, waiting for the API to confirm" in stage.status
        assert "pause" not in [word for _, word in stage.app.main.hints]
        assert stage.control.asked == []


async def test_a_refusal_shows_the_apis_words_at_the_job_and_in_full() -> None:
    refused = ActionRequest(Action.PAUSE, NOW, RequestState.REFUSED, REFUSAL)
    async with changing(answer=refused) as stage:
        await stage.ask("P")
        await stage.press("y")
        await stage.until(lambda: "pause refused: 10010: Job is not running" in stage.status)
        seen = replace(RUNNING, request=refused)
        await stage.show(*(snapshot(seen, *JOBS[1:], rounds=n) for n in range(4)))
        assert "pause refused: 10010: Job is not" in stage.text.replace(stage.status, "")
        assert ("!", "problem") in stage.app.main.hints
        await stage.press("exclamation_mark")
        assert "Job job0001" in stage.text
        assert "10010: Job is not running" in stage.text
        assert "8c1f-AMS" in stage.text
        assert "409" in stage.text


async def test_a_burst_of_keys_confirms_nothing() -> None:
    async with changing() as stage:
        for key in ("P", "y"):
            stage.app.post_message(Key(key, key))
        await stage.until(lambda: stage.dialog is not None and stage.dialog.is_painted)
        assert stage.control.asked == []
        await stage.press("y")
        await stage.until(lambda: stage.control.asked)


async def test_an_abort_takes_the_source_buckets_name() -> None:
    async with changing() as stage:
        for key in "Xy":
            stage.app.post_message(Key(key, key))
        await stage.until(lambda: stage.dialog is not None and stage.dialog.is_painted)
        assert "cannot be resumed" in stage.text
        await stage.press("y", "enter", "ctrl+u", *"logs", "enter")
        assert stage.control.asked == []
        await stage.press("ctrl+u", *"photos", "enter")
        await stage.until(lambda: stage.control.asked)
        assert stage.control.asked == [(Action.ABORT, (RUNNING.key,))]


async def test_a_resume_is_asked_for_a_paused_job_alone() -> None:
    async with changing() as stage:
        await stage.press("U")
        assert "it is running already" in stage.status
        await stage.go_to(PAUSED)
        await stage.ask("U")
        await stage.press("y")
        await stage.until(lambda: stage.control.asked)
        assert stage.control.asked == [(Action.RESUME, (PAUSED.key,))]


@pytest.mark.parametrize("frozen", [False, True])
async def test_the_dialog_goes_with_the_news_and_closes_when_the_job_has_ended(
    frozen: bool,
) -> None:
    async with changing() as stage:
        await stage.ask(*(["z"] if frozen else []), "P")
        moved = view(1, source="photos", counts=Counts(1000, 900, 0, 0))
        await stage.show(snapshot(moved, *JOBS[1:]))
        assert "100 objects have not started" in stage.text
        await stage.show(snapshot(view(1, "completed", 1000, source="photos"), *JOBS[1:]))
        assert stage.dialog is None
        assert "photos completed: nothing was sent" in stage.status
        await stage.press("y")
        assert stage.control.asked == []


async def test_a_request_that_was_not_sent_is_reported() -> None:
    unsent = ActionRequest(
        Action.PAUSE, NOW, RequestState.POINTLESS, detail="it completed meanwhile"
    )
    async with changing(answer=unsent) as stage:
        await stage.ask("P")
        await stage.press("y")
        await stage.until(lambda: "nothing was sent: it completed meanwhile" in stage.status)
        assert len(stage.control.asked) == 1


async def test_a_note_shows_that_a_request_is_being_sent() -> None:
    async with changing() as stage:
        stage.control.held.clear()
        await stage.ask("P")
        await stage.press("y")
        await stage.until(lambda: "sending pause …" in stage.status)
        stage.control.held.set()
        await stage.until(lambda: WAITING in stage.status)
        assert "sending" not in stage.text


# Several jobs ---------------------------------------------------------------------------------


async def test_marked_jobs_are_paused_together_with_one_word() -> None:
    async with changing() as stage:
        for job in (RUNNING, OTHER, PAUSED):
            await stage.go_to(job)
            await stage.press("space")
        assert "3 marked" in stage.status
        await stage.ask("P")
        assert "Pause 2 of 3 jobs?" in stage.text
        assert "it is paused already" in stage.text
        await stage.press("y")
        await stage.until(lambda: "pause sent for 2 jobs" in stage.status)
        assert stage.control.asked == [(Action.PAUSE, (RUNNING.key, OTHER.key))]
        assert stage.app.main.state.marked == {PAUSED.key}
        done = [
            view(
                n,
                "paused",
                source=name,
                request=ActionRequest(Action.PAUSE, NOW, RequestState.DONE),
            )
            for n, name in ((1, "photos"), (2, "logs"))
        ]
        await stage.show(snapshot(*done, PAUSED, ENDED))
        assert "2 of 2 paused" in stage.status


async def test_abort_means_the_highlighted_job_alone() -> None:
    async with changing() as stage:
        await stage.press("space")
        await stage.go_to(OTHER)
        await stage.press("space")
        dialog = await stage.ask("X")
        assert [job.key for job in dialog.question.jobs] == [OTHER.key]
        assert dialog.question.word == "logs"


async def test_marks_are_taken_away_one_by_one_or_all_at_once() -> None:
    async with changing() as stage:
        await stage.press("space")
        assert "●" in stage.text
        await stage.press("space")
        assert "●" not in stage.text
        await stage.press("space", "escape")
        assert stage.app.main.state.marked == frozenset()
        await stage.go_to(ENDED)
        await stage.press("space")
        assert "only a job that has not ended can be paused or resumed" in stage.status
        assert stage.app.main.state.marked == frozenset()


async def test_a_migration_is_paused_as_a_whole() -> None:
    parts = [view(n, source="films", prefix=f"{n}/") for n in (7, 8)]
    folded = ViewState(migrations=True)
    async with changing(*parts, OTHER, view=folded) as stage:
        await stage.press("left")
        assert stage.app.main.state.migration is not None
        await stage.ask("P")
        assert "Pause 2 jobs?" in stage.text
        await stage.press("y")
        await stage.until(lambda: stage.control.asked)
        [(action, keys)] = stage.control.asked
        assert (action, set(keys)) == (Action.PAUSE, {job.key for job in parts})


# The palette and the hints --------------------------------------------------------------------


async def test_an_ended_job_is_deleted_from_the_palette() -> None:
    async with changing() as stage:
        await stage.choose("delete")
        assert "it has not ended" in stage.status
        await stage.go_to(ENDED)
        await stage.choose("delete")
        await stage.until(lambda: stage.dialog is not None and stage.dialog.is_painted)
        assert "the API forgets it" in " ".join(stage.text.split()).replace("The API", "the API")
        await stage.press("y")
        await stage.until(lambda: stage.control.asked)
        assert stage.control.asked == [(Action.DELETE, (ENDED.key,))]


async def test_all_jobs_are_aborted_from_the_palette_with_the_accounts_id() -> None:
    async with changing() as stage:
        await stage.choose("abort all")
        await stage.until(lambda: stage.dialog is not None and stage.dialog.is_painted)
        assert "Aborts all 3 jobs" in stage.text
        assert ACCOUNT in stage.text
        await stage.press("y", "enter", "ctrl+u", *ACCOUNT, "enter")
        await stage.until(lambda: stage.control.asked)
        assert stage.control.asked == [(Action.ABORT_ALL, ACCOUNT)]


async def test_abort_all_asks_again_where_a_job_was_not_in_the_question() -> None:
    async with changing() as stage:
        late = view(9, source="colleagues")
        stage.control.others = (late,)
        await stage.choose("abort all")
        await stage.until(lambda: stage.dialog is not None and stage.dialog.is_painted)
        await stage.press("ctrl+u", *ACCOUNT, "enter")
        await stage.until(lambda: stage.control.asked)
        await stage.until(lambda: stage.dialog is not None and stage.dialog.is_painted)
        assert "Aborts all 4 jobs" in stage.text
        assert "colleagues" in stage.text
        await stage.press("ctrl+u", *ACCOUNT, "enter")
        await stage.until(lambda: len(stage.control.asked) == 2)
        assert stage.dialog is None


async def test_a_job_added_to_the_question_discards_the_input() -> None:
    async with changing() as stage:
        await stage.choose("abort all")
        await stage.until(lambda: stage.dialog is not None and stage.dialog.is_painted)
        await stage.press(*ACCOUNT)
        await stage.show(snapshot(*JOBS, view(9, source="colleagues")))
        await stage.until(lambda: "colleagues" in stage.text)
        await stage.press("enter")
        assert stage.control.asked == []


async def test_each_account_has_an_entry_of_its_own() -> None:
    accounts = tuple(AccountView(id, listed=True, answered=True) for id in (ACCOUNT, "other"))
    async with changing() as stage:
        await stage.show(snapshot(*JOBS, accounts=accounts))
        hits = [hit async for hit in Everything(stage.app.main).discover()]
        texts = [hit.text or "" for hit in hits if (hit.text or "").startswith("abort all")]
        assert len(texts) == 2
        assert "now: no job of this account runs or is paused" in texts[1]
        assert "now:" not in texts[0]


async def test_palette_and_help_show_why_an_action_is_unavailable() -> None:
    async with changing(write=False, size=(120, 70)) as stage:
        hits = [hit async for hit in Everything(stage.app.main).discover()]
        why = "now: read-only: W unlocks"
        barred = {(hit.text or "").split()[0] for hit in hits if why in (hit.text or "")}
        assert barred == {"pause", "resume", "abort", "delete"}
        await stage.choose("pause")
        assert stage.dialog is None
        await stage.press("question_mark")
        assert "Abort; it cannot be resumed." in stage.text
        assert "read-only: W unlocks" in stage.text


async def test_new_migrations_and_plans_are_in_the_palette(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with changing() as stage:
        ran: list[str] = []
        for name in ("open_form", "open_plans"):
            monkeypatch.setattr(type(stage.app.main.new_jobs), name, ran_as(ran, name))
        await stage.choose("new")
        await stage.choose("plans")
        await stage.until(lambda: len(ran) == 2)
        assert ran == ["open_form", "open_plans"]


def ran_as(ran: list[str], name: str) -> Callable[[object], None]:
    return lambda _: ran.append(name)


@pytest.mark.parametrize(
    ("job", "words"),
    [(RUNNING, {"pause", "abort"}), (PAUSED, {"resume", "abort"}), (ENDED, set())],
)
async def test_only_available_actions_are_hinted(job: JobView, words: set[str]) -> None:
    changes = {"pause", "resume", "abort"}
    async with changing() as stage:
        await stage.go_to(job)
        assert changes & {word for _, word in stage.app.main.hints} == words
        stage.app.main.state = replace(stage.app.main.state, writing=False)
        await stage.pilot.pause()
        assert not changes & {word for _, word in stage.app.main.hints}


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_the_write_mode_is_visible_in_a_small_terminal(size: tuple[int, int]) -> None:
    async with changing(size=size) as stage:
        assert "unlocked" in stage.status
        assert "X abort" in stage.status


# Events ---------------------------------------------------------------------------------------

EVENTS = (
    Event(RUNNING.key, NOW - 7200, What.ELSEWHERE, "paused"),
    Event(RUNNING.key, NOW - 120, What.ASKED, "resume"),
    Event(RUNNING.key, NOW - 60, What.HERE, "running"),
)


async def test_the_details_list_events_newest_first() -> None:
    foreign = Event(OTHER.key, NOW, What.ITSELF, "completed")
    async with changing() as stage:
        await stage.show(snapshot(*JOBS, events=(*EVENTS, foreign)))
        shown = stage.text
        newest, sent, oldest = (
            shown.index(text)
            for text in (
                "09:45  running, as requested here",
                "09:44  resume sent from here",
                "07:46  paused from elsewhere",
            )
        )
        assert newest < sent < oldest < shown.index("job          job0001")
        assert "completed  " not in shown[newest:oldest]


def test_many_events_leave_room_and_are_all_there() -> None:
    events = [Event(RUNNING.key, NOW - 60 * n, What.ITSELF, f"word{n}") for n in range(9, -1, -1)]
    lines = [
        text_of(line) for line in detail_lines(RUNNING, DrawContext(LOOK, NOW), 34, events=events)
    ]
    at = [next(y for y, line in enumerate(lines) if f"word{n}" in line) for n in range(10)]
    assert at == sorted(at)
    identity = next(y for y, line in enumerate(lines) if "endpoint" in line)
    assert at[3] < identity < at[4]


def test_in_two_columns_they_are_all_there_too() -> None:
    events = [Event(RUNNING.key, NOW - 60 * n, What.ITSELF, f"word{n}") for n in range(9, -1, -1)]
    lines = detail_lines(RUNNING, DrawContext(LOOK, NOW), 100, events=events)
    at = [n for line in lines for n in range(10) if f"word{n}" in text_of(line)]
    assert at == [*range(10)]


def test_the_request_state_is_above_the_events() -> None:
    asked = replace(RUNNING, request=ActionRequest(Action.PAUSE, NOW, RequestState.SENT))
    lines = detail_lines(asked, DrawContext(LOOK, NOW), 60, events=EVENTS)
    texts = [text_of(line) for line in lines]
    assert texts.index(WAITING) < texts.index("09:45  running, as requested here")


@pytest.mark.parametrize(
    ("what", "detail", "said", "words"),
    [
        (What.ASKED, "pause", "", "pause sent from here"),
        (What.REFUSED, "pause", "10010: no", "pause refused: 10010: no"),
        (What.UNDECIDED, "pause", "no answer in time", "pause not answered: no answer in time"),
        (What.HERE, "paused", "", "paused, as requested here"),
        (What.ELSEWHERE, "aborted", "", "aborted from elsewhere"),
        (What.ITSELF, "completed", "", "completed"),
        (What.CREATED, "", "", "created from here"),
        (What.RETRIED, "job0009", "", "retried by job0009"),
    ],
)
def test_an_event_in_words(what: What, detail: str, said: str, words: str) -> None:
    assert event_text(Event(RUNNING.key, NOW, what, detail, said), DrawContext(LOOK, NOW)) == words


@given(st.sampled_from(What), st.text(), st.text(), st.integers(1, 60), st.booleans())
def test_no_event_steers_the_terminal(
    what: What, detail: str, said: str, width: int, ascii_only: bool
) -> None:
    context = DrawContext(Look(ascii_only, UTC), NOW)
    lines = [*event_lines([Event(RUNNING.key, NOW, what, detail, said)], context, width)]
    assert lines
    assert all(harmless(text_of(line)) for line in lines)
    assert not ascii_only or all(text_of(line).isascii() for line in lines)


# Words ----------------------------------------------------------------------------------------


def test_several_answers_are_summed_up() -> None:
    requests = [
        ActionRequest(Action.PAUSE, NOW, state)
        for state in (
            RequestState.SENT,
            RequestState.UNDECIDED,
            RequestState.REFUSED,
            RequestState.POINTLESS,
        )
    ]
    said = requests_words(Action.PAUSE, ["2018/", "2019/", "2020/", "2021/"], requests, LOOK)
    assert said == (
        "pause sent for 2 of 4 jobs; 1 without an answer, not sent again;"
        " 2020/: pause refused: no reason given; 2021/: nothing was sent"
    )


def test_the_problem_page_lists_unanswered_requests() -> None:
    error = Unreachable("no answer in time")
    asked = replace(
        RUNNING, request=ActionRequest(Action.ABORT, NOW, RequestState.UNDECIDED, error)
    )
    details = problem_details(snapshot(asked), LOOK)
    assert ("asked", "abort, 2026-03-20T09:46:40+00:00") in details
    assert ("failed", "no answer in time") in details


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (20, 5)])
async def test_a_long_refusal_is_shortened_and_all_is_ascii_when_asked(
    size: tuple[int, int],
) -> None:
    error = Conflict("conflict", status=409, faults=(Fault(1, "\x1b[31m日本" * 40),))
    refused = replace(
        RUNNING, request=ActionRequest(Action.PAUSE, NOW, RequestState.REFUSED, error)
    )
    async with changing(refused, size=size, ascii_only=True) as stage:
        await stage.show(known(refused))
        assert stage.text.isascii()
        await stage.press("enter", "escape", "X")
        assert stage.text.isascii()


def known(job: JobView) -> Snapshot:
    return snapshot(job, events=(Event(job.key, NOW, What.REFUSED, "pause", "1: \x1b日本"),))
