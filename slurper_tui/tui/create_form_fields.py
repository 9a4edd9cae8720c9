"""The fields of a form as data: what they are called, for which vendor, and what they make."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from slurper_tui.api.models import Secret
from slurper_tui.monitor.model.plans import Draft, Secrets

VENDORS = ("s3", "gcs", "r2")
JURISDICTIONS = ("default", "eu", "us", "fedramp")
YES_NO = ("yes", "no")
PREFIX_OF_VARIABLES = "SLURPER_"

Values = Mapping[str, str]
"""What is filled in, by the names of the fields."""


class Field(msgspec.Struct, frozen=True):
    """One field. label: what stands before it. hint: what stands in it while it is empty.

    choices: what can be chosen from; the first, unless told otherwise. vendors: those for whose
    sources it is asked. secret: it is never shown. part: its place in the create request.
    """

    name: str
    label: str
    hint: str = ""
    choices: tuple[str, ...] = ()
    vendors: tuple[str, ...] = VENDORS
    secret: bool = False
    part: str = ""

    @property
    def variable(self) -> str:
        """The variable of the environment that a secret may come from."""
        return PREFIX_OF_VARIABLES + self.name.upper()


class Section(msgspec.Struct, frozen=True):
    """Fields under one heading."""

    title: str
    fields: tuple[Field, ...]


_NOT_GCS = ("s3", "r2")

SOURCE = Section(
    "Copy from",
    (
        Field("vendor", "vendor", choices=VENDORS, part="source.vendor"),
        Field("bucket", "bucket", "its name", part="source.bucket"),
        Field(
            "endpoint",
            "endpoint",
            "https://... unless it is Amazon's",
            vendors=("s3",),
            part="source.endpoint",
        ),
        Field("region", "region", "optional", vendors=("s3",), part="source.region"),
        Field(
            "source_jurisdiction",
            "jurisdiction",
            choices=JURISDICTIONS,
            vendors=("r2",),
            part="source.jurisdiction",
        ),
        Field("path_prefix", "prefix", "only keys that begin so", part="source.pathPrefix"),
        Field("keys_file", "key list", "or a file of keys", part="source.keys"),
        Field("prefixes_file", "split by", "or a file of prefixes: a job each"),
    ),
)

TARGET = Section(
    "Copy to",
    (
        Field("target", "R2 bucket", "its name", part="target.bucket"),
        Field(
            "target_jurisdiction",
            "jurisdiction",
            choices=JURISDICTIONS,
            part="target.jurisdiction",
        ),
        Field("overwrite", "overwrite", choices=YES_NO, part="overwrite"),
    ),
)

KEYS = Section(
    "Keys to the buckets, never kept",
    (
        Field(
            "source_access_key_id",
            "source key id",
            vendors=_NOT_GCS,
            secret=True,
            part="source.secret.accessKeyId",
        ),
        Field(
            "source_secret_access_key",
            "source secret",
            vendors=_NOT_GCS,
            secret=True,
            part="source.secret.secretAccessKey",
        ),
        Field(
            "source_client_email",
            "client email",
            vendors=("gcs",),
            secret=True,
            part="source.secret.clientEmail",
        ),
        Field(
            "source_private_key",
            "private key",
            vendors=("gcs",),
            secret=True,
            part="source.secret.privateKey",
        ),
        Field(
            "target_access_key_id",
            "target key id",
            secret=True,
            part="target.secret.accessKeyId",
        ),
        Field(
            "target_secret_access_key",
            "target secret",
            secret=True,
            part="target.secret.secretAccessKey",
        ),
    ),
)

REGION = Section(
    "What the API does not tell",
    (Field("region", "source region", "optional", vendors=("s3",), part="source.region"),),
)


def draft_of(values: Values, keys: tuple[str, ...] | None = None) -> Draft:
    """The draft that is filled in; what its vendor does not have is left out."""
    vendor = values["vendor"]
    return Draft(
        vendor=vendor,
        bucket=values["bucket"],
        target=values["target"],
        path_prefix=values["path_prefix"] or None,
        keys=keys,
        endpoint=(values["endpoint"] or None) if vendor == "s3" else None,
        region=(values["region"] or None) if vendor == "s3" else None,
        source_jurisdiction=_jurisdiction(values["source_jurisdiction"], vendor == "r2"),
        target_jurisdiction=_jurisdiction(values["target_jurisdiction"], True),
        overwrite=values["overwrite"] == "yes",
    )


def _jurisdiction(chosen: str, has_one: bool) -> str | None:
    """The default is what the API takes where nothing is said."""
    return chosen if has_one and chosen != JURISDICTIONS[0] else None


def secrets_of(values: Values, environ: Mapping[str, str], vendor: str) -> Secrets:
    """The keys to both buckets: what is typed, else what the environment has."""
    given = {
        field.name: (values.get(field.name, "") or environ.get(field.variable, "")).strip() or None
        for field in KEYS.fields
        if vendor in field.vendors
    }
    source = ("access_key_id", "secret_access_key", "client_email", "private_key")
    return Secrets(
        Secret(**{name: given.get(f"source_{name}") for name in source}),
        Secret(given["target_access_key_id"], given["target_secret_access_key"]),
    )
