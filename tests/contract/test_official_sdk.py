"""The official SDK in strict mode accepts every answer of the simulated account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import cloudflare
import httpx
import pytest
from cloudflare.types.r2.super_slurper import (
    JobGetResponse,
    JobProgressResponse,
)

from slurper_tui.simulated.account import SimulatedAccount

_SECRET = {"accessKeyId": "AKIA-SIMULATED", "secretAccessKey": "s3cr3t-s3cr3t"}
_TARGET = {"vendor": "r2", "bucket": "media", "secret": _SECRET}
_SOURCES = (
    {"vendor": "s3", "bucket": "photos", "secret": _SECRET, "endpoint": "https://s3.example"},
    {
        "vendor": "gcs",
        "bucket": "logs",
        "secret": {"clientEmail": "a@b.example", "privateKey": "k"},
    },
    {"vendor": "r2", "bucket": "old", "secret": _SECRET, "jurisdiction": "eu", "keys": ["a", "b"]},
)


@pytest.fixture
def account() -> SimulatedAccount:
    return SimulatedAccount(clock=lambda: 1_790_000_000.0, slots=9)


@pytest.fixture
def sdk(account: SimulatedAccount) -> Iterator[Any]:
    with httpx.Client(transport=account.transport()) as http:
        yield cloudflare.Cloudflare(
            api_token=account.token,
            http_client=http,
            max_retries=0,
            _strict_response_validation=True,
        ).r2.super_slurper


def test_every_answer_about_a_job_is_valid(sdk: Any, account: SimulatedAccount) -> None:
    listed = list(sdk.jobs.list(account_id=account.account_id, limit=50))
    assert len(listed) == len(account.jobs())
    for job in listed:
        got = sdk.jobs.get(job.id, account_id=account.account_id)
        progress = sdk.jobs.progress(job.id, account_id=account.account_id)
        rows = list(sdk.jobs.logs.list(job.id, account_id=account.account_id, limit=50))
        assert isinstance(got, JobGetResponse)
        assert isinstance(progress, JobProgressResponse)
        assert got.status == progress.status == job.status
        assert rows[-1].log_type == "migrationStart" or len(rows) == 50


def test_a_job_can_be_paused_resumed_and_aborted(sdk: Any, account: SimulatedAccount) -> None:
    running = next(
        job for job in account.jobs() if job.status(1_790_000_000.0) == "running"
    ).plan.id
    for verb, status in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        assert isinstance(getattr(sdk.jobs, verb)(running, account_id=account.account_id), str)
        assert sdk.jobs.get(running, account_id=account.account_id).status == status
    assert isinstance(sdk.jobs.abort_all(account_id=account.account_id), str)


@pytest.mark.parametrize("source", _SOURCES, ids=lambda source: source["vendor"])
def test_a_job_can_be_created(sdk: Any, account: SimulatedAccount, source: dict[str, Any]) -> None:
    made = sdk.jobs.create(account_id=account.account_id, source=source, target=_TARGET)
    job = sdk.jobs.get(made.id, account_id=account.account_id)
    assert (job.source.vendor, job.source.bucket) == (source["vendor"], source["bucket"])


@pytest.mark.parametrize("source", _SOURCES, ids=lambda source: source["vendor"])
def test_connectivity_prechecks(
    sdk: Any, account: SimulatedAccount, source: dict[str, Any]
) -> None:
    check = sdk.connectivity_precheck
    wrong = {**source, "bucket": "missing-bucket"}
    sources = [check.source(account_id=account.account_id, **s) for s in (source, wrong)]
    target = check.target(account_id=account.account_id, **_TARGET)
    assert [s.connectivity_status for s in sources] == ["success", "error"]
    assert target.connectivity_status == "success"


@pytest.mark.parametrize(
    ("provoke", "error"),
    [
        (lambda jobs, a: jobs.get("nobody", account_id=a), cloudflare.NotFoundError),
        (lambda jobs, a: jobs.get("nobody", account_id="elsewhere"), cloudflare.NotFoundError),
        (lambda jobs, a: jobs.list(account_id=a, limit=51), cloudflare.BadRequestError),
        (lambda jobs, a: jobs.create(account_id=a, source={}), cloudflare.BadRequestError),
    ],
)
def test_a_refusal_raises_the_sdks_own_error(
    sdk: Any, account: SimulatedAccount, provoke: Callable[..., object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        provoke(sdk.jobs, account.account_id)


async def test_the_asynchronous_sdk_reads_every_job(account: SimulatedAccount) -> None:
    async with httpx.AsyncClient(transport=account.transport()) as http:
        jobs = cloudflare.AsyncCloudflare(
            api_email=account.email,
            api_key=account.key,
            http_client=http,
            _strict_response_validation=True,
        ).r2.super_slurper.jobs
        page = await jobs.list(account_id=account.account_id)
        ids = [job.id for job in page.result if job.id]
        asked = (jobs.progress(job, account_id=account.account_id) for job in ids)
        progress = await asyncio.gather(*asked)
    assert len(ids) == len(account.jobs())
    assert [p.id for p in progress if p is not None] == ids
