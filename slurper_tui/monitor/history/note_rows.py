"""Between what is noted and the rows of a history: no secret gets past here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.draft import Draft
from slurper_tui.monitor.event import Event, Tie, What
from slurper_tui.monitor.history.rows import Row, place_text, text, to_ms
from slurper_tui.monitor.job_key import JobKey
from slurper_tui.monitor.log_view import LogCounts
from slurper_tui.monitor.plan_view import Plan, Step, StepState

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


def event_of(key: JobKey, row: Row) -> Event | None:
    """The event of such a row, without its job; None for one that is not to be read."""
    at, what, detail, said = row
    with suppress(ValueError):
        return Event(key, at / 1000, What(what), detail, said)
    return None


def tie_row(tie: Tie) -> Row:
    """A tie."""
    return (*key_row(tie.child), *key_row(tie.parent), tie.keys, words_text(tie.log_types))


def tie_of(row: Row) -> Tie:
    """The tie of such a row. Raises MsgspecError."""
    account_id, job_id, parent_account_id, parent_job_id, keys, log_types = row
    child, parent = JobKey(account_id, job_id), JobKey(parent_account_id, parent_job_id)
    return Tie(child, parent, keys, _words.decode(log_types))


def counts_row(key: JobKey, counts: LogCounts) -> Row:
    """What a job's log holds, in JSON."""
    return (*key_row(key), to_ms(counts.read_at), _json(counts))


def counts_of(told: bytes) -> LogCounts | None:
    """What such a text says; None for one that is not to be read."""
    with suppress(msgspec.MsgspecError):
        return _counts.decode(told)
    return None


def plan_row(plan: Plan) -> Row:
    """A plan without its steps and its id."""
    retry = key_row(plan.retry_of) if plan.retry_of else (None, None)
    return (text(plan.account_id), to_ms(plan.made_at), *retry, words_text(plan.log_types))


def plan_of(row: Row, steps: Sequence[Step]) -> Plan:
    """The plan of such a row, behind its id. Raises MsgspecError."""
    plan_id, account_id, made_at, retry_account_id, retry_job_id, log_types = row
    retry = None if retry_account_id is None else JobKey(retry_account_id, retry_job_id)
    return Plan(plan_id, account_id, made_at / 1000, tuple(steps), retry, _words.decode(log_types))


def step_row(step: Step) -> Row:
    """A step, without its number."""
    job_id = None if step.job_id is None else text(step.job_id)
    return (str(step.state), to_ms(step.at), job_id, text(step.said), draft_text(step))


def step_of(row: Row) -> Step:
    """The step of such a row, behind its number. Raises MsgspecError, ValueError."""
    number, state, at, job_id, said, draft = row
    return Step(number, _draft_of(draft), StepState(state), at / 1000, job_id, said)


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
