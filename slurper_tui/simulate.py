"""A Super Slurper account that lives in memory, spoken to through an httpx transport.

The demo, the tests and the pictures all use this one. It answers every operation of the API, keeps
to the documented limits, and can be told to misbehave. Nothing in it touches the network.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import httpx

from slurper_tui.simulated.budget import SimulatedBudget
from slurper_tui.simulated.cast import cast
from slurper_tui.simulated.faults import Fault, Faults, Kind
from slurper_tui.simulated.jobs import Course, Plan
from slurper_tui.simulated.operations import Jobs
from slurper_tui.simulated.requests import Call, call_of
from slurper_tui.simulated.wire import Refusal, Said, accept, refuse

__all__ = [
    "Fault",
    "Faults",
    "Kind",
    "Reply",
    "SimulatedAccount",
    "SimulatedBudget",
    "account_of",
    "together",
]

_EVERY_ANSWER = ("ratelimit", "ratelimit-policy", "cf-ray", "retry-after")
_FIRST_RAY = 0x8F00_0000_0000_0000


class Reply(NamedTuple):
    """What is answered, and the fault that spoils it on the way, if any."""

    response: httpx.Response
    fault: Fault | None

    def told(self) -> httpx.Response:
        """What arrives. Raises an httpx error where nothing does."""
        if self.fault is None:
            return self.response
        return _signed(self.fault.spoil(self.response), self.response.headers)


class SimulatedAccount:
    """One account, the same for the same seed and clock.

    clock: UTC seconds; the account starts at its first reading. jobs: how many, None for an account
    of ordinary size, 0 for an empty one. running: exactly so many run, even more than the three
    that the API allows. slots: how many may run when one more is created or resumed. budget: given
    when several accounts are one user's. account_id, token: given to have them known. plans: these
    very jobs instead. oldest_rows_first: how logs are sorted.
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
    ) -> None:
        self._rng = random.Random(f"slurper/{seed}")
        drawn_id, drawn_token = (f"{self._rng.getrandbits(4 * n):0{n}x}" for n in (32, 40))
        self.account_id = account_id or drawn_id
        self.token = token or drawn_token
        self.email = "demo@example.com"
        self.key = f"{self._rng.getrandbits(148):037x}"
        self.faults = Faults()
        self.budget = budget or SimulatedBudget(clock)
        self._lock = threading.Lock()
        self._answers = 0
        if plans is None:
            courses = cast(self._rng, clock(), jobs, running)
        else:
            courses = [Course(plan) for plan in plans]
        most = max(slots, running or 0)
        self._jobs = Jobs(courses, clock, self._rng, most, oldest_rows_first=oldest_rows_first)

    def jobs(self) -> list[Course]:
        """Every job with its plan, the newest first, for those who know what to expect."""
        return self._jobs.courses()

    def let_fail_again(self, objects: int) -> None:
        """Let so many objects fail in each job with keys that is created from now on."""
        self._jobs.fail_again = objects

    def transport(self) -> httpx.MockTransport:
        """A transport for sync and async clients alike."""
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request. Raises an httpx error where a fault says that no answer comes."""
        return self.reply(request).told()

    def reply(self, request: httpx.Request) -> Reply:
        """Answer one request, leaving it to the caller to do what a fault demands."""
        call = call_of(request)
        with self._lock:
            fault = self.faults.take(call)
            allowed, headers = self.budget.spend()
            self._answers += 1
            headers["cf-ray"] = f"{_FIRST_RAY + self._answers:016x}-FRA"
            arrives = fault is None or fault.lets_it_happen
            response = self._judged(call, request, allowed) if arrives else accept(None)
        return Reply(_signed(response, headers), fault)

    def _judged(self, call: Call, request: httpx.Request, allowed: bool) -> httpx.Response:
        try:
            if not allowed:
                raise Refusal(429, Said(971, "Please wait and consider throttling your requests"))
            self._authenticate(request)
            return self._dispatch(call, request)
        except Refusal as refusal:
            return refuse(refusal)

    def _authenticate(self, request: httpx.Request) -> None:
        bearer = request.headers.get("authorization")
        pair = (request.headers.get("x-auth-email"), request.headers.get("x-auth-key"))
        if bearer is None and None in pair:
            raise Refusal(401, Said(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization"))
        if bearer is None and pair != (self.email, self.key):
            raise Refusal(403, Said(9103, "Unknown X-Auth-Key or X-Auth-Email"))
        if bearer is not None and not bearer.startswith("Bearer "):
            raise Refusal(400, Said(6003, "Invalid request headers"))
        if bearer is not None and bearer != f"Bearer {self.token}":
            raise Refusal(401, Said(10000, "Authentication error"))

    def _dispatch(self, call: Call, request: httpx.Request) -> httpx.Response:
        if call.account_id != self.account_id or not call.allowed:
            where = Said(7003, f"Could not route to /{call.path}: is the identifier right?")
            raise Refusal(404, where, Said(7000, "No route for that URI"))
        if call.operation is None:
            allow = {"allow": ", ".join(call.allowed)}
            raise Refusal(405, Said(10405, "Method not allowed for this path"), headers=allow)
        return self._jobs.perform(call, request)


def together(*accounts: SimulatedAccount) -> httpx.MockTransport:
    """One transport for several accounts; what is none of theirs goes to the first."""
    return httpx.MockTransport(lambda request: account_of(accounts, request).answer(request))


def account_of(accounts: Sequence[SimulatedAccount], request: httpx.Request) -> SimulatedAccount:
    """The account that a request is for, or the first when it is nobody's."""
    wanted = call_of(request).account_id
    return next((a for a in accounts if a.account_id == wanted), accounts[0])


def _signed(response: httpx.Response, headers: Mapping[str, str]) -> httpx.Response:
    """Put the headers on an answer that every answer bears."""
    for name in _EVERY_ANSWER:
        if name in headers:
            response.headers.setdefault(name, headers[name])
    return response
