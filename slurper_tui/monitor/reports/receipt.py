"""Receipts: how an ended job or migration went, for a change ticket.

Times are UTC seconds, rates objects per second, counts objects. `headline` sums a receipt up in one
line for both formats (Markdown and JSON); that text is not sanitised yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from slurper_tui.format import parse_time
from slurper_tui.monitor.model.events import Event, RetryLink
from slurper_tui.monitor.model.job import Counts, JobView, Verdict
from slurper_tui.monitor.model.logs import Cause, LogCounts, cause_of
from slurper_tui.monitor.reports.migrations import Migration
from slurper_tui.monitor.reports.observed import Seen, Span
from slurper_tui.monitor.reports.retries import of_skips, total


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
        return self.retry_link.keys if self.retry_link else None

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

    jobs: in the order of their creation, the retries last. family: the sums. lost: links of retries
    that the API no longer knows.
    """

    jobs: tuple[JobReceipt, ...]
    family: Migration
    lost: tuple[RetryLink, ...] = ()

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
        superseded = self.family.superseded
        return all(job.log is not None for job in self.jobs if job.view.key not in superseded)

    @property
    def observed(self) -> bool:
        """Whether every job's observed spans are known from its beginning to its end."""
        return all(
            job.seen if job.seconds else job.seconds == 0 and not job.view.counts.done
            for job in self.jobs
        )

    @property
    def unobserved(self) -> tuple[tuple[float, float], ...]:
        """The (since, until) times in which a live job was not observed, merged, oldest first."""
        spans = [span for job in self.jobs for span in job.spans(Seen.UNOBSERVED)]
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

        Requires every job's log: only it shows that the source was listed to its end.
        """
        listed = all(job.log is not None for job in self.roots)
        ended_well = self.completed and not self.lost_job
        return ended_well and self.verdict.clean and self.not_copied == 0 and listed

    @property
    def headline(self) -> str:
        """One line such as `1,310 failed, of which 1,310 were copied by a retry: all copied`.

        If objects are missing, the verdict's text takes the place of `all copied`.
        """
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
