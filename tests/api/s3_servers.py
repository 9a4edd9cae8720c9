"""S3 servers on loopback: moto's, a proxy before it that fails when it is to, and odd ones."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import httpx

from slurper_tui.api.models import Secret
from slurper_tui.api.s3 import S3Bucket
from slurper_tui.api.scrub import Scrubber

ACCESS, HUSH = "AKIDofTheSourceBucket", "wJalrXUtnFEMI-hush-K7MDENG"
KEYS = Secret(ACCESS, HUSH)

HOSTILE = (
    *("./x", "../x", "a/./b", "a/../b", "/", "//", "a//b", "/abs", "tail/", "a/", ".", ".."),
    *(
        " ",
        "a ",
        "a b",
        "a+b",
        "a+b c",
        "a%2Fb",
        "a%252Fb",
        "%",
        "%zz",
        "a?b#c=d&e",
        "x\\y",
        "[/b]",
    ),
    *("a\nb", "a\r\nb", "a\tb", "a\x01b", "\x7f", "&<>\"'", "&amp;", "]]>", "<Key>", "\ufffd"),
    *("e\u0301", "\u00e9", "\u202egpj.exe", "\u2028", "\uffff", "\ue000", "\U0001f600"),
    *("\U0010fffd", "\\ud83d\\ude00", "k" * 1024, "\u00e9" * 512, "\U0001f600" * 256),
)
"""Keys that are easily changed on their way, none longer than S3's 1,024 bytes."""


class Moto:
    """moto's S3 server. backend: its buckets, to be filled without a request for each object."""

    def __init__(self) -> None:
        from moto.s3.models import s3_backends
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.backend: Any = s3_backends["123456789012"]["aws"]
        self.backend.reset()  # it belongs to the process, not to the server

    def bucket(self, name: str, keys: Sequence[str]) -> None:
        """Make a bucket whose objects hold their own keys."""
        self.backend.create_bucket(name, "us-east-1")
        for key in keys:
            self.backend.put_object(name, key, key.encode())

    def close(self) -> None:
        self._server.stop()
        self.backend.reset()


def moto_server() -> Iterator[Moto]:
    """Yield a server until the tests of a session have run."""
    moto = Moto()
    yield moto
    moto.close()


class Asked(NamedTuple):
    """A request. target: the path and query exactly as sent."""

    method: str
    target: str
    headers: dict[str, str]


Answer = Callable[[Asked], bytes | Awaitable[bytes]]
"""Returns what is written. The connection is then closed unless it is a whole answer."""


def is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    return f"content-length: {len(body)}\r\n".encode() in head + b"\r\n"


@asynccontextmanager
async def serving(
    answer: Answer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[Asked]]]:
    """Serve HTTP with raw answers; yield the address and the requests so far."""
    asked: list[Asked] = []
    open_ones: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: Any = asyncio.current_task()
        open_ones[task] = writer
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                pairs = (line.partition(":") for line in head[1:] if line)
                asked.append(Asked(method, target, {n.lower(): v.strip() for n, _, v in pairs}))
                found = answer(asked[-1])
                found = found if isinstance(found, bytes) else await found
                writer.write(found)
                await writer.drain()
                if not is_whole(found):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            del open_ones[task]

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}", asked
        for writer in open_ones.values():
            writer.close()
        await asyncio.gather(*open_ones)


def http(status: int, body: str | bytes = b"", kind: str = "application/xml", **more: str) -> bytes:
    """Return an answer as bytes. more: further headers, `_` for `-`."""
    content = body if isinstance(body, bytes) else body.encode()
    headers = {"content-type": kind, "content-length": str(len(content)), **more}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode() + content


def error(status: int, code: str, message: str = "words", region: str = "", **more: str) -> bytes:
    """Return a refusal of S3."""
    place = f"<Region>{region}</Region>" if region else ""
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{place}</Error>"
    return http(status, '<?xml version="1.0"?>' + body, **more)


def listing(*keys: str, more: str | None = None, rest: str = "") -> bytes:
    """Return a page. more: the continuation token. rest: further XML."""
    objects = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-11-28T12:00:00.500Z</LastModified>"
        f"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>5</Size></Contents>"
        for key in keys
    )
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    return http(
        200,
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<EncodingType>url</EncodingType><IsTruncated>{str(more is not None).lower()}"
        f"</IsTruncated>{token}{objects}{rest}</ListBucketResult>",
    )


def edited(answer: bytes, old: bytes, new: bytes) -> bytes:
    """Return an answer with another body."""
    return http(200, answer.partition(b"\r\n\r\n")[2].replace(old, new))


@asynccontextmanager
async def before(
    moto: Moto, fault: Callable[[int, Asked], bytes | None]
) -> AsyncIterator[tuple[str, list[Asked]]]:
    """Serve what moto answers. fault: gets the number of each request, returns another answer."""
    numbers = iter(range(10**6))

    async def forward(asked: Asked) -> bytes:
        found = fault(next(numbers), asked)
        if found is not None:
            return found
        async with httpx.AsyncClient(trust_env=False) as client:
            extensions = {"target": asked.target.encode()}
            request = client.build_request(asked.method, moto.url, extensions=extensions)
            answer = await client.send(request)
        return http(answer.status_code, answer.content)

    async with serving(forward) as served:
        yield served


@asynccontextmanager
async def opened(
    endpoint: str, bucket: str = "photos", scrubber: Scrubber | None = None, **more: Any
) -> AsyncIterator[S3Bucket]:
    """Yield a bucket that is closed afterwards."""
    made = S3Bucket(endpoint, bucket, more.pop("keys", KEYS), scrubber or Scrubber(), **more)
    try:
        yield made
    finally:
        await made.close()


async def keys_of(bucket: S3Bucket, prefix: str = "", after: str | None = None) -> list[str]:
    """Return the keys of a listing in its order."""
    return [found.key async for page in bucket.pages(prefix, after) for found in page]
