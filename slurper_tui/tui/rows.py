"""The lines of the list: jobs, and migrations that are folded or have their jobs below them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.monitor.reports.migrations import Migration, MigrationKey, migrations
from slurper_tui.tui.options import ViewState
from slurper_tui.tui.render.columns import sorted_jobs

RowKey = JobKey | MigrationKey


class Row(msgspec.Struct, frozen=True, eq=False):
    """One line of the list. view: what its cells tell, of a job or of a whole migration.

    migration: the one that this line is, or whose job it is; None for a job by itself. unfolded:
    its jobs stand below it. retry: it copies again what failed in another job.
    """

    key: RowKey
    view: JobView
    migration: Migration | None = None
    unfolded: bool = False
    retry: bool = False

    @property
    def is_migration(self) -> bool:
        """It stands for several jobs."""
        return isinstance(self.key, MigrationKey)

    @property
    def is_folded(self) -> bool:
        """It stands for several jobs that are not lines of their own."""
        return self.is_migration and not self.unfolded


class Groups(msgspec.Struct, frozen=True, eq=False):
    """The migrations of one snapshot, found once. by_job: the one that each job is part of."""

    snapshot: Snapshot | None = None
    by_key: Mapping[MigrationKey, Migration] = {}
    by_job: Mapping[RowKey | None, MigrationKey] = {}


def grouped(snapshot: Snapshot | None, before: Groups) -> Groups:
    """Find the migrations of a snapshot; those that have not changed are the same values."""
    if snapshot is None or _has_same_jobs(snapshot, before.snapshot):
        return before
    found = migrations(snapshot.jobs, snapshot.ties, before.by_key, snapshot.unstarted)
    by_job: dict[RowKey | None, MigrationKey] = {key: one.key for one in found for key in one.keys}
    return Groups(snapshot, {one.key: one for one in found}, by_job)


def _has_same_jobs(snapshot: Snapshot, before: Snapshot | None) -> bool:
    if before is None or snapshot.jobs is not before.jobs:
        return False
    return (snapshot.ties, snapshot.unstarted) == (before.ties, before.unstarted)


def list_rows(
    jobs: Iterable[JobView],
    groups: Groups,
    view: ViewState,
    unfolded: Collection[MigrationKey] | None,
    retries: Collection[JobKey] = (),
) -> tuple[Row, ...]:
    """Give the lines in order: migrations by their sums among the other jobs, and so inside each.

    jobs: those that are to be seen. unfolded: whose jobs are lines of their own, None for all's.
    retries: jobs that copy again what failed in others.
    """
    inside: dict[MigrationKey, list[JobView]] = {}
    tops: dict[int, Row] = {}
    for job in jobs:
        key = groups.by_job.get(job.key)
        if key is not None:
            inside.setdefault(key, []).append(job)
        else:
            tops[id(job)] = Row(job.key, job, retry=job.key in retries)
    for key in inside:
        one = groups.by_key[key]
        tops[id(one.view)] = Row(key, one.view, one, unfolded is None or key in unfolded)
    order = sorted_jobs((row.view for row in tops.values()), view.sort, view.inverted)
    return tuple(line for sum in order for line in _with_jobs(tops[id(sum)], inside, view))


def _with_jobs(
    row: Row, inside: Mapping[MigrationKey, Sequence[JobView]], view: ViewState
) -> Iterator[Row]:
    yield row
    if isinstance(row.key, MigrationKey) and row.unfolded:
        for job in sorted_jobs(inside[row.key], view.sort, view.inverted):
            yield Row(job.key, job, row.migration)
