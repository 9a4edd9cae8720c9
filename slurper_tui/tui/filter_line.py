"""The line to type a filter in."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import var
from textual.widgets import Input, Static

from slurper_tui.tui.filter import TERMS

MOST_TYPED = 500
"""Characters that a line to search with takes; a longer paste is left out."""


class FilterInput(Input):
    """A line to type in whose cursor stands still: a blinking one writes 2.5 KB/s."""

    cursor_blink = var(False, init=False)


class FilterLine(Horizontal):
    """A slash and what is typed after it."""

    def compose(self) -> ComposeResult:
        """Lay out the sign and the line."""
        yield Static(Content(" / "))
        yield FilterInput(
            placeholder=TERMS, select_on_focus=False, max_length=MOST_TYPED, id="filter"
        )
