from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.errors import BadAnswer, NotFound, Rejected
from slurper_tui.api.models import Job
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import (
    BROKE_TYPE,
    FAILED_TYPE,
    FailureGroup,
    FailuresView,
    LogCounts,
    PrefixGroup,
    cause_of,
)
from slurper_tui.monitor.reports.wording import failed_words, missing_keys, skipped_words
from slurper_tui.monitor.verify.reading import KeyLookup
from slurper_tui.tui.screens.dialogs import CopyDialog
from slurper_tui.tui.screens.failures import FailuresPage
from slurper_tui.tui.screens.job_page import save_keys
from slurper_tui.tui.screens.main import MainScreen
from slurper_tui.tui.screens.retry_draft import DraftPage
from tests.monitor.verify.buckets import MemoryBucket, an_object
from tests.tui.jobs import NOW, harmless, iso, snapshot, view
from tests.tui.log_pages import ARCHIVED, JOB, Opened, log_view, opened, row
from tests.tui.test_written import Connect, connect, settle

__all__ = ["connect"]

OVERSIZED = "importSkippedOversized"
KEYS = ("2024/07/IMG_1.jpg", "2024/07/IMG_2.jpg", "2024/08/IMG_3.jpg")


def group(log_type: str, count: int, **given: Any) -> FailureGroup:
    fields: dict[str, Any] = {
        "first_seen": iso(NOW - 3 * 3600),
        "last_seen": iso(NOW - 3600),
        "messages": (("source answered 503", count - 1), ("timed out", 1)),
        "prefixes": (
            PrefixGroup("2024/07/", count - 1, KEYS[:2]),
            PrefixGroup("2024/08/", 1, KEYS[2:]),
        ),
    }
    return FailureGroup(log_type, cause_of(log_type), count, **{**fields, **given})


GROUPS = (group(FAILED_TYPE, 1204), group(ARCHIVED, 1080), group(OVERSIZED, 30))


def failures(*groups: FailureGroup, whole: bool = True, **given: Any) -> FailuresView:
    """A failure report of a log read to its end by default."""
    by_type = {group.log_type: group.count for group in groups}
    counts = LogCounts({**by_type, **given.pop("events", {})}, whole)
    rows = sum(counts.by_type.values())
    fields = {"failed_objects": 1310, "skipped_objects": 38_110, "rows_read": rows}
    return FailuresView(JOB.key, groups, counts, **{**fields, **given})


async def show(program: Opened, *views: FailuresView, end: bool = False) -> None:
    """Let the reading say this, and then that the log is over."""
    program.logs.reading.pushed.push(*views)
    if end:
        program.logs.reading.pushed.end()
    await program.logs.reading.pushed.taken()
    await program.pilot.pause()


def rows(program: Opened) -> list[str]:
    """The tree, without its blanks."""
    lines = (" ".join(line.strip(" ▌").split()) for line in program.lines[3:-1])
    return [line for line in lines if line]


def cursor_line(program: Opened) -> str:
    return next(line for line in program.lines if line.startswith("▌"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# What is shown ------------------------------------------------------------------------------------


async def test_failures_are_grouped_by_reason_and_compared_with_the_counters() -> None:
    async with opened("e") as program:
        assert program.logs.asked == [("failures", JOB.key)]
        assert "photos → media" in program.lines[0]
        await show(program, failures(*GROUPS), end=True)
        assert program.lines[0].endswith("2,314 rows read")
        assert "the log lists 1,204 of 1,310 failures" in program.lines[1]
        assert rows(program) == [
            "skipped 38,110: 37,000 for unknown reasons"
            " · 1,110 not copied (1,080 archive tier, 30 over 1 TB)",
            "▸ ✖ 1,204 failed after several tries seen 06:46 – 08:46",
            "▸ ▲ 1,080 not copied: archive tier seen 06:46 – 08:46",
            "▸ ▲ 30 not copied: over 1 TB seen 06:46 – 08:46",
        ]


async def test_the_head_shows_the_reading_progress() -> None:
    async with opened("e") as program:
        assert "reading…" in program.lines[0]
        await show(program, failures(group(FAILED_TYPE, 50), whole=False, rows_read=1250))
        assert "read 1,250 rows…" in program.lines[0]
        assert "the log lists 50 of 1,310 failures so far" in program.lines[1]
        assert "skipped 38,110: at most 38,110 already there" in program.text


async def test_a_broken_listing_is_shown_in_red_with_its_meaning() -> None:
    async with opened("e") as program:
        await show(program, failures(*GROUPS))
        assert "incomplete" not in program.text
        await show(program, failures(*GROUPS, events={BROKE_TYPE: 1}))
        strips = program.app.screen._compositor.render_strips()
        said = [s for strip in strips for s in strip if "source listing broke" in s.text]
        assert said[0].text == "✖ source listing broke: the total is incomplete"
        assert said[0].style is not None
        assert said[0].style.color is not None
        assert said[0].style.color.name.lower() == program.app.theme_variables["error"].lower()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "the log lists 1,204 of 1,310 failures"),
        ({"failed_objects": 1204}, "the log lists 1,204 of 1,204 failures"),
        ({"failed_objects": 1190}, "the log lists 1,204 failures, the job counts 1,190"),
        ({"failed_objects": None}, "the log lists 1,204 failures; the job's counter is unknown"),
        ({"whole": False}, "the log lists 1,204 of 1,310 failures so far"),
    ],
)
def test_named_against_counted(given: dict[str, Any], said: str) -> None:
    assert failed_words(failures(*GROUPS, **given))[0] == said


@pytest.mark.parametrize(
    ("groups", "skipped", "said"),
    [
        (GROUPS[:1], 0, ("", "")),
        (GROUPS[:1], 70, ("skipped 70: 70 already there", "")),
        (
            GROUPS[:2],
            1080,
            ("skipped 1,080: 0 already there", "1,080 not copied (1,080 archive tier)"),
        ),
        (
            GROUPS[:2],
            9,
            ("skipped 9, but the log lists more", "1,080 not copied (1,080 archive tier)"),
        ),
        (
            GROUPS[1:2],
            None,
            ("how many were skipped is unknown", "1,080 not copied (1,080 archive tier)"),
        ),
    ],
)
def test_harmless_skips_are_separate_from_objects_that_were_not_copied(
    groups: Sequence[FailureGroup], skipped: int | None, said: tuple[str, str]
) -> None:
    assert skipped_words(failures(*groups, skipped_objects=skipped, failed_objects=0)) == said


@pytest.mark.parametrize(
    "given",
    [
        {"failed_objects": 51},
        {"failed_objects": None},
        {"failed_objects": 0, "empty": True},
    ],
)
def test_skips_are_not_harmless_where_the_log_does_not_name_every_failure(
    given: dict[str, Any],
) -> None:
    groups = [] if given.pop("empty", False) else [group(FAILED_TYPE, 50)]
    view = failures(*groups, skipped_objects=70, **given)
    assert view.harmless is None
    assert skipped_words(view) == ("skipped 70: 70 for unknown reasons", "")
    whole = failures(group(FAILED_TYPE, 50), skipped_objects=70, failed_objects=50)
    assert skipped_words(whole) == ("skipped 70: 70 already there", "")


async def test_a_job_without_failures_shows_one_line() -> None:
    async with opened("e") as program:
        await show(program, failures(failed_objects=0, skipped_objects=0), end=True)
        assert "nothing failed" in program.lines[1]
        assert rows(program) == ["The log lists no failed and no skipped object"]
        await program.press("j", "enter", "left", "y")
        await program.press("c")
        assert "the log lists no failed object" in program.text
        await program.press("E")
        await program.see("the log lists no failed object")


async def test_a_reason_unfolds_into_messages_and_prefixes_and_a_prefix_into_keys() -> None:
    async with opened("e") as program:
        await show(program, failures(*GROUPS))
        await program.press("right")
        assert rows(program)[1:] == [
            "▾ ✖ 1,204 failed after several tries",
            "seen 06:46 – 08:46",
            "1,203 source answered 503",
            "1 timed out",
            "▸ 1,203 2024/07/",
            "▸ 1 2024/08/",
            "▸ ▲ 1,080 not copied: archive tier seen 06:46 – 08:46",
            "▸ ▲ 30 not copied: over 1 TB seen 06:46 – 08:46",
        ]
        await program.press("j", "j", "j", "j", "enter")
        assert rows(program)[5:9] == ["▾ 1,203 2024/07/", *KEYS[:2], "▸ 1 2024/08/"]


async def test_folding_goes_back_the_same_way() -> None:
    async with opened("e") as program:
        await show(program, failures(*GROUPS))
        await program.press("enter", "j", "j", "j", "j", "enter", "j", "j")
        assert KEYS[1] in cursor_line(program)
        await program.press("left")
        assert "2024/07/" in cursor_line(program)
        assert KEYS[1] in program.text
        await program.press("left")
        assert KEYS[1] not in program.text
        await program.press("left")
        assert "failed after several tries" in cursor_line(program)
        await program.press("left")
        assert len(rows(program)) == 4
        await program.press("left")
        assert "failed after several tries" in cursor_line(program)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("j",), "archive tier"),
        (("down", "down", "down", "up"), "archive tier"),
        (("G",), "over 1 TB"),
        (("end", "home"), "failed after"),
        (("ctrl+d", "ctrl+u"), "failed after"),
        (("pagedown",), "over 1 TB"),
    ],
)
async def test_the_keys_move_as_everywhere(keys: tuple[str, ...], said: str) -> None:
    async with opened("e") as program:
        await show(program, failures(*GROUPS))
        await program.press(*keys)
        assert said in cursor_line(program)


async def test_the_cursor_stays_on_its_reason_while_more_is_read() -> None:
    async with opened("e") as program:
        await show(program, failures(GROUPS[1], whole=False))
        await program.press("enter")
        assert "archive tier" in cursor_line(program)
        await show(program, failures(*GROUPS, whole=False))
        assert "archive tier" in cursor_line(program)
        await program.press("left")
        await program.pilot.click("#rows", offset=(20, 5))
        await program.pilot.pause()
        assert "over 1 TB" in cursor_line(program)


async def test_an_untouched_cursor_goes_to_the_failures_when_they_are_read_later() -> None:
    async with opened("e") as program:
        await show(program, failures(GROUPS[1], whole=False))
        assert "archive tier" in cursor_line(program)
        await show(program, failures(*GROUPS, whole=False))
        assert "failed after several tries" in cursor_line(program)
        await program.press("j")
        assert "archive tier" in cursor_line(program)
        await show(program, failures(*GROUPS))
        assert "archive tier" in cursor_line(program)


async def test_a_long_message_is_cut_at_its_end() -> None:
    text = "source answered 403: the storage class does not allow this operation " + "x" * 60
    async with opened("e", size=(80, 24)) as program:
        await show(program, failures(group(FAILED_TYPE, 1, messages=((text, 1),), prefixes=())))
        await program.press("enter")
        [line] = [line for line in program.lines if "source answered" in line]
        assert "the storage class does not allow this oper" in line
        assert line.rstrip().endswith("…")


async def test_enter_on_a_key_or_a_message_shows_it_whole_and_y_copies_it_exactly() -> None:
    evil = "2024/\x1b[31m\u202e" + "x" * 200 + "\nend"
    prefixes = (PrefixGroup("2024/", 1, (evil,)),)
    async with opened("e") as program:
        await show(program, failures(group(FAILED_TYPE, 1, messages=(), prefixes=prefixes)))
        await program.press("enter", "j", "j", "enter", "j", "y")
        assert program.app.clipboard == evil
        assert "key copied" in program.text
        assert all(harmless(line) for line in program.lines)
        await program.press("enter")
        assert all(harmless(line) for line in program.lines)
        whole = "".join(line.strip() for line in program.lines)
        assert "x" * 200 in whole
        await program.press("escape")
        assert isinstance(program.page, FailuresPage)


@pytest.mark.parametrize(
    ("key", "shown"), [("half\ud800", "half"), ("caf\ud800\udce9/a", r"caf\xe9/a")]
)
async def test_a_key_that_utf8_cannot_hold_is_shown_and_not_copied(key: str, shown: str) -> None:
    prefixes = (PrefixGroup("", 1, (key,)),)
    async with opened("e") as program:
        await show(program, failures(group(FAILED_TYPE, 1, messages=(), prefixes=prefixes)))
        await program.press("enter", "j", "j", "enter", "j", "y")
        assert shown in program.text
        assert "not copied: the key is not UTF-8" in program.text
        assert program.app.clipboard == ""


def test_the_reason_for_missing_keys_is_shown() -> None:
    whole = failures(group(FAILED_TYPE, 50), failed_objects=50)
    assert missing_keys(whole, inexact=0, keyless=0) == ()
    [fewer] = missing_keys(replace(whole, failed_objects=51), inexact=0, keyless=0)
    assert "lists 50 of 51" in fewer
    part = failures(group(FAILED_TYPE, 5), whole=False, events={BROKE_TYPE: 1})
    assert len(missing_keys(part, inexact=2, keyless=1)) == 5


# Reading ------------------------------------------------------------------------------------------


async def test_a_problem_is_shown_while_it_lasts() -> None:
    async with opened("e") as program:
        problem = BadAnswer("no JSON came")
        await show(program, failures(*GROUPS, whole=False, problem=problem))
        assert "no JSON came · trying again" in program.lines[1]
        await show(program, failures(*GROUPS, whole=False, waiting=True))
        assert "waiting for the request budget" in program.lines[1]
        assert "the log lists 1,204" in program.lines[1]
        await show(program, failures(*GROUPS))
        assert "waiting" not in program.text


async def test_an_unreadable_log_shows_the_reason_and_saves_nothing(folder: Path) -> None:
    async with opened("e") as program:
        await program.press("E")
        problem = Rejected("refused", status=403)
        await show(program, failures(GROUPS[0], whole=False, problem=problem), end=True)
        assert "refused · check the token" in program.lines[1]
        await program.see("nothing saved: the log cannot be read to its end")
        await program.press("c")
        assert "a retry needs the whole log" in program.text
    assert os.listdir(folder) == []


async def test_closing_it_stops_the_reading_at_once() -> None:
    async with opened("e") as program:
        await show(program, failures(*GROUPS, whole=False))
        assert program.logs.reading.pushed.open == 1
        await program.press("escape")
        await program.until(lambda: program.logs.reading.pushed.open == 0)
        assert isinstance(program.app.screen, MainScreen)


async def test_it_turns_to_the_log_and_back_without_reading_anew() -> None:
    async with opened("e") as program:
        await show(program, failures(*GROUPS, whole=False))
        await program.press("l")
        assert "Log" in program.lines[0]
        await program.press("e")
        assert "1,204" in program.text
        assert program.logs.asked == [("failures", JOB.key), ("follow", JOB.key)]
        await program.until(lambda: program.logs.pushed.open == 0)


# Exporting ----------------------------------------------------------------------------------------


async def test_the_exact_failed_keys_are_saved_one_per_line(folder: Path) -> None:
    (folder / "failed-photos-job0001.txt").write_text("mine")
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS, ARCHIVED: ("old.jpg",)}
        await show(program, failures(*GROUPS), end=True)
        await program.press("E")
        await program.see("3 keys saved")
        assert "./failed-photos-job0001-2.txt" in program.text
        said = "rclone copy --files-from-raw failed-photos-job0001-2.txt SRC:photos DST:media"
        assert said in " ".join(program.text.split())
        await program.press("y")
        assert program.app.clipboard == said
        assert isinstance(program.page, FailuresPage)
    assert (folder / "failed-photos-job0001-2.txt").read_bytes() == (
        b"2024/07/IMG_1.jpg\n2024/07/IMG_2.jpg\n2024/08/IMG_3.jpg\n"
    )
    assert (folder / "failed-photos-job0001.txt").read_text() == "mine"


async def test_the_keys_of_the_highlighted_reason_are_saved(folder: Path) -> None:
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS, ARCHIVED: ("old.jpg",)}
        await show(program, failures(*GROUPS), end=True)
        await program.press("j", "enter", "j", "E")
        await program.see("1 key saved")
        assert "archive tier: ./importSkippedStorageClass-photos-job0001.txt" in program.text
    assert (folder / "importSkippedStorageClass-photos-job0001.txt").read_text() == "old.jpg\n"


async def test_a_log_that_is_still_read_is_saved_once_it_is_whole(folder: Path) -> None:
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS}
        await show(program, failures(*GROUPS, whole=False))
        await program.press("E")
        assert "the keys are saved once the log is read to its end" in program.text
        assert os.listdir(folder) == []
        await show(program, failures(*GROUPS), end=True)
        await program.see("3 keys saved")
    assert os.listdir(folder) == ["failed-photos-job0001.txt"]


async def test_a_late_save_opens_no_dialog_over_another_page(
    folder: Path,
) -> None:
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS}
        await show(program, failures(*GROUPS, whole=False))
        await program.press("E")
        failures_page = program.page
        await program.press("l")
        log = program.page
        await show(program, failures(*GROUPS), end=True)
        await program.until(lambda: "saved" in failures_page.note or program.page is not log)
        assert program.page is log
        await program.press("escape")
        await program.see("3 keys saved to ./failed-photos-job0001.txt")


async def test_a_log_with_gaps_is_marked_as_incomplete(folder: Path) -> None:
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS}
        await show(program, failures(*GROUPS, whole=False), end=True)
        await program.press("E")
        await program.see("3 keys saved")
        assert "rows may be missing" in program.text


@pytest.mark.parametrize("key", ["a\nb", "a\rb", "a\ud800b", ""])
async def test_keys_that_no_line_could_hold_are_saved_as_json(folder: Path, key: str) -> None:
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: (key, "b\u202e\x1b")}
        await show(program, failures(*GROUPS), end=True)
        await program.press("E")
        await program.see("2 keys saved")
        assert "rclone" not in program.text
        assert "source.keys" in program.text
    saved = (folder / "failed-photos-job0001.json").read_text()
    assert json.loads(saved) == [key, "b\u202e\x1b"]


async def test_a_failed_save_shows_the_reason(folder: Path) -> None:
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS}
        await show(program, failures(*GROUPS), end=True)
        os.rmdir(folder)
        await program.press("E")
        await program.see("not saved: No such file or directory")
        assert " saved to" not in program.text


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file can grow beyond a few thousand bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("little_room")
def test_a_file_that_could_not_be_written_whole_does_not_stay(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large"):
        save_keys(tmp_path, (JOB,), FAILED_TYPE, ["a" * 1000] * 50)
    assert os.listdir(tmp_path) == []


def test_a_files_name_holds_nothing_that_a_shell_or_a_folder_could_take_wrongly(
    tmp_path: Path,
) -> None:
    odd = view(1, source="../..//a b\x1b;rm", id="../é\n")
    saved = save_keys(tmp_path, (odd,), "../../evil", ("k",))
    assert saved.path.parent == tmp_path
    assert saved.path.name == "evil-a_b_rm.txt"
    assert "'SRC:../..//a b\x1b;rm'" in saved.rclone


# From the list ------------------------------------------------------------------------------------


async def test_from_the_list_the_log_is_read_whole_and_then_saved(folder: Path) -> None:
    async with opened("E", size=(140, 24)) as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS, ARCHIVED: ("old.jpg",)}
        assert "reading the log for what failed" in program.text
        await show(program, failures(*GROUPS, whole=False, rows_read=1250))
        assert "reading photos: 1,250 rows" in program.text
        problem = BadAnswer("no JSON came")
        await show(program, failures(*GROUPS, whole=False, problem=problem))
        assert "no JSON came · trying again" in program.text
        assert os.listdir(folder) == []
        await show(program, failures(*GROUPS), end=True)
        await program.see("3 keys saved")
        assert "rclone copy --files-from-raw" in program.text
        assert program.logs.reading.pushed.open == 0
    assert (folder / "failed-photos-job0001.txt").read_text().splitlines() == [*KEYS]


@pytest.mark.parametrize("number", [1, 12])
async def test_the_progress_note_is_whole_in_80_columns(number: int) -> None:
    prefix = "archive/2024/pictures/" if number == 1 else "2024/"
    job = view(1, "completed", done=1000, failed=10, source="photos", prefix=prefix)
    parts = [failures(*GROUPS, whole=place < 3) for place in range(number)]
    read = replace(failures(*GROUPS, whole=False), jobs=tuple(parts) if number > 1 else ())
    async with opened("E", size=(80, 24), jobs=(job,)) as program:
        await show(program, replace(read, rows_read=18_000, waiting=True))
        said = "reading photos/a…ctures/" if number == 1 else "reading 12 logs, 3 done"
        assert f"{said}: 18,000 rows; waiting for the request budget" in program.lines[-1]


@pytest.mark.parametrize("key", ["E", "c"])
async def test_escape_ends_the_reading_from_the_list(folder: Path, key: str) -> None:
    async with opened(key) as program:
        await show(program, failures(*GROUPS, whole=False))
        assert program.logs.reading.pushed.open == 1
        await program.press("escape")
        await program.see("stopped reading; nothing was saved")
        await program.until(lambda: program.logs.reading.pushed.open == 0)
        await program.press("escape")
        await program.see("this is the list")
    assert os.listdir(folder) == []


async def test_a_save_from_the_list_opens_no_dialog_over_another_page(folder: Path) -> None:
    async with opened("E", "question_mark") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS}
        await show(program, failures(*GROUPS), end=True)
        await program.until(lambda: bool(os.listdir(folder)))
        await program.pilot.pause()
        assert "Keys" in program.text
        assert len(program.app.screen_stack) == 2


@pytest.mark.parametrize("problem", [NotFound("no such job"), None])
async def test_from_the_list_nothing_is_saved_when_nothing_is_named_or_readable(
    folder: Path, problem: NotFound | None
) -> None:
    async with opened("E", size=(140, 24)) as program:
        if problem:
            program.logs.reading.pushed.push(problem)
        else:
            await show(program, failures(failed_objects=0), end=True)
        said = "no such job" if problem else "the log lists no failed object"
        await program.see(f"nothing saved: {said}")
    assert os.listdir(folder) == []


# Retrying -----------------------------------------------------------------------------------------


def draft_page(program: Opened) -> DraftPage:
    """The draft that was opened."""
    page = program.app.screen
    assert isinstance(page, DraftPage), program.text
    return page


async def test_a_retry_is_drafted_of_exactly_the_failed_keys() -> None:
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS, ARCHIVED: ("old.jpg",)}
        await show(program, failures(*GROUPS, whole=False))
        await program.press("c")
        assert isinstance(program.page, FailuresPage)
        assert "a retry needs the whole log" in program.text
        await show(program, failures(*GROUPS), end=True)
        await program.press("c")
        pending = draft_page(program).pending
        assert pending.retry_of == (JOB.key,)
        assert pending.log_types == (FAILED_TYPE,)
        assert [draft.keys for draft in pending.drafts] == [KEYS]
        await program.press("escape")
        assert isinstance(program.page, FailuresPage)


async def test_skipped_objects_are_drafted_only_after_a_warning() -> None:
    async with opened("e") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS, ARCHIVED: ("old.jpg",)}
        await show(program, failures(*GROUPS), end=True)
        await program.press("j", "c")
        assert "these would be skipped again" in program.text
        await program.press("k", "j", "c")
        assert isinstance(program.page, FailuresPage)
        await program.press("c")
        pending = draft_page(program).pending
        assert pending.log_types == (ARCHIVED,)
        assert [draft.keys for draft in pending.drafts] == [("old.jpg",)]


async def test_the_page_shows_why_there_is_no_draft() -> None:
    async with opened("e") as program:
        program.feed.push(snapshot(replace(JOB, job=Job(id=JOB.job.id))))
        await program.feed.taken()
        program.logs.reading.named = {FAILED_TYPE: KEYS}
        await show(program, failures(*GROUPS), end=True)
        await program.press("c")
        assert isinstance(program.page, FailuresPage)
        assert program.app.main.note
        assert program.app.main.note in program.text


# The page -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (40, 12)])
async def test_the_reasons_are_in_sight_at_every_size(size: tuple[int, int]) -> None:
    async with opened("e", size=size) as program:
        await show(program, failures(*GROUPS, events={BROKE_TYPE: 1}), end=True)
        assert "the log lists 1,204 of 1,310 failures" in program.lines[1]
        for said in ("source listing broke", "1,204  failed after", "1,080  not copied"):
            assert said in program.text
        assert "Esc back" in program.lines[-1]


async def test_it_survives_the_smallest_terminal(folder: Path) -> None:
    async with opened("e", size=(20, 5)) as program:
        await show(program, failures(*GROUPS, events={BROKE_TYPE: 1}), end=True)
        for key in ("j", "enter", "G", "left", "g", "E", "escape", "c", "question_mark", "q"):
            await program.press(key)
        assert program.app.return_code is None
        assert os.listdir(folder) == []


async def test_in_ascii_nothing_else_is_written() -> None:
    async with opened("e", ascii_only=True) as program:
        await show(program, failures(*GROUPS, events={BROKE_TYPE: 1}), end=True)
        for keys in ((), ("enter",), ("j", "j", "j", "j", "enter"), ("question_mark",)):
            await program.press(*keys)
            assert program.text.isascii(), program.text


async def test_foreign_text_is_harmless() -> None:
    evil = "[red]a\x1b[31m\u202eb\nc[/foo]"
    prefixes = (PrefixGroup(evil, 2, (evil,)), PrefixGroup("", 1, ("k",)))
    odd = group(f"importSkipped{evil}", 3, messages=((evil, 3),), prefixes=prefixes)
    async with opened("e") as program:
        await show(program, failures(odd), end=True)
        await program.press("enter", "j", "j", "j", "enter")
        assert all(harmless(line) for line in program.lines)
        assert "[red]a" in program.text
        assert "(no prefix)" in program.text


async def test_an_unchanged_view_repaints_nothing(connect: Connect) -> None:
    terminal = connect(100, 24)
    async with opened("e") as program:
        await show(program, failures(*GROUPS, whole=False))
        await program.press("enter")
        await settle(program.feed, program.pilot, terminal)
        terminal.clear()
        await show(program, failures(*GROUPS, whole=False))
        program.feed.push(snapshot(JOB, taken_at=NOW + 5))
        await settle(program.feed, program.pilot, terminal)
        assert terminal.sent == ""
        grown = (group(FAILED_TYPE, 1205), *GROUPS[1:])
        await show(program, failures(*grown, whole=False))
        await settle(program.feed, program.pilot, terminal)
        assert 0 < len(terminal.sent.encode()) < 250
        assert terminal.lines == program.lines


@pytest.mark.parametrize("page", ["l", "e"])
async def test_copying_twice_shows_the_text_in_full(page: str) -> None:
    async with opened(page) as program:
        if page == "l":
            await program.show(log_view(row(1)))
        else:
            await show(program, failures(*GROUPS), end=True)
            await program.press("enter", "j", "j")
        await program.press("y")
        assert "copied; again to see it in full" in program.lines[-1]
        await program.press("y")
        assert isinstance(program.page, CopyDialog)


@pytest.mark.parametrize("size", [(40, 7), (40, 8), (30, 9), (40, 12)])
async def test_the_cursor_is_visible_where_the_summary_leaves_no_room(
    size: tuple[int, int],
) -> None:
    async with opened("e", size=size) as program:
        for rows_read in (100, 200):  # each page that arrives scrolls to the cursor
            await show(program, failures(*GROUPS, whole=False, rows_read=rows_read))
            assert any(line.startswith("▌") for line in program.lines)
        await program.press("j", "g")
        assert any(line.startswith("▌") for line in program.lines)


class OneBucket:
    """Buckets of which the target holds some keys, written after the job began."""

    def __init__(self, *held: str, **given: Any) -> None:
        self.bucket = MemoryBucket([an_object(key, 10**6, **given) for key in held])

    def lookup(self, view: JobView, keys: Iterable[str]) -> KeyLookup:
        return KeyLookup(self.bucket, keys)


async def asked(program: Opened) -> None:
    """Wait until the question can be answered."""
    await program.see("Are these objects in the target after all?")
    await program.until(lambda: getattr(program.app.screen, "is_painted", False))


@asynccontextmanager
async def read_whole(target: OneBucket) -> AsyncIterator[Opened]:
    """The failures page with one reason of three keys, read to its end."""
    async with opened("e") as program:
        program.services.buckets = target
        program.logs.reading.named = {FAILED_TYPE: KEYS}
        await show(program, failures(group(FAILED_TYPE, 3), failed_objects=3), end=True)
        yield program


async def test_f_looks_the_keys_up_in_the_target_after_asking_with_the_price() -> None:
    target = OneBucket(KEYS[0], KEYS[2], modified=NOW - 600)
    async with read_whole(target) as program:
        program.feed.at_hand = program.services.services
        await program.press("f")
        await asked(program)
        assert "3 keys: at most 3 requests to the API" in " ".join(program.text.split())
        assert target.bucket.requests == 0
        await program.press("y")
        await program.see("2 of 3 keys are in the target after all")
        assert "2 there after all" in program.text
        assert "2 in the target after all: 2.00 MB, written " in program.text
        assert re.search(r"1\s+not in the target", program.text)
        page = program.app.screen
        assert isinstance(page, FailuresPage)
        assert page.state.after_all[FAILED_TYPE].absent == (KEYS[1],)


async def test_no_leaves_the_target_alone() -> None:
    target = OneBucket(*KEYS)
    async with read_whole(target) as program:
        program.feed.at_hand = program.services.services
        await program.press("f")
        await asked(program)
        await program.press("n")
        await program.until(lambda: isinstance(program.app.screen, FailuresPage))
        assert target.bucket.requests == 0


async def test_the_retry_leaves_out_what_is_there_and_says_so() -> None:
    async with read_whole(OneBucket(KEYS[0], modified=NOW - 600)) as program:
        program.feed.at_hand = program.services.services
        await program.press("f")
        await asked(program)
        await program.press("y")
        await program.see("1 of 3 keys are in the target after all")
        await program.press("c")
        pending = draft_page(program).pending
        assert [draft.keys for draft in pending.drafts] == [KEYS[1:]]
        assert "1 key is left out: in the target after all" in program.text


async def test_keys_that_were_saved_are_drafted_without_reading_the_log_again(
    folder: Path,
) -> None:
    async with opened("E") as program:
        program.logs.reading.named = {FAILED_TYPE: KEYS}
        await show(program, failures(*GROUPS), end=True)
        await program.see("3 keys saved")
        await program.press("escape", "c")
        assert [draft.keys for draft in draft_page(program).pending.drafts] == [KEYS]
        assert len(program.logs.asked) == 1
        await program.press("escape")
        more = replace(JOB, counts=replace(JOB.counts, failed=(JOB.counts.failed or 0) + 1))
        program.feed.push(snapshot(more))
        await program.feed.taken()
        await program.press("c")
        assert len(program.logs.asked) == 2  # more has failed meanwhile
        await program.press("escape")
