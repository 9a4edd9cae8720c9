"""The terminal's cursor stands where the user is, for screen readers and magnifiers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

DOWN = "\x1b[B"
SHOWN, HIDDEN = b"\x1b[?25h", b"\x1b[?25l"


@pytest.fixture
def program(environ: dict[str, str]) -> Iterator[PtyProgram]:
    with PtyProgram([PROGRAM, "--write"], environ, size=(110, 30)) as running:
        running.see("412k/412k")
        yield running
        assert 25 in running.modes()
        running.type("\x03")
        assert running.ended() == 0
        running.assert_restored()


def assert_on_row(program: PtyProgram, text: str) -> int:
    """Wait until the cursor is on the mark of a row with this text; return its line."""

    def is_there() -> bool:
        cursor = program.screen.cursor
        line = program.screen.display[cursor.y]
        return cursor.x == 0 and line.startswith("▌") and text in line

    program.wait_for(is_there, f"the cursor on the row {text!r}")
    return int(program.screen.cursor.y)


def assert_at(program: PtyProgram, text: str) -> None:
    """Wait until the cursor is on the first cell of this text."""

    def is_there() -> bool:
        cursor = program.screen.cursor
        return program.screen.display[cursor.y][cursor.x :].startswith(text)

    program.wait_for(is_there, f"the cursor at {text!r}")


def assert_after(program: PtyProgram, text: str) -> None:
    """Wait until the cursor is on the cell after this text."""

    def is_there() -> bool:
        cursor = program.screen.cursor
        return program.screen.display[cursor.y][: cursor.x].endswith(text)

    program.wait_for(is_there, f"the cursor after {text!r}")


def test_in_the_list_it_follows_the_highlight(program: PtyProgram) -> None:
    first = assert_on_row(program, "→")
    program.type("j")
    program.wait_for(lambda: program.screen.cursor.y == first + 1, "the second row")
    assert_on_row(program, "→")
    program.resize(90, 20)
    program.see("412k/412k")
    assert_on_row(program, "→")
    program.type("j")
    program.wait_for(lambda: program.screen.cursor.y == first + 2, "the third row")
    assert_on_row(program, "→")
    program.type("\x1a")  # without job control it continues at once
    program.wait_for(lambda: program.raw.count(HIDDEN) == 2, "our screen again")
    assert_on_row(program, "→")
    program.wait_for(lambda: 25 in program.modes(), "the cursor")
    assert program.raw.count(SHOWN) == 3  # at the start, on leaving and on coming back


def test_it_stands_at_the_heading_of_details_and_dialogs(program: PtyProgram) -> None:
    program.type("\t")
    assert_at(program, "»")
    program.type("?")
    assert_at(program, "Keys and signs")
    program.type("\x1b")
    program.see_no("Keys and signs")
    program.type("\t")
    assert_on_row(program, "→")


def test_in_a_log_and_in_failures_it_follows_the_highlight(program: PtyProgram) -> None:
    program.type("G")
    assert_on_row(program, "video-masters")
    program.type("k")
    assert_on_row(program, "thumbs")
    program.type("l")
    program.see("22 rows")
    first = assert_on_row(program, "completed")
    program.type("j")
    program.wait_for(lambda: program.screen.cursor.y == first + 1, "the second row")
    program.type("/started\r")
    assert_on_row(program, "started")
    program.type("e")
    program.see("the log lists 10 of 10 failures")
    assert_on_row(program, "")


def test_without_plans_it_stands_at_the_text(program: PtyProgram) -> None:
    program.type(":plans\r")
    assert_at(program, "There are no plans.")


def test_in_inputs_it_stands_where_text_is_typed(program: PtyProgram) -> None:
    program.type(":new migration")
    assert_after(program, "new migration")
    program.type("\r")
    program.see("Copy from")
    assert_at(program, "[s3]")
    program.type(f"{DOWN}qwerty")
    assert_after(program, "qwerty")
    program.type("\x1b[D")
    assert_after(program, "qwert")
    program.type(f"{DOWN * 3}2030/\r2031/")
    assert_after(program, "2031/")
    program.type("\x1b")
    assert_on_row(program, "→")
    program.type("/thumbs")
    assert_after(program, " / thumbs")
    program.type("\r")
    assert_on_row(program, "thumbs")


def test_the_plain_driver_shows_it_too(server: LoopbackServer, tmp_path: Path) -> None:
    environ = environment(tmp_path, **server.environment(), PYTHONPATH=str(Path.cwd()))
    renamed = json.dumps({r"\b_auto_restart\b": "_renamed"})
    changed = ["-m", "tests.tui.other_textual", renamed]
    with PtyProgram([sys.executable, *changed, "slurper_tui.cli.main"], environ) as running:
        running.see("running")
        first = assert_on_row(running, "→")
        running.type("j")
        running.wait_for(lambda: running.screen.cursor.y == first + 1, "the second row")
        assert 25 in running.modes()
        running.type("q")
        assert running.ended() == 0
        running.assert_restored()
