"""The pictures of the detail pane: how fast a job went, and how far it has come."""

from __future__ import annotations

from slurper_tui.monitor.model.job import JobView, shown_forecast
from slurper_tui.monitor.model.timeline import Trace
from slurper_tui.tui.columns import Facts
from slurper_tui.tui.lines import Line, Piece, fill
from slurper_tui.tui.picture import rate_picture
from slurper_tui.tui.picture_progress import progress_picture

ROOMY = 50
"""The width from which on pictures are higher."""

GAP = 4


def picture_lines(
    view: JobView, trace: Trace, facts: Facts, width: int, *, key: str, beside: bool
) -> tuple[Line, ...]:
    """Draw both, `beside` or below each other.

    key: what switches how far back they reach, as a person reads it.
    """
    high, low = (5, 4) if width >= ROOMY else (3, 2)
    if not beside:
        rate, progress = _drawn(view, trace, facts, width, (high, low), key)
        return (*rate, (), *progress)
    half = (width - GAP) // 2
    both = zip(*_drawn(view, trace, facts, half, (high, high), key), strict=True)
    return tuple((*fill(one, half), Piece(" " * GAP), *other) for one, other in both)


def _drawn(
    view: JobView, trace: Trace, facts: Facts, width: int, heights: tuple[int, int], key: str
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The rate and the progress, in so many rows each."""
    rate = rate_picture(trace, facts.look, width, heights[0], key=key)
    forecast, growing = shown_forecast(view), view.growing
    return rate, progress_picture(
        trace, forecast, facts.now, facts.look, width, heights[1], growing=growing
    )
