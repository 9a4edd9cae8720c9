"""A replay in a real terminal: pause, step, the next change, the help, the end."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from slurper_tui.cli.main import run
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

if TYPE_CHECKING:
    from pathlib import Path


def test_the_keys_of_a_replay(tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    assert run(["history", "--demo", f"--export={file}"]) == 0
    words, environ = [PROGRAM, "replay", str(file), "--utc"], environment(tmp_path)
    with PtyProgram(words, environ, size=(160, 60)) as program:
        program.see("replay ")
        program.see(" \N{MULTIPLICATION SIGN}1 ")
        program.see("bucket-7")
        program.type("p")
        program.see(" paused")
        first = clock_of(program)
        program.type(".")
        program.wait_for(lambda: clock_of(program) != first, "the next answer")
        second = clock_of(program)
        program.type("n")
        program.wait_for(lambda: clock_of(program) not in (first, second), "a change")
        there = datetime.now(UTC) - timedelta(hours=20)
        program.type(":")
        program.see("a job, an action or a theme")
        program.type(f"at {there:%H:%M}")
        program.see("at     ")
        program.type("\r")
        program.wait_for(lambda: minutes_from(there, clock_of(program)) <= 10, "the time")
        program.type("]")
        program.type("p")
        program.see(" \N{MULTIPLICATION SIGN}2 ")
        program.type("l")
        program.see("! shows all")
        program.type("!")
        program.see("a replay has no logs")
        program.type("q")
        program.see_no("a replay has no logs")
        program.type("q")
        program.see("replay ")
        program.type("]" * 8)
        program.see(" \N{MULTIPLICATION SIGN}1800 ")
        program.type("r")
        program.see("a replay: there is nothing to ask")
        program.type("?")
        program.see("Play or pause the replay.")
        program.type("qq")
        assert program.ended() == 0
    assert not list(tmp_path.rglob("*.sqlite3"))


def clock_of(program: PtyProgram) -> str:
    """Return the words of the status line about the time."""
    return program.text.rpartition("replay ")[2][:12]


def minutes_from(time: datetime, clock: str) -> float:
    """Return the minutes from a time until the clock of the status line, within a day."""
    found = re.match(r"\w+ (\d\d):(\d\d)", clock)
    minutes = 60 * int(found[1]) + int(found[2]) if found else math.nan
    return (minutes - 60 * time.hour - time.minute) % 1440
