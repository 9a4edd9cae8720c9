"""The state of the main screen: filter, order and the arrangement in a worker."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Phase
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
def test_it_finds(text: str) -> None:
    assert matcher(text)(JOB)


@pytest.mark.parametrize(
    "text", ["backups", "photos backups", "!photos", "status:paused", "target:photos", "nope:x"]
)
def test_it_leaves_out(text: str) -> None:
    assert not matcher(text)(JOB)


@pytest.mark.parametrize("name", ["café/", "Ångström", "한국", "ΐ", "q\u0307\u0323"])
def test_a_name_is_found_in_whichever_normal_form(name: str) -> None:
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    for typed, stored in product((*forms, name.upper()), forms):
        assert matcher(typed)(view(prefix=stored))
        assert matcher(f"source:{typed}")(view(prefix=stored))


def test_failed_means_failed_objects_or_the_word() -> None:
    assert matcher("status:failed")(view(failed=3))
    assert matcher("status:failed")(view(status="failed"))
    assert not matcher("status:failed")(view())
    assert matcher("!status:failed")(view())


def test_the_word_on_the_screen_can_be_asked_for() -> None:
    assert matcher("status:gone")(view(gone=True))


@given(st.text(), st.text())
def test_any_text_is_a_filter_and_finds_what_is_called_so(text: str, other: str) -> None:
    named = view(source=text, target=other, id=other)
    found = matcher(text)(named)
    if not any(word.startswith("!") or ":" in word for word in text.split()):
        assert found
    assert matcher("")(named)


@given(st.text())
def test_not_is_the_opposite(text: str) -> None:
    word = "".join(text.casefold().split()).lstrip("!")
    if word:
        assert matcher(word)(JOB) != matcher(f"!{word}")(JOB)


def test_a_stalled_job_is_found_by_our_word_and_by_the_apis() -> None:
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
def test_what_was_arranged_elsewhere_is_as_if_arranged_here(
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


async def test_many_jobs_come_to_the_screen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_screen, "MANY_JOBS", 5)
    async with staged(BEFORE) as stage:
        for snapshot_ in (BEFORE, AFTER):
            await stage.show(snapshot_)
            while stage.app.main.state.total != len(snapshot_.jobs):
                await stage.pilot.pause()
            await stage.press("G")
            assert stage.app.main.state.cursor == len(stage.app.main.state.lines) - 1
