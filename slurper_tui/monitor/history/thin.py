"""Which old samples may go. Pure: samples in, samples out.

What is older than a day is left with one sample for every ten minutes, and with everything that
tells a change: both sides of another status, of the beginning and the end of a stall and of a
counter that fell, the last sample before a gap and the first after it, the very first and the very
last. Doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded

WHOLE_SECONDS = 86_400.0
"""For so long every sample is kept."""

STEP_SECONDS = 600.0
"""Of so many seconds one sample is kept after that, in steps aligned to UTC."""

_Line = Sequence[Recorded]


def step_start(at: float) -> float:
    """Give the beginning of the step that a time lies in, both in UTC seconds."""
    return at // STEP_SECONDS * STEP_SECONDS


def superfluous(
    samples: _Line, before: Recorded | None = None, after: Recorded | None = None
) -> tuple[Recorded, ...]:
    """Give those samples that may go. samples: of one job, in whole steps, oldest first.

    before, after: their neighbours, which are not in question; None where there is none.
    """
    line = [*([before] if before else []), *samples, *([after] if after else [])]
    needed = {*_edges(line), *_falls(line)}
    if samples:
        needed |= {samples[0].at} if before is None else set()
        needed |= {samples[-1].at} if after is None else set()
    needed |= {_chosen(list(step)).at for _, step in groupby(samples, lambda s: step_start(s.at))}
    return tuple(sample for sample in samples if sample.at not in needed)


def _chosen(step: _Line) -> Recorded:
    """The one that stands for its step: the newest of those whose counts are all known."""
    return next((s for s in reversed(step) if _is_whole(s.counts)), step[-1])


def _is_whole(counts: Counts) -> bool:
    return counts.objects is not None and counts.done is not None


def _edges(line: _Line) -> Iterator[float]:
    """When something began or ended: both sides of it."""
    for one, other in pairwise(line):
        if one.status != other.status or one.stalled != other.stalled or other.after_gap:
            yield one.at
            yield other.at


def _falls(line: _Line) -> Iterator[float]:
    """When a counter was told to be lower than it last was: both sides of it."""
    for values in zip(*(_numbers(s.counts) for s in line), strict=True):
        known = [(s.at, value) for s, value in zip(line, values, strict=True) if value is not None]
        for (at, value), (then, lower) in pairwise(known):
            if lower < value:
                yield at
                yield then


def _numbers(counts: Counts) -> tuple[int | None, ...]:
    return (counts.objects, counts.transferred, counts.skipped, counts.failed)
