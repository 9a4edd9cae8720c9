"""A snapshot as Prometheus metrics: which there are, what they mean, and their values.

A value that is not known, or no longer current, is left out; it is never 0 instead. A job that has
missed three polls keeps only `slurper_job_up` 0 and the age of its last answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.models import escape_invalid_bytes
from slurper_tui.monitor.model.job import (
    AccountView,
    JobView,
    Snapshot,
    default_order,
    job_time,
    shown_forecast,
    shown_rate,
)
from slurper_tui.monitor.reports.migrations import Migration, MigrationKey, folded

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey

KEPT_DAYS = 7
"""An ended job has metrics this many days, and as long as a job of its migration is live."""

MOST_JOBS = 500
"""At most this many jobs have metrics: the live ones, then those that ended last."""

STALE_ROUNDS = 3
"""A snapshot older than this many intervals is not current: the monitor itself hangs."""

LEAST_STALE = 15.0
"""Seconds for which a snapshot is current at any interval."""

DAY = 86_400.0


class Sample(NamedTuple):
    """A value and the values of its metric's labels, in their order."""

    labels: tuple[str, ...]
    value: float


class Metric(NamedTuple):
    """A metric. counter: it only grows while the program runs, and its name gets `_total`."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    counter: bool = False


Values = Callable[[JobView, float], float | None]
"""Returns the value for a job or a sum of jobs at a time, UTC seconds; None if it is not known."""

_JOB = ("account", "job_id", "source", "target", "prefix", "migration")
_MIGRATION = ("account", "source", "target", "migration")
_ACCOUNT = ("account",)


def _count(name: str) -> Values:
    return lambda view, now: getattr(view.counts, name)


def _eta(view: JobView, end: str) -> float | None:
    forecast = shown_forecast(view)
    if forecast is None or (end == "high" and forecast.at_least):
        return None
    return forecast.low_seconds if end == "low" else forecast.high_seconds


def _unchanged(view: JobView, now: float) -> float | None:
    """Return the seconds since a counter moved; for a sum, since one of any job did."""
    times = [one.moved_at for one in view.parts or (view,) if one.live and one.moved_at]
    return max(0.0, now - max(times)) if times else None


VALUES: Mapping[str, tuple[str, Values]] = {
    "objects": ("Objects of the source, as far as it was listed.", _count("objects")),
    "transferred_objects": ("Objects that were copied.", _count("transferred")),
    "skipped_objects": ("Objects that were skipped.", _count("skipped")),
    "failed_objects": ("Objects that failed.", _count("failed")),
    "not_copied_objects": (
        "Skipped objects that are not in the target, once the log proves their number.",
        lambda view, now: view.not_copied,
    ),
    "unaccounted_objects": (
        "Objects of an ended job that no other counter has.",
        lambda view, now: view.verdict.unaccounted if view.verdict else None,
    ),
    "done_ratio": (
        "Share of the objects that is done, in whole percent, rounded down.",
        lambda view, now: None if view.percent is None else view.percent / 100,
    ),
    "objects_at_least": (
        "1 if the number of objects is a lower bound, 0 if it is final or may be.",
        lambda view, now: None if view.counts.objects is None else float(view.total_at_least),
    ),
    "objects_per_second": (
        "Objects done per second, averaged over about two minutes.",
        lambda view, now: shown_rate(view) if view.live else None,
    ),
    "eta_low_seconds": (
        "Seconds until the end, the least that is likely.",
        lambda view, now: _eta(view, "low"),
    ),
    "eta_high_seconds": (
        "Seconds until the end, the most that is likely; absent while the total may grow.",
        lambda view, now: _eta(view, "high"),
    ),
    "unchanged_seconds": ("Seconds since a counter was seen to change.", _unchanged),
    "created_timestamp_seconds": (
        "When it was created, in seconds since 1970.",
        lambda view, now: job_time(view.job.created_at),
    ),
    "finished_timestamp_seconds": (
        "When it ended, in seconds since 1970.",
        lambda view, now: job_time(view.job.finished_at) if view.ended else None,
    ),
}
"""The values of a job, and of a migration with each object counted once."""


def _of_views(prefix: str, of: str, labels: tuple[str, ...]) -> dict[str, Metric]:
    metrics = [Metric(f"{prefix}_{name}", f"{of}: {text}", labels) for name, (text, _) in _ITEMS]
    metrics += [
        Metric(f"{prefix}_up", f"{of}: 1 if its values are current.", labels),
        Metric(f"{prefix}_status", f"{of}: 1 for its status.", (*labels, "status")),
        Metric(
            f"{prefix}_verdict",
            f"{of}: 1 for its verdict after the end: verified, complete, incomplete or unknown.",
            (*labels, "verdict"),
        ),
    ]
    return {metric.name: metric for metric in metrics}


_ITEMS = tuple(VALUES.items())

METRICS: Mapping[str, Metric] = {
    **_of_views("slurper_job", "Job", _JOB),
    "slurper_job_answer_age_seconds": Metric(
        "slurper_job_answer_age_seconds", "Job: seconds since its last counters.", _JOB
    ),
    **_of_views("slurper_migration", "Migration", _MIGRATION),
    **{
        metric.name: metric
        for metric in (
            Metric(
                "slurper_migration_planned_jobs", "Jobs that plans have yet to start.", _MIGRATION
            ),
            Metric("slurper_account_up", "1 if the account answers.", _ACCOUNT),
            Metric(
                "slurper_account_answer_age_seconds",
                "Seconds since the account's last good answer.",
                _ACCOUNT,
            ),
            Metric("slurper_account_requests", "Requests sent.", _ACCOUNT, counter=True),
            Metric("slurper_account_errors", "Requests that failed.", _ACCOUNT, counter=True),
            Metric(
                "slurper_account_budget_used_requests",
                "Requests of this program in the last five minutes, for all accounts of the user.",
                _ACCOUNT,
            ),
            Metric(
                "slurper_account_budget_limit_requests",
                "Requests that the API allows the user in five minutes.",
                _ACCOUNT,
            ),
            Metric(
                "slurper_account_blocked_seconds",
                "Seconds until the API allows requests again; absent while it allows them.",
                _ACCOUNT,
            ),
            Metric("slurper_omitted_jobs", "Ended jobs that have no metrics."),
            Metric("slurper_interval_seconds", "Seconds between two rounds of polls."),
            Metric("slurper_snapshot_timestamp_seconds", "When the last round was over."),
        )
    },
}
"""Every metric by its name; a counter's name ends with `_total` where it is printed."""


def samples(
    snapshot: Snapshot, now: float, names: Mapping[str, str] | None = None
) -> dict[str, list[Sample]]:
    """Return the samples of each metric. now: UTC seconds. names: account id to name.

    No two samples of a metric have the same labels: Prometheus would reject them all.
    """
    found: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in METRICS}
    for name, labels, value in _all(snapshot, now, names or {}):
        if value is not None:
            found[name][tuple(map(_label, labels))] = float(value)
    return {name: [Sample(*item) for item in of.items()] for name, of in found.items()}


def _label(text: str) -> str:
    """Return a text that UTF-8 can encode; a lone surrogate, which JSON allows, is escaped."""
    return escape_invalid_bytes(text).encode("utf-8", "backslashreplace").decode()


_Found = tuple[str, tuple[str, ...], float | None]


def _all(snapshot: Snapshot, now: float, names: Mapping[str, str]) -> Iterator[_Found]:
    hangs = now - snapshot.taken_at > max(STALE_ROUNDS * snapshot.interval, LEAST_STALE)
    for account in snapshot.accounts:
        yield from _of_account(account, now, names, hangs=hangs)
    migrations = folded(snapshot.jobs, snapshot.links, snapshot.unstarted)
    shown = _shown_jobs(snapshot.jobs, migrations, now)
    yield "slurper_omitted_jobs", (), len(snapshot.jobs) - len(shown)
    yield "slurper_interval_seconds", (), snapshot.interval
    yield "slurper_snapshot_timestamp_seconds", (), snapshot.taken_at
    titles = _titles(migration.key for migration in migrations)
    for migration in migrations:
        key, title = migration.key, titles.get(migration.key, "")
        name = names.get(key.account_id, key.account_id)
        jobs = [view for view in migration.jobs if view.key in shown]
        for view in jobs:
            yield from _of_job(view, (name, *_job_labels(view), title), now, hangs=hangs)
        if title and (jobs or migration.unstarted):
            labels = (name, key.source, key.target, title)
            yield from _of_migration(migration, labels, now, hangs=hangs)


def _titles(keys: Iterable[MigrationKey]) -> dict[MigrationKey, str]:
    """Return `SOURCE:TARGET` for each migration with known buckets, and where both are if needed.

    Buckets of the same names may be at several endpoints, or in several jurisdictions.
    """
    known = [key for key in keys if key.source]
    often = Counter((key.account_id, key.source, key.target) for key in known)
    titles = {}
    for key in known:
        titles[key] = f"{key.source}:{key.target}"
        if often[key.account_id, key.source, key.target] > 1:
            where = (key.vendor, key.endpoint, key.source_jurisdiction, key.target_jurisdiction)
            titles[key] += f" ({' '.join(filter(None, where))})"
    return titles


def _of_account(
    account: AccountView, now: float, names: Mapping[str, str], *, hangs: bool
) -> Iterator[_Found]:
    labels, budget = (names.get(account.account_id, account.account_id),), account.budget
    up = account.answered and account.problem is None and not hangs
    yield "slurper_account_up", labels, up
    if account.last_good is not None:
        yield "slurper_account_answer_age_seconds", labels, max(0.0, now - account.last_good)
    yield "slurper_account_requests", labels, account.requests
    yield "slurper_account_errors", labels, account.errors
    if not hangs:
        yield "slurper_account_budget_used_requests", labels, budget.used
        yield "slurper_account_budget_limit_requests", labels, budget.limit
    if budget.blocked_until is not None and budget.blocked_until > now:
        yield "slurper_account_blocked_seconds", labels, budget.blocked_until - now


def _shown_jobs(
    views: Sequence[JobView], migrations: Iterable[Migration], now: float
) -> frozenset[JobKey]:
    """Return the jobs that have metrics, see `KEPT_DAYS` and `MOST_JOBS`."""
    running = {
        view.key
        for migration in migrations
        if migration.unstarted or any(view.live for view in migration.jobs)
        for view in migration.jobs
    }
    kept = [v for v in views if v.key in running or now - _ended_at(v, now) <= KEPT_DAYS * DAY]
    return frozenset(view.key for view in sorted(kept, key=default_order)[:MOST_JOBS])


def _ended_at(view: JobView, now: float) -> float:
    """Return when a job ended, in UTC seconds; for one without a time, when it answered last."""
    if view.live:
        return now
    ended = job_time(view.job.finished_at)
    return ended if ended is not None else view.as_of or now


def _job_labels(view: JobView) -> tuple[str, ...]:
    """Return a job's id, source, target and prefix; "" for what is not known."""
    job = view.job
    return view.key.job_id, job.source_bucket, job.target_bucket, job.prefix


def _is_current(view: JobView, *, hangs: bool) -> bool:
    """Whether a job's values are current: polled lately, or final."""
    if view.as_of is None or view.from_history or view.gone:
        return False
    return not view.live or not (view.stale or hangs)


def _of_job(view: JobView, labels: tuple[str, ...], now: float, *, hangs: bool) -> Iterator[_Found]:
    current = _is_current(view, hangs=hangs)
    yield "slurper_job_up", labels, current
    if view.live and view.as_of is not None:
        yield "slurper_job_answer_age_seconds", labels, max(0.0, now - view.as_of)
    if current or view.gone:
        yield "slurper_job_status", (*labels, view.word), 1
    if current:
        yield from _of_view("slurper_job", view, labels, now)


def _of_migration(
    migration: Migration, labels: tuple[str, ...], now: float, *, hangs: bool
) -> Iterator[_Found]:
    view = migration.view
    current = bool(migration.jobs) and all(
        _is_current(one, hangs=hangs) for one in migration.jobs if not one.gone
    )
    yield "slurper_migration_up", labels, current
    yield "slurper_migration_planned_jobs", labels, migration.unstarted
    if current:
        yield "slurper_migration_status", (*labels, view.word), 1
        yield from _of_view("slurper_migration", view, labels, now)


def _of_view(prefix: str, view: JobView, labels: tuple[str, ...], now: float) -> Iterator[_Found]:
    for name, (_, value) in _ITEMS:
        yield f"{prefix}_{name}", labels, value(view, now)
    if view.verdict is not None and view.ended:
        verdict = view.verdict
        word = "incomplete" if verdict.lost else "complete" if verdict.clean else "unknown"
        if view.verified:
            word = "verified"
        elif view.lacks:
            word = "incomplete"
        yield f"{prefix}_verdict", (*labels, word), 1
