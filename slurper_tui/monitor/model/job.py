"""Frozen snapshots of jobs, accounts and the request budget: what screen and commands show.

Also the default order of jobs, and the rules for when a rate or a forecast may be shown and when an
action is possible.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import Job, LogRow, Progress, Source, Target
from slurper_tui.format import duration, parse_time
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import (
    Action,
    ActionRequest,
    Event,
    RequestState,
    RetryLink,
    expected,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.model.logs import LogCounts
    from slurper_tui.monitor.model.timeline import Trace
    from slurper_tui.monitor.model.verification import Verification


class Problem(msgspec.Struct, frozen=True):
    """An error that blocks an account's polls.

    since, retry_at: UTC seconds. last_good: time of the last successful answer, UTC seconds; None
    if there was none. lasting: so many polls failed that the account's jobs are stale.
    """

    error: ApiError
    since: float
    retry_at: float | None = None
    last_good: float | None = None
    lasting: bool = False


class PastOutage(msgspec.Struct, frozen=True):
    """An outage that is over.

    since, until: UTC seconds. moved: objects done meanwhile; None when unknown.
    """

    since: float
    until: float
    moved: int | None


class BudgetView(msgspec.Struct, frozen=True):
    """A user's request budget, as far as one program can know it.

    used: requests of this program in the last five minutes. limit: the API's limit for that time.
    stretch: factor by which the poll interval of ordinary jobs is lengthened; 1.0 if it is not.
    blocked_until: UTC seconds until which the API has blocked requests, else None.
    blocked_by: the error of that answer.
    short: the headers report fewer requests left than the program plans to use.
    waiting: requests that are due but must wait for the budget.
    """

    used: int = 0
    limit: int = 1200
    stretch: float = 1.0
    blocked_until: float | None = None
    blocked_by: ApiError | None = None
    short: bool = False
    waiting: int = 0


class AccountView(msgspec.Struct, frozen=True):
    """State of one account.

    listed: its complete job list was read at least once. answered: the API answered at least once.
    proven: the last whole reading of the list had every row that it has according to the API.
    pages: list pages read. problem: why the account as a whole fails.
    past_outage: the latest outage that is over, for a one-line message.
    budget: that of the account's user, which other accounts may share.
    token_expires: when its API token expires, UTC seconds; None if it never does or is not known.
    last_good: when the API last answered well, UTC seconds; None before.
    requests, errors: requests to this account so far, and those of them that failed.
    """

    account_id: str
    listed: bool = False
    answered: bool = False
    pages: int = 0
    problem: Problem | None = None
    past_outage: PastOutage | None = None
    proven: bool = False
    budget: BudgetView = BudgetView()
    last_good: float | None = None
    requests: int = 0
    errors: int = 0
    token_expires: float | None = None

    @property
    def down(self) -> bool:
        """Whether the account does not answer, and not for a moment only."""
        return self.problem is not None and self.problem.lasting

    def expires_soon(self, now: float) -> bool:
        """Whether its API token expires within `EXPIRES_SOON`. now: UTC seconds."""
        return self.token_expires is not None and self.token_expires - now < EXPIRES_SOON


EXPIRES_SOON = 3 * 86_400.0
"""Seconds before its expiry from which a token is worth a warning."""


class Phase(StrEnum):
    """Activity of a job, derived from its counters."""

    LISTING = "listing"
    RUNNING = "running"
    SETTLED = "settled"
    STALLED = "stalled"
    PAUSED = "paused"
    ENDED = "ended"


PHASE_AT_REST = {"paused": Phase.PAUSED, "completed": Phase.ENDED, "aborted": Phase.ENDED}
"""The phase of a job that does not run, by status."""


def has_ended(job: Job, status: str | None = None) -> bool:
    """Return whether a job is completed or aborted.

    For an unknown status: whether the list gives a time of its end.
    """
    word = status or job.status
    if word in ("running", "paused"):
        return False
    return word in ("completed", "aborted") or job.finished_at is not None


class Total(StrEnum):
    """How final a number of objects is.

    FINAL: it does not grow any more. PROVISIONAL: it may still grow.
    GROWING: it was seen to grow and has not settled.
    INCOMPLETE: it is the sum of a migration, and plans have yet to start further jobs.
    """

    FINAL = "final"
    PROVISIONAL = "provisional"
    GROWING = "growing"
    INCOMPLETE = "incomplete"


class State(StrEnum):
    """Status shown to the user: the API's status combined with the phase and the counts.

    WAITING: of a migration, no job runs, and plans have jobs to start.
    VERIFIED: completed, and a verification after the end found every object in the target.
    FAILING: it runs, and too many objects have failed lately.
    COMPLETED_UNREAD: nothing is known to be lost, but why objects were skipped is not known.
    COMPLETED_WITH_LOSS: objects failed, were not copied or are unaccounted for, or a verification
        found that some are missing or differ.
    """

    RUNNING = "running"
    LISTING = "listing"
    STALLED = "stalled"
    FAILING = "failing"
    PAUSED = "paused"
    VERIFIED = "verified"
    COMPLETED = "completed"
    COMPLETED_UNREAD = "completed ?"
    COMPLETED_WITH_LOSS = "completed !"
    ABORTED = "aborted"
    WAITING = "waiting"
    OTHER = "other"
    GONE = "gone"


class Sign(NamedTuple):
    """The sign of a state, at most two cells wide, and the same in ASCII, one cell wide."""

    sign: str
    plain: str


SIGNS: Mapping[State, Sign] = {
    State.RUNNING: Sign("▶", ">"),
    State.LISTING: Sign("◔", "~"),
    State.STALLED: Sign("▲", "!"),
    State.FAILING: Sign("▼", "v"),
    State.PAUSED: Sign("‖", "="),
    State.VERIFIED: Sign("✔✔", "#"),
    State.COMPLETED: Sign("✔", "+"),
    State.COMPLETED_UNREAD: Sign("✔", "+"),
    State.COMPLETED_WITH_LOSS: Sign("✔", "+"),
    State.ABORTED: Sign("✖", "x"),
    State.WAITING: Sign("◇", "o"),
    State.OTHER: Sign("?", "?"),
    State.GONE: Sign("·", "."),
}


class Verdict(msgspec.Struct, frozen=True):
    """How an ended job reconciles. Counts are objects; None when unknown.

    not_copied: skipped objects that are not in the target; None unless the log proves their number.
    listing_broke: the source could not be listed to its end, so the total itself lacks objects.
    at_least: lower bound of `not_copied`.
    failed_at_least: lower bound of `failed` where that is None.
    unread, unexplained: other skipped objects, which may be in the target or not, because the log
        was not read after the end, or because it is empty or names too few failures.
    """

    text: str
    failed: int | None = None
    not_copied: int | None = None
    unaccounted: int | None = None
    listing_broke: bool = False
    at_least: int = 0
    failed_at_least: int = 0
    unread: int = 0
    unexplained: int = 0

    @property
    def clean(self) -> bool:
        """True if every object is known to be in the target."""
        numbers = (self.failed, self.not_copied, self.unaccounted)
        return numbers == (0, 0, 0) and not self.listing_broke

    @property
    def counts_unknown(self) -> bool:
        """True if the number of failed or of unaccounted objects is unknown."""
        return self.failed is None or self.unaccounted is None

    @property
    def lost(self) -> bool:
        """True if objects are known to have failed, not to be copied, or to be missing."""
        known = self.failed or self.failed_at_least or self.at_least or self.unaccounted
        return bool(known or self.listing_broke)


class Counts(msgspec.Struct, frozen=True, gc=False):
    """The four counters of the progress answer; None for a counter that it lacked."""

    objects: int | None = None
    transferred: int | None = None
    skipped: int | None = None
    failed: int | None = None

    @property
    def done(self) -> int | None:
        """transferred + skipped + failed; None if one of them is unknown."""
        if self.transferred is None or self.skipped is None or self.failed is None:
            return None
        return self.transferred + self.skipped + self.failed

    @property
    def remaining(self) -> int | None:
        """Objects not yet done, never negative; None when unknown."""
        if self.objects is None or self.done is None:
            return None
        return max(0, self.objects - self.done)

    @property
    def exceeded(self) -> bool:
        """True if more objects are done than the total, so the remaining number is unknown."""
        return self.objects is not None and self.done is not None and self.done > self.objects


def counts_of(progress: Progress) -> Counts:
    """Return the four counters of an answer."""
    return Counts(
        progress.objects,
        progress.transferred_objects,
        progress.skipped_objects,
        progress.failed_objects,
    )


def percent_of(done: int | None, objects: int | None, *, finished: bool) -> int | None:
    """Return done / objects in whole percent, rounded down; None when unknown.

    At most 99 unless finished. finished: the API reports every counted job as `completed`.
    """
    if done is None or not objects:
        return None
    return min(100 if finished else 99, done * 100 // objects)


class Forecast(msgspec.Struct, frozen=True):
    """Finish time of a job, as a range.

    low, high: the finish, UTC seconds, rounded outwards and kept unchanged while still valid.
    made_at: time of the poll that it is based on, UTC seconds.
    at_least: the total still grows, so only `low` is meaningful.
    seeded: it is based only on the average since `createdAt`.
    """

    low: float
    high: float
    made_at: float
    at_least: bool = False
    seeded: bool = False

    @property
    def low_seconds(self) -> float:
        """Seconds from `made_at` to the earliest finish, never negative."""
        return max(0.0, self.low - self.made_at)

    @property
    def high_seconds(self) -> float:
        """Seconds from `made_at` to the latest finish, never negative."""
        return max(0.0, self.high - self.made_at)

    @property
    def seconds(self) -> float:
        """Seconds from `made_at` to the middle of the range: as many times the low end as it goes
        into the high end. A low end near now counts as a sixteenth of the high end.
        """
        return math.sqrt(max(self.low_seconds, self.high_seconds / 16) * self.high_seconds)


class Prospect(msgspec.Struct, frozen=True):
    """The time that a paused or stalled job needs once it moves at its earlier rate again.

    low, high: seconds. rate: objects per second. at_least: only `low` is meaningful.
    seeded: of a job that was hardly seen to run, the rate is its average since `createdAt`.
    """

    low: float
    high: float
    rate: float
    at_least: bool = False
    seeded: bool = False


ABOUT_AN_HOUR = (3300.0, 4200.0)
"""The shortest and the longest time in seconds that is called an hour."""


class Failing(msgspec.Struct, frozen=True):
    """How much of a running job fails.

    failed, done: objects in the last `seconds`: about an hour, or the job's whole life or a gap in
    polling until an hour was observed.
    since: when the job began to fail so often, UTC seconds; None when unknown.
    """

    failed: int
    done: int
    seconds: float
    since: float | None = None

    @property
    def span(self) -> str:
        """The time in which the objects failed: `the last hour`, `the last 6 h`."""
        if ABOUT_AN_HOUR[0] <= self.seconds <= ABOUT_AN_HOUR[1]:
            return "the last hour"
        return f"the last {duration(max(60.0, self.seconds))}"


class Counted(msgspec.Struct, frozen=True):
    """Objects that a listing of the source counted before a job was started.

    at: when the listing ended, UTC seconds. source: what was listed, for people.
    """

    objects: int
    at: float
    source: str

    def holds(self, counts: Counts) -> bool:
        """Return whether the counters have not passed it, so that it is the total."""
        return max(counts.objects or 0, counts.done or 0) <= self.objects


class BucketSize(msgspec.Struct, frozen=True):
    """How much an R2 bucket holds, as R2's own statistics tell some minutes later.

    at: when it was measured, UTC seconds; when it was asked for, if the API does not tell.
    bytes: of all objects. uploads: multipart uploads that are under way; None if unknown.
    """

    at: float
    bytes: int
    uploads: int | None = None


class TargetGrowth(msgspec.Struct, frozen=True):
    """What became of a stalled job's target bucket since the job stands still.

    first, last: the first size measured in the stall, and the newest one; None if unknown.
    shared: other jobs that move copy into the same bucket.
    """

    first: BucketSize | None = None
    last: BucketSize | None = None
    shared: bool = False

    @property
    def bytes(self) -> int | None:
        """Bytes by which the bucket grew; negative if it shrank, None before two measurements."""
        if self.first is None or self.last is None or self.last.at <= self.first.at:
            return None
        return self.last.bytes - self.first.bytes


class JobView(msgspec.Struct, frozen=True, dict=True):
    """State of one job. Values derived from it alone may be cached in its `__dict__`.

    Rates are in objects per second, times in UTC seconds.

    status: from the progress answer, else from the list; None if both lack it.
    percent: whole number from 0 to 100; None when unknown.
    total: how final `counts.objects` is.
    counted: what a listing counted before the start; while a live job has not passed it, it is the
        total in `counts`. found: the total according to the API then, else None.
    rate: time-weighted over about two minutes. lifetime_rate: average since `createdAt`.
    transferred_rate, skipped_rate, failed_rate: parts of `rate`.
    plan_rate: the rate that the forecast uses.
    growth: rate at which the total grows.
    as_of: when the API sent the counts; None before the first answer.
    missed: consecutive polls without an answer. stale: three or more of them.
    gone: the API no longer knows the job. ended: completed, aborted or otherwise finished.
    restarts: how often the counters fell or `createdAt` changed, which restarts the rates.
    problem: the error of this job's last poll.
    if_resumed: what a job that is paused or stalled would need; None when unknown.
    reason: why a number is missing, in words; "" when none is.
    status_since: since when the job has been in its status without a stall; None when unknown.
    stalled_since: since when no counter has moved, while the job is stalled.
    stalled_badly: stalled for three times the time that counts as a stall.
    target_growth: what the target bucket did during the stall; None if that was not asked for.
    failing: the failures of the last hour, if they are many; None if they are not, or unknown.
    newest_reasons: messages of the newest failed objects in the log with their numbers of rows, the
        most frequent first; empty if no part of the log was read in this run.
    newest_rows: the newest rows of its log that were read in this run, the newest first.
    from_history: the values come from an earlier run and are not yet confirmed.
    request: the latest action request of this program, as long as it is of interest.
    not_copied: skipped objects that are not in the target; None if that is not known, because the
        log was not read to its end, is empty or lacks rows for some failures.
    not_copied_at_least: lower bound of `not_copied`.
    log: the numbers of rows in its log; None before the log was read, and for a sum of jobs.
    listing_broke: the log reports that the source could not be listed to its end.
    partial: this is a sum of jobs, and the counts of some are unknown.
    parts: the jobs of which this is the sum; empty for a job.
    moved_at: when a counter was last seen to change; None if that was not seen.
    verification: the one that counts, see `model.verification.latest`; of a sum, that of all jobs
        or else of some; None if there was none.
    parts_verified: of a sum, every object of every job is proven to be in the target.
    unchanged_since: since when neither counts nor status changed; set only for a live job with an
        undocumented status.
    """

    account_id: str
    job: Job
    status: str | None = None
    phase: Phase | None = None
    counts: Counts = Counts()
    percent: int | None = None
    total: Total = Total.FINAL
    counted: Counted | None = None
    found: int | None = None
    rate: float | None = None
    lifetime_rate: float | None = None
    verdict: Verdict | None = None
    as_of: float | None = None
    missed: int = 0
    stale: bool = False
    gone: bool = False
    ended: bool = False
    restarts: int = 0
    problem: ApiError | None = None
    plan_rate: float | None = None
    transferred_rate: float | None = None
    skipped_rate: float | None = None
    failed_rate: float | None = None
    growth: float | None = None
    forecast: Forecast | None = None
    if_resumed: Prospect | None = None
    reason: str = ""
    status_since: float | None = None
    stalled_since: float | None = None
    stalled_badly: bool = False
    target_growth: TargetGrowth | None = None
    failing: Failing | None = None
    newest_reasons: tuple[tuple[str, int], ...] = ()
    newest_rows: tuple[LogRow, ...] = ()
    from_history: bool = False
    request: ActionRequest | None = None
    not_copied: int | None = None
    not_copied_at_least: int = 0
    log: LogCounts | None = None
    listing_broke: bool = False
    partial: bool = False
    parts: tuple[JobView, ...] = ()
    unchanged_since: float | None = None
    moved_at: float | None = None
    verification: Verification | None = None
    parts_verified: bool = False

    @cached_property
    def key(self) -> JobKey:
        """Identity of the job."""
        return JobKey(self.account_id, self.job.id or "")

    @property
    def state(self) -> State:
        """Status shown to the user; for OTHER show `word`."""
        if self.gone:
            return State.GONE
        if self.status == "completed":
            if self.verified:
                return State.VERIFIED
            verdict = self.verdict
            if (verdict is not None and verdict.lost) or self.lacks:
                return State.COMPLETED_WITH_LOSS
            if verdict is not None and (verdict.unread or verdict.unexplained):
                return State.COMPLETED_UNREAD
            # an answer without a counter proves nothing; before the first answer nothing is claimed
            unknown = verdict is not None and verdict.counts_unknown and self.as_of is not None
            return State.COMPLETED_UNREAD if unknown else State.COMPLETED
        if self.status == "running":
            if self.phase is Phase.STALLED:
                return State.STALLED
            if self.failing:
                return State.FAILING
            return State.LISTING if self.phase is Phase.LISTING else State.RUNNING
        if self.status == State.WAITING and self.job.id is None:
            return State.WAITING
        return {"paused": State.PAUSED, "aborted": State.ABORTED}.get(
            self.status or "", State.OTHER
        )

    @cached_property
    def verified(self) -> bool:
        """Whether a verification after the end found every object in the target.

        One of several jobs may have found faults below the prefixes of others. A manifest with
        fewer objects than the job counted proves nothing.
        """
        proof = self.verification
        if proof is None or (proof.manifest and proof.tally.expected < (self.counts.objects or 0)):
            return False
        if self.parts:
            return self.parts_verified
        after = proof.began_after(job_time(self.job.finished_at))
        return self.ended and proof.whole and proof.tally.judged > 0 and after and not self.lacks

    @cached_property
    def lacks(self) -> bool:
        """Whether the verification that counts may lack objects of this job, or of the sum's jobs.

        One of several jobs tells by prefix whose objects are missing or differ.
        """
        result = self.verification
        if result is None or not result.lacks:
            return False
        return result.lacks_below(self.job.prefix if len(result.jobs) > 1 else None)

    @property
    def since(self) -> float | None:
        """Since when a live job has been in its state, UTC seconds; None when unknown.

        A running job's listing is part of its time in that state.
        """
        if not self.live or self.stale:
            return None
        if self.state is State.STALLED:
            return self.stalled_since
        if self.state is State.FAILING:
            return self.failing.since if self.failing else None
        return self.status_since

    @property
    def word(self) -> str:
        """The status in one word; the API's own word for an undocumented status."""
        return str(self.state) if self.state is not State.OTHER else self.status or "unknown"

    @property
    def provisional(self) -> bool:
        """True if the total may still grow."""
        return self.total is not Total.FINAL

    @property
    def growing(self) -> bool:
        """True if the total is only a lower bound, in any phase."""
        return self.total in (Total.GROWING, Total.INCOMPLETE) or self.phase is Phase.LISTING

    @property
    def total_at_least(self) -> bool:
        """True if the total is shown as a lower bound: it may grow, or counts are unknown."""
        return self.growing or self.partial

    @property
    def live(self) -> bool:
        """True if the job may still change."""
        return not self.ended and not self.gone


class Unstarted(msgspec.Struct, frozen=True):
    """Number of jobs with this account, source and target that plans have yet to start."""

    account_id: str
    source: Source
    target: Target
    jobs: int


class Snapshot(msgspec.Struct, frozen=True, dict=True):
    """Everything that the monitor knows at one moment.

    taken_at: UTC seconds. interval: seconds between poll rounds. rounds: completed poll rounds.
    complete: since the start every account was listed and every job polled, or failed to answer.
    history_note: one clause if the history is not fully on, else "".
    trace: samples of the highlighted job, or their sums for a highlighted migration.
    events: of the same jobs, oldest first.
    away_since: time of the newest sample of earlier runs, UTC seconds; None if that was recent.
    links: from retry jobs to the jobs that they retry.
    unstarted: jobs that plans have yet to start.
    """

    taken_at: float
    interval: float
    accounts: tuple[AccountView, ...] = ()
    jobs: tuple[JobView, ...] = ()
    budget: BudgetView = BudgetView()
    rounds: int = 0
    complete: bool = False
    history_note: str = ""
    trace: Trace | None = None
    away_since: float | None = None
    events: tuple[Event, ...] = ()
    links: tuple[RetryLink, ...] = ()
    unstarted: tuple[Unstarted, ...] = ()

    @property
    def caught_up(self) -> bool:
        """True if all lists are read and the current state of every live job is known.

        For an ended job its row in the list is enough. A job that fails to answer does not delay
        this as long as its account answers.
        """
        accounts = all(a.listed and a.problem is None for a in self.accounts)
        waiting = (
            v.live and (v.from_history or v.as_of is None) and not v.problem for v in self.jobs
        )
        return bool(self.accounts) and accounts and not any(waiting)

    @cached_property
    def job_has_problem(self) -> bool:
        """True if a job's poll failed, or a request was refused or its outcome is unknown."""
        unclear = (RequestState.REFUSED, RequestState.UNDECIDED)
        return any(
            v.problem or (v.request is not None and v.request.state in unclear) for v in self.jobs
        )

    @property
    def rejected(self) -> bool:
        """True if every account's first answer rejected the credentials."""
        return bool(self.accounts) and all(
            not a.answered and a.problem is not None and a.problem.error.exit_code == 3
            for a in self.accounts
        )


job_time = lru_cache(maxsize=2**16)(parse_time)
"""Parses a job's time once: it never changes, but every answer needs it."""

_WORST_FIRST = {
    State.STALLED: 0,
    State.FAILING: 1,
    State.OTHER: 2,
    State.RUNNING: 3,
    State.LISTING: 3,
}
_CALM = 4

OrderKey = tuple[bool, int, bool, float, str, str]
"""Sorts ascending into the default order; unique per job, so equal jobs never swap places."""


def default_order(view: JobView) -> OrderKey:
    """Return the sort key: live jobs by severity, then ended jobs; the newest first within each.

    Newest: by finish or creation; jobs without a time come last. The key is cached in the view.
    """
    order: OrderKey | None = vars(view).get("order")
    if order is None:
        at = job_time(view.job.created_at)
        if not view.live and (ended_at := job_time(view.job.finished_at)) is not None:
            at = ended_at
        newest = (float("inf") if at is None else -at, view.account_id, view.job.id or "")
        if view.live:
            order = (False, _WORST_FIRST.get(view.state, _CALM), not view.counts.failed, *newest)
        else:
            order = (True, 0, False, *newest)
        vars(view)["order"] = order
    return order


def is_fresh(view: JobView) -> bool:
    """Return True if the job runs and its data is recent and from this run."""
    return view.live and view.status == "running" and not (view.stale or view.from_history)


def shown_rate(view: JobView) -> float | None:
    """Return objects per second; None unless the job runs and its data is fresh."""
    return view.rate if is_fresh(view) else None


def shown_forecast(view: JobView) -> Forecast | None:
    """Return the forecast; None if the job is stalled or not running, or its data is not fresh."""
    return view.forecast if is_fresh(view) and view.phase is not Phase.STALLED else None


NOT_FOUND = "the API no longer knows it"
"""Why no action is possible on a job that the API answers with 404."""


def why_not(view: JobView, action: Action) -> str:
    """Return a clause that explains why an action is not possible now; "" if it is possible."""
    if view.gone:
        return NOT_FOUND
    if view.status is None:
        return "its state is not known"
    if action is Action.DELETE:
        return "" if view.ended else "it has not ended"
    if view.status == expected(action):
        return f"it is {view.status} already"
    if view.ended:
        return "it has ended"
    needed = {Action.PAUSE: "running", Action.RESUME: "paused"}.get(action)
    return "" if needed in (None, view.status) else f"it is {view.word}"
