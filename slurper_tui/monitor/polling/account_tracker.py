"""Reading a job list that is longer than one page, page by page and again and again.

One account as the monitor follows it: its list, its jobs, and whether it answers at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, BadAnswer
from slurper_tui.api.models import PAGE_SIZE, Job
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import AccountView, Outage, Problem
from slurper_tui.monitor.polling.job_tracker import STALE_POLLS, JobTrack

MOST_PAGES = 400
"""20,000 jobs: far past any account, and an end to a list that has none."""

CHECK_READINGS = 6
"""Every so many readings the end of the list is verified again, even when nothing has changed."""

SKIP_FAILURES = 3
"""A page that failed so many times in a row is left out, and the next one is read."""

LIST_SHARE = 0.1
"""At most this part of the time is spent waiting for pages of the list."""

BYTES_PER_SECOND = 100_000
"""The list takes no more than this on average, once it has been read."""

LONGEST_PAUSE = 900.0
"""Seconds between two pages, however large they are."""


class Listing:
    """The state of reading one account's list.

    hurried: pages follow one another without a pause, at the start and on request. complete: the
    whole list was read at least once. over: a first reading has ended, even one with pages missing.
    pages: how many answers came. wanted: something changed, so the first page, where new jobs are,
    is read soon and in addition to the turn. offset: the row where the turn stands. extra: the
    request under way is in addition to the turn, and does not count for asked_at. read_at: when any
    page was last asked for. verifying: the last page was short, and the next one is to show whether
    the list ends there. pause: seconds from one page to the next that its size and its time demand.
    asked_at, read_at, retry_at, failing_since: monotonic seconds.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.extra = False
        self.hurried = True
        self.complete = False
        self.over = False
        self.pages = 0
        self.wanted = False
        self.under_way = False
        self.verifying = False
        self.pause = 0.0
        self.asked_at = -math.inf
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
        """No further page of a first reading is about to bring other jobs."""
        return self.complete or self.problem is not None

    @property
    def read(self) -> bool:
        """The rows of the first reading are known, or only the proof of its end is missing."""
        return self.over or self.verifying

    @property
    def pressing(self) -> bool:
        """The page before was short and named new jobs: there may be more right behind it."""
        return self.verifying and not self._seen <= self._verified

    def restart(self) -> None:
        """Read the whole list from its beginning, in a hurry."""
        self._begin_again()
        self.hurried = True

    def _begin_again(self) -> None:
        self.offset, self._seen, self._step = 0, set(), PAGE_SIZE
        self._holes, self._skipping, self._nameless, self.verifying = 0, False, False, False

    @property
    def asking(self) -> int:
        """The offset that the request under way asks for."""
        return 0 if self.extra else self.offset

    def begin(self, now: float) -> None:
        """A request is about to go out."""
        self.read_at = now
        self.extra = self.wanted and not self.hurried and self.offset > 0
        self.asked_at = self.asked_at if self.extra else now
        self.under_way, self.wanted = True, False

    def cost(self, seconds: float, size: int) -> None:
        """Pace the list by what its last page cost: seconds of waiting and bytes."""
        wanted = max(seconds / LIST_SHARE, size / BYTES_PER_SECOND)
        self.pause = min(wanted, LONGEST_PAUSE)

    def landed(self, page: Sequence[Job], total: int | None = None) -> frozenset[str] | None:
        """Take in one page; return the ids of the whole list when this page completed it.

        total: how many rows the server says there are. Pages may be shorter than asked for, so the
        list ends with an empty page, with one that brings nothing new (a server that ignores the
        offset has no other end), or with a short one where `total` is reached or which was
        followed by an empty page in an earlier reading. None too where a reading ended but proves
        nothing: pages failed, rows are missing or have no id, or there are more than are read.
        """
        self.pages += 1
        self._answered()
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
        total = None if total is not None and total < rows else total  # it is told wrongly
        unverified = bool(fresh) and short and total is None
        bounded = rows >= MOST_PAGES * PAGE_SIZE
        if fresh and not bounded and not (short and self._ends_here(rows, total)):
            self.offset, self._step, self.verifying = rows, len(page), short
            self._skipping = False
            return None
        self._unchecked = self._unchecked + 1 if unverified else 0
        return self._end(proves=not bounded and (total is None or rows >= total))

    def _answered(self) -> None:
        self.failures, self.failing_since, self.retry_at = 0, None, -math.inf
        self._tries = 0
        if self.asking == self._failed_at:
            self.problem = None

    def _ends_here(self, rows: int, total: int | None) -> bool:
        """Whether a short page is the last one: `total` says so, or an earlier reading did."""
        if total is not None:
            return rows >= total
        return self._seen == self._verified and self._unchecked < CHECK_READINGS

    def _end(self, *, proves: bool) -> frozenset[str] | None:
        """End a reading; return its ids where they prove what is not in the list."""
        whole, holes, nameless = frozenset(self._seen), self._holes, self._nameless
        self._verified = frozenset() if holes else whole
        self._begin_again()
        self.hurried, self.over = False, True
        if holes:
            return None
        self.complete, self.problem = True, None
        return whole if proves and not nameless else None

    def failed(self, error: ApiError, now: Moment, wait: float) -> None:
        """A page could not be read. wait: seconds until the next try, infinite for none.

        A page that the server fails to give does not hold up the pages after it: it is left out
        after `SKIP_FAILURES`, or at once where nothing is tried again, and the reading proves
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
        self.wanted, self.extra = self.wanted or self.extra, False

    def _leave_out(self, error: ApiError, now: float, *, once: bool) -> None:
        """Go on behind a page that the server fails to give. once: nothing is tried again."""
        self._tries += 1
        if not isinstance(error, BadAnswer):
            if once and self.offset:
                self._holes += 1
                self._end(proves=False)
        elif once or self._tries >= SKIP_FAILURES:
            self._skip()
            self.retry_at = now if once and not self.over else self.retry_at

    def _skip(self) -> None:
        """Leave a page out; the second in a row ends the reading."""
        self._holes += 1
        if self._skipping:
            self._end(proves=False)
            return
        self._skipping, self._tries = True, 0
        self.offset += self._step


FAILING_AFTER = 3
"""So many failures without a success between them, and the account as a whole is failing."""


class AccountTrack:
    """Mutable, and private to the monitor; everyone else sees its `view`.

    failures: in a row, without a success between them. misses: polls of the account as a whole
    that brought nothing. retry_at: monotonic seconds. lazy_turn: up to which of its ended jobs it
    was seen whether they are to be asked.
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
        self._answered = False
        self._last_good: Moment | None = None
        self._done_before: dict[str, int] = {}
        self._recovered: tuple[Problem, Moment] | None = None
        self._outage: Outage | None = None

    @property
    def view(self) -> AccountView:
        """The account as others see it."""
        return AccountView(
            account_id=self.account_id,
            listed=self.listing.complete,
            answered=self._answered,
            pages=self.listing.pages,
            problem=self.problem or self._listing_problem,
            outage=self._outage,
        )

    @property
    def _listing_problem(self) -> Problem | None:
        """The list alone cannot be read; the account's jobs do answer."""
        problem, good = self.listing.problem, self._last_good
        return replace(problem, last_good=good.wall) if problem and good else problem

    @property
    def complete(self) -> bool:
        """Nothing is left that was never tried."""
        if self.problem or (self.listing.problem and self.listing.problem.retry_at is not None):
            return True
        return self.listing.over and all(t.tried or t.view.gone for t in self.jobs.values())

    def begin(self, track: JobTrack | None, now: float, *, probe: bool) -> None:
        """A request is under way, for a job or for the next page of the list."""
        if track is None:
            self.listing.begin(now)
        else:
            track.under_way, track.wanted, track.asked_at = True, False, now
        self.under_way += 1
        self.probes += probe

    def sent(self, track: JobTrack | None, now: float) -> None:
        """The request leaves the queue and goes out."""
        if track is not None:
            track.sent_at = now

    def end(self, track: JobTrack | None, *, unasked: bool = False) -> None:
        """The request is back. unasked: it never got its answer and is due at once."""
        asked = self.listing if track is None else track
        asked.under_way = False
        if track is not None:
            track.sent_at = math.inf
        if unasked:
            asked.asked_at = -math.inf
        self.under_way -= 1

    def probe_soon(self, now: float) -> None:
        """The person wants to know whether it answers again: try within a second."""
        self.retry_at = min(self.retry_at, now + 1.0)

    def ask_now(self, now: float) -> None:
        """The person wants to know everything: the list, and every job that may move."""
        self.listing.restart()
        self.probe_soon(now)
        for track in self.jobs.values():
            if not track.closed:
                track.ask_now()

    def succeeded(self, now: Moment) -> None:
        """Something of this account answered."""
        if self.problem is not None:
            if self.misses >= STALE_POLLS:
                self._recovered = (self.problem, now)
            self.problem, self.retry_at = None, -math.inf
            self.listing.wanted, self.listing.retry_at = True, -math.inf
            for track in self.jobs.values():
                track.catch_up()
        self.failures = self.misses = 0
        self._answered, self._last_good = True, now

    def failed(self, error: ApiError, now: Moment, since: float, wait: float, probe: bool) -> None:
        """Something of this account failed; decide whether the account as a whole does.

        since: when that very thing was asked, or began to fail, monotonic seconds. What fails
        while others answer is in trouble of its own, and what was under way when the account
        began to fail adds nothing. wait: seconds until the next probe.
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
        )

    def everyone_missed(self, asked: JobTrack | None, *, just_begun: bool) -> None:
        """A probe of a failing account failed: for its jobs, that was one more poll missed.

        just_begun: this failure is what made the account one that fails, so jobs that failed in
        the same round have counted it already.
        """
        for track in self.jobs.values():
            if track is not asked and not (just_begun and track.failing_since is not None):
                track.missed()

    def round_begins(self, now: float, interval: float, *, blocked: bool) -> None:
        """Count a poll as missed that cannot be made: all polling stops, or the last one hangs."""
        for track in self.jobs.values():
            if track.rests:
                continue
            track.round_begins()
            if blocked or track.sent_at < now - interval / 2:
                track.missed()

    def round_is_over(self, begun: Moment) -> None:
        """Tell the news of an outage, once a whole round has been answered after it."""
        if self._recovered is None or self.problem or begun.mono < self._recovered[1].mono:
            return
        problem, back = self._recovered
        now = self._done()
        moved = [max(0, now[job] - done) for job, done in self._done_before.items() if job in now]
        since = problem.last_good or problem.since
        self._outage = Outage(since, back.wall, sum(moved) if moved else None)
        self._recovered = None

    def drop_missing(self, listed: frozenset[str]) -> list[JobTrack]:
        """Tell the jobs that a whole reading of the list did not name, and return them."""
        missing = [track for job_id, track in self.jobs.items() if job_id not in listed]
        for track in missing:
            track.unlisted()
        return missing

    def _done(self) -> dict[str, int]:
        views = ((job_id, track.view) for job_id, track in self.jobs.items())
        return {job_id: v.counts.done for job_id, v in views if v.counts.done is not None}
