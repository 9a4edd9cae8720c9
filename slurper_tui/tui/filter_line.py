"""The line to type a filter in."""

from __future__ import annotations

from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import var
from textual.widgets import Input, Static

from slurper_tui.tui.filter import TERMS


class FilterInput(Input):
    """A line to type in whose cursor stands still: a blinking one writes 2.5 KB/s."""

    cursor_blink = var(False, init=False)


class FilterLine(Horizontal):
    """A slash and what is typed after it; made when it is first needed, a tenth of the start."""

    async def open(self) -> Input:
        """Give the line to type in, making it at the first time."""
        if not self.children:
            line = FilterInput(placeholder=TERMS, select_on_focus=False, id="filter")
            await self.mount(Static(Content(" / ")), line)
        return self.query_one(FilterInput)

    def clear(self) -> None:
        """Forget what was typed, if anything ever was."""
        for line in self.query(FilterInput):
            line.value = ""
