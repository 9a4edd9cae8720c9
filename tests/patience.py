"""The time limit for conditions in tests, long enough for a slow machine."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Time limit in seconds for a condition."""


async def until(
    condition: Callable[[], object],
    pause: Callable[[float], Awaitable[object]],
    state: Callable[[], str] = str,
) -> None:
    """Wait for a condition. pause: sleeps for some seconds. state: described on failure."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"the condition never became true:\n{state()}"
        await pause(0.005)
