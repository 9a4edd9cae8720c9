"""Several jobs that copy one bucket to another, as one migration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts, Forecast, JobView, State, Verdict

SLOTS = 3
"""Jobs that run at a time in one account."""


class MigrationKey(NamedTuple):
    """Which migration: an account, a source bucket and a target bucket.

    Buckets of one name in two jurisdictions, or at two endpoints, are two buckets; "" for the
    default of either.
    """

    account_id: str
    vendor: str
    endpoint: str
    source_jurisdiction: str
    source: str
    target_jurisdiction: str
    target: str


class Overlap(NamedTuple):
    """Two jobs that may copy the same objects: what one copies begins as what the other does."""

    inner: JobKey
    outer: JobKey


class Migration(msgspec.Struct, frozen=True):
    """Jobs of one migration, and what they amount to together.

    jobs: as they were given. view: the sum, as if it were one job's; it has no id, because it is
    no job. running: jobs that run in the whole account, of SLOTS. overlaps: pairs that ran at the
    same time. retries: jobs that copy again what failed in another, which is their value; they
    move objects from failed to transferred, and add none. superseded: ended jobs that a later one
    has done, or is doing, all over again; they are not counted. unstarted: jobs that plans are
    still to start: nobody knows how many objects those have.
    """

    key: MigrationKey
    jobs: tuple[JobView, ...]
    view: JobView
    running: int = 0
    overlaps: tuple[Overlap, ...] = ()
    retries: Mapping[JobKey, JobKey] = {}
    superseded: frozenset[JobKey] = frozenset()
    keys: frozenset[JobKey] = frozenset()
    unstarted: int = 0

    @property
    def counts(self) -> Counts:
        """The four counters together, each object once; None where a job's is not known."""
        return self.view.counts

    @property
    def percent(self) -> int | None:
        """Whole and rounded down; 100 only when every counted job was completed."""
        return self.view.percent

    @property
    def rate(self) -> float | None:
        """Objects per second of all jobs that run."""
        return self.view.rate

    @property
    def forecast(self) -> Forecast | None:
        """When the last job will be done; None where a job's end is not known."""
        return self.view.forecast

    @property
    def verdict(self) -> Verdict | None:
        """How all of it reconciles after retries; None while a job may still move."""
        return self.view.verdict

    @property
    def state(self) -> State:
        """That of the live job that is worst off; of the ended ones when none is live."""
        return self.view.state

    @property
    def counted(self) -> tuple[JobView, ...]:
        """The jobs without those that were superseded."""
        return tuple(view for view in self.jobs if view.key not in self.superseded)


def migration_of(view: JobView) -> MigrationKey | None:
    """Which migration a job belongs to; None for one whose buckets are not known."""
    cached = vars(view)
    if "migration" not in cached:
        cached["migration"] = key_of(view.account_id, view.job.source, view.job.target)
    known: MigrationKey | None = cached["migration"]
    return known


def key_of(account_id: str, source: Source | None, target: Target | None) -> MigrationKey | None:
    """Which migration copies from one bucket to another; None where one is not known."""
    if source is None or target is None or not source.bucket or not target.bucket:
        return None
    return MigrationKey(
        account_id,
        (source.vendor or "").casefold(),
        (source.endpoint or "").rstrip("/").casefold(),
        _place(source.jurisdiction),
        source.bucket,
        _place(target.jurisdiction),
        target.bucket,
    )


def _place(jurisdiction: str | None) -> str:
    return "" if jurisdiction in (None, "default") else str(jurisdiction)
