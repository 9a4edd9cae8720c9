"""What screen and commands use: the monitor of some jobs, and services over the same budget.

The monitor is made when snapshots are first read, the services (logs, actions, new jobs, receipts
and verifications) when they are first used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import AccountView, JobView, Snapshot, State
from slurper_tui.monitor.model.selection import Selection, fits, is_part
from slurper_tui.monitor.model.verdict import stored_view

if TYPE_CHECKING:
    from slurper_tui.monitor.jobs.actions import JobControl
    from slurper_tui.monitor.jobs.plan_runner import JobCreation
    from slurper_tui.monitor.logs.idle import EndedLogs
    from slurper_tui.monitor.logs.reader import LogReader
    from slurper_tui.monitor.model.plans import Plan
    from slurper_tui.monitor.model.samples import StoredJob
    from slurper_tui.monitor.model.verification import Verification
    from slurper_tui.monitor.polling.poller import Monitor
    from slurper_tui.monitor.reports.digest import Digest
    from slurper_tui.monitor.reports.receipt import ReceiptMaker
    from slurper_tui.monitor.reports.verifications import Verifications
    from slurper_tui.monitor.verify.buckets import Buckets

Resolve = Callable[[Selection, Sequence[JobView]], frozenset[JobKey]]
"""Return the selected jobs; raises if a name means no job, or is ambiguous."""


class Services(NamedTuple):
    """Logs, actions, new jobs, receipts and verifications of one user's accounts."""

    logs: LogReader
    control: JobControl
    creation: JobCreation
    receipts: ReceiptMaker
    verifications: Verifications
    buckets: Buckets

    async def close(self) -> None:
        """Stop the background work: no further job of a plan is started."""
        await self.creation.close()


class Session:
    """The snapshots of a monitor, limited to the selected jobs.

    make: imports and makes the monitor; called by `start`. Calls that arrive before are queued, so
        that the first picture need not wait for the monitor.
    resolve: finds the selected jobs once the job lists are read; its error ends `snapshots`.
    from_history: the last state that earlier runs recorded; None without one.
    resolved: whether it is known which jobs the selection means.
    """

    def __init__(
        self,
        make: Callable[[], Monitor],
        selection: Selection,
        resolve: Resolve,
        from_history: Snapshot | None = None,
    ) -> None:
        self.resolved = selection.everything
        self.from_history = from_history
        self._make = make
        self._selection = selection
        self._resolve = resolve
        self._monitor: Monitor | None = None
        self._made = asyncio.Event()
        self._services: Services | None = None
        self._ended_logs: EndedLogs | None = None
        self._queued: list[Callable[[Monitor], None]] = []
        self._looked_at: tuple[JobKey, ...] = ()

    def start(self) -> Monitor:
        """Make the monitor, if that is not done, and make the queued calls."""
        if self._monitor is None:
            self._monitor = self._make()
            self._made.set()
            for call in self._queued:
                call(self._monitor)
        return self._monitor

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """Make the monitor and yield its snapshots endlessly.

        Meanwhile the logs of ended jobs and of those that are looked at are read, and the sizes of
        stalled jobs' targets, unless the monitor polls only once or serves a command that acts on a
        job, which shows nothing of earlier runs either.
        """
        monitor = self.start()
        reading: asyncio.Task[None] | None = None
        try:
            async with aclosing(monitor.snapshots()) as snapshots:
                async for snapshot in snapshots:
                    if not self.resolved and self._can_resolve(snapshot):
                        keys = self._resolve(self._selection, snapshot.jobs)
                        monitor.narrow(keys)
                        self.resolved = True
                        jobs = tuple(view for view in snapshot.jobs if view.key in keys)
                        snapshot = replace(snapshot, jobs=jobs)
                    yield snapshot
                    reads = self.resolved and monitor.history.shown and not monitor.eager
                    if reading is None and reads:
                        reading = asyncio.create_task(self._read_in_idle_time(monitor))
                    if reading is not None and reading.done():
                        reading.result()  # raises the exception of a dead task (a bug)
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.wait({reading})
            if self._services is not None and not monitor.eager:
                await self._services.close()

    async def _read_in_idle_time(self, monitor: Monitor) -> None:
        # not for the first picture
        from slurper_tui.monitor.jobs.target import StalledTargets
        from slurper_tui.monitor.logs.idle import EndedLogs, NewestRows

        metered, job_store = monitor.metered, monitor.job_store
        self._ended_logs = EndedLogs(metered, job_store, monitor.history.recorder.notes)
        newest = NewestRows(metered, job_store, lambda: self._looked_at)
        targets = StalledTargets(metered, job_store, lambda: self._looked_at)
        await asyncio.gather(self._ended_logs.run(), newest.run(), targets.run())

    def awaits_log(self, view: JobView, most_failed: int = 0) -> bool:
        """Return whether it is known only from a job's log whether objects were lost.

        False if the last attempt to read it has failed. most_failed: failures that are tolerated.
        """
        if view.verdict is None or not view.verdict.unread:
            return False
        tolerated = 0 < (view.verdict.failed or 0) <= most_failed
        if view.state is not State.COMPLETED_UNREAD and not tolerated:
            return False
        return self._ended_logs is None or not self._ended_logs.has_failed(view.key)

    def _can_resolve(self, snapshot: Snapshot) -> bool:
        """Return whether the selection can be resolved now.

        True when every list was read; or when the others have failed and each name fits a job.
        """
        if all(account.listed for account in snapshot.accounts):
            return True
        jobs, names = [view.job for view in snapshot.jobs], self._selection
        return (
            all(account.listed or account.problem for account in snapshot.accounts)
            and all(any(fits(name, job) for job in jobs) for name in names.jobs)
            and all(any(is_part(job, name) for job in jobs) for name in names.migrations)
        )

    def look_at(
        self,
        highlighted: JobKey | None,
        visible: frozenset[JobKey],
        charted: tuple[JobKey, ...] = (),
    ) -> None:
        """Set the highlighted job and the visible rows; these jobs are polled first.

        charted: the jobs of the highlighted migration whose sum the charts show.
        """
        self._looked_at = charted or (() if highlighted is None else (highlighted,))
        self._call(lambda monitor: monitor.look_at(highlighted, visible, charted))

    def refresh(self, key: JobKey) -> None:
        """Poll one job now."""
        self._call(lambda monitor: monitor.refresh(key))

    def refresh_all(self) -> None:
        """Read every job list and poll every job that may still change, now."""
        self._call(lambda monitor: monitor.refresh_all())

    def set_interval(self, seconds: float) -> None:
        """Set the seconds between polling rounds, at least 2."""
        self._call(lambda monitor: monitor.set_interval(seconds))

    def set_window(self, window: Window) -> None:
        """Set the period of the `trace` in later snapshots."""
        self._call(lambda monitor: monitor.set_window(window))

    def _call(self, call: Callable[[Monitor], None]) -> None:
        if self._monitor is not None:
            call(self._monitor)
        else:
            self._queued.append(call)

    async def digest(self, since: float | None = None, zone: tzinfo | None = None) -> Digest:
        """Return the digest since a UTC second; by default since the user's last absence.

        zone: time zone for the times in its text; None for local time.
        """
        from slurper_tui.monitor.reports.digest import read_digest  # only for a digest

        await self._made.wait()
        monitor = self.start()
        history, views = monitor.history, monitor.job_store.views()
        return await read_digest(
            history.recorder, views, since, monitor.latest(), zone, away_since=history.away_since
        )

    async def keep_verification(self, result: Verification) -> None:
        """Record a verification, and show it; on disk when this returns, if the disk works."""
        await self._made.wait()
        monitor = self.start()
        await monitor.history.recorder.notes.keep_verification(result)
        monitor.job_store.add_verification(result)

    @property
    def waiting_plans(self) -> tuple[Plan, ...]:
        """The plans of which only this program, while it runs, starts further jobs."""
        return self._services.creation.waiting if self._services else ()

    async def services(self) -> Services:
        """Return the services beyond snapshots; waits until the monitor exists."""
        await self._made.wait()
        monitor = self.start()
        if self._services is None:
            # Not for the first picture.
            from slurper_tui.monitor.jobs.actions import JobControl
            from slurper_tui.monitor.jobs.plan_runner import JobCreation
            from slurper_tui.monitor.logs.reader import LogReader
            from slurper_tui.monitor.reports.receipt import ReceiptMaker
            from slurper_tui.monitor.reports.verifications import Verifications
            from slurper_tui.monitor.verify.buckets import Buckets

            metered, job_store = monitor.metered, monitor.job_store
            history, notes = monitor.history.recorder, monitor.history.recorder.notes
            logs = LogReader(metered, job_store, notes, interval=lambda: monitor.interval)
            self._services = Services(
                logs,
                JobControl(metered, job_store, notes),
                JobCreation(metered, job_store, notes, job_store.ids),
                ReceiptMaker(metered, job_store, history, logs),
                Verifications(metered, job_store, history, logs),
                Buckets(metered),
            )
        return self._services


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
