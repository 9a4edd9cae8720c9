"""Divides time into spans by what a job's samples show; times without samples are unobserved.

Times are UTC seconds, spans are half open, samples are oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from slurper_tui.monitor.model.samples import Recorded


ABSENCE = 600.0
"""Seconds; a longer time without samples of any job counts as an absence of the user."""


class SpanKind(StrEnum):
    """What a job was observed to do during a span."""

    WATCHED = "watched"
    UNOBSERVED = "unobserved"
    PAUSED = "paused"
    STALLED = "stalled"


class Span(msgspec.Struct, frozen=True):
    """A time with one kind of observation of a job, or with none. since, until: UTC seconds."""

    kind: SpanKind
    since: float
    until: float

    @property
    def seconds(self) -> float:
        """The span's length in seconds."""
        return self.until - self.since


def spans(samples: Sequence[Recorded], since: float, until: float) -> tuple[Span, ...]:
    """Divide the time from `since` to `until` into spans; neighbours differ in kind.

    A sample is valid until the next one, unless there is a gap between them. The times before the
    first sample and after the last one are unobserved. A stall begins when the counters last moved.
    """
    if not samples:
        return (Span(SpanKind.UNOBSERVED, since, until),) if since < until else ()
    first, last = samples[0].at, samples[-1].at
    pieces = [(SpanKind.UNOBSERVED, since, first)]
    for (before, after), stalled in zip(pairwise(samples), _stalls(samples), strict=False):
        kind = SpanKind.WATCHED
        if after.after_gap:
            kind = SpanKind.UNOBSERVED
        elif before.status == "paused":
            kind = SpanKind.PAUSED
        elif stalled and before.status == "running":
            kind = SpanKind.STALLED
        pieces.append((kind, before.at, after.at))
    pieces.append((SpanKind.UNOBSERVED, last, until))
    cut = ((kind, max(since, begun), min(until, ended)) for kind, begun, ended in pieces)
    groups = groupby((p for p in cut if p[1] < p[2]), key=itemgetter(0))
    neighbours = ((kind, [*group]) for kind, group in groups)
    return tuple(Span(kind, group[0][1], group[-1][2]) for kind, group in neighbours)


def observed_seconds(divided: Iterable[Span]) -> float:
    """Return the observed seconds of some spans."""
    return sum((span.seconds for span in divided if span.kind is not SpanKind.UNOBSERVED), 0.0)


def unobserved(
    jobs: Iterable[Sequence[Recorded]], since: float, until: float
) -> tuple[tuple[float, float], ...]:
    """Return the (since, until) times without an observation of any job, oldest first."""
    watched = sorted(
        (max(since, a), min(until, b)) for samples in jobs for a, b in _watched(samples)
    )
    holes, seen_until = [], since
    for begun, ended in (w for w in watched if w[0] <= w[1]):
        if begun > seen_until:
            holes.append((seen_until, begun))
        seen_until = max(seen_until, ended)
    return (*holes, (seen_until, until)) if until > seen_until else tuple(holes)


def last_absence(jobs: Sequence[Sequence[Recorded]], now: float) -> float | None:
    """Return when the last absence of more than `ABSENCE` seconds began; None if there is none.

    It may not have ended yet. The time before the very first sample does not count.
    """
    first = min((samples[0].at for samples in jobs if samples), default=now)
    long = [a for a, b in unobserved(jobs, first, now) if b - a > ABSENCE]
    return long[-1] if long else None


def default_since(jobs: Sequence[Sequence[Recorded]], now: float) -> float:
    """Return the default start of a digest: the last absence, else the first sample, else `now`."""
    absence = last_absence(jobs, now)
    first = min((samples[0].at for samples in jobs if samples), default=now)
    return first if absence is None else absence


def _watched(samples: Sequence[Recorded]) -> Iterator[tuple[float, float]]:
    """Yield the (begin, end) times without a gap; a single sample has no length."""
    begun = last = None
    for sample in samples:
        if begun is None or last is None or sample.after_gap:
            if begun is not None and last is not None:
                yield begun, last
            begun = sample.at
        last = sample.at
    if begun is not None and last is not None:
        yield begun, last


def _stalls(samples: Sequence[Recorded]) -> list[bool]:
    """Return which samples are in a stall, including earlier ones with the same counters."""
    stalled = [sample.stalled for sample in samples]
    for place in range(len(samples) - 2, -1, -1):
        before, after = samples[place], samples[place + 1]
        if stalled[place + 1] and not after.after_gap:
            still = before.counts == after.counts and before.status == after.status
            stalled[place] = stalled[place] or still
    return stalled
