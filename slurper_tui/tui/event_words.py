"""A job's event list, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurper_tui import format as words
from slurper_tui.monitor.model.events import GONE, NOT_THERE, Event, What
from slurper_tui.tui.columns import Facts, short_id
from slurper_tui.tui.lines import Line, Piece, pad
from slurper_tui.tui.notices import wrap_words

GAP = 2
_ROLES = {
    What.REFUSED: "error",
    What.UNDECIDED: "warning",
    What.ELSEWHERE: "secondary",
}


def event_words(event: Event, facts: Facts) -> str:
    """Say what happened, and who did it: `paused from elsewhere`."""
    clean = facts.look.glyphs.clean
    detail = clean(event.detail)
    said = f": {clean(event.said)}" if event.said else ""
    if event.detail == GONE:
        return NOT_THERE
    match event.what:
        case What.ASKED:
            return f"{detail} sent from here"
        case What.REFUSED:
            return f"{detail} refused{said}"
        case What.UNDECIDED:
            return f"{detail} not answered{said}"
        case What.HERE:
            return f"{detail}, as asked here"
        case What.ELSEWHERE:
            return f"{detail} from elsewhere"
        case What.CREATED:
            return "created from here"
        case What.RETRIED:
            return f"retried by {short_id(event.detail, facts.look)}"
    return detail + said


def event_lines(events: Sequence[Event], facts: Facts, width: int) -> Iterator[Line]:
    """Tell events, the newest first, each behind its time. events: oldest first."""
    times = [words.moment(event.at, facts.now, facts.look.zone) for event in events]
    column = max(map(len, times), default=0) + GAP
    for event, time in zip(reversed(events), reversed(times), strict=True):
        label, role = pad(time, column), _ROLES.get(event.what, "")
        for part in wrap_words(event_words(event, facts), max(8, width - column)):
            yield (Piece(label, "muted"), Piece(part, role))
            label = " " * column
