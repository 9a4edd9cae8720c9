"""Commands that change a job, confirmed in a pseudo-terminal, with a server on loopback."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.monitor.bench import create_elsewhere
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram


def job_with(account: SimulatedAccount, status: str, bucket: str = "") -> str:
    """Return the id of a job with a status, and with the source bucket if one is given."""
    for course in account.jobs():
        source = course.plan.source
        if course.status(time.time()) == status and bucket in (
            "",
            source.bucket if source else None,
        ):
            return course.plan.id
    raise AssertionError(f"no such job: {status} {bucket}")


def status_of(account: SimulatedAccount, job: str) -> str | None:
    found = (c.status(time.time()) for c in account.jobs() if c.plan.id == job)
    return next(found, None)


def changing(server: LoopbackServer) -> list[str]:
    return [seen.method for seen in server.requests if seen.method != "GET"]


def asked(environ: dict[str, str], *words: str) -> PtyProgram:
    return PtyProgram([PROGRAM, *words], environ, size=(120, 24))


@pytest.mark.parametrize(
    ("verb", "before", "answer", "after"),
    [
        ("pause", "running", "y\n", "paused"),
        ("resume", "paused", "yes\n", None),
        ("delete", "completed", "Y\n", None),
        ("abort", "running", "logs-eu\n", "aborted"),
    ],
)
def test_a_confirmed_command_is_sent_once(
    account: SimulatedAccount,
    server: LoopbackServer,
    environ: dict[str, str],
    verb: str,
    before: str,
    answer: str,
    after: str | None,
) -> None:
    if verb == "resume":  # frees a slot
        with asked(environ, "pause", job_with(account, "running"), "--yes") as program:
            assert program.ended() == 0
        server.requests.clear()
    job = job_with(account, before, "logs-eu" if verb == "abort" else "")
    with asked(environ, verb, job) as program:
        program.see("type logs-eu:" if verb == "abort" else f"{verb} it? [y/N]")
        assert changing(server) == []
        program.type(answer)
        assert program.ended() == 0
        assert f"{job} " in program.text
        assert "sent, waiting for the API to confirm" in program.text
        program.assert_restored()
    assert len(changing(server)) == 1
    assert status_of(account, job) == (after or ("running" if verb == "resume" else None))


@pytest.mark.parametrize(
    ("verb", "answer", "code", "message"),
    [
        ("pause", "n\n", 0, "nothing was sent"),
        ("pause", "\n", 0, "nothing was sent"),
        ("pause", "perhaps\n", 0, "nothing was sent"),
        ("pause", "\x04", 2, "no answer was given"),
        ("pause", "\x03", 130, ""),
        ("abort", "y\n", 2, "that is not logs-eu: nothing was sent"),
        ("abort", "LOGS-EU\n", 2, "that is not logs-eu: nothing was sent"),
        ("abort", "\n", 0, "nothing was sent"),
        ("abort", "n\n", 0, "nothing was sent"),
        ("abort", "\x04", 2, "no answer was given"),
    ],
)
def test_any_other_answer_sends_nothing(
    account: SimulatedAccount,
    server: LoopbackServer,
    environ: dict[str, str],
    verb: str,
    answer: str,
    code: int,
    message: str,
) -> None:
    with asked(environ, verb, job_with(account, "running", "logs-eu")) as program:
        program.see("[y/N]" if verb == "pause" else "type logs-eu:")
        program.type(answer)
        assert program.ended() == code
        assert message in program.text
        program.assert_restored()
    assert changing(server) == []


def test_abort_all_needs_the_account_id(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str]
) -> None:
    for answer, code in (("logs-eu", 2), (account.account_id, 0)):
        with asked(environ, "abort", "--all") as program:
            program.see(f"type {account.account_id}:")
            program.type(f"{answer}\n")
            assert program.ended() == code
    assert changing(server) == ["PUT"]
    assert "running" not in {course.status(time.time()) for course in account.jobs()}


def test_abort_all_asks_again_about_a_job_created_meanwhile(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str]
) -> None:
    word = account.account_id
    url = f"{server.url}/accounts/{word}/slurper/jobs/{job_with(account, 'running')}/pause"
    headers = {"authorization": f"Bearer {account.token}"}
    assert account.answer(httpx.Request("PUT", url, headers=headers)).status_code == 200
    with asked(environ, "abort", "--all") as program:
        program.see(f"type {word}:")
        late = create_elsewhere(account)
        program.type(f"{word}\n")
        program.see("nothing was sent")
        program.see(late)
        program.wait_for(lambda: program.text.count(f"type {word}:") == 2, "the second question")
        assert changing(server) == []
        program.type(f"{word}\n")
        assert program.ended() == 0
        program.see(f"{late} aborted")
    assert changing(server) == ["PUT"]


def test_input_before_the_question_is_discarded(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str]
) -> None:
    account.faults.add(Fault(Kind.SLOW, operation="list", seconds=1.0, times=1))
    with asked(environ, "pause", job_with(account, "running")) as program:
        program.wait_for(lambda: bool(server.requests), "the first request")
        program.type("y\ny\n")
        program.see("[y/N]")
        assert program.process.poll() is None
        program.type("n\n")
        assert program.ended() == 0
    assert changing(server) == []


def test_the_outcome_of_a_lost_answer_is_polled_not_resent(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str]
) -> None:
    account.faults.add(Fault(Kind.RESET, operation="abort"))
    job = job_with(account, "running")
    with asked(environ, "abort", job, "--yes") as program:
        assert program.ended() == 0
        assert "no answer to it: the connection was reset" in program.text.replace("\n", "")
    assert changing(server) == ["PUT"]
    assert status_of(account, job) == "aborted"


@pytest.mark.parametrize("operation", ["abort", "progress"])
def test_an_interrupt_reports_that_the_request_may_have_been_sent(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str], operation: str
) -> None:
    after = 0 if operation == "abort" else 2
    account.faults.add(Fault(Kind.HANG, operation=operation, after=after, seconds=30))
    with asked(environ, "abort", job_with(account, "running"), "--yes") as program:
        program.wait_for(lambda: bool(changing(server)), "the request")
        program.type("\x03")
        assert program.ended() == 130
        assert "abort may have been sent: look at the job" in program.text
        program.assert_restored()
    assert changing(server) == ["PUT"]


def test_a_job_that_changed_meanwhile_is_not_touched(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str]
) -> None:
    job = job_with(account, "running")
    with asked(environ, "pause", job) as program:
        program.see("[y/N]")
        with asked(environ, "abort", job, "--yes") as other:
            assert other.ended() == 0
        program.type("y\n")
        assert program.ended() == 2
        assert "nothing was sent: it was aborted meanwhile" in program.text
    assert changing(server) == ["PUT"]


def test_without_a_terminal_nothing_is_asked(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str]
) -> None:
    words = [PROGRAM, "abort", job_with(account, "running")]
    with PtyProgram(words, environ, size=(120, 24), redirect="</dev/null") as program:
        assert program.ended() == 2
        assert "add --yes" in program.text
    assert server.requests == []


def test_stdout_has_only_the_result(
    account: SimulatedAccount, environ: dict[str, str], tmp_path: Path
) -> None:
    job = job_with(account, "running")
    lines = tmp_path / "out"
    words = [PROGRAM, "pause", job]
    with PtyProgram(words, environ, size=(120, 24), redirect=f'>"{lines}"') as program:
        program.see("[y/N]")
        program.type("y\n")
        assert program.ended() == 0
    [line] = lines.read_text(encoding="utf-8").splitlines()
    assert line.startswith(f"{job} paused ")


def test_actions_from_here_and_elsewhere_are_in_the_event_history(
    account: SimulatedAccount, server: LoopbackServer, environ: dict[str, str]
) -> None:
    job = job_with(account, "running", "logs-eu")
    with asked(environ, "pause", job, "--yes") as program:
        assert program.ended() == 0
    url = f"{server.url}/accounts/{account.account_id}/slurper/jobs/{job}/abort"
    headers = {"Authorization": f"Bearer {account.token}"}
    httpx.put(url, headers=headers, trust_env=False, verify=False).raise_for_status()
    with PtyProgram([PROGRAM, job], environ, size=(120, 30)) as program:
        program.see("pause sent from here")
        program.see("paused, as requested here")
        program.see("aborted from elsewhere")
        program.type("q")
        assert program.ended() == 0
