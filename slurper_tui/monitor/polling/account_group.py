"""What the accounts of one credential share: the client, the request budget, and the queue.

The API's limit is for a user, so several accounts of one user spend one budget. Each user has
workers of its own: a credential whose requests hang does not delay the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, RateLimited
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import AccountView, BudgetView, Problem
from slurper_tui.monitor.polling.budget import LONGEST, Metered
from slurper_tui.monitor.polling.scheduler import Focus, Pacing, Poll, demand

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient
    from slurper_tui.monitor.model.base import Moment
    from slurper_tui.monitor.polling.account_tracker import AccountTrack


FIRST_LOOK, NEXT_LOOK = 5.0, 3600.0
"""Seconds from the start until the token's expiry is asked for, and between two such requests."""

_log = logging.getLogger("slurper_tui.monitor")


class AccountGroup:
    """The accounts of one credential: their client, their budget, and the polls to send.

    now: returns both clocks. demand: returns the requests per second that the polls need.
    answered: called after a good answer to a service.
    pacing: distributes the budget; shared by the groups of one user.
    queue: the chosen polls that are not sent yet. waiting: number of polls without budget.
    under_way: number of polls in the queue or sent.
    """

    def __init__(
        self,
        api: SlurperClient,
        accounts: Sequence[AccountTrack],
        now: Callable[[], Moment],
        demand: Callable[[Sequence[AccountTrack]], float],
        answered: Callable[[Sequence[AccountTrack]], None],
        peers: dict[str, Metered],
        *,
        eager: bool,
        pacing: Pacing,
    ) -> None:
        self.api = api
        self.accounts = accounts
        self.pacing = pacing
        self.budget = pacing.budget
        self.queue: deque[Poll] = deque()
        self.queued = asyncio.Event()
        self.waiting = 0
        self.under_way = 0
        self._expiry: tuple[int, float | None] = (0, None)
        self._blocks = 0
        self._eager = eager
        self.metered = Metered(
            api,
            self.budget,
            now,
            self.rate_limited,
            lambda: demand(accounts),
            lambda: answered(accounts),
            peers,
        )

    def put(self, poll: Poll, *, first: bool) -> None:
        """Queue a poll. first: before all others."""
        if first:
            self.queue.appendleft(poll)
        else:
            self.queue.append(poll)
        self.under_way += 1
        self.queued.set()

    async def take(self) -> Poll:
        """Wait for the next poll and return it."""
        while not self.queue:
            self.queued.clear()
            await self.queued.wait()
        return self.queue.popleft()

    def answered(self) -> None:
        """Record that the API answers again."""
        self._blocks = 0

    async def watch_token(self) -> None:
        """Ask when the API token expires, once an hour, when no other request needs the budget.

        The API does not answer that for an account's own token or a global key: the expiry stays
        unknown then.
        """
        await asyncio.sleep(FIRST_LOOK)
        while True:
            readings, expires = self.api.readings, None
            with suppress(ApiError):
                status = await self.metered.in_turn(self.api.verify_token, idle=True)
                expires = parse_time(status.expires_on)
            self._expiry = (readings, expires)
            await asyncio.sleep(NEXT_LOOK)

    @property
    def token_expires(self) -> float | None:
        """When the token in use expires, UTC seconds; None if it never does or is not known."""
        readings, expires = self._expiry
        return expires if readings == self.api.readings else None

    def rate_limited(self, error: RateLimited, now: Moment) -> None:
        """Handle a 429: block all requests of the user until the API allows them again.

        In eager mode the wait doubles with each further 429, so that the command gives up in time.
        """
        if now.mono >= self.budget.blocked_until:
            self._blocks += 1
            self.pacing.blocked_at = now.wall
        wait = error.retry_after
        if self._eager and wait is not None:
            wait = max(wait, min(LONGEST, 2.0 ** (self._blocks - 1)))
        self.budget.block(now.mono, wait)
        self.pacing.blocked_by = error
        wait = self.budget.blocked_until - now.mono
        _log.warning("rate limited: nothing is sent for %.0f s: %s", wait, error)

    def budget_view(self, now: Moment, interval: float, focus: Focus) -> BudgetView:
        """Return the frozen view of the budget. interval: seconds between rounds."""
        needed = 0.0 if self._eager else demand(self.accounts, interval, focus)
        view = self.pacing.view(now.mono, now.wall, interval, needed)
        blocked_by = self.pacing.blocked_by if view.blocked_until else None
        return replace(view, blocked_by=blocked_by, waiting=self.waiting)

    def account_views(self, budget: BudgetView, *, alone: bool) -> list[AccountView]:
        """Return the views of the accounts.

        alone: the budget of the whole snapshot is this one. Where other users go on, the API's
        block is a problem of these accounts.
        """
        views, expires = [], self.token_expires
        for account in self.accounts:
            sent = self.api.traffic(account.account_id)
            view = replace(account.view, budget=budget, requests=sent.requests, errors=sent.errors)
            views.append(replace(view, token_expires=expires))
        if alone or budget.blocked_by is None:
            return views
        block = Problem(budget.blocked_by, self.pacing.blocked_at, budget.blocked_until)
        return [view if view.problem else replace(view, problem=block) for view in views]


def budget_of_all(views: Sequence[BudgetView]) -> BudgetView:
    """Return the budget to show for several users: the tightest, blocked if all are blocked."""
    if len(views) == 1:
        return views[0]
    free = [view for view in views if view.blocked_until is None]
    if free:
        tightest = max(free, key=lambda view: (view.stretch, view.used))
    else:
        tightest = min(views, key=lambda view: view.blocked_until or 0.0)
    return replace(tightest, waiting=sum(view.waiting for view in views))
