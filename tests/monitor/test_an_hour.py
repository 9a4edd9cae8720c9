"""An hour with an API that fails, limits and lies: after each of it, the truth again."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.monitor.bench import Bench, bench, make_accounts, now
from tests.monitor.test_faults import PASSING
from tests.monitor.test_loop import running
from tests.virtual_time import timeless

pytestmark = pytest.mark.no_cover  # long spans of virtual time, which measuring would double

LYING = [*PASSING, Fault(Kind.WRONG_TYPES), Fault(Kind.SLOW, seconds=7.0)]
REFUSING = [
    Fault(status=status, code=10000, retry_after=20 if status == 429 else None)
    for status in (401, 403, 404, 429, 500)
]


def truth(account: SimulatedAccount, job_id: str) -> tuple[Any, ...]:
    """What the account says of a job, asked past all faults."""
    root = f"https://api.cloudflare.com/client/v4/accounts/{account.account_id}/slurper/jobs"
    request = httpx.Request(
        "GET", f"{root}/{job_id}/progress", headers={"Authorization": f"Bearer {account.token}"}
    )
    told = account.answer(request).json()["result"]
    names = ("status", "objects", "transferredObjects", "skippedObjects", "failedObjects")
    return tuple(told[name] for name in names)


def shown(b: Bench, job_id: str) -> tuple[Any, ...]:
    view = b.job(job_id)
    counts = view.counts
    return (view.status, counts.objects, counts.transferred, counts.skipped, counts.failed)


def is_true(b: Bench, jobs: Iterable[str]) -> bool:
    return all(shown(b, job_id) == truth(b.account, job_id) for job_id in jobs)


@timeless
async def test_an_hour_of_trouble_ends_in_the_truth_every_time() -> None:
    rng = random.Random(2)
    async with bench(make_accounts(1, jobs=340, running=3)) as b:
        await b.until(lambda s: s.accounts[0].listed)
        lost = running(b.account)[0]
        lasting = Fault(status=404, code=10007, job=lost)
        b.account.faults.add(lasting)
        while now() < 3600:
            trouble = rng.choice(LYING + REFUSING)
            if rng.random() < 0.3:
                trouble = replace(trouble, job=rng.choice(running(b.account)))
            b.account.faults.add(trouble)
            await b.seconds(rng.uniform(1, 60))
            b.account.faults.clear()
            b.account.faults.add(lasting)
            await b.until(
                lambda s: (
                    not s.accounts[0].problem and is_true(b, set(running(b.account)) - {lost})
                ),
                within=120,
            )
            assert len(b.last.jobs) == 340
            assert not b.job(lost).gone  # the list still names it
        b.account.faults.clear()
        await b.until(lambda s: b.job(lost).missed == 0, within=90)
        await b.until(
            lambda s: s.complete and is_true(b, (v.key.job_id for v in s.jobs if not v.live)),
            within=900,
        )
