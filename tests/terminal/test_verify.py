"""`V` in a real terminal: in the demo to the end, and cut off in the middle and gone on with."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.verify.diff import read_diff
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

FAULTS: dict[str, Any] = {"lost": 37, "resized": 5, "emptied": 2, "changed": 11}


def test_the_demo_is_verified_from_the_key_to_the_list_of_differences(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with PtyProgram([PROGRAM, "--demo"], environment(tmp_path), folder=folder) as program:
        program.see("tmp-import")
        program.type("/tmp-import\r")
        program.see_no("avatars")
        program.type("V")
        program.see("What should be there")
        program.resize(40, 12)
        program.see("Esc back")
        program.type("\x1b[6~")
        program.type("\r")
        program.see("y start")
        program.resize(100, 30)
        program.see("It only lists")
        program.type("y")
        program.see("not verified:")
        program.see("What was compared")
        program.resize(80, 24)
        program.type("E")
        program.see("keys saved")
        program.type("\x1b")
        program.see_no("keys saved")
        program.type("c")
        program.see("Draft of a retry")
        program.type("\x1b")
        program.see("Verification")
        program.type("q")
        program.see("/tmp-import")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()
    [name] = os.listdir(folder)
    found = read_diff((folder / name).read_text())
    assert found is not None
    assert found.missing


@pytest.fixture
def account() -> SimulatedAccount:
    """Return one ended job of 5,000 objects from one R2 bucket to another."""
    plan = Plan(
        id="first",
        created=time.time() - 10_000,
        objects=5_000,
        seconds=100.0,
        listing=1.0,
        source=Source("r2", "photos"),
        target=Target("r2", "media"),
        **FAULTS,
    )
    return SimulatedAccount(plans=[plan])


def test_a_verification_that_is_left_in_the_middle_goes_on_and_tells_every_fault_once(
    server: LoopbackServer, account: SimulatedAccount, tmp_path: Path
) -> None:
    account.faults.add(Fault(Kind.HANG, operation="objects", after=12))
    environ = environment(tmp_path, **server.environment())
    with PtyProgram([PROGRAM], environ, size=(100, 40)) as program:
        begin(program)
        program.wait_for(lambda: compared(program) > 0, "a page")
        program.type("\x1b")
        program.see("as of")
        program.type("q")
        program.see("Leave while verifying")
        program.see("is kept, and V goes on from there")
        program.type("y")
        assert program.ended() == 0
        program.assert_restored()
    account.faults.clear()
    with PtyProgram([PROGRAM], environ, size=(100, 40)) as program:
        begin(program, "an earlier run was interrupted, with")
        program.see("What was compared")
        words = " ".join(program.text.split())
        assert "not verified: 37 missing · 5 of another size · 2 empty" in words
        assert "11 changed in the source since, of 5,000 objects" in words
        program.type("\x1b")
        program.see("as of")
        program.type("v")
        program.see("Receipt")
        program.see("Not verified: 37 missing")
        program.type("q")
        program.see_no("Receipt")
        program.type("q")
        assert program.ended() == 0
    assert {request.method for request in server.requests} == {"GET"}


def begin(program: PtyProgram, said: str = "y start") -> None:
    """Open the form for the only job, go on to the question, and answer it."""
    program.see("photos")
    program.see("completed")
    program.type("V")
    program.see("What should be there")
    program.type("\x1b[6~")
    program.type("\r")
    program.see("y start")
    program.see(said)
    program.type("y")
    program.see("compared")


def compared(program: PtyProgram) -> int:
    found = re.search(r"compared +([\d,]+) of", program.text)
    return int(found[1].replace(",", "")) if found else 0
