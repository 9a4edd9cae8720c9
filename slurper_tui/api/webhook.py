"""Sends events to the user's own webhook: JSON, https or this machine, never the API's credentials.

The address may hold a secret in its path or its query, so messages name its host alone, and the
scrubber learns the rest.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from slurper_tui.api.credentials import HIGHEST_PORT, is_loopback
from slurper_tui.api.errors import BadSetting
from slurper_tui.api.scrub import PIECE

if TYPE_CHECKING:
    import httpx

    from slurper_tui.api.scrub import Scrubber

TRY_SECONDS = 5.0
"""Time limit in seconds for one try, from the connection to the status of the answer."""

PAUSES = (1.0, 4.0)
"""Seconds before the second and the third try."""

_log = logging.getLogger("slurper_tui.api")


class WebhookFailed(Exception):
    """No try was answered with a status of 2xx. The message is one line without the address."""


def check_webhook(text: str) -> None:
    """Raise BadSetting if events may not be sent to this URL; the message does not quote it."""
    try:
        if not all("!" <= char <= "~" and char != "\\" for char in text):
            raise ValueError
        parts = urlsplit(text)
        port = parts.port or 0
    except ValueError:
        raise BadSetting("it is not a URL") from None
    if "@" in parts.netloc:
        raise BadSetting("it must hold no user or password")
    _check(parts.scheme, parts.hostname or "", port)


def _check(scheme: str, host: str, port: int) -> None:
    if scheme not in ("https", "http") or not host:
        raise BadSetting("it must begin with https:// and name a host")
    if port > HIGHEST_PORT:
        raise BadSetting("it is not a URL")
    if scheme == "http" and not is_loopback(host):
        raise BadSetting("it must be https: plain http is for loopback addresses only")


class Webhook:
    """The webhook at a URL. scrubber: receives the part of the URL that may be secret.

    pauses: seconds before each further try. Raises BadSetting for a URL to which nothing may be
    sent.
    """

    def __init__(self, url: str, scrubber: Scrubber, pauses: tuple[float, ...] = PAUSES) -> None:
        check_webhook(url)
        parts = urlsplit(url)
        self.host = parts.netloc
        self._url = url
        self._pauses = pauses
        self._scrubber = scrubber
        scrubber.add(*(part for part in (parts.path, parts.query) if len(part) >= PIECE))
        self._client: httpx.AsyncClient | None = None

    async def send(self, body: bytes) -> None:
        """Post a JSON body; try again where that fails. Raises WebhookFailed.

        An answer that was lost is asked for again, so the same event may arrive twice.
        """
        reason = ""
        for pause in (0.0, *self._pauses):
            await asyncio.sleep(pause)
            reason = await self._try(body)
            if not reason:
                return
            _log.debug("webhook at %s: %s", self.host, reason)
        raise WebhookFailed(f"{reason}, {len(self._pauses) + 1} times")

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()

    async def _try(self, body: bytes) -> str:
        """Post once; return why it failed, or ""."""
        import httpx  # not for the first picture

        from slurper_tui.api.transport import reason_of

        try:
            if self._client is None:
                self._client = await asyncio.to_thread(self._open)
            async with asyncio.timeout(TRY_SECONDS):
                request = self._client.build_request("POST", self._url, content=body)
                response = await self._client.send(request, stream=True)
                await response.aclose()
        except TimeoutError:
            return f"no answer within {TRY_SECONDS:.0f} s"
        except BadSetting as error:
            return str(error)
        except (httpx.InvalidURL, UnicodeError):
            return "its address is not a URL"
        except (httpx.HTTPError, OSError) as error:
            return reason_of(error)
        return "" if response.is_success else f"it answers {response.status_code}"

    def _open(self) -> httpx.AsyncClient:
        """Make the client. A proxy of the environment is used for https, as by the API's client.

        Raises BadSetting.
        """
        import httpx

        from slurper_tui.api.connection import ProxyChoice, Transport, choose_proxy, tls_context

        url = httpx.URL(self._url)
        _check(url.scheme, url.host, url.port or 0)
        is_tls = url.scheme == "https"
        proxy = choose_proxy(url.host, url.port or 443) if is_tls else ProxyChoice()
        self._scrubber.add(*proxy.secrets)
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        return httpx.AsyncClient(
            transport=Transport(tls_context() if is_tls else None, proxy.proxy, limits),
            trust_env=False,
            timeout=None,  # the whole try has a limit
            headers={"Content-Type": "application/json", "User-Agent": "slurper-tui"},
        )
