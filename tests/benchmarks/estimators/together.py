"""Three jobs of one account at the same time, that share a bandwidth or do not.

The forecasts are those that the monitor shows, with and without what it knows of the other jobs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from slurper_tui.api.models import Job, Progress
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import shown_forecast
from slurper_tui.monitor.polling.account_tracker import AccountTrack
from slurper_tui.monitor.polling.job_tracker import JobTrack
from tests.benchmarks.estimators.families import LONG_POLL, Noise, drawn
from tests.benchmarks.estimators.judge import (
    CREATED,
    CREATED_AT,
    Point,
    Score,
    pooled,
    score,
    share,
)
from tests.benchmarks.estimators.traces import HOUR, POLL, JobBuilder, Trace, polled_every, trace_of

JOBS = 3
BANDWIDTH = 200.0


def trio(seed: int, *, shared: bool) -> list[Trace]:
    """Return three jobs of different length that begin together.

    shared: one bandwidth is divided between those that still run, in parts that vary; otherwise
        each has its own, which varies as much.
    """
    rng = random.Random(seed)
    jobs = [JobBuilder(random.Random(f"{seed} {n}")) for n in range(JOBS)]
    totals = [BANDWIDTH * drawn(rng, 0.3, 3.0) * HOUR for _ in jobs]
    whole = Noise(rng, (300, 0.1), (7200, 0.1))
    parts = [Noise(rng, (900, rng.uniform(0.15, 0.4))) for _ in jobs]
    while live := [n for n in range(JOBS) if jobs[n].done < totals[n]]:
        demands, factor = [part.after(POLL) for part in parts], whole.after(POLL)
        wanted = sum(demands[n] for n in live) if shared else JOBS
        for n in live:
            jobs[n].run(BANDWIDTH * (factor if shared else 1) * demands[n] / wanted)
    return [trace_of("trio", seed, job) for job in jobs]


def judged(traces: Sequence[Trace], *, together: bool) -> list[Score]:
    """Return the score of each job; together: their forecasts know of the other jobs."""
    account, interval = AccountTrack("account"), traces[0].polls[1].at - traces[0].polls[0].at
    points = [list[Point | None]() for _ in traces]
    polls = sorted((poll.at, n, poll) for n, trace in enumerate(traces) for poll in trace.polls)
    for n in range(len(traces)):
        account.jobs[str(n)] = JobTrack("account", Job(id=str(n), status="running"))
    for at, n, poll in polls:
        track, now = account.jobs[str(n)], Moment(at, CREATED + at)
        last = poll is traces[n].polls[-1]
        progress = Progress(
            status="completed" if last else "running",
            created_at=CREATED_AT,
            objects=poll.counts.objects,
            transferred_objects=poll.counts.transferred,
            skipped_objects=0,
            failed_objects=0,
        )
        known = account.share_of(track.job_id) if together else None
        track.update(progress, now, interval=interval, share=known)
        account.round_begins(at, interval, blocked=False)
        shown = shown_forecast(track.view)
        point = None
        if shown is not None:
            point = Point(at, at + shown.seconds, shown.low - CREATED, shown.high - CREATED)
        points[n].append(point)
    return [
        score(trace, said, [True] * len(said)) for trace, said in zip(traces, points, strict=True)
    ]


def compared(seeds: Sequence[int], *, shared: bool) -> Iterator[tuple[list[Score], list[Score]]]:
    """Yield the scores of the jobs of each seed, each job alone and all together."""
    for seed in seeds:
        whole = trio(seed, shared=shared)
        for traces in (whole, [polled_every(trace, LONG_POLL) for trace in whole]):
            yield judged(traces, together=False), judged(traces, together=True)


def lines(seeds: Sequence[int]) -> Iterator[str]:
    """Yield a line with the figures of each case, as `slurper-tui help forecast` has them."""
    for shared, title in ((True, "three jobs, one bandwidth"), (False, "three jobs, each its own")):
        pairs = list(compared(seeds, shared=shared))
        for place, word in enumerate(("alone", "together")):
            scores = [one for pair in pairs for one in pair[place]]
            median, ninetieth = (pooled(scores, lambda s: s.errors, part) for part in (0.5, 0.9))
            held, width = share(scores, lambda s: s.held), pooled(scores, lambda s: s.widths, 0.5)
            name = f"{title}, {word}"
            yield f"    {name:<36}{median:.2f}      {ninetieth:.2f}{held:>7.0%}     {width:.2f}"
