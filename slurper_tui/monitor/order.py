"""In which order jobs stand when nobody has asked for another: live first, worst first."""

from __future__ import annotations

from functools import lru_cache

from slurper_tui.format import parse_time
from slurper_tui.monitor.view import JobView, State

_WORST_FIRST = {State.STALLED: 0, State.OTHER: 1, State.RUNNING: 2, State.LISTING: 2}
_CALM = 3

# Every job is ordered anew with every answer, and its times never change.
_time = lru_cache(maxsize=2**16)(parse_time)

OrderKey = tuple[bool, int, bool, float, str, str]
"""Sorts ascending into the default order; total, so that equal jobs never change places."""


def default_order(view: JobView) -> OrderKey:
    """Give the sort key: live jobs by trouble, then the ended ones; the newest first in each."""
    known: OrderKey | None = vars(view).get("order")
    if known is None:
        known = vars(view)["order"] = _order(view)
    return known


def _order(view: JobView) -> OrderKey:
    if view.live:
        failing = bool(view.counts.failed)
        return (False, _WORST_FIRST.get(view.state, _CALM), not failing, *_newest(view))
    return (True, 0, False, *_newest(view))


def _newest(view: JobView) -> tuple[float, str, str]:
    """Newest first by its last known time; a job without any stands last."""
    ended_at = None if view.live else _time(view.job.finished_at)
    at = ended_at if ended_at is not None else _time(view.job.created_at)
    return (float("inf") if at is None else -at, view.account_id, view.job.id or "")
