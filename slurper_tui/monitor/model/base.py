"""Now, on both clocks.

Which job is meant.
"""

from __future__ import annotations

from typing import NamedTuple


class JobKey(NamedTuple):
    """Which job: ids are unique within an account."""

    account_id: str
    job_id: str


EARLIEST = 1_672_531_200.0
"""UTC seconds, the beginning of 2023: a clock that shows less was never set."""

AHEAD_SECONDS = 5.0
"""What was recorded more than this after now was dated by a clock that was ahead."""

CREATED_SLACK = 86_400.0
"""Seconds by which a clock that is right may differ from the API's, time zones mixed up included.
Before a job's creation by more than this, no sample of it was taken."""


class Moment(NamedTuple):
    """One instant. mono: monotonic seconds, for spans. wall: UTC seconds, for people."""

    mono: float
    wall: float


def is_too_early(at: float, created_at: float | None) -> bool:
    """Whether a time cannot be when somebody looked at a job. created_at: when it was created."""
    return at < EARLIEST or (created_at is not None and at < created_at - CREATED_SLACK)
