"""A bucket with the S3 protocol: its listing (ListObjectsV2) and the headers of its objects (HEAD).

Addresses and signatures are minio's, which the extra `verify` installs. The requests are sent as
those of the API: with its connections, proxy, certificates and time limits. Keys are requested
percent-encoded (`encoding-type=url`), because XML cannot carry every key.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit
from xml.etree import ElementTree

from msgspec.structs import replace

from slurper_tui.api.credentials import is_loopback
from slurper_tui.api.errors import (
    ApiError,
    BadAddress,
    BadAnswer,
    BadSetting,
    BucketKeysRefused,
    Fault,
    NotFound,
    NotInstalled,
    RateLimited,
    Refused,
    TooLarge,
)
from slurper_tui.api.models import MOST_ROWS, mark_invalid_bytes
from slurper_tui.api.objects import (
    GCS,
    MOST_LISTED,
    R2_HOST,
    Fetch,
    ListedObject,
    ListingCost,
    ObjectHeaders,
    ObjectPage,
    PagedBucket,
    repeated,
    utc_seconds,
)

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    import httpx
    from minio.helpers import DictType

    from slurper_tui.api.envelope import Raw
    from slurper_tui.api.models import Secret
    from slurper_tui.api.scrub import Scrubber

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_REGION_IN_HOST = re.compile(r"s3[.-]([a-z0-9-]+)\.[a-z0-9-]+\.[a-z]+", re.IGNORECASE)
_NOTHING = hashlib.sha256(b"").hexdigest()

_LARGE = 2**17
"""Longer answers are parsed in a thread, so that the event loop stays responsive to keys."""

_SLOW_DOWN = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests"})
_SLOW_DOWN |= {"RequestLimitExceeded", "TooManyRequestsException"}
_TRANSIENT = frozenset(
    {"InternalError", "RequestTimeout", "ServiceUnavailable", "OperationAborted"}
)
_KEYS = frozenset({"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken"})
_KEYS |= {"SignatureDoesNotMatch", "AllAccessDisabled", "AccountProblem", "NotSignedUp"}
_KEYS |= {"Unauthorized", "AuthenticationFailed", "InvalidSecurity", "TokenRefreshRequired"}
_CLOCK = "RequestTimeTooSkewed"
_MOST_TEXT = 300

INSTALL = "pip install 'slurper-tui[verify]'"


class S3Bucket(PagedBucket):
    """One bucket; an `ObjectListing`. Raises BadAddress for a bad address, NotInstalled.

    endpoint: https, or plain http on this machine.
    region: None for the one in the endpoint, else `us-east-1`; the bucket's own answer corrects it.
    keys: an access key id and a secret access key, also those (HMAC) of Google Cloud Storage.
    """

    def __init__(
        self,
        endpoint: str,
        bucket: str,
        keys: Secret,
        scrubber: Scrubber,
        *,
        region: str | None = None,
        kind: str = "S3",
    ) -> None:
        if importlib.util.find_spec("minio") is None:
            raise NotInstalled(f"listing a bucket with S3 keys needs minio: {INSTALL}")
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise BadAddress("not sent: this is no name of an S3 bucket")
        if not keys.access_key_id or not keys.secret_access_key:
            raise BadAddress("not sent: an access key id and a secret access key are needed")
        self._host = _checked_host(endpoint)
        self.name = f"{kind} bucket {bucket} at {self._host}"
        self.requests = 0
        self.cost = ListingCost(MOST_LISTED, in_r2=self._host.endswith(R2_HOST))
        self._endpoint, self._bucket, self._region = endpoint, bucket, region
        self._keys, self._scrubber = keys, scrubber
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()
        scrubber.add(*keys.values)

    async def headers(self, key: str) -> ObjectHeaders | None:
        """Return the headers of an object; None if it does not exist."""
        try:
            raw = await repeated(lambda: self._send("HEAD", key))
        except NotFound:
            return None
        return _headers(raw.headers)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    def _fetch(self, prefix: str, delimiter: str = "") -> Fetch:
        async def fetch(cursor: str | None, after: str | None) -> ObjectPage:
            # Empty values too: policies of buckets may ask for them.
            query = {"list-type": "2", "encoding-type": "url", "max-keys": str(MOST_LISTED)}
            query |= {"prefix": prefix, "delimiter": delimiter}
            query |= {"continuation-token": cursor} if cursor else {}
            query |= {"start-after": after} if after else {}
            raw = await self._send("GET", query=query)
            try:
                if len(raw.body) > _LARGE:
                    return await asyncio.to_thread(parse_listing, raw.body)
                return parse_listing(raw.body)
            except ApiError as error:
                raise self._named(error) from None

        return fetch

    async def _send(
        self, method: str, key: str | None = None, query: Mapping[str, str] = {}
    ) -> Raw:
        """Send a request once more if the bucket names another region. Raises ApiError."""
        async with self._opening:
            if self._client is None:
                try:
                    await asyncio.to_thread(self._open)
                except BadSetting as bad:
                    raise self._named(BadAddress(f"not sent: {bad}")) from None
        signed_for = self._region
        raw = await self._send_once(method, key, query)
        error = _error_of(raw)
        # Another request may have learned the region meanwhile.
        if error is not None and error.region and error.region != signed_for:
            self._region = error.region
            raw = await self._send_once(method, key, query)
            error = _error_of(raw)
        if error is not None:
            raise self._named(error.as_api_error(raw, is_head=method == "HEAD"))
        return raw

    def _open(self) -> None:
        """Import httpx and minio, and prepare the connections. Raises BadAddress, BadSetting."""
        import httpx
        import minio  # noqa: F401 - imported here, because it takes 150 ms

        from slurper_tui.api.transport import open_client

        self._client, _ = open_client(httpx.URL(self._endpoint), self._scrubber)

    async def _send_once(self, method: str, key: str | None, query: Mapping[str, str]) -> Raw:
        import httpx

        from slurper_tui.api.transport import fetch

        assert self._client is not None
        url, headers = self._signed(method, key, query)
        target = (url.path + (f"?{url.query}" if url.query else "")).encode("ascii")
        request = self._client.build_request(
            method,
            # The path alone would be changed: `/./` is removed from it.
            httpx.URL(scheme=url.scheme, host=url.hostname or "", port=url.port, path="/"),
            headers={**headers, "Accept": "*/*"},
            extensions={"target": target},
        )
        self.requests += 1
        try:
            return await fetch(self._client, request, len(target))
        except ApiError as error:
            raise self._named(error) from None

    def _signed(
        self, method: str, key: str | None, query: Mapping[str, str]
    ) -> tuple[SplitResult, Mapping[str, str]]:
        """Return the address of a request and its headers. Raises BadAddress."""
        from minio.credentials.credentials import Credentials
        from minio.helpers import BaseURL
        from minio.signer import sign_v4_s3
        from minio.time import to_amz_date

        try:
            base = BaseURL(self._endpoint.strip().rstrip("/"), self._region)
            region = base.region or _region_of(self._host)
            url = base.build(
                method=method,
                region=region,
                bucket_name=self._bucket,
                object_name=key,
                query_params=dict(query),
            )
        except UnicodeEncodeError:
            raise self._named(BadAddress("not sent: a key that is not valid Unicode")) from None
        except ValueError as error:
            raise self._named(BadAddress(f"not sent: {error}")) from None
        now = datetime.now(UTC)
        headers: DictType = {"Host": url.netloc, "x-amz-content-sha256": _NOTHING}
        headers["x-amz-date"] = to_amz_date(now)
        signed = sign_v4_s3(
            method=method,
            url=url,
            region=region,
            headers=headers,
            credentials=Credentials(
                self._keys.access_key_id or "", self._keys.secret_access_key or ""
            ),
            content_sha256=_NOTHING,
            date=now,
        )
        return url, {name: str(value) for name, value in signed.items()}

    def _named(self, error: ApiError) -> ApiError:
        """Name the bucket in an error, and remove secrets from its texts."""
        clean = self._scrubber.clean
        if not error.message.startswith(self.name):
            error.message = f"{self.name}: {error.message}"
        error.message = clean(error.message)
        error.args = (error.message,)
        error.faults = tuple(replace(f, message=clean(f.message)) for f in error.faults)
        return error


def _checked_host(endpoint: str) -> str:
    """Return the host and port of an endpoint to which a signed request may be sent.

    Raises BadAddress; the message repeats no part of the endpoint, which may hold a password.
    """
    try:
        parts = urlsplit(endpoint.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadAddress("not sent: the endpoint is not a URL") from None
    if "@" in endpoint or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise BadAddress("not sent: the endpoint must be https:// and a host, and nothing more")
    if parts.scheme not in ("https", "http") or not host:
        raise BadAddress("not sent: the endpoint must begin with https:// and name a host")
    if parts.scheme == "http" and not is_loopback(host):
        raise BadAddress("not sent: the endpoint must be https; plain http is for loopback only")
    return host if port is None else f"{host}:{port}"


def _region_of(host: str) -> str:
    """Return the region that a host's name tells, as in s3.fr-par.scw.cloud."""
    if host.endswith(R2_HOST) or host == urlsplit(GCS).netloc:
        return "auto"
    found = _REGION_IN_HOST.fullmatch(host)
    return found[1].lower() if found else "us-east-1"


def parse_listing(body: bytes) -> ObjectPage:
    """Parse an answer of ListObjectsV2.

    Raises BadAnswer for anything else, and for a page without a sure end or continuation.
    """
    rows, rest = _cut_out(body)
    root = _parse_xml(rest)
    if root is None or _tag(root) != "ListBucketResult":
        raise BadAnswer("the answer is no listing of a bucket")
    texts: dict[str, str] = {}
    prefixes: list[str] = []
    for part in root:
        tag = _tag(part)
        if tag == "Contents":
            rows.append({_tag(field): field.text or "" for field in part})
        elif tag == "CommonPrefixes":
            prefixes += [field.text or "" for field in part if _tag(field) == "Prefix"]
        else:
            texts[tag] = part.text or ""
    if len(rows) + len(prefixes) > MOST_ROWS:
        raise TooLarge(f"a page of {len(rows) + len(prefixes):,} objects")
    keys = [row.get("Key", "") for row in rows]
    if not all(keys):
        raise BadAnswer("the listing has an object without a key")
    if texts.get("EncodingType", "").lower() == "url":
        # A server that writes %20 for a space means + by a +.
        has_plus = any("%20" in text for text in (*keys, *prefixes))
        keys = [_decoded(text, plus_is_space=not has_plus) for text in keys]
        prefixes = [_decoded(text, plus_is_space=not has_plus) for text in prefixes]
    elif _UNFIT.search(body) and any(_LOST in text for text in (*keys, *prefixes)):
        raise Refused("it lists a key that XML cannot hold, and does not encode keys")
    objects = [_object(key, row) for key, row in zip(keys, rows, strict=True)]
    return ObjectPage(objects, prefixes, _cursor(texts))


_FIELD = re.compile(r"<(Key|LastModified|ETag|Size)>([^<]*+)</")


def _cut_out(body: bytes) -> tuple[list[dict[str, str]], bytes]:
    """Cut the objects out of a page, because parsing them as XML takes four times as long.

    Keys may then hold what XML must not. A page is left whole that holds anything but elements.
    """
    start, end = body.find(b"<Contents>"), body.rfind(b"</Contents>")
    if start < 0 or end < start or b"<!" in body:
        return [], body
    end += len(b"</Contents>")
    try:
        parts = body[start:end].decode().replace("&quot;", '"').split("<Contents>")
    except UnicodeDecodeError:
        return [], body
    rows = []
    for part in parts[1:]:
        inside, _, after = part.partition("</Contents>")
        if after and not after.isspace():
            return [], body
        row = dict(_FIELD.findall(inside))
        if "&" in inside:
            row = {name: _unescaped(text) for name, text in row.items()}
        rows.append(row)
    return rows, body[:start] + body[end:]


def _unescaped(text: str) -> str:
    """Resolve the references of XML in a text."""
    return _REFERENCE.sub(lambda found: _NAMED.get(found[1]) or _numbered(found[1]), text)


_REFERENCE = re.compile(r"&(amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def _numbered(reference: str) -> str:
    number = int(reference[2:], 16) if reference[1] == "x" else int(reference[1:])
    return chr(min(number, 0x10FFFF))


def _cursor(texts: Mapping[str, str]) -> str | None:
    """Return where the next page begins; None after the last page. Raises BadAnswer if unsure."""
    truncated = texts.get("IsTruncated", "").strip().lower()
    if truncated == "false":
        return None
    if truncated != "true":
        raise BadAnswer("the listing does not tell whether it goes on")
    if cursor := texts.get("NextContinuationToken"):
        return cursor
    raise BadAnswer("the listing breaks off: it goes on, but does not tell where")


_SIZE = re.compile("[0-9]{1,18}")


def _object(key: str, row: Mapping[str, str]) -> ListedObject:
    size = row.get("Size", "")
    return ListedObject(
        key,
        int(size) if _SIZE.fullmatch(size) else None,
        row.get("ETag", "").strip('" ') or None,
        utc_seconds(row.get("LastModified")),
    )


def _decoded(text: str, *, plus_is_space: bool) -> str:
    if plus_is_space and "+" in text:
        text = text.replace("+", " ")
    return mark_invalid_bytes(unquote_to_bytes(text)) if "%" in text else text


_UNFIT = re.compile(
    rb"[\0-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]"
    rb"|&#(?:0*(?:[0-8]|1[124-9]|2[0-9]|3[01])|x0*(?:[0-8bcef]|1[0-9a-f]|fff[ef]|d[89a-f]..));",
    re.IGNORECASE,
)
"""Characters that XML must not hold; some servers repeat them from a request as they are."""

_LOST = "\N{REPLACEMENT CHARACTER}"


def _parse_xml(body: bytes) -> ElementTree.Element | None:
    """Parse XML; None for anything else, and for a document type, which S3 never sends."""
    if b"<!DOCTYPE" in body:
        return None
    for text in (body, _UNFIT.sub(_LOST.encode(), body)):
        try:
            return ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError):
            continue
    return None


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


_ERROR_BODY = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<(?:\w+:)?Error[\s>]")
"""The beginning of a refusal; some servers send one with status 200."""


def _error_of(raw: Raw) -> _S3Error | None:
    """Return what an answer says that is no success; None for one that is."""
    if 200 <= raw.status < 300 and not _ERROR_BODY.match(raw.body):
        return None
    return _S3Error.of(raw)


class _S3Error:
    """What an answer that is no success says.

    code: of S3; "" where it says none. region: that of the bucket, if it is told.
    """

    def __init__(self, code: str, message: str, region: str | None) -> None:
        self.code, self.message, self.region = code, message, region

    @classmethod
    def of(cls, raw: Raw) -> _S3Error:
        root = _parse_xml(raw.body) if raw.body.lstrip()[:1] == b"<" else None
        texts: dict[str, str] = {}
        if root is not None and _tag(root) == "Error":
            texts = {_tag(part): " ".join((part.text or "").split()) for part in root}
        region = raw.headers.get("x-amz-bucket-region") or texts.get("Region")
        wrong = raw.status in (301, 307, 400, 403) and region
        return cls(
            texts.get("Code", "")[:100],
            texts.get("Message", "")[:_MOST_TEXT],
            region if wrong and re.fullmatch("[a-z0-9-]{1,63}", region or "") else None,
        )

    def as_api_error(self, raw: Raw, *, is_head: bool) -> ApiError:
        """Return the ApiError. An answer to HEAD has no body, so that its status alone counts."""
        kind, words = self._kind(raw.status, is_head=is_head)
        message = f"{words} ({raw.status})" if words else f"it answered {raw.status}"
        said = f"{self.code}: {self.message}" if self.message else self.code
        after = raw.headers.get("retry-after", "")
        return kind(
            message,
            status=raw.status,
            faults=(Fault(None, said),) if said else (),
            retry_after=float(after) if re.fullmatch("[0-9]{1,6}", after) else None,
        )

    def _kind(self, status: int, *, is_head: bool) -> tuple[type[ApiError], str]:
        """Return the class of the error, and words for it; "" for none."""
        if self.code in _SLOW_DOWN or status == 429:
            return RateLimited, "it asks to slow down"
        if 300 <= status < 400:
            return Refused if self.code else BadAnswer, "it redirects to another address"
        if self.code == _CLOCK:
            return Refused, "this machine's clock is wrong"
        if self.code in _KEYS or (status in (401, 403) and (self.code or is_head)):
            return BucketKeysRefused, "the keys give no access to the bucket"
        if status == 404 and (self.code or is_head):
            return NotFound, "there is no such bucket" if self.code == "NoSuchBucket" else ""
        if status == 501 or (status < 500 and (is_head or self.code not in {"", *_TRANSIENT})):
            return Refused, ""
        return BadAnswer, "" if self.code or is_head else "no answer of an S3 server"


_META = ("x-amz-meta-", "x-goog-meta-")


def _headers(headers: Mapping[str, str]) -> ObjectHeaders:
    """Return the headers of an object from the answer to HEAD."""
    metadata = {}
    for name, value in headers.items():
        start = next((start for start in _META if name.lower().startswith(start)), None)
        if start is not None:
            metadata[name.lower().removeprefix(start)] = _unfolded(value)
    return ObjectHeaders(
        headers.get("content-type"),
        headers.get("cache-control"),
        headers.get("x-goog-stored-content-encoding") or headers.get("content-encoding"),
        headers.get("content-disposition"),
        headers.get("content-language"),
        metadata,
    )


def _unfolded(value: str) -> str:
    """Return metadata that is not ASCII, which S3 sends as `=?UTF-8?B?4pyT?=`, as text."""
    if not (value.startswith("=?") and value.endswith("?=")):
        return value
    from email.header import decode_header, make_header  # only for such values

    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError):
        return value
