"""The pictures of the detail pane: how fast a job went, and how far it has come."""

from __future__ import annotations

from itertools import zip_longest

from slurper_tui.monitor.shown import shown_forecast
from slurper_tui.monitor.trace import Trace
from slurper_tui.monitor.view import JobView
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
    if beside:
        half = (width - GAP) // 2
        rate, progress = _drawn(view, trace, facts, half, key)
        return tuple(_joined(one, other, half) for one, other in zip_longest(rate, progress))
    rate, progress = _drawn(view, trace, facts, width, key)
    return (*rate, (), *progress)


def _drawn(
    view: JobView, trace: Trace, facts: Facts, width: int, key: str
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    high, low = (5, 4) if width >= ROOMY else (3, 2)
    rate = rate_picture(trace, facts.look, width, high, key=key)
    forecast = shown_forecast(view)
    return rate, progress_picture(trace, forecast, facts.now, facts.look, width, low)


def _joined(one: Line | None, other: Line | None, half: int) -> Line:
    return (*fill(one or (), half), Piece(" " * GAP), *(other or ()))
