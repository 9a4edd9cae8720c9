"""Requests the pages of a log within the request budget, and retries transient errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import NamedTuple

from slurper_tui.api.errors import ApiError, BadAnswer, RateLimited, TooLarge, Unreachable
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.paging import Found, PageAsk, Paging
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.polling.budget import Metered, backoff

_PASSING = (Unreachable, BadAnswer, RateLimited)

LASTING = 6
"""Consecutive transient errors after which a command that does not follow a log gives up."""

_BASE = 2.0
"""Initial back-off after errors, in seconds."""

_WAITS_TOLD = 5.0
"""Seconds of waiting for the request budget before it is reported; shorter waits are usual."""


def is_passing(error: ApiError | None) -> bool:
    """Whether the error is transient: the same request may succeed later."""
    return isinstance(error, _PASSING) and not isinstance(error, TooLarge)


class Turn(NamedTuple):
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


class Asking:
    """Reads one log. Closing the generator of `turns` cancels the pending request.

    sizes: the page lengths seen from this API.
    """

    def __init__(self, metered: Metered, key: JobKey, rng: random.Random, sizes: PageSizes) -> None:
        self._metered = metered
        self._key = key
        self._rng = rng
        self._sizes = sizes

    async def turns(self, paging: Paging) -> AsyncGenerator[Turn, None]:
        """Request the paging's pages until it has none, or until a permanent error.

        A short page is completed by further requests first if rows may follow it.
        """
        failures = 0
        begun: tuple[PageAsk | None, tuple[LogRow, ...]] = (None, ())
        while (ask := paging.ask) is not None:
            part = begun[1] if begun[0] == ask else ()
            rest = PageAsk(ask.offset + len(part), ask.limit - len(part))
            request = _Waiting(self._metered, self._key, rest)
            try:
                if await request.is_held_up():
                    yield Turn(waiting=True, failures=failures)
                rows = await request.rows()
            except ApiError as error:
                failures += 1
                final = not is_passing(error)
                yield Turn(problem=error, final=final, failures=failures)
                if final:
                    return
                await asyncio.sleep(backoff(failures, _BASE, self._rng))
            else:
                failures = 0
                goes_on = self._goes_on(part, rows, ask, paging)
                begun = (ask, part + rows) if goes_on else (None, ())
                if not goes_on:
                    yield Turn(paging.take(part + rows))
            finally:
                await request.end()

    def _goes_on(
        self, part: tuple[LogRow, ...], rows: tuple[LogRow, ...], ask: PageAsk, paging: Paging
    ) -> bool:
        """Whether a page needs another request. part: its rows before the last answer, `rows`."""
        doubtful = self._sizes.may_go_on(len(rows))
        self._sizes.note(len(rows), after_short=bool(part))
        page = part + rows
        repeated = bool(part) and rows == part[: len(rows)]  # the server ignores the offset
        ended = not rows or repeated or len(page) >= ask.limit
        return not ended and doubtful and paging.needs_rest(page)


class _Waiting:
    """One request for a page, which may have to wait for the budget."""

    def __init__(self, metered: Metered, key: JobKey, ask: PageAsk) -> None:
        self._waits = False
        send = metered.in_turn(
            lambda: metered.api.logs(*key, limit=ask.limit, offset=ask.offset), self._held_up
        )
        self._task: asyncio.Task[tuple[LogRow, ...]] = asyncio.ensure_future(send)

    def _held_up(self) -> None:
        self._waits = True

    async def is_held_up(self) -> bool:
        """Whether the request still waits for the budget after `_WAITS_TOLD` seconds."""
        await asyncio.wait({self._task}, timeout=_WAITS_TOLD)
        return self._waits and not self._task.done()

    async def rows(self) -> tuple[LogRow, ...]:
        """Return the page's rows. Raises ApiError."""
        return await self._task

    async def end(self) -> None:
        """Cancel the request if it is pending."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # retrieve it, or asyncio logs it as never retrieved
