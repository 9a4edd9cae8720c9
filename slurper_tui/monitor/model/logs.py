"""What a job's log says, as frozen values.

What the rows of a job's log are about, by their type. Types that nobody foresaw are OTHER.

How many rows of each type a log holds, and from when to when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.model.base import JobKey

FAILED_TYPE = "importErrorRetryExhaustion"
"""The row of an object that could not be copied, however often it was tried."""

BROKE_TYPE = "migrationErrorFailedContinuation"
"""The source could not be listed to its end: the total is too low."""


class Cause(StrEnum):
    """What a row tells about.

    NOT_COPIED: an object that was skipped and is not in the target. Objects that were skipped
    because they are there already have no row at all.
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


def cause_of(log_type: str | None) -> Cause:
    """What a row of this type is about."""
    if log_type == FAILED_TYPE:
        return Cause.FAILED
    if log_type == BROKE_TYPE:
        return Cause.LISTING_BROKE
    if log_type is not None and log_type.startswith("importSkipped"):
        return Cause.NOT_COPIED
    return Cause.JOB if log_type in _REASONS else Cause.OTHER


def reason_of(log_type: str | None) -> str:
    """A type in a few words; one that nobody foresaw is its own word."""
    return _REASONS.get(log_type or "", log_type or "no type")


class LogCounts(msgspec.Struct, frozen=True):
    """How many rows of each type a log holds; all that is kept of it.

    by_type: distinct rows. whole: the log was read to its end. read_at: UTC seconds.
    first_seen, last_seen: of each type, the API's own times.
    """

    by_type: Mapping[str, int] = {}
    whole: bool = False
    read_at: float = 0.0
    first_seen: Mapping[str, str] = {}
    last_seen: Mapping[str, str] = {}

    @property
    def failed(self) -> int:
        """Rows of failed objects."""
        return self._of(Cause.FAILED)

    @property
    def not_copied(self) -> int:
        """Rows of objects that were skipped and are not in the target."""
        return self._of(Cause.NOT_COPIED)

    def accounts_for(self, failed: int | None) -> bool:
        """Whether it was read whole, is not empty, and has a row for each failure of the counter.

        failed: the job's counter. Only then skipped objects without a row are in the target.
        """
        return self.whole and bool(self.by_type) and failed is not None and self.failed >= failed

    @property
    def listing_broke(self) -> bool:
        """The source could not be listed to its end."""
        return self.by_type.get(BROKE_TYPE, 0) > 0

    def _of(self, cause: Cause) -> int:
        return sum(number for type, number in self.by_type.items() if cause_of(type) is cause)


class LogView(msgspec.Struct, frozen=True):
    """A log as far as it has been read.

    rows: the newest, newest first, not more than fit in memory. read: distinct rows read so far.
    whole: read to the end. problem: why the last page did not come; it is asked again. waiting:
    the request budget has no room for it now.
    """

    key: JobKey
    rows: tuple[LogRow, ...] = ()
    read: int = 0
    whole: bool = False
    problem: ApiError | None = None
    waiting: bool = False


class PrefixGroup(msgspec.Struct, frozen=True):
    """Objects under one key prefix that met the same end. examples: some of their keys."""

    prefix: str
    count: int
    examples: tuple[str, ...] = ()


class FailureGroup(msgspec.Struct, frozen=True):
    """Objects that failed, or were not copied, for one reason.

    count: distinct objects; rows without a key count one each. first_seen, last_seen: the API's own
    times. messages: what the API said, with how often, the most frequent first. prefixes: the
    largest first.
    """

    log_type: str
    cause: Cause
    count: int
    first_seen: str | None = None
    last_seen: str | None = None
    messages: tuple[tuple[str, int], ...] = ()
    prefixes: tuple[PrefixGroup, ...] = ()


class FailuresView(msgspec.Struct, frozen=True):
    """What failed and what was not copied, as far as the log has been read.

    groups: failures first, then what was not copied, each the largest first. counts: rows by type.
    failed_objects, skipped_objects: the job's own counters, None where unknown. rows_read: distinct
    rows. problem, waiting: as of a LogView.
    """

    key: JobKey
    groups: tuple[FailureGroup, ...] = ()
    counts: LogCounts = LogCounts()
    failed_objects: int | None = None
    skipped_objects: int | None = None
    rows_read: int = 0
    problem: ApiError | None = None
    waiting: bool = False

    @property
    def named(self) -> int:
        """Failed objects that the log names."""
        return sum(group.count for group in self.groups if group.cause is Cause.FAILED)

    @property
    def not_copied(self) -> int:
        """Skipped objects that are not in the target."""
        return sum(group.count for group in self.groups if group.cause is Cause.NOT_COPIED)

    @property
    def accounts_for_failures(self) -> bool:
        """Whether the log was read whole, is not empty, and names every failure of the counter."""
        named = self.failed_objects is not None and self.named >= self.failed_objects
        return self.counts.whole and bool(self.counts.by_type) and named

    @property
    def unexplained(self) -> int | None:
        """Skipped objects that no row explains; None while the counter is unknown."""
        if self.skipped_objects is None:
            return None
        return max(0, self.skipped_objects - self.not_copied)

    @property
    def harmless(self) -> int | None:
        """Skipped objects that are in the target already; None while the log proves nothing."""
        proved = self.accounts_for_failures or (self.counts.whole and self.unexplained == 0)
        return self.unexplained if proved else None


class Span:
    """The first and the last of some times, in the API's own text.

    Of texts that are no times the first counts, and only as long as there is no time.
    """

    def __init__(self) -> None:
        self.first: str | None = None
        self.last: str | None = None
        self._first_at: float | None = None
        self._last_at: float | None = None

    def add(self, text: str | None) -> None:
        """Take in one more."""
        at = fmt.parse_time(text)
        if at is None:
            self.first, self.last = self.first or text, self.last or text
            return
        if self._first_at is None or at < self._first_at:
            self.first, self._first_at = text, at
        if self._last_at is None or at > self._last_at:
            self.last, self._last_at = text, at


class RowCounts:
    """Counts rows, each of which it is told once."""

    def __init__(self) -> None:
        self.rows = 0
        self._by_type: Counter[str] = Counter()
        self._spans: dict[str, Span] = {}

    def add(self, rows: Iterable[LogRow]) -> None:
        """Take in more rows."""
        for row in rows:
            log_type = row.log_type or ""
            self.rows += 1
            self._by_type[log_type] += 1
            self._spans.setdefault(log_type, Span()).add(row.created_at)

    def counts(self, read_at: float, *, whole: bool) -> LogCounts:
        """All of it as one value. read_at: UTC seconds. A row without a type is of the type ""."""
        return LogCounts(
            by_type=dict(self._by_type),
            whole=whole,
            read_at=read_at,
            first_seen={kind: s.first for kind, s in self._spans.items() if s.first},
            last_seen={kind: s.last for kind, s in self._spans.items() if s.last},
        )
