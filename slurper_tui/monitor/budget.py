"""The request budget: how many requests may be sent, and when.

The API grants one user 1200 requests in five minutes, the dashboard's included, and blocks
everything for five minutes past that. We take at most three quarters of whatever is granted.
Times are monotonic seconds.
"""

from __future__ import annotations

import bisect

import msgspec

from slurper_tui.api.errors import RateLimit

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
