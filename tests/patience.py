"""How long a test waits for a condition before it fails, whatever the machine's speed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds after which a condition that does not come true is a failure."""


async def until(
    condition: Callable[[], object],
    pause: Callable[[float], Awaitable[object]],
    state: Callable[[], str] = str,
) -> None:
    """Wait until something is true. pause: takes seconds. state: what a failure shows."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"the condition never became true:\n{state()}"
        await pause(0.005)
