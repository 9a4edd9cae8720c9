"""One job as a JSON object, under the API's own names and a few of ours."""

from __future__ import annotations

from typing import Any

import msgspec

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.job import Forecast, JobView, Verdict, shown_forecast, shown_rate


def job_record(view: JobView) -> dict[str, Any]:
    """Give every field of a job in a stable order; None where it is unknown.

    perSecond is in objects per second, eta… in whole seconds; times are the API's own text. A job
    that does not run, or whose data is not fresh, has neither a rate nor an ETA.
    """
    job, counts = view.job, view.counts
    return {
        "accountId": view.account_id,
        "id": job.id,
        "status": view.status if view.status is not None else job.status,
        "createdAt": job.created_at,
        "finishedAt": job.finished_at,
        "overwrite": job.overwrite,
        "source": _end_point(job.source),
        "target": _end_point(job.target),
        "objects": counts.objects,
        "transferredObjects": counts.transferred,
        "skippedObjects": counts.skipped,
        "failedObjects": counts.failed,
        "done": counts.done,
        "percent": view.percent,
        "perSecond": shown_rate(view),
        **_eta(shown_forecast(view)),
        "phase": None if view.phase is None else str(view.phase),
        "verdict": _verdict(view.verdict),
    }


def _eta(forecast: Forecast | None) -> dict[str, int | bool | None]:
    """Tell a range with its middle; a lower bound has neither a middle nor a high end."""
    if forecast is None:
        names = ("etaSeconds", "etaLowSeconds", "etaHighSeconds", "etaAtLeast")
        return dict.fromkeys(names)
    bounded = not forecast.at_least
    return {
        "etaSeconds": round(forecast.seconds) if bounded else None,
        "etaLowSeconds": round(forecast.low_seconds),
        "etaHighSeconds": round(forecast.high_seconds) if bounded else None,
        "etaAtLeast": forecast.at_least,
    }


def _end_point(end: Source | Target | None) -> dict[str, Any] | None:
    """Give a source or target as the API sent it, without what it did not send."""
    if end is None:
        return None
    known: dict[str, Any] = msgspec.to_builtins(end)
    known.pop("extra")
    sent = {name: value for name, value in known.items() if value is not None}
    return {**sent, **{n: v for n, v in end.extra.items() if n not in sent}}


def _verdict(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "text": verdict.text,
        "failed": verdict.failed,
        "notCopied": verdict.not_copied,
        "unaccounted": verdict.unaccounted,
    }
