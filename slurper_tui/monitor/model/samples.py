"""Values that the history stores, which samples it keeps, and what they show of a job.

Samples are oldest first, times are UTC seconds. `spans` divides time by what a job was observed to
do; spans are half open, and times without samples are unobserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby, pairwise
from operator import itemgetter

import msgspec

from slurper_tui.api.models import Job
from slurper_tui.monitor.model.base import STEADY_SECONDS, JobKey
from slurper_tui.monitor.model.job import Counts, has_ended, job_time
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.verification import Verification


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """One successful poll as the history stores it.

    at: UTC seconds. after_gap: the job was not polled for an unusually long time before it.
    stalled: the job counted as stalled at that time.
    set_back: the clock was set back before this sample, so samples with later times are in fact
        older. Set only on a new sample.
    """

    at: float
    counts: Counts
    status: str | None
    after_gap: bool = False
    stalled: bool = False
    set_back: bool = False


class StoredJob(msgspec.Struct, frozen=True):
    """The last known state of a job.

    job: as last listed, without its source's keys. last: its newest sample; None if there is none.
    closed: it has ended for good and needs no further request.
    gone: the API no longer knows it, so later runs leave it out.
    log: row counts of its log; None if it was not read. verification: the one that counts.
    """

    account_id: str
    job: Job
    last: Recorded | None = None
    closed: bool = False
    gone: bool = False
    log: LogCounts | None = None
    verification: Verification | None = None

    @property
    def key(self) -> JobKey:
        """Identity of the job."""
        return JobKey(self.account_id, self.job.id or "")

    @property
    def over(self) -> bool:
        """Whether its last sample holds its final counts.

        The last answer of a completed job is final. After an abort, objects in flight still finish,
        so the last sample must be at least `STEADY_SECONDS` after the end.
        """
        if self.last is None or self.last.counts.done is None:
            return False
        finished = job_time(self.job.finished_at)
        steady = finished is not None and self.last.at >= finished + STEADY_SECONDS
        return self.closed or (steady and has_ended(self.job, self.last.status))


class Keeping(StrEnum):
    """Mode of a history; `HistoryView` explains the values."""

    ON = "on"
    SHARED = "shared"
    OFF = "off"
    ASKED_OFF = "off by --no-history"


class HistoryView(msgspec.Struct, frozen=True):
    """Mode of the history, and the reason if it is not fully on.

    SHARED: another instance writes to it too; nothing is lost.
    OFF: samples stay in memory while there is room, and are lost when the program ends.
    ASKED_OFF: the user disabled the history on disk.
    reason: one clause without a full stop, or "".
    """

    keeping: Keeping = Keeping.ON
    reason: str = ""

    @property
    def note(self) -> str:
        """One clause if the history is not fully on; "" otherwise."""
        if self.keeping is Keeping.ASKED_OFF:
            return ""
        if self.keeping is Keeping.ON:
            return f"history restarted: {self.reason}" if self.reason else ""
        return (
            f"history {self.keeping}: {self.reason}" if self.reason else f"history {self.keeping}"
        )


def to_ms(seconds: float) -> int:
    """Convert UTC seconds to whole milliseconds."""
    return round(seconds * 1000)


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
    """Return the samples that may be deleted; applied to what it leaves, it returns none.

    One per step is kept, and every sample that shows a change: both sides of a change of status, of
    the beginning and end of a stall and of a falling counter, the last sample before a gap and the
    first after it, the very first and the very last.

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
