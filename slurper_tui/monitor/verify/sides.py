"""Makes the sides of a verification that are listed live: the source and the target of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurper_tui.api.errors import NoCredential
from slurper_tui.api.objects import AWS, GCS, r2_endpoint
from slurper_tui.monitor.verify.r2 import R2Listing

if TYPE_CHECKING:
    from slurper_tui.api.models import Secret, Source
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.verify.listing import ObjectListing

KINDS = {"s3": "S3", "gcs": "Google Cloud Storage", "r2": "R2"}
"""Words for the vendors of a source."""


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
