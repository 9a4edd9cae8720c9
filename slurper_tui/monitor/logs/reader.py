"""Reads the logs of one or several jobs: to show and follow, as a stream of rows, or for failures.

`LogReader` serves all jobs. `LogFetcher` requests a log's pages within the request budget, and
retries transient errors. `ShownLog` keeps the newest rows and the row counts of a log on screen.
`ReversedRows` stores rows that are read newest first and returns them oldest first.
`FailingObjects` reads the failed and uncopied objects. An error of one job's log ends the reading
of that log alone; `interleaved` reads several at the same time, `in_time` merges their rows.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import marshal
import math
import random
import zlib
from collections import deque
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, aclosing
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError, BadAnswer, RateLimited, TooLarge, Unreachable
from slurper_tui.api.models import LogRow, is_exact
from slurper_tui.monitor.logs.failures import Reasons
from slurper_tui.monitor.logs.paging import Found, PageRequest, Paging
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import (
    FailureGroup,
    FailuresView,
    LogCounts,
    LogView,
    RowCounts,
    all_failures,
)
from slurper_tui.monitor.polling.budget import Metered, backoff

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import HistoryNotes
    from slurper_tui.monitor.polling.job_store import JobStore

K = TypeVar("K")
T = TypeVar("T")

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

    def of_job(self, key: JobKey) -> FetchStep:
        """Return the step with rows that name their job."""
        older, newer = (tuple(of_job(row, key) for row in rows) for rows in self.found)
        return self._replace(found=Found(older, newer))


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

    sizes: the page lengths seen from this API. job_store: its track notes the rows; may be None.
    idle: send only requests that nobody else needs.
    """

    def __init__(
        self,
        metered: Metered,
        key: JobKey,
        rng: random.Random,
        sizes: PageSizes,
        job_store: JobStore | None = None,
        *,
        idle: bool = False,
    ) -> None:
        self._job_store = job_store
        self._idle = idle
        self._metered = metered.of(key.account_id)
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
            request = asyncio.ensure_future(self._metered.in_turn(rest, waits.set, idle=self._idle))
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
                    found = paging.take(part + rows)
                    if self._job_store and (track := self._job_store.track(self._key)):
                        track.note_rows((*found.newer, *found.older))
                    yield FetchStep(found)
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


async def interleaved(
    sources: Mapping[K, AsyncGenerator[T, None]], at_once: int
) -> AsyncGenerator[tuple[K, T], None]:
    """Yield the values of several generators as they come, and close the generators at the end.

    A generator continues only after its value was processed. at_once: how many of them are read at
    the same time; the others follow in order.
    """
    left = iter(sources)
    running: dict[asyncio.Future[T], K] = {}

    def advance(key: K | None) -> None:
        if key is not None:
            running[asyncio.ensure_future(anext(sources[key]))] = key

    try:
        for _ in range(at_once):
            advance(next(left, None))
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for future in [future for future in running if future in done]:
                key = running.pop(future)
                try:
                    value = future.result()
                except StopAsyncIteration:
                    advance(next(left, None))
                else:
                    yield key, value
                    advance(key)
    finally:
        for future in running:
            future.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for source in sources.values():
            await source.aclose()


def in_time(
    logs: Sequence[Iterable[LogRow]], *, newest_first: bool
) -> Iterator[tuple[float, LogRow]]:
    """Merge the rows of several logs, each in order, by time; yield each with its place in time.

    A row without a valid time stays behind the row before it. The places never fall: they are
    UTC seconds, negated if the newest row comes first.
    """
    return heapq.merge(*(_placed(rows, newest_first) for rows in logs), key=itemgetter(0))


def _placed(rows: Iterable[LogRow], newest_first: bool) -> Iterator[tuple[float, LogRow]]:
    place = -math.inf
    for row in rows:
        place = _place(row, place, newest_first)
        yield place, row


def _place(row: LogRow, before: float, newest_first: bool) -> float:
    """Return a row's place in time. before: the place of the row before it in its log."""
    at = fmt.parse_time(row.created_at)
    return before if at is None else max(before, -at if newest_first else at)


def of_job(row: LogRow, key: JobKey) -> LogRow:
    """Return a row that names its job."""
    return row if row.job == key.job_id else replace(row, job=key.job_id)


MOST_ROWS = 5_000
"""Newest rows of a shown log that are kept in memory."""

LEAST_ROWS = 1_000
"""Newest rows that are kept in memory of each log, if several are shown together."""


class ShownLog:
    """Collects the newest rows and the row counts of a log into the view that is shown.

    most: the rows to keep.
    """

    def __init__(self, key: JobKey, most: int) -> None:
        self._key = key
        self._most = most
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
        room = self._most - len(self._rows)
        self._rows.extend(older[: max(0, room)])
        self._rows.extendleft(reversed(newer))
        while len(self._rows) > self._most:
            self._rows.pop()
        if newer or (older and room > 0):
            self._shown = tuple(self._rows)
        return bool(older or newer)

    def view(self, *, whole: bool) -> LogView:
        """Return the current view. whole: the log was read to its oldest row without a gap."""
        return LogView(
            self._key, self._shown, self.counts.rows, whole, self._problem, self._waiting
        )


def all_logs(logs: Sequence[LogView], before: LogView | None = None) -> LogView:
    """Return the view of one or several logs; of several, the rows are merged and name their jobs.

    The rows end where those of a log end that is not kept as a whole, so that none is missing
    between two others. before: the last result, if the logs have the same rows; it is merged once.
    """
    if len(logs) == 1:
        return logs[0]
    jobs = tuple(replace(log, rows=()) for log in logs)
    view = LogView(
        JobKey(logs[0].key.account_id, ""),
        read=sum(log.read for log in logs),
        whole=all(log.whole for log in logs),
        problem=next((log.problem for log in logs if log.problem), None),
        waiting=any(log.waiting for log in logs),
        jobs=jobs,
    )
    if before is not None:
        return replace(view, rows=before.rows)
    cut = [log.rows for log in logs if log.rows and len(log.rows) < log.read]
    ends = (max(place for place, _ in _placed(rows, newest_first=True)) for rows in cut)
    last = min(ends, default=math.inf)
    merged = in_time([log.rows for log in logs], newest_first=True)
    kept = itertools.takewhile(lambda placed: placed[0] <= last, merged)
    return replace(view, rows=tuple(row for _, row in itertools.islice(kept, MOST_ROWS)))


REFRESH_SECONDS = 5.0
"""Minimum seconds between two refreshes for new rows."""

ENDED_SECONDS = 60.0
"""Seconds between two refreshes of an ended job's log if the last one found nothing."""

_MOST_READINGS = 4
"""Maximum readings of a log whose rows may be incomplete."""


class _Update(Protocol):
    """Called after every step with one job's view, without rows. final: its reading ends."""

    def __call__(self, view: LogView, *, final: bool) -> None: ...


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

    async def follow(self, keys: Sequence[JobKey]) -> AsyncGenerator[LogView, None]:
        """Yield the logs of some jobs after every page, then whenever there are new rows.

        The rows of several jobs are merged by time. Ends only when every log has a permanent error.
        """
        most = MOST_ROWS if len(keys) == 1 else max(LEAST_ROWS, MOST_ROWS // len(keys))
        logs = {key: LogView(key) for key in keys}
        last: LogView | None = None
        sources = {key: self._follow(key, keys, most) for key in keys}
        async with aclosing(interleaved(sources, len(keys))) as views:
            async for key, view in views:
                same_rows = logs[key].rows is view.rows
                logs[key] = view
                last = all_logs([*logs.values()], last if same_rows else None)
                yield last

    async def _follow(
        self, key: JobKey, keys: Sequence[JobKey], most: int
    ) -> AsyncGenerator[LogView, None]:
        """Yield the newest rows of one of the logs; end with a permanent error.

        The log is read again from the start if it turns out to be sorted the other way, or if rows
        arrived too fast to be read without a gap.
        """
        order, view = None, LogView(key)
        for reading in itertools.count(1):
            paging = Paging(order)
            async with aclosing(self._shown(key, paging, reading, keys, most)) as views:
                async for view in views:
                    yield view
            if view.problem is not None:
                return
            order = paging.order

    async def _shown(
        self, key: JobKey, paging: Paging, reading: int, keys: Sequence[JobKey], most: int
    ) -> AsyncGenerator[LogView, None]:
        """Yield the views of one reading until another one is necessary.

        A second reading yields nothing before it has read the whole log, so that the view of the
        first one stays on screen.
        """
        log, last = ShownLog(key, most), LogView(key)
        async with aclosing(self._followed(key, paging, keys)) as steps:
            async for step in steps:
                if len(keys) > 1:
                    step = step.of_job(key)
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
        keys: Sequence[JobKey],
        *,
        follow: bool = False,
        on_progress: Callable[[LogView], object] = lambda view: None,
    ) -> AsyncGenerator[LogRow, None]:
        """Yield every row of some jobs once, by time: newest first, or oldest first and endlessly.

        Rows of several jobs name their job. When following, rows that come later are yielded as
        they are read. on_progress: called after every step with the view of one job, without rows.
        A permanent error, or, unless following, `MOST_FAILURES` consecutive transient errors end
        the reading of one job; the first such ApiError is raised after all rows of the others.
        """
        read = self._rows_oldest_first if follow else self._rows_newest_first
        problems: dict[JobKey, ApiError] = {}

        def update(view: LogView, *, final: bool) -> None:
            if view.problem is not None and final:
                problems[view.key] = view.problem
            on_progress(view)

        async with aclosing(read(keys, update)) as rows:
            async for row in rows:
                yield row
        for problem in problems.values():
            raise problem

    async def _rows_newest_first(
        self, keys: Sequence[JobKey], update: _Update
    ) -> AsyncGenerator[LogRow, None]:
        """Yield the rows of some jobs, reading each log only as far as its rows are needed."""
        heads: list[tuple[float, int, LogRow]] = []
        async with AsyncExitStack() as stack:
            logs = [self._rows_of(key, update) for key in keys]
            for log in logs:
                await stack.enter_async_context(aclosing(log))

            async def advance(number: int, place: float) -> None:
                async for row in logs[number]:
                    place = _place(row, place, newest_first=True)
                    named = row if len(keys) == 1 else of_job(row, keys[number])
                    heapq.heappush(heads, (place, number, named))
                    return

            for number in range(len(logs)):
                await advance(number, -math.inf)
            while heads:
                place, number, row = heapq.heappop(heads)
                yield row
                await advance(number, place)

    async def _rows_of(self, key: JobKey, update: _Update) -> AsyncGenerator[LogRow, None]:
        """Yield the rows of one job, the newest first, up to its end or to a lasting error."""
        paging, read = Paging(), 0
        async with aclosing(self._fetcher(key).steps(paging)) as steps:
            async for step in steps:
                read += len(step.found.older) + len(step.found.newer)
                final = step.final or step.failures >= MOST_FAILURES
                view = LogView(key, (), read, paging.whole, step.problem, step.waiting)
                update(view, final=final)
                if final:
                    return
                for row in step.found.older:
                    yield row

    async def _rows_oldest_first(
        self, keys: Sequence[JobKey], update: _Update
    ) -> AsyncGenerator[LogRow, None]:
        """Yield all rows once every log is read to its end or fails, then new rows, endlessly."""
        logs = {key: (Paging(), ReversedRows()) for key in keys}
        read = dict.fromkeys(keys, 0)
        unread = set(keys)
        sources = {key: self._followed(key, paging, keys) for key, (paging, _) in logs.items()}
        async with aclosing(interleaved(sources, len(keys))) as steps:
            async for key, step in steps:
                paging, stored = logs[key]
                read[key] += len(step.found.older) + len(step.found.newer)
                view = LogView(key, (), read[key], paging.whole, step.problem, step.waiting)
                update(view, final=step.final)
                stored.add(step.found if len(keys) == 1 else step.of_job(key).found)
                if paging.read or step.final:
                    unread.discard(key)
                if not unread:
                    for _, row in in_time([s.take() for _, s in logs.values()], newest_first=False):
                        yield row

    def failures(
        self,
        keys: Sequence[JobKey],
        *,
        preview: bool = True,
        instead: Callable[[Sequence[LogRow]], Awaitable[None]] | None = None,
    ) -> FailingObjects:
        """Return a reader of the failed and uncopied objects in the logs of some jobs.

        preview: note the newest rows for the details of the jobs. instead: gets the rows of each
        page, which are then not grouped, so that memory does not grow with them; None to group.
        """
        fetcher = partial(self._fetcher, preview=preview)
        store = self._job_store
        return FailingObjects(keys, fetcher, store, self._metered.now, self._keep, instead)

    async def _followed(
        self, key: JobKey, paging: Paging, keys: Sequence[JobKey]
    ) -> AsyncGenerator[FetchStep, None]:
        """Read to the end, refreshing for new rows meanwhile and afterwards without end.

        keys: all jobs that are read at the same time; each is refreshed the less often the more of
        them are live.
        """
        refreshed = self._metered.now().mono
        found_rows = False
        while True:
            async with aclosing(self._fetcher(key).steps(paging)) as steps:
                async for step in steps:
                    found_rows = found_rows or step.found != ((), ())
                    yield step
                    if step.final:
                        return
                    pause = self._pause(key, keys, found_rows=True)
                    if self._metered.now().mono >= refreshed + pause:
                        refreshed = self._metered.now().mono
                        paging.refresh()
            pause = self._pause(key, keys, found_rows=found_rows)
            await asyncio.sleep(max(0.0, refreshed + pause - self._metered.now().mono))
            refreshed, found_rows = self._metered.now().mono, False
            paging.refresh()

    def _pause(self, key: JobKey, keys: Sequence[JobKey], *, found_rows: bool) -> float:
        """Return the seconds between two refreshes. found_rows: the last refresh found rows."""
        if self._has_ended(key) and not found_rows:
            return ENDED_SECONDS * len(keys)
        live = sum(not self._has_ended(key) for key in keys)
        sharing = len(keys) if self._has_ended(key) else max(1, live)
        return max(REFRESH_SECONDS, self._interval()) * sharing

    def _has_ended(self, key: JobKey) -> bool:
        view = self._job_store.view(key)
        return view is not None and not view.live

    def _fetcher(self, key: JobKey, *, preview: bool = True) -> LogFetcher:
        job_store = self._job_store if preview else None
        return LogFetcher(self._metered, key, self._rng, self._sizes, job_store)

    def _keep(self, key: JobKey, counts: LogCounts) -> None:
        """Pass the log's row counts to the job and to the history."""
        self._job_store.set_log_counts(key, counts)
        self._notes.keep_counts(key, counts)


REFRESH_PAGES = 50
"""Pages between two refreshes for newer rows while a long log is being read."""

AT_ONCE = 4
"""Logs that are read for failures at the same time."""


class FailingObjects:
    """Reads the logs of some jobs once to their ends, then the rows that were added meanwhile.

    fetcher: returns a reader of one log. keep: called with a log's row counts if it was read
    without a gap. instead: gets the rows instead of grouping them.
    """

    def __init__(
        self,
        keys: Sequence[JobKey],
        fetcher: Callable[[JobKey], LogFetcher],
        job_store: JobStore,
        now: Callable[[], Moment],
        keep: Callable[[JobKey, LogCounts], None],
        instead: Callable[[Sequence[LogRow]], Awaitable[None]] | None = None,
    ) -> None:
        self._keys = tuple(keys)
        self._fetcher = fetcher
        self._job_store = job_store
        self._now = now
        self._keep = keep
        self._reasons = Reasons()
        self._instead = instead

    async def views(self) -> AsyncGenerator[FailuresView, None]:
        """Yield the groups after every page until every log was read to its end.

        A transient error is shown in a view and the request is retried; a permanent error stays in
        the views.
        """
        async with aclosing(self._views_of_all(None)) as parts:
            async for jobs in parts:
                yield all_failures(jobs, self._reasons.groups())

    async def read(self, on_progress: Callable[[FailuresView], object]) -> FailuresView:
        """Read the logs and return the last view; call `on_progress` with every view.

        The groups in these views have only their numbers of objects, see `groups`. A log is given
        up after a permanent error, or after `MOST_FAILURES` consecutive transient errors: then the
        last view has a problem, and that of the job if there are several.
        """
        view = all_failures([FailuresView(key) for key in self._keys], ())
        async with aclosing(self._views_of_all(MOST_FAILURES)) as parts:
            async for jobs in parts:
                view = all_failures(jobs, self._reasons.numbers())
                on_progress(view)
        return view

    def groups(self) -> tuple[FailureGroup, ...]:
        """Return the groups of all objects that were read so far."""
        return self._reasons.groups()

    async def _views_of_all(
        self, most_failures: int | None
    ) -> AsyncGenerator[list[FailuresView], None]:
        """Read the logs and yield the view of each job after every page.

        most_failures: consecutive transient errors that count as a permanent one; None for any.
        """
        none = FetchStep(), LogCounts()
        jobs = {key: self._view(key, RowCounts(), *none) for key in self._keys}
        shortest_first = sorted(self._keys, key=self._expected_rows)
        sources = {key: self._views(key, most_failures) for key in shortest_first}
        async with aclosing(interleaved(sources, AT_ONCE)) as views:
            async for key, view in views:
                jobs[key] = view
                yield [*jobs.values()]

    def keys(self, log_types: Collection[str], job: JobKey | None = None) -> tuple[str, ...]:
        """Return the exact keys of the rows of these types, each once, in the order of the rows.

        job: whose keys; None for all jobs.
        """
        return tuple(filter(is_exact, self._reasons.keys(log_types, job)))

    def inexact_keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        """Return the keys that `keys` omits: the API sent bytes in them that are not UTF-8."""
        return tuple(key for key in self._reasons.keys(log_types, None) if not is_exact(key))

    def without_key(self, log_types: Collection[str], job: JobKey | None = None) -> int:
        """Return the number of rows of these types that name no key."""
        return self._reasons.without_key(log_types, job)

    def _expected_rows(self, key: JobKey) -> int:
        """Return about how many rows a log has, so that a long one does not delay the others."""
        view = self._job_store.view(key)
        return (view.counts.failed or 0) if view else 0

    async def _views(
        self, key: JobKey, most_failures: int | None
    ) -> AsyncGenerator[FailuresView, None]:
        """Read one log, and yield its view, without groups of prefixes, after every page."""
        paging, rows = Paging(), RowCounts()
        async with aclosing(self._steps(key, paging)) as steps:
            async for step in steps:
                for found in step.found:
                    rows.add(found)
                    if self._instead is None:
                        self._reasons.add(key, found)
                    elif found:
                        await self._instead(found)
                yield self._view(key, rows, step, rows.counts(self._now().wall, whole=False))
                if step.final or (most_failures and step.failures >= most_failures):
                    return
        counts = rows.counts(self._now().wall, whole=paging.whole)
        if counts.whole:
            self._keep(key, counts)
        yield self._view(key, rows, FetchStep(), counts)

    async def _steps(self, key: JobKey, paging: Paging) -> AsyncGenerator[FetchStep, None]:
        """Read to the end; refresh every `REFRESH_PAGES` pages and at the end."""
        pages, fetcher = itertools.count(1), self._fetcher(key)
        for last in (False, True):
            if last:
                paging.refresh()
            async with aclosing(fetcher.steps(paging)) as steps:
                async for step in steps:
                    yield step
                    if not last and next(pages) % REFRESH_PAGES == 0:
                        paging.refresh()

    def _view(
        self, key: JobKey, rows: RowCounts, step: FetchStep, counts: LogCounts
    ) -> FailuresView:
        view = self._job_store.view(key)
        job_counts = Counts() if view is None else view.counts
        return FailuresView(
            key=key,
            groups=self._reasons.numbers(key),
            counts=counts,
            failed_objects=job_counts.failed,
            skipped_objects=job_counts.skipped,
            rows_read=rows.rows,
            problem=step.problem,
            waiting=step.waiting,
        )
