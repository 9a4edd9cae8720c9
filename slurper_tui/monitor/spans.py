"""What was seen of a job, and for how long; nothing is claimed for times when nobody looked.

Times are UTC seconds, spans half open, samples oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.recorded import Recorded

ABSENCE = 600.0
"""Seconds; who has not looked for longer than this was away."""


class Seen(StrEnum):
    """What a span was seen to be."""

    WATCHED = "watched"
    UNOBSERVED = "unobserved"
    PAUSED = "paused"
    STALLED = "stalled"


class Span(msgspec.Struct, frozen=True):
    """A time in which a job was seen to be one thing, or was not seen at all."""

    kind: Seen
    since: float
    until: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.until - self.since


def spans(samples: Sequence[Recorded], since: float, until: float) -> tuple[Span, ...]:
    """Divide the time from `since` to `until` by what was seen; no two neighbours are alike.

    What a sample told holds until the next one, unless nobody looked in between. Before the first
    and behind the last sample, nobody did. A stall begins with the counters' last move.
    """
    pieces = [*_between(_stalled_from_the_start(samples))]
    edges = [Span(Seen.UNOBSERVED, since, samples[0].at if samples else until)]
    if samples:
        edges.append(Span(Seen.UNOBSERVED, samples[-1].at, until))
    ordered = [edges[0], *pieces, *edges[1:]]
    return tuple(_merged(_clipped(ordered, since, until)))


def observed_seconds(samples: Sequence[Recorded], since: float, until: float) -> float:
    """How much of the time from `since` to `until` somebody was looking."""
    seen = spans(samples, since, until)
    return sum((span.seconds for span in seen if span.kind is not Seen.UNOBSERVED), 0.0)


def unobserved(
    jobs: Iterable[Sequence[Recorded]], since: float, until: float
) -> tuple[tuple[float, float], ...]:
    """The times, oldest first, in which nobody looked at any of the jobs."""
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
    """When the last absence began that lasted for more than ten minutes; None without one.

    It may still be going on. The time before the very first sample is none.
    """
    first = min((samples[0].at for samples in jobs if samples), default=now)
    long = [a for a, b in unobserved(jobs, first, now) if b - a > ABSENCE]
    return long[-1] if long else None


def default_since(jobs: Sequence[Sequence[Recorded]], now: float) -> float:
    """Where an account of what happened begins: with the last absence, else the first sample."""
    absence = last_absence(jobs, now)
    if absence is not None:
        return absence
    return min((samples[0].at for samples in jobs if samples), default=now)


def _watched(samples: Sequence[Recorded]) -> Iterator[tuple[float, float]]:
    """The unbroken times of looking; a sample that stands alone takes no time."""
    begun = last = None
    for sample in samples:
        if begun is None or last is None or sample.after_gap:
            if begun is not None and last is not None:
                yield begun, last
            begun = sample.at
        last = sample.at
    if begun is not None and last is not None:
        yield begun, last


def _between(samples: Sequence[Recorded]) -> Iterator[Span]:
    for before, after in pairwise(samples):
        kind = Seen.UNOBSERVED if after.after_gap else _kind(before)
        yield Span(kind, before.at, after.at)


def _kind(sample: Recorded) -> Seen:
    if sample.status == "paused":
        return Seen.PAUSED
    return Seen.STALLED if sample.stalled and sample.status == "running" else Seen.WATCHED


def _stalled_from_the_start(samples: Sequence[Recorded]) -> list[Recorded]:
    """Mark those samples too that led up to a stall: no counter moved after them."""
    marked = list(samples)
    for place in range(len(marked) - 2, -1, -1):
        before, after = marked[place], marked[place + 1]
        still = before.counts == after.counts and before.status == after.status
        if after.stalled and still and not after.after_gap:
            marked[place] = replace(before, stalled=True)
    return marked


def _clipped(pieces: Iterable[Span], since: float, until: float) -> Iterator[Span]:
    for piece in pieces:
        begun, ended = max(since, piece.since), min(until, piece.until)
        if begun < ended:
            yield Span(piece.kind, begun, ended)


def _merged(pieces: Iterable[Span]) -> Iterator[Span]:
    """Make one of neighbours that are alike."""
    last: Span | None = None
    for piece in pieces:
        if last is not None and last.kind is piece.kind:
            last = replace(last, until=piece.until)
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last
