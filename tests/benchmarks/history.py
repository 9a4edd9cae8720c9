"""A month of one job in a history, written in virtual time as the monitor would have written it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slurper_tui.api.models import Job
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.recorder import THIN_SECONDS, Recorder
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from slurper_tui.monitor.model.timeline import Window, step_of, trace_of

DAYS = 32
EVERY = 5
HOUR = 3600
BEGUN = 1_790_000_400
URL = "https://api.example/v4"
JOB = StoredJob("acc0", Job("job0", "running", "2026-09-21T14:20:00Z"))
NOW = float(BEGUN + DAYS * 24 * HOUR)
ROWS = "SELECT at, objects, transferred, skipped, failed, status, after_gap, stalled FROM samples"


class Month:
    """What is kept of it. largest: bytes on disk at the worst moment, the log included."""

    def __init__(self, path: Path) -> None:
        self._path = path
        store, view = open_history(path, URL)
        self.largest = _write(store)
        self._recorder = Recorder(store, view)
        self._loop = asyncio.new_event_loop()
        self._bare = sqlite3.connect(path)
        [[self.rows]] = self._bare.execute("SELECT count(*) FROM samples")

    def close(self) -> None:
        """Let go of the file."""
        self._loop.run_until_complete(self._recorder.close())
        self._loop.close()
        self._bare.close()

    def picture(self) -> float:
        """Seconds until all of it is there as a picture needs it, through the writer's thread."""
        started = time.perf_counter()
        step = step_of(Window.ALL, BEGUN, NOW)
        told = self._loop.run_until_complete(self._recorder.last_of_each(JOB.key, 0.0, step))
        trace = trace_of(JOB.key, Window.ALL, NOW, BEGUN, told)
        seconds = time.perf_counter() - started
        assert len(trace.points) > DAYS
        return seconds

    def whole(self) -> float:
        """Seconds until every sample is there as one of ours."""
        started = time.perf_counter()
        told = self._loop.run_until_complete(self._recorder.samples(JOB.key))
        seconds = time.perf_counter() - started
        assert len(told) == self.rows
        return seconds

    def bare(self) -> float:
        """Seconds for the job's rows as sqlite3 gives them."""
        started = time.perf_counter()
        rows = self._bare.execute(f"{ROWS} WHERE job = 1 ORDER BY at").fetchall()
        seconds = time.perf_counter() - started
        assert len(rows) == self.rows
        return seconds


@contextmanager
def month(folder: Path) -> Iterator[Month]:
    """A month in a new file, until the end."""
    kept = Month(folder / "history.sqlite3")
    try:
        yield kept
    finally:
        kept.close()


def _write(store: Store) -> int:
    """Write it hour by hour, the last hour poll by poll; return the most bytes that it took."""
    largest = 0
    for begin in range(0, DAYS * 24 * HOUR, HOUR):
        told = [_sample(at) for at in range(begin, begin + HOUR, EVERY)]
        last_hour = begin + HOUR == DAYS * 24 * HOUR
        for some in [[each] for each in told] if last_hour else [told]:
            store.write([JOB], [(JOB.key, each) for each in some])
        largest = max(largest, _on_disk(store))
        while begin % THIN_SECONDS == 0 and store.thin(BEGUN + begin + HOUR):
            largest = max(largest, _on_disk(store))
    return largest


def _on_disk(store: Store) -> int:
    """Bytes of the file and of what stands beside it."""
    assert store.path is not None
    return sum(file.stat().st_size for file in store.path.parent.iterdir())


def _sample(at: int) -> Recorded:
    """A billion objects over the month; stalls every day, a pause a week, a gap every night."""
    stalled = at // HOUR % 24 == 3
    status = "paused" if at // (24 * HOUR) % 7 == 6 and at // HOUR % 24 == 12 else "running"
    counts = Counts(10**9, at * 350, at // 7, at // 100)
    return Recorded(float(BEGUN + at), counts, status, at % (24 * HOUR) == 7 * HOUR, stalled)
