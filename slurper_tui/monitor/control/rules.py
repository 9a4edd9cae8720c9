"""What can be asked of a job in its state, what follows from it, and what shows it was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slurper_tui import format as fmt
from slurper_tui.monitor.model.events import Action
from slurper_tui.monitor.model.job import JobView

GONE = "the API no longer knows it"
"""Why nothing can be asked of a job that is not there."""

_EXPECTED: Mapping[Action, str] = {
    Action.PAUSE: "paused",
    Action.RESUME: "running",
    Action.ABORT: "aborted",
    Action.ABORT_ALL: "aborted",
}
_FROM: Mapping[Action, str] = {Action.PAUSE: "running", Action.RESUME: "paused"}
"""The one status that a job must have for these."""


def expected(act: Action) -> str | None:
    """The status that shows that it was done; None for a deletion, which leaves no job."""
    return _EXPECTED.get(act)


def why_not(view: JobView, act: Action) -> str:
    """Say in a clause why it cannot be asked of a job in this state; "" when it can."""
    if view.gone:
        return GONE
    if view.status is None:
        return "its state is not known"
    if act is Action.DELETE:
        return "" if view.ended else "it has not ended"
    if view.status == expected(act):
        return f"it is {view.status} already"
    if view.ended:
        return "it has ended"
    return "" if view.status == _FROM.get(act, view.status) else f"it is {view.word}"


def consequence(views: Sequence[JobView], act: Action) -> str:
    """Say what follows from it, in clauses with the numbers of these jobs."""
    if act is Action.DELETE:
        return _deletion(views)
    if act is Action.RESUME:
        return f"{_goes_on(views)}; the API may refuse it while three jobs run"
    stops = f"{_stops(views)}; objects in flight finish"
    if act is Action.PAUSE:
        return f"{stops}; {_they(views)} can be resumed later"
    if act is Action.ABORT:
        return f"{stops}; {_they(views)} cannot be resumed"
    jobs = "1 job" if len(views) == 1 else f"all {len(views)} jobs"
    return f"aborts {jobs}; {stops}; {_they(views)} cannot be resumed"


def _stops(views: Sequence[JobView]) -> str:
    left = _left(views)
    if left is None:
        return "stops every object not yet started"
    more = " and all that are not listed yet" if _growing(views) else ""
    return f"stops {_known_in_part(views)}{_objects(left)} not yet started{more}"


def _goes_on(views: Sequence[JobView]) -> str:
    left = _left(views)
    if left is None:
        return "goes on with every object that is left"
    return f"goes on with {_known_in_part(views)}{_objects(left)} that {_are(left)} left"


def _deletion(views: Sequence[JobView]) -> str:
    copied = _sum([view.counts.transferred for view in views])
    failed = _sum([view.counts.failed for view in views])
    them, their = ("it", "its") if len(views) == 1 else ("them", "their")
    clauses = [f"the API forgets {them}", "nothing in the target is undone"]
    if copied:
        clauses[1] += f": {_objects(copied)} {'stay' if copied > 1 else 'stays'} there"
    if failed:
        clauses.append(f"the log that names {_objects(failed)} that failed is lost")
    return "; ".join([*clauses, f"{their} history here stays"])


def _they(views: Sequence[JobView]) -> str:
    return "it" if len(views) == 1 else "they"


def _left(views: Sequence[JobView]) -> int | None:
    return _sum([view.counts.remaining for view in views])


def _sum(counts: Sequence[int | None]) -> int | None:
    """Of those that are known; None when none is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _known_in_part(views: Sequence[JobView]) -> str:
    return "at least " if any(view.counts.remaining is None for view in views) else ""


def _growing(views: Sequence[JobView]) -> bool:
    return any(view.growing for view in views)


def _objects(count: int) -> str:
    return f"{fmt.count(count)} {'object' if count == 1 else 'objects'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
