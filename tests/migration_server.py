"""A migration of any size with known faults, served on loopback: the API and both buckets.

`Migration` knows every object and what a verification must tell of it. `MigrationServer` is
Cloudflare's API with the jobs; it lists the target through the API too. `BucketServer` is the
source as an S3 server, and a proxy before R2's S3 endpoint.
"""

from __future__ import annotations

import contextlib
import json
import random
import socketserver
import ssl
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from slurper_tui.api.models import Secret, Source, Target
from slurper_tui.api.objects import R2_HOST
from slurper_tui.monitor.model.verification import Outcome
from slurper_tui.simulated.account import Reply, SimulatedAccount
from slurper_tui.simulated.api import accept_page
from slurper_tui.simulated.jobs import Plan
from tests.certificate import certificate
from tests.server import LoopbackServer

SOURCE_BUCKET, TARGET_BUCKET = "photos", "media"
KEYS = (
    Secret("AKIDofTheSourceBucket", "wJalrXUtnFEMI-hush-of-the-source"),
    Secret("0123456789abcdef0123456789abcdef", "wJalrXUtnFEMI-hush-of-the-target"),
)
"""The keys to the source and to the target."""

FAULTS = {Outcome.MISSING: 37, Outcome.SIZE: 5, Outcome.EMPTY: 2, Outcome.CHANGED: 11}

PREFIXES = {"2024/": 4, "./raw//": 3, "a%2Fb/": 2, "caf\u00e9 \U0001f4f7/": 1}
"""The prefixes of the jobs, and their parts of the objects."""

OTHER = "other/"
"""Objects that no job was to copy; the target lacks every second one."""

_FOLDER = 2500
"""Objects of one folder."""

_HOSTILE = (
    *("./", "../", "//", "a%2Fb", "a%252Fb", "a+b c", "%zz", "&<>\"'", "&amp;", "x\\y", "[/b]"),
    *("line\nbreak ", "end\r\n", "tab\t", "\x01", "\x7f", "\ufffd", "\uffff", "\ue000", "\u2028"),
    *("e\u0301 ", "\u00e9 ", "\u202e", "\U0001f600 ", "\U0010fffd", "\\ud83d\\ude00"),
)
"""Every eighth name begins with one of these."""

_PLAIN = "IMG_"

_DIGITS = len("00000000.jpg")
"""How a key ends."""
_DAY = 86_400.0


class Ask(NamedTuple):
    """A request for a page. most: objects and common prefixes of it."""

    prefix: str
    delimiter: str
    after: str | None
    cursor: str | None
    most: int


class Page(NamedTuple):
    """Numbers of objects, common prefixes, and where the next page begins; None at the end."""

    numbers: Sequence[int]
    prefixes: Sequence[str]
    cursor: str | None


class Listed(NamedTuple):
    """An object as one side lists it. modified: UTC seconds."""

    key: str
    size: int
    etag: str
    modified: float


class Migration:
    """Objects below several prefixes, one job each, and the faults of their copies.

    Objects are known by their number in the order of the keys. created: of the jobs, UTC seconds.
    """

    def __init__(self, objects: int, *, created: float | None = None) -> None:
        self.created = float(int(time.time())) - _DAY if created is None else created
        self.objects = objects
        parts = sum(PREFIXES.values())
        ends = [objects * part // parts for part in accumulate(PREFIXES.values())]
        self.counts = {
            prefix: end - start
            for prefix, start, end in zip(PREFIXES, [0, *ends], ends, strict=False)
        }
        counts = {**self.counts, OTHER: objects // 50}
        keys = (_key(prefix, n) for prefix, count in counts.items() for n in range(count))
        self.keys = sorted(keys)
        self.faults = self._draw()

    def _draw(self) -> Mapping[int, Outcome]:
        """Draw the objects with faults; with hostile keys of every kind among them."""
        rng, kinds = random.Random(7), dict[str, list[int]]()
        for number, key in enumerate(self.keys):
            if not key.startswith(OTHER):
                kinds.setdefault(_kind(int(key[-_DIGITS:-4])), []).append(number)
        outcomes = [outcome for outcome, many in FAULTS.items() for _ in range(many)]
        drawn = [each for hostile in _HOSTILE for each in (hostile, _PLAIN)]
        drawn += [_PLAIN] * (len(outcomes) - len(drawn))
        pools = (kinds[kind] for kind in rng.sample(drawn, len(outcomes)))
        numbers = [pool.pop(rng.randrange(len(pool))) for pool in pools]
        return dict(zip(numbers, outcomes, strict=True))

    def listed(self, side: int, number: int) -> Listed:
        """Return an object as a side lists it. side: 0 for the source, 1 for the target."""
        fault, size, etag = self.faults.get(number), number % 4096 + 1, f"{number:032x}"
        modified = self.created + (600.0 if side else -_DAY)
        if number % 3 == 0:  # uploaded in parts
            etag += "-12" if side else "-7"
        if side and fault in (Outcome.SIZE, Outcome.EMPTY):
            size, etag = (0 if fault is Outcome.EMPTY else size + 1), f"{number:031x}e"
        elif not side and fault is Outcome.CHANGED:
            size, etag, modified = size + number % 2, f"{number:031x}c", self.created + 300.0
        return Listed(self.keys[number], size, etag, modified)

    def holds(self, side: int, number: int) -> bool:
        """Return whether a side has an object."""
        if not side:
            return True
        lost = self.keys[number].startswith(OTHER) and number % 2
        return not lost and self.faults.get(number) is not Outcome.MISSING

    def page(self, side: int, ask: Ask) -> Page:
        """Return one page of a listing."""
        keys, end = self.keys, None
        if ask.prefix:
            end = bisect_left(keys, ask.prefix + "\U0010ffff")
        at = bisect_left(keys, ask.prefix)
        if ask.cursor is not None:
            at = max(at, int(ask.cursor))
        elif ask.after is not None:
            at = max(at, bisect_right(keys, ask.after))
        end = len(keys) if end is None else end
        numbers, prefixes = list[int](), list[str]()
        while at < end and len(numbers) + len(prefixes) < ask.most:
            if ask.delimiter:
                head, found, _ = keys[at][len(ask.prefix) :].partition(ask.delimiter)
                if found:
                    common = ask.prefix + head + found
                    prefixes.append(common)
                    at = bisect_left(keys, common[:-1] + chr(ord(common[-1]) + 1), at)
                    continue
            if self.holds(side, at):
                numbers.append(at)
            at += 1
        return Page(numbers, prefixes, str(at) if at < end else None)

    def plans(self, endpoint: str) -> list[Plan]:
        """Return the jobs, which have ended; nothing in their counters shows a fault.

        endpoint: of the source.
        """
        return [
            Plan(
                id=f"{number:x}" * 32,
                created=self.created,
                objects=count,
                seconds=3_600.0,
                listing=1.0,
                source=Source("s3", SOURCE_BUCKET, prefix, endpoint=endpoint),
                target=Target("r2", TARGET_BUCKET),
            )
            for number, (prefix, count) in enumerate(self.counts.items(), 10)
        ]

    # What a verification must tell

    def differences(self) -> Iterator[tuple[Outcome, int]]:
        """Yield the outcome and the number of each fault, in the order of a list of keys."""
        for outcome in FAULTS:
            yield from ((outcome, n) for n in sorted(self.faults) if self.faults[n] is outcome)

    @property
    def as_nul(self) -> bytes:
        """The list of all differences, with NUL."""
        texts = (f"{outcome}\t{self.keys[n]}\0" for outcome, n in self.differences())
        return "".join(texts).encode()

    @property
    def as_json(self) -> bytes:
        """The list of all differences, as JSON Lines."""
        records = (self._record(*each) for each in self.differences())
        return "".join(json.dumps(record) + "\n" for record in records).encode()

    def _record(self, outcome: Outcome, number: int) -> dict[str, object]:
        source = self.listed(0, number)
        is_missing = outcome is Outcome.MISSING
        return {
            "outcome": str(outcome),
            "key": source.key,
            "size": source.size,
            "targetSize": None if is_missing else self.listed(1, number).size,
            "modified": datetime.fromtimestamp(source.modified, UTC).isoformat(timespec="seconds"),
            "logType": None,
        }

    @property
    def tally(self) -> dict[str, int]:
        """The counts of all outcomes."""
        found = {"same": self.objects - len(self.faults)}
        return found | {str(outcome): number for outcome, number in FAULTS.items()}

    def write_manifest(self, path: Path) -> None:
        """Write what the source holds below the prefixes of the jobs and beside, as JSON Lines."""
        with path.open("w", encoding="utf-8") as file:
            for number in range(len(self.keys)):
                one = self.listed(0, number)
                record = {"key": one.key, "size": one.size, "etag": one.etag, "modified": _iso(one)}
                file.write(json.dumps(record) + "\n")


def _kind(number: int) -> str:
    """Return how the name of an object begins."""
    return _PLAIN if number % 8 else _HOSTILE[number // 8 % len(_HOSTILE)]


def _key(prefix: str, number: int) -> str:
    return f"{prefix}{number // _FOLDER:03}/{_kind(number)}{number:08}.jpg"


def _iso(listed: Listed) -> str:
    return _time(listed.modified)


@lru_cache(maxsize=8)
def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@lru_cache(maxsize=2**16)
def _quoted(text: str) -> str:
    return quote(text, safe="/")


class Served(NamedTuple):
    """A page that was asked for. span: the first and last number of its objects, if it has any."""

    side: int
    span: tuple[int, int] | None


class Pages:
    """Makes the pages of both sides, and counts them.

    most: objects of a page at most, whatever a request asks for. latency: seconds before each one.
    on_page: called with the number of pages so far before each one is sent.
    """

    def __init__(self, migration: Migration, most: int = 1000) -> None:
        self.migration = migration
        self.served: list[Served] = []
        self.latency = 0.0
        self.on_page: Callable[[int], None] = lambda number: None
        self._most = most
        self._lock = threading.Lock()

    def page(self, side: int, ask: Ask) -> Page:
        """Make a page, and count it."""
        found = self.migration.page(side, ask._replace(most=min(ask.most, self._most)))
        numbers = found.numbers
        with self._lock:
            self.served.append(Served(side, (numbers[0], numbers[-1]) if numbers else None))
            number = len(self.served)
        self.on_page(number)
        if self.latency:
            time.sleep(self.latency)
        return found

    def requests(self, side: int) -> int:
        """Return how many pages of a side were asked for."""
        return sum(each.side == side for each in self.served)

    def listed(self, side: int) -> int:
        """Return how many objects of a side were listed, each counted once."""
        found, covered = 0, -1
        for first, last in sorted(e.span for e in self.served if e.side == side and e.span):
            found += max(0, last - max(first, covered + 1) + 1)
            covered = max(covered, last)
        return found

    def repeated(self, side: int) -> int:
        """Return how many objects of a side were listed again, counted each time."""
        spans = [each.span for each in self.served if each.side == side and each.span]
        return sum(last - first + 1 for first, last in spans) - self.listed(side)


class MigrationServer(LoopbackServer):
    """Cloudflare's API with the jobs of a migration; it lists the target too."""

    def __init__(self, pages: Pages, account: SimulatedAccount) -> None:
        self.pages = pages
        super().__init__([account])

    def answer(self, request: httpx.Request) -> Reply:
        """Return the reply of the account, and list the objects of the target instead of it."""
        if not request.url.path.endswith(f"/r2/buckets/{TARGET_BUCKET}/objects"):
            return super().answer(request)
        query = request.url.params
        ask = Ask(
            query.get("prefix", ""),
            query.get("delimiter", ""),
            query.get("start_after"),
            query.get("cursor"),
            int(query.get("per_page", "20")),
        )
        page = self.pages.page(1, ask)
        info: dict[str, object] = {"is_truncated": page.cursor is not None}
        info |= {"delimited": page.prefixes} if ask.delimiter else {}
        info |= {"cursor": page.cursor} if page.cursor else {}
        found = (self.pages.migration.listed(1, number) for number in page.numbers)
        objects = [
            {"key": o.key, "size": o.size, "etag": o.etag, "last_modified": _iso(o)} for o in found
        ]
        _, headers = self.accounts[0].budget.spend()
        response = accept_page(objects, info)
        response.headers.update(headers)
        return Reply(response, None)


class BucketServer:
    """The source as an S3 server, and a proxy that answers for R2's S3 endpoint, on one port."""

    def __init__(self, pages: Pages, folder: Path) -> None:
        self.pages = pages
        self.certificate = certificate(folder, [f"*{R2_HOST}"])
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate)
        self._listener = _Listener(self)
        self.port = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the source, and of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown()
        self._listener.server_close()

    def answer(self, side: int, target: str, head: Mapping[str, str]) -> bytes:
        """Return the answer to a listing."""
        access_key_id = f"Credential={KEYS[side].access_key_id}/"
        if access_key_id not in head.get("authorization", ""):
            return _answer(403, "<Error><Code>InvalidAccessKeyId</Code></Error>")
        address = urlsplit(target)
        if address.path.strip("/") != (SOURCE_BUCKET, TARGET_BUCKET)[side]:
            return _answer(404, "<Error><Code>NoSuchBucket</Code></Error>")
        query = {name: v[0] for name, v in parse_qs(address.query, errors="surrogatepass").items()}
        ask = Ask(
            query.get("prefix", ""),
            query.get("delimiter", ""),
            query.get("start-after"),
            query.get("continuation-token"),
            int(query.get("max-keys", "1000")),
        )
        return _answer(200, self._listing(side, self.pages.page(side, ask)))

    def _listing(self, side: int, page: Page) -> str:
        listed = self.pages.migration.listed
        objects = "".join(
            f"<Contents><Key>{_quoted(o.key[:-_DIGITS])}{o.key[-_DIGITS:]}</Key>"
            f"<LastModified>{_time(o.modified)}</LastModified><ETag>&quot;{o.etag}&quot;</ETag>"
            f"<Size>{o.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for o in [listed(side, number) for number in page.numbers]
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{_quoted(each)}</Prefix></CommonPrefixes>"
            for each in page.prefixes
        )
        token = f"<NextContinuationToken>{page.cursor}</NextContinuationToken>"
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<EncodingType>url</EncodingType>"
            f"<IsTruncated>{'false' if page.cursor is None else 'true'}</IsTruncated>"
            f"{token if page.cursor else ''}{objects}{common}</ListBucketResult>"
        )


def _answer(status: int, body: str) -> bytes:
    content = body.encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/xml\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner: BucketServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    """Serves one connection: the source, or behind CONNECT the target."""

    server: _Listener

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self._serve(0)

    def _serve(self, side: int) -> None:
        with self.request.makefile("rb") as file:
            while line := file.readline(65_536).decode("ascii"):
                method, target, _ = line.split(" ")
                rows = iter(lambda: file.readline(65_536).decode("latin-1").strip(), "")
                head = {name.lower(): value.strip() for name, _, value in map(_pair, rows)}
                if method == "CONNECT":
                    break
                self.request.sendall(self.server.owner.answer(side, target, head))
            else:
                return
        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with self.server.owner.tls.wrap_socket(self.request, server_side=True) as self.request:
            self._serve(1)


def _pair(line: str) -> tuple[str, str, str]:
    return line.partition(":")


class Place(NamedTuple):
    """A migration that is served. environ: the variables that lead a program to it, with keys."""

    migration: Migration
    pages: Pages
    server: MigrationServer
    environ: Mapping[str, str]


@contextlib.contextmanager
def served(migration: Migration, folder: Path, most: int = 1000) -> Iterator[Place]:
    """Serve a migration. folder: for a certificate. most: objects of a page."""
    pages = Pages(migration, most)
    buckets = BucketServer(pages, folder)
    server = MigrationServer(pages, SimulatedAccount(plans=migration.plans(buckets.url)))
    environ = {
        **server.environment(),
        "HTTPS_PROXY": buckets.url,
        "SSL_CERT_FILE": str(buckets.certificate),
    }
    try:
        yield Place(migration, pages, server, environ)
    finally:
        server.kill()
        buckets.close()
