"""One HTTP exchange: a request out, a checked result or an `ApiError` back.

The only module where httpx's errors become ours.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import time
from collections.abc import Mapping
from functools import lru_cache, partial
from urllib.request import getproxies

import httpx
import msgspec

from slurper_tui.api.credentials import Credentials
from slurper_tui.api.errors import BadAnswer, Locked, NotSent, RateLimit, Unreachable
from slurper_tui.api.judge import Raw, judge
from slurper_tui.api.ratelimit import parse_limit

CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0
POOL_SECONDS = 30.0
WHOLE_SECONDS = 45.0
"""An answer that only drips is given up after this long, whatever each read took."""

LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=90.0)
"""A connection outlives the longest interval that `+` offers: a handshake costs most of all."""

MOST_BYTES = 64 * 2**20
"""A page of 50 jobs with 10,000 keys each is large but believable; more than this is not."""

HIGHEST_PORT = 65535

_UNSENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError),
    *(httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError),
)
"""With these, nothing has reached the API."""

_log = logging.getLogger("slurper_tui.api")


class Received(msgspec.Struct, frozen=True):
    """The `result` of a good answer, as decoded JSON, with what its headers said."""

    result: object
    status: int
    ray: str | None
    limit: RateLimit | None


class Exchange:
    """Sends requests below one base URL with one user's credentials.

    read_only: no request but GET is sent, whoever asks for one.
    """

    def __init__(
        self,
        credentials: Credentials,
        base_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.read_only = True
        self._base = check_base_url(base_url)
        # The same paths are asked again and again, and a URL takes a while to be taken apart.
        self._url = lru_cache(maxsize=4096)(partial(_below, self._base))
        self._client = _make_client(credentials, self._base, transport)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, int] | None = None,
        body: bytes | None = None,
    ) -> Received:
        """Send one request below the base URL. Raises ApiError for all but a good answer."""
        if self.read_only and method != "GET":
            raise Locked(f"read-only: no {method} request is sent")
        started = time.monotonic()
        try:
            raw = await self._fetch(method, path, query, body)
            envelope = judge(raw)
        except Exception as error:
            _log.debug("%s %s: %s (%.3f s)", method, path, error, time.monotonic() - started)
            raise
        took = time.monotonic() - started
        limit = parse_limit(raw.headers)
        _log.debug(
            "%s %s: %d, %d B, %s (%.3f s)", method, path, raw.status, len(raw.body), limit, took
        )
        return Received(envelope, raw.status, raw.headers.get("cf-ray"), limit)

    async def _fetch(
        self, method: str, path: str, query: Mapping[str, int] | None, body: bytes | None
    ) -> Raw:
        """Bring the raw answer. Raises Unreachable when there is none."""
        request = self._client.build_request(
            method,
            self._url(path),
            params=query,
            content=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
        )
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                return await self._read(request)
        except TimeoutError:
            raise Unreachable(f"no complete answer within {WHOLE_SECONDS:.0f} s") from None
        except httpx.TimeoutException as error:
            raise _kind(error)(_timed_out(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _kind(error)(_plain(error)) from None

    async def _read(self, request: httpx.Request) -> Raw:
        """Read an answer up to the bound. Raises BadAnswer past it."""
        response = await self._client.send(request, stream=True)
        try:
            chunks, size = [], 0
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > MOST_BYTES:
                    raise _oversized(response)
                chunks.append(chunk)
        finally:
            await response.aclose()
        return Raw(response.status_code, response.headers, b"".join(chunks))


def _below(base: httpx.URL, path: str) -> httpx.URL:
    """The address of a path below the base URL."""
    return base.copy_with(raw_path=base.raw_path.rstrip(b"/") + path.encode())


def _make_client(
    credentials: Credentials, base: httpx.URL, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Make the one client. Raises ValueError when the proxy or certificate settings are broken."""
    try:
        if base.scheme == "https":
            _check_proxies()
        return httpx.AsyncClient(
            headers={"User-Agent": "slurper-tui", **credentials.headers()},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=POOL_SECONDS),
            limits=LIMITS,
            follow_redirects=False,
            transport=transport,
            # Plain http is for this machine: a proxy of the environment would carry the secrets off
            # it, and reading the trust store takes 50 ms for nothing.
            trust_env=base.scheme == "https",
            verify=base.scheme == "https",
        )
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"the proxy or certificate settings do not work: {reason}") from None


def _check_proxies() -> None:
    """Raise ValueError for a port that no socket takes, which httpx only finds out at each try."""
    proxies = getproxies()
    for kind in ("http", "https", "all"):
        if (httpx.URL(proxies.get(kind, "")).port or 0) > HIGHEST_PORT:
            raise ValueError(f"a proxy's port is above {HIGHEST_PORT}")


def _oversized(response: httpx.Response) -> BadAnswer:
    return BadAnswer(
        "the answer is too large to be one",
        status=response.status_code,
        ray=response.headers.get("cf-ray"),
        limit=parse_limit(response.headers),
    )


def check_base_url(text: str) -> httpx.URL:
    """Parse a base URL. Raises ValueError when it is none, or would send secrets in the clear."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as error:
        raise ValueError(f"the base URL is not a URL: {error}") from None
    if url.scheme not in {"https", "http"} or not url.host:
        raise ValueError("the base URL must begin with https:// and name a host")
    if (url.port or 0) > HIGHEST_PORT:
        raise ValueError(f"the base URL is not a URL: its port is above {HIGHEST_PORT}")
    if url.userinfo or "?" in text or "#" in text:
        raise ValueError("the base URL must hold no user, password, query or fragment")
    if url.scheme == "http" and not is_loopback(url.host):
        raise ValueError("the base URL must be https: plain http is for loopback addresses only")
    return url


def is_loopback(host: str) -> bool:
    """Whether this name or address can only mean this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _kind(error: Exception) -> type[Unreachable]:
    return NotSent if isinstance(error, _UNSENT) else Unreachable


def _timed_out(error: httpx.TimeoutException) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:.0f} s"
    if isinstance(error, httpx.PoolTimeout):
        return f"no free connection within {POOL_SECONDS:.0f} s"
    return f"no answer within {READ_SECONDS:.0f} s"


def _plain(error: Exception) -> str:
    """An error in words; the few that say nothing are named by their kind."""
    if isinstance(error, httpx.RemoteProtocolError):
        return _broken_protocol(str(error))
    kinds: dict[type[Exception], str] = {
        httpx.ConnectError: "cannot connect",
        httpx.ReadError: "the connection was reset",
        httpx.WriteError: "the connection was reset",
        httpx.ProxyError: "the proxy refused",
        httpx.DecodingError: "the answer cannot be unpacked",
    }
    kind = kinds.get(type(error), "the exchange failed")
    detail = (_system_said(error) or str(error)).partition("\n")[0].strip()
    return f"{kind}: {detail}" if detail and kind != "the connection was reset" else kind


def _broken_protocol(said: str) -> str:
    """Tell an answer that is missing or cut off from one that is no HTTP at all."""
    if "disconnected" in said:
        return "the server hung up without an answer"
    if "complete message" in said:
        return "the answer was cut off"
    return "the answer is not HTTP"


def _system_said(error: BaseException) -> str:
    """What the system itself said, below the layers that only pass it on; "" when it did not."""
    below = getattr(error, "exceptions", None) or [error.__cause__ or error.__context__]
    deeper = _system_said(below[0]) if below[0] else ""
    if deeper or not isinstance(error, OSError):
        return deeper
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return str(getattr(error, "verify_message", None) or error.strerror or "")
