from __future__ import annotations

import json

import pytest

from slurper_tui.api.models import NewJob, NewSource, NewTarget, Secret, encode

PAIR = Secret(access_key_id="id", secret_access_key="key")
GOOGLE = Secret(client_email="a@b.c", private_key="pem")
WIRE_PAIR = {"accessKeyId": "id", "secretAccessKey": "key"}
TARGET = {"vendor": "r2", "bucket": "t", "secret": WIRE_PAIR}


@pytest.mark.parametrize(
    ("source", "wire"),
    [
        (
            NewSource("s3", "b", PAIR, "p/", ("a", "ü"), "https://e.example", "eu-central-1"),
            {
                "vendor": "s3",
                "bucket": "b",
                "secret": WIRE_PAIR,
                "pathPrefix": "p/",
                "keys": ["a", "ü"],
                "endpoint": "https://e.example",
                "region": "eu-central-1",
            },
        ),
        (
            NewSource("gcs", "b", GOOGLE),
            {
                "vendor": "gcs",
                "bucket": "b",
                "secret": {"clientEmail": "a@b.c", "privateKey": "pem"},
            },
        ),
        (
            NewSource("r2", "b", PAIR, jurisdiction="eu"),
            {"vendor": "r2", "bucket": "b", "secret": WIRE_PAIR, "jurisdiction": "eu"},
        ),
    ],
)
@pytest.mark.parametrize("overwrite", [True, False])
def test_bodies_are_those_of_the_contract(
    source: NewSource, wire: dict[str, object], overwrite: bool
) -> None:
    assert json.loads(encode(source)) == wire
    job = NewJob(source, NewTarget("t", PAIR), overwrite)
    assert json.loads(encode(job)) == {"source": wire, "target": TARGET, "overwrite": overwrite}


def test_the_body_of_a_target_names_its_vendor() -> None:
    assert json.loads(encode(NewTarget("t", PAIR))) == TARGET
    there = {**TARGET, "jurisdiction": "fedramp"}
    assert json.loads(encode(NewTarget("t", PAIR, jurisdiction="fedramp"))) == there


def test_a_target_is_r2_and_nothing_else() -> None:
    with pytest.raises(ValueError, match="always r2"):
        NewTarget("t", PAIR, vendor="s3")


def test_a_new_job_overwrites_unless_told_otherwise() -> None:
    job = NewJob(NewSource("s3", "b", PAIR), NewTarget("t", PAIR))
    assert json.loads(encode(job))["overwrite"] is True


def test_half_a_surrogate_pair_goes_out_as_it_came_in() -> None:
    key = json.loads('"a\\ud800/\\u00fc"')
    sent = encode(NewJob(NewSource("s3", "b", PAIR, keys=(key, "b")), NewTarget("t", PAIR)))
    assert b'"a\\ud800/' in sent
    assert json.loads(sent)["source"]["keys"] == [key, "b"]
