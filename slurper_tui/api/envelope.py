"""Checks a raw answer and turns every failure into an `ApiError`; parses the rate-limit headers.

An answer is checked by its status first, then by its content type, then by its JSON envelope.
`read_answer` is the entry point.

`Ratelimit: "default";r=50;t=30` and `Ratelimit-Policy: "burst";q=100;w=60` are lists of entries
with unrelated names, so the tightest entry of each header counts.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC
from typing import TypeVar

import msgspec

from slurper_tui.api.errors import (
    BUCKET_PERMISSIONS,
    KEYS_REFUSED,
    ApiError,
    BadAnswer,
    BucketKeysRefused,
    Conflict,
    Fault,
    NotFound,
    RateLimit,
    RateLimited,
    Refused,
    Rejected,
    TooLarge,
)
from slurper_tui.api.models import (
    Answer,
    TooManyRows,
    mark_invalid_bytes,
    replace_invalid_bytes,
)

T = TypeVar("T")

_PARAMETER = re.compile(r";\s*([a-z]+)\s*=\s*(\d{1,12})(?![\w.])")
_SECONDS = re.compile(r"\d{1,400}(?:\.\d{0,400})?", re.ASCII)
_LONGEST_WAIT = 86400.0
_LONGEST_HEADER = 1000


def parse_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Parse both rate-limit headers; return None when neither has a usable entry."""
    left = _tightest(headers.get("ratelimit", ""), "r", "t")
    policy = _tightest(headers.get("ratelimit-policy", ""), "q", "w")
    if left is None and policy is None:
        return None
    remaining, reset = left or (None, None)
    quota, window = policy or (None, None)
    return RateLimit(remaining, reset, quota, window)


def parse_retry_after(
    text: str | None, date: str | None = None, clock: Callable[[], float] = time.time
) -> float | None:
    """Return the seconds to wait, at most a day; None where no part of the header can be read.

    A part is a number of seconds, also with a fraction, or an HTTP date, from which the answer's
    own Date is subtracted, or the clock where that is missing. Of several parts the longest counts.
    """
    waits: list[float] = []
    weekday = ""
    for part in (text or "")[:_LONGEST_HEADER].split(","):
        if part.strip().isalpha():  # the beginning of a date
            weekday = f"{part.strip()}, "
            continue
        wait = _wait(weekday + part.strip(), date, clock)
        weekday = ""
        if wait is not None:
            waits.append(wait)
    return min(max(waits), _LONGEST_WAIT) if waits else None


def _wait(part: str, date: str | None, clock: Callable[[], float]) -> float | None:
    if _SECONDS.fullmatch(part):
        return min(float(part), _LONGEST_WAIT)
    at = _http_date(part)
    if at is None:
        return None
    now = _http_date((date or "").strip()[:_LONGEST_HEADER])
    return max(0.0, at - (clock() if now is None else now))


def _http_date(text: str) -> float | None:
    """Return an HTTP date in any of its three forms as UTC seconds; None for anything else."""
    if not text[:3].isalpha():
        return None
    from email.utils import parsedate_to_datetime  # imported only for a date

    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _tightest(header: str, amount: str, seconds: str) -> tuple[int, float] | None:
    """Return the entry with the fewest requests per second, then the longest window, or None."""
    entries = (dict(_PARAMETER.findall(item)) for item in header.lower().split(","))
    usable = [
        (int(entry[amount]), float(entry[seconds]))
        for entry in entries
        if amount in entry and int(entry.get(seconds, 0)) > 0
    ]
    return min(usable, key=lambda pair: (pair[0] / pair[1], -pair[1]), default=None)


_RATE_LIMITED = frozenset({971, 10429})
_REJECTED = frozenset({10000, 9109, 9106, 6003, 6103, 6111})
_NO_ROUTE = frozenset({7003})
_DENIED = frozenset({401, 403, 407})
"""Firewalls and proxies answer with these too."""

_BUCKET_KEYS = re.compile("pre-?connectivity", re.IGNORECASE)
_EDGE_CODES = range(1000, 1300)
"""Codes of the edge firewall, also within an envelope: 1010, 1015, 1020."""

_FOREIGN_JSON = "JSON that is not in the API's format"

_EDGE_CODE = re.compile(rb"error code: (\d{3,5})")

_MOST_FAULTS = 20
_MOST_TEXT = 1000
_MOST_RAW_TEXT = 8192
"""Characters of a message that are searched for secrets before it is cut to `_MOST_TEXT`."""

_CUT_EDGE = 128
"""Characters dropped from the end of a cut message, because a secret may begin there."""

MOST_VALUES = 1_000_000
"""Largest accepted number of JSON values in one answer. A page of 50 jobs with 10,000 keys each
holds 500,000. One value takes about 100 bytes of memory, however short it is in the answer."""

_TOO_MANY = object()
"""Marks JSON that was not decoded because it holds more than `MOST_VALUES` values."""

_MANY_BYTES = 2**18
"""Shorter bodies cannot hold too many values and are not counted."""

_SLICE_BYTES = 2**18
_LENIENT_BYTES = 2**25
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

Clean = Callable[[str], str]
"""Removes secrets from a text."""


class Raw(msgspec.Struct, frozen=True):
    """An unchecked answer. headers: names are compared without case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_answer(raw: Raw, read: Callable[[object], T], clean: Clean = str) -> Answer[T]:
    """Return the value of a good answer. Raises the ApiError that any other answer means.

    read: converts the decoded result; raises msgspec.ValidationError if it is of another type.
    clean: removes secrets from the texts that an error keeps.
    """
    content_type = raw.headers.get("content-type", "").lower()
    body = raw.body.removeprefix(b"\xef\xbb\xbf")
    envelope: object = None  # of a body that is not JSON
    if not content_type or "json" in content_type:
        try:
            envelope = _TOO_MANY if _has_too_many_values(body) else msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            envelope = _decode_leniently(body)
    if not 200 <= raw.status < 300 or not isinstance(envelope, dict) or not _is_success(envelope):
        raise _error_of(raw, envelope, clean)
    result, info = envelope.get("result"), envelope.get("result_info")
    try:
        limit, date = parse_limit(raw.headers), raw.headers.get("date")
        more = info if isinstance(info, dict) else {}
        return Answer(read(result), limit, _total(info), len(raw.body), date, more)
    except msgspec.ValidationError as error:
        raise _foreign_result(raw, result, error) from None


def _total(info: object) -> int | None:
    """Return the rows on all pages of a list by its `result_info`; None where that is absent."""
    total = info.get("total_count") if isinstance(info, dict) else None
    is_count = isinstance(total, int) and not isinstance(total, bool) and total >= 0
    return total if is_count else None


def _foreign_result(raw: Raw, result: object, error: msgspec.ValidationError) -> BadAnswer:
    """Return the error of a result that cannot be converted."""
    kind, what = BadAnswer, f"a foreign result: {error}"
    if isinstance(error, TooManyRows):
        kind, what = TooLarge, str(error)
    elif result is None:
        what = "no result"
    return kind(
        f"the API answered {raw.status} with {what}",
        status=raw.status,
        ray=raw.headers.get("cf-ray"),
        limit=parse_limit(raw.headers),
    )


def _is_success(envelope: Mapping[str, object]) -> bool:
    """Return whether the API calls it a success.

    Even `success` is optional in the contract; a result without errors counts as success.
    """
    errors = envelope.get("errors") or envelope.get("error")
    return envelope.get("success", "result" in envelope and not errors) is True


def _error_of(raw: Raw, envelope: object, clean: Clean) -> ApiError:
    """Return the error that an answer means. envelope: decoded JSON; None if there is none."""
    faults = _faults(envelope, clean)
    kind: type[ApiError]
    if not 200 <= raw.status < 300:
        kind = _kind(raw.status, envelope, faults)
        message = _status_words(raw, envelope, kind)
    elif isinstance(envelope, dict):
        refused = envelope.get("success") is False
        kind = _kind_of_codes(faults) or (Refused if refused else BadAnswer)
        what = "a refusal" if refused else _FOREIGN_JSON
        message = f"the API answered {raw.status} with {what}"
    else:
        kind = TooLarge if envelope is _TOO_MANY else BadAnswer
        message = f"the API answered {raw.status} with {_content(raw, envelope)}"
    return kind(
        message,
        status=raw.status,
        faults=faults,
        ray=raw.headers.get("cf-ray"),
        retry_after=parse_retry_after(raw.headers.get("retry-after"), raw.headers.get("date")),
        limit=parse_limit(raw.headers),
    )


def _kind(status: int, envelope: object, faults: tuple[Fault, ...]) -> type[ApiError]:
    """Return the error class for a status other than 2xx and the codes in the envelope."""
    codes = {fault.code for fault in faults}
    if status == 429 or (status >= 500 and codes & _RATE_LIMITED):
        return RateLimited
    if status >= 500 or status < 400:
        return BadAnswer
    if status in _DENIED:
        # Only the API's own envelope with a code proves that the credentials are wrong.
        if not isinstance(envelope, dict) or not isinstance(envelope.get("errors"), list):
            return BadAnswer
        if not codes & _REJECTED and any(_BUCKET_KEYS.search(fault.message) for fault in faults):
            return BucketKeysRefused
        has_code = any(code is not None and code not in _EDGE_CODES for code in codes)
        return Rejected if has_code and status != 407 else BadAnswer
    if status == 400 and codes & _REJECTED:
        return Rejected
    if status == 404 or (status == 400 and codes & _NO_ROUTE):
        return NotFound
    return Conflict if status == 409 else Refused


def _kind_of_codes(faults: tuple[Fault, ...]) -> type[ApiError] | None:
    """Return the error class by the codes alone, for a failure that arrived with status 200."""
    codes = {fault.code for fault in faults}
    kinds = ((_RATE_LIMITED, RateLimited), (_REJECTED, Rejected), (_NO_ROUTE, NotFound))
    return next((kind for documented, kind in kinds if codes & documented), None)


def _has_too_many_values(body: bytes) -> bool:
    """Return whether a JSON text has more than `MOST_VALUES` values.

    They are counted by their separators, first with those inside strings. Both counts go in
    slices, so that other threads can run.
    """
    if len(body) < _MANY_BYTES:
        return False
    slices = (body[at : at + _SLICE_BYTES] for at in range(0, len(body), _SLICE_BYTES))
    return _exceeds(slices) and _exceeds(_without_strings(body))


def _exceeds(parts: Iterable[bytes]) -> bool:
    """Return whether a JSON text, given in parts, has more than `MOST_VALUES` separators."""
    left = MOST_VALUES
    for part in parts:
        left -= sum(part.count(sign) for sign in (b",", b"[", b"{"))
        if left < 0:
            return True
    return False


def _without_strings(body: bytes) -> Iterator[bytes]:
    """Yield a JSON text without its strings; a string cut by a slice begins the next slice."""
    at, size = 0, _SLICE_BYTES
    while at < len(body):
        part = _STRING.sub(b"", body[at : at + size])
        cut = part.find(b'"')
        if cut < 0:
            yield part
            at, size = at + size, _SLICE_BYTES
        elif at + size >= len(body):
            return  # the rest is a string without an end, which is no JSON
        else:
            yield part[:cut]
            at += size - (len(part) - cut)
            size = 2 * size if not cut else _SLICE_BYTES


def _decode_leniently(body: bytes) -> object:
    """Decode JSON with defects that must not cost the whole list; return None if that fails too.

    Accepted are invalid characters, an encoding other than UTF-8, and NaN and infinite numbers,
    which become None. Invalid bytes stay marked in object keys, because keys must not be changed
    silently.
    """
    if len(body) > _LENIENT_BYTES:
        return None
    encoding = json.detect_encoding(body)
    utf8 = encoding in ("utf-8", "utf-8-sig")
    try:
        text = mark_invalid_bytes(body) if utf8 else body.decode(encoding, "replace")
        return json.loads(
            text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"),
            parse_float=_finite,
            parse_constant=lambda _: None,
            object_hook=_unmarked_but_for_keys,
        )
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


_EXACT = ("objectKey", "key", "delimited")
"""Properties whose value is the key of an object, or the beginnings of such keys."""


def _unmarked_but_for_keys(properties: dict[str, object]) -> dict[str, object]:
    return {
        replace_invalid_bytes(name): value if name in _EXACT else _unmarked(value)
        for name, value in properties.items()
    }


def _unmarked(value: object) -> object:
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return replace_invalid_bytes(value) if isinstance(value, str) else value


def _status_words(raw: Raw, envelope: object, kind: type[ApiError]) -> str:
    """Describe a failed status. An HTML page is named, never quoted."""
    if 300 <= raw.status < 400:
        return f"the API answered {raw.status}, a redirect, which is not followed"
    if kind is BucketKeysRefused:
        return f"the API answered {raw.status}: {KEYS_REFUSED}; {BUCKET_PERMISSIONS}"
    if isinstance(envelope, dict) and (raw.status not in _DENIED or kind is Rejected):
        return f"the API answered {raw.status}"
    who = "a firewall or proxy before the API" if raw.status in _DENIED else "the API"
    what = _FOREIGN_JSON if isinstance(envelope, dict) else _content(raw, envelope)
    return f"{who} answered {raw.status} with {what}"


def _content(raw: Raw, envelope: object) -> str:
    if envelope is _TOO_MANY:
        return "too many values"
    if not raw.body.strip():
        return "an empty body"
    if code := _EDGE_CODE.match(raw.body.strip()[:40]):
        return f"error code {code[1].decode()}"
    challenge = ", a challenge for browsers" if "cf-mitigated" in raw.headers else ""
    if "html" in raw.headers.get("content-type", "").lower() or raw.body.lstrip()[:1] == b"<":
        return f"an HTML page{challenge}"
    return "something that is not JSON"


def _faults(envelope: object, clean: Clean) -> tuple[Fault, ...]:
    """Return every error of an envelope, in order; foreign shapes are quoted, not dropped."""
    if not isinstance(envelope, dict):
        return ()
    errors = envelope.get("errors")
    if not errors and envelope.get("error"):
        errors = [envelope["error"]]
    rows = errors if isinstance(errors, list) else [errors] if errors else []
    found: list[object] = []
    for row in rows[:_MOST_FAULTS]:
        found.append(row)
        chain = row.get("error_chain") if isinstance(row, dict) else None
        found += chain[:_MOST_FAULTS] if isinstance(chain, list) else []
    return tuple(_fault(row, clean) for row in found[:_MOST_FAULTS])


def _fault(row: object, clean: Clean) -> Fault:
    if not isinstance(row, dict):
        return Fault(None, _cut(_quoted(row), clean))
    code, message = row.get("code"), row.get("message")
    words = message if isinstance(message, str) else _quoted(row)
    if isinstance(code, str):
        if re.fullmatch("[0-9]{1,9}", code):
            return Fault(int(code), _cut(words, clean))
        return Fault(None, _cut(f"{code}: {words}", clean))
    is_number = isinstance(code, int) and not isinstance(code, bool)
    return Fault(code if is_number else None, _cut(words, clean))


def _quoted(row: object) -> str:
    """Return a foreign error as text, an object as JSON."""
    try:
        return json.dumps(row) if isinstance(row, dict) else str(row)
    except RecursionError:  # decoding it needed fewer frames of the stack
        return "a deeply nested error"


def _cut(text: str, clean: Clean) -> str:
    """Remove secrets from a text, then shorten it; in this order, because a cut secret is not
    found.
    """
    cleaned = clean(text[:_MOST_RAW_TEXT])
    return (cleaned[:-_CUT_EDGE] if len(text) > _MOST_RAW_TEXT else cleaned)[:_MOST_TEXT]
