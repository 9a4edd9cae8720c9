"""Lines that repaint only the cells that changed, and the code that writes them to the terminal.

`PaintedLines` is the base of every list and line widget: a subclass draws rows in `line_at`, and
`repaint_changes` marks the cells that differ from the screen. `RunsUpdate` and `PlacedUpdate`
replace Textual's own updates. Textual writes a run from the left edge of its widget and sends all
colours with every piece; here a run begins at its first changed cell, only colour changes are
written, and the terminal itself moves rows that only move down (`Shift`).

Terminals disagree about the width of some text: combining marks, Indic and Hangul syllables, emoji
and flags. A row that contains such text is written as a whole, and the cursor is positioned by
column after it, so that the rest of the row is in its place in every terminal.

Private Textual API is used here and in the terminal driver only. `MISSING` names what this
version of Textual lacks or has changed; each of its users then leaves the work to Textual's public
behaviour, which shows the same picture with more bytes.
"""

from __future__ import annotations

import inspect
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate, groupby
from opcode import opmap
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.command import CommandList, CommandPalette
from textual.css.styles import RenderStyles
from textual.dom import DOMNode
from textual.geometry import Offset, Region, Size
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import WorkerFailed

from slurper_tui.tui.render.lines import Line, fill

if TYPE_CHECKING:
    from slurper_tui.tui.render.glyphs import Look

try:
    from textual._compositor import ChopsUpdate, LayoutUpdate
except ImportError:

    class ChopsUpdate:  # type: ignore[no-redef]  # replaces the missing class
        """Replaces the missing class, so that `isinstance` is false for every update."""

    class LayoutUpdate:  # type: ignore[no-redef]  # replaces the missing class
        """Replaces the missing class, so that `isinstance` is false for every update."""


class PrivateName(NamedTuple):
    """A private name of Textual. parameters: of a method; None for an attribute or a property."""

    owner: type
    name: str
    parameters: tuple[str, ...] | None = None

    @property
    def is_as_expected(self) -> bool:
        """Whether the name exists with the expected signature."""
        found = inspect.getattr_static(self.owner, self.name, None)
        if self.parameters is not None:
            return callable(found) and tuple(inspect.signature(found).parameters) == self.parameters
        return found is not None or self.name in _assigned(self.owner)

    def __str__(self) -> str:
        return self.owner.__name__ if self.name == "__init__" else self.name


def _assigned(owner: type) -> Iterator[str]:
    """Yield the names of the attributes that `__init__` of a class or of its bases assigns.

    `dis.get_instructions` finds the same in 10 ms, and it is called at the start.
    """
    for base in owner.__mro__:
        if not inspect.isfunction(init := base.__dict__.get("__init__")):
            continue
        code, high = init.__code__, 0
        for operation, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
            if operation == opmap["STORE_ATTR"]:
                yield code.co_names[high | low]
            high = (high | low) << 8 if operation == opmap["EXTENDED_ARG"] else 0


_PRIVATE = (
    PrivateName(ChopsUpdate, "__init__", ("self", "chops", "spans", "chop_ends")),
    PrivateName(LayoutUpdate, "__init__", ("self", "strips", "region")),
    PrivateName(Console, "_color_system"),
    PrivateName(App, "_display", ("self", "screen", "renderable")),
    PrivateName(App, "_background_screens"),
    PrivateName(App, "_disable_tooltips"),
    PrivateName(App, "_disable_notifications"),
    PrivateName(App, "_handle_exception", ("self", "error")),
    PrivateName(App, "_return_code"),
    PrivateName(App, "_exception"),
    PrivateName(App, "_exception_event"),
    PrivateName(App, "_close_messages_no_wait", ("self",)),
    PrivateName(Screen, "_dirty_widgets"),
    PrivateName(Widget, "_layout_required"),
    PrivateName(Widget, "_repaint_regions"),
    PrivateName(Widget, "_styles_cache"),
    PrivateName(Widget, "_exchange_repaint_regions", ("self",)),
    PrivateName(DOMNode, "_attach", ("self", "parent")),
    PrivateName(CommandPalette, "_start_busy_countdown", ("self",)),
)


PRIVATE_NAMES = tuple(map(str, _PRIVATE))
MISSING = frozenset(str(name) for name in _PRIVATE if not name.is_as_expected)
"""The private names that are missing or have another signature; checked once, at the import."""

WRITES_RUNS = MISSING.isdisjoint({"ChopsUpdate", "LayoutUpdate", "_color_system", "_display"})
"""Whether the app writes changed runs itself."""

_SHIFTS_ROWS = WRITES_RUNS and MISSING.isdisjoint(
    {"_dirty_widgets", "_layout_required", "_repaint_regions", "_styles_cache"}
)
_KEEPS_CRASH = MISSING.isdisjoint(
    {"_return_code", "_exception", "_exception_event", "_close_messages_no_wait"}
)

_UNSEEN_ON_BLANKS = frozenset({"", "1", "2"})
"""Plain, bold and dim: with these attributes, the foreground colour of a blank is invisible."""


_OWN_SIGNS = re.compile("[¦\u2190-\u21ff\u2500-\u25ff\u2800-\u28ff✔✖]")
"""The program's own signs: they count as one cell wide, as the layout of every line assumes."""

_VIRAMA = 9
"""The combining class of the mark that joins the next letter to the one before it."""

_JOINER = "\u200d"


def in_doubt(text: str) -> bool:
    """Return whether terminals disagree about the width of any character of the text."""
    return not text.isascii() and any(map(_is_doubtful, text))


@lru_cache(maxsize=4096)
def _is_doubtful(char: str) -> bool:
    """Return whether terminals disagree about a character's width or its effect on its neighbour's.

    Letters of ambiguous width count as narrow, as in most terminals.
    """
    if char.isascii():
        return not char.isprintable()
    category, east_asian = unicodedata.category(char), unicodedata.east_asian_width(char)
    width = 2 if east_asian in ("W", "F") else 1
    if cell_len(char) != width or category[0] in "MC":
        return True
    if _OWN_SIGNS.match(char) and width == 1:
        return False
    return category in ("So", "Sk") or (category == "No" and east_asian == "A")


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Split text into runs; True marks a run of doubtful width, its base character included."""
    if not in_doubt(text):
        yield text, False
        return
    doubts = [_is_doubtful(char) for char in text]
    for place, char in enumerate(text):
        if place and not cell_len(char):
            doubts[place - 1] = True
        before = text[place - 1 : place]
        if before == _JOINER or (before and unicodedata.combining(before) == _VIRAMA):
            doubts[place] = True
    for doubt, run in groupby(zip(text, doubts, strict=True), key=lambda pair: pair[1]):
        yield "".join(char for char, _ in run), doubt


class Shift(NamedTuple):
    """Whole rows of the terminal that move down.

    top: the first row, from 0.
    bottom: the row after the last one.
    lines: by how many rows; this many rows at the top become empty.
    """

    top: int
    bottom: int
    lines: int

    def __str__(self) -> str:
        """Return codes that insert lines in a scroll region; every terminal supports them."""
        return f"\x1b[{self.top + 1};{self.bottom}r\x1b[{self.top + 1}H\x1b[{self.lines}L\x1b[r"


class RunsUpdate(ChopsUpdate):
    """A repaint of runs of cells, written in as few bytes as possible.

    shifts: row moves that are written first.
    """

    shifts: tuple[Shift, ...] = ()

    @classmethod
    def of(cls, update: ChopsUpdate, shifts: Iterable[Shift] = ()) -> RunsUpdate:
        """Convert an update that Textual has composed."""
        made = cls(update.chops, update.spans, update.chop_ends)
        made.shifts = tuple(shifts)
        return made

    def render_segments(self, console: Console) -> str:
        """Return the characters and escape codes for the terminal."""
        writer = _Writer(console, map(str, self.shifts))
        rows = {  # each strip with its first column and the column after it
            y: [
                (x, until, strip)
                for until, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=True)
                if strip is not None
            ]
            for y, _, _ in self.spans
        }
        doubtful = {y for y, row in rows.items() if any(_is_in_doubt(strip) for _, _, strip in row)}
        for y, start, end in self.spans:
            if y not in doubtful:
                cut = (
                    (max(x, start), strip.crop(max(0, start - x), min(end, until) - x))
                    for x, until, strip in rows[y]
                    if x < end and start < until
                )
                writer.write(y, cut)
        for y in sorted(doubtful):
            writer.write(y, ((x, strip) for x, _, strip in rows[y]))
        return writer.text


class PlacedUpdate(LayoutUpdate):
    """A full repaint where text of doubtful width does not move the text after it."""

    def render_segments(self, console: Console) -> str:
        """Return the characters and escape codes for the terminal."""
        out = []
        for y, row in enumerate(self.strips, self.region.y):
            strips = [*row]
            if any(map(_is_in_doubt, strips)):
                widths = (strip.cell_length for strip in strips)
                places = accumulate(widths, initial=self.region.x)
                writer = _Writer(console)
                writer.write(y, zip(places, strips, strict=False))
                out.append(writer.text)
            else:
                out.append(Control.move_to(self.region.x, y).segment.text)
                out.extend(strip.render(console) for strip in strips)
        return "".join(out)


def _is_in_doubt(strip: Strip) -> bool:
    return any(in_doubt(text) for text, _, _ in strip)


class _Writer:
    """Collects the codes of several runs, writing only changes of colour and of cursor position."""

    def __init__(self, console: Console, before: Iterable[str] = ()) -> None:
        self._colours = console._color_system or ColorSystem.TRUECOLOR
        self._out = [*before]
        self._current = _Codes()

    @property
    def text(self) -> str:
        """The collected codes, with a colour reset at the end if one is needed."""
        return "".join(self._out) + ("\x1b[m" if any(self._current) else "")

    def write(self, y: int, strips: Iterable[tuple[int, Strip]]) -> None:
        """Write strips that begin at these columns of row `y`, from left to right."""
        place = -1
        for x, strip in strips:
            if x != place:
                self._out.append(Control.move_to(x, y).segment.text)
            for text, style, _control in filter(None, strip):
                codes, current = _codes(style, self._colours) if style else _Codes(), self._current
                if text.isspace() and any(current) and codes.attributes in _UNSEEN_ON_BLANKS:
                    codes = codes._replace(front=current.front or codes.front)
                if codes != current:
                    self._out.append(f"\x1b[{_change(current, codes)}m")
                    self._current = codes
                x = self._put(text, x)
            place = x

    def _put(self, text: str, x: int) -> int:
        """Write text at a column and return the column after it.

        Text of doubtful width is written over blanks, and the cursor is then set after them: a
        terminal that counts it as narrower shows a gap, one that counts it as wider cuts it off.
        Marks without a base are omitted, because they would change the previous cell.
        """
        for part, doubt in _parts(text):
            width = len(part) if part.isascii() else cell_len(part)
            if doubt and width:
                part = f"{' ' * width}\x1b[{x + 1}G{part}\x1b[{x + width + 1}G"
            if width:
                self._out.append(part)
            x += width
        return x


class _Codes(NamedTuple):
    """The codes of a style: attributes such as bold, the foreground and the background colour."""

    attributes: str = ""
    front: str = ""
    back: str = ""


@lru_cache(maxsize=1024)
def _codes(style: Style, colours: ColorSystem) -> _Codes:
    return _Codes(
        Strip.render_ansi(style.without_color, colours),
        ";".join(style.color.downgrade(colours).get_ansi_codes()) if style.color else "",
        ";".join(style.bgcolor.downgrade(colours).get_ansi_codes(False)) if style.bgcolor else "",
    )


@lru_cache(maxsize=1024)
def _change(before: _Codes, after: _Codes) -> str:
    """Return the shortest codes that change one style into another."""
    keeps = before.attributes == after.attributes
    if keeps and bool(before.front) <= bool(after.front) and bool(before.back) <= bool(after.back):
        return ";".join(new for old, new in zip(before, after, strict=True) if new != old)
    return ";".join(filter(None, ("0" if any(before) else "", *after)))


class PaintedApp(App[int]):
    """An app that writes a partial repaint by `RunsUpdate` and a full one by `PlacedUpdate`.

    crash: the exception of a bug that ended the app, else None.
    """

    BUG_CODE: ClassVar[int] = 1
    """The exit code after a bug."""

    def __init__(self) -> None:
        super().__init__()
        # Neither is used here; laying out their widgets would draw the first screen twice.
        self._disable_tooltips = self._disable_notifications = True
        self.crash: BaseException | None = None
        self._shifts: list[Shift] = []
        if "_handle_exception" in MISSING:  # Textual prints a traceback with local variables
            self.error_console = Console(file=io.StringIO())

    def shift(self, shift: Shift) -> None:
        """Queue rows for the terminal to move just before the next repaint."""
        self._shifts.append(shift)

    def _handle_exception(self, error: Exception) -> None:
        """Keep the exception in `crash` and exit.

        Print nothing, because a traceback shows local variables.
        """
        if self.crash is None:
            self.crash = error.error if isinstance(error, WorkerFailed) else error
        if not _KEEPS_CRASH:
            self.exit(self.BUG_CODE, return_code=self.BUG_CODE)
            return
        self._return_code = self.BUG_CODE
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """The screens behind the current one, or none if the current one is opaque.

        Textual would otherwise repaint an opaque screen whenever a screen behind it changes.
        """
        opaque = self.screen.styles.background.a == 1
        return [] if opaque else super()._background_screens

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Write a partial repaint run by run, and put the terminal's cursor where the focus is.

        A full repaint makes the queued shifts unnecessary. Textual ends a frame with the cursor's
        move to `cursor_position`, for screen readers and magnifiers.
        """
        if isinstance(renderable, ChopsUpdate):
            renderable = RunsUpdate.of(renderable, self._shifts)
        elif isinstance(renderable, LayoutUpdate):
            renderable = PlacedUpdate(renderable.strips, renderable.region)
        if renderable is not None:
            self._shifts.clear()
        focused = self.focused if self.screen_stack else None
        self.cursor_position = getattr(focused, "cursor_screen_offset", self.cursor_position)
        super()._display(screen, renderable)


if not WRITES_RUNS:
    del PaintedApp._display
for _override in MISSING & {"_background_screens", "_handle_exception"}:
    delattr(PaintedApp, _override)


class QuietPalette(CommandPalette):
    """Textual's palette without its busy indicator: the search is too short for one.

    choosing: Enter was pressed, and what it chooses is not known yet.
    """

    choosing = False

    def _start_busy_countdown(self) -> None:
        """Start nothing."""

    def _action_command_list(self, action: str) -> None:
        """Pass an action on to the list; no page key where the terminal shows no line of it.

        A choice is passed on always: just after a search the list has no size yet.
        """
        if action == "select" or self.query_one(CommandList).scrollable_content_region.area:
            super()._action_command_list(action)


MERGE = 6
"""Changed runs that are closer than this many cells are merged: moving the cursor costs as much."""

STYLES = (
    *("muted", "faint", "strong", "primary", "secondary", "success", "warning", "error"),
    *("neutral", "accent", "bar", "bar-ended", "heading", "sorted", "key", "rule", "banner"),
    *("match", "heading-focused"),
)
"""The styles of pieces: component classes `style--NAME` of the stylesheet."""

ROWS = ("cursor", "cursor-blurred", "stale")
"""The styles of rows: component classes `row--NAME`."""

_PARTS = {f"style--{style}" for style in STYLES} | {f"row--{row}" for row in ROWS}

_STYLES: dict[tuple[object, ...], dict[tuple[str, str], Style]] = {}
"""Rich styles by (style, row style), per theme, terminal and background; widgets share them."""

Cell = tuple[str, int, Style | None]


class PaintedLines(ScrollView, can_focus=False, inherit_bindings=False):
    """A widget of lines, drawn by `line_at`, coloured by style and compared with the screen.

    After a change of the data behind `line_at`, call `repaint_changes`; unchanged cells are not
    written.
    room: the size of the visible part. first: how many lines are scrolled past.
    """

    DEFAULT_CSS = """
    PaintedLines { scrollbar-size: 0 0; overflow: hidden; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = _PARTS if "_attach" in MISSING else set()

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(id=id)
        self._look = look
        self.room = Size(0, 0)
        self.first = 0
        self._painted: dict[int, Strip] = {}
        self._lines_at: dict[int, tuple[Line, str, int]] = {}
        self._styles: dict[tuple[str, str], Style] | None = None
        self._asked_since_drawn = False

    def line_at(self, y: int) -> Line:
        """Return the line at row `y` of the visible part; subclasses override it.

        `room` is the size of that part, `first` the number of lines scrolled past.
        """
        return ()

    def row_style(self, y: int) -> str:
        """Return the style of row `y` as a whole: one of ROWS, or "" for none."""
        return ""

    @property
    def cursor_screen_offset(self) -> Offset:
        """Where the terminal's cursor stands while this has the focus; inputs have the same name.

        That is at the left of the highlighted row, or of the first one if none is.
        """
        rows = (y for y in range(self.room.height) if self.row_style(y) == "cursor")
        return self.content_region.offset + Offset(0, next(rows, 0))

    def fit(self) -> None:
        """Prepare the data for `line_at` after `room` changed; subclasses override it."""

    def render_line(self, y: int) -> Strip:
        """Draw one visible row and remember it as the content of the screen.

        Textual draws a layout before it sends the resize event, so a new size is noticed here
        first.
        """
        size = self.size
        self.first = self.scroll_offset.y
        if size != self.room:
            self.room = size
            self.fit()
        strip = self._painted[y] = self._strip(self._line_of(y))
        self._asked_since_drawn = False
        return strip

    def repaint_changes(self, rows: Iterable[int] | None = None) -> None:
        """Compare visible rows (default: all) with the screen and repaint the cells that differ."""
        self.room, self.first = self.size, self.scroll_offset.y
        if not self.is_mounted or not self.room:
            return
        regions: list[Region] = []
        for y in range(self.room.height) if rows is None else rows:
            line_before, painted = self._lines_at.get(y), self._painted.get(y)
            line = self._line_of(y)
            if line == line_before or (strip := self._strip(line)) == painted:
                continue
            self._painted[y] = strip
            runs = differing_runs(painted, strip) if painted else [(0, self.room.width)]
            regions.extend(Region(start, y, end - start, 1) for start, end in runs)
        if regions:
            self._asked_since_drawn = True
            self.refresh(*regions)

    def move_down(self, lines: int) -> None:
        """Ask the terminal to move the rows of this widget down, if it can.

        The caller must then call `repaint_changes`, which draws the new rows and all other
        differences.
        """
        app, region, screen, height = self.app, self.region, self.screen, self.room.height
        if not (_SHIFTS_ROWS and isinstance(app, PaintedApp) and 0 < lines < height):
            return
        waiting = self._repaint_regions or screen._dirty_widgets or screen._layout_required
        whole_rows = region.x == 0 and region.width == app.size.width
        if waiting or not whole_rows or not screen.is_current:
            return
        app.shift(Shift(region.y, region.bottom, lines))
        self._styles_cache.clear()  # the cache finds lines by their old row
        self._painted = {y + lines: s for y, s in self._painted.items() if y + lines < height}
        self._lines_at = {y + lines: t for y, t in self._lines_at.items() if y + lines < height}

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Repaint only the differences after scrolling."""
        self.repaint_changes()

    def set_lines(self, lines: int) -> None:
        """Set the number of lines to scroll through without triggering a layout."""
        size = Size(self.size.width, lines)
        self.set_reactive(PaintedLines.virtual_size, size)  # a plain assignment triggers a layout

    def drop_repaints(self) -> None:
        """Drop pending repaints: the layout that changed the size has already drawn everything.

        Those that were asked for after it was drawn, and before the news of the new size, are kept.
        """
        if not self._asked_since_drawn and "_exchange_repaint_regions" not in MISSING:
            self._exchange_repaint_regions()

    def notify_style_update(self) -> None:
        """Drop cached styles after a change of the theme or the terminal's colours."""
        super().notify_style_update()
        self._styles = None

    def _line_of(self, y: int) -> tuple[Line, str, int]:
        """Return the line and the style of row `y`, and the identity of the styles in use.

        They are recorded, so that `repaint_changes` skips an equal line.
        """
        line, row = fill(self.line_at(y), self.room.width), self.row_style(y)
        if self._styles is None:
            theme = (self.app.theme, *sorted(self.app.pseudo_classes), self.background_colors)
            self._styles = _STYLES.setdefault(theme, {})
        found = self._lines_at[y] = (line, row, id(self._styles))
        return found

    def _strip(self, line_of_row: tuple[Line, str, int]) -> Strip:
        line, row, _ = line_of_row
        segments = [Segment(text, self._rich_style(style, row)) for text, style in line]
        return Strip(segments, self.room.width)

    def _rich_style(self, style: str, row: str) -> Style:
        """Combine a row's style with a piece's; the piece keeps its own background if any."""
        assert self._styles is not None
        rich = self._styles.get((style, row))
        if rich is None:
            plain = self.rich_style
            rich = self._part(f"style--{style}").rich_style if style else plain
            if row:
                over = self._part(f"row--{row}").partial_rich_style
                rich += over.without_color if rich.bgcolor != plain.bgcolor else over
            self._styles[style, row] = rich
        return rich

    def _part(self, name: str) -> RenderStyles:
        """Compute the style of a component class on first use. Raises KeyError for an unknown name.

        Textual would compute every component class of every widget at once: a twentieth of the
        start.
        """
        if name not in _PARTS:
            raise KeyError(name)
        if "_attach" in MISSING:
            return self.get_component_styles(name)
        part = DOMNode(classes=name)
        part._attach(self)
        self.app.stylesheet.apply(part)
        return part.styles


def differing_runs(before: Strip, after: Strip) -> list[tuple[int, int]]:
    """Return the half-open ranges of cells that differ between two strips, near ones merged.

    If any text has a doubtful width, all cells are one range.
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
    """Return each cell as character, half and style, so that a wide character is never split.

    None if the width of some text is in doubt.
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
