"""The ways of being told: what reaches terminal, command and webhook, and what never does."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli import notify
from slurper_tui.cli.credentials import SECRET_VARIABLES
from slurper_tui.cli.notify import (
    MOST_WAITING,
    Command,
    NotDelivered,
    Notifier,
    Outbox,
    secretless,
    tmux_copy,
)
from slurper_tui.cli.output import Output
from slurper_tui.cli.terminal import Marks, answers
from slurper_tui.config import Account, Config, Notify
from slurper_tui.monitor.model.job import AccountView, Failing, Phase, Snapshot
from slurper_tui.monitor.reports.totals import Summary, TabState
from tests.cli.program import perform
from tests.patience import PATIENCE, until
from tests.receiver import receive
from tests.tui.jobs import ACCOUNT, NOW, snapshot, view

TOKEN = "hush-hush-hush-hush-token"
XTERM = {"TERM": "xterm-256color"}
TMUX = {"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"}

RUNNING, ABORTED = view(1), view(1, "aborted")
END = (snapshot(RUNNING), snapshot(ABORTED))
ENDED = "photos-1 → media: aborted"


class Person:
    """Somebody with a configuration. written: to the terminal. told: lines about failing ways."""

    def __init__(self, settings: Notify, environ: dict[str, str] = XTERM, **given: Any) -> None:
        self.written: list[str] = []
        self.told: list[str] = []
        self.marks = Marks(environ, ascii_only=given.get("ascii_only", False))
        self.marks.write = self.written.append
        self.notifier = Notifier(
            Config(
                notify=settings,
                ascii_only=given.pop("ascii_only", False),
                named=given.pop("named", {}),
            ),
            self.marks,
            environ=dict(os.environ),
            scrubber=Scrubber(TOKEN),
            report=self.told.append,
            **{"on_screen": True, **given},
        )

    def see(self, *snapshots: Snapshot) -> str:
        """Return what snapshots that follow each other write to the terminal."""
        for number, one in enumerate(snapshots):
            self.notifier.update(replace(one, taken_at=NOW + number))
        return "".join(self.written)

    async def close(self) -> None:
        await self.notifier.close(patient=True)


@pytest.mark.parametrize(
    ("settings", "environ", "expected"),
    [
        (Notify(), XTERM, ""),
        (Notify(bell=True), XTERM, "\a"),
        (Notify(osc=9), XTERM, f"\x1b]9;slurper-tui: {ENDED}\x1b\\"),
        (Notify(osc=777), XTERM, f"\x1b]777;notify;slurper-tui;{ENDED}\x1b\\"),
        (Notify(osc=9), TMUX, f"\x1bPtmux;\x1b\x1b]9;slurper-tui: {ENDED}\a\x1b\\"),
        (Notify(bell=True, events=("stall",)), XTERM, ""),
        (Notify(bell=True, events=("stall", "end")), XTERM, "\a"),
    ],
)
def test_what_a_terminal_gets(settings: Notify, environ: dict[str, str], expected: str) -> None:
    assert Person(settings, environ).see(*END) == expected


def test_the_bell_rings_once_for_all_that_changed_together() -> None:
    jobs = [view(1), view(2), view(3)]
    after = [
        view(1, "aborted"),
        view(2, phase=Phase.STALLED),
        view(3, failing=Failing(300, 900, 3600.0, NOW)),
    ]
    written = Person(Notify(bell=True, osc=9)).see(snapshot(*jobs), snapshot(*after))
    assert written.count("\x1b]9;") == 3
    assert re.sub("\x1b].*?\x1b\\\\", "", written) == "\a"


def test_a_terminal_of_letters_gets_letters() -> None:
    person = Person(Notify(osc=9), ascii_only=True)
    assert "photos-1 -> media: aborted" in person.see(*END)


def test_simulated_news_say_so() -> None:
    assert f": demo: {ENDED}" in Person(Notify(osc=9), demo=True).see(*END)


@given(st.text(max_size=600), st.sampled_from([9, 777]), st.booleans(), st.booleans())
def test_no_name_can_end_or_change_a_sequence(
    name: str, code: int, in_tmux: bool, ascii_only: bool
) -> None:
    marks = Marks(TMUX if in_tmux else XTERM, ascii_only=ascii_only)
    written: list[str] = []
    marks.write = written.append
    marks.set_title(name)
    sent = marks.notification(code, name).removeprefix("\x1bPtmux;\x1b")
    for sequence in (written[0].removeprefix("\x1b[22;2t"), sent):
        inner = re.sub(r"(\a?\x1b\\|\a)+\Z", "", sequence.removeprefix("\x1b]"))
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", inner)
        assert len(inner) < 280


def written_by(environ: dict[str, str] = XTERM) -> tuple[Marks, list[str]]:
    marks, written = Marks(environ), list[str]()
    marks.write = written.append
    return marks, written


def test_the_title_is_saved_written_when_it_changes_and_restored() -> None:
    marks, written = written_by()
    assert marks.leave() == ""
    for title in ("▶ 77 %", "▶ 77 %", "▶ 78 %"):
        marks.set_title(title)
    assert written == ["\x1b[22;2t\x1b]2;▶ 77 %\x1b\\", "\x1b]2;▶ 78 %\x1b\\"]
    assert marks.leave() == "\x1b[23;2t"
    assert marks.leave() == ""


def test_the_progress_is_written_when_it_changes_and_cleared() -> None:
    marks, written = written_by()
    marks.set_progress(0, 0)
    assert written == []
    for state, percent in ((1, 77), (1, 77), (2, 78), (0, 0), (0, 0)):
        marks.set_progress(state, percent)
    assert written == [f"\x1b]9;4;{numbers}\x1b\\" for numbers in ("1;77", "2;78", "0;0")]
    assert marks.leave() == ""
    marks.set_progress(3, 0)
    assert marks.leave() == "\x1b]9;4;0;0\x1b\\"


def test_a_screen_that_comes_back_gets_its_title_again() -> None:
    marks, written = written_by()
    marks.set_title("▶ 77 %")
    marks.write = None
    assert marks.leave() == "\x1b[23;2t"
    marks.set_title("▶ 78 %")  # while it is suspended
    marks.write = written.append
    marks.show()
    assert written[1:] == ["\x1b[22;2t\x1b]2;▶ 78 %\x1b\\"]
    marks.show_again()
    assert written[2:] == ["\x1b]2;▶ 78 %\x1b\\"]


@pytest.mark.parametrize("term", ["linux", "dumb", "vt100", "", None])
def test_a_terminal_without_a_title_gets_none_and_is_not_asked(term: str | None) -> None:
    environ = {} if term is None else {"TERM": term}
    marks, written = written_by(environ)
    assert not answers(environ)
    marks.set_title("▶ 77 %")
    assert (written, marks.leave()) == ([], "")


WHOLE = Summary("▶ 78 % 6–9 h", TabState.NORMAL, 78)


@pytest.mark.parametrize(
    ("settings", "on_screen", "expected"),
    [
        (Notify(), True, ["▶ 78 %"]),
        (Notify(), False, []),
        (Notify(title=True), False, ["▶ 78 %"]),
        (Notify(title=False), True, []),
        (Notify(title=False, progress=True), True, ["9;4;1;78"]),
        (Notify(progress=True), False, ["9;4;1;78"]),
    ],
)
def test_the_title_is_on_by_default_on_the_screen_alone(
    settings: Notify, on_screen: bool, expected: list[str]
) -> None:
    person = Person(settings, on_screen=on_screen)
    person.notifier.show(WHOLE)
    assert person.notifier.shows_summary is bool(expected)
    assert len(person.written) == len(expected)
    assert all(part in text for part, text in zip(expected, person.written, strict=True))


def test_without_a_screen_the_sums_and_a_missed_deadline_are_told() -> None:
    person = Person(Notify(title=True, osc=9), on_screen=False, deadline=NOW + 0.5)
    jobs = (view(1, done=900), view(2, "completed", done=1000))
    for number in range(3):
        person.notifier.follow(snapshot(*jobs, taken_at=NOW + number))
    written = "".join(person.written)
    assert written.count("\x1b]2;▶ 95 %\x1b\\") == 1
    missed = "the deadline has passed: 1 job has not ended (photos-1 → media)"
    assert written.count(f"\x1b]9;slurper-tui: {missed}") == 1


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "err", "expected"),
    [
        (Terminal(), Terminal(), ("", "\a")),
        (io.StringIO(), Terminal(), ("", "\a")),
        (Terminal(), io.StringIO(), ("\a", "")),
        (io.StringIO(), io.StringIO(), ("", "")),
        (Terminal(), None, ("\a", None)),
    ],
)
def test_lines_signal_to_stderr_or_else_stdout_if_it_is_a_terminal(
    out: io.StringIO, err: io.StringIO | None, expected: tuple[str, str | None]
) -> None:
    Output(out, err, ascii_only=False).control("\a")
    assert (out.getvalue(), err and err.getvalue()) == expected


def script(folder: Path, text: str) -> tuple[str, ...]:
    """Return a command that runs Python, with a file to write to as its argument."""
    return (sys.executable, "-c", text, str(folder / "written"))


KEEP = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read())"


async def test_a_command_gets_the_event_as_json(tmp_path: Path) -> None:
    person = Person(Notify(command=script(tmp_path, KEEP)))
    person.see(*END)
    await person.close()
    event = json.loads((tmp_path / "written").read_text())
    assert (event["kind"], event["jobs"], event["status"]) == ("end", ["job0001"], "aborted")
    assert event["text"].startswith(ENDED)
    assert event["demo"] is False
    assert (person.told, person.written) == ([], [])


ABOUT = """
import json, os, sys
open(sys.argv[1], 'w').write(json.dumps({
    'environ': dict(os.environ), 'sid': os.getsid(0), 'tty': os.isatty(1) or os.isatty(2)
}))
"""


CHOSEN = (*SECRET_VARIABLES, *("OF_ANOTHER_ACCOUNT",))


async def test_the_variables_of_all_named_accounts_are_kept_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_ANOTHER_ACCOUNT", "short")
    named = {"other": Account("0b", token_env="OF_ANOTHER_ACCOUNT")}
    person = Person(Notify(command=script(tmp_path, ABOUT)), named=named)
    person.see(*END)
    await person.close()
    given = json.loads((tmp_path / "written").read_text())["environ"]
    assert given["PATH"] == os.environ["PATH"]
    assert "OF_ANOTHER_ACCOUNT" not in given


async def test_a_command_gets_no_secret_and_a_session_of_its_own(tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "CLOUDFLARE_API_TOKEN": "x",
        "SLURPER_SOURCE_SECRET_ACCESS_KEY": "y",
        "MY_OWN_NAME": TOKEN,
        "OF_ANOTHER_ACCOUNT": "z",
        "HTTPS_PROXY": f"http://me:{TOKEN}@proxy",
        "HARMLESS": "kept",
    }
    command = Command(script(tmp_path, ABOUT), lambda: secretless(environ, Scrubber(TOKEN), CHOSEN))
    await command.run(b"{}\n")
    about = json.loads((tmp_path / "written").read_text())
    given = about["environ"]
    assert given["HARMLESS"] == "kept"
    assert given["PATH"] == os.environ["PATH"]
    assert not {*environ} - {*os.environ} - {"HARMLESS"} & {*given}
    assert TOKEN not in json.dumps(about)
    assert about["sid"] != os.getsid(0)
    assert about["tty"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((sys.executable, "-c", "raise SystemExit(3)"), "it ended with 3"),
        (("/no/such/program",), "No such file or directory"),
        (("/",), "Permission denied"),
        (("a\0b",), "embedded null byte"),
    ],
)
async def test_a_command_that_fails(words: Sequence[str], said: str) -> None:
    with pytest.raises(NotDelivered, match=said):
        await Command(words, dict[str, str]).run(b"{}\n")


async def test_a_command_that_reads_nothing_is_fine() -> None:
    command = Command((sys.executable, "-c", ""), dict[str, str])
    await command.run(b"x" * 10**6)  # a broken pipe would raise NotDelivered
    failing = Command((sys.executable, "-c", "raise SystemExit(3)"), dict[str, str])
    with pytest.raises(NotDelivered, match="it ended with 3"):
        await failing.run(b"x" * 10**6)


HANG = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
open(sys.argv[1], 'w').write(str(child.pid))
time.sleep(600)
"""


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    command = Command(script(tmp_path, HANG), lambda: dict(os.environ))
    run = asyncio.create_task(command.run(b"{}\n"))
    await until(lambda: _text(tmp_path / "written"), asyncio.sleep)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    child = Path(f"/proc/{_text(tmp_path / 'written')}/stat")
    await until(lambda: not child.exists() or ") Z " in child.read_text(), asyncio.sleep)


async def test_a_command_has_a_time_limit() -> None:
    command = Command((sys.executable, "-c", "import time; time.sleep(600)"), dict[str, str], 0.1)
    with pytest.raises(NotDelivered, match=r"not done within 0\.1 s"):
        await command.run(b"{}\n")


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


async def test_of_several_accounts_an_event_names_its_own(tmp_path: Path) -> None:
    accounts = (AccountView(ACCOUNT, answered=True), AccountView("other", answered=True))
    named = {"prod": Account(ACCOUNT, token_env="T")}
    person = Person(Notify(command=script(tmp_path, KEEP), osc=9), named=named)
    written = person.see(*(replace(one, accounts=accounts) for one in END))
    await person.close()
    assert f"prod: {ENDED}" in written
    event = json.loads((tmp_path / "written").read_text())
    assert (event["account"], event["accountId"]) == ("prod", ACCOUNT)
    assert event["text"].startswith(f"prod: {ENDED}")


async def test_a_webhook_gets_the_event_without_secrets(tmp_path: Path) -> None:
    named = view(1, source=f"bucket-{TOKEN}")
    gone = replace(named, gone=True)
    with receive() as receiver:
        person = Person(Notify(url=f"http://{receiver.host}/hook", events=("end",)))
        person.see(snapshot(named), snapshot(gone), snapshot(gone))
        await person.close()
    [posted] = receiver.posted
    assert posted.event["source"]["bucket"].endswith("***")
    assert TOKEN.encode() not in posted.body
    assert person.told == []


async def test_a_way_that_fails_is_reported_once_until_it_works_again(tmp_path: Path) -> None:
    told: list[str] = []
    fails = iter([True, True, False, True])
    outbox = Outbox("command x", _sender([], lambda: next(fails)), told.append)
    for _ in range(4):
        outbox.put(b"{}")
    await outbox.close(PATIENCE)
    assert told == ["notify: command x: broken"] * 2


async def test_events_arrive_in_order_and_the_oldest_of_too_many_are_dropped() -> None:
    sent: list[bytes] = []
    outbox = Outbox("command x", _sender(sent, lambda: False), list[str]().append)
    for number in range(MOST_WAITING + 3):
        outbox.put(b"%d" % number)
    await outbox.close(PATIENCE)
    assert sent == [b"%d" % number for number in range(3, MOST_WAITING + 3)]


async def test_what_hangs_does_not_delay_the_end() -> None:
    cancelled = asyncio.Event()

    async def hang(body: bytes) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    outbox = Outbox("webhook", hang, list[str]().append)
    outbox.put(b"{}")
    await outbox.close(0.01)
    assert cancelled.is_set()


def _sender(sent: list[bytes], fails: Callable[[], bool]) -> Callable[[bytes], Awaitable[None]]:
    async def send(body: bytes) -> None:
        if fails():
            raise NotDelivered("broken")
        sent.append(body)

    return send


def test_quitting_waits_less_than_the_end_of_the_guard() -> None:
    assert notify.QUIT_SECONDS < 1.0 < notify.COMMAND_SECONDS < notify.FINISH_SECONDS


@pytest.mark.parametrize(
    ("does", "taken"),
    [
        ('cat > "$HOME/got"; env > "$HOME/env"; echo "$@" > "$HOME/words"', True),
        ("echo 'usage: load-buffer [-b buffer-name] path' >&2; exit 1", False),
        ("exec sleep 600", False),
        (None, False),
    ],
    ids=["new", "before 3.2", "hangs", "missing"],
)
async def test_a_copy_counts_only_if_tmux_has_taken_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str | None, taken: bool
) -> None:
    monkeypatch.setattr(notify, "_COPY_SECONDS", PATIENCE if taken else 0.2)
    if does is not None:
        (tmp_path / "tmux").write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "tmux").chmod(0o700)
    path = f"{tmp_path}:/bin:/usr/bin" if does is not None else str(tmp_path)
    monkeypatch.setenv("PATH", path)
    environ = {**TMUX, "HOME": str(tmp_path), "PATH": path, "CLOUDFLARE_API_TOKEN": TOKEN}
    copy = tmux_copy(environ)
    assert copy is not None
    assert await copy("$(id) `é`\n") is taken
    if taken:
        assert (tmp_path / "got").read_text() == "$(id) `é`\n"
        assert (tmp_path / "words").read_text() == "load-buffer -w -\n"
        assert TOKEN not in (tmp_path / "env").read_text()


def test_outside_of_tmux_no_program_is_run_for_a_copy() -> None:
    assert tmux_copy(XTERM) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[notify]\nevents = ["fail"]', ":2:1: unknown kind 'fail'; did you mean 'failing'?"),
        ('[notify]\nurl = "http://x.example/hush"', ":2:1: url: it must be https: plain http"),
    ],
)
@pytest.mark.parametrize("command", ["watch", "jobs", ""])
def test_nothing_starts_on_a_mistake(tmp_path: Path, command: str, text: str, said: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    ran = perform(None, "--demo", *command.split(), folder=tmp_path)
    assert (ran.code, ran.out) == (2, [])
    assert ran.err[0].startswith(f"slurper-tui: {tmp_path / 'config.toml'}{said}")
    assert "hush" not in ran.err[0]
