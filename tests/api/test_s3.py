"""Buckets with the S3 protocol: moto's server, and servers that fail in ways of their own."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from botocore.auth import S3SigV4Auth  # type: ignore[import-untyped]  # it has no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # it has no types
from botocore.credentials import Credentials  # type: ignore[import-untyped]  # it has no types

from slurper_tui.api import objects as objects_module
from slurper_tui.api import s3
from slurper_tui.api.errors import (
    ApiError,
    BadAddress,
    BadAnswer,
    BucketKeysRefused,
    NotFound,
    NotInstalled,
    RateLimited,
    Refused,
    Unreachable,
)
from slurper_tui.api.models import Secret, is_exact
from slurper_tui.api.objects import TRIES, FoundPrefix, ListedObject, ObjectHeaders, r2_endpoint
from slurper_tui.api.s3 import S3Bucket, parse_listing
from slurper_tui.api.scrub import Scrubber
from slurper_tui.monitor.verify.reading import KeyLookup
from slurper_tui.monitor.verify.source import count, top_level, uncovered
from tests.api.s3_servers import (
    ACCESS,
    HOSTILE,
    HUSH,
    KEYS,
    Asked,
    Moto,
    before,
    edited,
    error,
    http,
    keys_of,
    listing,
    moto_server,
    opened,
    serving,
)
from tests.certificate import certificate

pytestmark = pytest.mark.xdist_group("s3")

moto = pytest.fixture(scope="module")(moto_server)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "FIRST_WAIT", 0.0)


@pytest.fixture
def three_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "MOST_LISTED", 3)


@pytest.fixture(scope="module")
def hostile(moto: Moto) -> Moto:
    moto.bucket("photos", HOSTILE)
    return moto


@pytest.mark.usefixtures("three_a_page")
async def test_hostile_keys_arrive_exactly_and_in_the_order_of_their_bytes(hostile: Moto) -> None:
    async with opened(hostile.url) as bucket:
        found = await keys_of(bucket)
        assert found == sorted(HOSTILE, key=str.encode) == sorted(HOSTILE)
        assert bucket.requests == -(-len(HOSTILE) // 3)


async def test_a_listing_begins_after_any_key_and_below_any_prefix(hostile: Moto) -> None:
    async with opened(hostile.url) as bucket:
        for key in HOSTILE:
            assert await keys_of(bucket, after=key) == [k for k in sorted(HOSTILE) if k > key]
            below = [k for k in sorted(HOSTILE) if k.startswith(key)]
            assert await keys_of(bucket, prefix=key) == below


async def test_objects_have_sizes_etags_and_times(hostile: Moto) -> None:
    async with opened(hostile.url) as bucket:
        objects = {found.key: found async for page in bucket.pages() for found in page}
    now = datetime.now(UTC).timestamp()
    for key, found in objects.items():
        assert found.size == len(key.encode())
        assert found.etag == hashlib.md5(key.encode()).hexdigest()
        assert now - 3600 < (found.modified or 0) <= now + 1


async def test_the_headers_of_every_key_are_found(hostile: Moto) -> None:
    async with opened(hostile.url) as bucket:
        for key in HOSTILE:
            if "\n" not in key:  # which moto cannot route
                found = await bucket.headers(key)
                assert found == ObjectHeaders("binary/octet-stream"), key
        assert await bucket.headers("no such key") is None


async def test_a_level_has_the_prefixes_and_the_objects_below(hostile: Moto) -> None:
    async with opened(hostile.url) as bucket:
        top = await bucket.level()
        prefixes = {key.partition("/")[0] + "/" for key in HOSTILE if "/" in key}
        objects = {key for key in HOSTILE if "/" not in key}
        expected = [FoundPrefix(p) for p in prefixes] + [FoundPrefix(k, True) for k in objects]
        assert list(top) == sorted(expected, key=lambda found: found.name)
        assert [f.name for f in await bucket.level("a/")] == ["a/", "a/../", "a/./", "a//"]


async def test_a_thousand_pages() -> None:
    keys = [f"{n:04d}" for n in range(2000)]

    def page(asked: Asked) -> bytes:
        query = parse_qs(asked.target.partition("?")[2])
        at = int(query.get("continuation-token", ["0"])[0])
        return listing(*keys[at : at + 2], more=str(at + 2) if at + 2 < len(keys) else None)

    async with serving(page) as (url, asked), opened(url) as bucket:
        assert await keys_of(bucket) == keys
        assert bucket.requests == len(asked) == 1000


HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "max-age=60, public",
    "Content-Encoding": "gzip",
    "Content-Disposition": 'attachment; filename="a b.html"',
    "Content-Language": "de-AT",
    "x-amz-meta-Camera": "Leica  M",
    "x-goog-meta-owner": "me",
    "x-amz-meta-place": "=?UTF-8?B?WsO8cmljaA==?=",
    "x-amz-meta-odd": "=?no-charset?B?WsO8?=",
    "x-amz-request-id": "7",
}


async def test_headers_and_metadata_of_an_object() -> None:
    answer = http(200, b"", kind="x", **HEADERS)
    async with serving(lambda _: answer) as (url, _), opened(url) as bucket:
        found = await bucket.headers("a")
    assert found == ObjectHeaders(
        *("x, text/html; charset=utf-8", "max-age=60, public", "gzip"),
        *('attachment; filename="a b.html"', "de-AT"),
        {"camera": "Leica  M", "owner": "me", "place": "Zürich", "odd": "=?no-charset?B?WsO8?="},
    )


BUSY: dict[str, Callable[[], bytes]] = {
    "SlowDown": lambda: error(503, "SlowDown", "Reduce your request rate."),
    "429": lambda: http(429, "busy", kind="text/plain", retry_after="0"),
    "500": lambda: error(500, "InternalError"),
    "a page of a proxy": lambda: http(502, "<html>", kind="text/html"),
    "a 403 of a firewall": lambda: http(403, "<html><b>no</b></html>", kind="text/html"),
    "reset": lambda: b"",
    "a time-out of the server": lambda: error(400, "RequestTimeout"),
    "cut in the middle": lambda: listing("a", "b", more="x")[:-200],
    "XML that is cut": lambda: http(200, "<ListBucketResult><Contents><Key>a</Key>"),
    "an empty answer": lambda: http(200, ""),
    "another page": lambda: http(200, "<html><body/></html>", kind="text/html"),
    "an error with 200": lambda: http(200, "<Error><Code>InternalError</Code></Error>"),
}


@pytest.mark.parametrize("fault", BUSY)
@pytest.mark.usefixtures("three_a_page")
async def test_a_fault_in_the_middle_is_repeated_and_loses_no_key(
    hostile: Moto, fault: str
) -> None:
    def at_fault(number: int, _: Asked) -> bytes | None:
        return BUSY[fault]() if number % 5 in (1, 3) else None

    async with before(hostile, at_fault) as (url, _), opened(url) as bucket:
        assert await keys_of(bucket) == sorted(HOSTILE)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (
            "SlowDown",
            RateLimited,
            "it asks to slow down (503) (SlowDown: Reduce your request rate.)",
        ),
        ("500", BadAnswer, "it answered 500 (InternalError: words)"),
        ("a page of a proxy", BadAnswer, "no answer of an S3 server (502)"),
        ("a 403 of a firewall", BadAnswer, "no answer of an S3 server (403)"),
        ("reset", Unreachable, "the server closed the connection without an answer"),
        ("cut in the middle", Unreachable, "the answer was cut off"),
        ("XML that is cut", BadAnswer, "the answer is no listing of a bucket"),
    ],
)
async def test_a_fault_that_remains_ends_the_listing(
    fault: str, kind: type[ApiError], words: str
) -> None:
    async with serving(lambda _: BUSY[fault]()) as (url, asked), opened(url) as bucket:
        with pytest.raises(kind) as raised:
            await keys_of(bucket)
        assert str(raised.value) == f"{bucket.name}: {words}"
        assert bucket.name == f"S3 bucket photos at {url.removeprefix('http://')}"
    assert (len(asked), bucket.requests) == (TRIES, TRIES)


FINAL = [
    (error(403, "AccessDenied"), BucketKeysRefused, "the keys give no access to the bucket (403)"),
    (error(403, "InvalidAccessKeyId"), BucketKeysRefused, "the keys give no access"),
    (error(403, "SignatureDoesNotMatch"), BucketKeysRefused, "the keys give no access"),
    (error(400, "ExpiredToken"), BucketKeysRefused, "the keys give no access"),
    (error(401, "Unauthorized"), BucketKeysRefused, "the keys give no access"),
    (error(403, "SomethingNew"), BucketKeysRefused, "the keys give no access"),
    (error(403, "RequestTimeTooSkewed"), Refused, "this machine's clock is wrong (403)"),
    (error(404, "NoSuchBucket"), NotFound, "there is no such bucket (404)"),
    (error(400, "InvalidArgument"), Refused, "it answered 400 (InvalidArgument: words)"),
    (error(501, "NotImplemented"), Refused, "it answered 501"),
    (error(301, "PermanentRedirect"), Refused, "it redirects to another address (301)"),
    (http(200, "<Error><Code>AccessDenied</Code></Error>"), BucketKeysRefused, "the keys give no"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), FINAL)
async def test_a_refusal_is_told_at_once(answer: bytes, kind: type[ApiError], words: str) -> None:
    async with serving(lambda _: answer) as (url, asked), opened(url) as bucket:
        with pytest.raises(kind) as raised:
            await keys_of(bucket)
        assert type(raised.value) is kind
        assert words in str(raised.value)
        assert "\n" not in str(raised.value)
    assert len(asked) == 1


@pytest.mark.usefixtures("three_a_page")
async def test_keys_that_expire_end_the_listing_where_it_was(hostile: Moto) -> None:
    def expired(number: int, _: Asked) -> bytes | None:
        return error(403, "ExpiredToken", "The provided token has expired.") if number > 2 else None

    found: list[str] = []
    async with before(hostile, expired) as (url, asked), opened(url) as bucket:
        pages = bucket.pages()
        for _ in range(3):
            found += [one.key for one in await anext(pages)]
        with pytest.raises(BucketKeysRefused, match="has expired"):
            await anext(pages)
    assert (found, len(asked)) == (sorted(HOSTILE)[:9], 4)


@pytest.mark.usefixtures("three_a_page")
async def test_objects_may_be_deleted_and_made_while_they_are_listed(moto: Moto) -> None:
    moto.bucket("living", [f"{n:02d}" for n in range(12)])
    found: list[str] = []
    async with opened(moto.url, "living") as bucket:
        async for page in bucket.pages():
            found += [one.key for one in page]
            if len(found) == 3:
                for key in ("01", "02", "03", "11"):  # 02 is where the next page begins
                    moto.backend.delete_object("living", key)
                moto.backend.put_object("living", "00a", b"behind")
                moto.backend.put_object("living", "05a", b"ahead")
        assert found == ["00", "01", "02", "04", "05", "05a", "06", "07", "08", "09", "10"]
        assert await bucket.headers("02") is None


FOLDER = "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>"
ENTITY = b"<!DOCTYPE x [<!ENTITY a 'b'>]>"


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


ENDLESS: dict[str, Callable[[int], bytes]] = {
    "the same page for ever": lambda n: listing("a", "b", more="same"),
    "the same keys with new tokens": lambda n: listing("a", "b", more=f"t{n}"),
    "no keys and new tokens": lambda n: listing(more=f"t{n}"),
    "two pages in turn": lambda n: listing(f"k{n % 2}", more=f"t{n % 2}"),
    "more without a token": lambda n: listing("a", more=""),
    "no word whether it goes on": lambda n: http(200, "<ListBucketResult/>"),
    "an object without a key": lambda n: listing(""),
    "a document type": lambda n: http(200, ENTITY + body_of(listing("&a;"))),
    "a document type after a comment": lambda n: http(
        200, b"<!--" + b" " * 2000 + b"-->" + ENTITY + body_of(listing("&a;"))
    ),
    "folders instead of objects": lambda n: listing("a", rest=FOLDER.format("b/")),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_listing_without_a_sure_end_is_an_error(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "MOST_EMPTY", 50)
    numbers = iter(range(10**5))
    async with (
        serving(lambda _: ENDLESS[kind](next(numbers))) as (url, asked),
        opened(url) as bucket,
    ):
        with pytest.raises(BadAnswer):
            await keys_of(bucket)
    assert len(asked) <= (51 if "no keys" in kind else TRIES)


def _same(answer: bytes, _: object) -> bytes:
    return answer


async def test_plus_means_a_space_unless_the_server_writes_one_otherwise() -> None:
    pages = {
        ("a+b", "a%2Bb"): ["a b", "a+b"],
        ("a+b", "a%20c"): ["a+b", "a c"],
        ("%E2%82%AC", "%F0%9F%98%80", "a%2520b"): ["€", "😀", "a%20b"],
    }
    for sent, expected in pages.items():
        answer = partial(_same, listing(*sent))
        async with serving(answer) as (url, _), opened(url) as bucket:
            assert await keys_of(bucket) == expected


async def test_bytes_that_are_not_unicode_stay_apart_and_are_not_sent() -> None:
    async with serving(lambda _: listing("a%FF", "a%FE")) as (url, _), opened(url) as bucket:
        first, second = await keys_of(bucket)
        assert first != second
        assert not is_exact(first)
        with pytest.raises(BadAddress, match="not valid Unicode"):
            await bucket.headers(first)


async def test_keys_of_a_server_that_does_not_encode_them_are_exact_too() -> None:
    encoded = listing("a b", "a%20b", "&lt;b&gt;", "&amp;quot;", "a&#x1;b", "a\x02b", "&#128512;")
    plain = edited(encoded, b"<EncodingType>url</EncodingType>", b"")
    async with serving(lambda _: plain) as (url, _), opened(url) as bucket:
        expected = ["a b", "a%20b", "<b>", "&quot;", "a\x01b", "a\x02b", "\U0001f600"]
        assert await keys_of(bucket) == expected
    odd = edited(plain, b"</Contents>", b"<!-- so that it is parsed as XML --></Contents>")
    async with serving(lambda _: odd) as (url, asked), opened(url) as bucket:
        with pytest.raises(Refused, match="does not encode keys"):
            await keys_of(bucket)
    assert len(asked) == 1


PAGES = [
    listing(),
    listing("a", "b%0A", "c+d", more="x"),
    listing("a", rest="<CommonPrefixes><Prefix>b%2F/</Prefix></CommonPrefixes>"),
    edited(listing("a", "b"), b"<Contents>", b"\n  <Contents>\n"),
    edited(listing("a", "b"), b"<Size>5</Size>", b"<Size/><Owner><ID>1</ID></Owner>"),
    edited(listing("a&amp;b", "&#x41;"), b"<ETag>", b"<StorageClass>GLACIER</StorageClass><ETag>"),
]


@pytest.mark.parametrize("answer", PAGES)
def test_the_fast_way_to_parse_a_page_gives_what_xml_gives(answer: bytes) -> None:
    body = body_of(answer)
    as_xml = body.replace(b"</ListBucketResult>", b"<!-- --></ListBucketResult>")
    assert parse_listing(body) == parse_listing(as_xml)


@pytest.mark.parametrize("size", ["x", "-1", "1.5", "9" * 30, ""])
@pytest.mark.parametrize(
    "time", ["no time", "", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
async def test_unreadable_sizes_and_times_are_unknown(size: str, time: str) -> None:
    odd = edited(listing("a"), b"<Size>5<", f"<Size>{size}<".encode())
    odd = edited(odd, b"2026-11-28T12:00:00.500Z", time.encode())
    async with serving(lambda _: odd) as (url, _), opened(url) as bucket:
        [page] = [page async for page in bucket.pages()]
    assert page == [ListedObject("a", None, "d41d8cd98f00b204e9800998ecf8427e", None)]


def signature(asked: Asked, url: str, region: str) -> str:
    """Return the signature of a request as botocore computes it."""
    scheme_and_host = url.partition("://")[0] + "://" + asked.headers["host"]
    signed = re.search("SignedHeaders=([^,]*),", asked.headers["authorization"])
    assert signed is not None
    headers = {name: asked.headers[name] for name in signed[1].split(";")}
    path, _, query = asked.target.partition("?")
    params = {name: value for name, [value] in parse_qs(query, keep_blank_values=True).items()}
    request = AWSRequest(asked.method, scheme_and_host + path, headers, params=params)
    request.context["timestamp"] = asked.headers["x-amz-date"]
    request.context["payload_signing_enabled"] = True
    auth = S3SigV4Auth(Credentials(ACCESS, HUSH), "s3", region)
    canonical = auth.canonical_request(request)
    computed: str = auth.signature(auth.string_to_sign(request, canonical), request)
    return computed


async def test_every_request_is_signed_as_botocore_signs_it() -> None:
    answers = iter(["HEAD", "GET"] * len(HOSTILE))

    def answer(asked: Asked) -> bytes:
        return http(200) if asked.method == "HEAD" else listing()

    async with serving(answer) as (url, asked), opened(url, region="eu-south-2") as bucket:
        for key in HOSTILE:
            assert await bucket.headers(key) is not None
            assert await keys_of(bucket, prefix=key, after=key) == []
    for request, key in zip(asked[::2], HOSTILE, strict=True):
        path = request.target.partition("?")[0]
        assert unquote(path) == f"/photos/{key}"
    for request in asked:
        assert request.method == next(answers)
        ours = request.headers["authorization"].rpartition("Signature=")[2]
        assert ours == signature(request, url, "eu-south-2"), request.target
        assert f"Credential={ACCESS}/" in request.headers["authorization"]
        assert HUSH not in str(request)


WRONG_REGION = {
    "in the body": error(400, "AuthorizationHeaderMalformed", region="fr-par"),
    "in a header": error(301, "PermanentRedirect", x_amz_bucket_region="fr-par"),
    "to HEAD": http(400, x_amz_bucket_region="fr-par"),
}


@pytest.mark.parametrize("kind", WRONG_REGION)
async def test_the_region_that_a_bucket_names_is_used_from_then_on(kind: str) -> None:
    def answer(asked: Asked) -> bytes:
        if "/fr-par/s3/" not in asked.headers["authorization"]:
            return WRONG_REGION[kind]
        return http(200) if asked.method == "HEAD" else listing("a")

    async with serving(answer) as (url, asked), opened(url) as bucket:
        if kind == "to HEAD":
            assert await bucket.headers("a") is not None
        assert await keys_of(bucket) == ["a"]
        assert await bucket.headers("a") is not None
    assert len(asked) == (4 if kind == "to HEAD" else 3)


async def test_requests_at_the_same_time_learn_the_region_together() -> None:
    together = asyncio.Barrier(6)

    async def answer(asked: Asked) -> bytes:
        if "/fr-par/s3/" in asked.headers["authorization"]:
            return listing("a")
        await together.wait()
        return WRONG_REGION["in the body"]

    async with serving(answer) as (url, _), opened(url) as bucket:
        assert await asyncio.gather(*(keys_of(bucket) for _ in range(6))) == [["a"]] * 6


async def test_a_region_that_changes_with_every_answer_is_no_loop() -> None:
    regions = iter(range(100))
    async with (
        serving(
            lambda _: error(400, "AuthorizationHeaderMalformed", region=f"r-{next(regions)}")
        ) as (url, asked),
        opened(url) as bucket,
    ):
        with pytest.raises(Refused):
            await keys_of(bucket)
    assert len(asked) == 2


ADDRESSES = [
    ("https://s3.amazonaws.com", "photos", None, "photos.s3.us-east-1.amazonaws.com:443"),
    ("https://s3.amazonaws.com", "photos", "eu-west-3", "photos.s3.eu-west-3.amazonaws.com:443"),
    (
        "https://s3.eu-central-1.amazonaws.com/",
        "photos",
        None,
        "photos.s3.eu-central-1.amazonaws.com:443",
    ),
    (
        "https://s3.eu-central-1.amazonaws.com",
        "my.photos",
        None,
        "s3.eu-central-1.amazonaws.com:443",
    ),
    ("https://minio.example.net:9000", "photos", None, "minio.example.net:9000"),
    (
        "https://s3.us-west-004.backblazeb2.com",
        "photos",
        None,
        "s3.us-west-004.backblazeb2.com:443",
    ),
    ("https://storage.googleapis.com", "photos", "auto", "storage.googleapis.com:443"),
    (r2_endpoint("0a1b"), "photos", None, "0a1b.r2.cloudflarestorage.com:443"),
    (r2_endpoint("0a1b", "default"), "photos", None, "0a1b.r2.cloudflarestorage.com:443"),
    (r2_endpoint("0a1b", "eu"), "photos", None, "0a1b.eu.r2.cloudflarestorage.com:443"),
    (r2_endpoint("0a1b", "fedramp"), "photos", None, "0a1b.fedramp.r2.cloudflarestorage.com:443"),
]


@pytest.mark.parametrize(("endpoint", "name", "region", "host"), ADDRESSES)
async def test_requests_go_to_the_address_of_the_bucket_and_through_the_proxy(
    endpoint: str, name: str, region: str | None, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(lambda _: http(403, "no", kind="text/plain")) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        async with opened(endpoint, name, region=region) as bucket:
            with pytest.raises(Unreachable, match="the proxy refused"):
                await keys_of(bucket)
            assert bucket.cost.in_r2 is ("cloudflare" in host)
    assert {(one.method, one.target) for one in asked} == {("CONNECT", host)}


async def test_https_trusts_the_certificates_of_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, tls = certificate(tmp_path), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    async with serving(lambda _: listing("a"), tls) as (url, asked):
        async with opened(url) as bucket:
            with pytest.raises(Unreachable, match="certificate"):
                await keys_of(bucket)
        assert asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        async with opened(url) as bucket:
            assert await keys_of(bucket) == ["a"]


async def test_a_certificate_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Path("/no/such/file")))
    async with opened("https://s3.invalid") as bucket:
        with pytest.raises(BadAddress, match="SSL_CERT_FILE: /no/such/file cannot be read"):
            await keys_of(bucket)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://s3.example.com", "http://10.0.0.1", "ftp://localhost", "s3.example.com", ""),
        *("https://user:s3cret@s3.example.com", "https://s3.example.com/photos", "https://"),
        *("https://s3.example.com?a=s3cret", "https://s3.example.com#s3cret", "https://h:99999"),
        "https://s3.example.com:s3cret",
    ],
)
def test_keys_are_sent_to_https_and_to_loopback_only(endpoint: str) -> None:
    with pytest.raises(BadAddress, match=r"^not sent: the endpoint ") as raised:
        S3Bucket(endpoint, "photos", KEYS, Scrubber())
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "a", "a/b", "..", "a..b", "bücket", "a b", "a@b", "a" * 300])
def test_a_name_that_no_bucket_has_is_refused(name: str) -> None:
    with pytest.raises(BadAddress, match="no name of an S3 bucket"):
        S3Bucket("https://s3.example.com", name, KEYS, Scrubber())


@pytest.mark.parametrize("account", ["", "a/b", "evil.example#", "a@b"])
def test_an_account_id_that_is_no_host_name_has_no_endpoint(account: str) -> None:
    for place in (None, "eu"):
        with pytest.raises(BadAddress):
            r2_endpoint(account, place)
    with pytest.raises(BadAddress):
        r2_endpoint("0a1b", "eu.evil")


@pytest.mark.parametrize("keys", [Secret(), Secret("a"), Secret(client_email="a", private_key="b")])
def test_keys_that_are_no_pair_are_refused(keys: Secret) -> None:
    with pytest.raises(BadAddress, match="secret access key"):
        S3Bucket("https://s3.example.com", "photos", keys, Scrubber())


async def test_no_text_repeats_a_key_of_the_bucket() -> None:
    scrubber = Scrubber()
    answer = error(403, "SignatureDoesNotMatch", f"You sent {HUSH} of {ACCESS}.\nReally.")
    async with serving(lambda _: answer) as (url, _), opened(url, scrubber=scrubber) as bucket:
        with pytest.raises(BucketKeysRefused) as raised:
            await keys_of(bucket)
    assert "You sent *** of ***. Really." in str(raised.value)
    for text in (str(raised.value), repr(raised.value), repr(vars(bucket))):
        assert HUSH not in text
    assert scrubber.clean(f"{HUSH} {ACCESS}") == "*** ***"


def test_without_minio_one_line_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match=r"pip install 'slurper-tui\[verify\]'") as raised:
        S3Bucket("https://s3.example.com", "photos", KEYS, Scrubber())
    assert raised.value.exit_code == 2


async def test_nothing_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.setenv(name, "of-another-program")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    async with serving(lambda _: listing("a")) as (url, asked), opened(url) as bucket:
        assert await keys_of(bucket) == ["a"]
    assert "of-another-program" not in str(asked)


async def test_a_listing_that_is_left_stops_asking() -> None:
    async with serving(lambda _: listing("a", more="b")) as (url, asked), opened(url) as bucket:
        async for _ in bucket.pages():
            break
        await asyncio.sleep(0)
    assert len(asked) == 1


async def test_the_loop_goes_on_while_an_answer_is_awaited() -> None:
    gate = asyncio.Event()

    async def late(_: Asked) -> bytes:
        await gate.wait()
        return listing("a")

    async with serving(late) as (url, _), opened(url) as bucket:
        reading = asyncio.ensure_future(keys_of(bucket))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not reading.done()
        gate.set()
        assert await reading == ["a"]
        other: Any = asyncio.ensure_future(keys_of(bucket))
        await asyncio.sleep(0)
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other


async def test_the_source_of_new_jobs_is_split_compared_and_counted(moto: Moto) -> None:
    keys = [*(f"{year}/{n:02d}" for year in (2022, 2024) for n in range(7)), "index.html"]
    moto.bucket("source", keys)
    async with opened(moto.url, "source") as bucket:
        level = await top_level(bucket)
        assert (level.prefixes, level.objects) == (("2022/", "2024/"), ("index.html",))
        assert (await uncovered(bucket, ["2022/"])).prefixes == ("2024/",)
        assert [numbers async for numbers in count(bucket, level.prefixes)][-1] == (7, 7)
        lookup = KeyLookup(bucket, ["2022/03", "2022/99", "index.html"])
        async for _ in lookup.run():
            pass
        assert sorted(lookup.found) == ["2022/03", "index.html"]
