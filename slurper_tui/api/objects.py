"""Objects of a bucket, as its listing and its answer to HEAD describe them, and S3 endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from slurper_tui.api.errors import BadAddress
from slurper_tui.api.models import Count

MOST_LISTED = 1000
"""The most objects that one page of a listing holds, in R2's own API and with S3."""

AWS = "https://s3.amazonaws.com"
GCS = "https://storage.googleapis.com"
R2_HOST = ".r2.cloudflarestorage.com"


def r2_endpoint(account_id: str, jurisdiction: str | None = None) -> str:
    """Return R2's S3 endpoint of an account. jurisdiction: None or `default` for the default one.

    Raises BadAddress for an id that is no part of a host name.
    """
    place = "" if jurisdiction in (None, "", "default") else f".{jurisdiction}"
    if not re.fullmatch("[A-Za-z0-9-]{1,63}", account_id) or not re.fullmatch(
        r"(\.[a-z]{1,20})?", place
    ):
        raise BadAddress("R2 has no S3 endpoint for this account or jurisdiction")
    return f"https://{account_id}{place}{R2_HOST}"


class ListedObject(msgspec.Struct, frozen=True, gc=False):
    """One object of a listing.

    key: exact, without any normalisation. Keys of a listing are in UTF-8 byte order, which is
        Python's order of strings.
    size: bytes; None where a manifest does not tell it.
    etag: without quotes; None if not told.
    modified: UTC seconds; None if not told.
    """

    key: str
    size: int | None = None
    etag: str | None = None
    modified: float | None = None


class ObjectHeaders(msgspec.Struct, frozen=True):
    """The headers of an object that a copy should keep; None for one that it lacks.

    metadata: custom metadata by lower-case name, without the `x-amz-meta-` prefix.
    """

    content_type: str | None = None
    cache_control: str | None = None
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    metadata: Mapping[str, str] = {}


class ObjectPage(msgspec.Struct, frozen=True):
    """One answer of a listing, in the order of the answer.

    prefixes: the common prefixes of a listing with a delimiter.
    cursor: the next page begins there; None after the last page.
    """

    objects: Sequence[ListedObject]
    prefixes: Sequence[str] = ()
    cursor: str | None = None


class ListingCost(NamedTuple):
    """What a listing costs.

    page: objects that one request lists; 0 where no request is sent, as for a manifest.
    per_second: the most requests a second that it sends; None where only the network limits it.
    seconds: of one request, as far as is known.
    in_r2: it lists an R2 bucket, so that every request is a Class A operation of R2.
    lists_headers: the headers of an object are read with a listing too, not with HEAD.
    """

    page: int = 1000
    per_second: float | None = None
    seconds: float = 0.3
    in_r2: bool = False
    lists_headers: bool = False


class R2Headers(msgspec.Struct, frozen=True, rename="camel"):
    """The headers that R2 keeps of an object."""

    content_type: str | None = None
    cache_control: str | None = None
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    cache_expiry: str | None = None
    extra: Mapping[str, object] = {}


class R2Object(msgspec.Struct, frozen=True):
    """An object as R2's own API lists it. ssec: it is encrypted with a key of the customer."""

    key: str | None = None
    size: Count | None = None
    etag: str | None = None
    last_modified: str | None = None
    storage_class: str | None = None
    ssec: bool | None = None
    http_metadata: R2Headers | None = None
    custom_metadata: Mapping[str, str] | None = None
    extra: Mapping[str, object] = {}

    @property
    def listed(self) -> ListedObject:
        """The object as in a listing. The ETag of one that is encrypted is no MD5 and left out."""
        etag = None if self.ssec or self.etag is None else self.etag.strip('"')
        return ListedObject(self.key or "", self.size, etag, utc_seconds(self.last_modified))

    @property
    def headers(self) -> ObjectHeaders:
        """The headers that a copy should keep."""
        kept = self.http_metadata or R2Headers()
        custom = self.custom_metadata or {}
        return ObjectHeaders(
            kept.content_type,
            kept.cache_control,
            kept.content_encoding,
            kept.content_disposition,
            kept.content_language,
            {name.lower(): value for name, value in custom.items()},
        )


class R2Page(msgspec.Struct, frozen=True):
    """One page of R2's own API.

    prefixes: the common prefixes of a listing with a delimiter.
    cursor: the next page begins there; None if not told.
    truncated: whether there is a next page; None if not told.
    """

    objects: Sequence[R2Object]
    prefixes: Sequence[str] = ()
    cursor: str | None = None
    truncated: bool | None = None

    @classmethod
    def of(cls, objects: Sequence[R2Object], info: Mapping[str, object]) -> R2Page:
        """Return the page of an answer. info: its `result_info`."""
        cursor, truncated = info.get("cursor"), info.get("is_truncated")
        prefixes = info.get("delimited")
        return cls(
            objects,
            tuple(p for p in prefixes if isinstance(p, str)) if isinstance(prefixes, list) else (),
            cursor if isinstance(cursor, str) and cursor else None,
            None if truncated is None else truncated is not False,
        )


def utc_seconds(text: str | None) -> float | None:
    """Parse the time of an object, in ISO 8601; None for anything else."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


class FoundPrefix(msgspec.Struct, frozen=True):
    """What a listing with a delimiter found at one level: a common prefix or a single object."""

    name: str
    is_object: bool = False
