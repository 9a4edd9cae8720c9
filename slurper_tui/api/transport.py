"""HTTP over httpcore, with bounds on what a server may send before its answer begins.

httpx's own transport does not take a network backend, which is where bytes can be counted.
"""

from __future__ import annotations

import re
import ssl
import typing
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager

import httpcore
import httpx

MOST_INFORMATIONAL = 20
"""1xx responses before an answer. Each costs work, and no server needs more than two."""

_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1\d\d")
_STATUS_LINE = len(b"HTTP/1.1 100")
_END_OF_HEAD = re.compile(rb"\n\r?\n")

_FAILURES = (
    *(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
    *(httpcore.ProxyError, httpcore.UnsupportedProtocol),
)


class Transport(httpx.AsyncBaseTransport):
    """A pool of connections. A GET on a kept connection that proves to be closed is repeated once.

    context: for TLS. proxy: None for none.
    """

    def __init__(
        self, context: ssl.SSLContext | None, proxy: httpcore.Proxy | None, limits: httpx.Limits
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            proxy=proxy,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises httpx.TransportError."""
        with _as_httpx():
            try:
                answer = await self._pool.handle_async_request(_core(request))
            except StaleConnection:
                if request.method != "GET":
                    raise
                answer = await self._pool.handle_async_request(_core(request))
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class StaleConnection(httpcore.RemoteProtocolError):
    """A kept connection was closed by the server before a byte of the answer came."""


def _core(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Turn httpcore's errors into httpx's, which have the same names."""
    try:
        yield
    except _FAILURES as error:
        names = (kind.__name__ for kind in type(error).__mro__)
        kind = next(getattr(httpx, name) for name in names if hasattr(httpx, name))
        raise kind(str(error)) from error


class _Body(httpx.AsyncByteStream):
    """The body of an answer as it comes over the line."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for chunk in self._answer.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    """Opens connections that count what comes in."""

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(
            await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        )


class _Stream(httpcore.AsyncNetworkStream):
    """One connection. Raises RemoteProtocolError for endless 1xx responses."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._used = False
        self._silent = True
        self._head: _Head | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        try:
            data = await self._stream.read(max_bytes, timeout)
        except httpcore.ReadError:
            if self._used and self._silent:
                raise StaleConnection("the connection was reset") from None
            raise
        if not data and self._used and self._silent:
            raise StaleConnection("the server disconnected")
        self._silent = self._silent and not data
        if self._head is not None and not self._head.goes_on(data):
            self._head = None
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._used = self._used or not self._silent
        if not self._silent or self._head is None:
            self._head = _Head()
        self._silent = True
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> typing.Any:
        return self._stream.get_extra_info(info)


class _Head:
    """Counts the 1xx responses before one answer."""

    def __init__(self) -> None:
        self._begun = b""
        self._count = 0

    def goes_on(self, data: bytes) -> bool:
        """Whether the answer itself has not begun yet. Raises RemoteProtocolError past the bound.

        How long a single head may be is bounded by h11.
        """
        self._begun = (self._begun + data).lstrip(b"\r\n")
        while _INFORMATIONAL.match(self._begun):
            end = _END_OF_HEAD.search(self._begun)
            if end is None:
                return True
            self._count += 1
            if self._count > MOST_INFORMATIONAL:
                raise httpcore.RemoteProtocolError("too many informational responses")
            self._begun = self._begun[end.end() :].lstrip(b"\r\n")
        return len(self._begun) < _STATUS_LINE
