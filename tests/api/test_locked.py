"""Nothing but reading leaves the client until it is unlocked, and what an error says of that."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from threading import get_ident
from unittest.mock import AsyncMock

import httpx
import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import (
    ApiError,
    BadAnswer,
    Conflict,
    Locked,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
    Rejected,
    Unreachable,
)
from slurper_tui.api.models import NewJob, NewSource, NewTarget, Secret
from slurper_tui.api.transport import Exchange
from slurper_tui.simulated.account import SimulatedAccount
from tests.api.odd import HTML, answering, refusal, said

SECRET = Secret(access_key_id="AKID", secret_access_key="hush")
SOURCE, TARGET = NewSource("s3", "photos", SECRET), NewTarget("media", SECRET)
GIVEN = {
    "account_id": "acc",
    "job_id": "job",
    "job": NewJob(SOURCE, TARGET),
    "source": SOURCE,
    "target": TARGET,
}
"""An argument for every parameter that has no default."""

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
READING = {"list_jobs", "get_job", "progress", "logs"}


def operations(client: SlurperClient) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Every operation that the client has, ready to be called."""
    for name, method in inspect.getmembers(client, inspect.iscoroutinefunction):
        if name.startswith("_") or name == "close":
            continue
        needed = inspect.signature(method).parameters.values()
        wanted = {p.name: GIVEN[p.name] for p in needed if p.default is p.empty}
        yield name, partial(method, **wanted)


async def sent_by(client: SlurperClient, sent: list[str]) -> dict[str, list[str]]:
    """The methods of the requests that reach the transport, by operation."""
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


async def test_only_get_leaves_a_client_until_it_is_unlocked(
    client: SlurperClient, sent: list[str]
) -> None:
    locked = await sent_by(client, sent)
    assert locked == {name: ["GET"] for name in READING} | {name: [] for name in CHANGING}
    client.unlock()
    unlocked = await sent_by(client, sent)
    assert all(len(methods) == 1 for methods in unlocked.values())
    assert {name for name, [method] in unlocked.items() if method != "GET"} == CHANGING
    client.lock()
    assert await sent_by(client, sent) == locked
    await client.close()


async def test_each_of_the_eight_that_change_something_is_refused_in_words(
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


NOT_SENT = [
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


@pytest.mark.parametrize("reply", NOT_SENT, ids=lambda e: type(e).__name__)
async def test_without_a_connection_nothing_was_done(reply: Exception) -> None:
    error = await error_of(reply)
    assert isinstance(error, NotSent)
    assert not error.undecided


@pytest.mark.parametrize("reply", PERHAPS_SENT, ids=lambda e: type(e).__name__)
async def test_without_an_answer_nobody_knows(reply: Exception) -> None:
    error = await error_of(reply)
    assert isinstance(error, Unreachable)
    assert not isinstance(error, NotSent)
    assert error.undecided


@pytest.mark.parametrize(
    "reply", [said(502, "<html>", HTML), said(200, "<html>", HTML), said(200, b""), said(500, {})]
)
async def test_an_answer_from_somebody_else_leaves_it_open_too(reply: httpx.Response) -> None:
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
    error = await error_of(said(status, refusal(10000)))
    assert isinstance(error, kind)
    assert not error.undecided
