"""A migration created in the form of the installed program, key by key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.server import LoopbackServer, Seen
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

SECRETS = ("AKIA-SOURCE-NOBODY", "source-secret-nobody", "AKIA-TARGET-NOBODY", "target-nobody")
DOWN, PAGE_UP, PAGE_DOWN = "\x1b[B", "\x1b[5~", "\x1b[6~"


@pytest.fixture
def account() -> SimulatedAccount:
    return SimulatedAccount(jobs=4, running=1)


@pytest.fixture
def program(server: LoopbackServer, tmp_path: Path) -> Iterator[PtyProgram]:
    textual_log = {"TEXTUAL_LOG": str(tmp_path / "textual.log")}
    environ = environment(tmp_path, **server.environment(), **textual_log)
    with PtyProgram([PROGRAM, "--interval", "2"], environ, size=(100, 30)) as running:
        running.see("1 running")
        yield running
        running.type("q")
        assert running.ended() == 0
        running.assert_restored()
        written = running.raw + b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
        assert not [word for word in SECRETS if word.encode() in written]
        assert b"Key(" not in written


def writes(server: LoopbackServer) -> list[Seen]:
    return [seen for seen in server.requests if seen.method != "GET"]


def fill(program: PtyProgram) -> None:
    """Open the form from the palette and fill it in."""
    program.type(":new migration")
    program.see("Create a migration.")
    program.type("\r")
    program.see("Copy from")
    for text in ("", "qwerty-bucket", "https://s3.example.com", "eu-1", "2031/"):
        program.type(f"{text}{DOWN}")
    program.see("2031/")
    program.type(f"{DOWN * 3}media{DOWN * 4}")
    for secret in SECRETS:
        program.type(f"{secret}{DOWN}")
    program.see("target secret   *************")
    program.type(f"{PAGE_UP}{PAGE_DOWN}\r")


def test_a_job_created_in_the_form_appears_in_the_list(
    program: PtyProgram, server: LoopbackServer, account: SimulatedAccount
) -> None:
    fill(program)
    program.see("read-only now: nothing was sent")
    assert writes(server) == []
    program.type("W")
    program.see("Allow changing jobs?")
    program.see("n cancel")
    program.type("y")
    program.see("y start it")
    assert program.text.count("can be reached") == 2
    assert [seen.method for seen in writes(server)] == ["PUT", "PUT"]
    program.type("\r")
    program.see_no("y start it")
    program.see("New migration")
    assert len(account.jobs()) == 4
    program.type(f"{PAGE_DOWN}\r")
    program.see("y start it")
    program.type("y")
    program.see("It appears in the list with the next poll.")
    assert [seen.method for seen in writes(server)].count("POST") == 1
    assert len(account.jobs()) == 5
    program.type("\r")
    program.see("qwerty-bucket/2031/")


def test_an_unanswered_create_request_is_not_resent(
    program: PtyProgram, server: LoopbackServer, account: SimulatedAccount
) -> None:
    program.type("W")
    program.see("Allow changing jobs?")
    program.see("n cancel")
    program.type("y")
    program.see("jobs can be changed now")
    fill(program)
    program.see("y start it")
    account.faults.add(Fault(Kind.HTML, operation="create", status=502))
    program.type("y")
    program.see("look in the list before you try again")
    program.type("y\r")
    program.see("1 running")
    assert [seen.method for seen in writes(server)].count("POST") == 1
    assert len(account.jobs()) == 4
