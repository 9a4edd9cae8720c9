"""One job as the monitor follows it: what it was told, and when it is to be asked again.

What was asked of a job from here, until polls have shown what came of it.

What an earlier run has left to be shown before anything is asked.

Imports nothing of the poll loop, which is made while the first picture stands.

How a job stands after an answer, or without one, as a view.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, NotFound
from slurper_tui.api.models import Job, Progress
from slurper_tui.format import parse_time
from slurper_tui.monitor.estimate.forecast import reason
from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState, expected
from slurper_tui.monitor.model.job import AccountView, Counts, JobView, Phase, Snapshot, State
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.samples import Recorded, Remembered
from slurper_tui.monitor.model.verdict import not_copied, percent, verdict

NOTHING_YET_POLLS = 3
"""After so many polls that do not show it, that is said."""

GIVEN_UP_POLLS = 12
"""After so many it is not waited for any more, and the person may ask for it anew."""

NOTHING_YET = "no poll has shown it so far"

_STANDS: Mapping[RequestState, int] = {
    RequestState.DONE: 2,
    RequestState.MOOT: 2,
    RequestState.REFUSED: 12,
}
"""For so many rounds the end of a request is news."""


class Awaited:
    """Mutable, and private to the job's track. request: what the job bears, None when nothing."""

    def __init__(self) -> None:
        self.request: ActionRequest | None = None
        self._polls = 0
        self._rounds = 0
        self._early = False

    @property
    def open(self) -> bool:
        """Polls are still to show what came of it."""
        return self.request is not None and self.request.standing.open

    def begin(self, request: ActionRequest, *, polling: bool) -> None:
        """Bear a request, or what has become of it.

        polling: a poll is under way, and what it brings may be older than the request. What a poll
        has shown already needs no later answer.
        """
        if self._shown_already(request):
            return
        self.request = request
        self._polls = self._rounds = 0
        self._early = polling

    def _shown_already(self, request: ActionRequest) -> bool:
        known = self.request
        same = known is not None and (known.act, known.at) == (request.act, request.at)
        return same and not self.open and request.standing.open

    def polled(self, status: str | None, *, ended: bool) -> None:
        """Take in that the job is there, and its status.

        One that ended in another way leaves nothing to wait for.
        """
        if self.request is None or not self.open:
            return
        early, self._early = self._early, False
        if _shows(self.request.act, status):
            self._done(self.request)
        elif ended and self.request.act is not Action.DELETE:
            self.request = None
        elif not early:
            self._polls += 1
            self._count(self.request)

    def left(self) -> None:
        """Take in that the job is not there any more."""
        if self.request is None or not self.open:
            return
        if self.request.act is Action.DELETE:
            self._done(self.request)
        else:
            self.request = None

    def round_begins(self) -> None:
        """Forget what is no news any more."""
        if self.request is None or self.open:
            return
        self._rounds += 1
        if self._rounds > _STANDS[self.request.standing]:
            self.request = None

    def _done(self, request: ActionRequest) -> None:
        self.request = replace(request, standing=RequestState.DONE, error=None, news="")
        self._rounds = 0

    def _count(self, request: ActionRequest) -> None:
        if self._polls >= GIVEN_UP_POLLS:
            self.request = None
        elif self._polls == NOTHING_YET_POLLS:
            self.request = replace(request, news=NOTHING_YET)


def _shows(act: Action, status: str | None) -> bool:
    """Whether this status comes of the act; what was resumed may be completed by now."""
    return status is not None and (
        status == expected(act) or (act is Action.RESUME and status == "completed")
    )


STEADY_SECONDS = 60.0
"""An aborted job whose counters agree for so long has nothing in flight any more."""

_ENDED = frozenset({"completed", "aborted"})
_AT_REST = {"paused": Phase.PAUSED, "completed": Phase.ENDED, "aborted": Phase.ENDED}


def known_snapshot(
    remembered: Sequence[Remembered],
    accounts: Sequence[str],
    prefixes: Sequence[str],
    interval: float,
    now: float,
) -> Snapshot | None:
    """Give the last known state of every job whose id begins so; None when there is none.

    prefixes: empty for all jobs. interval: seconds between rounds. now: UTC seconds.
    """
    wanted = tuple(prefixes) or ("",)
    jobs = [remembered_view(k) for k in remembered if k.key.job_id.startswith(wanted)]
    if not jobs:
        return None
    return Snapshot(now, interval, tuple(map(AccountView, accounts)), tuple(jobs))


def remembered_view(known: Remembered) -> JobView:
    """Give the view that an earlier run left, to stand until it is confirmed."""
    job, last = known.job, known.last
    status = last.status if last else job.status
    ended = has_ended(job, status)
    view = JobView(known.account_id, job, status=status, ended=ended)
    if last is None:
        return view
    stalled = Phase.STALLED if last.stalled and status == "running" else None
    return replace(
        view,
        phase=Phase.ENDED if ended else _AT_REST.get(status or "", stalled),
        counts=last.counts,
        percent=percent(last.counts, status),
        provisional=not ended,
        verdict=verdict(last.counts, status),
        as_of=last.at,
        remembered=True,
    )


def final(known: Remembered) -> Remembered | None:
    """Give the job as one that is closed, if its last sample tells its final counts, else None.

    A completed job is closed by its last answer. After any other end objects in flight still
    finish, so the last sample must be from well after it.
    """
    if known.last is None or known.last.counts.done is None:
        return None
    finished = parse_time(known.job.finished_at)
    steady = finished is not None and known.last.at >= finished + STEADY_SECONDS
    over = known.closed or (steady and has_ended(known.job, known.last.status))
    return replace(known, closed=True) if over else None


def has_ended(job: Job, status: str | None = None) -> bool:
    """Completed or aborted; or, for a status nobody foresaw, finished by the list's own word."""
    word = status or job.status
    known = word in {"running", "paused"}
    return word in _ENDED or (not known and job.finished_at is not None)


def told_view(
    before: JobView, series: Series, status: str | None, created_at: str | None, now: Moment
) -> JobView:
    """Give the view after an answer that the series has taken in."""
    assert series.last is not None
    counts, estimate = series.last.counts, series.estimate
    ended = has_ended(before.job, status)
    forecast = None if ended else series.forecast
    stalled = estimate.stalled_since
    return replace(
        before,
        status=status,
        phase=Phase.ENDED if ended else estimate.phase,
        counts=counts,
        percent=percent(counts, status),
        provisional=not (ended or estimate.settled),
        grew=estimate.growing and not ended,
        rate=estimate.rate,
        lifetime_rate=lifetime_rate(before.job, created_at, counts, status, now.wall),
        plan_rate=estimate.plan_rate,
        transferred_rate=estimate.transferred_rate,
        skipped_rate=estimate.skipped_rate,
        growth=estimate.growth,
        forecast=forecast,
        reason="" if ended else reason(estimate, forecast, stale=False),
        stalled_since=None if stalled is None else now.wall - (now.mono - stalled),
        stalled_badly=estimate.stalled_badly,
        verdict=verdict(counts, status),
        restarts=estimate.restarts,
        as_of=now.wall,
        missed=0,
        stale=False,
        gone=False,
        ended=ended,
        problem=None,
        remembered=False,
    )


def stale_view(before: JobView, series: Series) -> JobView:
    """Give the view of a job that has not answered for too long: what it last said, no forecast.

    Nobody knows whether it still stands still.
    """
    said = "" if before.ended else reason(series.estimate, None, stale=True)
    phase = None if before.phase is Phase.STALLED else before.phase
    return replace(
        before,
        stale=True,
        forecast=None,
        reason=said,
        phase=phase,
        stalled_since=None,
        stalled_badly=False,
    )


def another_time(before: str | None, after: str | None) -> bool:
    """Two times that differ, and not merely in how they are written."""
    if before is None or after is None:
        return False
    return (parse_time(before) or before) != (parse_time(after) or after)


def counts_of(progress: Progress) -> Counts:
    """The four counters of an answer."""
    return Counts(
        progress.objects,
        progress.transferred_objects,
        progress.skipped_objects,
        progress.failed_objects,
    )


def lifetime_rate(
    job: Job, created_at: str | None, counts: Counts, status: str | None, now: float
) -> float | None:
    """Objects per second from `createdAt` to the end, or to now while it has not ended."""
    begun = parse_time(created_at)
    ended = parse_time(job.finished_at) if has_ended(job, status) else now
    if begun is None or ended is None or counts.done is None or ended <= begun:
        return None
    return counts.done / (ended - begun)


STALE_POLLS = 3
"""So many polls in a row without an answer make a job stale."""

ABSENT_READINGS = 2
"""A job is gone when so many whole readings in a row lack it, and it does not answer either."""

_ABSENT_STATUSES = frozenset({410, 500})
"""What the API answers for an absent job, besides 404; alone it proves nothing."""

PAUSED_ROUNDS = 3
"""A job that does not run is asked every so many rounds."""


class JobTrack:
    """Mutable, and private to the monitor; everyone else sees its `view`.

    asked_at: when it was last queued to be asked, monotonic seconds. sent_at: since when an answer
    is awaited; infinite when none is. confirmed: the status that was last told, in this run or an
    earlier one; None before the first. unseen: whole readings of the list in a row that lack it.
    denied: the last answer to a poll was what the API says of an absent job. doubted: it is to be
    asked once more, although it has ended for good, because the list lacks it. unneeded: its counts
    are not wanted. unlisted_id: a person named it and no list did; it may not exist.
    """

    def __init__(self, account_id: str, job: Job) -> None:
        self.view = JobView(account_id, job, status=job.status, ended=has_ended(job))
        self.key = self.view.key
        self.series = Series()
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
        self.unneeded = False
        self.unlisted_id = False
        self.denied = False
        self.unseen = 0
        self.doubted = False
        self.gaps = 0
        self.confirmed: str | None = None
        self._awaited = Awaited()
        self._steady_since: float | None = None
        self._changed_at = math.inf
        self._created_at = job.created_at
        self._kept: Remembered | None = None
        self._log: LogCounts | None = None

    @classmethod
    def remembered(cls, known: Remembered) -> JobTrack:
        """Begin with what an earlier run knew; what had ended for good is not asked again."""
        track = cls(known.account_id, known.job)
        track.view = remembered_view(known)
        track.lazy = track.view.ended
        if track.view.ended:
            track.series.last = known.last  # it needs no estimate, but to know when it was seen
        track.confirmed = known.last.status if known.last else None
        track.closed = track.answered = known.closed and known.last is not None
        return track

    @property
    def job_id(self) -> str:
        """The id under which it is asked."""
        return self.view.job.id or ""

    @property
    def over(self) -> bool:
        """There is nothing left to ask: it has ended for good, or is gone."""
        closed = self.closed and not self.doubted
        return (closed or self.view.gone) and not self._awaited.open

    @property
    def rests(self) -> bool:
        """It has ended for good, and nobody wants anything of it."""
        return self.closed and not (
            self.wanted or self.doubted or self.under_way or self._awaited.request
        )

    @property
    def tried(self) -> bool:
        """It was asked, or need not be."""
        return self.answered or self.unneeded or self.failing_since is not None

    def period(self, interval: float, highlighted: bool) -> float:
        """Seconds between two polls; infinite when there is nothing left to ask."""
        if self.over:
            return math.inf
        if self._awaited.open:
            return interval
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
        """Take in a row of the list; True when it tells a change of status.

        An end that an earlier run knew holds as long as the list tells the same one.
        """
        changed = job.status != self.view.job.status
        if changed:
            self.asked_at = -math.inf
            if self.view.remembered or not has_ended(job):
                self.closed, self.lazy = False, False
                self.answered = self.answered and not self.view.remembered
        if self.view.gone:
            self.asked_at = self.retry_at = -math.inf
        self.unseen, self.doubted, self.denied = 0, False, False
        status = self.view.status if self.answered else job.status
        self.view = replace(
            self.view,
            job=job,
            status=status,
            gone=False,
            ended=has_ended(job, status),
            verdict=self.view.verdict if status == self.view.status else None,
            remembered=self.view.remembered and not self.closed,
        )
        return changed

    def unlisted(self) -> None:
        """A whole reading of the list lacks it.

        From the second one on an ended job is asked again, but less and less often.
        """
        self.unseen += 1
        repeated = self.unseen >= ABSENT_READINGS and self.unseen & (self.unseen - 1) == 0
        self.doubted = self.doubted or (repeated and not self.denied)
        self._leave_if_absent()

    @staticmethod
    def is_absence(error: ApiError) -> bool:
        """Whether this is what the API may answer for an absent job."""
        return isinstance(error, NotFound) or error.status in _ABSENT_STATUSES

    def _leave_if_absent(self) -> None:
        """Mark the job as gone where both the list and its progress say so; its values stay.

        Of a job that was deleted from here either is enough.
        """
        lacking = self.unseen >= ABSENT_READINGS
        request = self._awaited.request
        if request is not None and self._awaited.open and request.act is Action.DELETE:
            lacking = lacking or (self.unseen > 0 and request.standing is RequestState.SENT)
            absent = self.denied or lacking
        else:
            absent = self.denied and lacking
        if absent and not self.view.gone:
            self._awaited.left()
            self.view = replace(self.view, gone=True, rate=None, forecast=None, reason="")
            self._bear()

    def told(
        self, progress: Progress, now: Moment, *, interval: float, clock_jumped: bool = False
    ) -> bool:
        """Take in an answer; True when it tells a change of status. interval: seconds."""
        status = progress.status or self.view.job.status
        changed = self.answered and status != self.view.status
        counts = counts_of(progress)
        if another_time(self._created_at, progress.created_at):
            self.series.restart()
        self._created_at = progress.created_at or self._created_at
        self.series.add(
            counts,
            status,
            now,
            period=interval if status == "running" else interval * PAUSED_ROUNDS,
            created_at=parse_time(self._created_at),
            clock_jumped=clock_jumped,
        )
        self._close_if_over(counts, status, now)
        if not self.answered or (counts, status) != (self.view.counts, self.view.status):
            self._changed_at = now.mono
        self.answered, self.failing_since, self.failures = True, None, 0
        self.denied = self.doubted = False
        self.retry_at = -math.inf
        self.view = told_view(self.view, self.series, status, self._created_at, now)
        odd = self.view.live and self.view.state is State.OTHER
        since = now.wall - (now.mono - self._changed_at)
        self.view = replace(self.view, unchanged_since=since if odd else None)
        self.confirmed = status
        self._awaited.polled(status, ended=self.view.ended)
        self._bear()
        self._judge()
        return changed

    def seed(self, past: Sequence[Recorded], now: Moment) -> None:
        """Take in what a history remembers of the counters, unless they were told already."""
        self.series.seed(past, now, parse_time(self._created_at))
        if past and self.confirmed is None:
            self.confirmed = past[-1].status

    def requested(self, request: ActionRequest) -> None:
        """Bear what was asked of it from here."""
        self._awaited.begin(request, polling=self.under_way)
        self._bear()

    def round_begins(self) -> None:
        """Forget what is no news any more."""
        self._awaited.round_begins()
        self._bear()

    def _bear(self) -> None:
        if self.view.request is not self._awaited.request:
            self.view = replace(self.view, request=self._awaited.request)

    def counted(self, counts: LogCounts) -> None:
        """Know what its log holds, and judge its end by that too."""
        self._log = counts
        self.view = replace(self.view, listing_broke=counts.listing_broke)
        self._judge()

    def _judge(self) -> None:
        """Let the verdict say what the log adds to the counters."""
        if self._log is not None:
            left = not_copied(self.view.counts, self._log)
            self.view = replace(self.view, not_copied=left)
        if self._log is not None and self.view.verdict is not None:
            told = verdict(self.view.counts, self.view.status, self._log)
            self.view = replace(self.view, verdict=told)

    def to_keep(self) -> Remembered | None:
        """The job as a history is to know it; None when that has not changed since it was asked."""
        known = Remembered(self.view.account_id, self.view.job, None, self.closed, self.view.gone)
        if known == self._kept:
            return None
        self._kept = known
        return known

    def failed(self, error: ApiError, now: Moment, wait: float) -> None:
        """Take in a poll that failed: the values stay. wait: seconds until the next try."""
        self.failing_since = now.mono if self.failing_since is None else self.failing_since
        self.retry_at = now.mono + wait
        self.failures += 1
        self.view = replace(self.view, problem=error)
        self.denied, self.doubted = self.is_absence(error), False
        self._leave_if_absent()
        self.missed()

    def missed(self) -> None:
        """Count a poll without an answer. What has ended cannot grow stale."""
        if not self.over and not self.lazy:
            missed = self.view.missed + 1
            self.view = replace(self.view, missed=missed)
            if missed >= STALE_POLLS and not self.view.stale:
                self.view = stale_view(self.view, self.series)

    def _close_if_over(self, counts: Counts, status: str | None, now: Moment) -> None:
        """Completed is the last answer; after any other end, objects in flight still finish.

        An end whose counts are not known is asked about once a minute until they are.
        """
        if not has_ended(self.view.job, status):
            self._steady_since = None
        elif counts.objects is None or counts.done is None:
            self.closed, self.lazy = False, True
        elif status == "completed":
            self.closed = True
        elif self._steady_since is None or counts != self.view.counts:
            self._steady_since = now.mono
        elif now.mono - self._steady_since >= STEADY_SECONDS:
            self.closed = True
