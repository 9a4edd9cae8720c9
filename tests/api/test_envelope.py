"""The conversion of answers to values or errors, and the parsing of rate-limit headers."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api import transport as exchange
from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.envelope import Raw, parse_limit, parse_retry_after, read_answer
from slurper_tui.api.errors import (
    ApiError,
    BadAddress,
    BadAnswer,
    BucketKeysRefused,
    Conflict,
    NotFound,
    NotSent,
    RateLimit,
    RateLimited,
    Refused,
    Rejected,
    TooLarge,
    Unreachable,
)
from slurper_tui.api.models import Job, Progress, parse, parse_rows
from tests.api.odd import (
    BASE,
    HTML,
    RAY,
    answering,
    ask,
    encoded,
    envelope,
    failure,
    refusal,
    response,
)
from tests.virtual_time import run, timeless

PAGE = "<!DOCTYPE html><html><title>502</title><script>alert(1)</script></html>"
CHAIN = {
    "success": False,
    "errors": [
        {
            "code": 6003,
            "message": "Invalid request headers",
            "error_chain": [
                {"code": 6103, "message": "Invalid format for X-Auth-Key header"},
                {"code": 6111, "message": "Invalid format for Authorization header"},
            ],
        }
    ],
}

REFUSALS: list[tuple[int, tuple[int, ...], type[ApiError]]] = [
    (401, (10000,), Rejected),
    (403, (10000,), Rejected),
    (403, (9109,), Rejected),
    (401, (4711,), Rejected),
    (403, (4711, 4712), Rejected),
    (401, (), BadAnswer),
    (403, (), BadAnswer),
    (407, (10000,), BadAnswer),
    (400, (9106,), Rejected),
    (400, (6003,), Rejected),
    (400, (6103,), Rejected),
    (400, (7003, 7000), NotFound),
    (400, (7003,), NotFound),
    (404, (7003, 7000), NotFound),
    (404, (10007,), NotFound),
    (404, (), NotFound),
    (400, (10001,), Refused),
    (400, (), Refused),
    (405, (10405,), Refused),
    (422, (), Refused),
    (409, (10009,), Conflict),
    (409, (), Conflict),
    (429, (971,), RateLimited),
    (429, (10429,), RateLimited),
    (429, (), RateLimited),
    (500, (971,), RateLimited),
    (503, (10429,), RateLimited),
    (500, (), BadAnswer),
    (500, (10000,), BadAnswer),
    (502, (7003,), BadAnswer),
    (200, (10001,), Refused),
    (200, (), Refused),
    (200, (10000,), Rejected),
    (200, (9109,), Rejected),
    (200, (971,), RateLimited),
    (200, (10429,), RateLimited),
    (200, (7003, 7000), NotFound),
]


@pytest.mark.parametrize(("status", "codes", "kind"), REFUSALS)
async def test_status_and_codes_select_the_error_class(
    status: int, codes: tuple[int, ...], kind: type[ApiError]
) -> None:
    error = await failure(response(status, refusal(*codes)))
    assert type(error) is kind
    assert (error.status, error.ray) == (status, RAY)
    assert [(f.code, f.message) for f in error.faults] == [(c, f"words of {c}") for c in codes]
    assert all(f"{code}: words of {code}" in str(error) for code in codes)
    assert str(status) in str(error)
    assert error.exit_code == (3 if kind is Rejected else 7)


@pytest.mark.parametrize("status", [500, 502, 503, 520, 521, 522, 523, 524, 525, 526, 530])
@pytest.mark.parametrize("kind", [HTML, "application/json", None])
async def test_an_html_page_is_reported_without_quoting_it(status: int, kind: str | None) -> None:
    error = await failure(response(status, PAGE, kind))
    assert type(error) is BadAnswer
    assert (error.status, error.ray, error.faults) == (status, RAY, ())
    assert str(error) == f"the API answered {status} with an HTML page"


STATUS_FIRST: list[tuple[int, type[ApiError]]] = [
    (401, BadAnswer),
    (403, BadAnswer),
    (407, BadAnswer),
    (404, NotFound),
    (409, Conflict),
    (429, RateLimited),
    (400, Refused),
]


@pytest.mark.parametrize(("status", "kind"), STATUS_FIRST)
@pytest.mark.parametrize("body", [b"", PAGE, b"[]", b"null", b"nonsense", b'"text"', b"\xff"])
async def test_a_failed_status_is_an_error_with_any_body(
    status: int, kind: type[ApiError], body: bytes | str
) -> None:
    error = await failure(response(status, body, HTML if body == PAGE else "application/json"))
    assert type(error) is kind
    assert "script" not in str(error)
    assert error.ray == RAY


BAD_200: list[tuple[bytes | str | object, str | None, str]] = [
    (PAGE, HTML, "an HTML page"),
    (PAGE, "application/json", "an HTML page"),
    (PAGE, None, "an HTML page"),
    (b'{"success": true, "result": {}}', HTML, "an HTML page"),
    (b'{"success": true, "result": {}}', "text/plain", "not JSON"),
    (b"", "application/json", "an empty body"),
    (b" \r\n", "application/json", "an empty body"),
    (b"", None, "an empty body"),
    (b'{"success": true, "result": {"id": "a', "application/json", "not JSON"),
    (b"\x00\x01\x02", "application/json", "not JSON"),
    (b"[" * 100_000, "application/json", "not JSON"),
    (b'{"success": true, "result": ' + b"9" * 5000 + b"}", "application/json", "not JSON"),
    ([], "application/json", "not JSON"),
    (12, "application/json", "not JSON"),
    (b"null", "application/json", "not JSON"),
    ("true", "application/json", "not JSON"),
    ({}, "application/json", "not in the API's format"),
    ({"result": {}, "success": None}, "application/json", "not in the API's format"),
    ({"result": {}, "success": "true"}, "application/json", "not in the API's format"),
    ({"result": {}, "success": 1}, "application/json", "not in the API's format"),
    ({"hello": "world"}, "application/json", "not in the API's format"),
    (envelope(None), "application/json", "no result"),
    ({"success": True, "errors": []}, "application/json", "no result"),
    (envelope([]), "application/json", "a foreign result"),
    (envelope("text"), "application/json", "a foreign result"),
    (envelope(12), "application/json", "a foreign result"),
    (envelope(False), "application/json", "a foreign result"),
]


@pytest.mark.parametrize(("body", "kind", "words"), BAD_200)
async def test_a_bad_body_with_status_200_is_an_error(
    body: bytes | str | object, kind: str | None, words: str
) -> None:
    headers = {"ratelimit": '"default";r=5;t=30'}
    error = await failure(response(200, body, kind, headers))
    assert type(error) is BadAnswer
    assert words in str(error)
    assert (error.status, error.ray) == (200, RAY)
    assert error.limit is not None
    assert error.limit.remaining == 5
    assert "script" not in str(error)


@pytest.mark.parametrize("status", [204, 205, 206])
async def test_a_success_without_a_body_is_a_bad_answer(status: int) -> None:
    error = await failure(response(status))
    assert type(error) is BadAnswer
    assert "an empty body" in str(error)


@pytest.mark.parametrize("result", [None, 7, [], {}, "done"])
async def test_any_result_of_a_control_request_is_a_success(result: object) -> None:
    async with answering(response(200, envelope(result))) as client:
        value = (await client.pause_job("a", "j")).value
    assert value == (result if isinstance(result, str) else None)


@pytest.mark.parametrize(
    "others",
    [
        {"messages": ["a", "b"]},
        {"messages": [{"code": 1, "message": "a"}]},
        {"messages": None, "errors": None},
        {"messages": 7, "errors": []},
        {"result_info": {"page": 1}, "new": {"field": [1]}},
    ],
)
async def test_unknown_properties_beside_a_result_are_ignored(others: dict[str, object]) -> None:
    answer = await ask(response(200, envelope({"id": "j", "objects": 7}, **others)))
    assert answer.value == Progress(id="j", objects=7)


@pytest.mark.parametrize(
    ("info", "total"),
    [
        ({"result_info": {"total_count": 120, "count": 2}}, 120),
        ({"result_info": {"total_count": 0}}, 0),
        ({}, None),
        *(({"result_info": wrong}, None) for wrong in (None, 7, "120", {"total_count": "9"})),
        *(({"result_info": {"total_count": wrong}}, None) for wrong in (True, -1, 2.5, None)),
    ],
)
async def test_total_count_is_a_number_or_none(info: dict[str, object], total: int | None) -> None:
    body = envelope([{"id": "a"}, {"id": "b"}], **info)
    async with answering(response(200, body)) as client:
        answer = await client.list_jobs("a")
    assert [job.id for job in answer.value] == ["a", "b"]
    assert (answer.total, answer.size) == (total, len(response(200, body).content))


async def test_a_null_list_is_empty() -> None:
    async with answering(response(200, envelope(None))) as client:
        assert (await client.list_jobs("a")).value == ()
        assert (await client.logs("a", "j")).value == ()


@pytest.mark.parametrize("result", ["text", 7, True, {}, {"jobs": []}])
async def test_a_list_of_another_type_is_a_bad_answer(result: object) -> None:
    async with answering(response(200, envelope(result))) as client:
        with pytest.raises(BadAnswer, match="a foreign result: expected an array") as error:
            await client.list_jobs("a")
    assert error.value.ray == RAY


@pytest.mark.parametrize(
    "kind", [None, "application/json; charset=utf-8", "Application/Problem+JSON"]
)
async def test_other_json_content_types(kind: str | None) -> None:
    assert (await ask(response(200, envelope({"id": "j"}), kind))).value.id == "j"


async def test_an_envelope_may_omit_optional_properties() -> None:
    assert (await ask(response(200, {"result": {"id": "j"}}))).value.id == "j"
    error = await failure(response(200, {"result": {"id": "j"}, "errors": [{"code": 5}]}))
    assert type(error) is BadAnswer


FAULTS: list[tuple[object, list[tuple[int | None, str]]]] = [
    (CHAIN, [(6003, "Invalid request headers"), (6103, "X-Auth-Key"), (6111, "Authorization")]),
    ({"success": False, "errors": ["one", "two"]}, [(None, "one"), (None, "two")]),
    ({"success": False, "errors": "one"}, [(None, "one")]),
    ({"success": False, "errors": {"code": 5, "message": "m"}}, [(5, "m")]),
    ({"success": False, "errors": [{"code": "10000", "message": "m"}]}, [(10000, "m")]),
    ({"success": False, "errors": [{"code": "E_AUTH", "message": "m"}]}, [(None, "E_AUTH: m")]),
    ({"success": False, "errors": [{"code": True, "message": "m"}]}, [(None, "m")]),
    ({"success": False, "errors": [{"code": 5}]}, [(5, "5")]),
    ({"success": False, "errors": [{"code": 5, "message": ["x"]}]}, [(5, "x")]),
    ({"success": False, "errors": [None, [], 7]}, [(None, "None"), (None, "[]"), (None, "7")]),
    ({"success": False, "errors": [{"error_chain": 7, "message": "m"}]}, [(None, "m")]),
    ({"error": '[{"path": ["source"], "code": "custom"}]'}, [(None, '"custom"')]),
    ({"error": {"code": 5, "message": "m"}}, [(5, "m")]),
    ({"errors": None, "error": "text"}, [(None, "text")]),
    ({"success": False, "errors": [], "messages": ["m"]}, []),
    ({"success": False}, []),
]


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(("body", "faults"), FAULTS)
async def test_faults_keep_codes_and_messages_in_order(
    body: object, faults: list[tuple[int | None, str]], status: int
) -> None:
    error = await failure(response(status, body))
    assert [fault.code for fault in error.faults] == [code for code, _ in faults]
    for fault, (_, words) in zip(error.faults, faults, strict=True):
        assert words in fault.message
        assert fault.message in str(error)


async def test_a_long_list_of_errors_is_truncated() -> None:
    many = {"success": False, "errors": [{"code": 5, "message": "m" * 5000}] * 200}
    error = await failure(response(400, many))
    assert 1 < len(error.faults) <= 20
    assert len(str(error)) < 25_000


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("0", 0.0),
        ("999999999", 86400.0),
        ("9" * 400, 86400.0),
        ("-5", None),
        ("1.5", 1.5),
        ("1e3", None),
        ("٣", None),
        ("2, 5", 5.0),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 500])
async def test_retry_after(status: int, header: str | None, seconds: float | None) -> None:
    headers = httpx.Headers([] if header is None else [(b"retry-after", header.encode())])
    error = await failure(httpx.Response(status, headers=headers, json=refusal(971)))
    assert type(error) is RateLimited
    assert error.retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304, 300])
@pytest.mark.parametrize(
    "location", [f"{BASE}/elsewhere", "/same", "https://evil.example/", "http://x/", "?", ""]
)
async def test_a_redirect_is_not_followed(status: int, location: str) -> None:
    seen: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return response(status, PAGE, HTML, {"location": location})

    transport = httpx.MockTransport(answer)
    client = SlurperClient(token_credentials("t"), BASE, transport=transport)
    with pytest.raises(BadAnswer, match="not followed") as wrong:
        await client.progress("a", "j")
    assert wrong.value.status == status
    assert len(seen) == 1
    await client.close()


@given(st.text(st.characters(codec="latin-1")))
def test_an_unusual_redirect_target_is_only_a_bad_answer(location: str) -> None:
    headers = [(b"Location", location.encode("latin-1"))]
    error = run(failure(httpx.Response(302, headers=headers)))
    assert type(error) in {BadAnswer, Unreachable}


async def test_an_oversized_answer_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MOST_BYTES", 1000)
    good = json.dumps(envelope({"id": "j"})).encode()
    assert (await ask(response(200, good.ljust(1000)))).value.id == "j"
    error = await failure(response(200, good.ljust(1001)))
    assert type(error) is TooLarge
    assert "too large" in str(error)
    assert (error.status, error.ray) == (200, RAY)


async def test_the_size_limit_applies_to_the_decompressed_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "MOST_BYTES", 100_000)
    packed = gzip.compress(b" " * 200_000)
    assert len(packed) < 1000
    error = await failure(response(200, packed, headers={"content-encoding": "gzip"}))
    assert type(error) is TooLarge
    assert "too large" in str(error)


async def test_invalid_gzip() -> None:
    error = await failure(encoded(200, "gzip", b"not packed"))
    assert type(error) is Unreachable
    assert "cannot be unpacked" in str(error)


GOOD = json.dumps(envelope({"id": "j"})).encode()


@pytest.mark.parametrize("name", ["gzip", "GZIP", "x-gzip", "identity", "", " gzip , identity"])
async def test_gzip_and_identity_are_decoded(name: str) -> None:
    packed = gzip.compress(GOOD) if "zip" in name.lower() else GOOD
    assert (await ask(encoded(200, name, packed))).value.id == "j"


@pytest.mark.parametrize(
    "name", ["gzip, gzip", "gzip,gzip,gzip", "deflate", "br", "zstd", "gzip, br", "x"]
)
async def test_an_unrequested_encoding_is_not_decoded(name: str) -> None:
    body = gzip.compress(gzip.compress(GOOD))
    error = await failure(encoded(200, name, body))
    assert type(error) is BadAnswer
    assert "encoded as" in str(error)
    assert type(await failure(encoded(429, name, body))) is RateLimited


async def test_a_truncated_gzip_answer() -> None:
    with pytest.raises(Unreachable, match="cut off"):
        await ask(encoded(200, "gzip", gzip.compress(GOOD)[:-9]))


async def test_highly_compressed_answers_are_decompressed_in_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "MOST_BYTES", 2**23)
    bomb = gzip.compress(bytes(2**26))
    tracemalloc.start()
    with pytest.raises(TooLarge, match="too large"):
        await ask(encoded(200, "gzip", bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


AMPLIFIED: dict[str, bytes] = {
    "numbers": b"[" + b"0," * 3_000_000 + b"0]",
    "objects": b"[" + b"{}," * 3_000_000 + b"0]",
    "arrays": b"[" + b"[]," * 3_000_000 + b"0]",
    "objects in a row": b'[{"id":"x","a":[' + b'{"b":0},' * 600_000 + b"0]}]",
    "a list in an object": b'{"connectivityStatus":"success","x":[' + b"0," * 3_000_000 + b"0]}",
}


@pytest.mark.parametrize("name", list(AMPLIFIED))
def test_json_of_many_small_values_is_not_decoded(name: str) -> None:
    body = b'{"success":true,"result":' + AMPLIFIED[name] + b"}"
    tracemalloc.start()
    with pytest.raises(TooLarge, match="too many values"):
        read_answer(Raw(200, {}, body), lambda result: result)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


async def test_a_list_far_longer_than_a_page_is_too_large() -> None:
    async with answering(response(200, envelope([{}] * 20_001))) as client:
        with pytest.raises(TooLarge, match="20,001 rows"):
            await client.list_jobs("a")


@pytest.mark.parametrize("sign", ["", ',"[{', "\\"])
async def test_a_large_valid_page_of_keys_is_decoded(sign: str) -> None:
    keys = [f"{sign * 8}photos/2024/{number:08}.jpg" for number in range(10_000)]
    page = [{"id": str(n), "source": {"bucket": "b", "keys": keys}} for n in range(16)]
    async with answering(response(200, envelope(page))) as client:
        jobs = (await client.list_jobs("a")).value
    assert len(jobs) == 16
    assert all(job.source and job.source.keys == tuple(keys) for job in jobs)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
async def test_json_may_begin_with_a_byte_order_mark(encoding: str) -> None:
    body = json.dumps(envelope({"id": "jöb"}), ensure_ascii=False).encode(encoding)
    assert (await ask(response(200, body))).value.id == "jöb"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
async def test_nan_and_infinity_become_none(number: str) -> None:
    body = f'{{"success":true,"result":{{"id":"j","objects":{number},"z":[{number},1.5]}}}}'
    progress = (await ask(response(200, body))).value
    assert (progress.id, progress.objects, progress.extra) == ("j", None, {"z": [None, 1.5]})


IN_BETWEEN: list[tuple[bytes, str, dict[str, str], str]] = [
    (
        b"<!DOCTYPE html><title>Just a moment...</title>",
        HTML,
        {"cf-mitigated": "challenge"},
        "chal",
    ),
    (b"error code: 1020", "text/plain", {}, "error code 1020"),
    (b"<html>Access denied by policy</html>", HTML, {}, "an HTML page"),
    (b"", "text/plain", {}, "an empty body"),
    (
        b'{"cloudflare_error":true,"error_code":1020}',
        "application/json",
        {},
        "not in the API's format",
    ),
    (b'{"error":{"code":10000,"message":"no"}}', "application/json", {}, "not in the API's format"),
    (b'{"errors":[{"code":1020,"message":"no"}]}', "application/json", {}, "1020: no"),
    (
        b'{"errors":[{"code":"denied","message":"no"}]}',
        "application/json",
        {},
        "not in the API's format",
    ),
]


@pytest.mark.parametrize(("body", "kind", "headers", "words"), IN_BETWEEN)
@pytest.mark.parametrize("status", [401, 403, 407])
async def test_only_the_api_itself_rejects_credentials(
    status: int, body: bytes, kind: str, headers: dict[str, str], words: str
) -> None:
    error = await failure(response(status, body, kind, headers))
    assert type(error) is BadAnswer
    assert str(error).startswith(f"a firewall or proxy before the API answered {status} with ")
    assert words in str(error)
    assert error.exit_code == 7


async def test_refused_bucket_keys_are_distinct_from_rejected_credentials() -> None:
    said_so = "Preconnectivity failed, please verify tokens and try again"
    body = {"success": False, "errors": [{"code": 1, "message": said_so}], "result": None}
    error = await failure(response(403, body))
    assert type(error) is BucketKeysRefused
    assert (error.exit_code, error.undecided) == (7, False)
    for word in (
        "403",
        said_so,
        "s3:Get*",
        "s3:List*",
        "storage.buckets.get",
        "Object Read & Write",
    ):
        assert word in str(error)
    body["errors"] = [{"code": 10000, "message": said_so}]
    assert type(await failure(response(403, body))) is Rejected


class Drip(httpx.AsyncByteStream):
    """A body that arrives byte by byte and never ends."""

    def __init__(self) -> None:
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(10)
            yield b" "

    async def aclose(self) -> None:
        self.closed = True


@timeless
async def test_a_very_slow_answer_times_out() -> None:
    drip = Drip()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=drip))
    client = SlurperClient(token_credentials("t"), BASE, transport=transport)
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unreachable, match="no complete answer within 45 s"):
        await client.progress("a", "j")
    assert asyncio.get_running_loop().time() - began == pytest.approx(45)
    assert drip.closed
    await client.close()


NEVER_SENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError),
    *(httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError),
)
BROKEN: list[tuple[Exception, str]] = [
    (httpx.ConnectError("Name or service not known"), "cannot connect: Name or service not known"),
    (httpx.ConnectError(""), "cannot connect"),
    (httpx.ConnectTimeout(""), "no connection within 10 s"),
    (httpx.ReadTimeout(""), "no answer within 20 s"),
    (httpx.WriteTimeout(""), "no answer within 20 s"),
    (httpx.PoolTimeout(""), "no free connection within 30 s"),
    (httpx.ReadError(""), "the connection was reset"),
    (httpx.WriteError(""), "the connection was reset"),
    (httpx.CloseError(""), "the request failed"),
    (httpx.NetworkError("x\ny"), "the request failed: x"),
    (httpx.ProxyError("407 Proxy Authentication Required"), "the proxy refused: 407 Proxy"),
    (
        httpx.RemoteProtocolError("Server disconnected"),
        "the server closed the connection without an answer",
    ),
    (httpx.RemoteProtocolError("without sending complete message body"), "the answer was cut off"),
    (httpx.RemoteProtocolError("illegal status line"), "the answer is not HTTP"),
    (httpx.LocalProtocolError("x"), "the request failed: x"),
    (httpx.ProtocolError("x"), "the request failed: x"),
    (httpx.UnsupportedProtocol("x"), "the request failed: x"),
    (httpx.DecodingError("x"), "the answer cannot be unpacked: x"),
    (httpx.TooManyRedirects("x"), "the request failed: x"),
    (httpx.TransportError("x"), "the request failed: x"),
    (httpx.RequestError("x"), "the request failed: x"),
    (httpx.HTTPError("x"), "the request failed: x"),
    (httpx.InvalidURL("x"), "not sent: an address of"),
    (httpx.RemoteProtocolError("Receive buffer too long"), "the answer's header is too large"),
    (httpx.TimeoutException("x"), "no answer within 20 s"),
    (ConnectionResetError(104, "reset by peer"), "reset by peer"),
    (TimeoutError(), "no complete answer"),
]


@pytest.mark.parametrize(("broken", "words"), BROKEN, ids=lambda value: type(value).__name__)
async def test_the_messages_of_transport_errors(broken: Exception, words: str) -> None:
    error = await failure(broken)
    assert type(error) in (Unreachable, NotSent, BadAddress)
    assert error.undecided is not isinstance(broken, NEVER_SENT)
    assert str(error).startswith(words) or words in str(error)
    assert "\n" not in str(error)
    assert (error.status, error.faults, error.ray) == (None, (), None)


def test_every_httpx_error_has_a_case() -> None:
    kinds = {
        k for k in vars(httpx).values() if isinstance(k, type) and issubclass(k, httpx.HTTPError)
    }
    assert kinds - {type(broken) for broken, _ in BROKEN} == {httpx.HTTPStatusError}


async def test_cancellation_is_not_converted_to_an_error() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Drip()))
    client = SlurperClient(token_credentials("t"), BASE, transport=transport)
    asking = asyncio.create_task(client.progress("a", "j"))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await client.close()


HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "ratelimit", "ratelimit-policy", "cf-ray"]),
    st.text() | st.sampled_from(["application/json", HTML, "3"]),
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        name: ANY_JSON | st.booleans()
        for name in ("success", "errors", "messages", "result", "error")
    },
)
BODIES = st.binary() | (ANY_JSON | ENVELOPES).map(lambda value: json.dumps(value).encode())


def outcome(raw: Raw) -> object:
    """Return the result of an answer, or the ApiError that it raises."""
    try:
        return read_answer(raw, lambda result: result).value
    except ApiError as error:
        return error


@given(st.integers(100, 999), HEADERS, BODIES)
def test_any_answer_is_a_value_or_an_api_error(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    result = outcome(Raw(status, headers, body))
    if isinstance(result, ApiError):
        assert str(result)
        assert result.status == status
        return
    assert 200 <= status < 300
    if isinstance(result, dict):
        assert isinstance(parse(Progress, result), Progress)
    if isinstance(result, list):
        assert len(parse_rows(Job, result)) == len(result)


@pytest.mark.parametrize("shape", [b'{"success":false,"errors":[{"a":%b}]}', b'{"result":%b}'])
def test_deeply_nested_json_does_not_crash(shape: bytes) -> None:
    for depth in (*range(100, 960, 50), *range(960, 1000), 1100, 50_000):
        body = shape.replace(b"%b", b"[" * depth + b"]" * depth)
        for status in (200, 400):
            assert len(str(outcome(Raw(status, {}, body)))) < 5000


async def test_a_refused_connection_has_the_message_of_the_system() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = SlurperClient(token_credentials("token"), url)
        with pytest.raises(Unreachable, match=r"^cannot connect: Connection refused$"):
            await client.list_jobs("account")
        await client.close()


@pytest.mark.parametrize(
    ("left", "policy", "limit"),
    [
        ('"default";r=50;t=30', None, RateLimit(50, 30.0, None, None)),
        (None, '"burst";q=100;w=60', RateLimit(None, None, 100, 60.0)),
        ('"default";r=50;t=30', '"burst";q=100;w=60', RateLimit(50, 30.0, 100, 60.0)),
        ('"a";r=50;t=10, "b";r=30;t=300', None, RateLimit(30, 300.0, None, None)),
        ('"b";r=30;t=300,"a";r=50;t=10', None, RateLimit(30, 300.0, None, None)),
        (None, '"a";q=200;w=1, "b";q=1200;w=300', RateLimit(None, None, 1200, 300.0)),
        ('"a,b";r=7;t=9', None, RateLimit(7, 9.0, None, None)),
        ("default; R=7 ; T = 9", None, RateLimit(7, 9.0, None, None)),
        ('"default";t=9;r=7', None, RateLimit(7, 9.0, None, None)),
        ('"default";r=0;t=9', None, RateLimit(0, 9.0, None, None)),
        ('"a";r=0;t=9, "b";r=0;t=300, "c";r=0;t=60', None, RateLimit(0, 300.0, None, None)),
        ('"default";r=7;t=0', None, None),
        ('"default";r=7', None, None),
        ('"default";t=7', None, None),
        ('"default";r=-7;t=9', None, None),
        ('"default";r=7.5;t=9', None, None),
        ('"default";r=7;t=1e9', '"default";q=5;w=0', None),
        ('"default";r=12345678901234567890;t=9', None, None),
        ('"zero";r=1;t=0, "b";r=30;t=300', None, RateLimit(30, 300.0, None, None)),
        ("nonsense", "more nonsense", None),
        ("", "", None),
        (None, None, None),
    ],
)
def test_parse_limit(left: str | None, policy: str | None, limit: RateLimit | None) -> None:
    texts = {"Ratelimit": left, "Ratelimit-Policy": policy}
    headers = httpx.Headers({name: text for name, text in texts.items() if text is not None})
    assert parse_limit(headers) == limit


def test_a_repeated_header_is_one_list() -> None:
    headers = httpx.Headers([("Ratelimit", '"a";r=50;t=10'), ("ratelimit", '"b";r=3;t=300')])
    assert parse_limit(headers) == RateLimit(3, 300.0, None, None)


PIECES = st.lists(st.sampled_from([*'",;=rtqw .-', "12", "0", "٣", "99999999999999"])).map("".join)


@given(st.text() | PIECES, st.text() | PIECES)
def test_any_text_is_a_plausible_limit_or_none(left: str, policy: str) -> None:
    limit = parse_limit({"ratelimit": left, "ratelimit-policy": policy})
    if limit is None:
        return
    assert (limit.remaining is None) == (limit.reset is None)
    assert (limit.quota is None) == (limit.window is None)
    assert (limit.remaining or 0) >= 0
    assert (limit.quota or 0) >= 0
    assert 0 < (limit.reset or 1) < 10**12
    assert 0 < (limit.window or 1) < 10**12


NOW = 1_770_000_000.25
"""The client's clock: Mon, 02 Feb 2026 02:40:00.25 GMT."""

SAME, LATER = "Mon, 02 Feb 2026 02:40:00 GMT", "Mon, 02 Feb 2026 02:40:30 GMT"


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        (LATER, None, 29.75),
        (LATER, SAME, 30.0),
        (LATER, "nonsense", 29.75),
        ("Monday, 02-Feb-26 02:40:30 GMT", SAME, 30.0),
        ("Mon Feb  2 02:40:30 2026", SAME, 30.0),
        ("Mon, 02 Feb 2026 02:41:30 GMT", "Mon, 02 Feb 2026 02:41:00 GMT", 30.0),
        (SAME, LATER, 0.0),
        ("Mon, 02 Feb 2099 02:40:30 GMT", SAME, 86400.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None, 0.0),
        (f"{LATER}, {LATER}", SAME, 30.0),
        (f"5, {LATER}", SAME, 30.0),
        (f"{LATER}, 45", SAME, 45.0),
        ("5, 5", None, 5.0),
        ("5,nonsense", None, 5.0),
        ("-5, 2.5", None, 2.5),
        ("2.", None, 2.0),
        (".5", None, None),
        ("1e9", None, None),
        ("0x10", None, None),
        ("infinity", None, None),
        ("-1", None, None),
        ("Mon, 99 Feb 2026 02:40:30 GMT", None, None),
        ("Mon,", None, None),
        (",,", None, None),
    ],
)
def test_parse_retry_after(header: str, date: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, date, lambda: NOW) == seconds


DATES = st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
WAITS = st.text() | st.floats().map(str) | st.integers().map(str) | DATES


@given(st.lists(WAITS, max_size=3).map(", ".join), st.none() | WAITS)
def test_any_text_is_a_plausible_wait_or_none(text: str, date: str | None) -> None:
    wait = parse_retry_after(text, date)
    assert wait is None or 0 <= wait <= 86400
