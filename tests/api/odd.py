"""Clients and answers for the tests of the API client."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import respx

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import Answer, Progress

TOKEN = "v1.0-tok3n-that-must-stay-hidden"
BASE = "https://api.example/client/v4"
RAY = "8f00000000000abc-FRA"
JSON = "application/json"
HTML = "text/html; charset=UTF-8"


class Unread(httpx.AsyncByteStream):
    """A body that httpx neither reads nor decompresses when the response is constructed."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 65_536):
            yield self._body[start : start + 65_536]


def encoded(status: int, name: str, body: bytes) -> httpx.Response:
    """Return a response with a content encoding."""
    return httpx.Response(status, headers={"content-encoding": name}, stream=Unread(body))


@contextlib.asynccontextmanager
async def answering(reply: httpx.Response | Exception) -> AsyncIterator[SlurperClient]:
    """Yield a client that gets the same reply to every request."""
    router = respx.Router(assert_all_called=False)
    route = router.route()
    if isinstance(reply, Exception):
        route.mock(side_effect=reply)
    else:
        route.mock(return_value=reply)
    transport = httpx.MockTransport(router.async_handler)
    client = SlurperClient(token_credentials(TOKEN), BASE, transport=transport)
    client.unlock()
    try:
        yield client
    finally:
        await client.close()


def response(
    status: int,
    body: bytes | str | object = b"",
    kind: str | None = JSON,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Return a response; a body that is neither bytes nor text is encoded as JSON."""
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    kinds = {} if kind is None else {"content-type": kind}
    return httpx.Response(
        status, content=content, headers={"cf-ray": RAY, **kinds, **(headers or {})}
    )


def envelope(result: object, **others: Any) -> dict[str, object]:
    """Return the envelope of a good answer."""
    return {"success": True, "errors": [], "messages": [], "result": result, **others}


def level_of(*prefixes: str, key: str = "") -> bytes:
    """Return a listing with these prefixes and perhaps an object; `\xff` in it is not UTF-8."""
    info = {"delimited": prefixes, "is_truncated": False}
    rows = [{"key": key}] if key else []
    return json.dumps(envelope(rows, result_info=info), ensure_ascii=False).encode("latin-1")


def refusal(*codes: int, **others: Any) -> dict[str, object]:
    """Return the envelope of a refusal with one error for each code."""
    errors = [{"code": code, "message": f"words of {code}"} for code in codes]
    return {"success": False, "errors": errors, "messages": [], "result": None, **others}


async def ask(reply: httpx.Response | Exception) -> Answer[Progress]:
    """Request a job's progress from a client that gets this reply."""
    async with answering(reply) as client:
        return await client.progress("acc", "job")


async def failure(reply: httpx.Response | Exception) -> ApiError:
    """Return the error that a reply raises."""
    try:
        answer = await ask(reply)
    except ApiError as error:
        return error
    raise AssertionError(f"taken for a good answer: {answer}")
