"""Jobs created by the installed program: typed bucket keys, and kill -9 at any step of a plan."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.cli.making import KEYS, S3, SECRET
from tests.server import LoopbackServer, serve
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

PREFIXES = ("2022/", "2023/", "2024/")
PATIENCE = 100.0
"""Seconds; the program searches a minute for the job of a step that may have been sent."""


@pytest.fixture
def empty() -> SimulatedAccount:
    return SimulatedAccount(jobs=0, slots=10)


@pytest.fixture
def place(empty: SimulatedAccount, tmp_path: Path) -> Iterator[Place]:
    with serve(empty) as server:
        yield Place(empty, server, tmp_path)


class Place:
    """A user's folder and server."""

    def __init__(self, account: SimulatedAccount, server: LoopbackServer, folder: Path) -> None:
        self.account = account
        self.server = server
        self.folder = folder
        self.environ = environment(folder, **server.environment(), **KEYS)
        self.list = folder / "prefixes"
        self.list.write_text("\n".join(PREFIXES) + "\n")

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the installed program."""
        return subprocess.Popen(
            [PROGRAM, "create", *arguments, "--yes"],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def posts(self) -> int:
        """Return the number of create requests that arrived."""
        return sum(request.method == "POST" for request in self.server.requests)

    def made(self) -> Counter[str | None]:
        """Return the number of jobs by prefix."""
        sources = (course.plan.source for course in self.account.jobs())
        return Counter(source.path_prefix for source in sources if source)

    def finish(self) -> None:
        """Resume the plan until all jobs are started; answer for undecided steps as the user."""
        for again in ([], *([["--send-again", str(n)] for n in (1, 2, 3)])):
            program = self.begin("--go-on", *again)
            _, output = program.communicate(timeout=PATIENCE)
            if program.returncode == 0:
                return
            assert program.returncode in (2, 7), output.decode()
        raise AssertionError("it did not come to an end")


def kill_when(program: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """Kill a program when a condition holds, or wait for its end if that comes first."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and program.poll() is None:
        assert time.monotonic() < deadline
        os.sched_yield()
    program.kill()
    program.communicate(timeout=PATIENCE)


def read_until(program: subprocess.Popen[bytes], words: bytes) -> bytes:
    """Return a program's output up to this text."""
    assert program.stderr is not None
    output = b""
    while words not in output:
        line = program.stderr.readline()
        assert line, output
        output += line
    return output


@pytest.mark.parametrize("number", [3, 5, 6, 7, 8, 10])
def test_after_kill_at_any_request_each_job_is_created_once(place: Place, number: int) -> None:
    program = place.begin(*S3, "--prefixes", str(place.list))
    kill_when(program, lambda: len(place.server.requests) >= number)
    place.finish()
    kept = place.made() or place.posts()
    assert place.made() == (dict.fromkeys(PREFIXES, 1) if kept else {})
    assert place.posts() == len(place.account.jobs())


@pytest.mark.parametrize("step", [0, 1, 2])
def test_after_kill_in_a_hanging_request_the_job_is_found_not_created_again(
    place: Place, step: int
) -> None:
    place.account.faults.add(Fault(Kind.HANG, operation="create", after=step, times=1))
    program = place.begin(*S3, "--prefixes", str(place.list))
    kill_when(program, lambda: place.posts() > step)
    place.account.faults.clear()
    place.finish()
    assert place.made() == dict.fromkeys(PREFIXES, 1)
    assert place.posts() == 3


def test_after_kill_while_waiting_for_a_slot_the_plan_resumes(place: Place) -> None:
    full = Fault(operation="create", status=409, code=10009, after=1)
    place.account.faults.add(full)
    program = place.begin(*S3, "--prefixes", str(place.list))
    read_until(program, b"free slot")
    program.kill()
    program.communicate(timeout=PATIENCE)
    place.account.faults.clear()
    place.finish()
    assert place.made() == dict.fromkeys(PREFIXES, 1)


def test_two_programs_with_one_history_start_each_step_once(place: Place) -> None:
    place.account.faults.add(Fault(Kind.SLOW, operation="create", seconds=1.0))
    first = place.begin(*S3, "--prefixes", str(place.list))
    while place.posts() == 0:
        assert first.poll() is None
        os.sched_yield()
    second = place.begin("--go-on")
    ends = [program.communicate(timeout=PATIENCE)[1] for program in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ends
    assert place.made() == dict.fromkeys(PREFIXES, 1)
    assert place.posts() == 3


def test_ctrl_c_keeps_the_remaining_steps_and_prints_how_to_resume(place: Place) -> None:
    place.account.faults.add(Fault(operation="create", status=409, code=10009, after=1))
    program = place.begin(*S3, "--prefixes", str(place.list))
    output = read_until(program, b"free slot")
    program.send_signal(signal.SIGINT)
    output += program.communicate(timeout=PATIENCE)[1]
    assert program.returncode == 130
    assert "1 started, 2 waiting; continue with `slurper-tui create --go-on 1`" in output.decode()
    place.account.faults.clear()
    place.finish()
    assert place.made() == dict.fromkeys(PREFIXES, 1)


def without_keys(place: Place) -> dict[str, str]:
    return {name: value for name, value in place.environ.items() if name not in KEYS}


def test_bucket_keys_are_typed_without_echo_and_yes_starts_the_job(place: Place) -> None:
    with PtyProgram([PROGRAM, "create", *S3], without_keys(place)) as program:
        for prompt in ("source access key id", "source secret access key"):
            program.see(f"{prompt}:")
            program.type(f"source-{SECRET}\n")
        for prompt in ("target access key id", "target secret access key"):
            program.see(f"{prompt}:")
            program.type(f"target-{SECRET}\n")
        program.see("start this job? [y/N]")
        assert place.account.jobs() == []
        program.type("y\n")
        assert program.ended() == 0
        program.assert_restored()
        assert SECRET.encode() not in program.raw
        [course] = place.account.jobs()
        assert course.plan.id.encode() in program.raw


def test_any_answer_but_yes_starts_nothing(place: Place) -> None:
    with PtyProgram([PROGRAM, "create", *S3], place.environ) as program:
        program.see("start this job? [y/N]")
        program.type("\n")
        assert program.ended() == 0
        program.see("nothing was started")
        assert place.posts() == 0


def test_ctrl_c_at_the_prompt_restores_the_terminal(place: Place) -> None:
    with PtyProgram([PROGRAM, "create", *S3], without_keys(place)) as program:
        program.see("source access key id:")
        program.type("\x03")
        assert program.ended() == 130
        program.assert_restored()
        assert place.posts() == 0


def test_a_list_is_read_from_the_terminal_and_ctrl_c_ends_it(place: Place) -> None:
    arguments = [PROGRAM, "create", *S3, "--prefixes", "-"]
    with PtyProgram(arguments, place.environ) as program:
        program.type("2022/\n2023/\n\x04")
        program.see("start these 2 jobs? [y/N]")
        program.type("y\n")
        assert program.ended() == 0
        assert place.made() == {"2022/": 1, "2023/": 1}
    before = len(place.server.requests)
    with PtyProgram(arguments, place.environ) as program:
        program.type("2024/\n")
        while len(place.server.requests) == before:
            assert program.process.poll() is None
            os.sched_yield()
        program.type("\x03")
        assert program.ended() == 130
        program.assert_restored()
        assert place.posts() == 2


def test_a_private_key_is_typed_line_by_line(place: Place) -> None:
    google = ("--source-vendor", "gcs", "--source-bucket", "logs", "--target-bucket", "archive")
    targets = {name: value for name, value in KEYS.items() if "TARGET" in name}
    environ = {**without_keys(place), **targets}
    with PtyProgram([PROGRAM, "create", *google], environ) as program:
        program.see("source client email:")
        program.type("me@project.example\n")
        program.see("source private key:")
        program.type(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n")
        program.see("start this job? [y/N]")
        program.type("y\n")
        assert program.ended() == 0
        assert SECRET.encode() not in program.raw
        assert len(place.account.jobs()) == 1


def test_keys_are_read_from_a_pipe(place: Place) -> None:
    ran = subprocess.run(
        [PROGRAM, "create", *S3, "--keys-file", "-", "--yes"],
        env=place.environ,
        input=b"a b\0c\nd\0",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    [course] = place.account.jobs()
    assert course.plan.source is not None
    assert course.plan.source.keys == ("a b", "c\nd")
