"""A month of one job in a history, written as the monitor writes it, in virtual time."""

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
from slurper_tui.monitor.model.base import Window
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from slurper_tui.monitor.model.timeline import step_of, trace_of

DAYS = 32
EVERY = 5
HOUR = 3600
BEGUN = 1_790_000_400
URL = "https://api.example/v4"
JOB = StoredJob("acc0", Job("job0", "running", "2026-09-21T14:20:00Z"))
NOW = float(BEGUN + DAYS * 24 * HOUR)
ROWS = "SELECT at, objects, transferred, skipped, failed, status, after_gap, stalled FROM samples"


class Month:
    """The history of the month. largest: peak bytes on disk, with the write-ahead log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        store, view = open_history(path, URL)
        self.largest = _write(store)
        self._recorder = Recorder(store, view)
        self._loop = asyncio.new_event_loop()
        self._bare = sqlite3.connect(path)
        [[self.rows]] = self._bare.execute("SELECT count(*) FROM samples")

    def close(self) -> None:
        """Close the file."""
        self._loop.run_until_complete(self._recorder.close())
        self._loop.close()
        self._bare.close()

    def picture(self) -> float:
        """Return the seconds to read it for a chart, through the writer's thread."""
        started = time.perf_counter()
        step = step_of(Window.ALL, BEGUN, NOW)
        samples = self._loop.run_until_complete(self._recorder.last_of_each(JOB.key, 0.0, step))
        trace = trace_of(JOB.key, Window.ALL, NOW, BEGUN, samples)
        seconds = time.perf_counter() - started
        assert len(trace.points) > DAYS
        return seconds

    def whole(self) -> float:
        """Return the seconds to read every sample as a value."""
        started = time.perf_counter()
        samples = self._loop.run_until_complete(self._recorder.samples(JOB.key))
        seconds = time.perf_counter() - started
        assert len(samples) == self.rows
        return seconds

    def bare(self) -> float:
        """Return the seconds to read the job's rows with sqlite3 alone."""
        started = time.perf_counter()
        rows = self._bare.execute(f"{ROWS} WHERE job = 1 ORDER BY at").fetchall()
        seconds = time.perf_counter() - started
        assert len(rows) == self.rows
        return seconds


@contextmanager
def month(folder: Path) -> Iterator[Month]:
    """Yield a month in a new file."""
    kept = Month(folder / "history.sqlite3")
    try:
        yield kept
    finally:
        kept.close()


def _write(store: Store) -> int:
    """Write it hour by hour, the last hour poll by poll; return the peak bytes on disk."""
    largest = 0
    for begin in range(0, DAYS * 24 * HOUR, HOUR):
        samples = [_sample(at) for at in range(begin, begin + HOUR, EVERY)]
        last_hour = begin + HOUR == DAYS * 24 * HOUR
        for some in [[each] for each in samples] if last_hour else [samples]:
            store.write([JOB], [(JOB.key, each) for each in some])
        largest = max(largest, _on_disk(store))
        while begin % THIN_SECONDS == 0 and store.thin(BEGUN + begin + HOUR):
            largest = max(largest, _on_disk(store))
    return largest


def _on_disk(store: Store) -> int:
    """Return the bytes of the file and of its journal files."""
    assert store.path is not None
    return sum(file.stat().st_size for file in store.path.parent.iterdir())


def _sample(at: int) -> Recorded:
    """Return a sample: 10**9 objects in the month, daily stalls, weekly pauses, nightly gaps."""
    stalled = at // HOUR % 24 == 3
    status = "paused" if at // (24 * HOUR) % 7 == 6 and at // HOUR % 24 == 12 else "running"
    counts = Counts(10**9, at * 350, at // 7, at // 100)
    return Recorded(float(BEGUN + at), counts, status, at % (24 * HOUR) == 7 * HOUR, stalled)
