"""The newest sample of every step, of samples that are at hand. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from msgspec.structs import replace

from slurper_tui.monitor.history.rows import to_ms
from slurper_tui.monitor.recorded import Recorded


def last_of_each(samples: Iterable[Recorded], step: float) -> tuple[Recorded, ...]:
    """Give the newest of every `step` seconds, with `after_gap` when any of the step has it.

    samples: oldest first. Of what was given once, it gives the same again.
    """
    each = max(1, to_ms(step))
    steps = (list(told) for _, told in groupby(samples, lambda s: to_ms(s.at) // each))
    return tuple(
        replace(told[-1], after_gap=any(sample.after_gap for sample in told)) for told in steps
    )
