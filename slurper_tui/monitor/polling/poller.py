"""The poll loop: `Monitor` plans rounds of requests and yields a `Snapshot` after each.

Data flow: `scheduler` finds the polls that are due, the `Pacing` of each credential chooses those
that its budget allows, its ten workers send them, `AnswerApplier` applies the answers to the
tracks. `snapshots` yields when a round is over, or at most a second after the first answer of a
slow round. New samples, jobs and events go to `HistorySync` before each snapshot. API errors never
end the loop; only a bug does.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, RateLimited
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.monitor.model.selection import ALL_JOBS, Selection
from slurper_tui.monitor.polling.account_group import AccountGroup, budget_of_all
from slurper_tui.monitor.polling.budget import GRANTED, UNLIMITED, Metered
from slurper_tui.monitor.polling.clock import MachineClock
from slurper_tui.monitor.polling.history_sync import HistorySync, StoredHistory
from slurper_tui.monitor.polling.job_store import AnswerApplier, JobStore
from slurper_tui.monitor.polling.scheduler import (
    Finder,
    Focus,
    Pacing,
    Poll,
    Rank,
    demand,
    due_polls,
    focused_polls,
)

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient
    from slurper_tui.monitor.model.base import JobKey, Moment, Window
    from slurper_tui.monitor.polling.account_tracker import AccountTrack
    from slurper_tui.monitor.polling.clock import ReplayClock


WORKERS = 10
"""Number of concurrent requests; httpx's pool is quadratic in the number of waiting requests."""

MIN_INTERVAL = 2.0

_ORDER = 1e-6
"""Seconds between the times of two polls queued together, so that they keep their order later."""

NEWS_SECONDS = 1.0
"""Yield a snapshot at most this many seconds after an answer, even if other requests hang."""

COUNTS_SECONDS = 0.04
"""How long a new page waits for its jobs' counts, in seconds: one picture is faster than two."""

PAGE_SECONDS = 0.1
"""Least seconds between two snapshots for pages of a long list; drawing takes longer than a
page."""


class Monitor:
    """Polls the jobs of some accounts and yields snapshots.

    clients: by account id. The accounts of one client, and of clients with the same `user`, share
        a budget.
    interval: seconds between rounds, at least 2.
    clock: returns UTC seconds.
    eager: poll every job once, as fast as the budget allows, without retries; for commands that
        need a single answer.
    selection: names of the jobs to follow.
    history: what earlier runs stored.
    needs: given a job's list row as a view, whether its counts are needed.
    skip_ended: do not poll jobs that ended according to the history.
    watch_tokens: ask once an hour when the API tokens expire.
    timer: the time of a replay, which needs no request budget; None for that of the machine, with
        `clock`.
    """

    def __init__(
        self,
        clients: Mapping[str, SlurperClient],
        history: StoredHistory,
        *,
        interval: float = 5.0,
        clock: Callable[[], float] = time.time,
        eager: bool = False,
        selection: Selection = ALL_JOBS,
        rng: random.Random | None = None,
        needs: Callable[[JobView], bool] = lambda view: True,
        skip_ended: bool = False,
        watch_tokens: bool = False,
        timer: ReplayClock | None = None,
    ) -> None:
        self.history = history
        self._timer: MachineClock = timer or MachineClock(clock)
        self._granted = GRANTED if timer is None else UNLIMITED
        self.eager = eager
        self._watches_tokens = watch_tokens
        self.interval = max(MIN_INTERVAL, interval)
        self.job_store = JobStore(
            [*clients], self._now, lambda: self._wake(plan=True, snapshot=True)
        )
        self._clock = self._timer.wall
        self._accounts = self.job_store.accounts
        self._answers = AnswerApplier(selection, rng or random.Random(), eager=eager, needs=needs)
        if history.clock_was_set:
            self._answers.lose_time()
        self._groups = self._make_groups(clients)
        self._group_of = {
            each.account_id: group for group in self._groups for each in group.accounts
        }
        self.metered = self._groups[0].metered
        self._history_sync = HistorySync(
            history.recorder, self.job_store, lambda: self._wake(snapshot=True)
        )
        self._focus = Focus()
        self._woken = asyncio.Event()
        self._find_due: Finder = partial(due_polls, lazy_look=None) if eager else due_polls
        self._find: Finder | None = self._find_due
        self._round_begun: Moment | None = None
        self._next_round, self._rounds = -math.inf, 0
        self._snapshot_by, self._last_snapshot = -math.inf, -math.inf
        self._stored_jobs = [
            job
            for job in history.jobs
            if job.account_id in self.job_store.ids
            and self._answers.follows(job.account_id, job.job)
        ]
        self.job_store.add_stored(self._stored_jobs if history.shown else ())
        if skip_ended:
            self._answers.ends = {
                job.key: replace(job, closed=True) for job in self._stored_jobs if job.over
            }

    def _make_groups(self, clients: Mapping[str, SlurperClient]) -> list[AccountGroup]:
        """Group the accounts by their clients."""
        by_client: dict[SlurperClient, list[AccountTrack]] = {}
        for account in self._accounts:
            by_client.setdefault(clients[account.account_id], []).append(account)
        answered, peers = self.job_store.answered, dict[str, Metered]()
        shared = (self._now, self._demand, answered, peers)
        users = {api: api.user or api for api in by_client}
        pacings = {user: Pacing(self._granted) for user in users.values()}
        groups = [
            AccountGroup(api, accounts, *shared, eager=self.eager, pacing=pacings[users[api]])
            for api, accounts in by_client.items()
        ]
        for group in groups:
            peers.update({account.account_id: group.metered for account in group.accounts})
        return groups

    def look_at(
        self,
        highlighted: JobKey | None,
        visible: frozenset[JobKey],
        charted: tuple[JobKey, ...] = (),
    ) -> None:
        """Poll the highlighted job first, and visible ended jobs before other ended jobs.

        charted: the jobs whose summed `trace` and events the snapshots have; empty for those of the
        highlighted job.
        """
        focus = Focus(highlighted, visible)
        alone = () if highlighted is None else (highlighted,)
        self._history_sync.look_at(charted or alone, self._clock())
        if focus != self._focus:
            self._focus, self._find = focus, self._find or focused_polls
            self._woken.set()

    def set_window(self, window: Window) -> None:
        """Set the period of the chart data."""
        self._history_sync.set_window(window, self._clock())

    def refresh(self, key: JobKey) -> None:
        """Poll one job now."""
        self.job_store.poll(key)

    def refresh_all(self) -> None:
        """Read every list and poll every job that may still change, now."""
        self.job_store.poll_all()

    def set_interval(self, seconds: float) -> None:
        """Set the seconds between rounds, at least 2."""
        self.interval = max(MIN_INTERVAL, seconds)
        self._next_round = min(self._next_round, self._now().mono + self.interval)
        self._wake(snapshot=True)

    def narrow(self, keys: frozenset[JobKey]) -> None:
        """Follow only these jobs from now on."""
        self._answers.only = keys
        self.job_store.narrow(keys)

    def latest(self) -> float:
        """Return the later of now and the newest sample, in UTC seconds.

        After the clock was set back, stored samples are later than now.
        """
        samples = (track.series.last for track in self.job_store.tracks())
        return max(self._clock(), 0.0, *(sample.at for sample in samples if sample))

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """Yield a snapshot at once, after every round, and while a first list is being read."""
        await self._history_sync.load(self._stored_jobs, self._answers.unlisted, self._now)
        groups = [group for group in self._groups for _ in range(WORKERS)]
        workers = [asyncio.create_task(self._work(group)) for group in groups]
        if self._watches_tokens:
            workers += [asyncio.create_task(group.watch_token()) for group in self._groups]
        for worker in workers:
            worker.add_done_callback(lambda _: self._woken.set())
        try:
            while True:
                self._plan()
                if self._snapshot_by <= self._now().mono:
                    self._snapshot_by, self._last_snapshot = math.inf, self._now().mono
                    self._history_sync.store(self._answers.unsaved)
                    yield self._snapshot()
                await self._rest(workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._history_sync.store(self._answers.unsaved)
            await self._history_sync.close()

    def _plan(self) -> None:
        """Begin a round if it is time, queue polls that may go, end the round if none is left."""
        now = self._now()
        begins = now.mono >= self._next_round
        if begins:
            self._begin_round(now)
        if self._find is not None:
            polls = self._find(self._accounts, now.mono, self.interval, self._focus)
            self._find = None
            if self.eager:
                polls = [poll for poll in polls if poll.is_first]
            elif not begins:  # in the middle of a round
                polls = [poll for poll in polls if poll.cannot_wait]
            for group in self._groups:
                own = polls
                if len(self._groups) > 1:
                    own = [p for p in polls if self._group_of[p.account.account_id] is group]
                chosen = group.pacing.choose(
                    own, now.mono, self.interval, len(group.queue), eager=self.eager
                )
                group.waiting = len(own) - len(chosen)
                for place, poll in enumerate(chosen):
                    # From now on it is under way, so that it is not planned twice.
                    poll.account.begin(poll.track, now.mono + place * _ORDER, probe=poll.probe)
                    group.put(poll, first=poll.rank <= Rank.FIRST_LIST)
        if not any(group.under_way for group in self._groups):
            self._end_round()
            if self._snapshot_by < math.inf:
                self._snapshot_by = -math.inf

    def _begin_round(self, now: Moment) -> None:
        """Begin the next round; hanging requests of the last one do not delay it."""
        self._end_round()
        self._round_begun, self._find = now, self._find_due
        late = now.mono - self._next_round > self.interval
        self._next_round = (now.mono if late else self._next_round) + self.interval
        for group in self._groups:
            blocked = now.mono < group.budget.blocked_until
            for account in group.accounts:
                account.round_begins(now.mono, self.interval, blocked=blocked)
        if not self.eager:
            self._history_sync.read_plans(now.mono)

    def _end_round(self) -> None:
        if self._round_begun is None:
            return
        for account in self._accounts:
            account.round_is_over(self._round_begun)
        self._round_begun = None
        self._rounds += 1
        self._snapshot_by = -math.inf

    async def _work(self, group: AccountGroup) -> None:
        """Send the queued polls of a credential forever.

        Without budget, or if the account began to fail meanwhile, nothing is sent and the poll is
        due again.
        """
        while True:
            poll = await group.take()
            account = poll.account
            failing, hurried = account.problem is not None, account.listing.hurried
            if not group.budget.available(self._now().mono) or (failing and not poll.probe):
                account.end(poll.track, unasked=True)
                listed = replan = False
            else:
                listed = await self._send(group, poll) and poll.track is None
                recovered = failing and account.problem is None
                replan = listed or recovered or account.listing.urgent
            group.under_way -= 1
            if replan:
                self._find = self._find_due
            # A page of a first reading is shown soon if it is the first or the last one, or if the
            # last snapshot is old enough.
            now, listing = self._now().mono, account.listing
            soon = (listed and hurried) and (
                listing.pages == 1
                or not listing.hurried
                or now >= self._last_snapshot + PAGE_SECONDS
            )
            wait = COUNTS_SECONDS if soon else NEWS_SECONDS
            self._snapshot_by = min(self._snapshot_by, now + wait)
            self._woken.set()

    async def _send(self, group: AccountGroup, poll: Poll) -> bool:
        """Send one request and apply its answer or its error; return whether it was an answer."""
        account, track, sent = poll.account, poll.track, self._now().mono
        group.budget.record_request(sent)
        if track is not None:
            track.sent_at = sent
        try:
            if track is None:
                offset = account.listing.asking
                page = await group.api.list_jobs(account.account_id, offset=offset)
                now = self._now()
                account.listing.cost(now.mono - sent, page.size)
                group.budget.record_headers(page.limit, now.mono)
                account.end(track)
                self._answers.apply_page(account, page.value, now, page.total)
            else:
                answer = await group.api.progress(account.account_id, track.job_id)
                now = self._now()
                group.budget.record_headers(answer.limit, now.mono)
                account.end(track)
                self._answers.apply_progress(account, track, answer.value, now, self.interval)
        except ApiError as error:
            now = self._now()
            group.budget.record_headers(error.limit, now.mono)
            account.end(track, unasked=isinstance(error, RateLimited))
            if isinstance(error, RateLimited):
                group.rate_limited(error, now)
            else:
                self._answers.apply_error(poll, error, now, self.interval)
            return False
        group.answered()
        return True

    async def _rest(self, workers: list[asyncio.Task[None]]) -> None:
        """Sleep until there is something to do. Raises the exception of a dead worker (a bug)."""
        now = self._now().mono
        deadlines = [self._next_round, self._snapshot_by]
        probes = (a.retry_at for a in self._accounts if a.problem and not a.under_way)
        deadlines += [at for at in probes if at > now]
        if self.eager:
            waiting = (group for group in self._groups if group.waiting and not group.under_way)
            deadlines += [group.budget.ready_at(now) for group in waiting]
        busy = any(group.under_way for group in self._groups)
        if await self._timer.wait(self._woken, min(deadlines), busy=busy):
            self.refresh_all()
        self._woken.clear()
        now = self._now().mono
        retries = (account.retry_at for account in self._accounts if account.problem)
        if self.eager or any(at <= now for at in retries):
            self._find = self._find_due
        for worker in workers:
            if worker.done():
                worker.result()

    def _wake(self, *, plan: bool = False, snapshot: bool = False) -> None:
        if plan:
            self._find = self._find_due
        if snapshot:
            self._snapshot_by = -math.inf
        self._woken.set()

    def _now(self) -> Moment:
        return self._timer.now()

    def _demand(self, accounts: Sequence[AccountTrack]) -> float:
        """Return the requests per second that polling every job on time would take; 0 if eager."""
        return 0.0 if self.eager else demand(accounts, self.interval, self._focus)

    def _snapshot(self) -> Snapshot:
        now = self._now()
        budgets = [group.budget_view(now, self.interval, self._focus) for group in self._groups]
        budget = budget_of_all(budgets)
        blocked = budget.blocked_until is not None
        under_way = any(group.under_way for group in self._groups)
        views = {
            view.account_id: view
            for group, own in zip(self._groups, budgets, strict=True)
            for view in group.account_views(own, alone=blocked)
        }
        return Snapshot(
            taken_at=now.wall,
            interval=self.interval,
            accounts=tuple(views[account.account_id] for account in self._accounts),
            jobs=self.job_store.views(),
            budget=budget,
            rounds=self._rounds,
            complete=not under_way and all(account.complete for account in self._accounts),
            history_note=self.history.recorder.view.note,
            trace=self._history_sync.trace(now.wall),
            away_since=self.history.away_since,
            events=self._history_sync.events(),
            links=self.job_store.links,
            unstarted=self.job_store.unstarted,
        )
