"""Ten questions about a migration of twelve jobs, each answered in a few keys at two sizes."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.making import KEYS, S3
from tests.earlier import look_at
from tests.server import LoopbackServer, serve
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

FILE = Path(".local/state/slurper-tui/history.sqlite3")
H = 3600.0
ESC, ENTER = "\x1b", "\r"
LIST = r"\A(?!.*(Esc closes|others close)).* (q quit|[?] help|X abort|U resume|P pause) *\Z"
"""The screen with the list alone: the next key is one of the list."""

PREFIXES = "\n".join(f"{year}/" for year in range(2010, 2022))


class Clock:
    """The account's clock, which the test can set back."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Question(NamedTuple):
    """A question, the most keys, the keys, patterns of the answer's text, and the way back.

    until: patterns to wait for, each between two keys.
    """

    text: str
    most: int
    keys: Sequence[str]
    answers: Sequence[str]
    back: Sequence[str] = ()
    until: Sequence[str] = ()


QUESTIONS = (
    Question("When will all be done?", 0, (), ("ETA ≥",)),
    Question("Is anything stuck?", 0, (), ("1 stalled · 1 failing · ", "▲ stalled")),
    Question(
        *("Which prefix is slowest?", 3, (ENTER, "<", "<")),
        ("/s▴", r"▾ photos-prod[^\n]*\n *▲ stalled[^\n]* 2019/"),
        *(("<",) * 6, ("▾ photos-prod", "ETA[▾▴]")),
    ),
    Question(
        *("Why did these fail? What was not copied at all?", 2, ("e", ENTER)),
        (
            *("Gave up after [0-9] tries: source answered", "2018/"),
            *("34 not copied", "▲ +[0-9]+ +not copied: archive tier"),
        ),
        *((ESC,), ("✖ +[0-9]+ +failed after",)),
    ),
    Question(
        *("Failed keys into rclone?", 2, ("E",)), ("keys saved", "rclone .*--files-from"), (ESC,)
    ),
    Question(
        *("Is it complete?", 2, ("v",)),
        ("Interim receipt", "12 jobs, 6 of them not ended", "Not ended: .* done, .* failed"),
        (ESC,),
    ),
    Question(*("What happened overnight?", 1, ("d",)), ("The last .* h", "2018/"), (ESC,)),
    Question(
        *("Pause all", 4, ("W", "y", "P", "y")),
        ("[0-9] of [0-9] paused",),
        (),
        ("y unlock", "unlocked( ·|  )", "y pause"),
    ),
)


def plan(year: int, age: float, hours: float, objects: int, **numbers: Any) -> Plan:
    """Return the job of a prefix. age: hours since its creation."""
    return Plan(
        id=f"{year}" + "ab" * 14,
        created=time.time() - age * H,
        objects=objects,
        seconds=hours * H,
        source=Source("s3", "photos-prod", f"{year}/", "https://s3.example.com"),
        target=Target("r2", "media"),
        **numbers,
    )


@pytest.fixture
def account() -> SimulatedAccount:
    """Return twelve jobs: ended with and without losses, paused, aborted, stalled, failing, …"""
    plans = {
        2010: plan(2010, 30, 9, 42_000),
        2011: plan(2011, 29, 10, 61_000, failed=9),
        2012: plan(2012, 28, 8, 38_000, not_copied=34),
        2013: plan(2013, 20, 12, 50_000, harmless=3_811),
        2014: plan(2014, 12, 20, 64_000),
        2015: plan(2015, 11, 20, 72_000, failed=30),
        2017: plan(2017, 9, 30, 30_000),
        2016: plan(2016, 30, 9, 15_000),
        2018: plan(2018, 12, 24, 5_300, failed=424),
        2019: plan(2019, 4.5, 9, 25_000, stall_every=4.8 * H, stall_for=2 * H),
        2020: plan(2020, 0.5, 12, 90_000, listing=3 * H),
        2021: plan(2021, 2, 12, 70_000),
    }
    clock = Clock()
    account = SimulatedAccount(clock=clock, plans=[*plans.values()])
    for year, action, hours in ((2014, "pause", 3), (2015, "pause", 3), (2017, "abort", 6)):
        clock.ahead = -hours * H
        url = f"https://x/client/v4/accounts/{account.account_id}/slurper/jobs/{plans[year].id}"
        headers = {"authorization": f"Bearer {account.token}"}
        answer = account.answer(httpx.Request("PUT", f"{url}/{action}", headers=headers))
        assert answer.is_success
    clock.ahead = 0.0
    return account


@pytest.fixture
def environ(server: LoopbackServer, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user who looked last evening and in the last half hour."""
    account, now = server.accounts[0], time.time()
    file = tmp_path / FILE
    file.parent.mkdir(parents=True)
    store = open_file(file, server.url)[0]
    evening, morning = range(36_000, 35_400, -60), range(1800, 10, -30)
    for ago in (*evening, *morning):
        store.write(*look_at(account, now - ago))
    store.close()
    return environment(tmp_path, **server.environment())


def see(program: PtyProgram, pattern: str, why: str) -> None:
    """Wait for a pattern."""
    shown = re.compile(pattern, re.DOTALL if pattern is LIST else 0)
    program.wait_for(lambda: shown.search(program.text) is not None, f"{why} {pattern}")


def test_ten_questions_are_answered_in_few_keys(environ: dict[str, str], tmp_path: Path) -> None:
    sizes = ((80, 24), (120, 40))
    with PtyProgram([PROGRAM], environ, size=sizes[0], folder=tmp_path) as program:
        program.see("as of")
        program.type("g")
        for question in QUESTIONS:
            assert len(question.keys) <= question.most
            for key, pattern in zip_longest(question.keys, question.until):
                program.type(key)
                if pattern is not None:
                    see(program, pattern, question.text)
            for size in sizes:
                program.resize(*size)
                for answer in question.answers:
                    see(program, answer, f"{question.text} {size}")
            program.type("".join(question.back))
            see(program, LIST, "the list")
            program.resize(*sizes[0])
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()


def test_twelve_prefixes_are_started_on_three_slots_by_one_command(tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=0, slots=3)
    (tmp_path / "prefixes").write_text(PREFIXES)
    words = [PROGRAM, "create", *S3, "--prefixes", "prefixes"]
    with serve(account) as server:
        environ = environment(tmp_path, **server.environment(), **KEYS)
        with PtyProgram(words, environ, size=(120, 40), folder=tmp_path) as program:
            program.see("start these 12 jobs? [y/N]")
            program.type("y\n")
            program.wait_for(lambda: len(account.jobs()) == 3, "three jobs")
            see(program, "slot", "nine jobs wait")
            program.type("\x03")
            assert program.ended() == 130
    assert len(account.jobs()) == 3
