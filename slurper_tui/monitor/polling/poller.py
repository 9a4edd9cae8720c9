"""The poll loop: `Monitor` plans rounds of requests and yields a `Snapshot` after each.

Data flow: `scheduler` finds the asks that are due, `Pacing` chooses those that the budget allows,
`Workers` sends ten at a time, `Answers` applies the answers to the tracks. `snapshots` yields when
a round is over, or at most a second after the first answer of a slow round. New samples, jobs and
events go to `HistorySync` before each snapshot. API errors never end the loop; only a bug does.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, RateLimited
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.monitor.model.samples import final
from slurper_tui.monitor.model.timeline import Window
from slurper_tui.monitor.polling.account_tracker import AccountTrack
from slurper_tui.monitor.polling.budget import Metered
from slurper_tui.monitor.polling.history_sync import HistorySync, Past
from slurper_tui.monitor.polling.job_store import Answers, JobStore
from slurper_tui.monitor.polling.job_tracker import JobTrack
from slurper_tui.monitor.polling.scheduler import (
    Ask,
    Finder,
    Focus,
    Pacing,
    Rank,
    all_asks,
    demand,
    due_asks,
    focused_asks,
)

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient
    from slurper_tui.monitor.reports.digest import Digest
    from slurper_tui.monitor.services import Services


WORKERS = 10
"""Number of concurrent requests; httpx's pool is quadratic in the number of waiting requests."""


class Outcome(NamedTuple):
    """The result of an ask.

    replan: other asks may be due now.
    paged: the account, if the ask got a page of its first reading of the list; else None.
    """

    replan: bool = False
    paged: AccountTrack | None = None


class Workers:
    """Workers that send the queued asks and apply the answers.

    `under_way` counts the asks between `enqueue` and the `done` callback.

    now: returns both clocks.
    interval: returns the current seconds between rounds.
    """

    def __init__(
        self,
        api: SlurperClient,
        pacing: Pacing,
        answers: Answers,
        now: Callable[[], Moment],
        interval: Callable[[], float],
        done: Callable[[Outcome], None],
    ) -> None:
        self.under_way = 0
        self._api = api
        self._pacing = pacing
        self._answers = answers
        self._now = now
        self._interval = interval
        self._on_outcome = done
        self._queue: deque[Ask] = deque()
        self._queued = asyncio.Event()

    @property
    def waiting(self) -> int:
        """The number of asks that no worker has taken yet."""
        return len(self._queue)

    def enqueue(self, ask: Ask, at: float) -> None:
        """Queue an ask and mark it as under way, so that it is not planned twice.

        at: monotonic seconds.
        """
        ask.account.begin(ask.track, at, probe=ask.probe)
        if ask.rank <= Rank.FIRST_LIST:
            self._queue.appendleft(ask)
        else:
            self._queue.append(ask)
        self.under_way += 1
        self._queued.set()

    async def work(self) -> None:
        """Send queued asks forever."""
        while True:
            while not self._queue:
                self._queued.clear()
                await self._queued.wait()
            outcome = await self._ask(self._queue.popleft())
            self.under_way -= 1
            self._on_outcome(outcome)

    async def _ask(self, ask: Ask) -> Outcome:
        """Send one request, apply its answer or its error, and return the outcome.

        Without budget, or if the account began to fail meanwhile, nothing is sent and the ask is
        due again.
        """
        account, track, now = ask.account, ask.track, self._now()
        may_go = self._pacing.budget.available(now.mono) > 0
        if not may_go or (account.problem is not None and not ask.probe):
            account.end(track, unasked=True)
            return Outcome()
        self._pacing.budget.record_request(now.mono)
        account.sent(track, now.mono)
        account_failed, hurried = account.problem is not None, account.listing.hurried
        paged = False
        try:
            await self._exchange(account, track, now.mono)
            paged = track is None
        except ApiError as error:
            now = self._now()
            account.end(track, unasked=isinstance(error, RateLimited))
            self._pacing.budget.record_headers(error.limit, now.mono)
            self._answers.apply_error(ask, error, now, self._interval())
        recovered = account_failed and account.problem is None
        replan = paged or recovered or account.listing.wanted
        return Outcome(replan, account if paged and hurried else None)

    async def _exchange(self, account: AccountTrack, track: JobTrack | None, sent: float) -> None:
        """Send one request and apply the answer. Raises ApiError."""
        budget, answers = self._pacing.budget, self._answers
        if track is None:
            page = await self._api.list_jobs(account.account_id, offset=account.listing.asking)
            now = self._now()
            account.listing.cost(now.mono - sent, page.size)
            budget.record_headers(page.limit, now.mono)
            account.end(track)
            answers.apply_page(account, page.value, now, page.total)
        else:
            answer = await self._api.progress(account.account_id, track.job_id)
            now = self._now()
            budget.record_headers(answer.limit, now.mono)
            account.end(track)
            answers.apply_progress(account, track, answer.value, now, self._interval())


MIN_INTERVAL = 2.0

_ORDER = 1e-6
"""Seconds between the times of two asks queued together, so that they keep their order later."""

NEWS_SECONDS = 1.0
"""Yield a snapshot at most this many seconds after an answer, even if other requests hang."""

PLAN_SECONDS = 30.0
"""Seconds between two readings of the plans, which other programs may have created or changed."""

COUNTS_SECONDS = 0.04
"""How long a new page waits for its jobs' counts, in seconds: one picture is faster than two."""

PAGE_SECONDS = 0.1
"""Least seconds between two snapshots for pages of a long list; drawing takes longer than a
page."""


class Monitor:
    """Polls the jobs of some accounts of one user and yields snapshots.

    interval: seconds between rounds, at least 2.
    clock: returns UTC seconds.
    eager: poll every job once, as fast as the budget allows, without retries; for commands that
        need a single answer.
    prefixes: follow only job ids that begin with one of them.
    past: what earlier runs stored.
    needs: given a job's list row as a view, whether its counts are needed.
    known_ends: do not poll jobs that the history knows to have ended.
    """

    def __init__(
        self,
        api: SlurperClient,
        accounts: Sequence[str],
        past: Past,
        *,
        interval: float = 5.0,
        clock: Callable[[], float] = time.time,
        eager: bool = False,
        prefixes: Sequence[str] = (),
        rng: random.Random | None = None,
        needs: Callable[[JobView], bool] = lambda view: True,
        known_ends: bool = False,
    ) -> None:
        self._clock = clock
        self._eager = eager
        self._interval = max(MIN_INTERVAL, interval)
        self._job_store = JobStore(
            accounts, self._now, lambda: self._wake(plan=True, snapshot=True)
        )
        self._accounts = self._job_store.accounts
        self._pacing = Pacing()
        self._answers = Answers(
            self._pacing.budget, tuple(prefixes), rng or random.Random(), eager=eager, needs=needs
        )
        if past.clock_was_set:
            self._answers.lose_time()
        rounds = self._seconds
        self._workers = Workers(
            api, self._pacing, self._answers, self._now, rounds, self._on_outcome
        )
        self._history_sync = HistorySync(past.history, lambda: self._wake(snapshot=True))
        self._past = past
        self._focus = Focus()
        self._woken = asyncio.Event()
        self._waiting = 0
        self._due: Finder = all_asks if eager else due_asks
        self._find: Finder | None = self._due
        self._snapshot_due = True
        self._news_since, self._snapshot_at = math.inf, -math.inf
        self._next_round, self._rounds = -math.inf, 0
        self._round_begun: Moment | None = None
        self._plan_reading: asyncio.Task[None] | None = None
        self._plans_read, self._jobs_planned = -math.inf, 0
        blocked = self._answers.apply_rate_limit
        budget, answered = self._pacing.budget, self._job_store.answered
        self._metered = Metered(api, budget, self._now, blocked, self._demand, answered)
        self._services: Services | None = None
        self._remembered = [k for k in past.remembered if self._follows(k.key)]
        self._job_store.remember(self._remembered if past.shown else ())
        if known_ends:
            ends = filter(None, map(final, self._remembered))
            self._answers.ends = {known.key: known for known in ends}

    def _seconds(self) -> float:
        return self._interval

    def _follows(self, key: JobKey) -> bool:
        return self._job_store.knows(key.account_id) and self._answers.follows(*key)

    def look_at(self, highlighted: JobKey | None, visible: frozenset[JobKey]) -> None:
        """Poll the highlighted job first, and visible ended jobs before other ended jobs."""
        focus = Focus(highlighted, visible)
        if focus != self._focus:
            self._focus, self._find = focus, self._find or focused_asks
            self._history_sync.look_at(
                highlighted, self._job_store.view(highlighted), self._clock()
            )
            self._woken.set()

    def set_window(self, window: Window) -> None:
        """Set how much of the highlighted job's past is shown."""
        highlighted = self._job_store.view(self._focus.highlighted)
        self._history_sync.set_window(window, highlighted, self._clock())

    def refresh(self, key: JobKey) -> None:
        """Poll one job now."""
        self._job_store.ask(key)

    def refresh_all(self) -> None:
        """Read every list and poll every job that may still change, now."""
        self._job_store.ask_all()

    def set_interval(self, seconds: float) -> None:
        """Set the seconds between rounds, at least 2."""
        self._interval = max(MIN_INTERVAL, seconds)
        self._next_round = min(self._next_round, self._now().mono + self._interval)
        self._wake(snapshot=True)

    def narrow(self, keys: frozenset[JobKey]) -> None:
        """Follow only these jobs from now on."""
        self._answers.only = keys
        self._job_store.narrow(keys)

    async def digest(self, since: float | None = None, zone: tzinfo | None = None) -> Digest:
        """Return a digest since a UTC second; None for the start of the user's last absence."""
        now, away = self._job_store.latest(self._clock()), self._past.away_since
        return await self._history_sync.digest(
            self._job_store.views(), since, now, zone, away_since=away
        )

    async def services(self) -> Services:
        """Return the services, which share the request budget; they are made by the first call."""
        if self._services is None:
            from slurper_tui.monitor.services import make_services  # not for the first picture

            self._services = make_services(
                self._metered, self._job_store, self._past, self._job_store.ids, self._seconds
            )
        return self._services

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """Yield a snapshot at once, after every round, and while a first list is being read."""
        await self._history_sync.recall(
            self._remembered, self._job_store.track, self._answers.past, self._now
        )
        await self._job_store.recall(self._past.history.notes)
        tasks = [asyncio.create_task(self._work()) for _ in range(WORKERS)]
        try:
            while True:
                self._plan()
                if self._snapshot_due:
                    self._snapshot_due = False
                    self._news_since, self._snapshot_at = math.inf, self._now().mono
                    self._history_sync.keep(*self._answers.fresh)
                    yield self._snapshot()
                await self._rest(tasks)
        finally:
            background = [*tasks, *([self._plan_reading] if self._plan_reading else [])]
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            self._history_sync.keep(*self._answers.fresh)
            await self._history_sync.close()
            if self._services is not None and not self._eager:
                await self._services.close()

    async def _work(self) -> None:
        try:
            await self._workers.work()
        finally:
            self._woken.set()

    def _plan(self) -> None:
        """Begin a round if it is time, queue asks that may go, end the round if none is left."""
        now = self._now()
        begins = now.mono >= self._next_round
        if begins:
            self._begin_round(now)
        if self._find is not None:
            find, self._find = self._find, None
            self._queue_due(now, begins, find)
        if self._workers.under_way == 0:
            self._end_round()
            self._snapshot_due = self._snapshot_due or not math.isinf(self._news_since)

    def _queue_due(self, now: Moment, begins: bool, find: Finder) -> None:
        """Queue the asks that may go; in the middle of a round, only those that cannot wait."""
        asks = find(self._accounts, now.mono, self._interval, self._focus)
        if self._eager:
            asks = [ask for ask in asks if ask.is_first]
        elif not begins:
            asks = [ask for ask in asks if ask.cannot_wait]
        queued = self._workers.waiting
        chosen = self._pacing.choose(asks, now.mono, self._interval, queued, eager=self._eager)
        self._waiting = len(asks) - len(chosen)
        for place, ask in enumerate(chosen):
            self._workers.enqueue(ask, now.mono + place * _ORDER)

    def _begin_round(self, now: Moment) -> None:
        """Begin the next round; hanging requests of the last one do not delay it."""
        self._end_round()
        self._round_begun, self._find = now, self._due
        late = now.mono - self._next_round > self._interval
        self._next_round = (now.mono if late else self._next_round) + self._interval
        blocked = now.mono < self._pacing.budget.blocked_until
        for account in self._accounts:
            account.round_begins(now.mono, self._interval, blocked=blocked)
        self._read_plans(now)

    def _read_plans(self, now: Moment) -> None:
        """Read the plans again if the number of jobs changed or `PLAN_SECONDS` have passed.

        Another program may have created or changed a plan.
        """
        jobs = sum(len(account.jobs) for account in self._accounts)
        due = jobs != self._jobs_planned or now.mono >= self._plans_read + PLAN_SECONDS
        busy = self._plan_reading is not None and not self._plan_reading.done()
        if self._eager or busy or not due:
            return
        self._jobs_planned, self._plans_read = jobs, now.mono
        reading = self._job_store.recall_plans(self._past.history.notes)
        self._plan_reading = asyncio.create_task(reading)

    def _end_round(self) -> None:
        if self._round_begun is None:
            return
        for account in self._accounts:
            account.round_is_over(self._round_begun)
        self._round_begun = None
        self._rounds += 1
        self._snapshot_due = True

    def _is_news(self, account: AccountTrack, now: Moment) -> bool:
        """Return whether a page needs a snapshot: the first, the last, or a few per second."""
        ends = account.listing.pages == 1 or not account.listing.hurried
        return ends or now.mono >= self._snapshot_at + PAGE_SECONDS

    def _on_outcome(self, outcome: Outcome) -> None:
        """Handle the outcome of an ask: plan again if needed and schedule a snapshot."""
        if outcome.replan:
            self._find = self._due
        now = self._now()
        if outcome.paged is not None and self._is_news(outcome.paged, now):
            soon = now.mono - NEWS_SECONDS + COUNTS_SECONDS
            self._news_since = min(self._news_since, soon)
        if math.isinf(self._news_since):
            self._news_since = now.mono
        self._woken.set()

    async def _rest(self, tasks: list[asyncio.Task[None]]) -> None:
        """Sleep until there is something to do. Raises the exception of a dead worker (a bug)."""
        until = self._deadline() - self._now().mono
        if until > 0 and not self._snapshot_due:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until):
                    await self._woken.wait()
        self._woken.clear()
        now = self._now().mono
        self._snapshot_due = self._snapshot_due or now >= self._news_since + NEWS_SECONDS
        retries = (account.retry_at for account in self._accounts if account.problem)
        if self._eager or any(at <= now for at in retries):
            self._find = self._due
        for worker in tasks:
            if worker.done():
                worker.result()

    def _deadline(self) -> float:
        """Return when the loop must wake even without an answer, in monotonic seconds."""
        now = self._now().mono
        times = [self._next_round, self._news_since + NEWS_SECONDS]
        probes = (a.retry_at for a in self._accounts if a.problem and not a.under_way)
        times += [at for at in probes if at > now]
        if self._waiting and self._eager and not self._workers.under_way:
            times.append(self._pacing.budget.ready_at(now))
        return min(times)

    def _wake(self, *, plan: bool = False, snapshot: bool = False) -> None:
        self._find = self._due if plan else self._find
        self._snapshot_due = self._snapshot_due or snapshot
        self._woken.set()

    def _now(self) -> Moment:
        return Moment(asyncio.get_running_loop().time(), self._clock())

    def _demand(self) -> float:
        """Return the requests per second that polling every job on time would take; 0 if eager."""
        return 0.0 if self._eager else demand(self._accounts, self._interval, self._focus)

    def _snapshot(self) -> Snapshot:
        now = self._now()
        budget = self._pacing.view(now.mono, now.wall, self._interval, self._demand())
        blocked_by = self._answers.blocked_by if budget.blocked_until else None
        return Snapshot(
            taken_at=now.wall,
            interval=self._interval,
            accounts=tuple(account.view for account in self._accounts),
            jobs=self._job_store.views(),
            budget=replace(budget, blocked_by=blocked_by, waiting=self._waiting),
            rounds=self._rounds,
            complete=not self._workers.under_way and all(a.complete for a in self._accounts),
            history_note=self._history_sync.note,
            trace=self._history_sync.trace_at(now.wall),
            away_since=self._past.away_since,
            events=self._history_sync.events_of(self._job_store),
            links=self._job_store.links,
            unstarted=self._job_store.unstarted,
        )
