"""Which jobs are one migration, and what they amount to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.monitor.families.migration import Migration, MigrationKey, key_of, migration_of
from slurper_tui.monitor.families.scope import overlaps, superseded
from slurper_tui.monitor.families.sums import family_view
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Tie
from slurper_tui.monitor.model.job import JobView

if TYPE_CHECKING:
    from slurper_tui.monitor.model.plans import Unstarted


WAITING = "waiting"
"""The status of a migration whose jobs have ended while plans are to start others."""


def migrations(
    views: Iterable[JobView],
    ties: Sequence[Tie] = (),
    before: Mapping[MigrationKey, Migration] | None = None,
    unstarted: Iterable[Unstarted] = (),
) -> tuple[Migration, ...]:
    """Find the migrations among jobs: two or more of one account, source and target bucket.

    One job is enough while plans are to start others. They stand in the order of their first jobs.
    before: migrations that were found earlier; one that has not changed is that very value.
    unstarted: jobs that plans are still to start.
    """
    coming = tuple(unstarted)
    known, groups = before or {}, dict[MigrationKey, list[JobView]]()
    running: Counter[str] = Counter()
    for view in views:
        running[view.account_id] += is_running(view)
        key = migration_of(view)
        if key is not None:
            groups.setdefault(key, []).append(view)
    found = ((key, members, jobs_to_come(key, coming)) for key, members in groups.items())
    return tuple(
        _same_or_new(known.get(key), key, members, ties, running[key.account_id], more)
        for key, members, more in found
        if len(members) > 1 or more
    )


def family(
    views: Sequence[JobView], ties: Sequence[Tie] = (), running: int | None = None
) -> Migration:
    """Tell what jobs of one migration amount to together. Raises ValueError for none.

    ties: which of them retry others; others do not matter. running: jobs that run in the whole
    account, None for those among these.
    """
    if not views:
        raise ValueError("no jobs")
    key = migration_of(views[0]) or MigrationKey(views[0].account_id, *[""] * 6)
    slots = sum(map(is_running, views)) if running is None else running
    return _new(key, tuple(views), ties, slots)


def is_running(view: JobView) -> bool:
    """It takes one of its account's slots."""
    return view.live and view.status == "running"


def _same_or_new(
    before: Migration | None,
    key: MigrationKey,
    views: Sequence[JobView],
    ties: Sequence[Tie],
    running: int,
    unstarted: int,
) -> Migration:
    """Keep what was found before where no job has changed."""
    if before is None or before.unstarted != unstarted or not _unchanged(before, views, ties):
        return _new(key, tuple(views), ties, running, unstarted)
    return before if before.running == running else replace(before, running=running)


def _unchanged(before: Migration, views: Sequence[JobView], ties: Sequence[Tie]) -> bool:
    same = len(before.jobs) == len(views) and all(map(_is, before.jobs, views))
    return same and before.retries == _retries(before.keys, ties)


def _is(one: object, other: object) -> bool:
    return one is other


def _new(
    key: MigrationKey,
    views: tuple[JobView, ...],
    ties: Sequence[Tie],
    running: int,
    unstarted: int = 0,
) -> Migration:
    keys = frozenset(view.key for view in views)
    retries = _retries(keys, ties)
    again = superseded(views, retries)
    counted = [view for view in views if view.key not in again]
    view = family_view(counted, _each_once(ties, retries))
    return Migration(
        key=key,
        jobs=views,
        view=_with_more_to_come(view) if unstarted else view,
        running=running,
        overlaps=overlaps(views, again | retries.keys()),
        retries=retries,
        superseded=again,
        keys=keys,
        unstarted=unstarted,
    )


def _with_more_to_come(view: JobView) -> JobView:
    """Claim no end and no whole while jobs are still to be started."""
    forecast = view.forecast and replace(view.forecast, at_least=True)
    percent = None if view.percent is None else min(view.percent, 99)
    view = replace(
        view,
        forecast=forecast,
        percent=percent,
        provisional=True,
        verdict=None,
        lower_bound=True,
    )
    if view.live:
        return view
    job = replace(view.job, finished_at=None)
    return replace(view, job=job, status=WAITING, phase=None, ended=False, gone=False)


def jobs_to_come(key: MigrationKey, unstarted: Iterable[Unstarted]) -> int:
    """How many jobs a migration is still to get.

    Endpoints are not compared, for the API may tell one that a plan has left out, and a vendor
    only where the API tells it.
    """
    places = ((key_of(one.account_id, one.source, one.target), one.jobs) for one in unstarted)
    return sum(jobs for place, jobs in places if place is not None and _same_buckets(place, key))


def _same_buckets(plan: MigrationKey, key: MigrationKey) -> bool:
    vendor = key.vendor or plan.vendor
    return plan._replace(endpoint="") == key._replace(endpoint="", vendor=vendor)


def _each_once(ties: Sequence[Tie], retries: Mapping[JobKey, JobKey]) -> list[Tie]:
    """The ties between these jobs; one that is known twice stands once."""
    known = {tie.child: tie for tie in ties if retries.get(tie.child) == tie.parent}
    return list(known.values())


def _retries(keys: frozenset[JobKey], ties: Sequence[Tie]) -> dict[JobKey, JobKey]:
    """Which of these jobs retry which: each one other, which was there before it."""
    found: dict[JobKey, JobKey] = {}
    for tie in ties:
        if {tie.child, tie.parent} <= keys and not _descends(tie.parent, tie.child, found):
            found.setdefault(tie.child, tie.parent)
    return found


def _descends(key: JobKey, ancestor: JobKey, retries: Mapping[JobKey, JobKey]) -> bool:
    """Whether following parents from a job comes to another; a job comes to itself."""
    step: JobKey | None = key
    while step is not None:
        if step == ancestor:
            return True
        step = retries.get(step)
    return False
