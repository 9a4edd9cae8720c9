"""Control requests from the screen to a server that times out, refuses or changes jobs itself."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Course
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

CONFIRM = "sent, waiting for the API to confirm"


@pytest.fixture
def course(account: SimulatedAccount) -> Course:
    """Return a running job."""
    return next(c for c in account.jobs() if c.status(time.time()) == "running")


@pytest.fixture
def interval() -> str:
    """Seconds between polls."""
    return "2"


@pytest.fixture
def program(
    server: LoopbackServer, course: Course, interval: str, tmp_path: Path
) -> Iterator[PtyProgram]:
    environ = environment(tmp_path, **server.environment())
    arguments = [PROGRAM, course.plan.id, "--interval", interval]
    with PtyProgram(arguments, environ, size=(120, 30)) as running:
        running.see("running")
        running.see("as of")
        yield running
        running.type("q")
        assert running.ended() == 0
        running.assert_restored()


def changes(server: LoopbackServer) -> list[str]:
    """Return the method and last path segment of every request other than GET."""
    asked = (r for r in server.requests if r.method != "GET")
    return [f"{r.method} {r.path.rpartition('/')[2]}" for r in asked]


def unlock(program: PtyProgram) -> None:
    program.type("W")
    program.see("Allow changing jobs?")
    program.see("n cancel")
    program.type("y")
    program.see("unlocked")


def ask(program: PtyProgram, key: str, title: str) -> None:
    program.type(key)
    program.see(title)
    program.see("cancel")


@pytest.mark.parametrize("interval", ["60"])  # so that only a sent request causes a poll
def test_an_unanswered_pause_is_never_sent_again(
    program: PtyProgram, server: LoopbackServer, account: SimulatedAccount, course: Course
) -> None:
    job = course.plan.id
    unlock(program)
    ask(program, "P", "Pause this job?")
    program.see("have not started and will wait")
    account.faults.add(
        Fault(Kind.HANG, operation="pause", seconds=1.0),
        Fault(Kind.HTML, operation="progress", job=job, after=1),
    )
    program.type("y")
    program.see(f"pause {CONFIRM}")
    program.type("P")
    program.see("pause was sent already")
    assert changes(server) == ["PUT pause"]
    account.faults.clear()
    program.type("R")
    program.see("paused, as requested here")
    assert changes(server) == ["PUT pause"]


def test_a_refusal_is_shown_in_the_row_of_the_job(
    program: PtyProgram, server: LoopbackServer, account: SimulatedAccount
) -> None:
    account.faults.add(Fault(operation="pause", status=409, code=10042, message="not just now"))
    unlock(program)
    ask(program, "P", "Pause this job?")
    program.type("y")
    program.see("pause refused: 10042: not just now")
    program.type("!")
    program.see("HTTP status")
    program.see("cf-ray")
    program.type("\x1b")
    program.see_no("HTTP status")
    assert changes(server) == ["PUT pause"]


def test_a_change_made_elsewhere_closes_the_dialog_with_a_message(
    program: PtyProgram, server: LoopbackServer, account: SimulatedAccount, course: Course
) -> None:
    unlock(program)
    ask(program, "P", "Pause this job?")
    path = f"{server.url}/accounts/{account.account_id}/slurper/jobs/{course.plan.id}/abort"
    httpx.put(path, headers={"Authorization": f"Bearer {account.token}"}).raise_for_status()
    program.see_no("Pause this job?")
    program.see("nothing was sent")
    program.see("aborted from elsewhere")
    program.type("y")
    program.see("id copied")
    assert changes(server) == ["PUT abort"]


def test_an_abort_needs_the_name_and_is_shown(
    program: PtyProgram, server: LoopbackServer, course: Course
) -> None:
    source = course.plan.source
    assert source is not None
    bucket = source.bucket
    assert bucket is not None
    unlock(program)
    program.type("Xy\r")
    program.see("Abort this job?")
    program.see("cannot be resumed")
    assert changes(server) == []
    program.type(f"\x15{bucket}")
    program.see(f"> {bucket}_")
    program.type("\r")
    program.see("aborted, as requested here")
    assert changes(server) == ["PUT abort"]


def test_a_burst_of_keys_confirms_nothing(program: PtyProgram, server: LoopbackServer) -> None:
    unlock(program)
    program.type("Py")
    program.see("Pause this job?")
    program.see("n cancel")
    program.type("\r")
    program.see_no("Pause this job?")
    assert changes(server) == []


def test_a_read_only_program_sends_no_changes(program: PtyProgram, server: LoopbackServer) -> None:
    program.see("read-only")
    program.type("PUXy")
    program.see("id copied")
    for key in "PUX":
        program.type(key)
        program.see("read-only: W unlocks")
        program.type("k")
        program.see_no("W unlocks")
    assert changes(server) == []


def test_the_write_option_unlocks(server: LoopbackServer, course: Course, tmp_path: Path) -> None:
    environ = environment(tmp_path, **server.environment())
    with PtyProgram([PROGRAM, course.plan.id, "--write"], environ, size=(120, 30)) as program:
        program.see("unlocked")
        program.see("P pause")
        ask(program, "P", "Pause this job?")
        program.type("y")
        program.see("paused, as requested here")
        program.type("q")
        assert program.ended() == 0
    assert changes(server) == ["PUT pause"]


@pytest.mark.parametrize("name", ["_auto_restart", "_sequence_to_key_events", "FUNCTIONAL_KEYS"])
def test_an_unsupported_textual_version_is_read_only(
    server: LoopbackServer, course: Course, tmp_path: Path, name: str
) -> None:
    environ = environment(tmp_path, **server.environment(), PYTHONPATH=str(Path.cwd()))
    renamed = json.dumps({rf"\b{name}\b": f"{name}_renamed"})
    changed = ["-m", "tests.tui.other_textual", renamed]
    program = [sys.executable, *changed, "slurper_tui.cli.main", "--write", course.plan.id]
    with PtyProgram(program, environ, size=(120, 30)) as running:
        running.see("as of")
        assert "unlocked" not in running.text
        for key in ("P", "W"):
            running.type(key)
            running.see("jobs can only be watched")
            running.type("j")
            running.see_no("jobs can only be watched")
        running.type(":")
        running.see("a job, an action or a theme")
        running.type("plans\r")
        running.see("There are no plans")
        running.type("W")
        running.see("jobs can only be watched")
        running.type("\x1b")
        running.see_no("There are no plans")
        running.type("q")
        assert running.ended() == 0
        running.assert_restored()
    assert not changes(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_plain_driver_restores_the_terminal_after_a_signal(
    server: LoopbackServer, tmp_path: Path, number: signal.Signals
) -> None:
    environ = environment(tmp_path, **server.environment(), PYTHONPATH=str(Path.cwd()))
    renamed = json.dumps({r"\b_auto_restart\b": "_renamed"})
    changed = ["-m", "tests.tui.other_textual", renamed]
    with PtyProgram([sys.executable, *changed, "slurper_tui.cli.main"], environ) as running:
        running.see("running")
        running.process.send_signal(number)
        assert running.ended() == 128 + number
        running.assert_restored()
