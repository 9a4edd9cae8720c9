"""The API's answers and request bodies as frozen values.

Every property of an answer is optional, as in the contract. A property of the wrong type is None;
an unknown property is kept in `extra`; statuses and log types stay plain text. Times are the API's
own text, because their format is not documented.

Bucket keys occur in request bodies only, as `Secret`, which hides them from `repr`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, get_args

import msgspec

from slurper_tui.api.errors import RateLimit

DEFAULT_BASE_URL = "https://api.cloudflare.com/client/v4"

PAGE_SIZE = 50
"""The most rows that one list or log request may ask for."""

MOST_ROWS = 20_000
"""Largest accepted page in rows, for servers that ignore the requested limit."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number of objects: a whole number from 0 to 2**63 - 1, written without a point (not 12.0)."""

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


_INVALID = re.compile("(?:\ud800[\udc80-\udcff])+")
"""Marks of bytes that are not UTF-8, two code points each. No JSON string decodes to them: an
escaped surrogate pair becomes one character."""


def mark_invalid_bytes(body: bytes) -> str:
    """Decode UTF-8; each invalid byte becomes a mark that `is_exact` finds."""
    return re.sub("[\udc80-\udcff]", "\ud800\\g<0>", body.decode("utf-8", "surrogateescape"))


def is_exact(text: str) -> bool:
    """Return whether every byte of a text that the API sent was valid UTF-8."""
    return text.isascii() or _INVALID.search(text) is None


def escape_invalid_bytes(text: str) -> str:
    r"""Return the text with each invalid byte written as `\xe9`, for display."""
    if text.isascii():
        return text
    return _INVALID.sub(lambda marks: "".join(f"\\x{byte:02x}" for byte in _bytes(marks)), text)


def replace_invalid_bytes(text: str) -> str:
    """Return the text with replacement characters instead of the marks."""
    if text.isascii():
        return text
    return _INVALID.sub(lambda marks: _bytes(marks).decode("utf-8", "replace"), text)


def surrogate_invalid_bytes(text: str) -> str:
    r"""Return the text with each invalid byte as `\udce9` alone, as Python escapes it."""
    return text if text.isascii() else _INVALID.sub(_surrogates, text)


def _surrogates(marks: re.Match[str]) -> str:
    return marks[0].replace("\ud800", "")


def _bytes(marks: re.Match[str]) -> bytes:
    return _surrogates(marks).encode("utf-8", "surrogateescape")


class Source(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The bucket that a job copies from: S3, GCS or R2."""

    vendor: str | None = None
    bucket: str | None = None
    path_prefix: str | None = None
    endpoint: str | None = None
    region: str | None = None
    jurisdiction: str | None = None
    keys: tuple[str, ...] | None = None
    extra: Mapping[str, object] = {}


class Target(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The R2 bucket that a job copies to."""

    vendor: str | None = None
    bucket: str | None = None
    jurisdiction: str | None = None
    extra: Mapping[str, object] = {}


_STATUSES = frozenset({"running", "paused", "aborted", "completed"})


def _plain_status(status: str | None) -> str | None:
    """Return a documented status in lower case; any other text unchanged."""
    if status is None or status in _STATUSES:
        return status
    lower = status.strip().casefold()
    return lower if lower in _STATUSES else status


class Job(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One migration job as in a list or alone. A documented status is in lower case."""

    id: str | None = None
    status: str | None = None
    created_at: str | None = None
    finished_at: str | None = None
    overwrite: bool | None = None
    source: Source | None = None
    target: Target | None = None
    extra: Mapping[str, object] = {}

    def __post_init__(self) -> None:
        """Normalise the case of a documented status."""
        msgspec.structs.force_setattr(self, "status", _plain_status(self.status))

    @property
    def source_bucket(self) -> str:
        """Name of the source bucket; "" if unknown."""
        return (self.source and self.source.bucket) or ""

    @property
    def place(self) -> str:
        """`BUCKET/PREFIX` of the source, or its bucket alone; "" if the bucket is unknown."""
        bucket = self.source_bucket
        return f"{bucket}/{self.prefix}" if bucket and self.prefix else bucket

    @property
    def target_bucket(self) -> str:
        """Name of the target bucket; "" if unknown."""
        return (self.target and self.target.bucket) or ""

    @property
    def prefix(self) -> str:
        """Prefix of the keys that it copies; "" for a whole bucket or a list of keys."""
        return (self.source and self.source.path_prefix) or ""


class Progress(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The status and counters of one job, in objects. A documented status is in lower case."""

    id: str | None = None
    status: str | None = None
    created_at: str | None = None
    objects: Count | None = None
    transferred_objects: Count | None = None
    skipped_objects: Count | None = None
    failed_objects: Count | None = None
    extra: Mapping[str, object] = {}

    def __post_init__(self) -> None:
        """Normalise the case of a documented status."""
        msgspec.structs.force_setattr(self, "status", _plain_status(self.status))


class LogRow(msgspec.Struct, frozen=True, rename="camel"):
    """One event of a job. Rows have no id: the whole row is its identity."""

    created_at: str | None = None
    job: str | None = None
    log_type: str | None = None
    message: str | None = None
    object_key: str | None = None
    extra: Mapping[str, object] = {}


class Connectivity(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of a precheck; the status is `success` or `error`."""

    connectivity_status: str | None = None
    extra: Mapping[str, object] = {}


class Created(msgspec.Struct, frozen=True, rename="camel"):
    """The id of a newly created job."""

    id: str | None = None
    extra: Mapping[str, object] = {}


class TokenStatus(msgspec.Struct, frozen=True):
    """The API token in use; the status is `active`, `disabled` or `expired`.

    expires_on, not_before: None for a token without that limit.
    """

    id: str | None = None
    status: str | None = None
    expires_on: str | None = None
    not_before: str | None = None
    extra: Mapping[str, object] = {}


class Bucket(msgspec.Struct, frozen=True):
    """An R2 bucket."""

    name: str | None = None
    creation_date: str | None = None
    location: str | None = None
    jurisdiction: str | None = None
    storage_class: str | None = None
    extra: Mapping[str, object] = {}


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    """When a rule of a bucket applies. type: `Age`, `Date` or `Indefinite`; ages in seconds."""

    type: str | None = None
    max_age: int | None = None
    max_age_seconds: int | None = None
    date: str | None = None


class LockRule(msgspec.Struct, frozen=True, rename="camel"):
    """A rule that forbids to overwrite and to delete objects. prefix: None for every object."""

    enabled: bool | None = None
    prefix: str | None = None
    condition: Condition | None = None


class Lock(msgspec.Struct, frozen=True, rename="camel"):
    """The lock of a bucket."""

    rules: tuple[LockRule, ...] | None = None
    extra: Mapping[str, object] = {}


class Conditions(msgspec.Struct, frozen=True):
    """Which objects a lifecycle rule is about. prefix: None for every object."""

    prefix: str | None = None


class Transition(msgspec.Struct, frozen=True):
    """What a lifecycle rule does, once its condition holds."""

    condition: Condition | None = None


class LifecycleRule(msgspec.Struct, frozen=True, rename="camel"):
    """A lifecycle rule. delete_objects_transition: None for a rule that deletes no objects."""

    enabled: bool | None = None
    conditions: Conditions | None = None
    delete_objects_transition: Transition | None = None


class Lifecycle(msgspec.Struct, frozen=True, rename="camel"):
    """The lifecycle rules of a bucket."""

    rules: tuple[LifecycleRule, ...] | None = None
    extra: Mapping[str, object] = {}


class BucketUsage(msgspec.Struct, frozen=True, rename="camel"):
    """What an R2 bucket holds, as counted some minutes ago. The API does not document this answer.

    end: when it was counted. payload_size, metadata_size: bytes. upload_count: multipart uploads
    that are under way.
    """

    end: str | None = None
    payload_size: int | None = None
    metadata_size: int | None = None
    object_count: int | None = None
    upload_count: int | None = None
    extra: Mapping[str, object] = {}


class SippySource(msgspec.Struct, frozen=True):
    """The bucket from which Sippy copies an object when it is first read."""

    provider: str | None = None
    bucket: str | None = None
    extra: Mapping[str, object] = {}


class Sippy(msgspec.Struct, frozen=True):
    """The on-demand migration of a bucket."""

    enabled: bool | None = None
    source: SippySource | None = None
    extra: Mapping[str, object] = {}


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """A good answer: its value and the rate-limit headers.

    limit: the request budget; None if the headers do not contain it.
    total: rows on all pages of a list by `result_info.total_count`; None where it is absent.
    size: bytes of the answer's body.
    date: the Date header as sent; None if there is none.
    info: the whole `result_info`; empty where there is none.
    """

    value: T
    limit: RateLimit | None = None
    total: int | None = None
    size: int = 0
    date: str | None = None
    info: Mapping[str, object] = {}


def parse(model: type[S], raw: object) -> S:
    """Convert a decoded JSON object to a `model`.

    A property of the wrong type becomes None; an unknown property is kept in `extra`.
    Raises msgspec.ValidationError when `raw` is not a JSON object.
    """
    if not isinstance(raw, dict):
        raise msgspec.ValidationError(f"expected an object, got {type(raw).__name__}")
    if _has_only_known_fields(model, raw):
        with suppress(msgspec.ValidationError):
            return msgspec.convert(raw, model)
    fields = _fields(model)
    values: dict[str, object] = {}
    extra: dict[str, object] = {}
    for wire, value in raw.items():
        if (field := fields.get(wire)) is None:
            extra[wire] = value
            continue
        with suppress(msgspec.ValidationError):
            nested = field.nested
            values[field.name] = (
                parse(nested, value) if nested else msgspec.convert(value, field.kind)
            )
    return model(**values, extra=extra)


def parse_usage(raw: object) -> BucketUsage:
    """Convert the usage of a bucket, whose numbers are sent as strings.

    Numbers that no bucket has, such as negative ones, are left out.
    Raises msgspec.ValidationError where it tells neither bytes nor objects.
    """
    if isinstance(raw, dict):
        raw = {
            name: int(value)
            if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value)
            else value
            for name, value in raw.items()
            if not isinstance(value, int) or 0 <= value < 10**18
        }
    usage = parse(BucketUsage, raw)
    if usage.payload_size is None and usage.object_count is None:
        raise msgspec.ValidationError("a usage without numbers")
    return usage


class TooManyRows(msgspec.ValidationError):
    """A list that is far longer than any page."""


def parse_rows(model: type[S], raw: object) -> tuple[S, ...]:
    """Convert a decoded JSON array to a tuple of `model`; null is an empty one.

    A row that is not an object becomes an empty one. The tuple must be as long as the array,
    because a short page marks the end of a list.
    Raises TooManyRows for more than `MOST_ROWS` rows, msgspec.ValidationError for another type.
    """
    rows = [] if raw is None else raw
    if not isinstance(rows, list):
        raise msgspec.ValidationError(f"expected an array, got {type(rows).__name__}")
    if len(rows) > MOST_ROWS:
        raise TooManyRows(f"a list of {len(rows):,} rows, where at most {PAGE_SIZE} were asked")
    return tuple(parse(model, row) if isinstance(row, dict) else model() for row in rows)


class _Field(NamedTuple):
    """One property of a model. nested: the model of its value; None for a plain value."""

    name: str
    kind: object
    nested: type[msgspec.Struct] | None


@functools.cache
def _fields(model: type[msgspec.Struct]) -> dict[str, _Field]:
    """Return a model's properties by their wire names."""
    fields = {}
    for field in msgspec.structs.fields(model):
        types = (t for t in get_args(field.type) if isinstance(t, type))
        nested = next((t for t in types if issubclass(t, msgspec.Struct)), None)
        if field.name != "extra":
            fields[field.encode_name] = _Field(field.name, field.type, nested)
    return fields


def _has_only_known_fields(model: type[msgspec.Struct], raw: object) -> bool:
    """Return whether all properties are known at every depth.

    If so, msgspec converts the whole value at once, which is much faster.
    """
    fields = _fields(model)
    if not isinstance(raw, dict) or not raw.keys() <= fields.keys():
        return False
    inner = ((fields[wire].nested, value) for wire, value in raw.items() if value is not None)
    return all(_has_only_known_fields(nested, value) for nested, value in inner if nested)


class Secret(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Keys to a bucket: an access key pair for S3 and R2, the service account's pair for GCS."""

    access_key_id: str | None = None
    secret_access_key: str | None = None
    client_email: str | None = None
    private_key: str | None = None

    @property
    def values(self) -> tuple[str, ...]:
        """Every part that is set; for scrubbers."""
        parts = (self.access_key_id, self.secret_access_key, self.client_email, self.private_key)
        return tuple(part for part in parts if part)

    def __repr__(self) -> str:
        return "***"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return no fields, because pretty printers do not use `__repr__`."""
        return []


class NewSource(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The source of a new job; `keys` holds at most 10,000 object keys."""

    vendor: str
    bucket: str
    secret: Secret
    path_prefix: str | None = None
    keys: tuple[str, ...] | None = None
    endpoint: str | None = None
    region: str | None = None
    jurisdiction: str | None = None


class NewTarget(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="vendor", tag="r2"
):
    """The R2 bucket of a new job."""

    bucket: str
    secret: Secret
    jurisdiction: str | None = None


class NewJob(msgspec.Struct, frozen=True, rename="camel"):
    """The request body that creates a job."""

    source: NewSource
    target: NewTarget
    overwrite: bool = True


def encode(body: NewJob | NewSource | NewTarget) -> bytes:
    """Return a request body as JSON.

    A lone surrogate, which an object key from the API may contain, is written as a JSON escape.
    """
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        import json  # 1 ms, only for names that are not valid Unicode

        return json.dumps(msgspec.to_builtins(body)).encode()
