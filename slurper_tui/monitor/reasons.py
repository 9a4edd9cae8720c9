"""Why a number is missing, in words."""

from __future__ import annotations

from slurper_tui.format import duration, rate
from slurper_tui.monitor.estimate import Estimate
from slurper_tui.monitor.forecast import FIRST_CHANGES, FIRST_SECONDS
from slurper_tui.monitor.model.job import Counts, Forecast, Phase

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
