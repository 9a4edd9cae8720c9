"""Groups the failed and uncopied objects of a log by reason and then by key prefix; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.model.logs import Cause, FailureGroup, PrefixGroup, Span, cause_of

MOST_GROUPS = 20
"""Prefix groups of one reason, at most."""

MOST_EXAMPLES = 5
_DEEPEST = 16
_MOST_MESSAGES = 1000
"""Distinct messages counted per reason; a message that contains the key differs in every row."""

_SHOWN_MESSAGES = 20
_COUNTED = (Cause.FAILED, Cause.NOT_COPIED)


class _Group(msgspec.Struct):
    """The number of keys with one prefix, and examples of them."""

    count: int = 0
    examples: list[str] = []


class Prefixes:
    """Counts keys by folder, at the deepest level that still groups them.

    A level with more than `MOST_GROUPS` folders is dropped with all levels below it. Of the rest,
    the deepest level is used that has two or more keys per folder on average, or a single folder.
    """

    def __init__(self) -> None:
        self._levels: list[dict[str, _Group]] = [{}]
        self._deepest = _DEEPEST

    def add(self, key: str) -> None:
        """Count one key."""
        folders = key.split("/")[:-1]
        while len(self._levels) <= min(len(folders), self._deepest):
            # A new level: earlier keys have no folder so deep and keep their groups from above.
            above = self._levels[-1].items()
            self._levels.append({p: _Group(g.count, [*g.examples]) for p, g in above})
        prefix = ""
        for depth, level in enumerate(self._levels):
            if 0 < depth <= len(folders):
                prefix += folders[depth - 1] + "/"
            group = level.setdefault(prefix, _Group())
            group.count += 1
            if len(group.examples) < MOST_EXAMPLES:
                group.examples.append(key)
        while len(self._levels[-1]) > MOST_GROUPS:
            self._levels.pop()
            self._deepest = len(self._levels) - 1

    def groups(self) -> tuple[PrefixGroup, ...]:
        """Return the folders of the chosen level, the largest first."""
        keys = sum(group.count for group in self._levels[0].values())
        fitting = (e for e in reversed(self._levels) if len(e) == 1 or 2 * len(e) <= keys)
        groups = (PrefixGroup(p, g.count, tuple(g.examples)) for p, g in next(fitting, {}).items())
        return tuple(sorted(groups, key=lambda group: (-group.count, group.prefix)))


class _Reason(msgspec.Struct):
    """The objects that rows of one log type name, each once.

    keys: each key with the number of the first row that names it. without_key: number of rows that
    name no key; each counts as one object.
    """

    keys: dict[str, int] = {}
    without_key: int = 0
    seen: Span = msgspec.field(default_factory=Span)
    messages: Counter[str] = msgspec.field(default_factory=Counter)
    prefixes: Prefixes = msgspec.field(default_factory=Prefixes)


class Reasons:
    """Counts the rows that name objects, by log type."""

    def __init__(self) -> None:
        self._by_type: dict[str, _Reason] = {}
        self._rows = 0

    def add(self, rows: Iterable[LogRow]) -> None:
        """Count more rows, in the order of the log."""
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
                reason.without_key += 1
            elif key not in reason.keys:
                reason.keys[key] = self._rows
                reason.prefixes.add(key)
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
                count=len(reason.keys) + reason.without_key,
                first_seen=reason.seen.first,
                last_seen=reason.seen.last,
                messages=tuple(messages[:_SHOWN_MESSAGES]),
                prefixes=reason.prefixes.groups(),
            )
            groups.append(group)
        return tuple(sorted(groups, key=lambda g: (_COUNTED.index(g.cause), -g.count, g.log_type)))

    def keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """Return the keys of the rows of these types, each once, in the order of the rows."""
        found: dict[str, int] = {}
        for log_type, reason in self._by_type.items():
            if log_type in log_types:
                first = ((k, min(n, found.get(k, n))) for k, n in reason.keys.items())
                found |= dict(first)
        return tuple(sorted(found, key=found.__getitem__))

    def without_key(self, log_types: Collection[str]) -> int:
        """Return the number of rows of these types that name no key."""
        return sum(r.without_key for t, r in self._by_type.items() if t in log_types)
