"""What each operation of the API does to the jobs of a simulated account."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import httpx

from slurper_tui.simulated.jobs import Course, Plan
from slurper_tui.simulated.logs import log_rows
from slurper_tui.simulated.requests import (
    AnySource,
    Call,
    CreateBody,
    R2Target,
    body_of,
    page_of,
    public_source,
    public_target,
)
from slurper_tui.simulated.wire import (
    Refusal,
    Said,
    accept,
    job_json,
    progress_json,
    row_json,
)

UNREACHABLE = ("missing", "denied")
"""A bucket with one of these in its name cannot be opened by a precheck."""

# Slurper's own codes are not documented; these stand in for them.
_UNKNOWN_JOB, _TOO_MANY, _WRONG_STATE, _ACTIVE = 10007, 10009, 10010, 10011


class Jobs:
    """The jobs of one account. most: how many may run at the same time.

    oldest_rows_first: how logs are sorted. fail_again: objects of a new job with keys that fail.
    """

    def __init__(
        self,
        courses: Iterable[Course],
        clock: Callable[[], float],
        rng: random.Random,
        most: int,
        *,
        oldest_rows_first: bool = False,
    ) -> None:
        self.fail_again = 0
        self._oldest_rows_first = oldest_rows_first
        self._courses = {course.plan.id: course for course in courses}
        self._clock = clock
        self._rng = rng
        self._most = most
        self._of_account: dict[str, Callable[[httpx.Request], httpx.Response]] = {
            "list": self._list,
            "create": self._create,
            "abortAll": self._abort_all,
            "sourcePrecheck": lambda request: _precheck(body_of(request, AnySource)),
            "targetPrecheck": lambda request: _precheck(body_of(request, R2Target)),
        }
        self._of_job: dict[str, Callable[[Course, httpx.Request], httpx.Response]] = {
            "get": lambda course, _: accept(job_json(course, self._clock())),
            "progress": lambda course, _: accept(progress_json(course, self._clock())),
            "logs": self._logs,
            "pause": lambda course, _: self._pause(course),
            "resume": lambda course, _: self._resume(course),
            "abort": lambda course, _: self._abort(course),
            "delete": lambda course, _: self._delete(course),
        }

    def courses(self) -> list[Course]:
        """Every job, the newest first."""
        return sorted(self._courses.values(), key=lambda c: (-c.plan.created, c.plan.id))

    def perform(self, call: Call, request: httpx.Request) -> httpx.Response:
        """Do what was asked. Raises Refusal when it cannot be done."""
        operation = call.operation or ""
        if call.job_id is None:
            return self._of_account[operation](request)
        course = self._courses.get(call.job_id)
        if course is None:
            raise Refusal(404, Said(_UNKNOWN_JOB, "Job not found"))
        return self._of_job[operation](course, request)

    def _list(self, request: httpx.Request) -> httpx.Response:
        limit, offset = page_of(request)
        now = self._clock()
        page = self.courses()[offset : offset + limit]
        return accept([job_json(course, now) for course in page])

    def _logs(self, course: Course, request: httpx.Request) -> httpx.Response:
        limit, offset = page_of(request)
        first = self._oldest_rows_first
        rows = log_rows(course, self._clock(), limit, offset, oldest_first=first)
        return accept([row_json(row) for row in rows])

    def _create(self, request: httpx.Request) -> httpx.Response:
        body: CreateBody = body_of(request, CreateBody)
        self._refuse_beyond_most()
        plan = self._drawn(body)
        self._courses[plan.id] = Course(plan)
        return accept({"id": plan.id}, status=201)

    def _drawn(self, body: CreateBody) -> Plan:
        """A new job: as many objects as it has keys, or some thousands."""
        source = public_source(body.source) if body.source else None
        keys = source.keys if source else None
        objects = self._rng.randint(20_000, 900_000) if keys is None else len(keys)
        plan = Plan(
            id=f"{self._rng.getrandbits(256):064x}",
            created=round(self._clock(), 3),
            objects=objects if source else 0,
            seconds=20.0 + objects / 120,
            source=source,
            target=public_target(body.target) if body.target else None,
            overwrite=body.overwrite,
            listing=10.0 + objects / 400,
            delay=8.0,
        )
        failed = objects // 5_000 if keys is None else min(objects, self.fail_again)
        return replace(plan, failed=failed if source else 0)

    def _pause(self, course: Course) -> httpx.Response:
        if course.status(self._clock()) != "running":
            raise _wrong_state("Job is not running")
        return self._change(course, "paused", "Job paused")

    def _resume(self, course: Course) -> httpx.Response:
        if course.status(self._clock()) != "paused":
            raise _wrong_state("Job is not paused")
        self._refuse_beyond_most()
        return self._change(course, "running", "Job resumed")

    def _abort(self, course: Course) -> httpx.Response:
        if not self._active(course):
            raise _wrong_state("Job has already ended")
        return self._change(course, "aborted", "Job aborted")

    def _abort_all(self, request: httpx.Request) -> httpx.Response:
        for course in filter(self._active, self.courses()):
            self._change(course, "aborted", "")
        return accept("All jobs aborted")

    def _delete(self, course: Course) -> httpx.Response:
        if self._active(course):
            raise Refusal(409, Said(_ACTIVE, "Job is still active"))
        del self._courses[course.plan.id]
        return accept("Job deleted")

    def _change(self, course: Course, status: str, word: str) -> httpx.Response:
        self._courses[course.plan.id] = course.changed(self._clock(), status)
        return accept(word)

    def _active(self, course: Course) -> bool:
        return course.status(self._clock()) in ("running", "paused")

    def _refuse_beyond_most(self) -> None:
        now = self._clock()
        if sum(course.status(now) == "running" for course in self._courses.values()) >= self._most:
            raise Refusal(409, Said(_TOO_MANY, "Maximum number of concurrent jobs reached"))


def _wrong_state(message: str) -> Refusal:
    return Refusal(409, Said(_WRONG_STATE, message))


def _precheck(body: AnySource | R2Target) -> httpx.Response:
    status = "error" if any(word in body.bucket for word in UNREACHABLE) else "success"
    return accept({"connectivityStatus": status})
