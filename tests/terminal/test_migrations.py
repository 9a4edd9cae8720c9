"""Jobs with the same buckets as one migration, in a pseudo-terminal."""

from __future__ import annotations

import time

import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram


def plan(number: int, bucket: str, prefix: str, *, ago: float, lasts: float) -> Plan:
    return Plan(
        id=f"job{number}",
        created=time.time() - ago,
        objects=10_000,
        seconds=lasts,
        source=Source("s3", bucket, prefix, "https://s3.example.com"),
        target=Target("r2", "media"),
    )


@pytest.fixture
def account() -> SimulatedAccount:
    """Return a migration of three jobs, one of them ended, and a single job."""
    plans = [
        plan(1, "photos", "2024/", ago=3600, lasts=9000),
        plan(2, "photos", "2024/01/", ago=1800, lasts=9000),
        plan(3, "photos", "2022/", ago=9000, lasts=600),
        plan(4, "logs", "app/", ago=9000, lasts=600),
    ]
    return SimulatedAccount(plans=plans)


@pytest.mark.parametrize(("flags", "folded", "open"), [((), "▸", "▾"), (("--ascii",), ">", "v")])
def test_a_migration_is_unfolded_folded_and_switched_off(
    environ: dict[str, str], flags: tuple[str, ...], folded: str, open: str
) -> None:
    arrow = "->" if flags else "→"
    with PtyProgram([PROGRAM, *flags], environ, size=(120, 30)) as program:
        program.see(f"{folded} photos {arrow} media")
        program.see("2 running")
        program.see("media !")
        program.see("2 of 3 slots in use")
        program.see("prefixes overlap")
        program.see_no(" 2022/")
        program.type("g\r")
        program.see(f"{open} photos {arrow} media")
        program.see(" 2022/")
        program.type("\x1b[B\x1b[D\x1b[D")
        program.see(f"{folded} photos {arrow} media")
        program.see_no(" 2022/")
        program.type("m")
        program.see(f"photos/2022/ {arrow} media")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()
    with PtyProgram([PROGRAM, *flags], environ, size=(120, 30)) as program:
        program.see(f"photos/2022/ {arrow} media")
        program.type("m")
        program.see(f"{folded} photos {arrow} media")
        program.type("q")
        assert program.ended() == 0


def test_all_live_jobs_of_a_migration_are_aborted_by_one_word(
    environ: dict[str, str], server: LoopbackServer
) -> None:
    with PtyProgram([PROGRAM, "--write", "--interval", "2"], environ, size=(80, 24)) as program:
        program.see("2 running")
        program.see("unlocked")
        program.type("g")
        program.type("X")
        program.see("Abort 2 jobs?")
        program.see("2 running")
        program.see("they cannot be resumed")
        program.type("photos")
        program.see("> photos_")
        program.type("\r")
        program.see("2 of 2 aborted")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()
    changes = sorted(request.path for request in server.requests if request.method != "GET")
    assert [path.rpartition("/jobs/")[2] for path in changes] == ["job1/abort", "job2/abort"]
