"""What the screen shows while the API fails; the program never ends by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurper_tui.simulated.account import Fault, Kind
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment


@pytest.fixture
def program(server: LoopbackServer, tmp_path: Path) -> Iterator[PtyProgram]:
    environ = environment(tmp_path, **server.environment())
    with PtyProgram([PROGRAM, "--interval", "2"], environ, size=(120, 30)) as running:
        running.see("412k/412k")
        yield running
        running.type("q")
        assert running.ended() == 0
        running.assert_restored()


def test_a_killed_server_and_its_restart(program: PtyProgram, server: LoopbackServer) -> None:
    server.kill()
    program.see("cannot connect")
    program.see("next try")
    assert "running" in program.text
    server.restart()
    program.type("R")
    program.see_no("next try")
    assert "running" in program.text


BAD = (Kind.HTML, Kind.TRUNCATED, Kind.RESET, Kind.CUT_OFF, Kind.SLOW)
"""One bad body and the faults of a connection; tests/monitor covers all other kinds."""


def test_bad_answers_keep_the_last_numbers_with_their_age(
    program: PtyProgram, server: LoopbackServer
) -> None:
    account = server.accounts[0]
    for kind in BAD:
        account.faults.add(Fault(kind, seconds=12.0))
        program.type("R")
        program.see("s old ")
        assert "running" in program.text, kind
        assert "<html" not in program.text.lower(), kind
        account.faults.clear()
        program.type("R")
        program.see_no("s old ")


def test_retry_after_is_shown(program: PtyProgram, server: LoopbackServer) -> None:
    account = server.accounts[0]
    account.faults.add(Fault(status=429, code=971, message="slow down", retry_after=5, times=1))
    program.see("next request at")
    assert "412k/412k" in program.text
    asked = len(server.requests)
    program.see_no("next request at")
    program.wait_for(lambda: len(server.requests) > asked, "further requests")
    assert "412k/412k" in program.text


def test_any_size(program: PtyProgram) -> None:
    """Of many sizes in quick succession the last one is drawn."""
    for size in ((40, 12), (20, 5), (1, 1), (200, 50), (29, 6), (30, 6), (2, 24), (20, 5)) * 5:
        program.resize(*size)
    program.resize(80, 24)
    program.see("412k/412k")
    program.wait_for(lambda: "q quit" in program.text.splitlines()[23], "the last line")
    assert program.text.splitlines()[0].startswith(" ")


def test_without_utf8_output_is_ascii(server: LoopbackServer, tmp_path: Path) -> None:
    environ = environment(tmp_path, **server.environment(), LC_ALL="C")
    with PtyProgram([PROGRAM], environ) as program:
        program.see("completed")
        assert program.text.isascii(), program.text
        program.type("q")
        assert program.ended() == 0
        assert program.raw.isascii()
