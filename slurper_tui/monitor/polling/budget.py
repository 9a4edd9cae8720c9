"""The request budget: how many requests may be sent, and when.

The API grants one user 1200 requests in five minutes, the dashboard's included, and blocks
everything for five minutes past that. We take at most three quarters of whatever is granted.
Times are monotonic seconds.

How long to wait after failures.

Which of the asks that are due may go now.

In any 300 s at most 900 requests leave: 100 at once, one a round for the highlighted job, and the
rest at an even pace. The hard limit of `Budget` stands behind that whatever happens.
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
    """Seconds to wait after so many failures in a row: full jitter over a doubling span.

    The scheme is "full jitter" of Brooker, Exponential Backoff and Jitter, 2015.
    """
    span = min(LONGEST, base * 2.0 ** min(failures - 1, 16))
    return max(SHORTEST, rng.uniform(0.0, span))


GRANTED = 1200
WINDOW = 300.0
SHARE = 0.75
"""The part of what is granted that this program may use; the rest belongs to other tools."""

BLOCK_SECONDS = 300.0
"""How long a 429 without Retry-After blocks."""

_LONGEST = 3600.0
"""A header that speaks of more seconds than this is not believed: it would stop us for ever."""

_MARGIN = 0.01
"""A request leaves its window this much late, so that a window's edge never holds one too many."""


class Budget:
    """Counts requests in sliding windows and heeds what the headers say."""

    def __init__(self) -> None:
        self._sent: list[float] = []
        self._policy: tuple[int, float] | None = None
        self._left: tuple[int, float] | None = None
        self.blocked_until = 0.0

    def sent(self, now: float) -> None:
        """Count one request, at the moment it leaves."""
        self._sent.append(now)
        if self._left is not None:
            self._left = (self._left[0] - 1, self._left[1])
        longest = max(seconds for _, seconds in self._windows())
        del self._sent[: bisect.bisect_left(self._sent, now - longest - 1)]

    def heard(self, limit: RateLimit | None, now: float) -> None:
        """Take note of an answer's headers."""
        if limit is None:
            return
        if limit.remaining is not None and limit.reset:
            self._left = self._less(
                int(limit.remaining * SHARE), now + min(limit.reset, _LONGEST), now
            )
        if limit.quota is not None and limit.window:
            self._policy = (max(1, int(limit.quota * SHARE)), min(limit.window, _LONGEST))

    def block(self, now: float, retry_after: float | None) -> None:
        """Heed a 429: nothing is sent until then. retry_after: seconds."""
        wait = BLOCK_SECONDS if retry_after is None else max(1.0, retry_after)
        self.blocked_until = max(self.blocked_until, now + wait)

    def available(self, now: float) -> int:
        """How many requests may leave right now."""
        if now < self.blocked_until:
            return 0
        room = [most - self.used(now, seconds) for most, seconds in self._windows()]
        if self._left is not None and now < self._left[1]:
            room.append(self._left[0])
        return max(0, min(room))

    def ready_at(self, now: float) -> float:
        """When at least one request may leave, `now` if at once."""
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
        """Our own requests in the last so many seconds."""
        return len(self._sent) - bisect.bisect_left(self._sent, now - seconds - _MARGIN / 2)

    @property
    def most(self) -> int:
        """How many requests may leave in the smallest of the windows."""
        return min(most for most, _ in self._windows())

    def per_second(self, now: float) -> float:
        """The pace that can be kept up: requests per second."""
        paces = [most / seconds for most, seconds in self._windows()]
        if self._left is not None and now < self._left[1]:
            paces.append(max(0, self._left[0]) / max(1.0, self._left[1] - now))
        return min(paces)

    def is_short(self, now: float) -> bool:
        """Whether the headers allow less than we would take by ourselves."""
        return self.per_second(now) < GRANTED * SHARE / WINDOW * 0.99

    def _windows(self) -> list[tuple[int, float]]:
        own = (int(GRANTED * SHARE), WINDOW)
        return [own] if self._policy is None else [own, self._policy]

    def _less(self, left: int, until: float, now: float) -> tuple[int, float]:
        """The smaller of two grants; answers overtake one another, so the old may be the newer."""
        if self._left is None or now >= self._left[1]:
            return (left, until)
        return (min(left, self._left[0]), self._left[1] if left >= self._left[0] else until)


class Pace(msgspec.Struct):
    """A token bucket: `burst` at once, then `rate` a second. Never more than both together."""

    burst: float
    rate: float
    tokens: float
    at: float

    @classmethod
    def full(cls, burst: float, rate: float, now: float) -> Pace:
        """A bucket that has not been drawn from."""
        return cls(burst, rate, burst, now)

    def refill(self, now: float, rate: float) -> int:
        """Let the time since the last call count at `rate`; return the whole tokens there are."""
        self.rate = rate
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * rate)
        self.at = now
        return int(self.tokens)

    def take(self, number: int = 1) -> None:
        """Use up tokens."""
        self.tokens -= number


BURST = 100
LAZY_BURST = 25
LAZY_SHARE = 0.25
"""Ended jobs that nobody looks at may use at most a quarter of the budget."""

_LAZY_RATE = (GRANTED * 0.75 * LAZY_SHARE - LAZY_BURST) / WINDOW


class Pacing:
    """Hands the budget out, the most urgent ask first."""

    def __init__(self) -> None:
        self.budget = Budget()
        self._pace = Pace.full(BURST, 0.0, 0.0)
        self._lazy = Pace.full(LAZY_BURST, _LAZY_RATE, 0.0)

    def choose(
        self, asks: Sequence[Ask], now: float, interval: float, queued: int, *, eager: bool
    ) -> list[Ask]:
        """The asks that may go now, in their order. queued: those chosen but not yet sent."""
        room = self.budget.available(now) - queued
        if eager:
            return list(asks[: max(0, room)])
        reserve = min(int(WINDOW / interval), max(0, room) // 4)
        self._pace.refill(now, self.ordinary_rate(now, interval))
        self._lazy.refill(now, _LAZY_RATE)
        chosen = []
        for ask in asks:
            kept_back = 0 if ask.rank is Rank.ASKED_FOR else reserve
            if room > kept_back and self._grants(ask):
                chosen.append(ask)
                room -= 1
        return chosen

    def ordinary_rate(self, now: float, interval: float) -> float:
        """Requests per second left for all but the highlighted job."""
        return max(0.0, self.budget.per_second(now) - BURST / WINDOW - 1 / interval)

    def view(self, now: float, wall: float, interval: float, demand: float) -> BudgetView:
        """The budget as others see it. demand: requests per second that would keep every pace."""
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
        """Draw the tokens that an ask costs, if there are any."""
        if ask.rank is Rank.ASKED_FOR:
            return True
        if ask.rank is not Rank.FIRST_LIST and self._pace.tokens < 1:
            return False
        if ask.rank is Rank.LAZY:
            if self._lazy.tokens < 1:
                return False
            self._lazy.take()
        self._pace.take()
        return True
