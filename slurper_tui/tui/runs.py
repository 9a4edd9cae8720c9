"""How a partial repaint is written to the terminal: each run from its own first cell.

Textual writes a run from the left edge of the widget it lies in, and a colour for every piece.
Here a run begins where it begins, and a colour is written only when it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate
from textual.strip import Strip


class RunsUpdate(ChopsUpdate):
    """A repaint of runs of cells, written in as few bytes as their changes need."""

    @classmethod
    def of(cls, update: ChopsUpdate) -> RunsUpdate:
        """Take over what Textual has composed."""
        return cls(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """Give the characters and escape codes for the terminal."""
        colours = console._color_system or ColorSystem.TRUECOLOR
        out: list[str] = []
        current = ""
        for y, start, end in self.spans:
            out.append(Control.move_to(start, y).segment.text)
            for text, style, _control in self._run(y, start, end):
                codes = Strip.render_ansi(style, colours) if style else ""
                if codes != current:
                    out.append(f"\x1b[0;{codes}m" if current and codes else f"\x1b[{codes}m")
                    current = codes
                out.append(text)
        return "".join(out) + ("\x1b[m" if current else "")

    def _run(self, y: int, start: int, end: int) -> Iterator[Segment]:
        for x, chop_end, strip in self._chops(y):
            if strip is None or chop_end <= start or x >= end:
                continue
            yield from strip.crop(max(0, start - x), min(end, chop_end) - x)

    def _chops(self, y: int) -> Iterable[tuple[int, int, Strip | None]]:
        pairs = zip(self.chop_ends[y], self.chops[y].items(), strict=True)
        return ((x, end, strip) for end, (x, strip) in pairs)
