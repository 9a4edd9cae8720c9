"""`history`: from a real file, without credentials and without a network."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from slurper_tui.api.models import DEFAULT_BASE_URL, Job
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from tests.cli.program import Ran, perform
from tests.patience import PATIENCE

EVIL = 'run\x1b[31m\nning,"x" \u202e'
FIELDS = ["objects", "transferredObjects", "skippedObjects", "failedObjects", "status"]
ONE, OTHER, THIRD = JobKey("acc0", "abc1"), JobKey("acc0", "abd2"), JobKey("acc1", "abc1")


def nobody(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"asked {request.url}")


def history(folder: Path, *words: str, **environ: str) -> Ran:
    """The command with neither a token nor an account id."""
    return perform(
        None,
        "history",
        *words,
        environ={"LANG": "C.UTF-8", **environ},
        transport=httpx.MockTransport(nobody),
        folder=folder,
    )


def told(at: float, done: int | None, status: str | None = "running") -> Recorded:
    return Recorded(1_790_000_000.0 + at, Counts(1000, done, 2, 0), status)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place where three jobs of two accounts were recorded."""
    keep(tmp_path, [(ONE, told(0.125, 5)), (OTHER, told(1, 7, "paused")), (ONE, told(5, 10))])
    keep(tmp_path, [(THIRD, replace(told(3, None, None), after_gap=True, stalled=True))])
    return tmp_path


def keep(folder: Path, samples: list[tuple[JobKey, Recorded]], url: str = DEFAULT_BASE_URL) -> None:
    store, _ = open_file(folder / "state" / "history.sqlite3", url)
    store.write([StoredJob(k.account_id, Job(k.job_id)) for k, _ in samples], samples)
    store.close()


def records(folder: Path, *words: str) -> list[dict[str, object]]:
    ran = history(folder, "--json", *words)
    assert (ran.code, ran.err) == (0, [])
    parsed: list[dict[str, object]] = json.loads("\n".join(ran.out))
    return parsed


# JSON and CSV ----------------------------------------------------------------------------------


def test_json_has_the_apis_own_names_oldest_first(folder: Path) -> None:
    kept = records(folder)
    assert [list(record) for record in kept] == [["at", "accountId", "id", *FIELDS]] * 4
    assert kept[0] == {
        "at": "2026-09-21T14:13:20.125+00:00",
        "accountId": "acc0",
        "id": "abc1",
        "objects": 1000,
        "transferredObjects": 5,
        "skippedObjects": 2,
        "failedObjects": 0,
        "status": "running",
    }
    assert [record["id"] for record in kept] == ["abc1", "abd2", "abc1", "abc1"]
    assert kept[2]["transferredObjects"] is kept[2]["status"] is None
    times = [datetime.fromisoformat(str(record["at"])) for record in kept]
    assert times == sorted(times)


def test_samples_of_one_job_have_no_id(folder: Path) -> None:
    kept = records(folder, "abd")
    assert [list(record) for record in kept] == [["at", *FIELDS]]
    assert kept[0]["status"] == "paused"


def test_csv_has_the_same_values(folder: Path) -> None:
    for words in ((), ("abd",)):
        ran = history(folder, "--csv", *words)
        assert (ran.code, ran.err) == (0, [])
        rows = list(csv.DictReader(ran.out, strict=True))
        plain = [
            {name: "" if value is None else str(value) for name, value in record.items()}
            for record in records(folder, *words)
        ]
        assert rows == plain


@pytest.mark.parametrize("form", ["--json", "--csv", "--ascii"])
def test_a_status_may_hold_anything(tmp_path: Path, form: str) -> None:
    keep(tmp_path, [(ONE, told(0, 5, EVIL)), (OTHER, told(0, 5, "a,b"))])
    ran = history(tmp_path, form)
    assert ran.code == 0
    assert all(line.isprintable() for line in ran.out)
    if form == "--json":
        assert records(tmp_path)[0]["status"] == EVIL
    if form == "--csv":
        rows = list(csv.reader(ran.out, strict=True))
        assert [row[-1] for row in rows[1:]] == ['run\ufffd[31m\ufffdning,"x" \ufffd', "a,b"]


# Lines -----------------------------------------------------------------------------------------


def test_lines_are_aligned_with_remarks(folder: Path) -> None:
    ran = history(folder, "--utc")
    assert (ran.code, ran.err) == (0, [])
    assert ran.out == [
        "time                       account  id    status   objects  transferred  skipped  failed",
        "2026-09-21T14:13:20+00:00  acc0     abc1  running     1000            5        2       0",
        "2026-09-21T14:13:21+00:00  acc0     abd2  paused      1000            7        2       0",
        "2026-09-21T14:13:23+00:00  acc1     abc1  —           1000            —        2       0"
        "  not observed before, stalled",
        "2026-09-21T14:13:25+00:00  acc0     abc1  running     1000           10        2       0",
    ]
    assert history(folder, "--utc", "--account", "acc1,acc9").out == [
        "time                       id    status  objects  transferred  skipped  failed",
        "2026-09-21T14:13:23+00:00  abc1  —          1000            —        2       0"
        "  not observed before, stalled",
    ]
    assert history(folder, "abd", "--utc").out == [
        "time                       status  objects  transferred  skipped  failed",
        "2026-09-21T14:13:21+00:00  paused     1000            7        2       0",
    ]


def on_terminal(home: Path, *words: str) -> list[str]:
    """What a person sees, who types the command."""
    ours, theirs = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm"}
    words = (sys.executable, "-m", "slurper_tui", "history", *words)
    with os.fdopen(ours, "rb", closefd=True) as screen:
        with os.fdopen(theirs, "wb", closefd=True) as there:
            subprocess.run(
                words,
                env=environ,
                stdin=there,
                stdout=there,
                stderr=there,
                check=True,
                timeout=PATIENCE,
            )
        return screen.read1(2**16).decode().splitlines()


def test_a_person_gets_a_header_and_ids_to_type(tmp_path: Path) -> None:
    path = tmp_path / ".local" / "state" / "slurper-tui"
    path.mkdir(parents=True)
    keep(path, [(JobKey("acc0", f"{n:064x}"[::-1]), told(n, 5)) for n in range(3)])
    (path / "state" / "history.sqlite3").rename(path / "history.sqlite3")
    lines = on_terminal(tmp_path, "--utc")
    assert lines == [
        "time                       id        status   objects  transferred  skipped  failed",
        "2026-09-21T14:13:20+00:00  00000000  running     1000            5        2       0",
        "2026-09-21T14:13:21+00:00  10000000  running     1000            5        2       0",
        "2026-09-21T14:13:22+00:00  20000000  running     1000            5        2       0",
    ]


# Which -----------------------------------------------------------------------------------------


def test_which_job_must_be_clear(folder: Path) -> None:
    for word, line in (
        ("x", "no job's id and no job's BUCKET/PREFIX begins with 'x'"),
        (" ", "the name of a job must not be empty"),
    ):
        ran = history(folder, word)
        assert (ran.code, ran.out, ran.err) == (2, [], [f"slurper-tui: {line}"])
    ran = history(folder, "ab")
    assert (ran.code, ran.out) == (2, [])
    assert ran.err == [
        "slurper-tui: 3 jobs begin with 'ab':",
        *(f"slurper-tui:   {name}  unknown" for name in ("acc0/abc1", "acc0/abd2", "acc1/abc1")),
    ]
    assert history(folder, "abc1", "abd2").err == [
        "slurper-tui: 2 jobs begin with 'abc1':",
        *(f"slurper-tui:   {name}  unknown" for name in ("acc0/abc1", "acc1/abc1")),
    ]
    assert history(folder, "abd2", "acc1", "--account", "acc0").code == 2
    assert history(folder, "abc1", "--account", "acc1").code == 0
    assert history(folder, "abc1", "--account", "acc1", "--account", "acc0").code == 2


def test_accounts_are_all_that_are_kept_unless_named(folder: Path) -> None:
    ran = history(folder, "--json", CLOUDFLARE_ACCOUNT_ID="acc1")
    assert len(json.loads("\n".join(ran.out))) == 4


def test_another_address_has_another_history(folder: Path) -> None:
    url = "https://other.example/v4"
    keep(folder, [(ONE, told(9, 9))], url)
    ran = history(folder, "--json", CLOUDFLARE_BASE_URL=url + "/")
    assert [record["transferredObjects"] for record in json.loads("\n".join(ran.out))] == [9]
    assert len(records(folder)) == 4


# Nothing, and nothing to be read ---------------------------------------------------------------


def test_without_a_history_nothing_is_printed_or_created(tmp_path: Path) -> None:
    none_yet = ["slurper-tui: nothing was recorded so far"]
    assert history(tmp_path) == Ran(0, [], none_yet)
    assert history(tmp_path, "--json") == Ran(0, ["[]"], [])
    assert history(tmp_path, "--csv").out == [",".join(["at", "accountId", "id", *FIELDS])]
    assert history(tmp_path, "abc") == Ran(0, [], none_yet)
    assert history(tmp_path, "--json", "--", "-abc") == Ran(0, ["[]"], none_yet)
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_history_is_one_line_and_exit_2(folder: Path) -> None:
    path = folder / "state" / "history.sqlite3"
    whole = path.read_bytes()
    said = "slurper-tui: the history cannot be read: "
    for broken, reason in (
        (b"nonsense" * 99, "its file is damaged"),
        (whole[:4096] + b"\xa5" * (len(whole) - 4096), "its file is damaged"),
        (
            whole[:60] + b"\x00\x00\x00\x09" + whole[64:],
            "its file was written by a newer slurper-tui",
        ),
    ):
        path.write_bytes(broken)
        assert history(folder) == Ran(2, [], [said + reason])
        assert path.read_bytes() == broken
    path.unlink()
    path.mkdir()
    assert history(folder) == Ran(2, [], [said + "its file is not from slurper-tui"])


# Where -----------------------------------------------------------------------------------------


def test_the_path_is_printed_with_or_without_a_file(folder: Path, tmp_path: Path) -> None:
    path = folder / "state" / "history.sqlite3"
    assert history(folder, "--path") == Ran(0, [str(path)], [])
    path.unlink()
    assert history(folder, "--path") == Ran(0, [str(path)], [])


def test_the_demo_has_a_past_but_no_path(tmp_path: Path) -> None:
    kept = records(tmp_path, "--demo")
    assert len(kept) > 100
    assert str(kept[0]["id"])
    ran = history(tmp_path, "--demo", "--path")
    assert (ran.code, ran.out) == (2, [])
    assert list(tmp_path.iterdir()) == []


def test_a_long_history_is_printed_sample_by_sample(tmp_path: Path) -> None:
    keep(tmp_path, [(ONE, told(5.0 * n, n)) for n in range(20_000)])
    folder = tmp_path / "home" / ".local" / "state" / "slurper-tui"
    folder.parent.mkdir(parents=True)
    (tmp_path / "state").rename(folder)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "LANG": "C.UTF-8"}
    words = (sys.executable, "-m", "slurper_tui", "history", "--json")
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=environ, stdout=pipe, stderr=pipe) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert [program.stdout.readline()[:1] for _ in range(3)] == [b"[", b"{", b"{"]
        program.stdout.close()
        assert program.stderr.read() == b""
        assert program.wait() == 0
