from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import logging
import pickle
import traceback
from collections.abc import Callable
from pprint import pformat

import httpx
import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import Credentials, key_credentials, token_credentials
from slurper_tui.api.envelope import Raw
from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import NewJob, NewSource, NewTarget, Secret
from slurper_tui.api.scrub import Scrubber
from slurper_tui.api.transport import LARGE_BYTES
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.server import serve

SECRET = "s3cr3t-that-must-stay-hidden"
BOTH = pytest.mark.parametrize(
    "credentials", [token_credentials(SECRET), key_credentials("a@example.com", SECRET)]
)


@dataclasses.dataclass
class Holder:
    """A record with credentials in a field."""

    credentials: Credentials


def shown(credentials: Credentials) -> list[str]:
    """Return the value in every form that may get into a text by accident."""
    return [
        repr(credentials),
        str(credentials),
        f"{credentials}",
        f"{credentials!r}",
        f"{credentials!s}",
        f"{credentials:}",
        "%s %r" % (credentials, credentials),  # noqa: UP031 - the old style is one of the forms
        format(credentials),
        pformat([credentials]),
        pretty_repr({"x": credentials}),
        repr(Holder(credentials)),
        repr(vars(Holder(credentials))),
        ascii(credentials),
    ]


@BOTH
def test_credentials_are_formatted_as_stars(credentials: Credentials) -> None:
    for text in shown(credentials):
        assert "***" in text
        assert SECRET not in text
    assert credentials.secrets == (SECRET,)
    assert not hasattr(credentials, "__dict__")


@BOTH
@pytest.mark.parametrize(
    "store", [pickle.dumps, copy.copy, copy.deepcopy, lambda c: dataclasses.asdict(Holder(c))]
)
def test_credentials_cannot_be_pickled(
    credentials: Credentials, store: Callable[[object], object]
) -> None:
    with pytest.raises(TypeError, match="not to be stored") as refused:
        store(credentials)
    assert SECRET not in str(refused.value)


@BOTH
def test_a_traceback_with_local_variables_contains_no_secret(credentials: Credentials) -> None:
    def fail(given: Credentials) -> None:
        kept = Holder(given)
        raise RuntimeError(f"cannot use {kept}")

    try:
        fail(credentials)
    except RuntimeError as error:
        captured = traceback.TracebackException.from_exception(error, capture_locals=True)
        plain = "".join(captured.format())
        console = Console(record=True, width=200, file=None, quiet=True)
        rich = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
        console.print(rich)
    assert SECRET not in plain
    assert "***" in plain
    assert SECRET not in "".join(s.text for s in Console(width=200).render(rich))


@pytest.mark.parametrize(
    "make", [token_credentials, lambda text: key_credentials("a@b.c", text)], ids=["token", "key"]
)
@pytest.mark.parametrize("text", ["", "  ", "a b", "a\nb", "tokén", "a\x7f", "\ud800", "a\x00b"])
def test_an_invalid_secret_is_refused_without_quoting_it(
    make: Callable[[str], Credentials], text: str
) -> None:
    with pytest.raises(ValueError, match="the API") as refused:
        make(text)
    assert not text.strip() or text not in str(refused.value)


@pytest.mark.parametrize("email", ["", "ä@example.com", "a b@example.com"])
def test_an_invalid_email_is_refused(email: str) -> None:
    with pytest.raises(ValueError, match="the email"):
        key_credentials(email, "key")


def test_whitespace_around_a_secret_is_stripped() -> None:
    assert token_credentials(f" {SECRET}\n").headers() == {"Authorization": f"Bearer {SECRET}"}


@pytest.mark.parametrize(
    "secret",
    [
        Secret(access_key_id=SECRET, secret_access_key=SECRET),
        Secret(client_email=SECRET, private_key=SECRET),
    ],
)
def test_bucket_keys_are_not_formatted(secret: Secret) -> None:
    job = NewJob(NewSource("s3", "b", secret), NewTarget("c", secret))
    for value in (secret, job, job.source, job.target, [job]):
        texts = [repr(value), str(value), f"{value}", pformat(value), pretty_repr(value)]
        assert not [text for text in texts if SECRET in text]


KEYS = Secret(client_email="svc@project.iam.example", private_key="PEM-ab12cd34ef56gh78ij90kl")


@pytest.mark.parametrize("where", ["body", "header", "ray"])
async def test_errors_contain_no_secret_of_the_request(where: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        echoed = request.content.decode() if where == "body" else request.headers["authorization"]
        errors = [{"code": 10000, "message": f"cannot take {echoed}", "error_chain": [echoed]}]
        ray = request.headers["authorization"] if where == "ray" else "ray"
        body = {"success": False, "errors": [] if where == "ray" else errors}
        return httpx.Response(400, json=body, headers={"cf-ray": ray})

    credentials = token_credentials(SECRET)
    client = SlurperClient(credentials, "https://x", transport=httpx.MockTransport(answer))
    client.unlock()
    job = NewJob(NewSource("gcs", "b", KEYS), NewTarget("c", Secret("id", "target-s3cr3t-word")))
    for ask in (client.create_job("a", job), client.check_source("a", job.source)):
        with pytest.raises(ApiError) as refused:
            await ask
        error = refused.value
        echoed = f"{error!s} {error.args} {error.faults} {error.ray}"
        assert "***" in echoed
        assert len(error.ray or "") < 100
        for secret in (SECRET, "svc@project", "PEM-ab12cd34", "target-s3cr3t"):
            assert secret not in echoed
    await client.close()


@pytest.mark.parametrize("size", [10, LARGE_BYTES])
async def test_log_rows_contain_no_secret(size: int) -> None:
    messages = [f"{'x ' * size} rejected: {SECRET}", "gave up", None]
    rows = [{"objectKey": SECRET, "message": message} for message in messages]
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, json={"success": True, "result": rows})
    )
    client = SlurperClient(token_credentials(SECRET), "https://x", transport=transport)
    answer = await client.logs("a", "j")
    await client.close()
    assert [row.message for row in answer.value] == [
        f"{'x ' * size} rejected: ***",
        "gave up",
        None,
    ]
    assert all(row.object_key == SECRET for row in answer.value), "keys stay exact"


async def test_a_shared_scrubber_learns_every_secret_sent() -> None:
    scrubber = Scrubber()
    transport = SimulatedAccount(jobs=0, token=SECRET).transport()
    client = SlurperClient(
        token_credentials(SECRET), "https://x", transport=transport, scrubber=scrubber
    )
    client.unlock()
    with contextlib.suppress(ApiError):
        await client.check_target("a", NewTarget("b", KEYS))
    await client.close()
    for secret in (SECRET, KEYS.client_email, KEYS.private_key):
        assert scrubber.clean(f"<{secret}>") == "<***>"


async def test_an_error_does_not_keep_the_answer_in_memory() -> None:
    body = b'{"success":false,"errors":[{"message":"no"}]}'.ljust(100_000)
    transport = httpx.MockTransport(lambda _: httpx.Response(400, content=body))
    client = SlurperClient(token_credentials(SECRET), "https://x", transport=transport)
    with pytest.raises(ApiError) as refused:
        await client.list_jobs("a")
    await client.close()
    frames = [frame for frame, _ in traceback.walk_tb(refused.value.__traceback__)]
    assert not [f for f in frames for v in f.f_locals.values() if isinstance(v, Raw)]


async def test_a_secret_is_found_before_a_long_message_is_cut() -> None:
    key = "0123456789abcdef" * 100
    message = "x" * 900 + key

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"success": False, "errors": [{"message": message}]})

    client = SlurperClient(
        token_credentials(key), "https://x", transport=httpx.MockTransport(answer)
    )
    with pytest.raises(ApiError) as refused:
        await client.list_jobs("a")
    await client.close()
    assert refused.value.faults[0].message == "x" * 900 + "***"


@pytest.mark.parametrize("fault", [None, Fault(status=403, code=10000), Fault(Kind.RESET)])
async def test_debug_logs_contain_no_secret(
    caplog: pytest.LogCaptureFixture, fault: Fault | None
) -> None:
    caplog.set_level(logging.DEBUG)
    account = SimulatedAccount(jobs=2, token=SECRET)
    if fault:
        account.faults.add(fault)
    with serve(account) as server:
        for credentials in (token_credentials(SECRET), key_credentials("a@b.c", SECRET)):
            client = SlurperClient(credentials, server.url)
            keys = Secret(access_key_id="id", secret_access_key=SECRET)
            try:
                await client.list_jobs(account.account_id)
                await client.check_target(account.account_id, NewTarget("b", keys))
            except ApiError:
                assert fault or credentials.secrets
            finally:
                await client.close()
    assert "slurper_tui.api" in {record.name for record in caplog.records}
    assert SECRET not in caplog.text
    assert not [record for record in caplog.records if SECRET in repr(record.__dict__)]


async def test_loopback_requests_bypass_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(4096))
        writer.close()

    account = SimulatedAccount(jobs=1)
    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as spy:
        address = f"http://127.0.0.1:{spy.sockets[0].getsockname()[1]}"
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, address)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with serve(account) as server:
            client = SlurperClient(token_credentials(account.token), server.url)
            answer = await client.list_jobs(account.account_id)
            await client.close()
    assert len(answer.value) == 1
    assert seen == []


async def test_a_redirect_is_not_followed_with_secrets() -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://evil.example/"})

    client = SlurperClient(
        token_credentials(SECRET), "https://x", transport=httpx.MockTransport(answer)
    )
    with pytest.raises(ApiError):
        await client.list_jobs("a")
    await client.close()
    assert hosts == ["x"]
