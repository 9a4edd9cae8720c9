"""A history without a thread, for tests in virtual time: a real store, asked in the loop."""

from __future__ import annotations

from collections.abc import Sequence

from slurper_tui.monitor.history.opening import open_store
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.job_key import JobKey
from slurper_tui.monitor.recorded import HistoryView, Past, Recorded, Remembered


class InlineHistory:
    """Implements `History`. writes: how often something was handed over."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or open_store(None, "https://example.com")
        self.view = HistoryView()
        self.writes = 0

    def record(
        self, jobs: Sequence[Remembered], samples: Sequence[tuple[JobKey, Recorded]]
    ) -> None:
        self.writes += 1
        self.store.write(jobs, samples)

    async def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        return self.store.samples(key, since, until)

    async def last_of_each(self, key: JobKey, since: float, step: float) -> tuple[Recorded, ...]:
        return self.store.last_of_each(key, since, step)

    async def close(self) -> None:
        self.store.close()

    def past(self, account_id: str, away_since: float | None = None) -> Past:
        """What a next run is told."""
        return Past(self, self.store.remembered([account_id]), away_since=away_since)
