"""What a change that a poll shows is called in a job's event list, and who made it.

What can be asked of jobs that changes them, and how it stands.

What happened to a job, and who did it, for its event list.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.base import JobKey


class Action(StrEnum):
    """A request that changes a job, or all of an account's."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    DELETE = "delete"
    ABORT_ALL = "abort all"


class RequestState(StrEnum):
    """How a request stands.

    SENT: the API took it; no poll shows it yet. UNDECIDED: no answer came, so it may or may not
    have been done; it is not sent again. DONE: a poll shows it. REFUSED: the API declined, or
    nothing could be sent. MOOT: the job was not in a state for it any more, and nothing was sent.
    """

    SENT = "sent"
    UNDECIDED = "undecided"
    DONE = "done"
    REFUSED = "refused"
    MOOT = "moot"

    @property
    def open(self) -> bool:
        """A poll is still to show what came of it."""
        return self in (RequestState.SENT, RequestState.UNDECIDED)


class ActionRequest(msgspec.Struct, frozen=True):
    """One request and how it stands. at: when it was sent, or would have been, UTC seconds.

    error: why it was refused, or why nothing is known. news: in words, why it was moot; or,
    while it is open, that no poll has shown it so far.
    """

    act: Action
    at: float
    standing: RequestState
    error: ApiError | None = None
    news: str = ""


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


_ASKED_FOR = frozenset({"running", "paused", "aborted"})
"""Statuses that no job takes on by itself once it has begun."""


def status_event(
    key: JobKey, before: str | None, after: str | None, request: ActionRequest | None, at: float
) -> Event | None:
    """Tell a change of status; None where none is known.

    before: as last told by the API, in this run or an earlier one. request: what the job bore when
    it was polled. at: when it was seen, UTC seconds.
    """
    if before is None or after is None or before == after:
        return None
    if request is not None and request.standing.open and expected(request.act) == after:
        what = What.HERE
    else:
        what = What.ELSEWHERE if after in _ASKED_FOR else What.ITSELF
    return Event(key, at, what, after)


def gone_event(key: JobKey, request: ActionRequest | None, at: float) -> Event:
    """Tell that the API no longer knows a job."""
    if request is not None and request.standing.open and request.act is Action.DELETE:
        return Event(key, at, What.HERE, "deleted")
    return Event(key, at, What.ELSEWHERE, GONE)


def back_event(key: JobKey, at: float) -> Event:
    """Tell that the API lists a job again that was gone."""
    return Event(key, at, What.ITSELF, "listed again")


_EXPECTED: Mapping[Action, str] = {
    Action.PAUSE: "paused",
    Action.RESUME: "running",
    Action.ABORT: "aborted",
    Action.ABORT_ALL: "aborted",
}


def expected(act: Action) -> str | None:
    """The status that shows that it was done; None for a deletion, which leaves no job."""
    return _EXPECTED.get(act)
