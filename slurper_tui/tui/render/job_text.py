"""Sentences about one job: its events, its action requests and its verification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from slurper_tui import format as fmt
from slurper_tui.monitor.model.events import (
    Action,
    ActionRequest,
    Event,
    RequestState,
    What,
)
from slurper_tui.monitor.model.job import State
from slurper_tui.monitor.reports.verification_text import (
    detail_words,
    outdated_words,
    prefix_rows,
    proof_words,
)
from slurper_tui.monitor.reports.wording import event_words, request_words
from slurper_tui.tui.render.columns import DrawContext, short_id
from slurper_tui.tui.render.lines import Line, Piece, pad, text_lines, wrap_words
from slurper_tui.tui.render.verify_text import count_lines

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.verification import Verification
    from slurper_tui.tui.render.glyphs import Look

GAP = 2
_EVENT_STYLES = {
    What.REFUSED: "error",
    What.UNDECIDED: "warning",
    What.ELSEWHERE: "secondary",
}


def event_text(event: Event, context: DrawContext) -> str:
    """Return an event in words, sanitised."""
    look, retried = context.look, event.what is What.RETRIED
    detail = short_id(event.detail, look) if retried else look.sanitise(event.detail)
    return event_words(event, detail, look.sanitise(event.message))


def event_lines(
    events: Sequence[Event],
    context: DrawContext,
    width: int,
    names: Mapping[JobKey, str] | None = None,
) -> Iterator[Line]:
    """Yield an empty line, then a line or more per event, newest first, with its time.

    events: oldest first; without one, nothing is yielded.
    names: the names of the jobs, sanitised, if the events are of several jobs.
    """
    if events:
        yield ()
    times = [fmt.moment(event.at, context.now, context.look.zone) for event in events]
    column = max(map(len, times), default=0) + GAP
    for event, time in zip(reversed(events), reversed(times), strict=True):
        label, style = pad(time, column), _EVENT_STYLES.get(event.what, "")
        text = event_text(event, context)
        if names is not None:
            text = f"{names[event.key]}: {text}"
        for part in wrap_words(text, max(8, width - column)):
            yield (Piece(label, "muted"), Piece(part, style))
            label = " " * column


REQUEST_STYLES = {
    RequestState.SENT: "accent",
    RequestState.UNDECIDED: "warning",
    RequestState.REFUSED: "error",
    RequestState.POINTLESS: "muted",
    RequestState.DONE: "success",
}


def requests_words(
    action: Action, names: Sequence[str], requests: Sequence[ActionRequest], look: Look
) -> str:
    """Return what came of the requests of one action: `3 of 4 paused; 2018/: pause refused: …`.

    names: of the jobs, one for each request, sanitised.
    """
    if len(requests) == 1:
        return look.sanitise(request_words(requests[0]))
    states = [request.state for request in requests]
    done, number = states.count(RequestState.DONE), len(requests)
    waiting = sum(state.open for state in states)
    unanswered = states.count(RequestState.UNDECIDED)
    parts = [f"{done} of {number} {action.done}"]
    if waiting and not done:
        jobs = f"{waiting} of {number} jobs" if waiting < number else f"{number} jobs"
        parts = [f"{action} sent for {jobs}"]
    elif waiting > unanswered:
        parts.append(f"{waiting - unanswered} not confirmed yet")
    if unanswered:
        parts.append(f"{unanswered} without an answer, not sent again")
    reasons: dict[str, list[str]] = {}
    for name, request in zip(names, requests, strict=True):
        if request.state in (RequestState.REFUSED, RequestState.POINTLESS):
            unsent = request.state is RequestState.POINTLESS and request.detail
            reasons.setdefault(unsent or request_words(request), []).append(name)
    for reason, whose in reasons.items():
        more = f" and {len(whose) - 1} more" if len(whose) > 1 else ""
        parts.append(f"{whose[0]}{more}: {look.sanitise(reason)}")
    return "; ".join(parts)


def request_lines(view: JobView, look: Look, width: int) -> Iterator[Line]:
    """Yield the state of the job's request; nothing once it is done or was not needed."""
    request = view.request
    if request is None or request.state in (RequestState.DONE, RequestState.POINTLESS):
        return
    words = look.sentence(request_words(request))
    yield from text_lines(words, width, REQUEST_STYLES[request.state])
    if request.state is RequestState.UNDECIDED and request.error:
        why = f"{look.sanitise(request.error.message)}; it is not sent again"
        yield from text_lines(why, width, "muted")


MOST_FAULTY = 5
"""Prefixes with faults that are named, at most."""


def proof_lines(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the verdict of the last verification, and why it is no proof of the present state."""
    result, look = view.verification, context.look
    if result is None:
        return
    sign = f"{look.sign(State.VERIFIED)} " if view.verified else ""
    style = "success" if view.verified else "warning"
    at = fmt.moment(result.ended_at, context.now, look.zone)
    yield from text_lines(f"{sign}{look.sentence(proof_words(view))} · {at}", width, style)
    if words := outdated_words(view):
        yield from text_lines(words, width, "warning")


def verification_lines(result: Verification, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the counts by outcome, what was compared and what was not, and the worst prefixes."""
    look = context.look
    began = fmt.moment(result.started_at, context.now, look.zone)
    took = fmt.duration(result.ended_at - result.started_at)
    yield (Piece("compared", "heading"), Piece(f" {began}, in {took}", "muted"))
    yield from count_lines(result.tally, look, width, indent="")
    for words in detail_words(result):
        yield from text_lines(look.sentence(words), width, "muted")
    faulty = [row for row in prefix_rows(result) if row.faults]
    for row in faulty[:MOST_FAULTY]:
        yield from text_lines(look.sentence(f"{row.name}: {row.faults}"), width, "error")
    if len(faulty) > MOST_FAULTY:
        yield (Piece(f"and {len(faulty) - MOST_FAULTY} more prefixes", "muted"),)
