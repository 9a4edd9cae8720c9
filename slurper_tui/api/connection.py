"""The network side of the API client: connection pool, proxy and TLS settings.

`Transport` is used instead of httpx's own transport, because that takes no network backend, and the
backend is the place to count the bytes that a server sends before its answer begins.

Proxy and certificate settings are read from the environment. Some of them are meant for other
programs. No message repeats any part of a proxy's address, which may hold a password.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import ssl
import typing
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import NamedTuple
from urllib.request import getproxies

import httpcore
import httpx

from slurper_tui.api.credentials import HIGHEST_PORT
from slurper_tui.api.errors import BadSetting

MOST_INFORMATIONAL = 20
"""Accepted 1xx responses before an answer. Each costs work, and no server needs more than two."""

RESET = "the connection was reset"

_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1\d\d")
_STATUS_LINE = len(b"HTTP/1.1 100")
_END_OF_HEAD = re.compile(rb"\n\r?\n")

_FAILURES = (
    *(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
    *(httpcore.ProxyError, httpcore.UnsupportedProtocol),
)


class Transport(httpx.AsyncBaseTransport):
    """A pool of connections. A GET on a kept connection that proves to be closed is repeated.

    context: for TLS; None for plain http.
    proxy: None for a direct connection.
    """

    def __init__(
        self, context: ssl.SSLContext | None, proxy: httpcore.Proxy | None, limits: httpx.Limits
    ) -> None:
        self._most_kept = limits.max_keepalive_connections or 0
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            proxy=proxy,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the response. Raises httpx.TransportError."""
        # A target that is sent as it is. httpcore would take it for that of CONNECT too.
        extensions = {**request.extensions}
        address = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=extensions.pop("target", request.url.raw_path),
        )
        sent = httpcore.Request(
            method=request.method,
            url=address,
            headers=request.headers.raw,
            content=request.stream,
            extensions=extensions,
        )
        with _as_httpx():
            # Once more for each kept connection that is closed: a server drops them all.
            for left in reversed(range(self._most_kept + 1)):
                try:
                    answer = await self._pool.handle_async_request(sent)
                    break
                except StaleConnection:
                    if request.method != "GET" or left == 0:
                        raise
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
    """The server closed a kept connection before it sent a byte of the answer."""


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Convert httpcore's errors to httpx's, which have the same class names."""
    try:
        yield
    except _FAILURES as error:
        names = (kind.__name__ for kind in type(error).__mro__)
        kind = next(getattr(httpx, name) for name in names if hasattr(httpx, name))
        raise kind(str(error)) from error


class _Body(httpx.AsyncByteStream):
    """The body of a response as it arrives, still compressed."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for chunk in self._answer.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    """Opens connections that check the bytes they receive; see `_Stream`."""

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
    """One connection.

    Reading raises RemoteProtocolError for endless 1xx responses, and StaleConnection when a
    connection that carried an earlier answer is closed before the next one begins.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._used = False
        self._silent = True
        self._head: _Head | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        try:
            data = await self._stream.read(max_bytes, timeout)
        except httpcore.ReadError:
            if self._used and self._silent:
                raise StaleConnection(RESET) from None
            raise
        if not data and self._used and self._silent:
            raise StaleConnection("the server disconnected")
        self._silent = self._silent and not data
        if self._head is not None and not self._head.goes_on(data):
            self._head = None
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
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
        """Return whether the final answer has not begun yet. Raises RemoteProtocolError past the
        bound.

        h11 bounds the length of a single head.
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


_SOCKS = ("socks5", "socks5h")
_CERTIFICATE = re.compile(r"[0-9a-f]{8}\.\d+")
"""The file names under which OpenSSL finds certificates in a directory."""


class ProxyChoice(NamedTuple):
    """The proxy to use.

    proxy: None for a direct connection.
    secrets: the proxy's password, if it has one.
    notes: one line for each variable that cannot be used and is skipped.
    variable: the variable that names the proxy.
    """

    proxy: httpcore.Proxy | None = None
    secrets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    variable: str = ""


def choose_proxy(host: str, port: int) -> ProxyChoice:
    """Choose the proxy for https to a host, as curl does; HTTPS_PROXY comes before ALL_PROXY.

    Raises BadSetting (a one-line message) where HTTPS_PROXY cannot be used and ALL_PROXY gives no
    proxy either. An ALL_PROXY that cannot be used is skipped with a note, because it is often meant
    for other programs.
    """
    proxies = getproxies()
    if is_excepted(host, port, proxies.get("no", "")):
        return ProxyChoice()
    chosen, notes, broken = ProxyChoice(), [], ""
    for kind in ("https", "all"):
        value, name = proxies.get(kind, "").strip(), _variable(kind)
        if not value:
            continue
        try:
            found = _parse_proxy(value)
        except ValueError as error:
            notes.append(f"{name} is not used: {error}")
            broken = broken or (f"{name}: {error}" if kind == "https" else "")
            continue
        chosen = found._replace(variable=name) if chosen.proxy is None else chosen
    if broken and chosen.proxy is None:
        raise BadSetting(broken)
    return chosen._replace(notes=tuple(notes))


def _variable(kind: str) -> str:
    """Return the variable's name in the environment; lower case takes precedence, as usual."""
    names = (f"{kind}_proxy", f"{kind}_PROXY", f"{kind.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name)), f"the system's {kind} proxy")


def _parse_proxy(value: str) -> ProxyChoice:
    """Parse a proxy's URL. Raises ValueError; the message repeats no part of the URL."""
    text = value if "://" in value else f"http://{value}"
    rest = text.partition("://")[2]
    if "@" in rest[len(re.split(r"[/?#]", rest, maxsplit=1)[0]) :]:
        raise ValueError("a / ? or # in its user name or password must be written %2F %3F or %23")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("it is not a URL") from None
    if url.scheme not in ("http", "https", *_SOCKS):
        raise ValueError("its scheme must be http, https, socks5 or socks5h")
    if url.scheme in _SOCKS and importlib.util.find_spec("socksio") is None:
        raise ValueError("SOCKS needs the package socksio, which is not installed")
    if not url.host:
        raise ValueError("it has no host")
    if (url.port or 0) > HIGHEST_PORT:
        raise ValueError(f"its port is above {HIGHEST_PORT}")
    auth = (url.username, url.password) if url.userinfo else None
    address = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")
    return ProxyChoice(httpcore.Proxy(address, auth=auth), (url.password,) if url.password else ())


def is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Return whether NO_PROXY names a host: by its name, its domain, its address or a network.

    Entries that are none of these are ignored.
    """
    host = host.rstrip(".").lower()
    for entry in filter(None, re.split(r"[\s,]+", no_proxy)):
        if entry == "*":
            return True
        name, its_port = _split_port(entry.rpartition("://")[2].lower())
        if its_port not in ("", str(port)):
            continue
        try:
            network = ipaddress.ip_network(name, strict=False)
        except ValueError:
            domain = name.lstrip("*").strip(".")
            if domain and (host == domain or host.endswith(f".{domain}")):
                return True
            continue
        with suppress(ValueError):  # the host is a name
            if ipaddress.ip_address(host.strip("[]")) in network:
                return True
    return False


def _split_port(text: str) -> tuple[str, str]:
    """Split an entry into its host without brackets and its port; the port is "" for any port.

    The host is a name, an address or a network.
    """
    if found := re.fullmatch(r"\[([^\]]*)\](/\d+)?(?::(\d+))?", text):
        return found[1] + (found[2] or ""), found[3] or ""
    name, _, port = text.partition(":")
    return (text, "") if ":" in port else (name, port)


def tls_context() -> ssl.SSLContext:
    """Return a TLS context with the certificates that the environment names, else certifi's.

    All clients share it, because reading the certificates takes 50 ms. Raises BadSetting (one line
    with the variable's name) where these cannot be used.
    """
    return _tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=1)
def _tls_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    if file:
        try:
            with open(file, "rb"):
                pass
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadSetting(f"SSL_CERT_FILE: {file} cannot be read: {reason}") from None
        try:
            return ssl.create_default_context(cafile=file)
        except (OSError, ValueError):
            raise BadSetting(f"SSL_CERT_FILE: {file} holds no certificates in PEM format") from None
    if folder:
        _check_folders(folder)
        return ssl.create_default_context(capath=folder)
    return httpx.create_ssl_context(trust_env=False)


def _check_folders(folders: str) -> None:
    """Raise BadSetting if no folder has a certificate under a name that OpenSSL looks for."""
    reason = ""
    for folder in folders.split(os.pathsep):
        try:
            if any(_CERTIFICATE.fullmatch(name) for name in os.listdir(folder)):
                return
            reason = reason or f"{folder} holds no certificates under names from `openssl rehash`"
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            reason = reason or f"{folder} cannot be read: {why}"
    raise BadSetting(f"SSL_CERT_DIR: {reason}")
