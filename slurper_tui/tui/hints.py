"""Which keys the status line offers: at most seven, and only those that do something now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from slurper_tui.monitor.model.events import RequestState
from slurper_tui.tui.keys import DEFAULT_KEYS, key_sign
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.scene import Scene

MOST_HINTS = 7

Hint = tuple[str, str]
"""Keys as a person reads them, and their short word."""


def _has_trouble(scene: Scene) -> bool:
    snapshot = scene.snapshot
    if snapshot is None:
        return False
    lost = snapshot.history_note.startswith(("history off", "history begun"))
    if lost or snapshot.budget.blocked_until is not None:
        return True
    if any(a.problem for a in snapshot.accounts) or any(v.problem for v in snapshot.jobs):
        return True
    return _was_asked(scene)


def _was_asked(scene: Scene) -> bool:
    """What was asked of some job was refused, or came to nothing known."""
    jobs = scene.snapshot.jobs if scene.snapshot else ()
    requests = (view.request for view in jobs if view.request)
    return any(r.standing in (RequestState.REFUSED, RequestState.UNDECIDED) for r in requests)


def _has_ended(scene: Scene) -> bool:
    return scene.view.hide_ended or any(not view.live for view in scene.jobs)


def _has_failed(scene: Scene) -> bool:
    return scene.job is not None and bool(scene.job.counts.failed or scene.job.not_copied)


def _can(id: str, scene: Scene) -> bool:
    """Jobs may be changed, and this can be done to the highlighted or the marked ones."""
    if not scene.writing:
        return False
    from slurper_tui.tui.able import why_not_now  # only where jobs may be changed

    return not why_not_now(id, scene, "")


_OFFERS: tuple[tuple[tuple[str, ...], str, Callable[[Scene], bool]], ...] = (
    (("list.ended",), "ended", _has_ended),
    (("list.sort-left", "list.sort-right"), "sort", lambda scene: len(scene.jobs) > 1),
    (("show.log",), "log", lambda scene: scene.job is not None),
    (("show.failures",), "failures", _has_failed),
    (("pane.open",), "open", lambda scene: scene.line is not None and not scene.line.is_folded),
    (("pane.open",), "unfold", lambda scene: scene.line is not None and scene.line.is_folded),
    (("list.filter",), "filter", lambda scene: scene.total > 1),
    (("change.resume",), "resume", partial(_can, "change.resume")),
    (("change.pause",), "pause", partial(_can, "change.pause")),
    (("change.abort",), "abort", partial(_can, "change.abort")),
    (("show.help",), "help", lambda _: True),
    (("app.quit",), "quit", lambda _: True),
    (("show.problem",), "problem", _has_trouble),
)


def hints_for(scene: Scene, keymap: Mapping[str, str], look: Look) -> tuple[Hint, ...]:
    """Give the hints that work now, the least important first."""
    offered = [(ids, word) for ids, word, works in _OFFERS if works(scene)]
    return tuple(
        (" ".join(hint_sign(id, keymap, look) for id in ids), word)
        for ids, word in offered[-MOST_HINTS:]
    )


def hint_sign(id: str, keymap: Mapping[str, str], look: Look) -> str:
    """Give an action's first key as a person reads it."""
    keys = keymap.get(id) or DEFAULT_KEYS[id]
    return look.glyphs.say(key_sign(keys.split(",")[0].strip()))
