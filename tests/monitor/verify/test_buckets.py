"""How the source and the target of a job are listed: with which keys, and where."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import BadAddress, NoCredential
from slurper_tui.api.models import Secret, Source
from slurper_tui.api.scrub import Scrubber
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.polling.budget import Budget, Metered
from slurper_tui.monitor.verify import buckets
from slurper_tui.monitor.verify.buckets import ObjectListing, R2Listing, r2_side, source_side
from slurper_tui.simulated.account import SimulatedAccount
from tests.api.s3_servers import listing, serving
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
        side: ObjectListing = source_side(metered, account.account_id, source, KEYS)
        assert side.name == name.format(account.account_id)
        assert side.cost.in_r2 is (source is R2)
    assert scrubber.clean(f"{KEYS.access_key_id} {KEYS.secret_access_key}") == "*** ***"


@pytest.mark.parametrize("keys", [None, Secret(), Secret(client_email="me", private_key="pem")])
async def test_a_source_without_its_keys_cannot_be_listed(
    account: SimulatedAccount, keys: Secret | None
) -> None:
    async with cloud(account) as metered:
        for source, words in ((AWS, "needs keys to it"), (GCS, "needs HMAC keys to it")):
            with pytest.raises(NoCredential, match=words) as raised:
                source_side(metered, account.account_id, source, keys)
            assert raised.value.exit_code == 3
        side = source_side(metered, account.account_id, R2)
        assert side.name == "R2 bucket photos, through the API"


async def test_an_endpoint_of_a_job_that_is_not_https_gets_no_keys(
    account: SimulatedAccount,
) -> None:
    plain = Source("s3", "photos", endpoint="http://minio.example.net")
    async with cloud(account) as metered:
        with pytest.raises(BadAddress, match="must be https"):
            source_side(metered, account.account_id, plain, KEYS)


async def test_the_demo_lists_every_bucket_of_its_jobs_and_needs_no_keys() -> None:
    account = SimulatedAccount()
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    metered = metered_of(client)
    vendors, seen = set(), set()
    for course in account.jobs():
        source, target = course.plan.source, course.plan.target
        assert source is not None
        assert target is not None
        vendors.add(source.vendor)
        if source.bucket in seen or source.bucket == "photos-prod":  # which has most objects
            continue
        seen.add(source.bucket)
        prefix = source.path_prefix or ""
        for side in (
            source_side(metered, account.account_id, source),
            r2_side(metered, account.account_id, target.bucket or "", target.jurisdiction),
        ):
            assert isinstance(side, R2Listing)
            page = await anext(side.pages(prefix))
            assert all(found.key.startswith(prefix) for found in page)
    assert vendors == {"s3", "gcs", "r2"}


async def test_with_keys_a_bucket_is_listed_at_r2s_s3_endpoint(
    account: SimulatedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(lambda _: listing("a")) as (url, asked), cloud(account) as metered:
        keys = (await metered.api.r2_keys()).value
        assert keys.secret_access_key == hashlib.sha256(account.token.encode()).hexdigest()
        monkeypatch.setattr(buckets, "r2_endpoint", lambda *where: url)
        side = r2_side(metered, account.account_id, "media", "eu", keys)
        assert [[found.key for found in page] async for page in side.pages()] == [["a"]]
        for none in (None, Secret()):
            side = r2_side(metered, account.account_id, "media", "eu", none)
            assert side.name == "R2 bucket media, through the API"
    [request] = asked
    assert f"Credential={keys.access_key_id}/" in request.headers["authorization"]
    assert "/auto/s3/" in request.headers["authorization"]
    assert account.token not in str(request)


async def test_the_addresses_of_r2_have_the_account_and_the_jurisdiction(
    account: SimulatedAccount,
) -> None:
    async with cloud(account) as metered:
        for place, host in ((None, ""), ("default", ""), ("eu", ".eu"), ("fedramp", ".fedramp")):
            side = r2_side(metered, account.account_id, "media", place, KEYS)
            expected = f"{account.account_id}{host}.r2.cloudflarestorage.com"
            assert side.name == f"R2 bucket media at {expected}"
            assert side.cost.in_r2
