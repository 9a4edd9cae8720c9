"""Receipts: how a job or migration went, for a change ticket; interim while it has not ended.

Times are UTC seconds, rates objects per second, counts objects. `headline` sums a receipt up in one
line for both formats (Markdown and JSON); that text is not sanitised yet. `ReceiptMaker` builds
receipts from the API, the logs and the history; the same history always gives the same receipt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from slurper_tui.api.errors import NotFound
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.base import JobKey, total
from slurper_tui.monitor.model.events import MOST_EVENTS, Event, RetryLink
from slurper_tui.monitor.model.job import (
    Counts,
    JobView,
    Phase,
    Verdict,
    counts_of,
    has_ended,
    percent_of,
)
from slurper_tui.monitor.model.logs import Cause, FailuresView, LogCounts, cause_of
from slurper_tui.monitor.model.samples import Recorded, Span, SpanKind, last_of_each, spans
from slurper_tui.monitor.model.verdict import with_log
from slurper_tui.monitor.model.verification import Verification, by_job
from slurper_tui.monitor.reports.migrations import Migration, family
from slurper_tui.monitor.reports.retries import of_skips
from slurper_tui.monitor.reports.verification_text import outdated_words, proof_words

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Recorder
    from slurper_tui.monitor.logs.reader import LogReader
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore


class JobReceipt(msgspec.Struct, frozen=True):
    """How one job ended, or what it has done so far.

    begun, ended: times from the API; None if missing or invalid. seen: the observed spans between
    them. best: the highest rate over about ten minutes, objects per second; None if the job was
    never observed that long. log: row counts of its log; None if it could not be read or the job is
    superseded. events: actions on the job and other changes, oldest first. retry_link: link to the
    job that it retries, None if it is no retry. last_seen: when the job was observed to have ended;
    None if it never was.
    """

    view: JobView
    begun: float | None = None
    ended: float | None = None
    seen: tuple[Span, ...] = ()
    best: float | None = None
    log: LogCounts | None = None
    events: tuple[Event, ...] = ()
    retry_link: RetryLink | None = None
    last_seen: float | None = None

    @property
    def seconds(self) -> float | None:
        """Seconds from creation to end, or to the newest data of a live job.

        None if one is unknown or the end is the earlier one.
        """
        return _between(self.begun, self.view.as_of if self.view.live else self.ended)

    @property
    def running_seconds(self) -> float | None:
        """`seconds` without the time in which the job was observed to be paused."""
        if self.seconds is None:
            return None
        return max(0.0, self.seconds - sum(span.seconds for span in self.spans(SpanKind.PAUSED)))

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
        return self.retry_link.keys if self.retry_link else None

    def spans(self, kind: SpanKind) -> tuple[Span, ...]:
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


class Reading(msgspec.Struct, frozen=True):
    """The log that a draft of a receipt waits for.

    job: whose log. view: what was read of it. number: its place, from 1, among the `logs` to be
    read.
    """

    job: JobView
    view: FailuresView
    number: int
    logs: int


class Receipt(msgspec.Struct, frozen=True):
    """How one job or one migration ended, or what it has done so far.

    jobs: in the order of their creation, the retries last. family: the sums. lost: links of retries
    that the API no longer knows. unstarted: jobs of the migration that plans have yet to start.
    reading: the log that is being read, None if the receipt is no draft.
    """

    jobs: tuple[JobReceipt, ...]
    family: Migration
    lost: tuple[RetryLink, ...] = ()
    unstarted: int = 0
    reading: Reading | None = None

    @property
    def interim(self) -> bool:
        """Whether a job has not ended or not begun, so that there is no verdict yet."""
        return self.unstarted > 0 or any(job.view.live for job in self.jobs)

    @property
    def roots(self) -> tuple[JobReceipt, ...]:
        """The jobs that are neither retries nor superseded."""
        aside = self.family.superseded | self.family.retries.keys()
        return tuple(job for job in self.jobs if job.view.key not in aside)

    @property
    def retries(self) -> tuple[JobReceipt, ...]:
        """The jobs that retry others of the receipt."""
        return tuple(job for job in self.jobs if job.view.key in self.family.retries)

    @property
    def counts(self) -> Counts:
        """The counts after all retries, each object once; unknown if a job's counts are missing."""
        return Counts() if self.family.view.partial else self.family.view.counts

    @property
    def view(self) -> JobView:
        """The view of a single job, or the sums of several."""
        return self.jobs[0].view if len(self.jobs) == 1 else self.family.view

    @property
    def verdict(self) -> Verdict:
        """How the counters reconcile; for a single job, its own verdict."""
        if self.interim:
            return Verdict("not ended", self.counts.failed, None, None)
        view = self.view
        return view.verdict or Verdict(view.word, view.counts.failed, None, None)

    @property
    def verification(self) -> Verification | None:
        """The verification that counts; None if there was none."""
        return self.view.verification

    @property
    def verified(self) -> bool:
        """Whether a verification after the end found every object in the target."""
        return not self.interim and self.view.verified

    @property
    def lacks(self) -> bool:
        """Whether the verification found that an object is missing or differs."""
        return self.view.lacks

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
        """Seconds from the first creation to the last end or the newest data; None as for a job."""
        return _between(self.begun, self.as_of if self.interim else self.ended)

    @property
    def as_of(self) -> float | None:
        """When the newest data of an interim receipt is from; None if there is none."""
        return max((job.view.as_of for job in self.jobs if job.view.as_of), default=None)

    @property
    def last_seen(self) -> float | None:
        """The latest `last_seen` of the jobs without an end from the API; None if there is none."""
        unknown = [job for job in self.jobs if job.ended is None]
        return max((job.last_seen for job in unknown if job.last_seen is not None), default=None)

    @property
    def logs_read(self) -> bool:
        """Whether the log of every job that is not superseded was read."""
        superseded = self.family.superseded
        return self.reading is None and all(
            job.log is not None for job in self.jobs if job.view.key not in superseded
        )

    @property
    def observed(self) -> bool:
        """Whether every job's observed spans are known from its beginning to its end."""
        return all(
            job.seen
            if job.seconds or job.view.live
            else job.seconds == 0 and not job.view.counts.done
            for job in self.jobs
        )

    @property
    def unobserved(self) -> tuple[tuple[float, float], ...]:
        """The (since, until) times in which a live job was not observed, merged, oldest first."""
        spans = [span for job in self.jobs for span in job.spans(SpanKind.UNOBSERVED)]
        merged = list[tuple[float, float]]()
        for since, until in sorted((span.since, span.until) for span in spans):
            if merged and since <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(until, merged[-1][1]))
            else:
                merged.append((since, until))
        return tuple(merged)

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
        return reasons_of([job.log for job in self.roots if job.log])

    @property
    def all_copied(self) -> bool:
        """Whether every object of the source is in the target, as far as can be known.

        Without a verification this requires every job's log: only it shows that the source was
        listed to its end.
        """
        ended_well = self.completed and not self.lost_job
        if self.verified or self.lacks:
            return ended_well and self.verified
        listed = self.reading is None and all(job.log is not None for job in self.roots)
        return ended_well and self.verdict.clean and self.not_copied == 0 and listed

    @property
    def headline(self) -> str:
        """One line such as `1,310 failed, of which 1,310 were copied by a retry: all copied`.

        If objects are missing, the verdict's text takes the place of `all copied`. A verification
        takes the place of the counters; if it is no proof, that follows.
        """
        if self.interim:
            return self._so_far()
        result = self.verification
        if result is None:
            return self._by_counters()
        words, outdated = proof_words(self.view), outdated_words(self.view)
        if self.verified:
            return words if self.completed else f"{self.verdict.text}; {words}"
        parts = (words,) if self.lacks else (self._by_counters(), words)
        return "; ".join(filter(None, (*parts, outdated)))

    def _by_counters(self) -> str:
        text = "all copied" if self.all_copied else self.verdict.text
        failed = total(job.view.counts.failed for job in self.roots)
        retries = len(self.family.retries.keys() - self.family.superseded)
        links = [job.retry_link for job in self.retries if job.retry_link]
        if not retries or not failed or any(map(of_skips, links)):
            return f"{self.verdict.text}: {text}" if self.all_copied else text
        before = total(job.view.counts.transferred for job in self.roots)
        copied = max(0, (self.counts.transferred or 0) - (before or 0))
        by = "a retry" if retries == 1 else f"{retries} retries"
        return f"{failed:,} failed, of which {copied:,} were copied by {by}: {text}"

    def _so_far(self) -> str:
        """Return a line such as `not ended: 1,200 of 3,400 done, 9 failed so far`."""
        counts, view = self.counts, self.family.view
        parts = []
        if counts.done is not None and counts.objects is not None:
            more = "+" if view.total_at_least or self.unstarted else ""
            parts.append(f"{counts.done:,} of {counts.objects:,}{more} done")
        if counts.failed:
            parts.append(f"{counts.failed:,} failed so far")
        if self.unstarted:
            jobs = "1 job" if self.unstarted == 1 else f"{self.unstarted} jobs"
            parts.append(f"{jobs} not started yet")
        return ": ".join(filter(None, (self.verdict.text, ", ".join(parts))))


_ORDER = (Cause.LISTING_BROKE, Cause.FAILED, Cause.NOT_COPIED)
"""The causes of a receipt, in the order of its reasons."""


def reasons_of(logs: Sequence[LogCounts]) -> tuple[Reason, ...]:
    """Return listing errors, then failures, then uncopied objects, the most frequent first."""
    counts: Counter[str] = Counter()
    for log in logs:
        counts.update(log.by_type)
    reasons = [
        Reason(
            log_type,
            cause_of(log_type),
            number,
            _extreme(min, [log.first_seen.get(log_type) for log in logs]),
            _extreme(max, [log.last_seen.get(log_type) for log in logs]),
        )
        for log_type, number in counts.items()
        if number and cause_of(log_type) in _ORDER
    ]
    return tuple(sorted(reasons, key=lambda r: (_ORDER.index(r.cause), -r.count, r.log_type)))


def _extreme(
    choose: Callable[[list[tuple[float, str]]], tuple[float, str]], texts: Sequence[str | None]
) -> str | None:
    """Return the first (`min`) or last (`max`) of some times in the API's own format."""
    given = [text for text in texts if text is not None]
    timed = [(at, text) for text in given if (at := parse_time(text)) is not None]
    return choose(timed)[1] if timed else min(given, default=None)


BEST_SECONDS = 600.0
"""Seconds over which the best rate of a job is averaged, approximately."""


class ReceiptMaker:
    """Makes receipts of jobs and migrations."""

    def __init__(
        self, metered: Metered, job_store: JobStore, history: Recorder, logs: LogReader
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._history = history
        self._logs = logs
        self._verified: Mapping[JobKey, Verification] = {}

    async def receipt(
        self,
        keys: Sequence[JobKey],
        on_progress: Callable[[FailuresView], None] = lambda view: None,
        unstarted: int = 0,
        on_draft: Callable[[Receipt], None] = lambda draft: None,
    ) -> Receipt:
        """Return the receipt of one job, or of the jobs of one migration, with all retries.

        The logs of jobs that are not superseded are read. on_progress: called after every page of
        a log that must be read first. on_draft: called with the receipt of what is known, before
        the first page and after every one. unstarted: jobs of the migration that plans have yet to
        start. The receipt is interim if there are any, or if a job is live. Raises ApiError if
        something cannot be read, ValueError if there are no keys.
        """
        accounts = sorted({key.account_id for key in keys})
        self._verified = by_job(await self._history.notes.verifications(accounts))
        views = {key: await self._view(key) for key in keys}
        links = await self._history.notes.links(accounts)
        lost = await self._add_retries(views, links)
        jobs_in_order = sorted(  # independent of the order of the keys
            views.values(), key=lambda v: (parse_time(v.job.created_at) or 0.0, v.key.job_id)
        )
        link_of = {link.child: link for link in links}
        jobs = {
            view.key: job_receipt(
                view,
                await self._history.samples(view.key),
                events=await self._history.notes.events(view.key, MOST_EVENTS),
                link=link_of.get(view.key),
            )
            for view in jobs_in_order
        }
        superseded = family(jobs_in_order, links).superseded
        counted = [view for view in jobs_in_order if view.key not in superseded]
        stored = {view.key: await self._stored(view) for view in counted}
        logs = {key: counts for key, (counts, _) in stored.items()}
        unread = [view for view in counted if not stored[view.key][1]]

        def made(reading: Reading | None = None) -> Receipt:
            return _receipt([*jobs.values()], logs, links, lost, unstarted, reading)

        for number, view in enumerate(unread, 1):
            known = logs[view.key]

            def show(part: FailuresView, view: JobView = view, number: int = number) -> None:
                on_progress(part)
                logs[view.key] = part.counts
                on_draft(made(Reading(view, part, number, len(unread))))

            on_draft(made(Reading(view, FailuresView(view.key), number, len(unread))))
            logs[view.key] = await self._read(view.key, show, known)
        return made()

    async def _view(self, key: JobKey) -> JobView:
        """Return a job's view with its verification, that of another program too."""
        view = await self._counted_view(key)
        return replace(view, verification=self._verified.get(key))

    async def _counted_view(self, key: JobKey) -> JobView:
        """Return a job's view; fetch it if the job store does not have its counts."""
        view = self._job_store.view(key)
        if view is not None and (view.as_of is not None or view.gone):
            return view
        metered = self._metered.of(key.account_id)
        job = await metered.in_turn(lambda: metered.api.get_job(*key))
        progress = await metered.in_turn(lambda: metered.api.progress(*key))
        status, counts = progress.status or job.status, counts_of(progress)
        ended = has_ended(job, status)
        return JobView(
            key.account_id,
            job if job.id else replace(job, id=key.job_id),
            status=status,
            phase=Phase.ENDED if ended else None,
            counts=counts,
            percent=percent_of(counts.done, counts.objects, finished=status == "completed"),
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

    async def _stored(self, view: JobView) -> tuple[LogCounts | None, bool]:
        """Return a log's stored row counts, and whether they need no reading now.

        They need none if they were read well after the end, or if the log is gone. The log of a
        live job is always read. None if the log was never read to its end.
        """
        stored = (await self._history.notes.counts([view.account_id])).get(view.key)
        if stored is not None and not stored.whole:
            stored = None
        ended = parse_time(view.job.finished_at) or 0.0
        now = self._metered.now().wall  # a reading dated in the future had a wrong clock
        settled = stored is not None and stored.covers(ended) and stored.read_at <= now
        return stored, view.gone or (settled and not view.live)

    async def _read(
        self, key: JobKey, show: Callable[[FailuresView], None], stored: LogCounts | None
    ) -> LogCounts | None:
        """Read a log and return its row counts; those that are stored if it is gone or incomplete.

        Raises ApiError for a permanent error, or after several consecutive transient errors.
        """
        last = await self._logs.failures((key,)).read(show)
        if last.problem is not None and not isinstance(last.problem, NotFound):
            raise last.problem
        return last.counts if last.counts.whole else stored


def _receipt(
    jobs: Sequence[JobReceipt],
    logs: Mapping[JobKey, LogCounts | None],
    links: Sequence[RetryLink],
    lost: tuple[RetryLink, ...],
    unstarted: int,
    reading: Reading | None,
) -> Receipt:
    """Return the receipt of some jobs with what is known of their logs."""
    # A log that could not be read gives no reasons, like an empty one.
    unreadable = None if reading else LogCounts(whole=True)
    with_logs = [
        with_log(
            job.view,
            logs.get(job.view.key) or (unreadable if job.view.counts.skipped else None),
            as_is=True,
        )
        for job in jobs
    ]
    migration = family(with_logs, links)
    by_key = {job.view.key: job for job in jobs}
    roots_first = sorted(migration.jobs, key=lambda view: view.key in migration.retries)
    done = [replace(by_key[view.key], view=view, log=logs.get(view.key)) for view in roots_first]
    return Receipt(tuple(done), migration, lost, unstarted, reading)


def job_receipt(
    view: JobView,
    samples: Sequence[Recorded],
    events: tuple[Event, ...] = (),
    link: RetryLink | None = None,
) -> JobReceipt:
    """Return the receipt of a job. samples: all of the job's, oldest first."""
    samples = _until_end(view, samples)
    begun, ended = parse_time(view.job.created_at), parse_time(view.job.finished_at)
    until = samples[-1].at if ended is None and samples else ended
    return JobReceipt(
        view,
        begun,
        ended,
        seen=() if begun is None or until is None else spans(samples, begun, until),
        best=_best_rate(last_of_each(samples, BEST_SECONDS)),
        events=events,
        retry_link=link,
        last_seen=samples[-1].at if samples else view.as_of,
    )


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
