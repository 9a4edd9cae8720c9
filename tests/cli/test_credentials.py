"""Credentials in variables, files and programs' output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slurper_tui.api.credentials import CredentialError, Credentials
from slurper_tui.cli import credentials
from slurper_tui.cli.credentials import read_command, read_file, source_of
from slurper_tui.config import Account
from tests.patience import PATIENCE

HUSH = "hush-0123456789"


def token_of(read: Credentials | None) -> str:
    assert read is not None
    return read.headers()["Authorization"].removeprefix("Bearer ")


def private(file: Path, text: str | bytes = f"{HUSH}\n") -> Path:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(0o600)
    return file


def test_each_form_of_an_account_is_read(tmp_path: Path) -> None:
    environ = {"T": f" {HUSH} ", "E": "a@b.c", "K": "key-0123456789"}
    private(tmp_path / "token")
    by_env = source_of(Account("0a", token_env="T"), environ, tmp_path)
    assert (token_of(by_env.credentials), by_env.read) == (HUSH, None)
    by_file = source_of(Account("0a", token_file="token"), {}, tmp_path)
    assert token_of(by_file.credentials) == HUSH
    private(tmp_path / "token", "other-0123456789")
    assert by_file.read is not None
    assert token_of(by_file.read()) == "other-0123456789"
    by_key = source_of(Account("0a", email_env="E", key_env="K"), environ, tmp_path).credentials
    assert by_key is not None
    assert by_key.headers() == {"X-Auth-Email": "a@b.c", "X-Auth-Key": "key-0123456789"}
    command = (sys.executable, "-c", f"print('{HUSH}')")
    by_command = source_of(Account("0a", token_command=command), {}, tmp_path)
    assert by_command.credentials is None  # it does not run before the first request
    assert by_command.read is not None
    assert token_of(by_command.read()) == HUSH


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (Account("0a", token_env="T"), "the variable T is not set"),
        (Account("0a", token_env="BAD"), "token_env: BAD: the API token holds a space"),
        (Account("0a", email_env="E", key_env="K"), "the variable E is not set"),
        (Account("0a", email_env="GOOD", key_env="BAD"), "email_env, key_env: GOOD, BAD: the API"),
        (Account("0a", token_file="none"), "No such file or directory"),
    ],
)
def test_what_is_missing_or_invalid_is_named_and_not_quoted(
    tmp_path: Path, account: Account, said: str
) -> None:
    with pytest.raises(CredentialError) as caught:
        source_of(account, {"BAD": f"{HUSH} {HUSH}", "GOOD": "a@b.c", "K": ""}, tmp_path)
    assert said in str(caught.value)
    assert HUSH not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path / "token")
    file.chmod(mode)
    with pytest.raises(CredentialError, match="others can read it; chmod 600"):
        read_file(file)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        (HUSH, HUSH),
        (f"  {HUSH}\r\nrest\n", HUSH),
        (f"{HUSH}\n\x00\xff\n", HUSH),
    ],
)
def test_the_token_is_the_first_line(tmp_path: Path, text: str, token: str) -> None:
    assert token_of(read_file(private(tmp_path / "token", text))) == token


@pytest.mark.parametrize("text", ["", "\n", f"\n{HUSH}", f"{HUSH} x", b"\xff\xfe"])
def test_a_file_without_a_token_is_refused_without_its_content(
    tmp_path: Path, text: str | bytes
) -> None:
    with pytest.raises(CredentialError) as caught:
        read_file(private(tmp_path / "token", text))
    assert HUSH not in str(caught.value)


def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(CredentialError):
            read_file(tmp_path / name)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "ended with exit code 3"),
        (f"print('{HUSH}'); raise SystemExit(1)", "ended with exit code 1"),
        ("import os; os.kill(os.getpid(), 9)", "ended with signal 9"),
        ("pass", "the API token is empty"),
        (f"print('{HUSH} x')", "the API token holds a space"),
        ("import sys\nwhile True: sys.stdout.write('x' * 9999)", "it prints too much"),
    ],
)
def test_a_program_that_prints_no_token_is_told_without_its_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    with pytest.raises(CredentialError) as caught:
        read_command(python(f"import sys; sys.stderr.write('{HUSH}')\n{code}"), tmp_path)
    assert str(caught.value).startswith("token_command: ")
    assert said in str(caught.value)
    assert HUSH not in str(caught.value) + "".join(capfd.readouterr())


def test_a_program_runs_without_shell_input_and_terminal(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "assert sys.stdin.read() == '' and os.getsid(0) == os.getpid()\n"
        f"print('{HUSH}' if sys.argv[1:] == ['$HOME;', '*'] else '')"
    )
    assert token_of(read_command((*python(code), "$HOME;", "*"), tmp_path)) == HUSH


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="token_command: nope: No such file"):
        read_command(("nope",), tmp_path)


def test_a_program_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "COMMAND_SECONDS", 0.3)
    code = "import os, time; os.fork(); time.sleep(600)"
    with pytest.raises(CredentialError, match="no answer within"):
        read_command(python(code), tmp_path)


def test_an_agent_that_a_program_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    code = f"""
import os, time
print("{HUSH}", flush=True)
if os.fork() == 0:
    os.setsid()
    open("agent", "w").write(str(os.getpid()))
    time.sleep(600)
while not os.path.exists("agent") or not open("agent").read(): time.sleep(0.01)
"""
    try:
        assert token_of(read_command(python(code), tmp_path)) == HUSH
    finally:
        os.kill(int((tmp_path / "agent").read_text()), signal.SIGKILL)


def test_a_program_that_closes_its_output_may_take_its_time(tmp_path: Path) -> None:
    code = f"import os, time\nprint('{HUSH}', flush=True)\nos.close(1)\ntime.sleep(0.1)"
    assert token_of(read_command(python(code), tmp_path)) == HUSH


def test_a_program_that_nobody_waits_for_any_more_is_stopped(tmp_path: Path) -> None:
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read_command, python(code), tmp_path)
        wait_for(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
        credentials.stop_commands()
        with pytest.raises(CredentialError, match="ended with signal 9"):
            reading.result(PATIENCE)


def test_a_program_ends_with_the_command_that_waits_for_it(tmp_path: Path) -> None:
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    words = json.dumps(python(code))
    file = tmp_path / "config.toml"
    file.write_text(f'[accounts.a]\nid = "0a"\ntoken_command = {words}')
    command = (sys.executable, "-m", "slurper_tui", "jobs", "--config", str(file))
    with subprocess.Popen(command, env={"HOME": str(tmp_path)}) as program:
        wait_for(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
        program.terminate()
        assert program.wait(PATIENCE) == 143
    child = int((tmp_path / "pid").read_text())
    wait_for(lambda: not is_running(child))


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
