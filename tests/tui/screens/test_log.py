from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.events import Key

from slurper_tui.api.errors import BadAnswer, Fault, NotFound, Rejected
from slurper_tui.api.models import LogRow
from slurper_tui.tui.screens.dialogs import TextDialog
from slurper_tui.tui.screens.log import LogPage
from slurper_tui.tui.screens.main import MainScreen
from tests.tui.jobs import NOW, harmless, iso, snapshot
from tests.tui.log_pages import ARCHIVED, JOB, Opened, log_view, opened, row
from tests.tui.test_written import Connect, connect, settle

__all__ = ["connect"]

ROWS = tuple(row(number) for number in range(40))
MIXED = (
    row(0),
    row(1, ARCHIVED, "2011/old.jpg", "Storage class DEEP_ARCHIVE"),
    row(2, "migrationResume", None, None),
    row(3, "importBrandNew", "new.jpg", "nobody foresaw this"),
    row(4, "migrationErrorFailedContinuation", None, "the token was refused"),
    row(5, ARCHIVED, "2011/older.jpg", "Storage class DEEP_ARCHIVE"),
    row(6),
)


def style_at(program: Opened, text: str) -> tuple[str, bool]:
    """The colour and the weight of the first occurrence of a text among the rows."""
    for strip in program.app.screen._compositor.render_strips()[3:]:
        for segment in strip:
            if text in segment.text and segment.style is not None and segment.style.color:
                return segment.style.color.name, bool(segment.style.reverse)
    raise AssertionError(f"{text!r} is not there:\n{program.text}")


# Opening and reading ------------------------------------------------------------------------------


async def test_it_shows_the_highlighted_jobs_log_newest_first_as_it_is_read() -> None:
    async with opened("l") as program:
        assert program.logs.asked == [("follow", JOB.key)]
        assert "photos → media" in program.lines[0]
        assert "reading…" in program.lines[0]
        await program.show(log_view(*ROWS[:5], whole=False))
        assert "reading… 5 rows so far" in program.lines[0]
        keys = [word for line in program.lines[3:8] for word in line.split() if "IMG" in word]
        assert keys == ["2024/IMG_0000.jpg", *(f"2024/IMG_000{n}.jpg" for n in range(1, 5))]
        await program.show(log_view(*ROWS))
        assert program.lines[0].endswith("40 rows")


async def test_a_long_log_shows_how_many_rows_are_loaded() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS, read=12_345, whole=False))
        assert "showing the last 40 of at least 12,345" in program.lines[0]
        await program.show(log_view(*ROWS, read=12_345))
        assert "showing the last 40 of 12,345 rows" in program.lines[0]


async def test_an_empty_log_has_a_message() -> None:
    async with opened("l") as program:
        assert "empty" not in program.text
        await program.show(log_view())
        assert "The log is empty" in program.text


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (BadAnswer("no JSON came"), "no JSON came · trying again"),
        (
            Rejected("refused", status=403, faults=(Fault(9109, "bad token"),)),
            "refused · check the token and its permission",
        ),
        (NotFound("not found"), "not found · the API no longer knows this job"),
    ],
)
async def test_a_problem_shows_the_next_step_and_its_details_on_a_key(
    problem: Rejected, said: str
) -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS, whole=False, problem=problem))
        assert said in program.lines[1]
        assert "2024/IMG_0000.jpg" in program.text
        await program.press("exclamation_mark")
        assert problem.message in program.text
        assert all(str(fault) in program.text for fault in problem.faults)
        await program.press("escape")
        await program.show(log_view(*ROWS))
        assert said not in program.text


async def test_an_unreadable_log_shows_the_reason() -> None:
    async with opened("l") as program:
        program.logs.pushed.push(NotFound("no such job"))
        await program.see("no such job · the API no longer knows this job")
        assert isinstance(program.page, LogPage)


async def test_the_wait_for_the_request_budget_is_shown() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS, waiting=True))
        assert "waiting for the request budget" in program.lines[1]


@pytest.mark.parametrize("key", ["escape", "q"])
async def test_closing_it_stops_the_reading_at_once(key: str) -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        assert program.logs.pushed.open == 1
        await program.press(key)
        await program.until(lambda: program.logs.pushed.open == 0)
        assert isinstance(program.app.screen, MainScreen)
        assert program.app.return_code is None


async def test_the_polls_go_on_behind_it() -> None:
    async with opened("l") as program:
        program.feed.push(snapshot(replace(JOB, percent=42), taken_at=NOW + 5))
        await program.feed.taken()
        assert program.app.main.state.now == NOW + 5
        assert program.page.jobs[0].percent == 42


async def test_without_a_job_there_is_no_log() -> None:
    async with opened() as program:
        program.feed.push(snapshot())
        await program.feed.taken()
        await program.press("l", "e", "E")
        assert isinstance(program.app.screen, MainScreen)
        assert program.logs.asked == []


# Rows ---------------------------------------------------------------------------------------------


async def test_a_row_shows_time_reason_key_and_message() -> None:
    async with opened("l", size=(140, 24)) as program:
        await program.show(log_view(*MIXED))
        said = [" ".join(line.strip(" ▌▐").split()) for line in program.lines[3:9]]
        assert said == [
            "09:46:40 ✖ failed after several tries 2024/IMG_0000.jpg source answered 503",
            "09:45:40 ▲ archive tier 2011/old.jpg Storage class DEEP_ARCHIVE",
            "09:44:40 · resumed",
            "09:43:40 ? importBrandNew new.jpg nobody foresaw this",
            "09:42:40 ✖ source listing broke: the total is incomplete the token was refused",
            "09:41:40 ▲ archive tier 2011/older.jpg Storage class DEEP_ARCHIVE",
        ]


async def test_the_colour_of_a_row_shows_its_cause() -> None:
    async with opened("l", size=(140, 24)) as program:
        await program.show(log_view(*MIXED))
        theme = program.app.theme_variables
        error, warning = theme["error"].lower(), theme["warning"].lower()
        assert style_at(program, "failed after several tries")[0].lower() == error
        assert style_at(program, "source listing broke")[0].lower() == error
        assert style_at(program, "archive tier")[0].lower() == warning
        assert style_at(program, "resumed")[0].lower() not in (error, warning)


async def test_rows_of_other_days_have_their_date_and_of_other_years_their_year() -> None:
    async with opened("l") as program:
        await program.show(log_view(row(0), row(1, at=NOW - 3 * 86400)))
        assert "03-20 09:46:40" in program.text
        assert "03-17 09:46:40" in program.text
        await program.show(log_view(row(0), row(1, at=NOW - 400 * 86400)))
        assert "2025-02-13 09:46:40" in program.text


async def test_times_can_be_ages_and_these_move_with_the_polls_alone() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS[:3]))
        await program.press("t")
        assert [line.strip(" ▌").split()[0] for line in program.lines[3:6]] == ["0s", "1m", "2m"]
        await program.pilot.pause(1.1)
        assert [line.strip(" ▌").split()[0] for line in program.lines[3:6]] == ["0s", "1m", "2m"]
        program.feed.push(snapshot(JOB, taken_at=NOW + 120))
        await program.feed.taken()
        await program.pilot.pause()
        assert [line.strip(" ▌").split()[0] for line in program.lines[3:6]] == ["2m", "3m", "4m"]
        await program.press("t")
        assert "09:46:40" in program.text


async def test_a_time_that_is_none_is_shown_as_it_came() -> None:
    async with opened("l") as program:
        odd = LogRow("yesterday", None, "x", None, None)
        await program.show(log_view(row(0), odd, LogRow()))
        assert "yest" in program.lines[4]
        assert "—" in program.lines[5]
        assert "no type" in program.lines[5]


async def test_wrapping_shows_keys_and_messages_whole() -> None:
    key = "2024/" + "a-very-long-folder/" * 6 + "end.jpg"
    async with opened("l", size=(80, 24)) as program:
        await program.show(log_view(row(0, key=key, message="many words " * 12), *ROWS[1:]))
        assert "…" in program.lines[3]
        await program.press("w")
        whole = "".join(line.strip(" ▌▐") for line in program.lines[3:12])
        assert key in whole
        assert "many words " * 2 in " ".join(whole.split())
        assert "…" not in "".join(program.lines[3:12])
        second = next(line for line in program.lines if "IMG_0001" in line)
        await program.press("j")
        moved = next(line for line in program.lines if "IMG_0001" in line)
        assert not second.startswith("▌")
        assert moved.startswith("▌")
        await program.press("w")
        assert "…" in program.lines[3]


async def test_enter_shows_a_row_in_full() -> None:
    key = "2024/" + "a-very-long-folder/" * 20 + "end.jpg"
    async with opened("l", size=(40, 12)) as program:
        await program.show(log_view(row(0, key=key)))
        await program.press("enter")
        assert "Log row" in program.text
        assert "failed after several tries" in " ".join(program.text.split())
        await program.press("G")
        assert "source answered 503" in " ".join(program.text.split())


async def test_foreign_text_is_harmless() -> None:
    evil = "[red]a\x1b[31m\u202eb\nc[/foo]"
    async with opened("l") as program:
        await program.show(log_view(row(0, evil, evil, evil), row(1)))
        for keys in ((), ("w",), ("T",), ("enter",), ("escape", "slash", "[", "a", "enter")):
            await program.press(*keys)
            assert all(harmless(line) for line in program.lines)
        assert "[red]a" in program.text


async def test_in_ascii_nothing_else_is_written() -> None:
    async with opened("l", ascii_only=True) as program:
        await program.show(log_view(*MIXED, read=99))
        for keys in ((), ("w",), ("T",), ("t",), ("slash", "a"), ("enter", "question_mark")):
            await program.press(*keys)
            assert program.text.isascii(), program.text


# Moving and following -----------------------------------------------------------------------------


def cursor_line(program: Opened) -> str:
    return next(line for line in program.lines if line.startswith("▌"))


@pytest.mark.parametrize(
    ("keys", "number"),
    [
        (("j",), 1),
        (("down", "down", "up"), 1),
        (("j", "j", "k"), 1),
        (("G",), 39),
        (("end", "home"), 0),
        (("G", "g"), 0),
        (("ctrl+d",), 18),
        (("pagedown", "pagedown"), 36),
        (("G", "ctrl+u"), 21),
        (("G", "pageup"), 21),
    ],
)
async def test_the_keys_move_as_everywhere(keys: tuple[str, ...], number: int) -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        await program.press(*keys)
        assert f"IMG_{number:04}" in cursor_line(program)


async def test_following_stops_on_scrolling_and_counts_new_rows() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS[5:]))
        assert "following" in program.lines[1]
        await program.show(log_view(*ROWS[4:]))
        assert "IMG_0004" in cursor_line(program)
        await program.press("j", "j")
        await program.show(log_view(*ROWS[1:]))
        assert "IMG_0006" in cursor_line(program)
        assert "3 new" in program.lines[1]
        assert "following paused" in program.lines[1]
        await program.show(log_view(*ROWS))
        assert "4 new" in program.lines[1]
        await program.press("g")
        assert "IMG_0000" in cursor_line(program)
        assert "new" not in program.lines[1]


async def test_following_is_switched_off_and_on_by_a_key() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS[2:]))
        await program.press("f")
        assert "not following" in program.lines[1]
        await program.show(log_view(*ROWS[1:]))
        assert "IMG_0002" in cursor_line(program)
        assert "1 new" in program.lines[1]
        await program.press("f")
        assert "IMG_0001" in cursor_line(program)
        await program.show(log_view(*ROWS))
        assert "IMG_0000" in cursor_line(program)


async def test_a_row_that_no_longer_fits_in_memory_lets_the_cursor_go_to_the_nearest() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS[20:]))
        await program.press("G")
        await program.show(log_view(*ROWS[:10], read=40))
        assert "IMG_0009" in cursor_line(program)


async def test_a_click_points_at_a_row() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        await program.pilot.click("#rows", offset=(20, 4))
        await program.pilot.pause()
        assert "IMG_0004" in cursor_line(program)


# Searching and filtering --------------------------------------------------------------------------


async def test_a_search_marks_matches_shows_its_position_and_continues_with_n() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        await program.type("/img_001")
        assert style_at(program, "IMG_001")  # marked while it is typed
        await program.press("enter")
        assert "IMG_0010" in cursor_line(program)
        assert "“img_001” 1 of 10" in program.lines[1]
        await program.press("n", "n")
        assert "3 of 10" in program.lines[1]
        assert "IMG_0012" in cursor_line(program)
        await program.press("N")
        assert "2 of 10" in program.lines[1]
        await program.press("N", "N")
        assert "10 of 10" in program.lines[1]
        await program.press("g")
        assert "10 matches" in program.lines[1]


async def test_a_match_is_highlighted_in_its_own_piece() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        await program.type("/IMG_0003\r")
        strips = program.app.screen._compositor.render_strips()
        pieces = [s for strip in strips[3:] for s in strip if s.text == "IMG_0003"]
        assert len(pieces) == 1
        assert pieces[0].style is not None
        assert pieces[0].style.bgcolor is not None


async def test_keys_reasons_types_and_messages_are_searched() -> None:
    async with opened("l") as program:
        await program.show(log_view(*MIXED))
        for text, found in (
            ("older", 1),
            ("archive tier", 2),
            ("importSkipped", 2),
            ("DEEP_", 2),
            ("nothing like it", 0),
        ):
            await program.type(f"/{text}\r")
            assert len(program.page.state.matches) == found
        assert "not found" in program.lines[1]


async def test_escape_takes_a_search_back() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        await program.type("/IMG")
        await program.press("escape")
        assert isinstance(program.page, LogPage)
        assert "IMG”" not in program.text
        await program.press("n")
        assert "nothing is searched for" in program.text


async def test_typed_keys_are_text_in_the_input() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        await program.type("/q&/?fnwsT")
        assert program.page.state.sought == "q&/?fnwsT"
        assert isinstance(program.page, LogPage)


async def test_a_key_before_the_page_is_mounted_is_harmless() -> None:
    async with opened() as program:
        main = program.app.main
        page = LogPage(main, (JOB,))
        assert page.check_action("type", ("/",)) is False
        opening = program.app.push_screen(page)
        for key in ("slash", "G", "w", "pagedown", "T", "q"):
            program.app.post_message(Key(key, None))
        await opening
        await program.pilot.pause()
        assert program.app.return_code is None


async def test_one_type_alone_is_chosen_among_those_that_occur_with_their_numbers() -> None:
    async with opened("l") as program:
        await program.show(log_view(*MIXED))
        states = []
        for _ in range(5):
            await program.press("T")
            states.append((program.lines[1].split(" · ")[0].strip(), len(program.page.state.rows)))
        assert states == [
            ("only failed after several tries (2; type 1 of 5)", 2),
            ("only archive tier (2; type 2 of 5)", 2),
            ("only importBrandNew (1; type 3 of 5)", 1),
            ("only source listing…is incomplete (1; type 4 of 5)", 1),
            ("only resumed (1; type 5 of 5)", 1),
        ]
        await program.press("T")
        assert len(program.page.state.rows) == len(MIXED)


async def test_rows_are_filtered_by_words_and_stay_so_as_more_come() -> None:
    async with opened("l") as program:
        await program.show(log_view(*MIXED[1:]))
        await program.type("&2011 !older\r")
        assert [r.object_key for r in program.page.state.rows] == ["2011/old.jpg"]
        assert "& 2011 !older" in program.lines[1]
        await program.show(log_view(row(0, key="2011/new.jpg"), *MIXED))
        assert [r.object_key for r in program.page.state.rows] == ["2011/new.jpg", "2011/old.jpg"]
        await program.type("& nothing\r")
        assert "No row" in program.text
        await program.press("ampersand", "escape")
        assert len(program.page.state.rows) == len(MIXED) + 1


async def test_the_cursor_stays_on_its_row_when_others_are_hidden_or_shown() -> None:
    async with opened("l") as program:
        await program.show(log_view(*MIXED))
        await program.press("G", "k")
        assert "2011/older.jpg" in cursor_line(program)
        await program.press("T")
        assert "IMG_0006" in cursor_line(program)  # the next older one of what failed
        await program.press("k", "T")
        assert "2011/old.jpg" in cursor_line(program)


# Keeping ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_it_is_saved_as_json_lines_with_the_apis_names_and_never_over_a_file(
    folder: Path,
) -> None:
    evil = "a\nb\x1b\ud800\u202e"
    rows = (row(0), replace(row(1, key=evil), extra={"region": "weur"}))
    (folder / "log-photos-job0001.jsonl").write_text("mine")
    async with opened("l") as program:
        await program.show(log_view(*rows))
        await program.press("s")
        await program.see("2 rows saved to ./log-photos-job0001-2.jsonl")
    assert (folder / "log-photos-job0001.jsonl").read_text() == "mine"
    lines = (folder / "log-photos-job0001-2.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "createdAt": iso(NOW),
            "job": "job0001",
            "logType": "importErrorRetryExhaustion",
            "message": "source answered 503",
            "objectKey": "2024/IMG_0000.jpg",
        },
        {
            "createdAt": iso(NOW - 60),
            "job": "job0001",
            "logType": "importErrorRetryExhaustion",
            "message": "source answered 503",
            "objectKey": evil,
            "region": "weur",
        },
    ]
    assert list(json.loads(lines[1]))[-2:] == ["objectKey", "region"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"whole": False}, "3 rows so far saved to ./log-photos-job0001.jsonl"),
        ({"read": 99}, "the last 3 of 99 rows saved to ./log-photos-job0001.jsonl"),
        (
            {"read": 99, "whole": False},
            "the last 3 of at least 99 rows saved to ./log-photos-job0001.jsonl",
        ),
    ],
)
async def test_a_save_of_part_of_the_log_says_so(
    folder: Path, given: dict[str, object], said: str
) -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS[:3], **given))
        await program.press("s")
        await program.see(said)
    assert len((folder / "log-photos-job0001.jsonl").read_text().splitlines()) == 3


async def test_a_failed_save_shows_the_reason(folder: Path) -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        os.rmdir(folder)
        await program.press("s")
        await program.see("not saved: No such file or directory")
        assert " saved to" not in program.text


async def test_a_note_without_room_opens_a_dialog(folder: Path) -> None:
    async with opened("l", size=(40, 12)) as program:
        await program.show(log_view(*ROWS))
        await program.press("s")
        await program.see("./log-photos-job0001.jsonl")
        assert isinstance(program.page, TextDialog)


async def test_a_rows_key_is_copied_exactly() -> None:
    evil = "a\nb\x1b[31m\u202e"
    async with opened("l") as program:
        await program.show(log_view(row(0, key=evil), row(1, "migrationPause", None)))
        await program.press("y")
        assert program.app.clipboard == evil
        assert "key copied" in program.text
        await program.press("j", "y")
        assert program.app.clipboard == evil
        assert "this row has no key" in program.text


async def test_where_the_terminal_does_not_copy_the_key_is_shown() -> None:
    async with opened("l", environ={"TMUX": "x"}) as program:
        await program.show(log_view(row(0)))
        await program.press("y")
        assert "Select and copy" in program.text
        assert "2024/IMG_0000.jpg" in program.text


# The page -----------------------------------------------------------------------------------------


async def test_the_help_shows_the_keymap() -> None:
    async with opened("l", size=(100, 50), keymap={"move.down": "x"}) as program:
        await program.press("question_mark")
        for said in ("Follow the newest row", "Search for words", "&", "x  ", "Go back"):
            assert said in program.text
        await program.press("escape")
        await program.show(log_view(*ROWS))
        await program.press("x")
        assert "IMG_0001" in cursor_line(program)


async def test_it_turns_to_the_failures_and_back() -> None:
    async with opened("l") as program:
        await program.show(log_view(*ROWS))
        await program.press("e")
        assert "Failures" in program.lines[0]
        await program.press("l")
        assert "Log" in program.lines[0]
        await program.press("escape")
        assert isinstance(program.app.screen, MainScreen)
        assert program.logs.asked == [("follow", JOB.key), ("failures", JOB.key)]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (40, 12)])
async def test_every_row_shows_the_end_of_its_key_at_every_size(size: tuple[int, int]) -> None:
    async with opened("l", size=size) as program:
        await program.show(log_view(*ROWS))
        rows = [line for line in program.lines if "IMG_00" in line]
        assert len(rows) >= min(40, size[1] - 4)
        assert "photos → media" in program.lines[0]
        assert "Esc back" in program.lines[-1]
        for key in ("w", "G", "t", "T", "slash", "x", "escape"):
            await program.press(key)
            assert len(program.lines) == size[1]


async def test_it_survives_the_smallest_terminal() -> None:
    async with opened("l", size=(20, 5)) as program:
        await program.show(log_view(*MIXED))
        for key in ("j", "w", "G", "t", "f", "s", "escape", "y", "escape", "slash", "a", "enter"):
            await program.press(key)
        assert program.app.return_code is None


async def test_a_quiet_log_writes_nothing_and_a_new_row_little(connect: Connect) -> None:
    terminal = connect(100, 24)
    async with opened("l") as program:
        await program.show(log_view(*ROWS[10:]))
        await program.press("j", "j")
        await settle(program.feed, program.pilot, terminal)
        terminal.clear()
        program.feed.push(snapshot(replace(JOB, rate=99.0, percent=1), taken_at=NOW + 65))
        await program.show(log_view(*ROWS[10:]))
        await settle(program.feed, program.pilot, terminal)
        assert terminal.sent == ""
        await program.show(log_view(*ROWS[9:]))
        await settle(program.feed, program.pilot, terminal)
        assert 0 < len(terminal.sent.encode()) < 200
        assert terminal.lines == program.lines
        await program.press("g")
        await settle(program.feed, program.pilot, terminal)
        terminal.clear()
        await program.show(log_view(*ROWS[8:]))
        await settle(program.feed, program.pilot, terminal)
        assert 0 < len(terminal.sent.encode()) < 500
        assert terminal.lines == program.lines


STEPS = (
    (28,),
    (25, "j"),
    (24, "g"),
    (20, "question_mark", "escape"),
    (15, "f"),
    (3, "w"),
    (0, "G"),
)
"""The first row that the log shows, and the keys that follow."""


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 12)])
async def test_rows_that_come_push_the_others_down_by_the_terminals_own_means(
    connect: Connect, size: tuple[int, int]
) -> None:
    terminal = connect(*size)
    async with opened("l", size=size) as program:
        await program.show(log_view(*ROWS[30:]))
        await settle(program.feed, program.pilot, terminal)
        for first, *keys in STEPS:
            terminal.clear()
            await program.show(log_view(*ROWS[first:]))
            await settle(program.feed, program.pilot, terminal)
            assert terminal.lines == program.lines
            await program.press(*keys)
            await settle(program.feed, program.pilot, terminal)
            assert terminal.lines == program.lines


async def test_many_rows_at_once_repaint_the_page(connect: Connect) -> None:
    terminal = connect(80, 24)
    async with opened("l", size=(80, 24)) as program:
        await program.show(log_view(*ROWS[38:]))
        await program.show(log_view(*ROWS))
        await settle(program.feed, program.pilot, terminal)
        assert terminal.lines == program.lines
