"""Sentences about one job: its events and its action requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from slurper_tui import format as fmt
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import (
    Action,
    ActionRequest,
    Event,
    RequestState,
    What,
)
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.reports.wording import event_words, request_words
from slurper_tui.tui.render.columns import DrawContext, short_id, source_text
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, pad, text_lines, wrap_words

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
    RequestState.MOOT: "muted",
    RequestState.DONE: "success",
}


def requests_words(action: Action, requests: Sequence[ActionRequest]) -> str:
    """Summarise the requests of one action: `pause sent for 2 jobs, 1 refused`."""
    if len(requests) == 1:
        return request_words(requests[0])
    states = [request.state for request in requests]
    sent = sum(state.open or state is RequestState.DONE for state in states)
    parts = [f"{action} sent for {sent} job{'' if sent == 1 else 's'}"]
    for state, word in (
        (RequestState.REFUSED, "refused"),
        (RequestState.MOOT, "not needed any more"),
    ):
        if number := states.count(state):
            parts.append(f"{number} {word}")
    return ", ".join(parts)


def outcome_words(views: Sequence[JobView], look: Look) -> str:
    """Summarise the outcome of requests: `photos: paused`, or `3 requests confirmed`."""
    requests = [view.request for view in views if view.request]
    if len(views) == 1:
        return f"{source_text(views[0], look)}: {look.sanitise(request_words(requests[0]))}"
    done = sum(request.state is RequestState.DONE for request in requests)
    others = len(requests) - done
    return f"{done} requests confirmed" + (f", {others} not done" if others else "")


def request_lines(view: JobView, look: Look, width: int) -> Iterator[Line]:
    """Yield the state of the job's request; nothing once it is done or was not needed."""
    request = view.request
    if request is None or request.state in (RequestState.DONE, RequestState.MOOT):
        return
    words = look.sentence(request_words(request))
    yield from text_lines(words, width, REQUEST_STYLES[request.state])
    if request.state is RequestState.UNDECIDED and request.error:
        why = f"{look.sanitise(request.error.message)}; it is not sent again"
        yield from text_lines(why, width, "muted")
