"""Which job a person means by the beginning of its id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slurper_tui.cli.exit_codes import Stop
from slurper_tui.monitor.view import JobKey, JobView

_NAMED = 5


def check(prefixes: Sequence[str]) -> None:
    """Raises Stop for a beginning that every id has."""
    if any(not prefix.strip() for prefix in prefixes):
        raise Stop("a job's id may be shortened, but not to nothing")


def resolve(prefixes: Iterable[str], jobs: Sequence[JobView]) -> frozenset[JobKey]:
    """One job for each beginning. Raises Stop when there is none or more than one."""
    return frozenset(_resolve(prefix, jobs) for prefix in prefixes)


def _resolve(prefix: str, jobs: Sequence[JobView]) -> JobKey:
    keys = [view.key for view in jobs if view.key.job_id.startswith(prefix)]
    found = [key for key in keys if key.job_id == prefix] or keys
    if not found:
        raise Stop(f"no job's id begins with {prefix!r}")
    if len(found) > 1:
        raise Stop(f"{len(found)} jobs' ids begin with {prefix!r}: {_names(found)}")
    return found[0]


def _names(keys: Sequence[JobKey]) -> str:
    several = len({key.account_id for key in keys}) > 1
    names = [f"{k.account_id}/{k.job_id}" if several else k.job_id for k in keys[:_NAMED]]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(names) + more
