"""`verify` in a pseudo-terminal: keys are typed, the cost is asked about, Ctrl-C ends it."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from slurper_tui.simulated.objects import Contents
from tests.api.s3_servers import ACCESS, HUSH, Moto, moto_server
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram

OBJECTS = 2_500
LONG_AGO = datetime(2026, 1, 2)


moto = pytest.fixture(scope="module")(moto_server)


def plan(name: str, source: Source, objects: int) -> Plan:
    return Plan(
        id=name * 32,
        created=time.time() - 9_000,
        objects=objects,
        seconds=60.0,
        source=source,
        target=Target("r2", f"media-{name}"),
        overwrite=False,
    )


@pytest.fixture
def account(moto: Moto) -> SimulatedAccount:
    """A job from an S3 bucket, and one from an R2 bucket."""
    of_s3 = plan("a1", Source("s3", "photos", "2024/", moto.url), 6)
    contents = Contents(of_s3)
    if "photos" not in moto.backend.buckets:
        moto.bucket("photos", [contents.key(number) for number in range(5)])
        for _, written in moto.backend.buckets["photos"].keys.items():
            written.last_modified = LONG_AGO
    return SimulatedAccount(plans=[of_s3, plan("b2", Source("r2", "clips", "x/"), OBJECTS)])


def listings(server: LoopbackServer) -> int:
    return sum("/objects" in seen.path for seen in server.requests)


@pytest.mark.parametrize("answer", ["y", "n"])
def test_the_keys_are_typed_and_the_cost_is_asked_for(
    answer: str, server: LoopbackServer, environ: dict[str, str], tmp_path: Path
) -> None:
    with PtyProgram([PROGRAM, "verify", "a1"], environ, size=(120, 40)) as program:
        program.see("source access key id:")
        program.type(f"{ACCESS}\n")
        program.see("source secret access key:")
        program.type(f"{HUSH}\n")
        program.see("compare now? [y/N]")
        assert "Class A operations of R2" in program.text
        assert listings(server) == 0
        program.type(f"{answer}\n")
        assert program.ended() == (4 if answer == "y" else 0)
        if answer == "y":
            assert "5  size differs" in program.text
            assert "1  only in the target" in program.text
            assert "expected: S3 bucket photos at 127.0.0.1" in program.text
        else:
            assert "nothing was listed" in program.text
            assert listings(server) == 0
        program.assert_restored()
        written = program.raw + b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
        assert HUSH.encode() not in written


def test_an_interrupt_ends_it_and_the_same_command_goes_on(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str]
) -> None:
    account.faults.add(Fault(Kind.HANG, operation="objects", after=4))
    words = [PROGRAM, "verify", "b2", "--yes", "--workers", "1"]
    with PtyProgram(words, environ, size=(120, 40)) as program:
        program.wait_for(lambda: listings(server) > 4, "a listing that hangs")
        program.type("\x03")
        assert program.ended() == 130
        assert "the same command goes on from there" in program.text
    before = listings(server)
    with PtyProgram([*words, "--no-history"], environ, size=(120, 40)) as program:
        program.wait_for(lambda: listings(server) > before, "a listing that hangs")
        program.type("\x03")
        assert program.ended() == 130
        assert "without a history, the next run begins again" in program.text
    account.faults.clear()
    with PtyProgram(words, environ, size=(120, 40)) as program:
        assert program.ended() == 0
        assert "goes on: an earlier run was interrupted" in program.text
        assert f"verified: all {OBJECTS:,} objects are in the target" in program.text


@pytest.mark.parametrize("at", ["the question", "a typed key"])
def test_a_shell_stops_it_and_it_goes_on(
    at: str, server: LoopbackServer, environ: dict[str, str]
) -> None:
    shell = ("bash", "--norc", "--noprofile", "-i")
    with PtyProgram(shell, {**environ, "PS1": "ready> "}, size=(120, 40)) as program:
        program.see("ready>")
        program.type(f"{PROGRAM} verify {'b2' if at == 'the question' else 'a1'}\n")
        program.see("compare now? [y/N]" if at == "the question" else "source access key id:")
        program.type("\x1a")
        program.see("Stopped")
        program.type("clear; fg; echo left $?\n")
        if at == "the question":
            program.type("y\n")
            program.see("left 0")
            assert f"verified: all {OBJECTS:,} objects are in the target" in program.text
        else:
            program.type(f"{ACCESS}\n")
            program.see("source secret access key:")
            program.type("\x03")
            program.see("left 130")
        program.type("exit\n")
        assert program.ended() == 0
