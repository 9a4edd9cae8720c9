"""Receipts of jobs that ended while they were polled in virtual time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.logs import FailuresView
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.reports.receipt import Receipt
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.monitor.bench import EPOCH, Bench, wall
from tests.monitor.inline_history import InlineHistory

FAILED = "importErrorRetryExhaustion"
SOURCE = Source("s3", "photos", endpoint="https://s3.example.com", region="eu-west-1")
TARGET = Target("r2", "media", "eu")


def plan(name: str = "job-1", **numbers: Any) -> Plan:
    """A job of an hour that begins with virtual time; prefix, keys and any number can be given."""
    scope = {"path_prefix": numbers.pop("prefix", None), "keys": numbers.pop("keys", None)}
    source = Source(
        **{**{n: getattr(SOURCE, n) for n in ("vendor", "bucket", "endpoint")}, **scope}
    )
    usual = {"created": EPOCH + 1, "objects": 36_000, "seconds": 3600.0, "listing": 60.0}
    return Plan(**{"id": name, "source": source, "target": TARGET, **usual, **numbers})


def account(*plans: Plan) -> list[SimulatedAccount]:
    return [SimulatedAccount(clock=wall, token="t0ken", plans=plans)]


def key_of(b: Bench, name: str = "job-1") -> JobKey:
    return JobKey(b.account.account_id, name)


def link_of(b: Bench, child: str, parent: str = "job-1", keys: int = 10) -> RetryLink:
    return RetryLink(key_of(b, child), key_of(b, parent), keys, (FAILED,))


@asynccontextmanager
async def elsewhere(b: Bench) -> AsyncGenerator[SlurperClient, None]:
    """Another client of the account, which may change its jobs."""
    client = SlurperClient(token_credentials("t0ken"), transport=b.account.transport())
    client.unlock()
    try:
        yield client
    finally:
        await client.close()


async def receipt_of(b: Bench, *names: str, progress: list[FailuresView] | None = None) -> Receipt:
    """The receipt of some jobs."""
    keys = [key_of(b, name) for name in names or ("job-1",)]
    views = [] if progress is None else progress
    return await (await b.session.services()).receipts.receipt(keys, views.append)


async def watch_to_end(b: Bench, *names: str) -> None:
    """Poll until the jobs have ended, and once more."""
    wanted = set(names or ("job-1",))
    await b.until(lambda s: wanted <= {v.job.id for v in s.jobs if v.ended}, 90_000)
    await b.rounds(1)


def past(history: InlineHistory) -> StoredHistory:
    return StoredHistory(history)
