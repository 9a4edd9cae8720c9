"""The poll loop: plan a round, let ten workers ask, tell what is known, and again.

An ask goes plan → queue → worker → `landing`, which changes the tracks; `snapshots` yields when
a round is over, or a second after the first news of a slow one. Nothing but a bug ends the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, RateLimited
from slurper_tui.monitor.account_track import AccountTrack
from slurper_tui.monitor.job_track import JobTrack
from slurper_tui.monitor.landing import Landing
from slurper_tui.monitor.moment import Moment
from slurper_tui.monitor.pacing import Pacing
from slurper_tui.monitor.plan import Ask, Finder, Focus, Rank, demand, due_asks, focused_asks
from slurper_tui.monitor.source import SlurperApi
from slurper_tui.monitor.view import JobKey, Snapshot

MIN_INTERVAL = 2.0
WORKERS = 10
"""Requests under way at once; httpx's pool is quadratic in the number of waiting ones."""

_ORDER = 1e-6
"""Seconds between asks of one round, so that those behind are the first of the next."""

NEWS_SECONDS = 1.0
"""What has landed is told after so long at the latest, whoever still hangs."""

PAGE_SECONDS = 0.1
"""Pages of a long list are told no more often; a picture of each would take longer than it."""


class Monitor:
    """Follows the jobs of some accounts of one user. Implements `Feed`.

    eager: ask every job once, as fast as the budget allows, and retry nothing: for commands that
    look once. prefixes: follow only jobs whose id begins with one of them. clock: UTC seconds.
    """

    def __init__(
        self,
        api: SlurperApi,
        accounts: Sequence[str],
        *,
        interval: float = 5.0,
        clock: Callable[[], float] = time.time,
        eager: bool = False,
        prefixes: Sequence[str] = (),
        rng: random.Random | None = None,
    ) -> None:
        self._api = api
        self._clock = clock
        self._eager = eager
        self._interval = max(MIN_INTERVAL, interval)
        self._accounts = [AccountTrack(account_id) for account_id in dict.fromkeys(accounts)]
        self._pacing = Pacing()
        self._landing = Landing(
            self._pacing.budget, tuple(prefixes), rng or random.Random(), eager=eager
        )
        self._focus = Focus()
        self._queue: deque[Ask] = deque()
        self._queued = asyncio.Event()
        self._stirred = asyncio.Event()
        self._under_way = 0
        self._waiting = 0
        self._find: Finder | None = due_asks
        self._tell = True
        self._news_since, self._told_at = math.inf, -math.inf
        self._next_round = -math.inf
        self._round_begun: Moment | None = None
        self._rounds = 0

    def look_at(self, highlighted: JobKey | None, visible: frozenset[JobKey]) -> None:
        """Ask the highlighted job first, and ended jobs on the screen before the others."""
        focus = Focus(highlighted, visible)
        if focus != self._focus:
            self._focus, self._find = focus, self._find or focused_asks
            self._stirred.set()

    def refresh(self, key: JobKey) -> None:
        """Ask one job now."""
        for account in self._accounts:
            if account.account_id == key.account_id and key.job_id in account.jobs:
                account.jobs[key.job_id].ask_now()
                account.probe_soon(self._now().mono)
        self._stir(plan=True)

    def refresh_all(self) -> None:
        """Read every list and ask every job that may move, now."""
        for account in self._accounts:
            account.ask_now(self._now().mono)
        self._stir(plan=True)

    def set_interval(self, seconds: float) -> None:
        """Change the seconds between rounds, at least 2."""
        self._interval = max(MIN_INTERVAL, seconds)
        self._next_round = min(self._next_round, self._now().mono + self._interval)
        self._stir(tell=True)

    def narrow(self, keys: frozenset[JobKey]) -> None:
        """Follow only these jobs from now on."""
        self._landing.only = keys
        for account in self._accounts:
            account.jobs = {j: t for j, t in account.jobs.items() if t.view.key in keys}

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """Yield what is known: at once, after every round, and while a first list comes in."""
        crew = [asyncio.create_task(self._work()) for _ in range(WORKERS)]
        try:
            while True:
                self._plan()
                if self._tell:
                    self._tell, self._news_since, self._told_at = False, math.inf, self._now().mono
                    yield self._snapshot()
                await self._rest(crew)
        finally:
            for worker in crew:
                worker.cancel()
            await asyncio.gather(*crew, return_exceptions=True)

    def _plan(self) -> None:
        """Begin a round when it is time, queue whatever is due and may go, else end the round."""
        now = self._now()
        begins = now.mono >= self._next_round
        if begins:
            self._begin_round(now)
        if self._find is not None:
            find, self._find = self._find, None
            self._queue_due(now, begins, find)
        if self._under_way == 0:
            self._end_round()
            self._tell = self._tell or not math.isinf(self._news_since)

    def _queue_due(self, now: Moment, begins: bool, find: Finder) -> None:
        """Queue what may go; in the middle of a round, only what cannot wait for the next."""
        asks = find(self._accounts, now.mono, self._interval, self._focus)
        if self._eager:
            asks = [ask for ask in asks if ask.is_first]
        elif not begins:
            asks = [ask for ask in asks if ask.cannot_wait]
        queued = len(self._queue)
        chosen = self._pacing.choose(asks, now.mono, self._interval, queued, eager=self._eager)
        self._waiting = len(asks) - len(chosen)
        for place, ask in enumerate(chosen):
            self._enqueue(ask, now.mono + place * _ORDER)

    def _begin_round(self, now: Moment) -> None:
        """Start the next round; one whose requests still hang is over all the same."""
        self._end_round()
        self._round_begun, self._find = now, due_asks
        late = now.mono - self._next_round > self._interval
        self._next_round = (now.mono if late else self._next_round) + self._interval
        blocked = now.mono < self._pacing.budget.blocked_until
        for account in self._accounts:
            account.round_begins(now.mono, self._interval, blocked=blocked)

    def _end_round(self) -> None:
        if self._round_begun is None:
            return
        for account in self._accounts:
            account.round_is_over(self._round_begun)
        self._round_begun = None
        self._rounds += 1
        self._tell = True

    def _enqueue(self, ask: Ask, at: float) -> None:
        """Queue an ask; that it is under way keeps it from being planned twice."""
        ask.account.begin(ask.track, at, probe=ask.probe)
        if ask.rank <= Rank.FIRST_LIST:
            self._queue.appendleft(ask)
        else:
            self._queue.append(ask)
        self._under_way += 1
        self._queued.set()

    async def _work(self) -> None:
        """Ask what is queued, for ever."""
        try:
            while True:
                while not self._queue:
                    self._queued.clear()
                    await self._queued.wait()
                await self._ask(self._queue.popleft())
        finally:
            self._stirred.set()

    async def _ask(self, ask: Ask) -> None:
        """Make one request and take in what comes of it."""
        account, track, now = ask.account, ask.track, self._now()
        may_go = self._pacing.budget.available(now.mono) > 0
        if not may_go or (account.problem is not None and not ask.probe):
            account.end(track, unasked=True)
            self._landed()
            return
        self._pacing.budget.sent(now.mono)
        account.sent(track, now.mono)
        account_failed = account.problem is not None
        try:
            await self._exchange(account, track)
        except ApiError as error:
            now = self._now()
            account.end(track, unasked=isinstance(error, RateLimited))
            self._pacing.budget.heard(error.limit, now.mono)
            self._landing.failed(ask, error, now, self._interval)
        recovered = account_failed and account.problem is None
        if recovered or account.listing.wanted:
            self._find = due_asks
        self._landed()

    async def _exchange(self, account: AccountTrack, track: JobTrack | None) -> None:
        """Send one request and apply a good answer. Raises ApiError for any other."""
        if track is None:
            page = await self._api.list_jobs(account.account_id, offset=account.listing.asking)
            limit = page.limit
        else:
            answer = await self._api.progress(account.account_id, track.job_id)
            limit = answer.limit
        now = self._now()
        self._pacing.budget.heard(limit, now.mono)
        account.end(track)
        if track is None:
            hurried = account.listing.hurried
            self._landing.page(account, page.value, now)
            self._tell = self._tell or (hurried and self._is_news(account, now))
            self._find = due_asks
        else:
            self._landing.progress(account, track, answer.value, now)

    def _is_news(self, account: AccountTrack, now: Moment) -> bool:
        """Whether a page is told at once: the first, the last, and of the others a few a second."""
        ends = account.listing.pages == 1 or not account.listing.hurried
        return ends or now.mono >= self._told_at + PAGE_SECONDS

    def _landed(self) -> None:
        """One request less is under way."""
        self._under_way -= 1
        if math.isinf(self._news_since):
            self._news_since = self._now().mono
        self._stirred.set()

    async def _rest(self, crew: list[asyncio.Task[None]]) -> None:
        """Sleep until there is something to do. Raises what a worker died of: that is a bug."""
        until = self._deadline() - self._now().mono
        if until > 0 and not self._tell:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until):
                    await self._stirred.wait()
        self._stirred.clear()
        now = self._now().mono
        self._tell = self._tell or now >= self._news_since + NEWS_SECONDS
        retries = (account.retry_at for account in self._accounts if account.problem)
        if self._eager or any(at <= now for at in retries):
            self._find = due_asks
        for worker in crew:
            if worker.done():
                worker.result()

    def _deadline(self) -> float:
        """When the loop must wake even if nothing lands, monotonic seconds."""
        now = self._now().mono
        times = [self._next_round, self._news_since + NEWS_SECONDS]
        probes = (a.retry_at for a in self._accounts if a.problem and not a.under_way)
        times += [at for at in probes if at > now]
        if self._waiting and self._eager and not self._under_way:
            times.append(self._pacing.budget.ready_at(now))
        return min(times)

    def _stir(self, *, plan: bool = False, tell: bool = False) -> None:
        self._find = due_asks if plan else self._find
        self._tell = self._tell or tell
        self._stirred.set()

    def _now(self) -> Moment:
        return Moment(asyncio.get_running_loop().time(), self._clock())

    def _snapshot(self) -> Snapshot:
        now = self._now()
        wanted = demand(self._accounts, self._interval, self._focus)
        budget = self._pacing.view(now.mono, now.wall, self._interval, wanted)
        blocked_by = self._landing.blocked_by if budget.blocked_until else None
        return Snapshot(
            taken_at=now.wall,
            interval=self._interval,
            accounts=tuple(account.view for account in self._accounts),
            jobs=tuple(t.view for a in self._accounts for t in a.jobs.values()),
            budget=replace(budget, blocked_by=blocked_by, waiting=self._waiting),
            rounds=self._rounds,
            complete=not self._under_way and all(a.complete for a in self._accounts),
        )
