"""Forecast of a job's finish as a range, and the reason in words if there is none.

The rate is averaged over a horizon that grows with the remaining time: a distant finish is
predicted from a long past, a near one from the last minutes. The width of the range follows the
variation of the averages at that horizon, and is larger if few changes were seen.

`guessed` computes the range, `forecast` rounds it and keeps the previous one while still valid.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from slurper_tui.format import duration, rate
from slurper_tui.monitor.estimate.estimator import Estimate, plan_horizon
from slurper_tui.monitor.estimate.rates import HORIZONS, Bank, Prior, rate_over, spread_over
from slurper_tui.monitor.model.job import Counts, Forecast, Phase, Prospect

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import Moment

FIRST_CHANGES = 3
FIRST_SECONDS = 60.0
"""Changes and seconds of running time required for a forecast (unless the mean since `createdAt` is
available)."""

PRIOR_TRUST = 0.3
"""Weight of the time before polling began, when the job may have been paused or listing."""

PRIOR_SECONDS = 600.0
PRIOR_STRICTNESS = 2.0
"""How fast a prior mean that contradicts the polls loses weight. After PRIOR_SECONDS of polling, a
mean of twice the observed rate keeps about a third of its weight."""

PRIOR_SPREAD = 0.02
PRIOR_WEIGHT = 2.0
"""Assumed squared logarithm between horizons, and its weight in lengths of the horizon."""

SPAN_VARIANCE = 0.3
"""Variance of the logarithm of the rate if it is based on a single change."""

AHEAD_VARIANCE = 0.01
"""Variance added for every doubling of the remaining time over the observed time."""

FLOOR = 0.05
CEILING = 0.5
"""Bounds of the standard deviation of the logarithm of the remaining time."""

REACH = 1.7
"""Half width of the range in standard deviations."""

NEAR = 0.1
WIDE = 1.3
NARROW = 0.5
"""The displayed range is kept while its middle is off by at most NEAR of the new range's width, and
its width is between NARROW and WIDE times the new width (plus rounding)."""

BOUND_SLACK = 1.3
"""A displayed lower bound is kept until the new one is this many times as far ahead."""

SHORT_SECONDS = 21_600.0
SHORT_STEP = 300.0
LONG_STEP = 1800.0
"""Seconds: the finish is rounded to SHORT_STEP while less than SHORT_SECONDS (six hours) remain,
and to LONG_STEP otherwise."""


class Guess(msgspec.Struct, frozen=True):
    """A forecast before rounding. low, point, high: the finish, UTC seconds."""

    low: float
    point: float
    high: float
    at_least: bool = False
    seeded: bool = False


def forecast(
    estimate: Estimate, now: Moment, created_at: float | None, shown: Forecast | None
) -> Forecast | None:
    """Return the range to display, or None if the data does not support one.

    created_at: UTC seconds; None when unknown.
    shown: the range displayed now; it is kept while it is still valid (see `_is_valid`).
    """
    guess = guessed(estimate, now, created_at)
    if guess is None:
        return None
    if shown is not None and _is_valid(shown, guess, now):
        return replace(shown, low=max(shown.low, now.wall), made_at=now.wall)
    step = _step(guess, now)  # round outwards, but never to before now
    low = max(math.floor(guess.low / step) * step, now.wall)
    high = math.ceil(guess.high / step) * step
    high = high if high > low else high + step
    return Forecast(low, high, now.wall, guess.at_least, guess.seeded)


def guessed(estimate: Estimate, now: Moment, created_at: float | None) -> Guess | None:
    """Return the forecast before rounding and hysteresis; None if the data does not support one."""
    last = estimate.last
    if last is None or estimate.phase in {Phase.STALLED, Phase.PAUSED, Phase.ENDED, None}:
        return None
    remaining, prior = last.counts.remaining, _prior(estimate, now, created_at)
    early = estimate.changes < FIRST_CHANGES or estimate.ran < FIRST_SECONDS
    if not last.counts.objects or remaining is None or (early and prior is None):
        return None
    if last.counts.exceeded:
        return None
    horizon, rate = plan_horizon(estimate.progress, remaining, estimate.idle, prior)
    if not rate > 0:
        return None
    waited = estimate.ran - estimate.progress.at - estimate.idle
    seconds = max(0.0, remaining / rate - waited)
    if not math.isfinite(seconds):
        return None
    reach = math.tanh(REACH * deviation(estimate.progress.bank, horizon, seconds))
    return Guess(
        now.wall + seconds * (1 - reach),
        now.wall + seconds,
        now.wall + seconds * (1 + reach),
        estimate.growing,
        early,
    )


def if_resumed(estimate: Estimate, now: Moment, created_at: float | None) -> Prospect | None:
    """Return what a paused or stalled job would need at its earlier rate; None when unknown.

    If it was hardly seen to run, the rate is its average since `created_at` (UTC seconds; None when
    unknown).
    """
    last = estimate.last
    if last is None or estimate.phase not in (Phase.PAUSED, Phase.STALLED):
        return None
    remaining = last.counts.remaining
    early = estimate.changes < FIRST_CHANGES or estimate.ran < FIRST_SECONDS
    prior = _prior(estimate, now, created_at) if early else None
    if not remaining or last.counts.exceeded or (early and prior is None):
        return None
    horizon, rate = plan_horizon(estimate.progress, remaining, 0.0, prior)
    if not rate > 0 or not math.isfinite(remaining / rate):
        return None
    seconds = remaining / rate
    reach = math.tanh(REACH * deviation(estimate.progress.bank, horizon, seconds))
    step = SHORT_STEP if seconds < SHORT_SECONDS else LONG_STEP
    low = math.floor(seconds * (1 - reach) / step) * step
    high = math.ceil(seconds * (1 + reach) / step) * step
    return Prospect(low, high, rate, estimate.growing, seeded=early)


def deviation(bank: Bank, horizon: float, seconds: float) -> float:
    """Return the standard deviation of the logarithm of `seconds`, the remaining time.

    Its variance is the sum of three parts: how far averages at this horizon differed from the next
    longer one, how few changes support them, and how far the finish lies beyond the observed time.
    """
    seen = min(bank.seconds, 8 * horizon) / horizon
    spread = (spread_over(bank, horizon) * seen + PRIOR_SPREAD * PRIOR_WEIGHT) / (
        seen + PRIOR_WEIGHT
    )
    spans = max(1.0, bank.spans * min(1.0, horizon / max(bank.seconds, 1.0)))
    ahead = max(0.0, math.log2(max(seconds, 1.0) / max(bank.seconds, 60.0)))
    variance = 2 * spread + SPAN_VARIANCE / spans + AHEAD_VARIANCE * ahead
    return min(max(math.sqrt(variance), FLOOR), CEILING)


def _prior(estimate: Estimate, now: Moment, created_at: float | None) -> Prior | None:
    """Return the mean from `createdAt` to the first poll; None if it is not meaningful."""
    first = estimate.first
    if first is None or created_at is None or estimate.fell or not first.counts.done:
        return None
    age = (now.wall - created_at) - (now.mono - first.at)
    if not age >= FIRST_SECONDS or not math.isfinite(age):
        return None
    rate = first.counts.done / age
    bank = estimate.progress.bank
    watched = rate_over(bank, HORIZONS[-1])
    likeness = 1.0  # how well the mean agrees with the polls, from 0 to 1
    if watched > 0:
        # Before the first poll the job may have skipped, or been paused, for most of the time.
        ripe = min(1.0, bank.seconds / PRIOR_SECONDS)
        likeness = math.exp(-ripe * PRIOR_STRICTNESS * math.log(watched / rate) ** 2)
    return Prior(rate, age, PRIOR_TRUST * likeness)


def _is_valid(shown: Forecast, guess: Guess, now: Moment) -> bool:
    """Return True if the displayed range is still valid.

    It must be of the same kind as the new one, end in the future, be neither much wider nor much
    narrower, and have its middle near the new point: within a tenth of the new width or one
    rounding step. A lower bound must still be true and not much too low.
    """
    if (shown.at_least, shown.seeded) != (guess.at_least, guess.seeded):
        return False
    if guess.at_least:
        far = now.wall + (guess.low - now.wall) / BOUND_SLACK - _step(guess, now)
        return far <= shown.low <= guess.low
    step, width = _step(guess, now), guess.high - guess.low
    off = abs((shown.low + shown.high) / 2 - guess.point)
    fits = NARROW * width - step <= shown.high - shown.low <= WIDE * width + 2 * step
    return fits and off <= max(NEAR * width, step) and shown.high > now.wall


def _step(guess: Guess, now: Moment) -> float:
    return SHORT_STEP if guess.point - now.wall < SHORT_SECONDS else LONG_STEP


_NUMBERS = ("none", "one", "two", "three")


def reason(estimate: Estimate, forecast: Forecast | None, *, stale: bool) -> str:
    """Return why there is no forecast, or only a lower bound; "" if nothing is missing.

    stale: three consecutive polls got no answer, so the forecast is hidden.
    """
    last = estimate.last
    if last is None or estimate.phase is Phase.ENDED:
        return ""
    if stale:
        return "no ETA: no answer for three polls"
    if estimate.phase is Phase.STALLED:
        stall = estimate.stall
        polls = f"{stall.polls} poll" if stall.polls == 1 else f"{stall.polls} polls"
        return f"no ETA: nothing has moved for {duration(stall.still)}, {polls}"
    if estimate.phase is Phase.PAUSED:
        return "no ETA: paused"
    if estimate.phase is None:
        return "no ETA: not running"
    if forecast is not None:
        return f"at least: {_growing(estimate)}" if forecast.at_least else ""
    return _missing(estimate, last.counts)


def _growing(estimate: Estimate) -> str:
    if estimate.growth is None:
        return "total may still grow"
    return f"total still growing by {rate(estimate.growth)}/s"


def _missing(estimate: Estimate, counts: Counts) -> str:
    """Return what a running job lacks for a forecast."""
    if counts.objects is None:
        return "no percentage: the total is not known yet"
    if counts.objects == 0:
        return "no percentage: no objects"
    if counts.exceeded:
        return "no ETA: done exceeds the total"
    if counts.done is None:
        return "no ETA: not all counts are known"
    if estimate.phase is Phase.LISTING and estimate.growth:
        return f"no ETA: {_growing(estimate)}"
    if estimate.changes < FIRST_CHANGES:
        seen, needed = _NUMBERS[estimate.changes], _NUMBERS[FIRST_CHANGES]
        return f"no ETA: {seen} of {needed} changes seen"
    if estimate.ran < FIRST_SECONDS:
        return f"no ETA: watched for {duration(estimate.ran)} of {duration(FIRST_SECONDS)}"
    return "no ETA: nothing is being copied"
