"""Behaviour that needs a process of its own: imports, pipes, signals, crashes."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.patience import PATIENCE
from tests.server import serve

PROGRAM = (sys.executable, "-m", "slurper_tui")


def environ(home: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **more}


@contextmanager
def watching(command: Sequence[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until its first line; end it with the test."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline()
            yield program
        finally:
            program.kill()


def run_python(code: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ(home), capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()[-1]


def imported(words: list[str], modules: list[str], home: Path) -> str:
    """Which of the modules one command line has imported at its end."""
    return run_python(
        "import sys\n"
        "from slurper_tui.cli.main import run\n"
        f"run({words!r})\n"
        f"print(sorted(m for m in {modules!r} if m in sys.modules))",
        home,
    )


def test_help_imports_argparse_alone(tmp_path: Path) -> None:
    heavy = ["asyncio", "dataclasses", "httpx", "logging", "msgspec", "platformdirs", "shutil"]
    assert imported(["--help"], [*heavy, "textual", "typing_extensions"], tmp_path) == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ["--demo", "jobs"],
        ["--demo", "doctor"],
        ["--demo", "progress", "a5"],
        ["--demo", "--interval", "2"],
        ["jobs"],
    ],
)
def test_lines_never_import_the_screen(words: list[str], tmp_path: Path) -> None:
    assert imported(words, ["textual", "rich", "click"], tmp_path) == "[]"


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    for command in ("--demo jobs", "--demo --interval 2", "--help"):
        line = f'"{sys.executable}" -m slurper_tui {command} | head -n 1'
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            env=environ(tmp_path),
            capture_output=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.count(b"\n") == 1


def test_a_watch_notices_that_its_reader_left_before_the_next_line(tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=1)
    with serve(account) as server:
        env = environ(tmp_path, **server.environment())
        with watching([*PROGRAM, "watch"], env) as watch:
            assert watch.stdout is not None
            watch.stdout.close()
            assert watch.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGQUIT, 131)],
)
def test_a_signal_ends_lines_with_its_code(number: int, code: int, tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=2)
    with serve(account) as server:
        env = environ(tmp_path, **server.environment())
        with watching([*PROGRAM, "watch"], env) as watch:
            account.faults.add(Fault(Kind.HANG))
            watch.send_signal(number)
            _, said = watch.communicate(timeout=PATIENCE)
            assert (watch.returncode, said) == (code, b"")


def test_a_signal_that_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=1)
    with serve(account) as server:
        env = environ(tmp_path, **server.environment())
        line = f'trap "" HUP; exec "{sys.executable}" -m slurper_tui watch'
        with watching(["bash", "-c", line], env) as watch:
            watch.send_signal(signal.SIGHUP)
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(PATIENCE) == 143


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--demo jobs", "--version", "--help", "jobs --help"])
def test_a_full_disk_is_one_line(tmp_path: Path, words: str, unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, *words.split()],
            env=environ(tmp_path, PYTHONUNBUFFERED=unbuffered),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
        )
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "slurper-tui: cannot write to standard output: No space left on device"
    ]


def test_help_into_a_closed_pipe_ends_with_0(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m slurper_tui --help | true; echo ${{PIPESTATUS[0]}}'],
        env=environ(tmp_path),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert (done.stdout, done.stderr) == (b"0\n", b"")


def test_closed_standard_streams_are_no_crash(tmp_path: Path) -> None:
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["bash", "-c", f'"{sys.executable}" -m slurper_tui --demo jobs {closed}'],
            env=environ(tmp_path),
            capture_output=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (0, b"")


def test_the_log_is_private_and_without_secrets(tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=2)
    log = tmp_path / "slurper.log"
    with serve(account) as server:
        for _ in range(2):
            subprocess.run(
                [*PROGRAM, "jobs", "--log", str(log)],
                env=environ(tmp_path, **server.environment()),
                check=True,
                capture_output=True,
                timeout=PATIENCE,
            )
    text = log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert account.token not in text
    assert text.count("started: slurper-tui: ") == 2
    assert text.count("/progress") >= 4
    assert all("+00:00 " in line and " slurper_tui." in line for line in text.splitlines())


def test_a_log_that_cannot_be_written_is_exit_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "--demo", "jobs", "--log", str(tmp_path / "no" / "log")],
        env=environ(tmp_path),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1


def test_a_log_pipe_without_a_reader_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = subprocess.run(
        [*PROGRAM, "--demo", "jobs", "--log", str(tmp_path / "pipe")],
        env=environ(tmp_path),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, b"", 1)


def test_a_log_that_another_program_reads_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    ours = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    subprocess.run(
        [*PROGRAM, "--demo", "jobs", "--log", str(tmp_path / "pipe")],
        env=environ(tmp_path),
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    with open(ours, "rb") as pipe:
        assert b"started: slurper-tui" in pipe.read()


@pytest.mark.parametrize(
    ("home", "said"),
    [
        (None, ["slurper-tui: history off: there is no home folder to keep it in"]),
        ("", ["slurper-tui: history off: there is no home folder to keep it in"]),
        ("x", ["slurper-tui: history off: there is no home folder to keep it in"]),
        ("/dev/null", ["slurper-tui: history off: its file cannot be opened: not a directory"]),
    ],
)
def test_without_a_home_it_runs_without_a_history(
    tmp_path: Path, home: str | None, said: list[str]
) -> None:
    account = SimulatedAccount(jobs=1)
    with serve(account) as server:
        variables = environ(tmp_path, **server.environment())
        variables = {name: value for name, value in variables.items() if name != "HOME"}
        # Nobody has this number, so that there is no entry with a home folder either.
        words = ["unshare", "--user", "--map-user=54321", "--map-group=54321", *PROGRAM, "jobs"]
        done = subprocess.run(
            words,
            env=variables if home is None else {**variables, "HOME": home},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    if "unshare" in done.stderr:
        pytest.skip("no user namespaces here")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert done.stderr.splitlines() == said
    assert list(tmp_path.iterdir()) == []


def test_a_history_locked_until_the_end_is_reported(tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=1)
    with serve(account) as server:
        variables = environ(tmp_path, **server.environment())

        def jobs() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*PROGRAM, "jobs"], env=variables, capture_output=True, text=True, timeout=PATIENCE
            )

        assert jobs().stderr == ""
        [path] = tmp_path.rglob("history.sqlite3")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        done = jobs()
        other.close()
        assert (done.returncode, done.stderr) == (
            0,
            "slurper-tui: history off: another program keeps its file locked\n",
        )
        assert jobs().stderr == ""


ENDED_BY_MANY = """
import os, threading
from slurper_tui.cli.signals import Guard

def restore():
    os.write(1, b"restored ")
    threading.Event().wait(0.3)  # the others would have their turn meanwhile

with Guard(restore) as guard:
    for _ in range(5):
        guard.enforce(143, 0.01)
    threading.Event().wait(60)
"""


def test_of_several_that_would_end_the_process_one_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED_BY_MANY],
        env=environ(tmp_path),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (143, b"restored ")
