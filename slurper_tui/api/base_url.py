"""The check of the base URL: its form, and that no secret would be sent in the clear.

It needs no httpx, so that a bad URL is refused before the screen is opened.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from slurper_tui.api.errors import BadBaseUrl

HIGHEST_PORT = 65535

_NOTHING_MORE = "the base URL must hold no user, password, query or fragment"


def check_base_url(text: str) -> None:
    """Raise BadBaseUrl if a base URL is invalid or would send secrets in the clear.

    A few invalid host names are found only by httpx, when the transport is opened.
    """
    text = text.strip()
    refuse_user(text)
    try:
        text.encode()  # no lone surrogates
        if any(char < " " or char == "\x7f" for char in text):
            raise ValueError
        parts = urlsplit(text)
        port = int(parts.netloc.rpartition("]")[2].partition(":")[2] or 0)
    except ValueError:
        raise BadBaseUrl("the base URL is not a URL") from None
    check_url(text, parts.scheme, parts.hostname or "", port)


def refuse_user(text: str) -> None:
    """Raise BadBaseUrl for a URL with a user, before it is parsed.

    With an unescaped / in its password, it would parse as one with a longer path and no user.
    """
    if "@" in text:
        raise BadBaseUrl(_NOTHING_MORE)


def check_url(text: str, scheme: str, host: str, port: int | None) -> None:
    """Raise BadBaseUrl if a parsed base URL may not be used. text: the URL as it was given.

    No message repeats any part of the URL: it may contain a password.
    """
    if scheme not in {"https", "http"} or not host:
        raise BadBaseUrl("the base URL must begin with https:// and name a host")
    if (port or 0) > HIGHEST_PORT:
        raise BadBaseUrl(f"the base URL is not a URL: its port is above {HIGHEST_PORT}")
    if "?" in text or "#" in text:
        raise BadBaseUrl(_NOTHING_MORE)
    if scheme == "http" and not is_loopback(host):
        raise BadBaseUrl("the base URL must be https: plain http is for loopback addresses only")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    import ipaddress  # 2 ms, which https does not pay

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
