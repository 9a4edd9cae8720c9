"""API credentials, and the check of the base URL that they are sent to.

Credentials are a token, or an email with a global key; `repr` hides them and pickling fails. The
base URL is checked without httpx, so that a bad one is refused before the screen is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from slurper_tui.api.errors import BadBaseUrl


class Credentials:
    """Headers that authenticate a request; `repr` shows `***`, so logs and tracebacks are safe.

    secrets: the values that must never be written anywhere; for scrubbers.
    """

    __slots__ = ("_headers", "secrets")

    def __init__(self, headers: Mapping[str, str], secrets: tuple[str, ...]) -> None:
        self._headers = dict(headers)
        self.secrets = secrets

    @property
    def token(self) -> str | None:
        """The API token, for what is derived from it; None for a global key."""
        return self.secrets[0] if "Authorization" in self._headers else None

    def headers(self) -> dict[str, str]:
        """Return the headers to send, secrets included: for the HTTP client alone."""
        return dict(self._headers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Credentials) and self._headers == other._headers

    __hash__ = None  # type: ignore[assignment]  # how a class without a hash is marked

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("credentials are not to be stored")


class CredentialError(ValueError):
    """A credential that cannot be read now, in one line without any part of it."""


ReadCredentials = Callable[[], Credentials]
"""Reads a credential that may have changed; takes seconds, so it runs in a thread.

Raises CredentialError.
"""


def token_credentials(token: str) -> Credentials:
    """Return credentials of an API token. Raises ValueError if it cannot be a header."""
    token = _header_text(token, "the API token")
    return Credentials({"Authorization": f"Bearer {token}"}, (token,))


def key_credentials(email: str, key: str) -> Credentials:
    """Return credentials of an email and a global API key.

    Raises ValueError if either cannot be a header.
    """
    key = _header_text(key, "the API key")
    email = _header_text(email, "the email")
    return Credentials({"X-Auth-Email": email, "X-Auth-Key": key}, (key,))


def _header_text(text: str, what: str) -> str:
    """Return the stripped text if it is one visible ASCII word, which a header may hold.

    Raises ValueError otherwise; the message does not quote the text.
    """
    text = text.strip()
    if not text:
        raise ValueError(f"{what} is empty")
    if not all("!" <= char <= "~" for char in text):
        raise ValueError(f"{what} holds a space, a control or a non-ASCII character")
    return text


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
