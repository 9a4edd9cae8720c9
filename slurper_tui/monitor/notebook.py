"""What a history keeps besides samples: events, lineage, counts of logs, and plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from slurper_tui.monitor.event import Event, Tie
from slurper_tui.monitor.job_key import JobKey
from slurper_tui.monitor.log_view import LogCounts
from slurper_tui.monitor.plan_view import Plan, Step, StepState


class Notebook(Protocol):
    """Kept off the event loop. What cannot be read is an empty answer; nothing here raises.

    What cannot be written waits in memory as samples do; `durable` says whether it is on disk.
    """

    @property
    def durable(self) -> bool:
        """What is noted survives this program."""
        ...

    def note(self, events: Sequence[Event]) -> None:
        """Keep events. Returns at once."""
        ...

    async def events(self, key: JobKey, most: int = 200) -> tuple[Event, ...]:
        """Give a job's newest events, oldest first."""
        ...

    async def tie(self, tie: Tie) -> None:
        """Keep that one job retries another; written when this returns."""
        ...

    async def ties(self, accounts: Sequence[str]) -> tuple[Tie, ...]:
        """Give every retry of these accounts, in the order in which they were made."""
        ...

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        """Keep what a log holds, in place of what was kept before. Returns at once."""
        ...

    async def counts(self, accounts: Sequence[str]) -> Mapping[JobKey, LogCounts]:
        """Give what is kept of the logs of these accounts' jobs."""
        ...

    async def keep_plan(self, plan: Plan) -> Plan:
        """Keep a new plan, and give it with its id; written when this returns."""
        ...

    async def plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        """Give the plans of these accounts, oldest first; a step that is over has no keys left."""
        ...

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Change a step if it still stands as `before`; False where it does not.

        One transaction, synced to the disk before this returns, so that of several programs, and
        of one that is killed at any moment, only one ever sends a step.
        """
        ...
