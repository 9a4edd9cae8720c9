"""A job's past as a picture needs it: one point for every step of a window."""

from __future__ import annotations

from enum import Enum

import msgspec

from slurper_tui.monitor.recorded import Recorded
from slurper_tui.monitor.view import JobKey

STEPS = 120
"""Into how many steps a window is divided, about."""


class Window(Enum):
    """How far back a picture reaches; the value is in seconds, infinite for all of it."""

    TEN_MINUTES = 600.0
    HOUR = 3600.0
    SIX_HOURS = 21_600.0
    DAY = 86_400.0
    ALL = float("inf")

    @property
    def words(self) -> str:
        """What a person calls it: `10 min`, `1 h`, `6 h`, `24 h`, `all`."""
        return _WORDS[self]


_WORDS = {
    Window.TEN_MINUTES: "10 min",
    Window.HOUR: "1 h",
    Window.SIX_HOURS: "6 h",
    Window.DAY: "24 h",
    Window.ALL: "all",
}


class Trace(msgspec.Struct, frozen=True):
    """One job over one window.

    since, until: UTC seconds, the window's edges. step: seconds. points: the newest sample of every
    step in which there was one, oldest first; the first may lie before `since`, so that the rate
    of the first step is known.
    """

    key: JobKey
    window: Window
    since: float
    until: float
    step: float
    points: tuple[Recorded, ...] = ()
