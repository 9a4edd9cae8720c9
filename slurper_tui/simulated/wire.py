"""How the simulated account puts things: envelopes, jobs and times as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
import msgspec

from slurper_tui.api.models import LogRow, Source
from slurper_tui.simulated.jobs import Course


class Said(NamedTuple):
    """One error of an envelope. pointer: what in the body it is about."""

    code: int
    message: str
    pointer: str | None = None


class Refusal(Exception):
    """The account declines: an HTTP status, what it says, and headers that go with it."""

    def __init__(self, status: int, *said: Said, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, said)
        self.status = status
        self.said = said
        self.headers = dict(headers or {})


def accept(result: object, status: int = 200) -> httpx.Response:
    """A good answer."""
    return _envelope(status, {"success": True, "errors": [], "messages": [], "result": result})


def refuse(refusal: Refusal) -> httpx.Response:
    """A refusal in the API's envelope."""
    errors = [_error(said) for said in refusal.said]
    envelope = {"success": False, "errors": errors, "messages": [], "result": None}
    return _envelope(refusal.status, envelope, refusal.headers)


def iso(moment: float) -> str:
    """UTC seconds as the API writes a time: milliseconds and a Z."""
    told = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


def job_json(course: Course, now: float) -> dict[str, object]:
    """A job as lists tell it; parts that it was created without are left out."""
    plan, finished = course.plan, course.finished(now)
    told: dict[str, object] = {
        "id": plan.id,
        "createdAt": iso(plan.created),
        "finishedAt": None if finished is None else iso(finished),
        "overwrite": plan.overwrite,
        "status": course.status(now),
    }
    if plan.source is not None:
        told["source"] = _source_json(plan.source)
    if plan.target is not None:
        place = plan.target.jurisdiction or "default"
        told["target"] = {"bucket": plan.target.bucket, "jurisdiction": place, "vendor": "r2"}
    return told


def progress_json(course: Course, now: float) -> dict[str, object]:
    """How far a job is."""
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
    """One row of a log."""
    return {
        "createdAt": row.created_at,
        "job": row.job,
        "logType": row.log_type,
        "message": row.message,
        "objectKey": row.object_key,
    }


def _source_json(source: Source) -> dict[str, object]:
    """A source with the properties that its vendor has, and never a secret."""
    told: dict[str, object] = {
        "vendor": source.vendor,
        "bucket": source.bucket,
        "pathPrefix": source.path_prefix,
        "keys": source.keys,
    }
    if source.vendor == "s3":
        told["endpoint"] = source.endpoint
    if source.vendor == "r2":
        told["jurisdiction"] = source.jurisdiction or "default"
    return told


def _error(said: Said) -> dict[str, object]:
    pointer = {} if said.pointer is None else {"source": {"pointer": said.pointer}}
    return {"code": said.code, "message": said.message, **pointer}


def _envelope(
    status: int, envelope: object, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    kind = {"content-type": "application/json"}
    body = msgspec.json.encode(envelope)
    return httpx.Response(status, headers={**kind, **(headers or {})}, content=body)
