"""What R2's own API tells about the target buckets of jobs: all of it is optional.

`inspect` reads the properties of a new job's target. `StalledTargets` asks how much the targets of
stalled jobs hold, to tell a stall from a large object, with requests that nobody else needs. R2's
`usage` is in no contract, and some minutes old: its errors are no problem of the account, but make
the growth unknown.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from slurper_tui.api.errors import ApiError, NotFound, Refused, Rejected
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import BucketSize, JobView, State

if TYPE_CHECKING:
    from slurper_tui.api.models import (
        Bucket,
        Lifecycle,
        LifecycleRule,
        Lock,
        LockRule,
        Sippy,
    )
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.plans import Draft
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore

T = TypeVar("T")

_NO_SUCH_BUCKET = 10006

INSPECT_SECONDS = 10.0
"""Time limit for all requests together; what is not answered by then is unknown."""


class TargetBucket(NamedTuple):
    """The properties of a target bucket; None where the API does not tell them.

    exists: False only if the API says that there is no such bucket.
    """

    exists: bool | None = None
    bucket: Bucket | None = None
    lock: Lock | None = None
    lifecycle: Lifecycle | None = None
    sippy: Sippy | None = None

    @property
    def locks(self) -> tuple[LockRule, ...] | None:
        """The rules that forbid to overwrite objects now."""
        rules = None if self.lock is None else self.lock.rules
        return None if rules is None else tuple(rule for rule in rules if rule.enabled)

    @property
    def deletions(self) -> tuple[LifecycleRule, ...] | None:
        """The rules that delete objects."""
        rules = None if self.lifecycle is None else self.lifecycle.rules
        if rules is None:
            return None
        return tuple(rule for rule in rules if rule.enabled and rule.delete_objects_transition)


async def inspect(metered: Metered, account_id: str, draft: Draft) -> TargetBucket:
    """Read the properties of a draft's target bucket; an error makes a property unknown."""
    where = (account_id, draft.target, draft.target_jurisdiction)
    api = metered.api
    # Named first, for the type checker: `gather` would widen the type of each answer.
    about = metered.at_once(partial(api.r2_bucket, *where))
    locks = metered.at_once(partial(api.r2_lock, *where))
    rules = metered.at_once(partial(api.r2_lifecycle, *where))
    copies = metered.at_once(partial(api.r2_sippy, *where))
    try:
        async with asyncio.timeout(INSPECT_SECONDS):
            bucket, lock, lifecycle, sippy = await asyncio.gather(
                about, locks, rules, copies, return_exceptions=True
            )
    except TimeoutError:
        return TargetBucket()
    exists = None if _known(bucket) is None else True
    if isinstance(bucket, NotFound) and _NO_SUCH_BUCKET in (f.code for f in bucket.faults):
        exists = False
    return TargetBucket(exists, _known(bucket), _known(lock), _known(lifecycle), _known(sippy))


def _known(answer: T | BaseException) -> T | None:
    """Return an answer's value, None for an ApiError. Raises any other exception."""
    if isinstance(answer, ApiError):
        return None
    if isinstance(answer, BaseException):
        raise answer
    return answer


LOOK_SECONDS = 2.0
"""Seconds between two searches for a stalled job whose target is to be measured."""

AGAIN_SECONDS = 300.0
"""Least seconds between two requests for the size of one bucket."""

UNKNOWN_SECONDS = 3600.0
"""The same if the API refused the last one: the operation is in no contract."""


class _Bucket(NamedTuple):
    account_id: str
    name: str
    jurisdiction: str | None


class StalledTargets:
    """Measures the targets of the stalled jobs that are looked at, each once in five minutes.

    looked_at: returns the highlighted job, or those of the highlighted migration.
    """

    def __init__(
        self, metered: Metered, job_store: JobStore, looked_at: Callable[[], Sequence[JobKey]]
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._looked_at = looked_at
        self._again_at: dict[_Bucket, float] = {}

    async def run(self) -> None:
        """Measure every bucket that is due, without end."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for bucket in self._due():
                size, wait = await self._measure(bucket)
                self._again_at[bucket] = self._metered.now().mono + wait
                self._note(bucket, size)

    def _due(self) -> list[_Bucket]:
        """Return the buckets to measure now."""
        now = self._metered.now().mono
        views = [self._job_store.view(key) for key in self._looked_at()]
        stalled = [_target(view) for view in views if view and view.state is State.STALLED]
        buckets = dict.fromkeys(bucket for bucket in stalled if bucket is not None)
        return [bucket for bucket in buckets if self._again_at.get(bucket, -math.inf) <= now]

    async def _measure(self, bucket: _Bucket) -> tuple[BucketSize | None, float]:
        """Ask for a bucket's size, None if the API does not tell it, and when to ask again.

        The second value are seconds from now.
        """
        metered = self._metered.of(bucket.account_id)
        try:
            usage = await metered.in_turn(partial(metered.api.r2_usage, *bucket), idle=True)
        except ApiError as error:
            refused = isinstance(error, (Refused, NotFound, Rejected))
            return None, UNKNOWN_SECONDS if refused else AGAIN_SECONDS
        if usage.payload_size is None:
            return None, AGAIN_SECONDS
        at = parse_time(usage.end) or self._metered.now().wall
        return BucketSize(at, usage.payload_size, usage.upload_count), AGAIN_SECONDS

    def _note(self, bucket: _Bucket, size: BucketSize | None) -> None:
        """Tell the size to all stalled jobs with this target."""
        to_bucket = [track for track in self._job_store.tracks() if _target(track.view) == bucket]
        moves = (State.RUNNING, State.LISTING, State.FAILING)
        moving = any(track.view.state in moves for track in to_bucket)
        for track in to_bucket:
            track.note_target(size, shared=moving)
        self._job_store.wake()


def _target(view: JobView) -> _Bucket | None:
    target = view.job.target
    if target is None or target.bucket is None:
        return None
    return _Bucket(view.account_id, target.bucket, target.jurisdiction)
