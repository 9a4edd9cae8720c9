"""Faults to inject into a simulated account; each is a value."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import httpx
import msgspec

from slurper_tui.simulated.api import Call, Detail, Refusal, refuse

PAGE = (
    "<!DOCTYPE html><html><head><title>{status} | Edge error</title></head><body>"
    "<h1>Error {status}</h1><p>Ray ID: 0000</p><script>alert(1)</script></body></html>"
)


class Kind(StrEnum):
    """Kinds of faults. The last six affect the connection."""

    REFUSAL = "refusal"
    HTML = "html"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    NULL = "null"
    FOREIGN = "foreign"
    WRONG_TYPES = "wrong types"
    BODY = "body"
    EDITED = "edited"
    CONNECT_ERROR = "connect error"
    READ_TIMEOUT = "read timeout"
    RESET = "reset"
    CUT_OFF = "cut off"
    HANG = "hang"
    SLOW = "slow"


_INSTEAD = frozenset({Kind.REFUSAL, Kind.HTML, Kind.BODY, Kind.CONNECT_ERROR})


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, the requests that it affects, and how often.

    operation: name as in the routes of `simulated.api`; None for any.
    job: its id; None for any.
    path: a pattern for the part after `slurper/`, as in `jobs/*/progress`; `*` for any.
    times: number of requests affected; None until it is cleared.
    after: number of matching requests that pass first.
    status, code, message: of a refusal, an HTML page or a body.
    retry_after: seconds, for the header of the same kinds; None for no header.
    body: sent as JSON without a check.
    edit: returns a new envelope for the decoded one.
    seconds: how long a hanging or slow answer takes.
    happens: whether the request takes effect in spite of the fault; None for the usual case of the
        kind.
    """

    kind: Kind = Kind.REFUSAL
    operation: str | None = None
    job: str | None = None
    path: str = "*"
    times: int | None = None
    after: int = 0
    status: int = 503
    code: int = 1000
    message: str = "Something went wrong"
    retry_after: int | None = None
    body: bytes = b""
    edit: Callable[[Any], object] | None = None
    seconds: float = 30.0
    happens: bool | None = None

    def matches(self, call: Call) -> bool:
        """Return whether the fault affects this request."""
        return (
            self.operation in (None, call.operation)
            and self.job in (None, call.job_id)
            and fnmatchcase(call.path, self.path)
        )

    @property
    def takes_effect(self) -> bool:
        """Whether the request takes effect although its answer is lost or changed."""
        return self.kind not in _INSTEAD if self.happens is None else self.happens

    def apply_to(self, answer: httpx.Response) -> httpx.Response:
        """Return the response that replaces the answer. Raises an httpx error if none arrives."""
        wait = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        if self.kind in _RAISED:
            raise _RAISED[self.kind](f"simulated: {self.kind}")
        if self.kind is Kind.SLOW:
            return answer
        if self.kind in _BODIES:
            return _with_body(answer, answer.status_code, _BODIES[self.kind](answer.content))
        if self.kind is Kind.BODY:
            return _with_body(answer, self.status, self.body, wait)
        if self.kind is Kind.EDITED and self.edit is not None:
            envelope = self.edit(msgspec.json.decode(answer.content))
            return _with_body(answer, answer.status_code, msgspec.json.encode(envelope))
        if self.kind is Kind.HTML:
            page = PAGE.format(status=self.status)
            return httpx.Response(self.status, headers=wait, html=page)
        return refuse(Refusal(self.status, Detail(self.code, self.message), headers=wait))


class Faults:
    """The active faults, in the order of their addition."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Activate faults."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter(list(self._faults))

    def take(self, call: Call) -> Fault | None:
        """Return the first fault that affects this request, or None; count its use."""
        with self._lock:
            for place, fault in enumerate(self._faults):
                if not fault.matches(call):
                    continue
                if fault.after > 0:
                    self._faults[place] = replace(fault, after=fault.after - 1)
                    continue
                if fault.times is not None and fault.times > 1:
                    self._faults[place] = replace(fault, times=fault.times - 1)
                elif fault.times is not None:
                    del self._faults[place]
                return fault
        return None


def _with_body(
    answer: httpx.Response, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Return a response with the answer's content type and another body."""
    kind = {"content-type": answer.headers.get("content-type", "application/json")}
    return httpx.Response(status, headers={**kind, **(headers or {})}, content=body)


def _with_result(content: bytes, change: Callable[[object], object]) -> bytes:
    """Return an envelope with another result."""
    envelope = msgspec.json.decode(content)
    return msgspec.json.encode({**envelope, "result": change(envelope.get("result"))})


def _other_type(value: object) -> object:
    """Return the same structure with every leaf changed to another type."""
    if isinstance(value, dict):
        return {name: _other_type(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_other_type(inner) for inner in value]
    if value is None:
        return {"nothing": True}
    return [value] if isinstance(value, str) else f"{value} or so"


_RAISED: Mapping[Kind, type[httpx.TransportError]] = {
    Kind.CONNECT_ERROR: httpx.ConnectError,
    Kind.READ_TIMEOUT: httpx.ReadTimeout,
    Kind.RESET: httpx.ReadError,
    Kind.CUT_OFF: httpx.RemoteProtocolError,
    Kind.HANG: httpx.ReadTimeout,
}
_BODIES: Mapping[Kind, Callable[[bytes], bytes]] = {
    Kind.GARBAGE: lambda content: b"\x00\xff\x1b]0;owned\x07" + content[::-1],
    Kind.TRUNCATED: lambda content: content[: len(content) // 2],
    Kind.EMPTY: lambda content: b"",
    Kind.NULL: lambda content: _with_result(content, lambda _: None),
    Kind.FOREIGN: lambda content: (
        b'{"error": "[{\\"path\\": [\\"x\\"], \\"message\\": \\"no\\"}]"}'
    ),
    Kind.WRONG_TYPES: lambda content: _with_result(content, _other_type),
}
