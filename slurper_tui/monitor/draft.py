"""A migration that is to be made: all of the create request but its secrets."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from slurper_tui.api.models import NewJob, NewSource, NewTarget, Secret

MOST_KEYS = 10_000
"""Object keys that one job takes."""


class Draft(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be copied from where to where. keys: exactly these objects, at most 10,000."""

    vendor: str
    bucket: str
    target: str
    path_prefix: str | None = None
    keys: tuple[str, ...] | None = None
    endpoint: str | None = None
    region: str | None = None
    source_jurisdiction: str | None = None
    target_jurisdiction: str | None = None
    overwrite: bool = True


class FieldFault(NamedTuple):
    """What is wrong with one field of a draft. field: its name in the create request."""

    field: str
    text: str


class Secrets(NamedTuple):
    """The keys to both buckets; they are printed as stars."""

    source: Secret
    target: Secret


def new_source(draft: Draft, secret: Secret) -> NewSource:
    """The source of the create request, and the body of its precheck."""
    return NewSource(
        vendor=draft.vendor,
        bucket=draft.bucket,
        secret=secret,
        path_prefix=draft.path_prefix,
        keys=draft.keys,
        endpoint=draft.endpoint,
        region=draft.region,
        jurisdiction=draft.source_jurisdiction,
    )


def new_target(draft: Draft, secret: Secret) -> NewTarget:
    """The target of the create request, and the body of its precheck."""
    return NewTarget(draft.target, secret, jurisdiction=draft.target_jurisdiction)


def new_job(draft: Draft, secrets: Secrets) -> NewJob:
    """The whole create request."""
    return NewJob(
        new_source(draft, secrets.source), new_target(draft, secrets.target), draft.overwrite
    )
