"""Actions on jobs, the state of their requests, job events and retry links.

The `*_event` functions turn a difference between two polls into an entry of a job's event list and
decide who caused it: a request of this program, another client, or the job itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.base import JobKey

MOST_EVENTS = 500
"""Events kept for each job; older ones are deleted."""


class Action(StrEnum):
    """A request that changes one job, or all jobs of an account."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    DELETE = "delete"
    ABORT_ALL = "abort all"

    @property
    def done(self) -> str:
        """The past participle: `paused`."""
        return _DONE[self]


_DONE: Mapping[Action, str] = {
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.ABORT: "aborted",
    Action.DELETE: "deleted",
    Action.ABORT_ALL: "aborted",
}


NO_JOB_LEFT = "no job of this account runs or is paused"
"""Why `ABORT_ALL` has nothing to do."""


class RequestState(StrEnum):
    """State of an action request.

    SENT: it is being sent, or the API accepted it; no poll has confirmed it yet.
    UNDECIDED: no answer arrived, so it may or may not have taken effect; it is not sent again.
    DONE: a poll confirmed it.
    REFUSED: the API rejected it, or the request could not be sent.
    POINTLESS: the job was no longer in a suitable status, so no request was sent.
    """

    SENT = "sent"
    UNDECIDED = "undecided"
    DONE = "done"
    REFUSED = "refused"
    POINTLESS = "pointless"

    @property
    def open(self) -> bool:
        """True while a later poll may still show the outcome."""
        return self in (RequestState.SENT, RequestState.UNDECIDED)


class ActionRequest(msgspec.Struct, frozen=True):
    """One action request and its state.

    at: when it was sent, or would have been sent, UTC seconds.
    error: why it was refused, or why its outcome is unknown.
    detail: for POINTLESS the reason; while it is open, a note that no poll has confirmed it.
    """

    action: Action
    at: float
    state: RequestState
    error: ApiError | None = None
    detail: str = ""


GONE = "gone"
"""Event detail: neither the job list nor the progress request knows the job any more."""


class What(StrEnum):
    """Kind of an event.

    ASKED: an action was sent by this program.
    REFUSED, UNDECIDED: the outcome of that action.
    HERE: a status change that an action of this program caused.
    ELSEWHERE: a status change that another client must have caused.
    ITSELF: a status change that the job made on its own.
    CREATED: this program created the job.
    RETRIED: this program created another job that copies the objects that failed in this job.
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
    """One entry of a job's event list.

    at: UTC seconds. detail: the action, the new status, or the id of the other job.
    message: the API's message; "" when it sent none.
    """

    key: JobKey
    at: float
    what: What
    detail: str = ""
    message: str = ""


class RetryLink(msgspec.Struct, frozen=True):
    """Link from a retry job to the job with the failed objects that it copies again.

    keys: number of objects. log_types: types of the log rows that listed them.
    """

    child: JobKey
    parent: JobKey
    keys: int
    log_types: tuple[str, ...] = ()


_ASKED_FOR = frozenset({"running", "paused", "aborted"})
"""Statuses that a job takes only on request once it has begun."""


def status_event(
    key: JobKey, before: str | None, after: str | None, request: ActionRequest | None, at: float
) -> Event | None:
    """Return the event for a change of status; None if either status is unknown or both are equal.

    before: last status from the API, in this run or an earlier one.
    request: the job's action request at the time of the poll. at: time of the poll, UTC seconds.
    """
    if before is None or after is None or before == after:
        return None
    if request is not None and request.state.open and expected(request.action) == after:
        what = What.HERE
    else:
        what = What.ELSEWHERE if after in _ASKED_FOR else What.ITSELF
    return Event(key, at, what, after)


def failing_event(key: JobKey, failed: int, done: int, span: str, at: float) -> Event:
    """Return the event for a job that begins to fail.

    failed, done: objects in a time. span: that time in words, such as `the last hour`.
    """
    return Event(key, at, What.ITSELF, f"failing: {failed:,} of {done:,} objects in {span}")


def calm_event(key: JobKey, at: float) -> Event:
    """Return the event for a running job that is no longer failing. at: UTC seconds."""
    return Event(key, at, What.ITSELF, "no longer failing")


def gone_event(key: JobKey, request: ActionRequest | None, at: float) -> Event:
    """Return the event for a job that the API no longer knows. at: UTC seconds."""
    if request is not None and request.state.open and request.action is Action.DELETE:
        return Event(key, at, What.HERE, "deleted")
    return Event(key, at, What.ELSEWHERE, GONE)


def back_event(key: JobKey, at: float) -> Event:
    """Return the event for a job that had gone and is listed again. at: UTC seconds."""
    return Event(key, at, What.ITSELF, "listed again")


_EXPECTED: Mapping[Action, str] = {
    Action.PAUSE: "paused",
    Action.RESUME: "running",
    Action.ABORT: "aborted",
    Action.ABORT_ALL: "aborted",
}


def expected(action: Action) -> str | None:
    """Return the status that confirms an action; None for a deletion, which leaves no job."""
    return _EXPECTED.get(action)
