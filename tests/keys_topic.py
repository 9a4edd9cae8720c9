"""Write `slurper_tui/help/keys.txt` from the tables of bindings: `python -m tests.keys_topic`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from textual.binding import Binding

from slurper_tui.cli.help import FOLDER
from slurper_tui.tui.keys import (
    FAILURE_KEYS,
    LOG_KEYS,
    MAIN_KEYS,
    REPLAY_KEYS,
    VERIFY_KEYS,
    key_sign,
)
from slurper_tui.tui.render.glyphs import STATUS
from slurper_tui.tui.screens.dialogs import _FILTER_HELP, _STATE_HELP, _STATE_WORDS

FILE = FOLDER / "keys.txt"
WIDTH = 78
SIGNS = 10
COLUMN = 28
TABLES = {
    "The list of jobs": MAIN_KEYS,
    "During a replay, also": REPLAY_KEYS,
    "The log (l)": LOG_KEYS,
    "The failure report (e)": FAILURE_KEYS,
    "A verification (V)": VERIFY_KEYS,
}
ARROWS = {"↑": "Up", "↓": "Down", "←": "Left", "→": "Right"}


def text() -> str:
    """Return the topic."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "KEYS: THE KEYS OF EVERY SCREEN, THEIR IDS, AND THE SIGNS"
    yield ""
    yield 'The ids are for [keys] in config.toml: "list.filter" = "f"'
    for title, bindings in TABLES.items():
        yield ""
        yield title
        yield from _table((f"{_signs(key):<{SIGNS}}{key.id}", key.tooltip) for key in bindings)
    yield ""
    yield "The filter (/)"
    yield from _table(_FILTER_HELP)
    yield ""
    yield "Signs and status words; the second sign is that of --ascii"
    yield from _table(
        (f"{STATUS[state].sign} {STATUS[state].plain} {_STATE_WORDS.get(state, state)}", meaning)
        for state, meaning in _STATE_HELP.items()
    )


def _signs(binding: Binding) -> str:
    signs = (key_sign(key.strip()) for key in binding.key.split(","))
    return " ".join(ARROWS.get(sign, sign) for sign in signs)


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for left, right in rows:
        first, *more = textwrap.wrap(right, WIDTH - COLUMN - 2)
        yield f"  {left:<{COLUMN - 1}} {first}"
        yield from (" " * (COLUMN + 2) + line for line in more)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
