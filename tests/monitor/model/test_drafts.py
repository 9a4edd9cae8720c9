from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.models import Secret, encode
from slurper_tui.monitor.model.plans import (
    MOST_KEYS,
    Draft,
    Secrets,
    doubts,
    faults,
    new_job,
    secret_faults,
)
from slurper_tui.simulated.api import CreateBody

GOOD = Draft("s3", "photos", "media")
PAIR = Secret(access_key_id="a", secret_access_key="b")
GCS = Secret(client_email="a", private_key="b")


def made(**fields: object) -> Draft:
    return msgspec.structs.replace(GOOD, **fields)


@pytest.mark.parametrize(
    "draft",
    [
        GOOD,
        made(endpoint="https://s3.example.com:9000/path", region="eu-1", path_prefix="a/"),
        made(endpoint="https://[::1]:9000"),
        made(vendor="gcs", keys=("a", "b")),
        made(vendor="r2", source_jurisdiction="fedramp", target_jurisdiction="us"),
        made(keys=tuple(map(str, range(MOST_KEYS)))),
        made(keys=("a\n", "\0", "\ud800")),
        made(path_prefix="caf\u00e9 \u202e/"),
    ],
)
def test_valid_draft_has_no_fault(draft: Draft) -> None:
    assert faults(draft) == ()


@pytest.mark.parametrize(
    ("field", "words", "draft"),
    [
        ("source.vendor", "missing", made(vendor="")),
        ("source.vendor", "'azure' is not one of s3, gcs, r2", made(vendor="azure")),
        ("source.bucket", "missing", made(bucket="")),
        ("source.bucket", "begins or ends with a space", made(bucket=" photos")),
        ("target.bucket", "missing", made(target="")),
        ("source.endpoint", "https://", made(endpoint="http://s3.example.com")),
        ("source.endpoint", "https://", made(endpoint="s3.example.com")),
        ("source.endpoint", "not a valid address", made(endpoint="https://")),
        ("source.endpoint", "not a valid address", made(endpoint="https://a b")),
        ("source.endpoint", "not a valid address", made(endpoint="https://a:99999")),
        ("source.endpoint", "not a valid address", made(endpoint="https://ä.example")),
        ("source.endpoint", "no user, password", made(endpoint="https://u:pa55@a.example")),
        ("source.endpoint", "only s3", made(vendor="gcs", endpoint="https://a.example")),
        ("source.region", "only s3", made(vendor="r2", region="eu")),
        ("source.region", "empty", made(region="")),
        ("source.jurisdiction", "only r2", made(source_jurisdiction="eu")),
        ("source.bucket", "U+0000", made(bucket="pho\0tos")),
        ("source.bucket", "U+009B", made(bucket="pho\x9btos")),
        ("target.bucket", "U+000A", made(target="me\ndia")),
        ("source.pathPrefix", "U+0009", made(path_prefix="a\t/")),
        ("source.pathPrefix", "U+007F", made(path_prefix="\x7f")),
        ("source.pathPrefix", "U+D800", made(path_prefix="\ud800")),
        ("source.region", "U+001B", made(region="eu\x1b[31m1")),
        (
            "source.jurisdiction",
            "'mars' is not one of default, eu, us, fedramp",
            made(vendor="r2", source_jurisdiction="mars"),
        ),
        ("target.jurisdiction", "'mars' is not one of", made(target_jurisdiction="mars")),
        ("source.keys", "nothing would be copied", made(keys=())),
        ("source.keys", "key 2 is empty", made(keys=("a", ""))),
        ("source.keys", "'a' is listed 2 times", made(keys=("a", "b", "a"))),
        (
            "source.keys",
            "10,001 keys; one job takes at most 10,000",
            made(keys=tuple(map(str, range(MOST_KEYS + 1)))),
        ),
        ("source.pathPrefix", "with a prefix", made(path_prefix="a/", keys=("a/b",))),
    ],
)
def test_fault_names_its_field_and_the_mistake(field: str, words: str, draft: Draft) -> None:
    [fault] = faults(draft)
    assert fault.field == field
    assert words in fault.text
    assert "pa55" not in fault.text


def test_all_faults_are_returned() -> None:
    assert [fault.field for fault in faults(Draft("", "", ""))] == [
        "source.vendor",
        "source.bucket",
        "target.bucket",
    ]


def test_allowed_but_unlikely_values_are_doubts() -> None:
    assert doubts(GOOD) == ()
    odd = made(vendor="r2", bucket="s3://a", target="s3://a", path_prefix="/a")
    fields = [doubt.field for doubt in doubts(odd)]
    assert fields == ["source.bucket", "target.bucket", "target.bucket", "source.pathPrefix"]
    assert doubts(made(vendor="r2", bucket="a", target="a", source_jurisdiction="eu")) == ()


def test_missing_parts_of_a_secret_have_the_names_of_the_vendor() -> None:
    assert secret_faults(GOOD, Secrets(PAIR, PAIR)) == ()
    assert secret_faults(made(vendor="gcs"), Secrets(GCS, PAIR)) == ()
    missing = secret_faults(made(vendor="gcs"), Secrets(PAIR, Secret(access_key_id="a")))
    assert [fault.field for fault in missing] == [
        "source.secret.clientEmail",
        "source.secret.privateKey",
        "target.secret.secretAccessKey",
    ]


texts = st.text(st.characters(codec="utf-8"), max_size=12)
maybe = st.none() | texts
drafts = st.builds(
    Draft,
    vendor=st.sampled_from(["s3", "gcs", "r2", ""]) | texts,
    bucket=texts,
    target=texts,
    path_prefix=maybe,
    keys=st.none() | st.lists(texts, max_size=3).map(tuple),
    endpoint=maybe | st.sampled_from(["https://a", "https://a:0", "https://[", "https:///x"]),
    region=maybe,
    source_jurisdiction=maybe | st.sampled_from(["default", "eu"]),
    target_jurisdiction=maybe | st.sampled_from(["default", "eu"]),
    overwrite=st.booleans(),
)


@given(drafts)
def test_draft_without_faults_satisfies_the_contract(draft: Draft) -> None:
    if faults(draft):
        return
    secrets = Secrets(GCS if draft.vendor == "gcs" else PAIR, PAIR)
    sent = encode(new_job(draft, secrets))
    assert isinstance(msgspec.json.decode(sent, type=CreateBody), CreateBody)
    assert json.loads(sent)["source"]["vendor"] == draft.vendor
