"""What a verification costs, before its first request, and how far it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.monitor.model.verification import CLASS_A_USD, CLASS_B_USD, Tally

if TYPE_CHECKING:
    from slurper_tui.monitor.verify.buckets import ObjectListing

PACE_SECONDS = 20.0
"""Seconds over which the pace of the progress is averaged."""

_MORE = 9
"""Requests for which dividing ranges costs one more; measured on eight kinds of keys."""


class SideCost(msgspec.Struct, frozen=True):
    """What listing one side costs, approximately.

    requests: None if the number of objects is not known. in_r2: they are Class A operations of R2.
    lists_headers: a request for headers is one too, not a Class B operation.
    """

    name: str
    requests: int | None
    in_r2: bool
    lists_headers: bool = False

    @property
    def usd(self) -> float | None:
        """R2's price in US dollars beyond the free operations; None if unknown, 0 elsewhere."""
        if not self.in_r2:
            return 0.0
        return None if self.requests is None else self.requests * CLASS_A_USD

    @property
    def header_usd(self) -> float:
        """R2's price of one request for headers in US dollars; 0 elsewhere."""
        if not self.in_r2:
            return 0.0
        return CLASS_A_USD if self.lists_headers else CLASS_B_USD


class VerifyPlan(msgspec.Struct, frozen=True):
    """What a verification costs, before its first request.

    objects: of the jobs, by their counters; None if not known. seconds: None if not known.
    headers: requests for headers on each side.
    measured: `seconds` follows from the pace of an earlier verification.
    resumes: expected objects that an earlier run has compared already. begun_at: of that run, UTC
        seconds; None if it begins anew. replaced: because the file of an earlier run was damaged.
    """

    objects: int | None
    expected: SideCost
    actual: SideCost
    seconds: float | None = None
    measured: bool = False
    headers: int = 0
    resumes: int = 0
    begun_at: float | None = None
    replaced: bool = False

    @property
    def usd(self) -> float | None:
        """R2's price in US dollars beyond the free operations; None if not known."""
        sides = (self.expected.usd, self.actual.usd)
        if None in sides:
            return None
        heads = self.headers * (self.expected.header_usd + self.actual.header_usd)
        return sum(side or 0.0 for side in sides) + heads


def side_cost(
    side: ObjectListing, objects: int | None, ranges: int, workers: int, *, divide: bool
) -> SideCost:
    """Return what listing a side costs. objects: of the jobs; None if not known.

    ranges: of the scope. divide: whether the workers divide these.
    """
    cost = side.cost
    if not cost.page:
        return SideCost(side.name, 0, in_r2=False)
    if objects is None:
        return SideCost(side.name, None, cost.in_r2, cost.lists_headers)
    requests = -(-objects // cost.page) + ranges
    if workers > 1:
        # The last page of a part is not full, and some parts are empty.
        requests += workers + (requests // _MORE if divide else 0)
    return SideCost(side.name, requests, cost.in_r2, cost.lists_headers)


def assumed_seconds(sides: Sequence[ObjectListing], objects: int, workers: int) -> float:
    """Return the seconds of the slower side at the usual time of its requests.

    Sides with a fixed pace share it: they are listed through the same API.
    """
    longest = shared = 0.0
    for cost in (side.cost for side in sides if side.cost.page):
        requests = objects / cost.page + 1
        longest = max(longest, requests * cost.seconds / workers)
        shared += requests / cost.per_second if cost.per_second else 0.0
    return max(longest, shared)


class VerifyProgress(msgspec.Struct, frozen=True):
    """How far a verification is.

    compared: expected objects so far, those of an earlier run included. per_second: how many were
        compared in a second, over the last `PACE_SECONDS`; None at first.
    position: the last key of the shard that moved last. share: 0 to 1; None if not known.
    eta: seconds that are left; None if not known. requests: sent by each side in this run.
    heads: objects whose headers were compared, and all of the sample; None before.
    """

    compared: int = 0
    per_second: float | None = None
    position: str | None = None
    share: float | None = None
    eta: float | None = None
    tally: Tally = Tally()
    requests: tuple[int, int] = (0, 0)
    shards: int = 0
    shards_done: int = 0
    paused: bool = False
    heads: tuple[int, int] | None = None
    sorting: str | None = None
    done: bool = False


class Pace:
    """The objects a second of a verification, averaged over `PACE_SECONDS`."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque(maxlen=1000)

    def clear(self) -> None:
        """Begin anew, as after a pause."""
        self._points.clear()

    def at(self, now: float, compared: int) -> float | None:
        """Return the pace; None if it is not known yet. now: monotonic seconds."""
        points = self._points
        points.append((now, compared))
        while len(points) > 2 and now - points[0][0] > PACE_SECONDS:
            points.popleft()
        (since, first), (until, last) = points[0], points[-1]
        return (last - first) / (until - since) if until > since and last > first else None
