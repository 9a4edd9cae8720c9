"""What a change that a poll shows is called in a job's event list, and who made it."""

from __future__ import annotations

from slurper_tui.monitor.acts import Act, Request
from slurper_tui.monitor.control.rules import expected
from slurper_tui.monitor.event import GONE, Event, What
from slurper_tui.monitor.job_key import JobKey

_ASKED_FOR = frozenset({"running", "paused", "aborted"})
"""Statuses that no job takes on by itself once it has begun."""


def status_event(
    key: JobKey, before: str | None, after: str | None, request: Request | None, at: float
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


def gone_event(key: JobKey, request: Request | None, at: float) -> Event:
    """Tell that the API no longer knows a job."""
    if request is not None and request.standing.open and request.act is Act.DELETE:
        return Event(key, at, What.HERE, "deleted")
    return Event(key, at, What.ELSEWHERE, GONE)


def back_event(key: JobKey, at: float) -> Event:
    """Tell that the API lists a job again that was gone."""
    return Event(key, at, What.ITSELF, "listed again")
