"""What the monitor says: frozen snapshots, the one thing both faces see.

What the monitor says of accounts and of the request budget.

In which order jobs stand when nobody has asked for another: live first, worst first.

What may be claimed of a job: nothing about its pace unless it runs and its data is fresh.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import Job
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import ActionRequest, Event, Tie

if TYPE_CHECKING:
    from slurper_tui.monitor.model.plans import Unstarted
    from slurper_tui.monitor.model.timeline import Trace


class Problem(msgspec.Struct, frozen=True):
    """Something that stands in the way of an account's polls.

    since, retry_at, last_good: UTC seconds; last_good is None when nothing ever answered.
    """

    error: ApiError
    since: float
    retry_at: float | None = None
    last_good: float | None = None


class Outage(msgspec.Struct, frozen=True):
    """An outage that is over. since and until: UTC seconds. moved: objects done meanwhile."""

    since: float
    until: float
    moved: int | None


class AccountView(msgspec.Struct, frozen=True):
    """One account. listed: its whole list was read once. pages: list pages read so far.

    problem: why the account as a whole does not answer. answered: it ever did.
    outage: the last outage that is over, for one line of news.
    """

    account_id: str
    listed: bool = False
    answered: bool = False
    pages: int = 0
    problem: Problem | None = None
    outage: Outage | None = None


class BudgetView(msgspec.Struct, frozen=True):
    """The request budget of the user, as far as one program can know it.

    used: our own requests in the last five minutes. limit: what the API grants in that time.
    stretch: how many times slower than asked the ordinary jobs are polled, 1.0 when not at all.
    blocked_until: UTC seconds while the API has told us to stop, else None; blocked_by: its words.
    short: the headers show fewer requests left than we would like to use.
    waiting: requests that are due but must wait for the budget.
    """

    used: int = 0
    limit: int = 1200
    stretch: float = 1.0
    blocked_until: float | None = None
    blocked_by: ApiError | None = None
    short: bool = False
    waiting: int = 0


class Phase(StrEnum):
    """What a job is doing, as far as its counters tell."""

    LISTING = "listing"
    RUNNING = "running"
    SETTLED = "settled"
    STALLED = "stalled"
    PAUSED = "paused"
    ENDED = "ended"


class State(StrEnum):
    """The word that a person reads for a job: the API's status and its phase in one."""

    RUNNING = "running"
    LISTING = "listing"
    STALLED = "stalled"
    PAUSED = "paused"
    COMPLETED = "completed"
    COMPLETED_WITH_LOSS = "completed!"
    ABORTED = "aborted"
    OTHER = "other"
    GONE = "gone"


class Verdict(msgspec.Struct, frozen=True):
    """How an ended job reconciles. Counts are objects; None where unknown.

    listing_broke: the source could not be listed to its end, so that objects are missing from the
    total itself.
    """

    text: str
    failed: int | None = None
    not_copied: int | None = None
    unaccounted: int | None = None
    listing_broke: bool = False

    @property
    def clean(self) -> bool:
        """Nothing failed, and nothing is missing from the sum or from the total."""
        return self.failed == 0 and self.unaccounted == 0 and not self.listing_broke

    @property
    def lost(self) -> bool:
        """It is known that something failed or is missing."""
        return bool(self.failed or self.unaccounted or self.listing_broke)


class Counts(msgspec.Struct, frozen=True, gc=False):
    """The four counters as the API told them; None where it did not."""

    objects: int | None = None
    transferred: int | None = None
    skipped: int | None = None
    failed: int | None = None

    @property
    def done(self) -> int | None:
        """transferred + skipped + failed, or None when one of them is unknown."""
        if self.transferred is None or self.skipped is None or self.failed is None:
            return None
        return self.transferred + self.skipped + self.failed

    @property
    def remaining(self) -> int | None:
        """Objects not yet done, never negative, or None when unknown."""
        if self.objects is None or self.done is None:
            return None
        return max(0, self.objects - self.done)

    @property
    def exceeded(self) -> bool:
        """More is done than there is, so that the total says nothing about what remains."""
        return self.objects is not None and self.done is not None and self.done > self.objects


class Forecast(msgspec.Struct, frozen=True):
    """When a job will be done, as a range.

    low, high: the finish, UTC seconds, rounded outwards and held still while they are not wrong.
    made_at: the poll that it rests on, UTC seconds. at_least: the total still grows, so only `low`
    is claimed. seeded: it rests on the average since `createdAt` alone.
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
        """Seconds from `made_at` to the middle of the range."""
        return (self.low_seconds + self.high_seconds) / 2


class JobView(msgspec.Struct, frozen=True, dict=True):
    """One job as it stands. What is derived from it alone may be cached in its `__dict__`.

    status: the progress answer's word, else the list's; None when neither said one.
    percent: whole, 0 to 100; None when unknown. provisional: the total may still grow. grew: it was
    seen to grow and has not settled.
    rate: objects per second, time-weighted over about two minutes. lifetime_rate: objects per
    second since `createdAt`. as_of: when the counts were told, UTC seconds; None before the first.
    missed: polls in a row without an answer. stale: three or more of them.
    gone: the API no longer knows the job. ended: completed, aborted or otherwise finished.
    restarts: how often counters fell or `createdAt` changed, and the rate began anew.
    problem: what the last poll of this very job failed with.
    plan_rate: objects per second that the forecast rests on. transferred_rate, skipped_rate: the
    two kinds apart, over about two minutes. growth: objects per second by which the total grows.
    reason: in words, why a number is missing; "" when none is. stalled_since: UTC seconds, since
    when no counter has moved, while it is stalled. stalled_badly: for three times as long as is
    alarming. remembered: these are the last values of an earlier run, not yet confirmed.
    request: what was last asked of it from here, while that is news. not_copied: skipped objects
    that its log shows as not being in the target; None before it was read to its end, and where it
    does not account for all failures.
    listing_broke: its log says that the source could not be listed to its end. partial: the sum of
    several jobs, of which some have not told their counts. lower_bound: the sum of several jobs,
    while plans are still to start others. unchanged_since: UTC seconds, since when neither its
    counts nor its status changed; only of a live job whose status is not documented.
    """

    account_id: str
    job: Job
    status: str | None = None
    phase: Phase | None = None
    counts: Counts = Counts()
    percent: int | None = None
    provisional: bool = False
    grew: bool = False
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
    growth: float | None = None
    forecast: Forecast | None = None
    reason: str = ""
    stalled_since: float | None = None
    stalled_badly: bool = False
    remembered: bool = False
    request: ActionRequest | None = None
    not_copied: int | None = None
    listing_broke: bool = False
    partial: bool = False
    lower_bound: bool = False
    unchanged_since: float | None = None

    @cached_property
    def key(self) -> JobKey:
        """The job's identity."""
        return JobKey(self.account_id, self.job.id or "")

    @property
    def state(self) -> State:
        """Which row of the status table this job is on; OTHER is shown by `word`."""
        if self.gone:
            return State.GONE
        if self.status == "completed":
            loss = self.verdict is not None and self.verdict.lost
            return State.COMPLETED_WITH_LOSS if loss else State.COMPLETED
        if self.status == "running":
            moving = {Phase.LISTING: State.LISTING, Phase.STALLED: State.STALLED}
            return moving.get(self.phase, State.RUNNING) if self.phase else State.RUNNING
        return {"paused": State.PAUSED, "aborted": State.ABORTED}.get(
            self.status or "", State.OTHER
        )

    @property
    def word(self) -> str:
        """The status in a word; one that nobody foresaw is the API's own."""
        return str(self.state) if self.state is not State.OTHER else self.status or "unknown"

    @property
    def growing(self) -> bool:
        """The total is only a lower bound, whatever the job is doing now."""
        return self.grew or self.lower_bound or self.phase is Phase.LISTING

    @property
    def live(self) -> bool:
        """It may still move, as far as anybody knows."""
        return not self.ended and not self.gone


class Snapshot(msgspec.Struct, frozen=True):
    """Everything known at one moment. taken_at: UTC seconds. interval: seconds between rounds.

    rounds: how many rounds of polls are over. complete: every account was listed, and every job
    asked, since the start (or failed to answer). history_note: one clause about a history that is
    not simply on. trace: the past of the highlighted job. away_since: when somebody last looked
    before this run, UTC seconds, if that was long enough ago to be told about. events: of the
    highlighted job, oldest first. ties: which jobs retry what failed in others. unstarted: jobs
    that plans are still to start.
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
    ties: tuple[Tie, ...] = ()
    unstarted: tuple[Unstarted, ...] = ()

    @property
    def caught_up(self) -> bool:
        """Every list is read, and of every job that may move the present state is known.

        What ended before counts with its row in the list; a job that cannot be asked holds nothing
        up as long as its account answers.
        """
        accounts = all(a.listed and a.problem is None for a in self.accounts)
        waiting = (
            v.live and (v.remembered or v.as_of is None) and not v.problem for v in self.jobs
        )
        return bool(self.accounts) and accounts and not any(waiting)

    @property
    def rejected(self) -> bool:
        """Every account's first answer was a rejection of the credentials."""
        return bool(self.accounts) and all(
            not a.answered and a.problem is not None and a.problem.error.exit_code == 3
            for a in self.accounts
        )


_WORST_FIRST = {State.STALLED: 0, State.OTHER: 1, State.RUNNING: 2, State.LISTING: 2}
_CALM = 3

# Every job is ordered anew with every answer, and its times never change.
_time = lru_cache(maxsize=2**16)(parse_time)

OrderKey = tuple[bool, int, bool, float, str, str]
"""Sorts ascending into the default order; total, so that equal jobs never change places."""


def default_order(view: JobView) -> OrderKey:
    """Give the sort key: live jobs by trouble, then the ended ones; the newest first in each."""
    known: OrderKey | None = vars(view).get("order")
    if known is None:
        known = vars(view)["order"] = _order(view)
    return known


def _order(view: JobView) -> OrderKey:
    if view.live:
        failing = bool(view.counts.failed)
        return (False, _WORST_FIRST.get(view.state, _CALM), not failing, *_newest(view))
    return (True, 0, False, *_newest(view))


def _newest(view: JobView) -> tuple[float, str, str]:
    """Newest first by its last known time; a job without any stands last."""
    ended_at = None if view.live else _time(view.job.finished_at)
    at = ended_at if ended_at is not None else _time(view.job.created_at)
    return (float("inf") if at is None else -at, view.account_id, view.job.id or "")


def is_fresh(view: JobView) -> bool:
    """It runs, and what is known of it was told lately and to this very run."""
    return view.live and view.status == "running" and not (view.stale or view.remembered)


def shown_rate(view: JobView) -> float | None:
    """Objects per second, for as long as the job can have a rate."""
    return view.rate if is_fresh(view) else None


def shown_forecast(view: JobView) -> Forecast | None:
    """When it will be done, unless it stands still or nobody can know."""
    return view.forecast if is_fresh(view) and view.phase is not Phase.STALLED else None
