"""A retry of 1,310 failed objects and its receipt, with a server on loopback."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

SECRETS = {
    "SLURPER_SOURCE_ACCESS_KEY_ID": "source-id",
    "SLURPER_SOURCE_SECRET_ACCESS_KEY": "s0urce-s3cret",
    "SLURPER_TARGET_ACCESS_KEY_ID": "target-id",
    "SLURPER_TARGET_SECRET_ACCESS_KEY": "t4rget-s3cret",
}


class Clock:
    """The account's clock, which the test can advance."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> SimulatedAccount:
    """Return one job, which ended ten minutes ago with 1,310 failed objects."""
    source = Source("s3", "photos", endpoint="https://s3.example.com")
    plan = Plan(
        id="first",
        created=clock() - 1200,
        objects=20_000,
        seconds=600.0,
        failed=1310,
        source=source,
        target=Target("r2", "media"),
    )
    return SimulatedAccount(clock=clock, plans=[plan])


@pytest.fixture
def environ(server: LoopbackServer, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, **server.environment(), **SECRETS)


def ran(environ: dict[str, str], *words: str) -> tuple[int, str]:
    """Run a command without a terminal; return its exit code and its output."""
    done = subprocess.run(
        [PROGRAM, *words], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    for secret in ("s0urce-s3cret", "t4rget-s3cret"):
        assert secret not in done.stdout + done.stderr
    return done.returncode, done.stdout


def test_from_1310_failed_to_all_copied_with_a_receipt(
    environ: dict[str, str], account: SimulatedAccount, clock: Clock, tmp_path: Path
) -> None:
    code, output = ran(environ, "report", "first")
    assert (code, output.splitlines()[2]) == (
        4,
        "**Completed · 1,310 failed · 0 not copied · 0 unaccounted**",
    )
    assert ran(environ, "retry", "first", "--yes")[0] == 0
    [again] = [course.plan for course in account.jobs() if course.plan.id != "first"]
    assert again.objects == 1310
    code, output = ran(environ, "report", "first")
    interim = "# Interim receipt: the migration of `photos` to `media` has not ended"
    assert (code, output.splitlines()[0]) == (0, interim)
    assert "all copied" not in output
    clock.ahead += 3600
    code, output = ran(environ, "report", "first")
    assert (code, output.splitlines()[2]) == (
        0,
        "**1,310 failed, of which 1,310 were copied by a retry: all copied**",
    )
    assert f"`{again.id}` retries `first` for 1,310 keys: completed, 1,310 transferred" in output
    assert ran(environ, "report", "first") == (0, output)
    assert ran(environ, "report", "--migration", "photos:media")[0] == 0

    folder = tmp_path / "ticket"
    folder.mkdir()
    with PtyProgram([PROGRAM], environ, size=(110, 40), folder=folder) as program:
        program.see("photos")
        program.type("g")
        program.type("v")
        program.see("all copied")
        program.type("w")
        program.see("saved to ./receipt-")
        program.type("q")
        program.see_no("Receipt")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()
    [saved] = folder.iterdir()
    assert "1,310 were copied by a retry: all copied" in saved.read_text()
    assert saved.read_text() == output
