"""What a receipt tells of how jobs were seen, and of what changed them, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurper_tui import format as fmt
from slurper_tui.monitor.model.events import GONE, NOT_THERE, Event, What
from slurper_tui.monitor.receipts.markdown import code, utc, words
from slurper_tui.monitor.receipts.receipt import Receipt
from slurper_tui.monitor.spans import Seen

MOST_LINES = 20
"""So many spans or changes are told one by one."""

LEAST_UNOBSERVED = 60.0
"""Seconds; nobody looking for a shorter time is not told."""

_UNKNOWN = "Of a job it is not known when it began or ended, and so not what of it was observed."


def observations(receipt: Receipt) -> Iterator[str]:
    """When jobs were seen to be paused or stalled, and when nobody looked."""
    several = len(receipt.jobs) > 1
    told = {
        f"{kind.value.capitalize()}{f', {code(job.view.key.job_id)}' if several else ''}": [
            (span.since, span.until) for span in job.spans(kind)
        ]
        for job in receipt.jobs
        for kind in (Seen.PAUSED, Seen.STALLED)
    }
    told["Not observed"] = [
        (since, until) for since, until in receipt.unobserved if until - since >= LEAST_UNOBSERVED
    ]
    yield "## Seen"
    yield ""
    lines = [line for name, spans in told.items() for line in _some_spans(name, spans)]
    yield from lines
    if not receipt.observed:
        yield f"{'- ' if lines else ''}{_UNKNOWN}"
    elif not lines:
        yield "Observed from beginning to end; no pause and no stall was seen."


def _some_spans(name: str, spans: Sequence[tuple[float, float]]) -> Iterator[str]:
    for since, until in spans[:MOST_LINES]:
        yield f"- {name}: {utc(since)} to {utc(until)} ({fmt.duration(until - since)})"
    if rest := spans[MOST_LINES:]:
        seconds = fmt.duration(sum(until - since for since, until in rest))
        yield f"- {name}: {len(rest)} more times, {seconds} together"


def changes(receipt: Receipt) -> Iterator[str]:
    """Who or what changed the jobs, oldest first."""
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
        yield f"- {utc(event.at)}{whose} {_event(event)}"


def _event(event: Event) -> str:
    detail = code(event.detail) if event.what is What.RETRIED else words(event.detail)
    said = f": {code(event.said)}" if event.said else ""
    if event.detail == GONE:
        return NOT_THERE
    texts = {
        What.ASKED: f"{detail} sent from here",
        What.REFUSED: f"{detail} refused{said}",
        What.UNDECIDED: f"{detail} not answered{said}",
        What.HERE: f"{detail}, as asked here",
        What.ELSEWHERE: f"{detail} from elsewhere",
        What.CREATED: "created from here",
        What.RETRIED: f"retried by {detail}",
    }
    return texts.get(event.what, detail)
