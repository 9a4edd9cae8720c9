"""Formats a receipt as Markdown, for a change ticket.

All text from outside goes through `code`, `words` or `cell`, so that it can neither break a line
or a table nor be interpreted as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.model.events import What
from slurper_tui.monitor.model.logs import Cause, reason_of
from slurper_tui.monitor.model.samples import SpanKind
from slurper_tui.monitor.model.verdict import remaining_word
from slurper_tui.monitor.model.verification import Outcome
from slurper_tui.monitor.reports.verification_text import (
    copy_cost_words,
    count_rows,
    etag_words,
    header_words,
    not_compared_words,
    outdated_words,
    prefix_rows,
    scope_words,
    unproven_words,
)
from slurper_tui.monitor.reports.wording import event_words

if TYPE_CHECKING:
    from slurper_tui.monitor.reports.receipt import JobReceipt, Receipt

_HARMLESS = re.compile(r"(?:[A-Za-z0-9 ,;()!·%+—-]|:(?= |$)|(?<=[0-9])\.(?=[0-9]))*")
"""Text that no Markdown renderer interprets as markup, a link, a mention or an entity."""


def code(text: str) -> str:
    """Return a text between backticks; control characters are replaced by visible ones."""
    shown = fmt.safe(text)
    if not shown:
        return '""'
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    odd = shown[0] in "` " or shown[-1] in "` "
    return f"{fence} {shown} {fence}" if odd else f"{fence}{shown}{fence}"


def words(text: str) -> str:
    """Return a mostly trusted text: plain if nothing in it could be markup, else as code."""
    return text if _HARMLESS.fullmatch(text) and text.strip() == text else code(text)


def cell(text: str) -> str:
    """Return the text of a table cell; `|` becomes `¦`, because even an escaped bar ends a cell."""
    return words(text).replace("|", "¦")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    """Yield the lines of an aligned table. left: number of leading, left-aligned text columns."""
    widths = [max(3, *(len(row[place]) for row in (head, *rows))) for place in range(len(head))]
    rule = [":--".ljust(w, "-") if n < left else "--:".rjust(w, "-") for n, w in enumerate(widths)]
    yield _row(head, widths, left)
    yield f"| {' | '.join(rule)} |"
    yield from (_row(row, widths, left) for row in rows)


def _row(row: Sequence[str], widths: Sequence[int], left: int) -> str:
    cells = zip(row, widths, strict=True)
    aligned = (c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(cells))
    return f"| {' | '.join(aligned)} |"


MOST_LINES = 20
"""Spans of a kind, or changes, that are listed individually, at most."""

LEAST_UNOBSERVED = 60.0
"""Seconds; unobserved spans shorter than this are omitted."""

_UNKNOWN = (
    "It is not known when a job began or ended, so it is not known how much of it was observed."
)


def observations(receipt: Receipt) -> Iterator[str]:
    """Yield the section with the paused, stalled and unobserved spans."""
    several = len(receipt.jobs) > 1
    spans = {
        f"{kind.value.capitalize()}{f', {code(job.view.key.job_id)}' if several else ''}": [
            (span.since, span.until) for span in job.spans(kind)
        ]
        for job in receipt.jobs
        for kind in (SpanKind.PAUSED, SpanKind.STALLED)
    }
    spans["Not observed"] = [
        (since, until) for since, until in receipt.unobserved if until - since >= LEAST_UNOBSERVED
    ]
    yield "## Seen"
    yield ""
    lines = []
    for name, times in spans.items():
        for since, until in times[:MOST_LINES]:
            span = f"{fmt.utc(since)} to {fmt.utc(until)} ({fmt.duration(until - since)})"
            lines.append(f"- {name}: {span}")
        if rest := times[MOST_LINES:]:
            seconds = fmt.duration(sum(until - since for since, until in rest))
            lines.append(f"- {name}: {len(rest)} more times, {seconds} together")
    yield from lines
    if not receipt.observed:
        yield f"{'- ' if lines else ''}{_UNKNOWN}"
    elif not lines:
        yield "Observed from beginning to end; no pause and no stall was seen."


def changes(receipt: Receipt) -> Iterator[str]:
    """Yield the section with the jobs' events, oldest first; nothing if there are none."""
    several = len(receipt.jobs) > 1
    events = [event for job in receipt.jobs for event in job.events]
    events.sort(key=lambda event: event.at)
    if not events:
        return
    yield "## Changes"
    yield ""
    if len(events) > MOST_LINES:
        yield f"- {len(events) - MOST_LINES} earlier changes"
    for event in events[-MOST_LINES:]:
        whose = f" {code(event.key.job_id)}:" if several else ""
        detail = code(event.detail) if event.what is What.RETRIED else words(event.detail)
        text = event_words(event, detail, code(event.message))
        yield f"- {fmt.utc(event.at)}{whose} {text}"


_VENDORS = {"s3": "S3", "gcs": "Google Cloud Storage", "r2": "R2"}

_OVERWRITTEN = {
    frozenset([True]): "overwritten",
    frozenset([False]): "left as they were",
    frozenset([None]): "not known",
}
"""What became of objects in the target, by the jobs' settings; other sets of settings differ."""


def markdown(receipt: Receipt, version: str = "") -> str:
    """Return the receipt as Markdown, ending with a newline. version: this program's version."""
    parts = (
        _head(receipt),
        _objects(receipt),
        _compared(receipt),
        _failures(receipt),
        _retries(receipt),
        _jobs(receipt),
        observations(receipt),
        _unproven(receipt),
        changes(receipt),
        (f"Made by {f'slurper-tui {version}'.strip()}. All times are UTC.",),
    )
    blocks = ["\n".join(lines) for part in parts if (lines := list(part))]
    return "\n\n".join(blocks) + "\n"


def _head(receipt: Receipt) -> Iterator[str]:
    job = receipt.jobs[0].view.job
    source, target = job.source or Source(), job.target or Target()
    place = f"{code(source.bucket or '?')} to {code(target.bucket or '?')}"
    if receipt.interim:
        yield f"# Interim receipt: the migration of {place} has not ended"
    else:
        yield f"# Migration of {place}"
    yield ""
    yield f"**{words(_capital(receipt.headline))}**"
    yield ""
    yield f"- From: {_end(source)}"
    yield f"- To: {_end(target)}"
    overwrite = frozenset(job.view.job.overwrite for job in receipt.jobs)
    there = _OVERWRITTEN.get(overwrite, "overwritten by some of the jobs")
    yield f"- Existing objects in the target: {there}"
    yield f"- Account: {code(receipt.jobs[0].view.account_id)}"
    yield f"- {_which(receipt)}"
    yield from _times(receipt)


def _times(receipt: Receipt) -> Iterator[str]:
    """Yield the beginning, the end and the duration, and the rate of a single job."""
    jobs, begun, ended, took = receipt.jobs, receipt.begun, receipt.ended, receipt.seconds
    if begun is not None:
        yield f"- Started: {fmt.utc(begun)}"
    else:
        yield f"- Started: {_no_valid_time([job.view.job.created_at for job in jobs])}"
    if receipt.interim:
        as_of = "" if receipt.as_of is None else f"; these numbers are of {fmt.utc(receipt.as_of)}"
        yield f"- Ended: not yet{as_of}"
    elif ended is not None:
        yield f"- Ended: {fmt.utc(ended)}"
    else:
        unknown = [job.view.job.finished_at for job in jobs if job.ended is None]
        whose = "" if len(jobs) == 1 else f" of {fmt.counted(len(unknown), 'job')}"
        yield f"- Ended: {_no_valid_time(unknown)}{whose}{_last_seen(receipt.last_seen)}"
    if took is not None:
        so_far = " so far" if receipt.interim else ""
        yield f"- Duration: {_duration(took, jobs[0] if len(jobs) == 1 else None)}{so_far}"
    else:
        both = begun is not None and ended is not None
        why = ": the API returns an end before the start" if both else ""
        yield f"- Duration: not known{why}"
    if len(jobs) == 1:
        yield from (f"- Rate: {rate}" for rate in _rates(jobs[0]))


def _end(end: Source | Target) -> str:
    """Return vendor, name, endpoint, region and jurisdiction of a bucket."""
    vendor = _VENDORS.get((end.vendor or "").lower(), "") or code(end.vendor or "?")
    text = f"{vendor} bucket {code(end.bucket or '?')}"
    if isinstance(end, Source):
        text += f" at {code(end.endpoint)}" if end.endpoint else ""
        text += f" in {code(end.region)}" if end.region else ""
    if end.jurisdiction and end.jurisdiction != "default":
        text += f", jurisdiction {code(end.jurisdiction)}"
    return text


def _which(receipt: Receipt) -> str:
    if len(receipt.jobs) == 1 and not receipt.unstarted:
        [job] = receipt.jobs
        of = f", a retry of {code(job.retry_link.parent.job_id)}" if job.retry_link else ""
        return f"Job: {code(job.view.key.job_id)}, {_scope(job)}{of}"
    retries = len(receipt.retries)
    jobs = fmt.counted(len(receipt.jobs) - retries, "job")
    text = f"Jobs: {jobs}" + (f" and {fmt.counted(retries, 'retry', 'retries')}" if retries else "")
    if live := sum(job.view.live for job in receipt.jobs):
        text += f", {live} of them not ended"
    if receipt.unstarted:
        text += f"; {fmt.counted(receipt.unstarted, 'job')} of the plan not started yet"
    return text


def _scope(job: JobReceipt) -> str:
    """Return which objects a job copies: a number of keys, a prefix or the whole bucket."""
    if job.number_of_keys is not None:
        return f"{fmt.counted(job.number_of_keys, 'key')} by name"
    prefix = job.view.job.prefix
    return f"all keys that begin with {code(prefix)}" if prefix else "the whole bucket"


def _no_valid_time(texts: Sequence[str | None]) -> str:
    """Return that the API gives no valid time, with its text if there is only one job."""
    text = f" (it says {code(texts[0])})" if len(texts) == 1 and texts[0] else ""
    return f"not returned by the API{text}"


def _last_seen(at: float | None) -> str:
    return "" if at is None else f"; last observed {fmt.utc(at)}"


def _duration(took: float, job: JobReceipt | None) -> str:
    """Format a duration in seconds. job: the only job, to add the time that it was paused."""
    paused = sum(span.seconds for span in job.spans(SpanKind.PAUSED)) if job else 0
    text = fmt.duration(took)
    return f"{text}, of which {fmt.duration(paused)} seen paused" if paused else text


def _rates(job: JobReceipt) -> Iterator[str]:
    """Yield the average and the best rate as one text; nothing if both are unknown."""
    rates = []
    if job.average is not None:
        rates.append(f"{fmt.rate(job.average)} objects per second on average while running")
    if job.best is not None:
        rates.append(f"{fmt.rate(job.best)} at best over ten minutes")
    if rates:
        yield ", ".join(rates)


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
    rows += [("Failed", counts.failed), (_rest(receipt), _left(receipt))]
    cells = [(name, fmt.count(n), fmt.share(n, counts.objects)) for name, n in rows]
    yield f"## Objects{' after retries' if receipt.family.retries else ''}"
    yield ""
    more = (
        "+" if receipt.interim and (receipt.family.view.total_at_least or receipt.unstarted) else ""
    )
    total = ("Total", f"{fmt.count(counts.objects)}{more}", "")
    yield from table(("", "Objects", "Share"), [*cells, total])
    yield ""
    yield _sum(receipt)
    if left is None and counts.skipped:
        why = "the logs are still being read" if receipt.reading else "a log could not be read"
        if receipt.logs_read:
            named = sum(r.count for r in receipt.reasons if r.cause is Cause.NOT_COPIED)
            unknown = max(0, counts.skipped - named)
            why = f"reasons unknown of {unknown:,}, because a log does not list every failure"
        yield f"Whether skipped objects are in the target is not known: {why}."


def _rest(receipt: Receipt) -> str:
    """Name the remaining objects: unaccounted in completed jobs, not done in others."""
    if receipt.interim:
        return "Remaining"
    if receipt.completed:
        return "Unaccounted"
    completed = (job.view for job in receipt.roots if job.view.status == "completed")
    return "Not done or unaccounted" if any(v.counts.remaining for v in completed) else "Not done"


def _left(receipt: Receipt) -> int | None:
    """Return the number of objects that `_rest` names; None if unknown."""
    return receipt.counts.remaining if receipt.interim else receipt.verdict.unaccounted


def _sum(receipt: Receipt) -> str:
    """Return the reconciliation as a sum of numbers."""
    counts, rest = receipt.counts, _left(receipt)
    if counts.done is None or counts.objects is None or rest is None:
        return "The counts do not reconcile: not all of them are known."
    parts = (counts.transferred, counts.skipped, counts.failed, rest)
    numbers = " + ".join(fmt.count(part) for part in parts)
    names = f"transferred + skipped + failed + {_rest(receipt).lower()}"
    total = counts.done + rest
    surplus = total - counts.objects
    yes = "the total" if not surplus else f"{surplus:,} more than the total"
    return f"{numbers} = {total:,}: {names} is {yes}."


def _unproven(receipt: Receipt) -> Iterator[str]:
    """Yield the section with what is not proven, and R2's price."""
    yield f"## {'Cost' if receipt.verified else 'Not verified'}"
    yield ""
    if not receipt.verified:
        overwrite = {job.view.job.overwrite for job in receipt.jobs}
        same = overwrite.pop() if len(overwrite) == 1 else None
        yield from (f"- {text}" for text in unproven_words(receipt.counts, overwrite=same))
        yield f"- {code('slurper-tui verify')} compares the target with the source, key by key."
    yield f"- {copy_cost_words(receipt.counts)}"


def _compared(receipt: Receipt) -> Iterator[str]:
    """Yield the section with what the verification that counts has found."""
    result = receipt.verification
    if result is None:
        return
    yield f"## {'Verified' if receipt.verified else 'Compared with the source'}"
    yield ""
    if outdated := outdated_words(receipt.view):
        yield f"**{_capital(outdated)}.**"
        yield ""
    took = fmt.duration(result.ended_at - result.started_at)
    yield f"- Compared: {fmt.utc(result.started_at)} to {fmt.utc(result.ended_at)} ({took})"
    yield f"- Expected: {words(result.expected)}"
    yield f"- Found: {words(result.actual)}"
    scope = _capital(scope_words(replace(result, prefixes=())))
    yield f"- Scope: {scope}"
    for prefix in result.prefixes:
        yield f"  - only below {code(prefix)}"
    yield ""
    expected = result.tally.expected
    rows = [
        (
            _capital(row.label),
            fmt.count(row.number),
            "" if row.outcome is Outcome.EXTRA else fmt.share(row.number, expected),
        )
        for row in count_rows(result.tally)
    ]
    yield from table(("", "Objects", "Share"), [*rows, ("Expected", fmt.count(expected), "")])
    yield ""
    sentences = (etag_words(result.tally), header_words(result.headers), not_compared_words(result))
    yield from (f"- {words(_capital(text))}" for text in sentences if text)
    faulty = [row for row in prefix_rows(result) if row.faults]
    if not faulty:
        return
    yield ""
    cells = [(cell(row.name), row.faults, fmt.count(row.expected)) for row in faulty[:MOST_LINES]]
    yield from table(("Prefix", "Missing or different", "Objects"), cells, left=2)
    if len(faulty) > MOST_LINES:
        yield ""
        more = fmt.counted(len(faulty) - MOST_LINES, "more prefix", "more prefixes")
        yield f"The same of {more} is not listed."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _failures(receipt: Receipt) -> Iterator[str]:
    if not receipt.reasons:
        if not receipt.logs_read:
            yield (
                "The logs are still being read: reasons are not known yet."
                if receipt.reading
                else "The log of a job could not be read: reasons are not known."
            )
        return
    yield f"## Reasons{' before retries' if receipt.family.retries else ''}"
    yield ""
    rows = [
        (
            cell(reason_of(reason.log_type)),
            cell(reason.log_type or "no type"),
            f"{reason.count:,}",
            _time(reason.first_seen),
            _time(reason.last_seen),
        )
        for reason in receipt.reasons
    ]
    yield from table(("Reason", "Type", "Rows", "First seen", "Last seen"), rows, left=2)
    yield ""
    named = sum(reason.count for reason in receipt.reasons if reason.cause is Cause.FAILED)
    failed = [job.view.counts.failed for job in receipt.roots]
    of = fmt.count(None if None in failed else sum(n or 0 for n in failed))
    missing = " Not every log could be read."
    if receipt.reading:
        missing = " The logs are still being read."
    listed = f"The logs list {named:,} of {of} failed objects."
    yield f"{listed}{'' if receipt.logs_read else missing}"


def _time(text: str | None) -> str:
    """Format a time from the API; return its text if it cannot be parsed."""
    at = fmt.parse_time(text)
    return fmt.utc(at) if at is not None or text is None else cell(text)


def _retries(receipt: Receipt) -> Iterator[str]:
    if not receipt.retries and not receipt.lost:
        return
    yield "## Retries"
    yield ""
    for job in receipt.retries:
        parent, link = receipt.family.retries[job.view.key], job.retry_link
        keys = "" if link is None else f" for {fmt.counted(link.keys, 'key')}"
        ids = f"{code(job.view.key.job_id)} retries {code(parent.job_id)}{keys}"
        counts = job.view.counts
        numbers = (
            f"{fmt.count(counts.transferred)} transferred, {fmt.count(counts.skipped)} skipped, "
            f"{fmt.count(counts.failed)} failed"
        )
        yield f"- {ids}: {words(job.view.status or 'unknown')}, {numbers}"
    for link in receipt.lost:
        job_id = code(link.child.job_id)
        yield f"- {job_id} is no longer known: what it copied is not counted"


def _jobs(receipt: Receipt) -> Iterator[str]:
    """Yield the section with each job; nothing for a single job."""
    if len(receipt.jobs) == 1:
        return
    yield "## Jobs"
    yield ""
    for job in receipt.jobs:
        superseded = job.view.key in receipt.family.superseded
        note = ", superseded by a later job and not counted" if superseded else ""
        yield f"- {code(job.view.key.job_id)}: {_scope(job)}"
        yield f"  - {_job_end(job)}{note}"
        counts = job.view.counts
        remaining = "remaining" if job.view.live else remaining_word(job.view.status)
        parts = {
            "transferred": counts.transferred,
            "skipped": counts.skipped,
            "failed": counts.failed,
            remaining: counts.remaining,
        }
        numbers = " + ".join(f"{fmt.count(number)} {name}" for name, number in parts.items())
        yield f"  - {fmt.count(counts.objects)} objects: {numbers}"
        yield from (f"  - {rate}" for rate in _rates(job))


def _job_end(job: JobReceipt) -> str:
    status = "gone" if job.view.gone else job.view.status or "unknown"
    took = "" if job.seconds is None else f" ({_duration(job.seconds, job)})"
    begun = "an unknown start" if job.begun is None else fmt.utc(job.begun)
    if job.view.live:
        return f"{words(status)}, not ended, since {begun}{took}"
    ended = (
        f"an unknown end{_last_seen(job.last_seen)}" if job.ended is None else fmt.utc(job.ended)
    )
    return f"{words(status)}, {begun} to {ended}{took}"
