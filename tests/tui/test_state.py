"""The state of the main screen: filter, order and the arrangement in a thread."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Phase, Verdict
from slurper_tui.tui.screens import main as main_screen
from slurper_tui.tui.state import (
    RowKey,
    ScreenState,
    adopt,
    arrange,
    highlight_row,
    matcher,
    see,
    seek,
    sort_step,
)
from tests.tui.jobs import ACCOUNT, snapshot, view
from tests.tui.test_app import staged

JOB = view(status="running", source="Photos-Prod", prefix="2024/", target="media", id="abc123")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "photos",
        "PHOTOS media",
        "prod/2024",
        "status:run",
        "source:2024",
        "target:med",
        "id:abc",
        f"account:{ACCOUNT[:6]}",
        "!paused",
        "!status:paused photos",
        "status:",
        "!",
        "s3.example",
    ],
)
def test_a_filter_matches(text: str) -> None:
    assert matcher(text)(JOB)


@pytest.mark.parametrize("prefix", ["", "status:"])
def test_the_space_before_the_mark_of_a_completed_job_may_be_omitted(prefix: str) -> None:
    lost = replace(JOB, status="completed", ended=True, as_of=1.0)
    unread = replace(lost, verdict=Verdict("", 0, None, 0, unread=340))
    lost = replace(lost, verdict=Verdict("", 9, 0, 0))
    clean = replace(lost, verdict=Verdict("", 0, 0, 0))
    for mark, job in (("!", lost), ("?", unread)):
        for text in (f"completed{mark}", f"completed {mark}", f"COMPLETED {mark} photos"):
            shown = [view for view in (lost, unread, clean) if matcher(prefix + text)(view)]
            assert shown == [job]
    assert all(matcher(f"{prefix}completed")(view) for view in (lost, unread, clean))


@pytest.mark.parametrize(
    "text", ["backups", "photos backups", "!photos", "status:paused", "target:photos", "nope:x"]
)
def test_a_filter_does_not_match(text: str) -> None:
    assert not matcher(text)(JOB)


@pytest.mark.parametrize("name", ["café/", "Ångström", "한국", "ΐ", "q\u0307\u0323"])
def test_a_name_is_found_in_any_normal_form(name: str) -> None:
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    for typed, stored in product((*forms, name.upper()), forms):
        assert matcher(typed)(view(prefix=stored))
        assert matcher(f"source:{typed}")(view(prefix=stored))


def test_failed_matches_failed_objects_or_the_status() -> None:
    assert matcher("status:failed")(view(failed=3))
    assert matcher("status:failed")(view(status="failed"))
    assert not matcher("status:failed")(view())
    assert matcher("!status:failed")(view())


def test_a_filter_matches_the_word_on_the_screen() -> None:
    assert matcher("status:gone")(view(gone=True))


@given(st.text(), st.text())
def test_any_text_is_a_filter_that_matches_its_own_name(text: str, other: str) -> None:
    named = view(source=text, target=other, id=other)
    found = matcher(text)(named)
    if not any(word.startswith("!") or ":" in word for word in text.split()):
        assert found
    assert matcher("")(named)


@given(st.text())
def test_an_exclamation_mark_inverts_a_term(text: str) -> None:
    word = "".join(text.casefold().split()).lstrip("!")
    if word:
        assert matcher(word)(JOB) != matcher(f"!{word}")(JOB)


def test_a_stalled_job_matches_both_of_its_words() -> None:
    stalled = view(phase=Phase.STALLED)
    assert matcher("status:stalled")(stalled)
    assert matcher("status:running")(stalled)
    assert not matcher("status:stalled")(view())


JOBS = [view(n, "completed" if n % 3 else "running", done=n) for n in range(12)]
NEW_JOB = view(19, "aborted")
BEFORE = snapshot(*JOBS)
AFTER = snapshot(*JOBS[:7], *(view(n, "aborted") for n in range(7, 19)), NEW_JOB)


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda state: state,
        lambda state: highlight_row(state, 5),
        lambda state: arrange(replace(state, filter_text="status:completed")),
        lambda state: arrange(replace(state, view=sort_step(state.view, 1))),
        lambda state: arrange(replace(state, view=replace(state.view, hide_ended=True))),
        lambda state: arrange(replace(state, view=replace(state.view, migrations=False))),
        lambda state: replace(state, writing=True),
        lambda state: seek(state, NEW_JOB.key),
        lambda state: highlight_row(seek(state, NEW_JOB.key), 5),
    ],
)
@pytest.mark.parametrize("sought", [None, NEW_JOB.key])
def test_adopting_a_state_equals_arranging_it(
    meanwhile: Callable[[ScreenState], ScreenState], sought: RowKey | None
) -> None:
    made = see(ScreenState(sought=sought), BEFORE)
    state = meanwhile(made)
    here, there = see(state, AFTER), adopt(state, made, see(made, AFTER))
    assert [(line.key, line.view) for line in there.lines] == [
        (line.key, line.view) for line in here.lines
    ]
    for name in ("rows", "place", "jobs", "snapshot", "writing", "filter_text", "view"):
        assert getattr(there, name) == getattr(here, name), name


async def test_many_jobs_are_arranged_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_screen, "MANY_JOBS", 5)
    async with staged(BEFORE) as stage:
        for snapshot_ in (BEFORE, AFTER):
            await stage.show(snapshot_)
            while stage.app.main.state.total != len(snapshot_.jobs):
                await stage.pilot.pause()
            await stage.press("G")
            assert stage.app.main.state.cursor == len(stage.app.main.state.lines) - 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("account:prod", "a"),
        ("!account:prod", "b c"),
        ("account:pro", "a b"),
        ("account:PROD-EU", "b"),
        ("prod", "a b"),
        ("account:c", "c"),
        ("!prod", "c"),
    ],
)
def test_the_filter_knows_accounts_by_name(text: str, shown: str) -> None:
    matches = matcher(text, {"a": "prod", "b": "Prod-eu"})
    jobs = [replace(view(1, source="x"), account_id=id) for id in "abc"]
    assert [job.account_id for job in jobs if matches(job)] == shown.split()
