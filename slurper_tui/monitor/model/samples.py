"""Values that the history stores (samples and last job states), and its two interfaces.

`History` keeps samples; `Notebook` keeps the history notes: events, retry links, log counts and
plans. Both are implemented off the event loop, and none of their methods raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from slurper_tui.api.models import Job
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState


class Notebook(Protocol):
    """Storage of history notes, off the event loop.

    A failed read gives an empty result; no method raises. A failed write stays in memory, like
    samples; `durable` reports whether notes reach the disk.
    """

    @property
    def durable(self) -> bool:
        """True if notes survive this program."""
        ...

    def note(self, events: Sequence[Event]) -> None:
        """Store events. Returns at once."""
        ...

    async def events(self, key: JobKey, most: int = 200) -> tuple[Event, ...]:
        """Return a job's newest events, oldest first."""
        ...

    async def tie(self, tie: Tie) -> None:
        """Store a link from a retry job to the job that it retries. Returns when it is written."""
        ...

    async def ties(self, accounts: Sequence[str]) -> tuple[Tie, ...]:
        """Return all retry links of these accounts, in order of creation."""
        ...

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        """Store the row counts of a job's log, replacing earlier ones. Returns at once."""
        ...

    async def counts(self, accounts: Sequence[str]) -> Mapping[JobKey, LogCounts]:
        """Return the stored log counts of these accounts' jobs."""
        ...

    async def keep_plan(self, plan: Plan) -> Plan:
        """Store a new plan and return it with its id. Returns when it is written."""
        ...

    async def plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        """Return the plans of these accounts, oldest first; finished steps have lost their keys."""
        ...

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Replace a step if its state is still `before`; return False if it is not.

        One transaction, synced to disk before this returns. So a step is sent only once, even if
        several programs run or a program is killed at any moment.
        """
        ...


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


class Remembered(msgspec.Struct, frozen=True):
    """The last known state of a job.

    job: as last listed, without its source's keys. last: its newest sample; None if there is none.
    closed: it has ended for good and needs no further request.
    gone: the API no longer knows it, so later runs leave it out.
    """

    account_id: str
    job: Job
    last: Recorded | None = None
    closed: bool = False
    gone: bool = False

    @property
    def key(self) -> JobKey:
        """Identity of the job."""
        return JobKey(self.account_id, self.job.id or "")


class Keeping(StrEnum):
    """Mode of a history; `HistoryView` explains the values."""

    ON = "on"
    SHARED = "shared"
    OFF = "off"
    ASKED_OFF = "asked off"


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
            return f"history begun anew: {self.reason}" if self.reason else ""
        return (
            f"history {self.keeping}: {self.reason}" if self.reason else f"history {self.keeping}"
        )


class History(Protocol):
    """Storage of samples, off the event loop. No method blocks the loop on a disk, or raises."""

    @property
    def view(self) -> HistoryView:
        """The current mode."""
        ...

    def record(
        self, jobs: Sequence[Remembered], samples: Sequence[tuple[JobKey, Recorded]]
    ) -> None:
        """Store the state of jobs (ignoring their `last`) and new samples. Returns at once."""
        ...

    async def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        """Return a job's samples from `since` to `until` (UTC seconds, inclusive), oldest first."""
        ...

    async def last_of_each(self, key: JobKey, since: float, step: float) -> tuple[Recorded, ...]:
        """Return few samples for a long period, oldest first. since: UTC seconds. step: seconds.

        They are the first sample, the newest of every `step` seconds (aligned to multiples of it),
        and both sides of every gap, so that a short period of watching is not lost.
        """
        ...

    async def close(self) -> None:
        """Write pending data and close the file."""
        ...


class Past(NamedTuple):
    """State left by earlier runs.

    remembered: the last known state of every job.
    shown: show those states until the API confirms them.
    away_since: time of the newest sample of earlier runs, UTC seconds; None if that was recent.
    notebook: None if no notes are kept.
    clock_was_set: samples dated in the future were moved back, so the age of the newest is unknown.
    """

    history: History | None = None
    remembered: Sequence[Remembered] = ()
    shown: bool = True
    away_since: float | None = None
    notebook: Notebook | None = None
    clock_was_set: bool = False


NO_PAST = Past()
