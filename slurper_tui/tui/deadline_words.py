"""How jobs stand against the deadline: in a cell, in the details, and for all of them."""

from __future__ import annotations

from collections.abc import Iterator

from slurper_tui import format as words
from slurper_tui.eta import finish
from slurper_tui.monitor.estimate.deadline import (
    Promise,
    Standing,
    against,
    against_all,
    needed_words,
    promise_words,
)
from slurper_tui.monitor.model.job import JobView
from slurper_tui.tui.columns import Facts
from slurper_tui.tui.glyphs import Look
from slurper_tui.tui.lines import Line, Piece, wrap
from slurper_tui.tui.scene import Scene

_ROLES = {
    Standing.DONE: "success",
    Standing.ON_TRACK: "success",
    Standing.UNKNOWN: "muted",
    Standing.AT_RISK: "warning",
    Standing.WILL_MISS: "error",
}


def deadline_cell(view: JobView, facts: Facts) -> Line:
    """Say it in eight cells: `on track`, `at risk`, `late 3h`, `passed`; nothing once done."""
    if facts.deadline is None:
        return ()
    promise = against(view, facts.deadline, facts.now)
    unknown = promise.standing is Standing.UNKNOWN
    word = "" if unknown and not view.live else _short(promise)
    return (Piece(facts.look.glyphs.say(word), _ROLES[promise.standing]),) if word else ()


def _short(promise: Promise) -> str:
    if promise.standing is Standing.DONE:
        return f"late {words.age(promise.low)}" if promise.low else ""
    if promise.standing is Standing.UNKNOWN:
        return words.DASH
    if promise.standing is Standing.WILL_MISS:
        return "passed" if promise.passed else f"late {words.age(promise.low or 0.0)}"
    return "at risk" if promise.standing is Standing.AT_RISK else "on track"


def deadline_lines(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Say in full how a job stands, and the rate that it would take."""
    if facts.deadline is None:
        return
    promise = against(view, facts.deadline, facts.now)
    minute = facts.deadline // 60 * 60
    due = finish(minute, minute, facts.now, facts.look.zone)
    yield (Piece(f"due {facts.look.glyphs.say(due)}", "muted"),)
    for part in wrap(_said(promise_words(promise), facts.look), width):
        yield (Piece(part, _ROLES[promise.standing]),)
    needed = needed_words(promise)
    yield from [(Piece(needed, "muted"),)] if needed else []


def deadline_total(scene: Scene, look: Look) -> tuple[Line, Line]:
    """Say how all shown jobs stand together: in full, and in a word; nothing without a deadline."""
    if scene.deadline is None or not scene.jobs:
        return (), ()
    promise = against_all(scene.jobs, scene.deadline, scene.now)
    if scene.snapshot and scene.snapshot.unstarted and promise.standing <= Standing.ON_TRACK:
        promise = Promise(Standing.UNKNOWN, reason="jobs are still to be started")
    role = _ROLES[promise.standing]
    full = _said(promise_words(promise), look)
    needed = needed_words(promise)
    rest = (Piece(f"  {needed}", "muted"),) if needed else ()
    short = _short(promise)
    return (Piece(full, role), *rest), (Piece(look.glyphs.say(short), role),) if short else ()


def _said(text: str, look: Look) -> str:
    return look.glyphs.clean(look.glyphs.say(text))
