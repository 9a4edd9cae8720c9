"""How the source and the target of a job are listed: with which keys, and where."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import BadAddress, NoCredential, RateLimited
from slurper_tui.api.models import Secret, Source
from slurper_tui.api.s3 import S3Bucket
from slurper_tui.api.scrub import Scrubber
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.polling.budget import Budget, Metered
from slurper_tui.monitor.verify import sides
from slurper_tui.monitor.verify.listing import ObjectListing
from slurper_tui.monitor.verify.r2 import R2Listing
from slurper_tui.monitor.verify.sides import needs_keys, r2_side, source_side
from slurper_tui.simulated.account import SimulatedAccount
from tests.api.s3_servers import Asked, error, listing, serving
from tests.monitor.bench import now

KEYS = Secret("AKIDofSomeBucket", "hush-hush-of-the-bucket")
AWS = Source("s3", "photos", "2024/")
PLAIN = Source("s3", "photos", endpoint="https://minio.example.net:9000", region="fr-par")
GCS = Source("gcs", "photos")
R2 = Source("r2", "photos", jurisdiction="eu")


def metered_of(client: SlurperClient) -> Metered:
    return Metered(client, Budget(), lambda: Moment(now(), now()), lambda *_: None)


class Cloud(SlurperClient):
    """A client that takes the simulated account for Cloudflare's own API."""

    is_simulated = False
    is_real = True


@asynccontextmanager
async def cloud(
    account: SimulatedAccount, scrubber: Scrubber | None = None
) -> AsyncIterator[Metered]:
    client = Cloud(
        token_credentials(account.token), transport=account.transport(), scrubber=scrubber
    )
    yield metered_of(client)
    await client.close()


@pytest.fixture
def account() -> SimulatedAccount:
    return SimulatedAccount(jobs=1)


NAMES = [
    (AWS, "S3 bucket photos at s3.amazonaws.com"),
    (PLAIN, "S3 bucket photos at minio.example.net:9000"),
    (GCS, "Google Cloud Storage bucket photos at storage.googleapis.com"),
    (R2, "R2 bucket photos at {}.eu.r2.cloudflarestorage.com"),
]


@pytest.mark.parametrize(("source", "name"), NAMES)
async def test_a_source_is_listed_with_its_keys(
    account: SimulatedAccount, source: Source, name: str
) -> None:
    scrubber = Scrubber()
    async with cloud(account, scrubber) as metered:
        side: ObjectListing = await source_side(metered, account.account_id, source, KEYS)
        assert side.name == name.format(account.account_id)
        assert side.cost.in_r2 is (source is R2)
        assert needs_keys(metered, account.account_id, source) is (source is not R2)
    assert scrubber.clean(f"{KEYS.access_key_id} {KEYS.secret_access_key}") == "*** ***"


@pytest.mark.parametrize("keys", [None, Secret(), Secret(client_email="me", private_key="pem")])
async def test_a_source_without_its_keys_cannot_be_listed(
    account: SimulatedAccount, keys: Secret | None
) -> None:
    async with cloud(account) as metered:
        for source, words in ((AWS, "needs keys to it"), (GCS, "needs HMAC keys to it")):
            with pytest.raises(NoCredential, match=words) as raised:
                await source_side(metered, account.account_id, source, keys)
            assert raised.value.exit_code == 3
        side = await source_side(metered, account.account_id, R2)
        assert side.name == "R2 bucket photos, through the API"


async def test_an_endpoint_of_a_job_that_is_not_https_gets_no_keys(
    account: SimulatedAccount,
) -> None:
    plain = Source("s3", "photos", endpoint="http://minio.example.net")
    async with cloud(account) as metered:
        with pytest.raises(BadAddress, match="must be https"):
            await source_side(metered, account.account_id, plain, KEYS)


async def test_the_demo_lists_every_bucket_of_its_jobs_and_needs_no_keys() -> None:
    account = SimulatedAccount()
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    metered = metered_of(client)
    vendors = set()
    for course in account.jobs():
        source, target = course.plan.source, course.plan.target
        assert source is not None
        assert target is not None
        vendors.add(source.vendor)
        assert not needs_keys(metered, account.account_id, source)
        prefix = source.path_prefix or ""
        for side in (
            await source_side(metered, account.account_id, source),
            await r2_side(metered, account.account_id, target.bucket or "", target.jurisdiction),
        ):
            assert isinstance(side, R2Listing)
            page = await anext(side.pages(prefix))
            assert all(found.key.startswith(prefix) for found in page)
    assert vendors == {"s3", "gcs", "r2"}


async def derived(
    account: SimulatedAccount, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> tuple[ObjectListing, Sequence[Asked]]:
    """Return the side of a bucket whose S3 endpoint gives an answer, and what was asked there."""
    async with serving(lambda _: answer) as (url, asked):
        monkeypatch.setattr(sides, "r2_endpoint", lambda *where: url)
        async with cloud(account) as metered:
            side = await r2_side(metered, account.account_id, "media", "eu", derive=True)
            if isinstance(side, S3Bucket):
                assert [page async for page in side.pages()]
    return side, asked


async def test_keys_that_belong_to_the_token_open_the_s3_endpoint(
    account: SimulatedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    side, asked = await derived(account, listing("a"), monkeypatch)
    assert isinstance(side, S3Bucket)
    async with cloud(account) as metered:
        keys = (await metered.api.r2_keys()).value
    assert keys.secret_access_key == hashlib.sha256(account.token.encode()).hexdigest()
    assert len(asked) == 2
    for request in asked:
        assert f"Credential={keys.access_key_id}/" in request.headers["authorization"]
        assert "/auto/s3/" in request.headers["authorization"]
        assert account.token not in str(request)


@pytest.mark.parametrize(
    "answer", [error(403, "AccessDenied"), error(404, "NoSuchBucket"), b"", error(500, "Any")]
)
async def test_where_they_do_not_open_it_the_bucket_is_listed_through_the_api(
    account: SimulatedAccount, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    side, asked = await derived(account, answer, monkeypatch)
    assert isinstance(side, R2Listing)
    assert len(asked) == 1


async def test_a_token_without_keys_and_another_address_are_listed_through_the_api(
    account: SimulatedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.verifiable = False
    side, asked = await derived(account, listing("a"), monkeypatch)
    assert (isinstance(side, R2Listing), asked) == (True, [])
    account.verifiable = True
    monkeypatch.setattr(Cloud, "is_real", False)
    side, asked = await derived(account, listing("a"), monkeypatch)
    assert (isinstance(side, R2Listing), asked) == (True, [])


async def test_a_spent_budget_is_told(account: SimulatedAccount) -> None:
    async with cloud(account) as metered:
        budget = Budget()
        budget.block(now(), 60.0)
        blocked = Metered(metered.api, budget, metered.now, lambda *_: None)
        with pytest.raises(RateLimited):
            await r2_side(blocked, account.account_id, "media", derive=True)


def test_only_cloudflares_own_api_is_real() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    for client, expected in (
        (SlurperClient(None), (True, False)),
        (SlurperClient(None, "http://127.0.0.1:8080/v4"), (False, False)),
        (SlurperClient(None, transport=transport), (False, True)),
    ):
        assert (client.is_real, client.is_simulated) == expected
