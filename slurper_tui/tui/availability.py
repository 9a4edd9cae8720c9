"""Which keys and changes are available for the current state, and the reason if one is not.

Functions that explain an unavailable action return "" when it is available.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.monitor.model.events import NO_JOB_LEFT, Action
from slurper_tui.monitor.model.job import JobView, Snapshot, why_not

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.reports.migrations import MigrationKey
    from slurper_tui.tui.state import ScreenState

_TOGETHER = frozenset({Action.PAUSE, Action.RESUME})
"""The actions that apply to the marked jobs, if there are any."""

_ACTIONS: Mapping[str, Action] = {
    "change.pause": Action.PAUSE,
    "change.resume": Action.RESUME,
    "change.abort": Action.ABORT,
}
"""The action of each binding id that changes a job."""

NO_JOB = "no job is highlighted"
NO_JOB_YET = "no job of this migration has started"
NOT_LIVE = "only a job that has not ended can be paused or resumed"
ALL_ENDED = "every job of this migration has ended"
ONE_BY_ONE = "jobs are deleted one by one: go to a job that has ended"
_OF_JOBS = frozenset(
    {
        *("list.mark", "copy.id", "copy.json", "poll.job", "show.log", "show.failures"),
        *("show.export", "show.receipt", "failures.retry"),
        "show.verify",
    }
)
"""Ids of bindings that need a highlighted job, or a migration with jobs."""

NO_MIGRATION = "no migration is highlighted"


class Change(NamedTuple):
    """An action and the jobs that it applies to.

    account_id: set only for `ABORT_ALL`, which applies to all jobs of that account that have not
    ended. migration: set if the jobs are those of one migration that have not ended.
    """

    action: Action
    keys: tuple[JobKey, ...] = ()
    account_id: str = ""
    migration: MigrationKey | None = None


def change_for(action: Action, state: ScreenState) -> Change:
    """Build the change that an action key makes in this state.

    Pause and resume apply to the marked jobs, if there are any. Otherwise pause, resume and abort
    apply to the highlighted job, or to those of the highlighted migration that have not ended;
    delete applies to the highlighted job alone.
    """
    jobs, migration = state.subjects, None
    if action in _TOGETHER and state.marked:
        every = state.snapshot.jobs if state.snapshot else ()
        jobs = tuple(view for view in every if view.key in state.marked)
    elif state.migration is not None:
        migration = state.migration.key
        jobs = () if action is Action.DELETE else tuple(view for view in jobs if view.live)
    in_order = sorted(jobs, key=lambda view: state.rows.get(view.key, len(state.rows)))
    return Change(action, tuple(view.key for view in in_order), migration=migration)


def affected(change: Change, snapshot: Snapshot | None) -> list[tuple[JobView, str]]:
    """Return the jobs that a change applies to, each with the reason why it cannot be changed now.

    Skip jobs not in the snapshot.
    """
    jobs = snapshot.jobs if snapshot else ()
    action = change.action
    if action is Action.ABORT_ALL:
        return [(v, "") for v in jobs if v.account_id == change.account_id and v.live]
    by_key = {view.key: view for view in jobs}
    pairs = []
    for view in (by_key[key] for key in change.keys if key in by_key):
        request = view.request
        if request and request.state.open and request.action is action and not request.detail:
            pairs.append((view, f"{action} was sent already, waiting for the API to confirm"))
        else:
            pairs.append((view, why_not(view, action)))
    return pairs


WATCH_ONLY = "jobs can only be watched: this version of Textual is not supported"


def why_not_change(change: Change, state: ScreenState, unlock: str) -> str:
    """Return the reason why a change cannot be made now, or "".

    unlock: the key that allows changes; "" if they cannot be allowed in this run.
    """
    if not state.writing:
        return f"read-only: {unlock} unlocks" if unlock else WATCH_ONLY
    reasons = [why for _, why in affected(change, state.snapshot)]
    if not reasons:
        return NO_JOB_LEFT if change.action is Action.ABORT_ALL else _no_job(state, change.action)
    if not all(reasons):
        return ""
    if len(reasons) == 1:
        return reasons[0]
    return f"none of the {len(reasons)} jobs can be {change.action.done}"


def _no_job(state: ScreenState, action: Action) -> str:
    if state.migration is None:
        return NO_JOB
    if not state.migration.jobs:
        return NO_JOB_YET
    return ONE_BY_ONE if action is Action.DELETE else ALL_ENDED


def why_not_now(id: str, state: ScreenState, unlock: str) -> str:
    """Return the reason why the binding with this id does not work now, or ""."""
    if id in _ACTIONS:
        return why_not_change(change_for(_ACTIONS[id], state), state, unlock)
    if (id in _OF_JOBS or id == "pane.open") and state.line is None:
        return NO_JOB
    if id in _OF_JOBS and not state.subjects:
        return NO_JOB_YET
    if id in ("list.fold", "list.unfold"):  # a job can be folded, but not unfolded
        foldable = state.migration or (state.line and id == "list.fold" and state.line.migration)
        return "" if foldable else NO_MIGRATION
    if id == "list.mark" and not any(view.live for view in state.subjects):
        return ALL_ENDED if state.migration else NOT_LIVE
    return ""


def reasons(ids: Iterator[str], state: ScreenState, unlock: str) -> dict[str, str]:
    """Map each binding id that does not work now to the reason."""
    return {id: why for id in ids if (why := why_not_now(id, state, unlock))}
