"""What the rows of a job's log are about, by their type. Types that nobody foresaw are OTHER."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

FAILED_TYPE = "importErrorRetryExhaustion"
"""The row of an object that could not be copied, however often it was tried."""

BROKE_TYPE = "migrationErrorFailedContinuation"
"""The source could not be listed to its end: the total is too low."""


class Cause(StrEnum):
    """What a row tells about.

    NOT_COPIED: an object that was skipped and is not in the target. Objects that were skipped
    because they are there already have no row at all.
    """

    FAILED = "failed"
    NOT_COPIED = "not copied"
    LISTING_BROKE = "listing broke"
    JOB = "job"
    OTHER = "other"


_REASONS: Mapping[str, str] = {
    FAILED_TYPE: "failed after several tries",
    BROKE_TYPE: "source listing broke: the total is incomplete",
    "importSkippedStorageClass": "archive tier",
    "importSkippedRequiresRetrieval": "to be restored first",
    "importSkippedOversized": "over 1 TB",
    "importSkippedEmptyObject": "empty",
    "importSkippedUnsupportedContentType": "content type not supported",
    "importSkippedExcludedContentType": "content type excluded",
    "importSkippedInvalidMedia": "invalid media",
    "migrationStart": "started",
    "migrationComplete": "completed",
    "migrationAbort": "aborted",
    "migrationError": "error",
    "migrationPause": "paused",
    "migrationResume": "resumed",
}


def cause_of(log_type: str | None) -> Cause:
    """What a row of this type is about."""
    if log_type == FAILED_TYPE:
        return Cause.FAILED
    if log_type == BROKE_TYPE:
        return Cause.LISTING_BROKE
    if log_type is not None and log_type.startswith("importSkipped"):
        return Cause.NOT_COPIED
    return Cause.JOB if log_type in _REASONS else Cause.OTHER


def reason_of(log_type: str | None) -> str:
    """A type in a few words; one that nobody foresaw is its own word."""
    return _REASONS.get(log_type or "", log_type or "no type")
