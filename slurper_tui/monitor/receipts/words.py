"""A receipt in Markdown, to be pasted into a change ticket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurper_tui import format as fmt
from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.logs import Cause, reason_of
from slurper_tui.monitor.receipts.headline import headline, retries_of
from slurper_tui.monitor.receipts.markdown import cell, code, table, utc, words
from slurper_tui.monitor.receipts.receipt import JobReceipt, Reason, Receipt
from slurper_tui.monitor.receipts.seen import changes, observations
from slurper_tui.monitor.spans import Seen

_VENDORS = {"s3": "S3", "gcs": "Google Cloud Storage", "r2": "R2"}


def markdown(receipt: Receipt, version: str = "") -> str:
    """Tell all of it; every line ends with a newline. version: of this program."""
    parts = (
        _head(receipt),
        _objects(receipt),
        _failures(receipt),
        _retries(receipt),
        _jobs(receipt),
        observations(receipt),
        changes(receipt),
        _foot(version),
    )
    blocks = ["\n".join(lines) for part in parts if (lines := list(part))]
    return "\n\n".join(blocks) + "\n"


# What, and how it ended ------------------------------------------------------------------------


def _head(receipt: Receipt) -> Iterator[str]:
    job = receipt.jobs[0].view.job
    source, target = job.source or Source(), job.target or Target()
    place = f"{code(source.bucket or '?')} to {code(target.bucket or '?')}"
    yield f"# Migration of {place}"
    yield ""
    yield f"**{_bold(headline(receipt))}**"
    yield ""
    yield f"- From: {_end(source)}"
    yield f"- To: {_end(target)}"
    yield f"- Objects that were there already: {_overwrite(receipt.jobs)}"
    yield f"- Account: {code(receipt.jobs[0].view.account_id)}"
    yield f"- {_which(receipt)}"
    yield f"- Begun: {_begun(receipt)}"
    yield f"- Ended: {_ended(receipt)}"
    yield f"- Took: {_took(receipt)}"
    yield from (f"- Rate: {rate}" for rate in _rates(receipt.jobs[0]) if len(receipt.jobs) == 1)


def _bold(text: str) -> str:
    return words(text[:1].upper() + text[1:])


def _end(end: Source | Target) -> str:
    """Where a bucket is, and which it is; what is copied of it is told of each job."""
    vendor = _VENDORS.get((end.vendor or "").lower(), "") or code(end.vendor or "?")
    told = f"{vendor} bucket {code(end.bucket or '?')}"
    if isinstance(end, Source):
        told += f" at {code(end.endpoint)}" if end.endpoint else ""
        told += f" in {code(end.region)}" if end.region else ""
    if end.jurisdiction and end.jurisdiction != "default":
        told += f", jurisdiction {code(end.jurisdiction)}"
    return told


def _overwrite(jobs: Sequence[JobReceipt]) -> str:
    asked = {job.view.job.overwrite for job in jobs}
    if asked == {True}:
        return "overwritten"
    if asked == {False}:
        return "left as they were"
    return "not known" if asked == {None} else "overwritten by some of the jobs"


def _which(receipt: Receipt) -> str:
    retries = len(retries_of(receipt))
    jobs = len(receipt.jobs) - retries
    told = _number(jobs, "job", "jobs")
    told += f" and {_number(retries, 'retry', 'retries')}" if retries else ""
    if len(receipt.jobs) == 1:
        return f"Job: {_alone(receipt.jobs[0])}"
    return f"Jobs: {told}"


def _alone(job: JobReceipt) -> str:
    of = f", a retry of {code(job.retries.parent.job_id)}" if job.retries else ""
    return f"{code(job.view.key.job_id)}, {_scope(job)}{of}"


def _scope(job: JobReceipt) -> str:
    """Which objects a job was to copy."""
    if job.number_of_keys is not None:
        return f"{_number(job.number_of_keys, 'key', 'keys')} by name"
    prefix = job.view.job.source.path_prefix if job.view.job.source else None
    return f"all keys that begin with {code(prefix)}" if prefix else "the whole bucket"


def _number(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _begun(receipt: Receipt) -> str:
    if receipt.begun is not None:
        return utc(receipt.begun)
    return _not_told([job.view.job.created_at for job in receipt.jobs])


def _ended(receipt: Receipt) -> str:
    if receipt.ended is not None:
        return utc(receipt.ended)
    unknown = [job.view.job.finished_at for job in receipt.jobs if job.ended is None]
    whose = "" if len(receipt.jobs) == 1 else f" of {_number(len(unknown), 'job', 'jobs')}"
    return f"{_not_told(unknown)}{whose}{_last_seen(receipt.last_seen)}"


def _not_told(texts: Sequence[str | None]) -> str:
    """That the API tells no time; what it tells instead, where that is of one job."""
    said = f" (it says {code(texts[0])})" if len(texts) == 1 and texts[0] else ""
    return f"not told by the API{said}"


def _last_seen(at: float | None) -> str:
    return "" if at is None else f"; last observed {utc(at)}"


def _took(receipt: Receipt) -> str:
    took = receipt.seconds
    if took is None:
        backwards = receipt.begun is not None and receipt.ended is not None
        return f"not known{': the API tells an end before the beginning' if backwards else ''}"
    return _with_pauses(took, receipt.jobs[0]) if len(receipt.jobs) == 1 else fmt.duration(took)


def _with_pauses(took: float, job: JobReceipt) -> str:
    paused = sum(span.seconds for span in job.spans(Seen.PAUSED))
    told = fmt.duration(took)
    return f"{told}, of which {fmt.duration(paused)} seen paused" if paused else told


def _rates(job: JobReceipt) -> Iterator[str]:
    """The average and the best, in one text where there is any."""
    told = []
    if job.average is not None:
        told.append(f"{fmt.rate(job.average)} objects per second on average while running")
    if job.best is not None:
        told.append(f"{fmt.rate(job.best)} at best over ten minutes")
    if told:
        yield ", ".join(told)


# Counts ----------------------------------------------------------------------------------------


def _objects(receipt: Receipt) -> Iterator[str]:
    counts, left = receipt.counts, receipt.not_copied
    rows = [("Transferred", counts.transferred)]
    if left is None or counts.skipped is None:
        rows.append(("Skipped", counts.skipped))
    else:
        rows += [
            ("Skipped, in the target already", max(0, counts.skipped - left)),
            ("Skipped, not copied", left),
        ]
    rows += [("Failed", counts.failed), (_rest(receipt), receipt.verdict.unaccounted)]
    cells = [(name, fmt.count(n), fmt.share(n, counts.objects)) for name, n in rows]
    yield f"## Objects{' after retries' if receipt.family.retries else ''}"
    yield ""
    yield from table(("", "Objects", "Share"), [*cells, ("Total", fmt.count(counts.objects), "")])
    yield ""
    yield _sum(receipt)
    if left is None and counts.skipped:
        why = "a log could not be read"
        if receipt.logs_read:
            named = sum(r.count for r in receipt.reasons if r.cause is Cause.NOT_COPIED)
            unknown = max(0, counts.skipped - named)
            why = f"reasons unknown of {unknown:,}, for a log does not name every failure"
        yield f"Whether skipped objects are in the target is not known: {why}."


def _rest(receipt: Receipt) -> str:
    """What is left of jobs that were completed is unaccounted; of others it was never done."""
    if receipt.completed:
        return "Unaccounted"
    completed = (job.view for job in receipt.first if job.view.status == "completed")
    return "Not done or unaccounted" if any(v.counts.remaining for v in completed) else "Not done"


def _sum(receipt: Receipt) -> str:
    """The reconciliation, in numbers."""
    counts, rest = receipt.counts, receipt.verdict.unaccounted
    if counts.done is None or counts.objects is None or rest is None:
        return "The counts do not reconcile: not all of them are known."
    parts = (counts.transferred, counts.skipped, counts.failed, rest)
    told = " + ".join(fmt.count(part) for part in parts)
    names = f"transferred + skipped + failed + {_rest(receipt).lower()}"
    total = counts.done + rest
    surplus = total - counts.objects
    yes = "the total" if not surplus else f"{surplus:,} more than the total"
    return f"{told} = {total:,}: {names} is {yes}."


def _failures(receipt: Receipt) -> Iterator[str]:
    if not receipt.reasons:
        if not receipt.logs_read:
            yield "The log of a job could not be read: reasons are not known."
        return
    yield f"## Reasons{' before retries' if receipt.family.retries else ''}"
    yield ""
    yield from table(
        ("Reason", "Type", "Rows", "First seen", "Last seen"), [*map(_reason, receipt.reasons)], 2
    )
    yield ""
    named = sum(reason.count for reason in receipt.reasons if reason.cause is Cause.FAILED)
    failed = [job.view.counts.failed for job in receipt.first]
    of = fmt.count(None if None in failed else sum(n or 0 for n in failed))
    yield f"The logs name {named:,} of {of} failed objects." + (
        "" if receipt.logs_read else " Not every log could be read."
    )


def _reason(reason: Reason) -> tuple[str, ...]:
    times = (_time(reason.first_seen), _time(reason.last_seen))
    name = cell(reason.log_type or "no type")
    return (cell(reason_of(reason.log_type)), name, f"{reason.count:,}", *times)


def _time(text: str | None) -> str:
    """One of the API's own times."""
    at = fmt.parse_time(text)
    return utc(at) if at is not None or text is None else cell(text)


# Jobs ------------------------------------------------------------------------------------------


def _retries(receipt: Receipt) -> Iterator[str]:
    told = [_retry(job, receipt) for job in retries_of(receipt)]
    told += [
        f"- {code(t.child.job_id)} is known no more: what it copied is not counted"
        for t in receipt.lost
    ]
    if told:
        yield "## Retries"
        yield ""
        yield from told


def _retry(job: JobReceipt, receipt: Receipt) -> str:
    counts, parent = job.view.counts, receipt.family.retries[job.view.key]
    keys = "" if job.retries is None else f" for {_number(job.retries.keys, 'key', 'keys')}"
    did = (
        f"{fmt.count(counts.transferred)} transferred, {fmt.count(counts.skipped)} skipped, "
        f"{fmt.count(counts.failed)} failed"
    )
    ids = f"{code(job.view.key.job_id)} retries {code(parent.job_id)}{keys}"
    return f"- {ids}: {words(job.view.status or 'unknown')}, {did}"


def _jobs(receipt: Receipt) -> Iterator[str]:
    """Each job, where there are several."""
    if len(receipt.jobs) == 1:
        return
    yield "## Jobs"
    yield ""
    for job in receipt.jobs:
        yield f"- {code(job.view.key.job_id)}: {_scope(job)}"
        again = job.view.key in receipt.family.superseded
        yield f"  - {_job_end(job)}{', done again by a later job and not counted' if again else ''}"
        yield f"  - {_job_counts(job)}"
        yield from (f"  - {rate}" for rate in _rates(job))


def _job_end(job: JobReceipt) -> str:
    status = "gone" if job.view.gone else job.view.status or "unknown"
    took = "" if job.seconds is None else f" ({_with_pauses(job.seconds, job)})"
    begun = "a beginning not told" if job.begun is None else utc(job.begun)
    ended = f"an end not told{_last_seen(job.last_seen)}" if job.ended is None else utc(job.ended)
    return f"{words(status)}, {begun} to {ended}{took}"


def _job_counts(job: JobReceipt) -> str:
    counts = job.view.counts
    parts = {
        "transferred": counts.transferred,
        "skipped": counts.skipped,
        "failed": counts.failed,
        "unaccounted" if job.view.status == "completed" else "not done": counts.remaining,
    }
    told = " + ".join(f"{fmt.count(number)} {name}" for name, number in parts.items())
    return f"{fmt.count(counts.objects)} objects: {told}"


def _foot(version: str) -> Iterator[str]:
    made = f"slurper-tui {version}" if version else "slurper-tui"
    yield f"Made by {made}. All times are UTC."
