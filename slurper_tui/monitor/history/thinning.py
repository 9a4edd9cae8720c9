"""Which samples of a job are enough: to be stored when they are old, and to draw a chart.

Of samples older than a day, one per ten minutes is stored, and every sample that shows a change:
both sides of a change of status, of the beginning and end of a stall and of a falling counter, the
last sample before a gap and the first after it, the very first and the very last.

All functions are pure; applying one to its own result changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from slurper_tui.monitor.history.codecs import to_ms
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded

WHOLE_SECONDS = 86_400.0
"""Every sample younger than this is kept."""

STEP_SECONDS = 600.0
"""Older samples: one is kept per step of this many seconds, aligned to UTC."""

_Line = Sequence[Recorded]


def step_start(at: float) -> float:
    """Return the beginning of the step that contains a time; both in UTC seconds."""
    return at // STEP_SECONDS * STEP_SECONDS


def superfluous(
    samples: _Line, before: Recorded | None = None, after: Recorded | None = None
) -> tuple[Recorded, ...]:
    """Return the samples that may be deleted.

    samples: of one job, in whole steps, oldest first.
    before, after: the neighbouring samples, which are kept; None if there is none.
    """
    line = [*([before] if before else []), *samples, *([after] if after else [])]
    needed = {*_edges(line), *_falls(line)}
    if samples:
        needed |= {samples[0].at} if before is None else set()
        needed |= {samples[-1].at} if after is None else set()
    needed |= {
        _representative(list(step)).at for _, step in groupby(samples, lambda s: step_start(s.at))
    }
    return tuple(sample for sample in samples if sample.at not in needed)


def _representative(step: _Line) -> Recorded:
    """Return the sample to keep for a step: the newest with complete counts, else the newest."""
    whole = (s for s in reversed(step) if None not in (s.counts.objects, s.counts.done))
    return next(whole, step[-1])


def _edges(line: _Line) -> Iterator[float]:
    """Yield the times of both samples around each change of status, stall or gap."""
    for one, other in pairwise(line):
        if one.status != other.status or one.stalled != other.stalled or other.after_gap:
            yield one.at
            yield other.at


def _falls(line: _Line) -> Iterator[float]:
    """Yield the times of both samples around each fall of a counter."""
    for name in Counts.__struct_fields__:
        values = ((s.at, getattr(s.counts, name)) for s in line)
        known = [(at, value) for at, value in values if value is not None]
        for (at, value), (then, lower) in pairwise(known):
            if lower < value:
                yield at
                yield then


def last_of_each(samples: Sequence[Recorded], step: float) -> tuple[Recorded, ...]:
    """Return the first and last sample, the newest of every `step` seconds, and both sides of gaps.

    samples: oldest first.
    """
    step_ms = max(1, to_ms(step))
    chosen = {0, len(samples) - 1}
    for place, (one, other) in enumerate(pairwise(samples)):
        if other.after_gap:
            chosen |= {place, place + 1}
        elif to_ms(one.at) // step_ms != to_ms(other.at) // step_ms:
            chosen.add(place)
    return tuple(sample for place, sample in enumerate(samples) if place in chosen)
