"""How often a job's counters change, and since when they have not."""

from __future__ import annotations

from statistics import median

import msgspec

RECENT_GAPS = 31
"""Of how many gaps between changes the median is taken."""

STALL_SECONDS = 300.0
STALL_GAPS = 10
"""A job is stalled when nothing moved for so long, and for so many of its median gaps."""

BADLY = 3
"""So many times as long is alarming."""


class Pulse(msgspec.Struct, frozen=True):
    """When a running job's counters change.

    still, looks: seconds and polls since the last change. gaps: seconds between the last changes,
    oldest first. typical: their median, 0 before the first. exact: every poll since the last
    change was close to the one before, so that the next gap is one.
    """

    still: float = 0.0
    looks: int = 0
    gaps: tuple[float, ...] = ()
    typical: float = 0.0
    exact: bool = False

    @property
    def patience(self) -> float:
        """Seconds of stillness that make a stall."""
        return max(STALL_GAPS * self.typical, STALL_SECONDS)

    @property
    def stalled(self) -> bool:
        """Nothing has moved for longer than it ever takes."""
        return self.still >= self.patience

    @property
    def stalled_badly(self) -> bool:
        """Nothing has moved for three times as long."""
        return self.still >= BADLY * self.patience


def beat(pulse: Pulse, span: float, *, moved: bool, close: bool) -> Pulse:
    """Add one poll of a running job, `span` seconds after the last.

    moved: a counter changed in it. close: it came so soon after the one before that the time of
    a change is known.
    """
    if not moved:
        return Pulse(
            pulse.still + span, pulse.looks + 1, pulse.gaps, pulse.typical, pulse.exact and close
        )
    if not (pulse.exact and close):
        return Pulse(gaps=pulse.gaps, typical=pulse.typical, exact=close)
    gaps = (*pulse.gaps[1 - RECENT_GAPS :], pulse.still + span)
    return Pulse(gaps=gaps, typical=median(gaps), exact=True)


def roused(pulse: Pulse) -> Pulse:
    """Forget the stillness: the job did not run, or for how long it was still is not known."""
    return Pulse(gaps=pulse.gaps, typical=pulse.typical)
