"""Objects of a bucket, as its listing and its answer to HEAD describe them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


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


class FoundPrefix(msgspec.Struct, frozen=True):
    """What a listing with a delimiter found at one level: a common prefix or a single object."""

    name: str
    is_object: bool = False
