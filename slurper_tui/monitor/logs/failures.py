"""Groups the failed and uncopied objects of logs by reason, then by key prefix and job; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import (
    Cause,
    FailureGroup,
    JobGroup,
    PrefixGroup,
    Span,
    cause_of,
)

if TYPE_CHECKING:
    from slurper_tui.api.models import LogRow

MOST_GROUPS = 20
"""Prefix groups of one reason, at most."""

MOST_EXAMPLES = 5
_DEEPEST = 16
_MOST_MESSAGES = 1000
"""Distinct messages counted per reason; a message that contains the key differs in every row."""

_SHOWN_MESSAGES = 20
_COUNTED = (Cause.FAILED, Cause.NOT_COPIED)


class _Part(msgspec.Struct):
    """The number of one job's keys with one prefix, and examples of them."""

    count: int = 0
    examples: list[str] = []

    def copy(self) -> _Part:
        """Return an independent copy."""
        return _Part(self.count, [*self.examples])


class Prefixes:
    """Counts keys by folder, at the deepest level that still groups them.

    A level with more than `MOST_GROUPS` folders is dropped with all levels below it. Of the rest,
    the deepest level is used that has two or more keys per folder on average, or a single folder.
    """

    def __init__(self) -> None:
        self._levels: list[dict[str, dict[JobKey, _Part]]] = [{}]
        self._deepest = _DEEPEST

    def add(self, job: JobKey, key: str) -> None:
        """Count one key of a job."""
        folders = key.split("/")[:-1]
        while len(self._levels) <= min(len(folders), self._deepest):
            # A new level: earlier keys have no folder so deep and keep their groups from above.
            above = self._levels[-1].items()
            self._levels.append(
                {prefix: {j: part.copy() for j, part in parts.items()} for prefix, parts in above}
            )
        prefix = ""
        for depth, level in enumerate(self._levels):
            if 0 < depth <= len(folders):
                prefix += folders[depth - 1] + "/"
            part = level.setdefault(prefix, {}).setdefault(job, _Part())
            part.count += 1
            if len(part.examples) < MOST_EXAMPLES:
                part.examples.append(key)
        while len(self._levels[-1]) > MOST_GROUPS:
            self._levels.pop()
            self._deepest = len(self._levels) - 1

    def groups(self) -> tuple[PrefixGroup, ...]:
        """Return the folders of the chosen level, the largest first."""
        keys = sum(part.count for parts in self._levels[0].values() for part in parts.values())
        fitting = (e for e in reversed(self._levels) if len(e) == 1 or 2 * len(e) <= keys)
        groups = (_prefix_group(prefix, parts) for prefix, parts in next(fitting, {}).items())
        return tuple(sorted(groups, key=lambda group: (-group.count, group.prefix)))


def _prefix_group(prefix: str, parts: Mapping[JobKey, _Part]) -> PrefixGroup:
    jobs = [JobGroup(job, part.count, tuple(part.examples)) for job, part in parts.items()]
    jobs.sort(key=lambda group: (-group.count, group.key))
    examples = tuple(key for job in jobs for key in job.examples)[:MOST_EXAMPLES]
    return PrefixGroup(prefix, sum(job.count for job in jobs), examples, tuple(jobs))


class _Reason(msgspec.Struct):
    """The objects that rows of one log type name, each once per job.

    keys: by job, each key with the number of the first row that names it. without_key: by job, the
    number of rows that name no key; each counts as one object.
    """

    keys: dict[JobKey, dict[str, int]] = {}
    without_key: Counter[JobKey] = msgspec.field(default_factory=Counter)
    seen: Span = msgspec.field(default_factory=Span)
    messages: Counter[str] = msgspec.field(default_factory=Counter)
    prefixes: Prefixes = msgspec.field(default_factory=Prefixes)

    def count(self, job: JobKey | None = None) -> int:
        """Return the number of objects of one job, or of all."""
        if job is not None:
            return len(self.keys.get(job, ())) + self.without_key[job]
        return sum(map(len, self.keys.values())) + self.without_key.total()


class Reasons:
    """Counts the rows of one or several jobs that name objects, by log type."""

    def __init__(self) -> None:
        self._by_type: dict[str, _Reason] = {}
        self._rows = 0

    def add(self, job: JobKey, rows: Iterable[LogRow]) -> None:
        """Count more rows of a job, in the order of its log."""
        for row in rows:
            log_type, key, message = row.log_type or "", row.object_key, row.message
            if key is None and cause_of(log_type) not in _COUNTED:
                continue
            reason = self._by_type.get(log_type)
            if reason is None:
                reason = self._by_type[log_type] = _Reason()
            reason.seen.add(row.created_at)
            if message is not None and (
                message in reason.messages or len(reason.messages) < _MOST_MESSAGES
            ):
                reason.messages[message] += 1
            if key is None:
                reason.without_key[job] += 1
            elif key not in (keys := reason.keys.setdefault(job, {})):
                keys[key] = self._rows
                reason.prefixes.add(job, key)
            self._rows += 1

    def groups(self) -> tuple[FailureGroup, ...]:
        """Return the failures, then the objects that were not copied, each the largest first."""
        groups = []
        for log_type, reason in self._by_type.items():
            cause = cause_of(log_type)
            if cause not in _COUNTED:
                continue
            messages = sorted(
                reason.messages.items(), key=lambda counted: (-counted[1], counted[0])
            )
            group = FailureGroup(
                log_type=log_type,
                cause=cause,
                count=reason.count(),
                first_seen=reason.seen.first,
                last_seen=reason.seen.last,
                messages=tuple(messages[:_SHOWN_MESSAGES]),
                prefixes=reason.prefixes.groups(),
            )
            groups.append(group)
        return _in_order(groups)

    def numbers(self, job: JobKey | None = None) -> tuple[FailureGroup, ...]:
        """Return the groups of one job, or of all, with their numbers of objects only."""
        found = (
            (type, cause_of(type), reason.count(job)) for type, reason in self._by_type.items()
        )
        groups = (FailureGroup(*group) for group in found if group[1] in _COUNTED and group[2])
        return _in_order(groups)

    def keys(self, log_types: Collection[str], job: JobKey | None = None) -> tuple[str, ...]:
        """Return the keys of the rows of these types, each once, in the order of the rows.

        job: whose keys; None for all.
        """
        found: dict[str, int] = {}
        for log_type, reason in self._by_type.items():
            if log_type in log_types:
                for owner, keys in reason.keys.items():
                    if job in (None, owner):
                        found |= {k: min(n, found.get(k, n)) for k, n in keys.items()}
        return tuple(sorted(found, key=found.__getitem__))

    def without_key(self, log_types: Collection[str], job: JobKey | None = None) -> int:
        """Return the number of rows of these types that name no key. job: whose; None for all."""
        reasons = (r.without_key for t, r in self._by_type.items() if t in log_types)
        return sum(number.total() if job is None else number[job] for number in reasons)


def _in_order(groups: Iterable[FailureGroup]) -> tuple[FailureGroup, ...]:
    return tuple(sorted(groups, key=lambda g: (_COUNTED.index(g.cause), -g.count, g.log_type)))
