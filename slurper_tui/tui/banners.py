"""A line for every account that the API refuses, or that alone is in trouble."""

from __future__ import annotations

from textual.reactive import var

from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.render.problem_text import banner_lines
from slurper_tui.tui.scene import Scene

MOST = 3
"""More banners than this would push the jobs away; the `!` key tells them all."""


class Banners(PaintedLines):
    """Standing trouble of single accounts; takes no room when there is none."""

    scene: var[Scene] = var(Scene, init=False)

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(id=id)
        self._look = look
        self._lines: tuple[Line, ...] = ()

    def line_at(self, y: int) -> Line:
        """Draw one account's trouble."""
        return self._lines[y] if y < len(self._lines) else ()

    def watch_scene(self, before: Scene, after: Scene) -> None:
        """Grow, shrink, or just repaint."""
        if after.same_jobs(before):
            return
        lines = banner_lines(self.scene.snapshot, self._look)[:MOST]
        if len(lines) != len(self._lines):
            self.styles.height = len(lines)
            self.set_class(bool(lines), "-shown")
        self._lines = lines
        self.repaint_changes()
