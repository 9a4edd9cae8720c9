"""The operations of the client, and its read-only lock."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from threading import get_ident
from unittest.mock import AsyncMock
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import Credentials, key_credentials, token_credentials
from slurper_tui.api.errors import (
    ApiError,
    BadAnswer,
    Conflict,
    Locked,
    NotFound,
    NoToken,
    NotSent,
    RateLimited,
    Refused,
    Rejected,
    Unreachable,
)
from slurper_tui.api.models import (
    Connectivity,
    Created,
    NewJob,
    NewSource,
    NewTarget,
    Secret,
    encode,
)
from slurper_tui.api.scrub import Scrubber
from slurper_tui.api.transport import Exchange
from slurper_tui.simulated.account import SimulatedAccount
from tests.api.odd import HTML, answering, refusal, response
from tests.virtual_time import run

NOW = 1_770_000_000.0
SECRET = Secret(access_key_id="AKID", secret_access_key="hush")
SOURCE = NewSource("s3", "photos", SECRET, path_prefix="2024/")
TARGET = NewTarget("media", SECRET)
NEW_JOB = NewJob(SOURCE, TARGET, overwrite=False)


class Services:
    """A simulated account, a client of it, and the requests that the client sent."""

    def __init__(self, credentials: Credentials | None = None, base: str = "https://x/v4") -> None:
        self.account = SimulatedAccount(clock=lambda: NOW)
        self.sent: list[httpx.Request] = []
        self.client = SlurperClient(
            credentials or token_credentials(self.account.token),
            base,
            transport=httpx.MockTransport(self._answer),
        )
        self.client.unlock()

    @property
    def last(self) -> tuple[str, str, str]:
        """Return the method, the path below the account and the query of the last request."""
        request = self.sent[-1]
        path, _, query = request.url.raw_path.decode().partition("?")
        return request.method, path.removeprefix(f"/v4/accounts/{self.id}/slurper"), query

    @property
    def id(self) -> str:
        return self.account.account_id

    def job(self, status: str) -> str:
        """Return the id of the first job with a status."""
        return next(c.plan.id for c in self.account.jobs() if c.status(NOW) == status)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return self.account.answer(request)


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    services = Services()
    yield services
    await services.client.close()


async def test_a_list_is_paged_and_has_every_field(services: Services) -> None:
    first = await services.client.list_jobs(services.id, limit=30)
    assert services.last == ("GET", "/jobs", "limit=30&offset=0")
    rest = await services.client.list_jobs(services.id, offset=30)
    assert services.last == ("GET", "/jobs", "limit=50&offset=30")
    jobs = first.value + rest.value
    assert [job.id for job in jobs] == [course.plan.id for course in services.account.jobs()]
    assert all(job.extra == {} for job in jobs)
    steady = next(job for job in jobs if job.source and job.source.path_prefix == "2024/")
    assert steady.source is not None
    assert steady.target is not None
    assert steady.overwrite is services.account.jobs()[jobs.index(steady)].plan.overwrite
    assert (steady.source.vendor, steady.source.bucket) == ("s3", "photos-prod")
    assert (steady.target.vendor, steady.target.bucket) == ("r2", "media")
    assert (steady.status, steady.finished_at) == ("running", None)
    assert first.limit is not None
    assert (first.limit.remaining, first.limit.reset) == (1199, 300.0)
    assert (first.limit.quota, first.limit.window) == (1200, 300.0)


async def test_get_job(services: Services) -> None:
    job_id = services.job("running")
    job = (await services.client.get_job(services.id, job_id)).value
    assert services.last == ("GET", f"/jobs/{job_id}", "")
    progress = (await services.client.progress(services.id, job_id)).value
    assert services.last == ("GET", f"/jobs/{job_id}/progress", "")
    assert (progress.id, progress.created_at) == (job.id, job.created_at)
    counts = next(c for c in services.account.jobs() if c.plan.id == job_id).counters(NOW)
    assert counts[:4] == (
        progress.objects,
        progress.transferred_objects,
        progress.skipped_objects,
        progress.failed_objects,
    )
    rows = (await services.client.logs(services.id, job_id, limit=5, offset=1)).value
    assert services.last == ("GET", f"/jobs/{job_id}/logs", "limit=5&offset=1")
    assert len(rows) == 5
    assert all(row.job == job_id and row.log_type and row.created_at for row in rows)


async def test_the_life_cycle_of_a_job(services: Services) -> None:
    running = services.job("running")
    with pytest.raises(Conflict) as refused:
        await services.client.create_job(services.id, NEW_JOB)
    assert refused.value.status == 409
    control: list[tuple[str, Callable[[str, str], Awaitable[object]], str]] = [
        ("pause", services.client.pause_job, "paused"),
        ("resume", services.client.resume_job, "running"),
        ("abort", services.client.abort_job, "aborted"),
    ]
    for word, operation, status in control:
        await operation(services.id, running)
        assert services.last == ("PUT", f"/jobs/{running}/{word}", "")
        assert services.sent[-1].content == b""
        assert (await services.client.progress(services.id, running)).value.status == status
    created = await services.client.create_job(services.id, NEW_JOB)
    assert services.last == ("POST", "/jobs", "")
    assert isinstance(created.value, Created)
    assert json.loads(services.sent[-1].content) == json.loads(encode(NEW_JOB))
    assert services.sent[-1].headers["content-type"] == "application/json"
    assert (await services.client.abort_all_jobs(services.id)).value == "All jobs aborted"
    assert services.last == ("PUT", "/jobs/abortAll", "")
    assert (await services.client.delete_job(services.id, running)).value == "Job deleted"
    assert services.last == ("DELETE", f"/jobs/{running}", "")
    with pytest.raises(NotFound):
        await services.client.get_job(services.id, running)


@pytest.mark.parametrize(("bucket", "status"), [("photos", "success"), ("missing", "error")])
async def test_prechecks(services: Services, bucket: str, status: str) -> None:
    source = NewSource("gcs", bucket, Secret(client_email="a@b.c", private_key="hush"))
    assert (await services.client.check_source(services.id, source)).value == Connectivity(status)
    assert services.last == ("PUT", "/source/connectivity-precheck", "")
    assert json.loads(services.sent[-1].content) == json.loads(encode(source))
    target = NewTarget(bucket, SECRET)
    assert (await services.client.check_target(services.id, target)).value == Connectivity(status)
    assert services.last == ("PUT", "/target/connectivity-precheck", "")
    assert json.loads(services.sent[-1].content)["vendor"] == "r2"


@pytest.mark.parametrize(
    ("expires", "status", "expires_on"),
    [
        (None, "active", None),
        (NOW + 86_400, "active", "2026-02-03T02:40:00.000Z"),
        (NOW - 1, "expired", "2026-02-02T02:39:59.000Z"),
    ],
)
async def test_a_token_is_verified(
    services: Services, expires: float | None, status: str, expires_on: str | None
) -> None:
    services.account.token_expires = expires
    answer = await services.client.verify_token()
    assert services.sent[-1].url == "https://x/v4/user/tokens/verify"
    assert (answer.value.status, answer.value.expires_on) == (status, expires_on)
    assert answer.value.id is not None
    assert services.account.token not in answer.value.id
    assert answer.limit is not None


async def test_a_key_and_a_token_of_an_account_cannot_be_verified() -> None:
    services = Services()
    services.account.verifiable = False
    key = Services(key_credentials(services.account.email, services.account.key))
    for each in (services, key):
        with pytest.raises(ApiError) as refused:
            await each.client.verify_token()
        assert refused.value.status == 401
        await each.client.list_jobs(each.id)  # the credentials work
        await each.client.close()


async def test_the_r2_keys_of_a_token_are_its_id_and_its_sha_256() -> None:
    account, scrubber = SimulatedAccount(), Scrubber()
    client = SlurperClient(
        token_credentials(account.token), transport=account.transport(), scrubber=scrubber
    )
    keys = (await client.r2_keys()).value
    assert keys.access_key_id == (await client.verify_token()).value.id
    assert keys.secret_access_key == hashlib.sha256(account.token.encode()).hexdigest()
    assert scrubber.clean(f"{keys.access_key_id} {keys.secret_access_key}") == "*** ***"
    account.verifiable = False
    with pytest.raises(NoToken, match=r"does not tell this token's id.*Invalid API Token"):
        await client.r2_keys()
    await client.close()


@pytest.mark.parametrize("id", [None, 5, "", "a\nb", "a b", "\u00e9", "x" * 129, {"a": 1}])
async def test_a_token_id_that_can_be_no_key_id_is_none(id: object) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"success": True, "result": {"id": id}})

    client = SlurperClient(token_credentials("t" * 40), transport=httpx.MockTransport(answer))
    with pytest.raises(NoToken, match="does not tell this token's id"):
        await client.r2_keys()
    await client.close()


async def test_a_global_key_has_no_r2_keys_and_nothing_is_asked() -> None:
    services = Services()
    key = Services(key_credentials(services.account.email, services.account.key))
    with pytest.raises(NoToken, match="a global API key has no R2 keys") as raised:
        await key.client.r2_keys()
    assert (raised.value.exit_code, key.sent) == (3, [])


async def test_a_token_and_a_key_each_authenticate_alone(
    services: Services,
) -> None:
    pair = key_credentials(services.account.email, services.account.key)
    for credentials, names in (
        (token_credentials(services.account.token), {"authorization"}),
        (pair, {"x-auth-email", "x-auth-key"}),
    ):
        other = Services(credentials)
        await other.client.list_jobs(other.id)
        sent = set(other.sent[-1].headers)
        assert sent & {"authorization", "x-auth-email", "x-auth-key"} == names
        assert other.sent[-1].headers["user-agent"] == "slurper-tui"
        await other.client.close()


@pytest.mark.parametrize(
    "credentials", [token_credentials("wrong"), key_credentials("a@b.c", "wrong")]
)
async def test_the_wrong_credentials_are_rejected(credentials: Credentials) -> None:
    services = Services(credentials)
    with pytest.raises(Rejected) as rejected:
        await services.client.list_jobs(services.id)
    assert rejected.value.exit_code == 3
    assert rejected.value.faults
    assert rejected.value.ray
    await services.client.close()


@pytest.mark.parametrize(
    "base",
    ["https://x", "https://x/", "https://x:8443/a/b/", "http://[::1]:8/v4", "https://x/%C3%A9"],
)
async def test_the_path_of_the_base_url_is_kept(base: str) -> None:
    services = Services(base=base)
    await services.client.list_jobs(services.id)
    url = str(services.sent[-1].url)
    assert url == f"{base.rstrip('/')}/accounts/{services.id}/slurper/jobs?limit=50&offset=0"
    await services.client.close()


def identifiers() -> st.SearchStrategy[str]:
    odd = st.sampled_from(
        [
            "..",
            ".",
            "...",
            "a/b",
            "%2e%2e",
            "a%2Fb",
            "?x=1",
            "#x",
            "é/ü",
            "\ud800",
            "a b",
            "\n",
            "\\",
        ]
    )
    return odd | st.text(st.characters(), min_size=1)


@given(identifiers(), identifiers())
def test_any_id_is_one_path_segment(account: str, job: str) -> None:
    sent: list[httpx.Request] = []

    async def main() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            sent.append(request)
            return httpx.Response(200, json={"success": True, "result": "fine"})

        transport = httpx.MockTransport(answer)
        client = SlurperClient(token_credentials("t"), "https://x/v4", transport=transport)
        client.unlock()
        await client.pause_job(account, job)
        await client.close()

    run(main())
    path = sent[0].url.raw_path.decode("ascii")
    parts = path.split("/")
    assert parts[:3] + parts[4:6] + parts[7:] == ["", "v4", "accounts", "slurper", "jobs", "pause"]
    for part, original in ((parts[3], account), (parts[6], job)):
        assert unquote(part) == original.encode("utf-8", "replace").decode()
        assert part not in {".", ".."}
        assert not set(part) & set("?#")
    assert sent[0].url.host == "x"


GIVEN = {
    "account_id": "acc",
    "job_id": "job",
    "bucket": "media",
    "job": NewJob(SOURCE, TARGET),
    "source": SOURCE,
    "target": TARGET,
}
"""Arguments for the parameters without a default."""

CHANGING = {
    "create_job",
    "delete_job",
    "pause_job",
    "resume_job",
    "abort_job",
    "abort_all_jobs",
    "check_source",
    "check_target",
}
READING = {"list_jobs", "get_job", "progress", "logs", "verify_token", "r2_keys"}
READING |= {"r2_bucket", "r2_lock", "r2_lifecycle", "r2_sippy", "r2_objects", "r2_usage"}


def operations(client: SlurperClient) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Yield every operation of the client by name, with its arguments bound."""
    for name, method in inspect.getmembers(client, inspect.iscoroutinefunction):
        if name.startswith("_") or name in ("close", "read_credentials"):
            continue
        needed = inspect.signature(method).parameters.values()
        arguments = {p.name: GIVEN[p.name] for p in needed if p.default is p.empty}
        yield name, partial(method, **arguments)


async def sent_by(client: SlurperClient, sent: list[str]) -> dict[str, list[str]]:
    """Return the methods of the requests that reach the transport, by operation."""
    found: dict[str, list[str]] = {}
    for name, call in operations(client):
        sent.clear()
        with suppress(ApiError):
            await call()
        found[name] = list(sent)
    return found


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def client(sent: list[str]) -> SlurperClient:
    account = SimulatedAccount(jobs=1)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        return account.answer(request)

    return SlurperClient(token_credentials(account.token), transport=httpx.MockTransport(answer))


async def test_a_locked_client_sends_only_get(client: SlurperClient, sent: list[str]) -> None:
    locked = await sent_by(client, sent)
    assert locked == {name: ["GET"] for name in READING} | {name: [] for name in CHANGING}
    client.unlock()
    unlocked = await sent_by(client, sent)
    assert all(len(methods) == 1 for methods in unlocked.values())
    assert {name for name, [method] in unlocked.items() if method != "GET"} == CHANGING
    client.lock()
    assert await sent_by(client, sent) == locked
    await client.close()


async def test_a_locked_client_refuses_each_changing_operation(
    client: SlurperClient, sent: list[str]
) -> None:
    for name, call in operations(client):
        if name not in CHANGING:
            continue
        with pytest.raises(Locked, match=r"^read-only: no (PUT|POST|DELETE) request is sent$") as e:
            await call()
        assert (e.value.exit_code, e.value.undecided) == (2, False)
    assert sent == []
    await client.close()


async def test_a_client_can_be_unlocked_and_locked_before_it_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[int] = []
    monkeypatch.setattr(Exchange, "__init__", lambda *_, **__: opened.append(get_ident()))
    monkeypatch.setattr(Exchange, "use", lambda *_: None)
    monkeypatch.setattr(Exchange, "send", AsyncMock(side_effect=Unreachable("no network")))
    client = SlurperClient(token_credentials("token"))
    client.unlock()
    client.lock()
    with pytest.raises(Locked):
        await client.pause_job("account", "job")
    client.unlock()
    for call in (client.pause_job("account", "job"), client.list_jobs("account")):
        with pytest.raises(Unreachable):
            await call
    assert len(opened) == 1
    assert opened[0] != get_ident()


POINTLESS = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("busy"),
    httpx.ProxyError("no"),
    httpx.UnsupportedProtocol("odd"),
]
PERHAPS_SENT = [
    httpx.ReadTimeout("slow"),
    httpx.WriteTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.DecodingError("garbage"),
]


async def error_of(reply: httpx.Response | Exception) -> ApiError:
    async with answering(reply) as client:
        with pytest.raises(ApiError) as caught:
            await client.abort_job("acc", "job")
    return caught.value


@pytest.mark.parametrize("reply", POINTLESS, ids=lambda e: type(e).__name__)
async def test_an_error_without_a_connection_is_decided(reply: Exception) -> None:
    error = await error_of(reply)
    assert isinstance(error, NotSent)
    assert not error.undecided


@pytest.mark.parametrize("reply", PERHAPS_SENT, ids=lambda e: type(e).__name__)
async def test_an_error_without_an_answer_is_undecided(reply: Exception) -> None:
    error = await error_of(reply)
    assert isinstance(error, Unreachable)
    assert not isinstance(error, NotSent)
    assert error.undecided


@pytest.mark.parametrize(
    "reply",
    [
        response(502, "<html>", HTML),
        response(200, "<html>", HTML),
        response(200, b""),
        response(500, {}),
    ],
)
async def test_a_foreign_answer_is_undecided(reply: httpx.Response) -> None:
    error = await error_of(reply)
    assert isinstance(error, BadAnswer)
    assert error.undecided


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Rejected),
        (403, Rejected),
        (404, NotFound),
        (409, Conflict),
        (429, RateLimited),
        (422, Refused),
    ],
)
async def test_a_refusal_is_decided(status: int, kind: type[ApiError]) -> None:
    error = await error_of(response(status, refusal(10000)))
    assert isinstance(error, kind)
    assert not error.undecided
