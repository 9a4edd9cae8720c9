"""Forecast of a job's finish as a range, and the reason in words if there is none.

The rate is averaged over a horizon that grows with the remaining time: a distant finish is
predicted from a long past, a near one from the last minutes. The range follows from what became of
the job's earlier forecasts (`record`).

`guessed` computes the range, `forecast` rounds it and keeps the previous one while still valid.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from slurper_tui.format import duration, rate
from slurper_tui.monitor.estimate.rates import NOTHING, Bank, banked
from slurper_tui.monitor.estimate.record import Record, TimeLeft, time_left
from slurper_tui.monitor.model.job import Counts, Forecast, Phase, Prospect

if TYPE_CHECKING:
    from slurper_tui.monitor.estimate.estimator import Estimate
    from slurper_tui.monitor.model.base import Moment

FIRST_CHANGES = 3
FIRST_SECONDS = 60.0
"""Changes and seconds of running time that a forecast from the polls takes. Before, the mean since
`createdAt` is used if there is one."""

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

    @property
    def middle(self) -> float:
        """The middle of the range."""
        return (self.low + self.high) / 2


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
    remaining = last.counts.remaining
    if not last.counts.objects or remaining is None or last.counts.exceeded:
        return None
    ahead, seeded = _time_left(estimate, now, created_at, remaining, estimate.idle)
    if ahead is None:
        return None
    waited = 0.0 if seeded else estimate.ran - estimate.progress.at - estimate.idle
    part = max(0.0, 1 - waited / ahead.seconds) if ahead.seconds > 0 else 0.0
    return Guess(
        now.wall + part * (ahead.least if estimate.growing else ahead.low),
        now.wall + part * ahead.seconds,
        now.wall + part * ahead.high,
        estimate.growing,
        seeded,
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
    if not remaining or last.counts.exceeded:
        return None
    ahead, seeded = _time_left(estimate, now, created_at, remaining, 0.0)
    if ahead is None:
        return None
    step = SHORT_STEP if ahead.seconds < SHORT_SECONDS else LONG_STEP
    least = ahead.least if estimate.growing else ahead.low
    low = math.floor(least / step) * step
    high = math.ceil(ahead.high / step) * step
    return Prospect(low, high, ahead.rate, estimate.growing, seeded=seeded)


def _time_left(
    estimate: Estimate, now: Moment, created_at: float | None, remaining: int, idle: float
) -> tuple[TimeLeft | None, bool]:
    """Return how long the remaining objects need, and whether only the time before polls is known.

    None if neither the polls nor the time before them say so.
    """
    seeded = estimate.changes < FIRST_CHANGES or estimate.ran < FIRST_SECONDS
    record, bank = estimate.progress.record, estimate.progress.bank
    if seeded:
        record, bank, idle = Record(), _before(estimate, now, created_at), 0.0
    ahead = time_left(record, bank, remaining, idle)
    return ahead if ahead is not None and math.isfinite(ahead.high) else None, seeded


def _before(estimate: Estimate, now: Moment, created_at: float | None) -> Bank:
    """Return the mean rate from `createdAt` to the first poll, as a bank; empty if unknown."""
    first = estimate.first
    if first is None or created_at is None or estimate.fell or not first.counts.done:
        return NOTHING
    age = (now.wall - created_at) - (now.mono - first.at)
    if not age >= FIRST_SECONDS or not math.isfinite(age):
        return NOTHING
    return banked(NOTHING, age, first.counts.done)


def _is_valid(shown: Forecast, guess: Guess, now: Moment) -> bool:
    """Return True if the displayed range is still valid.

    It must be of the same kind as the new one, end in the future, be neither much wider nor much
    narrower, and have its middle near the new one: within a tenth of the new width or one
    rounding step. A lower bound must still be true and not much too low.
    """
    if (shown.at_least, shown.seeded) != (guess.at_least, guess.seeded):
        return False
    if guess.at_least:
        far = now.wall + (guess.low - now.wall) / BOUND_SLACK - _step(guess, now)
        return far <= shown.low <= guess.low
    step, width = _step(guess, now), guess.high - guess.low
    off = abs((shown.low + shown.high) / 2 - guess.middle)
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
