"""Requests the pages of a log within the request budget, and retries transient errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import NamedTuple

from slurper_tui.api.errors import ApiError, BadAnswer, RateLimited, TooLarge, Unreachable
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.paging import Found, PageRequest, Paging
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.polling.budget import Metered, backoff

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

    def may_go_on(self, number: int) -> bool:
        """Whether rows may follow a page of `number` rows, fewer than requested."""
        return self._capped or number >= self._longest

    def note(self, number: int, *, after_short: bool) -> None:
        """Record a page's length. after_short: the page was requested behind a short page."""
        self._longest = max(self._longest, number)
        self._capped = self._capped or (after_short and number > 0)


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
            request = self._request(page.offset + len(part), page.limit - len(part), waits)
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

    def _request(
        self, offset: int, limit: int, waits: asyncio.Event
    ) -> asyncio.Task[tuple[LogRow, ...]]:
        """Start a request. waits: set when it has to wait for the budget."""
        api = self._metered.api
        return asyncio.ensure_future(
            self._metered.in_turn(
                lambda: api.logs(*self._key, limit=limit, offset=offset), waits.set
            )
        )

    def _is_incomplete(
        self, part: tuple[LogRow, ...], rows: tuple[LogRow, ...], page: PageRequest, paging: Paging
    ) -> bool:
        """Whether a page needs another request. part: its rows before the last answer, `rows`."""
        doubtful = self._sizes.may_go_on(len(rows))
        self._sizes.note(len(rows), after_short=bool(part))
        repeated = bool(part) and rows == part[: len(rows)]  # the server ignores the offset
        ended = not rows or repeated or len(part) + len(rows) >= page.limit
        return not ended and doubtful and paging.needs_rest(part + rows)
