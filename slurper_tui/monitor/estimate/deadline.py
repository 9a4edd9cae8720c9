"""Compares forecasts with a deadline: outcome, delay, and the rate required to finish in time.

Times are UTC seconds, rates objects per second. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.eta_format import eta_long
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import Forecast, JobView, Phase, Total, shown_forecast


class OutlookState(IntEnum):
    """Outcome relative to a deadline, the best first."""

    DONE = 0
    ON_TRACK = 1
    UNKNOWN = 2
    AT_RISK = 3
    WILL_MISS = 4


MARGIN = 1.2
"""A verdict is only likely if the end of the range that it rests on is nearer to the deadline than
this factor, in remaining time. On the traces of the benchmark, `on track` nearer than that was
right in four of five cases, and beyond in nine of ten."""


class Outlook(msgspec.Struct, frozen=True):
    """A job, or all jobs together, compared with a deadline.

    low, high: seconds late, as a range from 0.0; None when unknown or on time.
    needed: rate required from now on; None when unknown.
    at_least: the total still grows, so the required rate is a lower bound.
    passed: the deadline is over.
    likely: the range is so near to the deadline that the outcome may easily change.
    reason: why no more is known, or the obstacle to remove first; "" if there is none.
    """

    state: OutlookState
    low: float | None = None
    high: float | None = None
    needed: float | None = None
    at_least: bool = False
    passed: bool = False
    reason: str = ""
    likely: bool = False


def outlook_of(view: JobView, deadline: float, now: float) -> Outlook:
    """Compare a job, or the sum of a migration's jobs, with a deadline."""
    unstarted = view.total is Total.INCOMPLETE
    return outlook_of_all(view.parts or (view,), deadline, now, unstarted=unstarted)


def _outlook_of_job(view: JobView, deadline: float, now: float) -> Outlook:
    """Compare one job with a deadline.

    A forecast that ends before the deadline is on track; if it begins after it, the job will miss.
    A paused or stalled job is at best at risk, regardless of earlier forecasts. A live job is late
    by at least the time already passed since the deadline. An ended job that was not completed is
    UNKNOWN.
    """
    if not view.live:
        finished = parse_time(view.job.finished_at)
        if view.status != "completed":
            return Outlook(OutlookState.UNKNOWN, reason=view.word)
        late = finished - deadline if finished is not None and finished > deadline else None
        return Outlook(OutlookState.DONE, late, late)
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
    if state is not OutlookState.WILL_MISS and (state is not OutlookState.AT_RISK or idle):
        low = high = None
    return Outlook(
        state,
        low,
        high,
        needed=None if remaining is None or passed else remaining / (deadline - now),
        at_least=view.growing,
        passed=passed,
        reason=reason,
        likely=not passed and _is_close(state, forecast, deadline, now),
    )


def _is_close(state: OutlookState, forecast: Forecast | None, deadline: float, now: float) -> bool:
    """Return whether a verdict may easily change."""
    if forecast is None:
        return False
    if state is OutlookState.ON_TRACK:
        return deadline - now < MARGIN * (forecast.high - now)
    return state is OutlookState.WILL_MISS and forecast.low - now < MARGIN * (deadline - now)


def _outcome(
    view: JobView, forecast: Forecast | None, deadline: float, idle: str, *, passed: bool
) -> tuple[OutlookState, str]:
    """Return the outcome of a live job and its reason.

    idle: why the job makes no progress by itself; "" if it does.
    """
    if passed:
        return OutlookState.WILL_MISS, idle
    if idle:
        return OutlookState.AT_RISK, idle
    if forecast is None:
        return OutlookState.UNKNOWN, view.reason or "no forecast"
    if forecast.low > deadline:
        return OutlookState.WILL_MISS, ""
    if forecast.at_least:
        return OutlookState.UNKNOWN, "total still growing"
    return OutlookState.ON_TRACK if forecast.high <= deadline else OutlookState.AT_RISK, ""


def outlook_of_all(
    views: Sequence[JobView], deadline: float, now: float, *, unstarted: bool = False
) -> Outlook:
    """Compare all jobs together: as late as the last job, and no better than the worst.

    unstarted: plans have jobs to start for which no more is known than that they come later.

    Only live jobs count; if there are none, only completed ones, and else all. There is no upper
    bound of the lateness if that of any job is unknown. The reason is that of the only job with the
    worst outcome, or the most frequent one with its number of jobs.
    """
    live = [view for view in views if view.live]
    ended = [view for view in views if view.status == "completed"] or views
    outlooks = [_outlook_of_job(view, deadline, now) for view in live or ended]
    if not outlooks:
        return Outlook(OutlookState.UNKNOWN, reason="no job")
    outlook = _together(outlooks) if live else max(outlooks, key=lambda one: one.low or 0.0)
    if not unstarted:
        return outlook
    if outlook.state <= OutlookState.UNKNOWN:
        return Outlook(OutlookState.UNKNOWN, reason="jobs are still to be started")
    return replace(outlook, high=None, at_least=True)


def _together(outlooks: Sequence[Outlook]) -> Outlook:
    """Combine the outcomes of live jobs."""
    worst = max(outlook.state for outlook in outlooks)
    decisive = [outlook for outlook in outlooks if outlook.state is worst]
    lows = [outlook.low for outlook in outlooks if outlook.low is not None]
    highs = [p.high for p in outlooks if p.state is not OutlookState.ON_TRACK]
    bounds = [high for high in highs if high is not None]
    rates = [outlook.needed for outlook in outlooks if outlook.needed is not None]
    reasons = [outlook.reason for outlook in decisive if outlook.reason]
    reason = max(sorted(set(reasons)), key=reasons.count, default="")
    if reason and len(decisive) > 1:
        reason = f"{reasons.count(reason)} {reason}"
    # One job that surely misses is enough; one that is only likely on track makes all likely.
    certain = all if worst is OutlookState.WILL_MISS else any
    likely = certain(outlook.likely for outlook in decisive)
    return Outlook(
        worst,
        max(lows, default=None),
        max(bounds) if bounds and len(bounds) == len(highs) else None,
        needed=sum(rates) if len(rates) == len(outlooks) else None,
        at_least=any(outlook.at_least for outlook in outlooks),
        passed=any(outlook.passed for outlook in outlooks),
        reason=reason,
        likely=likely,
    )


def outlook_words(outlook: Outlook) -> str:
    """Return the outcome in a few words: `likely on track`, `at risk`, `will miss by 2 h`."""
    if outlook.state is OutlookState.DONE:
        return f"done, {fmt.duration(outlook.low)} late" if outlook.low else "done"
    if outlook.passed:
        return f"deadline passed, late by {_span(outlook)}"
    if outlook.state is OutlookState.WILL_MISS:
        return f"will {'likely ' if outlook.likely else ''}miss by {_span(outlook)}"
    if outlook.state is OutlookState.AT_RISK:
        late = f", up to {fmt.duration(outlook.high)} late" if outlook.high else ""
        return f"at risk: {outlook.reason}" if outlook.reason else f"at risk{late}"
    if outlook.state is OutlookState.ON_TRACK:
        return "likely on track" if outlook.likely else "on track"
    return f"unknown: {outlook.reason}" if outlook.reason else "unknown"


def needed_words(outlook: Outlook) -> str:
    """Return the required rate: `needs 182/s`, `needs 182/s or more`; "" when unknown or done."""
    if outlook.needed is None or outlook.state is OutlookState.DONE:
        return ""
    more = " or more" if outlook.at_least else ""
    return f"needs {fmt.rate(outlook.needed)}/s{more}"


def _span(outlook: Outlook) -> str:
    low = outlook.low or 0.0
    if outlook.high is None:
        return f"{fmt.duration(low)} or more"
    return eta_long(low, outlook.high)
