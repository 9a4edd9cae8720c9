"""Lists the buckets of jobs and of drafts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import Source
from slurper_tui.monitor.verify.lookup import KeyLookup
from slurper_tui.monitor.verify.sides import r2_side, source_side

if TYPE_CHECKING:
    from slurper_tui.api.models import Secret
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.plans import Draft
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.verify.listing import ObjectListing


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
