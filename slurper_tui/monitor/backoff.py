"""How long to wait after failures."""

from __future__ import annotations

import random

LONGEST = 60.0
SHORTEST = 1.0


def backoff(failures: int, base: float, rng: random.Random) -> float:
    """Seconds to wait after so many failures in a row: full jitter over a doubling span.

    The scheme is "full jitter" of Brooker, Exponential Backoff and Jitter, 2015.
    """
    span = min(LONGEST, base * 2.0 ** min(failures - 1, 16))
    return max(SHORTEST, rng.uniform(0.0, span))
