"""Between our values and the rows of a history: no secret and no object key gets past here.

What is read is checked: a file may be damaged in any column. The functions that read a row raise
one of `UNREADABLE` for a row that holds anything else than what is written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.format import END_OF_CALENDAR
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, Remembered

Row = tuple[Any, ...]

T = TypeVar("T")

UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError, msgspec.MsgspecError)
"""What is raised for a row that cannot be read."""

LATEST_MS = round(END_OF_CALENDAR * 1000)
"""Milliseconds since 1970; a later time is damage."""

_GREATEST = 2**63 - 1
"""What SQLite can hold; no counter of the API is higher."""

_ADDRESS = r"(?is)((?:[a-z][a-z0-9+.-]*:)?//)?(.*)"
"""A scheme, if there is one, and all that follows it."""

_HOST = r"[^/?#@:]+\.[^/?#@:]+(?:[/?#]|$)"
"""A name with dots and without a port in front of a path: an `@` behind it is of the path."""

_FLAGS = (0, 1)

_job = msgspec.json.Decoder(Job)
_last = msgspec.json.Decoder(Recorded)


def readable(rows: Iterable[Row], read: Callable[[Row], T]) -> Iterator[T]:
    """Yield what the rows hold; a row that cannot be read is left out."""
    for row in rows:
        try:
            value = read(row)
        except UNREADABLE:
            continue
        yield value


def decoded(raw: bytes) -> str | bytes:
    """SQLite's text as Python's; bytes, which no check accepts, where it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def checked_time(at: object) -> float:
    """A kept time as UTC seconds. Raises ValueError."""
    if type(at) is not int or not 0 <= at <= LATEST_MS:
        raise ValueError("no time")
    return at / 1000


def checked_text(value: object) -> str:
    """A kept text. Raises ValueError."""
    if type(value) is not str:
        raise ValueError("no text")
    return value


def checked_texts(row: Row) -> tuple[str, ...]:
    """A row of texts. Raises ValueError."""
    return tuple(map(checked_text, row))


def to_ms(seconds: float) -> int:
    """UTC seconds as the whole milliseconds that are kept."""
    return round(seconds * 1000)


def text(value: str) -> str:
    """Text that UTF-8 can hold: half a surrogate pair, which JSON may hold, becomes a `?`."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def sample_row(sample: Recorded) -> Row:
    """A sample as its row holds it, but for the job."""
    counts = (_number(getattr(sample.counts, name)) for name in Counts.__struct_fields__)
    status = None if sample.status is None else text(sample.status)
    return (to_ms(sample.at), *counts, status, int(sample.after_gap), int(sample.stalled))


def sample_of(row: Row) -> Recorded:
    """The sample that such a row holds. Raises ValueError."""
    at, objects, transferred, skipped, failed, status, after_gap, stalled = row
    if type(at) is not int or not 0 <= at <= LATEST_MS:
        raise ValueError("no time")
    for number in (objects, transferred, skipped, failed):
        if number is not None and (type(number) is not int or number < 0):
            raise ValueError("no count")
    if after_gap not in _FLAGS or stalled not in _FLAGS:
        raise ValueError("no flag")
    if status is not None and type(status) is not str:
        raise ValueError("no text")
    counts = Counts(objects, transferred, skipped, failed)
    return Recorded(at / 1000, counts, status, after_gap == 1, stalled == 1)


def _number(value: int | None) -> int | None:
    return None if value is None else min(value, _GREATEST)


def last_text(sample: Recorded) -> str:
    """A sample in JSON, exactly as it is kept among the samples."""
    return msgspec.json.encode(sample_of(sample_row(sample))).decode()


def job_text(job: Job) -> str:
    """A job in JSON, without what nobody foresaw, without keys and without passwords."""
    bare = replace(job, source=_bare_source(job.source), target=_bare_target(job.target), extra={})
    try:
        return msgspec.json.encode(bare).decode()
    except UnicodeEncodeError:
        import json  # 1 ms, for names that are no text

        return text(json.dumps(msgspec.to_builtins(bare), ensure_ascii=False))


def _bare_source(source: Source | None) -> Source | None:
    if source is None:
        return None
    endpoint = source.endpoint and place_text(source.endpoint)
    return replace(source, endpoint=endpoint, keys=None, extra={})


def _bare_target(target: Target | None) -> Target | None:
    return None if target is None else replace(target, extra={})


def place_text(url: str) -> str:
    """An address without user, password, query and fragment.

    A password may hold what ends a host elsewhere: rather too little of an address is kept.
    """
    if not {"@", "?", "#"} & set(url):
        return text(url.rstrip("/"))
    found = re.fullmatch(_ADDRESS, url)
    scheme, rest = found.groups("") if found else ("", url)
    bare = rest if re.match(_HOST, rest) else rest.rpartition("@")[2]
    return text(scheme + re.split(r"[?#]", bare, maxsplit=1)[0].rstrip("/"))


def _checked(last: Recorded) -> Recorded:
    """A sample whose types are right already. Raises ValueError."""
    counts = last.counts
    if not 0 <= last.at <= END_OF_CALENDAR:
        raise ValueError("no time")
    for number in (counts.objects, counts.transferred, counts.skipped, counts.failed):
        if number is not None and not 0 <= number <= _GREATEST:
            raise ValueError("no count")
    return last


def job_of(told: bytes) -> Job:
    """The job in such a text. Raises one of `UNREADABLE`."""
    return _job.decode(told)


def remembered_of(row: Row) -> Remembered:
    """The job of such a row. Raises one of `UNREADABLE`."""
    account_id, job_id, told, last, closed = row
    job = job_of(told)
    if closed not in _FLAGS or not job.id or text(job.id) != job_id:
        raise ValueError("no job")
    newest = None if last is None else _checked(_last.decode(last))
    return Remembered(checked_text(account_id), job, newest, closed == 1)
