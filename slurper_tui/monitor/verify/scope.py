"""What a verification is about: which keys the jobs were to copy, and when each was created."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import has_ended

if TYPE_CHECKING:
    from slurper_tui.api.models import Job

_TOP = "\U0010ffff"


class JobScope(msgspec.Struct, frozen=True):
    """What one job was to copy.

    keys: only these; None for every object below the prefix. created_at: UTC seconds; None if that
    is not known. overwrite: it replaced objects that the target had.
    """

    job_id: str
    prefix: str = ""
    keys: tuple[str, ...] | None = None
    created_at: float | None = None
    overwrite: bool = True
    ended: bool = True


class Range(msgspec.Struct, frozen=True):
    """The keys below a prefix that are greater than `after`, and at most `until`.

    after, until: None for no bound. keys: only these, in ascending order; None for all.
    """

    prefix: str = ""
    after: str | None = None
    until: str | None = None
    keys: tuple[str, ...] | None = None

    def holds(self, key: str) -> bool:
        """Return whether a key is in the range."""
        return (
            key.startswith(self.prefix)
            and (self.after is None or key > self.after)
            and (self.until is None or key <= self.until)
        )


class Scope(msgspec.Struct, frozen=True):
    """The objects that some jobs of one account were to copy into one bucket.

    prefixes: only keys with one of these; empty for all.
    """

    account_id: str
    bucket: str
    jobs: tuple[JobScope, ...]
    prefixes: tuple[str, ...] = ()

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The ids of the jobs."""
        return tuple(job.job_id for job in self.jobs)

    @property
    def live(self) -> bool:
        """Whether a job has not ended."""
        return not all(job.ended for job in self.jobs)

    @property
    def common(self) -> str:
        """The longest folder that every key of the scope is in; empty if there is none."""
        texts = [*self._prefixes(), *self._keys()]
        if not texts:
            return ""
        first, last = min(texts), max(texts)
        same = next((i for i, c in enumerate(first) if last[i : i + 1] != c), len(first))
        return first[: first.rfind("/", 0, same) + 1]

    def ranges(self) -> tuple[Range, ...]:
        """Return the parts of the scope, which do not overlap: prefixes, then single keys."""
        prefixes = self._prefixes()
        keys = self._keys()
        ranges = tuple(Range(prefix) for prefix in prefixes)
        return (*ranges, Range(keys=keys)) if keys else ranges

    def created_at(self) -> Callable[[str], float | None]:
        """Return a function that tells since when the target has held a key's present version.

        That is when the latest of the jobs was created that copied the key: jobs that overwrite,
        or else the first that was to copy it. A later one that skips existing objects would not
        have replaced it. UTC seconds; None if no such job is known.
        """
        wanted = [(job, None if job.keys is None else frozenset(job.keys)) for job in self.jobs]

        def created_at(key: str) -> float | None:
            covering = [
                job
                for job, keys in wanted
                if job.created_at is not None
                and (key.startswith(job.prefix) if keys is None else key in keys)
            ]
            times = [job.created_at or 0.0 for job in covering if job.overwrite]
            first = min((job.created_at or 0.0 for job in covering), default=None)
            return first if first is None else max([first, *times])

        return created_at

    @property
    def first_created_at(self) -> float:
        """When the first of the jobs was created, UTC seconds; infinite if none is known."""
        return min((j.created_at for j in self.jobs if j.created_at is not None), default=math.inf)

    def fingerprint(self) -> str:
        """Return a text that another scope does not have."""
        return hashlib.sha256(msgspec.json.encode(self._plain())).hexdigest()

    def _plain(self) -> list[object]:
        """Return everything that decides which keys are compared, as ASCII."""
        jobs = sorted(
            (job.job_id, ascii(job.prefix), ascii(job.keys), job.created_at, job.overwrite)
            for job in self.jobs
        )
        return [self.account_id, self.bucket, jobs, [ascii(each) for each in self.prefixes]]

    def _prefixes(self) -> tuple[str, ...]:
        """Return the prefixes whose union is the scope of the jobs without keys, in order."""
        jobs = {job.prefix for job in self.jobs if job.keys is None}
        limits = self.prefixes or ("",)
        both = {max(job, limit, key=len) for job in jobs for limit in limits if _nested(job, limit)}
        return tuple(p for p in sorted(both) if not any(q != p and p.startswith(q) for q in both))

    def _keys(self) -> tuple[str, ...]:
        """Return the single keys that no prefix covers, in order."""
        prefixes = self._prefixes()
        keys = {key for job in self.jobs for key in job.keys or ()}
        limits = self.prefixes or ("",)
        return tuple(
            key for key in sorted(keys) if key.startswith(limits) and not key.startswith(prefixes)
        )


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def scope_of(
    account_id: str, bucket: str, jobs: Sequence[Job], prefixes: Sequence[str] = ()
) -> Scope:
    """Return the scope of some jobs with the same source and target.

    prefixes: limits to these; none if it is empty or has an empty one.
    """
    limits = () if "" in prefixes else tuple(sorted(set(prefixes)))
    return Scope(account_id, bucket, tuple(map(_job_scope, jobs)), limits)


def _job_scope(job: Job) -> JobScope:
    source = job.source
    return JobScope(
        job.id or "",
        (source and source.path_prefix) or "",
        None if source is None or not source.keys else tuple(filter(None, source.keys)),
        parse_time(job.created_at),
        job.overwrite is not False,
        has_ended(job),
    )


def cut(whole: Range, points: Sequence[str]) -> Iterator[Range]:
    """Divide a range at some keys; each part but the last ends with one of them."""
    after = whole.after
    for point in sorted({point for point in points if whole.holds(point)}):
        if point != whole.until:
            yield Range(whole.prefix, after, point)
            after = point
    yield Range(whole.prefix, after, whole.until)


_CLASS_ENDS = (("0", ":"), ("A", "["), ("a", "{"))
"""The first digit, capital and small letter, each with the character after the last."""


def middle(low: str, until: str | None, position: int, *, near: bool = False) -> str | None:
    """Return a text between two keys that first differs from `low` at a position.

    Its character there is halfway to the end of the digits or letters, or to that of `until`, or
    with `near` the next one. None if there is no such text. until: None for no bound.
    """
    head, char = low[:position], ord(low[position])
    end = next((ord(b) for a, b in _CLASS_ENDS if ord(a) <= char < ord(b)), char + 1)
    if until is not None and until.startswith(head) and len(until) > position:
        end = min(end, ord(until[position]))
    between = char + 1 if near else max(char + 1, (char + end + 1) // 2)
    if 0xD800 <= between <= 0xDFFF:
        between = 0xE000
    if between > ord(_TOP):
        return None
    found = head + chr(between)
    return found if until is None or found < until else None
