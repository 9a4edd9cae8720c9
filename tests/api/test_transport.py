"""Connections on loopback to a server with a scripted behaviour."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api import transport as exchange
from slurper_tui.api.client import SlurperClient
from slurper_tui.api.connection import MOST_INFORMATIONAL
from slurper_tui.api.credentials import check_base_url, is_loopback, token_credentials
from slurper_tui.api.errors import BadAddress, BadBaseUrl, Unreachable
from slurper_tui.api.transport import parse_base_url

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BODY = b'{"success":true,"result":{"id":"j"}}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@contextlib.asynccontextmanager
async def client_of(serve: Serve) -> AsyncIterator[SlurperClient]:
    """Yield a client of a server that handles each connection with `serve`."""

    served: list[asyncio.Task[None] | None] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = SlurperClient(token_credentials("token"), f"http://127.0.0.1:{port}")
        client.unlock()
        try:
            yield client
        finally:
            await client.close()
            await asyncio.gather(*(task for task in served if task))


class Lines:
    """A server that records the methods of its requests.

    answers: bytes sent for each request on one connection, which is closed after the last one.
    """

    def __init__(self, *answers: bytes) -> None:
        self.seen: list[str] = []
        self.connections = 0
        self._answers = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for answer in self._answers:
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen.append(head.split(b" ", 1)[0].decode())
            writer.write(answer)
            await writer.drain()


async def test_get_is_repeated_after_a_stale_connection() -> None:
    lines = Lines(ANSWER, b"")
    async with client_of(lines.serve) as client:
        for _ in range(3):
            assert (await client.progress("a", "j")).value.id == "j"
    # Each connection answered once and was closed on its second request.
    assert (lines.connections, lines.seen) == (3, ["GET"] * 5)


async def test_get_is_repeated_for_every_stale_connection() -> None:
    lines = Lines(ANSWER, b"")
    async with client_of(lines.serve) as client:
        await asyncio.gather(*(client.progress("a", f"{n}") for n in range(4)))
        assert (await client.progress("a", "j")).value.id == "j"
    assert (lines.connections, lines.seen) == (5, ["GET"] * 9)


async def test_get_is_not_repeated_on_a_new_connection() -> None:
    lines = Lines(b"")
    async with client_of(lines.serve) as client:
        with pytest.raises(Unreachable, match="closed the connection without an answer"):
            await client.progress("a", "j")
    assert lines.seen == ["GET"]


async def test_get_is_not_repeated_after_a_partial_answer() -> None:
    lines = Lines(ANSWER, b"HTTP/1.1 20")
    async with client_of(lines.serve) as client:
        await client.progress("a", "j")
        with pytest.raises(Unreachable):
            await client.progress("a", "j")
    assert (lines.connections, lines.seen) == (1, ["GET", "GET"])


@pytest.mark.parametrize("change", ["pause_job", "abort_job", "delete_job"])
async def test_put_and_delete_are_never_repeated(change: str) -> None:
    lines = Lines(ANSWER, b"")
    async with client_of(lines.serve) as client:
        await client.progress("a", "j")
        with pytest.raises(Unreachable, match="closed the connection without an answer") as failed:
            await getattr(client, change)("a", "j")
    assert failed.value.undecided
    assert lines.seen == ["GET", "DELETE" if change == "delete_job" else "PUT"]


@pytest.mark.parametrize("number", [1, MOST_INFORMATIONAL])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
async def test_a_few_informational_responses_are_skipped(number: int, piece: int) -> None:
    whole = (CONTINUE * (number - 1)) + b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + ANSWER

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            for start in range(0, len(whole), piece):
                writer.write(whole[start : start + piece])
                await writer.drain()

    async with client_of(serve) as client:
        for _ in range(2):
            assert (await client.progress("a", "j")).value.id == "j"


async def test_endless_informational_responses_are_an_error() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(CONTINUE * 1000)
            await writer.drain()

    async with client_of(serve) as client:
        with pytest.raises(Unreachable, match="endless 1xx responses"):
            await client.progress("a", "j")


async def test_an_endless_header_is_an_error() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-filler: " + b"y" * 1000 + b"\r\n")
            await writer.drain()

    async with client_of(serve) as client:
        with pytest.raises(Unreachable, match="header is too large"):
            await client.progress("a", "j")


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", ANSWER[:-10]])
async def test_a_request_has_a_total_time_limit(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "WHOLE_SECONDS", 0.3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        if begun != ANSWER[:-10]:
            writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)  # a byte at a time, sooner than any single read times out

    async with client_of(serve) as client:
        with pytest.raises(Unreachable, match=r"no complete answer|cut off"):
            await client.progress("a", "j")


async def test_an_id_too_long_for_a_url_fails_only_its_request() -> None:
    lines = Lines(ANSWER)
    async with client_of(lines.serve) as client:
        with pytest.raises(BadAddress, match=r"^not sent: an address of 70,\d+ characters"):
            await client.progress("a", "x" * 70_000)
        assert (await client.progress("a", "j")).value.id == "j"
    assert lines.seen == ["GET"]


@pytest.mark.parametrize(
    "text",
    [
        "https://api.cloudflare.com/client/v4",
        " https://api.cloudflare.com/client/v4/\n",
        "https://10.0.0.1:8443/x",
        "https://[2001:db8::1]/x",
        "https://höst.example/",
        "http://localhost:8787/client/v4",
        "http://LOCALHOST/",
        "http://127.0.0.1",
        "http://127.255.0.9:1",
        "http://[::1]:8080/client/v4",
    ],
)
def test_valid_base_urls(text: str) -> None:
    check_base_url(text)
    url = parse_base_url(text)
    assert url.host
    assert not url.query


@pytest.mark.parametrize("check", [check_base_url, parse_base_url])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begin with https://"),
        ("api.cloudflare.com", "begin with https://"),
        ("ftp://x/", "begin with https://"),
        ("file:///etc/passwd", "begin with https://"),
        ("https://", "begin with https://"),
        ("https://user:pw@x/", "no user"),
        ("https://user@x/", "no user"),
        ("http://127.0.0.1@evil.example/", "no user"),
        ("https://x/?a=1", "query"),
        ("https://x/?", "query"),
        ("https://x/#a", "fragment"),
        ("https://x/#", "fragment"),
        ("http://api.cloudflare.com/client/v4", "plain http"),
        ("http://localhost.evil.example/", "plain http"),
        ("http://127.0.0.1.evil.example/", "plain http"),
        ("http://0.0.0.0/", "plain http"),
        ("http://[::]/", "plain http"),
        ("http://10.0.0.1/", "plain http"),
        ("http://[2001:db8::1]/", "plain http"),
        ("https://x:port/", "not a URL"),
        ("https://x:99999/", "not a URL"),
        ("https://a\x00b/", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://\ud800/", "not a URL"),
    ],
)
def test_invalid_base_urls(text: str, reason: str, check: Callable[[str], object]) -> None:
    with pytest.raises(BadBaseUrl, match=reason) as refused:
        check(text)
    assert "\n" not in str(refused.value)
    assert "pw" not in str(refused.value)


def test_a_host_that_cannot_be_decoded_is_no_base_url() -> None:
    with pytest.raises(BadBaseUrl, match="not a URL"):
        parse_base_url("https://xn--/")


@given(st.text() | st.builds("http{}://{}".format, st.sampled_from(["", "s"]), st.text()))
def test_any_text_is_a_safe_base_url_or_a_value_error(text: str) -> None:
    try:
        url = parse_base_url(text)
    except BadBaseUrl:
        return
    check_base_url(text)
    assert url.scheme == "https" or is_loopback(url.host)
    assert not url.userinfo
    assert b"?" not in url.raw_path
