"""A history without a thread, for tests in virtual time: a real store, asked in the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slurper_tui.monitor.history.opening import open_store
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState
from slurper_tui.monitor.model.samples import HistoryView, Past, Recorded, Remembered


class InlineNotebook:
    """Implements `Notebook`. durable: as it is to say."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.durable = True

    def note(self, events: Sequence[Event]) -> None:
        self.store.notes.keep(events, {})

    async def events(self, key: JobKey, most: int = 200) -> tuple[Event, ...]:
        return self.store.notes.events(key, most)

    async def tie(self, tie: Tie) -> None:
        self.store.notes.tie(tie)

    async def ties(self, accounts: Sequence[str]) -> tuple[Tie, ...]:
        return self.store.notes.ties(accounts)

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        self.store.notes.keep((), {key: counts})

    async def counts(self, accounts: Sequence[str]) -> Mapping[JobKey, LogCounts]:
        return self.store.notes.counts(accounts)

    async def keep_plan(self, plan: Plan) -> Plan:
        return self.store.notes.plans.keep(plan, counted=True)

    async def plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        return self.store.notes.plans.all(accounts)

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        return self.store.notes.plans.move(plan_id, number, before, after)


class InlineHistory:
    """Implements `History`. writes: how often something was handed over."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or open_store(None, "https://example.com")
        self.notebook = InlineNotebook(self.store)
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
        remembered = self.store.remembered([account_id])
        return Past(self, remembered, away_since=away_since, notebook=self.notebook)
