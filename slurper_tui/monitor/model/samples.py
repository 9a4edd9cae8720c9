"""Values that the history stores, and the views of its jobs, shown until they are polled."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.base import STEADY_SECONDS, JobKey
from slurper_tui.monitor.model.job import (
    PHASE_AT_REST,
    AccountView,
    Counts,
    JobView,
    Phase,
    Snapshot,
    Total,
    has_ended,
    percent_of,
)
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.verdict import with_log

if TYPE_CHECKING:
    from slurper_tui.monitor.model.selection import Selection


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


class StoredJob(msgspec.Struct, frozen=True):
    """The last known state of a job.

    job: as last listed, without its source's keys. last: its newest sample; None if there is none.
    closed: it has ended for good and needs no further request.
    gone: the API no longer knows it, so later runs leave it out.
    log: row counts of its log; None if it was not read.
    """

    account_id: str
    job: Job
    last: Recorded | None = None
    closed: bool = False
    gone: bool = False
    log: LogCounts | None = None

    @property
    def key(self) -> JobKey:
        """Identity of the job."""
        return JobKey(self.account_id, self.job.id or "")


def final(stored: StoredJob) -> StoredJob | None:
    """Return the job marked as closed if its last sample holds its final counts, else None.

    The last answer of a completed job is final. After an abort, objects in flight still finish, so
    the last sample must be at least `STEADY_SECONDS` after the end.
    """
    if stored.last is None or stored.last.counts.done is None:
        return None
    finished = parse_time(stored.job.finished_at)
    steady = finished is not None and stored.last.at >= finished + STEADY_SECONDS
    over = stored.closed or (steady and has_ended(stored.job, stored.last.status))
    return replace(stored, closed=True) if over else None


def stored_view(stored: StoredJob) -> JobView:
    """Return the view of a stored job, shown until it is polled."""
    job, last = stored.job, stored.last
    status = last.status if last else job.status
    ended = has_ended(job, status)
    view = JobView(stored.account_id, job, status=status, ended=ended)
    if last is None:
        return view
    stalled = Phase.STALLED if last.stalled and status == "running" else None
    view = replace(
        view,
        phase=Phase.ENDED if ended else PHASE_AT_REST.get(status or "", stalled),
        counts=last.counts,
        percent=percent_of(last.counts.done, last.counts.objects, finished=status == "completed"),
        total=Total.FINAL if ended else Total.PROVISIONAL,
        as_of=last.at,
        from_history=True,
    )
    return with_log(view, stored.log)


def snapshot_from_history(
    stored: Sequence[StoredJob],
    accounts: Sequence[str],
    selection: Selection,
    interval: float,
    now: float,
) -> Snapshot | None:
    """Return a snapshot of the stored jobs that are selected; None if there is none.

    interval: seconds between rounds.
    now: UTC seconds.
    """
    jobs = tuple(stored_view(job) for job in stored if selection.takes(job.job))
    return Snapshot(now, interval, tuple(map(AccountView, accounts)), jobs) if jobs else None


class Keeping(StrEnum):
    """Mode of a history; `HistoryView` explains the values."""

    ON = "on"
    SHARED = "shared"
    OFF = "off"
    ASKED_OFF = "off by --no-history"


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
            return f"history restarted: {self.reason}" if self.reason else ""
        return (
            f"history {self.keeping}: {self.reason}" if self.reason else f"history {self.keeping}"
        )


def to_ms(seconds: float) -> int:
    """Convert UTC seconds to whole milliseconds."""
    return round(seconds * 1000)


def last_of_each(samples: Sequence[Recorded], step: float) -> tuple[Recorded, ...]:
    """Return the first and last sample, the newest of every `step` seconds, and both sides of gaps.

    samples: oldest first.
    """
    step_ms = max(1, to_ms(step))
    chosen = {0, len(samples) - 1}
    for place, (one, other) in enumerate(pairwise(samples)):
        if other.after_gap:
            chosen |= {place, place + 1}
        elif to_ms(one.at) // step_ms != to_ms(other.at) // step_ms:
            chosen.add(place)
    return tuple(sample for place, sample in enumerate(samples) if place in chosen)
