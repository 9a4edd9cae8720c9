"""The jobs and accounts that are followed, and how answers change them.

`AnswerApplier` applies list pages, progress answers and errors to the tracks and collects new data
for the history. `JobStore` finds tracks by key and receives requests, log counts, retry links and
plans from the services.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.errors import (
    ApiError,
    BadAddress,
    BadAnswer,
    Conflict,
    NotFound,
    Refused,
    Rejected,
)
from slurper_tui.api.models import Job, Progress
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.events import (
    ActionRequest,
    Event,
    RetryLink,
    back_event,
    calm_event,
    failing_event,
    gone_event,
    status_event,
)
from slurper_tui.monitor.model.plans import Plan, counted_jobs, unstarted
from slurper_tui.monitor.model.selection import Selection, fits
from slurper_tui.monitor.polling.account_tracker import AccountTrack, buckets_of
from slurper_tui.monitor.polling.budget import backoff
from slurper_tui.monitor.polling.job_tracker import JobTrack

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import Counted, JobView, Unstarted
    from slurper_tui.monitor.model.logs import LogCounts
    from slurper_tui.monitor.model.samples import Recorded, StoredJob
    from slurper_tui.monitor.model.verification import Verification
    from slurper_tui.monitor.polling.scheduler import Poll


_JUMP_SECONDS = 5.0
"""If the wall clock and the monotonic clock drift apart by more between two answers, the machine
slept or a clock was set."""

_ABOUT_THE_JOB = (NotFound, Conflict, Refused)
"""Errors that concern only this job: the account itself answers."""

_log = logging.getLogger("slurper_tui.monitor")
# Without a handler, logging would write warnings to stderr, which is the screen.
_log.addHandler(logging.NullHandler())


class Unsaved(NamedTuple):
    """New data that the history has not stored yet."""

    jobs: list[StoredJob]
    samples: list[tuple[JobKey, Recorded]]
    events: list[Event]


class AnswerApplier:
    """Applies list pages, progress answers and errors to the accounts' and jobs' tracks.

    selection: names of the jobs to follow. only: the jobs that the names mean, once that is known;
        then only they are followed, and later jobs of a named migration.
    unlisted: samples from the history of jobs that have not been listed yet.
    ends: jobs that ended for good according to the history; not polled while the list agrees.
    needs: whether a job's counts are needed.
    """

    def __init__(
        self,
        selection: Selection,
        rng: random.Random,
        *,
        eager: bool,
        needs: Callable[[JobView], bool] = lambda view: True,
    ) -> None:
        self.only: frozenset[JobKey] | None = None
        self.unlisted: dict[JobKey, tuple[Recorded, ...]] = {}
        self.ends: dict[JobKey, StoredJob] = {}
        self.unsaved = Unsaved([], [], [])
        self._selection = selection
        self._rng = rng
        self._eager = eager
        self._needs = needs
        self._skew: float | None = None
        self._gaps = 0

    def apply_page(
        self, account: AccountTrack, jobs: tuple[Job, ...], now: Moment, total: int | None = None
    ) -> None:
        """Apply a page of an account's list. total: rows on all pages; None if unknown."""
        account.succeeded(now)
        for job in jobs:
            if job.id:
                self._listed(account, job, job.id, now)
            else:
                _log.warning("account %s: a listed job has no id", account.account_id)
        whole = account.listing.apply_page(jobs, total)
        if whole is not None:
            for job_id, track in account.jobs.items():
                if job_id not in whole:
                    before = track.view
                    track.unlisted()
                    self._watch_leaving(track, before, now)
        self._poll_by_id(account)

    def lose_time(self) -> None:
        """Treat the time before every job's next sample as a gap of unknown length."""
        self._gaps += 1

    def _poll_by_id(self, account: AccountTrack) -> None:
        """Poll the requested ids as complete job ids if the list could not be read whole."""
        if not (self._eager and account.listing.over and account.listing.problem):
            return
        for job_id in self._selection.jobs:
            listed = any(fits(job_id, track.view.job) for track in account.jobs.values())
            if not listed and "/" not in job_id:
                track = account.jobs[job_id] = JobTrack(account.account_id, Job(id=job_id))
                track.unlisted_id = True

    def _listed(self, account: AccountTrack, job: Job, job_id: str, now: Moment) -> None:
        """Apply a row of the list; a new job starts with its samples from the history."""
        track = account.jobs.get(job_id)
        if track is None:
            if not self.follows(account.account_id, job):
                return
            ended = self.ends.get(JobKey(account.account_id, job_id))
            if ended is not None and _end(ended.job) == _end(job):
                track = JobTrack.from_history(ended)
                track.listed(job)
            else:
                track = JobTrack(account.account_id, job)
            account.jobs[job_id] = track
            track.unneeded = not self._needs(track.view)
            track.seed(self.unlisted.pop(track.key, ()), now)
        else:
            if track.view.gone:
                self.unsaved.events.append(back_event(track.key, now.wall))
            track.listed(job)
        self._store(track)

    def _store(self, track: JobTrack) -> None:
        """Queue the job for the history if its stored data changed."""
        if (state := track.to_store()) is not None:
            self.unsaved.jobs.append(state)

    def apply_progress(
        self,
        account: AccountTrack,
        track: JobTrack,
        progress: Progress,
        now: Moment,
        interval: float,
    ) -> None:
        """Apply a progress answer; read the list again if the status changed. interval: seconds."""
        account.succeeded(now)
        skew = now.wall - now.mono
        if self._skew is not None and abs(skew - self._skew) > _JUMP_SECONDS:
            self.lose_time()
            _log.info("the clocks moved apart by %.0f s", skew - self._skew)
        self._skew = skew
        clock_jumped, track.gaps = track.gaps != self._gaps, self._gaps
        before, confirmed, new = track.view, track.confirmed, not track.answered
        was_failing = track.series.estimate.failures.failing  # the view of a stale job lacks it
        changed = track.update(
            progress,
            now,
            interval=interval,
            clock_jumped=clock_jumped,
            share=account.share_of(track.job_id),
        )
        if new and (errors := account.errors.get(buckets_of(track.view.job))):
            track.series.learn(errors)
        elif changed and track.view.ended:
            account.learn_from(track.view.job, track.series.estimate.progress.record)
        if track.series.last is not None:
            self.unsaved.samples.append((track.key, track.series.last))
        self._store(track)
        event = status_event(track.key, confirmed, track.confirmed, before.request, now.wall)
        if event is not None:
            self.unsaved.events.append(event)
        if (failing := track.view.failing) and not was_failing:
            self.unsaved.events.append(
                failing_event(track.key, failing.failed, failing.done, failing.span, now.wall)
            )
        elif was_failing and not failing and track.view.status == "running":
            self.unsaved.events.append(calm_event(track.key, now.wall))
        if track.view.restarts != before.restarts:
            _log.warning("job %s: its counters fell, or it was created anew", track.job_id)
        if changed:
            _log.info("job %s: now %s", track.job_id, track.view.status)
            account.listing.urgent = True

    def apply_error(self, poll: Poll, error: ApiError, now: Moment, interval: float) -> None:
        """Apply an error, other than a 429, to the job, the list or the account."""
        account, track = poll.account, poll.track
        failing = account.problem is not None
        alone = self._is_alone(poll, error)
        since = self._record_failure(poll, error, now, interval)
        self._poll_by_id(account)
        if track is not None and track.unlisted_id:
            account.jobs.pop(track.job_id, None)
        if track is not None and isinstance(error, _ABOUT_THE_JOB):
            account.succeeded(now)
        elif not alone:
            account.failed(error, now, since, self._wait(account.misses + 1, interval), poll.probe)
        if account.problem is not None and (poll.probe or not failing):
            account.everyone_missed(track, just_begun=not failing)
            _log.warning("account %s fails: %s", account.account_id, error)

    def _is_alone(self, poll: Poll, error: ApiError) -> bool:
        """Return whether the failure concerns only one page or one job, not the account."""
        if isinstance(error, BadAddress):
            return poll.track is not None
        if isinstance(error, Rejected):
            return False
        if poll.track is not None:
            return self._eager or (poll.track.unseen > 0 and poll.track.is_absence(error))
        later = poll.account.listing.asking > 0
        return (later or self._eager) if isinstance(error, BadAnswer) else later and self._eager

    def _record_failure(self, poll: Poll, error: ApiError, now: Moment, interval: float) -> float:
        """Record the failure on its list or job; return since when that has been failing.

        The result is in monotonic seconds.
        """
        asked = poll.account.listing if poll.track is None else poll.track
        first, before = asked.failing_since is None, poll.track.view if poll.track else None
        since = asked.polled_at if asked.failing_since is None else asked.failing_since
        asked.failed(error, now, self._wait(asked.failures + 1, interval))
        if poll.track is not None and isinstance(error, NotFound) and first:
            poll.account.listing.urgent = True
        if poll.track is not None and before is not None:
            self._watch_leaving(poll.track, before, now)
        return since

    def _watch_leaving(self, track: JobTrack, before: JobView, now: Moment) -> None:
        """Record an event if the job has just become absent from the API."""
        if track.view.gone and not before.gone:
            self._store(track)
            self.unsaved.events.append(gone_event(track.key, before.request, now.wall))

    def _wait(self, failures: int, interval: float) -> float:
        return math.inf if self._eager else backoff(failures, interval, self._rng)

    def follows(self, account_id: str, job: Job) -> bool:
        """Return whether the job is one of `only` or, without it, one of the selection."""
        if self.only is None:
            return self._selection.takes(job)
        chosen = JobKey(account_id, job.id or "") in self.only
        return chosen or self._selection.takes_migration(job)


def _end(job: Job) -> tuple[str | None, ...]:
    """Return what must be equal in the history and the list for the stored end to be valid."""
    return job.created_at, job.finished_at, job.status


class JobStore:
    """The followed accounts and jobs, with the data of the services that concerns them.

    now: returns both clocks.
    wake: called after a change that needs a poll and a new snapshot.
    links: between a retry and its original job.
    log_counts: counts of logs whose jobs are not listed yet.
    verifications: of all jobs, oldest first; set them with `set_verifications`.
    """

    def __init__(
        self, accounts: Sequence[str], now: Callable[[], Moment], wake: Callable[[], None]
    ) -> None:
        self.accounts = [AccountTrack(account_id) for account_id in accounts]
        self._by_id = {account.account_id: account for account in self.accounts}
        self.links: tuple[RetryLink, ...] = ()
        self._plans: Mapping[int, Plan] = {}
        self._counted: Mapping[JobKey, Counted] = {}
        self.log_counts: dict[JobKey, LogCounts] = {}
        self.verifications: tuple[Verification, ...] = ()
        self._verified: Mapping[JobKey, Verification] = {}
        self.wake = wake
        self._now = now

    def add_stored(self, stored: Iterable[StoredJob]) -> None:
        """Start with the jobs that earlier runs stored."""
        for job in stored:
            self._by_id[job.account_id].jobs[job.key.job_id] = JobTrack.from_history(job)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the followed accounts."""
        return tuple(self._by_id)

    def track(self, key: JobKey) -> JobTrack | None:
        """Return a job's track; None if the job is not followed."""
        account = self._by_id.get(key.account_id)
        return account.jobs.get(key.job_id) if account else None

    def tracks(self) -> list[JobTrack]:
        """Return the tracks of all jobs."""
        return [track for account in self.accounts for track in account.jobs.values()]

    def narrow(self, keys: frozenset[JobKey]) -> None:
        """Follow only these jobs from now on."""
        for account in self.accounts:
            account.jobs = {j: t for j, t in account.jobs.items() if t.view.key in keys}

    def view(self, key: JobKey | None) -> JobView | None:
        """Return a job's view; None if the job is not followed."""
        track = self.track(key) if key else None
        return track.view if track else None

    @property
    def plans(self) -> Mapping[int, Plan]:
        """The plans by id; replaced at every change."""
        return self._plans

    @plans.setter
    def plans(self, plans: Mapping[int, Plan]) -> None:
        self._plans = plans
        if plans:
            self._counted = counted_jobs(plans.values())

    def views(self) -> tuple[JobView, ...]:
        """Return the views of all jobs."""
        for key, counted in self._counted.items():
            if track := self.track(key):
                track.set_counted(counted)
        for key, counts in [*self.log_counts.items()]:
            if track := self.track(key):
                track.set_log_counts(counts)
                del self.log_counts[key]
        tracks = self.tracks()
        if self._verified:
            for track in tracks:
                track.set_verification(self._verified.get(track.key))
        return tuple(track.view for track in tracks)

    def poll(self, key: JobKey) -> None:
        """Poll one job now."""
        if track := self.track(key):
            track.poll_now()
            self._by_id[key.account_id].probe_soon(self._now().mono)
        self.wake()

    def read_lists(self) -> None:
        """Read every list now."""
        for account in self.accounts:
            account.listing.restart()
        self.wake()

    def answered(self, accounts: Sequence[AccountTrack]) -> None:
        """Probe the failing ones of a user's accounts soon: another request has succeeded."""
        failing = [account for account in accounts if account.problem is not None]
        for account in failing:
            account.probe_soon(self._now().mono)
        if failing:
            self.wake()

    def poll_all(self) -> None:
        """Read every list and poll every job that may still change, now."""
        for account in self.accounts:
            account.poll_now(self._now().mono)
        self.wake()

    def set_request(self, key: JobKey, request: ActionRequest) -> None:
        """Attach an action request to a job; poll it soon if the outcome is open."""
        track = self.track(key)
        if track is None:
            return
        track.set_request(request)
        if request.state.open:
            self.poll(key)
        else:
            self.wake()

    def set_log_counts(self, key: JobKey, counts: LogCounts) -> None:
        """Set the log counts of a job; if it is not listed yet, as soon as it is."""
        if track := self.track(key):
            track.set_log_counts(counts)
        else:
            self.log_counts[key] = counts
        self.wake()

    def set_verifications(self, results: Iterable[Verification]) -> None:
        """Set all verifications: each job has the one that counts."""
        results = tuple(results)
        if results == self.verifications:
            return
        from slurper_tui.monitor.model.verification import by_job  # only if there is one

        self.verifications, self._verified = results, by_job(results)
        self.wake()

    def add_verification(self, result: Verification) -> None:
        """Add a verification that was made here."""
        self.set_verifications((*self.verifications, result))

    def add_link(self, link: RetryLink) -> None:
        """Add a link between a retry and its original job."""
        self.links = (*self.links, link)
        self.wake()

    def set_plan(self, plan: Plan) -> None:
        """Add or replace a plan."""
        self.plans = {**self.plans, plan.id: plan}
        self.wake()

    @property
    def unstarted(self) -> tuple[Unstarted, ...]:
        """The jobs that plans have not started yet."""
        return unstarted(self.plans.values()) if self.plans else ()
