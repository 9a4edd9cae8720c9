"""What an answer, or the lack of one, changes in the tracks."""

from __future__ import annotations

import logging
import math
import random

from slurper_tui.api.errors import ApiError, Conflict, NotFound, RateLimited, Refused, Rejected
from slurper_tui.api.models import Job, Progress
from slurper_tui.monitor.account_track import AccountTrack
from slurper_tui.monitor.backoff import backoff
from slurper_tui.monitor.budget import Budget
from slurper_tui.monitor.job_track import JobTrack
from slurper_tui.monitor.moment import Moment
from slurper_tui.monitor.view import JobKey

_JUMP_SECONDS = 5.0
"""The two clocks drifting apart by more than this between answers is a sleep or a jump."""

_ABOUT_THE_JOB = (NotFound, Conflict, Refused)
"""The API is well and says no to this one job."""

_log = logging.getLogger("slurper_tui.monitor")
# Without a handler, logging would write warnings to stderr: on the screen, that is.
_log.addHandler(logging.NullHandler())


class Landing:
    """Applies answers. `only` and `prefixes` say which jobs are followed at all."""

    def __init__(
        self, budget: Budget, prefixes: tuple[str, ...], rng: random.Random, *, eager: bool
    ) -> None:
        self.only: frozenset[JobKey] | None = None
        self.blocked_by: ApiError | None = None
        self._budget = budget
        self._prefixes = prefixes
        self._rng = rng
        self._eager = eager
        self._skew: float | None = None
        self._gaps = 0

    def page(self, account: AccountTrack, jobs: tuple[Job, ...], now: Moment) -> None:
        """Take in a page of an account's list."""
        account.succeeded(now)
        for job in jobs:
            if not job.id:
                _log.warning("account %s: a listed job has no id", account.account_id)
            elif job.id in account.jobs:
                account.jobs[job.id].listed(job)
            elif self._follows(account.account_id, job.id):
                account.jobs[job.id] = JobTrack(account.account_id, job)
        whole = account.listing.landed(jobs)
        if whole is not None:
            account.drop_missing(whole)

    def progress(
        self, account: AccountTrack, track: JobTrack, progress: Progress, now: Moment
    ) -> None:
        """Take in how a job is doing; a change of status is a reason to read the list."""
        account.succeeded(now)
        self._watch_clocks(now)
        after_gap, track.gaps = track.gaps != self._gaps, self._gaps
        if track.told(progress, now, after_gap):
            _log.info("job %s: now %s", track.job_id, track.view.status)
            account.listing.want()

    def failed(
        self,
        account: AccountTrack,
        track: JobTrack | None,
        error: ApiError,
        now: Moment,
        interval: float,
    ) -> None:
        """Take in a failure: of one job, of the list, of the account, or of the whole budget."""
        if isinstance(error, RateLimited):
            self._block(error, now)
            return
        failing = account.problem is not None
        if track is None:
            self._list_failed(account, error, now, interval)
        else:
            self._job_failed(account, track, error, now, interval)
        if account.problem is not None:
            account.everyone_missed(track, just_begun=not failing)

    def _list_failed(
        self, account: AccountTrack, error: ApiError, now: Moment, interval: float
    ) -> None:
        listing = account.listing
        since = listing.asked_at if listing.failing_since is None else listing.failing_since
        listing.failed(error, now, self._wait(listing.failures + 1, interval))
        self._account_failed(account, error, now, since, interval)

    def _job_failed(
        self,
        account: AccountTrack,
        track: JobTrack,
        error: ApiError,
        now: Moment,
        interval: float,
    ) -> None:
        since = track.asked_at if track.failing_since is None else track.failing_since
        wait = self._wait(track.view.missed + 1, interval)
        track.failed(error, now, now.mono + wait)
        if isinstance(error, _ABOUT_THE_JOB):
            account.succeeded(now)
        elif not self._eager or isinstance(error, Rejected):
            self._account_failed(account, error, now, since, interval)
        if isinstance(error, NotFound):
            account.listing.want()

    def _account_failed(
        self, account: AccountTrack, error: ApiError, now: Moment, since: float, interval: float
    ) -> None:
        before = account.problem
        account.failed(error, now, since, self._wait(account.failures + 1, interval))
        if account.problem is not None and account.problem is not before:
            _log.warning(
                "account %s fails: %s; next try in %.1f s",
                account.account_id,
                error,
                account.retry_at - now.mono,
            )

    def _block(self, error: RateLimited, now: Moment) -> None:
        self._budget.block(now.mono, error.retry_after)
        self.blocked_by = error
        wait = self._budget.blocked_until - now.mono
        _log.warning("rate limited: nothing is sent for %.0f s: %s", wait, error)

    def _wait(self, failures: int, interval: float) -> float:
        return math.inf if self._eager else backoff(failures, interval, self._rng)

    def _follows(self, account_id: str, job_id: str) -> bool:
        if self.only is not None:
            return JobKey(account_id, job_id) in self.only
        return not self._prefixes or job_id.startswith(self._prefixes)

    def _watch_clocks(self, now: Moment) -> None:
        """Notice that the machine slept, or that its clock was set."""
        skew = now.wall - now.mono
        if self._skew is not None and abs(skew - self._skew) > _JUMP_SECONDS:
            self._gaps += 1
            _log.info("the clocks moved apart by %.0f s", skew - self._skew)
        self._skew = skew
