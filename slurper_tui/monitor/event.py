"""What happened to a job, and who did it, for its event list."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from slurper_tui.monitor.job_key import JobKey

GONE = "gone"
"""The detail of an event: neither the list nor the job's own progress knew the job any more."""

NOT_THERE = "not known to the API any more"
"""How that is told: a job may come back, so nobody is said to have deleted it."""


class What(StrEnum):
    """What an event tells.

    ASKED: sent from here. REFUSED, UNDECIDED: what came of that. HERE: a change of status that was
    asked for here. ELSEWHERE: one that was not, and that no job makes by itself. ITSELF: one that
    it made by itself. CREATED: made from here. RETRIED: a job was made from here to copy what
    failed in this one.
    """

    ASKED = "asked"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    HERE = "here"
    ELSEWHERE = "elsewhere"
    ITSELF = "itself"
    CREATED = "created"
    RETRIED = "retried"


class Event(msgspec.Struct, frozen=True):
    """One entry. at: UTC seconds. detail: the act, the new status, or the other job's id.

    said: the API's own words, where it said something.
    """

    key: JobKey
    at: float
    what: What
    detail: str = ""
    said: str = ""


class Tie(msgspec.Struct, frozen=True):
    """A job that was made to copy again what failed in another. keys: how many objects.

    log_types: the types of the rows that named them.
    """

    child: JobKey
    parent: JobKey
    keys: int
    log_types: tuple[str, ...] = ()
