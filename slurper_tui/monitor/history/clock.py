"""Corrects the times of samples and notes dated in the future by a clock that was ahead.

Their order, their values and, if possible, the time between them stay. If the data shows that the
present clock is behind instead, nothing is moved. Times are whole milliseconds since 1970, UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from slurper_tui.format import parse_time
from slurper_tui.monitor.history.codecs import (
    LATEST_MS,
    UNREADABLE,
    job_of,
    last_text,
    readable,
    sample_of,
    to_ms,
)
from slurper_tui.monitor.history.schema import transaction
from slurper_tui.monitor.model.base import AHEAD_SECONDS, CREATED_SLACK, EARLIEST

LONGEST_WATCHED_MS = 4 * 86_400_000
"""A longer span between two samples is a gap, even if not marked: no poll is that slow."""

MOST_BEHIND_MS = 90 * 86_400_000
"""Samples further ahead than this were dated wrongly: a present clock that far behind would show a
time before the job was created."""

_IN_FUTURE = f"""
    SELECT number, CAST(job AS BLOB) FROM jobs
    WHERE (SELECT max(at) FROM samples WHERE job = number AND at <= {LATEST_MS}) > :limit
    OR last_at BETWEEN :limit + 1 AND {LATEST_MS}
"""
_FIRST_FROM = "SELECT min(at) FROM samples WHERE job = ? AND at BETWEEN ? AND ?"
_LAST_BEFORE = "SELECT max(at) FROM samples WHERE job = ? AND at BETWEEN 0 AND ? - 1"
_GAP_BEFORE = """
    SELECT max(at) FROM samples INDEXED BY gaps
    WHERE job = ? AND after_gap = 1 AND at BETWEEN 0 AND ?
"""
_BLOCK = "SELECT at, after_gap FROM samples WHERE job = ? AND at BETWEEN ? AND ? ORDER BY at"
_MOVE = "UPDATE samples SET at = ?, after_gap = ? WHERE job = ? AND at = ?"
_NEWEST = """
    SELECT at, objects, transferred, skipped, failed, status, after_gap, stalled
    FROM samples WHERE job = ? AND at BETWEEN 0 AND ? ORDER BY at DESC LIMIT 1
"""


class Dated(NamedTuple):
    """A sample's stored time, and whether a gap precedes it."""

    at: int
    after_gap: bool


class _Move(NamedTuple):
    """Samples of one job, oldest first, and their new times."""

    job: int
    block: Sequence[Dated]
    times: Sequence[int]


def fitted(block: Sequence[Dated], floor: int, end: int) -> list[int] | None:
    """Return times for samples that end at `end` and begin after `floor`.

    The spans stay as they are; if that is too long, each gap is shortened to 1 ms. None if even
    that does not fit: the samples cannot have been taken in that time.
    """
    for keep_gaps in (True, False):
        spans = [b.at - a.at if keep_gaps or _is_watched(a, b) else 1 for a, b in pairwise(block)]
        begin = end - sum(spans)
        if begin > floor:
            return list(accumulate(spans, initial=begin))
    return None


def _is_watched(before: Dated, after: Dated) -> bool:
    return not after.after_gap and after.at - before.at <= LONGEST_WATCHED_MS


def set_back(connection: sqlite3.Connection, job: int, now: int) -> None:
    """Move a job's samples dated `now` or later to before it, because the clock was set back.

    Call it inside a transaction. All samples since the last gap are moved by the same time if that
    fits; otherwise only the later samples are squeezed into the time before `now`. Raises
    sqlite3.Error.
    """
    first = _one(connection, _FIRST_FROM, job, now, LATEST_MS)
    if first is None:
        return
    block = _block(connection, job, first)
    times = fitted(block, _previous(connection, job, block), now - 1)
    move = _crowded(connection, job, first, now) if times is None else _Move(job, block, times)
    _apply(connection, move)


def _crowded(connection: sqlite3.Connection, job: int, first: int, now: int) -> _Move:
    """Spread the samples since `first` over the time before `now`.

    Earlier samples are included until there is a millisecond for each.
    """
    rows = _rows(connection, job, first)
    before = _one(connection, _LAST_BEFORE, job, rows[0].at)
    while before is not None and now - before <= len(rows):
        rows.insert(0, Dated(before, False))
        before = _one(connection, _LAST_BEFORE, job, before)
    begin = now - len(rows) - 1 if before is None else before
    times = [begin + n * (now - begin) // (len(rows) + 1) for n in range(1, len(rows) + 1)]
    return _Move(job, [row._replace(after_gap=True) for row in rows], times)


def heal(connection: sqlite3.Connection, now: float) -> bool:
    """Move samples and notes dated in the future to before `now` (UTC seconds).

    Return whether anything was moved. Nothing is moved if one job's samples show that `now` is
    behind. Raises sqlite3.Error.
    """
    limit = to_ms(now + AHEAD_SECONDS)
    if now < EARLIEST or not _is_any_later(connection, limit):
        return False
    with transaction(connection):
        moves = list(_moves(connection, limit, to_ms(now)))
        if None in moves:
            return False
        for move in moves:
            if move is not None:
                _apply(connection, move)
        _heal_notes(connection, limit, to_ms(now))
    return True


def _is_any_later(connection: sqlite3.Connection, limit: int) -> bool:
    """Return whether a sample, an event or a plan is later than `limit`."""
    if connection.execute(_IN_FUTURE, {"limit": limit}).fetchone() is not None:
        return True
    return any(_later_notes(connection, table, limit) for table in _NOTES)


def _moves(connection: sqlite3.Connection, limit: int, now: int) -> Iterator[_Move | None]:
    """Yield one move per job with samples in the future; None if `now` must be behind."""
    for job, text in connection.execute(_IN_FUTURE, {"limit": limit}).fetchall():
        first = _one(connection, _FIRST_FROM, job, limit, LATEST_MS)
        if first is None:  # only the copy of its newest sample is in the future
            yield _Move(job, (), ())
            continue
        block = _block(connection, job, first)
        floor = _floor(_created(text), block[-1].at)
        times = fitted(block, max(floor, _previous(connection, job, block)), now - 1)
        if times is not None:
            yield _Move(job, block, times)
        elif floor >= now or block[-1].at - now <= MOST_BEHIND_MS:
            yield None
        else:
            yield _crowded(connection, job, first, now)


def _created(text: bytes) -> float | None:
    """Return when a job was created, in UTC seconds; None if unknown."""
    try:
        return parse_time(job_of(text).created_at)
    except UNREADABLE:
        return None


def _floor(created: float | None, last: int) -> int:
    """Return the earliest possible time of a sample.

    A creation time after the last sample is wrong and ignored.
    """
    known = None if created is None else to_ms(created - CREATED_SLACK)
    return to_ms(EARLIEST) if known is None or known > last else known


_NOTES = {"events": ("number", "at"), "plans": ("id", "made_at")}
"""Tables of notes, with the columns of a row's id and time. Steps are not checked by themselves."""


def _later_notes(connection: sqlite3.Connection, table: str, limit: int) -> list[int]:
    """Return the ids of the notes after the limit, ordered by time."""
    number, at = _NOTES[table]
    rows = connection.execute(
        f"SELECT {number} FROM {table} WHERE {at} BETWEEN ? AND ? ORDER BY {at}, {number}",
        (limit + 1, LATEST_MS),
    )
    return [row[0] for row in rows]


def _heal_notes(connection: sqlite3.Connection, limit: int, now: int) -> None:
    """Move events and plans in the future to just before `now`, in their order."""
    for table, (number, at) in _NOTES.items():
        later = _later_notes(connection, table, limit)
        connection.executemany(
            f"UPDATE OR IGNORE {table} SET {at} = ? WHERE {number} = ?",
            ((now - len(later) + place, row) for place, row in enumerate(later)),
        )


def _one(connection: sqlite3.Connection, statement: str, *values: int) -> int | None:
    found = connection.execute(statement, values).fetchone()[0]
    return found if type(found) is int else None


def _block(connection: sqlite3.Connection, job: int, first: int) -> list[Dated]:
    """Return the samples from the last gap at or before `first` on."""
    begun = _one(connection, _GAP_BEFORE, job, first)
    return _rows(connection, job, 0 if begun is None else begun)


def _rows(connection: sqlite3.Connection, job: int, since: int) -> list[Dated]:
    rows = connection.execute(_BLOCK, (job, since, LATEST_MS))
    return [Dated(at, gap == 1) for at, gap in rows if type(at) is int]


def _previous(connection: sqlite3.Connection, job: int, block: Sequence[Dated]) -> int:
    before = _one(connection, _LAST_BEFORE, job, block[0].at)
    return 0 if before is None else before


def _apply(connection: sqlite3.Connection, move: _Move) -> None:
    """Write the new times, oldest first, so that no two samples collide.

    A sample whose distance from the one before it changed is marked as the first after a gap.
    """
    moved = list(zip(move.block, move.times, strict=True))
    kept = [b.at - a.at == t - s for (a, s), (b, t) in pairwise(moved)]
    connection.executemany(
        _MOVE,
        (
            (at, int(row.after_gap or not as_before), move.job, row.at)
            for (row, at), as_before in zip(moved, [True, *kept], strict=False)
        ),
    )
    newest = next(readable(connection.execute(_NEWEST, (move.job, LATEST_MS)), sample_of), None)
    begun = min(move.times, default=LATEST_MS)
    connection.execute(
        "UPDATE jobs SET last = ?, last_at = ?, thinned_to = min(thinned_to, ?) WHERE number = ?",
        (newest and last_text(newest), newest and to_ms(newest.at), begun, move.job),
    )
