"""Ten workers that ask what is queued, and apply what comes of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from slurper_tui.api.errors import ApiError, RateLimit, RateLimited
from slurper_tui.monitor.account_track import AccountTrack
from slurper_tui.monitor.job_track import JobTrack
from slurper_tui.monitor.landing import Landing
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.pacing import Pacing
from slurper_tui.monitor.plan import Ask, Rank
from slurper_tui.monitor.source import SlurperApi

WORKERS = 10
"""Requests under way at once; httpx's pool is quadratic in the number of waiting ones."""


class Outcome(NamedTuple):
    """What an ask has led to. replan: other asks may be due. paged: of a first reading, this
    account's next page has come.
    """

    replan: bool = False
    paged: AccountTrack | None = None


class Crew:
    """Asks go through `enqueue`, outcomes to `landed`; `under_way` counts what is in between.

    now: both clocks. interval: seconds between rounds, as it stands.
    """

    def __init__(
        self,
        api: SlurperApi,
        pacing: Pacing,
        landing: Landing,
        now: Callable[[], Moment],
        interval: Callable[[], float],
        landed: Callable[[Outcome], None],
    ) -> None:
        self.under_way = 0
        self._api = api
        self._pacing = pacing
        self._landing = landing
        self._now = now
        self._interval = interval
        self._landed = landed
        self._queue: deque[Ask] = deque()
        self._queued = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many asks no worker has taken yet."""
        return len(self._queue)

    def enqueue(self, ask: Ask, at: float) -> None:
        """Queue an ask; that it is under way keeps it from being planned twice."""
        ask.account.begin(ask.track, at, probe=ask.probe)
        if ask.rank <= Rank.FIRST_LIST:
            self._queue.appendleft(ask)
        else:
            self._queue.append(ask)
        self.under_way += 1
        self._queued.set()

    async def work(self) -> None:
        """Ask what is queued, for ever."""
        while True:
            while not self._queue:
                self._queued.clear()
                await self._queued.wait()
            outcome = await self._ask(self._queue.popleft())
            self.under_way -= 1
            self._landed(outcome)

    async def _ask(self, ask: Ask) -> Outcome:
        """Make one request and take in what comes of it."""
        account, track, now = ask.account, ask.track, self._now()
        may_go = self._pacing.budget.available(now.mono) > 0
        if not may_go or (account.problem is not None and not ask.probe):
            account.end(track, unasked=True)
            return Outcome()
        self._pacing.budget.sent(now.mono)
        account.sent(track, now.mono)
        account_failed, hurried = account.problem is not None, account.listing.hurried
        paged = False
        try:
            await self._exchange(account, track, now.mono)
            paged = track is None
        except ApiError as error:
            now = self._now()
            account.end(track, unasked=isinstance(error, RateLimited))
            self._pacing.budget.heard(error.limit, now.mono)
            self._landing.failed(ask, error, now, self._interval())
        recovered = account_failed and account.problem is None
        replan = paged or recovered or account.listing.wanted
        return Outcome(replan, account if paged and hurried else None)

    async def _exchange(self, account: AccountTrack, track: JobTrack | None, sent: float) -> None:
        """Send one request and apply a good answer. Raises ApiError for any other."""
        if track is None:
            page = await self._api.list_jobs(account.account_id, offset=account.listing.asking)
            account.listing.cost(self._now().mono - sent, page.size)
            self._heard(account, track, page.limit)
            self._landing.page(account, page.value, self._now(), page.total)
        else:
            answer = await self._api.progress(account.account_id, track.job_id)
            self._heard(account, track, answer.limit)
            self._landing.progress(account, track, answer.value, self._now(), self._interval())

    def _heard(
        self, account: AccountTrack, track: JobTrack | None, limit: RateLimit | None
    ) -> None:
        self._pacing.budget.heard(limit, self._now().mono)
        account.end(track)
