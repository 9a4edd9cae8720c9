"""Frozen values for logs: row types and their causes, counts by type, and failure groups.

Row types that this program does not know have the cause OTHER.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from heapq import nlargest, nsmallest

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.model.base import STEADY_SECONDS, JobKey, total

FAILED_TYPE = "importErrorRetryExhaustion"
"""Type of the row for an object that could not be copied after all retries."""

BROKE_TYPE = "migrationErrorFailedContinuation"
"""Type of the row that reports an aborted source listing: the total is too low."""


class Cause(StrEnum):
    """Subject of a log row.

    NOT_COPIED: an object that was skipped and is not in the target. An object that was skipped
    because the target already has it gets no row.
    """

    FAILED = "failed"
    NOT_COPIED = "not copied"
    LISTING_BROKE = "listing broke"
    JOB = "job"
    OTHER = "other"


_REASONS: Mapping[str, str] = {
    FAILED_TYPE: "failed after several tries",
    BROKE_TYPE: "source listing broke: the total is incomplete",
    "importSkippedStorageClass": "archive tier",
    "importSkippedRequiresRetrieval": "to be restored first",
    "importSkippedOversized": "over 1 TB",
    "importSkippedEmptyObject": "empty",
    "importSkippedUnsupportedContentType": "content type not supported",
    "importSkippedExcludedContentType": "content type excluded",
    "importSkippedInvalidMedia": "invalid media",
    "migrationStart": "started",
    "migrationComplete": "completed",
    "migrationAbort": "aborted",
    "migrationError": "error",
    "migrationPause": "paused",
    "migrationResume": "resumed",
}

LOG_TYPES = tuple(_REASONS)
"""The documented types of rows."""


def cause_of(log_type: str | None) -> Cause:
    """Return the cause of a row type."""
    if log_type == FAILED_TYPE:
        return Cause.FAILED
    if log_type == BROKE_TYPE:
        return Cause.LISTING_BROKE
    if log_type is not None and log_type.startswith("importSkipped"):
        return Cause.NOT_COPIED
    return Cause.JOB if log_type in _REASONS else Cause.OTHER


def reason_of(log_type: str | None) -> str:
    """Return a row type in a few words; an unknown type is returned unchanged."""
    return _REASONS.get(log_type or "", log_type or "no type")


MOST_SHOWN = 10
"""Newest rows of a job that are kept, to be shown beside its other details."""

NEWEST_ROWS = 100
"""Rows of failed objects that a preview of the reasons counts."""

NEWEST_REASONS = 3
"""Reasons in a preview."""


def newest_rows(rows: Iterable[LogRow], most: int = MOST_SHOWN) -> tuple[LogRow, ...]:
    """Return the newest rows, each once, the newest first. Times are compared as texts."""
    distinct = {
        (row.created_at, row.job, row.log_type, row.object_key, row.message): row for row in rows
    }
    return tuple(nlargest(most, distinct.values(), key=lambda row: row.created_at or ""))


class NewestFailures:
    """The reasons of the newest failed objects in the rows of a log, for a preview."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, str], str] = {}

    def add(self, rows: Iterable[LogRow]) -> None:
        """Add rows in any order; rows that were added before change nothing."""
        failed = (row for row in rows if cause_of(row.log_type) is Cause.FAILED)
        for row in failed:
            key = row.object_key or ""
            message = row.message or reason_of(row.log_type)
            # without the object's key, so that equal reasons count together
            self._reasons[row.created_at or "", key] = message.replace(key or "\0", "…")
        if len(self._reasons) > NEWEST_ROWS:
            self._reasons = dict(nlargest(NEWEST_ROWS, self._reasons.items()))

    def reasons(self) -> tuple[tuple[str, int], ...]:
        """Return the most frequent messages, each with its number of rows."""
        counts = Counter(self._reasons.values()).items()
        return tuple(nsmallest(NEWEST_REASONS, counts, key=lambda item: (-item[1], item[0])))


class LogCounts(msgspec.Struct, frozen=True):
    """Number of rows per type; the only part of a log that the history stores.

    by_type: distinct rows. whole: the log was read to its end. read_at: UTC seconds.
    first_seen, last_seen: per type, in the API's own text.
    """

    by_type: Mapping[str, int] = {}
    whole: bool = False
    read_at: float = 0.0
    first_seen: Mapping[str, str] = {}
    last_seen: Mapping[str, str] = {}

    @property
    def failed(self) -> int:
        """Number of rows for failed objects."""
        return self._of(Cause.FAILED)

    @property
    def not_copied(self) -> int:
        """Number of rows for objects that were skipped and are not in the target."""
        return self._of(Cause.NOT_COPIED)

    def accounts_for(self, failed: int | None) -> bool:
        """Return True if the log was read completely, has rows, and has a row for every failure.

        failed: the job's counter. Only when this is True can skipped objects without a row be
        assumed to be in the target.
        """
        return self.whole and bool(self.by_type) and failed is not None and self.failed >= failed

    def covers(self, ended: float) -> bool:
        """Return True if the log was read to its end, and after its last row was written.

        ended: UTC seconds at which the job ended.
        """
        return self.whole and self.read_at >= ended + STEADY_SECONDS

    @property
    def listing_broke(self) -> bool:
        """True if the source could not be listed to its end."""
        return self.by_type.get(BROKE_TYPE, 0) > 0

    def _of(self, cause: Cause) -> int:
        return sum(number for type, number in self.by_type.items() if cause_of(type) is cause)


class LogView(msgspec.Struct, frozen=True):
    """The part of a log that has been read, or of the logs of several jobs.

    rows: newest first, at most as many as fit in memory. read: number of distinct rows read.
    whole: read to the end. problem: why the last page failed; it is requested again.
    waiting: the next page must wait for the request budget.
    jobs: of several jobs, the view of each, without its rows; empty for one job. Then `key` has no
    job id, each row names its job, and a problem or a gap of one job is one of all.
    """

    key: JobKey
    rows: tuple[LogRow, ...] = ()
    read: int = 0
    whole: bool = False
    problem: ApiError | None = None
    waiting: bool = False
    jobs: tuple[LogView, ...] = ()


class JobGroup(msgspec.Struct, frozen=True):
    """Objects of one job in a `PrefixGroup`. examples: some of their keys."""

    key: JobKey
    count: int
    examples: tuple[str, ...] = ()


class PrefixGroup(msgspec.Struct, frozen=True):
    """Objects under one key prefix with the same outcome.

    examples: some of their keys. jobs: the same objects by job, the largest group first.
    """

    prefix: str
    count: int
    examples: tuple[str, ...] = ()
    jobs: tuple[JobGroup, ...] = ()


class FailureGroup(msgspec.Struct, frozen=True):
    """Objects that failed, or were not copied, for the same reason.

    count: distinct objects of each job; each row without a key counts as one.
    first_seen, last_seen: in the API's own text.
    messages: (API message, count), the most frequent first. prefixes: the largest first.
    """

    log_type: str
    cause: Cause
    count: int
    first_seen: str | None = None
    last_seen: str | None = None
    messages: tuple[tuple[str, int], ...] = ()
    prefixes: tuple[PrefixGroup, ...] = ()


class FailuresView(msgspec.Struct, frozen=True):
    """Failed and not copied objects in the part of the log that has been read.

    groups: failures first, then objects not copied, the largest first within each.
    counts: rows by type. rows_read: distinct rows.
    failed_objects, skipped_objects: the job's own counters; None when unknown.
    problem, waiting: as in `LogView`.
    jobs: of several jobs, the view of each, whose groups have only their numbers of objects; empty
    for one job. Then `key` has no job id, and the counters and counts are sums: None or not whole
    if those of one job are.
    """

    key: JobKey
    groups: tuple[FailureGroup, ...] = ()
    counts: LogCounts = LogCounts()
    failed_objects: int | None = None
    skipped_objects: int | None = None
    rows_read: int = 0
    problem: ApiError | None = None
    waiting: bool = False
    jobs: tuple[FailuresView, ...] = ()

    @property
    def named(self) -> int:
        """Number of failed objects that the log lists."""
        return sum(group.count for group in self.groups if group.cause is Cause.FAILED)

    @property
    def unnamed(self) -> int | None:
        """Number of failed objects that no log lists; None while a counter is unknown.

        One job's log cannot make up for another's.
        """
        if self.jobs:
            return total(job.unnamed for job in self.jobs)
        return None if self.failed_objects is None else max(0, self.failed_objects - self.named)

    @property
    def not_copied(self) -> int:
        """Number of skipped objects that are not in the target."""
        return sum(group.count for group in self.groups if group.cause is Cause.NOT_COPIED)

    @property
    def accounts_for_failures(self) -> bool:
        """True if the log was read completely, has rows, and lists every failure of the counter."""
        if self.jobs:
            return all(job.accounts_for_failures for job in self.jobs)
        return self.counts.whole and bool(self.counts.by_type) and self.unnamed == 0

    @property
    def unexplained(self) -> int | None:
        """Number of skipped objects without a row; None while the counter is unknown."""
        if self.jobs:
            return total(job.unexplained for job in self.jobs)
        if self.skipped_objects is None:
            return None
        return max(0, self.skipped_objects - self.not_copied)

    @property
    def harmless(self) -> int | None:
        """Number of skipped objects that the target already has; None unless the log proves it."""
        if self.jobs:
            return total(job.harmless for job in self.jobs)
        proved = self.accounts_for_failures or (self.counts.whole and self.unexplained == 0)
        return self.unexplained if proved else None

    @property
    def unread(self) -> tuple[FailuresView, ...]:
        """The views of the jobs whose log was not read to its end, or not without a gap."""
        return tuple(job for job in self.jobs or (self,) if not job.counts.whole)


def all_failures(jobs: Sequence[FailuresView], groups: tuple[FailureGroup, ...]) -> FailuresView:
    """Return the view of one or several jobs. groups: the groups of all their objects."""
    if len(jobs) == 1:
        return replace(jobs[0], groups=groups)
    return FailuresView(
        JobKey(jobs[0].key.account_id, ""),
        groups,
        all_counts([job.counts for job in jobs]),
        total(job.failed_objects for job in jobs),
        total(job.skipped_objects for job in jobs),
        sum(job.rows_read for job in jobs),
        next((job.problem for job in jobs if job.problem), None),
        any(job.waiting for job in jobs),
        tuple(jobs),
    )


def all_counts(logs: Sequence[LogCounts]) -> LogCounts:
    """Add the row counts of several logs up; whole if each of them is."""
    by_type: Counter[str] = Counter()
    spans: dict[str, Span] = {}
    for log in logs:
        by_type.update(log.by_type)
        for log_type, at in (*log.first_seen.items(), *log.last_seen.items()):
            spans.setdefault(log_type, Span()).add(at)
    return LogCounts(
        by_type=dict(by_type),
        whole=all(log.whole for log in logs),
        read_at=min((log.read_at for log in logs), default=0.0),
        first_seen={kind: span.first for kind, span in spans.items() if span.first},
        last_seen={kind: span.last for kind, span in spans.items() if span.last},
    )


class Span:
    """The earliest and the latest of several times, in the API's own text.

    The first text that is not a valid time is used only while no valid time was added.
    """

    def __init__(self) -> None:
        self.first: str | None = None
        self.last: str | None = None
        self._first_at: float | None = None
        self._last_at: float | None = None

    def add(self, text: str | None) -> None:
        """Add a time."""
        at = fmt.parse_time(text)
        if at is None:
            self.first, self.last = self.first or text, self.last or text
            return
        if self._first_at is None or at < self._first_at:
            self.first, self._first_at = text, at
        if self._last_at is None or at > self._last_at:
            self.last, self._last_at = text, at


class RowCounts:
    """Counter of log rows; the caller must add each row only once."""

    def __init__(self) -> None:
        self.rows = 0
        self._by_type: Counter[str] = Counter()
        self._spans: dict[str, Span] = {}

    def add(self, rows: Iterable[LogRow]) -> None:
        """Add rows."""
        for row in rows:
            log_type = row.log_type or ""
            self.rows += 1
            self._by_type[log_type] += 1
            self._spans.setdefault(log_type, Span()).add(row.created_at)

    def counts(self, read_at: float, *, whole: bool) -> LogCounts:
        """Return the counts as a frozen value.

        read_at: UTC seconds. Rows without a type are counted under "".
        """
        return LogCounts(
            by_type=dict(self._by_type),
            whole=whole,
            read_at=read_at,
            first_seen={kind: s.first for kind, s in self._spans.items() if s.first},
            last_seen={kind: s.last for kind, s in self._spans.items() if s.last},
        )
