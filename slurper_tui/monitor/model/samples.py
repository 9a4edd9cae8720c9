"""Values that the history stores: samples, last job states, and the mode of the history."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from slurper_tui.api.models import Job
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts


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
