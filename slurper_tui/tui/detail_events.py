"""What was asked of a job and what happened to it, as lines of the details."""

from __future__ import annotations

from collections.abc import Sequence

from slurper_tui.monitor.model.events import Event
from slurper_tui.monitor.model.job import JobView
from slurper_tui.tui.columns import Facts
from slurper_tui.tui.lines import Line

NEWEST = 4
"""So many events stand where they are seen; earlier ones follow behind everything else."""


def own_events(view: JobView, events: Sequence[Event]) -> tuple[Event, ...]:
    """Those of this job alone: events may still be another job's for a moment."""
    return tuple(event for event in events if event.key == view.key)


def newest_lines(events: Sequence[Event], facts: Facts, width: int) -> tuple[Line, ...]:
    """The newest events, an empty line before any."""
    told = _events(events[-NEWEST:], facts, width)
    return ((), *told) if told else ()


def earlier_lines(events: Sequence[Event], facts: Facts, width: int) -> tuple[Line, ...]:
    """The earlier events, an empty line before any."""
    told = _events(events[:-NEWEST], facts, width)
    return ((), *told) if told else ()


def asked_lines(view: JobView, facts: Facts, width: int) -> tuple[Line, ...]:
    """How what was asked of the job stands, as long as that is news."""
    if view.request is None:
        return ()
    from slurper_tui.tui.request_words import request_lines  # only where something was asked

    return (*request_lines(view, facts.look, width),)


def _events(events: Sequence[Event], facts: Facts, width: int) -> tuple[Line, ...]:
    if not events:
        return ()
    from slurper_tui.tui.event_words import event_lines  # the first picture has none

    return (*event_lines(events, facts, width),)
