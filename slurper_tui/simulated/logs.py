"""The log of a simulated job: a row is computed from its number on request.

Rows are sorted newest first, or oldest first if requested. Each failed and each not copied object
has one row; the rows about the job as a whole are inserted at their time.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Iterator
from typing import NamedTuple

from slurper_tui.api.models import LogRow
from slurper_tui.simulated.api import iso
from slurper_tui.simulated.jobs import Course

FAILED = "importErrorRetryExhaustion"
REASONS = (
    "Gave up after 5 tries: connection reset by the source",
    "Gave up after 5 tries: source answered 503 Slow Down",
    "Gave up after 5 tries: source answered 403 Access Denied",
    "Gave up after 3 tries: the object changed while it was read",
    "Gave up after 5 tries: timed out waiting for the first byte",
)
SKIPS = (
    ("importSkippedStorageClass", "Storage class DEEP_ARCHIVE cannot be read"),
    ("importSkippedOversized", "Larger than 1 TB"),
    ("importSkippedEmptyObject", "Nothing in it"),
    ("importSkippedRequiresRetrieval", "Must be restored from the archive first"),
    ("importSkippedUnsupportedContentType", "Content type is not supported"),
    ("importSkippedExcludedContentType", "Content type is excluded by the job"),
    ("importSkippedInvalidMedia", None),
)
_ENDINGS = (
    "IMG_{:04d}.HEIC",
    "IMG_{:04d}.jpg",
    "part-{:05d}.parquet",
    "{:06d}.log.gz",
    "{:05d}.bin",
)
_ROWS = {"paused": "migrationPause", "running": "migrationResume", "aborted": "migrationAbort"}


class _Event(NamedTuple):
    """A row about the job as a whole. before: number of older object rows."""

    before: int
    at: float
    log_type: str
    message: str | None


def log_rows(
    course: Course, now: float, limit: int, offset: int, *, oldest_first: bool = False
) -> list[LogRow]:
    """Return at most `limit` rows of the log at `now`, newest first, after skipping `offset`."""
    incidents = course.counters(now).incidents
    events = [e._replace(before=min(e.before, incidents)) for e in _events(course, now)]
    size = incidents + len(events)
    numbers = range(size)[:: 1 if oldest_first else -1][offset : offset + limit]
    places = {event.before + place: event for place, event in enumerate(events)}
    return [_row(course, now, number, places) for number in numbers]


def _row(course: Course, now: float, number: int, places: dict[int, _Event]) -> LogRow:
    """Return row `number`, counted from 0 at the oldest row."""
    if event := places.get(number):
        return LogRow(iso(event.at), course.plan.id, event.log_type, event.message)
    return _incident(course, now, number - sum(place < number for place in places))


def _events(course: Course, now: float) -> Iterator[_Event]:
    """Yield the rows about the job as a whole, oldest first."""
    plan = course.plan
    yield _Event(0, plan.created, "migrationStart", None)
    rows: list[tuple[float, str, str | None]]
    rows = [(change.at, _ROWS[change.status], None) for change in course.changes]
    broke = plan.created + plan.seconds * 0.55
    finished = course.completed(now)
    if plan.listing_broke and broke < min(now, finished or now):
        word = "Could not continue listing the source: the continuation token was refused"
        rows.append((broke, "migrationErrorFailedContinuation", word))
    for at, log_type, message in sorted(rows, key=lambda row: row[0]):
        yield _Event(course.incidents(at), at, log_type, message)
    if finished is not None:
        yield _Event(plan.incidents, finished, "migrationComplete", None)


def _incident(course: Course, now: float, index: int) -> LogRow:
    """Return the row of incident `index`, counted from 0: a failed or a not copied object."""
    plan = course.plan
    rng = random.Random(f"{plan.id}/{index}")
    if index + 1 not in course.moments:
        course.moments[index + 1] = _moment(course, now, index + 1)
    at = iso(course.moments[index + 1])
    key = _object_key(course, rng, index)
    if plan.failed_among(index + 1) > plan.failed_among(index):
        return LogRow(at, plan.id, FAILED, rng.choice(REASONS), key)
    log_type, message = rng.choices(SKIPS, weights=(30, 4, 6, 8, 3, 3, 1))[0]
    return LogRow(at, plan.id, log_type, message, key)


def _moment(course: Course, now: float, incidents: int) -> float:
    """Return the UTC seconds when the job reached a number of incidents, the same on every call.

    Bisects over whole milliseconds since the start. The result must not depend on `now`, because
    rows have no id and are identified by their content, the time included.
    """
    created = course.plan.created
    latest = course.completed(now) or now
    milliseconds = range(math.ceil((latest - created) * 1000))
    at = bisect.bisect_left(
        milliseconds, incidents, key=lambda n: course.incidents(created + n / 1000)
    )
    return created + max(0, at - 1) / 1000  # rounded down, like every other time


def _object_key(course: Course, rng: random.Random, index: int) -> str:
    source = course.plan.source
    if source is not None and source.keys:
        return source.keys[index % len(source.keys)]
    prefix = (source.path_prefix if source is not None else None) or ""
    day = f"{rng.randint(1, 12):02d}/{rng.randint(1, 28):02d}"
    return f"{prefix}{day}/{rng.choice(_ENDINGS).format(index)}"
