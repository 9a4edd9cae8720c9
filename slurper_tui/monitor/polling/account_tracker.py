"""The state of one followed account: the reading of its job list, its jobs, and its outages.

`Listing` reads a list that is longer than one page, page by page and repeatedly. `AccountTrack`
decides whether the account as a whole fails. Both are mutable and private to the monitor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, BadAnswer
from slurper_tui.api.models import PAGE_SIZE, Job
from slurper_tui.monitor.estimate.sharing import Share, Sharing, marked
from slurper_tui.monitor.model.base import MOST_PAGES, Moment
from slurper_tui.monitor.model.job import AccountView, PastOutage, Problem
from slurper_tui.monitor.polling.job_tracker import STALE_POLLS, JobTrack, PollMode

if TYPE_CHECKING:
    from array import array

    from slurper_tui.monitor.estimate.record import Record

CHECK_READINGS = 6
"""The end of an unchanged list is verified again after this many readings."""

SKIP_FAILURES = 3
"""A page that failed this many times in a row is skipped."""

LIST_SHARE = 0.1
"""At most this share of the time is spent waiting for list pages."""

BYTES_PER_SECOND = 100_000
"""Average limit for reading the list, once it has been read."""

LONGEST_PAUSE = 900.0
"""Most seconds between two pages, however large they are."""


class Listing:
    """The state of reading one account's list.

    Pages are read in turn, from the first to the last and again. All times are monotonic seconds.

    offset: the row where the next page of the turn begins.
    extra: the request under way reads the first page outside the turn; `polled_at` ignores it.
    hurried: read pages without a pause; at the start and on request.
    complete: the whole list was read at least once.
    over: the first reading has ended, even with missing pages.
    proven: no row was missing or nameless in the last reading, as far as the API tells.
    pages: number of pages received.
    urgent: something changed, so the first page, which shows new jobs, is read soon.
    verifying: the last page was short; the next one shows whether the list ends there.
    pause: least seconds between two pages, from the size and duration of the last one.
    polled_at: when a page of the turn was last requested.
    read_at: when any page was last requested.
    retry_at: no request before this time.
    failing_since: None if the last answer was good.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.extra = False
        self.hurried = True
        self.complete = False
        self.over = False
        self.proven = False
        self.pages = 0
        self.urgent = False
        self.under_way = False
        self.verifying = False
        self.pause = 0.0
        self.polled_at = -math.inf
        self.read_at = -math.inf
        self.retry_at = -math.inf
        self.failing_since: float | None = None
        self.failures = 0
        self.problem: Problem | None = None
        self._seen: set[str] = set()
        self._step = PAGE_SIZE
        self._failed_at = 0
        self._tries = 0
        self._holes = 0
        self._skipping = False
        self._nameless = False
        self._verified: frozenset[str] = frozenset()
        self._unchecked = 0

    @property
    def settled(self) -> bool:
        """Whether no further page of a first reading will add jobs soon."""
        return self.complete or self.problem is not None

    @property
    def read(self) -> bool:
        """Whether the rows of the first reading are known; the proof of its end may be missing."""
        return self.over or self.verifying

    @property
    def pressing(self) -> bool:
        """Whether the last page was short and had new jobs: more may follow right behind it."""
        return self.verifying and not self._seen <= self._verified

    def restart(self) -> None:
        """Read the whole list from its beginning without pauses."""
        self._begin_again()
        self.hurried = True

    def _begin_again(self) -> None:
        self.offset, self._seen, self._step = 0, set(), PAGE_SIZE
        self._holes, self._skipping, self._nameless, self.verifying = 0, False, False, False

    @property
    def asking(self) -> int:
        """The offset of the request under way."""
        return 0 if self.extra else self.offset

    def begin(self, now: float) -> None:
        """Record that a request is about to be sent. now: monotonic seconds."""
        self.read_at = now
        self.extra = self.urgent and not self.hurried and self.offset > 0
        self.polled_at = self.polled_at if self.extra else now
        self.under_way, self.urgent = True, False

    def cost(self, seconds: float, size: int) -> None:
        """Set the pause from the last page. seconds: how long the answer took. size: bytes."""
        pause = max(seconds / LIST_SHARE, size / BYTES_PER_SECOND)
        self.pause = min(pause, LONGEST_PAUSE)

    def apply_page(self, page: Sequence[Job], total: int | None = None) -> frozenset[str] | None:
        """Apply a page; return the ids of the whole list if this page completed it, else None.

        total: number of rows according to the server.

        Pages may be shorter than requested, so the list ends with an empty page, with a page
        without new jobs (a server that ignores the offset has no other end), or with a short page
        if `total` is reached or an empty page followed it in an earlier reading.

        Also None if a reading ended but proves nothing: pages failed, rows are missing or have no
        id, or the list is longer than `MOST_PAGES`.
        """
        self.pages += 1
        self.failures, self.failing_since, self.retry_at = 0, None, -math.inf
        self._tries = 0
        if self.asking == self._failed_at:
            self.problem = None
        ids = {job.id for job in page if job.id}
        self._nameless = self._nameless or any(not job.id for job in page)
        if self.extra:
            self.extra = False
            self._seen |= ids
            return None
        fresh = ids - self._seen
        self._seen |= ids
        rows = self.offset + (len(page) if fresh else 0)
        short = len(page) < PAGE_SIZE
        total = None if total is not None and total < rows else total  # the server's total is wrong
        unverified = bool(fresh) and short and total is None
        bounded = rows >= MOST_PAGES * PAGE_SIZE
        if total is not None:
            ends = rows >= total
        else:
            ends = self._seen == self._verified and self._unchecked < CHECK_READINGS
        if fresh and not bounded and not (short and ends):
            self.offset, self._step, self.verifying = rows, len(page), short
            self._skipping = False
            return None
        self._unchecked = self._unchecked + 1 if unverified else 0
        return self._end(proves=not bounded and (total is None or rows >= total))

    def _end(self, *, proves: bool) -> frozenset[str] | None:
        """End a reading; return its ids if they prove that other jobs are not in the list."""
        whole, holes, nameless = frozenset(self._seen), self._holes, self._nameless
        self._verified = frozenset() if holes else whole
        self._begin_again()
        self.hurried, self.over = False, True
        self.proven = proves and not holes and not nameless
        if holes:
            return None
        self.complete, self.problem = True, None
        return whole if self.proven else None

    def failed(self, error: ApiError, now: Moment, wait: float) -> None:
        """Apply a failed request. wait: seconds until the next try; infinite for none.

        A page that the server fails to return does not block the pages after it: it is skipped
        after `SKIP_FAILURES` failures, or at once if there are no retries, and the reading proves
        nothing. Two such pages in a row end the reading.
        """
        self.failing_since = now.mono if self.failing_since is None else self.failing_since
        self.failures += 1
        self._failed_at = self.asking
        self.retry_at = now.mono + wait
        since = self.problem.since if self.problem else now.wall
        self.problem = Problem(error, since, retry_at=None if math.isinf(wait) else now.wall + wait)
        if not self.extra:
            self._leave_out(error, now.mono, once=math.isinf(wait))
        self.urgent, self.extra = self.urgent or self.extra, False

    def _leave_out(self, error: ApiError, now: float, *, once: bool) -> None:
        """Skip a page that the server fails to return. once: there are no retries."""
        self._tries += 1
        if not isinstance(error, BadAnswer):
            if once and self.offset:
                self._holes += 1
                self._end(proves=False)
        elif once or self._tries >= SKIP_FAILURES:
            self._holes += 1
            if self._skipping:  # the page before was skipped too
                self._end(proves=False)
            else:
                self._skipping, self._tries = True, 0
                self.offset += self._step
            self.retry_at = now if once and not self.over else self.retry_at


FAILING_AFTER = 3
"""Failures in a row after which the account as a whole counts as failing."""


Buckets = tuple[str | None, str | None]
"""The source and the target bucket of a job."""


def buckets_of(job: Job) -> Buckets:
    """Return the buckets that the jobs of a migration have in common."""
    source, target = job.source, job.target
    return (source.bucket if source else None), (target.bucket if target else None)


class AccountTrack:
    """The mutable state of a followed account; private to the monitor, others see its `view`.

    problem: why the account as a whole fails; None if it answers.
    retry_at: when a failing account is probed next, in monotonic seconds.
    lazy_turn: the position in the list of ended jobs where the next pass begins.
    failures: failures in a row.
    misses: polls in a row that failed for the account as a whole.
    errors: of the forecasts of the last job that ended, for each source and target bucket.
    """

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.listing = Listing()
        self.jobs: dict[str, JobTrack] = {}
        self.problem: Problem | None = None
        self.retry_at = -math.inf
        self.under_way = 0
        self.probes = 0
        self.lazy_turn = 0
        self.failures = 0
        self.misses = 0
        self.errors: dict[Buckets, array[float]] = {}
        self._sharing = Sharing()
        self._last_good: Moment | None = None
        self._done_before: dict[str, int] = {}
        self._recovered: tuple[Problem, Moment] | None = None
        self._past_outage: PastOutage | None = None

    @property
    def view(self) -> AccountView:
        """The frozen view of the account."""
        listing = self.listing
        problem = self.problem or listing.problem
        if self.problem is None and problem is not None and self._last_good is not None:
            problem = replace(problem, last_good=self._last_good.wall)  # the jobs answer
        return AccountView(
            account_id=self.account_id,
            listed=listing.complete,
            answered=self._last_good is not None,
            pages=listing.pages,
            problem=problem,
            past_outage=self._past_outage,
            proven=listing.proven,
            last_good=self._last_good.wall if self._last_good else None,
        )

    @property
    def complete(self) -> bool:
        """Whether everything was tried at least once, or the account fails."""
        if self.problem or (self.listing.problem and self.listing.problem.retry_at is not None):
            return True
        return self.listing.over and all(t.tried or t.view.gone for t in self.jobs.values())

    def begin(self, track: JobTrack | None, now: float, *, probe: bool) -> None:
        """Mark a job, or the next page of the list, as under way. now: monotonic seconds."""
        if track is None:
            self.listing.begin(now)
        else:
            track.under_way, track.urgent, track.polled_at = True, False, now
        self.under_way += 1
        self.probes += probe

    def end(self, track: JobTrack | None, *, unasked: bool = False) -> None:
        """Record that the request has ended. unasked: it got no answer and is due again at once."""
        asked = self.listing if track is None else track
        asked.under_way = False
        if track is not None:
            track.sent_at = math.inf
        if unasked:
            asked.polled_at = -math.inf
        self.under_way -= 1

    def probe_soon(self, now: float) -> None:
        """Probe the account within a second. now: monotonic seconds."""
        self.retry_at = min(self.retry_at, now + 1.0)

    def poll_now(self, now: float) -> None:
        """Read the list and poll every job that may still change, now."""
        self.listing.restart()
        self.probe_soon(now)
        for track in self.jobs.values():
            if track.mode is not PollMode.CLOSED:
                track.poll_now()

    def succeeded(self, now: Moment) -> None:
        """Apply a success: end the outage, if any, and poll what was missed."""
        if self.problem is not None:
            if self.misses >= STALE_POLLS:
                self._recovered = (self.problem, now)
            self.problem, self.retry_at = None, -math.inf
            self.listing.urgent, self.listing.retry_at = True, -math.inf
            for track in self.jobs.values():
                track.catch_up()
        self.failures = self.misses = 0
        self._last_good = now

    def failed(self, error: ApiError, now: Moment, since: float, wait: float, probe: bool) -> None:
        """Apply a failure and decide whether the account as a whole fails.

        since: when the failing request was queued, or when it began to fail, in monotonic seconds.
            If anything else answered later, only that request has a problem.
        wait: seconds until the next probe; infinite for none.
        probe: whether the request was a probe; while the account fails, other failures are ignored,
            because they were sent before.
        """
        good = self._last_good
        if self.problem is None:
            if good is not None and good.mono > since:
                return
            self.failures += 1
            if self.under_way and self.failures < FAILING_AFTER:
                return
            self._done_before = self._done()
        elif not probe:
            return
        self.misses += 1
        self.retry_at = now.mono + wait
        self.problem = Problem(
            error,
            since=self.problem.since if self.problem else now.wall,
            retry_at=None if math.isinf(wait) else now.wall + wait,
            last_good=good.wall if good else None,
            lasting=self.misses >= STALE_POLLS,
        )

    def everyone_missed(self, asked: JobTrack | None, *, just_begun: bool) -> None:
        """Count a missed poll for all jobs of a failing account, except the polled one.

        just_begun: the account has failed only since this error, so jobs that failed in the same
            round have counted it already.
        """
        for track in self.jobs.values():
            if track is not asked and not (just_begun and track.failing_since is not None):
                track.missed()

    def round_begins(self, now: float, interval: float, *, blocked: bool) -> None:
        """Count a missed poll for jobs that cannot be polled or have not answered.

        Also compare the rates of the jobs that run.

        now: monotonic seconds.
        interval: seconds between rounds.
        blocked: the request budget is blocked.
        """
        jobs = dict[str, tuple[float, int]]()
        for job_id, track in self.jobs.items():
            if track.rests:
                continue
            estimate = track.series.estimate
            if estimate.running and estimate.last is not None and not track.view.stale:
                jobs[job_id] = estimate.last.at, estimate.last.counts.done or 0
            track.round_begins()
            if blocked or track.sent_at < now - interval / 2:
                track.missed()
        self._sharing = marked(self._sharing, jobs, now)

    def learn_from(self, job: Job, record: Record) -> None:
        """Keep the errors of the forecasts of a job that has ended, for the jobs after it."""
        if any(record.sums):
            self.errors[buckets_of(job)] = record.sums

    def share_of(self, job_id: str) -> Share | None:
        """Return a job among those with which it shares a bandwidth; None if it shares none."""
        if not self._sharing.shared:
            return None
        others = {
            other: None if track.series.estimate.growing else track.view.counts.remaining
            for other, track in self.jobs.items()
            if other != job_id and track.series.estimate.running and not track.over
        }
        return Share(self._sharing, job_id, others)

    def round_is_over(self, begun: Moment) -> None:
        """Set the view's past outage after the first whole round that began after the recovery."""
        if self._recovered is None or self.problem or begun.mono < self._recovered[1].mono:
            return
        problem, back = self._recovered
        now = self._done()
        moved = [max(0, now[job] - done) for job, done in self._done_before.items() if job in now]
        since = problem.last_good or problem.since
        self._past_outage = PastOutage(since, back.wall, sum(moved) if moved else None)
        self._recovered = None

    def _done(self) -> dict[str, int]:
        views = ((job_id, track.view) for job_id, track in self.jobs.items())
        return {job_id: v.counts.done for job_id, v in views if v.counts.done is not None}
