"""Asks for the pages of a log, each in its turn, and again after a passing fault."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import NamedTuple

from slurper_tui.api.errors import ApiError, BadAnswer, RateLimited, TooLarge, Unreachable
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.paging import Found, PageAsk, Paging
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.polling.budget import backoff
from slurper_tui.monitor.polling.budgeted_client import Metered

_PASSING = (Unreachable, BadAnswer, RateLimited)

LASTING = 6
"""After this many passing faults in a row, a command that does not watch gives up."""

_BASE = 2.0
"""Seconds from which the waits after faults grow."""

_WAITS_TOLD = 5.0
"""Seconds after which it is told that there is no room for a request; shorter waits are usual."""


def is_passing(error: ApiError | None) -> bool:
    """Whether the same request may succeed after this fault."""
    return isinstance(error, _PASSING) and not isinstance(error, TooLarge)


class Turn(NamedTuple):
    """What came of a request, or why none has come yet.

    problem: it failed; it is asked again unless that is `final`. waiting: there is no room for it.
    failures: how many have failed in a row.
    """

    found: Found = Found()
    problem: ApiError | None = None
    final: bool = False
    waiting: bool = False
    failures: int = 0


class PageSizes:
    """Which short pages may not be the last of their log: a gateway may cap pages below the limit.

    A page that is shorter than an earlier one is the last, until rows have followed a short page.
    """

    def __init__(self) -> None:
        self._longest = 0
        self._capped = False

    def may_go_on(self, number: int) -> bool:
        """Whether rows may follow a page of so many rows, which is shorter than was asked for."""
        return self._capped or number >= self._longest

    def note(self, number: int, *, after_short: bool) -> None:
        """Take in the length of a page. after_short: it was asked for behind a short page."""
        self._longest = max(self._longest, number)
        self._capped = self._capped or (after_short and number > 0)


class Asking:
    """Reads one log. Nothing is asked once the generator of `turns` is closed.

    sizes: what is known of the lengths of this API's pages.
    """

    def __init__(self, metered: Metered, key: JobKey, rng: random.Random, sizes: PageSizes) -> None:
        self._metered = metered
        self._key = key
        self._rng = rng
        self._sizes = sizes

    async def turns(self, paging: Paging) -> AsyncGenerator[Turn, None]:
        """Ask for what the paging wants until it wants nothing, or a fault does not pass.

        A page that is shorter than was asked for is completed first, where rows may follow it.
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
        """Whether more of a page is to be read. part: its rows before the last answer, `rows`."""
        doubtful = self._sizes.may_go_on(len(rows))
        self._sizes.note(len(rows), after_short=bool(part))
        page = part + rows
        repeated = bool(part) and rows == part[: len(rows)]  # the server ignores the offset
        ended = not rows or repeated or len(page) >= ask.limit
        return not ended and doubtful and paging.needs_rest(page)


class _Waiting:
    """One request in its turn."""

    def __init__(self, metered: Metered, key: JobKey, ask: PageAsk) -> None:
        self._waits = False
        send = metered.in_turn(
            lambda: metered.api.logs(*key, limit=ask.limit, offset=ask.offset), self._held_up
        )
        self._task: asyncio.Task[tuple[LogRow, ...]] = asyncio.ensure_future(send)

    def _held_up(self) -> None:
        self._waits = True

    async def is_held_up(self) -> bool:
        """Whether it still waits for room after a while."""
        await asyncio.wait({self._task}, timeout=_WAITS_TOLD)
        return self._waits and not self._task.done()

    async def rows(self) -> tuple[LogRow, ...]:
        """The page. Raises ApiError."""
        return await self._task

    async def end(self) -> None:
        """Ask no more."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # it was told, or nobody wants to know
