"""How a request to change a job stands, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState
from slurper_tui.monitor.model.job import JobView
from slurper_tui.tui.able import DONE_WORDS
from slurper_tui.tui.columns import source_text
from slurper_tui.tui.glyphs import Look
from slurper_tui.tui.lines import Line, Piece
from slurper_tui.tui.notices import wrap_words

_ROLES = {
    RequestState.SENT: "accent",
    RequestState.UNDECIDED: "warning",
    RequestState.REFUSED: "error",
    RequestState.MOOT: "muted",
    RequestState.DONE: "success",
}


def request_role(request: ActionRequest) -> str:
    """The role in which a request's words stand."""
    return _ROLES[request.standing]


def request_words(request: ActionRequest) -> str:
    """Say how one request stands: `pause sent, waiting for the API to confirm`."""
    if request.standing.open:
        so_far = f"; {request.news}" if request.news else ""
        return f"{request.act} sent, waiting for the API to confirm{so_far}"
    if request.standing is RequestState.REFUSED:
        return f"{request.act} refused: {said(request.error)}"
    if request.standing is RequestState.MOOT:
        return f"nothing sent: {request.news}" if request.news else "nothing was sent"
    return DONE_WORDS[request.act]


def said(error: ApiError | None) -> str:
    """The API's own codes and words, or ours where it sent none."""
    if error is None:
        return "no reason given"
    return "; ".join(str(fault) for fault in error.faults) or error.message


def requests_words(act: Action, requests: Sequence[ActionRequest]) -> str:
    """Sum up what came of one word of the person: `pause sent for 2 jobs, 1 refused`."""
    if len(requests) == 1:
        return request_words(requests[0])
    standings = [request.standing for request in requests]
    sent = sum(standing.open or standing is RequestState.DONE for standing in standings)
    parts = [f"{act} sent for {sent} jobs" if sent != 1 else f"{act} sent for 1 job"]
    for standing, word in (
        (RequestState.REFUSED, "refused"),
        (RequestState.MOOT, "not needed any more"),
    ):
        if number := standings.count(standing):
            parts.append(f"{number} {word}")
    return ", ".join(parts)


def outcome_words(views: Sequence[JobView], look: Look) -> str:
    """Say what polls have shown of requests: `photos: paused`, or `3 requests confirmed`."""
    requests = [view.request for view in views if view.request]
    if len(views) == 1:
        return f"{source_text(views[0], look)}: {look.glyphs.clean(request_words(requests[0]))}"
    done = sum(request.standing is RequestState.DONE for request in requests)
    others = len(requests) - done
    return f"{done} requests confirmed" + (f", {others} not done" if others else "")


def request_lines(view: JobView, look: Look, width: int) -> Iterator[Line]:
    """Tell at a job how what was asked of it stands, as long as that is news."""
    request = view.request
    if request is None or request.standing in (RequestState.DONE, RequestState.MOOT):
        return
    said_of_it = look.glyphs.clean(look.glyphs.say(request_words(request)))
    for part in wrap_words(said_of_it, width):
        yield (Piece(part, request_role(request)),)
    if request.standing is RequestState.UNDECIDED and request.error:
        why = f"{look.glyphs.clean(request.error.message)}; it is not sent again"
        for part in wrap_words(why, width):
            yield (Piece(part, "muted"),)
