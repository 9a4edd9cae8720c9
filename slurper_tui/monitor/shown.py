"""What may be claimed of a job: nothing about its pace unless it runs and its data is fresh."""

from __future__ import annotations

from slurper_tui.monitor.view import Forecast, JobView, Phase


def is_fresh(view: JobView) -> bool:
    """It runs, and what is known of it was told lately and to this very run."""
    return view.live and view.status == "running" and not (view.stale or view.remembered)


def shown_rate(view: JobView) -> float | None:
    """Objects per second, for as long as the job can have a rate."""
    return view.rate if is_fresh(view) else None


def shown_forecast(view: JobView) -> Forecast | None:
    """When it will be done, unless it stands still or nobody can know."""
    return view.forecast if is_fresh(view) and view.phase is not Phase.STALLED else None
