"""When a job will be done, as a range that is shown.

The rate is averaged over a horizon as long as a part of the time that remains: what lies far ahead
is told by a long past, what is near by the last minutes. How far the range reaches is what the
averages at that horizon were seen to do, and the fewer changes there were, the wider it is.
"""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.estimate import Estimate
from slurper_tui.monitor.moment import Moment
from slurper_tui.monitor.rates import Prior, rate_over, spread_over
from slurper_tui.monitor.view import Forecast, Phase

FIRST_CHANGES = 3
FIRST_SECONDS = 60.0
"""Before so many changes, and so much time, nothing is said (the mean since `createdAt` aside)."""

PART = 1.0
"""The horizon is so much of the time that remains."""

NEAREST = 300.0
NEAREST_GAPS = 6
"""The horizon is never shorter than so many seconds, and so many gaps between changes."""

PRIOR_TRUST = 0.3
"""How much the time before the watch counts: it may have been paused, or listing, for a part."""

PRIOR_SPREAD = 0.02
PRIOR_WEIGHT = 2.0
"""Squared logarithm by which rates change at a horizon, as believed at first, for how many of it."""

FLOOR = 0.05
CEILING = 0.7
"""Bounds of the standard deviation of the logarithm of the remaining time."""

REACH = 1.5
"""The range reaches so many standard deviations to either side."""

SHORT_SECONDS = 21_600.0
SHORT_STEP = 300.0
LONG_STEP = 1800.0
"""Seconds to which the finish is rounded while less, or more, than six hours remain."""


class Guess(msgspec.Struct, frozen=True):
    """A forecast before it is rounded. low, point, high: the finish, UTC seconds."""

    low: float
    point: float
    high: float
    at_least: bool = False
    seeded: bool = False


def forecast(
    estimate: Estimate, now: Moment, created_at: float | None, shown: Forecast | None
) -> Forecast | None:
    """Give the range to show, or None where nothing honest can be said.

    created_at: UTC seconds, None when unknown. shown: what stands on the screen now. It stays as
    long as it is not wrong: see `_stands`.
    """
    guess = guessed(estimate, now, created_at)
    if guess is None:
        return None
    if shown is not None and _stands(shown, guess, now):
        return replace(shown, low=max(shown.low, now.wall), made_at=now.wall)
    return _rounded(guess, now)


def guessed(estimate: Estimate, now: Moment, created_at: float | None) -> Guess | None:
    """Give the forecast before it is rounded and held, or None."""
    last = estimate.last
    if last is None or estimate.phase in {Phase.STALLED, Phase.PAUSED, Phase.ENDED, None}:
        return None
    remaining, prior = last.counts.remaining, _prior(estimate, now, created_at)
    early = estimate.changes < FIRST_CHANGES or estimate.ran < FIRST_SECONDS
    if not last.counts.objects or remaining is None or (early and prior is None):
        return None
    since = estimate.ran - estimate.pace.at
    idle = max(0.0, since - estimate.beats.typical)
    horizon = _horizon(estimate, remaining, idle, prior)
    rate = rate_over(estimate.pace.bank, horizon, idle, prior)
    if not rate > 0:
        return None
    seconds = max(0.0, remaining / rate - (since - idle))
    return _ranged(estimate, now, horizon, seconds, seeded=early)


def _horizon(estimate: Estimate, remaining: int, idle: float, prior: Prior | None) -> float:
    """Over how many seconds to average: in proportion to those that remain, which it decides."""
    bank = estimate.pace.bank
    nearest = max(NEAREST, NEAREST_GAPS * estimate.beats.typical)
    horizon = 1e9
    for _ in range(4):
        rate = rate_over(bank, horizon, idle, prior)
        ahead = PART * remaining / rate if rate > 0 else 1e9
        horizon = max(nearest, min(1e9, math.sqrt(ahead * min(horizon, ahead * 4))))
    return horizon


def _ranged(
    estimate: Estimate, now: Moment, horizon: float, seconds: float, *, seeded: bool
) -> Guess:
    factor = math.exp(REACH * deviation(estimate, horizon, seconds, seeded=seeded))
    at_least = not seeded and estimate.phase is Phase.LISTING
    return Guess(
        now.wall + seconds / factor,
        now.wall + seconds,
        now.wall + seconds * factor,
        at_least,
        seeded,
    )


def deviation(estimate: Estimate, horizon: float, seconds: float, *, seeded: bool) -> float:
    """How far the truth may lie away: the standard deviation of its logarithm."""
    bank = estimate.pace.bank
    spread, _ = spread_over(bank, horizon)
    seen = min(bank.seconds, 8 * horizon) / horizon
    drift = (spread * seen + PRIOR_SPREAD * PRIOR_WEIGHT) / (seen + PRIOR_WEIGHT)
    spans = max(1.0, bank.spans * min(1.0, horizon / max(bank.seconds, 1.0)))
    ahead = max(0.0, math.log2(max(seconds, 1.0) / max(bank.seconds, 60.0)))
    variance = 2 * drift + 1 / spans + 0.01 * ahead
    return min(max(math.sqrt(variance), FLOOR), CEILING)


def _prior(estimate: Estimate, now: Moment, created_at: float | None) -> Prior | None:
    """Give the mean from `createdAt` to the first poll, where that says anything."""
    first = estimate.first
    if first is None or created_at is None or estimate.fell or not first.counts.done:
        return None
    age = (now.wall - created_at) - (now.mono - first.at)
    if not age >= FIRST_SECONDS or not math.isfinite(age):
        return None
    return Prior(first.counts.done / age, age, PRIOR_TRUST)


def _stands(shown: Forecast, guess: Guess, now: Moment) -> bool:
    """Whether what is shown is still right.

    It is when it claims the same kind of thing, its middle lies in the new range, its end is
    ahead, and it is neither much wider nor much narrower than the new range.
    """
    if (shown.at_least, shown.seeded) != (guess.at_least, guess.seeded):
        return False
    if guess.at_least:
        return shown.low <= guess.low and shown.low >= now.wall + (guess.low - now.wall) / 1.3
    step = _step(guess, now)
    middle, width = (shown.low + shown.high) / 2, guess.high - guess.low
    near = abs(middle - guess.point) <= max(0.5 * width / 2, step)
    fits = width / 2 - step <= shown.high - shown.low <= 1.5 * width + 2 * step
    return near and fits and shown.high > now.wall


def _rounded(guess: Guess, now: Moment) -> Forecast:
    """Round the range outwards, never to before now."""
    step = _step(guess, now)
    low = max(math.floor(guess.low / step) * step, now.wall)
    high = math.ceil(guess.high / step) * step
    return Forecast(
        low, high if high > low else high + step, now.wall, guess.at_least, guess.seeded
    )


def _step(guess: Guess, now: Moment) -> float:
    return SHORT_STEP if guess.point - now.wall < SHORT_SECONDS else LONG_STEP
