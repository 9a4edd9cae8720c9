"""Checks a draft against the contract of the create request before anything is sent.

Fields have their names in the request: `source.pathPrefix`, `target.bucket`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from slurper_tui.monitor.model.plans import MOST_KEYS, Draft, FieldFault, Secrets

if TYPE_CHECKING:
    from slurper_tui.api.models import Secret

VENDORS = ("s3", "gcs", "r2")
JURISDICTIONS = ("default", "eu", "us", "fedramp")

SECRET_NAMES: Mapping[str, str] = {
    "access_key_id": "accessKeyId",
    "secret_access_key": "secretAccessKey",
    "client_email": "clientEmail",
    "private_key": "privateKey",
}
"""Attribute names of a secret's parts, mapped to their names in the request."""

_S3_PAIR = ("access_key_id", "secret_access_key")
_GCS_PAIR = ("client_email", "private_key")


def faults(draft: Draft) -> tuple[FieldFault, ...]:
    """Return everything that the API would refuse, and every contradiction."""
    found = [*_source(draft), *_objects(draft), *_bucket("target.bucket", draft.target)]
    if draft.target_jurisdiction is not None and (text := _jurisdiction(draft.target_jurisdiction)):
        found.append(FieldFault("target.jurisdiction", text))
    return tuple(found)


def doubts(draft: Draft) -> tuple[FieldFault, ...]:
    """Return values that the API accepts but that are probably mistakes."""
    source = (draft.bucket, draft.source_jurisdiction or "default")
    target = (draft.target, draft.target_jurisdiction or "default")
    is_source = draft.vendor == "r2" and bool(draft.bucket) and source == target
    return tuple(
        FieldFault(field, text)
        for field, text, doubtful in (
            ("source.bucket", "a bucket's name has no slash", "/" in draft.bucket),
            ("target.bucket", "a bucket's name has no slash", "/" in draft.target),
            ("target.bucket", "this is the source bucket", is_source),
            (
                "source.pathPrefix",
                "keys rarely begin with a slash",
                (draft.path_prefix or "").startswith("/"),
            ),
        )
        if doubtful
    )


def doubt_words(drafts: Iterable[Draft]) -> tuple[str, ...]:
    """Return the doubts about some drafts as `FIELD: clause`, each once."""
    found = (doubt for draft in drafts for doubt in doubts(draft))
    return tuple(dict.fromkeys(f"{doubt.field}: {doubt.text}" for doubt in found))


def control_character(text: str) -> str:
    """Return a text's first control character or lone surrogate as `U+0000`; "" if none."""
    found = (char for char in text if unicodedata.category(char) in ("Cc", "Cs"))
    return next((f"U+{ord(char):04X}" for char in found), "")


def secret_parts(vendor: str) -> tuple[str, ...]:
    """Return the parts of a source vendor's secret; a target has those of `r2`."""
    return _GCS_PAIR if vendor == "gcs" else _S3_PAIR


def secret_faults(draft: Draft, secrets: Secrets) -> tuple[FieldFault, ...]:
    """Return the missing parts of the keys to the buckets; values are never repeated."""
    return (
        *_missing("source", secret_parts(draft.vendor), secrets.source),
        *_missing("target", secret_parts("r2"), secrets.target),
    )


def _missing(end: str, parts: tuple[str, ...], secret: Secret) -> Iterator[FieldFault]:
    for part in parts:
        if not (getattr(secret, part) or "").strip():
            yield FieldFault(f"{end}.secret.{SECRET_NAMES[part]}", "missing")


def _bucket(field: str, name: str) -> Iterator[FieldFault]:
    if not name.strip():
        yield FieldFault(field, "missing")
    elif name != name.strip():
        yield FieldFault(field, "it begins or ends with a space")
    elif sign := control_character(name):
        yield FieldFault(field, f"it contains the control character {sign}")


def _source(draft: Draft) -> Iterator[FieldFault]:
    if not draft.vendor:
        yield FieldFault("source.vendor", "missing: s3, gcs or r2")
    elif draft.vendor not in VENDORS:
        yield FieldFault("source.vendor", f"{draft.vendor!r} is not one of s3, gcs, r2")
    yield from _bucket("source.bucket", draft.bucket)
    for field, value, vendor, check in (
        ("source.endpoint", draft.endpoint, "s3", _endpoint),
        ("source.region", draft.region, "s3", _region),
        ("source.jurisdiction", draft.source_jurisdiction, "r2", _jurisdiction),
    ):
        if value is None:
            continue
        if draft.vendor in VENDORS and draft.vendor != vendor:
            yield FieldFault(field, f"only {vendor} has one, {draft.vendor} has none")
        elif text := check(value):
            yield FieldFault(field, text)


def _endpoint(text: str) -> str:
    """Return why an address is invalid, "" if it is valid.

    The address is not repeated: it may contain a password.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "not a valid address"
    if parts.scheme != "https":
        return "it must begin with https://"
    if not host or port == 0 or not (text.isascii() and text.isprintable()) or " " in text:
        return "not a valid address"
    if parts.username is not None or parts.query or parts.fragment:
        return "it must hold no user, password, query or fragment"
    return ""


def _region(text: str) -> str:
    if not text.strip() or text != text.strip():
        return "it is empty, or begins or ends with a space"
    sign = control_character(text)
    return f"it contains the control character {sign}" if sign else ""


def _jurisdiction(text: str) -> str:
    return "" if text in JURISDICTIONS else f"{text!r} is not one of {', '.join(JURISDICTIONS)}"


def _objects(draft: Draft) -> Iterator[FieldFault]:
    """Check the prefix and the list of keys."""
    keys = draft.keys
    if draft.path_prefix and keys is not None:
        yield FieldFault("source.pathPrefix", "a list of keys cannot be combined with a prefix")
    if sign := control_character(draft.path_prefix or ""):
        yield FieldFault("source.pathPrefix", f"it contains the control character {sign}")
    if keys is None:
        return
    if not keys:
        yield FieldFault("source.keys", "the list is empty: nothing would be copied")
    if len(keys) > MOST_KEYS:
        yield FieldFault("source.keys", f"{len(keys):,} keys; one job takes at most {MOST_KEYS:,}")
    if "" in keys:
        yield FieldFault("source.keys", f"key {keys.index('') + 1} is empty")
    key, times = Counter(keys).most_common(1)[0] if keys else ("", 0)
    if times > 1 and key:
        yield FieldFault("source.keys", f"{key!r} is listed {times} times")
