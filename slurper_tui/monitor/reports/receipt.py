"""Receipts: how an ended job or migration went, for a change ticket.

`EndedJobs` implements `Receipts`; it builds a `Receipt` from the API, the logs and the history.
Times are UTC seconds, rates objects per second, counts objects. A receipt does not depend on the
time at which it is made: the same history gives the same receipt. `headline` sums it up in one
line for both formats (Markdown and JSON); that text is not sanitised yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from slurper_tui.api.errors import NotFound
from slurper_tui.format import parse_time
from slurper_tui.monitor.history.codecs import last_of_each
from slurper_tui.monitor.logs.fetch import LASTING
from slurper_tui.monitor.logs.reader import LogReader
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, RetryLink
from slurper_tui.monitor.model.job import Counts, JobView, Phase, Verdict, counts_of, has_ended
from slurper_tui.monitor.model.logs import Cause, FailuresView, LogCounts, cause_of
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.verdict import not_copied, percent, verdict
from slurper_tui.monitor.polling.budget import Metered
from slurper_tui.monitor.polling.job_store import JobStore
from slurper_tui.monitor.reports.migrations import Migration, family
from slurper_tui.monitor.reports.observed import Seen, Span, spans
from slurper_tui.monitor.reports.retries import of_skips, total

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Recorder

BEST_SECONDS = 600.0
"""Seconds over which the best rate of a job is averaged, approximately."""


class NotEnded(Exception):
    """No receipt is possible because a job is live. view: the job that has not ended."""

    def __init__(self, view: JobView) -> None:
        super().__init__(f"job {view.job.id} has not ended: it is {view.word}")
        self.view = view


class JobReceipt(msgspec.Struct, frozen=True):
    """How one job ended.

    begun, ended: times from the API; None if missing or invalid. seen: the observed spans between
    them. best: the highest rate over about ten minutes, objects per second; None if the job was
    never observed that long. log: row counts of its log; None if it could not be read or the job is
    superseded. events: actions on the job and other changes, oldest first. retries: tie to the job
    that it retries, None if it is no retry. last_seen: when the job was observed to have ended;
    None if it never was.
    """

    view: JobView
    begun: float | None = None
    ended: float | None = None
    seen: tuple[Span, ...] = ()
    best: float | None = None
    log: LogCounts | None = None
    events: tuple[Event, ...] = ()
    retries: RetryLink | None = None
    last_seen: float | None = None

    @property
    def seconds(self) -> float | None:
        """Seconds from creation to end; None if one is unknown or the end is the earlier one."""
        return _between(self.begun, self.ended)

    @property
    def running_seconds(self) -> float | None:
        """`seconds` without the time in which the job was observed to be paused."""
        if self.seconds is None:
            return None
        return max(0.0, self.seconds - sum(span.seconds for span in self.spans(Seen.PAUSED)))

    @property
    def average(self) -> float | None:
        """Objects done per second of `running_seconds`."""
        done = self.view.counts.done
        return done / self.running_seconds if done is not None and self.running_seconds else None

    @property
    def number_of_keys(self) -> int | None:
        """Number of keys that the job was given; None for a job that copies a prefix."""
        source = self.view.job.source
        if source is not None and source.keys is not None:
            return len(source.keys)
        return self.retries.keys if self.retries else None

    def spans(self, kind: Seen) -> tuple[Span, ...]:
        """Return the observed spans of one kind."""
        return tuple(span for span in self.seen if span.kind is kind)


def _between(begun: float | None, ended: float | None) -> float | None:
    return None if begun is None or ended is None or ended < begun else ended - begun


class Reason(msgspec.Struct, frozen=True):
    """Why objects failed or were not copied.

    count: number of log rows. first_seen, last_seen: times in the API's own format.
    """

    log_type: str
    cause: Cause
    count: int
    first_seen: str | None = None
    last_seen: str | None = None


class Receipt(msgspec.Struct, frozen=True):
    """How one job or one migration ended.

    jobs: in the order of their creation, the retries last. family: the sums. unobserved: spans
    (since, until) in which a job had begun, had not ended and was not observed. lost: retries that
    the API no longer knows.
    """

    jobs: tuple[JobReceipt, ...]
    family: Migration
    unobserved: tuple[tuple[float, float], ...] = ()
    lost: tuple[RetryLink, ...] = ()

    @property
    def first(self) -> tuple[JobReceipt, ...]:
        """The jobs that are neither retries nor superseded."""
        aside = self.family.superseded | self.family.retries.keys()
        return tuple(job for job in self.jobs if job.view.key not in aside)

    @property
    def counts(self) -> Counts:
        """The counts after all retries, each object once; unknown if a job's counts are missing."""
        return Counts() if self.family.view.partial else self.family.counts

    @property
    def verdict(self) -> Verdict:
        """How the receipt reconciles; for a single job, its own verdict."""
        alone = self.jobs[0].view if len(self.jobs) == 1 else self.family.view
        return alone.verdict or Verdict(alone.word, alone.counts.failed, None, None)

    @property
    def begun(self) -> float | None:
        """When the first job was created; None if no creation time is known."""
        return min((job.begun for job in self.jobs if job.begun is not None), default=None)

    @property
    def ended(self) -> float | None:
        """When the last job ended; None if the end of any job is unknown."""
        ends = [job.ended for job in self.jobs if job.ended is not None]
        return max(ends) if len(ends) == len(self.jobs) else None

    @property
    def seconds(self) -> float | None:
        """Seconds from the first creation to the last end; None as for a job."""
        return _between(self.begun, self.ended)

    @property
    def last_seen(self) -> float | None:
        """The latest `last_seen` of the jobs without an end from the API; None if there is none."""
        unknown = [job for job in self.jobs if job.ended is None]
        return max((job.last_seen for job in unknown if job.last_seen is not None), default=None)

    @property
    def logs_read(self) -> bool:
        """Whether the log of every job that is not superseded was read."""
        again = self.family.superseded
        return all(job.log is not None for job in self.jobs if job.view.key not in again)

    @property
    def observed(self) -> bool:
        """Whether every job's observed spans are known from its beginning to its end."""
        return all(
            job.seen if job.seconds else job.seconds == 0 and not job.view.counts.done
            for job in self.jobs
        )

    @property
    def not_copied(self) -> int | None:
        """Skipped objects that are not in the target; None if a log was not read."""
        return 0 if self.counts.skipped == 0 else self.family.view.not_copied

    @property
    def lost_job(self) -> bool:
        """Whether a counted job was aborted or is gone."""
        return self.family.view.gone or self.family.view.status == "aborted"

    @property
    def completed(self) -> bool:
        """Whether every counted job was completed, not aborted or ended with another status."""
        return self.family.view.status == "completed"

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why objects failed or were not copied, before retries."""
        return reasons_of([job.log for job in self.first if job.log])


def reasons_of(logs: list[LogCounts]) -> tuple[Reason, ...]:
    """Return listing errors, then failures, then uncopied objects, the most frequent first."""
    counts: Counter[str] = Counter()
    for log in logs:
        counts.update(log.by_type)
    named = (kind for kind in counts if cause_of(kind) in _ORDER and counts[kind])
    reasons = [
        Reason(
            kind,
            cause_of(kind),
            counts[kind],
            _edge([log.first_seen.get(kind) for log in logs], last=False),
            _edge([log.last_seen.get(kind) for log in logs], last=True),
        )
        for kind in named
    ]
    return tuple(sorted(reasons, key=lambda r: (_ORDER.index(r.cause), -r.count, r.log_type)))


_ORDER = (Cause.LISTING_BROKE, Cause.FAILED, Cause.NOT_COPIED)


def _edge(told: list[str | None], *, last: bool) -> str | None:
    """Return the first or the last of some times in the API's own format."""
    known = [text for text in told if text is not None]
    timed = [(at, text) for text in known if (at := parse_time(text)) is not None]
    if not timed:
        return min(known, default=None)
    return (max(timed) if last else min(timed))[1]


MOST_EVENTS = 500

STEADY_SECONDS = 60.0
"""Seconds after a job's end in which objects in flight may still get log rows, approximately."""

_LEAST_BEST = 0.75 * BEST_SECONDS


class EndedJobs:
    """Makes the receipts of ended jobs. Implements `Receipts`."""

    def __init__(
        self,
        metered: Metered,
        job_store: JobStore,
        history: Recorder,
        logs: LogReader,
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._history = history
        self._logs = logs

    async def receipt(
        self, keys: Sequence[JobKey], told: Callable[[FailuresView], None] = lambda view: None
    ) -> Receipt:
        """Return the receipt of one job, or of the jobs of one migration, with all retries.

        The logs of jobs that are not superseded are read. told: called after every page of a log
        that must be read first. Raises NotEnded if a job is live, ApiError if something cannot be
        read, ValueError if there are no keys.
        """
        views = {key: await self._view(key) for key in keys}
        links = await self._ties(views)
        lost = await self._add_retries(views, links)
        for view in views.values():
            if view.live:
                raise NotEnded(view)
        ended = sorted(views.values(), key=_created)
        again = family(ended, links).superseded
        logs = {
            view.key: None if view.key in again else await self._log(view, told) for view in ended
        }
        whole = family([_judged(view, logs[view.key]) for view in ended], links)
        return await self._told(whole, links, logs, lost)

    async def _told(
        self,
        whole: Migration,
        links: Sequence[RetryLink],
        logs: Mapping[JobKey, LogCounts | None],
        lost: tuple[RetryLink, ...],
    ) -> Receipt:
        tied = {link.child: link for link in links}
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

    async def _view(self, key: JobKey) -> JobView:
        """Return a job's view; fetch it if the job_store does not have its counts."""
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

    async def _ties(self, views: Iterable[JobKey]) -> tuple[RetryLink, ...]:
        return tuple(await self._history.notes.links(sorted({key.account_id for key in views})))

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

    async def _log(self, view: JobView, told: Callable[[FailuresView], None]) -> LogCounts | None:
        """Return a log's stored row counts if read well after the end, else read the log now."""
        kept = await self._noted(view.key)
        steady = (parse_time(view.job.finished_at) or 0.0) + STEADY_SECONDS
        now = self._metered.now().wall  # a reading dated in the future had a wrong clock
        if kept is not None and kept.whole and steady <= kept.read_at <= now:
            return kept
        read = None if view.gone else await self._read(view.key, told)
        return read or (kept if kept is not None and kept.whole else None)

    async def _noted(self, key: JobKey) -> LogCounts | None:
        return (await self._history.notes.counts([key.account_id])).get(key)

    async def _read(self, key: JobKey, told: Callable[[FailuresView], None]) -> LogCounts | None:
        """Read a log to its end; None if it is gone or incomplete.

        Raises ApiError for a permanent error, or after `LASTING` consecutive transient errors.
        """
        last, faults = FailuresView(key), 0
        async with aclosing(self._logs.failures(key).views()) as views:
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
        return await self._history.notes.events(key, MOST_EVENTS)

    async def _samples(self, view: JobView) -> tuple[Recorded, ...]:
        """Return a job's samples up to its end, and the first one after it."""
        samples = await self._history.samples(view.key)
        end = _seen_end(view, samples)
        later = [sample for sample in samples if end is not None and sample.at >= end]
        return tuple(s for s in samples if end is None or s.at < end) + tuple(later[:1])


def _judged(view: JobView, log: LogCounts | None) -> JobView:
    """Recompute the verdict and the uncopied objects from the log's row counts."""
    return replace(
        view,
        verdict=verdict(view.counts, view.status, log),
        not_copied=not_copied(view.counts, log),
        listing_broke=log.listing_broke if log else False,
    )


def _created(view: JobView) -> tuple[float, str]:
    """Return the sort key of jobs: the order in which they are given must not matter."""
    return parse_time(view.job.created_at) or 0.0, view.key.job_id


def _seen_end(view: JobView, samples: Sequence[Recorded]) -> float | None:
    """Return until when samples matter: the job's end, or the first sample after it.

    The sample is used if the API gives no end, or one before the creation. None if neither is
    known.
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
    """Merge the jobs' unobserved spans, oldest first."""
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
    """Return objects per second between neighbouring samples about ten minutes apart."""
    rates = list[float]()
    for one, other in pairwise(points):
        before, after, seconds = one.counts.done, other.counts.done, other.at - one.at
        watched = not other.after_gap and _LEAST_BEST <= seconds < 2 * BEST_SECONDS
        if watched and before is not None and after is not None and after > before:
            rates.append((after - before) / seconds)
    return rates


ALL_COPIED = "all copied"


def headline(receipt: Receipt) -> str:
    """Sum a receipt up: `1,310 failed, of which 1,310 were copied by a retry: all copied`.

    If objects are missing, the verdict's text takes the place of `all copied`.
    """
    text = ALL_COPIED if all_copied(receipt) else receipt.verdict.text
    failed = total(job.view.counts.failed for job in receipt.first)
    retries = len(receipt.family.retries.keys() - receipt.family.superseded)
    if not retries or not failed or not all(map(_of_failures_alone, retries_of(receipt))):
        return f"{receipt.verdict.text}: {text}" if text == ALL_COPIED else text
    by = "a retry" if retries == 1 else f"{retries} retries"
    return f"{failed:,} failed, of which {_copied(receipt):,} were copied by {by}: {text}"


def all_copied(receipt: Receipt) -> bool:
    """Whether every object of the source is in the target, as far as can be known.

    Requires every job's log: only it shows that the source was listed to its end.
    """
    listed = all(job.log is not None for job in receipt.first)
    ended_well = receipt.completed and not receipt.lost_job
    return ended_well and receipt.verdict.clean and receipt.not_copied == 0 and listed


def retries_of(receipt: Receipt) -> tuple[JobReceipt, ...]:
    """Return the jobs that retry others of the receipt."""
    return tuple(job for job in receipt.jobs if job.view.key in receipt.family.retries)


def _of_failures_alone(job: JobReceipt) -> bool:
    return job.retries is None or not of_skips(job.retries)


def _copied(receipt: Receipt) -> int:
    """Return the number of failed objects that retries have copied."""
    first = total(job.view.counts.transferred for job in receipt.first)
    return max(0, (receipt.counts.transferred or 0) - (first or 0))
