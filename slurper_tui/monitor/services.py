"""Services beyond polling, over the same request budget: logs, actions, new jobs and receipts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.monitor.jobs.actions import JobControl
from slurper_tui.monitor.jobs.plan_runner import JobCreation
from slurper_tui.monitor.logs.reader import LogReader
from slurper_tui.monitor.reports.receipt_maker import ReceiptMaker

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Recorder
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore


class Services(NamedTuple):
    """Logs, actions, new jobs and receipts of one user's accounts."""

    logs: LogReader
    control: JobControl
    creation: JobCreation
    receipts: ReceiptMaker

    async def close(self) -> None:
        """Stop the background work: no further job of a plan is started."""
        await self.creation.close()


def make_services(
    metered: Metered, job_store: JobStore, history: Recorder, interval: Callable[[], float]
) -> Services:
    """Create the services. interval: returns the seconds between two poll rounds."""
    notes = history.notes
    logs = LogReader(metered, job_store, notes, interval=interval)
    return Services(
        logs,
        JobControl(metered, job_store, notes),
        JobCreation(metered, job_store, notes, job_store.ids),
        ReceiptMaker(metered, job_store, history, logs),
    )
