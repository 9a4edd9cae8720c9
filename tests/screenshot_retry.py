"""A migration of several jobs for the screenshots: one failed in part, another was verified."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import NamedTuple

from slurper_tui.api.models import Secret, Source, Target
from slurper_tui.monitor.jobs.draft import retry_drafts
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Snapshot
from slurper_tui.monitor.model.logs import FAILED_TYPE, FailuresView, LogView
from slurper_tui.monitor.model.plans import Secrets
from slurper_tui.monitor.model.verification import HeaderSample, Outcome, Tally, Verification
from slurper_tui.monitor.reports.receipt import Receipt
from slurper_tui.monitor.session import Services
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.fake_control import FakeControl
from tests.fake_services import FakeLogs, FakeServices

HOUR = 3600.0
FAILED, CLEAN, RUNNING, OTHER = (
    f"{random.Random(seed).getrandbits(256):064x}" for seed in range(4)
)
S3 = "https://s3.eu-central-1.amazonaws.com"
MEDIA = Target("r2", "media", "default")


class Pages(NamedTuple):
    """The content of the pages about one job."""

    log: LogView
    failures: FailuresView
    receipt: Receipt


def account(begin: float, clock: Callable[[], float]) -> SimulatedAccount:
    """Jobs of three prefixes of one bucket, and one of another bucket."""

    def photos(prefix: str) -> Source:
        return Source("s3", "photos-prod", prefix, S3)

    def plan(job: str, ago: float, objects: int, hours: float, prefix: str) -> Plan:
        return Plan(job, begin - ago * HOUR, objects, hours * HOUR, photos(prefix), MEDIA)

    edge, archive = Source("gcs", "logs-eu", "edge/"), Target("r2", "archive", "eu")
    plans = (
        replace(plan(FAILED, 26, 1_412_113, 25.9, "2024/"), failed=1310, not_copied=37),
        replace(plan(CLEAN, 31, 880_112, 24, "2022/"), harmless=12_000),
        replace(plan(RUNNING, 9, 1_203_400, 16, "2023/"), failed=4),
        Plan(OTHER, begin - 3 * HOUR, 640_000, 5 * HOUR, edge, archive, failed=12),
    )
    return SimulatedAccount(0, clock, plans=plans)


def verification(of: JobKey, begin: float) -> Verification:
    """The verification of the clean job, an hour before; large objects were uploaded in parts."""
    same = {"2022/01/": 71_204, "2022/02/": 68_431, "2022/03/": 740_477}
    return Verification(
        account_id=of.account_id,
        jobs=(of.job_id,),
        bucket="media",
        expected=f"S3 bucket photos-prod at {S3.removeprefix('https://')}",
        actual=f"R2 bucket media at {of.account_id}.r2.cloudflarestorage.com",
        started_at=begin - HOUR,
        ended_at=begin - HOUR + 102,
        tally=Tally(
            {Outcome.SAME: 880_112, Outcome.EXTRA: 14},
            etags=868_944,
            not_compared={"uploaded to the source in parts": 11_168},
            bytes=3_214_566_780_000,
        ),
        by_prefix=tuple((name, Tally({Outcome.SAME: n}, n)) for name, n in same.items()),
        headers=HeaderSample(20_261, 1_000, 0, 0.0, 0.0038, large=87),
    )


def key(account: SimulatedAccount, job_id: str) -> JobKey:
    return JobKey(account.account_id, job_id)


async def retry(services: Services, snapshot: Snapshot, failed: JobKey) -> None:
    """Create the job that copies exactly the failed objects."""
    reading = services.logs.failures((failed,))
    async for _ in reading.views():
        pass
    view = next(view for view in snapshot.jobs if view.key == failed)
    [draft] = retry_drafts(view.job, reading.keys([FAILED_TYPE]))
    services.control.unlock()
    secrets = Secrets(Secret("id", "key"), Secret("id", "key"))
    made = await services.creation.create(
        failed.account_id, draft, secrets, retry_of=failed, log_types=(FAILED_TYPE,)
    )
    assert made.job_id is not None


async def pages(services: Services, failed: JobKey) -> Pages:
    """Read the log and the failures to their end, and make the receipt."""
    failures = [view async for view in services.logs.failures((failed,)).views()][-1]
    return Pages(
        await _complete(services.logs.follow((failed,))),
        failures,
        await services.receipts.receipt([failed]),
    )


async def _complete(views: AsyncIterator[LogView]) -> LogView:
    async for view in views:
        if view.whole:
            return view
    raise AssertionError("the log was never read to its end")


def services_of(pages: Pages | None) -> Services:
    """Services that return these pages only. pages: None for services without any."""
    services, logs = FakeServices(), FakeLogs()
    services.logs, services.control = logs, FakeControl()
    if pages is not None:
        logs.pushed.push(pages.log)
        logs.reading.pushed.push(pages.failures)
        logs.reading.pushed.end()
        services.receipts = FixedReceipt(pages.receipt)
    return services.services


class FixedReceipt:
    """Returns the same receipt for all jobs."""

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt

    async def receipt(self, keys: object, **given: object) -> Receipt:
        return self._receipt
