"""Being told on a real terminal, in a real tmux and in a pipe: title, bell, command, webhook."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.patience import PATIENCE, until
from tests.receiver import receive
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

TITLE = re.compile(rb"\x1b\]2;([^\x1b]*)\x1b\\")
SAVE, RESTORE = b"\x1b[22;2t", b"\x1b[23;2t"
CLEAR = b"\x1b]9;4;0;0\x1b\\"
ALL = "bell = true\nosc = 9\nprogress = true"
JOB, OTHER = "job-photos", "job-logs"


def plan(id: str, bucket: str) -> Plan:
    source, target = Source("s3", bucket), Target("r2", "media")
    return Plan(id, time.time() - 5400, 100_000, 36_000.0, source, target, listing=5.0)


@pytest.fixture
def account() -> SimulatedAccount:
    return SimulatedAccount(plans=[plan(JOB, "photos"), plan(OTHER, "logs")])


class Person:
    """Somebody with a configuration at a server."""

    def __init__(self, server: LoopbackServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.environ = environment(folder, **server.environment())

    def command(self, settings: str, *words: str) -> list[str]:
        """Return a command line of the program with these ways of being told."""
        file = self.folder / "c.toml"
        file.write_text(f"interval = 2\n[notify]\n{settings}\n")
        return [PROGRAM, *words, "--config", str(file)]

    def abort(self, job: str) -> None:
        """End a job from elsewhere."""
        account = self.server.accounts[0]
        url = f"{self.server.url}/accounts/{account.account_id}/slurper/jobs/{job}/abort"
        headers = {"Authorization": f"Bearer {account.token}"}
        assert httpx.put(url, headers=headers).is_success


@pytest.fixture
def person(server: LoopbackServer, tmp_path: Path) -> Person:
    return Person(server, tmp_path)


def titles(raw: bytes) -> list[str]:
    return [title.decode() for title in TITLE.findall(raw)]


def seen(program: PtyProgram, *parts: bytes) -> None:
    program.wait_for(lambda: all(part in program.raw for part in parts), repr(parts))


def test_the_title_is_all_that_the_screen_tells_by_default(person: Person) -> None:
    with PtyProgram(person.command(""), person.environ) as program:
        program.wait_for(lambda: "▶ ~15 %" in " ".join(titles(program.raw)), "the title")
        person.abort(JOB)
        program.see("aborted")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()
        assert program.raw.count(SAVE) == program.raw.count(RESTORE) == 1
        found = titles(program.raw)
        assert [title for title in found if not re.match("slurper-tui|[▶◔]", title)] == []
        assert all(one != other for one, other in pairwise(found))
        assert b"\a" not in program.raw.replace(b"\x1b]22;default\a", b""), (
            "but the pointer's shape"
        )
        assert b"\x1b]9;" not in program.raw
        assert b"\x1b]777;" not in program.raw


ENDS = [
    ("q", "", 0),
    ("SIGTERM", "", 143),
    ("SIGHUP", "", 129),
    ("SIGINT", "", 130),
    ("SIGQUIT", "", 131),
]


@pytest.mark.parametrize(("how", "word", "code"), ENDS, ids=[how for how, *_ in ENDS])
def test_every_end_takes_title_and_progress_back(
    person: Person, how: str, word: str, code: int
) -> None:
    with PtyProgram(person.command(ALL), person.environ) as program:
        seen(program, SAVE, b"\x1b]9;4;1;15\x1b\\")
        if how == "q":
            program.type("q")
        else:
            program.process.send_signal(signal.Signals[how])
        assert program.ended() == code
        assert program.raw.count(SAVE) == program.raw.count(RESTORE)
        assert program.raw.rindex(CLEAR) > program.raw.rindex(b"\x1b]9;4;1;")
        assert program.raw.rindex(RESTORE) > program.raw.rindex(b"\x1b]2;")


def test_an_unsupported_textual_version_takes_the_title_back_too(person: Person) -> None:
    renamed = json.dumps({r"\b_auto_restart\b": "_renamed"})
    module = [sys.executable, "-m", "tests.tui.other_textual", renamed, "slurper_tui.cli.main"]
    environ = {**person.environ, "PYTHONPATH": str(Path.cwd())}
    with PtyProgram([*module, *person.command(ALL)[1:]], environ) as program:
        seen(program, SAVE, b"\x1b]9;4;1;15\x1b\\")
        person.abort(JOB)
        seen(program, b"\x1b]9;slurper-tui: photos")
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 143
        assert program.raw.count(SAVE) == program.raw.count(RESTORE) == 1
        assert program.raw.rindex(CLEAR) > program.raw.rindex(b"\x1b]9;4;1;")


def test_a_crash_takes_the_title_back(person: Person) -> None:
    script = """
import sys
from slurper_tui.cli.main import main
from slurper_tui.monitor.polling.poller import Monitor
def boom(*_):
    raise LookupError
Monitor.refresh_all = boom
main()
"""
    with PtyProgram(
        [sys.executable, "-c", script, *person.command("")[1:]], person.environ
    ) as program:
        seen(program, SAVE)
        program.type("R")
        assert program.ended() == 70
        assert program.raw.count(RESTORE) == 1


def test_a_suspended_program_gives_the_title_back_and_takes_it_again(person: Person) -> None:
    with PtyProgram(person.command(""), person.environ) as program:
        seen(program, SAVE)
        program.type("\x1a")  # without job control it continues at once
        program.wait_for(lambda: program.raw.count(SAVE) == 2, "the title again")
        assert program.raw.count(RESTORE) == 1
        program.type("q")
        assert program.ended() == 0
        assert program.raw.count(RESTORE) == 2


def test_an_end_rings_once_and_notifies_among_whole_frames(person: Person) -> None:
    with PtyProgram(person.command(ALL), person.environ) as program:
        seen(program, SAVE)
        program.see("photos")
        person.abort(JOB)
        seen(program, b"\x1b]9;slurper-tui: photos \xe2\x86\x92 media: aborted")
        program.see("aborted")
        program.type("q")
        assert program.ended() == 0
        rest = re.sub(rb"\x1b\][^\x1b\a]*(\x1b\\|\a)", b"", program.raw)
        assert rest.count(b"\a") == 1
        program.assert_restored()


def test_what_a_server_did_before_the_start_is_not_told(person: Person) -> None:
    person.abort(JOB)
    with PtyProgram(person.command(ALL), person.environ) as program:
        program.see("aborted")
        person.abort(OTHER)
        seen(program, b"\x1b]9;slurper-tui: logs")
        program.type("q")
        assert program.ended() == 0
        assert b"\x1b]9;slurper-tui: photos" not in program.raw
    with PtyProgram(person.command(ALL), person.environ) as program:
        program.wait_for(lambda: "✔ all ended" in titles(program.raw), "the title")
        program.type("q")
        assert program.ended() == 0
        assert b"\x1b]9;slurper-tui" not in program.raw, "the history knows it"


FAILING = 'command = ["sh", "-c", "exit 3"]'
HANGING = 'command = ["sleep", "600"]'


@pytest.mark.parametrize("page", ["", "l"], ids=["list", "log page"])
def test_a_failing_command_is_said_once_in_the_status_line_and_in_the_log(
    person: Person, tmp_path: Path, page: str
) -> None:
    log = tmp_path / "log"
    command = [*person.command(FAILING), "--log", str(log)]
    with PtyProgram(command, person.environ, size=(120, 30)) as program:
        program.see("photos")
        program.type(page)
        program.see("follow" if page else "quit")
        person.abort(JOB)
        program.see("notify: command sh: it ended with 3")
        program.type("j")
        program.see_no("notify: command sh")
        person.abort(OTHER)
        program.wait_for(lambda: log.read_text().count("it ended with 3") == 2, "the second")
        program.type("\x03")
        assert program.ended() == 0
        assert "notify: command sh" not in program.text


def test_a_hanging_command_delays_neither_polling_nor_quitting(person: Person) -> None:
    with PtyProgram(person.command(HANGING), person.environ, size=(120, 30)) as program:
        program.see("photos")
        person.abort(JOB)
        program.see("aborted")
        asked = len(person.server.requests)
        program.wait_for(lambda: len(person.server.requests) > asked + 3, "further polls")
        program.type("q")
        assert program.ended() == 0, "the guard would end it with the same code, after 2 s"


def test_an_outage_is_told_to_the_webhook_of_this_machine(person: Person) -> None:
    with receive() as receiver:
        command = person.command(f'url = "http://{receiver.host}/hook"')
        with PtyProgram(command, person.environ) as program:
            program.see("photos")
            person.server.kill()
            program.wait_for(lambda: bool(receiver.posted), "the event")
            program.type("q")
            assert program.ended() == 0
        [event] = receiver.events
        assert event["kind"] == "outage"
        assert re.match(r"the API has not answered for \d+ s: cannot connect", event["text"])
        token = person.server.accounts[0].token.encode()
        assert token not in receiver.posted[0].body + repr(receiver.posted[0].headers).encode()


@pytest.mark.parametrize("word", ["watch", "wait"])
@pytest.mark.parametrize("settings", [ALL, ""], ids=["all", "nothing"])
def test_watch_and_wait_tell_the_terminal_what_was_asked_for(
    person: Person, word: str, settings: str
) -> None:
    with PtyProgram(person.command(settings, word, JOB), person.environ) as program:
        program.wait_for(lambda: _polled(person, JOB), "a poll")
        if settings:
            seen(program, b"\x1b]9;4;1;15")
        person.abort(JOB)
        assert program.ended() == 5
        told = b"\x1b]9;slurper-tui: " in program.raw
        assert (told, b"\a" in program.raw, CLEAR in program.raw) == (bool(settings),) * 3
        assert (b"\x1b" in program.raw.rpartition(b"\x1b[8;")[0]) is bool(settings)


def _polled(person: Person, job: str) -> bool:
    paths = [request.path for request in person.server.requests]
    return sum(path.endswith(f"{job}/progress") for path in paths) > 1


def test_a_signal_ends_watch_without_a_title_left(person: Person) -> None:
    command = person.command("title = true\nprogress = true", "watch")
    with PtyProgram(command, person.environ) as program:
        seen(program, SAVE, b"\x1b]9;4;1;15")
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 143
        assert program.raw.count(RESTORE) == 1
        assert program.raw.rindex(CLEAR) > program.raw.rindex(b"\x1b]9;4;1;")


@pytest.mark.parametrize("word", ["watch", "wait"])
def test_a_pipe_never_gets_an_escape_but_the_command_runs(
    person: Person, tmp_path: Path, word: str
) -> None:
    script = f"import sys; open({str(tmp_path / 'got')!r}, 'w').write(sys.stdin.read())"
    told = f"{ALL}\ntitle = true\ncommand = {json.dumps([sys.executable, '-c', script])}"
    with subprocess.Popen(
        person.command(told, word, JOB),
        env=person.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        asyncio.run(until(lambda: _polled(person, JOB), asyncio.sleep))
        person.abort(JOB)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5
    assert not re.search(rb"[\x00-\x09\x0b-\x1f]", out + err)
    assert '"kind":"end"' in (tmp_path / "got").read_text().replace(": ", ":")


TMUX = """
set -g allow-passthrough on
set -g set-titles on
set -g set-titles-string "#T"
"""


def test_tmux_shows_the_title_of_its_pane_and_passes_a_notification_on(person: Person) -> None:
    socket, conf = person.folder / "tmux", person.folder / "tmux.conf"
    conf.write_text(TMUX)
    line = f"printf '\\033]2;mine\\007'; {' '.join(person.command('osc = 9'))}; sleep 600"
    command = ["tmux", "-S", str(socket), "-f", str(conf), "new-session", line]
    with PtyProgram(command, person.environ) as program:
        program.wait_for(lambda: "▶ ~15 %" in " ".join(titles_of_tmux(program.raw)), "the title")
        person.abort(JOB)
        seen(program, "\x1b]9;slurper-tui: photos → media: aborted".encode())
        program.type("q")
        program.wait_for(lambda: titles_of_tmux(program.raw)[-1] == "mine", "the title before")
        subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=True)
        program.ended()


def titles_of_tmux(raw: bytes) -> list[str]:
    return [title.decode() for title in re.findall(rb"\x1b\]0;([^\a]*)\a", raw)]


def test_inside_tmux_without_settings_a_copy_reaches_tmux_and_the_clipboard(
    person: Person,
) -> None:
    socket = person.folder / "tmux"
    tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
    line = " ".join(person.command(""))
    with PtyProgram([*tmux, "new-session", line], person.environ) as program:
        program.see("photos")
        program.type("y")
        program.see("id copied to tmux")
        whole = subprocess.run([*tmux, "show-buffer"], capture_output=True, check=True).stdout
        job = whole.decode()
        assert job in (JOB, OTHER)
        copied = base64.b64encode(whole).rstrip(b"=")
        program.wait_for(
            lambda: bool(re.search(rb"\x1b\]52;[^;]*;" + re.escape(copied), program.raw)), "OSC 52"
        )
        program.type("y")
        program.see("Select and copy")
        program.type("\x03")
        assert program.ended() == 0


def test_an_old_tmux_leaves_osc_52_alone(person: Person) -> None:
    (person.folder / "tmux").write_text("#!/bin/sh\necho usage: load-buffer >&2; exit 1\n")
    (person.folder / "tmux").chmod(0o700)
    path = f"{person.folder}:{person.environ['PATH']}"
    environ = {**person.environ, "PATH": path, "TMUX": "/tmp/none,1,0"}
    with PtyProgram(person.command(""), environ) as program:
        program.see("photos")
        program.type("y")
        program.see("Select and copy")
        assert b"\x1b]52;c;" in program.raw
        assert "copied" not in program.text
        program.type("\x03")
        assert program.ended() == 0
