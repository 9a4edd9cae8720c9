from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import textual.constants
from textual.events import Key, Paste
from textual.widgets import Input

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.jobs import create as making
from slurper_tui.monitor.jobs.draft import keys_of
from slurper_tui.monitor.model.job import AccountView, JobView
from slurper_tui.monitor.model.plans import MOST_LIST_BYTES
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.tui.keys import set_context
from slurper_tui.tui.screens import main as main_screen
from slurper_tui.tui.screens.confirm import ConfirmDialog
from slurper_tui.tui.screens.create_form import (
    CreateForm,
    FormScreen,
    NoList,
    filled,
    read_text,
)
from slurper_tui.tui.screens.send import SendPage, Stage
from slurper_tui.tui.widgets.form_fields import SOURCE, TARGET, FieldRow, SecretInput
from tests.api.odd import level_of
from tests.cli.logs import plan
from tests.tui.jobs import ACCOUNT, harmless, snapshot, view
from tests.tui.makers import S3_WORDS, SECRET_WORDS, WHOLE, Workbench, workbench

CHECKS = ["source/connectivity-precheck", "target/connectivity-precheck"]
WHOLE_BODY: dict[str, Any] = {
    "source": {
        "vendor": "s3",
        "bucket": "photos-prod",
        "endpoint": "https://s3.example.com",
        "region": "eu-1",
        "pathPrefix": "2024/",
        "secret": {
            "accessKeyId": "AKIA-SOURCE-NOBODY",
            "secretAccessKey": "source/secret+that=nobody",
        },
    },
    "target": {
        "vendor": "r2",
        "bucket": "media",
        "secret": {
            "accessKeyId": "AKIA-TARGET-NOBODY",
            "secretAccessKey": "target/secret+that=nobody",
        },
    },
    "overwrite": True,
}


def shown(form: FormScreen[Any]) -> list[str]:
    """The fields that can be filled in."""
    return [row.field.name for row in form.query(FieldRow) if row.display]


def here(bench: Workbench) -> str | None:
    """The field that has the focus."""
    return bench.app.focused.id if bench.app.focused else None


def sending(bench: Workbench) -> SendPage:
    page = bench.app.screen
    assert isinstance(page, SendPage)
    return page


# Filling in -----------------------------------------------------------------------------------


async def test_a_vendor_shows_the_fields_that_it_has_and_no_others() -> None:
    async with workbench() as bench:
        form = await bench.create()
        assert shown(form)[:4] == ["vendor", "bucket", "endpoint", "region"]
        assert "source_secret_access_key" in shown(form)
        await bench.press("right")
        assert "[gcs]" in bench.text
        assert {"endpoint", "region", "source_jurisdiction"}.isdisjoint(shown(form))
        assert {"source_client_email", "source_private_key"} <= set(shown(form))
        await bench.press("right")
        assert "source_jurisdiction" in shown(form)
        assert "source_secret_access_key" in shown(form)
        await bench.press("left", "left", "left")
        assert "[s3]" in bench.text


async def test_tab_arrows_and_enter_move_between_the_fields() -> None:
    async with workbench() as bench:
        await bench.create()
        assert here(bench) == "vendor"
        walked = []
        for key in ("tab", "down", "shift+tab", "up", "enter", "enter", "pagedown", "pageup"):
            await bench.press(key)
            walked.append(here(bench))
        assert walked == [
            *("bucket", "endpoint", "bucket", "vendor"),
            *("bucket", "endpoint", "go-on", "vendor"),
        ]
        assert "1 of 16" in bench.text


async def test_every_letter_in_a_field_is_text() -> None:
    async with workbench() as bench:
        form = await bench.create()
        await bench.press("down", *"qPWXny:", "slash")
        assert form.row("bucket").value == "qPWXny:/"
        assert bench.app.screen is form


async def test_a_fault_is_shown_at_its_field_on_blur() -> None:
    async with workbench() as bench:
        await bench.create()
        await bench.press("down", "down", *"http://x")
        assert bench.text.count("missing") == 1
        await bench.press("down")
        await bench.see("it must begin with https://")
        await bench.press("up", *["backspace"] * 8, *"https://x", "down")
        await bench.until(lambda: "it must begin" not in bench.text)
        assert bench.writes == []


async def test_sending_shows_all_faults_and_focuses_the_first() -> None:
    async with workbench(size=(120, 50)) as bench:
        await bench.create(endpoint="ftp://x", path_prefix="2024/")
        await bench.go_on()
        await bench.see("7 fields are not right yet")
        assert bench.text.count("missing") == 6
        assert "it must begin with https://" in bench.text
        assert here(bench) == "bucket"
        assert bench.requests == []


async def test_no_cursor_blinks() -> None:
    async with workbench() as bench:
        form = await bench.create()
        assert len(form.query(Input)) > 10
        assert not any(line.cursor_blink for line in form.query(Input))


async def test_of_several_accounts_one_is_chosen() -> None:
    other = AccountView(ACCOUNT, listed=True, answered=True)

    def two(bench: Workbench) -> Any:
        mine = AccountView(bench.account.account_id, listed=True, answered=True)
        return snapshot(accounts=(other, mine))

    async with workbench(shown=two) as bench:
        await bench.create(**WHOLE)
        assert here(bench) == "account"
        await bench.press("right")
        await bench.go_on()
        await bench.asked()
        assert [sent.path for sent in bench.writes] == CHECKS


async def test_before_there_is_a_list_there_is_no_form() -> None:
    async with workbench(shown=lambda bench: snapshot(accounts=())) as bench:
        bench.app.main.new_jobs.open_form()
        await bench.see("the job list is not there yet")
        assert bench.on_main


async def test_a_reopened_form_keeps_all_values_but_secrets() -> None:
    async with workbench() as bench:
        form = await bench.create(**WHOLE)
        await bench.press("escape")
        assert bench.on_main
        assert all(line.value == "" for line in form.query(SecretInput))
        form = await bench.create()
        assert form.row("endpoint").value == "https://s3.example.com"
        assert form.row("target").value == "media"
        assert all(line.value == "" for line in form.query(SecretInput))


# What is pasted -------------------------------------------------------------------------------


async def paste(bench: Workbench, text: str) -> None:
    bench.app.post_message(Paste(text))
    await bench.pilot.pause()


async def test_pasted_text_is_stripped() -> None:
    async with workbench() as bench:
        form = await bench.create()
        await bench.press("down")
        await paste(bench, "\n  photos-prod \r\n")
        assert form.row("bucket").value == "photos-prod"
        form.row("source_secret_access_key").entry.focus()
        await paste(bench, " top secret\n")
        assert form.row("source_secret_access_key").value == "top secret"


async def test_a_pasted_private_key_keeps_its_lines() -> None:
    key = SECRET_WORDS["source_private_key"]
    async with workbench() as bench:
        form = await bench.create(vendor="gcs")
        form.row("source_private_key").entry.focus()
        await paste(bench, f"{key}\n")
        assert form.row("source_private_key").value == key
        assert "nobody" not in bench.text


@pytest.mark.parametrize("ascii_only", [False, True])
async def test_pasted_control_characters_are_not_written_to_the_terminal(
    *, ascii_only: bool
) -> None:
    evil = "a\x1b]0;pwned\x07\u202eb[red]"
    async with workbench(ascii_only=ascii_only) as bench:
        form = await bench.create()
        await bench.press("down")
        await paste(bench, evil)
        assert form.row("bucket").value == evil
        assert all(harmless(line) for line in bench.text.splitlines())
        assert "[red]" in bench.text
        await bench.press("down", "up")
        assert all(harmless(line) for line in bench.text.splitlines())


# The question ---------------------------------------------------------------------------------


async def test_both_buckets_are_checked_before_the_whole_request_is_shown() -> None:
    async with workbench(size=(100, 30)) as bench:
        await bench.create(**WHOLE)
        bench.open.clear()
        await bench.go_on()
        await bench.see("checking both buckets")
        assert "start it" not in bench.text
        bench.open.set()
        await bench.asked()
        assert [(sent.method, sent.path) for sent in bench.writes] == [("PUT", c) for c in CHECKS]
        assert bench.text.count("✔ can be reached") == 2
        for said in (
            *("s3  photos-prod", "https://s3.example.com", "eu-1", "2024/", "r2  media"),
            *("default", "yes: existing objects in the target are replaced"),
        ):
            assert said in bench.text
        assert "n back    y start it" in bench.text
        assert not any(word in bench.text for word in S3_WORDS.values())


@pytest.mark.parametrize("key", ["enter", "n", "escape", "q"])
async def test_the_default_answer_goes_back_and_sends_nothing(key: str) -> None:
    async with workbench() as bench:
        form = await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        assert "▌ n back" in bench.text
        await bench.press(key)
        assert bench.app.screen is form
        assert form.row("source_secret_access_key").value == WHOLE["source_secret_access_key"]
        assert bench.posts == []


async def test_y_sends_the_request_once_and_the_id_is_shown() -> None:
    async with workbench() as bench:
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        bench.open.clear()
        await bench.press("y", "y", "y")
        await bench.see("being sent")
        await bench.press("escape", "enter", "n", "r")
        assert sending(bench).stage is Stage.SENDING
        bench.open.set()
        await bench.over()
        assert [sent.body for sent in bench.posts] == [WHOLE_BODY]
        [course] = bench.account.jobs()
        assert course.plan.id[:60] in bench.text
        assert "It appears in the list with the next poll." in bench.text
        await bench.press("y", "enter")
        assert bench.on_main
        assert len(bench.posts) == 1


@pytest.mark.parametrize("listed_first", [False, True])
@pytest.mark.parametrize("many_jobs", [5, 1])
async def test_the_new_job_is_highlighted_as_soon_as_it_is_listed(
    monkeypatch: pytest.MonkeyPatch, many_jobs: int, *, listed_first: bool
) -> None:
    monkeypatch.setattr(main_screen, "MANY_JOBS", many_jobs)
    account = SimulatedAccount(jobs=0)
    others = [view(n, account=account.account_id) for n in (1, 2)]
    async with workbench(account=account, shown=lambda bench: bench.snapshot(*others)) as bench:
        await bench.until(lambda: "photos-1" in bench.text)
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        await bench.press("y")
        await bench.over()
        [course] = account.jobs()
        new = view(3, source="photos-prod", id=course.plan.id, account=account.account_id)
        if listed_first:
            await bench.show(bench.snapshot(*others, new))
        await bench.press("enter")
        if not listed_first:
            await bench.show(bench.snapshot(*others, new))
        await bench.until(lambda: "photos-prod" in bench.text)
        [highlighted] = [line for line in bench.text.splitlines() if line.startswith("▌")]
        assert "photos-prod" in highlighted


async def test_the_target_bucket_is_described_below_the_prechecks() -> None:
    async with workbench() as bench:
        bench.account.buckets["media"] = {
            "lock": {"rules": [{"enabled": True, "condition": {"type": "Indefinite"}}]}
        }
        bench.account.faults.add(Fault(operation="sippy", status=403, code=10000))
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        for line in (
            "  target        ✔ can be reached",
            "    bucket      exists; jurisdiction default, storage class Standard",
            "    lock        locked: nothing is overwritten in the whole bucket for ever",
            "    lifecycle   no rule deletes objects",
            "    Sippy       unknown",
        ):
            assert line in bench.text
        assert "y start it" in bench.text


@pytest.mark.parametrize("vendor", ["s3", "r2"])
async def test_the_keys_of_r2_buckets_may_be_those_of_the_token(vendor: str) -> None:
    async with workbench(account=SimulatedAccount(jobs=0)) as bench:
        form = await bench.create(**{**WHOLE, "vendor": vendor, "r2_keys": "token"})
        hidden = {"target_access_key_id", "target_secret_access_key"}
        hidden |= {"source_access_key_id", "source_secret_access_key"} if vendor == "r2" else set()
        await bench.until(lambda: not hidden & set(shown(form)))
        assert ("source_access_key_id" in shown(form)) is (vendor == "s3")
        await bench.go_on()
        await bench.asked()
        await bench.press("y")
        await bench.over()
        [sent] = bench.posts
        token = bench.account.token
        secret = hashlib.sha256(token.encode()).hexdigest()
        assert sent.body["target"]["secret"]["secretAccessKey"] == secret
        assert (sent.body["source"]["secret"]["secretAccessKey"] == secret) is (vendor == "r2")
        assert secret not in bench.text


async def test_a_token_without_an_id_has_no_keys_and_the_form_says_so() -> None:
    account = SimulatedAccount(jobs=0)
    account.verifiable = False
    async with workbench(account=account) as bench:
        form = await bench.create(**{**WHOLE, "r2_keys": "token"})
        await bench.go_on()
        await bench.see("no R2 keys: the API does not tell this token's id")
        assert bench.app.screen is form
        assert bench.writes == []


async def test_refused_keys_show_that_they_are_given_time() -> None:
    async with workbench() as bench:
        bench.account.faults.add(
            Fault(operation="targetPrecheck", status=403, code=1, message="Preconnectivity failed")
        )
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.see("the bucket keys are refused")
        bench.account.faults.clear()
        await bench.asked()
        assert "target        ✔ can be reached" in bench.text


async def test_keys_typed_ahead_confirm_nothing() -> None:
    async with workbench() as bench:
        await bench.create(**WHOLE)
        bench.open.clear()
        await bench.go_on()
        await bench.press("y", "y")
        bench.open.set()
        await bench.asked()
        assert bench.posts == []


async def test_every_vendor_sends_only_its_own_fields() -> None:
    async with workbench(account=SimulatedAccount(jobs=0, slots=9)) as bench:
        gcs = {**WHOLE, **SECRET_WORDS, "vendor": "gcs", "overwrite": "no"}
        r2 = {**WHOLE, **SECRET_WORDS, "vendor": "r2", "source_jurisdiction": "eu"}
        for given in (gcs, {**r2, "target_jurisdiction": "us"}):
            await bench.create(**given)
            await bench.go_on()
            await bench.asked()
            await bench.press("y")
            await bench.over()
            await bench.press("enter")
        first, second = (sent.body for sent in bench.posts)
        assert first["source"] == {
            "vendor": "gcs",
            "bucket": "photos-prod",
            "pathPrefix": "2024/",
            "secret": {
                "clientEmail": SECRET_WORDS["source_client_email"],
                "privateKey": SECRET_WORDS["source_private_key"],
            },
        }
        assert first["overwrite"] is False
        assert second["source"]["jurisdiction"] == "eu"
        assert {"endpoint", "region"}.isdisjoint(second["source"])
        assert second["target"]["jurisdiction"] == "us"


async def test_an_unreachable_bucket_is_shown_and_prevents_sending() -> None:
    async with workbench() as bench:
        form = await bench.create(**{**WHOLE, "bucket": "denied-bucket"})
        await bench.go_on()
        await bench.asked()
        assert "source        ✖ cannot be reached with these keys" in bench.text
        assert "target        ✔ can be reached" in bench.text
        await bench.press("y", "r")
        await bench.asked()
        assert [sent.path for sent in bench.writes] == CHECKS * 2
        await bench.press("escape")
        assert bench.app.screen is form


async def test_a_failed_precheck_is_shown_and_allows_sending() -> None:
    async with workbench() as bench:
        bench.account.faults.add(Fault(Kind.HTML, operation="sourcePrecheck", status=502))
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        await bench.see("? not checked:", "502")
        assert "y start it" in bench.text


async def test_an_unknown_precheck_answer_is_shown_verbatim() -> None:
    async with workbench() as bench:
        bench.account.faults.add(
            Fault(Kind.EDITED, operation="targetPrecheck", edit=_with_status("maybe\x1b[2J"))
        )
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        assert "target        ? maybe\N{REPLACEMENT CHARACTER}[2J" in bench.text
        assert "y start it" in bench.text


def _with_status(word: str) -> Callable[[Any], object]:
    return lambda envelope: {**envelope, "result": {"connectivityStatus": word}}


# Locked ---------------------------------------------------------------------------------------


async def test_a_locked_form_sends_only_get_and_names_the_unlock_key() -> None:
    async with workbench(unlocked=False) as bench:
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.see("read-only now: nothing was sent; W")
        await bench.press("y", "r", "space", "down", "enter")
        assert bench.writes == []


async def test_w_unlocks_from_there_and_the_checks_follow() -> None:
    async with workbench(unlocked=False) as bench:
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.see("read-only now: nothing was sent")
        await bench.press("W")
        await bench.confirmation()
        await bench.press("n")
        assert sending(bench).stage is Stage.LOCKED
        assert bench.writes == []
        await bench.press("W")
        await bench.confirmation()
        await bench.press("y")
        await bench.asked()
        assert [sent.path for sent in bench.writes] == CHECKS


# What comes of it -----------------------------------------------------------------------------


async def test_a_conflict_shows_the_api_message_and_the_running_jobs() -> None:
    async with workbench(account=SimulatedAccount(jobs=8, running=3)) as bench:
        form = await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        await bench.press("y")
        await bench.over()
        assert "refused: 3 jobs run already" in bench.text
        assert "10009: Maximum number of concurrent jobs reached" in bench.text
        assert bench.text.count(" → ") == 3
        await bench.press("escape")
        assert bench.app.screen is form
        assert form.row("target_secret_access_key").value == WHOLE["target_secret_access_key"]


async def test_a_key_near_noise_or_in_a_burst_starts_and_plans_nothing() -> None:
    async with workbench(size=(100, 30), account=SimulatedAccount(jobs=8, running=3)) as bench:
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        await _press_in_bad_company(bench, "y")
        assert sending(bench).stage is Stage.ASKING
        await bench.press("y")
        await bench.over()
        await bench.see("w wait for a free slot")
        await _press_in_bad_company(bench, "w")
        assert sending(bench).stage is Stage.OVER
        assert not await bench.creation.plans()


async def _press_in_bad_company(bench: Workbench, name: str) -> None:
    for after_noise, in_burst in ((True, False), (False, True)):
        set_context(key := Key(name, name), after_noise=after_noise, in_burst=in_burst)
        bench.app.screen.post_message(key)
        await bench.pilot.pause()


async def test_a_request_without_a_slot_can_wait_for_one() -> None:
    async with workbench(size=(100, 30), account=SimulatedAccount(jobs=8, running=3)) as bench:
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        await bench.press("w", "y")
        await bench.over()
        await bench.see("w wait for a free slot")
        await bench.press("w", "w")
        await bench.see("1 job to be started as soon as a slot is free")
        await bench.press("w", "enter")
        assert bench.on_main
        [plan] = await bench.creation.plans()
        assert [step.draft.path_prefix for step in plan.plan.steps] == ["2024/"]
        assert plan.has_secrets


async def test_a_refusal_shows_code_and_message_and_the_form_can_be_mended() -> None:
    async with workbench() as bench:
        bench.account.faults.add(
            Fault(operation="create", status=400, code=10001, message="no such bucket")
        )
        form = await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        await bench.press("y")
        await bench.over()
        assert "refused" in bench.text
        assert "10001: no such bucket" in bench.text
        await bench.press("enter")
        assert bench.app.screen is form
        assert len(bench.posts) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(Kind.CONNECT_ERROR, operation="create"), "cannot connect"),
        (Fault(operation="create", status=429, code=971, message="slow down"), "971: slow down"),
    ],
)
async def test_an_unsent_request_may_be_sent_again(fault: Fault, said: str) -> None:
    async with workbench() as bench:
        bench.account.faults.add(fault)
        form = await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        await bench.press("y")
        await bench.over()
        assert "no job was created" in bench.text
        assert said in bench.text
        await bench.press("y", "escape")
        assert bench.app.screen is form
        bench.account.faults.clear()
        await bench.go_on()
        await bench.asked()
        await bench.press("y")
        await bench.over()
        assert "started" in bench.text
        assert len(bench.account.jobs()) == 1


async def test_an_undecided_request_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "SEARCH_WAITS", (0.0,))
    async with workbench() as bench:
        bench.account.faults.add(Fault(Kind.HTML, operation="create", status=502))
        await bench.create(**WHOLE)
        await bench.go_on()
        await bench.asked()
        await bench.press("y")
        await bench.over()
        assert "sent, no answer: look in the list before you try again" in bench.text
        await bench.press("y", "r", "enter")
        assert bench.on_main
        assert len(bench.posts) == 1


# Secrets --------------------------------------------------------------------------------------


async def test_no_secret_is_shown_copied_or_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textual.constants, "LOG_FILE", str(log := tmp_path / "log"))
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    async with workbench(size=(120, 40)) as bench:
        form = await bench.create(**WHOLE)
        row = form.row("source_secret_access_key")
        row.entry.focus()
        await bench.press("home", "shift+end", "ctrl+x", "ctrl+shift+c", "enter")
        assert row.value == WHOLE["source_secret_access_key"]
        seen += [bench.picture(), repr(form), repr(row.entry), repr(list(form.query("*")))]
        await bench.go_on()
        await bench.asked()
        seen += [bench.picture(), repr(sending(bench).pending), repr(bench.app.screen_stack)]
        await bench.press("y")
        await bench.over()
        seen += [bench.picture(), bench.app.clipboard]
        await bench.press("enter")
        seen += [bench.picture(), repr(bench.app.main.state), repr(vars(bench.app.main))]
        seen.append(repr(vars(bench.app.main.new_jobs)))
        assert len(bench.posts) == 1
    seen += [caplog.text, log.read_text()]
    assert "SendPage" in log.read_text()
    for word in S3_WORDS.values():
        assert [
            t[max(0, t.index(word) - 200) : t.index(word) + 50] for t in seen if word in t
        ] == []


async def test_a_secret_is_taken_from_the_environment_and_shown_as_that() -> None:
    environ = {f"SLURPER_{name.upper()}": word for name, word in S3_WORDS.items()}
    async with workbench(size=(80, 40), environ={"TERM": "xterm", **environ}) as bench:
        given = {name: value for name, value in WHOLE.items() if name not in S3_WORDS}
        form = await bench.create(**given)
        assert bench.text.count("from the environment") == 4
        assert all(line.value == "" for line in form.query(SecretInput))
        form.row("target_secret_access_key").value = "typed instead"
        await bench.go_on()
        await bench.asked()
        source, target = (sent.body["secret"] for sent in bench.writes)
        assert source == WHOLE_BODY["source"]["secret"]
        assert target["secretAccessKey"] == "typed instead"
        assert target["accessKeyId"] == S3_WORDS["target_access_key_id"]


# Lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["a/1\r\nb 2\r\n\n", '["a/1", "b 2"]', "a/1\0b 2\0"])
async def test_a_key_list_is_read_and_shown_whole(tmp_path: Path, write: str) -> None:
    (keys := tmp_path / "keys").write_text(write)
    async with workbench() as bench:
        await bench.create(**{**WHOLE, "path_prefix": "", "keys_file": str(keys)})
        await bench.go_on()
        await bench.asked()
        assert "exactly the 2 keys below" in bench.text
        assert "  a/1" in bench.text
        assert "  b 2" in bench.text
        await bench.press("y")
        await bench.over()
        source = bench.posts[0].body["source"]
        assert source["keys"] == ["a/1", "b 2"]
        assert "pathPrefix" not in source


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", "the list is empty: nothing would be copied"),
        ("[1, 2]", "not every item of the array is a text"),
        ("\n".join(map(str, range(10_001))), "10,001 keys; one job takes at most 10,000"),
    ],
)
async def test_a_fault_of_a_key_list_is_shown_at_its_field(
    tmp_path: Path, text: str | None, said: str
) -> None:
    keys = tmp_path / "keys"
    if text is not None:
        keys.write_text(text)
    async with workbench() as bench:
        await bench.create(**{**WHOLE, "path_prefix": "", "keys_file": str(keys)})
        await bench.go_on()
        await bench.see(said)
        assert here(bench) == "keys_file"
        assert bench.requests == []


def make_no_list(path: Path, kind: str) -> None:
    """Something that is no list, at this path."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "large":
        path.touch()
        os.truncate(path, MOST_LIST_BYTES + 1)
    else:
        path.write_bytes(b"caf\xe9")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("folder", "this is not a regular file"),
        ("pipe", "this is not a regular file"),
        ("large", "larger than 64 MB"),
        ("latin", "not UTF-8 text"),
    ],
)
def test_an_unusable_list_file_is_reported_without_blocking(
    tmp_path: Path, kind: str, said: str
) -> None:
    make_no_list(tmp_path / "list", kind)
    with pytest.raises(NoList, match=said):
        read_text(str(tmp_path / "list"))


@pytest.mark.parametrize("name", ["a\0b", "~nobody-of-that-name/list", "x" * 5000])
def test_an_invalid_file_name_is_reported(name: str) -> None:
    with pytest.raises(NoList, match=r"no such file|no such home|too long"):
        read_text(name)


def test_a_list_in_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "list").write_bytes(b"\xef\xbb\xbfa\n")
    assert keys_of(read_text("~/list")) == ("a",)


async def test_an_unlikely_value_is_noted_but_may_be_sent() -> None:
    async with workbench(size=(100, 30)) as bench:
        await bench.create(**{**WHOLE, "path_prefix": "/2024/"})
        await bench.go_on()
        await bench.asked()
        assert "source.pathPrefix: keys rarely begin with a slash" in bench.text
        assert "y start it" in bench.text


async def test_a_list_that_changed_since_it_was_checked_is_checked_again(
    tmp_path: Path,
) -> None:
    (keys := tmp_path / "keys").write_text("a")
    async with workbench() as bench:
        form = await bench.create(**{**WHOLE, "path_prefix": "", "keys_file": str(keys)})
        await asyncio.to_thread(keys.unlink)
        await form.take()
        await bench.see("no such file")
        assert bench.app.screen is form
        assert bench.requests == []


async def test_a_key_list_goes_without_a_prefix(tmp_path: Path) -> None:
    (keys := tmp_path / "keys").write_text("a")
    async with workbench() as bench:
        await bench.create(**{**WHOLE, "keys_file": str(keys)})
        await bench.go_on()
        await bench.see("a list of keys cannot be combined with a prefix")
        assert here(bench) == "path_prefix"


async def split_by(bench: Workbench, path: Path, text: str, **more: str) -> None:
    await asyncio.to_thread(path.write_text, text)
    await bench.create(**{**WHOLE, "path_prefix": "", "prefixes_file": str(path), **more})
    await bench.go_on()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2023/\n2023/05/\n", "'2023/05/' is within '2023/': its objects would be copied twice"),
        ("\n\n", "the file has no prefixes"),
    ],
)
async def test_a_list_of_prefixes_that_overlap_is_not_started(
    tmp_path: Path, text: str, said: str
) -> None:
    async with workbench(size=(120, 40)) as bench:
        await split_by(bench, tmp_path / "prefixes", text)
        await bench.see(said)
        assert here(bench) == "prefixes_file"
        assert bench.requests == []


async def test_a_missing_prefix_list_is_reported(tmp_path: Path) -> None:
    async with workbench() as bench:
        await bench.create(**{**WHOLE, "path_prefix": "", "prefixes_file": str(tmp_path / "none")})
        await bench.go_on()
        await bench.see("no such file")
        assert here(bench) == "prefixes_file"


async def test_a_split_goes_without_a_prefix_of_its_own(tmp_path: Path) -> None:
    async with workbench() as bench:
        await split_by(bench, tmp_path / "prefixes", "a/\n", path_prefix="b/")
        await bench.see("give prefixes either here or above")
        (keys := tmp_path / "keys").write_text("b/1\n")
    async with workbench() as bench:
        await bench.create(**{**WHOLE, "path_prefix": "a/\nb/", "keys_file": str(keys)})
        await bench.go_on()
        await bench.see("prefixes and a file of keys cannot be combined")
        assert here(bench) == "path_prefix"


PREFIXES = [f"{year}/" for year in range(2013, 2025)]


@pytest.mark.parametrize("pasted", [False, True])
async def test_twelve_prefixes_in_the_form_are_twelve_jobs_on_three_slots(*, pasted: bool) -> None:
    account = SimulatedAccount(jobs=0, slots=3)
    async with workbench(account=account) as bench:
        form = await bench.create(**{**WHOLE, "path_prefix": ""})
        form.set_focus(form.row("path_prefix").entry)
        if pasted:
            await paste(bench, "\r\n".join(PREFIXES) + "\r\n")
        else:
            for prefix in PREFIXES:
                await bench.press(*prefix, "enter")
        await bench.press("enter")  # an empty line ends the list
        assert here(bench) == "prefixes_file"
        await bench.until(lambda: all(f"  {prefix}" in bench.text for prefix in PREFIXES[7:]))
        await bench.go_on()
        await bench.asked()
        await bench.see("y start these 12 jobs")
        await bench.press("y")
        await bench.over()
        await bench.until(lambda: len(account.jobs()) == 3)
        assert [sent.body["source"]["pathPrefix"] for sent in bench.posts[:3]] == PREFIXES[:3]


async def test_the_arrow_keys_move_in_the_prefixes_and_leave_them_at_the_edges() -> None:
    async with workbench() as bench:
        form = await bench.create(path_prefix="a/\nb/\nc/")
        form.set_focus(form.row("path_prefix").entry)
        walked = []
        for key in ("down", "down", "down", "up", "tab", "shift+tab", *["up"] * 3):
            await bench.press(key)
            walked.append(here(bench))
        assert walked == [
            *["path_prefix"] * 2,
            *("prefixes_file", "path_prefix", "prefixes_file", "path_prefix"),
            *["path_prefix"] * 2,
            "region",
        ]


async def test_the_fault_of_a_typed_prefix_is_shown_at_the_prefixes() -> None:
    async with workbench() as bench:
        await bench.create(**{**WHOLE, "path_prefix": "2023/\n2023/05/"})
        await bench.go_on()
        await bench.see("'2023/05/' is within '2023/'")
        assert here(bench) == "path_prefix"
        assert bench.requests == []


async def test_a_split_names_its_gaps_and_starts_one_job_for_each_prefix(tmp_path: Path) -> None:
    async with workbench(size=(120, 40), account=SimulatedAccount(jobs=0, slots=9)) as bench:
        await split_by(bench, tmp_path / "prefixes", "2021/\n2022/\n2024/\n")
        await bench.asked()
        assert "'2023/' is missing between its neighbours" in bench.text
        assert "objects outside these prefixes will not be copied" in bench.text
        assert "y start these 3 jobs" in bench.text
        await bench.press("y")
        await bench.over()
        assert "3 jobs to be started as slots become free" in bench.text
        await bench.until(lambda: len(bench.posts) == 3)
        prefixes = [sent.body["source"]["pathPrefix"] for sent in bench.posts]
        assert prefixes == ["2021/", "2022/", "2024/"]
        await bench.press("enter")
        assert bench.on_main


@pytest.mark.parametrize(("status", "noted"), [("running", 1), ("paused", 1), ("completed", 0)])
async def test_a_split_names_a_job_that_copies_the_same_now(
    tmp_path: Path, status: str, noted: int
) -> None:
    (prefixes := tmp_path / "prefixes").write_text("2023/\n2024/\n")
    fields = (field for section in (SOURCE, TARGET) for field in section.fields)
    empty = {field.name: next(iter(field.choices), "") for field in fields}
    given = {**WHOLE, "path_prefix": "", "prefixes_file": str(prefixes)}
    source = Source(bucket=WHOLE["bucket"], vendor="s3", path_prefix="2024/01/")
    job = Job(id="j1", status=status, source=source, target=Target(bucket="media"))
    known = JobView(ACCOUNT, job, status=status, ended=status == "completed")
    read = await filled({**empty, **given}, [known])
    note = "job j1, which has not ended, copies objects under '2024/' too"
    assert (read.faults, read.notes.count(note)) == ((), noted)


# Sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "ascii_only"),
    [((120, 40), False), ((80, 24), True), ((40, 12), False), ((20, 5), True)],
)
async def test_it_works_at_every_size(size: tuple[int, int], *, ascii_only: bool) -> None:
    said: list[str] = []
    async with workbench(size=size, ascii_only=ascii_only) as bench:
        form = await bench.create(**WHOLE)
        for _ in shown(form):
            assert bench.app.focused is not None
            assert bench.app.focused.region.overlaps(bench.app.screen.region)
            assert bench.app.focused.region.height == 1
            assert size[1] < 12 or "Check both buckets" in bench.text
            said.append(bench.text)
            await bench.press("down")
        await bench.press("pagedown", "enter")
        await bench.asked()
        said.append(bench.text)
        await bench.press("end", "pageup", "y")
        await bench.over()
        said.append(bench.text)
        await bench.pilot.resize_terminal(30, 8)
        await bench.press("enter")
        assert bench.on_main
    assert len(bench.posts) == 1
    assert not ascii_only or all(text.isascii() for text in said)


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_the_focused_field_its_fault_and_the_button_are_always_visible(
    size: tuple[int, int],
) -> None:
    async with workbench(size=size) as bench:
        form = await bench.create(path_prefix="\n".join(PREFIXES))
        await bench.go_on()
        await bench.see("6 fields are not right yet")
        assert here(bench) == "bucket"
        for row in [row for row in form.query(FieldRow) if row.display]:
            form.set_focus(row.entry)
            await bench.until(partial(seen, bench, row))
        for other in ((30, 8), size):
            await bench.pilot.resize_terminal(*other)
            await bench.until(lambda: seen(bench, form.row("target_secret_access_key")))


def seen(bench: Workbench, row: FieldRow) -> bool:
    """Whether a field is in view with its fault, and the button below it."""
    body, button = bench.app.screen.query_one("#form-body"), bench.app.screen.query_one("#go-on")
    both = (row.entry, row.query_one(".fault")) if row.fault else (row.entry,)
    shown = all(body.region.contains_region(widget.region) for widget in both)
    return shown and bench.app.screen.region.contains_region(button.region)


async def test_a_field_below_the_edge_is_scrolled_to() -> None:
    async with workbench(size=(40, 12)) as bench:
        await bench.create()
        assert "target secret" not in bench.text
        await bench.press("up", "up", *"abc")
        assert "target secret  ***" in bench.text
        assert isinstance(bench.app.screen, CreateForm)


# An R2 source that is listed ---------------------------------------------------------------------

R2_WORDS = {**S3_WORDS, "vendor": "r2", "bucket": "photos", "target": "media"}


def owner(*prefixes: str, objects: int = 1500) -> SimulatedAccount:
    """An account whose bucket `photos` has objects below these prefixes."""
    plans = [
        plan(f"old{n}", source=Source("r2", "photos", prefix), objects=objects)
        for n, prefix in enumerate(prefixes)
    ]
    return SimulatedAccount(plans=plans)


async def test_an_r2_source_is_split_by_its_top_level() -> None:
    async with workbench(account=owner("2022/", "2024/", "odd name/")) as bench:
        await bench.create(**R2_WORDS, listing="split")
        await bench.go_on()
        await bench.asked()
        page = sending(bench)
        prefixes = [draft.path_prefix for draft in page.pending.drafts]
        assert prefixes == ["2022/", "2024/", "odd name/"]
        assert "R2 bucket photos (simulated): 3 prefixes" in " ".join(bench.text.split())
        assert bench.posts == []


async def test_what_a_list_of_prefixes_leaves_out_is_what_the_source_holds() -> None:
    async with workbench(account=owner("2022/", "2024/", "thumbs/")) as bench:
        await bench.create(**R2_WORDS, path_prefix="2022/\n2024/")
        await bench.go_on()
        await bench.asked()
        assert sending(bench).pending.notes == (
            "'thumbs/' is in the source, and within none of these",
        )


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(operation="objects", status=404, code=10006), "the source cannot be listed"),
        (level_of("a/", "a/b/", "c/"), "not split: 'a/b/' is within 'a/'"),
        (level_of("a\x1b[1m/", "c/"), "contains the control character U+001B"),
        (level_of("a\xff/", "c/"), "contains the control character U+D800"),
        (level_of("a/", "c/", key="k\xff"), "not split: key 1 is not UTF-8: k\\xff"),
        (level_of("[/a]/"), "not split: there are no prefixes below '[/a]/'"),
    ],
)
async def test_a_source_that_cannot_be_listed_is_told_at_the_foot(
    fault: Fault | bytes, said: str
) -> None:
    account = owner("2022/", "2024/")
    if isinstance(fault, bytes):
        fault = Fault(Kind.BODY, operation="objects", status=200, body=fault)
    account.faults.add(fault)
    async with workbench(account=account) as bench:
        await bench.create(**R2_WORDS, listing="split")
        await bench.go_on()
        await bench.see(said)
        assert isinstance(bench.app.screen, CreateForm)
        assert bench.writes == []


async def test_counting_is_asked_for_with_its_price_and_its_number_is_shown() -> None:
    async with workbench(account=owner("2022/", "2024/")) as bench:
        await bench.create(**R2_WORDS, listing="both")
        await bench.go_on()
        await bench.see("Count the objects of the source first?")
        await bench.confirmation()
        dialog = bench.app.screen
        assert isinstance(dialog, ConfirmDialog)
        assert "it takes about 5 requests, " in dialog.question.consequence
        await bench.press("y")
        await bench.asked()
        drafts = sending(bench).pending.drafts
        assert [draft.counted and draft.counted.objects for draft in drafts] == [1500, 1500]
        assert "3,000 objects in R2 bucket photos" in " ".join(bench.text.split())
        assert bench.posts == []
