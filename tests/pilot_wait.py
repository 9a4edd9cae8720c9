"""Textual's Pilot waits until the event loop has nothing to do, whatever the machine's speed."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from textual import app, pilot, screen

_DUE = 0.008
"""Seconds; a timer that is due within this time is work, such as a repaint."""


def _busy(loop: Any) -> bool:
    """Whether anything but the caller is to run now, or a timer is due soon."""
    soon = loop.time() + _DUE
    return bool(loop._ready) or any(
        not timer.cancelled() and timer.when() < soon for timer in loop._scheduled
    )


async def wait_for_idle(min_sleep: float = 0, max_sleep: float = 1) -> None:
    """Return when two turns of the loop in a row have found no work, or after `max_sleep`.

    Textual's own function takes a program for idle that used little CPU within 20 ms, which is
    also true of a busy one on a loaded machine.
    """
    loop = asyncio.get_running_loop()
    end = monotonic() + max_sleep
    quiet = 0
    while quiet < 2 and monotonic() < end:
        await asyncio.sleep(0)
        if not _busy(loop):
            quiet += 1
            continue
        quiet = 0
        if not loop._ready:  # type: ignore[attr-defined]
            await asyncio.sleep(0.001)


def install() -> None:
    """Have Pilot use it, and repaint within its patience."""
    app.wait_for_idle = wait_for_idle  # type: ignore[attr-defined]
    pilot.wait_for_idle = wait_for_idle  # type: ignore[attr-defined]
    screen.UPDATE_PERIOD = 0.001  # type: ignore[misc]  # final there; read when a screen is made
