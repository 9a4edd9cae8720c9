"""What was seen of a job, and for how long; nothing is claimed for times when nobody looked.

Times are UTC seconds, spans half open, samples oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby, pairwise

import msgspec

from slurper_tui.monitor.model.samples import Recorded

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
    if not samples:
        return (Span(Seen.UNOBSERVED, since, until),) if since < until else ()
    first, last = samples[0].at, samples[-1].at
    seen = zip(pairwise(samples), _stalls(samples), strict=False)
    pieces = (
        (Seen.UNOBSERVED, since, first),
        *((_kind(a, b, stalled), a.at, b.at) for (a, b), stalled in seen),
        (Seen.UNOBSERVED, last, until),
    )
    return tuple(_merged(pieces, since, until))


def observed_seconds(samples: Sequence[Recorded], since: float, until: float) -> float:
    """How much of the time from `since` to `until` somebody was looking."""
    return seen_seconds(spans(samples, since, until))


def seen_seconds(divided: Iterable[Span]) -> float:
    """How much of some spans somebody was looking."""
    return sum((span.seconds for span in divided if span.kind is not Seen.UNOBSERVED), 0.0)


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


def _kind(before: Recorded, after: Recorded, stalled: bool) -> Seen:
    """What the time between two samples was seen to be."""
    if after.after_gap:
        return Seen.UNOBSERVED
    if before.status == "paused":
        return Seen.PAUSED
    return Seen.STALLED if stalled and before.status == "running" else Seen.WATCHED


def _stalls(samples: Sequence[Recorded]) -> list[bool]:
    """Which samples belong to a stall: those too that led up to it, for no counter moved since."""
    stalled = [sample.stalled for sample in samples]
    for place in range(len(samples) - 2, -1, -1):
        before, after = samples[place], samples[place + 1]
        if stalled[place + 1] and not after.after_gap:
            still = before.counts == after.counts and before.status == after.status
            stalled[place] = stalled[place] or still
    return stalled


_Piece = tuple[Seen, float, float]
"""A span that may have no length."""


def _merged(pieces: Iterable[_Piece], since: float, until: float) -> Iterator[Span]:
    """Cut the pieces at both ends, and make one of neighbours that are alike."""
    cut = ((kind, max(since, a), min(until, b)) for kind, a, b in pieces)
    for kind, alike in groupby((piece for piece in cut if piece[1] < piece[2]), key=_first):
        whole = [*alike]
        yield Span(kind, whole[0][1], whole[-1][2])


def _first(piece: _Piece) -> Seen:
    return piece[0]
