"""Thinning of old samples: which may be deleted, and deleting a bounded number at a time.

Of samples older than a day, one per ten minutes is kept, and every sample that shows a change: both
sides of a change of status, of the beginning and end of a stall and of a falling counter, the last
sample before a gap and the first after it, the very first and the very last. `superfluous` is pure;
applying it again changes nothing. `thin_some` remembers for each job how far it has thinned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from slurper_tui.monitor.history.codecs import (
    LATEST_MS,
    SAMPLE_COLUMNS,
    Row,
    readable,
    sample_of,
    to_ms,
)
from slurper_tui.monitor.history.schema import transaction
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded

WHOLE_SECONDS = 86_400.0
"""Every sample younger than this is kept."""

STEP_SECONDS = 600.0
"""Older samples: one is kept per step of this many seconds, aligned to UTC."""

_Line = Sequence[Recorded]


def step_start(at: float) -> float:
    """Return the beginning of the step that contains a time; both in UTC seconds."""
    return at // STEP_SECONDS * STEP_SECONDS


def superfluous(
    samples: _Line, before: Recorded | None = None, after: Recorded | None = None
) -> tuple[Recorded, ...]:
    """Return the samples that may be deleted.

    samples: of one job, in whole steps, oldest first.
    before, after: the neighbouring samples, which are kept; None if there is none.
    """
    line = [*([before] if before else []), *samples, *([after] if after else [])]
    needed = {*_edges(line), *_falls(line)}
    if samples:
        needed |= {samples[0].at} if before is None else set()
        needed |= {samples[-1].at} if after is None else set()
    needed |= {
        _representative(list(step)).at for _, step in groupby(samples, lambda s: step_start(s.at))
    }
    return tuple(sample for sample in samples if sample.at not in needed)


def _representative(step: _Line) -> Recorded:
    """Return the sample to keep for a step: the newest with complete counts, else the newest."""
    whole = (s for s in reversed(step) if None not in (s.counts.objects, s.counts.done))
    return next(whole, step[-1])


def _edges(line: _Line) -> Iterator[float]:
    """Yield the times of both samples around each change of status, stall or gap."""
    for one, other in pairwise(line):
        if one.status != other.status or one.stalled != other.stalled or other.after_gap:
            yield one.at
            yield other.at


def _falls(line: _Line) -> Iterator[float]:
    """Yield the times of both samples around each fall of a counter."""
    for name in Counts.__struct_fields__:
        values = ((s.at, getattr(s.counts, name)) for s in line)
        known = [(at, value) for at, value in values if value is not None]
        for (at, value), (then, lower) in pairwise(known):
            if lower < value:
                yield at
                yield then


WINDOW_SECONDS = 6 * 3600.0
"""Length of a window, the part of a job's samples that is thinned at once; a whole number of
steps."""

SOME = 20_000
"""Samples examined in one transaction; then other writers get a turn."""

_SPARE = 4
"""Free pages beyond a quarter of the file are returned to the disk; the others are reused."""


class _Window(NamedTuple):
    """Part of a job's samples: from `begin` up to but excluding `end`, in milliseconds."""

    job: int
    begin: int
    end: int


def thin_some(connection: sqlite3.Connection, now: float) -> bool:
    """Thin samples older than a day; return whether more are left. Raises sqlite3.Error.

    now: UTC seconds.
    """
    seen, more = 0, False
    with transaction(connection):
        for window in _windows(connection, to_ms(step_start(now - WHOLE_SECONDS))):
            if seen >= SOME:
                more = True
                break
            seen += _thin(connection, window)
    _give_back(connection)
    return more


def _windows(connection: sqlite3.Connection, end: int) -> Iterator[_Window]:
    """Yield each window before `end` that has samples and has not been thinned, job by job."""
    jobs = connection.execute("SELECT number, thinned_to FROM jobs").fetchall()
    for job, thinned_to in jobs:
        first = _first(connection, job, thinned_to)
        while first is not None and first < end:
            begin = to_ms(step_start(first / 1000))
            window = _Window(job, begin, min(end, begin + to_ms(WINDOW_SECONDS)))
            yield window
            first = _first(connection, job, window.end)


def _first(connection: sqlite3.Connection, job: int, since: int) -> int | None:
    found = connection.execute(
        "SELECT min(at) FROM samples WHERE job = ? AND at BETWEEN max(?, 0) AND ?",
        (job, since, LATEST_MS),
    )
    at: int | None = found.fetchone()[0]
    return at


def _thin(connection: sqlite3.Connection, window: _Window) -> int:
    """Thin one window; return how many samples it had."""
    job, begin, end = window
    samples = _select(connection, "at >= ? AND at < ? ORDER BY at", (job, begin, end))
    before = _select(connection, "at < ? ORDER BY at DESC LIMIT 1", (job, begin))
    after = _select(connection, "at >= ? ORDER BY at LIMIT 1", (job, end))
    gone = superfluous(samples, before[0] if before else None, after[0] if after else None)
    connection.executemany(
        "DELETE FROM samples WHERE job = ? AND at = ?", ((job, to_ms(s.at)) for s in gone)
    )
    connection.execute("UPDATE jobs SET thinned_to = ? WHERE number = ?", (end, job))
    return len(samples)


def _select(connection: sqlite3.Connection, which: str, values: Row) -> Sequence[Recorded]:
    rows = connection.execute(
        f"SELECT {SAMPLE_COLUMNS} FROM samples WHERE job = ? AND {which}", values
    )
    return list(readable(rows, sample_of))


def _give_back(connection: sqlite3.Connection) -> None:
    [[free]] = connection.execute("PRAGMA freelist_count")
    [[pages]] = connection.execute("PRAGMA page_count")
    if free > pages // _SPARE:
        # `execute` would stop after the first page, `executescript` does not.
        connection.executescript(f"PRAGMA incremental_vacuum({free - pages // _SPARE})")
