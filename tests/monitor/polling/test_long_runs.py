"""A faulty hour and a week with one look a day, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.monitor.reports.digest import Digest
from slurper_tui.simulated.account import Fault, Jobs, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Course, Plan
from tests.monitor.bench import Bench, bench, make_accounts, now, wall
from tests.monitor.inline_history import InlineHistory
from tests.monitor.polling.test_faults import PASSING
from tests.monitor.polling.test_poller import running
from tests.virtual_time import timeless

pytestmark = pytest.mark.no_cover  # long spans of virtual time, which measuring would double

HOUR, DAY = 3600.0, 86_400.0
LOOK = 300.0
WEEK = Plan(
    "week",
    0.0,
    5_000_000,
    6.6 * DAY,
    source=Source("s3", "photos", "2024/"),
    target=Target("r2", "media"),
    listing=10 * HOUR,
    failed=310,
    harmless=40_000,
)


def account_with(course: Course) -> SimulatedAccount:
    """An account whose only job is this one."""
    [account] = make_accounts(1, jobs=0)
    account._jobs = Jobs([course], wall, random.Random(0), 3)
    return account


async def look(
    account: SimulatedAccount, history: InlineHistory, left: float | None
) -> tuple[Snapshot | None, Snapshot, Digest, float]:
    """Return the first snapshot, the last of five minutes, the digest, and the time of the end."""
    stored = history.stored(account.account_id, left)
    async with bench([account], history=stored) as b:
        first = await b.until(lambda s: True)
        begun = now()
        found = await b.until(lambda s: s.complete)
        assert now() - begun < 1.0
        digest = await b.session.digest()
        last = await b.seconds(LOOK)
    assert found.jobs
    return (first if first.jobs else None), last, digest, wall()


def only(snapshot: Snapshot) -> JobView:
    [view] = snapshot.jobs
    return view


def done_of(snapshots: list[Snapshot]) -> Iterator[int]:
    for snapshot in snapshots:
        done = only(snapshot).counts.done
        assert done is not None
        yield done


@timeless
async def test_a_week_with_one_look_a_day_shows_correct_values() -> None:
    begun = wall()
    account = account_with(Course(replace(WEEK, created=begun)))
    history = InlineHistory()
    looks: list[Snapshot] = []
    left: float | None = None
    correct = 0
    for day in range(8):
        await asyncio.sleep(begun + (day + 0.3) * DAY - wall())
        first, last, digest, until = await look(account, history, left)
        view, before = only(last), looks[-1] if looks else None
        _first_picture(first, before)
        _digest_of_the_absence(digest, left, before, view)
        if view.live:
            truth = begun + WEEK.seconds
            forecast = view.forecast
            assert forecast is not None
            assert forecast.low <= truth
            correct += forecast.at_least or forecast.low <= truth <= forecast.high
        looks.append(last)
        left = until
    assert correct >= 5
    end = only(looks[-1])
    assert (end.status, end.counts.failed) == ("completed", 310)
    assert end.verdict is not None
    assert end.verdict.text == "completed · 310 failed · 0 not copied · 0 unaccounted"
    assert sorted(done_of(looks)) == list(done_of(looks))
    stored = history.store.samples(JobKey(account.account_id, "week"))
    assert sum(sample.after_gap for sample in stored) == 7


def _first_picture(first: Snapshot | None, before: Snapshot | None) -> None:
    """The first snapshot shows the state of the last run and marks it as from the history."""
    if before is None:
        assert first is None
        return
    assert first is not None
    stored_view = only(first)
    assert stored_view.from_history
    assert (stored_view.counts, stored_view.as_of) == (
        only(before).counts,
        only(before).as_of,
    )
    assert (stored_view.forecast, stored_view.rate) == (None, None)


def _digest_of_the_absence(
    digest: Digest, left: float | None, before: Snapshot | None, view: JobView
) -> None:
    """The digest agrees with the counters and shows the absence as unobserved."""
    if before is None or left is None:
        return
    [job] = digest.jobs
    assert digest.since == left
    then, then_done = only(before), only(before).counts.done or 0
    assert job.before is not None
    assert job.before.counts == then.counts
    assert job.moved is not None
    assert 0 < job.moved <= (view.counts.done or 0) - then_done
    assert job.observed_seconds < 60
    assert sum(span.until - span.since for span in digest.unobserved) > 0.9 * (
        digest.until - digest.since
    )


LYING = [*PASSING, Fault(Kind.WRONG_TYPES), Fault(Kind.SLOW, seconds=7.0)]
REFUSING = [
    Fault(status=status, code=10000, retry_after=20 if status == 429 else None)
    for status in (401, 403, 404, 429, 500)
]


def truth(account: SimulatedAccount, job_id: str) -> tuple[Any, ...]:
    """Return the true values of a job, read without faults."""
    root = f"https://api.cloudflare.com/client/v4/accounts/{account.account_id}/slurper/jobs"
    request = httpx.Request(
        "GET", f"{root}/{job_id}/progress", headers={"Authorization": f"Bearer {account.token}"}
    )
    found = account.answer(request).json()["result"]
    names = ("status", "objects", "transferredObjects", "skippedObjects", "failedObjects")
    return tuple(found[name] for name in names)


def shown(b: Bench, job_id: str) -> tuple[Any, ...]:
    view = b.job(job_id)
    counts = view.counts
    return (view.status, counts.objects, counts.transferred, counts.skipped, counts.failed)


def is_true(b: Bench, jobs: Iterable[str]) -> bool:
    return all(shown(b, job_id) == truth(b.account, job_id) for job_id in jobs)


@timeless
async def test_after_each_fault_of_an_hour_the_values_are_correct() -> None:
    rng = random.Random(2)
    async with bench(make_accounts(1, jobs=160, running=3)) as b:
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
            assert len(b.last.jobs) == 160
            # a list that lacked it twice made it gone; the next true list names it
            await b.until(lambda s: not b.job(lost).gone, within=60)
        b.account.faults.clear()
        await b.until(lambda s: b.job(lost).missed == 0, within=90)
        await b.until(
            lambda s: s.complete and is_true(b, (v.key.job_id for v in s.jobs if not v.live)),
            within=900,
        )
