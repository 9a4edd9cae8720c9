"""`V`: the form, the cost, the progress in the background, the result, and what it leads to.

The app has a real session over a simulated account, whose buckets hold the objects of its jobs.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from textual.events import Key
from textual.pilot import Pilot

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Source, Target, mark_invalid_bytes
from slurper_tui.cli.context import resolve
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.workfile import WorkFile
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.model.verification import Outcome
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.monitor.session import Session
from slurper_tui.monitor.verify.compare import Difference
from slurper_tui.monitor.verify.diff import read_diff
from slurper_tui.monitor.verify.plan import VerifyPlan
from slurper_tui.monitor.verify.verifier import Verifier
from slurper_tui.simulated.account import Fault, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.keys import set_context
from slurper_tui.tui.screens.confirm import ConfirmDialog
from slurper_tui.tui.screens.dialogs import TextDialog
from slurper_tui.tui.screens.retry_draft import DraftPage
from slurper_tui.tui.screens.verify import VerifyForm
from slurper_tui.tui.screens.verify_run import again
from slurper_tui.tui.state import ScreenOptions, ViewState
from tests.monitor.inline_history import InlineHistory
from tests.patience import until
from tests.tui.jobs import view

OBJECTS = 3000
FAULTS: dict[str, Any] = {"lost": 37, "resized": 5, "emptied": 2, "changed": 11}


def job(id: str = "first", prefix: str | None = None, **given: Any) -> Plan:
    """Return an ended job that copies one R2 bucket into another."""
    fields = {"objects": OBJECTS, "seconds": 100.0, "listing": 1.0, **given}
    source = Source("r2", "photos", prefix)
    target = Target("r2", "media")
    return Plan(id=id, created=time.time() - 10_000, source=source, target=target, **fields)


class Bench:
    """The running app, and everything that left it."""

    def __init__(self, *plans: Plan, file: Path | None = None, **options: Any) -> None:
        self.account = SimulatedAccount(plans=plans or (job(),))
        self.requests: list[httpx.Request] = []
        self.listing = asyncio.Event()
        self.listing.set()
        self.logs = asyncio.Event()
        self.logs.set()
        self.most_listings = 10**6
        transport = httpx.MockTransport(self._answer)
        self.client = SlurperClient(token_credentials(self.account.token), transport=transport)
        store = open_history(file, "https://example.com")[0] if file else None
        self.history = InlineHistory(store)
        past = self.history.stored(self.account.account_id)
        ids = {self.account.account_id: self.client}
        session = Session(lambda: Monitor(ids, past, interval=2.0), ALL_JOBS, resolve)
        self.app = SlurperApp(session, ScreenOptions(zone=UTC, **options), lambda _: None)
        self.pilot: Pilot[int]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """Answer; listings wait until `listing` is set, and for good after `most_listings`.

        Requests for logs wait until `logs` is set.
        """
        self.requests.append(request)
        if request.url.path.endswith("/logs"):
            await self.logs.wait()
        if request.url.path.endswith("/objects"):
            if self.listings > self.most_listings:
                self.listing.clear()
            await self.listing.wait()
        return self.account.answer(request)

    @property
    def listings(self) -> int:
        return sum(request.url.path.endswith("/objects") for request in self.requests)

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition, self.pilot.pause, lambda: self.text)

    async def see(self, *texts: str) -> None:
        for text in texts:
            await self.until(partial(self.shows, text))

    def shows(self, text: str) -> bool:
        return text in self.text

    def complete(self) -> bool:
        snapshot = self.app.main.state.snapshot
        return snapshot is not None and snapshot.complete

    def asks(self) -> bool:
        return isinstance(self.app.screen, ConfirmDialog)

    async def form(self, **given: str) -> VerifyForm:
        """Open the form and fill it in."""
        await self.press("V")
        await self.until(lambda: isinstance(self.app.screen, VerifyForm))
        await self.pilot.pause()
        form = self.app.screen
        assert isinstance(form, VerifyForm)
        for name, value in given.items():
            form.row(name).value = value
            await self.pilot.pause()
        return form

    async def asked(self, **given: str) -> None:
        """Fill in the form and go on to the question."""
        await self.form(**given)
        await self.press("pagedown", "enter")
        await self.see("y start")
        await self.pilot.pause()

    async def started(self, **given: str) -> None:
        """Begin with both listings held up."""
        self.listing.clear()
        await self.asked(**given)
        await self.press("y")
        await self.until(lambda: self.listings > 0)
        await self.pilot.pause()

    async def verified(self, **given: str) -> None:
        """Verify to the end."""
        await self.asked(**given)
        await self.press("y")
        await self.see("What was compared")


@asynccontextmanager
async def bench(
    *plans: Plan, size: tuple[int, int] = (100, 50), **given: Any
) -> AsyncIterator[Bench]:
    one = Bench(*plans, **given)
    try:
        async with one.app.run_test(size=size) as one.pilot:
            await one.until(lambda: one.app.main.state.snapshot is not None)
            await one.until(one.complete)
            yield one
    finally:
        if one.app.main.verify_run is not None:
            await one.app.main.verify_run.close()
        await one.client.close()
        await one.history.close()


async def test_from_the_key_to_a_verified_target() -> None:
    async with bench() as one:
        await one.verified()
        assert "✔✔ verified: all 3,000 objects are in the target" in one.text
        assert {request.method for request in one.requests} == {"GET"}
        await one.press("escape")
        await one.see("verified")
        assert one.app.screen is one.app.main


async def test_every_difference_is_counted_by_class_and_written_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with bench(job(**FAULTS)) as one:
        await one.verified()
        words = " ".join(one.text.split())
        for said in (
            "not verified: 37 missing · 5 of another size · 2 empty in the target · 11 changed",
            "missing in the target 37 1.2 %",
            "size differs 5 0.1 %",
            "empty in the target only 2 <0.1 %",
            "changed in the source since the job began 11 0.3 %",
            "not compared: the bytes of the content, headers, versions, tags and ACLs",
        ):
            assert said in words
        await one.press("E")
        await one.until(lambda: isinstance(one.app.screen, TextDialog))
        await one.see("55 keys saved")
    [name] = os.listdir(tmp_path)
    text = (tmp_path / name).read_text()
    found = read_diff(text)
    assert found is not None
    assert (len(found.missing), len(found.differing), found.left_out) == (37, 18, {})
    outcomes = [line.partition("\t")[0] for line in text.splitlines()]
    assert outcomes == ["missing"] * 37 + ["size"] * 5 + ["empty"] * 2 + ["changed"] * 11


async def test_a_retry_is_drafted_of_exactly_these_keys_and_says_that_it_overwrites() -> None:
    async with bench(job(overwrite=False, failed=3, **FAULTS)) as one:
        await one.verified()
        await one.press("c")
        await one.until(lambda: isinstance(one.app.screen, DraftPage))
        draft = one.app.screen
        assert isinstance(draft, DraftPage)
        sizes = [(len(one.keys or ()), one.overwrite) for one in draft.pending.drafts]
        assert sizes == [(37, False), (18, True)]
        assert {parent.job_id for parent in draft.pending.retry_of} == {"first"}
        await one.see("18 objects differ: copied with overwrite", "see each job below")
        await one.see("found by", "a verification")
        said = "3 objects are missing as the log says, and left out: e and c in the list copy these"
        assert said in " ".join(one.text.split())
        assert {request.method for request in one.requests} == {"GET"}


@pytest.mark.parametrize(("key", "said"), [("E", "not written"), ("c", "not drafted")])
async def test_a_work_file_that_fails_after_the_end_is_told_in_a_note(
    key: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def damaged(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.chdir(tmp_path)
    async with bench(job(**FAULTS)) as one:
        await one.verified()
        monkeypatch.setattr(WorkFile, "differences", damaged)
        await one.press(key)
        await one.see(f"{said}: the work file cannot be used")
    assert not os.listdir(tmp_path)


def test_keys_that_are_not_utf_8_are_in_no_draft_and_that_is_said() -> None:
    keys = {Outcome.MISSING: ["a", mark_invalid_bytes(b"\xff")], Outcome.SIZE: ["c"]}
    wanted = again(
        [view()], lambda outcomes: (Difference(o, k) for o in outcomes for k in keys.get(o, ()))
    )
    assert [*wanted.missing.values(), *wanted.differing.values()] == [("a",), ("c",)]
    assert wanted.doubts[-1].startswith("1 key contains bytes that are not UTF-8")


async def test_the_cost_is_asked_about_before_the_first_listing() -> None:
    async with bench(size=(80, 24)) as one:
        await one.asked(headers="100")
        assert one.listings == 0
        for said in (
            "R2 bucket photos (simulated): about 8 requests",
            "100 more for headers, Class A",
            "less than 0.01 USD",
            "for 3,000 objects",
            "It only lists: nothing is written",
        ):
            assert said in " ".join(one.text.split())
        await one.press("n")
        form = one.app.screen
        assert isinstance(form, VerifyForm)
        assert form.row("headers").value == "100"
        await one.press("pagedown", "enter")
        await one.see("y start")
        assert one.listings == 0


async def test_a_job_that_still_runs_can_be_verified_and_the_question_says_what_that_means() -> (
    None
):
    async with bench(job(seconds=10**6, listing=10.0)) as one:
        await one.asked()
        await one.see("A job still runs: objects that are newer than the beginning")
        assert one.listings == 0


async def test_the_palette_offers_it_and_the_help_explains_its_page() -> None:
    async with bench() as one:
        await one.press("colon", *"verify")
        await one.see("Compare the target with the source.")
        await one.press("enter")
        await one.until(lambda: isinstance(one.app.screen, VerifyForm))
        await one.pilot.pause()
        await one.press("pagedown", "enter")
        await one.see("y start")
        await one.press("question_mark")
        await one.see("Pause the verification", "Stop it; what was")
        assert one.listings == 0


@pytest.mark.parametrize("how", ["noisy", "early"])
async def test_a_key_that_was_typed_ahead_begins_nothing(how: str) -> None:
    async with bench() as one:
        early = Key("y", "y")
        await one.asked()
        key = early if how == "early" else Key("y", "y")
        set_context(key, after_noise=how == "noisy", in_burst=False)
        one.app.screen.post_message(key)
        await one.pilot.pause()
        assert "y start" in one.text
        assert one.listings == 0


async def test_a_key_that_comes_while_a_dialog_opens_closes_nothing() -> None:
    async with bench() as one:
        await one.asked()
        page = one.app.screen
        await one.press("question_mark")
        await one.see("Pause the verification")
        page.post_message(Key("n", "n"))  # which was on its way to the page
        await one.pilot.pause()
        assert page in one.app.screen_stack
        await one.see("Pause the verification")
        await one.press("escape", "n")
        await one.until(lambda: isinstance(one.app.screen, VerifyForm))
        await one.press("escape")
        await one.until(lambda: one.app.screen is one.app.main)


async def test_it_goes_on_in_the_background_and_v_returns_to_it() -> None:
    async with bench(job(lost=3), size=(200, 50)) as one:
        await one.started()
        await one.see("verifying 0 %", "with R2 bucket media")
        await one.press("escape")
        assert one.app.screen is one.app.main
        assert one.text.count("verifying 0 %") == 3  # row, details, status line
        one.listing.set()
        await one.see("not verified: 3 missing: V shows it")
        await one.press("V")
        await one.see("not verified: 3 missing")


async def test_another_job_waits_for_the_verification_that_runs() -> None:
    plans = job(), job("other", "x/")
    async with bench(*plans, size=(120, 40), view=ViewState(migrations=False)) as one:
        await one.started()
        await one.press("escape")
        before = one.app.main.state.place
        await one.press("j" if one.app.main.state.cursor == 0 else "k")
        assert one.app.main.state.place != before
        await one.press("V")
        await one.see("one verification at a time")


async def test_a_pause_sends_nothing_until_it_goes_on() -> None:
    async with bench(job(objects=8_000)) as one:
        await one.started()
        await one.press("p")
        one.listing.set()
        await one.see("verification paused at", "p go on")
        sent = one.listings
        await one.pilot.pause()
        assert one.listings == sent
        await one.press("p")
        await one.see("all 8,000 objects are in the target")


async def test_a_stop_while_the_log_is_read_lists_nothing() -> None:
    async with bench(job(failed=3), size=(80, 24)) as one:
        await one.asked()
        await one.see("about 1 request to the API first, which tells why objects are")
        one.logs.clear()
        await one.press("y")
        await one.see("reading what failed", "s stop")
        assert "p pause" not in one.text
        await one.press("p")
        await one.see("the log is read without a pause: s stops")
        await one.press("s")
        await one.see("not verified: it was stopped before anything was listed")
        assert one.listings == 0
        one.logs.set()
        await one.press("V")
        await one.until(lambda: isinstance(one.app.screen, VerifyForm))
        await one.pilot.pause()
        await one.press("pagedown", "enter")
        await one.see("y start")
        await one.press("y")
        await one.see("not verified: 3 missing as the log says, of 3,000 objects")
        await one.press("c")
        await one.see("the log explains them: e in the list shows, c there copies them")


async def test_a_log_that_is_not_read_is_told() -> None:
    async with bench(job(failed=3)) as one:
        await one.asked()
        one.account.faults.add(Fault(operation="logs", status=404, code=10004, message="gone"))
        await one.press("y")
        await one.see("not verified: 3 missing, of 3,000 objects")
        said = "the log was not read, so that it explains no missing object: "
        assert said in " ".join(one.text.split())


@pytest.mark.parametrize(
    ("plan", "given", "said"),
    [
        (job(lost=3), {}, "not verified: 3 missing: V shows it"),
        (job(), {}, "verified: nothing is missing: V shows it"),
        (job(), {"prefixes": "01/"}, "compared: nothing is missing: V shows it"),
        (job(seconds=10**6, listing=10.0), {"prefixes": "none/"}, "compared: nothing is missing"),
    ],
)
async def test_the_note_at_the_end_says_no_more_than_was_found(
    plan: Plan, given: dict[str, str], said: str
) -> None:
    async with bench(plan) as one:
        await one.started(**given)
        await one.press("escape")
        one.listing.set()
        await one.until(lambda: one.app.main.note)
        assert one.app.main.note.startswith(said)


async def test_the_heading_of_the_keys_stands_with_their_fields_alone() -> None:
    async with bench() as one:
        form = await one.form()
        assert "Keys to the buckets" not in one.text
        form.row("r2").value = "keys"
        form.show_fields()
        await one.see("Keys to the buckets", "target secret")


async def test_what_was_compared_before_a_stop_is_kept_for_the_next_one(tmp_path: Path) -> None:
    async with bench(job(objects=8_000, lost=3), file=tmp_path / "history.sqlite3") as one:
        one.most_listings = 12
        await one.asked()
        await one.press("y")
        await one.until(lambda: one.listings >= 12)
        await one.press("s")
        await one.see("it was stopped before its end", "V goes on from there")
        await one.press("V")
        await one.until(lambda: isinstance(one.app.screen, VerifyForm))
        await one.pilot.pause()
        await one.press("pagedown", "enter")
        await one.see("interrupted, with")
        found = re.search(r"interrupted, with ([\d,]+) objects", " ".join(one.text.split()))
        assert found is not None
        assert 0 < int(found[1].replace(",", "")) < 8_000
        one.most_listings = 10**6
        one.listing.set()
        await one.press("y")
        await one.see("not verified: 3 missing, of 8,000 objects")


async def test_the_result_of_an_earlier_program_is_shown_and_leads_on(tmp_path: Path) -> None:
    file, plan = tmp_path / "history.sqlite3", job(lost=3)
    async with bench(plan, file=file) as one:
        await one.verified()
    async with bench(plan, file=file) as one:
        await one.press("V")
        await one.see("not verified: 3 missing")
        assert one.listings == 0
        await one.press("c")
        await one.until(lambda: isinstance(one.app.screen, DraftPage))
        await one.press("escape", "V")
        await one.until(lambda: isinstance(one.app.screen, VerifyForm))


async def test_a_job_that_was_deleted_meanwhile_is_compared_without_its_log() -> None:
    async with bench(job(lost=3, failed=2)) as one:
        await one.asked()
        for operation in ("details", "progress", "logs"):
            one.account.faults.add(Fault(operation=operation, status=404, code=1100))
        await one.press("y")
        await one.see("not verified: 5 missing, of 3,000 objects", "the API answered 404 (1100")
        assert {request.method for request in one.requests} == {"GET"}


async def test_a_deleted_job_of_which_only_the_history_knows_is_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    file = tmp_path / "history.sqlite3"
    async with bench(job(), file=file):
        pass
    async with bench(job("other", "x/"), file=file) as one:
        await one.form()
        await one.press("pagedown", "enter")
        await one.see("the API answered 404 (10007: Job not found)")
        assert isinstance(one.app.screen, VerifyForm)
        assert one.listings == 0


async def test_nothing_arrives_while_the_api_asks_to_wait_and_that_is_said() -> None:
    async with bench() as one:
        await one.started()
        one.account.faults.add(Fault(operation="progress", status=429, retry_after=200))
        one.account.faults.add(Fault(operation="list", status=429, retry_after=200))
        await one.press("R")
        await one.see("rate limited (429): next request at")
        assert "verified" not in one.text
        one.account.faults.clear()
        one.listing.set()
        await one.see("verified: all 3,000 objects")


async def test_leaving_while_it_runs_asks_and_says_whether_it_can_go_on(tmp_path: Path) -> None:
    for file, said in ((tmp_path / "history.sqlite3", "is kept"), (None, "is lost")):
        async with bench(file=file) as one:
            await one.started()
            await one.press("escape", "q")
            await one.until(one.asks)
            await one.see("Leave while verifying 0 %?", said)
            await one.press("n")
            assert one.app.screen is one.app.main
            one.listing.set()
            await one.see("verified")


async def test_a_side_that_cannot_be_listed_ends_it_with_the_reason() -> None:
    async with bench() as one:
        await one.asked()
        one.account.faults.add(Fault(operation="objects", status=403, code=10003, message="no"))
        await one.press("y")
        await one.see("10003: no")
        assert "✔✔" not in one.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"expected": "manifest"}, "missing"),
        ({"expected": "manifest", "manifest": "/no/such"}, "no such file"),
        ({"expected": "manifest", "manifest": "/"}, "this is not a regular file"),
        ({"headers": "many"}, "a number of objects, at most 100,000"),
        ({"r2": "keys"}, "missing"),
    ],
)
async def test_the_form_says_what_is_wrong_with_a_field(given: dict[str, str], said: str) -> None:
    async with bench() as one:
        form = await one.form(**given)
        await one.press("pagedown", "enter")
        await one.see("not right yet", said)
        assert one.app.screen is form


async def test_the_mark_and_the_position_follow_the_focus_however_quickly_it_moves() -> None:
    async with bench(size=(80, 24)) as one:
        form = await one.form()
        labels = ["expected", "only below", "R2 through", "headers of"]
        place = 0
        for steps in (1, 1, 1, 1, 1, 2, 3, 4, 8, 9):
            for _ in range(steps):
                form.action_walk(1)  # as keys that are handled before their events
            place = (place + steps) % 5
            await one.pilot.pause()
            marked = [line[2:14].strip() for line in one.text.split("\n") if "▌" in line[:4]]
            assert marked == labels[place : place + 1]
            shown = re.search(r"(\d*) of 4", one.text)
            assert (shown and shown[1]) == (f"{place + 1}" if place < 4 else None)


async def test_the_form_tells_how_much_of_a_manifest_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, plan_of = asyncio.Event(), Verifier.plan

    async def plan(verifier: Verifier) -> VerifyPlan:
        await gate.wait()
        return await plan_of(verifier)

    monkeypatch.setattr(Verifier, "plan", plan)
    file = tmp_path / "keys"
    file.write_text("".join(f"01/01/{number}\n" for number in range(20_001)))
    async with bench() as one:
        await one.form(expected="manifest", manifest=str(file))
        await one.press("pagedown", "enter")
        await one.see("reading the manifest: 20,001 entries so far")
        gate.set()
        await one.see("y start")


async def test_a_second_enter_does_not_begin_anew_and_going_back_releases_the_work_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, plan_of, calls = asyncio.Event(), Verifier.plan, list[int]()

    async def plan(verifier: Verifier) -> VerifyPlan:
        calls.append(1)
        await gate.wait()
        return await plan_of(verifier)

    monkeypatch.setattr(Verifier, "plan", plan)
    async with bench(file=tmp_path / "history.sqlite3") as one:
        await one.form()
        await one.press("pagedown", "enter")
        await one.see("reading what the jobs were to copy")
        await one.press("enter", "escape")
        assert one.app.screen is one.app.main
        gate.set()
        await one.asked()
        assert len(calls) == 2


async def test_a_manifest_says_what_should_be_there(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("01/01/photos-00000000.bin\nnot/there\n")
    async with bench() as one:
        await one.verified(expected="manifest", manifest=str(file))
        words = " ".join(one.text.split())
        assert "not verified: 1 missing, of 2 objects" in words
        assert "only in the target 2,999" in words


async def test_headers_that_differ_are_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, target = Source("r2", "video-masters"), Target("r2", "video")
    plan = replace(job(objects=400), source=source, target=target)
    async with bench(plan) as one:
        await one.verified(headers="400")
        assert "Content-Type" in one.text
        await one.press("E")
        await one.see("keys saved")
    [name] = os.listdir(tmp_path)
    lines = (tmp_path / name).read_text().splitlines()
    assert lines
    assert all(line.startswith("headers\t") for line in lines)


async def test_prefixes_limit_it_and_the_result_says_so() -> None:
    async with bench() as one:
        await one.verified(prefixes="01/\n02/")
        assert "below 01/ and 1 more: 500 objects" in " ".join(one.text.split())


@pytest.mark.parametrize(
    ("size", "ascii_only"),
    [((40, 12), False), ((80, 24), True), ((100, 30), False), ((200, 50), False)],
)
async def test_every_stage_fits_every_size(size: tuple[int, int], ascii_only: bool) -> None:
    async with bench(job(**FAULTS), size=size, ascii_only=ascii_only) as one:
        await one.form()
        seen = [one.text]
        await one.press("pagedown", "enter")
        await one.see("y start")
        seen.append(one.text)
        one.listing.clear()
        await one.press("y")
        await one.see("compared")
        seen.append(one.text)
        one.listing.set()
        await one.see("not verified")
        seen.append(one.text)
        for text in seen:
            assert all(len(line) <= size[0] for line in text.split("\n"))
            assert text.isascii() or not ascii_only
        last = ""
        while last != one.text:
            last = one.text
            await one.press("pagedown")
        assert "tags and ACLs" in " ".join(last.split())
