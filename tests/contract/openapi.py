"""A reduced OpenAPI document of Super Slurper, generated from a table of operations."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_ACCOUNT = "/accounts/{account_id}/slurper"
_JOB = f"{_ACCOUNT}/jobs/{{job_id}}"
_LOG_TYPES = (
    *("migration" + end for end in ("Start", "Complete", "Abort", "Error", "Pause", "Resume")),
    "migrationErrorFailedContinuation",
    "importErrorRetryExhaustion",
    *(
        "importSkipped" + why
        for why in (
            "StorageClass",
            "Oversized",
            "EmptyObject",
            "UnsupportedContentType",
            "ExcludedContentType",
            "InvalidMedia",
            "RequiresRetrieval",
        )
    ),
)


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    shape: Schema = {"type": "object", "properties": properties}
    return {**shape, "required": list(required)} if required else shape


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "nullable": True}


_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer"}
_MAYBE = _or_null(_TEXT)
_KEYS = _or_null({"type": "array", "items": _TEXT, "maxItems": 10_000})
_ENDPOINT = _or_null({"type": "string", "format": "uri"})
_PLACE = _one_of("default", "eu", "us", "fedramp")
_STATUS = _one_of("running", "paused", "aborted", "completed")


def _places(in_answer: bool) -> list[tuple[str, Schema]]:
    """Return the three kinds of source with their properties. in_answer: without region."""
    common = {"bucket": _TEXT, "pathPrefix": _MAYBE, "keys": _KEYS}
    s3 = {**common, "endpoint": _ENDPOINT, **({} if in_answer else {"region": _MAYBE})}
    return [("s3", s3), ("gcs", common), ("r2", {**common, "jurisdiction": _PLACE})]


def _secret(vendor: str) -> Schema:
    names = ("clientEmail", "privateKey") if vendor == "gcs" else ("accessKeyId", "secretAccessKey")
    return _object(names, **dict.fromkeys(names, _TEXT))


def _body(vendor: str, properties: dict[str, Schema]) -> Schema:
    required = ("vendor", "bucket", "secret")
    return _object(required, vendor=_one_of(vendor), secret=_secret(vendor), **properties)


_SOURCE_BODY: Schema = {"oneOf": [_body(*place) for place in _places(in_answer=False)]}
_TARGET_BODY = _body("r2", {"bucket": _TEXT, "jurisdiction": _PLACE})
_JOB_BODY = _object(overwrite={"type": "boolean"}, source=_SOURCE_BODY, target=_TARGET_BODY)

_JOB_RESULT = _object(
    id=_TEXT,
    createdAt=_TEXT,
    finishedAt=_MAYBE,
    overwrite={"type": "boolean"},
    status=_STATUS,
    source={"oneOf": [_object(vendor=_one_of(v), **parts) for v, parts in _places(in_answer=True)]},
    target=_object(bucket=_TEXT, jurisdiction=_PLACE, vendor=_one_of("r2")),
)
_PROGRESS_RESULT = _object(
    id=_TEXT,
    createdAt=_TEXT,
    status=_STATUS,
    objects=_NUMBER,
    transferredObjects=_NUMBER,
    skippedObjects=_NUMBER,
    failedObjects=_NUMBER,
)
_ROW_RESULT = _object(
    createdAt=_TEXT,
    job=_TEXT,
    logType=_one_of(*_LOG_TYPES),
    message=_MAYBE,
    objectKey=_MAYBE,
)
_CHECK_RESULT = _object(connectivityStatus=_one_of("success", "error"))

_OPERATIONS: tuple[tuple[str, str, str, Schema | None, Schema], ...] = (
    ("get", f"{_ACCOUNT}/jobs", "200", None, {"type": "array", "items": _JOB_RESULT}),
    ("post", f"{_ACCOUNT}/jobs", "201", _JOB_BODY, _object(id=_TEXT)),
    ("put", f"{_ACCOUNT}/jobs/abortAll", "200", None, _TEXT),
    ("get", _JOB, "200", None, _JOB_RESULT),
    ("delete", _JOB, "200", None, _TEXT),
    ("get", f"{_JOB}/progress", "200", None, _PROGRESS_RESULT),
    ("get", f"{_JOB}/logs", "200", None, {"type": "array", "items": _ROW_RESULT}),
    ("put", f"{_JOB}/pause", "200", None, _TEXT),
    ("put", f"{_JOB}/resume", "200", None, _TEXT),
    ("put", f"{_JOB}/abort", "200", None, _TEXT),
    ("put", f"{_ACCOUNT}/source/connectivity-precheck", "200", _SOURCE_BODY, _CHECK_RESULT),
    ("put", f"{_ACCOUNT}/target/connectivity-precheck", "200", _TARGET_BODY, _CHECK_RESULT),
)
_PAGED = (f"{_ACCOUNT}/jobs", f"{_JOB}/logs")


def document() -> Schema:
    """Return the document, as OpenAPI 3.0."""
    paths: dict[str, Any] = {}
    for method, path, status, body, result in _OPERATIONS:
        paths.setdefault(path, {})[method] = _operation(method, path, status, body, result)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Super Slurper in small", "version": "1"},
        "paths": paths,
        "components": {"securitySchemes": _schemes()},
        "security": [{"token": []}, {"email": [], "key": []}],
    }


def _operation(method: str, path: str, status: str, body: Schema | None, result: Schema) -> Schema:
    operation: Schema = {
        "operationId": f"{method} {path.removeprefix(_ACCOUNT)}",
        "parameters": list(_parameters(method, path)),
        "responses": {
            status: _answer("The result", _envelope(True, result)),
            "4XX": _answer("A refusal", _envelope(False)),
        },
    }
    if body is not None:
        body = {"required": True, "content": {"application/json": {"schema": body}}}
        operation["requestBody"] = body
    return operation


def _parameters(method: str, path: str) -> list[Schema]:
    names = [name for name in ("account_id", "job_id") if f"{{{name}}}" in path]
    parts = [{"name": n, "in": "path", "required": True, "schema": _TEXT} for n in names]
    if method != "get" or path not in _PAGED:
        return parts
    limit = {"name": "limit", "in": "query", "schema": {**_NUMBER, "maximum": 50}}
    return [*parts, limit, {"name": "offset", "in": "query", "schema": _NUMBER}]


def _envelope(good: bool, result: Schema | None = None) -> Schema:
    """Return the schema of an envelope; its four properties are required."""
    error = _object(("code", "message"), code={**_NUMBER, "minimum": 1000}, message=_TEXT)
    return _object(
        ("success", "errors", "messages", "result"),
        success={"type": "boolean", "enum": [good]},
        errors={"type": "array", "items": error, "minItems": 0 if good else 1},
        messages={"type": "array", "items": _TEXT},
        result=result or {"nullable": True, "enum": [None]},
    )


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _schemes() -> Schema:
    return {
        "token": {"type": "http", "scheme": "bearer"},
        "email": {"type": "apiKey", "in": "header", "name": "X-Auth-Email"},
        "key": {"type": "apiKey", "in": "header", "name": "X-Auth-Key"},
    }
