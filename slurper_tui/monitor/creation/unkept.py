"""A notebook in memory alone, for when there is no history at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState


class Unkept:
    """Implements `Notebook` for as long as the program runs."""

    durable = False

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._ties: list[Tie] = []
        self._counts: dict[JobKey, LogCounts] = {}
        self._plans: dict[int, Plan] = {}

    def note(self, events: Sequence[Event]) -> None:
        """Keep events."""
        self._events += events

    async def events(self, key: JobKey, most: int = 200) -> tuple[Event, ...]:
        """Give a job's newest events, oldest first."""
        return tuple(event for event in self._events if event.key == key)[-most:]

    async def tie(self, tie: Tie) -> None:
        """Keep that one job retries another."""
        if tie not in self._ties:
            self._ties.append(tie)

    async def ties(self, accounts: Sequence[str]) -> tuple[Tie, ...]:
        """Give every retry of these accounts."""
        return tuple(tie for tie in self._ties if tie.child.account_id in accounts)

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        """Keep what a log holds."""
        self._counts[key] = counts

    async def counts(self, accounts: Sequence[str]) -> Mapping[JobKey, LogCounts]:
        """Give what is kept of the logs of these accounts' jobs."""
        return {k: counts for k, counts in self._counts.items() if k.account_id in accounts}

    async def keep_plan(self, plan: Plan) -> Plan:
        """Keep a new plan, and give it with its id."""
        kept = replace(plan, id=len(self._plans) + 1)
        self._plans[kept.id] = kept
        return kept

    async def plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        """Give the plans of these accounts, oldest first."""
        return tuple(plan for plan in self._plans.values() if plan.account_id in accounts)

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Change a step if it still stands as `before`; False where it does not."""
        plan = self._plans[plan_id]
        fits = [step.number == number and step.state is before for step in plan.steps]
        steps = (after if fit else step for step, fit in zip(plan.steps, fits, strict=True))
        self._plans[plan_id] = replace(plan, steps=tuple(steps))
        return any(fits)
