"""Reads logs: as a view to show and follow, as a stream of rows, or for failures.

`LogReader` serves all jobs. `LogFetcher` requests a log's pages within the request budget, and
retries transient errors. `ShownLog` keeps the newest rows and the row counts of a log on screen.
`ReversedRows` stores rows that are read newest first and returns them oldest first.
`FailingObjects` reads the failed and uncopied objects.
"""

from __future__ import annotations

import asyncio
import itertools
import marshal
import random
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from slurper_tui.api.errors import ApiError, BadAnswer, RateLimited, TooLarge, Unreachable
from slurper_tui.api.models import LogRow, is_exact
from slurper_tui.monitor.logs.failures import Reasons
from slurper_tui.monitor.logs.paging import Found, PageRequest, Paging
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import FailuresView, LogCounts, LogView, RowCounts
from slurper_tui.monitor.polling.budget import Metered, backoff

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import HistoryNotes
    from slurper_tui.monitor.polling.job_store import JobStore

_TRANSIENT = (Unreachable, BadAnswer, RateLimited)

MOST_FAILURES = 6
"""Consecutive transient errors after which a command that does not follow a log gives up."""

_BASE = 2.0
"""Initial back-off after errors, in seconds."""

_REPORTED_WAIT = 5.0
"""Seconds of waiting for the request budget before it is reported; shorter waits are usual."""


def is_transient(error: ApiError | None) -> bool:
    """Whether the error is transient: the same request may succeed later."""
    return isinstance(error, _TRANSIENT) and not isinstance(error, TooLarge)


class FetchStep(NamedTuple):
    """Result of one step: new rows, an error, or a request that waits for the budget.

    problem: the request failed; it is retried unless the error is `final`. waiting: the request
    waits for the budget. failures: number of consecutive failures.
    """

    found: Found = Found()
    problem: ApiError | None = None
    final: bool = False
    waiting: bool = False
    failures: int = 0


class PageSizes:
    """Remembers page lengths to decide whether rows may follow a short page.

    A gateway may cap pages below the requested limit. A page shorter than an earlier one counts as
    the last of its log, unless rows have once followed a short page.
    """

    def __init__(self) -> None:
        self._longest = 0
        self._capped = False

    def add(self, number: int, *, after_short: bool) -> bool:
        """Record a page of `number` rows; return whether rows may follow it if it is short.

        after_short: the page was requested behind a short page.
        """
        may_go_on = self._capped or number >= self._longest
        self._longest = max(self._longest, number)
        self._capped = self._capped or (after_short and number > 0)
        return may_go_on


class LogFetcher:
    """Reads one log. Closing the generator of `steps` cancels the pending request.

    sizes: the page lengths seen from this API.
    """

    def __init__(self, metered: Metered, key: JobKey, rng: random.Random, sizes: PageSizes) -> None:
        self._metered = metered
        self._key = key
        self._rng = rng
        self._sizes = sizes

    async def steps(self, paging: Paging) -> AsyncGenerator[FetchStep, None]:
        """Request the paging's pages until it has none, or until a permanent error.

        A short page is completed by further requests first if rows may follow it.
        """
        failures = 0
        begun: tuple[PageRequest | None, tuple[LogRow, ...]] = (None, ())
        while (page := paging.next_page) is not None:
            part = begun[1] if begun[0] == page else ()
            waits = asyncio.Event()
            rest = partial(
                self._metered.api.logs,
                *self._key,
                limit=page.limit - len(part),
                offset=page.offset + len(part),
            )
            request = asyncio.ensure_future(self._metered.in_turn(rest, waits.set))
            try:
                await asyncio.wait({request}, timeout=_REPORTED_WAIT)
                if waits.is_set() and not request.done():
                    yield FetchStep(waiting=True, failures=failures)
                rows = await request
            except ApiError as error:
                failures += 1
                final = not is_transient(error)
                yield FetchStep(problem=error, final=final, failures=failures)
                if final:
                    return
                await asyncio.sleep(backoff(failures, _BASE, self._rng))
            else:
                failures = 0
                incomplete = self._is_incomplete(part, rows, page, paging)
                begun = (page, part + rows) if incomplete else (None, ())
                if not incomplete:
                    yield FetchStep(paging.take(part + rows))
            finally:
                request.cancel()
                await asyncio.wait({request})
                if not request.cancelled():
                    request.exception()  # retrieve it, or asyncio logs it as never retrieved

    def _is_incomplete(
        self, part: tuple[LogRow, ...], rows: tuple[LogRow, ...], page: PageRequest, paging: Paging
    ) -> bool:
        """Whether a page needs another request. part: its rows before the last answer, `rows`."""
        may_go_on = self._sizes.add(len(rows), after_short=bool(part))
        repeated = bool(part) and rows == part[: len(rows)]  # the server ignores the offset
        ended = not rows or repeated or len(part) + len(rows) >= page.limit
        return not ended and may_go_on and paging.needs_rest(part + rows)


_CHUNK = 1000
"""Rows per compressed chunk; similar rows take about 20 bytes each."""


class ReversedRows:
    """Stores the rows of a log that is read newest first, and returns them oldest first, once.

    The older rows are stored compressed.
    """

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._rows: list[LogRow] = []
        self._newer: list[LogRow] = []

    def add(self, found: Found) -> None:
        """Add new rows."""
        self._newer += reversed(found.newer)
        self._rows += found.older
        if len(self._rows) >= _CHUNK:
            # Not JSON: it would join two adjacent lone surrogates into one character.
            chunk = marshal.dumps([msgspec.structs.astuple(row) for row in self._rows])
            self._chunks.append(zlib.compress(chunk, level=1))
            self._rows = []

    def take(self) -> Iterator[LogRow]:
        """Yield and remove every row, oldest first; call it once the oldest row has been added."""
        while self._rows or self._chunks:
            yield from reversed(self._rows)
            chunk = zlib.decompress(self._chunks.pop()) if self._chunks else marshal.dumps([])
            self._rows = [LogRow(*values) for values in marshal.loads(chunk)]
        newer, self._newer = self._newer, []
        yield from newer


MOST_ROWS = 5_000
"""Newest rows of a shown log that are kept in memory."""


class ShownLog:
    """Collects the newest rows and the row counts of a log into the view that is shown."""

    def __init__(self, key: JobKey) -> None:
        self._key = key
        self._rows: deque[LogRow] = deque()
        self._shown: tuple[LogRow, ...] = ()
        self.counts = RowCounts()
        self._problem: ApiError | None = None
        self._waiting = False

    def take(self, step: FetchStep) -> bool:
        """Process a step; return whether it has new rows."""
        if not step.waiting:
            self._problem = step.problem
        self._waiting = step.waiting
        older, newer = step.found
        self.counts.add(older)
        self.counts.add(newer)
        room = MOST_ROWS - len(self._rows)
        self._rows.extend(older[: max(0, room)])
        self._rows.extendleft(reversed(newer))
        while len(self._rows) > MOST_ROWS:
            self._rows.pop()
        if newer or (older and room > 0):
            self._shown = tuple(self._rows)
        return bool(older or newer)

    def view(self, *, whole: bool) -> LogView:
        """Return the current view. whole: the log was read to its oldest row without a gap."""
        return LogView(
            self._key, self._shown, self.counts.rows, whole, self._problem, self._waiting
        )


REFRESH_SECONDS = 5.0
"""Minimum seconds between two refreshes for new rows."""

ENDED_SECONDS = 60.0
"""Seconds between two refreshes of an ended job's log if the last one found nothing."""

_MOST_READINGS = 4
"""Maximum readings of a log whose rows may be incomplete."""


class LogReader:
    """Reads the logs of all jobs.

    notes: store the row counts. interval: returns the seconds between two rounds of polls; logs are
    not read more often than that.
    """

    def __init__(
        self,
        metered: Metered,
        job_store: JobStore,
        notes: HistoryNotes,
        *,
        interval: Callable[[], float] = lambda: REFRESH_SECONDS,
        rng: random.Random | None = None,
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._notes = notes
        self._interval = interval
        self._rng = rng or random.Random()
        self._sizes = PageSizes()

    async def follow(self, key: JobKey) -> AsyncGenerator[LogView, None]:
        """Yield the log after every page, then whenever there are new rows.

        Ends only with a view that has a permanent error. The log is read again from the start if
        it turns out to be sorted the other way, or if rows arrived too fast to be read without a
        gap.
        """
        order, view = None, LogView(key)
        for reading in itertools.count(1):
            paging = Paging(order)
            async with aclosing(self._shown(key, paging, reading)) as views:
                async for view in views:
                    yield view
            if view.problem is not None:
                return
            order = paging.order

    async def _shown(
        self, key: JobKey, paging: Paging, reading: int
    ) -> AsyncGenerator[LogView, None]:
        """Yield the views of one reading until another one is necessary.

        A second reading yields nothing before it has read the whole log, so that the view of the
        first one stays on screen.
        """
        log, last = ShownLog(key), LogView(key)
        async with aclosing(self._followed(key, paging)) as steps:
            async for step in steps:
                has_new_rows = log.take(step)
                view = log.view(whole=paging.whole)
                if paging.whole and (has_new_rows or not last.whole):
                    self._keep(key, log.counts.counts(self._metered.now().wall, whole=True))
                if view != last and (paging.read or reading == 1 or step.final):
                    yield view
                last = view
                idle = paging.read and step == FetchStep()
                if paging.reversed_order or (paging.gap and idle and reading < _MOST_READINGS):
                    return

    async def rows(
        self,
        key: JobKey,
        *,
        follow: bool = False,
        on_progress: Callable[[LogView], object] = lambda view: None,
    ) -> AsyncGenerator[LogRow, None]:
        """Yield every row once: newest first, or, when following, oldest first and without end.

        on_progress: called after every step with a view without rows. Raises ApiError for a
        permanent error, and, unless following, after `MOST_FAILURES` consecutive transient errors.
        """
        paging, stored, read = Paging(), ReversedRows(), 0
        once = self._fetcher(key).steps(paging)
        async with aclosing(self._followed(key, paging) if follow else once) as steps:
            async for step in steps:
                read += len(step.found.older) + len(step.found.newer)
                on_progress(LogView(key, (), read, paging.whole, step.problem, step.waiting))
                gives_up = step.failures >= MOST_FAILURES and not follow
                if step.problem is not None and (step.final or gives_up):
                    raise step.problem
                rows: Iterable[LogRow] = step.found.older
                if follow:
                    stored.add(step.found)
                    rows = stored.take() if paging.read else ()
                for row in rows:
                    yield row

    def failures(self, key: JobKey) -> FailingObjects:
        """Return a reader of the failed and uncopied objects in a job's log."""
        return FailingObjects(
            key, self._fetcher(key), self._job_store, self._metered.now, partial(self._keep, key)
        )

    async def _followed(self, key: JobKey, paging: Paging) -> AsyncGenerator[FetchStep, None]:
        """Read to the end, refreshing for new rows meanwhile and afterwards without end."""
        refreshed = self._metered.now().mono
        found_rows = False
        while True:
            async with aclosing(self._fetcher(key).steps(paging)) as steps:
                async for step in steps:
                    found_rows = found_rows or step.found != ((), ())
                    yield step
                    if step.final:
                        return
                    if self._metered.now().mono >= refreshed + self._pause(key, found_rows=True):
                        refreshed = self._metered.now().mono
                        paging.refresh()
            wait = refreshed + self._pause(key, found_rows=found_rows) - self._metered.now().mono
            await asyncio.sleep(max(0.0, wait))
            refreshed, found_rows = self._metered.now().mono, False
            paging.refresh()

    def _pause(self, key: JobKey, *, found_rows: bool) -> float:
        """Return the seconds between two refreshes. found_rows: the last refresh found rows."""
        view = self._job_store.view(key)
        if view is not None and not view.live and not found_rows:
            return ENDED_SECONDS
        return max(REFRESH_SECONDS, self._interval())

    def _fetcher(self, key: JobKey) -> LogFetcher:
        return LogFetcher(self._metered, key, self._rng, self._sizes)

    def _keep(self, key: JobKey, counts: LogCounts) -> None:
        """Pass the log's row counts to the job and to the history."""
        self._job_store.set_log_counts(key, counts)
        self._notes.keep_counts(key, counts)


REFRESH_PAGES = 50
"""Pages between two refreshes for newer rows while a long log is being read."""


class FailingObjects:
    """Reads a log once to its end, then the rows that were added meanwhile.

    keep: called with the log's row counts if the log was read without a gap.
    """

    def __init__(
        self,
        key: JobKey,
        fetcher: LogFetcher,
        job_store: JobStore,
        now: Callable[[], Moment],
        keep: Callable[[LogCounts], None],
    ) -> None:
        self._key = key
        self._fetcher = fetcher
        self._job_store = job_store
        self._now = now
        self._keep = keep
        self._paging = Paging()
        self._rows = RowCounts()
        self._reasons = Reasons()

    async def views(self) -> AsyncGenerator[FailuresView, None]:
        """Yield the groups after every page until the log was read to its end.

        A transient error is shown in a view and the request is retried; a permanent error is in
        the last view.
        """
        async with aclosing(self._steps()) as steps:
            async for step in steps:
                for rows in step.found:
                    self._rows.add(rows)
                    self._reasons.add(rows)
                yield self._view(step, self._rows.counts(self._now().wall, whole=False))
                if step.final:
                    return
        counts = self._rows.counts(self._now().wall, whole=self._paging.whole)
        if counts.whole:
            self._keep(counts)
        yield self._view(FetchStep(), counts)

    async def read(self, on_progress: Callable[[FailuresView], object]) -> FailuresView:
        """Read the log and return the last view; call `on_progress` with every view.

        The last view has a problem after a permanent error, or after `MOST_FAILURES` consecutive
        transient errors.
        """
        view, failures = FailuresView(self._key), 0
        async with aclosing(self.views()) as views:
            async for view in views:
                on_progress(view)
                if view.problem is not None:
                    failures += 1
                elif not view.waiting:
                    failures = 0
                if failures >= MOST_FAILURES:
                    break
        return view

    def keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """Return the exact keys of the rows of these types, each once, in the log's order."""
        return tuple(filter(is_exact, self._reasons.keys(log_types)))

    def inexact_keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """Return the keys that `keys` omits: the API sent bytes in them that are not UTF-8."""
        return tuple(key for key in self._reasons.keys(log_types) if not is_exact(key))

    def without_key(self, log_types: Collection[str]) -> int:
        """Return the number of rows of these types that name no key."""
        return self._reasons.without_key(log_types)

    async def _steps(self) -> AsyncGenerator[FetchStep, None]:
        """Read to the end; refresh every `REFRESH_PAGES` pages and at the end."""
        pages = itertools.count(1)
        for last in (False, True):
            if last:
                self._paging.refresh()
            async with aclosing(self._fetcher.steps(self._paging)) as steps:
                async for step in steps:
                    yield step
                    if not last and next(pages) % REFRESH_PAGES == 0:
                        self._paging.refresh()

    def _view(self, step: FetchStep, counts: LogCounts) -> FailuresView:
        view = self._job_store.view(self._key)
        job_counts = Counts() if view is None else view.counts
        return FailuresView(
            key=self._key,
            groups=self._reasons.groups(),
            counts=counts,
            failed_objects=job_counts.failed,
            skipped_objects=job_counts.skipped,
            rows_read=self._rows.rows,
            problem=step.problem,
            waiting=step.waiting,
        )
