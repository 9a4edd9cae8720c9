"""A client with a next answer that the test sets."""

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

TOKEN = "v1.0-tok3n-that-nobody-may-see"
BASE = "https://api.example/client/v4"
RAY = "8f00000000000abc-FRA"
JSON = "application/json"
HTML = "text/html; charset=UTF-8"


class Unread(httpx.AsyncByteStream):
    """A body that httpx does not read, and so does not unpack, when the answer is made."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 65_536):
            yield self._body[start : start + 65_536]


def encoded(status: int, name: str, body: bytes) -> httpx.Response:
    """An answer with a content encoding."""
    return httpx.Response(status, headers={"content-encoding": name}, stream=Unread(body))


@contextlib.asynccontextmanager
async def answering(reply: httpx.Response | Exception) -> AsyncIterator[SlurperClient]:
    """A client to which every request is answered alike."""
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


def said(
    status: int,
    body: bytes | str | object = b"",
    kind: str | None = JSON,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """An answer; a body that is neither bytes nor text becomes JSON."""
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    kinds = {} if kind is None else {"content-type": kind}
    return httpx.Response(
        status, content=content, headers={"cf-ray": RAY, **kinds, **(headers or {})}
    )


def envelope(result: object, **others: Any) -> dict[str, object]:
    """A good answer's envelope."""
    return {"success": True, "errors": [], "messages": [], "result": result, **others}


def refusal(*codes: int, **others: Any) -> dict[str, object]:
    """A failure's envelope with one error for each code."""
    errors = [{"code": code, "message": f"words of {code}"} for code in codes]
    return {"success": False, "errors": errors, "messages": [], "result": None, **others}


async def ask(reply: httpx.Response | Exception) -> Answer[Progress]:
    """Ask for a job's progress."""
    async with answering(reply) as client:
        return await client.progress("acc", "job")


async def failure(reply: httpx.Response | Exception) -> ApiError:
    """The error that an answer means."""
    try:
        answer = await ask(reply)
    except ApiError as error:
        return error
    raise AssertionError(f"taken for a good answer: {answer}")
