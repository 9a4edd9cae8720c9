"""What a job's log says, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.causes import BROKE_TYPE, Cause, cause_of
from slurper_tui.monitor.job_key import JobKey


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
