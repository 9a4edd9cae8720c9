"""Job identity, instants on two clocks, a chart's period, a plausible clock's limits, and sums."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple


class JobKey(NamedTuple):
    """Identity of a job; job ids are unique within an account only."""

    account_id: str
    job_id: str


EARLIEST = 1_672_531_200.0
"""UTC seconds of 1 January 2023; a clock that shows an earlier time was never set."""

SHORT_ID = 8
"""Characters of a job id that are shown where the whole id would be too long."""

SLOTS = 3
"""Jobs that an account may run at the same time."""

MOST_PAGES = 400
"""20,000 jobs: far more than any account has; ends a job list that has no end."""

STEADY_SECONDS = 60.0
"""An ended job whose counters or log did not change for this many seconds after its end has no
objects in flight."""

AHEAD_SECONDS = 5.0
"""Seconds; a sample dated later than now by more than this came from a clock that was ahead."""

CREATED_SLACK = 86_400.0
"""Seconds by which a correct clock may differ from the API's, including mixed-up time zones.
A sample dated earlier than its job's creation by more than this has a wrong time."""


class Moment(NamedTuple):
    """One instant on both clocks.

    mono: monotonic seconds, for durations. wall: UTC seconds, for display and storage.
    """

    mono: float
    wall: float


class Window(Enum):
    """Period that a chart covers; the value is in seconds, infinite for everything."""

    TEN_MINUTES = 600.0
    HOUR = 3600.0
    SIX_HOURS = 21_600.0
    DAY = 86_400.0
    ALL = float("inf")

    @property
    def words(self) -> str:
        """Label shown to the user: `10 min`, `1 h`, `6 h`, `24 h` or `all`."""
        return _WORDS[self]


_WORDS = {
    Window.TEN_MINUTES: "10 min",
    Window.HOUR: "1 h",
    Window.SIX_HOURS: "6 h",
    Window.DAY: "24 h",
    Window.ALL: "all",
}


def is_too_early(at: float, created_at: float | None) -> bool:
    """Return True if a poll of a job cannot have happened at `at`.

    at, created_at: UTC seconds. created_at: the job's creation; None when unknown.
    """
    return at < EARLIEST or (created_at is not None and at < created_at - CREATED_SLACK)


def total(numbers: Iterable[int | None]) -> int | None:
    """Return the sum; None if a number is unknown."""
    result = 0
    for number in numbers:
        if number is None:
            return None
        result += number
    return result
