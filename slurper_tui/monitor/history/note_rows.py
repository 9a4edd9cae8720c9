"""Between what is noted and the rows of a history: no secret gets past here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.history.rows import (
    Row,
    checked_text,
    checked_texts,
    checked_time,
    place_text,
    text,
    to_ms,
)
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie, What
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Draft, Plan, Step, StepState

_MOST_ROWS = 10**100
"""No log has more rows; a larger number is damage, and too long to be written out."""

_counts = msgspec.json.Decoder(LogCounts)
_draft = msgspec.json.Decoder(Draft)
_words = msgspec.json.Decoder(tuple[str, ...])


def key_row(key: JobKey) -> Row:
    """A job's identity."""
    return (text(key.account_id), text(key.job_id))


def event_row(event: Event) -> Row:
    """An event."""
    said = (str(event.what), text(event.detail), text(event.said))
    return (*key_row(event.key), to_ms(event.at), *said)


def event_of(key: JobKey, row: Row) -> Event:
    """The event of such a row, without its job. Raises ValueError."""
    at, what, detail, said = row
    return Event(key, checked_time(at), What(what), checked_text(detail), checked_text(said))


def tie_row(tie: Tie) -> Row:
    """A tie."""
    return (*key_row(tie.child), *key_row(tie.parent), tie.keys, words_text(tie.log_types))


def tie_of(row: Row) -> Tie:
    """The tie of such a row. Raises one of `UNREADABLE`."""
    *ids, keys, log_types = row
    account_id, job_id, parent_account_id, parent_job_id = checked_texts(tuple(ids))
    child, parent = JobKey(account_id, job_id), JobKey(parent_account_id, parent_job_id)
    return Tie(child, parent, _number(keys), _words.decode(checked_text(log_types)))


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no number")
    return value


def counts_row(key: JobKey, counts: LogCounts) -> Row:
    """What a job's log holds, in JSON."""
    return (*key_row(key), to_ms(counts.read_at), _json(counts))


def counts_of(row: Row) -> tuple[JobKey, LogCounts]:
    """Whose log such a row tells of, and what it held. Raises one of `UNREADABLE`."""
    account_id, job_id, told = row
    counts = _counts.decode(told)
    checked_time(to_ms(counts.read_at))
    if not all(0 <= number < _MOST_ROWS for number in counts.by_type.values()):
        raise ValueError("no counts")
    return JobKey(checked_text(account_id), checked_text(job_id)), counts


def plan_row(plan: Plan) -> Row:
    """A plan without its steps and its id."""
    retry = key_row(plan.retry_of) if plan.retry_of else (None, None)
    return (text(plan.account_id), to_ms(plan.made_at), *retry, words_text(plan.log_types))


def plan_of(row: Row, steps: Sequence[Step]) -> Plan:
    """The plan of such a row, behind its id. Raises one of `UNREADABLE`."""
    plan_id, account_id, made_at, *retried, log_types = row
    retry = None if retried == [None, None] else JobKey(*checked_texts(tuple(retried)))
    types = _words.decode(checked_text(log_types))
    made = checked_time(made_at)
    return Plan(_number(plan_id), checked_text(account_id), made, tuple(steps), retry, types)


def step_row(step: Step) -> Row:
    """A step, without its number."""
    job_id = None if step.job_id is None else text(step.job_id)
    return (str(step.state), to_ms(step.at), job_id, text(step.said), draft_text(step))


def step_of(row: Row) -> Step:
    """The step of such a row, behind its number. Raises one of `UNREADABLE`."""
    number, state, at, job_id, said, draft = row
    job_id = None if job_id is None else checked_text(job_id)
    then = checked_time(at)
    return Step(
        _number(number), _draft_of(draft), StepState(state), then, job_id, checked_text(said)
    )


def words_text(words: Sequence[str]) -> str:
    """Some words in JSON."""
    return _json([text(word) for word in words])


def draft_text(step: Step) -> str:
    """A step's draft in JSON: without its keys when the step is over, without any password."""
    draft = step.draft
    if step.state.over and draft.keys:
        draft = replace(draft, keys=())
    if draft.endpoint and "@" in draft.endpoint:
        draft = replace(draft, endpoint=place_text(draft.endpoint))
    return _json(draft)


def _draft_of(told: bytes) -> Draft:
    try:
        return _draft.decode(told)
    except msgspec.DecodeError:
        import json  # 1 ms, for names that are no text

        return msgspec.convert(json.loads(told), Draft)


def _json(value: object) -> str:
    """JSON that UTF-8 can hold: half a surrogate pair is escaped."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        import json  # 1 ms, for names that are no text

        return json.dumps(msgspec.to_builtins(value))
