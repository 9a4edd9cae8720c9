"""Who asks: an API token, or an email with a global key, kept where nothing prints it."""

from __future__ import annotations

from collections.abc import Mapping


class Credentials:
    """Headers that authenticate a request; shown as `***` wherever they end up by accident."""

    __slots__ = ("_headers", "_secrets")

    def __init__(self, headers: Mapping[str, str], secrets: tuple[str, ...]) -> None:
        self._headers = dict(headers)
        self._secrets = secrets

    def headers(self) -> dict[str, str]:
        """The headers to send, secrets included: for the HTTP client alone."""
        return dict(self._headers)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written anywhere, for those who scrub text."""
        return self._secrets

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("credentials are not to be stored")


def token_credentials(token: str) -> Credentials:
    """Authenticate with an API token. Raises ValueError when it cannot be one."""
    token = _header_text(token, "the API token")
    return Credentials({"Authorization": f"Bearer {token}"}, (token,))


def key_credentials(email: str, key: str) -> Credentials:
    """Authenticate with an email and a global API key. Raises ValueError when they cannot be."""
    key = _header_text(key, "the API key")
    email = _header_text(email, "the email")
    return Credentials({"X-Auth-Email": email, "X-Auth-Key": key}, (key,))


def _header_text(text: str, what: str) -> str:
    """Text that may stand in a header: one visible ASCII word, quoted in no message."""
    text = text.strip()
    if not text:
        raise ValueError(f"{what} is empty")
    if not all("!" <= char <= "~" for char in text):
        raise ValueError(f"{what} holds a space, a control or a non-ASCII character")
    return text
