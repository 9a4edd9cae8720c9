"""The log and the failures of a job in a pseudo-terminal, from a server on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Course, log_rows
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram

SIZE = (110, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def thumbs(account: SimulatedAccount) -> Course:
    """Return a job that ended with ten failed objects and ten that were not copied."""
    courses = account.jobs()
    return next(c for c in courses if c.plan.source and c.plan.source.bucket == "thumbs")


@pytest.fixture
def program(environ: dict[str, str], server: LoopbackServer, folder: Path) -> Iterator[PtyProgram]:
    """Start the program with that job highlighted."""
    with PtyProgram([PROGRAM, "--interval", "2"], environ, size=SIZE, folder=folder) as running:
        running.see("412k/412k")
        go_to(running, "thumbs")
        yield running
        running.type("\x03")
        assert running.ended() == 0
        running.assert_restored()
        assert b"Traceback" not in running.raw
        assert {seen.method for seen in server.requests} == {"GET"}


def go_to(program: PtyProgram, name: str) -> None:
    """Highlight a job with the palette and wait until the palette is closed."""
    program.type(f":go to {name}\r")
    program.wait_for(lambda: name in program.text.rpartition("───")[2], "its details")
    program.see_no("go to")


def marked(program: PtyProgram) -> str:
    """Return the row under the cursor."""
    return next((line for line in program.text.splitlines() if "▌" in line), "")


def head(program: PtyProgram) -> str:
    return "\n".join(program.text.splitlines()[:2])


def failed_keys(course: Course) -> list[str]:
    rows = log_rows(course, time.time(), 1000, 0)
    return [row.object_key or "" for row in rows if row.log_type == FAILED_TYPE]


def test_a_log_is_read_searched_and_saved(
    program: PtyProgram, thumbs: Course, folder: Path
) -> None:
    program.type("l")
    program.see("22 rows")
    assert "thumbs → previews" in head(program)
    program.wait_for(lambda: "completed" in marked(program), "the newest row")
    for key in failed_keys(thumbs):
        program.see(key[-12:])
    program.type("/started\r")
    program.see("1 of 1")
    program.wait_for(lambda: "started" in marked(program), "the row that was found")
    program.type("s")
    program.see("22 rows saved to ./log-thumbs")
    (saved,) = folder.iterdir()
    saved_rows = [json.loads(line) for line in saved.read_text().splitlines()]
    keys = [row["objectKey"] for row in saved_rows if row["logType"] == FAILED_TYPE]
    assert sorted(keys) == sorted(failed_keys(thumbs))
    program.type("q")
    program.see_no("22 rows")
    program.see("q quit")


def test_failures_are_shown_and_their_keys_saved(
    program: PtyProgram, thumbs: Course, folder: Path
) -> None:
    program.type("e")
    program.see("the log lists 10 of 10 failures")
    program.see("0 already there")
    program.see("10 not copied")
    program.type("\r")
    program.see("Gave up after")
    program.type("E")
    program.see("10 keys saved")
    program.see("rclone copy --files-from-raw")
    (saved,) = folder.iterdir()
    assert sorted(saved.read_text().splitlines()) == sorted(failed_keys(thumbs))
    program.type("\x1b")
    program.see_no("10 keys saved")
    program.type("l")
    program.see("22 rows")
    program.type("e")
    program.see("the log lists 10 of 10 failures")


def test_keys_are_saved_from_the_list(program: PtyProgram, thumbs: Course, folder: Path) -> None:
    program.type("E")
    program.see("10 keys saved")
    (saved,) = folder.iterdir()
    assert sorted(saved.read_text().splitlines()) == sorted(failed_keys(thumbs))


def pause_elsewhere(account: SimulatedAccount, job_id: str) -> None:
    """Pause a job with another client, as the dashboard does."""
    url = f"http://api/client/v4/accounts/{account.account_id}/slurper/jobs/{job_id}/pause"
    headers = {"Authorization": f"Bearer {account.token}"}
    assert account.answer(httpx.Request("PUT", url, headers=headers)).status_code == 200


def test_a_followed_log_gets_new_rows_at_the_top(
    program: PtyProgram, account: SimulatedAccount
) -> None:
    running = account.jobs()[0]
    assert running.plan.source is not None
    assert running.status(time.time()) == "running"
    go_to(program, f"photos-prod/{running.plan.source.path_prefix}")
    program.type("l")
    program.wait_for(lambda: "following" in head(program) and marked(program) != "", "rows")
    assert "paused" not in marked(program)
    pause_elsewhere(account, running.plan.id)
    program.wait_for(lambda: "paused" in marked(program), "the newest row")


@pytest.mark.parametrize("kind", [Kind.HTML, Kind.RESET])
def test_reading_a_log_is_retried(program: PtyProgram, server: LoopbackServer, kind: Kind) -> None:
    account = server.accounts[0]
    account.faults.add(Fault(kind, operation="logs", status=502))
    program.type("l")
    program.see("trying again")
    account.faults.clear()
    program.see("22 rows")
    program.see_no("trying again")
    assert sum("/logs" in asked for asked in map(str, server.requests)) > 1


def test_a_refusal_is_shown_with_the_message_of_the_api(
    program: PtyProgram, server: LoopbackServer
) -> None:
    fault = Fault(operation="logs", status=403, code=10000, message="Authentication error")
    server.accounts[0].faults.add(fault)
    program.type("l")
    program.see("check the token and its permission")
    program.type("!")
    program.see("10000: Authentication error")
    program.type("\x1b")
    program.see_no("10000")


def test_any_size(program: PtyProgram) -> None:
    for key, columns in (("l", 80), ("e", 90)):
        program.type(key)
        program.see("thumbs → previews")
        for size in ((40, 12), (20, 5), (1, 1), (200, 50), (29, 6), (2, 24)) * 3:
            program.resize(*size)
        program.resize(columns, 24)
        program.wait_for(lambda: "Esc back" in program.text.splitlines()[23], "the last line")
        program.wait_for(lambda: "thumbs → previews" in head(program), "the head")
        assert len(program.text.splitlines()) == 24
