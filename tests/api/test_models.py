"""The values of the API: decoded answers and encoded requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.envelope import Raw, read_answer
from slurper_tui.api.models import (
    Connectivity,
    Created,
    Job,
    LogRow,
    NewJob,
    NewSource,
    NewTarget,
    Progress,
    Secret,
    Source,
    Target,
    encode,
    parse,
    parse_rows,
    parse_usage,
)
from tests.api.odd import answering, envelope, response

MODELS: list[type[msgspec.Struct]] = [Job, Progress, LogRow, Source, Target, Connectivity, Created]
COUNTS = ("objects", "transferredObjects", "skippedObjects", "failedObjects")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)

JOB = {
    "id": "j",
    "createdAt": "2026-03-19T15:46:20.000Z",
    "finishedAt": None,
    "overwrite": True,
    "status": "running",
    "source": {
        "vendor": "s3",
        "bucket": "b",
        "endpoint": "https://e",
        "keys": ["a", "b"],
        "pathPrefix": "p/",
    },
    "target": {"vendor": "r2", "bucket": "t", "jurisdiction": "eu"},
}


def wire_names(model: type[msgspec.Struct]) -> list[str]:
    return [f.encode_name for f in msgspec.structs.fields(model) if f.name != "extra"]


@st.composite
def odd_objects(draw: st.DrawFn) -> tuple[type[msgspec.Struct], dict[str, Any]]:
    """Draw a model, and an object with some of its fields and unknown ones, of any JSON values."""
    model = draw(st.sampled_from(MODELS))
    known = dict.fromkeys(wire_names(model), JSON)
    raw = draw(st.fixed_dictionaries({}, optional=known))
    return model, {**draw(st.dictionaries(st.text(), JSON, max_size=2)), **raw}


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


@given(odd_objects())
def test_a_field_of_the_wrong_type_is_none(
    given_: tuple[type[msgspec.Struct], dict[str, Any]],
) -> None:
    model, raw = given_
    value = parse(model, raw)
    names = wire_names(model)
    assert value.extra == {k: v for k, v in raw.items() if k not in names}  # type: ignore[attr-defined]  # every model has it
    for field in msgspec.structs.fields(model):
        got, sent = getattr(value, field.name), raw.get(field.encode_name)
        if field.encode_name in COUNTS:
            assert got == (sent if is_count(sent) else None)
            assert got is None or type(got) is int
        elif isinstance(sent, str):
            assert got == (
                None if field.name in {"overwrite", "keys", "source", "target"} else sent
            )
        elif isinstance(sent, bool):
            assert got == (sent if field.name == "overwrite" else None)
        elif field.name in {"source", "target"} and isinstance(sent, dict):
            assert got == parse(Source if field.name == "source" else Target, sent)


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize(
    ("sent", "count"),
    [
        ("0", 0),
        ("7", 7),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("1e400", None),
        ("1" * 400, None),
        ("-1", None),
        ("1.5", None),
        ("12.0", None),
        ("1e3", None),
        ("NaN", None),
        ("Infinity", None),
        ("true", None),
        ("false", None),
        ("null", None),
        ('"7"', None),
        ('""', None),
        ("[7]", None),
        ("{}", None),
    ],
)
async def test_a_count_is_an_integer_literal(field: str, sent: str, count: int | None) -> None:
    body = f'{{"success": true, "result": {{"id": "j", "{field}": {sent}, "status": "running"}}}}'
    async with answering(response(200, body)) as client:
        progress = (await client.progress("a", "j")).value
    assert msgspec.to_builtins(progress)[field] == count
    assert (progress.id, progress.status) == ("j", "running")


@pytest.mark.parametrize("status", ["errored", "", "FAILED", "läuft", "a\x1b[31m", "queued"])
def test_unknown_statuses_and_log_types_are_kept(status: str) -> None:
    assert parse(Job, {"status": status}).status == status
    assert parse(Progress, {"status": status}).status == status
    assert parse(LogRow, {"logType": status}).log_type == status


@pytest.mark.parametrize("status", ["running", "paused", "aborted", "completed"])
@pytest.mark.parametrize("write", [str.upper, str.capitalize, str.swapcase, " {} ".format])
def test_a_documented_status_is_lower_cased(status: str, write: Callable[[str], str]) -> None:
    assert parse(Job, {"status": write(status)}).status == status
    assert parse(Progress, {"status": write(status), "new": 1}).status == status


def test_a_complete_job() -> None:
    job = parse(Job, JOB)
    assert job == Job(
        id="j",
        created_at="2026-03-19T15:46:20.000Z",
        overwrite=True,
        status="running",
        source=Source("s3", "b", "p/", "https://e", keys=("a", "b")),
        target=Target("r2", "t", "eu"),
    )


@pytest.mark.parametrize("end", ["source", "target"])
@pytest.mark.parametrize(
    ("change", "bucket", "extra"),
    [
        ({"bucket": 7}, None, {}),
        ({"keys": ["a", 7]}, "b", {}),
        ({"pathPrefix": ["x"], "jurisdiction": 5}, "b", {}),
        ({"vendor": "azure", "container": {"x": 1}}, "b", {"container": {"x": 1}}),
    ],
)
def test_a_wrong_field_of_a_source_or_target_is_none(
    end: str, change: dict[str, object], bucket: str | None, extra: Mapping[str, object]
) -> None:
    raw = {"vendor": "r2", "bucket": "b", **change}
    job = parse(Job, {**JOB, end: raw})
    got = job.source if end == "source" else job.target
    assert got is not None
    assert (got.bucket, got.vendor) == (bucket, raw["vendor"])
    assert extra.items() <= got.extra.items()
    assert (job.id, job.status) == ("j", "running")


@pytest.mark.parametrize("wrong", [None, "text", 7, True, []])
def test_a_source_that_is_not_an_object_is_none(wrong: object) -> None:
    job = parse(Job, {**JOB, "source": wrong})
    assert job.source is None
    assert job.target == Target("r2", "t", "eu")


def test_a_page_keeps_its_length() -> None:
    rows = parse_rows(Job, [JOB, None, "text", 7, [], {"id": 7}, {}])
    assert [job.id for job in rows] == ["j", *[None] * 6]


@given(st.binary(max_size=20))
def test_a_name_of_any_bytes_does_not_fail_the_list(name: bytes) -> None:
    quoted = name.replace(b"\\", b"/").replace(b'"', b"'")
    plain = bytes(byte if byte >= 0x20 else 0x20 for byte in quoted)
    rows = parse_rows(Job, fetched(b'"' + plain + b'"'))
    assert [job.id for job in rows] == ["j", "k"]
    assert rows[0].source is not None
    assert rows[0].source.bucket == plain.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("name", "bucket"),
    [
        (rb'"a\ud800b"', "a\ud800b"),
        (rb'"\udfff"', "\udfff"),
        (rb'"\ud83d\ude00"', "\N{GRINNING FACE}"),
        (rb'"\u0000\u001b[31m"', "\0\x1b[31m"),
        (rb'"\u202e"', "\u202e"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"' + b"x" * 1024 + b'"', "x" * 1024),
    ],
)
def test_unusual_names_are_kept(name: bytes, bucket: str) -> None:
    rows = parse_rows(Job, fetched(name))
    assert rows[0].source is not None
    assert rows[0].source.bucket == bucket
    assert rows[1].id == "k"


def fetched(bucket: bytes) -> object:
    """Return a list whose first job has this JSON text as its bucket."""
    jobs = b'[{"id": "j", "source": {"bucket": ' + bucket + b'}}, {"id": "k"}]'
    raw = Raw(200, {}, b'{"success": true, "result": ' + jobs + b"}")
    return read_answer(raw, lambda rows: rows).value


async def test_log_rows_keep_unknown_properties() -> None:
    row = {"createdAt": 5, "job": "j", "logType": "new", "message": None, "objectKey": "k", "n": 1}
    async with answering(response(200, json.dumps(envelope([row])))) as client:
        rows = (await client.logs("a", "j")).value
    assert rows == (LogRow(job="j", log_type="new", object_key="k", extra={"n": 1}),)


def test_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        parse(Job, JOB).id = "other"  # type: ignore[misc]  # the test is that it cannot be set


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
def test_request_bodies_match_the_contract(
    source: NewSource, wire: dict[str, object], overwrite: bool
) -> None:
    assert json.loads(encode(source)) == wire
    job = NewJob(source, NewTarget("t", PAIR), overwrite)
    assert json.loads(encode(job)) == {"source": wire, "target": TARGET, "overwrite": overwrite}


def test_the_body_of_a_target_names_its_vendor() -> None:
    assert json.loads(encode(NewTarget("t", PAIR))) == TARGET
    there = {**TARGET, "jurisdiction": "fedramp"}
    assert json.loads(encode(NewTarget("t", PAIR, jurisdiction="fedramp"))) == there


def test_a_new_job_overwrites_by_default() -> None:
    job = NewJob(NewSource("s3", "b", PAIR), NewTarget("t", PAIR))
    assert json.loads(encode(job))["overwrite"] is True


def test_a_lone_surrogate_is_encoded_unchanged() -> None:
    key = json.loads('"a\\ud800/\\u00fc"')
    sent = encode(NewJob(NewSource("s3", "b", PAIR, keys=(key, "b")), NewTarget("t", PAIR)))
    assert b'"a\\ud800/' in sent
    assert json.loads(sent)["source"]["keys"] == [key, "b"]


@pytest.mark.parametrize(
    ("raw", "size", "uploads"),
    [
        ({"payloadSize": "5", "uploadCount": "1"}, 5, 1),
        ({"payloadSize": 5, "uploadCount": None}, 5, None),
        ({"payloadSize": "5", "uploadCount": -1}, 5, None),
        ({"payloadSize": "5", "uploadCount": 10**30}, 5, None),
        ({"payloadSize": "5", "uploadCount": [1]}, 5, None),
        ({"payloadSize": -5, "objectCount": "0"}, None, None),
        ({"payloadSize": 1e300, "objectCount": "0"}, None, None),
        ({"payloadSize": True, "objectCount": "0"}, None, None),
    ],
)
def test_numbers_that_no_bucket_has_are_left_out_of_its_usage(
    raw: object, size: int | None, uploads: int | None
) -> None:
    usage = parse_usage(raw)
    assert (usage.payload_size, usage.upload_count) == (size, uploads)


@pytest.mark.parametrize(
    "raw", [None, [], "5", {}, {"payloadSize": "-5"}, {"payloadSize": -5}, {"objectCount": 10**40}]
)
def test_a_usage_without_numbers_is_none(raw: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        parse_usage(raw)
