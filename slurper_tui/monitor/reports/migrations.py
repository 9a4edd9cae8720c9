"""Several jobs as one: their counts, pace, end and verdict as a view that is nobody's.

Several jobs that copy one bucket to another, as one migration.

How several jobs reconcile together, in one sentence.

Which jobs are one migration, and what they amount to together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Tie
from slurper_tui.monitor.model.job import (
    Counts,
    Forecast,
    JobView,
    Phase,
    State,
    Verdict,
    shown_forecast,
    shown_rate,
)
from slurper_tui.monitor.model.logs import BROKE_TYPE, reason_of
from slurper_tui.monitor.reports.retries import (
    Overlap,
    Together,
    overlaps,
    superseded,
    together,
    total,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.model.plans import Unstarted


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


MOST_NAMES = 3
SHORT_ID = 8


def family_verdict(
    roots: Sequence[JobView], retries: Sequence[JobView], sums: Together
) -> Verdict | None:
    """One verdict of jobs and their retries; None while one of them may still move.

    unaccounted: of completed jobs what nobody can explain, of others what was never done. Jobs
    that were not completed are named, by prefix or by the beginning of their id.
    """
    if any(view.live for view in (*roots, *retries)):
        return None
    completed = [view for view in roots if view.status == "completed"]
    others = [view for view in roots if view.status != "completed"]
    remaining = [view.counts.remaining for view in roots]
    unaccounted = None if None in remaining else sum(n or 0 for n in remaining)
    broke = any(view.listing_broke for view in roots)
    words = [
        *(_ends(others, len(roots)) or ["completed"]),
        *_failed(sums, retried=bool(retries)),
        *_left(completed, others),
        *_doubts([view.counts for view in roots], sums.counts),
        *_lost_retries(retries),
        *([reason_of(BROKE_TYPE)] if broke else []),
    ]
    return Verdict(" · ".join(words), sums.counts.failed, sums.not_copied, unaccounted, broke)


def _ends(others: Sequence[JobView], number: int) -> list[str]:
    """Say how many jobs were not completed, what became of them, and which they are."""
    kinds: dict[str, list[JobView]] = {}
    for view in others:
        kinds.setdefault(view.word, []).append(view)
    return [f"{len(views)} of {number} {word} ({_names(views)})" for word, views in kinds.items()]


def _names(views: Sequence[JobView]) -> str:
    names = [_name(view) for view in views[:MOST_NAMES]]
    more = len(views) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _name(view: JobView) -> str:
    prefix = view.job.source.path_prefix if view.job.source else None
    return prefix or (view.job.id or "?")[:SHORT_ID]


def _failed(sums: Together, *, retried: bool) -> Iterator[str]:
    if sums.counts.failed is not None:
        yield f"{sums.counts.failed:,} failed{' after retries' if retried else ''}"
    if sums.not_copied is not None and (sums.not_copied or sums.counts.skipped):
        yield f"{sums.not_copied:,} not copied"


def _left(completed: Sequence[JobView], others: Sequence[JobView]) -> Iterator[str]:
    for views, word in ((others, "not done"), (completed, "unaccounted")):
        known = [n for n in (view.counts.remaining for view in views) if n is not None]
        if known:
            yield f"{sum(known):,} {word}"


def _doubts(counts: Sequence[Counts], sums: Counts) -> Iterator[str]:
    surplus = sum(max(0, (c.done or 0) - c.objects) for c in counts if c.objects is not None)
    if surplus:
        yield f"counts exceed the total by {surplus:,}"
    if sums.objects is None or sums.done is None:
        yield "counts unknown"


def _lost_retries(retries: Sequence[JobView]) -> Iterator[str]:
    """Say which retries came to nothing; what they did not copy again is still counted failed."""
    lost = [view for view in retries if view.status != "completed"]
    for word in dict.fromkeys(view.word for view in lost):
        number = sum(view.word == word for view in lost)
        yield f"{number} {'retry' if number == 1 else 'retries'} {word}"


_LIVE = (State.STALLED, State.OTHER, State.LISTING, State.RUNNING, State.PAUSED)
_LOST = (State.ABORTED, State.OTHER, State.GONE)
"""The worst first."""


def family_view(views: Sequence[JobView], ties: Sequence[Tie]) -> JobView:
    """Add jobs up; ties: which of them retry others of them. The job of the view has no id.

    It stands like the live job that is worst off. Its numbers are those of a job: objects, objects
    per second, UTC seconds. Counts that some have not told yet are missing in the sum.
    """
    by_key = {view.key: view for view in views}
    retries = [(tie, by_key[tie.child]) for tie in ties if tie.child in by_key]
    again = {tie.child for tie, _ in retries}
    roots = [view for view in views if view.key not in again]
    told = [view for view in roots if _has_told(view)]
    sums, shown = together(roots, retries), together(told or roots, retries)
    live = [view for view in views if view.live]
    view = JobView(
        account_id=views[0].account_id,
        job=_job(views, ended=not live),
        counts=shown.counts,
        percent=_percent(roots, whole=all(view.status == "completed" for view in views)),
        provisional=any(view.provisional for view in roots if view.live),
        grew=any(view.growing for view in roots if view.live),
        verdict=family_verdict(roots, [child for _, child in retries], sums),
        not_copied=sums.not_copied,
        listing_broke=any(view.listing_broke for view in roots),
        partial=0 < len(told) < len(roots),
        ended=not live,
        as_of=_as_of(live, views),
        missed=max((view.missed for view in live), default=0),
        remembered=any(view.remembered for view in live or views),
    )
    return _moving(view, live) if live else _over(view, roots)


def _has_told(view: JobView) -> bool:
    return view.counts.objects is not None and view.counts.done is not None


def _moving(view: JobView, live: Sequence[JobView]) -> JobView:
    worst = min(live, key=partial(_place_sums, _LIVE))
    forecast = _last_end(live)
    return replace(
        view,
        status=worst.status,
        phase=worst.phase,
        stale=all(v.stale for v in live),
        rate=_sum(live, shown_rate),
        lifetime_rate=_average(view),
        transferred_rate=_sum(live, lambda v: v.transferred_rate),
        skipped_rate=_sum(live, lambda v: v.skipped_rate),
        growth=_sum(live, lambda v: v.growth),
        forecast=forecast,
        reason="" if forecast else _reason(live),
        stalled_badly=any(v.stalled_badly for v in live),
    )


def _over(view: JobView, roots: Sequence[JobView]) -> JobView:
    """An end is as bad as that of the worst job; what retries have made good is good."""
    lost = [v for v in roots if v.status != "completed"]
    worst = min(lost, key=partial(_place_sums, _LOST), default=None)
    return replace(
        view,
        status=worst.status if worst else "completed",
        phase=Phase.ENDED,
        gone=all(v.gone for v in roots) or (worst is not None and worst.state is State.GONE),
        lifetime_rate=_average(view),
    )


def _place_sums(order: Sequence[State], view: JobView) -> int:
    return order.index(view.state) if view.state in order else len(order)


def _percent(roots: Sequence[JobView], *, whole: bool) -> int | None:
    """Whole and rounded down, below 100 unless `whole`; more done than there is counts for none."""
    known = [(v.counts.done, v.counts.objects) for v in roots]
    objects = total(objects for _, objects in known)
    if not objects or any(done is None for done, _ in known):
        return None
    done = sum(min(done or 0, objects or 0) for done, objects in known)
    return min(100 if whole else 99, done * 100 // objects)


def _last_end(live: Iterable[JobView]) -> Forecast | None:
    """The end of the job that is done last; None where one of them may never be."""
    forecasts = [shown_forecast(view) for view in live]
    known = [forecast for forecast in forecasts if forecast is not None]
    if not known or len(known) < len(forecasts):
        return None
    return Forecast(
        low=max(forecast.low for forecast in known),
        high=max(forecast.high for forecast in known),
        made_at=max(forecast.made_at for forecast in known),
        at_least=any(forecast.at_least for forecast in known),
        seeded=any(forecast.seeded for forecast in known),
    )


def _reason(live: Sequence[JobView]) -> str:
    """Say which jobs keep all of it from having an end."""
    for word, has in (
        ("paused", lambda v: v.state is State.PAUSED),
        ("stalled", lambda v: v.state is State.STALLED),
        ("not answering", lambda v: v.stale),
        ("without one", lambda v: shown_forecast(v) is None),
    ):
        if number := sum(map(has, live)):
            return f"no ETA: {number} of {len(live)} jobs {word}"
    return ""


def _as_of(live: Sequence[JobView], views: Sequence[JobView]) -> float | None:
    """Since when all of it is known: the oldest data of a live job."""
    known = [view.as_of for view in live or views if view.as_of is not None]
    if not known:
        return None
    return min(known) if live else max(known)


def _sum(live: Iterable[JobView], rate: Callable[[JobView], float | None]) -> float | None:
    known = [number for number in map(rate, live) if number is not None]
    return sum(known) if known else None


def _average(view: JobView) -> float | None:
    """Objects per second from the first job's creation to the last one's end, or to now.

    None while some have not told their counts: those that have did not need all that time.
    """
    if view.partial:
        return None
    begun = parse_time(view.job.created_at)
    until = view.as_of if view.live else parse_time(view.job.finished_at)
    if begun is None or until is None or view.counts.done is None or until <= begun:
        return None
    return view.counts.done / (until - begun)


def _job(views: Sequence[JobView], *, ended: bool) -> Job:
    """What the jobs have in common, from the first one's creation to the last one's end."""
    jobs = [view.job for view in views]
    ends = [job.finished_at for job in jobs]
    overwrites = {job.overwrite for job in jobs}
    source, target = jobs[0].source, jobs[0].target
    return Job(
        created_at=min((job.created_at for job in jobs), key=_time, default=None),
        finished_at=max(ends, key=_time) if ended and None not in ends else None,
        overwrite=overwrites.pop() if len(overwrites) == 1 else None,
        source=_bucket(source),
        target=target and Target(target.vendor, target.bucket, target.jurisdiction),
    )


def _bucket(source: Source | None) -> Source | None:
    """The source without what tells one job from another."""
    return source and replace(source, path_prefix=None, keys=None, extra={})


def _time(text: str | None) -> float:
    at = parse_time(text)
    return float("inf") if at is None else at


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
