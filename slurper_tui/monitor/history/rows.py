"""Between our values and the rows of a history: no secret and no object key gets past here."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.recorded import Recorded, Remembered
from slurper_tui.monitor.view import Counts

Row = tuple[Any, ...]

_GREATEST = 2**63 - 1
"""What SQLite can hold; no counter of the API is higher."""

_ADDRESS = r"(?is)((?:[a-z][a-z0-9+.-]*:)?//)?(.*)"
"""A scheme, if there is one, and all that follows it."""

_HOST = r"[^/?#@:]+\.[^/?#@:]+(?:[/?#]|$)"
"""A name with dots and without a port in front of a path: an `@` behind it is of the path."""

_job = msgspec.json.Decoder(Job)
_last = msgspec.json.Decoder(Recorded)


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
    """The sample that such a row holds."""
    at, objects, transferred, skipped, failed, status, after_gap, stalled = row
    counts = Counts(objects, transferred, skipped, failed)
    return Recorded(at / 1000, counts, status, after_gap != 0, stalled != 0)


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


def remembered_of(row: Row) -> Remembered | None:
    """The job of such a row; None for one that is not to be read."""
    account_id, job, last, closed = row
    with suppress(msgspec.MsgspecError):
        newest = None if last is None else _last.decode(last)
        return Remembered(account_id, _job.decode(job), newest, closed != 0)
    return None
