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
from slurper_tui.monitor.estimate.rates import NOTHING, banked
from slurper_tui.monitor.estimate.record import Record, TimeLeft, time_left
from slurper_tui.monitor.model.job import Counts, Forecast, Phase, Prospect

if TYPE_CHECKING:
    from slurper_tui.monitor.estimate.estimator import Estimate, Sample
    from slurper_tui.monitor.estimate.sharing import Share
    from slurper_tui.monitor.model.base import Moment

FIRST_CHANGES = 3
FIRST_SECONDS = 60.0
"""Changes and seconds of running time that a forecast from the polls takes. Before, the mean since
`createdAt` is used if there is one."""

AGREEING = 1.2
"""If the mean rate since `createdAt` is within this factor of that of the polls, the time before
the polls counts as observed."""

KEPT = 0.15
MOST_RATIO = 16.0
"""A displayed range is kept while the time left to each end is off by at most a factor: the ratio
of the new range's ends, limited to MOST_RATIO, to the power of KEPT."""

BOUND_SLACK = 1.3
"""A displayed lower bound is kept until the new one is this many times as far ahead."""

STEPS = ((3600.0, 60.0), (21_600.0, 300.0), (86_400.0, 900.0), (math.inf, 1800.0))
"""Each end of a range is rounded outwards: (less than this many seconds ahead, to this many)."""


class Guess(msgspec.Struct, frozen=True):
    """A forecast before rounding. low, point, high: the finish, UTC seconds."""

    low: float
    point: float
    high: float
    at_least: bool = False
    seeded: bool = False


def forecast(
    estimate: Estimate,
    now: Moment,
    created_at: float | None,
    shown: Forecast | None,
    share: Share | None = None,
) -> Forecast | None:
    """Return the range to display, or None if the data does not support one.

    created_at: UTC seconds; None when unknown.
    share: the job among those with which it shares a bandwidth; None if it shares none.
    shown: the range displayed now; it is kept while it is still valid (see `_is_valid`).
    """
    guess = guessed(estimate, now, created_at, share)
    if guess is None:
        return None
    if shown is not None and _is_valid(shown, guess, now):
        return replace(shown, low=max(shown.low, now.wall), made_at=now.wall)
    first, last = _step(guess.low - now.wall), _step(guess.high - now.wall)
    low = max(math.floor(guess.low / first) * first, now.wall)
    high = math.ceil(guess.high / last) * last
    high = high if high > low else high + last
    return Forecast(low, high, now.wall, guess.at_least, guess.seeded)


def guessed(
    estimate: Estimate, now: Moment, created_at: float | None, share: Share | None = None
) -> Guess | None:
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
    if share is not None and not seeded and not estimate.growing:
        ahead = share.time_left(remaining) or ahead
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
    least = ahead.least if estimate.growing else ahead.low
    low = math.floor(least / _step(least)) * _step(least)
    high = math.ceil(ahead.high / _step(ahead.high)) * _step(ahead.high)
    return Prospect(low, high, ahead.rate, estimate.growing, seeded=seeded)


def _time_left(
    estimate: Estimate, now: Moment, created_at: float | None, remaining: int, idle: float
) -> tuple[TimeLeft | None, bool]:
    """Return how long the remaining objects need, and whether only the time before polls is known.

    None if neither the polls nor the time before them say so.
    """
    seeded = estimate.changes < FIRST_CHANGES or estimate.ran < FIRST_SECONDS
    before, done = _before(estimate, now, created_at)
    if seeded:
        bank = banked(NOTHING, before, done) if done else NOTHING
        ahead = time_left(Record(), bank, remaining)
    else:
        since = (_done(estimate.last) - _done(estimate.first)) / estimate.ran
        agreed = done and since / AGREEING <= done / before <= since * AGREEING
        progress = estimate.progress
        ahead = time_left(
            progress.record, progress.bank, remaining, idle, before if agreed else 0.0
        )
    return ahead if ahead is not None and math.isfinite(ahead.high) else None, seeded


def _done(sample: Sample | None) -> int:
    return (sample.counts.done or 0) if sample is not None else 0


def _before(estimate: Estimate, now: Moment, created_at: float | None) -> tuple[float, int]:
    """Return the seconds from `createdAt` to the first poll and the objects done then.

    No seconds and no objects if either is unknown.
    """
    first = estimate.first
    if first is None or created_at is None or estimate.fell or not first.counts.done:
        return 0.0, 0
    age = (now.wall - created_at) - (now.mono - first.at)
    if not age >= FIRST_SECONDS or not math.isfinite(age):
        return 0.0, 0
    return age, first.counts.done


def _is_valid(shown: Forecast, guess: Guess, now: Moment) -> bool:
    """Return True if the displayed range is still valid.

    It must be of the same kind as the new one, end in the future, and have both ends near those of
    the new one. A lower bound must still be true and not much too low.
    """
    if (shown.at_least, shown.seeded) != (guess.at_least, guess.seeded):
        return False
    new_low, new_high = guess.low - now.wall, guess.high - now.wall
    low, high = shown.low - now.wall, shown.high - now.wall
    if guess.at_least:
        return new_low / BOUND_SLACK - _step(new_low) <= low <= new_low
    slack = min(max(new_high, 1.0) / max(new_low, 1.0), MOST_RATIO) ** KEPT
    fits_low = new_low / slack - _step(new_low) <= low <= new_low * slack
    return fits_low and new_high / slack <= high <= new_high * slack + _step(new_high) and high > 0


def _step(ahead: float) -> float:
    """Return the seconds to which an end is rounded. ahead: seconds from now."""
    return next(step for limit, step in STEPS if ahead < limit)


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
