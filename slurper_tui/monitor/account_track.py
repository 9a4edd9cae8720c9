"""One account as the monitor follows it: its list, its jobs, and whether it answers at all."""

from __future__ import annotations

import math

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.job_track import STALE_POLLS, JobTrack
from slurper_tui.monitor.listing import Listing
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import AccountView, Outage, Problem

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
