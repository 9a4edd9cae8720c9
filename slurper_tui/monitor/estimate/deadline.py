"""Whether jobs will be done by a deadline, by how much they will miss it, and what it would take.

Times are UTC seconds, rates objects per second. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from slurper_tui import format as fmt
from slurper_tui.eta import eta_long
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import Forecast, JobView, Phase, shown_forecast


class Standing(IntEnum):
    """How something stands against a deadline, the best first."""

    DONE = 0
    ON_TRACK = 1
    UNKNOWN = 2
    AT_RISK = 3
    WILL_MISS = 4


class Promise(msgspec.Struct, frozen=True):
    """How a job, or all of them, stand against a deadline.

    low, high: by how many seconds it will be late, as a range from 0.0 on; None where unknown, and
    for whatever will be in time. needed: the rate that it takes from now on; at_least: the total
    still grows, so that it takes more. passed: the deadline is behind us. reason: in words, why no
    more can be said, or what must happen first; "" when nothing.
    """

    standing: Standing
    low: float | None = None
    high: float | None = None
    needed: float | None = None
    at_least: bool = False
    passed: bool = False
    reason: str = ""


def against(view: JobView, deadline: float, now: float) -> Promise:
    """Measure one job. A forecast that ends in time is on track, one that begins too late misses.

    A job that stands still is at risk at best, whatever was forecast before.
    """
    if not view.live:
        return _over(view, deadline)
    base = Promise(
        Standing.UNKNOWN,
        needed=_needed(view, deadline, now),
        at_least=view.growing,
        passed=deadline <= now,
    )
    forecast = shown_forecast(view)
    late = _late(forecast, deadline, now)
    if base.passed:
        return _with(base, Standing.WILL_MISS, late, _stands_still(view))
    if still := _stands_still(view):
        return _with(base, Standing.AT_RISK, (None, None), still)
    if forecast is None:
        return _with(base, Standing.UNKNOWN, (None, None), view.reason or "no forecast")
    return _measured(base, forecast, deadline, late)


def _over(view: JobView, deadline: float) -> Promise:
    """A job that has ended: done, late or not; of one that was not completed nobody can say."""
    if view.status != "completed":
        return Promise(Standing.UNKNOWN, reason=view.word)
    finished = parse_time(view.job.finished_at)
    if finished is None or finished <= deadline:
        return Promise(Standing.DONE)
    late = finished - deadline
    return Promise(Standing.DONE, late, late)


def _needed(view: JobView, deadline: float, now: float) -> float | None:
    remaining = view.counts.remaining
    if remaining is None or deadline <= now:
        return None
    return remaining / (deadline - now)


def _stands_still(view: JobView) -> str:
    """Why a job will not be done at all unless something happens; "" when it goes on by itself."""
    if view.status == "paused":
        return "paused"
    return "stalled" if view.phase is Phase.STALLED else ""


def _late(
    forecast: Forecast | None, deadline: float, now: float
) -> tuple[float | None, float | None]:
    """By how much the forecast misses the deadline, which is at least what has passed of it."""
    least = max(0.0, now - deadline)
    if forecast is None:
        return (least, None) if least else (None, None)
    low = max(least, forecast.low - deadline)
    return low, None if forecast.at_least else max(low, forecast.high - deadline)


def _measured(
    base: Promise, forecast: Forecast, deadline: float, late: tuple[float | None, float | None]
) -> Promise:
    if forecast.low > deadline:
        return _with(base, Standing.WILL_MISS, late, "")
    if forecast.at_least:
        return _with(base, Standing.UNKNOWN, (None, None), "total still growing")
    if forecast.high <= deadline:
        return _with(base, Standing.ON_TRACK, (None, None), "")
    return _with(base, Standing.AT_RISK, late, "")


def _with(
    base: Promise, standing: Standing, late: tuple[float | None, float | None], reason: str
) -> Promise:
    return msgspec.structs.replace(
        base, standing=standing, low=late[0], high=late[1], reason=reason
    )


def against_all(views: Sequence[JobView], deadline: float, now: float) -> Promise:
    """Measure all jobs together: done when the last one is, and no better than the worst one.

    Of jobs that have ended only those count that were completed.
    """
    promises = [against(view, deadline, now) for view in views if view.live]
    if not promises:
        completed = [against(view, deadline, now) for view in views if view.status == "completed"]
        return max(completed, key=_lateness, default=Promise(Standing.UNKNOWN, reason="no job"))
    worst = max(promise.standing for promise in promises)
    decisive = [promise for promise in promises if promise.standing is worst]
    return Promise(
        worst,
        *_last_of(promises),
        needed=_sum([promise.needed for promise in promises]),
        at_least=any(promise.at_least for promise in promises),
        passed=deadline <= now,
        reason=_reasons(decisive),
    )


def _lateness(promise: Promise) -> float:
    return promise.low or 0.0


def _last_of(promises: Sequence[Promise]) -> tuple[float | None, float | None]:
    """When the last one will be late; without an upper end when that of one is not known."""
    lows = [promise.low for promise in promises if promise.low is not None]
    highs = [p.high for p in promises if p.standing is not Standing.ON_TRACK]
    known = [high for high in highs if high is not None]
    return max(lows, default=None), max(known) if known and len(known) == len(highs) else None


def _sum(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if len(known) == len(rates) else None


def _reasons(promises: Sequence[Promise]) -> str:
    """Say the one reason, or how many jobs have the most frequent one."""
    said = [promise.reason for promise in promises if promise.reason]
    if not said:
        return ""
    most = max(sorted(set(said)), key=said.count)
    return most if len(promises) == 1 else f"{said.count(most)} {most}"


def promise_words(promise: Promise) -> str:
    """How it stands, in few words: `on track`, `at risk`, `will miss by 2 h`, `done`."""
    if promise.standing is Standing.DONE:
        return f"done, {fmt.duration(promise.low)} late" if promise.low else "done"
    if promise.passed:
        return f"deadline passed, late by {_span(promise)}"
    if promise.standing is Standing.WILL_MISS:
        return f"will miss by {_span(promise)}"
    if promise.standing is Standing.AT_RISK:
        late = f", up to {fmt.duration(promise.high)} late" if promise.high else ""
        return f"at risk: {promise.reason}" if promise.reason else f"at risk{late}"
    if promise.standing is Standing.ON_TRACK:
        return "on track"
    return f"unknown: {promise.reason}" if promise.reason else "unknown"


def needed_words(promise: Promise) -> str:
    """The rate that it takes: `needs 182/s`, `needs 182/s or more`; "" where that is unknown."""
    if promise.needed is None or promise.standing is Standing.DONE:
        return ""
    more = " or more" if promise.at_least else ""
    return f"needs {fmt.rate(promise.needed)}/s{more}"


def _span(promise: Promise) -> str:
    low = promise.low or 0.0
    if promise.high is None:
        return f"{fmt.duration(low)} or more"
    return eta_long(low, promise.high)
