from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.jobs import create as making
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.monitor.model.plans import Draft
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Piece, text_of, width_of, wrap
from slurper_tui.tui.screens.retry_draft import DraftPage, RetryKeys, write_drafts
from slurper_tui.tui.screens.send import Listed, PendingRequest, request_lines
from slurper_tui.tui.widgets.form_fields import SecretInput
from tests.tui.jobs import harmless, view
from tests.tui.makers import S3_WORDS, SECRETS, Workbench, workbench

EU = Target("r2", "media", jurisdiction="eu")
KEYS = tuple(f"2024/05/IMG_{number:05}.HEIC" for number in range(904))
DRAFT = Draft("s3", "photos", "media", keys=KEYS[:9])
MANY = tuple(f"k{number:06}" for number in range(20_001))


def ended(bench: Workbench) -> JobView:
    job = view(3, "completed", 1000, failed=904, prefix="2024/")
    return replace(job, account_id=bench.account.account_id)


async def drafted(bench: Workbench, keys: tuple[str, ...] = KEYS, *types: str) -> None:
    """Open the draft of a retry of these keys."""
    await bench.app.main.new_jobs.draft_retry(
        (ended(bench),), {ended(bench).key: keys}, types or (FAILED_TYPE,)
    )
    await bench.until(lambda: isinstance(bench.app.screen, DraftPage))
    await bench.pilot.pause()


async def with_keys(bench: Workbench, **more: str) -> None:
    """Go on from the draft, fill in the keys to the buckets, and wait for the question."""
    await bench.press("enter")
    await bench.until(lambda: isinstance(bench.app.screen, RetryKeys))
    await bench.pilot.pause()
    form = bench.app.screen
    assert isinstance(form, RetryKeys)
    for name, word in {**S3_WORDS, **more}.items():
        form.row(name).value = word
    await bench.go_on()
    await bench.asked()


async def test_an_earlier_retry_is_named_before_the_keys_are_asked_for() -> None:
    async with workbench() as bench:
        await drafted(bench, KEYS[:9])
        assert "is a retry of" not in bench.text
        parent = ended(bench).key
        await bench.creation.create(
            parent.account_id, DRAFT, SECRETS, retry_of=parent, log_types=(FAILED_TYPE,)
        )
        await bench.press("escape")
        await drafted(bench, KEYS[:9])
        [post] = bench.posts
        await bench.see("is a retry of 9 of these objects")
        await with_keys(bench)
        assert "is a retry of" in bench.text
        assert bench.posts == [post]


# Shown whole ----------------------------------------------------------------------------------


async def test_the_draft_is_shown_whole_before_anything_is_sent_or_asked_for() -> None:
    async with workbench(size=(100, 30)) as bench:
        await drafted(bench)
        for said in (
            *("retry of      job0003", "s3  photos-3", "https://s3.example.com", "r2  media"),
            *("exactly the 904 keys below", FAILED_TYPE, "yes: existing objects in the target"),
            *("asked for next; the API does not return them", KEYS[0]),
        ):
            assert said in bench.text
        assert "2024/ " not in bench.text  # no prefix beside the keys
        seen = set[str]()
        for _ in range(60):
            seen |= {line.strip(" ↑↓") for line in bench.text.splitlines()}
            await bench.press("space", "space")
        assert set(KEYS) <= seen
        assert bench.writes == []


async def test_more_keys_than_a_job_takes_are_drafted_as_several_jobs() -> None:
    async with workbench() as bench:
        await drafted(bench, MANY)
        assert "exactly the 20,001 keys below" in bench.text
        assert "3, started in this order as slots become free" in bench.text
        assert "job 1 of 3 · 10,000 keys" in bench.text
        await bench.press("G")
        assert "job 3 of 3 · 1 keys" in bench.text
        assert MANY[-1] in bench.text
        assert bench.writes == []


async def test_a_draft_repeats_all_details_of_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[JobKey] = []

    async def details(key: JobKey) -> Job:
        asked.append(key)
        source = Source("r2", "photos", "2024/", jurisdiction="eu")
        return Job("x", source=source, target=EU, overwrite=False)

    async with workbench() as bench:
        monkeypatch.setattr(bench.creation, "details", details)
        await drafted(bench)
        page = bench.app.screen
        assert isinstance(page, DraftPage)
        [draft] = page.pending.drafts
        assert draft == Draft(
            "r2",
            "photos",
            "media",
            keys=KEYS,
            overwrite=False,
            source_jurisdiction="eu",
            target_jurisdiction="eu",
        )
        assert asked == [ended(bench).key]


async def test_a_job_that_cannot_be_read_has_no_draft() -> None:
    async with workbench() as bench:
        bench.account.faults.add(Fault(operation="get", status=503))
        await bench.app.main.new_jobs.draft_retry(
            (ended(bench),), {ended(bench).key: KEYS}, (FAILED_TYPE,)
        )
        await bench.see("503")
        assert bench.on_main


async def test_a_job_with_missing_details_has_no_draft() -> None:
    async with workbench() as bench:
        job = replace(ended(bench), job=Job(id="x", status="completed"))
        await bench.app.main.new_jobs.draft_retry((job,), {job.key: KEYS}, (FAILED_TYPE,))
        await bench.see("the API does not say the source bucket of this job")
        await bench.app.main.new_jobs.draft_retry(
            (ended(bench),), {ended(bench).key: ()}, (FAILED_TYPE,)
        )
        await bench.see("there are no keys to copy again")
        assert bench.on_main


async def test_keys_that_hold_anything_are_shown_harmless_and_sent_exactly() -> None:
    evil = ("a\x1b[2Jb", "new\nline", "\u202egnp.exe", "[red]", "k" * 700)
    async with workbench() as bench:
        await drafted(bench, evil)
        assert all(harmless(line) for line in bench.text.splitlines())
        assert "[red]" in bench.text
        await with_keys(bench)
        await bench.press("y")
        await bench.over()
        assert tuple(bench.posts[0].body["source"]["keys"]) == evil


ENTRIES = st.lists(st.one_of(st.text(max_size=90), st.just((Piece("heading"),))), max_size=20)


@given(ENTRIES, st.integers(1, 40), st.booleans())
def test_lines_made_when_they_are_looked_at_are_those_made_at_once(
    entries: list[Any], width: int, ascii_only: bool
) -> None:
    look = Look(ascii_only=ascii_only)
    listed = Listed([(Piece("head"),)], entries, look, width)
    room = max(4, width - 2)
    expected = ["head"]
    for entry in entries:
        parts = wrap(look.sanitise(entry), room) if isinstance(entry, str) else ["heading"]
        expected += [f"  {part}" if isinstance(entry, str) else part for part in parts]
    assert len(listed) == len(expected)
    assert [text_of(line) for line in listed] == expected
    assert [text_of(line) for line in listed[1:3]] == expected[1:3]


@given(st.text(max_size=60), st.integers(12, 130), st.booleans())
def test_nothing_in_a_request_is_wider_than_the_page(
    text: str, width: int, ascii_only: bool
) -> None:
    draft = Draft("r2", text, text, path_prefix=text, endpoint=text, region=text)
    pending = PendingRequest(
        "account", (draft, draft), SECRETS, (text,), (JobKey("account", text),) * 2, (text,)
    )
    lines = request_lines(pending, Look(ascii_only=ascii_only), width)
    assert all(width_of(line) <= max(width, 25) for line in lines)
    assert all(harmless(text_of(line)) for line in lines)
    assert not ascii_only or all(text_of(line).isascii() for line in lines)


# Sent -----------------------------------------------------------------------------------------


async def test_the_keys_are_asked_for_then_and_one_job_of_exactly_these_keys_is_made() -> None:
    async with workbench() as bench:
        await drafted(bench)
        await with_keys(bench, region=" eu-1 ")
        assert [sent.path.split("/")[0] for sent in bench.writes] == ["source", "target"]
        assert "y start it" in bench.text
        await bench.press("y")
        await bench.over()
        [post] = bench.posts
        source = post.body["source"]
        assert tuple(source["keys"]) == KEYS
        assert "pathPrefix" not in source
        assert source["endpoint"] == "https://s3.example.com"
        assert source["region"] == "eu-1"
        assert source["bucket"] == "photos-3"
        assert post.body["target"]["bucket"] == "media"
        assert post.body["overwrite"] is True
        [course] = bench.account.jobs()
        child = JobKey(bench.account.account_id, course.plan.id)
        assert bench.job_store.links == (RetryLink(child, ended(bench).key, 904, (FAILED_TYPE,)),)
        await bench.press("enter")
        assert bench.on_main


async def test_several_jobs_become_a_plan_that_is_tied_to_the_job() -> None:
    account = SimulatedAccount(jobs=0, slots=9)
    async with workbench(account=account) as bench:
        await drafted(bench, MANY)
        await with_keys(bench)
        assert "y start these 3 jobs" in bench.text
        await bench.press("y")
        await bench.over()
        await bench.until(lambda: len(bench.job_store.links) == 3)
        sizes = [len(sent.body["source"]["keys"]) for sent in bench.posts]
        assert sizes == [10_000, 10_000, 1]
        assert {link.parent for link in bench.job_store.links} == {ended(bench).key}
        await bench.press("enter")
        assert bench.on_main


async def test_going_back_from_sending_keeps_the_form_and_from_the_form_discards_it() -> None:
    async with workbench() as bench:
        await drafted(bench)
        await with_keys(bench)
        await bench.press("n")
        form = bench.app.screen
        assert isinstance(form, RetryKeys)
        assert form.row("target_access_key_id").value == S3_WORDS["target_access_key_id"]
        await bench.press("escape")
        assert isinstance(bench.app.screen, DraftPage)
        assert all(line.value == "" for line in form.query(SecretInput))
        await bench.press("escape")
        assert bench.on_main
        assert bench.posts == []


async def test_missing_keys_are_shown_at_their_fields() -> None:
    async with workbench() as bench:
        await drafted(bench)
        await bench.press("enter")
        await bench.until(lambda: isinstance(bench.app.screen, RetryKeys))
        await bench.go_on()
        await bench.see("4 fields are not right yet")
        assert bench.text.count("missing") == 4
        assert bench.writes == []


async def test_a_retry_takes_the_r2_keys_of_the_token() -> None:
    async with workbench() as bench:
        await drafted(bench)
        await with_keys(bench, r2_keys="token")
        await bench.press("y")
        await bench.over()
        [sent] = bench.posts
        secret = hashlib.sha256(bench.account.token.encode()).hexdigest()
        assert sent.body["target"]["secret"]["secretAccessKey"] == secret
        given = sent.body["source"]["secret"]["secretAccessKey"]
        assert given == S3_WORDS["source_secret_access_key"]


async def test_a_retry_without_an_answer_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "SEARCH_WAITS", (0.0,))
    async with workbench() as bench:
        bench.account.faults.add(Fault(Kind.HTML, operation="create", status=502))
        await drafted(bench)
        await with_keys(bench)
        await bench.press("y")
        await bench.over()
        assert "sent, no answer: look in the list before you try again" in bench.text
        await bench.press("y", "enter")
        assert bench.on_main
        assert len(bench.posts) == 1


async def test_while_locked_a_retry_sends_nothing() -> None:
    async with workbench(unlocked=False) as bench:
        await drafted(bench)
        await bench.press("enter")
        await bench.until(lambda: isinstance(bench.app.screen, RetryKeys))
        await bench.pilot.pause()
        form = bench.app.screen
        assert isinstance(form, RetryKeys)
        for name, word in S3_WORDS.items():
            form.row(name).value = word
        await bench.go_on()
        await bench.see("read-only now: nothing was sent")
        await bench.press("y", "r")
        assert bench.writes == []


# Written --------------------------------------------------------------------------------------


def written_in(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.iterdir())]


async def test_w_writes_the_draft_without_secrets_and_never_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with workbench(unlocked=False) as bench:
        await drafted(bench)
        await bench.press("w")
        await bench.see("written: retry-job0003.json")
        await bench.press("w")
        await bench.see("written: retry-job0003-2.json")
        assert bench.writes == []
    texts = written_in(tmp_path)
    assert len(texts) == 2
    for text in texts:
        request = json.loads(text)
        assert request["source"]["keys"] == list(KEYS)
        assert request["target"] == {"bucket": "media", "vendor": "r2"}
        assert request["overwrite"] is True
        assert "secret" not in text
        assert "pathPrefix" not in text


async def test_an_unwritable_folder_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    async with workbench() as bench:
        await drafted(bench)
        await bench.press("w")
        await bench.see("not written: No such file or directory")
    assert not gone.exists()


def test_several_drafts_have_numbered_names_and_all_or_none_is_written(tmp_path: Path) -> None:
    drafts = tuple(Draft("s3", "a", "b", keys=(str(n),)) for n in range(3))
    paths = write_drafts(tmp_path, "0123456789abcdef", drafts)
    names = ["retry-0123456789ab.json", "retry-0123456789ab.json.2", "retry-0123456789ab.json.3"]
    assert [path.name for path in paths] == names
    assert [json.loads(p.read_text())["source"]["keys"] for p in paths] == [["0"], ["1"], ["2"]]
    (tmp_path / "retry-x.json.3").touch()
    assert write_drafts(tmp_path, "x", drafts)[0].name == "retry-x-2.json"
    assert write_drafts(tmp_path, "../\x1b", drafts[:1])[0].name == "retry-_.json"


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("size", [(120, 40), (40, 12), (20, 5)])
async def test_it_works_at_every_size(size: tuple[int, int], *, ascii_only: bool) -> None:
    async with workbench(size=size, ascii_only=ascii_only) as bench:
        await drafted(bench, MANY)
        said = [bench.text]
        for key in ("down", "pagedown", "end"):
            await bench.press(key)
            said.append(bench.text)
        assert MANY[-1] in bench.text
        await bench.pilot.resize_terminal(30, 8)
        await with_keys(bench)
        said.append(bench.text)
        await bench.press("y")
        await bench.over()
        await bench.press("enter")
        assert bench.on_main
    assert not ascii_only or all(text.isascii() for text in said)


async def test_a_retry_of_several_jobs_is_a_plan_for_each_of_them() -> None:
    async with workbench(write=True) as bench:
        first, second = ended(bench), replace(ended(bench), job=Job(id="job0009"))
        second = replace(second, job=replace(first.job, id="job0009", overwrite=False))
        keys = {first.key: KEYS[:3], second.key: KEYS[3:5]}
        await bench.app.main.new_jobs.draft_retry((first, second), keys, (FAILED_TYPE,))
        await bench.until(lambda: isinstance(bench.app.screen, DraftPage))
        await bench.pilot.pause()
        assert "retry of      2 jobs" in bench.text
        assert "see each job below" in bench.text
        await with_keys(bench)
        assert bench.posts == []
        await bench.press("y")
        await bench.see("2 jobs to be started as slots become free")
        plans = {view.plan.retry_of: view.plan for view in await bench.creation.plans()}
        assert {parent: len(plan.steps) for parent, plan in plans.items()} == {
            first.key: 1,
            second.key: 1,
        }
        await bench.until(lambda: len(bench.posts) == 2)
        sent = {tuple(post.body["source"]["keys"]): post.body["overwrite"] for post in bench.posts}
        assert sent == {KEYS[:3]: True, KEYS[3:5]: False}


async def test_a_job_that_cannot_be_retried_is_named_and_the_others_are_drafted() -> None:
    async with workbench() as bench:
        first, second = ended(bench), replace(ended(bench), job=Job(id="job0009"))
        keys = {first.key: KEYS[:3], second.key: KEYS[3:5]}
        await bench.app.main.new_jobs.draft_retry((first, second), keys, (FAILED_TYPE,))
        await bench.until(lambda: isinstance(bench.app.screen, DraftPage))
        await bench.until(
            lambda: "job job0009: the API does not say the source" in " ".join(bench.text.split())
        )
        page = bench.app.screen
        assert isinstance(page, DraftPage)
        assert page.pending.retry_of == (first.key,)
