"""Jobs and samples to store, and histories to store them in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import HistoryView, Recorded, StoredJob

URL = "https://api.example/v4"
ACCOUNT = "acc0"
BEGUN = 1_790_000_400.0
"""UTC seconds, at the beginning of a step of ten minutes."""

DAY = 86_400.0


def key(job_id: str = "job0", account_id: str = ACCOUNT) -> JobKey:
    return JobKey(account_id, job_id)


def job(job_id: str = "job0", account_id: str = ACCOUNT, *, closed: bool = False) -> StoredJob:
    source = Source(vendor="s3", bucket="from", path_prefix="logs/")
    listed = Job(
        job_id, "running", "2026-09-21T00:00:00Z", source=source, target=Target("r2", "to")
    )
    return StoredJob(account_id, listed, closed=closed)


def sample(at: float = 0.0, done: int | None = 0, status: str | None = "running") -> Recorded:
    """A sample `at` seconds after `BEGUN`."""
    return Recorded(BEGUN + at, Counts(10**6, done, 0, 0), status)


def run_of(number: int, every: float = 5.0, begin: float = 0.0) -> list[Recorded]:
    """Evenly spaced samples of a job that makes progress."""
    return [sample(begin + every * n, n) for n in range(number)]


def of(whose: JobKey, samples: Sequence[Recorded]) -> list[tuple[JobKey, Recorded]]:
    return [(whose, one) for one in samples]


@contextmanager
def opened(path: Path | None, base_url: str = URL) -> Iterator[tuple[Store, HistoryView]]:
    """Open a history and close it at the end."""
    store, view = open_history(path, base_url)
    try:
        yield store, view
    finally:
        store.close()


NUMBERS = st.none() | st.integers(0, 5) | st.integers(0, 2**63 - 1)
ANY = st.builds(
    Recorded,
    at=st.integers(0, 4 * 10**12).map(lambda ms: ms / 1000),
    counts=st.builds(Counts, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    status=st.none() | st.text(st.characters(codec="utf-8"), max_size=20),
    after_gap=st.booleans(),
    stalled=st.booleans(),
)

_KINDS = st.tuples(
    st.sampled_from([1, 5, 5, 5, 100, 599, 600, 601, 5000]),
    st.sampled_from(["running"] * 8 + ["paused", None]),
    st.sampled_from([False] * 8 + [True]),
    st.sampled_from([False] * 8 + [True]),
    st.sampled_from([0, 1, 1, 1, 1, 7, -3]),
)


@st.composite
def sample_lists(draw: st.DrawFn, *, unknown: bool = True) -> list[Recorded]:
    """All samples of a job, oldest first. unknown: some counts may be None."""
    at, done, samples = 0.0, 10, list[Recorded]()
    for span, status, gap, stalled, moved in draw(st.lists(_KINDS, max_size=80)):
        at, done = at + span, max(0, done + moved)
        counted = None if unknown and draw(st.integers(0, 9)) == 0 else done
        samples.append(replace(sample(at, counted, status), after_gap=gap, stalled=stalled))
    return samples
