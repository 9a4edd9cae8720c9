"""Reads what the API tells about the target bucket of a new job: all of it is optional."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from slurper_tui.api.errors import ApiError, NotFound

if TYPE_CHECKING:
    from slurper_tui.api.models import Bucket, Lifecycle, LifecycleRule, Lock, LockRule, Sippy
    from slurper_tui.monitor.model.plans import Draft
    from slurper_tui.monitor.polling.budget import Metered

T = TypeVar("T")

_NO_SUCH_BUCKET = 10006

SECONDS = 10.0
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
        async with asyncio.timeout(SECONDS):
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
