"""Plans as rows: what each waits for, and how each of its jobs stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.cells import cell_len

from slurper_tui import format as words
from slurper_tui.monitor.model.plans import Draft, PlanView, Step, StepState
from slurper_tui.tui.render.columns import short_id
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, pad, shorten, wrap
from slurper_tui.tui.widgets.job_table import wrap_words

NONE_YET = (
    "There are no plans.",
    "",
    "A split by prefix makes one, and so does a retry of more than 10,000 keys: their jobs are "
    "started one after another, as slots become free.",
)
NEEDS_KEYS = "needs the keys to its buckets again"
_STATE = 13
_NARROW = 50

_SIGNS: dict[StepState, tuple[str, str, str]] = {
    StepState.WAITING: ("◔", "~", "muted"),
    StepState.SENDING: ("▶", ">", "primary"),
    StepState.STARTED: ("✔", "+", "success"),
    StepState.UNDECIDED: ("?", "?", "warning"),
    StepState.REFUSED: ("✖", "x", "error"),
    StepState.CANCELLED: ("·", ".", "muted"),
}


class Place(NamedTuple):
    """What the cursor can stand on: a plan (number 0) or one of its jobs."""

    plan_id: int
    number: int = 0


class Row(NamedTuple):
    """A line, and what it is of; None where the cursor does not stop."""

    line: Line
    place: Place | None = None


def plan_rows(plans: Iterable[PlanView], look: Look, now: float, width: int) -> Iterator[Row]:
    """Every plan with its jobs, an empty line between two."""
    told = False
    for view in plans:
        if told:
            yield Row(())
        told = True
        yield from _plan(view, look, now, width)
    if not told:
        for text in NONE_YET:
            yield from (Row((Piece(part, "muted"),)) for part in wrap_words(text, max(8, width)))


def waits_for_keys(view: PlanView) -> bool:
    """Something is still to be sent, and the keys to the buckets are not known."""
    waiting = any(step.state is StepState.WAITING for step in view.plan.steps)
    return waiting and not view.has_secrets


def _plan(view: PlanView, look: Look, now: float, width: int) -> Iterator[Row]:
    plan = view.plan
    title = shorten(_title(view, look), max(8, width - 2), look.glyphs.ellipsis)
    yield Row((Piece("  "), Piece(title, "strong")), Place(plan.id))
    for text, role in _state_of(view, look, now):
        for part in wrap_words(text, max(8, width - 2)):
            yield Row((Piece("  "), Piece(part, role)))
    room = len(str(len(plan.steps)))
    for step in plan.steps:
        yield from _step(step, plan.id, room, look, now, width)


def _title(view: PlanView, look: Look) -> str:
    draft = view.plan.steps[0].draft
    arrow = look.glyphs.say(" → ")
    title = look.glyphs.clean(draft.bucket) + arrow + look.glyphs.clean(draft.target)
    retry = view.plan.retry_of
    return f"{title}  retry of {short_id(retry.job_id, look)}" if retry else title


def _state_of(view: PlanView, look: Look, now: float) -> Iterator[tuple[str, str]]:
    """When it was made and how many of its jobs stand how; what it waits for."""
    counts = Counter(step.state for step in view.plan.steps)
    parts = [f"{counts[state]} {state}" for state in StepState if counts[state]]
    made = words.moment(view.plan.made_at, now or view.plan.made_at, look.zone)
    dot = look.glyphs.say(" · ")
    yield look.glyphs.clean(dot.join([f"made {made}", ", ".join(parts)])), "muted"
    if waits_for_keys(view):
        yield NEEDS_KEYS, "warning"
    elif view.note:
        yield look.glyphs.clean(look.glyphs.say(view.note)), "accent"
    if not view.durable and not view.plan.over:
        yield "the history is off: it is forgotten when this program ends", "warning"


def _step(step: Step, plan_id: int, room: int, look: Look, now: float, width: int) -> Iterator[Row]:
    unicode, plain, role = _SIGNS[step.state]
    sign = plain if look.glyphs.ascii_only else unicode
    number = pad(str(step.number), room, right=True)
    head = (Piece(f"  {number} ", "faint"), Piece(pad(f"{sign} {step.state}", _STATE), role))
    after = _after(step, look, now) if width >= _NARROW else ""
    left = max(4, width - 3 - room - _STATE - (cell_len(after) + 1 if after else 0))
    name = shorten(_name(step.draft, look), left, look.glyphs.ellipsis)
    tail = (Piece(pad(name, left)), Piece(f" {after}" if after else "", "muted"))
    yield Row((*head, *tail), Place(plan_id, step.number))
    if step.said and step.state in (StepState.UNDECIDED, StepState.REFUSED):
        indent = " " * (3 + room)
        for part in wrap(look.glyphs.clean(step.said), max(8, width - len(indent))):
            yield Row((Piece(indent), Piece(part, "muted")))


def _after(step: Step, look: Look, now: float) -> str:
    """When it came to stand so, and which job it is."""
    told = step.at and step.state is not StepState.WAITING
    when = words.moment(step.at, now or step.at, look.zone) if told else ""
    return "  ".join(filter(None, (when, short_id(step.job_id, look) if step.job_id else "")))


def _name(draft: Draft, look: Look) -> str:
    if draft.path_prefix:
        return look.glyphs.clean(draft.path_prefix)
    return f"{words.count(len(draft.keys))} keys" if draft.keys else ""
