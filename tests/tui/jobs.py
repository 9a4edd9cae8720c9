"""Makers of jobs, forecasts and snapshots."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.model.job import AccountView, Counts, Forecast, JobView, Phase, Snapshot

NOW = 1_774_000_000.0
ACCOUNT = "3fa8b6c2d1e04f7799aa001122334455"


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def view(number: int = 1, status: str | None = "running", done: int = 350, **given: Any) -> JobView:
    """Return a job of 1,000 objects; given: source, prefix, target, account and any field."""
    ended = status in ("completed", "aborted")
    source = Source(
        vendor="s3",
        bucket=given.pop("source", f"photos-{number}"),
        path_prefix=given.pop("prefix", None),
        endpoint="https://s3.example.com",
    )
    job = Job(
        id=given.pop("id", f"job{number:04}"),
        status=status,
        created_at=iso(NOW - 1000 - number),
        finished_at=iso(NOW - number) if ended else None,
        overwrite=True,
        source=source,
        target=Target(vendor="r2", bucket=given.pop("target", "media")),
    )
    failed = given.pop("failed", 0)
    fields: dict[str, Any] = {
        "status": status,
        "phase": Phase.ENDED if ended else Phase.RUNNING,
        "counts": Counts(1000, done - failed, 0, failed),
        "percent": done // 10,
        "rate": None if ended else 61.2,
        "lifetime_rate": 74.1,
        "as_of": NOW,
        "ended": ended,
    }
    return JobView(account_id=given.pop("account", ACCOUNT), job=job, **{**fields, **given})


def forecast(low: float, high: float, **given: Any) -> Forecast:
    """Return a forecast made now. low, high: hours from now."""
    return Forecast(NOW + low * 3600, NOW + high * 3600, NOW, **given)


def snapshot(*jobs: JobView, **given: Any) -> Snapshot:
    """Return a snapshot of one listed account by default."""
    fields: dict[str, Any] = {
        "taken_at": NOW,
        "interval": 5.0,
        "accounts": (AccountView(ACCOUNT, listed=True, answered=True, pages=1),),
        "complete": True,
    }
    return Snapshot(jobs=jobs, **{**fields, **given})


def harmless(text: str) -> bool:
    """Return whether no character can control a terminal or change the direction of writing."""
    unsafe = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return not any(unicodedata.category(char) in unsafe for char in text)
