"""Compares forecasts with a deadline: outcome, delay, and the rate required to finish in time.

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


class PromiseState(IntEnum):
    """Outcome relative to a deadline, the best first."""

    DONE = 0
    ON_TRACK = 1
    UNKNOWN = 2
    AT_RISK = 3
    WILL_MISS = 4


class Promise(msgspec.Struct, frozen=True):
    """A job, or all jobs together, compared with a deadline.

    low, high: seconds late, as a range from 0.0; None when unknown or on time.
    needed: rate required from now on; None when unknown.
    at_least: the total still grows, so the required rate is a lower bound.
    passed: the deadline is over.
    reason: why no more is known, or the obstacle to remove first; "" if there is none.
    """

    state: PromiseState
    low: float | None = None
    high: float | None = None
    needed: float | None = None
    at_least: bool = False
    passed: bool = False
    reason: str = ""


def against(view: JobView, deadline: float, now: float) -> Promise:
    """Compare one job with a deadline.

    A forecast that ends before the deadline is on track; if it begins after it, the job will miss.
    A paused or stalled job is at best at risk, regardless of earlier forecasts.
    """
    if not view.live:
        return _over(view, deadline)
    base = Promise(
        PromiseState.UNKNOWN,
        needed=_needed(view, deadline, now),
        at_least=view.growing,
        passed=deadline <= now,
    )
    forecast = shown_forecast(view)
    late = _late(forecast, deadline, now)
    if base.passed:
        return _with(base, PromiseState.WILL_MISS, late, _stands_still(view))
    if still := _stands_still(view):
        return _with(base, PromiseState.AT_RISK, (None, None), still)
    if forecast is None:
        return _with(base, PromiseState.UNKNOWN, (None, None), view.reason or "no forecast")
    return _measured(base, forecast, deadline, late)


def _over(view: JobView, deadline: float) -> Promise:
    """Compare an ended job: done, on time or late; UNKNOWN if it was not completed."""
    if view.status != "completed":
        return Promise(PromiseState.UNKNOWN, reason=view.word)
    finished = parse_time(view.job.finished_at)
    if finished is None or finished <= deadline:
        return Promise(PromiseState.DONE)
    late = finished - deadline
    return Promise(PromiseState.DONE, late, late)


def _needed(view: JobView, deadline: float, now: float) -> float | None:
    remaining = view.counts.remaining
    if remaining is None or deadline <= now:
        return None
    return remaining / (deadline - now)


def _stands_still(view: JobView) -> str:
    """Return why the job makes no progress by itself; "" if it does."""
    if view.status == "paused":
        return "paused"
    return "stalled" if view.phase is Phase.STALLED else ""


def _late(
    forecast: Forecast | None, deadline: float, now: float
) -> tuple[float | None, float | None]:
    """Return the range of seconds late; at least the time already passed since the deadline."""
    least = max(0.0, now - deadline)
    if forecast is None:
        return (least, None) if least else (None, None)
    low = max(least, forecast.low - deadline)
    return low, None if forecast.at_least else max(low, forecast.high - deadline)


def _measured(
    base: Promise, forecast: Forecast, deadline: float, late: tuple[float | None, float | None]
) -> Promise:
    if forecast.low > deadline:
        return _with(base, PromiseState.WILL_MISS, late, "")
    if forecast.at_least:
        return _with(base, PromiseState.UNKNOWN, (None, None), "total still growing")
    if forecast.high <= deadline:
        return _with(base, PromiseState.ON_TRACK, (None, None), "")
    return _with(base, PromiseState.AT_RISK, late, "")


def _with(
    base: Promise, state: PromiseState, late: tuple[float | None, float | None], reason: str
) -> Promise:
    return msgspec.structs.replace(base, state=state, low=late[0], high=late[1], reason=reason)


def against_all(views: Sequence[JobView], deadline: float, now: float) -> Promise:
    """Compare all jobs together: as late as the last job, and no better than the worst.

    Only live jobs count; if there are none, only completed jobs.
    """
    promises = [against(view, deadline, now) for view in views if view.live]
    if not promises:
        completed = [against(view, deadline, now) for view in views if view.status == "completed"]
        return max(completed, key=_lateness, default=Promise(PromiseState.UNKNOWN, reason="no job"))
    worst = max(promise.state for promise in promises)
    decisive = [promise for promise in promises if promise.state is worst]
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
    """Return the lateness of the last job; without an upper bound if that of any job is unknown."""
    lows = [promise.low for promise in promises if promise.low is not None]
    highs = [p.high for p in promises if p.state is not PromiseState.ON_TRACK]
    known = [high for high in highs if high is not None]
    return max(lows, default=None), max(known) if known and len(known) == len(highs) else None


def _sum(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if len(known) == len(rates) else None


def _reasons(promises: Sequence[Promise]) -> str:
    """Return the reason of a single job, else the most frequent reason with its number of jobs."""
    said = [promise.reason for promise in promises if promise.reason]
    if not said:
        return ""
    most = max(sorted(set(said)), key=said.count)
    return most if len(promises) == 1 else f"{said.count(most)} {most}"


def promise_words(promise: Promise) -> str:
    """Return the outcome in a few words: `on track`, `at risk`, `will miss by 2 h`, `done`."""
    if promise.state is PromiseState.DONE:
        return f"done, {fmt.duration(promise.low)} late" if promise.low else "done"
    if promise.passed:
        return f"deadline passed, late by {_span(promise)}"
    if promise.state is PromiseState.WILL_MISS:
        return f"will miss by {_span(promise)}"
    if promise.state is PromiseState.AT_RISK:
        late = f", up to {fmt.duration(promise.high)} late" if promise.high else ""
        return f"at risk: {promise.reason}" if promise.reason else f"at risk{late}"
    if promise.state is PromiseState.ON_TRACK:
        return "on track"
    return f"unknown: {promise.reason}" if promise.reason else "unknown"


def needed_words(promise: Promise) -> str:
    """Return the required rate: `needs 182/s`, `needs 182/s or more`; "" when unknown or done."""
    if promise.needed is None or promise.state is PromiseState.DONE:
        return ""
    more = " or more" if promise.at_least else ""
    return f"needs {fmt.rate(promise.needed)}/s{more}"


def _span(promise: Promise) -> str:
    low = promise.low or 0.0
    if promise.high is None:
        return f"{fmt.duration(low)} or more"
    return eta_long(low, promise.high)
