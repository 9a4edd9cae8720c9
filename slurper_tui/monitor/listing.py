"""Reading a job list that is longer than one page, page by page and again and again."""

from __future__ import annotations

import math
from collections.abc import Sequence

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import PAGE_SIZE, Job
from slurper_tui.monitor.account_view import Problem
from slurper_tui.monitor.moment import Moment

MOST_PAGES = 400
"""20,000 jobs: far past any account, and an end to a list that has none."""


class Listing:
    """Where we stand in an account's list.

    hurried: pages follow one another without a pause, at the start and on request. complete: the
    whole list was read at least once. pages: how many answers came. wanted: something changed, so
    the first page, where new jobs are, is read soon and beside the turn. offset: where the turn
    stands. extra: the request under way is beside the turn, and does not count for asked_at.
    asked_at, retry_at, failing_since: monotonic seconds.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.extra = False
        self.hurried = True
        self.complete = False
        self.pages = 0
        self.wanted = False
        self.under_way = False
        self.asked_at = -math.inf
        self.retry_at = -math.inf
        self.failing_since: float | None = None
        self.failures = 0
        self.problem: Problem | None = None
        self._seen: set[str] = set()

    @property
    def settled(self) -> bool:
        """No further page of a first reading is about to bring other jobs."""
        return self.complete or self.problem is not None

    def restart(self) -> None:
        """Read the whole list from its beginning, in a hurry."""
        self.offset = 0
        self.hurried = True
        self._seen = set()

    @property
    def asking(self) -> int:
        """The offset that the request under way asks for."""
        return 0 if self.extra else self.offset

    def begin(self, now: float) -> None:
        """A request is about to go out."""
        self.extra = self.wanted and not self.hurried and self.offset > 0
        self.asked_at = self.asked_at if self.extra else now
        self.under_way, self.wanted = True, False

    def landed(self, page: Sequence[Job]) -> frozenset[str] | None:
        """Take in one page; return the ids of the whole list when this page was its last.

        A page that brings nothing new ends the list too, whatever its length: a server that
        ignores the offset would have no end.
        """
        self.pages += 1
        self.failures, self.failing_since = 0, None
        self.problem, self.retry_at = None, -math.inf
        ids = {job.id for job in page if job.id}
        if self.extra:
            self.extra = False
            self._seen |= ids
            return None
        fresh = ids - self._seen
        self._seen |= ids
        full = len(page) >= PAGE_SIZE and fresh
        if full and self.offset < (MOST_PAGES - 1) * PAGE_SIZE:
            self.offset += PAGE_SIZE
            return None
        whole = frozenset(self._seen)
        self.offset, self._seen = 0, set()
        self.hurried, self.complete = False, True
        return whole

    def failed(self, error: ApiError, now: Moment, wait: float) -> None:
        """A page could not be read. wait: seconds until the next try."""
        self.failing_since = now.mono if self.failing_since is None else self.failing_since
        self.failures += 1
        self.wanted, self.extra = self.wanted or self.extra, False
        self.retry_at = now.mono + wait
        since = self.problem.since if self.problem else now.wall
        self.problem = Problem(error, since, retry_at=None if math.isinf(wait) else now.wall + wait)
