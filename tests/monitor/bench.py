"""A monitor over simulated accounts in virtual time, with a record of its requests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.cli.context import resolve
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.monitor.session import Session
from slurper_tui.simulated.account import SimulatedAccount, SimulatedBudget, together
from tests.monitor.inline_history import InlineHistory

EPOCH = 1_790_000_000.0
"""UTC seconds at which virtual time begins."""


class Request(NamedTuple):
    """One request. at: virtual seconds."""

    at: float
    method: str
    account_id: str
    path: str
    offset: int

    @property
    def job_id(self) -> str | None:
        parts = self.path.split("/")
        return parts[1] if parts[-1] == "progress" else None


class Bench:
    """The monitor under test, its accounts, its requests, and ways to wait."""

    def __init__(self, monitor: Monitor, accounts: list[SimulatedAccount]) -> None:
        self.monitor = monitor
        self.session = Session(lambda: monitor, ALL_JOBS, resolve)
        self.session.start()
        self.accounts = accounts
        self.account = accounts[0]
        self.requests: list[Request] = []
        self.snapshots = self.session.snapshots()
        self.last = Snapshot(EPOCH, 5.0)

    async def until(self, condition: Callable[[Snapshot], bool], within: float = 900.0) -> Snapshot:
        """Read snapshots until the condition holds; fail after `within` virtual seconds."""
        deadline = now() + within
        async for snapshot in self.snapshots:
            self.last = snapshot
            if condition(snapshot):
                return snapshot
            assert now() < deadline, f"not within {within} s: {snapshot.accounts}"
        raise AssertionError("the monitor ended")

    async def rounds(self, number: int) -> Snapshot:
        """Wait for that many further rounds."""
        target = self.last.rounds + number
        return await self.until(lambda s: s.rounds >= target)

    async def seconds(self, number: float) -> Snapshot:
        """Wait for that many virtual seconds."""
        target = now() + number
        return await self.until(lambda s: now() >= target, within=number + 100)

    def job(self, job_id: str) -> JobView:
        """Return a job of the last snapshot."""
        return next(view for view in self.last.jobs if view.job.id == job_id)

    def polls(self, job_id: str | None = None) -> list[float]:
        """Return the times of the progress requests, of one job or of all."""
        polls = (r for r in self.requests if r.job_id is not None)
        return [r.at for r in polls if job_id in (None, r.job_id)]

    def lists(self) -> list[Request]:
        """Return the list requests."""
        return [r for r in self.requests if r.path == "jobs"]


def now() -> float:
    """Virtual seconds."""
    return asyncio.get_running_loop().time()


def wall() -> float:
    """UTC seconds in virtual time."""
    return EPOCH + now()


def create_elsewhere(account: SimulatedAccount, bucket: str = "colleagues") -> str:
    """Create a job as another client; return its id."""
    keys = {"accessKeyId": "a", "secretAccessKey": "b"}
    body = {
        "source": {"vendor": "s3", "bucket": bucket, "secret": keys},
        "target": {"vendor": "r2", "bucket": "media", "secret": keys},
    }
    return str(_request_elsewhere(account, "POST", "", json=body).json()["result"]["id"])


def delete_elsewhere(account: SimulatedAccount, job_id: str) -> None:
    """Delete an ended job as another client."""
    assert _request_elsewhere(account, "DELETE", f"/{job_id}").is_success


def _request_elsewhere(
    account: SimulatedAccount, method: str, path: str, **body: Any
) -> httpx.Response:
    url = f"https://api.example.com/client/v4/accounts/{account.account_id}/slurper/jobs{path}"
    headers = {"authorization": f"Bearer {account.token}"}
    return account.answer(httpx.Request(method, url, headers=headers, **body))


def make_accounts(number: int, **options: Any) -> list[SimulatedAccount]:
    """Return accounts of one user, which share one budget."""
    budget = SimulatedBudget(wall)
    return [
        SimulatedAccount(seed, wall, budget=budget, token="t0ken", **options)
        for seed in range(number)
    ]


@asynccontextmanager
async def bench(
    accounts: list[SimulatedAccount] | None = None,
    *,
    latency: Callable[[Request], float] = lambda request: 0.0,
    clock: Callable[[], float] = wall,
    history: StoredHistory | None = None,
    **options: Any,
) -> AsyncGenerator[Bench, None]:
    """A running monitor. latency: virtual seconds that a request takes."""
    accounts = make_accounts(1) if accounts is None else accounts
    answers = together(*accounts)
    held: list[Bench] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        _, _, account_id, _, path = request.url.path.removeprefix("/client/v4").split("/", 4)
        offset = int(request.url.params.get("offset", 0))
        asked = Request(now(), request.method, account_id, path, offset)
        held[0].requests.append(asked)
        await asyncio.sleep(latency(asked))
        return answers.handle_request(request)

    client = SlurperClient(token_credentials("t0ken"), transport=httpx.MockTransport(answer))
    ids = [account.account_id for account in accounts]
    history = history or StoredHistory(InlineHistory())
    monitor = Monitor(
        dict.fromkeys(ids, client), history, clock=clock, rng=random.Random(0), **options
    )
    held.append(Bench(monitor, accounts))
    try:
        yield held[0]
    finally:
        await held[0].snapshots.aclose()
        await client.close()


def most_in_window(times: list[float], seconds: float) -> int:
    """Return the most events in any closed window of that many seconds."""
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] > seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
