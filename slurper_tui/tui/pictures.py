"""The pictures of the detail pane: how fast a job went, and how far it has come."""

from __future__ import annotations

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
    view: JobView, trace: Trace | None, facts: Facts, width: int, *, key: str
) -> tuple[Line, ...]:
    """Draw both below each other; nothing while there is no past to show.

    key: what switches how far back they reach, as a person reads it.
    """
    if trace is None or trace.key != view.key or not trace.points:
        return ()
    rate, progress = _heights(width)
    return (
        *rate_picture(trace, facts.look, width, rate, key=key),
        (),
        *_progress(view, trace, facts, width, progress),
    )


def wide_picture_lines(
    view: JobView, trace: Trace | None, facts: Facts, width: int, *, key: str
) -> tuple[Line, ...]:
    """Draw both beside each other."""
    if trace is None or trace.key != view.key or not trace.points:
        return ()
    half = (width - GAP) // 2
    height = _heights(width)[0]
    left = rate_picture(trace, facts.look, half, height, key=key)
    right = _progress(view, trace, facts, half, height)
    return tuple(
        (*fill(one, half), Piece(" " * GAP), *other) for one, other in zip(left, right, strict=True)
    )


def _heights(width: int) -> tuple[int, int]:
    return (5, 4) if width >= ROOMY else (3, 2)


def _progress(
    view: JobView, trace: Trace, facts: Facts, width: int, height: int
) -> tuple[Line, ...]:
    return progress_picture(trace, shown_forecast(view), facts.now, facts.look, width, height)
