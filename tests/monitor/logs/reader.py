"""Log readers over a simulated account, in virtual time, beside a monitor that polls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

from slurper_tui.monitor.logs.reader import LogReader
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.monitor.bench import EPOCH, Bench, Request, now, wall

T = TypeVar("T")


class KeptCounts:
    """History notes that collect log counts."""

    def __init__(self) -> None:
        self.kept: list[tuple[JobKey, LogCounts]] = []

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        self.kept.append((key, counts))

    async def counts(self, accounts: object) -> Mapping[JobKey, LogCounts]:
        return dict(self.kept)


def reader(b: Bench, notes: Any = None, **options: Any) -> LogReader:
    """Return a reader within the budget of a bench's monitor."""
    return reader_of(b.monitor, notes, **options)


def reader_of(monitor: Monitor, notes: Any = None, **options: Any) -> LogReader:
    """Return a reader with the client and budget of this monitor."""
    stored: Any = notes or KeptCounts()
    return LogReader(monitor.metered, monitor.job_store, stored, **options)


def key_of(b: Bench, number: int = 0) -> JobKey:
    """Return the key of one of the account's jobs; 0 is the newest."""
    return JobKey(b.account.account_id, b.account.jobs()[number].plan.id)


def asked(b: Bench) -> list[Request]:
    """Return the log requests."""
    return [request for request in b.requests if request.path.endswith("/logs")]


def plan(name: str = "j1", **numbers: Any) -> Plan:
    """Return a job that ended an hour ago, half a minute after it began."""
    usual = {"created": EPOCH - 3600.0, "objects": 10_000, "seconds": 30.0, "listing": 10.0}
    return Plan(**{"id": name, **usual, **numbers})


def account(*plans: Plan, **options: Any) -> list[SimulatedAccount]:
    """Return an account with only these jobs."""
    return [SimulatedAccount(clock=wall, token="t0ken", plans=plans, **options)]


async def take(source: AsyncIterator[T], until: Callable[[T], bool], most: int = 5000) -> list[T]:
    """Return the values up to the first that satisfies `until`, or all."""
    taken: list[T] = []
    async for value in source:
        taken.append(value)
        if until(value):
            return taken
        assert len(taken) < most, f"no value fits by {now()}: {str(value)[:300]}"
    return taken
