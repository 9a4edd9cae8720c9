"""Make Textual's Pilot wait until the event loop is idle, at any speed of the machine, and let the
apps of one process share what they parse of their stylesheets.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from textual import app, pilot, screen
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from tests.patience import PATIENCE

_DUE = 0.008
"""Seconds; a timer that is due within this time is work, such as a repaint."""

_TIMERS = 500
"""Most timers to wait for, so that a repeating one, as of an animation, does not block."""


def _due(loop: Any) -> bool:
    """Return whether a timer is due soon."""
    soon = loop.time() + _DUE
    return any(not timer.cancelled() and timer.when() < soon for timer in loop._scheduled)


def _in_threads(loop: Any) -> bool:
    """Return whether a thread of `asyncio.to_thread` is running."""
    executor = loop._default_executor
    if executor is None:
        return False
    idle = executor._idle_semaphore._value
    return not executor._work_queue.empty() or len(executor._threads) > idle


async def wait_for_idle(min_sleep: float = 0, max_sleep: float = 1) -> None:
    """Return after two consecutive idle iterations of the loop.

    Textual's own function takes low CPU use within 20 ms for idleness, which is also
    true of a busy program on a loaded machine. The parameters are Textual's and unused.
    """
    loop: Any = asyncio.get_running_loop()
    deadline = monotonic() + PATIENCE
    quiet = timers = 0
    while quiet < 2 and monotonic() < deadline:
        await asyncio.sleep(0)
        if loop._ready:
            quiet = 0
        elif _in_threads(loop):
            quiet = 0
            await asyncio.sleep(0.001)
        elif timers < _TIMERS and _due(loop):
            quiet = 0
            timers += 1
            await asyncio.sleep(0.001)
        else:
            quiet += 1


_parse_rules = Stylesheet._parse_rules
_rules: dict[tuple[object, ...], list[RuleSet]] = {}
"""The rules that each piece of CSS has, by its variables and all that parsing depends on."""


def parse_rules(stylesheet: Stylesheet, css: str, **how: Any) -> list[RuleSet]:
    """Parse CSS once for all apps of the process: a tenth of the CPU time of a test with Pilot."""
    key = (css, *sorted(how.items()), *sorted(stylesheet._variables.items()))
    if key not in _rules:
        _rules[key] = _parse_rules(stylesheet, css, **how)
    return _rules[key]


def install() -> None:
    """Replace Pilot's function and the parser, and shorten the repaint interval accordingly."""
    app.wait_for_idle = wait_for_idle  # type: ignore[attr-defined]  # imported there, not exported
    pilot.wait_for_idle = wait_for_idle  # type: ignore[attr-defined]  # likewise
    screen.UPDATE_PERIOD = 0.001  # type: ignore[misc]  # final there; read when a screen is made
    Stylesheet._parse_rules = parse_rules  # type: ignore[method-assign,assignment]  # keywords only
