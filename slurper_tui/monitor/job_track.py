"""One job as the monitor follows it: what it was told, and when it is to be asked again."""

from __future__ import annotations

import math

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, NotFound
from slurper_tui.api.models import Job, Progress
from slurper_tui.format import parse_time
from slurper_tui.monitor.estimate import Estimate, Sample, advance
from slurper_tui.monitor.moment import Moment
from slurper_tui.monitor.verdict import percent, verdict
from slurper_tui.monitor.view import Counts, JobView, Phase

STALE_POLLS = 3
"""So many polls in a row without an answer make a job stale."""

STEADY_SECONDS = 60.0
"""An aborted job whose counters agree for so long has nothing in flight any more."""

PAUSED_ROUNDS = 3
"""A job that does not run is asked every so many rounds."""

_ENDED = frozenset({"completed", "aborted"})


class JobTrack:
    """Mutable, and private to the monitor; everyone else sees its `view`.

    asked_at: when it was last queued to be asked, monotonic seconds. sent_at: since when an answer
    is awaited; infinite when none is.
    """

    def __init__(self, account_id: str, job: Job) -> None:
        self.view = JobView(account_id, job, status=job.status, ended=_has_ended(job))
        self.key = self.view.key
        self.estimate = Estimate()
        self.answered = False
        self.closed = False
        self.lazy = self.view.ended
        self.asked_at = -math.inf
        self.sent_at = math.inf
        self.retry_at = -math.inf
        self.failing_since: float | None = None
        self.failures = 0
        self.under_way = False
        self.wanted = False
        self.missing = False
        self.unseen = 0
        self.gaps = 0
        self._steady_since: float | None = None
        self._created_at = job.created_at

    @property
    def job_id(self) -> str:
        """The id under which it is asked."""
        return self.view.job.id or ""

    @property
    def over(self) -> bool:
        """There is nothing left to ask: it has ended for good, or is no longer listed."""
        return self.closed or self.missing

    def period(self, interval: float, highlighted: bool) -> float:
        """Seconds between two polls; infinite when there is nothing left to ask."""
        if self.over:
            return math.inf
        if self.lazy and self.answered:
            return STEADY_SECONDS
        brisk = highlighted or self.view.status == "running" or self.view.ended
        return interval if brisk else interval * PAUSED_ROUNDS

    def ask_now(self) -> None:
        """The person wants to know: whatever was settled about asking is open again."""
        self.wanted = True
        self.retry_at = -math.inf

    def catch_up(self) -> None:
        """Its account answers again: what was missed is due at once."""
        if self.view.missed:
            self.asked_at = self.retry_at = -math.inf

    def listed(self, job: Job) -> bool:
        """Take in a row of the list; True when it tells a change of status."""
        changed = job.status != self.view.job.status
        if changed:
            self.asked_at = -math.inf
            if not _has_ended(job):
                self.closed, self.lazy = False, False
        self.missing = False
        status = self.view.status if self.answered else job.status
        gone = self.view.gone and isinstance(self.view.problem, NotFound)
        ended = _has_ended(job, status)
        self.view = replace(self.view, job=job, status=status, gone=gone, ended=ended)
        return changed

    def unlisted(self) -> None:
        """It has left the list: the last values stay."""
        self.missing = True
        self.view = replace(self.view, gone=True, rate=None)

    def told(self, progress: Progress, now: Moment, after_gap: bool) -> bool:
        """Take in an answer; True when it tells a change of status."""
        status = progress.status or self.view.job.status
        changed = self.answered and status != self.view.status
        counts = _counts(progress)
        if _another_time(self._created_at, progress.created_at):
            self.estimate = Estimate(restarts=self.estimate.restarts + 1)
        self._created_at = progress.created_at or self._created_at
        self.estimate = advance(self.estimate, Sample(now.mono, counts, status, after_gap))
        self._close_if_over(counts, status, now)
        self.answered, self.failing_since, self.failures = True, None, 0
        self.retry_at = -math.inf
        self.view = self._answered_view(counts, status, now)
        return changed

    def failed(self, error: ApiError, now: Moment, wait: float) -> None:
        """Take in a poll that failed: the values stay. wait: seconds until the next try."""
        self.failing_since = now.mono if self.failing_since is None else self.failing_since
        self.retry_at = now.mono + wait
        self.failures += 1
        gone = self.view.gone or isinstance(error, NotFound)
        rate = None if gone else self.view.rate
        self.view = replace(self.view, problem=error, gone=gone, rate=rate)
        self.missed()

    def missed(self) -> None:
        """Count a poll without an answer. What has ended cannot grow stale."""
        if not self.over and not self.lazy:
            missed = self.view.missed + 1
            self.view = replace(self.view, missed=missed, stale=missed >= STALE_POLLS)

    def _close_if_over(self, counts: Counts, status: str | None, now: Moment) -> None:
        """Completed is the last answer; after any other end, objects in flight still finish.

        An end whose counts are not known is asked about once a minute until they are.
        """
        if not _has_ended(self.view.job, status):
            self._steady_since = None
        elif counts.objects is None or counts.done is None:
            self.lazy = True
        elif status == "completed":
            self.closed = True
        elif self._steady_since is None or counts != self.view.counts:
            self._steady_since = now.mono
        elif now.mono - self._steady_since >= STEADY_SECONDS:
            self.closed = True

    def _answered_view(self, counts: Counts, status: str | None, now: Moment) -> JobView:
        ended = _has_ended(self.view.job, status)
        return replace(
            self.view,
            status=status,
            phase=Phase.ENDED if ended else self.estimate.phase,
            counts=counts,
            percent=percent(counts, status),
            provisional=not (ended or self.estimate.settled),
            rate=self.estimate.rate,
            lifetime_rate=_lifetime_rate(self.view.job, self._created_at, counts, status, now.wall),
            verdict=verdict(counts, status),
            restarts=self.estimate.restarts,
            as_of=now.wall,
            missed=0,
            stale=False,
            gone=False,
            ended=ended,
            problem=None,
        )


def _has_ended(job: Job, status: str | None = None) -> bool:
    """Completed or aborted; or, for a status nobody foresaw, finished by the list's own word."""
    word = status or job.status
    known = word in {"running", "paused"}
    return word in _ENDED or (not known and job.finished_at is not None)


def _another_time(before: str | None, after: str | None) -> bool:
    """Two times that differ, and not merely in how they are written."""
    if before is None or after is None:
        return False
    return (parse_time(before) or before) != (parse_time(after) or after)


def _counts(progress: Progress) -> Counts:
    return Counts(
        progress.objects,
        progress.transferred_objects,
        progress.skipped_objects,
        progress.failed_objects,
    )


def _lifetime_rate(
    job: Job, created_at: str | None, counts: Counts, status: str | None, now: float
) -> float | None:
    """Objects per second from `createdAt` to the end, or to now while it has not ended."""
    begun = parse_time(created_at)
    ended = parse_time(job.finished_at) if _has_ended(job, status) else now
    if begun is None or ended is None or counts.done is None or ended <= begun:
        return None
    return counts.done / (ended - begun)
