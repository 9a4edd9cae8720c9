"""Key bindings of the main screen and the job pages, key hints, and the check on confirming keys.

`MAIN_KEYS` are the bindings of the main screen; each names an `action_…` of `MainScreen`, and the
README lists its id. `LOG_KEYS` and `FAILURE_KEYS` are those of the pages about one job; a binding
that exists on both keeps its id, so that one keymap entry changes both.
`hints_for` chooses at most seven hints for the status line, only from keys that do something now.

The input layer marks each key with what arrived together with it (`set_context`); a dialog asks
`may_confirm`, so that pasted or garbled input never confirms a change. Times in both are seconds on
the clock of `Message.time`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.events import Key
from textual.message import Message

from slurper_tui.tui.render.glyphs import Look

if TYPE_CHECKING:
    from slurper_tui.tui.state import ScreenState


def _key(
    keys: str, action: str, id: str, word: str, tooltip: str, *, at_once: bool = False
) -> Binding:
    """Build a binding.

    at_once: the key opens an input line, so it is handled with priority, before the next key.
    """
    return Binding(keys, action, word, id=id, tooltip=tooltip, priority=at_once)


def _moves(down: str, up: str, top: str, bottom: str) -> tuple[Binding, ...]:
    """Build the bindings that move the cursor, with these tooltips."""
    return (
        _key("down,j", "move(1)", "move.down", "down", down),
        _key("up,k", "move(-1)", "move.up", "up", up),
        _key("g,home", "ends(-1)", "move.top", "top", top),
        _key("G,end", "ends(1)", "move.bottom", "bottom", bottom),
        _key("ctrl+d,pagedown", "page(1)", "move.page-down", "page down", "Go one page down."),
        _key("ctrl+u,pageup", "page(-1)", "move.page-up", "page up", "Go one page up."),
    )


_LOG = _key("l", "log", "show.log", "log", "Read this job's log.")
_FAILURES = _key(
    "e", "failures", "show.failures", "failures", "Tell what failed, by reason and prefix."
)
_PROBLEM = _key(
    "exclamation_mark", "problem", "show.problem", "problem", "Tell the problem in full."
)
_REPAINT = _key("ctrl+l", "repaint", "screen.repaint", "repaint", "Draw the whole screen again.")

MAIN_KEYS: tuple[Binding, ...] = (
    *_moves(
        "Highlight the next job, or scroll down.",
        "Highlight the previous job, or scroll up.",
        "Go to the first job.",
        "Go to the last job.",
    ),
    _key("tab", "other_pane", "pane.next", "next pane", "Move between the list and the details."),
    _key("enter", "open", "pane.open", "open", "Look at the highlighted job."),
    _key("escape", "back", "pane.back", "back", "Go back, or clear the filter."),
    _key("right", "unfold", "list.unfold", "unfold", "Show the jobs of this migration."),
    _key("left", "fold", "list.fold", "fold", "Show this migration as one row."),
    _key("m", "migrations", "list.migrations", "migrations", "Fold jobs into migrations, or not."),
    _key("M", "zoom", "pane.maximise", "maximise", "Give this pane the whole screen, or share it."),
    _key(
        "slash",
        "filter",
        "list.filter",
        "filter",
        "Show only jobs that match words.",
        at_once=True,
    ),
    _key("less_than_sign", "sort(-1)", "list.sort-left", "sort", "Sort by the previous column."),
    _key("greater_than_sign", "sort(1)", "list.sort-right", "sort", "Sort by the next column."),
    _key("I", "invert", "list.invert", "invert", "Turn the order around."),
    _key("a", "ended", "list.ended", "ended", "Hide or show the ended jobs."),
    _key("space", "mark", "list.mark", "mark", "Mark this job, to pause or resume several."),
    _LOG,
    _FAILURES,
    _key("E", "export", "show.export", "export", "Save the exact keys of what failed to a file."),
    _key("v", "receipt", "show.receipt", "receipt", "Show the receipt of an ended job."),
    _key("W", "unlock", "change.unlock", "unlock", "Allow, or no longer allow, changing jobs."),
    _key("P", "change('pause')", "change.pause", "pause", "Pause this job, or those marked."),
    _key("U", "change('resume')", "change.resume", "resume", "Resume this job, or those marked."),
    _key("X", "change('abort')", "change.abort", "abort", "Abort this job, for good."),
    _key("r", "refresh_job", "poll.job", "refresh", "Ask for this job now."),
    _key("R", "refresh_all", "poll.all", "refresh all", "Ask for everything now."),
    _key("z", "freeze", "poll.freeze", "freeze", "Hold the screen still; polling goes on."),
    _key("plus", "interval(1)", "poll.slower", "slower", "Ask less often."),
    _key("minus", "interval(-1)", "poll.faster", "faster", "Ask more often."),
    _key("y", "copy_id", "copy.id", "copy id", "Copy the job's id; twice shows it in full."),
    _key(
        "Y", "copy_json", "copy.json", "copy JSON", "Copy the job as JSON; twice shows it in full."
    ),
    _key("d", "digest", "show.digest", "digest", "Tell what happened since you last looked."),
    _key("t", "window(1)", "picture.longer", "longer", "Show more of the past in the pictures."),
    _key("T", "window(-1)", "picture.shorter", "shorter", "Show less of the past."),
    _PROBLEM,
    _key("question_mark", "help", "show.help", "help", "Show all keys."),
    _key(
        "colon,ctrl+p",
        "palette",
        "show.palette",
        "palette",
        "Find a job or an action by name.",
        at_once=True,
    ),
    _REPAINT,
    _key(
        "ctrl+z",
        "app.suspend_process",
        "app.suspend",
        "suspend",
        "Go to the background, as the shell's fg undoes.",
    ),
    _key("q", "app.leave", "app.quit", "quit", "Leave; the jobs go on."),
)

_PAGE_MOVES = _moves(
    "Go one row down.", "Go one row up.", "Go to the first row.", "Go to the last row."
)
_ON_EVERY_PAGE = (
    _PROBLEM,
    _key("question_mark", "help", "show.help", "keys", "Show the keys of this page."),
    _REPAINT,
    _key("escape,q", "back", "page.back", "back", "Go back to the jobs."),
)

LOG_KEYS: tuple[Binding, ...] = (
    *_PAGE_MOVES,
    _key("f", "follow", "log.follow", "follow", "Stay on the newest row, or no longer."),
    _key("w", "wrap", "log.wrap", "wrap", "Show rows in full, or one line each."),
    _key("t", "times", "log.times", "times", "Tell times by the clock, or how long ago."),
    _key("slash", "type('/')", "log.search", "search", "Search for words.", at_once=True),
    _key("n", "match(1)", "log.next", "next", "Go to the next older match."),
    _key("N", "match(-1)", "log.previous", "previous", "Go to the next newer match."),
    _key("T", "kind", "log.type", "type", "Show one type alone; then the next, then all."),
    _key(
        "ampersand",
        "type('&')",
        "log.text",
        "text",
        "Show only rows that hold these words; !word leaves out.",
        at_once=True,
    ),
    _key("enter", "open", "pane.open", "open", "Show this row in full."),
    _key("y", "copy", "log.copy", "copy key", "Copy the row's key, exactly; twice shows it."),
    _key("s", "save", "log.save", "save", "Save what is read to a file in this folder."),
    _FAILURES,
    *_ON_EVERY_PAGE,
)

FAILURE_KEYS: tuple[Binding, ...] = (
    *_PAGE_MOVES,
    _key("enter", "unfold", "pane.open", "unfold", "Show what this holds, or all of it."),
    _key("right", "unfold", "list.unfold", "unfold", "Show what this holds."),
    _key("left", "fold", "list.fold", "fold", "Fold it again."),
    _key("E", "export", "show.export", "export", "Save the exact keys of this reason to a file."),
    _key("c", "retry", "failures.retry", "retry", "Draft a job of exactly what failed."),
    _key("y", "copy", "failures.copy", "copy", "Copy this key, prefix or message, exactly."),
    _LOG,
    *_ON_EVERY_PAGE,
)

INTERVALS = (2.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0)
"""The polling intervals that `+` and `-` step through, in seconds."""

_SIGNS = {
    "slash": "/",
    "ampersand": "&",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "exclamation_mark": "!",
    "question_mark": "?",
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "space": "Space",
    "enter": "Enter",
    "escape": "Esc",
    "tab": "Tab",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "home": "Home",
    "end": "End",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def key_sign(key: str) -> str:
    """Return a Textual key name as it is shown: `/`, `^p`, `Enter`."""
    if key.startswith("ctrl+"):
        return f"^{key.removeprefix('ctrl+')}"
    return _SIGNS.get(key, key)


def next_interval(seconds: float, step: int) -> float:
    """Return the next longer (step 1) or shorter (step -1) interval, or the last one."""
    if step > 0:
        return next((i for i in INTERVALS if i > seconds), INTERVALS[-1])
    return next((i for i in reversed(INTERVALS) if i < seconds), INTERVALS[0])


MOST_HINTS = 7

Hint = tuple[str, str]
"""The shown keys and their short word."""


def _has_trouble(state: ScreenState) -> bool:
    snapshot = state.snapshot
    if snapshot is None:
        return False
    lost = snapshot.history_note.startswith(("history off", "history begun"))
    if lost or snapshot.budget.blocked_until is not None:
        return True
    return any(a.problem for a in snapshot.accounts) or snapshot.job_has_problem


def _can(id: str, state: ScreenState) -> bool:
    """Return whether changes are allowed and this one works for the highlighted or marked jobs."""
    if not state.writing:
        return False
    from slurper_tui.tui.availability import why_not_now  # only needed where jobs may be changed

    return not why_not_now(id, state, "")


_OFFERS: tuple[tuple[tuple[str, ...], Callable[[ScreenState], bool]], ...] = (
    (
        ("list.ended",),
        lambda state: state.view.hide_ended or any(not view.live for view in state.jobs),
    ),
    (("list.sort-left", "list.sort-right"), lambda state: len(state.jobs) > 1),
    (("show.log",), lambda state: state.job is not None),
    (
        ("show.failures",),
        lambda state: bool(state.job and (state.job.counts.failed or state.job.not_copied)),
    ),
    (("pane.open",), lambda state: state.line is not None),
    (("list.filter",), lambda state: state.total > 1),
    (("change.resume",), partial(_can, "change.resume")),
    (("change.pause",), partial(_can, "change.pause")),
    (("change.abort",), partial(_can, "change.abort")),
    (("show.help",), lambda _: True),
    (("app.quit",), lambda _: True),
    (("show.problem",), _has_trouble),
)
"""The hints of the main screen, the least important first, and when their keys do something."""


def hints_for(state: ScreenState, keymap: Mapping[str, str], look: Look) -> tuple[Hint, ...]:
    """Return the hints whose keys work now, the least important first."""
    offered = [ids for ids, works in _OFFERS if works(state)][-MOST_HINTS:]
    hints = (key_hint(MAIN_KEYS, ids, keymap, look) for ids in offered)
    unfolds = state.line is not None and state.line.is_folded
    return tuple((key, "unfold" if unfolds and word == "open" else word) for key, word in hints)


def key_hint(
    bindings: Sequence[Binding], ids: Sequence[str], keymap: Mapping[str, str], look: Look
) -> Hint:
    """Return the first keys of these bindings, and the word of the last one."""
    chosen = {binding.id: binding for binding in bindings}
    keys = [signs(chosen[id], keymap, look).split(" ")[0] for id in ids]
    return " ".join(keys), chosen[ids[-1]].description


def signs(binding: Binding, keymap: Mapping[str, str], look: Look) -> str:
    """Return all keys of a binding as they are shown. keymap: the user's own bindings by id."""
    keys = (keymap.get(binding.id or "") or binding.key).split(",")
    return look.to_ascii(" ".join(key_sign(key.strip()) for key in keys))


QUIET_SECONDS = 0.15
"""For this many seconds after input that could not be parsed, no key confirms anything."""


def set_context(key: Key, *, after_noise: bool, in_burst: bool) -> None:
    """Record on a key event how it arrived.

    after_noise: unparsed input arrived with it or within `QUIET_SECONDS` before it.
    in_burst: other keys arrived in the same read.
    """
    vars(key).update(after_noise=after_noise, in_burst=in_burst)


def may_confirm(event: Message, asked_at: float | None, *, alone: bool = True) -> bool:
    """Return whether an event may answer a question that has been visible since `asked_at`.

    asked_at: None while no question is open; then nothing confirms.
    alone: reject a key that arrived together with others.
    """
    context = vars(event)
    crowded = alone and context.get("in_burst", False)
    noisy = context.get("after_noise", False) or crowded
    return asked_at is not None and event.time > asked_at and not noisy
