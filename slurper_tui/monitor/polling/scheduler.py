"""Which requests are due, in order of urgency, and which of them the budget allows now.

Every repeated request has a period; within a rank, the request that is overdue by the most periods
comes first. The budget decides how many are sent, so with more jobs than the budget allows all
periods stretch alike; only the highlighted job keeps its pace. `Pacing` spreads the requests: in
any 300 s at most 900 are sent, 100 of them at once, one per round for the highlighted job, and the
rest at an even pace.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.monitor.model.job import BudgetView
from slurper_tui.monitor.polling.budget import GRANTED, SHARE, WINDOW, Budget, TokenBucket
from slurper_tui.monitor.polling.job_tracker import JobTrack, PollMode

if TYPE_CHECKING:
    from slurper_tui.api.errors import RateLimited
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.polling.account_tracker import AccountTrack

LIST_SECONDS = 10.0
LIST_ROUNDS = 2
"""A list is read again after `LIST_SECONDS` or this many rounds, whichever is later."""

_SLACK = 0.05
"""Seconds by which a poll may be early, because rounds are never quite evenly spaced."""


class Rank(IntEnum):
    """The priority of a poll; a lower rank goes first, however long others have waited."""

    ASKED_FOR = 0
    FIRST_LIST = 1
    VISIBLE = 2
    DUE = 3
    LAZY = 4


class Poll(NamedTuple):
    """A request to send: a job's progress, or without `track` the next page of the list.

    overdue: time since the last request, in periods; infinite if there was none.
    probe: the request tests an account that fails as a whole.
    """

    rank: Rank
    overdue: float
    account: AccountTrack
    track: JobTrack | None = None
    probe: bool = False

    @property
    def cannot_wait(self) -> bool:
        """Whether it must be sent before the next round: for the user, or for the first time."""
        return self.rank < Rank.DUE or (self.rank is Rank.DUE and math.isinf(self.overdue))

    @property
    def is_first(self) -> bool:
        """Whether it was never tried before; the whole list comes before any job."""
        listing, track = self.account.listing, self.track
        if track is None:
            return not listing.over
        return listing.read and not track.tried


class Focus(NamedTuple):
    """The jobs that the user sees."""

    highlighted: JobKey | None = None
    visible: frozenset[JobKey] = frozenset()


LAZY_LOOK = 500
"""Ended jobs examined in one pass; the next pass continues, so that its cost stays bounded."""

Finder = Callable[[Iterable["AccountTrack"], float, float, Focus], list[Poll]]
"""Finds the polls of some accounts, given monotonic seconds, the interval in seconds and the
focus."""


def due_polls(
    accounts: Iterable[AccountTrack],
    now: float,
    interval: float,
    focus: Focus,
    lazy_look: int | None = LAZY_LOOK,
) -> list[Poll]:
    """Return the polls due at `now`, the most urgent first.

    lazy_look: number of ended jobs examined; None for all.
    """
    found = [
        poll
        for account in accounts
        for poll in _account_polls(account, now, interval, focus, lazy_look)
    ]
    return sorted(found, key=_urgency)


def focused_polls(
    accounts: Iterable[AccountTrack], now: float, interval: float, focus: Focus
) -> list[Poll]:
    """Return the polls due at `now` for the jobs in focus, fast enough for every key press."""
    found: list[Poll] = []
    for account in accounts:
        if account.problem is None:
            shown = _ids_in_focus(account, focus)
            tracks = (track for job_id, track in account.jobs.items() if job_id in shown)
            polls = (_job_poll(account, track, now, interval, focus) for track in tracks)
            found += islice(filter(None, polls), LAZY_LOOK)
    return sorted(found, key=_urgency)


def _urgency(poll: Poll) -> tuple[Rank, float]:
    return poll.rank, -poll.overdue


def list_period(interval: float, pause: float = 0.0) -> float:
    """Return the seconds between two pages of a list.

    pause: the least, from the last page's cost, in seconds.
    """
    return max(LIST_SECONDS, LIST_ROUNDS * interval, pause)


def demand(accounts: Iterable[AccountTrack], interval: float, focus: Focus) -> float:
    """Return the requests per second that all periods need, without the highlighted job."""
    total = 0.0
    for account in accounts:
        total += 1 / list_period(interval, account.listing.pause)
        tracks = (t for t in account.jobs.values() if t.mode is PollMode.ACTIVE)
        periods = (t.period(interval, False) for t in tracks if t.key != focus.highlighted)
        total += sum(1 / period for period in periods)
    return total


def _account_polls(
    account: AccountTrack,
    now: float,
    interval: float,
    focus: Focus,
    lazy_look: int | None,
) -> Iterator[Poll]:
    if account.problem is not None:
        yield from _probe(account, now)
        return
    if poll := _list_poll(account, now, interval):
        yield poll
    lazy = []
    for track in account.jobs.values():
        if track.rests:
            continue
        if track.mode is not PollMode.ACTIVE and not (track.urgent or track.doubted):
            lazy.append(track)
        elif poll := _job_poll(account, track, now, interval, focus):
            yield poll
    shown = _ids_in_focus(account, focus)
    visible = (track for track in lazy if track.job_id in shown)
    polls = (poll for track in visible if (poll := _job_poll(account, track, now, interval, focus)))
    yield from islice(polls, lazy_look)
    if account.listing.settled:
        turn = [t for t in _lazy_turn(account, lazy, lazy_look) if t.job_id not in shown]
        due = [poll for track in turn if (poll := _job_poll(account, track, now, interval, focus))]
        if not any(math.isinf(poll.overdue) for poll in due):
            account.lazy_turn += len(turn)
        yield from due


def _ids_in_focus(account: AccountTrack, focus: Focus) -> set[str]:
    """Return the ids of the jobs in focus; only the highlighted one while the list is read.

    Every further page of the list changes which rows are visible.
    """
    own = account.account_id
    shown = (
        {k.job_id for k in focus.visible if k.account_id == own}
        if account.listing.settled
        else set()
    )
    if focus.highlighted is not None and focus.highlighted.account_id == own:
        shown.add(focus.highlighted.job_id)
    return shown


def _lazy_turn(account: AccountTrack, lazy: list[JobTrack], most: int | None) -> list[JobTrack]:
    """Return the ended jobs of this pass: the next `most`, in the order of the list.

    The turn moves on once each of them was asked, so that the newest jobs are asked first. Jobs
    that never answer with their counts stay due; they must not hold the turn.
    """
    if most is None or len(lazy) <= most:
        return lazy
    start = account.lazy_turn % len(lazy)
    return [*lazy[start : start + most], *lazy[: max(0, start + most - len(lazy))]]


def _probe(account: AccountTrack, now: float) -> Iterator[Poll]:
    """Yield one request for an account that fails as a whole: its list and a job by turns."""
    if account.under_way or now < account.retry_at:
        return
    live = [
        track for track in account.jobs.values() if not track.over and track.mode is PollMode.ACTIVE
    ]
    job = min(live, key=lambda track: track.polled_at, default=None) if account.probes % 2 else None
    yield Poll(Rank.FIRST_LIST, 0.0, account, job, probe=True)


def _list_poll(account: AccountTrack, now: float, interval: float) -> Poll | None:
    listing = account.listing
    if listing.under_way or now < listing.retry_at:
        return None
    if listing.hurried and not listing.complete:
        return Poll(Rank.FIRST_LIST, 0.0, account)
    overdue = (now - listing.polled_at + _SLACK) / list_period(interval, listing.pause)
    rests = listing.pause > LIST_SECONDS and now < listing.read_at + listing.pause
    if listing.hurried or ((listing.urgent or listing.pressing) and not rests):
        return Poll(Rank.VISIBLE, overdue, account)
    return Poll(Rank.DUE, overdue, account) if overdue >= 1 else None


def _job_poll(
    account: AccountTrack, track: JobTrack, now: float, interval: float, focus: Focus
) -> Poll | None:
    if track.under_way or now < track.retry_at:
        return None
    if track.urgent:
        return Poll(Rank.VISIBLE, 0.0, account, track)
    if track.over:
        return None
    highlighted = track.key == focus.highlighted
    if track.doubted and track.view.ended:
        return Poll(Rank.LAZY, math.inf, account, track)
    overdue = (now - track.polled_at + _SLACK) / track.period(interval, highlighted)
    if overdue < 1:
        return None
    if highlighted:
        return Poll(Rank.ASKED_FOR, overdue, account, track)
    if track.mode is PollMode.ACTIVE:
        return Poll(Rank.DUE, overdue, account, track)
    seen = track.key in focus.visible
    return Poll(Rank.VISIBLE if seen else Rank.LAZY, overdue, account, track)


BURST = 100
LAZY_BURST = 25
LAZY_SHARE = 0.25
"""Share of the budget for ended jobs that are not visible."""

_LAZY_RATE = (GRANTED * SHARE * LAZY_SHARE - LAZY_BURST) / WINDOW


class Pacing:
    """Distributes the budget over the polls, the most urgent first.

    granted: see `Budget`. blocked_by: the last answer that blocked it; None if there was none.
    blocked_at: when that was, UTC seconds.
    """

    def __init__(self, granted: int = GRANTED) -> None:
        self.budget = Budget(granted)
        self._bucket = TokenBucket(BURST)
        self._lazy = TokenBucket(LAZY_BURST)
        self.blocked_by: RateLimited | None = None
        self.blocked_at = 0.0

    def choose(
        self, polls: Sequence[Poll], now: float, interval: float, queued: int, *, eager: bool
    ) -> list[Poll]:
        """Return the polls that may be sent now, in their order.

        interval: seconds between rounds.
        queued: number of polls chosen earlier but not sent yet.
        eager: use the whole budget at once.
        """
        room = self.budget.available(now) - queued
        if eager:
            return list(polls[: max(0, room)])
        reserve = min(int(WINDOW / interval), max(0, room) // 4)
        self._bucket.refill(now, self.ordinary_rate(now, interval))
        self._lazy.refill(now, _LAZY_RATE)
        chosen = []
        for poll in polls:
            kept_back = 0 if poll.rank is Rank.ASKED_FOR else reserve
            if room > kept_back and self._grants(poll):
                chosen.append(poll)
                room -= 1
        return chosen

    def ordinary_rate(self, now: float, interval: float) -> float:
        """Return the requests per second left for all jobs but the highlighted one."""
        return max(0.0, self.budget.per_second(now) - BURST / WINDOW - 1 / interval)

    def view(self, now: float, wall: float, interval: float, demand: float) -> BudgetView:
        """Return the frozen view of the budget.

        now, wall: monotonic and UTC seconds.
        demand: requests per second that would keep every period.
        """
        rate = self.ordinary_rate(now, interval)
        stretch = demand / rate if rate > 0 else float(demand > 0) * 99.0
        blocked = self.budget.blocked_until - now
        return BudgetView(
            used=self.budget.used(now),
            limit=GRANTED,
            stretch=round(max(1.0, min(stretch, 99.0)), 1),
            blocked_until=wall + blocked if blocked > 0 else None,
            short=self.budget.is_short(now),
        )

    def _grants(self, poll: Poll) -> bool:
        """Take the tokens that a poll costs; return False if there are not enough."""
        if poll.rank is Rank.ASKED_FOR:
            return True
        if poll.rank is not Rank.FIRST_LIST and self._bucket.tokens < 1:
            return False
        if poll.rank is Rank.LAZY:
            if self._lazy.tokens < 1:
                return False
            self._lazy.take()
        self._bucket.take()
        return True
