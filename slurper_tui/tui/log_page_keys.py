"""The keys of the pages about one job; those that the main screen has too keep its ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.binding import Binding

from slurper_tui.tui.hints import Hint
from slurper_tui.tui.keys import key_sign
from slurper_tui.tui.render.glyphs import Look


def _key(
    keys: str, action: str, id: str, word: str, tooltip: str, *, at_once: bool = False
) -> Binding:
    """at_once: it opens a line to type in, so it acts before the next key is handed out."""
    return Binding(keys, action, word, id=id, tooltip=tooltip, priority=at_once)


MOVING: tuple[Binding, ...] = (
    _key("down,j", "move(1)", "move.down", "down", "Go one row down."),
    _key("up,k", "move(-1)", "move.up", "up", "Go one row up."),
    _key("g,home", "ends(-1)", "move.top", "top", "Go to the first row."),
    _key("G,end", "ends(1)", "move.bottom", "bottom", "Go to the last row."),
    _key("ctrl+d,pagedown", "page(1)", "move.page-down", "page down", "Go one page down."),
    _key("ctrl+u,pageup", "page(-1)", "move.page-up", "page up", "Go one page up."),
)

ALWAYS: tuple[Binding, ...] = (
    _key("exclamation_mark", "problem", "show.problem", "problem", "Tell the problem in full."),
    _key("question_mark", "help", "show.help", "keys", "Show the keys of this page."),
    _key("ctrl+l", "repaint", "screen.repaint", "repaint", "Draw the whole screen again."),
    _key("escape,q", "back", "page.back", "back", "Go back to the jobs."),
)

LOG_KEYS: tuple[Binding, ...] = (
    *MOVING,
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
    _key("e", "failures", "show.failures", "failures", "Tell what failed, by reason and prefix."),
    *ALWAYS,
)

FAILURE_KEYS: tuple[Binding, ...] = (
    *MOVING,
    _key("enter", "unfold", "pane.open", "unfold", "Show what this holds, or all of it."),
    _key("right", "unfold", "list.unfold", "unfold", "Show what this holds."),
    _key("left", "fold", "list.fold", "fold", "Fold it again."),
    _key("E", "export", "show.export", "export", "Save the exact keys of this reason to a file."),
    _key("c", "retry", "failures.retry", "retry", "Draft a job of exactly what failed."),
    _key("y", "copy", "failures.copy", "copy", "Copy this key, prefix or message, exactly."),
    _key("l", "log", "show.log", "log", "Read this job's log."),
    *ALWAYS,
)


def signs(binding: Binding, keymap: Mapping[str, str], look: Look) -> str:
    """The keys of a binding as a person reads them, as the person has bound them."""
    keys = keymap.get(binding.id or "", binding.key).split(",")
    return look.glyphs.say(" ".join(key_sign(key.strip()) for key in keys))


def hints_of(
    bindings: Sequence[Binding], ids: Sequence[str], keymap: Mapping[str, str], look: Look
) -> tuple[Hint, ...]:
    """Give the first key of each of these, in this order, with its word."""
    known = {binding.id: binding for binding in bindings}
    chosen = (known[id] for id in ids)
    return tuple((signs(b, keymap, look).split(" ")[0], b.description) for b in chosen)
