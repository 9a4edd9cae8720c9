"""Resolve job id prefixes on the command line to jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slurper_tui.cli.errors import CliError
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView

_NAMED = 5


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
