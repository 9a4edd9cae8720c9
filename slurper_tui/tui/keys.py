"""Key bindings of the main screen and the job pages, key hints, and the check on confirming keys.

`MAIN_KEYS` are the bindings of the main screen in the order and the groups of the help; each names
an `action_…` of `MainScreen`. After a change, `python -m tests.keys_topic` writes the help topic
with their ids. `LOG_KEYS` and `FAILURE_KEYS` are those of the log and failures pages; a binding
that exists on both keeps its id, so that one keymap entry changes both. `PALETTE_ONLY` describes
the actions without a key, which `screens.palette` carries out.
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

from slurper_tui.monitor.model.job import State

if TYPE_CHECKING:
    from slurper_tui.tui.render.glyphs import Look
    from slurper_tui.tui.state import ScreenState


MOVE = Binding.Group("Move")
LOOK = Binding.Group("Look")
ACT = Binding.Group("Act")
CHANGE = Binding.Group("Change jobs")


def _key(
    keys: str,
    action: str,
    id: str,
    word: str,
    tooltip: str,
    group: Binding.Group = LOOK,
    *,
    at_once: bool = False,
) -> Binding:
    """Build a binding.

    group: where the help lists it.
    at_once: the key opens an input line, so it is handled with priority, before the next key.
    """
    return Binding(keys, action, word, id=id, tooltip=tooltip, priority=at_once, group=group)


def _moves(down: str, up: str, top: str, bottom: str) -> tuple[Binding, ...]:
    """Build the bindings that move the cursor, with these tooltips."""
    return (
        _key("down,j", "move(1)", "move.down", "down", down, MOVE),
        _key("up,k", "move(-1)", "move.up", "up", up, MOVE),
        _key("g,home", "ends(-1)", "move.top", "top", top, MOVE),
        _key("G,end", "ends(1)", "move.bottom", "bottom", bottom, MOVE),
        _key("ctrl+d,pagedown", "page(1)", "move.page-down", "page down", "One page down.", MOVE),
        _key("ctrl+u,pageup", "page(-1)", "move.page-up", "page up", "One page up.", MOVE),
    )


_LOG = _key("l", "log", "show.log", "log", "Read the log.")
_FAILURES = _key("e", "failures", "show.failures", "failures", "Show failures by reason.")
_RETRY = _key("c", "retry", "failures.retry", "retry", "Draft jobs that copy what failed.", ACT)
_VERIFY = _key("V", "verify", "show.verify", "verify", "Compare the target with the source.")
_PROBLEM = _key(
    "exclamation_mark", "problem", "show.problem", "problem", "Show the problem in full."
)
_REPAINT = _key("ctrl+l", "repaint", "screen.repaint", "repaint", "Draw the screen again.", ACT)
_HELP_KEYS = "question_mark,f1"

MAIN_KEYS: tuple[Binding, ...] = (
    *_moves("Next job, or scroll down.", "Previous job, or scroll up.", "First job.", "Last job."),
    _key("right", "unfold", "list.unfold", "unfold", "Show the jobs of this migration.", MOVE),
    _key("left", "fold", "list.fold", "fold", "Show this migration as one row.", MOVE),
    _key("enter", "open", "pane.open", "open", "Unfold a migration, or go to the details.", MOVE),
    _key(
        "escape",
        "back",
        "pane.back",
        "back",
        "Go back, end reading, clear marks and filter.",
        MOVE,
    ),
    _key("tab", "other_pane", "pane.next", "next pane", "To the details and back.", MOVE),
    _key("M", "zoom", "pane.maximise", "maximise", "Give this pane the whole screen.", MOVE),
    _LOG,
    _FAILURES,
    _key("v", "receipt", "show.receipt", "receipt", "Show the receipt, interim while it runs."),
    _VERIFY,
    _key("d", "digest", "show.digest", "digest", "Show what happened while you were away."),
    _key("slash", "filter", "list.filter", "filter", "Show only matching jobs.", at_once=True),
    _key("less_than_sign", "sort(-1)", "list.sort-left", "sort", "Sort by the previous column."),
    _key("greater_than_sign", "sort(1)", "list.sort-right", "sort", "Sort by the next column."),
    _key("I", "invert", "list.invert", "invert", "Reverse the sort."),
    _key("a", "ended", "list.ended", "ended", "Hide or show the ended jobs."),
    _key("m", "migrations", "list.migrations", "migrations", "Fold jobs into migrations, or not."),
    _key("t", "window(1)", "picture.longer", "longer", "Charts over a longer time."),
    _key("T", "window(-1)", "picture.shorter", "shorter", "Charts over a shorter time."),
    _PROBLEM,
    _key(_HELP_KEYS, "help", "show.help", "help", "Show all keys and signs."),
    _key("E", "export", "show.export", "export", "Save the exact failed keys to a file.", ACT),
    _RETRY,
    _key(
        "y",
        "copy_id",
        "copy.id",
        "copy id",
        "Copy the id or ids; again: show in full.",
        ACT,
    ),
    _key("Y", "copy_json", "copy.json", "copy JSON", "Copy as JSON; again: show it in full.", ACT),
    _key("space", "mark", "list.mark", "mark", "Mark, to pause or resume several.", ACT),
    _key("r", "refresh_job", "poll.job", "refresh", "Refresh this job.", ACT),
    _key("R", "refresh_all", "poll.all", "refresh all", "Refresh everything.", ACT),
    _key("z", "freeze", "poll.freeze", "freeze", "Freeze the screen; polling continues.", ACT),
    _key("plus", "interval(1)", "poll.slower", "slower", "Poll less often.", ACT),
    _key("minus", "interval(-1)", "poll.faster", "faster", "Poll more often.", ACT),
    _key(
        "colon,ctrl+p",
        "palette",
        "show.palette",
        "palette",
        "Find an action or a job by name.",
        ACT,
        at_once=True,
    ),
    _REPAINT,
    _key("ctrl+z", "app.suspend_process", "app.suspend", "suspend", "Suspend; fg returns.", ACT),
    _key("q", "app.leave", "app.quit", "quit", "Quit; the jobs continue.", ACT),
    _key("W", "unlock", "change.unlock", "unlock", "Allow changes, or forbid them again.", CHANGE),
    _key("P", "change('pause')", "change.pause", "pause", "Pause this, or what is marked.", CHANGE),
    _key(
        "U",
        "change('resume')",
        "change.resume",
        "resume",
        "Resume this, or what is marked.",
        CHANGE,
    ),
    _key("X", "change('abort')", "change.abort", "abort", "Abort; it cannot be resumed.", CHANGE),
)

REPLAYING = Binding.Group("Replay")
REPLAY_KEYS: tuple[Binding, ...] = (
    _key("p", "play", "replay.play", "play/pause", "Play or pause the replay.", REPLAYING),
    _key("right_square_bracket", "speed(1)", "replay.faster", "faster", "Play faster.", REPLAYING),
    _key("left_square_bracket", "speed(-1)", "replay.slower", "slower", "Play slower.", REPLAYING),
    _key("full_stop", "step", "replay.step", "step", "To the next answer.", REPLAYING),
    _key("n", "event", "replay.event", "event", "To the next change of a status.", REPLAYING),
)
"""The further keys of the main screen during a replay."""

PALETTE_ONLY: Mapping[str, str] = {
    "new": "Create a migration.",
    "plans": "Show the jobs that wait to be started.",
    "deadline": "Set a deadline: deadline Fri 18:00.",
    "account": "Show one account's jobs, or all.",
    "theme": "Choose the colours.",
    "go to": "Go to a job, also a hidden one.",
    "delete": "Delete this ended job: the API forgets it.",
    "abort all": "Abort all jobs of an account.",
}
"""The actions that have no key: the word to type in the palette, and what it does."""

_PAGE_MOVES = _moves("Next row.", "Previous row.", "First row.", "Last row.")
_ON_EVERY_PAGE = (
    _PROBLEM,
    _key(_HELP_KEYS, "help", "show.help", "keys", "Show the keys of this page."),
    _REPAINT,
    _key("escape,q", "back", "page.back", "back", "Go back to the jobs.", ACT),
)

LOG_KEYS: tuple[Binding, ...] = (
    *_PAGE_MOVES,
    _key("f", "follow", "log.follow", "follow", "Follow the newest row, or stop."),
    _key("w", "wrap", "log.wrap", "wrap", "Show rows in full, or one line each."),
    _key("t", "times", "log.times", "times", "Show times by the clock, or how long ago."),
    _key("slash", "type('/')", "log.search", "search", "Search for words.", at_once=True),
    _key("n", "match(1)", "log.next", "next", "Go to the next older match."),
    _key("N", "match(-1)", "log.previous", "previous", "Go to the next newer match."),
    _key("T", "kind", "log.type", "type", "Show one type alone; then the next, then all."),
    _key(
        "ampersand",
        "type('&')",
        "log.text",
        "text",
        "Show only rows with these words; !word excludes.",
        at_once=True,
    ),
    _key("enter", "open", "pane.open", "open", "Show this row in full."),
    _key("y", "copy", "log.copy", "copy key", "Copy the row's key, exactly; twice shows it.", ACT),
    _key("s", "save", "log.save", "save", "Save the rows read so far to a file here.", ACT),
    _FAILURES,
    *_ON_EVERY_PAGE,
)

FAILURE_KEYS: tuple[Binding, ...] = (
    *_PAGE_MOVES,
    _key("enter", "unfold", "pane.open", "unfold", "Unfold this, then show all of it.", MOVE),
    _key("right", "unfold", "list.unfold", "unfold", "Unfold this.", MOVE),
    _key("left", "fold", "list.fold", "fold", "Fold this.", MOVE),
    _key(
        "E", "export", "show.export", "export", "Save the exact keys of this reason to a file.", ACT
    ),
    _RETRY,
    _key(
        "f",
        "check_target",
        "failures.check",
        "in target?",
        "Look these keys up in the target; asks first, with the price.",
        ACT,
    ),
    _key("y", "copy", "failures.copy", "copy", "Copy this key, prefix or message, exactly.", ACT),
    _LOG,
    *_ON_EVERY_PAGE,
)

_LINES = _moves("Next line.", "Previous line.", "First line.", "Last line.")
VERIFY_KEYS: tuple[Binding, ...] = (
    *_LINES,
    _key("p", "pause", "verify.pause", "pause", "Pause the verification, or go on.", ACT),
    _key("s", "stop", "verify.stop", "stop", "Stop it; what was compared is kept.", ACT),
    _key("E", "export", "show.export", "export", "Write the exact keys of each class.", ACT),
    _key(
        "c", "retry", "failures.retry", "retry", "Draft jobs that copy what is missing here.", ACT
    ),
    _key("V", "again", "show.verify", "verify again", "Verify the same jobs again.", ACT),
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
    if key[0] == "f" and key[1:].isdigit():
        return key.upper()
    return _SIGNS.get(key, key)


def next_interval(seconds: float, step: int) -> float:
    """Return the next longer (step 1) or shorter (step -1) interval, or the last one."""
    if step > 0:
        return next((i for i in INTERVALS if i > seconds), INTERVALS[-1])
    return next((i for i in reversed(INTERVALS) if i < seconds), INTERVALS[0])


MOST_HINTS = 7

HINTS_BEFORE_DATA = 6
"""This many key hints stay where facts about the data (its age, the requests) are dropped."""

Hint = tuple[str, str]
"""The shown keys and their short word."""


def _has_trouble(state: ScreenState) -> bool:
    snapshot = state.snapshot
    if snapshot is None:
        return False
    lost = snapshot.history_note.startswith(("history off", "history restarted"))
    if lost or snapshot.budget.blocked_until is not None:
        return True
    return any(a.problem for a in snapshot.accounts) or snapshot.job_has_problem


def _can(id: str, state: ScreenState) -> bool:
    """Return whether changes are allowed and this one works for the highlighted or marked jobs."""
    if not state.writing:
        return False
    from slurper_tui.tui.availability import why_not_now  # only needed where jobs may be changed

    return not why_not_now(id, state, "")


def _works(id: str, state: ScreenState) -> bool:
    """Return whether this key does something for the highlighted line."""
    from slurper_tui.tui.availability import why_not_now  # not for the first picture

    return state.line is not None and not why_not_now(id, state, "")


def _failed(id: str, state: ScreenState) -> bool:
    """Return whether this key works and objects of the highlighted line are or may be lost."""
    line = state.line
    if line is None:
        return False
    view = line.view
    some = view.counts.failed or view.not_copied or view.state is State.COMPLETED_UNREAD
    return bool(some) and _works(id, state)


def _ended(state: ScreenState) -> bool:
    """Return whether the highlighted line has ended, so that it can be verified as a whole."""
    return state.line is not None and not state.line.view.live and _works("show.verify", state)


_OFFERS: tuple[tuple[tuple[str, ...], Callable[[ScreenState], bool]], ...] = (
    (
        ("list.ended",),
        lambda state: state.view.hide_ended or any(not view.live for view in state.jobs),
    ),
    (("list.sort-left", "list.sort-right"), lambda state: len(state.jobs) > 1),
    (("list.filter",), lambda state: state.total > 1),
    (("pane.open",), lambda state: state.line is not None),
    (("show.verify",), _ended),
    (("show.receipt",), partial(_works, "show.receipt")),
    (("show.export",), partial(_failed, "show.export")),
    (("show.failures",), partial(_failed, "show.failures")),
    (("show.log",), partial(_works, "show.log")),
    (("change.resume",), partial(_can, "change.resume")),
    (("change.pause",), partial(_can, "change.pause")),
    (("change.abort",), partial(_can, "change.abort")),
    (("show.help",), lambda _: True),
    (("app.quit",), lambda _: True),
    (("show.problem",), _has_trouble),
)
"""The hints of the main screen, the least important first, and when their keys do something."""


_KNOWN_BY_THEN = (("app.quit",), ("show.help",))
"""Where jobs may be changed, these hints are dropped before those of `_BEFORE_THEM`."""

_BEFORE_THEM = frozenset(
    {
        *(("show.receipt",), ("show.export",), ("show.failures",), ("show.log",)),
        *(("change.resume",), ("change.pause",), ("change.abort",), ("show.problem",)),
    }
)
"""What there is to read about the highlighted line, what can be changed, and the problem."""


def hints_for(state: ScreenState, keymap: Mapping[str, str], look: Look) -> tuple[Hint, ...]:
    """Return the hints whose keys work now, the least important first."""
    offered = [ids for ids, works in _OFFERS if works(state)]
    if state.writing:
        spare = max(0, HINTS_BEFORE_DATA - len(_BEFORE_THEM.intersection(offered)))
        dropped = _KNOWN_BY_THEN[: max(0, len(_KNOWN_BY_THEN) - spare)]
        offered = [ids for ids in offered if ids not in dropped]
    hints = (key_hint(MAIN_KEYS, ids, keymap, look) for ids in offered[-MOST_HINTS:])
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
