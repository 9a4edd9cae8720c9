"""Buckets that are listed live: the sources and the targets of jobs, and the sources of drafts.

R2 buckets are listed through Cloudflare's API, within the request budget, or through their S3
endpoint, and all others with S3.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from slurper_tui.api.errors import ApiError, BadAnswer, NoCredential
from slurper_tui.api.models import Source
from slurper_tui.api.objects import (
    AWS,
    GCS,
    MOST_LISTED,
    Fetch,
    ListingCost,
    ObjectPage,
    PagedBucket,
    r2_endpoint,
    repeated,
)
from slurper_tui.monitor.polling.budget import GRANTED, MOST_READS, SHARE, WINDOW
from slurper_tui.monitor.verify.reading import KeyLookup

if TYPE_CHECKING:
    from slurper_tui.api.models import Answer, Secret
    from slurper_tui.api.objects import FoundPrefix, ListedObject, ObjectHeaders, R2Page
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.plans import Draft
    from slurper_tui.monitor.polling.budget import Metered

_PER_SECOND = min(MOST_READS, GRANTED * SHARE / WINDOW / 2)
"""The requests a second that `Metered.in_turn` sends at most."""

DEMO_PAUSE = 0.01
"""Seconds between two requests to the simulated account, so that the screen stays responsive."""

KINDS = {"s3": "S3", "gcs": "Google Cloud Storage", "r2": "R2"}
"""Words for the vendors of a source."""


class ObjectListing(Protocol):
    """One side of a comparison. Every method raises ApiError, with one clear line.

    name: what it lists, for people: `S3 bucket photos at s3.example.com`, `manifest list.csv`.
    requests: requests sent so far.
    cost: what its requests cost.
    """

    @property
    def name(self) -> str:
        """What is listed, for people."""
        ...

    @property
    def requests(self) -> int:
        """The requests that were sent so far; 0 for a manifest."""
        ...

    @property
    def cost(self) -> ListingCost:
        """What its requests cost."""
        ...

    def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        """Yield the objects below a prefix in the order of the answers, page by page.

        after: only keys greater than this one. An answer in the middle that fails for good raises
        ApiError; transient faults are retried before.
        """
        ...

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        """Return the common prefixes and the objects one level below a prefix, `/` divides.

        most: stop after the page that has brought so many; None for all of them. Raises TooLarge
        where there are too many to read them all.
        """
        ...

    async def headers(self, key: str) -> ObjectHeaders | None:
        """Return the headers of an object; None if it does not exist."""
        ...


class R2Listing(PagedBucket):
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


def source_side(
    metered: Metered,
    account_id: str,
    source: Source,
    keys: Secret | None = None,
    *,
    region: str | None = None,
) -> ObjectListing:
    """Return the source of a job.

    keys: an access key id and a secret access key; those of Google Cloud Storage are HMAC keys of
        its S3 interoperability. An R2 bucket needs none, see `r2_side`.
    region: None for the one that the endpoint or the bucket tells.

    The simulated account lists its jobs' sources, whichever vendor they are of. Raises
    NoCredential where keys are missing, BadAddress for an address that is not used, NotInstalled.
    """
    api, bucket = metered.of(account_id).api, source.bucket or ""
    kind = KINDS.get(source.vendor or "", source.vendor or "S3")
    if api.is_simulated:
        name = f"{kind} bucket {bucket} (simulated)"
        place = source.jurisdiction if source.vendor == "r2" else None
        in_r2 = source.vendor == "r2"
        return R2Listing(metered, account_id, bucket, place, name=name, demo=True, in_r2=in_r2)
    if source.vendor == "r2":
        return r2_side(metered, account_id, bucket, source.jurisdiction, keys)
    if keys is None or not keys.access_key_id or not keys.secret_access_key:
        which = "HMAC keys" if source.vendor == "gcs" else "keys"
        raise NoCredential(f"listing the {kind} bucket {bucket} needs {which} to it")
    if source.vendor == "gcs":
        return api.s3_bucket(GCS, bucket, keys, region="auto", kind=kind)
    endpoint = source.endpoint or AWS
    return api.s3_bucket(endpoint, bucket, keys, region=region or source.region, kind=kind)


def r2_side(
    metered: Metered,
    account_id: str,
    bucket: str,
    jurisdiction: str | None = None,
    keys: Secret | None = None,
) -> ObjectListing:
    """Return an R2 bucket: through its S3 endpoint where there are keys, else through the API.

    jurisdiction: None for the default one. Raises BadAddress, NotInstalled.
    """
    api = metered.of(account_id).api
    if api.is_simulated or keys is None or not keys.access_key_id:
        return R2Listing(metered, account_id, bucket, jurisdiction, demo=api.is_simulated)
    endpoint = r2_endpoint(account_id, jurisdiction)
    return api.s3_bucket(endpoint, bucket, keys, region="auto", kind="R2")


class Buckets:
    """The buckets of jobs and drafts, listed with the API token in turn with the polls, or S3."""

    def __init__(self, metered: Metered) -> None:
        self._metered = metered

    @property
    def wall(self) -> float:
        """The current time in UTC seconds."""
        return self._metered.now().wall

    def source(self, account_id: str, draft: Draft, keys: Secret | None = None) -> ObjectListing:
        """Return the listing of a draft's source: of R2 through the API, of S3 with the keys.

        Raises ApiError where keys are missing or the source is not listed from here.
        """
        source = Source(
            draft.vendor,
            draft.bucket,
            endpoint=draft.endpoint,
            region=draft.region,
            jurisdiction=draft.source_jurisdiction,
        )
        used = None if draft.vendor == "r2" else keys
        return source_side(self._metered, account_id, source, used)

    async def objects(self, account_id: str, draft: Draft) -> int | None:
        """Return about how many objects a draft's source holds; None if that is not known."""
        if draft.vendor != "r2":
            return None
        metered = self._metered.of(account_id)
        where = (account_id, draft.bucket, draft.source_jurisdiction)
        try:
            return (await metered.at_once(lambda: metered.api.r2_usage(*where))).object_count
        except ApiError:
            return None

    def lookup(self, view: JobView, keys: Iterable[str]) -> KeyLookup | None:
        """Return a lookup of keys in a job's target; None if the API does not name the target."""
        target = view.job.target
        if target is None or target.bucket is None:
            return None
        side = r2_side(self._metered, view.account_id, target.bucket, target.jurisdiction)
        return KeyLookup(side, keys)
