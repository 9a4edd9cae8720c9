"""Groups jobs that copy one bucket to another into migrations, and sums each migration up.

`migrations` groups jobs by `MigrationKey`. `family_view` adds a group's counts, rates, forecasts
and states up as a `JobView` without an id; retries move objects between counters and superseded
jobs are left out (see `retries`). `family_verdict` reconciles the group in one sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.model.base import SHORT_ID, SLOTS, JobKey, total
from slurper_tui.monitor.model.job import (
    Failing,
    Forecast,
    JobView,
    Phase,
    Prospect,
    State,
    Total,
    Unstarted,
    Verdict,
    job_time,
    percent_of,
    shown_forecast,
    shown_rate,
)
from slurper_tui.monitor.model.logs import BROKE_TYPE, NEWEST_REASONS, reason_of
from slurper_tui.monitor.model.verdict import doubt_words
from slurper_tui.monitor.model.verification import sum_of
from slurper_tui.monitor.reports.retries import (
    Overlap,
    Together,
    overlaps,
    scope_of,
    superseded,
    together,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.model.events import RetryLink
    from slurper_tui.monitor.model.verification import Verification

MOST_CHARTED = 60
"""The history of at most this many jobs is read to draw the charts of their migration."""


class MigrationKey(NamedTuple):
    """Identifies a migration: an account, a source bucket and a target bucket.

    Buckets of the same name in two jurisdictions or at two endpoints are different buckets; "" is
    the default of either.
    """

    account_id: str
    vendor: str
    endpoint: str
    source_jurisdiction: str
    source: str
    target_jurisdiction: str
    target: str


class Migration(msgspec.Struct, frozen=True):
    """Jobs of one migration, and their sums.

    jobs: in the given order. view: their sum, see `family_view`. running: jobs that run in the
    whole account, of `SLOTS`. overlaps: pairs of jobs with overlapping prefixes that ran at the
    same time. retries: maps each retry to the job that it retries; a retry moves objects between
    counters (failed to transferred, for example) and adds none. superseded: ended jobs that a later
    job repeats completely; they are not counted. keys: the keys of `jobs`. unstarted: jobs that
    plans have not started yet; their number of objects is unknown.
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
    def charted(self) -> tuple[JobKey, ...]:
        """The jobs whose counts add up to the migration's; empty if there are too many to read.

        Retries move objects between counters and add none.
        """
        keys = tuple(view.key for view in self.counted if view.key not in self.retries)
        return keys if len(keys) <= MOST_CHARTED else ()

    @property
    def counted(self) -> tuple[JobView, ...]:
        """The jobs that are not superseded."""
        return tuple(view for view in self.jobs if view.key not in self.superseded)


def migration_of(view: JobView) -> MigrationKey | None:
    """Return a job's migration, cached in the view; None if a bucket is unknown."""
    cached = vars(view)
    if "migration" not in cached:
        cached["migration"] = key_of(view.account_id, view.job.source, view.job.target)
    key: MigrationKey | None = cached["migration"]
    return key


def key_of(account_id: str, source: Source | None, target: Target | None) -> MigrationKey | None:
    """Return the key of the migration between two buckets; None if one is unknown."""
    if source is None or target is None or not source.bucket or not target.bucket:
        return None
    return MigrationKey(
        account_id,
        (source.vendor or "").casefold(),
        (source.endpoint or "").rstrip("/").casefold(),
        _jurisdiction(source),
        source.bucket,
        _jurisdiction(target),
        target.bucket,
    )


def _jurisdiction(end: Source | Target) -> str:
    return "" if end.jurisdiction in (None, "default") else str(end.jurisdiction)


MOST_NAMES = 3


def family_verdict(
    roots: Sequence[JobView], retries: Sequence[JobView], sums: Together
) -> Verdict | None:
    """Return one verdict for jobs and their retries; None while one of them is live.

    roots: the jobs that retry no other. The verdict's `unaccounted` adds the remaining objects of
    completed jobs, which are unexplained, and of other jobs, which were never done. Jobs that were
    not completed are named by prefix or by the first characters of their id.
    """
    if any(view.live for view in (*roots, *retries)):
        return None
    completed = [view for view in roots if view.status == "completed"]
    others = [view for view in roots if view.status != "completed"]
    words = _ends(others, len(roots)) or ["completed"]
    failed_at_least = 0
    if sums.counts.failed is not None:
        words.append(f"{sums.counts.failed:,} failed{' after retries' if retries else ''}")
    else:
        retried = sum(view.counts.objects or 0 for view in retries)
        failed_at_least = max(0, sum(view.counts.failed or 0 for view in roots) - retried)
        words += [f"at least {failed_at_least:,} failed"] if failed_at_least else []
    unread, unexplained = _doubts((*roots, *retries)) if sums.not_copied is None else (0, 0)
    words += _not_copied_words(sums)
    words += doubt_words(unread, unexplained)
    for views, word in ((others, "not done"), (completed, "unaccounted")):
        numbers = [n for n in (view.counts.remaining for view in views) if n is not None]
        if numbers and len(numbers) == len(views):
            words.append(f"{sum(numbers):,} {word}")
        elif sum(numbers):
            words.append(f"at least {sum(numbers):,} {word}")
    counted = [view.counts for view in roots if view.counts.objects is not None]
    surplus = sum(max(0, (c.done or 0) - (c.objects or 0)) for c in counted)
    if surplus:
        words.append(f"counts exceed the total by {surplus:,}")
    if sums.counts.objects is None or sums.counts.done is None:
        words.append("counts unknown")
    # Objects that uncompleted retries did not copy still count as failed.
    lost = Counter(view.word for view in retries if view.status != "completed")
    words += [f"{n} {'retry' if n == 1 else 'retries'} {word}" for word, n in lost.items()]
    broke = any(view.listing_broke for view in roots)
    if broke:
        words.append(reason_of(BROKE_TYPE))
    unaccounted = total(view.counts.remaining for view in roots)
    return Verdict(
        " · ".join(words),
        sums.counts.failed,
        sums.not_copied,
        unaccounted,
        broke,
        at_least=sums.at_least,
        failed_at_least=failed_at_least,
        unread=unread,
        unexplained=unexplained,
    )


def _not_copied_words(sums: Together) -> Iterator[str]:
    """Yield how many objects were not copied; nothing if there were none to copy."""
    if sums.not_copied is None and sums.at_least:
        yield f"at least {sums.at_least:,} not copied"
    elif sums.not_copied is not None and (sums.not_copied or sums.counts.skipped):
        yield f"{sums.not_copied:,} not copied"


def _doubts(views: Iterable[JobView]) -> tuple[int, int]:
    """Return how many skipped objects are unread and how many unexplained, see `Verdict`."""
    verdicts = [view.verdict for view in views if view.verdict and view.not_copied is None]
    return sum(one.unread for one in verdicts), sum(one.unexplained for one in verdicts)


def _ends(others: Sequence[JobView], number: int) -> list[str]:
    """Return clauses with the number, status and names of the jobs that were not completed.

    A job is named by its prefix or the beginning of its id.
    """
    kinds: dict[str, list[str]] = {}
    for view in others:
        name = view.job.prefix or (view.job.id or "?")[:SHORT_ID]
        kinds.setdefault(view.word, []).append(name)
    clauses = []
    for word, names in kinds.items():
        more = len(names) - MOST_NAMES
        listed = ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
        clauses.append(f"{len(names)} of {number} {word} ({listed})")
    return clauses


_LIVE = (
    State.STALLED,
    State.FAILING,
    State.OTHER,
    State.LISTING,
    State.RUNNING,
    State.PAUSED,
)
_LOST = (State.ABORTED, State.OTHER, State.GONE)
"""States of live jobs, and of lost jobs, the worst first."""


def family_view(views: Sequence[JobView], links: Sequence[RetryLink]) -> JobView:
    """Add jobs up to one view without a job id. links: which of the jobs retry others of them.

    The view has the status of the worst live job, or of the worst job if none is live. Each object
    counts once. The percentage is 100 only if every job was completed. The forecast is that of the
    last job to end; None if a live job has none. The verdict is None while a job is live. Jobs with
    unknown counts are left out of the summed counts, and the view is then `partial`.
    """
    by_key = {view.key: view for view in views}
    retries = [(link, by_key[link.child]) for link in links if link.child in by_key]
    children = {link.child for link, _ in retries}
    roots = [view for view in views if view.key not in children]
    counted = [v for v in roots if v.counts.objects is not None and v.counts.done is not None]
    sums = together(roots, retries)
    some_unknown = 0 < len(counted) < len(roots)
    shown = together(counted, retries) if some_unknown else sums
    live = [view for view in views if view.live]
    live_roots = [view for view in roots if view.live]
    least_final = Total.FINAL
    if any(view.growing for view in live_roots):
        least_final = Total.GROWING
    elif any(view.provisional for view in live_roots):
        least_final = Total.PROVISIONAL
    times = [view.as_of for view in live or views if view.as_of is not None]
    proof, proven = (
        _proof(roots, retries) if any(view.verification for view in views) else (None, False)
    )
    view = JobView(
        account_id=views[0].account_id,
        job=_job(views, ended=not live),
        counts=shown.counts,
        percent=_percent(roots, whole=all(view.status == "completed" for view in views)),
        total=least_final,
        verdict=family_verdict(roots, [child for _, child in retries], sums),
        not_copied=sums.not_copied,
        not_copied_at_least=sums.at_least if sums.not_copied is None else sums.not_copied,
        listing_broke=any(view.listing_broke for view in roots),
        partial=some_unknown,
        parts=tuple(views),
        ended=not live,
        as_of=(min if live else max)(times, default=None),
        missed=max((view.missed for view in live), default=0),
        from_history=any(view.from_history for view in live or views),
        verification=proof,
        parts_verified=proven,
    )
    return _live_view(view, live) if live else _ended_view(view, roots)


def _proof(
    roots: Sequence[JobView], retries: Sequence[tuple[RetryLink, JobView]]
) -> tuple[Verification | None, bool]:
    """Return the verification of all jobs, or else the latest one, and whether all are proven.

    Jobs that were verified one by one have the sum. A retry copies keys of the job that it retries,
    so that a later verification of that job proves the retry too.
    """
    by_key = {view.key: view for view in (*roots, *(child for _, child in retries))}
    results = {id(v.verification): v.verification for v in by_key.values() if v.verification}
    newest_first = sorted(results.values(), key=lambda v: v.started_at, reverse=True)
    ids = {view.key.job_id for view in roots}
    of_all = [result for result in newest_first if ids <= {*result.jobs}]
    of_roots = {id(v.verification): v.verification for v in roots if v.verification}
    summed = sum_of([*of_roots.values()])
    proven = all(view.verified for view in roots) and all(
        child.verified or (child.ended and _is_proven(child, by_key.get(link.parent)))
        for link, child in retries
    )
    if of_all and (proven or of_all[0] is newest_first[0]):
        return of_all[0], proven
    if summed is not None:
        return summed, proven and ids <= {*summed.jobs}
    return newest_first[0], False


def _is_proven(child: JobView, parent: JobView | None) -> bool:
    """Whether the verification of a retried job proves what its retry copied."""
    proof = parent.verification if parent else None
    if proof is None or parent is None or not proof.whole or parent.lacks:
        return False
    return proof.began_after(job_time(child.job.finished_at))


def _live_view(view: JobView, live: Sequence[JobView]) -> JobView:
    """Complete a live view: state of the worst job, summed rates, forecast of the last end."""
    worst = min(live, key=partial(_severity, _LIVE))
    alike = [v for v in live if v.state is worst.state]
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
        failed_rate=_sum(live, lambda v: v.failed_rate),
        growth=_sum(live, lambda v: v.growth),
        forecast=forecast,
        reason="" if forecast else _reason(live),
        if_resumed=None if forecast else _if_resumed(live),
        status_since=_paused_since(view.parts) if worst.state is State.PAUSED else None,
        stalled_since=_known(min, (v.stalled_since for v in alike)),
        stalled_badly=any(v.stalled_badly for v in live),
        failing=_failing(live),
        newest_reasons=_reasons(live),
    )


def _reasons(live: Iterable[JobView]) -> tuple[tuple[str, int], ...]:
    """Return the most frequent reasons of the failing jobs together."""
    reasons: Counter[str] = Counter()
    for view in live:
        if view.state is State.FAILING:
            reasons.update(dict(view.newest_reasons))
    return tuple(reasons.most_common(NEWEST_REASONS))


def _known(
    choose: Callable[[Iterable[float]], float], times: Iterable[float | None]
) -> float | None:
    """Return one of the times; None if there is none or one is unknown."""
    found = [*times]
    known = [time for time in found if time is not None]
    return choose(known) if known and len(known) == len(found) else None


def _paused_since(views: Sequence[JobView]) -> float | None:
    """Return since when no job has run, if none does: the last was paused or ended then."""
    return _known(max, (v.status_since if v.live else job_time(v.job.finished_at) for v in views))


def _if_resumed(live: Sequence[JobView]) -> Prospect | None:
    """Return what all jobs would need if those moved that are paused or stalled.

    It is a lower bound if there are more jobs than can run at once.
    """
    needs = list[Prospect]()
    for view in live:
        forecast, need = shown_forecast(view), view.if_resumed
        if forecast is not None:
            low, high = forecast.low_seconds, forecast.high_seconds
            rate = view.plan_rate or 0.0
            need = Prospect(low, high, rate, forecast.at_least, forecast.seeded)
        if need is None:
            return None
        needs.append(need)
    return Prospect(
        low=max(need.low for need in needs),
        high=max(need.high for need in needs),
        rate=sum(need.rate for need in needs),
        at_least=len(live) > SLOTS or any(need.at_least for need in needs),
        seeded=any(need.seeded for need in needs),
    )


def _failing(live: Iterable[JobView]) -> Failing | None:
    """Return the sum of the jobs that are failing, since the first of them is; None if none is."""
    failing = [view.failing for view in live if view.failing and view.state is State.FAILING]
    if not failing:
        return None
    return Failing(
        failed=sum(one.failed for one in failing),
        done=sum(one.done for one in failing),
        seconds=max(one.seconds for one in failing),
        since=_known(min, (one.since for one in failing)),
    )


def _ended_view(view: JobView, roots: Sequence[JobView]) -> JobView:
    """Complete an ended view: status of the worst root job; the status of retries is ignored."""
    lost = [v for v in roots if v.status != "completed"]
    worst = min(lost, key=partial(_severity, _LOST), default=None)
    return replace(
        view,
        status=worst.status if worst else "completed",
        phase=Phase.ENDED,
        gone=all(v.gone for v in roots) or (worst is not None and worst.state is State.GONE),
        lifetime_rate=_average(view),
    )


def _severity(order: Sequence[State], view: JobView) -> int:
    return order.index(view.state) if view.state in order else len(order)


def _percent(roots: Sequence[JobView], *, whole: bool) -> int | None:
    """Return percent done, rounded down and below 100 unless `whole`; None if unknown.

    A job's done objects count up to its total only.
    """
    objects = total(view.counts.objects for view in roots)
    if not objects or any(view.counts.done is None for view in roots):
        return None
    done = sum(min(view.counts.done or 0, view.counts.objects or 0) for view in roots)
    return percent_of(done, objects, finished=whole)


def _last_end(live: Iterable[JobView]) -> Forecast | None:
    """Return the forecast of the last job to end; None if a live job has no forecast."""
    forecasts = list[Forecast]()
    for view in live:
        forecast = shown_forecast(view)
        if forecast is None:
            return None
        forecasts.append(forecast)
    return Forecast(
        low=max(forecast.low for forecast in forecasts),
        high=max(forecast.high for forecast in forecasts),
        made_at=max(forecast.made_at for forecast in forecasts),
        at_least=any(forecast.at_least for forecast in forecasts),
        seeded=any(forecast.seeded for forecast in forecasts),
    )


def _reason(live: Sequence[JobView]) -> str:
    """Return why there is no ETA: the number of jobs in the first state that prevents one."""
    for word, has in (
        ("paused", lambda v: v.state is State.PAUSED),
        ("stalled", lambda v: v.state is State.STALLED),
        ("not answering", lambda v: v.stale),
        ("without an ETA", lambda v: shown_forecast(v) is None),
    ):
        if number := sum(map(has, live)):
            if len(live) == 1:
                return f"no ETA: its only live job is {word}"
            return f"no ETA: {number} of {len(live)} jobs {word}"
    return ""


def _sum(live: Iterable[JobView], rate: Callable[[JobView], float | None]) -> float | None:
    rates = [number for number in map(rate, live) if number is not None]
    return sum(rates) if rates else None


def _average(view: JobView) -> float | None:
    """Return objects per second from the first creation to the last end, or until now if live.

    None for partial counts: the jobs with known counts did not take the whole time.
    """
    if view.partial:
        return None
    begun = job_time(view.job.created_at)
    until = view.as_of if view.live else job_time(view.job.finished_at)
    if begun is None or until is None or view.counts.done is None or until <= begun:
        return None
    return view.counts.done / (until - begun)


def _job(views: Sequence[JobView], *, ended: bool) -> Job:
    """Return a job with the common fields, from the first creation to the last end."""
    jobs = [view.job for view in views]
    ends = [job.finished_at for job in jobs]
    overwrites = {job.overwrite for job in jobs}
    source, target = jobs[0].source, jobs[0].target
    # Prefix, keys and unknown fields differ between jobs of one migration.
    return Job(
        created_at=min((job.created_at for job in jobs), key=_time, default=None),
        finished_at=max(ends, key=_time) if ended and None not in ends else None,
        overwrite=overwrites.pop() if len(overwrites) == 1 else None,
        source=source and replace(source, path_prefix=None, keys=None, extra={}),
        target=target and Target(target.vendor, target.bucket, target.jurisdiction),
    )


def _time(text: str | None) -> float:
    at = job_time(text)
    return math.inf if at is None else at


def migrations(
    views: Iterable[JobView],
    links: Sequence[RetryLink] = (),
    before: Mapping[MigrationKey, Migration] | None = None,
    unstarted: Iterable[Unstarted] = (),
) -> tuple[Migration, ...]:
    """Return the migrations: groups of two or more jobs of one account, source and target bucket.

    A single job is enough if plans have unstarted jobs for the same buckets, and none if no job of
    a plan was started yet. The order is that of the migrations' first jobs. before: earlier result;
    an unchanged migration is returned as the same object. unstarted: jobs that plans have not
    started yet.
    """
    unstarted = tuple(unstarted)
    groups = dict[MigrationKey, list[JobView]]()
    running: Counter[str] = Counter()
    for view in views:
        running[view.account_id] += is_running(view)
        key = migration_of(view)
        if key is not None:
            groups.setdefault(key, []).append(view)
    for plan in unstarted:
        key = key_of(plan.account_id, plan.source, plan.target)
        if key is not None and not any(jobs_to_come(other, (plan,)) for other in groups):
            groups[key] = []
    found = ((key, members, jobs_to_come(key, unstarted)) for key, members in groups.items())
    earlier = before or {}
    return tuple(
        _same_or_new(earlier.get(key), key, members, links, running[key.account_id], more)
        for key, members, more in found
        if len(members) > 1 or more
    )


def folded(
    views: Sequence[JobView], links: Sequence[RetryLink] = (), unstarted: Iterable[Unstarted] = ()
) -> tuple[Migration, ...]:
    """Return the migrations of all jobs, also those of a single job.

    A job with an unknown bucket is alone.
    """
    groups = migrations(views, links, unstarted=unstarted)
    grouped = frozenset[JobKey]().union(*(group.keys for group in groups))
    return (*groups, *(family([view], links) for view in views if view.key not in grouped))


def family(views: Sequence[JobView], links: Sequence[RetryLink] = ()) -> Migration:
    """Sum up the jobs of one migration. Raises ValueError if there are no jobs.

    links: which of the jobs retry others; links of other jobs are ignored.
    """
    if not views:
        raise ValueError("no jobs")
    key = migration_of(views[0]) or MigrationKey(views[0].account_id, *[""] * 6)
    return _new(key, tuple(views), links, sum(map(is_running, views)))


def is_running(view: JobView) -> bool:
    """Whether the job takes one of its account's slots."""
    return view.live and view.status == "running"


def _same_or_new(
    before: Migration | None,
    key: MigrationKey,
    views: Sequence[JobView],
    links: Sequence[RetryLink],
    running: int,
    unstarted: int,
) -> Migration:
    """Return the earlier value if no job has changed, else a new migration."""
    unchanged = (
        before is not None
        and before.unstarted == unstarted
        and len(before.jobs) == len(views)
        and all(map(is_, before.jobs, views))
        and before.retries == _retries(before.keys, links)
    )
    if before is None or not unchanged:
        return _new(key, tuple(views), links, running, unstarted)
    return before if before.running == running else replace(before, running=running)


def _new(
    key: MigrationKey,
    views: tuple[JobView, ...],
    links: Sequence[RetryLink],
    running: int,
    unstarted: int = 0,
) -> Migration:
    if not views:
        return Migration(key, (), _planned_view(key), running, unstarted=unstarted)
    keys = frozenset(view.key for view in views)
    retries = _retries(keys, links)
    aside = superseded(views, retries)
    migration = Migration(
        key=key,
        jobs=views,
        view=views[0],
        running=running,
        overlaps=overlaps(views, aside | retries.keys()),
        retries=retries,
        superseded=aside,
        keys=keys,
        unstarted=unstarted,
    )
    return _with_sums(migration, links)


def _with_sums(migration: Migration, links: Sequence[RetryLink]) -> Migration:
    """Return the migration with the sums of its jobs as its view."""
    retries = migration.retries
    used = {link.child: link for link in links if retries.get(link.child) == link.parent}
    view = family_view(migration.counted, list(used.values()))
    return replace(migration, view=_as_lower_bound(view) if migration.unstarted else view)


def _planned_view(key: MigrationKey) -> JobView:
    """Return the view of a migration of which no job was started yet."""
    source = Source(
        key.vendor or None,
        key.source,
        endpoint=key.endpoint or None,
        jurisdiction=key.source_jurisdiction or None,
    )
    target = Target("r2", key.target, key.target_jurisdiction or None)
    return JobView(
        key.account_id,
        Job(source=source, target=target),
        status=State.WAITING,
        total=Total.INCOMPLETE,
    )


def with_changes(
    before: Migration, changed: Mapping[JobKey, JobView], links: Sequence[RetryLink]
) -> Migration:
    """Return a migration after some of its jobs changed; keys, buckets and links are the same.

    What depends only on prefixes and times is computed again only if one of them changed.
    """
    views = tuple(changed.get(view.key, view) for view in before.jobs)
    if all(
        one is other or (one.live == other.live and scope_of(one) == scope_of(other))
        for one, other in zip(before.jobs, views, strict=True)
    ):
        return _with_sums(replace(before, jobs=views), links)
    return _new(before.key, views, links, before.running, before.unstarted)


def _as_lower_bound(view: JobView) -> JobView:
    """Make the view a lower bound while jobs are unstarted.

    There is no verdict yet, and no percentage: the number of objects is unknown.
    """
    view = replace(
        view,
        forecast=view.forecast and replace(view.forecast, at_least=True),
        if_resumed=view.if_resumed and replace(view.if_resumed, at_least=True),
        percent=None,
        verdict=None,
        parts_verified=False,
        total=Total.INCOMPLETE,
    )
    if view.live:
        return view
    job = replace(view.job, finished_at=None)
    return replace(view, job=job, status=State.WAITING, phase=None, ended=False, gone=False)


def jobs_to_come(key: MigrationKey, unstarted: Iterable[Unstarted]) -> int:
    """Return the number of unstarted jobs of a migration.

    Endpoints are not compared: the API may return a default endpoint that the plan omits. Vendors
    are compared only if the API returned one.
    """
    number = 0
    for one in unstarted:
        plan = key_of(one.account_id, one.source, one.target)
        if plan is not None:
            vendor = key.vendor or plan.vendor
            same = plan._replace(endpoint="") == key._replace(endpoint="", vendor=vendor)
            number += one.jobs if same else 0
    return number


def _retries(keys: frozenset[JobKey], links: Sequence[RetryLink]) -> dict[JobKey, JobKey]:
    """Map each retry to the one job that it retries, ignoring links that would form a cycle."""
    found: dict[JobKey, JobKey] = {}
    for link in links:
        if link.child not in keys or link.parent not in keys:
            continue
        ancestor: JobKey | None = link.parent
        while ancestor is not None and ancestor != link.child:
            ancestor = found.get(ancestor)
        if ancestor is None:
            found.setdefault(link.child, link.parent)
    return found
