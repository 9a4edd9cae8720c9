"""How bad a job stands, and what a person is to do about it now."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.monitor.happenings import Calendar
from slurper_tui.monitor.model.job import JobView, State
from slurper_tui.monitor.model.samples import Recorded

NOTHING = "nothing to do"
_RANKS = {
    State.GONE: 0,
    State.ABORTED: 1,
    State.COMPLETED_WITH_LOSS: 2,
    State.OTHER: 3,
    State.STALLED: 4,
    State.PAUSED: 5,
    State.RUNNING: 7,
    State.LISTING: 7,
    State.COMPLETED: 8,
}
_UNCLEAN = _RANKS[State.COMPLETED_WITH_LOSS]
_STALE = _RANKS[State.STALLED]
_FAILING = _RANKS[State.RUNNING] - 1


def rank(view: JobView) -> int:
    """Sorts ascending from the worst; a job that ended before it was gone is as bad as its end."""
    state = _state(view)
    if state is State.COMPLETED and not _clean(view):
        return _UNCLEAN
    if view.live and view.stale:
        return min(_RANKS[state], _STALE)
    return _FAILING if _RANKS[state] > _FAILING and view.counts.failed else _RANKS[state]


def _state(view: JobView) -> State:
    return replace(view, gone=False).state if view.ended else view.state


def _clean(view: JobView) -> bool:
    return view.verdict is not None and view.verdict.clean


def todo(view: JobView, samples: Sequence[Recorded], calendar: Calendar) -> str:
    """Say what is to be done, in a short clause; `nothing to do` where nothing is.

    samples: of this job, oldest first. Foreign text in it is not yet clean.
    """
    state = _state(view)
    if state is State.GONE:
        return "the API no longer knows it: look for it in the dashboard"
    if state is State.OTHER:
        return f"{view.word}: look in the dashboard what that means"
    if view.live and view.stale:
        since = "" if view.as_of is None else f" since {calendar.moment(view.as_of)}"
        return f"no answer{since}: look what stands in the way"
    if state is State.STALLED:
        return f"{_stalled(view, calendar)}: watch it, or pause and resume it"
    if state is State.PAUSED:
        return f"paused{_paused_since(samples, calendar)}: resume it when ready"
    return _failed(view) if view.live else _ended(view, state)


def _failed(view: JobView) -> str:
    failed = view.counts.failed
    return f"{failed:,} failed so far: read its log" if failed else NOTHING


def _ended(view: JobView, state: State) -> str:
    """What the end asks for, by its verdict."""
    verdict = view.verdict
    if verdict is None or verdict.failed is None or verdict.unaccounted is None:
        return f"{view.status}, counts unknown: look in the dashboard"
    if state is State.ABORTED:
        return f"aborted, {verdict.unaccounted:,} not done: start it again if need be"
    lost = {"failed": verdict.failed, "unaccounted": verdict.unaccounted}
    said = ", ".join(f"{number:,} {name}" for name, number in lost.items() if number)
    return f"completed: {said}: see what failed" if said else NOTHING


def _stalled(view: JobView, calendar: Calendar) -> str:
    if view.stalled_since is None:
        return "stalled"
    return f"stalled for {fmt.duration(calendar.now - view.stalled_since)}"


def _paused_since(samples: Sequence[Recorded], calendar: Calendar) -> str:
    """Since when it has been seen paused without a break; earlier, nobody knows."""
    first = None
    for sample in reversed(samples):
        if sample.status != "paused":
            return "" if first is None else f" since {calendar.moment(first)}"
        first = sample.at
        if sample.after_gap:
            break
    return "" if first is None else f" since {calendar.moment(first)} or earlier"
