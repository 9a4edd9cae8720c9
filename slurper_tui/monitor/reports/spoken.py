"""Sentences about jobs for a screen reader: no symbols, no abbreviations."""

from __future__ import annotations

from slurper_tui.eta_format import eta_spoken
from slurper_tui.monitor.model.job import JobView, State, shown_forecast

_STATES = {
    State.LISTING: "listing, so the total still grows",
    State.FAILING: "running, but many objects fail",
    State.VERIFIED: "completed, and every object is proven to be in the target",
    State.COMPLETED_UNREAD: "completed, but why objects were skipped is not known yet",
    State.COMPLETED_WITH_LOSS: "completed, but objects are missing",
    State.ABORTED: "aborted",
    State.GONE: "gone: the server no longer lists it",
}
"""Words for a state where its own word has a sign or needs an explanation."""


def spoken(view: JobView) -> str:
    """Return `photos-prod/2024 to media: 35 percent, 4 failed, done in 6 to 9 hours.`

    The status is left out while the job simply runs.
    """
    parts = [] if view.state is State.RUNNING else [_STATES.get(view.state, view.word)]
    if view.percent is not None:
        parts.append(f"{'about ' if view.provisional else ''}{view.percent} percent")
    lost = view.verdict
    numbers = (
        (view.counts.failed, "failed"),
        (lost and lost.not_copied, "not copied"),
        (lost and lost.unaccounted, "unaccounted for"),
        (lost and lost.unread, "skipped for reasons not read yet"),
        (lost and lost.unexplained, "skipped for unknown reasons"),
    )
    parts += [f"{number} {what}" for number, what in numbers if number]
    if (forecast := shown_forecast(view)) is not None:
        low, high = forecast.low_seconds, forecast.high_seconds
        left = eta_spoken(low, high, at_least=forecast.at_least)
        parts += [f"done in {left}"] if left else []
    return f"{_name(view)}: {', '.join(parts) or 'nothing known yet'}."


def _name(view: JobView) -> str:
    """Return `photos-prod/2024 to media`; a slash at the end is not read out."""
    source, target = view.job.source, view.job.target
    left = "an unknown bucket"
    if source is not None and source.bucket:
        left = f"{source.bucket}/{source.path_prefix or ''}".rstrip("/")
    return f"{left} to {(target and target.bucket) or 'an unknown bucket'}"
