from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any

import pytest
from msgspec.structs import replace
from textual.events import Key

from slurper_tui.monitor.model.plans import Draft, Plan, PlanView, Step, StepState
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.tui.keys import set_context
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import text_of, width_of
from slurper_tui.tui.screens.create_form import SecretsForm
from slurper_tui.tui.screens.plans import PlansPage, plan_rows
from slurper_tui.tui.widgets.form_fields import SecretInput
from tests.monitor.inline_history import InlineHistory
from tests.tui.jobs import NOW, harmless
from tests.tui.makers import S3_WORDS, SECRETS, Workbench, workbench

DRAFT = Draft("s3", "photos", "media", endpoint="https://s3.example.com")
ASKED = "it was sent without an answer, and the list shows no such job"


def step(number: int, state: StepState = StepState.WAITING, **given: Any) -> Step:
    draft = Draft("s3", "photos", "media", path_prefix=f"{2020 + number}/")
    return Step(number, given.pop("draft", draft), state, NOW, **given)


MIXED = (
    step(1, StepState.STARTED, job_id="3fa8b6c2d1e04f77"),
    step(2, StepState.UNDECIDED, message=ASKED),
    step(3),
    step(4, StepState.REFUSED, message="10001: no such bucket"),
)


@asynccontextmanager
async def restarted(*steps: Step, **options: Any) -> AsyncIterator[Workbench]:
    """A program that finds a plan of an earlier run."""
    account = SimulatedAccount(jobs=0, slots=9)
    notes = InlineHistory().notes
    plan = await notes.keep_plan(Plan(0, account.account_id, NOW, steps))
    for kept in steps:
        await notes.move(plan.id, kept.number, StepState.WAITING, kept)
    async with workbench(account=account, notes=notes, **options) as bench:
        yield bench


async def opened(bench: Workbench) -> PlansPage:
    """The page and its text."""
    bench.app.main.new_jobs.open_plans()
    await bench.until(lambda: isinstance(bench.app.screen, PlansPage))
    await bench.pilot.pause()
    assert isinstance(bench.app.screen, PlansPage)
    return bench.app.screen


async def confirm(bench: Workbench, key: str) -> None:
    """Answer the question once it is drawn."""
    await bench.confirmation()
    await bench.press(key)


async def give_keys(bench: Workbench) -> SecretsForm:
    """Fill in the form for the keys to the buckets, and go on."""
    form = await fill_in_keys(bench)
    await bench.go_on()
    return form


async def fill_in_keys(bench: Workbench) -> SecretsForm:
    await bench.until(lambda: isinstance(bench.app.screen, SecretsForm))
    await bench.pilot.pause()
    form = bench.app.screen
    assert isinstance(form, SecretsForm)
    for name, word in S3_WORDS.items():
        form.row(name).value = word
    return form


# At the start ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((step(1), step(2)), "2 planned jobs need bucket keys: press : and type plans"),
        ((step(1),), "1 planned job needs bucket keys: press : and type plans"),
        (MIXED[:2], "1 planned job needs your decision: press : and type plans"),
        (
            (MIXED[0], MIXED[1], MIXED[3]),
            "2 planned jobs need your decision: press : and type plans",
        ),
    ],
)
async def test_the_start_reports_waiting_plans_of_an_earlier_run(
    steps: tuple[Step, ...], said: str
) -> None:
    async with restarted(*steps, size=(120, 40)) as bench:
        await bench.see(said)
        assert bench.writes == []


async def test_without_plans_there_is_no_note_and_one_query() -> None:
    asked = []

    class Creation:
        async def plans(self) -> tuple[PlanView, ...]:
            asked.append(1)
            return ()

    def incomplete(bench: Workbench) -> Any:
        bench.services.creation = Creation()
        bench.feed.at_hand = bench.services.services
        return bench.snapshot(complete=False)

    async with workbench(shown=incomplete) as bench:
        await bench.pilot.pause()
        assert asked == []
        await bench.show(bench.snapshot())
        await bench.show(bench.snapshot())
        assert asked == [1]
        assert "palette" not in bench.text


async def test_the_palette_finds_the_plans() -> None:
    async with workbench() as bench:
        await bench.press("colon", *"plans")
        await bench.see("Show the jobs that wait to be started")
        await bench.press("enter")
        await bench.see("There are no plans.")
        assert bench.writes == []


# Leaving ---------------------------------------------------------------------------------------


async def split(bench: Workbench) -> None:
    """Plan three jobs, of which one can be started."""
    drafts = [replace(DRAFT, path_prefix=f"{year}/") for year in (2021, 2022, 2023)]
    await bench.creation.plan(bench.account.account_id, drafts, SECRETS)
    await bench.until(lambda: len(bench.creation.waiting[0].to_start) == 2)


async def test_leaving_asks_while_jobs_wait_for_this_program() -> None:
    async with workbench(account=SimulatedAccount(jobs=0, slots=1)) as bench:
        await split(bench)
        await bench.press("q")
        await bench.confirmation()
        await bench.see(
            "Leave while 2 jobs wait to be started?",
            "photos → media: 2 of 3 to start",
            "Jobs are started only while this program runs; what is left",
        )
        await bench.press("n")
        assert bench.on_main
        await bench.press("q")
        await bench.confirmation()
        await bench.press("y")
        await bench.until(lambda: not bench.app.is_running)
        assert bench.app.return_code == 0


@pytest.mark.parametrize(("how", "code"), [("ctrl+c", 0), ("signal", 143)])
async def test_ctrl_c_and_signals_leave_without_a_question(how: str, code: int) -> None:
    async with workbench(account=SimulatedAccount(jobs=0, slots=1)) as bench:
        await split(bench)
        if how == "signal":
            bench.app.exit_for_signal(code)
        else:
            await bench.press(how)
        await bench.until(lambda: not bench.app.is_running)
        assert bench.app.return_code == code


async def test_leaving_does_not_ask_where_nothing_waits_for_this_program() -> None:
    async with restarted(step(1), step(2)) as bench:  # their keys are unknown
        await bench.see("2 planned jobs need bucket keys")
        await bench.press("q")
        await bench.until(lambda: not bench.app.is_running)
        assert bench.app.return_code == 0


# What is shown --------------------------------------------------------------------------------


async def test_an_empty_page_explains_how_plans_are_made() -> None:
    async with workbench() as bench:
        await opened(bench)
        await bench.see("There are no plans.", "A split by prefix makes one")
        await bench.press("s", "c", "enter", "down")
        await bench.press("escape")
        assert bench.on_main


async def test_every_job_of_a_plan_is_listed_with_its_state() -> None:
    async with restarted(*MIXED) as bench:
        await opened(bench)
        await bench.see("photos → media")
        lines = [line.strip(" ▌") for line in bench.text.splitlines()]
        assert any(line.startswith("1 ✔ started") and "3fa8" in line for line in lines)
        assert any(line.startswith("2 ? undecided  2022/") for line in lines)
        assert any(line.startswith("3 ◔ waiting    2023/") for line in lines)
        assert any(line.startswith("4 ✖ refused    2024/") for line in lines)
        assert ASKED in bench.text
        assert "10001: no such bucket" in bench.text
        assert "1 started, 1 waiting, 1 undecided, 1 refused" in bench.text
        assert "needs the keys to its buckets again" in bench.text


async def test_a_job_started_meanwhile_is_shown() -> None:
    async with workbench(account=SimulatedAccount(jobs=0, slots=1)) as bench:
        drafts = [Draft("s3", "photos", "media", path_prefix=p) for p in ("a/", "b/")]
        await bench.creation.plan(bench.account.account_id, drafts, SECRETS)
        await opened(bench)
        await bench.see("✔ started", "waits for a free slot")
        assert len(bench.account.jobs()) == 1


# What is done ---------------------------------------------------------------------------------


async def test_it_needs_the_keys_again_and_goes_on_with_them() -> None:
    async with restarted(step(1), step(2)) as bench:
        await opened(bench)
        await bench.see("Enter give the keys")
        assert bench.posts == []
        await bench.press("enter")
        form = await give_keys(bench)
        await bench.see("2 started")
        assert [sent.body["source"]["pathPrefix"] for sent in bench.posts] == ["2021/", "2022/"]
        secret = bench.posts[0].body["source"]["secret"]["secretAccessKey"]
        assert secret == S3_WORDS["source_secret_access_key"]
        assert all(line.value == "" for line in form.query(SecretInput))
        assert "Enter give the keys" not in bench.text


async def test_a_plan_goes_on_with_the_r2_keys_of_the_token() -> None:
    async with restarted(step(1)) as bench:
        await opened(bench)
        await bench.see("Enter give the keys")
        await bench.press("enter")
        form = await fill_in_keys(bench)
        form.row("r2_keys").value = "token"
        await bench.until(lambda: not form.row("target_secret_access_key").display)
        await bench.go_on()
        await bench.see("1 started")
        secret = hashlib.sha256(bench.account.token.encode()).hexdigest()
        assert bench.posts[0].body["target"]["secret"]["secretAccessKey"] == secret


async def test_a_token_without_an_id_gives_a_plan_no_keys() -> None:
    async with restarted(step(1)) as bench:
        bench.account.verifiable = False
        await opened(bench)
        await bench.see("Enter give the keys")
        await bench.press("enter")
        form = await fill_in_keys(bench)
        form.row("r2_keys").value = "token"
        await bench.go_on()
        await bench.see("no R2 keys: the API does not tell this token's id")
        assert bench.app.screen is form
        assert bench.posts == []


async def test_an_enter_near_noise_or_from_before_hands_no_keys_over() -> None:
    async with restarted(step(1), step(2)) as bench:
        await opened(bench)
        await bench.see("Enter give the keys")
        early = Key("enter", "\r")
        await bench.press("enter")
        form = await fill_in_keys(bench)
        await bench.press("pagedown")
        set_context(noisy := Key("enter", "\r"), after_noise=True, in_burst=False)
        for key in (early, noisy):
            form.post_message(key)
            await bench.pilot.pause()
        assert bench.app.screen is form
        assert bench.posts == []


async def test_an_undecided_job_is_sent_again_only_at_a_persons_word() -> None:
    async with restarted(*MIXED[:2]) as bench:
        await opened(bench)
        await bench.press("down", "down")
        await bench.see("s send again")
        await bench.press("s")
        await bench.see("Send job 2 again?", "It was sent without an answer", "copied twice")
        await confirm(bench, "enter")
        assert bench.posts == []
        await bench.press("s")
        await confirm(bench, "y")
        await bench.see("1 waiting")
        assert bench.posts == []
        await bench.press("enter")
        await give_keys(bench)
        await bench.see("2 started")
        assert [sent.body["source"]["pathPrefix"] for sent in bench.posts] == ["2022/"]


async def test_a_refused_job_is_sent_again_too_and_others_are_not() -> None:
    async with restarted(*MIXED) as bench:
        await opened(bench)
        await bench.press("down")
        assert "s send again" not in bench.text
        await bench.press("s")
        assert isinstance(bench.app.screen, PlansPage)
        await bench.press("end", "s")
        await bench.see("Send job 4 again?", "No job was created")


async def test_a_click_moves_the_cursor_to_a_job_and_not_to_other_lines() -> None:
    async with restarted(*MIXED) as bench:
        page = await opened(bench)
        lines = bench.text.splitlines()
        for text, marked in (("4 ✖ refused", "4 ✖ refused"), ("10001:", "4 ✖ refused")):
            [row] = [y for y, line in enumerate(lines) if text in line]
            await bench.pilot.click(page, offset=(5, row))
            await bench.pilot.pause()
            [cursor] = [line for line in bench.text.splitlines() if line.startswith("▌")]
            assert marked in cursor
        assert "s send again" in bench.text


async def test_unsent_jobs_are_cancelled_after_a_confirmation() -> None:
    async with restarted(*MIXED[:1], step(2), step(3)) as bench:
        await opened(bench)
        await bench.press("c")
        await bench.see("Cancel the 2 jobs not yet started?", "Running jobs continue")
        await confirm(bench, "enter")
        assert "cancelled" not in bench.text
        await bench.press("c")
        await confirm(bench, "y")
        await bench.see("1 started, 2 cancelled")
        assert "c cancel" not in bench.text
        assert bench.writes == []


async def test_refused_and_undecided_jobs_can_be_cancelled() -> None:
    async with restarted(MIXED[0], MIXED[1], step(3, StepState.REFUSED, message="no")) as bench:
        await opened(bench)
        await bench.press("c")
        await bench.see("Cancel the job not yet started?")
        await confirm(bench, "y")
        await bench.see(
            "1 started, 1 undecided, 1 cancelled", "step 2 is undecided: sent again only"
        )
        await bench.press("c")
        await bench.see("Drop the job whose request was not answered?", "API created all the same")
        await confirm(bench, "y")
        await bench.see("1 started, 2 cancelled")
        assert "c cancel" not in bench.text
        assert all(view.plan.over for view in await bench.creation.plans())
        assert bench.writes == []


async def test_a_locked_page_sends_nothing_and_names_the_unlock_key() -> None:
    async with restarted(*MIXED, unlocked=False) as bench:
        await opened(bench)
        await bench.press("enter")
        await bench.see("read-only now: W allows changes")
        await bench.press("end", "s")
        await bench.see("read-only now: W allows changes")
        assert isinstance(bench.app.screen, PlansPage)
        await bench.press("W")
        await confirm(bench, "y")
        await bench.press("s")
        await bench.see("Send job 4 again?")
        assert bench.writes == []


# Sizes and foreign text -----------------------------------------------------------------------


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (20, 5)])
async def test_it_works_at_every_size(size: tuple[int, int], *, ascii_only: bool) -> None:
    many = tuple(step(number) for number in range(1, 60))
    async with restarted(*many, size=size, ascii_only=ascii_only) as bench:
        await opened(bench)
        said = [bench.text]
        for key in ("down", "pagedown", "end"):
            await bench.press(key)
            said.append(bench.text)
        assert "59 " in bench.text
        await bench.press("home")
        await bench.pilot.resize_terminal(24, 6)
        await bench.press("escape")
        assert bench.on_main
    assert not ascii_only or all(text.isascii() for text in said)


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [24, 60, 118])
def test_nothing_from_outside_steers_the_terminal(width: int, *, ascii_only: bool) -> None:
    evil = "\x1b]0;pwned\x07\u202e[red]" + "長い" * 40
    draft = Draft("s3", evil, evil, path_prefix=evil)
    steps = tuple(
        Step(number, draft, state, NOW, evil, evil) for number, state in enumerate(StepState, 1)
    )
    keyed = Step(7, Draft("s3", "a", "b", keys=("k",) * 1200))
    view = PlanView(Plan(1, "account", NOW, (*steps, keyed)), note=evil, durable=False)
    look = Look(ascii_only=ascii_only, zone=UTC)
    rows = [row.line for row in plan_rows([view, view], look, NOW, width)]
    assert all(harmless(text_of(line)) for line in rows)
    assert all(width_of(line) <= width for line in rows)
    assert any("1,200 keys" in text_of(line) for line in rows) or width < 30
    assert not ascii_only or all(text_of(line).isascii() for line in rows)
