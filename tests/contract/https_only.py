"""A hook for Schemathesis: endpoints are https URLs, which the schema cannot express."""

from __future__ import annotations

import schemathesis
from hypothesis import strategies

_HTTPS = strategies.from_regex(
    r"https://[a-z0-9]{1,20}\.example(/[a-z0-9._~-]{0,20})?", fullmatch=True
)
schemathesis.openapi.format("uri", _HTTPS)
