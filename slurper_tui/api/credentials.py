"""API credentials: a token, or an email with a global key. `repr` hides them; pickling fails."""

from __future__ import annotations

from collections.abc import Mapping


class Credentials:
    """Headers that authenticate a request; `repr` shows `***`, so logs and tracebacks are safe."""

    __slots__ = ("_headers", "_secrets")

    def __init__(self, headers: Mapping[str, str], secrets: tuple[str, ...]) -> None:
        self._headers = dict(headers)
        self._secrets = secrets

    def headers(self) -> dict[str, str]:
        """Return the headers to send, secrets included: for the HTTP client alone."""
        return dict(self._headers)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be written anywhere; for scrubbers."""
        return self._secrets

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("credentials are not to be stored")


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
