"""The samples of one job as they come in: what they add up to, and what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence

from slurper_tui.monitor.estimate import Estimate, Sample, advance
from slurper_tui.monitor.forecast import forecast
from slurper_tui.monitor.moment import Moment
from slurper_tui.monitor.recorded import Recorded
from slurper_tui.monitor.view import Counts, Forecast

GAP_ROUNDS = 3
"""So many times the usual span between two samples, and nobody has looked in between."""

SHORTEST_GAP = 30.0
"""Seconds; a shorter span is no gap, however often the job is usually asked."""

_COARSE = 30.0
"""Seconds; remembered samples that lie further apart do not tell how often the counters move."""


class Series:
    """Mutable, and private to a job's track. forecast: what is shown, held still by hysteresis."""

    def __init__(self) -> None:
        self.estimate = Estimate()
        self.forecast: Forecast | None = None
        self.last: Recorded | None = None
        self._usual: float | None = None

    def restart(self) -> None:
        """Begin anew: what was told before is about another job."""
        self.estimate = Estimate(restarts=self.estimate.restarts + 1)
        self.forecast = None

    def seed(self, past: Sequence[Recorded], now: Moment, created_at: float | None) -> None:
        """Take in what a history remembers, oldest first, before the first sample of this run."""
        if self.last is not None:
            return
        for told in (r for r in past if r.at <= now.wall):
            spent = told.at - self.last.at if self.last else 0.0
            then = Moment(now.mono - (now.wall - told.at), told.at)
            sample = Sample(
                then.mono, told.counts, told.status, told.after_gap, coarse=spent > _COARSE
            )
            self._take(sample, then, created_at)
            self._note(told)

    def add(
        self,
        counts: Counts,
        status: str | None,
        now: Moment,
        *,
        period: float,
        created_at: float | None,
        clock_jumped: bool,
    ) -> Recorded:
        """Take in a good poll; return it as it is to be kept.

        period: seconds between two polls of this job. created_at: UTC seconds.
        """
        after_gap = clock_jumped or self._is_gap(now.wall, period)
        sample = Sample(now.mono, counts, status, after_gap, clock_jumped=clock_jumped)
        self._take(sample, now, created_at)
        stalled = self.estimate.stalled_since is not None
        told = Recorded(now.wall, counts, status, after_gap, stalled)
        self._note(told)
        return told

    def _take(self, sample: Sample, now: Moment, created_at: float | None) -> None:
        self.estimate = advance(self.estimate, sample)
        self.forecast = forecast(self.estimate, now, created_at, self.forecast)

    def _note(self, told: Recorded) -> None:
        if self.last is not None and not told.after_gap:
            self._usual = told.at - self.last.at
        self.last = told

    def _is_gap(self, now: float, period: float) -> bool:
        """Whether so much time has passed since the last sample that nobody was looking."""
        if self.last is None:
            return False
        usual = max(period, self._usual or 0.0)
        return not 0 <= now - self.last.at <= max(SHORTEST_GAP, GAP_ROUNDS * usual)
