"""Every figure of the budget: its measurement, its reference and its bound."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks import million
from tests.benchmarks.api import Address, serving
from tests.benchmarks.estimators import figures as estimators
from tests.benchmarks.figure import Figure, absolute
from tests.benchmarks.history import DAYS, month
from tests.benchmarks.log import followed
from tests.benchmarks.remembered import known_account
from tests.benchmarks.terminal import PATIENCE, TerminalRun, cpu_seconds
from tests.monitor.verify.migration import PAGE, known_differences

HERE = Path(__file__).parent
PROGRAM = str(Path(sys.executable).with_name("slurper-tui"))
BARE_APP = (sys.executable, str(HERE / "reference_app.py"))
INTERVAL = 5.0
PAGES = 20
MANY = 20_000
CURSOR = "▌"

Pair = tuple[float, float]
"""The values of one run of ours and of one run of the reference."""


@dataclass(frozen=True, slots=True)
class Effort:
    """The extent of a measurement.

    runs: of each pair.
    window: of the CPU figure, in seconds.
    home: an empty directory.
    """

    runs: int = 5
    window: float = 60.0
    home: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))

    def environment(self, address: Address | None = None) -> dict[str, str]:
        """Return the environment of an ordinary user in a capable terminal."""
        fixed = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(HERE / "installed"),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        return fixed | (address.environment() if address else {})


_ROW = re.compile(r"^..\D (?:running|listing|failing|stalled) .*$", re.MULTILINE)
_PROGRESS = re.compile(r"\d[kMG]?/\d[^/]*\d")


def all_jobs(text: str) -> bool:
    """Return whether the screen shows ten running jobs, each row with its progress."""
    rows = _ROW.findall(text)
    return "10 running" in text and bool(rows) and all(map(_PROGRESS.search, rows))


def thousand_jobs(text: str) -> bool:
    """Return whether the last page is read and the ten running jobs have their progress."""
    return "988 ended" in text and all_jobs(text)


def one_line(text: str) -> bool:
    return "one line" in text


def launch(effort: Effort) -> Iterator[Figure]:
    """Measure the time from the start of the process to ten jobs with their numbers."""
    with serving(10) as api:
        pairs = in_turns(
            effort.runs,
            lambda: _first_appears(effort, api, all_jobs),
            lambda: _appears(BARE_APP, effort.environment(), one_line),
        )
    yield _ratio("launch", "launch to 10 jobs", "a bare Textual app", "ms", pairs, 2.0)


def launch_of_many(effort: Effort) -> Iterator[Figure]:
    """Measure the launch with twenty pages, less the time of the API for them."""
    with serving(10) as few, serving(1000) as many:
        pages = PAGES * _page_seconds(many)
        pairs = in_turns(
            effort.runs,
            lambda: _first_appears(effort, many, thousand_jobs) - pages,
            lambda: _first_appears(effort, few, all_jobs),
        )
    what = f"launch to 1,000 jobs, less {pages * 1000:.0f} ms for {PAGES} pages"
    yield _ratio("launch-1000", what, "with 10 jobs", "ms", pairs, 1.3)


def remembered(effort: Effort) -> Iterator[Figure]:
    """Measure the launch to the jobs of a history, while the API never answers."""
    yield _remembered(effort, 10, 1.25)
    yield _remembered(effort, 1000, 1.5)


def _remembered(effort: Effort, jobs: int, budget: float) -> Figure:
    with known_account(effort.home, jobs) as api:
        pairs = in_turns(
            2 * effort.runs,
            lambda: _appears([PROGRAM], effort.environment(api), all_jobs),
            lambda: _appears(BARE_APP, effort.environment(), one_line),
        )
    what = f"launch to {jobs:,} remembered jobs, the API silent"
    return _ratio(f"remembered-{jobs}", what, "a bare Textual app", "ms", pairs, budget)


def _first_appears(effort: Effort, api: Address, shown: Callable[[str], bool]) -> float:
    """Return the seconds of a launch without a history."""
    forget(effort)
    return _appears([PROGRAM], effort.environment(api), shown)


def forget(effort: Effort) -> None:
    """Delete the history and the saved view, so that the next run is like the first one."""
    shutil.rmtree(effort.home / ".local", ignore_errors=True)


def _appears(
    words: Sequence[str], environ: Mapping[str, str], shown: Callable[[str], bool]
) -> float:
    with TerminalRun(words, environ) as run:
        return run.seconds_until(shown)


def _page_seconds(api: Address) -> float:
    """Return the seconds that a bare client takes for one decoded page."""
    url = f"{api.url}/accounts/{api.account_id}/slurper/jobs"
    headers = {"Authorization": f"Bearer {api.token}"}
    times = []
    with httpx.Client(headers=headers) as client:
        for offset in range(0, 50 * PAGES * 2, 50):
            started = time.perf_counter()
            client.get(url, params={"limit": 50, "offset": offset % (50 * PAGES)}).json()
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def memory(effort: Effort) -> Iterator[Figure]:
    """Measure the resident memory two rounds after the start."""
    settle = 2 * INTERVAL + 1
    with serving(10, still=False) as api:
        pairs = []
        for _ in range(min(effort.runs, 3)):
            with (
                TerminalRun([PROGRAM], effort.environment(api)) as ours,
                TerminalRun(BARE_APP, effort.environment()) as bare,
            ):
                ours.watch(settle)
                bare.watch(0.1)
                pairs.append((ours.resident / 2**20, bare.resident / 2**20))
    yield _ratio("memory", "resident memory, 10 jobs", "a bare Textual app", "MiB", pairs, 1.6)


def written(effort: Effort) -> Iterator[Figure]:
    """Measure the bytes written per round: moving jobs at two sizes, and jobs that do not move."""
    rounds = max(2, round(min(effort.window, 30.0) / INTERVAL))
    with serving(10, still=False) as moving, serving(10) as still, ExitStack() as stack:
        runs = [
            stack.enter_context(TerminalRun([PROGRAM], effort.environment(api), size))
            for api, size in ((moving, (80, 24)), (moving, (200, 50)), (still, (80, 24)))
        ]
        for run in runs:
            run.seconds_until(all_jobs)
        # In the first rounds rates appear and totals are found to grow.
        _watch_all(runs, 2.5 * INTERVAL)
        marks = [len(run.chunks) for run in runs]
        _watch_all(runs, rounds * INTERVAL)
        sizes = [
            sum(len(c.data) for c in run.chunks[mark:]) / rounds
            for run, mark in zip(runs, marks, strict=True)
        ]
    what = f"bytes a round over {rounds} rounds, 10 running jobs"
    yield absolute("bytes", f"{what}, 80\N{MULTIPLICATION SIGN}24", "B", sizes[0], 1500)
    yield absolute("bytes-wide", f"{what}, 200\N{MULTIPLICATION SIGN}50", "B", sizes[1], 2300)
    what = "bytes a round when nothing moves"
    yield absolute("bytes-still", f"{what}, 80\N{MULTIPLICATION SIGN}24", "B", sizes[2], 200)


def _watch_all(runs: Sequence[TerminalRun], seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for run in runs:
            run.watch(0.02)


def key(effort: Effort) -> Iterator[Figure]:
    """Measure the time from a key to the last byte that it causes."""
    with serving(10) as few, serving(1000) as many:
        pairs = in_turns(
            max(2, effort.runs // 2),
            lambda: _cursor_down(effort, many, thousand_jobs),
            lambda: _cursor_down(effort, few, all_jobs),
        )
    yield _ratio("key", "key to paint, cursor down, 1,000 jobs", "with 10 jobs", "ms", pairs, 1.2)


def _cursor_down(effort: Effort, api: Address, shown: Callable[[str], bool]) -> float:
    """Return the median over five times eight rows down from the top, migrations unfolded."""
    times = []
    forget(effort)
    with TerminalRun([PROGRAM], effort.environment(api)) as run:
        run.seconds_until(shown)
        run.watch(2.0)
        run.press(b"m")
        run.press(b"g")
        for _ in range(5):
            times += [run.press(b"\x1b[B") for _ in range(8)]
            run.press(b"g")
    return statistics.median(times)


def key_while_loading(effort: Effort) -> Iterator[Figure]:
    """Measure the slowest key while 20,000 jobs are read."""
    forget(effort)
    worst = 0.0
    with serving(MANY) as api, TerminalRun([PROGRAM], effort.environment(api)) as run:
        run.seconds_until(lambda text: CURSOR in text)
        end = time.perf_counter() + PATIENCE
        while f"{MANY - 12:,} ended" not in run.text and time.perf_counter() < end:
            for key in (b"\x1b[B", b"\x1b[A"):
                run.watch(0.05)
                worst = max(worst, run.seconds_to_move(key, CURSOR))
    what = f"key to paint, the worst while {MANY:,} jobs are read"
    yield absolute("key-loading", what, "ms", worst * 1000, 100)


def cpu(effort: Effort) -> Iterator[Figure]:
    """Measure the CPU time of the monitor beside that of a shell loop."""
    rounds = max(1, round(effort.window / INTERVAL))
    with serving(10, still=False) as api:
        loop = subprocess.Popen(["sh", "-c", _curl_loop(api)], env=effort.environment(api))
        try:
            with TerminalRun([PROGRAM], effort.environment(api)) as ours:
                ours.seconds_until(all_jobs)
                ours.watch(INTERVAL / 2)
                before = cpu_seconds(ours.pid), cpu_seconds(loop.pid)
                ours.watch(rounds * INTERVAL)
                after = cpu_seconds(ours.pid), cpu_seconds(loop.pid)
        finally:
            loop.kill()
            loop.wait()
    pair = (after[0] - before[0], after[1] - before[1])
    what = f"CPU over {rounds * INTERVAL:.0f} s, 10 jobs every {INTERVAL:.0f} s"
    yield _ratio("cpu", what, "a shell loop of curl", "s", [pair], 0.5)


def log(effort: Effort) -> Iterator[Figure]:
    """Measure bytes and CPU time while the log of a running job is followed."""
    rounds = max(1, round(effort.window / INTERVAL))
    forget(effort)
    with serving(10, still=False) as api:
        cost = followed(PROGRAM, effort.environment(api), api, _curl_loop, rounds, INTERVAL)
    what = f"bytes a round over {rounds} rounds, a log open and following"
    yield absolute("log-bytes", f"{what}, 80\N{MULTIPLICATION SIGN}24", "B", cost.written, 1500)
    what = f"CPU over {rounds * INTERVAL:.0f} s, a log open and following"
    yield _ratio("log-cpu", what, "a shell loop of curl", "s", [cost.pair], 0.5)


def _curl_loop(api: Address) -> str:
    """Return a shell loop that polls the same documents with curl."""
    root = api.url.removesuffix("/client/v4")
    curl = f"curl -s -H {shlex.quote(f'Authorization: Bearer {api.token}')}"
    urls = " ".join(root + path for path in api.paths)
    return f"while :; do for u in {urls}; do {curl} $u >/dev/null; done; sleep {INTERVAL:g}; done"


def hundred(effort: Effort) -> Iterator[Figure]:
    """Measure a round of a hundred progress requests."""
    with serving(100, running=100) as api:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.rounds", str(3 * effort.runs)],
            input=json.dumps(api.paths),
            env={**effort.environment(api), "PYTHONPATH": os.getcwd()},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
    pairs = [(mine, bare) for mine, bare in json.loads(done.stdout)]
    yield _ratio("round", "a round of 100 requests", "bare httpx, ten workers", "ms", pairs, 1.25)


def help_text(effort: Effort) -> Iterator[Figure]:
    """Measure `--help` beside an interpreter that does nothing."""
    environ = effort.environment()
    pairs = in_turns(
        4 * effort.runs,
        lambda: _runs([PROGRAM, "--help"], environ),
        lambda: _runs([sys.executable, "-c", "pass"], environ),
    )
    yield _ratio("help", "--help", "python -c pass", "ms", pairs, 3.0)


def jobs_as_json(effort: Effort) -> Iterator[Figure]:
    """Measure `jobs --json` beside a bare script with the same output."""
    with serving(10) as api:
        environ = effort.environment(api)
        pairs = in_turns(
            2 * effort.runs,
            lambda: _runs([PROGRAM, "jobs", "--json"], environ),
            lambda: _runs([sys.executable, str(HERE / "reference_jobs.py")], environ),
        )
    yield _ratio("jobs", "jobs --json, 10 jobs", "a bare httpx script", "ms", pairs, 1.3)


def _runs(words: Sequence[str], environ: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(words, env=environ, capture_output=True, check=True, timeout=PATIENCE)
    return time.perf_counter() - started


def forecast(effort: Effort) -> Iterator[Figure]:
    """Measure the accuracy of the forecast beside other programs, on fixed traces."""
    yield from estimators.forecast()


def history(effort: Effort) -> Iterator[Figure]:
    """Measure the size of a month of one job's history and the time to read it."""
    with month(effort.home) as kept:
        what = f"{DAYS} days of a job every {INTERVAL:.0f} s, on disk at most"
        yield absolute("history", what, "MB", kept.largest / 10**6, 20)
        pictures = in_turns(4 * effort.runs, kept.picture, kept.bare)
        wholes = in_turns(4 * effort.runs, kept.whole, kept.bare)
        beside = f"bare sqlite3, its {kept.rows:,} rows"
    yield _ratio("history-picture", "all of it, for a picture", beside, "ms", pictures, 3.0)
    yield _ratio("history-samples", "all of it, every sample", beside, "ms", wholes, 3.0)


PAIRS, EXACT = 10_000_000, 1_000_000
"""Objects on each side of the two verifications that are measured."""


def verification(effort: Effort) -> Iterator[Figure]:
    """Measure a comparison of long listings, and the exactness of one that was killed."""
    told = _verified(effort, PAIRS)
    what = f"{PAIRS:,} pairs compared, besides the network"
    yield absolute("verify", what, "s", told["seconds"], PAIRS / 100_000)
    yield absolute("verify-memory", "resident memory of it", "MiB", told["resident"] / 2**20, 150)
    _verified(effort, EXACT, "--die-at", str(EXACT // PAGE))
    found = _verified(effort, EXACT)["differences"]
    known = known_differences(EXACT)
    wrong = sum(one not in known for one in found) + sum(one not in found for one in known)
    wrong += found != known
    what = f"wrong keys of {EXACT:,}, killed in the middle"
    yield absolute("verify-killed", what, "keys", wrong, 0)


def _verified(effort: Effort, objects: int, *options: str) -> Any:
    """Return what a verification of known faults tells; None if it was killed."""
    program = (sys.executable, "-m", "tests.monitor.verify.migration", str(objects))
    done = subprocess.run(
        [*program, "--work", str(effort.home / f"verify-{objects}"), *options],
        env=effort.environment() | {"PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        check=False,
    )
    if options:
        assert done.returncode == -signal.SIGKILL
        return None
    done.check_returncode()
    return json.loads(done.stdout)


MEASURES: Mapping[str, Callable[[Effort], Iterator[Figure]]] = {
    "launch": launch,
    "launch-1000": launch_of_many,
    "remembered": remembered,
    "memory": memory,
    "bytes": written,
    "key": key,
    "key-loading": key_while_loading,
    "cpu": cpu,
    "log": log,
    "round": hundred,
    "help": help_text,
    "jobs": jobs_as_json,
    "forecast": forecast,
    "history": history,
    "verify": verification,
    "million": lambda effort: million.figures(effort.home),
}
"""Measurements by the names for `--only`; some yield several figures."""


def in_turns(runs: int, ours: Callable[[], float], reference: Callable[[], float]) -> list[Pair]:
    """Measure pairs after one warm-up run; each side goes first in every other pair."""
    ours(), reference()
    pairs = []
    for number in range(runs):
        if number % 2:
            pairs.append((ours(), reference()))
        else:
            second = reference()
            pairs.append((ours(), second))
    return pairs


def _ratio(
    name: str,
    what: str,
    beside: str,
    unit: str,
    pairs: Sequence[Pair],
    budget: float,
) -> Figure:
    """Return the medians of both sides and of their ratio. For ms, pairs are in seconds."""
    scale = 1000.0 if unit == "ms" else 1.0
    return Figure(
        name=name,
        what=what,
        beside=beside,
        unit=unit,
        ours=statistics.median(mine for mine, _ in pairs) * scale,
        reference=statistics.median(other for _, other in pairs) * scale,
        measured=statistics.median(mine / other for mine, other in pairs),
        budget=budget,
    )


@contextmanager
def effort_for(runs: int, window: float) -> Iterator[Effort]:
    """Yield an effort with an empty home directory."""
    with tempfile.TemporaryDirectory() as home:
        yield Effort(runs, window, Path(home))
