"""The history between runs of the program in a pseudo-terminal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from slurper_tui.monitor.history.opening import open_file
from slurper_tui.simulated.account import Fault, Kind
from tests.earlier import look_at
from tests.patience import PATIENCE
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram

FILE = Path(".local/state/slurper-tui/history.sqlite3")


def remember(home: Path, server: LoopbackServer, ago: float, url: str | None = None) -> None:
    """Write the history of a run whose polls were `ago` seconds ago.

    url: the base URL of that run; None for the server's.
    """
    account, then = server.accounts[0], time.time() - ago
    file = home / FILE
    file.parent.mkdir(parents=True)
    store = open_file(file, url or server.url)[0]
    store.write(*look_at(account, then))
    store.close()


def history(environ: dict[str, str]) -> list[dict[str, object]]:
    """Return the output of `history --json`."""
    words = [PROGRAM, "history", "--json"]
    done = subprocess.run(words, env=environ, capture_output=True, timeout=PATIENCE, check=True)
    events: list[dict[str, object]] = json.loads(done.stdout)
    return events


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.RESET, Kind.HTML])
def test_jobs_of_the_history_are_shown_before_any_answer(
    environ: dict[str, str], server: LoopbackServer, tmp_path: Path, kind: Kind
) -> None:
    remember(tmp_path, server, 300.0)
    server.accounts[0].faults.add(Fault(kind, status=502))
    with PtyProgram([PROGRAM, "--interval", "2"], environ, size=(120, 30)) as program:
        program.see(" 5m old ")
        assert "photos-prod" in program.text
        server.accounts[0].faults.clear()
        server.kill()
        server.restart()
        program.type("R")
        program.see_no("m old ")
        program.type("q")
        assert program.ended() == 0
        program.assert_restored()


def test_the_request_count_after_a_start_from_the_history(
    environ: dict[str, str], server: LoopbackServer, tmp_path: Path
) -> None:
    remember(tmp_path, server, 300.0)
    with PtyProgram([PROGRAM, "--interval", "2"], environ, size=(120, 30)) as program:
        program.see_no("m old ")
        rounds = len(server.requests) + 10
        program.wait_for(lambda: len(server.requests) >= rounds, "further requests")
        program.wait_for(lambda: shown_count(program.text) >= rounds, "the count of them")
        assert shown_count(program.text) <= len(server.requests)
        program.type("q")
        assert program.ended() == 0


def shown_count(text: str) -> int:
    """Return the number of requests in the status line; 0 if there is none."""
    found = re.search(r"API (\d+)/1200", text)
    return int(found[1]) if found else 0


def test_rejected_credentials_close_a_screen_with_jobs_of_the_history(
    environ: dict[str, str], server: LoopbackServer, tmp_path: Path
) -> None:
    remember(tmp_path, server, 300.0)
    server.accounts[0].faults.add(Fault(status=401, code=10000, message="Authentication error"))
    with PtyProgram([PROGRAM], environ) as program:
        assert program.ended() == 3
        program.assert_restored()
        assert "rejects these credentials" in program.text
        assert b"Traceback" not in program.raw


@pytest.mark.parametrize("remembered", [True, False])
@pytest.mark.parametrize(
    "url",
    ["https://api.invalid/v4?x=1", "https://api.invalid/v4#f", "https://me:pw@api.invalid/v4"],
)
def test_a_bad_base_url_ends_the_program_before_the_screen_is_opened(
    environ: dict[str, str], server: LoopbackServer, tmp_path: Path, url: str, remembered: bool
) -> None:
    if remembered:
        remember(tmp_path, server, 300.0, "https://api.invalid/v4")
    with PtyProgram([PROGRAM], {**environ, "CLOUDFLARE_BASE_URL": url}, size=(120, 30)) as program:
        assert program.ended() == 2
        assert program.text.strip() == (
            "slurper-tui: CLOUDFLARE_BASE_URL: "
            "the base URL must hold no user, password, query or fragment"
        )
        assert b"\x1b[?1049h" not in program.raw
        program.assert_restored()
    assert (tmp_path / FILE).exists() == remembered


def test_a_setting_that_fails_after_the_first_screen_ends_with_one_line(
    environ: dict[str, str], server: LoopbackServer, tmp_path: Path
) -> None:
    url = "https://999.1.1.1/v4"  # only httpx finds this address invalid
    remember(tmp_path, server, 300.0, url)
    with PtyProgram([PROGRAM], {**environ, "CLOUDFLARE_BASE_URL": url}, size=(120, 30)) as program:
        assert program.ended() == 2
        assert "CLOUDFLARE_BASE_URL: the base URL is not a URL" in program.text
        assert b"\x1b[?1049h" in program.raw
        program.assert_restored()


def test_after_an_absence_a_digest_is_shown_and_any_key_closes_it(
    environ: dict[str, str], server: LoopbackServer, tmp_path: Path
) -> None:
    remember(tmp_path, server, 1500.0)
    with PtyProgram([PROGRAM], environ, size=(100, 40)) as program:
        program.see("25 min")
        program.see("unobserved")
        program.type("x")
        program.see_no("unobserved")
        program.type("d")
        program.see("unobserved")
        program.type("\x03")
        assert program.ended() == 0
        program.assert_restored()


def test_after_a_short_absence_there_is_no_digest(
    environ: dict[str, str], server: LoopbackServer, tmp_path: Path
) -> None:
    remember(tmp_path, server, 400.0)
    with PtyProgram([PROGRAM, "--interval", "2"], environ, size=(120, 40)) as program:
        program.see_no("m old ")
        program.see("412k/412k")
        asked = len(server.requests)
        program.wait_for(lambda: len(server.requests) > asked + 20, "two more rounds")
        assert "unobserved" not in program.text
        program.type("q")
        assert program.ended() == 0


def test_a_killed_program_loses_no_answer(environ: dict[str, str], server: LoopbackServer) -> None:
    with PtyProgram([PROGRAM, "--interval", "2"], environ, size=(120, 30)) as program:
        program.see("412k/412k")
        program.wait_for(lambda: len(history(environ)) >= 12, "two rounds of samples")
        program.process.send_signal(signal.SIGKILL)
        program.process.wait(PATIENCE)
    kept = history(environ)
    assert len(kept) >= 12
    assert {row["accountId"] for row in kept} == {server.accounts[0].account_id}


def test_with_no_history_nothing_is_written(environ: dict[str, str], tmp_path: Path) -> None:
    with PtyProgram([PROGRAM, "--no-history"], environ, size=(120, 30)) as program:
        program.see("412k/412k")
        assert "history" not in program.text
        program.type("q")
        assert program.ended() == 0
    assert not (tmp_path / FILE).exists()


def test_an_unwritable_history_is_reported_and_the_jobs_are_shown(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".local").write_text("a file where a folder should be")
    with PtyProgram([PROGRAM], environ, size=(140, 30)) as program:
        program.see("412k/412k")
        program.see("history off")
        program.type("!")
        program.see("history")
        program.type("qq")
        assert program.ended() == 0


def test_two_programs_run_at_the_same_time(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], environ, size=(140, 30)) as first:
        first.see("412k/412k")
        with PtyProgram([PROGRAM], environ, size=(140, 30)) as second:
            second.see("412k/412k")
            second.see("history shared")
            assert "history" not in first.text
            second.type("q")
            assert second.ended() == 0
        first.type("q")
        assert first.ended() == 0
