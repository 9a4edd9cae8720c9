"""Jobs and receipts as JSON objects, with the API's field names and some additional ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.models import LogRow, Source, Target, surrogate_invalid_bytes
from slurper_tui.monitor.model.job import Counts, Forecast, JobView, shown_forecast, shown_rate
from slurper_tui.monitor.model.logs import reason_of
from slurper_tui.monitor.model.samples import SpanKind
from slurper_tui.monitor.model.verification import DIFFERS, Outcome, Tally, Verification
from slurper_tui.monitor.reports.receipt import JobReceipt, Reason, Receipt, reasons_of
from slurper_tui.monitor.reports.verification_text import verdict_words

if TYPE_CHECKING:
    from slurper_tui.monitor.reports.migrations import Migration


def job_record(view: JobView) -> dict[str, Any]:
    """Return every field of a job in a stable order; None if it is unknown.

    perSecond is in objects per second, eta… in whole seconds; times are the API's own text. A job
    that is not running, or that has stale data, has neither a rate nor an ETA.
    """
    job, counts, verdict = view.job, view.counts, view.verdict
    return {
        "accountId": view.account_id,
        "id": job.id,
        "status": view.status if view.status is not None else job.status,
        "createdAt": job.created_at,
        "finishedAt": job.finished_at,
        "overwrite": job.overwrite,
        "source": _end_point(job.source),
        "target": _end_point(job.target),
        **counts_record(counts if view.found is None else replace(counts, objects=view.found)),
        "countedObjects": None if view.counted is None else view.counted.objects,
        "done": counts.done,
        "percent": view.percent,
        "perSecond": shown_rate(view),
        **_eta(shown_forecast(view)),
        "phase": None if view.phase is None else str(view.phase),
        "verdict": None
        if verdict is None
        else {
            "text": verdict.text,
            "failed": verdict.failed,
            "notCopied": verdict.not_copied,
            "unaccounted": verdict.unaccounted,
        },
        "verified": verified_record(view),
    }


def verified_record(view: JobView) -> dict[str, Any] | None:
    """Return the numbers of the verification that counts; None if there was none.

    at: its end. missing: those that a log explains included. differs: those of the sample whose
    headers differ included. proven: it was whole, began after the end, and found no fault.
    """
    result = view.verification
    if result is None:
        return None
    tally, headers = result.tally, result.headers
    same: int | None = tally.of(Outcome.SAME)
    if view.verified and result.lacks:  # below the prefixes of other jobs
        below = result.below(view.job.prefix)
        tally, same = below or Tally(), None if below is None else below.of(Outcome.SAME)
    return {
        "at": _time(result.ended_at),
        "same": same,
        "missing": tally.of(Outcome.MISSING) + tally.of(Outcome.EXPECTED),
        "differs": sum(tally.of(outcome) for outcome in DIFFERS)
        + (headers.differing if headers else 0),
        "proven": view.verified,
    }


def verification_record(result: Verification) -> dict[str, Any]:
    """Return every field of a verification in a stable order; None if it is unknown.

    outcomes: number of objects by outcome. low, high: shares of all objects, 0 to 1.
    """
    sample = result.headers
    return {
        "accountId": result.account_id,
        "jobs": list(result.jobs),
        "bucket": result.bucket,
        "expected": result.expected,
        "actual": result.actual,
        "prefixes": list(result.prefixes),
        "startedAt": _time(result.started_at),
        "at": _time(result.ended_at),
        "live": result.live,
        "problem": result.problem,
        "verified": result.verified,
        "manifest": result.manifest,
        "text": verdict_words(result),
        **_tally(result.tally),
        "bytes": result.tally.bytes,
        "sizeUnknown": result.tally.size_unknown,
        "etagsCompared": result.tally.etags,
        "etagsNotCompared": dict(result.tally.not_compared),
        "headers": None
        if sample is None
        else {
            "seed": sample.seed,
            "problem": sample.problem,
            "compared": sample.compared,
            "large": sample.large,
            "differing": sample.differing,
            "low": sample.low,
            "high": sample.high,
            "byHeader": dict(sample.by_header),
        },
        "byPrefix": [{"prefix": prefix, **_tally(tally)} for prefix, tally in result.by_prefix],
    }


def _tally(tally: Tally) -> dict[str, Any]:
    counts = {str(outcome): tally.of(outcome) for outcome in Outcome}
    return {"objects": tally.expected, "outcomes": counts}


def migration_record(migration: Migration) -> dict[str, Any]:
    """Return the sums of a migration like a job's fields, without an id, and then its jobs.

    superseded: ids of jobs that a later job repeats, and that are not counted. unstarted: number of
    jobs that plans have yet to start.
    """
    sums = job_record(migration.view)
    del sums["id"]
    return {
        **sums,
        "jobs": [job_record(view) for view in migration.jobs],
        "superseded": sorted(key.job_id for key in migration.superseded),
        "unstarted": migration.unstarted,
    }


def counts_record(counts: Counts) -> dict[str, int | None]:
    """Return the four counters under the API's field names."""
    return {
        "objects": counts.objects,
        "transferredObjects": counts.transferred,
        "skippedObjects": counts.skipped,
        "failedObjects": counts.failed,
    }


def row_record(row: LogRow) -> dict[str, Any]:
    r"""Return a log row under the API's field names, then its unknown fields.

    A byte of the key that is not UTF-8 becomes an escaped lone surrogate, `\udce9` for 0xe9.
    """
    key = row.object_key and surrogate_invalid_bytes(row.object_key)
    fields: dict[str, Any] = msgspec.to_builtins(replace(row, object_key=key))
    extra = fields.pop("extra")
    return {**fields, **{n: v for n, v in extra.items() if n not in fields}}


def _eta(forecast: Forecast | None) -> dict[str, int | bool | None]:
    """Return the forecast's range and middle; a lower bound has only a low end."""
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
    """Return a source or target with the fields that the API sent, unknown ones included."""
    if end is None:
        return None
    fields: dict[str, Any] = msgspec.to_builtins(end)
    fields.pop("extra")
    sent = {name: value for name, value in fields.items() if value is not None}
    return {**sent, **{n: v for n, v in end.extra.items() if n not in sent}}


_MOVING = ("perSecond", "etaSeconds", "etaLowSeconds", "etaHighSeconds", "etaAtLeast", "phase")


def record(receipt: Receipt, version: str = "") -> dict[str, Any]:
    """Return every field of a receipt in a stable order; None if it is unknown.

    Times are ISO 8601 in UTC, except the API's own text; durations are in seconds, rates in objects
    per second. lastObservedAt: when the end was observed, if the API gives none. interim: a job has
    not ended or not begun. version: this program's version.
    """
    counts, verdict = receipt.counts, receipt.verdict
    return {
        "interim": receipt.interim,
        "unstartedJobs": receipt.unstarted,
        "accountId": receipt.jobs[0].view.account_id,
        "source": job_record(receipt.family.view)["source"],
        "target": job_record(receipt.family.view)["target"],
        "createdAt": _time(receipt.begun),
        "finishedAt": _time(receipt.ended),
        "lastObservedAt": _time(receipt.last_seen),
        "seconds": _seconds(receipt.seconds),
        **counts_record(counts),
        "done": counts.done,
        "notCopied": receipt.not_copied,
        "unaccounted": verdict.unaccounted,
        "verdict": {
            "text": receipt.headline,
            "allCopied": receipt.all_copied,
            "failed": verdict.failed,
            "notCopied": receipt.not_copied,
            "unaccounted": verdict.unaccounted,
            "listingBroke": verdict.listing_broke,
        },
        "verified": verified_record(receipt.view),
        "verification": receipt.verification and verification_record(receipt.verification),
        "reasons": [_reason(reason) for reason in receipt.reasons],
        "logsRead": receipt.logs_read,
        "jobs": [_job(job, receipt) for job in receipt.jobs],
        "lostRetries": [link.child.job_id for link in receipt.lost],
        "unobserved": [_span(since, until) for since, until in receipt.unobserved],
        "version": version or None,
    }


def _job(job: JobReceipt, receipt: Receipt) -> dict[str, Any]:
    fields = {name: value for name, value in job_record(job.view).items() if name not in _MOVING}
    link = job.retry_link
    return {
        **fields,
        "retryOf": None
        if link is None
        else {"id": link.parent.job_id, "keys": link.keys, "logTypes": list(link.log_types)},
        "counted": job.view.key not in receipt.family.superseded,
        "keys": job.number_of_keys,
        "lastObservedAt": _time(job.last_seen) if job.ended is None else None,
        "seconds": _seconds(job.seconds),
        "runningSeconds": _seconds(job.running_seconds),
        "perSecond": _rate(job.average),
        "bestPerSecond": _rate(job.best),
        "paused": _spans(job, SpanKind.PAUSED),
        "stalled": _spans(job, SpanKind.STALLED),
        "unobserved": _spans(job, SpanKind.UNOBSERVED),
        "reasons": None if job.log is None else [_reason(r) for r in reasons_of([job.log])],
        "events": [
            {
                "at": _time(event.at),
                "what": str(event.what),
                "detail": event.detail or None,
                "said": event.message or None,
            }
            for event in job.events
        ],
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "logType": reason.log_type,
        "reason": reason_of(reason.log_type),
        "count": reason.count,
        "firstSeen": reason.first_seen,
        "lastSeen": reason.last_seen,
    }


def _spans(job: JobReceipt, kind: SpanKind) -> list[dict[str, Any]]:
    return [_span(span.since, span.until) for span in job.spans(kind)]


def _span(since: float, until: float) -> dict[str, Any]:
    return {"since": _time(since), "until": _time(until), "seconds": _seconds(until - since)}


def _time(at: float | None) -> str | None:
    return None if at is None else fmt.utc(at)


def _seconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _rate(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)
