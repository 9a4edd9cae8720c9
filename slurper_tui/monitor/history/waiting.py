"""What is to be written and is not yet: bounded, and safe between two threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from slurper_tui.monitor.history.rows import to_ms
from slurper_tui.monitor.history.thin import superfluous
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.samples import Recorded, Remembered

MOST = 50_000
"""So many samples wait at most: three days of one job polled every 5 s, about 15 MB."""

BATCH = 2_000
"""So many samples are written at a time: no longer than that anybody else waits for the file."""

Kept = tuple[JobKey, Recorded]


class Batch(NamedTuple):
    """What is written in one go."""

    jobs: tuple[Remembered, ...]
    samples: tuple[Kept, ...]


class Waiting:
    """Jobs as they now stand, and samples, oldest first.

    When there are too many, the older half is thinned like what is older than a day; whatever is
    too much even then is lost, oldest first.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._jobs: dict[JobKey, Remembered] = {}
        self._samples: list[Kept] = []

    def add(self, jobs: Sequence[Remembered], samples: Sequence[Kept]) -> None:
        """Let more wait."""
        with self._lock:
            self._jobs |= {known.key: known for known in jobs}
            self._samples.extend(samples)
            self._fit()

    def take(self) -> Batch | None:
        """Take what is to be written next; None when nothing waits."""
        with self._lock:
            if not self._jobs and not self._samples:
                return None
            batch = Batch(tuple(self._jobs.values()), tuple(self._samples[:BATCH]))
            self._jobs, self._samples = {}, self._samples[BATCH:]
            return batch

    def put_back(self, batch: Batch) -> None:
        """Let what could not be written wait again, before what came since."""
        with self._lock:
            self._jobs = {known.key: known for known in batch.jobs} | self._jobs
            self._samples = [*batch.samples, *self._samples]
            self._fit()

    def of(self, key: JobKey) -> list[Recorded]:
        """Give the samples of one job that wait, oldest first."""
        with self._lock:
            return [sample for whose, sample in self._samples if whose == key]

    def _fit(self) -> None:
        if len(self._samples) > self._most:
            half = len(self._samples) // 2
            thinned = _thinned(self._samples[:half]) + self._samples[half:]
            self._samples = thinned[-self._most :]


def _thinned(samples: Sequence[Kept]) -> list[Kept]:
    of_each: dict[JobKey, list[Recorded]] = {}
    for key, sample in samples:
        of_each.setdefault(key, []).append(sample)
    gone = {(key, s.at) for key, told in of_each.items() for s in superfluous(told)}
    return [(key, sample) for key, sample in samples if (key, sample.at) not in gone]


def merged(kept: tuple[Recorded, ...], waiting: Sequence[Recorded]) -> tuple[Recorded, ...]:
    """Put together what is written and what is not yet, oldest first, each once."""
    if not waiting:
        return kept
    by_time = {to_ms(sample.at): sample for sample in (*waiting, *kept)}
    return tuple(sample for _, sample in sorted(by_time.items(), key=itemgetter(0)))
