"""The request budget: how many requests may be sent, and when.

The API grants a user 1200 requests in five minutes, including the dashboard's, and blocks all
requests for five minutes beyond that. `Budget` enforces a hard limit of three quarters of the
granted requests. `Pacing` spreads them: in any 300 s at most 900 requests are sent, 100 of them at
once, one per round for the highlighted job, and the rest at an even pace.

Times are monotonic seconds.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Sequence

import msgspec

from slurper_tui.api.errors import RateLimit
from slurper_tui.monitor.model.job import BudgetView
from slurper_tui.monitor.polling.scheduler import Ask, Rank

LONGEST = 60.0
SHORTEST = 1.0


def backoff(failures: int, base: float, rng: random.Random) -> float:
    """Return the seconds to wait after `failures` failures in a row. base: seconds.

    The scheme is "full jitter" of Brooker, Exponential Backoff and Jitter, 2015.
    """
    span = min(LONGEST, base * 2.0 ** min(failures - 1, 16))
    return max(SHORTEST, rng.uniform(0.0, span))


GRANTED = 1200
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
    """Counts requests in sliding windows and applies the rate-limit headers of answers."""

    def __init__(self) -> None:
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
            self._left = self._less(
                int(limit.remaining * SHARE), now + min(limit.reset, _LONGEST), now
            )
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
        own = (int(GRANTED * SHARE), WINDOW)
        return [own] if self._policy is None else [own, self._policy]

    def _less(self, left: int, until: float, now: float) -> tuple[int, float]:
        """Return the smaller of two grants; answers may arrive out of order."""
        if self._left is None or now >= self._left[1]:
            return (left, until)
        return (min(left, self._left[0]), self._left[1] if left >= self._left[0] else until)


class TokenBucket(msgspec.Struct):
    """A token bucket: `burst` tokens at once, then `rate` tokens per second.

    In any period it gives at most `burst` tokens plus `rate` times the period.

    at: when it was last refilled, in monotonic seconds.
    """

    burst: float
    rate: float
    tokens: float
    at: float

    @classmethod
    def full(cls, burst: float, rate: float, now: float) -> TokenBucket:
        """Return a full bucket."""
        return cls(burst, rate, burst, now)

    def refill(self, now: float, rate: float) -> int:
        """Add tokens at `rate` for the time since the last call; return the whole tokens."""
        self.rate = rate
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * rate)
        self.at = now
        return int(self.tokens)

    def take(self, number: int = 1) -> None:
        """Remove tokens."""
        self.tokens -= number


BURST = 100
LAZY_BURST = 25
LAZY_SHARE = 0.25
"""Share of the budget for ended jobs that are not visible."""

_LAZY_RATE = (GRANTED * 0.75 * LAZY_SHARE - LAZY_BURST) / WINDOW


class Pacing:
    """Distributes the budget over the asks, the most urgent first."""

    def __init__(self) -> None:
        self.budget = Budget()
        self._bucket = TokenBucket.full(BURST, 0.0, 0.0)
        self._lazy = TokenBucket.full(LAZY_BURST, _LAZY_RATE, 0.0)

    def choose(
        self, asks: Sequence[Ask], now: float, interval: float, queued: int, *, eager: bool
    ) -> list[Ask]:
        """Return the asks that may be sent now, in their order.

        interval: seconds between rounds.
        queued: number of asks chosen earlier but not sent yet.
        eager: use the whole budget at once.
        """
        room = self.budget.available(now) - queued
        if eager:
            return list(asks[: max(0, room)])
        reserve = min(int(WINDOW / interval), max(0, room) // 4)
        self._bucket.refill(now, self.ordinary_rate(now, interval))
        self._lazy.refill(now, _LAZY_RATE)
        chosen = []
        for ask in asks:
            kept_back = 0 if ask.rank is Rank.ASKED_FOR else reserve
            if room > kept_back and self._grants(ask):
                chosen.append(ask)
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

    def _grants(self, ask: Ask) -> bool:
        """Take the tokens that an ask costs; return False if there are not enough."""
        if ask.rank is Rank.ASKED_FOR:
            return True
        if ask.rank is not Rank.FIRST_LIST and self._bucket.tokens < 1:
            return False
        if ask.rank is Rank.LAZY:
            if self._lazy.tokens < 1:
                return False
            self._lazy.take()
        self._bucket.take()
        return True
