"""Logs read over a simulated account, in virtual time, beside a monitor that polls."""

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
    """Notes of the counts of logs."""

    def __init__(self) -> None:
        self.kept: list[tuple[JobKey, LogCounts]] = []

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        self.kept.append((key, counts))

    async def counts(self, accounts: object) -> Mapping[JobKey, LogCounts]:
        return dict(self.kept)


def reader(b: Bench, notes: Any = None, **options: Any) -> LogReader:
    """A reader within the budget of a monitor."""
    return reader_of(b.monitor, notes, **options)


def reader_of(monitor: Monitor, notes: Any = None, **options: Any) -> LogReader:
    """A reader within the budget of this monitor, and over its client."""
    kept: Any = notes or KeptCounts()
    return LogReader(monitor.metered, monitor.job_store, kept, **options)


def key_of(b: Bench, number: int = 0) -> JobKey:
    """One of the account's jobs, of which 0 is the newest."""
    return JobKey(b.account.account_id, b.account.jobs()[number].plan.id)


def asked(b: Bench) -> list[Request]:
    """The requests for logs."""
    return [request for request in b.requests if request.path.endswith("/logs")]


def plan(name: str = "j1", **numbers: Any) -> Plan:
    """A job that ended an hour ago, half a minute after it began."""
    usual = {"created": EPOCH - 3600.0, "objects": 10_000, "seconds": 30.0, "listing": 10.0}
    return Plan(**{"id": name, **usual, **numbers})


def account(*plans: Plan, **options: Any) -> list[SimulatedAccount]:
    """An account with just these jobs."""
    return [SimulatedAccount(clock=wall, token="t0ken", plans=plans, **options)]


async def take(source: AsyncIterator[T], until: Callable[[T], bool], most: int = 5000) -> list[T]:
    """What comes until something fits, or the source ends."""
    taken: list[T] = []
    async for value in source:
        taken.append(value)
        if until(value):
            return taken
        assert len(taken) < most, f"nothing fits by {now()}: {str(value)[:300]}"
    return taken
