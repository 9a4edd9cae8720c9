"""Bodies of the writing requests. Secrets stand here on their way out and nowhere else."""

from __future__ import annotations

from typing import Any

import msgspec


class Secret(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Keys to a bucket: the S3 pair for S3 and R2, the service account's pair for GCS."""

    access_key_id: str | None = None
    secret_access_key: str | None = None
    client_email: str | None = None
    private_key: str | None = None

    @property
    def values(self) -> tuple[str, ...]:
        """Every part that was given, for those who take secrets out of texts."""
        parts = (self.access_key_id, self.secret_access_key, self.client_email, self.private_key)
        return tuple(part for part in parts if part)

    def __repr__(self) -> str:
        return "***"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Name no field to pretty printers, which do not ask `repr`."""
        return []


class NewSource(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where a new job is to copy from; `keys` holds at most 10,000 object keys."""

    vendor: str
    bucket: str
    secret: Secret
    path_prefix: str | None = None
    keys: tuple[str, ...] | None = None
    endpoint: str | None = None
    region: str | None = None
    jurisdiction: str | None = None


class NewTarget(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The R2 bucket that a new job is to copy to."""

    bucket: str
    secret: Secret
    vendor: str = "r2"
    jurisdiction: str | None = None

    def __post_init__(self) -> None:
        if self.vendor != "r2":
            raise ValueError(f"a target is always r2, not {self.vendor}")


class NewJob(msgspec.Struct, frozen=True, rename="camel"):
    """A migration to be created."""

    source: NewSource
    target: NewTarget
    overwrite: bool = True


def encode(body: NewJob | NewSource | NewTarget) -> bytes:
    """The JSON of a request body; the vendor of a target is always spelled out.

    Half a surrogate pair, which the API itself may tell in a key, is escaped as it came.
    """
    raw = msgspec.to_builtins(body)
    if isinstance(body, NewTarget):
        raw["vendor"] = body.vendor
    if isinstance(body, NewJob):
        raw["target"]["vendor"] = body.target.vendor
    try:
        return msgspec.json.encode(raw)
    except UnicodeEncodeError:
        import json  # 1 ms, for names that are no text

        return json.dumps(raw).encode()
