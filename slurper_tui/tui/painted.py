"""A widget made of lines that repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.css.styles import RenderStyles
from textual.dom import DOMNode
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from slurper_tui.tui.lines import Line, fill
from slurper_tui.tui.runs import Shift, in_doubt

MERGE = 6
"""Runs of changed cells nearer than this are one: moving the terminal's cursor costs as much."""

ROLES = (
    *("muted", "faint", "strong", "primary", "secondary", "success", "warning", "error"),
    *(
        "neutral",
        "accent",
        "bar",
        "bar-ended",
        "heading",
        "sorted",
        "key",
        "rule",
        "banner",
        "match",
    ),
)
ROWS = ("cursor", "cursor-blurred", "stale")
_PARTS = {f"role--{role}" for role in ROLES} | {f"row--{row}" for row in ROWS}

_STYLES: dict[tuple[object, ...], dict[tuple[str, str], Style]] = {}
"""Roles of rows in their colours, for every theme, terminal and background: widgets share them."""

Cell = tuple[str, int, Style | None]


class PaintedLines(ScrollView, can_focus=False, inherit_bindings=False):
    """Lines drawn by `line_at`, coloured by role, compared with what stands on the screen.

    Whoever changes what `line_at` would say calls `repaint_changes`; nothing moved, nothing drawn.
    """

    DEFAULT_CSS = """
    PaintedLines { scrollbar-size: 0 0; overflow: hidden; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.room = Size(0, 0)
        self.first = 0
        self._painted: dict[int, Strip] = {}
        self._told: dict[int, tuple[Line, str, int]] = {}
        self._styles: dict[tuple[str, str], Style] | None = None

    def line_at(self, y: int) -> Line:
        """Say what stands on row `y` of the visible part; nothing unless told otherwise.

        `room` is how large that part is, `first` how many lines have been scrolled past.
        """
        return ()

    def row_role(self, y: int) -> str:
        """Say how row `y` as a whole is coloured; one of ROWS, or "" for plainly."""
        return ""

    def fit(self) -> None:
        """Prepare what `line_at` needs for this `room`; nothing unless told otherwise."""

    def render_line(self, y: int) -> Strip:
        """Draw one visible row, and remember it as what stands on the screen.

        A layout is drawn before its sizes are announced, so a new size is noticed here first.
        """
        size = self.size
        self.first = self.scroll_offset.y
        if size != self.room:
            self.room = size
            self.fit()
        line, row = self._told_at(y)
        strip = self._painted[y] = self._strip(line, row)
        return strip

    def repaint_changes(self, rows: Iterator[int] | range | None = None) -> None:
        """Compare visible rows (by default all) with the screen; repaint the cells that differ."""
        self.room, self.first = self.size, self.scroll_offset.y
        if not self.is_mounted or not self.room:
            return
        regions = [r for y in rows or range(self.room.height) for r in self._changes(y)]
        if regions:
            self.refresh(*regions)

    def move_down(self, lines: int) -> None:
        """Let the terminal move what stands here down by so many rows, if it can; the rows that
        are empty then, and whatever else differs, are left to `repaint_changes`.
        """
        if not self._movable(lines):
            return
        self.app.shift(Shift(self.region.y, self.region.bottom, lines))  # type: ignore[attr-defined]  # ours
        self._styles_cache.clear()  # it knows lines by where they stood
        height = self.room.height
        self._painted = {y + lines: s for y, s in self._painted.items() if y + lines < height}
        self._told = {y + lines: t for y, t in self._told.items() if y + lines < height}

    def _movable(self, lines: int) -> bool:
        """Whole rows of the terminal are ours, are in sight, and are as they are known to be."""
        region, screen = self.region, self.screen
        ours = region.x == 0 and region.width == self.app.size.width
        waiting = self._repaint_regions or screen._dirty_widgets or screen._layout_required
        return ours and screen.is_current and not waiting and 0 < lines < self.room.height

    def set_lines(self, lines: int) -> None:
        """Say how many lines there are to scroll through; no layout follows from it."""
        size = Size(self.size.width, lines)
        self.set_reactive(PaintedLines.virtual_size, size)  # set plainly, the screen is laid out

    def forget_marks(self) -> None:
        """Forget what was to be repainted: the layout that changed the size has drawn it all."""
        self._exchange_repaint_regions()

    def notify_style_update(self) -> None:
        """Forget the colours: the theme, or the terminal's abilities, have changed."""
        super().notify_style_update()
        self._styles = None

    def _changes(self, y: int) -> Iterator[Region]:
        before = self._told.get(y)
        line, row = self._told_at(y)
        if before is not None and before == self._told[y]:
            return
        painted, wanted = self._painted.get(y), self._strip(line, row)
        if painted == wanted:
            return
        self._painted[y] = wanted
        runs = differing_runs(painted, wanted) if painted else [(0, self.room.width)]
        for start, end in runs:
            yield Region(start, y, end - start, 1)

    def _told_at(self, y: int) -> tuple[Line, str]:
        """What is to stand on a row; the same line in the same colours is not drawn again."""
        line, row = fill(self.line_at(y), self.room.width), self.row_role(y)
        if self._styles is None:
            look = (self.app.theme, *sorted(self.app.pseudo_classes), self.background_colors)
            self._styles = _STYLES.setdefault(look, {})
        self._told[y] = (line, row, id(self._styles))
        return line, row

    def _strip(self, line: Line, row: str) -> Strip:
        return Strip([Segment(p.text, self._style(p.role, row)) for p in line], self.room.width)

    def _style(self, role: str, row: str) -> Style:
        assert self._styles is not None
        style = self._styles.get((role, row))
        if style is None:
            style = self._styles[role, row] = self._mix(role, row)
        return style

    def _mix(self, role: str, row: str) -> Style:
        """Lay a row's own colours over a role's, save the background that a role has itself."""
        plain = self.rich_style
        if not row:
            return self._part(f"role--{role}").rich_style if role else plain
        style = self._style(role, "")
        over = self._part(f"row--{row}").partial_rich_style
        if role and style.bgcolor != plain.bgcolor:
            over = over.without_color
        return style + over

    def _part(self, name: str) -> RenderStyles:
        """Ask the stylesheet about a part when it is first drawn. Raises KeyError for no part.

        Textual's own way asks for every part of every widget at once: a twentieth of the start.
        """
        if name not in _PARTS:
            raise KeyError(name)
        part = DOMNode(classes=name)
        part._attach(self)
        self.app.stylesheet.apply(part)
        return part.styles


def differing_runs(before: Strip, after: Strip) -> list[tuple[int, int]]:
    """Give the half-open runs of cells in which two strips differ, near ones merged.

    Where the width of any text is in doubt, all cells are one run.
    """
    olds, news = _cells(before), _cells(after)
    if olds is None or news is None:
        return [(0, after.cell_length)] if before != after else []
    if len(olds) != len(news):
        return [(0, len(news))]
    runs: list[tuple[int, int]] = []
    for x, (old, new) in enumerate(zip(olds, news, strict=True)):
        if old == new:
            continue
        if runs and x - runs[-1][1] < MERGE:
            runs[-1] = (runs[-1][0], x + 1)
        else:
            runs.append((x, x + 1))
    return runs


def _cells(strip: Strip) -> list[Cell] | None:
    """Give every cell as character, half and style, so that no wide character is ever halved.

    None where the width of some text is in doubt.
    """
    cells: list[Cell] = []
    for text, style, _control in strip:
        if text.isascii():
            cells.extend([(char, 0, style) for char in text])
            continue
        if in_doubt(text):
            return None
        cells.extend((char, half, style) for char in text for half in range(cell_len(char)))
    return cells
