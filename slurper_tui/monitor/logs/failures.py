"""What failed and what was not copied, by reason and then by key prefix.

How the objects of a list of keys are fetched without Super Slurper.

A log being read for what failed and what was not copied.
"""

from __future__ import annotations

import itertools
import shlex
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing

from slurper_tui.api.models import LogRow, is_exact
from slurper_tui.monitor.logs.fetch import Asking, Turn
from slurper_tui.monitor.logs.paging import Paging
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.logs import (
    Cause,
    FailureGroup,
    FailuresView,
    LogCounts,
    PrefixGroup,
    RowCounts,
    Span,
    cause_of,
)
from slurper_tui.monitor.polling.job_store import FollowedJobs


def rclone_line(file: str, job: JobView) -> str:
    """What copies the keys of a file; SRC and DST are the person's own names for the stores."""
    source, target = job.job.source, job.job.target
    here = f"SRC:{(source and source.bucket) or ''}"
    there = f"DST:{(target and target.bucket) or ''}"
    words = ("rclone", "copy", "--files-from-raw", file, here, there)
    return " ".join(map(shlex.quote, words))


MOST_GROUPS = 20
"""So many prefixes of one reason are told apart, at most."""

MOST_EXAMPLES = 5
_DEEPEST = 16
_MOST_MESSAGES = 1000
"""Different messages whose number is known; one that holds a key each time has no end of them."""

_MESSAGES_TOLD = 20
_COUNTED = (Cause.FAILED, Cause.NOT_COPIED)


class _Group:
    """Keys with one prefix."""

    def __init__(self, count: int = 0, examples: Iterable[str] = ()) -> None:
        self.count = count
        self.examples = [*examples]

    def add(self, key: str) -> None:
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(key)


class Prefixes:
    """Counts keys by their folders, as deep as that says more than the keys themselves.

    A level with more than `MOST_GROUPS` folders is given up, and so are those below it. Of the
    others the deepest counts where two keys or more share a folder, on average, or all share one.
    """

    def __init__(self) -> None:
        self._levels: list[dict[str, _Group]] = [{}]
        self._deepest = _DEEPEST

    def add(self, key: str) -> None:
        """Take in one key."""
        folders = key.split("/")[:-1]
        while len(self._levels) <= min(len(folders), self._deepest):
            # So deep nobody was yet: all stand there as they do above.
            above = self._levels[-1].items()
            self._levels.append({p: _Group(g.count, g.examples) for p, g in above})
        prefix = ""
        for depth, level in enumerate(self._levels):
            if 0 < depth <= len(folders):
                prefix += folders[depth - 1] + "/"
            level.setdefault(prefix, _Group()).add(key)
        self._give_up()

    def _give_up(self) -> None:
        while len(self._levels[-1]) > MOST_GROUPS:
            self._levels.pop()
            self._deepest = len(self._levels) - 1

    def groups(self) -> tuple[PrefixGroup, ...]:
        """The folders of that level, the largest first."""
        keys = sum(group.count for group in self._levels[0].values())
        told = (e for e in reversed(self._levels) if len(e) == 1 or 2 * len(e) <= keys)
        groups = (PrefixGroup(p, g.count, tuple(g.examples)) for p, g in next(told, {}).items())
        return tuple(sorted(groups, key=lambda group: (-group.count, group.prefix)))


class Reason:
    """The objects that rows of one type name, each once; rows without a key count one each.

    keys: with the numbers of the rows that named them first.
    """

    def __init__(self, log_type: str) -> None:
        self.keys: dict[str, int] = {}
        self._log_type = log_type
        self._without_key = 0
        self._seen = Span()
        self._messages: Counter[str] = Counter()
        self._prefixes = Prefixes()

    def add(self, row: LogRow, number: int) -> None:
        """Take in one row."""
        self._seen.add(row.created_at)
        if row.message is not None and (
            row.message in self._messages or len(self._messages) < _MOST_MESSAGES
        ):
            self._messages[row.message] += 1
        if row.object_key is None:
            self._without_key += 1
        elif row.object_key not in self.keys:
            self.keys[row.object_key] = number
            self._prefixes.add(row.object_key)

    def group(self) -> FailureGroup:
        """All of it as one value."""
        told = sorted(self._messages.items(), key=lambda said: (-said[1], said[0]))
        return FailureGroup(
            log_type=self._log_type,
            cause=cause_of(self._log_type),
            count=len(self.keys) + self._without_key,
            first_seen=self._seen.first,
            last_seen=self._seen.last,
            messages=tuple(told[:_MESSAGES_TOLD]),
            prefixes=self._prefixes.groups(),
        )


class Reasons:
    """Every type of rows that name objects."""

    def __init__(self) -> None:
        self._by_type: dict[str, Reason] = {}
        self._rows = 0

    def add(self, rows: Iterable[LogRow]) -> None:
        """Take in more rows, in the order of the log."""
        for row in rows:
            log_type = row.log_type or ""
            if row.object_key is not None or cause_of(log_type) in _COUNTED:
                if log_type not in self._by_type:
                    self._by_type[log_type] = Reason(log_type)
                self._by_type[log_type].add(row, self._rows)
                self._rows += 1

    def groups(self) -> tuple[FailureGroup, ...]:
        """Failures first, then what was not copied, each the largest first."""
        groups = (r.group() for t, r in self._by_type.items() if cause_of(t) in _COUNTED)
        return tuple(sorted(groups, key=lambda g: (_COUNTED.index(g.cause), -g.count, g.log_type)))

    def keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """The keys of the rows of these types, each once, in the order of the rows."""
        found: dict[str, int] = {}
        for log_type, reason in self._by_type.items():
            if log_type in log_types:
                first = ((k, min(n, found.get(k, n))) for k, n in reason.keys.items())
                found |= dict(first)
        return tuple(sorted(found, key=found.__getitem__))


LOOK_PAGES = 50
"""Pages after which it is looked what has come since a long log began to be read."""


class FailingObjects:
    """Reads a log once, to its end, and then what has come meanwhile.

    keep: called with what the log holds, when it is known to be all.
    """

    def __init__(
        self,
        key: JobKey,
        asking: Asking,
        roster: FollowedJobs,
        now: Callable[[], Moment],
        keep: Callable[[LogCounts], None],
    ) -> None:
        self._key = key
        self._asking = asking
        self._roster = roster
        self._now = now
        self._keep = keep
        self._paging = Paging()
        self._rows = RowCounts()
        self._reasons = Reasons()

    async def views(self) -> AsyncGenerator[FailuresView, None]:
        """Yield what is known after every page; ends when the log was read to its end.

        A passing fault is told and asked about again; one that does not pass stands in the last
        view.
        """
        async with aclosing(self._turns()) as turns:
            async for turn in turns:
                yield self._taken(turn)
                if turn.final:
                    return
        counts = self._rows.counts(self._now().wall, whole=self._paging.whole)
        if counts.whole:
            self._keep(counts)
        yield self._view(Turn(), counts)

    def keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """The exact keys of the rows of these types, each once, in the order of the log."""
        return tuple(filter(is_exact, self._reasons.keys(log_types)))

    def inexact_keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """The keys that are left out of `keys`: the API sent bytes in them that are not UTF-8."""
        return tuple(key for key in self._reasons.keys(log_types) if not is_exact(key))

    async def _turns(self) -> AsyncGenerator[Turn, None]:
        """Read to the end, and what has come meanwhile: at the end, and now and then before it."""
        pages = itertools.count(1)
        for last in (False, True):
            if last:
                self._paging.look()
            async with aclosing(self._asking.turns(self._paging)) as turns:
                async for turn in turns:
                    yield turn
                    if not last and next(pages) % LOOK_PAGES == 0:
                        self._paging.look()

    def _taken(self, turn: Turn) -> FailuresView:
        for rows in turn.found:
            self._rows.add(rows)
            self._reasons.add(rows)
        return self._view(turn, self._rows.counts(self._now().wall, whole=False))

    def _view(self, turn: Turn, counts: LogCounts) -> FailuresView:
        view = self._roster.view(self._key)
        told = Counts() if view is None else view.counts
        return FailuresView(
            key=self._key,
            groups=self._reasons.groups(),
            counts=counts,
            failed_objects=told.failed,
            skipped_objects=told.skipped,
            rows_read=self._rows.rows,
            problem=turn.problem,
            waiting=turn.waiting,
        )
