"""What a history keeps, and what the monitor and the screen ask of one."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from slurper_tui.api.models import Job
from slurper_tui.monitor.job_key import JobKey
from slurper_tui.monitor.view import Counts

if TYPE_CHECKING:
    from slurper_tui.monitor.notebook import Notebook


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
