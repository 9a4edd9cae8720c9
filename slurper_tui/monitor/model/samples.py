"""What a history keeps, and what the monitor and the screen ask of one.

What a history keeps besides samples: events, lineage, counts of logs, and plans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from slurper_tui.api.models import Job
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState

if TYPE_CHECKING:
    pass


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


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """One good poll as it is kept. at: UTC seconds.

    after_gap: nobody looked in the span before it. stalled: it was judged to be stalled.
    set_back: only of a new one: the clock was set back before it, so that samples of later times
    are older.
    """

    at: float
    counts: Counts
    status: str | None
    after_gap: bool = False
    stalled: bool = False
    set_back: bool = False


class Remembered(msgspec.Struct, frozen=True):
    """The last known state of a job. job: as last listed, without the keys of its source.

    last: its newest sample. closed: it has ended for good, and nothing is left to be asked.
    gone: the API no longer knows it, so that no later run needs to be reminded of it.
    """

    account_id: str
    job: Job
    last: Recorded | None = None
    closed: bool = False
    gone: bool = False

    @property
    def key(self) -> JobKey:
        """The job's identity."""
        return JobKey(self.account_id, self.job.id or "")


class Keeping(StrEnum):
    """How a history stands."""

    ON = "on"
    SHARED = "shared"
    OFF = "off"
    ASKED_OFF = "asked off"


class HistoryView(msgspec.Struct, frozen=True):
    """How the history stands, and why it is not simply on: one clause, without a full stop.

    SHARED: another instance writes too; nothing is lost. OFF: samples wait in memory, as long as
    there is room, and are lost with the program. ASKED_OFF: the person wanted none on disk.
    """

    keeping: Keeping = Keeping.ON
    reason: str = ""

    @property
    def note(self) -> str:
        """One clause about a history that is not simply on; "" otherwise."""
        if self.keeping is Keeping.ASKED_OFF:
            return ""
        if self.keeping is Keeping.ON:
            return f"history begun anew: {self.reason}" if self.reason else ""
        return (
            f"history {self.keeping}: {self.reason}" if self.reason else f"history {self.keeping}"
        )


class History(Protocol):
    """Keeps samples off the event loop. Nothing here waits for a disk in the loop, or raises."""

    @property
    def view(self) -> HistoryView:
        """How it stands now."""
        ...

    def record(
        self, jobs: Sequence[Remembered], samples: Sequence[tuple[JobKey, Recorded]]
    ) -> None:
        """Keep jobs as they now stand (their `last` apart), and new samples. Returns at once."""
        ...

    async def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        """Give a job's samples, oldest first, between two UTC seconds, both included."""
        ...

    async def last_of_each(self, key: JobKey, since: float, step: float) -> tuple[Recorded, ...]:
        """Give a long past in few samples, oldest first, from a UTC second on.

        They are the first, the newest of every `step` seconds (aligned to whole multiples of it),
        and both sides of every gap, so that even a short look is not lost.
        """
        ...

    async def close(self) -> None:
        """Write what waits, and let go of the file."""
        ...


class Past(NamedTuple):
    """What earlier runs have left.

    remembered: every job as it last stood. shown: they stand until the API confirms them.
    away_since: when somebody last looked, UTC seconds, if that was long enough ago to be told of.
    notebook: None where nothing is noted. clock_was_set: samples of the future were dated back, so
    how long ago the newest was taken is not known.
    """

    history: History | None = None
    remembered: Sequence[Remembered] = ()
    shown: bool = True
    away_since: float | None = None
    notebook: Notebook | None = None
    clock_was_set: bool = False


NO_PAST = Past()
