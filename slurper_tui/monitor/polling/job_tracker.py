"""The state of one followed job: its samples, its view, its action request and its poll times.

`JobTrack` is mutable and owned by the monitor; everyone else sees its frozen `JobView`.
`RequestTracker` follows an action request until polls show its outcome.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, NotFound
from slurper_tui.monitor.estimate.forecast import if_resumed, reason
from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.model.base import STEADY_SECONDS, Moment
from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState, expected
from slurper_tui.monitor.model.job import (
    BucketSize,
    Counted,
    Counts,
    JobView,
    Phase,
    State,
    TargetGrowth,
    Total,
    counts_of,
    has_ended,
    job_time,
    percent_of,
)
from slurper_tui.monitor.model.logs import LogCounts, NewestFailures, newest_rows
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from slurper_tui.monitor.model.verdict import end_of, stored_view, with_log

if TYPE_CHECKING:
    from slurper_tui.api.models import Job, LogRow, Progress
    from slurper_tui.monitor.estimate.sharing import Share
    from slurper_tui.monitor.model.verification import Verification

NOTHING_YET_POLLS = 3
"""After this many polls without the expected status, the request's `detail` mentions it."""

GIVEN_UP_POLLS = 12
"""After this many polls the request is dropped, and the user may ask for it again."""

NOTHING_YET = "no poll has shown it so far"

_SHOWN_ROUNDS: Mapping[RequestState, int] = {
    RequestState.DONE: 2,
    RequestState.POINTLESS: 2,
    RequestState.REFUSED: 12,
}
"""How many rounds a closed request stays visible."""


class RequestTracker:
    """The last action request of a job, until polls show its outcome.

    Mutable and private to the job's track. request: None if there is nothing to show.
    """

    def __init__(self) -> None:
        self.request: ActionRequest | None = None
        self._polls = 0
        self._rounds = 0
        self._early = False

    @property
    def open(self) -> bool:
        """Whether the outcome is still open."""
        return self.request is not None and self.request.state.open

    def begin(self, request: ActionRequest, *, polling: bool) -> None:
        """Set the request or update its state.

        polling: a poll is under way; its answer may be older than the request, so it is not
            counted if it does not show the outcome.

        A late answer to a request is ignored if a poll has shown its outcome already.
        """
        last = self.request
        same = last is not None and (last.action, last.at) == (request.action, request.at)
        if same and not self.open and request.state.open:
            return
        self.request = request
        self._polls = self._rounds = 0
        self._early = polling

    def polled(self, status: str | None, *, ended: bool) -> None:
        """Update the request after a poll that found the job.

        If the job ended in another way, the request is dropped.
        """
        if self.request is None or not self.open:
            return
        early, self._early = self._early, False
        action = self.request.action
        confirmed = status is not None and status == expected(action)
        # A resumed job may be completed by now.
        if confirmed or (action is Action.RESUME and status == "completed"):
            self._done(self.request)
        elif ended and action is not Action.DELETE:
            self.request = None
        elif not early:
            self._polls += 1
            if self._polls >= GIVEN_UP_POLLS:
                self.request = None
            elif self._polls == NOTHING_YET_POLLS:
                self.request = replace(self.request, detail=NOTHING_YET)

    def left(self) -> None:
        """Update the request after the job became absent."""
        if self.request is None or not self.open:
            return
        if self.request.action is Action.DELETE:
            self._done(self.request)
        else:
            self.request = None

    def round_begins(self) -> None:
        """Drop a closed request that has been shown long enough."""
        if self.request is None or self.open:
            return
        self._rounds += 1
        if self._rounds > _SHOWN_ROUNDS[self.request.state]:
            self.request = None

    def _done(self, request: ActionRequest) -> None:
        self.request = replace(request, state=RequestState.DONE, error=None, detail="")
        self._rounds = 0


STALE_POLLS = 3
"""Polls in a row without an answer that make a job stale."""

ABSENT_READINGS = 2
"""A job is gone if this many whole readings of the list lack it and it does not answer either."""

_ABSENT_STATUSES = frozenset({410, 500})
"""Statuses, besides 404, that the API answers for an absent job; alone they prove nothing."""

PAUSED_ROUNDS = 3
"""A job that is not running is polled once in this many rounds."""


class PollMode(Enum):
    """How often a job is polled.

    ACTIVE: every period.
    LAZY: once a minute, and last of all: it has ended, but its final counts are unknown.
    CLOSED: never, since its final counts are known; like LAZY while something about it is open.
    """

    ACTIVE = "active"
    LAZY = "lazy"
    CLOSED = "closed"


class JobTrack:
    """The mutable state of a followed job; private to the monitor, others see its `view`.

    answered: a poll was answered. polled_at, retry_at: monotonic seconds of the last poll, and of
        the earliest next one.
    sent_at: when the request under way was sent, in monotonic seconds; infinite if there is none.
    confirmed: the last status of a progress answer, in this run or an earlier one; None before.
    unseen: number of whole readings of the list in a row that lack the job.
    denied: the last poll was answered like one for an absent job.
    doubted: poll it once more, although it has ended for good, because the list lacks it.
    unneeded: its counts are not needed.
    unlisted_id: an id that the user gave and no list contains; the job may not exist.
    gaps: number of gaps of unknown length before its last sample.
    """

    def __init__(self, account_id: str, job: Job) -> None:
        self.view = JobView(account_id, job, status=job.status, ended=has_ended(job))
        self.key = self.view.key
        self.series = Series()
        self.mode = PollMode.LAZY if self.view.ended else PollMode.ACTIVE
        self.answered = False
        self.polled_at = -math.inf
        self.sent_at = math.inf
        self.retry_at = -math.inf
        self.failing_since: float | None = None
        self.failures = 0
        self.under_way = False
        self.urgent = False
        self.unneeded = False
        self.unlisted_id = False
        self.denied = False
        self.unseen = 0
        self.doubted = False
        self.gaps = 0
        self.confirmed: str | None = None
        self._requests = RequestTracker()
        self._steady_since: float | None = None
        self._changed_at = math.inf
        self._moved_at: float | None = None
        self._created_at = job.created_at
        self._counts = self.view.counts
        self._stored: StoredJob | None = None
        self._log: LogCounts | None = None
        self._failures: NewestFailures | None = None

    @classmethod
    def from_history(cls, stored: StoredJob) -> JobTrack:
        """Return a track with the state of an earlier run; a closed job is not polled again."""
        track = cls(stored.account_id, stored.job)
        track.view, track._log = stored_view(stored), stored.log
        track._counts = track.view.counts
        track.mode = PollMode.LAZY if track.view.ended else PollMode.ACTIVE
        if track.view.ended:
            track.series.last = stored.last  # no estimate needed, only the time of the last answer
        if stored.last is not None:
            track.confirmed = stored.last.status
            if stored.closed:
                track.mode, track.answered = PollMode.CLOSED, True
        return track

    @property
    def job_id(self) -> str:
        """The job's id; "" if the API gave none."""
        return self.view.job.id or ""

    @property
    def over(self) -> bool:
        """Whether no poll is needed any more: it has ended for good, or is gone."""
        closed = self.mode is PollMode.CLOSED and not self.doubted
        return (closed or self.view.gone) and not self._requests.open

    @property
    def rests(self) -> bool:
        """Whether it has ended for good and nothing about it is pending."""
        return self.mode is PollMode.CLOSED and not (
            self.urgent or self.doubted or self.under_way or self._requests.request
        )

    @property
    def tried(self) -> bool:
        """Whether it was polled, or need not be."""
        return self.answered or self.unneeded or self.failing_since is not None

    def period(self, interval: float, highlighted: bool) -> float:
        """Return the seconds between two polls; infinite if no poll is needed."""
        if self.over:
            return math.inf
        if self._requests.open:
            return interval
        if self.mode is not PollMode.ACTIVE and self.answered:
            return STEADY_SECONDS
        brisk = highlighted or self.view.status == "running" or self.view.ended
        return interval if brisk else interval * PAUSED_ROUNDS

    def poll_now(self) -> None:
        """Poll it now, even if it was waiting for a retry."""
        self.urgent = True
        self.retry_at = -math.inf

    def catch_up(self) -> None:
        """Poll it now if polls were missed, because its account answers again."""
        if self.view.missed:
            self.polled_at = self.retry_at = -math.inf

    def listed(self, job: Job) -> None:
        """Apply a row of the list.

        An end from an earlier run stays valid while the list shows the same one.
        """
        view = self.view
        if job.status != view.job.status:
            self.polled_at = -math.inf
            if view.from_history or not has_ended(job):
                self.mode = PollMode.ACTIVE
                self.answered = self.answered and not view.from_history
        if view.gone:
            self.polled_at = self.retry_at = -math.inf
        self.unseen, self.doubted, self.denied = 0, False, False
        status = view.status if self.answered else job.status
        from_history = view.from_history and self.mode is not PollMode.CLOSED
        shown = (view.job, view.status, view.gone, view.from_history)
        if (job, status, False, from_history) != shown:
            verdict = view.verdict if status == view.status else None
            view = replace(
                view,
                job=job,
                status=status,
                gone=False,
                ended=has_ended(job, status),
                verdict=verdict,
                from_history=from_history,
            )
            self.view = view if verdict is None else with_log(view, self._log)

    def unlisted(self) -> None:
        """Count a whole reading of the list that lacks the job.

        From the second one on, poll an ended job again, at growing intervals (readings 2, 4, 8, …).
        """
        self.unseen += 1
        repeated = self.unseen >= ABSENT_READINGS and self.unseen & (self.unseen - 1) == 0
        self.doubted = self.doubted or (repeated and not self.denied)
        self._leave_if_absent()

    @staticmethod
    def is_absence(error: ApiError) -> bool:
        """Return whether the API may give this answer for an absent job."""
        return isinstance(error, NotFound) or error.status in _ABSENT_STATUSES

    def _leave_if_absent(self) -> None:
        """Mark the job as gone if both the list and the progress answer lack it; its values stay.

        For a job that was deleted from here, either is enough.
        """
        lacking = self.unseen >= ABSENT_READINGS
        request = self._requests.request
        if request is not None and self._requests.open and request.action is Action.DELETE:
            lacking = lacking or (self.unseen > 0 and request.state is RequestState.SENT)
            absent = self.denied or lacking
        else:
            absent = self.denied and lacking
        if absent and not self.view.gone:
            self._requests.left()
            self.view = replace(self.view, gone=True, rate=None, forecast=None, reason="")
            self._update_request()

    def update(
        self,
        progress: Progress,
        now: Moment,
        *,
        interval: float,
        clock_jumped: bool = False,
        share: Share | None = None,
    ) -> bool:
        """Apply a progress answer; return whether the status changed.

        interval: seconds between rounds.
        clock_jumped: the time since the last sample is unknown.
        share: the job among those with which it shares a bandwidth; None if it shares none.
        """
        before, counts = self.view, counts_of(progress)
        status = progress.status or before.job.status
        changed = self.answered and status != before.status
        if _differ(self._created_at, progress.created_at):
            self.series.restart()
        self._created_at = progress.created_at or self._created_at
        self.series.add(
            counts,
            status,
            now,
            period=interval if status == "running" else interval * PAUSED_ROUNDS,
            created_at=job_time(self._created_at),
            clock_jumped=clock_jumped,
            share=share,
        )
        self.mode = self._mode_after(counts, status, now)
        if not self.answered or (counts, status) != (self._counts, before.status):
            self._changed_at = now.mono
        if before.as_of is not None and counts != self._counts:
            self._moved_at = now.mono
        self._counts = counts
        self.answered, self.failing_since, self.failures = True, None, 0
        self.denied = self.doubted = False
        self.retry_at = -math.inf
        self.confirmed = status
        self.view = self._updated_view(counts, status, now)
        if self.series.counted is not None:
            self.view = _with_counted(self.view, self.series.counted)
        self._requests.polled(status, ended=self.view.ended)
        self._update_request()
        return changed

    def _updated_view(self, counts: Counts, status: str | None, now: Moment) -> JobView:
        """Return the view after an answer that the series already contains."""
        before, estimate = self.view, self.series.estimate
        ended = has_ended(before.job, status)
        forecast = None if ended else self.series.forecast
        total = Total.GROWING if estimate.growing else Total.PROVISIONAL
        # The lifetime rate lasts from `createdAt` to the end, or to now.
        begun = job_time(self._created_at)
        end = job_time(before.job.finished_at) if ended else now.wall
        lifetime_rate = None
        if begun is not None and end is not None and counts.done is not None and end > begun:
            lifetime_rate = counts.done / (end - begun)
        view = replace(
            before,
            status=status,
            phase=Phase.ENDED if ended else estimate.phase,
            counts=counts,
            percent=percent_of(counts.done, counts.objects, finished=status == "completed"),
            total=Total.FINAL if ended or estimate.settled else total,
            rate=estimate.rate,
            lifetime_rate=lifetime_rate,
            plan_rate=estimate.plan_rate,
            transferred_rate=estimate.transferred_rate,
            skipped_rate=estimate.skipped_rate,
            failed_rate=estimate.failed_rate,
            growth=estimate.growth,
            forecast=forecast,
            if_resumed=None if ended else if_resumed(estimate, now, begun),
            status_since=_on_wall_clock(self.series.since, now),
            reason="" if ended else reason(estimate, forecast, stale=False),
            stalled_since=_on_wall_clock(estimate.stalled_since, now),
            stalled_badly=estimate.stalled_badly,
            target_growth=before.target_growth if estimate.stalled_since is not None else None,
            failing=None if ended else estimate.failures.as_failing(now.wall - now.mono),
            restarts=estimate.restarts,
            as_of=now.wall,
            moved_at=_on_wall_clock(self._moved_at, now),
            missed=0,
            stale=False,
            gone=False,
            ended=ended,
            problem=None,
            from_history=False,
            verdict=None,
            not_copied=None,
            listing_broke=False,
        )
        if ended or self._log is not None:
            view = with_log(view, self._log)
        odd = view.live and view.state is State.OTHER
        since = now.wall - (now.mono - self._changed_at)
        return replace(view, unchanged_since=since if odd else None)

    def seed(self, history: Sequence[Recorded], now: Moment) -> None:
        """Add samples from the history to the series, unless it has answers already."""
        self.series.seed(history, now, job_time(self._created_at))
        for earlier, later in pairwise(history):
            if earlier.counts != later.counts and later.at <= now.wall:
                self._moved_at = now.mono - (now.wall - later.at)
        if history and self.confirmed is None:
            self.confirmed = history[-1].status
        if self.view.from_history and self.view.live:
            estimate = self.series.estimate
            self.view = replace(
                self.view,
                total=Total.GROWING if estimate.growing else self.view.total,
                failing=estimate.failures.as_failing(now.wall - now.mono),
                if_resumed=if_resumed(estimate, now, job_time(self._created_at)),
                status_since=_on_wall_clock(self.series.since, now),
                stalled_since=_on_wall_clock(estimate.stalled_since, now),
            )

    def set_request(self, request: ActionRequest) -> None:
        """Attach an action request."""
        self._requests.begin(request, polling=self.under_way)
        self._update_request()

    def round_begins(self) -> None:
        """Drop a closed request that has been shown long enough."""
        self._requests.round_begins()
        self._update_request()

    def _update_request(self) -> None:
        """Show the request in the view."""
        if self.view.request is not self._requests.request:
            self.view = replace(self.view, request=self._requests.request)

    def set_counted(self, counted: Counted) -> None:
        """Set the total that a listing of the source found before the job was started."""
        if counted != self.series.counted:
            self.series.set_counted(counted)
            self.view = _with_counted(self.view, counted)

    def set_log_counts(self, log: LogCounts) -> None:
        """Set the job's log counts; update the verdict and the objects not copied."""
        self._log, before = log, self.view
        view = with_log(before, log)
        self.view = replace(view, verdict=view.verdict if before.verdict else None)

    def set_verification(self, result: Verification | None) -> None:
        """Set the job's verification."""
        if self.view.verification is not result:
            self.view = replace(self.view, verification=result)

    def note_rows(self, rows: Iterable[LogRow]) -> None:
        """Keep the newest of these rows, and the reasons of the newest failures of a live job."""
        rows = tuple(rows)
        newest = newest_rows((*self.view.newest_rows, *rows))
        if newest != self.view.newest_rows:
            self.view = replace(self.view, newest_rows=newest)
        if self.view.ended:
            return
        self._failures = self._failures or NewestFailures()
        self._failures.add(rows)
        reasons = self._failures.reasons()
        if reasons != self.view.newest_reasons:
            self.view = replace(self.view, newest_reasons=reasons)

    def note_target(self, size: BucketSize | None, *, shared: bool) -> None:
        """Compare a size of a stalled job's target with the first one measured in its stall.

        size: None if the API does not tell it; a size that is known already stays then.
        shared: other jobs that move copy into the same bucket.
        """
        view, since = self.view, self.view.stalled_since
        if since is None:
            return
        known = view.target_growth or TargetGrowth()
        if size is None:
            growth = known
        elif known.first is None or known.first.at < since:
            growth = TargetGrowth(size, size, shared)
        else:
            growth = TargetGrowth(known.first, size, known.shared or shared)
        self.view = replace(view, target_growth=growth)

    def needs_log(self, now: float) -> bool:
        """Return whether the job's log should be read now, because its verdict lacks it.

        That is so some time after the end, when no more rows are written. now: UTC seconds.
        """
        if self.mode is not PollMode.CLOSED or self.view.gone:
            return False
        counts = self.view.counts
        if not (counts.failed or counts.skipped):
            return False
        ended = end_of(self.view)
        read = self._log is not None and self._log.covers(ended)
        return not read and ended + STEADY_SECONDS <= now

    def to_store(self) -> StoredJob | None:
        """Return the job for the history; None if it has not changed since the last call."""
        closed = self.mode is PollMode.CLOSED
        state = StoredJob(self.view.account_id, self.view.job, None, closed, self.view.gone)
        if state == self._stored:
            return None
        self._stored = state
        return state

    def failed(self, error: ApiError, now: Moment, wait: float) -> None:
        """Apply a failed poll; the values stay. wait: seconds until the next try."""
        self.failing_since = now.mono if self.failing_since is None else self.failing_since
        self.retry_at = now.mono + wait
        self.failures += 1
        self.view = replace(self.view, problem=error)
        self.denied, self.doubted = self.is_absence(error), False
        self._leave_if_absent()
        self.missed()

    def missed(self) -> None:
        """Count a poll without an answer. An ended job never becomes stale.

        A stale job keeps its values, but has no forecast and is no longer shown as stalled or
        failing, because that is unknown.
        """
        if self.over or self.mode is not PollMode.ACTIVE:
            return
        view = self.view = replace(self.view, missed=self.view.missed + 1)
        if view.missed >= STALE_POLLS and not view.stale:
            self.view = replace(
                view,
                stale=True,
                forecast=None,
                if_resumed=None,
                reason="" if view.ended else reason(self.series.estimate, None, stale=True),
                phase=None if view.phase is Phase.STALLED else view.phase,
                stalled_since=None,
                stalled_badly=False,
                target_growth=None,
                failing=None,
            )

    def _mode_after(self, counts: Counts, status: str | None, now: Moment) -> PollMode:
        """Return how often to poll the job after an answer: no more if its counts are final.

        A completed job's answer is final; after another end, objects in flight still finish. An
        ended job with unknown counts is polled once a minute until they are known.
        """
        if not has_ended(self.view.job, status):
            self._steady_since = None
            return self.mode
        if counts.objects is None or counts.done is None:
            return PollMode.LAZY
        if status == "completed":
            return PollMode.CLOSED
        if self._steady_since is None or counts != self._counts:
            self._steady_since = now.mono
        steady = now.mono - self._steady_since >= STEADY_SECONDS
        return PollMode.CLOSED if steady else self.mode


def _with_counted(view: JobView, counted: Counted) -> JobView:
    """Return the view with a counted total, which holds until the job ends or has passed it.

    The total is final then, although the job may still be listing its source.
    """
    view = replace(view, counted=counted, found=None)
    if view.ended or view.as_of is None or not counted.holds(view.counts):
        return view
    counts = replace(view.counts, objects=counted.objects)
    return replace(
        view,
        counts=counts,
        found=view.counts.objects,
        percent=percent_of(counts.done, counts.objects, finished=False),
        total=Total.FINAL,
        phase=Phase.SETTLED if view.phase in (Phase.RUNNING, Phase.LISTING) else view.phase,
    )


def _on_wall_clock(at: float | None, now: Moment) -> float | None:
    """Convert monotonic seconds to UTC seconds."""
    return None if at is None else now.wall - (now.mono - at)


def _differ(before: str | None, after: str | None) -> bool:
    """Return whether two times differ, not only in notation; False if either is None."""
    if before is None or after is None:
        return False
    return (job_time(before) or before) != (job_time(after) or after)
