"""How a desk is put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slurper_tui.monitor.desk import Desk, Roster
from slurper_tui.monitor.jobs.actions import JobControl
from slurper_tui.monitor.jobs.plan_runner import JobCreation
from slurper_tui.monitor.logs.reader import LogReader
from slurper_tui.monitor.model.samples import Past
from slurper_tui.monitor.polling.budgeted_client import Metered
from slurper_tui.monitor.reports.receipt import EndedJobs


def make_desk(
    metered: Metered,
    roster: Roster,
    past: Past,
    accounts: Sequence[str],
    interval: Callable[[], float],
) -> Desk:
    """Put it together. past: where it is noted what was done, if it is. interval: seconds."""
    notebook = past.notebook
    logs = LogReader(metered, roster, notebook, interval=interval)
    return Desk(
        logs,
        JobControl(metered, roster, notebook),
        JobCreation(metered, roster, notebook, accounts),
        EndedJobs(metered, roster, notebook, past.history, logs),
    )
