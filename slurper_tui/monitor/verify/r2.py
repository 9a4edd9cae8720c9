"""An R2 bucket listed through Cloudflare's API, within the request budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from slurper_tui.api.errors import BadAnswer
from slurper_tui.api.listing import Fetch, objects_of, read_level, read_pages, repeated
from slurper_tui.api.objects import MOST_LISTED, ObjectPage
from slurper_tui.monitor.polling.budget import GRANTED, MOST_READS, SHARE, WINDOW
from slurper_tui.monitor.verify.listing import ListingCost

if TYPE_CHECKING:
    from slurper_tui.api.models import Answer
    from slurper_tui.api.objects import FoundPrefix, ListedObject, ObjectHeaders, R2Page
    from slurper_tui.monitor.polling.budget import Metered

_PER_SECOND = min(MOST_READS, GRANTED * SHARE / WINDOW / 2)
"""The requests a second that `Metered.in_turn` sends at most."""

DEMO_PAUSE = 0.01
"""Seconds between two requests to the simulated account, so that the screen stays responsive."""


class R2Listing:
    """A bucket behind the API. Requests take turns with the polls and at most half of the budget.

    jurisdiction: None for the default one.
    name: what is listed, for people, where it stands for a bucket elsewhere; None for R2's own.
    demo: the account is the simulated one, whose requests leave no one waiting.
    """

    def __init__(
        self,
        metered: Metered,
        account_id: str,
        bucket: str,
        jurisdiction: str | None = None,
        *,
        name: str | None = None,
        demo: bool = False,
        in_r2: bool = True,
    ) -> None:
        self.name = name or f"R2 bucket {bucket}, through the API"
        self.requests = 0
        self.cost = ListingCost(
            MOST_LISTED, None if demo else _PER_SECOND, in_r2=in_r2, lists_headers=True
        )
        self._metered = metered.of(account_id)
        self._demo = demo
        self._read = partial(self._metered.api.r2_objects, account_id, bucket, jurisdiction)

    def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncIterator[Sequence[ListedObject]]:
        """Yield the objects below a prefix, page by page. See `ObjectListing`."""
        return objects_of(read_pages(self._fetch(prefix), after))

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        """Return what is one level below a prefix. See `ObjectListing`."""
        return await read_level(self._fetch(prefix, "/"), most)

    async def headers(self, key: str) -> ObjectHeaders | None:
        """Return the headers of an object; None if it does not exist.

        The listing tells them: a key is the first one of those that begin with it.
        """
        page = await repeated(lambda: self._send(prefix=key, per_page=1))
        found = page.objects[0] if page.objects else None
        return None if found is None or found.key != key else found.headers

    def _fetch(self, prefix: str, delimiter: str = "") -> Fetch:
        async def fetch(cursor: str | None, after: str | None) -> ObjectPage:
            return _checked(
                await self._send(
                    prefix=prefix, delimiter=delimiter, cursor=cursor, start_after=after
                )
            )

        return fetch

    async def _send(
        self,
        *,
        prefix: str,
        delimiter: str = "",
        cursor: str | None = None,
        start_after: str | None = None,
        per_page: int = MOST_LISTED,
    ) -> R2Page:
        send = partial(
            self._read,
            prefix=prefix,
            delimiter=delimiter,
            cursor=cursor,
            start_after=start_after,
            per_page=per_page,
        )
        if self._demo:
            self.requests += 1
            await asyncio.sleep(DEMO_PAUSE)
            return (await send()).value

        def counted() -> Awaitable[Answer[R2Page]]:
            self.requests += 1
            return send()

        return await self._metered.in_turn(counted)


def _checked(page: R2Page) -> ObjectPage:
    """Return a page of which it is certain whether there is a next one. Raises BadAnswer."""
    if any(not found.key for found in page.objects):
        raise BadAnswer("the API lists an object without a key")
    if page.truncated and page.cursor is None:
        raise BadAnswer("the API says that there are more objects, but not where they begin")
    if page.truncated is None and page.cursor is None and len(page.objects) >= MOST_LISTED:
        raise BadAnswer("the API does not tell whether there are more objects")
    cursor = None if page.truncated is False else page.cursor
    return ObjectPage([found.listed for found in page.objects], page.prefixes, cursor)
