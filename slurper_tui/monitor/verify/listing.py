"""What a verification needs from a side: a bucket listed live, or a manifest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol

from slurper_tui.api.objects import ListingCost as ListingCost  # noqa: TC001 - part of the Protocol

if TYPE_CHECKING:
    from slurper_tui.api.objects import FoundPrefix, ListedObject, ObjectHeaders


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
    ) -> AsyncIterator[Sequence[ListedObject]]:
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
