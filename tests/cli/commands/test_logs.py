"""`logs`: every row, as lines and as JSON Lines."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import log_rows
from tests.cli.logs import account, plan, row, telling
from tests.cli.program import perform
from tests.cli.test_processes import PROGRAM, environ, watching
from tests.patience import PATIENCE
from tests.server import serve

both_orders = pytest.mark.parametrize("oldest_first", [False, True])
RUNNING: dict[str, Any] = {"seconds": 1200.0, "objects": 100_000, "failed": 6000}


def rows_of(account: SimulatedAccount) -> list[dict[str, Any]]:
    """The whole log, newest first, as JSON has it."""
    return [
        {
            "createdAt": row.created_at,
            "job": row.job,
            "logType": row.log_type,
            "message": row.message,
            "objectKey": row.object_key,
        }
        for row in log_rows(account.jobs()[0], time.time(), 10**6, 0)
    ]


@both_orders
def test_every_row_newest_first_as_json_lines(oldest_first: bool) -> None:
    one = account(plan(failed=200, not_copied=60), oldest_rows_first=oldest_first)
    ran = perform(one, "logs", "job1", "--json")
    assert (ran.code, ran.err) == (0, [])
    told = [json.loads(line) for line in ran.out]
    assert told == rows_of(one)
    assert list(told[0]) == ["createdAt", "job", "logType", "message", "objectKey"]
    assert len(told) == 262


def test_an_answer_past_a_bound_is_not_asked_for_again() -> None:
    usual, asked = telling(), []

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/logs"):
            return usual.handle_request(request)
        asked.append(request)
        return httpx.Response(200, json={"success": True, "result": [{}] * 20_001})

    ran = perform(SimulatedAccount(), "logs", "job1", transport=httpx.MockTransport(answer))
    assert (ran.code, ran.out, len(asked)) == (7, [], 1)
    assert len(ran.err) == 1
    assert "20,001 rows" in ran.err[0]


def test_lines_for_a_person() -> None:
    transport = telling(
        row("migrationComplete", message=None),
        row("importErrorRetryExhaustion", "a/b"),
        row("importNobodyForesaw", None, createdAt="some day", message="x"),
        row(None, None, createdAt=None, message=None),
    )
    ran = perform(SimulatedAccount(), "logs", "job1", "--utc", transport=transport)
    assert (ran.code, ran.err) == (0, [])
    assert ran.out == [
        "2026-03-19T15:46:20+00:00  migrationComplete  —  —",
        "2026-03-19T15:46:20+00:00  importErrorRetryExhaustion  a/b  gave up",
        "some day  importNobodyForesaw  —  x",
        "—  —  —  —",
    ]


NASTY = "a\x1b[31m\x9b2J\u202e\ud800\nx"


def test_foreign_text_is_harmless_in_lines_and_exact_in_json() -> None:
    nasty = row(NASTY, NASTY, createdAt=NASTY, message=NASTY, more=[NASTY])
    for words in ([], ["--ascii"]):
        ran = perform(SimulatedAccount(), "logs", "job1", *words, transport=telling(nasty))
        [line] = ran.out
        assert line.isprintable()
    [line] = perform(SimulatedAccount(), "logs", "job1", "--json", transport=telling(nasty)).out
    assert line.isascii()
    assert json.loads(line) == nasty


def test_only_the_types_that_are_asked_for() -> None:
    one = account(plan(failed=20, not_copied=60))
    for types in (["importErrorRetryExhaustion"], ["migrationStart", "migrationComplete"]):
        words = [word for log_type in types for word in ("--type", log_type)]
        ran = perform(one, "logs", "job1", "--json", *words)
        told = [json.loads(line) for line in ran.out]
        assert told == [row for row in rows_of(one) if row["logType"] in types]
        assert (ran.code, ran.err) == (0, [])


def test_a_type_without_rows_is_reported() -> None:
    words = ("--type", "migrationStart", "--type", "migrationPause")
    ran = perform(account(plan()), "logs", "job1", *words)
    assert (ran.code, len(ran.out)) == (0, 1)
    assert ran.err == ["slurper-tui: no row's type is migrationPause"]


def test_no_job_is_exit_2_and_rejected_credentials_are_exit_3() -> None:
    one = account(plan())
    ran = perform(one, "logs", "nobody")
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert perform(one, "logs").code == 2
    one.faults.add(Fault(Kind.REFUSAL, status=403, code=9109, path="jobs/job1/logs"))
    ran = perform(one, "logs", "job1")
    assert (ran.code, ran.out, len(ran.err)) == (3, [], 1)
    assert "the log of job job1 could not be read" in ran.err[0]
    assert "9109" in ran.err[0]


def test_a_refusal_is_exit_7_after_the_rows_read_before_it() -> None:
    one = account(plan(failed=200))
    one.faults.add(Fault(Kind.REFUSAL, status=404, code=10007, path="jobs/job1/logs", after=2))
    ran = perform(one, "logs", "job1")
    assert (ran.code, len(ran.out), len(ran.err)) == (7, 95, 1)
    assert "10007" in ran.err[0]


def test_a_transient_fault_is_reported_and_every_row_printed() -> None:
    one = account(plan(failed=200))
    one.faults.add(Fault(Kind.HTML, path="jobs/job1/logs", after=2, times=1))
    ran = perform(one, "logs", "job1")
    assert (ran.code, len(ran.out)) == (0, 202)
    assert len(ran.err) == 2
    assert ran.err[0].startswith("slurper-tui: the log: ")
    assert ran.err[0].endswith("; trying again")
    assert ran.err[1] == "slurper-tui: the log: reading continues"


def test_the_demo_has_logs() -> None:
    jobs = perform(None, "--demo", "jobs", "--json", environ={"LANG": "C.UTF-8"})
    ended = next(j for j in json.loads(jobs.out[0]) if j["status"] == "completed")
    ran = perform(None, "--demo", "logs", ended["id"], environ={"LANG": "C.UTF-8"})
    # Another account, made at another time: the same seed gives the same ids.
    assert ran.code == 0
    assert "migrationComplete" in ran.out[0]


@both_orders
def test_following_prints_present_rows_and_then_new_ones(
    oldest_first: bool, tmp_path: Path
) -> None:
    one = account(plan(created=time.time() - 60.0, **RUNNING), oldest_rows_first=oldest_first)
    with serve(one) as server:
        env = environ(tmp_path, **server.environment())
        command = [*PROGRAM, "logs", "job1", "--follow", "--json"]
        there = len(rows_of(one))
        with watching(command, env) as program:
            assert program.stdout is not None
            lines = [json.loads(program.stdout.readline()) for _ in range(there + 5)]
            program.send_signal(signal.SIGINT)
            _, said = program.communicate(timeout=PATIENCE)
    # The first line was read by `watching`.
    assert lines == rows_of(one)[::-1][1 : len(lines) + 1]
    assert program.returncode == 130
    assert said.decode().count("\n") == 1
    assert b"oldest first" in said


def test_following_ends_without_a_message_on_a_closed_pipe(tmp_path: Path) -> None:
    one = account(plan(created=time.time() - 60.0, **RUNNING))
    with serve(one) as server:
        env = environ(tmp_path, **server.environment())
        with watching([*PROGRAM, "logs", "job1", "--follow"], env) as program:
            assert program.stdout is not None
            program.stdout.close()
            assert program.wait(PATIENCE) == 0


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    one = account(plan(failed=700))
    with serve(one) as server:
        line = f'"{sys.executable}" -m slurper_tui logs job1 | head -n 1'
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            env=environ(tmp_path, **server.environment()),
            capture_output=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"migrationComplete" in done.stdout
        assert all(seen.method == "GET" for seen in server.requests)


def test_following_outlives_a_server_that_is_away(tmp_path: Path) -> None:
    one = account(plan(created=time.time() - 60.0, **RUNNING))
    with serve(one) as server:
        env = environ(tmp_path, **server.environment())
        there = len(rows_of(one))
        with watching([*PROGRAM, "logs", "job1", "--follow", "--json"], env) as program:
            assert program.stdout is not None
            assert program.stderr is not None
            for _ in range(there - 1):
                program.stdout.readline()
            assert b"oldest first" in program.stderr.readline()
            server.kill()
            assert b"trying again" in program.stderr.readline()
            server.restart()
            assert json.loads(program.stdout.readline())["job"] == "job1"
            assert b"reading continues" in program.stderr.readline()


def test_no_screen_is_imported(tmp_path: Path) -> None:
    from tests.cli.test_processes import imported

    assert imported(["--demo", "logs", "a5"], ["textual", "rich", "click"], tmp_path) == "[]"


def test_logs_of_several_jobs_are_merged_by_time_and_each_row_names_its_job() -> None:
    one = account(plan("job1", failed=3), plan("job2", failed=2, created=time.time() - 3590))
    ran = perform(one, "logs", "job1", "job2", "--utc")
    assert (ran.code, ran.err) == (0, [])
    rows = [line.split("  ") for line in ran.out]
    assert {row[1] for row in rows} == {"job1", "job2"}
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    told = [
        json.loads(line) for line in perform(one, "logs", "--migration", "photos", "--json").out
    ]
    assert [row["job"] for row in told] == [row[1] for row in rows]
    assert len(rows) == sum(len(perform(one, "logs", job).out) for job in ("job1", "job2"))


def test_a_log_that_cannot_be_read_is_told_after_the_rows_of_the_others() -> None:
    one = account(plan("job1", failed=3), plan("job2", failed=2))
    one.faults.add(Fault(Kind.REFUSAL, status=403, code=10000, message="no", path="jobs/job2/logs"))
    ran = perform(one, "logs", "job1", "job2")
    assert ran.code == 3
    assert {line.split("  ")[1] for line in ran.out} == {"job1"}
    assert "the log of one of 2 jobs could not be read" in ran.err[-1]
