"""Which old samples of a job are stored.

Of samples older than a day, one per ten minutes is stored, and every sample that shows a change:
both sides of a change of status, of the beginning and end of a stall and of a falling counter, the
last sample before a gap and the first after it, the very first and the very last.

All functions are pure; applying one to its own result changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from slurper_tui.monitor.model.job import Counts

if TYPE_CHECKING:
    from slurper_tui.monitor.model.samples import Recorded

WHOLE_SECONDS = 86_400.0
"""Every sample younger than this is kept."""

STEP_SECONDS = 600.0
"""Older samples: one is kept per step of this many seconds, aligned to UTC."""


def step_start(at: float) -> float:
    """Return the beginning of the step that contains a time; both in UTC seconds."""
    return at // STEP_SECONDS * STEP_SECONDS


def superfluous(
    samples: Sequence[Recorded], before: Recorded | None = None, after: Recorded | None = None
) -> tuple[Recorded, ...]:
    """Return the samples that may be deleted.

    samples: of one job, in whole steps, oldest first.
    before, after: the neighbouring samples, which are kept; None if there is none.
    """
    line = [*([before] if before else []), *samples, *([after] if after else [])]
    needed: set[float] = set()
    # Both samples around each change of status, stall or gap.
    for one, other in pairwise(line):
        if one.status != other.status or one.stalled != other.stalled or other.after_gap:
            needed |= {one.at, other.at}
    # Both samples around each fall of a counter.
    for name in Counts.__struct_fields__:
        values = ((s.at, getattr(s.counts, name)) for s in line)
        counted = [(at, value) for at, value in values if value is not None]
        for (at, value), (then, lower) in pairwise(counted):
            if lower < value:
                needed |= {at, then}
    if samples and before is None:
        needed.add(samples[0].at)
    if samples and after is None:
        needed.add(samples[-1].at)
    # Of each step, the newest sample with complete counts, else the newest.
    for _, group in groupby(samples, lambda s: step_start(s.at)):
        step = list(group)
        whole = (s for s in reversed(step) if None not in (s.counts.objects, s.counts.done))
        needed.add(next(whole, step[-1]).at)
    return tuple(sample for sample in samples if sample.at not in needed)
