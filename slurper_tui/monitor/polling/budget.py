"""The request budget: how many requests may be sent, and when.

The API grants a user 1200 requests in five minutes, including the dashboard's, and blocks all
requests for five minutes beyond that. `Budget` enforces a hard limit of three quarters of the
granted requests; `scheduler.Pacing` spreads the polls over it. `Metered` sends the requests of the
services, which share the budget with the polls.

Times are monotonic seconds.
"""

from __future__ import annotations

import asyncio
import bisect
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from slurper_tui.api.errors import ApiError, RateLimit, RateLimited

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient
    from slurper_tui.api.models import Answer
    from slurper_tui.monitor.model.base import Moment

T = TypeVar("T")

LONGEST = 60.0
SHORTEST = 1.0


def backoff(failures: int, base: float, rng: random.Random) -> float:
    """Return the seconds to wait after `failures` failures in a row. base: seconds.

    The scheme is "full jitter" of Brooker, Exponential Backoff and Jitter, 2015.
    """
    span = min(LONGEST, base * 2.0 ** min(failures - 1, 16))
    return max(SHORTEST, rng.uniform(0.0, span))


GRANTED = 1200
UNLIMITED = 10**9
"""Granted where no request leaves the program."""

WINDOW = 300.0
SHARE = 0.75
"""The share of the granted requests that this program uses; the rest is for other tools."""

BLOCK_SECONDS = 300.0
"""How long a 429 without Retry-After blocks."""

_LONGEST = 3600.0
"""Limit in seconds for times in rate-limit headers; a longer one could stop the program forever."""

_MARGIN = 0.01
"""A request leaves its window this many seconds late, so that no window ever exceeds its limit."""


class Budget:
    """Counts requests in sliding windows and applies the rate-limit headers of answers.

    granted: requests that the API grants in `WINDOW` seconds.
    """

    def __init__(self, granted: int = GRANTED) -> None:
        self._own = (int(granted * SHARE), WINDOW)
        self._sent: list[float] = []
        self._policy: tuple[int, float] | None = None
        self._left: tuple[int, float] | None = None
        self.blocked_until = 0.0

    def record_request(self, now: float) -> None:
        """Count a request that is being sent."""
        self._sent.append(now)
        if self._left is not None:
            self._left = (self._left[0] - 1, self._left[1])
        longest = max(seconds for _, seconds in self._windows())
        del self._sent[: bisect.bisect_left(self._sent, now - longest - 1)]

    def record_headers(self, limit: RateLimit | None, now: float) -> None:
        """Apply the rate-limit headers of an answer; None if it had none."""
        if limit is None:
            return
        if limit.remaining is not None and limit.reset:
            left, until = int(limit.remaining * SHARE), now + min(limit.reset, _LONGEST)
            if self._left is not None and now < self._left[1]:
                # Answers may arrive out of order: the smaller of the two grants holds.
                until = self._left[1] if left >= self._left[0] else until
                left = min(left, self._left[0])
            self._left = (left, until)
        if limit.quota is not None and limit.window:
            self._policy = (max(1, int(limit.quota * SHARE)), min(limit.window, _LONGEST))

    def block(self, now: float, retry_after: float | None) -> None:
        """Block all requests after a 429. retry_after: seconds; None if the header is missing."""
        wait = BLOCK_SECONDS if retry_after is None else max(1.0, retry_after)
        self.blocked_until = max(self.blocked_until, now + wait)

    def available(self, now: float) -> int:
        """Return how many requests may be sent now."""
        if now < self.blocked_until:
            return 0
        room = [most - self.used(now, seconds) for most, seconds in self._windows()]
        if self._left is not None and now < self._left[1]:
            room.append(self._left[0])
        return max(0, min(room))

    def ready_at(self, now: float) -> float:
        """Return when at least one request may be sent; `now` if at once."""
        if self.available(now):
            return now
        times = [self.blocked_until]
        for most, seconds in self._windows():
            used = self.used(now, seconds)
            if used >= most:
                times.append(self._sent[len(self._sent) - most] + seconds + _MARGIN)
        if self._left is not None and self._left[0] <= 0:
            times.append(self._left[1])
        return max(now + _MARGIN, *times)

    def used(self, now: float, seconds: float = WINDOW) -> int:
        """Return our own requests in the last `seconds` seconds."""
        return len(self._sent) - bisect.bisect_left(self._sent, now - seconds - _MARGIN / 2)

    @property
    def most(self) -> int:
        """The lowest limit of the windows, in requests."""
        return min(most for most, _ in self._windows())

    def per_second(self, now: float) -> float:
        """Return the requests per second that can be sustained."""
        paces = [most / seconds for most, seconds in self._windows()]
        if self._left is not None and now < self._left[1]:
            paces.append(max(0, self._left[0]) / max(1.0, self._left[1] - now))
        return min(paces)

    def is_short(self, now: float) -> bool:
        """Return whether the headers allow less than our share of the usual grant."""
        return self.per_second(now) < GRANTED * SHARE / WINDOW * 0.99

    def _windows(self) -> list[tuple[int, float]]:
        return [self._own] if self._policy is None else [self._own, self._policy]


class TokenBucket:
    """A token bucket, full at first: `burst` tokens at once, then as many as `refill` adds.

    In any period it gives at most `burst` tokens plus the rate times the period.
    """

    def __init__(self, burst: float) -> None:
        self.tokens = burst
        self._burst = burst
        self._refilled_at = 0.0

    def refill(self, now: float, rate: float) -> int:
        """Add `rate` tokens per second since the last call; return the whole tokens.

        now: monotonic seconds.
        """
        gained = max(0.0, now - self._refilled_at) * rate
        self.tokens = min(self._burst, self.tokens + gained)
        self._refilled_at = now
        return int(self.tokens)

    def take(self, number: int = 1) -> None:
        """Remove tokens."""
        self.tokens -= number


READ_BURST = 20
LEAST_READS, MOST_READS = 0.5, 2.5
"""Background reading: `READ_BURST` requests at once, then `LEAST_READS` to `MOST_READS` requests
per second, depending on how much the polls leave."""

READ_MARGIN = 0.3
"""Requests per second that are left to other users of the budget."""

READ_RESERVE = 100
"""Requests that are always left to the polls; at most half of the smallest window."""


class Metered:
    """Sends requests and counts each in the budget.

    now: returns both clocks.
    blocked: called after a 429.
    polls: returns the requests per second that the polls need.
    answered: called after every good answer, so that failing accounts are probed soon.
    peers: shared by those of all users, by account id.
    """

    def __init__(
        self,
        api: SlurperClient,
        budget: Budget,
        now: Callable[[], Moment],
        blocked: Callable[[RateLimited, Moment], None],
        polls: Callable[[], float] = lambda: 0.0,
        answered: Callable[[], None] = lambda: None,
        peers: Mapping[str, Metered] | None = None,
    ) -> None:
        self.api = api
        self._budget = budget
        self.now = now
        self._blocked = blocked
        self._polls = polls
        self._answered = answered
        self._bucket = TokenBucket(READ_BURST)
        self._readers = 0
        self._peers = {} if peers is None else peers

    def of(self, account_id: str) -> Metered:
        """Return the one of the user to whom an account belongs."""
        return self._peers.get(account_id, self)

    def unlock(self) -> None:
        """Allow requests that change something, for every user."""
        for one in (self, *self._peers.values()):
            one.api.unlock()

    def lock(self) -> None:
        """Make every user's client read-only again."""
        for one in (self, *self._peers.values()):
            one.api.lock()

    async def at_once(self, send: Callable[[], Awaitable[Answer[T]]]) -> T:
        """Send a request that the user waits for. Raises ApiError.

        Raises RateLimited without sending while the API blocks or the budget is spent.
        """
        now = self.now().mono
        if not self._budget.available(now):
            wait = self._budget.ready_at(now) - now
            raise RateLimited(
                f"not sent: the request budget is spent for {wait:.0f} s", retry_after=wait
            )
        return await self._send(send)

    async def in_turn(
        self,
        send: Callable[[], Awaitable[Answer[T]]],
        waits: Callable[[], None] = lambda: None,
        *,
        idle: bool = False,
    ) -> T:
        """Send a reading request as soon as the polls leave room for it. Raises ApiError.

        waits: called before the first wait.
        idle: nobody waits for the answer, so other readers and half of the budget come first.
        """
        self._readers += not idle
        try:
            if (wait := self._wait(idle=idle)) > 0:
                waits()
            while wait > 0:
                await asyncio.sleep(wait)
                wait = self._wait(idle=idle)
        finally:
            self._readers -= not idle
        self._bucket.take()
        return await self._send(send)

    def _wait(self, *, idle: bool) -> float:
        """Return the seconds until the next check; 0 if a request may be sent now."""
        now = self.now().mono
        granted = self._budget.per_second(now)
        spare = granted - self._polls() - READ_MARGIN
        rate = min(granted / 2, max(LEAST_READS, min(MOST_READS, spare)))
        half = self._budget.most // 2
        tokens, reserve = (READ_BURST // 2, half) if idle else (1, min(READ_RESERVE, half))
        may_go = not idle or (spare > 0 and not self._readers)
        enough = self._bucket.refill(now, rate) >= tokens and self._budget.available(now) > reserve
        if may_go and enough:
            return 0.0
        return max(0.1, min(5.0, 1 / rate if rate > 0 else 5.0))

    async def _send(self, send: Callable[[], Awaitable[Answer[T]]]) -> T:
        self._budget.record_request(self.now().mono)
        try:
            answer = await send()
        except ApiError as error:
            self._budget.record_headers(error.limit, self.now().mono)
            if isinstance(error, RateLimited):
                self._blocked(error, self.now())
            raise
        self._budget.record_headers(answer.limit, self.now().mono)
        self._answered()
        return answer.value
