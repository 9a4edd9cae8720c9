"""Resolve job id prefixes on the command line to jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.cli.errors import CliError
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView, Snapshot

if TYPE_CHECKING:
    from slurper_tui.monitor.polling.poller import Monitor

_NAMED = 5


class ChosenJobs:
    """A monitor limited to the jobs named on the command line, or all jobs without names.

    resolved: whether every prefix was resolved to one job, after the job lists were read.
    """

    def __init__(self, monitor: Monitor, prefixes: Sequence[str]) -> None:
        self.resolved = not prefixes
        self._monitor = monitor
        self._prefixes = prefixes
        self.look_at = monitor.look_at
        self.refresh = monitor.refresh
        self.refresh_all = monitor.refresh_all
        self.set_interval = monitor.set_interval
        self.set_window = monitor.set_window
        self.digest = monitor.digest
        self.desk = monitor.desk

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """Yield the monitor's snapshots. Raises CliError unless each prefix is unique."""
        async with aclosing(self._monitor.snapshots()) as snapshots:  # type: ignore[type-var]  # a generator
            async for snapshot in snapshots:
                if not self.resolved and self._can_tell(snapshot):
                    snapshot = self._resolve(snapshot)
                yield snapshot

    def _can_tell(self, snapshot: Snapshot) -> bool:
        """Whether the prefixes can be resolved now.

        True when every list was read; or when the others have failed and each prefix has a match.
        """
        if all(account.listed for account in snapshot.accounts):
            return True
        ids = [view.key.job_id for view in snapshot.jobs]
        return all(account.listed or account.problem for account in snapshot.accounts) and all(
            any(id.startswith(prefix) for id in ids) for prefix in self._prefixes
        )

    def _resolve(self, snapshot: Snapshot) -> Snapshot:
        keys = resolve(self._prefixes, snapshot.jobs)
        self._monitor.narrow(keys)
        self.resolved = True
        return replace(snapshot, jobs=tuple(v for v in snapshot.jobs if v.key in keys))


def resolve(prefixes: Iterable[str], jobs: Sequence[JobView]) -> frozenset[JobKey]:
    """Return one job for each prefix; of several matches, the only job not gone.

    Raises CliError when there is none or more than one.
    """
    return frozenset(_resolve(prefix, jobs) for prefix in prefixes)


def _resolve(prefix: str, jobs: Sequence[JobView]) -> JobKey:
    fitting = [view for view in jobs if view.key.job_id.startswith(prefix)]
    meant = [view for view in fitting if view.key.job_id == prefix] or fitting
    there = [view.key for view in meant if not view.gone]
    found = there if len(there) == 1 else [view.key for view in meant]
    if not found:
        raise CliError(f"no job's id begins with {prefix!r}")
    if len(found) > 1:
        raise CliError(f"{len(found)} jobs' ids begin with {prefix!r}: {_names(found)}")
    return found[0]


def _names(keys: Sequence[JobKey]) -> str:
    several = len({key.account_id for key in keys}) > 1
    names = [f"{k.account_id}/{k.job_id}" if several else k.job_id for k in keys[:_NAMED]]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(names) + more
