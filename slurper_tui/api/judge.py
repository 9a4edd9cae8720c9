"""Whether an answer is a good one: by its status first, then its content type, then its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

import msgspec

from slurper_tui.api.errors import (
    ApiError,
    BadAnswer,
    Conflict,
    Fault,
    NotFound,
    RateLimited,
    Refused,
    Rejected,
)
from slurper_tui.api.models import mark_invalid_bytes, replace_invalid_bytes
from slurper_tui.api.ratelimit import parse_limit, parse_retry_after

_RATE_LIMITED = frozenset({971, 10429})
_REJECTED = frozenset({10000, 9109, 9106, 6003, 6111})
_NO_ROUTE = frozenset({7003})
_MOST_FAULTS = 20
_MOST_TEXT = 1000


class Raw(msgspec.Struct, frozen=True):
    """An answer before anybody judged it. headers: names compared without case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def judge(raw: Raw) -> object:
    """Return the `result` of a good answer. Raises the ApiError that any other one means."""
    envelope = _decode(raw)
    faults = _faults(envelope)
    kind = _kind(raw.status, {fault.code for fault in faults})
    if kind is not None:
        _fail(kind, raw, _status_words(raw, envelope), faults)
    if not isinstance(envelope, dict):
        _fail(BadAnswer, raw, f"the API answered {raw.status} with {_content(raw)}")
    # The contract lets even `success` be left out; a result without an error is one.
    if envelope.get("success", "result" in envelope and not faults) is not True:
        wrong = Refused if envelope.get("success") is False else BadAnswer
        said = "a refusal" if wrong is Refused else "JSON that is not the API's"
        _fail(_coded(faults) or wrong, raw, f"the API answered {raw.status} with {said}", faults)
    return envelope.get("result")


def _kind(status: int, codes: set[int | None]) -> type[ApiError] | None:
    """What a status and the codes beside it mean; None for 2xx."""
    if 200 <= status < 300:
        return None
    if status == 429 or (status >= 500 and codes & _RATE_LIMITED):
        return RateLimited
    if status >= 500 or status < 400:
        return BadAnswer
    if status in {401, 403} or (status == 400 and codes & _REJECTED):
        return Rejected
    if status == 404 or (status == 400 and codes & _NO_ROUTE):
        return NotFound
    return Conflict if status == 409 else Refused


def _coded(faults: tuple[Fault, ...]) -> type[ApiError] | None:
    """What the codes alone mean, for a failure that came with 200."""
    codes = {fault.code for fault in faults}
    meanings = ((_RATE_LIMITED, RateLimited), (_REJECTED, Rejected), (_NO_ROUTE, NotFound))
    return next((kind for known, kind in meanings if codes & known), None)


def _fail(kind: type[ApiError], raw: Raw, message: str, faults: tuple[Fault, ...] = ()) -> NoReturn:
    raise kind(
        message,
        status=raw.status,
        faults=faults,
        ray=raw.headers.get("cf-ray"),
        retry_after=parse_retry_after(raw.headers.get("retry-after")),
        limit=parse_limit(raw.headers),
    )


def _decode(raw: Raw) -> object:
    """Decode a body that claims to be JSON; None for anything that is not."""
    content_type = raw.headers.get("content-type", "").lower()
    if content_type and "json" not in content_type:
        return None
    try:
        return msgspec.json.decode(raw.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_leniently(raw.body)


def _decode_leniently(body: bytes) -> object:
    """A second try for one broken character in a name, which must not cost the whole list.

    Invalid bytes stay marked in object keys, where they must not be changed silently.
    """
    try:
        return json.loads(mark_invalid_bytes(body), object_hook=_unmarked_but_for_keys)
    except (ValueError, RecursionError):
        return None


def _unmarked_but_for_keys(properties: dict[str, object]) -> dict[str, object]:
    return {
        replace_invalid_bytes(name): value if name == "objectKey" else _unmarked(value)
        for name, value in properties.items()
    }


def _unmarked(value: object) -> object:
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return replace_invalid_bytes(value) if isinstance(value, str) else value


def _faults(envelope: object) -> tuple[Fault, ...]:
    """Every error of an envelope, in order; foreign shapes are quoted rather than dropped."""
    if not isinstance(envelope, dict):
        return ()
    errors = envelope.get("errors")
    if not errors and envelope.get("error"):
        errors = [envelope["error"]]
    rows = errors if isinstance(errors, list) else [errors] if errors else []
    found: list[Fault] = []
    for row in rows[:_MOST_FAULTS]:
        found.append(_fault(row))
        chain = row.get("error_chain") if isinstance(row, dict) else None
        found += [_fault(link) for link in chain[:_MOST_FAULTS]] if isinstance(chain, list) else []
    return tuple(found)


def _fault(row: object) -> Fault:
    if not isinstance(row, dict):
        return Fault(None, str(row)[:_MOST_TEXT])
    code, message = _code(row.get("code")), row.get("message")
    words = message if isinstance(message, str) else json.dumps(row)
    if code is None and isinstance(row.get("code"), str):
        words = f"{row['code']}: {words}"
    return Fault(code, words[:_MOST_TEXT])


def _code(raw: object) -> int | None:
    """An error's code, also one that came as a text of digits."""
    if isinstance(raw, str) and re.fullmatch("[0-9]{1,9}", raw):
        return int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def _status_words(raw: Raw, envelope: object) -> str:
    """What to say of a failed status; a page meant for browsers is named, never quoted."""
    if 300 <= raw.status < 400:
        return f"the API answered {raw.status}, a redirect, which is not followed"
    if isinstance(envelope, dict):
        return f"the API answered {raw.status}"
    return f"the API answered {raw.status} with {_content(raw)}"


def _content(raw: Raw) -> str:
    if not raw.body.strip():
        return "an empty body"
    if "html" in raw.headers.get("content-type", "").lower() or raw.body.lstrip()[:1] == b"<":
        return "an HTML page"
    return "something that is not JSON"
