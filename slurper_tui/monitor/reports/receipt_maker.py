"""Builds the receipt of ended jobs from the API, their logs and the history.

A receipt does not depend on the time at which it is made: the same history gives the same receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.api.errors import NotFound
from slurper_tui.format import parse_time
from slurper_tui.monitor.history.codecs import last_of_each
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, RetryLink
from slurper_tui.monitor.model.job import JobView, Phase, counts_of, has_ended
from slurper_tui.monitor.model.logs import FailuresView, LogCounts
from slurper_tui.monitor.model.samples import STEADY_SECONDS, Recorded
from slurper_tui.monitor.model.verdict import not_copied, percent, verdict
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.monitor.reports.observed import spans
from slurper_tui.monitor.reports.receipt import JobReceipt, NotEnded, Receipt

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Recorder
    from slurper_tui.monitor.logs.reader import LogReader
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore

MOST_EVENTS = 500

BEST_SECONDS = 600.0
"""Seconds over which the best rate of a job is averaged, approximately."""


class ReceiptMaker:
    """Makes the receipts of ended jobs."""

    def __init__(
        self, metered: Metered, job_store: JobStore, history: Recorder, logs: LogReader
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._history = history
        self._logs = logs

    async def receipt(
        self,
        keys: Sequence[JobKey],
        on_progress: Callable[[FailuresView], None] = lambda view: None,
    ) -> Receipt:
        """Return the receipt of one job, or of the jobs of one migration, with all retries.

        The logs of jobs that are not superseded are read. on_progress: called after every page of
        a log that must be read first. Raises NotEnded if a job is live, ApiError if something
        cannot be read, ValueError if there are no keys.
        """
        views = {key: await self._view(key) for key in keys}
        accounts = sorted({key.account_id for key in keys})
        links = await self._history.notes.links(accounts)
        lost = await self._add_retries(views, links)
        for view in views.values():
            if view.live:
                raise NotEnded(view)
        ended = sorted(views.values(), key=_creation_order)
        superseded = family(ended, links).superseded
        logs = {
            view.key: None if view.key in superseded else await self._log(view, on_progress)
            for view in ended
        }
        migration = family([_with_log(view, logs[view.key]) for view in ended], links)
        link_of = {link.child: link for link in links}
        roots_first = sorted(migration.jobs, key=lambda view: view.key in migration.retries)
        jobs = [
            job_receipt(
                view,
                await self._history.samples(view.key),
                logs[view.key],
                await self._history.notes.events(view.key, MOST_EVENTS),
                link_of.get(view.key),
            )
            for view in roots_first
        ]
        return Receipt(tuple(jobs), migration, lost)

    async def _view(self, key: JobKey) -> JobView:
        """Return a job's view; fetch it if the job store does not have its counts."""
        view = self._job_store.view(key)
        if view is not None and (view.as_of is not None or view.gone):
            return view
        api = self._metered.api
        job = await self._metered.in_turn(lambda: api.get_job(*key))
        progress = await self._metered.in_turn(lambda: api.progress(*key))
        status, counts = progress.status or job.status, counts_of(progress)
        ended = has_ended(job, status)
        return JobView(
            key.account_id,
            job if job.id else replace(job, id=key.job_id),
            status=status,
            phase=Phase.ENDED if ended else None,
            counts=counts,
            percent=percent(counts, status),
            ended=ended,
            as_of=self._metered.now().wall,
        )

    async def _add_retries(
        self, views: dict[JobKey, JobView], links: Sequence[RetryLink]
    ) -> tuple[RetryLink, ...]:
        """Add all retries of the jobs, transitively; return the links of retries that are gone."""
        lost = dict[JobKey, RetryLink]()
        while missing := [
            link
            for link in links
            if link.parent in views and link.child not in views and link.child not in lost
        ]:
            for link in missing:
                try:
                    views[link.child] = await self._view(link.child)
                except NotFound:
                    lost[link.child] = link
        return tuple(lost.values())

    async def _log(
        self, view: JobView, on_progress: Callable[[FailuresView], None]
    ) -> LogCounts | None:
        """Return a log's stored row counts if read well after the end, else read the log now.

        None if the log is gone or incomplete.
        """
        stored = (await self._history.notes.counts([view.account_id])).get(view.key)
        if stored is not None and not stored.whole:
            stored = None
        steady = (parse_time(view.job.finished_at) or 0.0) + STEADY_SECONDS
        now = self._metered.now().wall  # a reading dated in the future had a wrong clock
        if view.gone or (stored is not None and steady <= stored.read_at <= now):
            return stored
        return await self._read_log(view.key, on_progress) or stored

    async def _read_log(
        self, key: JobKey, on_progress: Callable[[FailuresView], None]
    ) -> LogCounts | None:
        """Read a log to its end; None if it is gone or incomplete.

        Raises ApiError for a permanent error, or after several consecutive transient errors.
        """
        last = await self._logs.failures(key).read(on_progress)
        if last.problem is not None and not isinstance(last.problem, NotFound):
            raise last.problem
        return last.counts if last.counts.whole else None


def job_receipt(
    view: JobView,
    samples: Sequence[Recorded],
    log: LogCounts | None = None,
    events: tuple[Event, ...] = (),
    link: RetryLink | None = None,
) -> JobReceipt:
    """Return the receipt of an ended job. samples: all of the job's, oldest first."""
    samples = _until_end(view, samples)
    begun, ended = parse_time(view.job.created_at), parse_time(view.job.finished_at)
    until = samples[-1].at if ended is None and samples else ended
    return JobReceipt(
        view,
        begun,
        ended,
        seen=() if begun is None or until is None else spans(samples, begun, until),
        best=_best_rate(last_of_each(samples, BEST_SECONDS)),
        log=log,
        events=events,
        retry_link=link,
        last_seen=samples[-1].at if samples else view.as_of,
    )


def _with_log(view: JobView, log: LogCounts | None) -> JobView:
    """Recompute the verdict and the uncopied objects from the log's row counts."""
    return replace(
        view,
        verdict=verdict(view.counts, view.status, log),
        not_copied=not_copied(view.counts, log),
        listing_broke=log.listing_broke if log else False,
    )


def _creation_order(view: JobView) -> tuple[float, str]:
    """Return the sort key of jobs: the order in which they are given must not matter."""
    return parse_time(view.job.created_at) or 0.0, view.key.job_id


def _until_end(view: JobView, samples: Sequence[Recorded]) -> Sequence[Recorded]:
    """Return a job's samples up to its end, and the first one after it.

    If the API gives no end, or one before the creation, the first sample with the final status is
    the last one.
    """
    end, created = parse_time(view.job.finished_at), parse_time(view.job.created_at)
    if end is None or (created is not None and end < created):
        final = (s.at for s in samples if view.ended and s.status == view.status)
        end = next(final, None)
    if end is None:
        return samples
    later = [sample for sample in samples if sample.at >= end]
    return [*(sample for sample in samples if sample.at < end), *later[:1]]


def _best_rate(points: Sequence[Recorded]) -> float | None:
    """Return the highest rate between neighbouring samples about ten minutes apart.

    In objects per second; None if the job was never observed that long.
    """
    rates = list[float]()
    for one, other in pairwise(points):
        before, after, seconds = one.counts.done, other.counts.done, other.at - one.at
        long_enough = 0.75 * BEST_SECONDS <= seconds < 2 * BEST_SECONDS
        if long_enough and not other.after_gap and before is not None and after is not None:
            rates.append((after - before) / seconds)
    return max((rate for rate in rates if rate > 0), default=None)
