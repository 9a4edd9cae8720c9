"""Receipts of ended jobs, put together from the API, the logs and the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise

from msgspec.structs import replace

from slurper_tui.api.errors import NotFound
from slurper_tui.format import parse_time
from slurper_tui.monitor.desk import Logs, Roster
from slurper_tui.monitor.families.family import family
from slurper_tui.monitor.families.migration import Migration
from slurper_tui.monitor.history.thinning import last_of_each
from slurper_tui.monitor.logs.fetch import LASTING
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.job import JobView, Phase
from slurper_tui.monitor.model.logs import FailuresView, LogCounts
from slurper_tui.monitor.model.samples import History, Notebook, Recorded
from slurper_tui.monitor.model.verdict import not_copied, percent, verdict
from slurper_tui.monitor.polling.budgeted_client import Metered
from slurper_tui.monitor.polling.job_tracker import counts_of, has_ended
from slurper_tui.monitor.receipts.receipt import BEST_SECONDS, JobReceipt, NotEnded, Receipt
from slurper_tui.monitor.spans import Seen, Span, spans

MOST_EVENTS = 500

STEADY_SECONDS = 60.0
"""After its end, objects in flight still get their rows for about so long."""

_LEAST_BEST = 0.75 * BEST_SECONDS


class EndedJobs:
    """Implements `Receipts`. notebook, history: None where nothing is kept."""

    def __init__(
        self,
        metered: Metered,
        roster: Roster,
        notebook: Notebook | None,
        history: History | None,
        logs: Logs,
    ) -> None:
        self._metered = metered
        self._roster = roster
        self._notebook = notebook
        self._history = history
        self._logs = logs

    async def receipt(
        self, keys: Sequence[JobKey], told: Callable[[FailuresView], None] = lambda view: None
    ) -> Receipt:
        """The receipt of one job, or of several that are one migration; retries come with them.

        Logs are read of the jobs that count. told: called after every page of a log that must be
        read first. Raises NotEnded for what may still move, ApiError where something could not be
        read, ValueError for no job.
        """
        views = {key: await self._view(key) for key in keys}
        ties = await self._ties(views)
        lost = await self._add_retries(views, ties)
        for view in views.values():
            if view.live:
                raise NotEnded(view)
        ended = sorted(views.values(), key=_created)
        again = family(ended, ties).superseded
        logs = {
            view.key: None if view.key in again else await self._log(view, told) for view in ended
        }
        whole = family([_judged(view, logs[view.key]) for view in ended], ties)
        return await self._told(whole, ties, logs, lost)

    async def _told(
        self,
        whole: Migration,
        ties: Sequence[Tie],
        logs: Mapping[JobKey, LogCounts | None],
        lost: tuple[Tie, ...],
    ) -> Receipt:
        tied = {tie.child: tie for tie in ties}
        jobs = list[JobReceipt]()
        for view in sorted(whole.jobs, key=lambda view: view.key in whole.retries):
            samples = await self._samples(view)
            job = replace(
                _seen(view, samples),
                best=max(_rates(last_of_each(samples, BEST_SECONDS)), default=None),
                log=logs[view.key],
                events=await self._events(view.key),
                retries=tied.get(view.key),
            )
            jobs.append(job)
        return Receipt(tuple(jobs), whole, _unobserved(jobs), lost)

    # Which jobs --------------------------------------------------------------------------------

    async def _view(self, key: JobKey) -> JobView:
        """A job as it stands; asked for where the roster does not know its counts."""
        view = self._roster.view(key)
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

    async def _ties(self, views: Iterable[JobKey]) -> tuple[Tie, ...]:
        if self._notebook is None:
            return ()
        return tuple(await self._notebook.ties(sorted({key.account_id for key in views})))

    async def _add_retries(
        self, views: dict[JobKey, JobView], ties: Sequence[Tie]
    ) -> tuple[Tie, ...]:
        """Add the jobs that retry these, and those that retry them; give those that are gone."""
        lost = dict[JobKey, Tie]()
        while missing := [
            tie
            for tie in ties
            if tie.parent in views and tie.child not in views and tie.child not in lost
        ]:
            for tie in missing:
                try:
                    views[tie.child] = await self._view(tie.child)
                except NotFound:
                    lost[tie.child] = tie
        return tuple(lost.values())

    # What is known of each ---------------------------------------------------------------------

    async def _log(self, view: JobView, told: Callable[[FailuresView], None]) -> LogCounts | None:
        """What its log holds: as it was noted well after its end, else as it is read now."""
        kept = await self._noted(view.key)
        steady = (parse_time(view.job.finished_at) or 0.0) + STEADY_SECONDS
        now = self._metered.now().wall  # a later reading was dated by a clock that was ahead
        if kept is not None and kept.whole and steady <= kept.read_at <= now:
            return kept
        read = None if view.gone else await self._read(view.key, told)
        return read or (kept if kept is not None and kept.whole else None)

    async def _noted(self, key: JobKey) -> LogCounts | None:
        if self._notebook is None:
            return None
        return (await self._notebook.counts([key.account_id])).get(key)

    async def _read(self, key: JobKey, told: Callable[[FailuresView], None]) -> LogCounts | None:
        """Read a log to its end; None where it is gone. Raises ApiError for a lasting fault."""
        last, faults = FailuresView(key), 0
        async with aclosing(self._logs.failures(key).views()) as views:  # type: ignore[type-var]  # a generator
            async for view in views:
                told(view)
                last = view
                faults = faults + (view.problem is not None) if view.problem or view.waiting else 0
                if view.problem is not None and faults >= LASTING:
                    raise view.problem
        if last.problem is not None and not isinstance(last.problem, NotFound):
            raise last.problem
        return last.counts if last.counts.whole else None

    async def _events(self, key: JobKey) -> tuple[Event, ...]:
        return await self._notebook.events(key, MOST_EVENTS) if self._notebook else ()

    async def _samples(self, view: JobView) -> tuple[Recorded, ...]:
        """Everything seen of a job up to its end, and the first look after it."""
        if self._history is None:
            return ()
        samples = await self._history.samples(view.key)
        end = _seen_end(view, samples)
        later = [sample for sample in samples if end is not None and sample.at >= end]
        return tuple(s for s in samples if end is None or s.at < end) + tuple(later[:1])


def _judged(view: JobView, log: LogCounts | None) -> JobView:
    """Let the verdict rest on what the log holds."""
    return replace(
        view,
        verdict=verdict(view.counts, view.status, log),
        not_copied=not_copied(view.counts, log),
        listing_broke=log.listing_broke if log else False,
    )


def _created(view: JobView) -> tuple[float, str]:
    """In this order jobs are told, whoever names them in whichever order."""
    return parse_time(view.job.created_at) or 0.0, view.key.job_id


def _seen_end(view: JobView, samples: Sequence[Recorded]) -> float | None:
    """Until when its samples matter: its end, or when it was first seen to have ended.

    The latter where the API tells no end, or one before its creation.
    """
    finished, created = parse_time(view.job.finished_at), parse_time(view.job.created_at)
    if finished is not None and (created is None or finished >= created):
        return finished
    over = [sample.at for sample in samples if sample.status == view.status and view.ended]
    return over[0] if over else None


def _seen(view: JobView, samples: Sequence[Recorded]) -> JobReceipt:
    begun, ended = parse_time(view.job.created_at), parse_time(view.job.finished_at)
    last_seen = samples[-1].at if samples else view.as_of
    until = ended if ended is not None or not samples else samples[-1].at
    if begun is None or until is None:
        return JobReceipt(view, begun, ended, last_seen=last_seen)
    return JobReceipt(view, begun, ended, spans(samples, begun, until), last_seen=last_seen)


def _unobserved(jobs: Iterable[JobReceipt]) -> tuple[tuple[float, float], ...]:
    """When nobody looked at some job that had begun and not ended, oldest first."""
    merged = list[tuple[float, float]]()
    for span in sorted(span for job in jobs for span in _times(job.spans(Seen.UNOBSERVED))):
        since, until = span
        if merged and since <= merged[-1][1]:
            since, until = merged[-1][0], max(until, merged[-1][1])
            merged.pop()
        merged.append((since, until))
    return tuple(merged)


def _times(seen: Iterable[Span]) -> Iterator[tuple[float, float]]:
    return ((span.since, span.until) for span in seen)


def _rates(points: Sequence[Recorded]) -> list[float]:
    """Objects per second between neighbours that lie about ten minutes apart."""
    rates = list[float]()
    for one, other in pairwise(points):
        before, after, seconds = one.counts.done, other.counts.done, other.at - one.at
        watched = not other.after_gap and _LEAST_BEST <= seconds < 2 * BEST_SECONDS
        if watched and before is not None and after is not None and after > before:
            rates.append((after - before) / seconds)
    return rates
