"""When a job will be done, as a range that is shown."""

from __future__ import annotations

from slurper_tui.monitor.estimate import Estimate
from slurper_tui.monitor.moment import Moment
from slurper_tui.monitor.view import Forecast


def forecast(
    estimate: Estimate, now: Moment, created_at: float | None, shown: Forecast | None
) -> Forecast | None:
    """Give the range to show, or None where nothing honest can be said.

    created_at: UTC seconds, None when unknown. shown: what stands on the screen now.
    """
    del estimate, now, created_at, shown
    return None
