"""API requests of the services, counted in the request budget that they share with the polls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from slurper_tui.api.errors import ApiError, RateLimited
from slurper_tui.api.models import Answer
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.polling.budget import Budget, TokenBucket

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient

T = TypeVar("T")

BURST = 20
LEAST, MOST = 0.5, 2.5
"""Background reading: `BURST` requests at once, then `LEAST` to `MOST` requests per second,
depending on how much the polls leave."""

MARGIN = 0.3
"""Requests per second that are left to other users of the budget."""

RESERVE = 100
"""Requests that are always left to the polls; at most half of the smallest window."""


class Metered:
    """Sends requests and counts each in the budget.

    blocked: called after a 429.
    polls: returns the requests per second that the polls need.
    answered: called after every good answer, so that failing accounts are probed soon.
    """

    def __init__(
        self,
        api: SlurperClient,
        budget: Budget,
        now: Callable[[], Moment],
        blocked: Callable[[RateLimited, Moment], None],
        polls: Callable[[], float] = lambda: 0.0,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        self.api = api
        self._budget = budget
        self._now = now
        self._blocked = blocked
        self._polls = polls
        self._answered = answered
        self._bucket = TokenBucket.full(BURST, LEAST, 0.0)

    @property
    def now(self) -> Callable[[], Moment]:
        """Returns the wall clock and the monotonic clock."""
        return self._now

    async def at_once(self, send: Callable[[], Awaitable[Answer[T]]]) -> T:
        """Send a request that the user waits for. Raises ApiError.

        Raises RateLimited without sending while the API blocks or the budget is spent.
        """
        now = self._now().mono
        if not self._budget.available(now):
            wait = self._budget.ready_at(now) - now
            raise RateLimited(
                f"not sent: the request budget is spent for {wait:.0f} s", retry_after=wait
            )
        return await self._send(send)

    async def in_turn(
        self, send: Callable[[], Awaitable[Answer[T]]], waits: Callable[[], None] = lambda: None
    ) -> T:
        """Send a reading request as soon as the polls leave room for it. Raises ApiError.

        waits: called before the first wait.
        """
        told = False
        while (wait := self._wait()) > 0:
            if not told:
                waits()
            told = True
            await asyncio.sleep(wait)
        self._bucket.take()
        return await self._send(send)

    def _wait(self) -> float:
        """Return the seconds until the next check; 0 if a request may be sent now."""
        now = self._now().mono
        granted = self._budget.per_second(now)
        rate = min(granted / 2, max(LEAST, min(MOST, granted - self._polls() - MARGIN)))
        if self._bucket.refill(now, rate) >= 1 and self._has_room(now):
            return 0.0
        return max(0.1, min(5.0, 1 / rate if rate > 0 else 5.0))

    def _has_room(self, now: float) -> bool:
        return self._budget.available(now) > min(RESERVE, self._budget.most // 2)

    async def _send(self, send: Callable[[], Awaitable[Answer[T]]]) -> T:
        self._budget.record_request(self._now().mono)
        try:
            answer = await send()
        except ApiError as error:
            self._budget.record_headers(error.limit, self._now().mono)
            if isinstance(error, RateLimited):
                self._blocked(error, self._now())
            raise
        self._budget.record_headers(answer.limit, self._now().mono)
        self._answered()
        return answer.value
