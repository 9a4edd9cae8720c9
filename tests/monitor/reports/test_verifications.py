"""Verifications of jobs on the simulated account: their scope, the log, and the work file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.errors import NoCredential, NotFound
from slurper_tui.api.models import Answer, Secret, Source, Target
from slurper_tui.format import parse_time
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.history.workfile import WorkFile, work_path
from slurper_tui.monitor.logs.paging import log_requests
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.plans import Secrets
from slurper_tui.monitor.model.verification import (
    CannotVerify,
    Outcome,
    Through,
    VerifyOptions,
    with_losses,
)
from slurper_tui.monitor.polling.budget import READ_BURST
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.reports.verifications import KEPT_SECONDS, Verifications
from slurper_tui.monitor.verify.scope import JobScope
from slurper_tui.simulated.account import Fault
from slurper_tui.simulated.jobs import incident_key
from slurper_tui.simulated.objects import Contents
from tests.monitor.bench import EPOCH, Bench, bench, most_in_window, now, wall
from tests.monitor.inline_history import InlineHistory
from tests.monitor.reports.ended import account, key_of, plan, watch_to_end
from tests.monitor.verify.buckets import MemoryBucket, an_object, by_key
from tests.virtual_time import timeless

SHORT: dict[str, Any] = {"objects": 50, "seconds": 10.0, "listing": 2.0}


async def verifications(b: Bench) -> Verifications:
    return (await b.session.services()).verifications


@timeless
async def test_the_scope_is_that_of_the_jobs() -> None:
    jobs = plan(prefix="a/"), plan("job-2", keys=("k", "l"), overwrite=False)
    async with bench(account(*jobs)) as b:
        await b.rounds(1)
        made = await verifications(b)
        scope = await made.scope([key_of(b), key_of(b, "job-2")], ["a/b/"])
        first, second = (parse_time(b.job(name).job.created_at) for name in ("job-1", "job-2"))
    assert scope.jobs == (
        JobScope("job-1", "a/", None, first, overwrite=True, ended=False),
        JobScope("job-2", "", ("k", "l"), second, overwrite=False, ended=False),
    )
    assert (scope.bucket, scope.prefixes, scope.live) == ("media", ("a/b/",), True)


@timeless
async def test_the_keys_of_a_job_from_the_history_are_fetched() -> None:
    history = InlineHistory()
    accounts = account(plan(keys=("k",)))
    async with bench(accounts, history=StoredHistory(history)) as b:
        await b.rounds(1)
    stored = history.stored(accounts[0].account_id)
    assert stored.jobs[0].job.source is not None
    assert stored.jobs[0].job.source.keys is None
    async with bench(accounts, history=stored) as b:
        scope = await (await verifications(b)).scope([key_of(b)])
        assert [request.path for request in b.requests] == ["jobs/job-1"]
    assert scope.jobs[0].keys == ("k",)


@timeless
@pytest.mark.parametrize(
    "other", [{"target": Target("r2", "another")}, {"source": Source("s3", "another")}]
)
async def test_jobs_of_several_migrations_are_refused(other: dict[str, Any]) -> None:
    jobs = plan(), plan("job-2", **other)
    async with bench(account(*jobs)) as b:
        await b.rounds(1)
        with pytest.raises(ValueError, match="the same account, source and target"):
            await (await verifications(b)).scope([key_of(b), key_of(b, "job-2")])


async def missing(b: Bench, keys: Iterable[str], progress: list[object]) -> dict[str, str | None]:
    """Verify keys that the target lacks; return them with the log types that explain them."""
    made = await verifications(b)
    scope = await made.scope([key_of(b)])
    source = MemoryBucket(an_object(key, modified=EPOCH - 1) for key in keys)
    verifier = made.make(scope, source, MemoryBucket(()))
    try:
        with suppress(NotFound):
            await made.explain(verifier, [key_of(b)], progress.append)
        async for _ in verifier.run():
            pass
        differences = [*verifier.differences()]
    finally:
        await verifier.close()
    for one in differences:
        assert one.outcome is (Outcome.EXPECTED if one.log_type else Outcome.MISSING)
    return {one.key: one.log_type for one in differences}


@timeless
async def test_the_log_explains_what_failed_or_was_not_copied() -> None:
    mixed = plan(failed=3, not_copied=2, **SHORT)
    keys = [incident_key(mixed, number) for number in range(6)]
    async with bench(account(mixed)) as b:
        await watch_to_end(b)
        progress = list[object]()
        found = await missing(b, keys, progress)
    assert {key for key, log_type in found.items() if log_type is None} == {keys[-1]}
    assert [*found.values()].count("importErrorRetryExhaustion") == 3
    assert progress


@timeless
async def test_a_log_that_cannot_be_read_to_its_end_explains_nothing() -> None:
    many = plan(failed=500, **(SHORT | {"objects": 1000}))
    keys = [incident_key(many, number) for number in range(500)]
    async with bench(account(many)) as b:
        await watch_to_end(b)
        b.account.faults.add(Fault(operation="logs", status=404, after=2))
        progress = list[object]()
        found = await missing(b, keys, progress)
    assert {*found.values()} == {None}
    assert len(progress) > 1


@timeless
async def test_the_logs_that_are_read_are_those_of_jobs_with_losses() -> None:
    clean, lossy = plan(**SHORT), plan("job-2", failed=46, **SHORT | {"objects": 400})
    async with bench(account(clean, lossy)) as b:
        await b.rounds(1)
        assert log_requests([b.job("job-2")]) is not None
        await watch_to_end(b, "job-1", "job-2")
        views = [b.job(name) for name in ("job-1", "job-2")]
    assert with_losses(views) == [key_of(b, "job-2")]
    assert log_requests(views) == 2
    assert log_requests(views[:1]) == 0
    unknown = replace(views[1], counts=Counts(objects=400))
    assert (with_losses([unknown]), log_requests([unknown])) == ([unknown.key], None)


def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Cloudflare's API, not a simulated one, list many pages of few objects."""
    whole = SlurperClient.r2_objects

    def short(client: SlurperClient, *of: Any, **query: Any) -> Any:
        return whole(client, *of, **query | {"per_page": 20})

    monkeypatch.setattr(SlurperClient, "is_simulated", False)
    monkeypatch.setattr(SlurperClient, "r2_objects", short)


@timeless
async def test_polls_keep_their_pace_while_both_sides_are_listed_through_the_api(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short_pages(monkeypatch)
    big: dict[str, Any] = {"objects": 40_000, "source": Source("r2", "photos")}
    jobs = [plan(f"job-{number}", **big) for number in range(1, 7)]
    async with bench(account(*jobs)) as b:
        await b.seconds(60)
        verifier = await (await verifications(b)).prepare([key_of(b)], VerifyOptions())

        async def verify() -> None:
            async for _ in verifier.run():
                pass

        began, running = now(), asyncio.create_task(verify())
        await b.seconds(240)
        assert not running.done()
        running.cancel()
        await asyncio.wait({running})
        await verifier.close()
        during = [request for request in b.requests if request.at > began]
        polls = {
            name: [at for at in b.polls(name) if at > began] for name in (job.id for job in jobs)
        }
    listings = [request.at for request in during if request.path.endswith("/objects")]
    assert len(listings) > 240
    assert most_in_window(listings, 300.0) <= 450 + READ_BURST
    for times in polls.values():
        assert max(later - earlier for earlier, later in pairwise(times)) <= 5.1


@timeless
async def test_looking_keys_up_in_the_target_leaves_half_of_the_budget_to_the_polls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short_pages(monkeypatch)
    copied = plan(**SHORT | {"objects": 4_000})
    keys = [Contents(copied).key(number) for number in range(0, 4_000, 25)]
    async with bench(account(copied)) as b:
        await watch_to_end(b)
        lookup = (await b.session.services()).buckets.lookup(b.job("job-1"), keys)
        assert lookup is not None
        began = now()
        async for _ in lookup.run():
            pass
        seconds = now() - began
    assert len(lookup.found) == len(keys) == lookup.price.requests
    assert lookup.requests > READ_BURST + 100
    assert (lookup.requests - READ_BURST) / seconds <= 1.5


@timeless
async def test_objects_of_single_keys_are_counted_once() -> None:
    jobs = plan(**SHORT), plan("job-2", keys=("k",), **SHORT | {"objects": 1})
    async with bench(account(*jobs)) as b:
        made = await verifications(b)
        keys = [key_of(b), key_of(b, "job-2")]
        assert made.objects(keys) is None
        await watch_to_end(b, "job-1", "job-2")
        assert made.objects(keys) == 50
        assert made.objects(keys[1:]) == 1


async def test_work_files_are_deleted_30_days_after_the_end(tmp_path: Path) -> None:
    store, _ = open_file(tmp_path / "history.sqlite3", "https://example.com")
    history = InlineHistory(store)
    async with bench(account(plan()), history=StoredHistory(history)) as b:
        made = await verifications(b)
        keys = [key_of(b)]
        scope = await made.scope(keys)
        bucket = MemoryBucket([an_object("a", modified=EPOCH - 1)])

        async def ended(name: str) -> Path:
            """Return the work file of a verification of one more job."""
            jobs = tuple(replace(job, job_id=name) for job in scope.jobs)
            verifier = made.make(replace(scope, jobs=jobs), bucket, bucket)
            async for _ in verifier.run():
                pass
            await verifier.close()
            return work_path(tmp_path / "history.sqlite3", scope.account_id, [name])

        old, recent, open_elsewhere, interrupted = [await ended(name) for name in "abcd"]
        with closing(sqlite3.connect(interrupted)) as connection, connection:
            connection.execute("UPDATE run SET result = NULL")
        (foreign := tmp_path / "verify-mine.sqlite3").write_bytes(b"mine")
        for path in (old, recent, open_elsewhere, interrupted, foreign):
            age = KEPT_SECONDS + (-60.0 if path == recent else 60.0)
            os.utime(path, (wall() - age, wall() - age))
        used = WorkFile(open_elsewhere)
        assert await ended("e")
        used.close()
        assert not old.exists()
        assert all(path.exists() for path in (recent, open_elsewhere, interrupted, foreign))


async def test_keys_are_listed_until_30_days_after_the_end(tmp_path: Path) -> None:
    store, _ = open_file(tmp_path / "history.sqlite3", "https://example.com")
    later, history = 0.0, StoredHistory(InlineHistory(store))
    async with bench(account(plan()), clock=lambda: wall() + later, history=history) as b:
        made = await verifications(b)
        keys = [key_of(b)]
        bucket = MemoryBucket([an_object("a", modified=EPOCH - 1)])
        verifier = made.make(await made.scope(keys), bucket, bucket)
        async for _ in verifier.run():
            pass
        await verifier.close()
        later = KEPT_SECONDS - 60.0
        last = made.last(keys)
        assert last is not None
        last.close()
        later += 120.0
        assert made.last(keys) is None


async def test_the_last_verification_is_kept_beside_the_history(tmp_path: Path) -> None:
    store, _ = open_file(tmp_path / "history.sqlite3", "https://example.com")
    history = InlineHistory(store)
    async with bench(account(plan()), history=StoredHistory(history)) as b:
        made = await verifications(b)
        keys = [key_of(b)]
        scope = await made.scope(keys)
        assert made.last(keys) is None
        one, other = an_object("a", modified=EPOCH - 1), an_object("b", modified=EPOCH - 1)
        verifier = made.make(scope, MemoryBucket([one, other]), MemoryBucket([one]))
        with pytest.raises(CannotVerify, match="another slurper-tui"):
            made.last(keys)
        async for _ in verifier.run():
            pass
        await verifier.close()
        last = made.last(keys)
        assert last is not None
        assert last.result == verifier.result()
        assert by_key(last.differences([Outcome.MISSING])) == {"b": "missing"}
        last.close()
    store.close()
    assert any(name.startswith("verify-") for name in os.listdir(tmp_path))


@timeless
async def test_without_a_file_a_verification_is_in_memory() -> None:
    async with bench(account(plan())) as b:
        made = await verifications(b)
        assert made.last([key_of(b)]) is None


KEYS = Secrets(Secret("SOURCE-ID", "s0urce"), Secret("TARGET-ID", "t4rget"))
ENDPOINT = "r2.cloudflarestorage.com"


@timeless
@pytest.mark.parametrize(
    ("vendor", "options", "expected", "actual"),
    [
        ("r2", VerifyOptions(), "R2 bucket photos, through the API", "through the API"),
        ("r2", VerifyOptions(secrets=KEYS), "through the API", "through the API"),
        ("r2", VerifyOptions(r2=Through.KEYS, secrets=KEYS), ENDPOINT, ENDPOINT),
        ("r2", VerifyOptions(r2=Through.TOKEN), ENDPOINT, ENDPOINT),
        ("s3", VerifyOptions(secrets=KEYS), "S3 bucket photos at", "through the API"),
        ("s3", VerifyOptions(r2=Through.TOKEN, secrets=KEYS), "S3 bucket photos at", ENDPOINT),
        ("gcs", VerifyOptions(secrets=KEYS), "Google Cloud Storage bucket", "through the API"),
    ],
)
async def test_the_options_choose_how_each_side_is_listed(
    monkeypatch: pytest.MonkeyPatch,
    vendor: str,
    options: VerifyOptions,
    expected: str,
    actual: str,
) -> None:
    async def r2_keys(client: SlurperClient) -> Answer[Secret]:
        return Answer(KEYS.target)

    monkeypatch.setattr(SlurperClient, "is_simulated", False)
    monkeypatch.setattr(SlurperClient, "r2_keys", r2_keys)
    endpoint = "https://s3.example.com" if vendor == "s3" else None
    one = plan(source=Source(vendor, "photos", endpoint=endpoint))
    async with bench(account(one)) as b:
        await b.rounds(1)
        before = len(b.requests)
        verifier = await (await verifications(b)).prepare([key_of(b)], options)
        costs = await verifier.plan()
        await verifier.close()
        sent = [request.path for request in b.requests[before:]]
    assert expected in costs.expected.name
    assert actual in costs.actual.name
    assert not any("objects" in path for path in sent)


@timeless
async def test_a_source_without_keys_cannot_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SlurperClient, "is_simulated", False)
    async with bench(account(plan())) as b:
        await b.rounds(1)
        with pytest.raises(NoCredential, match="needs keys to it"):
            await (await verifications(b)).prepare([key_of(b)], VerifyOptions())
