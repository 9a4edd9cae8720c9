"""Jobs that share a bandwidth: the rate of all together, and the forecast that follows from it.

Jobs that copy at the same time may share a limit, such as the bandwidth of their source. The data
show it when a job begins, pauses or ends: the others change their rates, and the sum stays. Then
the forecast of a job follows from the rate of all, and from the objects that all of them have to
copy before this one ends.

The measure is a ratio of sums of squares: of jobs that do not depend on each other, the square of
the sum of their changes is, on average, the sum of the squares (Bienaymé's identity); of jobs that
share a limit it is near 0. Constants without another reason were chosen with the generated jobs of
`tests/benchmarks/estimators`.

Pure: `marked` adds the state of all jobs, time is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.estimate.rates import NOTHING, Bank, banked
from slurper_tui.monitor.estimate.record import Record, TimeLeft, recorded, time_left

SPAN = 300.0
"""Least seconds between two marks: shorter spans would compare noise."""

LONGEST = 1200.0
"""A longer time between two marks is a gap, and compared with nothing."""

KEPT = 0.7
"""Part of the weight of the earlier changes that remains after one more."""

SHARED = 0.1
LEAST = 0.05
"""Jobs share a bandwidth if `together` is less than SHARED times `apart`, and that at least LEAST
(see `Sharing`). If a job that has its own bandwidth ends, both are alike."""

MOST = 20
"""More running jobs are not compared."""

CLEARLY = 4.0
"""A change of the other jobs says something if its square is this many times that of the usual
change of the sum."""

SMOOTH = 0.3
"""Weight of the newest span in a job's usual rate."""


class Sharing(msgspec.Struct, frozen=True):
    """The running jobs of an account, and how their rates change.

    at: time of the last mark, monotonic seconds. jobs: time and objects done at the last poll of
        each running job.
    usual: objects per second of each, exponentially smoothed.
    together, apart: each time that the running jobs are not the same as before, the square of the
        change of the sum of their rates, and the sum of the squares of the changes of each; as
        parts of the rate of all, older ones with less weight.
    noise: square of the change of the sum while the same jobs run, as a part of it, smoothed.
    seconds, done, bank, record: time, objects, average rates and forecasts' errors of the sum of
        all jobs.
    """

    at: float = -math.inf
    jobs: Mapping[str, tuple[float, int]] = {}
    usual: Mapping[str, float] = {}
    together: float = 0.0
    apart: float = 0.0
    noise: float = 0.0
    seconds: float = 0.0
    done: float = 0.0
    bank: Bank = NOTHING
    record: Record = Record()

    @property
    def shared(self) -> bool:
        """Whether the jobs were seen to share a bandwidth."""
        return self.apart >= LEAST and self.together < SHARED * self.apart


class Share(msgspec.Struct, frozen=True):
    """One job among those that share a bandwidth.

    others: objects that remain of each other running job; None when unknown.
    """

    sharing: Sharing
    job_id: str
    others: Mapping[str, int | None]

    def time_left(self, remaining: int) -> TimeLeft | None:
        """Return the forecast of the time until this job has copied its remaining objects.

        Until then, each other job copies its own, or as many as its usual rate allows. None if a
        usual rate is not known.
        """
        usual = self.sharing.usual
        mine = usual.get(self.job_id, 0.0)
        if not mine > 0 or any(other not in usual for other in self.others):
            return None
        work = float(remaining)
        for other, left in self.others.items():
            part = usual[other] / mine * remaining
            work += part if left is None else min(left, part)
        if not math.isfinite(work):
            return None
        ahead = time_left(self.sharing.record, self.sharing.bank, math.ceil(work))
        return ahead if ahead is not None and math.isfinite(ahead.high) else None


def marked(sharing: Sharing, jobs: Mapping[str, tuple[float, int]], at: float) -> Sharing:
    """Add a mark if SPAN has passed since the last one.

    jobs: time in monotonic seconds and objects done at the last poll, of each running job.
    """
    past = at - sharing.at
    if past < SPAN:
        return sharing
    if len(jobs) > MOST:
        return Sharing(at=at)
    if past > LONGEST:
        return replace(sharing, at=at, jobs=jobs, usual={})
    spans = {job: jobs[job][0] - sharing.jobs[job][0] for job in jobs if job in sharing.jobs}
    # a span in which a job ended or began is part of neither time
    if jobs.keys() != sharing.jobs.keys() or min(spans.values(), default=0.0) <= 0:
        return replace(sharing, at=at, jobs=jobs)
    rates = {job: max(0, jobs[job][1] - sharing.jobs[job][1]) / spans[job] for job in jobs}
    total = sum(rates.values())
    if not total > 0:
        return replace(sharing, at=at, jobs=jobs)
    seconds, done = sharing.seconds + past, sharing.done + total * past
    bank = banked(sharing.bank, past, total * past)
    return replace(
        _compared(sharing, rates),
        at=at,
        jobs=jobs,
        seconds=seconds,
        done=done,
        bank=bank,
        record=recorded(sharing.record, bank, seconds, int(done)),
    )


def _compared(sharing: Sharing, rates: Mapping[str, float]) -> Sharing:
    """Compare the rates of a span, in objects per second, with the usual ones, and smooth these.

    If the running jobs are not the same as before, those that stayed keep the proportion of their
    usual rates and get the level of the new ones: a single span is too noisy for each.
    """
    usual, total = sharing.usual, sum(rates.values())
    if usual.keys() == rates.keys():
        changed = 1 - sum(usual.values()) / total
        return replace(
            sharing,
            usual={job: one + (rates[job] - one) * SMOOTH for job, one in usual.items()},
            noise=sharing.noise + (changed * changed - sharing.noise) * SMOOTH,
        )
    stayed = usual.keys() & rates.keys()
    before, now = (sum(some[job] for job in stayed) for some in (usual, rates))
    if not before > 0:
        return replace(sharing, usual=rates)
    level = {job: usual[job] / before * now if job in stayed else rates[job] for job in rates}
    both = usual.keys() | rates.keys()
    changes = [(rates.get(job, 0.0) - usual.get(job, 0.0)) / total for job in both]
    together, gained = sum(changes) ** 2, (now - before) / total
    # The job was too small to tell: the sum stays, and the others change no more than usual.
    if together < LEAST and gained * gained < CLEARLY * sharing.noise:
        return replace(sharing, usual=level)
    return replace(
        sharing,
        usual=level,
        together=sharing.together * KEPT + together,
        apart=sharing.apart * KEPT + sum(change * change for change in changes),
    )
