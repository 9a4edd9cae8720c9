"""The cost of following a job's log."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.benchmarks.api import Address
from tests.benchmarks.terminal import TerminalRun, cpu_seconds

PROGRESS = re.compile(r"\d[kMG]?/\d")
WARM_UP = 20.0
"""Seconds until the rates are shown."""
READING = 120.0
"""Most seconds until the log is read: 45 rows at a time, within the request budget."""


class Cost(NamedTuple):
    """Bytes to the terminal per round, and CPU seconds of ours and of another program."""

    written: float
    pair: tuple[float, float]


def followed(
    program: str,
    environ: Mapping[str, str],
    api: Address,
    beside: Callable[[Address], str],
    rounds: int,
    interval: float,
) -> Cost:
    """Follow a log of about 1,900 rows for some rounds, beside a shell loop."""
    loop = subprocess.Popen(["sh", "-c", beside(api)], env=environ)
    try:
        with TerminalRun([program], environ, (80, 24)) as run:
            run.seconds_until(lambda text: PROGRESS.search(text) is not None)
            run.press(b"m")
            run.press(b"/2024/\r")
            run.press(b"l")
            _until_read(run)
            run.watch(WARM_UP)
            before, mark = (cpu_seconds(run.pid), cpu_seconds(loop.pid)), len(run.chunks)
            run.watch(rounds * interval)
            after = cpu_seconds(run.pid), cpu_seconds(loop.pid)
            written = sum(len(chunk.data) for chunk in run.chunks[mark:])
    finally:
        loop.kill()
        loop.wait()
    return Cost(written / rounds, (after[0] - before[0], after[1] - before[1]))


def _until_read(run: TerminalRun) -> None:
    """Wait until the log page shows every row. Raises TimeoutError."""
    end = time.perf_counter() + READING
    while "following" not in run.text or "reading" in run.text:
        if time.perf_counter() > end:
            raise TimeoutError(f"the log was not read to its end:\n{run.text}")
        run.watch(1.0)
