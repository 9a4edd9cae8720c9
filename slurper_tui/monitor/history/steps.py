"""The samples that tell a long past in few, of samples that are at hand. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from slurper_tui.monitor.history.rows import to_ms
from slurper_tui.monitor.model.samples import Recorded


def last_of_each(samples: Sequence[Recorded], step: float) -> tuple[Recorded, ...]:
    """Give the first, the newest of every `step` seconds, and both sides of every gap.

    samples: oldest first. Of what was given once, it gives the same again.
    """
    wanted = set(_places(samples, max(1, to_ms(step))))
    return tuple(sample for place, sample in enumerate(samples) if place in wanted)


def _places(samples: Sequence[Recorded], step: int) -> Iterator[int]:
    yield from {0, len(samples) - 1}
    for place, (one, other) in enumerate(pairwise(samples)):
        if other.after_gap:
            yield from (place, place + 1)
        elif to_ms(one.at) // step != to_ms(other.at) // step:
            yield place
