"""Accounts with given logs, for the commands that read logs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from slurper_tui.api.models import Source, Target
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan

CREATED = time.time() - 3600.0
"""UTC seconds; the same for all, so that jobs created at the same time are ordered by their id."""


def plan(name: str = "job1", **numbers: Any) -> Plan:
    """A job that ended an hour ago, from `photos` to `media`."""
    usual: dict[str, Any] = {
        "created": CREATED,
        "objects": 10_000,
        "seconds": 30.0,
        "listing": 10.0,
        "source": Source("s3", "photos", "2024/"),
        "target": Target("r2", "media"),
    }
    return Plan(**{"id": name, **usual, **numbers})


def account(*plans: Plan, **options: Any) -> SimulatedAccount:
    """An account with just these jobs."""
    return SimulatedAccount(plans=plans, **options)


def row(log_type: str | None, key: str | None = None, **other: Any) -> dict[str, Any]:
    """A row as the API sends it."""
    usual = {"createdAt": "2026-03-19T15:46:20.000Z", "job": "job1", "message": "gave up"}
    return {**usual, "logType": log_type, "objectKey": key, **other}


def telling(
    *rows: object, failed: int = 3, skipped: int = 0, bytes_of: Mapping[bytes, bytes] | None = None
) -> httpx.MockTransport:
    """An API with one ended job, `job1`, and these log rows.

    bytes_of: replacements of bytes in the answers.
    """
    counts = {"objects": 10, "transferredObjects": 10 - failed - skipped}
    job = {
        "id": "job1",
        "status": "completed",
        "source": {"vendor": "s3", "bucket": "my photos"},
        "target": {"vendor": "r2", "bucket": "media"},
        **counts,
        "failedObjects": failed,
        "skippedObjects": skipped,
    }

    def answer(request: httpx.Request) -> httpx.Response:
        last = request.url.path.split("/")[-1]
        offset = int(request.url.params.get("offset", 0))
        result: object = {"jobs": [job], "logs": list(rows)[offset : offset + 50]}.get(last, job)
        body = json.dumps({"success": True, "errors": [], "result": result})
        content = body.encode()
        for before, after in (bytes_of or {}).items():
            content = content.replace(before, after)
        return httpx.Response(200, headers={"content-type": "application/json"}, content=content)

    return httpx.MockTransport(answer)
