"""A Super Slurper account in memory, reached through an httpx transport.

The demo, the tests and the screenshots use it. `SimulatedAccount` answers every operation of the
API, keeps to the documented limits and can inject faults; `SimulatedBudget` is a user's request
budget with its headers; `Jobs` performs the operations. Nothing here touches the network.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from email.utils import formatdate
from typing import NamedTuple

import httpx

from slurper_tui.simulated.api import (
    AnySource,
    Call,
    CreateBody,
    Detail,
    R2Target,
    Refusal,
    accept,
    body_of,
    call_of,
    job_json,
    page_of,
    progress_json,
    public_source,
    public_target,
    refuse,
    row_json,
)
from slurper_tui.simulated.faults import Fault, Faults, Kind
from slurper_tui.simulated.jobs import Course, Plan, iso, log_rows, sample_jobs
from slurper_tui.simulated.objects import Objects

__all__ = ["Fault", "Jobs", "Kind", "Reply", "SimulatedAccount", "SimulatedBudget"]
__all__ += ["account_of", "together"]


class SimulatedBudget:
    """The request budget of one user, which several accounts may share.

    quota: requests allowed in each window.
    window: seconds.
    A client that exceeds the quota is refused for a whole window from then on.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, quota: int = 1200, window: float = 300.0
    ) -> None:
        self._clock = clock
        self._quota = quota
        self._window = window
        self._reset = -math.inf
        self._used = 0
        self._lock = threading.Lock()

    def spend(self) -> tuple[bool, dict[str, str]]:
        """Count one request; return whether it is allowed, and the rate-limit headers."""
        with self._lock:
            now = self._clock()
            if now >= self._reset:
                self._reset, self._used = now + self._window, 0
            self._used += 1
            if self._used == self._quota + 1:
                self._reset = now + self._window
            left, is_allowed = max(0, self._quota - self._used), self._used <= self._quota
            reset = max(1, math.ceil(self._reset - now))
            headers = {
                "ratelimit": f'"default";r={left};t={reset}',
                "ratelimit-policy": f'"default";q={self._quota};w={self._window:.0f}',
            }
            return is_allowed, headers if is_allowed else {**headers, "retry-after": str(reset)}


NEW_OBJECTS = (20_000, 900_000)
"""Fewest and most objects of a job that is created without keys."""

UNREACHABLE = ("missing", "denied")
"""A precheck fails for a bucket with one of these words in its name."""

# Placeholders, because Slurper's own codes are not documented.
_UNKNOWN_JOB, _TOO_MANY, _WRONG_STATE, _ACTIVE = 10007, 10009, 10010, 10011


class _Change(NamedTuple):
    """A change of a job's status, the refusal in any status but `before`, and the answer."""

    before: tuple[str, ...]
    after: str
    refusal: str
    answer: str


_LIVE = ("running", "paused")
_CHANGES = {
    "pause": _Change(("running",), "paused", "Job is not running", "Job paused"),
    "resume": _Change(("paused",), "running", "Job is not paused", "Job resumed"),
    "abort": _Change(_LIVE, "aborted", "Job has already ended", "Job aborted"),
}


class Jobs:
    """The jobs of one account, and what each operation of the API does to them.

    most: how many may run at the same time.
    oldest_rows_first: sort logs from the oldest row instead of the newest.
    fail_again: number of objects that fail in each new job with keys.
    new_objects: fewest and most objects of a new job without keys.
    """

    def __init__(
        self,
        courses: Iterable[Course],
        clock: Callable[[], float],
        rng: random.Random,
        most: int,
        *,
        oldest_rows_first: bool = False,
        new_objects: tuple[int, int] = NEW_OBJECTS,
    ) -> None:
        self.fail_again = 0
        self._new_objects = new_objects
        self._oldest_rows_first = oldest_rows_first
        self._courses = {course.plan.id: course for course in courses}
        self._clock = clock
        self._rng = rng
        self._most = most

    def courses(self) -> list[Course]:
        """Return every job, the newest first."""
        return sorted(self._courses.values(), key=lambda c: (-c.plan.created, c.plan.id))

    def perform(self, call: Call, request: httpx.Request) -> httpx.Response:
        """Perform the operation and return its response. Raises Refusal if it is not possible."""
        now = self._clock()
        if call.job_id is None:
            return self._on_account(call.operation, request, now)
        course = self._courses.get(call.job_id)
        if course is None:
            raise Refusal(404, Detail(_UNKNOWN_JOB, "Job not found"))
        return self._on_job(call.operation or "", course, request, now)

    def _on_account(
        self, operation: str | None, request: httpx.Request, now: float
    ) -> httpx.Response:
        match operation:
            case "list":
                limit, offset = page_of(request)
                return accept([job_json(c, now) for c in self.courses()[offset : offset + limit]])
            case "create":
                body: CreateBody = body_of(request, CreateBody)
                self._refuse_beyond_most(now)
                plan = self._new_plan(body, now)
                self._courses[plan.id] = Course(plan)
                return accept({"id": plan.id}, status=201)
            case "abortAll":
                for course in self.courses():
                    if course.status(now) in _LIVE:
                        self._courses[course.plan.id] = course.changed(now, "aborted")
                return accept("All jobs aborted")
            case "sourcePrecheck":
                return _precheck(body_of(request, AnySource))
        return _precheck(body_of(request, R2Target))

    def _on_job(
        self, operation: str, course: Course, request: httpx.Request, now: float
    ) -> httpx.Response:
        match operation:
            case "get":
                return accept(job_json(course, now))
            case "progress":
                return accept(progress_json(course, now))
            case "logs":
                limit, offset = page_of(request)
                first = self._oldest_rows_first
                rows = log_rows(course, now, limit, offset, oldest_first=first)
                return accept([row_json(row) for row in rows])
            case "delete":
                if course.status(now) in _LIVE:
                    raise Refusal(409, Detail(_ACTIVE, "Job is still active"))
                del self._courses[course.plan.id]
                return accept("Job deleted")
        change = _CHANGES[operation]
        if course.status(now) not in change.before:
            raise Refusal(409, Detail(_WRONG_STATE, change.refusal))
        if change.after == "running":
            self._refuse_beyond_most(now)
        self._courses[course.plan.id] = course.changed(now, change.after)
        return accept(change.answer)

    def _new_plan(self, body: CreateBody, now: float) -> Plan:
        """Make a new job's plan: one object for each key, or a random number without keys."""
        source = public_source(body.source) if body.source else None
        keys = source.keys if source else None
        objects = self._rng.randint(*self._new_objects) if keys is None else len(keys)
        plan = Plan(
            id=f"{self._rng.getrandbits(256):064x}",
            created=round(now, 3),
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

    def _refuse_beyond_most(self, now: float) -> None:
        if sum(course.status(now) == "running" for course in self._courses.values()) >= self._most:
            raise Refusal(409, Detail(_TOO_MANY, "Maximum number of concurrent jobs reached"))


def _precheck(body: AnySource | R2Target) -> httpx.Response:
    status = "error" if any(word in body.bucket for word in UNREACHABLE) else "success"
    return accept({"connectivityStatus": status})


_EVERY_ANSWER = ("date", "ratelimit", "ratelimit-policy", "cf-ray", "retry-after")
_FIRST_RAY = 0x8F00_0000_0000_0000


class Reply(NamedTuple):
    """A response, and the fault to apply to it; None for no fault."""

    response: httpx.Response
    fault: Fault | None

    def arrive(self) -> httpx.Response:
        """Return the response as it arrives. Raises an httpx error if the fault prevents that."""
        if self.fault is None:
            return self.response
        return _with_headers(self.fault.apply_to(self.response), self.response.headers)


class SimulatedAccount:
    """One account; the same seed and clock give the same account.

    clock: UTC seconds; the account starts at its first reading.
    jobs: how many; None for an account of ordinary size, 0 for an empty one.
    running: exactly this many jobs run, even more than the three that the API allows.
    slots: how many may run when a job is created or resumed.
    budget: shared when several accounts belong to one user; None for a separate budget.
    account_id, token: fixed values; None for random ones.
    plans: use these jobs instead of generated ones.
    oldest_rows_first: sort logs from the oldest row instead of the newest.
    new_objects: fewest and most objects of a job that is created without keys.
    free_listing: listing objects costs no request of the budget; it stands for S3, where a demo
        has no other server.

    token_expires: UTC seconds, for the answer of `verify`; None for a token that never expires.
    buckets: by name, the results of `lock`, `lifecycle`, `sippy` and `usage`, and a `jurisdiction`
        and `storage_class`, of R2 buckets that are not ordinary.
    verifiable: whether `verify` knows the token; it does not know those that an account owns.
    """

    def __init__(
        self,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        *,
        jobs: int | None = None,
        running: int | None = None,
        slots: int = 3,
        budget: SimulatedBudget | None = None,
        account_id: str | None = None,
        token: str | None = None,
        plans: Sequence[Plan] | None = None,
        oldest_rows_first: bool = False,
        new_objects: tuple[int, int] = NEW_OBJECTS,
        free_listing: bool = False,
    ) -> None:
        self._rng = random.Random(f"slurper/{seed}")
        drawn_id, drawn_token = (f"{self._rng.getrandbits(4 * n):0{n}x}" for n in (32, 40))
        self.account_id = account_id or drawn_id
        self.token = token or drawn_token
        self.token_expires: float | None = None
        self.verifiable = True
        self.buckets: dict[str, dict[str, object]] = {}
        self.email = "demo@example.com"
        self.key = f"{self._rng.getrandbits(148):037x}"
        self.faults = Faults()
        self.budget = budget or SimulatedBudget(clock)
        self._clock = clock
        self._free_listing = free_listing
        self._lock = threading.Lock()
        self._answers = 0
        if plans is None:
            courses = sample_jobs(self._rng, clock(), jobs, running)
        else:
            courses = [Course(plan) for plan in plans]
        most = max(slots, running or 0)
        self._jobs = Jobs(
            courses,
            clock,
            self._rng,
            most,
            oldest_rows_first=oldest_rows_first,
            new_objects=new_objects,
        )
        self.objects = Objects(self._jobs.courses)

    def jobs(self) -> list[Course]:
        """Return every job with its plan, the newest first: the truth to compare a display with."""
        return self._jobs.courses()

    def let_fail_again(self, objects: int) -> None:
        """Make `objects` objects fail in each job with keys that is created from now on."""
        self._jobs.fail_again = objects

    def transport(self) -> httpx.MockTransport:
        """Return a transport for sync and async clients."""
        return together(self)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request. Raises an httpx error if a fault prevents an answer."""
        return self.reply(request).arrive()

    def reply(self, request: httpx.Request) -> Reply:
        """Return the response to one request with the fault that the caller has to apply."""
        call = call_of(request)
        with self._lock:
            fault = self.faults.take(call)
            allowed, headers = True, dict[str, str]()
            if call.operation != "objects" or not self._free_listing:
                allowed, headers = self.budget.spend()
            self._answers += 1
            headers["date"] = formatdate(self._clock(), usegmt=True)
            headers["cf-ray"] = f"{_FIRST_RAY + self._answers:016x}-FRA"
            arrives = fault is None or fault.takes_effect
            response = self._perform(call, request, allowed) if arrives else accept(None)
        return Reply(_with_headers(response, headers), fault)

    def _perform(self, call: Call, request: httpx.Request, allowed: bool) -> httpx.Response:
        try:
            if not allowed:
                raise Refusal(429, Detail(971, "Please wait and consider throttling your requests"))
            self._authenticate(request)
            if call.operation == "verifyToken":
                return self._verify(request)
            if call.account_id != self.account_id or not call.allowed:
                where = Detail(7003, f"Could not route to /{call.path}: is the identifier right?")
                raise Refusal(404, where, Detail(7000, "No route for that URI"))
            if call.operation is None:
                allow = {"allow": ", ".join(call.allowed)}
                raise Refusal(405, Detail(10405, "Method not allowed for this path"), headers=allow)
            if call.path.startswith("buckets/"):
                return self._on_bucket(call, request)
            return self._jobs.perform(call, request)
        except Refusal as refusal:
            return refuse(refusal)

    def _on_bucket(self, call: Call, request: httpx.Request) -> httpx.Response:
        """Answer about an R2 bucket; every bucket exists whose name is not one of a missing one."""
        name, parts = call.job_id or "", self.buckets.get(call.job_id or "", {})
        jurisdiction = request.headers.get("cf-r2-jurisdiction", "default")
        if "missing" in name or parts.get("jurisdiction", jurisdiction) != jurisdiction:
            raise Refusal(404, Detail(10006, "The specified bucket does not exist."))
        if call.operation == "bucket":
            created, kind = "2025-01-02T03:04:05.678Z", parts.get("storage_class", "Standard")
            place = {"location": "WEUR", "jurisdiction": jurisdiction}
            return accept({"name": name, "creation_date": created, **place, "storage_class": kind})
        if call.operation == "objects":
            return self.objects.page(name, request, self._clock())
        if call.operation == "usage":
            return accept(parts.get("usage") or self.objects.usage(name, self._clock()))
        usual: dict[str, object] = (
            {"enabled": False} if call.operation == "sippy" else {"rules": []}
        )
        return accept(parts.get(call.operation or "", usual))

    def _verify(self, request: httpx.Request) -> httpx.Response:
        if not self.verifiable or "authorization" not in request.headers:
            raise Refusal(401, Detail(1000, "Invalid API Token"))
        expires = self.token_expires
        status = "expired" if expires is not None and expires <= self._clock() else "active"
        properties = {"id": hashlib.sha256(self.token.encode()).hexdigest()[:32], "status": status}
        return accept(properties if expires is None else {**properties, "expires_on": iso(expires)})

    def _authenticate(self, request: httpx.Request) -> None:
        bearer = request.headers.get("authorization")
        pair = (request.headers.get("x-auth-email"), request.headers.get("x-auth-key"))
        if bearer is None and None in pair:
            raise Refusal(401, Detail(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization"))
        if bearer is None and pair != (self.email, self.key):
            raise Refusal(403, Detail(9103, "Unknown X-Auth-Key or X-Auth-Email"))
        if bearer is not None and not bearer.startswith("Bearer "):
            raise Refusal(400, Detail(6003, "Invalid request headers"))
        if bearer is not None and bearer != f"Bearer {self.token}":
            raise Refusal(401, Detail(10000, "Authentication error"))


def together(*accounts: SimulatedAccount) -> httpx.MockTransport:
    """Return one transport for several accounts; the first also gets unknown accounts' requests."""
    return _Transport(accounts)


class _Transport(httpx.MockTransport):
    """Answers for some accounts; an event loop goes on while the keys of a bucket are sorted."""

    def __init__(self, accounts: Sequence[SimulatedAccount]) -> None:
        super().__init__(lambda request: account_of(accounts, request).answer(request))
        self._accounts = accounts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        call = call_of(request)
        if call.operation == "objects":
            for slow in account_of(self._accounts, request).objects.slow_parts(call.job_id or ""):
                await asyncio.to_thread(slow.incidents)
        return await super().handle_async_request(request)


def account_of(accounts: Sequence[SimulatedAccount], request: httpx.Request) -> SimulatedAccount:
    """Return the account that a request is for; the first one if the account is unknown.

    The verification of a token is for the first account with that token.
    """
    call, bearer = call_of(request), request.headers.get("authorization")
    if call.operation == "verifyToken":
        return next((a for a in accounts if bearer == f"Bearer {a.token}"), accounts[0])
    account_id = call.account_id
    return next((a for a in accounts if a.account_id == account_id), accounts[0])


def _with_headers(response: httpx.Response, headers: Mapping[str, str]) -> httpx.Response:
    """Add the headers that every answer has, unless they are set already."""
    for name in _EVERY_ANSWER:
        if name in headers:
            response.headers.setdefault(name, headers[name])
    return response
