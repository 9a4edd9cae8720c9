"""When a job will be done, as a range that is shown.

The rate is averaged over a horizon as long as a part of the time that remains: what lies far ahead
is told by a long past, what is near by the last minutes. How far the range reaches is what the
averages at that horizon were seen to do, and the fewer changes there were, the wider it is.

Why a number is missing, in words.
"""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from slurper_tui.format import duration, rate
from slurper_tui.monitor.estimate.estimator import Estimate, planned
from slurper_tui.monitor.estimate.rates import HORIZONS, Bank, Prior, rate_over, spread_over
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Counts, Forecast, Phase

FIRST_CHANGES = 3
FIRST_SECONDS = 60.0
"""Before so many changes, and so much time, nothing is said (the mean since `createdAt` aside)."""

PRIOR_TRUST = 0.3
"""How much the time before the watch counts: it may have been paused, or listing, for a part."""

PRIOR_SECONDS = 600.0
PRIOR_STRICTNESS = 2.0
"""After so long a watch, a mean that is twice what was watched counts for a third of that."""

PRIOR_SPREAD = 0.02
PRIOR_WEIGHT = 2.0
"""What a squared logarithm between horizons is believed to be, and for how many horizons' time."""

SPAN_VARIANCE = 0.3
"""Variance of the logarithm of the rate that a single change tells."""

AHEAD_VARIANCE = 0.01
"""And what every doubling of the remaining time over the time watched adds."""

FLOOR = 0.05
CEILING = 0.5
"""Bounds of the standard deviation of the logarithm of the remaining time."""

REACH = 1.7
"""The range reaches so many standard deviations to either side."""

NEAR = 0.1
WIDE = 1.3
NARROW = 0.5
"""What is shown stands while its middle is off by no more than such a part of the new range, and
while it is as wide as it, within these factors (and the rounding)."""

BOUND_SLACK = 1.3
"""A lower bound stands until the new one is so many times as far ahead."""

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
    if last.counts.exceeded:
        return None
    horizon, rate = planned(estimate.pace, remaining, estimate.idle, prior)
    if not rate > 0:
        return None
    waited = estimate.ran - estimate.pace.at - estimate.idle
    seconds = max(0.0, remaining / rate - waited)
    if not math.isfinite(seconds):
        return None
    reach = math.tanh(REACH * deviation(estimate.pace.bank, horizon, seconds))
    return Guess(
        now.wall + seconds * (1 - reach),
        now.wall + seconds,
        now.wall + seconds * (1 + reach),
        estimate.growing,
        early,
    )


def deviation(bank: Bank, horizon: float, seconds: float) -> float:
    """How far the truth may lie away: the standard deviation of the logarithm of `seconds`.

    It comes of how far the averages at this horizon were seen to leave the next longer one, of how
    few changes they rest on, and of how much farther ahead lies what is told than what was seen.
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
    """Give the mean from `createdAt` to the first poll, where that says anything."""
    first = estimate.first
    if first is None or created_at is None or estimate.fell or not first.counts.done:
        return None
    age = (now.wall - created_at) - (now.mono - first.at)
    if not age >= FIRST_SECONDS or not math.isfinite(age):
        return None
    rate = first.counts.done / age
    return Prior(rate, age, PRIOR_TRUST * _likeness(estimate.pace.bank, rate))


def _likeness(bank: Bank, rate: float) -> float:
    """How far a mean of the time before is borne out by what was watched, from 0 to 1.

    Before the watch the job may have skipped, or been paused, for most of the time.
    """
    watched = rate_over(bank, HORIZONS[-1])
    if watched <= 0:
        return 1.0
    ripe = min(1.0, bank.seconds / PRIOR_SECONDS)
    return math.exp(-ripe * PRIOR_STRICTNESS * math.log(watched / rate) ** 2)


def _stands(shown: Forecast, guess: Guess, now: Moment) -> bool:
    """Whether what is shown is still right.

    It is while it claims the same kind of thing, ends ahead of now, is neither much wider nor much
    narrower than the new range, and has its middle near the new one's; near is a tenth of the new
    range's width, or one step of the rounding. A bound stands while it is true and says enough.
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


_NUMBERS = ("none", "one", "two", "three")


def reason(estimate: Estimate, forecast: Forecast | None, *, stale: bool) -> str:
    """Say why there is no forecast, or only half of one; "" when nothing is missing.

    stale: three polls in a row got no answer, so that the forecast is hidden.
    """
    last = estimate.last
    if last is None or estimate.phase is Phase.ENDED:
        return ""
    if stale:
        return "no ETA: no answer for three polls"
    if estimate.phase is Phase.STALLED:
        return _stalled(estimate)
    if estimate.phase is Phase.PAUSED:
        return "no ETA: paused"
    if estimate.phase is None:
        return "no ETA: not running"
    if forecast is not None:
        return f"at least: {_growing(estimate)}" if forecast.at_least else ""
    return _counts(last.counts) or f"no ETA: {_too_early(estimate)}"


def _stalled(estimate: Estimate) -> str:
    """Say it with the evidence."""
    pulse = estimate.pulse
    polls = f"{pulse.looks} poll" if pulse.looks == 1 else f"{pulse.looks} polls"
    return f"no ETA: nothing has moved for {duration(pulse.still)}, {polls}"


def _growing(estimate: Estimate) -> str:
    if estimate.growth is None:
        return "total may still grow"
    return f"total still growing by {rate(estimate.growth)}/s"


def _counts(counts: Counts) -> str:
    """Say which count is missing."""
    if counts.objects is None:
        return "no percentage: the total is not known yet"
    if counts.objects == 0:
        return "no percentage: no objects"
    if counts.exceeded:
        return "no ETA: more objects are done than the total says"
    return "no ETA: not all counts are known" if counts.done is None else ""


def _too_early(estimate: Estimate) -> str:
    if estimate.phase is Phase.LISTING and estimate.growth:
        return _growing(estimate)
    if estimate.changes < FIRST_CHANGES:
        seen, wanted = _NUMBERS[estimate.changes], _NUMBERS[FIRST_CHANGES]
        return f"{seen} of {wanted} movements seen"
    if estimate.ran < FIRST_SECONDS:
        return f"watched for {duration(estimate.ran)} of {duration(FIRST_SECONDS)}"
    return "nothing is being copied"
