"""Why a number is missing, in words."""

from __future__ import annotations

from slurper_tui.monitor.estimate import Estimate
from slurper_tui.monitor.view import Forecast


def reason(estimate: Estimate, forecast: Forecast | None, *, stale: bool) -> str:
    """Say why there is no forecast, or only half of one; "" when nothing is missing."""
    del estimate, forecast, stale
    return ""
