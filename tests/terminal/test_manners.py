"""The terminal is restored after every way of ending and stopping the program."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.patience import PATIENCE
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

SIGNALS = [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGQUIT, 131)]


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_quitting_restores_the_terminal(environ: dict[str, str], key: str) -> None:
    with PtyProgram([PROGRAM], environ) as program:
        program.see("running")
        assert {1049, 2004} <= program.modes()
        program.wait_for(lambda: 25 in program.modes(), "the cursor")
        program.type(key)
        assert program.ended() == 0
        program.assert_restored()


def test_the_mouse_is_off_by_default(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], environ) as program:
        program.see("running")
        assert not {1000, 1003} & program.modes()
        program.type("q")
        assert program.ended() == 0
    with PtyProgram([PROGRAM, "--mouse"], environ) as program:
        program.see("running")
        program.wait_for(lambda: {1000, 1003} <= program.modes(), "the mouse")
        # Textual requests mouse pixels too from a terminal with in-band size reports.
        program.type("\x1b[?2048;2$y")
        program.wait_for(lambda: {1016, 2048} <= program.modes(), "pixels")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_signals_restore_the_terminal_during_requests(
    environ: dict[str, str], account: SimulatedAccount, number: int, code: int
) -> None:
    with PtyProgram([PROGRAM], environ) as program:
        program.see("running")
        account.faults.add(Fault(Kind.HANG))
        program.type("R")
        program.process.send_signal(number)
        assert program.ended() == code
        program.assert_restored()
        assert b"Traceback" not in program.raw


def test_a_signal_during_startup(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], environ) as program:
        program.wait_for(lambda: 1049 in program.modes(), "the alternate screen")
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 143
        program.assert_restored()


def test_a_stalled_terminal_does_not_delay_the_exit(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], environ, size=(200, 50)) as program:
        program.see("running")
        program.stop_reading()
        for _ in range(50):
            program.type("\x0c")
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(PATIENCE) == 143


HANGING_NAMES = """
import socket, sys, time
from slurper_tui.cli.main import main
socket.getaddrinfo = lambda *_, **__: time.sleep(600)
sys.exit(main())
"""


@pytest.mark.parametrize(("how", "code"), [("q", 0), ("SIGTERM", 143)])
def test_a_hanging_dns_lookup_does_not_delay_the_exit(
    environ: dict[str, str], how: str, code: int
) -> None:
    environ = {**environ, "CLOUDFLARE_BASE_URL": "https://api.invalid/client/v4"}
    with PtyProgram([sys.executable, "-c", HANGING_NAMES], environ) as program:
        program.see("quit")
        if how == "q":
            program.type("q")
        else:
            program.process.send_signal(signal.Signals[how])
        assert program.ended() == code
        program.assert_restored()


@pytest.mark.parametrize("trap", ["", "trap '' HUP; "])
def test_a_vanished_terminal_ends_the_program(
    environ: dict[str, str], tmp_path: Path, trap: str
) -> None:
    line = ["sh", "-c", f'{trap}exec "$0"', PROGRAM]
    with PtyProgram(line, environ, redirect="2>errors", folder=tmp_path) as program:
        program.see("running")
        program.vanish()
        assert program.process.wait(PATIENCE) == 129
    assert (tmp_path / "errors").read_text() == ""


def test_a_background_program_ends_when_the_terminal_vanishes(environ: dict[str, str]) -> None:
    line = f'set -m; "{PROGRAM}" & fg %1; echo left $?'
    with PtyProgram(["bash", "--norc", "--noprofile", "-c", line], environ) as program:
        program.see("running")
        child = _child_of(program.process.pid)
        assert _alive(child)
        program.vanish()
        program.wait_for(lambda: not _alive(child), "the end of the program")
        assert not _alive(child)


CRASHES = {
    "in the app": "Monitor.refresh_all = boom",
    "in the monitor": "Monitor.refresh_all = lambda self: setattr(self, '_plan', boom)",
}


@pytest.mark.parametrize("where", CRASHES)
def test_a_crash_restores_the_terminal_and_writes_a_report(
    environ: dict[str, str], account: SimulatedAccount, where: str
) -> None:
    script = f"""
import sys
from slurper_tui.cli.main import main
from slurper_tui.monitor.polling.poller import Monitor
def boom(*_):
    secret = {account.token!r}
    raise LookupError("about " + secret)
{CRASHES[where]}
Monitor.set_interval = Monitor.refresh_all
sys.exit(main())
"""
    with PtyProgram([sys.executable, "-c", script], environ, size=(200, 24)) as program:
        program.see("running")
        program.type("R")
        program.wait_for(lambda: 1049 not in program.modes(), "the end")
        assert program.ended() == 70
        program.assert_restored()
        output = program.raw.rpartition(b"\x1b[?1049l")[2].decode()
        found = re.search(r"this is a bug: LookupError: about \*\*\*; .* (/\S+\.txt)", output)
        assert found, output
        report = Path(found[1]).read_text()
        assert "in boom" in report
        assert account.token not in report
        assert account.token.encode() not in program.raw
        assert b"Traceback" not in program.raw


def test_missing_credentials_leave_the_terminal_untouched(tmp_path: Path) -> None:
    with PtyProgram([PROGRAM], environment(tmp_path)) as program:
        assert program.ended() == 3
        assert b"\x1b[?" not in program.raw
        assert program.text.strip().startswith("slurper-tui: no credentials")
        program.assert_restored()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('theme = "slurper-drak"', ":1:1: unknown theme 'slurper-drak'; did you mean"),
        ('[keys]\n"app.qiut" = "x"', ":2:1: unknown key id 'app.qiut'; did you mean 'app.quit'?"),
        ('[keys]\n"list.filter" = "q"', ":2:1: list.filter: key 'q' is app.quit's already"),
        ('[keys]\n"app.quit" = "f,"', ":2:1: app.quit: an empty key"),
        ('[keys]\n"log.follow" = "w"', ":2:1: log.follow: key 'w' is log.wrap's already"),
        ('[keys]\n"move.down" = "c"', ":2:1: move.down: key 'c' is failures.retry's already"),
    ],
)
def test_an_invalid_setting_leaves_the_terminal_untouched(
    environ: dict[str, str], tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "c.toml").write_text(text)
    arguments = [PROGRAM, "--config", "c.toml"]
    with PtyProgram(arguments, environ, size=(200, 24), folder=tmp_path) as program:
        assert program.ended() == 2
        assert b"\x1b[?" not in program.raw
        assert f"slurper-tui: c.toml{message}" in program.text


def test_rejected_credentials_end_with_one_line(environ: dict[str, str]) -> None:
    wrong = {**environ, "CLOUDFLARE_API_TOKEN": "wrong-secret"}
    with PtyProgram([PROGRAM], wrong, size=(160, 24)) as program:
        assert program.ended() == 3
        program.assert_restored()
        assert "the API rejects these credentials" in program.text
        assert "10000: Authentication error" in program.text
        assert b"wrong-secret" not in program.raw


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("zzz", "no job's id and no job's BUCKET/PREFIX begins with 'zzz'"),
        ("a", "2 jobs begin with 'a':"),
    ],
)
def test_an_ambiguous_job_ends_with_a_message(
    environ: dict[str, str], job: str, message: str
) -> None:
    with PtyProgram([PROGRAM, job], environ) as program:
        assert program.ended() == 2
        program.assert_restored()
        assert f"slurper-tui: {message}" in program.text


def test_only_the_named_jobs_are_shown(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM, "4903e1"], environ) as program:
        program.see("1 running")
        assert "paused" not in program.text
        program.type("q")
        assert program.ended() == 0


SHELL = ("bash", "--norc", "--noprofile", "-i")


def stop(program: PtyProgram, how: str) -> None:
    """Stop the shell's job by key or by signal."""
    if how == "by key":
        program.type("\x1a")
    else:
        os.kill(_child_of(program.process.pid), signal.SIGTSTP)
    program.see("Stopped")


@pytest.mark.parametrize("how", ["by key", "by signal"])
def test_a_shell_stops_and_continues_the_program(environ: dict[str, str], how: str) -> None:
    with PtyProgram(SHELL, {**environ, "PS1": "ready> "}) as program:
        program.see("ready>")
        program.type(f"{PROGRAM}\n")
        program.see("running")
        stop(program, how)
        assert not {1000, 1004, 1049} & program.modes()
        assert {7, 25} <= program.modes()
        program.type("stty -a | grep -o ' icanon'; echo back\n")
        program.see(" icanon")
        program.type("clear; bg\n")
        program.see(" &")
        child = _child_of(program.process.pid)
        program.wait_for(lambda: _state(child) == "T", "being stopped in the background")
        program.type("clear; fg; echo left $?\n")
        program.see("completed")
        assert 1049 in program.modes()
        program.type("q")
        program.see("left 0")
        program.type("exit\n")
        assert program.ended() == 0
        program.assert_restored()


def test_started_in_the_background(environ: dict[str, str]) -> None:
    with PtyProgram(SHELL, {**environ, "PS1": "ready> "}) as program:
        program.see("ready>")
        program.type(f"{PROGRAM} &\n")
        program.see("[1]")
        child = _child_of(program.process.pid)
        program.wait_for(lambda: _state(child) == "T", "being stopped in the background")
        program.type("clear; fg; echo left $?\n")
        program.see("completed")
        assert 1049 in program.modes()
        program.type("q")
        program.see("left 0")
        assert 1049 not in program.modes()


@pytest.mark.parametrize("how", ["by key", "by signal"])
def test_terminated_while_stopped(environ: dict[str, str], how: str) -> None:
    with PtyProgram(SHELL, {**environ, "PS1": "ready> "}) as program:
        program.see("ready>")
        program.type(f"{PROGRAM}\n")
        program.see("running")
        stop(program, how)
        child = _child_of(program.process.pid)
        program.type("clear; kill %1; wait -f %1; echo left $?\n")
        program.see("left 143")
        assert not _alive(child)
        assert 1049 not in program.modes()


def test_sigstop_and_sigcont(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], environ) as program:
        program.see("running")
        program.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, program.process.pid, os.WSTOPPED | os.WNOWAIT)
        start = len(program.raw)
        program.process.send_signal(signal.SIGCONT)
        program.wait_for(lambda: b"completed" in program.raw[start:], "the whole screen again")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()


def test_suspending_without_job_control_does_not_freeze(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], environ) as program:
        program.see("running")
        start = len(program.raw)
        program.type("\x1a")
        program.wait_for(lambda: b"\x1b[?1049l" in program.raw[start:], "the shell's screen")
        program.wait_for(lambda: 1049 in program.modes(), "our screen")
        start = program.raw.rindex(b"\x1b[?1049h")
        program.wait_for(lambda: b"completed" in program.raw[start:], "the whole screen again")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()


def test_a_dumb_terminal_gets_line_output(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], {**environ, "TERM": "dumb"}) as program:
        program.see("running")
        program.process.send_signal(signal.SIGINT)
        assert program.ended() == 130
        assert b"\x1b[?" not in program.raw
        program.assert_restored()


@pytest.mark.parametrize("redirect", ["2>errors", "0</dev/null", "0</dev/null 2>errors", "0<&-"])
def test_the_screen_needs_stdout_alone(
    environ: dict[str, str], tmp_path: Path, redirect: str
) -> None:
    with PtyProgram([PROGRAM], environ, redirect=redirect, folder=tmp_path) as program:
        program.see("running")
        program.type("?")
        program.type("q")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()
    errors = tmp_path / "errors"
    assert not errors.exists() or errors.read_text() == ""


def _state(pid: int) -> str:
    """Return the state letter of a process; "" when it does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def _alive(pid: int) -> bool:
    return _state(pid) not in ("", "Z")


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
