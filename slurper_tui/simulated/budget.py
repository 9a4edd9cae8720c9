"""The request budget of a simulated user, and the headers that tell about it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class SimulatedBudget:
    """The request budget of one user, which several accounts may share.

    quota: requests in each window; window: seconds. Who asks for more is refused for a window.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, quota: int = 1200, window: float = 300.0
    ) -> None:
        self._clock = clock
        self._quota = quota
        self._window = window
        self._reset = -math.inf
        self._used = 0
        self._lock = threading.Lock()

    def spend(self) -> tuple[bool, dict[str, str]]:
        """Count one request: whether it is still allowed, and the headers that tell so."""
        with self._lock:
            now = self._clock()
            if now >= self._reset:
                self._reset, self._used = now + self._window, 0
            self._used += 1
            if self._used == self._quota + 1:
                self._reset = now + self._window
            return self._used <= self._quota, self._headers(now)

    def _headers(self, now: float) -> dict[str, str]:
        left = max(0, self._quota - self._used)
        reset = max(1, math.ceil(self._reset - now))
        headers = {
            "ratelimit": f'"default";r={left};t={reset}',
            "ratelimit-policy": f'"default";q={self._quota};w={self._window:.0f}',
        }
        return headers if self._used <= self._quota else {**headers, "retry-after": str(reset)}
