"""Reading a job list that is longer than one page, page by page and again and again."""

from __future__ import annotations

import math
from collections.abc import Sequence

from slurper_tui.api.errors import ApiError, BadAnswer
from slurper_tui.api.models import PAGE_SIZE, Job
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Problem

MOST_PAGES = 400
"""20,000 jobs: far past any account, and an end to a list that has none."""

CHECK_READINGS = 6
"""Every so many readings the end of the list is verified again, even when nothing has changed."""

SKIP_FAILURES = 3
"""A page that failed so many times in a row is left out, and the next one is read."""

LIST_SHARE = 0.1
"""At most this part of the time is spent waiting for pages of the list."""

BYTES_PER_SECOND = 100_000
"""The list takes no more than this on average, once it has been read."""

LONGEST_PAUSE = 900.0
"""Seconds between two pages, however large they are."""


class Listing:
    """The state of reading one account's list.

    hurried: pages follow one another without a pause, at the start and on request. complete: the
    whole list was read at least once. over: a first reading has ended, even one with pages missing.
    pages: how many answers came. wanted: something changed, so the first page, where new jobs are,
    is read soon and in addition to the turn. offset: the row where the turn stands. extra: the
    request under way is in addition to the turn, and does not count for asked_at. read_at: when any
    page was last asked for. verifying: the last page was short, and the next one is to show whether
    the list ends there. pause: seconds from one page to the next that its size and its time demand.
    asked_at, read_at, retry_at, failing_since: monotonic seconds.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.extra = False
        self.hurried = True
        self.complete = False
        self.over = False
        self.pages = 0
        self.wanted = False
        self.under_way = False
        self.verifying = False
        self.pause = 0.0
        self.asked_at = -math.inf
        self.read_at = -math.inf
        self.retry_at = -math.inf
        self.failing_since: float | None = None
        self.failures = 0
        self.problem: Problem | None = None
        self._seen: set[str] = set()
        self._step = PAGE_SIZE
        self._failed_at = 0
        self._tries = 0
        self._holes = 0
        self._skipping = False
        self._nameless = False
        self._verified: frozenset[str] = frozenset()
        self._unchecked = 0

    @property
    def settled(self) -> bool:
        """No further page of a first reading is about to bring other jobs."""
        return self.complete or self.problem is not None

    @property
    def read(self) -> bool:
        """The rows of the first reading are known, or only the proof of its end is missing."""
        return self.over or self.verifying

    @property
    def pressing(self) -> bool:
        """The page before was short and named new jobs: there may be more right behind it."""
        return self.verifying and not self._seen <= self._verified

    def restart(self) -> None:
        """Read the whole list from its beginning, in a hurry."""
        self._begin_again()
        self.hurried = True

    def _begin_again(self) -> None:
        self.offset, self._seen, self._step = 0, set(), PAGE_SIZE
        self._holes, self._skipping, self._nameless, self.verifying = 0, False, False, False

    @property
    def asking(self) -> int:
        """The offset that the request under way asks for."""
        return 0 if self.extra else self.offset

    def begin(self, now: float) -> None:
        """A request is about to go out."""
        self.read_at = now
        self.extra = self.wanted and not self.hurried and self.offset > 0
        self.asked_at = self.asked_at if self.extra else now
        self.under_way, self.wanted = True, False

    def cost(self, seconds: float, size: int) -> None:
        """Pace the list by what its last page cost: seconds of waiting and bytes."""
        wanted = max(seconds / LIST_SHARE, size / BYTES_PER_SECOND)
        self.pause = min(wanted, LONGEST_PAUSE)

    def landed(self, page: Sequence[Job], total: int | None = None) -> frozenset[str] | None:
        """Take in one page; return the ids of the whole list when this page completed it.

        total: how many rows the server says there are. Pages may be shorter than asked for, so the
        list ends with an empty page, with one that brings nothing new (a server that ignores the
        offset has no other end), or with a short one where `total` is reached or which was
        followed by an empty page in an earlier reading. None too where a reading ended but proves
        nothing: pages failed, rows are missing or have no id, or there are more than are read.
        """
        self.pages += 1
        self._answered()
        ids = {job.id for job in page if job.id}
        self._nameless = self._nameless or any(not job.id for job in page)
        if self.extra:
            self.extra = False
            self._seen |= ids
            return None
        fresh = ids - self._seen
        self._seen |= ids
        rows = self.offset + (len(page) if fresh else 0)
        short = len(page) < PAGE_SIZE
        total = None if total is not None and total < rows else total  # it is told wrongly
        unverified = bool(fresh) and short and total is None
        bounded = rows >= MOST_PAGES * PAGE_SIZE
        if fresh and not bounded and not (short and self._ends_here(rows, total)):
            self.offset, self._step, self.verifying = rows, len(page), short
            self._skipping = False
            return None
        self._unchecked = self._unchecked + 1 if unverified else 0
        return self._end(proves=not bounded and (total is None or rows >= total))

    def _answered(self) -> None:
        self.failures, self.failing_since, self.retry_at = 0, None, -math.inf
        self._tries = 0
        if self.asking == self._failed_at:
            self.problem = None

    def _ends_here(self, rows: int, total: int | None) -> bool:
        """Whether a short page is the last one: `total` says so, or an earlier reading did."""
        if total is not None:
            return rows >= total
        return self._seen == self._verified and self._unchecked < CHECK_READINGS

    def _end(self, *, proves: bool) -> frozenset[str] | None:
        """End a reading; return its ids where they prove what is not in the list."""
        whole, holes, nameless = frozenset(self._seen), self._holes, self._nameless
        self._verified = frozenset() if holes else whole
        self._begin_again()
        self.hurried, self.over = False, True
        if holes:
            return None
        self.complete, self.problem = True, None
        return whole if proves and not nameless else None

    def failed(self, error: ApiError, now: Moment, wait: float) -> None:
        """A page could not be read. wait: seconds until the next try, infinite for none.

        A page that the server fails to give does not hold up the pages after it: it is left out
        after `SKIP_FAILURES`, or at once where nothing is tried again, and the reading proves
        nothing. Two such pages in a row end the reading.
        """
        self.failing_since = now.mono if self.failing_since is None else self.failing_since
        self.failures += 1
        self._failed_at = self.asking
        self.retry_at = now.mono + wait
        since = self.problem.since if self.problem else now.wall
        self.problem = Problem(error, since, retry_at=None if math.isinf(wait) else now.wall + wait)
        if not self.extra:
            self._leave_out(error, now.mono, once=math.isinf(wait))
        self.wanted, self.extra = self.wanted or self.extra, False

    def _leave_out(self, error: ApiError, now: float, *, once: bool) -> None:
        """Go on behind a page that the server fails to give. once: nothing is tried again."""
        self._tries += 1
        if not isinstance(error, BadAnswer):
            if once and self.offset:
                self._holes += 1
                self._end(proves=False)
        elif once or self._tries >= SKIP_FAILURES:
            self._skip()
            self.retry_at = now if once and not self.over else self.retry_at

    def _skip(self) -> None:
        """Leave a page out; the second in a row ends the reading."""
        self._holes += 1
        if self._skipping:
            self._end(proves=False)
            return
        self._skipping, self._tries = True, 0
        self.offset += self._step
