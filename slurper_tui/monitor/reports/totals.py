"""The sums of all shown jobs, and their summary for the terminal's title and its tab.

`Sums` are the numbers of the totals row. Screen and commands compute them from migrations and
single jobs, so that each object counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.eta_format import eta_long
from slurper_tui.monitor.model.job import (
    SIGNS,
    JobView,
    Snapshot,
    State,
    percent_of,
    shown_forecast,
    shown_rate,
)


class Remaining(msgspec.Struct, frozen=True):
    """The time until the last of several jobs is done.

    low, high: seconds from the last poll.
    at_least: some live job is not running, or its forecast is missing or a lower bound, so only
    `low` is shown.
    """

    low: float
    high: float
    at_least: bool


class Sums(msgspec.Struct, frozen=True):
    """The sums of several jobs.

    done, objects: objects.
    percent: rounded down, 100 only if every job has completed; None if some counts are unknown or
    jobs are still to be started.
    rate: objects per second; None if no rate is known.
    at_least: the total is a lower bound: it grows, or some counts are unknown.
    provisional: the percent may fall.
    remaining: None if no running job has a forecast.
    failed, not_copied: objects as far as they are known.
    """

    done: int
    objects: int
    failed: int
    not_copied: int
    percent: int | None
    rate: float | None
    at_least: bool
    provisional: bool
    remaining: Remaining | None


def sums_of(parts: Sequence[JobView], jobs: Iterable[JobView], *, unstarted: bool) -> Sums:
    """Add up the known numbers; lower bounds while plans have jobs to start.

    parts: migrations, and the jobs that belong to none. jobs: all of their jobs. unstarted: whether
    plans have jobs to start.
    """
    counts = [(view.counts.done, view.counts.objects) for view in parts]
    complete = [(min(d, o), o) for d, o in counts if d is not None and o is not None]
    done, objects = sum(done for done, _ in complete), sum(objects for _, objects in complete)
    partial = len(complete) < len(counts) or any(view.partial for view in parts)
    bound = unstarted or partial
    finished = all(view.percent == 100 for view in parts)
    live = [view for view in jobs if view.live]
    rates = [rate for rate in map(shown_rate, live) if rate is not None]
    left = remaining(live)
    return Sums(
        done=done,
        objects=objects,
        failed=sum(view.counts.failed or 0 for view in parts),
        not_copied=sum(view.not_copied_at_least for view in parts),
        percent=None if bound else percent_of(done, objects, finished=finished),
        rate=sum(rates) if rates else None,
        at_least=bound or any(view.growing for view in (*live, *parts)),
        provisional=bound or any(view.provisional for view in (*live, *parts)),
        remaining=replace(left, at_least=True) if left and unstarted else left,
    )


def remaining(jobs: Sequence[JobView]) -> Remaining | None:
    """Return the time until the last live job is done; None if no forecast is known.

    A paused job has no forecast: when all are done is not known, only that it is no earlier.
    """
    live = [view for view in jobs if view.live]
    forecasts = [shown_forecast(view) for view in live if view.status == "running"]
    known = [forecast for forecast in forecasts if forecast is not None]
    if not known:
        return None
    return Remaining(
        low=max(forecast.low_seconds for forecast in known),
        high=max(forecast.high_seconds for forecast in known),
        at_least=len(known) < len(live) or any(forecast.at_least for forecast in known),
    )


_STATES = (State.STALLED, State.FAILING, State.OTHER, State.RUNNING, State.LISTING, State.PAUSED)
"""The states of live jobs, the worst first."""

_PLAIN = str.maketrans({"\N{EN DASH}": "-", "≥": ">="})

NO_JOB = "slurper-tui"
"""The title without a job."""


class TabState(IntEnum):
    """The state of the progress on a terminal's tab, with the numbers of OSC 9;4."""

    NONE = 0
    NORMAL = 1
    ERROR = 2
    UNKNOWN = 3
    WARNING = 4


class Summary(NamedTuple):
    """All jobs in a few words. title: for the terminal's title. percent: 0 to 100 for its tab."""

    title: str = ""
    tab: TabState = TabState.NONE
    percent: int = 0


def summary(
    total: Sums, jobs: Sequence[JobView], snapshot: Snapshot, *, ascii_only: bool = False
) -> Summary:
    """Return the summary of some jobs: `▶ 78 % 6-9 h`, `▲ stalled 78 %`, `✔ all ended`.

    total: their sums. The state is that of the worst live job; no state is claimed while no account
    answers.
    """
    live = {view.state for view in jobs if view.live}
    if not live:
        return Summary(f"{_sign(State.COMPLETED, ascii_only)} all ended" if jobs else NO_JOB)
    state = next(filter(live.__contains__, _STATES), State.OTHER)
    down = bool(snapshot.accounts) and all(account.down for account in snapshot.accounts)
    words = [_sign(State.OTHER if down else state, ascii_only)]
    if down:
        words.append("no answer")
    elif state not in (State.RUNNING, State.LISTING):
        words.append(str(state))
    if total.percent is not None:
        words.append(f"{fmt.percent(total.percent, provisional=total.provisional)} %")
    if total.remaining is not None and not down:
        left = total.remaining
        words.append(eta_long(left.low, left.high, at_least=left.at_least))
    title = " ".join(word for word in words if word != fmt.DASH)
    tab = TabState.NORMAL if total.percent is not None else TabState.UNKNOWN
    if down or state in (State.STALLED, State.PAUSED):
        tab = TabState.WARNING
    elif state is State.FAILING:
        tab = TabState.ERROR
    return Summary(title.translate(_PLAIN) if ascii_only else title, tab, total.percent or 0)


def _sign(state: State, ascii_only: bool) -> str:
    sign = SIGNS[state]
    return sign.plain if ascii_only else sign.sign
