"""Accounts that answer from recorded samples, through an httpx transport."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import httpx
import msgspec
from msgspec.structs import replace

from slurper_tui.simulated.api import Call, Detail, Refusal, accept, call_of, page_of, refuse

if TYPE_CHECKING:
    from slurper_tui.api.models import Job, Progress

_NOT_RECORDED = 10007


class RecordedJob(NamedTuple):
    """A job as last listed. times: UTC seconds of its answers, the earliest first.

    finished: when it ended, UTC seconds; None if unknown.
    """

    account_id: str
    job: Job
    times: Sequence[float]
    answers: Sequence[Progress]
    finished: float | None = None

    def at(self, now: float) -> Progress | None:
        """Return the last answer until `now`; None before the first one."""
        place = bisect_right(self.times, now)
        return self.answers[place - 1] if place else None


class RecordedAccounts:
    """Answers lists and progress as they were at the clock's time; refuses everything else.

    clock: UTC seconds.
    """

    def __init__(self, jobs: Sequence[RecordedJob], clock: Callable[[], float]) -> None:
        self._jobs = {(job.account_id, job.job.id): job for job in jobs}
        self._clock = clock

    def transport(self) -> httpx.MockTransport:
        """Return a transport for clients."""
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        call = call_of(request)
        try:
            if call.operation == "list":
                limit, offset = page_of(request)
                return accept(self._listed(call)[offset : offset + limit])
            if call.operation == "progress":
                return accept(self._progress(call))
        except Refusal as refusal:
            return refuse(refusal)
        return refuse(
            Refusal(400, Detail(_NOT_RECORDED, "a replay has no logs and changes nothing"))
        )

    def _listed(self, call: Call) -> list[object]:
        now, listed = self._clock(), []
        for recorded in self._jobs.values():
            answer = recorded.at(now)
            if recorded.account_id == call.account_id and answer is not None:
                over = recorded.finished is not None and recorded.finished <= now
                end = recorded.job.finished_at if over else None
                job = replace(recorded.job, status=answer.status, finished_at=end)
                listed.append(_properties(job))
        return listed

    def _progress(self, call: Call) -> object:
        recorded = self._jobs.get((call.account_id or "", call.job_id))
        if recorded is not None and (answer := recorded.at(self._clock())):
            return _properties(answer)
        raise Refusal(404, Detail(_NOT_RECORDED, "Job not found"))


def _properties(value: Job | Progress) -> object:
    """Return the properties that the API would send."""
    properties = msgspec.to_builtins(value)
    for part in (properties, properties.get("source") or {}, properties.get("target") or {}):
        part.pop("extra", None)
    return properties
