"""Asks how much the target buckets of stalled jobs hold, to tell a stall from a large object.

R2's `usage` is in no contract, and some minutes old: its errors are no problem of the account, but
make the growth unknown. `StalledTargets` sends only requests that nobody else needs.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.errors import ApiError, NotFound, Refused, Rejected
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import BucketSize, JobView, State

if TYPE_CHECKING:
    from slurper_tui.api.models import BucketUsage
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore

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
        return _size(usage, self._metered.now().wall), AGAIN_SECONDS

    def _note(self, bucket: _Bucket, size: BucketSize | None) -> None:
        """Tell the size to all stalled jobs with this target."""
        to_bucket = [track for track in self._job_store.tracks() if _target(track.view) == bucket]
        moving = any(track.view.state in _MOVING for track in to_bucket)
        for track in to_bucket:
            track.note_target(size, shared=moving)
        self._job_store.wake()


_MOVING = (State.RUNNING, State.LISTING, State.FAILING)


def _target(view: JobView) -> _Bucket | None:
    target = view.job.target
    if target is None or target.bucket is None:
        return None
    return _Bucket(view.account_id, target.bucket, target.jurisdiction)


def _size(usage: BucketUsage, now: float) -> BucketSize | None:
    """Return the size that an answer tells. now: UTC seconds."""
    if usage.payload_size is None:
        return None
    return BucketSize(parse_time(usage.end) or now, usage.payload_size, usage.upload_count)
