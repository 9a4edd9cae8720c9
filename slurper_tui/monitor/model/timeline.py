"""A job's samples thinned for a chart: one or two points per step of a time window.

`summed` adds up the traces of several jobs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded

STEPS = 240
"""Maximum number of steps per window."""

UNKNOWN_STEP = 600.0
"""Seconds; step for the window ALL when its beginning is unknown."""

_LADDER = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 360, 480, 600, 720, 900, 1200, 1800)
_LONG = (0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24)
"""`_LADDER`: step lengths in seconds; `_LONG`: longer ones in hours."""

_HUGE = 10**200
"""Upper bound for an object count; a larger one would overflow the rate to a non-finite number."""


class Trace(msgspec.Struct, frozen=True):
    """Samples of one job over one window, or the sums of several jobs' samples.

    since, until: edges of the window, UTC seconds. step: seconds.
    points: the newest sample of every step that has samples, preceded by the step's newest sample
        at which polling started or resumed, if any; oldest first. The first point may lie before
        `since`, so that the rate of the first step is known.
    begun, ended: creation and finish of the job, UTC seconds; None if unknown or not yet finished.
    of: the jobs of a sum, of which `key` is the first; empty for one job.
    """

    key: JobKey
    window: Window
    since: float
    until: float
    step: float
    points: tuple[Recorded, ...] = ()
    begun: float | None = None
    ended: float | None = None
    of: tuple[JobKey, ...] = ()


class Span(NamedTuple):
    """Time between two consecutive samples with known counts.

    since, until: UTC seconds. rate: objects per second; None across a gap in polling, and when
    the counters fell.
    """

    since: float
    until: float
    rate: float | None


def step_of(window: Window, first_at: float | None, now: float) -> float:
    """Return the step of a window that ends now, in seconds.

    first_at: when the job began, UTC seconds; None when unknown. Used only for the window ALL.
    """
    if not math.isinf(window.value):
        return window.value / STEPS
    if first_at is None:
        return UNKNOWN_STEP
    least = max(0.0, now - first_at) / STEPS
    for step in (*_LADDER, *(hours * 3600 for hours in _LONG)):
        if least <= step:
            return float(step)
    return math.ceil(least / 86_400) * 86_400.0


def trace_of(
    key: JobKey,
    window: Window,
    now: float,
    created_at: float | None,
    points: Sequence[Recorded],
) -> Trace:
    """Return the trace of a window that ends now. points: samples in any order, thinned or not.

    now, created_at: UTC seconds.
    """
    samples = sorted(points, key=attrgetter("at"))
    if math.isinf(window.value):
        first = min(filter(None, (created_at, samples[0].at if samples else None)), default=now)
        since, step = min(first, now), step_of(window, first, now)
    else:
        since, step = now - window.value, step_of(window, None, now)
    before = sum(sample.at < since for sample in samples)
    within = samples[max(0, before - 1) :]  # with the newest sample before the window
    return Trace(key, window, since, now, step, tuple(_thinned(within, step)), created_at)


def extended(trace: Trace, recorded: Recorded) -> Trace:
    """Append a new sample and drop points that have left the window.

    The trace of an ended job is not extended beyond its end. After the clock was set back, points
    with later times are dropped, because their true time is unknown.
    """
    if trace.ended is not None and recorded.at > trace.until:
        return trace
    now, points = max(trace.until, recorded.at), trace.points
    if recorded.set_back:
        now, points = recorded.at, tuple(p for p in points if p.at < recorded.at)
    points = (*points, recorded)
    longer = trace_of(trace.key, trace.window, now, trace.begun, points)
    return replace(longer, ended=trace.ended)


def moved(trace: Trace, now: float) -> Trace:
    """Move the end of the window to `now` (UTC seconds) without a new sample, unless it ended."""
    if trace.ended is not None or now <= trace.until:
        return trace
    if math.isinf(trace.window.value):
        return replace(trace, until=now)
    return replace(trace_of(trace.key, trace.window, now, trace.begun, trace.points), of=trace.of)


def summed(
    traces: Sequence[Trace], jobs: tuple[JobKey, ...], others: Iterable[Counts] = ()
) -> Trace:
    """Add up traces of one window: one point per step in which any job has a sample.

    A job's counts hold until its next sample, and before its first one, so that a job that is first
    seen late is no jump. A step has no rate if a job was not polled before its sample in it.
    traces: at least one. jobs: all jobs of the sum.
    others: the counts of the jobs without samples in the window.
    """
    step = max(trace.step for trace in traces)
    sampled = [trace.points for trace in traces if trace.points]
    held = [points[0] for points in sampled]
    constant = [Recorded(0.0, counts, None) for counts in others]
    by_step: dict[float, dict[int, tuple[Recorded, bool]]] = {}
    for place, points in enumerate(sampled):
        for point in points:
            newest = by_step.setdefault(point.at // step, {})
            gap = point.after_gap or (place in newest and newest[place][1])
            newest[place] = (point, gap)
    sums = []
    for number in sorted(by_step):
        newest = by_step[number]
        for place, (point, _) in newest.items():
            held[place] = point
        at = max(point.at for point, _ in newest.values())
        sums.append(_sum_of((*held, *constant), at, any(gap for _, gap in newest.values())))
    ends = [trace.ended for trace in traces if trace.ended is not None]
    begun = [trace.begun for trace in traces if trace.begun is not None]
    return Trace(
        key=jobs[0],
        window=traces[0].window,
        since=min(trace.since for trace in traces),
        until=max(trace.until for trace in traces),
        step=step,
        points=tuple(sums),
        begun=min(begun, default=None),
        ended=max(ends) if len(ends) == len(traces) else None,
        of=jobs,
    )


def _sum_of(samples: Sequence[Recorded], at: float, after_gap: bool) -> Recorded:
    """Add up one sample of each job. It is stalled if every running job is."""
    counted = [sample.counts for sample in samples if sample.counts.done is not None]
    counts = Counts(
        sum(one.objects or 0 for one in counted),
        sum(one.transferred or 0 for one in counted),
        sum(one.skipped or 0 for one in counted),
        sum(one.failed or 0 for one in counted),
    )
    running = [sample for sample in samples if sample.status == "running"]
    statuses = [sample.status for sample in samples if sample.status is not None]
    status = "paused" if "paused" in statuses else next(iter(statuses), None)
    return Recorded(
        at,
        counts if counted else Counts(),
        "running" if running else status,
        after_gap=after_gap,
        stalled=bool(running) and all(sample.stalled for sample in running),
    )


def _thinned(points: Iterable[Recorded], step: float) -> Iterator[Recorded]:
    """Yield the newest sample of each step, preceded by the one at which polling (re)started."""
    begin: Recorded | None = None
    for _, group in groupby(points, key=lambda point: point.at // step):
        samples = list(group)
        begin = begin or samples[0]
        back = next((s for s in reversed(samples) if s.after_gap or s is begin), samples[-1])
        if back is not samples[-1]:
            yield back
        yield samples[-1]


def spans_of(points: Iterable[Recorded]) -> Iterator[Span]:
    """Yield the spans between known counts, oldest first; samples with equal times make none."""
    at, done, gap = 0.0, None, False
    for point in points:
        gap = gap or point.after_gap
        counted = point.counts.done
        if counted is None or (done is not None and point.at <= at):
            continue
        if done is not None:
            moved, seconds = min(counted - done, _HUGE), point.at - at
            yield Span(at, point.at, None if gap or moved < 0 else moved / seconds)
        at, done, gap = point.at, counted, False
