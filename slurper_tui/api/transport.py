"""One HTTP exchange: send a request, return the answer's value or raise an `ApiError`.

This is the only module that translates httpx's errors into the ones of `api.errors`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import httpx

from slurper_tui.api.connection import RESET, ProxyChoice, Transport, choose_proxy, tls_context
from slurper_tui.api.credentials import Credentials, check_url, refuse_user
from slurper_tui.api.envelope import Raw, parse_limit, read_answer
from slurper_tui.api.errors import (
    ApiError,
    BadAddress,
    BadAnswer,
    BadBaseUrl,
    NotSent,
    TooLarge,
    Unreachable,
)

if TYPE_CHECKING:
    from slurper_tui.api.models import Answer
    from slurper_tui.api.scrub import Scrubber

T = TypeVar("T")

CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0
POOL_SECONDS = 30.0
WHOLE_SECONDS = 45.0
"""Time limit in seconds for a whole request, from the wait for a free connection to the last byte
of the answer."""

LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=90.0)
"""A kept connection outlives the longest interval that the key `+` offers, because a handshake is
the most expensive part of a request."""

MOST_BYTES = 64 * 2**20
"""Largest accepted answer. A page of 50 jobs with 10,000 keys each is large but plausible."""

LARGE_BYTES = 2**18
"""Larger bodies are decoded in a thread, so that the event loop stays responsive to keys."""

_STEP_BYTES = 2**20
"""The most bytes that one decompression step produces."""

_TIMEOUT = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=POOL_SECONDS)
_LONGEST_RAY = 24
_GZIP = {"gzip", "x-gzip"}

_UNSENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError),
    *(httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError),
)
"""Errors that occur before anything has reached the API."""

_REASONS: dict[type[Exception], str] = {
    httpx.ConnectTimeout: f"no connection within {CONNECT_SECONDS:.0f} s",
    httpx.PoolTimeout: f"no free connection within {POOL_SECONDS:.0f} s",
    httpx.TimeoutException: f"no answer within {READ_SECONDS:.0f} s",
    httpx.ReadError: RESET,
    httpx.WriteError: RESET,
}
"""Errors that their class explains; their messages add nothing."""

_EXPLAINED: dict[type[Exception], str] = {
    httpx.ConnectError: "cannot connect",
    httpx.ProxyError: "the proxy refused",
    httpx.DecodingError: "the answer cannot be unpacked",
}
"""Errors whose message follows these words."""

_PROTOCOL_REASONS = {
    "disconnected": "the server closed the connection without an answer",
    RESET: RESET,
    "complete message": "the answer was cut off",
    "informational": "endless 1xx responses and no answer",
    "too long": "the answer's header is too large",
}
"""Parts of the messages of protocol errors, of httpcore, h11 and this package."""

_log = logging.getLogger("slurper_tui.api")


class Exchange:
    """Sends requests below one base URL with one user's credentials; `use` sets these.

    scrubber: knows the credentials and every other secret that no error may repeat.
    notes: one line for each environment setting that cannot be used.
    Raises BadSetting for a base URL, a proxy or certificates that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        scrubber: Scrubber,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._scrubber = scrubber
        self._headers: Mapping[str, str] = {}
        base = parse_base_url(base_url)
        # The same paths are requested repeatedly, and parsing a URL is slow.
        root = base.raw_path.rstrip(b"/")
        self._url = lru_cache(maxsize=4096)(
            lambda path: base.copy_with(raw_path=root + path.encode())
        )
        self._client, self.notes = open_client(base, scrubber, transport)
        self._client.headers["Accept"] = "application/json"

    def use(self, credentials: Credentials) -> None:
        """Send these credentials from now on; they are secret before they are sent."""
        self._scrubber.add(*credentials.secrets)
        for name in self._headers:
            del self._client.headers[name]
        self._headers = credentials.headers()
        self._client.headers.update(self._headers)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def send(
        self,
        method: str,
        path: str,
        read: Callable[[object], T],
        query: Mapping[str, int | str] | None = None,
        body: bytes | None = None,
        more: Mapping[str, str] = {},
    ) -> Answer[T]:
        """Send one request below the base URL and return the answer's value.

        more: further headers.
        read: converts the result, which is decoded JSON, also in another thread; raises
            msgspec.ValidationError for a result of another type.
        Raises ApiError for every answer but a good one: Unreachable when there is none within the
        time limit, TooLarge or BadAnswer for a body that is not read.
        """
        started = time.monotonic()
        headers = {**more} if body is None else {**more, "Content-Type": "application/json"}
        try:
            with _api_errors(len(path)):
                request = self._client.build_request(
                    method, self._url(path), params=query, headers=headers, content=body
                )
            raw, clean = await fetch(self._client, request, len(path)), self._scrubber.clean
            if len(raw.body) > LARGE_BYTES:
                answer = await asyncio.to_thread(read_answer, raw, read, clean)
            else:
                answer = read_answer(raw, read, clean)
        except Exception as error:
            self._clean(error)
            _log.debug("%s %s: %s (%.3f s)", method, path, error, time.monotonic() - started)
            raise
        took, limit = time.monotonic() - started, answer.limit
        _log.debug(
            "%s %s: %d, %d B, %s (%.3f s)", method, path, raw.status, answer.size, limit, took
        )
        return answer

    def _short(self, ray: str | None) -> str | None:
        """Return a cf-ray header that is safe to show; a long one is scrubbed and cut.

        An ordinary one is short and holds no secret.
        """
        if ray is None or len(ray) <= _LONGEST_RAY:
            return ray
        return self._scrubber.clean(ray[:1000])[:_LONGEST_RAY]

    def _clean(self, error: Exception) -> None:
        """Remove secrets from an error's own message; `read_answer` has cleaned the faults.

        Also drop the traceback: an error may be kept for days, and the frames of its traceback
        would keep the whole answer in memory as long.
        """
        if isinstance(error, ApiError):
            error.message = self._scrubber.clean(error.message)
            error.args = (error.message,)
            error.ray = self._short(error.ray)
            error.__traceback__ = error.__context__ = None


def open_client(
    base: httpx.URL, scrubber: Scrubber, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[httpx.AsyncClient, tuple[str, ...]]:
    """Return a client for one server, and a line for each setting that it cannot use.

    transport: sends the requests instead of the network. Raises BadSetting for a proxy or
    certificates that cannot be used.
    """
    # Plain http is for this machine only. A proxy from the environment would carry the secrets
    # off it, and reading the trust store would take 50 ms for nothing.
    is_tls = base.scheme == "https"
    use_proxy = transport is None and is_tls
    proxy = choose_proxy(base.host, base.port or 443) if use_proxy else ProxyChoice()
    scrubber.add(*proxy.secrets)
    if transport is None:
        transport = Transport(tls_context() if is_tls else None, proxy.proxy, LIMITS)
    client = httpx.AsyncClient(
        transport=transport,
        trust_env=False,  # the transport already has the proxy and the certificates
        timeout=_TIMEOUT,
        headers={"Accept-Encoding": "gzip", "User-Agent": "slurper-tui"},
    )
    return client, proxy.notes


async def fetch(client: httpx.AsyncClient, request: httpx.Request, length: int) -> Raw:
    """Send a request and return the whole answer. length: of the path, for the error's message.

    Raises Unreachable where there is none within the time limit, TooLarge or BadAnswer for a body
    that is not read.
    """
    with _api_errors(length):
        async with (
            asyncio.timeout(WHOLE_SECONDS),
            aclosing(await client.send(request, stream=True)) as response,
        ):
            is_head = request.method == "HEAD"
            chunks = [] if is_head else [chunk async for chunk in _unpacked(response)]
    return Raw(response.status_code, response.headers, b"".join(chunks))


@contextmanager
def _api_errors(length: int) -> Iterator[None]:
    """Convert the errors of an exchange without an answer to ApiErrors. length: of the path."""
    try:
        yield
    except TimeoutError:
        raise Unreachable(f"no complete answer within {WHOLE_SECONDS:.0f} s") from None
    except httpx.InvalidURL:
        reason = f"not sent: an address of {length:,} characters is too long"
        raise BadAddress(reason) from None
    except (httpx.HTTPError, OSError) as error:
        kind = NotSent if isinstance(error, _UNSENT) else Unreachable
        raise kind(reason_of(error)) from None


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the decompressed body in chunks of bounded size, up to `MOST_BYTES`.

    Raises TooLarge for more, BadAnswer for an encoding that was not requested, DecodingError for
    invalid gzip.
    """
    # Not `aiter_raw`: a mock transport's response counts as consumed from the start.
    assert isinstance(response.stream, httpx.AsyncByteStream)
    chunks: AsyncIterable[bytes] = response.stream
    names = response.headers.get("content-encoding", "").lower().split(",")
    encodings = [name.strip() for name in names if name.strip() not in ("", "identity")]
    if len(encodings) == 1 and encodings[0] in _GZIP:
        chunks = _gunzipped(response.stream)
    elif encodings and response.is_success:
        names = ", ".join(encodings)[:60]
        raise _bad(response, f"the answer is encoded as {names!r} instead of gzip")
    elif encodings:
        return  # a failed answer in an unknown encoding counts as empty: its status is enough
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MOST_BYTES:
            raise _bad(response, "the answer is too large", TooLarge)
        yield chunk


async def _gunzipped(stream: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    empty = True
    async for chunk in stream:
        empty, part = empty and not chunk, b""
        while not unpacker.eof and (chunk or len(part) == _STEP_BYTES):
            try:
                part = unpacker.decompress(chunk, _STEP_BYTES)
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from None
            chunk = unpacker.unconsumed_tail
            yield part
            if len(part) == _STEP_BYTES:
                await asyncio.sleep(0)
    if not unpacker.eof and not empty:
        raise httpx.RemoteProtocolError("complete message is missing")


def _bad(response: httpx.Response, message: str, kind: type[BadAnswer] = BadAnswer) -> BadAnswer:
    return kind(
        message,
        status=response.status_code,
        ray=response.headers.get("cf-ray"),
        limit=parse_limit(response.headers),
    )


def parse_base_url(text: str) -> httpx.URL:
    """Parse a base URL. Raises BadBaseUrl if it is invalid or would send secrets in the clear."""
    refuse_user(text)
    try:
        url = httpx.URL(text.strip())
        host = url.host  # decoded: a UnicodeError for a wrong `xn--` name
    except (httpx.InvalidURL, UnicodeError):
        raise BadBaseUrl("the base URL is not a URL") from None
    check_url(text, url.scheme, host, url.port)
    return url


def reason_of(error: Exception) -> str:
    """Describe an error in words, with the system's or the library's message where it helps."""
    if kind := next(filter(_REASONS.get, type(error).__mro__), None):
        return _REASONS[kind]
    if isinstance(error, httpx.RemoteProtocolError):
        pairs = _PROTOCOL_REASONS.items()
        return next((text for part, text in pairs if part in str(error)), "the answer is not HTTP")
    reason = _EXPLAINED.get(type(error), "the request failed")
    detail = (_system_message(error) or str(error)).partition("\n")[0].strip()
    return f"{reason}: {detail}" if detail else reason


def _system_message(error: BaseException) -> str:
    """Return the operating system's message for the error behind an error; "" if there is none.

    The exceptions of the HTTP layers wrap the system's error, so the innermost OSError counts.
    """
    below = getattr(error, "exceptions", None) or [error.__cause__ or error.__context__]
    deeper = _system_message(below[0]) if below[0] else ""
    if deeper or not isinstance(error, OSError):
        return deeper
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return str(getattr(error, "verify_message", None) or error.strerror or "")
