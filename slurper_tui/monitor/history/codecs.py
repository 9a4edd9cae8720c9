"""Encodes values as rows of a history and decodes them.

Jobs are stored without object keys and without the passwords in addresses; drafts keep their object
keys until their step is over.

A file may be damaged in any column, so every value is checked when it is read: the functions that
decode a row raise one of `UNREADABLE` if the row is invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.format import END_OF_CALENDAR
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, RetryLink, What
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Draft, Plan, Step, StepState
from slurper_tui.monitor.model.samples import Recorded, StoredJob, to_ms
from slurper_tui.monitor.model.verification import Tally, Verification

Row = tuple[Any, ...]

T = TypeVar("T")

UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError, msgspec.MsgspecError)
"""Exceptions raised for an invalid row."""

LATEST_MS = round(END_OF_CALENDAR * 1000)
"""Milliseconds since 1970; a later time is invalid."""

_GREATEST = 2**63 - 1
"""The largest integer of SQLite; no counter of the API is larger."""

_ADDRESS = r"(?is)((?:[a-z][a-z0-9+.-]*:)?//)?(.*)"
"""An optional scheme, and the rest."""

_HOST = r"[^/?#@:]+\.[^/?#@:]+(?:[/?#]|$)"
"""A host name with dots, without a port, before a path: a later `@` belongs to the path."""

_FLAGS = (0, 1)

_job = msgspec.json.Decoder(Job)
_last = msgspec.json.Decoder(Recorded)


def readable(rows: Iterable[Row], read: Callable[[Row], T]) -> Iterator[T]:
    """Yield the decoded rows; skip invalid ones."""
    for row in rows:
        try:
            value = read(row)
        except UNREADABLE:
            continue
        yield value


def decoded(raw: bytes) -> str | bytes:
    """Decode SQLite text; return bytes, which no check accepts, if it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def checked_time(at: object) -> float:
    """Return stored milliseconds as UTC seconds. Raises ValueError."""
    if type(at) is not int or not 0 <= at <= LATEST_MS:
        raise ValueError("no time")
    return at / 1000


def checked_text(value: object) -> str:
    """Return a stored text. Raises ValueError if it is none."""
    if type(value) is not str:
        raise ValueError("no text")
    return value


def checked_texts(row: Row) -> tuple[str, ...]:
    """Return a row of texts. Raises ValueError if a value is not a text."""
    return tuple(map(checked_text, row))


def text(value: str) -> str:
    """Return text that UTF-8 can encode: a lone surrogate, which JSON allows, becomes `?`."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def sample_row(sample: Recorded) -> Row:
    """Encode a sample as a row, without its job."""
    values = (getattr(sample.counts, name) for name in Counts.__struct_fields__)
    counts = (None if value is None else min(value, _GREATEST) for value in values)
    status = None if sample.status is None else text(sample.status)
    return (to_ms(sample.at), *counts, status, int(sample.after_gap), int(sample.stalled))


SAMPLE_COLUMNS = "at, objects, transferred, skipped, failed, status, after_gap, stalled"
"""The columns of `samples` that `sample_of` decodes, in its order."""


def sample_of(row: Row) -> Recorded:
    """Decode a row of `samples`. Raises ValueError if it is invalid."""
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


def last_text(sample: Recorded) -> str:
    """Encode a sample as JSON, with the same values as in its row."""
    return msgspec.json.encode(sample_of(sample_row(sample))).decode()


def job_text(job: Job) -> str:
    """Encode a job as JSON, without unknown fields, object keys and passwords."""
    source, target = job.source, job.target and replace(job.target, extra={})
    if source is not None:
        endpoint = source.endpoint and place_text(source.endpoint)
        source = replace(source, endpoint=endpoint, keys=None, extra={})
    bare = replace(job, source=source, target=target, extra={})
    try:
        return msgspec.json.encode(bare).decode()
    except UnicodeEncodeError:
        import json  # takes 1 ms; only for text that is not valid Unicode

        return text(json.dumps(msgspec.to_builtins(bare), ensure_ascii=False))


def place_text(url: str) -> str:
    """Return an address without user, password, query and fragment.

    A password may contain characters that usually end a host name; in doubt, less of the address is
    kept.
    """
    if not {"@", "?", "#"} & set(url):
        return text(url.rstrip("/"))
    found = re.fullmatch(_ADDRESS, url)
    scheme, rest = found.groups("") if found else ("", url)
    bare = rest if re.match(_HOST, rest) else rest.rpartition("@")[2]
    return text(scheme + re.split(r"[?#]", bare, maxsplit=1)[0].rstrip("/"))


BaseUrls = str | Mapping[str, str]
"""The base URL of all accounts, or that of each account by its id; "" is for all others."""


class Places:
    """The base URL under which each account is stored, and the conditions that select accounts.

    Two addresses of the API are two services: the same ids may mean other jobs there.
    """

    def __init__(self, base_urls: BaseUrls) -> None:
        by_account = {"": base_urls} if isinstance(base_urls, str) else base_urls
        self._default = place_text(by_account.get("", ""))
        places = {id: place_text(url) for id, url in by_account.items() if id}
        self._others = {id: url for id, url in places.items() if url != self._default}

    def of(self, account_id: str) -> str:
        """Return the address of an account."""
        return self._others.get(account_id, self._default)

    def where(self, accounts: Sequence[str] = ()) -> tuple[str, Row]:
        """Return a WHERE condition for these accounts, all if none are given, and its values."""
        groups: dict[str, list[str]] = {}
        for account_id in accounts or self._others:
            groups.setdefault(self.of(account_id), []).append(account_id)
        parts = [f"base_url = ? AND account_id IN ({_marks(ids)})" for ids in groups.values()]
        values = [value for url, ids in groups.items() for value in (url, *ids)]
        if not accounts:
            others = [*self._others]
            parts.append(f"base_url = ? AND account_id NOT IN ({_marks(others)})")
            if not others:
                return "base_url = ?", (self._default,)
            values += [self._default, *others]
        return f"({' OR '.join(parts)})" if len(parts) > 1 else parts[0], tuple(values)


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def job_of(json_text: bytes) -> Job:
    """Decode a job from JSON. Raises one of `UNREADABLE` if it is invalid."""
    return _job.decode(json_text)


def stored_job_of(row: Row) -> StoredJob:
    """Decode a row of `jobs`. Raises one of `UNREADABLE` if it is invalid."""
    account_id, job_id, json_text, last, closed = row
    job = job_of(json_text)
    if closed not in _FLAGS or not job.id or text(job.id) != job_id:
        raise ValueError("no job")
    newest = None if last is None else _last.decode(last)
    if newest is not None:
        counts = newest.counts
        numbers = (counts.objects, counts.transferred, counts.skipped, counts.failed)
        if not 0 <= newest.at <= END_OF_CALENDAR:
            raise ValueError("no time")
        if not all(number is None or 0 <= number <= _GREATEST for number in numbers):
            raise ValueError("no count")
    return StoredJob(checked_text(account_id), job, newest, closed == 1)


_MOST_ROWS = 10**100
"""No log has more rows; a larger number is damage and too long to print."""

_counts = msgspec.json.Decoder(LogCounts)
_draft = msgspec.json.Decoder(Draft)
_verification = msgspec.json.Decoder(Verification)
_words = msgspec.json.Decoder(tuple[str, ...])


def key_row(key: JobKey) -> Row:
    """Encode a job's ids as columns."""
    return (text(key.account_id), text(key.job_id))


def event_row(event: Event) -> Row:
    """Encode an event as a row."""
    texts = (str(event.what), text(event.detail), text(event.message))
    return (*key_row(event.key), to_ms(event.at), *texts)


def event_of(key: JobKey, row: Row) -> Event:
    """Decode a row of `events`, without the columns of its job. Raises ValueError."""
    at, what, detail, said = row
    return Event(key, checked_time(at), What(what), checked_text(detail), checked_text(said))


def link_row(link: RetryLink) -> Row:
    """Encode a retry link as a row."""
    return (*key_row(link.child), *key_row(link.parent), link.keys, words_text(link.log_types))


def link_of(row: Row) -> RetryLink:
    """Decode a row of `ties`. Raises one of `UNREADABLE` if it is invalid."""
    *ids, keys, log_types = row
    account_id, job_id, parent_account_id, parent_job_id = checked_texts(tuple(ids))
    child, parent = JobKey(account_id, job_id), JobKey(parent_account_id, parent_job_id)
    return RetryLink(child, parent, _number(keys), _words.decode(checked_text(log_types)))


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no number")
    return value


def counts_row(key: JobKey, counts: LogCounts) -> Row:
    """Encode a job's log counts as a row."""
    return (*key_row(key), to_ms(counts.read_at), _json(counts))


def counts_of(row: Row) -> tuple[JobKey, LogCounts]:
    """Decode a row of `log_counts`. Raises one of `UNREADABLE` if it is invalid."""
    account_id, job_id, json_text = row
    counts = _counts.decode(json_text)
    checked_time(to_ms(counts.read_at))
    if not all(0 <= number < _MOST_ROWS for number in counts.by_type.values()):
        raise ValueError("no counts")
    return JobKey(checked_text(account_id), checked_text(job_id)), counts


def plan_row(plan: Plan) -> Row:
    """Encode a plan as a row, without its id and its steps."""
    retry = key_row(plan.retry_of) if plan.retry_of else (None, None)
    return (text(plan.account_id), to_ms(plan.made_at), *retry, words_text(plan.log_types))


def plan_of(row: Row, steps: Sequence[Step]) -> Plan:
    """Decode a row of `plans`, with its id. Raises one of `UNREADABLE` if it is invalid."""
    plan_id, account_id, made_at, *retried, log_types = row
    retry = None if retried == [None, None] else JobKey(*checked_texts(tuple(retried)))
    types = _words.decode(checked_text(log_types))
    made = checked_time(made_at)
    return Plan(_number(plan_id), checked_text(account_id), made, tuple(steps), retry, types)


def step_row(step: Step) -> Row:
    """Encode a step as a row, without its number."""
    job_id = None if step.job_id is None else text(step.job_id)
    return (str(step.state), to_ms(step.at), job_id, text(step.message), draft_text(step))


def step_of(row: Row) -> Step:
    """Decode a row of `steps`, with its number. Raises one of `UNREADABLE` if it is invalid."""
    number, state, at, job_id, said, draft = row
    job_id = None if job_id is None else checked_text(job_id)
    then = checked_time(at)
    return Step(
        _number(number), _decode(_draft, draft), StepState(state), then, job_id, checked_text(said)
    )


def words_text(words: Sequence[str]) -> str:
    """Encode a list of words as JSON."""
    return _json([text(word) for word in words])


def draft_text(step: Step) -> str:
    """Encode a step's draft as JSON: never with a password, without keys once the step is over."""
    draft = step.draft
    if step.state.over and draft.keys:
        draft = replace(draft, keys=())
    if draft.endpoint and "@" in draft.endpoint:
        draft = replace(draft, endpoint=place_text(draft.endpoint))
    return _json(draft)


def verification_row(result: Verification) -> Row:
    """Encode a verification as a row; its jobs and times are only in columns of their own."""
    at = to_ms(result.started_at)
    rest = replace(result, account_id="", jobs=(), started_at=0.0, ended_at=0.0)
    took = max(0, to_ms(result.ended_at) - at)
    return (text(result.account_id), words_text(sorted(result.jobs)), at, took, _json(rest))


def verification_of(row: Row) -> Verification:
    """Decode a row of `verifications`. Raises one of `UNREADABLE` if it is invalid."""
    account_id, jobs, at, took, json_text = row
    started_at, result = checked_time(at), _decode(_verification, json_text)
    for tally in (result.tally, *(of_prefix for _, of_prefix in result.by_prefix)):
        _check_tally(tally)
    return replace(
        result,
        account_id=checked_text(account_id),
        jobs=_words.decode(checked_text(jobs)),
        started_at=started_at,
        ended_at=checked_time(at + _number(took)),
    )


def _check_tally(tally: Tally) -> None:
    """Raise ValueError for a number that no bucket can have."""
    numbers = (tally.size_unknown, tally.etags, tally.bytes)
    for number in (*numbers, *tally.counts.values(), *tally.not_compared.values()):
        if not 0 <= number < _MOST_ROWS:
            raise ValueError("no tally")


def _decode(decoder: msgspec.json.Decoder[T], json_text: bytes) -> T:
    """Decode JSON that `_json` encoded, with lone surrogates too."""
    try:
        return decoder.decode(json_text)
    except msgspec.DecodeError:
        import json  # takes 1 ms; only for text that is not valid Unicode

        return msgspec.convert(json.loads(json_text), decoder.type)


def _json(value: object) -> str:
    """Encode a value as JSON that UTF-8 can encode: a lone surrogate is escaped."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        import json  # takes 1 ms; only for text that is not valid Unicode

        return json.dumps(msgspec.to_builtins(value))
