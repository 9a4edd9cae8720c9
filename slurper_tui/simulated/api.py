"""The protocol of the simulated account: requests into values, values into JSON responses.

`call_of`, `page_of` and `body_of` parse and check requests; they raise Refusal for invalid ones.
`accept` and `refuse` make responses in the API's envelope.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, NamedTuple, TypeVar
from urllib.parse import unquote

import httpx
import msgspec

from slurper_tui.api.models import PAGE_SIZE, LogRow, Source, Target
from slurper_tui.simulated.jobs import Course, iso


class Detail(NamedTuple):
    """One error of an envelope. pointer: JSON pointer to the invalid part of the body, or None."""

    code: int
    message: str
    pointer: str | None = None


class Refusal(Exception):
    """A request that the account refuses: HTTP status, errors and additional headers."""

    def __init__(
        self, status: int, *details: Detail, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, details)
        self.status = status
        self.details = details
        self.headers = dict(headers or {})


def accept(result: object, status: int = 200) -> httpx.Response:
    """Return a successful response."""
    return _envelope(status, {"success": True, "errors": [], "messages": [], "result": result})


def accept_page(result: object, info: Mapping[str, object]) -> httpx.Response:
    """Return a successful response with a `result_info`."""
    envelope = {"success": True, "errors": [], "messages": [], "result": result}
    return _envelope(200, {**envelope, "result_info": info})


def refuse(refusal: Refusal) -> httpx.Response:
    """Return a refusal in the API's envelope."""
    errors: list[dict[str, object]] = []
    for code, message, pointer in refusal.details:
        source = {} if pointer is None else {"source": {"pointer": pointer}}
        errors.append({"code": code, "message": message, **source})
    envelope = {"success": False, "errors": errors, "messages": [], "result": None}
    return _envelope(refusal.status, envelope, refusal.headers)


def job_json(course: Course, now: float) -> dict[str, object]:
    """Return a job as in lists; a source or a target that it was created without is left out."""
    plan, finished = course.plan, course.finished(now)
    properties: dict[str, object] = {
        "id": plan.id,
        "createdAt": iso(plan.created),
        "finishedAt": None if finished is None else iso(finished),
        "overwrite": plan.overwrite,
        "status": course.status(now),
    }
    if (source := plan.source) is not None:
        own: dict[str, object] = {}
        if source.vendor == "s3":
            own = {"endpoint": source.endpoint}
        elif source.vendor == "r2":
            own = {"jurisdiction": source.jurisdiction or "default"}
        properties["source"] = {
            "vendor": source.vendor,
            "bucket": source.bucket,
            "pathPrefix": source.path_prefix,
            "keys": source.keys,
            **own,
        }
    if plan.target is not None:
        properties["target"] = {
            "bucket": plan.target.bucket,
            "jurisdiction": plan.target.jurisdiction or "default",
            "vendor": "r2",
        }
    return properties


def progress_json(course: Course, now: float) -> dict[str, object]:
    """Return the answer of the progress operation."""
    counters = course.counters(now)
    return {
        "id": course.plan.id,
        "createdAt": iso(course.plan.created),
        "status": course.status(now),
        "objects": counters.objects,
        "transferredObjects": counters.transferred,
        "skippedObjects": counters.skipped,
        "failedObjects": counters.failed,
    }


def row_json(row: LogRow) -> dict[str, object]:
    """Return one row of a log as JSON properties."""
    properties: dict[str, object] = msgspec.to_builtins(row)
    del properties["extra"]
    return properties


def _envelope(
    status: int, envelope: object, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    kind = {"content-type": "application/json"}
    body = msgspec.json.encode(envelope)
    return httpx.Response(status, headers={**kind, **(headers or {})}, content=body)


INVALID = 10001
"""Placeholder for Slurper's undocumented error code of an invalid request."""

_ROUTES = {
    "jobs": {"GET": "list", "POST": "create"},
    "jobs/abortAll": {"PUT": "abortAll"},
    "jobs/*": {"GET": "get", "DELETE": "delete"},
    "jobs/*/progress": {"GET": "progress"},
    "jobs/*/logs": {"GET": "logs"},
    "jobs/*/pause": {"PUT": "pause"},
    "jobs/*/resume": {"PUT": "resume"},
    "jobs/*/abort": {"PUT": "abort"},
    "source/connectivity-precheck": {"PUT": "sourcePrecheck"},
    "target/connectivity-precheck": {"PUT": "targetPrecheck"},
}

VERIFY_PATH = "user/tokens/verify"
"""The only path outside an account."""

T = TypeVar("T")
Jurisdiction = Literal["default", "eu", "us", "fedramp"]
Endpoint = Annotated[str, msgspec.Meta(pattern=r"^https://[A-Za-z0-9\[][!-~]*$")]
Keys = Annotated[list[str], msgspec.Meta(max_length=10_000)]


class Call(NamedTuple):
    """The parts of a request. account_id and job_id are decoded.

    account_id: None for a request that concerns no account.
    path: the part after `slurper/`, or after `r2/`, as sent.
    operation: None when the path has none for the method.
    allowed: methods that the path supports; empty for a path that the API does not have.
    """

    account_id: str | None
    method: str
    path: str
    operation: str | None = None
    job_id: str | None = None
    allowed: tuple[str, ...] = ()


class S3Secret(msgspec.Struct, rename="camel"):
    """Keys to an S3 or R2 bucket."""

    access_key_id: str
    secret_access_key: str


class GcsSecret(msgspec.Struct, rename="camel"):
    """Keys to a Google Cloud Storage bucket."""

    client_email: str
    private_key: str


class S3Source(msgspec.Struct, rename="camel", tag_field="vendor", tag="s3"):
    """A source with the S3 protocol."""

    bucket: str
    secret: S3Secret
    endpoint: Endpoint | None = None
    region: str | None = None
    path_prefix: str | None = None
    keys: Keys | None = None


class GcsSource(msgspec.Struct, rename="camel", tag_field="vendor", tag="gcs"):
    """A source in Google Cloud Storage."""

    bucket: str
    secret: GcsSecret
    path_prefix: str | None = None
    keys: Keys | None = None


class R2Source(msgspec.Struct, rename="camel", tag_field="vendor", tag="r2"):
    """A source in R2."""

    bucket: str
    secret: S3Secret
    jurisdiction: Jurisdiction = "default"
    path_prefix: str | None = None
    keys: Keys | None = None


class R2Target(msgspec.Struct, rename="camel"):
    """The target bucket of a job."""

    vendor: Literal["r2"]
    bucket: str
    secret: S3Secret
    jurisdiction: Jurisdiction = "default"


AnySource = S3Source | GcsSource | R2Source


class CreateBody(msgspec.Struct):
    """The request body that creates a job. The contract requires none of its properties."""

    source: AnySource | msgspec.UnsetType = msgspec.UNSET
    target: R2Target | msgspec.UnsetType = msgspec.UNSET
    overwrite: bool = True


def call_of(request: httpx.Request) -> Call:
    """Parse a request's path; any base URL is accepted."""
    parts = request.url.raw_path.split(b"?")[0].decode("ascii", "replace").split("/")
    starts = [i for i in range(len(parts) - 2) if parts[i] == "accounts"]
    start = next((i for i in starts if parts[i + 2] == "slurper"), None)
    bucket = next((i for i in starts if parts[i + 2 : i + 4] == ["r2", "buckets"]), None)
    if start is None and bucket is not None:
        return _bucket_call(request.method, unquote(parts[bucket + 1]), parts[bucket + 3 :])
    if start is None and "/".join(parts[-3:]) == VERIFY_PATH:
        operation = "verifyToken" if request.method == "GET" else None
        return Call(None, request.method, VERIFY_PATH, operation, allowed=("GET",))
    if start is None:
        return Call(None, request.method, "/".join(parts))
    rest = parts[start + 3 :]
    path = "/".join(rest)
    job_id = unquote(rest[1]) if len(rest) > 1 and rest[0] == "jobs" else None
    pattern = path if path in _ROUTES else "/".join([*rest[:1], "*", *rest[2:]])
    methods = _ROUTES.get(pattern, {}) if job_id != "" else {}
    return Call(
        unquote(parts[start + 1]),
        request.method,
        path,
        operation=methods.get(request.method),
        job_id=job_id if "*" in pattern else None,
        allowed=tuple(sorted(methods)),
    )


_OF_BUCKETS = {"": "bucket"}
_OF_BUCKETS |= {part: part for part in ("lock", "lifecycle", "sippy", "objects", "usage")}


def _bucket_call(method: str, account_id: str, rest: list[str]) -> Call:
    """Parse `buckets/NAME` and `buckets/NAME/PART`. The call's job_id is the name of the bucket."""
    name, part = rest[1:2], "/".join(rest[2:])
    if not name or not name[0] or part not in _OF_BUCKETS:
        return Call(account_id, method, "/".join(rest))
    operation = _OF_BUCKETS[part] if method == "GET" else None
    path = "/".join(rest)
    return Call(account_id, method, path, operation, unquote(name[0]), allowed=("GET",))


def page_of(request: httpx.Request) -> tuple[int, int]:
    """Return the requested limit and offset. Raises Refusal when either is invalid."""
    limit = whole_number(request, "limit", PAGE_SIZE)
    if limit > PAGE_SIZE:
        raise _invalid(f"limit must be at most {PAGE_SIZE}", "/limit")
    return max(0, limit), max(0, whole_number(request, "offset", 0))


def whole_number(request: httpx.Request, name: str, default: int) -> int:
    """Return a number of the query. Raises Refusal if it is no whole number, or there are two."""
    values = request.url.params.get_list(name)
    if not values:
        return default
    if len(values) > 1 or not re.fullmatch(r"-?[0-9]{1,4000}", values[0]):
        raise _invalid(f"{name} must be one whole number", f"/{name}")
    return int(values[0])


def body_of(request: httpx.Request, kind: Callable[..., T] | object) -> T:
    """Decode the body as `kind`. Raises Refusal when it is not JSON or does not match."""
    try:
        return msgspec.json.decode(request.content, type=kind)  # type: ignore[no-any-return]  # a `kind`, as the decoder checks
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        message, pointer = str(error) or "body is nested too deep", None
        if found := re.search(r"at `\$\.?(.*)`$", message):
            pointer = "/" + found[1].replace(".", "/").replace("[", "/").replace("]", "")
        raise _invalid(message, pointer) from None


def public_source(body: AnySource) -> Source:
    """Return a source without its secret."""
    return Source(
        vendor=str(body.__struct_config__.tag),
        bucket=body.bucket,
        path_prefix=body.path_prefix,
        endpoint=getattr(body, "endpoint", None),
        jurisdiction=getattr(body, "jurisdiction", None),
        keys=None if body.keys is None else tuple(body.keys),
    )


def public_target(body: R2Target) -> Target:
    """Return a target without its secret."""
    return Target("r2", body.bucket, body.jurisdiction)


def _invalid(message: str, pointer: str | None) -> Refusal:
    return Refusal(400, Detail(INVALID, message, pointer))
