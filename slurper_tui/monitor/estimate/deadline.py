"""Compares forecasts with a deadline: outcome, delay, and the rate required to finish in time.

Times are UTC seconds, rates objects per second. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.eta import eta_long
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import Forecast, JobView, Phase, Total, shown_forecast


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
    """Compare a job, or the sum of a migration's jobs, with a deadline."""
    unstarted = view.total is Total.INCOMPLETE
    return against_all(view.parts or (view,), deadline, now, unstarted=unstarted)


def _against_job(view: JobView, deadline: float, now: float) -> Promise:
    """Compare one job with a deadline.

    A forecast that ends before the deadline is on track; if it begins after it, the job will miss.
    A paused or stalled job is at best at risk, regardless of earlier forecasts. A live job is late
    by at least the time already passed since the deadline. An ended job that was not completed is
    UNKNOWN.
    """
    if not view.live:
        finished = parse_time(view.job.finished_at)
        if view.status != "completed":
            return Promise(PromiseState.UNKNOWN, reason=view.word)
        late = finished - deadline if finished is not None and finished > deadline else None
        return Promise(PromiseState.DONE, late, late)
    passed, remaining = deadline <= now, view.counts.remaining
    idle = "paused" if view.status == "paused" else ""
    idle = idle or ("stalled" if view.phase is Phase.STALLED else "")
    forecast = shown_forecast(view)
    state, reason = _outcome(view, forecast, deadline, idle, passed=passed)
    least = max(0.0, now - deadline)
    low, high = least or None, None
    if forecast is not None:
        low = max(least, forecast.low - deadline)
        high = None if forecast.at_least else max(low, forecast.high - deadline)
    if state is not PromiseState.WILL_MISS and (state is not PromiseState.AT_RISK or idle):
        low = high = None
    return Promise(
        state,
        low,
        high,
        needed=None if remaining is None or passed else remaining / (deadline - now),
        at_least=view.growing,
        passed=passed,
        reason=reason,
    )


def _outcome(
    view: JobView, forecast: Forecast | None, deadline: float, idle: str, *, passed: bool
) -> tuple[PromiseState, str]:
    """Return the outcome of a live job and its reason.

    idle: why the job makes no progress by itself; "" if it does.
    """
    if passed:
        return PromiseState.WILL_MISS, idle
    if idle:
        return PromiseState.AT_RISK, idle
    if forecast is None:
        return PromiseState.UNKNOWN, view.reason or "no forecast"
    if forecast.low > deadline:
        return PromiseState.WILL_MISS, ""
    if forecast.at_least:
        return PromiseState.UNKNOWN, "total still growing"
    return PromiseState.ON_TRACK if forecast.high <= deadline else PromiseState.AT_RISK, ""


def against_all(
    views: Sequence[JobView], deadline: float, now: float, *, unstarted: bool = False
) -> Promise:
    """Compare all jobs together: as late as the last job, and no better than the worst.

    unstarted: plans have jobs to start for which no more is known than that they come later.

    Only live jobs count; if there are none, only completed ones, and else all. There is no upper
    bound of the lateness if that of any job is unknown. The reason is that of the only job with the
    worst outcome, or the most frequent one with its number of jobs.
    """
    live = [view for view in views if view.live]
    ended = [view for view in views if view.status == "completed"] or views
    promises = [_against_job(view, deadline, now) for view in live or ended]
    if not promises:
        return Promise(PromiseState.UNKNOWN, reason="no job")
    promise = _together(promises) if live else max(promises, key=lambda one: one.low or 0.0)
    if not unstarted:
        return promise
    if promise.state <= PromiseState.UNKNOWN:
        return Promise(PromiseState.UNKNOWN, reason="jobs are still to be started")
    return replace(promise, high=None, at_least=True)


def _together(promises: Sequence[Promise]) -> Promise:
    """Combine the outcomes of live jobs."""
    worst = max(promise.state for promise in promises)
    decisive = [promise for promise in promises if promise.state is worst]
    lows = [promise.low for promise in promises if promise.low is not None]
    highs = [p.high for p in promises if p.state is not PromiseState.ON_TRACK]
    bounds = [high for high in highs if high is not None]
    rates = [promise.needed for promise in promises if promise.needed is not None]
    reasons = [promise.reason for promise in decisive if promise.reason]
    reason = max(sorted(set(reasons)), key=reasons.count, default="")
    if reason and len(decisive) > 1:
        reason = f"{reasons.count(reason)} {reason}"
    return Promise(
        worst,
        max(lows, default=None),
        max(bounds) if bounds and len(bounds) == len(highs) else None,
        needed=sum(rates) if len(rates) == len(promises) else None,
        at_least=any(promise.at_least for promise in promises),
        passed=any(promise.passed for promise in promises),
        reason=reason,
    )


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
